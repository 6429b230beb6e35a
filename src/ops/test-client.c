/* Tests of the client against a small server in a child process, which plays a scene: for each
 * connection and request what to do. What it was asked is noted in memory that both share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/json.h"
#include "ops/client.h"
#include "net/http_request.h"
#include "net/http_write.h"
#include "os/testing.h"

/* What the server does with the next request. */
enum act {
	ANSWER,	 /* 200 with {"n": number of the request, "args": its body} */
	ERROR,	 /* an error object */
	REFUSAL, /* 413 as soon as the head is there, and no more reading */
	HALF,	 /* half an answer, then the connection ends */
	DROP,	 /* the connection ends */
	DIE,	 /* the server ends, and its socket stays behind */
	CLOSE,	 /* an answer that says keep-alive, then the connection ends */
	JUNK,	 /* an answer and bytes after it */
	TEXT,	 /* 200, and no JSON */
	NOISE,	 /* no HTTP */
	SILENCE, /* nothing, for good */
	STREAM,	 /* the head of a stream, and the next scene's events; then the connection ends */
};

struct noted {
	enum http_verb verb;
	char path[64], query[64], key[64], token[64], protocol[8], last_id[64], body[256];
	unsigned connection;
};

/* Memory of both processes. */
struct stage {
	unsigned requests, connections;
	struct noted at[32];
};

struct server {
	char *folder;
	struct paths paths;
	const enum act *acts; /* for each request, over all connections and lives of the server */
	size_t n_acts;
	const char *const *events; /* for each STREAM: what is sent */
	struct stage *stage;
	pid_t pid;
	int listener; /* in the server: its descriptor */
	int starts;
	bool may_not_start;
};

/* --- the server's side --- */

static void note(char *to, size_t size, const struct http_request *req, const char *header)
{
	const char *value = http_request_header(req, header);
	(void)snprintf(to, size, "%s", value ? value : "-");
}

static void note_request(struct server *s, const struct http_request *req)
{
	struct noted *n = &s->stage->at[s->stage->requests++ % 32];
	n->verb = req->verb;
	n->connection = s->stage->connections;
	(void)snprintf(n->path, sizeof(n->path), "%s", req->path);
	(void)snprintf(n->query, sizeof(n->query), "%s", req->query ? req->query : "-");
	(void)snprintf(n->body, sizeof(n->body), "%s", req->body);
	note(n->key, sizeof(n->key), req, "idempotency-key");
	note(n->token, sizeof(n->token), req, "authorization");
	note(n->protocol, sizeof(n->protocol), req, "coppice-protocol");
	note(n->last_id, sizeof(n->last_id), req, "last-event-id");
}

static void write_answer(struct server *s, const struct http_request *req, struct strbuf *out)
{
	json_auto_t *args = NULL;
	if (json_parse(req->body, req->body_len, &args, NULL) != 0)
		_exit(20);
	json_auto_t *json = json_pack("{s:i, s:O}", "n", (int)s->stage->requests, "args", args);
	if (http_write_json(out, 200, json, HTTP_WRITE_KEEP_ALIVE, NULL) != 0)
		_exit(21);
}

static void write_failure(struct strbuf *out)
{
	autoerror failure = {0};
	(void)error_hint(&failure, error_set(&failure, ERR_AMBIGUOUS, "two are named x"), "say which");
	(void)error_details(&failure, 0, json_pack("{s:[s,s]}", "candidates", "a", "b"));
	if (http_write_error(out, &failure, HTTP_WRITE_KEEP_ALIVE, NULL) != 0)
		_exit(22);
}

static void send_all(int fd, const char *text, size_t len)
{
	for (ssize_t n; len; text += n, len -= (size_t)n)
		if ((n = send(fd, text, len, MSG_NOSIGNAL)) <= 0)
			return; /* the client has seen enough */
}

/* Plays one act; false when the connection is to end. */
static bool play(struct server *s, enum act act, const struct http_request *req, int fd)
{
	autostrbuf out = STRBUF_INIT(1 << 20);
	bool go_on = act == ANSWER || act == ERROR || act == JUNK || act == TEXT;
	if (act == ANSWER || act == HALF || act == CLOSE || act == JUNK)
		write_answer(s, req, &out);
	else if (act == ERROR)
		write_failure(&out);
	else if (act == NOISE)
		strbuf_addstr(&out, "SSH-2.0-OpenSSH\r\n");
	else if (act == DIE) {
		(void)close(s->listener); /* first, so that nobody connects to what is about to end */
		_exit(0);
	} else if (act == SILENCE)
		(void)test_pause(NULL);
	else if (act == TEXT &&
		 http_write_reply(&out, &(struct http_reply){.status = 200, .body = "ok", .len = 2}, NULL))
		_exit(23);
	else if (act == STREAM) {
		if (http_write_stream(&out, NULL) != 0)
			_exit(24);
		strbuf_addstr(&out, *s->events++);
	}
	if (act == JUNK)
		strbuf_addstr(&out, "HTTP/1.1 200 OK\r\n");
	send_all(fd, strbuf_str(&out), act == HALF ? out.len / 2 : out.len);
	return go_on;
}

static enum act next_act(const struct server *s)
{
	unsigned n = s->stage->requests;
	if (n >= s->n_acts)
		_exit(25); /* more requests than the scene has */
	return s->acts[n];
}

static void serve_connection(struct server *s, int fd)
{
	struct http_requests rs;
	char chunk[1000];
	ssize_t n;
	bool go_on = true;
	http_requests_init(&rs, 1000);
	while (go_on && (n = recv(fd, chunk, sizeof(chunk), 0)) > 0) {
		enum http_stage stage = http_requests_feed(&rs, chunk, (size_t)n, 1);
		if (stage == HTTP_STAGE_BAD) {
			autostrbuf out = STRBUF_INIT(1 << 20);
			s->stage->requests++;
			if (http_write_refusal(&out, rs.frame.status, rs.frame.reason, NULL) == 0)
				send_all(fd, out.buf, out.len);
			break;
		}
		if (stage != HTTP_STAGE_DONE)
			continue;
		enum act act = next_act(s);
		note_request(s, &rs.req);
		go_on = play(s, act, &rs.req, fd);
		(void)http_requests_next(&rs, 1);
	}
	http_requests_release(&rs);
	(void)close(fd);
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	memcpy(addr.sun_path, path, strlen(path) + 1);
	(void)unlink(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static int serve(void *data)
{
	struct server *s = data;
	(void)alarm(60); /* whatever becomes of the test */
	for (;;) {
		int fd = accept(s->listener, NULL, NULL);
		if (fd < 0)
			return 26;
		s->stage->connections++;
		serve_connection(s, fd);
	}
}

/* --- the tests' side --- */

static void server_start(struct server *s)
{
	s->listener = listen_at(s->paths.socket);
	s->pid = test_fork(serve, s);
	assert_int_equal(close(s->listener), 0);
}

static int start_server(void *data, struct error *err)
{
	struct server *s = data;
	s->starts++;
	if (s->may_not_start)
		return error_set(err, ERR_NO_DAEMON, "not from here");
	if (s->pid)
		assert_int_equal(test_wait(s->pid), 0);
	server_start(s);
	return 0;
}

static void server_init(struct server *s, const enum act *acts, size_t n)
{
	*s = (struct server){.folder = test_folder_make(), .acts = acts, .n_acts = n};
	s->paths.home = xstrdup(s->folder);
	s->paths.socket = path_join(s->folder, "a.sock");
	s->stage = mmap(NULL, sizeof(*s->stage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(s->stage != MAP_FAILED);
}

static void server_end(struct server *s)
{
	if (s->pid)
		test_kill(s->pid);
	assert_int_equal(munmap(s->stage, sizeof(*s->stage)), 0);
	paths_release(&s->paths);
	test_folder_remove(s->folder);
}

#define SCENE(s, ...)                                                                                        \
	static const enum act acts_[] = {__VA_ARGS__};                                                       \
	_cleanup_(server_end) struct server s;                                                               \
	server_init(&s, acts_, ARRAY_SIZE(acts_))

static struct client *client_of(struct server *s, bool may_start)
{
	struct client_options o = {.paths = &s->paths, .token = "secret"};
	if (may_start) {
		o.start = start_server;
		o.data = s;
	}
	return client_new(&o);
}

static void test_call(void **state)
{
	(void)state;
	SCENE(s, ANSWER, ANSWER);
	autoclient *c = client_of(&s, false);
	server_start(&s);
	json_auto_t *args = json_pack("{s:s}", "text", "h\xc3\xa9");
	json_auto_t *first = NULL, *second = NULL;
	assert_int_equal(client_call(c, "ask", args, "key-1", &first, NULL), 0);
	assert_true(json_equal(json_object_get(first, "args"), args));
	assert_int_equal(client_call(c, "whoami", NULL, NULL, &second, NULL), 0);
	assert_int_equal(json_int(second, "n", 0), 2);
	assert_int_equal(s.stage->connections, 1);
	const struct noted *n = s.stage->at;
	assert_int_equal(n[0].verb, HTTP_VERB_POST);
	assert_string_equal(n[0].path, "/v1/ask");
	assert_string_equal(n[0].key, "key-1");
	assert_string_equal(n[0].token, "Bearer secret");
	assert_string_equal(n[0].protocol, "1");
	assert_string_equal(n[1].path, "/v1/whoami");
	assert_string_equal(n[1].key, "-");
	assert_string_equal(n[1].body, "{}");
}

static void test_error_objects(void **state)
{
	(void)state;
	SCENE(s, ERROR, ANSWER);
	autoclient *c = client_of(&s, false);
	autoerror err = {0};
	json_auto_t *ret = NULL;
	server_start(&s);
	assert_int_equal(client_call(c, "ask", NULL, NULL, &ret, &err), ERR_AMBIGUOUS);
	assert_null(ret);
	assert_string_equal(err.message, "two are named x");
	assert_string_equal(err.hint, "say which");
	assert_int_equal(json_array_size(json_object_get(err.details, "candidates")), 2);
	assert_int_equal(client_call(c, "ask", NULL, NULL, &ret, NULL), 0);
	assert_int_equal(s.stage->connections, 1);
}

/* However the answer is lost, the request is made again with the same key, and its answer is the result. */
static void test_lost_answers_are_asked_for_again_with_the_same_key(void **state)
{
	(void)state;
	static const enum act losses[][3] = {
		{DROP, ANSWER}, {HALF, ANSWER}, {DIE, ANSWER}, {DROP, HALF, ANSWER}, {DIE, DIE, ANSWER},
	};
	for (size_t i = 0; i < ARRAY_SIZE(losses); i++) {
		_cleanup_(server_end) struct server s;
		unsigned n = i < 3 ? 2 : 3;
		server_init(&s, losses[i], n);
		autoclient *c = client_of(&s, true);
		json_auto_t *ret = NULL;
		server_start(&s);
		assert_int_equal(client_call(c, "ask", NULL, "key-7", &ret, NULL), 0);
		assert_int_equal(json_int(ret, "n", 0), n);
		assert_int_equal(s.starts, losses[i][0] == DIE ? n - 1 : 0);
		for (unsigned k = 0; k < n; k++)
			assert_string_equal(s.stage->at[k].key, "key-7");
	}
}

static void test_gives_up_on_a_request_that_is_always_lost(void **state)
{
	(void)state;
	SCENE(s, DROP, DROP, DROP);
	autoclient *c = client_of(&s, true);
	autoerror err = {0};
	json_auto_t *ret = NULL;
	server_start(&s);
	assert_int_equal(client_call(c, "ask", NULL, "k", &ret, &err), ERR_NO_DAEMON);
	assert_non_null(strstr(err.message, "3 times"));
	assert_int_equal(s.stage->requests, 3);
}

static void test_connections_that_ended_meanwhile(void **state)
{
	(void)state;
	SCENE(s, CLOSE, JUNK, ANSWER, DIE, ANSWER);
	autoclient *c = client_of(&s, true);
	server_start(&s);
	for (int i = 1; i <= 4; i++) {
		json_auto_t *ret = NULL;
		assert_int_equal(client_call(c, "x", NULL, NULL, &ret, NULL), 0);
		assert_int_equal(json_int(ret, "n", 0), i < 4 ? i : 5);
	}
}

static void test_nobody_listens(void **state)
{
	(void)state;
	SCENE(s, ANSWER);
	autoerror err = {0}, refused = {0};
	json_auto_t *ret = NULL;
	autoclient *without = client_of(&s, false);
	assert_int_equal(client_call(without, "x", NULL, NULL, &ret, &err), ERR_NO_DAEMON);
	assert_int_equal(error_kind(err.code)->exit_code, 4);
	assert_non_null(err.hint);
	autoclient *c = client_of(&s, true);
	s.may_not_start = true;
	assert_int_equal(client_call(c, "x", NULL, NULL, &ret, &refused), ERR_NO_DAEMON);
	assert_string_equal(refused.message, "not from here");
	s.may_not_start = false;
	assert_int_equal(client_call(c, "x", NULL, NULL, &ret, NULL), 0);
	assert_int_equal(s.starts, 2);
}

static void test_daemon_of_another_runtime_folder(void **state)
{
	(void)state;
	SCENE(s, ANSWER);
	json_auto_t *ret = NULL;
	server_start(&s);
	assert_int_equal(paths_note_socket(&s.paths, NULL), 0);
	free(s.paths.socket);
	s.paths.socket = path_join(s.folder, "other.sock");
	autoclient *c = client_of(&s, false);
	assert_int_equal(client_call(c, "x", NULL, NULL, &ret, NULL), 0);
}

static void test_answer_before_the_request_is_sent(void **state)
{
	(void)state;
	SCENE(s, REFUSAL);
	autoclient *c = client_of(&s, false);
	autoerror err = {0};
	json_auto_t *ret = NULL, *args = json_object();
	autofree char *large = xmalloc(8 << 20);
	memset(large, 'a', (8 << 20) - 1);
	large[(8 << 20) - 1] = '\0';
	json_set_str(args, "text", large);
	server_start(&s);
	assert_int_equal(client_call(c, "x", args, NULL, &ret, &err), ERR_TOO_LARGE);
	assert_int_equal(s.stage->requests, 1);
}

static void test_limit(void **state)
{
	(void)state;
	SCENE(s, SILENCE);
	autoclient *c = client_of(&s, false);
	json_auto_t *ret = NULL;
	server_start(&s);
	client_set_limit(c, 20 * USEC_PER_MSEC);
	assert_int_equal(client_call(c, "x", NULL, NULL, &ret, NULL), ERR_TIMED_OUT);
}

static void test_what_is_no_daemon(void **state)
{
	(void)state;
	SCENE(s, NOISE, TEXT, ANSWER);
	autoclient *c = client_of(&s, false);
	autoerror err = {0};
	json_auto_t *ret = NULL;
	server_start(&s);
	assert_int_equal(client_call(c, "x", NULL, NULL, &ret, &err), ERR_PROTOCOL);
	assert_int_equal(client_call(c, "x", NULL, NULL, &ret, &err), ERR_PROTOCOL);
	assert_int_equal(client_call(c, "x", NULL, NULL, &ret, NULL), 0);
	assert_int_equal(client_call(c, "x\r\nA: b", NULL, NULL, &ret, NULL), ERR_INVALID);
}

static int gather(void *data, const struct sse_event *event, struct error *err)
{
	strbuf_addf(data, "[%s|%s|%s]", event->id, event->event, event->data);
	return strcmp(event->data, "stop") == 0 ? error_set(err, ERR_CONFLICT, "stopped") : 0;
}

static void test_stream_resumes(void **state)
{
	(void)state;
	static const char *const events[] = {
		"id: 11\nevent: ask\ndata: a\n\nid: 12\ndata: b\n\nid: 13\ndata: cu",
		"",
		"id: 13\ndata: cut\n\n:\n\n",
		"id: 14\ndata: stop\n\nid: 15\ndata: unseen\n\n",
	};
	SCENE(s, STREAM, STREAM, DROP, STREAM, STREAM, ANSWER);
	s.events = events;
	autoclient *c = client_of(&s, true);
	autoerror err = {0};
	autostrbuf seen = STRBUF_INIT(1000);
	server_start(&s);
	assert_int_equal(client_stream(c, "topic=a", "10", gather, &seen, &err), ERR_CONFLICT);
	assert_string_equal(seen.buf, "[11|ask|a][12|message|b][13|message|cut][14|message|stop]");
	assert_string_equal(err.message, "stopped");
	static const char *const last_ids[] = {"10", "12", "12", "12", "13"};
	assert_int_equal(s.stage->requests, ARRAY_SIZE(last_ids));
	for (size_t i = 0; i < ARRAY_SIZE(last_ids); i++) {
		assert_int_equal(s.stage->at[i].verb, HTTP_VERB_GET);
		assert_string_equal(s.stage->at[i].path, "/v1/events");
		assert_string_equal(s.stage->at[i].query, "topic=a");
		assert_string_equal(s.stage->at[i].last_id, last_ids[i]);
		assert_string_equal(s.stage->at[i].token, "Bearer secret");
	}
	json_auto_t *ret = NULL;
	assert_int_equal(client_call(c, "x", NULL, NULL, &ret, NULL), 0);
}

static void test_stream_outlives_the_daemon(void **state)
{
	(void)state;
	static const char *const first[] = {"id: 1\ndata: a\n\n"};
	static const char *const second[] = {"id: 2\ndata: stop\n\n"};
	SCENE(s, STREAM, DIE, STREAM);
	s.events = first;
	autoclient *c = client_of(&s, true);
	autostrbuf seen = STRBUF_INIT(1000);
	server_start(&s);
	s.events = second; /* the one that is started next */
	assert_int_equal(client_stream(c, NULL, NULL, gather, &seen, NULL), ERR_CONFLICT);
	assert_string_equal(seen.buf, "[1|message|a][2|message|stop]");
	assert_int_equal(s.starts, 1);
	assert_string_equal(s.stage->at[0].last_id, "-");
	assert_string_equal(s.stage->at[2].last_id, "1");
}

static void test_stream_that_brings_nothing_is_given_up(void **state)
{
	(void)state;
	static const char *const events[] = {"", "", ""};
	SCENE(s, STREAM, STREAM, STREAM);
	s.events = events;
	autoclient *c = client_of(&s, true);
	autoerror err = {0};
	autostrbuf seen = STRBUF_INIT(1000);
	server_start(&s);
	assert_int_equal(client_stream(c, NULL, NULL, gather, &seen, &err), ERR_NO_DAEMON);
	assert_int_equal(s.stage->requests, 3);
	assert_int_equal(seen.len, 0);
}

static void test_stream_refused(void **state)
{
	(void)state;
	SCENE(s, ERROR, NOISE);
	autoclient *c = client_of(&s, true);
	autoerror err = {0};
	server_start(&s);
	assert_int_equal(client_stream(c, NULL, NULL, gather, NULL, &err), ERR_AMBIGUOUS);
	assert_string_equal(err.message, "two are named x");
	assert_int_equal(client_stream(c, NULL, NULL, gather, NULL, NULL), ERR_PROTOCOL);
}

static void test_S4_token_file(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autofree char *file = path_join(folder, "token");
	assert_int_equal(setenv("COPPICE_HOME", folder, 1), 0);
	assert_int_equal(setenv("COPPICE_TOKEN_FILE", file, 1), 0);
	static const struct {
		const char *text;
		mode_t mode;
		int code;
	} table[] = {
		{NULL, 0, ERR_NOT_FOUND},
		{"abc\n", 0600, 0},
		{"abc", 0400, 0},
		{"abc\n", 0640, ERR_REFUSED},
		{"abc\n", 0604, ERR_REFUSED},
		{"", 0600, ERR_INVALID},
		{"\nabc", 0600, ERR_INVALID},
		{"abc def\n", 0600, ERR_INVALID},
		{"abc\r\nX: y\r\n", 0600, ERR_INVALID},
		{"\xff", 0600, ERR_INVALID},
	};
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct client *c = NULL;
		autoerror err = {0};
		if (table[i].text)
			assert_int_equal(file_replace(file, table[i].text, strlen(table[i].text), 0600, NULL),
					 0);
		if (table[i].text)
			assert_int_equal(chmod(file, table[i].mode), 0);
		assert_int_equal(client_open_default(0, &c, &err), table[i].code);
		assert_true(!err.message || !strstr(err.message, "abc"));
		client_free(c);
	}
	assert_int_equal(unsetenv("COPPICE_TOKEN_FILE"), 0);
}

static void test_keys(void **state)
{
	(void)state;
	char one[ID_SIZE], two[ID_SIZE];
	client_new_key(one);
	client_new_key(two);
	assert_true(id_is(one, "key"));
	assert_string_not_equal(one, two);
	client_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_call),
		cmocka_unit_test(test_error_objects),
		cmocka_unit_test(test_lost_answers_are_asked_for_again_with_the_same_key),
		cmocka_unit_test(test_gives_up_on_a_request_that_is_always_lost),
		cmocka_unit_test(test_connections_that_ended_meanwhile),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_daemon_of_another_runtime_folder),
		cmocka_unit_test(test_answer_before_the_request_is_sent),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_what_is_no_daemon),
		cmocka_unit_test(test_stream_resumes),
		cmocka_unit_test(test_stream_outlives_the_daemon),
		cmocka_unit_test(test_stream_that_brings_nothing_is_given_up),
		cmocka_unit_test(test_stream_refused),
		cmocka_unit_test(test_S4_token_file),
		cmocka_unit_test(test_keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

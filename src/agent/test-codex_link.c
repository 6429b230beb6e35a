/* Tests of the link to a Codex app server over real sockets. The server is this test: a listening socket and
 * the frames of WebSocket, on the same loop; what it is asked, it answers by a small table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/codex.h"
#include "base/json.h"
#include "base/list.h"
#include "net/ws_key.h"
#include "os/testing.h"

#define A "01a22de5-1303-79a1-b882-253f2d3eb665"

struct fake {
	uv_loop_t loop;
	uv_pipe_t listener, peer;
	bool has_peer, wrong_key, silent, closed;
	char *folder, *socket;
	char input[1 << 16];
	struct strbuf in;
	bool open; /* the handshake is done */
	/* What the link told, a word each. */
	struct strbuf seen;
	struct agent_link *link;
	bool close_at_next; /* the next event closes the link */
	enum error_code lost;
};

/* --- the server --- */

struct written {
	uv_write_t write;
	char *bytes;
};

static void on_written(uv_write_t *write, int status)
{
	(void)status;
	struct written *w = container_of(write, struct written, write);
	free(w->bytes);
	free(w);
}

static void fake_write(struct fake *f, struct strbuf *bytes)
{
	struct written *w = xcalloc(1, sizeof(*w));
	size_t len = bytes->len;
	w->bytes = strbuf_detach(bytes);
	uv_buf_t buf = uv_buf_init(w->bytes, (unsigned)len);
	assert_int_equal(uv_write(&w->write, (uv_stream_t *)&f->peer, &buf, 1, on_written), 0);
}

static void fake_say(struct fake *f, const char *text)
{
	autostrbuf frame = STRBUF_INIT(1 << 20);
	size_t len = strlen(text);
	strbuf_addch(&frame, (char)0x81);
	if (len >= 126)
		strbuf_addch(&frame, 126);
	if (len >= 126)
		strbuf_addch(&frame, (char)(len >> 8));
	strbuf_addch(&frame, (char)len);
	strbuf_add(&frame, text, len);
	fake_write(f, &frame);
}

static void fake_handshake(struct fake *f)
{
	static const char name[] = "Sec-WebSocket-Key: ";
	const char *key = strstr(strbuf_str(&f->in), name);
	char accept[WS_ACCEPT_SIZE];
	autostrbuf head = STRBUF_INIT(4096);
	assert_non_null(key);
	assert_null(strstr(strbuf_str(&f->in), "Origin:"));
	ws_accept(key + strlen(name), accept);
	strbuf_addf(&head,
		    "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
		    "sec-websocket-accept: %s\r\n\r\n",
		    f->wrong_key ? "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" : accept);
	fake_write(f, &head);
	strbuf_reset(&f->in);
	f->open = true;
}

static const struct {
	const char *method, *answer;
} answers[] = {
	{"initialize", "{}"},
	{"thread/loaded/list", "{\"data\":[\"" A "\"]}"},
	{"thread/read", "{\"thread\":{\"id\":\"" A "\",\"cwd\":\"/a\",\"status\":{\"type\":\"idle\"}}}"},
	{"thread/resume", "{}"},
	{"thread/unsubscribe", "{}"},
	{"turn/start", "{\"turn\":{\"id\":\"turn-1\"}}"},
};

static void fake_answer(struct fake *f, const json_t *frame)
{
	const char *method = json_str(frame, "method");
	assert_non_null(method);
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		if (strcmp(answers[i].method, method) != 0)
			continue;
		autofree char *text = xasprintf("{\"id\":%lld,\"result\":%s}",
						(long long)json_int(frame, "id", -1), answers[i].answer);
		fake_say(f, text);
	}
	if (strcmp(method, "turn/start") != 0)
		return;
	autofree char *item = xasprintf("{\"method\":\"item/started\",\"params\":{\"threadId\":\"" A
					"\",\"item\":{\"type\":\"userMessage\",\"clientId\":\"%s\"}}}",
					json_str(json_object_get(frame, "params"), "clientUserMessageId"));
	fake_say(f, item);
}

/* Takes one masked frame from the input; false if it is not there whole. */
static bool fake_frame(struct fake *f)
{
	const uint8_t *in = (const uint8_t *)f->in.buf;
	size_t len = f->in.len, head = 2;
	if (len < 2)
		return false;
	size_t n = in[1] & 0x7f;
	if (n == 126 && len >= 4)
		n = (size_t)in[2] << 8 | in[3], head = 4;
	if (n > 60000 || len < head + 4 + n)
		return false;
	assert_true(in[1] & 0x80);
	bool text = (in[0] & 15) == 1;
	autofree char *payload = xmalloc(n + 1);
	for (size_t i = 0; i < n; i++)
		payload[i] = (char)(in[head + 4 + i] ^ in[head + i % 4]);
	strbuf_consume(&f->in, head + 4 + n);
	json_auto_t *frame = NULL;
	if (text && !f->silent) {
		assert_int_equal(json_parse(payload, n, &frame, NULL), 0);
		fake_answer(f, frame);
	}
	return true;
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	(void)suggested;
	struct fake *f = handle->data;
	*ret = uv_buf_init(f->input, sizeof(f->input));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct fake *f = stream->data;
	if (n < 0) {
		f->closed = true;
		(void)uv_read_stop(stream);
		return;
	}
	strbuf_add(&f->in, buf->base, (size_t)n);
	if (!f->open && f->in.len && memmem(f->in.buf, f->in.len, "\r\n\r\n", 4))
		fake_handshake(f);
	while (f->open && fake_frame(f))
		;
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct fake *f = listener->data;
	assert_int_equal(status, 0);
	assert_false(f->has_peer);
	f->has_peer = true;
	(void)uv_pipe_init(&f->loop, &f->peer, 0);
	f->peer.data = f;
	assert_int_equal(uv_accept(listener, (uv_stream_t *)&f->peer), 0);
	assert_int_equal(uv_read_start((uv_stream_t *)&f->peer, give_buffer, on_read), 0);
}

/* --- what the link tells --- */

static void note(struct fake *f, const char *fmt, ...) _printf_(2, 3);

static void note(struct fake *f, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	if (f->seen.len)
		strbuf_addch(&f->seen, ' ');
	strbuf_vaddf(&f->seen, fmt, ap);
	va_end(ap);
	if (f->close_at_next) {
		codex_link.close(f->link);
		f->link = NULL;
	}
}

static void on_session(void *data, const char *session, const char *cwd, enum agent_turn turn)
{
	assert_string_equal(session, A);
	note(data, "session(%s,%d)", cwd, (int)turn);
}

static void on_gone(void *data, const char *session)
{
	assert_string_equal(session, A);
	note(data, "gone");
}

static void on_turn(void *data, const char *session, enum agent_turn turn)
{
	assert_string_equal(session, A);
	note(data, "turn(%d)", (int)turn);
}

static void on_sent(void *data, const char *session, const char *id, const struct error *err)
{
	assert_string_equal(session, A);
	note(data, "%s(%s)", err ? "unsent" : "sent", id);
}

static void on_consumed(void *data, const char *session, const char *id)
{
	assert_string_equal(session, A);
	note(data, "consumed(%s)", id);
}

static void on_lost(void *data, const struct error *err)
{
	struct fake *f = data;
	assert_true(err->code && err->message);
	f->lost = err->code;
	f->link = NULL;
	note(f, "lost");
}

static const struct agent_link_events events = {.session = on_session,
						.session_gone = on_gone,
						.turn = on_turn,
						.sent = on_sent,
						.consumed = on_consumed,
						.lost = on_lost};

/* --- the scene --- */

static int setup(void **state)
{
	struct fake *f = xcalloc(1, sizeof(*f));
	strbuf_init(&f->in, 1 << 20);
	strbuf_init(&f->seen, 1 << 20);
	f->folder = test_folder_make();
	f->socket = path_join(f->folder, "s");
	assert_int_equal(uv_loop_init(&f->loop), 0);
	(void)uv_pipe_init(&f->loop, &f->listener, 0);
	f->listener.data = f;
	assert_int_equal(uv_pipe_bind(&f->listener, f->socket), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&f->listener, 8, on_connection), 0);
	*state = f;
	return 0;
}

static void drop_peer(struct fake *f)
{
	if (f->has_peer && !uv_is_closing((uv_handle_t *)&f->peer))
		uv_close((uv_handle_t *)&f->peer, NULL);
}

/* All handles close, and nothing calls back any more. */
static int teardown(void **state)
{
	struct fake *f = *state;
	size_t seen = f->seen.len;
	codex_link.close(f->link);
	uv_close((uv_handle_t *)&f->listener, NULL);
	drop_peer(f);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	assert_int_equal(f->seen.len, seen);
	strbuf_release(&f->in);
	strbuf_release(&f->seen);
	free(f->socket);
	test_folder_remove(f->folder);
	free(f);
	return 0;
}

static int open_link(struct fake *f, const char *socket, pid_t pid, struct error *err)
{
	return codex_link.open(&f->loop, socket, pid, &events, f, &f->link, err);
}

static void opened(struct fake *f)
{
	autoerror err = {0};
	if (open_link(f, f->socket, getpid(), &err))
		fail_msg("%s", err.message);
	assert_int_equal(f->seen.len, 0);
}

/* Runs the loop until the events end with `tail`. */
static void until(struct fake *f, const char *tail)
{
	size_t n = strlen(tail);
	while (f->seen.len < n || strcmp(f->seen.buf + f->seen.len - n, tail) != 0)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
}

static void expect(struct fake *f, const char *seen)
{
	assert_string_equal(strbuf_str(&f->seen), seen);
	strbuf_reset(&f->seen);
}

static void test_D1_sessions_and_messages(void **state)
{
	struct fake *f = *state;
	opened(f);
	assert_int_equal(codex_link.send(f->link, A, "msg-0", "early", NULL), ERR_NOT_FOUND);
	until(f, "session(/a,0)");
	expect(f, "session(/a,0)");
	assert_int_equal(codex_link.send(f->link, "other", "msg-0", "x", NULL), ERR_NOT_FOUND);
	assert_int_equal(codex_link.send(f->link, A, "msg-1", "hello", NULL), 0);
	assert_int_equal(codex_link.send(f->link, A, "msg-2", "again", NULL), 0);
	until(f, "consumed(msg-2)");
	expect(f, "sent(msg-1) consumed(msg-1) sent(msg-2) consumed(msg-2)");
	fake_say(f, "{\"method\":\"thread/closed\",\"params\":{\"threadId\":\"" A "\"}}");
	until(f, "gone");
	expect(f, "gone");
}

static void test_a_link_follows_symlinks_of_any_length(void **state)
{
	struct fake *f = *state;
	char name[201];
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	autofree char *path = path_join(f->folder, name);
	assert_int_equal(symlink(f->socket, path), 0);
	assert_int_equal(open_link(f, path, getpid(), NULL), 0);
	until(f, "session(/a,0)");
	expect(f, "session(/a,0)");
}

static void test_I2_the_listener_must_be_the_process(void **state)
{
	struct fake *f = *state;
	/* Ourselves, and our parent: a wrapper. */
	assert_int_equal(open_link(f, f->socket, getppid(), NULL), 0);
	until(f, "session(/a,0)");
	codex_link.close(f->link);
	drop_peer(f);
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	f->has_peer = f->open = false;
	strbuf_reset(&f->in);
	strbuf_reset(&f->seen);
	/* A process that is gone, for its number is nobody's. */
	pid_t other = fork();
	if (other == 0)
		_exit(0);
	assert_int_equal(waitpid(other, NULL, 0), other);
	assert_int_equal(open_link(f, f->socket, other, NULL), 0);
	assert_int_equal(f->seen.len, 0);
	assert_int_equal(codex_link.send(f->link, A, "msg-1", "x", NULL), ERR_NOT_FOUND);
	until(f, "lost");
	expect(f, "lost");
	assert_int_equal(f->lost, ERR_FORBIDDEN);
	assert_false(f->open);
}

static void test_nobody_listens(void **state)
{
	struct fake *f = *state;
	autofree char *nowhere = path_join(f->folder, "nowhere");
	autofree char *dangling = path_join(f->folder, "dangling");
	assert_int_equal(symlink(nowhere, dangling), 0);
	assert_int_equal(open_link(f, nowhere, getpid(), NULL), ERR_NOT_FOUND);
	assert_int_equal(open_link(f, dangling, getpid(), NULL), ERR_NOT_FOUND);
	assert_null(f->link);
}

static void test_a_lost_connection(void **state)
{
	struct fake *f = *state;
	opened(f);
	until(f, "session(/a,0)");
	f->silent = true;
	assert_int_equal(codex_link.send(f->link, A, "msg-1", "hello", NULL), 0);
	drop_peer(f);
	until(f, "lost");
	/* What was sent and not answered is unknown: nothing is said of it. */
	expect(f, "session(/a,0) lost");
}

static void test_a_server_that_is_none(void **state)
{
	struct fake *f = *state;
	f->wrong_key = true;
	opened(f);
	until(f, "lost");
	assert_int_equal(f->lost, ERR_PROTOCOL);
}

static void test_an_event_may_close_the_link(void **state)
{
	struct fake *f = *state;
	f->close_at_next = true;
	opened(f);
	until(f, "session(/a,0)");
	while (!f->closed)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	expect(f, "session(/a,0)");
}

static void test_lost_may_close_the_link_too(void **state)
{
	struct fake *f = *state;
	opened(f);
	until(f, "session(/a,0)");
	f->close_at_next = true;
	drop_peer(f);
	until(f, "lost");
}

static void test_a_link_that_is_closed_at_once(void **state)
{
	struct fake *f = *state;
	opened(f);
	codex_link.close(f->link);
	f->link = NULL;
	while (!f->closed)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	expect(f, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_D1_sessions_and_messages),
		TEST(test_a_link_follows_symlinks_of_any_length),
		TEST(test_I2_the_listener_must_be_the_process),
		TEST(test_nobody_listens),
		TEST(test_a_lost_connection),
		TEST(test_a_server_that_is_none),
		TEST(test_an_event_may_close_the_link),
		TEST(test_lost_may_close_the_link_too),
		TEST(test_a_link_that_is_closed_at_once),
	};
	(void)signal(SIGPIPE, SIG_IGN); /* as in the daemon */
	return cmocka_run_group_tests_name("agent-codex_link", tests, NULL, NULL);
}

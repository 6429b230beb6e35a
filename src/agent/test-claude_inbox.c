/* Tests of claude_inbox.h, against a session's socket that the test holds itself: on the same loop, so that
 * every step is an event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "agent/claude_frame.h"
#include "agent/claude_inbox.h"
#include "base/json.h"
#include "base/list.h"
#include "os/env.h"
#include "os/loop.h"
#include "os/testing.h"

enum { LINES_MAX = 400, EVENTS_MAX = 400 };

#define LIMIT (10 * USEC_PER_SEC)
#define GUARD (60 * USEC_PER_SEC) /* a test that waits for what never comes fails then */
#define NO_PACE ((struct claude_pace){.burst = 100000, .refill = 1})

static uv_loop_t loop;

/* --- the session --- */

enum manner { READS = 0, SLAMS, DEAF };

struct session {
	char *dir, *path;
	int fd;
	uv_poll_t poll;
	enum manner manner;
	int n;
	char *lines[LINES_MAX]; /* of messages, in order of arrival */
	usec_t at[LINES_MAX];
	int tokens;	 /* lines of authentication */
	int connections; /* taken so far */
	int open[64];	 /* connections of a deaf session */
	int n_open;
};

struct visitor {
	uv_poll_t poll;
	int fd;
	struct session *session;
	struct strbuf in;
};

static void visitor_closed(uv_handle_t *handle)
{
	struct visitor *v = container_of(handle, struct visitor, poll);
	strbuf_release(&v->in);
	free(v);
}

static void take_lines(struct visitor *v)
{
	struct session *s = v->session;
	for (char *line = v->in.buf, *end; line && (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (strncmp(line, "{\"type\":\"auth\"", 14) == 0) {
			s->tokens++;
			continue;
		}
		assert_true(s->n < LINES_MAX);
		s->at[s->n] = os_monotonic();
		s->lines[s->n++] = xstrdup(line);
	}
}

static void on_visitor(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	struct visitor *v = container_of(poll, struct visitor, poll);
	char buf[64 << 10];
	ssize_t n;
	while ((n = recv(v->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		strbuf_add(&v->in, buf, (size_t)n);
	if (n < 0 && errno == EAGAIN)
		return;
	take_lines(v);
	uv_close((uv_handle_t *)poll, visitor_closed);
	close_fd(&v->fd);
}

static void on_visit(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	struct session *s = container_of(poll, struct session, poll);
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	s->connections++;
	if (s->manner == SLAMS) {
		close(fd);
		return;
	}
	if (s->manner == DEAF) {
		s->open[s->n_open++] = fd;
		return;
	}
	struct visitor *v = xcalloc(1, sizeof(*v));
	v->fd = fd;
	v->session = s;
	v->in = STRBUF_INIT(4 << 20);
	assert_int_equal(uv_poll_init(&loop, &v->poll, fd), 0);
	assert_int_equal(uv_poll_start(&v->poll, UV_READABLE, on_visitor), 0);
}

static int bind_at(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	assert_true(strlen(path) < sizeof(addr.sun_path));
	memcpy(addr.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void session_start(struct session *s, char *dir)
{
	*s = (struct session){.dir = dir};
	s->path = xasprintf("%s/1.sock", s->dir);
	s->fd = bind_at(s->path);
	assert_int_equal(listen(s->fd, 64), 0);
	assert_int_equal(uv_poll_init(&loop, &s->poll, s->fd), 0);
	assert_int_equal(uv_poll_start(&s->poll, UV_READABLE, on_visit), 0);
}

static void session_stop(struct session *s)
{
	if (!s->path)
		return;
	uv_close((uv_handle_t *)&s->poll, NULL);
	close_fd(&s->fd);
	for (int i = 0; i < s->n_open; i++)
		close(s->open[i]);
	(void)uv_run(&loop, UV_RUN_DEFAULT); /* what is left closes itself, and may still bring a line */
	free(TAKE_PTR(s->path));
}

static json_t *line_json(const struct session *s, int i)
{
	json_t *json = NULL;
	assert_true(i < s->n);
	assert_int_equal(json_parse(s->lines[i], strlen(s->lines[i]), &json, NULL), 0);
	return json;
}

/* The session writes to the address that the message names. */
static void answer_text(const struct session *s, int i, const char *text)
{
	json_auto_t *json = line_json(s, i);
	const char *from = json_str(json, "from");
	assert_non_null(from);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", from + strlen("uds:"));
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static char *uuid_of(const struct session *s, int i)
{
	json_auto_t *json = line_json(s, i);
	return xstrdup(json_str(json, "msg_id"));
}

static void answer(const struct session *s, int i, const char *status)
{
	autofree char *uuid = uuid_of(s, i);
	autofree char *text =
		xasprintf("{\"type\":\"control\",\"action\":\"peer_message_status\",\"status\":\"%s\","
			  "\"orig_msg_id\":\"%s\"}\n",
			  status, uuid);
	answer_text(s, i, text);
}

/* --- what the inbox tells --- */

static struct log {
	int n, sent;
	char *at[EVENTS_MAX];
	struct agent_inbox *inbox;
	bool close_on_next;
} told;

static void add(char *line)
{
	assert_true(told.n < EVENTS_MAX);
	told.at[told.n++] = line;
	if (told.close_on_next) {
		claude_inbox.close(TAKE_PTR(told.inbox));
		told.close_on_next = false;
	}
}

static void on_sent(void *data, const char *id, const struct error *err)
{
	assert_ptr_equal(data, &told);
	told.sent++;
	add(err ? xasprintf("failed %s", id) : xasprintf("sent %s", id));
}

static void on_held(void *data, const char *id, const char *reason)
{
	(void)data;
	add(xasprintf("held %s (%s)", id, reason));
}

static void on_released(void *data, const char *id)
{
	(void)data;
	add(xasprintf("released %s", id));
}

static void on_dropped(void *data, const char *id, const char *reason)
{
	(void)data;
	add(xasprintf("dropped %s (%s)", id, reason));
}

static const struct agent_inbox_events events = {on_sent, on_held, on_released, on_dropped};

static void inbox_start(const struct session *s, struct claude_pace pace, usec_t limit)
{
	struct claude_inbox_options options = {
		.socket = s->path, .token = "secret", .session = getpid(), .pace = pace, .limit = limit};
	told.inbox = claude_inbox_new(&loop, &options, &events, &told);
}

static void inbox_end(void)
{
	claude_inbox.close(TAKE_PTR(told.inbox));
	for (int i = 0; i < told.n; i++)
		free(told.at[i]);
	told = (struct log){0};
}

static void send_text(const char *id, const char *text)
{
	assert_int_equal(claude_inbox.send(told.inbox, id, "feat/a", text, NULL), 0);
}

static void on_guard(void *data)
{
	(void)data;
	fail_msg("what the test waits for did not come");
}

/* Runs the loop until `n` events were told. */
static void until(int n)
{
	struct loop_timer *guard = loop_timer_start(&loop, GUARD, on_guard, NULL);
	while (told.n < n)
		(void)uv_run(&loop, UV_RUN_ONCE);
	loop_timer_stop(guard);
}

static void assert_told(int i, const char *line)
{
	assert_true(i < told.n);
	assert_string_equal(told.at[i], line);
}

static int setup(void **state)
{
	static struct session session; /* one that reads; a test may have it behave otherwise */
	if (uv_loop_init(&loop))
		return -1;
	session_start(&session, test_folder_make());
	*state = &session;
	return 0;
}

static int teardown(void **state)
{
	struct session *s = *state;
	inbox_end();
	session_stop(s);
	for (int i = 0; i < s->n; i++)
		free(s->lines[i]);
	test_folder_remove(s->dir);
	return uv_loop_close(&loop);
}

/* --- sending --- */

static void test_D3_messages_arrive_in_order_each_on_a_connection_of_its_own(void **state)
{
	struct session *s = *state;
	inbox_start(s, NO_PACE, LIMIT);
	for (int i = 0; i < 30; i++) {
		autofree char *id = xasprintf("msg-%02d", i);
		send_text(id, id);
	}
	assert_int_equal(told.n, 0); /* never from within send */
	until(30);
	assert_int_equal(s->n, 30);
	assert_int_equal(s->tokens, 30);
	assert_int_equal(s->connections, 30);
	for (int i = 0; i < 30; i++) {
		autofree char *line = xasprintf("sent msg-%02d", i);
		autofree char *text = xasprintf("\nmsg-%02d\n", i);
		assert_told(i, line);
		json_auto_t *json = line_json(s, i);
		assert_non_null(strstr(json_str(json_object_get(json, "message"), "content"), text));
	}
	autofree char *first = uuid_of(s, 0), *second = uuid_of(s, 1);
	assert_string_not_equal(first, second);
}

static void test_a_burst_goes_at_once_and_the_rest_at_the_session_s_pace(void **state)
{
	enum { STEP_MS = 30 };
	struct session *s = *state;
	inbox_start(s, (struct claude_pace){.burst = 3, .refill = STEP_MS * USEC_PER_MSEC}, LIMIT);
	usec_t begin = os_monotonic();
	for (int i = 0; i < 6; i++)
		send_text("msg", "text");
	until(6);
	assert_int_equal(s->n, 6);
	for (int i = 3; i < 6; i++)
		assert_true(s->at[i] - begin >= (i - 2) * STEP_MS * USEC_PER_MSEC);
}

static void test_large_messages_arrive_whole(void **state)
{
	struct session *s = *state;
	inbox_start(s, NO_PACE, LIMIT);
	enum { LEN = 1000 << 10 };
	autofree char *text = xcalloc(1, LEN + 1);
	memset(text, 'x', LEN);
	send_text("msg-large", text);
	send_text("msg-small", "y");
	until(2);
	assert_told(0, "sent msg-large");
	assert_told(1, "sent msg-small");
	json_auto_t *json = line_json(s, 0);
	assert_non_null(strstr(json_str(json_object_get(json, "message"), "content"), text));
}

static void test_S3_what_is_too_large_or_too_much_is_refused_and_the_rest_goes_on(void **state)
{
	struct session *s = *state;
	inbox_start(s, NO_PACE, LIMIT);
	autofree char *text = xcalloc(1, CLAUDE_LINE_MAX + 1);
	memset(text, 'x', CLAUDE_LINE_MAX);
	assert_int_equal(claude_inbox.send(told.inbox, "msg-x", "a", text, NULL), ERR_TOO_LARGE);
	int n = 0;
	while (claude_inbox.send(told.inbox, "msg", "a", "text", NULL) == 0)
		assert_true(++n < LINES_MAX);
	assert_int_equal(claude_inbox.send(told.inbox, "msg", "a", "text", NULL), ERR_TOO_LARGE);
	until(n);
	assert_int_equal(s->n, n);
	send_text("msg-later", "text");
	until(n + 1);
}

/* --- what is known not to have arrived --- */

static void test_D4_a_session_that_is_gone_has_not_got_the_message(void **state)
{
	struct session *s = *state;
	inbox_start(s, NO_PACE, LIMIT);
	assert_int_equal(unlink(s->path), 0);
	send_text("msg-1", "text");
	send_text("msg-2", "text");
	until(2);
	assert_told(0, "failed msg-1");
	assert_told(1, "failed msg-2");
	close_fd(&s->fd);
	s->fd = bind_at(s->path); /* nobody listens */
	send_text("msg-3", "text");
	until(3);
	assert_told(2, "failed msg-3");
}

static void test_D4_only_a_line_that_was_written_whole_may_have_arrived(void **state)
{
	struct session *s = *state;
	s->manner = SLAMS;
	inbox_start(s, NO_PACE, LIMIT);
	enum { LEN = 1000 << 10 }; /* more than the kernel keeps for a reader that does not read */
	autofree char *text = xcalloc(1, LEN + 1);
	memset(text, 'x', LEN);
	send_text("msg-large", text);
	send_text("msg-small", "text");
	until(2);
	assert_told(0, "failed msg-large");
	assert_int_equal(s->n, 0);
}

static void test_D4_a_session_that_reads_nothing_has_what_was_written_and_is_not_waited_for(void **state)
{
	struct session *s = *state;
	s->manner = DEAF;
	inbox_start(s, NO_PACE, 20 * USEC_PER_MSEC);
	enum { LEN = 1000 << 10 };
	autofree char *text = xcalloc(1, LEN + 1);
	memset(text, 'x', LEN);
	send_text("msg-small", "text");
	send_text("msg-large", text);
	until(2);
	assert_told(0, "sent msg-small");   /* it may still read it: unknown is not lost */
	assert_told(1, "failed msg-large"); /* not whole, and never will be */
}

static void test_I4_a_socket_in_other_hands_gets_nothing(void **state)
{
	struct session *s = *state;
	struct claude_inbox_options options = {
		.socket = s->path, .session = 1, .pace = NO_PACE, .limit = LIMIT};
	told.inbox = claude_inbox_new(&loop, &options, &events, &told);
	send_text("msg-1", "text");
	until(1);
	assert_told(0, "failed msg-1");
	inbox_end();
	session_stop(s);
	assert_int_equal(s->n, 0);
}

/* --- receipts --- */

static void test_receipts_are_told_by_message(void **state)
{
	struct session *s = *state;
	inbox_start(s, NO_PACE, LIMIT);
	send_text("msg-1", "text");
	send_text("msg-2", "text");
	until(2);
	answer(s, 0, "held");
	until(3);
	answer(s, 1, "held");
	until(4);
	answer(s, 0, "delivered");
	until(5);
	answer(s, 1, "denied");
	until(6);
	assert_told(2, "held msg-1 (held)");
	assert_told(3, "held msg-2 (held)");
	assert_told(4, "released msg-1");
	assert_told(5, "dropped msg-2 (denied)");
	/* Nothing comes after the end, and nothing of what we did not send. */
	answer(s, 1, "delivered");
	answer_text(s, 0,
		    "{\"type\":\"control\",\"action\":\"peer_message_status\",\"status\":\"dropped\","
		    "\"orig_msg_id\":\"00000000-0000-4000-8000-000000000000\"}\n");
	send_text("msg-3", "text");
	until(7);
	answer(s, 2, "dropped");
	until(8);
	assert_told(7, "dropped msg-3 (dropped)");
}

static void test_one_receipt_may_name_many(void **state)
{
	struct session *s = *state;
	inbox_start(s, NO_PACE, LIMIT);
	for (int i = 0; i < 3; i++) {
		autofree char *id = xasprintf("msg-%d", i);
		send_text(id, "text");
	}
	until(3);
	autofree char *a = uuid_of(s, 0), *b = uuid_of(s, 1), *c = uuid_of(s, 2);
	autofree char *text =
		xasprintf("{\"type\":\"control\",\"action\":\"peer_message_status\",\"status\":\"dropped\","
			  "\"drop_reason\":\"rate-limited\",\"orig_msg_id\":\"%s\","
			  "\"dropped_msg_ids\":[\"%s\",\"%s\",\"%s\"]}\n",
			  c, a, b, c);
	answer_text(s, 0, text);
	until(6);
	assert_told(3, "dropped msg-2 (dropped: rate-limited)");
	assert_told(4, "dropped msg-0 (dropped: rate-limited)");
	assert_told(5, "dropped msg-1 (dropped: rate-limited)");
}

static void test_X4_what_is_no_receipt_does_no_harm(void **state)
{
	struct session *s = *state;
	inbox_start(s, NO_PACE, LIMIT);
	send_text("msg-1", "text");
	until(1);
	autofree char *endless = xcalloc(1, 2 * CLAUDE_RECEIPT_MAX);
	memset(endless, 'x', 2 * CLAUDE_RECEIPT_MAX - 1);
	answer_text(s, 0, "");
	answer_text(s, 0, endless);
	answer_text(s, 0, "no json\n{}\n\n[1\n\"half");
	answer_text(s, 0, "{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":\"hi\"}}\n");
	answer(s, 0, "held");
	until(2);
	assert_told(1, "held msg-1 (held)");
}

static int stranger(void *data)
{
	const struct session *s = data;
	answer(s, 0, "dropped");
	return 0;
}

static void test_I1_only_the_session_itself_gives_receipts(void **state)
{
	struct session *s = *state;
	inbox_start(s, NO_PACE, LIMIT);
	send_text("msg-1", "text");
	until(1);
	assert_int_equal(test_wait(test_fork(stranger, s)), 0);
	answer(s, 0, "held");
	until(2);
	assert_told(1, "held msg-1 (held)");
}

/* --- the socket for receipts --- */

static bool exists(const char *dir, const char *name)
{
	autofree char *path = path_join(dir, name);
	struct stat st;
	return lstat(path, &st) == 0;
}

static void test_the_socket_for_receipts_is_private_and_goes_with_the_inbox(void **state)
{
	struct session *s = *state;
	autofree char *name = xasprintf("coppice-%d.sock", (int)getpid());
	autofree char *path = path_join(s->dir, name);
	close(bind_at(path)); /* left by a process that had our pid */
	inbox_start(s, NO_PACE, LIMIT);
	struct stat st;
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	send_text("msg-1", "text");
	until(1);
	answer(s, 0, "held");
	until(2);
	inbox_end();
	assert_false(exists(s->dir, name));
}

static void test_X7_sockets_that_killed_processes_left_are_removed(void **state)
{
	struct session *s = *state;
	static const char *const keep[] = {"coppice-999999998.sock", "coppice-x.sock", "999999997.sock",
					   "coppice-999999997.sock.x"};
	for (size_t i = 0; i < ARRAY_SIZE(keep); i++) {
		autofree char *path = path_join(s->dir, keep[i]);
		int fd = bind_at(path);
		if (i > 0)
			close(fd);
		else
			assert_int_equal(listen(fd, 1), 0); /* somebody of another pid namespace */
	}
	autofree char *stale = path_join(s->dir, "coppice-999999999.sock");
	close(bind_at(stale));
	autofree char *file = path_join(s->dir, "coppice-999999996.sock");
	assert_int_equal(file_replace(file, "x", 1, 0600, NULL), 0);
	inbox_start(s, NO_PACE, LIMIT);
	assert_false(exists(s->dir, "coppice-999999999.sock"));
	assert_true(exists(s->dir, "coppice-999999996.sock"));
	for (size_t i = 0; i < ARRAY_SIZE(keep); i++)
		assert_true(exists(s->dir, keep[i]));
}

static void test_without_a_socket_for_receipts_messages_go_all_the_same(void **state)
{
	struct session *s = *state;
	char *top = s->dir;
	size_t room = sizeof(((struct sockaddr_un *)NULL)->sun_path) - strlen("/1.sock") - 1;
	autofree char *dir = xasprintf("%s/%0*d", top, (int)(room - strlen(top) - 1), 0);
	assert_int_equal(mkdir(dir, 0700), 0);
	session_stop(s);
	session_start(s, dir);
	inbox_start(s, NO_PACE, LIMIT);
	send_text("msg-1", "text");
	until(1);
	assert_told(0, "sent msg-1");
	json_auto_t *json = line_json(s, 0);
	assert_null(json_object_get(json, "from"));
	s->dir = top;
}

/* --- ends --- */

static void test_nothing_is_told_after_the_end(void **state)
{
	struct session *s = *state;
	inbox_start(s, NO_PACE, LIMIT);
	send_text("msg-1", "text");
	claude_inbox.close(TAKE_PTR(told.inbox)); /* before its first step */
	claude_inbox.close(NULL);
	(void)uv_run(&loop, UV_RUN_NOWAIT);
	inbox_start(s, NO_PACE, LIMIT);
	send_text("msg-2", "text");
	while (s->connections == 0)
		(void)uv_run(&loop, UV_RUN_ONCE);
	inbox_end(); /* in the middle of it */
	session_stop(s);
	assert_int_equal(told.n, 0);
}

static void test_it_may_be_closed_from_within_what_it_tells(void **state)
{
	struct session *s = *state;
	inbox_start(s, NO_PACE, LIMIT);
	send_text("msg-1", "text");
	send_text("msg-2", "text");
	told.close_on_next = true;
	until(1);
	inbox_start(s, NO_PACE, LIMIT);
	send_text("msg-3", "text");
	send_text("msg-4", "text");
	until(3);
	autofree char *a = uuid_of(s, s->n - 2), *b = uuid_of(s, s->n - 1);
	autofree char *text =
		xasprintf("{\"type\":\"control\",\"action\":\"peer_message_status\",\"status\":\"dropped\","
			  "\"orig_msg_id\":\"%s\",\"dropped_msg_ids\":[\"%s\"]}\n",
			  a, b);
	told.close_on_next = true;
	answer_text(s, s->n - 1, text);
	until(4);
	session_stop(s);
	assert_int_equal(told.n, 4);
	inbox_end();
}

static void test_I4_the_environment_names_the_inbox_and_must_be_our_session_s(void **state)
{
	const struct session *s = *state;
	struct agent_inbox *inbox = NULL;
	assert_int_equal(unsetenv("CLAUDE_CODE_MESSAGING_SOCKET"), 0);
	assert_int_equal(claude_inbox.open(&loop, &events, &told, &inbox, NULL), ERR_NOT_FOUND);
	assert_int_equal(setenv("CLAUDE_CODE_MESSAGING_SOCKET", "/nowhere/1.sock", 1), 0);
	assert_int_equal(claude_inbox.open(&loop, &events, &told, &inbox, NULL), ERR_NOT_FOUND);
	assert_int_equal(setenv("CLAUDE_CODE_MESSAGING_SOCKET", s->path, 1), 0);
	/* We listen ourselves: that is not the process that started us. */
	assert_int_equal(claude_inbox.open(&loop, &events, &told, &inbox, NULL), ERR_NOT_FOUND);
	assert_null(inbox);
	assert_int_equal(unsetenv("CLAUDE_CODE_MESSAGING_SOCKET"), 0);
}

static int child_opens(void *data)
{
	struct agent_inbox *inbox = NULL;
	uv_loop_t own;
	const struct session *s = data;
	if (setenv("CLAUDE_CODE_MESSAGING_SOCKET", s->path, 1) < 0 || uv_loop_init(&own) < 0)
		return 1;
	if (claude_inbox.open(&own, &events, &told, &inbox, NULL))
		return 2;
	claude_inbox.close(inbox);
	(void)uv_run(&own, UV_RUN_DEFAULT);
	return uv_loop_close(&own) == 0 ? 0 : 3;
}

static void test_a_child_of_the_session_opens_its_inbox(void **state)
{
	struct session *s = *state;
	assert_int_equal(prctl(PR_SET_NAME, "claude"), 0); /* the nearest by that name is this process */
	assert_int_equal(test_wait(test_fork(child_opens, s)), 0);
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(test_D3_messages_arrive_in_order_each_on_a_connection_of_its_own),
		LOOP_TEST(test_a_burst_goes_at_once_and_the_rest_at_the_session_s_pace),
		LOOP_TEST(test_large_messages_arrive_whole),
		LOOP_TEST(test_S3_what_is_too_large_or_too_much_is_refused_and_the_rest_goes_on),
		LOOP_TEST(test_D4_a_session_that_is_gone_has_not_got_the_message),
		LOOP_TEST(test_D4_only_a_line_that_was_written_whole_may_have_arrived),
		LOOP_TEST(test_D4_a_session_that_reads_nothing_has_what_was_written_and_is_not_waited_for),
		LOOP_TEST(test_I4_a_socket_in_other_hands_gets_nothing),
		LOOP_TEST(test_receipts_are_told_by_message),
		LOOP_TEST(test_one_receipt_may_name_many),
		LOOP_TEST(test_X4_what_is_no_receipt_does_no_harm),
		LOOP_TEST(test_I1_only_the_session_itself_gives_receipts),
		LOOP_TEST(test_the_socket_for_receipts_is_private_and_goes_with_the_inbox),
		LOOP_TEST(test_X7_sockets_that_killed_processes_left_are_removed),
		LOOP_TEST(test_without_a_socket_for_receipts_messages_go_all_the_same),
		LOOP_TEST(test_nothing_is_told_after_the_end),
		LOOP_TEST(test_it_may_be_closed_from_within_what_it_tells),
		LOOP_TEST(test_I4_the_environment_names_the_inbox_and_must_be_our_session_s),
		LOOP_TEST(test_a_child_of_the_session_opens_its_inbox),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

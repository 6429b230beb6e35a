/* Tests of the server: the golden transcripts of both eras, and what they cannot show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>

#include "base/list.h"
#include "mcp/listen.h"
#include "mcp/server.h"
#include "mcp/testing.h"
#include "net/jsonrpc.h"
#include "ops/op.h"

struct stage {
	char *folder;
	uv_loop_t loop;
	struct fake fake;
	struct mcp_place place;
	struct mcp_server *server;
	json_t *said; /* what the server has said and nobody has looked at yet */
	struct strbuf partial;
	int seen; /* requests to the daemon that were looked at */
	bool ended, may_start;
	const char *where; /* for messages */
	int line;
};

/* --- backends of the test --- */

static char *host_socket(pid_t pid)
{
	assert_int_equal(pid, getppid());
	return xstrdup("/run/host.sock");
}

static int no_inbox_open(uv_loop_t *loop, const struct agent_inbox_events *events, void *data,
			 struct agent_inbox **ret, struct error *err)
{
	(void)loop;
	(void)events;
	(void)err;
	*ret = data;
	return 0;
}

static int no_inbox_send(struct agent_inbox *inbox, const char *id, const char *from, const char *text,
			 struct error *err)
{
	(void)inbox;
	(void)id;
	(void)from;
	(void)text;
	return error_set(err, ERR_REFUSED, "the test takes none");
}

static void no_inbox_close(struct agent_inbox *inbox)
{
	(void)inbox;
}

static const struct agent_inbox_kind inbox_kind = {
	.transport = "golden-inbox", .open = no_inbox_open, .send = no_inbox_send, .close = no_inbox_close};
static const char *const process_names[] = {"no process has this name", NULL};
static const struct agent_backend agent = {.name = "golden", .process_names = process_names};
static const struct agent_backend host = {
	.name = "golden-host", .hosts_sessions = true, .link_socket = host_socket};
static const struct agent_backend boxed = {.name = "golden-inbox", .inbox = &inbox_kind};

static const struct agent_backend *backend_of(const char *client)
{
	return strcmp(client, "golden-agent") == 0   ? &agent
	       : strcmp(client, "golden-host") == 0  ? &host
	       : strcmp(client, "golden-inbox") == 0 ? &boxed
						     : NULL;
}

/* --- the stage --- */

static void on_write(void *data, const char *bytes, size_t len)
{
	struct stage *s = data;
	assert_true(len > 0 && bytes[len - 1] == '\n');
	strbuf_add(&s->partial, bytes, len);
	for (char *end; (end = s->partial.len ? memchr(s->partial.buf, '\n', s->partial.len) : NULL);) {
		json_t *message = NULL;
		size_t n = (size_t)(end - s->partial.buf);
		assert_int_equal(json_parse(s->partial.buf, n, &message, NULL), 0);
		json_array_append_new(s->said, message);
		strbuf_consume(&s->partial, n + 1);
	}
}

static void on_ended(void *data)
{
	struct stage *s = data;
	assert_false(s->ended);
	s->ended = true;
}

static int start(void *data, struct error *err)
{
	struct stage *s = data;
	(void)err;
	fake_listen(&s->fake);
	return 0;
}

static void open_stage(struct stage *s, const json_t *options, usec_t limit)
{
	const char *tools = json_str(options, "tools");
	enum mcp_set set = MCP_SET_BY_ROLE;
	*s = (struct stage){
		.folder = test_folder_make(), .said = json_array(), .partial = STRBUF_INIT(32 << 20)};
	assert_int_equal(uv_loop_init(&s->loop), 0);
	fake_init(&s->fake, &s->loop, s->folder);
	if (json_bool(options, "listening", false))
		fake_listen(&s->fake);
	s->place = (struct mcp_place){.folder = xstrdup("/work/tree"),
				      .session = xstrdup("session-1"),
				      .circle = xstrdup("blue"),
				      .in_peer = json_bool(options, "in_peer", false),
				      .kept_out = json_bool(options, "kept_out", false),
				      .backend_of = backend_of};
	assert_true(!tools || mcp_set_parse(tools, &set, NULL) == 0);
	s->server = mcp_server_new(&(struct mcp_server_options){
		.loop = &s->loop,
		.paths = &s->fake.paths,
		.place = &s->place,
		.tools = set,
		.start = json_bool(options, "starts", false) ? start : NULL,
		.write = on_write,
		.ended = on_ended,
		.data = s,
		.limit = limit,
	});
}

static void close_stage(struct stage *s)
{
	mcp_server_free(s->server);
	fake_release(&s->fake);
	mcp_place_release(&s->place);
	json_decref(s->said);
	strbuf_release(&s->partial);
	test_folder_remove(s->folder);
}

static void send_text(struct stage *s, const char *text)
{
	mcp_server_feed(s->server, text, strlen(text));
}

/* The next message of the server. */
static json_t *get(struct stage *s)
{
	while (!json_array_size(s->said))
		(void)uv_run(&s->loop, UV_RUN_ONCE);
	json_t *message = json_incref(json_array_get(s->said, 0));
	json_array_remove(s->said, 0);
	return message;
}

/* --- transcripts --- */

static bool matches(const json_t *want, json_t *got)
{
	if (json_is_string(want) && strcmp(json_string_value(want), "$any") == 0)
		return got != NULL;
	if (!json_is_object(want) || !json_is_object(got))
		return json_is_array(want) && json_array_size(want) == 1 && json_is_array(got)
			       ? json_array_size(got) == 1 &&
					 matches(json_array_get(want, 0), json_array_get(got, 0))
			       : json_equal(want, got);
	const char *key;
	json_t *value;
	bool same = json_object_size(want) == json_object_size(got);
	json_object_foreach(got, key, value) same = same && matches(json_object_get(want, key), value);
	return same;
}

static void assert_matches(struct stage *s, const json_t *want, json_t *got)
{
	if (matches(want, got))
		return;
	autofree char *one = json_text(want), *other = json_text(got);
	fail_msg("%s:%d: wanted %s, got %s", s->where, s->line, one, other);
}

static void step_asked(struct stage *s, const json_t *want)
{
	fake_await(&s->fake, s->seen + 1);
	const struct fake_request *r = &s->fake.at[s->seen++];
	json_auto_t *got = json_pack("{s:s, s:O}", "op", r->op, "args", r->args);
	if (json_str(want, "session"))
		json_set_str(got, "session", r->session);
	assert_matches(s, want, got);
}

static void step_fail(struct stage *s, const json_t *failure)
{
	autoerror err = {0};
	int code =
		error_set(&err, error_code_of(json_str(failure, "code")), "%s", json_str(failure, "message"));
	if (json_str(failure, "hint"))
		(void)error_hint(&err, code, "%s", json_str(failure, "hint"));
	json_auto_t *json = error_to_json(&err);
	fake_reply(&s->fake, s->seen - 1, error_kind((enum error_code)code)->http_status, json);
}

static void step(struct stage *s, json_t *step)
{
	json_t *value;
	if ((value = json_object_get(step, "send"))) {
		autofree char *text = json_text(value);
		send_text(s, text);
		send_text(s, "\n");
	} else if ((value = json_object_get(step, "raw"))) {
		send_text(s, json_string_value(value));
	} else if ((value = json_object_get(step, "get"))) {
		json_auto_t *got = get(s);
		assert_matches(s, value, got);
	} else if ((value = json_object_get(step, "asked"))) {
		step_asked(s, value);
	} else if ((value = json_object_get(step, "answer"))) {
		fake_answer(&s->fake, s->seen - 1, json_incref(value));
	} else if ((value = json_object_get(step, "fail"))) {
		step_fail(s, value);
	} else if (json_object_get(step, "listen")) {
		fake_listen(&s->fake);
	} else if (json_object_get(step, "stop")) {
		fake_stop(&s->fake);
	} else if (json_object_get(step, "quiet")) {
		fake_settle(&s->fake);
		if (json_array_size(s->said) || s->fake.n != s->seen)
			fail_msg("%s:%d: not quiet", s->where, s->line);
	} else if (json_object_get(step, "end")) {
		mcp_server_end(s->server);
		while (!s->ended)
			(void)uv_run(&s->loop, UV_RUN_ONCE);
	} else {
		fail_msg("%s:%d: no such step", s->where, s->line);
	}
}

static void replay(const char *path)
{
	autostrbuf text = STRBUF_INIT(1 << 20);
	struct stage s = {0};
	int line = 0;
	assert_int_equal(file_read(path, &text, NULL), 0);
	for (const char *at = strbuf_str(&text), *end; (end = strchr(at, '\n')); at = end + 1) {
		json_auto_t *json = NULL;
		line++;
		if (json_parse(at, (size_t)(end - at), &json, NULL))
			fail_msg("%s:%d: not JSON", path, line);
		if (line == 1)
			open_stage(&s, json_object_get(json, "options"), 0);
		s.where = path;
		s.line = line;
		if (line > 1)
			step(&s, json);
	}
	assert_int_equal(json_array_size(s.said), 0);
	assert_int_equal(s.fake.n, s.seen);
	close_stage(&s);
}

static void test_golden_transcripts(void **state)
{
	(void)state;
	const char *source = getenv("COPPICE_SOURCE");
	autofree char *dir = path_join(source ? source : ".", "tests/mcp/golden");
	struct dirent **entries = NULL;
	int n = scandir(dir, &entries, NULL, alphasort), replayed = 0;
	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		autofree char *path = path_join(dir, entries[i]->d_name);
		size_t len = strlen(path);
		if (len > 6 && strcmp(path + len - 6, ".jsonl") == 0) {
			print_message("# %s\n", path_base(path));
			replay(path);
			replayed++;
		}
		free(entries[i]);
	}
	free(entries);
	assert_true(replayed >= 10);
}

/* --- what takes long --- */

#define MODERN                                                                                               \
	"\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                             \
	"\"io.modelcontextprotocol/clientCapabilities\":{}}"

static void call_tool(struct stage *s, int id, const char *name, const char *args)
{
	autofree char *text =
		xasprintf("{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"tools/call\",\"params\":{"
			  "\"name\":\"%s\",\"arguments\":%s," MODERN "}}\n",
			  id, name, args);
	send_text(s, text);
}

/* Whoever calls is answered whoami at once; the rest is the test's. */
static json_t *greeted(struct fake *f, const struct fake_request *r)
{
	(void)f;
	return strcmp(r->op, "whoami") == 0 ? json_pack("{s:s}", "role", "unknown") : NULL;
}

static void open_greeted(struct stage *s, usec_t limit)
{
	json_auto_t *options = json_pack("{s:b}", "listening", 1);
	open_stage(s, options, limit);
	s->fake.auto_answer = greeted;
}

static const char *text_of(const json_t *message)
{
	const json_t *result = json_object_get(message, "result");
	return json_str(json_array_get(json_object_get(result, "content"), 0), "text");
}

static void test_what_takes_long_is_answered_in_time_and_its_answer_kept(void **state)
{
	(void)state;
	struct stage s;
	static const char args[] = "{\"branch\":\"feat/a\",\"dir\":\"/r\"}";
	open_greeted(&s, 30 * USEC_PER_MSEC);
	call_tool(&s, 1, "worktree_create", args);
	json_auto_t *late = get(&s);
	assert_string_equal(text_of(late), "worktree_create is still under way: call it again with the same "
					   "parameters for its answer");
	assert_true(json_bool(json_object_get(late, "result"), "isError", false));
	/* again, too early: the same call goes on */
	call_tool(&s, 2, "worktree_create", "{\"dir\":\"/r\",\"branch\":\"feat/a\"}");
	json_auto_t *again = get(&s);
	assert_int_equal(json_int(again, "id", 0), 2);
	assert_int_equal(s.fake.n, 2); /* whoami and the one worktree_create */
	/* its answer comes while nobody asks, and is there for whoever asks next */
	fake_answer(&s.fake, 1, json_pack("{s:s}", "branch", "feat/a"));
	fake_settle(&s.fake);
	assert_int_equal(json_array_size(s.said), 0);
	call_tool(&s, 3, "worktree_create", args);
	json_auto_t *kept = get(&s);
	assert_string_equal(text_of(kept), "branch: feat/a");
	/* once: the next one is a new call */
	call_tool(&s, 4, "worktree_create", args);
	fake_await(&s.fake, 3);
	assert_string_not_equal(s.fake.at[1].key, s.fake.at[2].key);
	close_stage(&s);
}

static void test_A5_a_wait_that_is_over_says_so_and_is_forgotten(void **state)
{
	(void)state;
	struct stage s;
	open_greeted(&s, 30 * USEC_PER_MSEC);
	call_tool(&s, 1, "wait_on_ack", "{\"correlation_id\":\"ask-1\"}");
	fake_await(&s.fake, 2);
	json_auto_t *late = get(&s);
	assert_string_equal(text_of(late), "nothing yet: call wait_on_ack again");
	while (!s.fake.ended_conns) /* the daemon sees that nobody waits any more */
		(void)uv_run(&s.loop, UV_RUN_ONCE);
	close_stage(&s);
}

static void test_S3_calls_under_way_are_capped(void **state)
{
	(void)state;
	enum { MAX = 128 };
	struct stage s;
	open_greeted(&s, 0);
	s.fake.auto_answer = NULL; /* not even greeted, so they all wait */
	for (int i = 0; i <= MAX; i++)
		call_tool(&s, i, "ask", "{\"query\":\"x\"}");
	json_auto_t *refused = get(&s);
	assert_int_equal(json_int(refused, "id", 0), MAX);
	assert_string_equal(text_of(refused), "128 calls are under way, and that is the limit");
	fake_settle(&s.fake);
	assert_int_equal(json_array_size(s.said), 0);
	close_stage(&s);
}

static void subscribe(struct stage *s, int id)
{
	autofree char *text =
		xasprintf("{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"subscriptions/listen\","
			  "\"params\":{\"notifications\":{\"toolsListChanged\":true}," MODERN "}}\n",
			  id);
	send_text(s, text);
}

static void test_S3_subscriptions_are_capped(void **state)
{
	(void)state;
	struct stage s;
	json_auto_t *options = json_object();
	open_stage(&s, options, 0);
	for (int i = 0; i <= MCP_LISTENS_MAX; i++)
		subscribe(&s, i);
	for (int i = 0; i < MCP_LISTENS_MAX; i++) {
		json_auto_t *opened = get(&s);
		assert_string_equal(json_str(opened, "method"), "notifications/subscriptions/acknowledged");
	}
	json_auto_t *refused = get(&s);
	assert_int_equal(json_int(refused, "id", 0), MCP_LISTENS_MAX);
	assert_string_equal(json_str(json_object_get(refused, "error"), "message"),
			    "16 subscriptions are open, and that is the limit");
	/* one that is given up makes room */
	send_text(&s, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/"
		      "cancelled\",\"params\":{\"requestId\":3}}\n");
	subscribe(&s, MCP_LISTENS_MAX);
	json_auto_t *opened = get(&s);
	assert_string_equal(json_str(opened, "method"), "notifications/subscriptions/acknowledged");
	close_stage(&s);
}

static bool lists(struct stage *s, const char *tool)
{
	bool found = false;
	send_text(s, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{" MODERN "}}\n");
	json_auto_t *message = get(s);
	const json_t *tools = json_object_get(json_object_get(message, "result"), "tools");
	for (size_t i = 0; i < json_array_size(tools); i++)
		found = found || strcmp(json_str(json_array_get(tools, i), "name"), tool) == 0;
	return found;
}

/* Answers what waits for another role, and awaits the next such wait. */
static void change_role(struct stage *s, const char *role)
{
	fake_await(&s->fake, s->seen + 1);
	assert_string_equal(s->fake.at[s->seen].op, "await_role");
	fake_answer(&s->fake, s->seen++, json_pack("{s:s, s:s}", "peer_id", "peer-1", "role", role));
	fake_await(&s->fake, s->seen + 1);
	assert_string_equal(json_str(s->fake.at[s->seen].args, "role"), role);
}

static void test_S8_the_tools_follow_the_role_while_the_session_runs(void **state)
{
	(void)state;
	struct stage s;
	json_auto_t *options = json_pack("{s:b, s:b}", "listening", 1, "in_peer", 1);
	open_stage(&s, options, 0);
	subscribe(&s, 0);
	json_decref(get(&s)); /* acknowledged */
	fake_await(&s.fake, ++s.seen);
	fake_answer(&s.fake, 0, json_pack("{s:s, s:s}", "peer_id", "peer-1", "role", "agent"));
	fake_await(&s.fake, s.seen + 1);
	assert_false(lists(&s, "spawn_peer"));
	change_role(&s, "orchestrator");
	json_auto_t *more = get(&s);
	assert_string_equal(json_str(more, "method"), "notifications/tools/list_changed");
	assert_true(lists(&s, "spawn_peer"));
	change_role(&s, "reviewer");
	json_auto_t *less = get(&s);
	assert_string_equal(json_str(less, "method"), "notifications/tools/list_changed");
	assert_false(lists(&s, "spawn_peer"));
	close_stage(&s);
}

static void test_S8_a_set_that_was_chosen_stays(void **state)
{
	(void)state;
	struct stage s;
	json_auto_t *options = json_pack("{s:b, s:b, s:s}", "listening", 1, "in_peer", 1, "tools", "worker");
	open_stage(&s, options, 0);
	subscribe(&s, 0);
	json_decref(get(&s)); /* acknowledged */
	fake_await(&s.fake, 1);
	fake_answer(&s.fake, 0, json_pack("{s:s, s:s}", "peer_id", "peer-1", "role", "orchestrator"));
	fake_settle(&s.fake);
	assert_int_equal(s.fake.n, 1); /* nobody waits for another role */
	assert_false(lists(&s, "spawn_peer"));
	close_stage(&s);
}

static void test_S3_a_frame_over_the_limit_is_refused_and_the_next_served(void **state)
{
	(void)state;
	struct stage s;
	json_auto_t *options = json_object();
	open_stage(&s, options, 0);
	autofree char *block = xmalloc(1 << 20);
	memset(block, 'x', 1 << 20);
	for (int i = 0; i < 6; i++)
		mcp_server_feed(s.server, block, 1 << 20);
	send_text(&s, "\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n");
	json_auto_t *refused = get(&s), *served = get(&s);
	assert_int_equal(json_int(json_object_get(refused, "error"), "code", 0), -32600);
	assert_null(json_object_get(refused, "id"));
	assert_int_equal(json_int(served, "id", 0), 1);
	close_stage(&s);
}

static void test_the_end_waits_for_answers_but_not_for_waits(void **state)
{
	(void)state;
	struct stage s;
	open_greeted(&s, 0);
	call_tool(&s, 1, "wait_on_ack", "{\"correlation_id\":\"ask-1\"}");
	call_tool(&s, 2, "ask", "{\"query\":\"x\"}");
	fake_await(&s.fake, 3);
	mcp_server_end(s.server);
	fake_settle(&s.fake);
	assert_false(s.ended);
	fake_answer(&s.fake, strcmp(s.fake.at[1].op, "ask") == 0 ? 1 : 2, json_object());
	while (!s.ended)
		(void)uv_run(&s.loop, UV_RUN_ONCE);
	json_auto_t *answer = get(&s);
	assert_int_equal(json_int(answer, "id", 0), 2);
	assert_int_equal(json_array_size(s.said), 0);
	close_stage(&s);
}

static void test_instructions_are_short(void **state)
{
	(void)state;
	enum { TOKENS_MAX = 250, BYTES_PER_TOKEN = 4 };
	struct stage s;
	json_auto_t *options = json_object();
	open_stage(&s, options, 0);
	send_text(&s,
		  "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server/discover\",\"params\":{" MODERN "}}\n");
	json_auto_t *message = get(&s);
	const char *text = json_str(json_object_get(message, "result"), "instructions");
	print_message("# %zu bytes\n", strlen(text));
	assert_true(strlen(text) <= TOKENS_MAX * BYTES_PER_TOKEN);
	static const char *const named[] = {"whoami",	  "ask",	 "ack(",      "notify_peer",
					    "job_update", "wait_on_ack", "list_peers"};
	for (size_t i = 0; i < ARRAY_SIZE(named); i++)
		assert_non_null(strstr(text, named[i]));
	close_stage(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_transcripts),
		cmocka_unit_test(test_what_takes_long_is_answered_in_time_and_its_answer_kept),
		cmocka_unit_test(test_A5_a_wait_that_is_over_says_so_and_is_forgotten),
		cmocka_unit_test(test_S3_calls_under_way_are_capped),
		cmocka_unit_test(test_S3_subscriptions_are_capped),
		cmocka_unit_test(test_S8_the_tools_follow_the_role_while_the_session_runs),
		cmocka_unit_test(test_S8_a_set_that_was_chosen_stays),
		cmocka_unit_test(test_S3_a_frame_over_the_limit_is_refused_and_the_next_served),
		cmocka_unit_test(test_the_end_waits_for_answers_but_not_for_waits),
		cmocka_unit_test(test_instructions_are_short),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

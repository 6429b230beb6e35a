/* Tests of the conversation with a Codex app server, which is this test: each request that is written is
 * looked at, and answered with what the real one answered when it was tried. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/codex_rpc.h"
#include "base/json.h"

#define A "01a22de5-1303-79a1-b882-253f2d3eb665"
#define B "01a22de5-3b7c-7b43-86a7-e0f4f69e3082"
#define TURN "01a22de7-1721-7482-bf20-082d5b8fac46"

struct talk {
	struct codex_rpc *rpc;
	json_t *written;    /* frames that are not looked at yet */
	struct strbuf seen; /* events, a word each */
	bool owed;
	int refuse;		  /* what `write` answers */
	bool stop_at_next;	  /* the next event stops the conversation */
	const char *send_at_next; /* or sends this message to its session */
};

static int write_frame(void *owner, const char *text, size_t len, struct error *err)
{
	struct talk *t = owner;
	json_t *frame = NULL;
	if (t->refuse)
		return error_set(err, (enum error_code)t->refuse, "full");
	assert_int_equal(json_parse(text, len, &frame, NULL), 0);
	json_array_append_new(t->written, frame);
	return 0;
}

static void owed(void *owner, bool yes)
{
	((struct talk *)owner)->owed = yes;
}

static void note(struct talk *t, const char *session, const char *fmt, ...) _printf_(3, 4);

static void note(struct talk *t, const char *session, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	if (t->seen.len)
		strbuf_addch(&t->seen, ' ');
	strbuf_vaddf(&t->seen, fmt, ap);
	va_end(ap);
	if (t->stop_at_next)
		codex_rpc_stop(t->rpc);
	if (t->send_at_next) {
		const char *id = t->send_at_next;
		t->send_at_next = NULL;
		(void)!codex_rpc_send(t->rpc, session, id, "again", NULL); /* refused for one that is gone */
	}
}

static const char *name_of(const char *session)
{
	return strcmp(session, A) == 0 ? "A" : strcmp(session, B) == 0 ? "B" : session;
}

static const char *const turns[] = {"idle", "working", "awaits"};

static void on_session(void *data, const char *session, const char *cwd, enum agent_turn turn)
{
	note(data, session, "session(%s,%s,%s)", name_of(session), cwd, turns[turn]);
}

static void on_gone(void *data, const char *session)
{
	note(data, session, "gone(%s)", name_of(session));
}

static void on_turn(void *data, const char *session, enum agent_turn turn)
{
	note(data, session, "turn(%s,%s)", name_of(session), turns[turn]);
}

static void on_sent(void *data, const char *session, const char *id, const struct error *err)
{
	note(data, session, "%s(%s,%s)", err ? "unsent" : "sent", name_of(session), id);
	assert_true(!err || (err->code && err->message));
}

static void on_consumed(void *data, const char *session, const char *id)
{
	note(data, session, "consumed(%s,%s)", name_of(session), id);
}

static const struct agent_link_events events = {.session = on_session,
						.session_gone = on_gone,
						.turn = on_turn,
						.sent = on_sent,
						.consumed = on_consumed};

static int setup(void **state)
{
	struct talk *t = xcalloc(1, sizeof(*t));
	t->written = json_array();
	strbuf_init(&t->seen, 1 << 20);
	struct codex_rpc_options o = {
		.write = write_frame, .owed = owed, .owner = t, .events = &events, .data = t};
	assert_int_equal(codex_rpc_new(&o, &t->rpc, NULL), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct talk *t = *state;
	codex_rpc_free(t->rpc);
	json_decref(t->written);
	strbuf_release(&t->seen);
	free(t);
	return 0;
}

static void say(struct talk *t, const char *fmt, ...) _printf_(2, 3);

static void say(struct talk *t, const char *fmt, ...)
{
	autostrbuf text = STRBUF_INIT(1 << 20);
	autoerror err = {0};
	va_list ap;
	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);
	if (codex_rpc_feed(t->rpc, strbuf_str(&text), text.len, &err))
		fail_msg("%s", err.message);
}

/* The next frame that was written, which must have that method; NULL expects that there is none. The caller
 * owns it. */
static json_t *next_frame(struct talk *t, const char *method)
{
	json_t *frame = json_incref(json_array_get(t->written, 0));
	if (!frame && method)
		fail_msg("no %s was written", method);
	if (frame && (!method || strcmp(json_str(frame, "method"), method) != 0))
		fail_msg("%s was written, not %s", json_str(frame, "method"), method ? method : "nothing");
	json_array_remove(t->written, 0);
	return frame;
}

/* The same, and its id. */
static json_int_t asks(struct talk *t, const char *method, const char *thread)
{
	json_auto_t *frame = next_frame(t, method);
	const char *of = json_str(json_object_get(frame, "params"), "threadId");
	if (thread)
		assert_string_equal(of, thread);
	return json_int(frame, "id", -1);
}

static void expect(struct talk *t, const char *seen)
{
	assert_string_equal(strbuf_str(&t->seen), seen);
	strbuf_reset(&t->seen);
}

static void nothing_written(struct talk *t)
{
	if (json_array_size(t->written)) {
		autofree char *text = json_text(t->written);
		fail_msg("unexpected: %s", text);
	}
}

static void greet(struct talk *t)
{
	json_auto_t *hello = next_frame(t, "initialize");
	const json_t *params = json_object_get(hello, "params");
	assert_string_equal(json_str(json_object_get(params, "clientInfo"), "name"), "coppice");
	assert_true(json_bool(json_object_get(params, "capabilities"), "experimentalApi", false));
	assert_true(t->owed);
	nothing_written(t);
	say(t, "{\"id\":%lld,\"result\":{\"userAgent\":\"x\"}}", (long long)json_int(hello, "id", -1));
	json_auto_t *done = next_frame(t, "initialized");
	assert_null(json_object_get(done, "id"));
}

static void answer(struct talk *t, json_int_t id, const char *result)
{
	say(t, "{\"id\":%lld,\"result\":%s}", (long long)id, result);
}

static void refuse(struct talk *t, json_int_t id, const char *message)
{
	say(t, "{\"id\":%lld,\"error\":{\"code\":-32600,\"message\":\"%s\"}}", (long long)id, message);
}

#define THREAD_OF(id, cwd, status, preview, more)                                                            \
	"{\"id\":\"" id "\",\"cwd\":\"" cwd "\",\"status\":" status ",\"preview\":\"" preview                \
	"\",\"ephemeral\":false,\"source\":\"vscode\",\"parentThreadId\":null,\"canAcceptDirectInput\":"     \
	"true,"                                                                                              \
	"\"turns\":[]" more "}"
/* One that has had a turn. */
#define THREAD(id, cwd, status, more) THREAD_OF(id, cwd, status, "once said", more)
#define IDLE "{\"type\":\"idle\"}"
#define ACTIVE "{\"type\":\"active\",\"activeFlags\":[]}"

static void with_thread(struct talk *t, const char *thread)
{
	greet(t);
	answer(t, asks(t, "thread/loaded/list", NULL), "{\"data\":[],\"nextCursor\":null}");
	say(t, "{\"method\":\"thread/started\",\"params\":{\"thread\":%s}}", thread);
	expect(t, "session(A,/a,idle)");
	assert_false(t->owed);
	nothing_written(t);
}

/* A greeted server with the one idle thread A; the same before its first turn. */
static void with_a(struct talk *t)
{
	with_thread(t, THREAD(A, "/a", IDLE, ""));
}

static void with_fresh_a(struct talk *t)
{
	with_thread(t, THREAD_OF(A, "/a", IDLE, "", ""));
}

static void status(struct talk *t, const char *thread, const char *status_json)
{
	say(t, "{\"method\":\"thread/status/changed\",\"params\":{\"threadId\":\"%s\",\"status\":%s}}",
	    thread, status_json);
}

static void item(struct talk *t, const char *thread, const char *client_id)
{
	say(t,
	    "{\"method\":\"item/started\",\"params\":{\"item\":{\"type\":\"userMessage\",\"id\":\"x\","
	    "\"clientId\":\"%s\",\"content\":[]},\"threadId\":\"%s\",\"turnId\":\"" TURN "\"}}",
	    client_id, thread);
}

static void turn_completed(struct talk *t, const char *thread, const char *how)
{
	say(t,
	    "{\"method\":\"turn/completed\",\"params\":{\"threadId\":\"%s\",\"turn\":{\"id\":\"" TURN
	    "\",\"items\":[],\"status\":\"%s\"}}}",
	    thread, how);
}

static void hand(struct talk *t, const char *id)
{
	assert_int_equal(codex_rpc_send(t->rpc, A, id, "text of it", NULL), 0);
}

#define TAKEN "{\"turn\":{\"id\":\"" TURN "\",\"items\":[],\"status\":\"inProgress\"}}"

/* --- sessions --- */

static void test_threads_that_are_there_become_sessions(void **state)
{
	struct talk *t = *state;
	greet(t);
	answer(t, asks(t, "thread/loaded/list", NULL),
	       "{\"data\":[\"" A "\",\"" B "\",\"title\",\"sub\",\"gone\",\"deaf\",\"../x\",7],"
	       "\"nextCursor\":\"c\"}");
	json_int_t a = asks(t, "thread/read", A), b = asks(t, "thread/read", B);
	json_int_t title = asks(t, "thread/read", "title"), sub = asks(t, "thread/read", "sub");
	json_int_t gone = asks(t, "thread/read", "gone"), deaf = asks(t, "thread/read", "deaf");
	json_auto_t *more = next_frame(t, "thread/loaded/list");
	assert_string_equal(json_str(json_object_get(more, "params"), "cursor"), "c");
	nothing_written(t);
	expect(t, "");
	answer(t, b, "{\"thread\":" THREAD(B, "/b", ACTIVE, ",\"new\":{}") "}");
	answer(t, a,
	       "{\"thread\":" THREAD(A, "/a", "{\"type\":\"active\",\"activeFlags\":[\"waitingOnApproval\"]}",
				     "") "}");
	answer(t, title,
	       "{\"thread\":{\"id\":\"title\",\"cwd\":\"/a\",\"status\":" IDLE ",\"ephemeral\":true}}");
	answer(t, sub,
	       "{\"thread\":{\"id\":\"sub\",\"cwd\":\"/a\",\"status\":" IDLE ",\"parentThreadId\":\"" A
	       "\"}}");
	refuse(t, gone, "no such thread");
	answer(t, deaf,
	       "{\"thread\":{\"id\":\"deaf\",\"cwd\":\"/a\",\"status\":" IDLE
	       ",\"canAcceptDirectInput\":false}}");
	expect(t, "session(B,/b,working) session(A,/a,awaits)");
	/* What is left out stays so, and is not asked for again. */
	status(t, "title", ACTIVE);
	status(t, "sub", IDLE);
	expect(t, "");
	nothing_written(t);
	assert_int_equal(codex_rpc_send(t->rpc, "title", "msg-1", "x", NULL), ERR_NOT_FOUND);
}

static void test_threads_that_start_and_end_later(void **state)
{
	struct talk *t = *state;
	with_a(t);
	status(t, A, ACTIVE);
	status(t, A, ACTIVE);
	status(t, A, "{\"type\":\"active\",\"activeFlags\":[\"waitingOnUserInput\"]}");
	status(t, A, "{\"type\":\"systemError\"}");
	expect(t, "turn(A,working) turn(A,awaits) turn(A,idle)");
	/* Said again, it is no new session. */
	say(t, "{\"method\":\"thread/started\",\"params\":{\"thread\":" THREAD(A, "/a", ACTIVE, "") "}}");
	expect(t, "turn(A,working)");
	/* One that is loaded again is known by its status only. */
	status(t, B, IDLE);
	status(t, B, ACTIVE);
	json_int_t read = asks(t, "thread/read", B);
	nothing_written(t);
	answer(t, read, "{\"thread\":" THREAD(B, "/b", ACTIVE, "") "}");
	expect(t, "session(B,/b,working)");
	status(t, B, "{\"type\":\"notLoaded\"}");
	say(t, "{\"method\":\"thread/closed\",\"params\":{\"threadId\":\"" B "\"}}");
	say(t, "{\"method\":\"thread/closed\",\"params\":{\"threadId\":\"" A "\"}}");
	expect(t, "gone(B) gone(A)");
	assert_int_equal(codex_rpc_send(t->rpc, A, "msg-1", "x", NULL), ERR_NOT_FOUND);
}

static void test_a_server_that_refuses_to_talk(void **state)
{
	struct talk *t = *state;
	json_int_t id = asks(t, "initialize", NULL);
	autofree char *no =
		xasprintf("{\"id\":%lld,\"error\":{\"message\":\"go \\u001b[31m away\"}}", (long long)id);
	autoerror err = {0};
	assert_int_equal(codex_rpc_feed(t->rpc, no, strlen(no), &err), ERR_PROTOCOL);
	assert_string_equal(err.message, "Codex refused: go \\x1B[31m away");
}

/* --- messages --- */

/* One with the thread A at work. */
static void with_busy_a(struct talk *t)
{
	with_a(t);
	status(t, A, ACTIVE);
	expect(t, "turn(A,working)");
}

#define LISTED(status, client)                                                                               \
	"{\"data\":[{\"id\":\"" TURN "\",\"status\":\"" status "\",\"items\":[{\"type\":\"userMessage\","    \
	"\"clientId\":\"" client "\"}]}]}"

static void test_D1_an_idle_thread_begins_a_turn_that_is_looked_at_once_it_is_over(void **state)
{
	struct talk *t = *state;
	with_a(t);
	hand(t, "msg-1");
	answer(t, asks(t, "turn/start", A), TAKEN);
	status(t, A, ACTIVE);
	nothing_written(t);
	status(t, A, IDLE);
	json_int_t look = asks(t, "thread/turns/list", A);
	expect(t, "sent(A,msg-1) turn(A,working) turn(A,idle)");
	answer(t, look, LISTED("completed", "msg-1"));
	expect(t, "consumed(A,msg-1)");
	nothing_written(t);
	assert_false(t->owed);
}

static void test_D1_a_message_is_sent_and_consumed(void **state)
{
	struct talk *t = *state;
	with_busy_a(t);
	hand(t, "msg-1");
	answer(t, asks(t, "thread/resume", A), "{\"thread\":{}}");
	json_auto_t *start = next_frame(t, "turn/start");
	const json_t *params = json_object_get(start, "params");
	/* Nothing else: any setting would stay with the user's thread. */
	assert_int_equal(json_object_size(params), 3);
	assert_string_equal(json_str(params, "clientUserMessageId"), "msg-1");
	const json_t *input = json_array_get(json_object_get(params, "input"), 0);
	assert_string_equal(json_str(input, "type"), "text");
	assert_string_equal(json_str(input, "text"), "text of it");
	expect(t, "");
	answer(t, json_int(start, "id", -1), TAKEN);
	expect(t, "sent(A,msg-1)");
	item(t, A, "another-clients");
	nothing_written(t);
	item(t, A, "msg-1");
	item(t, A, "msg-1");
	expect(t, "consumed(A,msg-1)");
	/* With nothing under way nothing holds the thread. */
	json_int_t left = asks(t, "thread/unsubscribe", A);
	turn_completed(t, A, "completed");
	status(t, A, IDLE);
	answer(t, left, "{\"status\":\"unsubscribed\"}");
	expect(t, "turn(A,idle)");
	nothing_written(t);
	assert_false(t->owed);
}

static void test_the_item_may_come_before_the_answer(void **state)
{
	struct talk *t = *state;
	with_busy_a(t);
	hand(t, "msg-1");
	answer(t, asks(t, "thread/resume", A), "{}");
	json_int_t start = asks(t, "turn/start", A);
	item(t, A, "msg-1");
	expect(t, "sent(A,msg-1) consumed(A,msg-1)");
	answer(t, asks(t, "thread/unsubscribe", A), "{}");
	answer(t, start, TAKEN);
	expect(t, "");
	nothing_written(t);
}

static void test_D3_one_message_after_the_other(void **state)
{
	struct talk *t = *state;
	with_a(t);
	hand(t, "msg-1");
	hand(t, "msg-2");
	hand(t, "msg-3");
	assert_int_equal(codex_rpc_send(t->rpc, A, "msg-2", "x", NULL), ERR_EXISTS);
	json_int_t one = asks(t, "turn/start", A);
	answer(t, asks(t, "thread/resume", A), "{}");
	nothing_written(t);
	answer(t, one, TAKEN);
	json_int_t two = asks(t, "turn/start", A);
	nothing_written(t);
	item(t, A, "msg-1");
	refuse(t, two, "no");
	json_int_t three = asks(t, "turn/start", A);
	answer(t, three, TAKEN);
	item(t, A, "msg-3");
	expect(t, "sent(A,msg-1) consumed(A,msg-1) unsent(A,msg-2) sent(A,msg-3) consumed(A,msg-3)");
	/* The next one asks anew only once the leave has been answered, lest the two cross. */
	json_int_t left = asks(t, "thread/unsubscribe", A);
	status(t, A, ACTIVE);
	hand(t, "msg-4");
	nothing_written(t);
	answer(t, left, "{}");
	(void)asks(t, "thread/resume", A);
}

static void test_D4_what_the_user_interrupts_is_known_not_to_have_arrived(void **state)
{
	struct talk *t = *state;
	with_a(t);
	status(t, A, ACTIVE);
	hand(t, "msg-1");
	answer(t, asks(t, "thread/resume", A), "{}");
	answer(t, asks(t, "turn/start", A), TAKEN);
	expect(t, "turn(A,working) sent(A,msg-1)");
	/* In either order. */
	status(t, A, IDLE);
	expect(t, "turn(A,idle)");
	turn_completed(t, A, "interrupted");
	expect(t, "unsent(A,msg-1)");
	answer(t, asks(t, "thread/unsubscribe", A), "{}");
	status(t, A, ACTIVE);
	hand(t, "msg-1");
	answer(t, asks(t, "thread/resume", A), "{}");
	answer(t, asks(t, "turn/start", A), TAKEN);
	turn_completed(t, A, "interrupted");
	expect(t, "turn(A,working) sent(A,msg-1)");
	t->send_at_next = "msg-2";
	status(t, A, IDLE);
	expect(t, "turn(A,idle) unsent(A,msg-1)");
	(void)asks(t, "turn/start", A);
	nothing_written(t);
}

static void test_a_turn_that_goes_on_keeps_its_messages(void **state)
{
	struct talk *t = *state;
	with_a(t);
	status(t, A, ACTIVE);
	hand(t, "msg-1");
	answer(t, asks(t, "thread/resume", A), "{}");
	answer(t, asks(t, "turn/start", A), TAKEN);
	/* An idle moment between two turns, and the end of another turn, say nothing of this one. */
	status(t, A, IDLE);
	say(t, "{\"method\":\"turn/completed\",\"params\":{\"threadId\":\"" A
	       "\",\"turn\":{\"id\":\"other\"}}}");
	status(t, A, ACTIVE);
	expect(t, "turn(A,working) sent(A,msg-1) turn(A,idle) turn(A,working)");
	item(t, A, "msg-1");
	expect(t, "consumed(A,msg-1)");
}

/* --- a thread without a turn cannot be subscribed to --- */

static json_int_t start_fresh(struct talk *t)
{
	with_fresh_a(t);
	hand(t, "msg-1");
	hand(t, "msg-2");
	json_int_t start = asks(t, "turn/start", A);
	refuse(t, asks(t, "thread/resume", A), "no rollout found for thread id " A);
	return start;
}

static void test_the_first_turn_is_found_by_its_list(void **state)
{
	struct talk *t = *state;
	answer(t, start_fresh(t), TAKEN);
	expect(t, "sent(A,msg-1)");
	nothing_written(t); /* the second one waits: what it does could not be seen */
	status(t, A, ACTIVE);
	json_int_t resume = asks(t, "thread/resume", A);
	nothing_written(t);
	answer(t, resume, "{}");
	json_int_t look = asks(t, "thread/turns/list", A);
	json_int_t two = asks(t, "turn/start", A); /* its item will be told */
	answer(t, look, LISTED("inProgress", "msg-1"));
	expect(t, "turn(A,working) consumed(A,msg-1)");
	answer(t, two, TAKEN);
	item(t, A, "msg-2");
	expect(t, "sent(A,msg-2) consumed(A,msg-2)");
	(void)asks(t, "thread/unsubscribe", A);
}

static void test_the_first_turn_is_found_at_its_end(void **state)
{
	struct talk *t = *state;
	json_int_t start = start_fresh(t);
	status(t, A, ACTIVE);
	refuse(t, asks(t, "thread/resume", A), "no rollout found");
	nothing_written(t);
	answer(t, start, TAKEN);
	refuse(t, asks(t, "thread/resume", A), "no rollout found");
	status(t, A, IDLE);
	json_int_t look = asks(t, "thread/turns/list", A);
	status(t, A, IDLE);
	nothing_written(t);
	answer(t, look, LISTED("completed", "msg-1"));
	expect(t, "turn(A,working) sent(A,msg-1) turn(A,idle) consumed(A,msg-1)");
	/* And the next one may be subscribed for. */
	(void)asks(t, "turn/start", A);
}

static void test_D4_a_first_turn_that_cannot_be_found_is_unknown(void **state)
{
	struct talk *t = *state;
	answer(t, start_fresh(t), TAKEN);
	status(t, A, ACTIVE);
	refuse(t, asks(t, "thread/resume", A), "no rollout found");
	status(t, A, IDLE);
	answer(t, asks(t, "thread/turns/list", A), "{\"data\":[]}");
	/* Neither read nor known not to have arrived. */
	expect(t, "sent(A,msg-1) turn(A,working) turn(A,idle)");
	(void)asks(t, "turn/start", A);
}

/* --- messages that came by another way, such as the command line --- */

#define LAUNCH "msg-0123456789ab"
#define ELEMENT(id) "<coppice-message id=\\\"" id "\\\" kind=\\\"prompt\\\">\\ndo it\\n</coppice-message>"

static void said(struct talk *t, const char *text)
{
	say(t,
	    "{\"method\":\"item/started\",\"params\":{\"item\":{\"type\":\"userMessage\",\"clientId\":\"x\","
	    "\"content\":[{\"type\":\"text\",\"text\":\"%s\"},{\"type\":\"image\"}]},\"threadId\":\"" A
	    "\"}}",
	    text);
}

static void test_D8_the_first_prompt_is_seen_in_its_turn(void **state)
{
	struct talk *t = *state;
	with_fresh_a(t);
	status(t, A, ACTIVE);
	refuse(t, asks(t, "thread/resume", A), "no rollout found"); /* too early */
	status(t, A, "{\"type\":\"active\",\"activeFlags\":[\"waitingOnApproval\"]}");
	answer(t, asks(t, "thread/resume", A), "{}");
	json_int_t look = asks(t, "thread/turns/list", A);
	answer(t, look, "{\"data\":[{\"id\":\"" TURN "\",\"status\":\"inProgress\",\"items\":[]}]}");
	said(t, ELEMENT(LAUNCH));
	expect(t, "turn(A,working) turn(A,awaits) consumed(A," LAUNCH ")");
	(void)asks(t, "thread/unsubscribe", A);
	/* From then on nobody looks. */
	status(t, A, IDLE);
	status(t, A, ACTIVE);
	nothing_written(t);
}

static void test_D8_the_first_prompt_is_found_by_its_list(void **state)
{
	struct talk *t = *state;
	with_fresh_a(t);
	status(t, A, ACTIVE);
	json_int_t resume = asks(t, "thread/resume", A);
	status(t, A, IDLE);
	refuse(t, resume, "no rollout found");
	answer(t, asks(t, "thread/turns/list", A),
	       "{\"data\":[{\"id\":\"" TURN
	       "\",\"status\":\"completed\",\"items\":[{\"type\":\"userMessage\","
	       "\"content\":[{\"type\":\"text\",\"text\":\"" ELEMENT(LAUNCH) "\"}]}]}]}");
	expect(t, "turn(A,working) turn(A,idle) consumed(A," LAUNCH ")");
	nothing_written(t);
}

static void test_D8_the_first_prompt_of_a_thread_that_was_there(void **state)
{
	struct talk *t = *state;
	greet(t);
	answer(t, asks(t, "thread/loaded/list", NULL), "{\"data\":[\"" A "\"]}");
	answer(t, asks(t, "thread/read", A),
	       "{\"thread\":" THREAD_OF(A, "/a", ACTIVE, ELEMENT(LAUNCH), "") "}");
	expect(t, "session(A,/a,working) consumed(A," LAUNCH ")");
	nothing_written(t);
}

static void test_what_a_user_says_first_is_none_of_ours(void **state)
{
	struct talk *t = *state;
	with_fresh_a(t);
	status(t, A, ACTIVE);
	answer(t, asks(t, "thread/resume", A), "{}");
	answer(t, asks(t, "thread/turns/list", A), "{\"data\":[]}");
	hand(t, "msg-1"); /* meanwhile */
	json_int_t start = asks(t, "turn/start", A);
	said(t, "hello");
	answer(t, start, TAKEN);
	item(t, A, "msg-1");
	expect(t, "turn(A,working) sent(A,msg-1) consumed(A,msg-1)");
	(void)asks(t, "thread/unsubscribe", A);
	nothing_written(t);
}

/* --- ends --- */

static void test_D4_what_waits_for_a_thread_that_ends_has_not_arrived(void **state)
{
	struct talk *t = *state;
	with_a(t);
	hand(t, "msg-1");
	hand(t, "msg-2");
	json_int_t start = asks(t, "turn/start", A);
	answer(t, asks(t, "thread/resume", A), "{}");
	t->send_at_next = "msg-3"; /* refused, for the thread is gone */
	say(t, "{\"method\":\"thread/closed\",\"params\":{\"threadId\":\"" A "\"}}");
	expect(t, "unsent(A,msg-2) gone(A)");
	refuse(t, start, "thread not found");
	expect(t, "unsent(A,msg-1)");
}

static void test_no_event_after_the_stop(void **state)
{
	struct talk *t = *state;
	with_a(t);
	hand(t, "msg-1");
	hand(t, "msg-2");
	json_int_t start = asks(t, "turn/start", A);
	answer(t, asks(t, "thread/resume", A), "{}");
	t->stop_at_next = true;
	answer(t, start, TAKEN);
	expect(t, "sent(A,msg-1)");
	status(t, A, ACTIVE);
	item(t, A, "msg-1");
	say(t, "{\"method\":\"thread/closed\",\"params\":{\"threadId\":\"" A "\"}}");
	expect(t, "");
	assert_int_equal(codex_rpc_send(t->rpc, A, "msg-3", "x", NULL), ERR_NOT_FOUND);
}

static void test_a_server_that_does_not_read(void **state)
{
	struct talk *t = *state;
	with_a(t);
	t->refuse = ERR_TOO_LARGE;
	assert_int_equal(codex_rpc_send(t->rpc, A, "msg-1", "x", NULL), ERR_TOO_LARGE);
	static const char any[] = "{}";
	assert_int_equal(codex_rpc_feed(t->rpc, any, 2, NULL), ERR_TOO_LARGE);
}

/* --- what is not for us --- */

static void test_requests_of_the_server_are_the_users(void **state)
{
	struct talk *t = *state;
	with_a(t);
	say(t, "{\"method\":\"item/commandExecution/requestApproval\",\"id\":0,\"params\":{\"threadId\":\"" A
	       "\",\"command\":\"rm\",\"availableDecisions\":[\"accept\",\"cancel\"]}}");
	say(t, "{\"method\":\"thread/closed\",\"id\":\"x\",\"params\":{\"threadId\":\"" A "\"}}");
	expect(t, "");
	nothing_written(t);
}

static void test_what_is_not_known_is_ignored(void **state)
{
	struct talk *t = *state;
	with_a(t);
	static const char *const frames[] = {
		"{}",
		"{\"id\":4711,\"result\":{}}",
		"{\"id\":\"1\",\"result\":{}}",
		"{\"id\":1.5,\"error\":null}",
		"{\"method\":\"thread/new-thing\",\"params\":{\"threadId\":\"" A "\"}}",
		"{\"method\":\"thread/started\"}",
		"{\"method\":\"thread/started\",\"params\":{\"thread\":{\"id\":\"x y\",\"cwd\":\"/\"}}}",
		"{\"method\":\"thread/started\",\"params\":{\"thread\":" THREAD("rel", "a/b", IDLE, "") "}}",
		"{\"method\":\"thread/started\",\"params\":{\"thread\":" THREAD(
			"strange", "/", "{\"type\":\"new\"}", "") "}}",
		"{\"method\":\"thread/status/changed\",\"params\":{\"threadId\":\"" B "\",\"status\":7}}",
		"{\"method\":\"thread/status/changed\",\"params\":[]}",
		"{\"method\":\"turn/completed\",\"params\":{\"threadId\":\"" A "\",\"turn\":null}}",
		"{\"method\":\"item/started\",\"params\":{\"threadId\":\"" A "\",\"item\":{\"type\":7}}}",
		"{\"method\":7,\"params\":{}}",
		"[]",
		"7",
		"",
		"{\"method\":\"thread/closed\",\"params\":{\"threadId\":\"" A "\",\"threadId\":\"" A "\"}}",
	};
	for (size_t i = 0; i < ARRAY_SIZE(frames); i++)
		say(t, "%s", frames[i]);
	expect(t, "");
	nothing_written(t);
}

static void test_S3_frames_that_are_none_are_borne_for_a_while(void **state)
{
	struct talk *t = *state;
	with_a(t);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < CODEX_BAD_FRAMES_MAX - 1; i++)
			say(t, "nonsense");
		say(t, "{}");
	}
	for (int i = 0; i < CODEX_BAD_FRAMES_MAX - 1; i++)
		say(t, "nonsense");
	assert_int_equal(codex_rpc_feed(t->rpc, "[", 1, NULL), ERR_PROTOCOL);
}

static void test_S3_threads_and_messages_are_capped(void **state)
{
	struct talk *t = *state;
	with_a(t);
	autofree char *large = xmalloc(CODEX_TEXT_MAX + 2);
	memset(large, 'x', CODEX_TEXT_MAX + 1);
	large[CODEX_TEXT_MAX + 1] = '\0';
	assert_int_equal(codex_rpc_send(t->rpc, A, "msg-1", large, NULL), ERR_TOO_LARGE);
	large[CODEX_ID_MAX + 1] = '\0';
	assert_int_equal(codex_rpc_send(t->rpc, A, large, "x", NULL), ERR_INVALID);
	for (int i = 0; i < CODEX_UNDER_WAY_MAX; i++) {
		autofree char *id = xasprintf("msg-%d", i);
		hand(t, id);
	}
	assert_int_equal(codex_rpc_send(t->rpc, A, "msg-more", "x", NULL), ERR_TOO_LARGE);
	/* Titles go first, sessions never. */
	for (int i = 0; i < 2 * CODEX_THREADS_MAX; i++)
		say(t,
		    "{\"method\":\"thread/started\",\"params\":{\"thread\":{\"id\":\"t%d\",\"cwd\":\"/\","
		    "\"status\":" IDLE ",\"ephemeral\":true}}}",
		    i);
	for (int i = 0; i < CODEX_THREADS_MAX; i++) {
		autofree char *id = xasprintf("s%d", i);
		say(t,
		    "{\"method\":\"thread/started\",\"params\":{\"thread\":{\"id\":\"%s\",\"cwd\":\"/\","
		    "\"status\":" IDLE "}}}",
		    id);
		autofree char *wanted = xasprintf("session(%s,/,idle)", id);
		expect(t, i < CODEX_THREADS_MAX - 1 ? wanted : "");
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_threads_that_are_there_become_sessions),
		TEST(test_threads_that_start_and_end_later),
		TEST(test_a_server_that_refuses_to_talk),
		TEST(test_D1_an_idle_thread_begins_a_turn_that_is_looked_at_once_it_is_over),
		TEST(test_D1_a_message_is_sent_and_consumed),
		TEST(test_the_item_may_come_before_the_answer),
		TEST(test_D3_one_message_after_the_other),
		TEST(test_D4_what_the_user_interrupts_is_known_not_to_have_arrived),
		TEST(test_a_turn_that_goes_on_keeps_its_messages),
		TEST(test_the_first_turn_is_found_by_its_list),
		TEST(test_the_first_turn_is_found_at_its_end),
		TEST(test_D4_a_first_turn_that_cannot_be_found_is_unknown),
		TEST(test_D8_the_first_prompt_is_seen_in_its_turn),
		TEST(test_D8_the_first_prompt_is_found_by_its_list),
		TEST(test_D8_the_first_prompt_of_a_thread_that_was_there),
		TEST(test_what_a_user_says_first_is_none_of_ours),
		TEST(test_D4_what_waits_for_a_thread_that_ends_has_not_arrived),
		TEST(test_no_event_after_the_stop),
		TEST(test_a_server_that_does_not_read),
		TEST(test_requests_of_the_server_are_the_users),
		TEST(test_what_is_not_known_is_ignored),
		TEST(test_S3_frames_that_are_none_are_borne_for_a_while),
		TEST(test_S3_threads_and_messages_are_capped),
	};
	return cmocka_run_group_tests_name("agent-codex_rpc", tests, NULL, NULL);
}

/* Tests of agents' sessions: what their hooks' events do, what the model is told, and hosted sessions. */
#include "flow/session.h"

#include "flow/brief.h"
#include "flow/handover.h"
#include "flow/wake.h"
#include "flow/testing.h"
#include "mesh/ask.h"
#include "mesh/message.h"
#include "mesh/deliver.h"
#include "work/job.h"

static json_t *event(struct rig *r, const struct peer_ref *peer, const struct session_event *e)
{
	json_t *answer = NULL;
	session_event(&r->core, peer, e, &answer);
	rig_turn(r);
	return answer;
}

/* The hook tells that it has passed on the message. */
static void passed_on(struct rig *r, const struct peer_ref *peer, const char *id)
{
	autoerror err = {0};
	world_check(deliver_report(r->s, &r->core.limits, peer->peer_id, transport_find("hook"), id,
				   DELIVER_SUBMITTED, NULL, &err),
		    &err);
}

static json_t *simple(struct rig *r, const struct peer_ref *peer, enum agent_event kind)
{
	struct session_event e = {.event = kind};
	return event(r, peer, &e);
}

static void assert_turn(struct rig *r, const struct peer_ref *peer, const char *state)
{
	json_auto_t *now = peer_to_json(r->s, peer->peer_id);
	assert_string_equal(json_str(now, "turn_state"), state);
}

static char *asks(struct rig *r, const struct peer_ref *from, const struct peer_ref *to, const char *text)
{
	struct caller caller = world_caller(from);
	struct ask_new ask = {.to = to->peer_id, .text = text};
	json_auto_t *answer = NULL;
	autoerror err = {0};
	world_check(ask_open(r->s, &r->core.limits, &caller, &ask, &answer, &err), &err);
	return xstrdup(json_str(answer, "correlation_id"));
}

static void test_turn_states_follow_the_hooks(void **state)
{
	struct rig *r = *state;
	struct peer_ref peer = world_agent(r->w, "a", NULL, NULL);
	static const struct {
		enum agent_event event;
		const char *turn;
	} steps[] = {{AGENT_SESSION_START, "idle"},    {AGENT_PROMPT, "working"},
		     {AGENT_AWAITS, "awaiting_input"}, {AGENT_TOOL_END, "working"},
		     {AGENT_COMPACTS, "working"},      {AGENT_TURN_END, "idle"}};
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		json_decref(simple(r, &peer, steps[i].event));
		assert_turn(r, &peer, steps[i].turn);
	}
}

static void test_I3_clear_and_compact_keep_the_peer_and_an_end_ends_it(void **state)
{
	struct rig *r = *state;
	struct peer_ref peer = world_agent(r->w, "a", NULL, NULL), now;
	static const char *const sources[] = {"clear", "resume"};
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		struct session_event end = {.event = AGENT_SESSION_END, .source = sources[i]};
		json_decref(event(r, &peer, &end));
		assert_true(peer_find(r->s, peer.peer_id, &now) && now.online);
	}
	json_decref(simple(r, &peer, AGENT_COMPACTS));
	json_decref(simple(r, &peer, AGENT_SESSION_END));
	assert_true(peer_find(r->s, peer.peer_id, &now) && !now.live);
	assert_int_equal(now.cause, CAUSE_SESSION_END);
}

static void test_A3_open_asks_are_shown_at_each_boundary_until_closed(void **state)
{
	struct rig *r = *state;
	struct peer_ref a = world_agent(r->w, "a", NULL, NULL), b = world_agent(r->w, "b", NULL, NULL);
	autofree char *id = asks(r, &a, &b, "which endpoints?\nsecond line");
	/* It comes with the prompt, by the hook; as long as nothing proves that it was read it is not
	 * recalled. */
	json_auto_t *first = simple(r, &b, AGENT_PROMPT);
	assert_non_null(strstr(json_str(first, "context"), "which endpoints?"));
	assert_null(strstr(json_str(first, "context"), "Open asks"));
	passed_on(r, &b, id);
	json_auto_t *second = simple(r, &b, AGENT_TURN_END);
	assert_non_null(strstr(json_str(second, "carry_on"), id));
	assert_null(strstr(json_str(second, "carry_on"), "second line")); /* compactly */
	assert_turn(r, &b, "working");
	/* Once at the end of a turn: it must be able to end. */
	json_auto_t *third = simple(r, &b, AGENT_TURN_END);
	assert_null(json_str(third, "carry_on"));
	/* At each prompt, and after a compaction with the rest. */
	json_auto_t *fourth = simple(r, &b, AGENT_PROMPT);
	assert_non_null(strstr(json_str(fourth, "context"), id));
	struct session_event compacted = {.event = AGENT_SESSION_START, .source = "compact"};
	json_auto_t *brief_again = event(r, &b, &compacted);
	assert_non_null(strstr(json_str(brief_again, "context"), id));
	json_auto_t *closed = NULL;
	struct caller by = world_caller(&b);
	assert_int_equal(ask_ack(r->s, &r->core.limits, &by, id, NULL, &closed, NULL), 0);
	json_auto_t *last = simple(r, &b, AGENT_PROMPT);
	assert_null(json_str(last, "context"));
}

static void test_a_session_whose_start_nobody_heard_is_briefed_at_its_first_prompt(void **state)
{
	struct rig *r = *state;
	struct peer_ref peer = world_agent(r->w, "feat/a", NULL, NULL);
	json_auto_t *first = simple(r, &peer, AGENT_PROMPT);
	assert_non_null(strstr(json_str(first, "context"), "You are the peer feat/a"));
	json_auto_t *second = simple(r, &peer, AGENT_PROMPT);
	assert_null(json_str(second, "context"));
}

static void test_a_failed_turn_is_over_and_says_nothing_to_the_model(void **state)
{
	struct rig *r = *state;
	struct peer_ref a = world_agent(r->w, "a", NULL, NULL), b = world_agent(r->w, "b", NULL, NULL);
	json_decref(simple(r, &b, AGENT_PROMPT));
	autofree char *id = asks(r, &a, &b, "?");
	struct session_event failed = {.event = AGENT_TURN_FAILED, .source = "rate_limit"};
	json_auto_t *answer = event(r, &b, &failed);
	assert_null(json_str(answer, "carry_on"));
	assert_turn(r, &b, "idle");
	assert_int_equal(world_events(r->w, "peer.turn_failed", b.peer_id), 1);
	json_auto_t *waits = message_to_json(r->s, id);
	assert_string_equal(json_str(waits, "step"), "stored");
	json_auto_t *shown = peer_to_json(r->s, b.peer_id);
	assert_string_equal(json_str(shown, "note"), "its last turn failed: rate_limit");
	json_decref(simple(r, &b, AGENT_PROMPT));
	json_auto_t *later = peer_to_json(r->s, b.peer_id);
	assert_null(json_str(later, "note"));
}

static void test_A3_a_turn_that_was_kept_going_is_not_kept_again(void **state)
{
	struct rig *r = *state;
	struct peer_ref a = world_agent(r->w, "a", NULL, NULL), b = world_agent(r->w, "b", NULL, NULL);
	autofree char *id = asks(r, &a, &b, "?");
	json_decref(simple(r, &b, AGENT_PROMPT));
	passed_on(r, &b, id);
	struct session_event again = {.event = AGENT_TURN_END, .continued = true};
	json_auto_t *end = event(r, &b, &again);
	assert_null(json_str(end, "carry_on"));
}

static void test_J4_a_job_that_nobody_has_ended_is_recalled(void **state)
{
	struct rig *r = *state;
	struct peer_ref b = world_agent(r->w, "b", NULL, NULL);
	struct job_spec spec = {.title = "t", .peer_id = b.peer_id, .max_attempts = 1};
	char id[ID_SIZE];
	int64_t attempt, fence;
	autoerror err = {0};
	world_check(job_create(r->s, &spec, id, &err), &err);
	world_check(job_claim(r->s, id, b.peer_id, JOB_RUNNING, &attempt, &fence, &err), &err);
	json_auto_t *end = simple(r, &b, AGENT_TURN_END);
	assert_non_null(strstr(json_str(end, "carry_on"), id));
	struct job_change waits = {.state = JOB_AWAITING_INPUT};
	world_check(job_update(r->s, id, fence, &waits, &err), &err);
	json_auto_t *quiet = simple(r, &b, AGENT_TURN_END);
	assert_null(json_str(quiet, "carry_on"));
}

static void test_messages_shown_in_a_prompt_are_consumed(void **state)
{
	struct rig *r = *state;
	struct peer_ref a = world_agent(r->w, "a", NULL, NULL), b = world_agent(r->w, "b", NULL, NULL);
	autofree char *id = asks(r, &a, &b, "native");
	transport_attach(r->s, b.peer_id, transport_find("claude-inbox"));
	json_auto_t *taken = deliver_take(r->s, b.peer_id, transport_find("claude-inbox"), 10);
	assert_int_equal(json_array_size(taken), 1);
	json_auto_t *shown = json_pack("[s]", id);
	struct session_event prompt = {.event = AGENT_PROMPT, .shown = shown};
	json_auto_t *answer = event(r, &b, &prompt);
	json_auto_t *message = message_to_json(r->s, id);
	assert_string_equal(json_str(message, "step"), "consumed");
	/* D4: what a native way carries is not carried again. */
	const char *context = json_str(answer, "context");
	assert_true(!context || !strstr(context, "<coppice-message id="));
}

static void test_what_hooks_carry_stays_within_what_the_runtime_shows(void **state)
{
	struct rig *r = *state;
	struct peer_ref a = world_agent(r->w, "a", NULL, NULL), b = world_agent(r->w, "b", NULL, NULL);
	char text[4001];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 4; i++)
		free(asks(r, &a, &b, text));
	size_t got = 0;
	for (int i = 0; i < 4; i++) {
		json_auto_t *answer = simple(r, &b, AGENT_TOOL_END);
		const char *context = json_str(answer, "context");
		got += context != NULL;
		assert_true(!context || strlen(context) < 10000);
	}
	assert_in_range(got, 2, 4); /* not at once, and in the end all */
	assert_int_equal(db_int(r->s, -1, "SELECT count(*) FROM message WHERE step = 'stored'", ""), 0);
}

static void test_the_brief_stays_under_400_tokens(void **state)
{
	struct rig *r = *state;
	struct peer_ref self = {0}, other = {0};
	autofree char *long_name = xasprintf("feat/%0150d", 7);
	for (int i = 0; i < 12; i++) {
		other = world_agent(r->w, long_name, NULL, NULL);
		(void)!peer_describe(
			r->s, other.peer_id,
			"a very long description that goes on and on, with <tags> and \x1b[31m colours",
			NULL);
	}
	self = world_agent(r->w, long_name, NULL, NULL);
	for (int i = 0; i < 9; i++) {
		autofree char *id = asks(r, &other, &self,
					 "a question that is quite long indeed, longer than what is shown");
		(void)db_run(r->s, "UPDATE message SET step = 'consumed' WHERE id = ?", "s", id);
		struct job_spec spec = {.title = "a job with a long title that goes on",
					.peer_id = self.peer_id};
		char job[ID_SIZE];
		assert_int_equal(job_create(r->s, &spec, job, NULL), 0);
	}
	autostrbuf out = STRBUF_INIT(64 << 10);
	brief(r->s, self.peer_id, &out);
	/* four bytes a token is what English text comes to */
	assert_in_range(out.len / 4, 100, 400);
	assert_null(strchr(strbuf_str(&out), '\x1b'));
	assert_null(strstr(strbuf_str(&out), "<tags>"));
}

static void test_the_brief_tells_who_and_what(void **state)
{
	struct rig *r = *state;
	struct peer_ref other = world_agent(r->w, "feat/b", NULL, NULL);
	struct peer_spec spec = {.name = "feat/a",
				 .backend = "codex",
				 .path = "/src/app-feat-a",
				 .branch = "feat/a",
				 .repo_id = r->repo,
				 .trusted = true};
	struct peer_process process = {.kind = SESSION_AGENT, .pid = 4321, .start_time = 5};
	struct peer_ref self;
	autoerror err = {0};
	world_check(peer_register(r->s, &process, &spec, &self, &err), &err);
	branch_own(r->s, r->repo, "feat/a", self.peer_id);
	autostrbuf out = STRBUF_INIT(64 << 10);
	brief(r->s, self.peer_id, &out);
	static const char *const says[] = {"You are the peer feat/a", "You own branch feat/a",
					   "feat/b (claude-code)", "ack closes"};
	for (size_t i = 0; i < ARRAY_SIZE(says); i++)
		assert_non_null(strstr(strbuf_str(&out), says[i]));
	(void)other;
}

/* What names a terminal comes from outside: what is no such thing is not kept. */
static void test_S3_only_a_terminals_place_is_kept_of_a_session(void **state)
{
	struct rig *r = *state;
	struct peer_ref self = world_agent(r->w, "feat/a", NULL, NULL);
	autofree char *long_path = xasprintf("/%0200d", 1);
	json_t *good = json_pack("{s:s, s:i, s:s, s:s}", "socket", "/tmp/tmux-1/default", "server", 7,
				 "pane_id", "%3", "more", "of it");
	json_t *bad[] = {json_object(),
			 json_pack("{s:s, s:i, s:s}", "socket", "tmux", "server", 7, "pane_id", "%3"),
			 json_pack("{s:s, s:i, s:s}", "socket", long_path, "server", 7, "pane_id", "%3"),
			 json_pack("{s:s, s:i, s:s}", "socket", "/tmp/t", "server", 0, "pane_id", "%3"),
			 json_pack("{s:s, s:i, s:s}", "socket", "/tmp/t", "server", 7, "pane_id", "3;")};
	wake_note_pane(r->s, self.peer_id, good);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		wake_note_pane(r->s, self.peer_id, bad[i]);
		json_decref(bad[i]);
	}
	json_decref(good);
	autofree char *kept = db_text(r->s, "SELECT pane FROM session WHERE peer_id = ?", "s", self.peer_id);
	json_auto_t *pane = json_loads(kept ? kept : "null", JSON_DECODE_ANY, NULL);
	json_auto_t *want =
		json_pack("{s:s, s:i, s:s}", "socket", "/tmp/tmux-1/default", "server", 7, "pane_id", "%3");
	assert_true(json_equal(pane, want));
}

/* Escape calls no hook; the record that the runtime keeps is all that tells of it. */
static void test_D1_what_a_hook_passed_on_was_read_once_the_record_says_that_the_turn_is_over(void **state)
{
	struct rig *r = *state;
	struct peer_ref a = world_agent(r->w, "a", NULL, NULL), b = world_agent(r->w, "b", NULL, NULL);
	struct session_found record = {.backend = "claude-code",
				       .key = "key-1",
				       .path = "/src/app",
				       .pid = r->w->next_pid - 1,
				       .start_time = 77,
				       .turn = AGENT_TURN_WORKING};
	autofree char *id = asks(r, &a, &b, "which endpoints?");
	json_decref(simple(r, &b, AGENT_PROMPT));
	passed_on(r, &b, id);
	session_found(&r->core, &record);
	json_auto_t *before = message_to_json(r->s, id);
	assert_string_equal(json_str(before, "step"), "submitted");
	record.turn = AGENT_TURN_IDLE;
	session_found(&r->core, &record);
	json_auto_t *after = message_to_json(r->s, id);
	assert_string_equal(json_str(after, "step"), "consumed");
}

static void test_D4_a_turn_whose_end_only_the_record_tells_of_settles_what_a_closed_way_had(void **state)
{
	struct rig *r = *state;
	struct peer_ref a = world_agent(r->w, "a", NULL, NULL), b = world_agent(r->w, "b", NULL, NULL);
	const struct transport_kind *inbox = transport_find("claude-inbox");
	struct session_found record = {.backend = "claude-code",
				       .key = "key-1",
				       .path = "/src/app",
				       .pid = r->w->next_pid - 1,
				       .start_time = 77,
				       .turn = AGENT_TURN_IDLE};
	json_decref(simple(r, &b, AGENT_PROMPT));
	autofree char *id = asks(r, &a, &b, "which endpoints?");
	transport_attach(r->s, b.peer_id, inbox);
	json_decref(deliver_take(r->s, b.peer_id, inbox, 10));
	transport_detach(r->s, b.peer_id, inbox, "it died");
	transport_attach(r->s, b.peer_id, inbox);
	session_found(&r->core, &record);
	json_auto_t *after = message_to_json(r->s, id);
	assert_string_equal(json_str(after, "step"), "stored");
	json_decref(deliver_take(r->s, b.peer_id, inbox, 10));
	transport_detach(r->s, b.peer_id, inbox, "it died");
	session_found(&r->core, &record); /* no turn has ended: it may begin one in a moment */
	json_auto_t *again = message_to_json(r->s, id);
	assert_string_equal(json_str(again, "step"), "offered");
}

static bool wakes(struct rig *r, const struct peer_ref *peer)
{
	r->w->now += 4 * USEC_PER_SEC;
	rig_turn(r);
	(void)timer_fire(r->s);
	rig_turn(r);
	struct effect *e = rig_find(r, "wake", NULL);
	bool woken = e && strcmp(e->subject, peer->peer_id) == 0;
	if (e)
		rig_finish(r, e, true, json_pack("{s:s}", "outcome", "typed"));
	return woken;
}

static void test_D7_what_waited_for_an_offline_session_wakes_it_when_it_comes_back(void **state)
{
	struct rig *r = *state;
	struct peer_spec spec = {.name = "b", .backend = "codex", .path = "/src/b"};
	struct peer_process before = {.kind = SESSION_AGENT, .pid = 50, .start_time = 5, .key = "session-1"};
	struct peer_process after = {.kind = SESSION_AGENT, .pid = 60, .start_time = 6, .key = "session-1"};
	struct peer_ref a = world_agent(r->w, "a", NULL, NULL), b;
	json_auto_t *pane =
		json_pack("{s:s, s:i, s:s}", "socket", "/tmp/tmux-1/default", "server", 7, "pane_id", "%3");
	autoerror err = {0};
	world_check(peer_register(r->s, &before, &spec, &b, &err), &err);
	json_decref(simple(r, &b, AGENT_SESSION_START));
	assert_int_equal(peer_offline(r->s, b.peer_id, CAUSE_PROCESS_GONE, NULL), 0);
	rig_turn(r);
	free(asks(r, &a, &b, "are you there?"));
	rig_turn(r);
	assert_false(wakes(r, &b));
	world_check(peer_register(r->s, &after, &spec, &b, &err), &err);
	wake_note_pane(r->s, b.peer_id, pane);
	rig_turn(r);
	assert_true(wakes(r, &b));
}

/* It was written to while nobody knew where its terminal is. */
static void test_D5_a_session_that_begins_anew_is_woken_for_what_waits(void **state)
{
	struct rig *r = *state;
	struct peer_ref a = world_agent(r->w, "a", NULL, NULL), b = world_agent(r->w, "b", NULL, NULL);
	json_auto_t *pane =
		json_pack("{s:s, s:i, s:s}", "socket", "/tmp/tmux-1/default", "server", 7, "pane_id", "%3");
	json_decref(simple(r, &b, AGENT_SESSION_START));
	free(asks(r, &a, &b, "are you there?"));
	rig_turn(r);
	assert_false(wakes(r, &b));
	struct session_event start = {.event = AGENT_SESSION_START, .source = "clear"};
	json_decref(event(r, &b, &start));
	wake_note_pane(r->s, b.peer_id, pane);
	assert_true(wakes(r, &b));
	json_decref(event(r, &b, &start));
	assert_false(wakes(r, &b)); /* once for what waits */
}

/* A5: it rests a moment while its asker is at work; then its way is a command, which nothing else wakes. */
static void test_A5_a_reply_that_has_rested_is_handed_over_by_the_runtimes_queue(void **state)
{
	struct rig *r = *state;
	struct peer_spec spec = {.name = "b", .backend = "codex", .path = "/src/b"};
	struct peer_process process = {.kind = SESSION_AGENT, .pid = 50, .start_time = 5, .key = "session-1"};
	struct peer_ref a = world_agent(r->w, "a", NULL, NULL), b;
	struct caller from_a = world_caller(&a);
	json_auto_t *answer = NULL;
	autoerror err = {0};
	world_check(peer_register(r->s, &process, &spec, &b, &err), &err);
	handover_open(&r->core, &b);
	autofree char *id = asks(r, &b, &a, "which endpoints?");
	json_decref(simple(r, &b, AGENT_PROMPT));
	world_check(ask_ack(r->s, &r->core.limits, &from_a, id, "all", &answer, &err), &err);
	rig_turn(r);
	assert_null(rig_find(r, "handover", NULL));
	r->w->now += 2 * USEC_PER_SEC;
	rig_turn(r);
	(void)timer_fire(r->s);
	rig_turn(r);
	assert_non_null(rig_find(r, "handover", NULL));
}

/* They are handed over one by one; its sender was told that it was not delivered. */
static void test_D7_what_is_dead_by_then_is_not_handed_over(void **state)
{
	struct rig *r = *state;
	struct peer_spec spec = {.name = "b", .backend = "codex", .path = "/src/b"};
	struct peer_process process = {.kind = SESSION_AGENT, .pid = 50, .start_time = 5, .key = "session-1"};
	struct peer_ref a = world_agent(r->w, "a", NULL, NULL), b;
	autoerror err = {0};
	world_check(peer_register(r->s, &process, &spec, &b, &err), &err);
	handover_open(&r->core, &b);
	free(asks(r, &a, &b, "one"));
	free(asks(r, &a, &b, "two"));
	rig_turn(r);
	struct effect *first = rig_effect(r, "handover", NULL);
	assert_int_equal(peer_offline(r->s, b.peer_id, CAUSE_RETIRED, NULL), 0);
	rig_turn(r);
	rig_finish(r, first, true, json_object());
	assert_null(rig_find(r, "handover", NULL));
}

/* --- sessions that one process hosts --- */

static struct session_found hosted(const char *key, const char *path)
{
	return (struct session_found){
		.backend = "codex", .key = key, .path = path, .pid = 777, .start_time = 7, .hosted = true};
}

static void locate(struct rig *r, const char *branch, const char *path)
{
	json_t *there = json_pack("{s:s, s:s, s:s, s:b, s:s, s:s, s:s}", "common_dir", "/src/app/.git",
				  "main", "/src/app", "name", "app", "linked", 1, "branch", branch, "path",
				  path, "git_dir", "/src/app/.git/worktrees/x");
	rig_finish(r, rig_effect(r, "session.locate", NULL), true, there);
}

static bool not_linked(const struct core *core, int64_t pid, int64_t start_time)
{
	(void)core;
	(void)pid;
	(void)start_time;
	return false;
}

/* Git was asked where it works by a daemon that has been killed since, and its link is gone with it. */
static void test_D4_a_session_whose_link_is_lost_meanwhile_has_no_way_by_it(void **state)
{
	struct rig *r = *state;
	struct session_found one = hosted("thread-1", "/src/app-a");
	struct peer_ref peer;
	session_found(&r->core, &one);
	rig_turn(r);
	r->core.linked = not_linked;
	locate(r, "feat/a", "/src/app-a");
	rig_turn(r);
	assert_true(peer_of_session(r->s, 777, 7, "thread-1", &peer) && peer.online);
	assert_false(transport_attached(r->s, peer.peer_id, transport_find("codex-link")));
}

/* The daemon was started anew while it made the terminal: what that proves is not on record yet. */
static void test_I3_a_record_does_not_make_another_peer_of_a_session_that_is_being_started(void **state)
{
	struct rig *r = *state;
	char spawn[ID_SIZE], id[ID_SIZE];
	int64_t effect;
	autoerror err = {0};
	struct peer_spec spec = {.name = "a", .branch = "a", .backend = "claude-code", .trusted = true};
	world_check(peer_mint(r->s, &spec, id, &err), &err);
	struct spawn_order order = {.peer_id = id, .backend = "claude-code", .path = "/src/app"};
	world_check(spawn_order(&r->core, &order, spawn, &effect, &err), &err);
	rig_turn(r);
	struct session_found one = {.backend = "claude-code",
				    .key = "key-1",
				    .path = "/src/app",
				    .pid = 778,
				    .start_time = 7,
				    .mark = id};
	session_found(&r->core, &one);
	rig_turn(r);
	assert_null(rig_find(r, "session.locate", NULL));
	rig_spawned(r, "a");
	one.inside = id;
	session_found(&r->core, &one);
	rig_turn(r);
	rig_fail(r, "session.locate", NULL, "not_found", "there is no repository");
	struct peer_ref peer;
	assert_true(peer_of_session(r->s, 778, 7, "key-1", &peer));
	assert_string_equal(peer.peer_id, id);
}

/* Git takes its time; what was seen before it was asked may be over when it answers. */
static void test_I9_a_session_that_ended_while_git_was_asked_does_not_come_back(void **state)
{
	struct rig *r = *state;
	struct session_found one = hosted("thread-1", "/src/app-a");
	struct peer_spec spec = {.backend = "codex", .path = "/src/app-a"};
	struct peer_process process = {.pid = 777, .start_time = 7, .key = "thread-1", .hosted = true};
	struct peer_ref peer;
	autoerror err = {0};
	session_found(&r->core, &one);
	rig_turn(r);
	world_check(peer_register(r->s, &process, &spec, &peer, &err), &err); /* by its hook */
	assert_true(peer_session_gone(r->s, 777, 7, "thread-1"));
	rig_turn(r);
	locate(r, "feat/a", "/src/app-a");
	assert_false(peer_of_session(r->s, 777, 7, "thread-1", &peer));
	r->w->now += USEC_PER_SEC;
	rig_turn(r);
	session_found(&r->core, &one); /* it is resumed */
	rig_turn(r);
	locate(r, "feat/a", "/src/app-a");
	assert_true(peer_of_session(r->s, 777, 7, "thread-1", &peer));
}

static void test_a_turn_that_was_told_while_git_was_asked_is_the_later_one(void **state)
{
	struct rig *r = *state;
	struct session_found one = {.backend = "claude-code",
				    .key = "key-1",
				    .path = "/src/app-a",
				    .pid = 778,
				    .start_time = 7,
				    .turn = AGENT_TURN_WORKING};
	struct peer_spec spec = {.backend = "claude-code", .path = "/src/app-a"};
	struct peer_process process = {.pid = 778, .start_time = 7, .key = "key-1"};
	struct peer_ref peer;
	autoerror err = {0};
	session_found(&r->core, &one);
	rig_turn(r);
	world_check(peer_register(r->s, &process, &spec, &peer, &err), &err);
	json_decref(simple(r, &peer, AGENT_TURN_END));
	locate(r, "feat/a", "/src/app-a");
	assert_turn(r, &peer, "idle");
}

static void test_I3_a_key_selects_among_the_sessions_of_one_process(void **state)
{
	struct rig *r = *state;
	struct session_found one = hosted("thread-1", "/src/app-a"), two = hosted("thread-2", "/src/app-b");
	session_found(&r->core, &one);
	rig_turn(r);
	locate(r, "feat/a", "/src/app-a");
	rig_turn(r);
	session_found(&r->core, &two);
	rig_turn(r);
	locate(r, "feat/b", "/src/app-b");
	rig_turn(r);
	struct proc_chain chain = {.n = 2, .complete = true};
	chain.at[0] = (struct proc_stat){.pid = 900, .ppid = 777, .start_time = 90, .sid = 777};
	chain.at[1] = (struct proc_stat){.pid = 777, .ppid = 1, .start_time = 7, .sid = 777};
	static const struct {
		const char *session, *name;
		enum caller_kind kind;
	} cases[] = {{"thread-1", "feat/a", CALLER_PEER},
		     {"thread-2", "feat/b", CALLER_PEER},
		     {"thread-3", "unknown", CALLER_UNKNOWN},
		     {NULL, "unknown", CALLER_UNKNOWN}};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct identity_evidence evidence = {.session = cases[i].session, .marked = TRUTH_NO};
		struct caller caller;
		identity_resolve(r->s, &chain, &evidence, &caller);
		assert_int_equal(caller.kind, cases[i].kind);
		assert_string_equal(caller.name, cases[i].name);
	}
	/* The key alone proves nothing: another process that names it is nobody. */
	chain.at[1].start_time = 8;
	struct identity_evidence forged = {.session = "thread-1", .marked = TRUTH_NO};
	struct caller caller;
	identity_resolve(r->s, &chain, &forged, &caller);
	assert_int_not_equal(caller.kind, CALLER_PEER);
}

static void test_the_first_live_peer_of_a_linked_worktree_owns_its_branch(void **state)
{
	struct rig *r = *state;
	struct session_found one = hosted("thread-1", "/src/app-a"), two = hosted("thread-2", "/src/app-a");
	struct session_found *both[] = {&one, &two};
	for (size_t i = 0; i < 2; i++) {
		session_found(&r->core, both[i]);
		rig_turn(r);
		locate(r, "feat/a", "/src/app-a");
		rig_turn(r);
	}
	struct peer_ref first, second;
	assert_true(peer_of_session(r->s, 777, 7, "thread-1", &first));
	assert_true(peer_of_session(r->s, 777, 7, "thread-2", &second));
	assert_string_equal(first.name, "feat/a");
	assert_string_equal(second.name, "feat/a~2"); /* I6: two in one folder */
	autofree char *owner = db_text(r->s, "SELECT peer_id FROM branch_owner WHERE branch = 'feat/a'", "");
	assert_string_equal(owner, first.peer_id);
	assert_true(peer_session_gone(r->s, 777, 7, "thread-1"));
	rig_turn(r);
	assert_true(peer_find(r->s, first.peer_id, &first) && !first.live);
	assert_true(peer_find(r->s, second.peer_id, &second) && second.live);
}

static void test_I3_a_resumed_session_is_the_peer_that_it_was(void **state)
{
	struct rig *r = *state;
	struct peer_spec spec = {.name = "a", .backend = "claude-code", .path = "/src/a"};
	struct peer_process before = {.kind = SESSION_AGENT, .pid = 50, .start_time = 5, .key = "session-1"};
	struct peer_process after = {.kind = SESSION_AGENT, .pid = 60, .start_time = 6, .key = "session-1"};
	struct peer_process other = {.kind = SESSION_AGENT, .pid = 70, .start_time = 7, .key = "session-2"};
	struct peer_ref first, again, third;
	autoerror err = {0};
	world_check(peer_register(r->s, &before, &spec, &first, &err), &err);
	/* As long as the peer is there, nobody takes it over. */
	world_check(peer_register(r->s, &other, &spec, &third, &err), &err);
	assert_string_not_equal(third.peer_id, first.peer_id);
	(void)peer_process_gone(r->s, 50, 5, NULL);
	world_check(peer_register(r->s, &after, &spec, &again, &err), &err);
	assert_string_equal(again.peer_id, first.peer_id);
	assert_true(again.epoch > first.epoch);
}

static void test_I3_a_process_seen_before_its_first_hook_goes_on_as_the_peer_that_it_resumes(void **state)
{
	struct rig *r = *state;
	struct peer_spec spec = {.name = "a", .backend = "claude-code", .path = "/src/a"};
	struct peer_process before = {.kind = SESSION_AGENT, .pid = 50, .start_time = 5, .key = "session-1"};
	struct peer_process seen = {
		.kind = SESSION_AGENT, .pid = 60, .start_time = 6, .key = "session-fresh"};
	struct peer_process hook = {.kind = SESSION_AGENT, .pid = 60, .start_time = 6, .key = "session-1"};
	struct peer_ref first, made, again, still;
	autoerror err = {0};
	world_check(peer_register(r->s, &before, &spec, &first, &err), &err);
	(void)peer_process_gone(r->s, 50, 5, NULL);
	world_check(peer_register(r->s, &seen, &spec, &made, &err), &err);
	assert_string_not_equal(made.peer_id, first.peer_id);
	world_check(peer_register(r->s, &hook, &spec, &again, &err), &err);
	assert_string_equal(again.peer_id, first.peer_id);
	assert_true(peer_find(r->s, made.peer_id, &made) && !made.live);
	/* Once its hooks have called, the process is its peer, whatever session it turns to. */
	peer_set_hooked(r->s, again.peer_id);
	world_check(peer_register(r->s, &seen, &spec, &still, &err), &err);
	assert_string_equal(still.peer_id, first.peer_id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(test_turn_states_follow_the_hooks),
		rig_test(test_I3_clear_and_compact_keep_the_peer_and_an_end_ends_it),
		rig_test(test_A3_open_asks_are_shown_at_each_boundary_until_closed),
		rig_test(test_a_session_whose_start_nobody_heard_is_briefed_at_its_first_prompt),
		rig_test(test_a_failed_turn_is_over_and_says_nothing_to_the_model),
		rig_test(test_A3_a_turn_that_was_kept_going_is_not_kept_again),
		rig_test(test_J4_a_job_that_nobody_has_ended_is_recalled),
		rig_test(test_messages_shown_in_a_prompt_are_consumed),
		rig_test(test_what_hooks_carry_stays_within_what_the_runtime_shows),
		rig_test(test_the_brief_stays_under_400_tokens),
		rig_test(test_the_brief_tells_who_and_what),
		rig_test(test_S3_only_a_terminals_place_is_kept_of_a_session),
		rig_test(test_D1_what_a_hook_passed_on_was_read_once_the_record_says_that_the_turn_is_over),
		rig_test(test_D4_a_turn_whose_end_only_the_record_tells_of_settles_what_a_closed_way_had),
		rig_test(test_A5_a_reply_that_has_rested_is_handed_over_by_the_runtimes_queue),
		rig_test(test_D7_what_is_dead_by_then_is_not_handed_over),
		rig_test(test_D7_what_waited_for_an_offline_session_wakes_it_when_it_comes_back),
		rig_test(test_D5_a_session_that_begins_anew_is_woken_for_what_waits),
		rig_test(test_D4_a_session_whose_link_is_lost_meanwhile_has_no_way_by_it),
		rig_test(test_I3_a_record_does_not_make_another_peer_of_a_session_that_is_being_started),
		rig_test(test_I9_a_session_that_ended_while_git_was_asked_does_not_come_back),
		rig_test(test_a_turn_that_was_told_while_git_was_asked_is_the_later_one),
		rig_test(test_I3_a_key_selects_among_the_sessions_of_one_process),
		rig_test(test_the_first_live_peer_of_a_linked_worktree_owns_its_branch),
		rig_test(test_I3_a_resumed_session_is_the_peer_that_it_was),
		rig_test(test_I3_a_process_seen_before_its_first_hook_goes_on_as_the_peer_that_it_resumes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of delivery into sessions: which way takes what, what its reports do, and what proves that it was
 * read. */
#include "mesh/ask.h"
#include "mesh/deliver.h"
#include "mesh/inbox.h"
#include "mesh/message.h"
#include "mesh/testing.h"

#define INBOX transport_find("claude-inbox")
#define REWAKE transport_find("claude-rewake")

struct scene {
	struct peer_ref a, b;
	struct caller from_a;
};

static struct scene scene(struct world *w)
{
	struct scene s = {.a = world_agent(w, "a", NULL, NULL), .b = world_agent(w, "b", NULL, NULL)};
	s.from_a = world_caller(&s.a);
	return s;
}

static char *says(struct world *w, const struct scene *s, const char *text)
{
	autoerror err = {0};
	json_auto_t *answer = NULL;
	world_check(message_notify(w->s, &w->limits, &s->from_a, s->b.peer_id, text, &answer, &err), &err);
	return xstrdup(json_str(answer, "message_id"));
}

static size_t taken(struct world *w, const struct scene *s, const struct transport_kind *kind)
{
	json_auto_t *messages = deliver_take(w->s, s->b.peer_id, kind, 10);
	return json_array_size(messages);
}

static void report(struct world *w, const struct scene *s, const char *id, enum deliver_outcome outcome)
{
	autoerror err = {0};
	world_check(deliver_report(w->s, &w->limits, s->b.peer_id, INBOX, id, outcome, "why", &err), &err);
}

/* The hook tells that it has printed its answer. */
static void passed_on(struct world *w, const struct scene *s, const char *id)
{
	autoerror err = {0};
	world_check(deliver_report(w->s, &w->limits, s->b.peer_id, transport_find("hook"), id,
				   DELIVER_SUBMITTED, NULL, &err),
		    &err);
}

static void assert_step(struct world *w, const char *id, const char *step, bool repeat)
{
	json_auto_t *message = message_to_json(w->s, id);
	assert_string_equal(json_str(message, "step"), step);
	assert_int_equal(json_bool(message, "repeat", false), repeat);
}

static void test_D1_each_step_is_told_as_it_is_reached(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	autofree char *id = says(w, &s, "hello");
	transport_attach(w->s, s.b.peer_id, INBOX);
	assert_step(w, id, "stored", false);
	assert_int_equal(taken(w, &s, INBOX), 1);
	assert_step(w, id, "offered", true);
	report(w, &s, id, DELIVER_SUBMITTED);
	assert_step(w, id, "submitted", true);
	json_auto_t *ids = json_pack("[s]", id);
	deliver_shown(w->s, s.b.peer_id, ids, "hook");
	assert_step(w, id, "consumed", true);
	report(w, &s, id, DELIVER_SUBMITTED); /* late: it changes nothing */
	assert_step(w, id, "consumed", true);
	json_auto_t *trace = NULL;
	assert_int_equal(message_trace(w->s, id, &trace, NULL), 0);
	const json_t *last = json_array_get(json_object_get(trace, "steps"), 3);
	assert_string_equal(json_str(last, "transport"), "claude-inbox"); /* the way that carried it */
}

static void test_D4_the_best_open_way_takes_and_the_others_stand_by(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	transport_attach(w->s, s.b.peer_id, REWAKE);
	transport_attach(w->s, s.b.peer_id, INBOX);
	autofree char *id = says(w, &s, "1");
	assert_int_equal(taken(w, &s, REWAKE), 0);
	json_auto_t *pulled = deliver_pull(w->s, s.b.peer_id, 10, DELIVER_IN_TURN);
	assert_int_equal(json_array_size(pulled), 0);
	assert_int_equal(taken(w, &s, INBOX), 1);
	/* Its outcome is unknown when the way closes: nobody else takes it until that is settled. */
	transport_detach(w->s, s.b.peer_id, INBOX, "closed");
	assert_int_equal(taken(w, &s, REWAKE), 0);
	deliver_settle(w->s, s.b.peer_id, "the turn ended");
	assert_step(w, id, "stored", true); /* it may have been seen: its next showing says so */
	assert_int_equal(taken(w, &s, REWAKE), 1);
}

static void test_D4_what_did_not_arrive_is_no_repeat(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	transport_attach(w->s, s.b.peer_id, INBOX);
	autofree char *id = says(w, &s, "1");
	assert_int_equal(taken(w, &s, INBOX), 1);
	report(w, &s, id, DELIVER_RETURNED);
	assert_step(w, id, "stored", false);
	assert_int_equal(taken(w, &s, INBOX), 1);
}

static void test_D7_what_a_session_refuses_time_after_time_is_a_dead_letter(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	transport_attach(w->s, s.b.peer_id, INBOX);
	autofree char *id = says(w, &s, "1");
	int tries = 0;
	while (taken(w, &s, INBOX) == 1 && tries++ < 100)
		report(w, &s, id, DELIVER_RETURNED);
	assert_in_range(tries, 2, 10);
	assert_int_equal(world_events(w, "message.dead", id), 1);
	assert_int_equal(message_waiting(w->s, s.a.peer_id), 1); /* its sender is told */
}

static void test_D4_a_closed_way_settles_by_itself_at_an_idle_peer(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	autofree char *id = says(w, &s, "1");
	transport_attach(w->s, s.b.peer_id, INBOX);
	assert_int_equal(taken(w, &s, INBOX), 1);
	transport_detach(w->s, s.b.peer_id, INBOX, "closed");
	world_pass(w, 11 * USEC_PER_SEC);
	assert_step(w, id, "stored", true);
}

static void test_D3_one_way_hands_over_in_order_without_waiting_for_proof(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	transport_attach(w->s, s.b.peer_id, INBOX);
	for (int i = 0; i < 3; i++)
		free(says(w, &s, "x"));
	json_auto_t *first = deliver_take(w->s, s.b.peer_id, INBOX, 1);
	json_auto_t *rest = deliver_take(w->s, s.b.peer_id, INBOX, 10);
	assert_int_equal(json_array_size(first), 1);
	assert_int_equal(json_array_size(rest), 2);
}

/* Its proof was lost; what was handed over behind it is on its way all the same. */
static void test_D1_what_the_runtime_took_is_submitted_though_an_earlier_one_waits_again(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	transport_attach(w->s, s.b.peer_id, INBOX);
	autofree char *first = says(w, &s, "1"), *second = says(w, &s, "2");
	assert_int_equal(taken(w, &s, INBOX), 2);
	report(w, &s, first, DELIVER_SUBMITTED);
	assert_int_equal(message_lost(w->s, first, "claude-inbox", "no proof", NULL), 0);
	report(w, &s, second, DELIVER_SUBMITTED);
	assert_step(w, first, "stored", true);
	assert_step(w, second, "submitted", true);
}

static void test_D2_a_session_that_ends_gives_back_what_it_was_not_seen_to_read(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	transport_attach(w->s, s.b.peer_id, INBOX);
	autofree char *id = says(w, &s, "1");
	assert_int_equal(taken(w, &s, INBOX), 1);
	report(w, &s, id, DELIVER_SUBMITTED);
	assert_int_equal(peer_offline(w->s, s.b.peer_id, CAUSE_PROCESS_GONE, NULL), 0);
	world_turn(w);
	assert_step(w, id, "stored", true);
	assert_false(transport_attached(w->s, s.b.peer_id, INBOX));
}

/* Nobody is there to say by which way it can be reached when it comes back. */
static void test_I9_a_peer_that_went_is_shown_with_none_of_its_ways(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	transport_attach(w->s, s.b.peer_id, INBOX);
	assert_int_equal(peer_offline(w->s, s.b.peer_id, CAUSE_PROCESS_GONE, NULL), 0);
	world_turn(w);
	json_auto_t *peer = peer_to_json(w->s, s.b.peer_id);
	assert_string_not_equal(json_str(peer, "transport"), "claude-inbox");
}

/* Claude calls a hook with each message that it reads; the daemon was away when it was called. */
static void test_D2_what_no_hook_told_of_though_the_turn_is_over_is_shown_again(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	transport_attach(w->s, s.b.peer_id, INBOX);
	autofree char *id = says(w, &s, "1"), *next = says(w, &s, "2");
	peer_set_hooked(w->s, s.b.peer_id);
	world_check(peer_set_turn_state(w->s, s.b.peer_id, TURN_WORKING, NULL), NULL);
	json_decref(deliver_take(w->s, s.b.peer_id, INBOX, 1));
	report(w, &s, id, DELIVER_SUBMITTED);
	world_pass(w, 31 * USEC_PER_SEC);
	assert_step(w, id, "submitted", true); /* it may be read within this turn */
	world_check(peer_set_turn_state(w->s, s.b.peer_id, TURN_IDLE, NULL), NULL);
	deliver_doubt(w->s, s.b.peer_id);
	world_check(peer_set_turn_state(w->s, s.b.peer_id, TURN_WORKING, NULL), NULL);
	world_pass(w, 31 * USEC_PER_SEC);
	assert_step(w, id, "submitted", true); /* or in the one after that */
	world_check(peer_set_turn_state(w->s, s.b.peer_id, TURN_IDLE, NULL), NULL);
	deliver_doubt(w->s, s.b.peer_id);
	assert_int_equal(taken(w, &s, INBOX), 1);
	world_pass(w, 20 * USEC_PER_SEC);
	report(w, &s, next, DELIVER_SUBMITTED);
	world_pass(w, 11 * USEC_PER_SEC);
	assert_step(w, id, "stored", true);
	assert_step(w, next, "submitted", true);
	world_pass(w, 20 * USEC_PER_SEC);
	assert_step(w, next, "stored", true); /* no turn has begun with it, or its hook was lost */
}

/* Its turn is broken off, which the record tells of sooner than the hook of what it passed on. */
static void test_D1_what_a_hook_passed_on_to_a_turn_that_is_over_by_now_was_read(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	autofree char *id = says(w, &s, "1");
	peer_set_hooked(w->s, s.b.peer_id);
	json_decref(deliver_pull(w->s, s.b.peer_id, 10, DELIVER_IN_TURN));
	deliver_doubt(w->s, s.b.peer_id); /* it is idle */
	passed_on(w, &s, id);
	assert_step(w, id, "submitted", true);
	world_pass(w, 31 * USEC_PER_SEC);
	assert_step(w, id, "consumed", true);
}

static void test_D2_where_no_hook_ever_tells_nothing_is_shown_again_for_ever(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	transport_attach(w->s, s.b.peer_id, INBOX);
	autofree char *id = says(w, &s, "1");
	int shown = 0;
	for (; taken(w, &s, INBOX) == 1 && shown < 100; shown++) {
		report(w, &s, id, DELIVER_SUBMITTED);
		deliver_doubt(w->s, s.b.peer_id);
		world_pass(w, 31 * USEC_PER_SEC);
		peer_set_hooked(w->s, s.b.peer_id);
	}
	assert_int_equal(shown, 1); /* none has ever called */
	autofree char *other = says(w, &s, "2");
	for (; taken(w, &s, INBOX) == 1 && shown < 100; shown++) {
		report(w, &s, other, DELIVER_SUBMITTED);
		deliver_doubt(w->s, s.b.peer_id);
		world_pass(w, 31 * USEC_PER_SEC);
	}
	assert_in_range(shown, 2, 10);
}

static void test_D6_hooks_carry_what_no_native_way_does(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	autofree char *id = says(w, &s, "at the boundary");
	json_auto_t *pulled = deliver_pull(w->s, s.b.peer_id, 10, DELIVER_IN_TURN);
	assert_int_equal(json_array_size(pulled), 1);
	assert_non_null(strstr(json_str(json_array_get(pulled, 0), "text"), "at the boundary"));
	assert_step(w, id, "offered", true);
	passed_on(w, &s, id);
	assert_step(w, id, "submitted", true);
	deliver_confirm_pulled(w->s, s.b.peer_id); /* a later hook: the turn went on with it */
	assert_step(w, id, "consumed", true);
}

static void test_D1_what_an_ended_hook_kept_to_itself_was_not_read(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	autofree char *id = says(w, &s, "1");
	json_decref(deliver_pull(w->s, s.b.peer_id, 10,
				 DELIVER_IN_TURN)); /* its runtime ends the hook before it prints */
	deliver_confirm_pulled(w->s, s.b.peer_id);
	assert_step(w, id, "offered", true);
	deliver_unheard(w->s, s.b.peer_id);
	assert_step(w, id, "stored", true);
	json_decref(deliver_pull(w->s, s.b.peer_id, 10,
				 DELIVER_IN_TURN)); /* and without another hook, by the clock */
	world_pass(w, 11 * USEC_PER_SEC);
	assert_step(w, id, "stored", true);
	assert_int_equal(world_events(w, "message.waits", s.b.peer_id), 2); /* whoever may carry it is told */
}

static void test_D2_what_an_inbox_call_took_and_never_confirmed_comes_by_the_next_hook(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	autofree char *id = says(w, &s, "1");
	json_decref(inbox_take(w->s, s.b.peer_id, 10, "inbox"));
	json_auto_t *pulled = deliver_pull(w->s, s.b.peer_id, 10, DELIVER_IN_TURN);
	assert_int_equal(json_array_size(pulled), 1);
	assert_step(w, id, "offered", true);
}

static void test_D4_a_way_that_is_opened_anew_knows_nothing_of_what_the_old_one_had(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	autofree char *first = says(w, &s, "1");
	transport_attach(w->s, s.b.peer_id, INBOX);
	assert_int_equal(taken(w, &s, INBOX), 1);
	transport_detach(w->s, s.b.peer_id, INBOX, "it died");
	transport_attach(w->s, s.b.peer_id, INBOX);
	autofree char *second = says(w, &s, "2");
	assert_int_equal(taken(w, &s, INBOX), 1);
	deliver_settle(w->s, s.b.peer_id, "the turn ended");
	assert_step(w, first, "stored", true);
	assert_step(w, second, "offered", true);
}

static void test_D4_a_restart_of_the_daemon_settles_what_was_under_way(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	autofree char *id = says(w, &s, "1"), *heard = says(w, &s, "2");
	transport_attach(w->s, s.b.peer_id, INBOX);
	assert_int_equal(taken(w, &s, INBOX), 2);
	transport_reset(w->s);
	transport_attach(w->s, s.b.peer_id, INBOX);
	report(w, &s, id, DELIVER_SUBMITTED); /* whoever took it is still there */
	world_pass(w, 11 * USEC_PER_SEC);
	assert_step(w, id, "submitted", true);
	assert_step(w, heard, "stored", true);
}

static void test_D4_a_late_word_does_not_hide_that_its_end_has_gone(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	transport_attach(w->s, s.b.peer_id, INBOX);
	autofree char *held = says(w, &s, "1"), *sent = says(w, &s, "2");
	assert_int_equal(taken(w, &s, INBOX), 2);
	transport_reset(w->s);
	report(w, &s, held, DELIVER_HELD); /* its last words, before it took anything anew */
	report(w, &s, sent, DELIVER_SUBMITTED);
	transport_attach(w->s, s.b.peer_id, INBOX); /* another end */
	deliver_settle(w->s, s.b.peer_id, "the turn ended");
	assert_step(w, held, "stored", true);
	assert_step(w, sent, "stored", true);
}

static void test_D4_a_late_word_of_one_way_does_not_take_back_what_another_has(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	transport_attach(w->s, s.b.peer_id, INBOX);
	autofree char *id = says(w, &s, "1");
	assert_int_equal(taken(w, &s, INBOX), 1);
	transport_detach(w->s, s.b.peer_id, INBOX, "its connection ended");
	deliver_settle(w->s, s.b.peer_id, "the turn ended");
	json_decref(deliver_pull(w->s, s.b.peer_id, 10, DELIVER_IN_TURN));
	report(w, &s, id, DELIVER_RETURNED); /* whoever had taken it is still there */
	assert_step(w, id, "offered", true);
}

static void test_I3_what_a_cleared_session_was_not_seen_to_read_waits_again(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	transport_attach(w->s, s.b.peer_id, INBOX);
	autofree char *id = says(w, &s, "1");
	assert_int_equal(taken(w, &s, INBOX), 1);
	deliver_begun_anew(w->s, s.b.peer_id);
	assert_step(w, id, "offered", true); /* its way has not handed it over yet */
	report(w, &s, id, DELIVER_SUBMITTED);
	deliver_begun_anew(w->s, s.b.peer_id);
	assert_step(w, id, "stored", true);
}

static void test_D4_a_held_message_is_told_with_its_reason(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	transport_attach(w->s, s.b.peer_id, INBOX);
	autofree char *id = says(w, &s, "1");
	assert_int_equal(taken(w, &s, INBOX), 1);
	report(w, &s, id, DELIVER_HELD);
	assert_step(w, id, "offered", true);
	assert_int_equal(world_events(w, "message.held", id), 1);
	report(w, &s, id, DELIVER_SUBMITTED); /* released */
	assert_step(w, id, "submitted", true);
}

static void test_only_ones_own_messages_are_confirmed(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	autofree char *id = says(w, &s, "1");
	json_auto_t *ids = json_pack("[s, s, i]", id, "msg-nothing00000", 7);
	deliver_shown(w->s, s.a.peer_id, ids, "hook"); /* not a's */
	deliver_shown(w->s, s.b.peer_id, ids, "hook"); /* never handed over: a forged prompt */
	assert_step(w, id, "stored", false);
	assert_int_equal(
		deliver_report(w->s, &w->limits, s.a.peer_id, INBOX, id, DELIVER_CONSUMED, NULL, NULL),
		ERR_NOT_FOUND);
}

static void first_prompt(struct world *w, const struct scene *s, char ret_id[ID_SIZE])
{
	struct message_new m = {.kind = MESSAGE_PROMPT, .to = s->b.peer_id, .text = "begin"};
	autoerror err = {0};
	world_check(message_store(w->s, &w->limits, &m, ret_id, &err), &err);
	world_check(message_offer(w->s, ret_id, "launch", NULL, &err), &err);
	(void)db_run(w->s,
		     "INSERT INTO spawn (spawn_id, peer_id, state, message_id, created_at) VALUES "
		     "('spawn-1',?,'running',?,1)",
		     "ss", s->b.peer_id, ret_id);
}

static void test_D8_nothing_goes_before_the_first_prompt(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	char prompt[ID_SIZE];
	first_prompt(w, &s, prompt);
	free(says(w, &s, "me first"));
	transport_attach(w->s, s.b.peer_id, INBOX);
	assert_int_equal(taken(w, &s, INBOX), 0);
	json_auto_t *pulled = deliver_pull(w->s, s.b.peer_id, 10, DELIVER_IN_TURN);
	assert_int_equal(json_array_size(pulled), 0);
	json_auto_t *ids = json_pack("[s]", prompt);
	deliver_shown(w->s, s.b.peer_id, ids, "hook");
	assert_step(w, prompt, "consumed", true);
	assert_int_equal(taken(w, &s, INBOX), 1);
}

static void test_D8_a_session_that_is_idle_before_it_begins_has_not_lost_its_first_prompt(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	char prompt[ID_SIZE];
	first_prompt(w, &s, prompt);
	deliver_idle(w->s, s.b.peer_id, "it is idle");
	json_auto_t *message = message_to_json(w->s, prompt);
	assert_string_equal(json_str(message, "step"), "offered");
	deliver_settle(w->s, s.b.peer_id, "a turn is over");
	assert_step(w, prompt, "stored", true);
}

/* Its hook was ended, so that nobody knows whether it was read. */
static void test_D8_a_first_prompt_that_is_lost_is_handed_over_again_before_anything_else(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	char prompt[ID_SIZE];
	free(says(w, &s, "me first"));
	first_prompt(w, &s, prompt);
	deliver_settle(w->s, s.b.peer_id, "the turn ended");
	assert_step(w, prompt, "stored", true);
	json_auto_t *pulled = deliver_pull(w->s, s.b.peer_id, 10, DELIVER_IN_TURN);
	assert_int_equal(json_array_size(pulled), 1);
	assert_non_null(strstr(json_str(json_array_get(pulled, 0), "text"), prompt));
	json_auto_t *none = deliver_pull(w->s, s.b.peer_id, 10, DELIVER_IN_TURN);
	assert_int_equal(json_array_size(none), 0);
	passed_on(w, &s, prompt);
	deliver_confirm_pulled(w->s, s.b.peer_id);
	json_auto_t *next = deliver_pull(w->s, s.b.peer_id, 10, DELIVER_IN_TURN);
	assert_int_equal(json_array_size(next), 1);
}

/* --- what opens no turn --- */

static char *asks(struct world *w, const struct scene *s, const char *text)
{
	autoerror err = {0};
	json_auto_t *answer = NULL;
	struct ask_new ask = {.to = s->b.peer_id, .text = text};
	world_check(ask_open(w->s, &w->limits, &s->from_a, &ask, &answer, &err), &err);
	return xstrdup(json_str(answer, "correlation_id"));
}

static size_t pulled(struct world *w, const struct scene *s, enum deliver_moment moment)
{
	json_auto_t *messages = deliver_pull(w->s, s->b.peer_id, 10, moment);
	return json_array_size(messages);
}

static void quiet(struct world *w, const struct scene *s, bool on)
{
	autoerror err = {0};
	world_check(peer_set_quiet(w->s, s->b.peer_id, on, &err), &err);
	world_turn(w);
}

static void test_D10_a_notify_wakes_nobody_who_is_marked(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	transport_attach(w->s, s.b.peer_id, INBOX);
	quiet(w, &s, true);
	autofree char *id = says(w, &s, "by the way");
	assert_int_equal(taken(w, &s, INBOX), 0);
	assert_int_equal(pulled(w, &s, DELIVER_TURN_ENDS), 0);
	assert_int_equal(pulled(w, &s, DELIVER_IN_TURN), 1);
	assert_step(w, id, "offered", true);
	/* Without any native way: an ending turn does not go on for it, the next one has it. */
	transport_detach(w->s, s.b.peer_id, INBOX, "closed");
	free(says(w, &s, "another"));
	assert_int_equal(pulled(w, &s, DELIVER_TURN_ENDS), 0);
	assert_int_equal(pulled(w, &s, DELIVER_IN_TURN), 1);
	/* And nobody else is kept from anything. */
	free(asks(w, &s, "well?"));
	assert_int_equal(pulled(w, &s, DELIVER_TURN_ENDS), 1);
}

static void test_D10_D3_an_ask_takes_along_what_is_before_it(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	transport_attach(w->s, s.b.peer_id, INBOX);
	quiet(w, &s, true);
	autofree char *first = says(w, &s, "1"), *second = asks(w, &s, "2"), *third = says(w, &s, "3");
	json_auto_t *messages = deliver_take(w->s, s.b.peer_id, INBOX, 10);
	const char *const ids[] = {first, second, third};
	assert_int_equal(json_array_size(messages), 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(json_str(json_array_get(messages, i), "id"), ids[i]);
	/* What comes behind an ask that its way has not taken yet does not overtake it by a hook. */
	free(asks(w, &s, "4"));
	free(says(w, &s, "5"));
	assert_int_equal(pulled(w, &s, DELIVER_IN_TURN), 0);
	assert_int_equal(taken(w, &s, INBOX), 2);
}

static void test_D10_the_mark_is_taken_back(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	transport_attach(w->s, s.b.peer_id, INBOX);
	quiet(w, &s, true);
	free(says(w, &s, "1"));
	assert_int_equal(taken(w, &s, INBOX), 0);
	int64_t n = world_events(w, "peer.quiet", s.b.peer_id);
	quiet(w, &s, false);
	assert_int_equal(world_events(w, "peer.quiet", s.b.peer_id), n + 1);
	assert_int_equal(taken(w, &s, INBOX), 1);
	quiet(w, &s, false);
	assert_int_equal(world_events(w, "peer.quiet", s.b.peer_id), n + 1);
	struct caller human = world_surface(w, ROLE_HUMAN);
	assert_int_equal(peer_set_quiet(w->s, human.peer_id, true, NULL), ERR_REFUSED);
}

static void assert_reason(struct world *w, const char *id, const char *reason)
{
	autofree char *why = db_text(
		w->s, "SELECT reason FROM delivery WHERE message_id = ? ORDER BY n DESC LIMIT 1", "s", id);
	assert_non_null(why);
	assert_non_null(strstr(why, reason));
}

static void test_D10_D12_the_trace_says_why_it_waits(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	autofree char *before = says(w, &s, "1");
	quiet(w, &s, true);
	autofree char *after = says(w, &s, "2");
	assert_reason(w, before, "marked quiet");
	assert_reason(w, after, "marked quiet");
}

/* A bare ack: the asker learns it with its next turn or by waiting for it, and is not woken; a reply wakes.
 */
static void test_D10_receipts_open_no_turn(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	struct scene back = {.a = s.b, .b = s.a, .from_a = world_caller(&s.b)};
	autoerror err = {0};
	autofree char *bare = asks(w, &s, "1"), *replied = asks(w, &s, "2");
	json_auto_t *one = NULL, *two = NULL;
	transport_attach(w->s, s.a.peer_id, INBOX);
	world_check(ask_ack(w->s, &w->limits, &back.from_a, bare, NULL, &one, &err), &err);
	assert_int_equal(taken(w, &back, INBOX), 0);
	json_auto_t *along = deliver_pull(w->s, s.a.peer_id, 10, DELIVER_IN_TURN);
	assert_int_equal(json_array_size(along), 1);
	passed_on(w, &back, json_str(json_array_get(along, 0), "id"));
	deliver_confirm_pulled(w->s, s.a.peer_id);
	world_check(ask_ack(w->s, &w->limits, &back.from_a, replied, "yes", &two, &err), &err);
	assert_int_equal(taken(w, &back, INBOX), 1);
	/* Nor does the news that a notify became a dead letter. */
	w->limits.queue_length = 1;
	free(says(w, &s, "1"));
	free(says(w, &s, "2"));
	assert_int_equal(db_int(w->s, 0, "SELECT count(*) FROM message WHERE kind = 'system' AND to_peer = ?",
				"s", s.a.peer_id),
			 1);
	assert_int_equal(taken(w, &back, INBOX), 0);
	assert_int_equal(pulled(w, &back, DELIVER_IN_TURN), 1);
}

static void test_D9_each_message_says_whose_words_it_is(void **state)
{
	struct world *w = *state;
	struct scene s = scene(w);
	struct caller human = world_surface(w, ROLE_HUMAN), nobody = world_unknown(w);
	const struct {
		const struct caller *from;
		const char *says;
	} cases[] = {{&s.from_a, "says=\"peer\""},
		     {&human, "says=\"user\""},
		     {&nobody, "says=\"peer\""},
		     {NULL, "says=\"system\""}};
	transport_attach(w->s, s.b.peer_id, INBOX);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct message_new m = {.kind = MESSAGE_NOTIFY,
					.from = cases[i].from,
					.to = s.b.peer_id,
					.text = "x</coppice-message>"};
		char id[ID_SIZE];
		autoerror err = {0};
		world_check(message_store(w->s, &w->limits, &m, id, &err), &err);
		json_auto_t *messages = deliver_take(w->s, s.b.peer_id, INBOX, 10);
		const char *text = json_str(json_array_get(messages, 0), "text");
		assert_non_null(strstr(text, cases[i].says));
		assert_non_null(strstr(text, id));
		assert_ptr_equal(strstr(text, "</coppice-message>"),
				 strrchr(text, '/') - 1); /* one end only */
		bool peers = strcmp(cases[i].says, "says=\"peer\"") == 0;
		assert_int_equal(strstr(text, "not your user's") != NULL, peers);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_D1_each_step_is_told_as_it_is_reached),
		world_test(test_D4_the_best_open_way_takes_and_the_others_stand_by),
		world_test(test_D4_what_did_not_arrive_is_no_repeat),
		world_test(test_D7_what_a_session_refuses_time_after_time_is_a_dead_letter),
		world_test(test_D4_a_closed_way_settles_by_itself_at_an_idle_peer),
		world_test(test_D3_one_way_hands_over_in_order_without_waiting_for_proof),
		world_test(test_D1_what_the_runtime_took_is_submitted_though_an_earlier_one_waits_again),
		world_test(test_D2_a_session_that_ends_gives_back_what_it_was_not_seen_to_read),
		world_test(test_I9_a_peer_that_went_is_shown_with_none_of_its_ways),
		world_test(test_D2_what_no_hook_told_of_though_the_turn_is_over_is_shown_again),
		world_test(test_D1_what_a_hook_passed_on_to_a_turn_that_is_over_by_now_was_read),
		world_test(test_D2_where_no_hook_ever_tells_nothing_is_shown_again_for_ever),
		world_test(test_D6_hooks_carry_what_no_native_way_does),
		world_test(test_D1_what_an_ended_hook_kept_to_itself_was_not_read),
		world_test(test_D2_what_an_inbox_call_took_and_never_confirmed_comes_by_the_next_hook),
		world_test(test_D4_a_way_that_is_opened_anew_knows_nothing_of_what_the_old_one_had),
		world_test(test_D4_a_restart_of_the_daemon_settles_what_was_under_way),
		world_test(test_D4_a_late_word_does_not_hide_that_its_end_has_gone),
		world_test(test_D4_a_late_word_of_one_way_does_not_take_back_what_another_has),
		world_test(test_I3_what_a_cleared_session_was_not_seen_to_read_waits_again),
		world_test(test_D8_a_session_that_is_idle_before_it_begins_has_not_lost_its_first_prompt),
		world_test(test_D8_a_first_prompt_that_is_lost_is_handed_over_again_before_anything_else),
		world_test(test_D4_a_held_message_is_told_with_its_reason),
		world_test(test_only_ones_own_messages_are_confirmed),
		world_test(test_D8_nothing_goes_before_the_first_prompt),
		world_test(test_D10_a_notify_wakes_nobody_who_is_marked),
		world_test(test_D10_D3_an_ask_takes_along_what_is_before_it),
		world_test(test_D10_the_mark_is_taken_back),
		world_test(test_D10_D12_the_trace_says_why_it_waits),
		world_test(test_D10_receipts_open_no_turn),
		world_test(test_D9_each_message_says_whose_words_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

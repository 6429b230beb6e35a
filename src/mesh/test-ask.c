/* Tests of asks: they end exactly once, the asker always learns how, and who may do what. */
#include "mesh/ask.h"
#include "mesh/inbox.h"
#include "mesh/message.h"
#include "mesh/queue.h"
#include "mesh/testing.h"

struct pair {
	struct peer_ref a, b;
	struct caller from_a, from_b;
};

static struct pair pair(struct world *w)
{
	struct pair p = {.a = world_agent(w, "a", NULL, NULL), .b = world_agent(w, "b", NULL, NULL)};
	p.from_a = world_caller(&p.a);
	p.from_b = world_caller(&p.b);
	return p;
}

static int try_ask(struct world *w, const struct caller *from, const struct peer_ref *to, const char *text,
		   const char *reply_to, usec_t expires_in, char ret_id[ID_SIZE])
{
	json_auto_t *json = NULL;
	struct ask_new ask = {
		.to = to->peer_id, .text = text, .reply_to = reply_to, .expires_in = expires_in};
	int r = ask_open(w->s, &w->limits, from, &ask, &json, NULL);
	if (r)
		return r;
	assert_string_equal(json_str(json, "to"), to->peer_id);
	assert_string_equal(json_str(json, "step"), "stored");
	assert_int_equal(json_object_size(json), 3);
	(void)snprintf(ret_id, ID_SIZE, "%s", json_str(json, "correlation_id"));
	return 0;
}

static void ask(struct world *w, const struct caller *from, const struct peer_ref *to, char ret_id[ID_SIZE])
{
	assert_int_equal(try_ask(w, from, to, "may I?", NULL, 0, ret_id), 0);
}

static int ack(struct world *w, const struct caller *by, const char *id, const char *text)
{
	json_auto_t *json = NULL;
	return ask_ack(w->s, &w->limits, by, id, text, &json, NULL);
}

static void outcome_is(struct world *w, const char *id, const char *outcome)
{
	json_auto_t *json = ask_to_json(w->s, id);
	const char *got = json_str(json, "outcome");
	assert_string_equal(got ? got : "open", outcome);
}

/* The replies stored for a peer about an ask. */
static int64_t replies(struct world *w, const struct peer_ref *peer, const char *id)
{
	return db_int(w->s, 0,
		      "SELECT count(*) FROM message WHERE to_peer = ? AND kind = 'reply' AND about = ?", "ss",
		      peer->peer_id, id);
}

/* What the asker reads about the ask, from its inbox. */
static char *reply_text(struct world *w, const struct peer_ref *peer, const char *id, const char *outcome)
{
	json_auto_t *inbox = inbox_take(w->s, peer->peer_id, 50, "inbox");
	size_t i;
	json_t *message;
	json_array_foreach(json_object_get(inbox, "messages"), i, message)
	{
		const char *about = json_str(message, "about");
		if (strcmp(json_str(message, "kind"), "reply") != 0 || !about || strcmp(about, id) != 0)
			continue;
		assert_string_equal(json_str(message, "outcome"), outcome);
		return xstrdup(json_str(message, "text"));
	}
	fail_msg("no reply about %s", id);
	return NULL;
}

static void test_A1_asks_survive_a_restart(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	char open[ID_SIZE], acked[ID_SIZE], lost[ID_SIZE];
	ask(w, &p.from_a, &p.b, open);
	assert_true(id_is(open, "ask"));
	ask(w, &p.from_a, &p.b, acked);
	assert_int_equal(ack(w, &p.from_b, acked, "yes"), 0);
	world_turn(w);
	ask(w, &p.from_a, &p.b, lost); /* its turn never commits, so nobody was given the id */
	world_restart(w, NULL);
	outcome_is(w, open, "open");
	outcome_is(w, acked, "replied");
	assert_null(ask_to_json(w->s, lost));
	/* The wait goes on, and the reply that nobody read is still there. */
	bool ended = true;
	json_auto_t *waiting = NULL, *done = NULL;
	assert_int_equal(ask_wait_check(w->s, &p.from_a, open, &ended, &waiting, NULL), 0);
	assert_false(ended);
	assert_int_equal(ask_wait_check(w->s, &p.from_a, acked, &ended, &done, NULL), 0);
	assert_true(ended);
	assert_string_equal(json_str(done, "reply"), "yes");
	assert_int_equal(ack(w, &p.from_b, open, NULL), 0);
	outcome_is(w, open, "acked");
}

/* Ends the ask in the given way; returns 0, false (as 0 or 1 by `ret_done`) or an error. */
static int end_by(struct world *w, struct pair *p, const char *id, enum ask_end how, bool *ret_done)
{
	json_auto_t *json = NULL;
	char follow[ID_SIZE];
	*ret_done = true;
	switch (how) {
	case ASK_ACK:
		return ask_ack(w->s, &w->limits, &p->from_b, id, NULL, &json, NULL);
	case ASK_REPLY:
		return ask_ack(w->s, &w->limits, &p->from_b, id, "the reply", &json, NULL);
	case ASK_ANSWER:
		return ask_answer(w->s, &w->limits, &p->from_b, id, "the answer", &json, NULL);
	case ASK_FOLLOW_UP:
		return try_ask(w, &p->from_b, &p->a, "the follow-up", id, 0, follow);
	case ASK_DECLINE:
		return ask_decline(w->s, &w->limits, &p->from_b, id, "the refusal", &json, NULL);
	case ASK_EXPIRE:
		*ret_done = ask_expire(w->s, &w->limits, id);
		return 0;
	case ASK_UNDELIVERABLE:
		*ret_done = ask_undeliverable(w->s, &w->limits, id, "killed");
		return 0;
	case ASK_END_MAX_:
		break;
	}
	fail();
	return 0;
}

static const struct {
	const char *outcome;
	const char *told; /* the reply's text; NULL: told by the follow-up itself */
} endings[ASK_END_MAX_] = {
	[ASK_ACK] = {"acked", "acked"},
	[ASK_REPLY] = {"replied", "the reply"},
	[ASK_ANSWER] = {"replied", "the answer"},
	[ASK_FOLLOW_UP] = {"replied", NULL},
	[ASK_DECLINE] = {"declined", "declined: the refusal"},
	[ASK_EXPIRE] = {"expired", "expired: there was no answer in time"},
	[ASK_UNDELIVERABLE] = {"undeliverable", "undeliverable: killed"},
};

/* What comes second hears how the first one ended it, and changes nothing. */
static void race(struct world *w, struct pair *p, enum ask_end first, enum ask_end second, bool one_turn)
{
	char id[ID_SIZE];
	bool done;
	ask(w, &p->from_a, &p->b, id);
	assert_int_equal(end_by(w, p, id, first, &done), 0);
	assert_true(done);
	if (!one_turn)
		world_turn(w);
	int r = end_by(w, p, id, second, &done);
	if (second == ASK_ACK)
		assert_int_equal(r, 0);
	else if (second == ASK_EXPIRE || second == ASK_UNDELIVERABLE)
		assert_false(done);
	else
		assert_int_equal(r, ERR_CONFLICT);
	world_turn(w);
	outcome_is(w, id, endings[first].outcome);
	assert_int_equal(world_events(w, "ask.closed", id), 1);
	assert_int_equal(replies(w, &p->a, id), endings[first].told ? 1 : 0);
	if (endings[first].told) {
		autofree char *text = reply_text(w, &p->a, id, endings[first].outcome);
		assert_string_equal(text, endings[first].told);
	} else {
		assert_int_equal(db_int(w->s, 0,
					"SELECT count(*) FROM message WHERE to_peer = ? AND kind = 'ask' AND "
					"about = ?",
					"ss", p->a.peer_id, id),
				 1);
	}
	/* Read, so that the queues stay short for the next pair. */
	(void)db_run(w->s, "UPDATE message SET step = 'consumed' WHERE step <> 'consumed'", "");
}

static void test_A2_every_pair_of_endings(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	for (enum ask_end first = 0; first < ASK_END_MAX_; first++) {
		for (enum ask_end second = 0; second < ASK_END_MAX_; second++) {
			race(w, &p, first, second, true);
			race(w, &p, first, second, false);
		}
	}
}

static void test_A2_expiry_is_a_timer(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	char never[ID_SIZE], late[ID_SIZE], in_time[ID_SIZE];
	ask(w, &p.from_a, &p.b, never);
	assert_int_equal(try_ask(w, &p.from_a, &p.b, "?", NULL, USEC_PER_MIN, late), 0);
	assert_int_equal(try_ask(w, &p.from_a, &p.b, "?", NULL, USEC_PER_MIN, in_time), 0);
	world_pass(w, USEC_PER_MIN - 1);
	outcome_is(w, late, "open");
	assert_int_equal(ack(w, &p.from_b, in_time, NULL), 0);
	world_pass(w, 1);
	outcome_is(w, late, "expired");
	outcome_is(w, in_time, "acked");
	outcome_is(w, never, "open");
	assert_int_equal(replies(w, &p.a, late), 1);
	/* What has expired unread is not shown any more. */
	json_auto_t *inbox = inbox_peek(w->s, p.b.peer_id, 10);
	assert_int_equal(json_array_size(json_object_get(inbox, "messages")), 1);
}

static void test_A2_a_recipient_that_goes_ends_its_asks(void **state)
{
	struct world *w = *state;
	static const enum peer_cause causes[] = {CAUSE_SESSION_END, CAUSE_PROCESS_GONE, CAUSE_KILLED,
						 CAUSE_RETIRED, CAUSE_FINISHED};
	struct peer_ref a = world_agent(w, "a", NULL, NULL);
	struct caller from_a = world_caller(&a);
	for (size_t i = 0; i < ARRAY_SIZE(causes); i++) {
		struct peer_ref b = world_agent(w, "b", NULL, NULL);
		char read[ID_SIZE], unread[ID_SIZE];
		ask(w, &from_a, &b, read);
		json_auto_t *ids = json_pack("[s]", read);
		json_decref(inbox_take(w->s, b.peer_id, 10, "inbox"));
		assert_int_equal(inbox_confirm(w->s, b.peer_id, ids, "inbox", NULL), 0);
		ask(w, &from_a, &b, unread);
		assert_int_equal(peer_offline(w->s, b.peer_id, causes[i], NULL), 0);
		world_turn(w);
		outcome_is(w, read, "undeliverable");
		outcome_is(w, unread, "undeliverable");
		assert_int_equal(replies(w, &a, read), 1);
		assert_int_equal(replies(w, &a, unread), 1);
		json_auto_t *json = ask_to_json(w->s, read);
		assert_string_equal(json_str(json, "reason"), peer_cause_name(causes[i]));
		(void)db_run(w->s, "UPDATE message SET step = 'consumed'", "");
	}
}

static void test_A2_after_a_reboot_a_recipient_may_come_back(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	char kept[ID_SIZE], given_up[ID_SIZE];
	struct peer_ref c = world_agent(w, "c", NULL, NULL);
	ask(w, &p.from_a, &p.b, kept);
	ask(w, &p.from_a, &c, given_up);
	world_turn(w);
	world_restart(w, "boot-2");
	assert_int_equal(peer_reboot(w->s), 3);
	world_turn(w);
	outcome_is(w, kept, "open");
	assert_int_equal(peer_expect(w->s, p.b.peer_id, "spawn-9", NULL), 0);
	assert_int_equal(message_consume(w->s, kept, "hook", NULL, NULL), 0);
	assert_int_equal(message_consume(w->s, given_up, "hook", NULL, NULL), 0);
	world_pass(w, w->limits.queue_age);
	outcome_is(w, kept, "open");
	outcome_is(w, given_up, "undeliverable");
}

static void test_A4_what_may_be_said_to_which_ask(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	struct peer_ref c = world_agent(w, "c", NULL, NULL);
	struct caller human = world_surface(w, ROLE_HUMAN), service = world_surface(w, ROLE_SERVICE);
	struct caller from_c = world_caller(&c), unknown = world_unknown(w);
	char id[ID_SIZE], other[ID_SIZE];
	json_auto_t *json = NULL, *late = NULL;
	autoerror err = {0};
	ask(w, &p.from_a, &p.b, id);
	assert_int_equal(ack(w, &p.from_b, "ask-nothing", NULL), ERR_NOT_FOUND);
	assert_int_equal(ack(w, &from_c, id, NULL), ERR_FORBIDDEN);
	assert_int_equal(ack(w, &p.from_a, id, NULL), ERR_FORBIDDEN);
	assert_int_equal(ack(w, &service, id, NULL), ERR_FORBIDDEN);
	assert_int_equal(ack(w, &unknown, id, NULL), ERR_FORBIDDEN);
	outcome_is(w, id, "open");
	assert_int_equal(ask_ack(w->s, &w->limits, &p.from_b, id, NULL, &json, NULL), 0);
	assert_string_equal(json_str(json, "outcome"), "acked");
	/* Bare again is fine and says how it ended; anything with text is not. */
	assert_int_equal(ask_ack(w->s, &w->limits, &p.from_b, id, NULL, &late, NULL), 0);
	assert_string_equal(json_str(late, "outcome"), "acked");
	json_t *none = NULL;
	assert_int_equal(ask_ack(w->s, &w->limits, &p.from_b, id, "and more", &none, &err), ERR_CONFLICT);
	assert_non_null(err.hint);
	assert_int_equal(try_ask(w, &p.from_b, &p.a, "and?", id, 0, other), ERR_CONFLICT);
	assert_int_equal(replies(w, &p.a, id), 1);
	/* The human may close anybody's. */
	ask(w, &p.from_a, &p.b, other);
	assert_int_equal(ack(w, &human, other, "I decide"), 0);
	outcome_is(w, other, "replied");
	json_auto_t *inbox = inbox_take(w->s, p.a.peer_id, 10, "inbox");
	json_t *last = json_array_get(json_object_get(inbox, "messages"), 1);
	assert_string_equal(json_str(last, "from_kind"), "human");
}

static void test_A5_wait(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	struct peer_ref c = world_agent(w, "c", NULL, NULL);
	struct caller from_c = world_caller(&c);
	char id[ID_SIZE];
	bool ended = true;
	json_t *none = NULL;
	json_auto_t *open = NULL, *done = NULL, *again = NULL;
	ask(w, &p.from_a, &p.b, id);
	assert_int_equal(ask_wait_check(w->s, &p.from_b, id, &ended, &none, NULL), ERR_FORBIDDEN);
	assert_int_equal(ask_wait_check(w->s, &from_c, id, &ended, &none, NULL), ERR_FORBIDDEN);
	assert_int_equal(ask_wait_check(w->s, &p.from_a, "ask-nothing", &ended, &none, NULL), ERR_NOT_FOUND);
	world_turn(w);
	int64_t before = event_last_id(w->s);
	assert_int_equal(ask_wait_check(w->s, &p.from_a, id, &ended, &open, NULL), 0);
	assert_false(ended);
	assert_true(json_is_null(json_object_get(open, "outcome")));
	assert_int_equal(event_last_id(w->s), before); /* nothing is recorded */
	assert_int_equal(ack(w, &p.from_b, id, "yes"), 0);
	assert_int_equal(message_waiting(w->s, p.a.peer_id), 1);
	assert_int_equal(ask_wait_check(w->s, &p.from_a, id, &ended, &done, NULL), 0);
	assert_true(ended);
	assert_string_equal(json_str(done, "correlation_id"), id);
	assert_string_equal(json_str(done, "to"), p.b.peer_id);
	assert_string_equal(json_str(done, "outcome"), "replied");
	assert_string_equal(json_str(done, "reply"), "yes");
	assert_string_equal(json_str(done, "step"), "answered");
	/* Taken in place of the injected one. */
	json_auto_t *inbox = inbox_take(w->s, p.a.peer_id, 10, "inbox");
	assert_int_equal(json_array_size(json_object_get(inbox, "messages")), 0);
	autofree char *how =
		db_text(w->s,
			"SELECT d.transport FROM delivery d JOIN message m ON m.id = d.message_id"
			" WHERE m.about = ? AND d.step = 'consumed'",
			"s", id);
	assert_string_equal(how, "wait");
	assert_int_equal(ask_wait_check(w->s, &p.from_a, id, &ended, &again, NULL), 0);
	assert_true(json_equal(done, again));
}

static void test_an_unknown_asker_learns_by_waiting(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	struct caller unknown = world_unknown(w);
	char id[ID_SIZE];
	bool ended = false;
	json_auto_t *done = NULL;
	ask(w, &unknown, &p.b, id);
	assert_int_equal(ack(w, &p.from_b, id, "yes"), 0);
	assert_int_equal(ask_wait_check(w->s, &unknown, id, &ended, &done, NULL), 0);
	assert_true(ended);
	assert_string_equal(json_str(done, "reply"), "yes");
	json_t *none = NULL;
	assert_int_equal(ask_wait_check(w->s, &p.from_a, id, &ended, &none, NULL), ERR_FORBIDDEN);
}

static void test_R2_replies_follow_the_ask(void **state)
{
	struct world *w = *state;
	struct peer_ref a = world_agent(w, "feat/a", "one", NULL), b = world_agent(w, "feat/b", "two", NULL);
	struct peer_ref namesake = world_agent(w, "feat/a", "two", NULL), found;
	struct caller from_a = world_caller(&a), from_b = world_caller(&b), from_c = world_caller(&namesake);
	char id[ID_SIZE], second[ID_SIZE], back[ID_SIZE];
	ask(w, &from_a, &b, id);
	ask(w, &from_a, &b, second);
	w->limits.enforce_circles = true; /* by now b could not write to a on its own */
	assert_int_equal(ask_route(w->s, &w->limits, &from_b, a.peer_id, NULL, NULL, &found, NULL),
			 ERR_FORBIDDEN);
	static const char *const names[] = {"feat/a", "one:feat/a", NULL};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(ask_route(w->s, &w->limits, &from_b, names[i], NULL, id, &found, NULL), 0);
		assert_string_equal(found.peer_id, a.peer_id);
	}
	assert_int_equal(ask_route(w->s, &w->limits, &from_b, "two:feat/a", NULL, id, &found, NULL), 0);
	assert_string_equal(found.peer_id, namesake.peer_id);
	assert_int_equal(ask_route(w->s, &w->limits, &from_c, NULL, NULL, id, &found, NULL), ERR_INVALID);
	assert_int_equal(try_ask(w, &from_b, &a, "which one?", id, 0, back), 0);
	outcome_is(w, id, "replied");
	assert_int_equal(ack(w, &from_b, second, "yes"), 0);
	assert_int_equal(replies(w, &a, second), 1);
	assert_int_equal(ack(w, &from_a, back, "that one"), 0);
	assert_int_equal(replies(w, &b, back), 1);
}

static void test_follow_ups(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	struct peer_ref c = world_agent(w, "c", NULL, NULL);
	struct caller from_c = world_caller(&c);
	char id[ID_SIZE], own[ID_SIZE], passed_on[ID_SIZE], none[ID_SIZE];
	ask(w, &p.from_a, &p.b, id);
	assert_int_equal(try_ask(w, &from_c, &p.a, "?", id, 0, none), ERR_FORBIDDEN);
	assert_int_equal(try_ask(w, &from_c, &p.a, "?", "ask-nothing", 0, none), ERR_NOT_FOUND);
	/* The asker's own ask goes on. */
	assert_int_equal(try_ask(w, &p.from_a, &p.b, "hello?", id, 0, own), 0);
	outcome_is(w, id, "open");
	/* A follow-up to somebody else tells the asker apart. */
	assert_int_equal(try_ask(w, &p.from_b, &c, "do you know?", id, 0, passed_on), 0);
	outcome_is(w, id, "replied");
	assert_int_equal(replies(w, &p.a, id), 1);
}

static void test_R4_asks_that_are_not_stored(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	struct peer_ref service;
	char id[ID_SIZE];
	peer_surface(w->s, ROLE_SERVICE, &service);
	assert_int_equal(try_ask(w, &p.from_a, &service, "?", NULL, 0, id), ERR_REFUSED);
	assert_int_equal(try_ask(w, &p.from_a, &p.a, "?", NULL, 0, id), ERR_INVALID);
	assert_int_equal(try_ask(w, &p.from_a, &p.b, "", NULL, 0, id), ERR_INVALID);
	assert_int_equal(peer_offline(w->s, p.b.peer_id, CAUSE_RETIRED, NULL), 0);
	assert_int_equal(try_ask(w, &p.from_a, &p.b, "?", NULL, 0, id), ERR_REFUSED);
	assert_int_equal(ask_count_open(w->s), 0);
	assert_int_equal(message_waiting(w->s, NULL), 0);
}

static void test_open_asks_of_one_asker_are_capped(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	char id[ID_SIZE];
	w->limits.queue_length = ASK_OPEN_MAX + 10;
	for (int i = 0; i < ASK_OPEN_MAX; i++)
		ask(w, &p.from_a, &p.b, id);
	assert_int_equal(try_ask(w, &p.from_a, &p.b, "?", NULL, 0, id), ERR_TOO_LARGE);
	assert_int_equal(ack(w, &p.from_b, id, NULL), 0);
	ask(w, &p.from_a, &p.b, id);
}

static void test_listing(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	struct peer_ref c = world_agent(w, "c", NULL, NULL);
	struct caller from_c = world_caller(&c);
	char mine[ID_SIZE], for_me[ID_SIZE], others[ID_SIZE], closed[ID_SIZE];
	ask(w, &p.from_a, &p.b, mine);
	ask(w, &p.from_b, &p.a, for_me);
	ask(w, &from_c, &p.b, others);
	ask(w, &p.from_a, &p.b, closed);
	assert_int_equal(ack(w, &p.from_b, closed, NULL), 0);
	json_auto_t *all = ask_list(w->s, NULL), *of_a = ask_list(w->s, p.a.peer_id);
	json_auto_t *to_a = ask_list_to(w->s, p.a.peer_id);
	assert_int_equal(json_array_size(json_object_get(all, "asks")), 3);
	json_t *list = json_object_get(of_a, "asks");
	assert_int_equal(json_array_size(list), 2);
	json_t *first = json_array_get(list, 0);
	assert_string_equal(json_str(first, "correlation_id"), mine);
	assert_string_equal(json_str(first, "from"), p.a.peer_id);
	assert_string_equal(json_str(first, "to"), p.b.peer_id);
	assert_string_equal(json_str(first, "text"), "may I?");
	assert_string_equal(json_str(first, "state"), "open");
	assert_non_null(json_str(first, "opened_at"));
	list = json_object_get(to_a, "asks");
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(json_str(json_array_get(list, 0), "correlation_id"), for_me);
}

static void trace_ends_with(struct world *w, const char *id, const char *const *steps, size_t n)
{
	json_auto_t *trace = NULL;
	assert_int_equal(message_trace(w->s, id, &trace, NULL), 0);
	json_t *list = json_object_get(trace, "steps");
	size_t all = json_array_size(list);
	assert_true(all >= n);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(json_str(json_array_get(list, all - n + i), "step"), steps[i]);
}

static void test_D12_an_asks_trace_tells_its_end(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	struct caller human = world_surface(w, ROLE_HUMAN);
	char read[ID_SIZE], by_human[ID_SIZE], killed[ID_SIZE];
	ask(w, &p.from_a, &p.b, read);
	json_decref(inbox_take(w->s, p.b.peer_id, 1, "inbox"));
	assert_int_equal(ack(w, &p.from_b, read, NULL), 0); /* which proves that it was read */
	static const char *const acked[] = {"stored", "submitted", "consumed", "acked"};
	trace_ends_with(w, read, acked, ARRAY_SIZE(acked));
	ask(w, &p.from_a, &p.b, by_human);
	assert_int_equal(ack(w, &human, by_human, "yes"), 0); /* which does not */
	static const char *const answered[] = {"stored", "answered"};
	trace_ends_with(w, by_human, answered, ARRAY_SIZE(answered));
	ask(w, &p.from_a, &p.b, killed);
	assert_int_equal(peer_offline(w->s, p.b.peer_id, CAUSE_KILLED, NULL), 0);
	world_turn(w);
	static const char *const dead[] = {"stored", "dead"};
	trace_ends_with(w, killed, dead, ARRAY_SIZE(dead));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_A1_asks_survive_a_restart),
		world_test(test_A2_every_pair_of_endings),
		world_test(test_A2_expiry_is_a_timer),
		world_test(test_A2_a_recipient_that_goes_ends_its_asks),
		world_test(test_A2_after_a_reboot_a_recipient_may_come_back),
		world_test(test_A4_what_may_be_said_to_which_ask),
		world_test(test_A5_wait),
		world_test(test_an_unknown_asker_learns_by_waiting),
		world_test(test_R2_replies_follow_the_ask),
		world_test(test_follow_ups),
		world_test(test_R4_asks_that_are_not_stored),
		world_test(test_open_asks_of_one_asker_are_capped),
		world_test(test_listing),
		world_test(test_D12_an_asks_trace_tells_its_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

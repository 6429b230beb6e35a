/* Tests of the governor. */
#include "mesh/ask.h"
#include "mesh/governor.h"
#include "mesh/inbox.h"
#include "mesh/queue.h"
#include "mesh/testing.h"

struct trio {
	struct peer_ref a, b, lead;
	struct caller from_a, from_b, from_lead, human;
};

static struct trio trio(struct world *w)
{
	struct trio t = {.a = world_agent(w, "a", NULL, NULL),
			 .b = world_agent(w, "b", NULL, NULL),
			 .lead = world_agent(w, "lead", NULL, "orchestrator")};
	t.from_a = world_caller(&t.a);
	t.from_b = world_caller(&t.b);
	t.from_lead = world_caller(&t.lead);
	t.human = world_surface(w, ROLE_HUMAN);
	return t;
}

struct sent {
	char id[ID_SIZE];
	char held[24]; /* "" when it is not */
};

static struct sent sent_of(json_t *answer, const char *key)
{
	struct sent sent = {0};
	(void)snprintf(sent.id, sizeof(sent.id), "%s", json_str(answer, key));
	assert_string_equal(json_str(answer, "step"), "stored");
	if (json_str(answer, "held")) {
		(void)snprintf(sent.held, sizeof(sent.held), "%s", json_str(answer, "held"));
		assert_non_null(json_str(answer, "reason"));
	}
	json_decref(answer);
	return sent;
}

static struct sent notify(struct world *w, const struct caller *from, const struct peer_ref *to)
{
	json_t *answer = NULL;
	autoerror err = {0};
	world_check(message_notify(w->s, &w->limits, from, to->peer_id, "x", &answer, &err), &err);
	return sent_of(answer, "message_id");
}

static struct sent ask(struct world *w, const struct caller *from, const struct peer_ref *to,
		       const char *reply_to)
{
	json_t *answer = NULL;
	autoerror err = {0};
	struct ask_new new = {.to = to->peer_id, .text = "?", .reply_to = reply_to};
	world_check(ask_open(w->s, &w->limits, from, &new, &answer, &err), &err);
	return sent_of(answer, "correlation_id");
}

/* Reads all that waits; returns how many messages of kind `kind` (NULL: any) there were. */
static int read_all(struct world *w, const struct peer_ref *peer, const char *kind)
{
	json_auto_t *box = inbox_take(w->s, peer->peer_id, INBOX_TAKE_MAX, "inbox");
	json_auto_t *ids = json_array();
	int n = 0;
	size_t i;
	const json_t *m;
	autoerror err = {0};
	json_array_foreach(json_object_get(box, "messages"), i, m)
	{
		json_array_append(ids, json_object_get(m, "id"));
		n += !kind || strcmp(json_str(m, "kind"), kind) == 0;
	}
	world_check(inbox_confirm(w->s, peer->peer_id, ids, "inbox", &err), &err);
	world_turn(w);
	return n;
}

static int64_t hops_of(struct world *w, const char *id)
{
	return db_int(w->s, -1, "SELECT hops FROM message WHERE id = ?", "s", id);
}

/* The notices about what is held that the peer has got so far. */
static int64_t told(struct world *w, const char *peer_id)
{
	return db_int(
		w->s, 0,
		"SELECT count(*) FROM message WHERE to_peer = ? AND kind = 'system' AND text LIKE '%held:%'",
		"s", peer_id);
}

static struct sent ping_pong(struct world *w, const struct trio *t, int *ret_n)
{
	struct sent last = {0};
	for (*ret_n = 0; *ret_n < 100; ++*ret_n) {
		bool first = *ret_n % 2 == 0;
		last = notify(w, first ? &t->from_a : &t->from_b, first ? &t->b : &t->a);
		if (last.held[0])
			break;
		w->now += USEC_PER_MIN;
		world_turn(w);
		assert_int_equal(read_all(w, first ? &t->b : &t->a, "notify"), 1);
	}
	return last;
}

static void test_D11_two_that_set_each_other_off_are_stopped(void **state)
{
	struct world *w = *state;
	struct trio t = trio(w);
	int n = 0;
	w->limits.hops = 8;
	struct sent held = ping_pong(w, &t, &n);
	assert_int_equal(n, 8);
	assert_string_equal(held.held, "hops");
	assert_int_equal(hops_of(w, held.id), 9);
	assert_int_equal(world_events(w, "governor.held", held.id), 1);
	/* Its recipient has nothing to read but that it is held; the sender has been told in its answer. */
	assert_int_equal(told(w, t.a.peer_id), 0);
	assert_int_equal(told(w, t.b.peer_id), 1);
	assert_int_equal(told(w, t.lead.peer_id), 1);
	assert_int_equal(told(w, t.human.peer_id), 0);
}

static void test_D11_recipient_and_orchestrator_are_told_once(void **state)
{
	struct world *w = *state;
	struct trio t = trio(w);
	int n = 0;
	w->limits.hops = 2;
	(void)ping_pong(w, &t, &n); /* a and b, then a is held */
	for (int i = 0; i < 5; i++)
		assert_string_equal(notify(w, &t.from_a, &t.b).held, "hops");
	assert_int_equal(told(w, t.b.peer_id), 1);
	assert_int_equal(told(w, t.lead.peer_id), 1);
	/* A notice opens no thread of its own, that would begin at 0. */
	(void)read_all(w, &t.b, NULL);
	assert_string_equal(notify(w, &t.from_b, &t.a).held, "hops");
	world_turn(w);
}

static void test_D11_without_an_orchestrator_the_human_is_told(void **state)
{
	struct world *w = *state;
	struct trio t = trio(w);
	autoerror err = {0};
	int n = 0;
	world_check(peer_assign(w->s, t.lead.peer_id, NULL, "elsewhere", &err), &err);
	w->limits.hops = 2;
	(void)ping_pong(w, &t, &n);
	assert_int_equal(told(w, t.lead.peer_id), 0);
	assert_int_equal(told(w, t.human.peer_id), 1);
	/* Whom anybody may tell anything. */
	struct peer_ref human;
	assert_true(peer_find(w->s, t.human.peer_id, &human));
	assert_string_equal(notify(w, &t.from_a, &human).held, "");
}

static void test_D11_who_lets_it_go_and_it_goes_on_from_nought(void **state)
{
	struct world *w = *state;
	struct trio t = trio(w);
	autoerror err = {0};
	int n = 0;
	w->limits.hops = 3;
	struct sent held = ping_pong(w, &t, &n); /* from b to a */
	assert_int_equal(n, 3);
	assert_int_equal(dead_retry(w->s, &w->limits, &t.from_b, held.id, NULL), ERR_FORBIDDEN);
	assert_int_equal(dead_retry(w->s, &w->limits, &t.from_a, held.id, NULL), ERR_FORBIDDEN);
	assert_int_equal(dead_drop(w->s, &w->limits, &t.from_a, held.id, NULL), ERR_FORBIDDEN);
	world_turn(w);
	int64_t waits = world_events(w, "message.waits", t.a.peer_id);
	world_check(dead_retry(w->s, &w->limits, &t.from_lead, held.id, &err), &err);
	world_turn(w);
	assert_int_equal(world_events(w, "message.waits", t.a.peer_id), waits + 1);
	assert_int_equal(dead_retry(w->s, &w->limits, &t.from_lead, held.id, NULL), ERR_NOT_FOUND);
	assert_int_equal(hops_of(w, held.id), 0);
	assert_int_equal(read_all(w, &t.a, "notify"), 1);
	held = ping_pong(w, &t, &n);
	assert_int_equal(n, 3);
	assert_string_equal(held.held, "hops");
	assert_int_equal(told(w, t.lead.peer_id), 2); /* anew, for it has to decide again */
	world_check(dead_retry(w->s, &w->limits, &t.human, held.id, &err), &err);
}

static void test_D11_a_person_and_what_no_message_caused_start_at_nought(void **state)
{
	struct world *w = *state;
	struct trio t = trio(w);
	autoerror err = {0};
	int n = 0;
	w->limits.hops = 2;
	(void)ping_pong(w, &t, &n); /* a's last one is held */
	assert_string_equal(notify(w, &t.human, &t.a).held, "");
	(void)read_all(w, &t.a, NULL);
	struct sent next = notify(w, &t.from_a, &t.lead);
	assert_string_equal(next.held, "");
	assert_int_equal(hops_of(w, next.id), 1);
	/* Where turns are seen, their end is the end of what was read in them. */
	peer_set_hooked(w->s, t.b.peer_id);
	(void)read_all(w, &t.b, NULL);
	world_check(peer_set_turn_state(w->s, t.b.peer_id, TURN_WORKING, &err), &err);
	assert_string_equal(notify(w, &t.from_b, &t.lead).held, "hops");
	world_check(peer_set_turn_state(w->s, t.b.peer_id, TURN_IDLE, &err), &err);
	assert_string_equal(notify(w, &t.from_b, &t.lead).held, "");
}

/* In a turn the farthest counts, not what came last. */
static void test_D11_an_orchestrators_word_starts_at_nought_and_its_rate_holds(void **state)
{
	struct world *w = *state;
	struct trio t = trio(w);
	w->limits.hops = 2;
	w->limits.pair_per_minute = 3;
	for (int i = 0; i < 6; i++) {
		struct sent order = notify(w, &t.from_lead, &t.a);
		assert_string_equal(order.held, "");
		assert_int_equal(hops_of(w, order.id), 0);
		(void)read_all(w, &t.a, NULL);
		struct sent back = notify(w, &t.from_a, &t.lead);
		assert_int_equal(hops_of(w, back.id), 1);
		(void)read_all(w, &t.lead, NULL);
		w->now += USEC_PER_MIN;
	}
	struct sent last = {0};
	for (int64_t i = 0; i <= w->limits.pair_per_minute; i++)
		last = notify(w, &t.from_lead, &t.a);
	assert_string_equal(last.held, "pair_per_minute");
}

static void test_D11_hops_of_a_turn_are_those_of_the_farthest(void **state)
{
	struct world *w = *state;
	struct trio t = trio(w);
	autoerror err = {0};
	peer_set_hooked(w->s, t.b.peer_id);
	world_check(peer_set_turn_state(w->s, t.b.peer_id, TURN_WORKING, &err), &err);
	struct sent far = ask(w, &t.from_a, &t.b, NULL);
	(void)read_all(w, &t.b, NULL);
	(void)notify(w, &t.human, &t.b);
	(void)read_all(w, &t.b, NULL);
	struct sent back = notify(w, &t.from_b, &t.lead);
	assert_int_equal(hops_of(w, far.id), 1);
	assert_int_equal(hops_of(w, back.id), 2);
}

/* A2: the answer is one further, and goes always; what a wait takes is the asker's own business. */
static void test_D11_replies_go_always(void **state)
{
	struct world *w = *state;
	struct trio t = trio(w);
	autoerror err = {0};
	w->limits.hops = 1;
	struct sent asked = ask(w, &t.from_a, &t.b, NULL);
	(void)read_all(w, &t.b, NULL);
	json_auto_t *done = NULL, *state_now = NULL;
	bool ended = false;
	world_check(ask_ack(w->s, &w->limits, &t.from_b, asked.id, "yes", &done, &err), &err);
	autofree char *reply = db_text(w->s, "SELECT id FROM message WHERE kind = 'reply'", "");
	assert_int_equal(hops_of(w, reply), 2);
	world_check(ask_wait_check(w->s, &t.from_a, asked.id, &ended, &state_now, &err), &err);
	assert_true(ended);
	assert_string_equal(ask(w, &t.from_a, &t.b, NULL).held, "");
	/* The same reply, read as a message, has set it off. */
	asked = ask(w, &t.from_a, &t.b, NULL);
	json_decref(done);
	done = NULL;
	world_check(ask_ack(w->s, &w->limits, &t.from_b, asked.id, "yes", &done, &err), &err);
	(void)read_all(w, &t.a, NULL);
	assert_string_equal(ask(w, &t.from_a, &t.b, NULL).held, "hops");
}

/* A follow-up that is held still ends what it answers, and its asker has the words. */
static void test_D11_A2_a_held_follow_up_is_a_reply(void **state)
{
	struct world *w = *state;
	struct trio t = trio(w);
	w->limits.hops = 1;
	struct sent first = ask(w, &t.from_a, &t.b, NULL);
	(void)read_all(w, &t.b, NULL);
	struct sent back = ask(w, &t.from_b, &t.a, first.id);
	assert_string_equal(back.held, "hops");
	world_turn(w);
	json_auto_t *ended = ask_to_json(w->s, first.id), *held = ask_to_json(w->s, back.id);
	assert_string_equal(json_str(ended, "state"), "replied");
	assert_string_equal(json_str(held, "state"), "open");
	assert_int_equal(read_all(w, &t.a, "reply"), 1);
	/* Its recipient does not know of it, its asker and everybody else do. */
	json_auto_t *own = ask_list(w->s, t.a.peer_id), *theirs = ask_list(w->s, t.b.peer_id);
	json_auto_t *due = ask_list_to(w->s, t.a.peer_id);
	assert_int_equal(json_array_size(json_object_get(own, "asks")), 0);
	assert_int_equal(json_array_size(json_object_get(due, "asks")), 0);
	assert_int_equal(json_array_size(json_object_get(theirs, "asks")), 1);
}

static void test_D11_the_end_of_a_held_ask(void **state)
{
	struct world *w = *state;
	struct trio t = trio(w);
	autoerror err = {0};
	w->limits.hops = 1;
	(void)notify(w, &t.from_b, &t.a);
	(void)read_all(w, &t.a, NULL);
	struct sent dropped = ask(w, &t.from_a, &t.b, NULL), gone = ask(w, &t.from_a, &t.b, NULL);
	assert_string_equal(dropped.held, "hops");
	json_auto_t *waiting = NULL;
	bool over = true;
	world_check(ask_wait_check(w->s, &t.from_a, dropped.id, &over, &waiting, &err), &err);
	assert_false(over);
	assert_string_equal(json_str(waiting, "held"), "hops");
	world_check(dead_drop(w->s, &w->limits, &t.from_lead, dropped.id, &err), &err);
	world_turn(w);
	json_auto_t *end = ask_to_json(w->s, dropped.id);
	assert_string_equal(json_str(end, "state"), "undeliverable");
	assert_string_equal(json_str(end, "reason"), "dropped by lead");
	assert_int_equal(read_all(w, &t.a, "reply"), 1);
	(void)peer_offline(w->s, t.b.peer_id, CAUSE_KILLED, NULL);
	world_turn(w);
	json_auto_t *undelivered = ask_to_json(w->s, gone.id);
	assert_string_equal(json_str(undelivered, "state"), "undeliverable");
	assert_int_equal(db_int(w->s, -1, "SELECT count(*) FROM message WHERE held IS NOT NULL", ""), 0);
}

static void test_D11_what_is_over_a_pairs_rate_goes_by_itself_in_order(void **state)
{
	struct world *w = *state;
	struct trio t = trio(w);
	struct sent sent[7];
	w->limits.pair_per_minute = 3;
	for (int i = 0; i < 7; i++) {
		sent[i] = i == 5 ? ask(w, &t.from_a, &t.b, NULL) : notify(w, &t.from_a, &t.b);
		assert_string_equal(sent[i].held, i < 3 ? "" : "pair_per_minute");
		w->now += USEC_PER_SEC;
		world_turn(w);
	}
	assert_string_equal(notify(w, &t.from_a, &t.lead).held, ""); /* another pair */
	assert_string_equal(notify(w, &t.from_b, &t.a).held, "");    /* and another */
	assert_int_equal(told(w, t.b.peer_id), 1);
	assert_int_equal(told(w, t.lead.peer_id), 1);
	assert_int_equal(message_waiting(w->s, t.b.peer_id), 3 + 1);
	world_restart(w, NULL);
	/* The first three went at 0, 1 and 2 s. */
	w->now += 53 * USEC_PER_SEC;
	world_turn(w);
	for (int i = 3; i < 6; i++) {
		assert_true(governor_holds(w->s, sent[i].id));
		(void)timer_fire(w->s);
		world_turn(w);
		assert_false(governor_holds(w->s, sent[i].id));
		assert_true(governor_holds(w->s, sent[6].id));
		w->now += USEC_PER_SEC;
		world_turn(w);
	}
	/* New ones come behind. */
	struct sent last = notify(w, &t.from_a, &t.b);
	assert_string_equal(last.held, "pair_per_minute");
	world_pass(w, USEC_PER_MIN);
	assert_int_equal(db_int(w->s, -1, "SELECT count(*) FROM message WHERE held IS NOT NULL", ""), 0);
	autofree char *order =
		db_text(w->s,
			"SELECT group_concat(id, ' ') FROM (SELECT id FROM message WHERE to_peer ="
			" ? AND from_peer = ? ORDER BY seq)",
			"ss", t.b.peer_id, t.a.peer_id);
	autostrbuf wanted = STRBUF_INIT(1024);
	for (int i = 0; i < 7; i++)
		strbuf_addf(&wanted, "%s ", sent[i].id);
	strbuf_addstr(&wanted, last.id);
	assert_string_equal(order, strbuf_str(&wanted));
	assert_int_equal(told(w, t.lead.peer_id), 1);
}

static void test_D11_a_circles_budget(void **state)
{
	struct world *w = *state;
	struct trio t = trio(w);
	struct peer_ref other = world_agent(w, "c", "elsewhere", NULL);
	struct caller from_other = world_caller(&other);
	w->limits.circle_per_hour = 4;
	for (int i = 0; i < 4; i++)
		assert_string_equal(notify(w, &t.from_a, &t.b).held, "");
	assert_string_equal(notify(w, &t.from_b, &t.a).held, "circle_per_hour");
	assert_string_equal(notify(w, &t.from_a, &t.b).held, "circle_per_hour");
	assert_string_equal(notify(w, &from_other, &t.b).held, "");
	assert_int_equal(told(w, t.lead.peer_id), 1); /* once for the circle */
	assert_int_equal(told(w, t.a.peer_id), 1);
	assert_int_equal(told(w, t.b.peer_id), 1);
	world_pass(w, USEC_PER_HOUR - 1);
	assert_int_equal(db_int(w->s, -1, "SELECT count(*) FROM message WHERE held IS NOT NULL", ""), 2);
	world_pass(w, 2);
	assert_int_equal(db_int(w->s, -1, "SELECT count(*) FROM message WHERE held IS NOT NULL", ""), 0);
	w->limits.circle_per_hour = 0;
	for (int i = 0; i < 10; i++)
		assert_string_equal(notify(w, &t.from_a, &t.b).held, "");
}

static void test_D11_people_and_services_are_never_held(void **state)
{
	struct world *w = *state;
	struct trio t = trio(w);
	struct caller service = world_surface(w, ROLE_SERVICE);
	w->limits.hops = w->limits.pair_per_minute = w->limits.circle_per_hour = 1;
	for (int i = 0; i < 20; i++) {
		assert_string_equal(notify(w, &t.human, &t.b).held, "");
		assert_string_equal(ask(w, &service, &t.b, NULL).held, "");
	}
	assert_string_equal(notify(w, &t.from_a, &t.b).held, "");
	assert_string_equal(notify(w, &t.from_a, &t.b).held, "circle_per_hour");
}

static void test_D11_held_messages_are_bounded_and_nothing_is_lost(void **state)
{
	struct world *w = *state;
	struct trio t = trio(w);
	autoerror err = {0};
	json_auto_t *answer = NULL;
	w->limits.pair_per_minute = 1;
	w->limits.queue_length = 3;
	(void)notify(w, &t.from_a, &t.b);
	for (int i = 0; i < 3; i++)
		assert_string_equal(notify(w, &t.from_a, &t.b).held, "pair_per_minute");
	assert_int_equal(message_notify(w->s, &w->limits, &t.from_a, t.b.peer_id, "x", &answer, &err),
			 ERR_TOO_LARGE);
	/* Gone for good: they become dead letters like all that waits, and their sender is told. */
	(void)peer_offline(w->s, t.b.peer_id, CAUSE_KILLED, NULL);
	world_turn(w);
	assert_int_equal(db_int(w->s, -1, "SELECT count(*) FROM message WHERE held IS NOT NULL", ""), 0);
	assert_int_equal(
		db_int(w->s, -1,
		       "SELECT count(*) FROM message WHERE dead_reason = 'killed' AND kind = 'notify'", ""),
		4);
}

static void test_D11_D7_what_is_held_grows_old(void **state)
{
	struct world *w = *state;
	struct trio t = trio(w);
	w->limits.hops = 1;
	(void)notify(w, &t.from_b, &t.a);
	(void)read_all(w, &t.a, NULL);
	struct sent asked = ask(w, &t.from_a, &t.b, NULL), said = notify(w, &t.from_a, &t.b);
	assert_string_equal(said.held, "hops");
	world_pass(w, w->limits.queue_age - 1);
	assert_true(governor_holds(w->s, asked.id));
	world_pass(w, 1);
	assert_false(governor_holds(w->s, asked.id));
	json_auto_t *end = ask_to_json(w->s, asked.id);
	assert_string_equal(json_str(end, "state"), "undeliverable");
	autofree char *why = db_text(w->s, "SELECT dead_reason FROM message WHERE id = ?", "s", said.id);
	assert_string_equal(why, "expired while it was held");
	assert_int_equal(read_all(w, &t.a, "system"), 1);
}

static void test_D11_D12_the_list_and_the_trace_say_why(void **state)
{
	struct world *w = *state;
	struct trio t = trio(w);
	w->limits.pair_per_minute = 1;
	(void)notify(w, &t.from_a, &t.b);
	struct sent held = notify(w, &t.from_a, &t.b);
	json_auto_t *all = dead_list(w->s, NULL), *of_b = dead_list(w->s, t.b.peer_id), *trace = NULL;
	const json_t *one = json_array_get(json_object_get(all, "messages"), 0);
	assert_string_equal(json_str(one, "id"), held.id);
	assert_string_equal(json_str(one, "held"), "pair_per_minute");
	assert_string_equal(json_str(one, "reason"),
			    "a has sent b 1 messages within a minute, which is governor.pair_per_minute");
	assert_int_equal(json_array_size(json_object_get(of_b, "messages")), 0);
	autoerror err = {0};
	world_check(message_trace(w->s, held.id, &trace, &err), &err);
	const json_t *step = json_array_get(json_object_get(trace, "steps"), 1);
	assert_string_equal(json_str(step, "step"), "held");
	assert_string_equal(json_str(step, "reason"), json_str(one, "reason"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_D11_two_that_set_each_other_off_are_stopped),
		world_test(test_D11_recipient_and_orchestrator_are_told_once),
		world_test(test_D11_without_an_orchestrator_the_human_is_told),
		world_test(test_D11_who_lets_it_go_and_it_goes_on_from_nought),
		world_test(test_D11_a_person_and_what_no_message_caused_start_at_nought),
		world_test(test_D11_an_orchestrators_word_starts_at_nought_and_its_rate_holds),
		world_test(test_D11_hops_of_a_turn_are_those_of_the_farthest),
		world_test(test_D11_replies_go_always),
		world_test(test_D11_A2_a_held_follow_up_is_a_reply),
		world_test(test_D11_the_end_of_a_held_ask),
		world_test(test_D11_what_is_over_a_pairs_rate_goes_by_itself_in_order),
		world_test(test_D11_a_circles_budget),
		world_test(test_D11_people_and_services_are_never_held),
		world_test(test_D11_held_messages_are_bounded_and_nothing_is_lost),
		world_test(test_D11_D7_what_is_held_grows_old),
		world_test(test_D11_D12_the_list_and_the_trace_say_why),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

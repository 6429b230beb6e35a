/* Tests of queue limits and dead letters. */
#include "mesh/ask.h"
#include "mesh/inbox.h"
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

static int try_notify(struct world *w, const struct caller *from, const struct peer_ref *to,
		      char ret_id[ID_SIZE])
{
	json_auto_t *json = NULL;
	int r = message_notify(w->s, &w->limits, from, to->peer_id, "x", &json, NULL);
	if (!r)
		(void)snprintf(ret_id, ID_SIZE, "%s", json_str(json, "message_id"));
	return r;
}

static int try_ask(struct world *w, const struct caller *from, const struct peer_ref *to,
		   char ret_id[ID_SIZE])
{
	json_auto_t *json = NULL;
	struct ask_new ask = {.to = to->peer_id, .text = "?"};
	int r = ask_open(w->s, &w->limits, from, &ask, &json, NULL);
	if (!r)
		(void)snprintf(ret_id, ID_SIZE, "%s", json_str(json, "correlation_id"));
	return r;
}

/* The dead letters that concern `peer_id` (NULL: anybody), as "id=reason …", newest first. */
static char *dead(struct world *w, const char *peer_id)
{
	json_auto_t *list = dead_list(w->s, peer_id);
	autostrbuf text = STRBUF_INIT(4096);
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(list, "messages"), i, one)
	{
		strbuf_addf(&text, "%s%s=%s", i ? " " : "", json_str(one, "id"), json_str(one, "reason"));
		assert_non_null(json_str(one, "dead_at"));
	}
	return strbuf_detach(&text);
}

static void is_dead(struct world *w, const char *id, const char *reason)
{
	autofree char *why = db_text(w->s, "SELECT dead_reason FROM message WHERE id = ?", "s", id);
	if (!reason) {
		assert_null(why);
		return;
	}
	assert_non_null(why);
	assert_string_equal(why, reason);
}

/* How many notices about `id` the peer got. */
static int64_t told(struct world *w, const struct peer_ref *peer, const char *id)
{
	return db_int(w->s, 0,
		      "SELECT count(*) FROM message WHERE to_peer = ? AND kind = 'system' AND about = ?",
		      "ss", peer->peer_id, id);
}

static void test_D7_too_many_the_oldest_falls_out(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	char ids[5][ID_SIZE];
	w->limits.queue_length = 3;
	assert_int_equal(peer_offline(w->s, p.b.peer_id, CAUSE_SESSION_END, NULL), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(try_notify(w, &p.from_a, &p.b, ids[i]), 0);
	assert_int_equal(message_waiting(w->s, p.b.peer_id), 3);
	for (int i = 0; i < 5; i++) {
		is_dead(w, ids[i], i < 2 ? "queue_full" : NULL);
		assert_int_equal(told(w, &p.a, ids[i]), i < 2);
	}
	autofree char *list = dead(w, p.a.peer_id);
	autofree char *expected = xasprintf("%s=queue_full %s=queue_full", ids[1], ids[0]);
	assert_string_equal(list, expected);
	/* Somebody else's dead letters are not theirs. */
	struct peer_ref c = world_agent(w, "c", NULL, NULL);
	autofree char *none = dead(w, c.peer_id);
	assert_string_equal(none, "");
}

static void test_D7_asks_do_not_fall_out_for_others(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	char asked[3][ID_SIZE], id[ID_SIZE], fyi[ID_SIZE];
	w->limits.queue_length = 3;
	assert_int_equal(try_ask(w, &p.from_a, &p.b, asked[0]), 0);
	assert_int_equal(try_ask(w, &p.from_a, &p.b, asked[1]), 0);
	assert_int_equal(try_notify(w, &p.from_a, &p.b, fyi), 0);
	assert_int_equal(try_ask(w, &p.from_a, &p.b, asked[2]), 0);
	is_dead(w, fyi, "queue_full");
	/* Full of asks: the next is refused, and nothing of it is stored. */
	assert_int_equal(try_notify(w, &p.from_a, &p.b, id), ERR_TOO_LARGE);
	assert_int_equal(try_ask(w, &p.from_a, &p.b, id), ERR_TOO_LARGE);
	assert_int_equal(message_waiting(w->s, p.b.peer_id), 3);
	assert_int_equal(ask_count_open(w->s), 3);
}

static void test_D7_replies_and_notices_are_let_in_and_bounded(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	char id[ID_SIZE];
	w->limits.queue_length = 3;
	for (int i = 0; i < 20; i++) {
		json_auto_t *json = NULL;
		assert_int_equal(try_ask(w, &p.from_a, &p.b, id), 0);
		assert_int_equal(ask_ack(w->s, &w->limits, &p.from_b, id, "yes", &json, NULL), 0);
		assert_int_equal(try_notify(w, &p.from_a, &p.b, id), 0);
	}
	assert_int_equal(message_waiting(w->s, p.b.peer_id), 3);
	assert_true(message_waiting(w->s, p.a.peer_id) <= 2 * w->limits.queue_length);
}

static void test_D7_too_old(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	char old[ID_SIZE], asked[ID_SIZE], young[ID_SIZE];
	assert_int_equal(try_notify(w, &p.from_a, &p.b, old), 0);
	assert_int_equal(try_ask(w, &p.from_a, &p.b, asked), 0);
	world_pass(w, w->limits.queue_age / 2);
	assert_int_equal(try_notify(w, &p.from_a, &p.b, young), 0);
	world_pass(w, w->limits.queue_age / 2 - 1);
	is_dead(w, old, NULL);
	world_pass(w, 1);
	is_dead(w, old, "expired");
	is_dead(w, asked, "expired");
	is_dead(w, young, NULL);
	assert_int_equal(told(w, &p.a, old), 1);
	/* An ask's sender learns by the end of its ask, and only by that. */
	assert_int_equal(told(w, &p.a, asked), 0);
	json_auto_t *ask = ask_to_json(w->s, asked);
	assert_string_equal(json_str(ask, "outcome"), "undeliverable");
	assert_string_equal(json_str(ask, "reason"), "expired");
	world_pass(w, w->limits.queue_age / 2);
	is_dead(w, young, "expired");
	assert_int_equal(message_waiting(w->s, p.b.peer_id), 0);
}

static void test_D7_what_was_read_does_not_expire(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	char id[ID_SIZE];
	assert_int_equal(try_notify(w, &p.from_a, &p.b, id), 0);
	json_auto_t *ids = json_pack("[s]", id);
	json_decref(inbox_take(w->s, p.b.peer_id, 1, "inbox"));
	assert_int_equal(inbox_confirm(w->s, p.b.peer_id, ids, "inbox", NULL), 0);
	world_pass(w, 2 * w->limits.queue_age);
	is_dead(w, id, NULL);
	assert_int_equal(told(w, &p.a, id), 0);
}

static void test_D7_a_persons_mail_does_not_age(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	struct peer_ref human;
	char id[ID_SIZE];
	peer_surface(w->s, ROLE_HUMAN, &human);
	assert_int_equal(try_notify(w, &p.from_a, &human, id), 0);
	world_pass(w, 3 * w->limits.queue_age);
	is_dead(w, id, NULL);
}

static void test_D7_gone_for_good_or_for_now(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	struct peer_ref c = world_agent(w, "c", NULL, NULL);
	char to_b[ID_SIZE], to_c[ID_SIZE];
	assert_int_equal(try_notify(w, &p.from_a, &p.b, to_b), 0);
	assert_int_equal(try_notify(w, &p.from_a, &c, to_c), 0);
	assert_int_equal(peer_offline(w->s, p.b.peer_id, CAUSE_KILLED, NULL), 0);
	assert_int_equal(peer_offline(w->s, c.peer_id, CAUSE_PROCESS_GONE, NULL), 0);
	world_turn(w);
	is_dead(w, to_b, "killed");
	assert_int_equal(told(w, &p.a, to_b), 1);
	is_dead(w, to_c, NULL);
}

static void test_dead_letters_are_retried_or_dropped(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	struct caller human = world_surface(w, ROLE_HUMAN);
	char id[ID_SIZE], second[ID_SIZE], asked[ID_SIZE];
	assert_int_equal(try_notify(w, &p.from_a, &p.b, id), 0);
	assert_int_equal(try_notify(w, &p.from_a, &p.b, second), 0);
	assert_int_equal(try_ask(w, &p.from_a, &p.b, asked), 0);
	assert_int_equal(dead_retry(w->s, &w->limits, &p.from_a, id, NULL), ERR_NOT_FOUND);
	world_pass(w, w->limits.queue_age);
	assert_int_equal(dead_retry(w->s, &w->limits, &p.from_b, id, NULL), ERR_FORBIDDEN);
	assert_int_equal(dead_retry(w->s, &w->limits, &p.from_a, asked, NULL), ERR_CONFLICT);
	assert_int_equal(dead_retry(w->s, &w->limits, &p.from_a, id, NULL), 0);
	is_dead(w, id, NULL);
	json_auto_t *taken = inbox_peek(w->s, p.b.peer_id, 10);
	assert_int_equal(json_array_size(json_object_get(taken, "messages")), 1);
	/* Its age counts anew. */
	world_pass(w, w->limits.queue_age - 1);
	is_dead(w, id, NULL);
	world_pass(w, 1);
	is_dead(w, id, "expired");
	assert_int_equal(dead_drop(w->s, &w->limits, &human, second, NULL), 0);
	assert_int_equal(dead_drop(w->s, &w->limits, &p.from_b, second, NULL), ERR_NOT_FOUND);
	assert_int_equal(dead_drop(w->s, &w->limits, &p.from_b, id, NULL), 0);
	assert_int_equal(dead_drop(w->s, &w->limits, &p.from_a, asked, NULL), 0);
	autofree char *list = dead(w, NULL); /* of the notices, which nobody read either */
	assert_null(strstr(list, id));
	assert_null(strstr(list, second));
	assert_null(strstr(list, asked));
	json_auto_t *trace = NULL;
	assert_int_equal(message_trace(w->s, second, &trace, NULL), 0);
	json_t *steps = json_object_get(trace, "steps");
	assert_string_equal(json_str(json_array_get(steps, json_array_size(steps) - 1), "reason"), "dropped");
}

static void test_proof_of_consumption_outweighs_a_burial(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	char id[ID_SIZE];
	assert_int_equal(try_notify(w, &p.from_a, &p.b, id), 0);
	assert_int_equal(message_submit(w->s, id, "plugin", NULL, NULL), 0);
	world_pass(w, w->limits.queue_age);
	is_dead(w, id, "expired");
	assert_int_equal(message_offer(w->s, id, "plugin", NULL, NULL), ERR_CONFLICT);
	assert_int_equal(message_consume(w->s, id, "plugin", NULL, NULL), 0);
	is_dead(w, id, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_D7_too_many_the_oldest_falls_out),
		world_test(test_D7_asks_do_not_fall_out_for_others),
		world_test(test_D7_replies_and_notices_are_let_in_and_bounded),
		world_test(test_D7_too_old),
		world_test(test_D7_what_was_read_does_not_expire),
		world_test(test_D7_a_persons_mail_does_not_age),
		world_test(test_D7_gone_for_good_or_for_now),
		world_test(test_dead_letters_are_retried_or_dropped),
		world_test(test_proof_of_consumption_outweighs_a_burial),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

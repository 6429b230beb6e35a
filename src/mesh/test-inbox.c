/* Tests of the inbox: two phases, order, repeats. */
#include "mesh/inbox.h"
#include "mesh/message.h"
#include "mesh/testing.h"

static void notify(struct world *w, const struct caller *from, const struct peer_ref *to, const char *text)
{
	json_auto_t *json = NULL;
	autoerror err = {0};
	world_check(message_notify(w->s, &w->limits, from, to->peer_id, text, &json, &err), &err);
}

/* Takes up to `max`, checks the texts in order (a space between), and returns the ids. */
static json_t *takes(struct world *w, const struct peer_ref *peer, int max, const char *texts, bool repeat)
{
	json_auto_t *taken = inbox_take(w->s, peer->peer_id, max, "inbox");
	autostrbuf got = STRBUF_INIT(4096);
	json_t *ids = json_array(), *message;
	size_t i;
	json_array_foreach(json_object_get(taken, "messages"), i, message)
	{
		strbuf_addf(&got, "%s%s", i ? " " : "", json_str(message, "text"));
		assert_string_equal(json_str(message, "step"), "submitted");
		assert_int_equal(json_bool(message, "repeat", !repeat), repeat);
		json_array_append(ids, json_object_get(message, "id"));
	}
	assert_string_equal(strbuf_str(&got), texts);
	return ids;
}

static void test_D2_shown_again_only_when_the_proof_was_lost(void **state)
{
	struct world *w = *state;
	struct peer_ref a = world_agent(w, "a", NULL, NULL), b = world_agent(w, "b", NULL, NULL);
	struct caller from_a = world_caller(&a);
	notify(w, &from_a, &b, "1");
	notify(w, &from_a, &b, "2");
	json_auto_t *first = takes(w, &b, 10, "1 2", false);
	world_turn(w);
	world_restart(w, NULL); /* the reader died, and the daemon with it */
	json_auto_t *second = takes(w, &b, 10, "1 2", true);
	assert_true(json_equal(first, second)); /* the same ids */
	json_auto_t *one = json_pack("[O]", json_array_get(second, 0));
	assert_int_equal(inbox_confirm(w->s, b.peer_id, one, "inbox", NULL), 0);
	json_auto_t *third = takes(w, &b, 10, "2", true);
	assert_int_equal(inbox_confirm(w->s, b.peer_id, third, "inbox", NULL), 0);
	json_auto_t *rest = takes(w, &b, 10, "", false);
	assert_int_equal(json_array_size(rest), 0);
	assert_int_equal(message_waiting(w->s, b.peer_id), 0);
}

static void test_D2_stored_survives_a_crash(void **state)
{
	struct world *w = *state;
	struct peer_ref a = world_agent(w, "a", NULL, NULL), b = world_agent(w, "b", NULL, NULL);
	struct caller from_a = world_caller(&a);
	notify(w, &from_a, &b, "committed");
	world_turn(w);
	notify(w, &from_a, &b, "lost before it was acknowledged");
	world_restart(w, NULL);
	json_decref(takes(w, &b, 10, "committed", false));
}

static void test_D3_order_per_sender_and_recipient(void **state)
{
	struct world *w = *state;
	struct peer_ref a = world_agent(w, "a", NULL, NULL), b = world_agent(w, "b", NULL, NULL);
	struct peer_ref c = world_agent(w, "c", NULL, NULL);
	struct caller from_a = world_caller(&a), from_c = world_caller(&c);
	for (int i = 0; i < 3; i++) {
		autofree char *text = xasprintf("a%d", i), *other = xasprintf("c%d", i);
		notify(w, &from_a, &b, text);
		notify(w, &from_c, &b, other);
		notify(w, &from_c, &a, "elsewhere");
	}
	json_auto_t *first = takes(w, &b, 2, "a0 c0", false);
	assert_int_equal(inbox_confirm(w->s, b.peer_id, first, "inbox", NULL), 0);
	json_auto_t *second = takes(w, &b, 3, "a1 c1 a2", false);
	assert_int_equal(inbox_confirm(w->s, b.peer_id, second, "inbox", NULL), 0);
	json_auto_t *third = takes(w, &b, 0, "c2", false);
	/* A transport that has a's message under way holds up a's others, not c's. */
	notify(w, &from_a, &b, "a3");
	notify(w, &from_a, &b, "a4");
	notify(w, &from_c, &b, "c3");
	json_auto_t *next = inbox_offer(w->s, b.peer_id, 1, "plugin", INBOX_OPENS);
	assert_string_equal(json_str(json_array_get(next, 0), "text"), "a3");
	assert_int_equal(inbox_confirm(w->s, b.peer_id, third, "inbox", NULL), 0);
	json_decref(takes(w, &b, 10, "c3", false));
}

static void test_confirming(void **state)
{
	struct world *w = *state;
	struct peer_ref a = world_agent(w, "a", NULL, NULL), b = world_agent(w, "b", NULL, NULL);
	struct caller from_a = world_caller(&a);
	notify(w, &from_a, &b, "1");
	json_auto_t *first = takes(w, &b, 10, "1", false);
	notify(w, &from_a, &b, "2");
	json_auto_t *peeked = inbox_peek(w->s, b.peer_id, 10);
	json_t *list = json_object_get(peeked, "messages");
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(json_str(json_array_get(list, 1), "step"), "stored");
	/* One bad id, and nothing changes. */
	json_auto_t *never =
		json_pack("[O, O]", json_array_get(first, 0), json_object_get(json_array_get(list, 1), "id"));
	assert_int_equal(inbox_confirm(w->s, b.peer_id, never, "inbox", NULL), ERR_CONFLICT);
	json_auto_t *wrong = json_pack("[O, s]", json_array_get(first, 0), "msg-nothing");
	assert_int_equal(inbox_confirm(w->s, b.peer_id, wrong, "inbox", NULL), ERR_NOT_FOUND);
	assert_int_equal(inbox_confirm(w->s, a.peer_id, first, "inbox", NULL), ERR_NOT_FOUND);
	json_auto_t *number = json_pack("[i]", 1), *text = json_string("msg-x");
	assert_int_equal(inbox_confirm(w->s, b.peer_id, number, "inbox", NULL), ERR_INVALID);
	assert_int_equal(inbox_confirm(w->s, b.peer_id, text, "inbox", NULL), ERR_INVALID);
	assert_int_equal(message_waiting(w->s, b.peer_id), 2);
	assert_int_equal(inbox_confirm(w->s, b.peer_id, first, "inbox", NULL), 0);
	assert_int_equal(message_waiting(w->s, b.peer_id), 1);
}

static void test_at_most_a_page_at_a_time(void **state)
{
	struct world *w = *state;
	struct peer_ref a = world_agent(w, "a", NULL, NULL), b = world_agent(w, "b", NULL, NULL);
	struct caller from_a = world_caller(&a);
	for (int i = 0; i < INBOX_TAKE_MAX + 3; i++)
		notify(w, &from_a, &b, "x");
	json_auto_t *page = inbox_take(w->s, b.peer_id, 1000, "inbox");
	assert_int_equal(json_array_size(json_object_get(page, "messages")), INBOX_TAKE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_D2_shown_again_only_when_the_proof_was_lost),
		world_test(test_D2_stored_survives_a_crash),
		world_test(test_D3_order_per_sender_and_recipient),
		world_test(test_confirming),
		world_test(test_at_most_a_page_at_a_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

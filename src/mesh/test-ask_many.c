/* Tests of one question to many. */
#include "mesh/ask_many.h"
#include "mesh/testing.h"

static json_t *asks(struct world *w, const struct caller *from, json_t *names)
{
	json_auto_t *owned = names;
	json_t *answer = NULL;
	autoerror err = {0};
	world_check(ask_many(w->s, &w->limits, from, owned, NULL, "ready?", &answer, &err), &err);
	return answer;
}

static json_t *result(struct world *w, const struct caller *by, const json_t *answer)
{
	json_t *now = NULL;
	autoerror err = {0};
	world_check(ask_many_result(w->s, by, json_str(answer, "parent_id"), &now, &err), &err);
	return now;
}

static const char *state_of(const json_t *now, size_t i)
{
	return json_str(json_array_get(json_object_get(now, "asks"), i), "state");
}

static void test_A6_one_failure_does_not_stop_the_others(void **state)
{
	struct world *w = *state;
	struct peer_ref a = world_agent(w, "a", NULL, NULL), b = world_agent(w, "b", NULL, NULL);
	struct peer_ref c = world_agent(w, "c", NULL, NULL);
	struct caller from = world_caller(&a), by_b = world_caller(&b);
	/* b is named twice, once by its id; nobody is called d; a would ask itself */
	json_auto_t *answer = asks(w, &from, json_pack("[s, s, s, s, s]", "b", b.peer_id, "d", "a", "c"));
	json_t *list = json_object_get(answer, "asks");
	assert_int_equal(json_array_size(list), 4);
	assert_string_equal(json_str(json_object_get(json_array_get(list, 1), "error"), "code"),
			    "no_such_peer");
	assert_true(json_is_object(json_object_get(json_array_get(list, 2), "error")));
	json_auto_t *open = result(w, &from, answer);
	assert_int_equal(json_int(open, "open", -1), 2);
	assert_int_equal(json_array_size(json_object_get(open, "asks")), 4);
	json_auto_t *closed = NULL;
	autoerror err = {0};
	world_check(ask_ack(w->s, &w->limits, &by_b, json_str(json_array_get(list, 0), "correlation_id"),
			    "yes", &closed, &err),
		    &err);
	json_auto_t *now = result(w, &from, answer);
	assert_int_equal(json_int(now, "open", -1), 1);
	assert_string_equal(state_of(now, 0), "replied");
	assert_string_equal(state_of(now, 1), "open");
	assert_string_equal(state_of(now, 2), "refused");
	assert_string_equal(json_str(json_array_get(json_object_get(now, "asks"), 0), "reply"), "yes");
	(void)c;
}

static void test_A6_survives_a_restart(void **state)
{
	struct world *w = *state;
	struct peer_ref a = world_agent(w, "a", NULL, NULL);
	(void)world_agent(w, "b", NULL, NULL);
	struct caller from = world_caller(&a);
	json_auto_t *answer = asks(w, &from, json_pack("[s, s]", "b", "nobody"));
	world_turn(w);
	world_restart(w, NULL);
	json_auto_t *now = result(w, &from, answer);
	assert_int_equal(json_int(now, "open", -1), 1);
	assert_string_equal(state_of(now, 1), "refused");
}

static void test_only_the_asker_looks(void **state)
{
	struct world *w = *state;
	struct peer_ref a = world_agent(w, "a", NULL, NULL), b = world_agent(w, "b", NULL, NULL);
	struct caller from = world_caller(&a), other = world_caller(&b), human = world_surface(w, ROLE_HUMAN);
	json_auto_t *answer = asks(w, &from, json_pack("[s]", "b"));
	json_t *no = NULL;
	const char *parent = json_str(answer, "parent_id");
	assert_int_equal(ask_many_result(w->s, &other, parent, &no, NULL), ERR_FORBIDDEN);
	assert_int_equal(ask_many_result(w->s, &from, "many-nothing", &no, NULL), ERR_NOT_FOUND);
	json_auto_t *seen = result(w, &human, answer);
	assert_string_equal(state_of(seen, 0), "open");
}

static void test_bad_input_changes_nothing(void **state)
{
	struct world *w = *state;
	struct peer_ref a = world_agent(w, "a", NULL, NULL);
	struct caller from = world_caller(&a);
	json_t *no = NULL;
	json_auto_t *none = json_array(), *b = json_pack("[s]", "a");
	assert_int_equal(ask_many(w->s, &w->limits, &from, none, NULL, "x", &no, NULL), ERR_INVALID);
	assert_int_equal(ask_many(w->s, &w->limits, &from, b, NULL, "", &no, NULL), ERR_INVALID);
	assert_int_equal(db_int(w->s, -1, "SELECT count(*) FROM question_parent", ""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_A6_one_failure_does_not_stop_the_others),
		world_test(test_A6_survives_a_restart),
		world_test(test_only_the_asker_looks),
		world_test(test_bad_input_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

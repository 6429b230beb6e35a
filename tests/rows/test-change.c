/* Tests of changes: the order of a train, what stops at ready, and what an ejection takes along. */
#include "mesh/testing.h"

#include "base/alloc.h"
#include "repo/change.h"
#include "repo/registry.h"

struct train {
	struct world *w;
	struct store *s;
	char repo[ID_SIZE];
};

static int setup(void **state)
{
	struct train *t = xcalloc(1, sizeof(*t));
	void *world = NULL;
	(void)world_setup(&world);
	t->w = world;
	t->s = t->w->s;
	json_auto_t *repo = json_pack("{s:s, s:s, s:s}", "common_dir", "/src/app/.git", "main", "/src/app",
				      "name", "app");
	repo_register(t->s, repo, t->repo);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct train *t = *state;
	void *world = t->w;
	(void)world_teardown(&world);
	free(t);
	return 0;
}

#define train_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define NEEDS(...) ((const char *const[]){__VA_ARGS__, NULL})

struct id {
	char id[ID_SIZE];
};

static int try_add(struct train *t, struct change_spec spec, struct id *ret)
{
	spec.repo_id = spec.repo_id ? spec.repo_id : t->repo;
	spec.target = spec.target ? spec.target : "main";
	spec.how = "squash";
	return change_add(t->s, &spec, ret->id, NULL);
}

static struct id add(struct train *t, struct change_spec spec)
{
	struct id id = {0};
	assert_int_equal(try_add(t, spec, &id), 0);
	return id;
}

/* One that a person asked for, on `main`. */
static struct id offer(struct train *t, const char *branch, const char *const *needs)
{
	return add(t, (struct change_spec){.branch = branch, .approved = true, .needs = needs});
}

static void assert_change(struct train *t, struct id id, const char *state, const char *reason_part)
{
	autochange c = {0};
	assert_true(change_get(t->s, id.id, &c));
	assert_string_equal(c.state, state);
	if (reason_part && (!c.reason || !strstr(c.reason, reason_part)))
		fail_msg("the reason of %s is '%s', not '…%s…'", c.branch, c.reason ? c.reason : "",
			 reason_part);
}

static void assert_next(struct train *t, const char *target, const char *branch)
{
	autochange c = {0};
	bool found = change_next(t->s, t->repo, target, &c);
	if (!branch)
		assert_false(found);
	else if (!found)
		fail_msg("nothing is next, not even %s", branch);
	else
		assert_string_equal(c.branch, branch);
}

static void test_L1_a_train_goes_in_the_order_of_offering_and_of_needs(void **state)
{
	struct train *t = *state;
	struct id c = offer(t, "c", NEEDS("a", "b"));
	struct id b = offer(t, "b", NEEDS("a"));
	assert_next(t, "main", NULL); /* a was never offered */
	struct id a = offer(t, "a", NULL);
	struct id d = offer(t, "d", NULL);
	assert_next(t, "main", "a");
	change_landed(t->s, a.id, "commit-a", NULL);
	assert_next(t, "main", "b");
	change_landed(t->s, b.id, "commit-b", NULL);
	assert_next(t, "main", "c"); /* before d, which came later */
	change_landed(t->s, c.id, "commit-c", NULL);
	assert_next(t, "main", "d");
	change_landed(t->s, d.id, NULL, "nothing to land");
	assert_next(t, "main", NULL);
}

static void test_L1_a_need_that_waits_or_was_ejected_is_not_met(void **state)
{
	struct train *t = *state;
	struct id a = add(t, (struct change_spec){.branch = "a"}); /* stops at ready */
	(void)offer(t, "b", NEEDS("a"));
	assert_change(t, a, "ready", NULL);
	assert_next(t, "main", NULL);
	change_eject(t->s, a.id, "conflict");
	(void)offer(t, "b", NEEDS("a"));
	assert_next(t, "main", NULL);
	a = offer(t, "a", NULL); /* mended, and offered again */
	assert_next(t, "main", "a");
	change_landed(t->s, a.id, "commit", NULL);
	assert_next(t, "main", "b");
}

static void test_L1_a_need_is_met_on_its_own_target_only(void **state)
{
	struct train *t = *state;
	struct id a = add(t, (struct change_spec){.branch = "a", .target = "dev", .approved = true});
	(void)offer(t, "b", NEEDS("a"));
	change_landed(t->s, a.id, "commit", NULL);
	assert_next(t, "main", NULL);
}

static void test_L1_an_ejection_takes_all_that_need_it_along_with_the_reason(void **state)
{
	struct train *t = *state;
	struct id a = offer(t, "a", NULL);
	struct id b = offer(t, "b", NEEDS("a"));
	struct id c = offer(t, "c", NEEDS("b"));
	struct id d = offer(t, "d", NEEDS("c", "a"));
	struct id other = offer(t, "e", NULL);
	struct id elsewhere = add(
		t,
		(struct change_spec){.branch = "f", .target = "dev", .approved = true, .needs = NEEDS("a")});
	change_eject(t->s, a.id, "conflicts with main in README");
	assert_change(t, a, "ejected", "conflicts with main in README");
	assert_change(t, b, "ejected", "needs a, which did not land: conflicts with main in README");
	assert_change(t, c, "ejected", "needs b");
	assert_change(t, d, "ejected", "needs ");
	assert_change(t, other, "queued", NULL);
	assert_change(t, elsewhere, "queued", NULL);
	assert_int_equal(world_events(t->w, "change.ejected", d.id), 1); /* once, though two ways led to it */
	assert_next(t, "main", "e");
}

static void test_L1_one_plans_ejection_leaves_the_others_alone(void **state)
{
	struct train *t = *state;
	(void)offer(t, "b", NEEDS("a"));
	struct id mine =
		add(t, (struct change_spec){
			       .branch = "c", .plan_id = "plan-1", .approved = true, .needs = NEEDS("a")});
	struct id other =
		add(t, (struct change_spec){
			       .branch = "d", .plan_id = "plan-2", .approved = true, .needs = NEEDS("a")});
	change_eject_dependants(t->s, t->repo, "plan-1", "a", "main", "its task failed");
	assert_change(t, mine, "ejected", "needs a, which did not land: its task failed");
	assert_change(t, other, "queued", NULL);
	assert_int_equal(world_events(t->w, "change.ejected", NULL), 1);
}

/* Its needs had landed before its build began: what happens to them later takes nothing back. */
static void test_L1_a_change_under_way_is_not_ejected_beneath_its_build(void **state)
{
	struct train *t = *state;
	static const char *const under_way[] = {"building", "testing"};
	for (size_t i = 0; i < ARRAY_SIZE(under_way); i++) {
		autofree char *branch = xasprintf("b%zu", i);
		struct id b = offer(t, branch, NEEDS("a"));
		change_set_state(t->s, b.id, under_way[i], NULL);
		change_eject_dependants(t->s, t->repo, NULL, "a", "main", "a later offer of it failed");
		assert_change(t, b, under_way[i], NULL);
		change_landed(t->s, b.id, "commit", NULL);
	}
}

static void test_one_change_of_a_target_is_built_at_a_time(void **state)
{
	struct train *t = *state;
	static const char *const under_way[] = {"building", "testing"};
	struct id a = offer(t, "a", NULL);
	(void)offer(t, "b", NULL);
	(void)add(t, (struct change_spec){.branch = "a", .target = "dev", .approved = true});
	for (size_t i = 0; i < ARRAY_SIZE(under_way); i++) {
		change_set_state(t->s, a.id, under_way[i], NULL);
		assert_next(t, "main", NULL);
		assert_next(t, "dev", "a"); /* another target's train goes on */
	}
	change_set_state(t->s, a.id, "queued", "the target moved");
	assert_next(t, "main", "a"); /* it keeps its place */
	change_landed(t->s, a.id, "commit", NULL);
	assert_next(t, "main", "b");
}

static void test_two_repositories_are_independent(void **state)
{
	struct train *t = *state;
	char other[ID_SIZE];
	json_auto_t *repo = json_pack("{s:s, s:n, s:s}", "common_dir", "/src/lib.git", "main", "name", "lib");
	repo_register(t->s, repo, other);
	struct id a = offer(t, "a", NULL);
	struct id there = add(
		t, (struct change_spec){.branch = "a", .repo_id = other, .approved = true, .needs = NULL});
	struct id dependant = add(
		t,
		(struct change_spec){.branch = "b", .repo_id = other, .approved = true, .needs = NEEDS("a")});
	assert_string_not_equal(a.id, there.id);
	change_eject(t->s, a.id, "no");
	assert_change(t, dependant, "queued", NULL);
	assert_next(t, "main", NULL);
	autochange c = {0};
	assert_true(change_next(t->s, other, "main", &c));
}

static void test_L4_without_a_gate_and_without_a_word_a_change_stops_at_ready(void **state)
{
	struct train *t = *state;
	json_auto_t *none = json_array();
	json_auto_t *gate = json_pack("[s]", "make test");
	struct id silent = add(t, (struct change_spec){.branch = "a"});
	assert_change(t, silent, "ready", "no gate is configured and nobody has reviewed it");
	assert_int_equal(world_events(t->w, "change.ready", silent.id), 1);
	assert_next(t, "main", NULL);
	assert_change(t, add(t, (struct change_spec){.branch = "b", .gate = none}), "queued", NULL);
	assert_change(t, add(t, (struct change_spec){.branch = "c", .gate = gate}), "queued", NULL);
	assert_change(t, add(t, (struct change_spec){.branch = "d", .approved = true}), "queued", NULL);
}

static void test_L4_a_ready_change_is_taken_up_again_and_keeps_what_it_needs(void **state)
{
	struct train *t = *state;
	struct id id = {0}, again = {0};
	id = add(t, (struct change_spec){.branch = "b", .plan_id = "plan-1", .needs = NEEDS("a")});
	assert_int_equal(try_add(t, (struct change_spec){.branch = "b"}, &again), 0);
	assert_string_equal(again.id, id.id);
	assert_change(t, id, "ready", "no gate"); /* nobody has vouched for it yet */
	again = offer(t, "b", NULL);
	assert_string_equal(again.id, id.id);
	assert_change(t, id, "queued", NULL);
	autochange c = {0};
	assert_true(change_get(t->s, id.id, &c));
	assert_string_equal(c.plan_id, "plan-1");
	assert_null(c.reason);
	assert_next(t, "main", NULL); /* a has not landed */
	json_auto_t *json = change_to_json(t->s, id.id);
	assert_string_equal(json_string_value(json_array_get(json_object_get(json, "needs"), 0)), "a");
}

static void test_a_branch_is_in_a_train_once(void **state)
{
	struct train *t = *state;
	static const char *const open[] = {"queued", "building", "testing"};
	struct id id = {0};
	struct id first = offer(t, "a", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(open); i++) {
		change_set_state(t->s, first.id, open[i], NULL);
		assert_int_equal(try_add(t, (struct change_spec){.branch = "a", .approved = true}, &id),
				 ERR_EXISTS);
	}
	change_landed(t->s, first.id, "commit", NULL);
	struct id second = offer(t, "a", NULL); /* more commits */
	assert_string_not_equal(second.id, first.id);
}

static void test_L3_an_end_is_final(void **state)
{
	struct train *t = *state;
	struct id a = offer(t, "a", NULL);
	struct id b = offer(t, "b", NEEDS("a"));
	change_landed(t->s, a.id, "commit", "landed without a gate");
	change_eject(t->s, a.id, "too late");
	change_landed(t->s, a.id, "another", NULL);
	change_set_state(t->s, a.id, "queued", NULL);
	assert_change(t, a, "landed", "landed without a gate");
	assert_change(t, b, "queued", NULL); /* what needs it goes on */
	json_auto_t *json = change_to_json(t->s, a.id);
	assert_string_equal(json_str(json, "landed_as"), "commit");
	assert_int_equal(world_events(t->w, "change.landed", a.id), 1);
	assert_int_equal(world_events(t->w, "change.ejected", a.id), 0);
	assert_int_equal(world_events(t->w, "change.queued", a.id), 1);
}

static json_t *built(const char *tree, const char *result, int tries)
{
	return json_pack("{s:s, s:s, s:s, s:[{s:s, s:s, s:s, s:i, s:s}, {s:[s, s], s:s, s:s}]}", "result",
			 result, "head", "head-1", "tree", tree, "gate", "command", "make test", "result",
			 result, "tree", tree, "tries", tries, "log", "/log/1", "command", "npm", "test",
			 "result", result, "tree", tree);
}

static void test_L4_each_gate_run_is_on_record_with_its_tries(void **state)
{
	struct train *t = *state;
	struct id a = offer(t, "a", NULL);
	json_auto_t *first = built("tree-1", "failed", 3);
	json_auto_t *second = built("tree-2", "passed", 1);
	change_built(t->s, a.id, first);
	change_built(t->s, a.id, second);
	json_auto_t *json = change_to_json(t->s, a.id);
	const json_t *gate = json_object_get(json, "gate");
	assert_int_equal(json_array_size(gate), 4);
	json_auto_t *want = json_pack("{s:s, s:s, s:s, s:i, s:s}", "command", "make test", "result", "failed",
				      "tree", "tree-1", "tries", 3, "log", "/log/1");
	assert_true(json_equal(json_array_get(gate, 0), want));
	assert_string_equal(json_str(json_array_get(gate, 1), "command"), "[\"npm\",\"test\"]");
	assert_string_equal(json_str(json_array_get(gate, 2), "tree"), "tree-2");
	assert_string_equal(json_str(json, "head"), "head-1");
	autochange c = {0};
	assert_true(change_get(t->s, a.id, &c));
	assert_true(json_equal(c.built, second));
}

static void test_the_shape_of_a_train(void **state)
{
	struct train *t = *state;
	static const char *const fields[] = {"branch",	  "state", "needs", "head",
					     "landed_as", "gate",  "reason"};
	struct id a = offer(t, "a", NULL);
	(void)offer(t, "b", NEEDS("a"));
	(void)add(t, (struct change_spec){.branch = "x", .target = "dev", .approved = true});
	change_landed(t->s, a.id, "commit", NULL);
	json_auto_t *json = change_train_json(t->s, t->repo, "main", NULL);
	assert_string_equal(json_str(json, "target"), "main");
	const json_t *changes = json_object_get(json, "changes");
	assert_int_equal(json_array_size(changes), 2);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		assert_non_null(json_object_get(json_array_get(changes, 1), fields[i]));
	assert_string_equal(json_str(json_array_get(changes, 0), "landed_as"), "commit");
	assert_null(change_to_json(t->s, "chg-nothing"));
	autochange c = {0};
	assert_false(change_get(t->s, "chg-nothing", &c));
}

static void test_a_long_train_shows_the_open_ones_first(void **state)
{
	struct train *t = *state;
	(void)offer(t, "still-open", NULL);
	for (int i = 0; i < 60; i++) {
		struct id id = offer(t, "again", NULL);
		change_landed(t->s, id.id, "commit", NULL);
	}
	json_auto_t *json = change_train_json(t->s, t->repo, "main", NULL);
	const json_t *changes = json_object_get(json, "changes");
	assert_int_equal(json_array_size(changes), 50);
	assert_string_equal(json_str(json_array_get(changes, 0), "branch"), "still-open");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		train_test(test_L1_a_train_goes_in_the_order_of_offering_and_of_needs),
		train_test(test_L1_a_need_that_waits_or_was_ejected_is_not_met),
		train_test(test_L1_a_need_is_met_on_its_own_target_only),
		train_test(test_L1_an_ejection_takes_all_that_need_it_along_with_the_reason),
		train_test(test_L1_one_plans_ejection_leaves_the_others_alone),
		train_test(test_L1_a_change_under_way_is_not_ejected_beneath_its_build),
		train_test(test_one_change_of_a_target_is_built_at_a_time),
		train_test(test_two_repositories_are_independent),
		train_test(test_L4_without_a_gate_and_without_a_word_a_change_stops_at_ready),
		train_test(test_L4_a_ready_change_is_taken_up_again_and_keeps_what_it_needs),
		train_test(test_a_branch_is_in_a_train_once),
		train_test(test_L3_an_end_is_final),
		train_test(test_L4_each_gate_run_is_on_record_with_its_tries),
		train_test(test_the_shape_of_a_train),
		train_test(test_a_long_train_shows_the_open_ones_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

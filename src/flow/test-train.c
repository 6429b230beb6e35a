/* Tests of the train: what is built on what, and what follows from each way that a build or a move ends. */
#include "flow/testing.h"

#include "repo/change.h"

#define NEEDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void offer_to(struct rig *r, const char *branch, const char *target, const char *const *needs,
		     const char *gate)
{
	autoerror err = {0};
	char id[ID_SIZE];
	json_auto_t *commands = gate ? json_pack("[s]", gate) : NULL;
	struct change_spec spec = {.repo_id = r->repo,
				   .branch = branch,
				   .target = target,
				   .how = "squash",
				   .base_commit = "c0ffee",
				   .gate = commands,
				   .gate_tries = 2,
				   .approved = true,
				   .needs = needs};
	world_check(change_add(r->s, &spec, id, &err), &err);
	rig_turn(r);
}

static void offer(struct rig *r, const char *branch)
{
	offer_to(r, branch, "main", NULL, "make test");
}

static void built(struct rig *r, const char *branch, json_t *answer)
{
	rig_finish(r, rig_effect(r, "land.build", branch), true, answer);
}

static void moved(struct rig *r, const char *branch, json_t *answer)
{
	rig_finish(r, rig_effect(r, "land.move", branch), true, answer);
}

static void assert_landed_as(struct rig *r, const char *branch, const char *commit)
{
	autofree char *as = db_text(
		r->s, "SELECT landed_as FROM change WHERE branch = ? ORDER BY seq DESC LIMIT 1", "s", branch);
	assert_string_equal(as, commit);
}

static void test_L3_what_was_built_and_passed_is_what_the_target_moves_to_once(void **state)
{
	struct rig *r = *state;
	offer(r, "a");
	rig_assert_change(r, "a", "testing", NULL);
	const json_t *args = rig_effect(r, "land.build", "a")->args;
	assert_string_equal(json_str(args, "target"), "main");
	assert_string_equal(json_str(args, "base_commit"), "c0ffee");
	assert_string_equal(json_str(args, "how"), "squash");
	assert_int_equal(json_int(args, "gate_tries", 0), 2);
	assert_string_equal(json_string_value(json_array_get(json_object_get(args, "gate"), 0)), "make test");
	assert_null(rig_find(r, "land.move", NULL)); /* nothing moves before the gate has passed */
	rig_built(r, "a");
	args = rig_effect(r, "land.move", "a")->args;
	assert_string_equal(json_str(args, "old"), "2222222222222222222222222222222222222222");
	assert_string_equal(json_str(args, "new"), "landed a");
	rig_assert_change(r, "a", "testing", NULL); /* not landed before the target has moved */
	rig_moved(r, "a");
	rig_assert_change(r, "a", "landed", NULL);
	assert_landed_as(r, "a", "landed a");
	assert_int_equal(r->n_started, 0);
	assert_int_equal(world_events(r->w, "change.landed", NULL), 1);
}

static void test_L4_a_change_without_a_gate_says_so(void **state)
{
	struct rig *r = *state;
	offer_to(r, "a", "main", NULL, NULL);
	rig_assert_change(r, "a", "building", NULL);
	rig_built(r, "a");
	rig_moved(r, "a");
	rig_assert_change(r, "a", "landed", "landed without a gate");
}

static void test_L2_a_target_that_moved_is_built_and_tested_again(void **state)
{
	struct rig *r = *state;
	offer(r, "a");
	offer(r, "b");
	for (int i = 0; i < 3; i++) {
		rig_built(r, "a");
		moved(r, "a", json_pack("{s:b, s:s, s:s}", "moved", 0, "reason", "stale", "now", "5555"));
		rig_assert_change(r, "a", "testing", NULL); /* at once, and before b */
		assert_null(rig_find(r, "land.move", NULL));
		assert_null(rig_find(r, "land.build", "b"));
	}
	autofree char *commit = xstrdup("landed at last");
	built(r, "a", rig_build_answer("passed", commit));
	assert_string_equal(json_str(rig_effect(r, "land.move", "a")->args, "new"), "landed at last");
	rig_moved(r, "a");
	assert_landed_as(r, "a", "landed at last");
	assert_int_equal(db_int(r->s, 0, "SELECT builds FROM change WHERE branch = 'a'", ""), 4);
	assert_int_equal(world_events(r->w, "change.landed", NULL), 1);
	(void)rig_effect(r, "land.build", "b");
}

static void test_L3_local_changes_eject_it_by_file_name(void **state)
{
	struct rig *r = *state;
	offer(r, "a");
	offer(r, "b");
	rig_built(r, "a");
	moved(r, "a",
	      json_pack("{s:b, s:s, s:s, s:[{s:s, s:s}, {s:s, s:s}]}", "moved", 0, "reason", "local_changes",
			"message", "local changes would be touched", "files", "checkout", "/src/app", "file",
			"src/main.c", "checkout", "/src/app", "file", "README"));
	rig_assert_change(r, "a", "ejected", "src/main.c, README");
	rig_assert_change(r, "a", "ejected", "local changes would be touched");
	(void)rig_effect(r, "land.build", "b"); /* the rest goes on */
}

static void test_a_conflict_ejects_it_by_file_name_and_the_rest_goes_on(void **state)
{
	struct rig *r = *state;
	offer(r, "a");
	offer_to(r, "b", "main", NEEDS("a"), "make test");
	offer(r, "c");
	json_t *answer = rig_build_answer("conflict", NULL);
	json_t *files = json_array();
	for (int i = 0; i < 8; i++) {
		autofree char *name = xasprintf("file-%d", i);
		json_array_append_new(files, json_string(name));
	}
	json_object_set_new(answer, "files", files);
	built(r, "a", answer);
	rig_assert_change(r, "a", "ejected", "conflicts with main in file-0, file-1");
	rig_assert_change(r, "a", "ejected", "and 3 more");
	rig_assert_change(r, "b", "ejected", "needs a, which did not land: conflicts with main in file-0");
	(void)rig_effect(r, "land.build", "c");
}

static void test_L4_a_gate_that_failed_is_named_with_its_log(void **state)
{
	struct rig *r = *state;
	offer(r, "a");
	json_t *answer = rig_build_answer("failed", NULL);
	json_object_set_new(answer, "gate",
			    json_pack("[{s:s, s:s, s:s, s:i}, {s:[s,s], s:s, s:s, s:i, s:s}]", "command",
				      "make lint", "result", "passed", "tree", "t", "tries", 1, "command",
				      "make", "test", "result", "failed", "tree", "t", "tries", 2, "log",
				      "/log/9"));
	built(r, "a", answer);
	rig_assert_change(r, "a", "ejected", "the gate failed: [\"make\",\"test\"]");
	rig_assert_change(r, "a", "ejected", "/log/9");
	assert_int_equal(db_int(r->s, 0, "SELECT count(*) FROM gate_run", ""), 2);
	assert_int_equal(db_int(r->s, 0, "SELECT tries FROM gate_run WHERE n = 1", ""), 2);
	assert_null(rig_find(r, "land.move", NULL));
}

static void test_a_refusal_and_a_worker_that_fails_give_their_reasons(void **state)
{
	struct rig *r = *state;
	offer(r, "a");
	json_t *answer = rig_build_answer("refused", NULL);
	json_set_str(answer, "reason", "main is checked out nowhere");
	built(r, "a", answer);
	rig_assert_change(r, "a", "ejected", "main is checked out nowhere");
	offer(r, "b");
	rig_fail(r, "land.build", "b", "disk_full", "no space left");
	rig_assert_change(r, "b", "ejected", "no space left");
	offer(r, "c");
	rig_built(r, "c");
	rig_fail(r, "land.move", "c", "git", "cannot lock ref");
	rig_assert_change(r, "c", "ejected", "cannot lock ref");
	assert_int_equal(r->n_started, 0);
	assert_int_equal(world_events(r->w, "change.landed", NULL), 0);
}

static void test_nothing_to_land_is_an_end_that_says_so(void **state)
{
	struct rig *r = *state;
	offer(r, "a");
	offer_to(r, "b", "main", NEEDS("a"), "make test");
	built(r, "a", rig_build_answer("empty", NULL));
	rig_assert_change(r, "a", "landed", "nothing to land");
	assert_int_equal(db_int(r->s, 0, "SELECT landed_as IS NULL FROM change WHERE branch = 'a'", ""), 1);
	(void)rig_effect(r, "land.build", "b"); /* what needs it need not wait */
}

static void test_targets_land_side_by_side_and_each_one_change_at_a_time(void **state)
{
	struct rig *r = *state;
	offer(r, "a");
	offer(r, "b");
	offer_to(r, "c", "dev", NULL, "make test");
	(void)rig_effect(r, "land.build", "a");
	(void)rig_effect(r, "land.build", "c");
	assert_null(rig_find(r, "land.build", "b"));
	rig_built(r, "a");
	assert_null(rig_find(r, "land.build", "b")); /* a is moving the target */
	rig_moved(r, "a");
	(void)rig_effect(r, "land.build", "b");
	assert_string_not_equal(rig_effect(r, "land.build", "b")->lane,
				rig_effect(r, "land.build", "c")->lane);
}

static void test_L1_needs_land_first_whatever_the_order_of_offering(void **state)
{
	struct rig *r = *state;
	offer_to(r, "c", "main", NEEDS("a", "b"), NULL);
	offer_to(r, "b", "main", NEEDS("a"), NULL);
	assert_int_equal(r->n_started, 0);
	offer_to(r, "a", "main", NULL, NULL);
	static const char *const order[] = {"a", "b", "c"};
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(r->n_started, 1);
		rig_built(r, order[i]);
		rig_moved(r, order[i]);
	}
	assert_int_equal(r->n_started, 0);
	assert_int_equal(world_events(r->w, "change.landed", NULL), 3);
}

static void test_W11_a_crash_while_building_builds_again_and_while_moving_looks_first(void **state)
{
	struct rig *r = *state;
	offer(r, "a");
	rig_crash(r, NULL);
	assert_false(rig_effect(r, "land.build", "a")->probe);
	rig_built(r, "a");
	rig_crash(r, NULL);
	assert_true(rig_effect(r, "land.move", "a")->probe);
	rig_moved(r, "a");
	rig_crash(r, NULL);
	assert_int_equal(r->n_started, 0);
	assert_int_equal(world_events(r->w, "change.landed", NULL), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(test_L3_what_was_built_and_passed_is_what_the_target_moves_to_once),
		rig_test(test_L4_a_change_without_a_gate_says_so),
		rig_test(test_L2_a_target_that_moved_is_built_and_tested_again),
		rig_test(test_L3_local_changes_eject_it_by_file_name),
		rig_test(test_a_conflict_ejects_it_by_file_name_and_the_rest_goes_on),
		rig_test(test_L4_a_gate_that_failed_is_named_with_its_log),
		rig_test(test_a_refusal_and_a_worker_that_fails_give_their_reasons),
		rig_test(test_nothing_to_land_is_an_end_that_says_so),
		rig_test(test_targets_land_side_by_side_and_each_one_change_at_a_time),
		rig_test(test_L1_needs_land_first_whatever_the_order_of_offering),
		rig_test(test_W11_a_crash_while_building_builds_again_and_while_moving_looks_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of ref_value.h against what git itself writes. */
#include "repo/test-fixture.h"

#include "repo/ref_value.h"

static void assert_value(const char *common, const char *ref, enum truth there, const char *wanted)
{
	autoreflook look = REF_LOOK_INIT(common);
	char value[REF_VALUE_SIZE] = "";
	assert_int_equal(ref_value(&look, ref, value), there);
	if (wanted)
		assert_string_equal(value, wanted);
}

static void test_a_branch_is_read_loose_and_packed_as_git_says(void **state)
{
	struct fixture *fx = *state;
	autofree char *first = fx_git_line(fx->repo, "rev-parse", "main");
	fx_git(fx->repo, "branch", "feat/a");
	fx_git(fx->repo, "branch", "feat/ab");
	fx_git(fx->repo, "symbolic-ref", "refs/heads/alias", "refs/heads/main");
	assert_value(fx->common, "refs/heads/feat/a", TRUTH_YES, first);
	fx_git(fx->repo, "pack-refs", "--all");
	assert_false(fx_exists(fx->common, "refs/heads/feat/a"));
	assert_value(fx->common, "refs/heads/feat/a", TRUTH_YES, first);
	fx_commit(fx->repo, "more", "more\n");
	autofree char *second = fx_git_line(fx->repo, "rev-parse", "main");
	assert_value(fx->common, "refs/heads/main", TRUTH_YES, second); /* loose over packed */
	assert_value(fx->common, "refs/heads/feat", TRUTH_NO, NULL);
	assert_value(fx->common, "refs/heads/b", TRUTH_NO, NULL);
	assert_value(fx->common, "refs/heads/alias", TRUTH_UNKNOWN, NULL);
	fx_write(fx->common, "refs/heads/broken", "no id\n");
	assert_value(fx->common, "refs/heads/broken", TRUTH_UNKNOWN, NULL);
	fx_write(fx->common, "reftable/tables.list", "");
	assert_value(fx->common, "refs/heads/feat/a", TRUTH_UNKNOWN, NULL);
}

static struct ref_head head_of(const char *common, const char *ref, const char *value, int64_t since)
{
	struct ref_head head = {0};
	assert_int_equal(ref_head_look(common, ref, value, since, &head), TRUTH_YES);
	return head;
}

static void test_W9_a_move_within_the_worktree_stands_in_the_log_of_its_head(void **state)
{
	struct fixture *fx = *state;
	autofree char *first = fx_git_line(fx->repo, "rev-parse", "main");
	struct ref_head begin = head_of(fx->common, "refs/heads/main", first, 0);
	assert_true(begin.on && begin.came_to);
	fx_commit(fx->repo, "more", "more\n");
	fx_git(fx->repo, "checkout", "-q", "-b", "side");
	fx_commit(fx->repo, "side", "side\n");
	autofree char *main = fx_git_line(fx->repo, "rev-parse", "main");
	autofree char *side = fx_git_line(fx->repo, "rev-parse", "side");
	struct ref_head then = head_of(fx->common, "refs/heads/main", main, begin.size);
	assert_true(!then.on && then.came_to); /* since then, if not last */
	assert_string_equal(then.last, side);
	assert_true(then.size > begin.size);
	/* What it was at before is no move of this time. */
	assert_false(head_of(fx->common, "refs/heads/main", first, begin.size).came_to);
	assert_false(head_of(fx->common, "refs/heads/main", main, then.size).came_to);
	assert_true(head_of(fx->common, "refs/heads/side", side, then.size).came_to);
	/* A log that was written anew is shorter. */
	assert_true(head_of(fx->common, "refs/heads/main", main, then.size + 1000).came_to);
	/* To rename one's branch is no deletion by others. */
	assert_false(head_of(fx->common, "refs/heads/side", "", then.size).came_to);
	fx_git(fx->repo, "branch", "-m", "side", "other");
	assert_true(head_of(fx->common, "refs/heads/side", "", then.size).came_to);
	struct ref_head none;
	assert_int_equal(ref_head_look(fx->root, "refs/heads/main", main, 0, &none), TRUTH_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_branch_is_read_loose_and_packed_as_git_says, fx_setup,
						fx_teardown),
		cmocka_unit_test_setup_teardown(
			test_W9_a_move_within_the_worktree_stands_in_the_log_of_its_head, fx_setup,
			fx_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

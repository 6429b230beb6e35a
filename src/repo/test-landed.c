/* Tests of `landed` (W7): each way of landing, and what must not be taken for one. The branch is always
 * "b", the target "main". */
#include "repo/test-fixture.h"

#include "repo/landed.h"

static void expect(const struct fixture *fx, enum truth value, const char *how)
{
	autogit g = GIT_INIT;
	git_at(fx->common, fx->common, NULL, &g);
	autofree char *head = fx_git_line(fx->repo, "rev-parse", "b"),
		      *target = fx_git_line(fx->repo, "rev-parse", "main");
	struct landed landed = {0};
	autoerror err = {0};
	autofree char *before = fx_git_line(fx->repo, "count-objects");
	if (landed_test(&g, target, head, &landed, &err))
		fail_msg("%s", err.message);
	autofree char *after = fx_git_line(fx->repo, "count-objects");
	if (landed.value != value || (how && strcmp(landed.how, how) != 0))
		fail_msg("%s: %s", truth_name(landed.value), landed.how);
	assert_string_equal(before, after); /* looking leaves no objects behind */
}

/* Lines "1" to "n", with some replaced: "3=x" by "x". */
static void write_lines(const struct fixture *fx, const char *name, int n, const char *const *replaced)
{
	autostrbuf text = STRBUF_INIT(1 << 16);
	for (int i = 1; i <= n; i++) {
		autofree char *prefix = xasprintf("%d=", i);
		const char *line = NULL;
		for (const char *const *r = replaced; r && *r; r++)
			if (strncmp(*r, prefix, strlen(prefix)) == 0)
				line = *r + strlen(prefix);
		strbuf_addf(&text, line ? "%s\n" : "%.0s%d\n", line ? line : "", i);
	}
	fx_write(fx->repo, name, strbuf_str(&text));
}

#define LINES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void commit_lines(const struct fixture *fx, const char *name, const char *const *replaced)
{
	write_lines(fx, name, 40, replaced);
	fx_git(fx->repo, "add", "--", name);
	fx_git(fx->repo, "commit", "-q", "-m", "lines");
}

static void on(const struct fixture *fx, const char *branch)
{
	fx_git(fx->repo, "checkout", "-q", branch);
}

/* main has "lines" with 40 lines; b is cut from it and checked out. */
static void start(const struct fixture *fx)
{
	commit_lines(fx, "lines", NULL);
	fx_git(fx->repo, "checkout", "-q", "-b", "b");
}

/* Two commits on b that change lines 20 and 30 and add a file. */
static void work(const struct fixture *fx)
{
	start(fx);
	commit_lines(fx, "lines", LINES("20=mine"));
	write_lines(fx, "lines", 40, LINES("20=mine", "30=mine too"));
	fx_commit(fx->repo, "added", "added\n");
	fx_git(fx->repo, "commit", "-q", "-am", "second");
}

static void squash(const struct fixture *fx)
{
	on(fx, "main");
	fx_git(fx->repo, "merge", "-q", "--squash", "b");
	fx_git(fx->repo, "commit", "-q", "-m", "squashed");
}

static void test_W7_same_commit(void **state)
{
	start(*state);
	expect(*state, TRUTH_YES, "same");
}

static void test_W7_ancestor_by_fast_forward(void **state)
{
	struct fixture *fx = *state;
	work(fx);
	on(fx, "main");
	fx_git(fx->repo, "merge", "-q", "--ff-only", "b");
	fx_commit(fx->repo, "more", "x");
	expect(fx, TRUTH_YES, "ancestor");
}

static void test_W7_ancestor_by_merge_commit(void **state)
{
	struct fixture *fx = *state;
	work(fx);
	on(fx, "main");
	fx_commit(fx->repo, "other", "x");
	fx_git(fx->repo, "merge", "-q", "--no-ff", "-m", "merge", "b");
	commit_lines(fx, "lines", LINES("20=later"));
	expect(fx, TRUTH_YES, "ancestor");
}

static void test_W7_empty_diff(void **state)
{
	struct fixture *fx = *state;
	start(fx);
	commit_lines(fx, "lines", LINES("20=mine"));
	fx_git(fx->repo, "revert", "--no-edit", "HEAD");
	on(fx, "main");
	commit_lines(fx, "lines", LINES("20=theirs"));
	expect(fx, TRUTH_YES, "empty");
}

static void test_W7_equal_tree(void **state)
{
	struct fixture *fx = *state;
	work(fx);
	squash(fx);
	expect(fx, TRUTH_YES, "equal_tree");
}

static void test_W7_merge_yields_the_targets_tree(void **state)
{
	struct fixture *fx = *state;
	work(fx);
	on(fx, "main");
	fx_commit(fx->repo, "other", "x");
	commit_lines(fx, "lines", LINES("2=theirs"));
	squash(fx);
	fx_commit(fx->repo, "later", "x");
	expect(fx, TRUTH_YES, "merged_tree");
}

static void test_W7_rebased(void **state)
{
	struct fixture *fx = *state;
	work(fx);
	on(fx, "main");
	fx_commit(fx->repo, "other", "x");
	fx_git(fx->repo, "cherry-pick", "main~1..b");
	expect(fx, TRUTH_YES, "merged_tree");
}

static void test_W7_squashed_and_then_changed(void **state)
{
	struct fixture *fx = *state;
	work(fx);
	squash(fx);
	commit_lines(fx, "lines", LINES("20=later", "21=later", "30=mine too"));
	fx_commit(fx->repo, "added", "changed later\n");
	expect(fx, TRUTH_YES, "squashed");
}

/* A follow-up takes one of its lines out again: a merge would bring it back without a conflict. */
static void test_W7_squashed_and_then_cut(void **state)
{
	struct fixture *fx = *state;
	work(fx);
	squash(fx);
	commit_lines(fx, "lines", LINES("20=mine"));
	expect(fx, TRUTH_YES, "squashed");
}

static void test_W7_squashed_beside_other_changes_and_then_changed(void **state)
{
	struct fixture *fx = *state;
	work(fx);
	on(fx, "main");
	commit_lines(fx, "lines", LINES("2=theirs"));
	squash(fx);
	commit_lines(fx, "lines", LINES("2=theirs", "20=later", "30=later"));
	fx_commit(fx->repo, "other", "x");
	expect(fx, TRUTH_YES, "squashed");
}

static void test_W7_rebased_beside_other_changes_and_then_changed(void **state)
{
	struct fixture *fx = *state;
	work(fx);
	on(fx, "main");
	commit_lines(fx, "lines", LINES("2=theirs"));
	fx_git(fx->repo, "cherry-pick", "main~1..b");
	commit_lines(fx, "lines", LINES("2=theirs", "20=later", "30=later"));
	expect(fx, TRUTH_YES, "squashed");
}

static void test_W7_squashed_by_way_of_another_branch(void **state)
{
	struct fixture *fx = *state;
	work(fx);
	fx_git(fx->repo, "checkout", "-q", "-b", "develop", "main");
	fx_git(fx->repo, "merge", "-q", "--squash", "b");
	fx_git(fx->repo, "commit", "-q", "-m", "squashed");
	on(fx, "main");
	fx_commit(fx->repo, "other", "x");
	fx_git(fx->repo, "merge", "-q", "--no-ff", "-m", "develop", "develop");
	commit_lines(fx, "lines", LINES("20=later", "30=later"));
	expect(fx, TRUTH_YES, "squashed");
}

static void test_W7_branch_that_merged_the_target(void **state)
{
	struct fixture *fx = *state;
	work(fx);
	on(fx, "main");
	fx_commit(fx->repo, "other", "x");
	on(fx, "b");
	fx_git(fx->repo, "merge", "-q", "-m", "from main", "main");
	squash(fx);
	commit_lines(fx, "lines", LINES("20=later", "30=later"));
	expect(fx, TRUTH_YES, "squashed");
}

static void test_W7_not_landed(void **state)
{
	struct fixture *fx = *state;
	work(fx);
	expect(fx, TRUTH_NO, NULL);
	on(fx, "main");
	commit_lines(fx, "lines", LINES("2=theirs"));
	expect(fx, TRUTH_NO, NULL);
}

static void test_W7_one_of_two_commits_landed(void **state)
{
	struct fixture *fx = *state;
	work(fx);
	on(fx, "main");
	fx_git(fx->repo, "cherry-pick", "main..b~2");
	expect(fx, TRUTH_NO, NULL);
}

static void test_W7_committed_on_after_landing(void **state)
{
	struct fixture *fx = *state;
	work(fx);
	squash(fx);
	on(fx, "b");
	fx_commit(fx->repo, "new", "x");
	expect(fx, TRUTH_NO, NULL);
}

/* Indentation is content, though patch ids ignore it. */
static void test_W7_white_space_is_content(void **state)
{
	struct fixture *fx = *state;
	start(fx);
	commit_lines(fx, "lines", LINES("20=    mine"));
	on(fx, "main");
	commit_lines(fx, "lines", LINES("20=mine"));
	expect(fx, TRUTH_UNKNOWN, NULL);
}

static void test_W7_taken_back_is_unknown(void **state)
{
	struct fixture *fx = *state;
	work(fx);
	squash(fx);
	fx_git(fx->repo, "revert", "--no-edit", "HEAD");
	expect(fx, TRUTH_UNKNOWN, "taken back later");
}

static void test_W7_conflict_is_unknown_when_it_may_have_landed(void **state)
{
	struct fixture *fx = *state;
	work(fx);
	on(fx, "main");
	commit_lines(fx, "lines", LINES("20=theirs"));
	expect(fx, TRUTH_UNKNOWN, NULL);
}

static void test_W7_no_common_history_is_unknown(void **state)
{
	struct fixture *fx = *state;
	fx_git(fx->repo, "checkout", "-q", "--orphan", "b");
	fx_git(fx->repo, "commit", "-q", "-m", "other root");
	expect(fx, TRUTH_UNKNOWN, "no common history");
}

static void test_W7_several_merge_bases_are_unknown(void **state)
{
	struct fixture *fx = *state;
	work(fx);
	on(fx, "main");
	fx_commit(fx->repo, "other", "x");
	fx_git(fx->repo, "branch", "old");
	fx_git(fx->repo, "merge", "-q", "--no-ff", "-m", "m1", "b");
	on(fx, "b");
	fx_git(fx->repo, "merge", "-q", "--no-ff", "-m", "m2", "old");
	fx_commit(fx->repo, "late", "x");
	expect(fx, TRUTH_UNKNOWN, "several merge bases");
}

static void test_W7_a_missing_commit_is_unknown(void **state)
{
	struct fixture *fx = *state;
	autogit g = GIT_INIT;
	git_at(fx->common, fx->common, NULL, &g);
	autofree char *target = fx_git_line(fx->repo, "rev-parse", "main");
	struct landed landed = {0};
	assert_int_equal(landed_test(&g, target, "1234567890123456789012345678901234567890", &landed, NULL),
			 0);
	assert_int_equal(landed.value, TRUTH_UNKNOWN);
}

/* Attributes that let a merge keep the target's side must not make it a proof. */
static void test_W7_merge_attributes_prove_nothing(void **state)
{
	struct fixture *fx = *state;
	work(fx);
	on(fx, "main");
	fx_git(fx->repo, "config", "merge.ours.driver", "true");
	fx_commit(fx->repo, ".gitattributes", "* merge=ours\n");
	commit_lines(fx, "lines", LINES("20=theirs", "30=theirs"));
	fx_commit(fx->repo, "added", "theirs\n");
	expect(fx, TRUTH_UNKNOWN, NULL);
	fx_write(fx->common, "info/attributes", "* merge=ours\n");
	expect(fx, TRUTH_UNKNOWN, NULL);
}

static void test_W7_replaced_objects_prove_nothing(void **state)
{
	struct fixture *fx = *state;
	work(fx);
	fx_git(fx->repo, "replace", "b", "main");
	autofree char *shown = fx_git_line(fx->repo, "rev-parse", "b^{tree}");
	autofree char *main_tree = fx_git_line(fx->repo, "rev-parse", "main^{tree}");
	assert_string_equal(shown, main_tree);
	expect(fx, TRUTH_NO, NULL);
}

static void test_W7_deleted_moved_and_odd_paths(void **state)
{
	struct fixture *fx = *state;
	start(fx);
	fx_git(fx->repo, "rm", "-q", "file");
	fx_write(fx->repo, "a\nb", "x");
	fx_write(fx->repo, ":(glob)*", "x");
	fx_git(fx->repo, "mv", "lines", "moved");
	fx_git(fx->repo, "add", "--all");
	fx_git(fx->repo, "commit", "-q", "-m", "moves");
	squash(fx);
	commit_lines(fx, "moved", LINES("1=later"));
	fx_write(fx->repo, ":(glob)*", "later");
	fx_git(fx->repo, "commit", "-q", "-am", "later");
	expect(fx, TRUTH_YES, "squashed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fx_test(test_W7_same_commit),
		fx_test(test_W7_ancestor_by_fast_forward),
		fx_test(test_W7_ancestor_by_merge_commit),
		fx_test(test_W7_empty_diff),
		fx_test(test_W7_equal_tree),
		fx_test(test_W7_merge_yields_the_targets_tree),
		fx_test(test_W7_rebased),
		fx_test(test_W7_squashed_and_then_changed),
		fx_test(test_W7_squashed_and_then_cut),
		fx_test(test_W7_squashed_beside_other_changes_and_then_changed),
		fx_test(test_W7_rebased_beside_other_changes_and_then_changed),
		fx_test(test_W7_squashed_by_way_of_another_branch),
		fx_test(test_W7_branch_that_merged_the_target),
		fx_test(test_W7_not_landed),
		fx_test(test_W7_one_of_two_commits_landed),
		fx_test(test_W7_committed_on_after_landing),
		fx_test(test_W7_white_space_is_content),
		fx_test(test_W7_taken_back_is_unknown),
		fx_test(test_W7_conflict_is_unknown_when_it_may_have_landed),
		fx_test(test_W7_no_common_history_is_unknown),
		fx_test(test_W7_several_merge_bases_are_unknown),
		fx_test(test_W7_a_missing_commit_is_unknown),
		fx_test(test_W7_merge_attributes_prove_nothing),
		fx_test(test_W7_replaced_objects_prove_nothing),
		fx_test(test_W7_deleted_moved_and_odd_paths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

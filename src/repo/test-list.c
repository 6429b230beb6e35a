/* Tests of listing worktrees and of describing a repository. */
#include "repo/test-fixture.h"

#include "repo/describe.h"
#include "repo/list.h"

static json_t *describe(const char *dir)
{
	json_auto_t *args = json_pack("{s:s}", "dir", dir);
	json_t *ret = NULL;
	autoerror err = {0};
	if (repo_describe(args, &ret, &err))
		fail_msg("%s", err.message);
	return ret;
}

static void expect_str(const json_t *object, const char *key, const char *value)
{
	const char *is = json_str(object, key);
	if (value ? !is || strcmp(is, value) != 0 : !json_is_null(json_object_get(object, key)))
		fail_msg("%s is %s, not %s", key, is ? is : "(null)", value ? value : "(null)");
}

static void test_describe(void **state)
{
	struct fixture *fx = *state;
	autofree char *sub = path_join(fx->repo, "sub"), *linked = fx_path(fx, "linked");
	autofree char *admin = path_join(fx->common, "worktrees/linked");
	assert_int_equal(mkdir(sub, 0755), 0);
	json_auto_t *d = describe(sub);
	expect_str(d, "common_dir", fx->common);
	expect_str(d, "main", fx->repo);
	expect_str(d, "name", "repo");
	expect_str(d, "head_branch", "main");
	expect_str(d, "path", fx->repo);
	assert_false(json_bool(d, "bare", true) || json_bool(d, "unborn", true) ||
		     json_bool(d, "linked", true));
	fx_git(fx->repo, "worktree", "add", "-q", "-b", "feat/a", linked);
	json_auto_t *l = describe(linked);
	expect_str(l, "main", fx->repo);
	expect_str(l, "head_branch", "main");
	expect_str(l, "branch", "feat/a");
	expect_str(l, "path", linked);
	expect_str(l, "git_dir", admin);
	assert_true(json_bool(l, "linked", false));
	fx_git(fx->repo, "checkout", "-q", "--detach");
	json_auto_t *detached = describe(fx->repo);
	expect_str(detached, "head_branch", NULL);
	assert_false(json_bool(detached, "unborn", true));
}

static void test_describe_unborn_bare_and_odd(void **state)
{
	struct fixture *fx = *state;
	autofree char *fresh = fx_path(fx, "fresh"), *bare = fx_path(fx, "proj.git"),
		      *hidden = fx_path(fx, "proj/.bare"), *apart = fx_path(fx, "apart"),
		      *apart_dir = fx_path(fx, "apart-dir"), *wt = fx_path(fx, "apart-wt");
	fx_git(fx->root, "init", "-q", "-b", "trunk", fresh);
	json_auto_t *f = describe(fresh);
	assert_true(json_bool(f, "unborn", false));
	expect_str(f, "head_branch", "trunk");
	fx_git(fx->root, "clone", "-q", "--bare", fx->repo, bare);
	json_auto_t *b = describe(bare);
	assert_true(json_bool(b, "bare", false));
	expect_str(b, "main", NULL);
	expect_str(b, "path", NULL);
	expect_str(b, "name", "proj");
	expect_str(b, "head_branch", "main");
	fx_git(fx->root, "clone", "-q", "--bare", fx->repo, hidden);
	json_auto_t *h = describe(hidden);
	expect_str(h, "name", "proj");
	fx_git(fx->root, "init", "-q", "-b", "main", "--separate-git-dir", apart_dir, apart);
	fx_git(apart, "commit", "-q", "--allow-empty", "-m", "x");
	json_auto_t *a = describe(apart);
	expect_str(a, "main", apart);
	fx_git(apart, "worktree", "add", "-q", "-b", "w", wt);
	json_auto_t *w = describe(wt);
	expect_str(w, "main", NULL); /* nothing leads from there to it */
	expect_str(w, "common_dir", apart_dir);
}

static void test_describe_refuses(void **state)
{
	struct fixture *fx = *state;
	json_auto_t *outside = json_pack("{s:s}", "dir", fx->root);
	json_auto_t *relative = json_pack("{s:s}", "dir", "repo");
	json_t *ret = NULL;
	assert_int_equal(repo_describe(outside, &ret, NULL), ERR_NOT_FOUND);
	assert_int_equal(repo_describe(relative, &ret, NULL), ERR_INVALID);
	assert_null(ret);
}

static json_t *list_with(const struct fixture *fx, const char *target, json_t *more)
{
	json_auto_t *args = json_pack("{s:{s:s, s:s}}", "repo", "common_dir", fx->common, "main", fx->repo);
	json_set_str(args, "target", target);
	if (more)
		assert_int_equal(json_object_update_new(args, more), 0);
	json_t *ret = NULL;
	autoerror err = {0};
	if (repo_list(args, &ret, &err))
		fail_msg("%s", err.message);
	return ret;
}

static const json_t *row_of(const json_t *list, const char *branch)
{
	size_t i;
	const json_t *w;
	json_array_foreach(json_object_get(list, "worktrees"), i, w)
	{
		const char *is = json_str(w, "branch");
		if (is && strcmp(is, branch) == 0)
			return w;
	}
	fail_msg("%s is not listed", branch);
	return NULL;
}

static void test_list(void **state)
{
	struct fixture *fx = *state;
	autofree char *a = fx_path(fx, "a"), *b = fx_path(fx, "b"), *gone = fx_path(fx, "gone");
	fx_git(fx->repo, "worktree", "add", "-q", "-b", "a", a);
	fx_git(fx->repo, "worktree", "add", "-q", "--lock", "--reason", "in use", "-b", "b", b);
	fx_git(fx->repo, "worktree", "add", "-q", "-b", "gone", gone);
	assert_int_equal(tree_remove(gone, NULL), 0);
	fx_commit(a, "new", "x");
	fx_commit(a, "new2", "x");
	fx_write(a, "file", "changed\n");
	fx_write(a, "u1", "x");
	fx_write(a, "u2/x", "x");
	fx_commit(fx->repo, "later", "x");
	autofree char *base = fx_git_line(fx->repo, "rev-parse", "main~1"),
		      *head = fx_git_line(a, "rev-parse", "HEAD");
	json_t *known = json_pack("{s:{s:{s:s, s:s}}}", "known", a, "base", "main", "base_commit", base);
	json_auto_t *list = list_with(fx, NULL, known);
	expect_str(list, "target", "main");
	assert_int_equal(json_array_size(json_object_get(list, "worktrees")), 4);
	const json_t *row = row_of(list, "a");
	expect_str(row, "path", a);
	expect_str(row, "head", head);
	expect_str(row, "base", "main");
	expect_str(row, "base_commit", base);
	expect_str(row, "landed", "no");
	expect_str(row, "locked", NULL);
	expect_str(row, "error", NULL);
	assert_int_equal(json_int(row, "dirty", -1), 1);
	assert_int_equal(json_int(row, "untracked", -1), 2);
	assert_int_equal(json_int(row, "ahead", -1), 2);
	assert_int_equal(json_int(row, "behind", -1), 1);
	row = row_of(list, "b");
	expect_str(row, "locked", "in use");
	expect_str(row, "landed", "yes");
	assert_int_equal(json_int(row, "behind", -1), 1);
	row = row_of(list, "main");
	assert_true(json_bool(row, "main", false));
	assert_int_equal(json_int(row, "ahead", -1), 0);
	row = row_of(list, "gone");
	assert_true(json_bool(row, "missing", false));
	assert_true(json_is_null(json_object_get(row, "dirty")));
}

static void test_list_uses_and_feeds_the_cache(void **state)
{
	struct fixture *fx = *state;
	autofree char *a = fx_path(fx, "a");
	fx_git(fx->repo, "worktree", "add", "-q", "-b", "a", a);
	fx_commit(a, "new", "x");
	json_auto_t *first = list_with(fx, "main", NULL);
	json_t *add = json_object_get(first, "cache_add");
	assert_int_equal(json_object_size(add), 1);
	const char *pair = json_object_iter_key(json_object_iter(add));
	expect_str(add, pair, "no 1 0");
	/* What is given is believed. */
	json_auto_t *second = list_with(fx, "main", json_pack("{s:{s:s}}", "cache", pair, "yes 5 7"));
	const json_t *row = row_of(second, "a");
	expect_str(row, "landed", "yes");
	assert_int_equal(json_int(row, "ahead", -1), 5);
	assert_int_equal(json_int(row, "behind", -1), 7);
	assert_int_equal(json_object_size(json_object_get(second, "cache_add")), 0);
	/* Unless it makes no sense. */
	static const char *const bad[] = {"maybe 1 2", "yes", "yes 1 2 3", "yes -1 2", "yes  "};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_auto_t *again = list_with(fx, "main", json_pack("{s:{s:s}}", "cache", pair, bad[i]));
		expect_str(row_of(again, "a"), "landed", "no");
	}
}

static void test_list_of_given_worktrees(void **state)
{
	struct fixture *fx = *state;
	autofree char *a = fx_path(fx, "a"), *b = fx_path(fx, "b"),
		      *admin = path_join(fx->common, "worktrees/a"), *none = fx_path(fx, "none");
	fx_git(fx->repo, "worktree", "add", "-q", "-b", "a", a);
	fx_git(fx->repo, "worktree", "add", "-q", "-b", "b", b);
	json_t *given = json_pack("{s:[{s:s, s:s, s:s}, {s:s}]}", "worktrees", "path", a, "git_dir", admin,
				  "base", "main", "path", none);
	json_auto_t *list = list_with(fx, "nonexistent", given);
	json_t *rows = json_object_get(list, "worktrees");
	assert_int_equal(json_array_size(rows), 2);
	expect_str(json_array_get(rows, 0), "branch", "a");
	expect_str(json_array_get(rows, 0), "base", "main");
	expect_str(json_array_get(rows, 0), "landed", "unknown");
	assert_true(json_is_null(json_object_get(json_array_get(rows, 0), "ahead")));
	assert_int_equal(json_int(json_array_get(rows, 0), "dirty", -1), 0);
	assert_true(json_bool(json_array_get(rows, 1), "missing", false));
	expect_str(list, "target_commit", NULL);
}

static void test_list_goes_on_beside_a_broken_worktree(void **state)
{
	struct fixture *fx = *state;
	autofree char *a = fx_path(fx, "a"), *b = fx_path(fx, "b");
	fx_git(fx->repo, "worktree", "add", "-q", "-b", "a", a);
	fx_git(fx->repo, "worktree", "add", "-q", "-b", "b", b);
	fx_write(fx->common, "worktrees/a/index", "this is no index");
	json_auto_t *list = list_with(fx, "main", NULL);
	assert_non_null(json_str(row_of(list, "a"), "error"));
	assert_true(json_is_null(json_object_get(row_of(list, "a"), "dirty")));
	assert_int_equal(json_int(row_of(list, "b"), "dirty", -1), 0);
}

static void test_list_of_an_unborn_or_bare_repository(void **state)
{
	struct fixture *fx = *state;
	autofree char *fresh = fx_path(fx, "fresh"), *bare = fx_path(fx, "bare.git"),
		      *fresh_dir = path_join(fresh, ".git");
	fx_git(fx->root, "init", "-q", "-b", "main", fresh);
	fx_git(fx->root, "clone", "-q", "--bare", fx->repo, bare);
	fx_write(fresh, "file", "x");
	const char *const dirs[] = {fresh_dir, bare};
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		json_auto_t *args = json_pack("{s:{s:s}}", "repo", "common_dir", dirs[i]);
		json_auto_t *list = NULL;
		assert_int_equal(repo_list(args, &list, NULL), 0);
		assert_int_equal(json_array_size(json_object_get(list, "worktrees")), i == 0);
		if (i == 0)
			assert_int_equal(json_int(row_of(list, "main"), "untracked", -1), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fx_test(test_describe),
		fx_test(test_describe_unborn_bare_and_odd),
		fx_test(test_describe_refuses),
		fx_test(test_list),
		fx_test(test_list_uses_and_feeds_the_cache),
		fx_test(test_list_of_given_worktrees),
		fx_test(test_list_goes_on_beside_a_broken_worktree),
		fx_test(test_list_of_an_unborn_or_bare_repository),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

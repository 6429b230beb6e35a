/* Tests of making worktrees: what is made, what is refused, and that a failure leaves nothing (W1, W2, W8).
 * Crashes are in test-create_crash.c. */
#include "repo/test-fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "os/lock.h"
#include "repo/create.h"
#include "repo/test-create.h"

static const char wt_id[] = "wt-000000000001";

/* Arguments for a branch beside the repository; more are added by the caller. */
static json_t *args_for(const struct fixture *fx, const char *branch)
{
	return create_args(fx, wt_id, branch);
}

static json_t *create_ok(const json_t *args)
{
	json_t *ret = NULL;
	autoerror err = {0};
	if (repo_create(args, &ret, &err))
		fail_msg("%s (%s)", err.message, err.hint ? err.hint : "");
	return ret;
}

/* Expects a failure with a text in its message or hint, and that everything is as it was. */
static void create_fails(const struct fixture *fx, const json_t *args, int code, const char *text)
{
	autofree char *before = create_traces(fx);
	json_t *ret = NULL;
	autoerror err = {0};
	int r = repo_create(args, &ret, &err);
	autofree char *after = create_traces(fx);
	if (r != code)
		fail_msg("%s: %s", error_kind((enum error_code)r)->name, err.message ? err.message : "");
	if (text && !strstr(err.message, text) && !(err.hint && strstr(err.hint, text)))
		fail_msg("no '%s' in: %s (%s)", text, err.message, err.hint ? err.hint : "");
	assert_null(ret);
	assert_string_equal(before, after);
}

static void expect_str(const json_t *object, const char *key, const char *value)
{
	const char *is = json_str(object, key);
	if (value ? !is || strcmp(is, value) != 0 : !json_is_null(json_object_get(object, key)))
		fail_msg("%s is %s, not %s", key, is ? is : "(null)", value ? value : "(null)");
}

static void test_W2_new_branch_with_its_base_recorded(void **state)
{
	struct fixture *fx = *state;
	autofree char *path = fx_path(fx, "repo-feat-a"),
		      *admin = path_join(fx->common, "worktrees/repo-feat-a");
	autofree char *head = fx_git_line(fx->repo, "rev-parse", "HEAD");
	json_auto_t *args = args_for(fx, "feat/a");
	json_auto_t *made = create_ok(args);
	expect_str(made, "branch", "feat/a");
	expect_str(made, "path", path);
	expect_str(made, "git_dir", admin);
	expect_str(made, "base", "main");
	expect_str(made, "base_commit", head);
	expect_str(made, "head", head);
	assert_true(json_bool(made, "created_branch", false));
	assert_false(json_bool(made, "adopted", true));
	assert_int_equal(json_array_size(json_object_get(made, "warnings")), 0);
	autofree char *content = fx_read(path, "file"),
		      *branch = fx_git_line(path, "branch", "--show-current");
	assert_string_equal(content, "one\n");
	assert_string_equal(branch, "feat/a");
	autofree char *status = fx_git_line(path, "status", "--porcelain");
	assert_string_equal(status, "");
	/* No upstream, and no lock that nobody asked for. */
	assert_int_not_equal(fx_try(path, NULL, (const char *const[]){"git", "rev-parse", "@{u}", NULL}), 0);
	assert_false(fx_exists(admin, "locked"));
	/* Asked again, it gives the same answer and does nothing, whatever the base is by now. */
	fx_commit(fx->repo, "more", "x");
	json_auto_t *again = create_ok(args);
	assert_true(json_equal(made, again));
}

static void test_W2_base_is_a_branch_tag_or_commit(void **state)
{
	struct fixture *fx = *state;
	fx_git(fx->repo, "checkout", "-q", "-b", "old");
	fx_commit(fx->repo, "old", "x");
	fx_git(fx->repo, "checkout", "-q", "main");
	fx_git(fx->repo, "tag", "old"); /* the branch goes first */
	fx_commit(fx->repo, "new", "x");
	autofree char *branch = fx_git_line(fx->repo, "rev-parse", "refs/heads/old"),
		      *commit = fx_git_line(fx->repo, "rev-parse", "main~1"),
		      *tip = fx_git_line(fx->repo, "rev-parse", "main");
	const struct {
		const char *branch, *base, *commit;
	} cases[] = {{"a", "old", branch},
		     {"b", "refs/tags/old", commit},
		     {"c", commit, commit},
		     {"d", "main", tip}};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_auto_t *args = args_for(fx, cases[i].branch);
		json_set_str(args, "base", cases[i].base);
		autofree char *id = xasprintf("wt-00000000010%zu", i);
		json_set_str(args, "id", id);
		json_auto_t *made = create_ok(args);
		expect_str(made, "base", cases[i].base);
		expect_str(made, "base_commit", cases[i].commit);
	}
}

static void test_W2_detached_head_is_a_base(void **state)
{
	struct fixture *fx = *state;
	fx_git(fx->repo, "checkout", "-q", "--detach");
	autofree char *head = fx_git_line(fx->repo, "rev-parse", "HEAD");
	json_auto_t *args = args_for(fx, "a");
	json_auto_t *made = create_ok(args);
	expect_str(made, "base", head);
	expect_str(made, "base_commit", head);
}

static void test_W8_existing_branch_is_taken_over(void **state)
{
	struct fixture *fx = *state;
	autofree char *fork = fx_git_line(fx->repo, "rev-parse", "main");
	fx_git(fx->repo, "checkout", "-q", "-b", "feat/a");
	fx_commit(fx->repo, "mine", "x");
	fx_git(fx->repo, "checkout", "-q", "main");
	fx_commit(fx->repo, "later", "x");
	autofree char *tip = fx_git_line(fx->repo, "rev-parse", "feat/a");
	json_auto_t *args = args_for(fx, "feat/a");
	json_auto_t *made = create_ok(args);
	expect_str(made, "head", tip);
	expect_str(made, "base_commit", fork); /* where it left main */
	assert_false(json_bool(made, "created_branch", true));
}

static void test_W8_failure_keeps_a_branch_that_was_there(void **state)
{
	struct fixture *fx = *state;
	fx_write(fx->repo, ".gitattributes", "file filter=bad\n");
	fx_git(fx->repo, "add", ".");
	fx_git(fx->repo, "commit", "-q", "-m", "attributes");
	fx_git(fx->repo, "branch", "feat/a");
	fx_git(fx->repo, "config", "filter.bad.smudge", "exit 7");
	fx_git(fx->repo, "config", "filter.bad.required", "true");
	json_auto_t *args = args_for(fx, "feat/a");
	create_fails(fx, args, ERR_GIT, "filter");
	autofree char *tip = fx_git_line(fx->repo, "rev-parse", "feat/a");
	assert_int_equal(strlen(tip), 40);
}

static void test_W8_worktree_of_the_branch_is_adopted_as_it_is(void **state)
{
	struct fixture *fx = *state;
	autofree char *path = fx_path(fx, "by-hand"), *admin = path_join(fx->common, "worktrees/by-hand");
	autofree char *fork = fx_git_line(fx->repo, "rev-parse", "main");
	fx_git(fx->repo, "worktree", "add", "-q", "-b", "feat/a", path);
	fx_commit(path, "mine", "x");
	fx_write(path, "file", "changed");
	autofree char *before = fx_git_line(path, "status", "--porcelain");
	json_auto_t *args = args_for(fx, "feat/a");
	json_object_set_new(args, "lock_owner",
			    json_pack("{s:s, s:i, s:i}", "boot_id", "abc", "pid", 77, "start_time", 5));
	json_auto_t *made = create_ok(args);
	expect_str(made, "path", path);
	expect_str(made, "git_dir", admin);
	expect_str(made, "base_commit", fork);
	assert_true(json_bool(made, "adopted", false));
	assert_false(json_bool(made, "created_branch", true));
	autofree char *after = fx_git_line(path, "status", "--porcelain"), *lock = fx_read(admin, "locked");
	assert_string_equal(before, after);
	assert_non_null(strstr(lock, "coppice boot=abc pid=77 start=5"));
	/* Named with another path, it would not be where the user wants it. */
	json_set_str(args, "path", "/nonexistent/x");
	json_object_set_new(args, "path_fixed", json_true());
	create_fails(fx, args, ERR_CONFLICT, path);
}

static void test_W8_a_lock_of_somebody_else_stays(void **state)
{
	struct fixture *fx = *state;
	autofree char *path = fx_path(fx, "by-hand"), *admin = path_join(fx->common, "worktrees/by-hand");
	fx_git(fx->repo, "worktree", "add", "-q", "--lock", "--reason", "on a stick", "-b", "a", path);
	json_auto_t *args = args_for(fx, "a");
	json_object_set_new(args, "lock_owner",
			    json_pack("{s:s, s:i, s:i}", "boot_id", "abc", "pid", 77, "start_time", 5));
	json_auto_t *made = create_ok(args);
	assert_true(json_bool(made, "adopted", false));
	autofree char *lock = fx_read(admin, "locked");
	assert_non_null(strstr(lock, "on a stick"));
}

static void test_W8_branch_of_the_main_worktree_is_refused(void **state)
{
	struct fixture *fx = *state;
	json_auto_t *args = args_for(fx, "main");
	create_fails(fx, args, ERR_CONFLICT, fx->repo);
}

static void test_W8_branch_of_a_worktree_that_is_gone(void **state)
{
	struct fixture *fx = *state;
	autofree char *path = fx_path(fx, "gone");
	fx_git(fx->repo, "worktree", "add", "-q", "-b", "a", path);
	assert_int_equal(tree_remove(path, NULL), 0);
	json_auto_t *args = args_for(fx, "a");
	create_fails(fx, args, ERR_CONFLICT, "git worktree prune");
}

static void test_W8_branch_in_a_rebase_is_refused(void **state)
{
	struct fixture *fx = *state;
	autofree char *path = fx_path(fx, "busy");
	fx_git(fx->repo, "worktree", "add", "-q", "-b", "a", path);
	fx_commit(path, "file", "a\n");
	fx_commit(fx->repo, "file", "main\n");
	assert_int_not_equal(fx_try(path, NULL, (const char *const[]){"git", "rebase", "main", NULL}), 0);
	json_auto_t *args = args_for(fx, "a");
	create_fails(fx, args, ERR_CONFLICT, "a");
}

static void test_W2_lock_names_boot_pid_and_start(void **state)
{
	struct fixture *fx = *state;
	json_auto_t *args = args_for(fx, "a");
	json_object_set_new(args, "lock_owner",
			    json_pack("{s:s, s:i, s:I}", "boot_id", "1f-2", "pid", 42, "start_time",
				      (json_int_t)123456789012));
	json_auto_t *made = create_ok(args);
	autofree char *lock = fx_read(json_str(made, "git_dir"), "locked");
	assert_string_equal(lock, "coppice boot=1f-2 pid=42 start=123456789012\n");
}

static void test_taken_path_gets_a_hash(void **state)
{
	struct fixture *fx = *state;
	autofree char *registered = fx_path(fx, "repo-b"), *hashed = fx_path(fx, "repo-a-beef"),
		      *hashed_b = fx_path(fx, "repo-b-beef"), *empty = fx_path(fx, "repo-c");
	fx_write(fx->root, "repo-a/x", "x");
	json_auto_t *args = args_for(fx, "a");
	json_auto_t *made = create_ok(args);
	expect_str(made, "path", hashed);
	/* A worktree that is gone holds its path: what came there would be taken for it. */
	fx_git(fx->repo, "worktree", "add", "-q", "-b", "other", registered);
	assert_int_equal(tree_remove(registered, NULL), 0);
	json_auto_t *args_b = create_args(fx, "wt-000000000002", "b");
	json_auto_t *made_b = create_ok(args_b);
	expect_str(made_b, "path", hashed_b);
	/* An empty folder is free. */
	assert_int_equal(mkdir(empty, 0700), 0);
	json_auto_t *args_c = create_args(fx, "wt-000000000003", "c");
	json_auto_t *made_c = create_ok(args_c);
	expect_str(made_c, "path", empty);
}

static void test_path_that_the_user_gave(void **state)
{
	struct fixture *fx = *state;
	autofree char *deep = fx_path(fx, "x/y/z"), *inside = path_join(fx->repo, ".worktrees/b"),
		      *in_git = path_join(fx->common, "b"), *by_link = fx_path(fx, "link/b"),
		      *link = fx_path(fx, "link"), *target = fx_path(fx, "target"),
		      *resolved = fx_path(fx, "target/b"), *below = fx_path(fx, "x/y/z/sub");
	json_auto_t *args = args_for(fx, "a");
	json_object_set_new(args, "path_fixed", json_true());
	json_set_str(args, "path", deep);
	json_auto_t *made = create_ok(args);
	expect_str(made, "path", deep);
	json_auto_t *b = create_args(fx, "wt-000000000002", "b");
	json_object_set_new(b, "path_fixed", json_true());
	json_set_str(b, "path", deep);
	create_fails(fx, b, ERR_EXISTS, deep);
	json_set_str(b, "path", below);
	create_fails(fx, b, ERR_REFUSED, deep);
	json_set_str(b, "path", in_git);
	create_fails(fx, b, ERR_REFUSED, fx->common);
	json_set_str(b, "path", fx->repo);
	create_fails(fx, b, ERR_EXISTS, fx->repo);
	json_set_str(b, "path", "/");
	create_fails(fx, b, ERR_INVALID, NULL);
	json_set_str(b, "path", "/nonexistent/../x");
	create_fails(fx, b, ERR_INVALID, NULL);
	json_set_str(b, "path", "relative");
	create_fails(fx, b, ERR_INVALID, NULL);
	autofree char *file = path_join(fx->repo, "file/b");
	json_set_str(b, "path", file);
	create_fails(fx, b, ERR_EXISTS, "not a folder");
	/* Told so, it goes into the main worktree; and symlinks are resolved. */
	json_set_str(b, "path", inside);
	json_auto_t *made_b = create_ok(b);
	expect_str(made_b, "path", inside);
	assert_int_equal(mkdir(target, 0755), 0);
	assert_int_equal(symlink(target, link), 0);
	json_auto_t *c = create_args(fx, "wt-000000000003", "c");
	json_set_str(c, "path", by_link);
	json_auto_t *made_c = create_ok(c);
	expect_str(made_c, "path", resolved);
}

static void test_odd_names_are_refused_or_work(void **state)
{
	struct fixture *fx = *state;
	static const char *const bad[] = {"-x", "--detach", "a b", "a..b", "HEAD", "@", "a:b", "a\nb", ""};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_auto_t *args = args_for(fx, "x");
		json_set_str(args, "branch", bad[i]);
		create_fails(fx, args, ERR_INVALID, NULL);
	}
	static const char *const good[] = {"a'b\"c", "ünï", "a$(id)", "b;c&d", "refs/heads/x"};
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		autofree char *id = xasprintf("wt-00000000020%zu", i);
		json_auto_t *args = create_args(fx, id, good[i]);
		json_auto_t *made = create_ok(args);
		autofree char *branch = fx_git_line(json_str(made, "path"), "branch", "--show-current");
		assert_string_equal(branch, good[i]);
	}
	json_auto_t *below = create_args(fx, "wt-000000000300", "ünï/x");
	create_fails(fx, below, ERR_EXISTS, "cannot be named");
}

static void test_base_that_is_not_there(void **state)
{
	struct fixture *fx = *state;
	static const char *const bad[] = {"nope", "--all", "main..main", "HEAD^{tree}"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_auto_t *args = args_for(fx, "a");
		json_set_str(args, "base", bad[i]);
		create_fails(fx, args, ERR_NOT_FOUND, bad[i]);
	}
}

static void test_no_commit_yet(void **state)
{
	struct fixture *fx = *state;
	fx_git(fx->root, "init", "-q", "-b", "main", "fresh");
	json_auto_t *args = args_for(fx, "a");
	autofree char *fresh = fx_path(fx, "fresh"), *common = path_join(fresh, ".git");
	json_object_set_new(args, "repo", json_pack("{s:s, s:s}", "common_dir", common, "main", fresh));
	create_fails(fx, args, ERR_UNSUPPORTED, "git commit --allow-empty");
}

static void test_bare_repository_needs_a_base(void **state)
{
	struct fixture *fx = *state;
	fx_git(fx->root, "clone", "-q", "--bare", fx->repo, "bare.git");
	autofree char *common = fx_path(fx, "bare.git"), *head = fx_git_line(fx->repo, "rev-parse", "main");
	json_auto_t *args = args_for(fx, "a");
	json_object_set_new(args, "repo", json_pack("{s:s, s:n}", "common_dir", common, "main"));
	create_fails(fx, args, ERR_UNSUPPORTED, "--base");
	json_set_str(args, "base", "main");
	json_auto_t *made = create_ok(args);
	expect_str(made, "base_commit", head);
	assert_true(fx_exists(json_str(made, "path"), "file"));
}

static void test_room_is_checked_first(void **state)
{
	struct fixture *fx = *state;
	json_auto_t *args = args_for(fx, "a");
	json_object_set_new(args, "min_free", json_integer(INT64_MAX));
	create_fails(fx, args, ERR_DISK_FULL, "MiB");
}

static void test_sparse(void **state)
{
	struct fixture *fx = *state;
	fx_commit(fx->repo, "in/a", "x");
	fx_commit(fx->repo, "in/b.c", "x");
	fx_commit(fx->repo, "out/c", "x");
	json_auto_t *args = args_for(fx, "a");
	json_object_set_new(args, "sparse", json_pack("[s]", "in"));
	json_auto_t *made = create_ok(args);
	assert_true(fx_exists(json_str(made, "path"), "in/a"));
	assert_true(fx_exists(json_str(made, "path"), "file"));
	assert_false(fx_exists(json_str(made, "path"), "out"));
	json_auto_t *patterns = create_args(fx, "wt-000000000002", "b");
	json_object_set_new(patterns, "sparse", json_pack("[s, s]", "*.c", "!out"));
	json_auto_t *made_b = create_ok(patterns);
	assert_true(fx_exists(json_str(made_b, "path"), "in/b.c"));
	assert_false(fx_exists(json_str(made_b, "path"), "in/a"));
	autofree char *status = fx_git_line(json_str(made_b, "path"), "status", "--porcelain");
	assert_string_equal(status, "");
	/* The main worktree stays whole. */
	autofree char *main_status = fx_git_line(fx->repo, "status", "--porcelain");
	assert_string_equal(main_status, "");
	assert_true(fx_exists(fx->repo, "out/c"));
	json_auto_t *bad = create_args(fx, "wt-000000000003", "c");
	json_object_set_new(bad, "sparse", json_pack("[s]", "a\nb"));
	create_fails(fx, bad, ERR_INVALID, NULL);
}

/* post-checkout as in the user's own `git worktree add`: arguments, folder, environment. */
static void test_W1_hook_runs_as_in_the_users_own_checkout(void **state)
{
	struct fixture *fx = *state;
	autofree char *hook = xasprintf(
		"#!/bin/sh\n{ echo \"$@\"; pwd; env | grep ^GIT_DIR= || :; } >>'%s/seen'\n", fx->root);
	fx_write_program(fx->common, "hooks/post-checkout", hook);
	autofree char *plain = fx_path(fx, "plain"), *head = fx_git_line(fx->repo, "rev-parse", "HEAD");
	fx_git(fx->repo, "worktree", "add", "-q", "-b", "plain", plain);
	autofree char *wanted = fx_read(fx->root, "seen");
	autofree char *seen_path = fx_path(fx, "seen");
	assert_int_equal(unlink(seen_path), 0);
	json_auto_t *args = args_for(fx, "a");
	json_auto_t *made = create_ok(args);
	autofree char *seen = fx_read(fx->root, "seen");
	autofree char *ours = xasprintf("0000000000000000000000000000000000000000 %s 1\n%s\n", head,
					json_str(made, "path"));
	autofree char *theirs = xasprintf("0000000000000000000000000000000000000000 %s 1\n%s\n", head, plain);
	assert_string_equal(wanted, theirs);
	assert_string_equal(seen, ours);
	/* A hook without an interpreter line, by core.hooksPath, relative to the worktree. */
	assert_int_equal(unlink(seen_path), 0);
	autofree char *bare_hook = xasprintf("pwd >'%s/seen'\nexit 3\n", fx->root);
	fx_write_program(fx->repo, "my-hooks/post-checkout", bare_hook);
	fx_git(fx->repo, "add", "my-hooks");
	fx_git(fx->repo, "commit", "-q", "-m", "hooks");
	fx_git(fx->repo, "config", "core.hooksPath", "my-hooks");
	json_auto_t *b = create_args(fx, "wt-000000000002", "b");
	json_auto_t *made_b = create_ok(b);
	autofree char *again = fx_read(fx->root, "seen"),
		      *path_b = xasprintf("%s\n", json_str(made_b, "path"));
	assert_string_equal(again, path_b);
	assert_non_null(strstr(json_string_value(json_array_get(json_object_get(made_b, "warnings"), 0)),
			       "ended with 3"));
}

static void test_W1_filters_and_submodules_come_along(void **state)
{
	struct fixture *fx = *state;
	autofree char *sub = fx_path(fx, "sub");
	fx_git(fx->root, "init", "-q", "-b", "main", sub);
	fx_commit(sub, "in-sub", "x");
	fx_git(fx->repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", sub, "module");
	fx_write(fx->repo, ".gitattributes", "*.up filter=up\n");
	fx_write(fx->repo, "a.up", "text\n");
	fx_git(fx->repo, "add", ".");
	fx_git(fx->repo, "commit", "-q", "-m", "module");
	fx_git(fx->repo, "config", "filter.up.smudge", "tr a-z A-Z");
	fx_git(fx->repo, "config", "filter.up.clean", "tr A-Z a-z");
	json_auto_t *args = args_for(fx, "a");
	json_auto_t *made = create_ok(args);
	autofree char *smudged = fx_read(json_str(made, "path"), "a.up");
	assert_string_equal(smudged, "TEXT\n");
	assert_false(fx_exists(json_str(made, "path"), "module/in-sub"));
	fx_git(fx->repo, "config", "submodule.recurse", "true");
	autofree char *global = fx_path(fx, "gitconfig");
	fx_write(fx->root, "gitconfig", "[protocol \"file\"]\nallow = always\n");
	assert_int_equal(setenv("GIT_CONFIG_GLOBAL", global, 1), 0);
	json_auto_t *b = create_args(fx, "wt-000000000002", "b");
	json_auto_t *made_b = create_ok(b);
	assert_true(fx_exists(json_str(made_b, "path"), "module/in-sub"));
	/* A submodule that cannot be had is a failure, and leaves nothing. */
	assert_int_equal(tree_remove(sub, NULL), 0);
	json_auto_t *c = create_args(fx, "wt-000000000003", "c");
	create_fails(fx, c, ERR_GIT, "submodule");
	assert_int_equal(setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1), 0);
}

/* Something fails at each step; afterwards branches, folders and git's own are as they were. */
static void test_W1_failure_leaves_nothing(void **state)
{
	struct fixture *fx = *state;
	autofree char *parents = fx_path(fx, "new/parents/a"), *empty = fx_path(fx, "empty");
	assert_int_equal(mkdir(empty, 0750), 0);
	/* A checkout that fails half-way: one file is there by then. */
	fx_write(fx->repo, ".gitattributes", "z filter=bad\n");
	fx_write(fx->repo, "z", "x");
	fx_git(fx->repo, "add", ".");
	fx_git(fx->repo, "commit", "-q", "-m", "attributes");
	fx_git(fx->repo, "config", "filter.bad.smudge", "exit 7");
	fx_git(fx->repo, "config", "filter.bad.required", "true");
	json_auto_t *args = args_for(fx, "feat/a");
	create_fails(fx, args, ERR_GIT, "filter");
	json_set_str(args, "path", parents);
	create_fails(fx, args, ERR_GIT, "filter");
	json_set_str(args, "path", empty);
	create_fails(fx, args, ERR_GIT, "filter");
	json_object_set_new(args, "lock_owner",
			    json_pack("{s:s, s:i, s:i}", "boot_id", "abc", "pid", 77, "start_time", 5));
	create_fails(fx, args, ERR_GIT, "filter");
	/* A registration that fails. */
	create_git_shim(fx, "*' worktree add '*) exit 9;;");
	json_auto_t *b = args_for(fx, "b");
	create_fails(fx, b, ERR_GIT, "exit code 9");
	create_git_shim(fx, NULL);
	/* A hook that forbids the branch. */
	fx_write_program(fx->common, "hooks/reference-transaction", "#!/bin/sh\nexit 1\n");
	json_auto_t *c = args_for(fx, "c");
	create_fails(fx, c, ERR_GIT, "c");
}

/* The branch got a commit while its checkout failed: that is somebody's work. */
static void test_W1_branch_that_moved_is_not_deleted(void **state)
{
	struct fixture *fx = *state;
	autofree char *hook = xasprintf("#!/bin/sh\nunset $(git rev-parse --local-env-vars)\ncd '%s' && git "
					"commit -q --allow-empty -m moved && "
					"git update-ref refs/heads/a HEAD && exit 7\n",
					fx->repo);
	fx_write_program(fx->root, "mover", hook);
	fx_write(fx->repo, ".gitattributes", "file filter=bad\n");
	fx_git(fx->repo, "add", ".");
	fx_git(fx->repo, "commit", "-q", "-m", "attributes");
	autofree char *mover = fx_path(fx, "mover");
	fx_git(fx->repo, "config", "filter.bad.smudge", mover);
	fx_git(fx->repo, "config", "filter.bad.clean", "cat");
	fx_git(fx->repo, "config", "filter.bad.required", "true");
	json_auto_t *args = args_for(fx, "a");
	json_t *ret = NULL;
	assert_int_equal(repo_create(args, &ret, NULL), ERR_GIT);
	assert_false(fx_exists(fx->root, "repo-a"));
	autofree char *subject = fx_git_line(fx->repo, "log", "-1", "--format=%s", "refs/heads/a");
	assert_string_equal(subject, "moved");
}

enum { AT_ONCE = 32 };

static void test_W1_thirty_two_concurrent_creations(void **state)
{
	struct fixture *fx = *state;
	autofree char *hook =
		xasprintf("#!/bin/sh\necho x >>'%s/hooks-'\"$(basename \"$PWD\")\"\n", fx->root);
	fx_write_program(fx->common, "hooks/post-checkout", hook);
	pid_t pids[AT_ONCE];
	int start[2];
	assert_int_equal(pipe2(start, O_CLOEXEC), 0);
	for (int i = 0; i < AT_ONCE; i++) {
		autofree char *id = xasprintf("wt-0000000001%02d", i),
			      *branch = xasprintf("b%s%d", i % 2 ? "-" : "/", i / 2);
		json_auto_t *args = create_args(fx, id, branch);
		/* Pairs such as b/1 and b-1 want the same path. */
		json_set_str(args, "hash", i % 2 ? "h1" : "h0");
		pids[i] = fork();
		if (pids[i] == 0) {
			char go;
			(void)close(start[1]);
			if (read(start[0], &go, 1) != 0)
				_exit(99);
			json_t *ret = NULL;
			autoerror err = {0};
			int r = repo_create(args, &ret, &err);
			if (r)
				print_message("# %s: %s\n", branch, err.message);
			_exit(r);
		}
		assert_true(pids[i] > 0);
	}
	assert_int_equal(close(start[0]), 0);
	assert_int_equal(close(start[1]), 0); /* the end of the pipe is the start */
	for (int i = 0; i < AT_ONCE; i++) {
		int status = -1;
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	autogit g = GIT_INIT;
	git_at(fx->common, fx->common, NULL, &g);
	struct git_worktrees list = {0};
	assert_int_equal(git_worktrees(&g, &list, NULL), 0);
	assert_int_equal(list.n, AT_ONCE + 1);
	for (size_t i = 1; i < list.n; i++) {
		const struct git_worktree *w = &list.at[i];
		assert_non_null(w->branch);
		assert_non_null(w->git_dir);
		autofree char *mark = xasprintf("hooks-%s", path_base(w->path)),
			      *hooks = fx_read(fx->root, mark);
		assert_non_null(hooks);
		assert_string_equal(hooks, "x\n"); /* exactly once */
		autofree char *status = fx_git_line(w->path, "status", "--porcelain");
		assert_string_equal(status, "");
		for (size_t k = 1; k < i; k++)
			assert_string_not_equal(w->branch, list.at[k].branch);
	}
	git_worktrees_release(&list);
	autofree char *branches = fx_git_line(fx->repo, "rev-list", "--count", "--branches", "--no-walk");
	assert_string_equal(branches, "1"); /* all at one commit */
	create_expect_no_leftovers(fx);
}

/* Somebody makes worktrees by hand meanwhile, without our lock: ours succeed all the same. */
static void test_W1_beside_worktrees_made_by_hand(void **state)
{
	struct fixture *fx = *state;
	pid_t by_hand = fork();
	if (by_hand == 0) {
		for (int i = 0; i < 40; i++) {
			autofree char *path = fx_path(fx, "hand-%d", i);
			(void)fx_try(fx->repo, NULL,
				     (const char *const[]){"git", "worktree", "add", "-q", "--detach", path,
							   NULL});
		}
		_exit(0);
	}
	for (int i = 0; i < 12; i++) {
		autofree char *id = xasprintf("wt-0000000004%02d", i), *branch = xasprintf("b%d", i);
		json_auto_t *args = create_args(fx, id, branch);
		json_auto_t *made = create_ok(args);
		assert_true(json_bool(made, "created_branch", false));
	}
	assert_int_equal(waitpid(by_hand, NULL, 0), by_hand);
}

/* The lock is the git child's too: a worker that is killed leaves it locked until git has ended. */
static void test_W1_lock_outlives_killed_worker(void **state)
{
	struct fixture *fx = *state;
	/* A git that says that it has begun, and waits for leave to go on. */
	autofree char *begun = fx_path(fx, "begun"), *leave = fx_path(fx, "leave"),
		      *lock = path_join(fx->common, "coppice.lock");
	assert_int_equal(mkfifo(begun, 0600), 0);
	assert_int_equal(mkfifo(leave, 0600), 0);
	autofree char *wait = xasprintf("*' worktree add '*) echo x >'%s'; read x <'%s';;", begun, leave);
	json_auto_t *args = args_for(fx, "a");
	create_git_shim(fx, wait);
	pid_t worker = fork();
	if (worker == 0) {
		json_t *ret = NULL;
		_exit(repo_create(args, &ret, NULL));
	}
	create_git_shim(fx, NULL);
	int fd = open(begun, O_RDONLY | O_CLOEXEC);
	char x;
	assert_int_equal(read(fd, &x, 1), 1);
	assert_int_equal(close(fd), 0);
	assert_int_equal(kill(worker, SIGKILL), 0);
	assert_int_equal(waitpid(worker, NULL, 0), worker);
	int got = -1;
	assert_int_equal(lock_take(lock, 0, &got, NULL), ERR_CONFLICT);
	/* Git goes on (or notices that nobody reads what it says), and with its end the lock is free. */
	fd = open(leave, O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, "x\n", 2), 2);
	assert_int_equal(close(fd), 0);
	assert_int_equal(lock_take(lock, LOCK_WAIT, &got, NULL), 0);
	assert_int_equal(close(got), 0);
	/* The same creation again takes it up from there. */
	json_auto_t *made = create_ok(args);
	assert_true(json_bool(made, "created_branch", false));
	assert_true(fx_exists(json_str(made, "path"), "file"));
	create_expect_no_leftovers(fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fx_test(test_W2_new_branch_with_its_base_recorded),
		fx_test(test_W2_base_is_a_branch_tag_or_commit),
		fx_test(test_W2_detached_head_is_a_base),
		fx_test(test_W2_lock_names_boot_pid_and_start),
		fx_test(test_W8_existing_branch_is_taken_over),
		fx_test(test_W8_failure_keeps_a_branch_that_was_there),
		fx_test(test_W8_worktree_of_the_branch_is_adopted_as_it_is),
		fx_test(test_W8_a_lock_of_somebody_else_stays),
		fx_test(test_W8_branch_of_the_main_worktree_is_refused),
		fx_test(test_W8_branch_of_a_worktree_that_is_gone),
		fx_test(test_W8_branch_in_a_rebase_is_refused),
		fx_test(test_taken_path_gets_a_hash),
		fx_test(test_path_that_the_user_gave),
		fx_test(test_odd_names_are_refused_or_work),
		fx_test(test_base_that_is_not_there),
		fx_test(test_no_commit_yet),
		fx_test(test_bare_repository_needs_a_base),
		fx_test(test_room_is_checked_first),
		fx_test(test_sparse),
		fx_test(test_W1_hook_runs_as_in_the_users_own_checkout),
		fx_test(test_W1_filters_and_submodules_come_along),
		fx_test(test_W1_failure_leaves_nothing),
		fx_test(test_W1_branch_that_moved_is_not_deleted),
		fx_test(test_W1_thirty_two_concurrent_creations),
		fx_test(test_W1_beside_worktrees_made_by_hand),
		fx_test(test_W1_lock_outlives_killed_worker),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

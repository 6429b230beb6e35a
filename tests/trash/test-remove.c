/* Removal into the trash: what it must never touch, and what makes it turn back (W5, W6, W8). */
#include "fixture.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "os/file.h"
#include "repo/remove.h"
#include "repo/restore.h"
#include "repo/trash.h"

/* At the point of that name, once, `inject` runs. */
static const char *inject_at;
static void (*inject)(void);

static void at_point(const char *name)
{
	if (!inject_at || strcmp(name, inject_at) != 0)
		return;
	inject_at = NULL;
	inject();
}

static void inject_once(const char *name, void (*what)(void))
{
	inject_at = name;
	inject = what;
	trash_test_point = at_point;
}

static int tear_down(void **state)
{
	trash_test_point = NULL;
	inject_at = NULL;
	return fixture_tear_down(state);
}

#define REMOVE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, tear_down)

/* Ids and kinds of all objects of the repository, a line each. */
static char *all_objects(void)
{
	return fixture_output("repo", "git", "cat-file", "--batch-all-objects",
			      "--batch-check=%(objectname) %(objecttype)", NULL);
}

static void test_W5_uncommitted_contents_never_enter_objects(void **state)
{
	(void)state;
	fixture_append("wt/a.txt", "TOP SECRET unstaged\n");
	fixture_write("wt/untracked.txt", "TOP SECRET untracked\n");
	fixture_write("wt/.env", "TOP SECRET ignored\n");
	fixture_run("wt", "git", "init", "-q", "nested", NULL);
	fixture_write("wt/nested/x", "TOP SECRET nested\n");
	fixture_write("wt/staged.txt", "staged\n");
	fixture_run("wt", "git", "add", "staged.txt", NULL);
	autofree char *before = all_objects();
	json_auto_t *args = fixture_args("trash-w5");
	fixture_waive_all(args);
	json_object_set_new(args, "delete_branch", json_true());
	json_auto_t *answer = fixture_call(repo_remove, args);
	assert_true(json_bool(answer, "removed", false));
	autofree char *after = all_objects(), *rest = xstrdup(after);
	size_t added = 0;
	char *walk = rest;
	for (char *line = strsep(&walk, "\n"); line; line = strsep(&walk, "\n")) {
		if (strstr(before, line))
			continue;
		added++;
		/* The commit that keeps, and its tree, which names only what was there. */
		assert_true(strstr(line, " commit") || strstr(line, " tree"));
	}
	assert_true(added <= 2);
	/* A mirror push would take all refs: even then nothing of it gets out. */
	fixture_run(".", "git", "init", "-q", "--bare", "mirror", NULL);
	fixture_run("repo", "git", "push", "-q", "--mirror", "../mirror", NULL);
	autofree char *pushed = fixture_output("mirror", "git", "cat-file", "--batch-all-objects", "--batch",
					       "--buffer", NULL);
	assert_null(strstr(pushed, "TOP SECRET"));
}

static void test_W5_the_trash_is_private_and_hidden(void **state)
{
	(void)state;
	/* A worktree that lies in another repository's folder. */
	fixture_run(".", "git", "init", "-q", NULL);
	json_auto_t *args = fixture_args("trash-w5");
	json_auto_t *answer = fixture_call(repo_remove, args);
	assert_true(json_bool(answer, "removed", false));
	struct stat st;
	assert_int_equal(lstat(fx.trash, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	autofree char *status =
		fixture_output(".", "git", "status", "--porcelain", "--", ".coppice-trash", NULL);
	assert_string_equal(status, "");
}

static void test_W5_the_given_trash_folder_is_used_on_the_same_file_system(void **state)
{
	(void)state;
	autofree char *wish = path_join(fx.home, "elsewhere/trash");
	json_auto_t *args = fixture_args("trash-w5");
	json_object_set_new(args, "trash_dir", json_string(wish));
	json_auto_t *answer = fixture_call(repo_remove, args);
	assert_true(fixture_exists("elsewhere/trash/trash-w5/tree/a.txt"));
	assert_false(fixture_exists(".coppice-trash"));
	json_auto_t *trash = fixture_trash_args(answer);
	json_decref(fixture_call(repo_restore, trash));
	/* Another file system cannot take it by rename: its sibling folder does. */
	json_object_set_new(args, "trash_dir", json_string("/proc/trash"));
	json_auto_t *other = fixture_call(repo_remove, args);
	assert_true(json_bool(other, "removed", false));
	assert_true(fixture_exists(".coppice-trash/trash-w5/tree/a.txt"));
}

static void late_file(void)
{
	fixture_write(".coppice-trash/trash-w6/tree/late.txt", "late\n");
}

static void late_change(void)
{
	fixture_append(".coppice-trash/trash-w6/tree/a.txt", "late\n");
}

static void late_secret(void)
{
	fixture_write(".coppice-trash/trash-w6/tree/.env", "late\n");
}

static void late_commit(void)
{
	fixture_run("repo", "git", "commit", "-q", "--allow-empty", "-m", "late", NULL);
	fixture_run("repo", "git", "update-ref", "refs/heads/feat", "main", NULL);
}

static void late_lock(void)
{
	fixture_write("repo/.git/coppice-trash/trash-w6/locked", "mine now\n");
}

static void late_operation(void)
{
	fixture_write("repo/.git/coppice-trash/trash-w6/MERGE_HEAD", "\n");
}

static void late_stash(void)
{
	autofree char *commit = fixture_output("repo", "git", "commit-tree", "main^{tree}", "-p", "main",
					       "-p", "main", "-m", "x", NULL);
	fixture_run("repo", "git", "stash", "store", "-m", "On feat: late", commit, NULL);
}

static void late_target(void)
{
	fixture_run("repo", "git", "commit", "-q", "--allow-empty", "-m", "late", NULL);
}

static void late_target_back(void)
{
	fixture_run("repo", "git", "reset", "-q", "--hard", "HEAD~1", NULL);
}

static pid_t late_pid;

static void late_process(void)
{
	late_pid = fixture_start_in(".coppice-trash/trash-w6/tree/sub");
}

static void test_W6_change_after_rename_renames_back(void **state)
{
	static const struct {
		void (*change)(void);
		const char *reason;
		const char *file; /* that is there afterwards, or NULL */
	} cases[] = {
		{late_file, "files changed", "wt/late.txt"},
		{late_change, "files changed", NULL},
		{late_secret, "files changed", "wt/.env"},
		{late_commit, "HEAD moved", NULL},
		{late_lock, "lock: locked: mine now", "repo/.git/worktrees/wt/locked"},
		{late_operation, "operation: a merge", "repo/.git/worktrees/wt/MERGE_HEAD"},
		{late_stash, "its stashes changed", NULL},
		{late_process, "process: process ", NULL},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *link = fixture_read("wt/.git");
		json_auto_t *args = fixture_args("trash-w6");
		inject_once("tree moved", cases[i].change);
		json_auto_t *answer = fixture_call(repo_remove, args);
		const char *reason = json_str(answer, "reason");
		assert_null(inject_at);
		assert_false(json_bool(answer, "removed", true));
		if (!strstr(reason, "it changed while it was removed: ") || !strstr(reason, cases[i].reason))
			fail_msg("case %zu: %s", i, reason);
		assert_true(!cases[i].file || fixture_exists(cases[i].file));
		autofree char *now = fixture_read("wt/.git");
		assert_string_equal(now, link);
		fixture_run("wt", "git", "status", NULL);
		assert_false(fixture_exists(".coppice-trash"));
		assert_false(fixture_exists("repo/.git/coppice-trash"));
		autofree char *refs = fixture_output("repo", "git", "for-each-ref", "refs/coppice", NULL);
		assert_string_equal(refs, "");
		if (late_pid)
			fixture_stop(late_pid);
		late_pid = 0;
		tear_down(state);
		fixture_set_up(state);
	}
}

static void test_W6_without_change_nothing_turns_back(void **state)
{
	(void)state;
	json_auto_t *args = fixture_args("trash-w6");
	/* Waived facts that stay as they are do not count as a change. */
	late_pid = fixture_start_in("wt");
	fixture_write("wt/.env", "x\n");
	json_object_set_new(args, "waive", json_pack("[s, s]", "process", "ignored"));
	json_auto_t *answer = fixture_call(repo_remove, args);
	fixture_stop(late_pid);
	late_pid = 0;
	assert_true(json_bool(answer, "removed", false));
	assert_true(fixture_exists(".coppice-trash/trash-w6/tree/.env"));
}

static void take_place(void)
{
	fixture_write("wt/new/file.txt", "somebody else's\n");
	late_file();
}

static void test_W6_what_took_the_place_is_left_alone(void **state)
{
	(void)state;
	json_auto_t *args = fixture_args("trash-w6");
	inject_once("tree moved", take_place);
	json_auto_t *answer = fixture_call(repo_remove, args);
	/* It cannot go back, so it stays in the trash, whole; the branch too stays. */
	assert_true(json_bool(answer, "removed", false));
	assert_false(json_bool(answer, "branch_deleted", true));
	assert_non_null(strstr(json_str(answer, "reason"), "something else is at"));
	assert_true(fixture_exists("wt/new/file.txt"));
	assert_true(fixture_exists(".coppice-trash/trash-w6/tree/late.txt"));
	json_auto_t *trash = fixture_trash_args(answer);
	autoerror err = {0};
	json_t *ret = NULL;
	assert_int_equal(repo_restore(trash, &ret, &err), ERR_EXISTS);
	fixture_remove_tree("wt");
	json_decref(fixture_call(repo_restore, trash));
	assert_true(fixture_exists("wt/late.txt"));
	fixture_run("wt", "git", "status", NULL);
}

/* A train that lands meanwhile is no change of the worktree; that its branch is not landed any more is. */
static void test_W6_the_target_may_move_on(void **state)
{
	(void)state;
	fixture_run("repo", "git", "merge", "-q", "--squash", "feat", NULL);
	fixture_run("repo", "git", "commit", "-q", "-m", "feat, squashed", NULL);
	json_auto_t *args = fixture_args("trash-w6");
	json_object_set_new(args, "delete_branch", json_true());
	inject_once("tree moved", late_target_back);
	json_auto_t *kept = fixture_call(repo_remove, args);
	assert_false(json_bool(kept, "removed", true));
	assert_non_null(strstr(json_str(kept, "reason"), "landed: "));
	fixture_run("repo", "git", "reset", "-q", "--hard", "ORIG_HEAD", NULL);
	inject_once("tree moved", late_target);
	json_auto_t *removed = fixture_call(repo_remove, args);
	assert_true(json_bool(removed, "removed", false));
	assert_true(json_bool(removed, "branch_deleted", false));
}

static void move_branch(void)
{
	fixture_run("repo", "git", "update-ref", "refs/heads/feat", "main", NULL);
}

static void test_W6_branch_deletion_is_compare_and_swap(void **state)
{
	(void)state;
	json_auto_t *args = fixture_args("trash-w6");
	json_object_set_new(args, "delete_branch", json_true());
	json_object_set_new(args, "waive", json_pack("[s]", "landed"));
	inject_once("reflog kept", move_branch);
	json_auto_t *answer = fixture_call(repo_remove, args);
	assert_null(inject_at);
	assert_true(json_bool(answer, "removed", false));
	assert_false(json_bool(answer, "branch_deleted", true));
	assert_non_null(strstr(json_str(answer, "reason"), "moved meanwhile"));
	fixture_run("repo", "git", "rev-parse", "--verify", "-q", "refs/heads/feat", NULL);
}

static void test_W6_only_its_own_entry_is_pruned(void **state)
{
	(void)state;
	/* One whose folder is away for a while, as on a stick, and one that is in use. */
	fixture_run("repo", "git", "worktree", "add", "-q", "-b", "away", "../away", NULL);
	fixture_run("repo", "git", "worktree", "add", "-q", "-b", "used", "../used", NULL);
	assert_int_equal(rename("away", "stick"), 0);
	autodiffer *away = fixture_record("repo/.git/worktrees/away"),
		   *used = fixture_record("repo/.git/worktrees/used");
	json_auto_t *args = fixture_args("trash-w6");
	json_decref(fixture_call(repo_remove, args));
	assert_false(fixture_exists("repo/.git/worktrees/wt"));
	fixture_same_tree(away, "repo/.git/worktrees/away", DIFFER_DIR_MTIME);
	fixture_same_tree(used, "repo/.git/worktrees/used", DIFFER_DIR_MTIME);
	autofree char *list = fixture_output("repo", "git", "worktree", "list", "--porcelain", NULL);
	assert_null(strstr(list, "refs/heads/feat"));
	assert_non_null(strstr(list, "refs/heads/away"));
}

static void swap_for_symlink(void)
{
	assert_int_equal(rename("wt", "mine"), 0);
	assert_int_equal(symlink("mine", "wt"), 0);
}

static void swap_for_folder(void)
{
	assert_int_equal(rename("wt", "mine"), 0);
	fixture_write("wt/precious.txt", "p\n");
}

static void make_trash_symlink(void)
{
	fixture_write("mine/x", "x\n");
	assert_int_equal(chmod("mine", 0700), 0);
	assert_int_equal(symlink("mine", ".coppice-trash"), 0);
}

/* What is swapped in at the last moment is not moved, let alone removed. */
static void test_W6_never_through_a_symlink(void **state)
{
	static const struct {
		const char *point;
		void (*swap)(void);
	} cases[] = {
		{"admin moved", swap_for_symlink},
		{"admin moved", swap_for_folder},
		{"looked", make_trash_symlink},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_auto_t *args = fixture_args("trash-w6");
		autoerror err = {0};
		json_t *ret = NULL;
		inject_once(cases[i].point, cases[i].swap);
		assert_int_not_equal(repo_remove(args, &ret, &err), 0);
		assert_null(inject_at);
		assert_true(fixture_exists("mine"));
		assert_true(fixture_exists(i == 1 ? "wt/precious.txt" : "wt"));
		assert_true(fixture_exists(i == 2 ? "wt/a.txt" : "mine/a.txt"));
		assert_true(fixture_exists("repo/.git/worktrees/wt/HEAD"));
		assert_false(fixture_exists("repo/.git/coppice-trash/trash-w6"));
		tear_down(state);
		fixture_set_up(state);
	}
}

/* Runs in a mount namespace of its own; the exit code is the number of the line that failed. */
static int remove_with_mounts(void)
{
	autoerror err = {0};
	json_t *ret = NULL;
#define REQUIRE(condition)                                                                                   \
	if (!(condition))                                                                                    \
	return __LINE__ & 0x7f
	json_auto_t *args = fixture_args("trash-w6");
	REQUIRE(mkdir("wt/node_modules", 0755) == 0);
	REQUIRE(mount("repo", "wt/node_modules", NULL, MS_BIND, NULL) == 0);
	json_object_set_new(args, "disposable", json_pack("[s]", "node_modules"));
	REQUIRE(repo_remove(args, &ret, &err) == 0 && !json_bool(ret, "removed", true));
	REQUIRE(strstr(json_str(ret, "reason"), "wt/node_modules is a mount point"));
	REQUIRE(umount("wt/node_modules") == 0);
	/* The worktree itself: a rename would fail, but it does not come to that. */
	REQUIRE(mount("wt", "wt", NULL, MS_BIND, NULL) == 0);
	REQUIRE(repo_remove(args, &ret, &err) == 0 && !json_bool(ret, "removed", true));
	REQUIRE(strstr(json_str(ret, "reason"), "is a mount point"));
	REQUIRE(umount("wt") == 0);
	REQUIRE(repo_remove(args, &ret, &err) == 0 && json_bool(ret, "removed", false));
	/* Final deletion: nothing is lost of either side. */
	json_auto_t *trash = fixture_trash_args(ret);
	REQUIRE(mount("repo", ".coppice-trash/trash-w6/tree/node_modules", NULL, MS_BIND, NULL) == 0);
	REQUIRE(repo_purge(trash, &ret, &err) == ERR_REFUSED);
	REQUIRE(fixture_exists("repo/a.txt") && fixture_exists(".coppice-trash/trash-w6/tree/a.txt"));
	REQUIRE(umount(".coppice-trash/trash-w6/tree/node_modules") == 0);
	REQUIRE(repo_purge(trash, &ret, &err) == 0);
	REQUIRE(fixture_exists("repo/a.txt") && !fixture_exists(".coppice-trash"));
#undef REQUIRE
	return 0;
}

static void test_W6_never_through_a_mount(void **state)
{
	(void)state;
	enum { CANNOT = 255 };
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if ((unshare(CLONE_NEWNS) && unshare(CLONE_NEWUSER | CLONE_NEWNS)) ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
			_exit(CANNOT);
		_exit(remove_with_mounts());
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == CANNOT)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void conflict_with(const char *command)
{
	fixture_write("repo/a.txt", "theirs\n");
	fixture_run("repo", "git", "commit", "-qam", "theirs", NULL);
	fixture_write("wt/a.txt", "ours\n");
	fixture_run("wt", "git", "commit", "-qam", "ours", NULL);
	(void)fixture_try("wt", "git", command, "main", NULL); /* stops at the conflict */
}

/* An operation that somebody has begun is kept as it is; and where a person waives that, it comes back
 * so whole that it can be gone on with. */
static void test_W8_operations_are_left_as_they_are(void **state)
{
	static const char *const operations[] = {"rebase", "merge", "cherry-pick"};
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
		conflict_with(operations[i]);
		autodiffer *home = fixture_record(fx.home), *admin = fixture_record(fx.admin);
		json_auto_t *args = fixture_args("trash-w8");
		json_auto_t *kept = fixture_call(repo_remove, args);
		assert_false(json_bool(kept, "removed", true));
		fixture_same_tree(home, fx.home, DIFFER_DIR_MTIME);
		fixture_waive_all(args);
		json_auto_t *removed = fixture_call(repo_remove, args), *trash = fixture_trash_args(removed);
		assert_true(json_bool(removed, "removed", false));
		json_decref(fixture_call(repo_restore, trash));
		fixture_same_tree(admin, fx.admin, DIFFER_DIR_MTIME);
		fixture_write("wt/a.txt", "both\n");
		fixture_run("wt", "git", "add", "a.txt", NULL);
		fixture_run("wt", "git", operations[i], "--continue", NULL);
		tear_down(state);
		fixture_set_up(state);
	}
}

static void test_W8_a_branch_is_deleted_only_when_named(void **state)
{
	(void)state;
	fixture_run("repo", "git", "merge", "-q", "feat", NULL); /* landed */
	json_auto_t *args = fixture_args("trash-w8");
	json_auto_t *answer = fixture_call(repo_remove, args);
	assert_true(json_bool(answer, "removed", false));
	assert_false(json_bool(answer, "branch_deleted", true));
	fixture_run("repo", "git", "rev-parse", "--verify", "-q", "refs/heads/feat", NULL);
}

static void test_W8_branches_of_others_are_not_deleted(void **state)
{
	(void)state;
	json_auto_t *args = fixture_args("trash-w8");
	json_object_set_new(args, "delete_branch", json_true());
	fixture_waive_all(args);
	/* The target itself. */
	json_object_set_new(args, "target", json_string("feat"));
	json_auto_t *target = fixture_call(repo_remove, args);
	assert_non_null(strstr(json_str(target, "reason"), "is the target branch"));
	json_object_set_new(args, "target", json_string("main"));
	/* One that another worktree has checked out too. */
	fixture_run("repo", "git", "worktree", "add", "-q", "--force", "../twin", "feat", NULL);
	json_auto_t *twin = fixture_call(repo_remove, args);
	assert_non_null(strstr(json_str(twin, "reason"), "is in use by"));
	/* One that another worktree rebases. */
	fixture_write("repo/.git/worktrees/twin/rebase-merge/head-name", "refs/heads/feat\n");
	fixture_run("twin", "git", "checkout", "-q", "--detach", NULL);
	json_auto_t *rebased = fixture_call(repo_remove, args);
	assert_non_null(strstr(json_str(rebased, "reason"), "is in use by"));
	assert_true(fixture_exists("wt/a.txt"));
	fixture_remove_tree("repo/.git/worktrees/twin/rebase-merge");
	json_auto_t *removed = fixture_call(repo_remove, args);
	assert_true(json_bool(removed, "branch_deleted", false));
}

static void test_W8_a_branch_that_has_not_landed_stays(void **state)
{
	(void)state;
	json_auto_t *args = fixture_args("trash-w8");
	json_object_set_new(args, "delete_branch", json_true());
	json_auto_t *kept = fixture_call(repo_remove, args);
	assert_false(json_bool(kept, "removed", true));
	assert_non_null(strstr(json_str(kept, "reason"), "landed: main lacks"));
	assert_true(fixture_exists("wt"));
	json_object_set_new(args, "waive", json_pack("[s]", "landed"));
	json_auto_t *removed = fixture_call(repo_remove, args);
	assert_true(json_bool(removed, "branch_deleted", false));
	assert_int_not_equal(
		fixture_try("repo", "git", "rev-parse", "--verify", "-q", "refs/heads/feat", NULL), 0);
}

static void test_bad_arguments_are_refused(void **state)
{
	(void)state;
	static const char *const ids[] = {"", "../x", "a/b", "UP", "-x", "a.b"};
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		json_auto_t *args = fixture_args(ids[i]);
		assert_int_equal(repo_remove(args, NULL, NULL), ERR_INVALID);
	}
	json_auto_t *args = fixture_args("trash-x");
	json_object_set_new(args, "path", json_string("wt"));
	assert_int_equal(repo_remove(args, NULL, NULL), ERR_INVALID);
	assert_true(fixture_exists("wt/a.txt"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		REMOVE_TEST(test_W5_uncommitted_contents_never_enter_objects),
		REMOVE_TEST(test_W5_the_trash_is_private_and_hidden),
		REMOVE_TEST(test_W5_the_given_trash_folder_is_used_on_the_same_file_system),
		REMOVE_TEST(test_W6_change_after_rename_renames_back),
		REMOVE_TEST(test_W6_without_change_nothing_turns_back),
		REMOVE_TEST(test_W6_what_took_the_place_is_left_alone),
		REMOVE_TEST(test_W6_the_target_may_move_on),
		REMOVE_TEST(test_W6_branch_deletion_is_compare_and_swap),
		REMOVE_TEST(test_W6_only_its_own_entry_is_pruned),
		REMOVE_TEST(test_W6_never_through_a_symlink),
		REMOVE_TEST(test_W6_never_through_a_mount),
		REMOVE_TEST(test_W8_operations_are_left_as_they_are),
		REMOVE_TEST(test_W8_a_branch_is_deleted_only_when_named),
		REMOVE_TEST(test_W8_branches_of_others_are_not_deleted),
		REMOVE_TEST(test_W8_a_branch_that_has_not_landed_stays),
		REMOVE_TEST(test_bad_arguments_are_refused),
	};
	return cmocka_run_group_tests(tests, fixture_group_set_up, fixture_group_tear_down);
}

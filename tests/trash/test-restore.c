/* Restoration: everything is as it was (W5), or nothing happened. */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/json.h"
#include "os/file.h"
#include "repo/remove.h"
#include "repo/restore.h"
#include "repo/trash.h"

static void make_socket(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	memcpy(addr.sun_path, path, strlen(path) + 1);
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
}

static void make_old(const char *path)
{
	const struct timespec times[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000, .tv_nsec = 7}};
	assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

/* Everything that a folder can hold and git does not: modes, links, special files, other repositories. */
static void make_odd_files(void)
{
	fixture_write("wt/run.sh", "#!/bin/sh\n");
	assert_int_equal(chmod("wt/run.sh", 0755), 0);
	fixture_write("wt/read-only", "r\n");
	assert_int_equal(chmod("wt/read-only", 0444), 0);
	fixture_write("wt/.env", "TOKEN=secret\n");
	assert_int_equal(chmod("wt/.env", 0600), 0);
	fixture_write("wt/crlf.txt", "one\r\ntwo\r\n");
	make_old("wt/crlf.txt");
	assert_int_equal(symlink("nowhere/at/all", "wt/dangling"), 0);
	assert_int_equal(symlink("a.txt", "wt/link"), 0);
	make_old("wt/link");
	assert_int_equal(link("wt/.env", "wt/build.key"), 0);
	assert_int_equal(mkdir("wt/empty", 0700), 0);
	assert_int_equal(mkdir("wt/empty/inner", 0750), 0);
	assert_int_equal(mkfifo("wt/fifo", 0640), 0);
	make_socket("wt/socket");
	(void)setxattr("wt/run.sh", "user.mark", "m", 1, 0); /* where the file system has them */
	fixture_run("wt", "git", "init", "-q", "nested", NULL);
	fixture_write("wt/nested/n.txt", "n\n");
	fixture_run("wt/nested", "git", "add", ".", NULL);
	fixture_run("wt/nested", "git", "commit", "-qm", "nested", NULL);
	fixture_write("wt/nested/n.txt", "changed\n");
	fixture_write("wt/build/odd \n\x1b[31m\xff name", "o\n");
}

/* A stash, staged and unstaged changes, and a conflict with its three stages in the index. */
static void make_git_state(void)
{
	fixture_run("repo", "git", "config", "branch.feat.remote", "origin", NULL);
	fixture_run("repo", "git", "config", "branch.feat.merge", "refs/heads/feat", NULL);
	fixture_append("wt/sub/b.txt", "stashed\n");
	fixture_run("wt", "git", "stash", "push", "-q", "-m", "for later", NULL);
	fixture_write("repo/a.txt", "theirs\n");
	fixture_run("repo", "git", "commit", "-qam", "theirs", NULL);
	fixture_write("wt/a.txt", "ours\n");
	fixture_run("wt", "git", "commit", "-qam", "ours", NULL);
	fixture_run("wt", "git", "commit", "-q", "--amend", "-m", "ours, amended", NULL);
	assert_int_equal(fixture_try("wt", "git", "merge", "main", NULL), 1);
	fixture_write("wt/staged.txt", "staged only\n");
	fixture_run("wt", "git", "add", "staged.txt", NULL);
	fixture_write("wt/staged.txt", "and changed since\n");
}

static const char *const *const questions[] = {
	(const char *const[]){"status", "--porcelain=v2", "--branch", "--ignored", NULL},
	(const char *const[]){"ls-files", "--stage", "--debug", NULL},
	(const char *const[]){"stash", "list", NULL},
	(const char *const[]){"log", "-g", "--format=%H %gs", "HEAD", NULL},
	(const char *const[]){"log", "-g", "--format=%H %gs", "feat", NULL},
	(const char *const[]){"diff", NULL},
	(const char *const[]){"diff", "--cached", NULL},
	(const char *const[]){"worktree", "list", "--porcelain", NULL},
	(const char *const[]){"config", "--get-regexp", "^branch\\.", NULL},
	(const char *const[]){"show", ":1:a.txt", ":2:a.txt", ":3:a.txt", ":staged.txt", NULL},
};

/* What git says of the worktree; a string for each question, freed by the caller. */
static void ask_git(char *answers[ARRAY_SIZE(questions)])
{
	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		const char *const *q = questions[i];
		size_t n = 0;
		while (q[n])
			n++;
		answers[i] =
			fixture_output("wt", "git", "--no-optional-locks", q[0], n > 1 ? q[1] : NULL,
				       n > 2 ? q[2] : NULL, n > 3 ? q[3] : NULL, n > 4 ? q[4] : NULL, NULL);
	}
}

static void collect_garbage(void)
{
	fixture_run("repo", "git", "-c", "gc.reflogExpire=now", "-c", "gc.reflogExpireUnreachable=now", "gc",
		    "-q", "--prune=now", NULL);
}

static json_t *remove_with_branch(const char *id)
{
	json_auto_t *args = fixture_args(id);
	fixture_waive_all(args);
	json_object_set_new(args, "delete_branch", json_true());
	json_t *removed = fixture_call(repo_remove, args);
	assert_true(json_bool(removed, "removed", false));
	assert_true(json_bool(removed, "branch_deleted", false));
	return removed;
}

static void test_W5_restore_is_exact(void **state)
{
	(void)state;
	make_odd_files();
	make_git_state();
	char *before[ARRAY_SIZE(questions)], *after[ARRAY_SIZE(questions)];
	ask_git(before);
	autofree char *log = fixture_read("repo/.git/logs/refs/heads/feat");
	autodiffer *tree = fixture_record(fx.wt), *admin = fixture_record(fx.admin);
	json_auto_t *removed = remove_with_branch("trash-w5");
	assert_false(fixture_exists("wt"));
	assert_false(fixture_exists("repo/.git/worktrees/wt"));
	assert_int_not_equal(fixture_try("repo", "git", "config", "--get-regexp", "^branch\\.", NULL), 0);
	/* The stash goes too: its commit is the worktree's to keep. */
	autofree char *stash = fixture_output("repo", "git", "rev-parse", "stash@{0}", NULL);
	collect_garbage();
	json_auto_t *args = fixture_trash_args(removed);
	json_auto_t *answer = fixture_call(repo_restore, args);
	assert_string_equal(json_str(answer, "branch"), "feat");
	assert_string_equal(json_str(answer, "path"), fx.wt);
	assert_string_equal(json_str(answer, "git_dir"), fx.admin);
	fixture_same_tree(tree, fx.wt, DIFFER_DIR_MTIME);
	fixture_same_tree(admin, fx.admin, DIFFER_DIR_MTIME);
	ask_git(after);
	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		assert_string_equal(after[i], before[i]);
		free(before[i]);
		free(after[i]);
	}
	autofree char *log_now = fixture_read("repo/.git/logs/refs/heads/feat");
	assert_string_equal(log_now, log);
	fixture_run("repo", "git", "cat-file", "-e", stash, NULL);
	fixture_run("repo", "git", "fsck", "--strict", NULL);
	/* Nothing of the trash is left. */
	assert_false(fixture_exists(".coppice-trash"));
	assert_false(fixture_exists("repo/.git/coppice-trash"));
	autofree char *refs = fixture_output("repo", "git", "for-each-ref", "refs/coppice", NULL);
	assert_string_equal(refs, "");
}

static void test_W5_stash_objects_are_kept(void **state)
{
	(void)state;
	fixture_append("wt/a.txt", "stashed\n");
	fixture_run("wt", "git", "stash", "-q", NULL);
	autofree char *stash = fixture_output("wt", "git", "rev-parse", "stash@{0}", NULL);
	json_auto_t *removed = remove_with_branch("trash-w5");
	fixture_run("repo", "git", "stash", "clear", NULL);
	collect_garbage();
	fixture_run("repo", "git", "cat-file", "-e", stash, NULL);
	json_auto_t *args = fixture_trash_args(removed);
	json_decref(fixture_call(repo_restore, args));
	collect_garbage();
	/* Once it is back, the ref that kept it is gone, as without Coppice. */
	assert_int_not_equal(fixture_try("repo", "git", "cat-file", "-e", stash, NULL), 0);
}

static void test_W5_detached_and_unborn_heads_come_back(void **state)
{
	for (int unborn = 0; unborn < 2; unborn++) {
		if (unborn) {
			fixture_run("wt", "git", "checkout", "-q", "--orphan", "fresh", NULL);
		} else {
			fixture_run("wt", "git", "checkout", "-q", "--detach", NULL);
			fixture_run("wt", "git", "commit", "-q", "--allow-empty", "-m", "alone", NULL);
			fixture_run("wt", "git", "commit", "-q", "--amend", "--allow-empty", "-m", "amended",
				    NULL);
		}
		autodiffer *tree = fixture_record(fx.wt), *admin = fixture_record(fx.admin);
		json_auto_t *args = fixture_args("trash-w5");
		json_object_set_new(args, "branch", json_null());
		fixture_waive_all(args);
		json_auto_t *removed = fixture_call(repo_remove, args);
		assert_true(json_bool(removed, "removed", false));
		collect_garbage();
		json_auto_t *trash = fixture_trash_args(removed);
		json_decref(fixture_call(repo_restore, trash));
		fixture_same_tree(tree, fx.wt, DIFFER_DIR_MTIME);
		fixture_same_tree(admin, fx.admin, DIFFER_DIR_MTIME);
		fixture_run("wt", "git", "write-tree", NULL);
		/* The reflog leads to what was amended. */
		if (!unborn)
			fixture_run("wt", "git", "cat-file", "-e", "HEAD@{1}", NULL);
		fixture_tear_down(state);
		fixture_set_up(state);
	}
}

static void test_W5_restore_to_another_path(void **state)
{
	(void)state;
	fixture_append("wt/a.txt", "changed\n");
	json_auto_t *removed = remove_with_branch("trash-w5");
	/* The old path is taken, and so is the name of the admin folder, by a worktree of today. */
	fixture_run("repo", "git", "worktree", "add", "-q", "-b", "today", "../wt", NULL);
	json_auto_t *args = fixture_trash_args(removed);
	json_object_set_new(args, "path", json_string("there"));
	assert_int_equal(repo_restore(args, NULL, NULL), ERR_INVALID);
	autofree char *there = path_join(fx.home, "there");
	json_object_set_new(args, "path", json_string(there));
	json_auto_t *answer = fixture_call(repo_restore, args);
	assert_string_equal(json_str(answer, "path"), there);
	assert_string_not_equal(json_str(answer, "git_dir"), fx.admin);
	autofree char *branch = fixture_output("there", "git", "branch", "--show-current", NULL);
	assert_string_equal(branch, "feat");
	autofree char *status = fixture_output("there", "git", "status", "--porcelain", NULL);
	assert_string_equal(status, " M a.txt");
	autofree char *today = fixture_output("wt", "git", "branch", "--show-current", NULL);
	assert_string_equal(today, "today");
	fixture_run("repo", "git", "worktree", "prune", NULL);
	fixture_run("there", "git", "status", NULL);
}

static void take_path(void)
{
	fixture_write("wt/x", "x\n");
}

static void take_path_by_symlink(void)
{
	assert_int_equal(symlink("repo", "wt"), 0);
}

static void take_branch(void)
{
	fixture_run("repo", "git", "branch", "feat", "main", NULL);
}

static char *tip;

static void use_branch(void)
{
	fixture_run("repo", "git", "branch", "feat", tip, NULL);
	fixture_run("repo", "git", "worktree", "add", "-q", "-f", "../other", "feat", NULL);
}

static void take_name_above(void)
{
	fixture_run("repo", "git", "update-ref", "refs/heads/feat/sub", "main", NULL);
}

static void test_W5_restore_refuses_what_is_taken(void **state)
{
	static const struct {
		void (*take)(void);
		const char *says;
	} cases[] = {
		{take_path, "is taken"},
		{take_path_by_symlink, "is taken"},
		{take_branch, "at another commit"},
		{use_branch, "is in use by"},
		{take_name_above, "could not be created again"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autodiffer *tree = fixture_record(fx.wt), *admin = fixture_record(fx.admin);
		tip = fixture_output("wt", "git", "rev-parse", "HEAD", NULL);
		json_auto_t *removed = remove_with_branch("trash-w5");
		cases[i].take();
		free(TAKE_PTR(tip));
		json_auto_t *args = fixture_trash_args(removed);
		autoerror err = {0};
		json_t *ret = NULL;
		int r = repo_restore(args, &ret, &err);
		if (r != ERR_EXISTS || !strstr(err.message, cases[i].says))
			fail_msg("case %zu: %d, %s", i, r, err.message ? err.message : "no message");
		assert_non_null(err.hint);
		fixture_same_tree(tree, ".coppice-trash/trash-w5/tree", DIFFER_DIR_MTIME);
		fixture_same_tree(admin, "repo/.git/coppice-trash/trash-w5", DIFFER_DIR_MTIME);
		/* And it can be had again once the way is free. */
		if (strcmp(cases[i].says, "is taken") == 0) {
			fixture_remove_tree("wt");
			json_decref(fixture_call(repo_restore, args));
			fixture_same_tree(tree, fx.wt, DIFFER_DIR_MTIME);
		}
		fixture_tear_down(state);
		fixture_set_up(state);
	}
}

static void test_W5_a_branch_that_the_user_deleted_comes_back(void **state)
{
	(void)state;
	json_auto_t *args = fixture_args("trash-w5");
	json_auto_t *removed = fixture_call(repo_remove, args);
	autofree char *was = fixture_output("repo", "git", "rev-parse", "feat", NULL);
	fixture_run("repo", "git", "branch", "-q", "-D", "feat", NULL);
	collect_garbage();
	json_auto_t *trash = fixture_trash_args(removed);
	json_decref(fixture_call(repo_restore, trash));
	autofree char *now = fixture_output("wt", "git", "rev-parse", "feat", NULL);
	assert_string_equal(now, was);
	autofree char *status = fixture_output("wt", "git", "status", "--porcelain", NULL);
	assert_string_equal(status, "");
}

static void test_W5_purge_is_final_and_touches_nothing_else(void **state)
{
	(void)state;
	make_odd_files();
	make_git_state();
	assert_int_equal(chmod("wt/empty/inner", 0500), 0);
	assert_int_equal(chmod("wt/empty", 0500), 0);
	autofree char *head = fixture_output("wt", "git", "rev-parse", "HEAD", NULL);
	json_auto_t *removed = remove_with_branch("trash-w5");
	json_auto_t *args = fixture_trash_args(removed);
	autodiffer *repo_tree = fixture_record("repo/sub");
	json_decref(fixture_call(repo_purge, args));
	assert_false(fixture_exists(".coppice-trash"));
	assert_false(fixture_exists("repo/.git/coppice-trash"));
	fixture_same_tree(repo_tree, "repo/sub", DIFFER_DIR_MTIME);
	fixture_run("repo", "git", "stash", "clear", NULL);
	collect_garbage();
	assert_int_not_equal(fixture_try("repo", "git", "cat-file", "-e", head, NULL), 0);
	fixture_run("repo", "git", "fsck", "--strict", NULL);
	json_decref(fixture_call(repo_purge, args)); /* nothing left to do */
	json_t *ret = NULL;
	assert_int_equal(repo_restore(args, &ret, NULL), ERR_NOT_FOUND);
}

static void test_W5_retention_never_deletes_what_was_unknown(void **state)
{
	(void)state;
	fixture_run("wt", "git", "update-index", "--assume-unchanged", "a.txt", NULL);
	json_auto_t *args = fixture_args("trash-w5");
	json_object_set_new(args, "waive", json_pack("[s]", "clean"));
	json_auto_t *removed = fixture_call(repo_remove, args);
	assert_true(json_bool(removed, "removed", false));
	json_t *unknown = json_object_get(json_object_get(removed, "trash"), "unknown");
	assert_string_equal(json_string_value(json_array_get(unknown, 0)), "clean");
	json_auto_t *trash = fixture_trash_args(removed);
	json_object_set_new(trash, "retention", json_true());
	json_t *ret = NULL;
	assert_int_equal(repo_purge(trash, &ret, NULL), ERR_REFUSED);
	assert_true(fixture_exists(".coppice-trash/trash-w5/tree/a.txt"));
	json_object_set_new(trash, "retention", json_false());
	json_decref(fixture_call(repo_purge, trash));
	assert_false(fixture_exists(".coppice-trash"));
}

static void test_W5_an_entry_removed_by_hand_is_purged_by_hand(void **state)
{
	(void)state;
	json_auto_t *removed = remove_with_branch("trash-w5");
	json_auto_t *args = fixture_trash_args(removed);
	fixture_remove_tree(".coppice-trash");
	json_t *ret = NULL;
	assert_int_equal(repo_restore(args, &ret, NULL), ERR_NOT_FOUND);
	json_object_set_new(args, "retention", json_true());
	assert_int_equal(repo_purge(args, &ret, NULL), ERR_NOT_FOUND);
	assert_true(fixture_exists("repo/.git/coppice-trash/trash-w5/HEAD"));
	json_object_set_new(args, "retention", json_false());
	json_decref(fixture_call(repo_purge, args));
	assert_false(fixture_exists("repo/.git/coppice-trash"));
	autofree char *refs = fixture_output("repo", "git", "for-each-ref", "refs/coppice", NULL);
	assert_string_equal(refs, "");
}

static void test_W5_only_entries_are_purged(void **state)
{
	(void)state;
	fixture_write("precious/tree/a.txt", "p\n");
	fixture_write("precious/journal.json",
		      "{\"phase\":\"removed\",\"id\":\"precious\",\"common_dir\":\"/elsewhere\","
		      "\"worktree\":\"/x\",\"git_dir\":\"/y\"}");
	autofree char *path = path_join(fx.home, "precious");
	json_auto_t *args =
		json_pack("{s:{s:s}, s:{s:s}}", "repo", "common_dir", fx.common, "trash", "path", path);
	json_t *ret = NULL;
	assert_int_equal(repo_purge(args, &ret, NULL), ERR_INVALID);
	assert_true(fixture_exists("precious/tree/a.txt"));
	assert_int_equal(unlink("precious/journal.json"), 0);
	assert_int_not_equal(repo_purge(args, &ret, NULL), 0);
	assert_true(fixture_exists("precious/tree/a.txt"));
	assert_int_equal(rename("precious/tree", "precious/other"), 0);
	assert_int_equal(repo_purge(args, &ret, NULL), ERR_CONFLICT);
	assert_true(fixture_exists("precious/other/a.txt"));
}

static void test_W5_worktree_with_submodules(void **state)
{
	(void)state;
	fixture_run(".", "git", "init", "-q", "-b", "main", "lib", NULL);
	fixture_run("lib", "git", "commit", "-q", "--allow-empty", "-m", "lib", NULL);
	fixture_run("wt", "git", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../lib",
		    "lib", NULL);
	fixture_run("wt", "git", "commit", "-qm", "with a submodule", NULL);
	json_auto_t *args = fixture_args("trash-w5");
	json_auto_t *kept = fixture_call(repo_remove, args);
	assert_non_null(strstr(json_str(kept, "reason"), "reachable: repositories of its submodules"));
	fixture_write("wt/lib/new", "n\n");
	autodiffer *tree = fixture_record(fx.wt), *admin = fixture_record(fx.admin);
	json_object_set_new(args, "waive", json_pack("[s, s]", "reachable", "clean"));
	json_auto_t *removed = fixture_call(repo_remove, args);
	if (!json_bool(removed, "removed", false))
		fail_msg("%s", json_str(removed, "reason"));
	json_auto_t *trash = fixture_trash_args(removed);
	json_decref(fixture_call(repo_restore, trash));
	fixture_same_tree(tree, fx.wt, DIFFER_DIR_MTIME);
	fixture_same_tree(admin, fx.admin, DIFFER_DIR_MTIME);
	fixture_run("wt/lib", "git", "status", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_W5_restore_is_exact),
		FIXTURE_TEST(test_W5_stash_objects_are_kept),
		FIXTURE_TEST(test_W5_detached_and_unborn_heads_come_back),
		FIXTURE_TEST(test_W5_restore_to_another_path),
		FIXTURE_TEST(test_W5_restore_refuses_what_is_taken),
		FIXTURE_TEST(test_W5_a_branch_that_the_user_deleted_comes_back),
		FIXTURE_TEST(test_W5_purge_is_final_and_touches_nothing_else),
		FIXTURE_TEST(test_W5_retention_never_deletes_what_was_unknown),
		FIXTURE_TEST(test_W5_an_entry_removed_by_hand_is_purged_by_hand),
		FIXTURE_TEST(test_W5_only_entries_are_purged),
		FIXTURE_TEST(test_W5_worktree_with_submodules),
	};
	return cmocka_run_group_tests(tests, fixture_group_set_up, fixture_group_tear_down);
}

/* Tests of moving the target: once, by compare-and-swap, with its checkouts, or refused by file name.
 * Kills are in test-land_kill.c. */
#include "repo/test-land.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "repo/land_move.h"

/* Moves, expecting an answer. Takes the reference. */
static json_t *moved(json_t *args)
{
	json_t *ret = NULL;
	autoerror err = {0};
	if (repo_land_move(args, &ret, &err))
		fail_msg("%s", err.message);
	json_decref(args);
	return ret;
}

static void expect_moved(json_t *args, const char *checkouts)
{
	json_auto_t *ret = moved(args);
	if (!json_is_true(json_object_get(ret, "moved")))
		fail_msg("%s", json_str(ret, "message"));
	assert_line(checkouts, land_joined(json_object_get(ret, "checkouts")));
	assert_int_equal(json_array_size(json_object_get(ret, "left")), 0);
}

/* "file:why …" of a refusal that is expected; nothing may have changed. */
static char *refusal_of(const struct fixture *fx, json_t *args, const char *reason)
{
	autofree char *before = fx_git_line(fx->repo, "rev-parse", "main");
	json_auto_t *ret = moved(args);
	assert_true(json_is_false(json_object_get(ret, "moved")));
	assert_string_equal(json_str(ret, "reason"), reason);
	assert_non_null(json_str(ret, "message"));
	assert_line(before, fx_git_line(fx->repo, "rev-parse", "main"));
	assert_false(fx_exists(fx->common, "index.lock") && strcmp(reason, "busy") != 0);
	assert_false(fx_exists(fx->common, "coppice-land"));
	assert_false(fx_exists(fx->common, "coppice-land.d"));
	autostrbuf text = STRBUF_INIT(1 << 16);
	size_t i;
	json_t *item;
	json_array_foreach(json_object_get(ret, "files"), i, item)
	{
		assert_string_equal(json_str(item, "checkout"), fx->repo);
		const char *file = json_str(item, "file");
		strbuf_addf(&text, "%s%s:%s", i ? " " : "", file ? file : "", json_str(item, "why"));
	}
	return strbuf_detach(&text);
}

/* ---- the ref ---- */

static void test_L2_moved_target_is_stale(void **state)
{
	const struct fixture *fx = *state;
	autofree char *feat = land_branch(fx, "feat", "main");
	fx_commit(feat, "a", "a\n");
	autofree char *built = land_commit_of(fx, "feat");
	json_auto_t *args = move_args(fx, built);
	fx_commit(fx->repo, "b", "b\n");
	autofree char *now = fx_git_line(fx->repo, "rev-parse", "main");
	json_auto_t *ret = moved(json_incref(args));
	assert_true(json_is_false(json_object_get(ret, "moved")));
	assert_string_equal(json_str(ret, "reason"), "stale");
	assert_string_equal(json_str(ret, "now"), now);
	assert_line(now, fx_git_line(fx->repo, "rev-parse", "main"));
	/* Built anew it is on the new target, and lands. */
	autofree char *again = land_commit_of(fx, "feat");
	autofree char *parent = xasprintf("%s^", again);
	assert_line(now, fx_git_line(fx->repo, "rev-parse", parent));
	expect_moved(move_args(fx, again), fx->repo);
	/* The first one is as stale as before. */
	json_auto_t *late = moved(json_incref(args));
	assert_string_equal(json_str(late, "reason"), "stale");
}

static void test_missing_target_and_lost_commit(void **state)
{
	const struct fixture *fx = *state;
	json_auto_t *args = move_args(fx, "0123456789012345678901234567890123456789");
	json_t *ret = NULL;
	autoerror err = {0};
	assert_int_equal(repo_land_move(args, &ret, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.hint, "land again"));
	json_object_set(args, "new", json_object_get(args, "old"));
	json_object_set_new(args, "target", json_string("nobody"));
	json_auto_t *stale = moved(json_incref(args));
	assert_string_equal(json_str(stale, "reason"), "stale");
	assert_true(json_is_null(json_object_get(stale, "now")));
}

static void test_second_run_moves_nothing(void **state)
{
	const struct fixture *fx = *state;
	autofree char *feat = land_branch(fx, "feat", "main");
	fx_commit(feat, "a", "a\n");
	autofree char *built = land_commit_of(fx, "feat");
	json_auto_t *args = move_args(fx, built);
	expect_moved(json_incref(args), fx->repo);
	expect_moved(json_incref(args), fx->repo);
	/* Also when others have landed on top. */
	fx_commit(fx->repo, "b", "b\n");
	autofree char *top = fx_git_line(fx->repo, "rev-parse", "main");
	expect_moved(json_incref(args), fx->repo);
	assert_line(top, fx_git_line(fx->repo, "rev-parse", "main"));
	autofree char *log = fx_read(fx->common, "logs/refs/heads/main");
	const char *first = strstr(log, "coppice: land chg-1");
	assert_non_null(first);
	assert_null(strstr(first + 1, "coppice: land"));
}

static void test_target_can_be_moved_back(void **state)
{
	const struct fixture *fx = *state;
	autofree char *was = fx_git_line(fx->repo, "rev-parse", "main");
	autofree char *feat = land_branch(fx, "feat", "main");
	fx_commit(feat, "a", "a\n");
	autofree char *built = land_commit_of(fx, "feat");
	expect_moved(move_args(fx, built), fx->repo);
	json_auto_t *back = move_args(fx, was);
	expect_moved(json_incref(back), fx->repo);
	assert_false(fx_exists(fx->repo, "a"));
	assert_line("", status_of(fx->repo));
	/* Moved on since: `was` is in the history, which proves nothing here. */
	fx_git(fx->repo, "reset", "-q", "--hard", built);
	fx_commit(fx->repo, "b", "b\n");
	json_auto_t *stale = moved(json_incref(back));
	assert_string_equal(json_str(stale, "reason"), "stale");
}

/* Each of `n` children moves main to its own commit; returns how many succeeded. */
static int race(const struct fixture *fx, char *const *to, size_t n)
{
	int start[2], won = 0;
	assert_int_equal(pipe(start), 0);
	json_auto_t *args = move_args(fx, to[0]);
	for (size_t i = 0; i < n; i++) {
		if (fork() != 0)
			continue;
		char byte;
		json_t *ret = NULL;
		(void)close(start[1]);
		(void)!read(start[0], &byte, 1); /* end of file: everybody is ready */
		json_object_set_new(args, "new", json_string(to[i]));
		if (repo_land_move(args, &ret, NULL))
			_exit(2);
		_exit(json_is_true(json_object_get(ret, "moved")) ? 1 : 0);
	}
	(void)close(start[0]);
	(void)close(start[1]);
	for (size_t i = 0; i < n; i++) {
		int status;
		assert_true(wait(&status) > 0);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
		won += WEXITSTATUS(status);
	}
	return won;
}

static void test_L3_compare_and_swap_once(void **state)
{
	const struct fixture *fx = *state;
	enum { MOVERS = 4 };
	char *to[MOVERS];
	for (int i = 0; i < MOVERS; i++) {
		autofree char *branch = xasprintf("feat%d", i), *dir = land_branch(fx, branch, "main");
		fx_commit(dir, branch, "x\n");
		to[i] = land_commit_of(fx, branch);
	}
	assert_int_equal(race(fx, to, MOVERS), 1);
	autofree char *tip = fx_git_line(fx->repo, "rev-parse", "main");
	int found = 0;
	for (int i = 0; i < MOVERS; i++) {
		autofree char *branch = xasprintf("feat%d", i);
		bool won = strcmp(tip, to[i]) == 0;
		assert_int_equal(fx_exists(fx->repo, branch), won);
		found += won;
		free(to[i]);
	}
	assert_int_equal(found, 1);
	assert_line("", status_of(fx->repo));
	assert_line("2", fx_git_line(fx->repo, "rev-list", "--count", "main"));
}

/* A clean filter of the user's runs while the checkout is looked at, and moves main: after our comparison,
 * before our swap. */
static void test_L3_target_moved_in_the_last_moment_is_stale(void **state)
{
	const struct fixture *fx = *state;
	fx_write(fx->repo, ".gitattributes", "slow filter=slow\n");
	fx_write(fx->repo, "slow", "x\n");
	land_as(fx->repo, LAND_USER, LAND_EMAIL, "attributes");
	autofree char *feat = land_branch(fx, "feat", "main"), *rival = land_branch(fx, "rival", "main");
	fx_commit(feat, "a", "a\n");
	fx_commit(rival, "b", "b\n");
	autofree char *built = land_commit_of(fx, "feat"),
		      *theirs = fx_git_line(fx->repo, "rev-parse", "rival");
	autofree char *clean = xasprintf("git update-ref refs/heads/main %s; cat", theirs);
	json_t *args = move_args(fx, built);
	fx_git(fx->repo, "config", "filter.slow.clean", clean);
	fx_write(fx->repo, "slow", "y\n");
	json_auto_t *ret = moved(args);
	assert_string_equal(json_str(ret, "reason"), "stale");
	assert_string_equal(json_str(ret, "now"), theirs);
	assert_line(theirs, fx_git_line(fx->repo, "rev-parse", "main"));
	assert_false(fx_exists(fx->repo, "a"));
	assert_false(fx_exists(fx->common, "index.lock"));
}

/* ---- checkouts ---- */

static void test_L3_checkout_brought_along_keeps_local_changes(void **state)
{
	const struct fixture *fx = *state;
	autofree char *built = big_change(fx);
	autofree char *second = path_join(fx->root, "second"), *other = path_join(fx->root, "other");
	fx_git(fx->repo, "worktree", "add", "-q", "-f", second, "main");
	fx_git(fx->repo, "worktree", "add", "-q", "--detach", other, "main");
	change_locally(fx->repo);
	change_locally(second);
	autofree char *both = xasprintf("%s %s", fx->repo, second);
	expect_moved(move_args(fx, built), both);
	expect_everything(fx->repo, built);
	expect_everything(second, built);
	assert_true(fx_exists(other, "del")); /* on no branch: stays */
	assert_false(fx_exists(fx->common, "index.lock"));
	assert_false(fx_exists(fx->common, "coppice-land"));
	assert_false(fx_exists(fx->common, "coppice-land.d"));
}

static void test_L3_refused_by_file_name(void **state)
{
	const struct fixture *fx = *state;
	autofree char *built = big_change(fx);
	static const struct {
		const char *file;
		const char *text; /* NULL: remove the file */
		bool add;
		const char *expected;
	} cases[] = {
		{"mod", "edited\n", false, "mod:modified"},
		{"mod", "edited\n", true, "mod:staged"},
		{"mod", NULL, false, "mod:modified"},
		{"del", "edited\n", false, "del:modified"},
		{"del", NULL, true, "del:staged"},
		{"n\nl", "edited\n", false, "n\nl:modified"},
		{"\xff", "edited\n", false, "\xEF\xBF\xBD:modified"},
		{"-dash", "edited\n", false, "-dash:modified"},
		{"dir/untracked", "u\n", false, "dir/untracked:untracked"},
		{"dir/sub/ignored.o", "u\n", false, "dir/sub/ignored.o:untracked"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *path = path_join(fx->repo, cases[i].file);
		if (cases[i].text)
			fx_write(fx->repo, cases[i].file, cases[i].text);
		else
			assert_int_equal(unlink(path), 0);
		if (cases[i].add)
			fx_git(fx->repo, "add", "-A", "--", cases[i].file);
		autofree char *before = status_of(fx->repo);
		assert_line(cases[i].expected, refusal_of(fx, move_args(fx, built), "local_changes"));
		assert_line(before, status_of(fx->repo));
		fx_git(fx->repo, "reset", "-q", "--hard");
		fx_git(fx->repo, "clean", "-q", "-fdx");
	}
}

/* Files in the way of what the branch adds: untracked and ignored ones, and a file where a folder goes. */
static void test_L3_files_in_the_way_refuse(void **state)
{
	const struct fixture *fx = *state;
	fx_commit(fx->repo, ".gitignore", "*.o\n");
	autofree char *feat = land_branch(fx, "feat", "main");
	fx_write(feat, "new.o", "x\n");
	fx_write(feat, "new", "x\n");
	fx_write(feat, "into/the/deep", "x\n");
	fx_git(feat, "add", "-f", "new.o");
	land_as(feat, "Bo", "bo@x", "new files");
	autofree char *built = land_commit_of(fx, "feat");
	fx_write(fx->repo, "new.o", "precious\n");
	fx_write(fx->repo, "new", "precious\n");
	fx_write(fx->repo, "into", "precious\n");
	assert_line("into:untracked new:untracked new.o:untracked",
		    refusal_of(fx, move_args(fx, built), "local_changes"));
	assert_line("precious\n", fx_read(fx->repo, "new.o"));
	fx_git(fx->repo, "clean", "-q", "-fdx");
	/* A symlink is not followed, and an empty folder is not in the way. */
	autofree char *link = path_join(fx->repo, "into"), *empty = path_join(fx->repo, "new");
	assert_int_equal(symlink(fx->root, link), 0);
	assert_int_equal(mkdir(empty, 0755), 0);
	assert_line("into:untracked", refusal_of(fx, move_args(fx, built), "local_changes"));
	assert_int_equal(unlink(link), 0);
	expect_moved(move_args(fx, built), fx->repo);
	assert_line("", status_of(fx->repo));
}

static void test_L3_hidden_and_unmerged_changes_refuse(void **state)
{
	const struct fixture *fx = *state;
	autofree char *built = big_change(fx);
	fx_git(fx->repo, "update-index", "--assume-unchanged", "mod");
	fx_write(fx->repo, "mod", "hidden edit\n");
	autofree char *why = refusal_of(fx, move_args(fx, built), "local_changes");
	assert_non_null(strstr(why, "mod"));
	fx_git(fx->repo, "update-index", "--no-assume-unchanged", "mod");
	fx_git(fx->repo, "reset", "-q", "--hard");
	/* A stash that conflicted leaves unmerged entries and no operation. */
	fx_write(fx->repo, "mine", "stashed\n");
	fx_git(fx->repo, "stash", "-q");
	fx_commit(fx->repo, "mine", "committed\n");
	autofree char *again = land_commit_of(fx, "feat");
	const char *const pop[] = {"git", "stash", "pop", NULL};
	autostrbuf out = STRBUF_INIT(1 << 16);
	assert_int_equal(fx_try(fx->repo, &out, pop), 1);
	assert_line("mine:unmerged", refusal_of(fx, move_args(fx, again), "local_changes"));
}

static void test_operations_in_progress_refuse(void **state)
{
	const struct fixture *fx = *state;
	autofree char *built = big_change(fx);
	fx_git(fx->repo, "branch", "side", "main~1");
	fx_git(fx->repo, "merge", "-q", "--no-ff", "--no-commit", "-s", "ours", "feat");
	assert_line(":a merge is in progress", refusal_of(fx, move_args(fx, built), "operation"));
	fx_git(fx->repo, "merge", "--abort");
	/* During a rebase HEAD is detached, and the branch comes back to it at the end. */
	fx_commit(fx->repo, "mod", "conflicting\n");
	autofree char *tip = land_branch(fx, "tip", "main~1");
	fx_commit(tip, "mod", "other\n");
	autostrbuf out = STRBUF_INIT(1 << 16);
	const char *const rebase[] = {"git", "rebase", "-q", "tip", NULL};
	assert_int_equal(fx_try(fx->repo, &out, rebase), 1);
	assert_line(":a rebase is in progress", refusal_of(fx, move_args(fx, built), "operation"));
	/* One of another branch is nobody's business. */
	fx_git(fx->repo, "rebase", "--abort");
	fx_git(fx->repo, "checkout", "-q", "-B", "else");
	assert_int_equal(fx_try(fx->repo, &out, rebase), 1);
	expect_moved(move_args(fx, built), "");
}

static void test_busy_index_refuses(void **state)
{
	const struct fixture *fx = *state;
	autofree char *built = big_change(fx);
	fx_write(fx->common, "index.lock", "");
	autofree char *why = refusal_of(fx, move_args(fx, built), "busy");
	assert_non_null(strstr(why, "a git command is at work"));
	assert_true(fx_exists(fx->common, "index.lock"));
}

static void test_missing_folders(void **state)
{
	const struct fixture *fx = *state;
	autofree char *built = big_change(fx);
	autofree char *second = path_join(fx->root, "second");
	fx_git(fx->repo, "checkout", "-q", "--detach");
	fx_git(fx->repo, "worktree", "add", "-q", second, "main");
	fx_git(fx->repo, "worktree", "lock", second);
	assert_int_equal(tree_remove(second, NULL), 0);
	json_auto_t *ret = moved(move_args(fx, built));
	assert_string_equal(json_str(ret, "reason"), "missing");
	fx_git(fx->repo, "worktree", "unlock", second);
	expect_moved(move_args(fx, built), "");
	assert_line(built, fx_git_line(fx->repo, "rev-parse", "main"));
}

static void test_no_checkout_at_all(void **state)
{
	const struct fixture *fx = *state;
	autofree char *built = big_change(fx);
	autofree char *was = fx_git_line(fx->repo, "rev-parse", "main");
	/* detached, unborn, without an index, bare */
	fx_git(fx->repo, "checkout", "-q", "--detach");
	expect_moved(move_args(fx, built), "");
	assert_line(was, fx_git_line(fx->repo, "rev-parse", "HEAD"));
	fx_git(fx->repo, "update-ref", "refs/heads/main", was);
	fx_git(fx->repo, "checkout", "-q", "--orphan", "unborn");
	expect_moved(move_args(fx, built), "");

	autofree char *clone = path_join(fx->root, "clone"), *bare = path_join(fx->root, "bare");
	fx_git(fx->repo, "update-ref", "refs/heads/main", was);
	fx_git(fx->root, "clone", "-q", "--no-checkout", "-b", "main", fx->repo, clone);
	fx_git(fx->root, "clone", "-q", "--bare", fx->repo, bare);
	autofree char *common = path_join(clone, ".git");
	json_auto_t *args = move_args(fx, built);
	fx_git(clone, "fetch", "-q", "origin", "feat:feat");
	fx_git(clone, "fetch", "-q", fx->repo, built);
	fx_git(bare, "fetch", "-q", fx->repo, built);
	json_object_set_new(args, "repo", json_pack("{s:s, s:s}", "common_dir", common, "main", clone));
	expect_moved(json_incref(args), "");
	assert_false(fx_exists(common, "index"));
	json_object_set_new(args, "repo", json_pack("{s:s, s:n}", "common_dir", bare, "main"));
	expect_moved(json_incref(args), "");
	assert_line(built, fx_git_line(bare, "rev-parse", "main"));
}

static void test_filters_line_ends_and_sparse_checkouts(void **state)
{
	const struct fixture *fx = *state;
	fx_git(fx->repo, "config", "filter.rot.smudge", "tr a-z n-za-m");
	fx_git(fx->repo, "config", "filter.rot.clean", "tr a-z n-za-m");
	fx_write(fx->repo, ".gitattributes", "*.rot filter=rot\n*.win text eol=crlf\n");
	fx_write(fx->repo, "out/old", "x\n");
	land_as(fx->repo, LAND_USER, LAND_EMAIL, "attributes");
	autofree char *feat = land_branch(fx, "feat", "main");
	fx_write(feat, "x.rot", "hello\n");
	fx_write(feat, "x.win", "line\r\n");
	fx_write(feat, "out/new", "y\n");
	fx_write(feat, "out/old", "y\n");
	land_as(feat, "Bo", "bo@x", "odd files");
	autofree char *built = land_commit_of(fx, "feat");
	fx_git(fx->repo, "sparse-checkout", "set", "in");
	expect_moved(move_args(fx, built), fx->repo);
	assert_line("", status_of(fx->repo));
	assert_line("hello\n", fx_read(fx->repo, "x.rot"));
	assert_line("line\r\n", fx_read(fx->repo, "x.win"));
	assert_false(fx_exists(fx->repo, "out"));
}

/* What fails is only noticed when the target has moved: all but that file is right, and it is named. */
static void test_failing_filter_is_told_and_harms_no_other_file(void **state)
{
	const struct fixture *fx = *state;
	fx_write(fx->repo, "old", "x\n");
	land_as(fx->repo, LAND_USER, LAND_EMAIL, "old");
	autofree char *feat = land_branch(fx, "feat", "main");
	fx_write(feat, ".gitattributes", "bad filter=bad\n");
	fx_write(feat, "bad", "b\n");
	fx_write(feat, "file", "new\n");
	fx_write(feat, "zeta", "z\n");
	fx_git(feat, "rm", "-q", "old");
	land_as(feat, "Bo", "bo@x", "change");
	autofree char *built = land_commit_of(fx, "feat");
	fx_git(fx->repo, "config", "filter.bad.smudge", "false");
	fx_git(fx->repo, "config", "filter.bad.required", "true");
	json_auto_t *ret = moved(move_args(fx, built));
	assert_true(json_is_true(json_object_get(ret, "moved")));
	const json_t *left = json_object_get(ret, "left");
	assert_int_equal(json_array_size(left), 1);
	assert_string_equal(json_str(json_array_get(left, 0), "file"), "bad");
	assert_line("", fx_git_line(fx->repo, "diff", "--cached", "--name-only"));
	assert_line("new\n", fx_read(fx->repo, "file"));
	assert_line("z\n", fx_read(fx->repo, "zeta"));
	assert_false(fx_exists(fx->repo, "old"));
	assert_false(fx_exists(fx->common, "index.lock"));
}

static void test_submodules_move_as_entries(void **state)
{
	const struct fixture *fx = *state;
	autofree char *was = fx_git_line(fx->repo, "rev-parse", "main");
	autofree char *feat = land_branch(fx, "feat", "main");
	autofree char *entry = xasprintf("160000,%s,sub", was);
	fx_git(feat, "update-index", "--add", "--cacheinfo", entry);
	fx_git(feat, "commit", "-q", "-m", "a submodule");
	autofree char *built = land_commit_of(fx, "feat");
	expect_moved(move_args(fx, built), fx->repo);
	assert_line("", status_of(fx->repo));
	/* It goes, and what somebody has put there stays. */
	fx_write(fx->repo, "sub/work", "mine\n");
	expect_moved(move_args(fx, was), fx->repo);
	assert_line("mine\n", fx_read(fx->repo, "sub/work"));
	/* It comes again: the folder is where the submodule's own repository would be. */
	expect_moved(move_args(fx, built), fx->repo);
	assert_line("mine\n", fx_read(fx->repo, "sub/work"));
}

/* A linked worktree may be in an agent's hands: what its own configuration says is not run, but whether it
 * is sparse is respected; so is a split index. */
static void test_W3_linked_checkout_brings_no_filters(void **state)
{
	const struct fixture *fx = *state;
	fx_write(fx->repo, "out/old", "x\n");
	fx_write(fx->repo, "in/old", "x\n");
	land_as(fx->repo, LAND_USER, LAND_EMAIL, "folders");
	autofree char *feat = land_branch(fx, "feat", "main"), *second = path_join(fx->root, "second");
	fx_write(feat, ".gitattributes", "* filter=evil\n");
	fx_write(feat, "in/old", "y\n");
	fx_write(feat, "out/new", "y\n");
	land_as(feat, "Bo", "bo@x", "change");
	autofree char *built = land_commit_of(fx, "feat");
	fx_git(fx->repo, "checkout", "-q", "--detach");
	fx_git(fx->repo, "worktree", "add", "-q", second, "main");
	fx_git(second, "sparse-checkout", "set", "in");
	fx_git(second, "update-index", "--split-index");
	autofree char *evil = xasprintf("touch '%s/evil'; cat", fx->root);
	fx_git(second, "config", "--worktree", "filter.evil.smudge", evil);
	fx_git(second, "config", "--worktree", "filter.evil.clean", evil);
	fx_write(second, "file", "edited\n");
	expect_moved(move_args(fx, built), second);
	assert_false(fx_exists(fx->root, "evil"));
	fx_git(second, "config", "--worktree", "--remove-section", "filter.evil");
	assert_line(" M file\n", status_of(second));
	assert_line("y\n", fx_read(second, "in/old"));
	assert_false(fx_exists(second, "out"));
}

/* Git's times may be whole seconds: that a file was changed, to the same length, in the second in which the
 * index was written, shows by the index's own time alone. */
static void test_L3_a_local_change_in_the_second_of_a_commit_is_kept(void **state)
{
	const struct fixture *fx = *state;
	struct stat before, after;
	autofree char *file = path_join(fx->repo, "swift"), *feat = NULL;
	fx_write(fx->repo, "swift", "first\n");
	land_as(fx->repo, LAND_USER, LAND_EMAIL, "swift");
	feat = land_branch(fx, "feat", "main");
	fx_write(feat, "swift", "other\n");
	land_as(feat, LAND_USER, LAND_EMAIL, "other");
	autofree char *built = land_commit_of(fx, "feat");
	do {
		fx_write(fx->repo, "swift", "first\n");
		fx_git(fx->repo, "add", "swift");
		assert_int_equal(stat(file, &before), 0);
		fx_write(fx->repo, "swift", "local\n");
		assert_int_equal(stat(file, &after), 0);
	} while (before.st_ctim.tv_sec != after.st_ctim.tv_sec);
	const struct timespec next = {.tv_sec = after.st_ctim.tv_sec + 1};
	(void)clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &next, NULL); /* the next second is the case */
	assert_line("swift:modified", refusal_of(fx, move_args(fx, built), "local_changes"));
	assert_line("local\n", fx_read(fx->repo, "swift"));
}

static void test_no_hook_of_the_repository_runs(void **state)
{
	const struct fixture *fx = *state;
	autofree char *built = big_change(fx);
	static const char *const hooks[] = {"post-checkout", "post-merge", "reference-transaction",
					    "post-index-change"};
	autofree char *script = xasprintf("#!/bin/sh\necho $0 >>'%s/hooked'\n", fx->root);
	autofree char *dir = path_join(fx->common, "hooks");
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
		fx_write_program(dir, hooks[i], script);
	expect_moved(move_args(fx, built), fx->repo);
	assert_false(fx_exists(fx->root, "hooked"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		land_test(test_L2_moved_target_is_stale),
		land_test(test_missing_target_and_lost_commit),
		land_test(test_second_run_moves_nothing),
		land_test(test_target_can_be_moved_back),
		land_test(test_L3_compare_and_swap_once),
		land_test(test_L3_target_moved_in_the_last_moment_is_stale),
		land_test(test_L3_checkout_brought_along_keeps_local_changes),
		land_test(test_L3_refused_by_file_name),
		land_test(test_L3_files_in_the_way_refuse),
		land_test(test_L3_hidden_and_unmerged_changes_refuse),
		land_test(test_operations_in_progress_refuse),
		land_test(test_busy_index_refuses),
		land_test(test_missing_folders),
		land_test(test_no_checkout_at_all),
		land_test(test_filters_line_ends_and_sparse_checkouts),
		land_test(test_failing_filter_is_told_and_harms_no_other_file),
		land_test(test_submodules_move_as_entries),
		land_test(test_W3_linked_checkout_brings_no_filters),
		land_test(test_L3_a_local_change_in_the_second_of_a_commit_is_kept),
		land_test(test_no_hook_of_the_repository_runs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

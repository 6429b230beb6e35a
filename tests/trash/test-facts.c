/* The facts that permit or forbid a removal (W4), each brought about in a real repository. */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "os/env.h"
#include "os/file.h"
#include "os/proc.h"
#include "repo/facts.h"
#include "repo/remove.h"
#include "repo/restore.h"

static pid_t started;

static void nothing(json_t *args)
{
	(void)args;
}

static void change_tracked(json_t *args)
{
	(void)args;
	fixture_append("wt/a.txt", "more\n");
}

static void stage_change(json_t *args)
{
	change_tracked(args);
	fixture_run("wt", "git", "add", "a.txt", NULL);
}

static void delete_tracked(json_t *args)
{
	(void)args;
	assert_int_equal(unlink("wt/a.txt"), 0);
}

static void change_behind_gits_back(json_t *args)
{
	fixture_run("wt", "git", "update-index", "--assume-unchanged", "a.txt", NULL);
	change_tracked(args);
}

static void change_skipped(json_t *args)
{
	fixture_run("wt", "git", "update-index", "--skip-worktree", "a.txt", NULL);
	change_tracked(args);
}

static void add_untracked(json_t *args)
{
	(void)args;
	fixture_write("wt/new/notes.txt", "n\n");
}

static void add_nested_repository(json_t *args)
{
	(void)args;
	fixture_run("wt", "git", "init", "-q", "nested", NULL);
	fixture_write("wt/nested/x", "x\n");
	fixture_run("wt/nested", "git", "add", ".", NULL);
	fixture_run("wt/nested", "git", "commit", "-qm", "x", NULL);
}

static void add_secret(json_t *args)
{
	(void)args;
	fixture_write("wt/.env", "TOKEN=precious\n");
}

static void add_secret_in_untracked(json_t *args)
{
	(void)args;
	fixture_write("wt/new/id.key", "precious\n");
}

static void set_copied(json_t *args, const char *path, char *sha)
{
	json_object_set_new(args, "copied", json_pack("[{s:s, s:s}]", "path", path, "sha", sha));
	free(sha);
}

static void add_copy(json_t *args)
{
	fixture_write("wt/.env", "TOKEN=copied\n");
	set_copied(args, ".env", fixture_output("wt", "git", "hash-object", "--no-filters", ".env", NULL));
}

static void add_changed_copy(json_t *args)
{
	add_copy(args);
	fixture_write("wt/.env", "TOKEN=mine\n");
}

static void add_copied_link(json_t *args)
{
	fixture_write("target", "../shared/.env");
	set_copied(args, ".env", fixture_output(".", "git", "hash-object", "--no-filters", "target", NULL));
	assert_int_equal(symlink("../shared/.env", "wt/.env"), 0);
}

static void add_disposable(json_t *args)
{
	fixture_write("wt/node_modules/p/index.js", "p\n");
	fixture_write("wt/sub/node_modules/q/index.js", "q\n");
	json_object_set_new(args, "disposable", json_pack("[s, s]", "node_modules", "target"));
}

static void add_beside_disposable(json_t *args)
{
	fixture_write("wt/build/cache/x.o", "x\n");
	fixture_write("wt/build/precious.db", "p\n");
	json_object_set_new(args, "disposable", json_pack("[s]", "build/cache"));
}

static void add_within_disposable(json_t *args)
{
	fixture_write("wt/build/cache/x.o", "x\n");
	json_object_set_new(args, "disposable", json_pack("[s]", "build/cache"));
}

static void add_without_data(json_t *args)
{
	(void)args;
	assert_int_equal(mkdir("wt/empty", 0755), 0);
	assert_int_equal(mkdir("wt/build", 0755), 0);
	assert_int_equal(mkfifo("wt/fifo", 0600), 0);
	assert_int_equal(mkfifo("wt/build/fifo", 0600), 0);
}

static void detach_with_commit(json_t *args)
{
	(void)args;
	fixture_run("wt", "git", "checkout", "-q", "--detach", NULL);
	fixture_run("wt", "git", "commit", "-q", "--allow-empty", "-m", "nobody else has it", NULL);
}

static void detach_at_branch(json_t *args)
{
	(void)args;
	fixture_run("wt", "git", "checkout", "-q", "--detach", "main", NULL);
}

static void add_own_ref(json_t *args)
{
	detach_with_commit(args);
	fixture_run("wt", "git", "update-ref", "refs/worktree/mine", "HEAD", NULL);
	fixture_run("wt", "git", "checkout", "-q", "feat", NULL);
}

static void amend(json_t *args)
{
	(void)args;
	fixture_run("wt", "git", "commit", "-q", "--amend", "-m", "better words", NULL);
}

static void land(json_t *args)
{
	(void)args;
	fixture_run("repo", "git", "merge", "-q", "--squash", "feat", NULL);
	fixture_run("repo", "git", "commit", "-qm", "squashed", NULL);
}

static void forget_target(json_t *args)
{
	json_object_set_new(args, "target", json_null());
}

static void conflict_with(const char *command)
{
	fixture_write("repo/a.txt", "theirs\n");
	fixture_run("repo", "git", "commit", "-qam", "theirs", NULL);
	fixture_write("wt/a.txt", "ours\n");
	fixture_run("wt", "git", "commit", "-qam", "ours", NULL);
	(void)fixture_try("wt", "git", command, "main", NULL); /* stops at the conflict */
}

static void start_rebase(json_t *args)
{
	(void)args;
	conflict_with("rebase");
}

static void start_merge(json_t *args)
{
	(void)args;
	conflict_with("merge");
}

static void start_cherry_pick(json_t *args)
{
	(void)args;
	conflict_with("cherry-pick");
}

static void start_revert(json_t *args)
{
	(void)args;
	fixture_run("wt", "git", "revert", "--no-commit", "HEAD", NULL);
	fixture_run("wt", "git", "reset", "-q", "--hard", NULL);
	fixture_run("wt", "git", "revert", "--no-commit", "HEAD", NULL);
}

static void start_bisect(json_t *args)
{
	(void)args;
	fixture_run("wt", "git", "bisect", "start", NULL);
}

static void leave_index_lock(json_t *args)
{
	(void)args;
	fixture_write("repo/.git/worktrees/wt/index.lock", "");
}

static void stash(json_t *args)
{
	change_tracked(args);
	fixture_run("wt", "git", "stash", "-q", NULL);
}

static void stash_with_message(json_t *args)
{
	change_tracked(args);
	fixture_run("wt", "git", "stash", "push", "-q", "-m", "later: perhaps", NULL);
}

static void stash_elsewhere(json_t *args)
{
	(void)args;
	fixture_append("repo/a.txt", "more\n");
	fixture_run("repo", "git", "stash", "-q", NULL);
}

static void stash_without_branch(json_t *args)
{
	change_tracked(args);
	autofree char *commit = fixture_output("wt", "git", "stash", "create", NULL);
	fixture_run("wt", "git", "stash", "store", "-m", "autostash", commit, NULL);
	fixture_run("wt", "git", "checkout", "-q", "a.txt", NULL);
}

static void start_process(json_t *args)
{
	(void)args;
	started = fixture_start_in("wt/sub");
}

static void except_process(json_t *args)
{
	start_process(args);
	json_object_set_new(args, "except_pids", json_pack("[i]", (int)started));
}

static void lease(json_t *args)
{
	json_object_set_new(args, "leases", json_pack("[s]", "port 20001"));
}

static void lock(json_t *args)
{
	(void)args;
	fixture_run("repo", "git", "worktree", "lock", "--reason", "on a stick", "../wt", NULL);
}

static void lock_as_ours(const char *boot, pid_t pid, uint64_t start)
{
	autofree char *reason =
		xasprintf("coppice boot=%s pid=%d start=%llu", boot, (int)pid, (unsigned long long)start);
	fixture_run("repo", "git", "worktree", "lock", "--reason", reason, "../wt", NULL);
}

static void lock_of_living(json_t *args)
{
	(void)args;
	struct proc_stat st;
	assert_int_equal(proc_stat(getpid(), &st, NULL), 0);
	lock_as_ours(os_env_real()->boot_id, st.pid, st.start_time);
}

static void lock_of_dead(json_t *args)
{
	(void)args;
	struct proc_stat st;
	pid_t pid = fixture_start_in(".");
	assert_int_equal(proc_stat(pid, &st, NULL), 0);
	lock_as_ours(os_env_real()->boot_id, pid, st.start_time);
	fixture_stop(pid);
}

static void lock_of_older_boot(json_t *args)
{
	(void)args;
	struct proc_stat st;
	assert_int_equal(proc_stat(getpid(), &st, NULL), 0);
	lock_as_ours("00000000-0000-0000-0000-000000000000", st.pid, st.start_time);
}

static void lock_without_process(json_t *args)
{
	(void)args;
	fixture_run("repo", "git", "worktree", "lock", "--reason", "coppice pid=x", "../wt", NULL);
}

static void point_elsewhere(json_t *args)
{
	(void)args;
	fixture_run("repo", "git", "worktree", "add", "-q", "-b", "other", "../other", NULL);
	autofree char *line = xasprintf("gitdir: %s/worktrees/other\n", fx.common);
	fixture_write("wt/.git", line);
}

static void register_elsewhere(json_t *args)
{
	(void)args;
	fixture_write("repo/.git/worktrees/wt/gitdir", "/nonexistent/.git\n");
}

static void lead_elsewhere(json_t *args)
{
	(void)args;
	fixture_run(".", "git", "clone", "-q", "repo", "clone", NULL);
	fixture_write("repo/.git/worktrees/wt/commondir", "../../../../clone/.git\n");
}

static void make_plain(json_t *args)
{
	(void)args;
	assert_int_equal(unlink("wt/.git"), 0);
}

static void make_own_repository(json_t *args)
{
	make_plain(args);
	fixture_run("wt", "git", "init", "-q", NULL);
}

static void make_symlink(json_t *args)
{
	(void)args;
	assert_int_equal(rename("wt", "elsewhere"), 0);
	assert_int_equal(symlink("elsewhere", "wt"), 0);
}

static void go_through_symlink(json_t *args)
{
	assert_int_equal(mkdir("real", 0755), 0);
	assert_int_equal(rename("wt", "real/wt"), 0);
	assert_int_equal(symlink("real", "way"), 0);
	autofree char *path = xasprintf("%s/way/wt", fx.home), *line = xasprintf("%s/.git\n", path);
	fixture_write("repo/.git/worktrees/wt/gitdir", line);
	json_object_set_new(args, "path", json_string(path));
}

static void vanish(json_t *args)
{
	(void)args;
	assert_int_equal(rename("wt", "gone"), 0);
}

static void name_main(json_t *args)
{
	json_object_set_new(args, "path", json_string(fx.repo));
	json_object_set_new(args, "git_dir", json_string(fx.common));
}

static void forget_registration(json_t *args)
{
	(void)args;
	assert_int_equal(rename("repo/.git/worktrees/wt", "admin"), 0);
}

static void name_foreign_admin(json_t *args)
{
	autofree char *path = xasprintf("%s/objects", fx.common);
	json_object_set_new(args, "git_dir", json_string(path));
}

static void put_worktree_inside(json_t *args)
{
	(void)args;
	fixture_run("repo", "git", "worktree", "add", "-q", "-b", "inner", "../wt/build/inner", NULL);
}

static void leave_trash_inside(json_t *args)
{
	fixture_run("repo", "git", "worktree", "add", "-q", "-b", "inner", "../wt/build/inner", NULL);
	autofree char *path = path_join(fx.wt, "build/inner"),
		      *admin = path_join(fx.common, "worktrees/inner");
	json_auto_t *inner = json_deep_copy(args);
	json_object_set_new(inner, "id", json_string("trash-inner"));
	json_object_set_new(inner, "path", json_string(path));
	json_object_set_new(inner, "git_dir", json_string(admin));
	json_auto_t *answer = fixture_call(repo_remove, inner);
	assert_true(json_bool(answer, "removed", false));
}

static void make_sparse(json_t *args)
{
	(void)args;
	fixture_run("wt", "git", "sparse-checkout", "set", "sub", NULL);
}

static void fail_git(json_t *args)
{
	(void)args;
	fixture_write("repo/.git/worktrees/wt/index", "not an index");
}

/* The whole table of W4. `value` is what the fact must be; yes must let the removal through. */
static const struct fact_case {
	const char *name;
	void (*prepare)(json_t *args);
	enum fact fact;
	enum truth value;
	const char *detail; /* must be part of the detail, NULL for none */
} cases[] = {
	{"nothing", nothing, FACT_OURS, TRUTH_YES, NULL},
	{"changed", change_tracked, FACT_CLEAN, TRUTH_NO, "a.txt"},
	{"staged", stage_change, FACT_CLEAN, TRUTH_NO, "a.txt"},
	{"deleted", delete_tracked, FACT_CLEAN, TRUTH_NO, "a.txt"},
	{"assume unchanged", change_behind_gits_back, FACT_CLEAN, TRUTH_UNKNOWN, "a.txt"},
	{"skip worktree", change_skipped, FACT_CLEAN, TRUTH_UNKNOWN, "a.txt"},
	{"sparse checkout", make_sparse, FACT_CLEAN, TRUTH_YES, NULL},
	{"broken index", fail_git, FACT_CLEAN, TRUTH_UNKNOWN, "git status"},
	{"untracked", add_untracked, FACT_UNTRACKED, TRUTH_NO, "new/"},
	{"nested repository", add_nested_repository, FACT_UNTRACKED, TRUTH_NO, "nested/"},
	{"secret", add_secret, FACT_IGNORED, TRUTH_NO, ".env"},
	{"secret among untracked", add_secret_in_untracked, FACT_IGNORED, TRUTH_NO, "new/id.key"},
	{"copy", add_copy, FACT_IGNORED, TRUTH_YES, NULL},
	{"changed copy", add_changed_copy, FACT_IGNORED, TRUTH_NO, ".env"},
	{"copied link", add_copied_link, FACT_IGNORED, TRUTH_YES, NULL},
	{"disposable", add_disposable, FACT_IGNORED, TRUTH_YES, NULL},
	{"beside disposable", add_beside_disposable, FACT_IGNORED, TRUTH_NO, "build"},
	{"within disposable", add_within_disposable, FACT_IGNORED, TRUTH_YES, NULL},
	{"no data", add_without_data, FACT_IGNORED, TRUTH_YES, NULL},
	{"unreachable commit", detach_with_commit, FACT_REACHABLE, TRUTH_NO,
	 "no branch or tag has the commit"},
	{"detached at a branch", detach_at_branch, FACT_REACHABLE, TRUTH_YES, NULL},
	{"own ref", add_own_ref, FACT_REACHABLE, TRUTH_NO, "no branch or tag has the commit"},
	{"amended", amend, FACT_REACHABLE, TRUTH_YES, NULL},
	{"rebase", start_rebase, FACT_OPERATION, TRUTH_NO, "rebase"},
	{"merge", start_merge, FACT_OPERATION, TRUTH_NO, "merge"},
	{"cherry-pick", start_cherry_pick, FACT_OPERATION, TRUTH_NO, "cherry-pick"},
	{"revert", start_revert, FACT_OPERATION, TRUTH_NO, "revert"},
	{"bisect", start_bisect, FACT_OPERATION, TRUTH_NO, "bisect"},
	{"index.lock", leave_index_lock, FACT_OPERATION, TRUTH_UNKNOWN, "index.lock"},
	{"stash", stash, FACT_STASH, TRUTH_NO, "stash@{0}: WIP on feat"},
	{"stash with message", stash_with_message, FACT_STASH, TRUTH_NO, "later: perhaps"},
	{"stash of another", stash_elsewhere, FACT_STASH, TRUTH_YES, NULL},
	{"stash without branch", stash_without_branch, FACT_STASH, TRUTH_UNKNOWN, "autostash"},
	{"process", start_process, FACT_PROCESS, TRUTH_NO, "process "},
	{"excepted process", except_process, FACT_PROCESS, TRUTH_YES, NULL},
	{"lease", lease, FACT_LEASE, TRUTH_NO, "port 20001"},
	{"lock", lock, FACT_LOCK, TRUTH_NO, "on a stick"},
	{"lock of a living", lock_of_living, FACT_LOCK, TRUTH_NO, "in use"},
	{"lock of a dead", lock_of_dead, FACT_LOCK, TRUTH_YES, "void"},
	{"lock of an older boot", lock_of_older_boot, FACT_LOCK, TRUTH_YES, "void"},
	{"lock without process", lock_without_process, FACT_LOCK, TRUTH_UNKNOWN, "pid=x"},
	{"points elsewhere", point_elsewhere, FACT_OURS, TRUTH_NO, "points to"},
	{"registered elsewhere", register_elsewhere, FACT_OURS, TRUTH_NO, "gitdir"},
	{"leads elsewhere", lead_elsewhere, FACT_OURS, TRUTH_NO, "leads to"},
	{"plain folder", make_plain, FACT_OURS, TRUTH_NO, "plain folder"},
	{"own repository", make_own_repository, FACT_OURS, TRUTH_NO, "of its own"},
	{"symlink", make_symlink, FACT_OURS, TRUTH_NO, "is a symlink"},
	{"through a symlink", go_through_symlink, FACT_OURS, TRUTH_NO, "through a symlink"},
	{"vanished", vanish, FACT_OURS, TRUTH_NO, "nothing at"},
	{"main worktree", name_main, FACT_OURS, TRUTH_NO, "main worktree"},
	{"not registered", forget_registration, FACT_OURS, TRUTH_NO, "git does not know it"},
	{"foreign admin folder", name_foreign_admin, FACT_OURS, TRUTH_NO, "not among the worktrees"},
	{"worktree inside", put_worktree_inside, FACT_OURS, TRUTH_NO, "another worktree lies in it"},
	{"trash inside", leave_trash_inside, FACT_OURS, TRUTH_NO, "trash-inner"},
};

static void check_fact(const struct fact_case *c, const json_t *answer)
{
	const char *name = fact_name(c->fact);
	const char *value = json_str(json_object_get(answer, "facts"), name),
		   *detail = json_str(json_object_get(answer, "details"), name);
	if (!value || strcmp(value, truth_name(c->value)) != 0 ||
	    (c->detail && (!detail || !strstr(detail, c->detail))))
		fail_msg("case '%s': %s is %s (%s)", c->name, name, value ? value : "missing",
			 detail ? detail : "no detail");
}

/* A fact that is not yes keeps the worktree, byte for byte, and is named as the reason. */
static void check_removal(const struct fact_case *c, json_t *args)
{
	autodiffer *was = fixture_record(fx.home);
	json_auto_t *answer = fixture_call(repo_remove, args);
	bool removed = json_bool(answer, "removed", false);
	if (removed != (c->value == TRUTH_YES))
		fail_msg("case '%s': removed is %d: %s", c->name, removed, json_str(answer, "reason"));
	if (!removed) {
		check_fact(c, answer);
		assert_non_null(strstr(json_str(answer, "reason"), fact_name(c->fact)));
		fixture_same_tree(was, fx.home, DIFFER_DIR_MTIME);
		return;
	}
	assert_false(fixture_exists("wt"));
	json_auto_t *trash = fixture_trash_args(answer);
	json_decref(fixture_call(repo_restore, trash));
	assert_true(fixture_exists("wt"));
}

static void test_W4_each_fact_that_is_not_yes_keeps(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_auto_t *args = fixture_args("trash-w4");
		cases[i].prepare(args);
		json_auto_t *answer = fixture_call(repo_facts, args);
		check_fact(&cases[i], answer);
		check_removal(&cases[i], args);
		if (started) {
			fixture_stop(started);
			started = 0;
		}
		fixture_tear_down(state);
		fixture_set_up(state);
	}
}

static void test_W4_every_fact_is_answered(void **state)
{
	(void)state;
	json_auto_t *args = fixture_args("trash-w4");
	json_auto_t *answer = fixture_call(repo_facts, args);
	json_t *facts = json_object_get(answer, "facts");
	for (int i = 0; i < FACT_MAX_; i++) {
		const char *value = json_str(facts, fact_name((enum fact)i));
		assert_non_null(value);
		assert_string_equal(value, i == FACT_LANDED ? "no" : "yes");
		assert_int_equal(fact_of(fact_name((enum fact)i)), i);
	}
	assert_int_equal(json_object_size(facts), FACT_MAX_);
	assert_int_equal(fact_of("nonsense"), FACT_MAX_);
}

static void test_W4_landed(void **state)
{
	static const struct fact_case landed[] = {
		{"not landed", nothing, FACT_LANDED, TRUTH_NO, "main lacks"},
		{"landed", land, FACT_LANDED, TRUTH_YES, NULL},
		{"no target", forget_target, FACT_LANDED, TRUTH_UNKNOWN, "no target"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(landed); i++) {
		json_auto_t *args = fixture_args("trash-w4");
		landed[i].prepare(args);
		json_auto_t *answer = fixture_call(repo_facts, args);
		check_fact(&landed[i], answer);
		json_object_set_new(args, "delete_branch", json_true());
		json_auto_t *removed = fixture_call(repo_remove, args);
		assert_int_equal(json_bool(removed, "removed", false), landed[i].value == TRUTH_YES);
		assert_int_equal(json_bool(removed, "branch_deleted", false), landed[i].value == TRUTH_YES);
		fixture_tear_down(state);
		fixture_set_up(state);
	}
}

static void test_W4_looking_changes_nothing(void **state)
{
	(void)state;
	json_auto_t *args = fixture_args("trash-w4");
	change_tracked(args);
	/* Same size and content but another time: git would like to refresh its index. */
	fixture_write("wt/sub/b.txt", "b\n");
	autodiffer *tree = fixture_record(fx.wt), *admin = fixture_record(fx.admin);
	json_decref(fixture_call(repo_facts, args));
	fixture_same_tree(tree, fx.wt, DIFFER_DIR_MTIME);
	fixture_same_tree(admin, fx.admin, DIFFER_DIR_MTIME);
}

static void test_W4_only_named_facts_are_waived(void **state)
{
	(void)state;
	json_auto_t *args = fixture_args("trash-w4");
	change_tracked(args);
	add_secret(args);
	json_object_set_new(args, "waive", json_pack("[s]", "clean"));
	json_auto_t *kept = fixture_call(repo_remove, args);
	assert_false(json_bool(kept, "removed", true));
	assert_string_equal(json_str(kept, "reason"), "ignored, but not a copy nor disposable: .env");
	json_object_set_new(args, "waive", json_pack("[s, s]", "clean", "ignored"));
	json_auto_t *removed = fixture_call(repo_remove, args);
	assert_true(json_bool(removed, "removed", false));
}

static void test_W4_ours_and_lease_are_never_waived(void **state)
{
	(void)state;
	static const char *const names[] = {"ours", "lease"};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		json_auto_t *args = fixture_args("trash-w4");
		json_object_set_new(args, "waive", json_pack("[s]", names[i]));
		autoerror err = {0};
		json_t *ret = NULL;
		assert_int_equal(repo_remove(args, &ret, &err), ERR_REFUSED);
		assert_true(fixture_exists("wt"));
	}
	json_auto_t *args = fixture_args("trash-w4");
	json_object_set_new(args, "waive", json_pack("[s]", "everything"));
	assert_int_equal(repo_remove(args, NULL, NULL), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_W4_each_fact_that_is_not_yes_keeps),
		FIXTURE_TEST(test_W4_every_fact_is_answered),
		FIXTURE_TEST(test_W4_landed),
		FIXTURE_TEST(test_W4_looking_changes_nothing),
		FIXTURE_TEST(test_W4_only_named_facts_are_waived),
		FIXTURE_TEST(test_W4_ours_and_lease_are_never_waived),
	};
	return cmocka_run_group_tests(tests, fixture_group_set_up, fixture_group_tear_down);
}

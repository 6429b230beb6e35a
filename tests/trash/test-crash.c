/* Removal, restoration and final deletion killed at any instant (W11): run again with the same
 * arguments, each comes to the end that it would have had.
 *
 * Two ways to kill: the process kills itself at each of the named points in turn, until a run has none
 * left; and it is killed from outside with all its children, at random times, so that gits too die
 * somewhere in the middle. Between death and repetition others use the repository: `git worktree prune`
 * and `git gc --prune=now` must find nothing that they could take away. */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/timeval.h"
#include "os/file.h"
#include "os/proc.h"
#include "repo/remove.h"
#include "repo/restore.h"
#include "repo/trash.h"

enum { RANDOM_KILLS = 6, POINTS_MAX = 64 };

typedef int worker_fn(const json_t *args, json_t **ret, struct error *err);

/* What the worktree was before anything happened to it. */
static struct {
	struct differ *tree, *admin;
	char *tip, *log;
} was;

static int set_up(void **state)
{
	fixture_set_up(state);
	fixture_write("wt/staged.txt", "staged\n");
	fixture_run("wt", "git", "add", "staged.txt", NULL);
	fixture_append("wt/a.txt", "unstaged\n");
	fixture_write("wt/.env", "secret\n");
	assert_int_equal(mkdir("wt/empty", 0700), 0);
	fixture_run("repo", "git", "config", "branch.feat.remote", "origin", NULL);
	/* Half of the refs packed: a deletion has two places to change. */
	fixture_run("repo", "git", "pack-refs", "--all", NULL);
	fixture_run("wt", "git", "commit", "-q", "--allow-empty", "-m", "loose", NULL);
	was.tree = fixture_record(fx.wt);
	was.admin = fixture_record(fx.admin);
	was.tip = fixture_output("repo", "git", "rev-parse", "feat", NULL);
	was.log = fixture_read("repo/.git/logs/refs/heads/feat");
	return 0;
}

static int tear_down(void **state)
{
	trash_test_point = NULL;
	differ_free(was.tree);
	differ_free(was.admin);
	free(was.tip);
	free(was.log);
	memset(&was, 0, sizeof(was));
	return fixture_tear_down(state);
}

static json_t *remove_args(void)
{
	json_t *args = fixture_args("trash-w11");
	fixture_waive_all(args);
	json_object_set_new(args, "delete_branch", json_true());
	return args;
}

static void assert_back(void)
{
	fixture_same_tree(was.tree, fx.wt, DIFFER_DIR_MTIME);
	fixture_same_tree(was.admin, fx.admin, DIFFER_DIR_MTIME);
	autofree char *tip = fixture_output("repo", "git", "rev-parse", "refs/heads/feat", NULL),
		      *log = fixture_read("repo/.git/logs/refs/heads/feat"),
		      *config = fixture_output("repo", "git", "config", "--get-all", "branch.feat.remote",
					       NULL);
	assert_string_equal(tip, was.tip);
	assert_string_equal(log, was.log);
	assert_string_equal(config, "origin");
	fixture_run("wt", "git", "status", NULL);
	fixture_run("repo", "git", "fsck", NULL);
}

static void assert_nothing_left(void)
{
	assert_false(fixture_exists(".coppice-trash"));
	assert_false(fixture_exists("repo/.git/coppice-trash"));
	autofree char *locks = fixture_output("repo", "find", ".git", "-name", "*.lock", NULL),
		      *refs = fixture_output("repo", "git", "for-each-ref", "refs/coppice", NULL);
	assert_string_equal(locks, "");
	assert_string_equal(refs, "");
}

/* What others do to the repository while our entry is half way. */
static void others_use_the_repository(void)
{
	fixture_run("repo", "git", "worktree", "prune", NULL);
	/* gc would refuse to pack refs under a lock that a killed git left; objects are what matters. */
	fixture_run("repo", "git", "prune", "--expire=now", NULL);
}

static int points_left;

static void die_at_point(const char *name)
{
	(void)name;
	if (points_left-- == 0)
		(void)kill(getpid(), SIGKILL);
}

/* Runs the worker in a process of its own; `point` is the one to die at, or -1. */
static pid_t start(worker_fn *worker, const json_t *args, int point)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		points_left = point;
		trash_test_point = point >= 0 ? die_at_point : NULL;
		json_t *ret = NULL;
		autoerror err = {0};
		_exit(worker(args, &ret, &err) ? 1 : 0);
	}
	return pid;
}

/* Whether it was killed; it must not fail. */
static bool was_killed(pid_t pid)
{
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGKILL);
		return true;
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

static void finish_removal(void)
{
	json_auto_t *args = remove_args(), *answer = fixture_call(repo_remove, args);
	assert_true(json_bool(answer, "removed", false));
	if (!json_bool(answer, "branch_deleted", false))
		fail_msg("the branch stays: %s", json_str(answer, "reason"));
	assert_false(fixture_exists("wt"));
	assert_false(fixture_exists("repo/.git/worktrees/wt"));
	/* The same answer once more: it may have been lost. */
	json_auto_t *again = fixture_call(repo_remove, args);
	assert_true(json_equal(answer, again));
	others_use_the_repository();
	json_auto_t *trash = fixture_trash_args(answer);
	json_decref(fixture_call(repo_restore, trash));
	assert_back();
	assert_nothing_left();
}

static json_t *removed_args(void)
{
	json_auto_t *args = remove_args(), *answer = fixture_call(repo_remove, args);
	assert_true(json_bool(answer, "removed", false));
	return fixture_trash_args(answer);
}

static void finish_restoration(const json_t *args)
{
	json_auto_t *answer = fixture_call(repo_restore, args);
	assert_string_equal(json_str(answer, "git_dir"), fx.admin);
	json_auto_t *again = fixture_call(repo_restore, args);
	assert_true(json_equal(answer, again));
	assert_back();
	assert_nothing_left();
}

static void finish_purge(const json_t *args)
{
	json_decref(fixture_call(repo_purge, args));
	assert_false(fixture_exists("wt"));
	assert_nothing_left();
	fixture_run("repo", "git", "fsck", NULL);
}

static void test_W11_remove_killed_at_any_instant(void **state)
{
	int points = 0;
	for (bool killed = true; killed; points++) {
		assert_true(points < POINTS_MAX);
		json_auto_t *args = remove_args();
		killed = was_killed(start(repo_remove, args, points));
		others_use_the_repository();
		finish_removal();
		tear_down(state);
		set_up(state);
	}
	assert_true(points > 10);
}

static void test_W11_restore_killed_at_any_instant(void **state)
{
	int points = 0;
	for (bool killed = true; killed; points++) {
		assert_true(points < POINTS_MAX);
		json_auto_t *args = removed_args();
		killed = was_killed(start(repo_restore, args, points));
		others_use_the_repository();
		finish_restoration(args);
		tear_down(state);
		set_up(state);
	}
	assert_true(points > 7);
}

static void test_W11_purge_killed_at_any_instant(void **state)
{
	int points = 0;
	for (bool killed = true; killed; points++) {
		assert_true(points < POINTS_MAX);
		json_auto_t *args = removed_args();
		killed = was_killed(start(repo_purge, args, points));
		finish_purge(args);
		tear_down(state);
		set_up(state);
	}
	assert_true(points > 4);
}

/* A removal that would be refused by its facts, killed anywhere, leaves all as it was. */
static void test_W11_killed_removal_that_is_not_repeated_with_success(void **state)
{
	for (int point = 0; point < 8; point++) {
		json_auto_t *args = remove_args();
		bool killed = was_killed(start(repo_remove, args, point));
		assert_true(killed);
		/* The repetition finds a lease: whatever moved comes back. */
		json_object_set_new(args, "leases", json_pack("[s]", "taken meanwhile"));
		json_auto_t *answer = fixture_call(repo_remove, args);
		if (!json_bool(answer, "removed", true)) {
			assert_back();
			assert_nothing_left();
		}
		tear_down(state);
		set_up(state);
	}
}

/* More of them in a soak run. */
static int random_kills(void)
{
	const char *text = getenv("COPPICE_RANDOM_KILLS");
	int64_t n = RANDOM_KILLS;
	if (text)
		assert_int_equal(number_parse(text, 1, INT32_MAX, &n, NULL), 0);
	return (int)n;
}

static usec_t now(void)
{
	struct timespec t;
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
	return t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

static usec_t random_below(usec_t limit)
{
	uint32_t r = 0;
	assert_int_equal(getrandom(&r, sizeof(r), 0), (ssize_t)sizeof(r));
	return (usec_t)r % limit;
}

/* Kills the children of `pid`, which is stopped and so gets no new ones. */
static int kill_child(const char *name, int type, void *data, struct error *err)
{
	(void)type;
	(void)err;
	const pid_t *parent = data;
	int64_t pid = 0;
	struct proc_stat st;
	if (number_parse(name, 1, INT32_MAX, &pid, NULL) == 0 && proc_stat((pid_t)pid, &st, NULL) == 0 &&
	    st.ppid == *parent)
		(void)kill((pid_t)pid, SIGKILL);
	return 0;
}

static void kill_with_children(pid_t pid)
{
	int status = 0;
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	if (!WIFSTOPPED(status)) /* it had ended by itself */
		return;
	assert_int_equal(dir_each("/proc", kill_child, &pid, NULL), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		; /* its children are ours now */
}

/* Runs and kills at a random moment; the time of a whole run is measured by the first one. */
static void run_and_kill(worker_fn *worker, const json_t *args, usec_t *duration)
{
	usec_t began = now();
	pid_t pid = start(worker, args, -1);
	if (!*duration) {
		assert_false(was_killed(pid));
		*duration = now() - began;
		return;
	}
	usec_t delay = random_below(*duration);
	const struct timespec pause = {.tv_sec = delay / USEC_PER_SEC,
				       .tv_nsec = (long)(delay % USEC_PER_SEC) * 1000};
	(void)nanosleep(&pause, NULL); /* the random instant itself: nothing is waited for */
	kill_with_children(pid);
}

static void test_W11_remove_killed_with_its_gits_at_random(void **state)
{
	usec_t duration = 0;
	for (int i = 0; i <= random_kills(); i++) {
		json_auto_t *args = remove_args();
		run_and_kill(repo_remove, args, &duration);
		others_use_the_repository();
		finish_removal();
		tear_down(state);
		set_up(state);
	}
}

static void test_W11_restore_killed_with_its_gits_at_random(void **state)
{
	usec_t duration = 0;
	for (int i = 0; i <= random_kills(); i++) {
		json_auto_t *args = removed_args();
		run_and_kill(repo_restore, args, &duration);
		others_use_the_repository();
		finish_restoration(args);
		tear_down(state);
		set_up(state);
	}
}

/* Two removals of one worktree at once: one of them has it, and the other leaves no trace. */
static void test_W11_two_removals_at_once(void **state)
{
	for (int i = 0; i < 5; i++) {
		json_auto_t *args = remove_args(), *other = json_deep_copy(args);
		json_object_set_new(other, "id", json_string("trash-other"));
		pid_t pid = start(repo_remove, other, -1);
		json_t *answer = NULL;
		autoerror err = {0};
		int r = repo_remove(args, &answer, &err);
		bool mine = r == 0 && json_bool(answer, "removed", false);
		json_decref(answer);
		int status = 0;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(mine, fixture_exists("repo/.git/coppice-trash/trash-w11"));
		/* Both may have turned back, each when it saw the other at work: it is whole then too. */
		json_auto_t *again = fixture_call(repo_remove, mine ? args : other),
			    *trash = fixture_trash_args(again);
		json_decref(fixture_call(repo_restore, trash));
		assert_back();
		assert_nothing_left();
		tear_down(state);
		set_up(state);
	}
}

/* Many worktrees of one repository at once, each with its branch. */
static void test_W11_many_removals_at_once(void **state)
{
	(void)state;
	enum { MANY = 8 };
	pid_t pids[MANY];
	json_t *args[MANY];
	for (int i = 0; i < MANY; i++) {
		autofree char *name = xasprintf("many-%d", i), *path = path_join(fx.home, name),
			      *worktrees = path_join(fx.common, "worktrees"),
			      *admin = path_join(worktrees, name);
		fixture_run("repo", "git", "worktree", "add", "-q", "-b", name, path, NULL);
		args[i] = remove_args();
		json_set_str(args[i], "id", name);
		json_set_str(args[i], "path", path);
		json_set_str(args[i], "git_dir", admin);
		json_set_str(args[i], "branch", name);
	}
	for (int i = 0; i < MANY; i++)
		pids[i] = start(repo_remove, args[i], -1);
	for (int i = 0; i < MANY; i++)
		assert_false(was_killed(pids[i]));
	autofree char *branches = fixture_output("repo", "git", "for-each-ref", "--format=%(refname:short)",
						 "refs/heads", NULL);
	assert_string_equal(branches, "feat\nmain");
	for (int i = 0; i < MANY; i++) {
		json_auto_t *answer = fixture_call(repo_remove, args[i]), *trash = fixture_trash_args(answer);
		pids[i] = start(repo_restore, trash, -1);
		json_decref(args[i]);
	}
	for (int i = 0; i < MANY; i++)
		assert_false(was_killed(pids[i]));
	assert_nothing_left();
	fixture_run("many-7", "git", "status", NULL);
}

/* Locks that a git of ours left when it was killed in the middle of the deletion. */
static void test_W11_locks_of_a_killed_git_are_cleared(void **state)
{
	(void)state;
	json_auto_t *args = remove_args();
	int point = 0;
	/* Up to the phase in which the branch goes. */
	while (!fixture_exists("repo/.git/coppice-trash/trash-w11.log")) {
		tear_down(state);
		set_up(state);
		json_decref(TAKE_PTR(args));
		args = remove_args();
		assert_true(was_killed(start(repo_remove, args, point++)));
	}
	fixture_write("repo/.git/refs/heads/feat.lock", "");
	fixture_write("repo/.git/packed-refs.lock", "");
	fixture_write("repo/.git/packed-refs.new", "# pack-refs with: peeled fully-peeled sorted\n");
	fixture_write("repo/.git/config.lock", "");
	finish_removal();
}

static void test_W11_locks_of_others_are_left(void **state)
{
	(void)state;
	fixture_write("repo/.git/refs/heads/feat.lock", "");
	json_auto_t *args = remove_args(), *answer = fixture_call(repo_remove, args);
	assert_true(json_bool(answer, "removed", false));
	assert_false(json_bool(answer, "branch_deleted", true));
	assert_non_null(strstr(json_str(answer, "reason"), "feat.lock"));
	/* Older than the attempt: not ours, however often it is run again. */
	json_auto_t *again = fixture_call(repo_remove, args);
	assert_false(json_bool(again, "branch_deleted", true));
	assert_true(fixture_exists("repo/.git/refs/heads/feat.lock"));
	json_auto_t *trash = fixture_trash_args(answer);
	json_decref(fixture_call(repo_restore, trash));
	assert_back();
}

int main(void)
{
	/* Gits of a killed worker become our children, so that we can wait for their end. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		return 1;
#define CRASH_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CRASH_TEST(test_W11_remove_killed_at_any_instant),
		CRASH_TEST(test_W11_restore_killed_at_any_instant),
		CRASH_TEST(test_W11_purge_killed_at_any_instant),
		CRASH_TEST(test_W11_killed_removal_that_is_not_repeated_with_success),
		CRASH_TEST(test_W11_remove_killed_with_its_gits_at_random),
		CRASH_TEST(test_W11_restore_killed_with_its_gits_at_random),
		CRASH_TEST(test_W11_two_removals_at_once),
		CRASH_TEST(test_W11_many_removals_at_once),
		CRASH_TEST(test_W11_locks_of_a_killed_git_are_cleared),
		CRASH_TEST(test_W11_locks_of_others_are_left),
	};
	return cmocka_run_group_tests(tests, fixture_group_set_up, fixture_group_tear_down);
}

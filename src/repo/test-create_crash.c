/* Creations that are killed, and then repeated (W11): the end is that of one that was not disturbed. */
#include "repo/test-create.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/timeval.h"
#include "repo/create.h"

static const char wt_id[] = "wt-000000000001";

/* A repository whose checkouts take a moment, in every way that a creation can be made to take part in:
 * many files, a filter, a hook, a reference hook. */
static void prepare(const struct fixture *fx)
{
	fx_write(fx->repo, ".gitattributes", "*.up filter=up\n");
	for (int i = 0; i < 40; i++) {
		autofree char *name = xasprintf("d%d/f%d", i % 7, i);
		fx_write(fx->repo, name, name);
	}
	fx_write(fx->repo, "a.up", "text\n");
	fx_write(fx->repo, "z.up", "text\n");
	fx_git(fx->repo, "add", ".");
	fx_git(fx->repo, "commit", "-q", "-m", "files");
	fx_git(fx->repo, "config", "filter.up.smudge", "tr a-z A-Z");
	fx_git(fx->repo, "config", "filter.up.clean", "tr A-Z a-z");
	autofree char *hook =
		xasprintf("#!/bin/sh\necho made >made-by-hook\necho x >>'%s/hooks'\n", fx->root);
	fx_write_program(fx->common, "hooks/post-checkout", hook);
}

/* All that can be said of the end: names, contents, refs, registration; caller frees. */
static char *end_state(const struct fixture *fx, const json_t *made)
{
	static const char *const worktrees[] = {"git", "worktree", "list", "--porcelain", NULL};
	static const char *const status[] = {"git", "status", "--porcelain", NULL};
	static const char *const sums[] = {"find", ".",	    "-type", "f",  "!", "-name",
					   ".git", "-exec", "cksum", "{}", "+", NULL};
	autofree char *traces = create_traces(fx), *answer = json_text(made);
	autostrbuf out = STRBUF_INIT(4 << 20);
	strbuf_addf(&out, "%s\n%s\n", answer, traces);
	fx_must(fx->repo, &out, worktrees);
	fx_must(json_str(made, "path"), &out, status);
	fx_must(json_str(made, "path"), &out, sums);
	return sorted_lines(&out);
}

/* Everything back to before the creation. */
static void wipe(const struct fixture *fx)
{
	autofree char *path = fx_path(fx, "new"), *admin = path_join(fx->common, "worktrees"),
		      *lock = path_join(fx->common, "coppice.lock"), *hooks = fx_path(fx, "hooks");
	assert_int_equal(tree_remove(path, NULL), 0);
	assert_int_equal(tree_remove(admin, NULL), 0);
	fx_git(fx->repo, "update-ref", "-d", "refs/heads/feat/a");
	(void)unlink(lock);
	(void)unlink(hooks);
}

static json_t *crash_args(const struct fixture *fx)
{
	json_t *args = create_args(fx, wt_id, "feat/a");
	autofree char *path = fx_path(fx, "new/deep/feat-a");
	json_set_str(args, "path", path);
	json_object_set_new(args, "lock_owner",
			    json_pack("{s:s, s:i, s:i}", "boot_id", "abc", "pid", 77, "start_time", 5));
	return args;
}

/* Starts a creation in its own process group, as a worker has. */
static pid_t start_worker(const json_t *args)
{
	pid_t pid = fork();
	if (pid == 0) {
		(void)setpgid(0, 0);
		json_t *ret = NULL;
		autoerror err = {0};
		int r = repo_create(args, &ret, &err);
		_exit(r ? 1 : 0);
	}
	assert_true(pid > 0);
	(void)setpgid(pid, pid); /* whichever of the two is first */
	return pid;
}

/* Waits for the worker; whether it was killed. */
static bool reap_worker(pid_t pid)
{
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status);
}

static void repeat_and_compare(const struct fixture *fx, const json_t *args, const char *wanted,
			       const char *where)
{
	json_auto_t *made = NULL;
	autoerror err = {0};
	if (repo_create(args, &made, &err))
		fail_msg("%s: %s (%s)", where, err.message, err.hint ? err.hint : "");
	autofree char *is = end_state(fx, made);
	if (strcmp(is, wanted) != 0) {
		size_t n = 0;
		while (is[n] == wanted[n])
			n++;
		while (n > 0 && is[n - 1] != '\n')
			n--;
		fail_msg("%s: not the end of an undisturbed one, from here on: %.200s, wanted: %.200s", where,
			 is + n, wanted + n);
	}
	create_expect_no_leftovers(fx);
}

/* What an undisturbed creation ends in, and how long it takes (nanoseconds). */
static char *undisturbed(const struct fixture *fx, const json_t *args, long *ret_time)
{
	struct timespec a, b;
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &a), 0);
	json_auto_t *made = NULL;
	assert_int_equal(repo_create(args, &made, NULL), 0);
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &b), 0);
	*ret_time = (b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec;
	autofree char *hooks = fx_read(fx->root, "hooks");
	assert_string_equal(hooks, "x\n");
	char *state = end_state(fx, made);
	wipe(fx);
	return state;
}

static unsigned next_random(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 8;
}

/* At random instants: in the middle of git, of a filter, of a write. */
static void test_W11_create_killed_at_any_instant(void **state)
{
	struct fixture *fx = *state;
	prepare(fx);
	json_auto_t *args = crash_args(fx);
	const char *rounds = getenv("COPPICE_TEST_ROUNDS");
	int64_t n = 8;
	assert_true(!rounds || number_parse(rounds, 1, 100000, &n, NULL) == 0);
	long time = 0;
	autofree char *wanted = undisturbed(fx, args, &time);
	unsigned seed = 7;
	for (int64_t i = 0; i < n; i++) {
		long delay = (long)(next_random(&seed) % 1000) * (time / 1000 + 1);
		const struct timespec pause = {delay / 1000000000L, delay % 1000000000L};
		pid_t pid = start_worker(args);
		(void)nanosleep(&pause, NULL); /* the instant is what is tested */
		(void)kill(-pid, SIGKILL);
		(void)reap_worker(pid);
		autofree char *where = xasprintf("round %d, killed after %ld us", (int)i, delay / 1000);
		repeat_and_compare(fx, args, wanted, where);
		wipe(fx);
	}
	fx_git(fx->repo, "fsck", "--no-dangling");
}

/* A git that kills its worker's whole group: at its n-th start, before or after it did its work. */
static void kill_at(const struct fixture *fx, int n, bool after)
{
	autofree char *count = fx_path(fx, "count");
	fx_write(fx->root, "count", "0\n");
	autofree char *clause =
		xasprintf("*)\n"
			  "	read n <'%s'\n"
			  "	n=$((n + 1))\n"
			  "	echo $n >'%s'\n"
			  "	if [ $n -eq %d ]; then\n"
			  "		%s\n"
			  "		kill -9 0\n"
			  "	fi;;",
			  count, count, n, after ? "PATH=\"${PATH#*:}\" git \"$@\" >/dev/null 2>&1" : ":");
	create_git_shim(fx, clause);
}

/* Between any two of its steps. */
static void test_W11_create_killed_at_each_step(void **state)
{
	struct fixture *fx = *state;
	prepare(fx);
	json_auto_t *args = crash_args(fx);
	long time = 0;
	autofree char *wanted = undisturbed(fx, args, &time);
	int steps = 0;
	for (int i = 0; i < 60; i++) {
		kill_at(fx, i / 2 + 1, i % 2);
		pid_t pid = start_worker(args);
		create_git_shim(fx, NULL);
		bool killed = reap_worker(pid);
		autofree char *where = xasprintf("killed %s git %d", i % 2 ? "after" : "before", i / 2 + 1);
		repeat_and_compare(fx, args, wanted, where);
		wipe(fx);
		if (!killed)
			break;
		steps++;
	}
	assert_true(steps >= 12); /* at least six times git was run */
}

/* Killed while it takes a failed creation back: the next one begins anew, and succeeds by now. */
static void test_W11_killed_while_taking_back(void **state)
{
	struct fixture *fx = *state;
	prepare(fx);
	json_auto_t *args = crash_args(fx);
	long time = 0;
	autofree char *wanted = undisturbed(fx, args, &time);
	int steps = 0;
	for (int i = 0; i < 60; i++) {
		fx_git(fx->repo, "config", "filter.up.required", "true");
		fx_git(fx->repo, "config", "filter.up.smudge", "exit 7");
		kill_at(fx, i / 2 + 1, i % 2);
		pid_t pid = start_worker(args);
		create_git_shim(fx, NULL);
		bool killed = reap_worker(pid);
		fx_git(fx->repo, "config", "--unset", "filter.up.required");
		fx_git(fx->repo, "config", "filter.up.smudge", "tr a-z A-Z");
		autofree char *where = xasprintf("killed %s git %d", i % 2 ? "after" : "before", i / 2 + 1);
		repeat_and_compare(fx, args, wanted, where);
		wipe(fx);
		if (!killed)
			break;
		steps++;
	}
	assert_true(steps >= 14);
}

/* Killed at each step and never to succeed: the repetition leaves nothing. */
static void test_W11_failure_after_a_crash_leaves_nothing(void **state)
{
	struct fixture *fx = *state;
	prepare(fx);
	fx_git(fx->repo, "config", "filter.up.required", "true");
	fx_git(fx->repo, "config", "filter.up.smudge", "exit 7");
	json_auto_t *args = crash_args(fx);
	autofree char *before = create_traces(fx);
	for (int i = 0; i < 60; i++) {
		kill_at(fx, i / 2 + 1, i % 2);
		pid_t pid = start_worker(args);
		create_git_shim(fx, NULL);
		bool killed = reap_worker(pid);
		json_t *made = NULL;
		if (repo_create(args, &made, NULL) != ERR_GIT)
			fail_msg("step %d: no failure", i);
		autofree char *after = create_traces(fx);
		if (strcmp(before, after) != 0)
			fail_msg("step %d left something:\n%s", i, after);
		create_expect_no_leftovers(fx);
		if (!killed)
			return;
	}
	fail_msg("it never came to its end");
}

/* A creation with a git that kills it, in the shell case `clause`. */
static void killed_by(const struct fixture *fx, const char *clause, const json_t *args)
{
	create_git_shim(fx, clause);
	pid_t pid = start_worker(args);
	create_git_shim(fx, NULL);
	assert_true(reap_worker(pid));
}

/* Git cannot list any worktree while one is half-made: others must be able to go on all the same. */
static void test_W1_half_made_registration_does_not_stop_others(void **state)
{
	struct fixture *fx = *state;
	prepare(fx);
	json_auto_t *args = crash_args(fx);
	autofree char *clause = xasprintf("*' worktree add '*)\n"
					  "	PATH=\"${PATH#*:}\" git \"$@\" >/dev/null 2>&1\n"
					  "	: >'%s/worktrees/feat-a/commondir'\n"
					  "	printf %%040d 0 >'%s/worktrees/feat-a/HEAD'\n"
					  "	kill -9 0;;",
					  fx->common, fx->common);
	killed_by(fx, clause, args);
	assert_int_not_equal(fx_try(fx->repo, NULL, (const char *const[]){"git", "worktree", "list", NULL}),
			     0);
	json_auto_t *other = create_args(fx, "wt-000000000002", "other");
	json_auto_t *made = NULL;
	autoerror err = {0};
	if (repo_create(other, &made, &err))
		fail_msg("%s", err.message);
	json_auto_t *again = NULL;
	if (repo_create(args, &again, &err))
		fail_msg("%s", err.message);
	assert_string_equal(json_str(again, "path"), json_str(args, "path"));
	create_expect_no_leftovers(fx);
}

/* A git that fails takes back what it made, first the folder in the repository, then the worktree. It may be
 * killed in the middle of either. */
static void test_W11_a_git_that_was_killed_while_it_took_back(void **state)
{
	struct fixture *fx = *state;
	prepare(fx);
	json_auto_t *args = crash_args(fx);
	long time = 0;
	autofree char *wanted = undisturbed(fx, args, &time);
	static const char *const removed[] = {"gitdir", "HEAD feat-a/gitdir feat-a/commondir", ""};
	for (size_t i = 0; i < ARRAY_SIZE(removed); i++) {
		autofree char *clause = xasprintf("*' worktree add '*)\n"
						  "	PATH=\"${PATH#*:}\" git \"$@\" >/dev/null 2>&1\n"
						  "	cd '%s/worktrees' && rm -r feat-a/%s\n"
						  "	kill -9 0;;",
						  fx->common, removed[i]);
		killed_by(fx, clause, args);
		repeat_and_compare(fx, args, wanted, removed[i]);
		wipe(fx);
	}
}

/* A git that was killed leaves its lock files, which would stop the next one. */
static void test_W11_lock_files_of_a_killed_git(void **state)
{
	struct fixture *fx = *state;
	prepare(fx);
	json_auto_t *args = crash_args(fx);
	long time = 0;
	autofree char *wanted = undisturbed(fx, args, &time);
	static const struct {
		const char *command, *lock;
	} cases[] = {{"update-ref", "refs/heads/feat/a.lock"}, {"reset", "worktrees/feat-a/index.lock"}};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *clause = xasprintf("*' %s '*) kill -9 0;;", cases[i].command);
		killed_by(fx, clause, args);
		fx_write(fx->common, cases[i].lock, "");
		repeat_and_compare(fx, args, wanted, cases[i].command);
		wipe(fx);
	}
}

/* A branch that somebody made between the crash and the repetition is theirs. */
static void test_W8_branch_made_after_a_crash_is_not_ours(void **state)
{
	struct fixture *fx = *state;
	prepare(fx);
	json_auto_t *args = crash_args(fx);
	kill_at(fx, 1, false);
	for (int i = 1;; i++) {
		kill_at(fx, i, false);
		pid_t pid = start_worker(args);
		create_git_shim(fx, NULL);
		assert_true(reap_worker(pid));
		autofree char *journal = xasprintf("coppice.create-%s/journal", wt_id);
		if (fx_exists(fx->common, journal))
			break;
	}
	/* The journal says that it is going to make the branch; it has not. */
	assert_false(fx_exists(fx->common, "refs/heads/feat/a"));
	fx_git(fx->repo, "branch", "feat/a");
	json_auto_t *made = NULL;
	assert_int_equal(repo_create(args, &made, NULL), 0);
	assert_false(json_bool(made, "created_branch", true));
	create_expect_no_leftovers(fx);
}

/* And so is a worktree at the path that it was about to take. */
static void test_W8_worktree_made_after_a_crash_is_not_ours(void **state)
{
	struct fixture *fx = *state;
	prepare(fx);
	json_auto_t *args = crash_args(fx);
	for (int i = 1; !fx_exists(fx->common, "refs/heads/feat/a"); i++) {
		kill_at(fx, i, true);
		pid_t pid = start_worker(args);
		create_git_shim(fx, NULL);
		assert_true(reap_worker(pid));
	}
	autofree char *path = fx_path(fx, "new/deep/feat-a"), *other = fx_path(fx, "new/deep/feat-a-beef");
	fx_git(fx->repo, "worktree", "add", "-q", "-b", "theirs", path);
	json_auto_t *made = NULL;
	assert_int_equal(repo_create(args, &made, NULL), 0);
	assert_string_equal(json_str(made, "path"), other);
	assert_true(json_bool(made, "created_branch", false));
	autofree char *branch = fx_git_line(path, "branch", "--show-current");
	assert_string_equal(branch, "theirs");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fx_test(test_W11_create_killed_at_any_instant),
		fx_test(test_W11_create_killed_at_each_step),
		fx_test(test_W11_killed_while_taking_back),
		fx_test(test_W11_failure_after_a_crash_leaves_nothing),
		fx_test(test_W11_lock_files_of_a_killed_git),
		fx_test(test_W11_a_git_that_was_killed_while_it_took_back),
		fx_test(test_W1_half_made_registration_does_not_stop_others),
		fx_test(test_W8_branch_made_after_a_crash_is_not_ours),
		fx_test(test_W8_worktree_made_after_a_crash_is_not_ours),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

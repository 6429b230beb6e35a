/* Tests of proc.h: the stat line, ancestry, life and death, reuse of pids, environment. Who uses a
 * folder is tested in test-procdir.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "os/proc.h"
#include "os/testing.h"

static void test_stat_line_with_any_name(void **state)
{
	(void)state;
	static const char *const names[] = {"sh", "a b",  "a) R 1 2", ")",	  "(((",
					    "",	  "x\ny", ") Z 1 (",  "\xff\x01", "1 (2)"};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		autofree char *line =
			xasprintf("4242 (%s) S 17 4242 18 34816 4300 4194560 1 2 3 4 5 6 7 8 20 0 "
				  "3 0 987654321 1 18446744073709551615 2\n",
				  names[i]);
		struct proc_stat st = {0};
		assert_true(proc_stat_parse(line, strlen(line), &st));
		assert_int_equal(st.pid, 4242);
		assert_int_equal(st.ppid, 17);
		assert_int_equal(st.pgid, 4242);
		assert_int_equal(st.sid, 18);
		assert_int_equal(st.tty, 34816);
		assert_int_equal(st.tty_pgid, 4300);
		assert_int_equal(st.flags, 4194560);
		assert_int_equal(st.threads, 3);
		assert_int_equal(st.start_time, 987654321);
		assert_int_equal(st.state, 'S');
	}
}

static void test_malformed_stat_lines(void **state)
{
	(void)state;
	static const char good[] = "1 (a) S 0 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 9 1 2\n";
	static const char *const bad[] = {
		"",
		"1",
		")",
		"1 (a)",
		"1 )a( S 0 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 9 1",
		"x (a) S 0 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 9 1",
		"0 (a) S 0 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 9 1",
		"-1 (a) S 0 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 9 1",
		"4294967297 (a) S 0 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 9 1",
		"1 (a)  0 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 9 1",
		"1 (a) S  1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 9 1",
		"1 (a) S 0 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 -9 1",
		"1 (a) S 0 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 99999999999999999999 1",
		"1 (a) S 4294967296 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 9 1",
	};
	struct proc_stat st;
	assert_true(proc_stat_parse(good, strlen(good), &st));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(proc_stat_parse(bad[i], strlen(bad[i]), &st));
	const char *after_start = strstr(good, " 9 1") + 3;
	for (const char *end = good; end < after_start; end++) {
		autofree char *cut = xstrndup(good, (size_t)(end - good));
		assert_false(proc_stat_parse(cut, strlen(cut), &st));
	}
}

struct reporter {
	int fd[2]; /* a pipe */
	int depth;
	bool detach;
};

static void report(const struct reporter *r)
{
	pid_t pid = getpid();
	if (write(r->fd[1], &pid, sizeof(pid)) != sizeof(pid))
		_exit(1);
}

static pid_t reported(const struct reporter *r)
{
	pid_t pid = -1;
	assert_int_equal(read(r->fd[0], &pid, sizeof(pid)), sizeof(pid));
	return pid;
}

static void reporter_init(struct reporter *r)
{
	*r = (struct reporter){0};
	assert_int_equal(pipe2(r->fd, O_CLOEXEC), 0);
}

static void reporter_release(struct reporter *r)
{
	assert_int_equal(close(r->fd[0]) | close(r->fd[1]), 0);
}

static int named_oddly(void *data)
{
	(void)prctl(PR_SET_NAME, "a) Z 1 (\n", 0, 0, 0); /* cannot fail */
	report(data);
	return test_pause(NULL);
}

static void test_a_process_may_have_any_name(void **state)
{
	(void)state;
	struct reporter r;
	reporter_init(&r);
	pid_t pid = test_fork(named_oddly, &r);
	assert_int_equal(reported(&r), pid);
	struct proc_stat st;
	assert_int_equal(proc_stat(pid, &st, NULL), 0);
	assert_int_equal(st.pid, pid);
	assert_int_equal(st.ppid, getpid());
	assert_int_equal(st.sid, getsid(0));
	assert_int_equal(st.threads, 1);
	assert_int_not_equal(st.state, 'Z');
	assert_int_equal(proc_alive(pid, st.start_time), TRUTH_YES);
	test_kill(pid);
	assert_int_equal(proc_stat(pid, &st, NULL), ERR_NOT_FOUND);
	reporter_release(&r);
}

/* Forks `depth` generations; the last reports, all wait. */
static int generations(void *data)
{
	struct reporter r = *(const struct reporter *)data;
	if (r.depth-- == 0) {
		if (r.detach && setsid() < 0)
			return 1;
		report(&r);
		return test_pause(NULL);
	}
	if (!r.detach)
		return test_wait(test_fork(generations, &r));
	pid_t pid = fork(); /* unlike one of test_fork it outlives us */
	if (pid == 0)
		_exit(generations(&r));
	return pid < 0;
}

static void test_chain_of_a_grandchild(void **state)
{
	(void)state;
	struct reporter r;
	reporter_init(&r);
	r.depth = 2;
	pid_t first = test_fork(generations, &r);
	pid_t last = reported(&r);
	struct proc_chain chain;
	assert_int_equal(proc_chain(last, &chain, NULL), 0);
	assert_true(chain.n >= 4);
	assert_int_equal(chain.at[0].pid, last);
	assert_int_equal(chain.at[1].ppid, first);
	assert_int_equal(chain.at[2].pid, first);
	assert_int_equal(chain.at[3].pid, getpid());
	for (size_t i = 1; i < chain.n; i++) {
		assert_int_equal(chain.at[i].pid, chain.at[i - 1].ppid);
		assert_true(chain.at[i].start_time <= chain.at[i - 1].start_time);
		assert_int_not_equal(chain.at[i].pid, 1);
	}
	assert_int_equal(kill(last, SIGKILL), 0);
	assert_int_equal(test_wait(first), 128 + SIGKILL);
	reporter_release(&r);
}

/* Its parent is gone, so nothing leads from it to us any more. */
static void test_chain_of_a_setsid_orphan(void **state)
{
	(void)state;
	struct reporter r;
	reporter_init(&r);
	r.depth = 1;
	r.detach = true;
	pid_t parent = test_fork(generations, &r);
	pid_t orphan = reported(&r);
	assert_int_equal(test_wait(parent), 0);
	struct proc_chain chain;
	assert_int_equal(proc_chain(orphan, &chain, NULL), 0);
	assert_int_equal(chain.at[0].pid, orphan);
	assert_int_equal(chain.at[0].sid, orphan);
	assert_int_equal(chain.at[0].tty, 0);
	for (size_t i = 0; i < chain.n; i++) {
		assert_int_not_equal(chain.at[i].pid, parent);
		assert_int_not_equal(chain.at[i].pid, getpid());
	}
	assert_int_equal(kill(orphan, SIGKILL), 0);
	reporter_release(&r);
}

static void test_long_chains_are_incomplete(void **state)
{
	(void)state;
	struct reporter r;
	reporter_init(&r);
	r.depth = PROC_CHAIN_MAX;
	pid_t first = test_fork(generations, &r);
	pid_t last = reported(&r);
	struct proc_chain chain;
	assert_int_equal(proc_chain(last, &chain, NULL), 0);
	assert_int_equal(chain.n, PROC_CHAIN_MAX);
	assert_false(chain.complete);
	assert_int_equal(kill(last, SIGKILL), 0);
	assert_int_equal(test_wait(first), 128 + SIGKILL);
	reporter_release(&r);
}

static void test_chains_at_the_top(void **state)
{
	(void)state;
	struct proc_chain chain;
	assert_int_equal(proc_chain(1, &chain, NULL), 0);
	assert_int_equal(chain.n, 1);
	assert_true(chain.complete);
	assert_int_equal(proc_chain(INT32_MAX, &chain, NULL), ERR_NOT_FOUND);
	assert_int_equal(proc_chain(0, &chain, NULL), ERR_NOT_FOUND);
	assert_int_equal(proc_chain(-1, &chain, NULL), ERR_NOT_FOUND);
}

static bool is_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	return poll(&p, 1, 0) == 1;
}

static void test_a_pidfd_tells_the_end(void **state)
{
	(void)state;
	struct proc_stat st;
	pid_t pid = test_fork(test_pause, NULL);
	assert_int_equal(proc_stat(pid, &st, NULL), 0);
	int fd = -1;
	assert_int_equal(proc_pidfd(pid, st.start_time, &fd, NULL), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_false(is_readable(fd));
	test_kill(pid);
	assert_true(is_readable(fd));
	assert_int_equal(close(fd), 0);
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* The daemon gets a signal whenever a child of its ends, and asks at that very moment who a caller is. */
static void test_I2_a_signal_on_its_way_makes_nobody_dead(void **state)
{
	(void)state;
	struct sigaction action = {.sa_handler = on_alarm}, before;
	struct itimerval often = {{0, 50}, {0, 50}}, never = {0};
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	assert_true(fd >= 0);
	assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	int dead = 0;
	for (int i = 0; i < 100000; i++)
		dead += !proc_lives(fd);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(dead, 0);
	assert_false(proc_lives(-1));
}

static void test_another_start_time_is_another_process(void **state)
{
	(void)state;
	struct proc_stat st;
	pid_t pid = test_fork(test_pause, NULL);
	assert_int_equal(proc_stat(pid, &st, NULL), 0);
	int fd = -1;
	assert_int_equal(proc_alive(pid, st.start_time), TRUTH_YES);
	assert_int_equal(proc_alive(pid, st.start_time - 1), TRUTH_NO);
	assert_int_equal(proc_alive(pid, st.start_time + 1), TRUTH_NO);
	assert_int_equal(proc_pidfd(pid, st.start_time + 1, &fd, NULL), ERR_NOT_FOUND);
	test_kill(pid);
	assert_int_equal(proc_alive(pid, st.start_time), TRUTH_NO);
	assert_int_equal(proc_pidfd(pid, st.start_time, &fd, NULL), ERR_NOT_FOUND);
	assert_int_equal(proc_pidfd(-1, 0, &fd, NULL), ERR_NOT_FOUND);
	assert_int_equal(fd, -1);
}

/* Forks a process with a pid of our choice; -1 where that is not allowed. */
static pid_t fork_as(pid_t wanted)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uint64_t)(uintptr_t)&wanted,
		.set_tid_size = 1,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(test_pause(NULL));
	return pid;
}

static void test_a_reused_pid_is_not_the_old_process(void **state)
{
	(void)state;
	struct proc_stat old, new;
	pid_t pid = test_fork(test_pause, NULL);
	assert_int_equal(proc_stat(pid, &old, NULL), 0);
	test_kill(pid);
	/* The kernel counts starts in ticks; a pid comes back within one only when it is forced to. */
	for (;;) {
		pid_t again = fork_as(pid);
		if (again < 0)
			skip();
		assert_int_equal(again, pid);
		assert_int_equal(proc_stat(pid, &new, NULL), 0);
		if (new.start_time != old.start_time)
			break;
		test_kill(pid);
	}
	int fd = -1;
	assert_int_equal(proc_alive(pid, old.start_time), TRUTH_NO);
	assert_int_equal(proc_pidfd(pid, old.start_time, &fd, NULL), ERR_NOT_FOUND);
	assert_int_equal(proc_alive(pid, new.start_time), TRUTH_YES);
	test_kill(pid);
}

static int end_at_once(void *data)
{
	(void)data;
	return 0;
}

static void test_zombies_are_dead(void **state)
{
	(void)state;
	struct proc_stat st;
	siginfo_t info;
	pid_t pid = test_fork(end_at_once, NULL);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(proc_stat(pid, &st, NULL), 0);
	assert_int_equal(st.state, 'Z');
	assert_true(proc_stat_ended(&st));
	int fd = -1;
	char *value = NULL;
	enum truth known = TRUTH_YES;
	assert_int_equal(proc_alive(pid, st.start_time), TRUTH_NO);
	assert_int_equal(proc_pidfd(pid, st.start_time, &fd, NULL), ERR_NOT_FOUND);
	proc_environ(pid, "PATH", &value, &known);
	assert_int_equal(known, TRUTH_UNKNOWN);
	assert_null(value);
	/* Its ancestry is still there: a client that has just ended can be told whose it was. */
	struct proc_chain chain;
	assert_int_equal(proc_chain(pid, &chain, NULL), 0);
	assert_int_equal(chain.at[1].pid, getpid());
	assert_int_equal(test_wait(pid), 0);
}

static void *wait_for_ever(void *data)
{
	(void)test_pause(data);
	return NULL;
}

static int end_main_thread(void *data)
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, wait_for_ever, NULL) != 0)
		return 1;
	report(data);
	syscall(SYS_exit, 0); /* of this thread only */
	return 1;
}

static void test_a_process_lives_on_after_its_main_thread(void **state)
{
	(void)state;
	struct reporter r;
	reporter_init(&r);
	pid_t pid = test_fork(end_main_thread, &r);
	assert_int_equal(reported(&r), pid);
	struct proc_stat st;
	do {
		assert_int_equal(proc_stat(pid, &st, NULL), 0);
		(void)sched_yield(); /* until the kernel has ended the thread */
	} while (st.state != 'Z');
	assert_false(proc_stat_ended(&st));
	assert_int_equal(proc_alive(pid, st.start_time), TRUTH_YES);
	int fd = -1;
	assert_int_equal(proc_pidfd(pid, st.start_time, &fd, NULL), 0);
	assert_false(is_readable(fd));
	test_kill(pid);
	assert_true(is_readable(fd));
	assert_int_equal(close(fd), 0);
	reporter_release(&r);
}

/* Clients that end while they are looked at: an answer is right, or there is none. */
static void test_short_lived_clients(void **state)
{
	(void)state;
	int told = 0, gone = 0;
	for (int i = 0; i < 300; i++) {
		pid_t pid = test_fork(end_at_once, NULL);
		if (i % 2)
			assert_int_equal(test_wait(pid), 0);
		struct proc_chain chain;
		autoerror err = {0};
		int r = proc_chain(pid, &chain, &err);
		if (r == 0) {
			told++;
			assert_int_equal(chain.at[0].pid, pid);
			assert_int_equal(chain.at[1].pid, getpid());
		} else {
			gone++;
			assert_int_equal(r, ERR_NOT_FOUND);
		}
		if (i % 2 == 0)
			assert_int_equal(test_wait(pid), 0);
	}
	assert_int_equal(told, 150);
	assert_int_equal(gone, 150);
}

/* The parent ends during the walk: its child then has another ancestry, never a wrong one. */
static void test_parents_that_end_during_the_walk(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++) {
		struct reporter r;
		reporter_init(&r);
		r.depth = 1;
		r.detach = true;
		pid_t parent = test_fork(generations, &r);
		pid_t orphan = reported(&r);
		struct proc_chain chain;
		assert_int_equal(proc_chain(orphan, &chain, NULL), 0);
		assert_int_equal(chain.at[0].pid, orphan);
		bool through_parent = chain.n > 1 && chain.at[1].pid == parent;
		if (through_parent && chain.n > 2)
			assert_int_equal(chain.at[2].pid, getpid());
		for (size_t j = 1; !through_parent && j < chain.n; j++)
			assert_int_not_equal(chain.at[j].pid, getpid());
		assert_int_equal(test_wait(parent), 0);
		assert_int_equal(kill(orphan, SIGKILL), 0);
		reporter_release(&r);
	}
}

static void assert_variable(pid_t pid, const char *name, enum truth wanted, const char *value)
{
	autofree char *is = NULL;
	enum truth known;
	proc_environ(pid, name, &is, &known);
	assert_int_equal(known, wanted);
	if (value)
		assert_string_equal(is, value);
	else
		assert_null(is);
}

struct environ_child {
	pid_t pid;
	int hold; /* it lives until this is closed */
};

static void environ_child_start(struct environ_child *c, const char *const *env)
{
	int fds[2];
	posix_spawn_file_actions_t actions;
	char cat[] = "cat";
	char *argv[] = {cat, NULL};
	union {
		const char *const *in;
		char *const *out;
	} envp = {env};
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	assert_int_equal(posix_spawn_file_actions_adddup2(&actions, fds[0], STDIN_FILENO), 0);
	assert_int_equal(posix_spawnp(&c->pid, "cat", &actions, NULL, argv, envp.out), 0);
	assert_int_equal(posix_spawn_file_actions_destroy(&actions), 0);
	assert_int_equal(close(fds[0]), 0);
	c->hold = fds[1];
	/* It is out of vfork, but perhaps not through its exec yet. */
	enum truth known = TRUTH_UNKNOWN;
	while (known == TRUTH_UNKNOWN) {
		char *value;
		proc_environ(c->pid, "A", &value, &known);
		free(value);
	}
}

static void environ_child_end(struct environ_child *c)
{
	assert_int_equal(close(c->hold), 0);
	assert_int_equal(test_wait(c->pid), 0);
}

/* Never is a process in the middle of exec said to have no such variable. */
static void test_environment_during_exec(void **state)
{
	(void)state;
	/* The more there is, the longer the moment without any. */
	autofree char *big = xcalloc(1, 100000);
	memset(big, 'x', 99999);
	const char *const env[] = {"A=1", big, NULL};
	for (int i = 0; i < 200; i++) {
		struct environ_child c;
		environ_child_start(&c, env);
		assert_variable(c.pid, "A", TRUTH_YES, "1");
		environ_child_end(&c);
	}
}

static void test_environment(void **state)
{
	(void)state;
	autofree char *big = xmalloc(100001);
	memset(big, 'x', 100000);
	big[100000] = '\0';
	memcpy(big, "BIG=", 4);
	const char *const env[] = {"AB=2", "A=1=1", "EMPTY=", "A=second", big, "LAST=z", NULL};
	struct environ_child c;
	environ_child_start(&c, env);
	assert_variable(c.pid, "A", TRUTH_YES, "1=1");
	assert_variable(c.pid, "EMPTY", TRUTH_YES, "");
	assert_variable(c.pid, "BIG", TRUTH_YES, big + 4);
	assert_variable(c.pid, "LAST", TRUTH_YES, "z");
	assert_variable(c.pid, "B", TRUTH_NO, NULL);
	environ_child_end(&c);
	assert_variable(c.pid, "A", TRUTH_UNKNOWN, NULL);
}

static int wait_in(void *data)
{
	return chdir(data) < 0 ? 1 : test_pause(NULL);
}

static void wait_until_in(pid_t pid, const char *dir)
{
	autofree char *link = xasprintf("/proc/%d/cwd", (int)pid);
	struct stat is, wanted;
	assert_int_equal(stat(dir, &wanted), 0);
	do {
		assert_int_equal(stat(link, &is), 0);
		(void)sched_yield(); /* until it has changed its folder */
	} while (is.st_ino != wanted.st_ino || is.st_dev != wanted.st_dev);
}

static void test_working_folder(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *sub = path_join(dir, "x (deleted)");
	autofree char *cwd = NULL;
	assert_int_equal(mkdir(sub, 0700), 0);
	pid_t pid = test_fork(wait_in, sub);
	wait_until_in(pid, sub);
	assert_int_equal(proc_cwd(pid, &cwd, NULL), 0);
	assert_string_equal(cwd, sub);
	assert_int_equal(rmdir(sub), 0);
	char *none = NULL;
	assert_int_equal(proc_cwd(pid, &none, NULL), ERR_NOT_FOUND);
	/* Another folder of the name that the kernel prints for the removed one. */
	autofree char *decoy = path_join(dir, "x (deleted) (deleted)");
	assert_int_equal(mkdir(decoy, 0700), 0);
	assert_int_equal(proc_cwd(pid, &none, NULL), ERR_NOT_FOUND);
	test_kill(pid);
	assert_int_equal(proc_cwd(pid, &none, NULL), ERR_NOT_FOUND);
	assert_null(none);
}

static void test_truth_names(void **state)
{
	(void)state;
	assert_string_equal(truth_name(TRUTH_NO), "no");
	assert_string_equal(truth_name(TRUTH_YES), "yes");
	assert_string_equal(truth_name(TRUTH_UNKNOWN), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stat_line_with_any_name),
		cmocka_unit_test(test_malformed_stat_lines),
		cmocka_unit_test(test_a_process_may_have_any_name),
		cmocka_unit_test(test_chain_of_a_grandchild),
		cmocka_unit_test(test_chain_of_a_setsid_orphan),
		cmocka_unit_test(test_long_chains_are_incomplete),
		cmocka_unit_test(test_chains_at_the_top),
		cmocka_unit_test(test_a_pidfd_tells_the_end),
		cmocka_unit_test(test_I2_a_signal_on_its_way_makes_nobody_dead),
		cmocka_unit_test(test_another_start_time_is_another_process),
		cmocka_unit_test(test_a_reused_pid_is_not_the_old_process),
		cmocka_unit_test(test_zombies_are_dead),
		cmocka_unit_test(test_a_process_lives_on_after_its_main_thread),
		cmocka_unit_test(test_short_lived_clients),
		cmocka_unit_test(test_parents_that_end_during_the_walk),
		cmocka_unit_test(test_environment_during_exec),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_working_folder),
		cmocka_unit_test(test_truth_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

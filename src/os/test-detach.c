/* Tests of detach.h. The child is this very program, which then plays the part that its first argument
 * names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

#include "os/detach.h"
#include "os/testing.h"

/* --- the child --- */

static int child_fds(void)
{
	int n = 0;
	DIR *dir = opendir("/proc/self/fd");
	for (const struct dirent *e; dir && (e = readdir(dir));)
		n += e->d_name[0] != '.';
	if (dir)
		(void)closedir(dir);
	return n - 1; /* the folder's own */
}

/* Writes what it finds itself in to stderr, which is the log. */
static void child_describe(void)
{
	char cwd[PATH_MAX], in[PATH_MAX] = {0}, out[PATH_MAX] = {0};
	sigset_t blocked;
	(void)sigprocmask(SIG_SETMASK, NULL, &blocked);
	if (readlink("/proc/self/fd/0", in, sizeof(in) - 1) < 0 ||
	    readlink("/proc/self/fd/1", out, sizeof(out) - 1) < 0)
		return;
	(void)fprintf(stderr,
		      "leader %d, cwd %s, in %s, out %s, fds %d, env %s, home %s, blocked %d, ignored %d\n",
		      getsid(0) == getpid(), getcwd(cwd, sizeof(cwd)) ? cwd : "?", in, out, child_fds(),
		      getenv("GIVEN") ? getenv("GIVEN") : "-", getenv("HOME") ? getenv("HOME") : "-",
		      sigismember(&blocked, SIGUSR1), signal(SIGUSR1, SIG_DFL) == SIG_IGN);
}

static int child_main(const char *part)
{
	autoerror err = {0};
	if (strcmp(part, "describe") == 0) {
		child_describe();
		detach_ready(DETACH_READY_FD);
	} else if (strcmp(part, "fail") == 0) {
		(void)error_hint(&err, error_set(&err, ERR_DISK_FULL, "the disk is full"), "make room");
		detach_failed(DETACH_READY_FD, &err);
	} else if (strcmp(part, "text") == 0) {
		if (write(DETACH_READY_FD, "no \x1b[31mdice\nmore", 17) != 17)
			return 9;
	} else if (strcmp(part, "exit") == 0) {
		return 7;
	} else if (strcmp(part, "hang") == 0) {
		char c; /* nothing comes: the starter gives up, and closes its end */
		(void)fprintf(stderr, "%zd left\n", read(DETACH_READY_FD, &c, 1));
	}
	return 0;
}

/* --- the tests --- */

static int start(const char *part, const char *folder, usec_t limit, pid_t *ret_pid, struct error *err)
{
	autofree char *log = path_join(folder, "log");
	const char *const argv[] = {"child", part, NULL};
	const char *const env[] = {"GIVEN=this", NULL};
	struct detach d = {.program = "/proc/self/exe", .argv = argv, .env = env, .log = log, .limit = limit};
	return detach_start(&d, ret_pid, err);
}

/* The exit code of our only child. */
static int wait_any(void)
{
	int status = 0;
	assert_true(waitpid(-1, &status, 0) > 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void read_log(const char *folder, struct strbuf *ret)
{
	autofree char *log = path_join(folder, "log");
	assert_int_equal(file_read(log, ret, NULL), 0);
}

static void test_child_is_on_its_own(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autostrbuf log = STRBUF_INIT(10000);
	pid_t pid = 0;
	sigset_t set, before;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, &before), 0);
	assert_true(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
	int stray = open("/dev/zero", O_RDONLY); /* open in whoever starts the command */
	assert_true(stray >= 0);
	assert_int_equal(start("describe", folder, 20 * USEC_PER_SEC, &pid, NULL), 0);
	assert_int_equal(test_wait(pid), 0);
	read_log(folder, &log);
	assert_string_equal(log.buf, "leader 1, cwd /, in /dev/null, out /dev/null, fds 4, env this, home -, "
				     "blocked 0, ignored 0\n");
	assert_int_equal(close(stray), 0);
	assert_true(signal(SIGUSR1, SIG_DFL) != SIG_ERR);
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
}

static void test_failures_are_reported(void **state)
{
	(void)state;
	static const struct {
		const char *part;
		int code;
		const char *message, *hint;
	} table[] = {
		{"fail", ERR_DISK_FULL, "the disk is full", "make room"},
		{"text", ERR_EXITED, "no \\x1B[31mdice", "see "},
		{"exit", ERR_EXITED, "ended with exit code 7", "see "},
	};
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		autofolder folder = test_folder_make();
		autoerror err = {0};
		assert_int_equal(start(table[i].part, folder, 20 * USEC_PER_SEC, NULL, &err), table[i].code);
		assert_non_null(strstr(err.message, table[i].message));
		assert_non_null(strstr(err.hint, table[i].hint));
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie stays */
	}
}

static void test_a_silent_child_is_given_up_and_left_running(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autostrbuf log = STRBUF_INIT(1000);
	autoerror err = {0};
	assert_int_equal(start("hang", folder, 1, NULL, &err), ERR_TIMED_OUT);
	assert_int_equal(wait_any(), 0);
	read_log(folder, &log);
	assert_string_equal(log.buf, "0 left\n");
}

static void test_missing_program_and_log(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autofree char *log = path_join(folder, "log");
	autofree char *no_log = path_join(folder, "none/log");
	const char *const argv[] = {"x", NULL};
	const char *const env[] = {NULL};
	struct detach d = {.program = "/nowhere/x", .argv = argv, .env = env, .log = log, .limit = 1};
	assert_int_equal(detach_start(&d, NULL, NULL), ERR_SYSTEM);
	d.log = no_log;
	assert_int_equal(detach_start(&d, NULL, NULL), ERR_SYSTEM);
}

static void test_reports_go_over_sockets_and_pipes(void **state)
{
	(void)state;
	int fds[2];
	char text[4] = {0};
	assert_int_equal(pipe(fds), 0);
	detach_ready(fds[1]);
	assert_int_equal(read(fds[0], text, sizeof(text)), 1);
	assert_string_equal(text, "\n");
	assert_int_equal(read(fds[0], text, sizeof(text)), 0); /* closed */
	assert_int_equal(close(fds[0]), 0);
	/* A starter that has gone does no harm: no SIGPIPE, whose default would end this. */
	autoerror err = {0};
	(void)error_set(&err, ERR_SYSTEM, "x");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(close(fds[0]), 0);
	detach_failed(fds[1], &err);
}

int main(int argc, char **argv)
{
	if (argc == 2)
		return child_main(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_child_is_on_its_own),
		cmocka_unit_test(test_failures_are_reported),
		cmocka_unit_test(test_a_silent_child_is_given_up_and_left_running),
		cmocka_unit_test(test_missing_program_and_log),
		cmocka_unit_test(test_reports_go_over_sockets_and_pipes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

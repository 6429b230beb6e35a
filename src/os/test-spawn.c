/* Tests of spawn.h: exit codes, streams, descriptors, time limits, environments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "os/child.h"
#include "os/proc.h"
#include "os/spawn.h"
#include "os/testing.h"

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SHELL(script) ARGV("sh", "-c", script)

enum { OUT_MAX = 1 << 20 };

/* Runs it with `out` for both streams unless said otherwise; the exit code. */
static int run(struct spawn s, struct strbuf *out)
{
	int status = -1;
	autoerror err = {0};
	if (!s.out)
		s.out = out;
	if (!s.errout)
		s.errout = out;
	int r = spawn_run(&s, &status, &err);
	if (r)
		print_error("%s\n", err.message);
	assert_int_equal(r, 0);
	return status;
}

static void test_exit_codes_and_signals(void **state)
{
	(void)state;
	autostrbuf out = STRBUF_INIT(OUT_MAX);
	assert_int_equal(run((struct spawn){.argv = ARGV("true")}, &out), 0);
	assert_int_equal(run((struct spawn){.argv = SHELL("exit 7")}, &out), 7);
	assert_int_equal(run((struct spawn){.argv = SHELL("kill -9 $$")}, &out), 128 + SIGKILL);
	assert_int_equal(out.len, 0);
}

static void test_streams(void **state)
{
	(void)state;
	autostrbuf out = STRBUF_INIT(OUT_MAX);
	autostrbuf errout = STRBUF_INIT(OUT_MAX);
	struct spawn s = {.argv = SHELL("cat; echo no >&2; echo end"), .input = "in\n", .input_len = 3};
	assert_int_equal(run(s, &out), 0);
	assert_string_equal(strbuf_str(&out), "in\nno\nend\n");
	strbuf_reset(&out);
	s.errout = &errout;
	assert_int_equal(run(s, &out), 0);
	assert_string_equal(strbuf_str(&out), "in\nend\n");
	assert_string_equal(strbuf_str(&errout), "no\n");
	strbuf_reset(&out);
	assert_int_equal(run((struct spawn){.argv = ARGV("cat")}, &out), 0); /* stdin is /dev/null */
	assert_int_equal(out.len, 0);
}

static void test_large_input_and_output(void **state)
{
	(void)state;
	enum { SIZE = 3 << 20 };
	autofree char *text = xmalloc(SIZE);
	memset(text, 'x', SIZE);
	autostrbuf out = STRBUF_INIT(SIZE);
	assert_int_equal(run((struct spawn){.argv = ARGV("cat"), .input = text, .input_len = SIZE}, &out), 0);
	assert_int_equal(out.len, SIZE);
	assert_memory_equal(out.buf, text, SIZE);
	assert_false(out.overflow);
	/* The child never blocks on what nobody keeps, and input that it does not read is no error. */
	autostrbuf little = STRBUF_INIT(10);
	assert_int_equal(run((struct spawn){.argv = SHELL("cat; echo end >&2; exit 4"),
					    .input = text,
					    .input_len = SIZE,
					    .errout = &out},
			     &little),
			 4);
	assert_int_equal(little.len, 10);
	assert_true(little.overflow);
	assert_int_equal(run((struct spawn){.argv = ARGV("true"), .input = text, .input_len = SIZE}, &out),
			 0);
}

static void test_output_elsewhere(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *path = path_join(dir, "log");
	autostrbuf out = STRBUF_INIT(OUT_MAX);
	autoclose int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int status = -1;
	struct spawn s = {.argv = SHELL("echo a; echo b >&2"), .out = &out, .log_fd = fd};
	assert_int_equal(spawn_run(&s, &status, NULL), 0);
	assert_int_equal(out.len, 0);
	assert_int_equal(file_read(path, &out, NULL), 0);
	assert_string_equal(strbuf_str(&out), "a\nb\n");
	strbuf_reset(&out);
	s = (struct spawn){
		.argv = SHELL("readlink /proc/self/fd/2; echo b >&2"), .out = &out, .null_output = true};
	assert_int_equal(spawn_run(&s, &status, NULL), 0);
	assert_string_equal(strbuf_str(&out), "/dev/null\n");
}

static void test_working_folder(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *missing = path_join(dir, "missing");
	autostrbuf out = STRBUF_INIT(OUT_MAX);
	assert_int_equal(run((struct spawn){.argv = SHELL("pwd -P"), .cwd = dir}, &out), 0);
	strbuf_setlen(&out, out.len - 1);
	assert_string_equal(strbuf_str(&out), dir);
	int status = -1;
	autoerror err = {0};
	struct spawn s = {.argv = ARGV("true"), .cwd = missing};
	assert_int_equal(spawn_run(&s, &status, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.message, missing));
	assert_int_equal(status, -1);
}

static void write_script(const char *path, const char *text, mode_t mode)
{
	assert_int_equal(file_replace(path, text, strlen(text), mode, NULL), 0);
}

static void test_programs_are_found_in_the_childs_path(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *tool = path_join(dir, "coppice-test-tool");
	autofree char *path = xasprintf("PATH=/nowhere::%s:/usr/bin:/bin", dir);
	const char *const env[] = {"A=1", path, NULL};
	autostrbuf out = STRBUF_INIT(OUT_MAX);
	struct spawn s = {.argv = ARGV("coppice-test-tool", "$(echo a)", "b c"), .out = &out};
	int status = -1;
	write_script(tool, "#!/bin/sh\necho \"$A:$1:$2\"\n", 0700);
	assert_int_equal(spawn_run(&s, &status, NULL), ERR_MISSING);
	s.env = env;
	assert_int_equal(spawn_run(&s, &status, NULL), 0);
	assert_string_equal(strbuf_str(&out), "1:$(echo a):b c\n");
	assert_int_equal(chmod(tool, 0600), 0);
	autoerror err = {0};
	assert_int_equal(spawn_run(&s, &status, &err), ERR_MISSING);
	assert_non_null(strstr(err.message, "coppice-test-tool"));
	s.argv = ARGV(tool);
	assert_int_equal(spawn_run(&s, &status, NULL), ERR_MISSING);
}

/* What lies in the working folder must not become a command. */
static void test_relative_path_entries_are_skipped(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *tool = path_join(dir, "coppice-test-tool");
	const char *const env[] = {"PATH=.::", NULL};
	int status = -1;
	write_script(tool, "#!/bin/sh\n", 0700);
	int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(chdir(dir), 0);
	struct spawn s = {.argv = ARGV("coppice-test-tool"), .env = env};
	assert_int_equal(spawn_run(&s, &status, NULL), ERR_MISSING);
	s.argv = ARGV("");
	assert_int_equal(spawn_run(&s, &status, NULL), ERR_MISSING);
	s.argv = ARGV("./coppice-test-tool"); /* said so, it is run */
	assert_int_equal(spawn_run(&s, &status, NULL), 0);
	assert_int_equal(fchdir(before) | close(before), 0);
}

static void test_no_shell_runs_what_is_no_program(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *tool = path_join(dir, "tool");
	int status = -1;
	write_script(tool, "exit 0\n", 0700);
	struct spawn s = {.argv = ARGV(tool)};
	assert_int_equal(spawn_run(&s, &status, NULL), ERR_SYSTEM);
}

static void test_only_named_descriptors_are_inherited(void **state)
{
	(void)state;
	/* Numbers that no shell takes for itself. */
	int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int kept = fcntl(other, F_DUPFD_CLOEXEC, 140), left = fcntl(other, F_DUPFD_CLOEXEC, 140);
	assert_true(kept >= 140 && left >= 140);
	autofree char *script =
		xasprintf("test -e /proc/$$/fd/%d && ! test -e /proc/$$/fd/%d && readlink /proc/$$/fd/%d",
			  kept, left, kept);
	autostrbuf out = STRBUF_INIT(OUT_MAX);
	struct spawn s = {.argv = SHELL(script), .keep_fds = (const int[]){kept, -1}};
	assert_int_equal(run(s, &out), 0);
	assert_string_equal(strbuf_str(&out), "/dev/null\n");
	assert_true(fcntl(kept, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(close(other) | close(kept) | close(left), 0);
}

static int count_fd(const char *name, int type, void *data, struct error *err)
{
	(void)name;
	(void)type;
	(void)err;
	++*(int *)data;
	return 0;
}

static int open_fds(void)
{
	int n = 0;
	assert_int_equal(dir_each("/proc/self/fd", count_fd, &n, NULL), 0);
	return n;
}

static void test_no_descriptor_is_left(void **state)
{
	(void)state;
	int before = open_fds();
	autostrbuf out = STRBUF_INIT(OUT_MAX);
	int status;
	assert_int_equal(run((struct spawn){.argv = ARGV("true"), .null_output = true}, &out), 0);
	struct spawn s = {.argv = ARGV("coppice-no-such-program"), .out = &out};
	assert_int_equal(spawn_run(&s, &status, NULL), ERR_MISSING);
	assert_int_equal(open_fds(), before);
}

/* Even when our own stdin and stdout are closed, the pipes must not take their numbers. */
static void test_closed_stdio(void **state)
{
	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		autostrbuf out = STRBUF_INIT(OUT_MAX);
		int status = -1;
		struct spawn s = {.argv = ARGV("cat"), .input = "hi", .input_len = 2, .out = &out};
		(void)close(STDIN_FILENO);
		(void)close(STDOUT_FILENO);
		if (spawn_run(&s, &status, NULL) || status != 0 || strcmp(strbuf_str(&out), "hi") != 0)
			_exit(1);
		int in, to;
		_exit(child_pipe(&in, &to, NULL) == 0 && in > STDERR_FILENO && to > STDERR_FILENO ? 0 : 2);
	}
	assert_int_equal(test_wait(pid), 0);
}

static void test_new_session(void **state)
{
	(void)state;
	autostrbuf out = STRBUF_INIT(OUT_MAX);
	struct proc_stat st;
	assert_int_equal(
		run((struct spawn){.argv = ARGV("cat", "/proc/self/stat"), .new_session = true}, &out), 0);
	assert_true(proc_stat_parse(strbuf_str(&out), out.len, &st));
	assert_int_equal(st.sid, st.pid);
	assert_int_equal(st.tty, 0);
	strbuf_reset(&out);
	assert_int_equal(run((struct spawn){.argv = ARGV("cat", "/proc/self/stat")}, &out), 0);
	assert_true(proc_stat_parse(strbuf_str(&out), out.len, &st));
	assert_int_equal(st.sid, getsid(0));
	assert_int_equal(st.pgid, getpgrp());
}

static void test_time_limit_ends_the_whole_group(void **state)
{
	(void)state;
	autostrbuf out = STRBUF_INIT(OUT_MAX);
	int status = -1;
	autoerror err = {0};
	/* The inner shell is asked to end as well, and has the time to do so. */
	const char *script = "sh -c 'trap \"echo asked; exit\" TERM; echo before; cat <fifo & wait' & wait";
	autofolder dir = test_folder_make();
	autofree char *fifo = path_join(dir, "fifo");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	struct spawn s = {.argv = SHELL(script), .cwd = dir, .out = &out, .timeout = USEC_PER_SEC};
	assert_int_equal(spawn_run(&s, &status, &err), ERR_TIMED_OUT);
	assert_string_equal(strbuf_str(&out), "before\nasked\n");
	assert_int_equal(status, -1);
	s.new_session = true;
	s.timeout = 1;
	assert_int_equal(spawn_run(&s, &status, &err), ERR_TIMED_OUT);
}

static void test_time_limit_kills_who_ignores_it(void **state)
{
	(void)state;
	autostrbuf out = STRBUF_INIT(OUT_MAX);
	int status = -1;
	struct spawn s = {.argv = SHELL("trap '' TERM; echo before; cat /dev/zero >/dev/null; echo after"),
			  .out = &out,
			  .timeout = 500 * USEC_PER_MSEC};
	assert_int_equal(spawn_run(&s, &status, NULL), ERR_TIMED_OUT);
	assert_string_equal(strbuf_str(&out), "before\n");
}

static void test_time_limit_not_reached(void **state)
{
	(void)state;
	autostrbuf out = STRBUF_INIT(OUT_MAX);
	struct spawn s = {.argv = SHELL("echo done; exit 5"), .timeout = 60 * USEC_PER_SEC};
	assert_int_equal(run(s, &out), 5);
	assert_string_equal(strbuf_str(&out), "done\n");
}

static void test_a_grandchild_that_keeps_stdout_is_not_waited_for(void **state)
{
	(void)state;
	autostrbuf out = STRBUF_INIT(OUT_MAX);
	assert_int_equal(run((struct spawn){.argv = SHELL("sleep 1000 & echo $!")}, &out), 0);
	strbuf_setlen(&out, out.len - 1);
	int64_t pid = 0;
	assert_int_equal(number_parse(strbuf_str(&out), 1, INT32_MAX, &pid, NULL), 0);
	assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
}

static void test_signals_that_we_ignore_are_not_ignored_by_children(void **state)
{
	(void)state;
	autostrbuf out = STRBUF_INIT(OUT_MAX);
	void (*pipe_handler)(int) = signal(SIGPIPE, SIG_IGN);
	void (*child_handler)(int) = signal(SIGCHLD, SIG_IGN);
	/* An ignored SIGCHLD would also lose the exit code. */
	assert_int_equal(run((struct spawn){.argv = SHELL("kill -PIPE $$; exit 3")}, &out), 128 + SIGPIPE);
	(void)signal(SIGPIPE, pipe_handler);
	(void)signal(SIGCHLD, child_handler);
}

static void assert_env(char **env, const char *const *wanted)
{
	size_t n = 0;
	for (; wanted[n]; n++) {
		assert_non_null(env[n]);
		assert_string_equal(env[n], wanted[n]);
	}
	assert_null(env[n]);
	env_free(env);
}

static void test_environments(void **state)
{
	(void)state;
	const char *const base[] = {"A=1", "GIT_DIR=x", "GIT=y", "AB=2", "GIT_=z", NULL};
	assert_env(env_edit(base, NULL, NULL), base);
	assert_env(env_edit(base, ARGV("A", "GIT_*"), NULL), ARGV("GIT=y", "AB=2"));
	assert_env(env_edit(base, ARGV("GIT*"), ARGV("A=3", "C=")), ARGV("AB=2", "A=3", "C="));
	assert_env(env_edit(base, ARGV("*"), ARGV("GIT_DIR=kept")), ARGV("GIT_DIR=kept"));
	assert_int_equal(setenv("COPPICE_TEST_VARIABLE", "own", 1), 0);
	char **own = env_edit(NULL, NULL, NULL);
	bool found = false;
	for (char **p = own; *p; p++)
		found |= strcmp(*p, "COPPICE_TEST_VARIABLE=own") == 0;
	env_free(own);
	assert_true(found);
	env_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit_codes_and_signals),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_large_input_and_output),
		cmocka_unit_test(test_output_elsewhere),
		cmocka_unit_test(test_working_folder),
		cmocka_unit_test(test_programs_are_found_in_the_childs_path),
		cmocka_unit_test(test_relative_path_entries_are_skipped),
		cmocka_unit_test(test_no_shell_runs_what_is_no_program),
		cmocka_unit_test(test_only_named_descriptors_are_inherited),
		cmocka_unit_test(test_no_descriptor_is_left),
		cmocka_unit_test(test_closed_stdio),
		cmocka_unit_test(test_new_session),
		cmocka_unit_test(test_time_limit_ends_the_whole_group),
		cmocka_unit_test(test_time_limit_kills_who_ignores_it),
		cmocka_unit_test(test_time_limit_not_reached),
		cmocka_unit_test(test_a_grandchild_that_keeps_stdout_is_not_waited_for),
		cmocka_unit_test(test_signals_that_we_ignore_are_not_ignored_by_children),
		cmocka_unit_test(test_environments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

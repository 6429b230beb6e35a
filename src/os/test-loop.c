/* Tests of loop.h: children, watches and timers, each with what goes wrong around their ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "os/loop.h"
#include "os/proc.h"
#include "os/testing.h"

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SHELL(script) ARGV("sh", "-c", script)

enum { OUT_MAX = 1 << 20 };

static uv_loop_t loop;

/* Every test ends with all handles closed: nothing is left that could call back, and nothing leaks. */
static int setup(void **state)
{
	(void)state;
	return uv_loop_init(&loop);
}

static int teardown(void **state)
{
	(void)state;
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

struct result {
	int calls;
	int status;
	struct strbuf out;
	struct strbuf errout;
	struct loop_child *child;
};

static void take(struct strbuf *to, struct strbuf *from)
{
	*to = *from;
	*from = STRBUF_INIT(from->max);
}

static void done(struct loop_child *child, int status, struct strbuf *out, struct strbuf *errout, void *data)
{
	struct result *r = data;
	r->calls++;
	r->status = status;
	take(&r->out, out);
	take(&r->errout, errout);
	loop_child_kill(child, SIGKILL); /* harmless: it has ended */
}

static void result_release(struct result *r)
{
	strbuf_release(&r->out);
	strbuf_release(&r->errout);
}

#define autoresult _cleanup_(result_release) struct result

static void start(struct loop_child_options o, struct result *r)
{
	autoerror err = {0};
	if (!o.out_max)
		o.out_max = OUT_MAX;
	if (!o.err_max)
		o.err_max = OUT_MAX;
	int code = loop_child_start(&loop, &o, done, r, &r->child, &err);
	if (code)
		print_error("%s\n", err.message);
	assert_int_equal(code, 0);
	assert_int_equal(r->calls, 0);
}

static void run(struct loop_child_options o, struct result *r)
{
	start(o, r);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(r->calls, 1);
}

static void test_child_streams_and_status(void **state)
{
	(void)state;
	autoresult r = {0}, bare = {0}, killed = {0};
	run((struct loop_child_options){.argv = SHELL("cat; echo no >&2; echo e >/dev/stderr; exit 3"),
					.input = "in",
					.input_len = 2},
	    &r);
	assert_int_equal(r.status, 3);
	assert_string_equal(strbuf_str(&r.out), "in");
	assert_string_equal(strbuf_str(&r.errout), "no\ne\n");
	run((struct loop_child_options){.argv = ARGV("cat")}, &bare); /* stdin is /dev/null */
	assert_int_equal(bare.status, 0);
	assert_int_equal(bare.out.len, 0);
	run((struct loop_child_options){.argv = SHELL("kill -TERM $$")}, &killed);
	assert_int_equal(killed.status, 128 + SIGTERM);
}

static void test_child_output_is_capped_and_drained(void **state)
{
	(void)state;
	autoresult r = {0}, all = {0};
	run((struct loop_child_options){.argv = SHELL("head -c 3000000 /dev/zero; echo end >&2"),
					.out_max = 10},
	    &r);
	assert_int_equal(r.status, 0);
	assert_int_equal(r.out.len, 10);
	assert_true(r.out.overflow);
	assert_string_equal(strbuf_str(&r.errout), "end\n");
	run((struct loop_child_options){.argv = SHELL("head -c 3000000 /dev/zero"), .out_max = 3000000},
	    &all);
	assert_int_equal(all.out.len, 3000000);
	assert_false(all.out.overflow);
}

/* More is left in the pipe at the child's end than is read in one turn. */
static void test_child_output_that_waits_at_its_end(void **state)
{
	(void)state;
	enum { SIZE = 1 << 20 };
	autofolder dir = test_folder_make();
	autofree char *fifo = path_join(dir, "fifo");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	autoresult r = {0};
	start((struct loop_child_options){.argv = SHELL("read x <fifo; exec head -c 1048576 /dev/zero"),
					  .cwd = dir},
	      &r);
	autofree char *its_stdout = xasprintf("/proc/%d/fd/1", (int)loop_child_pid(r.child));
	int fd = open(its_stdout, O_WRONLY | O_CLOEXEC);
	if (fcntl(fd, F_SETPIPE_SZ, SIZE) != SIZE) {
		/* Not allowed here; without the room the child would wait for a reader. */
		loop_child_kill(r.child, SIGKILL);
		assert_int_equal(close(fd), 0);
		return;
	}
	int go = open(fifo, O_WRONLY | O_CLOEXEC);
	assert_int_equal(close(fd) | close(go), 0);
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)loop_child_pid(r.child), &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(r.calls, 1);
	assert_int_equal(r.out.len, SIZE);
}

static void test_child_folder_environment_and_descriptors(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autoresult r = {0};
	const char *const env[] = {"A=1", "PATH=/usr/bin:/bin", NULL};
	int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int kept = fcntl(other, F_DUPFD_CLOEXEC, 140), left = fcntl(other, F_DUPFD_CLOEXEC, 140);
	autofree char *script =
		xasprintf("pwd -P; echo $A$HOME; readlink /proc/$$/fd/%d /proc/$$/fd/%d", kept, left);
	autofree char *wanted = xasprintf("%s\n1\n/dev/null\n", dir);
	run(
		(struct loop_child_options){
			.argv = SHELL(script), .cwd = dir, .env = env, .keep_fds = (const int[]){kept, -1}},
		&r);
	assert_string_equal(strbuf_str(&r.out), wanted);
	assert_int_equal(close(other) | close(kept) | close(left), 0);
}

static void test_child_has_its_own_session(void **state)
{
	(void)state;
	autoresult r = {0};
	struct proc_stat st;
	run((struct loop_child_options){.argv = ARGV("cat", "/proc/self/stat")}, &r);
	assert_true(proc_stat_parse(strbuf_str(&r.out), r.out.len, &st));
	assert_int_equal(st.sid, st.pid);
	assert_int_equal(st.tty, 0);
}

static void assert_not_started(struct loop_child_options o, int wanted)
{
	struct result r = {0};
	autoerror err = {0};
	assert_int_equal(loop_child_start(&loop, &o, done, &r, &r.child, &err), wanted);
	assert_non_null(strstr(err.message, o.argv[0]));
	assert_null(r.child);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(r.calls, 0);
}

static void test_child_that_cannot_start(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *tool = path_join(dir, "tool");
	assert_int_equal(file_replace(tool, "exit 0\n", 7, 0700, NULL), 0);
	assert_not_started((struct loop_child_options){.argv = ARGV("coppice-no-such-program")}, ERR_MISSING);
	assert_not_started((struct loop_child_options){.argv = ARGV("true"), .cwd = "/nowhere"},
			   ERR_NOT_FOUND);
	assert_not_started((struct loop_child_options){.argv = ARGV("/nowhere/tool")}, ERR_MISSING);
	assert_not_started((struct loop_child_options){.argv = ARGV(dir)}, ERR_MISSING);
}

static pid_t printed_pid(const struct strbuf *out)
{
	autofree char *text = xstrndup(strbuf_str(out), strcspn(strbuf_str(out), "\n"));
	int64_t pid = 0;
	assert_int_equal(number_parse(text, 1, INT32_MAX, &pid, NULL), 0);
	return (pid_t)pid;
}

static void test_grandchild_that_holds_stdout_is_not_waited_for(void **state)
{
	(void)state;
	autoresult r = {0}, noisy = {0};
	run((struct loop_child_options){.argv = SHELL("sleep 1000 & echo $!; exit 4")}, &r);
	assert_int_equal(r.status, 4);
	assert_int_equal(kill(printed_pid(&r.out), SIGKILL), 0);
	/* Not even one that goes on writing. */
	run((struct loop_child_options){.argv = SHELL("cat /dev/zero >&2 & echo $!"), .err_max = 10}, &noisy);
	assert_int_equal(kill(printed_pid(&noisy.out), SIGKILL), 0);
}

static void test_double_fork(void **state)
{
	(void)state;
	autoresult r = {0};
	/* Orphaned, in another session, both streams held open. */
	run((struct loop_child_options){.argv = SHELL("sh -c 'setsid sleep 1000 & echo $!'")}, &r);
	assert_int_equal(r.status, 0);
	assert_int_equal(kill(printed_pid(&r.out), SIGKILL), 0);
}

static void kill_child(void *data)
{
	const struct result *r = data;
	loop_child_kill(r->child, SIGTERM);
}

static void test_child_is_killed_with_its_group(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *fifo = path_join(dir, "fifo");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	autoresult r = {0};
	const char *script = "cat /dev/zero >fifo & wait";
	start((struct loop_child_options){.argv = SHELL(script), .cwd = dir}, &r);
	/* The grandchild is there when it has opened the FIFO, and gone when that is at its end. */
	int fd = open(fifo, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(getpgid(loop_child_pid(r.child)), loop_child_pid(r.child));
	(void)loop_timer_start(&loop, 0, kill_child, &r);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(r.calls, 1);
	assert_int_equal(r.status, 128 + SIGTERM);
	char chunk[65536];
	ssize_t n;
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		;
	assert_int_equal(n, 0);
	assert_int_equal(close(fd), 0);
}

static void test_kill_after_the_end_reaches_nobody(void **state)
{
	(void)state;
	autoresult r = {0};
	start((struct loop_child_options){.argv = ARGV("true")}, &r);
	pid_t pid = loop_child_pid(r.child);
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	loop_child_kill(r.child, SIGKILL); /* a zombie yet: its status stays what it was */
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(r.status, 0);
	assert_int_equal(r.calls, 1);
}

static void test_many_children_at_once(void **state)
{
	(void)state;
	enum { N = 40 };
	struct result r[N] = {0};
	for (int i = 0; i < N; i++) {
		autofree char *script = xasprintf("echo %d; exit %d", i, i);
		start((struct loop_child_options){.argv = SHELL(script)}, &r[i]);
	}
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	for (int i = 0; i < N; i++) {
		autofree char *wanted = xasprintf("%d\n", i);
		assert_int_equal(r[i].calls, 1);
		assert_int_equal(r[i].status, i);
		assert_string_equal(strbuf_str(&r[i].out), wanted);
		result_release(&r[i]);
	}
}

static void test_abandoned_child_runs_on(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *fifo = path_join(dir, "fifo");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	autoresult r = {0};
	start((struct loop_child_options){.argv = SHELL("read x <fifo; echo $x >fifo"), .cwd = dir}, &r);
	pid_t pid = loop_child_pid(r.child);
	loop_child_abandon(r.child);
	loop_child_abandon(NULL);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(r.calls, 0);
	int fd = open(fifo, O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, "on\n", 3), 3);
	assert_int_equal(close(fd), 0);
	char text[4] = "";
	fd = open(fifo, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, text, 3), 3);
	assert_string_equal(text, "on\n");
	assert_int_equal(close(fd), 0);
	assert_int_equal(test_wait(pid), 0);
}

static void count(void *data)
{
	++*(int *)data;
}

static uint64_t start_of(pid_t pid)
{
	struct proc_stat st;
	assert_int_equal(proc_stat(pid, &st, NULL), 0);
	return st.start_time;
}

static void watch(pid_t pid, uint64_t start_time, int *ended, struct loop_watch **ret)
{
	int before = *ended;
	assert_int_equal(loop_watch_start(&loop, pid, start_time, count, ended, ret, NULL), 0);
	assert_int_equal(*ended, before);
}

static void test_watch_tells_the_end(void **state)
{
	(void)state;
	int ended = 0;
	pid_t pid = test_fork(test_pause, NULL);
	watch(pid, start_of(pid), &ended, NULL);
	(void)uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(ended, 0);
	/* Not even reaped. */
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(ended, 1);
	assert_int_equal(test_wait(pid), 128 + SIGKILL);
}

static void test_watch_of_who_is_gone(void **state)
{
	(void)state;
	int ended = 0;
	pid_t pid = test_fork(test_pause, NULL);
	uint64_t start_time = start_of(pid);
	watch(pid, start_time + 1, &ended, NULL); /* another process of that pid */
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(ended, 1);
	test_kill(pid);
	autoerror err = {0};
	assert_int_equal(loop_watch_start(&loop, pid, start_time, count, &ended, NULL, &err), 0);
	assert_null(err.message);
	assert_int_equal(ended, 1);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(ended, 2);
}

static void test_stopped_watches_say_nothing(void **state)
{
	(void)state;
	int ended = 0;
	struct loop_watch *alive = NULL, *gone = NULL;
	pid_t pid = test_fork(test_pause, NULL);
	watch(pid, start_of(pid), &ended, &alive);
	watch(pid, start_of(pid) + 1, &ended, &gone);
	loop_watch_stop(alive);
	loop_watch_stop(alive); /* until the loop has run it is still there */
	loop_watch_stop(gone);
	loop_watch_stop(NULL);
	test_kill(pid);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(ended, 0);
}

struct pair {
	struct loop_watch *watch[2];
	int ended;
};

static void stop_both(void *data)
{
	struct pair *p = data;
	p->ended++;
	loop_watch_stop(p->watch[0]);
	loop_watch_stop(p->watch[1]);
}

/* Both end in the same turn, and the first to be told stops the other, and itself. */
static void test_watches_stopped_in_a_callback(void **state)
{
	(void)state;
	struct pair p = {0};
	pid_t pid = test_fork(test_pause, NULL);
	for (int i = 0; i < 2; i++)
		assert_int_equal(
			loop_watch_start(&loop, pid, start_of(pid), stop_both, &p, &p.watch[i], NULL), 0);
	test_kill(pid);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(p.ended, 1);
}

static void count_turn(uv_check_t *check)
{
	++*(int *)check->data;
}

static long context_switches(void)
{
	autostrbuf text = STRBUF_INIT(1 << 16);
	assert_int_equal(file_read("/proc/thread-self/status", &text, NULL), 0);
	const char *at = strstr(strbuf_str(&text), "\nvoluntary_ctxt_switches:");
	assert_non_null(at);
	at += strcspn(at, "0123456789");
	autofree char *number = xstrndup(at, strcspn(at, "\n"));
	int64_t n = 0;
	assert_int_equal(number_parse(number, 0, INT64_MAX, &n, NULL), 0);
	return (long)n;
}

static void test_idle_watches_make_no_wake_ups(void **state)
{
	(void)state;
	enum { N = 100 };
	int ended = 0, expired = 0, turns = 0;
	pid_t pids[N];
	for (int i = 0; i < N; i++) {
		pids[i] = test_fork(test_pause, NULL);
		watch(pids[i], start_of(pids[i]), &ended, NULL);
	}
	(void)uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(uv_backend_timeout(&loop), -1); /* asleep until something happens */
	uv_check_t check = {.data = &turns};
	assert_int_equal(uv_check_init(&loop, &check) | uv_check_start(&check, count_turn), 0);
	uv_unref((uv_handle_t *)&check);
	(void)loop_timer_start(&loop, 200 * USEC_PER_MSEC, count, &expired);
	long before = context_switches();
	while (!expired)
		(void)uv_run(&loop, UV_RUN_ONCE);
	/* One turn, the timer's; a second one if the sleep was a little short. */
	assert_in_range(turns, 1, 2);
	assert_in_range(context_switches() - before, 0, 5);
	assert_int_equal(ended, 0);
	uv_close((uv_handle_t *)&check, NULL);
	for (int i = 0; i < N; i++)
		test_kill(pids[i]);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(ended, N);
}

struct order {
	char text[8];
	struct loop_timer *stopped;
	usec_t started;
};

static void add(struct order *o, char c)
{
	o->text[strlen(o->text)] = c;
}

static void on_a(void *data)
{
	struct order *o = data;
	add(o, 'a');
	assert_true((usec_t)(uv_hrtime() / 1000) - o->started >= 3000);
	loop_timer_stop(o->stopped);
}

static void on_b(void *data)
{
	add(data, 'b');
}

static void on_c(void *data)
{
	struct order *o = data;
	add(o, 'c');
	assert_true((usec_t)(uv_hrtime() / 1000) - o->started >= 20000);
	(void)loop_timer_start(&loop, 0, on_b, o);
}

static void on_never(void *data)
{
	add(data, '!');
}

static void test_timers_expire_in_order(void **state)
{
	(void)state;
	struct order o = {.started = (usec_t)(uv_hrtime() / 1000)};
	(void)loop_timer_start(&loop, 20 * USEC_PER_MSEC, on_c, &o);
	(void)loop_timer_start(&loop, 3 * USEC_PER_MSEC, on_a, &o);
	(void)loop_timer_start(&loop, 10 * USEC_PER_MSEC, on_b, &o);
	o.stopped = loop_timer_start(&loop, 3 * USEC_PER_MSEC, on_never, &o);
	loop_timer_stop(loop_timer_start(&loop, 0, on_never, &o));
	loop_timer_stop(NULL);
	assert_string_equal(o.text, "");
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_string_equal(o.text, "abcb");
}

static void expect_elapsed(void *data)
{
	usec_t *due = data;
	assert_true((usec_t)(uv_hrtime() / 1000) >= *due);
	*due = 0;
}

static void test_timers_never_expire_early(void **state)
{
	(void)state;
	usec_t due[40];
	for (size_t i = 0; i < ARRAY_SIZE(due); i++) {
		usec_t delay = (usec_t)i * 333 + 1;
		due[i] = (usec_t)(uv_hrtime() / 1000) + delay;
		(void)loop_timer_start(&loop, delay, expect_elapsed, &due[i]);
	}
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	for (size_t i = 0; i < ARRAY_SIZE(due); i++)
		assert_int_equal(due[i], 0);
	int expired = 0;
	(void)loop_timer_start(&loop, -5, count, &expired); /* overdue is now */
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(expired, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_child_streams_and_status),
		TEST(test_child_output_is_capped_and_drained),
		TEST(test_child_output_that_waits_at_its_end),
		TEST(test_child_folder_environment_and_descriptors),
		TEST(test_child_has_its_own_session),
		TEST(test_child_that_cannot_start),
		TEST(test_grandchild_that_holds_stdout_is_not_waited_for),
		TEST(test_double_fork),
		TEST(test_child_is_killed_with_its_group),
		TEST(test_kill_after_the_end_reaches_nobody),
		TEST(test_many_children_at_once),
		TEST(test_abandoned_child_runs_on),
		TEST(test_watch_tells_the_end),
		TEST(test_watch_of_who_is_gone),
		TEST(test_stopped_watches_say_nothing),
		TEST(test_watches_stopped_in_a_callback),
		TEST(test_idle_watches_make_no_wake_ups),
		TEST(test_timers_expire_in_order),
		TEST(test_timers_never_expire_early),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

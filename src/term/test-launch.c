/* Tests of the launcher, which is this program itself (`test-launch launch HOME ID`), with and without a
 * terminal. Terminals are panes of a private tmux server. */
#include "term/test-fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/json.h"
#include "os/lock.h"
#include "os/proc.h"
#include "term/launch.h"

static char self[4096];

/* Writes the spec of a spawn: `argv` in the fixture's folder. */
static void write_spec(struct fixture *f, const char *id, const char *kind, const char *const *argv)
{
	json_auto_t *spec = json_pack("{s:[], s:{s:s, s:n}, s:s, s:s}", "argv", "env", "COPPICE_PEER",
				      "peer-1", "UNWANTED", "cwd", f->dir, "kind", kind);
	for (; *argv; argv++)
		json_array_append_new(json_object_get(spec, "argv"), json_string(*argv));
	assert_int_equal(launch_write(f->dir, id, spec, NULL), 0);
}

static void write_script(struct fixture *f, const char *id, const char *kind, const char *script)
{
	write_spec(f, id, kind, (const char *const[]){"sh", "-c", script, NULL});
}

/* Starts the launcher without a terminal. */
static pid_t start(struct fixture *f, const char *id)
{
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
		(void)dup2(null, STDERR_FILENO);
		(void)execl(self, self, "launch", f->dir, id, NULL);
		_exit(99);
	}
	assert_true(pid > 0);
	return pid;
}

static int wait_status(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int run(struct fixture *f, const char *id)
{
	return wait_status(start(f, id));
}

static json_t *exit_of(struct fixture *f, const char *id)
{
	json_t *json = NULL;
	autoerror err = {0};
	if (launch_exit_read(f->dir, id, &json, &err))
		fail_msg("%s: %s", id, err.message);
	return json;
}

static void assert_exit(struct fixture *f, const char *id, int code, int signal)
{
	json_auto_t *json = exit_of(f, id);
	assert_int_equal(json_int(json, "exit", -1), code);
	if (signal)
		assert_int_equal(json_int(json, "signal", -1), signal);
	else
		assert_true(json_is_null(json_object_get(json, "signal")));
}

static void assert_file(struct fixture *f, const char *name, const char *expected)
{
	autofree char *path = path_join(f->dir, name);
	autostrbuf text = STRBUF_INIT(4096);
	assert_int_equal(file_read(path, &text, NULL), 0);
	assert_string_equal(strbuf_str(&text), expected);
}

static void test_launch_never_runs_twice(void **state)
{
	struct fixture *f = *state;
	write_script(f, "spawn-a", "watch", "echo run >> runs");
	assert_int_equal(run(f, "spawn-a"), 0);
	assert_int_equal(run(f, "spawn-a"), 3);
	assert_file(f, "runs", "run\n");
	/* Without the record of its end there is still the trace of its start. */
	write_script(f, "spawn-b", "exec", "echo run >> runs-b");
	assert_int_equal(run(f, "spawn-b"), 0);
	assert_int_equal(run(f, "spawn-b"), 3);
	assert_int_equal(run(f, "spawn-b"), 3);
	assert_file(f, "runs-b", "run\n");
	/* Who was killed before it left a trace has run nothing. */
	write_script(f, "spawn-c", "exec", "echo run >> runs-c");
	write_file(f->dir, "spawn/spawn-c.lock", "");
	assert_int_equal(run(f, "spawn-c"), 0);
	assert_file(f, "runs-c", "run\n");
	/* Settled and forgotten. */
	assert_int_equal(launch_forget(f->dir, "spawn-a", NULL), 0);
	json_t *json = NULL;
	assert_int_equal(launch_exit_read(f->dir, "spawn-a", &json, NULL), ERR_NOT_FOUND);
	assert_int_equal(launch_forget(f->dir, "spawn-a", NULL), 0);
}

static void test_launch_never_runs_twice_at_once(void **state)
{
	struct fixture *f = *state;
	static const char *const kinds[] = {"watch", "exec"};
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		autofree char *id = xasprintf("spawn-%zu", k);
		autofree char *runs = xasprintf("runs-%zu", k);
		autofree char *script = xasprintf("echo run >> %s; cat fifo", runs);
		autofree char *fifo = path_join(f->dir, "fifo");
		assert_int_equal(mkfifo(fifo, 0600), 0);
		write_script(f, id, kinds[k], script);
		pid_t pid[8];
		for (size_t i = 0; i < ARRAY_SIZE(pid); i++)
			pid[i] = start(f, id);
		/* Opens when the one that runs does: it is not over before the others are refused. */
		int writer = open(fifo, O_WRONLY);
		int refused = 0, ended = 0, status;
		while (refused < (int)ARRAY_SIZE(pid) - 1) {
			assert_true(wait(&status) > 0);
			assert_int_equal(WEXITSTATUS(status), 3);
			refused++;
		}
		assert_int_equal(close(writer), 0);
		assert_true(wait(&ended) > 0);
		assert_int_equal(ended, 0);
		assert_file(f, runs, "run\n");
		assert_int_equal(unlink(fifo), 0);
	}
}

static void test_exit_codes_and_signals(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *script;
		int code, signal;
	} cases[] = {
		{"exit 0", 0, 0},
		{"exit 7", 7, 0},
		{"exit 255", 255, 0},
		{"kill -TERM $$", 128 + SIGTERM, SIGTERM},
		{"kill -KILL $$", 128 + SIGKILL, SIGKILL},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *id = xasprintf("spawn-%zu", i);
		write_script(f, id, "watch", cases[i].script);
		assert_int_equal(run(f, id), cases[i].code);
		assert_exit(f, id, cases[i].code, cases[i].signal);
	}
}

static void test_what_cannot_start_says_why(void **state)
{
	struct fixture *f = *state;
	static const char *const kinds[] = {"watch", "exec"};
	write_file(f->dir, "text", "no program");
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		autofree char *missing = xasprintf("missing-%zu", k);
		autofree char *plain = xasprintf("plain-%zu", k);
		autofree char *folder = xasprintf("folder-%zu", k);
		write_spec(f, missing, kinds[k], (const char *const[]){"no-such-program", NULL});
		assert_int_equal(run(f, missing), 127);
		assert_exit(f, missing, 127, 0);
		write_spec(f, plain, kinds[k], (const char *const[]){"./text", NULL});
		assert_int_equal(run(f, plain), 126);
		json_auto_t *json = exit_of(f, plain);
		assert_non_null(strstr(json_str(json, "summary"), "./text"));
		assert_non_null(strstr(json_str(json, "summary"), "Permission denied"));
		autofree char *gone = path_join(f->dir, "gone");
		assert_int_equal(mkdir(gone, 0700), 0);
		autofree char *dir = xstrdup(f->dir);
		(void)snprintf(f->dir, sizeof(f->dir), "%s", gone);
		write_script(f, folder, kinds[k], "echo never");
		(void)snprintf(f->dir, sizeof(f->dir), "%s", dir);
		autofree char *from = xasprintf("%s/spawn", gone);
		autofree char *to = xasprintf("%s/spawn/%s.json", f->dir, folder);
		autofree char *spec = xasprintf("%s/%s.json", from, folder);
		assert_int_equal(rename(spec, to), 0);
		assert_int_equal(tree_remove(gone, NULL), 0);
		assert_int_equal(run(f, folder), 127);
		json_auto_t *why = exit_of(f, folder);
		assert_non_null(strstr(json_str(why, "summary"), gone));
	}
}

static void test_a_broken_spec_runs_nothing(void **state)
{
	struct fixture *f = *state;
	static const char *const specs[] = {
		"",
		"[]",
		"{}",
		"{\"argv\":[],\"cwd\":\"/\",\"kind\":\"exec\"}",
		"{\"argv\":[1],\"cwd\":\"/\",\"kind\":\"exec\"}",
		"{\"argv\":[\"true\"],\"cwd\":\"/\",\"kind\":\"other\"}",
		"{\"argv\":[\"true\"],\"kind\":\"exec\"}",
		"{\"argv\":[\"true\"],\"cwd\":\"/\",\"kind\":\"exec\",\"env\":{\"A=B\":\"c\"}}",
		"{\"argv\":[\"true\"],\"cwd\":\"/\",\"kind\":\"exec\",\"env\":{\"A\":1}}",
	};
	write_script(f, "spawn-x", "exec", ""); /* makes the folder */
	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		autofree char *id = xasprintf("spawn-%zu", i);
		autofree char *name = xasprintf("spawn/%s.json", id);
		write_file(f->dir, name, specs[i]);
		assert_int_equal(run(f, id), 126);
		assert_exit(f, id, 126, 0);
		assert_int_equal(run(f, id), 3);
	}
	assert_int_equal(run(f, "spawn-none"), 126);
	assert_int_equal(run(f, "../x"), 126);
	assert_int_equal(run(f, ""), 126);
}

static void test_the_environment_is_edited(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(setenv("UNWANTED", "1", 1), 0);
	assert_int_equal(setenv("KEPT", "2", 1), 0);
	write_script(f, "spawn-a", "watch", "echo \"$COPPICE_PEER ${UNWANTED-unset} $KEPT\" > env");
	assert_int_equal(run(f, "spawn-a"), 0);
	assert_file(f, "env", "peer-1 unset 2\n");
	write_script(f, "spawn-b", "exec", "echo \"$COPPICE_PEER ${UNWANTED-unset} $KEPT $PWD\" > env");
	assert_int_equal(run(f, "spawn-b"), 0);
	autofree char *expected = xasprintf("peer-1 unset 2 %s\n", f->dir);
	assert_file(f, "env", expected);
}

static void test_exec_keeps_process_and_lock(void **state)
{
	struct fixture *f = *state;
	autofree char *fifo = path_join(f->dir, "fifo");
	autofree char *lock = path_join(f->dir, "spawn/spawn-a.lock");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	write_script(f, "spawn-a", "exec", "echo $$ > pid; cat fifo");
	pid_t pid = start(f, "spawn-a");
	int writer = open(fifo, O_WRONLY);
	autofree char *expected = xasprintf("%d\n", (int)pid);
	assert_file(f, "pid", expected);
	int fd = -1;
	assert_int_equal(lock_take(lock, 0, &fd, NULL), ERR_CONFLICT);
	assert_int_equal(close(writer), 0);
	assert_int_equal(wait_status(pid), 0);
	assert_int_equal(lock_take(lock, 0, &fd, NULL), 0);
	/* The trace names the process. */
	char text[256] = "";
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	assert_int_equal(close(fd), 0);
	json_auto_t *trace = NULL;
	assert_int_equal(json_parse(text, strlen(text), &trace, NULL), 0);
	assert_int_equal(json_int(trace, "pid", 0), pid);
	assert_true(json_int(trace, "start_time", 0) > 0);
}

/* --- in a terminal --- */

struct pane {
	char id[16];
	pid_t pid;
	int pid_fd; /* -1 when it had ended before */
};

/* Starts the launcher in a window of its own. */
static struct pane pane_start(struct fixture *f, const char *id)
{
	autostrbuf out = STRBUF_INIT(256);
	assert_int_equal(USER_TMUX(f, &out, "new-window", "-d", "-t", "=t:", "-P", "-F",
				   "#{pane_id} #{pane_pid}", "--", self, "launch", f->dir, id),
			 0);
	struct pane p = {0};
	int pid;
	assert_int_equal(sscanf(strbuf_str(&out), "%15s %d", p.id, &pid), 2);
	p.pid = pid;
	p.pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	return p;
}

static void pane_wait(struct pane *p)
{
	struct pollfd fd = {.fd = p->pid_fd, .events = POLLIN};
	if (p->pid_fd < 0)
		return;
	assert_int_equal(poll(&fd, 1, (int)(test_limit / USEC_PER_MSEC)), 1);
	assert_int_equal(close(p->pid_fd), 0);
	p->pid_fd = -1;
}

static json_t *run_in_terminal(struct fixture *f, const char *id, const char *script)
{
	write_script(f, id, "watch", script);
	struct pane p = pane_start(f, id);
	pane_wait(&p);
	return exit_of(f, id);
}

/* A session of the user's own, so that the server outlives the panes. */
static int setup_terminal(void **state)
{
	struct fixture *f = fixture_new(NULL);
	*state = f;
	return USER_TMUX(f, NULL, "new-session", "-d", "-s", "t", "-x", "80", "-y", "24", "--", "cat", "-");
}

#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10

static void test_the_last_line_is_the_summary(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *script, *summary, *tail;
	} cases[] = {
		{"printf 'one\\ntwo\\n\\n   \\n'", "two", "one\ntwo"},
		{"printf 'one\\nlast'", "last", "one\nlast"},
		{"printf 'one\\n\\n  two  \\n'", "  two", "one\n\n  two"},
		{"true", "", ""},
		{"printf '\\n\\n'", "", ""},
		{"printf '\\033[1;31mred\\033[0m and \\033[4mmore\\n'", "red and more", "red and more"},
		{"printf '10%%\\r55%%\\r100%%\\n'", "100%", "100%"},
		{"printf 'a\\033[Kb\\bc\\n'", "ac", "ac"},
		{"printf 'gr\\303\\266\\303\\237e \\342\\234\\223\\n'", "größe ✓", "größe ✓"},
		{"printf '" X100 X100 X100 "y\\n'", X100 X100 X100 "y", X100 X100 X100 "y"},
		{"echo before; printf '\\033[?1049hinside'; exit 0", "before", "before"},
		{"echo before; printf '\\033[?1049hinside\\033[?1049l'; echo after", "after",
		 "before\nafter"},
		{"echo text; printf '\\033]0;unfinished title'", "text", "text"},
		{"echo text; printf '\\033P unfinished'", "text", "text"},
		{"echo text; printf '\\033['", "text", "text"},
		{"echo to stderr >&2", "to stderr", "to stderr"},
		{"stty raw -echo; printf 'raw\\r\\n'", "raw", "raw"},
		{"test -t 0 && test -t 1 && test -t 2 && ps -o stat= -p $$ | grep -o +", "+", "+"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *id = xasprintf("spawn-%zu", i);
		json_auto_t *json = run_in_terminal(f, id, cases[i].script);
		assert_int_equal(json_int(json, "exit", -1), 0);
		assert_string_equal(json_str(json, "summary"), cases[i].summary);
		assert_string_equal(json_str(json, "tail"), cases[i].tail);
	}
}

static void test_much_output_is_cut(void **state)
{
	struct fixture *f = *state;
	json_auto_t *lines = run_in_terminal(
		f, "spawn-a", "head -c 1048576 /dev/zero | tr '\\0' x | fold -w 50; echo; seq 30; echo done");
	assert_string_equal(json_str(lines, "summary"), "done");
	assert_string_equal(
		json_str(lines, "tail"),
		"12\n13\n14\n15\n16\n17\n18\n19\n20\n21\n22\n23\n24\n25\n26\n27\n28\n29\n30\ndone");
	json_auto_t *one = run_in_terminal(f, "spawn-b", "head -c 1048576 /dev/zero | tr '\\0' x");
	assert_int_equal(strlen(json_str(one, "summary")), LAUNCH_SUMMARY_MAX);
	assert_int_equal(strlen(json_str(one, "tail")), LAUNCH_TAIL_MAX);
	json_auto_t *wide = run_in_terminal(
		f, "spawn-c", "for i in 1 2 3 4 5 6 7 8 9 10; do printf '%02d%0998d\\n' $i 0; done");
	assert_int_equal(strlen(json_str(wide, "summary")), 1000);
	assert_memory_equal(json_str(wide, "summary"), "10", 2);
	assert_int_equal(strlen(json_str(wide, "tail")), 8 * 1001 - 1);
	assert_memory_equal(json_str(wide, "tail"), "03", 2);
	/* A character is never cut in two. */
	json_auto_t *chars = run_in_terminal(
		f, "spawn-d", "printf x; for i in $(seq 2000); do printf '\\342\\234\\223'; done");
	size_t len = strlen(json_str(chars, "summary"));
	assert_int_equal(len, 1 + 682 * 3);
	assert_null(strstr(json_str(chars, "summary"), "\xEF\xBF\xBD"));
}

static int setup_small_terminal(void **state)
{
	struct fixture *f = fixture_new("set -g history-limit 0\nset -g remain-on-exit on\n");
	*state = f;
	return USER_TMUX(f, NULL, "new-session", "-d", "-s", "t", "-x", "20", "-y", "5", "--", "cat", "-");
}

static void test_a_small_terminal_without_history(void **state)
{
	struct fixture *f = *state;
	json_auto_t *json = run_in_terminal(f, "spawn-a", "seq 30; printf 'a line longer than the window'");
	assert_string_equal(json_str(json, "summary"), "a line longer than the window");
	assert_non_null(strstr(json_str(json, "tail"), "30\na line"));
}

static void test_without_tmux_in_path_the_code_counts(void **state)
{
	struct fixture *f = *state;
	autofree char *path = xasprintf("PATH=%s", f->dir);
	write_spec(f, "spawn-a", "watch", (const char *const[]){"/bin/sh", "-c", "echo text; exit 4", NULL});
	autostrbuf out = STRBUF_INIT(64);
	assert_int_equal(USER_TMUX(f, &out, "new-window", "-d", "-t", "=t:", "-e", path, "-P", "-F",
				   "#{pane_pid}", "--", "/usr/bin/env", path, self, "launch", f->dir,
				   "spawn-a"),
			 0);
	int pid;
	assert_int_equal(sscanf(strbuf_str(&out), "%d", &pid), 1);
	struct pane p = {.pid = pid, .pid_fd = (int)syscall(SYS_pidfd_open, pid, 0)};
	pane_wait(&p);
	assert_exit(f, "spawn-a", 4, 0);
	json_auto_t *json = exit_of(f, "spawn-a");
	assert_string_equal(json_str(json, "summary"), "");
}

/* Reads what a script says on a FIFO of the folder. */
static void await_fifo(struct fixture *f, const char *name, char *ret, size_t size)
{
	autofree char *path = path_join(f->dir, name);
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	ssize_t n = read(fd, ret, size - 1);
	assert_true(n > 0);
	ret[n] = '\0';
	assert_int_equal(close(fd), 0);
}

/* Starts a script that says its pid on a FIFO once it is ready. */
static struct pane start_ready(struct fixture *f, const char *id, const char *script, pid_t *ret_child)
{
	autofree char *fifo = path_join(f->dir, "ready");
	if (mkfifo(fifo, 0600) < 0)
		assert_int_equal(access(fifo, F_OK), 0);
	write_script(f, id, "watch", script);
	struct pane p = pane_start(f, id);
	char text[64];
	int child;
	await_fifo(f, "ready", text, sizeof(text));
	assert_int_equal(sscanf(text, "%d", &child), 1);
	*ret_child = child;
	return p;
}

static void test_signals_are_passed_on(void **state)
{
	struct fixture *f = *state;
	pid_t child;
	static const int signals[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT};
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		autofree char *id = xasprintf("spawn-%zu", i);
		struct pane p = start_ready(f, id, "ulimit -c 0; echo $$ > ready; exec sleep 1000", &child);
		assert_int_equal(kill(p.pid, signals[i]), 0);
		pane_wait(&p);
		assert_exit(f, id, 128 + signals[i], signals[i]);
	}
	struct pane p = start_ready(
		f, "spawn-t", "trap 'echo bye; exit 5' TERM; echo $$ > ready; sleep 1000 & wait", &child);
	assert_int_equal(kill(p.pid, SIGTERM), 0);
	pane_wait(&p);
	json_auto_t *json = exit_of(f, "spawn-t");
	assert_int_equal(json_int(json, "exit", -1), 5);
	assert_string_equal(json_str(json, "summary"), "bye");
}

static void test_a_closed_terminal_still_leaves_the_record(void **state)
{
	struct fixture *f = *state;
	pid_t child;
	struct pane p = start_ready(f, "spawn-a", "echo $$ > ready; exec sleep 1000", &child);
	assert_int_equal(USER_TMUX(f, NULL, "kill-pane", "-t", p.id), 0);
	pane_wait(&p);
	assert_exit(f, "spawn-a", 128 + SIGHUP, SIGHUP);
	/* One that ignores the hang-up is waited for. */
	autofree char *fifo = path_join(f->dir, "go");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	p = start_ready(f, "spawn-b", "trap '' HUP; echo $$ > ready; read x < go; exit 6", &child);
	assert_int_equal(USER_TMUX(f, NULL, "kill-pane", "-t", p.id), 0);
	int writer = open(fifo, O_WRONLY);
	assert_int_equal(write(writer, "\n", 1), 1);
	assert_int_equal(close(writer), 0);
	pane_wait(&p);
	assert_exit(f, "spawn-b", 6, 0);
}

static void test_a_killed_launcher_takes_the_child_along(void **state)
{
	struct fixture *f = *state;
	pid_t child;
	struct pane p = start_ready(f, "spawn-a", "trap '' HUP; echo $$ > ready; exec sleep 1000", &child);
	struct pane watched = {.pid = child, .pid_fd = (int)syscall(SYS_pidfd_open, child, 0)};
	assert_true(watched.pid_fd >= 0);
	assert_int_equal(kill(p.pid, SIGKILL), 0);
	pane_wait(&watched);
	pane_wait(&p);
	json_t *json = NULL;
	assert_int_equal(launch_exit_read(f->dir, "spawn-a", &json, NULL), ERR_NOT_FOUND);
	assert_int_equal(run(f, "spawn-a"), 3);
}

static void test_keys_reach_the_child(void **state)
{
	struct fixture *f = *state;
	pid_t child;
	struct pane p = start_ready(f, "spawn-a", "echo $$ > ready; exec sleep 1000", &child);
	assert_int_equal(USER_TMUX(f, NULL, "send-keys", "-t", p.id, "C-c"), 0);
	pane_wait(&p);
	assert_exit(f, "spawn-a", 128 + SIGINT, SIGINT);
	/* Ctrl-Z does not leave it stopped, for there is no shell to wake it up. */
	p = start_ready(f, "spawn-b", "echo $$ > ready; read x; echo got $x", &child);
	assert_int_equal(USER_TMUX(f, NULL, "send-keys", "-t", p.id, "C-z"), 0);
	assert_int_equal(USER_TMUX(f, NULL, "send-keys", "-t", p.id, "y", "Enter"), 0);
	pane_wait(&p);
	json_auto_t *json = exit_of(f, "spawn-b");
	assert_string_equal(json_str(json, "summary"), "got y");
	/* What a person has typed ahead does not matter, nor that they stopped the output. */
	p = start_ready(f, "spawn-c", "echo text; echo $$ > ready; read x; exit 0", &child);
	assert_int_equal(USER_TMUX(f, NULL, "send-keys", "-t", p.id, "Enter", "C-s", "1", "2"), 0);
	pane_wait(&p);
	json_auto_t *typed = exit_of(f, "spawn-c");
	assert_memory_equal(json_str(typed, "tail"), "text", 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TERMINAL_TEST(name) cmocka_unit_test_setup_teardown(name, setup_terminal, teardown)

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "launch") == 0)
		return launch_main(argv[2], argv[3]);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) <= 0)
		return 1;
	const struct CMUnitTest tests[] = {
		TEST(test_launch_never_runs_twice),
		TEST(test_launch_never_runs_twice_at_once),
		TEST(test_exit_codes_and_signals),
		TEST(test_what_cannot_start_says_why),
		TEST(test_a_broken_spec_runs_nothing),
		TEST(test_the_environment_is_edited),
		TEST(test_exec_keeps_process_and_lock),
		TERMINAL_TEST(test_the_last_line_is_the_summary),
		TERMINAL_TEST(test_much_output_is_cut),
		cmocka_unit_test_setup_teardown(test_a_small_terminal_without_history, setup_small_terminal,
						teardown),
		TERMINAL_TEST(test_without_tmux_in_path_the_code_counts),
		TERMINAL_TEST(test_signals_are_passed_on),
		TERMINAL_TEST(test_a_closed_terminal_still_leaves_the_record),
		TERMINAL_TEST(test_a_killed_launcher_takes_the_child_along),
		TERMINAL_TEST(test_keys_reach_the_child),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The process of a pane; see launch.h.
 *
 * Order of steps: lock, look for the traces of an earlier start, read the spec, write and sync the trace of
 * this one, start. A crash before the trace has run nothing, a crash after it runs nothing again.
 *
 * "watch" is a shell with one job: the child is its own process group in the terminal's foreground, so that
 * Ctrl-C reaches it and not us; all signals that concern us are blocked and taken one by one with
 * sigwaitinfo(), so there is no handler and no race. When the child has ended, tmux may still have output
 * of it to parse: we ask the terminal where its cursor is and wait for the answer, for tmux answers in
 * order. Then the text is on the pane, wrapped lines joined and escape sequences applied, as a person
 * would read it. */
#include "term/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "base/timeval.h"
#include "os/file.h"
#include "os/gitenv.h"
#include "os/lock.h"
#include "os/proc.h"
#include "os/sandbox.h"
#include "os/env.h"
#include "os/spawn.h"
#include "term/launch_server.h"

enum {
	SPEC_MAX = 1 << 20,
	ARGS_MAX = 1024,
	CAPTURE_MAX = 8 << 20, /* a few hundred lines, however wide the terminal */
	BARRIER_LIMIT = 1000,  /* ms */
	CAPTURE_LIMIT = 5,     /* seconds */
	EXIT_REFUSED = 3,
	EXIT_NOT_STARTED = 126,
	EXIT_NO_PROGRAM = 127,
	EXIT_NO_SERVER = 1,
};

struct launch {
	char *spec_path, *lock_path, *exit_path;
	int lock_fd;
	json_t *spec;
	const json_t *confine; /* of the spec; NULL: it is free */
	const char **argv;     /* of the spec; the array is owned, its strings are not */
	char **env;
	char *program;
	const char *cwd;
	bool watch;
	struct launch_server server; /* without arguments: there is none */
};

static void launch_release(struct launch *l)
{
	free(l->spec_path);
	free(l->lock_path);
	free(l->exit_path);
	close_fd(&l->lock_fd);
	json_decref(l->spec);
	free(l->argv);
	env_free(l->env);
	free(l->program);
	launch_server_release(&l->server);
}

static char *spawn_path(const char *home, const char *id, const char *suffix)
{
	return xasprintf("%s/spawn/%s.%s", home, id, suffix);
}

/* It becomes a file's name. */
static int check_id(const char *id, struct error *err)
{
	size_t len = strlen(id);
	if (len && len <= 64 && id[0] != '.' && !strchr(id, '/'))
		return 0;
	return error_set(err, ERR_INVALID, "not a spawn id");
}

int launch_write(const char *home, const char *spawn_id, const json_t *spec, struct error *err)
{
	autofree char *folder = path_join(home, "spawn");
	autofree char *path = spawn_path(home, spawn_id, "json");
	autofree char *text = json_text(spec);
	int code = check_id(spawn_id, err);
	if (!code && strlen(text) > SPEC_MAX)
		code = error_set(err, ERR_TOO_LARGE, "a command of more than %d bytes", SPEC_MAX);
	if (!code)
		code = dir_make_private(folder, err);
	return code ? code : file_replace(path, text, strlen(text), 0600, err);
}

static int read_json(const char *path, json_t **ret, struct error *err)
{
	autostrbuf text = STRBUF_INIT(SPEC_MAX);
	int code = file_read(path, &text, err);
	return code ? code : json_parse(strbuf_str(&text), text.len, ret, err);
}

int launch_exit_read(const char *home, const char *spawn_id, json_t **ret, struct error *err)
{
	autofree char *path = spawn_path(home, spawn_id, "exit");
	int code = check_id(spawn_id, err);
	return code ? code : read_json(path, ret, err);
}

int launch_running(const char *home, const char *spawn_id, json_t **ret, struct error *err)
{
	autofree char *path = xasprintf("%s/spawn/%s.lock", home, spawn_id);
	autostrbuf text = STRBUF_INIT(4096);
	json_auto_t *lock = NULL;
	int code = file_read(path, &text, err);
	if (!code)
		code = json_parse(strbuf_str(&text), text.len, &lock, err);
	if (code)
		return code;
	const char *boot = json_str(lock, "boot_id");
	pid_t pid = (pid_t)json_int(lock, "pid", 0);
	uint64_t start = (uint64_t)json_int(lock, "start_time", 0);
	if (!boot || strcmp(boot, os_env_real()->boot_id) != 0 || proc_alive(pid, start) != TRUTH_YES)
		return error_set(err, ERR_NOT_FOUND, "the process of %s has ended", spawn_id);
	*ret = json_incref(lock);
	return 0;
}

int launch_forget(const char *home, const char *spawn_id, struct error *err)
{
	static const char *const suffixes[] = {"json", "exit", "lock", "server.log"};
	int code = check_id(spawn_id, err);
	for (size_t i = 0; !code && i < ARRAY_SIZE(suffixes); i++) {
		autofree char *path = spawn_path(home, spawn_id, suffixes[i]);
		if (unlink(path) < 0 && errno != ENOENT)
			code = error_errno(err, errno, "cannot remove %s", path);
	}
	return code;
}

/* --- what the daemon asked for --- */

static int read_argv(struct launch *l, struct error *err)
{
	const json_t *argv = json_object_get(l->spec, "argv");
	size_t n = json_array_size(argv);
	if (!n || n > ARGS_MAX)
		return error_set(err, ERR_INVALID, "the spawn has no usable command");
	l->argv = xcalloc(n + 1, sizeof(*l->argv));
	for (size_t i = 0; i < n; i++) {
		l->argv[i] = json_string_value(json_array_get(argv, i));
		if (!l->argv[i])
			return error_set(err, ERR_INVALID, "argument %zu of the command is no text", i);
	}
	return 0;
}

static bool env_name_ok(const char *name)
{
	return *name && !strpbrk(name, "=*");
}

static int read_env(struct launch *l, struct error *err)
{
	json_t *env = json_object_get(l->spec, "env");
	size_t n = json_object_size(env), n_set = 0, n_drop = 0;
	const char **drop = xcalloc(n + 1, sizeof(*drop));
	char **set = xcalloc(n + 1, sizeof(*set));
	const char *name;
	json_t *value;
	int code = 0;
	json_object_foreach(env, name, value)
	{
		if (!env_name_ok(name) || (!json_is_string(value) && !json_is_null(value))) {
			code = error_set(err, ERR_INVALID,
					 "a variable of the spawn's environment is unusable");
			break;
		}
		if (json_is_null(value))
			drop[n_drop++] = name;
		else
			set[n_set++] = xasprintf("%s=%s", name, json_string_value(value));
	}
	if (!code) {
		union {
			char **in;
			const char *const *out;
		} edited = {set}; /* C does not add const at two levels by itself */
		l->env = env_edit(NULL, drop, edited.out);
	}
	env_free(set);
	free(drop);
	return code;
}

/* Git's settings, which come after those that the terminal or the spawn's own variables give. */
static int read_git(struct launch *l, struct error *err)
{
	json_t *settings = json_object_get(l->spec, "git");
	const char *key;
	json_t *value;
	json_object_foreach(settings, key, value)
	{
		union {
			char **in;
			const char *const *out;
		} env = {l->env}, set;
		if (!json_is_string(value))
			return error_set(err, ERR_INVALID, "a setting of git is no text");
		set.in = gitenv_add(env.out, key, json_string_value(value));
		if (!set.in)
			return error_set(err, ERR_INVALID, "GIT_CONFIG_COUNT of the terminal is unusable");
		l->env = env_edit(env.out, NULL, set.out);
		env_free(env.in);
		env_free(set.in);
	}
	return 0;
}

/* After git's variables, of which it changes none. */
static int read_confine(struct launch *l, struct error *err)
{
	const json_t *confine = json_object_get(l->spec, "confine");
	if (!confine || json_is_null(confine))
		return 0;
	if (!json_is_object(confine))
		return error_set(err, ERR_INVALID, "what the spawn may write is unusable");
	union {
		char **in;
		const char *const *out;
	} env = {l->env};
	l->confine = confine;
	l->env = sandbox_env(confine, env.out);
	env_free(env.in);
	return 0;
}

static int read_server(struct launch *l, const char *log, struct error *err)
{
	const json_t *server = json_object_get(l->spec, "server");
	if (!server || json_is_null(server))
		return 0;
	if (!l->watch)
		return error_set(err, ERR_INVALID, "only a spawn that is watched may have a server");
	int code = launch_server_read(server, l->cwd, l->env, xstrdup(log), &l->server, err);
	l->server.confine = l->confine;
	return code;
}

static int read_spec(struct launch *l, const char *server_log, struct error *err)
{
	int code = read_json(l->spec_path, &l->spec, err);
	if (!code)
		code = read_argv(l, err);
	if (!code)
		code = read_env(l, err);
	if (!code)
		code = read_git(l, err);
	if (!code)
		code = read_confine(l, err);
	if (code)
		return code;
	const char *kind = json_str(l->spec, "kind");
	l->cwd = json_str(l->spec, "cwd");
	if (!l->cwd || !kind || (strcmp(kind, "exec") != 0 && strcmp(kind, "watch") != 0))
		return error_set(err, ERR_INVALID, "the spawn says not where or how to start");
	l->watch = strcmp(kind, "watch") == 0;
	code = read_server(l, server_log, err);
	if (code)
		return code;
	union {
		char **in;
		const char *const *out;
	} env = {l->env};
	return program_find(l->argv[0], env.out, &l->program, err);
}

/* --- once only --- */

static int take_lock(struct launch *l, const char *spawn_id, struct error *err)
{
	int code = lock_take(l->lock_path, LOCK_INHERIT, &l->lock_fd, err);
	if (code == ERR_CONFLICT)
		return error_set(err, ERR_REFUSED, "%s is running already", spawn_id);
	if (code)
		return code;
	struct stat lock;
	if (fstat(l->lock_fd, &lock) < 0)
		return error_errno(err, errno, "cannot look at %s", l->lock_path);
	if (lock.st_size > 0 || access(l->exit_path, F_OK) == 0)
		return error_set(err, ERR_REFUSED, "%s has been started before", spawn_id);
	return 0;
}

static int write_trace(struct launch *l, struct error *err)
{
	struct proc_stat self;
	int code = proc_stat(getpid(), &self, err);
	if (code)
		return code;
	autofree char *text =
		xasprintf("{\"pid\":%d,\"start_time\":%llu,\"boot_id\":\"%s\"}\n", (int)self.pid,
			  (unsigned long long)self.start_time, os_env_real()->boot_id);
	size_t len = strlen(text);
	if (pwrite(l->lock_fd, text, len, 0) != (ssize_t)len || fsync(l->lock_fd) < 0)
		return error_errno(err, errno, "cannot write %s", l->lock_path);
	autofree char *folder = xstrndup(l->lock_path, (size_t)(strrchr(l->lock_path, '/') - l->lock_path));
	return dir_sync(folder, err);
}

/* --- how it ended --- */

/* At most `max` bytes of `text`, not ending within a character. */
static size_t cut(const char *text, size_t len, size_t max)
{
	if (len <= max)
		return len;
	while (max && ((unsigned char)text[max] & 0xC0) == 0x80)
		max--;
	return max;
}

struct ending {
	int exit;
	int signal; /* 0 for none */
	struct strbuf summary;
	struct strbuf tail;
};

#define ENDING_INIT ((struct ending){.summary = STRBUF_INIT(SPEC_MAX), .tail = STRBUF_INIT(SPEC_MAX)})

static void ending_release(struct ending *e)
{
	strbuf_release(&e->summary);
	strbuf_release(&e->tail);
}

static int ending_write(const struct launch *l, const struct ending *e, struct error *err)
{
	json_auto_t *json = json_pack("{s:i, s:o, s:o, s:o}", "exit", e->exit, "signal",
				      e->signal ? json_integer(e->signal) : json_null(), "summary",
				      json_lossy_string(strbuf_str(&e->summary), e->summary.len), "tail",
				      json_lossy_string(strbuf_str(&e->tail), e->tail.len));
	autofree char *text = json_text(json);
	return file_replace(l->exit_path, text, strlen(text), 0600, err);
}

static void report(const struct error *err)
{
	(void)fprintf(stderr, "coppice: %s\n", err->message); /* nobody to tell if even this fails */
}

/* It could not be started: says so on the terminal and in ID.exit, and returns the exit code. */
static int not_started(const struct launch *l, int exit_code, const struct error *err)
{
	report(err);
	_cleanup_(ending_release) struct ending e = ENDING_INIT;
	e.exit = exit_code;
	text_escape(err->message, cut(err->message, strlen(err->message), LAUNCH_SUMMARY_MAX / 4), false,
		    &e.summary);
	autoerror failed = {0};
	if (ending_write(l, &e, &failed))
		report(&failed);
	return exit_code;
}

/* Adds the lines of `text` that end it, blank ones at its very end left out, without trailing blanks. */
static void ending_lines(const char *text, size_t len, struct ending *e)
{
	struct strbuf lines[LAUNCH_TAIL_LINES];
	size_t n = 0, total = 0;
	while (len && n < LAUNCH_TAIL_LINES) {
		size_t start = len;
		while (start && text[start - 1] != '\n')
			start--;
		size_t end = len;
		while (end > start && strchr(" \t\r", text[end - 1]))
			end--;
		len = start ? start - 1 : 0;
		if (end == start && !n)
			continue;
		strbuf_init(&lines[n], SPEC_MAX);
		/* Escaping makes a byte four. */
		text_escape(text + start, cut(text + start, end - start, LAUNCH_TAIL_MAX), false, &lines[n]);
		strbuf_setlen(&lines[n], cut(strbuf_str(&lines[n]), lines[n].len, LAUNCH_TAIL_MAX));
		total += lines[n].len + 1;
		if (total > LAUNCH_TAIL_MAX + 1) {
			strbuf_release(&lines[n]);
			break;
		}
		n++;
	}
	if (n)
		strbuf_add(&e->summary, strbuf_str(&lines[0]),
			   cut(strbuf_str(&lines[0]), lines[0].len, LAUNCH_SUMMARY_MAX));
	while (n--) {
		strbuf_add(&e->tail, strbuf_str(&lines[n]), lines[n].len);
		if (n)
			strbuf_addch(&e->tail, '\n');
		strbuf_release(&lines[n]);
	}
}

static int64_t monotonic_ms(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for a clock that always exists */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Waits until the terminal is ready for `events` or the deadline has come; false then, or when it is gone. */
static bool tty_ready(short events, int64_t deadline)
{
	for (;;) {
		int64_t left = deadline - monotonic_ms();
		if (left <= 0)
			return false;
		struct pollfd fd = {.fd = STDIN_FILENO, .events = events};
		int n = poll(&fd, 1, (int)left);
		if (n > 0)
			return fd.revents & events;
		if (n < 0 && errno != EINTR)
			return false;
	}
}

/* Reads until ESC [ digits ; digits R, whatever a person types meanwhile. */
static void await_cursor_report(int64_t deadline)
{
	enum { GROUND, ESCAPE, ROW, COLUMN } state = GROUND;
	char c;
	while (tty_ready(POLLIN, deadline) && read(STDIN_FILENO, &c, 1) == 1) {
		bool digit = c >= '0' && c <= '9';
		if (c == '\033')
			state = ESCAPE;
		else if (state == ESCAPE && c == '[')
			state = ROW;
		else if (state == ROW && c == ';')
			state = COLUMN;
		else if (state == COLUMN && c == 'R')
			return;
		else if (!digit || state == ESCAPE)
			state = GROUND;
	}
}

/* Returns once tmux has parsed all output, or after a second. */
static void barrier(void)
{
	/* Ends what an interrupted program may have left open: a control sequence or string, the alternate
	 * screen. Then asks for the cursor's position. */
	static const char ask[] = "\030\033\\\033[?1049l\033[6n";
	struct termios raw;
	if (tcgetattr(STDIN_FILENO, &raw) < 0)
		return;
	cfmakeraw(&raw);
	int64_t deadline = monotonic_ms() + BARRIER_LIMIT;
	/* Neither can fail on a terminal that has just been looked at, save by its being closed, which the
	 * reading below notices. Raw mode also resumes an output that a person stopped with Ctrl-S. */
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	(void)tcflush(STDIN_FILENO, TCIFLUSH);
	if (tty_ready(POLLOUT, deadline) && write(STDIN_FILENO, ask, sizeof(ask) - 1) == sizeof(ask) - 1)
		await_cursor_report(deadline);
}

/* Best effort: a closed pane has no text left, and the exit code matters more. */
static void capture(struct ending *e)
{
	const char *pane = getenv("TMUX_PANE");
	if (!pane || !isatty(STDIN_FILENO))
		return;
	barrier();
	autostrbuf text = STRBUF_INIT(CAPTURE_MAX);
	struct spawn tmux = {
		.argv = (const char *const[]){"tmux", "capture-pane", "-p", "-J", "-S", "-200", "-t", pane,
					      NULL},
		.out = &text,
		.null_output = true,
		.timeout = CAPTURE_LIMIT * USEC_PER_SEC,
	};
	int status = 0;
	if (spawn_run(&tmux, &status, NULL) == 0 && status == 0)
		ending_lines(strbuf_str(&text), text.len, e);
}

/* --- kind watch --- */

static const int watched_signals[] = {SIGCHLD, SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU};

/* Why the child could not become the program, as it tells the launcher. */
struct failure {
	int exit_code;
	char why[LAUNCH_SUMMARY_MAX / 2];
};

_noreturn_ static void give_up(int report_fd, int exit_code, const struct error *err)
{
	struct failure f = {.exit_code = exit_code};
	(void)snprintf(f.why, sizeof(f.why), "%s%s%s", err->message, err->hint ? ": " : "",
		       err->hint ? err->hint : "");
	(void)!write(report_fd, &f, sizeof(f)); /* the parent then sees the exit code only */
	_exit(exit_code);
}

/* In the child. Says through `report_fd` why it cannot become the program. */
_noreturn_ static void become_child(const struct launch *l, pid_t parent, const sigset_t *mask, int report_fd)
{
	(void)setpgid(0, 0); /* the parent does so too; whoever comes first */
	if (isatty(STDIN_FILENO))
		(void)tcsetpgrp(STDIN_FILENO, getpgrp()); /* SIGTTOU is blocked still */
	autoerror err = {0};
	for (size_t i = 0; i < ARRAY_SIZE(watched_signals); i++)
		(void)signal(watched_signals[i], SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, mask, NULL);
	if (l->confine && sandbox_enter(l->confine, &err))
		give_up(report_fd, EXIT_NOT_STARTED, &err);
	/* After the sandbox, whose other credentials would undo it. */
	bool ready = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
	if (getppid() != parent)
		_exit(EXIT_NOT_STARTED);
	if (ready && chdir(l->cwd) == 0) {
		union {
			const char **in;
			char *const *out;
		} argv = {l->argv}; /* execve's prototype lacks the const that it keeps */
		(void)execve(l->program, argv.out, l->env);
	}
	int failed = errno;
	(void)error_errno(&err, failed, "cannot start %s in %s", l->argv[0], l->cwd);
	give_up(report_fd, failed == ENOENT ? EXIT_NO_PROGRAM : EXIT_NOT_STARTED, &err);
}

/* Waits for the child's end and passes on what it should know of. A server that has ended before takes the
 * child with it, and `err` says so. */
static int supervise(pid_t child, const sigset_t *signals, struct launch_server *server, struct error *err)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(child, &status, WNOHANG | WUNTRACED);
		if (pid == child && !WIFSTOPPED(status))
			return status;
		if (pid == child && WSTOPSIG(status) == SIGTSTP)
			(void)kill(-child, SIGCONT); /* Ctrl-Z: there is no shell to come back from */
		if (pid != 0)
			continue;
		if (launch_server_ended(server, err))
			(void)kill(-child, SIGTERM);
		struct timespec grace = {.tv_sec = LAUNCH_SERVER_GRACE};
		int signal = err->code ? sigtimedwait(signals, NULL, &grace) : sigwaitinfo(signals, NULL);
		if (signal < 0 && errno == EAGAIN)
			(void)kill(-child, SIGKILL);
		if (signal == SIGHUP || signal == SIGTERM || signal == SIGINT || signal == SIGQUIT)
			(void)kill(-child, signal); /* it may have ended already */
	}
}

static void ending_of(int status, const struct error *server_ended, struct ending *e)
{
	e->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	e->exit = e->signal ? 128 + e->signal : WEXITSTATUS(status);
	capture(e);
	if (!server_ended->code)
		return;
	e->exit = EXIT_NO_SERVER;
	e->signal = 0;
	strbuf_reset(&e->summary);
	strbuf_add(&e->summary, server_ended->message,
		   cut(server_ended->message, strlen(server_ended->message), LAUNCH_SUMMARY_MAX));
}

static int watch_child(struct launch *l, pid_t child, int report_fd, const sigset_t *signals)
{
	struct failure failed = {0};
	ssize_t n;
	autoerror server_ended = {0};
	do
		n = read(report_fd, &failed, sizeof(failed));
	while (n < 0 && errno == EINTR);
	int status = supervise(child, signals, &l->server, &server_ended);
	launch_server_stop(&l->server);
	if (isatty(STDIN_FILENO))
		(void)tcsetpgrp(STDIN_FILENO, getpgrp()); /* fails when the terminal is gone, as it may be */
	if (n == sizeof(failed)) {
		autoerror err = {0};
		(void)error_set(&err, ERR_SYSTEM, "%s", failed.why);
		return not_started(l, failed.exit_code, &err);
	}
	_cleanup_(ending_release) struct ending e = ENDING_INIT;
	ending_of(status, &server_ended, &e);
	autoerror err = {0};
	if (ending_write(l, &e, &err))
		report(&err);
	return e.exit;
}

/* Starts the child, with the server running if there is one. */
static int run_child(struct launch *l, const sigset_t *signals, const sigset_t *before)
{
	autoerror err = {0};
	int report_fds[2];
	if (pipe2(report_fds, O_CLOEXEC) < 0) {
		(void)error_errno(&err, errno, "cannot make a pipe");
		return not_started(l, EXIT_NOT_STARTED, &err);
	}
	autoclose int report_read = report_fds[0];
	autoclose int report_write = report_fds[1];
	pid_t self = getpid(), child = fork();
	if (child < 0) {
		(void)error_errno(&err, errno, "cannot start a process");
		return not_started(l, EXIT_NOT_STARTED, &err);
	}
	if (child == 0)
		become_child(l, self, before, report_write);
	(void)setpgid(child, child); /* fails once the child has done it and has become the program */
	(void)close(TAKE_FD(report_write));
	return watch_child(l, child, report_read, signals);
}

/* Removes what was made for this spawn alone. What cannot be removed is in use by something that it left
 * behind. */
static void tidy_up(const struct launch *l)
{
	size_t i;
	const json_t *folder;
	autoerror err = {0};
	const char *tmp = l->confine ? json_str(l->confine, "tmp") : NULL;
	if (tmp && tree_remove(tmp, &err))
		report(&err);
	json_array_foreach(json_object_get(l->spec, "folders"), i, folder)
	{
		if (tree_remove(json_string_value(folder), &err))
			report(&err);
	}
}

static int run_watched(struct launch *l)
{
	sigset_t signals, before;
	(void)sigemptyset(&signals);
	for (size_t i = 0; i < ARRAY_SIZE(watched_signals); i++) {
		(void)sigaddset(&signals, watched_signals[i]);
		(void)signal(watched_signals[i], SIG_DFL); /* an ignored signal is never seen */
	}
	(void)sigprocmask(SIG_BLOCK, &signals, &before);
	(void)fcntl(l->lock_fd, F_SETFD,
		    FD_CLOEXEC); /* the lock ends with us: what the child starts may stay */
	autoerror err = {0};
	if (l->server.argv && launch_server_start(&l->server, &signals, &before, &err))
		return not_started(l, EXIT_NOT_STARTED, &err);
	int code = run_child(l, &signals, &before);
	launch_server_stop(&l->server);
	tidy_up(l);
	return code;
}

/* --- kind exec --- */

static int run_in_place(struct launch *l)
{
	autoerror err = {0};
	if (l->confine && sandbox_enter(l->confine, &err))
		return not_started(l, EXIT_NOT_STARTED, &err);
	if (chdir(l->cwd) == 0) {
		union {
			const char **in;
			char *const *out;
		} argv = {l->argv};
		(void)execve(l->program, argv.out, l->env);
	}
	int failed = errno;
	(void)error_errno(&err, failed, "cannot start %s in %s", l->argv[0], l->cwd);
	return not_started(l, failed == ENOENT ? EXIT_NO_PROGRAM : EXIT_NOT_STARTED, &err);
}

int launch_main(const char *home, const char *spawn_id)
{
	autoerror err = {0};
	if (check_id(spawn_id, &err)) {
		report(&err);
		return EXIT_NOT_STARTED;
	}
	_cleanup_(launch_release) struct launch l = {
		.spec_path = spawn_path(home, spawn_id, "json"),
		.lock_path = spawn_path(home, spawn_id, "lock"),
		.exit_path = spawn_path(home, spawn_id, "exit"),
		.lock_fd = -1,
	};
	int code = take_lock(&l, spawn_id, &err);
	if (code) {
		report(&err);
		return code == ERR_REFUSED ? EXIT_REFUSED : EXIT_NOT_STARTED;
	}
	autofree char *server_log = spawn_path(home, spawn_id, "server.log");
	code = read_spec(&l, server_log, &err);
	if (!code)
		code = write_trace(&l, &err);
	if (code)
		return not_started(&l, code == ERR_MISSING ? EXIT_NO_PROGRAM : EXIT_NOT_STARTED, &err);
	return l.watch ? run_watched(&l) : run_in_place(&l);
}

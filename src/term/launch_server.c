/* A server of a pane's command; see launch_server.h. */
#include "term/launch_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "base/timeval.h"
#include "os/env.h"
#include "os/file.h"
#include "os/sandbox.h"
#include "os/socket.h"
#include "os/spawn.h"

enum {
	ARGS_MAX = 1024,
	RETRY = 20,	      /* ms, while the socket is there and nobody listens yet */
	LINE_MAX_SHOWN = 300, /* bytes of its last line in an error */
	NOT_STARTED = 126,
	NO_PROGRAM = 127,
};

void launch_server_release(struct launch_server *s)
{
	free(s->argv);
	free(s->program);
	free(s->log);
	*s = (struct launch_server){0};
}

int launch_server_read(const json_t *spec, const char *cwd, char *const *env, char *log,
		       struct launch_server *ret, struct error *err)
{
	struct launch_server s = {.cwd = cwd, .env = env, .log = log};
	const json_t *argv = json_object_get(spec, "argv");
	size_t n = json_array_size(argv);
	s.socket = json_string_value(json_object_get(spec, "socket"));
	bool usable = n && n <= ARGS_MAX && s.socket && s.socket[0] == '/' &&
		      strlen(s.socket) < sizeof(((struct sockaddr_un *)NULL)->sun_path);
	s.argv = xcalloc(n + 1, sizeof(*s.argv));
	for (size_t i = 0; usable && i < n; i++) {
		s.argv[i] = json_string_value(json_array_get(argv, i));
		usable = s.argv[i];
	}
	union {
		char *const *in;
		const char *const *out;
	} vars = {env};
	int code = usable ? program_find(s.argv[0], vars.out, &s.program, err)
			  : error_set(err, ERR_INVALID, "the spawn's server is unusable");
	if (code)
		launch_server_release(&s);
	else
		*ret = s;
	return code;
}

/* --- the guard's side --- */

struct guard {
	const struct launch_server *s;
	pid_t server;
	int signals, output, log;
	size_t logged;
	bool over; /* the server itself has ended, with */
	int status;
	bool ending; /* its group has been told to end, by */
	usec_t deadline;
};

/* Best effort: without a log the server runs all the same. */
static void keep(struct guard *g, const char *bytes, size_t len)
{
	static const char cut[] = "[…]\n";
	if (g->logged + len > LAUNCH_SERVER_LOG_MAX) {
		(void)!ftruncate(g->log, 0);
		(void)lseek(g->log, 0, SEEK_SET);
		(void)!write(g->log, cut, sizeof(cut) - 1);
		g->logged = sizeof(cut) - 1;
	}
	ssize_t n = write(g->log, bytes, len);
	g->logged += n > 0 ? (size_t)n : 0;
}

/* False at the end of the stream. */
static bool drain(struct guard *g)
{
	char bytes[4096];
	ssize_t n;
	while ((n = read(g->output, bytes, sizeof(bytes))) > 0)
		keep(g, bytes, (size_t)n);
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

_noreturn_ static void become_server(const struct launch_server *s, pid_t parent, const sigset_t *mask,
				     int output)
{
	(void)setpgid(0, 0); /* the guard does so too; whoever comes first */
	(void)dup2(output, STDOUT_FILENO);
	(void)dup2(output, STDERR_FILENO);
	(void)sigprocmask(SIG_SETMASK, mask, NULL);
	autoerror err = {0};
	if (s->confine && sandbox_enter(s->confine, &err)) {
		(void)dprintf(STDERR_FILENO, "%s%s%s\n", err.message, err.hint ? ": " : "",
			      err.hint ? err.hint : "");
		_exit(NOT_STARTED);
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* after the sandbox, whose other credentials would undo it */
	if (getppid() != parent)
		_exit(NOT_STARTED);
	if (chdir(s->cwd) == 0) {
		union {
			const char **in;
			char *const *out;
		} argv = {s->argv}; /* execve's prototype lacks the const that it keeps */
		(void)execve(s->program, argv.out, s->env);
	}
	int failed = errno;
	(void)dprintf(STDERR_FILENO, "cannot start %s in %s: %s\n", s->argv[0], s->cwd, strerror(failed));
	_exit(failed == ENOENT ? NO_PROGRAM : NOT_STARTED);
}

/* Whether something of the server's group is left. As long as it is, the group's number is its own; and what
 * its parents left behind has fallen to the guard. */
static bool group_lives(const struct guard *g)
{
	siginfo_t info;
	return waitid(P_PGID, (id_t)g->server, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void tell_to_end(struct guard *g)
{
	if (g->ending)
		return;
	g->ending = true;
	g->deadline = os_monotonic() + LAUNCH_SERVER_GRACE * USEC_PER_SEC;
	if (group_lives(g))
		(void)kill(-g->server, SIGTERM);
}

/* Takes what has ended. What is left of the group when the server has ended is to end as well; true when all
 * of it has. */
static bool reap(struct guard *g)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != g->server)
			continue;
		g->over = true;
		g->status = status;
		tell_to_end(g);
	}
	return g->over && !group_lives(g);
}

static int guard_wait(struct guard *g)
{
	struct pollfd fds[] = {{.fd = g->signals, .events = POLLIN}, {.fd = g->output, .events = POLLIN}};
	while (!reap(g)) {
		usec_t rest = g->ending ? g->deadline - os_monotonic() : 0;
		int left = !g->ending ? -1 : rest > 0 ? (int)(rest / USEC_PER_MSEC) + 1 : 0;
		if (poll(fds, ARRAY_SIZE(fds), left) == 0) {
			if (group_lives(g))
				(void)kill(-g->server, SIGKILL);
			g->deadline += USEC_PER_SEC;
		}
		struct signalfd_siginfo taken;
		while (read(g->signals, &taken, sizeof(taken)) == (ssize_t)sizeof(taken))
			if (taken.ssi_signo != SIGCHLD)
				tell_to_end(g);
		if (fds[1].revents && !drain(g))
			fds[1].fd = -1;
	}
	(void)drain(g);
	return WIFSIGNALED(g->status) ? 128 + WTERMSIG(g->status) : WEXITSTATUS(g->status);
}

/* Nothing of the launcher's is kept: not its lock, and not the terminal. */
static void let_go(void)
{
	(void)close_range(STDERR_FILENO + 1, ~0U, 0);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
		(void)dup2(null, fd);
}

_noreturn_ static void become_guard(const struct launch_server *s, pid_t launcher, const sigset_t *signals,
				    const sigset_t *mask)
{
	(void)setpgid(0, 0); /* what is meant for the launcher's group shall not hit the one that cleans up */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (getppid() != launcher)
		_exit(NOT_STARTED);
	let_go();
	int output[2];
	struct guard g = {.s = s};
	g.log = open(s->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	g.signals = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (g.signals < 0 || pipe2(output, O_CLOEXEC) < 0 || fcntl(output[0], F_SETFL, O_NONBLOCK) < 0)
		_exit(NOT_STARTED);
	g.output = output[0];
	pid_t self = getpid();
	g.server = fork();
	if (g.server < 0)
		_exit(NOT_STARTED);
	if (g.server == 0)
		become_server(s, self, mask, output[1]);
	(void)setpgid(g.server, g.server); /* fails once the child has done it and has become the program */
	(void)close(output[1]);
	_exit(guard_wait(&g));
}

/* --- the launcher's side --- */

/* Without the sequences that colour a text. */
static void uncolour(const char *text, size_t len, struct strbuf *out)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] != '\033' || i + 1 >= len || text[i + 1] != '[') {
			strbuf_addch(out, text[i]);
			continue;
		}
		i += 2;
		while (i < len && (text[i] < 0x40 || text[i] > 0x7e))
			i++;
	}
}

/* The last line that it wrote, for people; empty when there is none. */
static void last_line(const struct launch_server *s, struct strbuf *out)
{
	autostrbuf text = STRBUF_INIT(2 * LAUNCH_SERVER_LOG_MAX);
	if (file_read(s->log, &text, NULL))
		return;
	size_t end = text.len;
	while (end && strchr("\r\n", text.buf[end - 1]))
		end--;
	size_t start = end;
	while (start && text.buf[start - 1] != '\n')
		start--;
	autostrbuf line = STRBUF_INIT(2 * LAUNCH_SERVER_LOG_MAX);
	uncolour(strbuf_str(&text) + start, end - start, &line);
	text_escape(strbuf_str(&line), line.len < LINE_MAX_SHOWN ? line.len : LINE_MAX_SHOWN, false, out);
}

static int failed(const struct launch_server *s, enum error_code code, const char *how, struct error *err)
{
	autostrbuf said = STRBUF_INIT(8 * LINE_MAX_SHOWN);
	last_line(s, &said);
	return error_set(err, code, "the server of %s %s%s%s", s->argv[0], how, said.len ? ": " : "",
			 strbuf_str(&said));
}

static void forget_guard(struct launch_server *s)
{
	s->guard = 0;
	(void)unlink(s->socket); /* what a killed server leaves; it may be gone */
}

bool launch_server_ended(struct launch_server *s, struct error *err)
{
	int status;
	if (!s->guard || waitpid(s->guard, &status, WNOHANG) != s->guard)
		return false;
	forget_guard(s);
	int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	autofree char *how = xasprintf("ended with exit %d", code);
	if (code > 128) /* it could not say why */
		(void)error_set(err, ERR_EXITED, "the server of %s was killed by signal %d (%s)", s->argv[0],
				code - 128, strsignal(code - 128));
	else
		(void)failed(s, ERR_EXITED, how, err);
	return true;
}

/* Whether somebody listens: yes 1, not yet 0, nothing is there -1. */
static int listens(const struct launch_server *s)
{
	autoclose int fd = -1;
	struct stat st;
	if (lstat(s->socket, &st) < 0)
		return -1;
	/* A symlink, perhaps: to a path that is longer than a socket's own may be, or not there yet. */
	return socket_connect_linked(s->socket, USEC_PER_MSEC * RETRY, &fd, NULL) == 0;
}

static int open_watch(const struct launch_server *s, int *ret_fd, struct error *err)
{
	autofree char *folder = xstrndup(s->socket, (size_t)(strrchr(s->socket, '/') - s->socket));
	autoclose int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0 || inotify_add_watch(fd, *folder ? folder : "/", IN_CREATE | IN_MOVED_TO) < 0)
		return error_errno(err, errno, "cannot watch the folder of %s", s->socket);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Takes what has come; ERR_EXITED for a signal that is to end us. */
static int take_events(int signals, int watch, struct error *err)
{
	struct signalfd_siginfo taken;
	char events[4096];
	while (read(watch, events, sizeof(events)) > 0)
		;
	while (read(signals, &taken, sizeof(taken)) == (ssize_t)sizeof(taken))
		if (taken.ssi_signo == SIGHUP || taken.ssi_signo == SIGTERM || taken.ssi_signo == SIGINT ||
		    taken.ssi_signo == SIGQUIT)
			return error_set(err, ERR_EXITED,
					 "it was ended by signal %u (%s) while its server came up",
					 taken.ssi_signo, strsignal((int)taken.ssi_signo));
	return 0;
}

static int await_socket(struct launch_server *s, int signals, int watch, struct error *err)
{
	usec_t deadline = os_monotonic() + LAUNCH_SERVER_LIMIT * USEC_PER_SEC;
	for (;;) {
		int listening = listens(s);
		if (listening == 1)
			return 0;
		if (launch_server_ended(s, err))
			return ERR_EXITED;
		usec_t left = deadline - os_monotonic();
		if (left <= 0)
			return failed(s, ERR_TIMED_OUT, "did not come up within 20 s", err);
		struct pollfd fds[] = {{.fd = signals, .events = POLLIN}, {.fd = watch, .events = POLLIN}};
		int wait = listening == 0 ? RETRY : (int)(left / USEC_PER_MSEC) + 1;
		if (poll(fds, ARRAY_SIZE(fds), wait) < 0 && errno != EINTR)
			return error_errno(err, errno, "cannot wait for the socket of a server");
		int code = take_events(signals, watch, err);
		if (code)
			return code;
	}
}

int launch_server_start(struct launch_server *s, const sigset_t *signals, const sigset_t *mask,
			struct error *err)
{
	autoclose int watch = -1;
	autoclose int taken = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (taken < 0)
		return error_errno(err, errno, "cannot wait for signals");
	struct stat st;
	if (lstat(s->socket, &st) == 0)
		return error_set(err, ERR_EXISTS, "something is at %s already", s->socket);
	int code = open_watch(s, &watch, err);
	if (code)
		return code;
	pid_t self = getpid(), guard = fork();
	if (guard < 0)
		return error_errno(err, errno, "cannot start a process");
	if (guard == 0)
		become_guard(s, self, signals, mask);
	s->guard = guard;
	code = await_socket(s, taken, watch, err);
	if (code)
		launch_server_stop(s);
	return code;
}

/* Waits for the guard's end; false after the limit. */
static bool guard_ends(pid_t guard, usec_t limit)
{
	usec_t deadline = os_monotonic() + limit;
	sigset_t child;
	(void)sigemptyset(&child);
	(void)sigaddset(&child, SIGCHLD);
	while (waitpid(guard, NULL, WNOHANG) == 0) {
		usec_t left = deadline - os_monotonic();
		struct timespec wait = {.tv_sec = left / USEC_PER_SEC, .tv_nsec = left % USEC_PER_SEC * 1000};
		if (left <= 0)
			return false;
		(void)sigtimedwait(&child, NULL, &wait); /* whether it came is looked at anew */
	}
	return true;
}

void launch_server_stop(struct launch_server *s)
{
	if (!s->guard)
		return;
	/* It ends the server in time, and itself then. */
	(void)kill(s->guard, SIGTERM);
	if (!guard_ends(s->guard, 2 * LAUNCH_SERVER_GRACE * USEC_PER_SEC)) {
		(void)kill(s->guard, SIGKILL);
		(void)waitpid(s->guard, NULL, 0); /* and nothing can keep it now */
	}
	forget_guard(s);
}

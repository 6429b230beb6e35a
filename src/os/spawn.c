/* Running a child to its end; see spawn.h.
 *
 * posix_spawn reports a failed exec to the parent and never copies the parent's memory. The wait is
 * one poll over the output pipes and the child's pidfd. The child is reaped last: as long as it is
 * unreaped its pid, which names its group too, cannot be taken by another process. */
#include "os/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "os/child.h"

enum { TERM_TO_KILL = 2 * 1000000 }; /* microseconds */

enum { OUT, ERR, STREAMS };

/* A child and what is attached to it. */
struct run {
	const struct spawn *s;
	struct strbuf *buffer[STREAMS]; /* NULL: not collected */
	int read_fd[STREAMS];		/* -1 when not collected or at its end */
	int write_fd[STREAMS];		/* what the child gets, -1: our own */
	int input_fd;
	int null_fd;
	pid_t pid;
	int pid_fd;
	usec_t deadline; /* monotonic; of the timeout, then of the last grace; 0 is none */
	bool exited;
	bool timed_out;
};

static usec_t monotonic(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for a clock that always exists */
	return (usec_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

static void close_if_open(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd); /* nothing is written through it */
	*fd = -1;
}

static void run_release(struct run *run)
{
	for (int i = 0; i < STREAMS; i++) {
		close_if_open(&run->read_fd[i]);
		close_if_open(&run->write_fd[i]);
	}
	close_if_open(&run->input_fd);
	close_if_open(&run->null_fd);
	close_if_open(&run->pid_fd);
}

static int find_in(const char *folders, const char *name, char **ret)
{
	bool forbidden = false;
	for (const char *p = folders; *p;) {
		size_t n = strcspn(p, ":");
		if (*p == '/') {
			autofree char *path = xasprintf("%.*s/%s", (int)n, p, name);
			struct stat st;
			if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
				if (access(path, X_OK) == 0) {
					*ret = TAKE_PTR(path);
					return 0;
				}
				forbidden = true;
			}
		}
		p += n + (p[n] == ':');
	}
	return forbidden ? EACCES : ENOENT;
}

int program_find(const char *name, const char *const *env, char **ret, struct error *err)
{
	if (strchr(name, '/')) {
		*ret = xstrdup(name);
		return 0;
	}
	const char *folders = env ? NULL : getenv("PATH");
	for (size_t i = 0; env && env[i] && !folders; i++)
		if (strncmp(env[i], "PATH=", 5) == 0)
			folders = env[i] + 5;
	int failure = *name ? find_in(folders ? folders : "/usr/local/bin:/usr/bin:/bin", name, ret) : ENOENT;
	return failure ? child_error(err, failure, name, NULL) : 0;
}

static int open_streams(struct run *run, struct error *err)
{
	const struct spawn *s = run->s;
	int r = child_input(s->input, s->input_len, &run->input_fd, err);
	if (r || s->log_fd > 0)
		return r;
	run->buffer[OUT] = s->out;
	run->buffer[ERR] = s->errout;
	for (int i = 0; i < STREAMS && r == 0; i++) {
		if (i == ERR && s->out && s->out == s->errout)
			break; /* one pipe for both keeps their order */
		if (run->buffer[i])
			r = child_pipe(&run->read_fd[i], &run->write_fd[i], err);
	}
	if (r == 0 && s->null_output && (run->null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC)) < 0)
		r = error_errno(err, errno, "cannot open /dev/null");
	return r;
}

/* What becomes the child's stdout or stderr; -1: it keeps ours. */
static int stream_source(const struct run *run, int stream)
{
	const struct spawn *s = run->s;
	if (s->log_fd > 0)
		return s->log_fd;
	if (stream == ERR && s->out && s->out == s->errout)
		return run->write_fd[OUT];
	return run->write_fd[stream] >= 0 ? run->write_fd[stream] : run->null_fd;
}

static int add_actions(const struct run *run, posix_spawn_file_actions_t *actions)
{
	const struct spawn *s = run->s;
	int r = posix_spawn_file_actions_adddup2(actions, run->input_fd, STDIN_FILENO);
	for (int i = 0; i < STREAMS && r == 0; i++) {
		int source = stream_source(run, i);
		if (source >= 0)
			r = posix_spawn_file_actions_adddup2(actions, source, STDOUT_FILENO + i);
	}
	/* A dup onto itself clears CLOEXEC in the child only. */
	for (const int *fd = s->keep_fds; fd && *fd >= 0 && r == 0; fd++)
		r = posix_spawn_file_actions_adddup2(actions, *fd, *fd);
	if (r == 0 && s->cwd)
		r = posix_spawn_file_actions_addchdir_np(actions, s->cwd);
	return r;
}

static int add_attributes(const struct run *run, posix_spawnattr_t *attr)
{
	/* What we may ignore, and a child would inherit. SIGHUP and SIGINT stay as nohup and & set them. */
	sigset_t defaults, none;
	(void)sigemptyset(&none);
	(void)sigemptyset(&defaults);
	(void)sigaddset(&defaults, SIGPIPE);
	(void)sigaddset(&defaults, SIGCHLD);
	(void)sigaddset(&defaults, SIGXFSZ);
	short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
	if (run->s->new_session)
		flags |= POSIX_SPAWN_SETSID;
	else if (run->s->timeout > 0)
		flags |= POSIX_SPAWN_SETPGROUP;
	int r = posix_spawnattr_setflags(attr, flags);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(attr, &defaults);
	if (r == 0)
		r = posix_spawnattr_setsigmask(attr, &none);
	return r ? r : posix_spawnattr_setpgroup(attr, 0);
}

static int start(struct run *run, struct error *err)
{
	const struct spawn *s = run->s;
	autofree char *program = NULL;
	int r = program_find(s->argv[0], s->env, &program, err);
	if (r)
		return r;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	if (posix_spawn_file_actions_init(&actions) != 0 || posix_spawnattr_init(&attr) != 0)
		alloc_abort();
	r = add_actions(run, &actions);
	if (r == 0)
		r = add_attributes(run, &attr);
	if (r == 0) {
		/* posix_spawn's prototype lacks the const that it keeps. */
		union {
			const char *const *in;
			char *const *out;
		} argv = {s->argv}, env = {s->env};
		r = posix_spawn(&run->pid, program, &actions, &attr, argv.out, s->env ? env.out : environ);
	}
	(void)posix_spawn_file_actions_destroy(&actions); /* cannot fail */
	(void)posix_spawnattr_destroy(&attr);		  /* cannot fail */
	if (r)
		return child_error(err, r, s->argv[0], s->cwd);
	close_if_open(&run->write_fd[OUT]);
	close_if_open(&run->write_fd[ERR]);
	return 0;
}

static void signal_group(const struct run *run, int signum)
{
	/* The child is unreaped, so the number is still its own. */
	(void)kill(-run->pid, signum); /* a group that has gone needs no signal */
}

/* One step of the timeout: first asks, then, after the grace, kills. */
static void on_deadline(struct run *run)
{
	if (!run->timed_out) {
		run->timed_out = true;
		run->deadline = monotonic() + TERM_TO_KILL;
		signal_group(run, SIGTERM);
	} else {
		run->deadline = 0;
		signal_group(run, SIGKILL);
	}
}

/* Milliseconds until the deadline, rounded up; -1 without one. */
static int poll_timeout(const struct run *run)
{
	if (!run->deadline)
		return -1;
	usec_t left = run->deadline - monotonic();
	if (left <= 0)
		return 0;
	usec_t ms = (left + USEC_PER_MSEC - 1) / USEC_PER_MSEC;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

static void read_stream(struct run *run, int i)
{
	size_t limit = SIZE_MAX;
	if (child_read(run->read_fd[i], run->buffer[i], &limit) < 0)
		close_if_open(&run->read_fd[i]);
}

/* Takes what the pipe holds at this moment and leaves the rest to nobody. */
static void drain_stream(struct run *run, int i)
{
	if (run->read_fd[i] < 0)
		return;
	size_t left = child_readable(run->read_fd[i]);
	while (left > 0 && child_read(run->read_fd[i], run->buffer[i], &left) > 0)
		;
	close_if_open(&run->read_fd[i]);
}

/* After a timeout the group gets its grace even when its leader has ended: as long as somebody holds
 * the output open, somebody is still cleaning up. */
static bool is_over(const struct run *run)
{
	bool quiet = run->read_fd[OUT] < 0 && run->read_fd[ERR] < 0;
	return run->exited && (!run->timed_out || !run->deadline || quiet);
}

static int wait_for_end(struct run *run, struct error *err)
{
	while (!is_over(run)) {
		struct pollfd fds[STREAMS + 1] = {
			{.fd = run->read_fd[OUT], .events = POLLIN},
			{.fd = run->read_fd[ERR], .events = POLLIN},
			{.fd = run->exited ? -1 : run->pid_fd, .events = POLLIN},
		};
		int n = poll(fds, ARRAY_SIZE(fds), poll_timeout(run));
		if (n < 0 && errno != EINTR)
			return error_errno(err, errno, "cannot wait for %s", run->s->argv[0]);
		if (n > 0) {
			for (int i = 0; i < STREAMS; i++)
				if (fds[i].revents)
					read_stream(run, i);
			if (fds[STREAMS].revents)
				run->exited = true;
		}
		bool in_time = run->exited && !run->timed_out;
		if (run->deadline && !in_time && monotonic() >= run->deadline)
			on_deadline(run);
	}
	return 0;
}

static int reap(const struct run *run, int *ret_status, struct error *err)
{
	int status;
	while (waitpid(run->pid, &status, 0) < 0)
		if (errno != EINTR)
			return error_errno(err, errno, "cannot learn how %s ended", run->s->argv[0]);
	*ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return 0;
}

static int watch_started(struct run *run, int *ret_status, struct error *err)
{
	run->pid_fd = (int)syscall(SYS_pidfd_open, run->pid, 0);
	if (run->s->timeout > 0)
		run->deadline = monotonic() + run->s->timeout;
	int failed = run->pid_fd < 0 ? error_errno(err, errno, "cannot watch %s", run->s->argv[0])
				     : wait_for_end(run, err);
	if (failed) {
		(void)kill(run->pid, SIGKILL); /* unwatched it could run on for ever */
	} else {
		for (int i = 0; i < STREAMS; i++)
			drain_stream(run, i);
	}
	if (run->timed_out)
		signal_group(run, SIGKILL);
	int r = reap(run, ret_status, failed ? NULL : err);
	return failed ? failed : r;
}

/* A parent that ignores SIGCHLD passes that on, and then the kernel throws exit codes away. */
static void keep_exit_codes(void)
{
	struct sigaction sa;
	if (sigaction(SIGCHLD, NULL, &sa) < 0 || (sa.sa_handler != SIG_IGN && !(sa.sa_flags & SA_NOCLDWAIT)))
		return;
	sa = (struct sigaction){.sa_handler = SIG_DFL};
	(void)sigaction(SIGCHLD, &sa, NULL); /* cannot fail for this signal */
}

int spawn_run(const struct spawn *s, int *ret_status, struct error *err)
{
	struct run run = {.s = s,
			  .read_fd = {-1, -1},
			  .write_fd = {-1, -1},
			  .input_fd = -1,
			  .null_fd = -1,
			  .pid_fd = -1};
	int status = 0;
	keep_exit_codes();
	int r = open_streams(&run, err);
	if (r == 0)
		r = start(&run, err);
	if (r == 0)
		r = watch_started(&run, &status, err);
	run_release(&run);
	if (r == 0 && run.timed_out)
		r = error_set(err, ERR_TIMED_OUT, "%s did not end within %lld ms", s->argv[0],
			      (long long)(s->timeout / USEC_PER_MSEC));
	if (r == 0)
		*ret_status = status;
	return r;
}

static bool names_variable(const char *entry, const char *name)
{
	size_t n = strcspn(name, "=");
	if (n > 0 && name[n - 1] == '*' && !name[n])
		return strncmp(entry, name, n - 1) == 0;
	return strncmp(entry, name, n) == 0 && entry[n] == '=';
}

static bool in_list(const char *entry, const char *const *names)
{
	for (; names && *names; names++)
		if (names_variable(entry, *names))
			return true;
	return false;
}

char **env_edit(const char *const *base, const char *const *drop, const char *const *set)
{
	char **env = NULL;
	size_t n = 0, cap = 0;
	union {
		char **in;
		const char *const *out;
	} own = {environ};
	for (const char *const *p = base ? base : own.out; p && *p; p++) {
		if (in_list(*p, drop) || in_list(*p, set))
			continue;
		ARRAY_GROW(env, n, cap);
		env[n++] = xstrdup(*p);
	}
	for (; set && *set; set++) {
		ARRAY_GROW(env, n, cap);
		env[n++] = xstrdup(*set);
	}
	ARRAY_GROW(env, n, cap);
	env[n] = NULL;
	return env;
}

void env_free(char **env)
{
	for (char **p = env; p && *p; p++)
		free(*p);
	free(env);
}

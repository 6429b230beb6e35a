/* Children that stay; see detach.h. The report goes over a socket pair, not a pipe, so that writing to a
 * starter that has gone raises no signal. It is one newline, or else an error: an error object as JSON, or
 * plain text. */
#include "os/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "os/env.h"

enum {
	FIRST_FREE = 10, /* ours are moved beyond those that the child gets */
	REPORT_MAX = 64 * 1024,
};

static const char ready = '\n';

/* Moves a descriptor out of the way of the child's own; -1 stays -1, with errno. */
static int move_up(int fd)
{
	if (fd < 0)
		return fd;
	int high = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE);
	int saved = errno;
	(void)close(fd); /* nothing was written through it */
	errno = saved;
	return high;
}

static int add_actions(posix_spawn_file_actions_t *a, int null, int log, int report)
{
	int e = posix_spawn_file_actions_adddup2(a, null, STDIN_FILENO);
	e = e ? e : posix_spawn_file_actions_adddup2(a, null, STDOUT_FILENO);
	e = e ? e : posix_spawn_file_actions_adddup2(a, log, STDERR_FILENO);
	e = e ? e : posix_spawn_file_actions_adddup2(a, report, DETACH_READY_FD);
	e = e ? e : posix_spawn_file_actions_addclosefrom_np(a, DETACH_READY_FD + 1);
	return e ? e : posix_spawn_file_actions_addchdir_np(a, "/");
}

static int set_attributes(posix_spawnattr_t *attr)
{
	sigset_t all, none;
	(void)sigfillset(&all); /* neither can fail */
	(void)sigemptyset(&none);
	int e = posix_spawnattr_setsigdefault(attr, &all);
	e = e ? e : posix_spawnattr_setsigmask(attr, &none);
	return e ? e
		 : posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF |
							  POSIX_SPAWN_SETSIGMASK);
}

/* posix_spawn with everything that detach.h promises; 0 or an errno. */
static int spawn_detached(const struct detach *d, int null, int log, int report, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int e = posix_spawn_file_actions_init(&actions);
	if (e)
		return e;
	e = posix_spawnattr_init(&attr);
	if (!e) {
		e = add_actions(&actions, null, log, report);
		e = e ? e : set_attributes(&attr);
		/* posix_spawn wants char *const[] and changes nothing. */
		union {
			const char *const *in;
			char *const *out;
		} argv = {.in = d->argv}, env = {.in = d->env};
		e = e ? e : posix_spawn(ret_pid, d->program, &actions, &attr, argv.out, env.out);
		(void)posix_spawnattr_destroy(&attr);
	}
	(void)posix_spawn_file_actions_destroy(&actions);
	return e;
}

/* Takes the exit of a child whose report has ended: 0, or -1 when it goes on. Its descriptors are closed
 * before it can be waited for, hence a little patience, and no more. */
static int reap(pid_t pid, int *ret_status)
{
	siginfo_t info = {0};
	autoclose int fd = pidfd_open(pid, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	(void)poll(&p, fd >= 0, 1000); /* whatever it says, waitid says whether there is an exit */
	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG) < 0 || info.si_pid != pid)
		return -1;
	*ret_status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	return 0;
}

/* What the child, whose report has ended, has reported, or that it did not. */
static int read_failure(const struct strbuf *report, pid_t pid, const struct detach *d, struct error *err)
{
	int status = 0;
	json_auto_t *json = NULL;
	autostrbuf text = STRBUF_INIT(4 * REPORT_MAX);
	bool ended = reap(pid, &status) == 0;
	int r = report->len && json_parse(report->buf, report->len, &json, NULL) == 0
			? error_from_json(json, err)
			: 0;
	if (r)
		return r;
	if (report->len)
		text_escape(report->buf, strcspn(report->buf, "\n"), false, &text);
	else if (ended)
		strbuf_addf(&text, "%s ended with exit code %d", d->program, status);
	else
		strbuf_addf(&text, "%s does not say whether it came up", d->program);
	return error_hint(err, error_set(err, ERR_EXITED, "%s", strbuf_str(&text)), "see %s", d->log);
}

static int await_report(int fd, pid_t pid, const struct detach *d, struct error *err)
{
	autostrbuf report = STRBUF_INIT(REPORT_MAX);
	usec_t end = os_monotonic() + d->limit;
	for (;;) {
		usec_t left = end - os_monotonic();
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int n = left > 0 ? poll(&p, 1, (int)(left / USEC_PER_MSEC) + 1) : 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return error_hint(err,
					  error_set(err, ERR_TIMED_OUT,
						    "%s did not come up within %lld seconds", d->program,
						    (long long)(d->limit / USEC_PER_SEC)),
					  "see %s", d->log);
		char chunk[4096];
		ssize_t got = recv(fd, chunk, sizeof(chunk), 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got > 0 && report.len == 0 && chunk[0] == ready)
			return 0;
		if (got <= 0)
			return read_failure(&report, pid, d, err);
		strbuf_add(&report, chunk, (size_t)got);
	}
}

int detach_start(const struct detach *d, pid_t *ret_pid, struct error *err)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "cannot create a socket pair");
	autoclose int ours = move_up(pair[0]);
	autoclose int report = move_up(pair[1]);
	autoclose int null = move_up(open("/dev/null", O_RDWR | O_CLOEXEC));
	if (ours < 0 || report < 0 || null < 0)
		return error_errno(err, errno, "cannot prepare the start of %s", d->program);
	autoclose int log =
		move_up(open(d->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
	if (log < 0)
		return error_errno(err, errno, "cannot open the log %s", d->log);
	pid_t pid = 0;
	int e = spawn_detached(d, null, log, report, &pid);
	if (e)
		return error_errno(err, e, "cannot start %s", d->program);
	(void)close(TAKE_FD(report)); /* the child's copy alone keeps the report open */
	int r = await_report(ours, pid, d, err);
	if (!r && ret_pid)
		*ret_pid = pid;
	return r;
}

/* Sends all of it, or as much as the starter is there to take. */
static void send_report(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
		if (n < 0 && errno == ENOTSOCK)
			n = write(fd, text, len); /* somebody else's pipe */
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		text += n;
		len -= (size_t)n;
	}
	(void)close(fd); /* nobody is left to be told */
}

void detach_ready(int fd)
{
	send_report(fd, &ready, 1);
}

void detach_failed(int fd, const struct error *failure)
{
	json_auto_t *json = error_to_json(failure);
	autofree char *text = json_text(json);
	send_report(fd, text, strlen(text));
}

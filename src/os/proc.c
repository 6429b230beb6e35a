/* What /proc says about processes; see proc.h. proc_uses_dir is in procdir.c.
 *
 * /proc/PID/stat is one line: "PID (COMM) STATE PPID PGRP SESSION TTY TPGID …". COMM is chosen by the
 * process and may hold spaces, parentheses and newlines; all that follows it are numbers and one
 * letter, so the last ')' ends it. */
#include "os/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "os/file.h"

enum {
	PROC_STAT_MAX = 4096,
	PROC_ENVIRON_MAX = 8 << 20, /* the kernel lets arguments and environment have 6 MiB */
	PROC_PATH_MAX = 64,
};

const char *truth_name(enum truth t)
{
	static const char *const names[] = {
		[TRUTH_NO] = "no", [TRUTH_YES] = "yes", [TRUTH_UNKNOWN] = "unknown"};
	return names[t];
}

struct cursor {
	const char *at;
	const char *end;
};

/* Reads one decimal number and advances past it. */
static bool take_number(struct cursor *c, int64_t *ret)
{
	bool negative = c->at < c->end && *c->at == '-';
	uint64_t value = 0;
	const char *digits = c->at + negative, *p = digits;
	for (; p < c->end && *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return false;
	if (p == digits || value > INT64_MAX)
		return false;
	c->at = p;
	*ret = negative ? -(int64_t)value : (int64_t)value;
	return true;
}

static bool take_char(struct cursor *c, char wanted)
{
	if (c->at >= c->end || *c->at != wanted)
		return false;
	c->at++;
	return true;
}

static bool fits(int64_t value, int64_t min, int64_t max)
{
	return value >= min && value <= max;
}

bool proc_stat_parse(const char *text, size_t len, struct proc_stat *ret)
{
	/* Indexes are the field numbers of proc(5). */
	enum { PID = 1, PPID = 4, PGRP, SESSION, TTY, TPGID, FLAGS, THREADS = 20, START = 22, FIELDS };
	int64_t f[FIELDS] = {0};
	const char *close = memrchr(text, ')', len);
	struct cursor c = {text, text + len};
	if (!close || !take_number(&c, &f[PID]) || !take_char(&c, ' ') || !take_char(&c, '(') || c.at > close)
		return false;
	c.at = close + 1;
	if (!take_char(&c, ' ') || c.at >= c.end || *c.at < 'A' || *c.at > 'z')
		return false;
	char state = *c.at++;
	for (int i = PPID; i < FIELDS; i++)
		if (!take_char(&c, ' ') || !take_number(&c, &f[i]))
			return false;
	/* More fields follow; without them the line was cut, perhaps within the last number. Group and
	 * session are -1 while the kernel takes the process apart. */
	if (!take_char(&c, ' ') || !fits(f[PID], 1, INT32_MAX) || !fits(f[PPID], 0, INT32_MAX) ||
	    !fits(f[PGRP], -1, INT32_MAX) || !fits(f[SESSION], -1, INT32_MAX) ||
	    !fits(f[TTY], INT32_MIN, INT32_MAX) || !fits(f[TPGID], -1, INT32_MAX) ||
	    !fits(f[FLAGS], 0, UINT32_MAX) || !fits(f[THREADS], 0, INT32_MAX) || f[START] < 0)
		return false;
	*ret = (struct proc_stat){
		.pid = (pid_t)f[PID],
		.ppid = (pid_t)f[PPID],
		.pgid = (pid_t)f[PGRP],
		.sid = (pid_t)f[SESSION],
		.start_time = (uint64_t)f[START],
		.tty = (int)f[TTY],
		.tty_pgid = (pid_t)f[TPGID],
		.flags = (uint32_t)f[FLAGS],
		.threads = (int)f[THREADS],
		.state = state,
	};
	return true;
}

/* Opens /proc/PID/<what>. */
static int open_proc(pid_t pid, const char *what, int flags)
{
	char path[PROC_PATH_MAX];
	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	return open(path, flags | O_CLOEXEC);
}

static ssize_t read_retry(int fd, char *to, size_t size)
{
	ssize_t n;
	do
		n = read(fd, to, size);
	while (n < 0 && errno == EINTR);
	return n;
}

static ssize_t read_stat(pid_t pid, char text[PROC_STAT_MAX])
{
	autoclose int fd = open_proc(pid, "stat", O_RDONLY);
	return fd < 0 ? -1 : read_retry(fd, text, PROC_STAT_MAX);
}

int proc_stat(pid_t pid, struct proc_stat *ret, struct error *err)
{
	char text[PROC_STAT_MAX];
	ssize_t n = read_stat(pid, text);
	if (n < 0 && (errno == ENOENT || errno == ESRCH))
		return error_set(err, ERR_NOT_FOUND, "there is no process %d", (int)pid);
	if (n < 0)
		return error_errno(err, errno, "cannot look at process %d", (int)pid);
	if (!proc_stat_parse(text, (size_t)n, ret))
		return error_set(err, ERR_INTERNAL, "/proc/%d/stat is not what it should be", (int)pid);
	return 0;
}

bool proc_stat_ended(const struct proc_stat *st)
{
	/* A zombie with threads is a main thread that ended before the others; the process runs on. */
	return (st->state == 'Z' && st->threads <= 1) || st->state == 'X' || st->state == 'x';
}

/* Finds the parent of `child` as it is now. `child` is read again after its parent was, for only then
 * is it sure that the parent's pid meant that very process at one and the same time. Returns 0 or:
 * ERR_NOT_FOUND when the child ended, ERR_CONFLICT when it got a new parent (`child` then tells it),
 * ERR_REFUSED when the parent cannot be the real one. */
static int find_parent(struct proc_stat *child, struct proc_stat *ret)
{
	struct proc_stat parent, again;
	int r = proc_stat(child->ppid, &parent, NULL);
	int r_again = proc_stat(child->pid, &again, NULL);
	if (r_again)
		return r_again;
	if (again.start_time != child->start_time)
		return ERR_NOT_FOUND;
	if (again.ppid != child->ppid) {
		*child = again;
		return ERR_CONFLICT;
	}
	if (r)
		return r;
	if (parent.start_time > child->start_time)
		return ERR_REFUSED;
	*ret = parent;
	return 0;
}

int proc_chain(pid_t pid, struct proc_chain *ret, struct error *err)
{
	struct proc_chain chain = {0};
	int r = proc_stat(pid, &chain.at[0], err);
	if (r)
		return r;
	chain.n = 1;
	int moves = 0; /* a parent that ends hands its child on; that cannot go on for ever */
	for (;;) {
		struct proc_stat *last = &chain.at[chain.n - 1];
		chain.complete = last->ppid == 1 || last->pid == 1;
		/* ppid 0: the parent is outside of this pid namespace. */
		if (chain.complete || last->ppid == 0 || chain.n == PROC_CHAIN_MAX)
			break;
		r = find_parent(last, &chain.at[chain.n]);
		if (r == 0)
			chain.n++;
		else if (r != ERR_CONFLICT || ++moves > PROC_CHAIN_MAX)
			break;
	}
	*ret = chain;
	return 0;
}

enum truth proc_alive(pid_t pid, uint64_t start_time)
{
	struct proc_stat st;
	int r = proc_stat(pid, &st, NULL);
	if (r == 0)
		return st.start_time == start_time && !proc_stat_ended(&st) ? TRUTH_YES : TRUTH_NO;
	/* /proc may hide what exists (hidepid); signal 0 is only a question. */
	return r == ERR_NOT_FOUND && pid > 0 && kill(pid, 0) < 0 && errno == ESRCH ? TRUTH_NO : TRUTH_UNKNOWN;
}

/* The value of `name` in NUL-terminated "NAME=value" entries, or NULL. */
static const char *find_variable(const char *text, size_t len, const char *name)
{
	size_t n = strlen(name);
	for (const char *p = text, *end = text + len; p < end; p += strlen(p) + 1)
		if (strncmp(p, name, n) == 0 && p[n] == '=')
			return p + n + 1;
	return NULL;
}

static bool read_environ_once(pid_t pid, struct strbuf *ret)
{
	autoclose int fd = open_proc(pid, "environ", O_RDONLY);
	for (;;) {
		char *to = fd < 0 ? NULL : strbuf_reserve(ret, PROC_STAT_MAX);
		ssize_t n = to ? read_retry(fd, to, PROC_STAT_MAX) : -1;
		if (n < 0)
			return false;
		if (n == 0)
			return true;
		strbuf_setlen(ret, ret->len + (size_t)n);
	}
}

/* The whole environment; false when it cannot be known. In the middle of an exec it reads as empty, and
 * nothing tells that from one that is: so an empty one is not known. */
static bool read_environ(pid_t pid, struct strbuf *ret)
{
	return read_environ_once(pid, ret) && ret->len > 0;
}

void proc_environ(pid_t pid, const char *name, char **ret, enum truth *ret_known)
{
	autostrbuf text = STRBUF_INIT(PROC_ENVIRON_MAX);
	*ret = NULL;
	*ret_known = TRUTH_UNKNOWN;
	if (!read_environ(pid, &text))
		return;
	const char *value = find_variable(strbuf_str(&text), text.len, name);
	*ret = value ? xstrdup(value) : NULL;
	*ret_known = value ? TRUTH_YES : TRUTH_NO;
}

char *proc_given(pid_t pid, uint64_t start_time, const char *name)
{
	autofree char *value = NULL;
	enum truth known;
	proc_environ(pid, name, &value, &known);
	bool is = value && *value && proc_alive(pid, start_time) == TRUTH_YES;
	return is ? TAKE_PTR(value) : NULL;
}

int proc_command(pid_t pid, struct strbuf *ret, struct error *err)
{
	autofree char *path = xasprintf("/proc/%d/cmdline", (int)pid);
	return file_read(path, ret, err);
}

int proc_cwd(pid_t pid, char **ret, struct error *err)
{
	char link[PROC_PATH_MAX], text[PATH_MAX + 16];
	(void)snprintf(link, sizeof(link), "/proc/%d/cwd", (int)pid);
	ssize_t n = readlink(link, text, sizeof(text) - 1);
	struct stat there, named;
	if (n < 0 || stat(link, &there) < 0)
		return error_set(err, ERR_NOT_FOUND, "cannot learn the folder of process %d: %s", (int)pid,
				 strerror(errno));
	text[n] = '\0';
	/* The kernel marks a removed folder by a suffix that a folder's name may also have, and the path of
	 * another mount namespace may name something else here. */
	if (text[0] != '/' || stat(text, &named) < 0 || named.st_dev != there.st_dev ||
	    named.st_ino != there.st_ino)
		return error_set(err, ERR_NOT_FOUND, "the folder of process %d has no path any more",
				 (int)pid);
	*ret = xstrdup(text);
	return 0;
}

int proc_pidfd(pid_t pid, uint64_t start_time, int *ret_fd, struct error *err)
{
	autoclose int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	/* EINVAL: the number names a thread, or is none at all. */
	if (fd < 0 && errno != ESRCH && errno != EINVAL)
		return error_errno(err, errno, "cannot watch process %d", (int)pid);
	/* Looked at only after the descriptor exists: if it is the right process now, it was then. */
	enum truth alive = fd < 0 ? TRUTH_NO : proc_alive(pid, start_time);
	if (alive == TRUTH_NO)
		return error_set(err, ERR_NOT_FOUND, "process %d has ended", (int)pid);
	if (alive == TRUTH_UNKNOWN)
		return error_set(err, ERR_SYSTEM, "cannot tell whether process %d is still the same",
				 (int)pid);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

bool proc_lives(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	int n;
	do /* a signal that is on its way interrupts even a poll that does not wait */
		n = poll(&p, 1, 0);
	while (n < 0 && errno == EINTR);
	return pidfd >= 0 && n == 0;
}

/* Starting the daemon on demand; see start.h. */
#include "ops/start.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/detach.h"
#include "os/env.h"
#include "os/lock.h"
#include "os/socket.h"

enum {
	LIMIT_SECONDS = 10,
	LOG_MAX = 1024 * 1024, /* a longer log is put aside at a start */
};

/* What the daemon is given of the caller's environment; a trailing '*' matches any rest. Everything that
 * could make its children act as part of the caller's session stays out. */
static const char *const kept_variables[] = {
	"HOME",
	"PATH",
	"USER",
	"LOGNAME",
	"SHELL",
	"LANG",
	"LC_*",
	"XDG_*",
	"TMUX_TMPDIR",
	"TZ",
	"GIT_CONFIG_GLOBAL",
	"GIT_CONFIG_NOSYSTEM",
	"COPPICE_HOME",
	"ASAN_OPTIONS",
	"UBSAN_OPTIONS",
	"LSAN_OPTIONS",
	"LLVM_PROFILE_FILE",
};

static bool is_kept(const char *variable)
{
	size_t len = strcspn(variable, "=");
	for (size_t i = 0; i < ARRAY_SIZE(kept_variables); i++) {
		const char *name = kept_variables[i];
		size_t n = strcspn(name, "*");
		if ((name[n] ? len >= n : len == n) && strncmp(variable, name, n) == 0)
			return true;
	}
	/* COPPICE_<SECTION>__<KEY> overrides the configuration. */
	const char *mark = strstr(variable, "__");
	return strncmp(variable, "COPPICE_", 8) == 0 && mark && mark < variable + len;
}

/* The part of our environment that the daemon gets; the array is the caller's, its strings are not. */
static const char **scrubbed_environment(void)
{
	const char **env = NULL;
	size_t n = 0, cap = 0;
	for (char **e = environ; *e; e++)
		if (is_kept(*e)) {
			ARRAY_GROW(env, n, cap);
			env[n++] = *e;
		}
	ARRAY_GROW(env, n, cap);
	env[n] = NULL;
	return env;
}

/* This program's file: the new one, if it was replaced under our feet. */
static int own_program(char **ret, struct error *err)
{
	static const char gone[] = " (deleted)";
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (n < 0)
		return error_set(err, ERR_SYSTEM, "cannot find the coppice program");
	path[n] = '\0';
	size_t rest = sizeof(gone) - 1;
	if ((size_t)n > rest && access(path, X_OK) < 0 && strcmp(path + n - rest, gone) == 0)
		path[(size_t)n - rest] = '\0';
	*ret = xstrdup(path);
	return 0;
}

static int refuse(struct error *err)
{
	const char *out = getenv("COPPICE");
	if (getenv("COPPICE_PEER"))
		return error_hint(err,
				  error_set(err, ERR_NO_DAEMON,
					    "no daemon runs, and none may be started from within a peer"),
				  "start it from a terminal outside: coppice status");
	if (out && strcmp(out, "0") == 0)
		return error_hint(
			err,
			error_set(err, ERR_NO_DAEMON,
				  "no daemon runs, and COPPICE=0 keeps this session from starting one"),
			"unset COPPICE, or start it elsewhere: coppice status");
	return 0;
}

static bool listens(const struct paths *p, usec_t limit)
{
	autoclose int fd = -1;
	autofree char *noted = paths_noted_socket(p);
	return socket_connect(p->socket, limit, &fd, NULL) == 0 ||
	       (noted && socket_connect(noted, limit, &fd, NULL) == 0);
}

static void put_long_log_aside(const char *log)
{
	struct stat st;
	if (stat(log, &st) < 0 || st.st_size <= LOG_MAX)
		return;
	autofree char *old = xasprintf("%s.1", log);
	(void)rename(log, old); /* a log that cannot be moved goes on growing */
}

static int start_locked(const struct start_options *o, usec_t limit, struct error *err)
{
	autofree char *program = o->program ? xstrdup(o->program) : NULL;
	int r = program ? 0 : own_program(&program, err);
	if (r)
		return r;
	autofree char *fd_text = xasprintf("%d", DETACH_READY_FD);
	const char *const argv[] = {"coppice", "daemon", "--ready-fd", fd_text, NULL};
	autofree const char **env = scrubbed_environment();
	put_long_log_aside(o->paths->log);
	struct detach d = {
		.program = program,
		.argv = argv,
		.env = env,
		.log = o->paths->log,
		.limit = limit,
	};
	return detach_start(&d, NULL, err);
}

/* Whatever kept the daemon from coming up, for the caller there is none. */
static int as_no_daemon(const struct error *why, struct error *err)
{
	int r = error_set(err, ERR_NO_DAEMON, "the daemon did not start: %s", why->message);
	return why->hint ? error_hint(err, r, "%s", why->hint) : r;
}

/* The daemon's socket appears by a rename, so that whoever sees it can connect. */
static int watch_folder_of(const char *socket, int *ret_fd, struct error *err)
{
	autofree char *dir = xstrndup(socket, (size_t)(strrchr(socket, '/') - socket));
	autoclose int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0 || inotify_add_watch(fd, dir, IN_CREATE | IN_MOVED_TO) < 0)
		return error_errno(err, errno, "%s cannot be watched", dir);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int client_await_daemon(const char *socket, usec_t limit, struct error *err)
{
	autoclose int watch = -1;
	usec_t end = os_monotonic() + limit;
	int r = watch_folder_of(socket, &watch, err);
	for (usec_t left = limit; !r && left > 0; left = end - os_monotonic()) {
		autoclose int fd = -1;
		char events[4096];
		if (socket_connect(socket, left, &fd, NULL) == 0)
			return 0;
		struct pollfd p = {.fd = watch, .events = POLLIN};
		(void)poll(&p, 1, (int)(left / USEC_PER_MSEC) + 1); /* a signal only makes it look again */
		while (read(watch, events, sizeof(events)) > 0) {
			/* which file it was is told by the next connect */
		}
	}
	return r ? r
		 : error_hint(err, error_set(err, ERR_NO_DAEMON, "the daemon has gone and did not come back"),
			      "start it from a terminal outside: coppice status");
}

int client_start_daemon(const struct start_options *o, struct error *err)
{
	usec_t limit = o->limit ? o->limit : LIMIT_SECONDS * USEC_PER_SEC;
	autoerror why = {0};
	autoclose int lock = -1;
	int r = refuse(err);
	if (r)
		return r;
	r = paths_prepare(o->paths, &why);
	if (!r)
		r = lock_take(o->paths->start_lock, LOCK_WAIT, &lock, &why);
	if (!r && listens(o->paths, limit))
		return 0; /* somebody else was faster */
	if (!r)
		r = start_locked(o, limit, &why);
	return r ? as_no_daemon(&why, err) : 0;
}

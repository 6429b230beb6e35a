/* A child that outlives its starter, and tells it whether it came up: how a command starts the daemon.
 *
 * The child gets a session of its own, "/" as its folder, /dev/null as stdin and stdout, a log file as
 * stderr, default signal handling, no descriptor of ours but DETACH_READY_FD, and an environment of the
 * starter's choice. Over that descriptor it reports once, by detach_ready or detach_failed: one newline,
 * or what went wrong. */
#ifndef OS_DETACH_H
#define OS_DETACH_H

#include <sys/types.h>

#include "base/error.h"
#include "base/timeval.h"

enum { DETACH_READY_FD = 3 };

struct detach {
	const char *program;	 /* a path */
	const char *const *argv; /* NULL-terminated */
	const char *const *env;	 /* the whole environment, NULL-terminated */
	const char *log;	 /* appended to; created 0600 */
	usec_t limit;		 /* for the report */
};

/* Starts the child and waits for its report. Its own error is passed on as it reported it; ERR_EXITED when
 * it ended without a word, ERR_TIMED_OUT when it said nothing within the limit (it then goes on
 * running). `ret_pid` may be NULL. */
int detach_start(const struct detach *d, pid_t *ret_pid, struct error *err) _warn_unused_;

/* In the child: it is up; or it could not come up and is about to end. Closes `fd`. A starter that is gone
 * already does no harm. */
void detach_ready(int fd);
void detach_failed(int fd, const struct error *failure);

#endif

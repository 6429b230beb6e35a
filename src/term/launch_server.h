/* A process that the launcher starts before the pane's command and ends after it: a server that the command
 * talks to over a Unix socket (launch.h, "server").
 *
 * Between the launcher and the server there is a guard, a process that does nothing else. It keeps the
 * server's output in a file, ends the server and what it has started when the launcher ends, however that
 * happens, and is what orphans of the server fall to. The server has a process group of its own in the
 * terminal's session, never the foreground one. */
#ifndef TERM_LAUNCH_SERVER_H
#define TERM_LAUNCH_SERVER_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

enum {
	LAUNCH_SERVER_LOG_MAX = 256 << 10, /* bytes kept of its output; beyond that the file begins anew */
	LAUNCH_SERVER_LIMIT = 20,	   /* seconds, for its socket to take connections */
	LAUNCH_SERVER_GRACE = 2,	   /* seconds between SIGTERM and SIGKILL */
};

struct launch_server {
	const char **argv; /* owned, its strings are the spec's */
	char *program;	   /* owned */
	const char *socket;
	const char *cwd; /* borrowed, as is env */
	char *const *env;
	const json_t *confine; /* borrowed: what it is confined to (os/sandbox.h), or NULL */
	char *log;	       /* owned */
	pid_t guard;	       /* 0: it does not run */
};

/* Takes the server's part of a spec, {"argv":[…],"socket":PATH}; `log` is given away. ERR_INVALID,
 * ERR_MISSING. */
int launch_server_read(const json_t *spec, const char *cwd, char *const *env, char *log,
		       struct launch_server *ret, struct error *err) _warn_unused_;
void launch_server_release(struct launch_server *s);
/* Starts it and waits for its socket. `signals` are blocked; one that is to end the launcher ends the wait.
 * ERR_EXITED, ERR_TIMED_OUT; then it has been stopped. `mask` is the signal mask that the server gets. */
int launch_server_start(struct launch_server *s, const sigset_t *signals, const sigset_t *mask,
			struct error *err) _warn_unused_;
/* Whether it has ended by itself; says how in `err`. */
bool launch_server_ended(struct launch_server *s, struct error *err);
/* Ends it and waits for that; fine when it does not run. */
void launch_server_stop(struct launch_server *s);

#endif

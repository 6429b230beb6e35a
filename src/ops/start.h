/* Starting the daemon on demand (X1). */
#ifndef OPS_START_H
#define OPS_START_H

#include "base/error.h"
#include "base/timeval.h"
#include "os/paths.h"

struct start_options {
	const struct paths *paths;
	const char *program; /* NULL: this very program */
	usec_t limit;	     /* until it reports; 0: 10 s */
};

/* Returns when a daemon listens on paths->socket: one that came up in the meantime, or one that this
 * starts as "coppice daemon --ready-fd 3" (os/detach.h), with the variables that it needs and no others.
 * Clients that start it at once are let in one by one, so one daemon comes of it.
 *
 * ERR_NO_DAEMON, with the cure as its hint, within a peer (COPPICE_PEER is set), whose sandbox the daemon
 * would inherit; also where COPPICE=0 keeps the session out, and when it cannot be started. */
int client_start_daemon(const struct start_options *o, struct error *err) _warn_unused_;

/* For a peer, which may not start the daemon: waits until one listens on `socket` again, at most `limit`.
 * Nothing is polled. ERR_NO_DAEMON when none came. */
int client_await_daemon(const char *socket, usec_t limit, struct error *err) _warn_unused_;

#endif

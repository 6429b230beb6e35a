/* Where Coppice keeps its things: the same answer for the daemon and for every client. */
#ifndef OS_PATHS_H
#define OS_PATHS_H

#include "base/error.h"

/* All absolute, all owned. */
struct paths {
	char *home;	  /* state: $COPPICE_HOME, else $XDG_STATE_HOME/coppice; resolved */
	char *runtime;	  /* folder of the socket: $XDG_RUNTIME_DIR/coppice, else /tmp/coppice-<uid> */
	char *socket;	  /* <runtime>/<12 hex digits of home's hash>.sock */
	char *lock;	  /* held by the daemon while it lives */
	char *start_lock; /* held by a client while it starts the daemon */
	char *log;	  /* the daemon's stderr */
	char *database;
	char *config; /* $XDG_CONFIG_HOME/coppice/config.yaml */
};

#define autopaths _cleanup_(paths_release) struct paths

/* Computes the paths from the environment; creates nothing. Variables that are not absolute paths are
 * ignored, as the XDG specification says, but for COPPICE_HOME, which is then ERR_INVALID. A runtime
 * folder that is not there or is another user's does not count. ERR_UNSUPPORTED when the socket's
 * path would not fit into sun_path. */
int paths_find(struct paths *ret, struct error *err) _warn_unused_;
void paths_release(struct paths *p);
/* The file with the secret by which a human without a terminal is known (I2), in the state folder; caller
 * frees. */
char *paths_token(const char *home);
/* The folder beside the one of the daemon's `socket` in which agents have theirs: apart, so that a confined
 * one can see the daemon's and no other's. Caller frees. */
char *paths_agents(const char *socket);
/* Creates home and runtime, 0700, and refuses them when others could have a hand in them (S1). */
int paths_prepare(const struct paths *p, struct error *err) _warn_unused_;

/* The daemon notes in `home` where it listens, for clients whose environment names another runtime folder
 * (cron has no XDG_RUNTIME_DIR, say). */
int paths_note_socket(const struct paths *p, struct error *err) _warn_unused_;
/* What was noted last, NULL if nothing was or it is what `p` says anyway; caller frees. */
char *paths_noted_socket(const struct paths *p);

#endif

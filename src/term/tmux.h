/* The daemon's client of one tmux server: a single `tmux -C` child, over which any number of commands go.
 *
 * It is started by the first tmux_run() and again by the first one after the server went away; in between
 * nothing polls and nothing wakes up. The child is attached to a session of its own, whose name tells it
 * from a person's, with one pane that waits; the session ends about a second after the daemon, however
 * that ends (kill -9 included). The flags no-output and ignore-size keep pane output away from us, and
 * the user's windows at their size.
 *
 * Commands are answered in order, each exactly once, from the loop and never from inside tmux_run(). */
#ifndef TERM_TMUX_H
#define TERM_TMUX_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "base/timeval.h"

enum { TMUX_LINE_MAX = 256 << 10 }; /* bytes of one command line */

/* Names of hidden sessions start so; no circle's session may. */
#define TMUX_HIDDEN_PREFIX "_coppice-"

struct tmux;

struct tmux_settings {
	/* Which server: NULL is the user's own, a path (with a slash) is a socket, else a name for -L. */
	const char *socket;
	/* COPPICE_HOME: its hash is in the hidden session's name. */
	const char *home;
	/* How long tmux may stay silent while a command waits before it counts as not answering;
	 * 0 is TMUX_TIMEOUT. */
	usec_t timeout;
};

#define TMUX_TIMEOUT (10 * USEC_PER_SEC)

/* One command line's answer; valid during the call only. */
struct tmux_reply {
	const char *text; /* what its commands printed, each line ended by a newline */
	size_t len;
	/* NULL when all its commands succeeded. ERR_TERMINAL: tmux refused (the message is tmux's), could not
	 * be reached, or ended; ERR_TIMED_OUT: it does not answer; ERR_MISSING: not installed or too old;
	 * ERR_TOO_LARGE: the line is. */
	const struct error *err;
	/* tmux ran the line to its end or to the command that it refused. Otherwise it is unknown what was
	 * done. */
	bool answered;
};

/* Copies the settings and starts nothing. The process must ignore SIGPIPE. The loop must outlive tmux_free()
 * by the turns that it takes to close handles: run it until it has none left. */
struct tmux *tmux_new(uv_loop_t *loop, const struct tmux_settings *settings);
/* Answers what waits with ERR_TERMINAL, detaches, and releases all of it over the next turns of the loop.
 * May be called from an answer; no command may be sent from then on. NULL is fine. */
void tmux_free(struct tmux *t);
/* Sends one line built with control_command(). `done` is called exactly once, with `data`. */
void tmux_run(struct tmux *t, const struct strbuf *line,
	      void (*done)(void *data, const struct tmux_reply *reply), void *data);
/* The name of the hidden session; owned by `t`. */
const char *tmux_hidden_session(const struct tmux *t);
/* Whether the text of `tmux -V` names a version that will do (3.2 or newer, or a development one). */
bool tmux_version_ok(const char *text);
/* "-S PATH" or "-L NAME" for `socket`: writes 0 or 2 arguments, which point into `socket`, and returns
 * how many. */
size_t tmux_socket_args(const char *socket, const char *ret[2]);

#endif

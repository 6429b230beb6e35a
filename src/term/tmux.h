/* Commands for one tmux server, asynchronously and in order.
 *
 * Each is a short-lived `tmux` child, as a person would run it. A control-mode client (`tmux -C`) that stays
 * attached would save the few milliseconds, and must not be used: until tmux 3.7 a server that has news for
 * its control clients (a window was made, a client left) while another one is still connecting crashes,
 * with all that runs in it (issues 4980 and 5004 of tmux; seen on 3.3a). So nothing of ours stays in the
 * user's server but the windows that were asked for, and an idle daemon has no connection to it.
 *
 * Commands are answered in the order in which they are sent, each exactly once, from the loop and never from
 * inside tmux_run(). */
#ifndef TERM_TMUX_H
#define TERM_TMUX_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "base/timeval.h"

enum {
	TMUX_LINE_MAX = 15 << 10, /* bytes of one line: tmux takes 16 KiB */
	TMUX_REPLY_MAX = 4 << 20, /* bytes of what it prints; what is longer is cut */
};

struct tmux;

struct tmux_settings {
	/* Which server: NULL is the user's own, a path (with a slash) is a socket, else a name for -L. */
	const char *socket;
	/* How long one line may take before tmux counts as not answering; 0 is TMUX_TIMEOUT. */
	usec_t timeout;
};

#define TMUX_TIMEOUT (10 * USEC_PER_SEC)

enum tmux_outcome {
	TMUX_DONE,	/* all its commands succeeded */
	TMUX_REFUSED,	/* tmux refused one (err: ERR_TERMINAL, tmux's message) and did not run the rest */
	TMUX_NO_SERVER, /* there is none, and no command of the line starts one; nothing was done */
	TMUX_UNKNOWN,	/* it may have been done or not: tmux ended, does not answer, cannot be reached */
};

/* One line's answer; valid during the call only. */
struct tmux_reply {
	enum tmux_outcome outcome;
	/* NULL when done; else ERR_TERMINAL, ERR_TIMED_OUT (it does not answer) or ERR_MISSING (it is not
	 * installed or too old). */
	const struct error *err;
	const char *text; /* what its commands printed, each line ended by a newline */
	size_t len;
};

/* Copies the settings and starts nothing. */
struct tmux *tmux_new(uv_loop_t *loop, const struct tmux_settings *settings);
/* Answers what waits as TMUX_UNKNOWN and frees; a child that runs is let go. May be called from an
 * answer; no command may be sent from then on. NULL is fine. */
void tmux_free(struct tmux *t);

/* Appends one command to a line: NULL-terminated, the command and its arguments, which are taken as they
 * are. Beyond line->max the line is broken, and line->overflow says so. */
void tmux_command(struct strbuf *line, const char *const *argv);
/* Appends `text` so that a tmux format expands to it: '#' is doubled. */
void tmux_format_literal(struct strbuf *out, const char *text);
/* Runs the commands of a line, one after the other up to the first that fails, with no other client's in
 * between. Keeps nothing of `line`. `done` is called exactly once, with `data`; but not when ERR_TOO_LARGE
 * is returned. */
int tmux_run(struct tmux *t, const struct strbuf *line,
	     void (*done)(void *data, const struct tmux_reply *reply), void *data,
	     struct error *err) _warn_unused_;
/* The same, but the line is sent `delay` later; others may be sent and answered meanwhile. */
int tmux_run_after(struct tmux *t, usec_t delay, const struct strbuf *line,
		   void (*done)(void *data, const struct tmux_reply *reply), void *data,
		   struct error *err) _warn_unused_;

/* Whether the text of `tmux -V` names a version that will do (3.2 or newer, or a development one). */
bool tmux_version_ok(const char *text);

#endif

/* Terminals, as the rest of Coppice needs them: start a process in a window, find it again after a
 * crash, end it with proof, and say how a person gets there.
 *
 * A spawn is named by its id. The id stands in the start command of its pane and in the pane's option
 * @coppice_spawn; both live in the tmux server, so a daemon that lost its own memory finds the pane again
 * (W11). A circle is the tmux session of its name. Every function here works through the daemon's struct
 * tmux, returns at once and calls `done` exactly once from the loop. */
#ifndef TERM_TERM_H
#define TERM_TERM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "os/proc.h"
#include "term/tmux.h"

/* Where a pane is. tmux's own ids ($session, @window, %pane) are unique within one server's life, so
 * `server` belongs to them. */
struct term_pane {
	char pane[16];
	char window[16];
	char session_id[16];
	char session[256]; /* its name now; the user may have renamed it */
	char tty[64];
	char socket[256]; /* the server's */
	pid_t server;
	pid_t pid;	     /* the pane's process */
	uint64_t start_time; /* of that process (proc.h); 0 when it has ended */
	bool dead;	     /* the pane outlives its process (remain-on-exit) */
	bool marked;	     /* has the option @coppice_spawn of its spawn */
};

struct term_spawn {
	const char *spawn_id;	     /* [a-zA-Z0-9_-], at most 64 */
	const char *circle;	     /* circle_name_check(); its session is created when missing */
	const char *name;	     /* the window's: the peer's; any text */
	const char *cwd;	     /* absolute */
	const char *const *launcher; /* two arguments at least, so that no shell runs; must hold spawn_id */
	const char *const *env;	     /* "NAME=value" for the launcher besides the session's own, or NULL */
};

/* Starts the launcher in a new window, which is not made the current one. Nothing of `s` is kept.
 * Returns ERR_INVALID or ERR_TOO_LARGE at once, and never calls `done`, when `s` cannot be. `done` gets the
 * pane, or an error as of struct tmux_reply, after which the outcome may be unknown: term_probe() tells. */
int term_spawn(struct tmux *t, const struct term_spawn *s,
	       void (*done)(void *data, const struct error *err, const struct term_pane *pane), void *data,
	       struct error *err) _warn_unused_;

/* Looks for the pane of a spawn. `found` is TRUTH_YES with `pane`, TRUTH_NO, or TRUTH_UNKNOWN with `err`
 * when tmux does not answer (I8). Where no tmux server runs there is no such pane.
 * Returns ERR_INVALID at once for what is no spawn id. */
int term_probe(struct tmux *t, const char *spawn_id,
	       void (*done)(void *data, const struct error *err, enum truth found,
			    const struct term_pane *pane),
	       void *data, struct error *err) _warn_unused_;

/* What must still be true of a pane for it to be killed (I10). */
struct term_proof {
	const char *pane; /* "%7" */
	const char *spawn_id;
	pid_t server;
	pid_t pid;
	uint64_t start_time;
};

/* Closes the pane if it is proven to be that spawn's: same server, same process (pid and start time; or
 * ended, in a pane that still shows it), option still set. tmux checks and kills in one step. The process
 * gets SIGHUP; whether it obeys is for the caller to watch.
 *   `done` gets NULL when the pane was closed, ERR_NOT_FOUND when pane or process are gone, ERR_REFUSED
 * without proof (the message says what differs), else an error as of struct tmux_reply. Returns at once,
 * without calling `done`, ERR_INVALID, or ERR_REFUSED when it cannot be told who the process is (I8). */
int term_kill(struct tmux *t, const struct term_proof *proof,
	      void (*done)(void *data, const struct error *err), void *data, struct error *err) _warn_unused_;

enum { TERM_ATTACH_ARGS = 8, TERM_TARGET_SIZE = 64 };

/* The command that shows the pane to a person, to be executed in place: it switches the client when
 * `tmux_env` ($TMUX, may be NULL) is of the same server, else attaches. `ret` is NULL-terminated and points
 * into `pane` and into `target`, which is filled. */
void term_attach_argv(const struct term_pane *pane, const char *tmux_env, char target[TERM_TARGET_SIZE],
		      const char *ret[TERM_ATTACH_ARGS]);

#endif

/* Gates: the commands that must pass on the exact tree that would land (L2, L4).
 *
 * They run in order in a throwaway worktree, detached at the very commit, with the user's own filters and
 * without repository hooks. A string is given to /bin/sh -c, a list is an argument array. Each starts on
 * the exact tree: tracked files that an earlier command changed are noted and put back, what is ignored
 * or untracked stays (so one command may build what the next one tests).
 *
 * A command has stdin on /dev/null, stdout and stderr in <log_dir>/<id>-<number>.log, its own session,
 * and our environment without the variables that would lead git to another repository or make it pass
 * for a peer. A failing one is tried again up to `tries` times, a command that is not there is not; the
 * first that fails for good stops the gate. */
#ifndef REPO_GATE_H
#define REPO_GATE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/timeval.h"
#include "repo/land_scratch.h"

enum {
	GATE_COMMANDS_MAX = 64,
	GATE_COMMAND_MAX = 64 << 10, /* bytes of one command or argument */
	GATE_TRIES_MAX = 20,
	GATE_LOG_MAX = 64 << 20, /* bytes of one log that are kept: its end */
	GATE_CHANGED_MAX = 100,	 /* names listed of what a command changed */
};

struct gate_spec {
	const struct land_scratch *scratch; /* the worktree goes there */
	const char *id;			    /* of the run; names the logs */
	const char *log_dir;		    /* created if missing */
	const char *commit, *tree;	    /* full hex */
	const json_t *commands;		    /* gate_check()ed */
	const json_t *confine;		    /* argument array put before each command (S7), or NULL */
	int tries;
	usec_t timeout; /* of each try */
};

/* Whether `commands` is a list of strings and argument arrays within the limits; ERR_INVALID if not. */
int gate_check(const json_t *commands, struct error *err) _warn_unused_;

/* Runs the gate. `ret_runs` is a list with an object for each command that ran:
 *	{"command": text, "result": "passed"|"failed", "tree", "tries": number, "log": path,
 *	 "runs": [{"result": "passed"|"failed"|"timed_out", "status": number|null, "seconds": number}],
 *	 "changed": [path], "moved_head": bool}
 * the last two only when a command changed tracked files or HEAD of its worktree. `ret_failure` says why
 * the gate failed, caller frees; NULL when all passed. A command that cannot be started for want of
 * memory or processes is an error, not a failed gate. */
int gate_run(const struct gate_spec *spec, json_t **ret_runs, char **ret_failure,
	     struct error *err) _warn_unused_;

#endif

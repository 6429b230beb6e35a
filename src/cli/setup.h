/* `coppice setup` and `uninstall`: which files of the user hold what, written and taken back (X7).
 *
 * Everything is planned first: files are read, their new texts made (agent/setup_backend.h). Then the
 * manifest says what is about to be written and where the copy is that takes it back, and only then is it
 * written, all files of one agent or none. A run that finds everything in place writes nothing at all. */
#ifndef CLI_SETUP_H
#define CLI_SETUP_H

#include <jansson.h>
#include <stdbool.h>

#include "agent/setup_backend.h"
#include "base/config.h"
#include "base/error.h"

/* An agent's CLI on this machine; owned, released by setup_agent_release. */
struct setup_agent {
	char *program; /* absolute */
	char *version; /* "2.1.330" */
};

void setup_agent_release(struct setup_agent *agent);
/* Finds it by the configuration (may be NULL) or on the PATH, and asks for its version. ERR_MISSING when it
 * is not installed. */
int setup_agent_find(const struct setup_backend *backend, const struct config *config,
		     struct setup_agent *ret, struct error *err) _warn_unused_;

/* This program as others are to call it: by the name on the PATH if that is this very program, for that
 * outlives an upgrade. `ret_warning` is set when the place is one that does not last. Caller frees both. */
int setup_own_path(char **ret, char **ret_warning, struct error *err) _warn_unused_;

struct setup_options {
	const char *home;    /* the state folder */
	const char *program; /* this program */
	unsigned allow;	     /* what the user allows by option */
	bool dry_run;
	/* Asks the user for one; NULL: nobody can be asked. */
	bool (*ask)(const struct setup_backend *backend, const struct setup_consent *consent, void *data);
	void *data;
};

/* Sets one agent up. `ret` is a new reference:
 *	{"backend", "program", "version", "changed": bool,
 *	 "files": [{"path", "kind", "state": "created|changed|unchanged", "changes", "notes",
 *	            "backup", "diff"?}],
 *	 "consents": [{"name", "setting", "means", "state": "allowed|not_allowed"}], "next"?, "trust"?}
 * With `dry_run` nothing is written, and `diff` is there. On ERR_INVALID, details.by_hand is what to put in.
 */
int setup_apply(const struct setup_backend *backend, const struct setup_agent *agent,
		const struct setup_options *options, json_t **ret, struct error *err) _warn_unused_;

/* Takes everything back. `ret` is a new reference:
 *	{"files": [{"backend", "path", "kind", "noted": bool,
 *	            "state": "restored|removed|edited|unchanged|gone|failed", "changes", "notes",
 *	            "error"?}]}
 * A file that fails is told in its row, and the others are done all the same. */
int setup_take_back(const char *home, bool dry_run, json_t **ret, struct error *err) _warn_unused_;

/* The files that are edited now: [{"backend", "path", "what"}]; a new reference. */
json_t *setup_edited(const char *home);

#endif

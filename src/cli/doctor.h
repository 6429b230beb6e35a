/* What `coppice doctor` looks at. All of it works without a daemon, and starts none. */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include <jansson.h>

#include "base/config.h"
#include "base/error.h"
#include "base/strbuf.h"

/* [{"name","result","detail","cure"}]: `result` is "ok", "warn" or "fail", `cure` null where there is
 * nothing to do, `detail` may have several lines. `dir` is where Git's configuration is looked at. A new
 * reference. */
json_t *doctor_checks(const char *dir);
/* What Coppice keeps on this machine, its own folders included: [{"what","path","bytes"}], `bytes` null where
 * a size says nothing. The repositories are those of `dir` and, if a daemon runs, those that it knows of. A
 * new reference. */
json_t *doctor_footprint(const char *dir);

/* Adds a check to the list; `result` is "ok", "warn" or "fail", `cure` may be NULL. */
void doctor_add(json_t *checks, const char *name, const char *result, const char *cure, const char *detail);
/* The checks about the agents' settings: what is installed, set up, and complete for this version. */
void doctor_check_agents(json_t *checks, const char *home, const struct config *config);
/* Sets up anew, without asking for anything, what was set up before: the reports of setup_apply, or errors. A
 * new reference. */
json_t *doctor_fix_agents(void);

/* Runs a program silently for its output (stdout, and stderr behind it), within a few seconds. The exit
 * code, or -1 with `err`. */
int doctor_run(const char *const *argv, struct strbuf *out, struct error *err);
/* The answer of an operation of a daemon that runs; a new reference, or NULL with `err`. */
json_t *doctor_ask(const char *op, const json_t *args, struct error *err);

#endif

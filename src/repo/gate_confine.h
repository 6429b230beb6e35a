/* The sandbox around the commands of a gate (S7): they run what agents wrote. */
#ifndef REPO_GATE_CONFINE_H
#define REPO_GATE_CONFINE_H

#include <jansson.h>

#include "base/error.h"
#include "repo/land_scratch.h"

/* Writes down, in the throwaway folder, what the commands may write: `sandbox` (os/sandbox.h) and besides it
 * the gate's worktree, git's folder of that, the repository's objects, and a temporary folder. `ret` is the
 * argument array that `program`, the absolute path of coppice, confines them by: gate_spec.confine; a new
 * reference. */
int gate_confine(const struct land_scratch *s, const char *program, const json_t *sandbox, json_t **ret,
		 struct error *err) _warn_unused_;

#endif

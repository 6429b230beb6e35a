/* What speaks against bringing a checkout along: the local changes that would be touched, by file name
 * (L3), and whatever else makes it unsafe. */
#ifndef REPO_LAND_LOCAL_H
#define REPO_LAND_LOCAL_H

#include <jansson.h>

#include "base/error.h"
#include "repo/land_checkout.h"
#include "repo/land_diff.h"

/* Which branch's operation is in progress in a worktree: NULL for none, else words for people such as
 * "a rebase is in progress"; static. For a worktree whose HEAD is detached, only an operation that will
 * move `branch` at its end counts. */
const char *land_operation(const char *git_dir, const char *branch, bool detached);

/* Appends {"checkout", "file", "why"} for each local change that the move would touch: staged, modified or
 * unmerged tracked files, and files without a place in the index where it would put one, ignored ones
 * included. Needs the trial, and leaves it refreshed. */
int land_local_check(const struct land_checkout *c, const struct land_diff *diff, const char *from,
		     const char *to, json_t *refusals, struct error *err) _warn_unused_;

/* Appends one refusal; `file` may be NULL. */
void land_refuse(json_t *refusals, const char *checkout, const char *file, const char *why);

#endif

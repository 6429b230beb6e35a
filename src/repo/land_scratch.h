/* Throwaway folders of landings, and the worktrees in them: made, removed, and after a crash removed by
 * the next run (W11).
 *
 * The marker is the folder's name, so that folder and marker come into being in one step:
 *
 *	coppice-land.<id>.<boot, 16 hex digits>.<pid>.<start time>[.<n>]
 *
 * A worktree in it has the same last component, so that its entry in <common dir>/worktrees bears the
 * marker too. What bears a marker is removed when its landing (the same id) runs again or its process
 * is provably gone; what bears none is never touched (W8). A folder that a process still works in (a
 * gate that outlived its worker) stays for a later run. */
#ifndef REPO_LAND_SCRATCH_H
#define REPO_LAND_SCRATCH_H

#include <stdbool.h>

#include "base/error.h"

struct land_scratch {
	char *common_dir;
	char *tmp_dir;
	char *name; /* the marker */
	char *path; /* tmp_dir/name; 0700 */
};

#define autolandscratch _cleanup_(land_scratch_release) struct land_scratch

/* Removes the leftovers of dead landings and of `id`, and makes a new folder in `tmp_dir` (created if
 * missing). `id`: letters, digits and dashes, at most 64. */
int land_scratch_open(const char *common_dir, const char *tmp_dir, const char *id, struct land_scratch *ret,
		      struct error *err) _warn_unused_;
/* Removes the folder and the worktree entry of its name; what cannot be removed now is left to a later
 * run. Accepts a zeroed struct. */
void land_scratch_release(struct land_scratch *s);
/* A new empty folder in it; caller frees. */
int land_scratch_folder(const struct land_scratch *s, const char *name, char **ret,
			struct error *err) _warn_unused_;
/* Whether the last component of a worktree's path bears a marker: such worktrees are not the user's, and
 * lists leave them out. */
bool land_scratch_is(const char *worktree_path);

#endif

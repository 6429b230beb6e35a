/* Moves the target to what was built: the second half of a landing (L3).
 *
 * The branch moves by compare-and-swap. Before that, each worktree that has it checked out is locked and
 * looked at, and any local change that would be touched refuses the whole; after it their files follow.
 * Unrelated local changes stay. No hook runs. */
#ifndef REPO_LAND_MOVE_H
#define REPO_LAND_MOVE_H

#include <jansson.h>

#include "base/error.h"

/* Arguments: repo {"common_dir","main"}, id, target (short name), old and new (full hex commits).
 *
 * Result, when the target is at `new`, or was and has moved on from there:
 *	{"moved": true, "checkouts": [path], "left": [{"checkout","file"}]}
 * `checkouts` follow the target; `left` is usually empty: files that somebody edited in the very moment
 * (or between a kill and the next run), or whose filter failed. They are as they were, and show up as
 * changes against the target.
 *
 * Or, with nothing changed:
 *	{"moved": false, "reason", "now", "files": [{"checkout","file","why"}], "message"}
 * `reason`:
 *	stale		the target is not at `old` but at `now` (null: there is no such branch)
 *	local_changes	`files` of checkouts would be touched; `file` is null where git's words in
 *			`why` are all there is
 *	operation	a merge, rebase, … is in progress in a checkout
 *	busy		a git command holds the index of a checkout, or left its lock
 *	missing		a locked worktree (on a drive that is not mounted, say) has it checked out
 * `message` is one line for people.
 *
 * A worktree whose folder is gone and that is not locked is passed over, as `git worktree prune` would; so
 * is one in which nothing was ever checked out. ERR_NOT_FOUND: `new` is no commit of the repository (any
 * more); build again.
 *
 * Probe-then-repeat: after a kill at any instant a second run with the same arguments finishes what was
 * begun (see land_journal.h), and never moves the target twice. Any later landing in the same repository
 * does so too. The target may also be moved back (undo): `new` need not descend from `old`. */
int repo_land_move(const json_t *args, json_t **ret, struct error *err) _warn_unused_;

#endif

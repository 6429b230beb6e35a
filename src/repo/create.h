/* Making a worktree with its branch, safely beside any number of others (W1, W2, W11). */
#ifndef REPO_CREATE_H
#define REPO_CREATE_H

#include <jansson.h>

#include "base/error.h"

/* Worker: {repo: {common_dir, main|null}, id: "wt-…", branch, base|null, target|null, path, path_fixed,
 * lock_owner: {boot_id, pid, start_time}|null, sparse: [patterns]|null, hash, min_free} →
 * {branch, path, git_dir, base|null, base_commit, head, created_branch, adopted, warnings: [texts]}
 *
 *	base		what a new branch is cut from; absent: `target`, else HEAD of the main worktree
 *	path		absolute; a taken one gets "-<hash>" unless `path_fixed`
 *	lock_owner	locks the worktree, with "coppice boot=<id> pid=<pid> start=<n>" as the reason
 *	sparse		folders, or patterns as in .gitignore, that alone are checked out
 *	min_free	bytes that must be free where it goes
 *
 * An existing branch is taken over; of one that is checked out in a linked worktree that worktree is
 * adopted, as it stands. `base_commit` is where the branch left `base`, `created_branch` whether it was
 * made here. Warnings are for people: a post-checkout hook that failed does not undo the worktree.
 *
 * After a failure no branch and no folder of this call is left. A call that was killed at any instant is
 * repeated with the same arguments and ends as one that was not; the caller makes sure that the killed
 * one's children have ended. What an undisturbed call does once (post-checkout) is then done again if it
 * was not known to be complete.
 *
 * ERR_INVALID (names), ERR_NOT_FOUND (base), ERR_EXISTS (path), ERR_CONFLICT (the branch is checked out
 * where it cannot be adopted), ERR_REFUSED (path in another worktree), ERR_UNSUPPORTED (no commit yet, a
 * bare repository without base, a network file system), ERR_DISK_FULL, ERR_GIT. */
int repo_create(const json_t *args, json_t **ret, struct error *err) _warn_unused_;

#endif

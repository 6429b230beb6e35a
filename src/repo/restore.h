/* Restoring a removed worktree from the trash, exactly as it was (W5). */
#ifndef REPO_RESTORE_H
#define REPO_RESTORE_H

#include <jansson.h>

#include "base/error.h"

/* Worker: {repo, trash: {path, …}, path|null} → {branch, path, git_dir, restored_from}.
 *
 * `trash` is what repo_remove gave; only its path is relied on, for the journal there holds the rest.
 * `path` puts the worktree elsewhere than it was, on the same file system. The folder and its admin
 * folder are renamed back, the registration is as before (under another admin name where git gave the
 * old one away), and a branch that is gone is created again at its commit, with its reflog and
 * configuration if it was the removal that deleted it.
 *
 * ERR_EXISTS, with nothing changed, when the path is taken, or the branch is in use or at another commit;
 * ERR_NOT_FOUND when there is no such entry (any more); ERR_CONFLICT while it is deleted for good.
 * May be killed at any instant and run again (W11): either all is back or all is in the trash. */
int repo_restore(const json_t *args, json_t **ret, struct error *err) _warn_unused_;

#endif

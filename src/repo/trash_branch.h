/* Deleting the branch of a removed worktree, and bringing it back (W6, W8).
 *
 * A branch goes only by compare-and-swap with the commit that the facts saw, through git, with the
 * user's own reference hooks. Its reflog stays as <entry>.log, and its section of the configuration
 * (upstream, …) in the journal. In the journal's terms: `branch` and `branch_tip` name it,
 * `delete_branch` says that it shall go, `branch_config` is a list of [key, value]. */
#ifndef REPO_TRASH_BRANCH_H
#define REPO_TRASH_BRANCH_H

#include <stdbool.h>

#include "base/error.h"
#include "repo/trash.h"

/* Who else uses `branch`: a worktree other than the one at `except` (may be NULL) has it checked out, or
 * rebases or bisects it. Its path, caller frees; NULL if none does. */
int branch_user(const struct git *g, const char *branch, const char *except, char **ret,
		struct error *err) _warn_unused_;
/* The branch's configuration as a list of [key, value]; a new reference. */
int branch_config_read(const struct git *g, const char *branch, json_t **ret,
		       struct error *err) _warn_unused_;

/* Deletes the branch of the entry if the journal says so. When git will not or the branch moved, it
 * stays, and `ret_reason` (caller frees) says why; NULL otherwise. Runs again after any crash. */
int trash_branch_delete(struct trash *t, bool *ret_deleted, char **ret_reason,
			struct error *err) _warn_unused_;
/* Refuses, with ERR_EXISTS, a restoration whose branch is taken: it exists at another commit, or
 * somebody uses it. Records in t->info which branches are to be created. */
int trash_branch_check(struct trash *t, struct error *err) _warn_unused_;
/* Creates what trash_branch_check recorded. Runs again after any crash. */
int trash_branch_restore(struct trash *t, struct error *err) _warn_unused_;

#endif

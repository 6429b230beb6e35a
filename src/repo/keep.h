/* Keeping a removed worktree's objects: one ref, so that `git gc --prune=now` takes none of them (W5).
 *
 * Kept is what git itself would keep while the worktree exists: HEAD, what its admin folder names
 * (reflogs, ORIG_HEAD, MERGE_HEAD, the state of a rebase, …), its stashes, the blobs that its index
 * holds, unmerged stages included, and what the reflog of its branch names. Only objects that exist are
 * named; nothing is read from the worktree's files, so what was never added enters no object.
 *
 * The ref points to HEAD's commit where that is all; else to a synthetic commit that has the commits as
 * parents, and the blobs and trees, named by their hashes, as its tree. The same things give the same
 * commit, so making it again is harmless. */
#ifndef REPO_KEEP_H
#define REPO_KEEP_H

#include "base/error.h"
#include "repo/facts.h"
#include "repo/git.h"

struct keep {
	const struct git *git;	/* the repository, without a worktree */
	const char *ref;	/* refs/coppice/trash/<id> */
	const char *admin;	/* where the admin folder is */
	const char *branch_log; /* a reflog to keep too, or NULL */
	const struct facts *facts;
	const char *branch_tip; /* another commit to keep, or NULL */
};

/* Writes the objects and the ref; `ret` is what the ref points to (caller frees), NULL when there is
 * nothing to keep and thus no ref. */
int keep_make(const struct keep *k, char **ret, struct error *err) _warn_unused_;
/* Settings (GIT_CONFIG_*) for a git that deletes a ref: it waits longer than a second for packed-refs, which
 * many at once and a `git gc` may hold. */
extern const char *const keep_patient[];
/* Deletes the ref; it is fine if there is none. */
int keep_drop(const struct git *g, const char *ref, struct error *err) _warn_unused_;

#endif

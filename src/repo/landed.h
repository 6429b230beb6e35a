/* Whether a branch has landed: its content is in the target (W7).
 *
 * The answer is three-valued. Yes needs a proof:
 *
 *	same		the branch's commit is the target's
 *	ancestor	… or one of the target's ancestors
 *	empty		the branch changes nothing against the commit it forked from
 *	equal_tree	both have the same content
 *	merged_tree	merging the branch into the target would change nothing there
 *	squashed	the same held at an earlier commit of the target, which took the branch's patch in
 *			(a squash or a rebase after which the target moved on)
 *
 * No means that the target lacks content of the branch: it would merge, and the result is not the
 * target. Everything else is unknown (a conflict without a proof, several merge bases, no common
 * history, a shallow clone, more history than is looked at, a patch that was taken back), which counts
 * as not landed. No hooks, filters or merge drivers run. */
#ifndef REPO_LANDED_H
#define REPO_LANDED_H

#include "base/error.h"
#include "os/proc.h"
#include "repo/git.h"

struct landed {
	enum truth value;
	const char *how; /* one of the words above, or why it is not known; static */
	bool lasting;	 /* follows from the two commits alone, and so may be kept */
};

/* Compares two full commit ids. Fails only when git itself cannot be run; what git cannot answer is
 * unknown. */
int landed_test(const struct git *g, const char *target_commit, const char *head, struct landed *ret,
		struct error *err) _warn_unused_;

#endif

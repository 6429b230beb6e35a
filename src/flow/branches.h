/* A move of an owned branch that was not made in its worktree: its owner and who leads are told, with the
 * command that restores (W9). It may be the user's own doing; who did it cannot be told. */
#ifndef FLOW_BRANCHES_H
#define FLOW_BRANCHES_H

#include "flow/core.h"

/* What was seen; all borrowed, `old` and `now` are ids, "" for a branch that is not there. */
struct branch_move {
	const char *common_dir, *branch, *old, *now;
};

/* Inside a turn. A branch that nobody owns any more, or whose worktree is being removed, or on which Coppice
 * lands, is nobody's concern. Emits branch.moved {branch,peer,old,now}; its subject is the repository. */
void branch_moved(struct core *core, const struct branch_move *move);

#endif

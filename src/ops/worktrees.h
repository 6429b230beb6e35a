/* The making of a worktree, for the operations that begin with it. */
#ifndef OPS_WORKTREES_H
#define OPS_WORKTREES_H

#include "ops/op.h"

/* The whole of worktree_create, by the call's parameters: OP_PARKED, an error, or its answer. */
int worktree_make(struct op_call *call, json_t **ret, struct error *err) _warn_unused_;

#endif

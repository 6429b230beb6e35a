/* What the operations by which a session makes itself known share: which process it is, and where it works.
 */
#ifndef OPS_REGISTERING_H
#define OPS_REGISTERING_H

#include "mesh/peer.h"
#include "ops/op.h"

#define REGISTERING_PARAMS                                                                                   \
	{"backend", OP_TEXT, OP_REQUIRED, "its runtime", 32, 0},                                             \
		{"path", OP_TEXT, 0, "its folder", 4096, 0},                                                 \
		{"pid", OP_NUMBER, 0, "the agent's process, an ancestor of the caller", 4194304, 2},         \
		{"session", OP_TEXT, 0, "the runtime's id of the session", 128, 0},                          \
		{"hosted", OP_FLAG, 0, "its process hosts several sessions", 0, 0},                          \
		{"circle", OP_TEXT, 0, "its circle", 64, 0},                                                 \
	{                                                                                                    \
		"role", OP_TEXT, 0, "its role, which only a person's word gives", 32, 0                      \
	}

/* Which of the caller's processes is the agent: "pid" if it is an ancestor, the caller with "self", else its
 * parent (I1). ERR_FORBIDDEN for any other. */
int registering_process(const struct op_call *call, size_t *ret_index, struct error *err) _warn_unused_;
/* The peer that this process is already; false if it is none, or not that session's. */
bool registering_known(const struct op_call *call, size_t index, struct peer_ref *ret);
/* Registers that process: OP_PARKED while git is asked where its folder belongs. A linked worktree that was
 * made by hand becomes known, and its first live peer owns the branch (W9). */
int registering_run(struct op_call *call, struct peer_ref *ret, struct error *err) _warn_unused_;

#endif

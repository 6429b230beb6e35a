/* The entries of the operation table, each defined beside its handler. A new operation is an entry here, in
 * table.c, and its definition. */
#ifndef OPS_TABLE_H
#define OPS_TABLE_H

#include "ops/op.h"

#define OP_LIST(X)                                                                                           \
	X(ack)                                                                                               \
	X(answer)                                                                                            \
	X(ask)                                                                                               \
	X(ask_many)                                                                                          \
	X(ask_many_result)                                                                                   \
	X(asks)                                                                                              \
	X(assign_peer)                                                                                       \
	X(await_role)                                                                                        \
	X(broadcast)                                                                                         \
	X(config)                                                                                            \
	X(dead_drop)                                                                                         \
	X(dead_retry)                                                                                        \
	X(decline)                                                                                           \
	X(delivery_report)                                                                                   \
	X(delivery_take)                                                                                     \
	X(end_session)                                                                                       \
	X(events)                                                                                            \
	X(inbox)                                                                                             \
	X(inbox_confirm)                                                                                     \
	X(job_cancel)                                                                                        \
	X(job_claim)                                                                                         \
	X(job_create)                                                                                        \
	X(job_list)                                                                                          \
	X(job_result)                                                                                        \
	X(job_status)                                                                                        \
	X(job_update)                                                                                        \
	X(kill_peer)                                                                                         \
	X(land)                                                                                              \
	X(link_host)                                                                                         \
	X(list_peers)                                                                                        \
	X(notify_peer)                                                                                       \
	X(orchestrator_status)                                                                               \
	X(peer_terminal)                                                                                     \
	X(plan_cancel)                                                                                       \
	X(plan_run)                                                                                          \
	X(plan_status)                                                                                       \
	X(register_peer)                                                                                     \
	X(session_event)                                                                                     \
	X(set_description)                                                                                   \
	X(show_peer)                                                                                         \
	X(spawn_peer)                                                                                        \
	X(status)                                                                                            \
	X(stop)                                                                                              \
	X(trace)                                                                                             \
	X(train_status)                                                                                      \
	X(trash_list)                                                                                        \
	X(wait_on_ack)                                                                                       \
	X(whoami)                                                                                            \
	X(worktree_create)                                                                                   \
	X(worktree_list)                                                                                     \
	X(worktree_path)                                                                                     \
	X(worktree_remove)                                                                                   \
	X(worktree_restore)

#define OP_DECLARE(name) extern const struct op op_##name;
OP_LIST(OP_DECLARE)
#undef OP_DECLARE

#endif

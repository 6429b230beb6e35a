/* The table of reactions; see react.h. */
#include "flow/react.h"

#include <string.h>

#include "base/alloc.h"
#include "flow/handover.h"
#include "flow/hooks.h"
#include "flow/housekeeping.h"
#include "flow/plan_run.h"
#include "flow/spawn.h"
#include "flow/spawn_agent.h"
#include "flow/train.h"
#include "flow/wake.h"
#include "flow/worktrees.h"
#include "mesh/react.h"
#include "repo/change.h"
#include "repo/registry.h"
#include "store/event.h"
#include "store/timer.h"
#include "work/job.h"

static void on_change_queued(struct core *core, const struct event *e)
{
	autochange c = {0};
	if (change_get(core->store, e->subject, &c))
		train_advance(core, c.repo_id, c.target);
}

/* A job is asked to stop: the terminal that works on it is ended. */
static void on_cancel_requested(struct core *core, const struct event *e)
{
	autofree char *peer =
		db_text(core->store, "SELECT peer_id FROM spawn WHERE job_id = ? AND state = 'running'", "s",
			e->subject);
	int64_t effect;
	if (peer)
		(void)spawn_kill(core, peer, &effect, NULL); /* gone already: then its end settles the job */
}

/* J4: an executor that is gone loses its attempts at once. */
static void on_peer_offline(struct core *core, const struct event *e)
{
	const char *cause = json_str(e->data, "cause");
	bool reboot = cause && strcmp(cause, "reboot") == 0;
	autofree char *reason = xasprintf("its executor is gone (%s)", cause ? cause : "unknown");
	autoquery q = db_query(core->store,
			       "SELECT job_id, fence FROM attempt WHERE peer_id = ? AND ended_at IS NULL",
			       "s", e->subject);
	while (query_next(&q))
		job_attempt_lost(core->store, query_text(&q, 0), query_int(&q, 1), reboot, reason);
}

static void on_owner_offline(struct core *core, const struct event *e)
{
	struct peer_ref peer;
	if (peer_find(core->store, e->subject, &peer) && !peer.live) /* not one that is expected again */
		branch_owner_gone(core->store, e->subject);
}

static void on_housekeeping(struct core *core, const struct event *e)
{
	housekeeping(core);
	timer_set(core->store, e->kind, e->subject, store_now(core->store) + USEC_PER_HOUR);
}

static const struct reaction {
	const char *kind;
	void (*react)(struct core *core, const struct event *e);
} reactions[] = {
	{"change.ejected", plan_on_change},
	{"change.landed", plan_on_change},
	{"change.landed", hooks_on_event},
	{"change.queued", on_change_queued},
	{"change.queued", plan_on_change},
	{"change.ready", plan_on_change},
	{"housekeeping", on_housekeeping},
	{"job.cancel_requested", on_cancel_requested},
	{"job.cancelled", plan_on_job},
	{"job.completed", plan_on_job},
	{"job.expired", plan_on_job},
	{"job.failed", plan_on_job},
	{"job.ready", plan_on_job},
	{"job.running", plan_on_job},
	{"peer.online", spawn_on_online},
	{"peer.turn_failed", spawn_on_turn_failed},
	{"message.consumed", spawn_on_read},
	{"message.stored", handover_on_event},
	{"message.waits", handover_on_event},
	{"reply.rested", handover_on_event},
	{"transport.attached", handover_on_event},
	{"transport.detached", handover_on_event},
	{"message.dead", handover_on_dead},
	{"message.stored", wake_on_event},
	{"message.waits", wake_on_event},
	{"peer.online", wake_on_event},
	{"peer.turn", wake_on_event},
	{"peer.quiet", handover_on_event},
	{"peer.quiet", wake_on_event},
	{"transport.detached", wake_on_event},
	{"wake.due", wake_on_due},
	{"peer.offline", on_peer_offline},
	{"peer.offline", on_owner_offline},
	{"peer.offline", worktrees_on_peer},
	{"peer.registered", worktrees_on_peer},
	{"spawn.late", spawn_on_late},
	{"spawn.look", spawn_on_look},
	{"spawn.stuck", plan_on_stuck},
	{"worktree.failed", plan_on_worktree},
	{"worktree.kept", plan_on_worktree},
	{"worktree.live", plan_on_worktree},
	{"worktree.live", hooks_on_event},
	{"worktree.removed", plan_on_worktree},
	{"worktree.removed", hooks_on_event},
};

void flow_react(struct core *core)
{
	struct event e;
	while (event_take(core->store, &e)) {
		(void)mesh_react(core->store, &core->limits, &e); /* false: not the mesh's business */
		for (size_t i = 0; i < ARRAY_SIZE(reactions); i++)
			if (strcmp(reactions[i].kind, e.kind) == 0)
				reactions[i].react(core, &e);
	}
}

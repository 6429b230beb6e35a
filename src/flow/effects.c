/* The effect table; see effects.h. */
#include "flow/effects.h"

#include <string.h>

#include "base/alloc.h"
#include "flow/handover.h"
#include "flow/hooks.h"
#include "flow/housekeeping.h"
#include "flow/react.h"
#include "flow/session.h"
#include "flow/spawn.h"
#include "flow/spawn_agent.h"
#include "flow/train.h"
#include "flow/wake.h"
#include "flow/worktrees.h"

const struct flow_effect flow_effects[EFFECT_MAX_] = {
	[EFFECT_WORKTREE_CREATE] = {{"worktree.create", EFFECT_PROBE}, RUN_WORKER, worktrees_created},
	[EFFECT_WORKTREE_REMOVE] = {{"worktree.remove", EFFECT_PROBE}, RUN_WORKER, worktrees_removed},
	[EFFECT_WORKTREE_RESTORE] = {{"worktree.restore", EFFECT_PROBE}, RUN_WORKER, worktrees_restored},
	[EFFECT_WORKTREE_IN_USE] = {{"worktree.in_use", EFFECT_REPEATABLE},
				    RUN_WORKER,
				    worktrees_in_use_done},
	[EFFECT_TRASH_PURGE] = {{"trash.purge", EFFECT_PROBE}, RUN_WORKER, housekeeping_purged},
	[EFFECT_LAND_BUILD] = {{"land.build", EFFECT_REPEATABLE}, RUN_WORKER, train_built},
	[EFFECT_LAND_MOVE] = {{"land.move", EFFECT_PROBE}, RUN_WORKER, train_moved},
	/* a user's own command may do anything: after a crash nobody knows whether it did */
	[EFFECT_HOOK] = {{"hook", EFFECT_ONCE}, RUN_WORKER, hooks_done},
	[EFFECT_SESSION_LOCATE] = {{"session.locate", EFFECT_REPEATABLE}, RUN_WORKER, session_located},
	[EFFECT_SPAWN] = {{"spawn", EFFECT_PROBE}, RUN_SPAWN, spawn_started},
	[EFFECT_KILL] = {{"kill", EFFECT_PROBE}, RUN_KILL, spawn_killed},
	/* whether the runtime took it is not asked twice: it might take it twice */
	[EFFECT_HANDOVER] = {{"handover", EFFECT_ONCE}, RUN_WORKER, handover_done},
	/* what was typed cannot be told afterwards, and is never typed again */
	[EFFECT_WAKE] = {{"wake", EFFECT_ONCE}, RUN_WAKE, wake_done},
	[EFFECT_LOOK] = {{"look", EFFECT_REPEATABLE}, RUN_LOOK, spawn_looked},
};

const struct flow_effect *flow_effect_of(const char *kind)
{
	for (int i = 0; i < EFFECT_MAX_; i++)
		if (strcmp(flow_effects[i].kind.name, kind) == 0)
			return &flow_effects[i];
	return NULL;
}

int64_t flow_effect_add(struct core *core, enum flow_effect_id id, const char *subject, const char *lane,
			json_t *args)
{
	return effect_add(core->store, &flow_effects[id].kind, subject, lane, args);
}

void flow_effect_finished(struct core *core, const struct effect *effect, bool ok, json_t *result)
{
	const struct flow_effect *kind = flow_effect_of(effect->kind);
	json_t *kept = json_incref(result);
	effect_finish(core->store, effect->id, ok, result);
	if (kind)
		kind->done(core, effect->subject ? effect->subject : "", ok, kept);
	flow_react(core);
	json_decref(kept);
}

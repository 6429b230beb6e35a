/* The effect table: each thing that Coppice does to the world, how it may repeat after a crash, what
 * carries it out, and who is told of its end (architecture.md, "The turn"). */
#ifndef FLOW_EFFECTS_H
#define FLOW_EFFECTS_H

#include "flow/core.h"
#include "store/outbox.h"

enum effect_runner {
	RUN_WORKER, /* a worker process: `coppice worker <kind>` */
	RUN_SPAWN,  /* a terminal is started */
	RUN_KILL,   /* a terminal is ended */
	RUN_LOOK,   /* a terminal's screen is looked at */
	RUN_WAKE,   /* a line is typed into a terminal */
};

struct flow_effect {
	struct effect_kind kind;
	enum effect_runner runner;
	/* Runs in a turn once the action ended; `result` is its answer, or {"error":…} when not ok. */
	void (*done)(struct core *core, const char *subject, bool ok, const json_t *result);
};

enum flow_effect_id {
	EFFECT_WORKTREE_CREATE,
	EFFECT_WORKTREE_REMOVE,
	EFFECT_WORKTREE_RESTORE,
	EFFECT_WORKTREE_IN_USE,
	EFFECT_TRASH_PURGE,
	EFFECT_LAND_BUILD,
	EFFECT_LAND_MOVE,
	EFFECT_HOOK,
	EFFECT_SESSION_LOCATE,
	EFFECT_SPAWN,
	EFFECT_KILL,
	EFFECT_LOOK,
	EFFECT_WAKE,
	EFFECT_HANDOVER,
	EFFECT_MAX_,
};

extern const struct flow_effect flow_effects[EFFECT_MAX_];

/* The row of a kind's name; NULL for one of another version. */
const struct flow_effect *flow_effect_of(const char *kind);
/* Adds one to the outbox; `subject` is what it is done to, `lane` may be NULL; takes `args`. Returns its id.
 */
int64_t flow_effect_add(struct core *core, enum flow_effect_id id, const char *subject, const char *lane,
			json_t *args);
/* Records an effect's end and runs its `done` and all reactions, in the current turn. Takes `result`. */
void flow_effect_finished(struct core *core, const struct effect *effect, bool ok, json_t *result);

#endif

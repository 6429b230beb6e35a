/* One task of a running plan: its row, its table of states, and the steps from one to the next. */
#ifndef FLOW_PLAN_TASK_H
#define FLOW_PLAN_TASK_H

#include <stdbool.h>

#include "flow/core.h"
#include "base/id.h"

enum task_state {
	TASK_WAITING,  /* for a slot, or for what it needs */
	TASK_CREATING, /* its worktree is being made */
	TASK_STARTING, /* its agent is being started */
	TASK_RUNNING,
	TASK_DISCARDING, /* a failed attempt's worktree goes to the trash (retry: fresh) */
	TASK_LANDING,	 /* its change is in the train */
	TASK_READY,	 /* its change waits for a person */
	TASK_CLEANING,	 /* landed; its worktree is being removed */
	TASK_LANDED,
	TASK_DONE, /* there was nothing to land */
	TASK_EJECTED,
	TASK_FAILED,
	TASK_CANCELLED,
	TASK_STATE_MAX_,
};

struct task {
	char plan_id[ID_SIZE], job_id[ID_SIZE], peer_id[ID_SIZE], worktree_id[ID_SIZE], change_id[ID_SIZE];
	char repo_id[ID_SIZE];
	char *branch, *target;
	enum task_state state;
	json_t *spec; /* {"needs","run","start","backend"} */
	json_t *plan; /* {"parallel","gate","via","how","attempts","retry"} */
};

#define autotask _cleanup_(task_release) struct task

const char *task_state_name(enum task_state state);
bool task_final(enum task_state state);
void task_release(struct task *task);
bool task_get(struct store *s, const char *plan_id, const char *branch, struct task *ret);
bool task_of_job(struct store *s, const char *job_id, struct task *ret);
bool task_of_change(struct store *s, const char *change_id, struct task *ret);

/* Moves it by the table (anything else is a bug and aborts) and emits task.<state>. */
void task_set(struct core *core, struct task *task, enum task_state state, const char *reason);
/* Says why it does not get on, without moving it; emits task.<state>. */
void task_note(struct core *core, const struct task *task, const char *reason);
/* The steps; each ends in a task_set. */
void task_create(struct core *core, struct task *task);
void task_spawn(struct core *core, struct task *task);
void task_again(struct core *core, struct task *task, const char *reason);
void task_offer(struct core *core, struct task *task);
void task_clean(struct core *core, struct task *task, const char *reason);
void task_cleaned(struct core *core, struct task *task, const char *kept_because);
/* Ends it and its job before it has started. */
void task_fail(struct core *core, struct task *task, const char *reason);

/* Starts what can start, and ends the plan when nothing is left to do. */
void plan_advance(struct core *core, const char *plan_id);

#endif

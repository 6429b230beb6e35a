/* A running plan: each task goes through one table of states, driven by events; all of it is rows, so that
 * it goes on after a crash where it was.
 *
 *	waiting → creating → starting → running → landing → cleaning → landed
 *	   ↑______________________________|          |          └→ done      (nothing to land)
 *	      (another attempt)                      ├→ ready  (nothing vouches for it: a person lands it)
 *	                                             └→ ejected
 *	failed and cancelled end it from anywhere before landing. */
#ifndef FLOW_PLAN_RUN_H
#define FLOW_PLAN_RUN_H

#include "flow/core.h"
#include "base/id.h"
#include "store/event.h"
#include "work/plan_file.h"

struct plan_order {
	const struct plan_file *plan; /* checked */
	const char *file;
	const char *dir;
	const char *repo_id;
	const char *target;
	const char *circle;
	const char *created_by; /* peer_id or NULL */
};

/* Creates the plan with its jobs and peers, and starts what can start. ERR_EXISTS when one of its branches is
 * in another running plan. */
int plan_begin(struct core *core, const struct plan_order *order, char ret_id[ID_SIZE],
	       struct error *err) _warn_unused_;
/* Cancels what has not landed; branches and worktrees stay. ERR_NOT_FOUND; ERR_CONFLICT when it has ended. */
int plan_cancel(struct core *core, const char *plan_id, const char *by, struct error *err) _warn_unused_;
/* {"plan","file","state","target","circle","repo","tasks":[{"task","state","reason","job","peer","path","needs"}],
 * "landed","ready","ejected","failed","commit"}; a new reference, NULL if there is none. */
json_t *plan_to_json(struct store *s, const char *plan_id);
/* {"plans":[{"plan","file","state","target","created_at"}]}, newest first. */
json_t *plan_list(struct store *s, int limit);

/* Reactions. */
void plan_on_worktree(struct core *core, const struct event *e);
void plan_on_job(struct core *core, const struct event *e);
void plan_on_stuck(struct core *core, const struct event *e);
void plan_on_change(struct core *core, const struct event *e);

#endif

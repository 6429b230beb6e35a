/* Jobs: durable work with dependencies, fenced attempts and results (J1 to J6).
 *
 *	queued → ready → dispatched → running ⇄ awaiting_input, blocked
 *	→ completed | failed | cancelled | expired
 *
 * The last four are final. One table in job.c holds every transition; all else is refused. `ready`
 * follows from the dependencies in the same transaction. Each attempt has a fence, a number that
 * only grows: an executor with an older one can change nothing (J2). All functions run inside a turn. */
#ifndef WORK_JOB_H
#define WORK_JOB_H

#include <stdbool.h>

#include "base/error.h"
#include "base/id.h"
#include "store/store.h"

enum job_state {
	JOB_QUEUED,
	JOB_READY,
	JOB_DISPATCHED,
	JOB_RUNNING,
	JOB_AWAITING_INPUT,
	JOB_BLOCKED,
	JOB_COMPLETED,
	JOB_FAILED,
	JOB_CANCELLED,
	JOB_EXPIRED,
	JOB_STATE_MAX_,
	JOB_STATE_INVALID = -1,
};

enum {
	JOB_TITLE_MAX = 200,
	JOB_TEXT_MAX = 64 << 10,
	JOB_SUMMARY_MAX = 4 << 10,
	JOB_DATA_MAX = 64 << 10,
	JOB_ARTIFACTS_MAX = 32,
	JOB_NEEDS_MAX = 200
};

const char *job_state_name(enum job_state state);
enum job_state job_state_of(const char *name);
bool job_state_final(enum job_state state);
/* Whether the table has that transition. */
bool job_may_move(enum job_state from, enum job_state to);

struct job_spec {
	const char *title; /* required, one line */
	const char *text;
	const char *branch;
	const char *repo_id;
	const char *plan_id;
	const char *peer_id; /* who is to do it; NULL: whoever claims it */
	const char *created_by;
	const char *const *needs;     /* job ids, NULL-terminated; may be NULL */
	const char *const *needed_by; /* existing queued jobs that shall wait for this one; may be NULL */
	int max_attempts;	      /* 0 counts as 1 */
	const char *retry_state;      /* "resume" (NULL) or "fresh" */
};

/* Creates a job, queued or ready by its dependencies. A cycle is refused and printed (J3). */
int job_create(struct store *s, const struct job_spec *spec, char ret_id[ID_SIZE],
	       struct error *err) _warn_unused_;
/* Starts an attempt: ready → `to` (JOB_RUNNING for a claim, JOB_DISPATCHED when it is handed out). A job
 * meant for another peer, and one that is not ready, is refused. */
int job_claim(struct store *s, const char *job_id, const char *peer_id, enum job_state to,
	      int64_t *ret_attempt, int64_t *ret_fence, struct error *err) _warn_unused_;

struct job_change {
	enum job_state state; /* running, awaiting_input, blocked, completed, failed, cancelled */
	const char *reason;
	const char *summary;
	const json_t *data;	 /* an object, or NULL */
	const json_t *artifacts; /* [{"kind","value"}], or NULL */
};

/* The executor's report on attempt `fence`: an old fence is ERR_STALE_FENCE (J2). `failed` ends the attempt;
 * the job goes to ready again if its policy has attempts left. Completing wins over an earlier request to
 * cancel. */
int job_update(struct store *s, const char *job_id, int64_t fence, const struct job_change *change,
	       struct error *err);
/* The executor is gone (J4): ends the current attempt as `failed`, or as `interrupted`, which costs no
 * attempt. No effect when that attempt is already over. */
void job_attempt_lost(struct store *s, const char *job_id, int64_t fence, bool interrupted,
		      const char *reason);
/* A request to cancel (J5): always kept; ends the job at once unless an attempt is under way, which is then
 * asked to stop. `ret_state` is the state after it: a final one stays what it was. */
int job_cancel(struct store *s, const char *job_id, const char *by, const char *text,
	       enum job_state *ret_state, struct error *err);

struct job {
	char id[ID_SIZE];
	enum job_state state;
	int64_t attempt, fence;
	char peer_id[ID_SIZE]; /* "" if none */
	char plan_id[ID_SIZE]; /* "" if none */
	bool cancel_requested;
};

/* ERR_NOT_FOUND for an unknown id. */
int job_get(struct store *s, const char *job_id, struct job *ret, struct error *err) _warn_unused_;
/* surface.md's shape; a new reference, NULL for an unknown id. `full` adds text, attempts and requests. */
json_t *job_to_json(struct store *s, const char *job_id, bool full);
/* {"jobs":[…]}, newest first, at most `limit`; state, plan and peer may be NULL for any. */
json_t *job_list(struct store *s, const char *state, const char *plan_id, const char *peer_id, int limit);
/* {state: count} of all jobs. */
json_t *job_counts(struct store *s);

#endif

/* What the tests of jobs share. */
#ifndef WORK_TESTING_H
#define WORK_TESTING_H

#include "mesh/testing.h"

#include "base/alloc.h"
#include "work/job.h"

/* An attempt at a job. */
struct held {
	char id[ID_SIZE];
	int64_t attempt, fence;
};

static inline const char *new_job(struct world *w, const struct job_spec *spec, char ret[ID_SIZE])
{
	autoerror err = {0};
	world_check(job_create(w->s, spec, ret, &err), &err);
	return ret;
}

static inline const char *plain(struct world *w, const char *title, char ret[ID_SIZE])
{
	return new_job(w, &(struct job_spec){.title = title}, ret);
}

static inline const char *needing(struct world *w, const char *title, const char *const *needs,
				  char ret[ID_SIZE])
{
	return new_job(w, &(struct job_spec){.title = title, .needs = needs}, ret);
}

#define NEEDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static inline struct job job_row(struct world *w, const char *id)
{
	struct job job = {0};
	autoerror err = {0};
	world_check(job_get(w->s, id, &job, &err), &err);
	return job;
}

static inline void assert_state(struct world *w, const char *id, enum job_state state)
{
	assert_string_equal(job_state_name(job_row(w, id).state), job_state_name(state));
}

static inline void claim(struct world *w, const char *id, enum job_state to, struct held *ret)
{
	autoerror err = {0};
	memmove(ret->id, id, strlen(id) + 1); /* perhaps its own */
	world_check(job_claim(w->s, id, NULL, to, &ret->attempt, &ret->fence, &err), &err);
}

static inline int report(struct world *w, const struct held *held, enum job_state state)
{
	return job_update(w->s, held->id, held->fence, &(struct job_change){.state = state}, NULL);
}

static inline void assert_reason(struct world *w, const char *id, const char *part)
{
	json_auto_t *job = job_to_json(w->s, id, false);
	const char *reason = json_str(job, "reason");
	if (!reason || !strstr(reason, part))
		fail_msg("the reason of %s is '%s', not '…%s…'", id, reason ? reason : "(none)", part);
}

static inline int64_t attempts_in(struct world *w, const char *id, const char *state)
{
	return db_int(w->s, 0, "SELECT count(*) FROM attempt WHERE job_id = ? AND state = ?", "ss", id,
		      state);
}

/* A job that stands in that state, with the fence of its last attempt (0 if it had none). */
static inline void job_in(struct world *w, enum job_state state, struct held *ret)
{
	char other[ID_SIZE];
	*ret = (struct held){0};
	if (state == JOB_QUEUED) {
		needing(w, "waits", NEEDS(plain(w, "first", other)), ret->id);
		return;
	}
	plain(w, "one", ret->id);
	if (state == JOB_READY)
		return;
	claim(w, ret->id, state == JOB_DISPATCHED ? JOB_DISPATCHED : JOB_RUNNING, ret);
	if (state == JOB_EXPIRED)
		(void)db_run(w->s, "UPDATE job SET state = 'expired' WHERE job_id = ?", "s", ret->id);
	else if (state != JOB_DISPATCHED && state != JOB_RUNNING)
		assert_int_equal(report(w, ret, state), 0);
	assert_state(w, ret->id, state);
}

#endif

/* Jobs and their one table of transitions; see job.h. */
#include "work/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "store/event.h"

static const char *const names[JOB_STATE_MAX_] = {
	[JOB_QUEUED] = "queued",
	[JOB_READY] = "ready",
	[JOB_DISPATCHED] = "dispatched",
	[JOB_RUNNING] = "running",
	[JOB_AWAITING_INPUT] = "awaiting_input",
	[JOB_BLOCKED] = "blocked",
	[JOB_COMPLETED] = "completed",
	[JOB_FAILED] = "failed",
	[JOB_CANCELLED] = "cancelled",
	[JOB_EXPIRED] = "expired",
};

#define TO(state) (1u << (state))
#define ENDS (TO(JOB_COMPLETED) | TO(JOB_FAILED) | TO(JOB_CANCELLED) | TO(JOB_EXPIRED))

/* Row: from; bits: to. From an attempt's states the way back to ready is a retry. */
static const unsigned transitions[JOB_STATE_MAX_] = {
	[JOB_QUEUED] = TO(JOB_READY) | TO(JOB_BLOCKED) | TO(JOB_CANCELLED) | TO(JOB_EXPIRED),
	[JOB_READY] =
		TO(JOB_DISPATCHED) | TO(JOB_RUNNING) | TO(JOB_QUEUED) | TO(JOB_CANCELLED) | TO(JOB_EXPIRED),
	[JOB_DISPATCHED] = TO(JOB_RUNNING) | TO(JOB_AWAITING_INPUT) | TO(JOB_BLOCKED) | TO(JOB_READY) | ENDS,
	[JOB_RUNNING] = TO(JOB_AWAITING_INPUT) | TO(JOB_BLOCKED) | TO(JOB_READY) | ENDS,
	[JOB_AWAITING_INPUT] = TO(JOB_RUNNING) | TO(JOB_BLOCKED) | TO(JOB_READY) | ENDS,
	[JOB_BLOCKED] = TO(JOB_RUNNING) | TO(JOB_AWAITING_INPUT) | TO(JOB_READY) | ENDS,
};

const char *job_state_name(enum job_state state)
{
	return names[state];
}

enum job_state job_state_of(const char *name)
{
	for (int i = 0; i < JOB_STATE_MAX_; i++)
		if (strcmp(names[i], name) == 0)
			return (enum job_state)i;
	return JOB_STATE_INVALID;
}

bool job_state_final(enum job_state state)
{
	return state >= JOB_COMPLETED;
}

bool job_may_move(enum job_state from, enum job_state to)
{
	return (transitions[from] & TO(to)) != 0;
}

static void copy_id(char to[ID_SIZE], const char *from)
{
	(void)snprintf(to, ID_SIZE, "%s", from ? from : "");
}

int job_get(struct store *s, const char *job_id, struct job *ret, struct error *err)
{
	autoquery q = db_query(s,
			       "SELECT job_id, state, attempt, fence, peer_id, plan_id, cancel_requested"
			       " FROM job WHERE job_id = ?",
			       "s", job_id);
	if (!query_next(&q)) {
		autostrbuf shown = STRBUF_INIT(256);
		text_escape(job_id, strnlen(job_id, 40), false, &shown);
		return error_hint(err,
				  error_set(err, ERR_NOT_FOUND, "there is no job '%s'", strbuf_str(&shown)),
				  "see: coppice job list");
	}
	copy_id(ret->id, query_text(&q, 0));
	ret->state = job_state_of(query_text(&q, 1));
	ret->attempt = query_int(&q, 2);
	ret->fence = query_int(&q, 3);
	copy_id(ret->peer_id, query_text(&q, 4));
	copy_id(ret->plan_id, query_text(&q, 5));
	ret->cancel_requested = query_int(&q, 6) != 0;
	return 0;
}

static void settle_dependants(struct store *s, const char *job_id, enum job_state state);

/* The one place where a job's state changes. */
static int move(struct store *s, struct job *job, enum job_state to, const char *reason, struct error *err)
{
	if (!job_may_move(job->state, to)) {
		int code = error_set(err, ERR_CONFLICT, "%s is %s and cannot become %s", job->id,
				     names[job->state], names[to]);
		return error_hint(err, code, "%s",
				  job_state_final(job->state) ? "that state is final; create a new job"
							      : "see: coppice job show JOB");
	}
	job->state = to;
	(void)db_run(s, "UPDATE job SET state = ?, reason = ?, updated_at = ?, ended_at = ? WHERE job_id = ?",
		     "ssiss", names[to], reason, store_now(s), NULL, job->id);
	if (job_state_final(to))
		(void)db_run(s, "UPDATE job SET ended_at = ? WHERE job_id = ?", "is", store_now(s), job->id);
	autofree char *kind = xasprintf("job.%s", names[to]);
	json_t *data = json_pack("{s:s, s:I}", "job", job->id, "attempt", (json_int_t)job->attempt);
	json_set_str(data, "reason", reason);
	event_emit(s, kind, job->id, job->plan_id[0] ? job->plan_id : NULL, data);
	if (job_state_final(to))
		settle_dependants(s, job->id, to);
	return 0;
}

/* A move that the caller knows to be in the table. */
static void must_move(struct store *s, struct job *job, enum job_state to, const char *reason)
{
	autoerror err = {0};
	if (move(s, job, to, reason, &err)) {
		(void)fprintf(stderr, "coppice: bug: %s\n", err.message);
		abort();
	}
}

static bool needs_met(struct store *s, const char *job_id)
{
	return db_int(s, 0,
		      "SELECT count(*) FROM job_dep JOIN job ON job.job_id = job_dep.needs"
		      " WHERE job_dep.job_id = ? AND job.state <> 'completed'",
		      "s", job_id) == 0;
}

/* The reason why `job_id` can never start, caller frees; NULL if none of its needs has ended badly. */
static char *blocking_reason(struct store *s, const char *job_id)
{
	autoquery q = db_query(s,
			       "SELECT job.job_id, job.title, job.state, job.reason FROM job_dep"
			       " JOIN job ON job.job_id = job_dep.needs WHERE job_dep.job_id = ?"
			       " AND job.state IN ('failed','cancelled','expired','blocked') AND (job.state "
			       "<> 'blocked' OR NOT EXISTS (SELECT 1 FROM attempt WHERE attempt.job_id = "
			       "job.job_id AND attempt.ended_at IS NULL))"
			       " ORDER BY job.job_id LIMIT 1",
			       "s", job_id);
	if (!query_next(&q))
		return NULL;
	const char *why = query_text(&q, 3);
	return xasprintf("needs %s (%s), which is %s%s%.200s", query_text(&q, 0), query_text(&q, 1),
			 query_text(&q, 2), why ? ": " : "", why ? why : "");
}

/* Dependants of a job that has just ended become ready, or blocked for good (J1, J3). */
static void settle_dependants(struct store *s, const char *job_id, enum job_state state)
{
	autoquery q = db_query(s,
			       "SELECT job_dep.job_id FROM job_dep JOIN job ON job.job_id = job_dep.job_id"
			       " WHERE job_dep.needs = ? AND job.state = 'queued' ORDER BY job_dep.job_id",
			       "s", job_id);
	while (query_next(&q)) {
		struct job waiting;
		if (job_get(s, query_text(&q, 0), &waiting, NULL))
			continue;
		if (state == JOB_COMPLETED) {
			if (needs_met(s, waiting.id))
				must_move(s, &waiting, JOB_READY, NULL);
			continue;
		}
		autofree char *reason = blocking_reason(s, waiting.id);
		must_move(s, &waiting, JOB_BLOCKED, reason);
		settle_dependants(s, waiting.id, JOB_BLOCKED);
	}
}

/* A path of needs from `from` to `to`, appended as "from -> … -> to"; false if there is none. Depth-first
 * over a graph that is acyclic so far, each job seen once. */
static bool path_between(struct store *s, const char *from, const char *to, json_t *seen, struct strbuf *path)
{
	size_t start = path->len;
	if (json_object_get(seen, from))
		return false;
	json_object_set_new(seen, from, json_true());
	strbuf_addf(path, "%s%s", start ? " -> " : "", from);
	if (strcmp(from, to) == 0)
		return true;
	autoquery q = db_query(s, "SELECT needs FROM job_dep WHERE job_id = ? ORDER BY needs", "s", from);
	while (query_next(&q))
		if (path_between(s, query_text(&q, 0), to, seen, path))
			return true;
	strbuf_setlen(path, start);
	return false;
}

static int add_dependency(struct store *s, const char *job_id, const char *needs, struct error *err)
{
	struct job other;
	int code = job_get(s, needs, &other, err);
	if (code)
		return code;
	json_auto_t *seen = json_object();
	autostrbuf path = STRBUF_INIT(4096);
	if (path_between(s, needs, job_id, seen, &path))
		return error_set(err, ERR_REFUSED, "the dependencies would form a cycle: %s -> %s",
				 strbuf_str(&path), needs);
	(void)db_run(s, "INSERT OR IGNORE INTO job_dep (job_id, needs) VALUES (?,?)", "ss", job_id, needs);
	return 0;
}

static int add_dependant(struct store *s, const char *job_id, const char *dependant, struct error *err)
{
	struct job other;
	int code = job_get(s, dependant, &other, err);
	if (code)
		return code;
	if (other.state == JOB_READY)
		code = move(s, &other, JOB_QUEUED, NULL, err);
	else if (other.state != JOB_QUEUED)
		code = error_set(err, ERR_CONFLICT, "%s is %s: it can no longer wait for another job",
				 dependant, names[other.state]);
	return code ? code : add_dependency(s, dependant, job_id, err);
}

static int check_spec(const struct job_spec *spec, struct error *err)
{
	if (!spec->title || !*spec->title)
		return error_set(err, ERR_INVALID, "a job needs a title");
	if (strlen(spec->title) > JOB_TITLE_MAX || strchr(spec->title, '\n'))
		return error_set(err, ERR_INVALID, "a job's title is one line of at most %d bytes",
				 JOB_TITLE_MAX);
	if (spec->text && strlen(spec->text) > JOB_TEXT_MAX)
		return error_set(err, ERR_TOO_LARGE, "a job's text has at most %d bytes", JOB_TEXT_MAX);
	if (spec->max_attempts < 0 || spec->max_attempts > 100)
		return error_set(err, ERR_INVALID, "attempts must be between 1 and 100");
	return spec->branch ? branch_name_check(spec->branch, err) : 0;
}

static int link_job(struct store *s, const char *id, const struct job_spec *spec, struct error *err)
{
	int code = 0;
	int n = 0;
	for (const char *const *need = spec->needs; !code && need && *need; need++)
		code = ++n > JOB_NEEDS_MAX
			       ? error_set(err, ERR_TOO_LARGE, "a job needs at most %d others", JOB_NEEDS_MAX)
			       : add_dependency(s, id, *need, err);
	for (const char *const *by = spec->needed_by; !code && by && *by; by++)
		code = ++n > JOB_NEEDS_MAX
			       ? error_set(err, ERR_TOO_LARGE, "at most %d jobs wait for one", JOB_NEEDS_MAX)
			       : add_dependant(s, id, *by, err);
	return code;
}

int job_create(struct store *s, const struct job_spec *spec, char ret_id[ID_SIZE], struct error *err)
{
	int code = check_spec(spec, err);
	if (code)
		return code;
	struct job job = {.state = JOB_QUEUED};
	store_new_id(s, "job", job.id);
	copy_id(job.plan_id, spec->plan_id);
	(void)db_run(s,
		     "INSERT INTO job (job_id, title, text, state, branch, repo_id, plan_id, peer_id, "
		     "assigned, max_attempts,"
		     " retry_state, created_by, created_at, updated_at) VALUES "
		     "(?,?,?,'queued',?,?,?,?,?,?,?,?,?,?)",
		     "sssssssiissii", job.id, spec->title, spec->text, spec->branch, spec->repo_id,
		     spec->plan_id, spec->peer_id, (int64_t)(spec->peer_id != NULL),
		     (int64_t)(spec->max_attempts ? spec->max_attempts : 1),
		     spec->retry_state ? spec->retry_state : "resume", spec->created_by, store_now(s),
		     store_now(s));
	code = link_job(s, job.id, spec, err);
	if (code)
		return code;
	json_t *data = json_pack("{s:s, s:s}", "job", job.id, "title", spec->title);
	event_emit(s, "job.queued", job.id, spec->plan_id, data);
	autofree char *blocked = blocking_reason(s, job.id);
	if (blocked) {
		must_move(s, &job, JOB_BLOCKED, blocked);
		settle_dependants(s, job.id, JOB_BLOCKED); /* those of needed_by */
	} else if (needs_met(s, job.id)) {
		must_move(s, &job, JOB_READY, NULL);
	}
	memcpy(ret_id, job.id, ID_SIZE);
	return 0;
}

int job_claim(struct store *s, const char *job_id, const char *peer_id, enum job_state to,
	      int64_t *ret_attempt, int64_t *ret_fence, struct error *err)
{
	struct job job;
	int code = job_get(s, job_id, &job, err);
	if (code)
		return code;
	if (job.peer_id[0] && (!peer_id || strcmp(job.peer_id, peer_id) != 0))
		return error_set(err, ERR_REFUSED, "%s is meant for %s", job_id, job.peer_id);
	if (job.plan_id[0] && to == JOB_RUNNING) {
		code = error_set(err, ERR_REFUSED, "%s is handed out by its plan", job_id);
		return error_hint(err, code, "see: coppice plan status %s", job.plan_id);
	}
	if (job.state != JOB_READY) {
		code = error_set(err, ERR_CONFLICT, "%s is %s, not ready", job_id, names[job.state]);
		return error_hint(err, code, "see what is ready: coppice job list --state ready");
	}
	job.attempt++;
	job.fence = db_int(s, 0, "SELECT max(fence) FROM attempt", "") + 1;
	(void)db_run(s,
		     "UPDATE job SET attempt = ?, fence = ?, peer_id = coalesce(?, peer_id) WHERE job_id = ?",
		     "iiss", job.attempt, job.fence, peer_id, job_id);
	(void)db_run(s,
		     "INSERT INTO attempt (job_id, n, fence, peer_id, state, started_at) VALUES "
		     "(?,?,?,?,'running',?)",
		     "siisi", job_id, job.attempt, job.fence, peer_id, store_now(s));
	must_move(s, &job, to, NULL);
	*ret_attempt = job.attempt;
	*ret_fence = job.fence;
	return 0;
}

static void end_attempt(struct store *s, const struct job *job, const char *state, const char *reason)
{
	(void)db_run(s,
		     "UPDATE attempt SET state = ?, reason = ?, ended_at = ? WHERE job_id = ? AND n = ? AND "
		     "ended_at IS NULL",
		     "ssisi", state, reason, store_now(s), job->id, job->attempt);
}

/* Ends the attempt; the job is retried, cancelled as was asked, or failed. */
static void fail_attempt(struct store *s, struct job *job, bool interrupted, const char *reason)
{
	end_attempt(s, job, interrupted ? "interrupted" : "failed", reason);
	int64_t used = db_int(s, 0, "SELECT count(*) FROM attempt WHERE job_id = ? AND state = 'failed'", "s",
			      job->id);
	int64_t allowed = db_int(s, 1, "SELECT max_attempts FROM job WHERE job_id = ?", "s", job->id);
	enum job_state next = job->cancel_requested	      ? JOB_CANCELLED
			      : interrupted || used < allowed ? JOB_READY
							      : JOB_FAILED;
	if (next == JOB_READY) /* what was anybody's is anybody's again */
		(void)db_run(s, "UPDATE job SET peer_id = NULL WHERE job_id = ? AND assigned = 0", "s",
			     job->id);
	must_move(s, job, next, reason);
}

static int check_result(const struct job_change *change, struct error *err)
{
	if (change->summary && strlen(change->summary) > JOB_SUMMARY_MAX)
		return error_set(err, ERR_TOO_LARGE, "a summary has at most %d bytes", JOB_SUMMARY_MAX);
	if (change->reason && strlen(change->reason) > JOB_SUMMARY_MAX)
		return error_set(err, ERR_TOO_LARGE, "a reason has at most %d bytes", JOB_SUMMARY_MAX);
	if (change->artifacts && !json_is_array(change->artifacts))
		return error_set(err, ERR_INVALID, "artifacts are a list of {\"kind\",\"value\"}");
	if (json_array_size(change->artifacts) > JOB_ARTIFACTS_MAX)
		return error_set(err, ERR_TOO_LARGE, "a result has at most %d artifacts", JOB_ARTIFACTS_MAX);
	autofree char *text = change->data ? json_text(change->data) : NULL;
	if (text && strlen(text) > JOB_DATA_MAX)
		return error_set(err, ERR_TOO_LARGE, "a result's data has at most %d bytes", JOB_DATA_MAX);
	size_t i;
	json_t *a;
	json_array_foreach(change->artifacts, i, a)
	{
		const char *value = json_str(a, "value");
		if (!json_str(a, "kind") || !value || strlen(value) > JOB_SUMMARY_MAX)
			return error_set(err, ERR_INVALID,
					 "an artifact is {\"kind\",\"value\"}, both short texts");
	}
	return 0;
}

static void store_result(struct store *s, const struct job *job, const struct job_change *change)
{
	(void)db_run(
		s, "UPDATE job SET summary = coalesce(?, summary), data = coalesce(?, data) WHERE job_id = ?",
		"sjs", change->summary, change->data, job->id);
	if (!change->artifacts)
		return;
	(void)db_run(s, "DELETE FROM artifact WHERE job_id = ?", "s", job->id);
	size_t i;
	json_t *a;
	json_array_foreach(change->artifacts, i, a)(void)
		db_run(s, "INSERT INTO artifact (job_id, n, kind, value) VALUES (?,?,?,?)", "siss", job->id,
		       (int64_t)i, json_str(a, "kind"), json_str(a, "value"));
}

/* The fence must be that of an attempt under way. One that is over stays the job's newest until the next
 * claim, and can change nothing all the same; a final state answers for itself. */
static int check_fence(struct store *s, const struct job *job, int64_t fence, struct error *err)
{
	bool newest = fence == job->fence && fence > 0;
	if (newest &&
	    (job_state_final(job->state) ||
	     db_int(s, 0, "SELECT 1 FROM attempt WHERE fence = ? AND ended_at IS NULL", "i", fence)))
		return 0;
	if (job->fence == 0) {
		int code = error_set(err, ERR_STALE_FENCE, "nobody has claimed %s yet", job->id);
		return error_hint(err, code,
				  "who claims it gets the fence with which it is updated; "
				  "to end it unclaimed, cancel it");
	}
	int code = error_set(err, ERR_STALE_FENCE, "attempt with fence %lld of %s is over (now %lld)",
			     (long long)fence, job->id, (long long)job->fence);
	return error_hint(err, code, "another attempt has this job now; stop working on it");
}

int job_update(struct store *s, const char *job_id, int64_t fence, const struct job_change *change,
	       struct error *err)
{
	struct job job;
	int code = job_get(s, job_id, &job, err);
	if (!code)
		code = check_fence(s, &job, fence, err);
	if (!code)
		code = check_result(change, err);
	if (code)
		return code;
	if (change->state == JOB_QUEUED || change->state == JOB_READY || change->state == JOB_DISPATCHED ||
	    change->state == JOB_EXPIRED)
		return error_set(err, ERR_REFUSED, "'%s' follows from the dependencies and the dispatcher",
				 names[change->state]);
	if (change->state == job.state && !job_state_final(job.state)) {
		store_result(s, &job, change);
		return 0;
	}
	if (!job_may_move(job.state, change->state))
		return move(s, &job, change->state, NULL, err);
	store_result(s, &job, change);
	if (change->state == JOB_FAILED) {
		fail_attempt(s, &job, false, change->reason ? change->reason : change->summary);
		return 0;
	}
	if (job_state_final(change->state))
		end_attempt(s, &job, names[change->state], change->reason);
	return move(s, &job, change->state, change->reason, err);
}

void job_attempt_lost(struct store *s, const char *job_id, int64_t fence, bool interrupted,
		      const char *reason)
{
	struct job job;
	if (job_get(s, job_id, &job, NULL) || check_fence(s, &job, fence, NULL) || job_state_final(job.state))
		return;
	fail_attempt(s, &job, interrupted, reason);
}

int job_cancel(struct store *s, const char *job_id, const char *by, const char *text,
	       enum job_state *ret_state, struct error *err)
{
	struct job job;
	int code = job_get(s, job_id, &job, err);
	if (code)
		return code;
	(void)db_run(s,
		     "INSERT INTO job_request (job_id, n, kind, by, text, at)"
		     " SELECT ?1, count(*), 'cancel', ?2, ?3, ?4 FROM job_request WHERE job_id = ?1",
		     "sssi", job_id, by, text, store_now(s));
	bool under_way = db_int(s, 0, "SELECT count(*) FROM attempt WHERE job_id = ? AND ended_at IS NULL",
				"s", job_id) > 0;
	if (!job_state_final(job.state) && !under_way) {
		must_move(s, &job, JOB_CANCELLED, text);
	} else if (!job_state_final(job.state)) {
		(void)db_run(s, "UPDATE job SET cancel_requested = 1, updated_at = ? WHERE job_id = ?", "is",
			     store_now(s), job_id);
		event_emit(s, "job.cancel_requested", job.id, job.plan_id[0] ? job.plan_id : NULL, NULL);
	}
	*ret_state = job.state;
	return 0;
}

/* Jobs as JSON, in the shape that surface.md promises; see job.h. */
#include "base/alloc.h"
#include "work/job.h"

static json_t *string_rows(struct store *s, const char *sql, const char *job_id)
{
	json_t *list = json_array();
	autoquery q = db_query(s, sql, "s", job_id);
	while (query_next(&q))
		json_array_append_new(list, json_string(query_text(&q, 0)));
	return list;
}

static json_t *artifacts_of(struct store *s, const char *job_id)
{
	json_t *list = json_array();
	autoquery q =
		db_query(s, "SELECT kind, value FROM artifact WHERE job_id = ? ORDER BY n", "s", job_id);
	while (query_next(&q))
		json_array_append_new(
			list, json_pack("{s:s, s:s}", "kind", query_text(&q, 0), "value", query_text(&q, 1)));
	return list;
}

static json_t *attempts_of(struct store *s, const char *job_id)
{
	json_t *list = json_array();
	autoquery q = db_query(s,
			       "SELECT n, fence, peer_id, state, reason, started_at, ended_at FROM attempt"
			       " WHERE job_id = ? ORDER BY n",
			       "s", job_id);
	while (query_next(&q)) {
		json_t *a = json_pack("{s:I, s:I}", "attempt", (json_int_t)query_int(&q, 0), "fence",
				      (json_int_t)query_int(&q, 1));
		json_set_str(a, "peer", query_text(&q, 2));
		json_set_str(a, "state", query_text(&q, 3));
		json_set_str(a, "reason", query_text(&q, 4));
		json_set_time(a, "started_at", query_int(&q, 5));
		json_set_time(a, "ended_at", query_int(&q, 6));
		json_array_append_new(list, a);
	}
	return list;
}

static json_t *requests_of(struct store *s, const char *job_id)
{
	json_t *list = json_array();
	autoquery q = db_query(s, "SELECT kind, by, text, at FROM job_request WHERE job_id = ? ORDER BY n",
			       "s", job_id);
	while (query_next(&q)) {
		json_t *r = json_object();
		json_set_str(r, "kind", query_text(&q, 0));
		json_set_str(r, "by", query_text(&q, 1));
		json_set_str(r, "text", query_text(&q, 2));
		json_set_time(r, "at", query_int(&q, 3));
		json_array_append_new(list, r);
	}
	return list;
}

json_t *job_to_json(struct store *s, const char *job_id, bool full)
{
	autoquery q = db_query(
		s,
		"SELECT job_id, title, state, reason, attempt, fence, branch, peer_id, summary, data, text,"
		" plan_id, cancel_requested, created_at, updated_at FROM job WHERE job_id = ?",
		"s", job_id);
	if (!query_next(&q))
		return NULL;
	json_t *job = json_object();
	json_set_str(job, "job_id", query_text(&q, 0));
	json_set_str(job, "title", query_text(&q, 1));
	json_set_str(job, "state", query_text(&q, 2));
	json_set_str(job, "reason", query_text(&q, 3));
	json_object_set_new(
		job, "needs",
		string_rows(s, "SELECT needs FROM job_dep WHERE job_id = ? ORDER BY needs", job_id));
	json_object_set_new(job, "attempt", json_integer(query_int(&q, 4)));
	json_object_set_new(job, "fence", json_integer(query_int(&q, 5)));
	json_set_str(job, "branch", query_text(&q, 6));
	json_set_str(job, "peer", query_text(&q, 7));
	json_t *result = json_object();
	json_set_str(result, "summary", query_text(&q, 8));
	json_object_set_new(result, "data", query_json(&q, 9));
	json_object_set_new(result, "artifacts", artifacts_of(s, job_id));
	json_object_set_new(job, "result", result);
	json_set_str(job, "plan", query_text(&q, 11));
	json_object_set_new(job, "cancel_requested", json_boolean(query_int(&q, 12)));
	json_set_time(job, "created_at", query_int(&q, 13));
	json_set_time(job, "updated_at", query_int(&q, 14));
	if (full) {
		json_set_str(job, "text", query_text(&q, 10));
		json_object_set_new(job, "attempts", attempts_of(s, job_id));
		json_object_set_new(job, "requests", requests_of(s, job_id));
	}
	return job;
}

json_t *job_list(struct store *s, const char *state, const char *plan_id, const char *peer_id, int limit)
{
	json_t *list = json_array();
	autoquery q = db_query(
		s,
		"SELECT job_id FROM job WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR plan_id = ?2)"
		" AND (?3 IS NULL OR peer_id = ?3) ORDER BY created_at DESC, rowid DESC LIMIT ?4",
		"sssi", state, plan_id, peer_id, (int64_t)limit);
	while (query_next(&q))
		json_array_append_new(list, job_to_json(s, query_text(&q, 0), false));
	return json_pack("{s:o}", "jobs", list);
}

json_t *job_counts(struct store *s)
{
	json_t *counts = json_object();
	autoquery q = db_query(s, "SELECT state, count(*) FROM job GROUP BY state", "");
	while (query_next(&q))
		json_object_set_new(counts, query_text(&q, 0), json_integer(query_int(&q, 1)));
	return counts;
}

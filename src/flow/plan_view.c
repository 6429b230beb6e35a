/* Plans as JSON; see plan_run.h. */
#include <string.h>

#include "base/alloc.h"
#include "flow/plan_run.h"

static json_t *branches_in(struct store *s, const char *plan_id, const char *state)
{
	json_t *list = json_array();
	autoquery q = db_query(s, "SELECT branch FROM task WHERE plan_id = ? AND state = ? ORDER BY n", "ss",
			       plan_id, state);
	while (query_next(&q))
		json_array_append_new(list, json_string(query_text(&q, 0)));
	return list;
}

static json_t *tasks_of(struct store *s, const char *plan_id)
{
	json_t *list = json_array();
	autoquery q = db_query(s,
			       "SELECT task.branch, task.state, task.reason, task.job_id, task.peer_id, "
			       "worktree.path, task.spec,"
			       " job.summary, job.attempt FROM task JOIN job ON job.job_id = task.job_id"
			       " LEFT JOIN worktree ON worktree.worktree_id = task.worktree_id AND "
			       "worktree.state <> 'removed'"
			       " WHERE task.plan_id = ? ORDER BY task.n",
			       "s", plan_id);
	while (query_next(&q)) {
		json_t *t = json_object();
		json_set_str(t, "task", query_text(&q, 0));
		json_set_str(t, "state", query_text(&q, 1));
		json_set_str(t, "reason", query_text(&q, 2));
		json_set_str(t, "job", query_text(&q, 3));
		json_set_str(t, "peer", query_text(&q, 4));
		json_set_str(t, "path", query_text(&q, 5));
		json_auto_t *spec = query_json(&q, 6);
		json_object_set(t, "needs", json_object_get(spec, "needs"));
		json_set_str(t, "summary", query_text(&q, 7));
		json_object_set_new(t, "attempt", json_integer(query_int(&q, 8)));
		json_array_append_new(list, t);
	}
	return list;
}

json_t *plan_to_json(struct store *s, const char *plan_id)
{
	autoquery q = db_query(
		s,
		"SELECT plan.plan_id, plan.file, plan.state, plan.target, plan.circle, repo.main, "
		"plan.created_at,"
		" plan.ended_at FROM plan JOIN repo ON repo.repo_id = plan.repo_id WHERE plan_id = ?",
		"s", plan_id);
	if (!query_next(&q))
		return NULL;
	json_t *plan = json_object();
	json_set_str(plan, "plan", query_text(&q, 0));
	json_set_str(plan, "file", query_text(&q, 1));
	json_set_str(plan, "state", query_text(&q, 2));
	json_set_str(plan, "target", query_text(&q, 3));
	json_set_str(plan, "circle", query_text(&q, 4));
	json_set_str(plan, "repo", query_text(&q, 5));
	json_set_time(plan, "created_at", query_int(&q, 6));
	json_set_time(plan, "ended_at", query_int(&q, 7));
	json_object_set_new(plan, "tasks", tasks_of(s, plan_id));
	static const char *const outcomes[] = {"landed", "done", "ready", "ejected", "failed", "cancelled"};
	for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
		json_object_set_new(plan, outcomes[i], branches_in(s, plan_id, outcomes[i]));
	autofree char *commit =
		db_text(s,
			"SELECT landed_as FROM change WHERE plan_id = ? AND landed_as IS NOT NULL"
			" ORDER BY ended_at DESC, seq DESC LIMIT 1",
			"s", plan_id);
	json_set_str(plan, "commit", commit);
	return plan;
}

json_t *plan_list(struct store *s, int limit)
{
	json_t *list = json_array();
	autoquery q = db_query(s,
			       "SELECT plan_id, file, state, target, created_at FROM plan ORDER BY "
			       "created_at DESC, rowid DESC LIMIT ?",
			       "i", (int64_t)limit);
	while (query_next(&q)) {
		json_t *p = json_object();
		json_set_str(p, "plan", query_text(&q, 0));
		json_set_str(p, "file", query_text(&q, 1));
		json_set_str(p, "state", query_text(&q, 2));
		json_set_str(p, "target", query_text(&q, 3));
		json_set_time(p, "created_at", query_int(&q, 4));
		json_array_append_new(list, p);
	}
	return json_pack("{s:o}", "plans", list);
}

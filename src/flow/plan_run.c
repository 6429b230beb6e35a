/* Plans at work; see plan_run.h for the states. */
#include "flow/plan_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "flow/plan_task.h"
#include "flow/spawn.h"
#include "flow/worktrees.h"
#include "mesh/peer.h"
#include "repo/change.h"
#include "repo/registry.h"
#include "work/job.h"

enum { REASON_MAX = 1024 };

static json_t *task_spec(const struct plan_file *plan, const struct plan_task *task)
{
	json_t *needs = json_array();
	for (size_t i = 0; i < task->n_needs; i++)
		json_array_append_new(needs, json_string(plan->tasks[task->needs[i]].branch));
	json_t *run = json_array();
	for (char **arg = task->run; arg && *arg; arg++)
		json_array_append_new(run, json_string(*arg));
	json_t *spec = json_pack("{s:o, s:o, s:s, s:s}", "needs", needs, "run", run, "start",
				 plan_start_name((enum plan_start)task->start), "backend", task->backend);
	json_set_str(spec, "profile", task->profile);
	json_set_str(spec, "sandbox", task->sandbox);
	return spec;
}

static json_t *plan_spec(const struct plan_file *plan)
{
	json_t *gate = plan->gate == PLAN_GATE_COMMANDS ? json_incref(plan->gate_commands)
		       : plan->gate == PLAN_GATE_NONE	? json_array()
							: json_null();
	json_t *spec =
		json_pack("{s:I, s:o, s:s, s:s, s:I, s:s}", "parallel", (json_int_t)plan->parallel, "gate",
			  gate, "via", plan_via_name((enum plan_via)plan->via), "how",
			  plan_how_name((enum plan_how)plan->how), "attempts", (json_int_t)plan->attempts,
			  "retry", plan_retry_name((enum plan_retry)plan->retry_state));
	if (plan->push == PLAN_PUSH_BRANCHES)
		json_set_str(spec, "push_to", plan->remote);
	return spec;
}

static int check_free(struct store *s, const struct plan_order *order, const char *branch, struct error *err)
{
	autofree char *other =
		db_text(s,
			"SELECT plan.plan_id FROM task JOIN plan ON plan.plan_id = task.plan_id"
			" WHERE plan.repo_id = ? AND task.branch = ? AND plan.ended_at IS NULL",
			"ss", order->repo_id, branch);
	if (!other)
		return 0;
	int code = error_set(err, ERR_EXISTS, "%s is a task of %s, which is running", branch, other);
	return error_hint(err, code, "watch it: coppice plan watch %s; or end it: coppice plan cancel %s",
			  other, other);
}

/* The job's title: the branch and the first line of its prompt. */
static char *task_title(const struct plan_task *task)
{
	const char *prompt = task->prompt ? task->prompt : "";
	int len = (int)strcspn(prompt, "\n");
	return len ? xasprintf("%.80s: %.*s", task->branch, len > 100 ? 100 : len, prompt)
		   : xasprintf("%.190s", task->branch);
}

static int add_task(struct core *core, const struct plan_order *order, const char *plan_id, size_t n,
		    struct error *err)
{
	struct store *s = core->store;
	const struct plan_task *task = &order->plan->tasks[n];
	int code = check_free(s, order, task->branch, err);
	if (code)
		return code;
	char peer_id[ID_SIZE], job_id[ID_SIZE];
	struct peer_spec peer = {.name = task->branch,
				 .circle = task->circle ? task->circle : order->circle,
				 .backend = task->backend,
				 .profile = task->profile,
				 .branch = task->branch,
				 .repo_id = order->repo_id,
				 .parent_peer = order->created_by,
				 .plan_id = plan_id,
				 .trusted = true};
	code = peer_mint(s, &peer, peer_id, err);
	if (code)
		return code;
	autofree char *title = task_title(task);
	struct job_spec job = {.title = title,
			       .text = task->prompt,
			       .branch = task->branch,
			       .repo_id = order->repo_id,
			       .plan_id = plan_id,
			       .peer_id = peer_id,
			       .created_by = order->created_by,
			       .max_attempts = (int)order->plan->attempts,
			       .retry_state = plan_retry_name((enum plan_retry)order->plan->retry_state)};
	code = job_create(s, &job, job_id, err);
	if (code)
		return code;
	json_auto_t *spec = task_spec(order->plan, task);
	(void)db_run(s,
		     "INSERT INTO task (plan_id, branch, n, spec, state, job_id, peer_id, updated_at)"
		     " VALUES (?,?,?,?,'waiting',?,?,?)",
		     "ssijssi", plan_id, task->branch, (int64_t)n, spec, job_id, peer_id, store_now(s));
	return 0;
}

int plan_begin(struct core *core, const struct plan_order *order, char ret_id[ID_SIZE], struct error *err)
{
	struct store *s = core->store;
	store_new_id(s, "plan", ret_id);
	json_auto_t *spec = plan_spec(order->plan);
	(void)db_run(s,
		     "INSERT INTO plan (plan_id, file, dir, repo_id, target, circle, spec, state, "
		     "created_by, created_at)"
		     " VALUES (?,?,?,?,?,?,?,'running',?,?)",
		     "ssssssjsi", ret_id, order->file, order->dir, order->repo_id, order->target,
		     order->circle, spec, order->created_by, store_now(s));
	for (size_t i = 0; i < order->plan->n_tasks; i++) {
		int code = add_task(core, order, ret_id, i, err);
		if (code)
			return code;
	}
	json_t *data = json_pack("{s:s, s:s, s:I}", "file", order->file, "target", order->target, "tasks",
				 (json_int_t)order->plan->n_tasks);
	event_emit(s, "plan.started", ret_id, ret_id, data);
	plan_advance(core, ret_id);
	return 0;
}

/* What a task's state of landing has come to, with the change's words. */
static void settle_change(struct core *core, struct task *task, const char *state, const char *reason)
{
	if (strcmp(state, "landed") == 0) {
		task_clean(core, task, reason);
	} else if (strcmp(state, "ready") == 0) {
		task_set(core, task, TASK_READY, reason);
	} else if (strcmp(state, "queued") == 0) {
		task_set(core, task, TASK_LANDING, reason);
	} else {
		task_set(core, task, TASK_EJECTED, reason);
	}
}

void plan_on_change(struct core *core, const struct event *e)
{
	autotask task = {0};
	if (!e->plan_id || !task_of_change(core->store, e->subject, &task))
		return;
	settle_change(core, &task, e->kind + strlen("change."), json_str(e->data, "reason"));
	plan_advance(core, task.plan_id);
}

static void heed_worktree(struct core *core, const struct event *e, const char *plan_id, const char *branch)
{
	autotask task = {0};
	if (!task_get(core->store, plan_id, branch, &task))
		return;
	bool cleaning = task.state == TASK_CLEANING;
	if (strcmp(e->kind, "worktree.live") == 0 && task.state == TASK_CREATING) {
		task_spawn(core, &task);
	} else if (strcmp(e->kind, "worktree.failed") == 0 && task.state == TASK_CREATING) {
		const char *why = json_str(json_object_get(e->data, "error"), "message");
		task_fail(core, &task, why ? why : "its worktree could not be made");
	} else if (strcmp(e->kind, "worktree.removed") == 0 && task.state == TASK_DISCARDING) {
		task_set(core, &task, TASK_WAITING, "starts again from a fresh worktree");
	} else if (strcmp(e->kind, "worktree.kept") == 0 && task.state == TASK_DISCARDING) {
		task_fail(core, &task, json_str(e->data, "reason"));
	} else if (cleaning) {
		task_cleaned(core, &task,
			     strcmp(e->kind, "worktree.kept") == 0 ? json_str(e->data, "reason") : NULL);
	}
	plan_advance(core, task.plan_id);
}

/* More than one task may wait for what becomes of a worktree: a later plan takes over the one that an earlier
 * plan's landed change is about to clean up. */
void plan_on_worktree(struct core *core, const struct event *e)
{
	json_auto_t *waiting = json_array();
	autoquery q = db_query(core->store,
			       "SELECT plan_id, branch FROM task WHERE worktree_id = ? AND state IN"
			       " ('creating','discarding','cleaning') ORDER BY state <> 'cleaning'",
			       "s", e->subject);
	while (query_next(&q))
		json_array_append_new(waiting, json_pack("{s:s, s:s}", "plan", query_text(&q, 0), "branch",
							 query_text(&q, 1)));
	query_release(&q);
	size_t i;
	json_t *w;
	json_array_foreach(waiting, i, w) heed_worktree(core, e, json_str(w, "plan"), json_str(w, "branch"));
}

void plan_on_job(struct core *core, const struct event *e)
{
	autotask task = {0};
	if (!e->plan_id || !task_of_job(core->store, e->subject, &task))
		return;
	const char *state = e->kind + strlen("job.");
	const char *reason = json_str(e->data, "reason");
	struct job job;
	/* Within one turn a job may have gone on before its events are heeded: the last one counts. */
	if (job_get(core->store, e->subject, &job, NULL) || strcmp(job_state_name(job.state), state) != 0)
		return;
	if (strcmp(state, "running") == 0 && task.state == TASK_STARTING)
		task_set(core, &task, TASK_RUNNING, NULL);
	else if (strcmp(state, "ready") == 0 && (task.state == TASK_RUNNING || task.state == TASK_STARTING))
		task_again(core, &task, reason);
	else if (strcmp(state, "completed") == 0)
		task_offer(core, &task);
	else if (strcmp(state, "cancelled") == 0 && !task_final(task.state))
		task_set(core, &task, TASK_CANCELLED, reason);
	else if ((strcmp(state, "failed") == 0 || strcmp(state, "expired") == 0) && !task_final(task.state))
		task_set(core, &task, TASK_FAILED, reason);
	plan_advance(core, task.plan_id);
}

/* An agent that does not come up, or asks its user something: the task waits, and says for what. */
void plan_on_stuck(struct core *core, const struct event *e)
{
	autotask task = {0};
	autoerror err = {0};
	autofree char *job =
		db_text(core->store, "SELECT job_id FROM spawn WHERE spawn_id = ?", "s", e->subject);
	json_auto_t *failure = json_deep_copy(e->data);
	if (!job || !task_of_job(core->store, job, &task) || task_final(task.state))
		return;
	(void)error_from_json(failure, &err);
	autofree char *reason = err.hint ? xasprintf("%s: %s", err.message, err.hint) : xstrdup(err.message);
	task_note(core, &task, reason);
}

int plan_cancel(struct core *core, const char *plan_id, const char *by, struct error *err)
{
	struct store *s = core->store;
	autofree char *state = db_text(s, "SELECT state FROM plan WHERE plan_id = ?", "s", plan_id);
	if (!state)
		return error_hint(err, error_set(err, ERR_NOT_FOUND, "there is no such plan"),
				  "see: coppice plan status");
	if (strcmp(state, "running") != 0)
		return error_set(err, ERR_CONFLICT, "%s is %s already", plan_id, state);
	(void)db_run(s, "UPDATE plan SET state = 'cancelling' WHERE plan_id = ?", "s", plan_id);
	autoquery q = db_query(s, "SELECT job_id FROM task WHERE plan_id = ? ORDER BY n", "s", plan_id);
	while (query_next(&q)) {
		enum job_state ended;
		(void)job_cancel(s, query_text(&q, 0), by, "the plan was cancelled", &ended,
				 NULL); /* the job exists */
	}
	autoquery open = db_query(
		s, "SELECT change_id FROM change WHERE plan_id = ? AND ended_at IS NULL AND state = 'queued'",
		"s", plan_id);
	while (query_next(&open))
		change_eject(s, query_text(&open, 0), "the plan was cancelled");
	plan_advance(core, plan_id);
	return 0;
}

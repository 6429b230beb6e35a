/* Tasks; see plan_task.h. */
#include "flow/plan_task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "flow/spawn.h"
#include "flow/worktrees.h"
#include "mesh/peer.h"
#include "repo/change.h"
#include "repo/registry.h"
#include "store/event.h"
#include "work/job.h"

enum { TEXT_MAX = 2048 };

#define TO(state) (1u << (state))
#define ABORTED (TO(TASK_FAILED) | TO(TASK_CANCELLED))
#define LOST (ABORTED | TO(TASK_EJECTED))
#define UNFINISHED                                                                                           \
	(TO(TASK_WAITING) | TO(TASK_CREATING) | TO(TASK_STARTING) | TO(TASK_RUNNING) | TO(TASK_DISCARDING))

static const struct {
	const char *name;
	unsigned to;
} states[TASK_STATE_MAX_] = {
	[TASK_WAITING] = {"waiting", TO(TASK_CREATING) | TO(TASK_STARTING) | ABORTED},
	[TASK_CREATING] = {"creating", TO(TASK_STARTING) | ABORTED},
	[TASK_STARTING] = {"starting", TO(TASK_RUNNING) | TO(TASK_WAITING) | TO(TASK_DISCARDING) |
					       TO(TASK_LANDING) | TO(TASK_READY) | TO(TASK_DONE) |
					       TO(TASK_EJECTED) | ABORTED},
	[TASK_RUNNING] = {"running", TO(TASK_WAITING) | TO(TASK_DISCARDING) | TO(TASK_LANDING) |
					     TO(TASK_READY) | TO(TASK_DONE) | TO(TASK_EJECTED) | ABORTED},
	[TASK_DISCARDING] = {"discarding", TO(TASK_WAITING) | ABORTED},
	[TASK_LANDING] = {"landing", TO(TASK_LANDING) | TO(TASK_READY) | TO(TASK_CLEANING) | TO(TASK_LANDED) |
					     TO(TASK_DONE) | TO(TASK_EJECTED)},
	[TASK_READY] = {"ready", TO(TASK_READY) | TO(TASK_LANDING) | TO(TASK_CLEANING) | TO(TASK_LANDED) |
					 TO(TASK_DONE) | TO(TASK_EJECTED)},
	[TASK_CLEANING] = {"cleaning", TO(TASK_LANDED) | TO(TASK_DONE)},
	[TASK_LANDED] = {"landed", 0},
	[TASK_DONE] = {"done", 0},
	[TASK_EJECTED] = {"ejected", 0},
	[TASK_FAILED] = {"failed", 0},
	[TASK_CANCELLED] = {"cancelled", 0},
};

const char *task_state_name(enum task_state state)
{
	return states[state].name;
}

static enum task_state state_of(const char *name)
{
	int i = 0;
	while (i < TASK_STATE_MAX_ - 1 && strcmp(states[i].name, name) != 0)
		i++;
	return (enum task_state)i;
}

bool task_final(enum task_state state)
{
	return states[state].to == 0;
}

void task_release(struct task *task)
{
	free(task->branch);
	free(task->target);
	json_decref(task->spec);
	json_decref(task->plan);
	*task = (struct task){0};
}

static void copy_id(char to[ID_SIZE], const char *from)
{
	(void)snprintf(to, ID_SIZE, "%s", from ? from : "");
}

static bool read_task(struct query *q, struct task *ret)
{
	if (!query_next(q))
		return false;
	task_release(ret);
	copy_id(ret->plan_id, query_text(q, 0));
	copy_id(ret->job_id, query_text(q, 1));
	copy_id(ret->peer_id, query_text(q, 2));
	copy_id(ret->worktree_id, query_text(q, 3));
	copy_id(ret->change_id, query_text(q, 4));
	copy_id(ret->repo_id, query_text(q, 5));
	ret->branch = query_dup(q, 6);
	ret->target = query_dup(q, 7);
	ret->state = state_of(query_text(q, 8));
	ret->spec = query_json(q, 9);
	ret->plan = query_json(q, 10);
	return true;
}

#define SELECT_TASK                                                                                          \
	"SELECT task.plan_id, task.job_id, task.peer_id, task.worktree_id, task.change_id, plan.repo_id, "   \
	"task.branch,"                                                                                       \
	" plan.target, task.state, task.spec, plan.spec FROM task JOIN plan ON plan.plan_id = task.plan_id " \
	"WHERE "

bool task_get(struct store *s, const char *plan_id, const char *branch, struct task *ret)
{
	autoquery q = db_query(s, SELECT_TASK "task.plan_id = ? AND task.branch = ?", "ss", plan_id, branch);
	return read_task(&q, ret);
}

bool task_of_job(struct store *s, const char *job_id, struct task *ret)
{
	autoquery q = db_query(s, SELECT_TASK "task.job_id = ?", "s", job_id);
	return read_task(&q, ret);
}

bool task_of_change(struct store *s, const char *change_id, struct task *ret)
{
	autoquery q =
		db_query(s,
			 SELECT_TASK
			 "task.plan_id = (SELECT plan_id FROM change WHERE change_id = ?1) AND task.branch ="
			 " (SELECT branch FROM change WHERE change_id = ?1)",
			 "s", change_id);
	return read_task(&q, ret);
}

void task_note(struct core *core, const struct task *task, const char *reason)
{
	const char *state = states[task->state].name;
	(void)db_run(core->store,
		     "UPDATE task SET state = ?, reason = ?, updated_at = ? WHERE plan_id = ? AND branch = ?",
		     "ssiss", state, reason, store_now(core->store), task->plan_id, task->branch);
	autofree char *kind = xasprintf("task.%s", state);
	json_t *data = json_object();
	json_set_str(data, "task", task->branch);
	json_set_str(data, "reason", reason);
	event_emit(core->store, kind, task->plan_id, task->plan_id, data);
}

/* An agent does not end by itself when its work is done. */
static void stop_agent(struct core *core, const struct task *task)
{
	int64_t effect;
	(void)spawn_kill(core, task->peer_id, &effect, NULL); /* or it is gone already */
}

void task_set(struct core *core, struct task *task, enum task_state state, const char *reason)
{
	if (!(states[task->state].to & TO(state))) {
		(void)fprintf(stderr, "coppice: bug: task %s cannot go from %s to %s\n", task->branch,
			      states[task->state].name, states[state].name);
		abort();
	}
	task->state = state;
	task_note(core, task, reason);
	if (ABORTED & TO(state))
		stop_agent(core, task);
	if (LOST & TO(state)) /* what was offered already and needs it would wait for ever */
		change_eject_dependants(core->store, task->repo_id, task->plan_id, task->branch, task->target,
					reason ? reason : states[state].name);
}

void task_fail(struct core *core, struct task *task, const char *reason)
{
	enum job_state ended;
	task_set(core, task, TASK_FAILED, reason);
	(void)job_cancel(core->store, task->job_id, NULL, reason, &ended, NULL); /* the job exists */
	(void)peer_offline(core->store, task->peer_id, CAUSE_RETIRED, NULL);	 /* or is gone already */
}

/* What its branch is cut from: the branch of its one need when stacked, else the target. */
static const char *base_of(const struct task *task)
{
	const char *start = json_str(task->spec, "start");
	const json_t *needs = json_object_get(task->spec, "needs");
	bool stacked = start && strcmp(start, "stacked") == 0 && json_array_size(needs) > 0;
	return stacked ? json_string_value(json_array_get(needs, 0)) : task->target;
}

static void use_worktree(struct core *core, struct task *task, const char *worktree_id)
{
	copy_id(task->worktree_id, worktree_id);
	(void)db_run(core->store, "UPDATE task SET worktree_id = ? WHERE plan_id = ? AND branch = ?", "sss",
		     worktree_id, task->plan_id, task->branch);
	worktree_set_peer(core->store, worktree_id, task->peer_id);
}

void task_create(struct core *core, struct task *task)
{
	autoworktree w = {0};
	if (worktree_of_branch(core->store, task->repo_id, task->branch, &w) &&
	    strcmp(w.state, "live") == 0) {
		use_worktree(core, task, w.id);
		task_spawn(core, task);
		return;
	}
	autofree char *main =
		db_text(core->store, "SELECT main FROM repo WHERE repo_id = ?", "s", task->repo_id);
	autofree char *name =
		db_text(core->store, "SELECT name FROM repo WHERE repo_id = ?", "s", task->repo_id);
	struct worktree_order order = {.repo_id = task->repo_id,
				       .repo_main = main,
				       .repo_name = name,
				       .branch = task->branch,
				       .base = base_of(task),
				       .peer_id = task->peer_id,
				       .plan_id = task->plan_id};
	autoerror err = {0};
	int64_t effect;
	char id[ID_SIZE];
	if (worktrees_create(core, &order, id, &effect, &err)) {
		task_fail(core, task, err.message);
		return;
	}
	use_worktree(core, task, id);
	task_set(core, task, TASK_CREATING, NULL);
}

static json_t *task_env(const struct task *task, const struct worktree *w)
{
	json_t *env = json_object();
	json_set_str(env, "COPPICE_PLAN", task->plan_id);
	json_set_str(env, "COPPICE_BRANCH", task->branch);
	json_set_str(env, "COPPICE_TARGET", task->target);
	json_set_str(env, "COPPICE_BASE_COMMIT", w->base_commit);
	if (json_str(task->plan, "push_to"))
		json_set_str(env, "COPPICE_REMOTE", json_str(task->plan, "push_to"));
	return env;
}

/* What an agent begins with: its job, and how it is to report. NULL for a plain command; caller frees. */
static char *task_prompt(struct core *core, const struct task *task)
{
	if (json_array_size(json_object_get(task->spec, "run")) > 0)
		return NULL;
	autofree char *text = db_text(core->store, "SELECT coalesce(text, title) FROM job WHERE job_id = ?",
				      "s", task->job_id);
	const char *remote = json_str(task->plan, "push_to");
	autofree char *push =
		remote ? xasprintf(" and push it: git push %s HEAD:refs/heads/%s", remote, task->branch)
		       : NULL;
	return xasprintf(
		"Your job %s, on branch %s (it lands on %s):\n\n%s\n\n"
		"Commit your work on this branch as you go%s. When all of it is committed, report it:"
		" job_update(job_id=\"%s\", state=\"completed\", summary=\"…\"). If it cannot be done:"
		" state=\"failed\" with the reason.",
		task->job_id, task->branch, task->target, text ? text : "", push ? push : "", task->job_id);
}

/* Whose words a plan is. */
static void plan_caller(struct core *core, const struct task *task, struct caller *ret)
{
	struct peer_ref peer;
	autofree char *by =
		db_text(core->store, "SELECT created_by FROM plan WHERE plan_id = ?", "s", task->plan_id);
	*ret = (struct caller){.kind = CALLER_UNKNOWN, .role = ROLE_UNKNOWN};
	(void)snprintf(ret->name, sizeof(ret->name), "unknown");
	if (by && peer_find(core->store, by, &peer))
		identity_of_peer(&peer, ret);
}

void task_spawn(struct core *core, struct task *task)
{
	struct store *s = core->store;
	autoworktree w = {0};
	autoerror err = {0};
	int64_t attempt, fence, effect;
	char spawn_id[ID_SIZE];
	if (!worktree_get(s, task->worktree_id, &w)) {
		task_fail(core, task, "its worktree is gone");
		return;
	}
	if (job_claim(s, task->job_id, task->peer_id, JOB_DISPATCHED, &attempt, &fence, &err)) {
		task_fail(core, task, err.message);
		return;
	}
	(void)db_run(s, "UPDATE peer SET path = ?, branch = ? WHERE peer_id = ?", "sss", w.path, w.branch,
		     task->peer_id);
	branch_own(s, task->repo_id, task->branch, task->peer_id);
	task_set(core, task, TASK_STARTING, NULL);
	json_auto_t *env = task_env(task, &w);
	autofree char *prompt = task_prompt(core, task);
	struct caller from;
	plan_caller(core, task, &from);
	struct spawn_order order = {.peer_id = task->peer_id,
				    .backend = json_str(task->spec, "backend"),
				    .path = w.path,
				    .profile = json_str(task->spec, "profile"),
				    .sandbox = json_str(task->spec, "sandbox"),
				    .prompt = prompt,
				    .from = &from,
				    .argv = json_object_get(task->spec, "run"),
				    .job_id = task->job_id,
				    .fence = fence,
				    .env = env};
	if (spawn_order(core, &order, spawn_id, &effect, &err))
		job_attempt_lost(s, task->job_id, fence, false, err.message);
}

void task_again(struct core *core, struct task *task, const char *reason)
{
	const char *retry = json_str(task->plan, "retry");
	autoworktree w = {0};
	if (spawn_running(core->store, task->peer_id))
		stop_agent(core, task);
	if (!retry || strcmp(retry, "fresh") != 0 || !worktree_get(core->store, task->worktree_id, &w) ||
	    strcmp(w.state, "removed") == 0) {
		task_set(core, task, TASK_WAITING, reason);
		return;
	}
	if (strcmp(w.state, "live") != 0) { /* somebody else removes it already */
		task_set(core, task, TASK_DISCARDING, reason);
		return;
	}
	/* The trash keeps what the failed attempt left, so every fact that it covers is waived. */
	json_auto_t *waive = json_pack("[s, s, s, s, s, s, s]", "clean", "untracked", "ignored", "reachable",
				       "landed", "operation", "stash");
	struct removal_order order = {.worktree_id = task->worktree_id,
				      .target = task->target,
				      .waive = waive,
				      .delete_branch = true,
				      .leaving = true};
	task_set(core, task, TASK_DISCARDING, reason);
	(void)worktrees_remove(core, &order);
}

/* Says which need of the task is in one of the states; caller frees, NULL if none is. */
static char *need_in(struct store *s, const struct task *task, unsigned mask)
{
	size_t i;
	json_t *need;
	json_array_foreach(json_object_get(task->spec, "needs"), i, need)
	{
		autofree char *state = db_text(s, "SELECT state FROM task WHERE plan_id = ? AND branch = ?",
					       "ss", task->plan_id, json_string_value(need));
		if (state && (mask & TO(state_of(state))))
			return xasprintf("needs %s, which is %s", json_string_value(need), state);
	}
	return NULL;
}

void task_offer(struct core *core, struct task *task)
{
	if (task_final(task->state))
		return;
	if (db_int(core->store, 0, "SELECT count(*) FROM plan WHERE plan_id = ? AND state = 'cancelling'",
		   "s", task->plan_id)) {
		task_set(core, task, TASK_EJECTED, "the plan was cancelled");
		return;
	}
	autofree char *lost = need_in(core->store, task, LOST);
	const char *via = json_str(task->plan, "via");
	if (lost) {
		task_set(core, task, TASK_EJECTED, lost);
		return;
	}
	if (via && strcmp(via, "none") == 0) {
		task_set(core, task, TASK_READY, "the plan lands nothing (land.via: none)");
		return;
	}
	autoworktree w = {0};
	(void)worktree_get(core->store, task->worktree_id,
			   &w); /* without it there is no recorded base, only that */
	json_t *gate = json_object_get(task->plan, "gate");
	const json_t *needs = json_object_get(task->spec, "needs");
	const char **names = xcalloc(json_array_size(needs) + 1, sizeof(*names));
	for (size_t i = 0; i < json_array_size(needs); i++)
		names[i] = json_string_value(json_array_get(needs, i));
	struct change_spec spec = {.repo_id = task->repo_id,
				   .plan_id = task->plan_id,
				   .branch = task->branch,
				   .target = task->target,
				   .how = json_str(task->plan, "how"),
				   .base_commit = w.base_commit,
				   .gate = json_is_array(gate) ? gate : NULL,
				   .gate_tries = 1,
				   .needs = names};
	autoerror err = {0};
	char change_id[ID_SIZE];
	if (change_add(core->store, &spec, change_id, &err))
		task_set(core, task, TASK_EJECTED, err.message);
	free(names);
}

/* A landed change that moved the target nowhere had nothing in it. */
static enum task_state outcome(struct store *s, const struct task *task)
{
	return db_int(s, 0,
		      "SELECT count(*) FROM change WHERE plan_id = ? AND branch = ? AND state = 'landed'"
		      " AND landed_as IS NOT NULL",
		      "ss", task->plan_id, task->branch) > 0
		       ? TASK_LANDED
		       : TASK_DONE;
}

void task_clean(struct core *core, struct task *task, const char *reason)
{
	autoworktree w = {0};
	if (!worktree_get(core->store, task->worktree_id, &w) || strcmp(w.state, "live") != 0) {
		task_set(core, task, outcome(core->store, task), reason);
		return;
	}
	struct removal_order order = {.worktree_id = w.id, .target = task->target, .leaving = true};
	task_set(core, task, TASK_CLEANING, reason);
	stop_agent(core, task);
	(void)worktrees_remove(core, &order);
}

void task_cleaned(struct core *core, struct task *task, const char *kept_because)
{
	autofree char *was = db_text(core->store, "SELECT reason FROM task WHERE plan_id = ? AND branch = ?",
				     "ss", task->plan_id, task->branch);
	autofree char *kept = kept_because ? xasprintf("its worktree was kept: %.400s", kept_because) : NULL;
	task_set(core, task, outcome(core->store, task), kept ? kept : was);
}

/* Whether a waiting task may start now; `ret_lost` is the reason (caller frees) why it never can. */
static bool may_start(struct store *s, const struct task *task, char **ret_lost)
{
	const char *start = json_str(task->spec, "start");
	bool after = strcmp(start, "after") == 0;
	*ret_lost = need_in(s, task, after ? LOST | TO(TASK_READY) : LOST);
	if (*ret_lost || strcmp(start, "parallel") == 0)
		return !*ret_lost;
	autofree char *open =
		need_in(s, task, after ? UNFINISHED | TO(TASK_LANDING) | TO(TASK_CLEANING) : UNFINISHED);
	return !open;
}

static void end_plan(struct core *core, const char *plan_id)
{
	struct store *s = core->store;
	const char *state =
		db_int(s, 0, "SELECT count(*) FROM plan WHERE plan_id = ? AND state = 'cancelling'", "s",
		       plan_id)
			? "cancelled"
			: "done";
	(void)db_run(s, "UPDATE plan SET state = ?, ended_at = ? WHERE plan_id = ?", "sis", state,
		     store_now(s), plan_id);
	autofree char *kind = xasprintf("plan.%s", state);
	event_emit(s, kind, plan_id, plan_id, NULL);
}

void plan_advance(struct core *core, const char *plan_id)
{
	struct store *s = core->store;
	if (!db_int(s, 0, "SELECT count(*) FROM plan WHERE plan_id = ? AND ended_at IS NULL", "s", plan_id))
		return;
	int64_t busy = db_int(s, 0,
			      "SELECT count(*) FROM task WHERE plan_id = ?"
			      " AND state IN ('creating','starting','running','discarding')",
			      "s", plan_id);
	int64_t parallel = db_int(s, 1, "SELECT json_extract(spec, '$.parallel') FROM plan WHERE plan_id = ?",
				  "s", plan_id);
	autoquery q = db_query(s,
			       SELECT_TASK "task.plan_id = ? AND task.state = 'waiting'"
					   " AND plan.state = 'running' ORDER BY task.n",
			       "s", plan_id);
	autotask task = {0};
	while (read_task(&q, &task)) {
		autofree char *lost = NULL;
		if (may_start(s, &task, &lost) && busy < parallel) {
			task_create(core, &task);
			busy++;
		} else if (lost) {
			task_fail(core, &task, lost);
		}
	}
	query_release(&q);
	int64_t open = db_int(s, 0,
			      "SELECT count(*) FROM task WHERE plan_id = ?"
			      " AND state NOT IN ('landed','done','ejected','failed','cancelled','ready')",
			      "s", plan_id);
	if (!open)
		end_plan(core, plan_id);
}

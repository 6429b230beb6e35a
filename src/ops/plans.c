/* Operations on plans and landing. */
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "base/text.h"
#include "flow/plan_run.h"
#include "mesh/ask.h"
#include "mesh/message.h"
#include "ops/place.h"
#include "ops/spawning.h"
#include "ops/table.h"
#include "repo/change.h"
#include "work/job.h"
#include "work/plan_file.h"

enum { PLAN_TEXT_MAX = 1 << 20, BRANCHES_MAX = 100, LIST_LIMIT = 50 };

static int check_agent(const char *backend, const char *profile, const char *sandbox, void *data,
		       struct error *err)
{
	const struct agent_backend *known = agent_backend_find(backend);
	if (!known)
		return error_set(err, ERR_UNSUPPORTED, "backend '%s' is not in this version", backend);
	int code = spawning_check_agent(data, known, profile, err);
	if (code)
		return code;
	const struct core *core = data;
	const json_t *settings = profile ? config_profile(core->config, backend, profile) : NULL;
	const char *permissions = settings ? json_str(settings, "permissions") : NULL;
	if (sandbox && strcmp(sandbox, "none") == 0 && permissions && strcmp(permissions, "auto") == 0)
		return error_hint(err,
				  error_set(err, ERR_INVALID,
					    "the profile %s has permissions: auto, which"
					    " requires a sandbox",
					    profile),
				  "take 'sandbox: none' out of the plan");
	return 0;
}

static struct plan_source source_of(const struct op_call *call)
{
	const char *text = op_text(call, "text");
	const char *file = op_text(call, "file");
	return (struct plan_source){.file = file ? file : "plan",
				    .text = text ? text : "",
				    .len = text ? strlen(text) : 0,
				    .dir = op_text(call, "plan_dir"),
				    .cwd = op_text(call, "dir"),
				    .default_backend = "script",
				    .check_agent = check_agent,
				    .data = call->core};
}

/* What a plan may ask for and this version cannot do is refused before anything is created, never ignored. */
static int check_supported(const struct plan_file *plan, struct error *err)
{
	const char *what = plan->via == PLAN_VIA_PR ? "land.via: pr"
			   : plan->review.present   ? "review"
			   : plan->land_push	    ? "land.push: true"
						    : NULL;
	if (!what)
		return 0;
	return error_hint(err, error_set(err, ERR_UNSUPPORTED, "'%s' is not in this version", what),
			  "take it out of the plan");
}

static json_t *dry_run(const struct plan_file *plan, const char *target)
{
	size_t order[PLAN_TASKS_MAX];
	plan_file_order(plan, order);
	json_t *branches = json_array();
	for (size_t i = 0; i < plan->n_tasks; i++)
		json_array_append_new(branches, json_string(plan->tasks[order[i]].branch));
	json_t *answer = json_pack("{s:o, s:o}", "order", branches, "plan_file", plan_file_to_json(plan));
	json_set_str(answer, "target", target);
	return answer;
}

static int check_runnable(struct op_call *call, const struct place *place, const struct plan_file *plan,
			  struct error *err)
{
	int code = check_supported(plan, err);
	if (!code && !plan->into)
		code = error_hint(err, error_set(err, ERR_INVALID, "the plan names no target branch"),
				  "add: into: main");
	if (!code && json_bool(place->described, "unborn", false))
		code = error_hint(err, error_set(err, ERR_REFUSED, "%s has no commit yet", place->name),
				  "make a first commit, so that branches can be cut from it");
	return code ? code : place_check_spawn(call, "script", place->main ? place->main : "/", err);
}

static int start_plan(struct op_call *call, const struct place *place, struct plan_file *plan, json_t **ret,
		      struct error *err)
{
	int code = check_runnable(call, place, plan, err);
	if (code)
		return code;
	plan->parallel = json_int(call->params, "parallel", plan->parallel);
	if (json_bool(call->params, "dry_run", false)) {
		*ret = dry_run(plan, plan->into);
		return 0;
	}
	const char *file = op_text(call, "file");
	struct plan_order order = {.plan = plan,
				   .file = file ? file : "plan",
				   .dir = op_text(call, "dir"),
				   .repo_id = place->repo_id,
				   .target = plan->into,
				   .circle = plan->circle ? plan->circle : call->caller->circle,
				   .created_by = call->caller->peer_id[0] ? call->caller->peer_id : NULL};
	char id[ID_SIZE];
	code = plan_begin(call->core, &order, id, err);
	if (!code)
		*ret = plan_to_json(call->store, id);
	return code;
}

static int handle_orchestrator(struct op_call *call, json_t **ret, struct error *err)
{
	(void)err;
	struct store *s = call->store;
	const char *self = call->caller->kind == CALLER_PEER ? call->caller->peer_id : NULL;
	json_auto_t *peers =
		peer_list(s, call->caller->kind == CALLER_PEER ? call->caller->circle : NULL, false);
	json_auto_t *asks = ask_list(s, self);
	json_auto_t *plans = plan_list(s, LIST_LIMIT);
	*ret = json_pack("{s:O, s:O, s:o, s:O, s:I}", "peers", json_object_get(peers, "peers"), "asks",
			 json_object_get(asks, "asks"), "jobs", job_counts(s), "plans",
			 json_object_get(plans, "plans"), "waiting", (json_int_t)message_waiting(s, self));
	return 0;
}

const struct op op_orchestrator_status = {
	.name = "orchestrator_status",
	.summary = "All at a glance: peers, open asks, jobs by state, plans.",
	.params = (const struct op_param[]){{0}},
	.result = "{\"peers\":[…],\"asks\":[…],\"jobs\",\"plans\":[…],\"waiting\"}",
	.who = BY_LEADERS,
	.tools = TOOL_ORCHESTRATOR,
	.handle = handle_orchestrator,
};

static int handle_run(struct op_call *call, json_t **ret, struct error *err)
{
	struct plan_source src = source_of(call);
	autofree char *repo = NULL;
	int code = plan_file_repo(&src, &repo, err);
	if (code)
		return code;
	if (!call->work_result)
		return op_work(call, "repo.find", json_pack("{s:s}", "dir", repo));
	autoplace place = {0};
	code = place_open(call, &place, err);
	if (code)
		return code;
	src.repo_root = place.main;
	src.target = config_str(place.config, "worktrees.target");
	if (!src.target)
		src.target = place.head_branch;
	autoplan *plan = NULL;
	code = plan_file_parse(&src, &plan, err);
	for (size_t i = 0; !code && i < plan->n_tasks; i++)
		code = place_check_gone(call, &place, plan->tasks[i].branch, err);
	return code ? code : start_plan(call, &place, plan, ret, err);
}

const struct op op_plan_run = {
	.name = "plan_run",
	.summary = "Run a plan: a branch, a worktree and a worker for each task, landed in dependency order.",
	.params =
		(const struct op_param[]){
			{"text", OP_TEXT, OP_REQUIRED | OP_MULTILINE, "the plan file's text", PLAN_TEXT_MAX,
			 0},
			{"file", OP_TEXT, 0, "its name, for messages", 4096, 0},
			{"plan_dir", OP_TEXT, 0, "its folder, in which prompt files are looked for", 4096, 0},
			{"dir", OP_TEXT, OP_REQUIRED, "what the plan's `repo` is relative to", 4096, 0},
			{"parallel", OP_NUMBER, 0, "tasks at a time", PLAN_PARALLEL_MAX, 1},
			{"dry_run", OP_FLAG, 0, "check it and show the order, create nothing", 0, 0},
			{0}},
	.result = "{\"plan\",\"file\",\"state\",\"target\",\"tasks\":[{\"task\",\"state\",\"reason\",\"job\","
		  "\"peer\",\"path\"}],"
		  "\"landed\",\"ready\",\"ejected\",\"failed\",\"commit\"}",
	.who = BY_LEADERS,
	.flags = OP_CHANGES,
	.tools = TOOL_ORCHESTRATOR,
	.handle = handle_run,
};

static int handle_status(struct op_call *call, json_t **ret, struct error *err)
{
	const char *id = op_text(call, "plan");
	if (!id) {
		*ret = plan_list(call->store, LIST_LIMIT);
		return 0;
	}
	*ret = plan_to_json(call->store, id);
	return *ret ? 0
		    : error_hint(err, error_set(err, ERR_NOT_FOUND, "there is no plan '%s'", id),
				 "see: coppice plan status");
}

const struct op op_plan_status = {
	.name = "plan_status",
	.summary = "A plan with its tasks; without an id, the plans.",
	.params = (const struct op_param[]){{"plan", OP_TEXT, 0, "the plan", 64, 0}, {0}},
	.result = "{\"plan\",\"state\",\"tasks\":[…]} or {\"plans\":[…]}",
	.who = BY_ANYONE,
	.tools = TOOL_ORCHESTRATOR,
	.handle = handle_status,
};

static int handle_plan_cancel(struct op_call *call, json_t **ret, struct error *err)
{
	const char *id = op_text(call, "plan");
	int code = plan_cancel(call->core, id, call->caller->peer_id[0] ? call->caller->peer_id : NULL, err);
	if (!code)
		*ret = plan_to_json(call->store, id);
	return code;
}

const struct op op_plan_cancel = {
	.name = "plan_cancel",
	.summary = "Stop a plan: what has not landed stays on its branch.",
	.params = (const struct op_param[]){{"plan", OP_TEXT, OP_REQUIRED, "the plan", 64, 0}, {0}},
	.result = "{\"plan\",\"state\",\"tasks\"}",
	.who = BY_LEADERS,
	.flags = OP_CHANGES,
	.handle = handle_plan_cancel,
};

/* The gate of a change outside a plan: hooks.pre-land, the user's own only (a repository's needs trust, W10).
 */
static const json_t *configured_gate(const struct core *core)
{
	enum config_layer layer;
	config_origin(core->config, "hooks.pre-land", &layer, NULL);
	const json_t *gate = config_list(core->config, "hooks.pre-land");
	return layer != CONFIG_REPO && json_array_size(gate) > 0 ? gate : NULL;
}

/* L1: refuses, before anything is added, a branch whose needs neither have landed nor come along. */
static int check_needs(struct op_call *call, const struct place *place, const char *branch,
		       const char *target, struct error *err)
{
	autoquery q =
		db_query(call->store,
			 "SELECT d.needs FROM change AS c JOIN change_dep AS d ON d.change_id = c.change_id"
			 " WHERE c.repo_id = ?1 AND c.branch = ?2 AND c.target = ?3 AND c.ended_at IS NULL"
			 " AND NOT EXISTS (SELECT 1 FROM change AS n WHERE n.repo_id = ?1 AND n.target = ?3"
			 "  AND n.branch = d.needs AND n.plan_id IS c.plan_id AND n.state = 'landed')",
			 "sss", place->repo_id, branch, target);
	while (query_next(&q)) {
		const char *need = query_text(&q, 0);
		bool along = false;
		size_t i;
		json_t *b;
		json_array_foreach(json_object_get(call->params, "branches"), i, b) along =
			along || strcmp(json_string_value(b), need) == 0;
		if (!along)
			return error_hint(err,
					  error_set(err, ERR_REFUSED, "%s needs %s, which has not landed",
						    branch, need),
					  "land both: coppice land %s %s", need, branch);
	}
	return 0;
}

static int offer(struct op_call *call, const struct place *place, const char *branch, const char *target,
		 json_t *changes, struct error *err)
{
	int code = branch_name_check(branch, err);
	if (!code)
		code = check_needs(call, place, branch, target, err);
	if (!code && strcmp(branch, target) == 0)
		code = error_set(err, ERR_INVALID, "%s cannot land into itself", branch);
	if (code)
		return code;
	autofree char *base = db_text(call->store,
				      "SELECT base_commit FROM worktree WHERE repo_id = ? AND branch = ?"
				      " ORDER BY created_at DESC LIMIT 1",
				      "ss", place->repo_id, branch);
	/* A plan's gate stays the gate of its change; a person's word lands one that has none (L4). */
	autofree char *kept =
		db_text(call->store,
			"SELECT gate FROM change WHERE repo_id = ? AND branch = ? AND target = ?"
			" ORDER BY seq DESC LIMIT 1",
			"sss", place->repo_id, branch, target);
	json_auto_t *planned = kept ? json_loads(kept, 0, NULL) : NULL;
	bool none = json_bool(call->params, "no_gate", false);
	json_auto_t *empty = json_array();
	const char *how = op_text(call, "how");
	struct change_spec spec = {.repo_id = place->repo_id,
				   .branch = branch,
				   .target = target,
				   .how = how ? how : "squash",
				   .base_commit = base,
				   .gate = none	     ? empty
					   : planned ? planned
						     : configured_gate(call->core),
				   .gate_tries = 1,
				   .approved = call->caller->kind != CALLER_PEER};
	char id[ID_SIZE];
	code = change_add(call->store, &spec, id, err);
	if (!code)
		json_array_append_new(changes, json_string(id));
	return code;
}

static int begin_land(struct op_call *call, struct error *err)
{
	autoplace place = {0};
	int code = place_find(call, json_object_get(call->params, "branches"), &place, err);
	if (code)
		return code;
	const char *target = place_target(call, &place, "into");
	const char *how = op_text(call, "how");
	if (json_bool(call->params, "no_gate", false) && call->caller->kind == CALLER_PEER)
		return error_set(err, ERR_FORBIDDEN, "only the human lands without the gate");
	if (!target)
		return error_hint(err, error_set(err, ERR_INVALID, "there is no target branch to land into"),
				  "name it: --into main");
	if (how && strcmp(how, "squash") != 0 && strcmp(how, "rebase") != 0 && strcmp(how, "merge") != 0)
		return error_set(err, ERR_INVALID, "'how' is squash, rebase or merge");
	json_auto_t *changes = json_array();
	size_t i;
	json_t *branch;
	json_array_foreach(json_object_get(call->params, "branches"), i, branch)
	{
		code = offer(call, &place, json_string_value(branch), target, changes, err);
		if (code)
			return code;
	}
	call->state = json_pack("{s:O, s:s}", "changes", changes, "target", target);
	return 0;
}

static int handle_land(struct op_call *call, json_t **ret, struct error *err)
{
	int code = call->state ? 0 : begin_land(call, err);
	if (code)
		return code;
	json_auto_t *changes = json_array();
	size_t i;
	json_t *id;
	json_array_foreach(json_object_get(call->state, "changes"), i, id)
	{
		autochange c = {0};
		if (!change_get(call->store, json_string_value(id), &c))
			return error_set(err, ERR_INTERNAL, "a change's row is gone");
		if (strcmp(c.state, "queued") == 0 || strcmp(c.state, "building") == 0 ||
		    strcmp(c.state, "testing") == 0)
			return op_wait(call, c.id, 0);
		json_array_append_new(changes, change_to_json(call->store, c.id));
	}
	*ret = json_pack("{s:O, s:O}", "target", json_object_get(call->state, "target"), "changes", changes);
	return 0;
}

#define TRAIN_SHAPE                                                                                          \
	"{\"target\",\"changes\":[{\"branch\",\"state\",\"needs\",\"head\",\"landed_as\","                   \
	"\"gate\":[{\"command\",\"result\",\"tree\",\"tries\"}],\"reason\"}]}"

const struct op op_land = {
	.name = "land",
	.summary = "Land branches through the train: built and gated on the exact tree, in dependency order.",
	.params = (const struct op_param[]){PLACE_DIR_PARAM,
					    {"branches", OP_TEXTS, OP_REQUIRED, "the branches", BRANCHES_MAX,
					     0},
					    {"into", OP_TEXT, 0, "the target branch", 200, 0},
					    {"how", OP_TEXT, 0, "squash (default), rebase or merge", 16, 0},
					    {"no_gate", OP_FLAG, 0, "land without a gate, and say so", 0, 0},
					    {0}},
	.result = TRAIN_SHAPE,
	.who = BY_LEADERS,
	.flags = OP_CHANGES,
	.tools = TOOL_ORCHESTRATOR,
	.handle = handle_land,
};

static int handle_train(struct op_call *call, json_t **ret, struct error *err)
{
	autoplace place = {0};
	int code = place_find(call, NULL, &place, err);
	if (code)
		return code;
	const char *target = place_target(call, &place, "target");
	if (!target)
		return error_hint(err, error_set(err, ERR_INVALID, "there is no target branch"),
				  "name it: coppice train main");
	*ret = change_train_json(call->store, place.repo_id, target, NULL);
	return 0;
}

const struct op op_train_status = {
	.name = "train_status",
	.summary = "The train of a target: what is queued, what is built, what landed.",
	.params = (const struct op_param[]){PLACE_DIR_PARAM,
					    {"target", OP_TEXT, 0, "the target branch", 200, 0},
					    {0}},
	.result = TRAIN_SHAPE,
	.who = BY_ANYONE,
	.tools = TOOL_ORCHESTRATOR,
	.handle = handle_train,
};

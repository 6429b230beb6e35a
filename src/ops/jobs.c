/* Operations on jobs. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "mesh/message.h"
#include "mesh/route.h"
#include "ops/table.h"
#include "work/job.h"

#define JOB_SHAPE                                                                                            \
	"{\"job_id\",\"title\",\"state\",\"reason\",\"needs\",\"attempt\",\"fence\",\"branch\",\"peer\","    \
	"\"result\":{\"summary\",\"data\",\"artifacts\"}}"

static const char *self(const struct op_call *call)
{
	return call->caller->peer_id[0] ? call->caller->peer_id : NULL;
}

/* S8: an agent, or a reviewer, has a say in its own jobs only. */
static bool is_agent(const struct op_call *call)
{
	return call->caller->kind == CALLER_PEER && call->caller->role != ROLE_ORCHESTRATOR;
}

/* Jobs that shall wait for the new one are held up by it: an agent may do that to its own. */
static int check_needed_by(struct op_call *call, const char *const *needed_by, struct error *err)
{
	for (; is_agent(call) && needed_by && *needed_by; needed_by++)
		if (!db_int(call->store, 0,
			    "SELECT count(*) FROM job WHERE job_id = ?1 AND (created_by = ?2 OR peer_id = "
			    "?2)",
			    "ss", *needed_by, call->caller->peer_id))
			return error_set(err, ERR_FORBIDDEN, "'needed_by' names a job that is not yours");
	return 0;
}

/* A job that is meant for a peer reaches it as a message; what the job waits for, it learns there too. */
static int tell_executor(struct op_call *call, const struct peer_ref *peer, const char *id, struct error *err)
{
	char message[ID_SIZE];
	const char *text = op_text(call, "text");
	bool waits = json_array_size(json_object_get(call->params, "needs")) > 0;
	autofree char *body =
		xasprintf("Your job %s: %s%s%s\n\nReport it with job_update(job_id=\"%s\", …): running"
			  " when you begin, completed with a summary, or failed or blocked with the"
			  " reason.%s",
			  id, op_text(call, "title"), text ? "\n\n" : "", text ? text : "", id,
			  waits ? " It may begin once the jobs that it needs are completed: job_status"
				  " tells."
				: "");
	struct message_new m = {
		.kind = MESSAGE_NOTIFY, .from = call->caller, .to = peer->peer_id, .text = body, .about = id};
	if (strcmp(peer->peer_id, call->caller->peer_id) == 0)
		return 0;
	return message_store(call->store, &call->core->limits, &m, message, err);
}

static int handle_create(struct op_call *call, json_t **ret, struct error *err)
{
	struct peer_ref peer = {0};
	const char *name = op_text(call, "peer_name");
	int code = name ? route_resolve(call->store, &call->core->limits, call->caller, name,
					op_text(call, "circle"), &peer, err)
			: 0;
	if (code)
		return code;
	autofree const char **needs = op_texts(call, "needs");
	autofree const char **needed_by = op_texts(call, "needed_by");
	code = check_needed_by(call, needed_by, err);
	if (code)
		return code;
	struct job_spec spec = {.title = op_text(call, "title"),
				.text = op_text(call, "text"),
				.branch = op_text(call, "branch"),
				.peer_id = name ? peer.peer_id : NULL,
				.created_by = self(call),
				.needs = needs,
				.needed_by = needed_by,
				.max_attempts = (int)json_int(call->params, "attempts", 1)};
	char id[ID_SIZE];
	code = job_create(call->store, &spec, id, err);
	if (!code && name)
		code = tell_executor(call, &peer, id, err);
	if (!code)
		*ret = job_to_json(call->store, id, false);
	return code;
}

const struct op op_job_create = {
	.name = "job_create",
	.summary = "Create a durable job, which may depend on others.",
	.params =
		(const struct op_param[]){
			{"title", OP_TEXT, OP_REQUIRED, "one line", JOB_TITLE_MAX, 0},
			{"text", OP_TEXT, OP_MULTILINE, "what is to be done", JOB_TEXT_MAX, 0},
			{"needs", OP_TEXTS, 0, "jobs that must be completed first", JOB_NEEDS_MAX, 0},
			{"needed_by", OP_TEXTS, 0, "waiting jobs that shall need this one", JOB_NEEDS_MAX, 0},
			{"branch", OP_TEXT, 0, "the branch it is about", 200, 0},
			{"peer_name", OP_TEXT, 0, "who is to do it; without, whoever claims it", 300, 0},
			{"circle", OP_TEXT, 0, "the circle of that name", 64, 0},
			{"attempts", OP_NUMBER, 0, "how often it may be tried", 100, 1},
			{0}},
	.result = JOB_SHAPE,
	.who = BY_KNOWN,
	.flags = OP_CHANGES,
	.tools = TOOL_ORCHESTRATOR,
	.handle = handle_create,
};

static int handle_list(struct op_call *call, json_t **ret, struct error *err)
{
	const char *state = op_text(call, "state");
	if (state && job_state_of(state) == JOB_STATE_INVALID)
		return error_set(err, ERR_INVALID, "there is no job state of that name");
	*ret = job_list(call->store, state, op_text(call, "plan"), NULL,
			(int)json_int(call->params, "limit", 200));
	return 0;
}

const struct op op_job_list = {
	.name = "job_list",
	.summary = "The jobs, newest first.",
	.params = (const struct op_param[]){{"state", OP_TEXT, 0, "only those in this state", 32, 0},
					    {"plan", OP_TEXT, 0, "only those of this plan", 64, 0},
					    {"limit", OP_NUMBER, 0, "at most so many", 1000, 1},
					    {0}},
	.result = "{\"jobs\":[" JOB_SHAPE "]}",
	.who = BY_ANYONE,
	.tools = TOOL_ORCHESTRATOR,
	.handle = handle_list,
};

static int shown(struct op_call *call, const char *id, bool full, json_t **ret, struct error *err)
{
	struct job job;
	int code = job_get(call->store, id, &job, err);
	if (!code)
		*ret = job_to_json(call->store, id, full);
	return code;
}

/* The job of an agent's own: the one that it was last given. */
static char *own_job(struct op_call *call)
{
	return db_text(call->store,
		       "SELECT job_id FROM job WHERE peer_id = ? ORDER BY updated_at DESC LIMIT 1", "s",
		       call->caller->peer_id);
}

static int handle_status(struct op_call *call, json_t **ret, struct error *err)
{
	const char *id = op_text(call, "job_id");
	autofree char *own = id ? NULL : own_job(call);
	if (!id && !own)
		return error_hint(err, error_set(err, ERR_NOT_FOUND, "you have no job"),
				  "see: coppice job list");
	return shown(call, id ? id : own, true, ret, err);
}

const struct op op_job_status = {
	.name = "job_status",
	.summary = "A job with its attempts and requests; without an id, your own.",
	.params = (const struct op_param[]){{"job_id", OP_TEXT, 0, "the job", 64, 0}, {0}},
	.result = JOB_SHAPE,
	.who = BY_ANYONE,
	.tools = TOOL_WORKER,
	.handle = handle_status,
};

static int handle_result(struct op_call *call, json_t **ret, struct error *err)
{
	json_auto_t *job = NULL;
	int code = shown(call, op_text(call, "job_id"), false, &job, err);
	if (!code)
		*ret = json_pack("{s:O, s:O, s:O, s:O}", "job_id", json_object_get(job, "job_id"), "state",
				 json_object_get(job, "state"), "reason", json_object_get(job, "reason"),
				 "result", json_object_get(job, "result"));
	return code;
}

const struct op op_job_result = {
	.name = "job_result",
	.summary = "What a job came to.",
	.params = (const struct op_param[]){{"job_id", OP_TEXT, OP_REQUIRED, "the job", 64, 0}, {0}},
	.result = "{\"job_id\",\"state\",\"reason\",\"result\":{\"summary\",\"data\",\"artifacts\"}}",
	.who = BY_ANYONE,
	.tools = TOOL_ORCHESTRATOR,
	.handle = handle_result,
};

static int handle_claim(struct op_call *call, json_t **ret, struct error *err)
{
	int64_t attempt, fence;
	const char *id = op_text(call, "job_id");
	int code = job_claim(call->store, id, self(call), JOB_RUNNING, &attempt, &fence, err);
	if (!code)
		*ret = job_to_json(call->store, id, true);
	return code;
}

const struct op op_job_claim = {
	.name = "job_claim",
	.summary = "Take a ready job: its answer holds the attempt and the fence that updates must name.",
	.params = (const struct op_param[]){{"job_id", OP_TEXT, OP_REQUIRED, "the job", 64, 0}, {0}},
	.result = JOB_SHAPE,
	.who = BY_KNOWN,
	.flags = OP_CHANGES,
	.handle = handle_claim,
};

/* S8: an agent reports on its own job only. */
static int check_own(struct op_call *call, const struct job *job, struct error *err)
{
	if (!is_agent(call) || strcmp(job->peer_id, call->caller->peer_id) == 0)
		return 0;
	return error_set(err, ERR_FORBIDDEN, "%s is not your job", job->id);
}

/* Whether this is the first word on a job that waits for the caller: it then takes it. Who names a fence has
 * taken it before, and may be too late. */
static bool is_meant_for_caller(const struct op_call *call, const struct job *job)
{
	return job->state == JOB_READY && job->peer_id[0] &&
	       strcmp(job->peer_id, call->caller->peer_id) == 0 && !json_object_get(call->params, "fence");
}

static int handle_update(struct op_call *call, json_t **ret, struct error *err)
{
	const char *given = op_text(call, "job_id");
	autofree char *own = given ? NULL : own_job(call);
	const char *id = given ? given : own ? own : "";
	struct job job;
	int code = job_get(call->store, id, &job, err);
	if (!code)
		code = check_own(call, &job, err);
	if (code)
		return code;
	struct job_change change = {.state = job_state_of(op_text(call, "state")),
				    .reason = op_text(call, "reason"),
				    .summary = op_text(call, "summary"),
				    .data = json_object_get(call->params, "data"),
				    .artifacts = json_object_get(call->params, "artifacts")};
	if (change.state == JOB_STATE_INVALID)
		return error_set(err, ERR_INVALID, "there is no job state of that name");
	/* Without a fence the caller means the attempt that is its own now. */
	int64_t fence = json_int(call->params, "fence", job.fence);
	bool taken = is_meant_for_caller(call, &job);
	if (taken) {
		int64_t attempt;
		code = job_claim(call->store, id, job.peer_id, JOB_RUNNING, &attempt, &fence, err);
	}
	if (!code && !(taken && change.state == JOB_RUNNING))
		code = job_update(call->store, id, fence, &change, err);
	if (!code)
		*ret = job_to_json(call->store, id, false);
	return code;
}

const struct op op_job_update = {
	.name = "job_update",
	.summary = "Report on a job: running, awaiting_input, blocked, completed, failed or cancelled.",
	.params =
		(const struct op_param[]){
			{"job_id", OP_TEXT, 0, "the job; without, your own", 64, 0},
			{"state", OP_TEXT, OP_REQUIRED, "its new state", 32, 0},
			{"fence", OP_NUMBER, 0, "the fence of your attempt", 0, 0},
			{"reason", OP_TEXT, OP_MULTILINE, "why", JOB_SUMMARY_MAX, 0},
			{"summary", OP_TEXT, OP_MULTILINE, "the result in words", JOB_SUMMARY_MAX, 0},
			{"data", OP_OBJECT, 0, "the result as data", 0, 0},
			{"artifacts", OP_ANY, 0, "[{\"kind\",\"value\"}]: branch, commit, file, …", 0, 0},
			{0}},
	.result = JOB_SHAPE,
	.who = BY_KNOWN,
	.flags = OP_CHANGES,
	.tools = TOOL_WORKER,
	.handle = handle_update,
};

static int handle_cancel(struct op_call *call, json_t **ret, struct error *err)
{
	enum job_state state;
	const char *id = op_text(call, "job_id");
	int code = job_cancel(call->store, id, self(call), op_text(call, "reason"), &state, err);
	if (!code)
		*ret = job_to_json(call->store, id, true);
	return code;
}

const struct op op_job_cancel = {
	.name = "job_cancel",
	.summary = "Ask for a job to stop; a job that has ended stays as it is.",
	.params = (const struct op_param[]){{"job_id", OP_TEXT, OP_REQUIRED, "the job", 64, 0},
					    {"reason", OP_TEXT, OP_MULTILINE, "why", 1024, 0},
					    {0}},
	.result = JOB_SHAPE,
	.who = BY_LEADERS,
	.flags = OP_CHANGES | OP_SETTLES,
	.tools = TOOL_ORCHESTRATOR,
	.handle = handle_cancel,
};

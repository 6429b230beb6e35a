/* What the tests of ops/ share: callers of every kind, and calls run as the daemon's turn runs them. Included
 * by test programs only. */
#ifndef OPS_TESTING_H
#define OPS_TESTING_H

#include "flow/testing.h"

#include "ops/op.h"

enum { UNKNOWN, AGENT, REVIEWER, ORCHESTRATOR, SERVICE, HUMAN, CALLERS };

static inline void make_callers(struct rig *r, struct caller ret[CALLERS])
{
	struct peer_ref agent = world_agent(r->w, "agent", NULL, NULL);
	struct peer_ref reviewer = world_agent(r->w, "reviewer", NULL, "reviewer");
	struct peer_ref orchestrator = world_agent(r->w, "orchestrator", NULL, "orchestrator");
	ret[UNKNOWN] = world_unknown(r->w);
	ret[AGENT] = world_caller(&agent);
	ret[REVIEWER] = world_caller(&reviewer);
	ret[ORCHESTRATOR] = world_caller(&orchestrator);
	ret[SERVICE] = world_surface(r->w, ROLE_SERVICE);
	ret[HUMAN] = world_surface(r->w, ROLE_HUMAN);
}

/* One run of a call, as the turn does it: an error takes back what the handler wrote. */
static inline int run(struct rig *r, struct op_call *call, json_t **ret, struct error *err)
{
	store_save(r->s);
	call->core = &r->core;
	call->store = r->s;
	int code = call->state || call->work_result ? 0 : op_check_caller(call->op, call->caller, err);
	if (!code && !call->state)
		code = op_check_params(call->op, call->params, err);
	if (!code)
		code = op_run(call, ret, err);
	if (code > 0)
		store_undo(r->s);
	else
		store_keep(r->s);
	rig_turn(r);
	rig_settle_locks(r);
	return code;
}

/* Takes `params`. */
static inline int call_op(struct rig *r, const struct caller *by, const char *name, json_t *params,
			  json_t **ret)
{
	autoerror err = {0};
	json_t *answer = NULL;
	struct op_call call = {.op = op_find(name), .caller = by, .params = params};
	assert_non_null(call.op);
	int code = run(r, &call, &answer, &err);
	op_call_release(&call);
	json_decref(params);
	if (ret)
		*ret = answer;
	else
		json_decref(answer);
	return code;
}

static inline json_t *call_ok(struct rig *r, const struct caller *by, const char *name, json_t *params)
{
	json_t *answer = NULL;
	int code = call_op(r, by, name, params, &answer);
	if (code)
		fail_msg("%s by %s gave %d", name, by->name, code);
	assert_non_null(answer);
	return answer;
}

/* Every field that surface.md names, separated by blanks, is there. */
static inline void assert_fields(const json_t *object, const char *fields)
{
	autofree char *copy = xstrdup(fields);
	char *rest = copy;
	for (char *name = strsep(&rest, " "); name; name = strsep(&rest, " "))
		if (!json_object_get(object, name))
			fail_msg("the answer has no field '%s'", name);
}

static inline const json_t *first_of(const json_t *answer, const char *list)
{
	const json_t *found = json_array_get(json_object_get(answer, list), 0);
	if (!found)
		fail_msg("'%s' is empty or missing", list);
	return found;
}

#define PEER_FIELDS                                                                                          \
	"peer_id name circle role status turn_state backend path branch description last_seen pid transport"
#define JOB_FIELDS "job_id title state reason needs attempt fence branch peer result"
#define MESSAGE_FIELDS "id kind from to text at step repeat"
#define ASK_FIELDS "correlation_id from to text state opened_at"

#endif

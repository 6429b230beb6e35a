/* Operations by which agents' sessions tell of themselves and fetch what is for them: for hooks, for `coppice
 * mcp`, not for people. */
#include <string.h>

#include "agent/agent.h"
#include "agent/denial.h"
#include "base/alloc.h"
#include "base/element.h"
#include "flow/handover.h"
#include "flow/session.h"
#include "flow/wake.h"
#include "mesh/deliver.h"
#include "repo/guard_hooks.h"
#include "store/event.h"
#include "ops/registering.h"
#include "ops/table.h"

#define TOOLS_WITHIN (3 * USEC_PER_SEC)

/* A wait is not cut into slices: an idle session makes no system call (X2). */
enum { TAKE_SECONDS_MAX = 7 * 86400, TAKE_MAX = 10, REASON_MAX = 1024 };

/* The session's peer: the one that its process is already, else it registers. The start of a session always
 * does: its folder or its id may be new. */
static int peer_of_caller(struct op_call *call, enum agent_event event, struct peer_ref *ret,
			  struct error *err)
{
	size_t index = 0;
	int code = registering_process(call, &index, err);
	if (code)
		return code;
	bool known = registering_known(call, index, ret);
	if (known && event != AGENT_SESSION_START)
		return 0;
	if (!known && event == AGENT_SESSION_END)
		return error_set(err, ERR_NOT_FOUND, "that session is no peer");
	return registering_run(call, ret, err);
}

/* A session that begins with its first prompt may ask its model before its MCP server, which it has started
 * beside that, offers any tool. Its server opens the inbox right after; the hook's answer is held until then,
 * for a moment.
 */
static bool comes_before_its_tools(const struct op_call *call, const struct peer_ref *peer,
				   enum agent_event event)
{
	const struct agent_backend *backend = agent_backend_find(op_text(call, "backend"));
	if (event != AGENT_PROMPT || call->timed_out || !backend || !backend->inbox)
		return false;
	return !transport_attached(call->store, peer->peer_id, transport_find(backend->inbox->transport)) &&
	       db_int(call->store, 0,
		      "SELECT 1 FROM spawn JOIN message ON message.id = spawn.message_id WHERE spawn.peer_id "
		      "= ?"
		      " AND spawn.ended_at IS NULL AND message.step = 'offered' LIMIT 1",
		      "s", peer->peer_id) != 0;
}

static int handle_event(struct op_call *call, json_t **ret, struct error *err)
{
	struct session_event event = {.source = op_text(call, "source"),
				      .shown = json_object_get(call->params, "shown"),
				      .denied = op_text(call, "denied"),
				      .continued = json_bool(call->params, "continued", false)};
	struct peer_ref peer;
	if (!agent_event_parse(op_text(call, "event"), &event.event))
		return error_set(err, ERR_INVALID, "there is no event of that name");
	int code = peer_of_caller(call, event.event, &peer, err);
	if (!code && comes_before_its_tools(call, &peer, event.event))
		return op_wait(call, peer.peer_id, TOOLS_WITHIN);
	if (!code && json_object_get(call->params, "pane"))
		wake_note_pane(call->store, peer.peer_id, json_object_get(call->params, "pane"));
	if (!code && json_bool(call->params, "queue", false))
		handover_open(call->core, &peer);
	if (!code)
		session_event(call->core, &peer, &event, ret);
	if (!code && event.event == AGENT_SESSION_START) {
		autofree char *hooks = guard_hooks_path(call->core->home);
		json_object_set_new(*ret, "guard",
				    json_pack("{s:s, s:s}", "peer", peer.peer_id, "hooks", hooks));
	}
	return code;
}

const struct op op_session_event = {
	.name = "session_event",
	.summary = "A hook of the caller's session reports an event, and is told what the model is to read.",
	.params =
		(const struct op_param[]){
			REGISTERING_PARAMS,
			{"event", OP_TEXT, OP_REQUIRED,
			 "session_start, prompt, tool_end, turn_end, turn_failed, awaits, compacts or "
			 "session_end",
			 32, 0},
			{"source", OP_TEXT, 0, "how the session started or ended, why a turn failed", 64, 0},
			{"pane", OP_OBJECT, 0, "the terminal that it runs in: {socket,server,pane_id}", 0, 0},
			{"denied", OP_TEXT, 0, "a line of a tool's result: something could not be written",
			 DENIAL_LINE_MAX, 0},
			{"shown", OP_TEXTS, 0, "messages that stood in the prompt", ELEMENT_IDS_MAX, 0},
			{"queue", OP_FLAG, 0, "the runtime's queue reaches it", 0, 0},
			{"continued", OP_FLAG, 0, "a hook has kept this turn going already", 0, 0},
			{0}},
	.result = "{\"context\",\"carry_on\",\"guard\":{\"peer\",\"hooks\"}}",
	.who = BY_ANYONE,
	.flags = OP_CHANGES | OP_LOCAL | OP_IDENTIFIES,
	.handle = handle_event,
};

static int transport_of(const struct op_call *call, unsigned flag, const struct transport_kind **ret,
			struct error *err)
{
	*ret = transport_find(op_text(call, "transport"));
	if (*ret && ((*ret)->flags & flag))
		return 0;
	return error_set(err, ERR_INVALID, "there is no transport of that name that hands messages over");
}

static int handle_take(struct op_call *call, json_t **ret, struct error *err)
{
	const struct transport_kind *kind = NULL;
	int code = transport_of(call, TRANSPORT_PUSHES, &kind, err);
	if (!code && call->caller->kind != CALLER_PEER)
		code = error_set(err, ERR_FORBIDDEN, "only a session that is a peer takes messages");
	if (code)
		return code;
	const char *peer = call->caller->peer_id;
	transport_attach(call->store, peer, kind);
	json_t *messages =
		deliver_take(call->store, peer, kind, (int)json_int(call->params, "max", TAKE_MAX));
	json_int_t seconds = json_int(call->params, "wait_seconds", 0);
	if (json_array_size(messages) == 0 && seconds && !call->timed_out) {
		json_decref(messages);
		return op_wait(call, peer, seconds * USEC_PER_SEC);
	}
	*ret = json_pack("{s:o}", "messages", messages);
	return 0;
}

const struct op op_delivery_take = {
	.name = "delivery_take",
	.summary = "Take what waits for the calling session, to hand it over by a native way; the connection "
		   "holds that way open.",
	.params =
		(const struct op_param[]){
			{"transport", OP_TEXT, OP_REQUIRED, "the way", 32, 0},
			{"max", OP_NUMBER, 0, "at most so many", TAKE_MAX, 1},
			{"wait_seconds", OP_NUMBER, 0,
			 "wait for the first one; the connection holds the way open meanwhile",
			 TAKE_SECONDS_MAX, 0},
			{0}},
	.result = "{\"messages\":[{\"id\",\"kind\",\"from\",\"from_name\",\"text\"}]}",
	.who = BY_KNOWN,
	.flags = OP_CHANGES | OP_WAITS | OP_LOCAL | OP_TAKES,
	.handle = handle_take,
};

/* A process may turn out to be another peer than it was taken for, and a peer may go and come back: the wait
 * goes on with whom the caller is by now, or was last. */
static int handle_role(struct op_call *call, json_t **ret, struct error *err)
{
	bool peer = call->caller->kind == CALLER_PEER;
	if (!peer && !call->state)
		return error_set(err, ERR_FORBIDDEN,
				 "only a session that is a peer has a role that may change");
	if (peer) {
		json_decref(call->state);
		call->state = json_pack("{s:s}", "peer_id", call->caller->peer_id);
	}
	const char *id = json_str(call->state, "peer_id");
	json_int_t seconds = json_int(call->params, "wait_seconds", 0);
	autofree char *role = db_text(call->store, "SELECT role FROM peer WHERE peer_id = ?", "s", id);
	if (role && strcmp(role, op_text(call, "role")) == 0 && seconds && !call->timed_out)
		return op_wait(call, id, seconds * USEC_PER_SEC);
	*ret = json_pack("{s:s, s:s?}", "peer_id", id, "role", role);
	return 0;
}

const struct op op_await_role = {
	.name = "await_role",
	.summary = "Wait until the calling session's role is another than the one that it knows.",
	.params = (const struct op_param[]){{"role", OP_TEXT, OP_REQUIRED, "the one that it knows", 32, 0},
					    {"wait_seconds", OP_NUMBER, 0, "wait at most so long",
					     TAKE_SECONDS_MAX, 0},
					    {0}},
	.result = "{\"peer_id\",\"role\"}",
	.who = BY_KNOWN,
	.flags = OP_LOCAL,
	.handle = handle_role,
};

static int handle_report(struct op_call *call, json_t **ret, struct error *err)
{
	const struct transport_kind *kind = NULL;
	enum deliver_outcome outcome;
	int code = transport_of(call, TRANSPORT_REPORTS, &kind, err);
	if (!code && !deliver_outcome_parse(op_text(call, "step"), &outcome))
		code = error_set(err, ERR_INVALID, "the step is submitted, held, returned or consumed");
	if (!code)
		code = deliver_report(call->store, &call->core->limits, call->caller->peer_id, kind,
				      op_text(call, "id"), outcome, op_text(call, "reason"), err);
	if (!code)
		*ret = json_object();
	return code;
}

const struct op op_delivery_report = {
	.name = "delivery_report",
	.summary = "What became of a message that the calling session's way took.",
	.params = (const struct op_param[]){{"id", OP_TEXT, OP_REQUIRED, "the message", 64, 0},
					    {"step", OP_TEXT, OP_REQUIRED,
					     "submitted, held, returned or consumed", 32, 0},
					    {"transport", OP_TEXT, OP_REQUIRED, "the way", 32, 0},
					    {"reason", OP_TEXT, OP_MULTILINE, "why", REASON_MAX, 0},
					    {0}},
	.result = "{}",
	.who = BY_KNOWN,
	.flags = OP_CHANGES | OP_LOCAL,
	.handle = handle_report,
};

/* The daemon connects to it; that the socket is that process's is checked there, by the kernel. */
static int handle_link(struct op_call *call, json_t **ret, struct error *err)
{
	size_t index = 0;
	int code = registering_process(call, &index, err);
	const struct agent_backend *backend = agent_backend_find(op_text(call, "backend"));
	if (!code && (!backend || !backend->link))
		code = error_set(err, ERR_UNSUPPORTED, "that backend hosts no sessions");
	if (code)
		return code;
	const struct proc_stat *p = &call->chain->at[index];
	json_t *data =
		json_pack("{s:s, s:s, s:I, s:I}", "backend", backend->name, "socket", op_text(call, "socket"),
			  "pid", (json_int_t)p->pid, "start_time", (json_int_t)p->start_time);
	event_emit(call->store, "host.seen", backend->name, NULL, data);
	*ret = json_object();
	return 0;
}

const struct op op_link_host = {
	.name = "link_host",
	.summary =
		"A process that hosts sessions says where its control socket is; the daemon connects to it.",
	.params = (const struct op_param[]){REGISTERING_PARAMS,
					    {"socket", OP_TEXT, OP_REQUIRED, "its path", 256, 0},
					    {0}},
	.result = "{}",
	.who = BY_ANYONE,
	.flags = OP_CHANGES | OP_LOCAL | OP_IDENTIFIES,
	.handle = handle_link,
};

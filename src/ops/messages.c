/* Operations on messages and asks. */
#include <string.h>

#include "base/alloc.h"
#include "mesh/ask_many.h"
#include "mesh/inbox.h"
#include "mesh/message.h"
#include "mesh/queue.h"
#include "mesh/route.h"
#include "ops/table.h"

enum { WAIT_SLICE_SECONDS = 25 };

#define LIMITS(call) (&(call)->core->limits)
#define TEXT_PARAM(name_, flags_, doc_)                                                                      \
	{                                                                                                    \
		name_, OP_TEXT, OP_MULTILINE | (flags_), doc_, MESSAGE_TEXT_MAX, 0                           \
	}

static int handle_ask(struct op_call *call, json_t **ret, struct error *err)
{
	struct peer_ref to;
	const char *reply_to = op_text(call, "reply_to");
	int code = ask_route(call->store, LIMITS(call), call->caller, op_text(call, "peer_name"),
			     op_text(call, "circle"), reply_to, &to, err);
	if (code)
		return code;
	struct ask_new ask = {.to = to.peer_id,
			      .text = op_text(call, "query"),
			      .reply_to = reply_to,
			      .expires_in = json_int(call->params, "expires_seconds", 0) * USEC_PER_SEC};
	return ask_open(call->store, LIMITS(call), call->caller, &ask, ret, err);
}

const struct op op_ask = {
	.name = "ask",
	.summary = "Ask a peer something that it must close: with an ack, a reply or a refusal.",
	.params =
		(const struct op_param[]){
			{"peer_name", OP_TEXT, 0, "the peer's name, circle:name or id", 300, 0},
			TEXT_PARAM("query", OP_REQUIRED, "the question or request"),
			{"reply_to", OP_TEXT, 0, "an ask addressed to you, which this one answers", 64, 0},
			{"circle", OP_TEXT, 0, "the circle in which the name is looked up", 64, 0},
			{"expires_seconds", OP_NUMBER, OP_UNLISTED, "after so long it ends as expired",
			 31536000, 1},
			{0}},
	.result = "{\"correlation_id\",\"to\",\"step\"}",
	.who = BY_ANYONE,
	.flags = OP_CHANGES | OP_ABOUT_PEERS,
	.tools = TOOL_WORKER,
	.handle = handle_ask,
};

static int handle_wait_on_ack(struct op_call *call, json_t **ret, struct error *err)
{
	const char *id = op_text(call, "correlation_id");
	json_int_t seconds = json_int(call->params, "timeout_seconds", WAIT_SLICE_SECONDS);
	bool ended = false;
	int code = ask_wait_check(call->store, call->caller, id, &ended, ret, err);
	if (code || ended || call->timed_out || !seconds)
		return code;
	json_decref(*ret);
	*ret = NULL;
	return op_wait(call, id, seconds * USEC_PER_SEC);
}

const struct op op_wait_on_ack = {
	.name = "wait_on_ack",
	.summary = "Wait, at most 25 s at a time, until an ask of yours has ended.",
	.params = (const struct op_param[]){{"correlation_id", OP_TEXT, OP_REQUIRED, "the ask", 64, 0},
					    {"timeout_seconds", OP_NUMBER, 0, "at most so long",
					     WAIT_SLICE_SECONDS, 0},
					    {0}},
	.result = "{\"correlation_id\",\"state\",\"outcome\",\"reply\"}",
	.who = BY_ANYONE,
	.flags = OP_CHANGES | OP_WAITS | OP_SETTLES,
	.tools = TOOL_WORKER,
	.handle = handle_wait_on_ack,
};

static int handle_ack(struct op_call *call, json_t **ret, struct error *err)
{
	return ask_ack(call->store, LIMITS(call), call->caller, op_text(call, "correlation_id"),
		       op_text(call, "message"), ret, err);
}

const struct op op_ack = {
	.name = "ack",
	.summary = "Close an ask addressed to you, bare or with a reply.",
	.params = (const struct op_param[]){{"correlation_id", OP_TEXT, OP_REQUIRED, "the ask", 64, 0},
					    TEXT_PARAM("message", 0, "the reply"),
					    {0}},
	.result = "{\"correlation_id\",\"outcome\"}",
	.who = BY_KNOWN,
	.flags = OP_CHANGES | OP_SETTLES,
	.tools = TOOL_WORKER,
	.handle = handle_ack,
};

static int handle_decline(struct op_call *call, json_t **ret, struct error *err)
{
	return ask_decline(call->store, LIMITS(call), call->caller, op_text(call, "correlation_id"),
			   op_text(call, "reason"), ret, err);
}

const struct op op_decline = {
	.name = "decline",
	.summary = "Refuse an ask addressed to you, saying why.",
	.params = (const struct op_param[]){{"correlation_id", OP_TEXT, OP_REQUIRED, "the ask", 64, 0},
					    TEXT_PARAM("reason", OP_REQUIRED, "why not"),
					    {0}},
	.result = "{\"correlation_id\",\"outcome\"}",
	.who = BY_KNOWN,
	.flags = OP_CHANGES,
	.tools = TOOL_ORCHESTRATOR,
	.handle = handle_decline,
};

static int handle_answer(struct op_call *call, json_t **ret, struct error *err)
{
	return ask_answer(call->store, LIMITS(call), call->caller, op_text(call, "correlation_id"),
			  op_text(call, "text"), ret, err);
}

const struct op op_answer = {
	.name = "answer",
	.summary = "Answer an ask addressed to you.",
	.params = (const struct op_param[]){{"correlation_id", OP_TEXT, OP_REQUIRED, "the ask", 64, 0},
					    TEXT_PARAM("text", OP_REQUIRED, "the answer"),
					    {0}},
	.result = "{\"correlation_id\",\"outcome\"}",
	.who = BY_KNOWN,
	.flags = OP_CHANGES,
	.tools = TOOL_ORCHESTRATOR,
	.handle = handle_answer,
};

static int handle_ask_many(struct op_call *call, json_t **ret, struct error *err)
{
	return ask_many(call->store, LIMITS(call), call->caller, json_object_get(call->params, "peer_names"),
			op_text(call, "circle"), op_text(call, "query"), ret, err);
}

const struct op op_ask_many = {
	.name = "ask_many",
	.summary = "Ask several peers the same; look at the answers with ask_many_result.",
	.params = (const struct op_param[]){{"peer_names", OP_TEXTS, OP_REQUIRED, "whom", ASK_MANY_MAX, 0},
					    TEXT_PARAM("query", OP_REQUIRED, "the question or request"),
					    {"circle", OP_TEXT, 0,
					     "the circle in which the names are looked up", 64, 0},
					    {0}},
	.result = "{\"parent_id\",\"asks\":[{\"peer_name\",\"to\",\"correlation_id\",\"error\"}]}",
	.who = BY_KNOWN,
	.flags = OP_CHANGES | OP_ABOUT_PEERS,
	.tools = TOOL_ORCHESTRATOR,
	.handle = handle_ask_many,
};

static int handle_ask_many_result(struct op_call *call, json_t **ret, struct error *err)
{
	return ask_many_result(call->store, call->caller, op_text(call, "parent_id"), ret, err);
}

const struct op op_ask_many_result = {
	.name = "ask_many_result",
	.summary = "What became of each ask of ask_many.",
	.params =
		(const struct op_param[]){
			{"parent_id", OP_TEXT, OP_REQUIRED, "what ask_many answered", 64, 0}, {0}},
	.result = "{\"parent_id\",\"text\",\"open\",\"asks\":[{\"peer_name\",\"to\",\"correlation_id\","
		  "\"state\",\"reply\",\"reason\"}]}",
	.who = BY_KNOWN,
	.flags = OP_CHANGES,
	.tools = TOOL_ORCHESTRATOR,
	.handle = handle_ask_many_result,
};

static int handle_notify(struct op_call *call, json_t **ret, struct error *err)
{
	struct peer_ref to;
	int code = route_resolve(call->store, LIMITS(call), call->caller, op_text(call, "peer_name"),
				 op_text(call, "circle"), &to, err);
	if (code)
		return code;
	return message_notify(call->store, LIMITS(call), call->caller, to.peer_id, op_text(call, "message"),
			      ret, err);
}

const struct op op_notify_peer = {
	.name = "notify_peer",
	.summary = "Tell a peer something that gates nothing and needs no answer.",
	.params =
		(const struct op_param[]){
			{"peer_name", OP_TEXT, OP_REQUIRED, "the peer's name, circle:name or id", 300, 0},
			TEXT_PARAM("message", OP_REQUIRED, "the text"),
			{"circle", OP_TEXT, 0, "the circle in which the name is looked up", 64, 0},
			{0}},
	.result = "{\"message_id\",\"to\",\"step\"}",
	.who = BY_ANYONE,
	.flags = OP_CHANGES | OP_ABOUT_PEERS,
	.tools = TOOL_WORKER,
	.handle = handle_notify,
};

static int handle_broadcast(struct op_call *call, json_t **ret, struct error *err)
{
	return message_broadcast(call->store, LIMITS(call), call->caller, op_text(call, "circle"),
				 op_text(call, "message"), ret, err);
}

const struct op op_broadcast = {
	.name = "broadcast",
	.summary = "Tell every peer of a circle something.",
	.params = (const struct op_param[]){TEXT_PARAM("message", OP_REQUIRED, "the text"),
					    {"circle", OP_TEXT, 0, "another circle than your own", 64, 0},
					    {0}},
	.result = "{\"messages\":[{\"message_id\",\"to\",\"step\"}],\"refused\":[…]}",
	.who = BY_KNOWN,
	.flags = OP_CHANGES | OP_ABOUT_PEERS,
	.tools = TOOL_ORCHESTRATOR,
	.handle = handle_broadcast,
};

static int handle_inbox(struct op_call *call, json_t **ret, struct error *err)
{
	if (call->caller->kind == CALLER_UNKNOWN)
		return error_set(err, ERR_FORBIDDEN, "nobody is known to be calling, so there is no inbox");
	const char *peer = call->caller->peer_id;
	if (json_bool(call->params, "dead", false)) {
		*ret = dead_list(call->store, call->caller->kind == CALLER_PEER ? peer : NULL);
		return 0;
	}
	int max = (int)json_int(call->params, "max", INBOX_TAKE_MAX);
	json_t *box = json_bool(call->params, "peek", false) ? inbox_peek(call->store, peer, max)
							     : inbox_take(call->store, peer, max, "inbox");
	json_int_t seconds = json_int(call->params, "wait_seconds", 0);
	if (json_array_size(json_object_get(box, "messages")) > 0 || !seconds || call->timed_out) {
		*ret = box;
		return 0;
	}
	json_decref(box);
	return op_wait(call, peer, seconds * USEC_PER_SEC);
}

const struct op op_inbox = {
	.name = "inbox",
	.summary = "Take the messages that wait for you; confirm them with inbox_confirm once they are read.",
	.params = (const struct op_param[]){{"max", OP_NUMBER, 0, "at most so many", INBOX_TAKE_MAX, 1},
					    {"peek", OP_FLAG, 0, "look without taking", 0, 0},
					    {"dead", OP_FLAG, 0, "the dead letters instead", 0, 0},
					    {"wait_seconds", OP_NUMBER, 0, "wait for the first one",
					     WAIT_SLICE_SECONDS, 0},
					    {0}},
	.result = "{\"messages\":[{\"id\",\"kind\",\"from\",\"to\",\"text\",\"at\",\"step\",\"repeat\"}]}",
	.who = BY_KNOWN,
	.flags = OP_CHANGES | OP_WAITS | OP_LOCAL,
	.handle = handle_inbox,
};

static int handle_inbox_confirm(struct op_call *call, json_t **ret, struct error *err)
{
	int code = inbox_confirm(call->store, call->caller->peer_id, json_object_get(call->params, "ids"),
				 "inbox", err);
	if (!code)
		*ret = json_object();
	return code;
}

const struct op op_inbox_confirm = {
	.name = "inbox_confirm",
	.summary = "Say that messages taken from the inbox were read.",
	.params = (const struct op_param[]){{"ids", OP_TEXTS, OP_REQUIRED, "their ids", INBOX_TAKE_MAX, 0},
					    {0}},
	.result = "{}",
	.who = BY_KNOWN,
	.flags = OP_CHANGES | OP_LOCAL,
	.handle = handle_inbox_confirm,
};

static int handle_asks(struct op_call *call, json_t **ret, struct error *err)
{
	(void)err;
	bool all = json_bool(call->params, "all", false) || call->caller->kind != CALLER_PEER;
	*ret = ask_list(call->store, all ? NULL : call->caller->peer_id);
	return 0;
}

const struct op op_asks = {
	.name = "asks",
	.summary = "The open asks from you and to you; of everybody, for a person.",
	.params = (const struct op_param[]){{"all", OP_FLAG, 0, "of everybody", 0, 0}, {0}},
	.result = "{\"asks\":[{\"correlation_id\",\"from\",\"to\",\"text\",\"state\",\"opened_at\"}]}",
	.who = BY_ANYONE,
	.flags = OP_READS | OP_LOCAL,
	.handle = handle_asks,
};

static int handle_trace(struct op_call *call, json_t **ret, struct error *err)
{
	return message_trace(call->store, op_text(call, "id"), ret, err);
}

const struct op op_trace = {
	.name = "trace",
	.summary = "Where a message went: every step with time, transport and reason.",
	.params = (const struct op_param[]){{"id", OP_TEXT, OP_REQUIRED, "a message or an ask", 64, 0}, {0}},
	.result = "{\"id\",\"kind\",\"from\",\"to\",\"steps\":[{\"step\",\"at\",\"transport\",\"reason\"}]}",
	.who = BY_ANYONE,
	.flags = OP_READS | OP_LOCAL,
	.handle = handle_trace,
};

static int handle_dead_retry(struct op_call *call, json_t **ret, struct error *err)
{
	int code = dead_retry(call->store, LIMITS(call), call->caller, op_text(call, "id"), err);
	if (!code)
		*ret = message_to_json(call->store, op_text(call, "id"));
	return code;
}

const struct op op_dead_retry = {
	.name = "dead_retry",
	.summary = "Put a dead letter back into its recipient's queue.",
	.params = (const struct op_param[]){{"id", OP_TEXT, OP_REQUIRED, "the message", 64, 0}, {0}},
	.result = "{\"id\",\"kind\",\"from\",\"to\",\"text\",\"at\",\"step\"}",
	.who = BY_KNOWN,
	.flags = OP_CHANGES | OP_LOCAL,
	.handle = handle_dead_retry,
};

static int handle_dead_drop(struct op_call *call, json_t **ret, struct error *err)
{
	int code = dead_drop(call->store, call->caller, op_text(call, "id"), err);
	if (!code)
		*ret = json_object();
	return code;
}

const struct op op_dead_drop = {
	.name = "dead_drop",
	.summary = "Take a dead letter off the list; its trace stays.",
	.params = (const struct op_param[]){{"id", OP_TEXT, OP_REQUIRED, "the message", 64, 0}, {0}},
	.result = "{}",
	.who = BY_KNOWN,
	.flags = OP_CHANGES | OP_LOCAL,
	.handle = handle_dead_drop,
};

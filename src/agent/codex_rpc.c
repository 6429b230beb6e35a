/* The protocol of a Codex app server; see codex_rpc.h. Its own description is what `codex app-server
 * generate-json-schema --experimental` writes. */
#include "agent/codex_rpc_internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

enum {
	PAGES_MAX = 16,
	SERVER_MESSAGE_MAX = 300, /* bytes of an error's text that are shown */
};

/* Notifications that come often or are large, and say nothing to us. */
static const char *const unwanted[] = {
	"account/rateLimits/updated",
	"command/exec/outputDelta",
	"configWarning",
	"fs/changed",
	"hook/completed",
	"hook/started",
	"item/agentMessage/delta",
	"item/commandExecution/outputDelta",
	"item/commandExecution/terminalInteraction",
	"item/completed",
	"item/fileChange/outputDelta",
	"item/fileChange/patchUpdated",
	"item/mcpToolCall/progress",
	"item/plan/delta",
	"item/reasoning/summaryPartAdded",
	"item/reasoning/summaryTextDelta",
	"item/reasoning/textDelta",
	"mcpServer/event/stream/notification",
	"mcpServer/startupStatus/updated",
	"process/outputDelta",
	"remoteControl/status/changed",
	"thread/readState/changed",
	"thread/realtime/outputAudio/delta",
	"thread/realtime/transcript/delta",
	"thread/tokenUsage/updated",
	"turn/diff/updated",
	"turn/plan/updated",
	"warning",
};

/* --- requests --- */

static const char *const methods[] = {
	[REQUEST_INITIALIZE] = "initialize",
	[REQUEST_LOADED_LIST] = "thread/loaded/list",
	[REQUEST_READ] = "thread/read",
	[REQUEST_RESUME] = "thread/resume",
	[REQUEST_UNSUBSCRIBE] = "thread/unsubscribe",
	[REQUEST_TURN_START] = "turn/start",
	[REQUEST_TURNS_LIST] = "thread/turns/list",
};

static void write_frame(struct codex_rpc *rpc, json_t *frame)
{
	autofree char *text = json_text(frame);
	json_decref(frame);
	if (!rpc->failed)
		rpc->failed = rpc->o.write(rpc->o.owner, text, strlen(text), NULL);
}

static void tell_owed(struct codex_rpc *rpc)
{
	if (rpc->o.owed && !rpc->stopped)
		rpc->o.owed(rpc->o.owner, rpc->n_requests > 0);
}

void rpc_request(struct codex_rpc *rpc, enum request_kind kind, const struct thread *t, const char *send,
		 json_t *params)
{
	struct request *r = xcalloc(1, sizeof(*r));
	r->kind = kind;
	r->id = ++rpc->last_id;
	if (t)
		memcpy(r->thread, t->id, sizeof(r->thread));
	if (send)
		memcpy(r->send, send, strlen(send) + 1);
	list_append(&rpc->requests, &r->link);
	rpc->n_requests++;
	write_frame(rpc,
		    json_pack("{s:I, s:s, s:o}", "id", r->id, "method", methods[kind], "params", params));
	tell_owed(rpc);
}

static void request_free(struct codex_rpc *rpc, struct request *r)
{
	list_remove(&r->link);
	rpc->n_requests--;
	free(r);
}

static void say_hello(struct codex_rpc *rpc)
{
	json_t *opt_out = json_array();
	for (size_t i = 0; i < ARRAY_SIZE(unwanted); i++)
		json_array_append_new(opt_out, json_string(unwanted[i]));
	rpc_request(rpc, REQUEST_INITIALIZE, NULL, NULL,
		    json_pack("{s:{s:s, s:n, s:s}, s:{s:b, s:o}}", "clientInfo", "name", "coppice", "title",
			      "version", COPPICE_VERSION, "capabilities", "experimentalApi", 1,
			      "optOutNotificationMethods", opt_out));
}

int codex_rpc_new(const struct codex_rpc_options *options, struct codex_rpc **ret, struct error *err)
{
	struct codex_rpc *rpc = xcalloc(1, sizeof(*rpc));
	rpc->o = *options;
	list_init(&rpc->threads);
	list_init(&rpc->requests);
	say_hello(rpc);
	if (rpc->failed) {
		int code = error_set(err, (enum error_code)rpc->failed, "the app server takes no request");
		codex_rpc_free(rpc);
		return code;
	}
	*ret = rpc;
	return 0;
}

void codex_rpc_free(struct codex_rpc *rpc)
{
	if (!rpc)
		return;
	list_for_each_safe (pos, &rpc->threads)
		thread_free(rpc, list_entry(pos, struct thread, link));
	list_for_each_safe (pos, &rpc->requests)
		request_free(rpc, list_entry(pos, struct request, link));
	free(rpc);
}

void codex_rpc_stop(struct codex_rpc *rpc)
{
	rpc->stopped = true;
}

/* --- threads --- */

bool rpc_is_id(const char *id)
{
	size_t len = id ? strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") : 0;
	return len && len <= CODEX_ID_MAX && !id[len];
}

static struct thread *find_thread(struct codex_rpc *rpc, const char *id)
{
	if (!id)
		return NULL;
	list_for_each (pos, &rpc->threads) {
		struct thread *t = list_entry(pos, struct thread, link);
		if (strcmp(t->id, id) == 0)
			return t;
	}
	return NULL;
}

/* Room for one more: the oldest of those that are nothing to us is forgotten. */
static bool make_room(struct codex_rpc *rpc)
{
	if (rpc->n_threads < CODEX_THREADS_MAX)
		return true;
	list_for_each (pos, &rpc->threads) {
		struct thread *t = list_entry(pos, struct thread, link);
		if (t->kind == THREAD_HIDDEN) {
			thread_free(rpc, t);
			return true;
		}
	}
	return false;
}

/* A thread of that id, new or known; NULL when it is no id or there is no room. */
static struct thread *take_thread(struct codex_rpc *rpc, const char *id)
{
	struct thread *t = find_thread(rpc, id);
	if (t || !rpc_is_id(id) || !make_room(rpc))
		return t;
	t = xcalloc(1, sizeof(*t));
	t->kind = THREAD_ASKED;
	list_init(&t->sends);
	memcpy(t->id, id, strlen(id) + 1);
	list_append(&rpc->threads, &t->link);
	rpc->n_threads++;
	return t;
}

static void forget_thread(struct codex_rpc *rpc, struct thread *t)
{
	bool session = t->kind == THREAD_SESSION;
	t->kind = THREAD_HIDDEN; /* nothing can be sent to it from now on */
	thread_gone(rpc, t);
	if (session && !rpc->stopped)
		rpc->o.events->session_gone(rpc->o.data, t->id);
	thread_free(rpc, t);
}

/* False when it is not loaded (any more), or of no type that is known. */
static bool read_status(const json_t *status, enum agent_turn *ret)
{
	const char *type = json_str(status, "type");
	if (!type)
		return false;
	*ret = AGENT_TURN_IDLE;
	if (strcmp(type, "active") == 0) {
		size_t flags = json_array_size(json_object_get(status, "activeFlags"));
		*ret = flags ? AGENT_TURN_AWAITS : AGENT_TURN_WORKING;
		return true;
	}
	return strcmp(type, "idle") == 0 || strcmp(type, "systemError") == 0;
}

/* A thread that somebody outside of Codex speaks to. */
static bool is_session(const json_t *thread)
{
	return !json_bool(thread, "ephemeral", false) && !json_str(thread, "parentThreadId") &&
	       !json_object_get(json_object_get(thread, "source"), "subAgent") &&
	       json_bool(thread, "canAcceptDirectInput", true);
}

static bool is_folder(const char *path)
{
	return path && path[0] == '/' && strlen(path) < PATH_MAX;
}

/* What the server says of a thread. */
static void adopt(struct codex_rpc *rpc, const json_t *thread)
{
	struct thread *t = take_thread(rpc, json_str(thread, "id"));
	const char *cwd = json_str(thread, "cwd");
	enum agent_turn turn;
	if (!t)
		return;
	if (!read_status(json_object_get(thread, "status"), &turn)) {
		forget_thread(rpc, t);
	} else if (t->kind == THREAD_SESSION) {
		thread_turn(rpc, t, turn);
	} else if (!is_session(thread) || !is_folder(cwd)) {
		t->kind = THREAD_HIDDEN;
	} else {
		const char *preview = json_str(thread, "preview"); /* its first message */
		t->kind = THREAD_SESSION;
		t->turn = turn;
		t->fresh = !preview || !*preview;
		t->awake = turn != AGENT_TURN_IDLE;
		if (!rpc->stopped)
			rpc->o.events->session(rpc->o.data, t->id, cwd, turn);
		if (!t->fresh)
			thread_shows(rpc, t, preview, strlen(preview));
		thread_advance(rpc, t);
	}
}

static void read_thread(struct codex_rpc *rpc, const char *id)
{
	if (find_thread(rpc, id))
		return;
	const struct thread *t = take_thread(rpc, id);
	if (t)
		rpc_request(rpc, REQUEST_READ, t, NULL, json_pack("{s:s}", "threadId", t->id));
}

/* --- answers --- */

static void list_threads(struct codex_rpc *rpc, const char *cursor)
{
	json_t *params = json_object();
	if (cursor)
		json_set_str(params, "cursor", cursor);
	rpc->pages++;
	rpc_request(rpc, REQUEST_LOADED_LIST, NULL, NULL, params);
}

static void on_list(struct codex_rpc *rpc, const json_t *result)
{
	size_t i;
	const json_t *id;
	json_array_foreach(json_object_get(result, "data"), i, id) read_thread(rpc, json_string_value(id));
	const char *cursor = json_str(result, "nextCursor");
	if (cursor && rpc->pages < PAGES_MAX)
		list_threads(rpc, cursor);
}

static void on_read(struct codex_rpc *rpc, struct thread *t, const json_t *result)
{
	const json_t *thread = json_object_get(result, "thread");
	const char *id = json_str(thread, "id");
	if (t && t->kind == THREAD_ASKED && (!id || strcmp(id, t->id) != 0))
		thread_free(rpc, t);
	else if (t)
		adopt(rpc, thread);
}

/* What the server says against a request, for people. */
static void describe(const json_t *error, struct error *ret)
{
	autostrbuf shown = STRBUF_INIT(8 * SERVER_MESSAGE_MAX);
	const char *message = json_str(error, "message");
	if (!message)
		message = "an error without a text";
	text_escape(message, strnlen(message, SERVER_MESSAGE_MAX), false, &shown);
	(void)error_set(ret, ERR_REFUSED, "Codex refused: %s", strbuf_str(&shown));
}

static int on_hello(struct codex_rpc *rpc, const struct error *failure, struct error *err)
{
	if (failure)
		return error_set(err, ERR_PROTOCOL, "%s", failure->message);
	write_frame(rpc, json_pack("{s:s}", "method", "initialized"));
	list_threads(rpc, NULL);
	return 0;
}

static void on_turn_start(struct codex_rpc *rpc, const struct request *r, struct thread *t,
			  const json_t *result, const struct error *failure)
{
	if (t)
		thread_started(rpc, t, r->send, result, failure);
	else if (!rpc->stopped) /* the thread has gone in the meantime */
		rpc->o.events->sent(rpc->o.data, r->thread, r->send, failure);
}

static int on_answer(struct codex_rpc *rpc, const json_t *frame, struct error *err)
{
	const json_t *id = json_object_get(frame, "id"), *error = json_object_get(frame, "error");
	if (json_is_null(error))
		error = NULL;
	const json_t *result = error ? NULL : json_object_get(frame, "result");
	struct request *found = NULL;
	list_for_each (pos, &rpc->requests)
		if (json_is_integer(id) &&
		    list_entry(pos, struct request, link)->id == json_integer_value(id))
			found = list_entry(pos, struct request, link);
	if (!found)
		return 0;
	struct request r = *found;
	request_free(rpc, found);
	tell_owed(rpc);
	autoerror failure = {0};
	if (error || !result)
		describe(error, &failure);
	const struct error *why = failure.code ? &failure : NULL;
	struct thread *t = find_thread(rpc, r.thread);
	switch (r.kind) {
	case REQUEST_INITIALIZE:
		return on_hello(rpc, why, err);
	case REQUEST_LOADED_LIST:
		on_list(rpc, result);
		break;
	case REQUEST_READ:
		on_read(rpc, t, result);
		break;
	case REQUEST_TURN_START:
		on_turn_start(rpc, &r, t, result, why);
		break;
	case REQUEST_RESUME:
		if (t)
			thread_resumed(rpc, t, !why);
		break;
	case REQUEST_UNSUBSCRIBE:
		if (t)
			thread_left(rpc, t);
		break;
	case REQUEST_TURNS_LIST:
		if (t)
			thread_listed(rpc, t, result);
		break;
	}
	return 0;
}

/* --- notifications --- */

static void on_thread_started(struct codex_rpc *rpc, const json_t *params)
{
	adopt(rpc, json_object_get(params, "thread"));
}

static void on_status(struct codex_rpc *rpc, const json_t *params)
{
	const char *id = json_str(params, "threadId");
	struct thread *t = find_thread(rpc, id);
	enum agent_turn turn;
	bool loaded = read_status(json_object_get(params, "status"), &turn);
	if (t && !loaded)
		forget_thread(rpc, t);
	else if (t && t->kind == THREAD_SESSION)
		thread_turn(rpc, t, turn);
	else if (loaded)
		read_thread(rpc, id); /* a thread that was loaded again is not said to have started */
}

static void on_thread_closed(struct codex_rpc *rpc, const json_t *params)
{
	struct thread *t = find_thread(rpc, json_str(params, "threadId"));
	if (t)
		forget_thread(rpc, t);
}

static void on_item(struct codex_rpc *rpc, const json_t *params)
{
	struct thread *t = find_thread(rpc, json_str(params, "threadId"));
	const json_t *item = json_object_get(params, "item");
	if (t && t->kind == THREAD_SESSION)
		thread_said(rpc, t, item);
}

static void on_turn_completed(struct codex_rpc *rpc, const json_t *params)
{
	struct thread *t = find_thread(rpc, json_str(params, "threadId"));
	const char *turn = json_str(json_object_get(params, "turn"), "id");
	if (t && turn)
		thread_turn_over(rpc, t, turn);
}

static const struct {
	const char *method;
	void (*handle)(struct codex_rpc *rpc, const json_t *params);
} notifications[] = {
	{"thread/started", on_thread_started},
	{"thread/status/changed", on_status},
	{"thread/closed", on_thread_closed},
	{"thread/deleted", on_thread_closed},
	{"item/started", on_item},
	{"turn/completed", on_turn_completed},
};

static void on_notification(struct codex_rpc *rpc, const char *method, const json_t *params)
{
	for (size_t i = 0; i < ARRAY_SIZE(notifications); i++)
		if (strcmp(notifications[i].method, method) == 0) {
			notifications[i].handle(rpc, params);
			return;
		}
}

int codex_rpc_feed(struct codex_rpc *rpc, const char *text, size_t len, struct error *err)
{
	json_auto_t *frame = NULL;
	if (rpc->stopped)
		return 0;
	/* A tool's result may be nested deeper than we read; whatever it is, it is none of our answers. */
	if (json_parse(text, len, &frame, NULL) || !json_is_object(frame)) {
		if (++rpc->bad_frames < CODEX_BAD_FRAMES_MAX)
			return 0;
		return error_set(err, ERR_PROTOCOL, "what the app server says is no JSON-RPC");
	}
	rpc->bad_frames = 0;
	const char *method = json_str(frame, "method");
	int code = 0;
	if (!method)
		code = on_answer(rpc, frame, err);
	else if (!json_object_get(frame, "id"))
		on_notification(rpc, method, json_object_get(frame, "params"));
	if (!code && rpc->failed)
		code = error_set(err, (enum error_code)rpc->failed, "the app server does not read");
	return code;
}

int codex_rpc_send(struct codex_rpc *rpc, const char *session, const char *id, const char *text,
		   struct error *err)
{
	struct thread *t = find_thread(rpc, session);
	if (rpc->stopped || rpc->failed || !t || t->kind != THREAD_SESSION)
		return error_set(err, ERR_NOT_FOUND, "the app server has no such session");
	return thread_add_send(rpc, t, id, text, err);
}

/* Tool calls under way; see calls.h. */
#include "mcp/calls.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/list.h"
#include "mcp/result.h"
#include "os/file.h"
#include "os/loop.h"

enum { LEFT_MAX = 16 /* calls kept that nobody waits for at the moment */ };

#define LIMIT (24800 * USEC_PER_MSEC)
#define PATIENCE (20 * USEC_PER_SEC)

struct tool_call {
	struct list link;
	struct mcp_calls *owner;
	json_t *id; /* owned; NULL: left, its answer is kept for whoever asks the same again */
	const struct op *op;
	char *what; /* tool, session and parameters: what makes two calls the same */
	enum mcp_set set;
	unsigned era;
	struct mcp_call *call; /* NULL: answered */
	struct loop_timer *timer;
	json_t *result; /* of one that was left */
};

struct mcp_calls {
	struct mcp_calls_options o;
	struct list calls; /* oldest first */
};

static void call_free(struct tool_call *t)
{
	mcp_link_cancel(t->call);
	loop_timer_stop(t->timer);
	list_remove(&t->link);
	json_decref(t->id);
	json_decref(t->result);
	free(t->what);
	free(t);
}

/* Answers, and is done with it. */
static void answer(struct tool_call *t, json_t *result)
{
	struct mcp_calls *calls = t->owner;
	json_auto_t *id = TAKE_PTR(t->id);
	unsigned era = t->era;
	call_free(t);
	calls->o.answered(calls->o.data, id, era, result);
}

static void on_answer(void *data, json_t *answered, const struct error *err)
{
	struct tool_call *t = data;
	t->call = NULL;
	json_t *result = err ? mcp_failure(t->op, err, t->set) : mcp_result(t->op, answered, t->set);
	if (t->id)
		answer(t, result);
	else
		t->result = result;
}

static void drop_oldest_left(struct mcp_calls *calls)
{
	struct tool_call *oldest = NULL;
	size_t n = 0;
	list_for_each (pos, &calls->calls) {
		struct tool_call *t = list_entry(pos, struct tool_call, link);
		if (t->id)
			continue;
		oldest = oldest ? oldest : t;
		n++;
	}
	if (n > LEFT_MAX)
		call_free(oldest);
}

/* The limit has come: the requester is told, and the call goes on without it. */
static void on_limit(void *data)
{
	struct tool_call *t = data;
	struct mcp_calls *calls = t->owner;
	autoerror err = {0};
	t->timer = NULL;
	if (t->op->flags & OP_WAITS) {
		(void)error_set(&err, ERR_TIMED_OUT, "nothing yet");
		(void)error_hint(&err, err.code, "call %s again", t->op->name);
		answer(t, mcp_failure(t->op, &err, t->set));
		return;
	}
	(void)error_set(&err, ERR_TIMED_OUT, "%s is still under way", t->op->name);
	(void)error_hint(&err, err.code, "call it again with the same parameters for its answer");
	json_auto_t *id = TAKE_PTR(t->id);
	json_t *result = mcp_failure(t->op, &err, t->set);
	unsigned era = t->era;
	drop_oldest_left(calls);
	calls->o.answered(calls->o.data, id, era, result);
}

static struct tool_call *find_left(struct mcp_calls *calls, const char *what)
{
	list_for_each (pos, &calls->calls) {
		struct tool_call *t = list_entry(pos, struct tool_call, link);
		if (!t->id && strcmp(t->what, what) == 0)
			return t;
	}
	return NULL;
}

static struct tool_call *find(struct mcp_calls *calls, const json_t *id)
{
	list_for_each (pos, &calls->calls) {
		struct tool_call *t = list_entry(pos, struct tool_call, link);
		if (t->id && json_equal(t->id, id))
			return t;
	}
	return NULL;
}

static bool has_param(const struct op *op, const char *name)
{
	for (const struct op_param *p = op->params; p && p->name; p++)
		if (strcmp(p->name, name) == 0)
			return true;
	return false;
}

/* The parameters as the daemon gets them. */
static json_t *complete_args(const struct mcp_tool_request *r)
{
	static const char *const waits[] = {"timeout_seconds", "wait_seconds"};
	json_t *args = r->args ? json_deep_copy(r->args) : json_object();
	if (has_param(r->op, "dir")) {
		const char *given = json_str(args, "dir");
		autofree char *dir = given && *given != '/' ? path_join(r->folder, given) : NULL;
		if (dir || !given)
			json_set_str(args, "dir", dir ? dir : r->folder);
	}
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		json_int_t seconds = json_int(args, waits[i], MCP_WAIT_SECONDS_MAX);
		const json_t *given = json_object_get(args, waits[i]);
		bool ours = !given || json_is_null(given) || seconds > MCP_WAIT_SECONDS_MAX;
		if ((r->op->flags & OP_WAITS) && has_param(r->op, waits[i]) && ours)
			json_object_set_new(args, waits[i], json_integer(MCP_WAIT_SECONDS_MAX));
	}
	return args;
}

static char *same_as(const struct mcp_tool_request *r, const json_t *args)
{
	autofree char *text = json_dumps(args, JSON_COMPACT | JSON_SORT_KEYS);
	return xasprintf("%s\n%s\n%s", r->op->name, r->session ? r->session : "", text ? text : "");
}

static void begin_new(struct mcp_calls *calls, const struct mcp_tool_request *r, const json_t *args,
		      char *what)
{
	struct tool_call *t = xcalloc(1, sizeof(*t));
	*t = (struct tool_call){.owner = calls,
				.id = json_deep_copy(r->id),
				.op = r->op,
				.what = what,
				.set = r->set,
				.era = r->era};
	list_append(&calls->calls, &t->link);
	t->timer = loop_timer_start(calls->o.loop, calls->o.limit, on_limit, t);
	struct mcp_request request = {.op = r->op->name,
				      .args = args,
				      .session = r->session,
				      .flags = MCP_MAY_START | (r->op->flags & OP_CHANGES ? MCP_CHANGES : 0),
				      .patience = calls->o.patience};
	t->call = mcp_link_call(calls->o.link, &request, on_answer, t);
}

int mcp_calls_begin(struct mcp_calls *calls, const struct mcp_tool_request *r, struct error *err)
{
	if (find(calls, r->id))
		return error_set(err, ERR_EXISTS, "a request of that id is under way");
	if (mcp_calls_count(calls) >= MCP_CALLS_MAX) {
		autoerror full = {0};
		(void)error_set(&full, ERR_TOO_LARGE, "%d calls are under way, and that is the limit",
				MCP_CALLS_MAX);
		calls->o.answered(calls->o.data, r->id, r->era, mcp_failure(r->op, &full, r->set));
		return 0;
	}
	json_auto_t *args = complete_args(r);
	autofree char *what = same_as(r, args);
	struct tool_call *left = find_left(calls, what);
	if (!left) {
		begin_new(calls, r, args, TAKE_PTR(what));
		return 0;
	}
	left->id = json_deep_copy(r->id);
	left->era = r->era;
	if (left->result)
		answer(left, TAKE_PTR(left->result));
	else
		left->timer = loop_timer_start(calls->o.loop, calls->o.limit, on_limit, left);
	return 0;
}

void mcp_calls_cancel(struct mcp_calls *calls, const json_t *id)
{
	struct tool_call *t = find(calls, id);
	if (t)
		call_free(t);
}

void mcp_calls_drop_waits(struct mcp_calls *calls)
{
	list_for_each_safe (pos, &calls->calls) {
		struct tool_call *t = list_entry(pos, struct tool_call, link);
		if (t->op->flags & OP_WAITS)
			call_free(t);
	}
}

size_t mcp_calls_count(const struct mcp_calls *calls)
{
	size_t n = 0;
	list_for_each (pos, &calls->calls)
		n += list_entry(pos, struct tool_call, link)->id != NULL;
	return n;
}

struct mcp_calls *mcp_calls_new(const struct mcp_calls_options *o)
{
	struct mcp_calls *calls = xcalloc(1, sizeof(*calls));
	calls->o = *o;
	if (!calls->o.limit)
		calls->o.limit = LIMIT;
	if (!calls->o.patience)
		calls->o.patience = PATIENCE;
	list_init(&calls->calls);
	return calls;
}

void mcp_calls_free(struct mcp_calls *calls)
{
	if (!calls)
		return;
	list_for_each_safe (pos, &calls->calls)
		call_free(list_entry(pos, struct tool_call, link));
	free(calls);
}

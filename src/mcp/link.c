/* The link to the daemon; see link.h.
 *
 * Connections are made when they are needed, and each belongs to the daemon (`generation`) that was there
 * then. The first connection that ends by itself ends that daemon: the link is away until it reaches one
 * again. So a daemon that was replaced is noticed once, however many connections it had. */
#include "mcp/link.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/list.h"
#include "mcp/conn.h"
#include "net/http_write.h"
#include "ops/client.h"
#include "os/file.h"
#include "os/loop.h"

enum {
	TRIES = 3,		/* connections for one call, and greetings in a row that bring nothing */
	IDLE_MAX = 4,		/* connections kept of a lane */
	REQUEST_MAX = 64 << 20, /* the daemon's own cap is far lower */
	FOLDERS = 2,
};

/* A Unix socket connects at once, but where its queue is full. */
#define CONNECT_LIMIT USEC_PER_SEC

struct line {
	struct list link; /* link->lines */
	struct mcp_link *owner;
	struct mcp_conn *conn;
	struct mcp_call *call; /* NULL: idle */
	enum mcp_lane lane;
	unsigned generation;
};

struct mcp_call {
	struct list link; /* link->waiting, or by itself when it is under way */
	struct mcp_link *owner;
	struct line *line;   /* NULL: not under way */
	struct strbuf bytes; /* as it goes over the wire, to be sent again if need be */
	unsigned flags, tries;
	enum mcp_lane lane;
	usec_t patience;
	struct loop_timer *timer; /* its patience, or that it fails in the next turn of the loop */
	struct error failure;
	mcp_answer_fn answered;
	void *data;
};

struct mcp_link {
	uv_loop_t *loop;
	struct paths paths; /* socket, runtime and home */
	struct mcp_link_options options;
	enum mcp_link_state state;
	unsigned generation;
	unsigned dry; /* daemons in a row that ended before they answered anything */
	bool asked;   /* the one that is there was asked something */
	bool awake;   /* to be greeted whenever it comes */
	struct list lines, waiting;
	uv_fs_event_t *watches[FOLDERS];
};

static void place(struct mcp_call *call, bool may_start);

/* --- the ends of calls --- */

static void call_free(struct mcp_call *call)
{
	loop_timer_stop(call->timer);
	list_remove(&call->link);
	strbuf_release(&call->bytes);
	error_release(&call->failure);
	free(call);
}

static void finish(struct mcp_call *call, json_t *answer, const struct error *err)
{
	mcp_answer_fn answered = call->answered;
	void *data = call->data;
	struct error failure = call->failure; /* `err` may be it */
	call->failure = (struct error){0};
	call_free(call);
	answered(data, answer, err ? &failure : NULL);
	error_release(&failure);
}

static void fail_now(void *data)
{
	struct mcp_call *call = data;
	call->timer = NULL;
	finish(call, NULL, &call->failure);
}

/* Ends the call by call->failure, in the next turn of the loop. */
static void fail(struct mcp_call *call)
{
	loop_timer_stop(call->timer);
	list_remove(&call->link);
	list_append(&call->owner->waiting, &call->link);
	call->patience = 0;
	call->timer = loop_timer_start(call->owner->loop, 0, fail_now, call);
}

static void fail_without_daemon(struct mcp_call *call, const char *what)
{
	(void)error_hint(&call->failure, error_set(&call->failure, ERR_NO_DAEMON, "%s", what),
			 "run `coppice status` in a terminal");
	fail(call);
}

static void out_of_patience(void *data)
{
	struct mcp_call *call = data;
	call->timer = NULL;
	fail_without_daemon(call, "no daemon runs");
}

/* --- connections --- */

static void line_close(struct line *line)
{
	mcp_conn_close(line->conn);
	list_remove(&line->link);
	if (line->call)
		line->call->line = NULL;
	free(line);
}

static struct line *idle_line(struct mcp_link *link, enum mcp_lane lane, unsigned *ret_n)
{
	struct line *found = NULL;
	list_for_each (pos, &link->lines) {
		struct line *line = list_entry(pos, struct line, link);
		if (line->call || line->lane != lane || line->generation != link->generation)
			continue;
		found = line;
		++*ret_n;
	}
	return found;
}

static void line_answered(void *data, const struct http_response *res, bool reusable)
{
	struct line *line = data;
	struct mcp_link *link = line->owner;
	struct mcp_call *call = TAKE_PTR(line->call);
	json_auto_t *answer = NULL;
	unsigned idle = 0;
	call->line = NULL;
	link->dry = 0;
	link->asked = false;
	int r = client_read_answer(res->status, res->body, res->body_len, &answer, &call->failure);
	(void)idle_line(link, line->lane, &idle);
	if (!reusable || line->generation != link->generation || idle > IDLE_MAX)
		line_close(line);
	finish(call, answer, r ? &call->failure : NULL); /* the link may be gone after it */
}

static void daemon_lost(struct mcp_link *link);

/* Whether a call whose answer will not come is to be asked again; else it fails. A greeting is begun anew as
 * a whole. */
static bool is_asked_again(struct mcp_call *call, const char *reason)
{
	if (reason) {
		(void)error_set(&call->failure, ERR_PROTOCOL, "what answers is no coppice daemon: %s",
				reason);
		fail(call);
	} else if (call->flags & MCP_GREETS) {
		fail_without_daemon(call, "the daemon has gone");
	} else if (++call->tries >= TRIES) {
		(void)error_set(&call->failure, ERR_NO_DAEMON,
				"the daemon ended the connection %d times before it answered", TRIES);
		(void)error_hint(&call->failure, ERR_NO_DAEMON, "look for the reason: coppice log");
		fail(call);
	} else {
		return true;
	}
	return false;
}

static void line_lost(void *data, const char *reason)
{
	struct line *line = data;
	struct mcp_link *link = line->owner;
	struct mcp_call *call = line->call;
	bool current = line->generation == link->generation;
	line_close(line);
	bool again = call && is_asked_again(call, reason);
	/* It waits while the next daemon is looked for: that may greet, which may end calls. */
	if (again && current)
		list_append(&link->waiting, &call->link);
	if (current)
		daemon_lost(link);
	else if (again)
		place(call, false);
}

static const struct mcp_conn_events line_events = {.answered = line_answered, .lost = line_lost};

/* A new connection to whoever listens; ERR_NOT_FOUND if nobody does. */
static int connect_line(struct mcp_link *link, enum mcp_lane lane, struct line **ret, struct error *err)
{
	int fd = -1;
	int r = client_reach(&link->paths, CONNECT_LIMIT, &fd, err);
	if (r)
		return r;
	struct line *line = xcalloc(1, sizeof(*line));
	*line = (struct line){.owner = link, .lane = lane, .generation = link->generation};
	list_append(&link->lines, &line->link);
	line->conn = mcp_conn_open(link->loop, fd, &line_events, line);
	if (!line->conn) {
		line_close(line);
		return error_set(err, ERR_SYSTEM, "the daemon's connection cannot be waited for");
	}
	*ret = line;
	return 0;
}

/* --- whether a daemon is there --- */

static void on_unwatched(uv_handle_t *handle)
{
	free(handle);
}

static void stop_watching(struct mcp_link *link)
{
	for (int i = 0; i < FOLDERS; i++)
		if (link->watches[i])
			uv_close((uv_handle_t *)TAKE_PTR(link->watches[i]), on_unwatched);
}

static void flush(struct mcp_link *link)
{
	struct list calls;
	list_init(&calls);
	list_splice(&calls, &link->waiting);
	list_for_each_safe (pos, &calls) {
		struct mcp_call *call = list_entry(pos, struct mcp_call, link);
		list_remove(pos);
		if (call->failure.code)
			list_append(&link->waiting, &call->link); /* its timer ends it */
		else
			place(call, false);
	}
}

/* A daemon listens. */
static void daemon_found(struct mcp_link *link)
{
	stop_watching(link);
	link->state = MCP_LINK_GREETING;
	if (link->options.greet)
		link->options.greet(link->options.data);
	else
		mcp_link_greeted(link);
}

static int reach(struct mcp_link *link, struct error *err)
{
	struct line *line = NULL; /* kept, for whoever asks first */
	int r = connect_line(link, MCP_LANE_CALLS, &line, err);
	if (!r)
		daemon_found(link);
	return r;
}

static void on_folder(uv_fs_event_t *watch, const char *name, int events, int status)
{
	struct mcp_link *link = watch->data;
	autoerror err = {0};
	(void)name;
	(void)events;
	if (status == 0 && link->state == MCP_LINK_AWAY)
		(void)reach(link, &err); /* else the next change tells */
}

static void watch_folder(struct mcp_link *link, int i, const char *socket)
{
	autofree char *dir = xstrndup(socket, (size_t)(strrchr(socket, '/') - socket));
	uv_fs_event_t *watch = xcalloc(1, sizeof(*watch));
	(void)uv_fs_event_init(link->loop, watch); /* cannot fail */
	watch->data = link;
	/* Without it nothing is noticed, and the next call finds out. */
	if (uv_fs_event_start(watch, on_folder, dir, 0) < 0)
		uv_close((uv_handle_t *)watch, on_unwatched);
	else
		link->watches[i] = watch;
}

/* The socket appears by a rename, so whoever sees it can connect. */
static void watch(struct mcp_link *link)
{
	autoerror err = {0};
	if (link->watches[0])
		return;
	if (dir_make_private(link->paths.runtime, &err))
		return; /* there is nothing to watch; the next call finds out */
	watch_folder(link, 0, link->paths.socket);
	autofree char *noted = paths_noted_socket(&link->paths);
	if (noted)
		watch_folder(link, 1, noted);
	(void)reach(link, &err); /* what came up before the watch did */
}

static void await_daemon(struct mcp_call *call)
{
	if (!call->timer && call->patience != MCP_FOREVER)
		call->timer = loop_timer_start(call->owner->loop, call->patience, out_of_patience, call);
}

/* Calls that waited for the greeting, or that are to be asked again, go on waiting as long as they want to.
 */
static void keep_waiting(struct mcp_link *link, bool gives_up)
{
	list_for_each_safe (pos, &link->waiting) {
		struct mcp_call *call = list_entry(pos, struct mcp_call, link);
		if (call->failure.code)
			continue; /* its timer ends it */
		if (gives_up || !call->patience)
			fail_without_daemon(call, "the daemon has gone");
		else
			await_daemon(call);
	}
}

/* The daemon of this generation has ended. */
static void daemon_lost(struct mcp_link *link)
{
	link->generation++;
	link->state = MCP_LINK_AWAY;
	link->dry += link->asked;
	link->asked = false;
	bool gives_up = link->dry >= TRIES;
	list_for_each_safe (pos, &link->lines) {
		struct line *line = list_entry(pos, struct line, link);
		if (!line->call)
			line_close(line);
	}
	if (!gives_up && (link->awake || !list_empty(&link->waiting)))
		watch(link);
	if (link->state == MCP_LINK_AWAY)
		keep_waiting(link, gives_up);
}

/* --- calls --- */

/* Nobody listens. */
static void wait_for_daemon(struct mcp_call *call)
{
	struct mcp_link *link = call->owner;
	if (!call->patience) {
		fail_without_daemon(call, "no daemon runs");
		return;
	}
	list_append(&link->waiting, &call->link);
	await_daemon(call);
	watch(link);
}

static void go_out(struct line *line, struct mcp_call *call)
{
	loop_timer_stop(call->timer);
	call->timer = NULL;
	line->call = call;
	call->line = line;
	call->owner->asked = true;
	mcp_conn_send(line->conn, call->bytes.buf, call->bytes.len);
}

/* Sees to it that a daemon is there; 0, ERR_NOT_FOUND when there is none to be had, or another error. */
static int find_daemon(struct mcp_link *link, bool may_start, struct error *err)
{
	int r = link->state == MCP_LINK_AWAY ? reach(link, err) : 0;
	if (r != ERR_NOT_FOUND || !may_start || !link->options.start)
		return r;
	r = link->options.start(link->options.data, err);
	return r ? r : reach(link, err);
}

/* A connection that carries nothing, for this call; NULL with 0 while the daemon is being greeted. */
static int find_line(struct mcp_call *call, bool may_start, struct line **ret, struct error *err)
{
	struct mcp_link *link = call->owner;
	bool greets = call->flags & MCP_GREETS;
	int r = find_daemon(link, may_start, err);
	if (r || (link->state == MCP_LINK_GREETING && !greets))
		return r;
	unsigned idle = 0;
	*ret = idle_line(link, call->lane, &idle);
	if (!*ret)
		r = connect_line(link, call->lane, ret, err);
	if (r == ERR_NOT_FOUND && !greets)
		daemon_lost(link); /* no connection was left to tell of it */
	return r;
}

/* Sends the call, or puts it where it waits for its turn. */
static void place(struct mcp_call *call, bool may_start)
{
	autoerror err = {0};
	struct line *line = NULL;
	int r = find_line(call, may_start, &line, &err);
	if (r == ERR_NOT_FOUND && call->owner->state != MCP_LINK_AWAY)
		r = find_line(call, may_start, &line, &err);
	if (line)
		go_out(line, call);
	else if (!r)
		list_append(&call->owner->waiting, &call->link);
	else if (r == ERR_NOT_FOUND && !(call->flags & MCP_GREETS))
		wait_for_daemon(call);
	else {
		error_release(&call->failure);
		call->failure = err;
		err = (struct error){0};
		fail(call);
	}
}

static int write_request(struct mcp_call *call, const struct mcp_request *request, struct error *err)
{
	char key[ID_SIZE];
	struct http_header headers[3] = {{"Coppice-Protocol", CLIENT_PROTOCOL}};
	size_t n = 1;
	if (request->flags & MCP_CHANGES) {
		client_new_key(key);
		headers[n++] = (struct http_header){"Idempotency-Key", key};
	}
	if (request->session)
		headers[n++] = (struct http_header){"Coppice-Session", request->session};
	autofree char *target = xasprintf("/v1/%s", request->op);
	autofree char *body = request->args ? json_text(request->args) : xstrdup("{}");
	struct http_call http = {.method = "POST",
				 .target = target,
				 .host = "coppice",
				 .headers = headers,
				 .n_headers = n,
				 .type = "application/json",
				 .body = body,
				 .len = strlen(body)};
	return http_write_call(&call->bytes, &http, err);
}

struct mcp_call *mcp_link_call(struct mcp_link *link, const struct mcp_request *request,
			       mcp_answer_fn answered, void *data)
{
	struct mcp_call *call = xcalloc(1, sizeof(*call));
	*call = (struct mcp_call){.owner = link,
				  .bytes = STRBUF_INIT(REQUEST_MAX),
				  .flags = request->flags,
				  .lane = request->lane,
				  .patience = request->patience,
				  .answered = answered,
				  .data = data};
	list_init(&call->link);
	if (write_request(call, request, &call->failure))
		fail(call);
	else
		place(call, request->flags & MCP_MAY_START);
	return call;
}

void mcp_link_cancel(struct mcp_call *call)
{
	if (!call)
		return;
	if (call->line)
		line_close(call->line);
	call_free(call);
}

/* --- the link --- */

struct mcp_link *mcp_link_new(uv_loop_t *loop, const struct mcp_link_options *o)
{
	struct mcp_link *link = xcalloc(1, sizeof(*link));
	link->loop = loop;
	link->options = *o;
	link->paths.socket = xstrdup(o->paths->socket);
	link->paths.runtime = xstrdup(o->paths->runtime);
	link->paths.home = xstrdup(o->paths->home);
	list_init(&link->lines);
	list_init(&link->waiting);
	return link;
}

void mcp_link_free(struct mcp_link *link)
{
	if (!link)
		return;
	list_for_each_safe (pos, &link->lines) {
		struct line *line = list_entry(pos, struct line, link);
		struct mcp_call *call = line->call;
		line_close(line);
		if (call)
			call_free(call);
	}
	list_for_each_safe (pos, &link->waiting)
		call_free(list_entry(pos, struct mcp_call, link));
	stop_watching(link);
	paths_release(&link->paths);
	free(link);
}

enum mcp_link_state mcp_link_state(const struct mcp_link *link)
{
	return link->state;
}

void mcp_link_wake(struct mcp_link *link)
{
	autoerror err = {0};
	link->awake = true;
	link->dry = 0;
	if (link->state == MCP_LINK_AWAY && reach(link, &err))
		watch(link);
}

void mcp_link_greeted(struct mcp_link *link)
{
	if (link->state != MCP_LINK_GREETING)
		return;
	link->state = MCP_LINK_UP;
	flush(link);
}

void mcp_link_close_lane(struct mcp_link *link, enum mcp_lane lane)
{
	list_for_each_safe (pos, &link->lines) {
		struct line *line = list_entry(pos, struct line, link);
		if (!line->call && line->lane == lane)
			line_close(line);
	}
}

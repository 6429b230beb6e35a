/* The blocking client; see client.h.
 *
 * One descriptor, non-blocking, and poll() with the time that is left. While a request is being sent an
 * answer may come already (413, say): then the rest is not sent and the connection not used again.
 * Whatever ends a connection before its answer is complete is LOST, and repeated by client_call. */
#include "ops/client.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/json.h"
#include "ops/start.h"
#include "net/http_response.h"
#include "net/http_write.h"
#include "os/env.h"
#include "os/file.h"
#include "os/socket.h"

enum {
	TRIES = 3,		     /* for one request, and for a stream that brings nothing */
	CALL_MAX = 64 * 1024 * 1024, /* bytes of a request; the daemon's own cap is far lower */
	TOKEN_MAX = 512,
	SESSION_MAX = 128,
	REFUSAL_MAX = 64 * 1024, /* bytes of an error in place of a stream */
};

#define CONNECT_LIMIT (10 * USEC_PER_SEC)
#define COME_BACK_LIMIT (60 * USEC_PER_SEC)
#define STREAM_SETTLED (5 * USEC_PER_SEC) /* a stream that lived as long was no failure */

/* Results of an exchange besides 0 and enum error_code. */
enum { LOST = -1 };

struct client {
	struct paths paths; /* socket and home at least */
	char *token;
	char *session;
	int (*start)(void *data, struct error *err);
	void *data;
	usec_t limit;
	int fd; /* -1: not connected */
	struct http_responses answer;
	struct strbuf request; /* as it goes over the wire, to be sent again if need be */

	bool was_connected;
	bool streaming;
	char *stream_query;
	struct sse_reader events;
	struct strbuf refusal; /* body of an answer that is no stream */
	unsigned dry;	       /* connections in a row that brought nothing */
	bool fresh;	       /* nothing has come over this connection yet */
	usec_t connected_at;   /* monotonic */
	sse_event_fn on_event; /* while client_stream_read runs */
	void *event_data;
	struct error *event_err;
	int event_result;
};

struct client *client_new(const struct client_options *o)
{
	struct client *c = xcalloc(1, sizeof(*c));
	c->paths.socket = xstrdup(o->paths->socket);
	c->paths.home = xstrdup(o->paths->home);
	c->token = o->token ? xstrdup(o->token) : NULL;
	c->session = o->session ? xstrdup(o->session) : NULL;
	c->start = o->start;
	c->data = o->data;
	c->limit = o->limit;
	c->fd = -1;
	strbuf_init(&c->request, CALL_MAX);
	strbuf_init(&c->refusal, REFUSAL_MAX);
	sse_reader_init(&c->events);
	http_responses_init(&c->answer, CLIENT_ANSWER_MAX, NULL, NULL);
	return c;
}

static void disconnect(struct client *c)
{
	if (c->fd >= 0)
		(void)close(TAKE_FD(c->fd)); /* a socket: nothing can be lost by it */
}

void client_free(struct client *c)
{
	if (!c)
		return;
	disconnect(c);
	http_responses_release(&c->answer);
	sse_reader_release(&c->events);
	strbuf_release(&c->request);
	strbuf_release(&c->refusal);
	paths_release(&c->paths);
	free(c->stream_query);
	free(c->token);
	free(c->session);
	free(c);
}

void client_cleanup(struct client **c)
{
	client_free(*c);
}

void client_set_limit(struct client *c, usec_t limit)
{
	c->limit = limit;
}

void client_new_key(char ret[ID_SIZE])
{
	id_format("key", os_random(os_env_real()), ret);
}

int client_reach(const struct paths *paths, usec_t limit, int *ret_fd, struct error *err)
{
	int r = socket_connect(paths->socket, limit, ret_fd, err);
	autofree char *noted = r == ERR_NOT_FOUND ? paths_noted_socket(paths) : NULL;
	if (noted && socket_connect(noted, limit, ret_fd, NULL) == 0)
		r = 0;
	return r;
}

static int connect_running(struct client *c, struct error *err)
{
	return client_reach(&c->paths, CONNECT_LIMIT, &c->fd, err);
}

/* A peer cannot start the daemon (X1). One that it has just talked to, or that was killed and so left its
 * socket behind, will be started again from outside: a worker outlives that. */
static bool may_come_back(const struct client *c)
{
	struct stat st;
	return getenv("COPPICE_PEER") && (c->was_connected || lstat(c->paths.socket, &st) == 0);
}

/* Connects, unless that is done, starting the daemon where that is allowed. */
static int ensure_connected(struct client *c, struct error *err)
{
	autoerror why = {0};
	char junk;
	/* Between two answers nothing may come: it would be taken for the next one. */
	if (c->fd >= 0 && recv(c->fd, &junk, 1, MSG_PEEK | MSG_DONTWAIT) >= 0)
		disconnect(c);
	if (c->fd >= 0)
		return 0;
	int r = connect_running(c, &why);
	if (r == ERR_NOT_FOUND && c->start && may_come_back(c)) {
		r = client_await_daemon(c->paths.socket, COME_BACK_LIMIT, err);
		if (r)
			return r;
		r = connect_running(c, &why);
	} else if (r == ERR_NOT_FOUND && c->start) {
		r = c->start(c->data, err);
		if (r)
			return r;
		r = connect_running(c, &why);
	}
	c->connected_at = os_monotonic();
	c->was_connected = c->was_connected || !r;
	if (!r)
		return 0;
	if (r != ERR_NOT_FOUND)
		return error_set(err, ERR_NO_DAEMON, "the daemon cannot be reached: %s", why.message);
	return error_hint(err, error_set(err, ERR_NO_DAEMON, "no daemon runs"), "start it: coppice status");
}

/* Waits for `events`; the end is monotonic, 0 is none. */
static int await(struct client *c, short events, usec_t end, short *ret_events, struct error *err)
{
	for (;;) {
		usec_t left = end ? end - os_monotonic() : 0;
		if (end && left <= 0)
			return error_set(err, ERR_TIMED_OUT, "the daemon did not answer in time");
		struct pollfd p = {.fd = c->fd, .events = events};
		usec_t ms = left / USEC_PER_MSEC + 1;
		int n = poll(&p, 1, end ? (int)(ms < 1000000 ? ms : 1000000) : -1);
		if (n < 0 && errno != EINTR)
			return error_errno(err, errno, "cannot wait for the daemon");
		if (n > 0) {
			*ret_events = p.revents;
			return 0;
		}
	}
}

/* Sends the request, until it is sent or an answer comes. */
static int send_request(struct client *c, usec_t end, struct error *err)
{
	for (size_t done = 0; done < c->request.len;) {
		short events = 0;
		int r = await(c, POLLIN | POLLOUT, end, &events, err);
		if (r)
			return r;
		if (events & POLLIN)
			return 0;
		ssize_t n = send(c->fd, c->request.buf + done, c->request.len - done, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return LOST;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Reads once what has come, and lets the parser have it. At the end of the connection it is LOST, unless
 * that completes the answer. */
static int read_some(struct client *c, size_t *ret_extra, struct error *err)
{
	char chunk[16 * 1024];
	size_t used = 0;
	ssize_t n = recv(c->fd, chunk, sizeof(chunk), 0);
	*ret_extra = 0;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return LOST;
	if (n == 0)
		return http_responses_eof(&c->answer) == HTTP_STAGE_DONE ? 0 : LOST;
	if (http_responses_feed(&c->answer, chunk, (size_t)n, &used) == HTTP_STAGE_BAD)
		return error_set(err, ERR_PROTOCOL, "what answers is no coppice daemon: %s",
				 c->answer.frame.reason);
	*ret_extra = (size_t)n - used;
	return 0;
}

/* Sends the request and reads its answer; LOST when the connection ended before that was complete. */
static int exchange(struct client *c, struct error *err)
{
	usec_t end = c->limit ? os_monotonic() + c->limit : 0;
	size_t extra = 0;
	http_responses_expect(&c->answer, false);
	int r = send_request(c, end, err);
	while (!r && c->answer.frame.stage != HTTP_STAGE_DONE) {
		short events = 0;
		r = await(c, POLLIN, end, &events, err);
		if (!r)
			r = read_some(c, &extra, err);
	}
	if (r || extra || !c->answer.res.keep_alive)
		disconnect(c);
	return r;
}

/* Exchanges what is in c->request, over as many connections as it takes. */
static int exchange_safely(struct client *c, struct error *err)
{
	for (int i = 0; i < TRIES; i++) {
		int r = ensure_connected(c, err);
		if (!r)
			r = exchange(c, err);
		if (r != LOST)
			return r;
	}
	return error_hint(err,
			  error_set(err, ERR_NO_DAEMON,
				    "the daemon ended the connection %d times before it answered", TRIES),
			  "look for the reason: coppice log");
}

/* The error object that was answered, as an error. */
static int answered_error(int status, const char *body, size_t len, struct error *err)
{
	json_auto_t *json = NULL;
	int r = json_parse(body, len, &json, NULL) == 0 && json_is_object(json_object_get(json, "error"))
			? error_from_json(json, err)
			: 0;
	return r ? r
		 : error_set(err, ERR_PROTOCOL, "the daemon answered with status %d and no reason", status);
}

static int write_request(struct client *c, const char *method, const char *target, const char *body,
			 const struct http_header *own, size_t n_own, struct error *err)
{
	struct http_header headers[8] = {{"Coppice-Protocol", CLIENT_PROTOCOL}};
	size_t n = 1;
	assert(n_own <= ARRAY_SIZE(headers) - 3);
	autofree char *bearer = c->token ? xasprintf("Bearer %s", c->token) : NULL;
	if (bearer)
		headers[n++] = (struct http_header){"Authorization", bearer};
	if (c->session)
		headers[n++] = (struct http_header){"Coppice-Session", c->session};
	for (size_t i = 0; i < n_own; i++)
		headers[n++] = own[i];
	struct http_call call = {
		.method = method,
		.target = target,
		.host = "coppice",
		.headers = headers,
		.n_headers = n,
		.type = body ? "application/json" : NULL,
		.body = body,
		.len = body ? strlen(body) : 0,
	};
	strbuf_reset(&c->request);
	return http_write_call(&c->request, &call, err);
}

int client_read_answer(int status, const char *body, size_t len, json_t **ret, struct error *err)
{
	if (status != 200)
		return answered_error(status, body, len, err);
	if (json_parse(body, len, ret, NULL) != 0)
		return error_set(err, ERR_PROTOCOL, "the daemon's answer is not JSON");
	return 0;
}

int client_call(struct client *c, const char *op, const json_t *args, const char *key, json_t **ret,
		struct error *err)
{
	assert(!c->streaming);
	autofree char *target = xasprintf("/v1/%s", op);
	autofree char *body = args ? json_text(args) : xstrdup("{}");
	const struct http_header own[] = {{"Idempotency-Key", key}};
	int r = write_request(c, "POST", target, body, own, key ? 1 : 0, err);
	if (!r)
		r = exchange_safely(c, err);
	if (r)
		return r;
	const struct http_response *res = &c->answer.res;
	return client_read_answer(res->status, res->body, res->body_len, ret, err);
}

/* --- the stream --- */

static int take_stream(void *data, const char *bytes, size_t len)
{
	struct client *c = data;
	if (c->answer.res.status != 200) {
		strbuf_add(&c->refusal, bytes, len);
		return 0;
	}
	c->fresh = false;
	c->dry = 0;
	c->event_result = sse_reader_feed(&c->events, bytes, len, c->on_event, c->event_data, c->event_err);
	return c->event_result != 0;
}

/* Connects and asks for the events after the last one that was given out. */
static int stream_connect(struct client *c, struct error *err)
{
	autofree char *target = xasprintf("/v1/events%s%s", c->stream_query ? "?" : "",
					  c->stream_query ? c->stream_query : "");
	struct http_header own[2] = {{"Accept", "text/event-stream"}};
	size_t n = 1;
	sse_reader_restart(&c->events);
	strbuf_reset(&c->refusal);
	const char *last_id = sse_reader_last_id(&c->events);
	if (*last_id)
		own[n++] = (struct http_header){"Last-Event-ID", last_id};
	disconnect(c);
	int r = write_request(c, "GET", target, NULL, own, n, err);
	if (!r)
		r = ensure_connected(c, err);
	if (r)
		return r;
	c->fresh = true;
	http_responses_expect(&c->answer, false);
	r = send_request(c, os_monotonic() + CONNECT_LIMIT, err);
	return r == LOST ? 0 : r; /* the next read finds out */
}

int client_stream_open(struct client *c, const char *query, const char *last_id, struct error *err)
{
	assert(!c->streaming);
	c->streaming = true;
	c->stream_query = query ? xstrdup(query) : NULL;
	c->dry = 0;
	sse_reader_release(&c->events);
	sse_reader_init(&c->events);
	strbuf_addstr(&c->events.last_id, last_id ? last_id : "");
	http_responses_release(&c->answer);
	http_responses_init(&c->answer, 0, take_stream, c);
	int r = stream_connect(c, err);
	if (r)
		client_stream_close(c);
	return r;
}

void client_stream_close(struct client *c)
{
	if (!c->streaming)
		return;
	c->streaming = false;
	free(TAKE_PTR(c->stream_query));
	disconnect(c);
	http_responses_release(&c->answer);
	http_responses_init(&c->answer, CLIENT_ANSWER_MAX, NULL, NULL);
}

int client_stream_fd(const struct client *c)
{
	return c->fd;
}

static int stream_resume(struct client *c, struct error *err)
{
	if (c->fresh && os_monotonic() - c->connected_at < STREAM_SETTLED)
		c->dry++;
	if (c->dry < TRIES)
		return stream_connect(c, err);
	return error_hint(
		err,
		error_set(err, ERR_NO_DAEMON, "the daemon ended the event stream %d times at once", TRIES),
		"look for the reason: coppice log");
}

int client_stream_read(struct client *c, sse_event_fn on_event, void *data, struct error *err)
{
	short events = 0;
	size_t extra = 0;
	c->on_event = on_event;
	c->event_data = data;
	c->event_err = err;
	c->event_result = 0;
	int r = await(c, POLLIN, 0, &events, err);
	if (r)
		return r;
	autoerror why = {0};
	r = read_some(c, &extra, &why);
	if (c->event_result)
		return c->event_result;
	if (c->answer.frame.stage == HTTP_STAGE_DONE && c->answer.res.status != 200)
		return answered_error(c->answer.res.status, strbuf_str(&c->refusal), c->refusal.len, err);
	if (r == LOST || c->answer.frame.stage == HTTP_STAGE_DONE)
		return stream_resume(c, err);
	return r ? error_set(err, (enum error_code)r, "%s", why.message) : 0;
}

int client_stream(struct client *c, const char *query, const char *last_id, sse_event_fn on_event, void *data,
		  struct error *err)
{
	int r = client_stream_open(c, query, last_id, err);
	while (!r)
		r = client_stream_read(c, on_event, data, err);
	client_stream_close(c);
	return r;
}

/* --- the client of this environment --- */

/* A token is one word; its file is a secret (S4). */
static int read_token(char **ret, struct error *err)
{
	const char *path = getenv("COPPICE_TOKEN_FILE");
	autostrbuf text = STRBUF_INIT(TOKEN_MAX);
	struct stat st;
	if (!path || !*path)
		return 0;
	int r = file_read(path, &text, err);
	if (r == ERR_NOT_FOUND)
		return error_hint(err, r, "the daemon makes it, as 'token' in its state folder");
	if (r)
		return r;
	if (stat(path, &st) < 0)
		return error_errno(err, errno, "cannot look at %s", path);
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return error_hint(
			err, error_set(err, ERR_REFUSED, "the token file %s is open to other users", path),
			"chmod 600 it");
	size_t len = 0;
	while (len < text.len && text.buf[len] > ' ' && text.buf[len] <= '~')
		len++;
	if (!len || len + strspn(text.buf + len, " \t\r\n") != text.len)
		return error_set(err, ERR_INVALID, "the token file %s does not hold one word", path);
	*ret = xstrndup(text.buf, len);
	return 0;
}

static bool session_ok(const char *id)
{
	size_t len = id ? strlen(id) : 0;
	return len && len <= SESSION_MAX && strspn(id, "0123456789abcdefABCDEF-") == len;
}

void client_set_session(struct client *c, const char *session)
{
	if (!session_ok(session))
		return;
	free(c->session);
	c->session = xstrdup(session);
}

/* What a process that hosts sessions names the one that this command runs in; NULL if nothing does. */
static const char *own_session(void)
{
	for (const struct agent_backend *const *b = agent_backends(); *b; b++) {
		const char *id = (*b)->session_variable ? getenv((*b)->session_variable) : NULL;
		if (session_ok(id))
			return id;
	}
	return NULL;
}

static int start_here(void *data, struct error *err)
{
	struct client *c = data;
	return client_start_daemon(&(struct start_options){.paths = &c->paths}, err);
}

int client_open_default(unsigned flags, struct client **ret, struct error *err)
{
	autopaths paths = {0};
	autofree char *token = NULL;
	int r = paths_find(&paths, err);
	if (r)
		return r;
	r = read_token(&token, err);
	/* The first daemon makes it: a script's first command needs no other one before it. */
	if (r == ERR_NOT_FOUND && flags & CLIENT_START) {
		r = client_start_daemon(&(struct start_options){.paths = &paths}, err);
		if (!r)
			r = read_token(&token, err);
	}
	if (r)
		return r;
	struct client *c = client_new(
		&(struct client_options){.paths = &paths, .token = token, .session = own_session()});
	paths_release(&c->paths);
	c->paths = paths;
	paths = (struct paths){0};
	if (flags & CLIENT_START) {
		c->start = start_here;
		c->data = c;
	}
	*ret = c;
	return 0;
}

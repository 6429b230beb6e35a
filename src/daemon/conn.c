/* Connections: credentials by the kernel, HTTP/1.1 by net/, one request at a time, streams of events.
 *
 * A reader that does not read costs nothing but its place: a stream is filled from the database only while
 * little of it waits to be written, and resumes where it stopped. */
#include "daemon/conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/route.h"
#include "base/alloc.h"
#include "flow/spawn.h"
#include "net/http_write.h"
#include "net/sse.h"
#include "store/event.h"
#include "os/socket.h"

enum {
	CONNS_MAX = 4096,
	OUTPUT_MAX = 64 << 20,	      /* one answer */
	STREAM_WATERMARK = 256 << 10, /* of unwritten bytes, beyond which a stream is not filled */
	STREAM_BATCH = 64,
	BACKLOG = 256,
};

#define SLOW_AFTER (15 * USEC_PER_SEC)

struct write {
	uv_write_t req;
	struct conn *conn;
	char *data; /* owned */
	size_t len;
};

static void on_closed(uv_handle_t *handle)
{
	struct conn *conn = handle->data;
	http_requests_release(&conn->requests);
	free(conn->plan);
	free(conn->session);
	close_fd(&conn->pidfd);
	free(conn);
}

/* A way into a session whose end has gone, or holds another one now. */
struct lost_way {
	struct list link; /* in daemon.lost_ways */
	const struct transport_kind *kind;
	char peer_id[ID_SIZE];
};

static void lose_way(struct conn *conn)
{
	struct daemon *d = conn->daemon;
	if (!conn->holds || d->stopping)
		return;
	struct lost_way *way = xcalloc(1, sizeof(*way));
	way->kind = conn->holds;
	memcpy(way->peer_id, conn->holds_for, sizeof(way->peer_id));
	list_append(&d->lost_ways, &way->link);
	turn_wanted(d);
}

static bool held_by_another(struct daemon *d, const struct lost_way *way)
{
	list_for_each (pos, &d->conns) {
		const struct conn *conn = list_entry(pos, struct conn, link);
		if (conn->holds == way->kind && strcmp(conn->holds_for, way->peer_id) == 0)
			return true;
	}
	return false;
}

void conn_record_lost_ways(struct daemon *d)
{
	list_for_each (pos, &d->lost_ways) {
		struct lost_way *way = list_entry(pos, struct lost_way, link);
		if (!held_by_another(d, way))
			transport_detach(d->store, way->peer_id, way->kind, "its connection ended");
	}
}

void conn_drop_lost_ways(struct daemon *d)
{
	list_for_each_safe (pos, &d->lost_ways) {
		struct lost_way *way = list_entry(pos, struct lost_way, link);
		list_remove(pos);
		free(way);
	}
}

void conn_holds(struct conn *conn, const char *peer_id, const char *transport)
{
	const struct transport_kind *kind = transport_find(transport);
	if (!conn)
		return;
	if (conn->holds && (conn->holds != kind || strcmp(conn->holds_for, peer_id) != 0)) {
		lose_way(conn);
		conn->holds = NULL;
	}
	conn->holds = kind;
	(void)snprintf(conn->holds_for, sizeof(conn->holds_for), "%s", peer_id);
}

static void conn_close(struct conn *conn)
{
	if (conn->closing)
		return;
	conn->closing = true;
	loop_timer_stop(conn->slow);
	conn->slow = NULL;
	list_remove(&conn->link);
	conn->daemon->conn_count--;
	if (conn->call)
		call_forget(conn->daemon, TAKE_PTR(conn->call));
	lose_way(conn);
	uv_close((uv_handle_t *)&conn->pipe, on_closed);
}

static void pump_stream(struct conn *conn);
static void next_request(struct conn *conn, enum http_stage stage);

static void on_written(uv_write_t *req, int status)
{
	struct write *w = (struct write *)req->data;
	struct conn *conn = w->conn;
	conn->writing -= w->len;
	free(w->data);
	free(w);
	if (status < 0)
		conn_close(conn);
	else if (conn->stream && !conn->closing)
		pump_stream(conn);
}

/* Takes the buffer's content. */
static void send_bytes(struct conn *conn, struct strbuf *out)
{
	if (conn->closing || !out->len)
		return;
	uv_buf_t buf = uv_buf_init(out->buf, (unsigned)out->len);
	int n = conn->writing ? 0 : uv_try_write((uv_stream_t *)&conn->pipe, &buf, 1);
	size_t sent = n > 0 ? (size_t)n : 0;
	if (sent == out->len)
		return;
	struct write *w = xcalloc(1, sizeof(*w));
	strbuf_consume(out, sent);
	*w = (struct write){.conn = conn, .len = out->len}; /* before the buffer gives its content away */
	w->data = strbuf_detach(out);
	w->req.data = w;
	buf = uv_buf_init(w->data, (unsigned)w->len);
	conn->writing += w->len;
	if (uv_write(&w->req, (uv_stream_t *)&conn->pipe, &buf, 1, on_written) < 0) {
		conn->writing -= w->len;
		free(w->data);
		free(w);
		conn_close(conn);
	}
}

static void on_shutdown_written(uv_shutdown_t *req, int status)
{
	(void)status;
	struct conn *conn = req->data;
	free(req);
	conn_close(conn);
}

/* Closes once everything is written. */
static void close_after(struct conn *conn)
{
	uv_shutdown_t *req = xcalloc(1, sizeof(*req));
	req->data = conn;
	if (conn->closing || uv_shutdown(req, (uv_stream_t *)&conn->pipe, on_shutdown_written) < 0) {
		free(req);
		conn_close(conn);
	}
}

static void refuse(struct conn *conn)
{
	autostrbuf out = STRBUF_INIT(64 << 10);
	autoerror err = {0};
	if (!http_write_refusal(&out, conn->requests.frame.status, conn->requests.frame.reason, &err))
		send_bytes(conn, &out);
	uv_read_stop((uv_stream_t *)&conn->pipe);
	close_after(conn);
}

static void reply(struct conn *conn, int status, const json_t *body)
{
	autostrbuf out = STRBUF_INIT(OUTPUT_MAX);
	autoerror err = {0};
	bool keep = conn->requests.req.keep_alive && !conn->daemon->stopping;
	unsigned flags = keep ? HTTP_WRITE_KEEP_ALIVE : 0;
	if (conn->requests.req.verb == HTTP_VERB_HEAD)
		flags |= HTTP_WRITE_OMIT_BODY;
	if (http_write_json(&out, status, body, flags, &err)) {
		conn_close(conn);
		return;
	}
	send_bytes(conn, &out);
	if (conn->closing)
		return;
	if (!keep)
		close_after(conn);
	else
		next_request(conn, http_requests_next(&conn->requests, (usec_t)(uv_hrtime() / 1000)));
}

void conn_answer(struct conn *conn, int status, const json_t *body)
{
	if (!conn)
		return;
	conn->call = NULL;
	reply(conn, status, body);
}

static void reply_error(struct conn *conn, const struct error *err)
{
	json_auto_t *body = error_to_json(err);
	reply(conn, error_kind(err->code)->http_status, body);
}

/* Equal in a time that does not tell how much of it was (S4). */
static bool same_secret(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	unsigned char differ = la != lb;
	for (size_t i = 0; i < la; i++)
		differ |= (unsigned char)(a[i] ^ b[lb ? i % lb : 0]);
	return !differ;
}

static void add_event(const struct event *e, void *data)
{
	struct conn *conn = ((void **)data)[0];
	struct strbuf *out = ((void **)data)[1];
	char id[32];
	json_auto_t *json = event_to_json(e);
	autofree char *text = json_text(json);
	(void)snprintf(id, sizeof(id), "%lld", (long long)e->id);
	autoerror err = {0};
	if (sse_write(out, id, e->kind, text, strlen(text), &err) == 0)
		conn->last_event = e->id;
}

static void pump_stream(struct conn *conn)
{
	while (!conn->closing && conn->writing < STREAM_WATERMARK) {
		autostrbuf out = STRBUF_INIT(OUTPUT_MAX);
		void *data[] = {conn, &out};
		event_since(conn->daemon->store, conn->last_event, conn->plan, STREAM_BATCH, add_event, data);
		if (!out.len)
			break;
		send_bytes(conn, &out);
	}
}

void conn_pump_streams(struct daemon *d)
{
	size_t n = 0;
	(void)store_events(d->store, &n);
	if (!n)
		return;
	list_for_each_safe (pos, &d->conns) {
		struct conn *conn = list_entry(pos, struct conn, link);
		if (conn->stream)
			pump_stream(conn);
	}
}

static void begin_stream(struct conn *conn, const struct api_route *route)
{
	autostrbuf out = STRBUF_INIT(4096);
	autoerror err = {0};
	conn->stream = true;
	conn->plan = route->plan;
	conn->last_event = route->after >= 0 ? route->after : event_last_id(conn->daemon->store);
	if (http_write_stream(&out, &err)) {
		conn_close(conn);
		return;
	}
	sse_write_comment(&out);
	send_bytes(conn, &out);
	pump_stream(conn);
}

static void handle_request(struct conn *conn)
{
	struct daemon *d = conn->daemon;
	struct api_route route;
	autoerror err = {0};
	if (api_route(&conn->requests.req, &route, &err)) {
		json_decref(route.params);
		free(route.plan);
		reply_error(conn, &err);
		return;
	}
	if (strcmp(route.session ? route.session : "", conn->session ? conn->session : "") != 0) {
		free(conn->session);
		conn->session = route.session ? xstrdup(route.session) : NULL;
		conn->generation = 0;
	}
	bool token = route.bearer && same_secret(route.bearer, d->token);
	if (token != conn->token) {
		conn->token = token;
		conn->generation = 0;
	}
	switch (route.kind) {
	case API_OPERATION:
		conn->call = call_begin(d, conn, &route);
		break;
	case API_EVENTS:
		begin_stream(conn, &route);
		break;
	case API_DOCUMENT:
		reply(conn, 200, route.document);
		json_decref(route.document);
		break;
	}
}

static void too_slow(void *data)
{
	struct conn *conn = data;
	conn->slow = NULL;
	conn_close(conn);
}

/* A request under way must get on; between requests a connection may rest. */
static void watch_slowness(struct conn *conn, enum http_stage stage)
{
	bool under_way = stage == HTTP_STAGE_HEAD || stage == HTTP_STAGE_BODY;
	if (under_way && !conn->slow)
		conn->slow = loop_timer_start(&conn->daemon->loop, SLOW_AFTER, too_slow, conn);
	if (!under_way) {
		loop_timer_stop(conn->slow);
		conn->slow = NULL;
	}
}

static void next_request(struct conn *conn, enum http_stage stage)
{
	watch_slowness(conn, stage);
	if (stage == HTTP_STAGE_DONE)
		handle_request(conn);
	else if (stage == HTTP_STAGE_BAD)
		refuse(conn);
	else if (http_requests_take_continue(&conn->requests)) {
		autostrbuf out = STRBUF_INIT(256);
		autoerror err = {0};
		if (!http_write_continue(&out, &err))
			send_bytes(conn, &out);
	}
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct conn *conn = stream->data;
	if (n < 0) {
		conn_close(conn);
		return;
	}
	if (n == 0 || conn->closing || conn->stream)
		return;
	bool busy = conn->requests.frame.stage == HTTP_STAGE_DONE;
	enum http_stage stage =
		http_requests_feed(&conn->requests, buf->base, (size_t)n, (usec_t)(uv_hrtime() / 1000));
	if (busy && stage != HTTP_STAGE_BAD)
		return; /* sent ahead; it waits for the answer of the one before */
	next_request(conn, stage);
}

static bool same_user(struct conn *conn)
{
	uv_os_fd_t fd;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	if (uv_fileno((uv_handle_t *)&conn->pipe, &fd) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return false;
	conn->pid = cred.pid;
	conn->pidfd = socket_peer_pidfd(fd, cred.pid);
	return cred.uid == geteuid();
}

static void on_connection(uv_stream_t *server, int status)
{
	struct daemon *d = server->data;
	if (status < 0)
		return;
	struct conn *conn = xcalloc(1, sizeof(*conn));
	conn->daemon = d;
	conn->pidfd = -1;
	list_append(&d->conns, &conn->link);
	d->conn_count++;
	http_requests_init(&conn->requests, HTTP_BODY_MAX);
	uv_pipe_init(&d->loop, &conn->pipe, 0);
	conn->pipe.data = conn;
	if (uv_accept(server, (uv_stream_t *)&conn->pipe) < 0 || d->conn_count > CONNS_MAX ||
	    !same_user(conn) || uv_read_start((uv_stream_t *)&conn->pipe, loop_give_buffer, on_read) < 0)
		conn_close(conn);
}

void conn_identify(struct daemon *d, struct conn *conn, struct caller *ret,
		   const struct proc_chain **ret_chain)
{
	identify(d, conn);
	*ret = conn->caller;
	*ret_chain = conn->has_chain ? &conn->chain : NULL;
}

const char *conn_expected_peer(struct daemon *d, const struct conn *conn)
{
	bool expected =
		conn->caller.kind == CALLER_UNKNOWN && conn->mark[0] && spawn_unproven(d->store, conn->mark);
	return expected ? conn->mark : NULL;
}

void conn_listen(struct daemon *d, int fd)
{
	uv_pipe_init(&d->loop, &d->listener, 0);
	d->listener.data = d;
	if (uv_pipe_open(&d->listener, fd) < 0 ||
	    uv_listen((uv_stream_t *)&d->listener, BACKLOG, on_connection) < 0) {
		(void)fputs("coppice: the socket cannot be listened on\n", stderr);
		abort();
	}
}

void conn_close_all(struct daemon *d)
{
	list_for_each_safe (pos, &d->conns)
		conn_close(list_entry(pos, struct conn, link));
}

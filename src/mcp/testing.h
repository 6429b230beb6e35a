/* For tests: a daemon that the test plays, on the test's own loop. Include it after cmocka.
 *
 *   struct fake f;
 *   fake_start(&f, &loop, folder);      listens; f.paths is what a link is given
 *   … fake_await(&f, n) …               until n requests have come, in all; f.at[i] is what was asked
 *   fake_answer(&f, i, json) / fake_error(&f, i, code, message)
 *   fake_stop(&f);                      ends its connections and its socket, as a daemon that ends does
 *
 * With f.auto_answer set, requests are answered at once by what it returns; NULL leaves one for later. */
#ifndef MCP_TESTING_H
#define MCP_TESTING_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "base/json.h"
#include "net/http_request.h"
#include "net/http_write.h"
#include "os/paths.h"
#include "os/testing.h"

enum { FAKE_REQUESTS = 256, FAKE_CONNS = 64 };

struct fake_conn {
	uv_pipe_t pipe;
	struct fake *fake;
	struct http_requests requests;
	int number; /* of all connections, from 0 */
	bool closed;
};

struct fake_request {
	char op[64], key[64], session[64], protocol[8];
	json_t *args;		/* owned */
	struct fake_conn *conn; /* NULL: answered, or its connection has ended */
	int connection;
};

struct fake {
	uv_loop_t *loop;
	struct paths paths;
	uv_pipe_t *listener;
	struct fake_conn *conns[FAKE_CONNS];
	int n_conns, ended_conns;
	struct fake_request at[FAKE_REQUESTS];
	int n;
	json_t *(*auto_answer)(struct fake *f, const struct fake_request *r);
	void *data;
};

static void fake_conn_freed(uv_handle_t *handle)
{
	struct fake_conn *c = handle->data;
	http_requests_release(&c->requests);
	free(c);
}

static void fake_conn_close(struct fake_conn *c)
{
	if (c->closed)
		return;
	c->closed = true;
	c->fake->ended_conns++;
	c->fake->conns[c->number] = NULL;
	for (int i = 0; i < c->fake->n; i++)
		if (c->fake->at[i].conn == c)
			c->fake->at[i].conn = NULL;
	uv_close((uv_handle_t *)&c->pipe, fake_conn_freed);
}

static void fake_send(struct fake_conn *c, const char *text, size_t len)
{
	uv_buf_t buf = uv_buf_init(NULL, 0);
	memcpy(&buf.base, &text, sizeof(text));
	buf.len = len;
	if (uv_try_write((uv_stream_t *)&c->pipe, &buf, 1) != (int)len)
		abort(); /* what tests answer fits into a socket */
}

static void fake_take(struct fake_conn *c);

static void fake_reply(struct fake *f, int i, int status, const json_t *json)
{
	struct fake_conn *c = f->at[i].conn;
	autostrbuf out = STRBUF_INIT(1 << 20);
	if (!c)
		return;
	f->at[i].conn = NULL;
	if (http_write_json(&out, status, json, HTTP_WRITE_KEEP_ALIVE, NULL) != 0)
		abort();
	fake_send(c, out.buf, out.len);
	if (http_requests_next(&c->requests, 1) == HTTP_STAGE_DONE)
		fake_take(c);
}

/* Takes `json`. */
_unused_ static void fake_answer(struct fake *f, int i, json_t *json)
{
	fake_reply(f, i, 200, json);
	json_decref(json);
}

_unused_ static void fake_error(struct fake *f, int i, enum error_code code, const char *message)
{
	autoerror err = {0};
	(void)error_set(&err, code, "%s", message);
	json_auto_t *json = error_to_json(&err);
	fake_reply(f, i, error_kind(code)->http_status, json);
}

/* Ends the connection of a request instead of answering it. */
_unused_ static void fake_drop(struct fake *f, int i)
{
	if (f->at[i].conn)
		fake_conn_close(f->at[i].conn);
}

static void fake_note(char *to, size_t size, const struct http_request *req, const char *header)
{
	const char *value = http_request_header(req, header);
	(void)snprintf(to, size, "%s", value ? value : "-");
}

static void fake_take(struct fake_conn *c)
{
	struct fake *f = c->fake;
	const struct http_request *req = &c->requests.req;
	if (f->n == FAKE_REQUESTS)
		abort();
	int i = f->n++;
	struct fake_request *r = &f->at[i];
	*r = (struct fake_request){.conn = c, .connection = c->number};
	(void)snprintf(r->op, sizeof(r->op), "%s", req->path + strlen("/v1/"));
	fake_note(r->key, sizeof(r->key), req, "idempotency-key");
	fake_note(r->session, sizeof(r->session), req, "coppice-session");
	fake_note(r->protocol, sizeof(r->protocol), req, "coppice-protocol");
	if (json_parse(req->body, req->body_len, &r->args, NULL) != 0)
		abort();
	json_t *json = f->auto_answer ? f->auto_answer(f, r) : NULL;
	if (json)
		fake_answer(f, i, json);
}

static void fake_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	static char bytes[4096];
	(void)handle;
	(void)suggested;
	*buf = uv_buf_init(bytes, sizeof(bytes));
}

static void fake_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct fake_conn *c = stream->data;
	if (n < 0)
		fake_conn_close(c);
	else if (n > 0 && !c->closed &&
		 http_requests_feed(&c->requests, buf->base, (size_t)n, 1) == HTTP_STAGE_DONE)
		fake_take(c);
}

static void fake_connection(uv_stream_t *server, int status)
{
	struct fake *f = server->data;
	if (status < 0 || f->n_conns == FAKE_CONNS)
		abort();
	struct fake_conn *c = xcalloc(1, sizeof(*c));
	c->fake = f;
	c->number = f->n_conns;
	f->conns[f->n_conns++] = c;
	http_requests_init(&c->requests, 1 << 20);
	uv_pipe_init(f->loop, &c->pipe, 0);
	c->pipe.data = c;
	if (uv_accept(server, (uv_stream_t *)&c->pipe) ||
	    uv_read_start((uv_stream_t *)&c->pipe, fake_buffer, fake_read))
		abort();
}

/* Listens, the socket appearing by a rename as the daemon's does. */
static void fake_listen(struct fake *f)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	autofree char *new = xasprintf("%s.new", f->paths.socket);
	memcpy(addr.sun_path, new, strlen(new) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 64))
		abort();
	if (rename(new, f->paths.socket))
		abort();
	f->listener = xcalloc(1, sizeof(*f->listener));
	uv_pipe_init(f->loop, f->listener, 0);
	f->listener->data = f;
	if (uv_pipe_open(f->listener, fd) || uv_listen((uv_stream_t *)f->listener, 64, fake_connection))
		abort();
}

static void fake_handle_freed(uv_handle_t *handle)
{
	free(handle);
}

/* The daemon ends: its socket goes first, then its connections. */
static void fake_stop(struct fake *f)
{
	if (!f->listener)
		return;
	(void)unlink(f->paths.socket);
	uv_close((uv_handle_t *)TAKE_PTR(f->listener), fake_handle_freed);
	for (int i = 0; i < f->n_conns; i++)
		if (f->conns[i])
			fake_conn_close(f->conns[i]);
}

/* Paths below `folder`; nobody listens yet. */
_unused_ static void fake_init(struct fake *f, uv_loop_t *loop, const char *folder)
{
	*f = (struct fake){.loop = loop};
	(void)signal(SIGPIPE, SIG_IGN);
	f->paths.home = path_join(folder, "home");
	f->paths.runtime = path_join(folder, "run");
	f->paths.socket = path_join(f->paths.runtime, "d.sock");
	if (mkdir(f->paths.home, 0700) || mkdir(f->paths.runtime, 0700))
		abort();
}

_unused_ static void fake_start(struct fake *f, uv_loop_t *loop, const char *folder)
{
	fake_init(f, loop, folder);
	fake_listen(f);
}

/* Ends it, and the loop: everything else on it must have been freed. */
_unused_ static void fake_release(struct fake *f)
{
	fake_stop(f);
	while (uv_run(f->loop, UV_RUN_NOWAIT))
		;
	for (int i = 0; i < f->n; i++)
		json_decref(f->at[i].args);
	paths_release(&f->paths);
	if (uv_loop_close(f->loop))
		abort();
}

/* Runs the loop until `n` requests have come in all; the test's own time limit ends a wait in vain. */
_unused_ static void fake_await(struct fake *f, int n)
{
	while (f->n < n)
		(void)uv_run(f->loop, UV_RUN_ONCE);
}

/* Runs the loop as long as something is ready. */
_unused_ static void fake_settle(struct fake *f)
{
	for (int i = 0; i < 20; i++)
		(void)uv_run(f->loop, UV_RUN_NOWAIT);
}

#endif

/* The link to a Codex app server: its control socket, on the daemon's loop; see agent.h and codex.h. The
 * socket's bytes are net/ws.h's, the conversation is codex_rpc.h's; here is what owns both, and ends them.
 *
 * An ending link stops both at once, so that no event comes any more, and is freed when libuv has closed its
 * handle: never while it is on the call stack. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/codex.h"
#include "agent/codex_rpc.h"
#include "net/ws.h"
#include "os/env.h"
#include "os/file.h"
#include "os/loop.h"
#include "os/proc.h"
#include "os/socket.h"

enum { READ_SIZE = 64 << 10 };

#define CONNECT_LIMIT (5 * USEC_PER_MSEC) /* blocks the daemon: only a full queue makes it wait at all */
#define ANSWER_LIMIT (60 * USEC_PER_SEC)  /* for a server that owes an answer, to say anything at all */

struct agent_link {
	uv_pipe_t pipe;
	struct ws *ws;
	struct codex_rpc *rpc; /* NULL until the handshake is done */
	const struct agent_link_events *events;
	void *data;
	struct loop_timer
		*timer;	      /* limits the wait for an answer, or carries out a failure of open or send */
	struct error failure; /* for that */
	bool closed;	      /* its end has begun; no event comes after it */
	bool writing;
	struct strbuf written; /* what is being written */
	uv_write_t write;
	char input[READ_SIZE];
};

static void link_free(struct agent_link *l)
{
	codex_rpc_free(l->rpc);
	ws_free(l->ws);
	strbuf_release(&l->written);
	error_release(&l->failure);
	free(l);
}

static void pipe_closed(uv_handle_t *handle)
{
	link_free(handle->data);
}

static void stop_timer(struct agent_link *l)
{
	loop_timer_stop(l->timer);
	l->timer = NULL;
}

/* The end of it all; the memory follows. */
static void shut(struct agent_link *l)
{
	l->closed = true;
	stop_timer(l);
	if (l->rpc)
		codex_rpc_stop(l->rpc);
	uv_close((uv_handle_t *)&l->pipe, pipe_closed);
}

static void lose(struct agent_link *l, const struct error *why)
{
	if (l->closed)
		return;
	shut(l);
	l->events->lost(l->data, why);
}

static void lose_later(void *data)
{
	struct agent_link *l = data;
	l->timer = NULL;
	lose(l, &l->failure);
}

/* Loses the link in a later turn of the loop: from within open or send nothing may be called. */
static void fail_later(struct agent_link *l)
{
	stop_timer(l);
	l->timer = loop_timer_start(l->pipe.loop, 0, lose_later, l);
}

/* --- writing --- */

static void flush(struct agent_link *l);

static void on_written(uv_write_t *write, int status)
{
	struct agent_link *l = write->data;
	l->writing = false;
	if (status < 0 && !l->closed) {
		autoerror err = {0};
		(void)error_errno(&err, -status, "cannot write to the app server");
		lose(l, &err);
	} else if (!l->closed) {
		flush(l);
	}
}

static void flush(struct agent_link *l)
{
	struct strbuf *out = ws_out(l->ws);
	if (l->writing || l->closed || !out->len || l->failure.code)
		return;
	strbuf_release(&l->written);
	l->written = *out;
	strbuf_init(out, l->written.max);
	uv_buf_t buf = uv_buf_init(l->written.buf, (unsigned)l->written.len);
	l->write.data = l;
	int r = uv_write(&l->write, (uv_stream_t *)&l->pipe, &buf, 1, on_written);
	l->writing = r == 0;
	if (r == 0)
		return;
	(void)error_errno(&l->failure, -r, "cannot write to the app server");
	fail_later(l);
}

/* --- the conversation --- */

static void silent(void *data)
{
	struct agent_link *l = data;
	autoerror err = {0};
	l->timer = NULL;
	(void)error_set(&err, ERR_TIMED_OUT, "the app server does not answer");
	lose(l, &err);
}

static void on_owed(void *data, bool owed)
{
	struct agent_link *l = data;
	if (l->closed || l->failure.code)
		return;
	stop_timer(l);
	if (owed)
		l->timer = loop_timer_start(l->pipe.loop, ANSWER_LIMIT, silent, l);
}

static int write_frame(void *data, const char *text, size_t len, struct error *err)
{
	struct agent_link *l = data;
	return ws_send(l->ws, text, len, err);
}

static void make_random(void *data, void *buf, size_t len)
{
	(void)data;
	for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
		uint64_t bits = os_random(os_env_real());
		memcpy((char *)buf + i, &bits, len - i < sizeof(bits) ? len - i : sizeof(bits));
	}
}

static void on_opened(void *data)
{
	struct agent_link *l = data;
	struct codex_rpc_options options = {
		.write = write_frame, .owed = on_owed, .owner = l, .events = l->events, .data = l->data};
	stop_timer(l);
	if (codex_rpc_new(&options, &l->rpc, &l->failure))
		fail_later(l);
}

static int on_text(void *data, const char *text, size_t len, struct error *err)
{
	struct agent_link *l = data;
	return l->rpc ? codex_rpc_feed(l->rpc, text, len, err) : 0;
}

/* --- reading --- */

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	(void)suggested;
	struct agent_link *l = handle->data;
	*ret = uv_buf_init(l->input, sizeof(l->input));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct agent_link *l = stream->data;
	autoerror err = {0};
	int code = 0;
	if (n == UV_EOF)
		code = error_set(&err, ERR_EXITED, "the app server closed the connection");
	else if (n < 0)
		code = error_errno(&err, (int)-n, "cannot read from the app server");
	else if (n > 0)
		code = ws_feed(l->ws, buf->base, (size_t)n, &err);
	if (l->closed)
		return; /* by a callback */
	flush(l);	/* a close frame, if the protocol was broken */
	if (code)
		lose(l, &err);
}

/* --- opening --- */

/* Whether one of the two is the other, or has it among its ancestors: a wrapper starts the real program, and
 * a hook knows the one or the other. */
static bool related(pid_t a, pid_t b)
{
	struct proc_chain chain;
	if (a == b)
		return true;
	for (int turn = 0; turn < 2; turn++) {
		if (proc_chain(turn ? b : a, &chain, NULL))
			continue;
		for (size_t i = 1; i < chain.n; i++)
			if (chain.at[i].pid == (turn ? a : b))
				return true;
	}
	return false;
}

/* The kernel says who listens: it was another user's process, or another one of ours, if that is not the
 * process that is to be spoken to. */
static int check_listener(int fd, pid_t pid, const char *socket, struct error *err)
{
	pid_t listener = 0;
	uid_t uid = 0;
	int code = socket_peer(fd, &listener, &uid, err);
	if (code)
		return code;
	if (uid != geteuid() || listener <= 1 || !related(listener, pid))
		return error_set(err, ERR_FORBIDDEN,
				 "the socket %s is not process %d's but that of process %d", socket, (int)pid,
				 (int)listener);
	return 0;
}

/* Codex makes its socket elsewhere, under a short name, and a link to it where it was asked to: so the path
 * itself may be longer than a socket's address is. */
static int connect_to(const char *socket, int *ret_fd, struct error *err)
{
	return socket_connect_linked(socket, CONNECT_LIMIT, ret_fd, err);
}

static int open_pipe(struct agent_link *l, uv_loop_t *loop, int fd, struct error *err)
{
	(void)uv_pipe_init(loop, &l->pipe, 0); /* cannot fail on Linux */
	l->pipe.data = l;
	int r = uv_pipe_open(&l->pipe, fd);
	if (r) {
		(void)close(fd); /* nothing has been done with it */
		return error_errno(err, -r, "cannot take the app server's socket into the loop");
	}
	r = uv_read_start((uv_stream_t *)&l->pipe, give_buffer, on_read);
	return r ? error_errno(err, -r, "cannot read from the app server") : 0;
}

static int link_open(uv_loop_t *loop, const char *socket, pid_t pid, const struct agent_link_events *events,
		     void *data, struct agent_link **ret, struct error *err)
{
	autoclose int fd = -1;
	int code = connect_to(socket, &fd, err);
	if (code)
		return code;
	struct agent_link *l = xcalloc(1, sizeof(*l));
	struct ws_options options = {.host = "localhost",
				     .target = "/",
				     .random = make_random,
				     .opened = on_opened,
				     .text = on_text,
				     .data = l};
	l->events = events;
	l->data = data;
	code = ws_new(&options, &l->ws, err);
	if (code) {
		link_free(l);
		return code;
	}
	code = check_listener(fd, pid, socket, &l->failure);
	int opened = open_pipe(l, loop, TAKE_FD(fd), code ? NULL : &l->failure);
	if (code || opened) {
		(void)uv_read_stop((uv_stream_t *)&l->pipe); /* nothing is to come of it */
		fail_later(l);
	} else {
		on_owed(l, true);
		flush(l);
	}
	*ret = l;
	return 0;
}

static int link_send(struct agent_link *l, const char *session, const char *id, const char *text,
		     struct error *err)
{
	if (l->closed || l->failure.code || !l->rpc)
		return error_set(err, ERR_NOT_FOUND, "the app server has no such session");
	int code = codex_rpc_send(l->rpc, session, id, text, err);
	flush(l);
	return code;
}

static void link_close(struct agent_link *l)
{
	if (l && !l->closed)
		shut(l);
}

const struct agent_link_kind codex_link = {
	.transport = "codex-link",
	.open = link_open,
	.send = link_send,
	.close = link_close,
};

/* The daemon's client of one tmux server; see tmux.h.
 *
 * A connection is one `tmux -C` child and its three pipes. It is ready for commands when it reports the
 * session that it is attached to: what is written before would run without one. When the child has ended
 * and its pipes are drained, or when it stays silent too long, the connection is dropped: whatever waited
 * is answered with the reason, and the next command starts a new one. Before the first connection of all,
 * `tmux -V` is asked.
 *
 * Delimiting: a command line yields a block per command, fewer when one fails, more when one runs others
 * (if-shell). So each line is followed by a second one that prints a token of ours, which nothing else
 * can print: all blocks up to that one are the line's answer.
 *
 * The hidden session must end with the daemon, and tmux's own option for that, destroy-unattached, must not
 * be used: when another client leaves while ours is leaving, tmux 3.3a destroys the session under our
 * client and crashes, with all that runs in it (tried: one time in four under load). Instead the session's
 * pane reads from a pipe of the daemon's, through /proc, and ends at its end of file, which comes however
 * the daemon ends. It ends a second late: news of its end that tmux has for a client that is leaving can
 * keep that one from leaving (tried: one time in ten). */
#include "term/tmux.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "base/text.h"
#include "os/env.h"
#include "os/loop.h"
#include "os/spawn.h"
#include "term/control.h"

enum { READ_SIZE = 64 << 10, NOTE_MAX = 4 << 10, HANDLES = 4, ARGS_MAX = 40 };

#define INSTALL_HINT "install tmux 3.2 or newer"

struct conn {
	struct tmux *tmux; /* NULL once dropped: then it only waits for its handles to close */
	bool ready;
	uv_process_t process;
	uv_pipe_t in, out, errout;
	int open_handles;
	bool exited, out_ended, errout_ended;
	struct control_parser parser;
	struct strbuf note; /* the last that tmux said before it ended: stderr, a failed block, %exit */
	char buf[READ_SIZE];
};

struct command {
	struct list node;
	struct strbuf line; /* both lines as written, newlines included */
	char token[48];
	struct strbuf text;
	struct error err;
	void (*done)(void *data, const struct tmux_reply *reply);
	void *data;
};

struct tmux {
	uv_loop_t *loop;
	char *socket; /* or NULL */
	char session[40];
	int hold[2]; /* the pipe that keeps the session: while its writing end is open; -1 without a pipe */
	usec_t timeout;
	/* Runs only while commands wait: down to the time-out, or to 0 with `failure` set, which is how
	 * a failure inside tmux_run() is answered from the loop. */
	uv_timer_t timer;
	struct error failure;
	struct conn *conn; /* NULL when there is none */
	struct list queue; /* struct command, oldest first; all are written once the connection is ready */
	uint64_t nonce;	   /* makes tokens unguessable */
	uint64_t last_token;
	struct loop_child *asking; /* `tmux -V`, while it runs */
	bool version_known;	   /* to be good enough */
	bool freed;
};

static void connect_server(struct tmux *t);

static void conn_handle_closed(uv_handle_t *handle)
{
	struct conn *conn = handle->data;
	if (--conn->open_handles)
		return;
	control_release(&conn->parser);
	strbuf_release(&conn->note);
	free(conn);
}

/* Detaches: the end of its input ends `tmux -C`, and the signal one that does not listen. */
static void conn_drop(struct conn *conn)
{
	conn->tmux->conn = NULL;
	conn->tmux = NULL;
	if (!conn->exited)
		(void)uv_process_kill(&conn->process, SIGTERM); /* it may have ended by itself */
	uv_close((uv_handle_t *)&conn->process, conn_handle_closed);
	uv_close((uv_handle_t *)&conn->in, conn_handle_closed);
	uv_close((uv_handle_t *)&conn->out, conn_handle_closed);
	uv_close((uv_handle_t *)&conn->errout, conn_handle_closed);
}

static void command_answer(struct command *c, bool answered)
{
	struct tmux_reply reply = {
		.text = strbuf_str(&c->text),
		.len = c->text.len,
		.err = c->err.code ? &c->err : NULL,
		.answered = answered,
	};
	c->done(c->data, &reply);
	strbuf_release(&c->line);
	strbuf_release(&c->text);
	error_release(&c->err);
	free(c);
}

/* Answers all that waits with `err`. The queue is taken off first: an answer may send new commands. */
static void fail_all(struct tmux *t, const struct error *err)
{
	struct list failed;
	list_init(&failed);
	list_splice(&failed, &t->queue);
	(void)uv_timer_stop(&t->timer);
	list_for_each_safe (node, &failed) {
		struct command *c = list_entry(node, struct command, node);
		list_remove(node);
		int code = error_set(&c->err, err->code, "%s", err->message);
		if (err->hint)
			(void)error_hint(&c->err, code, "%s", err->hint);
		command_answer(c, false);
	}
}

static void fail_connection(struct conn *conn, struct error *err)
{
	struct tmux *t = conn->tmux;
	conn_drop(conn);
	fail_all(t, err);
}

static void drop_all(struct tmux *t)
{
	if (t->conn)
		conn_drop(t->conn);
	if (t->asking) {
		loop_child_kill(t->asking, SIGKILL);
		loop_child_abandon(t->asking);
		t->asking = NULL;
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct tmux *t = timer->data;
	autoerror err = t->failure;
	t->failure = (struct error){0};
	if (!err.code)
		(void)error_hint(&err, error_set(&err, ERR_TIMED_OUT, "tmux does not answer"),
				 "look whether its server is stopped or hangs");
	drop_all(t);
	fail_all(t, &err);
}

static void timer_start(struct tmux *t, usec_t after)
{
	(void)uv_timer_start(&t->timer, on_timer, (uint64_t)(after / USEC_PER_MSEC), 0);
}

struct sending {
	uv_write_t req;
	char *bytes;
};

static void on_written(uv_write_t *req, int status)
{
	(void)status; /* a broken pipe is followed by the child's end, which is what counts */
	struct sending *w = container_of(req, struct sending, req);
	free(w->bytes);
	free(w);
}

static void command_send(struct conn *conn, struct command *c)
{
	struct sending *w = xcalloc(1, sizeof(*w));
	size_t len = c->line.len;
	w->bytes = strbuf_detach(&c->line);
	uv_buf_t buf = uv_buf_init(w->bytes, (unsigned)len);
	if (uv_write(&w->req, (uv_stream_t *)&conn->in, &buf, 1, on_written) < 0)
		on_written(&w->req, 0);
}

static void on_block(void *data, const struct control_block *block)
{
	struct conn *conn = data;
	struct tmux *t = conn->tmux;
	if (!t)
		return;
	if (!block->ours) {
		if (block->failed && !conn->ready)
			strbuf_add(&conn->note, block->text, block->len < NOTE_MAX ? block->len : NOTE_MAX);
		return;
	}
	if (list_empty(&t->queue))
		return;
	struct command *c = list_entry(t->queue.next, struct command, node);
	if (!block->failed && strcmp(block->text, c->token) == 0) {
		list_remove(&c->node);
		if (list_empty(&t->queue))
			(void)uv_timer_stop(&t->timer);
		else
			timer_start(t, t->timeout);
		command_answer(c, true);
		return;
	}
	if (!block->failed) {
		strbuf_add(&c->text, block->text, block->len);
		return;
	}
	autostrbuf shown = STRBUF_INIT(NOTE_MAX);
	size_t len = strcspn(block->text, "\n");
	text_escape(block->text, len < NOTE_MAX / 4 ? len : NOTE_MAX / 4, false, &shown);
	if (!c->err.code)
		(void)error_set(&c->err, ERR_TERMINAL, "tmux: %s", strbuf_str(&shown));
}

static void on_notify(void *data, const char *name, const char *rest)
{
	struct conn *conn = data;
	struct tmux *t = conn->tmux;
	if (!t)
		return;
	if (strcmp(name, "exit") == 0) {
		strbuf_addstr(&conn->note, rest);
	} else if (strcmp(name, "session-changed") == 0 && !conn->ready) {
		conn->ready = true;
		list_for_each (node, &t->queue)
			command_send(conn, list_entry(node, struct command, node));
	}
}

static const struct control_handler handler = {.block = on_block, .notify = on_notify};

/* What tmux said last, fit for a message; "no reason given" if nothing. */
static void conn_note(const struct conn *conn, struct strbuf *out)
{
	const char *text = strbuf_str(&conn->note);
	size_t len = strcspn(text, "\n");
	text_escape(text, len, false, out);
	if (!out->len)
		strbuf_addstr(out, "no reason given");
}

/* Once the child has ended and said all that it had to say. */
static void conn_check_ended(struct conn *conn)
{
	if (!conn->tmux || !conn->exited || !conn->out_ended || !conn->errout_ended)
		return;
	autostrbuf note = STRBUF_INIT(4 * NOTE_MAX);
	conn_note(conn, &note);
	autoerror err = {0};
	const char *where[2] = {"", ""};
	(void)tmux_socket_args(conn->tmux->socket, where);
	int code = error_set(&err, ERR_TERMINAL, "%s: %s",
			     conn->ready ? "the tmux server ended" : "tmux could not be reached",
			     strbuf_str(&note));
	(void)error_hint(&err, code, "try: tmux %s %s new-session", where[0], where[1]);
	fail_connection(conn, &err);
}

static void on_ended(uv_process_t *process, int64_t status, int signal)
{
	(void)status; /* what it said tells more */
	(void)signal;
	struct conn *conn = process->data;
	conn->exited = true;
	conn_check_ended(conn);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	(void)suggested;
	struct conn *conn = handle->data;
	*ret = uv_buf_init(conn->buf, sizeof(conn->buf));
}

static void on_out(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct conn *conn = stream->data;
	if (n > 0)
		control_feed(&conn->parser, buf->base, (size_t)n);
	if (n >= 0)
		return;
	conn->out_ended = true;
	conn_check_ended(conn);
}

static void on_errout(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct conn *conn = stream->data;
	if (n > 0)
		strbuf_add(&conn->note, buf->base, (size_t)n);
	if (n >= 0)
		return;
	conn->errout_ended = true;
	conn_check_ended(conn);
}

static struct conn *conn_new(struct tmux *t)
{
	struct conn *conn = xcalloc(1, sizeof(*conn));
	conn->tmux = t;
	control_init(&conn->parser, &handler, conn);
	strbuf_init(&conn->note, NOTE_MAX);
	(void)uv_pipe_init(t->loop, &conn->in, 0);
	(void)uv_pipe_init(t->loop, &conn->out, 0);
	(void)uv_pipe_init(t->loop, &conn->errout, 0);
	conn->in.data = conn->out.data = conn->errout.data = conn->process.data = conn;
	conn->open_handles = HANDLES;
	return conn;
}

size_t tmux_socket_args(const char *socket, const char *ret[2])
{
	if (!socket)
		return 0;
	ret[0] = strchr(socket, '/') ? "-S" : "-L";
	ret[1] = socket;
	return 2;
}

/* `ret` has room for ARGS_MAX; `hold` is what the pane reads. -A: after a connection that was lost the
 * session is still there. The script is constant and gets the path as its argument; with several
 * arguments tmux uses no shell of its own. */
static void conn_argv(const struct tmux *t, const char *hold, const char **ret)
{
	size_t n = 0;
	ret[n++] = "tmux";
	n += tmux_socket_args(t->socket, ret + n);
	const char *const rest[] = {
		"-u", "-C", "new-session", "-A", "-s", t->session, "-x", "80", "-y", "24", "-f",
		"no-output,ignore-size", "--", "sh", "-c", "cat \"$0\"; sleep 1", hold,
		/* of this session alone, whatever the user's configuration says */
		";", "set-option", "destroy-unattached", "off", ";", "set-option", "detach-on-destroy", "on",
		";", "set-option", "-w", "remain-on-exit", "off", NULL};
	_Static_assert(ARRAY_SIZE(rest) + 3 <= ARGS_MAX, "no room for the arguments");
	memcpy(ret + n, rest, sizeof(rest));
}

static int conn_spawn(struct conn *conn, const char *program, struct error *err)
{
	const char *argv[ARGS_MAX];
	autofree char *hold = xasprintf("/proc/%d/fd/%d", (int)getpid(), conn->tmux->hold[0]);
	conn_argv(conn->tmux, hold, argv);
	uv_stdio_container_t stdio[3] = {
		{.flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *)&conn->in},
		{.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&conn->out},
		{.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&conn->errout},
	};
	/* Inside a terminal of tmux, tmux would take that one's server for the user's. */
	static const char *const drop[] = {"TMUX", "TMUX_PANE", NULL};
	char **env = env_edit(NULL, drop, NULL);
	union {
		const char **in;
		char **out;
	} args = {argv}; /* libuv's type lacks the const that it keeps */
	union {
		const char *in;
		char *out;
	} file = {program};
	uv_process_options_t options = {
		.file = file.out,
		.args = args.out,
		.env = env,
		.cwd = "/", /* a server that this starts keeps it */
		.exit_cb = on_ended,
		.flags = UV_PROCESS_DETACHED, /* no signal from the terminal of a daemon in the foreground */
		.stdio = stdio,
		.stdio_count = 3,
	};
	int status = uv_spawn(conn->tmux->loop, &conn->process, &options);
	env_free(env);
	if (status < 0) {
		conn->exited = true; /* it never was */
		return error_set(err, ERR_TERMINAL, "%s cannot be started: %s", program, uv_strerror(status));
	}
	(void)uv_read_start((uv_stream_t *)&conn->out, on_alloc, on_out);
	(void)uv_read_start((uv_stream_t *)&conn->errout, on_alloc, on_errout);
	return 0;
}

static int too_old(struct error *err, const char *version)
{
	autostrbuf shown = STRBUF_INIT(256);
	size_t len = strcspn(version, "\n");
	text_escape(version, len < 40 ? len : 40, false, &shown);
	return error_set(err, ERR_MISSING, "tmux is too old: %s",
			 shown.len ? strbuf_str(&shown) : "it does not tell its version");
}

static void on_version(struct loop_child *child, int status, struct strbuf *out, struct strbuf *errout,
		       void *data)
{
	(void)child;
	(void)errout;
	struct tmux *t = data;
	t->asking = NULL;
	if (status == 0 && tmux_version_ok(strbuf_str(out))) {
		t->version_known = true;
		connect_server(t);
		return;
	}
	autoerror err = {0};
	(void)error_hint(&err, too_old(&err, strbuf_str(out)), INSTALL_HINT);
	fail_all(t, &err);
}

static int ask_version(struct tmux *t, const char *program, struct error *err)
{
	struct loop_child_options options = {
		.argv = (const char *const[]){program, "-V", NULL},
		.out_max = NOTE_MAX,
		.err_max = NOTE_MAX,
	};
	return loop_child_start(t->loop, &options, on_version, t, &t->asking, err);
}

/* The next step towards a connection. A failure is answered from the loop: see struct tmux, timer. */
static void connect_server(struct tmux *t)
{
	autofree char *program = NULL;
	int code = program_find("tmux", NULL, &program, &t->failure);
	if (!code && !t->version_known) {
		code = ask_version(t, program, &t->failure);
	} else if (!code) {
		t->conn = conn_new(t);
		code = conn_spawn(t->conn, program, &t->failure);
		if (code)
			conn_drop(t->conn);
	}
	if (code == ERR_MISSING)
		(void)error_hint(&t->failure, code, INSTALL_HINT);
	if (code)
		timer_start(t, 0);
}

bool tmux_version_ok(const char *text)
{
	unsigned major = 0, minor = 0;
	if (strncmp(text, "tmux ", 5) != 0)
		return false;
	text += 5 + strcspn(text + 5, "0123456789\n");
	if (sscanf(text, "%3u.%3u", &major, &minor) != 2)
		return *text == '\0' || *text == '\n'; /* "tmux master": no number at all */
	return major > 3 || (major == 3 && minor >= 2);
}

struct tmux *tmux_new(uv_loop_t *loop, const struct tmux_settings *settings)
{
	struct tmux *t = xcalloc(1, sizeof(*t));
	t->loop = loop;
	t->socket = settings->socket ? xstrdup(settings->socket) : NULL;
	t->timeout = settings->timeout ? settings->timeout : TMUX_TIMEOUT;
	t->nonce = os_random(os_env_real());
	list_init(&t->queue);
	/* One name per life: the session of a daemon that ended a moment ago is about to end too. */
	(void)snprintf(t->session, sizeof(t->session), TMUX_HIDDEN_PREFIX "%08x-%06x",
		       (unsigned)(text_hash(settings->home, strlen(settings->home)) & 0xFFFFFFFF),
		       (unsigned)(os_random(os_env_real()) & 0xFFFFFF));
	if (pipe2(t->hold, O_CLOEXEC) < 0)
		t->hold[0] = t->hold[1] = -1; /* the session then ends at once, and connecting says so */
	(void)uv_timer_init(loop, &t->timer);
	t->timer.data = t;
	return t;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct tmux *t = handle->data;
	error_release(&t->failure);
	free(t->socket);
	free(t);
}

void tmux_free(struct tmux *t)
{
	if (!t || t->freed)
		return;
	t->freed = true;
	drop_all(t);
	close_fd(&t->hold[0]);
	close_fd(&t->hold[1]);
	autoerror err = {0};
	(void)error_set(&err, ERR_TERMINAL, "the terminal connection is being closed");
	fail_all(t, &err);
	uv_close((uv_handle_t *)&t->timer, on_timer_closed);
}

const char *tmux_hidden_session(const struct tmux *t)
{
	return t->session;
}

/* The child has ended and its last words are still on their way: do not wait for them. */
static void leave_ended(struct tmux *t)
{
	conn_drop(t->conn);
	if (list_empty(&t->queue))
		return;
	(void)error_set(&t->failure, ERR_TERMINAL, "the tmux server ended");
	timer_start(t, 0);
}

void tmux_run(struct tmux *t, const struct strbuf *line,
	      void (*done)(void *data, const struct tmux_reply *reply), void *data)
{
	assert(!t->freed && (line->len || line->overflow)); /* an empty line would detach us */
	if (t->conn && t->conn->exited)
		leave_ended(t);
	struct command *c = xcalloc(1, sizeof(*c));
	c->done = done;
	c->data = data;
	strbuf_init(&c->line, TMUX_LINE_MAX + 256);
	strbuf_init(&c->text, CONTROL_BLOCK_MAX);
	list_append(&t->queue, &c->node);
	(void)snprintf(c->token, sizeof(c->token), "%016llx-%llu\n", (unsigned long long)t->nonce,
		       (unsigned long long)++t->last_token);
	if (line->overflow || line->len > TMUX_LINE_MAX) /* only the token is sent */
		(void)error_set(&c->err, ERR_TOO_LARGE, "a tmux command over %d bytes", TMUX_LINE_MAX);
	else
		strbuf_addf(&c->line, "%s\n", strbuf_str(line));
	strbuf_addf(&c->line, "display-message -p %s", c->token);
	if (!t->conn && !t->asking && !t->failure.code)
		connect_server(t);
	if (t->conn && t->conn->ready)
		command_send(t->conn, c);
	if (!uv_is_active((uv_handle_t *)&t->timer))
		timer_start(t, t->timeout);
}

/* Commands for one tmux server; see tmux.h.
 *
 * A line is kept as its arguments, each ended by NUL, with ";" between commands: what tmux's own command
 * line is. One child runs at a time; the others wait in a queue. Before the first of all, `tmux -V` is
 * asked.
 *
 * The line is preceded by a command that prints a token. If the token is there, tmux has taken the line,
 * and a failure is tmux's refusal; if it is not, the failure is the client's, and its words tell whether
 * there was no server. */
#include "term/tmux.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/text.h"
#include "os/loop.h"
#include "os/spawn.h"

enum { NOTE_MAX = 4 << 10 };

#define TOKEN "coppice"
#define INSTALL_HINT "install tmux 3.2 or newer"

struct command {
	struct list node;
	struct tmux *tmux;
	struct loop_timer *delay; /* as long as it is in `later` */
	struct strbuf line;
	void (*done)(void *data, const struct tmux_reply *reply);
	void *data;
};

struct tmux {
	uv_loop_t *loop;
	char *socket; /* or NULL */
	usec_t timeout;
	struct list queue;	  /* struct command; the first is running when `child` is, and not before */
	struct list later;	  /* struct command, to be queued by their timers */
	struct loop_child *child; /* the first of the queue, or `tmux -V` */
	/* Runs with the child, or at once when `failure` is set: so is answered from the loop what failed
	 * inside tmux_run(). */
	struct loop_timer *timer;
	struct error failure;
	bool version_known; /* to be good enough */
};

static void start_next(struct tmux *t);

static void answer(struct command *c, enum tmux_outcome outcome, const struct error *err, const char *text,
		   size_t len)
{
	struct tmux_reply reply = {.outcome = outcome, .err = err, .text = text, .len = len};
	c->done(c->data, &reply);
	strbuf_release(&c->line);
	free(c);
}

static void stop_child(struct tmux *t)
{
	loop_timer_stop(t->timer);
	t->timer = NULL;
	if (!t->child)
		return;
	loop_child_kill(t->child, SIGKILL);
	loop_child_abandon(t->child);
	t->child = NULL;
}

/* Answers all that waits. The queue is taken off first and `t` not touched afterwards: an answer may send
 * new commands, or free it. */
static void fail_all(struct tmux *t, const struct error *err)
{
	struct list failed;
	list_init(&failed);
	list_splice(&failed, &t->queue);
	list_for_each_safe (node, &failed) {
		list_remove(node);
		answer(list_entry(node, struct command, node), TMUX_UNKNOWN, err, "", 0);
	}
}

static void on_timer(void *data)
{
	struct tmux *t = data;
	t->timer = NULL;
	stop_child(t);
	autoerror err = t->failure;
	t->failure = (struct error){0};
	if (!err.code)
		(void)error_hint(&err, error_set(&err, ERR_TIMED_OUT, "tmux does not answer"),
				 "look whether its server is stopped or hangs");
	fail_all(t, &err);
}

/* After a start: bounds it, or has its failure answered. */
static void started(struct tmux *t, int code)
{
	if (code == ERR_MISSING)
		(void)error_hint(&t->failure, code, INSTALL_HINT);
	t->timer = loop_timer_start(t->loop, code ? 0 : t->timeout, on_timer, t);
}

static void first_line(struct strbuf *out, const char *text)
{
	text_escape(text, strcspn(text, "\n"), false, out);
}

/* What the client says when there is no server: connect(2) was refused, or the socket is not there. */
static bool says_no_server(const char *text)
{
	static const char missing[] = "(No such file or directory)\n";
	size_t len = strlen(text), n = sizeof(missing) - 1;
	return strncmp(text, "no server running on ", 21) == 0 ||
	       (strncmp(text, "error connecting to ", 20) == 0 && len > n &&
		strcmp(text + len - n, missing) == 0);
}

static enum tmux_outcome outcome_of(bool taken, int status, const char *said)
{
	if (taken && status == 0)
		return TMUX_DONE;
	if (taken && strncmp(said, "server exited", 13) != 0 && strncmp(said, "lost server", 11) != 0)
		return TMUX_REFUSED;
	return !taken && says_no_server(said) ? TMUX_NO_SERVER : TMUX_UNKNOWN;
}

static void on_command_ended(struct loop_child *child, int status, struct strbuf *out, struct strbuf *errout,
			     void *data)
{
	(void)child;
	struct tmux *t = data;
	t->child = NULL;
	stop_child(t);
	struct command *c = list_entry(t->queue.next, struct command, node);
	list_remove(&c->node);
	start_next(t);
	/* Nothing of `t` from here on: the answer may free it. */
	const char *text = strbuf_str(out), *said = strbuf_str(errout);
	size_t skip = strncmp(text, TOKEN "\n", sizeof(TOKEN)) == 0 ? sizeof(TOKEN) : 0;
	enum tmux_outcome outcome = outcome_of(skip > 0, status, said);
	autoerror err = {0};
	autostrbuf note = STRBUF_INIT(4 * NOTE_MAX);
	first_line(&note, said);
	if (outcome != TMUX_DONE)
		(void)error_set(&err, ERR_TERMINAL, "tmux: %s",
				note.len ? strbuf_str(&note) : "ended without a word");
	answer(c, outcome, err.code ? &err : NULL, text + skip, out->len - skip);
}

static int too_old(struct error *err, const char *version)
{
	autostrbuf shown = STRBUF_INIT(4 * NOTE_MAX);
	first_line(&shown, version);
	int code = error_set(err, ERR_MISSING, "tmux is too old: %s",
			     shown.len ? strbuf_str(&shown) : "it does not tell its version");
	return error_hint(err, code, INSTALL_HINT);
}

static void on_version_ended(struct loop_child *child, int status, struct strbuf *out, struct strbuf *errout,
			     void *data)
{
	(void)child;
	(void)errout;
	struct tmux *t = data;
	t->child = NULL;
	stop_child(t);
	if (status == 0 && tmux_version_ok(strbuf_str(out))) {
		t->version_known = true;
		start_next(t);
		return;
	}
	autoerror err = {0};
	(void)too_old(&err, strbuf_str(out));
	fail_all(t, &err);
}

/* The first command of the queue as an argument array; the array is the caller's, its strings are not. */
static const char **command_argv(const struct tmux *t)
{
	const struct command *c = list_entry(t->queue.next, struct command, node);
	size_t n = 0, cap = 16;
	const char **argv = xcalloc(cap, sizeof(*argv));
	argv[n++] = "tmux";
	argv[n++] = "-u";
	if (t->socket) {
		argv[n++] = strchr(t->socket, '/') ? "-S" : "-L";
		argv[n++] = t->socket;
	}
	argv[n++] = "display-message";
	argv[n++] = "-p";
	argv[n++] = TOKEN;
	argv[n++] = ";";
	for (size_t at = 0; at < c->line.len; at += strlen(c->line.buf + at) + 1) {
		ARRAY_GROW(argv, n, cap);
		argv[n++] = c->line.buf + at;
	}
	ARRAY_GROW(argv, n, cap);
	argv[n] = NULL;
	return argv;
}

static int start_command(struct tmux *t, const char *const *env, struct error *err)
{
	autofree const char **argv = command_argv(t);
	struct loop_child_options options = {
		.argv = argv,
		.env = env,
		.cwd = "/", /* a server that this starts keeps it */
		.out_max = TMUX_REPLY_MAX,
		.err_max = NOTE_MAX,
	};
	return loop_child_start(t->loop, &options, on_command_ended, t, &t->child, err);
}

static int start_version(struct tmux *t, const char *const *env, struct error *err)
{
	struct loop_child_options options = {
		.argv = (const char *const[]){"tmux", "-V", NULL},
		.env = env,
		.out_max = NOTE_MAX,
		.err_max = NOTE_MAX,
	};
	return loop_child_start(t->loop, &options, on_version_ended, t, &t->child, err);
}

/* Starts what is to be done next, unless something runs or a failure is about to be answered. */
static void start_next(struct tmux *t)
{
	if (t->child || t->failure.code || list_empty(&t->queue))
		return;
	/* Inside a terminal of tmux, tmux would take that one's server for the user's; and a server that this
	 * starts passes its environment on to all that will ever run in it. */
	static const char *const drop[] = {"TMUX", "TMUX_PANE", "COPPICE", "COPPICE_*", NULL};
	union {
		char **own;
		const char *const *lent;
	} env = {env_edit(NULL, drop, NULL)};
	started(t, t->version_known ? start_command(t, env.lent, &t->failure)
				    : start_version(t, env.lent, &t->failure));
	env_free(env.own);
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
	list_init(&t->queue);
	list_init(&t->later);
	return t;
}

void tmux_free(struct tmux *t)
{
	if (!t)
		return;
	loop_timer_stop(t->timer);
	loop_child_abandon(t->child);
	list_for_each (node, &t->later)
		loop_timer_stop(list_entry(node, struct command, node)->delay);
	list_splice(&t->queue, &t->later);
	autoerror err = {0};
	(void)error_set(&err, ERR_TERMINAL, "the connection to the terminals is being closed");
	fail_all(t, &err);
	error_release(&t->failure);
	free(t->socket);
	free(t);
}

void tmux_command(struct strbuf *line, const char *const *argv)
{
	assert(argv[0]);
	if (line->len)
		strbuf_add(line, ";", 2);
	for (const char *const *arg = argv; *arg; arg++) {
		/* A ';' that ends an argument would end the command, unless a '\' stands before it. */
		size_t len = strlen(*arg);
		bool ends = len && (*arg)[len - 1] == ';';
		strbuf_add(line, *arg, len - ends);
		if (ends)
			strbuf_addstr(line, "\\;");
		strbuf_add(line, "", 1);
	}
}

void tmux_format_literal(struct strbuf *out, const char *text)
{
	for (const char *c = text; *c; c++) {
		if (*c == '#')
			strbuf_addch(out, '#');
		strbuf_addch(out, *c);
	}
}

static void on_delay(void *data)
{
	struct command *c = data;
	c->delay = NULL;
	list_remove(&c->node);
	list_append(&c->tmux->queue, &c->node);
	start_next(c->tmux);
}

int tmux_run_after(struct tmux *t, usec_t delay, const struct strbuf *line,
		   void (*done)(void *data, const struct tmux_reply *reply), void *data, struct error *err)
{
	assert(line->len || line->overflow);
	if (line->overflow || line->len > TMUX_LINE_MAX)
		return error_set(err, ERR_TOO_LARGE, "a tmux command of more than %d bytes", TMUX_LINE_MAX);
	struct command *c = xcalloc(1, sizeof(*c));
	c->tmux = t;
	c->done = done;
	c->data = data;
	strbuf_init(&c->line, TMUX_LINE_MAX);
	strbuf_add(&c->line, line->buf, line->len);
	list_append(delay ? &t->later : &t->queue, &c->node);
	if (delay)
		c->delay = loop_timer_start(t->loop, delay, on_delay, c);
	else
		start_next(t);
	return 0;
}

int tmux_run(struct tmux *t, const struct strbuf *line,
	     void (*done)(void *data, const struct tmux_reply *reply), void *data, struct error *err)
{
	return tmux_run_after(t, 0, line, done, data, err);
}

/* Children, watches and timers on libuv; see loop.h.
 *
 * A child writes into real pipes (libuv's own would be sockets, on which opening /dev/stderr fails),
 * read through uv_poll. It is done when it has exited: whatever it wrote is in the pipes by then, so
 * what they hold at that moment is read, and whoever still holds them open is not waited for.
 *
 * libuv reaps several children at a time and only then calls back for each. So a child may be reaped,
 * its pid free, before anybody was told; loop_child_kill therefore asks the kernel, not a flag,
 * whether the pid is still its own. */
#include "os/loop.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/list.h"
#include "os/child.h"
#include "os/proc.h"
#include "os/spawn.h"

enum {
	READ_SIZE = 64 << 10,
	READ_PER_TURN = 256 << 10, /* bytes; a child that writes without end must not starve the others */
	KEEP_FD_MAX = 65535,
};

enum { OUT, ERR, STREAMS };

struct stream {
	uv_poll_t poll;
	struct loop_child *child;
	struct strbuf text;
	int fd; /* -1: at its end, or never opened */
};

struct loop_child {
	uv_process_t process;
	struct stream streams[STREAMS];
	void (*done)(struct loop_child *child, int status, struct strbuf *out, struct strbuf *errout,
		     void *data);
	void *data;
	int open_handles; /* freed when the last of them has closed */
};

static void child_handle_closed(uv_handle_t *handle)
{
	struct loop_child *c = handle->data;
	if (--c->open_handles > 0)
		return;
	strbuf_release(&c->streams[OUT].text);
	strbuf_release(&c->streams[ERR].text);
	free(c);
}

static void stream_close(struct stream *s)
{
	if (s->fd < 0)
		return;
	uv_close((uv_handle_t *)&s->poll, child_handle_closed);
	(void)close(TAKE_FD(s->fd)); /* only read through it; uv_close has stopped polling it */
}

static void child_close(struct loop_child *c)
{
	stream_close(&c->streams[OUT]);
	stream_close(&c->streams[ERR]);
	bool started = c->process.data; /* else libuv does not know the handle */
	if (started && !uv_is_closing((uv_handle_t *)&c->process))
		uv_close((uv_handle_t *)&c->process, child_handle_closed);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	(void)status; /* an error shows in the read as well */
	(void)events;
	struct stream *s = container_of(poll, struct stream, poll);
	size_t limit = READ_PER_TURN;
	int r = 1;
	while (r > 0 && limit > 0)
		r = child_read(s->fd, &s->text, &limit);
	if (r < 0)
		stream_close(s);
}

static void stream_drain(struct stream *s)
{
	size_t left = s->fd < 0 ? 0 : child_readable(s->fd);
	while (left > 0 && child_read(s->fd, &s->text, &left) > 0)
		;
}

static void child_exited(uv_process_t *process, int64_t code, int signum)
{
	struct loop_child *c = container_of(process, struct loop_child, process);
	stream_drain(&c->streams[OUT]);
	stream_drain(&c->streams[ERR]);
	child_close(c);
	c->done(c, signum ? 128 + signum : (int)code, &c->streams[OUT].text, &c->streams[ERR].text, c->data);
}

static int stream_open(uv_loop_t *loop, struct stream *s, size_t max, int *ret_write, struct error *err)
{
	int r = child_pipe(&s->fd, ret_write, err);
	if (r)
		return r;
	strbuf_init(&s->text, max);
	r = uv_poll_init(loop, &s->poll, s->fd);
	if (r == 0) {
		s->child->open_handles++;
		s->poll.data = s->child;
		r = uv_poll_start(&s->poll, UV_READABLE, on_readable);
	} else {
		(void)close(TAKE_FD(s->fd)); /* nothing was read through it */
	}
	return r ? error_errno(err, -r, "cannot poll a child's output") : 0;
}

/* libuv wants an array indexed by the child's descriptors. Those in between are left as they are, which
 * is closed on exec. */
static uv_stdio_container_t *make_stdio(const int fds[3], const int *keep, int *ret_n)
{
	int highest = STDERR_FILENO;
	for (const int *fd = keep; fd && *fd >= 0; fd++) {
		assert(*fd <= KEEP_FD_MAX);
		highest = *fd > highest ? *fd : highest;
	}
	uv_stdio_container_t *stdio = xcalloc((size_t)highest + 1, sizeof(*stdio));
	for (int i = 0; i <= highest; i++)
		stdio[i].flags = UV_IGNORE;
	for (int i = 0; i < 3; i++)
		stdio[i] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = fds[i]};
	for (const int *fd = keep; fd && *fd >= 0; fd++)
		stdio[*fd] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = *fd};
	*ret_n = highest + 1;
	return stdio;
}

static int child_spawn(uv_loop_t *loop, struct loop_child *c, const struct loop_child_options *o,
		       const int fds[3], struct error *err)
{
	autofree char *program = NULL;
	int r = program_find(o->argv[0], o->env, &program, err);
	if (r)
		return r;
	/* libuv's structure lacks the const that it keeps. */
	union {
		const char *const *in;
		char **out;
	} argv = {o->argv}, env = {o->env};
	int n;
	autofree uv_stdio_container_t *stdio = make_stdio(fds, o->keep_fds, &n);
	uv_process_options_t options = {
		.exit_cb = child_exited,
		.file = program,
		.args = argv.out,
		.env = env.out,
		.cwd = o->cwd,
		.flags = UV_PROCESS_DETACHED,
		.stdio_count = n,
		.stdio = stdio,
	};
	r = uv_spawn(loop, &c->process, &options);
	c->process.data = c;
	c->open_handles++; /* after a failure, too, the handle wants to be closed */
	return r ? child_error(err, -r, o->argv[0], o->cwd) : 0;
}

int loop_child_start(uv_loop_t *loop, const struct loop_child_options *options,
		     void (*done)(struct loop_child *child, int status, struct strbuf *out,
				  struct strbuf *errout, void *data),
		     void *data, struct loop_child **ret, struct error *err)
{
	autoclose int input = -1;
	autoclose int out = -1;
	autoclose int errout = -1;
	struct loop_child *c = xcalloc(1, sizeof(*c));
	c->done = done;
	c->data = data;
	for (int i = 0; i < STREAMS; i++)
		c->streams[i] = (struct stream){.child = c, .fd = -1};
	int r = child_input(options->input, options->input_len, &input, err);
	if (r == 0)
		r = stream_open(loop, &c->streams[OUT], options->out_max, &out, err);
	if (r == 0)
		r = stream_open(loop, &c->streams[ERR], options->err_max, &errout, err);
	if (r == 0)
		r = child_spawn(loop, c, options, (const int[]){input, out, errout}, err);
	if (r == 0 && ret)
		*ret = c;
	if (r == 0)
		return 0;
	if (c->open_handles == 0)
		free(c);
	else
		child_close(c);
	return r;
}

pid_t loop_child_pid(const struct loop_child *child)
{
	return child->process.pid;
}

void loop_child_kill(struct loop_child *child, int signum)
{
	siginfo_t info;
	/* As long as it can be waited for, the pid, and the group of that number, are the child's. */
	if (waitid(P_PID, (id_t)child->process.pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
		(void)kill(-child->process.pid, signum); /* one that has ended needs no signal */
}

void loop_child_abandon(struct loop_child *child)
{
	if (child)
		child_close(child);
}

struct loop_watch {
	union {
		uv_handle_t handle;
		uv_poll_t poll;	  /* on the pidfd */
		uv_timer_t timer; /* of a process that had ended before */
	};
	int fd; /* the pidfd, or -1 */
	void (*ended)(void *data);
	void *data;
};

static void watch_closed(uv_handle_t *handle)
{
	free(container_of(handle, struct loop_watch, handle));
}

static void watch_close(struct loop_watch *w)
{
	if (uv_is_closing(&w->handle))
		return;
	uv_close(&w->handle, watch_closed);
	close_fd(&w->fd); /* uv_close has stopped polling it */
}

static void watch_ended(struct loop_watch *w)
{
	watch_close(w);
	w->ended(w->data);
}

static void on_pidfd(uv_poll_t *poll, int status, int events)
{
	(void)status; /* a pidfd has one event, and no errors */
	(void)events;
	watch_ended(container_of(poll, struct loop_watch, poll));
}

static void on_already_ended(uv_timer_t *timer)
{
	watch_ended(container_of(timer, struct loop_watch, timer));
}

int loop_watch_start(uv_loop_t *loop, pid_t pid, uint64_t start_time, void (*ended)(void *data), void *data,
		     struct loop_watch **ret, struct error *err)
{
	autoclose int fd = -1;
	autoerror failure = {0};
	int r = proc_pidfd(pid, start_time, &fd, &failure);
	if (r && r != ERR_NOT_FOUND)
		return error_set(err, (enum error_code)r, "%s", failure.message);
	struct loop_watch *w = xcalloc(1, sizeof(*w));
	w->ended = ended;
	w->data = data;
	w->fd = -1;
	if (r == ERR_NOT_FOUND) {
		(void)uv_timer_init(loop, &w->timer);			 /* cannot fail */
		(void)uv_timer_start(&w->timer, on_already_ended, 0, 0); /* cannot fail with a callback */
	} else {
		r = uv_poll_init(loop, &w->poll, fd);
		if (r) {
			free(w);
			return error_errno(err, -r, "cannot watch process %d", (int)pid);
		}
		w->fd = TAKE_FD(fd);
		(void)uv_poll_start(&w->poll, UV_READABLE, on_pidfd); /* cannot fail on an open handle */
	}
	if (ret)
		*ret = w;
	return 0;
}

void loop_watch_stop(struct loop_watch *watch)
{
	if (watch)
		watch_close(watch);
}

struct loop_timer {
	uv_timer_t timer;
	void (*expired)(void *data);
	void *data;
};

static void timer_closed(uv_handle_t *handle)
{
	free(container_of(handle, struct loop_timer, timer));
}

void loop_timer_stop(struct loop_timer *timer)
{
	if (timer && !uv_is_closing((uv_handle_t *)&timer->timer))
		uv_close((uv_handle_t *)&timer->timer, timer_closed);
}

static void on_timer(uv_timer_t *handle)
{
	struct loop_timer *t = container_of(handle, struct loop_timer, timer);
	loop_timer_stop(t);
	t->expired(t->data);
}

struct loop_timer *loop_timer_start(uv_loop_t *loop, usec_t delay, void (*expired)(void *data), void *data)
{
	struct loop_timer *t = xcalloc(1, sizeof(*t));
	t->expired = expired;
	t->data = data;
	/* libuv counts in milliseconds from its own idea of now, which lies in the past: its remainder is
	 * added, so that no timer expires early. */
	uv_update_time(loop);
	usec_t base = (usec_t)uv_now(loop) * USEC_PER_MSEC;
	usec_t due = (usec_t)(uv_hrtime() / 1000) + (delay > 0 ? delay : 0);
	uint64_t ms = (uint64_t)(due - base + USEC_PER_MSEC - 1) / USEC_PER_MSEC;
	(void)uv_timer_init(loop, &t->timer);		  /* cannot fail */
	(void)uv_timer_start(&t->timer, on_timer, ms, 0); /* cannot fail with a callback */
	return t;
}

void loop_give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	static char bytes[READ_SIZE];
	(void)handle;
	(void)suggested;
	*ret = uv_buf_init(bytes, sizeof(bytes));
}

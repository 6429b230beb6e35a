/* Standard input and output; see stdio.h. */
#include "mcp/stdio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "os/loop.h"

enum {
	READ_SIZE = 64 << 10,
	MUCH = 1 << 20, /* bytes that wait to be written, beyond which nothing is read */
};

/* One end: a stream of the loop, or a file, which is always ready and so read and written as it is. */
struct end {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_pipe_t pipe;
		uv_tty_t tty;
		uv_idle_t idle; /* reads a file */
	};
	int fd;
	bool is_file;
};

struct mcp_stdio {
	struct mcp_stdio_options o;
	struct end in, out;
	uv_idle_t last; /* tells that writing has ended, from no other callback */
	size_t waiting; /* bytes to be written */
	int handles;	/* freed when the last of them has closed */
	bool reading, at_end, finishing, broken;
};

struct write {
	uv_write_t req;
	struct mcp_stdio *io;
	size_t len;
	char bytes[];
};

/* --- reading --- */

static void pause_reading(struct mcp_stdio *io)
{
	if (!io->reading)
		return;
	io->reading = false;
	if (io->in.is_file)
		(void)uv_idle_stop(&io->in.idle); /* cannot fail */
	else
		(void)uv_read_stop(&io->in.stream); /* cannot fail */
}

static void end_reading(struct mcp_stdio *io)
{
	pause_reading(io);
	io->at_end = true;
	io->o.ended(io->o.data);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct mcp_stdio *io = stream->data;
	if (n > 0)
		io->o.read(io->o.data, buf->base, (size_t)n);
	else if (n < 0)
		end_reading(io);
}

static void on_file(uv_idle_t *idle)
{
	struct mcp_stdio *io = idle->data;
	char bytes[READ_SIZE];
	ssize_t n = read(io->in.fd, bytes, sizeof(bytes));
	if (n > 0)
		io->o.read(io->o.data, bytes, (size_t)n);
	else if (n == 0 || errno != EINTR)
		end_reading(io);
}

static int resume_reading(struct mcp_stdio *io)
{
	if (io->reading || io->at_end || io->finishing || io->broken)
		return 0;
	io->reading = true;
	return io->in.is_file ? uv_idle_start(&io->in.idle, on_file)
			      : uv_read_start(&io->in.stream, loop_give_buffer, on_read);
}

/* --- writing --- */

static void on_last(uv_idle_t *idle)
{
	struct mcp_stdio *io = idle->data;
	(void)uv_idle_stop(idle); /* cannot fail */
	if (io->broken)
		io->o.broken(io->o.data);
	else
		io->o.flushed(io->o.data);
}

static void break_off(struct mcp_stdio *io)
{
	if (io->broken)
		return;
	pause_reading(io);
	io->broken = true;
	(void)uv_idle_start(&io->last, on_last); /* cannot fail with a callback */
}

static void on_written(uv_write_t *req, int status)
{
	struct write *w = req->data;
	struct mcp_stdio *io = w->io;
	io->waiting -= w->len;
	free(w);
	if (status == UV_ECANCELED)
		return; /* we are closing */
	if (status < 0)
		break_off(io);
	else if (io->finishing && !io->waiting)
		(void)uv_idle_start(&io->last, on_last); /* cannot fail with a callback */
	else if (io->waiting <= MUCH)
		(void)resume_reading(io); /* as it did before */
}

static void write_later(struct mcp_stdio *io, const char *bytes, size_t len)
{
	struct write *w = xmalloc(sizeof(*w) + len);
	w->io = io;
	w->len = len;
	w->req.data = w;
	memcpy(w->bytes, bytes, len);
	io->waiting += len;
	uv_buf_t buf = uv_buf_init(w->bytes, (unsigned)len);
	if (uv_write(&w->req, &io->out.stream, &buf, 1, on_written) < 0) {
		io->waiting -= len;
		free(w);
		break_off(io);
	} else if (io->waiting > MUCH) {
		pause_reading(io);
	}
}

static void write_file(struct mcp_stdio *io, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(io->out.fd, bytes, len);
		if (n < 0 && errno != EINTR) {
			break_off(io);
			return;
		}
		bytes += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

void mcp_stdio_write(struct mcp_stdio *io, const char *bytes, size_t len)
{
	if (io->broken || !len)
		return;
	if (io->out.is_file) {
		write_file(io, bytes, len);
		return;
	}
	uv_buf_t buf = {.len = len};
	memcpy(&buf.base, &bytes, sizeof(bytes)); /* libuv's structure lacks the const that it keeps */
	int n = io->waiting ? 0 : uv_try_write(&io->out.stream, &buf, 1);
	size_t sent = n > 0 ? (size_t)n : 0;
	if (n < 0 && n != UV_EAGAIN)
		break_off(io);
	else if (sent < len)
		write_later(io, bytes + sent, len - sent);
}

void mcp_stdio_finish(struct mcp_stdio *io)
{
	pause_reading(io);
	io->finishing = true;
	if (!io->waiting)
		(void)uv_idle_start(&io->last, on_last); /* cannot fail with a callback */
}

/* --- opening and closing --- */

static void on_closed(uv_handle_t *handle)
{
	struct mcp_stdio *io = handle->data;
	if (--io->handles == 0)
		free(io);
}

static void close_handle(uv_handle_t *handle)
{
	if (handle->data)
		uv_close(handle, on_closed);
}

void mcp_stdio_close(struct mcp_stdio *io)
{
	if (!io)
		return;
	close_handle(&io->in.handle);
	close_handle(&io->out.handle);
	close_handle((uv_handle_t *)&io->last);
}

static int end_open(struct mcp_stdio *io, struct end *end, int fd)
{
	int r = 0;
	end->fd = fd;
	switch (uv_guess_handle(fd)) {
	case UV_FILE:
		end->is_file = true;
		r = uv_idle_init(io->o.loop, &end->idle);
		break;
	case UV_TTY:
		r = uv_tty_init(io->o.loop, &end->tty, fd, 0);
		break;
	case UV_NAMED_PIPE:
	case UV_TCP:
		r = uv_pipe_init(io->o.loop, &end->pipe, 0);
		break;
	default:
		return UV_EBADF;
	}
	if (r)
		return r;
	end->handle.data = io;
	io->handles++;
	return end->handle.type == UV_NAMED_PIPE ? uv_pipe_open(&end->pipe, fd) : 0;
}

int mcp_stdio_open(const struct mcp_stdio_options *o, struct mcp_stdio **ret, struct error *err)
{
	struct mcp_stdio *io = xcalloc(1, sizeof(*io));
	io->o = *o;
	(void)uv_idle_init(o->loop, &io->last); /* cannot fail */
	io->last.data = io;
	io->handles++;
	int r = end_open(io, &io->in, o->in);
	if (!r)
		r = end_open(io, &io->out, o->out);
	if (!r)
		r = resume_reading(io);
	if (!r) {
		*ret = io;
		return 0;
	}
	mcp_stdio_close(io);
	return error_errno(err, -r, "standard input and output cannot be used");
}

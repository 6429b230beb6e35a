/* A connection to the daemon; see conn.h. */
#include "mcp/conn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "ops/client.h"
#include "os/loop.h"

struct mcp_conn {
	uv_pipe_t pipe;
	uv_write_t write;
	char *out; /* what is being written, owned; NULL: nothing */
	struct http_responses answer;
	const struct mcp_conn_events *events; /* NULL: closed */
	void *data;
	bool asked; /* an answer is due */
};

static void on_closed(uv_handle_t *handle)
{
	struct mcp_conn *c = handle->data;
	http_responses_release(&c->answer);
	free(c->out);
	free(c);
}

void mcp_conn_close(struct mcp_conn *c)
{
	if (!c || !c->events)
		return;
	c->events = NULL;
	uv_close((uv_handle_t *)&c->pipe, on_closed);
}

static void lose(struct mcp_conn *c, const char *reason)
{
	(void)uv_read_stop((uv_stream_t *)&c->pipe); /* cannot fail */
	c->events->lost(c->data, reason);
}

static void on_written(uv_write_t *write, int status)
{
	struct mcp_conn *c = write->data;
	free(TAKE_PTR(c->out));
	/* An answer may be there although not everything was read of the request: the next read tells. */
	(void)status;
}

static void answered(struct mcp_conn *c, bool extra)
{
	bool reusable = !extra && c->answer.res.keep_alive && !c->out;
	c->asked = false;
	c->events->answered(c->data, &c->answer.res, reusable);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct mcp_conn *c = stream->data;
	size_t used = 0;
	if (n == 0 || !c->events)
		return;
	if (n < 0 && c->asked && http_responses_eof(&c->answer) == HTTP_STAGE_DONE) {
		answered(c, true);
		return;
	}
	if (n < 0) {
		lose(c, NULL);
		return;
	}
	if (!c->asked) {
		lose(c, "it speaks unasked");
		return;
	}
	enum http_stage stage = http_responses_feed(&c->answer, buf->base, (size_t)n, &used);
	if (stage == HTTP_STAGE_BAD)
		lose(c, c->answer.frame.reason);
	else if (stage == HTTP_STAGE_DONE)
		answered(c, used < (size_t)n);
}

struct mcp_conn *mcp_conn_open(uv_loop_t *loop, int fd, const struct mcp_conn_events *events, void *data)
{
	struct mcp_conn *c = xcalloc(1, sizeof(*c));
	(void)uv_pipe_init(loop, &c->pipe, 0); /* cannot fail */
	c->pipe.data = c;
	c->write.data = c;
	c->events = events;
	c->data = data;
	http_responses_init(&c->answer, CLIENT_ANSWER_MAX, NULL, NULL);
	int r = uv_pipe_open(&c->pipe, fd);
	if (r)
		(void)close(fd); /* nothing was sent by it */
	if (r || uv_read_start((uv_stream_t *)&c->pipe, loop_give_buffer, on_read)) {
		mcp_conn_close(c);
		return NULL;
	}
	return c;
}

void mcp_conn_send(struct mcp_conn *c, const char *bytes, size_t len)
{
	assert(!c->asked && !c->out);
	c->asked = true;
	http_responses_expect(&c->answer, false);
	uv_buf_t buf = {.len = len};
	memcpy(&buf.base, &bytes, sizeof(bytes)); /* libuv's structure lacks the const that it keeps */
	int n = uv_try_write((uv_stream_t *)&c->pipe, &buf, 1);
	size_t sent = n > 0 ? (size_t)n : 0;
	if (sent == len)
		return;
	c->out = xmalloc(len - sent);
	memcpy(c->out, bytes + sent, len - sent);
	buf = uv_buf_init(c->out, (unsigned)(len - sent));
	/* Where that fails the connection has ended, which the next read tells. */
	if (uv_write(&c->write, (uv_stream_t *)&c->pipe, &buf, 1, on_written) < 0)
		free(TAKE_PTR(c->out));
}

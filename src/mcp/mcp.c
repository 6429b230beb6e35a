/* The MCP server as a process; see mcp.h. */
#include "mcp/mcp.h"

#include <signal.h>
#include <unistd.h>

#include "mcp/server.h"
#include "mcp/stdio.h"
#include "ops/start.h"

struct process {
	uv_loop_t loop;
	struct paths paths;
	struct mcp_place place;
	struct mcp_stdio *io;
	struct mcp_server *server;
	uv_signal_t signals[3];
};

static void on_read(void *data, const char *bytes, size_t len)
{
	struct process *p = data;
	mcp_server_feed(p->server, bytes, len);
}

static void on_input_ended(void *data)
{
	struct process *p = data;
	mcp_server_end(p->server);
}

static void on_server_ended(void *data)
{
	struct process *p = data;
	mcp_stdio_finish(p->io);
}

/* All is written, or nobody reads it. */
static void stop(void *data)
{
	struct process *p = data;
	uv_stop(&p->loop);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct process *p = handle->data;
	(void)number;
	mcp_server_leave(p->server);
	stop(p);
}

/* A runtime may end its servers by a signal: what a session's inbox has put beside it is taken away then,
 * too. */
static void watch_signals(struct process *p)
{
	static const int numbers[ARRAY_SIZE(p->signals)] = {SIGINT, SIGTERM, SIGHUP};
	for (size_t i = 0; i < ARRAY_SIZE(p->signals); i++) {
		(void)uv_signal_init(&p->loop, &p->signals[i]); /* what fails leaves the signal as it was */
		p->signals[i].data = p;
		(void)uv_signal_start(&p->signals[i], on_signal, numbers[i]);
	}
}

static void on_write(void *data, const char *bytes, size_t len)
{
	struct process *p = data;
	mcp_stdio_write(p->io, bytes, len);
}

/* Blocks for the moment that a start takes: everything else has to wait for the daemon anyway. */
static int start_daemon(void *data, struct error *err)
{
	struct process *p = data;
	return client_start_daemon(&(struct start_options){.paths = &p->paths}, err);
}

static int serve(struct process *p, enum mcp_set tools, struct error *err)
{
	struct mcp_stdio_options io = {.loop = &p->loop,
				       .in = STDIN_FILENO,
				       .out = STDOUT_FILENO,
				       .read = on_read,
				       .ended = on_input_ended,
				       .flushed = stop,
				       .broken = stop,
				       .data = p};
	int r = mcp_stdio_open(&io, &p->io, err);
	if (r)
		return r;
	p->server =
		mcp_server_new(&(struct mcp_server_options){.loop = &p->loop,
							    .paths = &p->paths,
							    .place = &p->place,
							    .tools = tools,
							    .start = p->place.in_peer ? NULL : start_daemon,
							    .write = on_write,
							    .ended = on_server_ended,
							    .data = p});
	watch_signals(p);
	(void)uv_run(&p->loop, UV_RUN_DEFAULT);
	for (size_t i = 0; i < ARRAY_SIZE(p->signals); i++)
		uv_close((uv_handle_t *)&p->signals[i], NULL);
	return 0;
}

int mcp_main(enum mcp_set tools, const char *dir, struct error *err)
{
	static struct process p; /* lives as long as the process */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)uv_loop_init(&p.loop); /* fails only where nothing can be waited for at all */
	int r = paths_find(&p.paths, err);
	if (!r) {
		mcp_place_find(dir, &p.place);
		r = serve(&p, tools, err);
	}
	mcp_server_free(p.server);
	mcp_stdio_close(p.io);
	while (uv_run(&p.loop, UV_RUN_NOWAIT)) {
		/* the handles are closing */
	}
	mcp_place_release(&p.place);
	paths_release(&p.paths);
	return r;
}

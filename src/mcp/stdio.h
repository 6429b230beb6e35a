/* Standard input and output on a loop, whatever they are: pipes, sockets, a terminal, files.
 *
 * What cannot be written at once waits; while much waits, nothing more is read, so that a client that does
 * not read its answers cannot make us hoard them (S3). */
#ifndef MCP_STDIO_H
#define MCP_STDIO_H

#include <stdbool.h>
#include <uv.h>

#include "base/error.h"

struct mcp_stdio;

struct mcp_stdio_options {
	uv_loop_t *loop;
	int in, out; /* taken, but for 0 to 2 and for files */
	void (*read)(void *data, const char *bytes, size_t len);
	void (*ended)(void *data);   /* there is no more to read */
	void (*flushed)(void *data); /* after mcp_stdio_finish: all is written */
	void (*broken)(void *data);  /* nobody reads what we write */
	void *data;
};

int mcp_stdio_open(const struct mcp_stdio_options *o, struct mcp_stdio **ret,
		   struct error *err) _warn_unused_;
void mcp_stdio_write(struct mcp_stdio *io, const char *bytes, size_t len);
/* Reads no more, and tells when everything is written; in one of the next turns of the loop, if it is. */
void mcp_stdio_finish(struct mcp_stdio *io);
/* Frees itself once the loop has let go of it; no callback comes after it. NULL is fine. */
void mcp_stdio_close(struct mcp_stdio *io);

#endif

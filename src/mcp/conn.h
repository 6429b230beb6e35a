/* One connection to the daemon, on a loop: one request at a time, and its answer. */
#ifndef MCP_CONN_H
#define MCP_CONN_H

#include <uv.h>

#include "net/http_response.h"

struct mcp_conn;

/* Called from the loop, never from within mcp_conn_send. */
struct mcp_conn_events {
	/* The answer is complete; `res` is valid within the call. The connection can be used again if
	 * `reusable`, else it is to be closed. */
	void (*answered)(void *data, const struct http_response *res, bool reusable);
	/* It has ended, or what came is no HTTP (`reason`, else NULL). It is to be closed. */
	void (*lost)(void *data, const char *reason);
};

/* Takes `fd`. `events` and `data` stay the caller's. NULL when the loop cannot take it. */
struct mcp_conn *mcp_conn_open(uv_loop_t *loop, int fd, const struct mcp_conn_events *events, void *data);
/* Sends one request, copied; no other may be under way. */
void mcp_conn_send(struct mcp_conn *conn, const char *bytes, size_t len);
/* No callback comes after it. It frees itself once the loop has let go of it. NULL is fine. */
void mcp_conn_close(struct mcp_conn *conn);

#endif

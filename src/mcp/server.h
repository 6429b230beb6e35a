/* The MCP server of one session: messages in, messages out, no descriptors.
 *
 * Both eras of the protocol are served, and each request says which it is of. In that of 2026-07-28 it
 * carries its version in _meta, and nothing is negotiated (server/discover tells what there is); in that of
 * 2025-11-25 and 2025-06-18 it comes after `initialize`. Only tools are offered; what one does, the daemon
 * does. When the role of the session's peer changes, so do the tools, and the client is told: in the older
 * era unasked, in the newer by its subscriptions (subscriptions/listen).
 *
 *   server = mcp_server_new(&options);
 *   on bytes:  mcp_server_feed(server, data, len)
 *   at EOF:    mcp_server_end(server), then run the loop until options.ended was called
 *   mcp_server_free(server);   then run the loop until its handles have closed */
#ifndef MCP_SERVER_H
#define MCP_SERVER_H

#include <uv.h>

#include "mcp/session.h"
#include "os/paths.h"

struct mcp_server;

struct mcp_server_options {
	uv_loop_t *loop;
	const struct paths *paths;
	const struct mcp_place *place;		     /* stays the caller's */
	enum mcp_set tools;			     /* MCP_SET_BY_ROLE: the caller's role decides */
	int (*start)(void *data, struct error *err); /* brings the daemon up; NULL: it may not be started */
	/* One or more whole lines for the client. */
	void (*write)(void *data, const char *bytes, size_t len);
	/* After mcp_server_end: nothing is owed any more. Called from the loop. */
	void (*ended)(void *data);
	void *data;
	usec_t limit, patience; /* of calls, for tests (mcp/calls.h) */
};

struct mcp_server *mcp_server_new(const struct mcp_server_options *o);
/* NULL is fine. */
void mcp_server_free(struct mcp_server *s);
void mcp_server_feed(struct mcp_server *s, const char *data, size_t len);
/* The client says no more. Its subscriptions end, and what it asked for before is answered, if that does not
 * take long. */
void mcp_server_end(struct mcp_server *s);
/* The process ends at once: subscriptions are told so, and nothing else is answered. */
void mcp_server_leave(struct mcp_server *s);

#endif

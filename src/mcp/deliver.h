/* Delivery into the session's own inbox (D4): messages are taken from the daemon, handed to the inbox one by
 * one, and what becomes of each is reported.
 *
 *	delivery_take	→ agent_inbox_kind.send	→ sent		delivery_report submitted, or returned
 *						→ held		delivery_report held
 *						→ released	delivery_report submitted
 *						→ dropped	delivery_report returned
 *
 * All are taken over one and the same connection, by which the daemon knows that the inbox is attached. It is
 * closed when the inbox takes nothing any more, and made anew when the inbox can be opened again.
 *
 * More are taken only when the inbox is done with those before: so it is never flooded, and each sender's
 * order is kept (D3). */
#ifndef MCP_DELIVER_H
#define MCP_DELIVER_H

#include "agent/agent.h"
#include "mcp/link.h"

struct mcp_deliver;

/* `link` is borrowed. Does nothing yet. */
struct mcp_deliver *mcp_deliver_new(uv_loop_t *loop, struct mcp_link *link,
				    const struct agent_inbox_kind *kind);
/* NULL is fine. */
void mcp_deliver_free(struct mcp_deliver *d);
/* Opens the inbox and begins to deliver, unless that is so already; where the session has no inbox, or lost
 * it, this tries again. */
void mcp_deliver_start(struct mcp_deliver *d);
bool mcp_deliver_is_open(const struct mcp_deliver *d);

#endif

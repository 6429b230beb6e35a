/* What clients have asked to be told of unasked, in the era of 2026-07-28 (`subscriptions/listen`): each
 * subscription is a request that stays open until its client cancels it or the server ends, and all that
 * belongs to it names it by the id of that request. There is one thing to tell: that the tools are others
 * now.
 *
 * All write whole lines into `out`. */
#ifndef MCP_LISTEN_H
#define MCP_LISTEN_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/strbuf.h"

enum { MCP_LISTENS_MAX = 16 /* open at once; one more is refused */ };

struct mcp_listens;

struct mcp_listens *mcp_listens_new(void);
/* NULL is fine. Nobody is told. */
void mcp_listens_free(struct mcp_listens *l);

/* Opens one, and acknowledges it: of what its filter names, that of which there is news here. ERR_INVALID
 * (the filter, `params.notifications`, is none), ERR_EXISTS (one of that id is open), ERR_TOO_LARGE. */
int mcp_listens_open(struct mcp_listens *l, const json_t *id, const json_t *params, struct strbuf *out,
		     struct error *err) _warn_unused_;
/* Its client wants no more of it: nothing is answered. Unknown ids are none of our business. */
void mcp_listens_cancel(struct mcp_listens *l, const json_t *id);
/* Whether anybody wants to know. */
bool mcp_listens_for_tools(const struct mcp_listens *l);
void mcp_listens_tell_tools(const struct mcp_listens *l, struct strbuf *out);
/* The server ends: each is answered, by an empty result. `server` is borrowed: who we are. */
void mcp_listens_end(struct mcp_listens *l, json_t *server, struct strbuf *out);

#endif

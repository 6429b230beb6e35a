/* Calls of tools that are under way, by the ids of their requests.
 *
 * Agents give a tool call up after 30 to 60 s, so each is answered within 25 s, come what may. What takes
 * longer goes on: whoever calls the same tool with the same parameters again gets its answer. */
#ifndef MCP_CALLS_H
#define MCP_CALLS_H

#include <jansson.h>
#include <stdbool.h>

#include "mcp/link.h"
#include "mcp/tools.h"

struct mcp_calls;

enum {
	MCP_CALLS_MAX = 128,	   /* under way at once; one more is refused */
	MCP_WAIT_SECONDS_MAX = 24, /* of a tool that waits */
};

/* One request of a tool. All borrowed. */
struct mcp_tool_request {
	const json_t *id;
	const struct op *op;
	const json_t *args;  /* an object, or NULL */
	const char *session; /* of the sessions that one process hosts, or NULL */
	const char *folder; /* stands in for a `dir` that is not given, and a relative one is taken from it */
	enum mcp_set set;   /* for what an error advises */
	unsigned era;	    /* given back with the answer */
};

struct mcp_calls_options {
	uv_loop_t *loop;
	struct mcp_link *link;
	/* `result` is the callee's. Called from the loop, or from within mcp_calls_begin. */
	void (*answered)(void *data, const json_t *id, unsigned era, json_t *result);
	void *data;
	usec_t limit;	 /* for tests; 0: just under 25 s */
	usec_t patience; /* for a daemon to come up; 0: 20 s */
};

struct mcp_calls *mcp_calls_new(const struct mcp_calls_options *o);
/* NULL is fine; drops everything. */
void mcp_calls_free(struct mcp_calls *calls);

/* ERR_EXISTS when a request of that id is under way. */
int mcp_calls_begin(struct mcp_calls *calls, const struct mcp_tool_request *request,
		    struct error *err) _warn_unused_;
/* Its requester does not want it any more: nothing is answered. Unknown ids are none of our business. */
void mcp_calls_cancel(struct mcp_calls *calls, const json_t *id);
/* Drops what only waits; nothing new will come. */
void mcp_calls_drop_waits(struct mcp_calls *calls);
/* Requests that an answer is owed to. */
size_t mcp_calls_count(const struct mcp_calls *calls);

#endif

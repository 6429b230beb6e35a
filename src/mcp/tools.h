/* The tools: operations of the table, as an agent sees them. */
#ifndef MCP_TOOLS_H
#define MCP_TOOLS_H

#include <jansson.h>

#include "base/error.h"
#include "ops/op.h"

/* Which of them a session is offered (surface.md). Permission is not decided here: the daemon knows who may
 * call what (S8). */
enum mcp_set {
	MCP_SET_BY_ROLE = 0, /* not chosen: the caller's role decides */
	MCP_SET_WORKER,
	MCP_SET_ORCHESTRATOR,
	MCP_SET_ALL,
};

/* "worker", "orchestrator", "all"; ERR_INVALID. */
int mcp_set_parse(const char *name, enum mcp_set *ret, struct error *err) _warn_unused_;
/* What a role, as whoami says it, is offered; NULL is an unknown one. */
enum mcp_set mcp_set_of_role(const char *role);

/* The operation behind a tool of the set, or NULL. */
const struct op *mcp_tool_find(const char *name, enum mcp_set set);
/* All tools of the set, ordered by name: name, description, inputSchema, outputSchema, annotations. A new
 * reference. */
json_t *mcp_tool_list(enum mcp_set set);

#endif

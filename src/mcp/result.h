/* What a tool answers: the operation's answer, or why there is none, as the result of a `tools/call`.
 *
 * A model reads it. So nulls are left out, and what peers wrote cannot pass for a message of Coppice's (D9):
 * a reply stands in an element of its own, and nothing else in an answer can begin or end such an element. */
#ifndef MCP_RESULT_H
#define MCP_RESULT_H

#include <jansson.h>

#include "base/error.h"
#include "mcp/tools.h"

enum {
	MCP_TEXT_MAX = 24 * 1024, /* bytes of an answer in words; the rest is in the structure alone */
	MCP_STRUCTURE_MAX = 4 * 1024 * 1024, /* bytes of an answer's JSON; beyond it is refused */
};

/* {"content","structuredContent"}; a new reference. `answer` stays as it is. */
json_t *mcp_result(const struct op *op, json_t *answer, enum mcp_set set);
/* {"content","isError"}: what happened, what to do, and the tool of `set` that helps on. A new reference. */
json_t *mcp_failure(const struct op *op, const struct error *why, enum mcp_set set);

#endif

/* JSON schemas of an operation, as a tool list gives them: short, for every session pays for each byte. */
#ifndef MCP_SCHEMA_H
#define MCP_SCHEMA_H

#include <jansson.h>

#include "ops/op.h"

/* Of the parameters, without the unlisted ones. `dir` is never required: the session's folder stands in for
 * it (mcp/calls.h). A new reference. */
json_t *mcp_input_schema(const struct op *op);
/* Of the answer: from the shape that the operation promises ("{\"correlation_id\",\"to\",\"step\"}") and from
 * what its fields are everywhere. Nothing is required and fields may be added, so that an older one of the
 * two programs never calls the other's answers wrong. A shape that is more than one object ("… or …") is just
 * an object. A new reference. */
json_t *mcp_output_schema(const struct op *op);

#endif

/* The tools; see tools.h. */
#include "mcp/tools.h"

#include <string.h>

#include "mcp/schema.h"
#include "ops/table.h"

static const char *const set_names[] = {
	[MCP_SET_WORKER] = "worker", [MCP_SET_ORCHESTRATOR] = "orchestrator", [MCP_SET_ALL] = "all"};

int mcp_set_parse(const char *name, enum mcp_set *ret, struct error *err)
{
	for (enum mcp_set set = MCP_SET_WORKER; set <= MCP_SET_ALL; set++)
		if (strcmp(set_names[set], name) == 0) {
			*ret = set;
			return 0;
		}
	return error_set(err, ERR_INVALID, "a set of tools is worker, orchestrator or all");
}

enum mcp_set mcp_set_of_role(const char *role)
{
	static const struct {
		const char *role;
		enum mcp_set set;
	} sets[] = {{"agent", MCP_SET_WORKER},
		    {"reviewer", MCP_SET_WORKER},
		    {"orchestrator", MCP_SET_ORCHESTRATOR}};
	for (size_t i = 0; role && i < ARRAY_SIZE(sets); i++)
		if (strcmp(sets[i].role, role) == 0)
			return sets[i].set;
	return MCP_SET_ALL;
}

static bool is_in(const struct op *op, enum mcp_set set)
{
	switch (set) {
	case MCP_SET_WORKER:
		return op->tools & TOOL_WORKER;
	case MCP_SET_ORCHESTRATOR:
		return op->tools & (TOOL_WORKER | TOOL_ORCHESTRATOR);
	case MCP_SET_ALL:
	case MCP_SET_BY_ROLE:
		return !(op->flags & OP_LOCAL);
	}
	return false;
}

const struct op *mcp_tool_find(const char *name, enum mcp_set set)
{
	const struct op *op = op_find(name);
	return op && is_in(op, set) ? op : NULL;
}

/* What differs from the protocol's defaults: it changes things, destroys them, and reaches out into the
 * world. */
static json_t *annotations(const struct op *op)
{
	if (!(op->flags & OP_CHANGES))
		return json_pack("{s:b}", "readOnlyHint", 1);
	json_t *hints = json_pack("{s:b, s:b}", "destructiveHint", (op->flags & OP_DESTROYS) != 0,
				  "openWorldHint", 0);
	if (op->flags & OP_SETTLES)
		json_object_set_new(hints, "idempotentHint", json_true());
	return hints;
}

json_t *mcp_tool_list(enum mcp_set set)
{
	json_t *tools = json_array();
	for (size_t i = 0; op_table[i]; i++) {
		const struct op *op = op_table[i];
		if (is_in(op, set))
			json_array_append_new(tools, json_pack("{s:s, s:s, s:o, s:o, s:o}", "name", op->name,
							       "description", op->summary, "inputSchema",
							       mcp_input_schema(op), "outputSchema",
							       mcp_output_schema(op), "annotations",
							       annotations(op)));
	}
	return tools;
}

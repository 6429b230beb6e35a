/* `coppice mcp`: the MCP server of the agent that starts it, on standard input and output. */
#ifndef MCP_MCP_H
#define MCP_MCP_H

#include "mcp/tools.h"

/* Serves until the input ends, or nobody reads the output. `dir` is where the session works, if it is another
 * folder than the current one. Nothing but the protocol is ever written to standard output. */
int mcp_main(enum mcp_set tools, const char *dir, struct error *err) _warn_unused_;

#endif

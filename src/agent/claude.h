/* What the backend `claude-code` needs in its settings. */
#ifndef AGENT_CLAUDE_H
#define AGENT_CLAUDE_H

#include <jansson.h>

/* The hooks that this version knows, as the value of "hooks" in its settings. A new reference. */
json_t *claude_hooks(const char *program, const char *version);
/* The MCP server, as an entry of "mcpServers". A new reference. */
json_t *claude_mcp_server(const char *program);
#define CLAUDE_ALLOW_TOOLS "mcp__coppice__*"

#endif

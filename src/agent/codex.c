/* The backend `codex`. */
#include "agent/agent.h"
#include "agent/codex.h"
#include "agent/composers.h"

#include <stddef.h>

static const char *const process_names[] = {"codex", NULL};

const struct agent_backend agent_codex = {
	.name = "codex",
	.summary = "Codex",
	.launch = AGENT_LAUNCH_WATCH,
	.process_names = process_names,
	.client_name = "codex-mcp-client",
	.hosts_sessions = true,
	.start = codex_start,
	.hook_read = codex_hook_read,
	.hook_write = codex_hook_write,
	.link = &codex_link,
	.link_socket = codex_link_socket,
	.composer = &codex_composer,
};

/* The backend `codex`. */
#include "agent/agent.h"
#include "agent/codex.h"
#include "agent/composers.h"

#include <stddef.h>

static const char *const process_names[] = {"codex", NULL};

static const struct agent_queue_kind queue = {
	.transport = "codex-queue",
	.reaches = codex_queue_reaches,
	.command = codex_queue,
	.home_variable = "CODEX_HOME",
	.result = codex_queue_result,
};

const struct agent_backend agent_codex = {
	.name = "codex",
	.summary = "Codex",
	.launch = AGENT_LAUNCH_WATCH,
	.process_names = process_names,
	.session_variable = "CODEX_THREAD_ID",
	.client_name = "codex-mcp-client",
	.hosts_sessions = true,
	.start = codex_start,
	.hook_read = codex_hook_read,
	.hook_write = codex_hook_write,
	.link = &codex_link,
	.link_socket = codex_link_socket,
	.queue = &queue,
	.composer = &codex_composer,
};

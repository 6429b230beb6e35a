/* The backend `claude-code`. */
#include "agent/agent.h"
#include "agent/composers.h"

#include <stddef.h>

#include "agent/claude_inbox.h"

static const char *const process_names[] = {"claude", "claude.exe", NULL};

const struct agent_backend agent_claude_code = {
	.name = "claude-code",
	.summary = "Claude Code",
	.launch = AGENT_LAUNCH_WATCH,
	.process_names = process_names,
	.client_name = "claude-code",
	.inbox = &claude_inbox,
	.composer = &claude_composer,
};

/* The backend `claude-code`. */
#include <stddef.h>

#include "agent/claude.h"
#include "agent/claude_inbox.h"
#include "agent/composers.h"

static const char *const process_names[] = {"claude", "claude.exe", NULL};

const struct agent_backend agent_claude_code = {
	.name = "claude-code",
	.summary = "Claude Code",
	.launch = AGENT_LAUNCH_WATCH,
	.process_names = process_names,
	.env_file_variable = "CLAUDE_ENV_FILE",
	.client_name = "claude-code",
	.context_max = CLAUDE_CONTEXT_MAX,
	.wake_max = CLAUDE_WAKE_MAX,
	.start = claude_start,
	.hook_read = claude_hook_read,
	.hook_write = claude_hook_write,
	.inbox = &claude_inbox,
	.records = &claude_records,
	.composer = &claude_composer,
};

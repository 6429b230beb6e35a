/* coppice mcp: described here, served by mcp/, which lies beside this layer: main.c says what runs it. */
#include "cli/commands.h"

int (*command_mcp_main)(const char *tools, const char *dir, struct error *err);

static int run_mcp(struct command_run *run, struct error *err)
{
	return command_mcp_main(option_get(run, "tools"), run->dir, err);
}

const struct command command_mcp = {
	.name = "mcp",
	.summary = "For agents: the MCP server of the session that starts it, on stdin and stdout",
	.usage = "[--tools SET]",
	.text = "Speaks the Model Context Protocol of 2026-07-28, of 2025-11-25 and of 2025-06-18. The "
		"session "
		"becomes a peer and is offered the tools of its role; outside of peers all of them. Where "
		"the session has an inbox of its own, messages are put into it. Calls outlive a restart of "
		"the daemon. COPPICE=0 keeps the session out.",
	.examples = "coppice mcp\ncoppice mcp --tools orchestrator",
	.options = (const struct option_entry[]){{"tools", 't', OPTION_VALUE, "SET",
						  "worker, orchestrator or all; by default as the role says"},
						 {0}},
	.run = run_mcp,
};

/* coppice role */
#include "base/json.h"
#include "cli/commands.h"
#include "cli/peer_out.h"

static int run_role(struct command_run *run, struct error *err)
{
	json_t *args = json_pack("{s:s, s:s}", "peer_name", run->args[0], "role", run->args[1]);
	return command_answer(run, "assign_peer", args, true, peer_print, err);
}

const struct command command_role = {
	.name = "role",
	.group = "peers and messages",
	.summary = "Give a peer a role: agent, reviewer or orchestrator",
	.usage = "PEER ROLE",
	.text = "An orchestrator may spawn, plan and land, and sees every circle; a reviewer sees every "
		"circle. An agent "
		"cannot give itself a role. What it may do changes at once, and so do the MCP tools that it "
		"is "
		"offered, where its runtime heeds that: Claude Code does, Codex keeps those of its start. An "
		"agent is also started with one by `coppice new --role`, "
		"or by "
		"COPPICE_ROLE in the environment in which you start it.",
	.examples = "coppice role main orchestrator\nCOPPICE_ROLE=orchestrator claude",
	.operands = "peer agent|reviewer|orchestrator",
	.min_args = 2,
	.max_args = 2,
	.run = run_role,
};

/* The backend `script`: a plain command as a worker. It reads its messages by `coppice inbox`, which is its
 * proof of consumption too; its exit status ends its job (surface.md, "Plain commands as workers"). */
#include "agent/agent.h"

const struct agent_backend agent_script = {
	.name = "script",
	.summary = "a plain command, run in a terminal like any agent",
	.launch = AGENT_LAUNCH_WATCH,
};

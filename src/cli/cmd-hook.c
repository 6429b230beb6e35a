/* coppice hook EVENT: what an agent's own hooks call. Fast, silent, and never in the agent's way: whatever
 * happens to Coppice, the agent goes on. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/commands.h"

static int session_start(struct command_run *run, struct error *err)
{
	json_t *args = json_pack("{s:s, s:i}", "backend",
				 option_get(run, "backend") ? option_get(run, "backend") : "script", "pid",
				 (int)getppid());
	json_auto_t *answer = NULL;
	json_object_set_new(args, "path", json_string(run->dir));
	json_set_str(args, "description", option_get(run, "description"));
	return command_call(run, "register_peer", args, true, &answer, err);
}

static int session_end(struct command_run *run, struct error *err)
{
	json_auto_t *answer = NULL;
	return command_call(run, "end_session", NULL, true, &answer, err);
}

static int run_hook(struct command_run *run, struct error *err)
{
	const char *out = getenv("COPPICE");
	if (out && strcmp(out, "0") == 0)
		return 0;
	/* A hook never starts a daemon: it runs inside of an agent (X1). Events of no concern end here. */
	int code = client_open_default(0, &run->client, err);
	if (code)
		return 0;
	if (strcmp(run->args[0], "session-start") == 0)
		return session_start(run, err);
	return strcmp(run->args[0], "session-end") == 0 ? session_end(run, err) : 0;
}

const struct command command_hook = {
	.name = "hook",
	.summary = "For agents: report an event of the calling session",
	.usage = "EVENT [--backend BACKEND]",
	.text = "session-start makes the calling process's parent a peer, session-end ends its session; "
		"other events do nothing.",
	.examples = "coppice hook session-start --backend script",
	.operands = "session-start|session-end",
	.options = (const struct option_entry[]){{"backend", 'b', OPTION_VALUE, "BACKEND",
						  "the session's runtime"},
						 {"description", 0, OPTION_VALUE, "TEXT", "what it works on"},
						 {0}},
	.min_args = 1,
	.max_args = 1,
	.run = run_hook,
};

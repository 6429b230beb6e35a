/* coppice stop */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/out.h"

static int run_stop(struct command_run *run, struct error *err)
{
	json_auto_t *answer = NULL;
	/* The one command that starts no daemon only to stop it. */
	int code = client_open_default(0, &run->client, err);
	if (!code)
		code = command_call(run, "stop", NULL, true, &answer, err);
	if (code == ERR_NO_DAEMON) {
		error_release(err);
		answer = json_pack("{s:b}", "stopping", 0);
		code = 0;
	}
	if (code)
		return code;
	if (run->json)
		out_json(answer);
	else
		(void)puts(json_is_true(json_object_get(answer, "stopping"))
				   ? "stopped; agents go on, and all is taken up at the next command"
				   : "no daemon is running");
	return 0;
}

const struct command command_stop = {
	.name = "stop",
	.group = "the daemon",
	.summary = "Stop the daemon; agents and plans go on when it is back",
	.usage = "",
	.examples = "coppice stop",
	.run = run_stop,
};

/* coppice status */
#include <stdio.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/out.h"

static int run_status(struct command_run *run, struct error *err)
{
	json_auto_t *status = NULL;
	int code = command_call(run, "status", NULL, false, &status, err);
	if (code)
		return code;
	if (run->json) {
		out_json(status);
		return 0;
	}
	char age[32];
	out_say("coppice %s, pid %lld, up %s\n", json_str(status, "version"),
		(long long)json_int(status, "pid", 0),
		out_age(json_str(status, "started_at"), age, sizeof(age)));
	out_say("state   %s\nsocket  %s\n", json_str(status, "home"), json_str(status, "socket"));
	out_say("peers   %lld\nasks    %lld open\nqueued  %lld messages\n",
		(long long)json_int(status, "peers", 0), (long long)json_int(status, "open_asks", 0),
		(long long)json_int(status, "queued", 0));
	(void)printf("jobs   ");
	const char *state;
	json_t *count;
	json_object_foreach(json_object_get(status, "jobs"), state, count)
	{
		out_say(" %lld %s", (long long)json_integer_value(count), state);
	}
	out_say("%s\n", json_object_size(json_object_get(status, "jobs")) ? "" : " none");
	return 0;
}

const struct command command_status = {
	.name = "status",
	.group = "the daemon",
	.summary = "What the daemon observes: peers, asks, jobs",
	.usage = "",
	.examples = "coppice status\ncoppice status --json",
	.run = run_status,
};

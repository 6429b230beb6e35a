/* coppice whoami */
#include <stdio.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "cli/peer_out.h"

static int run_whoami(struct command_run *run, struct error *err)
{
	json_auto_t *me = NULL;
	int code = command_call(run, "whoami", NULL, false, &me, err);
	if (code)
		return code;
	if (run->json) {
		out_json(me);
		return 0;
	}
	const char *circle = json_str(me, "circle"), *id = json_str(me, "peer_id");
	out_text(stdout, json_str(me, "name"), false);
	out_say(" (%s%s%s%s%s)\n", json_str(me, "role"), circle ? ", circle " : "", circle ? circle : "",
		id ? ", " : "", id ? id : "");
	writable_print(me);
	return 0;
}

const struct command command_whoami = {
	.name = "whoami",
	.group = "peers and messages",
	.summary = "Who you are here",
	.usage = "",
	.examples = "coppice whoami --json",
	.run = run_whoami,
};

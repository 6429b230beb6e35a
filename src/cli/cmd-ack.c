/* coppice ack */
#include <stdio.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/out.h"

static int run_ack(struct command_run *run, struct error *err)
{
	autofree char *text = NULL;
	int code = command_text(run, 1, &text, err);
	if (code)
		return code;
	json_t *args = json_object();
	json_set_str(args, "correlation_id", run->args[0]);
	json_set_str(args, "message", text);
	json_auto_t *answer = NULL;
	code = command_call(run, "ack", args, true, &answer, err);
	if (code)
		return code;
	if (run->json)
		out_json(answer);
	else
		out_say("%s %s\n", run->args[0], json_str(answer, "outcome"));
	return 0;
}

const struct command command_ack = {
	.name = "ack",
	.group = "peers and messages",
	.summary = "Close an ask addressed to you, bare or with a reply",
	.usage = "ID [TEXT]",
	.examples = "coppice ack ask-7f3k2m9qabcd\ncoppice ack ask-7f3k2m9qabcd \"GET /v1/users\"",
	.operands = "ask text",
	.min_args = 1,
	.max_args = 2,
	.run = run_ack,
};

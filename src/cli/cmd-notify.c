/* coppice notify */
#include <stdio.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/out.h"

static void print_sent(const json_t *answer)
{
	const char *reason = json_str(answer, "reason");
	out_say("%s %s\n", json_str(answer, "message_id"), reason ? reason : json_str(answer, "step"));
}

static int run_notify(struct command_run *run, struct error *err)
{
	autofree char *text = NULL;
	int code = command_text(run, 1, &text, err);
	if (code)
		return code;
	json_t *args = json_object();
	json_set_str(args, "peer_name", run->args[0]);
	json_set_str(args, "message", text);
	json_set_str(args, "circle", option_get(run, "circle"));
	return command_answer(run, "notify_peer", args, true, print_sent, err);
}

const struct command command_notify = {
	.name = "notify",
	.group = "peers and messages",
	.summary = "Tell a peer something that needs no answer",
	.usage = "PEER TEXT [--circle CIRCLE]",
	.examples = "coppice notify feat/b \"the schema is on main now\"",
	.operands = "peer text",
	.options = (const struct option_entry[]){{"circle", 0, OPTION_VALUE, "CIRCLE",
						  "the circle in which the name is looked up"},
						 {0}},
	.min_args = 2,
	.max_args = 2,
	.run = run_notify,
};

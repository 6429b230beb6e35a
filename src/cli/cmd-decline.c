/* coppice decline */
#include <stdio.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/out.h"

static void print_end(const json_t *answer)
{
	out_say("%s %s\n", json_str(answer, "correlation_id"), json_str(answer, "outcome"));
}

static int run_decline(struct command_run *run, struct error *err)
{
	autofree char *text = NULL;
	int code = command_text(run, 1, &text, err);
	if (code)
		return code;
	json_t *args = json_object();
	json_set_str(args, "correlation_id", run->args[0]);
	json_set_str(args, "reason", text);
	return command_answer(run, "decline", args, true, print_end, err);
}

const struct command command_decline = {
	.name = "decline",
	.group = "peers and messages",
	.summary = "Refuse an ask addressed to you, saying why",
	.usage = "ID TEXT",
	.examples = "coppice decline ask-7f3k2m9qabcd \"not my branch\"",
	.operands = "ask text",
	.min_args = 2,
	.max_args = 2,
	.run = run_decline,
};

/* coppice decline */
#include "cli/closing.h"
#include "cli/commands.h"

static int run_decline(struct command_run *run, struct error *err)
{
	return closing_run(run, "decline", "reason", err);
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

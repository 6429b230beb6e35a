/* coppice ack */
#include "cli/closing.h"
#include "cli/commands.h"

static int run_ack(struct command_run *run, struct error *err)
{
	return closing_run(run, "ack", "message", err);
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

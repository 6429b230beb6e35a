/* coppice answer */
#include "cli/closing.h"
#include "cli/commands.h"

static int run_answer(struct command_run *run, struct error *err)
{
	return closing_run(run, "answer", "text", err);
}

const struct command command_answer_entry = {
	.name = "answer",
	.group = "peers and messages",
	.summary = "Answer an ask addressed to you",
	.usage = "ID TEXT",
	.examples = "coppice answer ask-7f3k2m9qabcd \"it is GET /v1/areas\"",
	.operands = "ask text",
	.min_args = 2,
	.max_args = 2,
	.run = run_answer,
};

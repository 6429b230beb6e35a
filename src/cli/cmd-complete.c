/* coppice complete KIND: the words that a completion offers; see words.h. */
#include "cli/commands.h"
#include "cli/words.h"

static int run_complete(struct command_run *run, struct error *err)
{
	(void)err;
	words_print(run->args[0], run->dir);
	return 0;
}

const struct command command_complete = {
	.name = "complete",
	.summary = "For completions: the words of a kind, a line each",
	.usage = "KIND",
	.text = "Starts no daemon, says nothing of what cannot be had, and always succeeds.",
	.examples = "coppice complete branch",
	.min_args = 1,
	.max_args = 1,
	.run = run_complete,
};

/* coppice dead retry|drop ID */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/commands.h"

static void print_done(const json_t *answer)
{
	const char *step = json_str(answer, "step");
	(void)puts(step ? "back in the queue" : "dropped");
}

static int run_dead(struct command_run *run, struct error *err)
{
	const char *verb = run->args[0];
	bool retry = strcmp(verb, "retry") == 0;
	if (!retry && strcmp(verb, "drop") != 0)
		return error_hint(err, error_set(err, ERR_INVALID, "'%.40s' is neither retry nor drop", verb),
				  "see the dead letters: coppice inbox --dead");
	return command_answer(run, retry ? "dead_retry" : "dead_drop", json_pack("{s:s}", "id", run->args[1]),
			      true, print_done, err);
}

const struct command command_dead = {
	.name = "dead",
	.group = "peers and messages",
	.summary = "Send a dead letter again, or drop it; let a held message go",
	.usage = "retry|drop ID",
	.text = "What is held (`governor` in the configuration) because agents have set each other off too "
		"far goes on by "
		"retry, from an orchestrator or a person; drop ends it, and its sender is told.",
	.examples = "coppice inbox --dead\ncoppice dead retry msg-7f3k2m9qabcd",
	.operands = "retry|drop message",
	.min_args = 2,
	.max_args = 2,
	.run = run_dead,
};

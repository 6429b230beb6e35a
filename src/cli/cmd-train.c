/* coppice train */
#include "base/json.h"
#include "cli/change_out.h"
#include "cli/commands.h"

static int run_train(struct command_run *run, struct error *err)
{
	json_t *args = command_dir_args(run);
	if (run->n_args)
		json_set_str(args, "target", run->args[0]);
	return command_answer(run, "train_status", args, false, changes_print, err);
}

const struct command command_train = {
	.name = "train",
	.group = "landing",
	.summary = "The queue of a target: what is built, what landed, what was ejected",
	.usage = "[TARGET]",
	.examples = "coppice train main",
	.operands = "branch",
	.max_args = 1,
	.run = run_train,
};

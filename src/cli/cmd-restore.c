/* coppice restore */
#include <stdio.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/out.h"

static void print_restored(const json_t *answer)
{
	out_say("%s is back at ", json_str(answer, "branch"));
	out_text(stdout, json_str(answer, "path"), false);
	(void)putchar('\n');
}

static int run_restore(struct command_run *run, struct error *err)
{
	json_t *args = command_dir_args(run);
	json_set_str(args, "branch", run->args[0]);
	return command_answer(run, "worktree_restore", args, true, print_restored, err);
}

const struct command command_restore = {
	.name = "restore",
	.group = "worktrees",
	.summary = "Bring a removed worktree back, exactly as it was",
	.usage = "BRANCH",
	.examples = "coppice restore feat/login",
	.operands = "trash",
	.min_args = 1,
	.max_args = 1,
	.run = run_restore,
};

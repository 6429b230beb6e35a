/* coppice path */
#include <stdio.h>

#include "base/json.h"
#include "cli/commands.h"

static void print_path(const json_t *answer)
{
	(void)puts(json_str(answer, "path"));
}

static int run_path(struct command_run *run, struct error *err)
{
	json_t *args = command_dir_args(run);
	json_set_str(args, "branch", run->args[0]);
	return command_answer(run, "worktree_path", args, false, print_path, err);
}

const struct command command_path_entry = {
	.name = "path",
	.group = "worktrees",
	.summary = "Where the worktree of a branch is",
	.usage = "BRANCH",
	.examples = "cd \"$(coppice path feat/login)\"",
	.operands = "worktree",
	.min_args = 1,
	.max_args = 1,
	.run = run_path,
};

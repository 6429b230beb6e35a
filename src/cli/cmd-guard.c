/* coppice guard HOOK: described here, done by repo/, which lies beside this layer: main.c says what runs it,
 * and runs it without a look at options, for a hook's arguments are its own. */
#include "cli/commands.h"

int (*command_guard_main)(int argc, char **argv);

static int run_guard(struct command_run *run, struct error *err)
{
	(void)err; /* it speaks for itself */
	run->exit_code = command_guard_main(run->n_args, run->args);
	return 0;
}

const struct command command_guard = {
	.name = "guard",
	.summary = "For agents: what git's hooks are within a peer",
	.usage = "HOOK [ARGUMENT]...",
	.text = "Peers have core.hooksPath, by GIT_CONFIG_COUNT in their environment, name a folder whose "
		"hooks lead "
		"here. It refuses a change of a branch that is another peer's, of a target branch, and of "
		"the main "
		"worktree's, and becomes the hook that git would have run without it. It needs no daemon: "
		"the owners stand "
		"in a file of the state folder.",
	.examples = "coppice guard reference-transaction prepared",
	.min_args = 1,
	.max_args = -1,
	.run = run_guard,
};

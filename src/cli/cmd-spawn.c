/* coppice spawn */
#include "base/alloc.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/peer_out.h"
#include "cli/spawn_args.h"
#include "os/file.h"

static int run_spawn(struct command_run *run, struct error *err)
{
	autofree char *path = command_path(run, run->args[0]);
	autofree char *real = NULL;
	int code = path_resolve(path, &real, err);
	if (code)
		return code;
	json_t *args = json_object();
	json_object_set_new(args, "path", json_string(real));
	spawn_args(run, args);
	return command_answer(run, "spawn_peer", args, true, peer_print, err);
}

const struct command command_spawn = {
	.name = "spawn",
	.group = "peers and messages",
	.summary = "An agent in an existing folder",
	.usage = "PATH --backend BACKEND [--profile PROFILE] [-m PROMPT] [-- COMMAND…]",
	.text = "It runs in a tmux window, which coppice attach shows; the command ends once the agent is "
		"there, or says why it is not. An agent may do this only as an orchestrator, with a backend "
		"that spawn.backends names, in a folder below one of spawn.allowed_paths.",
	.examples = "coppice spawn . --backend codex -m \"Run the tests and mend what fails\"\n"
		    "coppice spawn . --backend script -- make watch",
	.operands = "dir",
	.options = (const struct option_entry[]){SPAWN_OPTIONS, {0}},
	.min_args = 1,
	.max_args = 1,
	.takes_command = true,
	.run = run_spawn,
};

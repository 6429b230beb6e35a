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
	.usage = "PATH --backend BACKEND [--circle CIRCLE] [-m PROMPT] [-- COMMAND…]",
	.examples = "coppice spawn . --backend script -- make watch",
	.operands = "dir",
	.options = (const struct option_entry[]){SPAWN_OPTIONS, {0}},
	.min_args = 1,
	.max_args = 1,
	.takes_command = true,
	.run = run_spawn,
};

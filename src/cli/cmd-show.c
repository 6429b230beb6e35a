/* coppice show */
#include "base/json.h"
#include "cli/commands.h"
#include "cli/peer_out.h"

static int run_show(struct command_run *run, struct error *err)
{
	json_t *args = json_pack("{s:s}", "peer_name", run->args[0]);
	json_set_str(args, "circle", option_get(run, "circle"));
	return command_answer(run, "show_peer", args, false, peer_print, err);
}

const struct command command_show = {
	.name = "show",
	.group = "peers and messages",
	.summary = "One peer",
	.usage = "PEER [--circle CIRCLE]",
	.examples = "coppice show feat/a\ncoppice show features:feat/a --json",
	.operands = "peer",
	.options =
		(const struct option_entry[]){
			{"circle", 0, OPTION_VALUE, "CIRCLE", "the circle of that name"}, {0}},
	.min_args = 1,
	.max_args = 1,
	.run = run_show,
};

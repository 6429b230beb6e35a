/* coppice kill */
#include <stdio.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/out.h"

static void print_killed(const json_t *answer)
{
	if (json_bool(answer, "terminal_closed", false)) {
		(void)puts("its terminal is closed");
		return;
	}
	out_text(stdout, json_str(answer, "note") ? json_str(answer, "note") : "unregistered", false);
	(void)putchar('\n');
}

static int run_kill(struct command_run *run, struct error *err)
{
	json_t *args = json_pack("{s:s}", "peer_identifier", run->args[0]);
	json_set_str(args, "circle", option_get(run, "circle"));
	return command_answer(run, "kill_peer", args, true, print_killed, err);
}

const struct command command_kill = {
	.name = "kill",
	.group = "peers and messages",
	.summary = "End a peer, and its terminal if coppice started it",
	.usage = "PEER [--circle CIRCLE]",
	.examples = "coppice kill feat/a",
	.operands = "peer",
	.options =
		(const struct option_entry[]){
			{"circle", 0, OPTION_VALUE, "CIRCLE", "the circle of that name"}, {0}},
	.min_args = 1,
	.max_args = 1,
	.run = run_kill,
};

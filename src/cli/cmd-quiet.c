/* coppice quiet [PEER] on|off */
#include <string.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/peer_out.h"

static int run_quiet(struct command_run *run, struct error *err)
{
	const char *peer = run->n_args > 1 ? run->args[0] : NULL, *word = run->args[run->n_args - 1];
	bool on = strcmp(word, "on") == 0;
	if (!on && strcmp(word, "off") != 0)
		return error_hint(err, error_set(err, ERR_INVALID, "'%.40s' is neither on nor off", word),
				  "coppice quiet [PEER] on|off");
	json_t *args = json_pack("{s:b}", "quiet", (int)on);
	json_set_str(args, "peer_name", peer);
	return command_answer(run, "set_quiet", args, true, peer_print, err);
}

const struct command command_quiet = {
	.name = "quiet",
	.group = "peers and messages",
	.summary = "Do not disturb: no notify wakes the peer",
	.usage = "[PEER] on|off",
	.text = "What a notify says to a quiet peer waits for its next turn and comes along with it, or with "
		"an ask; asks "
		"and prompts come as ever. Without PEER, yourself; an agent marks only itself unless it is "
		"an orchestrator.",
	.examples = "coppice quiet on\ncoppice quiet feat/b off",
	.operands = "peer on|off",
	.min_args = 1,
	.max_args = 2,
	.run = run_quiet,
};

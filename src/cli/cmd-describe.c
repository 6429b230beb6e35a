/* coppice describe */
#include "base/alloc.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/peer_out.h"

static int run_describe(struct command_run *run, struct error *err)
{
	autofree char *text = NULL;
	int code = command_text(run, 0, &text, err);
	if (code)
		return code;
	json_t *args = json_object();
	json_set_str(args, "description", text);
	return command_answer(run, "set_description", args, true, peer_print, err);
}

const struct command command_describe = {
	.name = "describe",
	.group = "peers and messages",
	.summary = "Say in a line what you work on",
	.usage = "TEXT",
	.examples = "coppice describe \"the login form\"",
	.operands = "text",
	.min_args = 1,
	.max_args = 1,
	.run = run_describe,
};

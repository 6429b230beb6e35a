/* coppice broadcast */
#include <stdio.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/out.h"

static void print_sent(const json_t *answer)
{
	const json_t *refused = json_object_get(answer, "refused");
	size_t i;
	json_t *r;
	out_say("%zu told\n", json_array_size(json_object_get(answer, "messages")));
	json_array_foreach(refused, i, r)
	{
		out_say("not stored for %s: ", json_str(r, "to"));
		out_text(stdout, json_str(r, "message"), false);
		(void)putchar('\n');
	}
}

static int run_broadcast(struct command_run *run, struct error *err)
{
	autofree char *text = NULL;
	int code = command_text(run, 0, &text, err);
	if (code)
		return code;
	json_t *args = json_object();
	json_set_str(args, "message", text);
	json_set_str(args, "circle", option_get(run, "circle"));
	return command_answer(run, "broadcast", args, true, print_sent, err);
}

const struct command command_broadcast = {
	.name = "broadcast",
	.group = "peers and messages",
	.summary = "Tell every peer of your circle something",
	.usage = "TEXT [--circle CIRCLE]",
	.examples = "coppice broadcast \"main is frozen for an hour\" --circle features",
	.operands = "text",
	.options =
		(const struct option_entry[]){{"circle", 0, OPTION_VALUE, "CIRCLE", "another circle"}, {0}},
	.min_args = 1,
	.max_args = 1,
	.run = run_broadcast,
};

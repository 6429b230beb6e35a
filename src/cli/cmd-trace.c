/* coppice trace */
#include <stdio.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/out.h"

static void print_trace(const json_t *answer)
{
	static const struct out_column columns[] = {
		{.title = "STEP", .key = "step"},
		{.title = "AT", .key = "at"},
		{.title = "TRANSPORT", .key = "transport"},
		{.title = "REASON", .key = "reason", .max = 60},
	};
	out_say("%s %s\n", json_str(answer, "kind"), json_str(answer, "id"));
	out_table(columns, ARRAY_SIZE(columns), json_object_get(answer, "steps"), "no step is recorded");
}

static int run_trace(struct command_run *run, struct error *err)
{
	return command_answer(run, "trace", json_pack("{s:s}", "id", run->args[0]), false, print_trace, err);
}

const struct command command_trace = {
	.name = "trace",
	.group = "peers and messages",
	.summary = "Where a message went: each step with time, transport and reason",
	.usage = "ID",
	.examples = "coppice trace ask-7f3k2m9qabcd",
	.operands = "message",
	.min_args = 1,
	.max_args = 1,
	.run = run_trace,
};

/* coppice config */
#include <stdio.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/out.h"

static const char *show_value(const json_t *row, char *buf, size_t size)
{
	autofree char *text = json_text(json_object_get(row, "value"));
	(void)snprintf(buf, size, "%s", text);
	return buf;
}

static void print_config(const json_t *answer)
{
	static const struct out_column columns[] = {
		{.title = "KEY", .key = "key"},
		{.title = "VALUE", .key = "value", .show = show_value, .max = 60},
		{.title = "ORIGIN", .key = "origin", .max = 60},
	};
	out_table(columns, ARRAY_SIZE(columns), json_object_get(answer, "keys"), "no such key");
}

static int run_config(struct command_run *run, struct error *err)
{
	json_t *args = json_object();
	if (run->n_args)
		json_set_str(args, "key", run->args[0]);
	return command_answer(run, "config", args, false, print_config, err);
}

const struct command command_config = {
	.name = "config",
	.group = "the daemon",
	.summary = "The effective configuration, with the origin of each value",
	.usage = "[KEY]",
	.text = "Read from config.yaml in $XDG_CONFIG_HOME/coppice when the daemon starts; "
		"COPPICE_<SECTION>__<KEY> overrides a key.",
	.examples = "coppice config\ncoppice config worktrees.path --json",
	.operands = "key",
	.max_args = 1,
	.run = run_config,
};

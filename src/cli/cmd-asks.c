/* coppice asks */
#include "base/alloc.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/out.h"

static const char *show_age(const json_t *row, char *buf, size_t size)
{
	return out_age(json_str(row, "opened_at"), buf, size);
}

static void print_asks(const json_t *answer)
{
	static const struct out_column columns[] = {
		{.title = "ID", .key = "correlation_id"},
		{.title = "FROM", .key = "from_name", .max = 30},
		{.title = "TO", .key = "to_name", .max = 30},
		{.title = "AGE", .key = "opened_at", .show = show_age, .right = true},
		{.title = "TEXT", .key = "text", .max = 70},
	};
	out_table(columns, ARRAY_SIZE(columns), json_object_get(answer, "asks"), "no open asks");
}

static int run_asks(struct command_run *run, struct error *err)
{
	json_t *args = json_pack("{s:b}", "all", option_get(run, "all") != NULL);
	return command_answer(run, "asks", args, false, print_asks, err);
}

const struct command command_asks = {
	.name = "asks",
	.group = "peers and messages",
	.summary = "The open asks",
	.usage = "[--all]",
	.examples = "coppice asks",
	.options =
		(const struct option_entry[]){
			{"all", 'a', OPTION_FLAG, NULL, "of everybody, also when called by a peer"}, {0}},
	.run = run_asks,
};

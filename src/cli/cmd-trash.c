/* coppice trash list */
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/out.h"

static const char *show_age(const json_t *row, char *buf, size_t size)
{
	return out_age(json_str(row, "removed_at"), buf, size);
}

static void print_trash(const json_t *answer)
{
	static const struct out_column columns[] = {
		{.title = "BRANCH", .key = "branch", .max = 40},
		{.title = "AGE", .key = "removed_at", .show = show_age, .right = true},
		{.title = "WAS AT", .key = "path", .max = 60},
		{.title = "ID", .key = "trash"},
	};
	out_table(columns, ARRAY_SIZE(columns), json_object_get(answer, "trash"), "the trash is empty");
}

static int run_trash(struct command_run *run, struct error *err)
{
	if (run->n_args && strcmp(run->args[0], "list") != 0)
		return error_set(err, ERR_INVALID, "'%.40s' is not a verb of trash: use list", run->args[0]);
	return command_answer(run, "trash_list", NULL, false, print_trash, err);
}

const struct command command_trash = {
	.name = "trash",
	.group = "worktrees",
	.summary = "What can be restored",
	.usage = "[list]",
	.text = "A removed worktree can be restored until trash.keep has passed, or until the trash outgrows "
		"trash.max: the oldest goes first.",
	.examples = "coppice trash list",
	.operands = "list|",
	.max_args = 1,
	.run = run_trash,
};

/* coppice list */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/out.h"

static const char *show_changes(const json_t *row, char *buf, size_t size)
{
	long long dirty = (long long)json_int(row, "dirty", 0),
		  untracked = (long long)json_int(row, "untracked", 0);
	if (json_bool(row, "missing", false))
		return "gone";
	if (!dirty && !untracked)
		return "clean";
	(void)snprintf(buf, size, "%lld changed, %lld new", dirty, untracked);
	return buf;
}

static const char *show_position(const json_t *row, char *buf, size_t size)
{
	if (!json_is_integer(json_object_get(row, "ahead")))
		return "";
	(void)snprintf(buf, size, "+%lld -%lld", (long long)json_int(row, "ahead", 0),
		       (long long)json_int(row, "behind", 0));
	return buf;
}

static enum colour paint_changes(const json_t *row)
{
	return json_bool(row, "missing", false) || json_int(row, "dirty", 0) || json_int(row, "untracked", 0)
		       ? YELLOW
		       : PLAIN;
}

static enum colour paint_landed(const json_t *row)
{
	const char *landed = json_str(row, "landed");
	return landed && strcmp(landed, "yes") == 0 ? GREEN : PLAIN;
}

static void print_list(const json_t *answer)
{
	static const struct out_column columns[] = {
		{.title = "BRANCH", .key = "branch", .max = 40},
		{.title = "CHANGES", .key = "dirty", .show = show_changes, .paint = paint_changes},
		{.title = "TARGET", .key = "ahead", .show = show_position},
		{.title = "LANDED", .key = "landed", .paint = paint_landed},
		{.title = "PEER", .key = "peer_name", .max = 40},
		{.title = "PATH", .key = "path", .show = out_path, .max = 60},
	};
	out_table(columns, ARRAY_SIZE(columns), json_object_get(answer, "worktrees"), "no worktrees");
}

static int run_list(struct command_run *run, struct error *err)
{
	json_t *args = command_dir_args(run);
	json_set_str(args, "target", option_get(run, "target"));
	return command_answer(run, "worktree_list", args, false, print_list, err);
}

const struct command command_list = {
	.name = "list",
	.group = "worktrees",
	.summary = "Worktrees and branches: changes, ahead and behind, landed, who works there",
	.usage = "[--target BRANCH]",
	.text = "TARGET counts the commits ahead of the target and behind it. LANDED is yes only where it is "
		"proven that the target has the content of the branch; unknown counts as not landed.",
	.examples = "coppice list\ncoppice list --json",
	.options =
		(const struct option_entry[]){{"target", 0, OPTION_VALUE, "BRANCH", "what is compared with"},
					      {0}},
	.run = run_list,
};

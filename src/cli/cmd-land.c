/* coppice land */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cli/change_out.h"
#include "cli/commands.h"
#include "cli/out.h"

static int run_land(struct command_run *run, struct error *err)
{
	static const char *const hows[] = {"squash", "rebase", "merge"};
	int given = 0;
	for (size_t i = 0; i < ARRAY_SIZE(hows); i++)
		given += option_get(run, hows[i]) != NULL;
	if (given > 1)
		return error_hint(err, error_set(err, ERR_INVALID, "a change lands in one way only"),
				  "choose one of --squash, --rebase, --merge");
	json_t *args = command_dir_args(run);
	json_t *branches = json_array();
	for (int i = 0; i < run->n_args; i++)
		json_array_append_new(branches, json_string(run->args[i]));
	json_object_set_new(args, "branches", branches);
	json_set_str(args, "into", option_get(run, "into"));
	for (size_t i = 0; i < ARRAY_SIZE(hows); i++)
		if (option_get(run, hows[i]))
			json_set_str(args, "how", hows[i]);
	json_object_set_new(args, "no_gate", json_boolean(option_get(run, "no-gate") != NULL));
	json_auto_t *answer = NULL;
	int code = command_call(run, "land", args, true, &answer, err);
	if (code)
		return code;
	if (run->json)
		out_json(answer);
	else
		changes_print(answer);
	size_t i;
	json_t *c;
	json_array_foreach(json_object_get(answer, "changes"), i,
			   c) if (strcmp(json_str(c, "state"), "landed") != 0) run->exit_code = 1;
	return 0;
}

const struct command command_land = {
	.name = "land",
	.group = "landing",
	.summary = "Land branches: built and gated on the exact tree, in order",
	.usage = "BRANCH… [--into TARGET] [--squash|--rebase|--merge] [--no-gate]",
	.text = "The gate is the plan's, else hooks.pre-land of your configuration. The target moves once, "
		"by compare-and-swap, to a commit that passed; its checkouts are brought along, unless local "
		"changes would be touched.",
	.examples = "coppice land feat/login\ncoppice land feat/a feat/b --into main --merge",
	.operands = "branch",
	.options =
		(const struct option_entry[]){
			{"into", 0, OPTION_VALUE, "TARGET", "the target branch"},
			{"squash", 0, OPTION_FLAG, NULL, "as one commit (default)"},
			{"rebase", 0, OPTION_FLAG, NULL, "its commits, on top of the target"},
			{"merge", 0, OPTION_FLAG, NULL, "with a merge commit"},
			{"no-gate", 0, OPTION_FLAG, NULL, "land without a gate, and say so"},
			{0}},
	.min_args = 1,
	.max_args = 100,
	.run = run_land,
};

/* coppice new */
#include <stdio.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "cli/spawn_args.h"

static void print_new(const json_t *answer)
{
	const char *base = json_str(answer, "base"), *commit = json_str(answer, "base_commit");
	const char *branch = json_str(answer, "branch");
	autofree char *word = out_word(branch);
	out_in(BOLD, "%s", branch);
	(void)fputs(" at ", stdout);
	out_text(stdout, json_str(answer, "path"), false);
	if (commit)
		out_say(", from %s (%.10s)", base ? base : "its commit", commit);
	(void)putchar('\n');
	const char *peer = json_str(answer, "peer_name");
	autofree char *name = peer ? out_word(peer) : NULL;
	if (name)
		out_say("its agent is %s; see it: coppice attach %s\n", peer, name);
	else
		out_say("work in it: cd \"$(coppice path %s)\"\n", word);
}

static int run_new(struct command_run *run, struct error *err)
{
	json_t *args = command_dir_args(run);
	const char *path = option_get(run, "path");
	autofree char *absolute = path ? command_path(run, path) : NULL;
	autofree const char **sparse = option_all(run, "sparse");
	json_set_str(args, "branch", run->args[0]);
	json_set_str(args, "base", option_get(run, "base"));
	json_set_str(args, "path", absolute);
	if (sparse) {
		json_t *patterns = json_array();
		for (const char **p = sparse; *p; p++)
			json_array_append_new(patterns, json_string(*p));
		json_object_set_new(args, "sparse", patterns);
	}
	if (!option_get(run, "no-agent"))
		spawn_args(run, args);
	return command_answer(run, "worktree_create", args, true, print_new, err);
}

const struct command command_new = {
	.name = "new",
	.group = "worktrees",
	.summary = "A worktree and branch in one step, with an agent if one is named",
	.usage = "BRANCH [--base REF] [--path DIR] [--sparse PATTERN] [--backend BACKEND [--profile PROFILE] "
		 "[-m PROMPT]] [-- COMMAND…]",
	.text = "An existing branch is taken over. The worktree lies beside the repository (worktrees.path). "
		"Safe with any number at once. With --backend an agent is started in it, in a tmux window "
		"that coppice attach shows; the command ends once the agent is there, or says why it is not. "
		"A profile is a person's to write, in config.yaml: spawn.profiles.BACKEND.NAME, with model, "
		"args, env and permissions (ask, edits or auto).",
	.examples = "coppice new feat/login\ncoppice new fix/typo --base v1.2\ncoppice new feat/area "
		    "--backend claude-code -m \"Add the command area, with a test; commit\"\ncoppice new "
		    "feat/try --backend script -- make test",
	.operands = "branch",
	.options =
		(const struct option_entry[]){
			{"base", 0, OPTION_VALUE, "REF", "what a new branch is cut from"},
			{"path", 0, OPTION_VALUE, "DIR", "where the worktree goes"},
			{"sparse", 0, OPTION_VALUE, "PATTERN", "check out only this; may be repeated"},
			{"no-agent", 0, OPTION_FLAG, NULL, "start none"},
			SPAWN_OPTIONS,
			{0}},
	.min_args = 1,
	.max_args = 1,
	.takes_command = true,
	.run = run_new,
};

/* coppice run PLAN: the main job, with live rows. */
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/timeval.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "cli/plan_watch.h"
#include "os/file.h"

enum { PLAN_MAX = 1 << 20 };

static int plan_args(struct command_run *run, json_t **ret, struct error *err)
{
	autofree char *path = command_path(run, run->args[0]);
	autostrbuf text = STRBUF_INIT(PLAN_MAX);
	int code = file_read(path, &text, err);
	if (code == ERR_NOT_FOUND)
		return error_hint(err, code, "give the path of a plan file; docs: coppice help run");
	if (code)
		return code;
	const char *parallel = option_get(run, "parallel");
	int64_t n = 0;
	if (parallel && number_parse(parallel, 1, 64, &n, err))
		return (int)err->code;
	autofree char *real = NULL;
	code = path_resolve(path, &real, err);
	if (code)
		return code;
	json_t *args = command_dir_args(run);
	json_object_set_new(args, "text", json_lossy_string(strbuf_str(&text), text.len));
	json_set_str(args, "file", run->args[0]);
	json_set_str(args, "plan_dir", dirname(real));
	if (parallel)
		json_object_set_new(args, "parallel", json_integer(n));
	if (option_get(run, "dry-run"))
		json_object_set_new(args, "dry_run", json_true());
	*ret = args;
	return 0;
}

static void print_order(const json_t *answer)
{
	size_t i;
	json_t *branch;
	out_say("the plan is good; it would land into %s, in this order:\n", json_str(answer, "target"));
	json_array_foreach(json_object_get(answer, "order"), i, branch)
	{
		out_say("  %zu. %s\n", i + 1, json_string_value(branch));
	}
}

static int run_run(struct command_run *run, struct error *err)
{
	json_t *args = NULL;
	json_auto_t *plan = NULL;
	int code = plan_args(run, &args, err);
	if (!code)
		code = command_call(run, "plan_run", args, true, &plan, err);
	if (code)
		return code;
	bool dry = option_get(run, "dry-run") != NULL;
	if (run->json && (dry || option_get(run, "detach"))) {
		out_json(plan);
	} else if (dry) {
		print_order(plan);
	} else if (option_get(run, "detach")) {
		out_say("%s runs; watch it: coppice plan watch %s\n", json_str(plan, "plan"),
			json_str(plan, "plan"));
	} else {
		return plan_watch(run, json_str(plan, "plan"), err);
	}
	return 0;
}

const struct command command_run = {
	.name = "run",
	.group = "the main job",
	.summary = "Run a plan: branches in parallel, landed in dependency order",
	.usage = "PLAN [-j N] [--detach] [--dry-run]",
	.text = "Each task of the plan gets a branch, a worktree and a worker of its own; what they commit "
		"is landed in the order that their needs say, each gated on the exact tree that lands. Ends "
		"with 0 when all landed. Ctrl-C stops watching, not the plan: `coppice plan watch` watches "
		"it again, `coppice plan cancel` ends it.",
	.examples =
		"coppice run plan.yaml\ncoppice run plan.yaml --dry-run\ncoppice run plan.yaml -j 2 --json",
	.operands = "file",
	.options =
		(const struct option_entry[]){
			{"parallel", 'j', OPTION_VALUE, "N", "at most N tasks at a time"},
			{"detach", 'd', OPTION_FLAG, NULL, "start it and return"},
			{"dry-run", 'n', OPTION_FLAG, NULL, "check it and show the order; create nothing"},
			{0}},
	.min_args = 1,
	.max_args = 1,
	.run = run_run,
};

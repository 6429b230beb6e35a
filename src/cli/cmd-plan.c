/* coppice plan status|watch|cancel */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "cli/plan_watch.h"

static void print_plans(const json_t *answer)
{
	static const struct out_column plans[] = {
		{.title = "PLAN", .key = "plan"},
		{.title = "STATE", .key = "state"},
		{.title = "TARGET", .key = "target"},
		{.title = "FILE", .key = "file", .max = 60},
	};
	static const struct out_column tasks[] = {
		{.title = "TASK", .key = "task", .max = 40},	   {.title = "STATE", .key = "state"},
		{.title = "TRY", .key = "attempt", .right = true}, {.title = "JOB", .key = "job"},
		{.title = "REASON", .key = "reason", .max = 60},
	};
	if (!json_object_get(answer, "tasks")) {
		out_table(plans, ARRAY_SIZE(plans), json_object_get(answer, "plans"),
			  "no plans; start one: coppice run PLAN");
		return;
	}
	out_say("%s %s, into %s\n", json_str(answer, "plan"), json_str(answer, "state"),
		json_str(answer, "target"));
	out_table(tasks, ARRAY_SIZE(tasks), json_object_get(answer, "tasks"), "no tasks");
}

/* The plan that is named, or the newest one. Caller frees. */
static int which_plan(struct command_run *run, char **ret, struct error *err)
{
	if (run->n_args > 1) {
		*ret = xstrdup(run->args[1]);
		return 0;
	}
	json_auto_t *list = NULL;
	int code = command_call(run, "plan_status", NULL, false, &list, err);
	if (code)
		return code;
	const char *id = json_str(json_array_get(json_object_get(list, "plans"), 0), "plan");
	if (!id)
		return error_hint(err, error_set(err, ERR_NOT_FOUND, "there is no plan"),
				  "start one: coppice run PLAN");
	*ret = xstrdup(id);
	return 0;
}

static int run_plan(struct command_run *run, struct error *err)
{
	const char *verb = run->n_args ? run->args[0] : "status";
	autofree char *id = NULL;
	bool status = strcmp(verb, "status") == 0;
	if (!status && strcmp(verb, "watch") != 0 && strcmp(verb, "cancel") != 0)
		return error_set(err, ERR_INVALID,
				 "'%.40s' is not a verb of plan: use status, watch or cancel", verb);
	int code = status && run->n_args < 2 ? 0 : which_plan(run, &id, err);
	if (code)
		return code;
	json_t *args = json_object();
	json_set_str(args, "plan", id);
	if (strcmp(verb, "watch") == 0) {
		json_decref(args);
		return plan_watch(run, id, err);
	}
	return command_answer(run, status ? "plan_status" : "plan_cancel", args, !status, print_plans, err);
}

const struct command command_plan = {
	.name = "plan",
	.group = "the main job",
	.summary = "Look at running plans, watch one, cancel one",
	.usage = "[status|watch|cancel [PLAN]]",
	.text = "status lists the plans, or the tasks of one; watch shows them as run does; cancel ends one. "
		"Without PLAN, watch and cancel take the newest.",
	.examples = "coppice plan status\ncoppice plan watch plan-7f3k2m9qabcd\ncoppice plan cancel "
		    "plan-7f3k2m9qabcd",
	.operands = "status|watch|cancel plan",
	.max_args = 2,
	.run = run_plan,
};

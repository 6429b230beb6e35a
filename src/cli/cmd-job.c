/* coppice job create|list|show|claim|update|result|cancel */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/timeval.h"
#include "cli/commands.h"
#include "cli/out.h"

static void print_job(const json_t *job)
{
	static const char *const keys[] = {"job_id", "title", "state", "reason", "branch", "peer", "plan"};
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *value = json_str(job, keys[i]);
		if (!value)
			continue;
		out_say("%-10s ", keys[i]);
		out_text(stdout, value, true);
		(void)putchar('\n');
	}
	if (json_int(job, "attempt", 0))
		out_say("%-10s %lld, fence %lld\n", "attempt", (long long)json_int(job, "attempt", 0),
			(long long)json_int(job, "fence", 0));
	const char *summary = json_str(json_object_get(job, "result"), "summary");
	if (summary) {
		out_say("%-10s ", "result");
		out_text(stdout, summary, true);
		(void)putchar('\n');
	}
	size_t i;
	json_t *a;
	json_array_foreach(json_object_get(job, "attempts"), i, a)
	{
		out_say("  try %lld %s", (long long)json_int(a, "attempt", 0), json_str(a, "state"));
		if (json_str(a, "reason")) {
			(void)fputs(": ", stdout);
			out_text(stdout, json_str(a, "reason"), false);
		}
		(void)putchar('\n');
	}
}

static void print_jobs(const json_t *answer)
{
	static const struct out_column columns[] = {
		{.title = "JOB", .key = "job_id"},
		{.title = "STATE", .key = "state"},
		{.title = "TITLE", .key = "title", .max = 50},
		{.title = "BRANCH", .key = "branch", .max = 30},
		{.title = "REASON", .key = "reason", .max = 50},
	};
	out_table(columns, ARRAY_SIZE(columns), json_object_get(answer, "jobs"), "no jobs");
}

static void add_list(const struct command_run *run, json_t *args, const char *option, const char *param)
{
	autofree const char **all = option_all(run, option);
	if (!all)
		return;
	json_t *list = json_array();
	for (const char **v = all; *v; v++)
		json_array_append_new(list, json_string(*v));
	json_object_set_new(args, param, list);
}

static int job_create(struct command_run *run, struct error *err)
{
	json_t *args = json_object();
	const char *attempts = option_get(run, "attempts");
	int64_t n = 1;
	if (run->n_args < 2 || (attempts && number_parse(attempts, 1, 100, &n, err))) {
		json_decref(args);
		return run->n_args < 2 ? error_hint(err, error_set(err, ERR_INVALID, "the title is missing"),
						    "coppice job create TITLE")
				       : (int)err->code;
	}
	json_set_str(args, "title", run->args[1]);
	json_set_str(args, "text", option_get(run, "text"));
	json_set_str(args, "branch", option_get(run, "branch"));
	json_set_str(args, "peer_name", option_get(run, "peer"));
	json_object_set_new(args, "attempts", json_integer(n));
	add_list(run, args, "needs", "needs");
	add_list(run, args, "needed-by", "needed_by");
	return command_answer(run, "job_create", args, true, print_job, err);
}

static int job_list(struct command_run *run, struct error *err)
{
	json_t *args = json_object();
	json_set_str(args, "state", option_get(run, "state"));
	json_set_str(args, "plan", option_get(run, "plan"));
	return command_answer(run, "job_list", args, false, print_jobs, err);
}

/* The job that is named, or a worker's own (COPPICE_JOB). */
static const char *which_job(const struct command_run *run)
{
	return run->n_args > 1 ? run->args[1] : getenv("COPPICE_JOB");
}

static int with_id(struct command_run *run, const char *op, bool change, struct error *err)
{
	const char *id = which_job(run);
	if (!id)
		return error_hint(err, error_set(err, ERR_INVALID, "the job is missing"),
				  "coppice job %s JOB", run->args[0]);
	json_t *args = json_object();
	json_set_str(args, "job_id", id);
	if (strcmp(op, "job_cancel") == 0)
		json_set_str(args, "reason", option_get(run, "reason"));
	return command_answer(run, op, args, change, print_job, err);
}

static int job_show(struct command_run *run, struct error *err)
{
	return with_id(run, "job_status", false, err);
}

static int job_claim(struct command_run *run, struct error *err)
{
	return with_id(run, "job_claim", true, err);
}

static int job_result(struct command_run *run, struct error *err)
{
	return with_id(run, "job_result", false, err);
}

static int job_cancel(struct command_run *run, struct error *err)
{
	return with_id(run, "job_cancel", true, err);
}

static int job_update(struct command_run *run, struct error *err)
{
	const char *own = getenv("COPPICE_JOB"), *fence = option_get(run, "fence");
	bool named = run->n_args > 2;
	const char *state = named ? run->args[2] : run->n_args > 1 ? run->args[1] : NULL;
	const char *id = named ? run->args[1] : own;
	int64_t number = 0;
	if (!state || !id)
		return error_hint(err, error_set(err, ERR_INVALID, "job or state is missing"),
				  "coppice job update JOB STATE");
	if (!fence && own && strcmp(own, id) == 0)
		fence = getenv("COPPICE_FENCE");
	if (fence && number_parse(fence, 1, INT64_MAX, &number, err))
		return (int)err->code;
	json_auto_t *data = NULL;
	const char *text = option_get(run, "data");
	if (text && json_parse(text, strlen(text), &data, err))
		return (int)err->code;
	json_t *args = json_object();
	json_set_str(args, "job_id", id);
	json_set_str(args, "state", state);
	json_set_str(args, "reason", option_get(run, "reason"));
	json_set_str(args, "summary", option_get(run, "summary"));
	if (data)
		json_object_set(args, "data", data);
	if (fence)
		json_object_set_new(args, "fence", json_integer(number));
	return command_answer(run, "job_update", args, true, print_job, err);
}

static int run_job(struct command_run *run, struct error *err)
{
	static const struct {
		const char *name;
		int (*run)(struct command_run *run, struct error *err);
	} verbs[] = {{"create", job_create}, {"list", job_list},     {"show", job_show},
		     {"claim", job_claim},   {"update", job_update}, {"result", job_result},
		     {"cancel", job_cancel}};
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, run->args[0]) == 0)
			return verbs[i].run(run, err);
	return error_hint(err, error_set(err, ERR_INVALID, "'%.40s' is not a verb of job", run->args[0]),
			  "use create, list, show, claim, update, result or cancel");
}

const struct command command_job = {
	.name = "job",
	.group = "work",
	.summary = "Durable work: create, list, show, claim, update, result, cancel",
	.usage = "create TITLE | list | show [JOB] | claim JOB | update [JOB] STATE | result [JOB] | cancel "
		 "JOB",
	.text = "Inside of a worker, JOB is its own unless it is named, and its fence goes along.",
	.examples = "coppice job create \"write the docs\" --needs job-7f3k2m9qabcd\ncoppice job claim "
		    "job-7f3k2m9qabcd\n"
		    "coppice job update job-7f3k2m9qabcd completed --summary \"done\"",
	.operands = "create|list|show|claim|update|result|cancel job state",
	.options =
		(const struct option_entry[]){
			{"needs", 0, OPTION_VALUE, "JOB", "must be completed first; may be repeated"},
			{"needed-by", 0, OPTION_VALUE, "JOB", "shall wait for this one; may be repeated"},
			{"text", 0, OPTION_VALUE, "TEXT", "what is to be done"},
			{"branch", 0, OPTION_VALUE, "BRANCH", "the branch it is about"},
			{"peer", 0, OPTION_VALUE, "PEER", "who is to do it"},
			{"attempts", 0, OPTION_VALUE, "N", "how often it may be tried"},
			{"state", 0, OPTION_VALUE, "STATE", "list only those"},
			{"plan", 0, OPTION_VALUE, "PLAN", "list only those"},
			{"fence", 0, OPTION_VALUE, "N", "the fence of your attempt"},
			{"summary", 0, OPTION_VALUE, "TEXT", "the result in words"},
			{"data", 0, OPTION_VALUE, "JSON", "the result as a JSON object"},
			{"reason", 0, OPTION_VALUE, "TEXT", "why"},
			{0}},
	.min_args = 1,
	.max_args = 3,
	.run = run_job,
};

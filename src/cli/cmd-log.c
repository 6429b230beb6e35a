/* coppice log */
#include <stdio.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/timeval.h"
#include "cli/commands.h"
#include "cli/out.h"

static void print_event(const json_t *event)
{
	autofree char *data = json_text(json_object_get(event, "data"));
	const char *at = json_str(event, "at");
	out_in(DIM, "%.19s", at ? at : "");
	out_say("  %-22s ", json_str(event, "event"));
	out_text(stdout, json_str(event, "subject"), false);
	(void)fputs("  ", stdout);
	out_text(stdout, data, false);
	(void)putchar('\n');
}

static int on_event(void *data, const struct sse_event *sse, struct error *err)
{
	const struct command_run *run = data;
	json_auto_t *event = NULL;
	int code = json_parse(sse->data, sse->len, &event, err);
	if (code)
		return code;
	if (run->json)
		out_json(event);
	else
		print_event(event);
	return fflush(stdout) != 0 ? error_set(err, ERR_SYSTEM, "stdout is closed") : 0;
}

/* Goes on after the last event that was printed, so that none falls between. */
static int follow(struct command_run *run, json_int_t last, struct error *err)
{
	struct client *client = NULL;
	const char *plan = option_get(run, "plan");
	autofree char *query = plan ? xasprintf("plan=%s", plan) : NULL;
	int code = command_client(run, &client, err);
	autofree char *after = xasprintf("%lld", (long long)last);
	return code ? code : client_stream(client, query, after, on_event, run, err);
}

static int run_log(struct command_run *run, struct error *err)
{
	const char *limit = option_get(run, "lines");
	int64_t n = 50;
	if (limit && number_parse(limit, 1, 1000, &n, err))
		return (int)err->code;
	json_t *args = json_pack("{s:I}", "limit", (json_int_t)n);
	json_auto_t *answer = NULL;
	json_set_str(args, "plan", option_get(run, "plan"));
	int code = command_call(run, "events", args, false, &answer, err);
	if (code)
		return code;
	size_t i;
	json_t *event;
	json_int_t last = 0;
	json_array_foreach(json_object_get(answer, "events"), i, event)
	{
		if (run->json)
			out_json(event);
		else
			print_event(event);
		last = json_int(event, "id", 0);
	}
	(void)fflush(stdout);
	return option_get(run, "follow") ? follow(run, last, err) : 0;
}

const struct command command_log = {
	.name = "log",
	.group = "the daemon",
	.summary = "What happened, as it happens with -f",
	.usage = "[-f] [-n LINES] [--plan PLAN]",
	.examples = "coppice log -f\ncoppice log --plan plan-7f3k2m9qabcd --json",
	.options =
		(const struct option_entry[]){
			{"follow", 'f', OPTION_FLAG, NULL, "go on with what happens"},
			{"lines", 'n', OPTION_VALUE, "LINES", "so many of the last events (50)"},
			{"plan", 0, OPTION_VALUE, "PLAN", "only of this plan"},
			{0}},
	.run = run_log,
};

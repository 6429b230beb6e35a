/* coppice inbox */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/timeval.h"
#include "cli/commands.h"
#include "cli/out.h"

enum { SLICE_SECONDS = 25 };

static void print_message(const json_t *m)
{
	const char *from = json_str(m, "from_name"), *kind = json_str(m, "kind");
	out_in(BOLD, "%s", json_str(m, "id"));
	out_say(" %s from ", kind);
	out_text(stdout, from ? from : "coppice", false);
	if (json_str(m, "about"))
		out_say(" about %s", json_str(m, "about"));
	out_say("%s\n  ", json_bool(m, "repeat", false) ? " (shown before)" : "");
	out_text(stdout, json_str(m, "text"), true);
	(void)putchar('\n');
	if (json_str(m, "reason"))
		out_say("  %s: %s\n", json_str(m, "held") ? "held" : "undelivered", json_str(m, "reason"));
}

/* What was printed is confirmed only then: a reader that dies in between is shown it again (D2). */
static int confirm(struct command_run *run, const json_t *messages, struct error *err)
{
	json_t *ids = json_array();
	size_t i;
	json_t *m;
	json_array_foreach(messages, i, m) json_array_append(ids, json_object_get(m, "id"));
	json_auto_t *answer = NULL;
	return command_call(run, "inbox_confirm", json_pack("{s:o}", "ids", ids), true, &answer, err);
}

static int take(struct command_run *run, int64_t limit, json_t **ret, struct error *err)
{
	const char *wait = option_get(run, "wait");
	time_t end = time(NULL) + limit;
	for (;;) {
		int64_t left = !wait ? 0 : limit ? (int64_t)(end - time(NULL)) : SLICE_SECONDS;
		int64_t slice = left > SLICE_SECONDS ? SLICE_SECONDS : left > 0 ? left : 0;
		json_t *args =
			json_pack("{s:I, s:b, s:b}", "wait_seconds", (json_int_t)slice, "dead",
				  option_get(run, "dead") != NULL, "peek", option_get(run, "peek") != NULL);
		int code = command_call(run, "inbox", args, true, ret, err);
		if (code || !wait || json_array_size(json_object_get(*ret, "messages")) ||
		    (limit && left <= 0))
			return code;
		json_decref(*ret);
		*ret = NULL;
	}
}

static int run_inbox(struct command_run *run, struct error *err)
{
	const char *wait = option_get(run, "wait");
	int64_t limit = 0;
	int code = wait && *wait ? number_parse(wait, 1, 86400 * 30, &limit, err) : 0;
	json_auto_t *box = NULL;
	if (!code)
		code = take(run, limit, &box, err);
	if (code)
		return code;
	const json_t *messages = json_object_get(box, "messages");
	if (wait && !json_array_size(messages))
		return error_set(err, ERR_TIMED_OUT, "no message came");
	size_t i;
	json_t *m;
	if (run->json)
		out_json(box);
	else
		json_array_foreach(messages, i, m) print_message(m);
	if (!run->json && !json_array_size(messages))
		(void)puts("no messages");
	bool taken = json_array_size(messages) && !option_get(run, "peek") && !option_get(run, "dead");
	if (fflush(stdout) != 0)
		return error_set(err, ERR_SYSTEM, "stdout took nothing: the messages are kept");
	return taken ? confirm(run, messages, err) : 0;
}

const struct command command_inbox = {
	.name = "inbox",
	.group = "peers and messages",
	.summary = "Read the messages that wait for you",
	.usage = "[--wait[=SECONDS]] [--peek] [--dead]",
	.text = "A message counts as read when it was printed. --dead lists the dead letters, what nobody "
		"took in time, and what the governor holds (`coppice dead`).",
	.examples = "coppice inbox\ncoppice inbox --wait=60 --json",
	.options = (const struct option_entry[]){{"wait", 'w', OPTION_OPTIONAL, "SECONDS",
						  "wait for the first message"},
						 {"peek", 0, OPTION_FLAG, NULL, "look without taking"},
						 {"dead", 0, OPTION_FLAG, NULL, "the dead letters"},
						 {0}},
	.run = run_inbox,
};

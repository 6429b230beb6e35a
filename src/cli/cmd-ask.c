/* coppice ask */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/timeval.h"
#include "cli/commands.h"
#include "cli/out.h"

enum { SLICE_SECONDS = 25 };

/* Waits in slices until the ask has ended, or for `limit` seconds (0: for ever). */
static int wait_for_end(struct command_run *run, const char *id, int64_t limit, json_t *answer,
			struct error *err)
{
	time_t end = time(NULL) + limit;
	for (;;) {
		int64_t left = limit ? (int64_t)(end - time(NULL)) : SLICE_SECONDS;
		json_auto_t *state = NULL;
		int64_t slice = left > SLICE_SECONDS ? SLICE_SECONDS : left > 0 ? left : 0;
		json_t *args =
			json_pack("{s:s, s:I}", "correlation_id", id, "timeout_seconds", (json_int_t)slice);
		int code = command_call(run, "wait_on_ack", args, true, &state, err);
		if (code)
			return code;
		if (json_str(state, "outcome")) {
			json_object_set(answer, "outcome", json_object_get(state, "outcome"));
			json_object_set(answer, "reply", json_object_get(state, "reply"));
			json_object_set(answer, "reason", json_object_get(state, "reason"));
			return 0;
		}
		if (limit && left <= 0)
			return error_hint(err, error_set(err, ERR_TIMED_OUT, "%s is still open", id),
					  "it goes on; see: coppice asks");
	}
}

static void print_end(const json_t *answer)
{
	const char *outcome = json_str(answer, "outcome");
	const char *text = json_str(answer, "reply") ? json_str(answer, "reply") : json_str(answer, "reason");
	if (!outcome) {
		out_say("%s %s\n", json_str(answer, "correlation_id"),
			text ? text : json_str(answer, "step"));
		return;
	}
	if (strcmp(outcome, "replied") != 0 || !text)
		out_say("%s%s", outcome, text ? ": " : "\n");
	if (text) {
		out_text(stdout, text, true);
		(void)putchar('\n');
	}
}

static int run_ask(struct command_run *run, struct error *err)
{
	autofree char *text = NULL;
	const char *wait = option_get(run, "wait");
	int64_t limit = 0;
	int code = command_text(run, 1, &text, err);
	if (!code && wait && *wait)
		code = number_parse(wait, 1, 86400 * 30, &limit, err);
	if (code)
		return code;
	json_t *args = json_object();
	json_set_str(args, "peer_name", run->args[0]);
	json_set_str(args, "query", text);
	json_set_str(args, "circle", option_get(run, "circle"));
	json_set_str(args, "reply_to", option_get(run, "reply-to"));
	json_auto_t *answer = NULL;
	code = command_call(run, "ask", args, true, &answer, err);
	if (!code && wait && json_str(answer, "held"))
		(void)fprintf(stderr, "coppice: %s\n", json_str(answer, "reason"));
	if (!code && wait)
		code = wait_for_end(run, json_str(answer, "correlation_id"), limit, answer, err);
	if (code)
		return code;
	if (run->json)
		out_json(answer);
	else
		print_end(answer);
	const char *outcome = json_str(answer, "outcome");
	run->exit_code =
		outcome && (strcmp(outcome, "acked") != 0 && strcmp(outcome, "replied") != 0) ? 1 : 0;
	return 0;
}

const struct command command_ask = {
	.name = "ask",
	.group = "peers and messages",
	.summary = "Ask a peer something that it must close",
	.usage = "PEER TEXT [--wait[=SECONDS]] [--reply-to ID] [--circle CIRCLE]",
	.text = "The ask is durable when its id is printed. It ends exactly once: by an ack, a reply, a "
		"refusal, its expiry, or because its recipient is gone; --wait waits for that. TEXT - reads "
		"stdin.",
	.examples = "coppice ask feat/b \"what endpoints do you expose?\"\ncoppice ask feat/b \"done?\" "
		    "--wait=60",
	.operands = "peer text",
	.options = (const struct option_entry[]){{"wait", 'w', OPTION_OPTIONAL, "SECONDS",
						  "wait for its end; without a number, as long as it takes"},
						 {"reply-to", 0, OPTION_VALUE, "ID",
						  "an ask addressed to you, which this one answers"},
						 {"circle", 0, OPTION_VALUE, "CIRCLE",
						  "the circle in which the name is looked up"},
						 {0}},
	.min_args = 2,
	.max_args = 2,
	.run = run_ask,
};

/* coppice ps */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/out.h"

static const char *show_seen(const json_t *row, char *buf, size_t size)
{
	return out_age(json_str(row, "last_seen"), buf, size);
}

/* An online agent by what it does at the moment. */
static const char *show_status(const json_t *row, char *buf, size_t size)
{
	static const char *const shown[][2] = {{"idle", "idle"},
					       {"working", "working"},
					       {"awaiting_input", "asks you"},
					       {"pending_first_turn", "starting"}};
	const char *status = json_str(row, "status"), *turn = json_str(row, "turn_state");
	if (!status || !turn || strcmp(status, "offline") == 0)
		return status ? status : "";
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
		if (strcmp(turn, shown[i][0]) == 0)
			status = shown[i][1];
	if (!json_bool(row, "quiet", false))
		return status;
	(void)snprintf(buf, size, "%s, quiet", status);
	return buf;
}

/* What a person should know of it first. */
static const char *show_about(const json_t *row, char *buf, size_t size)
{
	const char *note = json_str(row, "note"), *text = json_str(row, "description");
	(void)snprintf(buf, size, "%s", note ? note : text ? text : "");
	return buf;
}

static enum colour paint_status(const json_t *row)
{
	const char *status = json_str(row, "status");
	if (!status || strcmp(status, "offline") == 0)
		return DIM;
	return strcmp(status, "busy") == 0 ? YELLOW : GREEN;
}

static int run_ps(struct command_run *run, struct error *err)
{
	json_t *args = json_pack("{s:b}", "show_offline", option_get(run, "all") != NULL);
	json_auto_t *answer = NULL;
	if (option_get(run, "circle"))
		json_set_str(args, "circle", option_get(run, "circle"));
	int code = command_call(run, "list_peers", args, false, &answer, err);
	if (code)
		return code;
	static const struct out_column columns[] = {
		{.title = "NAME", .key = "name", .max = 40},
		{.title = "CIRCLE", .key = "circle", .max = 20},
		{.title = "STATUS", .key = "status", .show = show_status, .paint = paint_status},
		{.title = "BACKEND", .key = "backend"},
		{.title = "SEEN", .key = "last_seen", .show = show_seen, .right = true},
		{.title = "PATH", .key = "path", .show = out_path, .max = 50},
		{.title = "DESCRIPTION", .key = "description", .max = 40, .show = show_about},
	};
	if (run->json)
		out_json(answer);
	else
		out_table(columns, ARRAY_SIZE(columns), json_object_get(answer, "peers"),
			  "no peers; start one: coppice new BRANCH --backend claude-code (or codex, script)\n"
			  "an agent that you start yourself comes within seconds, once coppice setup has "
			  "been run");
	return 0;
}

const struct command command_ps = {
	.name = "ps",
	.group = "peers and messages",
	.summary = "Who is there",
	.usage = "[--all] [--circle CIRCLE]",
	.text = "An agent is idle, working, starting, or asks you: a dialog in its terminal waits for you.",
	.examples = "coppice ps\ncoppice ps --all --json",
	.options = (const struct option_entry[]){{"all", 'a', OPTION_FLAG, NULL,
						  "offline and expected peers too"},
						 {"circle", 0, OPTION_VALUE, "CIRCLE", "only this circle"},
						 {0}},
	.run = run_ps,
};

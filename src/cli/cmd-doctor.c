/* coppice doctor */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/doctor.h"
#include "cli/out.h"

enum { DETAIL_COLUMN = 24 };

static void print_check(const json_t *check)
{
	static const struct {
		const char *result;
		enum colour colour;
	} colours[] = {{"ok", GREEN}, {"warn", YELLOW}, {"fail", RED}};
	const char *result = json_str(check, "result"), *cure = json_str(check, "cure");
	for (size_t i = 0; i < ARRAY_SIZE(colours); i++)
		if (strcmp(colours[i].result, result) == 0)
			out_in(colours[i].colour, "%-5s", result);
	out_say("%-*s", DETAIL_COLUMN - 5, json_str(check, "name"));
	out_wrapped(json_str(check, "detail"), DETAIL_COLUMN, DETAIL_COLUMN);
	(void)putchar('\n');
	if (!cure)
		return;
	(void)printf("%*s", DETAIL_COLUMN, "");
	out_in(BOLD, "cure: ");
	out_wrapped(cure, DETAIL_COLUMN + 6, DETAIL_COLUMN + 6);
	(void)putchar('\n');
}

static void print_fixed(const json_t *fixed)
{
	size_t i, k;
	json_t *report, *file;
	json_array_foreach(fixed, i, report)
	{
		const json_t *error = json_object_get(report, "error");
		if (error)
			out_say("%s: %s\n", json_str(report, "backend"), json_str(error, "message"));
		json_array_foreach(json_object_get(report, "files"), k, file)
		{
			out_say("%s: %s %s\n", json_str(report, "backend"), json_str(file, "path"),
				json_str(file, "state"));
		}
	}
	if (json_array_size(fixed))
		(void)putchar('\n');
}

static int run_checks(struct command_run *run)
{
	json_auto_t *fixed = option_get(run, "fix") ? doctor_fix_agents() : NULL;
	json_auto_t *answer = json_pack("{s:o}", "checks", doctor_checks(run->dir));
	if (fixed)
		json_object_set(answer, "fixed", fixed);
	if (fixed && !run->json)
		print_fixed(fixed);
	size_t i, failed = 0;
	json_t *check;
	if (run->json)
		out_json(answer);
	json_array_foreach(json_object_get(answer, "checks"), i, check)
	{
		failed += strcmp(json_str(check, "result"), "fail") == 0;
		if (!run->json)
			print_check(check);
	}
	if (!run->json && failed)
		(void)printf("\n%zu failed\n", failed);
	run->exit_code = failed ? 1 : 0;
	return 0;
}

static const char *show_bytes(const json_t *row, char *buf, size_t size)
{
	const json_t *bytes = json_object_get(row, "bytes");
	if (!json_is_integer(bytes))
		return "";
	return out_size((uint64_t)json_integer_value(bytes), buf, size);
}

static int run_footprint(struct command_run *run)
{
	static const struct out_column columns[] = {
		{.title = "WHAT", .key = "what"},
		{.title = "SIZE", .key = "bytes", .show = show_bytes, .right = true},
		{.title = "WHERE", .key = "path"},
	};
	json_auto_t *answer = json_pack("{s:o}", "footprint", doctor_footprint(run->dir));
	if (run->json)
		out_json(answer);
	else
		out_table(columns, ARRAY_SIZE(columns), json_object_get(answer, "footprint"),
			  "nothing is kept");
	return 0;
}

static int run_doctor(struct command_run *run, struct error *err)
{
	(void)err;
	return option_get(run, "footprint") ? run_footprint(run) : run_checks(run);
}

const struct command command_doctor = {
	.name = "doctor",
	.group = "the daemon",
	.summary = "Check that all is there that coppice needs, with the cure for what is not",
	.usage = "[--fix] [--footprint]",
	.text = "Looks at git, tmux, the kernel, the folders and the disk, the configuration, your name in "
		"git, the daemon, "
		"the terminal server, and the agents: what is installed, whether coppice is in their "
		"settings with all that "
		"this version wants, and whether they run it. It changes nothing and starts nothing. Ends "
		"with 1 when a "
		"check failed; a warning is no failure.\n"
		"--fix brings in line what coppice setup has written before; it asks for nothing and allows "
		"nothing.\n"
		"--footprint lists what coppice keeps on this machine: its own folders, the settings that it "
		"has edited, "
		"and what it has put into this repository and those that a running daemon knows.",
	.examples = "coppice doctor\ncoppice doctor --fix\ncoppice doctor --footprint",
	.options =
		(const struct option_entry[]){
			{"fix", 0, OPTION_FLAG, NULL, "do the cures that need no consent, then check"},
			{"footprint", 0, OPTION_FLAG, NULL, "list what coppice keeps, and where"},
			{0}},
	.run = run_doctor,
};

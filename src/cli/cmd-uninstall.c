/* coppice uninstall */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "cli/setup.h"
#include "os/paths.h"

static const char *state_text(const char *state, bool dry_run)
{
	static const struct {
		const char *state, *done, *would;
	} texts[] = {
		{"restored", "as it was, byte for byte", "would be as it was, byte for byte"},
		{"removed", "removed, for it was not there before",
		 "would be removed, for it was not there before"},
		{"edited", "our entries are taken out, all else is as you have it",
		 "our entries would be taken out, all else stays as you have it"},
		{"unchanged", "nothing of ours is in it", "nothing of ours is in it"},
		{"gone", "it is not there any more", "it is not there any more"},
		{"failed", "failed", "cannot be done"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (strcmp(texts[i].state, state) == 0)
			return dry_run ? texts[i].would : texts[i].done;
	return state;
}

static void print_file(const json_t *file, bool dry_run)
{
	size_t i;
	json_t *row;
	const json_t *error = json_object_get(file, "error");
	out_say("%s: %s\n", json_str(file, "path"), state_text(json_str(file, "state"), dry_run));
	json_array_foreach(json_object_get(file, "changes"), i, row)
	{
		out_say("  %s: %s\n", json_str(row, "change"), json_str(row, "what"));
	}
	json_array_foreach(json_object_get(file, "notes"), i, row)
	{
		out_say("  note: %s\n", json_string_value(row));
	}
	if (!error)
		return;
	out_in(RED, "  %s\n", json_str(error, "message"));
	if (json_str(error, "hint"))
		out_say("  %s\n", json_str(error, "hint"));
}

/* Coppice's own folders: what is in them is the user's. */
static json_t *what_stays(const struct paths *paths)
{
	const struct {
		const char *what, *path;
	} places[] = {
		{"state: messages, jobs, the trash, copies of your settings", paths->home},
		{"your configuration", paths->config},
	};
	json_t *list = json_array();
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		autofree char *word = out_word(places[i].path), *command = xasprintf("rm -r %s", word);
		if (access(places[i].path, F_OK) < 0)
			continue;
		json_t *row = json_object();
		json_set_str(row, "what", places[i].what);
		json_set_str(row, "path", places[i].path);
		json_set_str(row, "delete", command);
		json_array_append_new(list, row);
	}
	return list;
}

static void print_all(const json_t *report, bool dry_run)
{
	size_t i;
	json_t *row;
	if (!json_array_size(json_object_get(report, "files")))
		out_say("no settings of yours have anything of coppice\n");
	json_array_foreach(json_object_get(report, "files"), i, row)
	{
		print_file(row, dry_run);
	}
	json_array_foreach(json_object_get(report, "stays"), i, row)
	{
		out_say("stays: %s (%s); to delete it: %s%s\n", json_str(row, "path"), json_str(row, "what"),
			i ? "" : "coppice stop; ", json_str(row, "delete"));
	}
}

static int run_uninstall(struct command_run *run, struct error *err)
{
	bool dry_run = option_get(run, "dry-run") != NULL;
	autopaths paths = {0};
	json_auto_t *report = NULL;
	size_t i, failed = 0;
	json_t *row;
	int r = paths_find(&paths, err);
	if (!r)
		r = setup_take_back(paths.home, dry_run, &report, err);
	if (r)
		return r;
	json_object_set_new(report, "stays", what_stays(&paths));
	if (run->json)
		out_json(report);
	else
		print_all(report, dry_run);
	json_array_foreach(json_object_get(report, "files"), i, row)
	{
		failed += strcmp(json_str(row, "state"), "failed") == 0;
	}
	run->exit_code = failed ? 1 : 0;
	return 0;
}

const struct command command_uninstall = {
	.name = "uninstall",
	.group = "the daemon",
	.summary = "Take coppice out of the settings of your agents",
	.usage = "[-n]",
	.text = "Undoes coppice setup. A file that nobody has changed since is again what it was before, "
		"byte for byte; in "
		"any other, our entries are taken out and all else stays as it is. Entries of older setups "
		"go too. "
		"Coppice's own folders stay, for what is in them is yours; what they are, and how to delete "
		"them, is "
		"said. The program itself is removed as it was installed.",
	.examples = "coppice uninstall -n\ncoppice uninstall",
	.options =
		(const struct option_entry[]){
			{"dry-run", 'n', OPTION_FLAG, NULL, "show what would be done; change nothing"}, {0}},
	.run = run_uninstall,
};

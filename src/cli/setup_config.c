/* See setup_config.h. */
#include "cli/setup_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/setup_backend.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/out.h"
#include "os/file.h"

enum { CONFIG_MAX = 1 << 20 };

struct config *setup_config_read(const char *file)
{
	autostrbuf text = STRBUF_INIT(CONFIG_MAX);
	struct config *config = NULL;
	union {
		char **in;
		const char *const *out;
	} env = {environ};
	int r = file_read(file, &text, NULL);
	const struct config_source source = {.user_file = file,
					     .user_text = r ? NULL : strbuf_str(&text),
					     .user_len = text.len,
					     .env = env.out};
	return config_parse(&source, &config, NULL) == 0 ? config : NULL;
}

/* Where new worktrees of the project in `dir` will lie: beside it. The home folder as a whole is nobody's
 * choice. Caller frees. */
static char *likely_path(const char *dir)
{
	const char *home = getenv("HOME");
	autofree char *git = path_join(dir, ".git"), *real = NULL;
	size_t len = access(git, F_OK) == 0 ? (size_t)(path_base(dir) - dir) - 1 : strlen(dir);
	if (!home || path_resolve(home, &real, NULL) != 0 || len <= strlen(real) || !path_inside(dir, real) ||
	    !utf8_valid(dir, len))
		return xstrdup("~/src");
	return xasprintf("~%.*s", (int)(len - strlen(real)), dir + strlen(real));
}

json_t *setup_config_lines(const struct config *config, const json_t *reports, const char *dir)
{
	json_t *lines = json_array(), *report;
	size_t i;
	bool paths = config && json_array_size(config_list(config, "spawn.allowed_paths")) > 0;
	json_array_foreach(reports, i, report)
	{
		const char *name = json_str(report, "backend");
		const struct setup_backend *backend = setup_backend_find(name);
		if (!backend || json_object_get(report, "error") ||
		    (config && config_backend_command(config, name)))
			continue;
		if (!json_array_size(lines))
			json_array_append_new(lines, json_string("  backends:"));
		json_array_append_new(lines,
				      json_sprintf("    %s: { command: [%s] }", name, backend->program));
	}
	if (!paths && config) {
		autofree char *path = likely_path(dir);
		json_auto_t *text = json_string(path); /* a JSON string is one of YAML too */
		autofree char *quoted = json_text(text);
		json_array_insert_new(lines, 0, json_sprintf("  allowed_paths: [%s]", quoted));
	}
	if (json_array_size(lines))
		json_array_insert_new(lines, 0, json_string("spawn:"));
	return lines;
}

static void write_config(const char *file, const json_t *lines)
{
	autostrbuf text = STRBUF_INIT(CONFIG_MAX);
	autofree char *folder = xstrndup(file, (size_t)(path_base(file) - file));
	autoerror err = {0};
	size_t i;
	json_t *line;
	json_array_foreach(lines, i, line)
	{
		strbuf_addf(&text, "%s\n", json_string_value(line));
	}
	int r = dir_make(folder, 0700, &err);
	if (!r && access(file, F_OK) == 0)
		r = error_set(&err, ERR_EXISTS, "%s has come up meanwhile", file);
	if (!r)
		r = file_replace(file, strbuf_str(&text), text.len, 0600, &err);
	if (r)
		out_error(&err, false);
	else
		out_say("written: %s\na daemon that runs already reads it after coppice stop\n", file);
}

void setup_config_offer(const char *file, const json_t *lines, bool (*confirm)(void))
{
	size_t i;
	json_t *line;
	if (!json_array_size(lines))
		return;
	bool there = access(file, F_OK) == 0;
	autofree char *head =
		xasprintf("An agent that leads others (coppice role) may start them only where %s "
			  "allows it%s:",
			  file, there ? "; to allow it, add" : ", which is not there yet; to allow it");
	out_wrapped(head, 0, 0);
	(void)putchar('\n');
	json_array_foreach(lines, i, line)
	{
		out_say("    %s\n", json_string_value(line));
	}
	if (there || !confirm)
		return;
	out_wrapped("Write these lines? Then such an agent can start others in any folder below the allowed "
		    "paths, without asking you. [y/N]",
		    0, 0);
	(void)putchar(' ');
	if (confirm())
		write_config(file, lines);
}

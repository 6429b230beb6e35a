/* coppice setup */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/doctor.h"
#include "cli/out.h"
#include "cli/setup.h"
#include "cli/setup_config.h"
#include "os/file.h"
#include "os/paths.h"

struct setting_up {
	struct command_run *run;
	struct setup_options options;
	struct config *config; /* or NULL */
	json_t *reports, *missing;
	int code; /* of the first that failed */
};

/* --- consent --- */

/* Whether there is a person to ask. */
static bool can_ask(const struct command_run *run)
{
	return !run->json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && isatty(STDERR_FILENO);
}

static bool answer_is_yes(void)
{
	char line[16];
	(void)fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return false;
	line[strcspn(line, "\n")] = '\0';
	return strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0;
}

static bool ask(const struct setup_backend *backend, const struct setup_consent *consent, void *data)
{
	(void)data;
	autofree char *text = xasprintf(": may %s? It sets %s. [y/N]", consent->means, consent->setting);
	out_in(BOLD, "%s", backend->name);
	out_wrapped(text, (int)strlen(backend->name), 2);
	(void)putchar(' ');
	return answer_is_yes();
}

/* Adds what one --allow=NAME,… names. */
static int add_allowed(const char *names, unsigned *allow, struct error *err)
{
	for (const char *p = names; *p;) {
		size_t n = strcspn(p, ",");
		autofree char *name = xstrndup(p, n);
		bool known = strcmp(name, "none") == 0;
		for (const struct setup_backend *const *b = setup_backends(); *b; b++) {
			const struct setup_consent *c = setup_consent_find(*b, name);
			known = known || c;
			*allow |= c ? c->allow : 0;
		}
		if (!known)
			return error_hint(err, error_set(err, ERR_INVALID, "nothing is called %s", name),
					  "--allow takes tools, inbox or none");
		p += n + (p[n] == ',');
	}
	return 0;
}

/* An agent cannot give itself permissions (S8): what it is, the daemon knows. */
static bool is_agent(void)
{
	if (getenv("COPPICE_PEER"))
		return true;
	json_auto_t *me = doctor_ask("whoami", NULL, NULL);
	const char *role = json_str(me, "role");
	return role && (strcmp(role, "agent") == 0 || strcmp(role, "orchestrator") == 0 ||
			strcmp(role, "reviewer") == 0);
}

static int find_allowed(struct setting_up *s, struct error *err)
{
	autofree const char **given = option_all(s->run, "allow");
	bool yes = option_get(s->run, "yes") != NULL;
	int r = yes ? add_allowed("tools", &s->options.allow, err) : 0;
	for (const char **names = given; names && *names && !r; names++)
		r = add_allowed(*names, &s->options.allow, err);
	if (r)
		return r;
	bool person = s->options.allow || can_ask(s->run) ? !is_agent() : false;
	if (s->options.allow && !person && !s->options.dry_run)
		return error_hint(
			err,
			error_set(err, ERR_FORBIDDEN, "an agent cannot allow itself what its user has not"),
			"run it in a terminal of your own");
	if (person && can_ask(s->run) && !yes && !given && !s->options.dry_run)
		s->options.ask = ask;
	return 0;
}

/* --- output --- */

static void print_lines(const char *head, const json_t *texts)
{
	size_t i;
	json_t *text;
	json_array_foreach(texts, i, text)
	{
		out_say("  %s ", head);
		out_wrapped(json_string_value(text), (int)strlen(head) + 3, (int)strlen(head) + 3);
		(void)putchar('\n');
	}
}

static void print_diff(const char *diff)
{
	for (const char *p = diff; *p;) {
		size_t n = strcspn(p, "\n");
		out_in(*p == '+'   ? GREEN
		       : *p == '-' ? RED
		       : *p == '@' ? CYAN
				   : PLAIN,
		       "    %.*s\n", (int)n, p);
		p += n + (p[n] == '\n');
	}
}

static void print_file(const json_t *file, bool dry_run)
{
	size_t i;
	json_t *change;
	const char *state = json_str(file, "state"), *backup = json_str(file, "backup"),
		   *diff = json_str(file, "diff");
	out_say("  %s: %s\n", json_str(file, "path"),
		strcmp(state, "unchanged") == 0 ? "all is there already"
		: !dry_run			? state
		: strcmp(state, "created") == 0 ? "would be created"
						: "would change");
	json_array_foreach(json_object_get(file, "changes"), i, change)
	{
		const char *done = json_str(change, "change");
		out_say("    %s: ", done);
		out_wrapped(json_str(change, "what"), (int)strlen(done) + 6, (int)strlen(done) + 6);
		(void)putchar('\n');
	}
	if (backup)
		out_say("    as it was: %s\n", backup);
	print_lines("note:", json_object_get(file, "notes"));
	if (diff)
		print_diff(diff);
}

static void print_report(const json_t *report, bool dry_run)
{
	size_t i;
	json_t *row;
	const char *backend = json_str(report, "backend");
	out_in(BOLD, "%s", backend);
	out_say(" %s (%s)\n", json_str(report, "version"), json_str(report, "program"));
	json_array_foreach(json_object_get(report, "files"), i, row)
	{
		print_file(row, dry_run);
	}
	json_array_foreach(json_object_get(report, "consents"), i, row)
	{
		bool allowed = strcmp(json_str(row, "state"), "allowed") == 0;
		if (!allowed && json_bool(row, "asked", false))
			out_say("  it asks you before each use of the tools; to allow them:\n"
				"    coppice setup %s --allow=%s\n",
				backend, json_str(row, "name"));
	}
	if (json_str(report, "next")) {
		out_in(YELLOW, "  next: ");
		out_wrapped(json_str(report, "next"), 8, 8);
		(void)putchar('\n');
	}
}

/* --- running --- */

static void add_failure(struct setting_up *s, const struct setup_backend *backend, const struct error *err)
{
	json_t *report = error_to_json(err);
	json_set_str(report, "backend", backend->name);
	json_array_append_new(s->reports, report);
	s->code = s->code ? s->code : (int)err->code;
	if (s->run->json)
		return;
	const char *text = json_str(err->details, "by_hand");
	out_in(BOLD, "%s", backend->name);
	out_in(RED, " failed\n");
	(void)fflush(stdout);
	out_error(err, false);
	if (text) {
		out_say("  for %s:\n", json_str(err->details, "file"));
		print_diff(text);
	}
}

static void set_up(struct setting_up *s, const struct setup_backend *backend, bool by_name)
{
	_cleanup_(setup_agent_release) struct setup_agent agent = {0};
	autoerror err = {0};
	json_t *report = NULL;
	int r = setup_agent_find(backend, s->config, &agent, &err);
	if (r && !by_name) {
		json_t *row = json_object();
		json_set_str(row, "backend", backend->name);
		json_set_str(row, "why", err.message);
		json_array_append_new(s->missing, row);
		if (!s->run->json)
			out_say("%s: %s\n", backend->name, err.message);
		return;
	}
	if (!r)
		r = setup_apply(backend, &agent, &s->options, &report, &err);
	if (r) {
		add_failure(s, backend, &err);
		return;
	}
	json_array_append_new(s->reports, report);
	if (!s->run->json)
		print_report(report, s->options.dry_run);
}

static int check_names(const struct command_run *run, struct error *err)
{
	for (int i = 0; i < run->n_args; i++)
		if (!setup_backend_find(run->args[i]))
			return error_hint(err,
					  error_set(err, ERR_INVALID, "there is nothing to set up for %s",
						    run->args[i]),
					  "it knows claude-code and codex");
	return 0;
}

static bool is_named(const struct command_run *run, const char *name)
{
	for (int i = 0; i < run->n_args; i++)
		if (strcmp(run->args[i], name) == 0)
			return true;
	return false;
}

static bool any_changed(const json_t *reports)
{
	size_t i;
	json_t *report;
	json_array_foreach(reports, i, report)
	{
		if (json_bool(report, "changed", false))
			return true;
	}
	return false;
}

static void finish(struct setting_up *s, const char *config_file, const char *warning)
{
	bool may_ask = s->options.ask != NULL;
	json_auto_t *lines = setup_config_lines(s->config, s->reports, s->run->dir);
	if (s->run->json) {
		json_auto_t *all =
			json_pack("{s:O, s:O}", "backends", s->reports, "not_installed", s->missing);
		json_set_str(all, "warning", warning);
		json_object_set(all, "configuration", lines);
		out_json(all);
		return;
	}
	if (warning) {
		out_in(YELLOW, "warning: ");
		out_wrapped(warning, 9, 9);
		(void)putchar('\n');
	}
	if (any_changed(s->reports) && !s->options.dry_run)
		setup_config_offer(config_file, lines, may_ask ? answer_is_yes : NULL);
}

/* An agent's hooks start no daemon: with one that runs, sessions are peers as soon as they open. */
static void start_daemon(struct setting_up *s)
{
	json_auto_t *answer = NULL;
	autoerror err = {0};
	if (s->options.dry_run || json_array_size(s->reports) == 0 || s->code)
		return;
	if (command_call(s->run, "status", json_object(), false, &answer, &err)) {
		out_error(&err, false);
		return;
	}
	if (!s->run->json)
		out_say("then: start an agent in a worktree, and see it: coppice ps\n");
}

static int run_setup(struct command_run *run, struct error *err)
{
	json_auto_t *reports = json_array(), *missing = json_array();
	struct setting_up s = {.run = run, .reports = reports, .missing = missing};
	autopaths paths = {0};
	autofree char *program = NULL, *warning = NULL;
	s.options.dry_run = option_get(run, "dry-run") != NULL;
	int r = check_names(run, err);
	if (!r)
		r = paths_find(&paths, err);
	if (!r)
		r = setup_own_path(&program, &warning, err);
	if (!r)
		r = find_allowed(&s, err);
	if (r)
		return r;
	autoconfig *config = setup_config_read(paths.config);
	s.config = config;
	s.options.home = paths.home;
	s.options.program = program;
	for (const struct setup_backend *const *b = setup_backends(); *b; b++)
		if (!run->n_args || is_named(run, (*b)->name))
			set_up(&s, *b, run->n_args > 0);
	finish(&s, paths.config, warning);
	start_daemon(&s);
	/* Invalid is what stands in a file, not what was typed. */
	run->exit_code = s.code == ERR_INVALID ? 1
			 : s.code	       ? error_kind((enum error_code)s.code)->exit_code
					       : 0;
	return 0;
}

const struct command command_setup = {
	.name = "setup",
	.group = "the daemon",
	.summary = "Put coppice's hooks and tools into the settings of your agents",
	.usage = "[BACKEND…] [--yes | --allow=WHAT,…] [--dry-run]",
	.text = "Sets up Claude Code and Codex, as far as they are installed: hooks, by which sessions join "
		"the mesh and "
		"hear of messages, and the MCP server with its tools. Only our own entries are put in; all "
		"else in "
		"these files stays byte for byte, and a copy of each is kept. What is not understood is left "
		"alone, "
		"and what to put in by hand is shown. A second run changes nothing.\n"
		"What gives an agent more than it has is set only when you say so: you are asked, or name "
		"it. "
		"--allow=tools lets sessions use the mesh's tools without asking you each time (--yes means "
		"the "
		"same); --allow=inbox lets any process of yours put messages into Claude Code's sessions, "
		"which "
		"is needed by none that has our MCP server; --allow=none asks for nothing.\n"
		"The daemon is started if none runs, so that sessions are peers as soon as they open. "
		"coppice "
		"uninstall takes all of it back.",
	.examples = "coppice setup\ncoppice setup claude-code --allow=tools\ncoppice setup --dry-run",
	.operands = "claude-code|codex",
	.options =
		(const struct option_entry[]){
			{"yes", 'y', OPTION_FLAG, NULL, "allow what would be asked for"},
			{"allow", 0, OPTION_VALUE, "WHAT,…", "allow these: tools, inbox, none"},
			{"dry-run", 'n', OPTION_FLAG, NULL, "show what would change; write nothing"},
			{0}},
	.max_args = 8,
	.run = run_setup,
};

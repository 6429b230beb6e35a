/* The checks of `coppice doctor` about the agents; see doctor.h. They are a setup of which nothing is
 * written: what it would change is what is amiss. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/doctor.h"
#include "cli/setup.h"
#include "cli/setup_config.h"
#include "cli/setup_manifest.h"
#include "os/paths.h"

static const char ok[] = "ok", warn[] = "warn", fail[] = "fail";

struct check {
	json_t *checks;
	const struct setup_backend *backend;
	const json_t *report; /* setup_apply's */
	char *program;	      /* of what was set up before; NULL: it was not */
	bool was_set_up;
};

/* "claude-code hooks" */
static void _printf_(5, 6) add(const struct check *c, const char *part, const char *result, const char *cure,
			       const char *fmt, ...)
{
	autostrbuf detail = STRBUF_INIT(64 << 10);
	autofree char *name = xasprintf("%s%s%s", c->backend->name, *part ? " " : "", part);
	va_list ap;
	va_start(ap, fmt);
	strbuf_vaddf(&detail, fmt, ap);
	va_end(ap);
	doctor_add(c->checks, name, result, cure, strbuf_str(&detail));
}

/* What setup would do about one kind of thing, and in which file. */
static const json_t *change_of(const struct check *c, const char *kind, const char **ret_path)
{
	size_t i, k;
	json_t *file, *change;
	json_array_foreach(json_object_get(c->report, "files"), i, file)
	{
		json_array_foreach(json_object_get(file, "changes"), k, change)
		{
			if (strcmp(json_str(change, "kind"), kind) == 0) {
				*ret_path = json_str(file, "path");
				return change;
			}
		}
	}
	return NULL;
}

static void check_kind(const struct check *c, const char *kind, const char *what)
{
	const char *path = NULL;
	const json_t *change = change_of(c, kind, &path);
	autofree char *cure = c->was_set_up ? xstrdup("coppice doctor --fix")
					    : xasprintf("coppice setup %s", c->backend->name);
	if (!change)
		add(c, kind, ok, NULL, "%s", what);
	else if (!c->was_set_up && strcmp(json_str(change, "change"), "added") == 0)
		add(c, kind, warn, cure, "not set up in %s", path);
	else
		add(c, kind, warn, cure,
		    "%s is not as this version of coppice wants it: %s is missing or older", path,
		    json_str(change, "what"));
}

static void check_tools(const struct check *c)
{
	size_t i;
	json_t *consent;
	json_array_foreach(json_object_get(c->report, "consents"), i, consent)
	{
		const char *name = json_str(consent, "name");
		bool allowed = strcmp(json_str(consent, "state"), "allowed") == 0;
		if (allowed)
			add(c, name, ok, NULL, "allowed: %s", json_str(consent, "setting"));
		else if (json_bool(consent, "asked", false))
			add(c, name, ok, NULL,
			    "it asks you before each use; coppice setup %s --allow=%s would allow them",
			    c->backend->name, name);
	}
}

static void check_notes(const struct check *c)
{
	size_t i, k;
	json_t *file, *note;
	json_array_foreach(json_object_get(c->report, "files"), i, file)
	{
		json_array_foreach(json_object_get(file, "notes"), k, note)
		{
			add(c, "settings", warn, json_str(file, "path"), "%s", json_string_value(note));
		}
	}
}

static void check_trust(const struct check *c)
{
	const json_t *trust = json_object_get(c->report, "trust");
	const char *path = NULL;
	if (!trust || change_of(c, "hooks", &path))
		return;
	int off = (int)json_int(trust, "off", 0), trusted = (int)json_int(trust, "trusted", 0);
	int open = (int)(json_int(trust, "changed", 0) + json_int(trust, "unknown", 0));
	if (off)
		add(c, "trust", warn, "switch them on in it (/hooks)",
		    "you have switched off %d of our hooks", off);
	else if (open)
		add(c, "trust", warn,
		    "start it, look at the hooks when it says \"Hooks need review\", and choose \"Trust all "
		    "and "
		    "continue\"",
		    "it does not run %d of our hooks, for you have not trusted them yet", open);
	else
		add(c, "trust", ok, NULL, "you have trusted our %d hooks", trusted);
}

static void check_set_up(struct check *c, const struct setup_agent *agent, const char *home)
{
	autoerror err = {0};
	autofree char *program = NULL, *warning = NULL;
	json_auto_t *report = NULL;
	add(c, "", ok, NULL, "%s at %s", agent->version, agent->program);
	if (c->program && access(c->program, X_OK) < 0)
		add(c, "program", fail, "coppice doctor --fix",
		    "its settings name %s, which is not there: all hooks fail", c->program);
	int r = setup_own_path(&program, &warning, &err);
	struct setup_options options = {.home = home, .program = program, .dry_run = true};
	if (!r)
		r = setup_apply(c->backend, agent, &options, &report, &err);
	if (r) {
		add(c, "settings", fail, err.hint ? err.hint : "mend it", "%s", err.message);
		return;
	}
	c->report = report;
	check_kind(c, "hooks", "all hooks that this version knows are there");
	check_kind(c, "server", "the MCP server is there");
	check_tools(c);
	check_trust(c);
	check_notes(c);
	c->report = NULL;
}

/* What the manifest says of this agent. */
static void find_noted(struct check *c, const json_t *manifest)
{
	size_t i;
	json_t *entry;
	json_array_foreach(json_object_get(manifest, "files"), i, entry)
	{
		const char *backend = json_str(entry, "backend"), *program = json_str(entry, "program");
		if (!backend || strcmp(backend, c->backend->name) != 0)
			continue;
		c->was_set_up = true;
		free(c->program);
		c->program = program ? xstrdup(program) : NULL;
	}
}

void doctor_check_agents(json_t *checks, const char *home, const struct config *config)
{
	json_auto_t *manifest = NULL;
	autoerror err = {0};
	if (setup_manifest_read(home, &manifest, &err))
		doctor_add(checks, "setup", fail, err.hint, err.message);
	for (const struct setup_backend *const *b = setup_backends(); *b; b++) {
		struct check c = {.checks = checks, .backend = *b};
		_cleanup_(setup_agent_release) struct setup_agent agent = {0};
		autoerror missing = {0};
		find_noted(&c, manifest);
		int r = setup_agent_find(*b, config, &agent, &missing);
		if (!r)
			check_set_up(&c, &agent, home);
		else if (c.was_set_up)
			add(&c, "", warn, missing.hint, "it was set up, but %s", missing.message);
		else
			add(&c, "", ok, NULL, "%s", missing.message);
		free(c.program);
	}
}

json_t *doctor_fix_agents(void)
{
	json_t *reports = json_array();
	json_auto_t *manifest = NULL;
	autopaths paths = {0};
	autofree char *program = NULL, *warning = NULL;
	if (paths_find(&paths, NULL) || setup_manifest_read(paths.home, &manifest, NULL) ||
	    setup_own_path(&program, &warning, NULL))
		return reports; /* the checks will say why */
	autoconfig *config = setup_config_read(paths.config);
	for (const struct setup_backend *const *b = setup_backends(); *b; b++) {
		struct check c = {.backend = *b};
		_cleanup_(setup_agent_release) struct setup_agent agent = {0};
		struct setup_options options = {.home = paths.home, .program = program};
		autoerror err = {0};
		json_t *report = NULL;
		find_noted(&c, manifest);
		free(c.program);
		if (!c.was_set_up || setup_agent_find(*b, config, &agent, NULL))
			continue;
		if (setup_apply(*b, &agent, &options, &report, &err)) {
			report = error_to_json(&err);
			json_set_str(report, "backend", (*b)->name);
		}
		json_array_append_new(reports, report);
	}
	return reports;
}

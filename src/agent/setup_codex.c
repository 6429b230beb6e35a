/* Codex's config.toml (the MCP server) and hooks.json; see setup_backend.h.
 *
 * Codex starts an MCP server with next to no environment, so what says where the mesh is, and who the session
 * is, is passed on by name. It runs hooks only after the user trusted them, each by a hash of it that it
 * keeps in config.toml itself: that record is never written here, only looked at. */
#include "agent/setup_backend.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "agent/codex.h"
#include "agent/edit_json.h"
#include "agent/edit_toml.h"
#include "agent/setup_hooks.h"
#include "agent/setup_own.h"
#include "base/json.h"
#include "base/sha256.h"
#include "os/file.h"

enum { EVENT_MAX = 64 };

static const char *const all_servers[] = {"mcp_servers", NULL};
static const char *const server[] = {"mcp_servers", "coppice", NULL};
static const char *const trust_state[] = {"hooks", "state", NULL};
static const char approval_key[] = "default_tools_approval_mode";

/* Keys of an MCP server: without the table they would have no meaning. */
static const char *const members[] = {"command",
				      "args",
				      "env",
				      "env_vars",
				      "cwd",
				      "startup_timeout_sec",
				      "startup_timeout_ms",
				      "tool_timeout_sec",
				      "enabled",
				      "required",
				      "enabled_tools",
				      "disabled_tools",
				      approval_key,
				      NULL};

/* --- config.toml --- */

static char *config_path(void)
{
	return setup_path("CODEX_HOME", ".codex", "config.toml");
}

static int parse(const struct setup_text *text, struct edit_toml **ret, struct error *err)
{
	return edit_toml_parse(text->file, text->text ? text->text : "", text->len, ret, err);
}

/* What a session that Coppice starts gets anyway takes the user's word in sessions of the user's own. */
static json_t *wanted_server(const struct setup_wish *wish)
{
	json_t *table = codex_mcp_server(wish->program);
	json_object_del(table, approval_key);
	return table;
}

static bool is_own_table(const struct edit_toml *doc, size_t table, const char *program)
{
	json_auto_t *command = edit_toml_value(doc, edit_toml_member(doc, table, "command"));
	json_auto_t *args = edit_toml_value(doc, edit_toml_member(doc, table, "args"));
	return setup_own_server(json_string_value(command), args, program);
}

static int refuse(const struct edit_toml *doc, size_t item, const char *what, struct error *err)
{
	return error_set(err, ERR_INVALID, "%s:%d: %s", doc->file, doc->items[item].line, what);
}

/* Whether the file says what MCP servers there are by tables, so that one more can be put at its end. */
static int check_servers(const struct edit_toml *doc, struct error *err)
{
	autofree char *path = edit_toml_path(all_servers);
	size_t len = strlen(path);
	for (size_t i = 0; i < doc->n; i++) {
		const struct edit_toml_item *item = &doc->items[i];
		if (strncmp(item->path, path, len) != 0 || (item->path[len] != '.' && item->path[len]))
			continue;
		if (item->kind == EDIT_TOML_TABLES)
			return refuse(doc, i, "mcp_servers is a list of tables here", err);
		if (item->kind == EDIT_TOML_VALUE &&
		    (item->table == EDIT_TOML_NONE || strcmp(doc->items[item->table].path, path) == 0))
			return refuse(doc, i, "an MCP server is not a table of its own here", err);
	}
	return 0;
}

/* The table of ours; EDIT_TOML_NONE if there is none. */
static int find_table(const struct edit_toml *doc, const char *program, size_t *ret, struct error *err)
{
	size_t table = edit_toml_find(doc, server), below = edit_toml_find_below(doc, server);
	if (table != EDIT_TOML_NONE && !is_own_table(doc, table, program))
		return refuse(doc, table, "an MCP server that is not this program has the name coppice", err);
	if (table == EDIT_TOML_NONE && below != EDIT_TOML_NONE)
		return refuse(doc, below, "this is about an MCP server coppice that has no table", err);
	*ret = table;
	return 0;
}

static bool holds(const json_t *list, const json_t *item)
{
	size_t i;
	json_t *old;
	json_array_foreach(list, i, old)
	{
		if (json_equal(old, item))
			return true;
	}
	return false;
}

/* What a value that is there has to become; NULL when it may stay. A new reference. */
static json_t *mended(const char *key, json_t *wanted, json_t *old)
{
	size_t i;
	json_t *item;
	if (json_is_string(wanted))
		return json_equal(old, wanted) ? NULL : json_incref(wanted);
	if (strcmp(key, "env_vars") != 0)
		return NULL; /* times, and what follows "mcp", are the user's to choose */
	if (!json_is_array(old))
		return json_incref(wanted);
	json_auto_t *all = json_copy(old);
	json_array_foreach(wanted, i, item)
	{
		if (!holds(all, item))
			json_array_append(all, item);
	}
	return json_array_size(all) > json_array_size(old) ? json_incref(all) : NULL;
}

/* Brings the table in line. */
static int mend_table(struct edit_toml *doc, json_t *wanted, struct setup_said *said, struct error *err)
{
	const char *key;
	json_t *value;
	bool changed = false;
	json_object_foreach(wanted, key, value)
	{
		size_t table = edit_toml_find(doc, server), item = edit_toml_member(doc, table, key);
		json_auto_t *old = edit_toml_value(doc, item);
		json_auto_t *put = item == EDIT_TOML_NONE ? json_incref(value) : mended(key, value, old);
		if (!put)
			continue;
		int r = edit_toml_set(doc, table, key, put, err);
		if (r)
			return r;
		changed = true;
	}
	if (changed)
		setup_say(said, "server", "updated", "MCP server coppice");
	return 0;
}

static int allow_tools(struct edit_toml *doc, struct setup_said *said, struct error *err)
{
	size_t table = edit_toml_find(doc, server);
	json_auto_t *approve = json_string("approve");
	json_auto_t *old = edit_toml_value(doc, edit_toml_member(doc, table, approval_key));
	if (json_equal(old, approve))
		return 0;
	int r = edit_toml_set(doc, table, approval_key, approve, err);
	if (!r)
		setup_say(said, "tools", json_is_null(old) ? "added" : "updated",
			  "default_tools_approval_mode approve");
	return r;
}

static void note_obstacles(const struct edit_toml *doc, struct setup_said *said)
{
	static const char *const hooks[] = {"features", "hooks", NULL};
	json_auto_t *on = edit_toml_value(doc, edit_toml_find(doc, hooks));
	json_auto_t *enabled =
		edit_toml_value(doc, edit_toml_member(doc, edit_toml_find(doc, server), "enabled"));
	if (json_is_false(on))
		setup_note(said, "its config has features.hooks = false, so no hook runs; take that out");
	if (json_is_false(enabled))
		setup_note(
			said,
			"its config has enabled = false for the MCP server coppice; take that out to use it");
}

static int apply_config(const struct setup_text *now, const struct setup_wish *wish, struct strbuf *ret,
			struct setup_said *said, struct error *err)
{
	autoedittoml *doc = NULL;
	json_auto_t *wanted = wanted_server(wish);
	size_t table = EDIT_TOML_NONE;
	int r = parse(now, &doc, err);
	if (!r)
		r = check_servers(doc, err);
	if (!r)
		r = find_table(doc, wish->program, &table, err);
	if (!r && table != EDIT_TOML_NONE)
		r = mend_table(doc, wanted, said, err);
	if (!r && table == EDIT_TOML_NONE) {
		r = edit_toml_append(doc, server, wanted, err);
		if (!r)
			setup_say(said, "server", "added", "MCP server coppice");
	}
	if (!r && wish->allow & SETUP_ALLOW_TOOLS)
		r = allow_tools(doc, said, err);
	if (r)
		return r;
	note_obstacles(doc, said);
	strbuf_add(ret, strbuf_str(&doc->text), doc->text.len);
	return 0;
}

static int drop_config(const struct setup_text *now, const struct setup_text *before, const char *program,
		       struct strbuf *ret, struct setup_said *said, struct error *err)
{
	autoedittoml *doc = NULL, *old = NULL;
	int r = parse(now, &doc, err);
	if (!r && before)
		r = parse(before, &old, err);
	if (r)
		return r;
	size_t table = edit_toml_find(doc, server);
	if (table != EDIT_TOML_NONE && is_own_table(doc, table, program)) {
		r = edit_toml_drop(doc, server, members, old, err);
		if (r)
			return r;
		setup_say(said, "server", "removed", "MCP server coppice");
		if (edit_toml_find_below(doc, trust_state) != EDIT_TOML_NONE)
			setup_note(said, "Codex's own record of the hooks that you trusted (hooks.state) "
					 "stays; it does "
					 "nothing without them");
	}
	strbuf_add(ret, strbuf_str(&doc->text), doc->text.len);
	return 0;
}

/* --- hooks.json --- */

static char *hooks_path(void)
{
	return setup_path("CODEX_HOME", ".codex", "hooks.json");
}

static int apply_hooks(const struct setup_text *now, const struct setup_wish *wish, struct strbuf *ret,
		       struct setup_said *said, struct error *err)
{
	autoeditjson *doc = NULL;
	json_auto_t *wanted = codex_hooks(wish->program, wish->version);
	struct setup_hooks hooks = {.wanted = wanted, .program = wish->program};
	int r = setup_parse(now, &doc, err);
	if (!r)
		r = setup_hooks_apply(doc, &hooks, said->changes, err);
	if (r)
		return r;
	setup_note_loose(said, doc, "Codex");
	if (doc->text.len && (unsigned char)doc->text.buf[0] == 0xEF) {
		autofree char *note =
			xasprintf("%s begins with a byte order mark, for which Codex leaves the whole file "
				  "out of account; take it out",
				  now->file);
		setup_note(said, note);
	}
	setup_give(doc, ret);
	return 0;
}

static int drop_hooks(const struct setup_text *now, const struct setup_text *before, const char *program,
		      struct strbuf *ret, struct setup_said *said, struct error *err)
{
	autoeditjson *doc = NULL, *old = NULL;
	int r = setup_parse(now, &doc, err);
	if (!r)
		r = setup_parse_before(before, &old, err);
	if (!r)
		r = setup_hooks_drop(doc, old, program, said->changes, err);
	if (!r)
		setup_give(doc, ret);
	return r;
}

/* --- trust --- */

/* "SessionStart" as "session_start"; caller frees. */
static char *snake(const char *event)
{
	autostrbuf out = STRBUF_INIT((size_t)2 * EVENT_MAX);
	for (const char *p = event; *p; p++)
		if (isupper((unsigned char)*p))
			strbuf_addf(&out, "%s%c", p > event ? "_" : "", tolower((unsigned char)*p));
		else
			strbuf_addch(&out, *p);
	return strbuf_detach(&out);
}

/* The hash by which Codex trusts a hook: of the compact JSON of what it runs, its keys sorted. */
static char *trust_hash(const struct edit_json *doc, const struct setup_hook_place *place, const char *event)
{
	json_auto_t *group = edit_json_value(doc, place->group);
	json_auto_t *hook = edit_json_value(doc, place->hook);
	json_t *async = json_object_get(hook, "async"), *timeout = json_object_get(hook, "timeout");
	json_auto_t *handler = json_pack("{s:b, s:O, s:s}", "async", json_is_true(async), "command",
					 json_object_get(hook, "command"), "type", "command");
	if (timeout)
		json_object_set(handler, "timeout", timeout);
	json_auto_t *all = json_pack("{s:s, s:[O]}", "event_name", event, "hooks", handler);
	if (json_str(group, "matcher"))
		json_set_str(all, "matcher", json_str(group, "matcher"));
	char *text = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
	if (!text)
		alloc_abort();
	char hex[SHA256_HEX_SIZE];
	sha256_hex(text, strlen(text), hex);
	free(text);
	return xasprintf("sha256:%s", hex);
}

/* The record of a hook by one name of its file; EDIT_TOML_NONE if there is none. */
static size_t find_record(const struct edit_toml *config, const char *file, const char *event,
			  const struct setup_hook_place *place)
{
	autofree char *key = xasprintf("%s:%s:%zu:%zu", file, event, place->group_index, place->hook_index);
	const char *const keys[] = {"hooks", "state", key, NULL};
	return edit_toml_find(config, keys);
}

/* The file's names: Codex takes its folder by where it leads, links undone. */
struct names {
	char *given, *in_folder, *real;
};

static void names_find(const char *file, struct names *ret)
{
	autofree char *folder = xstrndup(file, (size_t)(path_base(file) - file));
	autofree char *real_folder = realpath(*folder ? folder : ".", NULL);
	ret->given = xstrdup(file);
	ret->in_folder = real_folder ? path_join(real_folder, path_base(file)) : xstrdup(file);
	ret->real = realpath(file, NULL);
	ret->real = ret->real ? ret->real : xstrdup(file);
}

static void names_release(struct names *names)
{
	free(names->given);
	free(names->in_folder);
	free(names->real);
}

static const char *trust_of(const struct edit_toml *config, const struct names *names,
			    const struct edit_json *doc, const struct setup_hook_place *place)
{
	autofree char *event = edit_json_key(doc, place->event);
	autofree char *name = snake(event), *hash = trust_hash(doc, place, name);
	const char *const files[] = {names->given, names->in_folder, names->real};
	size_t table = EDIT_TOML_NONE;
	for (size_t i = 0; i < ARRAY_SIZE(files) && table == EDIT_TOML_NONE; i++)
		table = find_record(config, files[i], name, place);
	json_auto_t *there = edit_toml_value(config, edit_toml_member(config, table, "trusted_hash"));
	json_auto_t *enabled = edit_toml_value(config, edit_toml_member(config, table, "enabled"));
	if (json_is_false(enabled))
		return "off";
	if (!json_is_string(there))
		return "unknown";
	return strcmp(json_string_value(there), hash) == 0 ? "trusted" : "changed";
}

static json_t *trust(const struct setup_text texts[SETUP_FILES_MAX], const char *program)
{
	json_t *counts =
		json_pack("{s:i, s:i, s:i, s:i}", "trusted", 0, "changed", 0, "unknown", 0, "off", 0);
	autoedittoml *config = NULL;
	autoeditjson *doc = NULL;
	struct setup_hook_place place;
	if (parse(&texts[0], &config, NULL) || setup_parse(&texts[1], &doc, NULL))
		return counts;
	_cleanup_(names_release) struct names names = {0};
	names_find(texts[1].file, &names);
	for (size_t n = 0; setup_hooks_find(doc, program, n, &place); n++) {
		const char *is = trust_of(config, &names, doc, &place);
		json_object_set_new(counts, is, json_integer(json_int(counts, is, 0) + 1));
	}
	return counts;
}

static const struct setup_consent consents[] = {
	{SETUP_ALLOW_TOOLS, "tools", "default_tools_approval_mode = \"approve\" for the MCP server coppice",
	 "sessions use the mesh's tools (ask, ack, notify, jobs, …) without asking you each time", true},
	{0},
};

const struct setup_backend setup_codex = {
	.name = "codex",
	.program = "codex",
	.files = {{.kind = "config", .path = config_path, .apply = apply_config, .drop = drop_config},
		  {.kind = "hooks",
		   .path = hooks_path,
		   .hooks = true,
		   .apply = apply_hooks,
		   .drop = drop_hooks}},
	.consents = consents,
	.next = "at its next start Codex says \"Hooks need review\": look at them and choose \"Trust all and "
		"continue\"; until then it does not run them",
	.trust = trust,
};

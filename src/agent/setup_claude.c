/* Claude Code's settings.json (hooks, permissions) and .claude.json (MCP servers); see setup_backend.h.
 *
 * .claude.json is Claude Code's own state, which every session rewrites. In older homes it is .config.json in
 * the settings' folder, which then goes before. */
#include "agent/setup_backend.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/claude.h"
#include "agent/edit_json.h"
#include "agent/setup_hooks.h"
#include "agent/setup_own.h"
#include "base/json.h"

static const char server_name[] = "coppice";
static const char inbox_key[] = "crossSessionInbound";

/* --- settings.json --- */

static char *settings_path(void)
{
	return setup_path("CLAUDE_CONFIG_DIR", ".claude", "settings.json");
}

/* The element of a list of strings; 0 if it is not in it. */
static uint32_t find_text(const struct edit_json *doc, uint32_t list, const char *text)
{
	for (uint32_t i = edit_json_first(doc, list); i; i = edit_json_next(doc, i)) {
		json_auto_t *value = edit_json_value(doc, i);
		if (json_is_string(value) && strcmp(json_string_value(value), text) == 0)
			return i;
	}
	return 0;
}

static uint32_t rules_of(const struct edit_json *doc, const char *kind)
{
	return edit_json_get(doc, edit_json_get(doc, edit_json_root(doc), "permissions"), kind);
}

/* "mcp__coppice" alone means all of its tools too. */
static uint32_t find_rule(const struct edit_json *doc, const char *kind)
{
	uint32_t rule = find_text(doc, rules_of(doc, kind), CLAUDE_ALLOW_TOOLS);
	return rule ? rule : find_text(doc, rules_of(doc, kind), "mcp__coppice");
}

static int allow_tools(struct edit_json *doc, struct setup_said *said, struct error *err)
{
	uint32_t root = edit_json_root(doc), permissions = edit_json_get(doc, root, "permissions");
	uint32_t allow = edit_json_get(doc, permissions, "allow");
	json_auto_t *rule = json_string(CLAUDE_ALLOW_TOOLS);
	json_auto_t *list = json_pack("[O]", rule), *whole = json_pack("{s:O}", "allow", list);
	if (find_rule(doc, "allow"))
		return 0;
	if ((permissions && !edit_json_is(doc, permissions, EDIT_JSON_OBJECT)) ||
	    (allow && !edit_json_is(doc, allow, EDIT_JSON_ARRAY)))
		return error_set(err, ERR_INVALID, "%s:%d: permissions.allow is no list", doc->file,
				 edit_json_line(doc, allow ? allow : permissions));
	int r = allow	      ? edit_json_add(doc, allow, NULL, rule, err)
		: permissions ? edit_json_add(doc, permissions, "allow", list, err)
			      : edit_json_add(doc, root, "permissions", whole, err);
	if (!r)
		setup_say(said, "tools", "added", "permissions.allow " CLAUDE_ALLOW_TOOLS);
	return r;
}

static int allow_inbox(struct edit_json *doc, struct setup_said *said, struct error *err)
{
	uint32_t root = edit_json_root(doc), there = edit_json_get(doc, root, inbox_key);
	json_auto_t *accept = json_string("accept"), *old = edit_json_value(doc, there);
	if (json_equal(old, accept))
		return 0;
	int r = there ? edit_json_set(doc, there, accept, err)
		      : edit_json_add(doc, root, inbox_key, accept, err);
	if (!r)
		setup_say(said, "inbox", there ? "updated" : "added", "crossSessionInbound accept");
	return r;
}

static void note_obstacles(const struct edit_json *doc, struct setup_said *said)
{
	json_auto_t *off = edit_json_value(doc, edit_json_get(doc, edit_json_root(doc), "disableAllHooks"));
	if (json_is_true(off))
		setup_note(said,
			   "its settings have disableAllHooks: true, so no hook runs; take that out, for "
			   "without hooks a session hears of messages only through its tools");
	if (find_rule(doc, "deny"))
		setup_note(
			said,
			"its settings deny the mesh's tools (permissions.deny); take that out to use them");
}

static int apply_settings(const struct setup_text *now, const struct setup_wish *wish, struct strbuf *ret,
			  struct setup_said *said, struct error *err)
{
	autoeditjson *doc = NULL;
	json_auto_t *wanted = claude_hooks(wish->program, wish->version);
	struct setup_hooks hooks = {.wanted = wanted, .program = wish->program};
	int r = setup_parse(now, &doc, err);
	if (!r)
		r = setup_hooks_apply(doc, &hooks, said->changes, err);
	if (!r && wish->allow & SETUP_ALLOW_TOOLS)
		r = allow_tools(doc, said, err);
	if (!r && wish->allow & SETUP_ALLOW_INBOX)
		r = allow_inbox(doc, said, err);
	if (r)
		return r;
	note_obstacles(doc, said);
	setup_note_loose(said, doc, "Claude Code");
	setup_give(doc, ret);
	return 0;
}

/* Takes the rule out that was not there before; where that is not known, it may be the user's own, and stays.
 */
static int drop_tools(struct edit_json *doc, const struct edit_json *before, struct setup_said *said,
		      struct error *err)
{
	uint32_t rule = find_text(doc, rules_of(doc, "allow"), CLAUDE_ALLOW_TOOLS);
	if (rule && !before)
		setup_note(said, "permissions.allow still has " CLAUDE_ALLOW_TOOLS
				 ", for nothing says who put it there; take it out if you do not want it");
	if (!rule || !before || find_text(before, rules_of(before, "allow"), CLAUDE_ALLOW_TOOLS))
		return 0;
	int r = edit_json_drop(doc, rule, before, err);
	if (!r)
		setup_say(said, "tools", "removed", "permissions.allow " CLAUDE_ALLOW_TOOLS);
	return r;
}

/* Puts the setting back as it was; where that is not known, it may be the user's own, and stays. */
static int drop_inbox(struct edit_json *doc, const struct edit_json *before, struct setup_said *said,
		      struct error *err)
{
	uint32_t there = edit_json_get(doc, edit_json_root(doc), inbox_key);
	uint32_t was = before ? edit_json_get(before, edit_json_root(before), inbox_key) : 0;
	json_auto_t *accept = json_string("accept"), *now = edit_json_value(doc, there);
	json_auto_t *old = was ? edit_json_value(before, was) : NULL;
	if (!before || !json_equal(now, accept) || json_equal(old, accept))
		return 0;
	int r = was ? edit_json_set_back(doc, there, before, was, err)
		    : edit_json_drop(doc, there, before, err);
	if (!r)
		setup_say(said, "inbox", "removed", "crossSessionInbound accept");
	return r;
}

static int drop_settings(const struct setup_text *now, const struct setup_text *before, const char *program,
			 struct strbuf *ret, struct setup_said *said, struct error *err)
{
	autoeditjson *doc = NULL, *old = NULL;
	int r = setup_parse(now, &doc, err);
	if (!r)
		r = setup_parse_before(before, &old, err);
	if (!r)
		r = setup_hooks_drop(doc, old, program, said->changes, err);
	if (!r)
		r = drop_tools(doc, old, said, err);
	if (!r)
		r = drop_inbox(doc, old, said, err);
	if (!r)
		setup_give(doc, ret);
	return r;
}

/* --- .claude.json --- */

static char *state_path(void)
{
	autofree char *legacy = setup_path("CLAUDE_CONFIG_DIR", ".claude", ".config.json");
	struct stat st;
	if (legacy && stat(legacy, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		return TAKE_PTR(legacy);
	return setup_path("CLAUDE_CONFIG_DIR", "", ".claude.json");
}

static bool is_own_server(const struct edit_json *doc, uint32_t server, const char *program)
{
	json_auto_t *value = edit_json_value(doc, server);
	return setup_own_server(json_str(value, "command"), json_object_get(value, "args"), program);
}

/* Brings an entry of ours in line. What is not about how it is started stays as the user has it. */
static int mend_server(struct edit_json *doc, json_t *wanted, struct setup_said *said, struct error *err)
{
	static const char *const keys[] = {"type", "command", "alwaysLoad"};
	bool changed = false;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		json_t *value = json_object_get(wanted, keys[i]);
		uint32_t servers = edit_json_get(doc, edit_json_root(doc), "mcpServers");
		uint32_t server = edit_json_get(doc, servers, server_name);
		uint32_t there = edit_json_get(doc, server, keys[i]);
		json_auto_t *old = edit_json_value(doc, there);
		if (!value || json_equal(old, value) || (there && json_is_boolean(value)))
			continue;
		int r = there ? edit_json_set(doc, there, value, err)
			      : edit_json_add(doc, server, keys[i], value, err);
		if (r)
			return r;
		changed = true;
	}
	if (changed)
		setup_say(said, "server", "updated", "MCP server coppice");
	return 0;
}

static int apply_state(const struct setup_text *now, const struct setup_wish *wish, struct strbuf *ret,
		       struct setup_said *said, struct error *err)
{
	autoeditjson *doc = NULL;
	json_auto_t *wanted = claude_mcp_server(wish->program);
	int r = setup_parse(now, &doc, err);
	if (r)
		return r;
	uint32_t root = edit_json_root(doc), servers = edit_json_get(doc, root, "mcpServers");
	uint32_t server = edit_json_get(doc, servers, server_name);
	if (servers && !edit_json_is(doc, servers, EDIT_JSON_OBJECT))
		return error_set(err, ERR_INVALID, "%s:%d: mcpServers is no object", now->file,
				 edit_json_line(doc, servers));
	if (server && !is_own_server(doc, server, wish->program))
		return error_set(err, ERR_INVALID,
				 "%s:%d: an MCP server that is not this program has the name coppice",
				 now->file, edit_json_line(doc, server));
	json_auto_t *whole = json_pack("{s:O}", server_name, wanted);
	if (server)
		r = mend_server(doc, wanted, said, err);
	else if (servers)
		r = edit_json_add(doc, servers, server_name, wanted, err);
	else
		r = edit_json_add(doc, root, "mcpServers", whole, err);
	if (r)
		return r;
	if (!server)
		setup_say(said, "server", "added", "MCP server coppice");
	setup_note_loose(said, doc, "Claude Code");
	setup_give(doc, ret);
	return 0;
}

static int drop_state(const struct setup_text *now, const struct setup_text *before, const char *program,
		      struct strbuf *ret, struct setup_said *said, struct error *err)
{
	autoeditjson *doc = NULL, *old = NULL;
	int r = setup_parse(now, &doc, err);
	if (!r)
		r = setup_parse_before(before, &old, err);
	if (r)
		return r;
	uint32_t servers = edit_json_get(doc, edit_json_root(doc), "mcpServers");
	uint32_t server = edit_json_get(doc, servers, server_name);
	if (server && is_own_server(doc, server, program)) {
		r = edit_json_drop(doc, server, old, err);
		if (r)
			return r;
		setup_say(said, "server", "removed", "MCP server coppice");
	}
	setup_give(doc, ret);
	return 0;
}

static const struct setup_consent consents[] = {
	{SETUP_ALLOW_TOOLS, "tools", "permissions.allow \"" CLAUDE_ALLOW_TOOLS "\"",
	 "sessions use the mesh's tools (ask, ack, notify, jobs, …) without asking you each time", true},
	{SETUP_ALLOW_INBOX, "inbox", "crossSessionInbound \"accept\"",
	 "any process of yours may put messages into your sessions, into those that never ask for permission "
	 "too",
	 false},
	{0},
};

const struct setup_backend setup_claude_code = {
	.name = "claude-code",
	.program = "claude",
	.files = {{.kind = "settings",
		   .path = settings_path,
		   .hooks = true,
		   .apply = apply_settings,
		   .drop = drop_settings},
		  {.kind = "servers",
		   .path = state_path,
		   .folder_lock = true,
		   .apply = apply_state,
		   .drop = drop_state}},
	.consents = consents,
	.next = "sessions that run take up the hooks by themselves, and the tools when they are started anew",
};

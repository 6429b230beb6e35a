/* Tests of what each agent's files become, and that they become again what they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/codex.h"
#include "agent/setup_backend.h"
#include "base/json.h"
#include "base/sha256.h"
#include "os/testing.h"

enum { TEXT_MAX = 1 << 20 };

static const struct setup_file *file_of(const struct setup_backend *backend, const char *kind)
{
	for (size_t i = 0; i < SETUP_FILES_MAX; i++)
		if (backend->files[i].kind && strcmp(backend->files[i].kind, kind) == 0)
			return &backend->files[i];
	fail_msg("no file %s", kind);
	return NULL;
}

struct result {
	struct strbuf text;
	json_t *changes, *notes;
	struct error err;
	int code;
};

static void result_release(struct result *r)
{
	strbuf_release(&r->text);
	json_decref(r->changes);
	json_decref(r->notes);
	error_release(&r->err);
}

#define autoresult _cleanup_(result_release) struct result

static struct setup_text as_text(const char *text)
{
	return (struct setup_text){.file = "f", .text = text, .len = text ? strlen(text) : 0};
}

static struct result apply(const struct setup_file *file, const char *text, const char *program,
			   unsigned allow)
{
	struct result r = {.text = STRBUF_INIT(TEXT_MAX), .changes = json_array(), .notes = json_array()};
	struct setup_wish wish = {.program = program, .version = "2.1.330", .allow = allow};
	struct setup_text now = as_text(text);
	struct setup_said said = {r.changes, r.notes};
	r.code = file->apply(&now, &wish, &r.text, &said, &r.err);
	return r;
}

static struct result drop(const struct setup_file *file, const char *text, const char *before, bool known)
{
	struct result r = {.text = STRBUF_INIT(TEXT_MAX), .changes = json_array(), .notes = json_array()};
	struct setup_text now = as_text(text), old = as_text(before);
	struct setup_said said = {r.changes, r.notes};
	r.code = file->drop(&now, known ? &old : NULL, "/a/coppice", &r.text, &said, &r.err);
	return r;
}

static bool has_kind(const struct result *r, const char *kind)
{
	size_t i;
	json_t *change;
	json_array_foreach(r->changes, i, change)
	{
		if (strcmp(json_str(change, "kind"), kind) == 0)
			return true;
	}
	return false;
}

/* Files as they are met with. */
static const char *const json_corpus[] = {
	NULL,
	"",
	"\n",
	"{}",
	"{}\n",
	"{ }\n",
	"{\n}\n",
	"\xEF\xBB\xBF{\r\n\t\"model\": \"opus\"\r\n}\r\n",
	"{\"model\":\"opus\",\"hooks\":{\"Stop\":[{\"hooks\":[{\"type\":\"command\",\"command\":\"x\"}]}]}}",
	"{\n  // mine\n  \"permissions\": {\n    \"allow\": [\n      \"Bash(ls)\", // fine\n    ],\n  },\n  "
	"/* tail */\n}\n",
	"{\n    \"permissions\": {\"allow\": []},\n    \"crossSessionInbound\": \"hold\",\n    \"hooks\": "
	"{}\n}",
	"{\n\t\"permissions\": { },\n\t\"mcpServers\": {\n\t\t\"other\": {\"command\": \"y\"}\n\t}\n}\n",
	"{\"mcpServers\": {}, \"permissions\": {\"deny\": [\"mcp__coppice\"]}, \"disableAllHooks\": true}",
	"{\n  \"hooks\": {\n    \"Stop\": [\n      {\n        \"matcher\": \"*\",\n        \"hooks\": [\n"
	"          {\"type\": \"command\", \"command\": \"notify-send done\"} // bell\n        ]\n      }\n  "
	"  ]\n  }\n}\n",
	"{\n  \"permissions\": {\n    \"allow\": [\"mcp__coppice__*\"]\n  },\n  \"crossSessionInbound\": "
	"\"accept\"\n}\n",
};

static const char *const toml_corpus[] = {
	NULL,
	"",
	"model = \"x\"",
	"model = \"x\" # mine\n\n\n",
	"# a comment\r\nmodel = 'x'\r\n\r\n[mcp_servers.other]\r\ncommand = 'y'\r\nargs = [\r\n  "
	"'z',\r\n]\r\n",
	"[mcp_servers]\n[mcp_servers.other] # x\nurl = \"http://127.0.0.1\"\n",
	"[features]\nhooks = false\n[[skills.config]]\npath = \"a\"\n[[skills.config]]\npath = \"b\"\n",
	"instructions = \"\"\"\n[mcp_servers.coppice]\ncommand = 'no'\n\"\"\"\n[hooks.state]\n",
};

static void check_file(const struct setup_file *file, const char *text, unsigned allow)
{
	autoresult once = apply(file, text, "/a/coppice", allow);
	if (once.code)
		fail_msg("%s: %s: %s", file->kind, text, once.err.message);
	assert_true(json_array_size(once.changes) > 0);
	autoresult twice = apply(file, strbuf_str(&once.text), "/a/coppice", allow);
	assert_int_equal(twice.code, 0);
	assert_string_equal(strbuf_str(&twice.text), strbuf_str(&once.text));
	assert_int_equal(json_array_size(twice.changes), 0);
	autoresult back = drop(file, strbuf_str(&once.text), text, true);
	assert_int_equal(back.code, 0);
	if (strcmp(strbuf_str(&back.text), text ? text : "") != 0)
		fail_msg("%s: expected:\n%s\ngot:\n%s", file->kind, text, strbuf_str(&back.text));
	/* Another place of the program is set in place, and taken out all the same. */
	autoresult moved = apply(file, strbuf_str(&once.text), "/b b/coppice", allow);
	assert_int_equal(moved.code, 0);
	assert_null(strstr(strbuf_str(&moved.text), "/a/coppice"));
	autoresult again = drop(file, strbuf_str(&moved.text), text, true);
	assert_string_equal(strbuf_str(&again.text), text ? text : "");
}

static void test_X7_what_is_applied_comes_out_without_trace(void **state)
{
	(void)state;
	static const unsigned allows[] = {0, SETUP_ALLOW_TOOLS, SETUP_ALLOW_TOOLS | SETUP_ALLOW_INBOX};
	for (size_t k = 0; k < ARRAY_SIZE(allows); k++) {
		for (size_t i = 0; i < ARRAY_SIZE(json_corpus); i++) {
			check_file(file_of(&setup_claude_code, "settings"), json_corpus[i], allows[k]);
			check_file(file_of(&setup_claude_code, "servers"), json_corpus[i], allows[k]);
			check_file(file_of(&setup_codex, "hooks"), json_corpus[i], allows[k]);
		}
		for (size_t i = 0; i < ARRAY_SIZE(toml_corpus); i++)
			check_file(file_of(&setup_codex, "config"), toml_corpus[i], allows[k]);
	}
}

static void test_permissions_are_written_only_when_allowed(void **state)
{
	(void)state;
	const struct setup_file *settings = file_of(&setup_claude_code, "settings");
	const struct setup_file *config = file_of(&setup_codex, "config");
	autoresult plain = apply(settings, "{}", "/a/coppice", 0), codex = apply(config, "", "/a/coppice", 0);
	assert_null(strstr(strbuf_str(&plain.text), "permissions"));
	assert_null(strstr(strbuf_str(&plain.text), "crossSessionInbound"));
	assert_null(strstr(strbuf_str(&codex.text), "approval"));
	autoresult tools = apply(settings, "{}", "/a/coppice", SETUP_ALLOW_TOOLS);
	assert_non_null(strstr(strbuf_str(&tools.text), "\"allow\": [\n      \"mcp__coppice__*\"\n    ]"));
	assert_null(strstr(strbuf_str(&tools.text), "crossSessionInbound"));
	assert_true(has_kind(&tools, "tools"));
	autoresult approve = apply(config, strbuf_str(&codex.text), "/a/coppice", SETUP_ALLOW_TOOLS);
	assert_non_null(strstr(strbuf_str(&approve.text), "default_tools_approval_mode = \"approve\"\n"));
	/* what was allowed once stays when it is not asked for again */
	autoresult kept = apply(config, strbuf_str(&approve.text), "/a/coppice", 0);
	assert_string_equal(strbuf_str(&kept.text), strbuf_str(&approve.text));
	/* another rule that means the same */
	autoresult same = apply(settings, "{\"permissions\": {\"allow\": [\"mcp__coppice\"]}}", "/a/coppice",
				SETUP_ALLOW_TOOLS);
	assert_false(has_kind(&same, "tools"));
}

static void test_the_servers_entry_is_what_claude_reads(void **state)
{
	(void)state;
	autoresult r = apply(file_of(&setup_claude_code, "servers"), "{\n  \"numStartups\": 3\n}\n",
			     "/a/coppice", 0);
	assert_string_equal(
		strbuf_str(&r.text),
		"{\n  \"numStartups\": 3,\n  \"mcpServers\": {\n    \"coppice\": {\n"
		"      \"type\": \"stdio\",\n      \"command\": \"/a/coppice\",\n      \"args\": [\n"
		"        \"mcp\"\n      ],\n      \"alwaysLoad\": true\n    }\n  }\n}\n");
}

static void test_the_users_own_changes_to_our_entries_stay(void **state)
{
	(void)state;
	autoresult r =
		apply(file_of(&setup_claude_code, "servers"),
		      "{\"mcpServers\": {\"coppice\": {\"command\": \"/old/coppice\", \"args\": [\"mcp\", "
		      "\"--tools\"], \"env\": {\"A\": \"b\"}, \"alwaysLoad\": false}}}",
		      "/a/coppice", 0);
	assert_string_equal(strbuf_str(&r.text),
			    "{\"mcpServers\": {\"coppice\": {\"command\": \"/a/coppice\", \"args\": "
			    "[\"mcp\", \"--tools\"], "
			    "\"env\": {\"A\": \"b\"}, \"alwaysLoad\": false, \"type\": \"stdio\"}}}");
	autoresult t = apply(file_of(&setup_codex, "config"),
			     "[mcp_servers.coppice]\ncommand = '/old/coppice' # x\nargs = ['mcp', '-v']\n"
			     "tool_timeout_sec = 30\nenv_vars = ['TMUX', 'MINE']\n[z]\n",
			     "/a/coppice", 0);
	assert_non_null(strstr(strbuf_str(&t.text), "command = \"/a/coppice\" # x\n"));
	assert_non_null(strstr(strbuf_str(&t.text), "args = ['mcp', '-v']\n"));
	assert_non_null(strstr(strbuf_str(&t.text), "tool_timeout_sec = 30\n"));
	assert_non_null(strstr(strbuf_str(&t.text), "env_vars = [\"TMUX\", \"MINE\", \"COPPICE\", "));
	assert_non_null(strstr(strbuf_str(&t.text), "startup_timeout_sec = 20\n[z]\n"));
}

static void test_what_is_not_understood_is_refused(void **state)
{
	(void)state;
	static const struct {
		const struct setup_backend *backend;
		const char *kind, *text, *says;
	} cases[] = {
		{&setup_claude_code, "settings", "{\n\"a\": }", "f:2: "},
		{&setup_claude_code, "settings", "[]", "f:1: the file holds no object"},
		{&setup_claude_code, "settings", "{\"permissions\": {\"allow\":\n\"x\"}}", "is no list"},
		{&setup_claude_code, "settings", "{\"permissions\": []}", "is no list"},
		{&setup_claude_code, "servers", "{\"mcpServers\": []}", "mcpServers is no object"},
		{&setup_claude_code, "servers", "{\"mcpServers\": {\n\"coppice\": {\"command\": \"env\"}}}",
		 "f:2: an MCP server that is not this program"},
		{&setup_codex, "config", "mcp_servers = {}\n",
		 "f:1: an MCP server is not a table of its own"},
		{&setup_codex, "config", "\nmcp_servers.x.command = 'y'\n",
		 "f:2: an MCP server is not a table"},
		{&setup_codex, "config", "[mcp_servers]\ncoppice = {command = 'y'}\n",
		 "f:2: an MCP server is not"},
		{&setup_codex, "config", "[[mcp_servers.x]]\n", "list of tables"},
		{&setup_codex, "config", "[mcp_servers.coppice]\ncommand = 'y'\n",
		 "f:1: an MCP server that is not"},
		{&setup_codex, "config", "[mcp_servers.coppice.env]\nA = 'y'\n", "has no table"},
		{&setup_codex, "config", "a = 1\na = 2\n", "f:2: this key stands twice"},
		{&setup_codex, "hooks", "{\"hooks\": []}", "hooks is no object"},
		{&setup_codex, "hooks", "3", "holds no object"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoresult r = apply(file_of(cases[i].backend, cases[i].kind), cases[i].text, "/a/coppice",
				     SETUP_ALLOW_TOOLS);
		if (r.code != ERR_INVALID || !strstr(r.err.message, cases[i].says))
			fail_msg("%s: %s", cases[i].text, r.err.message ? r.err.message : "accepted");
	}
}

static void test_what_hinders_is_noted(void **state)
{
	(void)state;
	autoresult off =
		apply(file_of(&setup_claude_code, "settings"),
		      "{\"disableAllHooks\": true, \"permissions\": {\"deny\": [\"mcp__coppice__*\"]}}",
		      "/a/coppice", 0);
	assert_int_equal(json_array_size(off.notes), 2);
	autoresult codex =
		apply(file_of(&setup_codex, "config"), "features = {hooks = false}\n", "/a/coppice", 0);
	assert_int_equal(codex.code, 0);
	autoresult table =
		apply(file_of(&setup_codex, "config"), "[features]\nhooks = false\n", "/a/coppice", 0);
	assert_int_equal(json_array_size(table.notes), 1);
	/* Both leave a file with comments out of account, as a whole. */
	static const char *const kinds[] = {"settings", "servers"};
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		autoresult r = apply(file_of(&setup_claude_code, kinds[i]), "{\n// x\n}", "/a/coppice", 0);
		assert_non_null(strstr(json_string_value(json_array_get(r.notes, 0)),
				       "f:2: Claude Code takes no comments"));
	}
	autoresult bom = apply(file_of(&setup_codex, "hooks"), "\xEF\xBB\xBF{/**/}", "/a/coppice", 0);
	assert_int_equal(json_array_size(bom.notes), 2);
}

/* Without knowing what was there before: entries that run us go, permissions may be the user's own. */
static void test_entries_of_older_setups_are_taken_out(void **state)
{
	(void)state;
	autoresult s = drop(
		file_of(&setup_claude_code, "settings"),
		"{\"permissions\": {\"allow\": [\"mcp__coppice__*\"]}, \"hooks\": {\"Stop\": [{\"hooks\": "
		"[{\"command\": \"/old/coppice hook stop\"}]}]}}",
		NULL, false);
	assert_string_equal(strbuf_str(&s.text), "{\"permissions\": {\"allow\": [\"mcp__coppice__*\"]}}");
	assert_int_equal(json_array_size(s.notes), 1);
	autoresult m =
		drop(file_of(&setup_claude_code, "servers"),
		     "{\"mcpServers\": {\"coppice\": {\"command\": \"/old/coppice\", \"args\": [\"mcp\"]}, "
		     "\"x\": {}}}",
		     NULL, false);
	assert_string_equal(strbuf_str(&m.text), "{\"mcpServers\": {\"x\": {}}}");
	autoresult c =
		drop(file_of(&setup_codex, "config"),
		     "[mcp_servers.coppice]\ncommand = 'coppice'\nargs = ['mcp', '--x']\n", NULL, false);
	assert_string_equal(strbuf_str(&c.text), "");
	/* not ours */
	static const char foreign[] =
		"{\"mcpServers\": {\"coppice\": {\"command\": \"env\", \"args\": [\"mcp\"]}}}";
	autoresult f = drop(file_of(&setup_claude_code, "servers"), foreign, NULL, false);
	assert_string_equal(strbuf_str(&f.text), foreign);
}

static void test_paths_follow_the_environment(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autofree char *config = path_join(folder, "config");
	assert_int_equal(setenv("HOME", folder, 1), 0);
	unsetenv("CLAUDE_CONFIG_DIR");
	unsetenv("CODEX_HOME");
	autofree char *state_file = file_of(&setup_claude_code, "servers")->path();
	autofree char *expected = path_join(folder, ".claude.json");
	assert_string_equal(state_file, expected);
	assert_int_equal(setenv("CLAUDE_CONFIG_DIR", config, 1), 0);
	assert_int_equal(setenv("CODEX_HOME", config, 1), 0);
	assert_int_equal(dir_make(config, 0700, NULL), 0);
	autofree char *moved = file_of(&setup_claude_code, "servers")->path();
	autofree char *there = path_join(config, ".claude.json"), *legacy = path_join(config, ".config.json");
	assert_string_equal(moved, there);
	assert_int_equal(file_replace(legacy, "{}", 2, 0600, NULL), 0);
	autofree char *old = file_of(&setup_claude_code, "servers")->path();
	assert_string_equal(old, legacy);
	autofree char *codex = file_of(&setup_codex, "config")->path();
	autofree char *toml = path_join(config, "config.toml");
	assert_string_equal(codex, toml);
	unsetenv("CLAUDE_CONFIG_DIR");
	unsetenv("CODEX_HOME");
	assert_int_equal(setenv("HOME", "nowhere", 1), 0);
	assert_null(file_of(&setup_codex, "hooks")->path());
}

/* A hash that Codex itself wrote for this command. */
static void test_codex_trust_is_read_not_written(void **state)
{
	(void)state;
	static const char hooks[] =
		"{\"hooks\": {\"Stop\": [{\"hooks\": [{\"type\": \"command\", \"command\": \"x\"}]}, "
		"{\"hooks\": "
		"[{\"type\": \"command\", \"command\": \"coppice hook Stop\", \"timeout\": 10}]}]}}";
	static const struct {
		const char *record, *is;
	} cases[] = {
		{"", "unknown"},
		{"[hooks.state.\"f:stop:1:0\"]\ntrusted_hash = "
		 "\"sha256:0dd7f6dc51ffb6ba5a5a8e1f2f14bd55d6a1b2d7a7b3b9df8db78bea4d2dbd6b\"\n",
		 "changed"},
		{"[hooks.state.\"f:stop:0:0\"]\ntrusted_hash = \"sha256:0\"\n", "unknown"},
		{"[hooks.state.\"f:stop:1:0\"]\nenabled = false\n", "off"},
		{"[hooks.state.\"f:stop:1:0\"]\ntrusted_hash = "
		 "\"sha256:a9b8c98f38e8efb643d8d31aaf8c6f6f5a7924411dd38e02fa1755362903ddb8\"\n",
		 "trusted"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct setup_text texts[SETUP_FILES_MAX] = {as_text(cases[i].record), as_text(hooks)};
		json_auto_t *counts = setup_codex.trust(texts, NULL);
		if (json_int(counts, cases[i].is, 0) != 1)
			fail_msg("%s", cases[i].record);
	}
}

/* Writes what a file becomes into the home. */
static void write_applied(const struct setup_file *file, const char *program, unsigned allow)
{
	autoresult r = apply(file, "", program, allow);
	autofree char *path = file->path();
	autofree char *dir = xstrndup(path, (size_t)(path_base(path) - path));
	assert_int_equal(r.code, 0);
	assert_int_equal(dir_make(dir, 0700, NULL), 0);
	assert_int_equal(file_replace(path, strbuf_str(&r.text), r.text.len, 0600, NULL), 0);
}

/* The records by which Codex would say that the user has trusted all of the hooks. */
static void write_trust(const char *program)
{
	autofree char *hooks_file = file_of(&setup_codex, "hooks")->path();
	autofree char *config_file = file_of(&setup_codex, "config")->path();
	autostrbuf config = STRBUF_INIT(TEXT_MAX);
	json_auto_t *hooks = codex_hooks(program, "2.1.330");
	const char *event;
	json_t *groups;
	assert_int_equal(file_read(config_file, &config, NULL), 0);
	json_object_foreach(hooks, event, groups)
	{
		char name[64], hash[SHA256_HEX_SIZE];
		size_t n = 0;
		for (const char *p = event; *p; p++) {
			if (p > event && *p >= 'A' && *p <= 'Z')
				name[n++] = '_';
			name[n++] = (char)(*p | 0x20);
		}
		name[n] = '\0';
		json_auto_t *hook = json_deep_copy(
			json_array_get(json_object_get(json_array_get(groups, 0), "hooks"), 0));
		json_object_set_new(hook, "async", json_false());
		json_auto_t *all = json_pack("{s:s, s:[O]}", "event_name", name, "hooks", hook);
		autofree char *text = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
		sha256_hex(text, strlen(text), hash);
		strbuf_addf(&config, "\n[hooks.state.\"%s:%s:0:0\"]\ntrusted_hash = \"sha256:%s\"\n",
			    hooks_file, name, hash);
	}
	assert_int_equal(file_replace(config_file, strbuf_str(&config), config.len, 0600, NULL), 0);
}

static void test_what_is_settled_needs_nothing_at_the_start(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autofree char *program = path_join(folder, "bin/coppice"), *link = path_join(folder, "coppice");
	autofree char *bin = path_join(folder, "bin"), *other = path_join(folder, "other/coppice");
	assert_int_equal(setenv("HOME", folder, 1), 0);
	unsetenv("CLAUDE_CONFIG_DIR");
	unsetenv("CODEX_HOME");
	assert_int_equal(dir_make(bin, 0700, NULL), 0);
	assert_int_equal(file_replace(program, "", 0, 0700, NULL), 0);
	assert_int_equal(symlink(program, link), 0);
	assert_false(setup_settled("claude-code", program, NULL));
	assert_false(setup_settled("script", program, NULL));
	write_applied(file_of(&setup_claude_code, "settings"), link, SETUP_ALLOW_TOOLS);
	assert_false(setup_settled("claude-code", program, NULL)); /* the server is missing */
	write_applied(file_of(&setup_claude_code, "servers"), link, 0);
	assert_true(setup_settled("claude-code", program, NULL)); /* by its other name */
	assert_true(setup_settled("claude-code", link, NULL));
	assert_false(setup_settled("claude-code", other, NULL));
	json_auto_t *env = json_pack("{s:s}", "CLAUDE_CONFIG_DIR", "/x"),
		    *plain = json_pack("{s:s}", "A", "b");
	assert_false(setup_settled("claude-code", program, env));
	assert_true(setup_settled("claude-code", program, plain));
	write_applied(file_of(&setup_claude_code, "settings"), link, 0);
	assert_false(setup_settled("claude-code", program, NULL)); /* its tools would be asked about */
	write_applied(file_of(&setup_codex, "config"), program, SETUP_ALLOW_TOOLS);
	write_applied(file_of(&setup_codex, "hooks"), program, 0);
	assert_false(setup_settled("codex", program, NULL)); /* its hooks would not run */
	write_trust(program);
	assert_true(setup_settled("codex", program, NULL));
	/* Codex notes where its folder leads. */
	autofree char *codex = path_join(folder, ".codex"), *moved = path_join(folder, "moved");
	autofree char *name = path_join(folder, "name");
	assert_int_equal(symlink(codex, name), 0);
	assert_int_equal(setenv("CODEX_HOME", name, 1), 0);
	assert_true(setup_settled("codex", program, NULL));
	assert_int_equal(rename(codex, moved), 0);
	assert_false(setup_settled("codex", program, NULL));
	unsetenv("CODEX_HOME");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_X7_what_is_applied_comes_out_without_trace),
		cmocka_unit_test(test_permissions_are_written_only_when_allowed),
		cmocka_unit_test(test_the_servers_entry_is_what_claude_reads),
		cmocka_unit_test(test_the_users_own_changes_to_our_entries_stay),
		cmocka_unit_test(test_what_is_not_understood_is_refused),
		cmocka_unit_test(test_what_hinders_is_noted),
		cmocka_unit_test(test_entries_of_older_setups_are_taken_out),
		cmocka_unit_test(test_paths_follow_the_environment),
		cmocka_unit_test(test_codex_trust_is_read_not_written),
		cmocka_unit_test(test_what_is_settled_needs_nothing_at_the_start),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

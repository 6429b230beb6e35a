/* Tests of setting up and taking back, on files in a home of their own: whatever the user's files are, they
 * are again what they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/setup.h"
#include "cli/setup_config.h"
#include "cli/setup_manifest.h"
#include "cli/text_diff.h"
#include "os/testing.h"

static const struct setup_agent agent = {.program = (char[]){"/usr/bin/agent"},
					 .version = (char[]){"2.1.330"}};

static void set_path(const char *variable, const char *folder, const char *name)
{
	autofree char *path = path_join(folder, name);
	assert_int_equal(setenv(variable, path, 1), 0);
}

/* A home without any of the agents' files. */
static char *home_make(void)
{
	char *folder = test_folder_make();
	set_path("HOME", folder, "home");
	unsetenv("CLAUDE_CONFIG_DIR");
	unsetenv("CODEX_HOME");
	autofree char *home = path_join(folder, "home");
	assert_int_equal(dir_make(home, 0700, NULL), 0);
	return folder;
}

/* Writes home/NAME; NULL: it is not to be there. */
static void put(const char *folder, const char *name, const char *text)
{
	autofree char *path = xasprintf("%s/home/%s", folder, name);
	autofree char *dir = xstrndup(path, (size_t)(path_base(path) - path));
	if (!text) {
		(void)unlink(path);
		return;
	}
	assert_int_equal(dir_make(dir, 0700, NULL), 0);
	assert_int_equal(file_replace(path, text, strlen(text), 0640, NULL), 0);
}

/* The text of home/NAME; NULL if it is not there. Caller frees. */
static char *get(const char *folder, const char *name)
{
	autofree char *path = xasprintf("%s/home/%s", folder, name);
	autostrbuf text = STRBUF_INIT(1 << 20);
	int r = file_read(path, &text, NULL);
	return r ? NULL : strbuf_detach(&text);
}

static void assert_text(const char *folder, const char *name, const char *expected)
{
	autofree char *text = get(folder, name);
	if (!text != !expected || (text && strcmp(text, expected) != 0))
		fail_msg("%s: expected:\n%s\ngot:\n%s", name, expected ? expected : "(none)",
			 text ? text : "(none)");
}

static json_t *set_up(const char *folder, const struct setup_backend *backend, const char *program,
		      unsigned allow)
{
	autofree char *state = path_join(folder, "state");
	struct setup_options o = {.home = state, .program = program, .allow = allow};
	autoerror err = {0};
	json_t *report = NULL;
	if (setup_apply(backend, &agent, &o, &report, &err))
		fail_msg("%s", err.message);
	return report;
}

static int refused(const char *folder, const struct setup_backend *backend, struct error *err)
{
	autofree char *state = path_join(folder, "state");
	struct setup_options o = {.home = state, .program = "/a/coppice"};
	json_auto_t *report = NULL;
	return setup_apply(backend, &agent, &o, &report, err);
}

static json_t *take_back(const char *folder)
{
	autofree char *state = path_join(folder, "state");
	autoerror err = {0};
	json_t *report = NULL;
	if (setup_take_back(state, false, &report, &err))
		fail_msg("%s", err.message);
	return report;
}

/* The state of the file that ends in NAME. */
static const char *state_of(const json_t *report, const char *name)
{
	size_t i;
	json_t *file;
	json_array_foreach(json_object_get(report, "files"), i, file)
	{
		if (strcmp(path_base(json_str(file, "path")), name) == 0)
			return json_str(file, "state");
	}
	return "none";
}

static int count_one(const char *name, int type, void *data, struct error *err)
{
	(void)name;
	(void)type;
	(void)err;
	++*(int *)data;
	return 0;
}

static int count_backups(const char *folder)
{
	autofree char *dir = path_join(folder, "state/backup");
	int n = 0;
	int r = dir_each(dir, count_one, &n, NULL);
	assert_true(r == 0 || r == ERR_NOT_FOUND);
	return n;
}

static const char *const names[] = {".claude/settings.json", ".claude.json", ".codex/config.toml",
				    ".codex/hooks.json"};

static const char *const corpus[][ARRAY_SIZE(names)] = {
	{NULL, NULL, NULL, NULL},
	{"", "", "", ""},
	{"{}", "{}", "\n", "{ }"},
	{"{\r\n\t\"model\": \"opus\",\r\n\t\"permissions\": {\"allow\": [\"Bash\"]}\r\n}\r\n",
	 "{\"numStartups\":3,\"mcpServers\":{\"other\":{\"command\":\"x\"}}}", "model = 'x'",
	 "{\"hooks\":{\"Stop\":[{\"hooks\":[{\"type\":\"command\",\"command\":\"y\"}]}]}}\n"},
	{"{\n  // mine\n  \"hooks\": {\n    \"Stop\": [\n      {\"hooks\": [{\"type\": \"command\", "
	 "\"command\": \"z\"}]},\n"
	 "    ],\n  },\n}\n",
	 NULL, "# top\r\n[mcp_servers.other]\r\nurl = \"u\"\r\n", NULL},
	{"\xEF\xBB\xBF{ \"crossSessionInbound\": \"hold\" }", "{\n    \"mcpServers\": { }\n}", NULL,
	 "{\"hooks\": {}}"},
};

static void check_corpus(unsigned allow)
{
	for (size_t i = 0; i < ARRAY_SIZE(corpus); i++) {
		autofolder folder = home_make();
		for (size_t k = 0; k < ARRAY_SIZE(names); k++)
			put(folder, names[k], corpus[i][k]);
		char *written[ARRAY_SIZE(names)] = {0};
		json_auto_t *a = set_up(folder, &setup_claude_code, "/a/coppice", allow);
		json_auto_t *b = set_up(folder, &setup_codex, "/a/coppice", allow);
		assert_true(json_bool(a, "changed", false) && json_bool(b, "changed", false));
		for (size_t k = 0; k < ARRAY_SIZE(names); k++)
			written[k] = get(folder, names[k]);
		int backups = count_backups(folder);
		json_auto_t *c = set_up(folder, &setup_claude_code, "/a/coppice", allow);
		json_auto_t *d = set_up(folder, &setup_codex, "/a/coppice", allow);
		assert_true(!json_bool(c, "changed", true) && !json_bool(d, "changed", true));
		assert_int_equal(count_backups(folder), backups);
		for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
			assert_non_null(written[k]);
			assert_text(folder, names[k], written[k]);
			free(written[k]);
		}
		json_decref(set_up(folder, &setup_claude_code, "/b/coppice", allow));
		json_decref(set_up(folder, &setup_codex, "/b/coppice", allow));
		assert_int_equal(count_backups(folder), backups);
		json_auto_t *report = take_back(folder);
		for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
			assert_text(folder, names[k], corpus[i][k]);
			assert_string_equal(state_of(report, path_base(names[k])),
					    corpus[i][k] ? "restored" : "removed");
		}
		autofree char *manifest = path_join(folder, "state/setup.json");
		assert_int_equal(access(manifest, F_OK), -1);
	}
}

static void test_X7_after_uninstall_every_file_is_byte_for_byte_as_before(void **state)
{
	(void)state;
	check_corpus(0);
	check_corpus(SETUP_ALLOW_TOOLS | SETUP_ALLOW_INBOX);
}

static void test_X7_what_the_user_edits_in_the_meantime_stays(void **state)
{
	(void)state;
	autofolder folder = home_make();
	put(folder, names[0], "{\n  \"model\": \"opus\"\n}\n");
	put(folder, names[2], "model = 'x'\n");
	json_decref(set_up(folder, &setup_claude_code, "/a/coppice", SETUP_ALLOW_TOOLS));
	json_decref(set_up(folder, &setup_codex, "/a/coppice", 0));
	/* The user's edits: one value, a rule, a comment; a table and a key. */
	autofree char *settings = get(folder, names[0]), *config = get(folder, names[2]);
	char *model = strstr(settings, "opus"), *rule = strstr(settings, "\"mcp__coppice__*\"");
	autofree char *edited =
		xasprintf("%.*shaiku%.*s\"Bash(ls)\", // mine\n      %s", (int)(model - settings), settings,
			  (int)(rule - model - 4), model + 4, rule);
	autofree char *more = xasprintf("y = 2\n%s\n[z]\na = 1\n", config);
	put(folder, names[0], edited);
	put(folder, names[2], more);
	/* Claude Code writes its own state in its own way. */
	put(folder, names[1],
	    "{\"numStartups\":1,\"mcpServers\":{\"coppice\":{\"type\":\"stdio\",\"command\":"
	    "\"/a/coppice\",\"args\":[\"mcp\"],\"alwaysLoad\":true}},\"projects\":{}}");
	json_auto_t *report = take_back(folder);
	assert_text(folder, names[0],
		    "{\n  \"model\": \"haiku\",\n  \"permissions\": {\n    \"allow\": [\n      \"Bash(ls)\" "
		    "// mine\n"
		    "    ]\n  }\n}\n");
	assert_text(folder, names[1], "{\"numStartups\":1,\"projects\":{}}");
	assert_text(folder, names[2], "y = 2\nmodel = 'x'\n\n[z]\na = 1\n");
	assert_string_equal(state_of(report, "settings.json"), "edited");
	assert_string_equal(state_of(report, "config.toml"), "edited");
}

/* A second setup after the user's edits: it is these that come back. */
static void test_X7_edits_between_two_setups_are_what_comes_back(void **state)
{
	(void)state;
	autofolder folder = home_make();
	put(folder, names[0], "{}");
	json_decref(set_up(folder, &setup_claude_code, "/a/coppice", 0));
	autofree char *first = get(folder, names[0]);
	autofree char *edited = xasprintf("{\n  \"mine\": 1,%s", first + 1);
	put(folder, names[0], edited);
	json_auto_t *b = set_up(folder, &setup_claude_code, "/b/coppice", 0);
	assert_string_equal(state_of(b, "settings.json"), "changed");
	json_auto_t *report = take_back(folder);
	assert_text(folder, names[0], "{\n  \"mine\": 1\n}");
	assert_string_equal(state_of(report, "settings.json"), "restored");
}

/* As if the machine had stopped after the first file was written. */
static void test_X7_a_setup_that_was_cut_off_is_finished_or_undone(void **state)
{
	(void)state;
	for (int undo = 0; undo <= 1; undo++) {
		autofolder folder = home_make();
		put(folder, names[0], "{\"a\": 1}");
		put(folder, names[1], "{\"b\": 2}");
		json_decref(set_up(folder, &setup_claude_code, "/a/coppice", 0));
		put(folder, names[1], "{\"b\": 2}");
		put(folder, "..claude.json.coppice-new", "{");
		json_decref(undo ? NULL : set_up(folder, &setup_claude_code, "/a/coppice", 0));
		json_auto_t *report = take_back(folder);
		assert_text(folder, names[0], "{\"a\": 1}");
		assert_text(folder, names[1], "{\"b\": 2}");
		assert_text(folder, "..claude.json.coppice-new", NULL);
		assert_string_equal(state_of(report, ".claude.json"), undo ? "unchanged" : "restored");
	}
}

static void test_a_file_that_cannot_be_written_leaves_the_others_alone(void **state)
{
	(void)state;
	autofolder folder = home_make();
	autoerror err = {0};
	put(folder, names[0], "{}");
	put(folder, names[1], "{}");
	autofree char *file = xasprintf("%s/home/%s", folder, names[1]);
	assert_int_equal(chmod(file, 0400), 0);
	assert_int_equal(refused(folder, &setup_claude_code, &err), ERR_REFUSED);
	assert_non_null(strstr(err.message, "read-only"));
	assert_non_null(err.hint);
	assert_text(folder, names[0], "{}");
	autofree char *manifest = path_join(folder, "state/setup.json");
	assert_int_equal(access(manifest, F_OK), -1);
}

static void test_what_is_not_understood_is_left_alone_and_shown(void **state)
{
	(void)state;
	autofolder folder = home_make();
	autoerror err = {0};
	put(folder, names[0], "{}");
	put(folder, names[1], "{\n\"mcpServers\": {\n\"coppice\": 1}}");
	assert_int_equal(refused(folder, &setup_claude_code, &err), ERR_INVALID);
	autofree char *place = xasprintf("%s/home/.claude.json:3: ", folder);
	assert_non_null(strstr(err.message, place));
	assert_non_null(strstr(json_str(err.details, "by_hand"), "\"mcpServers\": {\n    \"coppice\": {\n"));
	assert_text(folder, names[0], "{}");
	put(folder, names[2], "mcp_servers = { x = {} }\n");
	assert_int_equal(refused(folder, &setup_codex, &err), ERR_INVALID);
	assert_non_null(strstr(json_str(err.details, "by_hand"),
			       "[mcp_servers.coppice]\ncommand = \"/a/coppice\"\n"));
	assert_text(folder, names[3], NULL);
}

static void test_a_link_stays_one_and_the_mode_too(void **state)
{
	(void)state;
	autofolder folder = home_make();
	put(folder, "dotfiles/claude.json", "{}\n");
	put(folder, ".claude/x", "");
	autofree char *link = xasprintf("%s/home/%s", folder, names[0]);
	assert_int_equal(symlink("../dotfiles/claude.json", link), 0);
	json_decref(set_up(folder, &setup_claude_code, "/a/coppice", 0));
	struct stat st;
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(link, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	json_decref(take_back(folder));
	assert_text(folder, "dotfiles/claude.json", "{}\n");
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
}

static void test_folders_that_were_made_go_again(void **state)
{
	(void)state;
	autofolder folder = home_make();
	set_path("CODEX_HOME", folder, "home/deep/er/codex");
	json_decref(set_up(folder, &setup_codex, "/a/coppice", 0));
	json_decref(take_back(folder));
	autofree char *deep = path_join(folder, "home/deep");
	assert_int_equal(access(deep, F_OK), -1);
	unsetenv("CODEX_HOME");
}

static void test_entries_without_a_record_are_taken_out(void **state)
{
	(void)state;
	autofolder folder = home_make();
	put(folder, names[0],
	    "{\"a\": 1, \"hooks\": {\"Stop\": [{\"hooks\": [{\"command\": \"/x/coppice hook Stop\"}]}]}}");
	put(folder, names[2], "[mcp_servers.coppice]\ncommand = \"/x/coppice\"\nargs = [\"mcp\"]\n");
	put(folder, names[3], "{\"not\": \"ours\"}");
	json_auto_t *report = take_back(folder);
	assert_text(folder, names[0], "{\"a\": 1}");
	assert_text(folder, names[2], "");
	assert_text(folder, names[3], "{\"not\": \"ours\"}");
	assert_string_equal(state_of(report, "hooks.json"), "none");
	/* They are not what comes back either. */
	put(folder, names[0],
	    "{\"a\": 1, \"hooks\": {\"Stop\": [{\"hooks\": [{\"command\": \"/x/coppice hook Stop\"}]}]}}");
	json_decref(set_up(folder, &setup_claude_code, "/a/coppice", 0));
	json_decref(take_back(folder));
	assert_text(folder, names[0], "{\"a\": 1}");
}

static void test_a_file_that_cannot_be_mended_does_not_keep_the_others(void **state)
{
	(void)state;
	autofolder folder = home_make();
	put(folder, names[0], "{}");
	put(folder, names[1], "{}");
	json_decref(set_up(folder, &setup_claude_code, "/a/coppice", 0));
	put(folder, names[0], "{ broken");
	json_auto_t *report = take_back(folder);
	assert_string_equal(state_of(report, "settings.json"), "failed");
	assert_text(folder, names[0], "{ broken");
	assert_text(folder, names[1], "{}");
	/* It is remembered until it is done. */
	put(folder, names[0], "{}");
	json_auto_t *again = take_back(folder);
	assert_string_equal(state_of(again, "settings.json"), "unchanged");
}

static void test_a_copy_that_is_damaged_is_not_put_back(void **state)
{
	(void)state;
	autofolder folder = home_make();
	put(folder, names[3], "{\"mine\": 1}");
	json_auto_t *a = set_up(folder, &setup_codex, "/a/coppice", 0);
	const json_t *files = json_object_get(a, "files");
	const char *backup = json_str(json_array_get(files, 1), "backup");
	assert_non_null(backup);
	assert_int_equal(file_replace(backup, "{\"evil\": 1}", 11, 0600, NULL), 0);
	json_auto_t *report = take_back(folder);
	assert_text(folder, names[3], "{\"mine\": 1}");
	assert_string_equal(state_of(report, "hooks.json"), "edited");
}

static void test_copies_are_the_users_alone(void **state)
{
	(void)state;
	autofolder folder = home_make();
	put(folder, names[1], "{\"secret\": 1}");
	json_auto_t *a = set_up(folder, &setup_claude_code, "/a/coppice", 0);
	const char *backup = json_str(json_array_get(json_object_get(a, "files"), 1), "backup");
	struct stat st;
	assert_int_equal(stat(backup, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	json_auto_t *edited = setup_edited(strndupa(backup, (size_t)(strstr(backup, "/backup/") - backup)));
	assert_int_equal(json_array_size(edited), 2);
	assert_string_equal(json_str(json_array_get(edited, 1), "what"), "MCP server coppice");
}

static bool say_yes(const struct setup_backend *backend, const struct setup_consent *consent, void *data)
{
	(void)backend;
	assert_true(consent->asked);
	++*(int *)data;
	return true;
}

static void test_the_user_is_asked_once_and_only_for_what_is_not_set(void **state)
{
	(void)state;
	autofolder folder = home_make();
	autofree char *dir = path_join(folder, "state");
	int asked = 0;
	struct setup_options o = {.home = dir, .program = "/a/coppice", .ask = say_yes, .data = &asked};
	for (int i = 0; i < 2; i++) {
		json_auto_t *a = NULL, *b = NULL;
		assert_int_equal(setup_apply(&setup_claude_code, &agent, &o, &a, NULL), 0);
		assert_int_equal(setup_apply(&setup_codex, &agent, &o, &b, NULL), 0);
		assert_int_equal(asked, 2);
	}
	autofree char *settings = get(folder, names[0]), *config = get(folder, names[2]);
	assert_non_null(strstr(settings, "mcp__coppice__*"));
	assert_null(strstr(settings, "crossSessionInbound"));
	assert_non_null(strstr(config, "approval_mode"));
}

static bool edit_and_say_yes(const struct setup_backend *backend, const struct setup_consent *consent,
			     void *data)
{
	(void)backend;
	(void)consent;
	put(data, names[0], "{\n  \"late\": 1\n}\n");
	return true;
}

/* While the user thinks about the answer, the file changes: it is read anew, and nobody is asked again. */
static void test_a_change_in_the_meantime_is_merged_with(void **state)
{
	(void)state;
	autofolder folder = home_make();
	autofree char *dir = path_join(folder, "state");
	put(folder, names[0], "{}");
	struct setup_options o = {
		.home = dir, .program = "/a/coppice", .ask = edit_and_say_yes, .data = folder};
	json_auto_t *report = NULL;
	assert_int_equal(setup_apply(&setup_claude_code, &agent, &o, &report, NULL), 0);
	autofree char *text = get(folder, names[0]);
	assert_non_null(strstr(text, "{\n  \"late\": 1,\n  \"hooks\": {\n"));
	assert_non_null(strstr(text, "mcp__coppice__*"));
	json_auto_t *back = take_back(folder);
	assert_text(folder, names[0], "{\n  \"late\": 1\n}\n");
	assert_string_equal(state_of(back, "settings.json"), "restored");
}

static void test_a_dry_run_writes_nothing_and_shows_the_lines(void **state)
{
	(void)state;
	autofolder folder = home_make();
	autofree char *dir = path_join(folder, "state");
	put(folder, names[1], "{\n  \"a\": 1\n}\n");
	struct setup_options o = {.home = dir, .program = "/a/coppice", .dry_run = true};
	json_auto_t *report = NULL;
	assert_int_equal(setup_apply(&setup_claude_code, &agent, &o, &report, NULL), 0);
	const json_t *files = json_object_get(report, "files");
	const char *diff = json_str(json_array_get(files, 1), "diff");
	assert_non_null(strstr(diff, "@@ line 1 @@\n {\n-  \"a\": 1\n+  \"a\": 1,\n+  \"mcpServers\": {\n"));
	assert_text(folder, names[1], "{\n  \"a\": 1\n}\n");
	assert_text(folder, names[0], NULL);
	assert_int_equal(access(dir, F_OK), -1);
}

static void test_lines_of_the_configuration(void **state)
{
	(void)state;
	autofolder folder = home_make();
	autofree char *file = path_join(folder, "config/config.yaml"),
		      *work = path_join(folder, "home/code/project");
	autofree char *git = path_join(work, ".git"), *dir = path_join(folder, "config");
	assert_int_equal(dir_make(git, 0700, NULL), 0);
	json_auto_t *reports =
		json_pack("[{s:s}, {s:s, s:{}}]", "backend", "claude-code", "backend", "codex", "error");
	autoconfig *none = setup_config_read(file);
	json_auto_t *lines = setup_config_lines(none, reports, work);
	autofree char *text = json_text(lines);
	assert_string_equal(
		text,
		"[\"spawn:\",\"  allowed_paths: [\\\"~/code\\\"]\",\"  backends:\",\"    claude-code: { "
		"command: [claude] }\"]");
	assert_int_equal(dir_make(dir, 0700, NULL), 0);
	static const char given[] =
		"spawn: { allowed_paths: [/x], backends: { claude-code: { command: [claude] } } }\n";
	assert_int_equal(file_replace(file, given, strlen(given), 0600, NULL), 0);
	autoconfig *some = setup_config_read(file);
	json_auto_t *nothing = setup_config_lines(some, reports, work);
	assert_int_equal(json_array_size(nothing), 0);
}

static void test_differences_are_shown_with_what_is_around_them(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b, *diff;
	} cases[] = {
		{"a\nb\n", "a\nb\n", ""},
		{"", "a\n", "@@ line 1 @@\n+a\n"},
		{"a\n", "", "@@ line 1 @@\n-a\n"},
		{"1\n2\n3\n4\n5\nx\n6\n", "1\n2\n3\n4\n5\ny\n6\n", "@@ line 3 @@\n 3\n 4\n 5\n-x\n+y\n 6\n"},
		{"a\n1\n2\n3\n4\n5\n6\n7\n8\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\n8\nB\n",
		 "@@ line 1 @@\n-a\n+A\n 1\n 2\n 3\n@@ line 7 @@\n 6\n 7\n 8\n-b\n+B\n"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autostrbuf diff = STRBUF_INIT(1 << 16);
		text_diff(cases[i].a, strlen(cases[i].a), cases[i].b, strlen(cases[i].b), &diff);
		assert_string_equal(strbuf_str(&diff), cases[i].diff);
	}
	/* too large to compare line by line */
	autostrbuf a = STRBUF_INIT(1 << 20), b = STRBUF_INIT(1 << 20), diff = STRBUF_INIT(1 << 20);
	for (int i = 0; i < 3000; i++) {
		strbuf_addf(&a, "a%d\n", i);
		strbuf_addf(&b, "b%d\n", i);
	}
	text_diff(strbuf_str(&a), a.len, strbuf_str(&b), b.len, &diff);
	assert_non_null(strstr(strbuf_str(&diff), "-a2999\n+b0\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_X7_after_uninstall_every_file_is_byte_for_byte_as_before),
		cmocka_unit_test(test_X7_what_the_user_edits_in_the_meantime_stays),
		cmocka_unit_test(test_X7_edits_between_two_setups_are_what_comes_back),
		cmocka_unit_test(test_X7_a_setup_that_was_cut_off_is_finished_or_undone),
		cmocka_unit_test(test_a_file_that_cannot_be_written_leaves_the_others_alone),
		cmocka_unit_test(test_what_is_not_understood_is_left_alone_and_shown),
		cmocka_unit_test(test_a_link_stays_one_and_the_mode_too),
		cmocka_unit_test(test_folders_that_were_made_go_again),
		cmocka_unit_test(test_entries_without_a_record_are_taken_out),
		cmocka_unit_test(test_a_file_that_cannot_be_mended_does_not_keep_the_others),
		cmocka_unit_test(test_a_copy_that_is_damaged_is_not_put_back),
		cmocka_unit_test(test_copies_are_the_users_alone),
		cmocka_unit_test(test_the_user_is_asked_once_and_only_for_what_is_not_set),
		cmocka_unit_test(test_a_change_in_the_meantime_is_merged_with),
		cmocka_unit_test(test_a_dry_run_writes_nothing_and_shows_the_lines),
		cmocka_unit_test(test_lines_of_the_configuration),
		cmocka_unit_test(test_differences_are_shown_with_what_is_around_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

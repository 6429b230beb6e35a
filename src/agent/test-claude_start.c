/* Tests of claude_start.c and claude_settings.c: the command line and the files of a session. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "agent/claude.h"
#include "base/json.h"
#include "os/spawn.h"

static char *text_of(const json_t *argv)
{
	autostrbuf sb = STRBUF_INIT(1 << 20);
	size_t i;
	json_t *arg;
	json_array_foreach(argv, i, arg) strbuf_addf(&sb, "[%s]", json_string_value(arg));
	return strbuf_detach(&sb);
}

static struct agent_start base(void)
{
	return (struct agent_start){.program = "/usr/bin/coppice",
				    .home = "/h",
				    .spawn_id = "sp-1",
				    .version = "2.1.330",
				    .settled = true};
}

static void assert_argv(const struct agent_start *start, const char *expected)
{
	struct agent_command command = {0};
	assert_int_equal(claude_start(start, &command, NULL), 0);
	autofree char *text = text_of(command.argv);
	assert_string_equal(text, expected);
	assert_null(command.server);
	agent_command_release(&command);
}

static void test_a_settled_user_needs_no_files(void **state)
{
	(void)state;
	struct agent_start start = base();
	assert_argv(&start, "[claude]");
	struct agent_command command = {0};
	assert_int_equal(claude_start(&start, &command, NULL), 0);
	assert_null(command.files);
	assert_null(command.env);
	agent_command_release(&command);
	json_auto_t *own = json_pack("[s,s]", "nice", "claude-next");
	start.command = own;
	assert_argv(&start, "[nice][claude-next]");
	assert_int_equal(json_array_size(own), 2); /* only borrowed */
}

static void test_a_profile_sets_model_mode_arguments_and_environment(void **state)
{
	(void)state;
	struct agent_start start = base();
	json_auto_t *profile = json_pack("{s:[s,s], s:s, s:{s:s}, s:s}", "args", "--effort", "high", "model",
					 "opus", "env", "A", "b", "permissions", "edits");
	start.profile = profile;
	assert_argv(&start, "[claude][--model][opus][--permission-mode][acceptEdits][--effort][high]");
	(void)json_object_set_new(profile, "permissions", json_string("ask"));
	(void)json_object_set_new(profile, "model", json_null());
	assert_argv(&start, "[claude][--permission-mode][default][--effort][high]");
	(void)json_object_set_new(profile, "permissions", json_string("auto"));
	assert_argv(&start, "[claude][--permission-mode][bypassPermissions][--effort][high]");
	start.prompt = "do it";
	struct agent_command command = {0};
	assert_int_equal(claude_start(&start, &command, NULL), 0);
	assert_string_equal(json_str(command.env, "A"), "b");
	assert_int_equal(json_object_size(command.env), 1);
	agent_command_release(&command);
	assert_int_equal(json_object_size(json_object_get(profile, "env")), 1);
}

static void test_S2_a_prompt_is_neither_an_option_nor_a_subcommand(void **state)
{
	(void)state;
	struct agent_start start = base();
	start.prompt = "";
	assert_argv(&start, "[claude]");
	start.prompt = "--dangerously-skip-permissions now";
	assert_argv(&start, "[claude][--][--dangerously-skip-permissions now]");
	start.prompt = "purge";
	assert_argv(&start, "[claude][--][ purge]");
	start.prompt = "-x";
	assert_argv(&start, "[claude][--][ -x]");
	start.prompt = "fix\nit";
	assert_argv(&start, "[claude][--][fix\nit]");
}

static void test_S3_a_prompt_that_no_argument_can_hold_is_refused(void **state)
{
	(void)state;
	struct agent_start start = base();
	autofree char *prompt = xcalloc(1, CLAUDE_PROMPT_MAX + 2);
	memset(prompt, 'x', CLAUDE_PROMPT_MAX + 1);
	start.prompt = prompt;
	struct agent_command command = {0};
	autoerror err = {0};
	assert_int_equal(claude_start(&start, &command, &err), ERR_TOO_LARGE);
	assert_non_null(err.hint);
	assert_null(command.argv);
	prompt[CLAUDE_PROMPT_MAX] = '\0';
	assert_int_equal(claude_start(&start, &command, NULL), 0);
	/* It fits into an argument, indeed. */
	autofree char *last = xstrdup(json_string_value(json_array_get(command.argv, 2)));
	const char *argv[] = {"true", last, NULL};
	int status = -1;
	assert_int_equal(spawn_run(&(struct spawn){.argv = argv}, &status, NULL), 0);
	assert_int_equal(status, 0);
	agent_command_release(&command);
}

static void test_without_setup_hooks_and_server_come_in_files_of_the_spawn(void **state)
{
	(void)state;
	struct agent_start start = base();
	start.settled = false;
	start.prompt = "do it";
	assert_argv(
		&start,
		"[claude][--settings][/h/agents/sp-1-settings.json][--mcp-config][/h/agents/sp-1-mcp.json]"
		"[--][do it]");
	struct agent_command command = {0};
	assert_int_equal(claude_start(&start, &command, NULL), 0);
	assert_int_equal(json_object_size(command.files), 2);
	const char *text = json_str(command.files, "/h/agents/sp-1-settings.json");
	json_auto_t *settings = NULL, *mcp = NULL;
	assert_int_equal(json_parse(text, strlen(text), &settings, NULL), 0);
	json_auto_t *hooks = claude_hooks("/usr/bin/coppice", "2.1.330");
	assert_true(json_equal(json_object_get(settings, "hooks"), hooks));
	autofree char *permissions = json_text(json_object_get(settings, "permissions"));
	assert_string_equal(permissions, "{\"allow\":[\"mcp__coppice__*\"]}");
	text = json_str(command.files, "/h/agents/sp-1-mcp.json");
	assert_int_equal(json_parse(text, strlen(text), &mcp, NULL), 0);
	autofree char *servers = json_text(mcp);
	assert_string_equal(
		servers, "{\"mcpServers\":{\"coppice\":{\"type\":\"stdio\",\"command\":\"/usr/bin/coppice\","
			 "\"args\":[\"mcp\"],\"alwaysLoad\":true}}}");
	agent_command_release(&command);
}

static void test_a_profile_cannot_take_the_place_of_our_settings_unseen(void **state)
{
	(void)state;
	struct agent_start start = base();
	json_auto_t *profile = json_pack("{s:[s]}", "args", "--settings=/mine.json");
	start.profile = profile;
	assert_argv(&start, "[claude][--settings=/mine.json]");
	start.settled = false;
	struct agent_command command = {0};
	autoerror err = {0};
	assert_int_equal(claude_start(&start, &command, &err), ERR_INVALID);
	assert_non_null(strstr(err.hint, "coppice setup"));
	assert_null(command.argv);
}

/* --- the hooks --- */

/* The command of the n-th hook of an event, or NULL. */
static const char *command_of(const json_t *hooks, const char *event, size_t n)
{
	const json_t *group = json_array_get(json_object_get(hooks, event), 0);
	return json_str(json_array_get(json_object_get(group, "hooks"), n), "command");
}

static void test_a_version_gets_the_hooks_that_it_knows(void **state)
{
	(void)state;
	static const struct {
		const char *version;
		bool permission, waits;
	} all[] = {{NULL, false, false},	  {"", false, false},
		   {"2", false, false},		  {"2.0.44", false, false},
		   {"2.0.45", true, false},	  {"2.1.196", true, false},
		   {"2.1.197", true, true},	  {"2.1.330 (Claude Code)", true, true},
		   {"3.0.0", true, true},	  {"Claude Code 2.1.330", false, false},
		   {"99999999.1.1", false, false}};
	static const char *const always[] = {"SessionStart", "UserPromptSubmit", "PostToolUse", "Stop",
					     "Notification", "PreCompact",	 "SessionEnd"};
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		json_auto_t *hooks = claude_hooks("/usr/bin/coppice", all[i].version);
		for (size_t j = 0; j < ARRAY_SIZE(always); j++)
			assert_non_null(command_of(hooks, always[j], 0));
		assert_int_equal(command_of(hooks, "PermissionRequest", 0) != NULL, all[i].permission);
		assert_int_equal(command_of(hooks, "SessionStart", 1) != NULL, all[i].waits);
		assert_int_equal(command_of(hooks, "Stop", 1) != NULL, all[i].waits);
		assert_int_equal(command_of(hooks, "StopFailure", 0) != NULL, all[i].waits);
		assert_int_equal(command_of(hooks, "PostToolUseFailure", 0) != NULL, all[i].waits);
		assert_int_equal(json_object_size(hooks), 7 + all[i].permission + 2 * all[i].waits);
	}
}

static void test_a_hook_has_the_form_that_settings_want(void **state)
{
	(void)state;
	json_auto_t *hooks = claude_hooks("/usr/bin/coppice", "2.1.330");
	autofree char *stop = json_text(json_object_get(hooks, "Stop"));
	assert_string_equal(
		stop,
		"[{\"hooks\":[{\"type\":\"command\",\"command\":\"exec '/usr/bin/coppice' hook Stop "
		"--backend claude-code\",\"timeout\":10},{\"type\":\"command\",\"command\":\"exec "
		"'/usr/bin/coppice' hook wait --backend claude-code\",\"timeout\":604800,\"async\":true,"
		"\"asyncRewake\":true}]}]");
	autofree char *note = json_text(json_object_get(hooks, "Notification"));
	assert_string_equal(note,
			    "[{\"hooks\":[{\"type\":\"command\",\"command\":\"exec '/usr/bin/coppice' hook "
			    "Notification --backend claude-code\",\"timeout\":10}],\"matcher\":"
			    "\"permission_prompt|elicitation_dialog\"}]");
}

static void test_S2_a_shell_runs_the_program_whatever_its_path_holds(void **state)
{
	(void)state;
	static const char *const paths[] = {"/bin/echo", "/a b/it's \"$(false)\" `x` \\ ;&|*?\n~!/coppice",
					    "'"};
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		json_auto_t *hooks = claude_hooks(paths[i], NULL);
		const char *command = command_of(hooks, "Stop", 0);
		assert_int_equal(strncmp(command, "exec ", 5), 0);
		autofree char *script = xasprintf("show() { printf '[%%s]' \"$@\"; }\nshow %s", command + 5);
		autostrbuf out = STRBUF_INIT(1 << 16);
		int status = -1;
		const char *argv[] = {"sh", "-c", script, NULL};
		assert_int_equal(spawn_run(&(struct spawn){.argv = argv, .out = &out}, &status, NULL), 0);
		assert_int_equal(status, 0);
		autofree char *expected = xasprintf("[%s][hook][Stop][--backend][claude-code]", paths[i]);
		assert_string_equal(strbuf_str(&out), expected);
	}
}

static void test_S5_what_a_confined_one_needs(void **state)
{
	(void)state;
	struct agent_start start = base();
	struct agent_command command = {0};
	json_auto_t *profile =
		json_pack("{s:s, s:{s:s}}", "permissions", "auto", "env", "CLAUDE_CONFIG_DIR", "/c");
	start.profile = profile;
	start.confined = true;
	start.tmp = "/t";
	assert_int_equal(claude_start(&start, &command, NULL), 0);
	assert_string_equal(json_str(command.env, "IS_SANDBOX"), "1");
	assert_string_equal(json_str(command.env, "CLAUDE_CODE_TMPDIR"), "/t");
	autofree char *write = text_of(json_object_get(command.places, "write"));
	assert_string_equal(write, "[/c]");
	assert_string_equal(json_string_value(json_array_get(json_object_get(command.places, "protect"), 0)),
			    "/c/settings.json");
	agent_command_release(&command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_settled_user_needs_no_files),
		cmocka_unit_test(test_a_profile_sets_model_mode_arguments_and_environment),
		cmocka_unit_test(test_S2_a_prompt_is_neither_an_option_nor_a_subcommand),
		cmocka_unit_test(test_S3_a_prompt_that_no_argument_can_hold_is_refused),
		cmocka_unit_test(test_without_setup_hooks_and_server_come_in_files_of_the_spawn),
		cmocka_unit_test(test_a_profile_cannot_take_the_place_of_our_settings_unseen),
		cmocka_unit_test(test_a_version_gets_the_hooks_that_it_knows),
		cmocka_unit_test(test_a_hook_has_the_form_that_settings_want),
		cmocka_unit_test(test_S5_what_a_confined_one_needs),
		cmocka_unit_test(test_S2_a_shell_runs_the_program_whatever_its_path_holds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

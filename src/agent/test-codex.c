/* Tests of what Coppice gives to Codex and reads of it: command lines, hooks, settings, the queue. Payloads
 * are the real ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/codex.h"
#include "base/json.h"
#include "os/testing.h"

#define S "01a22de6-1700-72f2-b40f-16c38462f029"

/* --- hooks --- */

static int read_hook(const char *event, const char *payload, struct agent_hook *ret)
{
	json_auto_t *json = NULL;
	assert_int_equal(json_parse(payload, strlen(payload), &json, NULL), 0);
	return codex_hook_read(event, json, ret, NULL);
}

#define PAYLOAD(event, more)                                                                                 \
	"{\"session_id\":\"" S "\",\"transcript_path\":\"/h/.codex/sessions/x.jsonl\",\"cwd\":\"/p\","       \
	"\"hook_event_name\":\"" event "\",\"model\":\"gpt-5.4\",\"permission_mode\":\"default\"" more "}"

static void test_hooks_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *name, *payload;
		enum agent_event event;
		const char *source, *prompt;
		bool continued;
	} table[] = {
		{"SessionStart", PAYLOAD("SessionStart", ",\"source\":\"compact\""), AGENT_SESSION_START,
		 "compact", NULL, false},
		{"SessionStart", PAYLOAD("SessionStart", ",\"source\":\"other\""), AGENT_SESSION_START, NULL,
		 NULL, false},
		{"UserPromptSubmit", PAYLOAD("UserPromptSubmit", ",\"turn_id\":\"t\",\"prompt\":\"say hi\""),
		 AGENT_PROMPT, NULL, "say hi", false},
		{"PostToolUse", PAYLOAD("PostToolUse", ",\"tool_name\":\"Bash\",\"tool_response\":\"x\""),
		 AGENT_TOOL_END, NULL, NULL, false},
		{"Stop", PAYLOAD("Stop", ",\"stop_hook_active\":false,\"last_assistant_message\":\"x\""),
		 AGENT_TURN_END, NULL, NULL, false},
		{"Stop", PAYLOAD("Stop", ",\"stop_hook_active\":true"), AGENT_TURN_END, NULL, NULL, true},
		{"PermissionRequest", PAYLOAD("PermissionRequest", ",\"tool_name\":\"Bash\""), AGENT_AWAITS,
		 NULL, NULL, false},
		{"Interrupt", PAYLOAD("Interrupt", ",\"turn_id\":\"t\""), AGENT_AWAITS, NULL, NULL, false},
		{"PreCompact", PAYLOAD("PreCompact", ",\"trigger\":\"manual\""), AGENT_COMPACTS, NULL, NULL,
		 false},
		{"SessionEnd", PAYLOAD("SessionEnd", ",\"reason\":\"other\""), AGENT_SESSION_END, NULL, NULL,
		 false},
		{"PostCompact", PAYLOAD("PostCompact", ""), AGENT_EVENT_NONE, NULL, NULL, false},
		/* Of a subagent only the question to the user is the session's. */
		{"UserPromptSubmit", PAYLOAD("UserPromptSubmit", ",\"agent_id\":\"x\",\"prompt\":\"p\""),
		 AGENT_EVENT_NONE, NULL, NULL, false},
		{"Stop", PAYLOAD("Stop", ",\"agent_id\":\"x\""), AGENT_EVENT_NONE, NULL, NULL, false},
		{"PermissionRequest", PAYLOAD("PermissionRequest", ",\"agent_id\":\"x\""), AGENT_AWAITS, NULL,
		 NULL, false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_(agent_hook_release) struct agent_hook hook = {0};
		assert_int_equal(read_hook(table[i].name, table[i].payload, &hook), 0);
		if (hook.event != table[i].event)
			fail_msg("case %zu: %d", i, (int)hook.event);
		assert_string_equal(hook.session, S);
		assert_string_equal(hook.cwd, "/p");
		assert_string_equal(hook.source ? hook.source : "-", table[i].source ? table[i].source : "-");
		assert_string_equal(hook.prompt ? hook.prompt : "-", table[i].prompt ? table[i].prompt : "-");
		assert_int_equal(hook.continued, table[i].continued);
	}
}

static void test_payloads_that_are_none(void **state)
{
	(void)state;
	static const char *const table[] = {
		"{}",
		"[]",
		PAYLOAD("Stop", ""),
		"{\"session_id\":7,\"hook_event_name\":\"SessionStart\"}",
		"{\"session_id\":\"\",\"hook_event_name\":\"SessionStart\"}",
		"{\"hook_event_name\":\"SessionStart\"}",
	};
	struct agent_hook hook;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		assert_int_equal(read_hook("SessionStart", table[i], &hook), ERR_INVALID);
	autofree char *id = xmalloc(200);
	memset(id, 'x', 199);
	id[199] = '\0';
	autofree char *large =
		xasprintf("{\"session_id\":\"%s\",\"hook_event_name\":\"SessionStart\",\"cwd\":\"a\"}", id);
	assert_int_equal(read_hook("SessionStart", large, &hook), ERR_INVALID);
	_cleanup_(agent_hook_release) struct agent_hook relative = {0};
	assert_int_equal(
		read_hook("SessionStart",
			  "{\"session_id\":\"x\",\"hook_event_name\":\"SessionStart\",\"cwd\":\"a\"}",
			  &relative),
		0);
	assert_null(relative.cwd);
}

static void test_S3_a_prompt_is_cut_between_characters(void **state)
{
	(void)state;
	autofree char *text = xmalloc(AGENT_PROMPT_MAX + 2);
	memset(text, 'x', AGENT_PROMPT_MAX - 1);
	memcpy(text + AGENT_PROMPT_MAX - 1, "\xC3\xA4", 3);
	json_auto_t *payload = json_pack("{s:s, s:s, s:s}", "session_id", S, "hook_event_name",
					 "UserPromptSubmit", "prompt", text);
	_cleanup_(agent_hook_release) struct agent_hook hook = {0};
	assert_int_equal(codex_hook_read("UserPromptSubmit", payload, &hook, NULL), 0);
	assert_int_equal(strlen(hook.prompt), AGENT_PROMPT_MAX - 1);
}

static void assert_written(enum agent_event event, const char *context, const char *carry_on,
			   const char *want)
{
	struct agent_hook hook = {.event = event};
	struct agent_hook_answer answer = {context, carry_on};
	autostrbuf out = STRBUF_INIT(4096), errout = STRBUF_INIT(4096);
	int code = 7;
	codex_hook_write(&hook, &answer, &out, &errout, &code);
	assert_string_equal(strbuf_str(&out), want);
	assert_int_equal(errout.len, 0);
	assert_int_equal(code, 0);
}

static void test_answers_take_codex_form(void **state)
{
	(void)state;
	assert_written(
		AGENT_SESSION_START, "hi \"x\"", NULL,
		"{\"hookSpecificOutput\":{\"hookEventName\":\"SessionStart\",\"additionalContext\":\"hi "
		"\\\"x\\\"\"}}\n");
	assert_written(
		AGENT_PROMPT, "c", "ignored",
		"{\"hookSpecificOutput\":{\"hookEventName\":\"UserPromptSubmit\",\"additionalContext\":"
		"\"c\"}}\n");
	assert_written(
		AGENT_TOOL_END, "c", NULL,
		"{\"hookSpecificOutput\":{\"hookEventName\":\"PostToolUse\",\"additionalContext\":\"c\"}}\n");
	assert_written(AGENT_TURN_END, NULL, "more", "{\"decision\":\"block\",\"reason\":\"more\"}\n");
	assert_written(AGENT_TURN_END, "no place for it", NULL, "");
	/* Nothing is decided for the user. */
	assert_written(AGENT_AWAITS, "c", "more", "");
	assert_written(AGENT_SESSION_END, "c", "more", "");
	assert_written(AGENT_COMPACTS, "c", "more", "");
	assert_written(AGENT_EVENT_NONE, "c", "more", "");
	assert_written(AGENT_PROMPT, "", "", "");
	assert_written(AGENT_PROMPT, NULL, NULL, "");
}

/* --- settings --- */

static const json_t *hook_of(const json_t *hooks, const char *event)
{
	const json_t *groups = json_object_get(hooks, event);
	return json_array_get(json_object_get(json_array_get(groups, 0), "hooks"), 0);
}

static void test_hooks_that_are_wanted(void **state)
{
	(void)state;
	static const char *const all[] = {"codex-cli 0.169.0", "codex-cli 0.200.1", "1.0.0"};
	static const char *const early[] = {NULL,	 "",	  "codex-cli 0.168.9",
					    "codex-cli", "x 0.1", "9999999999.0"};
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		json_auto_t *hooks = codex_hooks("/opt/coppice", all[i]);
		assert_int_equal(json_object_size(hooks), 8);
		assert_string_equal(json_str(hook_of(hooks, "PreCompact"), "command"),
				    "exec '/opt/coppice' hook PreCompact --backend codex");
		assert_int_equal(json_int(hook_of(hooks, "Interrupt"), "timeout", 0), 3);
		assert_int_equal(json_int(hook_of(hooks, "Stop"), "timeout", 0), 10);
	}
	for (size_t i = 0; i < ARRAY_SIZE(early); i++) {
		json_auto_t *hooks = codex_hooks("/opt/coppice", early[i]);
		assert_int_equal(json_object_size(hooks), 4);
		assert_non_null(hook_of(hooks, "Stop"));
	}
}

static void test_S2_a_hooks_command_is_quoted(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autofree char *program = path_join(folder, "it's $(touch pwned) \"x\"");
	autofree char *said = path_join(folder, "said");
	autofree char *script = xasprintf("#!/bin/sh\necho \"$@\" >'%s'\n", said);
	assert_int_equal(file_replace(program, script, strlen(script), 0700, NULL), 0);
	json_auto_t *hooks = codex_hooks(program, NULL);
	const char *command = json_str(hook_of(hooks, "Stop"), "command");
	pid_t pid = fork();
	if (pid == 0) {
		(void)!chdir(folder);
		(void)execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(99);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	autostrbuf text = STRBUF_INIT(4096);
	autofree char *pwned = path_join(folder, "pwned");
	assert_int_equal(file_read(said, &text, NULL), 0);
	assert_string_equal(strbuf_str(&text), "hook Stop --backend codex\n");
	assert_int_equal(access(pwned, F_OK), -1);
}

/* --- the queue --- */

static void test_the_queues_command(void **state)
{
	(void)state;
	json_auto_t *command = json_pack("[s,s]", "npx", "codex"), *argv = NULL;
	assert_int_equal(codex_queue(command, S, "--message x\n!y", &argv, NULL), 0);
	autofree char *text = json_text(argv);
	assert_string_equal(text, "[\"npx\",\"codex\",\"queue\",\"--thread=" S
				  "\",\"--message=--message x\\n!y\"]");
	assert_int_equal(json_array_size(command), 2);
	autofree char *large = xmalloc(130001);
	memset(large, 'x', 130000);
	large[130000] = '\0';
	json_t *none = NULL;
	assert_int_equal(codex_queue(NULL, S, large, &none, NULL), ERR_TOO_LARGE);
}

static void test_the_queues_answer(void **state)
{
	(void)state;
	static const char ok[] = "Queued message 01a22ded-f2e3 for thread " S ".\n";
	static const char no[] = "Error: failed to queue session message: no rollout found \033[1m\n";
	autoerror err = {0};
	static const char warned[] =
		"WARNING: proceeding, even though\nQueued message 01a22ded-f2e3 for thread " S ".\n";
	assert_int_equal(codex_queue_result(0, ok, strlen(ok), NULL), 0);
	assert_int_equal(codex_queue_result(0, warned, strlen(warned), NULL), 0);
	assert_int_equal(codex_queue_result(1, no, strlen(no), &err), ERR_REFUSED);
	assert_non_null(strstr(err.message, "no rollout found \\x1B"));
	assert_int_equal(codex_queue_result(1, ok, strlen(ok), NULL), ERR_REFUSED);
	assert_int_equal(codex_queue_result(0, "", 0, NULL), ERR_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hooks_are_read),
		cmocka_unit_test(test_payloads_that_are_none),
		cmocka_unit_test(test_S3_a_prompt_is_cut_between_characters),
		cmocka_unit_test(test_answers_take_codex_form),
		cmocka_unit_test(test_hooks_that_are_wanted),
		cmocka_unit_test(test_S2_a_hooks_command_is_quoted),
		cmocka_unit_test(test_the_queues_command),
		cmocka_unit_test(test_the_queues_answer),
	};
	return cmocka_run_group_tests_name("agent-codex", tests, NULL, NULL);
}

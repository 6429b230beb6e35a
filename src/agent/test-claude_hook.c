/* Tests of claude_hook.c: what hooks say, and what they are answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/claude.h"
#include "agent/denial.h"
#include "base/json.h"

#define PAYLOAD(event, rest)                                                                                 \
	"{\"session_id\":\"ef38edf8\",\"transcript_path\":\"/t\",\"cwd\":\"/"                                \
	"w\",\"hook_event_name\":\"" event "\"" rest "}"

static int read_hook(const char *event, const char *text, struct agent_hook *ret)
{
	json_auto_t *payload = NULL;
	assert_int_equal(json_parse(text, strlen(text), &payload, NULL), 0);
	return claude_hook_read(event, payload, ret, NULL);
}

static enum agent_event event_of(const char *event, const char *text)
{
	struct agent_hook hook = {0};
	assert_int_equal(read_hook(event, text, &hook), 0);
	enum agent_event result = hook.event;
	agent_hook_release(&hook);
	return result;
}

static void test_each_event_is_told(void **state)
{
	(void)state;
	static const struct {
		const char *event, *payload;
		enum agent_event result;
	} all[] = {
		{"SessionStart", PAYLOAD("SessionStart", ",\"source\":\"startup\""), AGENT_SESSION_START},
		{"UserPromptSubmit", PAYLOAD("UserPromptSubmit", ",\"prompt\":\"hi\""), AGENT_PROMPT},
		{"PostToolUse", PAYLOAD("PostToolUse", ",\"tool_name\":\"Bash\""), AGENT_TOOL_END},
		{"PostToolUseFailure", PAYLOAD("PostToolUseFailure", ",\"tool_name\":\"Bash\""),
		 AGENT_TOOL_END},
		{"Stop", PAYLOAD("Stop", ""), AGENT_TURN_END},
		{"StopFailure", PAYLOAD("StopFailure", ",\"error\":\"rate_limit\""), AGENT_TURN_FAILED},
		{"Notification", PAYLOAD("Notification", ",\"notification_type\":\"permission_prompt\""),
		 AGENT_AWAITS},
		{"Notification", PAYLOAD("Notification", ",\"notification_type\":\"elicitation_dialog\""),
		 AGENT_AWAITS},
		{"Notification", PAYLOAD("Notification", ",\"notification_type\":\"idle_prompt\""),
		 AGENT_EVENT_NONE},
		{"Notification", PAYLOAD("Notification", ""), AGENT_EVENT_NONE},
		{"PermissionRequest", PAYLOAD("PermissionRequest", ",\"tool_name\":\"Bash\""), AGENT_AWAITS},
		{"PreCompact", PAYLOAD("PreCompact", ",\"trigger\":\"auto\""), AGENT_COMPACTS},
		{"SessionEnd", PAYLOAD("SessionEnd", ",\"reason\":\"prompt_input_exit\""), AGENT_SESSION_END},
		{"SessionEnd", PAYLOAD("SessionEnd", ""), AGENT_SESSION_END},
		{"PreToolUse", PAYLOAD("PreToolUse", ""), AGENT_EVENT_NONE},
		{"SomethingNew", PAYLOAD("SomethingNew", ""), AGENT_EVENT_NONE},
	};
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		assert_int_equal(event_of(all[i].event, all[i].payload), all[i].result);
}

static void test_I3_a_session_that_is_cleared_goes_on_in_the_same_process(void **state)
{
	(void)state;
	assert_int_equal(event_of("SessionEnd", PAYLOAD("SessionEnd", ",\"reason\":\"clear\"")),
			 AGENT_EVENT_NONE);
	assert_int_equal(event_of("SessionEnd", PAYLOAD("SessionEnd", ",\"reason\":\"resume\"")),
			 AGENT_EVENT_NONE);
	static const struct {
		const char *source, *result;
	} all[] = {{"startup", "startup"}, {"resume", "resume"}, {"clear", "clear"},
		   {"compact", "compact"}, {"fork", "resume"},	 {"new", NULL}};
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		autofree char *text = xasprintf(PAYLOAD("SessionStart", ",\"source\":\"%s\""), all[i].source);
		struct agent_hook hook = {0};
		assert_int_equal(read_hook("SessionStart", text, &hook), 0);
		assert_string_equal(hook.session, "ef38edf8");
		assert_string_equal(hook.cwd, "/w");
		if (all[i].result)
			assert_string_equal(hook.source, all[i].result);
		else
			assert_null(hook.source);
		agent_hook_release(&hook);
	}
}

static void test_a_failed_turn_says_why(void **state)
{
	(void)state;
	static const struct {
		const char *error, *reason;
	} all[] = {{"\"rate_limit\"", "rate_limit"},
		   {"\"authentication_failed\"", AGENT_NO_LOGIN},
		   {"7", NULL},
		   {"\"a text that is far too long to be the one word that it was said to be\"", NULL}};
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		autofree char *text = xasprintf(PAYLOAD("StopFailure", ",\"error\":%s"), all[i].error);
		struct agent_hook hook = {0};
		assert_int_equal(read_hook("StopFailure", text, &hook), 0);
		if (all[i].reason)
			assert_string_equal(hook.source, all[i].reason);
		else
			assert_null(hook.source);
		agent_hook_release(&hook);
	}
}

static void test_I4_a_subagent_s_tools_are_not_the_session_s(void **state)
{
	(void)state;
	assert_int_equal(event_of("PostToolUse", PAYLOAD("PostToolUse", ",\"agent_id\":\"a6\"")),
			 AGENT_EVENT_NONE);
	/* --agent gives the session itself a type. */
	assert_int_equal(event_of("PostToolUse", PAYLOAD("PostToolUse", ",\"agent_type\":\"x\"")),
			 AGENT_TOOL_END);
	assert_int_equal(event_of("PermissionRequest", PAYLOAD("PermissionRequest", ",\"agent_id\":\"a6\"")),
			 AGENT_AWAITS);
}

static void test_S5_a_line_by_which_something_could_not_be_written(void **state)
{
	(void)state;
	static const char line[] = "touch: cannot touch '/x': Read-only file system";
	static const struct {
		const char *event, *rest, *line;
	} cases[] = {
		{"PostToolUse",
		 "\"tool_response\":\"a\\ntouch: cannot touch '/x': Read-only file system\\nb\"", line},
		{"PostToolUse",
		 "\"tool_response\":{\"stdout\":\"\",\"stderr\":\"touch: cannot touch '/x': Read-only file "
		 "system\"}",
		 line},
		{"PostToolUse",
		 "\"tool_response\":[{\"type\":\"text\",\"text\":\"touch: cannot touch '/x': Read-only file "
		 "system\"}]",
		 line},
		{"PostToolUseFailure",
		 "\"error\":\"Exit code 1\\ntouch: cannot touch '/x': Read-only file system\"", line},
		{"PostToolUse", "\"tool_response\":\"all is well\"", NULL},
		{"PostToolUse", "\"tool_response\":[[[[[[[[[[\"EACCES\"]]]]]]]]]]", NULL},
		{"Stop", "\"error\":\"Permission denied\"", NULL},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct agent_hook hook = {0};
		autofree char *text = xasprintf("{\"session_id\":\"s\",\"hook_event_name\":\"%s\",%s}",
						cases[i].event, cases[i].rest);
		assert_int_equal(read_hook(cases[i].event, text, &hook), 0);
		if (cases[i].line)
			assert_string_equal(hook.denied, cases[i].line);
		else
			assert_null(hook.denied);
		agent_hook_release(&hook);
	}
	autofree char *longer = xcalloc(1, 2 * DENIAL_LINE_MAX);
	memset(longer, 'x', 2 * DENIAL_LINE_MAX - 1);
	json_auto_t *result = json_pack("{s:o}", "error", json_sprintf("%s: Permission denied", longer));
	assert_null(denial_line(result));
}

static void test_a_prompt_is_kept_up_to_its_limit(void **state)
{
	(void)state;
	struct agent_hook hook = {0};
	assert_int_equal(
		read_hook("UserPromptSubmit",
			  PAYLOAD("UserPromptSubmit", ",\"prompt\":\"<coppice-message id=\\\"m\\\">\""),
			  &hook),
		0);
	assert_string_equal(hook.prompt, "<coppice-message id=\"m\">");
	agent_hook_release(&hook);
	autofree char *longer = xcalloc(1, AGENT_PROMPT_MAX + 10);
	memset(longer, 'x', AGENT_PROMPT_MAX - 1);
	memcpy(longer + AGENT_PROMPT_MAX - 1, "\xc3\xa9 more", 7); /* a character across the limit */
	autofree char *text = xasprintf(PAYLOAD("UserPromptSubmit", ",\"prompt\":\"%s\""), longer);
	assert_int_equal(read_hook("UserPromptSubmit", text, &hook), 0);
	assert_int_equal(strlen(hook.prompt), AGENT_PROMPT_MAX - 1);
	agent_hook_release(&hook);
	/* Only a prompt's text is kept. */
	assert_int_equal(
		read_hook("Stop", PAYLOAD("Stop", ",\"prompt\":\"x\",\"stop_hook_active\":true"), &hook), 0);
	assert_null(hook.prompt);
	assert_true(hook.continued);
	agent_hook_release(&hook);
}

static void test_other_payloads_are_refused(void **state)
{
	(void)state;
	struct agent_hook hook = {0};
	static const char *const broken[] = {"[]",
					     "{}",
					     "7",
					     "{\"hook_event_name\":\"Stop\"}",
					     "{\"hook_event_name\":\"Stop\",\"session_id\":\"\"}",
					     "{\"hook_event_name\":\"Stop\",\"session_id\":7}",
					     PAYLOAD("SessionStart", "")};
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		json_auto_t *payload = json_loads(broken[i], JSON_DECODE_ANY, NULL);
		assert_int_equal(claude_hook_read("Stop", payload, &hook, NULL), ERR_INVALID);
	}
	autofree char *longer = xasprintf("{\"hook_event_name\":\"Stop\",\"session_id\":\"%0200d\"}", 0);
	assert_int_equal(read_hook("Stop", longer, &hook), ERR_INVALID);
	assert_int_equal(
		read_hook("Stop", "{\"hook_event_name\":\"Stop\",\"session_id\":\"s\",\"cwd\":\"w\"}", &hook),
		0);
	assert_null(hook.cwd);
	agent_hook_release(&hook);
}

/* --- answers --- */

static void answer(const struct agent_hook *hook, const char *context, const char *carry_on,
		   struct strbuf *out, struct strbuf *errout, int *ret_exit)
{
	strbuf_reset(out);
	strbuf_reset(errout);
	*ret_exit = 77;
	struct agent_hook_answer a = {.context = context, .carry_on = carry_on};
	claude_hook_write(hook, &a, out, errout, ret_exit);
}

static void test_context_reaches_the_model_where_there_is_a_way(void **state)
{
	(void)state;
	autostrbuf out = STRBUF_INIT(1 << 20), errout = STRBUF_INIT(1 << 20);
	int code;
	static const struct {
		enum agent_event event;
		const char *name;
	} all[] = {{AGENT_SESSION_START, "SessionStart"},
		   {AGENT_PROMPT, "UserPromptSubmit"},
		   {AGENT_TOOL_END, "PostToolUse"}};
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct agent_hook hook = {.event = all[i].event};
		answer(&hook, "a \"b\"\n<c>", NULL, &out, &errout, &code);
		autofree char *expected =
			xasprintf("{\"hookSpecificOutput\":{\"hookEventName\":\"%s\",\"additionalContext\":"
				  "\"a \\\"b\\\"\\n<c>\"}}\n",
				  all[i].name);
		assert_string_equal(strbuf_str(&out), expected);
		assert_int_equal(errout.len, 0);
		assert_int_equal(code, 0);
	}
}

static void test_the_end_of_a_turn_is_put_off_with_a_reason(void **state)
{
	(void)state;
	autostrbuf out = STRBUF_INIT(1 << 20), errout = STRBUF_INIT(1 << 20);
	int code;
	struct agent_hook hook = {.event = AGENT_TURN_END};
	answer(&hook, "context", "an open ask", &out, &errout, &code);
	assert_string_equal(strbuf_str(&out), "{\"decision\":\"block\",\"reason\":\"an open ask\"}\n");
	assert_int_equal(code, 0);
	hook.event = AGENT_PROMPT; /* no other event is held up */
	answer(&hook, NULL, "an open ask", &out, &errout, &code);
	assert_int_equal(out.len + errout.len, 0);
	assert_int_equal(code, 0);
}

static void test_S8_no_hook_decides_for_the_user_or_stands_in_the_way(void **state)
{
	(void)state;
	autostrbuf out = STRBUF_INIT(1 << 20), errout = STRBUF_INIT(1 << 20);
	int code;
	for (int event = AGENT_EVENT_NONE; event < AGENT_EVENT_MAX_; event++) {
		struct agent_hook hook = {.event = (enum agent_event)event};
		answer(&hook, NULL, NULL, &out, &errout, &code);
		assert_int_equal(out.len + errout.len, 0);
		assert_int_equal(code, 0);
		answer(&hook, "", "", &out, &errout, &code);
		assert_int_equal(out.len + errout.len, 0);
		assert_int_equal(code, 0);
		answer(&hook, "context", "reason", &out, &errout, &code);
		assert_int_equal(code, 0);
		if (event == AGENT_AWAITS || event == AGENT_COMPACTS || event == AGENT_SESSION_END ||
		    event == AGENT_EVENT_NONE)
			assert_int_equal(out.len + errout.len, 0);
	}
}

/* --- the hook that waits --- */

static void set_environment(const char *entry, const char *socket, pid_t pid)
{
	autofree char *number = xasprintf("%d", (int)pid);
	assert_int_equal(
		entry ? setenv("CLAUDE_CODE_ENTRYPOINT", entry, 1) : unsetenv("CLAUDE_CODE_ENTRYPOINT"), 0);
	assert_int_equal(socket ? setenv("CLAUDE_CODE_MESSAGING_SOCKET", socket, 1)
				: unsetenv("CLAUDE_CODE_MESSAGING_SOCKET"),
			 0);
	assert_int_equal(setenv("CLAUDE_PID", number, 1), 0);
}

static void test_a_hook_waits_only_where_it_is_of_use(void **state)
{
	(void)state;
	pid_t session = agent_process(&agent_claude_code);
	set_environment("cli", NULL, session);
	assert_int_equal(event_of("wait", PAYLOAD("SessionStart", "")), AGENT_SESSION_START);
	assert_int_equal(event_of("wait", PAYLOAD("Stop", "")), AGENT_TURN_END);
	assert_int_equal(event_of("wait", PAYLOAD("PostToolUse", "")), AGENT_EVENT_NONE);
	set_environment("sdk-cli", NULL, session); /* a one-shot session would not end for it */
	assert_int_equal(event_of("wait", PAYLOAD("Stop", "")), AGENT_EVENT_NONE);
	set_environment(NULL, NULL, session);
	assert_int_equal(event_of("wait", PAYLOAD("Stop", "")), AGENT_EVENT_NONE);
	set_environment("cli", "/run/1.sock", session);
	assert_int_equal(event_of("wait", PAYLOAD("Stop", "")), AGENT_EVENT_NONE);
	set_environment("cli", "/run/1.sock", 1); /* of another session, which started this one */
	assert_int_equal(event_of("wait", PAYLOAD("Stop", "")), AGENT_TURN_END);
}

static void test_a_hook_that_waited_wakes_the_session(void **state)
{
	(void)state;
	autostrbuf out = STRBUF_INIT(1 << 20), errout = STRBUF_INIT(1 << 20);
	int code;
	struct agent_hook hook = {.event = AGENT_TURN_END, .waits = true};
	answer(&hook, "a message", NULL, &out, &errout, &code);
	assert_int_equal(out.len, 0);
	assert_string_equal(strbuf_str(&errout), "a message");
	assert_int_equal(code, 2);
	answer(&hook, NULL, NULL, &out, &errout, &code);
	assert_int_equal(out.len + errout.len, 0);
	assert_int_equal(code, 0);
	hook.event = AGENT_EVENT_NONE;
	answer(&hook, "a message", NULL, &out, &errout, &code);
	assert_int_equal(errout.len, 0);
	assert_int_equal(code, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_event_is_told),
		cmocka_unit_test(test_I3_a_session_that_is_cleared_goes_on_in_the_same_process),
		cmocka_unit_test(test_a_failed_turn_says_why),
		cmocka_unit_test(test_I4_a_subagent_s_tools_are_not_the_session_s),
		cmocka_unit_test(test_S5_a_line_by_which_something_could_not_be_written),
		cmocka_unit_test(test_a_prompt_is_kept_up_to_its_limit),
		cmocka_unit_test(test_other_payloads_are_refused),
		cmocka_unit_test(test_context_reaches_the_model_where_there_is_a_way),
		cmocka_unit_test(test_the_end_of_a_turn_is_put_off_with_a_reason),
		cmocka_unit_test(test_S8_no_hook_decides_for_the_user_or_stands_in_the_way),
		cmocka_unit_test(test_a_hook_waits_only_where_it_is_of_use),
		cmocka_unit_test(test_a_hook_that_waited_wakes_the_session),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

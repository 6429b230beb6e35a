/* Fuzzes the payloads of Codex's hooks. The first byte chooses the event, the rest is the payload. What was
 * read has to stay within its limits, and every answer has to be JSON that decides nothing for the user. */
#include <assert.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/codex.h"
#include "base/json.h"
#include "fuzz.h"

static void check_answer(const struct agent_hook *hook, const char *text)
{
	struct agent_hook_answer answer = {.context = text, .carry_on = text};
	autostrbuf out = STRBUF_INIT(1 << 20), errout = STRBUF_INIT(1 << 20);
	json_auto_t *json = NULL;
	int exit_code = -1;
	codex_hook_write(hook, &answer, &out, &errout, &exit_code);
	assert(exit_code == 0 && errout.len == 0);
	if (!out.len)
		return;
	int code = json_parse(out.buf, out.len, &json, NULL);
	assert(code == 0 && !json_object_get(json, "continue"));
	const char *decision = json_str(json, "decision");
	assert(!decision || (strcmp(decision, "block") == 0 && hook->event == AGENT_TURN_END));
	assert(!json_object_get(json_object_get(json, "hookSpecificOutput"), "permissionDecision"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"SessionStart", "UserPromptSubmit",	 "PostToolUse", "Stop",
					    "Interrupt",    "PermissionRequest", "PreCompact",	"SessionEnd",
					    "PreToolUse",   "SubagentStop",	 "PostCompact", ""};
	if (!size)
		return 0;
	json_auto_t *payload = NULL;
	if (json_parse((const char *)data + 1, size - 1, &payload, NULL))
		return 0;
	_cleanup_(agent_hook_release) struct agent_hook hook = {0};
	if (codex_hook_read(names[data[0] % ARRAY_SIZE(names)], payload, &hook, NULL))
		return 0;
	assert(hook.session && *hook.session && hook.event < AGENT_EVENT_MAX_);
	assert(!hook.cwd || (hook.cwd[0] == '/' && strlen(hook.cwd) < PATH_MAX));
	assert(!hook.prompt || (hook.event == AGENT_PROMPT && strlen(hook.prompt) <= AGENT_PROMPT_MAX));
	assert(!hook.source || hook.event == AGENT_SESSION_START);
	assert(!hook.continued || hook.event == AGENT_TURN_END);
	check_answer(&hook, hook.prompt ? hook.prompt : "text");
	return 0;
}

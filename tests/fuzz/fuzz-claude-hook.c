/* Fuzzes Claude Code's hooks: whatever the payload is, the answer is JSON or nothing, and the exit code never
 * blocks, but for a hook that waits. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/claude.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_answer(const struct agent_hook *hook, const char *text)
{
	struct agent_hook_answer answer = {.context = text, .carry_on = text};
	autostrbuf out = STRBUF_INIT(4 << 20), errout = STRBUF_INIT(4 << 20);
	int code = -1;
	claude_hook_write(hook, &answer, &out, &errout, &code);
	assert(code == 0 || (code == 2 && hook->waits));
	assert(hook->waits || !errout.len);
	if (out.len) {
		json_auto_t *json = NULL;
		int parsed = json_parse(out.buf, out.len, &json, NULL);
		assert(parsed == 0 && json_is_object(json));
		assert(hook->event != AGENT_AWAITS && hook->event != AGENT_EVENT_NONE);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_auto_t *payload = NULL;
	if (size > 1 << 20 || json_parse((const char *)data, size, &payload, NULL))
		return 0;
	const char *name = json_str(payload, "hook_event_name");
	const char *events[] = {name ? name : "Stop", "wait"};
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		struct agent_hook hook = {0};
		if (claude_hook_read(events[i], payload, &hook, NULL) == 0) {
			assert(hook.session && (!hook.cwd || hook.cwd[0] == '/'));
			assert(!hook.prompt || strlen(hook.prompt) <= AGENT_PROMPT_MAX);
			check_answer(&hook, hook.prompt ? hook.prompt : "text");
		}
		agent_hook_release(&hook);
	}
	return 0;
}

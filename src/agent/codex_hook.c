/* Payloads and answers of Codex's hooks; see codex.h. */
#include "agent/codex.h"

#include <string.h>

#include "agent/hook.h"
#include "base/json.h"

static const struct hook_kind events[] = {
	{"SessionStart", AGENT_SESSION_START, HOOK_ANSWERS},
	{"UserPromptSubmit", AGENT_PROMPT, HOOK_ANSWERS},
	{"PostToolUse", AGENT_TOOL_END, HOOK_ANSWERS},
	{"Stop", AGENT_TURN_END, 0},
	{"PermissionRequest", AGENT_AWAITS, 0},
	/* The user has stopped the turn, and nothing can make it go on: Codex reads no answer here. So it is
	 * no end of a turn, to which messages could be added that nobody would ever see. It waits for the
	 * user, whose next prompt sets it going again. */
	{"Interrupt", AGENT_AWAITS, 0},
	{"PreCompact", AGENT_COMPACTS, 0},
	{"SessionEnd", AGENT_SESSION_END, 0},
	{0},
};

int codex_hook_read(const char *event, const json_t *payload, struct agent_hook *ret, struct error *err)
{
	const char *name = json_str(payload, "hook_event_name");
	if (!name || strcmp(name, event) != 0)
		return error_set(err, ERR_INVALID, "the payload is not one of the hook %.40s", event);
	enum agent_event what = hook_kind_of(events, name)->event;
	/* A subagent's payload names the session that started it. Its prompts and its end are not the
	 * session's; its question to the user is. */
	if (json_object_get(payload, "agent_id") && what != AGENT_AWAITS)
		what = AGENT_EVENT_NONE;
	return hook_take(payload, what, ret, err);
}

void codex_hook_write(const struct agent_hook *hook, const struct agent_hook_answer *answer,
		      struct strbuf *out, struct strbuf *errout, int *ret_exit)
{
	(void)errout; /* a word on it is an error to Codex */
	*ret_exit = 0;
	hook_answer(events, hook, answer, out);
}

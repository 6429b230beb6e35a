/* Payloads and answers of Codex's hooks; see codex.h. */
#include "agent/codex.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum { SESSION_MAX = 128 };

static const struct {
	const char *name;
	enum agent_event event;
	bool answers; /* takes context for the model */
} events[] = {
	{"SessionStart", AGENT_SESSION_START, true},
	{"UserPromptSubmit", AGENT_PROMPT, true},
	{"PostToolUse", AGENT_TOOL_END, true},
	{"Stop", AGENT_TURN_END, false},
	{"PermissionRequest", AGENT_AWAITS, false},
	/* The user has stopped the turn, and nothing can make it go on: Codex reads no answer here. So it is
	 * no end of a turn, to which messages could be added that nobody would ever see. It waits for the
	 * user, whose next prompt sets it going again. */
	{"Interrupt", AGENT_AWAITS, false},
	{"PreCompact", AGENT_COMPACTS, false},
	{"SessionEnd", AGENT_SESSION_END, false},
};

static enum agent_event event_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		if (strcmp(events[i].name, name) == 0)
			return events[i].event;
	return AGENT_EVENT_NONE;
}

/* The event's name if it takes context, else NULL. */
static const char *name_for_context(enum agent_event event)
{
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		if (events[i].event == event && events[i].answers)
			return events[i].name;
	return NULL;
}

static const char *source_of(const json_t *payload)
{
	static const char *const known[] = {"startup", "resume", "clear", "compact"};
	const char *source = json_str(payload, "source");
	for (size_t i = 0; source && i < ARRAY_SIZE(known); i++)
		if (strcmp(source, known[i]) == 0)
			return known[i];
	return NULL;
}

static char *copy_prompt(const json_t *payload)
{
	const json_t *prompt = json_object_get(payload, "prompt");
	const char *text = json_string_value(prompt);
	size_t len = json_string_length(prompt);
	if (len > AGENT_PROMPT_MAX)
		for (len = AGENT_PROMPT_MAX; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80;)
			len--; /* not in the middle of a character */
	return text ? xstrndup(text, len) : NULL;
}

int codex_hook_read(const char *event, const json_t *payload, struct agent_hook *ret, struct error *err)
{
	const char *name = json_str(payload, "hook_event_name");
	if (!name || strcmp(name, event) != 0)
		return error_set(err, ERR_INVALID, "the payload is not one of the hook %.40s", event);
	const char *session = json_str(payload, "session_id"), *cwd = json_str(payload, "cwd");
	if (!session || !*session || strlen(session) > SESSION_MAX)
		return error_set(err, ERR_INVALID, "the payload of a hook names no session");
	struct agent_hook hook = {.event = event_of(name)};
	/* A subagent's payload names the session that started it. Its prompts and its end are not the
	 * session's; its question to the user is. */
	if (json_object_get(payload, "agent_id") && hook.event != AGENT_AWAITS)
		hook.event = AGENT_EVENT_NONE;
	const char *source = hook.event == AGENT_SESSION_START ? source_of(payload) : NULL;
	hook.session = xstrdup(session);
	hook.cwd = cwd && cwd[0] == '/' && strlen(cwd) < PATH_MAX ? xstrdup(cwd) : NULL;
	hook.source = source ? xstrdup(source) : NULL;
	hook.prompt = hook.event == AGENT_PROMPT ? copy_prompt(payload) : NULL;
	hook.continued = hook.event == AGENT_TURN_END && json_bool(payload, "stop_hook_active", false);
	*ret = hook;
	return 0;
}

static void add_json(const json_t *json, struct strbuf *out)
{
	autofree char *text = json_text(json);
	autofree char *line = xasprintf("%s\n", text);
	strbuf_addstr(out, line); /* whole or not at all */
}

void codex_hook_write(const struct agent_hook *hook, const struct agent_hook_answer *answer,
		      struct strbuf *out, struct strbuf *errout, int *ret_exit)
{
	const char *context = answer->context && *answer->context ? answer->context : NULL;
	const char *carry_on = answer->carry_on && *answer->carry_on ? answer->carry_on : NULL;
	const char *name = name_for_context(hook->event);
	(void)errout; /* a word on it is an error to Codex */
	*ret_exit = 0;
	if (context && name) {
		json_auto_t *json = json_pack("{s:{s:s}}", "hookSpecificOutput", "hookEventName", name);
		json_set_str(json_object_get(json, "hookSpecificOutput"), "additionalContext", context);
		add_json(json, out);
	} else if (carry_on && hook->event == AGENT_TURN_END) {
		json_auto_t *json = json_pack("{s:s}", "decision", "block");
		json_set_str(json, "reason", carry_on);
		add_json(json, out);
	}
}

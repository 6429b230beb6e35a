/* Payloads and answers of hooks; see hook.h. */
#include "agent/hook.h"

#include <limits.h>
#include <string.h>

#include "agent/denial.h"
#include "base/json.h"

const struct hook_kind *hook_kind_of(const struct hook_kind *kinds, const char *name)
{
	const struct hook_kind *k = kinds;
	while (k->name && !(name && strcmp(k->name, name) == 0))
		k++;
	return k;
}

/* The event's name if it takes context, else NULL. */
static const char *name_for_context(const struct hook_kind *kinds, const struct agent_hook *hook)
{
	for (const struct hook_kind *k = kinds; k->name; k++)
		if (k->event == hook->event && !(k->flags & HOOK_FAILED) == !hook->failed &&
		    k->flags & HOOK_ANSWERS)
			return k->name;
	return NULL;
}

static char *copy_source(const json_t *payload)
{
	static const char *const known[] = {"startup", "resume", "clear", "compact"};
	const char *source = json_str(payload, "source");
	for (size_t i = 0; source && i < ARRAY_SIZE(known); i++)
		if (strcmp(source, known[i]) == 0)
			return xstrdup(source);
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

/* A tool that failed has its words elsewhere. */
static char *copy_denial(const json_t *payload)
{
	char *line = denial_line(json_object_get(payload, "tool_response"));
	return line ? line : denial_line(json_object_get(payload, "error"));
}

int hook_take(const json_t *payload, enum agent_event event, struct agent_hook *ret, struct error *err)
{
	const char *session = json_str(payload, "session_id"), *cwd = json_str(payload, "cwd");
	if (!session || !*session || strlen(session) > HOOK_SESSION_MAX)
		return error_set(err, ERR_INVALID, "the payload of a hook names no session");
	*ret = (struct agent_hook){
		.event = event,
		.session = xstrdup(session),
		.cwd = cwd && cwd[0] == '/' && strlen(cwd) < PATH_MAX ? xstrdup(cwd) : NULL,
		.source = event == AGENT_SESSION_START ? copy_source(payload) : NULL,
		.prompt = event == AGENT_PROMPT ? copy_prompt(payload) : NULL,
		.denied = event == AGENT_TOOL_END ? copy_denial(payload) : NULL,
		.continued = event == AGENT_TURN_END && json_bool(payload, "stop_hook_active", false)};
	return 0;
}

void hook_answer(const struct hook_kind *kinds, const struct agent_hook *hook,
		 const struct agent_hook_answer *answer, struct strbuf *out)
{
	const char *context = answer->context && *answer->context ? answer->context : NULL;
	const char *carry_on = answer->carry_on && *answer->carry_on ? answer->carry_on : NULL;
	const char *name = name_for_context(kinds, hook);
	json_auto_t *json = NULL;
	if (context && name) {
		json = json_pack("{s:{s:s}}", "hookSpecificOutput", "hookEventName", name);
		json_set_str(json_object_get(json, "hookSpecificOutput"), "additionalContext", context);
	} else if (carry_on && hook->event == AGENT_TURN_END) {
		json = json_pack("{s:s}", "decision", "block");
		json_set_str(json, "reason", carry_on);
	} else {
		return;
	}
	autofree char *text = json_text(json);
	autofree char *line = xasprintf("%s\n", text);
	strbuf_addstr(out, line); /* whole or not at all */
}

/* Payloads and answers of Claude Code's hooks; see claude.h. */
#include "agent/claude.h"

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
	{"SessionStart", AGENT_SESSION_START, true}, {"UserPromptSubmit", AGENT_PROMPT, true},
	{"PostToolUse", AGENT_TOOL_END, true},	     {"Stop", AGENT_TURN_END, false},
	{"Notification", AGENT_AWAITS, false},	     {"PermissionRequest", AGENT_AWAITS, false},
	{"PreCompact", AGENT_COMPACTS, false},	     {"SessionEnd", AGENT_SESSION_END, false},
};

static enum agent_event event_of(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(events); i++)
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

static bool is_one_of(const char *text, const char *const *list)
{
	for (size_t i = 0; text && list[i]; i++)
		if (strcmp(text, list[i]) == 0)
			return true;
	return false;
}

/* Whether this session has an inbox, which `coppice mcp` writes. The environment may be that of another
 * session which started this one (I4). */
static bool has_inbox(void)
{
	const char *socket = getenv("CLAUDE_CODE_MESSAGING_SOCKET"), *pid = getenv("CLAUDE_PID");
	autofree char *own = xasprintf("%d", (int)agent_process(&agent_claude_code));
	return socket && *socket && pid && strcmp(pid, own) == 0;
}

/* "cli" is the interactive program; any other form would put its end off for as long as the hook waits. */
static bool may_wait(void)
{
	const char *entry = getenv("CLAUDE_CODE_ENTRYPOINT");
	return entry && strcmp(entry, "cli") == 0 && !has_inbox();
}

/* What of the event is of no concern. */
static bool passes(enum agent_event event, const json_t *payload)
{
	static const char *const asks[] = {"permission_prompt", "elicitation_dialog", NULL};
	static const char *const goes_on[] = {"clear", "resume", NULL};
	if (event == AGENT_AWAITS && strcmp(json_str(payload, "hook_event_name"), "Notification") == 0)
		return is_one_of(json_str(payload, "notification_type"), asks);
	/* A subagent's question stops the session as well. */
	if (event != AGENT_AWAITS && json_object_get(payload, "agent_id"))
		return false;
	/* The process goes on with another session, whose start follows (I3). */
	return event != AGENT_SESSION_END || !is_one_of(json_str(payload, "reason"), goes_on);
}

static const char *source_of(const json_t *payload)
{
	static const char *const known[] = {"startup", "resume", "clear", "compact", NULL};
	const char *source = json_str(payload, "source");
	if (source && strcmp(source, "fork") == 0)
		return "resume"; /* what it was called before 2.1.214 */
	return is_one_of(source, known) ? source : NULL;
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

int claude_hook_read(const char *event, const json_t *payload, struct agent_hook *ret, struct error *err)
{
	const char *name = json_str(payload, "hook_event_name");
	bool waits = strcmp(event, "wait") == 0;
	if (!name || (!waits && strcmp(name, event) != 0))
		return error_set(err, ERR_INVALID, "the payload is not one of the hook %.40s", event);
	const char *session = json_str(payload, "session_id"), *cwd = json_str(payload, "cwd");
	if (!session || !*session || strlen(session) > SESSION_MAX)
		return error_set(err, ERR_INVALID, "the payload of a hook names no session");
	struct agent_hook hook = {.event = event_of(name), .waits = waits};
	if (!passes(hook.event, payload))
		hook.event = AGENT_EVENT_NONE;
	if (waits && ((hook.event != AGENT_SESSION_START && hook.event != AGENT_TURN_END) || !may_wait()))
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

void claude_hook_write(const struct agent_hook *hook, const struct agent_hook_answer *answer,
		       struct strbuf *out, struct strbuf *errout, int *ret_exit)
{
	const char *context = answer->context && *answer->context ? answer->context : NULL;
	const char *carry_on = answer->carry_on && *answer->carry_on ? answer->carry_on : NULL;
	const char *name = name_for_context(hook->event);
	*ret_exit = 0;
	if (hook->waits) {
		if (hook->event == AGENT_EVENT_NONE || (!context && !carry_on))
			return;
		/* Exit code 2 is what wakes the session, with the text of stderr. */
		strbuf_addstr(errout, context ? context : carry_on);
		*ret_exit = 2;
	} else if (context && name) {
		json_auto_t *json = json_pack("{s:{s:s}}", "hookSpecificOutput", "hookEventName", name);
		json_set_str(json_object_get(json, "hookSpecificOutput"), "additionalContext", context);
		add_json(json, out);
	} else if (carry_on && hook->event == AGENT_TURN_END) {
		json_auto_t *json = json_pack("{s:s}", "decision", "block");
		json_set_str(json, "reason", carry_on);
		add_json(json, out);
	}
}

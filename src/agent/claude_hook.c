/* Payloads and answers of Claude Code's hooks; see claude.h. */
#include "agent/claude.h"

#include <stdlib.h>
#include <string.h>

#include "agent/hook.h"
#include "base/json.h"

enum { FAILURE_MAX = 40 };

static const struct hook_kind events[] = {
	{"SessionStart", AGENT_SESSION_START, HOOK_ANSWERS},
	{"UserPromptSubmit", AGENT_PROMPT, HOOK_ANSWERS},
	{"PostToolUse", AGENT_TOOL_END, HOOK_ANSWERS},
	{"PostToolUseFailure", AGENT_TOOL_END, HOOK_ANSWERS | HOOK_FAILED},
	{"Stop", AGENT_TURN_END, 0},
	{"StopFailure", AGENT_TURN_FAILED, 0},
	{"Notification", AGENT_AWAITS, 0},
	{"PermissionRequest", AGENT_AWAITS, 0},
	{"PreCompact", AGENT_COMPACTS, 0},
	{"SessionEnd", AGENT_SESSION_END, 0},
	{0},
};

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

/* Why the turn failed: a word such as "rate_limit". */
static char *failure_of(const json_t *payload)
{
	const char *error = json_str(payload, "error");
	if (!error || strlen(error) > FAILURE_MAX)
		return NULL;
	return xstrdup(strcmp(error, "authentication_failed") == 0 ? AGENT_NO_LOGIN : error);
}

int claude_hook_read(const char *event, const json_t *payload, struct agent_hook *ret, struct error *err)
{
	const char *name = json_str(payload, "hook_event_name");
	bool waits = strcmp(event, "wait") == 0;
	if (!name || (!waits && strcmp(name, event) != 0))
		return error_set(err, ERR_INVALID, "the payload is not one of the hook %.40s", event);
	const struct hook_kind *kind = hook_kind_of(events, name);
	enum agent_event what = kind->event;
	if (!passes(what, payload))
		what = AGENT_EVENT_NONE;
	if (waits && ((what != AGENT_SESSION_START && what != AGENT_TURN_END) || !may_wait()))
		what = AGENT_EVENT_NONE;
	int code = hook_take(payload, what, ret, err);
	if (code)
		return code;
	ret->waits = waits;
	ret->failed = kind->flags & HOOK_FAILED;
	if (what == AGENT_TURN_FAILED)
		ret->source = failure_of(payload);
	const char *source = json_str(payload, "source");
	if (what == AGENT_SESSION_START && source && strcmp(source, "fork") == 0)
		ret->source = xstrdup("resume"); /* what it was called before 2.1.214 */
	return 0;
}

void claude_hook_write(const struct agent_hook *hook, const struct agent_hook_answer *answer,
		       struct strbuf *out, struct strbuf *errout, int *ret_exit)
{
	const char *context = answer->context && *answer->context ? answer->context : NULL;
	const char *carry_on = answer->carry_on && *answer->carry_on ? answer->carry_on : NULL;
	*ret_exit = 0;
	if (!hook->waits) {
		hook_answer(events, hook, answer, out);
	} else if (hook->event != AGENT_EVENT_NONE && (context || carry_on)) {
		/* Exit code 2 is what wakes the session, with the text of stderr. */
		strbuf_addstr(errout, context ? context : carry_on);
		*ret_exit = 2;
	}
}

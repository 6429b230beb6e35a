/* What Coppice adds to Claude Code's settings; see claude.h. */
#include "agent/claude.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

enum {
	TIMEOUT_SECONDS = 10,
	/* A hook that waits is ended after that, and the next turn's end starts another. */
	WAIT_SECONDS = 7 * 24 * 3600,
};

struct version {
	unsigned major, minor, patch;
};

static const struct entry {
	const char *event, *matcher;
	bool waits;
	struct version since;
} entries[] = {
	{.event = "SessionStart"},
	{.event = "UserPromptSubmit"},
	{.event = "PostToolUse"},
	{.event = "PostToolUseFailure", .since = {2, 1, 197}},
	{.event = "Stop"},
	{.event = "StopFailure", .since = {2, 1, 197}},
	{.event = "Notification", .matcher = "permission_prompt|elicitation_dialog"},
	{.event = "PermissionRequest", .since = {2, 0, 45}},
	{.event = "PreCompact"},
	{.event = "SessionEnd"},
	/* An older version might not know that these are to run in the background, and stand still. */
	{.event = "SessionStart", .waits = true, .since = {2, 1, 197}},
	{.event = "Stop", .waits = true, .since = {2, 1, 197}},
};

/* "2.1.330 (Claude Code)"; what is no version is older than all. */
static struct version version_parse(const char *text)
{
	struct version v = {0};
	unsigned *parts[] = {&v.major, &v.minor, &v.patch};
	for (size_t i = 0; text && i < ARRAY_SIZE(parts); i++) {
		size_t digits = strspn(text, "0123456789");
		if (digits == 0 || digits > 6)
			return (struct version){0};
		*parts[i] = (unsigned)strtoul(text, NULL, 10); /* at most 6 digits */
		text += digits;
		if (i + 1 < ARRAY_SIZE(parts) && *text++ != '.')
			return (struct version){0};
	}
	return v;
}

static bool version_before(struct version a, struct version b)
{
	if (a.major != b.major)
		return a.major < b.major;
	return a.minor != b.minor ? a.minor < b.minor : a.patch < b.patch;
}

/* Claude Code hands the command to a shell. By `exec` the hook takes the shell's place: it starts faster, its
 * parent is the session, and the signal that ends it reaches it. */
static json_t *hook_entry(const struct entry *e, const char *program)
{
	autostrbuf command = STRBUF_INIT(64 << 10);
	strbuf_addstr(&command, "exec ");
	text_quote(program, &command);
	strbuf_addf(&command, " hook %s --backend claude-code", e->waits ? "wait" : e->event);
	json_t *hook = json_pack("{s:s}", "type", "command");
	json_set_str(hook, "command", strbuf_str(&command));
	(void)json_object_set_new(hook, "timeout", json_integer(e->waits ? WAIT_SECONDS : TIMEOUT_SECONDS));
	if (e->waits) {
		(void)json_object_set_new(hook, "async", json_true());
		(void)json_object_set_new(hook, "asyncRewake", json_true());
	}
	return hook;
}

json_t *claude_hooks(const char *program, const char *version)
{
	json_t *all = json_object();
	struct version v = version_parse(version);
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		const struct entry *e = &entries[i];
		if (version_before(v, e->since))
			continue;
		json_t *groups = json_object_get(all, e->event);
		if (!groups) {
			groups = json_pack("[{s:[]}]", "hooks");
			if (e->matcher)
				json_set_str(json_array_get(groups, 0), "matcher", e->matcher);
			(void)json_object_set_new(all, e->event, groups);
		}
		json_t *hooks = json_object_get(json_array_get(groups, 0), "hooks");
		(void)json_array_append_new(hooks, hook_entry(e, program));
	}
	return all;
}

json_t *claude_mcp_server(const char *program)
{
	/* Without alwaysLoad the model has to search for the tools before it can use them. */
	json_t *server = json_pack("{s:s, s:n, s:[s], s:b}", "type", "stdio", "command", "args", "mcp",
				   "alwaysLoad", 1);
	json_set_str(server, "command", program);
	return server;
}

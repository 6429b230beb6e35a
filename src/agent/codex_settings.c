/* What Coppice adds to Codex's settings; see codex.h. */
#include "agent/codex.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

enum {
	TIMEOUT_SECONDS = 10,
	/* Codex cuts the time of these two, and complains of more. */
	END_TIMEOUT_SECONDS = 3,
	STARTUP_SECONDS = 20,
	/* Tools that wait answer within 25 s. */
	TOOL_SECONDS = 60,
};

static const struct hook {
	const char *event;
	int timeout;
	bool early; /* among the first that Codex had */
} hooks[] = {
	{"SessionStart", TIMEOUT_SECONDS, true},       {"UserPromptSubmit", TIMEOUT_SECONDS, true},
	{"PostToolUse", TIMEOUT_SECONDS, true},	       {"Stop", TIMEOUT_SECONDS, true},
	{"PermissionRequest", TIMEOUT_SECONDS, false}, {"PreCompact", TIMEOUT_SECONDS, false},
	{"SessionEnd", END_TIMEOUT_SECONDS, false},    {"Interrupt", END_TIMEOUT_SECONDS, false},
};

/* "codex-cli 0.169.0": whether it is that version or a later one. */
static bool knows_all(const char *version)
{
	enum { MINOR = 169 };
	const char *number = version ? strpbrk(version, "0123456789") : NULL;
	if (!number || strspn(number, "0123456789") > 6)
		return false;
	char *end;
	unsigned long major = strtoul(number, &end, 10); /* at most 6 digits */
	if (*end != '.' || strspn(end + 1, "0123456789") > 6)
		return false;
	return major > 0 || strtoul(end + 1, NULL, 10) >= MINOR;
}

/* Codex runs it by a shell: in quotes nothing of it means anything to that one, and it is gone when the
 * program runs. */
static char *command_line(const char *program, const char *event)
{
	autostrbuf line = STRBUF_INIT(8 << 10);
	strbuf_addstr(&line, "exec ");
	text_quote(program, &line);
	strbuf_addf(&line, " hook %s --backend codex", event);
	return strbuf_detach(&line);
}

json_t *codex_hooks(const char *program, const char *version)
{
	json_t *list = json_object();
	bool all = knows_all(version);
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		if (!all && !hooks[i].early)
			continue;
		autofree char *line = command_line(program, hooks[i].event);
		json_t *hook = json_pack("{s:s, s:o, s:i}", "type", "command", "command",
					 json_lossy_string(line, strlen(line)), "timeout", hooks[i].timeout);
		json_object_set_new(list, hooks[i].event, json_pack("[{s:[o]}]", "hooks", hook));
	}
	return list;
}

/* A server gets nothing of its environment but what is named: without these it would not know whose it is,
 * nor where the daemon is. */
static const char *const variables[] = {
	"COPPICE",	  "COPPICE_HOME",    "COPPICE_PEER",	"COPPICE_NAME",
	"COPPICE_CIRCLE", "COPPICE_ROLE",    "COPPICE_JOB",	"COPPICE_FENCE",
	"XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME",
};

json_t *codex_mcp_server(const char *program)
{
	json_t *names = json_array();
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		json_array_append_new(names, json_string(variables[i]));
	return json_pack("{s:o, s:[s], s:o, s:s, s:i, s:i}", "command",
			 json_lossy_string(program, strlen(program)), "args", "mcp", "env_vars", names,
			 "default_tools_approval_mode", "approve", "startup_timeout_sec", STARTUP_SECONDS,
			 "tool_timeout_sec", TOOL_SECONDS);
}

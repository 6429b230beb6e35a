/* A small set of hooks, until the backend brings its own. */
#include "agent/claude.h"

#include "base/alloc.h"
#include "base/json.h"

json_t *claude_hooks(const char *program, const char *version)
{
	static const char *const events[] = {"SessionStart", "UserPromptSubmit", "PostToolUse", "Stop",
					     "SessionEnd"};
	json_t *all = json_object();
	(void)version;
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		autofree char *command =
			xasprintf("exec '%s' hook %s --backend claude-code", program, events[i]);
		json_object_set_new(all, events[i],
				    json_pack("[{s:[{s:s, s:s, s:i}]}]", "hooks", "type", "command",
					      "command", command, "timeout", 10));
	}
	return all;
}

json_t *claude_mcp_server(const char *program)
{
	return json_pack("{s:s, s:s, s:[s], s:b}", "type", "stdio", "command", program, "args", "mcp",
			 "alwaysLoad", 1);
}

/* A small set of hooks, until the backend brings its own. */
#include "agent/codex_hook.h"

#include "base/alloc.h"
#include "base/json.h"

json_t *codex_hooks(const char *program, const char *version)
{
	static const char *const events[] = {"SessionStart", "UserPromptSubmit", "PostToolUse", "Stop"};
	json_t *all = json_array();
	(void)version;
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		autofree char *command = xasprintf("exec '%s' hook %s --backend codex", program, events[i]);
		json_array_append_new(all, json_pack("{s:s, s:s, s:i}", "event", events[i], "command",
						     command, "timeout", 10));
	}
	return all;
}

/* The parts of the backend `claude-code`, put together in claude_code.c; agent.h has their contracts. */
#ifndef AGENT_CLAUDE_H
#define AGENT_CLAUDE_H

#include "agent/agent.h"

enum {
	/* Characters of a hook's context that reach the model; of a longer one it gets the name of a file and
	 * a preview. */
	CLAUDE_CONTEXT_MAX = 10000,
	/* The same for the text of a hook that wakes the session; the middle of a longer one is cut out. */
	CLAUDE_WAKE_MAX = 100000,
	/* Bytes of a prompt on the command line: the kernel takes 128 KiB in one argument. */
	CLAUDE_PROMPT_MAX = 120000,
};

/* --- claude_hook.c: SessionStart, UserPromptSubmit, … and "wait", the background hook of claude_hooks --- */

/* "wait" is of no concern (AGENT_EVENT_NONE) where it would do harm or no good: in a one-shot session, which
 * would not end for it, and in one whose inbox takes messages. What happens within a subagent is of no
 * concern either: a message shown to it would not reach the session. */
int claude_hook_read(const char *event, const json_t *payload, struct agent_hook *ret,
		     struct error *err) _warn_unused_;
/* Says nothing where there is nothing to say, and never decides for the user. */
void claude_hook_write(const struct agent_hook *hook, const struct agent_hook_answer *answer,
		       struct strbuf *out, struct strbuf *errout, int *ret_exit);

/* --- claude_settings.c --- */

/* All hooks that Coppice wants, in the form of the key "hooks" of a settings file: {EVENT: [{"matcher"?,
 * "hooks": [{"type", "command", "timeout", "async"?, "asyncRewake"?}]}]}. `program` is this program,
 * absolute. `version` is what `claude --version` prints, or NULL: only what that version knows is in it, for
 * of what it does not know it complains in a dialog. The same program gives the same commands, and Claude
 * Code runs a command that is in several settings once. A new reference. */
json_t *claude_hooks(const char *program, const char *version);
/* The MCP server, in the form of an entry of "mcpServers". A new reference. */
json_t *claude_mcp_server(const char *program);
/* What the key "permissions.allow" needs so that our tools are used without a question: they only talk to the
 * mesh, which has its own rules on who may do what (S8). */
#define CLAUDE_ALLOW_TOOLS "mcp__coppice__*"

/* --- claude_start.c --- */

int claude_start(const struct agent_start *start, struct agent_command *ret, struct error *err) _warn_unused_;

/* --- claude_record.c: <pid>.json --- */

extern const struct agent_records claude_records;

#endif

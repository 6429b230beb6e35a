/* The parts of the backend `codex`, put together in codex.c; agent.h has their contracts.
 *
 * Codex runs in one of three ways:
 *	shared    plain `codex`: its sessions live in an app server, one for all terminals of a
 *	          CODEX_HOME, which the first of them started. Hooks and MCP servers are children of
 *	          that, with its environment; each session has MCP servers of its own, started in its
 *	          folder with the session, before its first prompt.
 *	own       what codex_start makes: an app server for this terminal alone
 *	embedded  `codex exec`, `codex --no-daemon`: one process, no socket; only `codex queue` reaches it
 *
 * A SessionStart hook runs with the first prompt, in each of them. */
#ifndef AGENT_CODEX_H
#define AGENT_CODEX_H

#include "agent/agent.h"

/* --- codex_link.c: the control socket of an app server --- */

extern const struct agent_link_kind codex_link;

/* --- codex_start.c --- */

enum {
	/* Bytes of a first prompt on the command line, for the kernel takes 128 KiB in one argument; of a
	 * longer one the session gets the name of a file. */
	CODEX_PROMPT_MAX = 100000,
};

/* `codex --remote` at an app server of its own, which term/launch.h starts. Its settings come by options on
 * top of the user's; dialogs that are the user's to answer are left to the user. */
int codex_start(const struct agent_start *start, struct agent_command *ret, struct error *err) _warn_unused_;
/* By the command line of an app server; NULL for a terminal's program and for `codex exec`. */
char *codex_link_socket(pid_t pid);

/* --- codex_hook.c --- */

int codex_hook_read(const char *event, const json_t *payload, struct agent_hook *ret,
		    struct error *err) _warn_unused_;
/* Says nothing where there is nothing to say, and never decides for the user. */
void codex_hook_write(const struct agent_hook *hook, const struct agent_hook_answer *answer,
		      struct strbuf *out, struct strbuf *errout, int *ret_exit);

/* --- codex_settings.c --- */

/* All hooks that Coppice wants, in the form of the key "hooks" of hooks.json: {EVENT: [{"hooks": [{"type",
 * "command", "timeout"}]}]}. `program` is this program, absolute. `version` is what `codex --version` prints,
 * or NULL: only what that version is known to have is in it. A new reference. */
json_t *codex_hooks(const char *program, const char *version);
/* The MCP server, in the form of an entry of mcp_servers in config.toml; its tools are used without a
 * question. A new reference. */
json_t *codex_mcp_server(const char *program);

/* --- codex_queue.c: `codex queue`, for sessions that no link reaches --- */

/* The argument array that puts a message in a session's queue; a running session takes it within 10 s when
 * it is idle. `command` is the configuration's, or NULL. A new reference. ERR_TOO_LARGE. */
int codex_queue(const json_t *command, const char *session, const char *text, json_t **ret,
		struct error *err) _warn_unused_;
/* Whether the session of this process takes from its queue: a terminal's does, `codex exec` ends before it
 * would, and an app server has the link. */
bool codex_queue_reaches(pid_t pid);
/* What became of it, by its exit code and what it wrote (stderr after stdout). 0: it is in the queue, which
 * does not say that the session runs. ERR_REFUSED: it is not, and why. */
int codex_queue_result(int status, const char *out, size_t len, struct error *err) _warn_unused_;

#endif

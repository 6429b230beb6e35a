/* Backends: the runtimes behind peers, one const table entry each. Adding one is a file with an entry, and
 * its line in agent.c.
 *
 * Everything here is about the runtime's own forms: its command line, its hooks' payloads, its session
 * records, its ways in. What follows from any of it (who the peer is, what is delivered when) is decided by
 * mesh/ and flow/, which know no runtime.
 *
 * A runtime has up to two native ways in:
 *	inbox	a socket of the session; written by `coppice mcp`, the session's own child
 *	link	a control socket of a process that hosts sessions; held by the daemon */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/error.h"
#include "base/strbuf.h"

enum agent_launch {
	AGENT_LAUNCH_EXEC,  /* the terminal's process becomes the agent */
	AGENT_LAUNCH_WATCH, /* the terminal's process waits for it and records how it ended (term/launch.h) */
};

/* --- starting one --- */

/* What is to be started. All borrowed. */
struct agent_start {
	const char *program;   /* this program, absolute: for hooks and the MCP server */
	const char *home;      /* the state folder, absolute */
	const char *spawn_id;  /* names the files that this start needs */
	const char *path;      /* the folder to start in, absolute */
	const json_t *command; /* argument array of the configuration, or NULL for the backend's own */
	const json_t *profile; /* config_profile(), or NULL */
	const char *version;   /* of the runtime, as it says it itself, or NULL */
	/* The first prompt, or NULL. One that begins with a runtime's sign for commands ("/") may be taken
	 * for one: what is not the user's own word is given in its element (D9). */
	const char *prompt;
	/* Git's folder of the linked worktree that it starts in, and the repository's, by the books: for
	 * runtimes that confine what they run. NULL where it is none of ours. */
	const char *git_dir, *common_dir;
	/* It is confined to what it says in `places` and to its worktree, which stands for a sandbox of the
	 * runtime's own; `tmp` is its temporary folder then. */
	bool confined;
	const char *tmp;
	bool settled; /* the user's own settings hold our hooks and MCP server already (`coppice setup`) */
};

/* How; owned, released by agent_command_release. */
struct agent_command {
	json_t *argv;	 /* never a shell's */
	json_t *env;	 /* {"NAME": "value" or null} on top of what every spawn gets; or NULL */
	json_t *files;	 /* {absolute path: text}: written first, 0600; or NULL */
	json_t *folders; /* [absolute path]: made first, 0700, and removed when it has ended; or NULL */
	json_t *places;	 /* what the runtime needs where it is confined: lists as in os/sandbox.h; or NULL */
	json_t *server; /* {"argv":[…],"socket":path}: a process that the terminal's process starts first and
			 * ends with itself, ready when the socket is there; or NULL */
};

void agent_command_release(struct agent_command *command);
/* The `places` of a runtime whose own folder is `home` (NULL: unknown, none): it writes that, but for the names
 * of `shut`, which make other sessions run things, as far as they are there; and its shell's snapshots, with
 * which each command of a session begins, are its own, in `tmp`. `shut` ends with NULL. A new reference. */
json_t *agent_places(const char *home, const char *const *shut, const char *snapshots, const char *tmp);

/* --- hooks --- */

enum agent_event {
	AGENT_EVENT_NONE = 0, /* of no concern */
	AGENT_SESSION_START,
	AGENT_PROMPT,	/* something enters the model's turn as a prompt */
	AGENT_TOOL_END, /* between two tool calls */
	AGENT_TURN_END,
	AGENT_TURN_FAILED, /* it ended by an error of the runtime's or of its model's service */
	AGENT_AWAITS,	   /* a dialog waits for the user */
	AGENT_COMPACTS,
	AGENT_SESSION_END,
	AGENT_EVENT_MAX_,
};

/* "session_start", "prompt", …; NULL for AGENT_EVENT_NONE. */
const char *agent_event_name(enum agent_event event);
bool agent_event_parse(const char *name, enum agent_event *ret);

/* What a hook's payload says; owned, released by agent_hook_release. */
struct agent_hook {
	enum agent_event event;
	char *session; /* the runtime's id of the session, or NULL */
	char *cwd;
	char *source; /* of a session's start: startup, resume, clear, compact; of AGENT_TURN_FAILED:
			 * AGENT_NO_LOGIN, or   the runtime's word for what went wrong; or NULL */
	char *prompt; /* text of AGENT_PROMPT, at most AGENT_PROMPT_MAX bytes of it; or NULL */
	char *denied; /* AGENT_TOOL_END: a line of its result by which something could not be written, or NULL */
	bool failed;	/* AGENT_TOOL_END: the tool has failed */
	bool continued; /* AGENT_TURN_END: a hook has kept this turn going already */
	bool waits;	/* the hook runs in the background, and may wake the session with a message: the event
			 * is what started it, AGENT_EVENT_NONE when it is of no use */
};

enum { AGENT_PROMPT_MAX = 256 << 10 };

#define AGENT_NO_LOGIN "login"

void agent_hook_release(struct agent_hook *hook);

/* What the mesh answers a hook. */
struct agent_hook_answer {
	const char *context;  /* for the model to read, or NULL */
	const char *carry_on; /* AGENT_TURN_END: why the turn goes on, or NULL */
};

/* --- the session's inbox, written from `coppice mcp` --- */

struct agent_inbox;

/* Called from the loop, never from within agent_inbox_kind's functions. */
struct agent_inbox_events {
	/* The runtime took it (`err` NULL), or it is known not to have arrived. */
	void (*sent)(void *data, const char *id, const struct error *err);
	/* It is held for the user's consent; later `released` or `dropped` may follow. */
	void (*held)(void *data, const char *id, const char *reason);
	void (*released)(void *data, const char *id);
	void (*dropped)(void *data, const char *id, const char *reason);
};

struct agent_inbox_kind {
	const char *transport; /* its name in traces: "claude-inbox" */
	/* Finds the inbox by this process's environment. ERR_NOT_FOUND when the session has none. */
	int (*open)(uv_loop_t *loop, const struct agent_inbox_events *events, void *data,
		    struct agent_inbox **ret, struct error *err) _warn_unused_;
	/* Queues one text, paced as the runtime wants it; ends in `sent`. `id` is the message's. */
	int (*send)(struct agent_inbox *inbox, const char *id, const char *from, const char *text,
		    struct error *err) _warn_unused_;
	void (*close)(struct agent_inbox *inbox); /* NULL is fine; no callback comes after it */
};

/* --- the link to a process that hosts sessions, held by the daemon --- */

struct agent_link;

enum agent_turn { AGENT_TURN_IDLE, AGENT_TURN_WORKING, AGENT_TURN_AWAITS };

/* Called from the loop, never from within agent_link_kind's functions. `session` is the runtime's id. */
struct agent_link_events {
	void (*session)(void *data, const char *session, const char *cwd, enum agent_turn turn);
	void (*session_gone)(void *data, const char *session);
	void (*turn)(void *data, const char *session, enum agent_turn turn);
	/* The runtime took the message, or is known not to have it (`err`). With `err` it may come a second
	 * time: what was taken has been dropped before it was read. */
	void (*sent)(void *data, const char *session, const char *id, const struct error *err);
	void (*consumed)(void *data, const char *session, const char *id);
	/* The connection is over; what was sent and not answered is unknown. The link frees itself. */
	void (*lost)(void *data, const struct error *err);
};

struct agent_link_kind {
	const char *transport; /* "codex-link" */
	/* Connects to `socket`, which must be listened on by the very process `pid` (or a child of it):
	 * else ERR_FORBIDDEN, by `lost`. Sessions that are there are told by `session`. */
	int (*open)(uv_loop_t *loop, const char *socket, pid_t pid, const struct agent_link_events *events,
		    void *data, struct agent_link **ret, struct error *err) _warn_unused_;
	int (*send)(struct agent_link *link, const char *session, const char *id, const char *text,
		    struct error *err) _warn_unused_;
	void (*close)(struct agent_link *link); /* NULL is fine; no callback comes after it */
};

/* --- a command that puts a message into a session's queue, for sessions that nothing better reaches --- */

struct agent_queue_kind {
	const char *transport; /* "codex-queue" */
	/* Whether it reaches the session of this process. */
	bool (*reaches)(pid_t pid);
	/* Its argument array; `command` is the configuration's, or NULL. A new reference. ERR_TOO_LARGE. */
	int (*command)(const json_t *command, const char *session, const char *text, json_t **ret,
		       struct error *err) _warn_unused_;
	/* Which variable of the session's process it must share, or NULL. */
	const char *home_variable;
	/* What became of it, by its exit code and what it wrote: 0 if the message is in the queue. */
	int (*result)(int status, const char *out, size_t len, struct error *err) _warn_unused_;
};

/* --- session records that the runtime keeps --- */

struct agent_record {
	pid_t pid;
	uint64_t start_time; /* clock ticks since boot */
	char *session, *cwd, *version, *pane;
	enum agent_turn turn;
	bool interactive; /* false: a background or one-shot session */
	bool has_inbox;
};

void agent_record_release(struct agent_record *record);

struct agent_records {
	/* The folder, below the home of the user; caller frees. */
	char *(*dir)(void);
	/* One file of it; ERR_INVALID for what is none, ERR_UNSUPPORTED for another file. */
	int (*parse)(const char *name, const char *text, size_t len, struct agent_record *ret,
		     struct error *err) _warn_unused_;
};

/* --- the table --- */

struct term_composer; /* term/composer.h */

struct agent_backend {
	const char *name;
	const char *summary; /* one line, for help and docs */
	enum agent_launch launch;
	/* /proc/PID/comm of its processes, NULL-terminated, or NULL: how a hook or an MCP server finds which
	 * of its ancestors is the agent. It is a hint; that it is an ancestor is what the daemon checks. */
	const char *const *process_names;
	const char *session_variable; /* in the environment of what a session runs: its id; or NULL */
	/* Names, to the hook of a session's start, a file of shell lines that every command of the session
	 * runs after; or NULL. */
	const char *env_file_variable;
	const char *client_name; /* clientInfo.name of its MCP client, or NULL */
	bool hosts_sessions;	 /* one process may host several sessions: their id tells them apart (I3) */
	/* Characters that reach the model whole: of a hook's context, and of what a hook that waits says; 0
	 * for no limit that is known. */
	size_t context_max, wake_max;
	/* NULL: it is started by a plain command, and takes no prompt. */
	int (*start)(const struct agent_start *start, struct agent_command *ret,
		     struct error *err) _warn_unused_;
	/* The payload of a hook; ERR_INVALID. `event` is the runtime's name of it. */
	int (*hook_read)(const char *event, const json_t *payload, struct agent_hook *ret,
			 struct error *err) _warn_unused_;
	/* The runtime's form of the answer: what goes to stdout and stderr, and the exit code. */
	void (*hook_write)(const struct agent_hook *hook, const struct agent_hook_answer *answer,
			   struct strbuf *out, struct strbuf *errout, int *ret_exit);
	const struct agent_inbox_kind *inbox;
	const struct agent_link_kind *link;
	/* The control socket that the agent process `pid` listens on; caller frees. NULL: it hosts nothing.
	 */
	char *(*link_socket)(pid_t pid);
	const struct agent_queue_kind *queue;
	const struct agent_records *records;
	const struct term_composer *composer;
};

/* The nearest ancestor of this process that is one of the backend's by its name, this process's parent if
 * none is. Which of the names is the agent's is a hint: that it is an ancestor is checked by the daemon. */
pid_t agent_process(const struct agent_backend *backend);
/* NULL if there is none of that name. */
const struct agent_backend *agent_backend_find(const char *name);
/* By the name that its MCP client gives itself; NULL if unknown. */
const struct agent_backend *agent_backend_of_client(const char *client_name);
/* The names, NULL-terminated. */
const char *const *agent_backend_names(void);
/* All backends, NULL-terminated. */
const struct agent_backend *const *agent_backends(void);

extern const struct agent_backend agent_script;
extern const struct agent_backend agent_claude_code;
extern const struct agent_backend agent_codex;

#endif

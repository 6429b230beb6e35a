/* What the operations that start an agent share: `new` and `spawn`. */
#ifndef OPS_SPAWNING_H
#define OPS_SPAWNING_H

#include "agent/agent.h"
#include "ops/op.h"

#define SPAWNING_PARAMS                                                                                      \
	{"backend", OP_TEXT, 0, "the runtime to start", 32, 0},                                              \
		{"profile", OP_TEXT, 0, "its launch settings", 64, 0},                                       \
		{"circle", OP_TEXT, 0, "the circle it joins; by default the caller's", 64, 0},               \
		{"role", OP_TEXT, 0, "agent, reviewer or orchestrator", 32, 0},                              \
		{"message", OP_TEXT, OP_MULTILINE, "its first prompt", 65536, 0},                            \
	{                                                                                                    \
		"run", OP_TEXTS, OP_MULTILINE, "the argument array of a script", 200, 0                      \
	}

/* Whether an agent may be started with that profile (NULL: none); ERR_NOT_FOUND, ERR_UNSUPPORTED. */
int spawning_check_agent(const struct core *core, const struct agent_backend *backend, const char *profile,
			 struct error *err) _warn_unused_;

struct spawning {
	const char *path;
	const char *branch;  /* or NULL */
	const char *repo_id; /* or NULL */
};

/* Whether the parameters name a backend or a command. */
bool spawning_wanted(const struct op_call *call);
/* Checks the backend, the command, the circle and the permission to start it at `path`, before anything is
 * made. */
int spawning_check(const struct op_call *call, const char *path, struct error *err) _warn_unused_;
/* Mints the peer and orders its start; puts "peer" and "spawn" into call->state (which may be NULL before).
 */
int spawning_begin(struct op_call *call, const struct spawning *spawning, struct error *err) _warn_unused_;
/* OP_PARKED, the started peer (new reference), or why it did not start. */
int spawning_answer(struct op_call *call, json_t **ret, struct error *err) _warn_unused_;

#endif

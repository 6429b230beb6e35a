/* The list of commands, in the order of the help; each is defined in cmd-<name>.c. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/command.h"

#define COMMAND_LIST(X)                                                                                      \
	X(run)                                                                                               \
	X(plan)                                                                                              \
	X(new)                                                                                               \
	X(list)                                                                                              \
	X(path_entry)                                                                                        \
	X(rm)                                                                                                \
	X(restore)                                                                                           \
	X(trash)                                                                                             \
	X(land)                                                                                              \
	X(train)                                                                                             \
	X(ps)                                                                                                \
	X(show)                                                                                              \
	X(whoami)                                                                                            \
	X(describe)                                                                                          \
	X(role)                                                                                              \
	X(ask)                                                                                               \
	X(ack)                                                                                               \
	X(answer_entry)                                                                                      \
	X(decline)                                                                                           \
	X(notify)                                                                                            \
	X(broadcast)                                                                                         \
	X(inbox)                                                                                             \
	X(asks)                                                                                              \
	X(trace)                                                                                             \
	X(dead)                                                                                              \
	X(spawn)                                                                                             \
	X(attach)                                                                                            \
	X(kill)                                                                                              \
	X(job)                                                                                               \
	X(status)                                                                                            \
	X(log)                                                                                               \
	X(config)                                                                                            \
	X(daemon)                                                                                            \
	X(setup)                                                                                             \
	X(doctor)                                                                                            \
	X(uninstall)                                                                                         \
	X(stop)                                                                                              \
	X(completion)                                                                                        \
	X(help_entry)                                                                                        \
	X(hook)                                                                                              \
	X(mcp)                                                                                               \
	X(guard)                                                                                             \
	X(complete)

#define COMMAND_DECLARE(name) extern const struct command command_##name;
COMMAND_LIST(COMMAND_DECLARE)
#undef COMMAND_DECLARE

/* The daemon itself lies above this layer: main.c says here what runs it. Its exit code. */
extern int (*command_daemon_main)(int ready_fd);
/* And what serves MCP in `dir`, with the named set of tools (NULL: by the role). */
extern int (*command_mcp_main)(const char *tools, const char *dir, struct error *err);
/* And what a hook of git's is within a peer. Its exit code. */
extern int (*command_guard_main)(int argc, char **argv);

#endif

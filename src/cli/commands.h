/* The list of commands, in the order of the help; each is defined in cmd-<name>.c. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/command.h"

#define COMMAND_LIST(X)                                                                                      \
	X(run)                                                                                               \
	X(ps)                                                                                                \
	X(whoami)                                                                                            \
	X(ask)                                                                                               \
	X(ack)                                                                                               \
	X(inbox)                                                                                             \
	X(status)                                                                                            \
	X(stop)

#define COMMAND_DECLARE(name) extern const struct command command_##name;
COMMAND_LIST(COMMAND_DECLARE)
#undef COMMAND_DECLARE

#endif

/* The table of commands; see commands.h. */
#include "cli/commands.h"

#include <stddef.h>

#define COMMAND_ENTRY(name) &command_##name,

const struct command *const commands[] = {COMMAND_LIST(COMMAND_ENTRY) NULL};

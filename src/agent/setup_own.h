/* Which entries of the agents' settings are ours: by what they run. */
#ifndef AGENT_SETUP_OWN_H
#define AGENT_SETUP_OWN_H

#include <jansson.h>
#include <stdbool.h>

/* Whether a command line for a shell is `[exec] PROGRAM VERB …`, PROGRAM being `program` (NULL: not known) or
 * any file called coppice. `ret_tail` (may be NULL) is what follows PROGRAM; it points into `command`. */
bool setup_own_command(const char *command, const char *program, const char *verb, const char **ret_tail);
/* The program of such a command line, caller frees; NULL if it is none. */
char *setup_own_program(const char *command);
/* The same for an argument array of which the first element is apart, as MCP servers have it. */
bool setup_own_server(const char *command, const json_t *args, const char *program);

#endif

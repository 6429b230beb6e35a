/* The options that `new` and `spawn` share. */
#ifndef CLI_SPAWN_ARGS_H
#define CLI_SPAWN_ARGS_H

#include "cli/command.h"

#define SPAWN_OPTIONS                                                                                        \
	{"backend", 'b', OPTION_VALUE, "BACKEND", "the runtime to start: claude-code, codex or script"},     \
		{"profile", 0, OPTION_VALUE, "PROFILE", "its launch settings"},                              \
		{"role", 0, OPTION_VALUE, "ROLE", "agent (the default), reviewer or orchestrator"},          \
		{"circle", 0, OPTION_VALUE, "CIRCLE",                                                        \
		 "the circle it joins (default: COPPICE_CIRCLE, else default)"},                             \
	{                                                                                                    \
		"message", 'm', OPTION_VALUE, "PROMPT", "its first prompt"                                   \
	}

/* Adds them, and the command after "--", to an operation's parameters. */
void spawn_args(const struct command_run *run, json_t *args);

#endif

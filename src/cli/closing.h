/* What the commands that end an ask share: ack, answer and decline. */
#ifndef CLI_CLOSING_H
#define CLI_CLOSING_H

#include "cli/command.h"

/* Calls `op` with the ask of the first argument and the text of the second, if there is one, under `key`, and
 * says how it ended. */
int closing_run(struct command_run *run, const char *op, const char *key, struct error *err) _warn_unused_;

#endif

/* Watching a running plan: live rows on a terminal, a line per step elsewhere, JSON lines with --json. */
#ifndef CLI_PLAN_WATCH_H
#define CLI_PLAN_WATCH_H

#include "cli/command.h"

/* Until the plan has ended; run->exit_code is 0 when all landed, 1 otherwise. */
int plan_watch(struct command_run *run, const char *plan_id, struct error *err) _warn_unused_;

#endif

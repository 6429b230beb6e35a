/* The folder of hooks that core.hooksPath of peers names (W9):
 *
 *   <home>/guard/hooks/   each of git's hooks; all lead to
 *   <home>/guard/dispatch
 *
 * which starts the guard (guard.h): the small program of its own, `coppice-guard`, where it is installed, for
 * git runs a hook a hundred times in one rebase; else `coppice guard`. */
#ifndef REPO_GUARD_HOOKS_H
#define REPO_GUARD_HOOKS_H

#include <stdbool.h>

#include "base/error.h"

/* Below the state folder; caller frees. */
char *guard_hooks_path(const char *home);
/* Makes the folder of hooks, for `program`, which is this one's path; one that is as it shall be is left
 * alone. */
int guard_hooks_write(const char *home, const char *program, struct error *err) _warn_unused_;
/* Whether git knows a hook of that name, which the folder has (githooks(5)). */
bool guard_hook_known(const char *name);

#endif

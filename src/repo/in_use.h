/* A worktree in use is locked, with the boot id, pid and start time of who uses it as the reason (W2): so no
 * git of anybody's prunes or removes it, and a lock whose process is gone is known to be void. */
#ifndef REPO_IN_USE_H
#define REPO_IN_USE_H

#include <jansson.h>

#include "base/error.h"

/* Worker: {git_dir, owner: {boot_id,pid,start_time}|null} → {locked: bool}. With an owner it
 * locks, or renews a lock of ours; without one it takes our lock off. A lock that somebody else put there
 * stays. Runs again after any crash. */
int repo_in_use(const json_t *args, json_t **ret, struct error *err) _warn_unused_;

#endif

/* Advisory locks by flock(2): they end with the last descriptor, so a lock whose descriptor a child
 * inherited outlives its parent until the child ends too (W1). */
#ifndef OS_LOCK_H
#define OS_LOCK_H

#include <stdbool.h>

#include "base/error.h"

enum lock_flags {
	LOCK_WAIT = 1 << 0,    /* block until it is free; otherwise ERR_CONFLICT at once */
	LOCK_INHERIT = 1 << 1, /* children inherit the descriptor (no CLOEXEC) */
};

/* Opens (creating, 0600) and locks `path`; the descriptor is the lock: close it to unlock. */
int lock_take(const char *path, enum lock_flags flags, int *ret_fd, struct error *err) _warn_unused_;

#endif

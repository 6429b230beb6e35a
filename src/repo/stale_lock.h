/* Lock files that a killed git left behind (W11).
 *
 * Git removes its lock files when it ends or gets a signal, but not when it is killed with SIGKILL. A
 * worker that is run again after such an end must clear what its own git may have left, and only that:
 * a lock that another git holds is not ours to touch. */
#ifndef REPO_STALE_LOCK_H
#define REPO_STALE_LOCK_H

#include <time.h>

#include "base/error.h"

/* Removes `path`, a lock file of git, if it is stale: made at or after `since` (when the attempt that
 * was killed began), open in no process, and unchanged for a second, far longer than git holds one.
 * One that is older is left alone. Waits up to 10 s for one that is in use, then ERR_CONFLICT. A path
 * that is not there is fine. The caller makes sure that the killed attempt's children have ended. */
int stale_lock_clear(const char *path, const struct timespec *since, struct error *err) _warn_unused_;
/* The same for what a git leaves that was killed while it deleted a packed reference: packed-refs.lock, and
 * packed-refs.new, which is written under that lock and which no later git gets past. */
int stale_packed_clear(const char *common_dir, const struct timespec *since, struct error *err) _warn_unused_;

#endif

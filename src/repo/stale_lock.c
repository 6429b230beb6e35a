/* Clearing stale lock files of git; see stale_lock.h.
 *
 * Nothing in a lock file says whose it is. What is known: it was made after our attempt began, which is
 * when the attempt's git may have made it; and a living git holds such a lock for milliseconds, while
 * its reference-transaction hook runs at most. There is no event for "nobody removes it", so the file is
 * looked at until it has stayed the same for long enough. */
#include "repo/stale_lock.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "os/file.h"
#include "os/proc.h"

enum { LOOK_EVERY_MS = 20, STALE_MS = 1000, WAIT_MS = 10000 };

static bool older(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

int stale_lock_clear(const char *path, const struct timespec *since, struct error *err)
{
	struct stat first, now;
	int same_ms = 0;
	if (lstat(path, &first) < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? 0
			       : error_errno(err, errno, "cannot look at %s", path);
	for (int waited = 0; waited < WAIT_MS; waited += LOOK_EVERY_MS) {
		if (older(&first.st_ctim, since))
			return 0;
		if (same_ms >= STALE_MS && proc_uses_dir(path, NULL, 0, NULL) != TRUTH_YES) {
			if (unlink(path) < 0 && errno != ENOENT)
				return error_errno(err, errno, "cannot remove the stale lock %s", path);
			return 0;
		}
		const struct timespec pause = {.tv_nsec = LOOK_EVERY_MS * 1000000L};
		(void)nanosleep(&pause, NULL); /* a signal only makes the next look earlier */
		if (lstat(path, &now) < 0)
			return errno == ENOENT ? 0 : error_errno(err, errno, "cannot look at %s", path);
		same_ms = same_file(&first, &now) ? same_ms + LOOK_EVERY_MS : 0;
		first = now;
	}
	return error_hint(err, error_set(err, ERR_CONFLICT, "%s is held by another process", path),
			  "wait for it to end, or remove the file if nothing uses it");
}

int stale_packed_clear(const char *common_dir, const struct timespec *since, struct error *err)
{
	static const char *const names[] = {"packed-refs.lock", "packed-refs.new"};
	int r = 0;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++) {
		autofree char *path = path_join(common_dir, names[i]);
		r = stale_lock_clear(path, since, err);
	}
	return r;
}

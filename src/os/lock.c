/* flock(2) locks; see lock.h.
 *
 * A lock file may be unlinked by its holder (effect locks are). Whoever waited on the unlinked file
 * would then hold a lock that nobody else can see, so after locking the name is looked up again, and
 * a file that is no longer the one at `path` is given up for the one that is. */
#include "os/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int lock_fd(int fd, const char *path, enum lock_flags flags, struct error *err)
{
	int how = LOCK_EX | (flags & LOCK_WAIT ? 0 : LOCK_NB);
	while (flock(fd, how) < 0) {
		if (errno == EWOULDBLOCK)
			return error_set(err, ERR_CONFLICT, "%s is locked by another process", path);
		if (errno != EINTR)
			return error_errno(err, errno, "cannot lock %s", path);
	}
	return 0;
}

static bool still_at(int fd, const char *path)
{
	struct stat held, named;
	return fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_dev == named.st_dev &&
	       held.st_ino == named.st_ino;
}

int lock_take(const char *path, enum lock_flags flags, int *ret_fd, struct error *err)
{
	for (;;) {
		autoclose int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return error_errno(err, errno, "cannot open the lock %s", path);
		int r = lock_fd(fd, path, flags, err);
		if (r)
			return r;
		if (!still_at(fd, path))
			continue;
		if (flags & LOCK_INHERIT && fcntl(fd, F_SETFD, 0) < 0)
			return error_errno(err, errno, "cannot share the lock %s", path);
		*ret_fd = TAKE_FD(fd);
		return 0;
	}
}

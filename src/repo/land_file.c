/* Throwaway files; see land_file.h. */
#include "repo/land_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"

int land_file_copy(const char *from, const char *to, struct error *err)
{
	enum { CHUNK = 1 << 24 };
	autoclose int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	if (in < 0 && errno == ENOENT)
		return error_set(err, ERR_NOT_FOUND, "there is no %s", from);
	if (in < 0 || fstat(in, &st) < 0)
		return error_errno(err, errno, "cannot read %s", from);
	if (unlink(to) < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot replace %s", to);
	autoclose int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0 || fchmod(out, st.st_mode & 0777) < 0)
		return error_errno(err, errno, "cannot write %s", to);
	ssize_t n;
	while ((n = sendfile(out, in, NULL, CHUNK)) != 0)
		if (n < 0 && errno != EINTR)
			return error_errno(err, errno, "cannot write %s", to);
	const struct timespec times[] = {st.st_atim, st.st_mtim};
	if (futimens(out, times) < 0)
		return error_errno(err, errno, "cannot set the time of %s", to);
	return 0;
}

void land_file_discard(const char *path)
{
	int unasked _unused_ = tree_remove(path, NULL);
}

/* Descriptors and output of children; see child.h. */
#include "os/child.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* Moves a descriptor above 2, where a child's own stdin, stdout and stderr cannot overwrite it. */
static int above_stdio(int fd)
{
	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	int high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int saved = errno;
	(void)close(fd); /* nothing was written through it */
	errno = saved;
	return high;
}

static int memory_file(void)
{
	/* Systems with vm.memfd_noexec=2 demand the flag, kernels before 6.3 do not know it. */
	int fd = memfd_create("input", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("input", MFD_CLOEXEC);
	return above_stdio(fd);
}

int child_input(const char *input, size_t len, int *ret_fd, struct error *err)
{
	autoclose int fd = input ? memory_file() : above_stdio(open("/dev/null", O_RDONLY | O_CLOEXEC));
	if (fd < 0)
		return error_errno(err, errno, "cannot open a child's input");
	for (size_t done = 0; input && done < len;) {
		ssize_t n = pwrite(fd, input + done, len - done, (off_t)done);
		if (n < 0 && errno != EINTR)
			return error_errno(err, errno, "cannot write a child's input");
		done += n > 0 ? (size_t)n : 0;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int child_pipe(int *ret_read, int *ret_write, struct error *err)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot create a pipe");
	autoclose int in = above_stdio(fds[0]);
	autoclose int out = above_stdio(fds[1]);
	if (in < 0 || out < 0 || fcntl(in, F_SETFL, O_NONBLOCK) < 0)
		return error_errno(err, errno, "cannot prepare a pipe");
	*ret_read = TAKE_FD(in);
	*ret_write = TAKE_FD(out);
	return 0;
}

void child_collect(struct strbuf *sb, const char *data, size_t len)
{
	if (!sb)
		return;
	size_t room = sb->max - sb->len;
	strbuf_add(sb, data, len < room ? len : room);
	if (len > room)
		sb->overflow = true;
}

int child_read(int fd, struct strbuf *sb, size_t *limit)
{
	char chunk[16384];
	ssize_t n = read(fd, chunk, *limit < sizeof(chunk) ? *limit : sizeof(chunk));
	if (n < 0)
		return errno == EINTR ? 1 : errno == EAGAIN ? 0 : -1;
	if (n == 0)
		return -1;
	child_collect(sb, chunk, (size_t)n);
	*limit -= (size_t)n;
	return 1;
}

size_t child_readable(int fd)
{
	int n = 0;
	return ioctl(fd, FIONREAD, &n) < 0 || n < 0 ? 0 : (size_t)n;
}

int child_error(struct error *err, int errnum, const char *program, const char *cwd)
{
	struct stat st;
	if (cwd && stat(cwd, &st) < 0)
		return error_set(err, ERR_NOT_FOUND, "cannot run %s in %s: %s", program, cwd,
				 strerror(errno));
	if (cwd && !S_ISDIR(st.st_mode))
		return error_set(err, ERR_NOT_FOUND, "cannot run %s in %s: not a folder", program, cwd);
	if (errnum == ENOENT || errnum == EACCES)
		return error_hint(err,
				  error_set(err, ERR_MISSING, "cannot run %s: %s", program, strerror(errnum)),
				  "install it, or see that PATH has its folder");
	return error_errno(err, errnum, "cannot run %s", program);
}

/* Unix stream sockets; see socket.h. */
#include "os/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/env.h"
#include "os/file.h"

static int connect_error(int errnum, const char *path, struct error *err)
{
	if (errnum == ENOENT || errnum == ECONNREFUSED || errnum == ENOTDIR)
		return error_set(err, ERR_NOT_FOUND, "nobody listens on %s", path);
	if (errnum == EACCES || errnum == EPERM)
		return error_set(err, ERR_FORBIDDEN, "the socket %s may not be used", path);
	if (errnum == EAGAIN)
		return error_set(err, ERR_TIMED_OUT, "the socket %s takes no more connections", path);
	return error_errno(err, errnum, "cannot connect to %s", path);
}

int socket_connect(const char *path, usec_t limit, int *ret_fd, struct error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	if (!len || len >= sizeof(addr.sun_path))
		return error_set(err, ERR_INVALID, "the socket's path has %zu bytes, not 1 to %zu", len,
				 sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, len + 1);
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_errno(err, errno, "cannot create a socket");
	/* A blocking connect waits while the listener's queue is full; a non-blocking one could only be
	 * repeated. The send timeout is what limits it. */
	usec_t end = os_monotonic() + limit;
	for (;;) {
		usec_t left = end - os_monotonic();
		if (left <= 0)
			return connect_error(EAGAIN, path, err);
		struct timeval tv = {.tv_sec = left / USEC_PER_SEC, .tv_usec = left % USEC_PER_SEC};
		if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0)
			return error_errno(err, errno, "cannot prepare a socket");
		if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
			break;
		if (errno != EINTR)
			return connect_error(errno, path, err);
	}
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return error_errno(err, errno, "cannot prepare a socket");
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int socket_peer(int fd, pid_t *ret_pid, uid_t *ret_uid, struct error *err)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return error_errno(err, errno, "cannot tell who is at the other end of a socket");
	if (ret_pid)
		*ret_pid = cred.pid;
	if (ret_uid)
		*ret_uid = cred.uid;
	return 0;
}

int socket_peer_pidfd(int fd, pid_t pid)
{
	enum { PEERPIDFD = 77 }; /* SO_PEERPIDFD, which older headers lack */
	int pidfd = -1;
	socklen_t len = sizeof(pidfd);
	if (getsockopt(fd, SOL_SOCKET, PEERPIDFD, &pidfd, &len) == 0)
		return pidfd;
	return errno == ENOPROTOOPT ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
}

/* Where the socket is that `path` leads to, resolved; caller frees. */
static int find_linked(const char *path, char **ret, struct error *err)
{
	char target[PATH_MAX];
	if (access(path, F_OK) == 0)
		return path_resolve(path, ret, err);
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return error_set(err, ERR_NOT_FOUND, "nobody listens on %s", path);
	target[n] = '\0';
	autofree char *folder = path_folder(path);
	autofree char *beside = path_join(folder, path_base(target));
	return path_resolve(beside, ret, err);
}

int socket_connect_linked(const char *path, usec_t limit, int *ret_fd, struct error *err)
{
	autofree char *real = NULL;
	int code = find_linked(path, &real, err);
	if (code)
		return code;
	autofree char *folder = path_folder(real);
	autoclose int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return connect_error(errno, path, err);
	autofree char *near = xasprintf("/proc/self/fd/%d/%s", dir, path_base(real));
	code = socket_connect(near, limit, ret_fd, NULL);
	return code ? error_set(err, (enum error_code)code, "nobody listens on %s", path) : 0;
}

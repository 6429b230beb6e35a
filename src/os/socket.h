/* Unix stream sockets by path. */
#ifndef OS_SOCKET_H
#define OS_SOCKET_H

#include <sys/types.h>

#include "base/error.h"
#include "base/timeval.h"

/* Connects to the socket at `path`; the descriptor is CLOEXEC and non-blocking. ERR_NOT_FOUND when nobody
 * listens there, ERR_TIMED_OUT when its queue stays full for `limit` (> 0), ERR_FORBIDDEN when it may
 * not be used, ERR_INVALID when the path does not fit into a socket's address. */
int socket_connect(const char *path, usec_t limit, int *ret_fd, struct error *err) _warn_unused_;
/* The path that the socket at `path` has here, resolved; caller frees. A confined process may see its folder
 * at another place as well, and leave a symlink that leads there: then it is beside the link, by the same
 * name. ERR_NOT_FOUND. */
int socket_resolve(const char *path, char **ret, struct error *err) _warn_unused_;
/* Who is at the other end of a connected Unix socket, by the kernel's word: for a client, the process that
 * listens. `ret_pid` is 0 for one outside of this pid namespace. Either may be NULL. */
int socket_peer(int fd, pid_t *ret_pid, uid_t *ret_uid, struct error *err) _warn_unused_;

#endif

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
/* The same for a path that may be a symlink to the socket, which may be longer than an address holds. A
 * confined process sees its folder at another place as well, and leaves a symlink that leads there: the
 * socket is then beside the link. */
int socket_connect_linked(const char *path, usec_t limit, int *ret_fd, struct error *err) _warn_unused_;
/* Who is at the other end of a connected Unix socket, by the kernel's word: for a client, the process that
 * listens. `ret_pid` is 0 for one outside of this pid namespace. Either may be NULL. */
int socket_peer(int fd, pid_t *ret_pid, uid_t *ret_uid, struct error *err) _warn_unused_;

/* A descriptor of the process at the other side of the socket, whose pid its credentials say; -1 if it has
 * ended. Before Linux 6.5 the kernel tells the pid only, which may be another's by then. */
int socket_peer_pidfd(int fd, pid_t pid);

#endif

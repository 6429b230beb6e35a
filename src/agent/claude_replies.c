/* The socket for receipts; see claude_replies.h.
 *
 * Connections belong to the loop: they free themselves when libuv has let go of them, and know by `owner`
 * being NULL that nobody listens any more. Their number, size and time are limited, for any process of this
 * user can connect. */
#include "agent/claude_replies.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json.h"
#include "base/list.h"
#include "os/file.h"
#include "os/loop.h"
#include "os/socket.h"

enum {
	CONNECTIONS_MAX = 16,
	BYTES_MAX = 4 * CLAUDE_RECEIPT_MAX, /* of one connection */
	STALE_PROBE_MS = 100,
};

static const char prefix[] = "coppice-", suffix[] = ".sock";

struct claude_replies {
	uv_poll_t poll;
	int fd;
	char *path;
	struct claude_replies_options options; /* its `dir` is not kept */
	uv_loop_t *loop;
	struct list connections;
	int n;
};

struct connection {
	uv_poll_t poll;
	int fd;
	struct list link;
	struct claude_replies *owner; /* NULL once it is closed */
	struct loop_timer *timer;
	struct strbuf in;
	size_t total;
};

static void connection_closed(uv_handle_t *handle)
{
	struct connection *c = container_of(handle, struct connection, poll);
	strbuf_release(&c->in);
	free(c);
}

static void connection_close(struct connection *c)
{
	if (!c->owner)
		return;
	c->owner->n--;
	c->owner = NULL;
	list_remove(&c->link);
	loop_timer_stop(TAKE_PTR(c->timer));
	uv_close((uv_handle_t *)&c->poll, connection_closed);
	close_fd(&c->fd); /* uv_close has stopped polling it */
}

static void on_limit(void *data)
{
	struct connection *c = data;
	c->timer = NULL;
	connection_close(c);
}

/* False: there is no further line. The callback may close everything. */
static bool take_line(struct connection *c)
{
	const char *end = c->in.len ? memchr(c->in.buf, '\n', c->in.len) : NULL;
	if (!c->owner || !end)
		return false;
	size_t len = (size_t)(end - c->in.buf);
	struct claude_receipt receipt = {0};
	if (claude_receipt_parse(c->in.buf, len, &receipt, NULL) == 0) {
		c->owner->options.receipt(c->owner->options.data, &receipt);
		claude_receipt_release(&receipt);
	}
	strbuf_consume(&c->in, len + 1);
	return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	(void)status; /* an error shows in the read as well */
	(void)events;
	struct connection *c = container_of(poll, struct connection, poll);
	char buf[16 << 10];
	ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		c->total += (size_t)n;
		strbuf_add(&c->in, buf, (size_t)n);
		while (take_line(c))
			;
	}
	/* A line beyond the buffer's maximum would only be dropped. */
	if (n <= 0 || c->in.overflow || c->total > BYTES_MAX)
		connection_close(c);
}

/* The kernel's word on who is at the other end. Pid 0 is one of another pid namespace. */
static bool may_talk(const struct claude_replies *r, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.uid == geteuid() &&
	       (r->options.session == 0 || cred.pid == 0 || cred.pid == r->options.session);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	(void)status; /* an error shows in the accept as well */
	(void)events;
	struct claude_replies *r = container_of(poll, struct claude_replies, poll);
	autoclose int fd = accept4(r->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 || r->n >= CONNECTIONS_MAX || !may_talk(r, fd))
		return;
	struct connection *c = xcalloc(1, sizeof(*c));
	if (uv_poll_init(r->loop, &c->poll, fd)) {
		free(c);
		return;
	}
	c->fd = TAKE_FD(fd);
	c->owner = r;
	c->in = STRBUF_INIT(CLAUDE_RECEIPT_MAX);
	list_append(&r->connections, &c->link);
	r->n++;
	c->timer = loop_timer_start(r->loop, r->options.limit, on_limit, c);
	(void)uv_poll_start(&c->poll, UV_READABLE, on_readable); /* cannot fail on an open handle */
}

/* --- the socket and its name --- */

static char *make_path(const char *dir)
{
	return xasprintf("%s/%s%d%s", dir, prefix, (int)getpid(), suffix);
}

static bool nobody_listens(const char *path)
{
	autoclose int fd = -1;
	struct stat st;
	return lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	       socket_connect(path, STALE_PROBE_MS * USEC_PER_MSEC, &fd, NULL) == ERR_NOT_FOUND;
}

/* "coppice-PID.sock" of a process that is gone. One of another pid namespace looks gone too, so its socket
 * is asked. */
static int remove_if_stale(const char *name, int type, void *data, struct error *err)
{
	(void)type;
	(void)err;
	const char *const *dir = data;
	size_t digits = strncmp(name, prefix, sizeof(prefix) - 1) == 0
				? strspn(name + sizeof(prefix) - 1, "0123456789")
				: 0;
	if (digits == 0 || digits > 9 || strcmp(name + sizeof(prefix) - 1 + digits, suffix) != 0)
		return 0;
	pid_t pid = (pid_t)strtoul(name + sizeof(prefix) - 1, NULL, 10); /* at most 9 digits */
	autofree char *path = path_join(*dir, name);
	if (pid > 0 && kill(pid, 0) < 0 && errno == ESRCH && nobody_listens(path))
		(void)unlink(path); /* somebody else may have been faster */
	return 0;
}

static int bind_to(const char *path, int *ret_fd, struct error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	if (len >= sizeof(addr.sun_path))
		return error_set(err, ERR_UNSUPPORTED, "the path of a socket for receipts is too long: %s",
				 path);
	memcpy(addr.sun_path, path, len + 1);
	if (nobody_listens(path))
		(void)unlink(path); /* left by a process that had our pid; bind tells if it stays */
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return error_errno(err, errno, "cannot make a socket for receipts at %s", path);
	/* Nobody can connect before it listens. */
	if (chmod(path, 0600) < 0 || listen(fd, CONNECTIONS_MAX) < 0) {
		int errnum = errno;
		(void)unlink(path);
		return error_errno(err, errnum, "cannot listen for receipts at %s", path);
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static void remove_stale(const char *dir)
{
	if (dir_each(dir, remove_if_stale, &dir, NULL))
		return; /* a folder that cannot be read stays as it is */
}

int claude_replies_open(uv_loop_t *loop, const struct claude_replies_options *options,
			struct claude_replies **ret, struct error *err)
{
	remove_stale(options->dir);
	autofree char *path = make_path(options->dir);
	autoclose int fd = -1;
	int code = bind_to(path, &fd, err);
	if (code)
		return code;
	struct claude_replies *r = xcalloc(1, sizeof(*r));
	code = uv_poll_init(loop, &r->poll, fd);
	if (code) {
		free(r);
		(void)unlink(path);
		return error_errno(err, -code, "cannot poll the socket for receipts");
	}
	r->fd = TAKE_FD(fd);
	r->path = TAKE_PTR(path);
	r->options = *options;
	r->options.dir = NULL;
	r->loop = loop;
	list_init(&r->connections);
	(void)uv_poll_start(&r->poll, UV_READABLE, on_connection); /* cannot fail on an open handle */
	*ret = r;
	return 0;
}

const char *claude_replies_path(const struct claude_replies *replies)
{
	return replies->path;
}

static void replies_closed(uv_handle_t *handle)
{
	free(container_of(handle, struct claude_replies, poll));
}

void claude_replies_close(struct claude_replies *replies)
{
	if (!replies)
		return;
	list_for_each_safe (at, &replies->connections)
		connection_close(list_entry(at, struct connection, link));
	assert(replies->n == 0);
	(void)unlink(replies->path); /* the folder may be gone */
	free(TAKE_PTR(replies->path));
	uv_close((uv_handle_t *)&replies->poll, replies_closed);
	close_fd(&replies->fd);
}

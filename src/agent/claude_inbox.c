/* The inbox of a Claude Code session; see claude_inbox.h.
 *
 *	queued → (a token) → connected → written → read by the session → told as sent
 *
 * A line that was not written whole is known not to have arrived, for the session acts on whole lines only.
 * One that was is the session's, even if it never says that it has read it. Receipts come for messages that
 * were told as sent, so the last of them are remembered. */
#include "agent/claude_inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/claude_frame.h"
#include "agent/claude_replies.h"
#include "base/list.h"
#include "os/env.h"
#include "os/file.h"
#include "os/loop.h"
#include "os/socket.h"

enum {
	QUEUE_MAX = 256,
	QUEUE_BYTES_MAX = 16 << 20,
	REMEMBERED = 256,
	ID_MAX = 128,
};

#define LIMIT (20 * USEC_PER_SEC)
#define RECEIPT_LIMIT (10 * USEC_PER_SEC)
#define FULL_RETRY (100 * USEC_PER_MSEC)

struct letter {
	struct list link;
	char *id;
	char uuid[CLAUDE_UUID_SIZE];
	struct strbuf lines;
	usec_t since; /* of its first attempt, monotonic; 0 before */
};

struct sent {
	char *id; /* NULL: free, or settled */
	char uuid[CLAUDE_UUID_SIZE];
};

/* One connection. It belongs to the loop, and frees itself when libuv has let go of it. */
struct delivery {
	uv_poll_t poll;
	int fd;
	struct agent_inbox *inbox; /* NULL once it is over */
	size_t written;
};

struct agent_inbox {
	uv_loop_t *loop;
	struct agent_inbox_events events;
	void *data;
	struct claude_inbox_options options;
	char *socket, *token; /* what `options` points to */
	struct claude_replies *replies;
	struct list queue; /* of letters, the first may be under way */
	size_t n, bytes;
	struct delivery *delivery;
	struct loop_timer *timer; /* the next step, or the limit of what is under way */
	struct sent sent[REMEMBERED];
	size_t next_sent;
	int calling; /* depth of callbacks */
	bool closed; /* by one of them: freed when they have returned */
};

static void inbox_step(void *data);
static void inbox_free(struct agent_inbox *inbox);

static void letter_free(struct letter *l)
{
	list_remove(&l->link);
	free(l->id);
	strbuf_release(&l->lines);
	free(l);
}

static struct letter *first(const struct agent_inbox *inbox)
{
	return list_empty(&inbox->queue) ? NULL : list_entry(inbox->queue.next, struct letter, link);
}

static void call_begin(struct agent_inbox *inbox)
{
	inbox->calling++;
}

/* The inbox may be gone after it. */
static void call_end(struct agent_inbox *inbox)
{
	if (--inbox->calling == 0 && inbox->closed)
		inbox_free(inbox);
}

static void set_timer(struct agent_inbox *inbox, usec_t delay, void (*expired)(void *data))
{
	loop_timer_stop(inbox->timer);
	inbox->timer = loop_timer_start(inbox->loop, delay, expired, inbox);
}

static void remember(struct agent_inbox *inbox, const struct letter *l)
{
	struct sent *s = &inbox->sent[inbox->next_sent++ % REMEMBERED];
	free(s->id);
	s->id = xstrdup(l->id);
	memcpy(s->uuid, l->uuid, sizeof(s->uuid));
}

/* --- one message --- */

static void delivery_closed(uv_handle_t *handle)
{
	free(container_of(handle, struct delivery, poll));
}

static void delivery_close(struct agent_inbox *inbox)
{
	struct delivery *d = TAKE_PTR(inbox->delivery);
	if (!d)
		return;
	d->inbox = NULL;
	uv_close((uv_handle_t *)&d->poll, delivery_closed);
	close_fd(&d->fd); /* uv_close has stopped polling it */
}

/* The first letter is settled; the next one's turn comes from the loop. The inbox may be gone after it. */
static void settle(struct agent_inbox *inbox, const struct error *err)
{
	struct letter *l = first(inbox);
	delivery_close(inbox);
	loop_timer_stop(TAKE_PTR(inbox->timer));
	if (!err)
		remember(inbox, l);
	inbox->n--;
	inbox->bytes -= l->lines.len;
	list_remove(&l->link);
	if (!list_empty(&inbox->queue))
		set_timer(inbox, 0, inbox_step);
	call_begin(inbox);
	inbox->events.sent(inbox->data, l->id, err);
	letter_free(l);
	call_end(inbox);
}

static void settle_failed(struct agent_inbox *inbox, int errnum)
{
	autoerror err = {0};
	(void)error_errno(&err, errnum,
			  "the session's inbox did not take the message"); /* returns its code */
	settle(inbox, &err);
}

static bool written_whole(const struct agent_inbox *inbox)
{
	return inbox->delivery->written == first(inbox)->lines.len;
}

static void on_limit(void *data)
{
	struct agent_inbox *inbox = data;
	inbox->timer = NULL;
	if (written_whole(inbox))
		settle(inbox, NULL);
	else
		settle_failed(inbox, ETIMEDOUT);
}

/* Returns 0, or an error's number. */
static int write_some(struct delivery *d, const struct strbuf *lines)
{
	while (d->written < lines->len) {
		ssize_t n = send(d->fd, lines->buf + d->written, lines->len - d->written,
				 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : errno;
		d->written += (size_t)n;
	}
	/* That is all: the session shuts its side when it has read it. */
	return shutdown(d->fd, SHUT_WR) < 0 ? errno : 0;
}

static void on_event(uv_poll_t *poll, int status, int events)
{
	(void)status; /* an error shows in what is done with the socket as well */
	struct delivery *d = container_of(poll, struct delivery, poll);
	struct agent_inbox *inbox = d->inbox;
	int failed = 0;
	if ((events & UV_WRITABLE) && !written_whole(inbox)) {
		failed = write_some(d, &first(inbox)->lines);
		if (written_whole(inbox))
			(void)uv_poll_start(poll, UV_READABLE, on_event); /* cannot fail on an open handle */
		else if (failed) {
			settle_failed(inbox, failed);
			return;
		}
	}
	char buf[512];
	ssize_t n = recv(d->fd, buf, sizeof(buf), MSG_DONTWAIT); /* nothing is ever written to it */
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	if (written_whole(inbox))
		settle(inbox, NULL);
	else
		settle_failed(inbox, n < 0 ? errno : EPIPE);
}

/* Never blocks: on a Unix socket a connection is made at once, or not at all. */
static int connect_to(const char *path, int *ret_fd)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	if (len >= sizeof(addr.sun_path))
		return ENAMETOOLONG;
	memcpy(addr.sun_path, path, len + 1);
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Whoever listens is of this user; else the path has come into other hands. */
static int check_listener(const struct agent_inbox *inbox, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return errno;
	pid_t session = inbox->options.session;
	return cred.uid != geteuid() || (session && cred.pid && cred.pid != session) ? EACCES : 0;
}

static void deliver(struct agent_inbox *inbox, struct letter *l)
{
	autoclose int fd = -1;
	int errnum = connect_to(inbox->socket, &fd);
	usec_t now = os_monotonic();
	l->since = l->since ? l->since : now;
	if (errnum == EAGAIN && now - l->since < inbox->options.limit) {
		set_timer(inbox, FULL_RETRY, inbox_step); /* its queue of connections is full */
		return;
	}
	struct delivery *d = xcalloc(1, sizeof(*d));
	if (!errnum)
		errnum = check_listener(inbox, fd);
	if (!errnum)
		errnum = -uv_poll_init(inbox->loop, &d->poll, fd);
	if (errnum) {
		free(d);
		settle_failed(inbox, errnum);
		return;
	}
	d->fd = TAKE_FD(fd);
	d->inbox = inbox;
	inbox->delivery = d;
	(void)uv_poll_start(&d->poll, UV_READABLE | UV_WRITABLE,
			    on_event); /* cannot fail on an open handle */
	set_timer(inbox, inbox->options.limit, on_limit);
}

static void inbox_step(void *data)
{
	struct agent_inbox *inbox = data;
	inbox->timer = NULL;
	struct letter *l = first(inbox);
	usec_t wait = l->since ? 0 : claude_pace_take(&inbox->options.pace, os_monotonic());
	if (wait > 0)
		set_timer(inbox, wait, inbox_step);
	else
		deliver(inbox, l);
}

/* --- what became of those that were sent --- */

static struct sent *find_sent(struct agent_inbox *inbox, const char *uuid)
{
	for (size_t i = 0; i < REMEMBERED; i++)
		if (inbox->sent[i].id && strcmp(inbox->sent[i].uuid, uuid) == 0)
			return &inbox->sent[i];
	return NULL;
}

static void tell(struct agent_inbox *inbox, struct sent *s, const struct claude_receipt *receipt)
{
	if (receipt->status == CLAUDE_RECEIPT_HELD) {
		inbox->events.held(inbox->data, s->id, receipt->reason);
		return;
	}
	autofree char *id = TAKE_PTR(s->id); /* nothing comes after these */
	if (receipt->status == CLAUDE_RECEIPT_RELEASED)
		inbox->events.released(inbox->data, id);
	else
		inbox->events.dropped(inbox->data, id, receipt->reason);
}

static void on_receipt(void *data, const struct claude_receipt *receipt)
{
	struct agent_inbox *inbox = data;
	struct letter *l = first(inbox);
	call_begin(inbox);
	for (size_t i = 0; i < receipt->n && !inbox->closed; i++) {
		/* A receipt proves that the line was read, however soon it comes. */
		if (l && inbox->delivery && written_whole(inbox) && strcmp(l->uuid, receipt->uuid[i]) == 0) {
			settle(inbox, NULL);
			l = NULL;
		}
		struct sent *s = inbox->closed ? NULL : find_sent(inbox, receipt->uuid[i]);
		if (s)
			tell(inbox, s, receipt);
	}
	call_end(inbox);
}

/* --- the inbox --- */

struct agent_inbox *claude_inbox_new(uv_loop_t *loop, const struct claude_inbox_options *options,
				     const struct agent_inbox_events *events, void *data)
{
	struct agent_inbox *inbox = xcalloc(1, sizeof(*inbox));
	inbox->loop = loop;
	inbox->events = *events;
	inbox->data = data;
	inbox->options = *options;
	inbox->socket = xstrdup(options->socket);
	inbox->token = options->token ? xstrdup(options->token) : NULL;
	list_init(&inbox->queue);
	autofree char *dir =
		xstrndup(options->socket, (size_t)(path_base(options->socket) - options->socket));
	if (dir[0] && dir[1]) /* without the slash, unless that is all */
		dir[strlen(dir) - 1] = '\0';
	struct claude_replies_options replies = {.dir = dir,
						 .session = options->session,
						 .limit = RECEIPT_LIMIT,
						 .receipt = on_receipt,
						 .data = inbox};
	if (claude_replies_open(loop, &replies, &inbox->replies, NULL))
		inbox->replies = NULL; /* messages go without receipts then */
	return inbox;
}

static void inbox_free(struct agent_inbox *inbox)
{
	list_for_each_safe (at, &inbox->queue)
		letter_free(list_entry(at, struct letter, link));
	for (size_t i = 0; i < REMEMBERED; i++)
		free(inbox->sent[i].id);
	free(inbox->socket);
	free(inbox->token);
	free(inbox);
}

static void inbox_close(struct agent_inbox *inbox)
{
	if (!inbox)
		return;
	delivery_close(inbox);
	loop_timer_stop(TAKE_PTR(inbox->timer));
	claude_replies_close(TAKE_PTR(inbox->replies));
	if (inbox->calling)
		inbox->closed = true;
	else
		inbox_free(inbox);
}

static int inbox_send(struct agent_inbox *inbox, const char *id, const char *from, const char *text,
		      struct error *err)
{
	if (strlen(id) > ID_MAX)
		return error_set(err, ERR_INVALID, "the id of a message is longer than %d bytes", ID_MAX);
	if (inbox->n >= QUEUE_MAX || inbox->bytes >= QUEUE_BYTES_MAX)
		return error_set(err, ERR_TOO_LARGE, "%zu messages wait for the session's inbox already",
				 inbox->n);
	struct letter *l = xcalloc(1, sizeof(*l));
	list_init(&l->link);
	l->id = xstrdup(id);
	l->lines = STRBUF_INIT(2 * CLAUDE_LINE_MAX);
	claude_uuid_make(l->uuid);
	claude_frame_auth(inbox->token, &l->lines);
	int code = claude_frame_message(l->uuid, inbox->replies ? claude_replies_path(inbox->replies) : NULL,
					from, text, &l->lines, err);
	if (code) {
		letter_free(l);
		return code;
	}
	inbox->n++;
	inbox->bytes += l->lines.len;
	list_append(&inbox->queue, &l->link);
	if (!inbox->timer && !inbox->delivery)
		set_timer(inbox, 0, inbox_step);
	return 0;
}

static int inbox_open(uv_loop_t *loop, const struct agent_inbox_events *events, void *data,
		      struct agent_inbox **ret, struct error *err)
{
	const char *path = getenv("CLAUDE_CODE_MESSAGING_SOCKET");
	if (!path || path[0] != '/')
		return error_set(err, ERR_NOT_FOUND, "this session of Claude Code has no inbox");
	autoclose int fd = -1;
	int code = socket_connect(path, USEC_PER_SEC, &fd, err);
	if (code)
		return code;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return error_errno(err, errno, "cannot tell whose inbox %s is", path);
	if (cred.uid != geteuid())
		return error_set(err, ERR_FORBIDDEN, "the inbox %s is another user's", path);
	/* An agent started from within another's session inherits the other's environment (I4). */
	if (cred.pid != agent_process(&agent_claude_code))
		return error_set(err, ERR_NOT_FOUND, "the inbox %s is another session's", path);
	const char *token = getenv("CLAUDE_CODE_MESSAGING_TOKEN");
	struct claude_inbox_options options = {.socket = path,
					       .token = token,
					       .session = cred.pid,
					       .pace = CLAUDE_PACE_DEFAULT,
					       .limit = LIMIT};
	*ret = claude_inbox_new(loop, &options, events, data);
	return 0;
}

const struct agent_inbox_kind claude_inbox = {
	.transport = "claude-inbox",
	.open = inbox_open,
	.send = inbox_send,
	.close = inbox_close,
};

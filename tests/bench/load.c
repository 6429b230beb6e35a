/* The load of the benchmarks: peers that are there, and peers that ask.
 *
 *	load peers N            N idle peers "idle-0"…; prints "ready", lives until its stdin ends
 *	load asks CLIENTS N EACH   CLIENTS peers ask EACH questions, spread over N idle peers, each over
 *	                           a keep-alive connection of its own and one at a time; prints
 *	                           {"asks","seconds","p50_us","p99_us"}
 *
 * Who a connection belongs to is told by the process that made it. So each client is a process, which
 * connects, registers itself, hands its connection over and then only exists; this process drives all
 * connections, so that the load costs as little of the machine as it can. Environment: COPPICE_SOCKET,
 * COPPICE_TOKEN. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "net/http_write.h"
#include "os/env.h"
#include "os/socket.h"

enum { ANSWER_MAX = 16384, REQUEST_MAX = 65536, CLIENTS_MAX = 4096, CONNECT_SECONDS = 10 };

struct client {
	int fd;
	char answer[ANSWER_MAX];
	size_t len;
	int left;	/* asks still to be sent, the one under way included */
	usec_t sent_at; /* monotonic */
};

struct load {
	struct client *clients;
	size_t n;
	int recipients;
	usec_t *times; /* of each ask */
	size_t n_times;
};

static void fail(const char *what)
{
	(void)fprintf(stderr, "load: %s (%s)\n", what, strerror(errno));
	exit(1);
}

static const char *variable(const char *name)
{
	const char *value = getenv(name);
	if (!value)
		fail(name);
	return value;
}

static void send_call(int fd, const char *op, const char *body, const char *key)
{
	static char bearer[512];
	autostrbuf out = STRBUF_INIT(REQUEST_MAX);
	autoerror err = {0};
	autofree char *target = xasprintf("/v1/%s", op);
	(void)snprintf(bearer, sizeof(bearer), "Bearer %s", variable("COPPICE_TOKEN"));
	const struct http_header headers[] = {{"Authorization", bearer}, {"Idempotency-Key", key}};
	const struct http_call call = {.method = "POST",
				       .target = target,
				       .host = "coppice",
				       .headers = headers,
				       .n_headers = ARRAY_SIZE(headers),
				       .type = "application/json",
				       .body = body,
				       .len = strlen(body)};
	if (http_write_call(&out, &call, &err))
		fail(err.message);
	/* A request fits into an empty socket's buffer, and the socket of who waits for an answer is empty.
	 */
	if (write(fd, out.buf, out.len) != (ssize_t)out.len)
		fail("cannot write");
}

/* Whether `c->answer` holds a whole response; it must be a 200. */
static bool is_whole(const struct client *c)
{
	static const char name[] = "Content-Length:";
	const char *end = memmem(c->answer, c->len, "\r\n\r\n", 4);
	const char *length = end ? memmem(c->answer, (size_t)(end - c->answer), name, strlen(name)) : NULL;
	if (end && (!length || strncmp(c->answer, "HTTP/1.1 200", 12) != 0)) {
		(void)fprintf(stderr, "%.*s\n", (int)c->len, c->answer);
		fail("a request was refused");
	}
	return end && c->len >= (size_t)(end + 4 - c->answer) + strtoul(length + strlen(name), NULL, 10);
}

static bool read_answer(struct client *c)
{
	ssize_t n = read(c->fd, c->answer + c->len, sizeof(c->answer) - 1 - c->len);
	if (n <= 0 && errno != EAGAIN && errno != EINTR)
		fail("the connection was lost");
	c->len += n > 0 ? (size_t)n : 0;
	c->answer[c->len] = '\0';
	return is_whole(c);
}

/* In a process of its own: becomes the peer `name`, on a connection that it returns. */
static int become_peer(const char *name)
{
	struct client c = {.fd = -1};
	autoerror err = {0};
	if (socket_connect(variable("COPPICE_SOCKET"), CONNECT_SECONDS * USEC_PER_SEC, &c.fd, &err))
		fail(err.message);
	autofree char *body = xasprintf("{\"backend\":\"script\",\"self\":true,\"name\":\"%s\"}", name);
	autofree char *key = xasprintf("register-%s-%d", name, (int)getpid());
	send_call(c.fd, "register_peer", body, key);
	struct pollfd p = {.fd = c.fd, .events = POLLIN};
	while (poll(&p, 1, -1) < 0 || !read_answer(&c)) {
		/* the rest of it is on its way */
	}
	return c.fd;
}

static void hand_over(int channel, int fd)
{
	char byte = 0;
	struct iovec data = {&byte, 1};
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr m = {.msg_iov = &data,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(channel, &m, 0) != 1)
		fail("cannot hand a connection over");
}

static int take_over(int channel)
{
	char byte;
	struct iovec data = {&byte, 1};
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr m = {.msg_iov = &data,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	int fd = -1;
	if (recvmsg(channel, &m, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&m))
		fail("a peer did not come up");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

static pid_t children[CLIENTS_MAX];
static size_t n_children;

/* Whoever begins after us finds their names free. */
static void end_peers(void)
{
	for (size_t i = 0; i < n_children; i++)
		(void)kill(children[i], SIGKILL);
	for (size_t i = 0; i < n_children; i++)
		(void)waitpid(children[i], NULL, 0);
}

/* A process that is the peer `name`, for as long as we live; returns its connection. */
static int start_peer(const char *name)
{
	int channel[2];
	pid_t parent = getpid();
	if (n_children == CLIENTS_MAX || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) < 0)
		fail("socketpair");
	pid_t pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		int fd = become_peer(name);
		hand_over(channel[1], fd);
		(void)close(fd);
		(void)close(channel[1]);
		for (;;)
			(void)pause();
	}
	children[n_children++] = pid;
	(void)close(channel[1]);
	int fd = take_over(channel[0]);
	(void)close(channel[0]);
	return fd;
}

static int run_peers(int n)
{
	for (int i = 0; i < n; i++) {
		autofree char *name = xasprintf("idle-%d", i);
		(void)close(start_peer(name));
	}
	(void)puts("ready");
	(void)fflush(stdout);
	char byte;
	while (read(STDIN_FILENO, &byte, 1) > 0) {
		/* only its end says something */
	}
	end_peers();
	return 0;
}

static void ask(struct load *l, size_t i)
{
	struct client *c = &l->clients[i];
	/* Each client begins elsewhere, so that no recipient's queue grows longer than the others'. */
	int to = (int)((i * 7919 + (size_t)c->left) % (size_t)l->recipients);
	char body[256], key[64];
	(void)snprintf(body, sizeof(body),
		       "{\"peer_name\":\"idle-%d\",\"query\":\"is question %d of client %zu clear?\"}", to,
		       c->left, i);
	(void)snprintf(key, sizeof(key), "ask-%d-%zu-%d", (int)getpid(), i, c->left);
	c->len = 0;
	c->sent_at = os_monotonic();
	send_call(c->fd, "ask", body, key);
}

static int compare(const void *a, const void *b)
{
	usec_t x = *(const usec_t *)a, y = *(const usec_t *)b;
	return (x > y) - (x < y);
}

static void drive(struct load *l)
{
	struct pollfd *polls = xcalloc(l->n, sizeof(*polls));
	size_t open = l->n;
	for (size_t i = 0; i < l->n; i++) {
		polls[i] = (struct pollfd){.fd = l->clients[i].fd, .events = POLLIN};
		ask(l, i);
	}
	while (open) {
		if (poll(polls, (nfds_t)l->n, -1) < 0)
			fail("poll");
		for (size_t i = 0; i < l->n; i++) {
			struct client *c = &l->clients[i];
			if (!polls[i].revents || !read_answer(c))
				continue;
			l->times[l->n_times++] = os_monotonic() - c->sent_at;
			if (--c->left) {
				ask(l, i);
			} else {
				polls[i].fd = -1;
				open--;
			}
		}
	}
	free(polls);
}

static int run_asks(size_t clients, int recipients, int each)
{
	struct load l = {.clients = xcalloc(clients, sizeof(*l.clients)),
			 .n = clients,
			 .recipients = recipients,
			 .times = xcalloc(clients * (size_t)each, sizeof(*l.times))};
	for (size_t i = 0; i < clients; i++) {
		autofree char *name = xasprintf("asker-%d-%zu", (int)getpid(), i);
		l.clients[i].fd = start_peer(name);
		l.clients[i].left = each;
	}
	usec_t began = os_monotonic();
	drive(&l);
	double seconds = (double)(os_monotonic() - began) / USEC_PER_SEC;
	qsort(l.times, l.n_times, sizeof(*l.times), compare);
	(void)printf("{\"asks\":%zu,\"seconds\":%.4f,\"p50_us\":%lld,\"p99_us\":%lld}\n", l.n_times, seconds,
		     (long long)l.times[l.n_times / 2], (long long)l.times[l.n_times * 99 / 100]);
	end_peers();
	free(l.clients);
	free(l.times);
	return 0;
}

static int number(const char *text)
{
	int64_t n = 0;
	autoerror err = {0};
	if (number_parse(text, 1, 1000000, &n, &err))
		fail(err.message);
	return (int)n;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "peers") == 0)
		return run_peers(number(argv[2]));
	if (argc == 5 && strcmp(argv[1], "asks") == 0 && number(argv[2]) <= CLIENTS_MAX)
		return run_asks((size_t)number(argv[2]), number(argv[3]), number(argv[4]));
	(void)fputs("usage: load peers N | load asks CLIENTS PEERS EACH\n", stderr);
	return 2;
}

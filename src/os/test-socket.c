/* Tests of socket.h: connecting, and each way in which that fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "os/socket.h"
#include "os/testing.h"

static int listen_at(const char *path, int backlog)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	assert_true(strlen(path) < sizeof(addr.sun_path));
	memcpy(addr.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static void test_connects(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autofree char *path = path_join(folder, "s");
	autoclose int listener = listen_at(path, 8);
	autoclose int fd = -1;
	assert_int_equal(socket_connect(path, USEC_PER_SEC, &fd, NULL), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	autoclose int peer = accept(listener, NULL, NULL);
	assert_int_equal(send(peer, "x", 1, 0), 1);
	char c = 0;
	assert_int_equal(recv(fd, &c, 1, 0), 1);
	assert_int_equal(recv(fd, &c, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void test_names_the_listener(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autofree char *path = path_join(folder, "s");
	autoclose int listener = listen_at(path, 8);
	autoclose int fd = -1;
	assert_true(listener >= 0);
	pid_t pid = 0;
	uid_t uid = (uid_t)-1;
	assert_int_equal(socket_connect(path, USEC_PER_SEC, &fd, NULL), 0);
	assert_int_equal(socket_peer(fd, &pid, &uid, NULL), 0);
	assert_int_equal(pid, getpid());
	assert_int_equal(uid, geteuid());
	assert_int_equal(socket_peer(-1, &pid, &uid, NULL), ERR_SYSTEM);
}

static void test_nobody_listens(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autofree char *path = path_join(folder, "s");
	autofree char *below = path_join(path, "t");
	int fd = -1;
	assert_int_equal(socket_connect(path, USEC_PER_SEC, &fd, NULL), ERR_NOT_FOUND);
	assert_int_equal(close(listen_at(path, 1)), 0); /* as a killed daemon leaves it */
	assert_int_equal(socket_connect(path, USEC_PER_SEC, &fd, NULL), ERR_NOT_FOUND);
	assert_int_equal(socket_connect(below, USEC_PER_SEC, &fd, NULL), ERR_NOT_FOUND);
	assert_int_equal(fd, -1);
}

static void test_bad_paths(void **state)
{
	(void)state;
	char path[109];
	int fd = -1;
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(socket_connect(path, USEC_PER_SEC, &fd, NULL), ERR_INVALID);
	assert_int_equal(socket_connect("", USEC_PER_SEC, &fd, NULL), ERR_INVALID);
}

static void test_full_queue_is_given_up(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autofree char *path = path_join(folder, "s");
	autoclose int listener = listen_at(path, 0);
	assert_true(listener >= 0); /* and never accepts */
	int fds[64], r = 0;
	size_t n = 0;
	for (; !r && n < ARRAY_SIZE(fds); n += r == 0)
		r = socket_connect(path, 20 * USEC_PER_MSEC, &fds[n], NULL);
	assert_int_equal(r, ERR_TIMED_OUT);
	while (n)
		assert_int_equal(close(fds[--n]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connects),
		cmocka_unit_test(test_names_the_listener),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_bad_paths),
		cmocka_unit_test(test_full_queue_is_given_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

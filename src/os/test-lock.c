/* Tests of lock.h: exclusion, waiting, inheritance, lock files that are unlinked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "os/lock.h"
#include "os/testing.h"

static void read_byte(int fd)
{
	char c;
	assert_int_equal(read(fd, &c, 1), 1);
}

static void test_one_holder_at_a_time(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *path = path_join(dir, "lock");
	autofree char *nowhere = path_join(dir, "missing/lock");
	int fd = -1, other = -1;
	assert_int_equal(lock_take(path, 0, &fd, NULL), 0);
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	autoerror err = {0};
	assert_int_equal(lock_take(path, 0, &other, &err), ERR_CONFLICT);
	assert_int_equal(other, -1);
	assert_non_null(strstr(err.message, path));
	assert_int_equal(close(fd), 0);
	assert_int_equal(lock_take(path, LOCK_WAIT, &fd, NULL), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(lock_take(nowhere, 0, &other, NULL), ERR_SYSTEM);
}

struct waiter {
	const char *path;
	const char *marker; /* what must exist when the lock is taken */
	int ready;
};

static int wait_for_lock(void *data)
{
	const struct waiter *w = data;
	int fd;
	struct stat held, named;
	if (write(w->ready, "r", 1) != 1 || lock_take(w->path, LOCK_WAIT, &fd, NULL))
		return 1;
	if (w->marker && access(w->marker, F_OK) < 0)
		return 2;
	return fstat(fd, &held) == 0 && stat(w->path, &named) == 0 && held.st_ino == named.st_ino ? 0 : 3;
}

static void test_waiting_ends_with_the_holder(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *path = path_join(dir, "lock");
	autofree char *marker = path_join(dir, "marker");
	int fd, ready[2];
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(lock_take(path, 0, &fd, NULL), 0);
	struct waiter w = {path, marker, ready[1]};
	pid_t pid = fork();
	if (pid == 0) {
		(void)close(fd); /* it shares the lock otherwise */
		_exit(wait_for_lock(&w));
	}
	read_byte(ready[0]);
	assert_int_equal(mkdir(marker, 0700), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(test_wait(pid), 0);
	assert_int_equal(close(ready[0]) | close(ready[1]), 0);
}

static void test_whoever_waited_on_an_unlinked_file_gets_the_new_one(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *path = path_join(dir, "lock");
	int ready[2];
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	struct waiter w = {path, NULL, ready[1]};
	for (int i = 0; i < 20; i++) {
		int fd;
		assert_int_equal(lock_take(path, 0, &fd, NULL), 0);
		pid_t pid = fork();
		if (pid == 0) {
			(void)close(fd); /* it shares the lock otherwise */
			_exit(wait_for_lock(&w));
		}
		read_byte(ready[0]);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(close(fd), 0);
		assert_int_equal(test_wait(pid), 0);
	}
	assert_int_equal(close(ready[0]) | close(ready[1]), 0);
}

struct keeper {
	const char *path;
	enum lock_flags flags;
	int input;  /* of the grandchild, which lives until this is at its end */
	int output; /* and copies there what it reads */
};

/* Takes the lock, starts a `cat` and waits to be killed. */
static int keep_lock(void *data)
{
	const struct keeper *k = data;
	int fd;
	if (lock_take(k->path, k->flags, &fd, NULL) || dup2(k->input, STDIN_FILENO) < 0 ||
	    dup2(k->output, STDOUT_FILENO) < 0)
		return 1;
	pid_t pid = vfork();
	if (pid == 0) {
		(void)execlp("cat", "cat", (char *)NULL);
		_exit(127);
	}
	return test_pause(NULL);
}

/* Whether the lock is free right after its taker was killed while the taker's child lives on. */
static int lock_after_death(const char *path, enum lock_flags flags)
{
	int input[2], output[2], fd = -1;
	assert_int_equal(pipe2(input, O_CLOEXEC) | pipe2(output, O_CLOEXEC), 0);
	struct keeper k = {path, flags, input[0], output[1]};
	pid_t pid = test_fork(keep_lock, &k);
	assert_int_equal(write(input[1], "x", 1), 1);
	read_byte(output[0]); /* so the `cat` is through its exec, which closes what is not inherited */
	test_kill(pid);
	int r = lock_take(path, 0, &fd, NULL);
	assert_int_equal(close(input[0]) | close(input[1]) | close(output[0]) | close(output[1]), 0);
	if (r)
		assert_int_equal(lock_take(path, LOCK_WAIT, &fd, NULL), 0);
	assert_int_equal(close(fd), 0);
	return r;
}

static void test_an_inherited_lock_outlives_its_taker(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *path = path_join(dir, "lock");
	assert_int_equal(lock_after_death(path, LOCK_INHERIT), ERR_CONFLICT);
	assert_int_equal(lock_after_death(path, 0), 0);
}

static void test_a_symlink_is_no_lock(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *path = path_join(dir, "lock");
	autofree char *target = path_join(dir, "target");
	int fd = -1;
	assert_int_equal(symlink("target", path), 0);
	assert_int_equal(lock_take(path, 0, &fd, NULL), ERR_SYSTEM);
	assert_int_not_equal(access(target, F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_holder_at_a_time),
		cmocka_unit_test(test_waiting_ends_with_the_holder),
		cmocka_unit_test(test_whoever_waited_on_an_unlinked_file_gets_the_new_one),
		cmocka_unit_test(test_an_inherited_lock_outlives_its_taker),
		cmocka_unit_test(test_a_symlink_is_no_lock),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

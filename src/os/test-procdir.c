/* Tests of proc_uses_dir. What needs other users, terminals or mounts of its own is set up by root and
 * skipped for anybody else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pty.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "os/proc.h"
#include "os/testing.h"

enum { SKIPPED = 77 };

/* A user who has no other processes, whatever else runs here. */
static uid_t stranger(void)
{
	return 1 << 20 | (uid_t)getpid();
}

static int become(uid_t user)
{
	return setgid(user) < 0 || setuid(user) < 0 || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0;
}

/* A process that takes its place, says so, and stays. */
struct occupant {
	int (*enter)(const char *dir); /* 0, or an exit code */
	const char *dir;
	int ready[2];
};

static int occupy(void *data)
{
	const struct occupant *o = data;
	int r = o->enter(o->dir);
	if (r)
		return r;
	return write(o->ready[1], "r", 1) == 1 ? test_pause(NULL) : 1;
}

/* -1 when the place cannot be taken here. */
static pid_t occupant_start(int (*enter)(const char *dir), const char *dir)
{
	struct occupant o = {.enter = enter, .dir = dir};
	assert_int_equal(pipe2(o.ready, O_CLOEXEC), 0);
	pid_t pid = test_fork(occupy, &o);
	assert_int_equal(close(o.ready[1]), 0);
	char c;
	bool there = read(o.ready[0], &c, 1) == 1;
	assert_int_equal(close(o.ready[0]), 0);
	if (there)
		return pid;
	assert_int_equal(test_wait(pid), SKIPPED);
	return -1;
}

static int stand_in(const char *dir)
{
	return chdir(dir) < 0;
}

static int hold_file(const char *dir)
{
	autofree char *path = path_join(dir, "file");
	return open(path, O_WRONLY | O_CREAT, 0600) < 0;
}

static int hold_removed_file(const char *dir)
{
	autofree char *path = path_join(dir, "removed");
	return open(path, O_WRONLY | O_CREAT, 0600) < 0 || unlink(path) < 0;
}

static int hold_folder(const char *dir)
{
	return open(dir, O_RDONLY | O_DIRECTORY) < 0;
}

static int change_root(const char *dir)
{
	/* The working folder stays outside. */
	return chroot(dir) < 0 ? SKIPPED : 0;
}

static void assert_used_by(pid_t pid, const char *dir)
{
	pid_t found = 0;
	assert_int_equal(proc_uses_dir(dir, NULL, 0, &found), TRUTH_YES);
	assert_int_equal(found, pid);
}

static void assert_unused(const char *dir)
{
	assert_int_equal(proc_uses_dir(dir, NULL, 0, NULL), TRUTH_NO);
}

static void test_ways_to_use_a_folder(void **state)
{
	(void)state;
	static int (*const ways[])(const char *) = {stand_in, hold_file, hold_removed_file, hold_folder,
						    change_root};
	autofolder dir = test_folder_make();
	autofree char *sub = path_join(dir, "sub");
	autofree char *similar = path_join(dir, "su");
	assert_int_equal(mkdir(sub, 0700) | mkdir(similar, 0700), 0);
	assert_unused(dir);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		pid_t pid = occupant_start(ways[i], sub);
		if (pid < 0)
			continue;
		assert_used_by(pid, sub);
		assert_used_by(pid, dir);
		assert_unused(similar);
		assert_int_equal(proc_uses_dir(dir, &pid, 1, NULL), TRUTH_NO);
		test_kill(pid);
		assert_unused(dir);
	}
}

static void test_the_asking_process_does_not_count(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(before >= 0);
	assert_int_equal(chdir(dir), 0);
	assert_unused(dir);
	assert_int_equal(fchdir(before) | close(before), 0);
}

static void test_a_program_that_runs_from_there(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *copy = path_join(dir, "cat");
	autostrbuf program = STRBUF_INIT(16 << 20);
	assert_int_equal(file_read("/bin/cat", &program, NULL), 0);
	assert_int_equal(file_replace(copy, program.buf, program.len, 0700, NULL), 0);
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		(void)dup2(fds[0], STDIN_FILENO); /* else it reads ours, and ends */
		(void)execl(copy, copy, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(close(fds[0]), 0);
	while (proc_uses_dir(dir, NULL, 0, NULL) == TRUTH_NO)
		(void)sched_yield(); /* until its exec is through */
	assert_used_by(pid, dir);
	assert_int_equal(close(fds[1]), 0);
	assert_int_equal(test_wait(pid), 0);
}

static void test_zombies_use_nothing(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	siginfo_t info;
	pid_t pid = occupant_start(stand_in, dir);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_unused(dir);
	test_kill(pid);
}

static void test_a_missing_folder_is_unused(void **state)
{
	(void)state;
	assert_unused("/nowhere/at/all");
}

/* Mounts the folder elsewhere in a namespace of its own and stands there: no path tells. */
static int stand_in_container(const char *dir)
{
	autofree char *parent = xasprintf("%s-mnt", dir);
	if (mkdir(parent, 0755) < 0)
		return 1;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(dir, parent, NULL, MS_BIND, NULL) < 0)
		return SKIPPED;
	return chdir(parent) < 0;
}

/* The same, standing elsewhere; and with only a part of the folder. */
static int mount_in_container(const char *dir)
{
	int r = stand_in_container(dir);
	return r ? r : chdir("/") < 0;
}

/* With a file open by that other path, or by one beside the folder. */
static int open_in_container(const char *dir)
{
	int r = mount_in_container(dir);
	autofree char *file = xasprintf("%s-mnt/file", dir);
	return r ? r : open(file, O_RDWR | O_CREAT, 0644) < 0;
}

static int open_beside_container(const char *dir)
{
	int r = mount_in_container(dir);
	autofree char *file = xasprintf("%s-file", dir);
	return r ? r : open(file, O_RDWR | O_CREAT, 0644) < 0;
}

static int mount_part_in_container(const char *dir)
{
	autofree char *part = path_join(dir, "part");
	return mkdir(part, 0755) < 0 ? 1 : mount_in_container(part);
}

/* A private namespace in which everything is where it was. */
static int mount_nothing(const char *dir)
{
	(void)dir;
	return unshare(CLONE_NEWNS) < 0 ? SKIPPED : 0;
}

/* False when the place cannot be taken. */
static bool answers(int (*enter)(const char *dir), enum truth wanted)
{
	autofolder root = test_folder_make();
	autofree char *dir = path_join(root, "work tree");
	assert_int_equal(mkdir(dir, 0755), 0);
	pid_t pid = occupant_start(enter, dir), found = 0;
	if (pid < 0)
		return false;
	assert_int_equal(proc_uses_dir(dir, NULL, 0, &found), wanted);
	assert_int_equal(found, wanted == TRUTH_NO ? 0 : pid);
	test_kill(pid);
	return true;
}

/* Holds nothing when it skips, for that jumps out of the test. */
static void expect_of(int (*enter)(const char *dir), enum truth wanted)
{
	if (!answers(enter, wanted))
		skip();
}

static void test_a_process_in_a_container(void **state)
{
	(void)state;
	expect_of(stand_in_container, TRUTH_YES);
}

static void test_a_container_that_has_the_folder_mounted(void **state)
{
	(void)state;
	expect_of(mount_in_container, TRUTH_NO);
	expect_of(mount_part_in_container, TRUTH_NO);
	expect_of(open_beside_container, TRUTH_NO);
	expect_of(open_in_container, TRUTH_YES);
}

static void test_a_private_namespace_is_no_container(void **state)
{
	(void)state;
	expect_of(mount_nothing, TRUTH_NO);
}

struct question {
	const char *dir;
	uid_t user;
};

/* Asks as an ordinary user; the answer is the exit code. */
static int ask(void *data)
{
	const struct question *q = data;
	return become(q->user) ? SKIPPED : (int)proc_uses_dir(q->dir, NULL, 0, NULL);
}

static enum truth answer_for(uid_t user, const char *dir)
{
	struct question q = {dir, user};
	int r = test_wait(test_fork(ask, &q));
	assert_int_not_equal(r, SKIPPED);
	return (enum truth)r;
}

static void test_services_of_others_mind_their_own_folders(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	autofolder dir = test_folder_make();
	assert_int_equal(chmod(dir, 0755), 0);
	pid_t pid = occupant_start(stand_in, dir);
	assert_int_equal(answer_for(stranger(), dir), TRUTH_NO);
	assert_used_by(pid, dir);
	test_kill(pid);
}

static bool container_of_another_is(enum truth wanted)
{
	autofolder root = test_folder_make();
	autofree char *dir = path_join(root, "tree");
	assert_int_equal(mkdir(dir, 0755) | chmod(root, 0755), 0);
	pid_t pid = occupant_start(stand_in_container, dir);
	if (pid < 0)
		return false;
	assert_int_equal(answer_for(stranger(), dir), wanted);
	test_kill(pid);
	return true;
}

static void test_a_container_of_another_user(void **state)
{
	(void)state;
	if (geteuid() != 0 || !container_of_another_is(TRUTH_UNKNOWN))
		skip();
}

struct sudo {
	int ready[2];
	bool terminal;
	uid_t user;
};

/* What `sudo` leaves: the user's process, and below it one of root in the same terminal. */
static int like_sudo(void *data)
{
	const struct sudo *s = data;
	int tty = -1, master = -1;
	if (setsid() < 0)
		return 1;
	if (s->terminal && (openpty(&master, &tty, NULL, NULL, NULL) < 0 || ioctl(tty, TIOCSCTTY, 0) < 0))
		return 1;
	pid_t root = test_fork(test_pause, NULL);
	if (become(s->user) || write(s->ready[1], &root, sizeof(root)) != sizeof(root))
		return 1;
	return test_pause(NULL);
}

static enum truth answer_with_sudo(bool terminal)
{
	autofolder dir = test_folder_make();
	assert_int_equal(chmod(dir, 0755), 0);
	struct sudo s = {.terminal = terminal, .user = stranger()};
	pid_t root = -1;
	assert_int_equal(pipe2(s.ready, O_CLOEXEC), 0);
	pid_t pid = test_fork(like_sudo, &s);
	assert_int_equal(read(s.ready[0], &root, sizeof(root)), sizeof(root));
	enum truth t = answer_for(s.user, dir);
	assert_int_equal(kill(root, SIGKILL), 0);
	test_kill(pid);
	assert_int_equal(close(s.ready[0]) | close(s.ready[1]), 0);
	return t;
}

static void test_what_sudo_started_is_unknown(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(answer_with_sudo(true), TRUTH_UNKNOWN);
	assert_int_equal(answer_with_sudo(false), TRUTH_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ways_to_use_a_folder),
		cmocka_unit_test(test_the_asking_process_does_not_count),
		cmocka_unit_test(test_a_program_that_runs_from_there),
		cmocka_unit_test(test_zombies_use_nothing),
		cmocka_unit_test(test_a_missing_folder_is_unused),
		cmocka_unit_test(test_a_process_in_a_container),
		cmocka_unit_test(test_a_container_that_has_the_folder_mounted),
		cmocka_unit_test(test_a_private_namespace_is_no_container),
		cmocka_unit_test(test_services_of_others_mind_their_own_folders),
		cmocka_unit_test(test_a_container_of_another_user),
		cmocka_unit_test(test_what_sudo_started_is_unknown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

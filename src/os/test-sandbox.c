/* Tests of sandbox.h: each confines a process of its own and has it try what it must and must not be able to
 * do. Where the machine cannot confine they are skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/json.h"
#include "os/env.h"
#include "os/file.h"
#include "os/kernel.h"
#include "os/proc.h"
#include "os/sandbox.h"
#include "os/socket.h"
#include "os/spawn.h"
#include "os/testing.h"

static char *top; /* with the folders work, work/shut, git, other, home and state */

static char *at(const char *name)
{
	return path_join(top, name);
}

static void make(const char *name, bool folder)
{
	autofree char *path = at(name);
	if (folder)
		assert_int_equal(dir_make(path, 0700, NULL), 0);
	else
		assert_int_equal(file_replace(path, "x\n", 2, 0600, NULL), 0);
}

static int setup(void **state)
{
	static const char *const folders[] = {"work", "work/shut", "git", "other", "home", "state", "run"};
	static const char *const files[] = {"work/file", "git/gitdir", "git/HEAD", "other/file"};
	(void)state;
	top = test_folder_make();
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		make(folders[i], true);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		make(files[i], false);
	autofree char *home = at("home");
	(void)setenv("HOME", home, 1);
	(void)unsetenv("XDG_RUNTIME_DIR");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	test_folder_remove(top);
	return 0;
}

static void add(json_t *spec, const char *key, const char *name)
{
	autofree char *path = at(name);
	json_list_add(spec, key, path);
}

static json_t *usual(void)
{
	json_t *spec = json_object();
	add(spec, "write", "work");
	add(spec, "write", "git");
	add(spec, "write", "not-there");
	add(spec, "protect", "git/gitdir");
	add(spec, "protect", "work/shut");
	add(spec, "protect", "state");
	add(spec, "keep", "work");
	autofree char *tmp = at("state/tmp");
	json_set_str(spec, "tmp", tmp);
	return spec;
}

static void need_sandbox(void)
{
	autoerror err = {0};
	if (sandbox_check(&err) == 0)
		return;
	print_message("skipped: %s\n", err.message);
	skip();
}

struct trial {
	const json_t *spec;
	int (*body)(void);
};

static int confined(void *data)
{
	const struct trial *t = data;
	autoerror err = {0};
	if (sandbox_enter(t->spec, &err)) {
		(void)fprintf(stderr, "%s\n", err.message);
		return 99;
	}
	return t->body();
}

/* Runs `body` in a confined process: 0 if all went as it should, else the number of its first line that did
 * not. */
static int in_sandbox(const json_t *spec, int (*body)(void))
{
	struct trial t = {.spec = spec, .body = body};
	return test_wait(test_fork(confined, &t));
}

#define MUST(condition)                                                                                      \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			(void)fprintf(stderr, "%s:%d: %s (%s)\n", __func__, __LINE__, #condition,            \
				      strerrordesc_np(errno));                                               \
			return 1;                                                                            \
		}                                                                                            \
	} while (0)

static bool writes(const char *name)
{
	autofree char *path = at(name);
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	return fd >= 0 && write(fd, "y", 1) == 1;
}

static bool refused(int result)
{
	return result < 0 &&
	       (errno == EROFS || errno == EACCES || errno == EPERM || errno == EXDEV || errno == EBUSY);
}

static int write_where_it_may(void)
{
	autofree char *a = at("work/a"), *b = at("work/b"), *d = at("work/d"), *l = at("work/l"),
		      *g = at("git/HEAD");
	MUST(writes("work/file") && writes("work/a") && writes("git/HEAD") && writes("state/tmp/x"));
	MUST(rename(a, b) == 0 && mkdir(d, 0700) == 0 && symlink("x", l) == 0 && unlink(b) == 0);
	MUST(rmdir(d) == 0 && chmod(g, 0640) == 0 && truncate(g, 0) == 0);
	autoclose int null = open("/dev/null", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	MUST(null >= 0 && write(null, "x", 1) == 1);
	return 0;
}

static void test_S5_it_writes_where_it_may(void **state)
{
	(void)state;
	need_sandbox();
	json_auto_t *spec = usual();
	assert_int_equal(in_sandbox(spec, write_where_it_may), 0);
}

static int write_elsewhere(void)
{
	autofree char *file = at("other/file"), *new = at("other/new"), *own = at("work/file"),
		      *link_in = at("work/in");
	autofree char *other = at("other"), *way = at("work/way");
	MUST(!writes("other/file") && !writes("other/new") && !writes("state/x") && !writes("home/x"));
	MUST(refused(unlink(file)) && refused(rename(file, link_in)) && refused(rename(own, new)));
	MUST(refused(link(file, link_in)) && refused(link(own, new)) && refused(mkdir(new, 0700)));
	MUST(refused(symlink("x", new)) && refused(mkfifo(new, 0600)) && refused(truncate(file, 0)));
	MUST(refused(chmod(file, 0777)) && refused(chown(file, geteuid(), getegid())));
	MUST(refused(utimensat(AT_FDCWD, file, NULL, 0)) && refused(rmdir(other)));
	MUST(symlink(other, way) == 0 && !writes("work/way/file") && !writes("work/way/new"));
	MUST(refused(mknod(link_in, S_IFBLK | 0600, 0x800)));
	return 0;
}

static void test_S5_it_writes_nowhere_else(void **state)
{
	(void)state;
	need_sandbox();
	json_auto_t *spec = usual();
	assert_int_equal(in_sandbox(spec, write_elsewhere), 0);
	autofree char *new = at("other/new");
	assert_int_not_equal(access(new, F_OK), 0);
}

static int write_protected(void)
{
	autofree char *gitdir = at("git/gitdir"), *moved = at("git/moved"), *shut = at("work/shut"),
		      *head = at("git/HEAD");
	MUST(!writes("git/gitdir") && !writes("work/shut/x"));
	MUST(refused(unlink(gitdir)) && refused(rename(gitdir, moved)) && refused(rename(head, gitdir)));
	MUST(refused(rename(shut, moved)) && refused(chmod(gitdir, 0777)) && refused(rmdir(shut)));
	MUST(writes("git/HEAD"));
	return 0;
}

static void test_S5_what_is_protected_within_is_read_only(void **state)
{
	(void)state;
	need_sandbox();
	json_auto_t *spec = usual();
	assert_int_equal(in_sandbox(spec, write_protected), 0);
}

static int write_plain(void)
{
	autofree char *link = at("plain/link"), *pipe = at("plain/pipe"), *folder = at("plain/folder"),
		      *own = at("work/own"), *blank = at("plain/blank"), *fifo = at("work/fifo");
	MUST(writes("plain/file") && mkdir(folder, 0700) == 0 && rmdir(folder) == 0);
	MUST(refused(symlink("x", link)) && refused(mkfifo(pipe, 0600)));
	MUST(symlink("x", own) == 0 && refused(rename(own, link)));
	MUST(mkfifo(fifo, 0600) == 0 && refused(rename(fifo, pipe)));
	MUST(access(blank, F_OK) == 0 && !writes("plain/blank") && refused(unlink(blank)));
	MUST(writes("cache/file") && !writes("cache/bin/file"));
	return 0;
}

static void test_S5_git_s_places_are_plain_and_what_is_shut_stays_shut(void **state)
{
	(void)state;
	need_sandbox();
	make("plain", true);
	make("cache", true);
	make("cache/bin", true);
	json_auto_t *spec = usual();
	add(spec, "plain", "plain");
	add(spec, "blank", "plain/blank");
	add(spec, "extra", "cache");
	add(spec, "shut", "cache/bin");
	assert_int_equal(in_sandbox(spec, write_plain), 0);
}

static int get_out(void)
{
	autofree char *work = at("work");
	MUST(refused(umount2(work, MNT_DETACH)) &&
	     refused(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL)));
	MUST(refused(mount("tmpfs", work, "tmpfs", 0, NULL)));
	MUST(refused(open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC)));
	MUST(refused((int)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL)));
	autofree char *root = xasprintf("/proc/%d/root", (int)getppid());
	MUST(refused(open(root, O_RDONLY | O_CLOEXEC)));
	if (kernel_landlock_abi() >= 6)
		MUST(refused(kill(getppid(), 0)) && refused(kill(1, 0)));
	MUST(kill(getpid(), 0) == 0);
	/* Namespaces of its own help it no further. */
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0)
		MUST(refused(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL)));
	MUST(!writes("other/file"));
	return 0;
}

static void test_S5_it_cannot_get_out(void **state)
{
	(void)state;
	need_sandbox();
	json_auto_t *spec = usual();
	assert_int_equal(in_sandbox(spec, get_out), 0);
}

static int nested(void)
{
	autofree char *command =
		xasprintf("sh -c 'echo x >%s/other/nested' 2>/dev/null; echo x >%s/work/nested", top, top);
	const char *argv[] = {"sh", "-c", command, NULL};
	struct spawn s = {.argv = argv};
	int status = 0;
	autofree char *out = at("other/nested"), *in = at("work/nested");
	MUST(spawn_run(&s, &status, NULL) == 0 && status == 0 && access(out, F_OK) < 0 &&
	     access(in, F_OK) == 0);
	return 0;
}

static void test_S5_what_it_starts_is_confined(void **state)
{
	(void)state;
	need_sandbox();
	json_auto_t *spec = usual();
	assert_int_equal(in_sandbox(spec, nested), 0);
}

/* --- sockets --- */

static int listen_at(const char *path, size_t len)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	memcpy(addr.sun_path, path, len);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
			 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static bool connects(const char *path, size_t len)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	memcpy(addr.sun_path, path, len);
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && connect(fd, (const struct sockaddr *)&addr,
				  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == 0;
}

static char abstract_name[64];

static int connect_all(void)
{
	autofree char *kept = at("run/coppice/s"), *hidden = at("run/tmux/s"), *listed = at("other/s");
	autofree char *fresh = at("work/s");
	MUST(connects(kept, strlen(kept) + 1));
	MUST(!connects(hidden, strlen(hidden) + 1) && access(hidden, F_OK) < 0);
	MUST(!connects(listed, strlen(listed) + 1));
	if (kernel_landlock_abi() >= 6)
		MUST(!connects(abstract_name, sizeof(abstract_name)));
	autoclose int own = listen_at(fresh, strlen(fresh) + 1);
	MUST(own >= 0 && connects(fresh, strlen(fresh) + 1));
	return 0;
}

static void test_S5_it_sees_no_foreign_socket(void **state)
{
	(void)state;
	need_sandbox();
	make("run/coppice", true);
	make("run/tmux", true);
	autofree char *run = at("run"), *kept = at("run/coppice/s"), *hidden = at("run/tmux/s"),
		      *listed = at("other/s");
	(void)setenv("XDG_RUNTIME_DIR", run, 1);
	(void)snprintf(abstract_name + 1, sizeof(abstract_name) - 1, "coppice-test-%d", (int)getpid());
	autoclose int a = listen_at(kept, strlen(kept) + 1);
	autoclose int b = listen_at(hidden, strlen(hidden) + 1);
	autoclose int c = listen_at(listed, strlen(listed) + 1);
	autoclose int d = listen_at(abstract_name, sizeof(abstract_name));
	json_auto_t *spec = usual();
	add(spec, "keep", "run/coppice");
	assert_int_equal(in_sandbox(spec, connect_all), 0);
	(void)unsetenv("XDG_RUNTIME_DIR");
	assert_true(a >= 0 && b >= 0 && c >= 0 && d >= 0);
}

static int read_secret(void)
{
	autofree char *path = at("other/secret");
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	char c;
	MUST(fd >= 0 && read(fd, &c, 1) == 0);
	return 0;
}

/* Becomes confined, says so on `to`, and lives until `from` is closed. */
static _noreturn_ void stay_confined(const json_t *spec, int to, int from)
{
	char c = 0;
	(void)dup2(to, STDOUT_FILENO); /* no other descriptor is left to it */
	(void)dup2(from, STDIN_FILENO);
	int code = sandbox_enter(spec, NULL);
	_exit(code || write(STDOUT_FILENO, "x", 1) != 1 || read(STDIN_FILENO, &c, 1) != 0);
}

static void test_S5_a_secret_is_hidden_and_a_mark_tells_who_is_confined(void **state)
{
	(void)state;
	need_sandbox();
	make("other/secret", false);
	autofree char *secret = at("other/secret");
	assert_int_equal(file_replace(secret, "s3cret", 6, 0600, NULL), 0);
	json_auto_t *spec = usual();
	add(spec, "hide", "other/secret");
	assert_int_equal(in_sandbox(spec, read_secret), 0);
	int said[2], end[2], status = 0;
	char c = 0;
	assert_int_equal(pipe2(said, O_CLOEXEC) | pipe2(end, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		(void)close(end[1]);
		stay_confined(spec, said[1], end[0]);
	}
	(void)close(said[1]);
	assert_int_equal(read(said[0], &c, 1), 1);
	assert_int_equal(sandbox_holds(pid), TRUTH_YES);
	assert_int_equal(sandbox_holds(getpid()), TRUTH_NO);
	(void)close(said[0]);
	(void)close(end[0]);
	(void)close(end[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(sandbox_holds(pid), TRUTH_UNKNOWN);
}

static int write_made(void)
{
	MUST(writes("other/made/x") && !writes("other/x"));
	return 0;
}

static void test_what_is_missing_is_made(void **state)
{
	(void)state;
	need_sandbox();
	json_auto_t *spec = usual();
	add(spec, "make", "other/made");
	assert_int_equal(in_sandbox(spec, write_made), 0);
}

static int see_over(void)
{
	autofree char *path = at("other/place/x");
	MUST(writes("other/place/x") && access(path, F_OK) == 0 && writes("other/place/file"));
	return 0;
}

static void test_a_folder_of_its_own_lies_over_another(void **state)
{
	(void)state;
	need_sandbox();
	json_auto_t *spec = usual();
	autofree char *place = at("other/place"), *own = at("work");
	json_object_set_new(spec, "over", json_pack("{s:s}", place, own));
	assert_int_equal(in_sandbox(spec, see_over), 0);
	autofree char *there = at("work/x"), *elsewhere = at("other/place/x");
	assert_int_equal(access(there, F_OK), 0);
	assert_int_not_equal(access(elsewhere, F_OK), 0);
}

/* --- what is refused --- */

static int succeed(void)
{
	return 0;
}

static void test_S5_what_would_open_a_protected_place_is_refused(void **state)
{
	(void)state;
	need_sandbox();
	static const char *const bad[] = {"", "state", "state/tmp", "git/gitdir", "git"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_auto_t *spec = usual();
		make("state/tmp", true);
		add(spec, "extra", bad[i]);
		assert_int_equal(in_sandbox(spec, succeed), 99);
	}
	json_auto_t *good = usual();
	add(good, "extra", "home");
	assert_int_equal(in_sandbox(good, succeed), 0);
	json_auto_t *relative = json_pack("{s:[s]}", "write", "work");
	assert_int_equal(in_sandbox(relative, succeed), 99);
}

static int count_descriptors(void)
{
	for (int fd = 3; fd < 64; fd++)
		MUST(fcntl(fd, F_GETFD) < 0 || fcntl(fd, F_GETFD) & FD_CLOEXEC);
	return 0;
}

static void test_no_descriptor_is_left_to_the_program(void **state)
{
	(void)state;
	need_sandbox();
	autofree char *file = at("other/file");
	autoclose int fd = open(file, O_RDWR);
	assert_true(fd >= 0);
	json_auto_t *spec = usual();
	assert_int_equal(in_sandbox(spec, count_descriptors), 0);
}

static void test_its_environment(void **state)
{
	(void)state;
	json_auto_t *spec = usual();
	const char *const env[] = {"A=1",	 "TMPDIR=/tmp", "SSH_AUTH_SOCK=/x",
				   "DISPLAY=:0", "TMUX=/t,1,2", NULL};
	char **got = sandbox_env(spec, env);
	autofree char *tmp = xasprintf("TMPDIR=%s/state/tmp", top);
	size_t n = 0;
	bool has_tmp = false;
	for (; got[n]; n++)
		has_tmp = has_tmp || strcmp(got[n], tmp) == 0;
	assert_int_equal(n, 3);
	assert_true(has_tmp);
	env_free(got);
}

static void test_the_command(void **state)
{
	(void)state;
	need_sandbox();
	const char *binary = getenv("COPPICE_BINARY");
	if (!binary)
		skip();
	json_auto_t *spec = usual();
	autofree char *text = json_text(spec), *file = at("spec.json");
	assert_int_equal(file_replace(file, text, strlen(text), 0600, NULL), 0);
	autofree char *command =
		xasprintf("echo \"$TMPDIR\"; echo x >%s/work/c && ! echo x >%s/other/c", top, top);
	const char *argv[] = {binary, "confine", file, "--", "sh", "-c", command, NULL};
	autostrbuf out = STRBUF_INIT(4096), errout = STRBUF_INIT(4096);
	struct spawn s = {.argv = argv, .out = &out, .errout = &errout};
	int status = -1;
	assert_int_equal(spawn_run(&s, &status, NULL), 0);
	autofree char *tmp = xasprintf("%s/state/tmp\n", top);
	assert_string_equal(strbuf_str(&out), tmp);
	assert_int_equal(status, 0);
	argv[4] = "no-such-program";
	assert_int_equal(spawn_run(&s, &status, NULL), 0);
	assert_int_equal(status, 127);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_S5_it_writes_where_it_may, setup, teardown),
		cmocka_unit_test_setup_teardown(test_S5_it_writes_nowhere_else, setup, teardown),
		cmocka_unit_test_setup_teardown(test_S5_what_is_protected_within_is_read_only, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_S5_git_s_places_are_plain_and_what_is_shut_stays_shut,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_S5_it_cannot_get_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_S5_what_it_starts_is_confined, setup, teardown),
		cmocka_unit_test_setup_teardown(test_S5_it_sees_no_foreign_socket, setup, teardown),
		cmocka_unit_test_setup_teardown(test_S5_a_secret_is_hidden_and_a_mark_tells_who_is_confined,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_missing_is_made, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_folder_of_its_own_lies_over_another, setup, teardown),
		cmocka_unit_test_setup_teardown(test_S5_what_would_open_a_protected_place_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_no_descriptor_is_left_to_the_program, setup, teardown),
		cmocka_unit_test_setup_teardown(test_its_environment, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_command, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of file.h: reading, replacing, folders, trees, paths. What needs a mount of its own runs in a
 * child with a private mount namespace, and is skipped where that is not allowed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "os/testing.h"

enum { SKIPPED = 77 };

#define EXPECT(cond)                                                                                         \
	do {                                                                                                 \
		if (!(cond)) {                                                                               \
			(void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                     \
			return 1;                                                                            \
		}                                                                                            \
	} while (0)

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
}

static char *get(const char *path)
{
	autostrbuf sb = STRBUF_INIT(1 << 20);
	return file_read(path, &sb, NULL) ? NULL : strbuf_detach(&sb);
}

static bool exists(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

static mode_t mode_of(const char *path)
{
	struct stat st;
	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static int count_entry(const char *name, int type, void *data, struct error *err)
{
	(void)name;
	(void)type;
	(void)err;
	++*(int *)data;
	return 0;
}

static int entries(const char *dir)
{
	int n = 0;
	return dir_each(dir, count_entry, &n, NULL) ? -1 : n;
}

static void test_read_appends_up_to_the_maximum(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *path = path_join(dir, "f");
	put(path, "12345");
	autostrbuf sb = STRBUF_INIT(8);
	strbuf_addstr(&sb, "abc");
	assert_int_equal(file_read(path, &sb, NULL), 0);
	assert_string_equal(strbuf_str(&sb), "abc12345");
	strbuf_reset(&sb);
	strbuf_addstr(&sb, "abcd");
	assert_int_equal(file_read(path, &sb, NULL), ERR_TOO_LARGE);
	assert_string_equal(strbuf_str(&sb), "abcd");
	put(path, "");
	assert_int_equal(file_read(path, &sb, NULL), 0);
	assert_string_equal(strbuf_str(&sb), "abcd");
}

static void test_read_refuses_what_is_no_file(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *fifo = path_join(dir, "fifo");
	autofree char *missing = path_join(dir, "missing");
	autostrbuf sb = STRBUF_INIT(8);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(file_read(fifo, &sb, NULL), ERR_INVALID);
	assert_int_equal(file_read(dir, &sb, NULL), ERR_INVALID);
	assert_int_equal(file_read(missing, &sb, NULL), ERR_NOT_FOUND);
}

static void test_S6_replace_gives_the_mode_under_any_umask(void **state)
{
	(void)state;
	static const mode_t masks[] = {0000, 0022, 0077, 0777}, modes[] = {0600, 0644, 0755};
	autofolder dir = test_folder_make();
	autofree char *path = path_join(dir, "f");
	for (size_t i = 0; i < ARRAY_SIZE(masks); i++)
		for (size_t j = 0; j < ARRAY_SIZE(modes); j++) {
			mode_t before = umask(masks[i]);
			int r = file_replace(path, "x", 1, modes[j], NULL);
			(void)umask(before);
			assert_int_equal(r, 0);
			assert_int_equal(mode_of(path), modes[j]);
		}
	assert_int_equal(entries(dir), 1);
}

/* Reads until it was told to stop and expects one of two whole contents each time. */
static int watch_content(void *data)
{
	const char *path = data;
	for (;;) {
		autofree char *text = get(path);
		EXPECT(text);
		size_t n = strlen(text);
		if (n == 1)
			return 0;
		EXPECT(n == 100000 && strspn(text, (char[]){text[0], '\0'}) == n);
	}
}

static void test_S6_replace_is_seen_whole_or_not_at_all(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *path = path_join(dir, "f");
	autofree char *text = xmalloc(100000);
	memset(text, 'a', 100000);
	assert_int_equal(file_replace(path, text, 100000, 0600, NULL), 0);
	pid_t reader = test_fork(watch_content, path);
	for (int i = 0; i < 12; i++) {
		memset(text, 'a' + i % 26, 100000);
		assert_int_equal(file_replace(path, text, 100000, 0600, NULL), 0);
	}
	assert_int_equal(file_replace(path, "!", 1, 0600, NULL), 0);
	assert_int_equal(test_wait(reader), 0);
}

static void test_S6_replace_keeps_the_old_file_when_it_cannot_write(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *path = path_join(dir, "f");
	autofree char *text = xcalloc(1, 10000);
	put(path, "old");
	struct rlimit before, small;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = (struct rlimit){.rlim_cur = 4096, .rlim_max = before.rlim_max};
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	autoerror err = {0};
	int r = file_replace(path, text, 10000, 0600, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	(void)signal(SIGXFSZ, handler);
	assert_int_equal(r, ERR_SYSTEM);
	assert_non_null(strstr(err.message, path));
	autofree char *now = get(path);
	assert_string_equal(now, "old");
	assert_int_equal(mode_of(path), 0644);
	assert_int_equal(entries(dir), 1);
}

/* Enters a mount namespace of its own; false where that is not allowed. */
static bool private_mounts(void)
{
	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static int replace_on_full_disk(void *data)
{
	const char *dir = data;
	if (!private_mounts() || mount("none", dir, "tmpfs", 0, "size=64k") < 0)
		return SKIPPED;
	autofree char *path = path_join(dir, "f");
	autofree char *fill = path_join(dir, "fill");
	autofree char *text = xcalloc(1, 20000);
	EXPECT(file_replace(path, "old", 3, 0600, NULL) == 0);
	int fd = open(fill, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (write(fd, text, 4096) > 0)
		;
	EXPECT(errno == ENOSPC && close(fd) == 0);
	EXPECT(file_replace(path, text, 20000, 0600, NULL) == ERR_DISK_FULL);
	autofree char *now = get(path);
	EXPECT(now && strcmp(now, "old") == 0);
	EXPECT(entries(dir) == 2);
	EXPECT(unlink(fill) == 0 && file_replace(path, text, 20000, 0600, NULL) == 0);
	return 0;
}

static int run_in_folder(int (*body)(void *data))
{
	autofolder dir = test_folder_make();
	return test_wait(test_fork(body, dir));
}

/* Holds nothing when it skips, for that jumps out of the test. */
static void run_or_skip(int (*body)(void *data))
{
	int r = run_in_folder(body);
	if (r == SKIPPED)
		skip();
	assert_int_equal(r, 0);
}

static void test_S6_replace_survives_a_full_disk(void **state)
{
	(void)state;
	run_or_skip(replace_on_full_disk);
}

static void test_replace_and_odd_targets(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *sub = path_join(dir, "sub");
	autofree char *link = path_join(dir, "link");
	autofree char *file = path_join(dir, "file");
	autofree char *nowhere = path_join(dir, "missing/f");
	assert_int_equal(mkdir(sub, 0700), 0);
	put(file, "pointed at");
	assert_int_equal(symlink("file", link), 0);
	assert_int_not_equal(file_replace(sub, "x", 1, 0600, NULL), 0);
	assert_int_equal(entries(dir), 3);
	assert_int_equal(file_replace(nowhere, "x", 1, 0600, NULL), ERR_NOT_FOUND);
	assert_int_equal(file_replace(link, "new", 3, 0600, NULL), 0);
	autofree char *through = get(file);
	assert_string_equal(through, "pointed at");
	autofree char *replaced = get(link);
	assert_string_equal(replaced, "new");
}

static void test_S6_folders_have_their_mode_under_any_umask(void **state)
{
	(void)state;
	static const mode_t masks[] = {0000, 0077, 0777}, modes[] = {0700, 0755, 0777};
	for (size_t i = 0; i < ARRAY_SIZE(masks); i++)
		for (size_t j = 0; j < ARRAY_SIZE(modes); j++) {
			autofolder dir = test_folder_make();
			autofree char *path = path_join(dir, "a//b/c/");
			autofree char *parent = path_join(dir, "a");
			mode_t before = umask(masks[i]);
			int r = dir_make(path, modes[j], NULL);
			(void)umask(before);
			assert_int_equal(r, 0);
			assert_int_equal(mode_of(path), modes[j]);
			assert_int_equal(mode_of(parent), modes[j]);
		}
}

static void test_existing_folders_stay_as_they_are(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *file = path_join(dir, "f");
	autofree char *below = path_join(dir, "f/x");
	put(file, "");
	assert_int_equal(chmod(dir, 0711), 0);
	assert_int_equal(dir_make(dir, 0700, NULL), 0);
	assert_int_equal(mode_of(dir), 0711);
	assert_int_equal(dir_make(file, 0700, NULL), ERR_EXISTS);
	assert_int_not_equal(dir_make(below, 0700, NULL), 0);
	assert_int_equal(dir_sync(dir, NULL), 0);
	assert_int_equal(dir_sync(below, NULL), ERR_NOT_FOUND);
}

static void test_S6_private_folders_are_ours_alone(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *path = path_join(dir, "a/b");
	autofree char *link = path_join(dir, "link");
	mode_t before = umask(0);
	assert_int_equal(dir_make_private(path, NULL), 0);
	(void)umask(before);
	assert_int_equal(mode_of(path), 0700);
	assert_int_equal(dir_make_private(path, NULL), 0);
	for (mode_t bit = 1; bit < 0100; bit <<= 1) {
		assert_int_equal(chmod(path, 0700 | bit), 0);
		assert_int_equal(dir_make_private(path, NULL), ERR_REFUSED);
	}
	assert_int_equal(chmod(path, 0700), 0);
	assert_int_equal(symlink("a/b", link), 0);
	assert_int_equal(dir_make_private(link, NULL), 0);
	if (geteuid() != 0)
		return; /* only root can give files away */
	assert_int_equal(lchown(link, 65534, 65534), 0);
	assert_int_equal(dir_make_private(link, NULL), ERR_REFUSED);
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_int_equal(dir_make_private(path, NULL), ERR_REFUSED);
}

static int expect_type(const char *name, int type, void *data, struct error *err)
{
	static const struct {
		const char *name;
		int type;
	} known[] = {{"file", DT_REG}, {"dir", DT_DIR}, {"link", DT_LNK}, {"fifo", DT_FIFO}};
	(void)err;
	++*(int *)data;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(name, known[i].name) == 0)
			return type == known[i].type ? 0 : ERR_INTERNAL;
	return ERR_INTERNAL;
}

static int stop_at_once(const char *name, int type, void *data, struct error *err)
{
	(void)name;
	(void)type;
	++*(int *)data;
	return error_set(err, ERR_CONFLICT, "stop");
}

static void test_each_entry_has_a_type(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *file = path_join(dir, "file");
	autofree char *sub = path_join(dir, "dir");
	autofree char *link = path_join(dir, "link");
	autofree char *fifo = path_join(dir, "fifo");
	put(file, "");
	assert_int_equal(mkdir(sub, 0700), 0);
	assert_int_equal(symlink("dir", link), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	int n = 0;
	assert_int_equal(dir_each(dir, expect_type, &n, NULL), 0);
	assert_int_equal(n, 4);
	n = 0;
	assert_int_equal(dir_each(dir, stop_at_once, &n, NULL), ERR_CONFLICT);
	assert_int_equal(n, 1);
	assert_int_equal(dir_each(file, stop_at_once, &n, NULL), ERR_NOT_FOUND);
}

static void test_remove_follows_no_symlink(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *outside = path_join(dir, "outside");
	autofree char *precious = path_join(dir, "outside/precious");
	autofree char *tree = path_join(dir, "tree");
	autofree char *to_dir = path_join(dir, "tree/to-dir");
	autofree char *to_file = path_join(dir, "tree/to-file");
	autofree char *alias = path_join(dir, "alias");
	autofree char *through = path_join(dir, "alias/precious");
	assert_int_equal(mkdir(outside, 0700) | mkdir(tree, 0700), 0);
	put(precious, "precious");
	assert_int_equal(symlink("../outside", to_dir) | symlink("../outside/precious", to_file), 0);
	assert_int_equal(tree_remove(tree, NULL), 0);
	assert_false(exists(tree));
	assert_true(exists(precious));
	assert_int_equal(symlink("outside", alias), 0);
	assert_int_equal(tree_remove(through, NULL), ERR_REFUSED);
	assert_int_equal(tree_remove(alias, NULL), 0);
	assert_false(exists(alias));
	assert_true(exists(precious));
}

static void test_remove_and_odd_paths(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *missing = path_join(dir, "a/b");
	autofree char *file = path_join(dir, "f");
	autofree char *below_file = path_join(dir, "f/x");
	autofree char *slashes = path_join(dir, "d///");
	autofree char *dots = path_join(dir, "d/..");
	assert_int_equal(tree_remove(missing, NULL), 0);
	put(file, "");
	assert_int_equal(tree_remove(below_file, NULL), 0);
	assert_int_equal(tree_remove(file, NULL), 0);
	assert_false(exists(file));
	assert_int_equal(mkdir(slashes, 0700), 0);
	assert_int_equal(tree_remove(dots, NULL), ERR_INVALID);
	assert_int_equal(tree_remove(slashes, NULL), 0);
	assert_int_equal(tree_remove("/", NULL), ERR_INVALID);
	assert_int_equal(tree_remove("", NULL), ERR_INVALID);
	assert_int_equal(tree_remove(".", NULL), ERR_INVALID);
	assert_int_equal(entries(dir), 0);
}

/* Deeper than a path can name and than descriptors are there for. */
static void test_remove_has_no_depth_limit(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 3000; i++) {
		assert_int_equal(mkdirat(fd, "folder", 0700), 0);
		int sub = openat(fd, "folder", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(sub >= 0);
		(void)close(fd); /* only looked through it */
		fd = sub;
	}
	(void)close(fd); /* only looked through it */
	autofree char *tree = path_join(dir, "folder");
	uint64_t size = 0;
	assert_int_equal(tree_size(tree, &size, NULL), 0);
	assert_int_equal(tree_remove(tree, NULL), 0);
	assert_int_equal(entries(dir), 0);
}

static int remove_without_rights(void *data)
{
	const char *dir = data;
	EXPECT(chmod(dir, 0777) == 0);
	if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
		return SKIPPED;
	autofree char *tree = path_join(dir, "tree");
	autofree char *closed = path_join(dir, "tree/closed");
	autofree char *inner = path_join(dir, "tree/closed/inner");
	autofree char *file = path_join(dir, "tree/closed/file");
	EXPECT(dir_make(inner, 0700, NULL) == 0 && file_replace(file, "x", 1, 0400, NULL) == 0);
	EXPECT(chmod(inner, 0000) == 0 && chmod(closed, 0500) == 0 && chmod(tree, 0000) == 0);
	EXPECT(tree_remove(tree, NULL) == 0);
	EXPECT(!exists(tree));
	return 0;
}

static void test_remove_takes_the_rights_it_needs(void **state)
{
	(void)state;
	run_or_skip(remove_without_rights);
}

static int remove_with_mounts(void *data)
{
	const char *dir = data;
	autofree char *elsewhere = path_join(dir, "elsewhere");
	autofree char *precious = path_join(dir, "elsewhere/precious");
	autofree char *tree = path_join(dir, "tree");
	autofree char *point = path_join(dir, "tree/point");
	autofree char *in_tmpfs = path_join(dir, "tree/point/precious");
	EXPECT(dir_make(elsewhere, 0700, NULL) == 0 && dir_make(point, 0700, NULL) == 0);
	EXPECT(file_replace(precious, "x", 1, 0600, NULL) == 0);
	/* A bind mount of the same file system has the same device number. */
	if (!private_mounts() || mount(elsewhere, point, NULL, MS_BIND, NULL) < 0)
		return SKIPPED;
	uint64_t size;
	EXPECT(tree_remove(tree, NULL) == ERR_REFUSED && exists(precious));
	EXPECT(tree_remove(point, NULL) == ERR_REFUSED && exists(precious));
	EXPECT(tree_size(tree, &size, NULL) == ERR_REFUSED);
	EXPECT(umount(point) == 0 && mount("none", point, "tmpfs", 0, "size=64k") == 0);
	EXPECT(file_replace(in_tmpfs, "x", 1, 0600, NULL) == 0);
	EXPECT(tree_remove(tree, NULL) == ERR_REFUSED && exists(in_tmpfs));
	EXPECT(umount(point) == 0 && tree_remove(tree, NULL) == 0 && !exists(tree));
	return 0;
}

static void test_remove_crosses_no_mount(void **state)
{
	(void)state;
	run_or_skip(remove_with_mounts);
}

/* A folder of the tree, and a link that leads out of it. */
struct swap {
	const char *dir;
	int ready[2];
};

/* Waits until the removal has listed the tree, and has begun with its files, and then puts the link in
 * the folder's place. */
static int swap_during_removal(void *data)
{
	const struct swap *s = data;
	char events[4096];
	int fd = inotify_init1(IN_CLOEXEC);
	EXPECT(fd >= 0 && chdir(s->dir) == 0 && inotify_add_watch(fd, "tree", IN_DELETE) >= 0);
	EXPECT(write(s->ready[1], "r", 1) == 1);
	EXPECT(read(fd, events, sizeof(events)) > 0);
	return renameat2(AT_FDCWD, "tree/x", AT_FDCWD, "link", RENAME_EXCHANGE) == 0 ? 0 : SKIPPED;
}

/* True when the swap came in time: before it was the folder's turn. The siblings give it the time. */
static bool removal_loses_race(const char *dir)
{
	enum { SIBLINGS = 300 };
	autofree char *tree = path_join(dir, "tree");
	autofree char *trigger = path_join(dir, "tree/trigger");
	autofree char *inner = path_join(dir, "tree/x/deep");
	autofree char *link = path_join(dir, "link");
	struct swap s = {.dir = dir};
	char c;
	assert_int_equal(dir_make(inner, 0700, NULL), 0);
	for (int i = 0; i < SIBLINGS; i++) {
		autofree char *sibling = xasprintf("%s/%d", tree, i);
		assert_int_equal(mkdir(sibling, 0700), 0);
	}
	put(trigger, "");
	autofree char *outside = path_join(dir, "outside"); /* absolute, for the link moves */
	assert_int_equal(symlink(outside, link) | pipe2(s.ready, O_CLOEXEC), 0);
	pid_t pid = test_fork(swap_during_removal, &s);
	assert_int_equal(read(s.ready[0], &c, 1), 1);
	assert_int_equal(tree_remove(tree, NULL), 0);
	assert_false(exists(tree));
	int r = test_wait(pid);
	assert_true(r == 0 || r == SKIPPED);
	assert_int_equal(tree_remove(link, NULL), 0);
	assert_int_equal(close(s.ready[0]) | close(s.ready[1]), 0);
	return r == 0;
}

static void test_remove_is_not_led_outside_by_a_race(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *outside = path_join(dir, "outside/deep");
	autofree char *precious = path_join(dir, "outside/deep/precious");
	assert_int_equal(dir_make(outside, 0700, NULL), 0);
	put(precious, "precious");
	int lost = 0;
	for (int i = 0; i < 10; i++) {
		lost += removal_loses_race(dir);
		assert_true(exists(precious));
	}
	assert_true(lost > 0);
}

static void test_size_counts_hard_links_once(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *tree = path_join(dir, "tree");
	autofree char *sub = path_join(dir, "tree/sub");
	autofree char *a = path_join(dir, "tree/a");
	autofree char *b = path_join(dir, "tree/sub/b");
	autofree char *link = path_join(dir, "tree/link");
	autofree char *text = xcalloc(1, 100000);
	assert_int_equal(mkdir(tree, 0700) | mkdir(sub, 0700), 0);
	uint64_t folders = 0, one = 0, two = 0, missing = 1;
	assert_int_equal(tree_size(tree, &folders, NULL), 0);
	assert_int_equal(file_replace(a, text, 100000, 0600, NULL), 0);
	assert_int_equal(tree_size(tree, &one, NULL), 0);
	assert_true(one >= folders + 100000 && one < folders + 200000);
	assert_int_equal(linkat(AT_FDCWD, a, AT_FDCWD, b, 0), 0);
	assert_int_equal(tree_size(tree, &two, NULL), 0);
	assert_int_equal(one, two);
	assert_int_equal(symlink("/", link), 0);
	assert_int_equal(tree_size(tree, &two, NULL), 0);
	assert_true(two < one + 10000);
	assert_int_equal(tree_size("/nowhere/at/all", &missing, NULL), 0);
	assert_int_equal(missing, 0);
}

static void test_paths(void **state)
{
	(void)state;
	autofree char *plain = path_join("/a", "b");
	autofree char *slash = path_join("/", "b");
	autofree char *none = path_join("", "b");
	assert_string_equal(plain, "/a/b");
	assert_string_equal(slash, "/b");
	assert_string_equal(none, "b");
	assert_string_equal(path_base("/a/b"), "b");
	assert_string_equal(path_base("b"), "b");
	assert_string_equal(path_base("/a/"), "");
	assert_true(path_inside("/a/b", "/a"));
	assert_true(path_inside("/a", "/a"));
	assert_true(path_inside("/a/b", "/a/"));
	assert_true(path_inside("/a", "/"));
	assert_false(path_inside("/ab", "/a"));
	assert_false(path_inside("/", "/a"));
}

static void assert_resolves(const char *path, const char *wanted)
{
	autofree char *real = NULL;
	assert_int_equal(path_resolve(path, &real, NULL), 0);
	assert_string_equal(real, wanted);
}

static void test_resolve(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	autofree char *sub = path_join(dir, "sub");
	autofree char *link = path_join(dir, "link");
	autofree char *dangling = path_join(dir, "dangling");
	autofree char *odd = path_join(dir, "link/../sub/./");
	autofree char *missing = path_join(dir, "link/new//");
	autofree char *wanted = path_join(dir, "sub/new");
	autofree char *nowhere = path_join(dir, "no/new");
	autofree char *up = path_join(dir, "no/..");
	char *real = NULL;
	assert_int_equal(mkdir(sub, 0700) | symlink("sub", link) | symlink("no", dangling), 0);
	assert_resolves(odd, sub);
	assert_resolves(missing, wanted);
	assert_resolves("/", "/");
	assert_int_equal(path_resolve(nowhere, &real, NULL), ERR_NOT_FOUND);
	assert_int_equal(path_resolve(dangling, &real, NULL), ERR_NOT_FOUND);
	assert_int_equal(path_resolve(up, &real, NULL), ERR_NOT_FOUND);
	assert_int_equal(path_resolve("", &real, NULL), ERR_INVALID);
	assert_null(real);
}

static void test_file_systems(void **state)
{
	(void)state;
	autofolder dir = test_folder_make();
	uint64_t bytes = 0;
	assert_int_equal(path_check_local("/proc", NULL), 0);
	assert_int_equal(path_check_local("/nowhere/at/all", NULL), ERR_NOT_FOUND);
	assert_int_equal(path_free_space(dir, &bytes, NULL), 0);
	assert_true(bytes > 0);
	assert_int_equal(path_free_space("/nowhere/at/all", &bytes, NULL), ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_appends_up_to_the_maximum),
		cmocka_unit_test(test_read_refuses_what_is_no_file),
		cmocka_unit_test(test_S6_replace_gives_the_mode_under_any_umask),
		cmocka_unit_test(test_S6_replace_is_seen_whole_or_not_at_all),
		cmocka_unit_test(test_S6_replace_keeps_the_old_file_when_it_cannot_write),
		cmocka_unit_test(test_S6_replace_survives_a_full_disk),
		cmocka_unit_test(test_replace_and_odd_targets),
		cmocka_unit_test(test_S6_folders_have_their_mode_under_any_umask),
		cmocka_unit_test(test_existing_folders_stay_as_they_are),
		cmocka_unit_test(test_S6_private_folders_are_ours_alone),
		cmocka_unit_test(test_each_entry_has_a_type),
		cmocka_unit_test(test_remove_follows_no_symlink),
		cmocka_unit_test(test_remove_and_odd_paths),
		cmocka_unit_test(test_remove_has_no_depth_limit),
		cmocka_unit_test(test_remove_takes_the_rights_it_needs),
		cmocka_unit_test(test_remove_crosses_no_mount),
		cmocka_unit_test(test_remove_is_not_led_outside_by_a_race),
		cmocka_unit_test(test_size_counts_hard_links_once),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_file_systems),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The differ must see every kind of change, and none where there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "differ.h"

static char *root;

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void make_socket(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	memcpy(addr.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
}

/* A tree with one of everything, as the current folder. */
static int set_up(void **state)
{
	(void)state;
	root = xstrdup("/tmp/coppice-differ-XXXXXX");
	assert_non_null(mkdtemp(root));
	assert_int_equal(chdir(root), 0);
	write_file("file", "content\r\n");
	write_file("other", "content\r\n");
	write_file("linked", "same");
	assert_int_equal(link("linked", "linked-too"), 0);
	assert_int_equal(symlink("nowhere", "symlink"), 0);
	assert_int_equal(mkdir("empty", 0755), 0);
	assert_int_equal(mkdir("nested", 0755), 0);
	assert_int_equal(mkdir("nested/.git", 0755), 0);
	write_file("nested/.git/HEAD", "ref: refs/heads/main\n");
	assert_int_equal(mkfifo("fifo", 0600), 0);
	make_socket("socket");
	return 0;
}

static int clear(const char *path)
{
	struct stat st;
	if (lstat(path, &st))
		return 0;
	return S_ISDIR(st.st_mode) ? rmdir(path) : unlink(path);
}

static int tear_down(void **state)
{
	(void)state;
	static const char *const paths[] = {
		"file",	       "other",	 "linked", "linked-too", "symlink", "empty",  "nested/.git/HEAD",
		"nested/.git", "nested", "fifo",   "socket",	 "new",	    "renamed"};
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		(void)clear(paths[i]);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(root), 0);
	free(root);
	return 0;
}

static void test_equal_trees_have_no_difference(void **state)
{
	(void)state;
	autodiffer *was = NULL, *is = NULL;
	assert_int_equal(differ_record(root, &was, NULL), 0);
	assert_int_equal(differ_record(root, &is, NULL), 0);
	autostrbuf out = STRBUF_INIT(4096);
	assert_int_equal(differ_compare(was, is, DIFFER_DIR_MTIME, &out), 0);
	assert_string_equal(strbuf_str(&out), "");
	assert_int_equal(differ_count(was), 12);
}

static void change_content(void)
{
	struct stat st;
	assert_int_equal(stat("file", &st), 0);
	write_file("file", "content\n\r");
	const struct timespec times[2] = {st.st_atim, st.st_mtim};
	assert_int_equal(utimensat(AT_FDCWD, "file", times, 0), 0);
}

static void change_mode(void)
{
	assert_int_equal(chmod("file", 0755), 0);
}

static void change_mtime(void)
{
	const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1, .tv_nsec = 1}};
	assert_int_equal(utimensat(AT_FDCWD, "file", times, 0), 0);
}

static void change_target(void)
{
	struct stat st;
	assert_int_equal(lstat("symlink", &st), 0);
	assert_int_equal(unlink("symlink"), 0);
	assert_int_equal(symlink("nowherE", "symlink"), 0);
	const struct timespec times[2] = {st.st_atim, st.st_mtim};
	assert_int_equal(utimensat(AT_FDCWD, "symlink", times, AT_SYMLINK_NOFOLLOW), 0);
}

static void drop_empty_folder(void)
{
	assert_int_equal(rmdir("empty"), 0);
}

static void add_fifo(void)
{
	assert_int_equal(mkfifo("new", 0600), 0);
}

static void turn_fifo_into_file(void)
{
	assert_int_equal(unlink("fifo"), 0);
	write_file("fifo", "");
}

static void drop_socket(void)
{
	assert_int_equal(unlink("socket"), 0);
}

static void break_hard_link(void)
{
	struct stat st;
	assert_int_equal(stat("linked", &st), 0);
	assert_int_equal(unlink("linked-too"), 0);
	write_file("linked-too", "same");
	const struct timespec times[2] = {st.st_atim, st.st_mtim};
	assert_int_equal(utimensat(AT_FDCWD, "linked-too", times, 0), 0);
}

static void change_nested_repository(void)
{
	write_file("nested/.git/HEAD", "ref: refs/heads/mine\n");
}

static void rename_file(void)
{
	assert_int_equal(rename("file", "renamed"), 0);
}

static void test_each_change_is_seen(void **state)
{
	(void)state;
	static const struct {
		void (*change)(void);
		const char *says; /* a line that must be among the differences */
	} cases[] = {
		{change_content, "file: content, was 9 bytes, is 9 bytes, first difference at byte 7\n"},
		{change_mode, "file: mode, was 0644, is 0755\n"},
		{change_mtime, "is 1.000000001\n"},
		{change_target, "symlink: symlink target, was nowhere, is nowherE\n"},
		{drop_empty_folder, "empty: folder is gone\n"},
		{add_fifo, "new: fifo is new\n"},
		{turn_fifo_into_file, "fifo: type, was fifo, is file\n"},
		{drop_socket, "socket: socket is gone\n"},
		{break_hard_link, "linked-too: hard link, was one with linked, is one with linked-too\n"},
		{change_nested_repository, "nested/.git/HEAD: content"},
		{rename_file, "renamed: file is new\n"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autodiffer *was = NULL, *is = NULL;
		assert_int_equal(differ_record(root, &was, NULL), 0);
		cases[i].change();
		assert_int_equal(differ_record(root, &is, NULL), 0);
		autostrbuf out = STRBUF_INIT(4096);
		assert_true(differ_compare(was, is, 0, &out) >= 1);
		if (!strstr(strbuf_str(&out), cases[i].says))
			fail_msg("case %zu: %s", i, strbuf_str(&out));
		tear_down(state);
		set_up(state);
	}
}

static void test_attributes_are_seen(void **state)
{
	(void)state;
	if (setxattr("file", "user.coppice", "a", 1, 0)) {
		assert_true(errno == ENOTSUP || errno == EPERM);
		skip();
	}
	autodiffer *was = NULL, *is = NULL, *without = NULL;
	assert_int_equal(differ_record(root, &was, NULL), 0);
	assert_int_equal(setxattr("file", "user.coppice", "b", 1, 0), 0);
	assert_int_equal(differ_record(root, &is, NULL), 0);
	assert_int_equal(removexattr("file", "user.coppice"), 0);
	assert_int_equal(differ_record(root, &without, NULL), 0);
	autostrbuf out = STRBUF_INIT(4096);
	assert_int_equal(differ_compare(was, is, 0, &out), 1);
	assert_int_equal(differ_compare(was, without, 0, &out), 1);
	assert_int_equal(differ_compare(without, was, 0, &out), 1);
	assert_string_equal(strbuf_str(&out), "file: attribute user.coppice changed\n"
					      "file: attribute user.coppice is gone\n"
					      "file: attribute user.coppice is new\n");
}

static void test_an_absent_tree_differs(void **state)
{
	(void)state;
	autodiffer *was = NULL, *is = NULL;
	assert_int_equal(differ_record(root, &was, NULL), 0);
	assert_int_equal(differ_record("/nonexistent/coppice", &is, NULL), 0);
	assert_int_equal(differ_count(is), 0);
	assert_int_equal(differ_compare(was, is, 0, NULL), differ_count(was));
	assert_int_equal(differ_compare(is, is, 0, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_equal_trees_have_no_difference, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_each_change_is_seen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_attributes_are_seen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_absent_tree_differs, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

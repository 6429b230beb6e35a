/* Tests of how the user's files are read and replaced. They hold for root too: it is the bits that count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/setup_file.h"
#include "os/testing.h"

static char *write_file(const char *folder, const char *name, const char *text, mode_t mode)
{
	char *path = path_join(folder, name);
	assert_int_equal(file_replace(path, text, strlen(text), mode, NULL), 0);
	return path;
}

static void assert_file(const char *path, const char *expected)
{
	autostrbuf text = STRBUF_INIT(1 << 20);
	if (!expected) {
		assert_int_equal(file_read(path, &text, NULL), ERR_NOT_FOUND);
		return;
	}
	assert_int_equal(file_read(path, &text, NULL), 0);
	assert_string_equal(strbuf_str(&text), expected);
}

static int count_one(const char *name, int type, void *data, struct error *err)
{
	(void)type;
	(void)name;
	(void)err;
	++*(int *)data;
	return 0;
}

static void assert_entries(const char *folder, int expected)
{
	int n = 0;
	assert_int_equal(dir_each(folder, count_one, &n, NULL), 0);
	assert_int_equal(n, expected);
}

#define autodisk _cleanup_(setup_disk_release) struct setup_disk

static void test_a_file_is_replaced_with_its_mode_and_a_link_stays(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autofree char *real = write_file(folder, "real", "old", 0640), *link = path_join(folder, "link");
	assert_int_equal(symlink("real", link), 0);
	autodisk disk = {0};
	assert_int_equal(setup_disk_read(link, &disk, NULL), 0);
	assert_string_equal(disk.target, real);
	assert_string_equal(strbuf_str(&disk.text), "old");
	struct setup_write w = {.disk = &disk, .text = "new", .len = 3};
	assert_int_equal(setup_files_write(&w, 1, NULL, NULL), 0);
	struct stat st;
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(real, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_file(real, "new");
	assert_entries(folder, 2);
}

static void test_what_is_not_the_users_to_edit_is_refused(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autofree char *file = write_file(folder, "file", "x", 0600), *hard = path_join(folder, "hard");
	autofree char *dangling = path_join(folder, "dangling"), *sub = path_join(folder, "sub");
	autofree char *below = path_join(dangling, "x");
	autodisk a = {0}, b = {0}, c = {0}, d = {0};
	autoerror err = {0};
	assert_int_equal(link(file, hard), 0);
	assert_int_equal(setup_disk_read(file, &a, &err), ERR_REFUSED);
	assert_non_null(strstr(err.message, "hard links"));
	assert_non_null(err.hint);
	assert_int_equal(symlink("nothing", dangling), 0);
	assert_int_equal(setup_disk_read(dangling, &b, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.hint, "link"));
	assert_int_equal(setup_disk_read(below, &c, &err), ERR_NOT_FOUND);
	assert_int_equal(dir_make(sub, 0700, NULL), 0);
	assert_int_equal(setup_disk_read(sub, &d, &err), ERR_REFUSED);
	if (geteuid() != 0)
		return;
	assert_int_equal(unlink(hard), 0);
	assert_int_equal(chown(file, 12345, (gid_t)-1), 0);
	autodisk e = {0};
	assert_int_equal(setup_disk_read(file, &e, &err), ERR_REFUSED);
	assert_non_null(strstr(err.message, "another user"));
}

static void test_read_only_files_and_folders_are_refused_before_anything_is_written(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autofree char *one = write_file(folder, "one", "1", 0600),
		      *two = write_file(folder, "two", "2", 0400);
	autofree char *sub = path_join(folder, "sub");
	assert_int_equal(dir_make(sub, 0700, NULL), 0);
	autofree char *three = write_file(sub, "three", "3", 0600), *missing = path_join(sub, "missing");
	assert_int_equal(chmod(sub, 0500), 0);
	const char *const others[] = {two, three, missing};
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		autodisk a = {0}, b = {0};
		autoerror err = {0};
		assert_int_equal(setup_disk_read(one, &a, NULL), 0);
		assert_int_equal(setup_disk_read(others[i], &b, NULL), 0);
		struct setup_write writes[] = {{.disk = &a, .text = "new", .len = 3},
					       {.disk = &b, .text = "new", .len = 3}};
		assert_int_equal(setup_files_write(writes, 2, NULL, &err), ERR_REFUSED);
		assert_non_null(strstr(err.message, "read-only"));
		assert_non_null(strstr(err.hint, "chmod u+w"));
		assert_file(one, "1");
	}
	assert_file(two, "2");
	assert_int_equal(chmod(sub, 0700), 0);
	assert_file(three, "3");
	assert_entries(sub, 1);
	assert_entries(folder, 3);
}

static void test_a_change_between_reading_and_writing_is_noticed(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autofree char *one = write_file(folder, "one", "1", 0600),
		      *two = write_file(folder, "two", "2", 0600);
	autofree char *gone = path_join(folder, "gone");
	autodisk a = {0}, b = {0}, c = {0};
	assert_int_equal(setup_disk_read(one, &a, NULL), 0);
	assert_int_equal(setup_disk_read(two, &b, NULL), 0);
	assert_int_equal(setup_disk_read(gone, &c, NULL), 0);
	free(write_file(folder, "two", "changed", 0600));
	struct setup_write writes[] = {{.disk = &a, .text = "new", .len = 3},
				       {.disk = &b, .text = "new", .len = 3}};
	assert_int_equal(setup_files_write(writes, 2, NULL, NULL), ERR_CONFLICT);
	assert_file(one, "1"); /* it had been written already, and was taken back */
	assert_file(two, "changed");
	free(write_file(folder, "gone", "here", 0600));
	struct setup_write late = {.disk = &c, .text = "new", .len = 3};
	assert_int_equal(setup_files_write(&late, 1, NULL, NULL), ERR_CONFLICT);
	assert_file(gone, "here");
	assert_entries(folder, 3);
}

static const char *second;

static void change_second(size_t done)
{
	if (done == 1)
		assert_int_equal(file_replace(second, "late", 4, 0600, NULL), 0);
}

static void test_X7_the_files_of_a_group_change_together_or_not_at_all(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autofree char *one = path_join(folder, "a/b/one"), *two = write_file(folder, "two", "2", 0600);
	autofree char *made = path_join(folder, "a");
	autodisk a = {0}, b = {0};
	assert_int_equal(setup_disk_read(one, &a, NULL), 0);
	assert_string_equal(a.made, made);
	assert_string_equal(a.target, one);
	assert_int_equal(setup_disk_read(two, &b, NULL), 0);
	second = two;
	struct setup_write writes[] = {{.disk = &a, .text = "new", .len = 3},
				       {.disk = &b, .text = "new", .len = 3}};
	assert_int_equal(setup_files_write(writes, 2, change_second, NULL), ERR_CONFLICT);
	assert_file(two, "late");
	assert_entries(folder, 1); /* with the folders that had been made for it */
	autodisk c = {0};
	assert_int_equal(setup_disk_read(two, &c, NULL), 0);
	struct setup_write again[] = {{.disk = &a, .text = "new", .len = 3}, {.disk = &c, .text = NULL}};
	assert_int_equal(setup_files_write(again, 2, NULL, NULL), 0);
	assert_file(one, "new");
	assert_file(two, NULL);
}

static void kill_after_first(size_t done)
{
	if (done == 1)
		(void)kill(getpid(), SIGKILL);
}

static int write_both(void *data)
{
	const char *const *paths = data;
	autodisk a = {0}, b = {0};
	if (setup_disk_read(paths[0], &a, NULL) || setup_disk_read(paths[1], &b, NULL))
		return 1;
	struct setup_write writes[] = {{.disk = &a, .text = "new", .len = 3},
				       {.disk = &b, .text = "new", .len = 3}};
	return setup_files_write(writes, 2, kill_after_first, NULL);
}

static void test_what_a_crash_left_is_overwritten_by_the_next_run(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autofree char *one = write_file(folder, "one", "1", 0600),
		      *two = write_file(folder, "two", "2", 0600);
	const char *paths[] = {one, two};
	assert_int_equal(test_wait(test_fork(write_both, paths)), 128 + SIGKILL);
	assert_file(one, "new");
	assert_file(two, "2");
	assert_entries(folder, 3); /* the text that was to become the second */
	autodisk b = {0};
	assert_int_equal(setup_disk_read(two, &b, NULL), 0);
	struct setup_write again = {.disk = &b, .text = "newer", .len = 5};
	assert_int_equal(setup_files_write(&again, 1, NULL, NULL), 0);
	assert_file(two, "newer");
	assert_entries(folder, 2);
}

static void test_the_agents_own_lock_is_respected(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autofree char *one = write_file(folder, "one", "1", 0600), *lock = path_join(folder, "one.lock");
	autodisk a = {0};
	autoerror err = {0};
	assert_int_equal(setup_disk_read(one, &a, NULL), 0);
	struct setup_write w = {.disk = &a, .text = "new", .len = 3, .folder_lock = true};
	assert_int_equal(mkdir(lock, 0700), 0);
	assert_int_equal(setup_files_write(&w, 1, NULL, &err), ERR_TIMED_OUT);
	assert_non_null(strstr(err.hint, "one.lock"));
	assert_file(one, "1");
	/* One that its holder has not renewed for long is nobody's. */
	const struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	assert_int_equal(utimensat(AT_FDCWD, lock, old, 0), 0);
	assert_int_equal(setup_files_write(&w, 1, NULL, &err), 0);
	assert_file(one, "new");
	assert_entries(folder, 1);
}

static void test_a_file_beyond_the_cap_is_refused(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autofree char *one = write_file(folder, "one", "1", 0600);
	assert_int_equal(truncate(one, SETUP_FILE_MAX + 1), 0);
	autodisk a = {0};
	assert_int_equal(setup_disk_read(one, &a, NULL), ERR_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_file_is_replaced_with_its_mode_and_a_link_stays),
		cmocka_unit_test(test_what_is_not_the_users_to_edit_is_refused),
		cmocka_unit_test(test_read_only_files_and_folders_are_refused_before_anything_is_written),
		cmocka_unit_test(test_a_change_between_reading_and_writing_is_noticed),
		cmocka_unit_test(test_X7_the_files_of_a_group_change_together_or_not_at_all),
		cmocka_unit_test(test_what_a_crash_left_is_overwritten_by_the_next_run),
		cmocka_unit_test(test_the_agents_own_lock_is_respected),
		cmocka_unit_test(test_a_file_beyond_the_cap_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

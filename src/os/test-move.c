/* Moving folders: by rename, and never through, over or off anything it should not (W6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "os/move.h"

static char *home;

static int set_up(void **state)
{
	(void)state;
	char path[] = "/tmp/coppice-move-XXXXXX";
	assert_non_null(mkdtemp(path));
	assert_int_equal(path_resolve(path, &home, NULL), 0);
	assert_int_equal(chdir(home), 0);
	assert_int_equal(mkdir("a", 0755), 0);
	assert_int_equal(mkdir("a/inside", 0755), 0);
	assert_int_equal(mkdir("b", 0755), 0);
	assert_int_equal(symlink("b", "link"), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(tree_remove(home, NULL), 0);
	free(home);
	return 0;
}

static int move(const char *from, const char *to, ino_t ino)
{
	autofree char *full_from = path_join(home, from), *full_to = path_join(home, to);
	return tree_move(full_from, full_to, ino, NULL);
}

static bool is_there(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

static void test_a_folder_moves_whole(void **state)
{
	(void)state;
	struct stat before, after;
	assert_int_equal(lstat("a", &before), 0);
	assert_int_equal(move("a", "b/c", before.st_ino), 0);
	assert_int_equal(lstat("b/c", &after), 0);
	assert_true(before.st_ino == after.st_ino);
	assert_true(is_there("b/c/inside"));
	assert_false(is_there("a"));
}

static void test_W6_moves_that_are_refused_change_nothing(void **state)
{
	(void)state;
	static const struct {
		const char *from, *to;
		ino_t ino;
		int code;
	} cases[] = {
		{"a", "b", 0, ERR_EXISTS},
		{"a", "link", 0, ERR_EXISTS},
		{"a", "link/c", 0, ERR_REFUSED},
		{"link", "c", 0, ERR_REFUSED},
		{"link/x", "c", 0, ERR_REFUSED},
		{"a", "c", 1, ERR_CONFLICT},
		{"none", "c", 0, ERR_NOT_FOUND},
		{"a", "none/c", 0, ERR_NOT_FOUND},
		{"a", "a/inside/c", 0, ERR_UNSUPPORTED},
		{"a", "b/..", 0, ERR_INVALID},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = move(cases[i].from, cases[i].to, cases[i].ino);
		if (r != cases[i].code)
			fail_msg("case %zu: %d", i, r);
		assert_true(is_there("a/inside"));
		assert_true(is_there("link"));
		assert_false(is_there("c"));
	}
	assert_int_equal(tree_move("a", "c", 0, NULL), ERR_INVALID);
	autofree char *a = path_join(home, "a");
	assert_int_equal(tree_move(a, "/proc/coppice", 0, NULL), ERR_UNSUPPORTED);
	assert_int_equal(tree_move("/proc", "/coppice-proc", 0, NULL), ERR_REFUSED);
}

static void test_mounts_are_found(void **state)
{
	(void)state;
	char *mount = NULL;
	assert_int_equal(mount_find(home, &mount, NULL), 0);
	assert_null(mount);
	assert_int_equal(mount_find("/proc", &mount, NULL), 0);
	assert_string_equal(mount, "/proc");
	free(mount);
	assert_int_equal(mount_find("/", &mount, NULL), 0);
	assert_non_null(mount);
	free(mount);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_folder_moves_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_W6_moves_that_are_refused_change_nothing, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_mounts_are_found, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

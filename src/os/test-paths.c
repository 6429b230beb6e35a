/* Tests of paths.h: what the environment decides, what is refused, and that the answer stays the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>

#include "os/paths.h"
#include "os/testing.h"

static const char *const variables[] = {"HOME", "COPPICE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME",
					"XDG_RUNTIME_DIR"};

/* An environment with HOME and XDG_RUNTIME_DIR in a folder of the test's own. */
static void set_up(const char *folder)
{
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		assert_int_equal(unsetenv(variables[i]), 0);
	autofree char *runtime = path_join(folder, "run");
	assert_int_equal(dir_make(runtime, 0700, NULL), 0);
	assert_int_equal(setenv("HOME", folder, 1), 0);
	assert_int_equal(setenv("XDG_RUNTIME_DIR", runtime, 1), 0);
}

static void assert_below(const char *path, const char *folder, const char *rest)
{
	autofree char *want = path_join(folder, rest);
	assert_string_equal(path, want);
}

static void test_defaults(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autopaths p = {0};
	set_up(folder);
	assert_int_equal(paths_find(&p, NULL), 0);
	assert_below(p.home, folder, ".local/state/coppice");
	assert_below(p.runtime, folder, "run/coppice");
	assert_below(p.config, folder, ".config/coppice/config.yaml");
	assert_below(p.lock, p.home, "daemon.lock");
	assert_true(path_inside(p.socket, p.runtime));
	assert_int_equal(strlen(path_base(p.socket)), 12 + strlen(".sock"));
}

static void test_variables(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autopaths p = {0}, q = {0}, r = {0};
	set_up(folder);
	assert_int_equal(setenv("XDG_STATE_HOME", "relative/is/ignored", 1), 0);
	assert_int_equal(paths_find(&p, NULL), 0);
	assert_below(p.home, folder, ".local/state/coppice");
	autofree char *xdg = path_join(folder, "xdg");
	assert_int_equal(setenv("XDG_STATE_HOME", xdg, 1), 0);
	assert_int_equal(setenv("XDG_CONFIG_HOME", xdg, 1), 0);
	assert_int_equal(paths_find(&q, NULL), 0);
	assert_below(q.home, folder, "xdg/coppice");
	assert_below(q.config, folder, "xdg/coppice/config.yaml");
	autofree char *own = path_join(folder, "own//state/");
	assert_int_equal(setenv("COPPICE_HOME", own, 1), 0);
	assert_int_equal(paths_find(&r, NULL), 0);
	assert_below(r.home, folder, "own/state");
	assert_string_not_equal(q.socket, r.socket);
	autoerror err = {0};
	assert_int_equal(setenv("COPPICE_HOME", "own", 1), 0);
	assert_int_equal(paths_find(&p, &err), ERR_INVALID);
	assert_non_null(err.hint);
}

/* Another name of the same folder, before and after it exists, means the same daemon. */
static void test_one_folder_has_one_socket(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autofree char *real = path_join(folder, "real");
	autofree char *link = path_join(folder, "link");
	autofree char *by_real = path_join(real, "a/b");
	autofree char *by_link = path_join(link, "./a//b/");
	set_up(folder);
	assert_int_equal(dir_make(real, 0700, NULL), 0);
	assert_int_equal(symlink(real, link), 0);
	autofree char *first = NULL;
	for (int i = 0; i < 4; i++) {
		autopaths p = {0};
		autoerror err = {0};
		assert_int_equal(setenv("COPPICE_HOME", i % 2 ? by_link : by_real, 1), 0);
		int r = paths_find(&p, &err);
		assert_int_equal(r, 0);
		assert_null(err.message);
		if (!first)
			first = xstrdup(p.socket);
		assert_string_equal(p.socket, first);
		if (i == 1)
			assert_int_equal(paths_prepare(&p, NULL), 0);
	}
}

static void test_runtime_falls_back(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autofree char *want = xasprintf("/tmp/coppice-%u", (unsigned)geteuid());
	autofree char *gone = path_join(folder, "gone");
	const char *const unusable[] = {NULL, "", "relative", gone};
	for (size_t i = 0; i < ARRAY_SIZE(unusable); i++) {
		autopaths p = {0};
		set_up(folder);
		if (unusable[i])
			assert_int_equal(setenv("XDG_RUNTIME_DIR", unusable[i], 1), 0);
		else
			assert_int_equal(unsetenv("XDG_RUNTIME_DIR"), 0);
		assert_int_equal(paths_find(&p, NULL), 0);
		assert_string_equal(p.runtime, want);
	}
}

static void test_S1_folders_are_private(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autopaths p = {0};
	struct stat st;
	set_up(folder);
	assert_int_equal(paths_find(&p, NULL), 0);
	mode_t before = umask(0);
	assert_int_equal(paths_prepare(&p, NULL), 0);
	(void)umask(before);
	const char *const made[] = {p.home, p.runtime};
	for (size_t i = 0; i < ARRAY_SIZE(made); i++) {
		assert_int_equal(stat(made[i], &st), 0);
		assert_int_equal(st.st_mode & 07777, 0700);
		assert_int_equal(chmod(made[i], 0750), 0);
		assert_int_equal(paths_prepare(&p, NULL), ERR_REFUSED);
		assert_int_equal(chmod(made[i], 0700), 0);
	}
}

static void test_socket_path_must_fit(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autopaths p = {0};
	autoerror err = {0};
	char deep[101];
	memset(deep, 'd', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	set_up(folder);
	autofree char *runtime = path_join(folder, deep);
	assert_int_equal(dir_make(runtime, 0700, NULL), 0);
	assert_int_equal(setenv("XDG_RUNTIME_DIR", runtime, 1), 0);
	assert_int_equal(paths_find(&p, &err), ERR_UNSUPPORTED);
	assert_non_null(strstr(err.message, "longer than 107 bytes"));
	assert_non_null(strstr(err.hint, "XDG_RUNTIME_DIR"));
	assert_null(p.home);
}

static void test_note_of_another_runtime_folder(void **state)
{
	(void)state;
	autofolder folder = test_folder_make();
	autopaths p = {0}, q = {0};
	set_up(folder);
	assert_int_equal(paths_find(&p, NULL), 0);
	assert_int_equal(paths_prepare(&p, NULL), 0);
	assert_null(paths_noted_socket(&p));
	assert_int_equal(paths_note_socket(&p, NULL), 0);
	assert_null(paths_noted_socket(&p));
	assert_int_equal(unsetenv("XDG_RUNTIME_DIR"), 0);
	assert_int_equal(paths_find(&q, NULL), 0);
	autofree char *noted = paths_noted_socket(&q);
	assert_string_equal(noted, p.socket);
	autofree char *note = path_join(p.home, "socket");
	static const char *const wrong[] = {"", "relative", "/a\0b"};
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_int_equal(file_replace(note, wrong[i], i == 2 ? 4 : strlen(wrong[i]), 0600, NULL), 0);
		assert_null(paths_noted_socket(&q));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_variables),
		cmocka_unit_test(test_one_folder_has_one_socket),
		cmocka_unit_test(test_runtime_falls_back),
		cmocka_unit_test(test_S1_folders_are_private),
		cmocka_unit_test(test_socket_path_must_fit),
		cmocka_unit_test(test_note_of_another_runtime_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

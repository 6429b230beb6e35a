/* Tests of the checks: each in a home of its own, once as it should be and once broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/json.h"
#include "cli/doctor.h"
#include "os/lock.h"
#include "os/paths.h"
#include "os/testing.h"

static void write_file(const char *folder, const char *name, const char *text, mode_t mode)
{
	autofree char *path = path_join(folder, name);
	assert_int_equal(file_replace(path, text, strlen(text), mode, NULL), 0);
}

static void set_path(const char *variable, const char *folder, const char *name)
{
	autofree char *path = path_join(folder, name);
	assert_int_equal(setenv(variable, path, 1), 0);
}

static void make_folder(const char *folder, const char *name)
{
	autofree char *path = path_join(folder, name);
	assert_int_equal(dir_make(path, 0700, NULL), 0);
}

/* A home in which all is well; git and tmux are scripts, so that their versions are ours to choose. */
static char *home_make(void)
{
	char *folder = test_folder_make();
	static const char *const folders[] = {"home", "state", "run", "config", "config/coppice", "bin"};
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		make_folder(folder, folders[i]);
	set_path("HOME", folder, "home");
	set_path("COPPICE_HOME", folder, "state");
	set_path("XDG_RUNTIME_DIR", folder, "run");
	set_path("XDG_CONFIG_HOME", folder, "config");
	set_path("PATH", folder, "bin");
	unsetenv("COPPICE_PEER");
	unsetenv("COPPICE");
	unsetenv("COPPICE_TOKEN_FILE");
	unsetenv("COPPICE_TRASH__KEEP");
	write_file(folder, "bin/git",
		   "#!/bin/sh\ncase \"$*\" in\n--version) echo git version 2.39.5 ;;\n"
		   "*user.name) echo Ann ;;\n*user.email) echo ann@example.org ;;\n*) exit 1 ;;\nesac\n",
		   0700);
	write_file(folder, "bin/tmux",
		   "#!/bin/sh\ncase \"$*\" in\n-V) echo tmux 3.3a ;;\n*) printf 'x\\nx\\n' ;;\nesac\n", 0700);
	return folder;
}

static const json_t *check_of(const json_t *checks, const char *name)
{
	size_t i;
	json_t *check;
	json_array_foreach(checks, i, check)
	{
		if (strcmp(json_str(check, "name"), name) == 0)
			return check;
	}
	fail_msg("there is no check %s", name);
	return NULL;
}

static void assert_check(const char *folder, const char *name, const char *result, const char *detail)
{
	json_auto_t *checks = doctor_checks(folder);
	const json_t *check = check_of(checks, name);
	const char *got = json_str(check, "result"), *text = json_str(check, "detail");
	if (strcmp(got, result) != 0 || !strstr(text, detail))
		fail_msg("%s: %s, %s", name, got, text);
	if (strcmp(got, "ok") != 0)
		assert_non_null(json_str(check, "cure"));
}

static void test_all_is_well(void **state)
{
	(void)state;
	autofolder folder = home_make();
	json_auto_t *checks = doctor_checks(folder);
	size_t i;
	json_t *check;
	json_array_foreach(checks, i, check)
	{
		bool ok = strcmp(json_str(check, "result"), "ok") == 0;
		/* What the machine itself has is not ours to choose. */
		if (!ok && strcmp(json_str(check, "name"), "landlock") != 0 &&
		    strcmp(json_str(check, "name"), "sandbox") != 0 &&
		    strcmp(json_str(check, "name"), "disk") != 0)
			fail_msg("%s: %s", json_str(check, "name"), json_str(check, "detail"));
	}
	assert_true(json_array_size(checks) >= 10);
}

static void test_programs_missing_old_or_broken(void **state)
{
	(void)state;
	autofolder folder = home_make();
	static const struct {
		const char *name, *script, *result, *detail;
	} cases[] = {
		{"git", "echo git version 2.37.9", "fail", "too old"},
		{"git", "echo git version 2.38", "ok", "2.38"},
		{"git", "echo git version 3.0.0", "ok", "3.0.0"},
		{"git", "echo no number", "fail", "too old"},
		{"git", "exit 7", "fail", "does not run"},
		{"tmux", "echo tmux 3.1c", "fail", "too old"},
		{"tmux", "echo tmux next-3.5", "ok", "next-3.5"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *file = xasprintf("bin/%s", cases[i].name);
		autofree char *text = xasprintf("#!/bin/sh\n%s\n", cases[i].script);
		write_file(folder, file, text, 0700);
		assert_check(folder, cases[i].name, cases[i].result, cases[i].detail);
	}
	set_path("PATH", folder, "nothing");
	assert_check(folder, "git", "fail", "git");
	assert_check(folder, "tmux", "fail", "tmux");
}

static void test_a_state_folder_open_to_others_fails(void **state)
{
	(void)state;
	autofolder folder = home_make();
	autofree char *home = path_join(folder, "state");
	assert_int_equal(chmod(home, 0750), 0);
	assert_check(folder, "state", "fail", "open to other users");
	set_path("COPPICE_HOME", folder, "home/below/state");
	assert_check(folder, "state", "ok", "made when");
	write_file(folder, "file", "", 0600);
	set_path("COPPICE_HOME", folder, "file");
	assert_check(folder, "state", "fail", "no folder");
	assert_int_equal(setenv("COPPICE_HOME", "relative", 1), 0);
	assert_check(folder, "state", "fail", "absolute");
}

static void test_problems_of_the_configuration_are_told_with_their_lines(void **state)
{
	(void)state;
	autofolder folder = home_make();
	write_file(folder, "config/coppice/config.yaml", "trash:\n  keep: for ever\n  kep: 1d\n", 0600);
	assert_check(folder, "configuration", "fail", "config.yaml:2: trash.keep");
	assert_check(folder, "configuration", "fail", "config.yaml:3: trash.kep");
	write_file(folder, "config/coppice/config.yaml", "trash:\n  keep: 2d\n", 0600);
	assert_check(folder, "configuration", "ok", "config.yaml");
	assert_int_equal(setenv("COPPICE_TRASH__KEEP", "x", 1), 0);
	assert_check(folder, "configuration", "fail", "COPPICE_TRASH__KEEP");
	unsetenv("COPPICE_TRASH__KEEP");
}

static void test_identity_and_terminals(void **state)
{
	(void)state;
	autofolder folder = home_make();
	assert_check(folder, "terminals", "ok", "2 sessions");
	write_file(folder, "bin/tmux",
		   "#!/bin/sh\n[ \"$1\" = -V ] && echo tmux 3.3a && exit\n"
		   "echo 'no server running on /tmp/x' >&2; exit 1\n",
		   0700);
	assert_check(folder, "terminals", "ok", "first agent");
	write_file(folder, "bin/tmux",
		   "#!/bin/sh\n[ \"$1\" = -V ] && echo tmux 3.3a && exit\necho 'lost server' >&2; exit 1\n",
		   0700);
	assert_check(folder, "terminals", "fail", "lost server");
	write_file(folder, "bin/git",
		   "#!/bin/sh\ncase \"$*\" in --version) echo git version 2.39.5 ;; *user.name) echo Ann ;; "
		   "*) exit 1 ;; esac\n",
		   0700);
	assert_check(folder, "identity", "fail", "user.email");
}

/* A daemon that holds its lock and cannot be reached is no reason to start another. */
static void test_a_daemon_that_does_not_answer_fails(void **state)
{
	(void)state;
	autofolder folder = home_make();
	assert_check(folder, "daemon", "ok", "none runs");
	autopaths paths = {0};
	autoclose int lock = -1;
	assert_int_equal(paths_find(&paths, NULL), 0);
	assert_int_equal(lock_take(paths.lock, 0, &lock, NULL), 0);
	assert_check(folder, "daemon", "fail", "cannot be reached");
	(void)close(TAKE_FD(lock));
	assert_int_equal(setenv("COPPICE_PEER", "peer-x", 1), 0);
	assert_check(folder, "daemon", "warn", "this session");
	unsetenv("COPPICE_PEER");
}

static void test_the_footprint_names_what_is_there(void **state)
{
	(void)state;
	autofolder folder = home_make();
	make_folder(folder, "common");
	make_folder(folder, "common/coppice-trash");
	write_file(folder, "common/coppice.lock", "", 0600);
	autofree char *git =
		xasprintf("#!/bin/sh\ncase \"$*\" in\n*--git-common-dir) echo %s/common ;;\n"
			  "*for-each-ref*) printf 'refs/coppice/trash/a\\nrefs/coppice/trash/b\\n' ;;\n"
			  "esac\n",
			  folder);
	write_file(folder, "bin/git", git, 0700);
	write_file(folder, "state/some", "text", 0600);
	json_auto_t *list = doctor_footprint(folder);
	autofree char *text = json_text(list);
	static const char *const wanted[] = {"state folder", "/state\"", "common/coppice.lock",
					     "common/coppice-trash", "2 refs below refs/coppice"};
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		if (!strstr(text, wanted[i]))
			fail_msg("no %s in %s", wanted[i], text);
	assert_null(strstr(text, "sock"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_is_well),
		cmocka_unit_test(test_programs_missing_old_or_broken),
		cmocka_unit_test(test_a_state_folder_open_to_others_fails),
		cmocka_unit_test(test_problems_of_the_configuration_are_told_with_their_lines),
		cmocka_unit_test(test_identity_and_terminals),
		cmocka_unit_test(test_a_daemon_that_does_not_answer_fails),
		cmocka_unit_test(test_the_footprint_names_what_is_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

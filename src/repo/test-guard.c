/* Tests of guard_file.h, guard_hooks.h and guard_find.h: the files that the guard goes by, and the hook that
 * git would have run. */
#include "repo/test-fixture.h"

#include "repo/guard_file.h"
#include "repo/guard_find.h"
#include "repo/guard_hooks.h"

static const char fine[] =
	"{\"version\":1,\"repos\":{\"/r/.git\":{\"main\":null,\"targets\":[],\"at_main\":[],"
	"\"branches\":{}}}}";

static void test_W9_a_file_that_cannot_be_understood_says_how_it_is_written_anew(void **state)
{
	struct fixture *fx = *state;
	static const char *const texts[] = {
		"",
		"not json",
		"[]",
		"{}",
		"{\"version\":2,\"repos\":{}}",
		"{\"version\":1,\"repos\":[]}",
		"{\"version\":1,\"repos\":{\"/r\":{}}}",
		"{\"version\":1,\"repos\":{\"/"
		"r\":{\"main\":1,\"targets\":[],\"at_main\":[],\"branches\":{}}}}",
		"{\"version\":1,\"repos\":{\"/"
		"r\":{\"main\":null,\"targets\":[1],\"at_main\":[],\"branches\":{}}}}",
		"{\"version\":1,\"repos\":{\"/r\":{\"main\":null,\"targets\":[],\"branches\":{}}}}",
		"{\"version\":1,\"repos\":{\"/"
		"r\":{\"main\":null,\"targets\":[],\"at_main\":[],\"branches\":{\"b\":{}}}}}",
		"{\"version\":1,\"repos\":{\"/"
		"r\":{\"main\":null,\"targets\":[],\"at_main\":[],\"branches\":{\"b\":1}}}}",
	};
	json_auto_t *owners = NULL;
	autoerror gone = {0};
	assert_int_equal(guard_file_read(fx->root, &owners, &gone), ERR_NOT_FOUND);
	assert_non_null(strstr(gone.hint, "coppice status"));
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		autoerror err = {0};
		fx_write(fx->root, "guard/owners.json", texts[i]);
		assert_int_not_equal(guard_file_read(fx->root, &owners, &err), 0);
		assert_null(owners);
		assert_non_null(strstr(err.message, "guard/owners.json"));
		assert_non_null(strstr(err.hint, "coppice status"));
	}
	fx_write(fx->root, "guard/owners.json", fine);
	assert_int_equal(guard_file_read(fx->root, &owners, NULL), 0);
}

static void test_W9_every_hook_of_git_leads_to_the_guard(void **state)
{
	struct fixture *fx = *state;
	autofree char *home = path_join(fx->root, "state"), *hooks = guard_hooks_path(home);
	assert_int_equal(dir_make(home, 0700, NULL), 0);
	assert_int_equal(guard_hooks_write(home, "/no/such/bin/coppice", NULL), 0);
	static const char *const some[] = {"pre-commit", "reference-transaction", "post-index-change",
					   "pre-push"};
	for (size_t i = 0; i < ARRAY_SIZE(some); i++) {
		autofree char *text = fx_read(hooks, some[i]), *path = path_join(hooks, some[i]);
		assert_string_equal(text, "#!/no/such/bin/coppice guard\n");
		assert_int_equal(access(path, X_OK), 0);
		assert_true(guard_hook_known(some[i]));
	}
	/* Its mere existence would replace what git does without it. */
	assert_false(fx_exists(hooks, "push-to-checkout"));
	assert_false(guard_hook_known("push-to-checkout"));
	/* What a tool has put in the place of one is replaced, and nothing is written through it. */
	autofree char *path = path_join(hooks, "pre-commit"), *dispatch = path_join(home, "guard/dispatch");
	assert_int_equal(unlink(path), 0);
	fx_write(hooks, "pre-commit", "a tool's");
	assert_int_equal(guard_hooks_write(home, "/a path/it's here/coppice", NULL), 0);
	autofree char *text = fx_read(hooks, "pre-commit");
	assert_string_equal(text, "#!/bin/sh\nexec '/a path/it'\\''s here/coppice' guard \"$0\" \"$@\"\n");
	struct stat st, again;
	assert_int_equal(stat(dispatch, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0500);
	assert_int_equal(guard_hooks_write(home, "/a path/it's here/coppice", NULL), 0);
	assert_int_equal(stat(dispatch, &again), 0);
	assert_int_equal(st.st_ino, again.st_ino);
}

static void assert_dispatches(const struct fixture *fx, const char *program, const char *wanted)
{
	autofree char *home = path_join(fx->root, "state");
	assert_int_equal(dir_make(home, 0700, NULL), 0);
	assert_int_equal(guard_hooks_write(home, program, NULL), 0);
	autofree char *text = fx_read(home, "guard/hooks/pre-commit");
	assert_string_equal(text, wanted);
}

static void test_W9_hooks_lead_to_the_small_program_where_there_is_one(void **state)
{
	struct fixture *fx = *state;
	autofree char *program = path_join(fx->root, "bin/coppice");
	autofree char *alone = xasprintf("#!%s guard\n", program);
	autofree char *installed = xasprintf("#!%s/libexec/coppice/coppice-guard\n", fx->root);
	autofree char *beside = xasprintf("#!%s/bin/coppice-guard\n", fx->root);
	fx_write_program(fx->root, "bin/coppice", "");
	assert_dispatches(fx, program, alone);
	fx_write_program(fx->root, "libexec/coppice/coppice-guard", "");
	assert_dispatches(fx, program, installed);
	fx_write(fx->root, "bin/coppice-guard", "no program");
	assert_dispatches(fx, program, installed);
	fx_write_program(fx->root, "bin/coppice-guard", "");
	assert_dispatches(fx, program, beside);
}

/* The hook that would have run in `dir`, where git has set GIT_DIR (or not); caller frees. */
static char *found(const char *dir, const char *git_dir)
{
	char *path = NULL;
	autoerror err = {0};
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(git_dir ? setenv("GIT_DIR", git_dir, 1) : unsetenv("GIT_DIR"), 0);
	if (guard_hook_find("pre-commit", "/ours", &path, &err))
		fail_msg("%s", err.message);
	assert_int_equal(unsetenv("GIT_DIR") | chdir("/"), 0);
	return path;
}

static void assert_found(const char *dir, const char *git_dir, const char *wanted)
{
	autofree char *path = found(dir, git_dir);
	if (wanted)
		assert_string_equal(path, wanted);
	else
		assert_null(path);
}

static void test_W9_the_repositorys_own_hook_is_found_where_git_finds_it(void **state)
{
	struct fixture *fx = *state;
	autofree char *linked = path_join(fx->root, "linked"),
		      *admin = path_join(fx->common, "worktrees/linked");
	autofree char *hook = path_join(fx->common, "hooks/pre-commit");
	fx_git(fx->repo, "worktree", "add", "-q", "-b", "feat/a", linked);
	assert_found(fx->repo, NULL, NULL);
	fx_write_program(fx->common, "hooks/pre-commit", "#!/bin/sh\n");
	assert_found(fx->repo, NULL, ".git/hooks/pre-commit");
	assert_found(linked, NULL, hook);
	assert_found(linked, admin, hook);
	assert_found(fx->common, ".", "hooks/pre-commit");
	assert_int_equal(chmod(hook, 0644), 0);
	assert_found(fx->repo, NULL, NULL);
}

static void test_W9_a_core_hooksPath_is_found_in_whatever_file_sets_it(void **state)
{
	struct fixture *fx = *state;
	autofree char *users = path_join(fx->root, "users"), *global = path_join(fx->root, "global");
	autofree char *hook = path_join(users, "pre-commit"), *more = path_join(fx->root, "more");
	fx_write_program(fx->common, "hooks/pre-commit", "#!/bin/sh\n");
	fx_write_program(users, "pre-commit", "#!/bin/sh\n");
	fx_write_program(fx->repo, ".husky/_/pre-commit", "#!/bin/sh\n");
	/* Our own is left out, wherever it stands. */
	assert_int_equal(setenv("GIT_CONFIG_COUNT", "1", 1) |
				 setenv("GIT_CONFIG_KEY_0", "core.hooksPath", 1) |
				 setenv("GIT_CONFIG_VALUE_0", "/ours", 1),
			 0);
	assert_found(fx->repo, NULL, ".git/hooks/pre-commit");
	assert_int_equal(setenv("GIT_CONFIG_GLOBAL", global, 1), 0);
	autofree char *include = xasprintf("[Include]\n\tpath = %s\n", more);
	autofree char *setting = xasprintf("[core]\n\tHOOKSPATH = %s\n", users);
	fx_write(fx->root, "global", include);
	fx_write(fx->root, "more", setting);
	assert_found(fx->repo, NULL, hook);
	fx_git(fx->repo, "config", "core.hooksPath", ".husky/_");
	assert_found(fx->repo, NULL, ".husky/_/pre-commit");
	/* An earlier one of the environment, which ours came after. */
	assert_int_equal(setenv("GIT_CONFIG_COUNT", "2", 1) | setenv("GIT_CONFIG_VALUE_0", users, 1) |
				 setenv("GIT_CONFIG_KEY_1", "core.hooksPath", 1) |
				 setenv("GIT_CONFIG_VALUE_1", "/ours", 1),
			 0);
	assert_found(fx->repo, NULL, hook);
	assert_int_equal(unsetenv("GIT_CONFIG_COUNT"), 0);
}

static void test_W9_a_remote_of_this_machine_is_found_as_git_finds_it(void **state)
{
	struct fixture *fx = *state;
	autofree char *url = xasprintf("file://%s", fx->repo), *bare = path_join(fx->root, "bare.git");
	autofree char *named = path_join(fx->root, "bare");
	fx_git(fx->root, "init", "-q", "--bare", bare);
	const struct {
		const char *url, *common;
	} cases[] = {{fx->repo, fx->common},
		     {fx->common, fx->common},
		     {url, fx->common},
		     {".", fx->common},
		     {bare, bare},
		     {named, bare},
		     {"../bare", bare},
		     {"git@host:app.git", NULL},
		     {"https://host/app", NULL},
		     {"/nowhere", NULL},
		     {fx->root, NULL}};
	assert_int_equal(chdir(fx->repo), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoguarddirs dirs = {0};
		int code = guard_dirs_of_url(cases[i].url, &dirs, NULL);
		assert_int_equal(code, cases[i].common ? 0 : ERR_NOT_FOUND);
		if (cases[i].common)
			assert_string_equal(dirs.common_dir, cases[i].common);
	}
	assert_int_equal(chdir("/"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_W9_a_file_that_cannot_be_understood_says_how_it_is_written_anew, fx_setup,
			fx_teardown),
		cmocka_unit_test_setup_teardown(test_W9_every_hook_of_git_leads_to_the_guard, fx_setup,
						fx_teardown),
		cmocka_unit_test_setup_teardown(test_W9_hooks_lead_to_the_small_program_where_there_is_one,
						fx_setup, fx_teardown),
		cmocka_unit_test_setup_teardown(test_W9_the_repositorys_own_hook_is_found_where_git_finds_it,
						fx_setup, fx_teardown),
		cmocka_unit_test_setup_teardown(test_W9_a_core_hooksPath_is_found_in_whatever_file_sets_it,
						fx_setup, fx_teardown),
		cmocka_unit_test_setup_teardown(test_W9_a_remote_of_this_machine_is_found_as_git_finds_it,
						fx_setup, fx_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

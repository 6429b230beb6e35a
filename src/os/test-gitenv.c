/* Tests of gitenv.h: settings are added after those that are there, and taken out again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "os/gitenv.h"
#include "os/spawn.h"

/* All of it in one text; frees it. */
static void assert_env(char **env, const char *wanted)
{
	autostrbuf text = STRBUF_INIT(4096);
	for (char **p = env; p && *p; p++)
		strbuf_addf(&text, "%s\n", *p);
	assert_string_equal(strbuf_str(&text), wanted);
	env_free(env);
}

static void test_W9_a_setting_comes_after_those_that_are_there(void **state)
{
	(void)state;
	static const char *const none[] = {"A=1", NULL};
	static const char *const one[] = {"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=user.name",
					  "GIT_CONFIG_VALUE_0=Ada", NULL};
	assert_env(gitenv_add(none, "core.hooksPath", "/h"),
		   "GIT_CONFIG_KEY_0=core.hooksPath\nGIT_CONFIG_VALUE_0=/h\nGIT_CONFIG_COUNT=1\n");
	assert_env(gitenv_add(one, "core.hooksPath", "/h"),
		   "GIT_CONFIG_KEY_1=core.hooksPath\nGIT_CONFIG_VALUE_1=/h\nGIT_CONFIG_COUNT=2\n");
}

static void test_W9_a_setting_that_holds_already_is_not_added(void **state)
{
	(void)state;
	static const char *const has[] = {"GIT_CONFIG_COUNT=2",	       "GIT_CONFIG_KEY_0=Core.HooksPath",
					  "GIT_CONFIG_VALUE_0=/h",     "GIT_CONFIG_KEY_1=user.name",
					  "GIT_CONFIG_VALUE_1=/other", NULL};
	static const char *const overridden[] = {"GIT_CONFIG_COUNT=2",	  "GIT_CONFIG_KEY_0=core.hooksPath",
						 "GIT_CONFIG_VALUE_0=/h", "GIT_CONFIG_KEY_1=core.hookspath",
						 "GIT_CONFIG_VALUE_1=/o", NULL};
	assert_env(gitenv_add(has, "core.hooksPath", "/h"), "");
	assert_env(gitenv_add(overridden, "core.hooksPath", "/h"),
		   "GIT_CONFIG_KEY_2=core.hooksPath\nGIT_CONFIG_VALUE_2=/h\nGIT_CONFIG_COUNT=3\n");
}

static void test_what_git_would_not_take_is_left_alone(void **state)
{
	(void)state;
	static const char *const counts[] = {"GIT_CONFIG_COUNT=many", "GIT_CONFIG_COUNT=-1",
					     "GIT_CONFIG_COUNT=1000",
					     "GIT_CONFIG_COUNT=99999999999999999999"};
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		const char *const env[] = {counts[i], NULL};
		assert_null(gitenv_add(env, "core.hooksPath", "/h"));
	}
	static const char *const bad[] = {"GIT_CONFIG_COUNT=many", "B=2", NULL};
	assert_env(gitenv_without(bad, "core.hooksPath", "/h"), "GIT_CONFIG_COUNT=many\nB=2\n");
}

static void test_W9_ours_is_taken_out_and_the_others_stay_in_order(void **state)
{
	(void)state;
	static const char *const env[] = {"A=1",
					  "GIT_CONFIG_COUNT=4",
					  "GIT_CONFIG_KEY_0=core.hooksPath",
					  "GIT_CONFIG_VALUE_0=/users",
					  "GIT_CONFIG_KEY_1=core.hooksPath",
					  "GIT_CONFIG_VALUE_1=/h",
					  "GIT_CONFIG_KEY_2=user.name",
					  "GIT_CONFIG_VALUE_2=",
					  "GIT_CONFIG_KEY_3=CORE.HOOKSPATH",
					  "GIT_CONFIG_VALUE_3=/h",
					  NULL};
	static const char *const only[] = {"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=core.hooksPath",
					   "GIT_CONFIG_VALUE_0=/h", "A=1", NULL};
	assert_env(gitenv_without(env, "core.hooksPath", "/h"),
		   "A=1\nGIT_CONFIG_KEY_0=core.hooksPath\nGIT_CONFIG_VALUE_0=/"
		   "users\nGIT_CONFIG_KEY_1=user.name\n"
		   "GIT_CONFIG_VALUE_1=\nGIT_CONFIG_COUNT=2\n");
	assert_env(gitenv_without(only, "core.hooksPath", "/h"), "A=1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_W9_a_setting_comes_after_those_that_are_there),
		cmocka_unit_test(test_W9_a_setting_that_holds_already_is_not_added),
		cmocka_unit_test(test_what_git_would_not_take_is_left_alone),
		cmocka_unit_test(test_W9_ours_is_taken_out_and_the_others_stay_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

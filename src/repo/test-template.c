/* Tests of the path pattern for worktrees (W2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "repo/template.h"

static void test_W2_pattern_puts_worktrees_beside_the_repository(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *main, *branch, *path;
	} cases[] = {
		{"../{repo}-{branch}", "/src/proj", "feat/a", "/src/proj-feat-a"},
		{"../{repo}-{branch}", "/proj", "main", "/proj-main"},
		{"~/wt/{repo}/{branch}", "/src/proj", "a/b/c", "/home/ada/wt/proj/a-b-c"},
		{"~/wt/{repo}/{branch}", NULL, "a", "/home/ada/wt/proj/a"},
		{"/tmp/./x//{branch}/", "/src/proj", "a", "/tmp/x/a"},
		{".worktrees/{branch}", "/src/proj", "a", "/src/proj/.worktrees/a"},
		{"../../../../{branch}{branch}", "/src/proj", "a", "/aa"},
		{"~{branch}", "/src/proj", "a", NULL},
		{"../{repo}-{branch}", NULL, "a", NULL},
		{"../{repo}", "/src/proj", "a", NULL},
		{"../{name}-{branch}", "/src/proj", "a", NULL},
		{"../{branch", "/src/proj", "a", NULL},
		{"", "/src/proj", "a", NULL},
	};
	assert_int_equal(setenv("HOME", "/home/ada", 1), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		autofree char *path = NULL;
		int r = worktree_path(cases[i].pattern, cases[i].main, "proj", cases[i].branch, &path, NULL);
		assert_int_equal(r, cases[i].path ? 0 : ERR_INVALID);
		if (cases[i].path)
			assert_string_equal(path, cases[i].path);
	}
}

static void test_too_long(void **state)
{
	(void)state;
	char branch[300];
	memset(branch, 'a', sizeof(branch));
	branch[sizeof(branch) - 1] = '\0';
	autofree char *path = NULL;
	assert_int_equal(worktree_path("../{branch}", "/src/proj", "proj", branch, &path, NULL), ERR_INVALID);
	autostrbuf pattern = STRBUF_INIT(10000);
	while (pattern.len < 5000)
		strbuf_addstr(&pattern, "x/");
	strbuf_addstr(&pattern, "{branch}");
	assert_int_equal(worktree_path(pattern.buf, "/src/proj", "proj", "a", &path, NULL), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_W2_pattern_puts_worktrees_beside_the_repository),
		cmocka_unit_test(test_too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

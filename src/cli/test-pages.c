/* Tests of what is made from the tables: the committed reference pages are the ones that this program would
 * write, and the man page is one that groff has nothing to say about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "cli/command.h"
#include "cli/pages.h"
#include "ops/op.h"
#include "os/spawn.h"
#include "os/testing.h"

static void test_reference_is_current(void **state)
{
	(void)state;
	static const char *const pages[] = {"commands", "operations", "configuration"};
	const char *source = getenv("COPPICE_SOURCE");
	if (!source)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		autofree char *path = xasprintf("%s/docs/reference/%s.md", source, pages[i]);
		autostrbuf now = STRBUF_INIT(PAGE_MAX), committed = STRBUF_INIT(PAGE_MAX);
		assert_int_equal(page_reference(pages[i], &now, NULL), 0);
		if (file_read(path, &committed, NULL) != 0 ||
		    strcmp(strbuf_str(&now), strbuf_str(&committed)) != 0)
			fail_msg(
				"docs/reference/%s.md is stale; renew it with: tools/reference BUILD/coppice",
				pages[i]);
	}
}

static void test_reference_has_all(void **state)
{
	(void)state;
	autostrbuf page = STRBUF_INIT(PAGE_MAX);
	assert_int_equal(page_reference("operations", &page, NULL), 0);
	for (size_t i = 0; op_table[i]; i++) {
		autofree char *title = xasprintf("\n## %s\n", op_table[i]->name);
		assert_non_null(strstr(strbuf_str(&page), title));
	}
	assert_int_equal(page_reference("nothing", &page, NULL), ERR_INVALID);
}

static void test_man_page_has_all_commands(void **state)
{
	(void)state;
	autostrbuf page = STRBUF_INIT(PAGE_MAX);
	assert_int_equal(page_man(&page, NULL), 0);
	for (size_t i = 0; commands[i]; i++) {
		autofree char *name = xasprintf("\\fBcoppice %s\\fR", commands[i]->name);
		assert_int_equal(strstr(strbuf_str(&page), name) != NULL, commands[i]->group != NULL);
	}
}

static void test_man_page_is_without_warnings(void **state)
{
	(void)state;
	autofree char *groff = NULL;
	if (program_find("groff", NULL, &groff, NULL) != 0)
		skip();
	autostrbuf page = STRBUF_INIT(PAGE_MAX), said = STRBUF_INIT(65536);
	assert_int_equal(page_man(&page, NULL), 0);
	const char *const argv[] = {groff, "-man", "-ww", "-Tutf8", "-z", NULL};
	struct spawn s = {.argv = argv,
			  .input = strbuf_str(&page),
			  .input_len = page.len,
			  .out = &said,
			  .errout = &said};
	int status = -1;
	assert_int_equal(spawn_run(&s, &status, NULL), 0);
	assert_string_equal(strbuf_str(&said), "");
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reference_is_current),
		cmocka_unit_test(test_reference_has_all),
		cmocka_unit_test(test_man_page_has_all_commands),
		cmocka_unit_test(test_man_page_is_without_warnings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of which commands are taken for ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "agent/setup_own.h"
#include "base/alloc.h"

static void test_commands(void **state)
{
	(void)state;
	static const struct {
		const char *command;
		bool own;
	} cases[] = {
		{"coppice hook Stop", true},
		{"/usr/bin/coppice hook Stop --backend codex", true},
		{"exec '/usr/bin/coppice' hook Stop", true},
		{"'/a b/coppice' hook", true},
		{"'/it'\\''s/coppice' hook Stop", true},
		{"\"/a \\\"b\\\"/coppice\" hook Stop", true},
		{"/a\\ b/coppice hook Stop", true},
		{"/opt/mesh-dev hook Stop", true}, /* the program given */
		{"/opt/mesh hook Stop", false},
		{"coppice-other hook Stop", false},
		{"notcoppice hook Stop", false},
		{"coppice mcp", false},
		{"coppice", false},
		{"coppice hooks", false},
		{"echo coppice hook", false},
		{"sh -c 'coppice hook Stop'", false},
		{"'/usr/bin/coppice hook Stop", false},
		{"exec", false},
		{"", false},
		{"  ", false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (setup_own_command(cases[i].command, "/opt/mesh-dev", "hook", NULL) != cases[i].own)
			fail_msg("%s", cases[i].command);
	assert_false(setup_own_command(NULL, NULL, "hook", NULL));
	const char *tail = NULL;
	assert_true(setup_own_command("exec '/a b/coppice' hook Stop", NULL, "hook", &tail));
	assert_string_equal(tail, " hook Stop");
	autofree char *program = setup_own_program("exec '/a b/coppice' hook Stop");
	assert_string_equal(program, "/a b/coppice");
	assert_null(setup_own_program("'open"));
}

static void test_servers(void **state)
{
	(void)state;
	json_auto_t *mcp = json_pack("[s]", "mcp"), *more = json_pack("[s,s,s]", "mcp", "--tools", "all");
	json_auto_t *other = json_pack("[s]", "serve"), *odd = json_pack("[i]", 1);
	assert_true(setup_own_server("/usr/bin/coppice", mcp, NULL));
	assert_true(setup_own_server("coppice", more, NULL));
	assert_true(setup_own_server("/opt/mesh-dev", mcp, "/opt/mesh-dev"));
	assert_false(setup_own_server("/opt/mesh-dev", mcp, NULL));
	assert_false(setup_own_server("/usr/bin/coppice", other, NULL));
	assert_false(setup_own_server("/usr/bin/coppice", odd, NULL));
	assert_false(setup_own_server("/usr/bin/coppice", NULL, NULL));
	assert_false(setup_own_server(NULL, mcp, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_servers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

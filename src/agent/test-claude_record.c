/* Tests of claude_record.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "agent/claude.h"

static int parse(const char *name, const char *text, struct agent_record *ret)
{
	return claude_records.parse(name, text, strlen(text), ret, NULL);
}

/* As 2.1.330 writes it. */
#define FULL                                                                                                 \
	"{\"pid\":29965,\"sessionId\":\"a1dbf2d8-0026-4057-a51d-70b007455a3d\",\"cwd\":\"/w/my proj\","      \
	"\"startedAt\":1796066259485,\"procStart\":\"82161\",\"version\":\"2.1.330\",\"peerProtocol\":1,"    \
	"\"peerFeatures\":[\"notify_idle\"],\"kind\":\"interactive\",\"entrypoint\":\"cli\","                \
	"\"asksForConvertedSkills\":null,\"tmux\":\"a.b:@0.%12\",\"messagingSocketPath\":"                   \
	"\"/run/cc-socks/29965.sock\",\"name\":\"proj-52\",\"status\":\"waiting\","                          \
	"\"updatedAt\":1796066259585,\"waitingFor\":\"permission prompt\"}"

static void test_a_record_says_who_where_and_in_which_turn(void **state)
{
	(void)state;
	struct agent_record r = {0};
	assert_int_equal(parse("29965.json", FULL, &r), 0);
	assert_int_equal(r.pid, 29965);
	assert_int_equal(r.start_time, 82161);
	assert_string_equal(r.session, "a1dbf2d8-0026-4057-a51d-70b007455a3d");
	assert_string_equal(r.cwd, "/w/my proj");
	assert_string_equal(r.version, "2.1.330");
	assert_string_equal(r.pane, "%12");
	assert_int_equal(r.turn, AGENT_TURN_AWAITS);
	assert_true(r.interactive);
	assert_true(r.has_inbox);
	agent_record_release(&r);
}

#define MINIMAL(rest) "{\"pid\":7,\"sessionId\":\"s\",\"cwd\":\"/w\",\"procStart\":\"1\"" rest "}"

static void test_what_a_record_lacks_is_unknown(void **state)
{
	(void)state;
	struct agent_record r = {0};
	assert_int_equal(parse("7.json", MINIMAL(""), &r), 0);
	assert_null(r.version);
	assert_null(r.pane);
	assert_false(r.interactive);
	assert_false(r.has_inbox);
	assert_int_equal(r.turn, AGENT_TURN_WORKING); /* so that nothing is done to it */
	agent_record_release(&r);
	assert_int_equal(parse("7.json", MINIMAL(",\"kind\":\"interactive\",\"entrypoint\":\"sdk-cli\""), &r),
			 0);
	assert_false(r.interactive); /* claude -p */
	agent_record_release(&r);
	assert_int_equal(parse("7.json", MINIMAL(",\"tmux\":\"a:@0.%x\",\"version\":7"), &r), 0);
	assert_null(r.pane);
	assert_null(r.version);
	agent_record_release(&r);
}

static void test_each_status_is_a_turn(void **state)
{
	(void)state;
	static const struct {
		const char *status;
		enum agent_turn turn;
	} all[] = {{"idle", AGENT_TURN_IDLE},
		   {"busy", AGENT_TURN_WORKING},
		   {"waiting", AGENT_TURN_AWAITS},
		   {"shell", AGENT_TURN_IDLE},
		   {"other", AGENT_TURN_WORKING}};
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		autofree char *text = xasprintf(MINIMAL(",\"status\":\"%s\""), all[i].status);
		struct agent_record r = {0};
		assert_int_equal(parse("7.json", text, &r), 0);
		assert_int_equal(r.turn, all[i].turn);
		agent_record_release(&r);
	}
}

static void test_other_files_and_broken_records_are_told_apart(void **state)
{
	(void)state;
	struct agent_record r = {0};
	static const char *const others[] = {
		"7.abc.key", "7.json.tmp", ".json",	      "x.json", "07.json",
		"-7.json",   "7 .json",	   "1234567890.json", "json",	""};
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_int_equal(parse(others[i], MINIMAL(""), &r), ERR_UNSUPPORTED);
	static const char *const broken[] = {
		"",
		"{",
		"[]",
		"{}",
		"\"x\"",
		"{\"pid\":7",
		MINIMAL(",\"pid\":7"),
		"{\"pid\":8,\"sessionId\":\"s\",\"cwd\":\"/w\",\"procStart\":\"1\"}",
		"{\"pid\":\"7\",\"sessionId\":\"s\",\"cwd\":\"/w\",\"procStart\":\"1\"}",
		"{\"pid\":7,\"cwd\":\"/w\",\"procStart\":\"1\"}",
		"{\"pid\":7,\"sessionId\":\"\",\"cwd\":\"/w\",\"procStart\":\"1\"}",
		"{\"pid\":7,\"sessionId\":\"s\",\"cwd\":\"w\",\"procStart\":\"1\"}",
		"{\"pid\":7,\"sessionId\":\"s\",\"cwd\":\"/w\",\"procStart\":1}",
		"{\"pid\":7,\"sessionId\":\"s\",\"cwd\":\"/w\",\"procStart\":\"-1\"}",
		"{\"pid\":7,\"sessionId\":\"s\",\"cwd\":\"/w\",\"procStart\":\"1234567890123456789\"}"};
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++)
		assert_int_equal(parse("7.json", broken[i], &r), ERR_INVALID);
	autofree char *longer = xcalloc(1, (64 << 10) + 2);
	memset(longer, ' ', (64 << 10) + 1);
	assert_int_equal(parse("7.json", longer, &r), ERR_INVALID);
}

static void test_the_folder_is_the_user_s_or_the_one_that_the_environment_names(void **state)
{
	(void)state;
	assert_int_equal(unsetenv("CLAUDE_CONFIG_DIR"), 0);
	assert_int_equal(setenv("HOME", "/home/u", 1), 0);
	autofree char *usual = claude_records.dir();
	assert_string_equal(usual, "/home/u/.claude/sessions");
	assert_int_equal(setenv("CLAUDE_CONFIG_DIR", "/conf", 1), 0);
	autofree char *own = claude_records.dir();
	assert_string_equal(own, "/conf/sessions");
	assert_int_equal(unsetenv("CLAUDE_CONFIG_DIR"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_record_says_who_where_and_in_which_turn),
		cmocka_unit_test(test_what_a_record_lacks_is_unknown),
		cmocka_unit_test(test_each_status_is_a_turn),
		cmocka_unit_test(test_other_files_and_broken_records_are_told_apart),
		cmocka_unit_test(test_the_folder_is_the_user_s_or_the_one_that_the_environment_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

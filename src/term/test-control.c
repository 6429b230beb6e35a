/* Tests of the control mode parser and of quoting; what tmux itself makes of the quoting is in
 * test-tmux.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "term/control.h"

static void record_block(void *data, const struct control_block *b)
{
	strbuf_addf(data, "[%s%s%s:%.*s]", b->ours ? "ours" : "own", b->failed ? " failed" : "",
		    b->truncated ? " cut" : "", (int)b->len, b->text);
}

static void record_notify(void *data, const char *name, const char *rest)
{
	strbuf_addf(data, "<%s|%s>", name, rest);
}

static const struct control_handler recorder = {.block = record_block, .notify = record_notify};

/* Parses `input` in pieces of `piece` bytes. */
static char *parse(const char *input, size_t len, size_t piece)
{
	struct strbuf seen = STRBUF_INIT(8 << 20);
	struct control_parser p;
	control_init(&p, &recorder, &seen);
	for (size_t at = 0; at < len; at += piece)
		control_feed(&p, input + at, len - at < piece ? len - at : piece);
	control_release(&p);
	return strbuf_detach(&seen);
}

static void test_blocks_and_notifications(void **state)
{
	(void)state;
	static const char input[] = "%begin 1 258 0\n"
				    "%end 1 258 0\n"
				    "%session-changed $0 a b\n"
				    "stray\n"
				    "\n"
				    "%end 1 1 1\n"
				    "%begin 2 266 1\n"
				    "can't find session: zz\n"
				    "%error 2 266 1\n"
				    "%begin 2 267 1\n"
				    "one\n"
				    "\n"
				    "%output %1 x\n"
				    "%end 2 266 1\n"
				    "%begin 9 9 1\n"
				    "%end 2 267 1\n"
				    "%exit\n"
				    "unfinished";
	static const char expected[] = "[own:]<session-changed|$0 a b><end|1 1 1>"
				       "[ours failed:can't find session: zz\n]"
				       "[ours:one\n\n%output %1 x\n%end 2 266 1\n%begin 9 9 1\n]<exit|>";
	for (size_t piece = 1; piece <= sizeof(input); piece++) {
		autofree char *seen = parse(input, sizeof(input) - 1, piece);
		assert_string_equal(seen, expected);
	}
}

static void test_what_is_too_long_is_cut(void **state)
{
	(void)state;
	autostrbuf input = STRBUF_INIT(32 << 20);
	strbuf_addstr(&input, "%begin 1 1 1\n");
	for (int i = 0; i < CONTROL_LINE_MAX + 10; i++)
		strbuf_addch(&input, 'x');
	strbuf_addstr(&input, "\nafter\n%end 1 1 1\n%begin 1 2 1\n");
	for (int i = 0; i < CONTROL_BLOCK_MAX / 64 + 1; i++)
		strbuf_addstr(&input, "123456789012345678901234567890123456789012345678901234567890123\n");
	strbuf_addstr(&input, "%end 1 2 1\n%begin 1 3 1\nok\n%end 1 3 1\n");
	autofree char *seen = parse(input.buf, input.len, 65536);
	assert_memory_equal(seen, "[ours cut:xxx", 13);
	assert_null(strstr(seen, "after"));
	assert_non_null(strstr(seen, "[ours cut:123"));
	assert_non_null(strstr(seen, "[ours:ok\n]"));
}

static void test_odd_guards_open_nothing(void **state)
{
	(void)state;
	static const char input[] = "%begin\n%begin x 1 1\n%begin 1 2 3 "
				    "4444444444444444444444444444444444444444444444444444444444444444\n%ok\n";
	autofree char *seen = parse(input, sizeof(input) - 1, 7);
	assert_non_null(strstr(seen, "<ok|>"));
}

static void test_quoting(void **state)
{
	(void)state;
	autostrbuf line = STRBUF_INIT(1024);
	control_command(&line, (const char *[]){"set", "", "a b", "\"$HOME\\~;#{x}'", "\n\xff\x7f", NULL});
	control_command(&line, (const char *[]){"ls", NULL});
	assert_string_equal(strbuf_str(&line), "\"set\" \"\" \"a b\" \"\\\"\\$HOME\\\\\\~;#{x}'\" "
					       "\"\\012\\377\\177\" ; \"ls\"");
	assert_null(strchr(strbuf_str(&line), '\n'));
	autostrbuf literal = STRBUF_INIT(64);
	control_format_literal(&literal, "a#{b}#");
	assert_string_equal(strbuf_str(&literal), "a##{b}##");
}

static void test_a_line_over_its_cap_says_so(void **state)
{
	(void)state;
	autostrbuf line = STRBUF_INIT(8);
	control_command(&line, (const char *[]){"list-sessions", NULL});
	assert_true(line.overflow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks_and_notifications),
		cmocka_unit_test(test_what_is_too_long_is_cut),
		cmocka_unit_test(test_odd_guards_open_nothing),
		cmocka_unit_test(test_quoting),
		cmocka_unit_test(test_a_line_over_its_cap_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

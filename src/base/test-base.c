/* Tests of the small pieces of base/: strbuf, error, time values, text, JSON strictness, ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/id.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "base/timeval.h"

static void test_strbuf_stops_at_its_maximum(void **state)
{
	(void)state;
	autostrbuf sb = STRBUF_INIT(4);
	strbuf_addstr(&sb, "abc");
	assert_false(sb.overflow);
	strbuf_addstr(&sb, "de");
	assert_true(sb.overflow);
	assert_string_equal(strbuf_str(&sb), "abc");
	strbuf_consume(&sb, 1);
	assert_string_equal(strbuf_str(&sb), "bc");
}

static void test_time_values(void **state)
{
	(void)state;
	char text[TIME_TEXT_SIZE];
	assert_string_equal(time_format(1767323045000006, text), "2026-01-02T03:04:05.000006Z");
	usec_t d = 0;
	assert_int_equal(duration_parse("30d", &d, NULL), 0);
	assert_int_equal(d, 30 * USEC_PER_DAY);
	assert_int_equal(duration_parse("5 parsecs", &d, NULL), ERR_INVALID);
	assert_int_equal(duration_parse("99999999999999999999d", &d, NULL), ERR_INVALID);
	uint64_t size = 0;
	assert_int_equal(size_parse("2GiB", &size, NULL), 0);
	assert_int_equal(size, 2147483648u);
	assert_int_equal(size_parse("9999999TiB", &size, NULL), ERR_INVALID);
	int64_t n = 0;
	assert_int_equal(number_parse("-7", -10, 10, &n, NULL), 0);
	assert_int_equal(n, -7);
	assert_int_equal(number_parse("7x", -10, 10, &n, NULL), ERR_INVALID);
	assert_int_equal(number_parse("", -10, 10, &n, NULL), ERR_INVALID);
}

static void test_branch_names(void **state)
{
	(void)state;
	static const char *const good[] = {"main", "feat/a", "a.b", "x@y", "ünïcode", "a-b_c"};
	static const char *const bad[] = {"",	 "-x",	 "a b",	 "a..b",   "a//b", "/a",
					  "a/",	 ".a",	 "a/.b", "a.lock", "a.",   "a~1",
					  "a:b", "a^",	 "a\\b", "a@{1}",  "HEAD", "@",
					  "a\n", "\xff", "a*",	 "a[0]",   "a?b",  "b.lock/c"};
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(branch_name_check(good[i], NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(branch_name_check(bad[i], NULL), ERR_INVALID);
}

static void test_text(void **state)
{
	(void)state;
	autostrbuf sb = STRBUF_INIT(256);
	text_escape("a\x1b[31m\xff\n", 8, false, &sb);
	assert_string_equal(strbuf_str(&sb), "a\\x1B[31m\\xFF\\x0A");
	strbuf_reset(&sb);
	utf8_make_valid("a\xed\xa0\x80", 4, &sb);
	assert_string_equal(strbuf_str(&sb), "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
	assert_int_equal(text_distance("feat/a", "feat/b"), 1);
	assert_int_equal(text_distance("", "abc"), 3);
}

static void test_S2_a_quoted_word_means_itself_to_a_shell(void **state)
{
	(void)state;
	static const struct {
		const char *text, *word;
	} all[] = {{"", "''"}, {"a b", "'a b'"}, {"$(x);`y`\n\\", "'$(x);`y`\n\\'"}, {"it's", "'it'\\''s'"}};
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		autostrbuf word = STRBUF_INIT(100);
		text_quote(all[i].text, &word);
		assert_string_equal(strbuf_str(&word), all[i].word);
	}
}

static void test_json_is_strict(void **state)
{
	(void)state;
	static const char *const bad[] = {"{\"a\":1,\"a\":2}",	 "{} x", "",
					  "{\"a\":\"\\u0000\"}", "[1,]", "nul"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *j = NULL;
		assert_int_equal(json_parse(bad[i], strlen(bad[i]), &j, NULL), ERR_INVALID);
	}
	char deep[200];
	memset(deep, '[', sizeof(deep));
	json_t *j = NULL;
	assert_int_equal(json_parse(deep, sizeof(deep), &j, NULL), ERR_INVALID);
}

static void test_error_table_and_json(void **state)
{
	(void)state;
	autoerror err = {0}, back = {0};
	assert_int_equal(error_set(&err, ERR_AMBIGUOUS, "two peers are named %s", "x"), ERR_AMBIGUOUS);
	assert_int_equal(error_hint(&err, ERR_AMBIGUOUS, "say which"), ERR_AMBIGUOUS);
	json_auto_t *json = error_to_json(&err);
	assert_int_equal(error_from_json(json, &back), ERR_AMBIGUOUS);
	assert_string_equal(back.message, "two peers are named x");
	assert_string_equal(back.hint, "say which");
	for (int i = 0; i < ERR_MAX_; i++)
		assert_int_equal(error_code_of(error_kind((enum error_code)i)->name), i);
}

static void test_ids(void **state)
{
	(void)state;
	char id[ID_SIZE];
	id_format("ask", 0, id);
	assert_string_equal(id, "ask-000000000000");
	assert_true(id_is(id, "ask"));
	assert_false(id_is(id, "msg"));
	assert_false(id_is("ask-short", "ask"));
	assert_false(id_is("ask-00000000000!", "ask"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strbuf_stops_at_its_maximum),
		cmocka_unit_test(test_time_values),
		cmocka_unit_test(test_branch_names),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_S2_a_quoted_word_means_itself_to_a_shell),
		cmocka_unit_test(test_json_is_strict),
		cmocka_unit_test(test_error_table_and_json),
		cmocka_unit_test(test_ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

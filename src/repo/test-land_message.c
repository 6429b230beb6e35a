/* Tests of what a landed commit says, on logs as rev-list prints them (L9). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "repo/land_message.h"

struct made {
	struct land_log log;
	struct strbuf message;
	struct land_author author;
};

static void made_release(struct made *m)
{
	land_log_release(&m->log);
	strbuf_release(&m->message);
	land_author_release(&m->author);
}

#define automade _cleanup_(made_release) struct made

static void made_init(struct made *m)
{
	*m = (struct made){.log = LAND_LOG_INIT, .message = STRBUF_INIT(1 << 20)};
}

static void add(struct made *m, const char *name, const char *email, const char *message,
		const char *trailers)
{
	const char *const fields[] = {"c0ffee",		  "7ree", "ba5e", name,	   email,
				      "1700000000 +0100", name,	  email,  message, trailers};
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		strbuf_add(&m->log.text, fields[i], strlen(fields[i]) + 1);
	strbuf_addch(&m->log.text, '\n');
}

static void compose(struct made *m, const char *given, bool merge)
{
	const struct land_words words = {.branch = "feat/a",
					 .target = "main",
					 .given = given,
					 .user_name = "Uma User",
					 .user_email = "uma@example.org",
					 .merge = merge};
	assert_true(land_log_parse(&m->log));
	land_compose(&m->log, &words, &m->message, &m->author);
}

static void test_L9_single_commit_keeps_its_words_and_author(void **state)
{
	(void)state;
	automade m;
	made_init(&m);
	add(&m, "Bo", "bo@x", "fix: it\n\nBecause.\n\nSigned-off-by: Bo <bo@x>\n",
	    "Signed-off-by: Bo <bo@x>\n");
	compose(&m, NULL, false);
	assert_string_equal(strbuf_str(&m.message), "fix: it\n\nBecause.\n\nSigned-off-by: Bo <bo@x>\n");
	assert_string_equal(m.author.name, "Bo");
	assert_string_equal(m.author.date, "@1700000000 +0100");
}

static void test_L9_several_commits_become_a_list(void **state)
{
	(void)state;
	automade m;
	made_init(&m);
	add(&m, "Bo", "bo@x", "add parser\n\nlong text\n", "");
	add(&m, "Bo", "BO@x", "fixup! add parser\n", "");
	add(&m, "Bo", "bo@x", "\n\ntest parser  \n", "");
	compose(&m, NULL, false);
	assert_string_equal(strbuf_str(&m.message), "feat/a: add parser\n\n* add parser\n* test parser\n");
	assert_string_equal(m.author.email, "bo@x");
}

static void test_L9_several_authors_are_the_user_and_coauthors(void **state)
{
	(void)state;
	automade m;
	made_init(&m);
	add(&m, "Bo", "bo@x", "one\n", "Signed-off-by: Bo <bo@x>\n");
	add(&m, "Uma", "uma@example.org", "two\n", "");
	add(&m, "Cy", "cy@x", "three\n", "signed-off-by: bo <bo@x>\nCo-Authored-By: Cy <cy@x>\n");
	add(&m, "Bo", "bo@x", "four\n", "Reviewed-by: Di <di@x>\nFixes: #7\n");
	compose(&m, "Given words\n\n\n", false);
	assert_string_equal(strbuf_str(&m.message), "Given words\n\n"
						    "Signed-off-by: Bo <bo@x>\n"
						    "Co-Authored-By: Cy <cy@x>\n"
						    "Reviewed-by: Di <di@x>\n"
						    "Co-authored-by: Bo <bo@x>\n");
	assert_string_equal(m.author.name, "Uma User");
	assert_null(m.author.date);
}

static void test_L9_signoff_joins_the_trailers_that_are_there(void **state)
{
	(void)state;
	automade m;
	made_init(&m);
	add(&m, "Bo", "bo@x", "one\n", "Signed-off-by: Bo <bo@x>\n");
	compose(&m, "Title: with colon\n\nText.\n\nFixes: #7\n  and #8", false);
	assert_string_equal(strbuf_str(&m.message), "Title: with colon\n\nText.\n\nFixes: #7\n  and #8\n"
						    "Signed-off-by: Bo <bo@x>\n");
	automade t;
	made_init(&t);
	add(&t, "Bo", "bo@x", "one\n", "Signed-off-by: Bo <bo@x>\n");
	compose(&t, "fix: title only", false);
	assert_string_equal(strbuf_str(&t.message), "fix: title only\n\nSigned-off-by: Bo <bo@x>\n");
}

static void test_merge_has_a_title_and_names_authors_only(void **state)
{
	(void)state;
	automade m;
	made_init(&m);
	add(&m, "Bo", "bo@x", "one\n", "Signed-off-by: Bo <bo@x>\n");
	compose(&m, NULL, true);
	assert_string_equal(strbuf_str(&m.message), "Merge branch 'feat/a' into main\n");
	assert_string_equal(m.author.name, "Bo");
}

static void test_long_lists_are_counted(void **state)
{
	(void)state;
	automade m;
	made_init(&m);
	for (int i = 0; i < 60; i++)
		add(&m, "Bo", "bo@x", "step\n", "");
	compose(&m, "  \n", false);
	assert_non_null(strstr(strbuf_str(&m.message), "* and 10 more\n"));
}

static void test_forged_idents_are_made_fit(void **state)
{
	(void)state;
	static const struct {
		const char *name, *email, *date, *want_name, *want_date;
	} cases[] = {
		{"", "", "", "unknown", NULL},
		{" .,;", "bo@x", "99999999999999 +0000", "bo@x", NULL},
		{"Bo", "bo@x", "12 +00x0", "Bo", NULL},
		{"Bo", "bo@x", "12 -0130", "Bo", "@12 -0130"},
		{"\xff", "bo@x", "-5 +0000", "\xff", NULL},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct land_commit c = {.author_name = cases[i].name,
					      .author_email = cases[i].email,
					      .author_date = cases[i].date};
		_cleanup_(land_author_release) struct land_author a = {0};
		land_author_of(&c, &a);
		assert_string_equal(a.name, cases[i].want_name);
		if (cases[i].want_date)
			assert_string_equal(a.date, cases[i].want_date);
		else
			assert_null(a.date);
	}
}

static void test_malformed_logs_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t len;
	} bad[] = {{"abc", 3},
		   {"a\0b\0c\0", 6},
		   {"1\0002\0003\0004\0005\0006\0007\0008\0009\0000\0", 20},
		   {"1\0002\0003\0004\0005\0006\0007\0008\0009\0000\0x", 21}};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		autolandlog log = LAND_LOG_INIT;
		strbuf_add(&log.text, bad[i].text, bad[i].len);
		assert_false(land_log_parse(&log));
	}
	autolandlog empty = LAND_LOG_INIT;
	assert_true(land_log_parse(&empty));
	assert_int_equal(empty.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_L9_single_commit_keeps_its_words_and_author),
		cmocka_unit_test(test_L9_several_commits_become_a_list),
		cmocka_unit_test(test_L9_several_authors_are_the_user_and_coauthors),
		cmocka_unit_test(test_L9_signoff_joins_the_trailers_that_are_there),
		cmocka_unit_test(test_merge_has_a_title_and_names_authors_only),
		cmocka_unit_test(test_long_lists_are_counted),
		cmocka_unit_test(test_forged_idents_are_made_fit),
		cmocka_unit_test(test_malformed_logs_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

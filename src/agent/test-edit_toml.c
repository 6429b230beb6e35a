/* Tests of the editing of TOML as text: exact bytes, for files as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "agent/edit_toml.h"
#include "base/json.h"

static const char *const ours[] = {"servers", "our own", NULL};
static const char *const members[] = {"command", "args", "more", NULL};

static struct edit_toml *parse(const char *text)
{
	struct edit_toml *doc = NULL;
	autoerror err = {0};
	if (edit_toml_parse("f.toml", text, strlen(text), &doc, &err))
		fail_msg("%s: %s", text, err.message);
	return doc;
}

static void assert_text(const struct edit_toml *doc, const char *expected)
{
	if (strcmp(strbuf_str(&doc->text), expected) != 0)
		fail_msg("expected:\n%s\ngot:\n%s", expected, strbuf_str(&doc->text));
}

static json_t *our_members(void)
{
	return json_pack("{s:s, s:[s,s], s:i, s:b}", "command", "/a \"b\"\\c", "args", "x", "y", "more", 60,
			 "on", 1);
}

static void test_X7_a_table_is_put_at_the_end_and_comes_out_without_trace(void **state)
{
	(void)state;
	static const char table[] = "[servers.\"our own\"]\ncommand = \"/a \\\"b\\\"\\\\c\"\nargs = [\"x\", "
				    "\"y\"]\nmore = 60\non = true\n";
	static const char *const all[] = {"command", "args", "more", "on", NULL};
	static const struct {
		const char *text, *between;
	} cases[] = {
		{"", ""},
		{"\n", "\n"},
		{"a = 1\n", "\n"},
		{"a = 1", "\n\n"},
		{"a = 1 # x", "\n\n"},
		{"a = 1\n\n\n", "\n"},
		{"# only a comment\n", "\n"},
		{"  ", "\n\n"},
		{"\xEF\xBB\xBF", "\n\n"},
		{"[servers.other] # x\ncommand = 'y'\n", "\n"},
		{"a = \"\"\"\n[servers.x]\n\"\"\"\n", "\n"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoedittoml *doc = parse(cases[i].text), *before = parse(cases[i].text);
		json_auto_t *values = our_members();
		autoerror err = {0};
		if (edit_toml_append(doc, ours, values, &err))
			fail_msg("%s: %s", cases[i].text, err.message);
		autofree char *expected = xasprintf("%s%s%s", cases[i].text, cases[i].between, table);
		assert_text(doc, expected);
		size_t at = edit_toml_find(doc, ours);
		const char *key;
		json_t *value;
		json_object_foreach(values, key, value)
		{
			json_auto_t *there = edit_toml_value(doc, edit_toml_member(doc, at, key));
			assert_true(json_equal(there, value));
		}
		assert_int_equal(edit_toml_drop(doc, ours, all, before, &err), 0);
		assert_text(doc, cases[i].text);
	}
}

static void test_line_ends_are_the_files(void **state)
{
	(void)state;
	autoedittoml *doc = parse("a = 1\r\n"), *before = parse("a = 1\r\n");
	json_auto_t *values = json_pack("{s:i}", "more", 1);
	assert_int_equal(edit_toml_append(doc, ours, values, NULL), 0);
	assert_text(doc, "a = 1\r\n\r\n[servers.\"our own\"]\r\nmore = 1\r\n");
	assert_int_equal(edit_toml_drop(doc, ours, members, before, NULL), 0);
	assert_text(doc, "a = 1\r\n");
}

static void test_taking_out_leaves_what_the_user_put_around_and_within(void **state)
{
	(void)state;
	static const struct {
		const char *text, *after;
	} cases[] = {
		{"a = 1\n\n[servers.'our own'] # x\ncommand = \"y\"\n\n# of b\n[b]\nc = 1\n",
		 "a = 1\n\n# of b\n[b]\nc = 1\n"},
		{"[x]\n[servers.\"our own\"]\ncommand = \"y\"\n# mine\nargs = [\n  \"z\", # w\n]\n[y]\n",
		 "[x]\n# mine\n[y]\n"},
		/* a line at the end of the file belongs to the last table, whatever its author meant */
		{"a = 1\n\n[servers.\"our own\"]\ncommand = \"y\"\nmodel = \"z\"\n",
		 "a = 1\nmodel = \"z\"\n"},
		/* tables below it have no meaning without it */
		{"[servers.\"our own\"]\ncommand = \"y\"\n\n[servers.\"our own\".tools.ask]\nmode = "
		 "1\n\n[z]\n",
		 "\n[z]\n"},
		{"\t[servers.\"our own\"]\n\tcommand = \"y\"", ""},
		{"[servers]\nx = 1\n[servers.\"our own\"]\ncommand = \"y\"\n[servers.\"our owner\"]\n",
		 "[servers]\nx = 1\n[servers.\"our owner\"]\n"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoedittoml *doc = parse(cases[i].text);
		autoerror err = {0};
		if (edit_toml_drop(doc, ours, members, NULL, &err))
			fail_msg("%s: %s", cases[i].text, err.message);
		assert_text(doc, cases[i].after);
	}
	/* what would then stand twice */
	autoedittoml *doc = parse("a = 1\n[servers.\"our own\"]\na = 2\n");
	assert_int_equal(edit_toml_drop(doc, ours, members, NULL, NULL), ERR_INVALID);
	assert_text(doc, "a = 1\n[servers.\"our own\"]\na = 2\n");
}

static void test_setting_touches_the_value_only(void **state)
{
	(void)state;
	static const struct {
		const char *text, *key, *value, *after;
	} cases[] = {
		{"[servers.\"our own\"]\n  command= 'x' # y\n", "command", "\"z\"",
		 "[servers.\"our own\"]\n  command= \"z\" # y\n"},
		{"[servers.\"our own\"]\n  command= 'x' # y\n[b]\n", "args", "[\"z\"]",
		 "[servers.\"our own\"]\n  command= 'x' # y\n  args = [\"z\"]\n[b]\n"},
		{"[servers.\"our own\"]", "more", "3", "[servers.\"our own\"]\nmore = 3"},
		{"[servers.\"our own\"]\nargs = [\n \"x\",\n \"y\"\n]\n", "args", "[]",
		 "[servers.\"our own\"]\nargs = []\n"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoedittoml *doc = parse(cases[i].text);
		autoerror err = {0};
		json_auto_t *value = json_loads(cases[i].value, JSON_DECODE_ANY, NULL);
		if (edit_toml_set(doc, edit_toml_find(doc, ours), cases[i].key, value, &err))
			fail_msg("%s: %s", cases[i].text, err.message);
		assert_text(doc, cases[i].after);
	}
}

static void test_all_of_toml_is_read(void **state)
{
	(void)state;
	autoedittoml *doc =
		parse("title = \"\\u00e9\\t\\x41\\U0001F600\"\n'a.b'.\"c\\\"d\" = 'raw \\n'\n"
		      "dates = [1979-05-27T07:32:00Z, 1979-05-27 07:32:00.5, 07:32:00, 1979-05-27] # x\n"
		      "numbers = [+1_000, -0x1F, 1e6, inf, nan, 3.14]\nflag = false\nn = -17\n"
		      "lines = \"\"\"\nx \\\n   y\"\" z\"\"\"\"\"\nraw = '''\na''b\\'''\n"
		      "nested = [[1, 2,], [\"a\", 'b']]\n"
		      "inline = { a = 1, b.c = [ {d = 1}, {d = 2} ], 'e' = {} }\n"
		      "[[list]]\nx = 1\n[list.sub]\ny = 1\n[[list]]\nx = 2\n[list.sub]\ny = 2\n"
		      "[ spaced . 'name' ]\n[a.b.c]\n[a.b]\nd.e = 1\nd.f = 2\n[a]\n");
	static const struct {
		const char *key, *value;
	} cases[] = {
		{"title", "\"\xC3\xA9\\tA\xF0\x9F\x98\x80\""},
		{"flag", "false"},
		{"n", "-17"},
		{"lines", "\"x y\\\"\\\" z\\\"\\\"\""},
		{"raw", "\"a''b\\\\\""},
		{"nested", "[[1,2],[\"a\",\"b\"]]"},
		{"inline", "null"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *const keys[] = {cases[i].key, NULL};
		json_auto_t *value = edit_toml_value(doc, edit_toml_find(doc, keys));
		autofree char *text = json_text(value);
		assert_string_equal(text, cases[i].value);
	}
	const char *const dotted[] = {"a.b", "c\"d", NULL}, *const below[] = {"list", NULL};
	const char *const spaced[] = {"spaced", "name", NULL}, *const none[] = {"lis", NULL};
	assert_int_equal(doc->items[edit_toml_find(doc, dotted)].line, 2);
	assert_int_equal(doc->items[edit_toml_find(doc, spaced)].kind, EDIT_TOML_TABLE);
	assert_int_equal(doc->items[edit_toml_find_below(doc, below)].kind, EDIT_TOML_TABLES);
	assert_true(edit_toml_find_below(doc, none) == EDIT_TOML_NONE);
}

static void test_what_is_no_toml_is_refused_with_its_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"a = 1\nb\n", "f.toml:2: an = is missing"},
		{"a = \n", "a value is missing"},
		{"a = word\n", "not a value"},
		{"a = +true\n", "not a value"},
		{"a = 1 2\n", "something follows"},
		{"a = \"x\n\"", "a string without its end"},
		{"a = \"\"\"x\n\"\"", "f.toml:2: a string without its end"},
		{"a = 'x", "a string without its end"},
		{"a = \"\\q\"", "an escape"},
		{"a = \"\\uD800\"", "no character"},
		{"a = \"\\u12\"", "an escape"},
		{"\"\"\"a\"\"\" = 1", "a key of several lines"},
		{"[a\n", "a ] is missing"},
		{"[[a]\n", "a ] is missing"},
		{"[]\n", "a key is missing"},
		{"[a] b = 1\n", "something follows"},
		{"a = [1 2]\n", "a comma or ]"},
		{"a = {b = 1 c = 2}\n", "a comma or }"},
		{"a = [1,\n", "a value is missing"},
		{"a = 1\n\na = 2\n", "f.toml:3: this key stands twice"},
		{"a = {b = 1, b = 2}\n", "this key stands twice"},
		{"a.b = 1\n\"a\".b = 2\n", "this key stands twice"},
		{"[a]\n[a]\n", "f.toml:2: this table stands twice"},
		{"[a]\n[[a]]\n", "this table stands twice"},
		{"[[a]]\n[a]\n", "this table stands twice"},
		{"[[a]]\nb = 1\nb = 2\n", "this key stands twice"},
		{"a = {}\n[a.b]\n", "is none"},
		{"a = {}\na.b = 1\n", "is none"},
		{"a.b = 1\n[a]\n", "this table stands twice"},
		{"[a.b]\n[c]\n[a]\nb.c = 1\n", "is none"},
		{"a = 1 # \x01\n", "a control character"},
		{"a = 1\rb = 2\n", "something follows"},
		{"a = '\xFF'\n", "not UTF-8"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoedittoml *doc = NULL;
		autoerror err = {0};
		if (edit_toml_parse("f.toml", cases[i].text, strlen(cases[i].text), &doc, &err) !=
		    ERR_INVALID)
			fail_msg("accepted: %s", cases[i].text);
		if (!strstr(err.message, cases[i].says))
			fail_msg("%s: %s", cases[i].text, err.message);
	}
}

static void test_what_is_too_large_or_too_deep_is_refused(void **state)
{
	(void)state;
	autoedittoml *doc = NULL;
	autofree char *large = xcalloc(1, EDIT_TOML_SIZE_MAX + 2);
	memset(large, '\n', EDIT_TOML_SIZE_MAX + 1);
	assert_int_equal(edit_toml_parse("f", large, EDIT_TOML_SIZE_MAX + 1, &doc, NULL), ERR_TOO_LARGE);
	memset(large, '[', EDIT_TOML_DEPTH_MAX + 3);
	memcpy(large, "a=", 2);
	assert_int_equal(edit_toml_parse("f", large, EDIT_TOML_DEPTH_MAX + 3, &doc, NULL), ERR_INVALID);
	memset(large, 'k', 70000);
	assert_int_equal(edit_toml_parse("f", large, 80000, &doc, NULL), ERR_TOO_LARGE);
	assert_null(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_X7_a_table_is_put_at_the_end_and_comes_out_without_trace),
		cmocka_unit_test(test_line_ends_are_the_files),
		cmocka_unit_test(test_taking_out_leaves_what_the_user_put_around_and_within),
		cmocka_unit_test(test_setting_touches_the_value_only),
		cmocka_unit_test(test_all_of_toml_is_read),
		cmocka_unit_test(test_what_is_no_toml_is_refused_with_its_line),
		cmocka_unit_test(test_what_is_too_large_or_too_deep_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

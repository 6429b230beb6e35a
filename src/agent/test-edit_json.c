/* Tests of the editing of JSON as text: exact bytes, for files as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "agent/edit_json.h"
#include "base/json.h"

static struct edit_json *parse(const char *text)
{
	struct edit_json *doc = NULL;
	autoerror err = {0};
	if (edit_json_parse("f.json", text, strlen(text), &doc, &err))
		fail_msg("%s: %s", text, err.message);
	return doc;
}

/* The node at a path of keys, "a.b"; "" is the root. */
static uint32_t find(const struct edit_json *doc, const char *path)
{
	uint32_t node = edit_json_root(doc);
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, ".");
		autofree char *key = xstrndup(p, n);
		node = edit_json_get(doc, node, key);
		p += n + (p[n] == '.');
	}
	return node;
}

static void assert_text(const struct edit_json *doc, const char *expected)
{
	if (strcmp(strbuf_str(&doc->text), expected) != 0)
		fail_msg("expected:\n%s\ngot:\n%s", expected, strbuf_str(&doc->text));
}

/* Adds to the container at `path`, expects `after`, takes it out again and expects what was there. */
static void check_add(const char *text, const char *path, const char *key, const char *value,
		      const char *after)
{
	autoeditjson *doc = parse(text), *before = parse(text);
	autoerror err = {0};
	json_auto_t *json = json_loads(value, JSON_DECODE_ANY, NULL);
	assert_non_null(json);
	if (edit_json_add(doc, find(doc, path), key, json, &err))
		fail_msg("%s: %s", text, err.message);
	assert_text(doc, after);
	uint32_t container = find(doc, path), node = edit_json_first(doc, container);
	while (edit_json_next(doc, node))
		node = edit_json_next(doc, node);
	json_auto_t *there = edit_json_value(doc, node);
	assert_true(json_equal(there, json));
	assert_int_equal(edit_json_drop(doc, node, before, &err), 0);
	assert_text(doc, text);
}

static void test_X7_what_is_put_in_follows_the_style_and_comes_out_without_trace(void **state)
{
	(void)state;
	static const struct {
		const char *text, *path, *key, *value, *after;
	} cases[] = {
		/* empty things */
		{"", "", "a", "1", "{\n  \"a\": 1\n}\n"},
		{"\n", "", "a", "1", "\n{\n  \"a\": 1\n}\n"},
		{"\xEF\xBB\xBF", "", "a", "1", "\xEF\xBB\xBF{\n  \"a\": 1\n}\n"},
		{"{}", "", "a", "[1]", "{\n  \"a\": [\n    1\n  ]\n}"},
		{"{ }\n", "", "a", "{}", "{\n  \"a\": {}\n}\n"},
		{"{\n}\n", "", "a", "1", "{\n  \"a\": 1\n}\n"},
		{"{\n\n\n}\n", "", "a", "1", "{\n  \"a\": 1\n}\n"},
		{"{ // c\n}", "", "a", "1", "{ // c\n  \"a\": 1\n}"},
		{"{\n\t/* c */\n}", "", "a", "1", "{\n\t/* c */\n  \"a\": 1\n}"},
		{"{ /* c */ }", "", "a", "[1,2]", "{ /* c */ \"a\": [1, 2] }"},
		/* one line */
		{"{\"a\":1}", "", "b", "{\"c\":[1,2]}", "{\"a\":1,\"b\":{\"c\":[1,2]}}"},
		{"{\"a\": 1}", "", "b", "{\"c\":1}", "{\"a\": 1, \"b\": {\"c\": 1}}"},
		{"{ \"a\": 1 }", "", "b", "2", "{ \"a\": 1, \"b\": 2 }"},
		{"{\"a\": 1,}", "", "b", "2", "{\"a\": 1, \"b\": 2,}"},
		{"{\"a\": {}}", "a", "b", "2", "{\"a\": {\"b\": 2}}"},
		{"{\"a\": [ ]}", "a", NULL, "2", "{\"a\": [2]}"},
		{"{\"a\": 1 /* x */ }", "", "b", "2", "{\"a\": 1, /* x */ \"b\": 2 }"},
		{"{\"a\": 1 // x\n}", "", "b", "2", "{\"a\": 1, // x\n  \"b\": 2\n}"},
		/* several lines */
		{"{\n  \"a\": 1\n}\n", "", "b", "[]", "{\n  \"a\": 1,\n  \"b\": []\n}\n"},
		{"{\n\t\"a\": 1\n}\n", "", "b", "[1]", "{\n\t\"a\": 1,\n\t\"b\": [\n\t\t1\n\t]\n}\n"},
		{"{\n    \"a\": 1\n}\n", "", "b", "[1]",
		 "{\n    \"a\": 1,\n    \"b\": [\n        1\n    ]\n}\n"},
		{"{\r\n  \"a\": 1\r\n}\r\n", "", "b", "[1]",
		 "{\r\n  \"a\": 1,\r\n  \"b\": [\r\n    1\r\n  ]\r\n}\r\n"},
		{"\xEF\xBB\xBF{\r\n\t\"a\": {}\r\n}", "a", "b", "1",
		 "\xEF\xBB\xBF{\r\n\t\"a\": {\r\n\t\t\"b\": 1\r\n\t}\r\n}"},
		{"{\n  \"a\": 1 // one\n}\n", "", "b", "2", "{\n  \"a\": 1, // one\n  \"b\": 2\n}\n"},
		{"{\n  \"a\": 1, // one\n}\n", "", "b", "2", "{\n  \"a\": 1, // one\n  \"b\": 2,\n}\n"},
		{"{\n  \"a\": 1\n  // end\n}\n", "", "b", "2", "{\n  \"a\": 1,\n  \"b\": 2\n  // end\n}\n"},
		{"{\n  \"a\": 1\n  ,\n}\n", "", "b", "2", "{\n  \"a\": 1\n  ,\n  \"b\": 2,\n}\n"},
		{"{\n  \"a\": 1\n, \"b\": 2\n}\n", "", "c", "3", "{\n  \"a\": 1\n, \"b\": 2, \"c\": 3\n}\n"},
		{"{\n  \"a\": 1 }", "", "b", "2", "{\n  \"a\": 1,\n  \"b\": 2 }"},
		{"{\n\n  \"a\": 1\n\n}\n", "", "b", "2", "{\n\n  \"a\": 1,\n  \"b\": 2\n\n}\n"},
		{"{\n  \"a\": [\"x\"]\n}", "a", NULL, "\"y\"", "{\n  \"a\": [\"x\", \"y\"]\n}"},
		{"{\n  \"a\": [\"x\",\"z\"]\n}", "a", NULL, "\"y\"", "{\n  \"a\": [\"x\",\"z\",\"y\"]\n}"},
		{"{\n  \"a\": [\n    \"x\"\n  ]\n}", "a", NULL, "\"y\"",
		 "{\n  \"a\": [\n    \"x\",\n    \"y\"\n  ]\n}"},
		{"{\n  \"a\": {\n  }\n}", "a", "b", "{\"c\":1}",
		 "{\n  \"a\": {\n    \"b\": {\n      \"c\": 1\n    }\n  }\n}"},
		/* a key that is written with escapes */
		{"{\"\\u0061\": {}}", "a", "b", "1", "{\"\\u0061\": {\"b\": 1}}"},
		/* not UTF-8: it stays as it is */
		{"{\"x\": \"\xFF\"}", "", "b", "\"\\u00e9\"", "{\"x\": \"\xFF\", \"b\": \"\xC3\xA9\"}"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_add(cases[i].text, cases[i].path, cases[i].key, cases[i].value, cases[i].after);
}

static void test_taking_out_leaves_what_is_around(void **state)
{
	(void)state;
	static const struct {
		const char *text, *path, *after;
	} cases[] = {
		{"{\"a\": 1, \"b\": 2, \"c\": 3}", "a", "{\"b\": 2, \"c\": 3}"},
		{"{\"a\": 1, \"b\": 2, \"c\": 3}", "b", "{\"a\": 1, \"c\": 3}"},
		{"{\"a\": 1, \"b\": 2, \"c\": 3}", "c", "{\"a\": 1, \"b\": 2}"},
		{"{\"a\": 1, \"b\": 2, \"c\": 3,}", "c", "{\"a\": 1, \"b\": 2,}"},
		{"{\n  \"a\": 1,\n  \"b\": 2\n}", "a", "{\n  \"b\": 2\n}"},
		{"{\n  \"a\": 1,\n  \"b\": 2\n}", "b", "{\n  \"a\": 1\n}"},
		{"{\n  // one\n  \"a\": 1, // two\n  \"b\": 2\n}", "a", "{\n  // one // two\n  \"b\": 2\n}"},
		{"{\n  \"a\": 1, // two\n  \"b\": 2 // three\n}", "b", "{\n  \"a\": 1 // two // three\n}"},
		{"{\n  \"a\": 1,\n\n  \"b\": 2,\n\n  \"c\": 3\n}", "b", "{\n  \"a\": 1,\n\n\n  \"c\": 3\n}"},
		/* drawing c up would make a comment of it */
		{"{\n  \"a\": 1, // x\n  \"b\": 2, \"c\": 3\n}", "b", "{\n  \"a\": 1, // x\n   \"c\": 3\n}"},
		{"{\n  \"a\": 1 /* x */ , /* y */ \"b\": 2 /* z */\n}", "b",
		 "{\n  \"a\": 1 /* x */  /* y */ /* z */\n}"},
		/* what is empty then goes too */
		{"{\"a\": {\"b\": [{\"c\": 1}]}, \"d\": 1}", "a.b", "{\"d\": 1}"},
		{"{\"a\": {\"b\": 1}}", "a.b", "{}"},
		{"{\"a\": { /* mine */ \"b\": 1}}", "a.b", "{\"a\": { /* mine */}}"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoeditjson *doc = parse(cases[i].text);
		autoerror err = {0};
		if (edit_json_drop(doc, find(doc, cases[i].path), NULL, &err))
			fail_msg("%s: %s", cases[i].text, err.message);
		assert_text(doc, cases[i].after);
	}
}

static void test_what_was_there_before_stays_when_it_is_empty_again(void **state)
{
	(void)state;
	static const struct {
		const char *before, *text, *path, *after;
	} cases[] = {
		{"{\"a\": {}}", "{\"a\": {\"b\": [1]}}", "a.b", "{\"a\": {}}"},
		{"{\"a\": { \n}}", "{\"a\": {\"b\": [1]}}", "a.b", "{\"a\": { \n}}"},
		{"{\"a\": {\"x\": 1}}", "{\"a\": {\"b\": [1]}}", "a.b", "{\"a\": {}}"},
		{"{\"z\": 1}", "{\"a\": {\"b\": [1]}}", "a.b", "{}"},
		{"", "{\"a\": {\"b\": [1]}}\n", "a.b", ""},
		{"", "// mine\n{\"a\": {\"b\": [1]}}\n", "a.b", "// mine\n{}\n"},
		{"\n\n", "\n\n{\"a\": {\"b\": [1]}}\n", "a.b", "\n\n"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoeditjson *doc = parse(cases[i].text), *before = parse(cases[i].before);
		autoerror err = {0};
		if (edit_json_drop(doc, find(doc, cases[i].path), before, &err))
			fail_msg("%s: %s", cases[i].text, err.message);
		assert_text(doc, cases[i].after);
	}
}

static void test_setting_touches_the_value_only(void **state)
{
	(void)state;
	static const struct {
		const char *text, *path, *value, *after;
	} cases[] = {
		{"{ \"a\" :1 /* x */ }", "a", "\"y\"", "{ \"a\" :\"y\" /* x */ }"},
		{"{\n  \"a\": [1,2], // x\n}", "a", "[3]", "{\n  \"a\": [3], // x\n}"},
		{"{\n\t\"a\": [\n\t\t1\n\t]\n}", "a", "[3,4]", "{\n\t\"a\": [\n\t\t3,\n\t\t4\n\t]\n}"},
		{"{\n  \"a\": null\n}", "a", "{\"b\":1}", "{\n  \"a\": {\n    \"b\": 1\n  }\n}"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoeditjson *doc = parse(cases[i].text);
		autoerror err = {0};
		json_auto_t *value = json_loads(cases[i].value, JSON_DECODE_ANY, NULL);
		if (edit_json_set(doc, find(doc, cases[i].path), value, &err))
			fail_msg("%s: %s", cases[i].text, err.message);
		assert_text(doc, cases[i].after);
	}
}

static void test_what_is_no_json_is_refused_with_its_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"{\n\"a\": 1\n\"b\": 2}", "f.json:3: a comma"},
		{"{\"a\": 1", "f.json:1: a comma or }"},
		{"{\"a\": ", "comes too early"},
		{"{\"a\" 1}", "a colon"},
		{"{a: 1}", "a key in quotes"},
		{"{'a': 1}", "a key in quotes"},
		{"{\"a\": 01}", "not a value"},
		{"{\"a\": .5}", "not a value"},
		{"{\"a\": NaN}", "not a value"},
		{"{\"a\": \"x\ny\"}", "a string without its end"},
		{"{\"a\": \"\\x\"}", "an escape"},
		{"{\"a\": \"\\u12g4\"}", "an escape"},
		{"[1,,2]", "not a value"},
		{"{,}", "a key in quotes"},
		{"{} {}", "something follows"},
		{"{} /* x", "a comment without its end"},
		{"// only\n", "comes too early"},
		{"{ // a\rb\n}", "a carriage return"},
		{"{\"a\": 1,\n\n\"\\u0061\": 2}", "f.json:3: this key stands twice"},
		{"\xFF\xFE{", "not a value"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoeditjson *doc = NULL;
		autoerror err = {0};
		assert_int_equal(edit_json_parse("f.json", cases[i].text, strlen(cases[i].text), &doc, &err),
				 ERR_INVALID);
		if (!strstr(err.message, cases[i].says))
			fail_msg("%s: %s", cases[i].text, err.message);
	}
}

static void test_what_is_too_large_or_too_deep_is_refused(void **state)
{
	(void)state;
	autoeditjson *doc = NULL;
	autofree char *deep = xcalloc(1, 2 * EDIT_JSON_DEPTH_MAX + 3);
	memset(deep, '[', EDIT_JSON_DEPTH_MAX + 1);
	memset(deep + EDIT_JSON_DEPTH_MAX + 1, ']', EDIT_JSON_DEPTH_MAX + 1);
	assert_int_equal(edit_json_parse("f", deep, strlen(deep), &doc, NULL), ERR_INVALID);
	assert_int_equal(edit_json_parse("f", deep + 1, strlen(deep) - 2, &doc, NULL), 0);
	edit_json_free(TAKE_PTR(doc));
	autofree char *large = xcalloc(1, EDIT_JSON_SIZE_MAX + 2);
	memset(large, ' ', EDIT_JSON_SIZE_MAX + 1);
	assert_int_equal(edit_json_parse("f", large, EDIT_JSON_SIZE_MAX + 1, &doc, NULL), ERR_TOO_LARGE);
	/* "[1,1,…]": with the root two values less than the cap, so that one more fits and another does not.
	 */
	size_t n = EDIT_JSON_NODES_MAX - 2;
	for (size_t i = 0; i < n; i++)
		memcpy(large + 1 + 2 * i, "1,", 2);
	large[0] = '[';
	assert_int_equal(edit_json_parse("f", large, 1 + 2 * n, &doc, NULL), ERR_INVALID);
	large[2 * n] = ']';
	assert_int_equal(edit_json_parse("f", large, 1 + 2 * n, &doc, NULL), 0);
	assert_int_equal(edit_json_add(doc, 1, NULL, json_true(), NULL), 0);
	autoerror err = {0};
	assert_int_equal(edit_json_add(doc, 1, NULL, json_true(), &err), ERR_TOO_LARGE);
	assert_int_equal(doc->nodes[1].n, n + 1);
}

static void test_looking(void **state)
{
	(void)state;
	autoeditjson *doc =
		parse("{\n\"a\": [1, true, null, 1.5, \"\\u00e9\\n\", {\"b\": 99999999999999999999}]}");
	json_auto_t *all = edit_json_value(doc, edit_json_root(doc));
	autofree char *text = json_text(all);
	assert_string_equal(text, "{\"a\":[1,true,null,1.5,\"\xC3\xA9\\n\",{\"b\":null}]}");
	assert_int_equal(edit_json_line(doc, find(doc, "a")), 2);
	assert_int_equal(find(doc, "a.b"), 0);
	assert_int_equal(find(doc, "c.d"), 0);
	assert_null(edit_json_value(doc, 0));
	assert_int_equal(edit_json_loose_line(doc), 0);
	autoeditjson *comment = parse("{\n\n\"a\": 1 // x\n,}"), *comma = parse("[\n1,\n]");
	assert_int_equal(edit_json_loose_line(comment), 3);
	assert_int_equal(edit_json_loose_line(comma), 2);
	autofree char *key = edit_json_key(doc, find(doc, "a"));
	assert_string_equal(key, "a");
	assert_int_equal(edit_json_add(doc, find(doc, "a"), "x", json_null(), NULL), ERR_INVALID);
	assert_int_equal(edit_json_add(doc, 0, "x", json_null(), NULL), ERR_INTERNAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_X7_what_is_put_in_follows_the_style_and_comes_out_without_trace),
		cmocka_unit_test(test_taking_out_leaves_what_is_around),
		cmocka_unit_test(test_what_was_there_before_stays_when_it_is_empty_again),
		cmocka_unit_test(test_setting_touches_the_value_only),
		cmocka_unit_test(test_what_is_no_json_is_refused_with_its_line),
		cmocka_unit_test(test_what_is_too_large_or_too_deep_is_refused),
		cmocka_unit_test(test_looking),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

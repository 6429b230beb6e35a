/* Tests of the YAML tree: what is taken, where it stands, and what is refused with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/strbuf.h"
#include "base/yaml.h"

static struct yaml_node *parse(const char *text)
{
	struct yaml_node *root = NULL;
	autoerror err = {0};
	int r = yaml_parse("f.yaml", text, strlen(text), &root, &err);
	if (r)
		fail_msg("%s", err.message);
	return root;
}

static void test_tree_knows_lines_and_columns(void **state)
{
	(void)state;
	autoyaml *root = parse("# comment\na: 1\nb:\n  - x\n  - \"null\"\nc: {d: ünï, e: [1, 2]}\n");
	assert_int_equal(root->kind, YAML_MAPPING);
	assert_int_equal(root->n, 3);
	assert_string_equal(root->keys[1]->text, "b");
	assert_int_equal(root->keys[1]->line, 3);
	const struct yaml_node *b = yaml_get(root, "b");
	assert_int_equal(b->kind, YAML_SEQUENCE);
	assert_int_equal(b->items[1]->line, 5);
	assert_int_equal(b->items[1]->column, 5);
	assert_false(yaml_is_null(b->items[1]));
	assert_ptr_equal(b->items[1]->parent, b);
	const struct yaml_node *e = yaml_get(yaml_get(root, "c"), "e");
	assert_int_equal(e->line, 6);
	assert_int_equal(e->column, 16);
	assert_null(yaml_get(root, "d"));
	assert_null(yaml_get(b, "x"));
}

static void test_nothing_is_a_null(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "# only a comment\n", "~", "null", "---\n", "\xEF\xBB\xBF"};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		autoyaml *root = parse(texts[i]);
		assert_true(yaml_is_null(root));
		assert_int_equal(root->line >= 1, 1);
	}
	autoyaml *quoted = parse("''");
	assert_false(yaml_is_null(quoted));
	assert_true(yaml_is_null(NULL));
}

static void test_block_texts_keep_their_lines(void **state)
{
	(void)state;
	autoyaml *root = parse("p: |\n  one\n  two\nq: >-\n  three\n  four\n");
	assert_string_equal(yaml_get(root, "p")->text, "one\ntwo\n");
	assert_string_equal(yaml_get(root, "q")->text, "three four");
}

static void test_refusals_name_their_place(void **state)
{
	(void)state;
	static const struct {
		const char *text, *where, *what;
	} cases[] = {
		{"a: &x 1\nb: *x\n", "f.yaml:1:4: ", "anchors"},
		{"a: *x\n", "f.yaml:1:4: ", "aliases"},
		{"a: [1]\nb: &l [1]\n", "f.yaml:2:4: ", "anchors"},
		{"a: &m {b: 1}\n", "f.yaml:1:4: ", "anchors"},
		{"a: !!python/object x\n", "f.yaml:1:4: ", "tags"},
		{"a: !x [1]\n", "f.yaml:1:4: ", "tags"},
		{"a: !x {b: 1}\n", "f.yaml:1:4: ", "tags"},
		{"%TAG ! tag:example.com,2000:\n---\na: 1\n", "f.yaml:1:1: ", "%TAG"},
		{"a: 1\n---\nb: 2\n", "f.yaml:2:1: ", "second document"},
		{"a: 1\nb: 2\na: 3\n", "f.yaml:3:1: ", "'a' is there twice, first in line 1"},
		{"{x: {k: 1, l: 2, 'k': 3}}", "f.yaml:1:18: ", "'k' is there twice"},
		{"[1]: 2\n", "f.yaml:1:1: ", "a key has to be a text"},
		{"{a: 1}: 2\n", "f.yaml:1:1: ", "a key has to be a text"},
		{"a: \"x\\0y\"\n", "f.yaml:1:4: ", "NUL"},
		{"a: [1, 2\n", "f.yaml:2:1: ", "expected ',' or ']'"},
		{"a: 1\n b: 2\n", "f.yaml:2:3: ", "mapping values are not allowed"},
		{"a: ok\nb: \x01\n", "f.yaml:2:4: ", "control characters"},
		{"ü: \xff\n", "f.yaml:1:4: ", "UTF-8"},
		{"a: \"\\ud800\"\n", "f.yaml:1:", "Unicode"},
		{"\ta: 1\n", "f.yaml:1:1: ", "token"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoerror err = {0};
		autoyaml *root = NULL;
		int r = yaml_parse("f.yaml", cases[i].text, strlen(cases[i].text), &root, &err);
		assert_int_equal(r, ERR_INVALID);
		assert_null(root);
		if (strncmp(err.message, cases[i].where, strlen(cases[i].where)) != 0 ||
		    !strstr(err.message, cases[i].what))
			fail_msg("case %zu: %s", i, err.message);
	}
}

static void test_utf16_is_refused(void **state)
{
	(void)state;
	autoyaml *root = NULL;
	static const char text[] = "\xff\xfe\x61\x00\x3a\x00\x20\x00\x31\x00";
	assert_int_equal(yaml_parse("f", text, sizeof(text) - 1, &root, NULL), ERR_INVALID);
}

static void test_caps(void **state)
{
	(void)state;
	autoyaml *root = NULL;
	autostrbuf text = STRBUF_INIT(2 << 20);
	for (int i = 0; i < YAML_DEPTH_MAX; i++)
		strbuf_addch(&text, '[');
	for (int i = 0; i < YAML_DEPTH_MAX; i++)
		strbuf_addch(&text, ']');
	assert_int_equal(yaml_parse("f", text.buf, text.len, &root, NULL), 0);
	strbuf_reset(&text);
	for (int i = 0; i < 100000; i++)
		strbuf_addch(&text, '[');
	autoyaml *none = NULL;
	assert_int_equal(yaml_parse("f", text.buf, text.len, &none, NULL), ERR_TOO_LARGE);
	strbuf_reset(&text);
	for (int i = 0; i < YAML_NODES_MAX; i++)
		strbuf_addstr(&text, "- x\n");
	assert_int_equal(yaml_parse("f", text.buf, text.len, &none, NULL), ERR_TOO_LARGE);
	strbuf_reset(&text);
	while (text.len <= YAML_SIZE_MAX)
		strbuf_addstr(&text, "# 345678901234567890123456789012\n");
	assert_int_equal(yaml_parse("f", text.buf, text.len, &none, NULL), ERR_TOO_LARGE);
	assert_null(none);
}

static void test_from_json(void **state)
{
	(void)state;
	json_auto_t *json = NULL;
	static const char text[] = "{\"a\":[1,true,null,\"null\",\"x\"],\"b\":{}}";
	assert_int_equal(json_parse(text, sizeof(text) - 1, &json, NULL), 0);
	autoyaml *root = yaml_from_json(json);
	const struct yaml_node *a = yaml_get(root, "a");
	assert_int_equal(a->n, 5);
	assert_string_equal(a->items[0]->text, "1");
	assert_true(a->items[0]->plain);
	assert_string_equal(a->items[1]->text, "true");
	assert_true(yaml_is_null(a->items[2]));
	assert_false(yaml_is_null(a->items[3]));
	assert_int_equal(a->items[4]->line, 0);
	assert_int_equal(yaml_get(root, "b")->kind, YAML_MAPPING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree_knows_lines_and_columns),
		cmocka_unit_test(test_nothing_is_a_null),
		cmocka_unit_test(test_block_texts_keep_their_lines),
		cmocka_unit_test(test_refusals_name_their_place),
		cmocka_unit_test(test_utf16_is_refused),
		cmocka_unit_test(test_caps),
		cmocka_unit_test(test_from_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of the typed reader: each type, and that problems come together, each with file, line and key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/strbuf.h"
#include "base/yaml_read.h"

struct inner {
	bool deep;
};

struct sample {
	char *name;
	bool flag;
	int64_t count;
	int colour;
	char **list;
	char **argv;
	json_t *commands;
	struct inner inner;
};

static const char *const colours[] = {"red", "green", "blue", NULL};

static void read_inner(const struct yaml_node *node, void *member, struct yaml_report *r)
{
	static const struct yaml_field fields[] = {
		{.key = "deep", .type = YAML_TYPE_BOOL, .offset = offsetof(struct inner, deep)},
		{0},
	};
	yaml_read(node, fields, member, r);
}

static const struct yaml_field fields[] = {
	{.key = "name", .type = YAML_TYPE_TEXT, .offset = offsetof(struct sample, name), .required = true},
	{.key = "flag", .type = YAML_TYPE_BOOL, .offset = offsetof(struct sample, flag)},
	{.key = "count", .type = YAML_TYPE_INT, .offset = offsetof(struct sample, count), .min = 1, .max = 9},
	{.key = "colour",
	 .type = YAML_TYPE_CHOICE,
	 .offset = offsetof(struct sample, colour),
	 .nullable = true,
	 .choices = colours},
	{.key = "list", .type = YAML_TYPE_TEXTS, .offset = offsetof(struct sample, list)},
	{.key = "argv", .type = YAML_TYPE_ARGV, .offset = offsetof(struct sample, argv)},
	{.key = "commands", .type = YAML_TYPE_COMMANDS, .offset = offsetof(struct sample, commands)},
	{.key = "inner",
	 .type = YAML_TYPE_CUSTOM,
	 .offset = offsetof(struct sample, inner),
	 .read = read_inner},
	{0},
};

static void sample_release(struct sample *s)
{
	free(s->name);
	yaml_texts_free(s->list);
	yaml_texts_free(s->argv);
	json_decref(s->commands);
}

static int read_sample(const char *text, struct sample *ret, struct error *err)
{
	autoyaml *root = NULL;
	int r = yaml_parse("f.yaml", text, strlen(text), &root, err);
	if (r)
		return r;
	autoreport report = {.file = "f.yaml"};
	yaml_read(root, fields, ret, &report);
	return yaml_report_end(&report, err);
}

static void test_all_types(void **state)
{
	(void)state;
	autoerror err = {0};
	_cleanup_(sample_release) struct sample s = {.colour = 7};
	assert_int_equal(read_sample("name: 12\nflag: true\ncount: 9\ncolour: blue\nlist: one\n"
				     "argv: [a, 'b c']\ncommands: [make test, [git, diff]]\n"
				     "inner: {deep: true}\n",
				     &s, &err),
			 0);
	assert_string_equal(s.name, "12");
	assert_true(s.flag);
	assert_int_equal(s.count, 9);
	assert_int_equal(s.colour, 2);
	assert_string_equal(s.list[0], "one");
	assert_null(s.list[1]);
	assert_string_equal(s.argv[1], "b c");
	assert_null(s.argv[2]);
	autofree char *commands = json_text(s.commands);
	assert_string_equal(commands, "[\"make test\",[\"git\",\"diff\"]]");
	assert_true(s.inner.deep);
}

static void test_null_where_it_is_allowed(void **state)
{
	(void)state;
	autoerror err = {0};
	_cleanup_(sample_release) struct sample s = {.colour = 7};
	assert_int_equal(read_sample("name: x\ncolour: null\n", &s, &err), 0);
	assert_int_equal(s.colour, 7);
	assert_int_equal(read_sample("name:\n", &s, &err), ERR_INVALID);
	assert_string_equal(err.message, "f.yaml:1: name: expected a text, not nothing");
}

static void test_problems_come_together_in_line_order(void **state)
{
	(void)state;
	autoerror err = {0};
	_cleanup_(sample_release) struct sample s = {0};
	int r = read_sample("inner: {dep: 1, deep: maybe, wholly_other: 2}\ncuont: 3\ncount: 12\nflag: [x]\n"
			    "colour: gren\nlist: [a, {b: c}]\nargv: make\ncommands: [[], '']\n",
			    &s, &err);
	assert_int_equal(r, ERR_INVALID);
	assert_string_equal(err.message,
			    "f.yaml:1: name: missing\n"
			    "f.yaml:1: inner.dep: unknown key 'dep' (did you mean 'deep'?)\n"
			    "f.yaml:1: inner.wholly_other: unknown key 'wholly_other' (one of deep)\n"
			    "f.yaml:1: inner.deep: expected true or false, not 'maybe'\n"
			    "f.yaml:2: cuont: unknown key 'cuont' (did you mean 'count'?)\n"
			    "f.yaml:3: count: 12 is not between 1 and 9\n"
			    "f.yaml:4: flag: expected true or false, not a list\n"
			    "f.yaml:5: colour: unknown value 'gren' (did you mean 'green'?)\n"
			    "f.yaml:6: list[1]: expected a text, not a mapping\n"
			    "f.yaml:7: argv: expected a list of arguments, such as [make, test], not a text\n"
			    "f.yaml:8: commands[0]: an argument list has to start with the program's name\n"
			    "f.yaml:8: commands[1]: an empty command");
	const json_t *first = json_array_get(json_object_get(err.details, "problems"), 3);
	assert_string_equal(json_str(first, "file"), "f.yaml");
	assert_string_equal(json_str(first, "key"), "inner.deep");
	assert_int_equal(json_int(first, "line", 0), 1);
}

static void test_problems_are_capped_and_counted(void **state)
{
	(void)state;
	autostrbuf text = STRBUF_INIT(4096);
	strbuf_addstr(&text, "name: x\n");
	for (int i = 0; i < 25; i++)
		strbuf_addf(&text, "unknown%d: 1\n", i);
	autoerror err = {0};
	_cleanup_(sample_release) struct sample s = {0};
	assert_int_equal(read_sample(text.buf, &s, &err), ERR_INVALID);
	assert_int_equal(json_array_size(json_object_get(err.details, "problems")), YAML_PROBLEMS_MAX);
	assert_non_null(strstr(err.message, "\nand 5 more"));
}

static void test_what_comes_from_the_file_is_escaped(void **state)
{
	(void)state;
	autoerror err = {0};
	_cleanup_(sample_release) struct sample s = {0};
	assert_int_equal(read_sample("name: x\n\"\\e[31m\\nf.yaml:1: name: fine\": 1\n", &s, &err),
			 ERR_INVALID);
	assert_null(strchr(err.message, '\x1b'));
	assert_null(strchr(err.message, '\n'));
	assert_non_null(strstr(err.message, "\\x1B[31m\\x0Af.yaml"));
}

static void test_a_document_of_another_kind(void **state)
{
	(void)state;
	autoerror err = {0};
	_cleanup_(sample_release) struct sample s = {0};
	assert_int_equal(read_sample("- a\n", &s, &err), ERR_INVALID);
	assert_string_equal(err.message, "f.yaml:1: expected a mapping (key: value), not a list");
	assert_int_equal(read_sample("", &s, &err), ERR_INVALID);
	assert_string_equal(err.message, "f.yaml:1: expected a mapping (key: value), not nothing");
}

static void test_near_names(void **state)
{
	(void)state;
	static const char *const known[] = {"tasks", "parallel", "via", "push"};
	assert_string_equal(yaml_near("tsks", known, ARRAY_SIZE(known)), "tasks");
	assert_string_equal(yaml_near("paralel", known, ARRAY_SIZE(known)), "parallel");
	assert_null(yaml_near("repository", known, ARRAY_SIZE(known)));
	assert_null(yaml_near("x", known, ARRAY_SIZE(known)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_types),
		cmocka_unit_test(test_null_where_it_is_allowed),
		cmocka_unit_test(test_problems_come_together_in_line_order),
		cmocka_unit_test(test_problems_are_capped_and_counted),
		cmocka_unit_test(test_what_comes_from_the_file_is_escaped),
		cmocka_unit_test(test_a_document_of_another_kind),
		cmocka_unit_test(test_near_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

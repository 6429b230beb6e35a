/* Tests of merging hooks: exact bytes around foreign ones, and out again without a trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "agent/setup_hooks.h"
#include "base/json.h"

static struct edit_json *parse(const char *text)
{
	struct edit_json *doc = NULL;
	autoerror err = {0};
	if (edit_json_parse("f.json", text, strlen(text), &doc, &err))
		fail_msg("%s: %s", text, err.message);
	return doc;
}

static void assert_text(const struct edit_json *doc, const char *expected)
{
	if (strcmp(strbuf_str(&doc->text), expected) != 0)
		fail_msg("expected:\n%s\ngot:\n%s", expected, strbuf_str(&doc->text));
}

/* One hook a string: "EVENT[:MATCHER] COMMAND". */
static json_t *wanted(const char *const *hooks)
{
	json_t *all = json_object();
	for (; *hooks; hooks++) {
		const char *space = strchr(*hooks, ' ');
		autofree char *event = xstrndup(*hooks, (size_t)(space - *hooks));
		char *colon = strchr(event, ':');
		json_t *group = json_pack("{s:[{s:s, s:s, s:i}]}", "hooks", "type", "command", "command",
					  space + 1, "timeout", 9);
		if (colon)
			json_set_str(group, "matcher", colon + 1);
		if (colon)
			*colon = '\0';
		if (!json_object_get(all, event))
			json_object_set_new(all, event, json_array());
		json_array_append_new(json_object_get(all, event), group);
	}
	return all;
}

static const char *const one[] = {"Stop /a/coppice hook Stop", NULL};

/* Applies, expects `after` and that doing it again changes nothing; drops, expects `text` again. */
static void check(const char *text, const char *const *hooks, const char *after)
{
	autoeditjson *doc = parse(text), *before = parse(text);
	autoerror err = {0};
	json_auto_t *want = wanted(hooks), *changes = json_array(), *none = json_array();
	struct setup_hooks h = {.wanted = want, .program = "/a/coppice"};
	if (setup_hooks_apply(doc, &h, changes, &err))
		fail_msg("%s: %s", text, err.message);
	assert_text(doc, after);
	assert_int_equal(setup_hooks_apply(doc, &h, none, &err), 0);
	assert_text(doc, after);
	assert_int_equal(json_array_size(none), 0);
	assert_true(json_array_size(changes) > 0);
	assert_int_equal(setup_hooks_drop(doc, before, "/a/coppice", none, &err), 0);
	assert_text(doc, text);
}

#define OURS(command) "{\"type\": \"command\", \"command\": \"" command "\", \"timeout\": 9}"
#define GROUP(command) "{\"hooks\": [" OURS(command) "]}"

static void test_X7_hooks_are_put_beside_foreign_ones_and_come_out_without_trace(void **state)
{
	(void)state;
	check("{\"hooks\": {\"Stop\": [{\"hooks\": [{\"command\": \"x\"}]}], \"Other\": 1}}", one,
	      "{\"hooks\": {\"Stop\": [{\"hooks\": [{\"command\": \"x\"}]}, " GROUP(
		      "/a/coppice hook Stop") "], \"Other\": 1}}");
	check("{\"hooks\": {}}", one, "{\"hooks\": {\"Stop\": [" GROUP("/a/coppice hook Stop") "]}}");
	check("{\"a\": 1}", one, "{\"a\": 1, \"hooks\": {\"Stop\": [" GROUP("/a/coppice hook Stop") "]}}");
	check("{\"hooks\": {\"Stop\": [ ]}}", one,
	      "{\"hooks\": {\"Stop\": [" GROUP("/a/coppice hook Stop") "]}}");
	check("{\n\t// mine\n\t\"hooks\": {\n\t\t\"Stop\": [\n\t\t\t{\"hooks\": []}, // "
	      "none\n\t\t],\n\t},\n}\n",
	      one,
	      "{\n\t// mine\n\t\"hooks\": {\n\t\t\"Stop\": [\n\t\t\t{\"hooks\": []}, // none\n\t\t\t{\n"
	      "\t\t\t\t\"hooks\": [\n\t\t\t\t\t{\n\t\t\t\t\t\t\"type\": \"command\",\n"
	      "\t\t\t\t\t\t\"command\": \"/a/coppice hook Stop\",\n\t\t\t\t\t\t\"timeout\": 9\n"
	      "\t\t\t\t\t}\n\t\t\t\t]\n\t\t\t},\n\t\t],\n\t},\n}\n");
	check("", one,
	      "{\n  \"hooks\": {\n    \"Stop\": [\n      {\n        \"hooks\": [\n          {\n"
	      "            \"type\": \"command\",\n            \"command\": \"/a/coppice hook Stop\",\n"
	      "            \"timeout\": 9\n          }\n        ]\n      }\n    ]\n  }\n}\n");
}

static void test_X7_several_of_an_event_share_a_group_by_their_matcher(void **state)
{
	(void)state;
	static const char *const some[] = {"Stop /a/coppice hook Stop", "Stop /a/coppice hook wait",
					   "Note:x|y /a/coppice hook Note", "Stop:z /a/coppice hook Z", NULL};
	check("{\"hooks\":{\"Note\":[]}}", some,
	      "{\"hooks\":{\"Note\":[{\"matcher\":\"x|y\",\"hooks\":[{\"type\":\"command\",\"command\":"
	      "\"/a/coppice hook Note\",\"timeout\":9}]}],\"Stop\":[{\"hooks\":[{\"type\":\"command\","
	      "\"command\":\"/a/coppice hook Stop\",\"timeout\":9},{\"type\":\"command\",\"command\":"
	      "\"/a/coppice hook wait\",\"timeout\":9}]},{\"matcher\":\"z\",\"hooks\":[{\"type\":\"command\","
	      "\"command\":\"/a/coppice hook Z\",\"timeout\":9}]}]}}");
}

/* An older program's hooks are set in place, those of an event that is not wanted any more go, the user's
 * stay. */
static void test_older_hooks_of_ours_are_brought_in_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *after, *change;
	} cases[] = {
		{"{\"hooks\": {\"Stop\": [{\"hooks\": [{\"command\": \"/old/coppice hook Stop\", \"mine\": "
		 "1}]}]}}",
		 "{\"hooks\": {\"Stop\": [{\"hooks\": [{\"command\": \"/a/coppice hook Stop\", \"mine\": 1, "
		 "\"type\": \"command\", \"timeout\": 9}]}]}}",
		 "updated"},
		{"{\"hooks\": {\"Gone\": [" GROUP("/a/coppice hook Gone") "], \"Stop\": [" GROUP(
			 "/a/coppice hook Stop") "]}}",
		 "{\"hooks\": {\"Stop\": [" GROUP("/a/coppice hook Stop") "]}}", "removed"},
		{"{\"hooks\": {\"Stop\": [{\"hooks\": [{\"command\": \"x\"}, " OURS(
			 "/a/coppice hook Other") "]}, " GROUP("/a/coppice hook Stop") "]}}",
		 "{\"hooks\": {\"Stop\": [{\"hooks\": [{\"command\": \"x\"}]}, " GROUP(
			 "/a/coppice hook Stop") "]}}",
		 "removed"},
		/* twice: once is enough */
		{"{\"hooks\": {\"Stop\": [" GROUP("/a/coppice hook Stop") ", " GROUP(
			 "/b/coppice hook Stop") "]}}",
		 "{\"hooks\": {\"Stop\": [" GROUP("/a/coppice hook Stop") "]}}", "removed"},
		/* it waits no more */
		{"{\"hooks\": {\"Stop\": [{\"hooks\": [{\"type\": \"command\", \"command\": \"/a/coppice "
		 "hook "
		 "Stop\", \"timeout\": 9, \"async\": true}]}]}}",
		 "{\"hooks\": {\"Stop\": [" GROUP("/a/coppice hook Stop") "]}}", "updated"},
		/* ours, where the user put it: it is fine there */
		{"{\"hooks\": {\"Stop\": [{\"matcher\": \"*\", \"hooks\": [" OURS(
			 "/a/coppice hook Stop") ", {\"command\": \"x\"}]}]}}",
		 "{\"hooks\": {\"Stop\": [{\"matcher\": \"*\", \"hooks\": [" OURS(
			 "/a/coppice hook Stop") ", {\"command\": \"x\"}]}]}}",
		 NULL},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoeditjson *doc = parse(cases[i].text);
		autoerror err = {0};
		json_auto_t *want = wanted(one), *changes = json_array();
		struct setup_hooks h = {.wanted = want, .program = "/a/coppice"};
		if (setup_hooks_apply(doc, &h, changes, &err))
			fail_msg("%s: %s", cases[i].text, err.message);
		assert_text(doc, cases[i].after);
		assert_int_equal(json_array_size(changes), cases[i].change != NULL);
		if (cases[i].change)
			assert_string_equal(json_str(json_array_get(changes, 0), "change"), cases[i].change);
	}
}

static void test_what_is_not_as_it_should_be_is_refused_with_its_line(void **state)
{
	(void)state;
	static const char *const cases[] = {"{\n\"hooks\": []}", "{\"hooks\": {\n\"Stop\": {}}}",
					    "{\"x\": 1,\n\"hooks\": null}"};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoeditjson *doc = parse(cases[i]);
		autoerror err = {0};
		json_auto_t *want = wanted(one), *changes = json_array();
		struct setup_hooks h = {.wanted = want};
		assert_int_equal(setup_hooks_apply(doc, &h, changes, &err), ERR_INVALID);
		assert_non_null(strstr(err.message, "f.json:2: "));
	}
}

/* Foreign shapes are nobody's business as long as nothing has to be put there. */
static void test_odd_shapes_elsewhere_are_passed_over(void **state)
{
	(void)state;
	check("{\"hooks\": {\"A\": 1, \"B\": [1, [], {}, {\"hooks\": 2}, {\"hooks\": [3, {}, {\"command\": "
	      "4}]}]}}",
	      one,
	      "{\"hooks\": {\"A\": 1, \"B\": [1, [], {}, {\"hooks\": 2}, {\"hooks\": [3, {}, {\"command\": "
	      "4}]}], "
	      "\"Stop\": [" GROUP("/a/coppice hook Stop") "]}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_X7_hooks_are_put_beside_foreign_ones_and_come_out_without_trace),
		cmocka_unit_test(test_X7_several_of_an_event_share_a_group_by_their_matcher),
		cmocka_unit_test(test_older_hooks_of_ours_are_brought_in_line),
		cmocka_unit_test(test_what_is_not_as_it_should_be_is_refused_with_its_line),
		cmocka_unit_test(test_odd_shapes_elsewhere_are_passed_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

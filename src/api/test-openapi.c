/* Tests of the OpenAPI description: it says of each operation what the table says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/route.h"
#include "base/alloc.h"

static const json_t *post_of(const json_t *api, const struct op *op)
{
	autofree char *path = xasprintf("/v1/%s", op->name);
	return json_object_get(json_object_get(json_object_get(api, "paths"), path), "post");
}

/* The value at a path of keys separated by blanks (as some keys hold dots and slashes). */
static const json_t *at(const json_t *json, const char *keys)
{
	autofree char *copy = xstrdup(keys);
	char *rest = copy;
	for (char *key = strsep(&rest, " "); key; key = strsep(&rest, " "))
		json = json_object_get(json, key);
	return json;
}

static const json_t *body_of(const json_t *api, const struct op *op)
{
	return at(post_of(api, op), "requestBody content application/json schema");
}

static void test_every_operation_has_a_path_and_words(void **state)
{
	(void)state;
	json_auto_t *api = api_openapi();
	size_t n = 0;
	for (; op_table[n]; n++) {
		const json_t *post = post_of(api, op_table[n]);
		if (!post)
			fail_msg("%s has no path", op_table[n]->name);
		assert_string_equal(json_str(post, "operationId"), op_table[n]->name);
		assert_string_equal(json_str(post, "summary"), op_table[n]->summary);
		assert_non_null(at(post, "responses 200 content application/json schema"));
		assert_string_equal(json_str(at(post, "responses 200"), "description"), op_table[n]->result);
		assert_string_equal(
			json_str(at(post, "responses default content application/json schema"), "$ref"),
			"#/components/schemas/error");
	}
	const json_t *paths = json_object_get(api, "paths");
	assert_non_null(at(paths, "/v1/events post")); /* the operation and the stream share a path */
	assert_non_null(at(paths, "/v1/events get"));
	assert_int_equal(json_object_size(paths), n);
}

static void assert_schema(const struct op *op, const struct op_param *p, const json_t *schema)
{
	static const char *const types[] = {[OP_TEXT] = "string",
					    [OP_NUMBER] = "integer",
					    [OP_FLAG] = "boolean",
					    [OP_TEXTS] = "array",
					    [OP_OBJECT] = "object"};
	const char *type = json_str(schema, "type");
	if (p->type == OP_ANY ? type != NULL : (!type || strcmp(type, types[p->type]) != 0))
		fail_msg("%s.%s has the type '%s'", op->name, p->name, type ? type : "(none)");
	assert_string_equal(json_str(schema, "description"), p->doc);
	if (p->type == OP_TEXTS)
		assert_string_equal(json_str(json_object_get(schema, "items"), "type"), "string");
}

/* What the description promises is what the check holds to, its defaults included. */
static void assert_limits(const struct op_param *p, const json_t *schema)
{
	json_int_t max = p->max ? p->max : p->type == OP_TEXT ? 4096 : p->type == OP_TEXTS ? 200 : 1LL << 53;
	if (p->type == OP_TEXT)
		assert_int_equal(json_int(schema, "maxLength", -1), max);
	if (p->type == OP_TEXTS) {
		assert_int_equal(json_int(schema, "maxItems", -1), max);
		assert_int_equal(json_int(json_object_get(schema, "items"), "maxLength", -1), 4096);
	}
	if (p->type == OP_NUMBER) {
		assert_int_equal(json_int(schema, "maximum", -1), max);
		assert_int_equal(json_int(schema, "minimum", -1), p->min);
	}
}

static void test_every_parameter_is_typed_and_bounded_as_it_is_checked(void **state)
{
	(void)state;
	json_auto_t *api = api_openapi();
	for (size_t i = 0; op_table[i]; i++) {
		const json_t *properties = json_object_get(body_of(api, op_table[i]), "properties");
		size_t n = 0;
		for (const struct op_param *p = op_table[i]->params; p->name; p++, n++) {
			const json_t *schema = json_object_get(properties, p->name);
			assert_non_null(schema);
			assert_schema(op_table[i], p, schema);
			assert_limits(p, schema);
		}
		assert_int_equal(json_object_size(properties), n);
	}
}

static void test_required_lists_are_right_and_nothing_else_is_taken(void **state)
{
	(void)state;
	json_auto_t *api = api_openapi();
	for (size_t i = 0; op_table[i]; i++) {
		const json_t *body = body_of(api, op_table[i]);
		json_auto_t *want = json_array();
		for (const struct op_param *p = op_table[i]->params; p->name; p++)
			if (p->flags & OP_REQUIRED)
				json_array_append_new(want, json_string(p->name));
		assert_string_equal(json_str(body, "type"), "object");
		assert_true(json_equal(json_object_get(body, "required"), want));
		assert_false(json_bool(body, "additionalProperties", true));
		/* a body may be left out where nothing is required of it */
		bool must = json_bool(at(post_of(api, op_table[i]), "requestBody"), "required", false);
		assert_int_equal(must, json_array_size(want) > 0);
	}
	json_auto_t *ask = json_pack("[s]", "query");
	assert_true(json_equal(json_object_get(body_of(api, op_find("ask")), "required"), ask));
}

static void test_changing_operations_take_an_idempotency_key(void **state)
{
	(void)state;
	json_auto_t *api = api_openapi();
	for (size_t i = 0; op_table[i]; i++) {
		const json_t *list = json_object_get(post_of(api, op_table[i]), "parameters");
		const json_t *key = json_array_get(list, 0);
		assert_int_equal(key != NULL, (op_table[i]->flags & OP_CHANGES) != 0);
		if (!key)
			continue;
		assert_string_equal(json_str(key, "name"), "Idempotency-Key");
		assert_string_equal(json_str(key, "in"), "header");
		assert_int_equal(json_int(json_object_get(key, "schema"), "maxLength", 0), 128);
	}
}

static void test_the_frame(void **state)
{
	(void)state;
	json_auto_t *api = api_openapi();
	assert_string_equal(json_str(api, "openapi"), "3.1.0");
	assert_string_equal(json_str(json_object_get(api, "info"), "title"), "Coppice");
	assert_string_equal(json_str(json_object_get(api, "info"), "version"), COPPICE_VERSION);
	static const char *const fields[] = {"code", "message", "hint", "details"};
	const json_t *error = at(api, "components schemas error properties error properties");
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		assert_non_null(json_object_get(error, fields[i]));
	autofree char *text = json_text(api);
	json_t *again = NULL;
	assert_int_equal(json_parse(text, strlen(text), &again, NULL), 0); /* strict: no key twice */
	assert_true(json_equal(api, again));
	json_decref(again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_operation_has_a_path_and_words),
		cmocka_unit_test(test_every_parameter_is_typed_and_bounded_as_it_is_checked),
		cmocka_unit_test(test_required_lists_are_right_and_nothing_else_is_taken),
		cmocka_unit_test(test_changing_operations_take_an_idempotency_key),
		cmocka_unit_test(test_the_frame),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

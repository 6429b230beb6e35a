/* Tests of the tool lists: what they name, what they cost, and that their schemas say what is true. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "mcp/schema.h"
#include "mcp/tools.h"
#include "ops/table.h"

enum { WORKER_TOOLS_MAX = 12, WORKER_TOKENS_MAX = 2000, BYTES_PER_TOKEN = 4 };

static const json_t *tool(const json_t *list, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(json_str(json_array_get(list, i), "name"), name) == 0)
			return json_array_get(list, i);
	return NULL;
}

static void test_the_worker_list_keeps_to_its_budget(void **state)
{
	(void)state;
	json_auto_t *result = json_pack("{s:o}", "tools", mcp_tool_list(MCP_SET_WORKER));
	autofree char *text = json_text(result);
	assert_true(json_array_size(json_object_get(result, "tools")) <= WORKER_TOOLS_MAX);
	print_message("# %zu tools, %zu bytes, %zu tokens at most\n",
		      json_array_size(json_object_get(result, "tools")), strlen(text),
		      strlen(text) / BYTES_PER_TOKEN);
	assert_true(strlen(text) / BYTES_PER_TOKEN <= WORKER_TOKENS_MAX);
}

static void test_each_set_holds_what_its_role_needs(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool worker, orchestrator;
	} rows[] = {
		{"ask", true, true},
		{"ack", true, true},
		{"wait_on_ack", true, true},
		{"notify_peer", true, true},
		{"list_peers", true, true},
		{"whoami", true, true},
		{"job_status", true, true},
		{"job_update", true, true},
		{"set_description", true, true},
		{"broadcast", false, true},
		{"spawn_peer", false, true},
		{"kill_peer", false, true},
		{"job_create", false, true},
		{"job_list", false, true},
		{"job_result", false, true},
		{"job_cancel", false, true},
		{"worktree_list", false, true},
		{"worktree_create", false, true},
		{"land", false, true},
		{"train_status", false, true},
		{"worktree_remove", false, true},
		{"plan_run", false, true},
		{"plan_status", false, true},
		{"decline", false, true},
		{"plan_cancel", false, false},
		{"job_claim", false, false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(mcp_tool_find(rows[i].name, MCP_SET_WORKER) != NULL, rows[i].worker);
		assert_int_equal(mcp_tool_find(rows[i].name, MCP_SET_ORCHESTRATOR) != NULL,
				 rows[i].orchestrator);
		assert_non_null(mcp_tool_find(rows[i].name, MCP_SET_ALL));
	}
	/* What is the command line's own is no tool, not even of those who get all. */
	static const char *const local[] = {"stop", "register_peer", "inbox", "end_session", "nonsense", ""};
	for (size_t i = 0; i < ARRAY_SIZE(local); i++)
		assert_null(mcp_tool_find(local[i], MCP_SET_ALL));
}

static void test_the_role_decides_which_set(void **state)
{
	(void)state;
	static const struct {
		const char *role;
		enum mcp_set set;
	} rows[] = {{"agent", MCP_SET_WORKER},
		    {"reviewer", MCP_SET_WORKER},
		    {"orchestrator", MCP_SET_ORCHESTRATOR},
		    {"human", MCP_SET_ALL},
		    {"service", MCP_SET_ALL},
		    {"unknown", MCP_SET_ALL},
		    {NULL, MCP_SET_ALL}};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(mcp_set_of_role(rows[i].role), rows[i].set);
	enum mcp_set set;
	assert_int_equal(mcp_set_parse("orchestrator", &set, NULL), 0);
	assert_int_equal(set, MCP_SET_ORCHESTRATOR);
	assert_int_equal(mcp_set_parse("all", &set, NULL), 0);
	assert_int_equal(set, MCP_SET_ALL);
	assert_int_equal(mcp_set_parse("everything", &set, NULL), ERR_INVALID);
}

static void test_every_tool_is_described_whole_and_in_order(void **state)
{
	(void)state;
	json_auto_t *list = mcp_tool_list(MCP_SET_ALL);
	const char *before = "";
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *t = json_array_get(list, i);
		const char *name = json_str(t, "name"), *description = json_str(t, "description");
		assert_true(strcmp(before, name) < 0);
		assert_true(description && *description && strlen(description) <= 120);
		assert_null(strchr(description, '\n'));
		assert_string_equal(json_str(json_object_get(t, "inputSchema"), "type"), "object");
		assert_true(json_is_object(json_object_get(json_object_get(t, "inputSchema"), "properties")));
		assert_string_equal(json_str(json_object_get(t, "outputSchema"), "type"), "object");
		assert_true(json_object_size(json_object_get(t, "annotations")) > 0);
		before = name;
	}
}

static void test_inputs_follow_the_operation_table(void **state)
{
	(void)state;
	json_auto_t *list = mcp_tool_list(MCP_SET_ALL);
	const json_t *ask = json_object_get(tool(list, "ask"), "inputSchema");
	json_auto_t *required = json_pack("[s]", "query");
	assert_true(json_equal(json_object_get(ask, "required"), required));
	assert_non_null(json_object_get(json_object_get(ask, "properties"), "reply_to"));
	assert_null(json_object_get(json_object_get(ask, "properties"), "expires_seconds")); /* unlisted */
	json_auto_t *seconds = json_pack("{s:s, s:i, s:s}", "type", "integer", "maximum", 25, "description",
					 "at most so long");
	const json_t *wait = json_object_get(tool(list, "wait_on_ack"), "inputSchema");
	assert_true(
		json_equal(json_object_get(json_object_get(wait, "properties"), "timeout_seconds"), seconds));
	/* The session knows where it works. */
	const json_t *land = json_object_get(tool(list, "land"), "inputSchema");
	json_auto_t *branches = json_pack("[s]", "branches");
	assert_non_null(json_object_get(json_object_get(land, "properties"), "dir"));
	assert_true(json_equal(json_object_get(land, "required"), branches));
}

static void test_hints_follow_the_flags(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool reads, destroys, settles;
	} rows[] = {{"whoami", true, false, false},	    {"list_peers", true, false, false},
		    {"ask", false, false, false},	    {"ack", false, false, true},
		    {"kill_peer", false, true, true},	    {"set_description", false, false, true},
		    {"worktree_remove", false, true, true}, {"land", false, false, false}};
	json_auto_t *list = mcp_tool_list(MCP_SET_ALL);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const json_t *hints = json_object_get(tool(list, rows[i].name), "annotations");
		assert_int_equal(json_bool(hints, "readOnlyHint", false), rows[i].reads);
		assert_int_equal(json_bool(hints, "destructiveHint", !rows[i].reads), rows[i].destroys);
		assert_int_equal(json_bool(hints, "idempotentHint", false), rows[i].settles);
		assert_int_equal(json_bool(hints, "openWorldHint", false), false);
	}
}

static void assert_output(const char *result, const char *schema)
{
	struct op op = {.name = "x", .result = result};
	json_auto_t *made = mcp_output_schema(&op);
	autofree char *text = json_text(made);
	assert_string_equal(text, schema);
}

static void test_outputs_follow_the_shapes_of_answers(void **state)
{
	(void)state;
	assert_output("{}", "{\"type\":\"object\",\"properties\":{}}");
	assert_output("{\"to\",\"odd\"}",
		      "{\"type\":\"object\",\"properties\":{\"to\":{\"type\":\"string\"},\"odd\":{}}}");
	assert_output("{\"list\":[{\"pid\"}],\"refused\":[…]}",
		      "{\"type\":\"object\",\"properties\":{\"list\":{\"type\":\"array\",\"items\":{\"type\":"
		      "\"object\",\"properties\":{\"pid\":{\"type\":\"integer\"}}}},\"refused\":{\"type\":"
		      "\"array\"}}}");
	assert_output("{\"state\",…}",
		      "{\"type\":\"object\",\"properties\":{\"state\":{\"type\":\"string\"}}}");
	/* More than one shape, or what is none. */
	static const char *const odd[] = {"{\"a\"} or {\"b\"}",
					  "{\"a\"",
					  "{\"a\":}",
					  "",
					  "[",
					  "{\"a\":7}",
					  "{\"a\",}",
					  "{\"a\":[{\"a\":[{\"a\":[{\"a\":[{\"a\":[{}]}]}]}]}]}"};
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		assert_output(odd[i], "{\"type\":\"object\"}");
}

/* A tool whose answer has one shape says so field by field. */
static void test_every_answer_of_one_shape_has_a_schema(void **state)
{
	(void)state;
	for (size_t i = 0; op_table[i]; i++) {
		json_auto_t *schema = mcp_output_schema(op_table[i]);
		bool several = strstr(op_table[i]->result, " or ") != NULL;
		if ((op_table[i]->flags & OP_LOCAL) == 0 && !several)
			assert_true(json_object_size(json_object_get(schema, "properties")) > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_worker_list_keeps_to_its_budget),
		cmocka_unit_test(test_each_set_holds_what_its_role_needs),
		cmocka_unit_test(test_the_role_decides_which_set),
		cmocka_unit_test(test_every_tool_is_described_whole_and_in_order),
		cmocka_unit_test(test_inputs_follow_the_operation_table),
		cmocka_unit_test(test_hints_follow_the_flags),
		cmocka_unit_test(test_outputs_follow_the_shapes_of_answers),
		cmocka_unit_test(test_every_answer_of_one_shape_has_a_schema),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of the operation table itself: who may call what (S8), and how parameters are checked. */
#include "ops/testing.h"

/* S8, written by hand: unknown, agent, reviewer, orchestrator, service, human. */
#define ANYONE "UAROSH"
#define KNOWN "-AROSH"
#define LEADERS "---OSH"
static const struct {
	const char *op, *who;
} s8[] = {
	{"ack", KNOWN},
	{"ask", ANYONE}, /* an unknown caller sends as `unknown` (I2) */
	{"answer", KNOWN},
	{"ask_many", KNOWN},
	{"ask_many_result", KNOWN}, /* the asker only: see mesh */
	{"assign_peer", "----SH"},
	{"orchestrator_status", LEADERS},
	{"asks", ANYONE},
	{"await_role", KNOWN}, /* a peer only */
	{"broadcast", KNOWN},
	{"config", ANYONE}, /* reads it; nothing writes it but the human's editor */
	{"dead_drop", KNOWN},
	{"dead_retry", KNOWN},
	{"decline", KNOWN},
	{"end_session", KNOWN},
	{"delivery_report", KNOWN}, /* messages to oneself only */
	{"delivery_take", KNOWN},   /* a peer only */
	{"events", ANYONE},
	{"inbox", KNOWN},
	{"inbox_confirm", KNOWN},
	{"job_cancel", LEADERS},
	{"job_claim", KNOWN},
	{"job_create", KNOWN},
	{"job_list", ANYONE},
	{"job_result", ANYONE},
	{"job_status", ANYONE},
	{"job_update", KNOWN}, /* own job: see below */
	{"kill_peer", KNOWN},  /* own children: see below */
	{"land", LEADERS},
	{"link_host", ANYONE}, /* by the credentials of its socket */
	{"list_peers", ANYONE},
	{"notify_peer", ANYONE},
	{"peer_terminal", KNOWN},
	{"plan_cancel", LEADERS},
	{"plan_run", LEADERS},
	{"plan_status", ANYONE},
	{"register_peer", ANYONE}, /* how an agent becomes known */
	{"session_event", ANYONE}, /* how an agent becomes known */
	{"set_description", KNOWN},
	{"show_peer", ANYONE},
	{"spawn_peer", LEADERS},
	{"status", ANYONE},
	{"stop", "----SH"},
	{"trace", ANYONE},
	{"train_status", ANYONE},
	{"trash_list", ANYONE},
	{"wait_on_ack", ANYONE}, /* the asker only: see mesh */
	{"whoami", ANYONE},
	{"worktree_create", LEADERS},
	{"worktree_list", ANYONE},
	{"worktree_path", ANYONE},
	{"worktree_remove", LEADERS},
	{"worktree_restore", LEADERS},
};

static void test_S8_each_operation_by_each_kind_and_role(void **state)
{
	struct rig *r = *state;
	struct caller callers[CALLERS];
	make_callers(r, callers);
	for (size_t i = 0; op_table[i]; i++) {
		const char *who = NULL;
		for (size_t k = 0; k < ARRAY_SIZE(s8); k++)
			if (strcmp(s8[k].op, op_table[i]->name) == 0)
				who = s8[k].who;
		if (!who)
			fail_msg("say in this table who may call %s", op_table[i]->name);
		for (int c = 0; c < CALLERS; c++) {
			autoerror err = {0};
			int code = op_check_caller(op_table[i], &callers[c], &err);
			if (code != (who[c] == '-' ? ERR_FORBIDDEN : 0))
				fail_msg("%s by %s gave %d", op_table[i]->name, callers[c].name, code);
			if (code)
				assert_non_null(err.hint); /* what to do about it */
		}
	}
	for (size_t k = 0; k < ARRAY_SIZE(s8); k++)
		if (!op_find(s8[k].op))
			fail_msg("there is no operation %s", s8[k].op);
}

static void test_the_table_is_sorted_and_documented(void **state)
{
	(void)state;
	for (size_t i = 0; op_table[i]; i++) {
		const struct op *op = op_table[i];
		if (i && strcmp(op_table[i - 1]->name, op->name) >= 0)
			fail_msg("%s is out of order", op->name);
		assert_ptr_equal(op_find(op->name), op);
		assert_int_equal(strspn(op->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(op->name));
		assert_true(op->summary && op->summary[strlen(op->summary) - 1] == '.');
		assert_null(strchr(op->summary, '\n'));
		assert_true(op->result && op->result[0] == '{');
		assert_non_null(op->handle);
		assert_int_not_equal(op->who, 0);
		assert_non_null(op->params);
		for (const struct op_param *p = op->params; p->name; p++) {
			if (!p->doc || !*p->doc)
				fail_msg("%s.%s has no description", op->name, p->name);
			assert_int_equal(strspn(p->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(p->name));
			assert_true(p->min <= p->max || !p->max);
			for (const struct op_param *q = op->params; q != p; q++)
				assert_string_not_equal(p->name, q->name);
		}
	}
	assert_null(op_find("nothing"));
	assert_null(op_find(""));
}

static void test_A5_waits_are_slices_of_at_most_25_seconds(void **state)
{
	(void)state;
	for (size_t i = 0; op_table[i]; i++) {
		const struct op_param *p = op_table[i]->params;
		while (p->name && !strstr(p->name, "_seconds"))
			p++;
		if ((op_table[i]->flags & OP_WAITS) &&
		    !(op_table[i]->flags & OP_TAKES)) /* a way waits as long as it is open */
			assert_int_equal(p->max, 25);
	}
}

static const struct op checked = {
	.name = "checked",
	.params = (const struct op_param[]){{"must", OP_TEXT, OP_REQUIRED, "it", 5, 0},
					    {"lines", OP_TEXT, OP_MULTILINE, "lines", 0, 0},
					    {"number", OP_NUMBER, 0, "a number", 10, 2},
					    {"flag", OP_FLAG, 0, "a flag", 0, 0},
					    {"list", OP_TEXTS, 0, "a list", 2, 0},
					    {"long_list", OP_TEXTS, 0, "a list", 0, 0},
					    {"object", OP_OBJECT, 0, "an object", 0, 0},
					    {"any", OP_ANY, 0, "anything", 0, 0},
					    {0}}};

static int check_text(const char *json, json_t **ret)
{
	autoerror err = {0};
	json_auto_t *params = json_loads(json, JSON_DECODE_ANY, NULL);
	assert_non_null(params);
	int code = op_check_params(&checked, params, &err);
	assert_int_equal(code, err.code);
	if (ret)
		*ret = json_incref(params);
	return code;
}

static void test_S3_parameters_are_checked_against_the_table(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		int code;
	} cases[] = {
		{"{\"must\":\"x\"}", 0},
		{"{\"must\":\"12345\"}", 0},
		{"{\"must\":\"123456\"}", ERR_TOO_LARGE},
		{"{\"must\":\"\"}", 0},
		{"{}", ERR_INVALID},
		{"{\"must\":null}", ERR_INVALID},
		{"{\"must\":5}", ERR_INVALID},
		{"{\"must\":[\"x\"]}", ERR_INVALID},
		{"[]", ERR_INVALID},
		{"\"must\"", ERR_INVALID},
		{"null", ERR_INVALID},
		{"{\"must\":\"x\",\"other\":1}", ERR_INVALID},
		{"{\"must\":\"x\",\"other\":null}", ERR_INVALID},
		{"{\"must\":\"x\",\"Must\":\"x\"}", ERR_INVALID},
		{"{\"must\":\"a\\nb\"}", ERR_INVALID},
		{"{\"must\":\"a\\u001bb\"}", ERR_INVALID},
		{"{\"must\":\"a\\u007fb\"}", ERR_INVALID},
		{"{\"must\":\"x\",\"lines\":\"a\\nb\\tc\"}", 0},
		{"{\"must\":\"x\",\"number\":2}", 0},
		{"{\"must\":\"x\",\"number\":10}", 0},
		{"{\"must\":\"x\",\"number\":1}", ERR_INVALID},
		{"{\"must\":\"x\",\"number\":11}", ERR_INVALID},
		{"{\"must\":\"x\",\"number\":2.5}", ERR_INVALID},
		{"{\"must\":\"x\",\"number\":\"2\"}", ERR_INVALID},
		{"{\"must\":\"x\",\"number\":true}", ERR_INVALID},
		{"{\"must\":\"x\",\"flag\":true}", 0},
		{"{\"must\":\"x\",\"flag\":1}", ERR_INVALID},
		{"{\"must\":\"x\",\"flag\":\"true\"}", ERR_INVALID},
		{"{\"must\":\"x\",\"list\":[\"a\",\"b\"]}", 0},
		{"{\"must\":\"x\",\"list\":[]}", 0},
		{"{\"must\":\"x\",\"list\":[\"a\",\"b\",\"c\"]}", ERR_TOO_LARGE},
		{"{\"must\":\"x\",\"list\":\"a\"}", ERR_INVALID},
		{"{\"must\":\"x\",\"list\":[1]}", ERR_INVALID},
		{"{\"must\":\"x\",\"list\":[null]}", ERR_INVALID},
		{"{\"must\":\"x\",\"list\":[\"a\\nb\"]}", ERR_INVALID},
		{"{\"must\":\"x\",\"object\":{\"a\":1}}", 0},
		{"{\"must\":\"x\",\"object\":[]}", ERR_INVALID},
		{"{\"must\":\"x\",\"object\":\"{}\"}", ERR_INVALID},
		{"{\"must\":\"x\",\"any\":[1,{\"a\":null}]}", 0},
		{"{\"must\":\"x\",\"number\":null,\"flag\":null,\"list\":null,\"object\":null,\"any\":null}",
		 0},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (check_text(cases[i].json, NULL) != cases[i].code)
			fail_msg("%s is not %d", cases[i].json, cases[i].code);
}

static void test_a_null_means_left_out(void **state)
{
	(void)state;
	json_auto_t *params = NULL;
	assert_int_equal(check_text("{\"number\":null,\"must\":\"x\",\"flag\":null,\"any\":null}", &params),
			 0);
	json_auto_t *want = json_pack("{s:s}", "must", "x");
	assert_true(json_equal(params, want));
}

static void test_S3_sizes_are_capped_where_the_table_says_nothing(void **state)
{
	(void)state;
	autofree char *text = xcalloc(1, 4098);
	memset(text, 'x', 4097);
	json_auto_t *params = json_pack("{s:s, s:s}", "must", "x", "lines", text);
	assert_int_equal(op_check_params(&checked, params, NULL), ERR_TOO_LARGE);
	text[4096] = '\0';
	json_object_set_new(params, "lines", json_string(text));
	assert_int_equal(op_check_params(&checked, params, NULL), 0);
	json_t *list = json_array();
	for (int i = 0; i < 200; i++)
		json_array_append_new(list, json_string("x"));
	json_object_set_new(params, "long_list", list);
	assert_int_equal(op_check_params(&checked, params, NULL), 0);
	json_array_append_new(list, json_string("x"));
	assert_int_equal(op_check_params(&checked, params, NULL), ERR_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(test_S8_each_operation_by_each_kind_and_role),
		cmocka_unit_test(test_the_table_is_sorted_and_documented),
		cmocka_unit_test(test_A5_waits_are_slices_of_at_most_25_seconds),
		cmocka_unit_test(test_S3_parameters_are_checked_against_the_table),
		cmocka_unit_test(test_a_null_means_left_out),
		cmocka_unit_test(test_S3_sizes_are_capped_where_the_table_says_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

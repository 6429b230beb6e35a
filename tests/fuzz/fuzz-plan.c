/* Fuzzes plan files, as YAML and, where the input is that, as JSON. An accepted plan can be carried out:
 * its order respects the needs, its names are ones that git takes, and it comes back from JSON the same. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "fuzz.h"
#include "work/plan_file.h"

/* No folder, so that nothing on this machine is read. */
static const struct plan_source here = {
	.file = "plan.yaml",
	.cwd = "/cwd",
	.home = "/home/u",
	.target = "main",
	.default_backend = "codex",
};

static void check_task(const struct plan_file *plan, size_t i, const size_t *place)
{
	const struct plan_task *t = &plan->tasks[i];
	bool is_script = strcmp(t->backend, "script") == 0;
	assert(!branch_name_check(t->branch, NULL) && plan_file_task(plan, t->branch) == (ptrdiff_t)i);
	assert(strcmp(t->branch, plan->into) != 0);
	assert(is_script == (t->run != NULL) && is_script == (t->prompt == NULL));
	assert(!t->run || *t->run[0]);
	assert(!t->circle || !circle_name_check(t->circle, NULL));
	assert(t->start == PLAN_START_PARALLEL || t->n_needs >= 1);
	assert(t->start != PLAN_START_STACKED || t->n_needs == 1);
	for (size_t k = 0; k < t->n_needs; k++)
		assert(place[t->needs[k]] < place[i]);
}

static void check_plan(const struct plan_file *plan)
{
	size_t order[PLAN_TASKS_MAX], place[PLAN_TASKS_MAX];
	assert(plan->n_tasks >= 1 && plan->n_tasks <= PLAN_TASKS_MAX && plan->repo[0] == '/');
	assert(plan->parallel >= 1 && plan->parallel <= PLAN_PARALLEL_MAX && plan->attempts >= 1);
	assert((plan->gate == PLAN_GATE_COMMANDS) == (json_array_size(plan->gate_commands) > 0));
	assert(!plan->review.present || !plan->review.backend != !plan->review.peer);
	memset(place, 0xFF, sizeof(place));
	plan_file_order(plan, order);
	for (size_t i = 0; i < plan->n_tasks; i++) {
		assert(place[order[i]] == SIZE_MAX);
		place[order[i]] = i;
	}
	for (size_t i = 0; i < plan->n_tasks; i++)
		check_task(plan, i, place);
	json_auto_t *json = plan_file_to_json(plan);
	autoplan *again = NULL;
	int r = plan_file_from_json(json, &(struct plan_source){.file = "plan"}, &again, NULL);
	assert(!r);
	json_auto_t *second = plan_file_to_json(again);
	assert(json_equal(json, second));
}

static void check_refusal(int r, const struct error *err)
{
	assert(r == ERR_INVALID || r == ERR_TOO_LARGE);
	assert(utf8_valid(err->message, strlen(err->message)));
	for (const char *p = err->message; *p; p++)
		assert(*p == '\n' || (unsigned char)*p >= 0x20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plan_source src = here;
	autoerror err = {0};
	autoplan *plan = NULL, *from_json = NULL;
	autofree char *repo = NULL;
	json_auto_t *json = NULL;
	src.text = (const char *)data;
	src.len = size;
	int r = plan_file_parse(&src, &plan, &err);
	if (r)
		check_refusal(r, &err);
	else
		check_plan(plan);
	if (!plan_file_repo(&src, &repo, NULL))
		assert(*repo == '/' && (!plan || strcmp(repo, plan->repo) == 0));
	if (json_parse(src.text, size, &json, NULL))
		return 0;
	r = plan_file_from_json(json, &here, &from_json, &err);
	if (r)
		check_refusal(r, &err);
	else
		check_plan(from_json);
	return 0;
}

/* Tests of jobs: attempts and retries, cancelling, results, and how a job looks. */
#include "work/testing.h"

static void test_J4_a_job_that_was_anybodys_is_anybodys_again_for_its_retry(void **state)
{
	struct world *w = *state;
	struct peer_ref a = world_agent(w, "a", NULL, NULL);
	struct peer_ref b = world_agent(w, "b", NULL, NULL);
	char id[ID_SIZE];
	int64_t attempt, fence;
	new_job(w, &(struct job_spec){.title = "t", .max_attempts = 2}, id);
	assert_int_equal(job_claim(w->s, id, a.peer_id, JOB_RUNNING, &attempt, &fence, NULL), 0);
	assert_string_equal(job_row(w, id).peer_id, a.peer_id);
	job_attempt_lost(w->s, id, fence, false, "gone");
	assert_string_equal(job_row(w, id).peer_id, "");
	assert_int_equal(job_claim(w->s, id, b.peer_id, JOB_RUNNING, &attempt, &fence, NULL), 0);
	assert_string_equal(job_row(w, id).peer_id, b.peer_id);
	assert_int_equal(job_update(w->s, id, fence, &(struct job_change){.state = JOB_COMPLETED}, NULL), 0);
	assert_string_equal(job_row(w, id).peer_id, b.peer_id); /* who did it stays known */
}

static void test_J4_a_lost_executor_fails_its_attempt_and_retries_are_counted(void **state)
{
	struct world *w = *state;
	struct held held;
	char id[ID_SIZE];
	new_job(w, &(struct job_spec){.title = "t", .max_attempts = 2}, id);
	claim(w, id, JOB_RUNNING, &held);
	job_attempt_lost(w->s, id, held.fence, false, "killed");
	assert_state(w, id, JOB_READY);
	job_attempt_lost(w->s, id, held.fence, false, "killed"); /* told twice */
	assert_state(w, id, JOB_READY);
	assert_int_equal(attempts_in(w, id, "failed"), 1);
	claim(w, id, JOB_RUNNING, &held);
	job_attempt_lost(w->s, id, held.fence, false, "killed again");
	assert_state(w, id, JOB_FAILED);
	assert_reason(w, id, "killed again");
	job_attempt_lost(w->s, id, held.fence, false, "killed again");
	assert_int_equal(attempts_in(w, id, "failed"), 2);
	assert_int_equal(world_events(w, "job.failed", id), 1);
}

static void test_J4_a_reported_failure_uses_an_attempt_too(void **state)
{
	struct world *w = *state;
	struct held held;
	char id[ID_SIZE];
	new_job(w, &(struct job_spec){.title = "t", .max_attempts = 2}, id);
	claim(w, id, JOB_RUNNING, &held);
	assert_int_equal(report(w, &held, JOB_FAILED), 0);
	assert_state(w, id, JOB_READY);
	claim(w, id, JOB_DISPATCHED, &held);
	assert_int_equal(report(w, &held, JOB_FAILED), 0);
	assert_state(w, id, JOB_FAILED);
}

static void test_J4_an_interrupted_attempt_costs_nothing(void **state)
{
	struct world *w = *state;
	struct held held;
	char id[ID_SIZE];
	new_job(w, &(struct job_spec){.title = "t", .max_attempts = 2}, id);
	for (int i = 0; i < 3; i++) {
		claim(w, id, JOB_RUNNING, &held);
		assert_int_equal(held.attempt, i + 1);
		job_attempt_lost(w->s, id, held.fence, true, "a reboot");
		assert_state(w, id, JOB_READY);
	}
	assert_int_equal(attempts_in(w, id, "interrupted"), 3);
	claim(w, id, JOB_RUNNING, &held);
	job_attempt_lost(w->s, id, held.fence, false, "gone");
	assert_state(w, id, JOB_READY); /* the two that it may fail are still to come */
	claim(w, id, JOB_RUNNING, &held);
	job_attempt_lost(w->s, id, held.fence, false, "gone");
	assert_state(w, id, JOB_FAILED);
}

static void test_J4_losing_what_nobody_works_on_changes_nothing(void **state)
{
	struct world *w = *state;
	static const enum job_state idle[] = {JOB_QUEUED, JOB_READY,	 JOB_COMPLETED,
					      JOB_FAILED, JOB_CANCELLED, JOB_EXPIRED};
	for (size_t i = 0; i < ARRAY_SIZE(idle); i++) {
		struct held held;
		job_in(w, idle[i], &held);
		job_attempt_lost(w->s, held.id, held.fence, false, "gone");
		assert_state(w, held.id, idle[i]);
	}
	struct held failed;
	char blocked[ID_SIZE];
	job_in(w, JOB_FAILED, &failed);
	needing(w, "blocked", NEEDS(failed.id), blocked);
	job_attempt_lost(w->s, blocked, 0, false, "gone"); /* it never had an attempt to lose */
	assert_state(w, blocked, JOB_BLOCKED);
	job_attempt_lost(w->s, "job-nothing", 1, false, "gone");
}

static void test_J5_a_job_nobody_works_on_is_cancelled_at_once(void **state)
{
	struct world *w = *state;
	static const enum job_state idle[] = {JOB_QUEUED, JOB_READY};
	for (size_t i = 0; i < ARRAY_SIZE(idle); i++) {
		struct held held;
		enum job_state ended;
		job_in(w, idle[i], &held);
		assert_int_equal(job_cancel(w->s, held.id, NULL, "no", &ended, NULL), 0);
		assert_int_equal(ended, JOB_CANCELLED);
		assert_state(w, held.id, JOB_CANCELLED);
		assert_int_equal(world_events(w, "job.cancel_requested", held.id), 0);
	}
}

static void test_J5_cancelling_an_attempt_is_a_request_first(void **state)
{
	struct world *w = *state;
	static const enum job_state busy[] = {JOB_DISPATCHED, JOB_RUNNING, JOB_AWAITING_INPUT, JOB_BLOCKED};
	for (size_t i = 0; i < ARRAY_SIZE(busy); i++) {
		struct held held;
		enum job_state now;
		job_in(w, busy[i], &held);
		assert_int_equal(job_cancel(w->s, held.id, NULL, "please stop", &now, NULL), 0);
		assert_int_equal(now, busy[i]);
		assert_true(job_row(w, held.id).cancel_requested);
		assert_int_equal(world_events(w, "job.cancel_requested", held.id), 1);
		job_attempt_lost(w->s, held.id, held.fence, false, "killed");
		assert_state(w, held.id, JOB_CANCELLED);
	}
}

static void test_J5_a_cancelled_job_is_not_retried(void **state)
{
	struct world *w = *state;
	struct held held;
	enum job_state now;
	char id[ID_SIZE];
	new_job(w, &(struct job_spec){.title = "t", .max_attempts = 9}, id);
	claim(w, id, JOB_RUNNING, &held);
	assert_int_equal(job_cancel(w->s, id, NULL, "stop", &now, NULL), 0);
	assert_int_equal(report(w, &held, JOB_FAILED), 0);
	assert_state(w, id, JOB_CANCELLED);
}

static void test_J5_completing_wins_and_final_states_stay(void **state)
{
	struct world *w = *state;
	struct held held;
	enum job_state now;
	job_in(w, JOB_RUNNING, &held);
	assert_int_equal(job_cancel(w->s, held.id, NULL, "stop", &now, NULL), 0);
	assert_int_equal(report(w, &held, JOB_COMPLETED), 0);
	assert_state(w, held.id, JOB_COMPLETED);
	for (int final = JOB_COMPLETED; final < JOB_STATE_MAX_; final++) {
		job_in(w, (enum job_state) final, &held);
		assert_int_equal(job_cancel(w->s, held.id, NULL, "too late", &now, NULL), 0);
		assert_int_equal(now, final);
		assert_state(w, held.id, (enum job_state) final);
	}
	assert_int_equal(job_cancel(w->s, "job-nothing", NULL, NULL, &now, NULL), ERR_NOT_FOUND);
}

static void test_J5_every_request_is_kept(void **state)
{
	struct world *w = *state;
	struct held held;
	enum job_state now;
	job_in(w, JOB_RUNNING, &held);
	assert_int_equal(job_cancel(w->s, held.id, "peer-x", "once", &now, NULL), 0);
	assert_int_equal(job_cancel(w->s, held.id, NULL, "twice", &now, NULL), 0);
	assert_int_equal(report(w, &held, JOB_COMPLETED), 0);
	assert_int_equal(job_cancel(w->s, held.id, NULL, "after the end", &now, NULL), 0);
	json_auto_t *job = job_to_json(w->s, held.id, true);
	const json_t *requests = json_object_get(job, "requests");
	static const char *const texts[] = {"once", "twice", "after the end"};
	assert_int_equal(json_array_size(requests), 3);
	for (size_t i = 0; i < 3; i++) {
		const json_t *r = json_array_get(requests, i);
		assert_string_equal(json_str(r, "kind"), "cancel");
		assert_string_equal(json_str(r, "text"), texts[i]);
		assert_non_null(json_str(r, "at"));
	}
	assert_string_equal(json_str(json_array_get(requests, 0), "by"), "peer-x");
}

static char *text_of(size_t len)
{
	char *text = xcalloc(1, len + 1);
	memset(text, 'x', len);
	return text;
}

static json_t *artifacts_of(size_t n, const char *value)
{
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s, s:s}", "kind", "file", "value", value));
	return list;
}

static void test_J6_a_result_is_kept_and_replaced_part_by_part(void **state)
{
	struct world *w = *state;
	struct held held;
	job_in(w, JOB_RUNNING, &held);
	json_auto_t *data = json_pack("{s:i}", "tests", 12);
	json_auto_t *artifacts = json_pack("[{s:s, s:s}]", "kind", "branch", "value", "feat/a");
	struct job_change first = {
		.state = JOB_RUNNING, .summary = "half", .data = data, .artifacts = artifacts};
	assert_int_equal(job_update(w->s, held.id, held.fence, &first, NULL), 0);
	struct job_change last = {.state = JOB_COMPLETED, .summary = "all"};
	assert_int_equal(job_update(w->s, held.id, held.fence, &last, NULL), 0);
	json_auto_t *job = job_to_json(w->s, held.id, false);
	json_auto_t *want = json_pack("{s:s, s:{s:i}, s:[{s:s, s:s}]}", "summary", "all", "data", "tests", 12,
				      "artifacts", "kind", "branch", "value", "feat/a");
	assert_true(json_equal(json_object_get(job, "result"), want));
}

static void test_J6_results_are_bounded(void **state)
{
	struct world *w = *state;
	struct held held;
	job_in(w, JOB_RUNNING, &held);
	autofree char *fits = text_of(JOB_SUMMARY_MAX);
	autofree char *over = text_of(JOB_SUMMARY_MAX + 1);
	autofree char *huge = text_of(JOB_DATA_MAX);
	json_auto_t *big = json_pack("{s:s}", "x", huge);
	json_auto_t *many = artifacts_of(JOB_ARTIFACTS_MAX + 1, "a");
	json_auto_t *wide = artifacts_of(1, over);
	json_auto_t *odd = json_pack("[{s:s}]", "kind", "file");
	json_auto_t *flat = json_pack("[s]", "file");
	json_auto_t *text = json_string("file");
	const struct {
		struct job_change change;
		int code;
	} cases[] = {
		{{.summary = over}, ERR_TOO_LARGE}, {{.reason = over}, ERR_TOO_LARGE},
		{{.data = big}, ERR_TOO_LARGE},	    {{.artifacts = many}, ERR_TOO_LARGE},
		{{.artifacts = wide}, ERR_INVALID}, {{.artifacts = odd}, ERR_INVALID},
		{{.artifacts = flat}, ERR_INVALID}, {{.artifacts = text}, ERR_INVALID},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct job_change change = cases[i].change;
		change.state = JOB_COMPLETED;
		assert_int_equal(job_update(w->s, held.id, held.fence, &change, NULL), cases[i].code);
		assert_state(w, held.id, JOB_RUNNING);
	}
	json_auto_t *most = artifacts_of(JOB_ARTIFACTS_MAX, "a");
	struct job_change change = {.state = JOB_COMPLETED, .summary = fits, .artifacts = most};
	assert_int_equal(job_update(w->s, held.id, held.fence, &change, NULL), 0);
}

static void test_J6_a_job_itself_is_bounded(void **state)
{
	struct world *w = *state;
	char id[ID_SIZE];
	autofree char *title = text_of(JOB_TITLE_MAX + 1);
	autofree char *text = text_of(JOB_TEXT_MAX + 1);
	const struct {
		struct job_spec spec;
		int code;
	} cases[] = {
		{{.title = NULL}, ERR_INVALID},
		{{.title = ""}, ERR_INVALID},
		{{.title = title}, ERR_INVALID},
		{{.title = "two\nlines"}, ERR_INVALID},
		{{.title = "t", .text = text}, ERR_TOO_LARGE},
		{{.title = "t", .max_attempts = -1}, ERR_INVALID},
		{{.title = "t", .max_attempts = 101}, ERR_INVALID},
		{{.title = "t", .branch = "a..b"}, ERR_INVALID},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(job_create(w->s, &cases[i].spec, id, NULL), cases[i].code);
	char need[ID_SIZE];
	plain(w, "need", need);
	const char *needs[JOB_NEEDS_MAX + 2] = {0};
	for (int i = 0; i <= JOB_NEEDS_MAX; i++)
		needs[i] = need;
	struct job_spec spec = {.title = "t", .needs = needs};
	assert_int_equal(job_create(w->s, &spec, id, NULL), ERR_TOO_LARGE);
	needs[JOB_NEEDS_MAX] = NULL;
	new_job(w, &spec, id); /* the same one many times is one need */
	assert_int_equal(db_int(w->s, 0, "SELECT count(*) FROM job_dep WHERE job_id = ?", "s", id), 1);
}

static void assert_fields(const json_t *object, const char *const *fields, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!json_object_get(object, fields[i]))
			fail_msg("there is no field '%s'", fields[i]);
}

static void test_the_shape_that_scripts_rely_on(void **state)
{
	struct world *w = *state;
	static const char *const fields[] = {"job_id",	"title", "state",  "reason", "needs",
					     "attempt", "fence", "branch", "peer",   "result"};
	static const char *const result[] = {"summary", "data", "artifacts"};
	static const char *const attempt[] = {"attempt", "fence",      "peer",	  "state",
					      "reason",	 "started_at", "ended_at"};
	struct held held;
	job_in(w, JOB_RUNNING, &held);
	json_auto_t *job = job_to_json(w->s, held.id, true);
	assert_fields(job, fields, ARRAY_SIZE(fields));
	assert_fields(json_object_get(job, "result"), result, ARRAY_SIZE(result));
	assert_fields(json_array_get(json_object_get(job, "attempts"), 0), attempt, ARRAY_SIZE(attempt));
	assert_int_equal(json_int(job, "fence", 0), held.fence);
	assert_true(json_is_null(json_object_get(job, "peer")));
	assert_null(job_to_json(w->s, "job-nothing", false));
}

static void test_lists_and_counts(void **state)
{
	struct world *w = *state;
	struct held held;
	char a[ID_SIZE], b[ID_SIZE];
	plain(w, "a", a);
	plain(w, "b", b);
	job_in(w, JOB_COMPLETED, &held);
	json_auto_t *all = job_list(w->s, NULL, NULL, NULL, 10);
	const json_t *jobs = json_object_get(all, "jobs");
	assert_int_equal(json_array_size(jobs), 3);
	assert_string_equal(json_str(json_array_get(jobs, 0), "job_id"), held.id); /* newest first */
	json_auto_t *ready = job_list(w->s, "ready", NULL, NULL, 1);
	jobs = json_object_get(ready, "jobs");
	assert_int_equal(json_array_size(jobs), 1);
	assert_string_equal(json_str(json_array_get(jobs, 0), "job_id"), b);
	json_auto_t *counts = job_counts(w->s);
	json_auto_t *want = json_pack("{s:i, s:i}", "completed", 1, "ready", 2);
	assert_true(json_equal(counts, want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_J4_a_lost_executor_fails_its_attempt_and_retries_are_counted),
		world_test(test_J4_a_reported_failure_uses_an_attempt_too),
		world_test(test_J4_an_interrupted_attempt_costs_nothing),
		world_test(test_J4_losing_what_nobody_works_on_changes_nothing),
		world_test(test_J4_a_job_that_was_anybodys_is_anybodys_again_for_its_retry),
		world_test(test_J5_a_job_nobody_works_on_is_cancelled_at_once),
		world_test(test_J5_cancelling_an_attempt_is_a_request_first),
		world_test(test_J5_a_cancelled_job_is_not_retried),
		world_test(test_J5_completing_wins_and_final_states_stay),
		world_test(test_J5_every_request_is_kept),
		world_test(test_J6_a_result_is_kept_and_replaced_part_by_part),
		world_test(test_J6_results_are_bounded),
		world_test(test_J6_a_job_itself_is_bounded),
		world_test(test_the_shape_that_scripts_rely_on),
		world_test(test_lists_and_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

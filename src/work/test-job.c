/* Tests of jobs: the whole table of states, dependencies and fences. */
#include "work/testing.h"

/* Row: from; column: to, both in the order of enum job_state. Written by hand from J1. */
static const char *const allowed[JOB_STATE_MAX_] = {
	/*                     qrdrabcfce */
	[JOB_QUEUED] = ".x...x..xx",	     /* its needs settle it; nobody works on it yet */
	[JOB_READY] = "x.xx....xx",	     /* handed out, claimed, or made to wait for another */
	[JOB_DISPATCHED] = ".x.xxxxxxx",     /* back to ready is a retry */
	[JOB_RUNNING] = ".x..xxxxxx",	     /**/
	[JOB_AWAITING_INPUT] = ".x.x.xxxxx", /**/
	[JOB_BLOCKED] = ".x.xx.xxxx",	     /**/
	[JOB_COMPLETED] = "..........",	     /* the last four are final */
	[JOB_FAILED] = "..........",	     /**/
	[JOB_CANCELLED] = "..........",	     /**/
	[JOB_EXPIRED] = "..........",	     /**/
};

static void test_J1_the_table_of_states_is_exactly_this(void **state)
{
	(void)state;
	for (int from = 0; from < JOB_STATE_MAX_; from++) {
		assert_int_equal(strlen(allowed[from]), JOB_STATE_MAX_);
		bool leaves = false;
		for (int to = 0; to < JOB_STATE_MAX_; to++) {
			bool may = job_may_move((enum job_state)from, (enum job_state)to);
			leaves = leaves || may;
			if (may != (allowed[from][to] == 'x'))
				fail_msg("%s to %s is %s", job_state_name((enum job_state)from),
					 job_state_name((enum job_state)to), may ? "allowed" : "refused");
		}
		assert_int_equal(job_state_final((enum job_state)from), !leaves);
	}
}

static void test_J1_states_have_their_names(void **state)
{
	(void)state;
	static const char *const names[] = {"queued",	      "ready",	 "dispatched", "running",
					    "awaiting_input", "blocked", "completed",  "failed",
					    "cancelled",      "expired"};
	assert_int_equal(ARRAY_SIZE(names), JOB_STATE_MAX_);
	for (int i = 0; i < JOB_STATE_MAX_; i++) {
		assert_string_equal(job_state_name((enum job_state)i), names[i]);
		assert_int_equal(job_state_of(names[i]), i);
	}
	assert_int_equal(job_state_of("done"), JOB_STATE_INVALID);
	assert_int_equal(job_state_of(""), JOB_STATE_INVALID);
}

static bool executor_may_say(enum job_state state)
{
	return state == JOB_RUNNING || state == JOB_AWAITING_INPUT || state == JOB_BLOCKED ||
	       state == JOB_COMPLETED || state == JOB_FAILED || state == JOB_CANCELLED;
}

static void test_J1_each_report_moves_by_the_table_or_changes_nothing(void **state)
{
	struct world *w = *state;
	for (int from = 0; from < JOB_STATE_MAX_; from++) {
		for (int to = 0; to < JOB_STATE_MAX_; to++) {
			struct held held;
			job_in(w, (enum job_state)from, &held);
			struct job_change change = {.state = (enum job_state)to, .summary = "said"};
			int code = job_update(w->s, held.id, held.fence, &change, NULL);
			bool same = from == to && !job_state_final((enum job_state)from);
			bool may = held.fence && executor_may_say((enum job_state)to) &&
				   (same || allowed[from][to] == 'x');
			if ((code == 0) != may)
				fail_msg("a report of %s on a job that is %s gave %d",
					 job_state_name((enum job_state)to),
					 job_state_name((enum job_state)from), code);
			assert_state(w, held.id, (enum job_state)(may ? to : from));
			json_auto_t *job = job_to_json(w->s, held.id, false);
			assert_int_equal(json_str(json_object_get(job, "result"), "summary") != NULL, may);
		}
	}
}

static void test_J1_ready_is_never_accepted_from_a_caller(void **state)
{
	struct world *w = *state;
	static const enum job_state derived[] = {JOB_QUEUED, JOB_READY, JOB_DISPATCHED, JOB_EXPIRED};
	for (size_t i = 0; i < ARRAY_SIZE(derived); i++) {
		struct held held;
		job_in(w, JOB_RUNNING, &held);
		assert_int_equal(report(w, &held, derived[i]), ERR_REFUSED);
		assert_state(w, held.id, JOB_RUNNING);
	}
}

static void test_J1_ready_follows_from_dependencies_in_the_same_transaction(void **state)
{
	struct world *w = *state;
	struct held a, b;
	char id_a[ID_SIZE], id_b[ID_SIZE], id_c[ID_SIZE];
	needing(w, "c", NEEDS(plain(w, "a", id_a), plain(w, "b", id_b)), id_c);
	assert_state(w, id_a, JOB_READY);
	assert_state(w, id_c, JOB_QUEUED);
	claim(w, id_a, JOB_RUNNING, &a);
	claim(w, id_b, JOB_RUNNING, &b);
	assert_int_equal(report(w, &a, JOB_COMPLETED), 0);
	assert_state(w, id_c, JOB_QUEUED);
	store_save(w->s);
	assert_int_equal(report(w, &b, JOB_COMPLETED), 0);
	assert_state(w, id_c, JOB_READY); /* no turn, no reaction has run in between */
	store_undo(w->s);
	assert_state(w, id_b, JOB_RUNNING);
	assert_state(w, id_c, JOB_QUEUED); /* and both are undone together */
	assert_int_equal(report(w, &b, JOB_COMPLETED), 0);
	assert_int_equal(world_events(w, "job.ready", id_c), 1);
}

static void test_J1_a_job_whose_needs_are_done_already_is_ready_at_once(void **state)
{
	struct world *w = *state;
	struct held a;
	char id[ID_SIZE];
	job_in(w, JOB_COMPLETED, &a);
	needing(w, "later", NEEDS(a.id), id);
	assert_state(w, id, JOB_READY);
}

static void test_J1_a_ready_job_waits_again_for_one_that_is_put_before_it(void **state)
{
	struct world *w = *state;
	struct held held;
	char id[ID_SIZE], before[ID_SIZE];
	plain(w, "second", id);
	new_job(w, &(struct job_spec){.title = "first", .needed_by = NEEDS(id)}, before);
	assert_state(w, id, JOB_QUEUED);
	claim(w, before, JOB_RUNNING, &held);
	assert_int_equal(report(w, &held, JOB_COMPLETED), 0);
	assert_state(w, id, JOB_READY);
	claim(w, id, JOB_RUNNING, &held);
	struct job_spec late = {.title = "too late", .needed_by = NEEDS(id)};
	assert_int_equal(job_create(w->s, &late, before, NULL), ERR_CONFLICT);
}

static void test_J2_a_job_that_nobody_has_claimed_is_updated_by_nobody(void **state)
{
	struct world *w = *state;
	char id[ID_SIZE];
	new_job(w, &(struct job_spec){.title = "t"}, id);
	struct job_change change = {.state = JOB_COMPLETED};
	autoerror err = {0};
	assert_int_equal(job_update(w->s, id, 0, &change, &err), ERR_STALE_FENCE);
	assert_non_null(strstr(err.message, "nobody has claimed"));
	assert_state(w, id, JOB_READY);
}

static void test_J2_a_fence_only_grows_and_an_older_one_changes_nothing(void **state)
{
	struct world *w = *state;
	struct held old, now;
	char id[ID_SIZE];
	new_job(w, &(struct job_spec){.title = "t", .max_attempts = 5}, id);
	claim(w, id, JOB_RUNNING, &old);
	job_attempt_lost(w->s, id, old.fence, false, "gone");
	claim(w, id, JOB_RUNNING, &now);
	assert_int_equal(now.attempt, old.attempt + 1);
	assert_true(now.fence > old.fence);
	static const enum job_state said[] = {JOB_RUNNING,   JOB_AWAITING_INPUT, JOB_BLOCKED,
					      JOB_COMPLETED, JOB_FAILED,	 JOB_CANCELLED};
	for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
		struct job_change change = {.state = said[i], .summary = "zombie"};
		assert_int_equal(job_update(w->s, id, old.fence, &change, NULL), ERR_STALE_FENCE);
		assert_int_equal(job_update(w->s, id, 0, &change, NULL), ERR_STALE_FENCE);
		assert_int_equal(job_update(w->s, id, now.fence + 1, &change, NULL), ERR_STALE_FENCE);
	}
	assert_state(w, id, JOB_RUNNING);
	json_auto_t *job = job_to_json(w->s, id, false);
	assert_null(json_str(json_object_get(job, "result"), "summary"));
	job_attempt_lost(w->s, id, old.fence, false, "late news of the old one");
	assert_state(w, id, JOB_RUNNING);
	assert_int_equal(attempts_in(w, id, "failed"), 1);
	assert_int_equal(report(w, &now, JOB_COMPLETED), 0);
}

static void test_J2_fences_differ_between_jobs(void **state)
{
	struct world *w = *state;
	struct held a, b;
	job_in(w, JOB_RUNNING, &a);
	job_in(w, JOB_RUNNING, &b);
	assert_true(b.fence > a.fence);
	assert_int_equal(job_update(w->s, a.id, b.fence, &(struct job_change){.state = JOB_COMPLETED}, NULL),
			 ERR_STALE_FENCE);
}

/* Its attempt is over and nobody has claimed the next one: the job's fence is still the zombie's. */
static void test_J2_a_zombie_cannot_take_its_job_back_before_the_next_claim(void **state)
{
	struct world *w = *state;
	struct held zombie, next;
	char id[ID_SIZE];
	new_job(w, &(struct job_spec){.title = "t", .max_attempts = 3}, id);
	claim(w, id, JOB_RUNNING, &zombie);
	job_attempt_lost(w->s, id, zombie.fence, false, "gone");
	static const enum job_state said[] = {JOB_RUNNING, JOB_COMPLETED, JOB_FAILED, JOB_CANCELLED};
	for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
		assert_int_equal(report(w, &zombie, said[i]), ERR_STALE_FENCE);
		assert_state(w, id, JOB_READY);
	}
	claim(w, id, JOB_RUNNING, &next);
	/* … nor while the job was made to wait for another one */
	job_attempt_lost(w->s, id, next.fence, false, "gone");
	char before[ID_SIZE];
	new_job(w, &(struct job_spec){.title = "first", .needed_by = NEEDS(id)}, before);
	assert_state(w, id, JOB_QUEUED);
	for (size_t i = 0; i < ARRAY_SIZE(said); i++)
		assert_int_equal(report(w, &next, said[i]), ERR_STALE_FENCE);
	assert_state(w, id, JOB_QUEUED);
}

static void test_J2_of_two_claims_one_wins(void **state)
{
	struct world *w = *state;
	struct peer_ref a = world_agent(w, "a", NULL, NULL);
	struct peer_ref b = world_agent(w, "b", NULL, NULL);
	char id[ID_SIZE];
	int64_t attempt = 0, fence = 0, lost = -1;
	plain(w, "t", id);
	assert_int_equal(job_claim(w->s, id, a.peer_id, JOB_RUNNING, &attempt, &fence, NULL), 0);
	assert_int_equal(job_claim(w->s, id, b.peer_id, JOB_RUNNING, &lost, &lost, NULL), ERR_REFUSED);
	assert_int_equal(job_claim(w->s, id, a.peer_id, JOB_RUNNING, &lost, &lost, NULL), ERR_CONFLICT);
	assert_int_equal(lost, -1);
	assert_int_equal(db_int(w->s, 0, "SELECT count(*) FROM attempt WHERE job_id = ?", "s", id), 1);
	assert_string_equal(job_row(w, id).peer_id, a.peer_id);
}

static void test_J2_only_a_ready_job_can_be_claimed(void **state)
{
	struct world *w = *state;
	for (int from = 0; from < JOB_STATE_MAX_; from++) {
		struct held held;
		int64_t attempt, fence;
		job_in(w, (enum job_state)from, &held);
		int code = job_claim(w->s, held.id, NULL, JOB_RUNNING, &attempt, &fence, NULL);
		assert_int_equal(code, from == JOB_READY ? 0 : ERR_CONFLICT);
	}
	int64_t n;
	assert_int_equal(job_claim(w->s, "job-nothing", NULL, JOB_RUNNING, &n, &n, NULL), ERR_NOT_FOUND);
}

static void test_J2_a_job_meant_for_a_peer_is_claimed_by_it_alone(void **state)
{
	struct world *w = *state;
	struct peer_ref a = world_agent(w, "a", NULL, NULL);
	struct peer_ref b = world_agent(w, "b", NULL, NULL);
	char id[ID_SIZE];
	int64_t attempt, fence;
	new_job(w, &(struct job_spec){.title = "t", .peer_id = a.peer_id, .max_attempts = 2}, id);
	assert_int_equal(job_claim(w->s, id, b.peer_id, JOB_RUNNING, &attempt, &fence, NULL), ERR_REFUSED);
	assert_int_equal(job_claim(w->s, id, NULL, JOB_RUNNING, &attempt, &fence, NULL), ERR_REFUSED);
	assert_int_equal(job_claim(w->s, id, a.peer_id, JOB_RUNNING, &attempt, &fence, NULL), 0);
	job_attempt_lost(w->s, id, fence, false, "gone");
	assert_int_equal(job_claim(w->s, id, b.peer_id, JOB_RUNNING, &attempt, &fence, NULL), ERR_REFUSED);
	assert_int_equal(job_claim(w->s, id, a.peer_id, JOB_RUNNING, &attempt, &fence, NULL), 0);
}

/* J4: what was meant for nobody in particular is free again when the one who took it is gone. */
static void test_J3_a_cycle_is_refused_and_printed(void **state)
{
	struct world *w = *state;
	char a[ID_SIZE], b[ID_SIZE], c[ID_SIZE], d[ID_SIZE];
	autoerror err = {0};
	needing(w, "b", NEEDS(plain(w, "a", a)), b);
	needing(w, "c", NEEDS(b), c);
	struct job_spec spec = {.title = "d", .needs = NEEDS(c), .needed_by = NEEDS(a)};
	store_save(w->s);
	assert_int_equal(job_create(w->s, &spec, d, &err), ERR_REFUSED);
	/* its own id was not given out, but the rest of the circle is there in order */
	autofree char *circle = xasprintf("%s -> %s -> %s -> ", c, b, a);
	const char *at = strstr(err.message, "cycle: ");
	assert_non_null(at);
	assert_non_null(strstr(at, circle));
	const char *first = at + strlen("cycle: ");
	size_t len = strcspn(first, " ");
	assert_int_equal(strlen(first) - len, strrchr(first, ' ') + 1 - first); /* it ends where it began */
	assert_memory_equal(first, strrchr(first, ' ') + 1, len);
	store_undo(w->s);
	assert_int_equal(db_int(w->s, 0, "SELECT count(*) FROM job", ""), 3);
	struct job_spec self = {.title = "x", .needs = NEEDS(a), .needed_by = NEEDS(a)};
	assert_int_equal(job_create(w->s, &self, d, NULL), ERR_REFUSED);
}

static void test_J3_unknown_needs_are_refused(void **state)
{
	struct world *w = *state;
	char id[ID_SIZE];
	struct job_spec needs = {.title = "x", .needs = NEEDS("job-nothing")};
	struct job_spec by = {.title = "x", .needed_by = NEEDS("job-nothing")};
	assert_int_equal(job_create(w->s, &needs, id, NULL), ERR_NOT_FOUND);
	assert_int_equal(job_create(w->s, &by, id, NULL), ERR_NOT_FOUND);
}

/* a ← b ← c, and d needs a, b and c: a diamond with a long side. */
static void diamond(struct world *w, char a[ID_SIZE], char b[ID_SIZE], char c[ID_SIZE], char d[ID_SIZE])
{
	needing(w, "b", NEEDS(plain(w, "job a", a)), b);
	needing(w, "c", NEEDS(b), c);
	needing(w, "d", NEEDS(a, b, c), d);
}

static void test_J3_a_failed_need_blocks_transitively_with_the_reason(void **state)
{
	struct world *w = *state;
	struct held held;
	char a[ID_SIZE], b[ID_SIZE], c[ID_SIZE], d[ID_SIZE];
	diamond(w, a, b, c, d);
	claim(w, a, JOB_RUNNING, &held);
	struct job_change change = {.state = JOB_FAILED, .reason = "out of tea"};
	assert_int_equal(job_update(w->s, a, held.fence, &change, NULL), 0);
	assert_state(w, a, JOB_FAILED);
	assert_state(w, b, JOB_BLOCKED);
	assert_state(w, c, JOB_BLOCKED);
	assert_state(w, d, JOB_BLOCKED);
	assert_reason(w, b, a);
	assert_reason(w, b, "job a");
	assert_reason(w, b, "failed: out of tea");
	assert_reason(w, c, b);
	assert_reason(w, c, "out of tea");
	assert_int_equal(world_events(w, "job.blocked", d), 1);
}

static void test_J3_a_cancelled_need_blocks_too(void **state)
{
	struct world *w = *state;
	char a[ID_SIZE], b[ID_SIZE], c[ID_SIZE], d[ID_SIZE];
	enum job_state ended;
	diamond(w, a, b, c, d);
	assert_int_equal(job_cancel(w->s, a, NULL, "not wanted", &ended, NULL), 0);
	assert_int_equal(ended, JOB_CANCELLED);
	assert_state(w, d, JOB_BLOCKED);
	assert_reason(w, b, "cancelled: not wanted");
}

static void test_J3_a_job_created_on_a_failed_need_is_blocked_and_blocks(void **state)
{
	struct world *w = *state;
	struct held failed;
	char id[ID_SIZE], waits[ID_SIZE], after[ID_SIZE];
	job_in(w, JOB_FAILED, &failed);
	plain(w, "waits", waits);
	needing(w, "after", NEEDS(waits), after);
	struct job_spec spec = {.title = "x", .needs = NEEDS(failed.id), .needed_by = NEEDS(waits)};
	new_job(w, &spec, id);
	assert_state(w, id, JOB_BLOCKED);
	assert_state(w, waits, JOB_BLOCKED);
	assert_state(w, after, JOB_BLOCKED);
	assert_reason(w, waits, id);
}

/* An executor that says `blocked` waits for something; that is no failure. */
static void test_J3_a_need_that_is_only_held_up_blocks_nobody(void **state)
{
	struct world *w = *state;
	struct held held;
	char id[ID_SIZE];
	job_in(w, JOB_BLOCKED, &held);
	needing(w, "waits", NEEDS(held.id), id);
	assert_state(w, id, JOB_QUEUED);
	assert_int_equal(report(w, &held, JOB_COMPLETED), 0);
	assert_state(w, id, JOB_READY);
}

static void test_J2_fences_go_on_growing_after_a_restart(void **state)
{
	struct world *w = *state;
	struct held before, after;
	char id[ID_SIZE];
	new_job(w, &(struct job_spec){.title = "t", .max_attempts = 3}, id);
	claim(w, id, JOB_RUNNING, &before);
	world_turn(w);
	world_restart(w, NULL);
	assert_state(w, id, JOB_RUNNING);
	job_attempt_lost(w->s, id, before.fence, false, "gone");
	claim(w, id, JOB_RUNNING, &after);
	assert_true(after.fence > before.fence);
	assert_int_equal(report(w, &before, JOB_COMPLETED), ERR_STALE_FENCE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_J1_the_table_of_states_is_exactly_this),
		cmocka_unit_test(test_J1_states_have_their_names),
		world_test(test_J1_each_report_moves_by_the_table_or_changes_nothing),
		world_test(test_J1_ready_is_never_accepted_from_a_caller),
		world_test(test_J1_ready_follows_from_dependencies_in_the_same_transaction),
		world_test(test_J1_a_job_whose_needs_are_done_already_is_ready_at_once),
		world_test(test_J1_a_ready_job_waits_again_for_one_that_is_put_before_it),
		world_test(test_J2_a_job_that_nobody_has_claimed_is_updated_by_nobody),
		world_test(test_J2_a_fence_only_grows_and_an_older_one_changes_nothing),
		world_test(test_J2_fences_differ_between_jobs),
		world_test(test_J2_a_zombie_cannot_take_its_job_back_before_the_next_claim),
		world_test(test_J2_of_two_claims_one_wins),
		world_test(test_J2_only_a_ready_job_can_be_claimed),
		world_test(test_J2_a_job_meant_for_a_peer_is_claimed_by_it_alone),
		world_test(test_J2_fences_go_on_growing_after_a_restart),
		world_test(test_J3_a_cycle_is_refused_and_printed),
		world_test(test_J3_unknown_needs_are_refused),
		world_test(test_J3_a_failed_need_blocks_transitively_with_the_reason),
		world_test(test_J3_a_cancelled_need_blocks_too),
		world_test(test_J3_a_job_created_on_a_failed_need_is_blocked_and_blocks),
		world_test(test_J3_a_need_that_is_only_held_up_blocks_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

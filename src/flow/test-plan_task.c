/* Tests of running plans: their tasks' way through the states, retries, cancelling, failures, crashes. */
#include "flow/testing.h"

#include "repo/change.h"
#include "work/job.h"

#define HEAD "into: main\n"
#define ONE "tasks:\n  - branch: feat/a\n    run: [make, a]\n"

static char *job_of(struct rig *r, const char *plan, const char *branch)
{
	return db_text(r->s, "SELECT job_id FROM task WHERE plan_id = ? AND branch = ?", "ss", plan, branch);
}

static void assert_job(struct rig *r, const char *plan, const char *branch, enum job_state state)
{
	autofree char *id = job_of(r, plan, branch);
	struct job job;
	assert_int_equal(job_get(r->s, id, &job, NULL), 0);
	assert_string_equal(job_state_name(job.state), job_state_name(state));
}

/* One task, brought to where its process runs. */
static void run_one(struct rig *r, const char *yaml, char plan[ID_SIZE])
{
	rig_plan(r, yaml, plan);
	rig_created(r, "feat/a");
	rig_spawned(r, "feat/a");
	rig_assert_task(r, plan, "feat/a", "running", NULL);
}

static void land(struct rig *r, const char *branch)
{
	rig_built(r, branch);
	rig_moved(r, branch);
}

static void test_a_plan_of_three_goes_through_every_state(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	rig_plan(r,
		 HEAD "gate: none\nparallel: 2\ntasks:\n"
		      "  - branch: feat/a\n    run: [a]\n"
		      "  - branch: feat/b\n    run: [b]\n    needs: [feat/a]\n"
		      "  - branch: feat/c\n    run: [c]\n",
		 plan);
	rig_assert_task(r, plan, "feat/a", "creating", NULL);
	rig_assert_task(r, plan, "feat/b", "creating", NULL);
	rig_assert_task(r, plan, "feat/c", "waiting", NULL); /* two at a time */
	assert_null(rig_find(r, "spawn", NULL));
	rig_created(r, "feat/a");
	rig_assert_task(r, plan, "feat/a", "starting", NULL);
	assert_job(r, plan, "feat/a", JOB_DISPATCHED);
	rig_spawned(r, "feat/a");
	rig_assert_task(r, plan, "feat/a", "running", NULL);
	assert_job(r, plan, "feat/a", JOB_RUNNING);
	rig_created(r, "feat/b");
	rig_spawned(r, "feat/b");
	rig_exit(r, "feat/a", 0, "made a");
	assert_job(r, plan, "feat/a", JOB_COMPLETED);
	rig_assert_task(r, plan, "feat/a", "landing", NULL);
	rig_assert_task(r, plan, "feat/c", "creating", NULL); /* its slot is free */
	rig_built(r, "feat/a");
	rig_assert_task(r, plan, "feat/a", "landing", NULL);
	rig_moved(r, "feat/a");
	rig_assert_task(r, plan, "feat/a", "cleaning", "landed without a gate");
	rig_removed(r, "feat/a");
	rig_assert_task(r, plan, "feat/a", "landed", "landed without a gate");
	rig_assert_plan(r, plan, "running");
	rig_exit(r, "feat/b", 0, "made b");
	land(r, "feat/b");
	rig_removed(r, "feat/b");
	rig_created(r, "feat/c");
	rig_spawned(r, "feat/c");
	rig_exit(r, "feat/c", 0, "made c");
	land(r, "feat/c");
	rig_assert_plan(r, plan, "running");
	rig_removed(r, "feat/c");
	rig_assert_plan(r, plan, "done");
	assert_int_equal(r->n_started, 0);
	json_auto_t *json = plan_to_json(r->s, plan);
	json_auto_t *landed = json_pack("[s, s, s]", "feat/a", "feat/b", "feat/c");
	assert_true(json_equal(json_object_get(json, "landed"), landed));
	assert_string_equal(json_str(json, "commit"), "landed feat/c");
	assert_int_equal(world_events(r->w, "change.landed", NULL), 3);
	assert_int_equal(world_events(r->w, "plan.done", plan), 1);
}

static void test_L1_a_plan_lands_no_task_before_what_it_needs(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	rig_plan(r,
		 HEAD "gate: [\"true\"]\ntasks:\n"
		      "  - branch: feat/b\n    run: [b]\n    needs: [feat/a]\n"
		      "  - branch: feat/a\n    run: [a]\n",
		 plan);
	rig_created(r, "feat/b");
	rig_spawned(r, "feat/b");
	rig_exit(r, "feat/b", 0, "quick");
	rig_assert_task(r, plan, "feat/b", "landing", NULL);
	assert_null(rig_find(r, "land.build", NULL)); /* feat/a was not even offered yet */
	rig_created(r, "feat/a");
	rig_spawned(r, "feat/a");
	rig_exit(r, "feat/a", 0, "slow");
	assert_null(rig_find(r, "land.build", "feat/b"));
	rig_built(r, "feat/a");
	assert_null(rig_find(r, "land.build", "feat/b"));
	rig_moved(r, "feat/a");
	(void)rig_effect(r, "land.build", "feat/b");
}

static const char two[] = HEAD "gate: none\ntasks:\n"
			       "  - branch: feat/a\n    run: [a]\n"
			       "  - branch: feat/b\n    run: [b]\n    needs: [feat/a]\n"
			       "  - branch: feat/c\n    run: [c]\n    needs: [feat/b]\n";

/* All three at work; the last two finish first. */
static void finish_dependants(struct rig *r, char plan[ID_SIZE])
{
	static const char *const branches[] = {"feat/a", "feat/b", "feat/c"};
	rig_plan(r, two, plan);
	for (size_t i = 0; i < 3; i++) {
		rig_created(r, branches[i]);
		rig_spawned(r, branches[i]);
	}
	rig_exit(r, "feat/b", 0, "b");
	rig_exit(r, "feat/c", 0, "c");
	rig_assert_task(r, plan, "feat/c", "landing", NULL);
}

static void test_L1_what_needs_a_failed_task_is_ejected_with_the_reason(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	finish_dependants(r, plan);
	rig_exit(r, "feat/a", 1, "out of tea");
	rig_assert_task(r, plan, "feat/a", "failed", "exit 1: out of tea");
	rig_assert_task(r, plan, "feat/b", "ejected", "feat/a");
	rig_assert_task(r, plan, "feat/c", "ejected", "feat/b");
	rig_assert_plan(r, plan, "done");
	assert_null(rig_find(r, "land.build", NULL));
}

static void test_L1_an_ejected_change_takes_its_dependants_along(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	finish_dependants(r, plan);
	rig_exit(r, "feat/a", 0, "a");
	json_t *built = rig_build_answer("conflict", NULL);
	json_object_set_new(built, "files", json_pack("[s]", "README"));
	rig_finish(r, rig_effect(r, "land.build", "feat/a"), true, built);
	rig_assert_task(r, plan, "feat/a", "ejected", "README");
	rig_assert_task(r, plan, "feat/b", "ejected", "needs feat/a");
	rig_assert_task(r, plan, "feat/c", "ejected", "needs feat/b");
	rig_assert_plan(r, plan, "done");
}

static void test_a_task_that_has_not_started_fails_with_what_it_needs(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	rig_plan(r,
		 HEAD "gate: none\ntasks:\n"
		      "  - branch: feat/a\n    run: [a]\n"
		      "  - branch: feat/b\n    run: [b]\n    needs: [feat/a]\n    start: after\n",
		 plan);
	rig_assert_task(r, plan, "feat/b", "waiting", NULL);
	rig_fail(r, "worktree.create", "feat/a", "git", "fatal: no");
	rig_assert_task(r, plan, "feat/a", "failed", "fatal: no");
	rig_assert_task(r, plan, "feat/b", "failed", "needs feat/a, which is failed");
	assert_job(r, plan, "feat/b", JOB_CANCELLED);
	rig_assert_plan(r, plan, "done");
}

static void test_stacked_and_after_wait_for_what_they_say(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	rig_plan(r,
		 HEAD "gate: none\ntasks:\n"
		      "  - branch: feat/a\n    run: [a]\n"
		      "  - branch: feat/b\n    run: [b]\n    needs: [feat/a]\n    start: stacked\n"
		      "  - branch: feat/c\n    run: [c]\n    needs: [feat/a]\n    start: after\n",
		 plan);
	assert_string_equal(json_str(rig_effect(r, "worktree.create", "feat/a")->args, "base"), "main");
	rig_created(r, "feat/a");
	rig_spawned(r, "feat/a");
	rig_assert_task(r, plan, "feat/b", "waiting", NULL);
	rig_exit(r, "feat/a", 0, "a");
	assert_string_equal(json_str(rig_effect(r, "worktree.create", "feat/b")->args, "base"), "feat/a");
	rig_assert_task(r, plan, "feat/c", "waiting", NULL);
	land(r, "feat/a");
	rig_assert_task(r, plan, "feat/c", "waiting", NULL);
	rig_removed(r, "feat/a");
	assert_string_equal(json_str(rig_effect(r, "worktree.create", "feat/c")->args, "base"), "main");
}

static int64_t fence_of_spawn(struct rig *r, const char *branch)
{
	json_t *spec = json_object_get(rig_effect(r, "spawn", branch)->args, "spec");
	const char *fence = json_str(json_object_get(spec, "env"), "COPPICE_FENCE");
	int64_t n = 0;
	assert_int_equal(number_parse(fence, 1, INT64_MAX, &n, NULL), 0);
	return n;
}

static void test_J4_a_retry_resumes_in_the_same_worktree_with_a_new_fence(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	rig_plan(r, HEAD "gate: none\nretry: { attempts: 2, state: resume }\n" ONE, plan);
	rig_created(r, "feat/a");
	int64_t first = fence_of_spawn(r, "feat/a");
	rig_spawned(r, "feat/a");
	rig_exit(r, "feat/a", 7, "broke");
	rig_assert_task(r, plan, "feat/a", "starting", NULL);
	assert_null(rig_find(r, "worktree.create", NULL));
	assert_null(rig_find(r, "worktree.remove", NULL));
	int64_t second = fence_of_spawn(r, "feat/a");
	assert_true(second > first);
	autofree char *job = job_of(r, plan, "feat/a");
	struct job_change zombie = {.state = JOB_COMPLETED};
	assert_int_equal(job_update(r->s, job, first, &zombie, NULL), ERR_STALE_FENCE);
	rig_spawned(r, "feat/a");
	rig_exit(r, "feat/a", 7, "broke again");
	rig_assert_task(r, plan, "feat/a", "failed", "exit 7: broke again");
	rig_assert_plan(r, plan, "done");
	assert_null(rig_find(r, "worktree.remove", NULL)); /* what it left can be looked at */
}

static void test_J4_a_fresh_retry_puts_the_first_worktree_into_the_trash(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	run_one(r, HEAD "gate: none\nretry: { attempts: 2, state: fresh }\n" ONE, plan);
	rig_exit(r, "feat/a", 1, "broke");
	rig_assert_task(r, plan, "feat/a", "discarding", "exit 1: broke");
	json_t *args = rig_effect(r, "worktree.remove", "feat/a")->args;
	assert_true(json_bool(args, "delete_branch", false));
	static const char *const waived[] = {"clean",  "untracked", "ignored", "reachable",
					     "landed", "operation", "stash"};
	json_t *waive = json_object_get(args, "waive");
	assert_int_equal(json_array_size(waive),
			 ARRAY_SIZE(waived)); /* neither process, lock, lease nor ours */
	for (size_t i = 0; i < ARRAY_SIZE(waived); i++)
		assert_string_equal(json_string_value(json_array_get(waive, i)), waived[i]);
	assert_null(rig_find(r, "spawn", NULL));
	rig_removed(r, "feat/a");
	rig_assert_task(r, plan, "feat/a", "creating", NULL);
	rig_created(r, "feat/a");
	rig_spawned(r, "feat/a");
	rig_exit(r, "feat/a", 0, "done");
	land(r, "feat/a");
	rig_removed(r, "feat/a");
	rig_assert_task(r, plan, "feat/a", "landed", NULL);
}

static void test_I8_a_worktree_that_cannot_be_discarded_fails_the_task_and_stays(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	run_one(r, HEAD "gate: none\nretry: { attempts: 2, state: fresh }\n" ONE, plan);
	rig_exit(r, "feat/a", 1, "broke");
	rig_finish(r, rig_effect(r, "worktree.remove", "feat/a"), true,
		   json_pack("{s:b, s:s, s:{s:s}}", "removed", 0, "reason", "process: unknown", "facts",
			     "process", "unknown"));
	rig_assert_task(r, plan, "feat/a", "failed", "process: unknown");
	rig_assert_plan(r, plan, "done");
	autoworktree w = {0};
	assert_true(worktree_of_branch(r->s, r->repo, "feat/a", &w));
	assert_string_equal(w.state, "live");
}

static void test_a_spawn_that_fails_costs_an_attempt(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	rig_plan(r, HEAD "gate: none\nretry: { attempts: 2 }\n" ONE, plan);
	rig_created(r, "feat/a");
	rig_fail(r, "spawn", "feat/a", "terminal", "tmux is not there");
	rig_assert_task(r, plan, "feat/a", "starting", NULL);
	rig_fail(r, "spawn", "feat/a", "terminal", "tmux is still not there");
	rig_assert_task(r, plan, "feat/a", "failed", "tmux is still not there");
	assert_job(r, plan, "feat/a", JOB_FAILED);
	rig_assert_plan(r, plan, "done");
	json_auto_t *json = plan_to_json(r->s, plan);
	assert_string_equal(json_string_value(json_array_get(json_object_get(json, "failed"), 0)), "feat/a");
}

static void test_a_worktree_that_fails_ends_the_task(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	rig_plan(r, HEAD "gate: none\n" ONE, plan);
	rig_fail(r, "worktree.create", "feat/a", "disk_full", "no space left");
	rig_assert_task(r, plan, "feat/a", "failed", "no space left");
	assert_job(r, plan, "feat/a", JOB_CANCELLED);
	rig_assert_plan(r, plan, "done");
	autoworktree w = {0};
	assert_false(worktree_of_branch(r->s, r->repo, "feat/a", &w)); /* the branch is free again */
}

static void cancel(struct rig *r, const char *plan)
{
	autoerror err = {0};
	world_check(plan_cancel(&r->core, plan, NULL, &err), &err);
	rig_turn(r);
}

static void test_J5_a_plan_cancelled_while_it_makes_worktrees_starts_nothing_more(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	rig_plan(r,
		 HEAD "gate: none\nparallel: 1\ntasks:\n"
		      "  - branch: feat/a\n    run: [a]\n"
		      "  - branch: feat/b\n    run: [b]\n",
		 plan);
	cancel(r, plan);
	rig_assert_task(r, plan, "feat/a", "cancelled", "the plan was cancelled");
	rig_assert_task(r, plan, "feat/b", "cancelled", "the plan was cancelled");
	rig_assert_plan(r, plan, "cancelled");
	assert_null(rig_find(r, "worktree.create", "feat/b"));
	assert_int_equal(db_int(r->s, 0, "SELECT count(*) FROM worktree WHERE branch = 'feat/b'", ""), 0);
	rig_created(r, "feat/a"); /* the one under way comes late */
	assert_int_equal(r->n_started, 0);
	assert_int_equal(plan_cancel(&r->core, plan, NULL, NULL), ERR_CONFLICT);
	assert_int_equal(plan_cancel(&r->core, "plan-nothing", NULL, NULL), ERR_NOT_FOUND);
}

static void test_J5_a_plan_cancelled_while_it_starts_a_process_ends_that_process(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	rig_plan(r, HEAD "gate: none\n" ONE, plan);
	rig_created(r, "feat/a");
	cancel(r, plan);
	rig_assert_plan(r, plan, "cancelling");
	rig_spawned(r, "feat/a");
	rig_finish(r, rig_effect(r, "kill", "feat/a"), true, json_object());
	rig_assert_task(r, plan, "feat/a", "cancelled", NULL);
	assert_job(r, plan, "feat/a", JOB_CANCELLED);
	rig_assert_plan(r, plan, "cancelled");
}

static void test_J5_a_spawn_that_fails_after_the_cancelling_is_cancelled(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	rig_plan(r, HEAD "gate: none\nretry: { attempts: 5 }\n" ONE, plan);
	rig_created(r, "feat/a");
	cancel(r, plan);
	rig_fail(r, "spawn", "feat/a", "terminal", "no tmux");
	rig_assert_task(r, plan, "feat/a", "cancelled", NULL);
	rig_assert_plan(r, plan, "cancelled");
}

static void test_J5_a_plan_cancelled_at_work_kills_and_does_not_retry(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	run_one(r, HEAD "gate: none\nretry: { attempts: 5 }\n" ONE, plan);
	cancel(r, plan);
	rig_assert_task(r, plan, "feat/a", "running", NULL); /* asked, not yet ended */
	rig_finish(r, rig_effect(r, "kill", "feat/a"), true, json_object());
	rig_assert_task(r, plan, "feat/a", "cancelled", NULL);
	rig_assert_plan(r, plan, "cancelled");
	assert_null(rig_find(r, "spawn", NULL));
	autoworktree w = {0};
	assert_true(worktree_of_branch(r->s, r->repo, "feat/a", &w)); /* branches and worktrees stay */
}

static void test_J5_a_cancelled_plan_lands_nothing_that_completes_late(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	run_one(r, HEAD "gate: none\n" ONE, plan);
	cancel(r, plan);
	rig_exit(r, "feat/a", 0, "faster than the kill");
	assert_job(r, plan, "feat/a", JOB_COMPLETED); /* completing wins (J5) … */
	rig_assert_task(r, plan, "feat/a", "ejected", "the plan was cancelled");
	assert_null(rig_find(r, "land.build", NULL)); /* … but nobody wants it landed */
	rig_assert_plan(r, plan, "cancelled");
	rig_fail(r, "kill", "feat/a", "not_found", "no such pane");
	assert_job(r, plan, "feat/a", JOB_COMPLETED);
}

static void test_J5_a_plan_cancelled_while_it_discards_does_not_start_again(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	run_one(r, HEAD "gate: none\nretry: { attempts: 2, state: fresh }\n" ONE, plan);
	rig_exit(r, "feat/a", 1, "broke");
	cancel(r, plan);
	rig_assert_task(r, plan, "feat/a", "cancelled", NULL);
	rig_removed(r, "feat/a");
	rig_assert_plan(r, plan, "cancelled");
	assert_int_equal(r->n_started, 0);
}

static void test_J5_a_cancelled_plan_lets_a_change_under_way_end_and_ejects_the_rest(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	finish_dependants(r, plan);
	rig_exit(r, "feat/a", 0, "a");
	(void)rig_effect(r, "land.build", "feat/a");
	cancel(r, plan);
	rig_assert_task(r, plan, "feat/b", "ejected", "the plan was cancelled");
	rig_assert_task(r, plan, "feat/c", "ejected", NULL);
	rig_assert_plan(r, plan, "cancelling");
	land(r, "feat/a");
	rig_removed(r, "feat/a");
	rig_assert_task(r, plan, "feat/a", "landed", NULL);
	rig_assert_plan(r, plan, "cancelled");
}

static void test_L4_without_a_gate_a_task_stops_at_ready_and_a_person_lands_it_later(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE], change[ID_SIZE];
	autoerror err = {0};
	run_one(r, HEAD ONE, plan);
	rig_exit(r, "feat/a", 0, "done");
	rig_assert_task(r, plan, "feat/a", "ready", "no gate is configured");
	assert_null(rig_find(r, "land.build", NULL));
	rig_assert_plan(r, plan, "done");
	struct change_spec spec = {.repo_id = r->repo,
				   .branch = "feat/a",
				   .target = "main",
				   .how = "squash",
				   .gate_tries = 1,
				   .approved = true};
	world_check(change_add(r->s, &spec, change, &err), &err);
	rig_turn(r);
	rig_assert_task(r, plan, "feat/a", "landing", NULL);
	land(r, "feat/a");
	rig_assert_task(r, plan, "feat/a", "cleaning", NULL);
	rig_removed(r, "feat/a");
	rig_assert_task(r, plan, "feat/a", "landed", "landed without a gate");
}

static void test_a_branch_with_nothing_in_it_is_done_not_landed(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	run_one(r, HEAD "gate: none\n" ONE, plan);
	rig_exit(r, "feat/a", 0, "");
	rig_finish(r, rig_effect(r, "land.build", "feat/a"), true, rig_build_answer("empty", NULL));
	rig_removed(r, "feat/a");
	rig_assert_task(r, plan, "feat/a", "done", "nothing to land");
	json_auto_t *json = plan_to_json(r->s, plan);
	assert_int_equal(json_array_size(json_object_get(json, "landed")), 0);
}

static void test_W4_a_landed_worktree_that_must_stay_is_kept_and_said(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	run_one(r, HEAD "gate: none\n" ONE, plan);
	rig_exit(r, "feat/a", 0, "a");
	land(r, "feat/a");
	assert_int_equal(
		json_array_size(json_object_get(rig_effect(r, "worktree.remove", "feat/a")->args, "waive")),
		0);
	rig_finish(r, rig_effect(r, "worktree.remove", "feat/a"), true,
		   json_pack("{s:b, s:s}", "removed", 0, "reason", "untracked: notes.txt"));
	rig_assert_task(r, plan, "feat/a", "landed", "its worktree was kept: untracked: notes.txt");
	rig_assert_plan(r, plan, "done");
}

static void test_a_branch_is_in_one_running_plan_only(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	rig_plan(r, HEAD "gate: none\n" ONE, plan);
	autoplan *again = NULL;
	autoerror err = {0};
	const char *text = HEAD ONE;
	struct plan_source src = {.file = "p",
				  .text = text,
				  .len = strlen(text),
				  .cwd = "/src/app",
				  .target = "main",
				  .default_backend = "script"};
	world_check(plan_file_parse(&src, &again, &err), &err);
	struct plan_order order = {.plan = again,
				   .file = "p",
				   .dir = "/src/app",
				   .repo_id = r->repo,
				   .target = "main",
				   .circle = "default"};
	char id[ID_SIZE];
	store_save(r->s);
	assert_int_equal(plan_begin(&r->core, &order, id, &err), ERR_EXISTS);
	store_undo(r->s);
	assert_non_null(strstr(err.message, plan));
}

static void test_W11_a_plan_goes_on_after_a_crash_at_any_step(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	rig_plan(r, HEAD "gate: none\n" ONE, plan);
	rig_crash(r, NULL);
	assert_true(rig_effect(r, "worktree.create", "feat/a")->probe);
	rig_created(r, "feat/a");
	rig_crash(r, NULL);
	assert_true(rig_effect(r, "spawn", "feat/a")->probe);
	rig_spawned(r, "feat/a");
	rig_crash(r, NULL);
	rig_exit(r, "feat/a", 0, "a");
	rig_crash(r, NULL);
	rig_built(r, "feat/a");
	rig_crash(r, NULL);
	assert_true(rig_effect(r, "land.move", "feat/a")->probe);
	rig_moved(r, "feat/a");
	rig_crash(r, NULL);
	assert_true(rig_effect(r, "worktree.remove", "feat/a")->probe);
	rig_removed(r, "feat/a");
	rig_crash(r, NULL);
	rig_assert_task(r, plan, "feat/a", "landed", NULL);
	rig_assert_plan(r, plan, "done");
	assert_int_equal(r->n_started, 0);
	assert_int_equal(world_events(r->w, "change.landed", NULL), 1);
	assert_int_equal(db_int(r->s, 0, "SELECT count(*) FROM attempt", ""), 1);
	assert_int_equal(db_int(r->s, 0, "SELECT count(*) FROM outbox WHERE kind = 'land.move'", ""), 1);
}

static void test_X6_a_task_interrupted_by_a_reboot_starts_again_at_no_cost(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	run_one(r, HEAD "gate: none\n" ONE, plan); /* one attempt only */
	rig_crash(r, "boot-2");
	rig_assert_task(r, plan, "feat/a", "starting", NULL);
	autofree char *job = job_of(r, plan, "feat/a");
	assert_int_equal(db_int(r->s, 0,
				"SELECT count(*) FROM attempt WHERE job_id = ? AND state = 'interrupted'",
				"s", job),
			 1);
	rig_spawned(r, "feat/a");
	rig_exit(r, "feat/a", 0, "a");
	rig_assert_task(r, plan, "feat/a", "landing", NULL);
}

static void test_the_shape_of_a_plan(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	run_one(r, HEAD "gate: none\n" ONE, plan);
	static const char *const fields[] = {"plan",   "file",	"state",  "target", "circle",
					     "repo",   "tasks", "landed", "ready",  "ejected",
					     "failed", "done",	"commit"};
	static const char *const task_fields[] = {"task", "state", "reason", "job", "peer", "path", "needs"};
	json_auto_t *json = plan_to_json(r->s, plan);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		assert_non_null(json_object_get(json, fields[i]));
	const json_t *task = json_array_get(json_object_get(json, "tasks"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(task_fields); i++)
		assert_non_null(json_object_get(task, task_fields[i]));
	assert_string_equal(json_str(task, "path"), "/src/app-feat-a");
	assert_null(plan_to_json(r->s, "plan-nothing"));
	json_auto_t *list = plan_list(r->s, 10);
	assert_string_equal(json_str(json_array_get(json_object_get(list, "plans"), 0), "plan"), plan);
}

static void test_W9_a_task_owns_its_branch_and_works_in_its_worktree(void **state)
{
	struct rig *r = *state;
	char plan[ID_SIZE];
	rig_plan(r, HEAD "gate: none\n" ONE, plan);
	rig_created(r, "feat/a");
	const json_t *args = rig_effect(r, "spawn", "feat/a")->args;
	const json_t *spec = json_object_get(args, "spec");
	const json_t *env = json_object_get(spec, "env");
	autofree char *job = job_of(r, plan, "feat/a");
	autofree char *peer =
		db_text(r->s, "SELECT peer_id FROM task WHERE plan_id = ? AND branch = 'feat/a'", "s", plan);
	json_auto_t *argv = json_pack("[s, s]", "make", "a");
	assert_true(json_equal(json_object_get(spec, "argv"), argv));
	assert_string_equal(json_str(spec, "cwd"), "/src/app-feat-a");
	assert_string_equal(json_str(env, "COPPICE_PEER"), peer);
	assert_string_equal(json_str(env, "COPPICE_JOB"), job);
	assert_string_equal(json_str(env, "COPPICE_PLAN"), plan);
	assert_string_equal(json_str(env, "COPPICE_BRANCH"), "feat/a");
	assert_string_equal(json_str(env, "COPPICE_TARGET"), "main");
	assert_true(json_is_null(json_object_get(env, "COPPICE_TOKEN_FILE"))); /* S4 */
	autofree char *owner = db_text(r->s, "SELECT peer_id FROM branch_owner WHERE branch = 'feat/a'", "");
	assert_string_equal(owner, peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(test_a_plan_of_three_goes_through_every_state),
		rig_test(test_L1_a_plan_lands_no_task_before_what_it_needs),
		rig_test(test_L1_what_needs_a_failed_task_is_ejected_with_the_reason),
		rig_test(test_L1_an_ejected_change_takes_its_dependants_along),
		rig_test(test_a_task_that_has_not_started_fails_with_what_it_needs),
		rig_test(test_stacked_and_after_wait_for_what_they_say),
		rig_test(test_J4_a_retry_resumes_in_the_same_worktree_with_a_new_fence),
		rig_test(test_J4_a_fresh_retry_puts_the_first_worktree_into_the_trash),
		rig_test(test_I8_a_worktree_that_cannot_be_discarded_fails_the_task_and_stays),
		rig_test(test_a_spawn_that_fails_costs_an_attempt),
		rig_test(test_a_worktree_that_fails_ends_the_task),
		rig_test(test_J5_a_plan_cancelled_while_it_makes_worktrees_starts_nothing_more),
		rig_test(test_J5_a_plan_cancelled_while_it_starts_a_process_ends_that_process),
		rig_test(test_J5_a_spawn_that_fails_after_the_cancelling_is_cancelled),
		rig_test(test_J5_a_plan_cancelled_at_work_kills_and_does_not_retry),
		rig_test(test_J5_a_cancelled_plan_lands_nothing_that_completes_late),
		rig_test(test_J5_a_plan_cancelled_while_it_discards_does_not_start_again),
		rig_test(test_J5_a_cancelled_plan_lets_a_change_under_way_end_and_ejects_the_rest),
		rig_test(test_L4_without_a_gate_a_task_stops_at_ready_and_a_person_lands_it_later),
		rig_test(test_a_branch_with_nothing_in_it_is_done_not_landed),
		rig_test(test_W4_a_landed_worktree_that_must_stay_is_kept_and_said),
		rig_test(test_a_branch_is_in_one_running_plan_only),
		rig_test(test_W11_a_plan_goes_on_after_a_crash_at_any_step),
		rig_test(test_X6_a_task_interrupted_by_a_reboot_starts_again_at_no_cost),
		rig_test(test_the_shape_of_a_plan),
		rig_test(test_W9_a_task_owns_its_branch_and_works_in_its_worktree),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of spawns: from the order to the end of the process, whoever notices it. */
#include "flow/testing.h"

#include "flow/session.h"
#include "flow/spawn_agent.h"
#include "mesh/message.h"
#include "work/job.h"

struct spawned {
	char peer[ID_SIZE], job[ID_SIZE], spawn[ID_SIZE];
	int64_t fence, effect;
};

/* A peer on the branch with a job (attempts > 0) and an ordered start. */
static void order_for(struct rig *r, int attempts, const char *branch, struct spawned *ret)
{
	autoerror err = {0};
	int64_t attempt;
	*ret = (struct spawned){0};
	struct peer_spec peer = {.name = branch, .branch = branch, .backend = "script", .trusted = true};
	world_check(peer_mint(r->s, &peer, ret->peer, &err), &err);
	if (attempts) {
		struct job_spec job = {.title = "t", .peer_id = ret->peer, .max_attempts = attempts};
		world_check(job_create(r->s, &job, ret->job, &err), &err);
		world_check(job_claim(r->s, ret->job, ret->peer, JOB_DISPATCHED, &attempt, &ret->fence, &err),
			    &err);
	}
	json_auto_t *argv = json_pack("[s, s]", "make", "a b; $(c)");
	struct spawn_order o = {.peer_id = ret->peer,
				.backend = "script",
				.path = "/src/app",
				.argv = argv,
				.job_id = attempts ? ret->job : NULL,
				.fence = ret->fence};
	world_check(spawn_order(&r->core, &o, ret->spawn, &ret->effect, &err), &err);
	rig_turn(r);
}

static void order(struct rig *r, int attempts, struct spawned *ret)
{
	order_for(r, attempts, "feat/a", ret);
}

static void assert_spawn(struct rig *r, const struct spawned *sp, const char *state)
{
	autofree char *now = db_text(r->s, "SELECT state FROM spawn WHERE spawn_id = ?", "s", sp->spawn);
	assert_string_equal(now, state);
}

static void assert_job(struct rig *r, const struct spawned *sp, enum job_state state, const char *reason_part)
{
	json_auto_t *job = job_to_json(r->s, sp->job, false);
	assert_string_equal(json_str(job, "state"), job_state_name(state));
	const char *reason = json_str(job, "reason");
	if (reason_part && (!reason || !strstr(reason, reason_part)))
		fail_msg("the job's reason is '%s', not '…%s…'", reason ? reason : "", reason_part);
}

static void assert_peer(struct rig *r, const struct spawned *sp, bool live, bool online,
			enum peer_cause cause)
{
	struct peer_ref peer;
	assert_true(peer_find(r->s, sp->peer, &peer));
	assert_int_equal(peer.live, live);
	assert_int_equal(peer.online, online);
	if (!live)
		assert_string_equal(peer_cause_name(peer.cause), peer_cause_name(cause));
}

static void test_W11_the_order_is_durable_before_the_terminal(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	order(r, 1, &sp);
	assert_spawn(r, &sp, "starting");
	const struct effect *e = rig_effect(r, "spawn", "feat/a");
	assert_string_equal(json_str(e->args, "spawn_id"), sp.spawn);
	json_auto_t *argv = json_pack("[s, s]", "make", "a b; $(c)"); /* S2: as it was given */
	const json_t *spec = json_object_get(e->args, "spec");
	assert_true(json_equal(json_object_get(spec, "argv"), argv));
	assert_string_equal(json_str(spec, "kind"), "watch");
	rig_crash(r, NULL);
	e = rig_effect(r, "spawn", "feat/a");
	assert_true(e->probe);
	assert_string_equal(json_str(e->args, "spawn_id"), sp.spawn); /* found again by its id */
	assert_int_equal(r->n_started, 1);
}

static void test_I2_a_started_terminal_proves_its_peer(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	order(r, 1, &sp);
	assert_peer(r, &sp, true, false, CAUSE_NONE);
	rig_spawned(r, "feat/a");
	assert_spawn(r, &sp, "running");
	assert_peer(r, &sp, true, true, CAUSE_NONE);
	assert_job(r, &sp, JOB_RUNNING, NULL);
	assert_int_equal(db_int(r->s, 0,
				"SELECT count(*) FROM session WHERE peer_id = ? AND pid = ? AND kind = "
				"'terminal' AND ended_at IS NULL",
				"si", sp.peer, rig_pid(r, "feat/a")),
			 1);
}

static void test_J4_exit_0_completes_the_job_with_the_last_line(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	order(r, 1, &sp);
	rig_spawned(r, "feat/a");
	rig_exit(r, "feat/a", 0, "12 tests passed");
	assert_spawn(r, &sp, "ended");
	assert_job(r, &sp, JOB_COMPLETED, NULL);
	json_auto_t *job = job_to_json(r->s, sp.job, false);
	assert_string_equal(json_str(json_object_get(job, "result"), "summary"), "12 tests passed");
	assert_peer(r, &sp, false, false, CAUSE_FINISHED);
}

static void test_J4_anything_else_fails_the_attempt_at_once(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	order(r, 1, &sp);
	rig_spawned(r, "feat/a");
	rig_exit(r, "feat/a", 3, "no such file");
	assert_job(r, &sp, JOB_FAILED, "exit 3: no such file");
	assert_peer(r, &sp, false, false, CAUSE_PROCESS_GONE);
}

static void test_I9_a_process_that_ends_without_a_word_is_gone_with_that_cause(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	order(r, 1, &sp);
	rig_spawned(r, "feat/a");
	rig_exit(r, "feat/a", -1, NULL);
	assert_spawn(r, &sp, "ended");
	assert_job(r, &sp, JOB_FAILED, "without a word");
	assert_peer(r, &sp, false, false, CAUSE_PROCESS_GONE);
	assert_int_equal(world_events(r->w, "peer.offline", sp.peer), 1);
}

static void test_I9_the_end_of_an_unknown_or_another_process_changes_nothing(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	order(r, 1, &sp);
	rig_spawned(r, "feat/a");
	int64_t pid = rig_pid(r, "feat/a");
	process_gone(&r->core, pid + 1, 77, "boot-1");
	process_gone(&r->core, pid, 78, "boot-1"); /* the pid was given to another one */
	process_gone(&r->core, pid, 77, "boot-0");
	rig_turn(r);
	assert_spawn(r, &sp, "running");
	assert_peer(r, &sp, true, true, CAUSE_NONE);
	assert_job(r, &sp, JOB_RUNNING, NULL);
	rig_exit(r, "feat/a", 0, "done");
	process_gone(&r->core, pid, 77, "boot-1"); /* told twice */
	rig_turn(r);
	assert_int_equal(world_events(r->w, "spawn.ended", sp.spawn), 1);
	assert_int_equal(world_events(r->w, "job.completed", sp.job), 1);
}

static void test_J4_with_an_attempt_left_the_peer_is_expected_again(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	order(r, 2, &sp);
	rig_spawned(r, "feat/a");
	rig_exit(r, "feat/a", 1, "broke");
	assert_job(r, &sp, JOB_READY, "exit 1");
	assert_peer(r, &sp, true, false, CAUSE_NONE);
}

static void test_J4_a_job_that_its_worker_ended_itself_stays_so(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	order(r, 1, &sp);
	rig_spawned(r, "feat/a");
	struct job_change said = {.state = JOB_COMPLETED, .summary = "its own words"};
	assert_int_equal(job_update(r->s, sp.job, sp.fence, &said, NULL), 0);
	rig_exit(r, "feat/a", 5, "and then it crashed");
	assert_job(r, &sp, JOB_COMPLETED, NULL);
	json_auto_t *job = job_to_json(r->s, sp.job, false);
	assert_string_equal(json_str(json_object_get(job, "result"), "summary"), "its own words");
}

static void test_J2_the_end_of_an_old_process_leaves_the_new_attempt_alone(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	int64_t attempt, fence;
	order(r, 3, &sp);
	rig_spawned(r, "feat/a");
	job_attempt_lost(r->s, sp.job, sp.fence, false, "taken for lost");
	assert_int_equal(job_claim(r->s, sp.job, sp.peer, JOB_DISPATCHED, &attempt, &fence, NULL), 0);
	json_auto_t *argv = json_pack("[s]", "again");
	struct spawn_order o = {.peer_id = sp.peer,
				.backend = "script",
				.path = "/src/app",
				.argv = argv,
				.job_id = sp.job,
				.fence = fence};
	char newer[ID_SIZE];
	int64_t effect;
	assert_int_equal(spawn_order(&r->core, &o, newer, &effect, NULL), 0);
	rig_turn(r);
	rig_exit(r, "feat/a", 0, "a zombie's result");
	assert_job(r, &sp, JOB_DISPATCHED, NULL);
	assert_peer(r, &sp, true, false, CAUSE_NONE);
	rig_spawned(r, "feat/a");
	assert_job(r, &sp, JOB_RUNNING, NULL);
	assert_peer(r, &sp, true, true, CAUSE_NONE);
	json_auto_t *job = job_to_json(r->s, sp.job, false);
	assert_null(json_str(json_object_get(job, "result"), "summary"));
}

static void test_D8_a_start_that_failed_is_a_typed_failure(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	order(r, 1, &sp);
	rig_fail(r, "spawn", "feat/a", "terminal", "tmux is missing");
	assert_spawn(r, &sp, "failed");
	assert_job(r, &sp, JOB_FAILED, "tmux is missing");
	assert_peer(r, &sp, false, false, CAUSE_PROCESS_GONE);
	assert_int_equal(world_events(r->w, "spawn.failed", sp.spawn), 1);
	json_auto_t *result = NULL;
	assert_string_equal(effect_state(r->s, sp.effect, &result), "failed");
	assert_string_equal(json_str(json_object_get(result, "error"), "code"), "terminal");
}

static void test_D8_a_first_turn_without_a_login_is_a_typed_failure(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	struct peer_ref peer;
	order(r, 1, &sp);
	rig_spawned(r, "feat/a");
	assert_true(peer_find(r->s, sp.peer, &peer));
	static const struct {
		const char *reason;
		int code;
		enum spawn_outcome outcome;
	} turns[] = {{"rate_limit", ERR_OK, SPAWN_OPEN}, {AGENT_NO_LOGIN, ERR_LOGIN, SPAWN_FAILED}};
	for (size_t i = 0; i < ARRAY_SIZE(turns); i++) {
		struct session_event failed = {.event = AGENT_TURN_FAILED, .source = turns[i].reason};
		json_auto_t *answer = NULL;
		autoerror err = {0};
		session_event(&r->core, &peer, &failed, &answer);
		rig_turn(r);
		assert_int_equal(spawn_outcome(r->s, sp.peer, &err), turns[i].outcome);
		assert_int_equal(err.code, turns[i].code);
	}
}

static enum spawn_outcome looked(struct rig *r, const struct spawned *sp, const char *screen)
{
	json_auto_t *result = json_pack("{s:s}", "screen", screen);
	autoerror err = {0};
	spawn_looked(&r->core, sp->spawn, true, result);
	return spawn_outcome(r->s, sp->peer, &err);
}

static void heard(struct rig *r, const struct spawned *sp, enum agent_event what, json_t *shown)
{
	struct peer_ref peer;
	struct session_event event = {.event = what, .shown = shown};
	json_auto_t *answer = NULL;
	assert_true(peer_find(r->s, sp->peer, &peer));
	session_event(&r->core, &peer, &event, &answer);
	rig_turn(r);
}

/* A start with a first prompt, whose agent has registered. */
static void prompted(struct rig *r, struct spawned *sp, char id[ID_SIZE])
{
	struct message_new m = {.kind = MESSAGE_PROMPT, .from = &(struct caller){0}, .text = "hello"};
	autoerror err = {0};
	order(r, 0, sp);
	rig_spawned(r, "feat/a");
	spawn_agent_expect(&r->core, sp->spawn);
	m.to = sp->peer;
	world_check(message_store(r->s, &r->core.limits, &m, id, &err), &err);
	world_check(message_offer(r->s, id, "launch", NULL, &err), &err);
	(void)db_run(r->s, "UPDATE spawn SET message_id = ? WHERE spawn_id = ?", "ss", id, sp->spawn);
}

static void test_D8_a_prompt_line_says_nothing_before_the_first_turn_is_over(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	char id[ID_SIZE];
	prompted(r, &sp, id);
	assert_int_equal(looked(r, &sp, "prompt"), SPAWN_OPEN); /* it is not read yet */
	json_auto_t *shown = json_pack("[s]", id);
	heard(r, &sp, AGENT_PROMPT, shown);
	assert_int_equal(looked(r, &sp, "prompt"), SPAWN_OPEN); /* the turn is not drawn yet */
	heard(r, &sp, AGENT_TURN_END, NULL);
	assert_int_equal(looked(r, &sp, "prompt"), SPAWN_CONFIRMED);
}

/* Without a login the first turn looks busy too, until it fails. */
static void test_D8_a_busy_first_turn_counts_once_it_got_an_answer(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	char id[ID_SIZE];
	prompted(r, &sp, id);
	json_auto_t *shown = json_pack("[s]", id);
	heard(r, &sp, AGENT_PROMPT, shown);
	for (int i = 0; i < 9; i++) {
		assert_int_equal(looked(r, &sp, "busy"), SPAWN_OPEN);
		r->w->now += USEC_PER_SEC / 2;
		rig_turn(r);
	}
	r->w->now += USEC_PER_SEC;
	rig_turn(r);
	assert_int_equal(looked(r, &sp, "busy"), SPAWN_CONFIRMED);
}

static void test_D8_a_tool_call_shows_that_it_can_work(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	char id[ID_SIZE];
	autoerror err = {0};
	prompted(r, &sp, id);
	(void)db_run(r->s, "UPDATE peer SET backend = 'claude-code' WHERE peer_id = ?", "s", sp.peer);
	json_auto_t *shown = json_pack("[s]", id);
	heard(r, &sp, AGENT_PROMPT, shown);
	heard(r, &sp, AGENT_TOOL_END, NULL);
	assert_int_equal(spawn_outcome(r->s, sp.peer, &err), SPAWN_CONFIRMED);
}

static void test_D8_a_first_prompt_that_is_not_read_in_time_is_a_typed_failure_until_it_is(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	char id[ID_SIZE];
	prompted(r, &sp, id);
	r->w->now += config_duration(r->core.config, "delivery.first_prompt");
	rig_turn(r);
	(void)timer_fire(r->s);
	rig_turn(r);
	assert_int_equal(looked(r, &sp, "prompt"), SPAWN_FAILED);
	json_auto_t *shown = json_pack("[s]", id);
	heard(r, &sp, AGENT_PROMPT, shown);
	assert_non_null(rig_find(r, "look", NULL));
	assert_int_equal(looked(r, &sp, "prompt"), SPAWN_CONFIRMED);
}

/* So short a command that nobody could look at its process. */
static void test_a_process_that_ended_before_it_was_seen_counts(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	order(r, 1, &sp);
	json_object_set_new(r->exits, sp.spawn, json_pack("{s:i, s:s}", "exit", 0, "summary", "quick"));
	rig_finish(r, rig_effect(r, "spawn", "feat/a"), true,
		   json_pack("{s:s, s:i, s:i}", "pane_id", "%1", "pane_pid", 9, "start_time", 0));
	assert_spawn(r, &sp, "ended");
	assert_job(r, &sp, JOB_COMPLETED, NULL);
	assert_peer(r, &sp, false, false, CAUSE_FINISHED);
}

static void kill_it(struct rig *r, const struct spawned *sp, int64_t *ret_effect)
{
	autoerror err = {0};
	world_check(spawn_kill(&r->core, sp->peer, ret_effect, &err), &err);
	rig_turn(r);
}

static void test_I10_a_kill_names_the_pane_and_its_process_as_proof(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	int64_t effect;
	order(r, 1, &sp);
	rig_spawned(r, "feat/a");
	int64_t pid = rig_pid(r, "feat/a");
	kill_it(r, &sp, &effect);
	const json_t *args = rig_effect(r, "kill", "feat/a")->args;
	assert_string_equal(json_str(args, "spawn_id"), sp.spawn);
	assert_string_equal(json_str(args, "pane_id"), "%1");
	assert_int_equal(json_int(args, "pane_pid", 0), pid);
	assert_int_equal(json_int(args, "start_time", 0), 77);
	assert_peer(r, &sp, true, true, CAUSE_NONE); /* not before it is done */
	rig_finish(r, rig_effect(r, "kill", "feat/a"), true, json_object());
	assert_spawn(r, &sp, "ended");
	assert_peer(r, &sp, false, false, CAUSE_KILLED);
	assert_job(r, &sp, JOB_FAILED, "killed");
	assert_int_equal(world_events(r->w, "spawn.killed", sp.spawn), 1);
}

static void test_I10_without_proof_it_is_unregistered_and_left_alone(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	int64_t effect;
	order(r, 1, &sp);
	rig_spawned(r, "feat/a");
	kill_it(r, &sp, &effect);
	rig_fail(r, "kill", "feat/a", "refused", "another process has that pane now");
	assert_peer(r, &sp, false, false, CAUSE_RETIRED);
	assert_int_equal(world_events(r->w, "spawn.left_alone", sp.spawn), 1);
	assert_int_equal(world_events(r->w, "spawn.killed", sp.spawn), 0);
}

/* Whoever speaks from there meanwhile would be another peer than the one that was started, for good. */
static void test_I3_what_runs_in_a_terminal_that_is_not_on_record_or_called_off_is_no_other_peer(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	autoerror err = {0};
	int64_t effect;
	order(r, 0, &sp);
	assert_true(spawn_unproven(r->s, sp.peer));
	rig_spawned(r, "feat/a");
	assert_false(spawn_unproven(r->s, sp.peer));
	rig_exit(r, "feat/a", 0, "done");
	assert_false(spawn_unproven(r->s, sp.peer));
	order_for(r, 0, "feat/b", &sp);
	world_check(spawn_kill(&r->core, sp.peer, &effect, &err), &err); /* before its terminal is made */
	rig_turn(r);
	assert_true(spawn_unproven(r->s, sp.peer));
	rig_spawned(r, "feat/b");
	assert_true(spawn_unproven(r->s, sp.peer));
	rig_finish(r, rig_effect(r, "kill", "feat/b"), true, json_object());
	assert_false(spawn_unproven(r->s, sp.peer));
}

static void test_I10_a_peer_that_coppice_did_not_start_is_only_unregistered(void **state)
{
	struct rig *r = *state;
	struct peer_ref peer = world_agent(r->w, "by-hand", NULL, NULL);
	autoerror err = {0};
	int64_t effect = 5;
	world_check(spawn_kill(&r->core, peer.peer_id, &effect, &err), &err);
	rig_turn(r);
	assert_int_equal(effect, 0);
	assert_int_equal(r->n_started, 0);
	assert_true(peer_find(r->s, peer.peer_id, &peer));
	assert_false(peer.live);
	assert_string_equal(peer_cause_name(peer.cause), peer_cause_name(CAUSE_RETIRED));
}

static void test_a_kill_of_what_has_just_ended_by_itself_keeps_its_result(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	int64_t effect;
	order(r, 1, &sp);
	rig_spawned(r, "feat/a");
	kill_it(r, &sp, &effect);
	rig_exit(r, "feat/a", 0, "done");
	rig_fail(r, "kill", "feat/a", "not_found", "no such pane");
	assert_job(r, &sp, JOB_COMPLETED, NULL);
	assert_peer(r, &sp, false, false, CAUSE_FINISHED);
	assert_int_equal(world_events(r->w, "spawn.killed", sp.spawn), 0);
}

static void test_X6_after_a_reboot_attempts_are_interrupted_at_no_cost(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	struct peer_ref agent = world_agent(r->w, "other", NULL, NULL);
	autoerror err = {0};
	char job[ID_SIZE];
	int64_t attempt, fence;
	world_check(job_create(r->s, &(struct job_spec){.title = "claimed"}, job, &err), &err);
	world_check(job_claim(r->s, job, agent.peer_id, JOB_RUNNING, &attempt, &fence, &err), &err);
	order(r, 1, &sp);
	rig_spawned(r, "feat/a");
	rig_crash(r, "boot-2");
	assert_spawn(r, &sp, "ended");
	assert_job(r, &sp, JOB_READY, "interrupted by a reboot");
	assert_peer(r, &sp, true, false, CAUSE_NONE); /* expected again */
	assert_int_equal(db_int(r->s, 0, "SELECT count(*) FROM attempt WHERE state = 'interrupted'", ""), 2);
	json_auto_t *claimed = job_to_json(r->s, job, false);
	assert_string_equal(json_str(claimed, "state"), "ready");
	assert_true(peer_find(r->s, agent.peer_id, &agent));
	assert_string_equal(peer_cause_name(agent.cause), peer_cause_name(CAUSE_REBOOT));
}

static void test_X6_what_had_ended_before_the_reboot_keeps_its_result(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	order(r, 1, &sp);
	rig_spawned(r, "feat/a");
	json_object_set_new(r->exits, sp.spawn, json_pack("{s:i, s:s}", "exit", 0, "summary", "in time"));
	rig_crash(r, "boot-2");
	assert_job(r, &sp, JOB_COMPLETED, NULL);
	assert_peer(r, &sp, false, false, CAUSE_FINISHED);
}

static void test_a_restart_of_the_daemon_interrupts_nothing(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	order(r, 1, &sp);
	rig_spawned(r, "feat/a");
	rig_crash(r, NULL);
	assert_spawn(r, &sp, "running");
	assert_peer(r, &sp, true, true, CAUSE_NONE);
	assert_job(r, &sp, JOB_RUNNING, NULL);
}

static void test_J5_a_request_to_cancel_ends_the_process(void **state)
{
	struct rig *r = *state;
	struct spawned sp;
	enum job_state now;
	order(r, 3, &sp);
	rig_spawned(r, "feat/a");
	assert_int_equal(job_cancel(r->s, sp.job, NULL, "stop", &now, NULL), 0);
	rig_turn(r);
	rig_finish(r, rig_effect(r, "kill", "feat/a"), true, json_object());
	assert_job(r, &sp, JOB_CANCELLED, NULL);
	assert_peer(r, &sp, false, false, CAUSE_KILLED);
}

/* J4: also for a job that an agent claimed by itself. */
static void test_J4_an_agent_that_goes_offline_loses_its_attempts(void **state)
{
	struct rig *r = *state;
	struct peer_ref agent = world_agent(r->w, "a", NULL, NULL);
	autoerror err = {0};
	char job[ID_SIZE];
	int64_t attempt, fence;
	world_check(job_create(r->s, &(struct job_spec){.title = "t"}, job, &err), &err);
	world_check(job_claim(r->s, job, agent.peer_id, JOB_RUNNING, &attempt, &fence, &err), &err);
	rig_turn(r);
	process_gone(&r->core, r->w->next_pid - 1, 77, "boot-1");
	rig_turn(r);
	json_auto_t *row = job_to_json(r->s, job, false);
	assert_string_equal(json_str(row, "state"), "failed");
	assert_non_null(strstr(json_str(row, "reason"), "its executor is gone"));
}

static void test_an_unknown_backend_is_refused(void **state)
{
	struct rig *r = *state;
	struct spawn_order o = {.peer_id = "peer-x", .backend = "emacs", .path = "/"};
	char id[ID_SIZE];
	int64_t effect;
	assert_int_equal(spawn_order(&r->core, &o, id, &effect, NULL), ERR_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(test_W11_the_order_is_durable_before_the_terminal),
		rig_test(test_I2_a_started_terminal_proves_its_peer),
		rig_test(test_J4_exit_0_completes_the_job_with_the_last_line),
		rig_test(test_J4_anything_else_fails_the_attempt_at_once),
		rig_test(test_I9_a_process_that_ends_without_a_word_is_gone_with_that_cause),
		rig_test(test_I9_the_end_of_an_unknown_or_another_process_changes_nothing),
		rig_test(test_J4_with_an_attempt_left_the_peer_is_expected_again),
		rig_test(test_J4_a_job_that_its_worker_ended_itself_stays_so),
		rig_test(test_J2_the_end_of_an_old_process_leaves_the_new_attempt_alone),
		rig_test(test_D8_a_start_that_failed_is_a_typed_failure),
		rig_test(test_D8_a_first_turn_without_a_login_is_a_typed_failure),
		rig_test(test_D8_a_prompt_line_says_nothing_before_the_first_turn_is_over),
		rig_test(test_D8_a_busy_first_turn_counts_once_it_got_an_answer),
		rig_test(test_D8_a_tool_call_shows_that_it_can_work),
		rig_test(test_D8_a_first_prompt_that_is_not_read_in_time_is_a_typed_failure_until_it_is),
		rig_test(test_a_process_that_ended_before_it_was_seen_counts),
		rig_test(test_I10_a_kill_names_the_pane_and_its_process_as_proof),
		rig_test(test_I10_without_proof_it_is_unregistered_and_left_alone),
		rig_test(
			test_I3_what_runs_in_a_terminal_that_is_not_on_record_or_called_off_is_no_other_peer),
		rig_test(test_I10_a_peer_that_coppice_did_not_start_is_only_unregistered),
		rig_test(test_a_kill_of_what_has_just_ended_by_itself_keeps_its_result),
		rig_test(test_X6_after_a_reboot_attempts_are_interrupted_at_no_cost),
		rig_test(test_X6_what_had_ended_before_the_reboot_keeps_its_result),
		rig_test(test_a_restart_of_the_daemon_interrupts_nothing),
		rig_test(test_J5_a_request_to_cancel_ends_the_process),
		rig_test(test_J4_an_agent_that_goes_offline_loses_its_attempts),
		rig_test(test_an_unknown_backend_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

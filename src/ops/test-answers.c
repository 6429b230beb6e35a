/* Tests of the operations' handlers on a real database: what they answer, refuse, wait for and undo; a worker
 * that looks at git is played by the test. */
#include "ops/testing.h"

static void test_A1_ask_wait_and_ack(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	make_callers(r, c);
	json_auto_t *asked = call_ok(r, &c[AGENT], "ask",
				     json_pack("{s:s, s:s}", "peer_name", "reviewer", "query", "why?"));
	assert_fields(asked, "correlation_id to step");
	assert_string_equal(json_str(asked, "to"), c[REVIEWER].peer_id);
	assert_string_equal(json_str(asked, "step"), "stored");
	const char *id = json_str(asked, "correlation_id");
	assert_true(id_is(id, "ask"));
	json_auto_t *open = call_ok(r, &c[REVIEWER], "asks", json_object());
	assert_fields(first_of(open, "asks"), ASK_FIELDS);
	autoerror err = {0};
	json_t *answer = NULL;
	json_auto_t *params = json_pack("{s:s, s:i}", "correlation_id", id, "timeout_seconds", 20);
	struct op_call wait = {.op = op_find("wait_on_ack"), .caller = &c[AGENT], .params = params};
	assert_int_equal(run(r, &wait, &answer, &err), OP_PARKED);
	assert_null(answer);
	assert_string_equal(wait.topic, id);
	assert_int_equal(wait.wait, 20 * USEC_PER_SEC);
	json_auto_t *acked = call_ok(r, &c[REVIEWER], "ack",
				     json_pack("{s:s, s:s}", "correlation_id", id, "message", "because"));
	assert_fields(acked, "correlation_id outcome");
	assert_string_equal(json_str(acked, "outcome"), "replied");
	assert_int_equal(run(r, &wait, &answer, &err), 0); /* woken: run again from the start */
	assert_string_equal(json_str(answer, "outcome"), "replied");
	assert_string_equal(json_str(answer, "reply"), "because");
	json_decref(answer);
	op_call_release(&wait);
}

static void test_A5_a_wait_that_times_out_answers_and_records_nothing(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	autoerror err = {0};
	json_t *answer = NULL;
	make_callers(r, c);
	json_auto_t *asked =
		call_ok(r, &c[AGENT], "ask", json_pack("{s:s, s:s}", "peer_name", "reviewer", "query", "?"));
	json_auto_t *params = json_pack("{s:s}", "correlation_id", json_str(asked, "correlation_id"));
	struct op_call wait = {.op = op_find("wait_on_ack"), .caller = &c[AGENT], .params = params};
	int64_t before = event_last_id(r->s);
	assert_int_equal(run(r, &wait, &answer, &err), OP_PARKED);
	assert_int_equal(wait.wait, 25 * USEC_PER_SEC);
	wait.timed_out = true;
	assert_int_equal(run(r, &wait, &answer, &err), 0);
	assert_true(json_is_null(json_object_get(answer, "outcome")));
	assert_string_equal(json_str(answer, "state"), "open");
	assert_int_equal(event_last_id(r->s), before);
	json_decref(answer);
	op_call_release(&wait);
	assert_int_equal(call_op(r, &c[REVIEWER], "wait_on_ack", json_incref(params), NULL), ERR_FORBIDDEN);
}

static void test_A2_decline_says_why(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	make_callers(r, c);
	json_auto_t *asked =
		call_ok(r, &c[AGENT], "ask", json_pack("{s:s, s:s}", "peer_name", "reviewer", "query", "?"));
	const char *id = json_str(asked, "correlation_id");
	assert_int_equal(call_op(r, &c[AGENT], "decline",
				 json_pack("{s:s, s:s}", "correlation_id", id, "reason", "no"), NULL),
			 ERR_FORBIDDEN);
	json_auto_t *declined = call_ok(r, &c[REVIEWER], "decline",
					json_pack("{s:s, s:s}", "correlation_id", id, "reason", "no time"));
	assert_string_equal(json_str(declined, "outcome"), "declined");
	json_auto_t *waited = call_ok(r, &c[AGENT], "wait_on_ack", json_pack("{s:s}", "correlation_id", id));
	assert_string_equal(json_str(waited, "outcome"), "declined");
}

static void test_D1_notify_inbox_confirm_and_trace(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	make_callers(r, c);
	json_auto_t *told = call_ok(r, &c[UNKNOWN], "notify_peer",
				    json_pack("{s:s, s:s}", "peer_name", "agent", "message", "hello"));
	assert_fields(told, "message_id to step");
	const char *id = json_str(told, "message_id");
	json_auto_t *peeked = call_ok(r, &c[AGENT], "inbox", json_pack("{s:b}", "peek", 1));
	assert_string_equal(json_str(first_of(peeked, "messages"), "step"), "stored");
	json_auto_t *box = call_ok(r, &c[AGENT], "inbox", json_object());
	const json_t *m = first_of(box, "messages");
	assert_fields(m, MESSAGE_FIELDS);
	assert_string_equal(json_str(m, "id"), id);
	assert_string_equal(json_str(m, "from_name"), "unknown"); /* never as the user */
	assert_int_equal(call_op(r, &c[REVIEWER], "inbox_confirm", json_pack("{s:[s]}", "ids", id), NULL),
			 ERR_NOT_FOUND);
	json_auto_t *read = call_ok(r, &c[AGENT], "inbox_confirm", json_pack("{s:[s]}", "ids", id));
	json_auto_t *trace = call_ok(r, &c[AGENT], "trace", json_pack("{s:s}", "id", id));
	assert_fields(trace, "id kind from to steps");
	assert_fields(first_of(trace, "steps"), "step at transport reason");
	const json_t *steps = json_object_get(trace, "steps");
	assert_string_equal(json_str(json_array_get(steps, json_array_size(steps) - 1), "step"), "consumed");
	assert_non_null(read);
	assert_int_equal(call_op(r, &c[UNKNOWN], "inbox", json_object(), NULL), ERR_FORBIDDEN);
}

static void test_an_empty_inbox_waits_when_asked_to(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	autoerror err = {0};
	json_t *answer = NULL;
	make_callers(r, c);
	json_auto_t *params = json_pack("{s:i}", "wait_seconds", 5);
	struct op_call wait = {.op = op_find("inbox"), .caller = &c[AGENT], .params = params};
	assert_int_equal(run(r, &wait, &answer, &err), OP_PARKED);
	assert_string_equal(wait.topic, c[AGENT].peer_id);
	wait.timed_out = true;
	assert_int_equal(run(r, &wait, &answer, &err), 0);
	assert_int_equal(json_array_size(json_object_get(answer, "messages")), 0);
	json_decref(answer);
	op_call_release(&wait);
}

static void test_whoami_tells_each_kind_of_caller(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	static const char *const roles[CALLERS] = {"unknown",	   "agent",   "reviewer",
						   "orchestrator", "service", "human"};
	make_callers(r, c);
	for (int i = 0; i < CALLERS; i++) {
		json_auto_t *me = call_ok(r, &c[i], "whoami", json_object());
		assert_fields(me, PEER_FIELDS);
		assert_string_equal(json_str(me, "role"), roles[i]);
		if (i == UNKNOWN)
			assert_true(json_is_null(json_object_get(me, "peer_id")));
		else
			assert_string_equal(json_str(me, "peer_id"), c[i].peer_id);
	}
	json_auto_t *described =
		call_ok(r, &c[AGENT], "set_description", json_pack("{s:s}", "description", "busy"));
	assert_string_equal(json_str(described, "description"), "busy");
	json_auto_t *peers = call_ok(r, &c[UNKNOWN], "list_peers", json_object());
	assert_int_equal(json_array_size(json_object_get(peers, "peers")), 3);
	assert_fields(first_of(peers, "peers"), PEER_FIELDS);
	json_auto_t *shown = call_ok(r, &c[HUMAN], "show_peer", json_pack("{s:s}", "peer_name", "agent"));
	assert_fields(shown, PEER_FIELDS);
	assert_int_equal(call_op(r, &c[HUMAN], "show_peer", json_pack("{s:s}", "peer_name", "agnet"), NULL),
			 ERR_NO_PEER);
}

/* A session hears of its new role at once, also when it came and went meanwhile, or turned out to be another
 * peer. */
static void test_a_sessions_role_is_awaited(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	autoerror err = {0};
	json_t *answer = NULL;
	make_callers(r, c);
	json_auto_t *params = json_pack("{s:s, s:i}", "role", "agent", "wait_seconds", 5);
	struct caller by = c[AGENT];
	struct op_call wait = {.op = op_find("await_role"), .caller = &by, .params = params};
	assert_int_equal(run(r, &wait, &answer, &err), OP_PARKED);
	assert_string_equal(wait.topic, by.peer_id);
	by = c[UNKNOWN]; /* its session has ended, and begins anew */
	assert_int_equal(run(r, &wait, &answer, &err), OP_PARKED);
	assert_string_equal(wait.topic, c[AGENT].peer_id);
	by = c[AGENT];
	assert_int_equal(peer_assign(r->s, by.peer_id, "reviewer", NULL, NULL), 0);
	assert_int_equal(run(r, &wait, &answer, &err), 0);
	assert_string_equal(json_str(answer, "role"), "reviewer");
	json_decref(answer);
	op_call_release(&wait);

	/* it turns out to be another peer */
	assert_int_equal(peer_assign(r->s, by.peer_id, "agent", NULL, NULL), 0);
	wait = (struct op_call){.op = op_find("await_role"), .caller = &by, .params = params};
	assert_int_equal(run(r, &wait, &answer, &err), OP_PARKED);
	by = c[ORCHESTRATOR];
	assert_int_equal(run(r, &wait, &answer, &err), 0);
	assert_string_equal(json_str(answer, "role"), "orchestrator");
	assert_string_equal(json_str(answer, "peer_id"), by.peer_id);
	json_decref(answer);
	op_call_release(&wait);

	json_auto_t *at_once = call_ok(r, &c[AGENT], "await_role", json_pack("{s:s}", "role", "agent"));
	assert_string_equal(json_str(at_once, "role"), "agent");
	assert_int_equal(call_op(r, &c[HUMAN], "await_role", json_pack("{s:s}", "role", "x"), NULL),
			 ERR_FORBIDDEN);
}

static json_t *new_job(struct rig *r, const struct caller *by, json_t *params)
{
	return call_ok(r, by, "job_create", params);
}

static void test_S8_an_agent_reports_on_its_own_job_only(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	struct peer_ref other = world_agent(r->w, "other", NULL, NULL);
	struct caller stranger = world_caller(&other);
	make_callers(r, c);
	json_auto_t *job = new_job(r, &c[HUMAN], json_pack("{s:s}", "title", "t"));
	assert_fields(job, JOB_FIELDS);
	const char *id = json_str(job, "job_id");
	json_auto_t *mine = call_ok(r, &c[AGENT], "job_claim", json_pack("{s:s}", "job_id", id));
	assert_string_equal(json_str(mine, "peer"), c[AGENT].peer_id);
	json_int_t fence = json_int(mine, "fence", 0);
	const struct caller *const others[] = {&stranger, &c[REVIEWER]};
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_int_equal(call_op(r, others[i], "job_update",
					 json_pack("{s:s, s:s, s:I}", "job_id", id, "state", "completed",
						   "fence", fence),
					 NULL),
				 ERR_FORBIDDEN);
	assert_int_equal(call_op(r, &c[AGENT], "job_cancel", json_pack("{s:s}", "job_id", id), NULL),
			 ERR_FORBIDDEN);
	json_auto_t *status = call_ok(r, &c[AGENT], "job_status", json_object()); /* its own */
	assert_string_equal(json_str(status, "job_id"), id);
	json_auto_t *done = call_ok(
		r, &c[AGENT], "job_update",
		json_pack("{s:s, s:s, s:{s:i}}", "state", "completed", "summary", "ok", "data", "n", 1));
	assert_string_equal(json_str(done, "state"), "completed");
	json_auto_t *result = call_ok(r, &c[UNKNOWN], "job_result", json_pack("{s:s}", "job_id", id));
	assert_fields(result, "job_id state reason result");
	json_auto_t *list = call_ok(r, &c[UNKNOWN], "job_list", json_pack("{s:s}", "state", "completed"));
	assert_fields(first_of(list, "jobs"), JOB_FIELDS);
	assert_int_equal(call_op(r, &c[HUMAN], "job_list", json_pack("{s:s}", "state", "done"), NULL),
			 ERR_INVALID);
	assert_int_equal(call_op(r, &stranger, "job_status", json_object(), NULL), ERR_NOT_FOUND);
}

static void test_S8_an_agent_holds_up_no_job_but_its_own(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	make_callers(r, c);
	json_auto_t *theirs = new_job(r, &c[HUMAN], json_pack("{s:s}", "title", "theirs"));
	json_auto_t *given =
		new_job(r, &c[HUMAN], json_pack("{s:s, s:s}", "title", "given", "peer_name", "agent"));
	json_auto_t *own = new_job(r, &c[AGENT], json_pack("{s:s}", "title", "own"));
	json_t *params = json_pack("{s:s, s:[s]}", "title", "x", "needed_by", json_str(theirs, "job_id"));
	assert_int_equal(call_op(r, &c[AGENT], "job_create", json_deep_copy(params), NULL), ERR_FORBIDDEN);
	json_auto_t *by_orchestrator = new_job(r, &c[ORCHESTRATOR], params);
	json_auto_t *first = new_job(r, &c[AGENT],
				     json_pack("{s:s, s:[s, s]}", "title", "x", "needed_by",
					       json_str(own, "job_id"), json_str(given, "job_id")));
	assert_non_null(by_orchestrator);
	assert_non_null(first);
}

static void test_J2_an_update_names_its_fence(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	make_callers(r, c);
	json_auto_t *job = new_job(r, &c[HUMAN], json_pack("{s:s, s:i}", "title", "t", "attempts", 2));
	const char *id = json_str(job, "job_id");
	json_auto_t *first = call_ok(r, &c[AGENT], "job_claim", json_pack("{s:s}", "job_id", id));
	json_auto_t *failed =
		call_ok(r, &c[AGENT], "job_update", json_pack("{s:s, s:s}", "job_id", id, "state", "failed"));
	assert_string_equal(json_str(failed, "state"), "ready");
	json_auto_t *second = call_ok(r, &c[AGENT], "job_claim", json_pack("{s:s}", "job_id", id));
	assert_int_equal(call_op(r, &c[AGENT], "job_update",
				 json_pack("{s:s, s:s, s:I}", "job_id", id, "state", "completed", "fence",
					   json_int(first, "fence", 0)),
				 NULL),
			 ERR_STALE_FENCE);
	assert_int_equal(call_op(r, &c[AGENT], "job_update",
				 json_pack("{s:s, s:s}", "job_id", id, "state", "ready"), NULL),
			 ERR_REFUSED);
	assert_int_equal(call_op(r, &c[AGENT], "job_update",
				 json_pack("{s:s, s:s}", "job_id", id, "state", "finished"), NULL),
			 ERR_INVALID);
	json_auto_t *cancelled = call_ok(r, &c[HUMAN], "job_cancel", json_pack("{s:s}", "job_id", id));
	assert_string_equal(json_str(cancelled, "state"), "running"); /* a request first (J5) */
	assert_true(json_bool(cancelled, "cancel_requested", false));
	assert_non_null(second);
}

static void test_an_error_takes_back_what_the_handler_wrote(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	make_callers(r, c);
	int64_t events = event_last_id(r->s);
	assert_int_equal(call_op(r, &c[HUMAN], "job_create",
				 json_pack("{s:s, s:[s]}", "title", "t", "needs", "job-nothing"), NULL),
			 ERR_NOT_FOUND);
	assert_int_equal(db_int(r->s, 9, "SELECT count(*) FROM job", ""), 0);
	assert_int_equal(event_last_id(r->s), events);
	json_auto_t *job = new_job(r, &c[HUMAN], json_pack("{s:s}", "title", "t")); /* the turn goes on */
	assert_non_null(job);
}

static struct peer_ref child_of(struct rig *r, const char *name, const char *parent)
{
	struct peer_ref peer = {0};
	autoerror err = {0};
	struct peer_process process = {.kind = SESSION_AGENT, .pid = r->w->next_pid++, .start_time = 77};
	struct peer_spec spec = {.name = name, .backend = "script", .parent_peer = parent, .trusted = true};
	world_check(peer_register(r->s, &process, &spec, &peer, &err), &err);
	return peer;
}

static void test_S8_a_peer_kills_its_own_children_only(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	make_callers(r, c);
	static const int parents[] = {AGENT, REVIEWER, ORCHESTRATOR};
	for (size_t i = 0; i < ARRAY_SIZE(parents); i++) {
		struct peer_ref child = child_of(r, "child", c[parents[i]].peer_id);
		struct peer_ref grandchild = child_of(r, "grandchild", child.peer_id);
		for (int k = AGENT; k <= ORCHESTRATOR; k++)
			if (k != parents[i])
				assert_int_equal(call_op(r, &c[k], "kill_peer",
							 json_pack("{s:s}", "peer_identifier", child.peer_id),
							 NULL),
						 ERR_FORBIDDEN);
		assert_int_equal(call_op(r, &c[parents[i]], "kill_peer",
					 json_pack("{s:s}", "peer_identifier", grandchild.peer_id), NULL),
				 ERR_FORBIDDEN);
		assert_int_equal(call_op(r, &c[parents[i]], "kill_peer",
					 json_pack("{s:s}", "peer_identifier", c[parents[i]].peer_id), NULL),
				 ERR_FORBIDDEN); /* itself */
		json_auto_t *killed = call_ok(r, &c[parents[i]], "kill_peer",
					      json_pack("{s:s}", "peer_identifier", child.peer_id));
		assert_fields(killed, "peer_id terminal_closed note");
		assert_false(json_bool(killed, "terminal_closed", true)); /* not one that we started (I10) */
		assert_non_null(json_str(killed, "note"));
		json_auto_t *by_human = call_ok(r, &c[HUMAN], "kill_peer",
						json_pack("{s:s}", "peer_identifier", grandchild.peer_id));
		assert_non_null(by_human);
	}
	assert_int_equal(call_op(r, &c[HUMAN], "kill_peer",
				 json_pack("{s:s}", "peer_identifier", c[HUMAN].peer_id), NULL),
			 ERR_REFUSED);
}

static void test_I9_only_a_peer_ends_its_own_session(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	struct peer_ref peer;
	make_callers(r, c);
	assert_int_equal(call_op(r, &c[HUMAN], "end_session", json_object(), NULL), ERR_FORBIDDEN);
	assert_int_equal(call_op(r, &c[SERVICE], "end_session", json_object(), NULL), ERR_FORBIDDEN);
	json_auto_t *ended = call_ok(r, &c[AGENT], "end_session", json_object());
	assert_non_null(ended);
	assert_true(peer_find(r->s, c[AGENT].peer_id, &peer));
	assert_string_equal(peer_cause_name(peer.cause), peer_cause_name(CAUSE_SESSION_END));
}

static void test_I2_a_process_registers_itself_or_an_ancestor(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	make_callers(r, c);
	assert_int_equal(call_op(r, &c[UNKNOWN], "register_peer",
				 json_pack("{s:s, s:i}", "backend", "script", "pid", 4242), NULL),
			 ERR_FORBIDDEN); /* its processes are not known */
}

static json_t *spawn_params(void)
{
	return json_pack("{s:s, s:[s, s]}", "path", "/tmp", "run", "make", "it");
}

static void test_D8_a_spawn_answers_with_a_confirmed_peer_or_a_typed_failure(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	autoerror err = {0};
	json_t *answer = NULL;
	make_callers(r, c);
	for (int works = 1; works >= 0; works--) {
		json_auto_t *params = spawn_params();
		struct op_call call = {.op = op_find("spawn_peer"), .caller = &c[HUMAN], .params = params};
		assert_int_equal(run(r, &call, &answer, &err), OP_PARKED);
		assert_string_equal(call.work_kind, "repo.describe"); /* whose branch it is */
		call.work_result =
			json_pack("{s:{s:s, s:s}}", "error", "code", "not_found", "message", "no repository");
		assert_int_equal(run(r, &call, &answer, &err), OP_PARKED);
		autofree char *topic = xasprintf("effect:%lld", (long long)rig_effect(r, "spawn", NULL)->id);
		assert_string_equal(call.topic, topic);
		assert_int_equal(run(r, &call, &answer, &err),
				 OP_PARKED); /* woken too early: nothing twice */
		assert_int_equal(r->n_started, 1);
		if (works)
			rig_spawned(r, NULL);
		else
			rig_fail(r, "spawn", NULL, "exited", "it ended at once");
		assert_int_equal(run(r, &call, &answer, &err), works ? 0 : ERR_EXITED);
		if (works) {
			assert_fields(answer, PEER_FIELDS);
			assert_string_equal(json_str(answer, "status"), "online");
			json_decref(answer);
		}
		op_call_release(&call);
	}
}

static void test_S2_an_agent_starts_only_what_the_configuration_allows(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	autoerror err = {0};
	json_t *answer = NULL;
	make_callers(r, c);
	json_auto_t *params = spawn_params();
	struct op_call call = {.op = op_find("spawn_peer"), .caller = &c[ORCHESTRATOR], .params = params};
	assert_int_equal(run(r, &call, &answer, &err), ERR_REFUSED);
	assert_non_null(strstr(err.hint, "allowed_paths: [\"/tmp\"]")); /* the exact line to add */
	assert_int_equal(r->n_started, 0);
	rig_configure(r, "spawn:\n  allowed_paths: [\"/tmp\"]\n");
	assert_int_equal(run(r, &call, &answer, &err), OP_PARKED);
	op_call_release(&call);
	rig_configure(r, "spawn:\n  allowed_paths: [\"/tmp/only-this\"]\n");
	call = (struct op_call){.op = op_find("spawn_peer"), .caller = &c[ORCHESTRATOR], .params = params};
	assert_int_equal(run(r, &call, &answer, &err), ERR_REFUSED);
	op_call_release(&call);
	assert_int_equal(call_op(r, &c[HUMAN], "spawn_peer",
				 json_pack("{s:s, s:[s]}", "path", "relative", "run", "x"), NULL),
			 ERR_INVALID);
	assert_int_equal(call_op(r, &c[HUMAN], "spawn_peer", json_pack("{s:s}", "path", "/tmp"), NULL),
			 ERR_INVALID);
}

/* A call whose first run asks a worker to look; the test is that worker. */
static int run_looked(struct rig *r, struct op_call *call, json_t *looked, json_t **ret, struct error *err)
{
	int code = run(r, call, ret, err);
	if (code != OP_PARKED) {
		json_decref(looked);
		return code;
	}
	assert_string_equal(call->work_kind, "repo.find");
	assert_non_null(call->work_args);
	call->work_result = json_pack("{s:o}", "ok", looked);
	return run(r, call, ret, err);
}

static json_t *described(void)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:{}}", "common_dir", "/src/app/.git", "main",
			 "/src/app", "name", "app", "head_branch", "main", "bare", 0, "unborn", 0, "found");
}

static void test_L4_a_persons_word_lands_and_an_orchestrators_waits_for_one(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	autoerror err = {0};
	json_t *answer = NULL;
	make_callers(r, c);
	json_auto_t *params = json_pack("{s:s, s:[s]}", "dir", "/src/app", "branches", "feat/a");
	struct op_call by_agent = {.op = op_find("land"), .caller = &c[ORCHESTRATOR], .params = params};
	assert_int_equal(run_looked(r, &by_agent, described(), &answer, &err), 0);
	assert_fields(answer, "target changes");
	assert_fields(first_of(answer, "changes"), "branch state needs head landed_as gate reason");
	assert_string_equal(json_str(first_of(answer, "changes"), "state"), "ready");
	assert_int_equal(r->n_started, 0);
	json_decref(answer);
	op_call_release(&by_agent);
	struct op_call by_human = {.op = op_find("land"), .caller = &c[HUMAN], .params = params};
	assert_int_equal(run_looked(r, &by_human, described(), &answer, &err), OP_PARKED);
	rig_built(r, "feat/a");
	assert_int_equal(run(r, &by_human, &answer, &err), OP_PARKED); /* built is not landed */
	rig_moved(r, "feat/a");
	assert_int_equal(run(r, &by_human, &answer, &err), 0);
	assert_string_equal(json_str(first_of(answer, "changes"), "state"), "landed");
	assert_string_equal(json_str(first_of(answer, "changes"), "reason"), "landed without a gate");
	json_decref(answer);
	op_call_release(&by_human);
}

static void test_landing_refuses_what_makes_no_sense(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	make_callers(r, c);
	static const char *const bad[][2] = {{"main", "squash"}, {"a..b", "squash"}, {"feat/a", "fast"}};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		autoerror err = {0};
		json_t *answer = NULL;
		json_auto_t *params = json_pack("{s:s, s:[s], s:s}", "dir", "/src/app", "branches", bad[i][0],
						"how", bad[i][1]);
		struct op_call call = {.op = op_find("land"), .caller = &c[HUMAN], .params = params};
		assert_int_equal(run_looked(r, &call, described(), &answer, &err), ERR_INVALID);
		op_call_release(&call);
	}
	assert_int_equal(db_int(r->s, 9, "SELECT count(*) FROM change", ""), 0);
}

static void test_a_workers_error_is_the_answer(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	autoerror err = {0};
	json_t *answer = NULL;
	make_callers(r, c);
	json_auto_t *params = json_pack("{s:s}", "dir", "/nowhere");
	struct op_call call = {.op = op_find("train_status"), .caller = &c[UNKNOWN], .params = params};
	assert_int_equal(run(r, &call, &answer, &err), OP_PARKED);
	call.work_result = json_pack("{s:{s:s, s:s, s:s}}", "error", "code", "not_found", "message",
				     "no repository", "hint", "cd");
	assert_int_equal(run(r, &call, &answer, &err), ERR_NOT_FOUND);
	assert_string_equal(err.message, "no repository");
	assert_string_equal(err.hint, "cd");
	op_call_release(&call);
}

static void test_S8_no_peer_forces_a_removal(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	make_callers(r, c);
	json_auto_t *force =
		json_pack("{s:s, s:[s], s:[s]}", "dir", "/src/app", "branches", "feat/a", "force", "clean");
	for (int i = UNKNOWN; i <= ORCHESTRATOR; i++)
		assert_int_equal(call_op(r, &c[i], "worktree_remove", json_incref(force), NULL),
				 ERR_FORBIDDEN);
	assert_int_equal(call_op(r, &c[HUMAN], "worktree_remove", json_incref(force), NULL), OP_PARKED);
	static const char *const never[] = {"ours", "lease", "everything", ""};
	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		assert_int_equal(call_op(r, &c[HUMAN], "worktree_remove",
					 json_pack("{s:s, s:[s], s:[s]}", "dir", "/src/app", "branches",
						   "feat/a", "force", never[i]),
					 NULL),
				 ERR_INVALID);
}

static json_t *found_by_hand(void)
{
	json_t *there = described();
	json_object_set_new(json_object_get(there, "found"), "feat/a",
			    json_pack("{s:s, s:s, s:s, s:b}", "branch", "feat/a", "path", "/src/hand",
				      "git_dir", "/src/app/.git/worktrees/hand", "main", 0));
	json_object_set_new(json_object_get(there, "found"), "main",
			    json_pack("{s:s, s:s, s:s, s:b}", "branch", "main", "path", "/src/app", "git_dir",
				      "/src/app/.git", "main", 1));
	return there;
}

static void test_W4_a_removal_says_what_it_kept_and_why(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	autoerror err = {0};
	json_t *answer = NULL;
	make_callers(r, c);
	json_auto_t *params = json_pack("{s:s, s:[s]}", "dir", "/src/app", "branches", "feat/a");
	for (int kept = 1; kept >= 0; kept--) {
		struct op_call call = {
			.op = op_find("worktree_remove"), .caller = &c[HUMAN], .params = params};
		assert_int_equal(run_looked(r, &call, found_by_hand(), &answer, &err), OP_PARKED);
		if (kept)
			rig_finish(r, rig_effect(r, "worktree.remove", "feat/a"), true,
				   json_pack("{s:b, s:s, s:{s:s}}", "removed", 0, "reason", "not clean",
					     "facts", "clean", "no"));
		else
			rig_removed(r, "feat/a");
		assert_int_equal(run(r, &call, &answer, &err), 0);
		assert_fields(answer, "removed kept");
		if (kept)
			assert_fields(first_of(answer, "kept"), "branch facts reason");
		else
			assert_fields(first_of(answer, "removed"), "branch path trash branch_deleted");
		json_decref(answer);
		op_call_release(&call);
	}
	json_auto_t *trash = call_ok(r, &c[UNKNOWN], "trash_list", json_object());
	assert_fields(first_of(trash, "trash"), "trash branch path repo removed_at");
	json_auto_t *main_branch = json_pack("{s:s, s:[s]}", "dir", "/src/app", "branches", "main");
	struct op_call call = {.op = op_find("worktree_remove"), .caller = &c[HUMAN], .params = main_branch};
	assert_int_equal(run_looked(r, &call, found_by_hand(), &answer, &err), ERR_REFUSED);
	op_call_release(&call);
}

static void test_new_answers_once_the_worktree_is_there(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	autoerror err = {0};
	json_t *answer = NULL;
	make_callers(r, c);
	json_auto_t *params =
		json_pack("{s:s, s:s, s:[s]}", "dir", "/src/app", "branch", "feat/n", "run", "make");
	struct op_call call = {.op = op_find("worktree_create"), .caller = &c[HUMAN], .params = params};
	assert_int_equal(run_looked(r, &call, described(), &answer, &err), OP_PARKED);
	rig_created(r, "feat/n");
	assert_int_equal(run(r, &call, &answer, &err), OP_PARKED); /* now its agent is started in it */
	assert_string_equal(json_str(rig_effect(r, "spawn", "feat/n")->args, "cwd"), "/src/app-feat-n");
	rig_spawned(r, "feat/n");
	assert_int_equal(run(r, &call, &answer, &err), 0);
	assert_fields(answer, "branch path base base_commit peer");
	assert_non_null(json_str(answer, "peer"));
	json_decref(answer);
	op_call_release(&call);
	static const char *const bad[] = {"-x", "a..b", ""};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(call_op(r, &c[HUMAN], "worktree_create",
					 json_pack("{s:s, s:s}", "dir", "/src/app", "branch", bad[i]), NULL),
				 ERR_INVALID);
}

static void test_a_dry_run_creates_nothing(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	make_callers(r, c);
	const char *text = "gate: none\ntasks:\n  - branch: b\n    run: [b]\n    needs: [a]\n  - branch: a\n "
			   "   run: [a]\n";
	for (int dry = 1; dry >= 0; dry--) {
		autoerror err = {0};
		json_t *answer = NULL;
		json_auto_t *params =
			json_pack("{s:s, s:s, s:b}", "text", text, "dir", "/src/app", "dry_run", dry);
		struct op_call call = {.op = op_find("plan_run"), .caller = &c[HUMAN], .params = params};
		int code = run_looked(r, &call, described(), &answer, &err);
		world_check(code, &err);
		if (dry)
			assert_string_equal(
				json_string_value(json_array_get(json_object_get(answer, "order"), 0)), "a");
		else
			assert_fields(answer,
				      "plan file state target tasks landed ready ejected failed commit");
		assert_int_equal(db_int(r->s, 9, "SELECT count(*) FROM plan", ""), !dry);
		assert_int_equal(r->n_started, dry ? 0 : 2);
		json_decref(answer);
		op_call_release(&call);
	}
	json_auto_t *plans = call_ok(r, &c[UNKNOWN], "plan_status", json_object());
	assert_fields(first_of(plans, "plans"), "plan file state target created_at");
	json_auto_t *stopped =
		call_ok(r, &c[ORCHESTRATOR], "plan_cancel",
			json_pack("{s:s}", "plan", json_str(first_of(plans, "plans"), "plan")));
	assert_fields(stopped, "plan state tasks");
	assert_int_equal(call_op(r, &c[HUMAN], "plan_status", json_pack("{s:s}", "plan", "plan-none"), NULL),
			 ERR_NOT_FOUND);
}

static void test_status_events_config_and_stop(void **state)
{
	struct rig *r = *state;
	struct caller c[CALLERS];
	make_callers(r, c);
	json_auto_t *status = call_ok(r, &c[UNKNOWN], "status", json_object());
	assert_fields(status, "version protocol pid socket started_at peers open_asks jobs queued");
	assert_int_equal(json_int(status, "peers", 0), 3); /* agents, not surfaces */
	json_auto_t *events =
		call_ok(r, &c[UNKNOWN], "events", json_pack("{s:i, s:i}", "after", 0, "limit", 2));
	assert_int_equal(json_array_size(json_object_get(events, "events")), 2);
	assert_fields(first_of(events, "events"), "id at event subject plan data");
	json_auto_t *config = call_ok(r, &c[UNKNOWN], "config", json_pack("{s:s}", "key", "trash.keep"));
	assert_fields(first_of(config, "keys"), "key value origin default doc");
	assert_int_equal(call_op(r, &c[UNKNOWN], "config", json_pack("{s:s}", "key", "no.key"), NULL),
			 ERR_NOT_FOUND);
	json_auto_t *stopping = call_ok(r, &c[SERVICE], "stop", json_object());
	assert_true(json_bool(stopping, "stopping", false));
	assert_int_equal(world_events(r->w, "daemon.stopping", NULL), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(test_A1_ask_wait_and_ack),
		rig_test(test_A5_a_wait_that_times_out_answers_and_records_nothing),
		rig_test(test_A2_decline_says_why),
		rig_test(test_D1_notify_inbox_confirm_and_trace),
		rig_test(test_an_empty_inbox_waits_when_asked_to),
		rig_test(test_whoami_tells_each_kind_of_caller),
		rig_test(test_a_sessions_role_is_awaited),
		rig_test(test_S8_an_agent_reports_on_its_own_job_only),
		rig_test(test_S8_an_agent_holds_up_no_job_but_its_own),
		rig_test(test_J2_an_update_names_its_fence),
		rig_test(test_an_error_takes_back_what_the_handler_wrote),
		rig_test(test_S8_a_peer_kills_its_own_children_only),
		rig_test(test_I9_only_a_peer_ends_its_own_session),
		rig_test(test_I2_a_process_registers_itself_or_an_ancestor),
		rig_test(test_D8_a_spawn_answers_with_a_confirmed_peer_or_a_typed_failure),
		rig_test(test_S2_an_agent_starts_only_what_the_configuration_allows),
		rig_test(test_L4_a_persons_word_lands_and_an_orchestrators_waits_for_one),
		rig_test(test_landing_refuses_what_makes_no_sense),
		rig_test(test_a_workers_error_is_the_answer),
		rig_test(test_S8_no_peer_forces_a_removal),
		rig_test(test_W4_a_removal_says_what_it_kept_and_why),
		rig_test(test_new_answers_once_the_worktree_is_there),
		rig_test(test_a_dry_run_creates_nothing),
		rig_test(test_status_events_config_and_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

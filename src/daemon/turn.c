/* The turn (architecture.md): what is ready is handled in one transaction, committed once, and only then
 * answered.
 *
 * Order within a turn: ended processes, due timers, ends of effects, requests, starts of effects. A commit
 * that fails drops all of it: requests get 503, the ends of effects and processes stay queued and are tried
 * again a second later, for their facts are still true. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "daemon/call.h"
#include "daemon/conn.h"
#include "daemon/runner.h"
#include "flow/effects.h"
#include "flow/react.h"
#include "flow/spawn.h"
#include "mesh/peer.h"
#include "store/answer.h"
#include "store/event.h"
#include "store/timer.h"

enum { CALLS_MAX = 64, EFFECTS_MAX = 64 };

#define TURN_BUDGET (2 * USEC_PER_MSEC)
#define REGISTRATION_LIMIT (10 * USEC_PER_SEC)
#define RETRY_AFTER USEC_PER_SEC
#define CHECKPOINT_AFTER (2 * USEC_PER_SEC)

static usec_t monotonic_now(void)
{
	return (usec_t)(uv_hrtime() / 1000);
}

void call_free(struct call *call)
{
	loop_timer_stop(call->timer);
	op_call_release(&call->op);
	json_decref(call->params);
	json_decref(call->answer);
	free(call->key);
	free(call);
}

struct call *call_begin(struct daemon *d, struct conn *conn, const struct api_route *route)
{
	struct call *call = xcalloc(1, sizeof(*call));
	const struct op *op = route->op;
	call->conn = conn;
	call->params = route->params;
	call->key = route->key && (op->flags & OP_CHANGES) ? xstrdup(route->key) : NULL;
	call->fingerprint = (int64_t)(route->body_hash ^ text_hash(op->name, strlen(op->name)));
	call->op = (struct op_call){.core = &d->core, .store = d->store, .op = op, .params = call->params};
	list_append(&d->ready, &call->link);
	turn_wanted(d);
	return call;
}

void call_forget(struct daemon *d, struct call *call)
{
	(void)d;
	call->conn = NULL;
	if (call->working)
		return; /* its worker holds it */
	list_remove(&call->link);
	call_free(call);
}

static void set_error(struct call *call, const struct error *err)
{
	call->status = error_kind(err->code)->http_status;
	json_decref(call->answer);
	call->answer = error_to_json(err);
}

/* Whether the kept answer of an earlier try is this one's too. */
static bool answered_before(struct call *call)
{
	autoerror err = {0};
	json_t *kept = NULL;
	if (!call->key)
		return false;
	/* Asked at each run: while this call waited, one under the same key may have gone ahead. */
	switch (answer_find(call->op.store, call->key, call->fingerprint, &call->status, &kept)) {
	case ANSWER_DONE:
		call->answer = kept;
		return true;
	case ANSWER_PENDING:
		json_decref(call->op.state);
		call->op.state = kept;
		return false;
	case ANSWER_MISUSED:
		(void)error_set(&err, ERR_INVALID, "this idempotency key was used for another request");
		set_error(call, &err);
		return true;
	case ANSWER_NONE:
		return false;
	}
	return false;
}

static int run_checked(struct call *call, json_t **ret, struct error *err)
{
	int code = 0;
	if (!call->begun) {
		code = op_check_caller(call->op.op, &call->caller, err);
		if (!code)
			code = op_check_params(call->op.op, call->params, err);
	}
	if (!code && !call->begun && (call->op.op->flags & OP_CHANGES) && call->caller.kind == CALLER_PEER)
		peer_seen(call->op.store, call->caller.peer_id);
	call->begun = true;
	return code ? code : op_run(&call->op, ret, err);
}

/* A key is its caller's own. Who registers is somebody else after it; what stays is the process. */
static int64_t caller_hash(const struct call *call)
{
	const char *peer = call->caller.peer_id;
	const struct proc_chain *chain = call->op.chain;
	if (!(call->op.op->flags & OP_IDENTIFIES))
		return (int64_t)text_hash(peer, strlen(peer));
	return chain && chain->n ? (int64_t)text_hash((const char *)&chain->at[0].start_time,
						      sizeof(chain->at[0].start_time))
				 : 0;
}

/* A worker may call before its terminal's start is on record, which is what proves who it is. Then its call
 * waits for that record; the environment only says that waiting is worthwhile. */
static bool too_early(struct daemon *d, struct call *call)
{
	const char *peer = call->begun || call->op.timed_out ? NULL : conn_expected_peer(d, call->conn);
	if (peer)
		(void)op_wait(&call->op, peer, REGISTRATION_LIMIT);
	return peer != NULL;
}

/* Who would register now would be another peer than the one that was started, for good: it may call again. */
static int still_too_early(struct daemon *d, struct call *call, struct error *err)
{
	bool waited = !call->begun && call->op.timed_out;
	if (!call->begun)
		call->op.timed_out = false;
	if (!waited || !(call->op.op->flags & OP_IDENTIFIES) || !conn_expected_peer(d, call->conn))
		return 0;
	return error_hint(err, error_set(err, ERR_CONFLICT, "the start of this session is not on record yet"),
			  "try again");
}

static void run_call(struct daemon *d, struct call *call)
{
	struct store *s = d->store;
	autoerror err = {0};
	json_t *answer = NULL;
	store_save(s);
	conn_identify(d, call->conn, &call->caller, &call->op.chain);
	call->op.caller = &call->caller;
	if (gather_holds(d, call) || too_early(d, call)) {
		store_keep(s);
		return;
	}
	if (still_too_early(d, call, &err)) {
		store_undo(s);
		set_error(call, &err);
		return;
	}
	if (!call->begun)
		call->fingerprint ^= caller_hash(call);
	if (answered_before(call)) {
		store_keep(s);
		return;
	}
	int code = run_checked(call, &answer, &err);
	if (code > 0) {
		store_undo(s);
		set_error(call, &err);
		return;
	}
	if (code == 0) {
		call->status = 200;
		call->answer = answer;
	}
	if (call->key && (code == 0 || call->op.state))
		answer_keep(s, call->key, call->fingerprint, call->status, code ? call->op.state : answer);
	store_keep(s);
}

static void record_finished(struct daemon *d)
{
	list_for_each (pos, &d->finished) {
		struct finished *f = list_entry(pos, struct finished, link);
		flow_effect_finished(&d->core, &f->effect, f->ok, json_incref(f->result));
	}
}

static size_t take_effects(struct daemon *d, struct effect effects[EFFECTS_MAX])
{
	size_t n = 0;
	while (!d->stopping && n < EFFECTS_MAX && effect_start_next(d->store, &effects[n]))
		n++;
	return n;
}

void call_wake(struct daemon *d, struct call *call)
{
	loop_timer_stop(call->timer);
	call->timer = NULL;
	list_remove(&call->link);
	list_append(&d->ready, &call->link);
	turn_wanted(d);
}

static void wait_over(void *data)
{
	struct call *call = data;
	call->timer = NULL;
	call->op.timed_out = true;
	call_wake(call->op.core->data, call);
}

static void park(struct daemon *d, struct call *call)
{
	list_append(&d->parked, &call->link);
	if (call->op.work_kind)
		runner_work(d, call);
	else if (call->op.wait)
		call->timer = loop_timer_start(&d->loop, call->op.wait, wait_over, call);
}

static bool is_waited_for(const struct call *call, const char *const *topics, size_t n)
{
	for (size_t i = 0; !call->working && i < n; i++)
		if (strcmp(topics[i], call->op.topic) == 0)
			return true;
	return false;
}

/* Waiters of a topic that was committed in this turn run again in the next. Ways into sessions come last: who
 * waits for a reply takes it in place of them (A5). */
static void wake_waiters(struct daemon *d)
{
	size_t n = 0;
	const char *const *topics = store_wakes(d->store, &n);
	for (int ways = 0; ways < 2; ways++)
		list_for_each_safe (pos, &d->parked) {
			struct call *call = list_entry(pos, struct call, link);
			if (!!(call->op.op->flags & OP_TAKES) == ways && is_waited_for(call, topics, n))
				call_wake(d, call);
		}
}

static bool is_arrival(const char *kind)
{
	static const char *const kinds[] = {"peer.registered", "transport.attached", "host.seen"};
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kind, kinds[i]) == 0)
			return true;
	return false;
}

/* What the daemon itself does about committed events. */
static void heed_events(struct daemon *d)
{
	size_t n = 0;
	const struct event *events = store_events(d->store, &n);
	for (size_t i = 0; i < n; i++) {
		const struct event *e = &events[i];
		if (strncmp(e->kind, "peer.", 5) == 0)
			d->generation++;
		if (is_arrival(e->kind))
			gather_came(d);
		if (strcmp(e->kind, "peer.online") == 0)
			records_watch(d); /* its runtime may have made its folder only now */
		if (strcmp(e->kind, "peer.registered") == 0)
			watch_process(d, json_int(e->data, "pid", 0), json_int(e->data, "start_time", 0));
		else if (strcmp(e->kind, "host.seen") == 0)
			links_open(d, e->data);
		else if (strcmp(e->kind, "daemon.stopping") == 0)
			d->stopping = true;
	}
}

static void settle_calls(struct daemon *d, struct list *calls)
{
	list_for_each_safe (pos, calls) {
		struct call *call = list_entry(pos, struct call, link);
		list_remove(&call->link);
		if ((call->op.op->flags & OP_TAKES) && call->status <= 200 &&
		    call->caller.kind == CALLER_PEER)
			conn_holds(call->conn, call->caller.peer_id, op_text(&call->op, "transport"));
		if (!call->status) {
			park(d, call);
			continue;
		}
		conn_answer(call->conn, call->status, call->answer);
		call_free(call);
	}
}

static void drop_turn(struct daemon *d, struct list *calls, struct effect *effects, size_t n,
		      const struct error *why)
{
	for (size_t i = 0; i < n; i++)
		effect_release(&effects[i]);
	links_dropped(d);
	d->generation++; /* who called was compared with rows that are not there */
	autoerror err = {0};
	(void)error_set(&err, ERR_NOT_STORED, "nothing was changed: %s", why->message);
	(void)error_hint(&err, ERR_NOT_STORED, "see that there is room on the disk, and try again");
	list_for_each (pos, calls)
		set_error(list_entry(pos, struct call, link), &err);
	settle_calls(d, calls);
}

static void retry_turn(void *data)
{
	struct daemon *d = data;
	d->timer = NULL;
	d->timers_due = true;
	turn_wanted(d);
}

static void run_calls(struct daemon *d, struct list *done)
{
	/* Where the disk is slow, more requests share a sync: no more time goes into them than into it. */
	usec_t budget = d->commit_took > TURN_BUDGET ? d->commit_took : TURN_BUDGET;
	usec_t until = monotonic_now() + budget;
	for (int n = 0; n < CALLS_MAX && !list_empty(&d->ready) && (n == 0 || monotonic_now() < until); n++) {
		struct call *call = list_entry(d->ready.next, struct call, link);
		list_remove(&call->link);
		list_append(done, &call->link);
		run_call(d, call);
	}
}

static void after_commit(struct daemon *d, struct list *calls, struct effect *effects, size_t n)
{
	list_for_each_safe (pos, &d->finished) {
		struct finished *f = list_entry(pos, struct finished, link);
		runner_ended(d, f->effect.id);
		list_remove(pos);
		finished_free(f);
	}
	watch_drop_ended(d);
	conn_drop_lost_ways(d);
	links_committed(d);
	records_committed(d);
	branches_committed(d);
	heed_events(d);
	guard_committed(d);
	settle_calls(d, calls);
	wake_waiters(d);
	for (size_t i = 0; i < n; i++)
		runner_start(d, &effects[i]);
	conn_pump_streams(d);
	turn_arm_timer(d);
}

static void checkpoint(void *data)
{
	struct daemon *d = data;
	d->idle_checkpoint = NULL;
	store_checkpoint(d->store);
}

static void run_turn(struct daemon *d)
{
	struct list calls;
	struct effect effects[EFFECTS_MAX];
	size_t n = 0;
	autoerror err = {0};
	list_init(&calls);
	int code = store_begin(d->store, &err);
	if (!code) {
		watch_record_ended(d);
		conn_record_lost_ways(d);
		links_record(d);
		records_record(d);
		branches_record(d);
		if (d->timers_due && timer_fire(d->store) > 0)
			flow_react(&d->core);
		record_finished(d);
		run_calls(d, &calls);
		links_take(d);
		n = take_effects(d, effects);
		usec_t began = monotonic_now();
		code = store_commit(d->store, &err);
		if (!list_empty(&calls))
			d->commit_took = monotonic_now() - began;
	} else {
		list_splice(&calls, &d->ready);
	}
	d->timers_due = false;
	if (!code) {
		after_commit(d, &calls, effects, n);
		if (n == EFFECTS_MAX)
			turn_wanted(d);
	} else {
		drop_turn(d, &calls, effects, n, &err);
		loop_timer_stop(d->timer);
		d->timer = loop_timer_start(&d->loop, RETRY_AFTER, retry_turn, d);
		d->timer_due = 0;
		return;
	}
	if (!d->idle_checkpoint)
		d->idle_checkpoint = loop_timer_start(&d->loop, CHECKPOINT_AFTER, checkpoint, d);
}

static bool something_ready(const struct daemon *d)
{
	return !list_empty(&d->ready) || !list_empty(&d->finished) || !list_empty(&d->lost_ways) ||
	       d->timers_due || watch_any_ended(d) || links_any_news(d) || records_any_news(d) ||
	       branches_any_news(d);
}

static void on_check(uv_check_t *handle)
{
	struct daemon *d = handle->data;
	uv_idle_stop(&d->more);
	if (something_ready(d) && !(d->timer && !d->timer_due && list_empty(&d->ready)))
		run_turn(d);
	if (!list_empty(&d->ready))
		turn_wanted(d);
	if (d->stopping)
		uv_stop(&d->loop);
}

static void on_idle(uv_idle_t *handle)
{
	(void)handle; /* only keeps the loop from blocking */
}

void turn_wanted(struct daemon *d)
{
	uv_idle_start(&d->more, on_idle);
}

void turn_init(struct daemon *d)
{
	uv_check_init(&d->loop, &d->after_io);
	d->after_io.data = d;
	uv_check_start(&d->after_io, on_check);
	uv_idle_init(&d->loop, &d->more);
}

static void timer_expired(void *data)
{
	struct daemon *d = data;
	d->timer = NULL;
	d->timer_due = 0;
	d->timers_due = true;
	turn_wanted(d);
}

void turn_arm_timer(struct daemon *d)
{
	usec_t due = timer_next(d->store);
	if (d->timer && due == d->timer_due)
		return;
	loop_timer_stop(d->timer);
	d->timer = NULL;
	d->timer_due = due;
	if (!due)
		return;
	usec_t now = os_now(os_env_real());
	d->timer = loop_timer_start(&d->loop, due > now ? due - now : 0, timer_expired, d);
}

/* What stands in for the daemon: the same turn as daemon/turn.c, the same recovery as daemon/daemon.c, the
 * same watching as daemon/watch.c, without a loop. What differs is who decides when: the driver. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "flow/effects.h"
#include "flow/react.h"
#include "flow/spawn.h"
#include "mesh/peer.h"
#include "mesh/transport.h"
#include "session.h"
#include "sim.h"
#include "store/answer.h"
#include "store/event.h"
#include "store/timer.h"
#include "vfs.h"

enum { CALLS_MAX = 64, EFFECTS_MAX = 64 };

static const char database[] = "/sim/db";

void call_free(struct call *c)
{
	op_call_release(&c->op);
	json_decref(c->params);
	json_decref(c->answer);
	free(c);
}

static void action_free(struct action *a)
{
	effect_release(&a->effect);
	json_decref(a->result);
	free(a);
}

void node_add_call(struct sim *m, size_t request)
{
	struct request *r = &m->requests[request];
	struct call *c = xcalloc(1, sizeof(*c));
	autofree char *body = json_text(r->params);
	c->request = request;
	c->params = json_deep_copy(r->params);
	c->fingerprint =
		(int64_t)(text_hash(body, strlen(body)) ^ text_hash(r->op->name, strlen(r->op->name)));
	c->op = (struct op_call){.core = &m->core, .store = m->store, .op = r->op, .params = c->params};
	r->waiting++;
	r->crashes = m->crashes;
	list_append(&m->ready, &c->link);
}

static void set_error(struct call *c, const struct error *err)
{
	c->status = error_kind(err->code)->http_status;
	json_decref(c->answer);
	c->answer = error_to_json(err);
}

static const char *key_of(const struct sim *m, const struct call *c)
{
	return (c->op.op->flags & OP_CHANGES) ? m->requests[c->request].key : NULL;
}

/* As in daemon/turn.c. */
static bool answered_before(const struct sim *m, struct call *c)
{
	autoerror err = {0};
	json_t *kept = NULL;
	if (!key_of(m, c))
		return false;
	switch (answer_find(m->store, key_of(m, c), c->fingerprint, &c->status, &kept)) {
	case ANSWER_DONE:
		c->answer = kept;
		return true;
	case ANSWER_PENDING:
		json_decref(c->op.state);
		c->op.state = kept;
		return false;
	case ANSWER_MISUSED:
		(void)error_set(&err, ERR_INVALID, "this idempotency key was used for another request");
		set_error(c, &err);
		return true;
	case ANSWER_NONE:
		return false;
	}
	return false;
}

/* Whether the fence that a job_update names is that of an attempt under way, as far as the rows say. */
static bool fence_is_current(struct sim *m, const struct call *c)
{
	const char *job = json_str(c->params, "job_id");
	json_int_t fence = json_int(c->params, "fence", -1);
	if (!job || fence < 0)
		return true;
	return db_int(m->store, 0,
		      "SELECT 1 FROM attempt WHERE job_id = ? AND fence = ? AND ended_at IS NULL", "si", job,
		      (int64_t)fence) != 0;
}

static int run_checked(struct sim *m, struct call *c, json_t **ret, struct error *err)
{
	int code = 0;
	if (!c->begun) {
		code = op_check_caller(c->op.op, &c->caller, err);
		if (!code)
			code = op_check_params(c->op.op, c->params, err);
		m->operations++;
	}
	if (!code && !c->begun && (c->op.op->flags & OP_CHANGES) && c->caller.kind == CALLER_PEER)
		peer_seen(m->store, c->caller.peer_id);
	c->begun = true;
	return code ? code : op_run(&c->op, ret, err);
}

/* As in daemon/turn.c. */
static int64_t caller_hash(const struct call *c)
{
	if (!(c->op.op->flags & OP_IDENTIFIES))
		return (int64_t)text_hash(c->caller.peer_id, strlen(c->caller.peer_id));
	return c->op.chain ? (int64_t)text_hash((const char *)&c->op.chain->at[0].start_time,
						sizeof(c->op.chain->at[0].start_time))
			   : 0;
}

char *node_mark(struct sim *m, size_t proc)
{
	int up = m->world.procs[proc].parent;
	const struct proc *p = &m->world.procs[up >= 0 ? (size_t)up : proc];
	return p->kind == PROC_WORKER
		       ? db_text(m->store, "SELECT peer_id FROM spawn WHERE spawn_id = ?", "s", p->spawn_id)
		       : NULL;
}

/* As in daemon/turn.c: it comes from a terminal whose start is not on record yet. */
static bool too_early(struct sim *m, struct call *c)
{
	int who = m->requests[c->request].who;
	autofree char *peer = who >= 0 ? node_mark(m, (size_t)who) : NULL;
	if (!peer || c->caller.kind != CALLER_UNKNOWN || c->begun || !spawn_unproven(m->store, peer))
		return false;
	if (!c->op.timed_out) {
		(void)op_wait(&c->op, peer, 10 * USEC_PER_SEC);
		return true;
	}
	c->op.timed_out = false;
	if (!(c->op.op->flags & OP_IDENTIFIES))
		return false;
	autoerror err = {0};
	(void)error_set(&err, ERR_CONFLICT, "the start of this session is not on record yet");
	set_error(c, &err);
	return true;
}

static void run_call(struct sim *m, struct call *c)
{
	struct store *s = m->store;
	autoerror err = {0};
	json_t *answer = NULL;
	bool has_chain = false;
	store_save(s);
	client_identify(m, &m->requests[c->request], &c->chain, &has_chain, &c->caller);
	c->op.chain = has_chain ? &c->chain : NULL;
	c->op.caller = &c->caller;
	if (too_early(m, c)) {
		store_keep(s);
		return;
	}
	c->fingerprint ^= c->begun ? 0 : caller_hash(c);
	if (answered_before(m, c)) {
		store_keep(s);
		return;
	}
	m->requests[c->request].fence_was_current = fence_is_current(m, c);
	int code = run_checked(m, c, &answer, &err);
	if (code > 0) {
		store_undo(s);
		set_error(c, &err);
		return;
	}
	if (code == 0) {
		c->status = 200;
		c->answer = answer;
	}
	if (key_of(m, c) && (code == 0 || c->op.state))
		answer_keep(s, key_of(m, c), c->fingerprint, c->status, code ? c->op.state : answer);
	store_keep(s);
}

static bool is_over(const struct sim *m, const struct watch *w)
{
	const struct proc *p = world_proc(&m->world, w->pid, w->start_time);
	return !p || !p->alive;
}

void node_watch(struct sim *m, int64_t pid, int64_t start_time)
{
	for (size_t i = 0; i < m->n_watches; i++)
		if (m->watches[i].pid == pid && m->watches[i].start_time == start_time)
			return;
	ARRAY_GROW(m->watches, m->n_watches, m->cap_watches);
	m->watches[m->n_watches++] = (struct watch){pid, start_time};
}

static void watch_one(const char *peer_id, pid_t pid, uint64_t start_time, void *data)
{
	(void)peer_id;
	node_watch(data, pid, (int64_t)start_time);
}

static void watch_spawned(int64_t pid, int64_t start_time, void *data)
{
	node_watch(data, pid, start_time);
}

static void record_ended(struct sim *m)
{
	for (size_t i = 0; i < m->n_watches; i++) {
		if (!is_over(m, &m->watches[i]))
			continue;
		process_gone(&m->core, m->watches[i].pid, m->watches[i].start_time, m->boot_id);
		flow_react(&m->core);
	}
}

static void drop_ended(struct sim *m)
{
	size_t kept = 0;
	for (size_t i = 0; i < m->n_watches; i++)
		if (!is_over(m, &m->watches[i]))
			m->watches[kept++] = m->watches[i];
	m->n_watches = kept;
}

static void record_finished(struct sim *m)
{
	list_for_each (pos, &m->finished) {
		struct action *a = list_entry(pos, struct action, link);
		flow_effect_finished(&m->core, &a->effect, a->ok, json_incref(a->result));
	}
}

static void begin_action(struct sim *m, struct effect *effect, struct call *c)
{
	struct action *a = xcalloc(1, sizeof(*a));
	a->call = c;
	if (effect) {
		a->effect = *effect;
		*effect = (struct effect){0};
	}
	list_append(&m->running, &a->link);
}

static void park(struct sim *m, struct call *c)
{
	list_append(&m->parked, &c->link);
	c->wait_until = c->op.wait ? m->mono + c->op.wait : 0;
	if (c->op.work_kind) {
		c->working = true;
		begin_action(m, NULL, c);
	}
}

static void wake_waiters(struct sim *m)
{
	size_t n = 0;
	const char *const *topics = store_wakes(m->store, &n);
	list_for_each_safe (pos, &m->parked) {
		struct call *c = list_entry(pos, struct call, link);
		bool woken = false;
		for (size_t i = 0; !c->working && !woken && i < n; i++)
			woken = strcmp(topics[i], c->op.topic) == 0;
		if (!woken)
			continue;
		list_remove(&c->link);
		list_append(&m->ready, &c->link);
	}
}

void node_wait_over(struct sim *m)
{
	list_for_each_safe (pos, &m->parked) {
		struct call *c = list_entry(pos, struct call, link);
		if (c->working || !c->wait_until || c->wait_until > m->mono)
			continue;
		c->op.timed_out = true;
		list_remove(&c->link);
		list_append(&m->ready, &c->link);
	}
}

static void settle_calls(struct sim *m, struct list *calls)
{
	list_for_each_safe (pos, calls) {
		struct call *c = list_entry(pos, struct call, link);
		list_remove(&c->link);
		if ((c->op.op->flags & OP_TAKES) && c->status <= 200 && c->caller.kind == CALLER_PEER)
			link_hold(m, c);
		if (!c->status) {
			park(m, c);
			continue;
		}
		client_answer(m, c);
		call_free(c);
	}
}

static void heed_events(struct sim *m)
{
	size_t n = 0;
	const struct event *events = store_events(m->store, &n);
	for (size_t i = 0; i < n; i++) {
		sim_say(m, "  event %s %s", events[i].kind, events[i].subject);
		if (strcmp(events[i].kind, "peer.registered") == 0)
			node_watch(m, json_int(events[i].data, "pid", 0),
				   json_int(events[i].data, "start_time", 0));
		else if (strcmp(events[i].kind, "host.seen") == 0)
			link_open(m, events[i].data);
	}
}

static void after_commit(struct sim *m, struct list *calls, struct effect *effects, size_t n)
{
	list_for_each_safe (pos, &m->finished) {
		list_remove(pos);
		action_free(list_entry(pos, struct action, link));
	}
	drop_ended(m);
	links_committed(m);
	heed_events(m);
	check_turn(m);
	settle_calls(m, calls);
	wake_waiters(m);
	for (size_t i = 0; i < n; i++)
		begin_action(m, &effects[i], NULL);
}

static void drop_turn(struct sim *m, struct list *calls, const struct error *why)
{
	links_dropped(m);
	autoerror err = {0};
	(void)error_set(&err, ERR_NOT_STORED, "nothing was changed: %s", why->message);
	sim_say(m, "  not stored: %s", why->message);
	list_for_each (pos, calls)
		set_error(list_entry(pos, struct call, link), &err);
	settle_calls(m, calls);
}

static size_t run_all(struct sim *m, struct list *calls, struct effect effects[EFFECTS_MAX])
{
	size_t n = 0;
	record_ended(m);
	links_record(m);
	if (m->timers_due && timer_fire(m->store) > 0)
		flow_react(&m->core);
	record_finished(m);
	size_t most = m->peace ? CALLS_MAX : 1 + rng_below(&m->rng, 4);
	for (size_t i = 0; i < most && !list_empty(&m->ready); i++) {
		struct call *c = list_entry(m->ready.next, struct call, link);
		list_remove(&c->link);
		list_append(calls, &c->link);
		sim_say(m, "  run %s %s", c->op.op->name, m->requests[c->request].key);
		run_call(m, c);
	}
	links_take(m);
	while (n < EFFECTS_MAX && effect_start_next(m->store, &effects[n]))
		n++;
	return n;
}

static void forget_turn(struct sim *m, struct list *calls, struct effect *effects, size_t n)
{
	for (size_t i = 0; i < n; i++)
		effect_release(&effects[i]);
	list_splice(&m->parked, calls);
}

bool node_turn(struct sim *m, enum death die_at)
{
	struct list calls;
	struct effect effects[EFFECTS_MAX];
	size_t n = 0;
	autoerror err = {0};
	list_init(&calls);
	m->timers_due = m->timers_due || (timer_next(m->store) && timer_next(m->store) <= m->now);
	int code = store_begin(m->store, &err);
	if (!code) {
		n = run_all(m, &calls, effects);
		if (die_at != DEATH_BEFORE_COMMIT)
			code = store_commit(m->store, &err);
	} else {
		list_splice(&calls, &m->ready);
	}
	if (die_at != DEATH_NONE || disk_is_dead()) {
		forget_turn(m, &calls, effects, n);
		return false;
	}
	if (code && !disk_faults_met())
		sim_break(m, RULE_X4, "nothing was wrong with the disk: %s", err.message);
	disk_fail(DISK_OK, 0);
	m->timers_due = code != 0;
	m->failed_turn = code != 0;
	if (!code) {
		after_commit(m, &calls, effects, n);
		return true;
	}
	for (size_t i = 0; i < n; i++)
		effect_release(&effects[i]);
	drop_turn(m, &calls, &err);
	return true;
}

void node_close(struct sim *m, size_t request)
{
	struct list *lists[] = {&m->ready, &m->parked};
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		list_for_each_safe (pos, lists[i]) {
			struct call *c = list_entry(pos, struct call, link);
			if (c->request != request || c->unheard)
				continue;
			if (m->requests[request].waiting > 0)
				m->requests[request].waiting--;
			c->unheard = true;
			if (c->working)
				continue; /* its worker holds it */
			list_remove(&c->link);
			call_free(c);
		}
}

bool node_has_work(const struct sim *m)
{
	bool ended = false;
	for (size_t i = 0; i < m->n_watches; i++)
		ended = ended || is_over(m, &m->watches[i]);
	return ended || m->timers_due || links_any_news(m) || !list_empty(&m->ready) ||
	       !list_empty(&m->finished) || (timer_next(m->store) && timer_next(m->store) <= m->now);
}

void node_act(struct sim *m, struct action *a)
{
	if (!a->acted) {
		if (a->effect.id)
			check_action(m, a);
		sim_say(m, "  act %s %s%s", a->effect.id ? a->effect.kind : a->call->op.work_kind,
			a->effect.subject ? a->effect.subject : "", a->effect.probe ? " (probe)" : "");
		world_act(m, a);
		return;
	}
	list_remove(&a->link);
	if (a->effect.id) {
		list_append(&m->finished, &a->link);
		return;
	}
	struct call *c = a->call;
	c->working = false;
	json_decref(c->op.work_result);
	c->op.work_result = TAKE_PTR(a->result);
	action_free(a);
	list_remove(&c->link);
	if (c->unheard)
		call_free(c);
	else
		list_append(&m->ready, &c->link);
}

void node_forget(struct sim *m)
{
	struct list *calls[] = {&m->ready, &m->parked}, *actions[] = {&m->running, &m->finished};
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		list_for_each_safe (pos, calls[i])
			call_free(list_entry(pos, struct call, link));
		list_init(calls[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		list_for_each_safe (pos, actions[i])
			action_free(list_entry(pos, struct action, link));
		list_init(actions[i]);
	}
	m->n_watches = 0;
	links_forget(m);
}

static int recover(struct sim *m, struct error *err)
{
	int code = store_begin(m->store, err);
	if (code)
		return code;
	struct peer_ref surface;
	peer_surface(m->store, ROLE_HUMAN, &surface);
	peer_surface(m->store, ROLE_SERVICE, &surface);
	processes_of_old_boots(&m->core);
	effect_recover(m->store);
	transport_reset(m->store);
	event_emit(m->store, "daemon.started", "daemon", NULL, NULL);
	if (!db_int(m->store, 0, "SELECT count(*) FROM timer WHERE kind = 'housekeeping'", ""))
		timer_set(m->store, "housekeeping", "daemon", store_now(m->store) + USEC_PER_HOUR);
	flow_react(&m->core);
	return store_commit(m->store, err);
}

/* The database is opened, without anything being changed yet. */
static void open_store(struct sim *m)
{
	autoerror err = {0};
	if (store_open(database, &m->env, "sim", &m->store, &err)) {
		sim_break(m, RULE_D2, "the database cannot be opened: %s", err.message);
		abort();
	}
	m->core.store = m->store;
}

static void start(struct sim *m)
{
	autoerror err = {0};
	if (recover(m, &err)) {
		sim_break(m, RULE_D2, "the daemon cannot recover: %s", err.message);
		abort();
	}
	heed_events(m);
	links_started(m);
	peer_watch_each(m->store, watch_one, m);
	spawn_watch_each(m->store, watch_spawned, m);
	m->timers_due = true;
}

void node_start(struct sim *m)
{
	open_store(m);
	start(m);
}

/* Workers outlive the daemon: what was ordered may still be done, only nobody hears of it. The next worker of
 * the same effect waits for that (its lock). */
static void let_workers_end(struct sim *m)
{
	list_for_each (pos, &m->running) {
		struct action *a = list_entry(pos, struct action, link);
		if (a->effect.id && !a->acted && rng_chance(&m->rng, 50)) {
			sim_say(m, "  its worker still does %s %s", a->effect.kind,
				a->effect.subject ? a->effect.subject : "");
			check_action(m, a);
			world_act(m, a);
		}
	}
}

void node_crash(struct sim *m, enum crash how)
{
	m->crashes++;
	client_cut_off(m);
	if (!disk_is_dead())
		disk_die_after(0);
	store_close(m->store);
	if (how == CRASH_POWER_LOST)
		disk_power_lost();
	else
		disk_killed();
	open_store(m);
	let_workers_end(m);
	node_forget(m);
	if (how == CRASH_POWER_LOST) {
		world_reboot(&m->world);
		(void)snprintf(m->boot_id, sizeof(m->boot_id), "boot-%u", ++m->boots % 100000);
	}
	start(m);
}

void node_stop(struct sim *m)
{
	m->crashes++;
	client_cut_off(m);
	store_checkpoint(m->store);
	store_close(m->store);
	open_store(m);
	let_workers_end(m);
	node_forget(m);
	start(m);
}

/* The rules. Three sources are compared: the rows, what clients were told (facts), and the world. What has
 * happened is read from the event table, from where the last look ended: so a committed turn that a crash
 * makes unheard of is seen too, and one that a crash loses is missed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "session.h"
#include "sim.h"
#include "store/event.h"

enum { SWEEP_EVERY = 16, KIND_SIZE = 32 };

/* Something that was acknowledged, and has to be true for ever. */
enum fact_kind {
	FACT_MESSAGE,  /* id, text */
	FACT_ASK,      /* id, text */
	FACT_JOB,      /* id, title */
	FACT_PLAN,     /* id */
	FACT_FENCE,    /* job, fence */
	FACT_CONSUMED, /* message */
	FACT_CANCEL,   /* job, how many requests */
};

struct fact {
	enum fact_kind kind;
	char id[ID_SIZE];
	char text[TOKEN_SIZE];
	int64_t n;
};

struct job_seen {
	char id[ID_SIZE];
	char state[16];
	int64_t fence;
};

struct ask_seen {
	char id[ID_SIZE];
	char outcome[16];
};

struct peer_seen {
	char id[ID_SIZE];
	int64_t epoch;
};

struct success {
	char job_id[ID_SIZE];
	int64_t fence;
};

struct model {
	int64_t last_event, last_deps, max_fence;
	int turns;
	struct fact *facts;
	size_t n_facts, cap_facts;
	struct job_seen *jobs;
	size_t n_jobs, cap_jobs;
	struct ask_seen *asks;
	size_t n_asks, cap_asks;
	struct peer_seen *peers;
	size_t n_peers, cap_peers;
	struct success *successes;
	size_t n_successes, cap_successes;
};

struct model *model_new(void)
{
	return xcalloc(1, sizeof(struct model));
}

void model_free(struct model *model)
{
	free(model->facts);
	free(model->jobs);
	free(model->asks);
	free(model->peers);
	free(model->successes);
	free(model);
}

static void set(char *to, size_t size, const char *from)
{
	(void)snprintf(to, size, "%s", from ? from : "");
}

/* Breaks the rule with the first row of a query that shall have none: its columns are the words. */
static void none(struct sim *m, enum rule rule, const char *what, struct query q)
{
	autoquery rows = q;
	if (!query_next(&rows))
		return;
	sim_break(m, rule, "%s: %s", what, query_text(&rows, 0));
}

/* J1, written a second time: from → to. */
static const struct {
	const char *from, *to;
} job_moves[] = {
	{"", "queued"},
	{"queued", "ready"},
	{"queued", "blocked"},
	{"queued", "cancelled"},
	{"queued", "expired"},
	{"ready", "dispatched"},
	{"ready", "running"},
	{"ready", "queued"},
	{"ready", "cancelled"},
	{"ready", "expired"},
	{"dispatched", "running"},
	{"dispatched", "awaiting_input"},
	{"dispatched", "blocked"},
	{"dispatched", "ready"},
	{"dispatched", "completed"},
	{"dispatched", "failed"},
	{"dispatched", "cancelled"},
	{"dispatched", "expired"},
	{"running", "awaiting_input"},
	{"running", "blocked"},
	{"running", "ready"},
	{"running", "completed"},
	{"running", "failed"},
	{"running", "cancelled"},
	{"running", "expired"},
	{"awaiting_input", "running"},
	{"awaiting_input", "blocked"},
	{"awaiting_input", "ready"},
	{"awaiting_input", "completed"},
	{"awaiting_input", "failed"},
	{"awaiting_input", "cancelled"},
	{"awaiting_input", "expired"},
	{"blocked", "running"},
	{"blocked", "awaiting_input"},
	{"blocked", "ready"},
	{"blocked", "completed"},
	{"blocked", "failed"},
	{"blocked", "cancelled"},
	{"blocked", "expired"},
};

static bool is_job_state(const char *state)
{
	for (size_t i = 0; i < ARRAY_SIZE(job_moves); i++)
		if (strcmp(job_moves[i].to, state) == 0)
			return true;
	return false;
}

static bool may_move(const char *from, const char *to)
{
	for (size_t i = 0; i < ARRAY_SIZE(job_moves); i++)
		if (strcmp(job_moves[i].from, from) == 0 && strcmp(job_moves[i].to, to) == 0)
			return true;
	return false;
}

static bool is_final(const char *state)
{
	static const char *const states[] = {"completed", "failed", "cancelled", "expired"};
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		if (strcmp(states[i], state) == 0)
			return true;
	return false;
}

static struct job_seen *job_seen(struct model *model, const char *id)
{
	for (size_t i = model->n_jobs; i > 0; i--)
		if (strcmp(model->jobs[i - 1].id, id) == 0)
			return &model->jobs[i - 1];
	ARRAY_GROW(model->jobs, model->n_jobs, model->cap_jobs);
	struct job_seen *j = &model->jobs[model->n_jobs++];
	*j = (struct job_seen){0};
	set(j->id, sizeof(j->id), id);
	return j;
}

static void on_job(struct sim *m, const struct event *e)
{
	const char *state = e->kind + strlen("job.");
	struct job_seen *j = job_seen(m->model, e->subject);
	if (!is_job_state(state))
		return; /* a request */
	if (is_final(j->state))
		sim_break(m, RULE_J5, "%s was %s and became %s", j->id, j->state, state);
	else if (!may_move(j->state, state))
		sim_break(m, RULE_J1, "%s went from '%s' to %s", j->id, j->state, state);
	set(j->state, sizeof(j->state), state);
}

/* A2: the asker is told by a message about the ask, unless nobody is there who could be. */
static void on_ask_closed(struct sim *m, const struct event *e)
{
	struct model *model = m->model;
	for (size_t i = 0; i < model->n_asks; i++)
		if (strcmp(model->asks[i].id, e->subject) == 0)
			sim_break(m, RULE_A2, "%s ended twice", e->subject);
	ARRAY_GROW(model->asks, model->n_asks, model->cap_asks);
	struct ask_seen *a = &model->asks[model->n_asks++];
	set(a->id, sizeof(a->id), e->subject);
	set(a->outcome, sizeof(a->outcome), json_str(e->data, "outcome"));
	none(m, RULE_A2, "its asker was not told of its end",
	     db_query(m->store,
		      "SELECT q.id FROM question q JOIN peer p ON p.peer_id = q.from_peer WHERE q.id = ?1"
		      " AND NOT EXISTS (SELECT 1 FROM message WHERE to_peer = q.from_peer AND about = q.id)"
		      " AND (p.offline_cause IS NULL OR p.offline_cause NOT IN "
		      "('killed','retired','finished'))",
		      "s", e->subject));
}

/* I5 */
static void on_registered(struct sim *m, const struct event *e)
{
	struct model *model = m->model;
	int64_t epoch = json_int(e->data, "epoch", -1);
	struct peer_seen *p = NULL;
	for (size_t i = 0; i < model->n_peers; i++)
		if (strcmp(model->peers[i].id, e->subject) == 0)
			p = &model->peers[i];
	if (!p) {
		ARRAY_GROW(model->peers, model->n_peers, model->cap_peers);
		p = &model->peers[model->n_peers++];
		*p = (struct peer_seen){0};
		set(p->id, sizeof(p->id), e->subject);
	}
	if (epoch <= p->epoch)
		sim_break(m, RULE_I5, "%s registered with epoch %lld after %lld", p->id, (long long)epoch,
			  (long long)p->epoch);
	p->epoch = epoch;
}

/* I9: what is said to be gone, is gone. */
static void on_offline(struct sim *m, const struct event *e)
{
	const char *cause = json_str(e->data, "cause");
	if (!cause || strcmp(cause, "process_gone") != 0)
		return;
	autoquery q = db_query(m->store,
			       "SELECT pid, start_time FROM session WHERE peer_id = ? AND boot_id = ?"
			       " AND cause = 'process_gone'",
			       "ss", e->subject, m->boot_id);
	while (query_next(&q)) {
		const struct proc *p = world_proc(&m->world, query_int(&q, 0), query_int(&q, 1));
		if (p && p->alive)
			sim_break(m, RULE_I9, "%s went offline as gone, and its process %lld lives",
				  e->subject, (long long)p->pid);
	}
}

static const struct commit *commit_of(const struct sim *m, const char *change_id)
{
	const struct commit *found = NULL;
	for (int r = 0; r < REPOS; r++)
		for (size_t i = 0; i < m->world.repos[r].n_history; i++) {
			const struct commit *c = &m->world.commits[m->world.repos[r].history[i]];
			if (strcmp(c->change_id, change_id) == 0)
				found = c;
		}
	return found;
}

/* L3: a change has landed exactly when the target has its commit. */
static void on_change(struct sim *m, const struct event *e)
{
	const char *state = e->kind + strlen("change.");
	const struct commit *c = commit_of(m, e->subject);
	const char *as = json_str(e->data, "landed_as");
	char name[KIND_SIZE];
	(void)snprintf(name, sizeof(name), "c%d", c ? c->n : -1);
	if (strcmp(state, "ejected") == 0 && c)
		sim_break(m, RULE_L3, "%s is ejected, and the target has its commit %s", e->subject, name);
	if (strcmp(state, "landed") == 0 && as && strcmp(as, name) != 0)
		sim_break(m, RULE_L3, "%s landed as %s, and the target has %s", e->subject, as,
			  c ? name : "nothing of it");
	if (strcmp(state, "landed") == 0 && !as && c)
		sim_break(m, RULE_L3, "%s had nothing to land, and the target has %s", e->subject, name);
	if (strcmp(state, "landed") == 0)
		none(m, RULE_L3, "a task's change landed twice",
		     db_query(m->store,
			      "SELECT b.change_id FROM change a JOIN change b ON b.plan_id = a.plan_id"
			      " AND b.branch = a.branch AND b.change_id <> a.change_id WHERE a.change_id = ?"
			      " AND a.landed_as IS NOT NULL AND b.landed_as IS NOT NULL",
			      "s", e->subject));
}

static const struct {
	const char *kind; /* or its beginning, up to the dot */
	void (*see)(struct sim *m, const struct event *e);
} sights[] = {
	{"job.", on_job},
	{"ask.closed", on_ask_closed},
	{"peer.registered", on_registered},
	{"peer.offline", on_offline},
	{"change.", on_change},
	{"message.consumed", read_consumed},
	{"message.submitted", read_submitted},
};

struct seeing {
	struct sim *m;
	unsigned kinds; /* a bit per sight */
};

static void see_event(const struct event *e, void *data)
{
	struct seeing *s = data;
	s->m->model->last_event = e->id;
	for (size_t i = 0; i < ARRAY_SIZE(sights); i++) {
		if (strncmp(e->kind, sights[i].kind, strlen(sights[i].kind)) != 0)
			continue;
		s->kinds |= 1u << i;
		sights[i].see(s->m, e);
	}
}

/* One query over all jobs: state and fence as the events told, and the attempt that belongs to them. */
static void check_jobs(struct sim *m)
{
	autoquery q =
		db_query(m->store,
			 "SELECT job_id, state, fence, (SELECT count(*) FROM attempt AS a WHERE a.job_id ="
			 " job.job_id AND a.ended_at IS NULL), coalesce((SELECT a.fence FROM attempt AS a"
			 " WHERE a.job_id = job.job_id AND a.n = job.attempt), 0), attempt FROM job",
			 "");
	while (!m->broken && query_next(&q)) {
		const char *id = query_text(&q, 0), *state = query_text(&q, 1);
		int64_t fence = query_int(&q, 2), open = query_int(&q, 3);
		struct job_seen *j = job_seen(m->model, id);
		bool working = strcmp(state, "dispatched") == 0 || strcmp(state, "running") == 0 ||
			       strcmp(state, "awaiting_input") == 0;
		if (strcmp(j->state, state) != 0)
			sim_break(m, is_final(j->state) ? RULE_J5 : RULE_J1,
				  "%s is %s, and its last event said '%s'", id, state, j->state);
		else if (fence < j->fence || fence != query_int(&q, 4))
			sim_break(m, RULE_J2, "%s has fence %lld, had %lld, and its attempt has %lld", id,
				  (long long)fence, (long long)j->fence, (long long)query_int(&q, 4));
		else if (open > 1 || (working && open != 1) ||
			 (open && !working && strcmp(state, "blocked") != 0))
			sim_break(m, RULE_J2, "%s is %s with %lld attempts under way", id, state,
				  (long long)open);
		if (fence > j->fence && fence <= m->model->max_fence)
			sim_break(m, RULE_J2, "%s got fence %lld after %lld was given", id, (long long)fence,
				  (long long)m->model->max_fence);
		j->fence = fence;
	}
	int64_t most = db_int(m->store, 0, "SELECT max(fence) FROM attempt", "");
	m->model->max_fence = most > m->model->max_fence ? most : m->model->max_fence;
}

static void check_needs(struct sim *m)
{
	none(m, RULE_J1, "it is ready before its needs are completed",
	     db_query(m->store,
		      "SELECT job_id FROM job WHERE state = 'ready' AND EXISTS (SELECT 1 FROM job_dep JOIN "
		      "job AS n"
		      " ON n.job_id = job_dep.needs WHERE job_dep.job_id = job.job_id AND n.state <> "
		      "'completed')",
		      ""));
	none(m, RULE_J1, "it is queued, and all its needs are completed",
	     db_query(m->store,
		      "SELECT job_id FROM job WHERE state = 'queued' AND NOT EXISTS (SELECT 1 FROM job_dep "
		      "JOIN"
		      " job AS n ON n.job_id = job_dep.needs WHERE job_dep.job_id = job.job_id AND n.state <>"
		      " 'completed')",
		      ""));
	none(m, RULE_J3, "it is queued, and a need of it has ended badly",
	     db_query(
		     m->store,
		     "SELECT job_id FROM job WHERE state = 'queued' AND EXISTS (SELECT 1 FROM job_dep JOIN"
		     " job AS n ON n.job_id = job_dep.needs WHERE job_dep.job_id = job.job_id AND (n.state IN"
		     " ('failed','cancelled','expired') OR (n.state = 'blocked' AND NOT EXISTS (SELECT 1 FROM"
		     " attempt WHERE job_id = n.job_id AND ended_at IS NULL))))",
		     ""));
	none(m, RULE_J3, "it is blocked without a reason",
	     db_query(m->store,
		      "SELECT job_id FROM job WHERE state = 'blocked' AND attempt = 0 AND reason IS NULL",
		      ""));
	int64_t deps = db_int(m->store, 0, "SELECT count(*) FROM job_dep", "");
	if (deps != m->model->last_deps)
		none(m, RULE_J3, "it needs itself",
		     db_query(
			     m->store,
			     "WITH RECURSIVE reach(job_id, needs) AS (SELECT job_id, needs FROM job_dep UNION"
			     " SELECT reach.job_id, d.needs FROM reach JOIN job_dep AS d ON d.job_id = "
			     "reach.needs)"
			     " SELECT job_id FROM reach WHERE job_id = needs",
			     ""));
	m->model->last_deps = deps;
}

static void check_peers(struct sim *m)
{
	none(m, RULE_I6, "two live peers of a circle hold the name",
	     db_query(m->store,
		      "SELECT circle || ':' || name FROM peer WHERE live = 1 GROUP BY circle, name HAVING "
		      "count(*) > 1",
		      ""));
	none(m, RULE_I9, "it is offline without a cause",
	     db_query(m->store,
		      "SELECT peer_id FROM peer WHERE live = 0 AND (offline_cause IS NULL OR status <> "
		      "'offline')",
		      ""));
	none(m, RULE_I9, "it is online without a process",
	     db_query(m->store,
		      "SELECT peer_id FROM peer WHERE status = 'online' AND role NOT IN ('human','service')"
		      " AND NOT EXISTS (SELECT 1 FROM session WHERE peer_id = peer.peer_id AND ended_at IS "
		      "NULL)",
		      ""));
	none(m, RULE_J4, "its executor is gone, and its attempt goes on",
	     db_query(m->store,
		      "SELECT a.job_id FROM attempt AS a JOIN peer AS p ON p.peer_id = a.peer_id"
		      " WHERE a.ended_at IS NULL AND p.live = 0",
		      ""));
}

static void check_outbox(struct sim *m)
{
	none(m, RULE_W11, "it was started before an older one of its lane ended",
	     db_query(m->store,
		      "SELECT id FROM outbox AS o WHERE ended_at IS NULL AND state = 'started' AND EXISTS"
		      " (SELECT 1 FROM outbox AS p WHERE p.ended_at IS NULL AND p.lane = o.lane AND p.id < "
		      "o.id)",
		      ""));
}

/* D3: what a recipient has taken, no earlier message of the same sender waits behind. One that was put back,
 * from the dead letters or by a way that did not bring it, keeps its place in the table only. */
static void check_order(struct sim *m)
{
	none(m, RULE_D3, "it was given out before an earlier one of the same sender",
	     db_query(m->store,
		      "SELECT b.id FROM message AS b JOIN message AS a ON a.to_peer = b.to_peer AND a.seq < "
		      "b.seq"
		      " AND a.from_kind = b.from_kind AND a.from_peer IS b.from_peer WHERE a.step = 'stored'"
		      " AND a.dead_at IS NULL AND b.step = 'submitted' AND b.dead_at IS NULL AND NOT EXISTS"
		      " (SELECT 1 FROM delivery WHERE message_id = a.id AND (reason = 'retried' OR step = "
		      "'returned'))",
		      ""));
}

void check_turn(struct sim *m)
{
	struct model *model = m->model;
	struct seeing s = {.m = m};
	bool sweep = model->turns++ % SWEEP_EVERY == 0 || m->peace;
	event_since(m->store, model->last_event, NULL, 100000, see_event, &s);
	if (!m->broken && (sweep || (s.kinds & 1))) {
		check_jobs(m);
		check_needs(m);
	}
	if (sweep || (s.kinds & ~1u))
		check_peers(m);
	check_outbox(m);
	if (sweep)
		check_order(m);
	if (sweep)
		read_check(m);
}

static void add_fact(struct sim *m, enum fact_kind kind, const char *id, const char *text, int64_t n)
{
	struct model *model = m->model;
	if (!id)
		return;
	ARRAY_GROW(model->facts, model->n_facts, model->cap_facts);
	struct fact *f = &model->facts[model->n_facts++];
	*f = (struct fact){.kind = kind, .n = n};
	set(f->id, sizeof(f->id), id);
	set(f->text, sizeof(f->text), text);
}

static bool holds(struct sim *m, const struct fact *f)
{
	struct store *s = m->store;
	switch (f->kind) {
	case FACT_MESSAGE:
		return db_int(s, 0, "SELECT 1 FROM message WHERE id = ? AND text = ?", "ss", f->id, f->text);
	case FACT_ASK:
		return db_int(s, 0,
			      "SELECT 1 FROM question JOIN message ON message.id = question.id"
			      " WHERE question.id = ? AND question.text = ?",
			      "ss", f->id, f->text);
	case FACT_JOB:
		return db_int(s, 0, "SELECT 1 FROM job WHERE job_id = ? AND title = ?", "ss", f->id, f->text);
	case FACT_PLAN:
		return db_int(s, 0, "SELECT 1 FROM plan WHERE plan_id = ?", "s", f->id);
	case FACT_FENCE:
		return db_int(s, 0, "SELECT 1 FROM attempt WHERE job_id = ? AND fence = ?", "si", f->id,
			      f->n);
	case FACT_CONSUMED:
		return db_int(
			s, 0,
			"SELECT 1 FROM message WHERE id = ? AND step IN ('consumed','acked','answered')", "s",
			f->id);
	case FACT_CANCEL:
		return db_int(s, 0, "SELECT count(*) FROM job_request WHERE job_id = ?", "s", f->id) >= f->n;
	}
	return false;
}

static void check_facts(struct sim *m)
{
	static const char *const words[] = {
		[FACT_MESSAGE] = "message",
		[FACT_ASK] = "ask",
		[FACT_JOB] = "job",
		[FACT_PLAN] = "plan",
		[FACT_FENCE] = "claim of job",
		[FACT_CONSUMED] = "confirmation of",
		[FACT_CANCEL] = "request to cancel",
	};
	const struct model *model = m->model;
	for (size_t i = 0; i < model->n_facts && !m->broken; i++)
		if (!holds(m, &model->facts[i]))
			sim_break(m, model->facts[i].kind == FACT_CANCEL ? RULE_J5 : RULE_D2,
				  "the acknowledged %s %s is lost", words[model->facts[i].kind],
				  model->facts[i].id);
	for (size_t i = 0; i < model->n_asks && !m->broken; i++)
		if (!db_int(m->store, 0, "SELECT 1 FROM question WHERE id = ? AND state = ?", "ss",
			    model->asks[i].id, model->asks[i].outcome))
			sim_break(m, RULE_A2, "%s had ended as %s and did not stay so", model->asks[i].id,
				  model->asks[i].outcome);
}

/* D2: whatever was asked for is there once, however often it was asked. */
static void check_once(struct sim *m)
{
	none(m, RULE_D2_ONCE, "a repeated request stored two messages",
	     db_query(m->store,
		      "SELECT text FROM message WHERE kind IN ('ask','notify') GROUP BY text, to_peer HAVING "
		      "count(*) > 1",
		      ""));
	none(m, RULE_D2_ONCE, "a repeated request stored two jobs",
	     db_query(m->store,
		      "SELECT title FROM job WHERE plan_id IS NULL GROUP BY title HAVING count(*) > 1", ""));
	none(m, RULE_D2_ONCE, "a repeated request started two plans",
	     db_query(m->store, "SELECT file FROM plan GROUP BY file HAVING count(*) > 1", ""));
}

void check_all(struct sim *m, bool recovered, bool rebooted)
{
	if (recovered && db_int(m->store, 0, "SELECT max(id) FROM event", "") < m->model->last_event)
		sim_break(m, RULE_D2, "a turn whose commit succeeded is lost");
	m->model->turns = 0;
	check_turn(m);
	check_facts(m);
	check_once(m);
	if (!rebooted)
		return;
	none(m, RULE_X6, "after a reboot, a session of the old boot is open",
	     db_query(m->store, "SELECT peer_id FROM session WHERE ended_at IS NULL AND boot_id <> ?", "s",
		      m->boot_id));
	none(m, RULE_X6, "after a reboot, a spawn of the old boot is running",
	     db_query(m->store, "SELECT spawn_id FROM spawn WHERE state = 'running' AND boot_id <> ?", "s",
		      m->boot_id));
}

static int64_t stored_with(struct sim *m, const char *token)
{
	return db_int(
		m->store, 0,
		"SELECT (SELECT count(*) FROM message WHERE text = ?1 AND kind IN ('ask','notify')) +"
		" (SELECT count(*) FROM job WHERE title = ?1) + (SELECT count(*) FROM plan WHERE file = ?1)",
		"s", token);
}

static void check_inbox(struct sim *m, const json_t *answer)
{
	json_auto_t *last = json_object(); /* sender → seq */
	size_t i;
	json_t *msg;
	json_array_foreach(json_object_get(answer, "messages"), i, msg)
	{
		const char *id = json_str(msg, "id"), *from = json_str(msg, "from");
		const char *sender = from ? from : json_str(msg, "from_kind");
		int64_t seq = db_int(m->store, 0, "SELECT seq FROM message WHERE id = ?", "s", id);
		if (!seq)
			sim_break(m, RULE_D2, "the inbox showed %s, which is not stored", id);
		if (sender && json_int(last, sender, 0) > seq)
			sim_break(m, RULE_D3, "the inbox showed %s after a later one of its sender", id);
		if (sender)
			json_object_set_new(last, sender, json_integer(seq));
	}
}

/* How many requests to cancel a job were acknowledged, this one included. */
static int64_t count_cancels(const struct model *model, const char *job)
{
	int64_t n = 1;
	for (size_t i = 0; job && i < model->n_facts; i++)
		n += model->facts[i].kind == FACT_CANCEL && strcmp(model->facts[i].id, job) == 0;
	return n;
}

static void note_answer(struct sim *m, struct request *r, const json_t *answer)
{
	const char *op = r->op->name, *job = json_str(answer, "job_id");
	size_t i;
	json_t *id;
	if (strcmp(op, "ask") == 0)
		add_fact(m, FACT_ASK, json_str(answer, "correlation_id"), r->token, 0);
	else if (strcmp(op, "ask_many") == 0)
		read_asked_many(m, r, answer);
	else if (strcmp(op, "ask_many_result") == 0)
		read_many_result(m, answer);
	else if (strcmp(op, "notify_peer") == 0)
		add_fact(m, FACT_MESSAGE, json_str(answer, "message_id"), r->token, 0);
	else if (strcmp(op, "job_create") == 0)
		add_fact(m, FACT_JOB, job, r->token, 0);
	else if (strcmp(op, "plan_run") == 0)
		add_fact(m, FACT_PLAN, json_str(answer, "plan"), NULL, 0);
	else if (strcmp(op, "job_claim") == 0)
		add_fact(m, FACT_FENCE, job, NULL, json_int(answer, "fence", 0));
	else if (strcmp(op, "job_cancel") == 0)
		add_fact(m, FACT_CANCEL, job, NULL, count_cancels(m->model, job));
	else if (strcmp(op, "inbox") == 0)
		check_inbox(m, answer);
	if (strcmp(op, "inbox_confirm") == 0)
		json_array_foreach(json_object_get(r->params, "ids"), i, id)
			add_fact(m, FACT_CONSUMED, json_string_value(id), NULL, 0);
	if (strcmp(op, "job_update") == 0 && !r->fence_was_current)
		sim_break(m, RULE_J2, "%s was updated with the fence %lld, whose attempt was over",
			  json_str(r->params, "job_id"), (long long)json_int(r->params, "fence", 0));
}

void check_answer(struct sim *m, struct request *r, int status, const json_t *answer)
{
	bool first = r->sent == 1 && r->crashes == m->crashes;
	if (status == 200 && r->answer && (r->op->flags & OP_CHANGES) && !json_equal(answer, r->answer))
		sim_break(m, RULE_D2_ONCE, "%s of %s was answered in two ways", r->key, r->op->name);
	if (status == 200 && r->token[0] && strcmp(r->op->name, "plan_run") != 0 && !stored_with(m, r->token))
		sim_break(m, RULE_D2, "%s was acknowledged and is not stored", r->key);
	if (status != 200 && r->token[0] && first && stored_with(m, r->token))
		sim_break(m, RULE_D2_ONCE, "%s was refused with %d and is stored all the same", r->key,
			  status);
	if (status == 200 && !r->answer)
		note_answer(m, r, answer);
	if (status == 500 && strcmp(json_str(json_object_get(answer, "error"), "code"), "internal") == 0)
		sim_break(m, RULE_X4, "%s of %s met a bug: %s", r->key, r->op->name,
			  json_str(json_object_get(answer, "error"), "message"));
}

void check_action(struct sim *m, const struct action *a)
{
	const struct list *lists[] = {&m->running, &m->finished};
	for (size_t i = 0; a->effect.lane && i < ARRAY_SIZE(lists); i++)
		list_for_each (pos, lists[i]) {
			const struct action *b = list_entry(pos, struct action, link);
			if (a != b && b->effect.lane && strcmp(a->effect.lane, b->effect.lane) == 0)
				sim_break(m, RULE_W11, "%s and %s of lane %s overlap", a->effect.kind,
					  b->effect.kind, a->effect.lane);
		}
}

void check_move(struct sim *m, const struct repo *repo, const struct commit *commit)
{
	autoquery q = db_query(
		m->store,
		"SELECT json_array_length(coalesce(gate, '[]')), gate IS NULL, approved, ended_at IS NOT NULL"
		" FROM change WHERE change_id = ?",
		"s", commit->change_id);
	for (size_t i = 0; i + 1 < repo->n_history; i++)
		if (strcmp(m->world.commits[repo->history[i]].change_id, commit->change_id) == 0)
			sim_break(m, RULE_L3, "%s moved the target twice", commit->change_id);
	if (!query_next(&q) || query_int(&q, 3))
		sim_break(m, RULE_L3, "%s moved the target after its end", commit->change_id);
	else if (!commit->passed || (query_int(&q, 0) > 0 && !commit->gated) ||
		 commit->parent != repo->history[repo->n_history - 2])
		sim_break(m, RULE_L2, "c%d of %s landed untested on that target", commit->n,
			  commit->change_id);
	else if (query_int(&q, 1) && !query_int(&q, 2))
		sim_break(m, RULE_L4, "%s landed without a gate, and nobody said so", commit->change_id);
	char common[32];
	(void)snprintf(common, sizeof(common), "/sim/r%d", repo->n);
	none(m, RULE_L1, "its change landed before that of a task it needs",
	     db_query(m->store,
		      "SELECT t.plan_id || ' ' || t.branch || ' needs ' || n.value FROM task AS t"
		      " JOIN plan AS p ON p.plan_id = t.plan_id JOIN repo AS r ON r.repo_id = p.repo_id,"
		      " json_each(t.spec, '$.needs') AS n WHERE t.branch = ? AND r.common_dir = ?"
		      " AND t.state = 'landing' AND NOT EXISTS (SELECT 1 FROM change AS c WHERE"
		      " c.plan_id = t.plan_id AND c.branch = n.value AND c.state = 'landed')",
		      "ss", commit->branch, common));
}

void check_success(struct sim *m, const struct proc *p)
{
	struct model *model = m->model;
	if (!p->job_id[0] || !db_int(m->store, 0,
				     "SELECT 1 FROM attempt JOIN task ON task.job_id = attempt.job_id"
				     " WHERE attempt.job_id = ? AND fence = ? AND ended_at IS NULL",
				     "si", p->job_id, p->fence))
		return;
	/* What somebody called off, or said to have failed (without a reason, or with the summary that ops.c
	 * gives), may be tried again, whatever it had come to. */
	for (size_t i = 0; i < model->n_successes; i++)
		if (strcmp(model->successes[i].job_id, p->job_id) == 0 &&
		    db_int(m->store, 0,
			   "SELECT 1 FROM attempt WHERE fence = ? AND reason <> 'so far'"
			   " AND reason NOT LIKE '%(retired)'"
			   " AND reason NOT LIKE '%(session_end)'",
			   "i", model->successes[i].fence))
			sim_break(m, RULE_ONCE,
				  "the worker of %s ran to success with fence %lld and again with %lld",
				  p->job_id, (long long)model->successes[i].fence, (long long)p->fence);
	ARRAY_GROW(model->successes, model->n_successes, model->cap_successes);
	struct success *s = &model->successes[model->n_successes++];
	set(s->job_id, sizeof(s->job_id), p->job_id);
	s->fence = p->fence;
}

/* The worktrees that the rows tell of are there, and no others. One that was taken over may have been removed
 * between the look at it and its taking over. */
static void check_worktrees(struct sim *m)
{
	autoquery q = db_query(m->store,
			       "SELECT path, branch FROM worktree WHERE state = 'live' AND adopted = 0", "");
	while (query_next(&q)) {
		bool there = false;
		for (size_t i = 0; i < m->world.n_dirs; i++)
			there = there || (m->world.dirs[i].there &&
					  strcmp(m->world.dirs[i].path, query_text(&q, 0)) == 0);
		if (!there)
			sim_break(m, RULE_W11, "the worktree of %s is live, and nothing is at %s",
				  query_text(&q, 1), query_text(&q, 0));
	}
	for (size_t i = 0; i < m->world.n_dirs && !m->broken; i++)
		if (m->world.dirs[i].there &&
		    !db_int(m->store, 0, "SELECT 1 FROM worktree WHERE state = 'live' AND path = ?", "s",
			    m->world.dirs[i].path))
			sim_break(m, RULE_W11, "the worktree %s of %s is there, and no row tells of it",
				  m->world.dirs[i].path, m->world.dirs[i].branch);
}

static void check_target(struct sim *m)
{
	for (int r = 0; r < REPOS; r++)
		for (size_t i = 0; i < m->world.repos[r].n_history; i++) {
			const struct commit *c = &m->world.commits[m->world.repos[r].history[i]];
			autofree char *name = xasprintf("c%d", c->n);
			if (c->change_id[0] && !db_int(m->store, 0,
						       "SELECT 1 FROM change WHERE change_id = ? AND state = "
						       "'landed' AND landed_as = ?",
						       "ss", c->change_id, name))
				sim_break(m, RULE_L3, "the target has %s of %s, which has not landed as that",
					  name, c->change_id);
		}
}

static void check_processes(struct sim *m)
{
	autoquery q =
		db_query(m->store, "SELECT peer_id, pid, start_time FROM session WHERE ended_at IS NULL", "");
	while (query_next(&q)) {
		const struct proc *p = world_proc(&m->world, query_int(&q, 1), query_int(&q, 2));
		if (!p || !p->alive)
			sim_break(m, RULE_I9, "the process of %s is gone, and it is not noticed",
				  query_text(&q, 0));
	}
}

void check_peace(struct sim *m)
{
	check_all(m, false, false);
	none(m, RULE_W11, "the effect never ended",
	     db_query(m->store, "SELECT id || ' ' || kind || ' ' || state FROM outbox WHERE ended_at IS NULL",
		      ""));
	none(m, RULE_W11, "the worktree is half made or half removed",
	     db_query(m->store,
		      "SELECT branch || ' ' || state FROM worktree WHERE state IN ('creating','removing')",
		      ""));
	none(m, RULE_ENDS, "the plan never ended",
	     db_query(m->store,
		      "SELECT t.plan_id || ' ' || t.branch || ' ' || t.state FROM plan JOIN task AS t"
		      " ON t.plan_id = plan.plan_id WHERE plan.ended_at IS NULL AND t.state NOT IN"
		      " ('landed','done','ready','ejected','failed','cancelled')",
		      ""));
	none(m, RULE_ENDS, "the task never ended",
	     db_query(m->store,
		      "SELECT plan_id || ' ' || branch || ' ' || state FROM task WHERE state NOT IN"
		      " ('landed','done','ready','ejected','failed','cancelled')",
		      ""));
	none(m, RULE_ENDS, "the spawn never ended",
	     db_query(m->store, "SELECT spawn_id || ' ' || state FROM spawn WHERE ended_at IS NULL", ""));
	none(m, RULE_A2, "it is open, and its recipient is gone for longer than messages are kept",
	     db_query(m->store,
		      "SELECT q.id || ' of ' || p.peer_id || ' ' || (SELECT m.step FROM message AS m WHERE "
		      "m.id = q.id)"
		      " || ' ' || coalesce(p.offline_cause, '') FROM question AS q JOIN peer AS p ON "
		      "p.peer_id = q.to_peer"
		      " WHERE q.state = 'open' AND p.live = 0",
		      ""));
	check_target(m);
	check_worktrees(m);
	check_processes(m);
	list_for_each (pos, &m->parked) {
		const struct call *c = list_entry(pos, struct call, link);
		if (!c->wait_until)
			sim_break(m, RULE_ENDS, "the call %s waits for ever, on %s", c->op.op->name,
				  c->op.topic);
	}
}

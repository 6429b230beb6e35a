/* The operations that clients choose from: one table, operation → who, how often, what parameters. Most are
 * sensible, some are not: an id of somebody else's, an old fence, a name that nobody has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "session.h"
#include "sim.h"

enum { BRANCHES = 6, TASKS_MAX = 4, PLAN_MAX = 4096 };

/* Who is asking, and what it fills. */
struct draft {
	struct sim *m;
	json_t *params;
	char *token;
	const char *self; /* its peer_id, "" if it is none */
};

static bool chance(struct draft *d, unsigned percent)
{
	return rng_chance(&d->m->rng, percent);
}

static size_t below(struct draft *d, size_t n)
{
	return rng_below(&d->m->rng, n);
}

static char *pick_row(struct sim *m, struct query *q)
{
	char *found = NULL;
	for (size_t n = 1; query_next(q); n++) {
		if (rng_below(&m->rng, n) != 0)
			continue;
		free(found);
		found = query_dup(q, 0);
	}
	return found;
}

char *sim_pick(struct sim *m, const char *sql)
{
	autoquery q = db_query(m->store, sql, "");
	return pick_row(m, &q);
}

static char *pick_own(struct draft *d, const char *sql)
{
	autoquery q = db_query(d->m->store, sql, "s", d->self);
	return pick_row(d->m, &q);
}

/* A text that no other request has. */
static void make_token(struct draft *d)
{
	(void)snprintf(d->token, TOKEN_SIZE, "t%zu", d->m->n_requests);
}

static void set_number(struct draft *d, const char *key, size_t n)
{
	json_object_set_new(d->params, key, json_integer((json_int_t)n));
}

static bool set_picked(struct draft *d, const char *key, char *value)
{
	autofree char *owned = value;
	if (owned)
		json_set_str(d->params, key, owned);
	return owned != NULL;
}

static bool choose_peer(struct draft *d, const char *key)
{
	const char *session = chance(d, 55) ? session_any_peer(d->m) : NULL;
	if (session)
		return set_picked(d, key, xstrdup(session));
	if (chance(d, 20))
		return set_picked(d, key, sim_pick(d->m, "SELECT name FROM peer"));
	if (chance(d, 20))
		return set_picked(d, key, sim_pick(d->m, "SELECT peer_id FROM peer"));
	return set_picked(d, key, sim_pick(d->m, "SELECT peer_id FROM peer WHERE live = 1"));
}

static bool fill_ask(struct draft *d)
{
	make_token(d);
	json_set_str(d->params, "query", d->token);
	if (chance(d, 25))
		set_number(d, "expires_seconds", 1 + below(d, 4000));
	if (chance(d, 15) &&
	    set_picked(d, "reply_to",
		       pick_own(d, "SELECT id FROM question WHERE to_peer = ?1 OR from_peer = ?1")) &&
	    chance(d, 50))
		return true;
	return choose_peer(d, "peer_name");
}

static bool fill_notify(struct draft *d)
{
	make_token(d);
	json_set_str(d->params, "message", d->token);
	return choose_peer(d, "peer_name");
}

static bool fill_broadcast(struct draft *d)
{
	char text[TOKEN_SIZE + 4];
	(void)snprintf(text, sizeof(text), "all%zu", d->m->n_requests);
	json_set_str(d->params, "message", text);
	if (chance(d, 30))
		json_set_str(d->params, "circle", "blue");
	return true;
}

static bool fill_ask_many(struct draft *d)
{
	char text[TOKEN_SIZE + 4];
	json_t *names = json_array();
	(void)snprintf(text, sizeof(text), "many%zu", d->m->n_requests);
	json_set_str(d->params, "query", text);
	for (size_t n = 1 + below(d, 4); n > 0; n--) {
		autofree char *peer = sim_pick(d->m, chance(d, 80) ? "SELECT peer_id FROM peer WHERE live = 1"
								   : "SELECT name FROM peer");
		json_array_append_new(names, json_string(peer ? peer : "nobody"));
	}
	if (chance(d, 20))
		json_array_append_new(names, json_string("nobody"));
	json_object_set_new(d->params, "peer_names", names);
	return true;
}

static bool fill_many_result(struct draft *d)
{
	return set_picked(d, "parent_id",
			  pick_own(d, "SELECT parent_id FROM question_parent WHERE from_peer = ?"));
}

static bool choose_ask(struct draft *d)
{
	if (chance(d, 85) &&
	    set_picked(d, "correlation_id",
		       pick_own(d, "SELECT id FROM question WHERE to_peer = ? AND state = 'open'")))
		return true;
	return set_picked(d, "correlation_id", sim_pick(d->m, "SELECT id FROM question"));
}

static bool fill_ack(struct draft *d)
{
	if (chance(d, 60))
		json_set_str(d->params, "message", "yes");
	return choose_ask(d);
}

static bool fill_decline(struct draft *d)
{
	json_set_str(d->params, "reason", "no");
	return choose_ask(d);
}

static bool fill_wait(struct draft *d)
{
	set_number(d, "timeout_seconds", below(d, 26));
	if (chance(d, 90))
		return set_picked(d, "correlation_id",
				  pick_own(d, "SELECT id FROM question WHERE from_peer = ?"));
	return set_picked(d, "correlation_id", sim_pick(d->m, "SELECT id FROM question"));
}

static bool fill_inbox(struct draft *d)
{
	if (chance(d, 50))
		set_number(d, "max", 1 + below(d, 5));
	if (chance(d, 10))
		json_object_set_new(d->params, "peek", json_true());
	if (chance(d, 20))
		set_number(d, "wait_seconds", below(d, 26));
	return true;
}

static bool fill_confirm(struct draft *d)
{
	json_t *ids = json_array();
	autoquery q = db_query(d->m->store,
			       "SELECT id FROM message WHERE to_peer = ? AND step = 'submitted' ORDER BY seq",
			       "s", d->self);
	while (query_next(&q) && json_array_size(ids) < 40)
		if (chance(d, 80))
			json_array_append_new(ids, json_string(query_text(&q, 0)));
	json_object_set_new(d->params, "ids", ids);
	return json_array_size(ids) > 0;
}

static bool fill_dead(struct draft *d)
{
	return set_picked(d, "id", sim_pick(d->m, "SELECT id FROM message WHERE dead_at IS NOT NULL"));
}

static void add_jobs(struct draft *d, const char *key, const char *sql, size_t most)
{
	json_t *list = json_array();
	for (size_t n = below(d, most + 1); n > 0; n--) {
		autofree char *job = sim_pick(d->m, sql);
		if (job)
			json_array_append_new(list, json_string(job));
	}
	if (json_array_size(list) > 0)
		json_object_set(d->params, key, list);
	json_decref(list);
}

static bool fill_job_create(struct draft *d)
{
	make_token(d);
	json_set_str(d->params, "title", d->token);
	if (chance(d, 50))
		add_jobs(d, "needs",
			 chance(d, 70) ? "SELECT job_id FROM job WHERE state IN "
					 "('queued','ready','running','completed')"
				       : "SELECT job_id FROM job",
			 2);
	if (chance(d, 25))
		add_jobs(d, "needed_by",
			 "SELECT job_id FROM job WHERE state IN ('queued','ready') AND plan_id IS NULL", 2);
	if (chance(d, 20))
		(void)choose_peer(d, "peer_name");
	if (chance(d, 50))
		set_number(d, "attempts", 1 + below(d, 3));
	return true;
}

static bool fill_job_claim(struct draft *d)
{
	if (chance(d, 85))
		return set_picked(
			d, "job_id",
			pick_own(d, "SELECT job_id FROM job WHERE state = 'ready' AND (peer_id IS NULL OR"
				    " peer_id = ?)"));
	return set_picked(d, "job_id", sim_pick(d->m, "SELECT job_id FROM job"));
}

static bool fill_job_update(struct draft *d)
{
	static const char *const states[] = {"running", "awaiting_input", "blocked",	"completed",
					     "failed",	"cancelled",	  "completed",	"failed",
					     "ready",	"expired",	  "dispatched", "queued"};
	char *job =
		chance(d, 85)
			? pick_own(
				  d,
				  "SELECT job_id FROM job WHERE peer_id = ? AND fence > 0 ORDER BY rowid DESC"
				  " LIMIT 3")
			: sim_pick(d->m, "SELECT job_id FROM job WHERE fence > 0");
	if (!set_picked(d, "job_id", job))
		return false;
	json_set_str(d->params, "state", states[below(d, ARRAY_SIZE(states) - (chance(d, 80) ? 4 : 0))]);
	if (chance(d, 20))
		json_set_str(d->params, "summary", "so far");
	autofree char *fence = NULL;
	const char *id = json_str(d->params, "job_id");
	int64_t value = db_int(d->m->store, 0, "SELECT fence FROM job WHERE job_id = ?", "s", id);
	if (chance(d, 30)) {
		autoquery q = db_query(d->m->store, "SELECT fence FROM attempt WHERE job_id = ?", "s", id);
		fence = pick_row(d->m, &q);
		if (number_parse(fence ? fence : "0", 0, INT64_MAX, &value, NULL))
			abort(); /* it was a number */
	}
	set_number(d, "fence", (size_t)value);
	return true;
}

static bool fill_job_cancel(struct draft *d)
{
	return set_picked(d, "job_id",
			  chance(d, 70) ? sim_pick(d->m, "SELECT job_id FROM job WHERE ended_at IS NULL")
					: sim_pick(d->m, "SELECT job_id FROM job"));
}

static void set_dir(struct draft *d)
{
	json_object_set_new(d->params, "dir", json_sprintf("/sim/w%d", (int)below(d, REPOS)));
}

static void add_task(struct draft *d, struct strbuf *plan, size_t n, const size_t *branches)
{
	static const char *const starts[] = {"parallel", "stacked", "after"};
	strbuf_addf(plan, "  - branch: f/%c\n    run: [make, it]\n", 'a' + (char)branches[n]);
	size_t needs = n ? below(d, n < 2 ? n + 1 : 3) : 0;
	if (!needs)
		return;
	size_t first = below(d, n), second = (first + 1) % n;
	if (needs == 1 || first == second)
		strbuf_addf(plan, "    needs: [f/%c]\n", 'a' + (char)branches[first]);
	else
		strbuf_addf(plan, "    needs: [f/%c, f/%c]\n", 'a' + (char)branches[first],
			    'a' + (char)branches[second]);
	if (chance(d, 60))
		strbuf_addf(plan, "    start: %s\n", starts[below(d, needs == 1 ? 3 : 1)]);
}

static bool fill_plan_run(struct draft *d)
{
	autostrbuf plan = STRBUF_INIT(PLAN_MAX);
	size_t branches[BRANCHES];
	make_token(d);
	set_dir(d);
	json_set_str(d->params, "file", d->token);
	strbuf_addf(&plan, "into: main\nparallel: %zu\n", 1 + below(d, 3));
	if (chance(d, 85))
		strbuf_addstr(&plan, chance(d, 50) ? "gate: none\n" : "gate: [make test]\n");
	if (chance(d, 10))
		strbuf_addstr(&plan, "land: { via: none }\n");
	if (chance(d, 60))
		strbuf_addf(&plan, "retry: { attempts: %zu, state: %s }\n", 1 + below(d, 3),
			    chance(d, 50) ? "fresh" : "resume");
	if (chance(d, 30))
		strbuf_addstr(&plan, "circle: blue\n");
	strbuf_addstr(&plan, "tasks:\n");
	for (size_t i = 0; i < BRANCHES; i++)
		branches[i] = i;
	for (size_t i = 0; i < BRANCHES; i++) {
		size_t k = i + below(d, BRANCHES - i), kept = branches[i];
		branches[i] = branches[k];
		branches[k] = kept;
	}
	size_t n = 1 + below(d, TASKS_MAX);
	for (size_t i = 0; i < n; i++)
		add_task(d, &plan, i, branches);
	json_set_str(d->params, "text", strbuf_str(&plan));
	return true;
}

static bool fill_plan_cancel(struct draft *d)
{
	return set_picked(d, "plan", sim_pick(d->m, "SELECT plan_id FROM plan"));
}

static void add_branches(struct draft *d, size_t most)
{
	json_t *list = json_array();
	for (size_t n = 1 + below(d, most); n > 0; n--)
		json_array_append_new(list, json_sprintf("f/%c", 'a' + (char)below(d, BRANCHES)));
	json_object_set_new(d->params, "branches", list);
}

static bool fill_land(struct draft *d)
{
	set_dir(d);
	add_branches(d, 3);
	if (chance(d, 40))
		json_object_set_new(d->params, "no_gate", json_true());
	return true;
}

static bool fill_kill(struct draft *d)
{
	return set_picked(d, "peer_identifier",
			  sim_pick(d->m, chance(d, 70) ? "SELECT peer_id FROM peer WHERE live = 1"
						       : "SELECT name FROM peer"));
}

static bool fill_register(struct draft *d)
{
	static const char *const names[] = {"ann", "bob", "cat"};
	json_set_str(d->params, "backend", "script");
	json_object_set_new(d->params, "self", json_true());
	json_set_str(d->params, "name", names[below(d, ARRAY_SIZE(names))]);
	if (chance(d, 30))
		json_set_str(d->params, "circle", "blue");
	return true;
}

static bool fill_nothing(struct draft *d)
{
	(void)d;
	return true;
}

static bool fill_describe(struct draft *d)
{
	json_set_str(d->params, "description", "at work");
	return true;
}

static bool fill_quiet(struct draft *d)
{
	json_object_set_new(d->params, "quiet", json_boolean(chance(d, 50)));
	return chance(d, 40) || choose_peer(d, "peer_name");
}

static bool fill_spawn(struct draft *d)
{
	json_set_str(d->params, "path", "/");
	if (chance(d, 70)) {
		json_set_str(d->params, "backend", chance(d, 50) ? "claude-code" : "codex");
		if (chance(d, 80))
			json_set_str(d->params, "message", "begin");
		return true;
	}
	json_object_set_new(d->params, "run", json_pack("[s, s]", "sleep", "1"));
	return true;
}

static bool fill_new(struct draft *d)
{
	set_dir(d);
	json_object_set_new(d->params, "branch", json_sprintf("f/%c", 'a' + (char)below(d, BRANCHES)));
	if (chance(d, 40))
		json_object_set_new(d->params, "run", json_pack("[s, s]", "sleep", "1"));
	return true;
}

static bool fill_remove(struct draft *d)
{
	set_dir(d);
	add_branches(d, 1);
	if (chance(d, 50))
		json_object_set_new(d->params, "force", json_pack("[s]", "process"));
	return true;
}

static bool fill_restore(struct draft *d)
{
	set_dir(d);
	json_object_set_new(d->params, "branch", json_sprintf("f/%c", 'a' + (char)below(d, BRANCHES)));
	return true;
}

enum { AGENTS = 1, WORKERS = 2, PEOPLE = 4, STRANGERS = 8, SESSIONS = 16 };

static const struct choice {
	const char *op;
	unsigned who;
	unsigned weight;
	bool (*fill)(struct draft *d);
} choices[] = {
	{"ask", SESSIONS | AGENTS | WORKERS | PEOPLE | STRANGERS, 24, fill_ask},
	{"notify_peer", SESSIONS | AGENTS | WORKERS | PEOPLE | STRANGERS, 24, fill_notify},
	{"broadcast", SESSIONS | AGENTS | WORKERS | PEOPLE, 2, fill_broadcast},
	{"ack", SESSIONS | AGENTS | WORKERS | PEOPLE, 14, fill_ack},
	{"decline", SESSIONS | AGENTS | WORKERS | PEOPLE, 5, fill_decline},
	{"wait_on_ack", SESSIONS | AGENTS | WORKERS | PEOPLE, 8, fill_wait},
	{"ask_many", SESSIONS | AGENTS | PEOPLE, 6, fill_ask_many},
	{"ask_many_result", SESSIONS | AGENTS | PEOPLE, 4, fill_many_result},
	{"inbox", AGENTS | WORKERS | PEOPLE, 20, fill_inbox},
	{"inbox_confirm", AGENTS | WORKERS | PEOPLE, 18, fill_confirm},
	{"dead_retry", SESSIONS | AGENTS | PEOPLE, 2, fill_dead},
	{"dead_drop", AGENTS | PEOPLE, 1, fill_dead},
	{"job_create", SESSIONS | AGENTS | WORKERS | PEOPLE, 12, fill_job_create},
	{"job_claim", SESSIONS | AGENTS | WORKERS | PEOPLE, 14, fill_job_claim},
	{"job_update", SESSIONS | AGENTS | WORKERS | PEOPLE, 24, fill_job_update},
	{"job_cancel", AGENTS | PEOPLE, 5, fill_job_cancel},
	{"plan_run", PEOPLE, 24, fill_plan_run},
	{"plan_cancel", PEOPLE, 2, fill_plan_cancel},
	{"land", AGENTS | PEOPLE, 8, fill_land},
	{"kill_peer", AGENTS | PEOPLE, 3, fill_kill},
	{"register_peer", AGENTS, 8, fill_register},
	{"end_session", AGENTS | WORKERS, 1, fill_nothing},
	{"set_description", SESSIONS | AGENTS | WORKERS, 1, fill_describe},
	{"set_quiet", SESSIONS | AGENTS | PEOPLE, 2, fill_quiet},
	{"spawn_peer", PEOPLE, 10, fill_spawn},
	{"worktree_create", PEOPLE, 5, fill_new},
	{"worktree_remove", PEOPLE, 4, fill_remove},
	{"worktree_restore", PEOPLE, 3, fill_restore},
	{"asks", SESSIONS | AGENTS | PEOPLE, 1, fill_nothing},
	{"list_peers", SESSIONS | AGENTS | PEOPLE | STRANGERS, 1, fill_nothing},
	{"plan_status", PEOPLE, 1, fill_nothing},
};

static const struct choice *choose(struct sim *m, unsigned who)
{
	size_t sum = 0;
	for (size_t i = 0; i < ARRAY_SIZE(choices); i++)
		sum += (choices[i].who & who) ? choices[i].weight : 0;
	size_t at = rng_below(&m->rng, sum);
	size_t i = 0;
	for (; !(choices[i].who & who) || at >= choices[i].weight; i++)
		at -= (choices[i].who & who) ? choices[i].weight : 0;
	return &choices[i];
}

static unsigned kind_of(const struct sim *m, int who)
{
	if (who >= 0 && m->world.procs[who].kind == PROC_RUNTIME)
		return SESSIONS;
	if (who >= 0)
		return m->world.procs[who].kind == PROC_AGENT ? AGENTS : WORKERS;
	return who == WHO_UNKNOWN ? STRANGERS : PEOPLE;
}

static char *own_peer(struct sim *m, int who, int session)
{
	if (session >= 0)
		return xstrdup(m->sessions[session].peer);
	if (who == WHO_UNKNOWN)
		return NULL;
	if (who < 0)
		return db_text(m->store, "SELECT peer_id FROM peer WHERE role = ? LIMIT 1", "s",
			       who == WHO_HUMAN ? "human" : "service");
	const struct proc *p = &m->world.procs[who];
	return db_text(m->store,
		       "SELECT peer_id FROM session WHERE pid = ? AND start_time = ? AND boot_id = ?"
		       " AND ended_at IS NULL ORDER BY kind LIMIT 1",
		       "iis", p->pid, p->start_time, m->boot_id);
}

bool ops_choose(struct sim *m, int who, struct request *r)
{
	autofree char *self = own_peer(m, who, r->session);
	const struct choice *choice = choose(m, kind_of(m, who));
	struct draft d = {.m = m, .token = r->token, .self = self ? self : ""};
	bool stranger = who >= 0 && m->world.procs[who].kind == PROC_AGENT && !self;
	if (stranger) /* an agent registers before it does anything else */
		for (choice = choices; strcmp(choice->op, "register_peer") != 0; choice++)
			;
	r->op = op_find(choice->op);
	r->params = d.params = json_object();
	if (r->op && choice->fill(&d))
		return true;
	json_decref(r->params);
	return false;
}

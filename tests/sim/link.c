/* The daemon's ends of the ways into sessions, and what runtimes keep of them: as in daemon/links.c, conn.c
 * and records.c. All of it is memory: gone after a crash. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "flow/react.h"
#include "flow/session.h"
#include "mesh/deliver.h"
#include "mesh/identity.h"
#include "session.h"

enum { TAKE_MAX = 10 };

struct link {
	int64_t pid, start_time;
	size_t proc;
	bool lost;
	json_t *news;	/* {"kind","key","id","why","turn"}: to be recorded */
	json_t *out;	/* letters taken in this turn: {"key","id","text"} */
	json_t *flying; /* letters that were sent */
};

void links_init(struct sim *m)
{
	m->holds = json_array();
	m->lost_ways = json_array();
	m->records = json_array();
}

/* What was written before the end may still be read. */
static void some_are_read(struct sim *m, struct link *l)
{
	size_t k;
	json_t *letter;
	json_array_foreach(l->flying, k, letter)
	{
		struct session *s = session_by_key(m, l->pid, json_str(letter, "key"));
		if (s && rng_chance(&m->rng, 50))
			json_array_append(s->next, json_object_get(letter, "text"));
	}
}

void links_forget(struct sim *m)
{
	for (size_t i = 0; i < m->n_links; i++) {
		struct link *l = &m->links[i];
		some_are_read(m, l);
		json_decref(l->news);
		json_decref(l->out);
		json_decref(l->flying);
	}
	m->n_links = 0;
	json_array_clear(m->holds);
	json_array_clear(m->lost_ways);
	json_array_clear(m->records);
	for (size_t i = 0; i < m->n_sessions; i++)
		m->sessions[i].linked = false;
}

void links_free(struct sim *m)
{
	free(m->links);
	json_decref(m->holds);
	json_decref(m->lost_ways);
	json_decref(m->records);
}

static struct link *link_of(const struct sim *m, int64_t pid, int64_t start_time)
{
	for (size_t i = 0; i < m->n_links; i++)
		if (!m->links[i].lost && m->links[i].pid == pid && m->links[i].start_time == start_time)
			return &m->links[i];
	return NULL;
}

static struct link *link_of_session(const struct sim *m, const struct session *s)
{
	const struct proc *p = &m->world.procs[s->proc];
	return s->hosts ? link_of(m, p->pid, p->start_time) : NULL;
}

bool link_reaches(const struct core *core, int64_t pid, int64_t start_time)
{
	return link_of(core->data, pid, start_time) != NULL;
}

bool link_is_open(const struct sim *m, const struct session *s)
{
	return link_of_session(m, s) != NULL;
}

void link_open(struct sim *m, const json_t *host)
{
	int64_t pid = json_int(host, "pid", 0), start_time = json_int(host, "start_time", 0);
	const struct proc *p = world_proc(&m->world, pid, start_time);
	if (!p || !p->alive || link_of(m, pid, start_time))
		return;
	ARRAY_GROW(m->links, m->n_links, m->cap_links);
	m->links[m->n_links++] = (struct link){.pid = pid,
					       .start_time = start_time,
					       .proc = (size_t)(p - m->world.procs),
					       .news = json_array(),
					       .out = json_array(),
					       .flying = json_array()};
	for (size_t i = 0; i < m->n_sessions; i++)
		if (m->sessions[i].proc == (size_t)(p - m->world.procs))
			m->sessions[i].linked = false;
	sim_say(m, "  a link to %lld opens", (long long)pid);
}

static int turn_of(const struct session *s)
{
	return s->awaits ? AGENT_TURN_AWAITS : s->working ? AGENT_TURN_WORKING : AGENT_TURN_IDLE;
}

void link_tell(struct sim *m, const struct session *s, const char *kind, const char *id, const char *why)
{
	struct link *l = link_of_session(m, s);
	if (!l)
		return;
	json_t *news = json_pack("{s:s, s:s, s:s, s:i}", "kind", kind, "key", s->key, "path", s->path, "turn",
				 turn_of(s));
	json_set_str(news, "id", id);
	json_set_str(news, "why", why);
	json_array_append_new(l->news, news);
}

void link_note_record(struct sim *m, int session)
{
	json_array_append_new(m->records, json_integer(session));
}

void links_started(struct sim *m)
{
	for (size_t i = 0; i < m->n_sessions; i++)
		if (session_lives(m, &m->sessions[i]) && strcmp(m->sessions[i].backend, "claude-code") == 0)
			link_note_record(m, (int)i);
}

/* --- connections that hold a way --- */

void link_hold(struct sim *m, const struct call *c)
{
	const struct request *r = &m->requests[c->request];
	if (c->unheard) /* its connection has gone already */
		json_array_append_new(m->lost_ways, json_pack("{s:i, s:s, s:s}", "session", r->session,
							      "peer", c->caller.peer_id, "transport",
							      json_str(r->params, "transport")));
	if (c->unheard)
		return;
	link_cut_session(m, -2 - r->session); /* of the same connection: held once */
	json_array_append_new(m->holds,
			      json_pack("{s:i, s:s, s:s}", "session", r->session, "peer", c->caller.peer_id,
					"transport", json_str(r->params, "transport")));
}

/* A session below -1: its hold is given up without being lost. */
void link_cut_session(struct sim *m, int session)
{
	bool again = session < -1;
	int wanted = again ? -2 - session : session;
	for (size_t i = json_array_size(m->holds); i > 0; i--) {
		json_t *hold = json_array_get(m->holds, i - 1);
		if (json_int(hold, "session", -1) != wanted)
			continue;
		if (!again)
			json_array_append(m->lost_ways, hold);
		json_array_remove(m->holds, i - 1);
	}
}

void link_cut(struct sim *m, const struct request *r)
{
	if (r->session >= 0 && (r->op->flags & OP_TAKES))
		link_cut_session(m, r->session);
}

static bool held_by_another(const struct sim *m, const json_t *way)
{
	size_t i;
	const json_t *hold;
	json_array_foreach(m->holds, i,
			   hold) if (strcmp(json_str(hold, "peer"), json_str(way, "peer")) == 0 &&
				     strcmp(json_str(hold, "transport"), json_str(way, "transport")) ==
					     0) return true;
	return false;
}

/* --- a turn --- */

bool links_any_news(const struct sim *m)
{
	for (size_t i = 0; i < m->n_links; i++)
		if (json_array_size(m->links[i].news))
			return true;
	return json_array_size(m->lost_ways) || json_array_size(m->records);
}

static void chain_of(const struct sim *m, size_t proc, struct proc_chain *ret)
{
	*ret = (struct proc_chain){.complete = true};
	for (int p = (int)proc; p >= 0; p = m->world.procs[p].parent)
		ret->at[ret->n++] = (struct proc_stat){.pid = (pid_t)m->world.procs[p].pid,
						       .start_time = (uint64_t)m->world.procs[p].start_time};
}

static void record_session(struct sim *m, size_t proc, const char *key, const char *path, int turn,
			   const char *backend, bool hosted)
{
	char inside[ID_SIZE];
	struct proc_chain chain;
	chain_of(m, proc, &chain);
	bool enclosed = identity_enclosing(m->store, &chain, 1, NULL, inside);
	autofree char *mark = hosted ? NULL : node_mark(m, proc);
	struct session_found found = {.backend = backend,
				      .key = key,
				      .path = path,
				      .pid = m->world.procs[proc].pid,
				      .start_time = m->world.procs[proc].start_time,
				      .inside = enclosed ? inside : NULL,
				      .mark = mark,
				      .turn = (enum agent_turn)turn,
				      .hosted = hosted};
	session_found(&m->core, &found);
}

static void record_sent(struct sim *m, const struct link *l, const json_t *news)
{
	struct peer_ref peer;
	const char *why = json_str(news, "why");
	if (!peer_of_session(m->store, (pid_t)l->pid, (uint64_t)l->start_time, json_str(news, "key"), &peer))
		return;
	enum deliver_outcome outcome = strcmp(json_str(news, "kind"), "consumed") == 0 ? DELIVER_CONSUMED
				       : why					       ? DELIVER_RETURNED
										       : DELIVER_SUBMITTED;
	(void)!deliver_report(m->store, &m->core.limits, peer.peer_id, transport_find("codex-link"),
			      json_str(news, "id"), outcome, why, NULL);
	if (outcome == DELIVER_RETURNED)
		transport_detach(m->store, peer.peer_id, transport_find("codex-link"), why);
	store_wake(m->store, peer.peer_id);
}

static void record_turn(struct sim *m, const struct link *l, const json_t *news)
{
	struct peer_ref peer;
	const char *key = json_str(news, "key");
	session_turn(&m->core, l->pid, l->start_time, key, (enum agent_turn)json_int(news, "turn", 0));
	if (!l->lost && peer_of_session(m->store, (pid_t)l->pid, (uint64_t)l->start_time, key, &peer))
		transport_attach(m->store, peer.peer_id, transport_find("codex-link"));
}

static void record_lost(struct sim *m, const struct link *l)
{
	autoquery q = db_query(
		m->store,
		"SELECT DISTINCT peer_id FROM session WHERE pid = ? AND start_time = ? AND boot_id = ?"
		" AND ended_at IS NULL",
		"iis", l->pid, l->start_time, m->boot_id);
	while (query_next(&q))
		transport_detach(m->store, query_text(&q, 0), transport_find("codex-link"), "it is lost");
}

static void record_news(struct sim *m, const struct link *l, const json_t *news)
{
	const char *kind = json_str(news, "kind"), *key = json_str(news, "key");
	if (strcmp(kind, "session") == 0)
		record_session(m, l->proc, key, json_str(news, "path"), (int)json_int(news, "turn", 0),
			       "codex", true);
	else if (strcmp(kind, "gone") == 0)
		(void)peer_session_gone(m->store, (pid_t)l->pid, (uint64_t)l->start_time, key);
	else if (strcmp(kind, "turn") == 0)
		record_turn(m, l, news);
	else if (strcmp(kind, "lost") == 0)
		record_lost(m, l);
	else
		record_sent(m, l, news);
}

void links_record(struct sim *m)
{
	size_t k;
	const json_t *one;
	json_array_foreach(m->lost_ways, k, one) if (!held_by_another(m, one))
		transport_detach(m->store, json_str(one, "peer"), transport_find(json_str(one, "transport")),
				 "its connection ended");
	for (size_t i = 0; i < m->n_links; i++)
		json_array_foreach(m->links[i].news, k, one) record_news(m, &m->links[i], one);
	json_array_foreach(m->records, k, one)
	{
		const struct session *s = &m->sessions[json_integer_value(one)];
		if (session_lives(m, s))
			record_session(m, s->proc, s->key, s->path, turn_of(s), s->backend, false);
	}
	flow_react(&m->core);
}

static void take_for(struct sim *m, const char *peer_id)
{
	const struct transport_kind *kind = transport_find("codex-link");
	autoquery q =
		db_query(m->store,
			 "SELECT pid, start_time, key FROM session WHERE peer_id = ? AND ended_at IS NULL"
			 " AND key IS NOT NULL ORDER BY session_id DESC LIMIT 1",
			 "s", peer_id);
	struct link *l = query_next(&q) ? link_of(m, query_int(&q, 0), query_int(&q, 1)) : NULL;
	if (!l || !transport_attached(m->store, peer_id, kind))
		return;
	json_auto_t *messages = deliver_take(m->store, peer_id, kind, TAKE_MAX);
	size_t i;
	json_t *letter;
	json_array_foreach(messages, i, letter)
	{
		json_set_str(letter, "key", query_text(&q, 2));
		json_set_str(letter, "peer", peer_id);
		json_array_append(l->out, letter);
	}
}

void links_take(struct sim *m)
{
	size_t n = 0;
	if (!m->n_links)
		return;
	const char *const *topics = store_wakes(m->store, &n);
	json_auto_t *peers = json_object();
	for (size_t i = 0; i < n; i++)
		if (id_is(topics[i], "peer"))
			json_object_set_new(peers, topics[i], json_true());
	const char *peer_id;
	json_t *unused;
	json_object_foreach(peers, peer_id, unused) take_for(m, peer_id);
}

static void link_free(struct sim *m, size_t i)
{
	json_decref(m->links[i].news);
	json_decref(m->links[i].out);
	json_decref(m->links[i].flying);
	m->links[i] = m->links[--m->n_links];
}

static void hand_over(struct sim *m, struct link *l, json_t *letter)
{
	read_handed(m, json_str(letter, "peer"), json_str(letter, "id"));
	if (!l->lost) {
		json_array_append(l->flying, letter);
		return;
	}
	json_t *news =
		json_pack("{s:s, s:O, s:O, s:s}", "kind", "sent", "key", json_object_get(letter, "key"), "id",
			  json_object_get(letter, "id"), "why", "the link is closed");
	json_array_append_new(l->news, news);
}

void links_committed(struct sim *m)
{
	json_array_clear(m->lost_ways);
	json_array_clear(m->records);
	for (size_t i = m->n_links; i > 0; i--) {
		struct link *l = &m->links[i - 1];
		size_t k;
		json_t *letter;
		json_array_clear(l->news);
		json_array_foreach(l->out, k, letter) hand_over(m, l, letter);
		json_array_clear(l->out);
		if (l->lost && !json_array_size(l->news))
			link_free(m, i - 1);
	}
}

void links_dropped(struct sim *m)
{
	for (size_t i = 0; i < m->n_links; i++)
		json_array_clear(m->links[i].out);
}

/* --- the other end --- */

static void arrive(struct sim *m, struct link *l, const json_t *letter)
{
	struct session *s = session_by_key(m, l->pid, json_str(letter, "key"));
	bool taken = s && (m->peace || !rng_chance(&m->rng, 12));
	sim_say(m, "the host %s %s", taken ? "takes" : "refuses", json_str(letter, "id"));
	if (taken)
		json_array_append(s->next, json_object_get(letter, "text"));
	json_t *news = json_pack("{s:s, s:O, s:O}", "kind", "sent", "key", json_object_get(letter, "key"),
				 "id", json_object_get(letter, "id"));
	json_set_str(news, "why", taken ? NULL : "it would not");
	json_array_append_new(l->news, news);
}

static void lose(struct sim *m, struct link *l)
{
	sim_say(m, "the link to %lld is lost", (long long)l->pid);
	l->lost = true;
	some_are_read(m, l);
	json_array_clear(l->flying);
	json_array_append_new(l->news, json_pack("{s:s, s:s}", "kind", "lost", "key", ""));
}

bool link_step(struct sim *m)
{
	bool moved = false;
	for (size_t i = 0; i < m->n_links; i++) {
		struct link *l = &m->links[i];
		if (l->lost)
			continue;
		moved = moved || json_array_size(l->flying);
		if (!m->world.procs[l->proc].alive || (!m->peace && rng_chance(&m->rng, 2))) {
			lose(m, l);
			moved = true;
		} else if (json_array_size(l->flying)) {
			json_auto_t *letter = json_incref(json_array_get(l->flying, 0));
			json_array_remove(l->flying, 0);
			arrive(m, l, letter);
		}
	}
	return moved;
}

/* The rules of what models read (D1, D2, D4, D8, A3, A6, I3). What a model has read is the truth; the rows
 * are held against it. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "mesh/transport.h"
#include "session.h"

enum { RECALLED_MAX = 5 };

/* Whether a way said that it did not arrive: with the words of session.c and link.c, or none. */
static bool is_known(const char *reason)
{
	return !*reason || strcmp(reason, "it would not") == 0 || strcmp(reason, "the link is closed") == 0;
}

/* Walks a message's trace: the ladder's order, and one way at a time (D1, D4). How many of its showings may
 * have arrived goes to `ret_maybe`: all but those that are known not to. */
static void walk_trace(struct sim *m, const char *id, int *ret_maybe)
{
	char way[32] = "";	 /* that has it under way */
	int maybe = 0, most = 0; /* a return may tell of a showing before the last */
	autoquery q = db_query(
		m->store,
		"SELECT step, coalesce(transport, ''), coalesce(reason, '') FROM delivery WHERE message_id"
		" = ? ORDER BY n",
		"s", id);
	json_auto_t *offered = json_object();
	while (query_next(&q) && !m->broken) {
		const char *step = query_text(&q, 0), *by = query_text(&q, 1);
		const struct transport_kind *kind = transport_find(by);
		bool pushes = kind && (kind->flags & TRANSPORT_PUSHES);
		bool gives = strcmp(step, "offered") == 0 || strcmp(step, "submitted") == 0;
		const struct transport_kind *had = transport_find(way);
		bool had_pushed = had && (had->flags & TRANSPORT_PUSHES);
		if (gives && way[0] && strcmp(way, by) != 0 && (pushes || had_pushed))
			sim_break(m, RULE_D4, "%s was %s by %s while %s had it under way", id, step, by, way);
		if (strcmp(step, "submitted") == 0 && pushes && !json_object_get(offered, by))
			sim_break(m, RULE_D1, "%s was submitted by %s before it was offered", id, by);
		if (strcmp(step, "offered") == 0)
			json_object_set_new(offered, by, json_true());
		if (gives && (!way[0] || (!pushes && !had_pushed && strcmp(step, "submitted") == 0)))
			maybe++;
		most = maybe > most ? maybe : most;
		if (gives)
			(void)snprintf(way, sizeof(way), "%s", by);
		if (strcmp(step, "returned") == 0 && is_known(query_text(&q, 2)))
			maybe--;
		if (strcmp(step, "returned") == 0 || strcmp(step, "stored") == 0 || strcmp(step, "dead") == 0)
			way[0] = '\0';
	}
	*ret_maybe = most;
}

static int64_t times_read(const struct sim *m, const char *id)
{
	return json_int(m->seen, id, 0);
}

/* D8 */
static void check_first(struct sim *m, const char *peer, const char *id)
{
	char own[ID_SIZE];
	autoquery q =
		db_query(m->store,
			 "SELECT message.id FROM spawn JOIN message ON message.id = spawn.message_id WHERE"
			 " spawn.peer_id = ? AND spawn.ended_at IS NULL AND dead_at IS NULL",
			 "s", peer);
	if (!query_next(&q))
		return;
	(void)snprintf(own, sizeof(own), "%s", query_text(&q, 0));
	if (strcmp(own, id) != 0 && !times_read(m, own))
		sim_break(m, RULE_D8, "%s was handed to %s before its first prompt %s was read", id, peer,
			  own);
}

void read_handed(struct sim *m, const char *peer, const char *id)
{
	int maybe;
	check_first(m, peer, id);
	walk_trace(m, id, &maybe);
}

static void read_one(struct sim *m, const struct session *s, const char *id, bool repeat)
{
	int64_t before = times_read(m, id);
	int maybe = 0;
	autofree char *first = xasprintf("first %s", id);
	autofree char *to = db_text(m->store, "SELECT to_peer FROM message WHERE id = ?", "s", id);
	sim_say(m, "  session %d reads %s%s", (int)(s - m->sessions), id, repeat ? " again" : "");
	/* What the runtime's own queue has for a thread is read by whoever resumes it, though that is another
	 * peer since the one before was taken out of the mesh. */
	bool own = to && (!s->peer[0] || strcmp(to, s->peer) == 0 ||
			  db_int(m->store, 0, "SELECT 1 FROM session WHERE peer_id = ? AND key = ? LIMIT 1",
				 "ss", to, s->key));
	if (!own)
		sim_break(m, RULE_I3, "session %s of %s read %s, which is for %s", s->key, s->peer, id,
			  to ? to : "nobody");
	/* Of two that are under way at once the repeat may come first. */
	if (!repeat && json_int(m->seen, first, 0))
		sim_break(m, RULE_D2_REPEAT, "%s was read again, and does not say that it is a repeat", id);
	if (!repeat)
		json_object_set_new(m->seen, first, json_integer(1));
	walk_trace(m, id, &maybe);
	if (!before && repeat && maybe < 2)
		sim_break(m, RULE_D2_REPEAT, "%s says that it is a repeat, and had never arrived", id);
	json_object_set_new(m->seen, id, json_integer(before + 1));
	if (to)
		check_first(m, to, id);
}

void read_text(struct sim *m, const struct session *s, const char *text)
{
	static const char begin[] = "<coppice-message id=\"";
	for (const char *at = text; (at = strstr(at, begin));) {
		char id[ID_SIZE];
		at += sizeof(begin) - 1;
		const char *end = strchr(at, '>'), *repeat = strstr(at, " repeat=\"true\"");
		(void)snprintf(id, sizeof(id), "%.*s", (int)strcspn(at, "\""), at);
		read_one(m, s, id, repeat && end && repeat < end);
	}
}

void read_consumed(struct sim *m, const struct event *e)
{
	const char *by = json_str(e->data, "transport"), *to = json_str(e->data, "to");
	int maybe;
	walk_trace(m, e->subject, &maybe);
	/* Its recipient has closed it, looked at its outcome, or read it with a command. */
	if (by && (strcmp(by, "ack") == 0 || strcmp(by, "wait") == 0 || strcmp(by, "inbox") == 0))
		return;
	if (!times_read(m, e->subject))
		sim_break(m, RULE_D1, "%s is consumed by %s, and the model of %s has never read it",
			  e->subject, by ? by : "nothing", to);
}

void read_submitted(struct sim *m, const struct event *e)
{
	int maybe;
	walk_trace(m, e->subject, &maybe);
}

void read_asked(struct sim *m, struct session *s)
{
	json_decref(s->recalled);
	s->recalled = json_array();
	autoquery q =
		db_query(m->store,
			 "SELECT q.id FROM question AS q JOIN message AS m ON m.id = q.id WHERE q.to_peer = ?"
			 " AND q.state = 'open' AND m.step = 'consumed'",
			 "s", s->peer);
	while (query_next(&q))
		json_array_append_new(s->recalled, json_string(query_text(&q, 0)));
}

/* I3, A3 */
void read_hook(struct sim *m, struct session *s, const json_t *answer)
{
	const struct proc *p = &m->world.procs[s->proc];
	const char *context = json_str(answer, "context"), *carry_on = json_str(answer, "carry_on");
	autofree char *peer = db_text(
		m->store,
		"SELECT peer_id FROM session WHERE pid = ? AND start_time = ? AND boot_id = ? AND kind ="
		" 'agent' AND (hosted = 0 OR key = ?) ORDER BY session_id DESC LIMIT 1",
		"iiss", p->pid, p->start_time, m->boot_id, s->key);
	if (!peer) {
		sim_break(m, RULE_I3, "session %s was answered, and is no peer", s->key);
		return;
	}
	if (s->peer[0] && strcmp(s->peer, peer) != 0 && !s->hosts)
		sim_break(m, RULE_I3, "session %s was %s and is %s", s->key, s->peer, peer);
	for (size_t i = 0; i < m->n_sessions; i++) {
		const struct session *o = &m->sessions[i];
		if (o != s && session_lives(m, o) && strcmp(o->peer, peer) == 0)
			sim_break(m, RULE_I3, "the sessions %s and %s are both %s", s->key, o->key, peer);
	}
	(void)snprintf(s->peer, sizeof(s->peer), "%s", peer);
	if (s->event == AGENT_TURN_END && s->continued && carry_on && !strstr(carry_on, "<coppice-message"))
		sim_break(m, RULE_A3, "the turn of %s is kept going twice, by no message: %s", peer,
			  carry_on);
	if (s->event != AGENT_PROMPT || (context && strstr(context, " more")))
		return;
	size_t i;
	const json_t *id;
	json_array_foreach(
		s->recalled, i,
		id) if ((!context || !strstr(context, json_string_value(id))) &&
			db_int(m->store, 0,
			       "SELECT 1 FROM question WHERE id = ? AND state = 'open' AND to_peer = ?", "ss",
			       json_string_value(id), peer))
		sim_break(m, RULE_A3, "%s is open, and %s was not told of it with its prompt",
			  json_string_value(id), peer);
}

/* A6 */
void read_asked_many(struct sim *m, const struct request *r, const json_t *answer)
{
	size_t i, asked = 0;
	const json_t *one;
	json_array_foreach(json_object_get(answer, "asks"), i, one)
	{
		const char *id = json_str(one, "correlation_id");
		asked += id != NULL;
		if (id &&
		    !db_int(m->store, 0, "SELECT 1 FROM question WHERE id = ? AND parent = ? AND text = ?",
			    "sss", id, json_str(answer, "parent_id"), json_str(r->params, "query")))
			sim_break(m, RULE_A6, "%s was asked, and is not stored", id);
	}
	if (asked != (size_t)db_int(m->store, 0, "SELECT count(*) FROM question WHERE parent = ?", "s",
				    json_str(answer, "parent_id")))
		sim_break(m, RULE_A6, "%s has other asks than were answered", json_str(answer, "parent_id"));
	json_object_set_new(m->seen, json_str(answer, "parent_id"),
			    json_integer((json_int_t)json_array_size(json_object_get(answer, "asks"))));
}

void read_many_result(struct sim *m, const json_t *answer)
{
	json_int_t known = times_read(m, json_str(answer, "parent_id"));
	if (known && known != (json_int_t)json_array_size(json_object_get(answer, "asks")))
		sim_break(m, RULE_A6, "%s has lost a child", json_str(answer, "parent_id"));
}

/* Now and then: what has been asked of many is all there. */
void read_check(struct sim *m)
{
	const char *id;
	json_t *n;
	json_object_foreach(m->seen, id,
			    n) if (id_is(id, "many") &&
				   !db_int(m->store, 0, "SELECT 1 FROM question_parent WHERE parent_id = ?",
					   "s", id)) sim_break(m, RULE_A6, "%s is lost", id);
}

/* How it came to where it is, for whoever reads the trace. */
static void say_trace(struct sim *m, const char *id)
{
	autoquery q = db_query(m->store,
			       "SELECT step, at, coalesce(transport, ''), coalesce(reason, '') FROM delivery "
			       "WHERE message_id"
			       " = ? ORDER BY n",
			       "s", id);
	while (query_next(&q))
		sim_say(m, "  %s %s at %lld by %s: %s", id, query_text(&q, 0), (long long)query_int(&q, 1),
			query_text(&q, 2), query_text(&q, 3));
}

/* Everything for a session that is there has been read. */
void read_peace(struct sim *m)
{
	for (size_t i = 0; i < m->n_sessions && !m->broken; i++) {
		const struct session *s = &m->sessions[i];
		if (!session_lives(m, s) || !s->peer[0])
			continue;
		autoquery q = db_query(
			m->store,
			"SELECT message.id, step, transport, turn_state, hooked FROM message JOIN peer ON"
			" peer_id = to_peer WHERE to_peer = ? AND peer.status = 'online' AND dead_at IS NULL"
			" AND step IN ('stored','offered','submitted') LIMIT 1",
			"s", s->peer);
		if (!query_next(&q))
			continue;
		say_trace(m, query_text(&q, 0));
		sim_break(m, RULE_ENDS, "%s is %s and never comes to session %zu (%s, %s, %s, hooked %lld)",
			  query_text(&q, 0), query_text(&q, 1), i, s->backend, query_text(&q, 2),
			  query_text(&q, 3), (long long)query_int(&q, 4));
	}
}

/* Messages and their ladder; see message.h.
 *
 * message.step is the height that was reached, the delivery rows are how: one row for each fact, numbered
 * within its message. The ladder is one table of from × to; all that moves a message goes through climb(). */
#include "mesh/message.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "mesh/message_internal.h"
#include "mesh/queue.h"
#include "mesh/route.h"
#include "mesh/transport.h"
#include "store/event.h"

static const char *const kinds[MESSAGE_KIND_MAX_] = {
	[MESSAGE_ASK] = "ask",	     [MESSAGE_NOTIFY] = "notify", [MESSAGE_REPLY] = "reply",
	[MESSAGE_SYSTEM] = "system", [MESSAGE_PROMPT] = "prompt",
};

static const char *const steps[STEP_MAX_] = {
	[STEP_STORED] = "stored",     [STEP_OFFERED] = "offered", [STEP_SUBMITTED] = "submitted",
	[STEP_CONSUMED] = "consumed", [STEP_ACKED] = "acked",	  [STEP_ANSWERED] = "answered",
};

enum climb {
	REFUSE = 0,
	MOVE,  /* record it and be there */
	AGAIN, /* record another try of the step that it is on */
	QUIET, /* known already: nothing changes */
};

/* From (row) to (column). Back to stored is message_return's. */
static const enum climb ladder[STEP_MAX_][STEP_MAX_] = {
	[STEP_STORED] = {[STEP_OFFERED] = MOVE,
			 [STEP_SUBMITTED] = MOVE,
			 [STEP_CONSUMED] = MOVE,
			 [STEP_ACKED] = MOVE,
			 [STEP_ANSWERED] = MOVE},
	[STEP_OFFERED] = {[STEP_STORED] = MOVE,
			  [STEP_OFFERED] = AGAIN,
			  [STEP_SUBMITTED] = MOVE,
			  [STEP_CONSUMED] = MOVE,
			  [STEP_ACKED] = MOVE,
			  [STEP_ANSWERED] = MOVE},
	[STEP_SUBMITTED] = {[STEP_STORED] = MOVE,
			    [STEP_SUBMITTED] = AGAIN,
			    [STEP_CONSUMED] = MOVE,
			    [STEP_ACKED] = MOVE,
			    [STEP_ANSWERED] = MOVE},
	[STEP_CONSUMED] = {[STEP_CONSUMED] = QUIET, [STEP_ACKED] = MOVE, [STEP_ANSWERED] = MOVE},
	[STEP_ACKED] = {[STEP_CONSUMED] = QUIET},
	[STEP_ANSWERED] = {[STEP_CONSUMED] = QUIET},
};

const char *message_kind_name(enum message_kind kind)
{
	assert(kind >= 0 && kind < MESSAGE_KIND_MAX_);
	return kinds[kind];
}

const char *message_step_name(enum message_step step)
{
	assert(step >= 0 && step < STEP_MAX_);
	return steps[step];
}

static enum message_step step_of(const char *name)
{
	for (int i = 0; i < STEP_MAX_; i++)
		if (strcmp(steps[i], name) == 0)
			return (enum message_step)i;
	assert(!"a step outside of the ladder");
	return STEP_STORED;
}

bool message_pulls(const char *transport)
{
	const struct transport_kind *kind = transport_find(transport);
	return kind && (kind->flags & TRANSPORT_PULLS);
}

int message_text_check(const char *text, size_t len, struct error *err)
{
	if (len == 0)
		return error_set(err, ERR_INVALID, "the text is empty");
	if (len > MESSAGE_TEXT_MAX)
		return error_hint(err,
				  error_set(err, ERR_TOO_LARGE,
					    "the text has %zu bytes; at most %d are carried", len,
					    MESSAGE_TEXT_MAX),
				  "put it into a file of the worktree and name the file");
	if (memchr(text, '\0', len))
		return error_set(err, ERR_INVALID, "the text contains a NUL byte");
	if (!utf8_valid(text, len))
		return error_set(err, ERR_INVALID, "the text is not valid UTF-8");
	return 0;
}

int message_not_found(const char *id, struct error *err)
{
	autostrbuf shown = STRBUF_INIT(256);
	text_escape(id, strnlen(id, 60), false, &shown);
	return error_hint(err, error_set(err, ERR_NOT_FOUND, "there is no message %s", strbuf_str(&shown)),
			  "ids look like ask-… and msg-…");
}

void message_record(struct store *s, const char *id, const char *step, const char *transport,
		    const char *reason)
{
	(void)db_run(
		s,
		"INSERT INTO delivery (message_id, n, step, at, transport, reason)"
		" SELECT ?1, coalesce(max(n), 0) + 1, ?2, ?3, ?4, ?5 FROM delivery WHERE message_id = ?1",
		"ssiss", id, step, store_now(s), transport, reason);
}

static void insert(struct store *s, const struct message_new *m, const char *id)
{
	const struct verdict *v = m->verdict;
	bool held = v && v->held;
	(void)db_run(
		s,
		"INSERT INTO message (id, kind, from_peer, from_kind, from_name, to_peer, text, about,"
		" step, at, hops, circle, nth, held, dead_reason, quiet, dead_at) VALUES "
		"(?1,?2,?3,?4,?5,?6,?7,"
		"?8,'stored',?9,?10,?11,CASE WHEN ?11 IS NOT NULL AND ?12 IS NULL THEN ?15 END,?12,?13,?14,"
		"CASE WHEN ?12 IS NOT NULL THEN ?9 END)",
		"ssssssssiisssii", id, message_kind_name(m->kind),
		m->from && m->from->peer_id[0] ? m->from->peer_id : NULL,
		m->from ? caller_kind_name(m->from->kind) : "system", m->from ? m->from->name : "coppice",
		m->to, m->text, m->about, store_now(s), v ? v->hops : governor_hops(s, m->from, m->about),
		v && v->circle[0] ? v->circle : NULL, held ? hold_name(v->held) : NULL,
		held ? v->reason : NULL,
		(int64_t)(m->flags & MESSAGE_RECEIPT ? 1
			  : m->flags & MESSAGE_FYI   ? 2
						     : 0),
		v ? v->nth : 0);
}

int message_store(struct store *s, const struct mesh_limits *limits, const struct message_new *m,
		  char ret_id[ID_SIZE], struct error *err)
{
	char id[ID_SIZE];
	bool held = m->verdict && m->verdict->held;
	int r = held ? 0 : queue_admit(s, limits, m->to, m->kind, err);
	if (r)
		return r;
	if (m->id)
		(void)snprintf(id, sizeof(id), "%s", m->id);
	else
		store_new_id(s, "msg", id);
	insert(s, m, id);
	message_record(s, id, "stored", NULL,
		       m->flags & MESSAGE_RECEIPT ? "a receipt comes along with a turn, and opens none"
						  : m->why);
	memcpy(ret_id, id, ID_SIZE);
	if (held) {
		governor_hold(s, limits, id, m->from, m->to, m->verdict);
		return 0;
	}
	queue_arm(s, limits, m->to);
	json_t *data = json_object();
	json_set_str(data, "id", id);
	json_set_str(data, "kind", message_kind_name(m->kind));
	json_set_str(data, "from", m->from && m->from->peer_id[0] ? m->from->peer_id : NULL);
	json_set_str(data, "to", m->to);
	json_set_str(data, "about", m->about);
	event_emit(s, "message.stored", m->to, NULL, data);
	return 0;
}

static const char quiet_reason[] =
	"its recipient is marked quiet: it comes along with a turn, and opens none";

int message_notify(struct store *s, const struct mesh_limits *limits, const struct caller *from,
		   const char *to, const char *text, json_t **ret, struct error *err)
{
	char id[ID_SIZE];
	struct peer_ref peer;
	int r = message_text_check(text, strlen(text), err);
	if (r)
		return r;
	if (!peer_find(s, to, &peer))
		return error_set(err, ERR_NOT_FOUND, "there is no such recipient");
	r = peer_takes_input(s, &peer, limits->queue_age, err);
	if (r)
		return r;
	struct verdict verdict;
	struct message_new m = {.kind = MESSAGE_NOTIFY,
				.from = from,
				.to = to,
				.text = text,
				.verdict = &verdict,
				.flags = MESSAGE_FYI,
				.why = peer.quiet ? quiet_reason : NULL};
	r = governor_weigh(s, limits, from, &peer, NULL, &verdict, err);
	if (!r)
		r = message_store(s, limits, &m, id, err);
	if (r)
		return r;
	*ret = json_pack("{s:s, s:s, s:s}", "message_id", id, "to", to, "step", "stored");
	governor_tell_sender(&verdict, *ret);
	return 0;
}

/* The live peers of a circle but the sender: an array of peer_ids. */
static json_t *audience(struct store *s, const struct caller *from, const char *circle)
{
	json_t *ids = json_array();
	autoquery q = db_query(s,
			       "SELECT peer_id FROM peer WHERE live = 1 AND circle = ? AND peer_id <> ?"
			       " AND role NOT IN ('human', 'service') ORDER BY created_at, rowid",
			       "ss", circle, from->peer_id);
	while (query_next(&q))
		json_array_append_new(ids, json_string(query_text(&q, 0)));
	return ids;
}

int message_broadcast(struct store *s, const struct mesh_limits *limits, const struct caller *from,
		      const char *circle, const char *text, json_t **ret, struct error *err)
{
	const char *scope = circle ? circle : from->circle;
	int r = message_text_check(text, strlen(text), err);
	if (!r)
		r = circle_name_check(scope, err);
	if (!r)
		r = route_may_cross(limits, from, scope, err);
	if (r)
		return r;
	json_auto_t *ids = audience(s, from, scope);
	json_t *sent = json_array(), *refused = json_array();
	size_t i;
	json_t *id;
	json_array_foreach(ids, i, id)
	{
		json_t *one = NULL;
		autoerror why = {0};
		const char *to = json_string_value(id);
		r = message_notify(s, limits, from, to, text, &one, &why);
		if (r)
			json_array_append_new(refused, json_pack("{s:s, s:s, s:s}", "to", to, "code",
								 error_kind((enum error_code)r)->name,
								 "message", why.message));
		else
			json_array_append_new(sent, one);
	}
	*ret = json_pack("{s:o, s:o}", "messages", sent, "refused", refused);
	return 0;
}

/* What climb() needs of a message. */
struct rung {
	int64_t seq;
	enum message_step step;
	char from_peer[ID_SIZE]; /* "" for none */
	char from_kind[16];
	char to_peer[ID_SIZE];
	char kind[16];
	bool dead;
	int64_t hops;
	char transport[32]; /* of the last fact, "" for none */
};

static bool rung_find(struct store *s, const char *id, struct rung *ret)
{
	autoquery q = db_query(s,
			       "SELECT seq, step, coalesce(from_peer, ''), from_kind, to_peer, kind,"
			       " dead_at IS NOT NULL, coalesce((SELECT transport FROM delivery"
			       " WHERE message_id = id ORDER BY n DESC LIMIT 1), ''), hops"
			       " FROM message WHERE id = ?",
			       "s", id);
	if (!query_next(&q))
		return false;
	*ret = (struct rung){.seq = query_int(&q, 0),
			     .step = step_of(query_text(&q, 1)),
			     .dead = query_int(&q, 6) != 0,
			     .hops = query_int(&q, 8)};
	(void)snprintf(ret->from_peer, sizeof(ret->from_peer), "%s", query_text(&q, 2));
	(void)snprintf(ret->from_kind, sizeof(ret->from_kind), "%s", query_text(&q, 3));
	(void)snprintf(ret->to_peer, sizeof(ret->to_peer), "%s", query_text(&q, 4));
	(void)snprintf(ret->kind, sizeof(ret->kind), "%s", query_text(&q, 5));
	(void)snprintf(ret->transport, sizeof(ret->transport), "%s", query_text(&q, 7));
	return true;
}

/* D3: whether an earlier message of the same sender and recipient has not come as far as `to`. What was
 * handed over behind one that came back since is on its way all the same. */
static bool overtakes(struct store *s, const struct rung *m, enum message_step to)
{
	if (to != STEP_OFFERED && to != STEP_SUBMITTED)
		return false;
	return db_int(s, 0,
		      "SELECT 1 FROM message WHERE to_peer = ?1 AND seq < ?2 AND " MESSAGE_WAITING
		      " AND coalesce(from_peer, '') = ?3 AND from_kind = ?4"
		      " AND (step = 'stored' OR (?5 AND step = 'offered'))"
		      " AND NOT (?6 AND EXISTS (SELECT 1 FROM delivery WHERE message_id = message.id"
		      " AND delivery.step = 'returned')) LIMIT 1",
		      "sissii", m->to_peer, m->seq, m->from_peer, m->from_kind,
		      (int64_t)(to == STEP_SUBMITTED), (int64_t)(m->step == STEP_OFFERED)) != 0;
}

/* D4: whether another transport than `transport` has the message under way. What one knows of it that was
 * taken for lost long since says nothing of where it is now. */
static bool switches(const struct rung *m, enum message_step to, bool known, const char *transport)
{
	bool under_way = m->step == STEP_OFFERED || m->step == STEP_SUBMITTED;
	if (under_way && to == STEP_STORED && known)
		return strcmp(m->transport, transport ? transport : "") != 0;
	if (!under_way || (to != STEP_OFFERED && to != STEP_SUBMITTED))
		return false;
	if (message_pulls(m->transport))
		return !message_pulls(transport);
	return strcmp(m->transport, transport ? transport : "") != 0;
}

static void tell_step(struct store *s, const char *event, const char *id, const struct rung *m,
		      const char *transport)
{
	json_t *data = json_object();
	json_set_str(data, "id", id);
	json_set_str(data, "kind", m->kind);
	json_set_str(data, "to", m->to_peer);
	json_set_str(data, "transport", transport);
	event_emit(s, event, id, NULL, data);
}

/* How this step changes the number of times that it was, or may have been, shown. */
static int64_t showings(const struct rung *m, enum message_step to, bool known)
{
	if (to == STEP_OFFERED)
		return m->step == STEP_STORED;
	if (to == STEP_SUBMITTED)
		return m->step != STEP_OFFERED;
	return to == STEP_STORED && known ? -1 : 0;
}

/* `known`: of a return, that the message did not arrive; else its outcome is unknown. */
static int climb(struct store *s, const char *id, enum message_step to, const char *transport,
		 const char *reason, bool known, struct error *err)
{
	struct rung m;
	if (!rung_find(s, id, &m))
		return message_not_found(id, err);
	enum climb how = ladder[m.step][to];
	if (how == QUIET)
		return 0;
	if (how == REFUSE || (m.dead && to != STEP_CONSUMED))
		return error_set(err, ERR_CONFLICT, "message %s is %s and cannot be %s", id,
				 m.dead ? "dead" : steps[m.step], steps[to]);
	if (switches(&m, to, known, transport))
		return error_set(err, ERR_CONFLICT, "%s has message %s under way", m.transport, id);
	if (overtakes(s, &m, to))
		return error_set(err, ERR_CONFLICT, "an earlier message of the same sender waits before %s",
				 id);
	message_record(s, id, to == STEP_STORED ? "returned" : steps[to], transport, reason);
	/* The proof of consumption outweighs the guess that it was lost. */
	(void)db_run(
		s,
		"UPDATE message SET step = ?1, shown = max(shown + ?2, 0), dead_at = NULL, dead_reason = NULL"
		" WHERE id = ?3",
		"sis", steps[to], showings(&m, to, known), id);
	/* What a wait takes goes on with the turn that asked, and sets nobody off. */
	if ((to == STEP_SUBMITTED || to == STEP_CONSUMED) && (!transport || strcmp(transport, "wait") != 0))
		governor_read(s, m.to_peer, m.hops);
	if (to == STEP_CONSUMED)
		tell_step(s, "message.consumed", id, &m, transport);
	else if (to == STEP_SUBMITTED && !message_pulls(transport))
		tell_step(s, "message.submitted", id, &m, transport);
	return 0;
}

int message_offer(struct store *s, const char *id, const char *transport, const char *reason,
		  struct error *err)
{
	return climb(s, id, STEP_OFFERED, transport, reason, true, err);
}

int message_submit(struct store *s, const char *id, const char *transport, const char *reason,
		   struct error *err)
{
	return climb(s, id, STEP_SUBMITTED, transport, reason, true, err);
}

int message_consume(struct store *s, const char *id, const char *transport, const char *reason,
		    struct error *err)
{
	return climb(s, id, STEP_CONSUMED, transport, reason, true, err);
}

static int back_to_stored(struct store *s, const char *id, const char *transport, const char *reason,
			  bool known, struct error *err)
{
	int r = climb(s, id, STEP_STORED, transport, reason, known, err);
	struct rung m;
	if (!r && rung_find(s, id, &m))
		event_emit(s, "message.waits", m.to_peer, NULL, json_pack("{s:s}", "id", id));
	return r;
}

int message_return(struct store *s, const char *id, const char *transport, const char *reason,
		   struct error *err)
{
	return back_to_stored(s, id, transport, reason, true, err);
}

int message_lost(struct store *s, const char *id, const char *transport, const char *reason,
		 struct error *err)
{
	return back_to_stored(s, id, transport, reason, false, err);
}

void message_took(struct store *s, const char *id, const char *transport)
{
	int r = climb(s, id, STEP_CONSUMED, transport, NULL, true, NULL);
	(void)r; /* what waits can be consumed */
}

void message_close(struct store *s, const char *id, enum message_step step, bool seen, const char *reason)
{
	assert(step == STEP_ACKED || step == STEP_ANSWERED);
	if (seen)
		message_took(s, id, "ack");
	int r = climb(s, id, step, NULL, reason, true, NULL);
	(void)r; /* a dead letter stays one */
}

int64_t message_waiting(struct store *s, const char *peer_id)
{
	if (!peer_id)
		return db_int(s, 0, "SELECT count(*) FROM message WHERE " MESSAGE_WAITING, "");
	return db_int(s, 0, "SELECT count(*) FROM message WHERE to_peer = ? AND " MESSAGE_WAITING, "s",
		      peer_id);
}

json_t *message_to_json(struct store *s, const char *id)
{
	static const char *const keys[] = {"id",   "kind",	"from",	     "to",    "text",
					   "step", "from_kind", "from_name", "about", "outcome"};
	autoquery q =
		db_query(s,
			 "SELECT m.id, m.kind, m.from_peer, m.to_peer, m.text, m.step, m.from_kind,"
			 " m.from_name, m.about, CASE WHEN m.kind = 'reply' THEN a.state END, m.at, m.shown"
			 " FROM message m LEFT JOIN question a ON a.id = m.about WHERE m.id = ?",
			 "s", id);
	if (!query_next(&q))
		return NULL;
	json_t *json = json_object();
	for (int i = 0; i < (int)ARRAY_SIZE(keys); i++)
		json_set_str(json, keys[i], query_text(&q, i));
	json_set_time(json, "at", query_int(&q, 10));
	json_object_set_new(json, "repeat", json_boolean(query_int(&q, 11) > 0));
	return json;
}

void message_note_quiet(struct store *s, const char *peer_id)
{
	json_auto_t *ids = json_array();
	autoquery q = db_query(s,
			       "SELECT id FROM message WHERE to_peer = ? AND step = 'stored' AND quiet = 2"
			       " AND " MESSAGE_WAITING,
			       "s", peer_id);
	while (query_next(&q))
		json_array_append_new(ids, json_string(query_text(&q, 0)));
	query_release(&q);
	size_t i;
	const json_t *id;
	json_array_foreach(ids, i, id) message_record(s, json_string_value(id), "stored", NULL, quiet_reason);
}

void message_note_wake(struct store *s, const char *peer_id, const char *outcome)
{
	json_auto_t *ids = json_array();
	autoquery q = db_query(
		s, "SELECT id FROM message WHERE to_peer = ? AND step = 'stored' AND " MESSAGE_WAITING, "s",
		peer_id);
	while (query_next(&q))
		json_array_append_new(ids, json_string(query_text(&q, 0)));
	query_release(&q);
	size_t i;
	const json_t *id;
	json_array_foreach(ids, i, id) message_record(s, json_string_value(id), "woken", "terminal", outcome);
}

int message_trace(struct store *s, const char *id, json_t **ret, struct error *err)
{
	static const char *const keys[] = {"id", "kind", "from", "to"};
	json_t *message = message_to_json(s, id);
	if (!message)
		return message_not_found(id, err);
	json_t *trace = json_object(), *list = json_array();
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		json_object_set(trace, keys[i], json_object_get(message, keys[i]));
	json_decref(message);
	autoquery q = db_query(
		s, "SELECT step, at, transport, reason FROM delivery WHERE message_id = ? ORDER BY n", "s",
		id);
	while (query_next(&q)) {
		json_t *step = json_object();
		json_set_str(step, "step", query_text(&q, 0));
		json_set_time(step, "at", query_int(&q, 1));
		json_set_str(step, "transport", query_text(&q, 2));
		json_set_str(step, "reason", query_text(&q, 3));
		json_array_append_new(list, step);
	}
	json_object_set_new(trace, "steps", list);
	*ret = trace;
	return 0;
}

/* Asks; see ask.h.
 *
 * Whatever ends an ask goes through finish(), whose UPDATE … WHERE state = 'open' is what makes it end
 * exactly once: of two endings in one turn, or in two, the second changes no row and hears how the first one
 * ended it. */
#include "mesh/ask.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "mesh/inbox.h"
#include "mesh/message_internal.h"
#include "mesh/queue.h"
#include "mesh/route.h"
#include "store/event.h"
#include "store/timer.h"

static const char timer_kind[] = "ask.expire";

struct end_kind {
	const char *state;
	bool by_people; /* somebody ends it; otherwise nobody did */
	bool has_reply; /* the text is the asker's reply; otherwise it is the reason */
	bool closes;	/* its message climbs to `step`; otherwise it is buried if it still waits */
	enum message_step step;
	const char *reply_text; /* what the asker is told: a format with the text, or without */
};

static const struct end_kind ends[ASK_END_MAX_] = {
	[ASK_ACK] = {"acked", true, false, true, STEP_ACKED, "acked"},
	[ASK_REPLY] = {"replied", true, true, true, STEP_ANSWERED, NULL},
	[ASK_ANSWER] = {"replied", true, true, true, STEP_ANSWERED, NULL},
	[ASK_FOLLOW_UP] = {"replied", true, true, true, STEP_ANSWERED, NULL},
	[ASK_DECLINE] = {"declined", true, false, true, STEP_ANSWERED, "declined"},
	[ASK_EXPIRE] = {"expired", false, false, false, STEP_STORED, "expired"},
	[ASK_UNDELIVERABLE] = {"undeliverable", false, false, false, STEP_STORED, "undeliverable"},
};

/* What endings need of an ask. */
struct ask {
	char id[ID_SIZE];
	char from_peer[ID_SIZE]; /* "" for an unknown asker */
	char from_kind[16];
	char to_peer[ID_SIZE];
	char state[16];
};

static bool ask_find(struct store *s, const char *id, struct ask *ret)
{
	autoquery q = db_query(
		s, "SELECT id, coalesce(from_peer, ''), from_kind, to_peer, state FROM question WHERE id = ?",
		"s", id);
	if (!query_next(&q))
		return false;
	(void)snprintf(ret->id, sizeof(ret->id), "%s", query_text(&q, 0));
	(void)snprintf(ret->from_peer, sizeof(ret->from_peer), "%s", query_text(&q, 1));
	(void)snprintf(ret->from_kind, sizeof(ret->from_kind), "%s", query_text(&q, 2));
	(void)snprintf(ret->to_peer, sizeof(ret->to_peer), "%s", query_text(&q, 3));
	(void)snprintf(ret->state, sizeof(ret->state), "%s", query_text(&q, 4));
	return true;
}

static bool is_open(const struct ask *ask)
{
	return strcmp(ask->state, "open") == 0;
}

static int ask_not_found(const char *id, struct error *err)
{
	autostrbuf shown = STRBUF_INIT(256);
	text_escape(id, strnlen(id, 60), false, &shown);
	return error_hint(err, error_set(err, ERR_NOT_FOUND, "there is no ask %s", strbuf_str(&shown)),
			  "`coppice asks` lists the open ones");
}

static int refuse_closed(const struct ask *ask, struct error *err)
{
	return error_hint(
		err, error_set(err, ERR_CONFLICT, "the ask %s has already ended (%s)", ask->id, ask->state),
		"say it with a new ask or with notify_peer");
}

/* Stores what the asker is told, unless nobody is there who could be. */
static void tell_asker(struct store *s, const struct mesh_limits *limits, const struct ask *ask,
		       const struct end_kind *end, const struct caller *by, const char *text)
{
	struct peer_ref asker;
	char id[ID_SIZE];
	if (!ask->from_peer[0] || !peer_find(s, ask->from_peer, &asker) ||
	    (!asker.live && peer_cause_final(asker.cause)))
		return;
	autofree char *told = !end->reply_text ? xstrdup(text)
			      : text	       ? xasprintf("%s: %s", end->reply_text, text)
					       : xstrdup(end->reply_text);
	/* D10: a bare ack says that it was received; its asker learns it with its next turn, or by waiting.
	 */
	struct message_new m = {.kind = MESSAGE_REPLY,
				.from = by,
				.to = ask->from_peer,
				.text = told,
				.about = ask->id,
				.flags = end == &ends[ASK_ACK] ? MESSAGE_RECEIPT : 0};
	int r = message_store(s, limits, &m, id, NULL);
	assert(r == 0); /* replies are always let in */
	(void)r;
	inbox_reply_stored(s, ask->from_peer);
}

/* Ends the ask if it is open. `text` is the reply or the reason; `carried` says that the asker learns it
 * another way. */
static bool finish(struct store *s, const struct mesh_limits *limits, const struct ask *ask, enum ask_end how,
		   const struct caller *by, const char *text, bool carried)
{
	const struct end_kind *end = &ends[how];
	assert(end->by_people == (by != NULL));
	const char *closed_by = by && by->peer_id[0] ? by->peer_id : NULL;
	if (db_run(s,
		   "UPDATE question SET state = ?, reply = ?, reason = ?, closed_by = ?, closed_at = ?"
		   " WHERE id = ? AND state = 'open'",
		   "ssssis", end->state, end->has_reply ? text : NULL, end->has_reply ? NULL : text,
		   closed_by, store_now(s), ask->id) < 1)
		return false;
	timer_clear(s, timer_kind, ask->id);
	if (strcmp(ask->from_kind, "peer") == 0)
		governor_forget(s, ask->id);
	if (end->closes)
		message_close(s, ask->id, end->step, closed_by && strcmp(closed_by, ask->to_peer) == 0,
			      end->step == STEP_ANSWERED ? end->reply_text : NULL);
	else
		(void)queue_bury(s, limits, ask->id, text, false); /* nothing to do if it was read */
	json_t *data = json_object();
	json_set_str(data, "correlation_id", ask->id);
	json_set_str(data, "from", ask->from_peer[0] ? ask->from_peer : NULL);
	json_set_str(data, "to", ask->to_peer);
	json_set_str(data, "outcome", end->state);
	json_set_str(data, "by", closed_by);
	json_set_str(data, "reason", end->has_reply ? NULL : text);
	event_emit(s, "ask.closed", ask->id, NULL, data);
	if (!carried)
		tell_asker(s, limits, ask, end, by, text);
	return true;
}

/* Whether `name` means the peer: its id, its name, or circle:name. */
static bool is_called(const struct peer_ref *peer, const char *name, const char *circle)
{
	size_t n = strlen(peer->circle);
	if (circle && strcmp(circle, peer->circle) != 0)
		return false;
	return !name || strcmp(name, peer->peer_id) == 0 || strcmp(name, peer->name) == 0 ||
	       (strncmp(name, peer->circle, n) == 0 && name[n] == ':' &&
		strcmp(name + n + 1, peer->name) == 0);
}

int ask_route(struct store *s, const struct mesh_limits *limits, const struct caller *from, const char *name,
	      const char *circle, const char *reply_to, struct peer_ref *ret, struct error *err)
{
	struct ask ask;
	struct peer_ref asker;
	if (!reply_to)
		return route_resolve(s, limits, from, name, circle, ret, err);
	if (!ask_find(s, reply_to, &ask))
		return ask_not_found(reply_to, err);
	if (from->peer_id[0] && strcmp(ask.to_peer, from->peer_id) == 0 &&
	    peer_find(s, ask.from_peer, &asker) && is_called(&asker, name, circle)) {
		*ret = asker;
		return 0;
	}
	return route_resolve(s, limits, from, name, circle, ret, err);
}

/* What an ask follows up: `ret_ends` says whether it ends that ask. */
static int check_follow_up(struct store *s, const struct caller *from, const char *reply_to, struct ask *ret,
			   bool *ret_ends, struct error *err)
{
	if (!ask_find(s, reply_to, ret))
		return ask_not_found(reply_to, err);
	if (from->peer_id[0] && strcmp(ret->from_peer, from->peer_id) == 0) {
		*ret_ends = false;
		return 0;
	}
	if (!from->peer_id[0] || strcmp(ret->to_peer, from->peer_id) != 0)
		return error_hint(err,
				  error_set(err, ERR_FORBIDDEN, "the ask %s is between others", reply_to),
				  "leave reply_to out");
	if (!is_open(ret))
		return refuse_closed(ret, err);
	*ret_ends = true;
	return 0;
}

static int check_new(struct store *s, const struct mesh_limits *limits, const struct caller *from,
		     const struct ask_new *ask, struct peer_ref *ret_to, struct error *err)
{
	struct peer_ref to;
	int r = message_text_check(ask->text, strlen(ask->text), err);
	if (r)
		return r;
	if (!peer_find(s, ask->to, &to))
		return error_set(err, ERR_NOT_FOUND, "there is no such recipient");
	if (strcmp(ask->to, from->peer_id) == 0)
		return error_set(err, ERR_INVALID, "%s would ask itself", from->name);
	*ret_to = to;
	r = peer_takes_input(s, &to, limits->queue_age, err);
	if (r || !from->peer_id[0])
		return r;
	int64_t open = db_int(s, 0, "SELECT count(*) FROM question WHERE from_peer = ? AND state = 'open'",
			      "s", from->peer_id);
	if (open < ASK_OPEN_MAX)
		return 0;
	return error_hint(err,
			  error_set(err, ERR_TOO_LARGE, "%s has %lld open asks, and no more are kept",
				    from->name, (long long)open),
			  "wait for some of them, or notify instead");
}

static void record_ask(struct store *s, const char *id, const struct caller *from, const struct ask_new *ask)
{
	const char *from_peer = from->peer_id[0] ? from->peer_id : NULL;
	(void)db_run(s,
		     "INSERT INTO question (id, from_peer, from_kind, from_name, to_peer, text, reply_to, "
		     "parent, state,"
		     " opened_at) VALUES (?,?,?,?,?,?,?,?,'open',?)",
		     "ssssssssi", id, from_peer, caller_kind_name(from->kind), from->name, ask->to, ask->text,
		     ask->reply_to, ask->parent, store_now(s));
	if (ask->expires_in > 0)
		timer_set(s, timer_kind, id, store_now(s) + ask->expires_in);
	json_t *data = json_object();
	json_set_str(data, "correlation_id", id);
	json_set_str(data, "from", from_peer);
	json_set_str(data, "to", ask->to);
	json_set_str(data, "reply_to", ask->reply_to);
	event_emit(s, "ask.opened", id, NULL, data);
}

int ask_open(struct store *s, const struct mesh_limits *limits, const struct caller *from,
	     const struct ask_new *ask, json_t **ret, struct error *err)
{
	struct ask before = {0};
	bool ends_it = false;
	struct peer_ref to;
	int r = check_new(s, limits, from, ask, &to, err);
	if (!r && ask->reply_to)
		r = check_follow_up(s, from, ask->reply_to, &before, &ends_it, err);
	if (r)
		return r;
	char id[ID_SIZE], stored[ID_SIZE];
	struct verdict verdict;
	r = governor_weigh(s, limits, from, &to, ask->reply_to, &verdict, err);
	if (r)
		return r;
	store_new_id(s, "ask", id);
	struct message_new m = {.kind = MESSAGE_ASK,
				.id = id,
				.from = from,
				.to = ask->to,
				.text = ask->text,
				.about = ask->reply_to,
				.verdict = &verdict};
	r = message_store(s, limits, &m, stored, err);
	if (r)
		return r;
	record_ask(s, id, from, ask);
	/* An asker who is asked back reads the reply there, and need not be told it twice. */
	if (ends_it)
		(void)finish(s, limits, &before, ASK_FOLLOW_UP, from, ask->text,
			     !verdict.held && strcmp(ask->to, before.from_peer) == 0);
	*ret = json_pack("{s:s, s:s, s:s}", "correlation_id", id, "to", ask->to, "step", "stored");
	governor_tell_sender(&verdict, *ret);
	return 0;
}

static int close_by(struct store *s, const struct mesh_limits *limits, const struct caller *by,
		    const char *id, enum ask_end how, const char *text, json_t **ret, struct error *err)
{
	struct ask ask;
	if (!ask_find(s, id, &ask))
		return ask_not_found(id, err);
	if (by->kind != CALLER_HUMAN && strcmp(ask.to_peer, by->peer_id) != 0)
		return error_hint(
			err, error_set(err, ERR_FORBIDDEN, "the ask %s is not addressed to %s", id, by->name),
			"only its recipient or the human may close it");
	int r = text ? message_text_check(text, strlen(text), err) : 0;
	if (r)
		return r;
	const char *outcome = ends[how].state;
	bool ended = finish(s, limits, &ask, how, by, text, false);
	if (!ended && how != ASK_ACK)
		return refuse_closed(&ask, err);
	*ret = json_pack("{s:s, s:s}", "correlation_id", id, "outcome", ended ? outcome : ask.state);
	return 0;
}

int ask_ack(struct store *s, const struct mesh_limits *limits, const struct caller *by, const char *id,
	    const char *text, json_t **ret, struct error *err)
{
	return close_by(s, limits, by, id, text ? ASK_REPLY : ASK_ACK, text, ret, err);
}

int ask_answer(struct store *s, const struct mesh_limits *limits, const struct caller *by, const char *id,
	       const char *text, json_t **ret, struct error *err)
{
	return close_by(s, limits, by, id, ASK_ANSWER, text, ret, err);
}

int ask_decline(struct store *s, const struct mesh_limits *limits, const struct caller *by, const char *id,
		const char *text, json_t **ret, struct error *err)
{
	return close_by(s, limits, by, id, ASK_DECLINE, text, ret, err);
}

bool ask_expire(struct store *s, const struct mesh_limits *limits, const char *id)
{
	struct ask ask;
	return ask_find(s, id, &ask) &&
	       finish(s, limits, &ask, ASK_EXPIRE, NULL, "there was no answer in time", false);
}

bool ask_undeliverable(struct store *s, const struct mesh_limits *limits, const char *id, const char *reason)
{
	struct ask ask;
	return ask_find(s, id, &ask) && finish(s, limits, &ask, ASK_UNDELIVERABLE, NULL, reason, false);
}

int ask_peer_gone(struct store *s, const struct mesh_limits *limits, const char *peer_id,
		  enum peer_cause cause)
{
	json_auto_t *ids = json_array();
	autoquery q = db_query(
		s, "SELECT id FROM question WHERE to_peer = ? AND state = 'open' ORDER BY opened_at, rowid",
		"s", peer_id);
	while (query_next(&q))
		json_array_append_new(ids, json_string(query_text(&q, 0)));
	query_release(&q);
	int n = 0;
	size_t i;
	json_t *id;
	json_array_foreach(ids, i, id) n +=
		ask_undeliverable(s, limits, json_string_value(id), peer_cause_name(cause));
	return n;
}

int ask_wait_check(struct store *s, const struct caller *by, const char *id, bool *ret_ended, json_t **ret,
		   struct error *err)
{
	struct ask ask;
	if (!ask_find(s, id, &ask))
		return ask_not_found(id, err);
	bool unknown = !ask.from_peer[0] && strcmp(ask.from_kind, caller_kind_name(by->kind)) == 0;
	if (!unknown && (!by->peer_id[0] || strcmp(ask.from_peer, by->peer_id) != 0))
		return error_hint(
			err, error_set(err, ERR_FORBIDDEN, "the ask %s is not one of %s's", id, by->name),
			"only its asker may wait for it");
	bool ended = !is_open(&ask);
	if (ended && !unknown) {
		(void)db_run(s, "UPDATE question SET reply_taken = 1 WHERE id = ? AND reply_taken = 0", "s",
			     id);
		autofree char *reply = db_text(s,
					       "SELECT id FROM message WHERE to_peer = ? AND about = ? AND "
					       "kind = 'reply' AND " MESSAGE_WAITING " LIMIT 1",
					       "ss", ask.from_peer, id);
		if (reply)
			message_took(s, reply, "wait");
	}
	json_t *full = ask_to_json(s, id), *json = json_object();
	static const char *const keys[] = {"correlation_id", "to",    "to_name", "state",
					   "outcome",	     "reply", "reason"};
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		json_object_set(json, keys[i], json_object_get(full, keys[i]));
	json_decref(full);
	autoquery q = db_query(s, "SELECT step, held, dead_reason FROM message WHERE id = ?", "s", id);
	if (query_next(&q)) {
		json_set_str(json, "step", query_text(&q, 0));
		json_set_str(json, "held", query_text(&q, 1));
		if (query_text(&q, 1))
			json_set_str(json, "reason", query_text(&q, 2));
	}
	*ret_ended = ended;
	*ret = json;
	return 0;
}

#define COLUMNS                                                                                              \
	"SELECT id, from_peer, to_peer, text, state, from_name, from_kind, reply_to,"                        \
	" (SELECT name FROM peer WHERE peer_id = to_peer), opened_at"

/* What the governor holds has not come to its recipient. */
#define COMES "NOT EXISTS (SELECT 1 FROM message WHERE message.id = question.id AND held IS NOT NULL)"

static json_t *row_to_json(const struct query *q)
{
	static const char *const keys[] = {"correlation_id", "from",	  "to",	      "text",	"state",
					   "from_name",	     "from_kind", "reply_to", "to_name"};
	json_t *json = json_object();
	for (int i = 0; i < (int)ARRAY_SIZE(keys); i++)
		json_set_str(json, keys[i], query_text(q, i));
	json_set_time(json, "opened_at", query_int(q, 9));
	return json;
}

static json_t *rows_to_json(struct query *q)
{
	json_t *asks = json_array();
	while (query_next(q))
		json_array_append_new(asks, row_to_json(q));
	return json_pack("{s:o}", "asks", asks);
}

json_t *ask_list(struct store *s, const char *peer_id)
{
	autoquery q =
		peer_id ? db_query(s,
				   COLUMNS ", rowid FROM question WHERE to_peer = ?1 AND state = 'open'"
					   " AND " COMES " UNION " COLUMNS
					   ", rowid FROM question WHERE from_peer = ?1 AND state = 'open'"
					   " ORDER BY opened_at, rowid LIMIT ?2",
				   "si", peer_id, (int64_t)ASK_LIST_MAX)
			: db_query(s,
				   COLUMNS " FROM question WHERE state = 'open'"
					   " ORDER BY opened_at, rowid LIMIT ?",
				   "i", (int64_t)ASK_LIST_MAX);
	return rows_to_json(&q);
}

json_t *ask_list_to(struct store *s, const char *peer_id)
{
	autoquery q = db_query(s,
			       COLUMNS " FROM question WHERE to_peer = ? AND state = 'open' AND " COMES
				       " ORDER BY opened_at, rowid LIMIT ?",
			       "si", peer_id, (int64_t)ASK_LIST_MAX);
	return rows_to_json(&q);
}

json_t *ask_to_json(struct store *s, const char *id)
{
	autoquery q = db_query(s, COLUMNS ", reply, reason, closed_at FROM question WHERE id = ?", "s", id);
	if (!query_next(&q))
		return NULL;
	json_t *json = row_to_json(&q);
	const char *state = query_text(&q, 4);
	json_set_str(json, "outcome", strcmp(state, "open") == 0 ? NULL : state);
	json_set_str(json, "reply", query_text(&q, 10));
	json_set_str(json, "reason", query_text(&q, 11));
	json_set_time(json, "closed_at", query_int(&q, 12));
	return json;
}

int64_t ask_count_open(struct store *s)
{
	return db_int(s, 0, "SELECT count(*) FROM question WHERE state = 'open'", "");
}

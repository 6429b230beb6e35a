/* Queues and dead letters; see queue.h.
 *
 * Telling a sender stores a message, which must not push out another one whose sender would be told, and so
 * on: system notices are let in beyond the count. They stay bounded, because a sender whose own queue is full
 * is told once for each recipient until it reads. */
#include "mesh/queue.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "mesh/message_internal.h"
#include "store/event.h"
#include "store/timer.h"

enum { EXPIRE_BATCH = 256 };

static const char timer_kind[] = "message.expire";

int queue_admit(struct store *s, const struct mesh_limits *limits, const char *peer_id,
		enum message_kind kind, struct error *err)
{
	if (kind == MESSAGE_SYSTEM)
		return 0;
	for (int64_t n = message_waiting(s, peer_id); n >= limits->queue_length; n--) {
		/* FYIs before asks, and what was never shown before what may have been read. */
		autofree char *victim =
			db_text(s,
				"SELECT id FROM message WHERE to_peer = ? AND " MESSAGE_WAITING
				" AND kind <> 'ask' ORDER BY step <> 'stored', seq LIMIT 1",
				"s", peer_id);
		if (victim) {
			(void)queue_bury(s, limits, victim, "queue_full", true);
			continue;
		}
		if (kind == MESSAGE_REPLY)
			return 0;
		return error_hint(err,
				  error_set(err, ERR_TOO_LARGE,
					    "%lld asks wait for the recipient, and no more are kept",
					    (long long)n),
				  "wait until it answers some, or raise delivery.queue_length");
	}
	return 0;
}

static bool mail_ages(struct store *s, const char *peer_id)
{
	struct peer_ref peer;
	return peer_find(s, peer_id, &peer) && role_kind(peer.role)->mail_ages;
}

void queue_arm(struct store *s, const struct mesh_limits *limits, const char *peer_id)
{
	/* A queue that holds others has its timer, for the oldest of them. */
	int64_t n =
		db_int(s, 0,
		       "SELECT count(*) FROM (SELECT 1 FROM message WHERE to_peer = ? AND " MESSAGE_WAITING
		       " LIMIT 2)",
		       "s", peer_id);
	if (n == 1 && mail_ages(s, peer_id))
		timer_set(s, timer_kind, peer_id, store_now(s) + limits->queue_age);
}

/* What burying needs of a message. */
struct letter {
	char kind[16];
	char from_peer[ID_SIZE]; /* "" for none */
	char to_peer[ID_SIZE];
};

static bool letter_find(struct store *s, const char *id, struct letter *ret)
{
	autoquery q = db_query(s, "SELECT kind, coalesce(from_peer, ''), to_peer FROM message WHERE id = ?",
			       "s", id);
	if (!query_next(&q))
		return false;
	(void)snprintf(ret->kind, sizeof(ret->kind), "%s", query_text(&q, 0));
	(void)snprintf(ret->from_peer, sizeof(ret->from_peer), "%s", query_text(&q, 1));
	(void)snprintf(ret->to_peer, sizeof(ret->to_peer), "%s", query_text(&q, 2));
	return true;
}

/* Whether the sender is there to be told, and not so flooded that one notice must do for many. */
static bool can_be_told(struct store *s, const struct mesh_limits *limits, const struct letter *letter)
{
	struct peer_ref sender;
	if (!letter->from_peer[0] || !peer_find(s, letter->from_peer, &sender) ||
	    (!sender.live && peer_cause_final(sender.cause)))
		return false;
	return message_waiting(s, letter->from_peer) < limits->queue_length ||
	       !db_int(s, 0,
		       "SELECT 1 FROM message WHERE to_peer = ?1 AND " MESSAGE_WAITING
		       " AND kind = 'system' AND EXISTS (SELECT 1 FROM message d WHERE d.id = message.about"
		       " AND d.to_peer = ?2) LIMIT 1",
		       "ss", letter->from_peer, letter->to_peer);
}

/* An ask's sender learns through the end of its ask (mesh_react), everybody else by a notice. */
static void tell_sender(struct store *s, const struct mesh_limits *limits, const char *id,
			const struct letter *letter, const char *reason)
{
	struct peer_ref to;
	if (strcmp(letter->kind, "ask") == 0 || strcmp(letter->kind, "system") == 0 ||
	    !can_be_told(s, limits, letter) || !peer_find(s, letter->to_peer, &to))
		return;
	char notice_id[ID_SIZE];
	autofree char *text =
		xasprintf("Your %s %s to %s was not delivered: %s. `coppice inbox --dead` shows it,"
			  " `coppice dead retry %s` sends it again.",
			  letter->kind, id, to.name, reason, id);
	struct message_new m = {.kind = MESSAGE_SYSTEM,
				.to = letter->from_peer,
				.text = text,
				.about = id,
				.flags = MESSAGE_RECEIPT};
	int r = message_store(s, limits, &m, notice_id, NULL);
	assert(r == 0); /* system messages are always let in */
	(void)r;
}

bool queue_bury(struct store *s, const struct mesh_limits *limits, const char *id, const char *reason,
		bool tell)
{
	struct letter letter;
	if (db_run(s, "UPDATE message SET dead_at = ?, dead_reason = ? WHERE id = ? AND " MESSAGE_WAITING,
		   "iss", store_now(s), reason, id) < 1 ||
	    !letter_find(s, id, &letter))
		return false;
	message_record(s, id, "dead", NULL, reason);
	json_t *data = json_object();
	json_set_str(data, "id", id);
	json_set_str(data, "kind", letter.kind);
	json_set_str(data, "from", letter.from_peer[0] ? letter.from_peer : NULL);
	json_set_str(data, "to", letter.to_peer);
	json_set_str(data, "reason", reason);
	event_emit(s, "message.dead", id, NULL, data);
	if (tell)
		tell_sender(s, limits, id, &letter, reason);
	return true;
}

/* Buries what waits for the peer and was stored by `until`, oldest first, at most a batch. */
static int bury_batch(struct store *s, const struct mesh_limits *limits, const char *peer_id, usec_t until,
		      const char *reason)
{
	json_auto_t *ids = json_array();
	autoquery q = db_query(s,
			       "SELECT id FROM message WHERE to_peer = ? AND " MESSAGE_WAITING
			       " AND at <= ? ORDER BY seq LIMIT ?",
			       "sii", peer_id, until, (int64_t)EXPIRE_BATCH);
	while (query_next(&q))
		json_array_append_new(ids, json_string(query_text(&q, 0)));
	query_release(&q);
	size_t i;
	json_t *id;
	json_array_foreach(ids, i, id)(void) queue_bury(s, limits, json_string_value(id), reason, true);
	return (int)json_array_size(ids);
}

int queue_expire(struct store *s, const struct mesh_limits *limits, const char *peer_id)
{
	if (!mail_ages(s, peer_id))
		return 0;
	int n = bury_batch(s, limits, peer_id, store_now(s) - limits->queue_age, "expired");
	usec_t oldest = db_int(s, 0, "SELECT min(at) FROM message WHERE to_peer = ? AND " MESSAGE_WAITING,
			       "s", peer_id);
	if (oldest)
		timer_set(s, timer_kind, peer_id, oldest + limits->queue_age);
	else
		timer_clear(s, timer_kind, peer_id);
	return n;
}

int queue_peer_gone(struct store *s, const struct mesh_limits *limits, const char *peer_id,
		    const char *reason)
{
	int n = 0;
	governor_peer_gone(s, peer_id);
	for (int batch = EXPIRE_BATCH; batch == EXPIRE_BATCH && !store_failed(s); n += batch)
		batch = bury_batch(s, limits, peer_id, INT64_MAX, reason);
	timer_clear(s, timer_kind, peer_id);
	return n;
}

json_t *dead_list(struct store *s, const char *peer_id)
{
	json_t *messages = json_array();
	autoquery q = db_query(s,
			       "SELECT id, dead_at, dead_reason, held FROM message WHERE dead_at IS NOT NULL"
			       " AND dead_reason <> 'dropped' AND (?1 IS NULL OR from_peer = ?1 OR (to_peer ="
			       " ?1 AND held IS NULL))"
			       " ORDER BY dead_at DESC, seq DESC LIMIT ?2",
			       "si", peer_id, (int64_t)DEAD_LIST_MAX);
	while (query_next(&q)) {
		json_t *message = message_to_json(s, query_text(&q, 0));
		json_set_time(message, "dead_at", query_int(&q, 1));
		json_set_str(message, "reason", query_text(&q, 2));
		json_set_str(message, "held", query_text(&q, 3));
		json_array_append_new(messages, message);
	}
	return json_pack("{s:o}", "messages", messages);
}

/* What the governor holds goes on by the word of those who lead; its sender may take it back. */
static int may_decide(const struct caller *by, const char *id, const struct letter *letter, bool sender_too,
		      struct error *err)
{
	bool own = by->peer_id[0] && strcmp(letter->from_peer, by->peer_id) == 0;
	if (by->kind == CALLER_HUMAN || by->kind == CALLER_SERVICE || by->role == ROLE_ORCHESTRATOR ||
	    (own && sender_too))
		return 0;
	return error_hint(err,
			  error_set(err, ERR_FORBIDDEN, "%s is held, and not yours to let go or drop", id),
			  "an orchestrator or a person decides; see: coppice inbox --dead");
}

/* A dead letter that `by` may touch; the recipient only where `recipient_too`. */
static int dead_find(struct store *s, const struct caller *by, const char *id, bool recipient_too,
		     struct letter *ret, struct error *err)
{
	if (!db_int(s, 0,
		    "SELECT 1 FROM message WHERE id = ? AND dead_at IS NOT NULL AND dead_reason <> 'dropped'",
		    "s", id) ||
	    !letter_find(s, id, ret))
		return error_hint(err, error_set(err, ERR_NOT_FOUND, "there is no such dead letter"),
				  "`coppice inbox --dead` lists them");
	if (governor_holds(s, id))
		return may_decide(by, id, ret, recipient_too, err);
	bool own = by->peer_id[0] && (strcmp(ret->from_peer, by->peer_id) == 0 ||
				      (recipient_too && strcmp(ret->to_peer, by->peer_id) == 0));
	if (own || by->kind == CALLER_HUMAN)
		return 0;
	return error_set(err, ERR_FORBIDDEN, "%s is not yours", id);
}

int dead_retry(struct store *s, const struct mesh_limits *limits, const struct caller *by, const char *id,
	       struct error *err)
{
	struct letter letter;
	struct peer_ref to;
	int r = dead_find(s, by, id, false, &letter, err);
	if (r)
		return r;
	bool held = governor_holds(s, id), ask = strcmp(letter.kind, "ask") == 0;
	if (ask && !held)
		return error_hint(err, error_set(err, ERR_CONFLICT, "the ask %s has ended", id), "ask again");
	if (!peer_find(s, letter.to_peer, &to))
		return error_set(err, ERR_NOT_FOUND, "its recipient is not known");
	r = peer_takes_input(s, &to, limits->queue_age, err);
	if (!r)
		r = queue_admit(s, limits, letter.to_peer, ask ? MESSAGE_ASK : MESSAGE_NOTIFY, err);
	if (r)
		return r;
	if (governor_let_go(s, id, by)) {
		queue_arm(s, limits, letter.to_peer);
		return 0;
	}
	(void)db_run(s,
		     "UPDATE message SET dead_at = NULL, dead_reason = NULL, step = 'stored', at = ?"
		     " WHERE id = ?",
		     "is", store_now(s), id);
	message_record(s, id, "stored", NULL, "retried");
	queue_arm(s, limits, letter.to_peer);
	event_emit(s, "message.waits", letter.to_peer, NULL, json_pack("{s:s}", "id", id));
	return 0;
}

/* Its sender is told, of an ask by its end. */
static void drop_held(struct store *s, const struct mesh_limits *limits, const char *id,
		      const struct caller *by, const struct letter *letter)
{
	autofree char *why = xasprintf("dropped by %s", by->name);
	governor_forget(s, id);
	(void)queue_bury(s, limits, id, why, strcmp(letter->from_peer, by->peer_id) != 0);
}

int dead_drop(struct store *s, const struct mesh_limits *limits, const struct caller *by, const char *id,
	      struct error *err)
{
	struct letter letter;
	int r = dead_find(s, by, id, true, &letter, err);
	if (r)
		return r;
	if (governor_holds(s, id))
		drop_held(s, limits, id, by, &letter);
	(void)db_run(s, "UPDATE message SET dead_reason = 'dropped' WHERE id = ?", "s", id);
	message_record(s, id, "dead", NULL, "dropped");
	return 0;
}

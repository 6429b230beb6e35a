/* The governor; see governor.h.
 *
 * A held message has dead_at set, so that whatever looks for waiting messages passes it over. message.circle
 * is set for what is governed, message.nth once it has gone: the partial indices on it hold nothing of what
 * people say. The N-th newest of those that went says both whether a rate is used up and when it will not be
 * any more. Of a pair it is found by stepping over the N - 1 newer ones, of a circle, whose limit may be
 * large, by its number. */
#include "mesh/governor.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "mesh/message_internal.h"
#include "mesh/queue.h"
#include "store/event.h"
#include "store/timer.h"

#define TELL_AGAIN_AFTER USEC_PER_HOUR

static const char timer_kind[] = "governor.due", age_timer[] = "governor.expire";

enum { PAIR_SIZE = 2 * ID_SIZE };

static const char *const names[HOLD_MAX_] = {
	[HOLD_HOPS] = "hops",
	[HOLD_PAIR] = "pair_per_minute",
	[HOLD_CIRCLE] = "circle_per_hour",
};

static const char *const by_itself = "it goes by itself as soon as the limit allows";

const char *hold_name(enum hold hold)
{
	return names[hold];
}

/* --- what is held --- */

struct weights {
	int64_t hops;	     /* of the turn that the sender is in */
	int64_t cause;	     /* of the ask that is named, or 0 */
	bool others;	     /* earlier ones of the pair wait for a rate */
	int64_t nth;	     /* of the circle, if it goes */
	usec_t pair, circle; /* when the limit's first message of the window went; 0: fewer have gone */
	char circle_name[PEER_CIRCLE_SIZE];
};

static bool weigh(struct store *s, const struct mesh_limits *limits, const char *from, const char *to,
		  const char *about, struct weights *ret)
{
	autoquery q = db_query(
		s,
		"SELECT hops, circle, coalesce((SELECT hops FROM message WHERE id = ?3), 0), EXISTS (SELECT "
		"1 FROM"
		" message WHERE to_peer = ?2 AND from_peer = ?1 AND held IN "
		"('pair_per_minute','circle_per_hour')"
		" AND held IS NOT NULL), coalesce((SELECT at FROM message WHERE from_peer = ?1 AND to_peer = "
		"?2"
		" AND nth IS NOT NULL ORDER BY at DESC LIMIT 1 OFFSET ?4 - 1), 0), (SELECT nth FROM message "
		"AS m"
		" WHERE m.circle = peer.circle AND nth IS NOT NULL ORDER BY nth DESC LIMIT 1) FROM peer WHERE"
		" peer_id = ?1",
		"sssi", from, to, about, limits->pair_per_minute);
	if (!query_next(&q))
		return false;
	*ret = (struct weights){.hops = query_int(&q, 0),
				.cause = query_int(&q, 2),
				.others = query_int(&q, 3) != 0,
				.pair = query_int(&q, 4),
				.nth = query_int(&q, 5) + 1};
	(void)snprintf(ret->circle_name, sizeof(ret->circle_name), "%s", query_text(&q, 1));
	if (limits->circle_per_hour && ret->nth > limits->circle_per_hour)
		ret->circle = db_int(
			s, 0, "SELECT at FROM message WHERE circle = ? AND nth = ? AND nth IS NOT NULL", "si",
			ret->circle_name, ret->nth - limits->circle_per_hour);
	return true;
}

static usec_t later(usec_t a, usec_t b)
{
	return a > b ? a : b;
}

/* When both rates have room for one more. */
static usec_t room_at(const struct weights *w)
{
	return later(w->pair ? w->pair + USEC_PER_MIN : 0, w->circle ? w->circle + USEC_PER_HOUR : 0);
}

static void judge(struct store *s, const struct mesh_limits *limits, const struct caller *from,
		  const struct peer_ref *to, const struct weights *w, struct verdict *v)
{
	usec_t now = store_now(s);
	if (v->hops > limits->hops) {
		v->held = HOLD_HOPS;
		(void)snprintf(v->reason, sizeof(v->reason),
			       "it is %lld messages from a person's word, and governor.hops allows %lld",
			       (long long)v->hops, (long long)limits->hops);
		return;
	}
	v->due = room_at(w);
	if (w->circle && w->circle + USEC_PER_HOUR > now) {
		v->held = HOLD_CIRCLE;
		(void)snprintf(v->reason, sizeof(v->reason),
			       "circle %s has sent %lld messages within an hour, which is"
			       " governor.circle_per_hour",
			       w->circle_name, (long long)limits->circle_per_hour);
	} else if (w->others || (w->pair && w->pair + USEC_PER_MIN > now)) {
		v->held = HOLD_PAIR;
		(void)snprintf(v->reason, sizeof(v->reason),
			       "%.100s has sent %.100s %lld messages within a minute, which is"
			       " governor.pair_per_minute",
			       from->name, to->name, (long long)limits->pair_per_minute);
	}
}

static int check_room(struct store *s, const struct mesh_limits *limits, const char *to,
		      const struct verdict *v, struct error *err)
{
	if (db_int(s, 0,
		   "SELECT count(*) FROM (SELECT 1 FROM message WHERE to_peer = ? AND held IS NOT NULL LIMIT "
		   "?)",
		   "si", to, limits->queue_length) < limits->queue_length)
		return 0;
	return error_hint(err,
			  error_set(err, ERR_TOO_LARGE,
				    "%s, and %lld messages are held for the recipient already", v->reason,
				    (long long)limits->queue_length),
			  "wait; an orchestrator or a person lets them go or drops them");
}

/* An orchestrator has the word by which others go on, so its own counts from nought too: a lead that waits
 * for each answer before it asks on would be held after four rounds. The rates hold for it as for all. */
static bool leads(const struct caller *from)
{
	return from->kind == CALLER_PEER && from->role == ROLE_ORCHESTRATOR;
}

int governor_weigh(struct store *s, const struct mesh_limits *limits, const struct caller *from,
		   const struct peer_ref *to, const char *about, struct verdict *ret, struct error *err)
{
	struct weights w;
	*ret = (struct verdict){0};
	if (from->kind != CALLER_PEER || !weigh(s, limits, from->peer_id, to->peer_id, about, &w))
		return 0;
	ret->hops = leads(from) ? 0 : (w.hops > w.cause ? w.hops : w.cause) + 1;
	if (role_kind(to->role)->surface)
		return 0;
	memcpy(ret->circle, w.circle_name, sizeof(ret->circle));
	ret->nth = w.nth;
	judge(s, limits, from, to, &w, ret);
	return ret->held ? check_room(s, limits, to->peer_id, ret, err) : 0;
}

int64_t governor_hops(struct store *s, const struct caller *from, const char *about)
{
	if (from && (from->kind != CALLER_PEER || leads(from)))
		return 0;
	int64_t cause = about ? db_int(s, -1, "SELECT hops FROM message WHERE id = ?", "s", about) : -1;
	if (!from)
		return cause < 0 ? 0 : cause;
	if (cause < 0)
		cause = db_int(s, 0, "SELECT hops FROM peer WHERE peer_id = ?", "s", from->peer_id);
	return cause + 1;
}

void governor_read(struct store *s, const char *peer_id, int64_t hops)
{
	/* The end of a turn takes it to 0 (peer_set_turn_state); where none is ever seen, the last counts. */
	(void)db_run(
		s,
		"UPDATE peer SET hops = ?1 WHERE peer_id = ?2 AND (hops < ?1 OR (hops > ?1 AND hooked = 0"
		" AND NOT EXISTS (SELECT 1 FROM transport AS t WHERE t.peer_id = peer.peer_id)))",
		"is", hops, peer_id);
}

/* --- who is told --- */

/* Whether it is the first of its scope within the hour. */
static bool first_of(struct store *s, const char *scope)
{
	(void)db_run(s, "DELETE FROM governor_told WHERE at <= ?", "i", store_now(s) - TELL_AGAIN_AFTER);
	return db_run(s, "INSERT OR IGNORE INTO governor_told (scope, at) VALUES (?, ?)", "si", scope,
		      store_now(s)) > 0;
}

static void tell(struct store *s, const struct mesh_limits *limits, const char *to, const char *id,
		 const char *text, unsigned flags)
{
	char notice[ID_SIZE];
	struct message_new m = {.kind = MESSAGE_SYSTEM, .to = to, .text = text, .about = id, .flags = flags};
	int r = message_store(s, limits, &m, notice, NULL);
	(void)r; /* system messages are always let in */
}

/* The orchestrators of the circle but the two that it is about; without any, the human. */
static json_t *leaders(struct store *s, const struct caller *from, const char *to, const char *circle)
{
	json_t *ids = json_array();
	autoquery q = db_query(s,
			       "SELECT peer_id FROM peer WHERE live = 1 AND circle = ?1 AND role ="
			       " 'orchestrator' ORDER BY peer_id = ?2 OR peer_id = ?3, created_at, rowid",
			       "sss", circle, from->peer_id, to);
	bool any = false;
	while (query_next(&q)) {
		any = true;
		if (strcmp(query_text(&q, 0), from->peer_id) != 0)
			json_array_append_new(ids, json_string(query_text(&q, 0)));
	}
	query_release(&q);
	struct peer_ref human;
	if (!any) {
		peer_surface(s, ROLE_HUMAN, &human);
		json_array_append_new(ids, json_string(human.peer_id));
	}
	return ids;
}

static void tell_leaders(struct store *s, const struct mesh_limits *limits, const char *id,
			 const struct caller *from, const char *to, const struct verdict *v)
{
	struct peer_ref peer;
	if (!peer_find(s, to, &peer))
		return;
	bool hops = v->held == HOLD_HOPS;
	autofree char *text =
		hops ? xasprintf(
			       "%s from %s to %s is held: %s. It goes on only by the word of an"
			       " orchestrator or a person: `coppice dead retry %s` lets it go, `coppice dead"
			       " drop %s` ends it, `coppice inbox --dead` lists what is held.",
			       id, from->name, peer.name, v->reason, id, id)
		     : xasprintf("%s from %s to %s is held: %s. It and what comes behind it go by themselves"
				 " as soon as the limit allows.",
				 id, from->name, peer.name, v->reason);
	json_auto_t *ids = leaders(s, from, to, v->circle);
	size_t i;
	const json_t *one;
	json_array_foreach(ids, i, one)
		tell(s, limits, json_string_value(one), id, text, hops ? 0 : MESSAGE_RECEIPT);
}

/* The recipient, unless it is told as an orchestrator. */
static void tell_recipient(struct store *s, const struct mesh_limits *limits, const char *id,
			   const struct caller *from, const char *to, const struct verdict *v)
{
	struct peer_ref peer;
	if (!peer_find(s, to, &peer) ||
	    (peer.role == ROLE_ORCHESTRATOR && strcmp(peer.circle, v->circle) == 0))
		return;
	autofree char *text = xasprintf("What %s says to you is held: %s.", from->name, v->reason);
	tell(s, limits, to, id, text, MESSAGE_RECEIPT);
}

static void pair_of(const char *from, const char *to, char ret[PAIR_SIZE])
{
	(void)snprintf(ret, PAIR_SIZE, "%s>%s", from, to);
}

void governor_hold(struct store *s, const struct mesh_limits *limits, const char *id,
		   const struct caller *from, const char *to, const struct verdict *v)
{
	char pair[PAIR_SIZE];
	pair_of(from->peer_id, to, pair);
	message_record(s, id, "held", NULL, v->reason);
	event_emit(s, "governor.held", id, NULL,
		   json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", id, "from", from->peer_id, "to", to, "limit",
			     hold_name(v->held), "reason", v->reason));
	timer_set(s, age_timer, id, store_now(s) + limits->queue_age);
	if (v->held != HOLD_HOPS)
		timer_set(s, timer_kind, pair, later(v->due, store_now(s) + USEC_PER_MSEC));
	autofree char *between = xasprintf("%s %s", hold_name(v->held), pair);
	autofree char *all = v->held == HOLD_CIRCLE ? xasprintf("circle %s", v->circle) : NULL;
	bool first = first_of(s, between);
	if (first)
		tell_recipient(s, limits, id, from, to, v);
	if (all ? first_of(s, all) : first)
		tell_leaders(s, limits, id, from, to, v);
}

void governor_tell_sender(const struct verdict *v, json_t *answer)
{
	if (!v->held)
		return;
	autofree char *reason =
		xasprintf("held, not lost: %s; %s; do not send it again", v->reason,
			  v->held == HOLD_HOPS ? "an orchestrator or a person lets it go (coppice dead retry)"
					       : by_itself);
	json_set_str(answer, "held", hold_name(v->held));
	json_set_str(answer, "reason", reason);
}

/* --- how it goes on --- */

bool governor_holds(struct store *s, const char *id)
{
	return db_int(s, 0, "SELECT 1 FROM message WHERE id = ? AND held IS NOT NULL", "s", id) != 0;
}

bool governor_let_go(struct store *s, const char *id, const struct caller *by)
{
	autoquery q = db_query(
		s, "SELECT from_peer, to_peer, held FROM message WHERE id = ? AND held IS NOT NULL", "s", id);
	if (!query_next(&q))
		return false;
	char pair[PAIR_SIZE], to[ID_SIZE];
	pair_of(query_text(&q, 0), query_text(&q, 1), pair);
	(void)snprintf(to, sizeof(to), "%s", query_text(&q, 1));
	json_t *data =
		json_pack("{s:s, s:s, s:s}", "id", id, "from", query_text(&q, 0), "to", query_text(&q, 1));
	json_set_str(data, "by", by ? by->name : NULL);
	query_release(&q);
	/* D3: its place is where it enters the queue; what came meanwhile has gone. */
	(void)db_run(
		s,
		"UPDATE message SET held = NULL, dead_at = NULL, dead_reason = NULL, at = ?1, hops = CASE"
		" WHEN ?2 THEN 0 ELSE hops END, nth = (SELECT coalesce(max(m.nth), 0) + 1 FROM message AS m"
		" WHERE m.circle = message.circle AND m.nth IS NOT NULL), seq = (SELECT max(seq) FROM "
		"message) + 1 WHERE id = ?3",
		"iis", store_now(s), (int64_t)(by != NULL), id);
	if (by) {
		autofree char *scope = xasprintf("hops %s", pair);
		(void)db_run(s, "DELETE FROM governor_told WHERE scope = ?", "s", scope);
	}
	timer_clear(s, age_timer, id);
	autofree char *why = by ? xasprintf("let go by %s", by->name) : xstrdup("the limit allows it");
	message_record(s, id, "stored", NULL, why);
	event_emit(s, "governor.let_go", id, NULL, data);
	event_emit(s, "message.waits", to, NULL, json_pack("{s:s}", "id", id));
	return true;
}

void governor_forget(struct store *s, const char *id)
{
	(void)db_run(
		s,
		"UPDATE message SET held = NULL, dead_at = NULL, dead_reason = NULL WHERE id = ? AND held"
		" IS NOT NULL",
		"s", id);
}

void governor_peer_gone(struct store *s, const char *peer_id)
{
	(void)db_run(
		s,
		"UPDATE message SET held = NULL, dead_at = NULL, dead_reason = NULL WHERE to_peer = ? AND"
		" held IS NOT NULL",
		"s", peer_id);
}

void governor_expire(struct store *s, const struct mesh_limits *limits, const char *id)
{
	if (!governor_holds(s, id))
		return;
	governor_forget(s, id);
	(void)queue_bury(s, limits, id, "expired while it was held", true);
}

/* Puts one into the queue, or among the dead letters if its recipient takes nothing any more; false if there
 * is no room now. */
static bool move_on(struct store *s, const struct mesh_limits *limits, const char *id, const char *to)
{
	struct peer_ref peer;
	autoerror why = {0};
	bool ask = id_is(id, "ask");
	if (peer_find(s, to, &peer) && peer_takes_input(s, &peer, limits->queue_age, &why)) {
		governor_forget(s, id);
		(void)queue_bury(s, limits, id, why.message, true);
		return true;
	}
	if (queue_admit(s, limits, to, ask ? MESSAGE_ASK : MESSAGE_NOTIFY, NULL))
		return false;
	(void)governor_let_go(s, id, NULL);
	queue_arm(s, limits, to);
	return true;
}

void governor_due(struct store *s, const struct mesh_limits *limits, const char *pair)
{
	char from[ID_SIZE], to[ID_SIZE];
	const char *cut = strchr(pair, '>');
	if (!cut || (size_t)(cut - pair) >= sizeof(from))
		return;
	(void)snprintf(from, sizeof(from), "%.*s", (int)(cut - pair), pair);
	(void)snprintf(to, sizeof(to), "%s", cut + 1);
	for (int64_t n = 0; n <= limits->queue_length; n++) {
		struct weights w;
		autofree char *id =
			db_text(s,
				"SELECT id FROM message WHERE to_peer = ? AND from_peer = ? AND held IN"
				" ('pair_per_minute','circle_per_hour') AND held IS NOT NULL ORDER"
				" BY seq LIMIT 1",
				"ss", to, from);
		if (!id || !weigh(s, limits, from, to, NULL, &w))
			return;
		usec_t due = room_at(&w);
		bool moved = due <= store_now(s) && move_on(s, limits, id, to);
		if (!moved) {
			timer_set(s, timer_kind, pair,
				  due > store_now(s) ? due : store_now(s) + USEC_PER_MIN);
			return;
		}
	}
}

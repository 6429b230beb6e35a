/* Delivery into sessions; see deliver.h. */
#include "mesh/deliver.h"

#include <string.h>

#include "base/alloc.h"
#include "mesh/inbox.h"
#include "mesh/message.h"
#include "mesh/message_internal.h"
#include "mesh/queue.h"
#include "mesh/render.h"
#include "store/event.h"
#include "store/timer.h"

enum { UNDER_WAY_MAX = 1000, RETURNS_MAX = 5, DOUBTS_MAX = 3 };

/* A hook that has not told by then that it passed on what it got has been ended. */
#define HOOK_SETTLES (10 * USEC_PER_SEC)

/* A way whose end has gone told of it late: had it arrived at an idle peer, a turn has begun by then. */
#define LATE_WORD_SETTLES (10 * USEC_PER_SEC)

/* What a runtime took begins a turn of an idle session by then; the slowest looks into its queue every 10 s.
 */
#define DOUBT_AFTER (30 * USEC_PER_SEC)

static const char doubt_timer[] = "delivery.doubt";
static const char doubt[] = "no hook told that it was read";

static const char *const outcomes[] = {
	[DELIVER_SUBMITTED] = "submitted",
	[DELIVER_HELD] = "held",
	[DELIVER_RETURNED] = "returned",
	[DELIVER_CONSUMED] = "consumed",
};

bool deliver_outcome_parse(const char *name, enum deliver_outcome *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
		if (strcmp(outcomes[i], name) == 0) {
			*ret = (enum deliver_outcome)i;
			return true;
		}
	return false;
}

/* D8: nothing goes before the first prompt: its id and step while it waits, else "". */
struct first_prompt {
	char id[ID_SIZE];
	bool stored; /* nobody knows whether it came, so that it is to be handed over anew */
};

static void first_prompt_find(struct store *s, const char *peer_id, struct first_prompt *ret)
{
	*ret = (struct first_prompt){0};
	autoquery q = db_query(
		s,
		"SELECT message.id, step FROM spawn JOIN message ON message.id = spawn.message_id WHERE"
		" spawn.peer_id = ? AND spawn.ended_at IS NULL AND " MESSAGE_WAITING " LIMIT 1",
		"s", peer_id);
	if (!query_next(&q))
		return;
	(void)snprintf(ret->id, sizeof(ret->id), "%s", query_text(&q, 0));
	ret->stored = strcmp(query_text(&q, 1), "stored") == 0;
}

/* What is handed over of each: its text is the rendered one. */
static json_t *rendered(const json_t *messages)
{
	static const char *const keys[] = {"id", "kind", "from", "from_name"};
	json_t *list = json_array();
	size_t i;
	const json_t *m;
	json_array_foreach(messages, i, m)
	{
		autostrbuf text = STRBUF_INIT(RENDER_MAX);
		json_t *one = json_object();
		for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
			json_object_set(one, keys[k], json_object_get(m, keys[k]));
		message_render(m, &text);
		json_set_str(one, "text", strbuf_str(&text));
		json_array_append_new(list, one);
	}
	return list;
}

/* What waits, handed to `transport`: the first prompt alone, if it has to be handed over anew. */
static json_t *offered(struct store *s, const char *peer_id, int max, const char *transport,
		       enum inbox_what what)
{
	struct first_prompt first;
	first_prompt_find(s, peer_id, &first);
	if (!first.id[0])
		return inbox_offer(s, peer_id, max, transport, what);
	bool now = first.stored && what != INBOX_QUIET;
	json_t *only = json_array(), *message = now ? message_to_json(s, first.id) : NULL;
	if (message && message_offer(s, first.id, transport, NULL, NULL) == 0)
		json_array_append(only, message);
	json_decref(message);
	return only;
}

json_t *deliver_take(struct store *s, const char *peer_id, const struct transport_kind *kind, int max)
{
	if (!transport_is_best(s, peer_id, kind))
		return json_array();
	json_auto_t *messages = offered(s, peer_id, max, kind->name, INBOX_OPENS);
	return rendered(messages);
}

json_t *deliver_pull(struct store *s, const char *peer_id, int max, enum deliver_moment moment)
{
	bool native = transport_any_native(s, peer_id), ends = moment == DELIVER_TURN_ENDS;
	if (native && ends)
		return json_array();
	json_auto_t *messages = offered(s, peer_id, max, "hook",
					native ? INBOX_QUIET
					: ends ? INBOX_OPENS
					       : INBOX_ALL);
	if (json_array_size(messages))
		timer_set(s, "transport.settle", peer_id, store_now(s) + HOOK_SETTLES);
	return rendered(messages);
}

static void tell_held(struct store *s, const char *peer_id, const char *id, const char *reason)
{
	json_t *data = json_pack("{s:s, s:s}", "id", id, "to", peer_id);
	json_set_str(data, "reason", reason);
	event_emit(s, "message.held", id, NULL, data);
}

static int64_t returns(struct store *s, const char *id, const struct transport_kind *kind)
{
	return db_int(
		s, 0,
		"SELECT count(*) FROM delivery WHERE message_id = ? AND step = 'returned' AND transport = ?",
		"ss", id, kind->name);
}

/* What its way will not take would be offered and returned for ever. */
static void give_up(struct store *s, const struct mesh_limits *limits, const char *id, const char *reason)
{
	autofree char *why =
		xasprintf("refused by its session: %.200s", reason ? reason : "no reason was given");
	(void)queue_bury(s, limits, id, why, true); /* it waits, for it has just been returned */
}

/* An earlier doubt was about an earlier time. What comes to an idle peer begins a turn in a moment, or its
 * hook was lost; hooks speak within a turn only, which has been broken off meanwhile. No turn's end may tell
 * of either. */
static void settle_doubt(struct store *s, const char *peer_id, const char *id)
{
	if (db_int(s, 0, "SELECT 1 FROM peer WHERE peer_id = ? AND turn_state = 'idle'", "s", peer_id))
		timer_set(s, doubt_timer, id, store_now(s) + DOUBT_AFTER);
	else
		timer_clear(s, doubt_timer, id);
}

/* An end that speaks of a message while its way is closed may be gone before it opens that anew: the way that
 * is opened next knows nothing of the message (transport.h), whatever was said last. */
static void cut_late_word(struct store *s, const char *peer_id, const struct transport_kind *kind,
			  const char *id)
{
	if (!(kind->flags & TRANSPORT_PUSHES) || transport_attached(s, peer_id, kind))
		return;
	message_record(s, id, "cut", kind->name, "its way was closed when it told of it");
	timer_set(s, "transport.settle", peer_id, store_now(s) + LATE_WORD_SETTLES);
}

int deliver_report(struct store *s, const struct mesh_limits *limits, const char *peer_id,
		   const struct transport_kind *kind, const char *id, enum deliver_outcome outcome,
		   const char *reason, struct error *err)
{
	if (!db_int(s, 0, "SELECT 1 FROM message WHERE id = ? AND to_peer = ?", "ss", id, peer_id))
		return message_not_found(id, err);
	int late = 0; /* a report that comes too late is no error: the ladder knows better already */
	switch (outcome) {
	case DELIVER_SUBMITTED:
		late = message_submit(s, id, kind->name, reason, NULL);
		if (!late)
			settle_doubt(s, peer_id, id);
		break;
	case DELIVER_HELD:
		late = message_offer(s, id, kind->name, reason ? reason : "held by the runtime", NULL);
		if (!late)
			tell_held(s, peer_id, id, reason);
		break;
	case DELIVER_RETURNED:
		late = message_return(s, id, kind->name, reason, NULL);
		if (!late && returns(s, id, kind) >= RETURNS_MAX)
			give_up(s, limits, id, reason);
		break;
	case DELIVER_CONSUMED:
		late = message_consume(s, id, kind->name, reason, NULL);
		break;
	}
	if (!late && (outcome == DELIVER_SUBMITTED || outcome == DELIVER_HELD))
		cut_late_word(s, peer_id, kind, id);
	return 0;
}

void deliver_shown(struct store *s, const char *peer_id, const json_t *ids, const char *transport)
{
	size_t i;
	const json_t *id;
	json_array_foreach(ids, i, id)
	{
		const char *text = json_string_value(id);
		autofree char *by =
			text ? db_text(s,
				       "SELECT coalesce((SELECT transport FROM delivery WHERE"
				       " message_id = id ORDER BY n DESC LIMIT 1), '') FROM message"
				       " WHERE id = ? AND to_peer = ? AND shown > 0 AND " MESSAGE_WAITING,
				       "ss", text, peer_id)
			     : NULL;
		if (by)
			message_took(s, text, *by ? by : transport);
	}
}

struct under_way {
	char id[ID_SIZE];
	bool submitted; /* else offered */
	bool cut;	/* the end that handed it over has gone */
	const struct transport_kind *by;
};

static void read_under_way(struct store *s, const char *id, struct under_way *ret)
{
	autoquery q = db_query(s,
			       "SELECT message.step, delivery.step, transport FROM message JOIN delivery ON"
			       " message_id = id WHERE id = ? ORDER BY n DESC LIMIT 1",
			       "s", id);
	*ret = (struct under_way){0};
	(void)snprintf(ret->id, sizeof(ret->id), "%s", id);
	if (!query_next(&q))
		return;
	ret->submitted = strcmp(query_text(&q, 0), "submitted") == 0;
	ret->cut = strcmp(query_text(&q, 1), "cut") == 0;
	ret->by = transport_find(query_text(&q, 2));
}

/* Calls `each` for the messages of the peer that are offered or submitted. */
static void each_under_way(struct store *s, const char *peer_id,
			   void (*each)(struct store *s, const char *peer_id, const struct under_way *m,
					const char *reason),
			   const char *reason)
{
	json_auto_t *ids = json_array();
	autoquery q = db_query(s,
			       "SELECT id FROM message WHERE to_peer = ? AND step IN ('offered','submitted')"
			       " AND " MESSAGE_WAITING " ORDER BY seq LIMIT ?",
			       "si", peer_id, (int64_t)UNDER_WAY_MAX);
	while (query_next(&q))
		json_array_append_new(ids, json_string(query_text(&q, 0)));
	query_release(&q);
	size_t i;
	const json_t *id;
	json_array_foreach(ids, i, id)
	{
		struct under_way m;
		read_under_way(s, json_string_value(id), &m);
		if (m.by)
			each(s, peer_id, &m, reason);
	}
}

static void lose(struct store *s, const struct under_way *m, const char *reason)
{
	int r = message_lost(s, m->id, m->by->name, reason, NULL);
	(void)r; /* what is under way can wait again */
}

static bool by_hook(const struct under_way *m)
{
	return strcmp(m->by->name, "hook") == 0;
}

static void confirm_pulled(struct store *s, const char *peer_id, const struct under_way *m,
			   const char *reason)
{
	(void)peer_id;
	(void)reason;
	if (by_hook(m) && m->submitted)
		message_took(s, m->id, m->by->name);
}

void deliver_confirm_pulled(struct store *s, const char *peer_id)
{
	each_under_way(s, peer_id, confirm_pulled, NULL);
}

static void lose_unheard(struct store *s, const char *peer_id, const struct under_way *m, const char *reason)
{
	(void)peer_id;
	if (by_hook(m) && !m->submitted)
		lose(s, m, reason);
}

void deliver_unheard(struct store *s, const char *peer_id)
{
	each_under_way(s, peer_id, lose_unheard, "its hook ended before it was heard to pass it on");
}

static void settle(struct store *s, const char *peer_id, const struct under_way *m, const char *reason)
{
	if ((m->by->flags & TRANSPORT_PUSHES) && (m->cut || !transport_attached(s, peer_id, m->by)))
		lose(s, m, reason);
}

void deliver_settle(struct store *s, const char *peer_id, const char *reason)
{
	each_under_way(s, peer_id, settle, reason);
}

static void settle_but_first(struct store *s, const char *peer_id, const struct under_way *m,
			     const char *reason)
{
	if (!(m->by->flags & TRANSPORT_STARTS))
		settle(s, peer_id, m, reason);
}

void deliver_idle(struct store *s, const char *peer_id, const char *reason)
{
	each_under_way(s, peer_id, settle_but_first, reason);
}

static void doubt_one(struct store *s, const char *peer_id, const struct under_way *m, const char *reason)
{
	(void)peer_id;
	(void)reason;
	if ((m->by->flags & TRANSPORT_PUSHES) && m->submitted)
		timer_set(s, doubt_timer, m->id, store_now(s) + DOUBT_AFTER);
}

void deliver_doubt(struct store *s, const char *peer_id)
{
	if (db_int(s, 0, "SELECT hooked FROM peer WHERE peer_id = ?", "s", peer_id))
		each_under_way(s, peer_id, doubt_one, NULL);
}

void deliver_doubted(struct store *s, const char *id)
{
	struct under_way m;
	if (!db_int(s, 0,
		    "SELECT 1 FROM message JOIN peer ON peer_id = to_peer WHERE id = ?1 AND step = "
		    "'submitted'"
		    " AND " MESSAGE_WAITING
		    " AND turn_state = 'idle' AND hooked = 1 AND (SELECT count(*) FROM delivery"
		    " WHERE message_id = ?1 AND reason = ?2) < ?3",
		    "ssi", id, doubt, (int64_t)DOUBTS_MAX))
		return;
	read_under_way(s, id, &m);
	if (m.by && (m.by->flags & TRANSPORT_PUSHES))
		lose(s, &m, doubt);
	else if (m.by && by_hook(&m))
		message_took(s, id, m.by->name);
}

static void lose_submitted(struct store *s, const char *peer_id, const struct under_way *m,
			   const char *reason)
{
	(void)peer_id;
	if ((m->by->flags & TRANSPORT_PUSHES) && m->submitted)
		lose(s, m, reason);
}

void deliver_begun_anew(struct store *s, const char *peer_id)
{
	each_under_way(s, peer_id, lose_submitted, "its session began anew, and it was not seen to be read");
}

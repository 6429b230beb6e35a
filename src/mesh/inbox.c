/* The inbox; see inbox.h.
 *
 * A message can be taken when it waits and no pushing transport has it under way. Once one of a sender's
 * messages cannot be taken, neither can the later ones of that sender (D3); other senders are not held up by
 * it. */
#include "mesh/inbox.h"

#include <stdio.h>
#include <string.h>

#include "mesh/message.h"
#include "mesh/message_internal.h"
#include "mesh/transport.h"
#include "store/timer.h"

enum { SCAN_MAX = 1000 };

static const char reply_timer[] = "reply.rested";

#define REPLY_RESTS (3 * USEC_PER_SEC / 2)

/* What a message that waits is to whoever would take it. */
enum take {
	TAKE_FREE,
	TAKE_OWN,  /* it has it under way already, and hands over in order: later ones may follow */
	TAKE_HELD, /* another has it under way: so wait the later ones of its sender (D3) */
};

/* The current row (columns as in pick) to `by`, a transport that hands over, or to a pull (NULL). What a pull
 * took and nobody confirmed is free for another pull: its proof was lost (D2). */
static enum take how_taken(const struct query *q, const char *by, enum inbox_what what)
{
	const char *step = query_text(q, 1), *transport = query_text(q, 4);
	bool rests = query_int(q, 5) && by && (!message_pulls(by) || what == INBOX_QUIET);
	if (what == INBOX_QUIET && !query_int(q, 6))
		return TAKE_HELD; /* another way's */
	if (strcmp(step, "stored") == 0)
		return rests ? TAKE_HELD : TAKE_FREE;
	if (by && transport && strcmp(transport, by) == 0)
		return TAKE_OWN;
	if (by && !message_pulls(by))
		return TAKE_HELD;
	return strcmp(step, "submitted") == 0 && message_pulls(transport) ? TAKE_FREE : TAKE_HELD;
}

/* The ids of the oldest messages that can be taken, at most `max`. */
static json_t *pick(struct store *s, const char *peer_id, int max, const char *by, enum inbox_what what)
{
	json_t *ids = json_array();
	json_auto_t *held_up = json_object(); /* senders */
	bool opens = what != INBOX_OPENS;
	/* A5: an asker at work may be about to wait for its reply, which is then taken there. */
	autoquery q = db_query(
		s,
		"SELECT id, step, from_peer, from_kind, (SELECT transport FROM delivery"
		" WHERE message_id = id ORDER BY n DESC LIMIT 1), kind = 'reply' AND at > ? AND EXISTS"
		" (SELECT 1 FROM peer WHERE peer_id = to_peer AND turn_state = 'working'), " MESSAGE_QUIET
		" FROM message WHERE to_peer = ? AND " MESSAGE_WAITING " ORDER BY seq LIMIT ?",
		"isi", store_now(s) - REPLY_RESTS, peer_id, (int64_t)SCAN_MAX);
	while (((int)json_array_size(ids) < max || !opens) && query_next(&q)) {
		const char *from = query_text(&q, 2);
		const char *sender = from ? from : query_text(&q, 3);
		if (json_object_get(held_up, sender))
			continue;
		enum take how = how_taken(&q, by, what);
		if (how == TAKE_HELD)
			json_object_set_new(held_up, sender, json_true());
		if (how != TAKE_FREE)
			continue;
		opens = opens || !query_int(&q, 6);
		if ((int)json_array_size(ids) < max)
			json_array_append_new(ids, json_string(query_text(&q, 0)));
	}
	if (!opens)
		(void)json_array_clear(ids);
	return ids;
}

static json_t *inbox_read(struct store *s, const char *peer_id, int max, const char *transport)
{
	int most = max > 0 && max < INBOX_TAKE_MAX ? max : INBOX_TAKE_MAX;
	json_auto_t *ids = pick(s, peer_id, most, NULL, INBOX_ALL);
	json_t *messages = json_array();
	size_t i;
	json_t *id;
	json_array_foreach(ids, i, id)
	{
		/* As it was before this showing: `repeat` is about earlier ones. */
		json_t *message = message_to_json(s, json_string_value(id));
		if (!message)
			continue;
		if (transport && message_submit(s, json_string_value(id), transport, NULL, NULL) == 0)
			json_set_str(message, "step", message_step_name(STEP_SUBMITTED));
		json_array_append_new(messages, message);
	}
	return json_pack("{s:o}", "messages", messages);
}

json_t *inbox_take(struct store *s, const char *peer_id, int max, const char *transport)
{
	return inbox_read(s, peer_id, max, transport);
}

json_t *inbox_peek(struct store *s, const char *peer_id, int max)
{
	return inbox_read(s, peer_id, max, NULL);
}

void inbox_reply_stored(struct store *s, const char *peer_id)
{
	if (transport_any_native(s, peer_id))
		timer_set(s, reply_timer, peer_id, store_now(s) + REPLY_RESTS + USEC_PER_MSEC);
}

json_t *inbox_offer(struct store *s, const char *peer_id, int max, const char *transport,
		    enum inbox_what what)
{
	json_auto_t *ids = pick(s, peer_id, max, transport, what);
	json_t *messages = json_array();
	size_t i;
	json_t *id;
	json_array_foreach(ids, i, id)
	{
		/* As it was before this showing: `repeat` is about earlier ones. */
		json_t *message = message_to_json(s, json_string_value(id));
		/* What was fetched and never confirmed is fetched anew. */
		if (message && strcmp(json_str(message, "step"), "submitted") == 0)
			(void)!message_lost(s, json_string_value(id), "inbox", "it was never confirmed",
					    NULL);
		if (message && message_offer(s, json_string_value(id), transport, NULL, NULL) == 0)
			json_array_append_new(messages, message);
		else
			json_decref(message);
	}
	return messages;
}

int inbox_confirm(struct store *s, const char *peer_id, const json_t *ids, const char *transport,
		  struct error *err)
{
	size_t i;
	json_t *id;
	if (!json_is_array(ids))
		return error_set(err, ERR_INVALID, "the ids to confirm are not a list");
	json_array_foreach(ids, i, id)
	{
		const char *text = json_string_value(id);
		if (!text)
			return error_set(err, ERR_INVALID, "an id to confirm is not a string");
		int64_t shown = db_int(s, -1, "SELECT shown FROM message WHERE id = ? AND to_peer = ?", "ss",
				       text, peer_id);
		if (shown < 0)
			return message_not_found(text, err);
		if (shown == 0)
			return error_set(err, ERR_CONFLICT, "message %s was never taken", text);
	}
	json_array_foreach(ids, i, id)
	{
		/* Taken, so that the ladder allows it; or returned since, which the proof outweighs. */
		int r = message_consume(s, json_string_value(id), transport, NULL, err);
		if (r)
			return r;
	}
	return 0;
}

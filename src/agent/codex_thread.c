/* The messages of one thread of a Codex app server, from their order to the proof that they were read; see
 * codex_rpc.h. */
#include "agent/codex_rpc_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/element.h"
#include "base/json.h"

static void send_free(struct thread *t, struct send *s)
{
	list_remove(&s->link);
	t->n_sends--;
	free(s->text);
	free(s);
}

void thread_free(struct codex_rpc *rpc, struct thread *t)
{
	list_for_each_safe (pos, &t->sends)
		send_free(t, list_entry(pos, struct send, link));
	list_remove(&t->link);
	rpc->n_threads--;
	free(t);
}

struct send *thread_find_send(struct thread *t, const char *id)
{
	list_for_each (pos, &t->sends) {
		struct send *s = list_entry(pos, struct send, link);
		if (strcmp(s->id, id) == 0)
			return s;
	}
	return NULL;
}

static struct send *first_in(struct thread *t, enum send_state state)
{
	list_for_each (pos, &t->sends) {
		struct send *s = list_entry(pos, struct send, link);
		if (s->state == state)
			return s;
	}
	return NULL;
}

int thread_add_send(struct codex_rpc *rpc, struct thread *t, const char *id, const char *text,
		    struct error *err)
{
	if (!rpc_is_id(id))
		return error_set(err, ERR_INVALID, "not a message's id");
	if (strlen(text) > CODEX_TEXT_MAX)
		return error_set(err, ERR_TOO_LARGE, "%s has more than %d bytes", id, CODEX_TEXT_MAX);
	if (thread_find_send(t, id))
		return error_set(err, ERR_EXISTS, "%s is under way already", id);
	if (t->n_sends >= CODEX_UNDER_WAY_MAX)
		return error_set(err, ERR_TOO_LARGE, "%d messages are under way to that session already",
				 CODEX_UNDER_WAY_MAX);
	struct send *s = xcalloc(1, sizeof(*s));
	memcpy(s->id, id, strlen(id) + 1);
	s->text = xstrdup(text);
	list_append(&t->sends, &s->link);
	t->n_sends++;
	thread_advance(rpc, t);
	if (!rpc->failed)
		return 0;
	send_free(t, s);
	return error_set(err, (enum error_code)rpc->failed, "%s could not be sent: the link is ending", id);
}

static void start_turn(struct codex_rpc *rpc, struct thread *t, struct send *s)
{
	s->state = SEND_ASKED;
	s->blind = t->sub != SUB_YES;
	json_t *text = json_lossy_string(s->text, strlen(s->text));
	free(TAKE_PTR(s->text));
	rpc_request(rpc, REQUEST_TURN_START, t, s->id,
		    json_pack("{s:s, s:s, s:[{s:s, s:o}]}", "threadId", t->id, "clientUserMessageId", s->id,
			      "input", "type", "text", "text", text));
}

/* Where no item is told to us, the turns are looked at. */
static void look(struct codex_rpc *rpc, struct thread *t)
{
	if (t->looking)
		return;
	t->looking = true;
	rpc_request(rpc, REQUEST_TURNS_LIST, t, NULL,
		    json_pack("{s:s, s:i, s:s}", "threadId", t->id, "limit", 3, "itemsView", "summary"));
}

static void subscribe(struct codex_rpc *rpc, struct thread *t)
{
	t->sub = SUB_ASKED;
	rpc_request(rpc, REQUEST_RESUME, t, NULL,
		    json_pack("{s:s, s:b}", "threadId", t->id, "excludeTurns", 1));
}

static void unsubscribe(struct codex_rpc *rpc, struct thread *t)
{
	if (t->sub == SUB_YES) {
		t->sub = SUB_LEAVING;
		rpc_request(rpc, REQUEST_UNSUBSCRIBE, t, NULL, json_pack("{s:s}", "threadId", t->id));
	} else if (t->sub == SUB_REFUSED) {
		t->sub = SUB_NONE;
	}
}

/* What comes first into a new thread, which may have been handed over when it was started, shows in an item.
 */
static bool awaits_first(const struct thread *t)
{
	return t->fresh && t->turn != AGENT_TURN_IDLE;
}

/* An idle thread begins a turn with it at once: to ask for its items first would cost the message a fifth
 * more time. That it was read is then shown by a hook, or by the list of turns once this one is over. */
static bool begins_a_turn(struct thread *t)
{
	return t->turn == AGENT_TURN_IDLE && !first_in(t, SEND_ASKED) && !first_in(t, SEND_TAKEN);
}

void thread_advance(struct codex_rpc *rpc, struct thread *t)
{
	struct send *next = first_in(t, SEND_WAITS);
	if (rpc->stopped || t->sub == SUB_ASKED || t->sub == SUB_LEAVING)
		return;
	if (list_empty(&t->sends) && !awaits_first(t))
		unsubscribe(rpc, t);
	else if (t->sub == SUB_NONE && next && begins_a_turn(t))
		start_turn(rpc, t, next);
	else if (t->sub == SUB_NONE && (next || awaits_first(t)))
		subscribe(rpc, t);
	else if (next && !first_in(t, SEND_ASKED) && (t->sub == SUB_YES || !first_in(t, SEND_TAKEN)))
		start_turn(rpc, t, next);
}

static void tell_sent(struct codex_rpc *rpc, const struct thread *t, const char *id, const struct error *err)
{
	if (!rpc->stopped)
		rpc->o.events->sent(rpc->o.data, t->id, id, err);
}

static struct send *first_dropped(struct thread *t)
{
	list_for_each (pos, &t->sends) {
		struct send *s = list_entry(pos, struct send, link);
		if (s->state == SEND_TAKEN && s->turn_over)
			return s;
	}
	return NULL;
}

/* What was taken into a turn that has ended, and was never read, has been dropped: once the thread is idle,
 * no other turn can have taken it over. */
static void give_up(struct codex_rpc *rpc, struct thread *t)
{
	autoerror err = {0};
	struct send *s;
	(void)error_set(&err, ERR_CONFLICT,
			"the turn that it was steered into was interrupted before it was read");
	while ((s = first_dropped(t)) != NULL) {
		struct send dropped = *s;
		send_free(t, s);
		if (!dropped.blind)
			tell_sent(rpc, t, dropped.id, &err);
	}
}

/* Whether there may be an item that was not told. */
static bool unseen(struct thread *t)
{
	return (t->fresh && t->awake) || first_in(t, SEND_TAKEN);
}

void thread_turn(struct codex_rpc *rpc, struct thread *t, enum agent_turn turn)
{
	bool changed = t->turn != turn;
	t->turn = turn;
	t->awake = t->awake || turn != AGENT_TURN_IDLE;
	if (changed && !rpc->stopped)
		rpc->o.events->turn(rpc->o.data, t->id, turn);
	if (turn == AGENT_TURN_IDLE && t->sub == SUB_YES)
		give_up(rpc, t);
	bool untold = t->sub == SUB_NONE || t->sub == SUB_REFUSED;
	if (untold && turn == AGENT_TURN_IDLE && unseen(t))
		look(rpc, t);
	else if (t->sub == SUB_REFUSED && unseen(t))
		subscribe(rpc, t); /* it has a turn now */
	thread_advance(rpc, t);
}

void thread_turn_over(struct codex_rpc *rpc, struct thread *t, const char *turn)
{
	list_for_each (pos, &t->sends) {
		struct send *s = list_entry(pos, struct send, link);
		if (s->state == SEND_TAKEN && strcmp(s->turn, turn) == 0)
			s->turn_over = true;
	}
	if (t->turn == AGENT_TURN_IDLE)
		give_up(rpc, t);
	thread_advance(rpc, t);
}

void thread_shows(struct codex_rpc *rpc, struct thread *t, const char *text, size_t len)
{
	json_auto_t *ids = element_ids(text, len);
	size_t i;
	const json_t *id;
	json_array_foreach(ids, i, id)
	{
		/* Of our own the item says more than its text. */
		if (!rpc->stopped && !thread_find_send(t, json_string_value(id)))
			rpc->o.events->consumed(rpc->o.data, t->id, json_string_value(id));
	}
}

static void consumed(struct codex_rpc *rpc, struct thread *t, struct send *s)
{
	struct send read = *s;
	send_free(t, s);
	if (read.state != SEND_TAKEN) /* its answer comes late, and is not waited for */
		tell_sent(rpc, t, read.id, NULL);
	if (!rpc->stopped)
		rpc->o.events->consumed(rpc->o.data, t->id, read.id);
}

/* Whether it is one of ours that is under way, by the id that it was given. */
static struct send *send_of(struct thread *t, const json_t *item)
{
	const char *client = json_str(item, "clientId");
	struct send *s = client ? thread_find_send(t, client) : NULL;
	return s && s->state != SEND_WAITS ? s : NULL;
}

void thread_said(struct codex_rpc *rpc, struct thread *t, const json_t *item)
{
	const char *type = json_str(item, "type");
	if (!type || strcmp(type, "userMessage") != 0)
		return;
	t->fresh = false;
	struct send *s = send_of(t, item);
	if (s) {
		consumed(rpc, t, s);
	} else {
		size_t i;
		const json_t *part;
		json_array_foreach(json_object_get(item, "content"), i, part)
		{
			const json_t *text = json_object_get(part, "text");
			if (json_is_string(text))
				thread_shows(rpc, t, json_string_value(text), json_string_length(text));
		}
	}
	thread_advance(rpc, t);
}

void thread_resumed(struct codex_rpc *rpc, struct thread *t, bool ok)
{
	if (t->sub != SUB_ASKED)
		return;
	t->sub = ok ? SUB_YES : SUB_REFUSED;
	if (unseen(t) && (ok || t->turn == AGENT_TURN_IDLE))
		look(rpc, t); /* its item may have been told before */
	thread_advance(rpc, t);
}

void thread_left(struct codex_rpc *rpc, struct thread *t)
{
	if (t->sub != SUB_LEAVING)
		return;
	t->sub = SUB_NONE;
	thread_advance(rpc, t);
}

void thread_started(struct codex_rpc *rpc, struct thread *t, const char *id, const json_t *result,
		    const struct error *failure)
{
	struct send *s = thread_find_send(t, id);
	if (!s || s->state != SEND_ASKED)
		return;
	const char *turn = json_str(json_object_get(result, "turn"), "id");
	if (failure) {
		struct send refused = *s;
		send_free(t, s);
		tell_sent(rpc, t, refused.id, failure);
	} else {
		s->state = SEND_TAKEN;
		(void)snprintf(s->turn, sizeof(s->turn), "%s", turn ? turn : "");
		tell_sent(rpc, t, s->id, NULL);
		if (t->sub == SUB_REFUSED && t->turn != AGENT_TURN_IDLE && !rpc->stopped)
			subscribe(rpc, t);
	}
	thread_advance(rpc, t);
}

/* What is known of the message that was sent while no item was told: there is one at most. */
static struct send *blind_one(struct thread *t)
{
	struct send *s = first_in(t, SEND_TAKEN);
	return s && s->blind ? s : NULL;
}

/* A list of the latest turns, each with the message that began it; NULL when there is none to be had. */
void thread_listed(struct codex_rpc *rpc, struct thread *t, const json_t *result)
{
	size_t i, k;
	const json_t *turn, *item;
	bool over = true; /* without a trace of its turn there is nothing to wait for */
	t->looking = false;
	json_array_foreach(json_object_get(result, "data"), i, turn)
	{
		const char *id = json_str(turn, "id"), *status = json_str(turn, "status");
		const struct send *s = blind_one(t);
		if (s && id && strcmp(id, s->turn) == 0)
			over = status && strcmp(status, "inProgress") != 0;
		json_array_foreach(json_object_get(turn, "items"), k, item)
		{
			if (t->fresh || (blind_one(t) && send_of(t, item) == blind_one(t)))
				thread_said(rpc, t, item);
		}
	}
	struct send *s = blind_one(t);
	if (s && over && t->turn == AGENT_TURN_IDLE)
		s->turn_over = true;
	if (t->turn == AGENT_TURN_IDLE)
		give_up(rpc, t);
	thread_advance(rpc, t);
}

void thread_gone(struct codex_rpc *rpc, struct thread *t)
{
	autoerror err = {0};
	struct send *s;
	(void)error_set(&err, ERR_NOT_FOUND, "the session has ended");
	while ((s = first_in(t, SEND_WAITS)) != NULL) {
		struct send waited = *s;
		send_free(t, s);
		tell_sent(rpc, t, waited.id, &err);
	}
}

/* The wake line; see wake.h. */
#include "flow/wake.h"

#include <string.h>

#include "base/alloc.h"
#include "flow/effects.h"
#include "mesh/message.h"
#include "store/timer.h"
#include "term/screen.h"

static const char timer_kind[] = "wake.due";

enum { SOCKET_MAX = 107 }; /* bytes of a Unix socket's path */

/* A native way that is just being opened, or the peer's own next hook, comes first. */
#define WAKE_AFTER (3 * USEC_PER_SEC)

void wake_note_pane(struct store *s, const char *peer_id, const json_t *pane)
{
	const char *socket = json_str(pane, "socket"), *id = json_str(pane, "pane_id");
	json_int_t server = json_int(pane, "server", 0);
	if (!socket || *socket != '/' || strlen(socket) > SOCKET_MAX || !id || !term_pane_id_ok(id) ||
	    server <= 0)
		return;
	json_auto_t *kept = json_pack("{s:s, s:I, s:s}", "socket", socket, "server", server, "pane_id", id);
	(void)db_run(s,
		     "UPDATE session SET pane = ? WHERE peer_id = ? AND kind = 'agent' AND ended_at IS NULL",
		     "js", kept, peer_id);
}

/* When the newest message that waits untaken for the peer, and may open a turn, was stored; 0 when there is
 * none, when it is not idle, or when something else will carry it. */
static usec_t waits_since(struct store *s, const char *peer_id)
{
	return db_int(s, 0,
		      "SELECT max(message.at) FROM peer JOIN message ON message.to_peer = peer.peer_id WHERE"
		      " peer.peer_id = ?1 AND peer.status = 'online' AND peer.hooked = 1 AND peer.turn_state "
		      "= 'idle'"
		      " AND message.step = 'stored' AND message.dead_at IS NULL AND NOT (message.quiet = 1 OR"
		      " (message.quiet = 2 AND peer.do_not_disturb = 1))"
		      " AND NOT EXISTS (SELECT 1 FROM transport WHERE transport.peer_id = ?1)",
		      "s", peer_id);
}

void wake_if_it_waits(struct core *core, const char *peer_id)
{
	if (waits_since(core->store, peer_id))
		timer_set(core->store, timer_kind, peer_id, store_now(core->store) + WAKE_AFTER);
}

void wake_on_event(struct core *core, const struct event *e)
{
	wake_if_it_waits(core, e->subject);
}

/* The pane of a start of ours, or the one that the session's hook named; a new reference, NULL for neither.
 */
static json_t *pane_of(struct store *s, const char *peer_id)
{
	autofree char *text =
		db_text(s,
			"SELECT coalesce((SELECT result FROM spawn WHERE peer_id = ?1 AND state = 'running'"
			" ORDER BY created_at DESC LIMIT 1), (SELECT pane FROM session WHERE peer_id = ?1"
			" AND kind = 'agent' AND ended_at IS NULL ORDER BY session_id DESC LIMIT 1))",
			"s", peer_id);
	return text ? json_loads(text, 0, NULL) : NULL;
}

void wake_on_due(struct core *core, const struct event *e)
{
	struct store *s = core->store;
	const char *peer_id = e->subject;
	usec_t since = waits_since(s, peer_id);
	int64_t tried = db_int(s, 0, "SELECT max(created_at) FROM outbox WHERE kind = ? AND subject = ?",
			       "ss", flow_effects[EFFECT_WAKE].kind.name, peer_id);
	json_t *args = since > tried ? pane_of(s, peer_id) : NULL;
	if (!args)
		return;
	autoquery q =
		db_query(s, "SELECT backend, pid, start_time FROM peer WHERE peer_id = ?", "s", peer_id);
	if (!query_next(&q)) {
		json_decref(args);
		return;
	}
	json_set_str(args, "backend", query_text(&q, 0));
	json_object_set_new(args, "agent", json_integer(query_int(&q, 1)));
	json_object_set_new(args, "agent_start", json_integer(query_int(&q, 2)));
	json_set_str(args, "text", "A message waits for you and comes with this prompt");
	(void)flow_effect_add(core, EFFECT_WAKE, peer_id, peer_id, args);
}

void wake_done(struct core *core, const char *subject, bool ok, const json_t *result)
{
	const char *why =
		json_str(ok ? result : json_object_get(result, "error"), ok ? "outcome" : "message");
	message_note_wake(core->store, subject, why ? why : "unknown");
}

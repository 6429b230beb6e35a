/* Ways into sessions; see transport.h. */
#include "mesh/transport.h"

#include <string.h>

#include "base/alloc.h"
#include "mesh/inbox.h"
#include "mesh/message_internal.h"
#include "store/event.h"
#include "store/timer.h"

/* What it had handed over at its end has begun a turn by then, if it arrived. */
#define TRANSPORT_SETTLES (10 * USEC_PER_SEC)

const struct transport_kind transport_kinds[] = {
	{"claude-inbox", TRANSPORT_PUSHES | TRANSPORT_REPORTS},
	{"codex-link", TRANSPORT_PUSHES | TRANSPORT_REPORTS},
	{"claude-rewake", TRANSPORT_PUSHES | TRANSPORT_REPORTS},
	{"codex-queue", TRANSPORT_PUSHES | TRANSPORT_REPORTS},
	{"launch", TRANSPORT_PUSHES | TRANSPORT_STARTS},
	{"hook", TRANSPORT_PULLS | TRANSPORT_REPORTS},
	{"terminal", TRANSPORT_PUSHES},
	{"inbox", TRANSPORT_PULLS},
	{0},
};

const struct transport_kind *transport_find(const char *name)
{
	for (const struct transport_kind *k = transport_kinds; name && k->name; k++)
		if (strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

/* What `ps` shows: the best open way; without one the hooks, else the inbox that the peer may read. */
static void refresh(struct store *s, const char *peer_id)
{
	const char *best = NULL;
	for (const struct transport_kind *k = transport_kinds; !best && k->name; k++)
		if (transport_attached(s, peer_id, k))
			best = k->name;
	(void)db_run(s,
		     "UPDATE peer SET transport = coalesce(?1, CASE WHEN hooked THEN 'hook' ELSE 'inbox' END)"
		     " WHERE peer_id = ?2",
		     "ss", best, peer_id);
}

static void tell(struct store *s, const char *event, const char *peer_id, const struct transport_kind *kind,
		 const char *reason)
{
	json_t *data = json_pack("{s:s, s:s}", "peer_id", peer_id, "transport", kind->name);
	if (reason)
		json_set_str(data, "reason", reason);
	event_emit(s, event, peer_id, NULL, data);
}

/* What this end has under way it can tell nothing of any more, even if the way is opened anew. */
static void cut(struct store *s, const char *peer_id, const char *name, const char *reason)
{
	json_auto_t *ids = json_array();
	autoquery q =
		db_query(s,
			 "SELECT id FROM message WHERE to_peer = ?1 AND step IN ('offered','submitted')"
			 " AND " MESSAGE_WAITING " AND (SELECT transport FROM delivery WHERE message_id = id"
			 " ORDER BY n DESC LIMIT 1) = ?2 ORDER BY seq",
			 "ss", peer_id, name);
	while (query_next(&q))
		json_array_append_new(ids, json_string(query_text(&q, 0)));
	query_release(&q);
	size_t i;
	const json_t *id;
	json_array_foreach(ids, i, id) message_record(s, json_string_value(id), "cut", name, reason);
	timer_set(s, "transport.settle", peer_id, store_now(s) + TRANSPORT_SETTLES);
}

void transport_attach(struct store *s, const char *peer_id, const struct transport_kind *kind)
{
	if (db_run(s, "INSERT OR IGNORE INTO transport (peer_id, name, attached_at) VALUES (?,?,?)", "ssi",
		   peer_id, kind->name, store_now(s)) < 1)
		return;
	refresh(s, peer_id);
	inbox_reply_stored(s,
			   peer_id); /* one that rests now had no way to rest for when it was stored (A5) */
	tell(s, "transport.attached", peer_id, kind, NULL);
}

void transport_detach(struct store *s, const char *peer_id, const struct transport_kind *kind,
		      const char *reason)
{
	if (db_run(s, "DELETE FROM transport WHERE peer_id = ? AND name = ?", "ss", peer_id, kind->name) < 1)
		return;
	cut(s, peer_id, kind->name, reason);
	refresh(s, peer_id);
	tell(s, "transport.detached", peer_id, kind, reason);
}

void transport_forget(struct store *s, const char *peer_id)
{
	if (db_run(s, "DELETE FROM transport WHERE peer_id = ?", "s", peer_id) > 0)
		refresh(s, peer_id);
}

bool transport_attached(struct store *s, const char *peer_id, const struct transport_kind *kind)
{
	return db_int(s, 0, "SELECT 1 FROM transport WHERE peer_id = ? AND name = ?", "ss", peer_id,
		      kind->name) != 0;
}

bool transport_is_best(struct store *s, const char *peer_id, const struct transport_kind *kind)
{
	for (const struct transport_kind *k = transport_kinds; k < kind; k++)
		if (transport_attached(s, peer_id, k))
			return false;
	return true;
}

bool transport_any_native(struct store *s, const char *peer_id)
{
	return db_int(s, 0, "SELECT 1 FROM transport WHERE peer_id = ? AND name <> 'terminal' LIMIT 1", "s",
		      peer_id) != 0;
}

void transport_reset(struct store *s)
{
	autoquery q = db_query(s, "SELECT peer_id, name FROM transport ORDER BY peer_id, name", "");
	while (query_next(&q))
		cut(s, query_text(&q, 0), query_text(&q, 1), "the daemon was started anew");
	query_release(&q);
	(void)db_run(s,
		     "UPDATE peer SET transport = CASE WHEN hooked THEN 'hook' ELSE 'inbox' END"
		     " WHERE peer_id IN (SELECT peer_id FROM transport)",
		     "");
	(void)db_run(s, "DELETE FROM transport", "");
}

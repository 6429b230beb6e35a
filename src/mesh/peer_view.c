/* Peers as others see them: the JSON of surface.md, and the processes to watch; see peer.h. */
#include <string.h>

#include "base/alloc.h"

#include "mesh/peer.h"

#define COLUMNS                                                                                              \
	"SELECT peer_id, name, circle, role, status, turn_state, backend, path, branch, description,"        \
	" last_seen, pid, transport, live AND backend NOT IN ('script', 'surface') AND status = 'online' "   \
	"AND hooked = 0 AND"                                                                                 \
	" NOT EXISTS (SELECT 1 FROM transport AS t WHERE t.peer_id = peer.peer_id), do_not_disturb,"         \
	" served, turn_failed, sandbox IS NOT NULL FROM peer "

/* "busy" is an online peer within a turn, be it working or waiting for a permission. */
static const char *shown_status(const char *status, const char *turn)
{
	bool busy = strcmp(status, "online") == 0 && turn &&
		    (strcmp(turn, "working") == 0 || strcmp(turn, "awaiting_input") == 0);
	return busy ? "busy" : status;
}

/* Which of it calls for a person. A session that nothing of ours was started with was opened before `coppice
 * setup`; one that has our server only is told by its hooks once it has a turn. */
static void set_note(json_t *json, const struct query *q, bool deaf)
{
	autofree char *failed =
		query_null(q, 16) ? NULL : xasprintf("its last turn failed: %s", query_text(q, 16));
	bool served = query_int(q, 15) != 0;
	json_set_str(json, "note",
		     failed   ? failed
		     : !deaf  ? NULL
		     : served ? "receives from its first turn on"
			      : "restart to receive");
}

static json_t *row_to_json(const struct query *q)
{
	static const char *const texts[] = {"peer_id",	  "name",    "circle", "role",	 NULL,
					    "turn_state", "backend", "path",   "branch", "description"};
	json_t *json = json_object();
	for (int i = 0; i < (int)ARRAY_SIZE(texts); i++) {
		if (texts[i])
			json_set_str(json, texts[i], query_text(q, i));
		else
			json_set_str(json, "status", shown_status(query_text(q, 4), query_text(q, 5)));
	}
	json_set_time(json, "last_seen", query_int(q, 10));
	json_object_set_new(json, "pid", query_null(q, 11) ? json_null() : json_integer(query_int(q, 11)));
	bool deaf = query_int(q, 13) != 0;
	json_set_str(json, "transport", deaf ? NULL : query_text(q, 12));
	set_note(json, q, deaf);
	json_object_set_new(json, "quiet", json_boolean(query_int(q, 14) != 0));
	json_set_str(json, "sandbox", query_int(q, 17) ? "worktree" : NULL);
	return json;
}

json_t *peer_to_json(struct store *s, const char *peer_id)
{
	autoquery q = db_query(s, COLUMNS "WHERE peer_id = ?", "s", peer_id);
	return query_next(&q) ? row_to_json(&q) : NULL;
}

json_t *peer_list(struct store *s, const char *circle, bool all)
{
	json_t *peers = json_array();
	autoquery q =
		all ? db_query(s,
			       COLUMNS "WHERE (?1 IS NULL OR circle = ?1)"
				       " ORDER BY live DESC, status DESC, offline_at DESC, created_at, rowid"
				       " LIMIT ?2",
			       "si", circle, (int64_t)PEER_LIST_MAX)
		    : db_query(s,
			       COLUMNS "WHERE live = 1 AND status = 'online'"
				       " AND role NOT IN ('human', 'service')"
				       " AND (?1 IS NULL OR circle = ?1) ORDER BY created_at, rowid"
				       " LIMIT ?2",
			       "si", circle, (int64_t)PEER_LIST_MAX);
	while (query_next(&q))
		json_array_append_new(peers, row_to_json(&q));
	return json_pack("{s:o}", "peers", peers);
}

void peer_watch_each(struct store *s,
		     void (*each)(const char *peer_id, pid_t pid, uint64_t start_time, void *data),
		     void *data)
{
	autoquery q = db_query(s,
			       "SELECT peer_id, pid, start_time FROM session"
			       " WHERE ended_at IS NULL AND boot_id = ? ORDER BY session_id",
			       "s", store_boot_id(s));
	while (query_next(&q))
		each(query_text(&q, 0), (pid_t)query_int(&q, 1), (uint64_t)query_int(&q, 2), data);
}

/* The outbox; see outbox.h. */
#include "store/outbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/event.h"

void effect_topic(int64_t id, char ret[ID_SIZE])
{
	(void)snprintf(ret, ID_SIZE, "effect:%lld", (long long)id);
}

int64_t effect_add(struct store *s, const struct effect_kind *kind, const char *subject, const char *lane,
		   json_t *args)
{
	(void)db_run(s,
		     "INSERT INTO outbox (kind, repeat, subject, lane, args, state, created_at)"
		     " VALUES (?,?,?,?,?,'pending',?)",
		     "sissji", kind->name, (int64_t)kind->repeat, subject, lane, args, store_now(s));
	json_decref(args);
	return db_last_rowid(s);
}

bool effect_start_next(struct store *s, struct effect *ret)
{
	autoquery q = db_query(s,
			       "SELECT id, kind, subject, lane, args, probe, tries FROM outbox AS o"
			       " WHERE ended_at IS NULL AND state = 'pending' AND (lane IS NULL OR NOT EXISTS"
			       " (SELECT 1 FROM outbox AS p WHERE p.ended_at IS NULL AND p.lane = o.lane"
			       "  AND (p.state = 'started' OR p.id < o.id)))"
			       " ORDER BY id LIMIT 1",
			       "");
	if (!query_next(&q))
		return false;
	*ret = (struct effect){.id = query_int(&q, 0),
			       .kind = query_dup(&q, 1),
			       .subject = query_dup(&q, 2),
			       .lane = query_dup(&q, 3),
			       .args = query_json(&q, 4),
			       .probe = query_int(&q, 5) != 0,
			       .tries = (int)query_int(&q, 6) + 1};
	query_release(&q);
	(void)db_run(s, "UPDATE outbox SET state = 'started', tries = tries + 1 WHERE id = ?", "i", ret->id);
	return true;
}

void effect_release(struct effect *e)
{
	free(e->kind);
	free(e->subject);
	free(e->lane);
	json_decref(e->args);
	*e = (struct effect){0};
}

void effect_finish(struct store *s, int64_t id, bool ok, json_t *result)
{
	(void)db_run(
		s, "UPDATE outbox SET state = ?, result = ?, ended_at = ? WHERE id = ? AND ended_at IS NULL",
		"sjii", ok ? "done" : "failed", result, store_now(s), id);
	json_decref(result);
	char topic[ID_SIZE];
	effect_topic(id, topic);
	store_wake(s, topic);
}

void effect_recover(struct store *s)
{
	(void)db_run(s,
		     "UPDATE outbox SET state = 'pending', probe = CASE WHEN repeat = ? THEN 1 ELSE probe END"
		     " WHERE ended_at IS NULL AND state = 'started' AND repeat <> ?",
		     "ii", (int64_t)EFFECT_PROBE, (int64_t)EFFECT_ONCE);
	autoquery q = db_query(s,
			       "SELECT id, kind, subject FROM outbox"
			       " WHERE ended_at IS NULL AND state = 'started' AND repeat = ? ORDER BY id",
			       "i", (int64_t)EFFECT_ONCE);
	while (query_next(&q)) {
		int64_t id = query_int(&q, 0);
		const char *subject = query_text(&q, 2);
		(void)db_run(s, "UPDATE outbox SET state = 'unknown', ended_at = ? WHERE id = ?", "ii",
			     store_now(s), id);
		event_emit(s, "effect.unknown", subject ? subject : "", NULL,
			   json_pack("{s:I, s:s}", "effect", (json_int_t)id, "kind", query_text(&q, 1)));
		char topic[ID_SIZE];
		effect_topic(id, topic);
		store_wake(s, topic);
	}
}

const char *effect_state(struct store *s, int64_t id, json_t **ret_result)
{
	static const char *const states[] = {"pending", "started", "done", "failed", "unknown"};
	autoquery q = db_query(s, "SELECT state, result FROM outbox WHERE id = ?", "i", id);
	if (!query_next(&q))
		return NULL;
	if (ret_result)
		*ret_result = query_json(&q, 1);
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		if (strcmp(states[i], query_text(&q, 0)) == 0)
			return states[i];
	return NULL;
}

bool effect_withdraw(struct store *s, int64_t id)
{
	return db_run(s, "DELETE FROM outbox WHERE id = ? AND state = 'pending' AND probe = 0", "i", id) > 0;
}

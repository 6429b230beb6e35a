/* See housekeeping.h. */
#include "flow/housekeeping.h"

#include "base/alloc.h"
#include "flow/effects.h"
#include "repo/registry.h"
#include "store/answer.h"
#include "store/event.h"

enum { EVENTS_KEPT = 200000, ROWS_AT_A_TIME = 5000, PURGES_AT_A_TIME = 16 };

#define EFFECTS_KEPT_FOR (7 * USEC_PER_DAY)

static void drop_old_rows(struct core *core)
{
	struct store *s = core->store;
	answer_expire(s);
	(void)db_run(s,
		     "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE id <= (SELECT max(id) FROM "
		     "event) - ?"
		     " ORDER BY id LIMIT ?)",
		     "ii", (int64_t)EVENTS_KEPT, (int64_t)ROWS_AT_A_TIME);
	(void)db_run(s, "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE ended_at < ? LIMIT ?)",
		     "ii", store_now(s) - EFFECTS_KEPT_FOR, (int64_t)ROWS_AT_A_TIME);
}

/* Oldest first; what a fact said `unknown` of is refused by the worker and stays. */
static void order_purges(struct core *core)
{
	struct store *s = core->store;
	autoquery q = db_query(
		s,
		"SELECT trash_id, repo_id, info FROM trash WHERE state = 'kept' AND removed_at < ?"
		" ORDER BY removed_at LIMIT ?",
		"ii", store_now(s) - config_duration(core->config, "trash.keep"), (int64_t)PURGES_AT_A_TIME);
	while (query_next(&q)) {
		const char *id = query_text(&q, 0);
		json_t *args = json_pack("{s:o, s:o, s:b}", "repo", repo_args(s, query_text(&q, 1)), "trash",
					 query_json(&q, 2), "retention", 1);
		trash_set_state(s, id, "purging");
		(void)flow_effect_add(core, EFFECT_TRASH_PURGE, id, id, args);
	}
}

void housekeeping(struct core *core)
{
	drop_old_rows(core);
	order_purges(core);
}

void housekeeping_purged(struct core *core, const char *subject, bool ok, const json_t *result)
{
	trash_set_state(core->store, subject, ok ? "purged" : "held");
	event_emit(core->store, ok ? "trash.purged" : "trash.held", subject, NULL, json_deep_copy(result));
}

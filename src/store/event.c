/* Events; see event.h. */
#include "store/event.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "store/internal.h"

void event_emit(struct store *s, const char *kind, const char *subject, const char *plan_id, json_t *data)
{
	(void)db_run(s, "INSERT INTO event (at, kind, subject, plan_id, data) VALUES (?,?,?,?,?)", "isssj",
		     s->now, kind, subject, plan_id, data);
	ARRAY_GROW(s->events, s->event_count, s->event_cap);
	s->events[s->event_count++] = (struct event){
		.id = db_last_rowid(s),
		.at = s->now,
		.kind = xstrdup(kind),
		.subject = xstrdup(subject),
		.plan_id = plan_id ? xstrdup(plan_id) : NULL,
		.data = data ? data : json_object(),
	};
	store_wake(s, subject);
}

bool event_take(struct store *s, struct event *ret)
{
	if (s->event_seen >= s->event_count)
		return false;
	*ret = s->events[s->event_seen++];
	return true;
}

const struct event *store_events(const struct store *s, size_t *ret_n)
{
	*ret_n = s->event_count;
	return s->events;
}

json_t *event_to_json(const struct event *e)
{
	json_t *json = json_pack("{s:I}", "id", (json_int_t)e->id);
	json_set_time(json, "at", e->at);
	json_set_str(json, "event", e->kind);
	json_set_str(json, "subject", e->subject);
	json_set_str(json, "plan", e->plan_id);
	json_object_set(json, "data", e->data);
	return json;
}

void event_since(struct store *s, int64_t after, const char *plan_id, int limit,
		 void (*each)(const struct event *e, void *data), void *data)
{
	autoquery q = plan_id ? db_query(s,
					 "SELECT id, at, kind, subject, plan_id, data FROM event"
					 " WHERE plan_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
					 "sii", plan_id, after, (int64_t)limit)
			      : db_query(s,
					 "SELECT id, at, kind, subject, plan_id, data FROM event"
					 " WHERE id > ?1 ORDER BY id LIMIT ?2",
					 "ii", after, (int64_t)limit);
	while (query_next(&q)) {
		autofree char *kind = query_dup(&q, 2);
		autofree char *subject = query_dup(&q, 3);
		autofree char *plan = query_dup(&q, 4);
		json_auto_t *body = query_json(&q, 5);
		struct event e = {query_int(&q, 0), query_int(&q, 1), kind, subject, plan, body};
		each(&e, data);
	}
}

int64_t event_last_id(struct store *s)
{
	return db_int(s, 0, "SELECT max(id) FROM event", "");
}

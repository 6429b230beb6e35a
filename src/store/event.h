/* Events: the append-only record of what happened, which `coppice log`, the live views and the
 * reactions of flow/ read. An event is written in the transaction of the change that it tells of. */
#ifndef STORE_EVENT_H
#define STORE_EVENT_H

#include "store/store.h"

struct event {
	int64_t id; /* grows; the SSE id from which a stream resumes */
	usec_t at;
	char *kind;    /* "job.completed" */
	char *subject; /* the id of what it is about; also woken as a topic */
	char *plan_id; /* the plan that it belongs to, or NULL */
	json_t *data;
};

/* Records an event and wakes its subject; takes ownership of `data` (may be NULL). */
void event_emit(struct store *s, const char *kind, const char *subject, const char *plan_id, json_t *data);
/* Takes the next event of this turn that no reaction has seen yet; its pointers stay owned by the store and
 * valid until the turn is undone or the next begins. False when there is none. */
bool event_take(struct store *s, struct event *ret);
/* Events of the committed turn, for live streams: valid until the next store_begin. */
const struct event *store_events(const struct store *s, size_t *ret_n);
/* {"id","at","event","subject","plan","data"}; a new reference. */
json_t *event_to_json(const struct event *e);
/* Calls `each` for the events after `after`, oldest first, at most `limit`; `plan_id` may be NULL for all. */
void event_since(struct store *s, int64_t after, const char *plan_id, int limit,
		 void (*each)(const struct event *e, void *data), void *data);
int64_t event_last_id(struct store *s);

#endif

/* The last way (D5): an idle agent whose hooks call, and into whose session no native way is open, is woken
 * by one short line typed into its terminal; what waits then comes by its hooks. A line is typed at most once
 * for what waits, and after a crash never again: its effect is `once`. */
#ifndef FLOW_WAKE_H
#define FLOW_WAKE_H

#include "flow/core.h"
#include "store/event.h"

/* Reaction to whatever may leave an idle peer with something that waits: the event's subject is the peer. */
void wake_on_event(struct core *core, const struct event *e);
/* The same, of a session that has just begun. */
void wake_if_it_waits(struct core *core, const char *peer_id);
/* The timer: nothing else has come for it meanwhile. */
void wake_on_due(struct core *core, const struct event *e);
/* The end of the effect; the subject is the peer. */
void wake_done(struct core *core, const char *subject, bool ok, const json_t *result);

/* Where a session's terminal is, as its hook tells by its environment: {"socket","server","pane_id"}; what
 * is no such thing is passed over. What may be typed there is decided by looking (term/inject.h). */
void wake_note_pane(struct store *s, const char *peer_id, const json_t *pane);

#endif

/* Durable timers: rows that fire as events. At most one per kind and subject. They run down: when somebody
 * sets the clock while the daemon runs, what is left of each stays as it was. */
#ifndef STORE_TIMER_H
#define STORE_TIMER_H

#include "store/store.h"

/* Sets or moves the timer; when it is due, event `kind` is emitted with `subject`. */
void timer_set(struct store *s, const char *kind, const char *subject, usec_t due_utc);
void timer_clear(struct store *s, const char *kind, const char *subject);
/* The earliest due time, 0 if there is none. */
usec_t timer_next(struct store *s);
/* Fires all that are due by store_now(), at most 256; returns how many. */
int timer_fire(struct store *s);

#endif

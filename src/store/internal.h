/* What the files of store/ share and nobody else includes. */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include <sqlite3.h>

#include "store/event.h"
#include "store/store.h"

struct statement {
	const char *sql; /* the literal's address is the key */
	sqlite3_stmt *stmt;
};

struct store {
	sqlite3 *db;
	const struct os_env *env;
	usec_t now;		     /* fixed at store_begin */
	usec_t offset, saved_offset; /* from the time since boot to UTC: now, and as of the last commit */
	bool in_turn;
	bool failed; /* sticky until the turn ends */

	struct statement *statements; /* open addressing, capacity a power of two */
	size_t statement_count, statement_cap;

	struct event *events; /* of this turn, or of the one just committed */
	size_t event_count, event_cap;
	size_t event_seen; /* reactions have taken this many */

	char **wakes;
	size_t wake_count, wake_cap;

	/* what store_undo() goes back to */
	size_t saved_events, saved_seen, saved_wakes;
};

/* Notes a failed statement: the disk's failures are sticky, anything else is a bug. */
void store_note_failure(struct store *s, int code, const char *sql);
/* At the begin of a turn: where somebody has set the clock, the timers go with it. */
void timer_follow_clock(struct store *s);

#endif

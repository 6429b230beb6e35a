/* What the files of the message modules share and nobody else includes. */
#ifndef MESH_MESSAGE_INTERNAL_H
#define MESH_MESSAGE_INTERNAL_H

#include "mesh/message.h"

/* The condition of the index message_waiting; SQLite uses it only where a query repeats it literally. */
#define MESSAGE_WAITING "step IN ('stored','offered','submitted') AND dead_at IS NULL"

/* Of a row of message: whether it opens no turn (D10). */
#define MESSAGE_QUIET                                                                                        \
	"(quiet = 1 OR (quiet = 2 AND EXISTS (SELECT 1 FROM peer AS d WHERE d.peer_id = message.to_peer AND" \
	" d.do_not_disturb = 1)))"

/* Whether `transport` is one by which recipients fetch: what it took and was not confirmed may be fetched
 * again. A pushing transport, in contrast, may still have the message under way (D4). */
bool message_pulls(const char *transport);
/* Appends a fact to the message's trace; `step` is a ladder's step, "returned" or "dead". */
void message_record(struct store *s, const char *id, const char *step, const char *transport,
		    const char *reason);
/* message_consume for a message that is known to wait. */
void message_took(struct store *s, const char *id, const char *transport);
/* Says that there is no such message. */
int message_not_found(const char *id, struct error *err);

#endif

/* Delivery into agents' sessions: what a native way takes, what becomes of it, and what proves that it was
 * read (D1, D4, D6, D8). The ladder itself is message.h's; which ways are open is transport.h's.
 *
 *	deliver_take	the best open way takes what waits: offered
 *	deliver_report	the way tells what the runtime did with it: submitted, held, or returned
 *	deliver_shown	a hook or the runtime saw it enter the model's turn: consumed
 *	deliver_pull	hooks fetch what no open way will carry: offered; the hook reports when it has
 *			passed it on
 *	deliver_settle	the turn ended: what hooks carried into it was read; what a closed way had
 *			under way waits again
 *	deliver_doubt	and what an open way brought has begun a turn in a moment, or the hook that was to
 *			tell of it was lost
 *
 * All functions run inside a turn. */
#ifndef MESH_DELIVER_H
#define MESH_DELIVER_H

#include <stdbool.h>

#include "base/error.h"
#include "base/json.h"
#include "mesh/limits.h"
#include "mesh/transport.h"
#include "store/store.h"

/* Takes what waits for the peer, at most `max` messages: [{"id","kind","from","from_name","text"}], `text` as
 * the model is to read it (render.h); a new reference. Empty while a better way is open, and while the peer's
 * first prompt has not settled (D8). What opens no turn (D10) comes along with what does. */
json_t *deliver_take(struct store *s, const char *peer_id, const struct transport_kind *kind, int max);

enum deliver_outcome { DELIVER_SUBMITTED, DELIVER_HELD, DELIVER_RETURNED, DELIVER_CONSUMED };

/* False for a name that is none of "submitted", "held", "returned", "consumed". */
bool deliver_outcome_parse(const char *name, enum deliver_outcome *ret);
/* Records what became of a message of this peer's. What the ladder does not allow any more, such as a late
 * "submitted" for what was consumed, changes nothing. What is told while the way is closed counts, and stays
 * what a closed way had under way. What a way returned time after time becomes a dead letter. ERR_NOT_FOUND.
 * Event message.held {id,to,reason}. */
int deliver_report(struct store *s, const struct mesh_limits *limits, const char *peer_id,
		   const struct transport_kind *kind, const char *id, enum deliver_outcome outcome,
		   const char *reason, struct error *err) _warn_unused_;

/* Messages whose elements stood in a prompt of this peer's: consumed, those that are its own and were handed
 * over. `ids`: strings. */
void deliver_shown(struct store *s, const char *peer_id, const json_t *ids, const char *transport);
enum deliver_moment {
	DELIVER_IN_TURN,   /* what it is given is read in this turn */
	DELIVER_TURN_ENDS, /* what it is given makes the turn go on */
};

/* Fetches for a hook what waits: the same array, offered to "hook", which reports "submitted" when it has
 * passed it on to its runtime. While a native way is open only what that way does not take, because it opens
 * no turn: it comes along with this one (D10). */
json_t *deliver_pull(struct store *s, const char *peer_id, int max, enum deliver_moment moment);
/* A later hook of the session called: what hooks have passed on before was read. */
void deliver_confirm_pulled(struct store *s, const char *peer_id);
/* No earlier hook runs any more: what they got and were not heard to pass on waits again. A hook that is
 * ended has said nothing to its model. */
void deliver_unheard(struct store *s, const char *peer_id);
/* The session of the process was exchanged for another: what its runtime took and was not seen to be read
 * waits again. */
void deliver_begun_anew(struct store *s, const char *peer_id);
/* The peer is idle: what its runtime took by now begins a turn, and the hook of its prompt tells that it was
 * read. If the peer is idle still after a while that hook was lost: the message waits again, as a repeat
 * (D2), a few times at most, for without hooks there is no proof at all. What a hook itself had
 * passed on was read with the turn that is over. By timers, each with deliver_doubted. */
void deliver_doubt(struct store *s, const char *peer_id);
void deliver_doubted(struct store *s, const char *id);
/* The peer's turn ended, or its session did: what a way that is closed now had under way waits again. */
void deliver_settle(struct store *s, const char *peer_id, const char *reason);
/* The same by the runtime's own word that the session is idle: not what stands in its command line, for a
 * session is idle also before it begins with that (D8). */
void deliver_idle(struct store *s, const char *peer_id, const char *reason);

#endif

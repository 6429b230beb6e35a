/* The governor (D11): peers may set each other off only so far, and so fast.
 *
 *	hops    how far a message is from the word of who may say that it goes on: one more than what
 *	        its sender has read in the turn that it is in (a peer without turns: than what it read
 *	        last), or than the ask that it names, whichever is more. A reply is one more than its ask.
 *	        What people, services, orchestrators and Coppice say is at 0, a notice of Coppice about a
 *	        message where that message is
 *	pair    messages from one peer to another within a minute
 *	circle  messages from the peers of a circle within an hour
 *
 * Only new asks and notifies are governed, and only those from a peer to a peer: replies always go (A2), and
 * a person can always be told. What is over a limit is held: stored, out of its recipient's queue and
 * therefore outside of its order, among the dead letters with `held` set. The sender learns it in its answer;
 * the recipient by a notice that opens no turn, and who can let it go (the circle's orchestrators, without
 * one the human) by another, once for what is held between two (of a circle's limit, once for the circle) and
 * not again within the hour. What is over a rate enters the queue by itself, in order, as soon as the rate
 * allows (a timer); what is too many hops away waits for dead_retry, which takes it back to 0.
 *
 * All functions run inside a turn. Events, subject the message:
 *	governor.held    {id,from,to,limit,reason}
 *	governor.let_go  {id,from,to,by}
 * and message.waits for the recipient of what was let go. */
#ifndef MESH_GOVERNOR_H
#define MESH_GOVERNOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "mesh/identity.h"
#include "mesh/limits.h"
#include "mesh/peer.h"
#include "store/store.h"

enum hold {
	HOLD_NONE = 0,
	HOLD_HOPS,
	HOLD_PAIR,
	HOLD_CIRCLE,
	HOLD_MAX_,
};

/* The key of the configuration, without its section: "hops", "pair_per_minute", "circle_per_hour". */
const char *hold_name(enum hold hold);

/* What is to become of a new message; a value without pointers. */
struct verdict {
	int64_t hops;
	char circle[PEER_CIRCLE_SIZE]; /* that it counts for; "" when it is not governed */
	int64_t nth;		       /* of that circle, if it goes */
	enum hold held;
	char reason[384]; /* why, "" when it is not held */
	usec_t due;	  /* of a rate: when it may allow it */
};

/* Weighs a new ask or notify; `about` is the ask that it follows up, or NULL. ERR_TOO_LARGE: as many as
 * delivery.queue_length are held for the recipient, and no more are kept. */
int governor_weigh(struct store *s, const struct mesh_limits *limits, const struct caller *from,
		   const struct peer_ref *to, const char *about, struct verdict *ret,
		   struct error *err) _warn_unused_;
/* The hops of a message that is not governed; `from` NULL is Coppice. */
int64_t governor_hops(struct store *s, const struct caller *from, const char *about);
/* After a held message was stored: records it, tells who is to be told, sets the timer. */
void governor_hold(struct store *s, const struct mesh_limits *limits, const char *id,
		   const struct caller *from, const char *to, const struct verdict *verdict);
/* Adds "held" (hold_name) and "reason" to the answer for the sender, if it is held. */
void governor_tell_sender(const struct verdict *verdict, json_t *answer);

/* The runtime of the peer took, or showed, a message that is so many hops away. */
void governor_read(struct store *s, const char *peer_id, int64_t hops);

/* Whether it is held. */
bool governor_holds(struct store *s, const char *id);
/* Puts a held message into its recipient's queue, at its end; false if it is not held. `by` is who lets it
 * go, NULL for the rate. Whether there is room is the caller's business. */
bool governor_let_go(struct store *s, const char *id, const struct caller *by);
/* Its ask ends, or its recipient is gone: what becomes of a waiting message becomes of it. */
void governor_forget(struct store *s, const char *id);
void governor_peer_gone(struct store *s, const char *peer_id);
/* The timer "governor.expire", subject the message: held for as long as messages are kept, it becomes a dead
 * letter (D7). */
void governor_expire(struct store *s, const struct mesh_limits *limits, const char *id);
/* The timer "governor.due", subject "FROM>TO": lets go what the rates allow by now. */
void governor_due(struct store *s, const struct mesh_limits *limits, const char *pair);

#endif

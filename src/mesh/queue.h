/* What becomes of messages that nobody takes (D7): limits of age and count per recipient, and the dead
 * letters. A dead letter stays whole, with its reason, until it is retried or dropped; its sender is told by
 * a system message. Beyond the count, the oldest message that is not an ask falls out; a new message for a
 * queue full of asks is refused.
 *
 * One timer per recipient, kind "message.expire", subject the recipient's peer_id: mesh_react calls
 * queue_expire. */
#ifndef MESH_QUEUE_H
#define MESH_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "mesh/limits.h"
#include "mesh/message.h"
#include "store/store.h"

enum { DEAD_LIST_MAX = 200 };

/* Makes room for one more message for `peer_id`; ERR_TOO_LARGE if there is none to make. Replies and system
 * notices are always let in. */
int queue_admit(struct store *s, const struct mesh_limits *limits, const char *peer_id,
		enum message_kind kind, struct error *err) _warn_unused_;
/* Sets the recipient's timer after a message was stored. */
void queue_arm(struct store *s, const struct mesh_limits *limits, const char *peer_id);
/* Moves a waiting message to the dead letters; `tell` stores a notice for its sender. False if it does not
 * wait. */
bool queue_bury(struct store *s, const struct mesh_limits *limits, const char *id, const char *reason,
		bool tell);
/* Buries what is older than the limit, and sets the timer for the next. Returns how many. */
int queue_expire(struct store *s, const struct mesh_limits *limits, const char *peer_id);
/* Buries all that waits for a peer that is gone for good. */
int queue_peer_gone(struct store *s, const struct mesh_limits *limits, const char *peer_id,
		    const char *reason);

/* {"messages":[… the inbox's shape with "reason", "dead_at" and "held"]}, newest first, of or for `peer_id`
 * (NULL: all). "held" is the limit (hold_name) of what the governor holds, which is no dead letter yet and is
 * not listed for its recipient; else null. */
json_t *dead_list(struct store *s, const char *peer_id);
/* Puts a dead letter back into the queue, its age counted anew; what is held goes on by this, also an ask.
 * ERR_NOT_FOUND; ERR_CONFLICT (its ask has ended); ERR_REFUSED (R4); ERR_TOO_LARGE. ERR_FORBIDDEN: `by` must
 * be its sender or the human, of what is held an orchestrator, a service or the human. */
int dead_retry(struct store *s, const struct mesh_limits *limits, const struct caller *by, const char *id,
	       struct error *err) _warn_unused_;
/* Takes it off the list; its trace stays. Sender, recipient or human; of what is held, its sender or who may
 * let it go: its ask ends as undeliverable, and whoever else sent it is told. */
int dead_drop(struct store *s, const struct mesh_limits *limits, const struct caller *by, const char *id,
	      struct error *err) _warn_unused_;

#endif

/* The inbox of a peer, read in two phases (D2): what is taken is `submitted`, and becomes `consumed` only
 * when the reader confirms it. A reader that dies in between loses nothing: the next one is shown the same
 * messages again, marked as a repeat. */
#ifndef MESH_INBOX_H
#define MESH_INBOX_H

#include <stdbool.h>

#include "base/error.h"
#include "base/json.h"
#include "store/store.h"

enum { INBOX_TAKE_MAX = 50 }; /* messages in one answer */

/* Takes the oldest waiting messages, at most `max` (and INBOX_TAKE_MAX), in order. Those that another
 * transport has under way, and what the same sender sent after them, are left out (D3, D4). `transport` is
 * "inbox", or "hook" where a hook pulls. A new reference:
 * {"messages":[{"id","kind","from","to","text","at","step","repeat"}]} in the shape of message_to_json. */
json_t *inbox_take(struct store *s, const char *peer_id, int max, const char *transport);
/* What opens no turn by itself (D10), receipts and notifies to a peer that is marked do-not-disturb, comes
 * along with what does, or in a turn that is there. */
enum inbox_what {
	INBOX_ALL = 0,
	INBOX_OPENS, /* nothing, unless something that opens a turn is among it */
	INBOX_QUIET, /* only what opens none, as far as it is its turn (D3) */
};

/* For a transport that pushes, or a hook: takes the oldest messages that can be handed over now, at most
 * `max`, in order, and marks them offered. What it has under way already does not hold up what comes after
 * it, for it hands over in order. A new reference: an array in the same shape. */
json_t *inbox_offer(struct store *s, const char *peer_id, int max, const char *transport,
		    enum inbox_what what);
/* A reply was stored: to a peer at work it is not pushed at once, for its asker may be about to wait for it
 * (A5). The timer "reply.rested", subject the peer, wakes those who push. */
void inbox_reply_stored(struct store *s, const char *peer_id);
/* The same messages without taking them: nothing is recorded. */
json_t *inbox_peek(struct store *s, const char *peer_id, int max);
/* Confirms messages that were taken: `ids` is a JSON array of strings. Confirming twice is fine. Nothing
 * changes when one of them is not a message of this peer (ERR_NOT_FOUND) or was never taken (ERR_CONFLICT).
 */
int inbox_confirm(struct store *s, const char *peer_id, const json_t *ids, const char *transport,
		  struct error *err) _warn_unused_;

#endif

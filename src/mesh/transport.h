/* The ways into a peer's session (D4): which are open now, and which of them a message takes.
 *
 * A way is open while its end is held: the connection by which `coppice mcp` takes messages, the link to a
 * runtime's control socket. Hooks have no end to hold; they are there once one has called. The best open way
 * takes the messages; the others stand by. Rows live as long as the daemon: it holds the ends.
 *
 * All functions run inside a turn. Events, subject the peer's id (so that who stands by is woken):
 *	transport.attached {peer_id,transport}
 *	transport.detached {peer_id,transport,reason} */
#ifndef MESH_TRANSPORT_H
#define MESH_TRANSPORT_H

#include <stdbool.h>

#include "base/error.h"
#include "base/json.h"
#include "store/store.h"

enum transport_flags {
	TRANSPORT_PUSHES = 1 << 0,  /* hands over on its own account: what it has under way is its own (D4) */
	TRANSPORT_PULLS = 1 << 1,   /* the recipient fetches: what it took and did not confirm may be fetched
				       again */
	TRANSPORT_STARTS = 1 << 3,  /* stands in the command line: under way until the session has begun */
	TRANSPORT_REPORTS = 1 << 2, /* whoever hands over tells what became of it (delivery_report) */
};

struct transport_kind {
	const char *name; /* as in traces and in `ps --json` */
	unsigned flags;
};

/* By rank, the best first; ends with a NULL name. */
extern const struct transport_kind transport_kinds[];

/* NULL for a name that is none. */
const struct transport_kind *transport_find(const char *name);

/* Opens or closes a way; both may be repeated. What a closed one had under way stays so, and is marked in its
 * trace ("cut"): the way that is opened next is another one, and knows nothing of it. */
void transport_attach(struct store *s, const char *peer_id, const struct transport_kind *kind);
void transport_detach(struct store *s, const char *peer_id, const struct transport_kind *kind,
		      const char *reason);
/* Closes all of them, without a word: the peer is gone, and what was under way is settled with it. */
void transport_forget(struct store *s, const char *peer_id);
bool transport_attached(struct store *s, const char *peer_id, const struct transport_kind *kind);
/* Whether `kind` is to take the peer's messages now: no better way is open. */
bool transport_is_best(struct store *s, const char *peer_id, const struct transport_kind *kind);
/* Whether a pushing way other than the terminal is open. */
bool transport_any_native(struct store *s, const char *peer_id);
/* At the daemon's start: all ends are gone. */
void transport_reset(struct store *s);

#endif

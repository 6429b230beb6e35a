/* Ways that are a command of the runtime's (agent.h, the queue): what waits for a session is handed over by
 * running it, one message at a time. The way is open from the session's hook that names it until the session
 * ends. A run whose outcome a crash took is not repeated: the session's own hook tells whether it arrived. */
#ifndef FLOW_HANDOVER_H
#define FLOW_HANDOVER_H

#include "flow/core.h"
#include "mesh/peer.h"
#include "store/event.h"

/* The session says that its runtime's command reaches it. */
void handover_open(struct core *core, const struct peer_ref *peer);
/* Reaction to whatever may leave a peer with something that waits: the event's subject is the peer. */
void handover_on_event(struct core *core, const struct event *e);
/* Reaction to a dead letter, the event's subject: what was not begun is not handed over any more. */
void handover_on_dead(struct core *core, const struct event *e);
/* The end of the effect; the subject is the message. */
void handover_done(struct core *core, const char *subject, bool ok, const json_t *result);

#endif

/* What the mesh does when something happened: flow/ passes it every event that event_take() yields.
 *
 *	peer.offline       its open asks end as undeliverable (A2), unless a reboot took it: then it
 *	                   has the queue's age to come back; gone for good, its messages become
 *	                   dead letters (D7)
 *	peer.gone          (timer) that time is over
 *	peer.quiet         what waits for it untaken says in its trace why
 *	message.expire     (timer) waiting messages that are too old become dead letters
 *	governor.expire    (timer) what was held for that long becomes a dead letter
 *	governor.due       (timer) messages that a rate held go on, as far as it allows
 *	message.dead       the ask that the message carried ends as undeliverable
 *	ask.expire         (timer) the ask ends as expired */
#ifndef MESH_REACT_H
#define MESH_REACT_H

#include <stdbool.h>

#include "mesh/limits.h"
#include "store/event.h"
#include "store/store.h"

/* False if the event is none of the mesh's business. */
bool mesh_react(struct store *s, const struct mesh_limits *limits, const struct event *e);

#endif

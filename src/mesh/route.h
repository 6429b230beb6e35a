/* From a name to the one peer that it means (R1 to R5). Never guesses.
 *
 * A name is a peer_id, `circle:name`, or a plain name. A plain name means the peers of the sender's circle
 * and those whose role bypasses circles (mesh/role.h); a sender whose role bypasses circles means all. An
 * explicit circle means the peers of that circle only. Live peers are meant before those that went recently
 * (D7). */
#ifndef MESH_ROUTE_H
#define MESH_ROUTE_H

#include "mesh/identity.h"
#include "mesh/limits.h"
#include "mesh/peer.h"
#include "store/store.h"

/* `circle` may be NULL. Errors, before anything is stored:
 *   ERR_NO_PEER     nobody by that name; details.near [{name,circle,peer_id,status}]
 *   ERR_AMBIGUOUS   several; details.candidates [{peer_id,name,circle,repo,path,status}]
 *   ERR_FORBIDDEN   another circle while circles are enforced (R5)
 *   ERR_REFUSED     it cannot take input (R4)
 *   ERR_INVALID     no name at all, or a circle that contradicts `circle:name` */
int route_resolve(struct store *s, const struct mesh_limits *limits, const struct caller *from,
		  const char *name, const char *circle, struct peer_ref *ret,
		  struct error *err) _warn_unused_;
/* The same for looking only (show, kill, attach): circles are scope, not authorization, and a peer that
 * takes no input is found too. Without a live one, a single offline one by that name is found. */
int route_find(struct store *s, const struct caller *from, const char *name, const char *circle,
	       struct peer_ref *ret, struct error *err) _warn_unused_;
/* R5: whether `from` may reach the peers of `circle`; ERR_FORBIDDEN. */
int route_may_cross(const struct mesh_limits *limits, const struct caller *from, const char *circle,
		    struct error *err) _warn_unused_;

#endif

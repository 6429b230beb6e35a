/* What a started peer may write (S5), and that confinement never widens (S7), neither by whom it starts nor by
 * what it commits: from the books and the configuration, in the form of os/sandbox.h. It goes with the start,
 * and is kept as peer.sandbox. */
#ifndef FLOW_CONFINE_H
#define FLOW_CONFINE_H

#include "flow/spawn.h"

/* The places of a start; NULL when it is not confined: neither the order nor its profile wants it, and
 * whoever ordered it is free. A new reference. ERR_REFUSED where it is to start elsewhere than in a worktree,
 * ERR_UNSUPPORTED where the kernel cannot. */
int confine_make(struct core *core, const struct spawn_order *order, const char *spawn_id, json_t **ret,
		 struct error *err) _warn_unused_;
/* The same for the gates of a repository: NULL, unless a confined peer has worked in it, for what that wrote
 * may be on any branch by now. The gate's worktree is still to be added (repo/land_build.h). A new reference.
 */
json_t *confine_gate(struct core *core, const char *repo_id);
/* Adds what the backend needs: lists of the same names, and what lies over what; NULL adds nothing. */
void confine_add(json_t *spec, const json_t *places);
/* What a confined peer may write, a JSON array; NULL when it is free. A new reference. */
json_t *confine_writable(struct store *s, const char *peer_id);
/* What the peer's last start was kept from writing, by the words of what it printed: a sentence with the key
 * that would allow it. NULL when the peer is free, or nothing such is found. Caller frees. */
char *confine_denied(struct store *s, const char *peer_id, const char *text);

#endif

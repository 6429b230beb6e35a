/* What the files of the peer module share and nobody else includes. */
#ifndef MESH_PEER_INTERNAL_H
#define MESH_PEER_INTERNAL_H

#include "mesh/peer.h"

/* Refuses what a spec may not say, whoever says it. */
int peer_spec_check(const struct peer_spec *spec, struct error *err) _warn_unused_;
/* Writes a new live peer that is offline; `spec` was checked. */
int peer_insert(struct store *s, const struct peer_spec *spec, const char *parent, struct peer_ref *ret,
		struct error *err) _warn_unused_;
/* Emits an event about `peer`, in its plan; takes ownership of `data` and adds peer_id, name and circle. */
void peer_event(struct store *s, const char *kind, const struct peer_ref *peer, json_t *data);
/* Makes the row's process the agent's, else the terminal's, else none. */
void peer_refresh_process(struct store *s, const char *peer_id);
int peer_not_found(const char *peer_id, struct error *err);

#endif

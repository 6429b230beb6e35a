/* Display names (I6): the branch, else the folder, with a suffix ~2, ~3 only while another live peer of the
 * same circle holds the name. A name can hold neither '~' (the suffix) nor ':' (circle:name); no git
 * ref can hold them either. */
#ifndef MESH_NAME_H
#define MESH_NAME_H

#include "base/error.h"
#include "mesh/peer.h"
#include "store/store.h"

/* A name that somebody wishes: 1 to PEER_NAME_MAX bytes of UTF-8 without blanks, control bytes, ':' or '~',
 * and no leading '-'. ERR_INVALID. */
int peer_name_check(const char *name, struct error *err) _warn_unused_;
/* The default: `branch`, else the last component of `path`, else `backend`, with what a name cannot hold
 * replaced by '-'. Any may be NULL. */
void peer_name_default(const char *branch, const char *path, const char *backend, char ret[PEER_NAME_SIZE]);
/* `wish`, or it with the first free suffix, among the live peers of `circle` other than `peer_id` (may be
 * NULL). A suffix that `wish` already has is kept if it can be. */
void peer_name_allocate(struct store *s, const char *circle, const char *wish, const char *peer_id,
			char ret[PEER_NAME_SIZE]);

#endif

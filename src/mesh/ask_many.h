/* One question to many (A6): a parent with an ask for each target. Targets that are named twice are asked
 * once; one that cannot be asked does not stop the others. All of it is rows. */
#ifndef MESH_ASK_MANY_H
#define MESH_ASK_MANY_H

#include "mesh/ask.h"

enum { ASK_MANY_MAX = 100 }; /* targets */

/* `names`: an array of strings. `ret`, a new reference:
 * {"parent_id","asks":[{"peer_name","to","correlation_id", "error"}]}, each with an ask or the reason why
 * not. ERR_INVALID (text, nobody named), ERR_TOO_LARGE. */
int ask_many(struct store *s, const struct mesh_limits *limits, const struct caller *from,
	     const json_t *names, const char *circle, const char *text, json_t **ret,
	     struct error *err) _warn_unused_;
/* {"parent_id","text","open","asks":[{"peer_name","to","correlation_id","state","reply","reason"}]}, `state`
 * "refused" for those that could not be asked. Replies that are shown here are taken in place of injected
 * ones, as by a wait. ERR_NOT_FOUND; ERR_FORBIDDEN: only the asker or the human may look. */
int ask_many_result(struct store *s, const struct caller *by, const char *parent_id, json_t **ret,
		    struct error *err) _warn_unused_;

#endif

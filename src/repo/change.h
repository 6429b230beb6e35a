/* Changes: branches offered for landing, and the train they form per target (L1 to L4).
 *
 *	queued → building → testing → landed
 *	   └→ ready (nothing vouches for it)   └→ ejected, with all that need it;   blocked: a person must act
 *
 * First form: serial. One change per target is built at a time, on the target as it then is; a target that
 * has moved sends it back to queued (L2). All functions run inside a turn. */
#ifndef REPO_CHANGE_H
#define REPO_CHANGE_H

#include <stdbool.h>

#include "base/error.h"
#include "base/id.h"
#include "store/store.h"

struct change_spec {
	const char *repo_id;
	const char *plan_id; /* or NULL */
	const char *branch;
	const char *target;
	const char *how;	 /* squash | rebase | merge */
	const char *base_commit; /* recorded fork point, or NULL */
	const json_t *gate;	 /* list of commands; [] for `none`; NULL when not configured */
	int gate_tries;
	bool approved;		  /* a person asked for it: lands without a gate, and says so (L4) */
	const char *const *needs; /* branches, NULL-terminated; may be NULL */
};

/* Adds a change to its train: queued, or ready when nothing vouches for it. An older open change of the
 * same branch and target: a `ready` one is taken up again, any other is ERR_EXISTS. */
int change_add(struct store *s, const struct change_spec *spec, char ret_id[ID_SIZE],
	       struct error *err) _warn_unused_;

struct change {
	char id[ID_SIZE];
	char repo_id[ID_SIZE];
	char plan_id[ID_SIZE];
	char *branch, *target, *how, *state, *base_commit, *reason;
	json_t *gate;
	int gate_tries;
	json_t *built; /* what repo_land_build answered; JSON null before */
};

#define autochange _cleanup_(change_release) struct change

void change_release(struct change *c);
bool change_get(struct store *s, const char *change_id, struct change *ret);
/* The first queued change of the train whose needs have all landed, unless one is being built. */
bool change_next(struct store *s, const char *repo_id, const char *target, struct change *ret);
void change_set_state(struct store *s, const char *change_id, const char *state, const char *reason);
/* Keeps what was built and its gate runs. */
void change_built(struct store *s, const char *change_id, const json_t *built);
/* Final: landed as `commit` (NULL: there was nothing to land, which `reason` says). */
void change_landed(struct store *s, const char *change_id, const char *commit, const char *reason);
/* Final: ejects it and, with the reason, every change that needs it (L1). */
void change_eject(struct store *s, const char *change_id, const char *reason);
/* Ejects the open changes that need `branch`, which will never come. */
void change_eject_dependants(struct store *s, const char *repo_id, const char *plan_id, const char *branch,
			     const char *target, const char *reason);
/* {"target","changes":[…]} of one train: open ones first come, then the last 50 that ended; plan may be NULL.
 */
json_t *change_train_json(struct store *s, const char *repo_id, const char *target, const char *plan_id);
/* One change as in surface.md; a new reference. */
json_t *change_to_json(struct store *s, const char *change_id);

#endif

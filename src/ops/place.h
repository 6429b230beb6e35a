/* What the operations on repositories share: the repository that a folder is in, and the worktree of a
 * branch, by hand made or ours. */
#ifndef OPS_PLACE_H
#define OPS_PLACE_H

#include "ops/op.h"
#include "repo/registry.h"

struct place {
	char repo_id[ID_SIZE];
	const char *main; /* these three point into `described` */
	const char *name;
	const char *head_branch;     /* checked out in the main worktree, or NULL */
	const json_t *described;     /* borrowed from the call */
	const struct config *config; /* with the repository's own file */
	struct config *own_config;   /* what of it is to be freed */
};

#define autoplace _cleanup_(place_release) struct place

void place_release(struct place *place);
/* The repository that the worker's answer describes, registered. */
int place_open(struct op_call *call, struct place *ret, struct error *err) _warn_unused_;

/* First run: has a worker look at parameter "dir" (and at `branches`, borrowed, may be NULL): OP_PARKED.
 * Second run: 0, the repository registered. */
int place_find(struct op_call *call, const json_t *branches, struct place *ret, struct error *err);
/* The live worktree of a branch; one that was made by hand is taken over. ERR_NOT_FOUND; ERR_REFUSED for the
 * main one. */
int place_worktree(struct op_call *call, const struct place *place, const char *branch, struct worktree *ret,
		   struct error *err) _warn_unused_;
/* Forgets the worktree of a branch whose folder and registration are both gone from the disk. ERR_CONFLICT
 * when only the folder is: git still holds its place. */
int place_check_gone(struct op_call *call, const struct place *place, const char *branch,
		     struct error *err) _warn_unused_;
/* The target branch: the parameter, else worktrees.target, else what the main worktree has checked out. */
const char *place_target(const struct op_call *call, const struct place *place, const char *param);
/* S2: an agent may start only configured backends below allowed paths; a person's word is permission. */
int place_check_spawn(const struct op_call *call, const char *backend, const char *path,
		      struct error *err) _warn_unused_;

#define PLACE_DIR_PARAM                                                                                      \
	{                                                                                                    \
		"dir", OP_TEXT, OP_REQUIRED, "a folder in the repository", 4096, 0                           \
	}

#endif

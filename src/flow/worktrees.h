/* Worktrees as the core drives them: rows announced, a worker sent, the row settled by its answer. */
#ifndef FLOW_WORKTREES_H
#define FLOW_WORKTREES_H

#include "flow/core.h"
#include "repo/registry.h"
#include "store/event.h"

struct worktree_order {
	const char *repo_id;
	const char *repo_main; /* the main worktree's folder, NULL if bare */
	const char *repo_name;
	const char *branch;
	const char *base;     /* a revision; NULL: the worker's default */
	const char *path;     /* NULL: by worktrees.path */
	const json_t *sparse; /* patterns, or NULL */
	const char *peer_id;  /* or NULL */
	const char *plan_id;  /* or NULL */
};

/* Announces the worktree and orders its creation; the effect's id goes to `ret_effect`. */
int worktrees_create(struct core *core, const struct worktree_order *order, char ret_id[ID_SIZE],
		     int64_t *ret_effect, struct error *err) _warn_unused_;

struct removal_order {
	const char *worktree_id;
	const char *target;  /* what `landed` is measured against */
	const json_t *waive; /* facts, or NULL */
	bool delete_branch;
	bool leaving; /* its processes were told to end: they are given a while to */
};

/* Orders a removal by facts (W4); the worktree must be live. Returns the effect's id. */
int64_t worktrees_remove(struct core *core, const struct removal_order *order);
/* Orders the return of a trash entry. */
int64_t worktrees_restore(struct core *core, const char *repo_id, const char *trash_id, const json_t *trash);

/* Reaction to peer.registered and peer.offline: the worktree in which the peer works is locked while it does
 * (W2). */
void worktrees_on_peer(struct core *core, const struct event *e);
void worktrees_in_use_done(struct core *core, const char *subject, bool ok, const json_t *result);

/* Ends of those effects. The subject of a restoration is the trash entry, of the others the worktree. */
void worktrees_created(struct core *core, const char *subject, bool ok, const json_t *result);
void worktrees_removed(struct core *core, const char *subject, bool ok, const json_t *result);
void worktrees_restored(struct core *core, const char *subject, bool ok, const json_t *result);

#endif

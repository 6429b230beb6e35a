/* Repositories, worktrees and branch owners as rows: what the daemon knows of them. The files on disk
 * are the workers' business (create.h, remove.h, …). All functions run inside a turn. */
#ifndef REPO_REGISTRY_H
#define REPO_REGISTRY_H

#include <stdbool.h>

#include "base/error.h"
#include "base/id.h"
#include "store/store.h"

/* The id of a repository, registered on first sight by its common folder (an answer of repo_describe). */
void repo_register(struct store *s, const json_t *described, char ret_id[ID_SIZE]);
/* {"common_dir","main"} for the workers; a new reference, NULL for an unknown id. */
json_t *repo_args(struct store *s, const char *repo_id);

struct worktree {
	char id[ID_SIZE];
	char repo_id[ID_SIZE];
	char peer_id[ID_SIZE]; /* who works in it, "" if nobody */
	char plan_id[ID_SIZE];
	char *branch;
	char *path;
	char *git_dir; /* NULL until it exists */
	char *base, *base_commit;
	char *state; /* creating | live | removing | removed */
};

#define autoworktree _cleanup_(worktree_release) struct worktree

void worktree_release(struct worktree *w);
/* The row that holds `branch` (creating, live or removing); false if there is none. */
bool worktree_of_branch(struct store *s, const char *repo_id, const char *branch, struct worktree *ret);
bool worktree_get(struct store *s, const char *worktree_id, struct worktree *ret);
/* Records one that is about to be made. ERR_EXISTS when that branch has one already. */
int worktree_announce(struct store *s, const char *repo_id, const char *branch, const char *path,
		      const char *peer_id, const char *plan_id, char ret_id[ID_SIZE],
		      struct error *err) _warn_unused_;
/* Records what repo_create found or made; emits worktree.live. */
void worktree_created(struct store *s, const char *worktree_id, const json_t *result);
/* The announcement comes to nothing; emits worktree.failed with the error. */
void worktree_failed(struct store *s, const char *worktree_id, const json_t *error);
void worktree_set_state(struct store *s, const char *worktree_id, const char *state);
void worktree_set_peer(struct store *s, const char *worktree_id, const char *peer_id);
/* Takes over a worktree that was made by hand, as repo_list or repo_describe tells it. */
void worktree_adopt(struct store *s, const char *repo_id, const json_t *listed, char ret_id[ID_SIZE]);
/* Somebody deleted it, folder and registration: the row is closed; emits worktree.gone. */
void worktree_gone(struct store *s, const char *worktree_id);
/* Records a removal with its trash entry, under `trash_id`; emits worktree.removed. */
void worktree_removed(struct store *s, const char *worktree_id, const char *trash_id, const json_t *trash);

/* The newest kept trash entry of a branch: its info (new reference) and ids; NULL if there is none. */
json_t *trash_find(struct store *s, const char *repo_id, const char *branch, char ret_id[ID_SIZE]);
void trash_set_state(struct store *s, const char *trash_id, const char *state);

/* The owner of a branch: the first live peer of its linked worktree (W9). Whoever needs to know of a change
 * (guard_file.h) is woken by this topic. */
#define BRANCH_OWNERS "branch.owners"
void branch_own(struct store *s, const char *repo_id, const char *branch, const char *peer_id);
void branch_disown(struct store *s, const char *repo_id, const char *branch);
/* An owner has gone: its branches are the longest-standing live peer's in their worktrees. Where there is
 * none they stay what they are, guarded, until one comes (branch_own) or the worktree goes. */
void branch_owner_gone(struct store *s, const char *peer_id);

#endif

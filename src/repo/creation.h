/* Inside of repo_create: what the files create*.c share. */
#ifndef REPO_CREATION_H
#define REPO_CREATION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "repo/git.h"

#define CREATION_JOURNAL "coppice.create-"

struct creation {
	/* What was asked; strings belong to the arguments. */
	const char *id, *branch, *asked_base, *asked_path, *hash;
	bool path_fixed;
	const json_t *sparse; /* NULL or a non-empty array of strings */
	uint64_t min_free;
	char *lock_reason; /* owned, NULL for none */
	struct git repo;   /* the common folder; has lock_fd while registering */

	/* What was decided, and is in the journal. All owned. */
	char *base; /* NULL when the branch exists and nothing is known */
	char *base_commit;
	char *path;
	char *made_parent; /* the topmost folder above `path` that was not there, NULL if all were */
	bool empty_before; /* `path` was there, as an empty folder */
	bool new_branch;   /* the branch was not there */
	bool undoing;	   /* it failed, and is being taken back */
	char *git_dir;	   /* owned; NULL until it is registered */

	char *head; /* owned; the branch's commit */
	bool created_branch;
	bool adopted;
	json_t *warnings;

	/* The journal: <common_dir>/CREATION_JOURNAL<id>, a folder. */
	char *journal_dir;
	int64_t began; /* when the first try began, microseconds UTC; 0 before the journal is written */
	bool repeated; /* there was a journal at the start: an earlier try was killed */
	bool surveyed; /* it is known what of that try there is, so that it can be taken back */
};

/* create_journal.c: memory of a try that may be killed. */

/* Reads the journal of an earlier try into `c` (repeated, began, what was decided). No journal is fine. */
int creation_journal_load(struct creation *c, struct error *err) _warn_unused_;
/* Reads from another creation's journal folder what clearing its registration needs (path, empty_before,
 * began); `ret->path` stays NULL when there is nothing to read. */
void creation_journal_peek(const char *journal_dir, struct creation *ret);
/* Writes what was decided, durably. */
int creation_journal_save(struct creation *c, struct error *err) _warn_unused_;
int creation_journal_drop(const struct creation *c, struct error *err) _warn_unused_;
/* Puts the marker into the admin folder: this creation is complete. */
int creation_mark(const struct creation *c, struct error *err) _warn_unused_;
/* Whether a marker of this id is there; fills `c` from it. */
int creation_find_marked(struct creation *c, bool *ret, struct error *err) _warn_unused_;
/* What the marker of a worktree says of its base, if one of ours is in `git_dir`: owned by `c`. */
void creation_read_base(struct creation *c, const char *git_dir);

/* create_place.c: where it goes. */

/* Chooses the path (path, made_parent, empty_before) and checks the room there. */
int creation_choose_path(struct creation *c, const struct git_worktrees *list,
			 struct error *err) _warn_unused_;

/* create_register.c: branch and registration, under the lock. */

/* Takes the lock, finishes or clears what an earlier try left, and registers the worktree or adopts the
 * one that has the branch. After a failure nothing is left. */
int creation_register(struct creation *c, struct error *err) _warn_unused_;
/* Takes back all that this creation made: folder, registration, branch, journal. */
int creation_undo(struct creation *c, struct error *err) _warn_unused_;

/* create_fill.c: checkout, submodules, hook, outside of the lock. */
int creation_fill(struct creation *c, struct error *err) _warn_unused_;

#endif

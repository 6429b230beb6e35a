/* The trash: where a removed worktree stays whole until it is restored or purged (W5, W11).
 *
 * An entry has two halves, each on the file system of what it holds, so that everything goes in and
 * comes back by rename:
 *
 *	<trash folder>/<id>/journal.json	what was removed, and how far any change of it has got
 *	<trash folder>/<id>/tree		the worktree's folder
 *	<common dir>/coppice-trash/<id>		its admin folder (index, HEAD, logs, …)
 *	<common dir>/coppice-trash/<id>.log	the reflog of its branch, if that was deleted
 *	refs/coppice/trash/<id>			keeps its objects (keep.h)
 *
 * The trash folder is private (0700) and hidden from any repository around it by a .gitignore.
 *
 * Phases, each recorded before its first step:
 *
 *	removing	may be anywhere between kept and removed: put back, then begin again
 *	removed		all is in the trash, and nothing can undo that but a restoration
 *	restoring	on the way back: goes on, or returns to removed where that is impossible
 *	purging		on the way out: goes on
 *
 * Whoever finds a phase that it did not record itself took over from a killed worker. */
#ifndef REPO_TRASH_H
#define REPO_TRASH_H

#include <jansson.h>
#include <stdbool.h>
#include <time.h>

#include "base/error.h"
#include "repo/git.h"

enum trash_phase {
	TRASH_NONE, /* no entry */
	TRASH_REMOVING,
	TRASH_REMOVED,
	TRASH_RESTORING,
	TRASH_PURGING,
};

struct trash {
	char *id;
	char *dir; /* the entry's folder */
	char *tree, *journal;
	char *admin, *branch_log;
	char *ref;
	struct git git; /* the repository, without a worktree */
	enum trash_phase phase;
	bool found;	       /* opening found an entry: another worker began it, and may have been killed */
	struct timespec since; /* when the phase that was found began */
	json_t *info;	       /* the journal: an object, empty without an entry */
};

#define TRASH_INIT ((struct trash){.git = GIT_INIT})
#define autotrash _cleanup_(trash_release) struct trash

void trash_release(struct trash *t);
/* Where the entry of a worktree at `path` goes, caller frees: into `wish` (a trash folder; NULL for
 * none) if that is on the same file system, else into <parent of path>/.coppice-trash; an entry of that
 * id that exists in either is found. Creates nothing but `wish`. */
int trash_place(const char *path, const char *wish, const char *id, char **ret,
		struct error *err) _warn_unused_;
/* Opens the entry whose folder is `dir`, which may not exist (TRASH_NONE); its name is the id. */
int trash_open(const char *common_dir, const char *dir, struct trash *ret, struct error *err) _warn_unused_;
/* Creates the entry's folders, if they are not there. */
int trash_create(struct trash *t, struct error *err) _warn_unused_;
/* Records the phase, with t->info as it is now. */
int trash_set_phase(struct trash *t, enum trash_phase phase, struct error *err) _warn_unused_;
/* Clears the locks that a killed git of this entry may have left. */
int trash_clear_locks(struct trash *t, struct error *err) _warn_unused_;

/* Takes both halves in: the admin folder first, for an admin folder without its worktree could be
 * pruned by anybody at any time. What is in already stays in. */
int trash_take_in(struct trash *t, struct error *err) _warn_unused_;
/* Whether there is anything of the entry, the journal or not. */
bool trash_begun(const struct trash *t);
bool trash_has_tree(const struct trash *t);
bool trash_has_admin(const struct trash *t);
/* Puts the folder back, to `path`; fine if it is there. ERR_EXISTS when something else is. */
int trash_tree_out(struct trash *t, const char *path, struct error *err) _warn_unused_;
/* Takes the folder in again, from `path`; fine if it is in. */
int trash_tree_in(struct trash *t, const char *path, struct error *err) _warn_unused_;
/* Registers the worktree at `path` again: puts the admin folder back under its old name, or under a new
 * one if that is taken; fine if it is there. `ret_git_dir` (caller frees) is where it is. */
int trash_admin_out(struct trash *t, const char *path, char **ret_git_dir, struct error *err) _warn_unused_;
/* Removes what is left of an entry whose halves are both out or removed: locks, ref, logs, folders. Fine if
 * there is no entry; ERR_CONFLICT if something else is in its folder. */
int trash_discard(struct trash *t, struct error *err) _warn_unused_;

/* The "trash" object of repo_remove's result; a new reference. */
json_t *trash_describe(const struct trash *t);

/* Worker: {repo, trash: {path, …}, retention: bool} → {}. Deletes the entry for good; nothing to do when
 * there is none. With `retention`, ERR_REFUSED for an entry of which a fact was unknown (W5). Runs
 * again after any crash. ERR_CONFLICT while it is being restored. */
int repo_purge(const json_t *args, json_t **ret, struct error *err) _warn_unused_;

/* For tests: called with the name of each point between two steps of a removal, a restoration or a
 * purge; NULL otherwise. */
extern void (*trash_test_point)(const char *name);
void trash_point(const char *name);

#endif

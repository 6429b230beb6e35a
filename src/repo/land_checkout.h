/* A checkout of the branch that moves, and how it is brought along (L3).
 *
 *	land_checkout_lock()	takes git's own index.lock of the checkout, so that no git command of the
 *				user changes its index from here to the end
 *	land_checkout_try()	makes a copy of the index, the trial, on which everything is tried and done
 *				(what speaks against it is said by land_local_check())
 *				... the branch moves ...
 *	land_checkout_bring()	changes the files, then puts the trial in place of the index, in one rename
 *	land_checkout_unlock()
 *
 * After a kill land_checkout_owns() recognises the lock, and land_checkout_finish() brings the checkout to
 * the end from wherever it stands. All that is temporary lies in <common dir>/coppice-land.d, where no
 * agent may write; whoever uses this holds the journal (land_journal.h). */
#ifndef REPO_LAND_CHECKOUT_H
#define REPO_LAND_CHECKOUT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "repo/git.h"
#include "repo/land_diff.h"

enum { LAND_OPTIONS = 3 };

struct land_checkout {
	char *path;
	char *git_dir;	    /* its admin folder */
	struct git git;	    /* for land_checkout_git() only: of a linked worktree it names a stand-in */
	char *work;	    /* its folder for what is temporary */
	char *index, *lock; /* in git_dir */
	char *options[LAND_OPTIONS]; /* values of its own configuration, or NULL */
	bool linked;		     /* not the main worktree */
	bool locked;
};

/* `git_dir` is its admin folder; git children inherit the descriptor `lock_fd`, the journal's lock. */
void land_checkout_init(const char *common_dir, const char *git_dir, const char *path, int lock_fd,
			struct land_checkout *ret);
/* Frees; does not unlock. */
void land_checkout_release(struct land_checkout *c);
/* Whether a kill may have left something of any checkout. */
bool land_checkout_pending(const char *common_dir);
/* Removes what a kill may have left of any checkout, when none is locked any more. */
void land_checkout_clear(const char *common_dir);

/* Whether the index is locked by a landing. */
bool land_checkout_owns(const struct land_checkout *c);
/* Locks the index; waits up to 2 s for another git, then ERR_CONFLICT. Takes over a lock that it owns. */
int land_checkout_lock(struct land_checkout *c, struct error *err) _warn_unused_;
/* Removes the lock and all that is temporary. */
void land_checkout_unlock(struct land_checkout *c);

/* Makes the trial; locked. ERR_NOT_FOUND when nothing was ever checked out here. */
int land_checkout_try(struct land_checkout *c, struct error *err) _warn_unused_;

enum land_index {
	LAND_TRIAL, /* what becomes the index */
	LAND_START, /* for building the tree to start from */
};

/* Runs git in the checkout, on one of its temporary indexes; as git_run_with. */
int land_checkout_git(const struct land_checkout *c, enum land_index which, unsigned flags,
		      const char *const *args, const struct strbuf *input, struct strbuf *out,
		      int *ret_status, struct error *err) _warn_unused_;

/* Brings files and index from one commit to the other; locked, checked, and with a trial. Appends to
 * `left` what could not be changed: {"checkout","file"}, files that somebody edited since the check. They
 * stay as they are, and show up as local changes. */
int land_checkout_bring(struct land_checkout *c, const struct land_diff *diff, const char *from,
			const char *to, json_t *left, struct error *err) _warn_unused_;
/* The same for a checkout in which some of that has happened already. Locked. */
int land_checkout_finish(struct land_checkout *c, const struct land_diff *diff, const char *from,
			 const char *to, json_t *left, struct error *err) _warn_unused_;

#endif

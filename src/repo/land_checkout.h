/* A checkout of the branch that moves, and how it is brought along (L3).
 *
 *	land_checkout_lock()	takes git's own index.lock of the checkout, so that no git command of the
 *				user changes its index from here to the end
 *	land_checkout_check()	says what speaks against it; nothing has changed
 *				... the branch moves ...
 *	land_checkout_bring()	changes the files, then puts the new index in place
 *	land_checkout_unlock()
 *
 * All work is done on a copy of the index (the trial), which replaces the index in one rename. After a
 * kill, land_checkout_owns() recognises the lock, and land_checkout_finish() brings the checkout to the
 * end from wherever it stands. */
#ifndef REPO_LAND_CHECKOUT_H
#define REPO_LAND_CHECKOUT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "repo/git.h"
#include "repo/land_diff.h"
#include "repo/land_journal.h"

struct land_checkout {
	char *path;
	struct git git; /* its own; index files are named by git_run_with's variables */
	char *index, *lock, *trial;
	bool locked;
};

/* `git_dir` is its admin folder; children hold the journal's lock. */
void land_checkout_init(const char *common_dir, const char *git_dir, const char *path,
			const struct land_journal *journal, struct land_checkout *ret);
/* Frees; does not unlock. */
void land_checkout_release(struct land_checkout *c);

/* Whether the index is locked by the landing of this journal. */
bool land_checkout_owns(const struct land_checkout *c, const struct land_journal *journal);
/* Locks the index; waits up to 2 s for another git, then ERR_CONFLICT. Notices a lock it owns. */
int land_checkout_lock(struct land_checkout *c, const struct land_journal *journal,
		       struct error *err) _warn_unused_;
/* Removes the trial and the lock. */
void land_checkout_unlock(struct land_checkout *c);

/* Copies the index to the trial; ERR_NOT_FOUND when nothing was ever checked out here. */
int land_checkout_try(struct land_checkout *c, struct error *err) _warn_unused_;
/* Runs git on the trial; as git_run_with. */
int land_checkout_git(const struct land_checkout *c, unsigned flags, const char *const *args,
		      const struct strbuf *input, struct strbuf *out, int *ret_status,
		      struct error *err) _warn_unused_;

/* Brings files and index from one commit to the other; locked, checked, and with a trial. Appends to
 * `left` what could not be changed: {"checkout","file"}, files that somebody edited since the check. They
 * stay as they are, and show up as local changes. */
int land_checkout_bring(struct land_checkout *c, const struct land_diff *diff, const char *from,
			const char *to, json_t *left, struct error *err) _warn_unused_;
/* The same for a checkout in which some of that has happened already. Locked. */
int land_checkout_finish(struct land_checkout *c, const struct land_diff *diff, const char *from,
			 const char *to, json_t *left, struct error *err) _warn_unused_;

#endif

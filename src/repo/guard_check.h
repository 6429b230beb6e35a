/* What the guard decides (W9; see guard.h): whether a peer may make a change of references. */
#ifndef REPO_GUARD_CHECK_H
#define REPO_GUARD_CHECK_H

#include <jansson.h>
#include <stddef.h>

#include "base/error.h"

/* Who makes a change, and where. All borrowed. */
struct guard_place {
	const json_t *repo;	 /* of the file; see guard_file.h */
	const char *peer;	 /* its id; "" when nobody knows: then it owns nothing */
	const char *main_branch; /* of the main worktree now, without refs/heads/; NULL for none */
	/* Of the git that makes it: its words, each with a NUL; NULL: unknown. */
	const char *command;
	size_t command_len;
	const char *common_dir; /* where values are looked up; NULL: nowhere, which counts as a change */
};

/* Lines "OLD NEW REF" of a reference transaction. ERR_REFUSED with whose the branch is, and what to do
 * instead; ERR_INVALID for lines that git would not write. */
int guard_check_transaction(const struct guard_place *place, const char *lines, size_t len,
			    struct error *err) _warn_unused_;
/* Lines "LOCAL NEW REF OLD" of pre-push, into a repository of this machine. */
int guard_check_push(const struct guard_place *place, const char *lines, size_t len,
		     struct error *err) _warn_unused_;

#endif

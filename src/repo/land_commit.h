/* Writing the commits that land: the committer is the user, commit.gpgSign is honoured, and no commit
 * hook runs (L9). Nothing here touches a ref, an index or a checkout. */
#ifndef REPO_LAND_COMMIT_H
#define REPO_LAND_COMMIT_H

#include <stdbool.h>

#include "base/error.h"
#include "repo/git.h"
#include "repo/land_message.h"

/* Who commits, as git's own configuration says. */
struct land_committer {
	char *name, *email; /* owned */
	bool sign;	    /* commit.gpgSign */
};

void land_committer_release(struct land_committer *c);
/* ERR_REFUSED, with the commands that cure it, when user.name or user.email is not set: a name that git
 * guesses from the machine must not get into a target branch. */
int land_committer_read(const struct git *g, struct land_committer *ret, struct error *err) _warn_unused_;

struct land_commit_spec {
	const char *tree;
	const char *parents[2]; /* the second may be NULL */
	const struct land_author *author;
	const struct land_committer *committer;
	const char *message;
	size_t message_len;
};

/* Writes the commit and gives its hash, caller frees. ERR_GIT with a hint when signing failed. */
int land_commit_write(const struct git *g, const struct land_commit_spec *spec, char **ret,
		      struct error *err) _warn_unused_;

#endif

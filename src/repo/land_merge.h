/* Three-way merges that happen in the object store only: no checkout, no index, no hook, no ref.
 *
 * What git would read from a checkout during a merge are the .gitattributes (merge=union, binary, the
 * user's own merge drivers). Here they come from the commit that is merged onto, never from the branch
 * that is merged and never from what happens to be checked out: a folder that holds just these files
 * stands in as the work tree. */
#ifndef REPO_LAND_MERGE_H
#define REPO_LAND_MERGE_H

#include "base/error.h"
#include "repo/git.h"

/* Fills the empty folder `attributes` with the attribute files of the commit `onto`, and gives a git
 * that merges with them. The folder outlives `ret`. */
int land_merge_open(const char *common_dir, const char *attributes, const char *onto, struct git *ret,
		    struct error *err) _warn_unused_;

struct land_merged {
	char *tree;    /* of the clean merge, owned; NULL when there are conflicts */
	json_t *files; /* conflicting paths, owned, invalid UTF-8 as U+FFFD; NULL when clean */
};

void land_merged_release(struct land_merged *m);
/* Merges `theirs` into `ours` (commits) with git's own merge base. */
int land_merge(const struct git *g, const char *ours, const char *theirs, struct land_merged *ret,
	       struct error *err) _warn_unused_;
/* Merges `theirs` into a tree, with the commit `base` as the merge base. `base` must be an ancestor of
 * `theirs`; the history that the tree has does not matter. */
int land_merge_from(const struct git *g, const char *base, const char *ours_tree, const char *theirs,
		    struct land_merged *ret, struct error *err) _warn_unused_;
/* The tree of a commit, caller frees. */
int land_tree_of(const struct git *g, const char *commit, char **ret, struct error *err) _warn_unused_;

#endif

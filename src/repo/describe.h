/* Which repository a folder belongs to: the one place where git discovers (W3). */
#ifndef REPO_DESCRIBE_H
#define REPO_DESCRIBE_H

#include <jansson.h>

#include "base/error.h"
#include "repo/git.h"

/* Worker: {dir} →
 *	common_dir	the repository's folder, absolute and resolved
 *	main		the main worktree's folder; null if the repository is bare, or nobody can tell
 *	name		what {repo} stands for in paths
 *	head_branch	checked out in the main worktree (of a bare repository: its HEAD), or null
 *	bare, unborn	unborn: HEAD has no commit yet
 *	path, git_dir, branch	the worktree that `dir` is in, or null outside of one; branch null if detached
 *	linked		whether that is a linked worktree
 * ERR_NOT_FOUND outside of a repository, ERR_UNSUPPORTED where git refuses to work, ERR_MISSING without
 * a git that will do. */
int repo_describe(const json_t *args, json_t **ret, struct error *err) _warn_unused_;
/* The same, with the worktrees that git lists there; git_worktrees_release. */
int repo_describe_all(const json_t *args, struct git_worktrees *ret_list, json_t **ret,
		      struct error *err) _warn_unused_;

#endif

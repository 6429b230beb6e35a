/* Where a new worktree goes: the pattern worktrees.path, filled in (W2). */
#ifndef REPO_TEMPLATE_H
#define REPO_TEMPLATE_H

#include "base/error.h"

/* Expands `pattern`: {repo} is the repository's name, {branch} the branch with each "/" as "-", "~/"
 * the home folder. A relative pattern starts at the main worktree's folder `repo_main` (NULL for a bare
 * repository: then it must be absolute). The result, owned by the caller, is absolute and has no "." or
 * ".." components; symlinks are left as they are.
 * ERR_INVALID for an unknown {word}, for a pattern without {branch}, or a result that is too long. */
int worktree_path(const char *pattern, const char *repo_main, const char *repo_name, const char *branch,
		  char **ret, struct error *err) _warn_unused_;

#endif

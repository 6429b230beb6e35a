/* For the guard: where git's folders are, and the hook that git would have run without it. Within a hook, git
 * has set the current folder and perhaps GIT_DIR. */
#ifndef REPO_GUARD_FIND_H
#define REPO_GUARD_FIND_H

#include "base/error.h"

struct guard_dirs {
	char *git_dir;	  /* as git names it: GIT_DIR, or ".git", or what that file says */
	char *common_dir; /* resolved */
};

#define autoguarddirs _cleanup_(guard_dirs_release) struct guard_dirs

void guard_dirs_release(struct guard_dirs *dirs);
/* Of the git that runs this hook. ERR_NOT_FOUND. */
int guard_dirs_here(struct guard_dirs *ret, struct error *err) _warn_unused_;
/* Of the repository that a remote's URL names on this machine, as git looks for it; ERR_NOT_FOUND. */
int guard_dirs_of_url(const char *url, struct guard_dirs *ret, struct error *err) _warn_unused_;

/* The path of the hook `name` that git would have run, did core.hooksPath not name `ours`; caller frees. NULL
 * where there is none, or none that can be executed. */
int guard_hook_find(const char *name, const char *ours, char **ret, struct error *err) _warn_unused_;

#endif

/* All worktrees of a repository and how they stand to the target. */
#ifndef REPO_LIST_H
#define REPO_LIST_H

#include <jansson.h>

#include "base/error.h"

/* Worker: {repo, target|null, known: {path: {base, base_commit}}|absent, worktrees:
 * [{path, git_dir, branch, base, base_commit}]|absent, cache: {"<head> <target commit>": text}|absent} →
 *	worktrees	[{branch, path, git_dir, head, dirty, untracked, ahead, behind, landed, landed_how,
 *			locked, main, missing, base, base_commit, error}]; the main one first
 *	target, target_commit	null if there is none
 *	cache_add	{pair: text}: what was found out and was not in `cache`. The text is
 *			"<landed> <ahead> <behind>" and holds for as long as the pair is asked for.
 *
 * Without `worktrees` all that git knows are listed, those of a running landing left out; with it these
 * alone, at the folders given. Without `target` the main worktree's branch is the target.
 *
 * `dirty` (changed and unmerged files) and `untracked` (a folder counts once) are numbers; `ahead` and
 * `behind` are counts of commits, null where there is nothing to compare with; `landed` is "yes", "no"
 * or "unknown" (W7); `locked` is the reason, null if it is not locked. `missing`: the folder is gone.
 * What fails for one worktree leaves its numbers null, with the reason in `error`. Looking runs nothing
 * of an agent's (W3) and writes nothing. Several worktrees are looked at at once. */
int repo_list(const json_t *args, json_t **ret, struct error *err) _warn_unused_;

#endif

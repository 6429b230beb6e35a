/* Finding a repository and worktrees of it by branch, in one look at the disk. */
#ifndef REPO_FIND_H
#define REPO_FIND_H

#include "base/error.h"

/* args {"dir", "branches":[…]|absent}; ret: what repo_describe tells, and "found": {branch:
 * {"path","git_dir","main", "head","branch"}} of those branches that are checked out somewhere;
 * "config" is the text of the .coppice.yaml on the main worktree's commit, at most 64 KiB, absent without
 * one. */
int repo_find(const json_t *args, json_t **ret, struct error *err) _warn_unused_;

#endif

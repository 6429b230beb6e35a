/* Removing a worktree: a rename into the trash, when its facts allow (W4, W5, W6, W8).
 *
 * Order of events: the facts are taken; the trash entry is begun, with the ref that keeps the objects;
 * the admin folder and the worktree are renamed into it; the facts are taken again, and if anything
 * changed since, both are renamed back; only then the branch is deleted, if asked for. No file is
 * deleted, no operation of git ended, nothing pruned but the worktree's own entry. */
#ifndef REPO_REMOVE_H
#define REPO_REMOVE_H

#include <jansson.h>

#include "base/error.h"

/* Worker: {repo, id, path, git_dir, branch|null, target|null, waive: [facts], delete_branch: bool,
 * trash_dir|null, and the other arguments of repo_facts} →
 *
 *	{removed: true, id, branch, path, trash: {id, path, tree, git_admin, index, ref, keep, head,
 *	 head_branch, branch, branch_tip, target, worktree, git_dir, unknown}, branch_deleted,
 *	 reason|null, facts, details}
 *	{removed: false, id, branch, path, facts, details, reason}
 *
 * `id` names the trash entry: lower-case letters, digits and '-'. Removed with a reason means that
 * something asked for could not be done: the branch stays, or something else is at the path by now.
 * The fact `landed` is looked at only with `delete_branch`. ours and lease can't be waived: ERR_REFUSED.
 *
 * May be killed at any instant and run again with the same arguments (W11): the end is either wholly
 * removed or wholly kept. */
int repo_remove(const json_t *args, json_t **ret, struct error *err) _warn_unused_;

#endif

/* Builds what would land, and tests it: the first half of a landing (L2, L4, L5, L9).
 *
 * Nothing that anybody sees changes: the commit is made in the object store, on the target's tip as it
 * is now, and no ref leads to it; the user's checkouts are neither read nor written, so a bare
 * repository and any state of a checkout will do. repo_land_move() then moves the target to it. */
#ifndef REPO_LAND_BUILD_H
#define REPO_LAND_BUILD_H

#include <jansson.h>

#include "base/error.h"

/* Arguments:
 *	repo		{"common_dir", "main"}
 *	id		of this landing: names its logs and marks its throwaway folder
 *	target, branch	short names
 *	head		commit to land; default: the branch's tip
 *	onto		commit to build on; default: the target's tip
 *	base_commit	recorded fork point. When it has landed otherwise (the branch it was cut from was
 *			squashed into the target), only what came after it is landed (L6)
 *	how		"squash" (default): one commit; "rebase": the branch's commits, replayed;
 *			"merge": a merge commit
 *	message		of the squashed or the merge commit; default: see land_message.h
 *	gate		commands (see gate.h); [] or null: none ran, and "gate" of the result is empty
 *	gate_tries	default 1
 *	gate_timeout	seconds, of each try; default 1800
 *	confine		argument array put before each gate command: how it is confined (S7)
 *	sandbox		in its place: what gate commands may write besides their worktree, in the form of
 *			os/sandbox.h; with "program", the coppice that confines them
 *	tmp_dir		folder for throwaway worktrees
 *	log_dir		folder for the gates' logs
 *
 * Result: {"result", "target_commit", "head", "fork", "tree", "commit", "gate", "files", "reason",
 * "confined"};
 * "target_commit" is the commit built upon, what does not apply is null or empty. "result":
 *	passed		commit may land: the gate passed, or there is none
 *	failed		the gate failed; reason says which command and where its log is
 *	conflict	files lists what does not merge; reason says with what
 *	empty		nothing to land: no new commit, or the target has all of it
 *	refused		it cannot be built at all (no common history, …); reason
 * What stops the landing without saying anything about the branch is an error: no such branch
 * (ERR_NOT_FOUND), no user.name or user.email (ERR_REFUSED with the cure), a failing signature
 * (ERR_GIT), a full disk.
 *
 * Repeatable: a second run with the same arguments builds again, and removes what a killed one left. */
int repo_land_build(const json_t *args, json_t **ret, struct error *err) _warn_unused_;

#endif

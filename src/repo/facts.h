/* Facts: what must be true of a worktree before it may be removed (W4).
 *
 * Each fact is yes, no or unknown; "yes" always means that it permits removal, and unknown keeps. What
 * is not a plain yes has a detail, one line that names the file, commit or process.
 *
 *	ours       registration and folder name each other; a linked worktree, not the main one; nothing
 *	           else is mounted or registered in it
 *	clean      no tracked file differs from HEAD, in the index or in the folder
 *	untracked  no file that git does not know and does not ignore
 *	ignored    no precious ignored file: each is what was copied in, or is disposable
 *	reachable  no commit that only this worktree leads to (detached HEAD, its own refs, submodules)
 *	landed     the branch's content is in the target (W7)
 *	operation  no merge, rebase, … in progress
 *	stash      no stash of it
 *	process    no live process has its folder, root or an open file in it
 *	lease      no lease is held on it
 *	lock       not locked (a lock of ours whose process is gone is void)
 *
 * Facts are evidence of an instant: repo_remove takes them again after it moved the worktree away (W6).
 * Commits that only a reflog leads to (an amended commit, say) are no reason to keep; the trash keeps
 * their objects. */
#ifndef REPO_FACTS_H
#define REPO_FACTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "os/proc.h"
#include "repo/git.h"

enum fact {
	FACT_OURS,
	FACT_CLEAN,
	FACT_UNTRACKED,
	FACT_IGNORED,
	FACT_REACHABLE,
	FACT_LANDED,
	FACT_OPERATION,
	FACT_STASH,
	FACT_PROCESS,
	FACT_LEASE,
	FACT_LOCK,
	FACT_MAX_,
};

/* "ours", "clean", … */
const char *fact_name(enum fact fact);
/* The fact of a name, FACT_MAX_ for none. */
enum fact fact_of(const char *name);
/* Whether a person may waive it; ours and lease never are. */
bool fact_waivable(enum fact fact);

/* Whose facts: the arguments of repo_facts. Strings and JSON belong to those arguments. */
struct facts_query {
	const char *common_dir;
	const char *main;			    /* NULL for a bare repository */
	const char *path;			    /* where the worktree is registered */
	const char *git_dir;			    /* its admin folder, <common_dir>/worktrees/<id> */
	const char *branch;			    /* whose landing counts; NULL: HEAD's commit */
	const char *target;			    /* NULL: landed is unknown */
	const char *compared;			    /* FACTS_AGAIN: the target's commit at the first look */
	const json_t *copied, *disposable, *leases; /* may be NULL */
	pid_t *except;				    /* owned */
	size_t n_except;
};

void facts_query_release(struct facts_query *q);
#define autofactsquery _cleanup_(facts_query_release) struct facts_query
/* Checks and reads `args`, which must outlive `ret`. */
int facts_query_parse(const json_t *args, struct facts_query *ret, struct error *err) _warn_unused_;

struct facts {
	enum truth value[FACT_MAX_];
	char *detail[FACT_MAX_]; /* escaped for a terminal; NULL where nothing is to be said */
	bool known[FACT_MAX_];	 /* whether it was looked at; `landed` may be left out */
	char *head;		 /* HEAD's commit, NULL if there is none */
	char *branch;		 /* HEAD's branch, NULL when detached */
	char *tip;		 /* commit of the query's branch, NULL if it does not exist */
	char *target_commit;	 /* NULL if unknown */
	struct strbuf status;	 /* git's porcelain v2 with -z and without headers: a fingerprint */
	struct strbuf stashes;	 /* commits of its stashes, a line each */
};

void facts_release(struct facts *f);
#define autofacts _cleanup_(facts_release) struct facts

/* Where the worktree is now; it may have been moved away from where it is registered. */
struct facts_place {
	const char *tree;
	const char *admin;
};

enum facts_flags {
	FACTS_LANDED = 1 << 0, /* look at `landed` too, which costs the most */
	FACTS_AGAIN = 1 << 1,  /* after a move: `ours` is left out, it was proven before */
};

/* Takes the facts; what cannot be found out is unknown, so this does not fail. */
void facts_take(const struct facts_query *q, const struct facts_place *place, unsigned flags,
		struct facts *ret);
/* Whether the worktree of `before` is the same in `after`; else `ret_what` (caller frees) says what
 * changed. Of facts, those known in both count. That the target moved on is no change, as long as the branch
 * has landed in it now if it had before. */
bool facts_same(const struct facts *before, const struct facts *after, char **ret_what);
/* {fact: "yes"|"no"|"unknown"} and {fact: detail} of what is known; new references. */
json_t *facts_to_json(const struct facts *f);
json_t *facts_details(const struct facts *f);

/* Worker: {repo, path, git_dir, branch|null, target|null, copied: [{path, sha}], disposable: [globs],
 * leases: [texts], except_pids: [pids]} → {facts: {…}, details: {…}, head, branch}. `path` in `copied` is
 * relative to the worktree; `sha` is the blob id that git gives the bytes (git hash-object --no-filters;
 * for a symlink, of its target). A glob without a slash matches any one component, one with a slash the
 * path from the top. Absent leases are none. */
int repo_facts(const json_t *args, json_t **ret, struct error *err) _warn_unused_;

#endif

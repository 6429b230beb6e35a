/* Moving the target; see land_move.h.
 *
 *	1 take the journal (the lock of all moves in this repository), and finish what it tells of
 *	2 compare the target with `old`
 *	3 write the journal
 *	4 lock and check each checkout of the target; a refusal ends here
 *	5 move the ref: compare-and-swap, the one instant at which the landing happens
 *	6 bring each checkout along, unlock it
 *	7 empty the journal
 *
 * Between 5 and 6 a checkout's index is behind its branch, and a commit made then would take the landing
 * back. So git's index.lock is held from 4 on, and a killed landing leaves it in place: the user's git
 * says that another one is at work until the landing is finished. Whoever finds the journal knows whether
 * 5 was reached by looking at the ref. */
#include "repo/land_move.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "os/file.h"
#include "repo/git.h"
#include "repo/land_checkout.h"
#include "repo/land_diff.h"
#include "repo/land_journal.h"
#include "repo/land_local.h"
#include "repo/stale_lock.h"

struct move {
	const char *common_dir, *main_path;
	struct git git;
	struct land_journal journal;
	struct git_worktrees worktrees;
	struct land_checkout *checkouts;
	size_t n;
	struct land_diff diff;
	json_t *paths; /* checkouts that follow, or will */
	json_t *left;
};

#define automove _cleanup_(move_release) struct move

static void drop_checkouts(struct move *m)
{
	for (size_t i = 0; i < m->n; i++)
		land_checkout_release(&m->checkouts[i]);
	free(m->checkouts);
	m->checkouts = NULL;
	m->n = 0;
	git_worktrees_release(&m->worktrees);
	land_diff_release(&m->diff);
}

static void move_release(struct move *m)
{
	drop_checkouts(m);
	git_release(&m->git);
	land_journal_release(&m->journal);
	json_decref(m->paths);
	json_decref(m->left);
}

/* ---- questions to the repository ---- */

static int is_ancestor(const struct git *g, const char *a, const char *b, bool *ret, struct error *err)
{
	const char *const args[] = {"merge-base", "--is-ancestor", a, b, NULL};
	const char *const env[] = {"GIT_NO_REPLACE_OBJECTS=1", NULL};
	int status = 0;
	int r = git_run_with(g, GIT_QUIET, args, NULL, 0, env, NULL, &status, err);
	if (r == 0 && status > 1)
		r = error_set(err, ERR_GIT, "git merge-base failed with exit code %d", status);
	if (r == 0)
		*ret = status == 0;
	return r;
}

/* Whether the move has happened, seen from the target's tip (NULL: no such branch). A tip further on
 * counts, unless `to` was in the history of `from` already: then the history proves nothing. */
static int has_moved(const struct git *g, const char *tip, const char *from, const char *to, bool *ret,
		     struct error *err)
{
	bool in_tip = false, in_from = false;
	*ret = tip && strcmp(tip, to) == 0;
	if (!tip || *ret || strcmp(tip, from) == 0)
		return 0;
	int r = is_ancestor(g, to, tip, &in_tip, err);
	if (r == 0 && in_tip)
		r = is_ancestor(g, to, from, &in_from, err);
	*ret = in_tip && !in_from;
	return r;
}

static bool is_folder(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The folder of a worktree. `git worktree list` is wrong about a main worktree that is apart from its
 * repository. */
static const char *folder_of(const struct move *m, const struct git_worktree *w)
{
	return w->main && m->main_path ? m->main_path : w->path;
}

/* The branch that HEAD of a checkout names at this moment; "" if none. */
static int head_branch(const struct land_checkout *c, char **ret, struct error *err)
{
	autogit g = GIT_INIT;
	git_at(c->git.common_dir, c->git_dir, c->path, &g);
	static const char heads[] = "refs/heads/";
	const char *const args[] = {"symbolic-ref", "-q", "HEAD", NULL};
	autostrbuf out = STRBUF_INIT(4096);
	int status = 0;
	int r = git_run(&g, GIT_QUIET, args, &out, &status, err);
	if (r)
		return r;
	const char *name = strbuf_str(&out);
	bool branch = status == 0 && strncmp(name, heads, strlen(heads)) == 0;
	name += branch ? strlen(heads) : 0;
	*ret = branch ? xstrndup(name, strcspn(name, "\n")) : xstrdup("");
	return 0;
}

/* ---- finishing a killed landing ---- */

static int clear_ref_locks(const struct move *m, struct error *err)
{
	autofree char *of_ref = xasprintf("refs/heads/%s.lock", m->journal.target);
	/* Those that update-ref takes: the ref, HEAD for its reflog, and all refs where they are in tables.
	 */
	const char *const locks[] = {of_ref, "HEAD.lock", "reftable/tables.list.lock"};
	for (size_t i = 0; i < ARRAY_SIZE(locks); i++) {
		autofree char *path = path_join(m->common_dir, locks[i]);
		int r = stale_lock_clear(path, &m->journal.since, err);
		if (r)
			return r;
	}
	return 0;
}

/* Whether the index still has, for all that the move changes, what it had before. */
static int index_is_behind(const struct land_checkout *c, const struct land_diff *diff, const char *from,
			   bool *ret, struct error *err)
{
	const char *const args[] = {"diff-index", "--cached", "--name-only", "-z", from, "--", NULL};
	autostrbuf out = STRBUF_INIT(GIT_OUTPUT_MAX);
	int r = land_checkout_git(c, LAND_TRIAL, 0, args, NULL, &out, NULL, err);
	if (r)
		return r;
	*ret = diff->n > 0;
	const char *p = strbuf_str(&out), *end = p + out.len;
	for (; p < end; p += strlen(p) + 1)
		if (land_diff_find(diff, p))
			*ret = false;
	return 0;
}

/* Without our lock the checkout was finished, or the user removed the lock by hand. In the second case it
 * is locked again and finished, if nothing but that has happened to it. */
static int take_up(struct move *m, struct land_checkout *c, const char *tip, bool *ret, struct error *err)
{
	autofree char *branch = NULL;
	*ret = false;
	int r = strcmp(tip, m->journal.to) == 0 ? land_checkout_lock(c, NULL) : ERR_CONFLICT;
	if (r)
		return r == ERR_CONFLICT ? 0 : error_set(err, (enum error_code)r, "cannot lock %s", c->path);
	r = head_branch(c, &branch, err);
	if (r == 0 && strcmp(branch, m->journal.target) == 0) {
		r = land_checkout_try(c, err);
		if (r == 0)
			r = index_is_behind(c, &m->diff, m->journal.from, ret, err);
		else if (r == ERR_NOT_FOUND)
			r = 0;
	}
	return r;
}

static int recover_checkout(struct move *m, const struct git_worktree *w, const char *tip, bool moved,
			    struct error *err)
{
	const char *path = folder_of(m, w);
	if (!w->git_dir || w->bare)
		return 0;
	struct land_checkout c;
	land_checkout_init(m->common_dir, w->git_dir, path, m->journal.fd, &c);
	bool owned = land_checkout_owns(&c), behind = owned;
	bool follows = moved && is_folder(path) && w->branch && strcmp(w->branch, m->journal.target) == 0;
	int r = 0;
	if (owned)
		r = land_checkout_lock(&c, err);
	else if (follows)
		r = take_up(m, &c, tip, &behind, err);
	if (r == 0 && follows && behind)
		r = land_checkout_finish(&c, &m->diff, m->journal.from, tip, m->left, err);
	if (r == 0 || !owned)
		land_checkout_unlock(&c);
	land_checkout_release(&c);
	return r;
}

/* Nothing is under way any more, and nothing is left of it. */
static int end(struct move *m, struct error *err)
{
	land_checkout_clear(m->common_dir);
	return land_journal_end(&m->journal, err);
}

/* Whether the target has moved as the journal says, to where it is now, and what that changes. */
static int look_at_target(struct move *m, char **ret_tip, bool *ret_moved, struct error *err)
{
	const struct land_journal *j = &m->journal;
	int r = clear_ref_locks(m, err);
	if (r == 0)
		r = git_branch_tip(&m->git, j->target, ret_tip, err);
	if (r == 0)
		r = has_moved(&m->git, *ret_tip, j->from, j->to, ret_moved, err);
	if (r == 0 && *ret_moved)
		r = land_diff_read(&m->git, j->from, *ret_tip, &m->diff, err);
	return r;
}

/* Brings what the journal tells of to its end. */
static int recover(struct move *m, struct error *err)
{
	autofree char *tip = NULL;
	bool moved = false;
	/* Without a journal there are only locks to let go, if a power loss took the journal and not them. */
	if (!m->journal.id && !land_checkout_pending(m->common_dir))
		return 0;
	int r = m->journal.id ? look_at_target(m, &tip, &moved, err) : 0;
	if (r == 0)
		r = git_worktrees(&m->git, &m->worktrees, err);
	for (size_t i = 0; r == 0 && i < m->worktrees.n; i++)
		r = recover_checkout(m, &m->worktrees.at[i], tip, moved, err);
	if (r == 0)
		r = end(m, err);
	drop_checkouts(m);
	return r;
}

/* ---- the checkouts of the target ---- */

/* What a refusal is called, and what it says to people. */
enum refusal { LOCAL_CHANGES, OPERATION, BUSY, MISSING };

static const struct {
	const char *reason, *message;
} refusal_words[] = {
	[LOCAL_CHANGES] =
		{"local_changes",
		 "local changes would be touched: commit, stash or move them away, then land again"},
	[OPERATION] = {"operation",
		       "an operation is in progress in a checkout of the target: finish or abort it"},
	[BUSY] = {"busy", "a git command is at work in a checkout of the target"},
	[MISSING] = {"missing", "a locked worktree has the target checked out, but its folder is not there: "
				"bring it back, or git worktree unlock it"},
};

struct refusals {
	enum refusal kind; /* of the first one */
	json_t *list;
};

static void refuse(struct refusals *r, enum refusal kind, const char *checkout, const char *why)
{
	if (json_array_size(r->list) == 0)
		r->kind = kind;
	land_refuse(r->list, checkout, NULL, why);
}

/* Decides whether a worktree has to follow the target. */
static bool has_to_follow(const struct move *m, const struct git_worktree *w, const char *target,
			  struct refusals *refusals)
{
	const char *path = folder_of(m, w);
	bool on_it = w->branch && strcmp(w->branch, target) == 0;
	if (w->bare)
		return false;
	const char *operation =
		w->git_dir && (on_it || !w->branch) ? land_operation(w->git_dir, target, !w->branch) : NULL;
	if (!is_folder(path)) {
		if (on_it && w->locked)
			refuse(refusals, MISSING, path, "its folder is not there, and it is locked");
		return false;
	}
	if (operation)
		refuse(refusals, OPERATION, path, operation);
	if (on_it && !w->git_dir)
		refuse(refusals, BUSY, path, "two worktree entries claim this folder");
	return on_it && !operation && w->git_dir;
}

/* Locks one checkout and looks at it under the lock. */
static int prepare(struct move *m, struct land_checkout *c, struct refusals *refusals, struct error *err)
{
	autofree char *branch = NULL;
	autoerror why = {0};
	int r = land_checkout_lock(c, &why);
	if (r == ERR_CONFLICT) {
		refuse(refusals, BUSY, c->path, why.message);
		return 0;
	}
	if (r)
		return error_set(err, (enum error_code)r, "%s", why.message);
	r = head_branch(c, &branch, err);
	if (r)
		return r;
	if (strcmp(branch, m->journal.target) != 0) {
		land_checkout_unlock(c); /* somebody switched away before the lock: it need not follow */
		return 0;
	}
	r = land_checkout_try(c, err);
	if (r == ERR_NOT_FOUND) {
		land_checkout_unlock(c);
		return 0;
	}
	if (r)
		return r;
	json_array_append_new(m->paths, json_lossy_string(c->path, strlen(c->path)));
	size_t before = json_array_size(refusals->list);
	r = land_local_check(c, &m->diff, m->journal.from, m->journal.to, refusals->list, err);
	if (before == 0 && json_array_size(refusals->list) > 0)
		refusals->kind = LOCAL_CHANGES;
	return r;
}

static int prepare_all(struct move *m, struct refusals *refusals, struct error *err)
{
	size_t cap = 0;
	int r = git_worktrees(&m->git, &m->worktrees, err);
	if (r == 0)
		r = land_diff_read(&m->git, m->journal.from, m->journal.to, &m->diff, err);
	for (size_t i = 0; r == 0 && i < m->worktrees.n; i++) {
		const struct git_worktree *w = &m->worktrees.at[i];
		if (!has_to_follow(m, w, m->journal.target, refusals))
			continue;
		ARRAY_GROW(m->checkouts, m->n, cap);
		struct land_checkout *c = &m->checkouts[m->n++];
		land_checkout_init(m->common_dir, w->git_dir, folder_of(m, w), m->journal.fd, c);
		r = prepare(m, c, refusals, err);
	}
	return r;
}

static void unlock_all(struct move *m)
{
	for (size_t i = 0; i < m->n; i++)
		land_checkout_unlock(&m->checkouts[i]);
}

/* ---- the move ---- */

static int swap_ref(const struct move *m, struct error *err)
{
	const struct land_journal *j = &m->journal;
	autofree char *ref = xasprintf("refs/heads/%s", j->target);
	autofree char *why = xasprintf("coppice: land %s", j->id);
	const char *const args[] = {"update-ref", "-m", why, ref, j->to, j->from, NULL};
	return git_run(&m->git, 0, args, NULL, NULL, err);
}

static int bring_all(struct move *m, struct error *err)
{
	for (size_t i = 0; i < m->n; i++) {
		struct land_checkout *c = &m->checkouts[i];
		if (!c->locked)
			continue;
		int r = land_checkout_bring(c, &m->diff, m->journal.from, m->journal.to, m->left, err);
		/* It stays locked and in the journal: the next run goes on. */
		if (r)
			return error_hint(err, r, "%s has moved already; land again to bring %s along",
					  m->journal.target, c->path);
		land_checkout_unlock(c);
	}
	return 0;
}

static json_t *result_moved(const struct move *m)
{
	return json_pack("{s:b, s:O, s:O}", "moved", 1, "checkouts", m->paths, "left", m->left);
}

static json_t *result_refused(const char *reason, const char *now, json_t *files, const char *message)
{
	json_t *j = json_pack("{s:b, s:s, s:O}", "moved", 0, "reason", reason, "files", files);
	json_set_str(j, "now", now);
	json_set_str(j, "message", message);
	return j;
}

static json_t *result_stale(const char *target, const char *now)
{
	json_auto_t *none = json_array();
	autofree char *message = now ? xasprintf("%s has moved to %.12s", target, now)
				     : xasprintf("there is no branch '%s'", target);
	return result_refused("stale", now, none, message);
}

/* The checkouts of the target as they are after a move that was made before. */
static int list_followers(struct move *m, const char *target, struct error *err)
{
	int r = git_worktrees(&m->git, &m->worktrees, err);
	for (size_t i = 0; r == 0 && i < m->worktrees.n; i++) {
		const struct git_worktree *w = &m->worktrees.at[i];
		const char *path = folder_of(m, w);
		if (!w->bare && w->branch && strcmp(w->branch, target) == 0 && is_folder(path))
			json_array_append_new(m->paths, json_lossy_string(path, strlen(path)));
	}
	return r;
}

/* Steps 4 to 6. When it fails after the ref has moved, the journal stays. */
static int land(struct move *m, json_t **ret, bool *ret_over, struct error *err)
{
	json_auto_t *list = json_array();
	struct refusals refusals = {.list = list};
	autoerror why = {0};
	autofree char *now = NULL;
	int r = prepare_all(m, &refusals, err);
	if (r || json_array_size(list) > 0) {
		if (r == 0)
			*ret = result_refused(refusal_words[refusals.kind].reason, m->journal.from, list,
					      refusal_words[refusals.kind].message);
		*ret_over = true;
		unlock_all(m);
		return r;
	}
	r = swap_ref(m, &why);
	if (r == 0) {
		r = bring_all(m, err);
		*ret_over = r == 0;
		if (r == 0)
			*ret = result_moved(m);
		return r;
	}
	unlock_all(m);
	*ret_over = true;
	int asked = git_branch_tip(&m->git, m->journal.target, &now, err);
	if (asked)
		return asked;
	if (now && strcmp(now, m->journal.from) == 0)
		return error_set(err, (enum error_code)r, "%s", why.message);
	*ret = result_stale(m->journal.target, now);
	return 0;
}

static int run_move(struct move *m, const json_t *args, const char *from, const char *to, json_t **ret,
		    struct error *err)
{
	const char *target = json_str(args, "target");
	autofree char *tip = NULL;
	bool moved = false, over = false;
	int r = git_branch_tip(&m->git, target, &tip, err);
	if (r == 0)
		r = has_moved(&m->git, tip, from, to, &moved, err);
	if (r == 0 && moved) {
		r = list_followers(m, target, err);
		if (r == 0)
			*ret = result_moved(m);
		return r;
	}
	if (r == 0 && (!tip || strcmp(tip, from) != 0)) {
		*ret = result_stale(target, tip);
		return 0;
	}
	if (r == 0)
		r = land_journal_begin(&m->journal, json_str(args, "id"), target, from, to, err);
	if (r)
		return r;
	r = land(m, ret, &over, err);
	if (!over)
		return r;
	int ended = end(m, r ? NULL : err);
	return r ? r : ended;
}

static int check_args(const json_t *args, struct error *err)
{
	static const char *const needed[] = {"id", "target", "old", "new"};
	if (!json_str(json_object_get(args, "repo"), "common_dir"))
		return error_set(err, ERR_INVALID, "a landing needs its repository");
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		const char *value = json_str(args, needed[i]);
		if (!value || !*value || strchr(value, '\n'))
			return error_set(err, ERR_INVALID, "a landing needs %s", needed[i]);
	}
	return branch_name_check(json_str(args, "target"), err);
}

int repo_land_move(const json_t *args, json_t **ret, struct error *err)
{
	int r = check_args(args, err);
	if (r)
		return r;
	const json_t *repo = json_object_get(args, "repo");
	automove m = {.common_dir = json_str(repo, "common_dir"),
		      .main_path = json_str(repo, "main"),
		      .git = GIT_INIT,
		      .journal = LAND_JOURNAL_INIT,
		      .diff = LAND_DIFF_INIT,
		      .paths = json_array(),
		      .left = json_array()};
	autofree char *from = NULL, *to = NULL;
	r = land_journal_open(m.common_dir, &m.journal, err);
	if (r)
		return r;
	git_at(m.common_dir, m.common_dir, NULL, &m.git);
	m.git.lock_fd = m.journal.fd;
	r = recover(&m, err);
	if (r == 0)
		r = git_commit_of(&m.git, json_str(args, "old"), &from, err);
	if (r == 0)
		r = git_commit_of(&m.git, json_str(args, "new"), &to, err);
	if (r == ERR_NOT_FOUND)
		return error_hint(err, r, "what was built is gone: land again, so that it is built anew");
	return r ? r : run_move(&m, args, from, to, ret, err);
}

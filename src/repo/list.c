/* Listing worktrees; see list.h.
 *
 * One process tells what worktrees there are, one what may be run in them, and then one `git status` a
 * worktree tells its state; that is all when the landed answers of the last time are given. A status
 * mostly waits (for the start of a process, for the disk), so a few threads run them side by side: this
 * is a worker process, not the daemon. The threads take the next job from a counter, and each job writes
 * its own slot; nothing else is shared. What two worktrees with the same head have in common is asked once.
 */
#include "repo/list.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "os/file.h"
#include "repo/git.h"
#include "repo/land_scratch.h"
#include "repo/landed.h"

enum { THREADS_MAX = 8, CACHED_TEXT_MAX = 64 };

/* One worktree. Strings belong to the listing or to the arguments. */
struct row {
	const char *path, *git_dir, *branch, *head, *locked;
	const json_t *known; /* base and base_commit, or NULL */
	bool main, missing;
	bool looked; /* dirty and untracked are known */
	size_t dirty, untracked;
	size_t pair; /* index of what its head has to do with the target */
	struct error err;
};

/* How a head stands to the target. */
struct pair {
	const char *head;
	bool cached;
	bool counted;
	int64_t ahead, behind;
	struct landed landed;
};

struct lister {
	struct git git; /* the common folder */
	struct git_worktrees worktrees;
	struct git_guard guard;
	const char *target;
	char *target_commit; /* NULL: nothing to compare with */
	const json_t *cache;
	struct row *rows;
	size_t n_rows;
	struct pair *pairs;
	size_t n_pairs;
	atomic_size_t next; /* job: first the rows, then the pairs */
};

static void lister_release(struct lister *l)
{
	for (size_t i = 0; i < l->n_rows; i++)
		error_release(&l->rows[i].err);
	git_release(&l->git);
	git_worktrees_release(&l->worktrees);
	git_guard_release(&l->guard);
	free(l->target_commit);
	free(l->rows);
	free(l->pairs);
}

static const struct git_worktree *find_worktree(const struct lister *l, const char *git_dir)
{
	for (size_t i = 0; git_dir && i < l->worktrees.n; i++) {
		const struct git_worktree *w = &l->worktrees.at[i];
		if (w->git_dir && strcmp(w->git_dir, git_dir) == 0)
			return w;
	}
	return NULL;
}

static void add_row(struct lister *l, const struct git_worktree *w, const json_t *given, const json_t *known)
{
	struct row *row = &l->rows[l->n_rows++];
	*row = (struct row){.known = given ? given : known};
	if (w) {
		row->path = w->path;
		row->git_dir = w->git_dir;
		row->branch = w->branch;
		row->head = w->head;
		row->locked = w->locked;
		row->main = w->main;
	}
	if (given) {
		row->path = json_str(given, "path");
		row->git_dir = json_str(given, "git_dir");
	}
	struct stat st;
	row->missing = !row->path || stat(row->path, &st) < 0;
}

/* The rows, and git's own list, which tells heads, branches and locks. */
static int load_rows(struct lister *l, const json_t *args, struct error *err)
{
	int r = git_worktrees(&l->git, &l->worktrees, err);
	if (r)
		return r;
	const json_t *given = json_object_get(args, "worktrees"), *known = json_object_get(args, "known");
	bool all = !json_is_array(given);
	size_t n = all ? l->worktrees.n : json_array_size(given);
	l->rows = xcalloc(n ? n : 1, sizeof(*l->rows));
	for (size_t i = 0; i < n; i++) {
		const json_t *one = all ? NULL : json_array_get(given, i);
		const struct git_worktree *w =
			all ? &l->worktrees.at[i] : find_worktree(l, json_str(one, "git_dir"));
		if (all && (w->bare || land_scratch_is(w->path)))
			continue;
		add_row(l, w, one, all ? json_object_get(known, w->path) : NULL);
	}
	return 0;
}

/* The target's commit. A branch that is checked out somewhere was listed already. */
static int load_target(struct lister *l, const char *target, struct error *err)
{
	autoerror why = {0};
	l->target = target ? target : l->worktrees.n ? l->worktrees.at[0].branch : NULL;
	if (!l->target)
		return 0;
	for (size_t i = 0; i < l->worktrees.n && !l->target_commit; i++) {
		const struct git_worktree *w = &l->worktrees.at[i];
		if (w->branch && w->head && strcmp(w->branch, l->target) == 0)
			l->target_commit = xstrdup(w->head);
	}
	int r = l->target_commit ? 0 : git_branch_tip(&l->git, l->target, &l->target_commit, err);
	if (r || l->target_commit)
		return r;
	/* Some other revision, or nothing: then there is nothing to compare with. */
	r = git_commit_of(&l->git, l->target, &l->target_commit, &why);
	return r == 0 || r == ERR_NOT_FOUND ? 0 : error_set(err, (enum error_code)r, "%s", why.message);
}

static char *pair_name(const struct lister *l, const struct pair *p)
{
	return xasprintf("%s %s", p->head, l->target_commit);
}

/* "<landed> <ahead> <behind>"; false when it is not that. */
static bool read_cached(const char *text, struct pair *ret)
{
	char landed[16];
	int64_t ahead, behind;
	int end = 0;
	if (!text || strlen(text) > CACHED_TEXT_MAX ||
	    sscanf(text, "%15s %" SCNd64 " %" SCNd64 "%n", landed, &ahead, &behind, &end) != 3 || text[end] ||
	    ahead < 0 || behind < 0)
		return false;
	for (int t = TRUTH_NO; t <= TRUTH_UNKNOWN; t++) {
		if (strcmp(landed, truth_name((enum truth)t)) != 0)
			continue;
		ret->landed = (struct landed){(enum truth)t, NULL, true};
		ret->ahead = ahead;
		ret->behind = behind;
		ret->cached = ret->counted = true;
		return true;
	}
	return false;
}

/* The pair of a head, added when it is new. A head that is the target's needs no look. */
static size_t pair_of(struct lister *l, const char *head)
{
	for (size_t k = 0; k < l->n_pairs; k++)
		if (strcmp(l->pairs[k].head, head) == 0)
			return k;
	struct pair *p = &l->pairs[l->n_pairs];
	*p = (struct pair){.head = head};
	autofree char *name = pair_name(l, p);
	if (strcmp(head, l->target_commit) == 0) {
		p->cached = p->counted = true;
		p->landed = (struct landed){TRUTH_YES, "same", true};
	} else if (!read_cached(json_str(l->cache, name), p)) {
		p->landed = (struct landed){TRUTH_UNKNOWN, "git could not compare them", false};
	}
	return l->n_pairs++;
}

static void load_pairs(struct lister *l)
{
	l->pairs = xcalloc(l->n_rows ? l->n_rows : 1, sizeof(*l->pairs));
	for (size_t i = 0; i < l->n_rows; i++) {
		const char *head = l->target_commit ? l->rows[i].head : NULL;
		l->rows[i].pair = head ? pair_of(l, head) : SIZE_MAX;
	}
}

static void look_at_row(const struct lister *l, struct row *row)
{
	if (row->missing)
		return;
	if (!row->git_dir) {
		(void)error_set(&row->err, ERR_GIT, "git's folder for it could not be told");
		return;
	}
	struct git g = GIT_INIT;
	git_at(l->git.common_dir, row->git_dir, row->path, &g);
	struct git_status s = {0};
	if (git_status(&g, &l->guard, 0, &s, &row->err) == 0) {
		row->looked = true;
		row->dirty = s.changed + s.unmerged;
		row->untracked = s.untracked;
		git_status_release(&s);
	}
	git_release(&g);
}

static bool count_commits(const struct lister *l, struct pair *p)
{
	static const char *const set[] = {"GIT_NO_REPLACE_OBJECTS=1", NULL};
	autofree char *range = xasprintf("%s...%s", l->target_commit, p->head);
	const char *const args[] = {"rev-list", "--left-right", "--count", range, "--", NULL};
	autostrbuf out = STRBUF_INIT(256);
	int status = 0;
	if (git_run_with(&l->git, GIT_QUIET, args, NULL, 0, set, &out, &status, NULL) != 0 || status)
		return false;
	return sscanf(strbuf_str(&out), "%" SCNd64 " %" SCNd64, &p->behind, &p->ahead) == 2;
}

static void look_at_pair(const struct lister *l, struct pair *p)
{
	if (p->cached)
		return;
	struct landed landed = {0};
	p->counted = count_commits(l, p);
	if (p->counted && p->ahead == 0)
		p->landed = (struct landed){TRUTH_YES, "ancestor", true};
	else if (p->counted && landed_test(&l->git, l->target_commit, p->head, &landed, NULL) == 0)
		p->landed = landed;
}

static void *work(void *data)
{
	struct lister *l = data;
	for (;;) {
		size_t i = atomic_fetch_add(&l->next, 1);
		if (i < l->n_rows)
			look_at_row(l, &l->rows[i]);
		else if (i < l->n_rows + l->n_pairs)
			look_at_pair(l, &l->pairs[i - l->n_rows]);
		else
			return NULL;
	}
}

/* Does all jobs; this thread works too, so it is done even where no other can be started. */
static void look_at_all(struct lister *l)
{
	pthread_t threads[THREADS_MAX];
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	size_t want = cpus < 1 ? 1 : cpus > THREADS_MAX ? THREADS_MAX : (size_t)cpus, n = 0;
	while (n < want && pthread_create(&threads[n], NULL, work, l) == 0)
		n++;
	(void)work(l);
	while (n > 0)
		(void)pthread_join(threads[--n], NULL); /* cannot fail for our own threads */
}

static void set_count(json_t *out, const char *key, bool known, int64_t n)
{
	json_object_set_new(out, key, known ? json_integer((json_int_t)n) : json_null());
}

static json_t *row_to_json(const struct lister *l, const struct row *row)
{
	const struct pair *p = row->pair < l->n_pairs ? &l->pairs[row->pair] : NULL;
	json_t *out = json_object();
	json_set_str(out, "branch", row->branch);
	json_set_str(out, "path", row->path);
	json_set_str(out, "git_dir", row->git_dir);
	json_set_str(out, "head", row->head);
	set_count(out, "dirty", row->looked, (int64_t)row->dirty);
	set_count(out, "untracked", row->looked, (int64_t)row->untracked);
	set_count(out, "ahead", p && p->counted, p ? p->ahead : 0);
	set_count(out, "behind", p && p->counted, p ? p->behind : 0);
	json_set_str(out, "landed", truth_name(p ? p->landed.value : TRUTH_UNKNOWN));
	json_set_str(out, "landed_how", p ? p->landed.how : NULL);
	json_set_str(out, "locked", row->locked);
	json_object_set_new(out, "main", json_boolean(row->main));
	json_object_set_new(out, "missing", json_boolean(row->missing));
	json_set_str(out, "base", json_str(row->known, "base"));
	json_set_str(out, "base_commit", json_str(row->known, "base_commit"));
	json_set_str(out, "error", row->err.message);
	return out;
}

static json_t *to_json(const struct lister *l)
{
	json_t *worktrees = json_array(), *add = json_object(), *out = json_object();
	for (size_t i = 0; i < l->n_rows; i++)
		json_array_append_new(worktrees, row_to_json(l, &l->rows[i]));
	for (size_t i = 0; i < l->n_pairs; i++) {
		const struct pair *p = &l->pairs[i];
		if (p->cached || !p->counted || !p->landed.lasting)
			continue;
		autofree char *name = pair_name(l, p);
		autofree char *text = xasprintf("%s %" PRId64 " %" PRId64, truth_name(p->landed.value),
						p->ahead, p->behind);
		json_set_str(add, name, text);
	}
	json_object_set_new(out, "worktrees", worktrees);
	json_set_str(out, "target", l->target);
	json_set_str(out, "target_commit", l->target_commit);
	json_object_set_new(out, "cache_add", add);
	return out;
}

int repo_list(const json_t *args, json_t **ret, struct error *err)
{
	const char *common = json_str(json_object_get(args, "repo"), "common_dir");
	if (!common || *common != '/')
		return error_set(err, ERR_INVALID, "'repo.common_dir' must be an absolute path");
	_cleanup_(lister_release) struct lister l = {.git = GIT_INIT,
						     .cache = json_object_get(args, "cache")};
	git_at(common, common, NULL, &l.git);
	int r = load_rows(&l, args, err);
	if (r == 0)
		r = load_target(&l, json_str(args, "target"), err);
	if (r == 0)
		r = git_guard_take(&l.git, &l.guard, err);
	if (r)
		return r;
	load_pairs(&l);
	look_at_all(&l);
	*ret = to_json(&l);
	return 0;
}

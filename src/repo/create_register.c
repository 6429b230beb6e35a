/* Branch and registration of a new worktree; see creation.h.
 *
 * One flock, <common_dir>/coppice.lock, makes the look at what is there and the change of it one step,
 * for `git worktree add` has no such step of its own: several at once pick the same name, or fail on
 * each other's locks. The descriptor goes to the git children, so that the lock outlives a killed worker
 * until they have ended. Only short things happen under it; files are checked out later.
 *
 * The branch is made first, by compare-and-swap from nothing, with this creation's id in its reflog: the
 * proof, after a crash, that it is ours to take back. Then git registers the worktree, without a
 * checkout. A registration that was cut short is recognised by its path, which the journal has, and by
 * HEAD, which git writes last; it holds no file of anybody's and is cleared. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/timeval.h"
#include "os/file.h"
#include "os/lock.h"
#include "repo/creation.h"
#include "repo/stale_lock.h"

static void set_str(char **slot, const char *value)
{
	char *copy = value ? xstrdup(value) : NULL;
	free(*slot);
	*slot = copy;
}

static char *branch_ref(const struct creation *c)
{
	return xasprintf("refs/heads/%s", c->branch);
}

/* In the reflog of the branch: this creation made it. */
static char *reflog_message(const struct creation *c)
{
	return xasprintf("branch: Created by coppice (%s)", c->id);
}

static int branch_is_ours(const struct creation *c, bool *ret, struct error *err)
{
	autofree char *ref = branch_ref(c), *message = reflog_message(c);
	const char *const args[] = {"log", "-g", "--no-show-signature", "--format=%gs", ref, "--", NULL};
	autostrbuf out = STRBUF_INIT(GIT_OUTPUT_MAX);
	int status = 0;
	int r = git_run(&c->repo, GIT_QUIET, args, &out, &status, err);
	*ret = r == 0 && status == 0 && strstr(strbuf_str(&out), message) != NULL;
	return r;
}

static int make_branch(struct creation *c, struct error *err)
{
	autofree char *ref = branch_ref(c), *message = reflog_message(c);
	autofree char *none = xstrdup(c->base_commit);
	memset(none, '0', strlen(none));
	const char *const args[] = {"update-ref", "--create-reflog", "-m", message,
				    ref,	  c->base_commit,    none, NULL};
	static const char *const set[] = {"LC_ALL=C", NULL}; /* its message is looked into */
	autoerror why = {0};
	int r = git_run_with(&c->repo, GIT_HOOKS, args, NULL, 0, set, NULL, NULL, &why);
	c->created_branch = r == 0;
	if (r == 0)
		return 0;
	if (why.message && strstr(why.message, "cannot create"))
		return error_hint(err,
				  error_set(err, ERR_EXISTS,
					    "a branch cannot be named %s beside those that exist", c->branch),
				  "with a branch 'a' there can be no 'a/b', nor the other way round");
	r = error_set(err, (enum error_code)r, "cannot create the branch %s: %s", c->branch, why.message);
	return why.hint ? error_hint(err, r, "%s", why.hint) : r;
}

/* Deletes the branch if it is still where it was made. */
static int delete_branch(const struct creation *c, struct error *err)
{
	autofree char *ref = branch_ref(c);
	const char *const args[] = {"update-ref", "-d", ref, c->base_commit, NULL};
	autofree char *tip = NULL;
	int r = git_branch_tip(&c->repo, c->branch, &tip, err);
	if (r || !tip || strcmp(tip, c->base_commit) != 0)
		return r;
	return git_run(&c->repo, GIT_HOOKS, args, NULL, NULL, err);
}

/* The folder that is registered for c->path, NULL if there is none; caller frees. */
struct admin_search {
	const struct creation *c;
	const char *admin;
	char *found;
};

static bool file_says(const char *dir, const char *name, const char *text)
{
	autofree char *path = path_join(dir, name);
	autostrbuf is = STRBUF_INIT(16 << 10);
	if (file_read(path, &is, NULL) != 0)
		return false;
	size_t n = strlen(text);
	return is.len >= n && memcmp(strbuf_str(&is), text, n) == 0 &&
	       strspn(is.buf + n, "\r\n") == is.len - n;
}

static int look_for_admin(const char *name, int type, void *data, struct error *err)
{
	(void)err;
	struct admin_search *s = data;
	if (type != DT_DIR || s->found)
		return 0;
	autofree char *git_dir = path_join(s->admin, name), *link = path_join(s->c->path, ".git");
	if (file_says(git_dir, "gitdir", link))
		s->found = TAKE_PTR(git_dir);
	return 0;
}

static int find_admin(const struct creation *c, char **ret, struct error *err)
{
	autofree char *admin = path_join(c->repo.common_dir, "worktrees");
	struct admin_search s = {.c = c, .admin = admin};
	struct stat st;
	*ret = NULL;
	if (lstat(admin, &st) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot look at %s", admin);
	int r = dir_each(admin, look_for_admin, &s, err);
	*ret = s.found;
	return r;
}

/* When the try began whose remains are looked at. File times lag behind the clock by some milliseconds. */
static struct timespec since(const struct creation *c)
{
	int64_t began = c->began > USEC_PER_SEC ? c->began - 20 * USEC_PER_MSEC : 0;
	return (struct timespec){.tv_sec = began / USEC_PER_SEC, .tv_nsec = began % USEC_PER_SEC * 1000};
}

/* Whether git did not come to the end of making this folder: HEAD is what it writes last. */
static bool is_incomplete(const struct creation *c, const char *git_dir)
{
	autofree char *path = path_join(git_dir, "HEAD");
	autostrbuf head = STRBUF_INIT(4096);
	if (file_read(path, &head, NULL) != 0)
		return true;
	const char *text = strbuf_str(&head);
	size_t zeros = strspn(text, "0");
	if (zeros == 40 || zeros == 64 || !head.len)
		return true;
	/* With reftables HEAD tells nothing, but the lock of the unfinished one is still there. */
	return strcmp(text, "ref: refs/heads/.invalid\n") == 0 &&
	       file_says(git_dir, "locked", c->lock_reason ? c->lock_reason : "initializing");
}

static bool is_absent_or_empty(const char *path)
{
	struct stat st;
	return lstat(path, &st) < 0 || st.st_size == 0;
}

/* Removes what git had made of a folder before it wrote for which worktree it is: never recursively, for
 * with anything else in it, it is not what it seems, and stays. */
static int clear_nameless(const char *name, int type, void *data, struct error *err)
{
	(void)err;
	const struct admin_search *s = data;
	const char *base = path_base(s->c->path);
	size_t n = strlen(base);
	if (type != DT_DIR || strncmp(name, base, n) != 0 ||
	    strspn(name + n, "0123456789") != strlen(name + n))
		return 0;
	autofree char *git_dir = path_join(s->admin, name), *lock = path_join(git_dir, "locked"),
		      *link = path_join(git_dir, "gitdir");
	struct stat st;
	if (lstat(git_dir, &st) < 0 || st.st_mtim.tv_sec < since(s->c).tv_sec || !is_absent_or_empty(link))
		return 0;
	if (!is_absent_or_empty(lock) &&
	    !file_says(git_dir, "locked", s->c->lock_reason ? s->c->lock_reason : "initializing"))
		return 0;
	(void)unlink(link);
	(void)unlink(lock);
	(void)rmdir(git_dir);
	return 0;
}

static int note_other(const char *name, int type, void *data, struct error *err)
{
	(void)type;
	(void)err;
	*(bool *)data |= strcmp(name, ".git") != 0;
	return 0;
}

/* The folder that our path's link names, which is no registration any more: whoever removes one, git after a
 * failure or we, takes it before the link, and may be killed in between. NULL if it is not so; caller frees. */
static char *removed_admin(const struct creation *c, const char *admin)
{
	autofree char *link = path_join(c->path, ".git"), *prefix = xasprintf("gitdir: %s/", admin);
	autostrbuf text = STRBUF_INIT(16 << 10);
	bool other = false;
	struct stat st;
	if (lstat(link, &st) < 0 || !S_ISREG(st.st_mode) || st.st_mtim.tv_sec < since(c).tv_sec ||
	    file_read(link, &text, NULL) || strncmp(strbuf_str(&text), prefix, strlen(prefix)) != 0 ||
	    dir_each(c->path, note_other, &other, NULL) || other)
		return NULL;
	const char *name = strbuf_str(&text) + strlen(prefix);
	autofree char *plain = xstrndup(name, strcspn(name, "\n"));
	if (!*plain || *plain == '.' || strchr(plain, '/'))
		return NULL;
	autofree char *git_dir = path_join(admin, plain), *back = path_join(git_dir, "gitdir");
	return is_absent_or_empty(back) ? TAKE_PTR(git_dir) : NULL;
}

/* Removes a registration for our path that git did not complete. A complete one is somebody's. */
static int clear_registration(const struct creation *c, struct error *err)
{
	autofree char *git_dir = NULL, *admin = path_join(c->repo.common_dir, "worktrees"),
		      *link = path_join(c->path, ".git");
	int r = find_admin(c, &git_dir, err);
	if (r || (git_dir && !is_incomplete(c, git_dir)))
		return r;
	if (!git_dir)
		git_dir = removed_admin(c, admin);
	if (git_dir) {
		autofree char *named = xasprintf("gitdir: %s", git_dir);
		/* The link goes last: with it whoever comes after a kill knows the rest of the folder. */
		r = tree_remove(git_dir, err);
		if (r == 0 && file_says(c->path, ".git", named) && unlink(link) < 0)
			return error_errno(err, errno, "cannot remove %s", link);
	}
	struct admin_search s = {.c = c, .admin = admin};
	struct stat st;
	if (r == 0 && lstat(admin, &st) == 0)
		r = dir_each(admin, clear_nameless, &s, err);
	if (r)
		return r;
	if (lstat(link, &st) == 0 && st.st_size == 0)
		(void)unlink(link); /* git was killed while it wrote the link */
	if (!c->empty_before)
		(void)rmdir(c->path); /* fails where somebody has put something meanwhile: it stays */
	return 0;
}

/* Removes the parents that were made, from the lowest up, as far as they are empty. */
static void remove_parents(const struct creation *c)
{
	if (!c->made_parent)
		return;
	autofree char *dir = xstrdup(c->path);
	for (;;) {
		char *slash = strrchr(dir, '/');
		if (!slash || slash == dir)
			return;
		*slash = '\0';
		if (!path_inside(dir, c->made_parent) || (rmdir(dir) < 0 && errno != ENOENT))
			return;
	}
}

static int remove_tree(const struct creation *c, struct error *err)
{
	struct stat st;
	if (lstat(c->path, &st) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot look at %s", c->path);
	int r = tree_remove(c->path, err);
	if (r == 0 && c->empty_before && mkdir(c->path, st.st_mode & 07777) < 0)
		return error_errno(err, errno, "cannot create %s", c->path);
	return r;
}

/* Removes worktree and registration. The registration goes into the journal's folder, in one step and
 * last: as long as it is in its place, the folder that it names is ours, and afterwards it never is. */
static int remove_registered(const struct creation *c, struct error *err)
{
	autofree char *taken = path_join(c->journal_dir, "admin"), *link = path_join(c->path, ".git"),
		      *admin = path_join(c->repo.common_dir, "worktrees");
	struct stat st;
	if (lstat(taken, &st) == 0 || !file_says(c->git_dir, "gitdir", link))
		return 0;
	int r = remove_tree(c, err);
	if (r)
		return r;
	if (rename(c->git_dir, taken) < 0)
		return error_errno(err, errno, "cannot remove %s", c->git_dir);
	(void)rmdir(admin); /* git too removes it with the last of its entries */
	return 0;
}

int creation_undo(struct creation *c, struct error *err)
{
	c->undoing = true;
	int r = c->path ? creation_journal_save(c, err) : 0;
	/* There will be room once the folder is gone. A kill before that has the creation gone on with, which
	 * then fails as it did, or completes. */
	if (r == ERR_DISK_FULL) {
		if (err)
			error_release(err);
		r = 0;
	}
	if (r == 0 && c->path)
		r = c->git_dir ? remove_registered(c, err) : clear_registration(c, err);
	if (r == 0 && c->created_branch)
		r = delete_branch(c, err);
	if (r == 0 && c->path)
		remove_parents(c);
	return r ? r : creation_journal_drop(c, err);
}

/* The commits of the branch and of a second one, NULL for one that does not exist. */
static int read_tips(struct creation *c, const char *second, char **ret_tip, char **ret_second,
		     struct error *err)
{
	autofree char *ref = branch_ref(c), *other = xasprintf("refs/heads/%s", second ? second : c->branch);
	const char *const args[] = {"for-each-ref", "--format=%(objectname) %(refname)", ref, other, NULL};
	autostrbuf out = STRBUF_INIT(GIT_OUTPUT_MAX);
	int r = git_run(&c->repo, 0, args, &out, NULL, err);
	for (const char *line = strbuf_str(&out); r == 0 && *line;) {
		size_t n = strcspn(line, "\n"), hash = strcspn(line, " ");
		autofree char *name = hash < n ? xstrndup(line + hash + 1, n - hash - 1) : xstrdup("");
		if (strcmp(name, ref) == 0 && !*ret_tip)
			*ret_tip = xstrndup(line, hash);
		if (second && strcmp(name, other) == 0 && !*ret_second)
			*ret_second = xstrndup(line, hash);
		line += n + (line[n] == '\n');
	}
	return r;
}

static int no_base(const struct creation *c, const struct git_worktree *main, struct error *err)
{
	if (main->bare)
		return error_hint(err,
				  error_set(err, ERR_UNSUPPORTED,
					    "the repository is bare, so there is nothing to cut %s from",
					    c->branch),
				  "name a base: coppice new %s --base BRANCH", c->branch);
	return error_hint(err, error_set(err, ERR_UNSUPPORTED, "the repository has no commit yet"),
			  "make the first one: git commit --allow-empty -m 'first'");
}

/* Finds the commit that the base names; a branch goes before anything else of that name. */
static int find_base(struct creation *c, const struct git_worktrees *list, struct error *err)
{
	const struct git_worktree *main = &list->at[0];
	autofree char *tip = NULL, *commit = NULL;
	int r = read_tips(c, c->asked_base, &tip, &commit, err);
	if (r == 0 && c->asked_base && !commit)
		r = git_commit_of(&c->repo, c->asked_base, &commit, err);
	if (r)
		return r;
	if (!c->asked_base && main->head)
		commit = xstrdup(main->head);
	if (!commit && !tip)
		return no_base(c, main, err);
	set_str(&c->base, c->asked_base	 ? c->asked_base
			  : !commit	 ? NULL
			  : main->branch ? main->branch
					 : commit);
	c->new_branch = !tip;
	set_str(&c->head, tip ? tip : commit);
	if (!tip || !commit) {
		set_str(&c->base_commit, commit ? commit : tip);
		return 0;
	}
	const char *const args[] = {"merge-base", commit, tip, NULL};
	autostrbuf out = STRBUF_INIT(4096);
	int status = 0;
	r = git_run(&c->repo, GIT_QUIET, args, &out, &status, err);
	autofree char *fork = xstrndup(strbuf_str(&out), strcspn(strbuf_str(&out), "\n"));
	set_str(&c->base_commit, status == 0 && *fork ? fork : tip);
	return r;
}

static const struct git_worktree *holder(const struct creation *c, const struct git_worktrees *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->at[i].branch && strcmp(list->at[i].branch, c->branch) == 0)
			return &list->at[i];
	return NULL;
}

/* Locks the adopted worktree for its owner, unless somebody else has locked it. */
static int lock_adopted(const struct creation *c, const struct git_worktree *w, struct error *err)
{
	static const char ours[] = "coppice boot=";
	if (!c->lock_reason || (w->locked && strncmp(w->locked, ours, strlen(ours)) != 0) ||
	    (w->locked && strcmp(w->locked, c->lock_reason) == 0))
		return 0;
	const char *const unlock[] = {"worktree", "unlock", "--", w->path, NULL};
	const char *const lock[] = {"worktree", "lock", "--reason", c->lock_reason, "--", w->path, NULL};
	int r = w->locked ? git_run_worktree(&c->repo, unlock, NULL, err) : 0;
	return r ? r : git_run_worktree(&c->repo, lock, NULL, err);
}

static int refuse_holder(const struct creation *c, const struct git_worktree *w, struct error *err)
{
	if (w->main)
		return error_hint(err,
				  error_set(err, ERR_CONFLICT, "%s is checked out in the main worktree %s",
					    c->branch, w->path),
				  "switch that to another branch first, or choose another name");
	struct stat st;
	if (!w->git_dir || lstat(w->path, &st) < 0)
		return error_hint(
			err,
			error_set(err, ERR_CONFLICT, "%s is registered for a worktree that is gone: %s",
				  c->branch, w->path),
			"bring it back (git worktree repair), or have git forget it (git worktree prune)");
	return error_hint(err,
			  error_set(err, ERR_CONFLICT, "%s is checked out in %s already", c->branch, w->path),
			  "leave --path out to take that worktree over");
}

static bool can_adopt(const struct creation *c, const struct git_worktree *w)
{
	autofree char *asked = NULL;
	struct stat st;
	if (w->main || !w->git_dir || lstat(w->path, &st) < 0)
		return false;
	return !c->path_fixed ||
	       (path_resolve(c->asked_path, &asked, NULL) == 0 && strcmp(asked, w->path) == 0);
}

/* Takes over the worktree that has the branch checked out. */
static int adopt(struct creation *c, const struct git_worktree *w, const struct git_worktrees *list,
		 struct error *err)
{
	if (!can_adopt(c, w))
		return refuse_holder(c, w, err);
	int r = w->head ? find_base(c, list, err) : no_base(c, w, err);
	if (r == 0)
		r = lock_adopted(c, w, err);
	if (r)
		return r;
	creation_read_base(c, w->git_dir);
	set_str(&c->path, w->path);
	set_str(&c->git_dir, w->git_dir);
	set_str(&c->head, w->head);
	c->adopted = true;
	return 0;
}

static int add_worktree(struct creation *c, struct error *err)
{
	const char *args[16] = {"worktree", "add", "--no-checkout"};
	size_t n = 3;
	if (c->lock_reason) {
		args[n++] = "--lock";
		args[n++] = "--reason";
		args[n++] = c->lock_reason;
	}
	/* --no-track would only go with -b; a branch made by update-ref tracks nothing in any case. */
	args[n++] = "--";
	args[n++] = c->path;
	args[n] = c->branch;
	autoerror why = {0};
	int r = git_run_worktree(&c->repo, args, NULL, &why);
	if (r == 0)
		return git_link_read(c->path, &c->git_dir, err);
	/* A rebase or a bisection holds its branch although HEAD is detached. */
	bool held = strstr(why.message, "already checked out") || strstr(why.message, "already used by");
	r = error_set(err, held ? ERR_CONFLICT : (enum error_code)r, "%s", why.message);
	return why.hint ? error_hint(err, r, "%s", why.hint) : r;
}

/* Patterns with a meaning beyond a folder's name. */
static bool are_folders(const json_t *patterns)
{
	size_t i;
	const json_t *p;
	json_array_foreach(patterns, i, p)
	{
		const char *s = json_string_value(p);
		if (*s == '/' || *s == '!' || *s == '#' || strpbrk(s, "*?[\\"))
			return false;
	}
	return true;
}

/* May switch extensions.worktreeConfig on, in the shared configuration: hence under the lock. */
static int set_sparse(const struct creation *c, struct error *err)
{
	if (!c->sparse)
		return 0;
	const char *const args[] = {"sparse-checkout", "set", are_folders(c->sparse) ? "--cone" : "--no-cone",
				    "--stdin", NULL};
	autostrbuf input = STRBUF_INIT(1 << 20);
	size_t i;
	const json_t *p;
	json_array_foreach(c->sparse, i, p) strbuf_addf(&input, "%s\n", json_string_value(p));
	struct git tree = c->repo;
	tree.git_dir = c->git_dir;
	tree.work_tree = c->path;
	return git_run_with(&tree, 0, args, strbuf_str(&input), input.len, NULL, NULL, NULL, err);
}

/* Lock files that an earlier try's git may have left in the shared folder. */
static int clear_stale_locks(const struct creation *c, struct error *err)
{
	autofree char *ref = xasprintf("%s/refs/heads/%s.lock", c->repo.common_dir, c->branch);
	autofree char *config = path_join(c->repo.common_dir, "config.lock");
	struct timespec began = since(c);
	int r = stale_lock_clear(ref, &began, err);
	if (r == 0 && c->undoing)
		r = stale_packed_clear(c->repo.common_dir, &began, err);
	if (r == 0 && c->sparse)
		r = stale_lock_clear(config, &began, err);
	return r;
}

/* Those in the worktree's own folder: nobody else's git works there yet. */
static void clear_own_locks(const char *git_dir)
{
	static const char *const names[] = {"index.lock", "HEAD.lock", "ORIG_HEAD.lock",
					    "config.worktree.lock", "info/sparse-checkout.lock"};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		autofree char *path = path_join(git_dir, names[i]);
		(void)unlink(path); /* usually not there */
	}
	autofree char *lock = path_join(git_dir, "locked");
	if (file_says(git_dir, "locked", "initializing"))
		(void)unlink(lock); /* git does it last */
}

static void start_afresh(struct creation *c)
{
	set_str(&c->path, NULL);
	set_str(&c->made_parent, NULL);
	set_str(&c->git_dir, NULL);
	c->undoing = c->repeated = c->created_branch = false;
	c->began = 0;
}

/* Finds out what of an earlier try there is. Only then can it be taken back or gone on with. */
static int survey(struct creation *c, const struct git_worktrees *list, struct error *err)
{
	const struct git_worktree *w = holder(c, list);
	autofree char *tip = NULL, *none = NULL;
	int r = read_tips(c, NULL, &tip, &none, err);
	if (r == 0 && tip && c->new_branch)
		r = branch_is_ours(c, &c->created_branch, err);
	if (r)
		return r;
	if (w && w->git_dir && strcmp(w->path, c->path) == 0)
		set_str(&c->git_dir, w->git_dir);
	c->surveyed = true;
	return 0;
}

/* Goes on where an earlier try was killed. `ret_done`: the worktree is registered. */
static int take_up(struct creation *c, const struct git_worktrees *list, bool *ret_done, struct error *err)
{
	int r = survey(c, list, err);
	if (r == 0)
		r = clear_stale_locks(c, err);
	if (r)
		return r;
	if (c->undoing) {
		r = creation_undo(c, err);
		if (r == 0)
			start_afresh(c);
		return r;
	}
	if (!c->git_dir)
		return 0;
	clear_own_locks(c->git_dir);
	*ret_done = true;
	return set_sparse(c, err);
}

/* Chooses the path. An earlier try may have made the parents that are there now. */
static int choose_path(struct creation *c, const struct git_worktrees *list, struct error *err)
{
	autofree char *path = TAKE_PTR(c->path), *made_parent = TAKE_PTR(c->made_parent);
	int r = creation_choose_path(c, list, err);
	if (r == 0 && path && strcmp(path, c->path) == 0 && !c->made_parent)
		c->made_parent = TAKE_PTR(made_parent);
	return r;
}

/* Decides, writes that down, and does it. */
static int begin(struct creation *c, const struct git_worktrees *list, struct error *err)
{
	const struct git_worktree *w = holder(c, list);
	if (w)
		return adopt(c, w, list, err);
	bool fixed = c->repeated && c->created_branch; /* the base of a branch that we made stays (W2) */
	int r = fixed ? 0 : find_base(c, list, err);
	if (r == 0)
		r = choose_path(c, list, err);
	if (r == 0)
		r = creation_journal_save(c, err);
	if (r == 0 && c->new_branch && !c->created_branch)
		r = make_branch(c, err);
	if (r == 0)
		r = add_worktree(c, err);
	return r ? r : set_sparse(c, err);
}

static int clear_other(const char *name, int type, void *data, struct error *err)
{
	const struct creation *c = data;
	if (type != DT_DIR || strncmp(name, CREATION_JOURNAL, strlen(CREATION_JOURNAL)) != 0)
		return 0;
	autofree char *journal = path_join(c->repo.common_dir, name);
	struct creation other = {.repo = c->repo};
	creation_journal_peek(journal, &other);
	autofree char *path = other.path;
	return path ? clear_registration(&other, err) : 0;
}

/* The worktrees. A registration that was cut short can make git refuse to list any. While we have the
 * lock nobody is at one, so those that journals tell of are dead, and are cleared for all. */
static int list_worktrees(struct creation *c, struct git_worktrees *ret, struct error *err)
{
	autoerror why = {0};
	if (git_worktrees(&c->repo, ret, &why) == 0)
		return 0;
	int r = dir_each(c->repo.common_dir, clear_other, c, err);
	return r ? r : git_worktrees(&c->repo, ret, err);
}

static int register_locked(struct creation *c, struct error *err)
{
	_cleanup_(git_worktrees_release) struct git_worktrees list = {0};
	bool done = false;
	int r = creation_journal_load(c, err);
	if (r == 0 && c->repeated)
		r = clear_registration(c, err);
	if (r == 0)
		r = list_worktrees(c, &list, err);
	if (r == 0 && !list.n)
		r = error_set(err, ERR_GIT, "git lists no worktree in %s", c->repo.common_dir);
	if (r)
		return r;
	c->surveyed = !c->repeated;
	if (!c->repeated)
		return begin(c, &list, err);
	bool undone = c->undoing;
	r = take_up(c, &list, &done, err);
	if (r == 0 && undone) {
		git_worktrees_release(&list);
		r = list_worktrees(c, &list, err);
	}
	return r || done ? r : begin(c, &list, err);
}

int creation_register(struct creation *c, struct error *err)
{
	autofree char *path = path_join(c->repo.common_dir, "coppice.lock");
	int r = path_check_local(c->repo.common_dir, err);
	if (r == 0)
		r = lock_take(path, LOCK_WAIT, &c->repo.lock_fd, err);
	if (r)
		return r;
	r = register_locked(c, err);
	if (r && !c->adopted && c->surveyed) {
		autoerror why = {0};
		if (creation_undo(c, &why) != 0)
			(void)error_hint(err, r, "not all of it could be taken back: %s", why.message);
	} else if (c->adopted) {
		r = creation_journal_drop(c, err); /* of an earlier try, should there be one */
	}
	(void)close(TAKE_FD(c->repo.lock_fd)); /* nothing is written through it */
	return r;
}

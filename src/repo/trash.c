/* The trash on disk; see trash.h. How entries come and go is in remove.c and restore.c.
 *
 * Every step is one rename, one link or one git command, and a step that was done already is a
 * success: so after a crash the whole sequence is simply run again. A folder is recognised by its inode
 * number, which the journal holds: a rename does not change it, and nobody else's folder has it. */
#include "repo/trash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "os/file.h"
#include "os/move.h"
#include "repo/keep.h"
#include "repo/stale_lock.h"

/* A new .git file on its way into the worktree. */
#define ASIDE "git"
#define SIBLING ".coppice-trash"
#define IGNORE_ALL "# Removed worktrees, until they are restored or deleted for good.\n*\n"

enum { JOURNAL_MAX = 16 << 20, ID_MAX = 64, TRIES = 3 };

static const char *const phase_names[] = {
	[TRASH_NONE] = "",	     [TRASH_REMOVING] = "removing",
	[TRASH_REMOVED] = "removed", [TRASH_RESTORING] = "restoring",
	[TRASH_PURGING] = "purging",
};

void (*trash_test_point)(const char *name);

void trash_point(const char *name)
{
	if (trash_test_point)
		trash_test_point(name);
}

void trash_release(struct trash *t)
{
	free(t->id);
	free(t->dir);
	free(t->tree);
	free(t->journal);
	free(t->admin);
	free(t->branch_log);
	free(t->ref);
	git_release(&t->git);
	json_decref(t->info);
	*t = TRASH_INIT;
}

static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return !slash || slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

static bool exists(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

static ino_t inode_of(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0 ? st.st_ino : 0;
}

/* An id becomes the name of files and of a ref. */
static int check_id(const char *id, struct error *err)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	size_t n = strlen(id);
	if (n == 0 || n > ID_MAX || strspn(id, ok) != n || id[0] == '-')
		return error_set(err, ERR_INVALID, "not the id of a trash entry");
	return 0;
}

/* Where a rename can go without copying: the same device, through the same mount. */
struct place {
	dev_t dev;
	uint64_t mount;
};

/* The place of `path`, or of its nearest ancestor that exists. */
static int place_of(const char *path, struct place *ret, struct error *err)
{
	autofree char *at = xstrdup(path);
	struct stat st;
	struct statx stx;
	while (stat(at, &st) < 0) {
		if (errno != ENOENT || strcmp(at, "/") == 0)
			return error_errno(err, errno, "cannot look at %s", at);
		char *up = parent_of(at);
		free(at);
		at = up;
	}
	if (statx(AT_FDCWD, at, 0, STATX_MNT_ID, &stx) < 0)
		return error_errno(err, errno, "cannot look at %s", at);
	*ret = (struct place){.dev = st.st_dev, .mount = stx.stx_mask & STATX_MNT_ID ? stx.stx_mnt_id : 0};
	return 0;
}

int trash_place(const char *path, const char *wish, const char *id, char **ret, struct error *err)
{
	int r = check_id(id, err);
	if (r)
		return r;
	autofree char *parent = parent_of(path), *sibling = path_join(parent, SIBLING);
	autofree char *entry = path_join(sibling, id);
	struct place here, there;
	if (!wish || exists(entry)) {
		*ret = TAKE_PTR(entry);
		return 0;
	}
	r = place_of(parent, &here, err);
	if (r == 0)
		r = place_of(wish, &there, err);
	if (r == 0 && here.dev == there.dev && here.mount == there.mount) {
		autofree char *real = NULL;
		r = dir_make_private(wish, err);
		if (r == 0)
			r = path_resolve(wish, &real, err);
		if (r == 0) {
			free(entry);
			entry = path_join(real, id);
		}
	}
	if (r == 0)
		*ret = TAKE_PTR(entry);
	return r;
}

static int load(struct trash *t, struct error *err)
{
	autostrbuf text = STRBUF_INIT(JOURNAL_MAX);
	struct stat st;
	int r = file_read(t->journal, &text, err);
	if (r == ERR_NOT_FOUND) {
		t->info = json_object();
		return 0;
	}
	if (r == 0 && stat(t->journal, &st) < 0)
		r = error_errno(err, errno, "cannot look at %s", t->journal);
	if (r == 0)
		r = json_parse(strbuf_str(&text), text.len, &t->info, err);
	if (r)
		return r;
	const char *phase = json_str(t->info, "phase"), *id = json_str(t->info, "id"),
		   *common = json_str(t->info, "common_dir");
	t->found = true;
	t->since = st.st_mtim;
	for (size_t i = 1; phase && i < ARRAY_SIZE(phase_names); i++)
		if (strcmp(phase, phase_names[i]) == 0)
			t->phase = (enum trash_phase)i;
	if (!t->phase || !id || strcmp(id, t->id) != 0 || !common || strcmp(common, t->git.common_dir) != 0 ||
	    !json_str(t->info, "worktree") || !json_str(t->info, "git_dir"))
		return error_set(err, ERR_INVALID, "%s is not the journal of this trash entry", t->journal);
	return 0;
}

int trash_open(const char *common_dir, const char *dir, struct trash *ret, struct error *err)
{
	const char *id = path_base(dir);
	int r = dir[0] == '/' ? check_id(id, err)
			      : error_set(err, ERR_INVALID, "the trash entry must be an absolute path");
	if (r)
		return r;
	autotrash t = TRASH_INIT;
	autofree char *halves = path_join(common_dir, "coppice-trash");
	t.id = xstrdup(id);
	t.dir = xstrdup(dir);
	t.tree = path_join(dir, "tree");
	t.journal = path_join(dir, "journal.json");
	t.admin = path_join(halves, id);
	t.branch_log = xasprintf("%s.log", t.admin);
	t.ref = xasprintf("refs/coppice/trash/%s", id);
	git_at(common_dir, common_dir, NULL, &t.git);
	r = load(&t, err);
	if (r)
		return r;
	*ret = t;
	t = TRASH_INIT;
	return 0;
}

/* Hides a trash folder from a repository that it may lie in: nobody's `git add` shall pick it up. Written
 * in place, for everybody writes the same, and a temporary file that a crash left would be nobody's. */
static int hide(const char *trash_dir, struct error *err)
{
	autofree char *ignore = path_join(trash_dir, ".gitignore");
	struct stat st;
	const size_t len = strlen(IGNORE_ALL);
	if (lstat(ignore, &st) == 0 && (size_t)st.st_size == len)
		return 0;
	autoclose int fd = open(ignore, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && errno == ENOENT)
		return error_set(err, ERR_NOT_FOUND, "there is no folder %s", trash_dir);
	if (fd < 0 || write(fd, IGNORE_ALL, len) != (ssize_t)len)
		return error_errno(err, errno, "cannot write %s", ignore);
	return 0;
}

int trash_create(struct trash *t, struct error *err)
{
	autofree char *trash_dir = parent_of(t->dir), *halves = parent_of(t->admin);
	struct stat st;
	if (lstat(trash_dir, &st) == 0 && !S_ISDIR(st.st_mode))
		return error_set(err, ERR_REFUSED, "%s is not a plain folder", trash_dir);
	int r = ERR_NOT_FOUND;
	/* Whoever empties the trash at this moment may take the folder away again. */
	for (int i = 0; r == ERR_NOT_FOUND && i < TRIES; i++) {
		r = dir_make_private(trash_dir, err);
		if (r == 0)
			r = dir_make_private(t->dir, err);
		if (r == 0)
			r = hide(trash_dir, err);
	}
	return r ? r : dir_make_private(halves, err);
}

int trash_set_phase(struct trash *t, enum trash_phase phase, struct error *err)
{
	json_set_str(t->info, "phase", phase_names[phase]);
	json_set_str(t->info, "id", t->id);
	json_set_str(t->info, "common_dir", t->git.common_dir);
	autofree char *text = json_text(t->info);
	int r = file_replace(t->journal, text, strlen(text), 0600, err);
	if (r == 0)
		t->phase = phase;
	return r;
}

int trash_clear_locks(struct trash *t, struct error *err)
{
	autofree char *own = xasprintf("%s/%s.lock", t->git.common_dir, t->ref);
	/* Only a git of this entry takes the lock of this ref, and it has ended. */
	if (unlink(own) < 0 && errno != ENOENT && errno != ENOTDIR)
		return error_errno(err, errno, "cannot remove the stale lock %s", own);
	if (!t->found)
		return 0;
	const char *branch = json_str(t->info, "branch"), *head_branch = json_str(t->info, "head_branch");
	char *locks[] = {
		path_join(t->git.common_dir, "config.lock"),
		xasprintf("%s/refs/heads/%s.lock", t->git.common_dir, branch ? branch : ""),
		xasprintf("%s/refs/heads/%s.lock", t->git.common_dir, head_branch ? head_branch : ""),
	};
	int r = stale_packed_clear(t->git.common_dir, &t->since, err);
	for (size_t i = 0; i < ARRAY_SIZE(locks); i++) {
		if (r == 0)
			r = stale_lock_clear(locks[i], &t->since, err);
		free(locks[i]);
	}
	return r;
}

int trash_take_in(struct trash *t, struct error *err)
{
	const char *worktree = json_str(t->info, "worktree"), *git_dir = json_str(t->info, "git_dir");
	ino_t inode = (ino_t)json_int(t->info, "admin_inode", 0);
	autofree char *halves = parent_of(t->admin);
	int r = exists(t->admin) ? 0 : tree_move(git_dir, t->admin, inode, err);
	/* Whoever discarded the last other entry may have taken the folder away. */
	if (r == ERR_NOT_FOUND && !exists(halves)) {
		r = dir_make_private(halves, err);
		if (r == 0)
			r = tree_move(git_dir, t->admin, inode, err);
	}
	trash_point("admin moved");
	if (r == 0)
		r = trash_tree_in(t, worktree, err);
	trash_point("tree moved");
	return r;
}

int trash_tree_in(struct trash *t, const char *path, struct error *err)
{
	return exists(t->tree) ? 0 : tree_move(path, t->tree, (ino_t)json_int(t->info, "tree_inode", 0), err);
}

bool trash_begun(const struct trash *t)
{
	return exists(t->dir);
}

bool trash_has_tree(const struct trash *t)
{
	return exists(t->tree);
}

bool trash_has_admin(const struct trash *t)
{
	return exists(t->admin);
}

int trash_tree_out(struct trash *t, const char *path, struct error *err)
{
	ino_t inode = (ino_t)json_int(t->info, "tree_inode", 0);
	if (exists(t->tree))
		return tree_move(t->tree, path, inode, err);
	if (inode_of(path) != inode)
		return error_set(err, ERR_NOT_FOUND, "neither %s nor %s is the removed worktree", t->tree,
				 path);
	return 0;
}

/* Replaces the one line of a link file by way of `aside`, which is on the same file system and outside
 * of the folder, so that a crash leaves nothing in a folder that is the user's. */
static int rewrite_link(const char *file, const char *aside, const char *prefix, const char *path,
			struct error *err)
{
	autofree char *line = xasprintf("%s%s\n", prefix, path);
	autostrbuf now = STRBUF_INIT(64 << 10);
	struct stat st;
	int r = file_read(file, &now, err);
	if (r || strcmp(strbuf_str(&now), line) == 0)
		return r;
	if (stat(file, &st) < 0)
		return error_errno(err, errno, "cannot look at %s", file);
	r = file_replace(aside, line, strlen(line), st.st_mode & 0777, err);
	if (r == 0 && rename(aside, file) < 0)
		r = error_errno(err, errno, "cannot write %s", file);
	return r;
}

/* Makes the halves name each other, where they were given other places than they had. */
static int relink(struct trash *t, const char *path, const char *git_dir, struct error *err)
{
	autofree char *gitdir_file = path_join(t->admin, "gitdir"), *git_file = path_join(path, ".git"),
		      *aside_gitdir = xasprintf("%s.gitdir", t->admin), *aside_git = path_join(t->dir, ASIDE);
	int r = 0;
	if (strcmp(path, json_str(t->info, "worktree")) != 0)
		r = rewrite_link(gitdir_file, aside_gitdir, "", git_file, err);
	if (r == 0 && strcmp(git_dir, json_str(t->info, "git_dir")) != 0)
		r = rewrite_link(git_file, aside_git, "gitdir: ", git_dir, err);
	return r;
}

int trash_admin_out(struct trash *t, const char *path, char **ret_git_dir, struct error *err)
{
	const char *wanted = json_str(t->info, "git_dir");
	autofree char *other = xasprintf("%s-%s", wanted, t->id), *worktrees = parent_of(wanted);
	ino_t inode = (ino_t)json_int(t->info, "admin_inode", 0);
	if (!exists(t->admin)) {
		const char *now = inode_of(wanted) == inode  ? wanted
				  : inode_of(other) == inode ? other
							     : NULL;
		if (!now)
			return error_set(err, ERR_NOT_FOUND, "%s is gone", t->admin);
		*ret_git_dir = xstrdup(now);
		return 0;
	}
	/* git removes it with the last worktree, and makes it with these permissions. */
	int r = exists(worktrees) ? 0 : dir_make(worktrees, 0755, err);
	const char *to = exists(wanted) ? other : wanted;
	if (r == 0)
		r = relink(t, path, to, err);
	if (r == 0)
		r = tree_move(t->admin, to, inode, err);
	if (r == ERR_EXISTS && to == wanted) {
		to = other;
		r = relink(t, path, to, err);
		if (r == 0)
			r = tree_move(t->admin, to, inode, err);
	}
	if (r == 0)
		*ret_git_dir = xstrdup(to);
	return r;
}

/* Removes one of the small files of an entry; anything else in there is not ours to remove. */
static int remove_small_file(const char *name, int type, void *data, struct error *err)
{
	const struct trash *t = data;
	bool known = strcmp(name, "journal.json") == 0 || strcmp(name, ASIDE) == 0 ||
		     strncmp(name, ".tmp-", 5) == 0; /* of file_replace, killed */
	autofree char *path = path_join(t->dir, name);
	if (type != DT_REG || !known)
		return error_set(err, ERR_CONFLICT, "%s is not part of a trash entry", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot remove %s", path);
	return 0;
}

static int remove_entry(struct trash *t, struct error *err)
{
	int r = dir_each(t->dir, remove_small_file, t, err);
	if (r == ERR_NOT_FOUND)
		return 0;
	if (r == 0 && rmdir(t->dir) < 0 && errno != ENOENT)
		r = error_errno(err, errno, "cannot remove %s", t->dir);
	return r;
}

static int note_entry(const char *name, int type, void *data, struct error *err)
{
	(void)type;
	(void)err;
	bool *other = data;
	*other |= strcmp(name, ".gitignore") != 0;
	return 0;
}

/* Removes a trash folder that was made beside worktrees, once nothing is in it. */
static void tidy(const char *trash_dir)
{
	bool other = false;
	if (strcmp(path_base(trash_dir), SIBLING) != 0 || dir_each(trash_dir, note_entry, &other, NULL) ||
	    other)
		return;
	autofree char *ignore = path_join(trash_dir, ".gitignore");
	(void)unlink(ignore);
	/* When an entry came meanwhile, the folder stays, and must stay hidden. */
	if (rmdir(trash_dir) < 0)
		(void)hide(trash_dir, NULL);
}

int trash_discard(struct trash *t, struct error *err)
{
	if (exists(t->tree) || exists(t->admin))
		return error_set(err, ERR_CONFLICT, "%s still holds a worktree, or %s its state", t->dir,
				 t->admin);
	int r = trash_clear_locks(t, err);
	if (r == 0)
		r = keep_drop(&t->git, t->ref, err);
	trash_point("ref dropped");
	if (r)
		return r;
	if (unlink(t->branch_log) < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot remove %s", t->branch_log);
	autofree char *halves = parent_of(t->admin), *trash_dir = parent_of(t->dir);
	r = remove_entry(t, err);
	trash_point("entry removed");
	(void)rmdir(halves); /* there are other entries in it, mostly */
	tidy(trash_dir);
	return r;
}

json_t *trash_describe(const struct trash *t)
{
	static const char *const copied[] = {"worktree",   "git_dir", "head",	 "head_branch", "branch",
					     "branch_tip", "keep",    "unknown", "target"};
	json_t *json = json_object();
	autofree char *index = path_join(t->admin, "index");
	json_set_str(json, "id", t->id);
	json_set_str(json, "path", t->dir);
	json_set_str(json, "tree", t->tree);
	json_set_str(json, "git_admin", t->admin);
	json_set_str(json, "index", exists(index) ? index : NULL);
	json_set_str(json, "ref", json_str(t->info, "keep") ? t->ref : NULL);
	for (size_t i = 0; i < ARRAY_SIZE(copied); i++) {
		json_t *value = json_object_get(t->info, copied[i]);
		json_object_set(json, copied[i], value ? value : json_null());
	}
	return json;
}

/* The entry goes for good. Its folders are moved nowhere and followed nowhere: tree_remove crosses no
 * mount and no symlink, and the mounts are looked for before anything is lost. */
static int purge(struct trash *t, struct error *err)
{
	autofree char *mount = NULL;
	int r = 0;
	if (t->phase != TRASH_PURGING) {
		r = mount_find(t->dir, &mount, err);
		if (r == 0 && mount)
			r = error_hint(err, error_set(err, ERR_REFUSED, "%s is a mount point", mount),
				       "unmount it first");
		if (r == 0)
			r = trash_set_phase(t, TRASH_PURGING, err);
	}
	trash_point("purging");
	if (r == 0)
		r = tree_remove(t->tree, err);
	trash_point("tree removed");
	if (r == 0)
		r = tree_remove(t->admin, err);
	trash_point("admin removed");
	return r ? r : trash_discard(t, err);
}

int repo_purge(const json_t *args, json_t **ret, struct error *err)
{
	const char *common = json_str(json_object_get(args, "repo"), "common_dir"),
		   *dir = json_str(json_object_get(args, "trash"), "path");
	if (!common || common[0] != '/' || !dir)
		return error_set(err, ERR_INVALID, "repo.common_dir and trash.path are needed");
	bool retention = json_bool(args, "retention", false);
	autotrash t = TRASH_INIT;
	int r = trash_open(common, dir, &t, err);
	if (r)
		return r;
	switch (t.phase) {
	case TRASH_NONE:
		/* Somebody removed the worktree's half by hand, or it is not mounted: a person knows which.
		 */
		if (retention && exists(t.admin))
			return error_set(err, ERR_NOT_FOUND, "there is no trash entry %s", t.dir);
		r = exists(t.tree) ? 0 : tree_remove(t.admin, err);
		if (r == 0)
			r = trash_discard(&t, err);
		break;
	case TRASH_REMOVING:
	case TRASH_RESTORING:
		return error_hint(err,
				  error_set(err, ERR_CONFLICT, "the entry %s is being %s", t.id,
					    t.phase == TRASH_REMOVING ? "made" : "restored"),
				  "let that end first");
	case TRASH_REMOVED:
	case TRASH_PURGING:
		if (retention && json_array_size(json_object_get(t.info, "unknown")))
			return error_set(err, ERR_REFUSED,
					 "the entry %s was removed although a fact was unknown: only a "
					 "person may delete it",
					 t.id);
		r = purge(&t, err);
		break;
	}
	if (r == 0)
		*ret = json_object();
	return r;
}

/* The fact `ours`: whether this folder is the linked worktree that the repository knows by this admin
 * folder, and nothing else (W4, W6). See facts.h.
 *
 * A linked worktree is two places that name each other: <common_dir>/worktrees/<id>/gitdir holds the
 * path of the folder's .git file, and that file holds "gitdir: " and the path of the admin folder; the
 * admin folder's commondir leads to the repository. Either path may be relative to its own place (git ≥
 * 2.48). An agent can rewrite either file: then they no longer agree, and the answer is no. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "os/file.h"
#include "os/move.h"
#include "repo/facts_probe.h"

#define GIT_FILE_PREFIX "gitdir: "

/* Resolves what a link file says: a path, perhaps relative to the folder `base`. One that leads nowhere
 * stays as it is: it will not be what it is compared with. */
static int resolve_link(const char *base, const char *text, char **ret, struct error *err)
{
	autofree char *path = text[0] == '/' ? xstrdup(text) : path_join(base, text);
	autoerror failure = {0};
	int r = path_resolve(path, ret, &failure);
	if (r == ERR_NOT_FOUND) {
		*ret = TAKE_PTR(path);
		return 0;
	}
	return r ? error_set(err, failure.code, "%s", failure.message) : 0;
}

static int check_folder(const struct facts_query *q, struct error *err)
{
	const char *path = q->path;
	struct stat st;
	if (lstat(path, &st) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return error_set(err, ERR_NOT_FOUND,
					 "there is nothing at %s; git forgets it by: git worktree prune",
					 path);
		return error_errno(err, errno, "cannot look at %s", path);
	}
	if (S_ISLNK(st.st_mode))
		return error_set(err, ERR_REFUSED, "%s is a symlink", path);
	if (!S_ISDIR(st.st_mode))
		return error_set(err, ERR_REFUSED, "%s is not a folder", path);
	autofree char *real = NULL;
	int r = path_resolve(path, &real, err);
	if (r)
		return r;
	if (strcmp(real, path) != 0)
		return error_set(err, ERR_REFUSED, "%s leads through a symlink to %s", path, real);
	return 0;
}

/* The admin folder must be a direct child of the repository's worktrees folder. */
static int check_admin(const struct facts_query *q, struct error *err)
{
	if (strcmp(q->git_dir, q->common_dir) == 0 || (q->main && strcmp(q->path, q->main) == 0))
		return error_set(err, ERR_REFUSED, "it is the main worktree");
	autofree char *parent = path_join(q->common_dir, "worktrees");
	size_t len = strlen(parent);
	const char *id = q->git_dir + len + 1;
	if (strncmp(q->git_dir, parent, len) != 0 || q->git_dir[len] != '/' || !*id || strchr(id, '/') ||
	    strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
		return error_set(err, ERR_REFUSED, "%s is not among the worktrees of %s", q->git_dir,
				 q->common_dir);
	struct stat st;
	if (lstat(q->git_dir, &st) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return error_set(err, ERR_NOT_FOUND, "git does not know it: there is no %s",
					 q->git_dir);
		return error_errno(err, errno, "cannot look at %s", q->git_dir);
	}
	autofree char *real = NULL;
	int r = path_resolve(q->git_dir, &real, err);
	if (r)
		return r;
	if (!S_ISDIR(st.st_mode) || strcmp(real, q->git_dir) != 0)
		return error_set(err, ERR_REFUSED, "%s is not a plain folder", q->git_dir);
	return 0;
}

static int check_git_file(const struct facts_query *q, struct error *err)
{
	autofree char *file = path_join(q->path, ".git"), *line = NULL, *named = NULL;
	struct stat st;
	if (lstat(file, &st) < 0) {
		if (errno == ENOENT)
			return error_set(err, ERR_REFUSED, "%s is a plain folder: it has no .git", q->path);
		return error_errno(err, errno, "cannot look at %s", file);
	}
	if (S_ISDIR(st.st_mode))
		return error_set(err, ERR_REFUSED, "%s is a repository of its own", q->path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_REFUSED, "%s is not a plain file", file);
	int r = facts_read_line(file, &line, err);
	if (r)
		return r;
	if (strncmp(line, GIT_FILE_PREFIX, strlen(GIT_FILE_PREFIX)) != 0)
		return error_set(err, ERR_REFUSED, "%s is not a link to a repository", file);
	r = resolve_link(q->path, line + strlen(GIT_FILE_PREFIX), &named, err);
	if (r)
		return r;
	if (strcmp(named, q->git_dir) != 0)
		return error_set(err, ERR_REFUSED, "%s points to %s, not to %s", file, named, q->git_dir);
	return 0;
}

static int check_registration(const struct facts_query *q, struct error *err)
{
	autofree char *file = path_join(q->git_dir, "gitdir"), *line = NULL, *named = NULL;
	autofree char *wanted = path_join(q->path, ".git");
	int r = facts_read_line(file, &line, err);
	if (r == 0)
		r = resolve_link(q->git_dir, line, &named, err);
	if (r)
		return r;
	if (strcmp(named, wanted) != 0)
		return error_set(err, ERR_REFUSED, "%s names %s, not %s", file, named, wanted);
	autofree char *common_file = path_join(q->git_dir, "commondir"), *common_line = NULL, *common = NULL;
	r = facts_read_line(common_file, &common_line, err);
	if (r == 0)
		r = resolve_link(q->git_dir, common_line, &common, err);
	if (r)
		return r;
	if (strcmp(common, q->common_dir) != 0)
		return error_set(err, ERR_REFUSED, "%s leads to %s, not to %s", common_file, common,
				 q->common_dir);
	return 0;
}

static int check_other(const char *name, int type, void *data, struct error *err)
{
	const struct facts_query *q = data;
	autofree char *admin = path_join(q->common_dir, "worktrees");
	autofree char *other = path_join(admin, name), *file = path_join(other, "gitdir"), *line = NULL;
	/* One that cannot be read is half made or half gone: it is in no folder. */
	if (type != DT_DIR || strcmp(other, q->git_dir) == 0 || facts_read_line(file, &line, NULL))
		return 0;
	autofree char *path = line[0] == '/' ? xstrdup(line) : path_join(other, line), *real = NULL;
	if (path_resolve(path, &real, NULL))
		return 0;
	if (path_inside(real, q->path))
		return error_set(err, ERR_REFUSED, "another worktree lies in it: %s", real);
	return 0;
}

/* The admin folder of an entry of the trash still names where its worktree was, and its trash is beside
 * that: both would go along, and the entry could not be found any more. The trash of one that was at this
 * very place lies beside it, and stays. */
static int check_removed(const char *name, int type, void *data, struct error *err)
{
	const struct facts_query *q = data;
	autofree char *entry = xasprintf("%s/coppice-trash/%s/gitdir", q->common_dir, name), *line = NULL;
	autofree char *own = path_join(q->path, ".git");
	if (type != DT_DIR || facts_read_line(entry, &line, NULL) || !path_inside(line, q->path) ||
	    strcmp(line, own) == 0)
		return 0;
	return error_set(err, ERR_REFUSED, "a removed worktree of the trash was in it, as %s: %s", name,
			 line);
}

/* What lies in the folder must be the worktree's own. */
static int check_inside(const struct facts_query *q, struct error *err)
{
	if (path_inside(q->common_dir, q->path))
		return error_set(err, ERR_REFUSED, "the repository itself lies in it: %s", q->common_dir);
	if (q->main && path_inside(q->main, q->path))
		return error_set(err, ERR_REFUSED, "the main worktree lies in it: %s", q->main);
	autofree char *mount = NULL;
	int r = mount_find(q->path, &mount, err);
	if (r)
		return r;
	if (mount)
		return error_set(err, ERR_REFUSED, "%s is a mount point", mount);
	autofree char *worktrees = path_join(q->common_dir, "worktrees"),
		      *trash = path_join(q->common_dir, "coppice-trash");
	struct facts_query other = *q; /* dir_each passes no const */
	r = dir_each(worktrees, check_other, &other, err);
	if (r)
		return r;
	r = dir_each(trash, check_removed, &other, err);
	return r == ERR_NOT_FOUND ? 0 : r;
}

void facts_ours(struct probe *p)
{
	static int (*const checks[])(const struct facts_query *q, struct error *err) = {
		check_folder, check_admin, check_git_file, check_registration, check_inside,
	};
	autoerror err = {0};
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		int r = checks[i](p->q, &err);
		if (r) {
			/* A failing system call proves nothing. */
			fact_set(p->f, FACT_OURS, r == ERR_SYSTEM ? TRUTH_UNKNOWN : TRUTH_NO, "%s",
				 err.message);
			return;
		}
	}
	fact_set(p->f, FACT_OURS, TRUTH_YES, NULL);
}

/* Restoring a worktree; see restore.h, and trash.h for what is on disk meanwhile.
 *
 * The worktree's folder comes first, for its rename is what claims the path; then the branch; then the
 * admin folder, whose rename is the registration: from then on git knows the worktree, whole. The entry
 * is forgotten last. When the branch cannot be had after all, the folder goes back into the trash. */
#include "repo/restore.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "os/file.h"
#include "repo/facts_probe.h"
#include "repo/trash.h"
#include "repo/trash_branch.h"

static json_t *describe(const struct trash *t, const char *branch, const char *path, const char *git_dir)
{
	json_t *json = json_object();
	json_set_str(json, "branch", branch);
	json_set_str(json, "path", path);
	json_set_str(json, "git_dir", git_dir);
	json_set_str(json, "restored_from", t->dir);
	return json;
}

/* Absolute and without symlinks, so that the rename can insist on both. */
static int choose_path(const json_t *args, const struct trash *t, char **ret, struct error *err)
{
	const char *wanted = json_str(args, "path"), *was = json_str(t->info, "worktree");
	if (!wanted || strcmp(wanted, was) == 0) {
		*ret = xstrdup(was);
		return 0;
	}
	if (wanted[0] != '/')
		return error_set(err, ERR_INVALID, "the path must be absolute");
	return path_resolve(wanted, ret, err);
}

static int check(struct trash *t, const char *path, struct error *err)
{
	struct stat st;
	if (lstat(path, &st) == 0)
		return error_hint(err, error_set(err, ERR_EXISTS, "%s is taken", path),
				  "move it away, or restore to another path");
	if (errno != ENOENT)
		return error_errno(err, errno, "cannot look at %s", path);
	return trash_branch_check(t, err);
}

/* The journal is gone last: without it, either there was never such an entry, or all is done. */
static int restored_already(const json_t *args, struct trash *t, json_t **ret, struct error *err)
{
	const json_t *trash = json_object_get(args, "trash");
	const char *wanted = json_str(args, "path"), *was = json_str(trash, "worktree");
	const char *path = wanted ? wanted : was;
	autofree char *git_file = path ? path_join(path, ".git") : NULL, *line = NULL, *back = NULL;
	struct stat st;
	if (lstat(t->tree, &st) == 0 || lstat(t->admin, &st) == 0)
		return error_set(err, ERR_NOT_FOUND, "the trash entry %s has no journal", t->dir);
	bool there = git_file && facts_read_line(git_file, &line, NULL) == 0 &&
		     strncmp(line, "gitdir: ", 8) == 0 && line[8] == '/';
	autofree char *gitdir_file = there ? path_join(line + 8, "gitdir") : NULL;
	if (!there || facts_read_line(gitdir_file, &back, NULL) || strcmp(back, git_file) != 0)
		return error_set(err, ERR_NOT_FOUND, "there is no trash entry %s", t->dir);
	int r = trash_discard(t, err);
	if (r == 0)
		*ret = describe(t, json_str(trash, "head_branch"), path, line + 8);
	return r;
}

/* Back into the trash, after `code`. */
static int give_up(struct trash *t, const char *path, int code, struct error *err)
{
	autoerror failure = {0};
	json_object_del(t->info, "to");
	json_object_del(t->info, "create");
	int r = trash_tree_in(t, path, &failure);
	if (r == 0)
		r = trash_set_phase(t, TRASH_REMOVED, &failure);
	if (r == 0 || !err)
		return code;
	/* Both matter: why it was given up, and that it stays half way until it is run again. */
	return error_hint(err, code, "restore it again; meanwhile: %s", failure.message);
}

static int bring_back(struct trash *t, const char *path, json_t **ret, struct error *err)
{
	autofree char *git_dir = NULL, *branch = NULL;
	int r = trash_tree_out(t, path, err);
	trash_point("tree restored");
	if (r)
		return give_up(t, path, r, err);
	r = trash_branch_restore(t, err);
	if (r)
		return give_up(t, path, r, err);
	r = trash_admin_out(t, path, &git_dir, err);
	trash_point("admin restored");
	if (r)
		return r;
	if (json_str(t->info, "head_branch"))
		branch = xstrdup(json_str(t->info, "head_branch"));
	r = trash_discard(t, err);
	if (r == 0)
		*ret = describe(t, branch, path, git_dir);
	return r;
}

int repo_restore(const json_t *args, json_t **ret, struct error *err)
{
	const char *common = json_str(json_object_get(args, "repo"), "common_dir"),
		   *dir = json_str(json_object_get(args, "trash"), "path");
	if (!common || common[0] != '/' || !dir)
		return error_set(err, ERR_INVALID, "repo.common_dir and trash.path are needed");
	autotrash t = TRASH_INIT;
	autofree char *path = NULL;
	int r = trash_open(common, dir, &t, err);
	if (r)
		return r;
	switch (t.phase) {
	case TRASH_NONE:
		return restored_already(args, &t, ret, err);
	case TRASH_PURGING:
		return error_set(err, ERR_CONFLICT, "the trash entry %s is being deleted", t.id);
	case TRASH_REMOVING:
		return error_hint(err, error_set(err, ERR_CONFLICT, "the removal of %s has not ended", t.id),
				  "let it end, or run it again");
	case TRASH_RESTORING:
		r = trash_clear_locks(&t, err);
		path = xstrdup(json_str(t.info, "to") ? json_str(t.info, "to")
						      : json_str(t.info, "worktree"));
		break;
	case TRASH_REMOVED:
		r = choose_path(args, &t, &path, err);
		if (r == 0)
			r = check(&t, path, err);
		json_set_str(t.info, "to", path);
		if (r == 0)
			r = trash_set_phase(&t, TRASH_RESTORING, err);
		trash_point("restoring");
		break;
	}
	return r ? r : bring_back(&t, path, ret, err);
}

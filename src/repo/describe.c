/* Describing the repository of a folder; see describe.h. */
#include "repo/describe.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "os/file.h"
#include "repo/git.h"

/* The main worktree's folder, NULL if there is none or nobody can tell; caller frees. Git derives it
 * from the repository's folder, which fails where that lies elsewhere (submodules, --separate-git-dir). */
static int find_main(const struct git *g, const struct git_worktree *first, char **ret, struct error *err)
{
	*ret = NULL;
	if (first->bare)
		return 0;
	if (g->work_tree && strcmp(g->git_dir, g->common_dir) == 0) {
		*ret = xstrdup(g->work_tree);
		return 0;
	}
	if (strcmp(first->path, g->common_dir) != 0) {
		*ret = xstrdup(first->path);
		return 0;
	}
	static const char *const args[] = {"config", "--local", "--get", "core.worktree", NULL};
	struct git common = {.common_dir = g->common_dir, .git_dir = g->common_dir, .lock_fd = -1};
	autostrbuf out = STRBUF_INIT(1 << 16);
	int status = 0;
	int r = git_run(&common, GIT_QUIET, args, &out, &status, err);
	if (r || status)
		return r;
	autofree char *value = xstrndup(strbuf_str(&out), strcspn(strbuf_str(&out), "\n"));
	autofree char *path = *value == '/' ? xstrdup(value) : path_join(g->common_dir, value);
	char *real = NULL;
	if (path_resolve(path, &real, NULL) == 0)
		*ret = real;
	return 0;
}

/* The folder's name without ".git"; for a hidden folder such as proj/.git or proj/.bare, "proj". */
static char *repo_name(const char *folder)
{
	autofree char *path = xstrdup(folder);
	size_t n = strlen(path);
	if (n > 4 && strcmp(path + n - 4, ".git") == 0 && path[n - 5] != '/')
		path[n - 4] = '\0';
	const char *name = path_base(path);
	if (*name == '.' && name - path > 1) {
		path[name - path - 1] = '\0';
		name = path_base(path);
	}
	return xstrdup(*name ? name : "repository");
}

/* What HEAD of a bare repository names, NULL when detached; caller frees. */
static int bare_head(const struct git *g, char **ret, struct error *err)
{
	static const char *const args[] = {"symbolic-ref", "--quiet", "--short", "HEAD", NULL};
	struct git common = {.common_dir = g->common_dir, .git_dir = g->common_dir, .lock_fd = -1};
	autostrbuf out = STRBUF_INIT(4096);
	int status = 0;
	int r = git_run(&common, GIT_QUIET, args, &out, &status, err);
	*ret = r || status ? NULL : xstrndup(strbuf_str(&out), strcspn(strbuf_str(&out), "\n"));
	return r;
}

static const struct git_worktree *worktree_at(const struct git_worktrees *list, const char *git_dir)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->at[i].git_dir && strcmp(list->at[i].git_dir, git_dir) == 0)
			return &list->at[i];
	return NULL;
}

static void set_own(json_t *out, const struct git *g, const struct git_worktrees *list)
{
	const struct git_worktree *own = g->work_tree ? worktree_at(list, g->git_dir) : NULL;
	json_set_str(out, "path", g->work_tree);
	json_set_str(out, "git_dir", g->work_tree ? g->git_dir : NULL);
	json_set_str(out, "branch", own ? own->branch : NULL);
	json_object_set_new(out, "linked",
			    json_boolean(g->work_tree && strcmp(g->git_dir, g->common_dir) != 0));
}

int repo_describe_all(const json_t *args, struct git_worktrees *ret_list, json_t **ret, struct error *err)
{
	const char *dir = json_str(args, "dir");
	if (!dir || *dir != '/')
		return error_set(err, ERR_INVALID, "'dir' must be an absolute path");
	autogit g = GIT_INIT;
	_cleanup_(git_worktrees_release) struct git_worktrees list = {0};
	autofree char *main = NULL, *head = NULL, *tip = NULL;
	int r = git_open(dir, &g, err);
	if (r == 0)
		r = git_worktrees(&g, &list, err);
	if (r)
		return r;
	if (!list.n)
		return error_set(err, ERR_GIT, "git lists no worktree in %s", g.common_dir);
	const struct git_worktree *first = &list.at[0];
	r = find_main(&g, first, &main, err);
	if (r == 0 && first->bare)
		r = bare_head(&g, &head, err);
	if (r == 0 && head)
		r = git_branch_tip(&g, head, &tip, err);
	if (r)
		return r;
	bool unborn = first->bare ? head && !tip : !first->head;
	autofree char *name = repo_name(main ? main : g.common_dir);
	json_t *out = json_object();
	json_set_str(out, "common_dir", g.common_dir);
	json_set_str(out, "main", main);
	json_set_str(out, "name", name);
	json_set_str(out, "head_branch", first->bare ? head : first->branch);
	json_object_set_new(out, "bare", json_boolean(first->bare));
	json_object_set_new(out, "unborn", json_boolean(unborn));
	set_own(out, &g, &list);
	*ret = out;
	*ret_list = list;
	list = (struct git_worktrees){0};
	return 0;
}

int repo_describe(const json_t *args, json_t **ret, struct error *err)
{
	_cleanup_(git_worktrees_release) struct git_worktrees list = {0};
	return repo_describe_all(args, &list, ret, err);
}

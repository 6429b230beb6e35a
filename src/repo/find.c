/* See find.h. */
#include "repo/find.h"

#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "repo/describe.h"
#include "repo/git.h"

enum { CONFIG_MAX = 64 << 10 };

static json_t *entry(const struct git_worktree *w)
{
	json_t *e = json_object();
	json_set_str(e, "branch", w->branch);
	json_set_str(e, "path", w->path);
	json_set_str(e, "git_dir", w->git_dir);
	json_set_str(e, "head", w->head);
	json_object_set_new(e, "main", json_boolean(w->main));
	return e;
}

static bool wanted(const json_t *branches, const char *branch)
{
	size_t i;
	json_t *b;
	json_array_foreach(branches, i,
			   b) if (branch && strcmp(json_string_value(b), branch) == 0) return true;
	return false;
}

/* The .coppice.yaml of the commit that the main worktree stands on; nothing without one. */
static void add_config(const struct git *g, json_t *described)
{
	static const char *const args[] = {"cat-file", "blob", "HEAD:.coppice.yaml", NULL};
	autostrbuf text = STRBUF_INIT(CONFIG_MAX);
	int status = 0;
	autoerror none = {0};
	if (git_run(g, GIT_QUIET, args, &text, &status, &none) == 0 && status == 0 && !text.overflow)
		json_object_set_new(described, "config", json_lossy_string(strbuf_str(&text), text.len));
}

int repo_find(const json_t *args, json_t **ret, struct error *err)
{
	json_auto_t *described = NULL;
	_cleanup_(git_worktrees_release) struct git_worktrees list = {0};
	int code = repo_describe_all(args, &list, &described, err);
	if (code)
		return code;
	autogit git = GIT_INIT;
	git_at(json_str(described, "common_dir"), json_str(described, "common_dir"),
	       json_str(described, "main"), &git);
	json_t *found = json_object();
	const json_t *branches = json_object_get(args, "branches");
	for (size_t i = 0; i < list.n; i++)
		if (wanted(branches, list.at[i].branch))
			json_object_set_new(found, list.at[i].branch, entry(&list.at[i]));
	json_object_set_new(described, "found", found);
	add_config(&git, described);
	*ret = json_incref(described);
	return 0;
}

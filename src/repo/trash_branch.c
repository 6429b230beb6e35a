/* Branches that go and come back with a worktree; see trash_branch.h.
 *
 * The reflog is kept by a hard link, made before the deletion: git unlinks its own name of the file,
 * ours remains, byte for byte. It comes back by a rename over the one that git starts. */
#include "repo/trash_branch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "os/file.h"
#include "repo/facts_probe.h"
#include "repo/keep.h"

enum { CONFIG_MAX = 16 << 20 };

static const char *const no_reflog[] = {"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=core.logAllRefUpdates",
					"GIT_CONFIG_VALUE_0=false", NULL};

/* Whether an operation in the worktree with that admin folder will come back to the branch. */
static bool operation_uses(const char *git_dir, const char *branch)
{
	static const char *const files[] = {"rebase-merge/head-name", "rebase-apply/head-name",
					    "BISECT_START"};
	for (size_t i = 0; git_dir && i < ARRAY_SIZE(files); i++) {
		autofree char *path = path_join(git_dir, files[i]), *line = NULL;
		if (facts_read_line(path, &line, NULL))
			continue;
		const char *name = strncmp(line, "refs/heads/", 11) == 0 ? line + 11 : line;
		if (strcmp(name, branch) == 0)
			return true;
	}
	return false;
}

int branch_user(const struct git *g, const char *branch, const char *except, char **ret, struct error *err)
{
	struct git_worktrees list = {0};
	int r = git_worktrees(g, &list, err);
	if (r)
		return r;
	*ret = NULL;
	for (size_t i = 0; !*ret && i < list.n; i++) {
		const struct git_worktree *w = &list.at[i];
		if (except && strcmp(w->path, except) == 0)
			continue;
		if ((w->branch && strcmp(w->branch, branch) == 0) || operation_uses(w->git_dir, branch))
			*ret = xstrdup(w->path);
	}
	git_worktrees_release(&list);
	return 0;
}

int branch_config_read(const struct git *g, const char *branch, json_t **ret, struct error *err)
{
	autofree char *file = path_join(g->common_dir, "config"), *prefix = xasprintf("branch.%s.", branch);
	const char *const args[] = {"config", "--file", file, "-z", "--list", NULL};
	autostrbuf out = STRBUF_INIT(CONFIG_MAX);
	int r = git_run(g, 0, args, &out, NULL, err);
	if (r)
		return r;
	json_t *list = json_array();
	/* "KEY\nVALUE\0"; a key that is only there has no newline. */
	for (const char *at = out.buf; at && at < out.buf + out.len; at += strlen(at) + 1) {
		const char *value = strchr(at, '\n');
		if (!value || strncmp(at, prefix, strlen(prefix)) != 0)
			continue;
		json_t *pair = json_array();
		json_array_append_new(pair, json_lossy_string(at, (size_t)(value - at)));
		json_array_append_new(pair, json_lossy_string(value + 1, strlen(value + 1)));
		json_array_append_new(list, pair);
	}
	*ret = list;
	return 0;
}

/* Keeps the reflog by a second name. */
static int keep_log(struct trash *t, const char *branch, struct error *err)
{
	autofree char *log = xasprintf("%s/logs/refs/heads/%s", t->git.common_dir, branch);
	if (link(log, t->branch_log) == 0 || errno == EEXIST || errno == ENOENT || errno == ENOTDIR)
		return 0;
	return error_errno(err, errno, "cannot keep the reflog %s", log);
}

/* As `git branch -D` does; a section that stays would only surprise a later branch of that name. */
static void remove_config(struct trash *t, const char *branch)
{
	if (!json_array_size(json_object_get(t->info, "branch_config")))
		return;
	autofree char *file = path_join(t->git.common_dir, "config"),
		      *section = xasprintf("branch.%s", branch);
	const char *const args[] = {"config", "--file", file, "--remove-section", section, NULL};
	/* Locked by another, or removed by an earlier attempt: both leave nothing wrong behind. */
	(void)!git_run(&t->git, GIT_QUIET, args, NULL, NULL, NULL);
}

int trash_branch_delete(struct trash *t, bool *ret_deleted, char **ret_reason, struct error *err)
{
	const char *branch = json_str(t->info, "branch"), *tip = json_str(t->info, "branch_tip");
	*ret_deleted = false;
	*ret_reason = NULL;
	if (!json_bool(t->info, "delete_branch", false) || !branch || !tip)
		return 0;
	int r = keep_log(t, branch, err);
	trash_point("reflog kept");
	if (r)
		return r;
	autofree char *ref = xasprintf("refs/heads/%s", branch), *now = NULL;
	const char *const args[] = {"update-ref", "-d", ref, tip, NULL};
	autoerror failure = {0};
	if (git_run_with(&t->git, GIT_HOOKS, args, NULL, 0, keep_patient, NULL, NULL, &failure)) {
		r = git_branch_tip(&t->git, branch, &now, err);
		if (r)
			return r;
	}
	trash_point("branch deleted");
	if (!now) {
		remove_config(t, branch);
		trash_point("configuration removed");
		*ret_deleted = true;
		return 0;
	}
	(void)unlink(t->branch_log); /* the reflog's other name stays */
	*ret_reason = strcmp(now, tip) != 0 ? xasprintf("the branch %s moved meanwhile, and stays", branch)
					    : xasprintf("the branch %s stays: %s", branch, failure.message);
	return 0;
}

/* One branch of a restoration: it must be at `commit`, or be free to be created there. */
static int check_one(struct trash *t, const char *branch, const char *commit, bool used, json_t *create,
		     struct error *err)
{
	autofree char *now = NULL, *user = NULL;
	int r = git_branch_tip(&t->git, branch, &now, err);
	if (r == 0 && used)
		r = branch_user(&t->git, branch, NULL, &user, err);
	if (r)
		return r;
	if (user)
		return error_hint(err,
				  error_set(err, ERR_EXISTS, "the branch %s is in use by %s", branch, user),
				  "switch that worktree to another branch first");
	if (now && strcmp(now, commit) != 0)
		return error_hint(err,
				  error_set(err, ERR_EXISTS,
					    "the branch %s is at another commit (%.12s) than when "
					    "its worktree was removed (%.12s)",
					    branch, now, commit),
				  "rename it: git branch -m %s NAME", branch);
	if (!now)
		json_array_append_new(create, json_pack("[s, s]", branch, commit));
	return 0;
}

int trash_branch_check(struct trash *t, struct error *err)
{
	const char *head = json_str(t->info, "head"), *head_branch = json_str(t->info, "head_branch"),
		   *branch = json_str(t->info, "branch"), *tip = json_str(t->info, "branch_tip");
	json_auto_t *create = json_array();
	int r = 0;
	if (head_branch && head)
		r = check_one(t, head_branch, head, true, create, err);
	if (r == 0 && branch && tip && !(head_branch && strcmp(branch, head_branch) == 0) &&
	    json_bool(t->info, "delete_branch", false))
		r = check_one(t, branch, tip, false, create, err);
	if (r == 0)
		json_object_set(t->info, "create", create);
	return r;
}

static int create_branch(struct trash *t, const char *branch, const char *commit, struct error *err)
{
	autofree char *ref = xasprintf("refs/heads/%s", branch), *zeros = xstrdup(commit), *now = NULL;
	memset(zeros, '0', strlen(zeros));
	const char *const args[] = {"update-ref", ref, commit, zeros, NULL};
	autoerror failure = {0};
	if (!git_run_with(&t->git, GIT_HOOKS, args, NULL, 0, no_reflog, NULL, NULL, &failure))
		return 0;
	int r = git_branch_tip(&t->git, branch, &now, err);
	if (r || (now && strcmp(now, commit) == 0))
		return r;
	return error_hint(err,
			  error_set(err, ERR_EXISTS, "the branch %s could not be created again: %s", branch,
				    failure.message),
			  "rename the branch that is in its way");
}

static int restore_log(struct trash *t, const char *branch, struct error *err)
{
	autofree char *log = xasprintf("%s/logs/refs/heads/%s", t->git.common_dir, branch);
	autofree char *folder = xstrndup(log, (size_t)(path_base(log) - log - 1));
	struct stat st;
	if (lstat(t->branch_log, &st) < 0)
		return 0;
	int r = dir_make(folder, 0755, err);
	if (r == 0 && rename(t->branch_log, log) < 0)
		r = error_errno(err, errno, "cannot bring the reflog %s back", log);
	return r;
}

static bool has_pair(const json_t *list, const json_t *pair)
{
	size_t i;
	json_t *other;
	json_array_foreach(list, i, other) if (json_equal(other, pair)) return true;
	return false;
}

static int restore_config(struct trash *t, const char *branch, struct error *err)
{
	const json_t *wanted = json_object_get(t->info, "branch_config");
	json_auto_t *present = NULL;
	autofree char *file = path_join(t->git.common_dir, "config");
	size_t i;
	json_t *pair;
	int r = json_array_size(wanted) ? branch_config_read(&t->git, branch, &present, err) : 0;
	json_array_foreach(wanted, i, pair)
	{
		const char *key = json_string_value(json_array_get(pair, 0)),
			   *value = json_string_value(json_array_get(pair, 1));
		if (r)
			break;
		if (!key || !value || has_pair(present, pair))
			continue;
		const char *const args[] = {"config", "--file", file, "--add", key, value, NULL};
		r = git_run(&t->git, 0, args, NULL, NULL, err);
	}
	return r;
}

int trash_branch_restore(struct trash *t, struct error *err)
{
	const char *deleted = json_str(t->info, "branch");
	size_t i;
	json_t *pair;
	json_array_foreach(json_object_get(t->info, "create"), i, pair)
	{
		const char *branch = json_string_value(json_array_get(pair, 0)),
			   *commit = json_string_value(json_array_get(pair, 1));
		int r = create_branch(t, branch, commit, err);
		trash_point("branch created");
		if (r)
			return r;
		if (!deleted || strcmp(branch, deleted) != 0)
			continue;
		r = restore_log(t, branch, err);
		trash_point("reflog restored");
		if (r == 0)
			r = restore_config(t, branch, err);
		trash_point("configuration restored");
		if (r)
			return r;
	}
	return 0;
}

/* Looking for local changes that a move would touch; see land_local.h.
 *
 * The questions are asked of the trial index, so that the user's own is not even refreshed. A last dry
 * run of what will be done has the final word: git knows states that are not looked for here (files
 * marked assume-unchanged, say). */
#include "repo/land_local.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "os/file.h"

enum { REFUSALS_MAX = 1000 };

void land_refuse(json_t *refusals, const char *checkout, const char *file, const char *why)
{
	json_auto_t *name = file ? json_lossy_string(file, strlen(file)) : NULL;
	size_t i;
	json_t *known;
	if (json_array_size(refusals) >= REFUSALS_MAX)
		return;
	json_array_foreach(refusals, i, known)
	{
		bool same = name && json_equal(json_object_get(known, "file"), name);
		if (same && strcmp(json_str(known, "checkout"), checkout) == 0)
			return; /* staged and modified, say: once is enough */
	}
	json_t *j = json_object();
	json_set_str(j, "checkout", checkout);
	json_set_str(j, "file", file);
	json_set_str(j, "why", why);
	json_array_append_new(refusals, j);
}

/* ---- operations ---- */

/* In an admin folder: what says that an operation is in progress, and the file that names the branch which it
 * will move at its end. A bisect moves none. */
static const struct {
	const char *file;
	const char *branch_file; /* NULL: HEAD stays on the branch meanwhile */
	const char *what;
} operations[] = {
	{"rebase-merge", "rebase-merge/head-name", "a rebase is in progress"},
	{"rebase-apply", "rebase-apply/head-name", "a rebase or git am is in progress"},
	{"MERGE_HEAD", NULL, "a merge is in progress"},
	{"CHERRY_PICK_HEAD", NULL, "a cherry-pick is in progress"},
	{"REVERT_HEAD", NULL, "a revert is in progress"},
	{"sequencer", NULL, "a series of cherry-picks or reverts is in progress"},
};

static bool names_branch(const char *git_dir, const char *file, const char *branch)
{
	autofree char *path = path_join(git_dir, file);
	autostrbuf text = STRBUF_INIT(4096);
	if (file_read(path, &text, NULL))
		return false;
	const char *name = strbuf_str(&text), heads[] = "refs/heads/";
	if (strncmp(name, heads, strlen(heads)) == 0)
		name += strlen(heads);
	size_t n = strcspn(name, "\n");
	return n == strlen(branch) && strncmp(name, branch, n) == 0;
}

const char *land_operation(const char *git_dir, const char *branch, bool detached)
{
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
		autofree char *path = path_join(git_dir, operations[i].file);
		struct stat st;
		if (lstat(path, &st) < 0 && errno == ENOENT)
			continue;
		if (!detached ||
		    (operations[i].branch_file && names_branch(git_dir, operations[i].branch_file, branch)))
			return operations[i].what;
	}
	return NULL;
}

/* ---- tracked files ---- */

/* Refuses each path that git names and the move touches. */
static int refuse_named(const struct land_checkout *c, const struct land_diff *diff, const char *const *args,
			const char *why, json_t *refusals, struct error *err)
{
	autostrbuf out = STRBUF_INIT(GIT_OUTPUT_MAX);
	int r = land_checkout_git(c, LAND_TRIAL, 0, args, NULL, &out, NULL, err);
	if (r)
		return r;
	const char *p = strbuf_str(&out), *end = p + out.len;
	for (; p < end; p += strlen(p) + 1)
		if (land_diff_find(diff, p))
			land_refuse(refusals, c->path, p, why);
	return 0;
}

/* Unmerged entries are refused wherever they are: read-tree takes no such index. */
static int refuse_unmerged(const struct land_checkout *c, json_t *refusals, struct error *err)
{
	const char *const args[] = {"diff-files", "-z", "--name-only", "--diff-filter=U", NULL};
	autostrbuf out = STRBUF_INIT(GIT_OUTPUT_MAX);
	int r = land_checkout_git(c, LAND_TRIAL, 0, args, NULL, &out, NULL, err);
	const char *p = strbuf_str(&out), *end = p + out.len;
	for (; r == 0 && p < end; p += strlen(p) + 1)
		land_refuse(refusals, c->path, p, "unmerged");
	return r;
}

static int refuse_tracked(const struct land_checkout *c, const struct land_diff *diff, const char *from,
			  json_t *refusals, struct error *err)
{
	const char *const refresh[] = {"update-index", "-q", "--refresh", NULL};
	const char *const staged[] = {
		"diff-index", "--cached", "-z", "--name-only", "--ignore-submodules=none", from, "--", NULL};
	const char *const files[] = {"diff-files", "-z", "--name-only", "--ignore-submodules=all", NULL};
	int status;
	int r = land_checkout_git(c, LAND_TRIAL, GIT_QUIET, refresh, NULL, NULL, &status,
				  err); /* status: some differ */
	if (r == 0)
		r = refuse_unmerged(c, refusals, err);
	if (r == 0)
		r = refuse_named(c, diff, staged, "staged", refusals, err);
	return r ? r : refuse_named(c, diff, files, "modified", refusals, err);
}

/* ---- files in the way ---- */

struct way {
	const struct land_checkout *c;
	const struct land_diff *diff;
	json_t *refusals;
	const char *folder; /* relative to the checkout */
};

/* Whether a path goes away with the move; its own changes are looked for elsewhere. */
static bool goes_away(const struct land_diff *diff, const char *path)
{
	const struct land_diff_entry *e = land_diff_find(diff, path);
	return e && e->in_old && !e->in_new;
}

static int refuse_in_folder(const struct way *w, struct error *err);

static int look_at_entry(const char *name, int type, void *data, struct error *err)
{
	const struct way *w = data;
	autofree char *path = path_join(w->folder, name);
	if (type == DT_DIR)
		return refuse_in_folder(
			&(struct way){.c = w->c, .diff = w->diff, .refusals = w->refusals, .folder = path},
			err);
	if (!goes_away(w->diff, path))
		land_refuse(w->refusals, w->c->path, path, "untracked");
	return 0;
}

/* A folder where the new commit has a file: it may hold nothing but what goes away. */
static int refuse_in_folder(const struct way *w, struct error *err)
{
	autofree char *full = path_join(w->c->path, w->folder);
	struct way inside = *w;
	return dir_each(full, look_at_entry, &inside, err);
}

/* Looks at the folders above a new path, then at the path itself. */
static int refuse_in_the_way(const struct way *w, const struct land_diff_entry *e, struct error *err)
{
	autofree char *path = xstrdup(e->path);
	for (char *p = path;; p++) {
		p += strcspn(p, "/");
		bool last = !*p;
		*p = '\0';
		autofree char *full = path_join(w->c->path, path);
		struct stat st;
		if (lstat(full, &st) < 0)
			return errno == ENOENT ? 0 : error_errno(err, errno, "cannot look at %s", full);
		bool folder = S_ISDIR(st.st_mode);
		if (last && folder && e->submodule)
			return 0;
		if (last && folder)
			return refuse_in_folder(
				&(struct way){
					.c = w->c, .diff = w->diff, .refusals = w->refusals, .folder = path},
				err);
		if (!folder) {
			if (!goes_away(w->diff, path))
				land_refuse(w->refusals, w->c->path, path, "untracked");
			return 0;
		}
		*p = '/';
	}
}

static int dry_run(const struct land_checkout *c, const char *from, const char *to, json_t *refusals,
		   struct error *err)
{
	const char *const args[] = {"read-tree", "-n", "-m", "-u", "--no-recurse-submodules", from, to, NULL};
	autoerror why = {0};
	int r = land_checkout_git(c, LAND_TRIAL, 0, args, NULL, NULL, NULL, &why);
	if (r == ERR_GIT)
		land_refuse(refusals, c->path, NULL, why.message);
	else if (r)
		return error_set(err, (enum error_code)r, "%s", why.message);
	return 0;
}

int land_local_check(const struct land_checkout *c, const struct land_diff *diff, const char *from,
		     const char *to, json_t *refusals, struct error *err)
{
	size_t before = json_array_size(refusals);
	const struct way way = {.c = c, .diff = diff, .refusals = refusals};
	int r = refuse_tracked(c, diff, from, refusals, err);
	for (size_t i = 0; r == 0 && i < diff->n; i++)
		if (diff->at[i].in_new && !diff->at[i].in_old)
			r = refuse_in_the_way(&way, &diff->at[i], err);
	if (r == 0 && json_array_size(refusals) == before)
		r = dry_run(c, from, to, refusals, err);
	return r;
}

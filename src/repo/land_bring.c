/* Bringing a checkout along; see land_checkout.h.
 *
 * The usual way is a two-tree `read-tree -m -u`, which verifies every file before it touches the first,
 * keeps unrelated local changes, and knows filters, line ends and sparse checkouts.
 *
 * After a kill some files are new, one may be half written or missing, and meanwhile the user may have
 * edited others; read-tree refuses such a mixture. So each path that differs from what the index says is
 * left out: it gets its new entry in the trial, and read-tree starts from a tree that has the new entry
 * too. Then, of those paths, what is missing or holds the beginning of the new content (git writes a file
 * from start to end) is ours, and is written again; anything else is the user's, and stays. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "os/file.h"
#include "repo/land_checkout.h"

static int read_tree(struct land_checkout *c, const char *from, const char *to, struct error *err)
{
	const char *const args[] = {"read-tree", "-m", "-u", "--no-recurse-submodules", from, to, NULL};
	return land_checkout_git(c, LAND_TRIAL, 0, args, NULL, NULL, NULL, err);
}

/* Puts the trial in place of the index: from here on the checkout is done. */
static int install(struct land_checkout *c, struct error *err)
{
	autofree char *trial = path_join(c->work, "index");
	if (rename(trial, c->index) < 0)
		return error_errno(err, errno, "cannot replace %s", c->index);
	return 0;
}

int land_checkout_bring(struct land_checkout *c, const struct land_diff *diff, const char *from,
			const char *to, json_t *left, struct error *err)
{
	if (read_tree(c, from, to, NULL) == 0)
		return install(c, err);
	/* Somebody saved a file between the check and now, or a filter failed. */
	return land_checkout_finish(c, diff, from, to, left, err);
}

/* ---- after a kill ---- */

/* Sets marks[i] of each entry of the diff that git names. */
static int mark_names(const struct land_checkout *c, const struct land_diff *diff, const char *const *args,
		      bool *marks, struct error *err)
{
	autostrbuf out = STRBUF_INIT(GIT_OUTPUT_MAX);
	int r = land_checkout_git(c, LAND_TRIAL, 0, args, NULL, &out, NULL, err);
	if (r)
		return r;
	const char *p = strbuf_str(&out), *end = p + out.len;
	for (; p < end; p += strlen(p) + 1) {
		const struct land_diff_entry *e = land_diff_find(diff, p);
		if (e)
			marks[e - diff->at] = true;
	}
	return 0;
}

/* Whether something that is no folder is at the path. */
static bool is_there(const struct land_checkout *c, const char *path)
{
	autofree char *full = path_join(c->path, path);
	struct stat st;
	return lstat(full, &st) == 0 && !S_ISDIR(st.st_mode);
}

static int refresh(const struct land_checkout *c, struct error *err)
{
	const char *const args[] = {"update-index", "-q", "--refresh", NULL};
	int status;
	return land_checkout_git(c, LAND_TRIAL, GIT_QUIET, args, NULL, NULL, &status,
				 err); /* status: some differ */
}

/* Marks what differs between the trial and the files. */
static int mark_differing(const struct land_checkout *c, const struct land_diff *diff, bool *marks,
			  struct error *err)
{
	const char *const files[] = {"diff-files", "-z", "--name-only", "--ignore-submodules=all", NULL};
	int r = refresh(c, err);
	return r ? r : mark_names(c, diff, files, marks, err);
}

/* Marks what is not, or not cleanly, in the old state. */
static int mark_changed(const struct land_checkout *c, const struct land_diff *diff, const char *from,
			bool *marks, struct error *err)
{
	const char *const staged[] = {
		"diff-index", "--cached", "-z", "--name-only", "--ignore-submodules=none", from, "--", NULL};
	int r = mark_differing(c, diff, marks, err);
	if (r == 0)
		r = mark_names(c, diff, staged, marks, err);
	for (size_t i = 0; r == 0 && i < diff->n; i++)
		if (!diff->at[i].in_old && !diff->at[i].submodule && is_there(c, diff->at[i].path))
			marks[i] = true;
	return r;
}

/* What update-index reads: the new entry of each marked path (NULL: every path). */
static int new_entries(const struct land_diff *diff, const bool *marks, struct strbuf *ret, struct error *err)
{
	/* Removals first: a new file may take the place of a folder, or the reverse. */
	for (int adding = 0; adding <= 1; adding++) {
		for (size_t i = 0; i < diff->n; i++) {
			const struct land_diff_entry *e = &diff->at[i];
			if ((marks && !marks[i]) || e->in_new != adding)
				continue;
			strbuf_addf(ret, "%s %s\t%s", e->in_new ? e->new_mode : "0", e->new_oid, e->path);
			strbuf_addch(ret, '\0');
		}
	}
	return ret->overflow ? error_set(err, ERR_TOO_LARGE, "too many files changed") : 0;
}

/* read-tree of all but the marked paths (NULL: all but every path), which only get their new entries. */
static int read_tree_without(struct land_checkout *c, const struct land_diff *diff, const bool *marks,
			     const char *from, const char *to, struct error *err)
{
	const char *const load[] = {"read-tree", from, NULL};
	const char *const set[] = {"update-index", "-z", "--index-info", NULL};
	const char *const save[] = {"write-tree", NULL};
	autostrbuf entries = STRBUF_INIT(GIT_OUTPUT_MAX), tree = STRBUF_INIT(256);
	int r = new_entries(diff, marks, &entries, err);
	if (r == 0)
		r = land_checkout_git(c, LAND_TRIAL, 0, set, &entries, NULL, NULL, err);
	if (r == 0)
		r = land_checkout_git(c, LAND_START, 0, load, NULL, NULL, NULL, err);
	if (r == 0)
		r = land_checkout_git(c, LAND_START, 0, set, &entries, NULL, NULL, err);
	if (r == 0)
		r = land_checkout_git(c, LAND_START, 0, save, NULL, &tree, NULL, err);
	if (r)
		return r;
	autofree char *start = strbuf_detach(&tree);
	start[strcspn(start, "\n")] = '\0';
	return read_tree(c, start, to, err);
}

/* Whether the file `a` holds the beginning, or all, of the file `b`. */
static bool begins(const char *a, const char *b)
{
	enum { CHUNK = 1 << 16 };
	autoclose int fa = open(a, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	autoclose int fb = open(b, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat sa, sb;
	if (fa < 0 || fb < 0 || fstat(fa, &sa) < 0 || fstat(fb, &sb) < 0 || !S_ISREG(sa.st_mode) ||
	    !S_ISREG(sb.st_mode) || sa.st_size > sb.st_size)
		return false;
	autofree char *ta = xmalloc(CHUNK), *tb = xmalloc(CHUNK);
	for (off_t at = 0; at < sa.st_size;) {
		ssize_t n = pread(fa, ta, CHUNK, at);
		if (n <= 0 || pread(fb, tb, (size_t)n, at) != n || memcmp(ta, tb, (size_t)n) != 0)
			return false;
		at += n;
	}
	return true;
}

/* Whether what is at a path may be replaced by its new content: nothing, the old content (`clean`), or
 * the beginning of the new. A folder, or a file where a folder should be, is the user's. */
static bool is_ours(const struct land_checkout *c, const struct land_diff_entry *e, bool clean)
{
	autofree char *staged = path_join(c->work, "fresh");
	autofree char *prefix = xasprintf("--prefix=%s/", staged);
	autofree char *file = path_join(c->path, e->path), *fresh = path_join(staged, e->path);
	const char *const args[] = {"checkout-index", "-f", "-q", prefix, "--", e->path, NULL};
	struct stat st;
	if (lstat(file, &st) < 0)
		return errno == ENOENT;
	if (clean)
		return S_ISREG(st.st_mode) || S_ISLNK(st.st_mode);
	return S_ISREG(st.st_mode) &&
	       land_checkout_git(c, LAND_TRIAL, 0, args, NULL, NULL, NULL, NULL) == 0 && begins(file, fresh);
}

/* Writes the files (NUL-terminated paths) from the trial. Git stops at the first whose filter fails; then
 * they are written one by one. What cannot be written is listed as left. */
static int write_files(const struct land_checkout *c, const struct strbuf *paths, struct error *err)
{
	const char *const all[] = {"checkout-index", "-f", "-u", "-q", "-z", "--stdin", NULL};
	int status = 0;
	int r = paths->len ? land_checkout_git(c, LAND_TRIAL, GIT_QUIET, all, paths, NULL, &status, err) : 0;
	if (r || status == 0)
		return r;
	const char *p = strbuf_str(paths), *end = p + paths->len;
	for (; p < end && r == 0; p += strlen(p) + 1) {
		const char *const one[] = {"checkout-index", "-f", "-u", "-q", "--", p, NULL};
		r = land_checkout_git(c, LAND_TRIAL, GIT_QUIET, one, NULL, NULL, &status, err);
	}
	return r;
}

/* Writes again what a kill left missing or half written and, if read-tree gave up, what it did not get to. */
static int rewrite(const struct land_checkout *c, const struct land_diff *diff, const bool *changed,
		   bool gave_up, struct error *err)
{
	autofree bool *differs = xcalloc(diff->n + 1, sizeof(bool));
	autostrbuf ours = STRBUF_INIT(GIT_OUTPUT_MAX);
	int r = mark_differing(c, diff, differs, err);
	for (size_t i = 0; r == 0 && i < diff->n; i++) {
		const struct land_diff_entry *e = &diff->at[i];
		bool clean = gave_up && !changed[i] && e->in_old;
		if (differs[i] && e->in_new && is_ours(c, e, clean)) {
			strbuf_add(&ours, e->path, strlen(e->path) + 1);
		} else if (clean && !e->in_new && !e->submodule) {
			autofree char *file = path_join(c->path, e->path);
			(void)unlink(file); /* perhaps gone; what cannot go is listed as left */
		}
	}
	return r ? r : write_files(c, &ours, err);
}

/* Lists what still differs from the new commit. */
static int list_left(const struct land_checkout *c, const struct land_diff *diff, json_t *left,
		     struct error *err)
{
	autofree bool *differs = xcalloc(diff->n + 1, sizeof(bool));
	int r = mark_differing(c, diff, differs, err);
	for (size_t i = 0; r == 0 && i < diff->n; i++) {
		const struct land_diff_entry *e = &diff->at[i];
		bool kept = !e->in_new && !e->submodule && is_there(c, e->path);
		if (!differs[i] && !kept)
			continue;
		json_t *file = json_lossy_string(e->path, strlen(e->path));
		json_t *path = json_lossy_string(c->path, strlen(c->path));
		json_array_append_new(left, json_pack("{s:o, s:o}", "checkout", path, "file", file));
	}
	return r;
}

/* Moves the trial to the new commit, and the files that nobody has changed, unless it gives up on files. */
static int move_trial(struct land_checkout *c, const struct land_diff *diff, const char *from, const char *to,
		      bool *changed, bool *ret_gave_up, struct error *err)
{
	enum { TRIES = 3 }; /* an editor may save the next file between two steps */
	for (int i = 0; i < TRIES; i++) {
		int r = mark_changed(c, diff, from, changed, err);
		if (r || read_tree_without(c, diff, changed, from, to, NULL) == 0)
			return r;
	}
	/* A filter fails, say. The index has to be right in any case: with it behind the branch, the next
	 * commit would take the landing back. */
	*ret_gave_up = true;
	return read_tree_without(c, diff, NULL, from, to, err);
}

int land_checkout_finish(struct land_checkout *c, const struct land_diff *diff, const char *from,
			 const char *to, json_t *left, struct error *err)
{
	autofree bool *changed = xcalloc(diff->n + 1, sizeof(bool));
	bool gave_up = false;
	int r = land_checkout_try(c, err);
	if (r == ERR_NOT_FOUND)
		return 0;
	if (r == 0)
		r = move_trial(c, diff, from, to, changed, &gave_up, err);
	if (r == 0)
		r = rewrite(c, diff, changed, gave_up, err);
	if (r == 0)
		r = list_left(c, diff, left, err);
	return r ? r : install(c, err);
}

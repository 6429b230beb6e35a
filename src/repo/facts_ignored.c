/* The fact `ignored`: no precious ignored file (W4); see facts.h.
 *
 * Git names ignored files, and ignored folders as one entry. Such a folder is walked, for it may hold
 * disposable things, copies and precious files next to each other; the walk ends at the first file that
 * is neither disposable nor a candidate for a copy. Candidates are collected, and hashed by one git in
 * the end. Folders without a file are nothing; FIFOs, sockets and devices hold no data. */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "os/file.h"
#include "repo/facts_probe.h"

enum { DEPTH_MAX = 64, LINK_MAX_BYTES = 64 << 10 };

struct candidate {
	char *path; /* owned, relative to the worktree */
	const char *sha;
	bool link;
};

struct search {
	struct probe *p;
	struct candidate *at; /* owned */
	size_t n, cap;
	char *precious; /* the first one found, owned */
	size_t n_precious;
	int depth;
	const char *dir; /* the folder that is walked, relative */
};

/* Whether one of the globs matches `path` or a folder that it is in. */
static bool is_disposable(const json_t *globs, const char *path)
{
	size_t i;
	const json_t *glob;
	json_array_foreach(globs, i, glob)
	{
		const char *pattern = json_string_value(glob);
		if (!pattern || !*pattern)
			continue;
		bool whole = strchr(pattern, '/') != NULL;
		if (*pattern == '/')
			pattern++;
		for (const char *end = path; *end;) {
			const char *start = end + (*end == '/');
			end = strchrnul(start, '/');
			autofree char *part = whole ? xstrndup(path, (size_t)(end - path))
						    : xstrndup(start, (size_t)(end - start));
			if (fnmatch(pattern, part, FNM_PATHNAME) == 0)
				return true;
		}
	}
	return false;
}

/* The hash under which `path` was copied in, NULL if it was not. */
static const char *copied_sha(const json_t *copied, const char *path)
{
	size_t i;
	const json_t *entry;
	json_array_foreach(copied, i, entry)
	{
		const char *p = json_str(entry, "path");
		if (p && strcmp(p, path) == 0)
			return json_str(entry, "sha");
	}
	return NULL;
}

static void add_precious(struct search *s, const char *path)
{
	s->n_precious++;
	if (!s->precious)
		s->precious = xstrdup(path);
}

static void look_at_file(struct search *s, const char *path, bool link)
{
	const char *sha = copied_sha(s->p->q->copied, path);
	if (!sha || strchr(path, '\n')) { /* hash-object takes a path a line */
		add_precious(s, path);
		return;
	}
	ARRAY_GROW(s->at, s->n, s->cap);
	s->at[s->n++] = (struct candidate){.path = xstrdup(path), .sha = sha, .link = link};
}

static int look_at_entry(const char *name, int type, void *data, struct error *err);

static int walk(struct search *s, const char *path, struct error *err)
{
	if (s->depth >= DEPTH_MAX)
		return error_set(err, ERR_TOO_LARGE, "%s is nested deeper than %d folders", path, DEPTH_MAX);
	autofree char *full = path_join(s->p->at.tree, path);
	const char *outer = s->dir;
	s->dir = path;
	s->depth++;
	int r = dir_each(full, look_at_entry, s, err);
	s->depth--;
	s->dir = outer;
	return r;
}

static int look_at(struct search *s, const char *path, int type, struct error *err)
{
	if (is_disposable(s->p->q->disposable, path))
		return 0;
	switch (type) {
	case DT_DIR:
		return walk(s, path, err);
	case DT_REG:
	case DT_LNK:
		look_at_file(s, path, type == DT_LNK);
		return 0;
	default:
		return 0;
	}
}

static int look_at_entry(const char *name, int type, void *data, struct error *err)
{
	struct search *s = data;
	if (s->n_precious) /* one in a folder is enough */
		return 0;
	autofree char *path = path_join(s->dir, name);
	return look_at(s, path, type, err);
}

/* One entry of the status: a file, or a folder with a slash at its end. */
static int look_at_ignored(struct search *s, const char *entry, struct error *err)
{
	size_t len = strlen(entry), before = s->n_precious;
	autofree char *path = xstrndup(entry, len && entry[len - 1] == '/' ? len - 1 : len);
	autofree char *full = path_join(s->p->at.tree, path);
	struct stat st;
	if (lstat(full, &st) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot look at %s", path);
	s->n_precious = 0;
	int r = look_at(s, path, (int)IFTODT(st.st_mode), err);
	s->n_precious += before;
	return r;
}

/* The blob id of a symlink's target. */
static int hash_link(struct search *s, const char *path, char **ret, struct error *err)
{
	autofree char *full = path_join(s->p->at.tree, path), *target = xmalloc(LINK_MAX_BYTES);
	ssize_t n = readlink(full, target, LINK_MAX_BYTES);
	if (n < 0)
		return error_errno(err, errno, "cannot read the symlink %s", path);
	const char *const args[] = {"hash-object", "--stdin", "--no-filters", NULL};
	autostrbuf out = STRBUF_INIT(4096);
	int r = git_run_with(&s->p->common, 0, args, target, (size_t)n, NULL, &out, NULL, err);
	if (r == 0)
		*ret = xstrndup(strbuf_str(&out), strcspn(strbuf_str(&out), "\n"));
	return r;
}

static int hash_links(struct search *s, struct error *err)
{
	for (size_t i = 0; i < s->n; i++) {
		if (!s->at[i].link)
			continue;
		autofree char *sha = NULL;
		int r = hash_link(s, s->at[i].path, &sha, err);
		if (r)
			return r;
		if (strcmp(sha, s->at[i].sha) != 0)
			add_precious(s, s->at[i].path);
	}
	return 0;
}

static int hash_files(struct search *s, struct error *err)
{
	const char *const args[] = {"hash-object", "--stdin-paths", "--no-filters", NULL};
	autostrbuf in = STRBUF_INIT(GIT_OUTPUT_MAX), out = STRBUF_INIT(GIT_OUTPUT_MAX);
	for (size_t i = 0; i < s->n; i++)
		if (!s->at[i].link)
			strbuf_addf(&in, "%s/%s\n", s->p->at.tree, s->at[i].path);
	if (!in.len)
		return 0;
	if (in.overflow)
		return error_set(err, ERR_TOO_LARGE, "there are too many copied files");
	int r = git_run_with(&s->p->common, 0, args, in.buf, in.len, NULL, &out, NULL, err);
	if (r)
		return r;
	char *rest = out.buf;
	for (size_t i = 0; i < s->n; i++) {
		if (s->at[i].link)
			continue;
		const char *sha = strsep(&rest, "\n");
		if (!sha || strcmp(sha, s->at[i].sha) != 0)
			add_precious(s, s->at[i].path);
	}
	return 0;
}

void facts_ignored(struct probe *p, const struct git_status *status)
{
	struct search s = {.p = p};
	autoerror err = {0};
	int r = 0;
	for (size_t i = 0; r == 0 && i < status->n; i++)
		if (status->at[i].kind == '!')
			r = look_at_ignored(&s, status->at[i].path, &err);
	if (r == 0)
		r = hash_files(&s, &err);
	if (r == 0)
		r = hash_links(&s, &err);
	if (s.n_precious > 1)
		fact_set(p->f, FACT_IGNORED, TRUTH_NO,
			 "ignored, but not a copy nor disposable: %s and %zu more", s.precious,
			 s.n_precious - 1);
	else if (s.n_precious)
		fact_set(p->f, FACT_IGNORED, TRUTH_NO, "ignored, but not a copy nor disposable: %s",
			 s.precious);
	else if (r)
		fact_unknown(p->f, FACT_IGNORED, "ignored files", &err);
	else
		fact_set(p->f, FACT_IGNORED, TRUTH_YES, NULL);
	for (size_t i = 0; i < s.n; i++)
		free(s.at[i].path);
	free(s.at);
	free(s.precious);
}

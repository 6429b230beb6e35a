/* Merging with `git merge-tree --write-tree`; see land_merge.h.
 *
 * git 2.38 to 2.39 cannot be told the merge base. It is given by history instead: a commit with the tree
 * of `ours` and `base` as its only parent has no better common ancestor with a descendant of `base`
 * than `base`. That commit is never referenced, and git's own garbage collection takes it. */
#include "repo/land_merge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "os/file.h"

enum { ATTRIBUTES_MAX = 1 << 20 }; /* bytes of one .gitattributes */

static const char attributes_name[] = ".gitattributes";

/* An agent may write refs, hence refs/replace: what lands is computed from the real objects. And it does
 * not matter what the main checkout's index holds: git reads it even where it needs none. */
static const char *const real_objects[] = {"GIT_NO_REPLACE_OBJECTS=1", "GIT_INDEX_FILE=.no-index",
					   "GIT_LITERAL_PATHSPECS=0", NULL};

static char *first_line(struct strbuf *out)
{
	char *line = strbuf_detach(out);
	line[strcspn(line, "\n")] = '\0';
	return line;
}

/* Whether a path of a tree stays in the folder it is joined to; git's own checkout refuses the others. */
static bool is_tame(const char *path)
{
	for (const char *p = path;; p++) {
		size_t n = strcspn(p, "/");
		if (n == 0 || (n <= 2 && strspn(p, ".") >= n) || (n == 4 && strncasecmp(p, ".git", 4) == 0))
			return false;
		p += n;
		if (!*p)
			return true;
	}
}

static int write_attributes(const struct git *g, const char *dir, const char *oid, const char *path,
			    struct error *err)
{
	const char *const args[] = {"cat-file", "blob", oid, NULL};
	autostrbuf text = STRBUF_INIT(ATTRIBUTES_MAX);
	int r = git_run_with(g, 0, args, NULL, 0, real_objects, &text, NULL, err);
	if (r)
		return r;
	if (text.overflow)
		return error_set(err, ERR_TOO_LARGE, "%s is larger than %d bytes", path, ATTRIBUTES_MAX);
	autofree char *file = path_join(dir, path);
	char *slash = strrchr(file, '/');
	*slash = '\0';
	r = dir_make(file, 0700, err);
	*slash = '/';
	if (r)
		return r;
	autoclose int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, strbuf_str(&text), text.len) != (ssize_t)text.len)
		return error_errno(err, errno, "cannot write %s", file);
	return 0;
}

/* Parses ":000000 100644 <null> <oid> A\0<path>\0…", the raw form of everything in a tree. */
static int write_all_attributes(const struct git *g, const char *dir, const struct strbuf *raw,
				struct error *err)
{
	const char *p = strbuf_str(raw), *end = p + raw->len;
	while (p < end) {
		const char *path = p + strlen(p) + 1;
		char mode[8], oid[72];
		if (path >= end || path + strlen(path) == end ||
		    sscanf(p, ":%*7s %7s %*71s %71s", mode, oid) != 2)
			return error_set(err, ERR_GIT, "git diff-tree printed something unexpected");
		p = path + strlen(path) + 1;
		/* git reads neither a symlink nor a submodule as attributes. */
		bool file = strcmp(mode, "100644") == 0 || strcmp(mode, "100755") == 0;
		int r = file && is_tame(path) ? write_attributes(g, dir, oid, path, err) : 0;
		if (r)
			return r;
	}
	return 0;
}

int land_merge_open(const char *common_dir, const char *attributes, const char *onto, struct git *ret,
		    struct error *err)
{
	const char *const empty[] = {"hash-object", "-t", "tree", "--stdin", NULL};
	autogit g = GIT_INIT;
	git_at(common_dir, common_dir, attributes, &g);
	autostrbuf line = STRBUF_INIT(256), raw = STRBUF_INIT(GIT_OUTPUT_MAX);
	int r = git_run_with(&g, 0, empty, "", 0, NULL, &line, NULL, err);
	if (r)
		return r;
	autofree char *empty_tree = first_line(&line);
	/* A tree diff, for ls-tree knows no wildcards: it lists a handful of paths out of any number. */
	const char *const args[] = {"diff-tree", "-r",		 "-z",
				    "--raw",	 "--no-renames", empty_tree,
				    onto,	 "--",		 ":(glob)**/.gitattributes",
				    NULL};
	r = git_run_with(&g, 0, args, NULL, 0, real_objects, &raw, NULL, err);
	if (r == 0 && raw.overflow)
		r = error_set(err, ERR_TOO_LARGE, "too many %s files", attributes_name);
	if (r == 0)
		r = write_all_attributes(&g, attributes, &raw, err);
	if (r)
		return r;
	*ret = g;
	g = GIT_INIT;
	return 0;
}

void land_merged_release(struct land_merged *m)
{
	free(m->tree);
	json_decref(m->files);
	*m = (struct land_merged){0};
}

/* "<tree>\0" and, below conflicts, each conflicting path. */
static int parse_merged(const struct strbuf *out, bool clean, struct land_merged *ret, struct error *err)
{
	const char *p = strbuf_str(out), *end = p + out->len;
	if (p == end || end[-1] != '\0' || out->overflow)
		return error_set(err, ERR_GIT, "git merge-tree printed something unexpected");
	if (clean) {
		ret->tree = xstrdup(p);
		return 0;
	}
	ret->files = json_array();
	for (p += strlen(p) + 1; p < end && *p; p += strlen(p) + 1)
		json_array_append_new(ret->files, json_lossy_string(p, strlen(p)));
	return 0;
}

int land_merge(const struct git *g, const char *ours, const char *theirs, struct land_merged *ret,
	       struct error *err)
{
	const char *const args[] = {"merge-tree",    "--write-tree", "-z",   "--name-only",
				    "--no-messages", ours,	     theirs, NULL};
	autostrbuf out = STRBUF_INIT(GIT_OUTPUT_MAX);
	int status = 0;
	int r = git_run_with(g, GIT_QUIET, args, NULL, 0, real_objects, &out, &status, err);
	if (r)
		return r;
	if (status == 0 || status == 1)
		return parse_merged(&out, status == 0, ret, err);
	/* Again, for git's own words: with GIT_QUIET they are lost. */
	r = git_run_with(g, 0, args, NULL, 0, real_objects, NULL, NULL, err);
	return r ? r : error_set(err, ERR_GIT, "git merge-tree failed once with status %d", status);
}

int land_tree_of(const struct git *g, const char *commit, char **ret, struct error *err)
{
	autofree char *rev = xasprintf("%s^{tree}", commit);
	const char *const args[] = {"rev-parse", "--verify", "--end-of-options", rev, NULL};
	autostrbuf out = STRBUF_INIT(256);
	int r = git_run_with(g, 0, args, NULL, 0, real_objects, &out, NULL, err);
	if (r == 0)
		*ret = first_line(&out);
	return r;
}

int land_merge_from(const struct git *g, const char *base, const char *ours_tree, const char *theirs,
		    struct land_merged *ret, struct error *err)
{
	static const char *const env[] = {"GIT_NO_REPLACE_OBJECTS=1",	 "GIT_AUTHOR_NAME=coppice",
					  "GIT_AUTHOR_EMAIL=",		 "GIT_COMMITTER_NAME=coppice",
					  "GIT_COMMITTER_EMAIL=",	 "GIT_AUTHOR_DATE=@0 +0000",
					  "GIT_COMMITTER_DATE=@0 +0000", NULL};
	const char *const args[] = {"commit-tree", "-F", "-", "-p", base, ours_tree, NULL};
	autostrbuf out = STRBUF_INIT(256);
	int r = git_run_with(g, 0, args, "merge base\n", 11, env, &out, NULL, err);
	if (r)
		return r;
	autofree char *stand_in = first_line(&out);
	return land_merge(g, stand_in, theirs, ret, err);
}

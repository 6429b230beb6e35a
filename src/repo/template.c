/* Filling in worktrees.path; see template.h. Text only: nothing is looked up on the disk. */
#include "repo/template.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "os/file.h"

/* Appends a name as part of one path component. */
static void add_name(struct strbuf *out, const char *name)
{
	for (; *name; name++)
		strbuf_addch(out, *name == '/' ? '-' : *name);
}

static int expand_words(const char *pattern, const char *repo_name, const char *branch, struct strbuf *out,
			struct error *err)
{
	const struct {
		const char *word, *value;
	} words[] = {{"{repo}", repo_name}, {"{branch}", branch}};
	bool has_branch = false;
	for (const char *p = pattern; *p;) {
		const char *value = NULL;
		for (size_t i = 0; i < ARRAY_SIZE(words) && !value; i++) {
			size_t n = strlen(words[i].word);
			if (strncmp(p, words[i].word, n) != 0)
				continue;
			value = words[i].value;
			has_branch = has_branch || i == 1;
			p += n;
		}
		if (value) {
			add_name(out, value);
		} else if (*p == '{' || *p == '}') {
			return error_hint(
				err, error_set(err, ERR_INVALID, "worktrees.path: unknown word at '%s'", p),
				"use {repo} and {branch}");
		} else {
			strbuf_addch(out, *p++);
		}
	}
	if (has_branch)
		return 0;
	return error_hint(err, error_set(err, ERR_INVALID, "worktrees.path has no {branch}"),
			  "with it each branch gets a folder of its own, as in ../{repo}-{branch}");
}

/* Where a path that is not absolute starts; skips what it took off `*path`. NULL: nowhere. */
static const char *start_of(const char **path, const char *repo_main)
{
	if (**path == '/')
		return "";
	if (**path != '~')
		return repo_main;
	if ((*path)[1] != '/')
		return NULL;
	*path += 2;
	const char *home = getenv("HOME");
	return home && *home == '/' ? home : NULL;
}

/* Appends each component; "." is nothing and ".." takes one off. False for one that is too long. */
static bool add_components(struct strbuf *out, const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");
		if (n == 2 && strncmp(path, "..", 2) == 0) {
			const char *slash = out->len ? strrchr(out->buf, '/') : NULL;
			strbuf_setlen(out, slash ? (size_t)(slash - out->buf) : 0);
		} else if (n > 0 && !(n == 1 && *path == '.')) {
			if (n > NAME_MAX)
				return false;
			strbuf_addch(out, '/');
			strbuf_add(out, path, n);
		}
		path += n + (path[n] == '/');
	}
	return true;
}

int worktree_path(const char *pattern, const char *repo_main, const char *repo_name, const char *branch,
		  char **ret, struct error *err)
{
	autostrbuf words = STRBUF_INIT(PATH_MAX), out = STRBUF_INIT(PATH_MAX - 1);
	int r = expand_words(pattern, repo_name, branch, &words, err);
	if (r)
		return r;
	const char *path = strbuf_str(&words);
	const char *start = start_of(&path, repo_main);
	if (!start)
		return error_hint(err,
				  error_set(err, ERR_INVALID,
					    "worktrees.path says '%s', but there is no folder to start from",
					    pattern),
				  "in a bare repository give --path, or an absolute worktrees.path");
	bool fits = add_components(&out, start) && add_components(&out, path);
	if (!fits || words.overflow || out.overflow || !out.len)
		return error_hint(err,
				  error_set(err, ERR_INVALID, "the path for %s is too long or empty", branch),
				  "give a shorter one with --path");
	*ret = strbuf_detach(&out);
	return 0;
}

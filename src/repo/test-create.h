/* What the tests of repo_create share. */
#ifndef REPO_TEST_CREATE_H
#define REPO_TEST_CREATE_H

#include "repo/test-fixture.h"

/* Arguments for `branch`, beside the repository, as worktrees.path would have it. */
_unused_ static json_t *create_args(const struct fixture *fx, const char *id, const char *branch)
{
	autofree char *name = xstrdup(branch);
	for (char *p = name; *p; p++)
		if (*p == '/')
			*p = '-';
	autofree char *path = fx_path(fx, "repo-%s", name);
	return json_pack("{s:{s:s, s:s}, s:s, s:s, s:s, s:s}", "repo", "common_dir", fx->common, "main",
			 fx->repo, "id", id, "branch", branch, "path", path, "hash", "beef");
}

static int by_text(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;
	return strcmp(*x, *y);
}

/* Sorts the lines, for the order of names is the disk's; caller frees. */
static char *sorted_lines(const struct strbuf *text)
{
	autofree char *copy = xstrdup(strbuf_str(text));
	autofree char **lines = NULL;
	size_t n = 0, cap = 0;
	char *rest = copy;
	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
		ARRAY_GROW(lines, n, cap);
		lines[n++] = line;
	}
	qsort(lines, n, sizeof(*lines), by_text);
	autostrbuf out = STRBUF_INIT(4 << 20);
	for (size_t i = 0; i < n; i++)
		strbuf_addf(&out, "%s\n", lines[i]);
	return strbuf_detach(&out);
}

/* Everything that a creation could leave: all names outside of the objects, and all refs; caller frees. */
_unused_ static char *create_traces(const struct fixture *fx)
{
	/* Not what the tests themselves put there (home, the shim and its count), nor the lock, which stays.
	 */
	static const char *const find[] = {
		"find",		".",	 "(",	   "-path", "*/objects/*", "-o",       "-path", "./home",
		"-o",		"-path", "./bin",  "-o",    "-path",	   "./count",  "-o",	"-name",
		"coppice.lock", ")",	 "-prune", "-o",    "-printf",	   "%p %m\\n", NULL};
	static const char *const refs[] = {"git", "for-each-ref", NULL};
	autostrbuf out = STRBUF_INIT(4 << 20);
	fx_must(fx->root, &out, find);
	fx_must(fx->repo, &out, refs);
	return sorted_lines(&out);
}

/* No lock, journal or temporary file is left. */
_unused_ static void create_expect_no_leftovers(const struct fixture *fx)
{
	static const char *const find[] = {"find",   ".git",  "(",	"-name",
					   "*.lock", "!",     "-name",	"coppice.lock",
					   ")",	     "-o",    "-name",	"coppice.create-*",
					   "-o",     "-name", ".tmp-*", NULL};
	static const char *const temporary[] = {"find", "tmp", "-mindepth", "1", NULL};
	autostrbuf out = STRBUF_INIT(1 << 20);
	fx_must(fx->repo, &out, find);
	fx_must(fx->root, &out, temporary);
	assert_string_equal(strbuf_str(&out), "");
}

/* Puts a program before git in PATH that runs the shell case `clause` over " <arguments> " first; NULL
 * takes it away. */
_unused_ static void create_git_shim(const struct fixture *fx, const char *clause)
{
	static char *plain;
	if (!plain)
		plain = xstrdup(getenv("PATH"));
	autofree char *bin = fx_path(fx, "bin"), *path = xasprintf("%s:%s", bin, plain);
	if (clause) {
		autofree char *text = xasprintf(
			"#!/bin/sh\ncase \" $* \" in %s\nesac\nPATH='%s' exec git \"$@\"\n", clause, plain);
		fx_write_program(bin, "git", text);
	}
	assert_int_equal(setenv("PATH", clause ? path : plain, 1), 0);
}

#endif

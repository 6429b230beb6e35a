/* For the tests of src/repo: a temporary home with one repository in it, and real git.
 *
 * The test program's environment is changed once: HOME and TMPDIR are temporary, git sees no
 * configuration of the machine or the user, and commits have a fixed author and date. */
#ifndef REPO_TEST_FIXTURE_H
#define REPO_TEST_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "os/file.h"
#include "os/spawn.h"
#include "repo/git.h"

struct fixture {
	char root[PATH_MAX];   /* temporary, resolved */
	char repo[PATH_MAX];   /* the main worktree: branch main, one commit with the file "file" */
	char common[PATH_MAX]; /* its .git */
};

_unused_ static char *fx_path(const struct fixture *fx, const char *fmt, ...) _printf_(2, 3);

static char *fx_path(const struct fixture *fx, const char *fmt, ...)
{
	autofree char *name = NULL;
	va_list ap;
	va_start(ap, fmt);
	assert_true(vasprintf(&name, fmt, ap) >= 0);
	va_end(ap);
	return path_join(fx->root, name);
}

/* Runs a program in `dir`; its exit code. Output into `out`, messages into `errout`, if given. */
static int fx_run(const char *dir, struct strbuf *out, struct strbuf *errout, const char *const *argv)
{
	int status = -1;
	struct spawn s = {.argv = argv, .cwd = dir, .out = out, .errout = errout, .null_output = !out};
	autoerror err = {0};
	if (spawn_run(&s, &status, &err))
		fail_msg("%s: %s", argv[0], err.message);
	return status;
}

/* Runs a program that may fail; its exit code. */
_unused_ static int fx_try(const char *dir, struct strbuf *out, const char *const *argv)
{
	return fx_run(dir, out, NULL, argv);
}

/* Runs a program and expects success. */
static void fx_must(const char *dir, struct strbuf *out, const char *const *argv)
{
	autostrbuf errout = STRBUF_INIT(1 << 20);
	int status = fx_run(dir, out, &errout, argv);
	if (status)
		fail_msg("%s %s ended with %d: %s", argv[0], argv[1], status, strbuf_str(&errout));
}

/* The same for git (arguments after the folder). */
#define fx_git(dir, ...) fx_must((dir), NULL, (const char *const[]){"git", __VA_ARGS__, NULL})

/* First output line of git; caller frees. */
#define fx_git_line(dir, ...) fx_line((dir), (const char *const[]){"git", __VA_ARGS__, NULL})

_unused_ static char *fx_line(const char *dir, const char *const *argv)
{
	autostrbuf out = STRBUF_INIT(1 << 20);
	fx_must(dir, &out, argv);
	return xstrndup(strbuf_str(&out), strcspn(strbuf_str(&out), "\n"));
}

static void fx_write(const char *dir, const char *name, const char *text)
{
	autofree char *path = path_join(dir, name);
	autofree char *parent = xstrndup(path, (size_t)(path_base(path) - path));
	assert_int_equal(dir_make(parent, 0755, NULL), 0);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

_unused_ static void fx_write_program(const char *dir, const char *name, const char *text)
{
	fx_write(dir, name, text);
	autofree char *path = path_join(dir, name);
	assert_int_equal(chmod(path, 0755), 0);
}

_unused_ static bool fx_exists(const char *dir, const char *name)
{
	autofree char *path = path_join(dir, name);
	struct stat st;
	return lstat(path, &st) == 0;
}

/* Content of a file, caller frees; NULL if it is not there. */
_unused_ static char *fx_read(const char *dir, const char *name)
{
	autofree char *path = path_join(dir, name);
	autostrbuf text = STRBUF_INIT(16 << 20);
	return file_read(path, &text, NULL) == 0 ? strbuf_detach(&text) : NULL;
}

/* Writes a file and commits it, with the file's name as the message. */
_unused_ static void fx_commit(const char *dir, const char *name, const char *text)
{
	fx_write(dir, name, text);
	fx_git(dir, "add", "--", name);
	fx_git(dir, "commit", "-q", "-m", name);
}

static void fx_init(struct fixture *fx)
{
	const char *tmp = getenv("COPPICE_TEST_TMP");
	autofree char *template = path_join(tmp ? tmp : "/tmp", "coppice-test-XXXXXX");
	assert_non_null(mkdtemp(template));
	assert_non_null(realpath(template, fx->root));
	static const char *const env[][2] = {
		{"GIT_CONFIG_GLOBAL", "/dev/null"},
		{"GIT_CONFIG_NOSYSTEM", "1"},
		{"GIT_AUTHOR_NAME", "Ada"},
		{"GIT_AUTHOR_EMAIL", "ada@example.org"},
		{"GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z"},
		{"GIT_COMMITTER_NAME", "Ada"},
		{"GIT_COMMITTER_EMAIL", "ada@example.org"},
		{"GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(env); i++)
		assert_int_equal(setenv(env[i][0], env[i][1], 1), 0);
	autofree char *home = path_join(fx->root, "home"), *scratch = path_join(fx->root, "tmp");
	assert_int_equal(mkdir(home, 0700), 0);
	assert_int_equal(mkdir(scratch, 0700), 0);
	assert_int_equal(setenv("HOME", home, 1), 0);
	assert_int_equal(setenv("TMPDIR", scratch, 1), 0);
	autofree char *repo = path_join(fx->root, "repo");
	(void)snprintf(fx->repo, sizeof(fx->repo), "%s", repo);
	autofree char *common = path_join(repo, ".git");
	(void)snprintf(fx->common, sizeof(fx->common), "%s", common);
	fx_git(fx->root, "init", "-q", "-b", "main", repo);
	fx_commit(fx->repo, "file", "one\n");
}

static void fx_release(struct fixture *fx)
{
	assert_int_equal(tree_remove(fx->root, NULL), 0);
}

/* For cmocka_unit_test_setup_teardown: a fixture in *state. */
_unused_ static int fx_setup(void **state)
{
	struct fixture *fx = xcalloc(1, sizeof(*fx));
	fx_init(fx);
	*state = fx;
	return 0;
}

_unused_ static int fx_teardown(void **state)
{
	fx_release(*state);
	free(*state);
	return 0;
}

#define fx_test(f) cmocka_unit_test_setup_teardown(f, fx_setup, fx_teardown)

#endif

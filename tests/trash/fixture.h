/* A repository with one linked worktree in a private folder, for the tests of facts, removal and
 * restoration. All functions fail the running test when anything goes wrong. */
#ifndef TESTS_TRASH_FIXTURE_H
#define TESTS_TRASH_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "differ.h"

/* Below the temporary folder that is home and current folder of the test: `repo` is the main worktree
 * (branch main), `wt` a linked one (branch feat, one commit ahead), `repo/.git/worktrees/wt` its admin
 * folder. Absolute paths: */
struct fixture {
	char *home, *repo, *wt, *common, *admin;
	char *trash; /* where entries of `wt` go: <home>/.coppice-trash */
};

extern struct fixture fx;

/* Set-up and tear-down of the whole program and of each test. */
int fixture_group_set_up(void **state);
int fixture_group_tear_down(void **state);
int fixture_set_up(void **state);
int fixture_tear_down(void **state);
#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

/* Runs a program in `dir` (relative to home) and requires that it succeeds; the arguments end with
 * NULL. fixture_try gives the exit code instead. */
void fixture_run(const char *dir, ...) __attribute__((sentinel));
int fixture_try(const char *dir, ...) __attribute__((sentinel));
/* The program's output without its last newline; caller frees. */
char *fixture_output(const char *dir, ...) __attribute__((sentinel));
/* Writes a file, relative to home, making folders as needed. */
void fixture_write(const char *path, const char *text);
void fixture_append(const char *path, const char *text);
bool fixture_exists(const char *path);
/* A file's text; caller frees. */
char *fixture_read(const char *path);
/* Removes a tree of the test, whatever its modes. */
void fixture_remove_tree(const char *path);
/* Starts a process whose working folder is `dir`, which ends by fixture_stop. */
pid_t fixture_start_in(const char *dir);
void fixture_stop(pid_t pid);

/* Arguments for the workers: of repo_facts and repo_remove for `wt` with target main; the caller adds
 * and owns. */
json_t *fixture_args(const char *id);
/* The same as an object {repo, trash} for a result of repo_remove. */
json_t *fixture_trash_args(const json_t *removed);
/* Waives all facts that may be waived. */
void fixture_waive_all(json_t *args);
/* Runs repo_remove, repo_restore, repo_purge or repo_facts and requires success; owned by the caller. */
json_t *fixture_call(int (*worker)(const json_t *, json_t **, struct error *), const json_t *args);

/* Fails, naming the differences, unless the tree at `path` is exactly as recorded. */
void fixture_same_tree(const struct differ *was, const char *path, unsigned flags);
struct differ *fixture_record(const char *path);

#endif

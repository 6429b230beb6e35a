/* For the tests of landing: the fixture's repository with a user of its own, and what it takes to call
 * repo_land_build and repo_land_move. */
#ifndef REPO_TEST_LAND_H
#define REPO_TEST_LAND_H

#include "repo/test-fixture.h"

#include "repo/land_build.h"

/* The user whom git's configuration names; commits of others are made with land_as(). */
#define LAND_USER "Uma User"
#define LAND_EMAIL "uma@example.org"

static int land_setup(void **state)
{
	static const char *const unset[] = {"GIT_AUTHOR_NAME",	   "GIT_AUTHOR_EMAIL",
					    "GIT_AUTHOR_DATE",	   "GIT_COMMITTER_NAME",
					    "GIT_COMMITTER_EMAIL", "GIT_COMMITTER_DATE"};
	fx_setup(state);
	struct fixture *fx = *state;
	for (size_t i = 0; i < ARRAY_SIZE(unset); i++)
		assert_int_equal(unsetenv(unset[i]), 0);
	fx_git(fx->repo, "config", "user.name", LAND_USER);
	fx_git(fx->repo, "config", "user.email", LAND_EMAIL);
	return 0;
}

#define land_test(f) cmocka_unit_test_setup_teardown(f, land_setup, fx_teardown)

/* Commits what is there, as somebody else. */
_unused_ static void land_as(const char *dir, const char *name, const char *email, const char *message)
{
	autofree char *user = xasprintf("user.name=%s", name), *mail = xasprintf("user.email=%s", email);
	fx_git(dir, "add", "-A");
	fx_git(dir, "-c", user, "-c", mail, "commit", "-q", "-m", message);
}

/* Makes a linked worktree `<root>/<branch>` on a new branch cut from `from`; caller frees its path. */
_unused_ static char *land_branch(const struct fixture *fx, const char *branch, const char *from)
{
	char *path = path_join(fx->root, branch);
	fx_git(fx->repo, "worktree", "add", "-q", "-b", branch, path, from);
	return path;
}

/* Arguments of repo_land_build: branch into main, squashed, no gate. A new reference. */
_unused_ static json_t *land_args(const struct fixture *fx, const char *branch)
{
	autofree char *tmp = path_join(fx->root, "land-tmp"), *logs = path_join(fx->root, "logs");
	return json_pack("{s:{s:s, s:s}, s:s, s:s, s:s, s:s, s:s}", "repo", "common_dir", fx->common, "main",
			 fx->repo, "id", "chg-1", "target", "main", "branch", branch, "tmp_dir", tmp,
			 "log_dir", logs);
}

/* Builds, expecting an answer. Takes the reference to `args`; a new reference. */
_unused_ static json_t *land_built(json_t *args)
{
	json_t *ret = NULL;
	autoerror err = {0};
	if (repo_land_build(args, &ret, &err))
		fail_msg("%s", err.message);
	json_decref(args);
	return ret;
}

/* Builds a branch as land_args() says, expecting a commit; its hash, caller frees. */
_unused_ static char *land_commit_of(const struct fixture *fx, const char *branch)
{
	json_auto_t *built = land_built(land_args(fx, branch));
	assert_string_equal(json_str(built, "result"), "passed");
	return xstrdup(json_str(built, "commit"));
}

/* "a b c" of a list of strings; caller frees. */
_unused_ static char *land_joined(const json_t *list)
{
	autostrbuf text = STRBUF_INIT(1 << 20);
	size_t i;
	json_t *item;
	json_array_foreach(list, i, item)
	{
		strbuf_addf(&text, "%s%s", i ? " " : "", json_string_value(item));
	}
	return strbuf_detach(&text);
}

#define assert_line(text, ...)                                                                               \
	do {                                                                                                 \
		autofree char *line_ = __VA_ARGS__;                                                          \
		assert_string_equal(line_, (text));                                                          \
	} while (0)

/* Arguments of repo_land_move from main's tip; a new reference. */
_unused_ static json_t *move_args(const struct fixture *fx, const char *to)
{
	autofree char *old = fx_git_line(fx->repo, "rev-parse", "main");
	return json_pack("{s:{s:s, s:s}, s:s, s:s, s:s, s:s}", "repo", "common_dir", fx->common, "main",
			 fx->repo, "id", "chg-1", "target", "main", "old", old, "new", to);
}

_unused_ static char *status_of(const char *dir)
{
	autostrbuf text = STRBUF_INIT(1 << 16);
	const char *const status[] = {"git", "status", "--porcelain", "--ignored", NULL};
	assert_int_equal(fx_try(dir, &text, status), 0);
	return strbuf_detach(&text);
}

/* main with every kind of file, and a branch `feat` that changes each in every way; what it builds. */
_unused_ static char *big_change(const struct fixture *fx)
{
	static const char *const names[] = {"mod",  "del",   "dir/x", "dir/y", "plain",
					    "n\nl", "-dash", "\xff",  "run"};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		fx_write(fx->repo, names[i], "old\n");
	fx_write(fx->repo, "mine", "old\n");
	fx_write(fx->repo, "staged", "old\n");
	fx_write(fx->repo, ".gitignore", "*.o\n");
	autofree char *link = path_join(fx->repo, "link");
	assert_int_equal(symlink("mod", link), 0);
	land_as(fx->repo, LAND_USER, LAND_EMAIL, "before");
	autofree char *feat = land_branch(fx, "feat", "main");
	fx_git(feat, "rm", "-q", "-r", "del", "dir", "plain", "link");
	fx_write(feat, "mod", "new\n");
	fx_write(feat, "dir", "a file now\n");
	fx_write(feat, "plain/deep/file", "a folder now\n");
	fx_write(feat, "n\nl", "new\n");
	fx_write(feat, "-dash", "new\n");
	fx_write(feat, "\xff", "new\n");
	fx_write_program(feat, "run", "old\n");
	autofree char *new_link = path_join(feat, "link");
	assert_int_equal(symlink("elsewhere", new_link), 0);
	land_as(feat, "Bo", "bo@x", "everything");
	return land_commit_of(fx, "feat");
}

/* Local changes that big_change() does not touch. */
_unused_ static void change_locally(const char *dir)
{
	fx_write(dir, "mine", "edited\n");
	fx_write(dir, "staged", "staged\n");
	fx_git(dir, "add", "staged");
	fx_write(dir, "staged", "and edited again\n");
	fx_write(dir, "untracked", "u\n");
	fx_write(dir, "ignored.o", "o\n");
	fx_write(dir, "new-staged", "n\n");
	fx_git(dir, "add", "new-staged");
}

_unused_ static const char local_status[] = " M mine\nA  new-staged\nMM staged\n?? untracked\n!! ignored.o\n";

_unused_ static void expect_everything(const char *dir, const char *built)
{
	assert_line(local_status, status_of(dir));
	assert_line(built, fx_git_line(dir, "rev-parse", "HEAD"));
	assert_line("refs/heads/main", fx_git_line(dir, "symbolic-ref", "HEAD"));
	assert_line("edited\n", fx_read(dir, "mine"));
	assert_line("and edited again\n", fx_read(dir, "staged"));
	assert_line("staged", fx_git_line(dir, "cat-file", "blob", ":staged"));
	assert_line("u\n", fx_read(dir, "untracked"));
	assert_line("o\n", fx_read(dir, "ignored.o"));
	assert_line("new\n", fx_read(dir, "mod"));
	assert_line("a file now\n", fx_read(dir, "dir"));
	assert_line("a folder now\n", fx_read(dir, "plain/deep/file"));
	assert_false(fx_exists(dir, "del"));
}

#endif

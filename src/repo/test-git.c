/* Tests of running git: discovery, environment, errors, porcelain, and that looking at a worktree runs
 * nothing of its agent's (W3). */
#include "repo/test-fixture.h"

#include <fcntl.h>
#include <stdio.h>

static void test_open_finds_the_repository(void **state)
{
	struct fixture *fx = *state;
	autofree char *sub = path_join(fx->repo, "a/b"), *linked = fx_path(fx, "linked");
	assert_int_equal(dir_make(sub, 0755, NULL), 0);
	autogit g = GIT_INIT, l = GIT_INIT, inside = GIT_INIT, bare = GIT_INIT;
	assert_int_equal(git_open(sub, &g, NULL), 0);
	assert_string_equal(g.work_tree, fx->repo);
	assert_string_equal(g.common_dir, fx->common);
	assert_string_equal(g.git_dir, fx->common);
	fx_git(fx->repo, "worktree", "add", "-q", "-b", "b", linked);
	assert_int_equal(git_open(linked, &l, NULL), 0);
	autofree char *admin = path_join(fx->common, "worktrees/linked");
	assert_string_equal(l.git_dir, admin);
	assert_string_equal(l.common_dir, fx->common);
	assert_int_equal(git_open(fx->common, &inside, NULL), 0);
	assert_null(inside.work_tree);
	fx_git(fx->root, "clone", "-q", "--bare", fx->repo, "bare.git");
	autofree char *bare_dir = fx_path(fx, "bare.git");
	assert_int_equal(git_open(bare_dir, &bare, NULL), 0);
	assert_null(bare.work_tree);
	assert_string_equal(bare.common_dir, bare_dir);
}

static void test_open_says_what_is_wrong(void **state)
{
	struct fixture *fx = *state;
	autogit g = GIT_INIT;
	autoerror err = {0};
	autofree char *nowhere = fx_path(fx, "nowhere"), *path = xstrdup(getenv("PATH"));
	fx_write_program(fx->root, "old/git", "#!/bin/sh\necho git version 2.30.2\n");
	autofree char *old = fx_path(fx, "old"), *none = fx_path(fx, "home");
	assert_int_equal(setenv("PATH", old, 1), 0);
	int too_old = git_open(fx->repo, &g, &err);
	assert_int_equal(setenv("PATH", none, 1), 0);
	int missing = git_open(fx->repo, &g, &err);
	assert_int_equal(setenv("PATH", path, 1), 0);
	assert_int_equal(too_old, ERR_MISSING);
	assert_int_equal(missing, ERR_MISSING);
	assert_non_null(strstr(err.hint, "2.38"));
	assert_int_equal(git_open(fx->root, &g, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.message, "not in a git repository"));
	assert_int_equal(git_open(nowhere, &g, &err), ERR_NOT_FOUND);
}

static void test_open_of_a_foreign_repository(void **state)
{
	struct fixture *fx = *state;
	if (geteuid() != 0)
		skip();
	autogit g = GIT_INIT;
	autoerror err = {0};
	assert_int_equal(chown(fx->common, 12345, 12345), 0);
	assert_int_equal(chown(fx->repo, 12345, 12345), 0);
	assert_int_equal(git_open(fx->repo, &g, &err), ERR_UNSUPPORTED);
	assert_non_null(strstr(err.hint, "safe.directory"));
}

static void test_environment_cannot_lead_git_elsewhere(void **state)
{
	struct fixture *fx = *state;
	autogit g = GIT_INIT;
	assert_int_equal(setenv("GIT_DIR", "/nonexistent", 1), 0);
	assert_int_equal(setenv("GIT_INDEX_FILE", "/nonexistent/index", 1), 0);
	assert_int_equal(setenv("GIT_CONFIG_PARAMETERS", "'core.bare'='true'", 1), 0);
	int opened = git_open(fx->repo, &g, NULL);
	struct git_status s = {0};
	int looked = opened ? opened : git_status(&g, NULL, 0, &s, NULL);
	assert_int_equal(unsetenv("GIT_DIR"), 0);
	assert_int_equal(unsetenv("GIT_INDEX_FILE"), 0);
	assert_int_equal(unsetenv("GIT_CONFIG_PARAMETERS"), 0);
	assert_int_equal(looked, 0);
	assert_int_equal(s.n, 0);
	git_status_release(&s);
}

static void test_failures_carry_what_git_said(void **state)
{
	struct fixture *fx = *state;
	autogit g = GIT_INIT;
	autoerror err = {0};
	git_at(fx->common, fx->common, NULL, &g);
	const char *const args[] = {"cat-file", "-p", "no\033[31mthing", NULL};
	assert_int_equal(git_run(&g, 0, args, NULL, NULL, &err), ERR_GIT);
	assert_non_null(strstr(err.message, "git cat-file failed: fatal: Not a valid object name"));
	assert_null(strchr(err.message, '\033'));
	assert_non_null(json_str(err.details, "stderr"));
	int status = 0;
	assert_int_equal(git_run(&g, GIT_QUIET, args, NULL, &status, NULL), 0);
	assert_int_equal(status, 128);
	autostrbuf little = STRBUF_INIT(2);
	const char *const head[] = {"rev-parse", "HEAD", NULL};
	assert_int_equal(git_run(&g, 0, head, &little, NULL, NULL), ERR_TOO_LARGE);
}

static void test_commits_and_branches(void **state)
{
	struct fixture *fx = *state;
	autogit g = GIT_INIT;
	git_at(fx->common, fx->common, NULL, &g);
	autofree char *head = fx_git_line(fx->repo, "rev-parse", "HEAD"), *commit = NULL, *tip = NULL;
	fx_git(fx->repo, "branch", "feat/a");
	assert_int_equal(git_commit_of(&g, "feat/a", &commit, NULL), 0);
	assert_string_equal(commit, head);
	static const char *const bad[] = {"nope", "--all", "-x", "", "^main", "main..feat/a", "HEAD^{tree}"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char *none = NULL;
		assert_int_equal(git_commit_of(&g, bad[i], &none, NULL), ERR_NOT_FOUND);
	}
	assert_int_equal(git_branch_tip(&g, "feat/a", &tip, NULL), 0);
	assert_string_equal(tip, head);
	char *none = tip;
	assert_int_equal(git_branch_tip(&g, "feat", &none, NULL), 0);
	assert_null(none);
}

static void test_worktrees(void **state)
{
	struct fixture *fx = *state;
	autogit g = GIT_INIT;
	git_at(fx->common, fx->common, NULL, &g);
	autofree char *odd = fx_path(fx, "odd\nname \"x\""), *detached = fx_path(fx, "sub/detached"),
		      *gone = fx_path(fx, "gone");
	fx_git(fx->repo, "worktree", "add", "-q", "--lock", "--reason", "why\nnot", "-b", "feat/a", odd);
	fx_git(fx->repo, "worktree", "add", "-q", "--detach", detached);
	fx_git(fx->repo, "worktree", "add", "-q", "-b", "gone", gone);
	assert_int_equal(tree_remove(gone, NULL), 0);
	struct git_worktrees list = {0};
	assert_int_equal(git_worktrees(&g, &list, NULL), 0);
	assert_int_equal(list.n, 4);
	assert_true(list.at[0].main);
	assert_string_equal(list.at[0].path, fx->repo);
	assert_string_equal(list.at[0].git_dir, fx->common);
	for (size_t i = 1; i < list.n; i++) {
		const struct git_worktree *w = &list.at[i];
		assert_false(w->main);
		assert_non_null(w->git_dir);
		assert_true(path_inside(w->git_dir, fx->common));
		assert_non_null(w->head);
		if (strcmp(w->path, odd) == 0) {
			assert_string_equal(w->branch, "feat/a");
			assert_non_null(strstr(w->locked, "why"));
		} else if (strcmp(w->path, detached) == 0) {
			assert_null(w->branch);
		} else {
			assert_string_equal(w->path, gone);
			assert_true(w->prunable);
		}
	}
	git_worktrees_release(&list);
}

/* As git dies of worktrees that another git is just making or removing: once of each, then of what is wrong.
 */
static void test_W1_a_git_that_met_another_in_the_middle_is_run_again(void **state)
{
	struct fixture *fx = *state;
	autogit g = GIT_INIT;
	autoerror err = {0};
	struct git_worktrees list = {0};
	autofree char *dir = fx_path(fx, "met"), *path = xstrdup(getenv("PATH"));
	autofree char *with = xasprintf("%s:%s", dir, path);
	fx_write_program(
		fx->root, "met/git",
		"#!/bin/sh\ncd \"${0%/git}\" || exit 1\necho >>runs\ncase $(wc -l <runs) in\n"
		"1) echo \"fatal: failed to read /r/.git/worktrees/x/commondir: Success\" >&2 ;;\n"
		"2) echo \"fatal: Invalid path '/r/.git/worktrees/x': No such file or directory\" >&2 ;;\n"
		"*) echo 'fatal: not this one' >&2 ;;\nesac\nexit 128\n");
	assert_int_equal(git_open(fx->repo, &g, NULL), 0);
	assert_int_equal(setenv("PATH", with, 1), 0);
	int code = git_worktrees(&g, &list, &err);
	assert_int_equal(setenv("PATH", path, 1), 0);
	assert_int_equal(code, ERR_GIT);
	assert_non_null(strstr(err.message, "not this one"));
}

static void test_worktrees_porcelain(void **state)
{
	(void)state;
	static const char good[] =
		"worktree /a\0bare\0\0worktree /b\0HEAD "
		"0000000000000000000000000000000000000000\0branch refs/heads/x\0future 1\0";
	struct git_worktrees list = {0};
	assert_true(git_worktrees_parse(good, sizeof(good), &list));
	assert_int_equal(list.n, 2);
	assert_true(list.at[0].bare && list.at[0].main);
	assert_null(list.at[1].head);
	assert_string_equal(list.at[1].branch, "x");
	git_worktrees_release(&list);
	static const char *const bad[] = {"worktree /a", "HEAD x\0\0", "worktree rel\0\0", "\0"};
	static const size_t length[] = {11, 8, 14, 1};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(git_worktrees_parse(bad[i], length[i], &list));
}

static void test_status(void **state)
{
	struct fixture *fx = *state;
	autogit g = GIT_INIT;
	git_at(fx->common, fx->common, fx->repo, &g);
	fx_write(fx->repo, ".gitignore", "*.o\n");
	fx_git(fx->repo, "add", ".gitignore");
	fx_write(fx->repo, "file", "two\n");
	fx_write(fx->repo, "new dir/a b", "x");
	fx_write(fx->repo, "new dir/c", "x");
	fx_write(fx->repo, "x.o", "x");
	struct git_status s = {0};
	assert_int_equal(git_status(&g, NULL, 0, &s, NULL), 0);
	assert_int_equal(s.changed, 2);
	assert_int_equal(s.untracked, 1);
	assert_int_equal(s.ignored, 0);
	git_status_release(&s);
	assert_int_equal(git_status(&g, NULL, GIT_STATUS_IGNORED | GIT_STATUS_UNTRACKED_ALL, &s, NULL), 0);
	assert_int_equal(s.untracked, 2);
	assert_int_equal(s.ignored, 1);
	bool found = false;
	for (size_t i = 0; i < s.n; i++)
		found = found || (s.at[i].kind == '?' && strcmp(s.at[i].path, "new dir/a b") == 0);
	assert_true(found);
	git_status_release(&s);
}

static void test_status_porcelain(void **state)
{
	(void)state;
	static const char good[] = "# branch.oid x\0"
				   "1 .M N... 1 2 3 h h a b\0"
				   "2 R. N... 1 2 3 h h R100 new\0old\0"
				   "u UU N... 1 2 3 4 h h h c d\0"
				   "? e\0! f g";
	struct git_status s = {.text = STRBUF_INIT(1000)};
	strbuf_add(&s.text, good, sizeof(good));
	assert_true(git_status_parse(&s));
	assert_int_equal(s.n, 5);
	assert_int_equal(s.changed, 2);
	assert_int_equal(s.unmerged, 1);
	assert_string_equal(s.at[0].path, "a b");
	assert_string_equal(s.at[1].path, "new");
	assert_string_equal(s.at[2].path, "c d");
	assert_string_equal(s.at[4].path, "f g");
	git_status_release(&s);
	static const char *const bad[] = {"1 .M N... 1 2 3 h h ",	  "? ", "x a",
					  "2 R. N... 1 2 3 h h R100 new", "?a", "1 a"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct git_status b = {.text = STRBUF_INIT(1000)};
		strbuf_add(&b.text, bad[i], strlen(bad[i]) + 1);
		assert_false(git_status_parse(&b));
		git_status_release(&b);
	}
}

/* A linked worktree on branch "agent", and a program that leaves a mark when it is run. */
struct trap {
	char *tree, *admin, *program, *mark;
};

static void trap_release(struct trap *t)
{
	free(t->tree);
	free(t->admin);
	free(t->program);
	free(t->mark);
}

#define autotrap _cleanup_(trap_release) struct trap

static void trap_init(const struct fixture *fx, struct trap *t)
{
	*t = (struct trap){.tree = fx_path(fx, "agent"),
			   .admin = path_join(fx->common, "worktrees/agent"),
			   .program = fx_path(fx, "trap"),
			   .mark = fx_path(fx, "mark")};
	fx_git(fx->repo, "worktree", "add", "-q", "-b", "agent", t->tree);
	autofree char *text = xasprintf("#!/bin/sh\ncat\n: >'%s'\n", t->mark);
	fx_write_program(fx->root, "trap", text);
}

/* Has git read the file again, through a filter if there is one: the same text with a time that it has
 * not seen. */
static void touch_file(const struct trap *t)
{
	autofree char *file = path_join(t->tree, "file");
	static time_t when = 1000000000;
	when++;
	const struct timespec times[2] = {{.tv_sec = when}, {.tv_sec = when}};
	assert_int_equal(utimensat(AT_FDCWD, file, times, 0), 0);
}

static bool sprung(const struct trap *t)
{
	bool yes = access(t->mark, F_OK) == 0;
	if (yes)
		assert_int_equal(unlink(t->mark), 0);
	return yes;
}

static void look(const struct fixture *fx, const struct trap *t)
{
	autogit g = GIT_INIT;
	git_at(fx->common, t->admin, t->tree, &g);
	struct git_status s = {0};
	autoerror err = {0};
	if (git_status(&g, NULL, 0, &s, &err))
		fail_msg("%s", err.message);
	git_status_release(&s);
}

static void test_W3_rewritten_git_file_runs_nothing(void **state)
{
	struct fixture *fx = *state;
	autotrap t = {0};
	trap_init(fx, &t);
	/* The agent's own repository, whose configuration names the trap in every way. */
	autofree char *fake = fx_path(fx, "fake"), *hook = path_join(fake, ".git/hooks/post-index-change");
	fx_git(fx->root, "clone", "-q", fx->repo, fake);
	fx_git(fake, "config", "core.fsmonitor", t.program);
	fx_git(fake, "config", "filter.x.clean", t.program);
	assert_int_equal(symlink(t.program, hook), 0);
	fx_write(t.tree, ".gitattributes", "* filter=x\n");
	autofree char *link = xasprintf("gitdir: %s/.git\n", fake);
	fx_write(t.tree, ".git", link);
	touch_file(&t);
	fx_git(t.tree, "status", "--short");
	assert_true(sprung(&t)); /* by discovery it does run */
	touch_file(&t);
	look(fx, &t);
	assert_false(sprung(&t));
	/* The same through commondir, with the .git file as it was. */
	autofree char *true_link = xasprintf("gitdir: %s\n", t.admin);
	autofree char *fake_common = path_join(fake, ".git");
	fx_write(t.tree, ".git", true_link);
	fx_write(t.admin, "commondir", fake_common);
	fx_git(fake, "branch", "agent");
	touch_file(&t);
	fx_git(t.tree, "status", "--short");
	assert_true(sprung(&t));
	touch_file(&t);
	look(fx, &t);
	assert_false(sprung(&t));
}

static void test_W3_repository_configuration_runs_nothing(void **state)
{
	struct fixture *fx = *state;
	autotrap t = {0};
	trap_init(fx, &t);
	fx_git(t.tree, "config", "core.fsmonitor", t.program);
	fx_git(t.tree, "config", "filter.a.b.clean", t.program);
	fx_git(t.tree, "config", "filter.a.b.required", "true");
	fx_write(t.tree, ".gitattributes", "* filter=a.b\n");
	touch_file(&t);
	fx_git(t.tree, "status", "--short");
	assert_true(sprung(&t));
	touch_file(&t);
	look(fx, &t);
	assert_false(sprung(&t));
}

static void test_W3_worktree_configuration_runs_nothing(void **state)
{
	struct fixture *fx = *state;
	autotrap t = {0};
	trap_init(fx, &t);
	fx_git(fx->repo, "config", "extensions.worktreeConfig", "true");
	fx_git(t.tree, "config", "--worktree", "core.fsmonitor", t.program);
	fx_git(t.tree, "config", "--worktree", "filter.x.clean", t.program);
	fx_write(t.tree, ".gitattributes", "* filter=x\n");
	touch_file(&t);
	fx_git(t.tree, "status", "--short");
	assert_true(sprung(&t));
	touch_file(&t);
	look(fx, &t);
	assert_false(sprung(&t));
}

static void test_W3_filters_of_the_user_run(void **state)
{
	struct fixture *fx = *state;
	autotrap t = {0};
	trap_init(fx, &t);
	autofree char *global = fx_path(fx, "gitconfig");
	assert_int_equal(setenv("GIT_CONFIG_GLOBAL", global, 1), 0);
	fx_git(fx->repo, "config", "--global", "filter.x.clean", t.program);
	/* The repository may not put its own in the place of the user's. */
	fx_git(fx->repo, "config", "filter.x.clean", "exit 1");
	fx_git(fx->repo, "config", "filter.x.required", "true");
	fx_write(t.tree, ".gitattributes", "* filter=x\n");
	touch_file(&t);
	autogit g = GIT_INIT;
	git_at(fx->common, t.admin, t.tree, &g);
	struct git_status s = {0};
	int r = git_status(&g, NULL, 0, &s, NULL);
	assert_int_equal(setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1), 0);
	assert_int_equal(r, 0);
	assert_int_equal(s.changed, 0);
	assert_int_equal(s.untracked, 1);
	assert_true(sprung(&t));
	git_status_release(&s);
}

/* A stand-in for the admin folder must not change what is seen. */
static void check_sparse(const struct fixture *fx, bool sparse_index)
{
	fx_commit(fx->repo, "in/a", "x\n");
	fx_commit(fx->repo, "out/b", "x\n");
	autotrap t = {0};
	trap_init(fx, &t);
	fx_git(t.tree, "sparse-checkout", "set", "--cone",
	       sparse_index ? "--sparse-index" : "--no-sparse-index", "in");
	fx_git(t.tree, "update-index", sparse_index ? "--no-split-index" : "--split-index");
	assert_false(fx_exists(t.tree, "out/b"));
	autogit g = GIT_INIT;
	git_at(fx->common, t.admin, t.tree, &g);
	struct git_status s = {0};
	assert_int_equal(git_status(&g, NULL, 0, &s, NULL), 0);
	assert_int_equal(s.n, 0);
	git_status_release(&s);
	fx_write(t.tree, "out/b", "changed\n");
	fx_write(t.tree, "in/a", "changed\n");
	fx_write(t.tree, "in/new", "new\n");
	assert_int_equal(git_status(&g, NULL, 0, &s, NULL), 0);
	assert_int_equal(s.changed, 2);
	assert_int_equal(s.untracked, 1);
	git_status_release(&s);
}

static void test_status_with_a_sparse_index(void **state)
{
	check_sparse(*state, true);
}

static void test_status_with_a_split_index(void **state)
{
	check_sparse(*state, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fx_test(test_open_says_what_is_wrong), /* first: a good version is looked up once */
		fx_test(test_open_finds_the_repository),
		fx_test(test_open_of_a_foreign_repository),
		fx_test(test_environment_cannot_lead_git_elsewhere),
		fx_test(test_failures_carry_what_git_said),
		fx_test(test_commits_and_branches),
		fx_test(test_worktrees),
		fx_test(test_W1_a_git_that_met_another_in_the_middle_is_run_again),
		cmocka_unit_test(test_worktrees_porcelain),
		fx_test(test_status),
		cmocka_unit_test(test_status_porcelain),
		fx_test(test_W3_rewritten_git_file_runs_nothing),
		fx_test(test_W3_repository_configuration_runs_nothing),
		fx_test(test_W3_worktree_configuration_runs_nothing),
		fx_test(test_W3_filters_of_the_user_run),
		fx_test(test_status_with_a_sparse_index),
		fx_test(test_status_with_a_split_index),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* An agent rewrites everything that it can reach, to have a program of its own run by whoever looks at its
 * worktree. Listing, describing and facts run nothing of it (W3). */
#include "repo/test-fixture.h"

#include <fcntl.h>

#include "repo/describe.h"
#include "repo/facts.h"
#include "repo/list.h"

/* The agent's worktree, with a populated submodule, and a program that leaves a mark when it is run. */
struct trap {
	char *tree, *admin, *module, *program, *fake, *fake_dir;
};

static void trap_release(struct trap *t)
{
	free(t->tree);
	free(t->admin);
	free(t->module);
	free(t->program);
	free(t->fake);
	free(t->fake_dir);
}

#define autotrap _cleanup_(trap_release) struct trap

static void trap_init(const struct fixture *fx, struct trap *t)
{
	*t = (struct trap){.tree = fx_path(fx, "agent"),
			   .admin = path_join(fx->common, "worktrees/agent"),
			   .module = fx_path(fx, "agent/module"),
			   .program = fx_path(fx, "trap"),
			   .fake = fx_path(fx, "fake"),
			   .fake_dir = fx_path(fx, "fake/.git")};
	autofree char *sub = fx_path(fx, "sub"),
		      *text = xasprintf("#!/bin/sh\n: >'%s/mark'\ncat\n", fx->root);
	fx_write_program(fx->root, "trap", text);
	fx_git(fx->root, "init", "-q", "-b", "main", sub);
	fx_commit(sub, "in-sub", "x");
	fx_git(fx->repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", sub, "module");
	fx_git(fx->repo, "commit", "-q", "-m", "module");
	fx_git(fx->repo, "worktree", "add", "-q", "-b", "agent", t->tree);
	fx_git(t->tree, "-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init");
	/* A repository of the agent's own, for .git or commondir to lead to. */
	fx_git(fx->root, "clone", "-q", fx->repo, t->fake);
	fx_git(t->fake, "branch", "agent");
	fx_git(t->fake, "config", "core.fsmonitor", t->program);
	fx_git(t->fake, "config", "filter.x.clean", t->program);
	fx_write_program(t->fake_dir, "hooks/post-index-change", text);
	fx_write_program(t->fake_dir, "hooks/reference-transaction", text);
	fx_write(t->tree, ".gitattributes", "* filter=x\n");
}

/* What has git read a file, and so ask its filter: the same text with a time that it has not seen. */
static void touch(const char *dir, const char *name)
{
	static time_t when = 1000000000;
	when++;
	autofree char *file = path_join(dir, name);
	const struct timespec times[2] = {{.tv_sec = when}, {.tv_sec = when}};
	assert_int_equal(utimensat(AT_FDCWD, file, times, 0), 0);
}

static void touch_all(const struct trap *t)
{
	touch(t->tree, "file");
	touch(t->module, "in-sub");
}

/* Whether the program was run; forgets it. */
static bool sprung(const struct fixture *fx)
{
	autofree char *mark = fx_path(fx, "mark");
	return unlink(mark) == 0;
}

static const json_t *agent_row(const json_t *list)
{
	size_t i;
	const json_t *w;
	json_array_foreach(json_object_get(list, "worktrees"), i, w)
	{
		const char *branch = json_str(w, "branch");
		if (branch && strcmp(branch, "agent") == 0)
			return w;
	}
	fail_msg("the worktree is not listed");
	return NULL;
}

/* Looks in every way; each must come to an answer, and spring nothing. */
static void look(const struct fixture *fx, const struct trap *t, const char *what)
{
	json_auto_t *list_args = json_pack("{s:{s:s, s:s}, s:s}", "repo", "common_dir", fx->common, "main",
					   fx->repo, "target", "main");
	json_auto_t *facts_args = json_pack("{s:{s:s, s:s}, s:s, s:s, s:s, s:s, s:[]}", "repo", "common_dir",
					    fx->common, "main", fx->repo, "path", t->tree, "git_dir",
					    t->admin, "branch", "agent", "target", "main", "disposable");
	json_auto_t *describe_args = json_pack("{s:s}", "dir", t->tree);
	json_auto_t *list = NULL, *facts = NULL, *described = NULL;
	touch_all(t);
	if (repo_list(list_args, &list, NULL) || json_str(agent_row(list), "error"))
		fail_msg("%s: no list", what);
	if (sprung(fx))
		fail_msg("%s: listing runs it", what);
	touch_all(t);
	if (repo_facts(facts_args, &facts, NULL))
		fail_msg("%s: no facts", what);
	if (sprung(fx))
		fail_msg("%s: taking facts runs it", what);
	touch_all(t);
	if (repo_describe(describe_args, &described, NULL))
		fail_msg("%s: no description", what);
	if (sprung(fx))
		fail_msg("%s: describing runs it", what);
}

/* The trap does work: by discovery git runs it. */
static void expect_danger(const struct fixture *fx, const struct trap *t, const char *what)
{
	touch_all(t);
	fx_git(t->tree, "status", "--short");
	if (!sprung(fx))
		fail_msg("%s: not even git runs it", what);
}

static void test_W3_rewritten_git_file_runs_nothing_in_list_facts_and_describe(void **state)
{
	struct fixture *fx = *state;
	autotrap t = {0};
	trap_init(fx, &t);
	autofree char *link = xasprintf("gitdir: %s\n", t.fake_dir),
		      *good = xasprintf("gitdir: %s\n", t.admin);
	fx_write(t.tree, ".git", link);
	expect_danger(fx, &t, ".git");
	look(fx, &t, ".git");
	fx_write(t.tree, ".git", good);
	fx_write(t.admin, "commondir", t.fake_dir);
	expect_danger(fx, &t, "commondir");
	look(fx, &t, "commondir");
}

static void test_W3_rewritten_configuration_runs_nothing_in_list_facts_and_describe(void **state)
{
	struct fixture *fx = *state;
	autotrap t = {0};
	trap_init(fx, &t);
	fx_git(t.tree, "config", "filter.x.clean", t.program);
	expect_danger(fx, &t, "filter");
	look(fx, &t, "filter");
	fx_git(t.tree, "config", "--unset", "filter.x.clean");
	fx_git(t.tree, "config", "core.fsmonitor", t.program);
	expect_danger(fx, &t, "fsmonitor");
	look(fx, &t, "fsmonitor");
	fx_git(t.tree, "config", "--unset", "core.fsmonitor");
	fx_git(fx->repo, "config", "extensions.worktreeConfig", "true");
	fx_git(t.tree, "config", "--worktree", "filter.x.clean", t.program);
	expect_danger(fx, &t, "config.worktree");
	look(fx, &t, "config.worktree");
}

static void test_W3_rewritten_submodule_runs_nothing_in_list_facts_and_describe(void **state)
{
	struct fixture *fx = *state;
	autotrap t = {0};
	trap_init(fx, &t);
	fx_git(t.module, "config", "filter.y.clean", t.program);
	fx_write(t.module, ".gitattributes", "* filter=y\n");
	expect_danger(fx, &t, "submodule");
	look(fx, &t, "submodule");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fx_test(test_W3_rewritten_git_file_runs_nothing_in_list_facts_and_describe),
		fx_test(test_W3_rewritten_configuration_runs_nothing_in_list_facts_and_describe),
		fx_test(test_W3_rewritten_submodule_runs_nothing_in_list_facts_and_describe),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

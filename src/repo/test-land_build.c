/* Tests of building a landing: trees, parents, words and authors, conflicts, and that nothing that the
 * user has is touched. Gates are in test-gate.c. */
#include "repo/test-land.h"

static void set(json_t *args, const char *key, const char *value)
{
	json_object_set_new(args, key, json_string(value));
}

/* A branch feat with two commits of an agent, on a main that has moved on. */
static void two_commits(const struct fixture *fx)
{
	autofree char *feat = land_branch(fx, "feat", "main");
	fx_write(feat, "a", "a1\n");
	land_as(feat, "Bo", "bo@x", "add a");
	fx_write(feat, "b", "b1\n");
	land_as(feat, "Bo", "bo@x", "add b");
	fx_commit(fx->repo, "other", "o\n");
}

static void test_squash_merge_and_rebase_build_one_tree(void **state)
{
	const struct fixture *fx = *state;
	static const char *const hows[] = {"squash", "merge", "rebase"};
	two_commits(fx);
	autofree char *main_tip = fx_git_line(fx->repo, "rev-parse", "main");
	autofree char *feat_tip = fx_git_line(fx->repo, "rev-parse", "feat");
	autofree char *tree = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(hows); i++) {
		json_t *args = land_args(fx, "feat");
		set(args, "how", hows[i]);
		json_auto_t *built = land_built(args);
		const char *commit = json_str(built, "commit");
		assert_string_equal(json_str(built, "result"), "passed");
		assert_string_equal(json_str(built, "target_commit"), main_tip);
		assert_string_equal(json_str(built, "head"), feat_tip);
		assert_int_equal(json_array_size(json_object_get(built, "gate")), 0);
		if (!tree)
			tree = xstrdup(json_str(built, "tree"));
		assert_string_equal(json_str(built, "tree"), tree);
		autofree char *of_commit = xasprintf("%s^{tree}", commit);
		assert_line(tree, fx_git_line(fx->repo, "rev-parse", of_commit));
		autofree char *first = xasprintf("%s%s", commit, i == 2 ? "~2" : "^1");
		assert_line(main_tip, fx_git_line(fx->repo, "rev-parse", first));
		autofree char *count = xasprintf("main..%s", commit);
		static const char *const counts[] = {"1", "3", "2"};
		assert_line(counts[i], fx_git_line(fx->repo, "rev-list", "--count", count));
		autofree char *second = xasprintf("%s^2", commit);
		if (i == 1)
			assert_line(feat_tip, fx_git_line(fx->repo, "rev-parse", second));
	}
	/* Nothing moved, nothing was written to a checkout, nothing throwaway is left. */
	assert_line(main_tip, fx_git_line(fx->repo, "rev-parse", "main"));
	assert_line("", fx_git_line(fx->repo, "status", "--porcelain"));
	assert_line("", fx_git_line(fx->repo, "for-each-ref", "--format=%(refname)", "refs/coppice"));
	autofree char *tmp = path_join(fx->root, "land-tmp");
	assert_int_equal(rmdir(tmp), 0);
}

static void test_L9_single_author_and_committer(void **state)
{
	const struct fixture *fx = *state;
	autofree char *feat = land_branch(fx, "feat", "main");
	fx_write(feat, "a", "a1\n");
	land_as(feat, "Bö", "bo@x", "add a\n\nBody.");
	autofree char *commit = land_commit_of(fx, "feat");
	autofree char *was = fx_git_line(fx->repo, "log", "-1", "--format=%an <%ae> %ad", "feat");
	assert_line(was, fx_git_line(fx->repo, "log", "-1", "--format=%an <%ae> %ad", commit));
	assert_line(LAND_USER " " LAND_EMAIL, fx_git_line(fx->repo, "log", "-1", "--format=%cn %ce", commit));
	assert_line("add a|Body.", fx_git_line(fx->repo, "log", "-1", "--format=%s|%b", commit));
}

static void test_L9_several_authors(void **state)
{
	const struct fixture *fx = *state;
	autofree char *feat = land_branch(fx, "feat", "main");
	fx_write(feat, "a", "a1\n");
	land_as(feat, "Bo", "bo@x", "add a\n\nSigned-off-by: Bo <bo@x>");
	fx_write(feat, "b", "b1\n");
	land_as(feat, "Cy", "cy@x", "add b\n\nSigned-off-by: Bo <bo@x>\nSigned-off-by: Cy <cy@x>");
	fx_write(feat, "c", "c1\n");
	land_as(feat, LAND_USER, LAND_EMAIL, "add c");
	autofree char *commit = land_commit_of(fx, "feat");
	autostrbuf text = STRBUF_INIT(1 << 16);
	const char *const show[] = {"git", "log", "-1", "--format=%an <%ae>%n%B", commit, NULL};
	assert_int_equal(fx_try(fx->repo, &text, show), 0);
	assert_string_equal(strbuf_str(&text), LAND_USER " <" LAND_EMAIL ">\n"
							 "feat: add a\n\n* add a\n* add b\n* add c\n\n"
							 "Signed-off-by: Bo <bo@x>\n"
							 "Signed-off-by: Cy <cy@x>\n"
							 "Co-authored-by: Bo <bo@x>\n"
							 "Co-authored-by: Cy <cy@x>\n\n");
	json_t *args = land_args(fx, "feat");
	set(args, "message", "My words");
	json_auto_t *built = land_built(args);
	assert_line("My words", fx_git_line(fx->repo, "log", "-1", "--format=%s", json_str(built, "commit")));
}

static void test_L9_rebase_keeps_each_author_and_message(void **state)
{
	const struct fixture *fx = *state;
	autofree char *feat = land_branch(fx, "feat", "main");
	fx_write(feat, "a", "a1\n");
	land_as(feat, "Bo", "bo@x", "add a\n\nSigned-off-by: Bo <bo@x>");
	fx_write(feat, "b", "b1\n");
	land_as(feat, "Cy", "cy@x", "add b");
	fx_git(feat, "commit", "-q", "--allow-empty", "-m", "nothing, on purpose");
	fx_commit(fx->repo, "b", "b1\n"); /* the same change as the second commit: dropped */
	json_t *args = land_args(fx, "feat");
	set(args, "how", "rebase");
	json_auto_t *built = land_built(args);
	autofree char *range = xasprintf("main..%s", json_str(built, "commit"));
	autostrbuf text = STRBUF_INIT(1 << 16);
	const char *const show[] = {
		"git", "log", "--reverse", "--format=%an|%cn|%s|%(trailers:only,separator=)", range, NULL};
	assert_int_equal(fx_try(fx->repo, &text, show), 0);
	assert_string_equal(strbuf_str(&text), "Bo|" LAND_USER "|add a|Signed-off-by: Bo <bo@x>\n" LAND_USER
					       "|" LAND_USER "|nothing, on purpose|\n");
}

static void test_rebase_keeps_commits_that_need_no_change(void **state)
{
	const struct fixture *fx = *state;
	autofree char *feat = land_branch(fx, "feat", "main");
	fx_commit(feat, "a", "a1\n");
	fx_commit(feat, "b", "b1\n");
	json_t *args = land_args(fx, "feat");
	set(args, "how", "rebase");
	json_auto_t *built = land_built(args);
	assert_line(json_str(built, "commit"), fx_git_line(fx->repo, "rev-parse", "feat"));
}

/* A gpg that signs anything, and writes its arguments down. */
static void stub_gpg(const struct fixture *fx, const char *status)
{
	autofree char *script = xasprintf("#!/bin/sh\n"
					  "cat >/dev/null\n"
					  "echo \"$@\" >>'%s/gpg.args'\n"
					  "test %s = 0 || exit %s\n"
					  "echo '[GNUPG:] SIG_CREATED ' >&2\n"
					  "echo '-----BEGIN PGP SIGNATURE-----'\necho stub\n"
					  "echo '-----END PGP SIGNATURE-----'\n",
					  fx->root, status, status);
	fx_write_program(fx->root, "gpg", script);
	autofree char *program = path_join(fx->root, "gpg");
	fx_git(fx->repo, "config", "gpg.program", program);
	fx_git(fx->repo, "config", "commit.gpgSign", "true");
	fx_git(fx->repo, "config", "user.signingKey", "KEY7");
}

static void test_L9_gpgsign_is_honoured(void **state)
{
	const struct fixture *fx = *state;
	static const char *const hows[] = {"squash", "merge", "rebase"};
	autofree char *feat = land_branch(fx, "feat", "main");
	fx_commit(feat, "a", "a1\n");
	stub_gpg(fx, "0");
	for (size_t i = 0; i < ARRAY_SIZE(hows); i++) {
		json_t *args = land_args(fx, "feat");
		set(args, "how", hows[i]);
		json_auto_t *built = land_built(args);
		autostrbuf raw = STRBUF_INIT(1 << 16);
		const char *const cat[] = {"git", "cat-file", "commit", json_str(built, "commit"), NULL};
		assert_int_equal(fx_try(fx->repo, &raw, cat), 0);
		assert_non_null(strstr(strbuf_str(&raw), "gpgsig -----BEGIN PGP SIGNATURE-----"));
	}
	autofree char *used = fx_read(fx->root, "gpg.args");
	assert_non_null(strstr(used, "KEY7"));

	stub_gpg(fx, "2");
	json_t *ret = NULL;
	autoerror err = {0};
	json_auto_t *args = land_args(fx, "feat");
	assert_int_equal(repo_land_build(args, &ret, &err), ERR_GIT);
	assert_non_null(strstr(err.hint, "signing"));
}

static void test_L9_missing_identity_is_refused_with_the_cure(void **state)
{
	const struct fixture *fx = *state;
	static const char *const keys[] = {"user.name", "user.email"};
	two_commits(fx);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		fx_git(fx->repo, "config", "--unset", keys[i]);
		json_auto_t *args = land_args(fx, "feat");
		json_t *ret = NULL;
		autoerror err = {0};
		assert_int_equal(repo_land_build(args, &ret, &err), ERR_REFUSED);
		assert_non_null(strstr(err.hint, "git config --global user.name"));
		fx_git(fx->repo, "config", keys[i], "x@y");
	}
}

static void test_L9_no_hook_runs(void **state)
{
	const struct fixture *fx = *state;
	static const char *const hooks[] = {"pre-commit",	    "commit-msg",    "prepare-commit-msg",
					    "post-commit",	    "post-checkout", "pre-merge-commit",
					    "reference-transaction"};
	two_commits(fx);
	autofree char *script = xasprintf("#!/bin/sh\necho $0 >>'%s/hooked'\n", fx->root);
	autofree char *dir = path_join(fx->common, "hooks");
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
		fx_write_program(dir, hooks[i], script);
	json_t *args = land_args(fx, "feat");
	json_object_set_new(args, "gate", json_pack("[s]", "true"));
	json_auto_t *built = land_built(args);
	assert_string_equal(json_str(built, "result"), "passed");
	assert_false(fx_exists(fx->root, "hooked"));
}

/* Names that JSON can hold only in part: a space, a newline, a leading dash, a quote, bytes that are no
 * UTF-8. */
static const char *const odd_names[] = {"a b", "n\nl", "-dash", "q\"uote", "\xff\xfe", "ünï"};

static void write_odd(const char *dir, const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(odd_names); i++)
		fx_write(dir, odd_names[i], text);
}

static void test_conflicts_are_listed_by_file(void **state)
{
	const struct fixture *fx = *state;
	static const char *const hows[] = {"squash", "merge", "rebase"};
	autofree char *feat = land_branch(fx, "feat", "main");
	write_odd(feat, "theirs\n");
	fx_git(feat, "rm", "-q", "file");
	land_as(feat, "Bo", "bo@x", "odd");
	write_odd(fx->repo, "ours\n");
	fx_write(fx->repo, "file", "changed\n");
	land_as(fx->repo, "Cy", "cy@x", "ours");
	for (size_t i = 0; i < ARRAY_SIZE(hows); i++) {
		json_t *args = land_args(fx, "feat");
		set(args, "how", hows[i]);
		json_auto_t *built = land_built(args);
		assert_string_equal(json_str(built, "result"), "conflict");
		assert_true(json_is_null(json_object_get(built, "commit")));
		assert_line("-dash a b file n\nl q\"uote ünï \xEF\xBF\xBD\xEF\xBF\xBD",
			    land_joined(json_object_get(built, "files")));
		assert_non_null(strstr(json_str(built, "reason"), "and 2 more conflict with main"));
	}
}

static void test_odd_names_land(void **state)
{
	const struct fixture *fx = *state;
	autofree char *feat = land_branch(fx, "feat", "main");
	write_odd(feat, "x\n");
	land_as(feat, "Bo", "bo@x", "odd");
	fx_commit(fx->repo, "other", "o\n");
	json_auto_t *built = land_built(land_args(fx, "feat"));
	autofree char *count = xasprintf("%s", json_str(built, "tree"));
	autostrbuf names = STRBUF_INIT(1 << 16);
	const char *const list[] = {"git", "ls-tree", "-z", "--name-only", count, NULL};
	assert_int_equal(fx_try(fx->repo, &names, list), 0);
	for (size_t i = 0; i < ARRAY_SIZE(odd_names); i++)
		assert_non_null(memmem(names.buf, names.len, odd_names[i], strlen(odd_names[i]) + 1));
}

static void test_nothing_to_land_is_empty(void **state)
{
	const struct fixture *fx = *state;
	static const char *const hows[] = {"squash", "merge", "rebase"};
	fx_git(fx->repo, "branch", "same");
	autofree char *again = land_branch(fx, "again", "main");
	fx_commit(again, "a", "a1\n");
	fx_commit(fx->repo, "a", "a1\n");
	static const char *const branches[] = {"same", "again", "main"};
	for (size_t i = 0; i < ARRAY_SIZE(hows) * ARRAY_SIZE(branches); i++) {
		json_t *args = land_args(fx, branches[i % 3]);
		set(args, "how", hows[i / 3]);
		json_auto_t *built = land_built(args);
		assert_string_equal(json_str(built, "result"), "empty");
		assert_non_null(json_str(built, "reason"));
		assert_true(json_is_null(json_object_get(built, "commit")));
	}
}

static void test_unrelated_histories_are_refused(void **state)
{
	const struct fixture *fx = *state;
	autofree char *tree = fx_git_line(fx->repo, "rev-parse", "main^{tree}");
	autofree char *root = fx_git_line(fx->repo, "commit-tree", "-m", "root", tree);
	fx_git(fx->repo, "branch", "alien", root);
	json_auto_t *built = land_built(land_args(fx, "alien"));
	assert_string_equal(json_str(built, "result"), "refused");
	assert_string_equal(json_str(built, "reason"), "alien and main have no common history");
}

static void expect_error(json_t *args, int code)
{
	json_t *ret = NULL;
	autoerror err = {0};
	assert_int_equal(repo_land_build(args, &ret, &err), code);
	assert_non_null(err.message);
	assert_null(ret);
	json_decref(args);
}

static void test_missing_and_unborn_branches_are_errors(void **state)
{
	const struct fixture *fx = *state;
	expect_error(land_args(fx, "nobody"), ERR_NOT_FOUND);
	fx_git(fx->repo, "branch", "feat");
	fx_git(fx->repo, "checkout", "-q", "--orphan", "unborn");
	json_t *args = land_args(fx, "feat");
	set(args, "target", "unborn");
	expect_error(args, ERR_NOT_FOUND);
	args = land_args(fx, "feat");
	set(args, "head", "0123456789012345678901234567890123456789");
	expect_error(args, ERR_NOT_FOUND);
	static const char *const bad[][2] = {{"how", "fast"},	 {"target", "-x"}, {"branch", "a..b"},
					     {"id", "../../up"}, {"gate", "make"}, {"confine", "sandbox"},
					     {"gate_tries", "3"}};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		args = land_args(fx, "feat");
		set(args, bad[i][0], bad[i][1]);
		expect_error(args, ERR_INVALID);
	}
}

static void test_bare_and_any_checkout_state(void **state)
{
	struct fixture *fx = *state;
	two_commits(fx);
	autofree char *feat = path_join(fx->root, "feat");
	/* A checkout in the middle of a conflict, on a detached HEAD, with an unreadable index. */
	fx_write(feat, "a", "half\n");
	fx_git(fx->repo, "checkout", "-q", "--detach");
	fx_write(fx->repo, "file", "dirty\n");
	fx_write(fx->common, "index", "garbage");
	autofree char *commit = land_commit_of(fx, "feat");
	autofree char *index = fx_read(fx->common, "index");
	assert_string_equal(index, "garbage");

	autofree char *bare = path_join(fx->root, "bare.git");
	fx_git(fx->root, "clone", "-q", "--bare", fx->common, bare);
	fx_git(bare, "config", "user.name", LAND_USER);
	fx_git(bare, "config", "user.email", LAND_EMAIL);
	json_t *args = land_args(fx, "feat");
	json_object_set_new(args, "repo", json_pack("{s:s, s:n}", "common_dir", bare, "main"));
	json_object_set_new(args, "gate", json_pack("[s]", "test -f a && test -f other"));
	json_auto_t *built = land_built(args);
	assert_string_equal(json_str(built, "result"), "passed");
	autofree char *tree = xasprintf("%s^{tree}", commit);
	assert_line(json_str(built, "tree"), fx_git_line(fx->repo, "rev-parse", tree));
}

static void test_attributes_come_from_the_target_alone(void **state)
{
	const struct fixture *fx = *state;
	fx_write(fx->repo, "sub/.gitattributes", "log merge=union\n");
	fx_write(fx->repo, "sub/log", "base\n");
	fx_write(fx->repo, "code", "base\n");
	land_as(fx->repo, "Cy", "cy@x", "base");
	autofree char *feat = land_branch(fx, "feat", "main");
	fx_write(feat, "sub/log", "base\ntheirs\n");
	land_as(feat, "Bo", "bo@x", "theirs");
	fx_write(fx->repo, "sub/log", "base\nours\n");
	land_as(fx->repo, "Cy", "cy@x", "ours");
	json_auto_t *built = land_built(land_args(fx, "feat"));
	assert_string_equal(json_str(built, "result"), "passed");
	autofree char *blob = xasprintf("%s:sub/log", json_str(built, "commit"));
	autostrbuf text = STRBUF_INIT(1 << 16);
	const char *const show[] = {"git", "cat-file", "blob", blob, NULL};
	assert_int_equal(fx_try(fx->repo, &text, show), 0);
	assert_string_equal(strbuf_str(&text), "base\nours\ntheirs\n");

	/* A driver of the user's, which only the branch asks for, does not run. */
	autofree char *driver = xasprintf("touch '%s/driven'", fx->root);
	fx_git(fx->repo, "config", "merge.mine.driver", driver);
	fx_write(feat, ".gitattributes", "* merge=mine\n");
	fx_write(feat, "code", "theirs\n");
	land_as(feat, "Bo", "bo@x", "attributes");
	fx_write(fx->repo, "code", "ours\n");
	land_as(fx->repo, "Cy", "cy@x", "code");
	json_auto_t *again = land_built(land_args(fx, "feat"));
	assert_string_equal(json_str(again, "result"), "conflict");
	assert_false(fx_exists(fx->root, "driven"));
}

static void test_replace_refs_change_nothing(void **state)
{
	const struct fixture *fx = *state;
	two_commits(fx);
	autofree char *commit = land_commit_of(fx, "feat");
	autofree char *tree = xasprintf("%s^{tree}", commit),
		      *want = fx_git_line(fx->repo, "rev-parse", tree);
	/* An agent may write refs: this one makes git see an empty tree in place of main's. */
	autofree char *empty = fx_git_line(fx->repo, "mktree");
	fx_git(fx->repo, "replace", "main^{tree}", empty);
	json_auto_t *built = land_built(land_args(fx, "feat"));
	assert_string_equal(json_str(built, "tree"), want);
}

static void test_built_upon_another_commit(void **state)
{
	const struct fixture *fx = *state;
	two_commits(fx);
	autofree char *next = land_branch(fx, "next", "main");
	fx_commit(next, "n", "n\n");
	autofree char *first = land_commit_of(fx, "feat");
	json_t *args = land_args(fx, "next");
	set(args, "onto", first);
	json_auto_t *built = land_built(args);
	assert_string_equal(json_str(built, "target_commit"), first);
	autofree char *parent = xasprintf("%s^", json_str(built, "commit"));
	assert_line(first, fx_git_line(fx->repo, "rev-parse", parent));
}

/* parent is cut from main, child from parent; parent lands squashed and main goes on in the same lines. The
 * recorded fork point, caller frees; `ret_child` is child's worktree. */
static char *squashed_parent(const struct fixture *fx, char **ret_child)
{
	autofree char *parent = land_branch(fx, "parent", "main");
	fx_write(parent, "p", "1\n2\n3\n");
	land_as(parent, "Bo", "bo@x", "parent 1");
	fx_write(parent, "p", "1\n2\n3\n4\n");
	land_as(parent, "Bo", "bo@x", "parent 2");
	char *child = land_branch(fx, "child", "parent");
	fx_write(child, "c", "c\n");
	land_as(child, "Cy", "cy@x", "child");
	autofree char *landed = land_commit_of(fx, "parent");
	fx_git(fx->repo, "reset", "-q", "--hard", landed);
	fx_write(fx->repo, "p", "1\n2\nthree\n4\n");
	land_as(fx->repo, "Di", "di@x", "after");
	*ret_child = child;
	return fx_git_line(fx->repo, "rev-parse", "parent");
}

static void test_child_of_a_squashed_parent_lands_its_own_commits(void **state)
{
	const struct fixture *fx = *state;
	static const char *const hows[] = {"squash", "rebase"};
	autofree char *child = NULL, *fork = squashed_parent(fx, &child);
	for (size_t i = 0; i < ARRAY_SIZE(hows); i++) {
		json_t *args = land_args(fx, "child");
		set(args, "base_commit", fork);
		set(args, "how", hows[i]);
		json_auto_t *built = land_built(args);
		assert_string_equal(json_str(built, "result"), "passed");
		assert_string_equal(json_str(built, "fork"), fork);
		const char *commit = json_str(built, "commit");
		assert_line("Cy child", fx_git_line(fx->repo, "log", "-1", "--format=%an %s", commit));
		assert_line("c", fx_git_line(fx->repo, "diff", "--name-only", "main", commit));
	}
}

/* Since then the child has merged main, and main changed those lines again: what the child took over from
 * main is not its own change. */
static void test_recorded_fork_gives_way_to_a_later_merge(void **state)
{
	const struct fixture *fx = *state;
	autofree char *child = NULL, *fork = squashed_parent(fx, &child);
	const char *const merge[] = {"git", "merge", "-q", "-X", "theirs", "-m", "merge main", "main", NULL};
	assert_int_equal(fx_try(child, NULL, merge), 0);
	fx_write(fx->repo, "p", "1\n2\nTHREE\n4\n");
	land_as(fx->repo, "Di", "di@x", "again");
	json_t *args = land_args(fx, "child");
	set(args, "base_commit", fork);
	json_auto_t *built = land_built(args);
	assert_string_equal(json_str(built, "result"), "passed");
	assert_string_not_equal(json_str(built, "fork"), fork);
	assert_line("Cy child",
		    fx_git_line(fx->repo, "log", "-1", "--format=%an %s", json_str(built, "commit")));
	assert_line("c", fx_git_line(fx->repo, "diff", "--name-only", "main", json_str(built, "commit")));
}

/* The same, but the parent has not landed: then the child brings the parent along, as git would. */
static void test_unlanded_parent_is_not_dropped(void **state)
{
	const struct fixture *fx = *state;
	autofree char *parent = land_branch(fx, "parent", "main");
	fx_commit(parent, "p", "p\n");
	autofree char *fork = fx_git_line(fx->repo, "rev-parse", "parent");
	autofree char *child = land_branch(fx, "child", "parent");
	fx_commit(child, "c", "c\n");
	json_t *args = land_args(fx, "child");
	set(args, "base_commit", fork);
	json_auto_t *built = land_built(args);
	autostrbuf names = STRBUF_INIT(1 << 16);
	const char *const diff[] = {"git", "diff", "--name-only", "main", json_str(built, "commit"), NULL};
	assert_int_equal(fx_try(fx->repo, &names, diff), 0);
	assert_string_equal(strbuf_str(&names), "c\np\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		land_test(test_squash_merge_and_rebase_build_one_tree),
		land_test(test_L9_single_author_and_committer),
		land_test(test_L9_several_authors),
		land_test(test_L9_rebase_keeps_each_author_and_message),
		land_test(test_rebase_keeps_commits_that_need_no_change),
		land_test(test_L9_gpgsign_is_honoured),
		land_test(test_L9_missing_identity_is_refused_with_the_cure),
		land_test(test_L9_no_hook_runs),
		land_test(test_conflicts_are_listed_by_file),
		land_test(test_odd_names_land),
		land_test(test_nothing_to_land_is_empty),
		land_test(test_unrelated_histories_are_refused),
		land_test(test_missing_and_unborn_branches_are_errors),
		land_test(test_bare_and_any_checkout_state),
		land_test(test_attributes_come_from_the_target_alone),
		land_test(test_replace_refs_change_nothing),
		land_test(test_built_upon_another_commit),
		land_test(test_child_of_a_squashed_parent_lands_its_own_commits),
		land_test(test_recorded_fork_gives_way_to_a_later_merge),
		land_test(test_unlanded_parent_is_not_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of gates, through repo_land_build: that they run on the exact tree and leave nothing behind. */
#include "repo/test-land.h"

#include <signal.h>
#include <sys/wait.h>

#include "repo/gate.h"
#include "repo/land_scratch.h"

/* A branch feat with one commit: file2. */
static void one_commit(const struct fixture *fx)
{
	autofree char *feat = land_branch(fx, "feat", "main");
	fx_commit(feat, "file2", "two\n");
}

/* Builds feat with a gate (reference taken). */
static json_t *gated(const struct fixture *fx, json_t *gate, int tries)
{
	json_t *args = land_args(fx, "feat");
	json_object_set_new(args, "gate", gate);
	json_object_set_new(args, "gate_tries", json_integer(tries));
	return land_built(args);
}

static const json_t *nth(const json_t *built, size_t i)
{
	return json_array_get(json_object_get(built, "gate"), i);
}

static char *log_of(const json_t *built, size_t i)
{
	autostrbuf text = STRBUF_INIT(1 << 20);
	assert_int_equal(file_read(json_str(nth(built, i), "log"), &text, NULL), 0);
	return strbuf_detach(&text);
}

static void expect_no_leftover(const struct fixture *fx)
{
	autofree char *tmp = path_join(fx->root, "land-tmp"), *entries = path_join(fx->common, "worktrees");
	assert_int_equal(rmdir(tmp), 0); /* fails if anything is in it */
	autostrbuf list = STRBUF_INIT(1 << 16);
	const char *const ls[] = {"ls", entries, NULL};
	assert_int_equal(fx_try(fx->root, &list, ls), 0);
	assert_string_equal(strbuf_str(&list), "feat\n");
}

static void test_L2_gate_runs_on_the_exact_tree(void **state)
{
	const struct fixture *fx = *state;
	one_commit(fx);
	autofree char *feat = path_join(fx->root, "feat");
	/* Neither the user's checkout nor the agent's has what would land. */
	fx_write(feat, "file2", "not committed\n");
	fx_write(feat, "untracked", "u\n");
	fx_git(fx->repo, "checkout", "-q", "-b", "elsewhere");
	fx_commit(fx->repo, "main-only", "m\n");
	fx_git(fx->repo, "branch", "-f", "main", "elsewhere");
	fx_git(fx->repo, "checkout", "-q", "--detach", "main~1");
	/* The tree that the commands see is computed from the files alone. */
	static const char see[] = "rm -f \"$TMPDIR/i\"; GIT_INDEX_FILE=\"$TMPDIR/i\" git add -A -f . && "
				  "GIT_INDEX_FILE=\"$TMPDIR/i\" git write-tree && git rev-parse HEAD";
	json_auto_t *built = gated(fx, json_pack("[s, [s, s]]", see, "cat", "main-only"), 1);
	assert_string_equal(json_str(built, "result"), "passed");
	autofree char *log = log_of(built, 0);
	const char *tree = json_str(built, "tree");
	autofree char *want = xasprintf("\n%s\n%s\n", tree, json_str(built, "commit"));
	assert_non_null(strstr(log, want));
	for (size_t i = 0; i < 2; i++)
		assert_string_equal(json_str(nth(built, i), "tree"), tree);
	assert_string_equal(json_str(nth(built, 1), "command"), "cat main-only");
	assert_null(json_object_get(nth(built, 0), "changed"));
	expect_no_leftover(fx);
}

static void test_L2_what_a_command_changes_does_not_reach_the_next(void **state)
{
	const struct fixture *fx = *state;
	one_commit(fx);
	json_auto_t *gate =
		json_pack("[s, s, s]", "echo bad >file; rm file2; echo built >out; mkdir d; ln -s / d/link",
			  "grep -qx one file && grep -qx two file2 && grep -qx built out",
			  "git -c user.name=x -c user.email=x@x commit -q --allow-empty -m moved");
	json_auto_t *built = gated(fx, json_incref(gate), 1);
	assert_string_equal(json_str(built, "result"), "passed");
	assert_line("file file2", land_joined(json_object_get(nth(built, 0), "changed")));
	assert_false(json_is_true(json_object_get(nth(built, 0), "moved_head")));
	assert_null(json_object_get(nth(built, 1), "changed"));
	assert_true(json_is_true(json_object_get(nth(built, 2), "moved_head")));
	/* What lands is what was built. */
	autofree char *tree = xasprintf("%s^{tree}", json_str(built, "commit"));
	assert_line(json_str(built, "tree"), fx_git_line(fx->repo, "rev-parse", tree));
	assert_line("file2", fx_git_line(fx->repo, "diff", "--name-only", "main", json_str(built, "commit")));
}

static void test_L4_flaky_gate_records_each_try(void **state)
{
	const struct fixture *fx = *state;
	one_commit(fx);
	autofree char *flaky =
		xasprintf("echo x >>'%s/count'; test $(wc -l <'%s/count') -ge 3", fx->root, fx->root);
	json_auto_t *built = gated(fx, json_pack("[s, s]", flaky, "true"), 5);
	assert_string_equal(json_str(built, "result"), "passed");
	assert_int_equal(json_int(nth(built, 0), "tries", 0), 3);
	assert_int_equal(json_int(nth(built, 1), "tries", 0), 1);
	const json_t *runs = json_object_get(nth(built, 0), "runs");
	static const char *const results[] = {"failed", "failed", "passed"};
	assert_int_equal(json_array_size(runs), 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(json_str(json_array_get(runs, i), "result"), results[i]);
	autofree char *log = log_of(built, 0);
	assert_non_null(strstr(log, "[try 3 of 5 on tree "));
}

static void test_L4_failing_gate_stops_after_its_tries(void **state)
{
	const struct fixture *fx = *state;
	one_commit(fx);
	json_auto_t *built = gated(fx, json_pack("[s, s, s]", "true", "echo why; exit 7", "touch never"), 2);
	assert_string_equal(json_str(built, "result"), "failed");
	assert_int_equal(json_array_size(json_object_get(built, "gate")), 2);
	assert_string_equal(json_str(nth(built, 1), "result"), "failed");
	assert_int_equal(json_int(nth(built, 1), "tries", 0), 2);
	assert_int_equal(json_int(json_array_get(json_object_get(nth(built, 1), "runs"), 1), "status", 0), 7);
	assert_non_null(
		strstr(json_str(built, "reason"), "`echo why; exit 7` failed with status 7 (2 tries)"));
	autofree char *log = log_of(built, 1);
	assert_non_null(strstr(log, "\nwhy\n"));
	expect_no_leftover(fx);
}

static void test_gate_that_hangs_is_ended(void **state)
{
	const struct fixture *fx = *state;
	one_commit(fx);
	json_t *args = land_args(fx, "feat");
	json_object_set_new(args, "gate", json_pack("[[s, s]]", "sleep", "1000"));
	json_object_set_new(args, "gate_timeout", json_integer(1));
	json_auto_t *built = land_built(args);
	assert_string_equal(json_str(built, "result"), "failed");
	assert_non_null(strstr(json_str(built, "reason"), "did not end within 1 s"));
	const json_t *run = json_array_get(json_object_get(nth(built, 0), "runs"), 0);
	assert_string_equal(json_str(run, "result"), "timed_out");
	expect_no_leftover(fx);
}

static void test_missing_program_fails_at_once(void **state)
{
	const struct fixture *fx = *state;
	one_commit(fx);
	json_auto_t *built = gated(fx, json_pack("[[s, s]]", "no-such-program-here", "it's"), 5);
	assert_string_equal(json_str(built, "result"), "failed");
	assert_int_equal(json_int(nth(built, 0), "tries", 0), 1);
	assert_string_equal(json_str(nth(built, 0), "command"), "no-such-program-here 'it'\\''s'");
	assert_non_null(strstr(json_str(built, "reason"), "no such program"));
}

static void test_gate_environment_is_clean(void **state)
{
	const struct fixture *fx = *state;
	one_commit(fx);
	assert_int_equal(dup2(STDERR_FILENO, 77), 77); /* a lock of the worker's, say */
	static const char *const foreign[] = {"GIT_DIR",	  "GIT_WORK_TREE",	     "GIT_INDEX_FILE",
					      "GIT_CONFIG_COUNT", "GIT_CEILING_DIRECTORIES", "COPPICE_PEER",
					      "TMUX_PANE"};
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
		assert_int_equal(setenv(foreign[i], "0", 1), 0);
	json_auto_t *built =
		gated(fx,
		      json_pack("[s]", "env | sort; test \"$PWD\" = \"$(git rev-parse --show-toplevel)\""
				       " && ! read line && ! test -e /proc/self/fd/77"),
		      1);
	assert_int_equal(close(77), 0);
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
		assert_int_equal(unsetenv(foreign[i]), 0);
	assert_string_equal(json_str(built, "result"), "passed");
	autofree char *log = log_of(built, 0);
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		autofree char *line = xasprintf("\n%s=", foreign[i]);
		assert_null(strstr(log, line));
	}
	assert_non_null(strstr(log, "\nGIT_CONFIG_GLOBAL=/dev/null\n"));
}

static void test_gate_runs_under_what_confines_it(void **state)
{
	const struct fixture *fx = *state;
	one_commit(fx);
	json_t *args = land_args(fx, "feat");
	json_object_set_new(args, "gate", json_pack("[s, [s]]", "echo $CONFINED", "env"));
	json_object_set_new(args, "confine", json_pack("[s, s]", "env", "CONFINED=yes"));
	json_auto_t *built = land_built(args);
	for (size_t i = 0; i < 2; i++) {
		autofree char *log = log_of(built, i);
		assert_non_null(strstr(log, i ? "CONFINED=yes\n" : "\nyes\n"));
	}
}

static void test_filters_and_line_ends_are_the_users(void **state)
{
	const struct fixture *fx = *state;
	fx_git(fx->repo, "config", "filter.rot.smudge", "tr a-z n-za-m");
	fx_git(fx->repo, "config", "filter.rot.clean", "tr a-z n-za-m");
	fx_write(fx->repo, ".gitattributes", "*.rot filter=rot\n*.win text eol=crlf\n");
	land_as(fx->repo, LAND_USER, LAND_EMAIL, "attributes");
	autofree char *feat = land_branch(fx, "feat", "main");
	fx_write(feat, "x.rot", "hello\n");
	fx_write(feat, "x.win", "line\r\n");
	land_as(feat, "Bo", "bo@x", "odd files");
	json_auto_t *built = gated(fx,
				   json_pack("[s]", "test \"$(cat x.rot)\" = hello && "
						    "grep -q \"$(printf 'line\\r')\" x.win && "
						    "test \"$(git cat-file blob HEAD:x.rot)\" = uryyb && "
						    "test -z \"$(git status --porcelain)\""),
				   1);
	assert_string_equal(json_str(built, "result"), "passed");
	assert_null(json_object_get(nth(built, 0), "changed"));
}

static void test_sparse_main_checkout_does_not_thin_the_gate(void **state)
{
	const struct fixture *fx = *state;
	fx_write(fx->repo, "in/a", "a\n");
	fx_write(fx->repo, "out/b", "b\n");
	land_as(fx->repo, LAND_USER, LAND_EMAIL, "folders");
	one_commit(fx);
	fx_git(fx->repo, "sparse-checkout", "set", "in");
	assert_false(fx_exists(fx->repo, "out/b"));
	json_auto_t *built =
		gated(fx, json_pack("[s, s]", "test -f out/b; r=$?; rm out/b; exit $r", "test -f out/b"), 1);
	assert_string_equal(json_str(built, "result"), "passed");
	assert_false(fx_exists(fx->repo, "out/b"));
}

/* ---- leftovers ---- */

/* Builds in a child whose gate kills it, and its git children with it: kill -9 in the middle. */
static void build_killed(const struct fixture *fx, json_t *args)
{
	pid_t pid = fork();
	if (pid == 0) {
		json_t *ret = NULL;
		_exit(repo_land_build(args, &ret, NULL) ? 1 : 0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	autofree char *tmp = path_join(fx->root, "land-tmp");
	autostrbuf list = STRBUF_INIT(1 << 16);
	const char *const ls[] = {"ls", tmp, NULL};
	assert_int_equal(fx_try(fx->root, &list, ls), 0);
	assert_int_equal(strncmp(strbuf_str(&list), "coppice-land.chg-1.", 19), 0);
}

static void test_W11_killed_gate_is_tidied_by_the_next_run(void **state)
{
	const struct fixture *fx = *state;
	one_commit(fx);
	json_auto_t *args = land_args(fx, "feat");
	json_object_set_new(args, "gate", json_pack("[s]", "kill -9 $PPID"));
	build_killed(fx, args);
	/* What has no marker, or one of a living process, stays. */
	autofree char *tmp = path_join(fx->root, "land-tmp");
	fx_write(tmp, "coppice-land.x/keep", "mine\n");
	autofree char *live = path_join(tmp, "user");
	fx_git(fx->repo, "worktree", "add", "-q", "--detach", live, "main");
	_cleanup_(land_scratch_release) struct land_scratch other = {0};
	assert_int_equal(land_scratch_open(fx->common, tmp, "chg-2", &other, NULL), 0);

	json_object_set_new(args, "gate", json_pack("[s]", "true"));
	json_auto_t *built = land_built(json_incref(args));
	assert_string_equal(json_str(built, "result"), "passed");
	assert_true(fx_exists(tmp, "coppice-land.x/keep"));
	assert_true(fx_exists(live, "file"));
	assert_true(fx_exists(tmp, other.name));
	autostrbuf list = STRBUF_INIT(1 << 16);
	autofree char *entries = path_join(fx->common, "worktrees");
	const char *const ls[] = {"ls", entries, NULL};
	assert_int_equal(fx_try(fx->root, &list, ls), 0);
	assert_string_equal(strbuf_str(&list), "feat\nuser\n");
}

/* Another landing tidies up after a dead one too, in whatever state the kill left it. */
static void test_W11_dead_markers_are_recognised(void **state)
{
	const struct fixture *fx = *state;
	one_commit(fx);
	autofree char *tmp = path_join(fx->root, "land-tmp"), *entries = path_join(fx->common, "worktrees");
	/* Of an earlier boot; pid 1 lives, but did not start then. */
	static const char name[] = "coppice-land.chg-9.0123456789abcdef.1.42";
	fx_write(tmp, "coppice-land.chg-9.0123456789abcdef.1.42/attributes/.gitattributes", "x\n");
	fx_write(entries, "coppice-land.chg-9.0123456789abcdef.1.42/locked", "x\n");
	fx_write(entries, "coppice-land.chg-8.0123456789abcdef.1.42/gitdir", "/nowhere/x/.git\n");
	/* An entry whose worktree is there, in another temporary folder: not ours to judge. */
	autofree char *there = path_join(fx->root, "home");
	autofree char *gitdir = xasprintf("%s/.git\n", there);
	fx_write(there, ".git", "x");
	fx_write(entries, "coppice-land.chg-7.0123456789abcdef.1.42/gitdir", gitdir);
	assert_true(land_scratch_is(name));
	assert_false(land_scratch_is("/x/coppice-land.chg-9"));
	json_auto_t *built = land_built(land_args(fx, "feat"));
	assert_string_equal(json_str(built, "result"), "passed");
	assert_false(fx_exists(tmp, name));
	assert_false(fx_exists(entries, name));
	assert_false(fx_exists(entries, "coppice-land.chg-8.0123456789abcdef.1.42"));
	assert_true(fx_exists(entries, "coppice-land.chg-7.0123456789abcdef.1.42"));
}

static void test_gate_lists_are_checked(void **state)
{
	(void)state;
	static const char *const bad[] = {"\"make\"", "[1]", "[[]]", "[[1]]", "[[\"a\", null]]", "{}"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_auto_t *gate = json_loads(bad[i], JSON_DECODE_ANY, NULL);
		assert_non_null(gate);
		assert_int_equal(gate_check(gate, NULL), ERR_INVALID);
	}
	json_auto_t *many = json_array();
	for (int i = 0; i <= GATE_COMMANDS_MAX; i++)
		json_array_append_new(many, json_string("true"));
	assert_int_equal(gate_check(many, NULL), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		land_test(test_L2_gate_runs_on_the_exact_tree),
		land_test(test_L2_what_a_command_changes_does_not_reach_the_next),
		land_test(test_L4_flaky_gate_records_each_try),
		land_test(test_L4_failing_gate_stops_after_its_tries),
		land_test(test_gate_that_hangs_is_ended),
		land_test(test_missing_program_fails_at_once),
		land_test(test_gate_environment_is_clean),
		land_test(test_gate_runs_under_what_confines_it),
		land_test(test_filters_and_line_ends_are_the_users),
		land_test(test_sparse_main_checkout_does_not_thin_the_gate),
		land_test(test_W11_killed_gate_is_tidied_by_the_next_run),
		land_test(test_W11_dead_markers_are_recognised),
		cmocka_unit_test(test_gate_lists_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

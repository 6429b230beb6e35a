/* Tests of the lock of a worktree in use (W2). */
#include "repo/test-create.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "repo/in_use.h"

/* A worktree, and what locks it. */
static json_t *in_use_args(const struct fixture *fx)
{
	autofree char *tree = fx_path(fx, "tree"), *git_dir = path_join(fx->common, "worktrees/tree");
	fx_git(fx->repo, "worktree", "add", "-q", tree);
	return json_pack("{s:s, s:{s:s, s:i, s:i}}", "git_dir", git_dir, "owner", "boot_id", "abc", "pid", 77,
			 "start_time", 5);
}

static bool is_locked(const json_t *args)
{
	json_auto_t *ret = NULL;
	autoerror err = {0};
	if (repo_in_use(args, &ret, &err))
		fail_msg("%s", err.message);
	return json_bool(ret, "locked", false);
}

static void expect_lock(const struct fixture *fx, const char *reason)
{
	autofree char *now = fx_read(fx->common, "worktrees/tree/locked");
	assert_string_equal(now, reason);
	assert_false(fx_exists(fx->common, "worktrees/tree/locked.coppice"));
}

static void test_W2_the_lock_names_who_uses_it_and_goes_with_it(void **state)
{
	struct fixture *fx = *state;
	json_auto_t *args = in_use_args(fx);
	assert_true(is_locked(args));
	expect_lock(fx, "coppice boot=abc pid=77 start=5\n");
	json_object_set_new(json_object_get(args, "owner"), "pid", json_integer(78));
	assert_true(is_locked(args));
	expect_lock(fx, "coppice boot=abc pid=78 start=5\n");
	static const char *const list[] = {"git", "worktree", "list", "--porcelain", NULL};
	autostrbuf out = STRBUF_INIT(1 << 20);
	fx_must(fx->repo, &out, list);
	assert_non_null(strstr(strbuf_str(&out), "locked coppice boot=abc pid=78 start=5\n"));
	json_object_set_new(args, "owner", json_null());
	assert_false(is_locked(args));
	assert_false(fx_exists(fx->common, "worktrees/tree/locked"));
}

static void test_W2_a_lock_of_somebody_else_stays(void **state)
{
	struct fixture *fx = *state;
	json_auto_t *args = in_use_args(fx), *nobody = json_deep_copy(args);
	json_object_set_new(nobody, "owner", json_null());
	static const char *const reasons[] = {"on a stick\n", ""};
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		fx_write(fx->common, "worktrees/tree/locked", reasons[i]);
		assert_true(is_locked(args));
		assert_true(is_locked(nobody));
		expect_lock(fx, reasons[i]);
	}
}

/* What a kill leaves: the file beside, half written, or whole and already the lock by another name. */
static void test_W11_what_a_killed_lock_left_is_no_lock_of_others(void **state)
{
	struct fixture *fx = *state;
	json_auto_t *args = in_use_args(fx);
	fx_write(fx->common, "worktrees/tree/locked.coppice", "coppice bo");
	assert_true(is_locked(args));
	expect_lock(fx, "coppice boot=abc pid=77 start=5\n");
	autofree char *file = path_join(fx->common, "worktrees/tree/locked"),
		      *beside = path_join(fx->common, "worktrees/tree/locked.coppice");
	assert_int_equal(link(file, beside), 0);
	assert_true(is_locked(args));
	expect_lock(fx, "coppice boot=abc pid=77 start=5\n");
	/* Somebody else's lock has come instead of ours. */
	fx_write(fx->common, "worktrees/tree/locked.coppice", "coppice boot=abc pid=77 start=5\n");
	fx_write(fx->common, "worktrees/tree/locked", "on a stick\n");
	assert_true(is_locked(args));
	expect_lock(fx, "on a stick\n");
}

/* At random instants; what is left is never taken for a lock of somebody else's. */
static void test_W11_in_use_killed_at_any_instant(void **state)
{
	struct fixture *fx = *state;
	json_auto_t *args = in_use_args(fx), *nobody = json_deep_copy(args);
	json_object_set_new(nobody, "owner", json_null());
	unsigned seed = 7;
	for (int i = 0; i < 100; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			(void)setpgid(0, 0);
			for (json_t *ret = NULL;; json_decref(ret))
				if (repo_in_use(args, &ret, NULL) || repo_in_use(nobody, &ret, NULL))
					_exit(1);
		}
		assert_true(pid > 0);
		(void)setpgid(pid, pid); /* whichever of the two is first */
		seed = seed * 1103515245u + 12345u;
		const struct timespec pause = {0, (seed >> 8) % 10000000};
		(void)nanosleep(&pause, NULL); /* the instant is what is tested */
		assert_int_equal(kill(-pid, SIGKILL), 0);
		int status = 0;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_true(is_locked(args));
		expect_lock(fx, "coppice boot=abc pid=77 start=5\n");
		assert_false(is_locked(nobody));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fx_test(test_W2_the_lock_names_who_uses_it_and_goes_with_it),
		fx_test(test_W2_a_lock_of_somebody_else_stays),
		fx_test(test_W11_what_a_killed_lock_left_is_no_lock_of_others),
		fx_test(test_W11_in_use_killed_at_any_instant),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

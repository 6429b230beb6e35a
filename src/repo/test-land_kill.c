/* Kills landings with SIGKILL at every instant at which anything on disk changes, and runs them again.
 *
 * The landing runs under ptrace with a seccomp filter that stops it, and every git below it, at each
 * system call that changes a file, folder or link. At the n-th stop all of them are killed (or the worker
 * alone, and its git goes on); n rises until the landing ends by itself. COPPICE_SOAK=1 takes every n,
 * otherwise some are left out. */
#include "repo/test-land.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "repo/land_move.h"

enum { PIDS_MAX = 64, RULES_MAX = 64, NO_PTRACE = 9 };

/* ---- killing ---- */

/* Stops the calling process and its descendants at each call that changes the file system. */
static int install_filter(void)
{
	static const int changing[] = {SYS_write,    SYS_pwrite64,  SYS_sendfile,  SYS_copy_file_range,
				       SYS_renameat, SYS_renameat2, SYS_linkat,	   SYS_unlinkat,
				       SYS_mkdirat,  SYS_symlinkat, SYS_ftruncate, SYS_fchmod,
#ifdef SYS_rename
				       SYS_rename,   SYS_link,	    SYS_unlink,	   SYS_mkdir,
				       SYS_rmdir,    SYS_symlink,   SYS_creat
#endif
	};
	struct sock_filter rules[RULES_MAX];
	size_t n = 0;
	rules[n++] =
		(struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ARRAY_SIZE(changing); i++) {
		rules[n++] =
			(struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)changing[i], 0, 1);
		rules[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	}
	rules[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 1, 0);
	rules[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	rules[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						  offsetof(struct seccomp_data, args[2]));
	rules[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_CREAT | O_TRUNC, 0, 1);
	rules[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	rules[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	const struct sock_fprog program = {.len = (unsigned short)n, .filter = rules};
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

struct herd {
	pid_t worker;
	pid_t pids[PIDS_MAX];
	size_t n;
};

static void herd_add(struct herd *h, pid_t pid)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->pids[i] == pid)
			return;
	assert_true(h->n < PIDS_MAX);
	h->pids[h->n++] = pid;
}

static void herd_remove(struct herd *h, pid_t pid)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->pids[i] == pid)
			h->pids[i] = h->pids[--h->n];
}

static void herd_kill(struct herd *h, bool worker_only)
{
	for (size_t i = 0; i < h->n; i++)
		if (!worker_only || h->pids[i] == h->worker)
			(void)kill(h->pids[i], SIGKILL); /* may have ended this instant */
}

/* Handles one stop; returns whether it was one of those that count. */
static bool on_stop(struct herd *h, pid_t pid, int status)
{
	int event = status >> 16, signum = WSTOPSIG(status);
	unsigned long child = 0;
	herd_add(h, pid);
	if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE)
		if (ptrace(PTRACE_GETEVENTMSG, pid, 0, &child) == 0)
			herd_add(h, (pid_t)child);
	if (event == PTRACE_EVENT_SECCOMP)
		return true;
	/* Traps are ptrace's own, and a new tracee begins with a SIGSTOP. */
	bool own = event || signum == SIGTRAP || signum == SIGSTOP;
	(void)ptrace(PTRACE_CONT, pid, 0, own ? 0L : (long)signum); /* fails only if it was killed */
	return false;
}

/* When to kill: at the n-th change, or at the first one after a ref has got a value. */
struct instant {
	size_t n;
	const char *common, *ref, *value; /* NULL, or the file of the ref and its content */
};

static bool has_come(const struct instant *when, size_t n)
{
	if (!when->ref)
		return n == when->n;
	autofree char *text = fx_read(when->common, when->ref);
	return text && strcmp(text, when->value) == 0;
}

/* Runs the move and kills it at that instant. Returns whether it was killed; else it must succeed. */
static bool run_killed(const json_t *args, const struct instant *when, bool worker_only)
{
	struct herd h = {.n = 0};
	size_t seen = 0;
	bool killed = false;
	int status = 0, ended = -1;
	h.worker = fork();
	if (h.worker == 0) {
		json_t *ret = NULL;
		if (ptrace(PTRACE_TRACEME, 0, 0, 0) || raise(SIGSTOP) || install_filter())
			_exit(NO_PTRACE);
		_exit(repo_land_move(args, &ret, NULL) == 0 && json_is_true(json_object_get(ret, "moved"))
			      ? 0
			      : 1);
	}
	herd_add(&h, h.worker);
	assert_int_equal(waitpid(h.worker, &status, 0), h.worker);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_PTRACE)
		skip(); /* a container that forbids ptrace */
	assert_true(WIFSTOPPED(status));
	long options = PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
		       PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
	assert_int_equal(ptrace(PTRACE_SETOPTIONS, h.worker, 0, options), 0);
	assert_int_equal(ptrace(PTRACE_CONT, h.worker, 0, 0), 0);
	for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0;) {
		if (!WIFSTOPPED(status)) {
			herd_remove(&h, pid);
			if (pid == h.worker)
				ended = status;
		} else if (on_stop(&h, pid, status)) {
			if (!killed && has_come(when, seen++)) {
				herd_kill(&h, worker_only);
				killed = true;
			}
			(void)ptrace(PTRACE_CONT, pid, 0, 0); /* fails only if it was killed */
		}
	}
	assert_true(killed || (WIFEXITED(ended) && WEXITSTATUS(ended) == 0));
	return killed;
}

/* ---- what must hold ---- */

struct scene {
	const struct fixture *fx;
	json_t *args;
	char *old, *built, *second;
};

static void scene_release(struct scene *s)
{
	json_decref(s->args);
	free(s->old);
	free(s->built);
	free(s->second);
}

#define autoscene _cleanup_(scene_release) struct scene

static void scene_init(struct scene *s, const struct fixture *fx)
{
	s->fx = fx;
	s->built = big_change(fx);
	s->old = fx_git_line(fx->repo, "rev-parse", "main");
	s->second = path_join(fx->root, "second");
	fx_git(fx->repo, "worktree", "add", "-q", "-f", s->second, "main");
	s->args = move_args(fx, s->built);
	change_locally(fx->repo);
	change_locally(s->second);
}

/* Back to before the landing, with the local changes. */
static void scene_reset(const struct scene *s)
{
	const char *const dirs[] = {s->fx->repo, s->second};
	fx_git(s->fx->repo, "update-ref", "refs/heads/main", s->old);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		fx_git(dirs[i], "reset", "-q", "--hard", s->old);
		fx_git(dirs[i], "clean", "-q", "-fdx");
		change_locally(dirs[i]);
	}
}

static void expect_no_trace(const char *git_dir)
{
	static const char *const names[] = {"index.lock", "coppice-land", "coppice-land.d", "HEAD.lock",
					    "refs/heads/main.lock"};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (fx_exists(git_dir, names[i]))
			fail_msg("%s is left in %s", names[i], git_dir);
}

/* What the kill left: the target at one end or the other; before the swap nothing of the new tree is to be
 * seen, after it no checkout that is behind can be committed in. */
static void expect_never_half(const struct scene *s)
{
	const char *const dirs[] = {s->fx->repo, s->second};
	autofree char *tip = fx_git_line(s->fx->repo, "rev-parse", "main");
	bool before = strcmp(tip, s->old) == 0;
	assert_true(before || strcmp(tip, s->built) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		autofree char *admin = fx_git_line(dirs[i], "rev-parse", "--absolute-git-dir");
		autofree char *status = status_of(dirs[i]);
		if (before || !fx_exists(admin, "index.lock"))
			assert_string_equal(status, local_status);
	}
}

static void expect_whole(const struct scene *s)
{
	autofree char *admin = path_join(s->fx->common, "worktrees/second");
	expect_everything(s->fx->repo, s->built);
	expect_everything(s->second, s->built);
	expect_no_trace(s->fx->common);
	expect_no_trace(admin);
}

static void run_again(const struct scene *s, size_t want_left)
{
	json_t *ret = NULL;
	autoerror err = {0};
	if (repo_land_move(s->args, &ret, &err))
		fail_msg("the second run: %s", err.message);
	if (!json_is_true(json_object_get(ret, "moved")))
		fail_msg("the second run: %s", json_str(ret, "message"));
	assert_int_equal(json_array_size(json_object_get(ret, "checkouts")), 2);
	assert_int_equal(json_array_size(json_object_get(ret, "left")), want_left);
	json_decref(ret);
}

/* ---- tests ---- */

static void test_L3_move_killed_at_any_instant(void **state)
{
	autoscene s = {0};
	scene_init(&s, *state);
	/* A prime, so that over the steps of several git commands it falls on each kind of instant. */
	size_t step = getenv("COPPICE_SOAK") ? 1 : 13;
	size_t at = 0;
	for (bool killed = true; killed; at += step) {
		killed = run_killed(s.args, &(struct instant){.n = at}, at % 2 == 1);
		expect_never_half(&s);
		/* What finishes a killed landing can be killed itself. */
		if (at % 3 == 0 && run_killed(s.args, &(struct instant){.n = at * 7 % 60}, false))
			expect_never_half(&s);
		run_again(&s, 0);
		expect_whole(&s);
		scene_reset(&s);
	}
}

/* Kills at the first instant at which the target has moved; no checkout has. */
static void kill_after_swap(const struct scene *s)
{
	autofree char *line = xasprintf("%s\n", s->built);
	assert_true(run_killed(
		s->args, &(struct instant){.ref = "refs/heads/main", .common = s->fx->common, .value = line},
		false));
	assert_true(fx_exists(s->fx->common, "index.lock"));
}

static void test_L3_edits_after_a_kill_are_kept(void **state)
{
	const struct fixture *fx = *state;
	autoscene s = {0};
	scene_init(&s, fx);
	kill_after_swap(&s);
	/* The user's git refuses to commit the old state on top of the landing ... */
	autostrbuf out = STRBUF_INIT(1 << 16);
	const char *const commit[] = {"git", "commit", "-q", "-a", "-m", "oops", NULL};
	assert_int_not_equal(fx_try(fx->repo, &out, commit), 0);
	/* ... and an editor knows nothing of that. `mod` is new, `del` goes, `plain` becomes a folder. */
	fx_write(fx->repo, "mod", "my edit\n");
	fx_write(fx->repo, "del", "my edit\n");
	fx_write(s.second, "-dash", "ne"); /* half of "new\n": git was killed while writing it */
	autofree char *run = path_join(s.second, "run");
	assert_int_equal(unlink(run), 0); /* git removes a file before it writes it */
	run_again(&s, 2);
	expect_everything(s.second, s.built);
	assert_line("my edit\n", fx_read(fx->repo, "mod"));
	assert_line("my edit\n", fx_read(fx->repo, "del"));
	assert_line("M\tmod", fx_git_line(fx->repo, "diff-files", "--name-status", "mod"));
	assert_line("a file now\n", fx_read(fx->repo, "dir"));
	expect_no_trace(fx->common);
}

/* A power loss may take the journal and leave the locks. */
static void test_lock_without_a_journal_is_let_go(void **state)
{
	const struct fixture *fx = *state;
	autoscene s = {0};
	scene_init(&s, fx);
	kill_after_swap(&s);
	autofree char *head_lock = path_join(fx->common, "HEAD.lock");
	assert_true(unlink(head_lock) == 0 || errno == ENOENT);
	fx_git(fx->repo, "update-ref", "refs/heads/main", s.old);
	autofree char *journal = path_join(fx->common, "coppice-land");
	assert_int_equal(unlink(journal), 0);
	run_again(&s, 0);
	expect_whole(&s);
}

static void test_L3_lock_removed_by_hand_is_taken_up(void **state)
{
	const struct fixture *fx = *state;
	autoscene s = {0};
	scene_init(&s, fx);
	kill_after_swap(&s);
	autofree char *lock = path_join(fx->common, "index.lock");
	assert_int_equal(unlink(lock), 0);
	run_again(&s, 0);
	expect_whole(&s);
}

static void test_L3_another_landing_finishes_the_killed_one(void **state)
{
	const struct fixture *fx = *state;
	autoscene s = {0};
	scene_init(&s, fx);
	kill_after_swap(&s);
	autofree char *next = land_branch(fx, "next", "main");
	fx_commit(next, "next", "n\n");
	autofree char *built = land_commit_of(fx, "next");
	json_t *ret = NULL;
	json_auto_t *args = move_args(fx, built);
	json_object_set_new(args, "id", json_string("chg-2"));
	assert_int_equal(repo_land_move(args, &ret, NULL), 0);
	json_decref(ret);
	expect_everything(fx->repo, built);
	expect_everything(s.second, built);
	run_again(&s, 0); /* the first one learns that it has landed */
	expect_everything(fx->repo, built);
}

/* Whether somebody waits for an flock on this file: "N: -> FLOCK ADVISORY WRITE <pid> <dev>:<inode> ...". */
static bool has_waiter(const char *path)
{
	struct stat st;
	autostrbuf text = STRBUF_INIT(4 << 20);
	assert_int_equal(file_read("/proc/locks", &text, NULL), 0);
	assert_int_equal(stat(path, &st), 0);
	autofree char *inode = xasprintf(":%llu ", (unsigned long long)st.st_ino);
	for (const char *p = strbuf_str(&text); *p;) {
		size_t n = strcspn(p, "\n");
		autofree char *line = xstrndup(p, n);
		p += n + (p[n] == '\n');
		if (strstr(line, "-> FLOCK") && strstr(line, inode))
			return true;
	}
	return false;
}

/* The worker is killed while its git waits in a filter; a second run must wait for that git to end. */
static void test_L3_second_run_waits_for_the_git_of_the_first(void **state)
{
	const struct fixture *fx = *state;
	autofree char *here = path_join(fx->root, "here"), *go = path_join(fx->root, "go");
	assert_int_equal(mkfifo(here, 0600), 0);
	assert_int_equal(mkfifo(go, 0600), 0);
	autofree char *smudge = xasprintf("echo here >'%s'; read x <'%s'; cat", here, go);
	fx_write(fx->repo, ".gitattributes", "slow filter=slow\n");
	land_as(fx->repo, LAND_USER, LAND_EMAIL, "attributes");
	autofree char *feat = land_branch(fx, "feat", "main");
	fx_commit(feat, "slow", "new\n");
	autofree char *built = land_commit_of(fx, "feat");
	fx_git(fx->repo, "config", "filter.slow.smudge", smudge);
	json_auto_t *args = move_args(fx, built);
	char said[5];
	pid_t first = fork();
	if (first == 0) {
		json_t *ret = NULL;
		_exit(repo_land_move(args, &ret, NULL) ? 1 : 0);
	}
	autoclose int in = open(here, O_RDONLY | O_CLOEXEC); /* until the filter runs */
	assert_int_equal(read(in, said, sizeof(said)), sizeof(said));
	assert_int_equal(kill(first, SIGKILL), 0);
	assert_int_equal(waitpid(first, NULL, 0), first);
	pid_t second = fork();
	if (second == 0) {
		json_t *ret = NULL;
		_exit(repo_land_move(args, &ret, NULL) || !json_is_true(json_object_get(ret, "moved")));
	}
	autofree char *journal = path_join(fx->common, "coppice-land");
	while (!has_waiter(journal)) {
		struct pollfd again = {.fd = in, .events = POLLIN};
		assert_true(poll(&again, 1, 10) == 0 || !(again.revents & POLLIN)); /* no second filter */
		assert_int_equal(waitpid(second, NULL, WNOHANG), 0);
	}
	autoclose int out = open(go, O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(out, "\n", 1), 1);
	int status = -1;
	assert_int_equal(waitpid(second, &status, 0), second);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_line("", status_of(fx->repo));
	assert_line("new\n", fx_read(fx->repo, "slow"));
	expect_no_trace(fx->common);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		land_test(test_L3_move_killed_at_any_instant),
		land_test(test_L3_edits_after_a_kill_are_kept),
		land_test(test_lock_without_a_journal_is_let_go),
		land_test(test_L3_lock_removed_by_hand_is_taken_up),
		land_test(test_L3_another_landing_finishes_the_killed_one),
		land_test(test_L3_second_run_waits_for_the_git_of_the_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

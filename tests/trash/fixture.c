/* The repository that the tests of the trash play with; see fixture.h. */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "os/file.h"
#include "os/spawn.h"
#include "repo/facts.h"

enum { ARGS_MAX = 32, OUTPUT_MAX = 16 << 20 };

struct fixture fx;

/* What git makes of the first commits is made once and copied for each test. */
static char *template;

static void set_environment(const char *home)
{
	static const char *const variables[][2] = {
		{"GIT_CONFIG_GLOBAL", "/dev/null"},
		{"GIT_CONFIG_NOSYSTEM", "1"},
		{"GIT_AUTHOR_NAME", "A"},
		{"GIT_AUTHOR_EMAIL", "a@example.org"},
		{"GIT_COMMITTER_NAME", "C"},
		{"GIT_COMMITTER_EMAIL", "c@example.org"},
		{"GIT_EDITOR", "true"},
		{"LC_ALL", "C"},
	};
	static const char *const unset[] = {"GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE"};
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		assert_int_equal(setenv(variables[i][0], variables[i][1], 1), 0);
	for (size_t i = 0; i < ARRAY_SIZE(unset); i++)
		assert_int_equal(unsetenv(unset[i]), 0);
	assert_int_equal(setenv("HOME", home, 1), 0);
	/* What a killed worker leaves goes with the rest. */
	assert_int_equal(setenv("TMPDIR", home, 1), 0);
}

static char *make_home(void)
{
	char path[] = "/tmp/coppice-trash-XXXXXX";
	char *real = NULL;
	assert_non_null(mkdtemp(path));
	assert_int_equal(path_resolve(path, &real, NULL), 0);
	return real;
}

int fixture_group_set_up(void **state)
{
	(void)state;
	template = make_home();
	assert_int_equal(chdir(template), 0);
	set_environment(template);
	fixture_run(".", "git", "init", "-q", "-b", "main", "repo", NULL);
	fixture_write("repo/a.txt", "one\ntwo\nthree\n");
	fixture_write("repo/sub/b.txt", "b\n");
	fixture_write("repo/.gitignore", ".env\nnode_modules/\nbuild/\n*.key\n");
	fixture_run("repo", "git", "add", ".", NULL);
	fixture_run("repo", "git", "commit", "-qm", "base", NULL);
	fixture_run("repo", "git", "worktree", "add", "-q", "-b", "feat", "../wt", NULL);
	fixture_write("wt/c.txt", "c\n");
	fixture_run("wt", "git", "add", ".", NULL);
	fixture_run("wt", "git", "commit", "-qm", "feature", NULL);
	return 0;
}

int fixture_group_tear_down(void **state)
{
	(void)state;
	assert_int_equal(chdir("/"), 0);
	fixture_remove_tree(template);
	free(template);
	return 0;
}

int fixture_set_up(void **state)
{
	(void)state;
	fx.home = make_home();
	fx.repo = path_join(fx.home, "repo");
	fx.wt = path_join(fx.home, "wt");
	fx.common = path_join(fx.repo, ".git");
	fx.admin = path_join(fx.common, "worktrees/wt");
	fx.trash = path_join(fx.home, ".coppice-trash");
	assert_int_equal(chdir(fx.home), 0);
	set_environment(fx.home);
	fixture_run(template, "cp", "-a", "repo", "wt", fx.home, NULL);
	autofree char *git_file = xasprintf("gitdir: %s\n", fx.admin),
		      *gitdir = xasprintf("%s/.git\n", fx.wt);
	fixture_write("wt/.git", git_file);
	fixture_write("repo/.git/worktrees/wt/gitdir", gitdir);
	/* The copies have other inodes than git's indexes say. */
	fixture_run("repo", "git", "update-index", "-q", "--refresh", NULL);
	fixture_run("wt", "git", "update-index", "-q", "--refresh", NULL);
	return 0;
}

int fixture_tear_down(void **state)
{
	(void)state;
	assert_int_equal(chdir("/"), 0);
	fixture_remove_tree(fx.home);
	free(fx.home);
	free(fx.repo);
	free(fx.wt);
	free(fx.common);
	free(fx.admin);
	free(fx.trash);
	fx = (struct fixture){0};
	return 0;
}

/* Runs the program that the variable arguments name; the exit code. */
static int run_list(const char *dir, va_list ap, bool required, struct strbuf *out)
{
	const char *argv[ARGS_MAX] = {NULL};
	size_t n = 0;
	for (const char *arg = va_arg(ap, const char *); arg; arg = va_arg(ap, const char *)) {
		assert_true(n + 1 < ARRAY_SIZE(argv));
		argv[n++] = arg;
	}
	autostrbuf errout = STRBUF_INIT(OUTPUT_MAX);
	autoerror err = {0};
	const struct spawn s = {.argv = argv, .cwd = dir, .out = out, .errout = &errout};
	int status = 0;
	if (spawn_run(&s, &status, &err))
		fail_msg("%s: %s", argv[0], err.message);
	if (status && required)
		fail_msg("%s %s: %s", argv[0], argv[1] ? argv[1] : "", strbuf_str(&errout));
	return status;
}

int fixture_try(const char *dir, ...)
{
	autostrbuf out = STRBUF_INIT(OUTPUT_MAX);
	va_list ap;
	va_start(ap, dir);
	int status = run_list(dir, ap, false, &out);
	va_end(ap);
	return status;
}

void fixture_run(const char *dir, ...)
{
	autostrbuf out = STRBUF_INIT(OUTPUT_MAX);
	va_list ap;
	va_start(ap, dir);
	(void)run_list(dir, ap, true, &out);
	va_end(ap);
}

char *fixture_output(const char *dir, ...)
{
	autostrbuf out = STRBUF_INIT(OUTPUT_MAX);
	va_list ap;
	va_start(ap, dir);
	(void)run_list(dir, ap, true, &out);
	va_end(ap);
	if (out.len && out.buf[out.len - 1] == '\n')
		strbuf_setlen(&out, out.len - 1);
	return strbuf_detach(&out);
}

static void write_with(const char *path, const char *text, int flags)
{
	const char *name = path_base(path);
	autofree char *folder = name > path ? xstrndup(path, (size_t)(name - path)) : xstrdup(".");
	assert_int_equal(dir_make(folder, 0755, NULL), 0);
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

void fixture_write(const char *path, const char *text)
{
	write_with(path, text, O_TRUNC);
}

void fixture_append(const char *path, const char *text)
{
	write_with(path, text, O_APPEND);
}

bool fixture_exists(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

char *fixture_read(const char *path)
{
	autostrbuf text = STRBUF_INIT(OUTPUT_MAX);
	assert_int_equal(file_read(path, &text, NULL), 0);
	return strbuf_detach(&text);
}

void fixture_remove_tree(const char *path)
{
	autoerror err = {0};
	if (tree_remove(path, &err))
		fail_msg("%s", err.message);
}

pid_t fixture_start_in(const char *dir)
{
	int ready[2];
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (chdir(dir) || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	close(ready[1]);
	char byte;
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

void fixture_stop(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static json_t *repo_args(void)
{
	return json_pack("{s:s, s:s}", "common_dir", fx.common, "main", fx.repo);
}

json_t *fixture_args(const char *id)
{
	return json_pack("{s:o, s:s, s:s, s:s, s:s, s:s}", "repo", repo_args(), "id", id, "path", fx.wt,
			 "git_dir", fx.admin, "branch", "feat", "target", "main");
}

json_t *fixture_trash_args(const json_t *removed)
{
	return json_pack("{s:o, s:O}", "repo", repo_args(), "trash", json_object_get(removed, "trash"));
}

void fixture_waive_all(json_t *args)
{
	json_t *names = json_array();
	for (int i = 0; i < FACT_MAX_; i++)
		if (fact_waivable((enum fact)i))
			json_array_append_new(names, json_string(fact_name((enum fact)i)));
	json_object_set_new(args, "waive", names);
}

json_t *fixture_call(int (*worker)(const json_t *, json_t **, struct error *), const json_t *args)
{
	autoerror err = {0};
	json_t *ret = NULL;
	if (worker(args, &ret, &err))
		fail_msg("%s", err.message ? err.message : "no message");
	assert_non_null(ret);
	return ret;
}

struct differ *fixture_record(const char *path)
{
	autoerror err = {0};
	struct differ *d = NULL;
	if (differ_record(path, &d, &err))
		fail_msg("%s", err.message);
	return d;
}

void fixture_same_tree(const struct differ *was, const char *path, unsigned flags)
{
	autodiffer *is = fixture_record(path);
	autostrbuf out = STRBUF_INIT(1 << 16);
	if (differ_compare(was, is, flags, &out))
		fail_msg("%s changed:\n%s", path, strbuf_str(&out));
	assert_true(differ_count(was) > 0);
}

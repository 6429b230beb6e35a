/* See guard.h. */
#include "repo/guard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "os/child.h"
#include "os/file.h"
#include "os/proc.h"
#include "repo/guard_check.h"
#include "repo/guard_file.h"
#include "repo/guard_find.h"
#include "repo/guard_hooks.h"

extern char **environ;

enum { INPUT_MAX = 256 << 20, REF_MAX = 4096, COMMAND_MAX = 1 << 20, EXIT_REFUSED = 1, EXIT_NOT_RUN = 126 };

/* --- the hook --- */

static int read_input(struct strbuf *input, struct error *err)
{
	for (;;) {
		char *to = strbuf_reserve(input, 64 << 10);
		ssize_t n = to ? read(STDIN_FILENO, to, 64 << 10) : 0;
		if (!to)
			return error_set(err, ERR_TOO_LARGE, "more references than %d bytes tell of",
					 INPUT_MAX);
		if (n < 0 && errno != EINTR)
			return error_errno(err, errno, "git tells nothing");
		if (n == 0)
			return 0;
		strbuf_setlen(input, input->len + (size_t)(n > 0 ? n : 0));
	}
}

/* The branch of the main worktree, now; caller frees. NULL: it has none, or there is no such worktree. */
static char *main_branch_of(const json_t *repo, const char *common_dir)
{
	static const char prefix[] = "ref: refs/heads/";
	autofree char *path = path_join(common_dir, "HEAD");
	autostrbuf text = STRBUF_INIT(REF_MAX);
	if (!json_str(repo, "main") || file_read(path, &text, NULL) ||
	    strncmp(strbuf_str(&text), prefix, strlen(prefix)) != 0)
		return NULL;
	return xstrndup(strbuf_str(&text) + strlen(prefix),
			strcspn(strbuf_str(&text) + strlen(prefix), "\n"));
}

typedef int check_lines_fn(const struct guard_place *place, const char *lines, size_t len, struct error *err);

static int check_at(const char *home, const struct guard_dirs *dirs, check_lines_fn *check,
		    const struct strbuf *input, struct error *err)
{
	json_auto_t *owners = NULL;
	int code = guard_file_read(home, &owners, err);
	if (code)
		return code;
	const json_t *repo = json_object_get(json_object_get(owners, "repos"), dirs->common_dir);
	if (!repo)
		return 0;
	const char *own = getenv("COPPICE_GUARD"), *peer = own && *own ? own : getenv("COPPICE_PEER");
	autofree char *main_branch = main_branch_of(repo, dirs->common_dir);
	autostrbuf command = STRBUF_INIT(COMMAND_MAX);
	(void)!proc_command(getppid(), &command, NULL); /* unknown, then */
	struct guard_place place = {.repo = repo,
				    .peer = peer ? peer : "",
				    .main_branch = main_branch,
				    .command = command.buf,
				    .command_len = command.len,
				    .common_dir = dirs->common_dir};
	return check(&place, strbuf_str(input), input->len, err);
}

/* Whether this call of a hook is one that is looked at; then what by, and where. */
static bool is_checked(int argc, char **argv, const char *name, check_lines_fn **ret, struct guard_dirs *dirs,
		       struct error *err, int *ret_code)
{
	*ret_code = 0;
	if (strcmp(name, "reference-transaction") == 0 && argc == 2 && strcmp(argv[1], "prepared") == 0) {
		*ret = guard_check_transaction;
		*ret_code = guard_dirs_here(dirs, err);
		return true;
	}
	*ret = guard_check_push;
	return strcmp(name, "pre-push") == 0 && argc == 3 && guard_dirs_of_url(argv[2], dirs, NULL) == 0;
}

/* Becomes the hook; where the system takes it for no program, a shell does, as with git. */
static int become(const char *path, int argc, char **argv)
{
	static const char shell[] = "/bin/sh";
	union {
		const char *in;
		char *out;
	} own = {path}, sh = {shell};
	char **args = xcalloc((size_t)argc + 2, sizeof(*args));
	args[0] = sh.out;
	args[1] = own.out;
	for (int i = 1; i < argc; i++)
		args[i + 1] = argv[i];
	(void)execve(path, args + 1, environ);
	if (errno == ENOEXEC)
		(void)execve(shell, args, environ);
	(void)fprintf(stderr, "coppice: cannot run %s: %s\n", path, strerror(errno));
	free(args);
	return EXIT_NOT_RUN;
}

static int run_hook(const char *path, int argc, char **argv, const struct strbuf *input, struct error *err)
{
	autoclose int fd = -1;
	int code = input ? child_input(strbuf_str(input), input->len, &fd, err) : 0;
	if (!code && input && dup2(fd, STDIN_FILENO) < 0)
		code = error_errno(err, errno, "the hook's input");
	return code ? code : become(path, argc, argv);
}

static int report(const struct error *err)
{
	autostrbuf line = STRBUF_INIT(64 << 10);
	text_escape(err->message, strlen(err->message), false, &line);
	if (err->hint) {
		strbuf_addstr(&line, ": ");
		text_escape(err->hint, strlen(err->hint), false, &line);
	}
	(void)fprintf(stderr, "coppice: %s\n", strbuf_str(&line));
	return EXIT_REFUSED;
}

/* The state folder that has this hook, else `home`; caller frees. */
static int find_home(const char *home, const char *hook, char **ret, struct error *err)
{
	static const char place[] = "/guard/hooks/";
	size_t len = (size_t)(path_base(hook) - hook);
	bool is_path = hook[0] == '/' && len > strlen(place) &&
		       memcmp(hook + len - strlen(place), place, strlen(place)) == 0;
	if (!is_path && !home)
		return error_set(err, ERR_INVALID, "nobody knows whose hook %s is", hook);
	*ret = is_path ? xstrndup(hook, len - strlen(place)) : xstrdup(home);
	return 0;
}

/* Refuses, or says which hook it becomes, with what input. */
static int prepare(const char *given, int argc, char **argv, struct strbuf *input, bool *ret_checked,
		   char **ret_path, struct error *err)
{
	autofree char *home = NULL;
	autoguarddirs dirs = {0};
	check_lines_fn *check = NULL;
	const char *name = path_base(argv[0]);
	if (!guard_hook_known(name))
		return error_set(err, ERR_INVALID, "git has no hook '%s'", name);
	int code = find_home(given, argv[0], &home, err);
	if (code)
		return code;
	*ret_checked = is_checked(argc, argv, name, &check, &dirs, err, &code);
	if (*ret_checked && !code)
		code = read_input(input, err);
	if (*ret_checked && !code)
		code = check_at(home, &dirs, check, input, err);
	if (code)
		return code;
	autofree char *ours = guard_hooks_path(home);
	return guard_hook_find(name, ours, ret_path, err);
}

/* A commit concludes what it was picked from, and git drops these then. It cannot where the sandbox shuts
 * packed-refs (S5), which it locks for that, though they are files of the worktree's own: the repository
 * would look as if the pick were still under way. So it is done in its place. */
static void conclude_picks(const char *hook)
{
	static const char *const picks[] = {"CHERRY_PICK_HEAD", "REVERT_HEAD"};
	const char *git_dir = getenv("GIT_DIR");
	if (strcmp(hook, "post-commit") != 0 && strcmp(hook, "post-rewrite") != 0)
		return;
	autofree char *common = git_dir ? xasprintf("%s/../..", git_dir) : NULL;
	if (!common || access(common, W_OK) == 0 || errno != EROFS)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(picks); i++) {
		autofree char *path = path_join(git_dir, picks[i]);
		(void)unlink(path); /* most commits are not picked */
	}
}

int guard_main(const char *home, int argc, char **argv)
{
	autoerror err = {0};
	autostrbuf input = STRBUF_INIT(INPUT_MAX);
	autofree char *path = NULL;
	bool checked = false;
	conclude_picks(path_base(argv[0]));
	if (prepare(home, argc, argv, &input, &checked, &path, &err))
		return report(&err);
	int code = path ? run_hook(path, argc, argv, checked ? &input : NULL, &err) : 0;
	return err.code ? report(&err) : code;
}

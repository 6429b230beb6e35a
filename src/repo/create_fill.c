/* Filling a new worktree: files, submodules, the post-checkout hook; see creation.h.
 *
 * This is what takes time, and it concerns nobody else, so it runs without the lock. Everything is as in
 * the user's own `git worktree add`: the same `git reset --hard`, with the user's filters, and the hook
 * with the same arguments, in the worktree, without GIT_DIR. When all files are there git writes the index,
 * and then ORIG_HEAD: after a crash both together say that the checkout was complete. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "os/file.h"
#include "os/spawn.h"
#include "repo/creation.h"

enum { HOOK_OUTPUT_MAX = 64 << 10, HOOK_SHOWN = 2000 };

static bool is_there(const char *dir, const char *name)
{
	autofree char *path = path_join(dir, name);
	struct stat st;
	return lstat(path, &st) == 0;
}

static int check_out(const struct creation *c, const struct git *tree, struct error *err)
{
	static const char *const args[] = {"reset", "--hard", "--no-recurse-submodules", NULL};
	if (is_there(c->git_dir, "index") && is_there(c->git_dir, "ORIG_HEAD"))
		return 0;
	return git_run(tree, GIT_HOOKS, args, NULL, NULL, err);
}

/* Submodules are brought along where the user has said so for every checkout. */
static int fill_submodules(const struct creation *c, const struct git *tree, struct error *err)
{
	static const char *const wanted[] = {"config", "--type=bool", "--get", "submodule.recurse", NULL};
	static const char *const update[] = {"submodule", "--quiet", "update", "--init", "--recursive", NULL};
	if (!is_there(c->path, ".gitmodules"))
		return 0;
	autostrbuf out = STRBUF_INIT(256);
	int status = 0;
	int r = git_run(tree, GIT_QUIET, wanted, &out, &status, err);
	if (r || status || strcmp(strbuf_str(&out), "true\n") != 0)
		return r;
	autoerror why = {0};
	r = git_run(tree, GIT_HOOKS, update, NULL, NULL, &why);
	if (r == 0)
		return 0;
	r = error_set(err, (enum error_code)r, "the submodules could not be brought along: %s", why.message);
	return error_hint(err, r, "submodule.recurse is set; unset it to leave them out");
}

/* The hook's path, NULL if there is none to run; caller frees. */
static int find_hook(const struct git *tree, char **ret, struct error *err)
{
	static const char *const args[] = {"rev-parse", "--git-path", "hooks/post-checkout", NULL};
	autostrbuf out = STRBUF_INIT(16 << 10);
	int r = git_run(tree, GIT_HOOKS, args, &out, NULL, err);
	if (r)
		return r;
	autofree char *path = xstrndup(strbuf_str(&out), strcspn(strbuf_str(&out), "\n"));
	autofree char *whole = *path == '/' ? xstrdup(path) : path_join(tree->work_tree, path);
	*ret = access(whole, X_OK) == 0 ? TAKE_PTR(whole) : NULL;
	return 0;
}

/* Whether the kernel can start it; git gives anything else to sh. */
static bool is_program(const char *path)
{
	char magic[2] = {0};
	FILE *f = fopen(path, "re");
	if (!f)
		return true;
	size_t n = fread(magic, 1, sizeof(magic), f);
	(void)fclose(f); /* was only read */
	return n == 2 && (memcmp(magic, "#!", 2) == 0 || memcmp(magic,
								"\x7f"
								"E",
								2) == 0);
}

static void warn_of_hook(const struct creation *c, int status, const struct strbuf *output)
{
	autostrbuf text = STRBUF_INIT(16 << 10);
	size_t n = output->len > HOOK_SHOWN ? HOOK_SHOWN : output->len;
	strbuf_addf(&text, "the post-checkout hook ended with %d", status);
	if (n) {
		strbuf_addstr(&text, ": ");
		text_escape(output->buf, n, true, &text);
	}
	json_array_append_new(c->warnings, json_lossy_string(strbuf_str(&text), text.len));
}

static int run_hook(const struct creation *c, const struct git *tree, struct error *err)
{
	autofree char *hook = NULL, *none = xstrdup(c->head);
	int r = find_hook(tree, &hook, err);
	if (r || !hook)
		return r;
	memset(none, '0', strlen(none));
	const char *const direct[] = {hook, none, c->head, "1", NULL};
	const char *const by_sh[] = {"/bin/sh", hook, none, c->head, "1", NULL};
	autostrbuf output = STRBUF_INIT(HOOK_OUTPUT_MAX);
	char **env = git_environment(NULL, GIT_HOOKS, NULL);
	union {
		char **in;
		const char *const *out;
	} environment = {env};
	struct spawn s = {.argv = is_program(hook) ? direct : by_sh,
			  .env = environment.out,
			  .cwd = c->path,
			  .out = &output,
			  .errout = &output};
	int status = 0;
	autoerror why = {0};
	r = spawn_run(&s, &status, &why);
	env_free(env);
	if (r) {
		strbuf_reset(&output);
		strbuf_addstr(&output, why.message);
		status = 127;
	}
	if (status)
		warn_of_hook(c, status, &output);
	return 0;
}

int creation_fill(struct creation *c, struct error *err)
{
	struct git tree = {
		.common_dir = c->repo.common_dir, .git_dir = c->git_dir, .work_tree = c->path, .lock_fd = -1};
	int r = check_out(c, &tree, err);
	if (r == 0)
		r = fill_submodules(c, &tree, err);
	return r ? r : run_hook(c, &tree, err);
}

/* See guard_hooks.h. */
#include "repo/guard_hooks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "os/file.h"

enum { DISPATCH_MAX = 16 << 10, SHEBANG_MAX = 127 };

char *guard_hooks_path(const char *home)
{
	return path_join(home, "guard/hooks");
}

/* Not here: push-to-checkout, whose mere existence replaces what git does without it, and which only a
 * receiving git runs, to which no environment of a peer comes; fsmonitor-watchman, which git finds by a path
 * of its own. */
static const char *const hooks[] = {
	"applypatch-msg",     "commit-msg",    "p4-changelist",
	"p4-post-changelist", "p4-pre-submit", "p4-prepare-changelist",
	"post-applypatch",    "post-checkout", "post-commit",
	"post-index-change",  "post-merge",    "post-receive",
	"post-rewrite",	      "post-update",   "pre-applypatch",
	"pre-auto-gc",	      "pre-commit",    "pre-merge-commit",
	"pre-push",	      "pre-rebase",    "pre-receive",
	"prepare-commit-msg", "proc-receive",  "reference-transaction",
	"sendemail-validate", "update",
};

bool guard_hook_known(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
		if (strcmp(hooks[i], name) == 0)
			return true;
	return false;
}

/* The guard's own program: beside `program`, as in a folder of builds, or where both are installed; caller
 * frees. NULL: there is none. */
static char *small_program(const char *program)
{
	static const char name[] = "coppice-guard", installed[] = COPPICE_LIBEXEC;
	autofree char *folder = path_folder(program);
	autofree char *libexec = installed[0] == '/' ? xstrdup(installed) : path_join(folder, installed);
	const char *const places[] = {folder, libexec};
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		autofree char *path = path_join(places[i], name);
		char *resolved = NULL;
		if (!path_resolve(path, &resolved, NULL) && access(resolved, X_OK) == 0)
			return resolved;
		free(resolved);
	}
	return NULL;
}

/* What each hook is: the kernel starts the program with its path as first argument. Where the program's path
 * is too long for that, or has a blank, a shell does, which is slower. It is a file, and not a link to the
 * program, so that a tool that writes a hook where git says that they are can never write into the program.
 */
static void dispatch_text(const char *program, struct strbuf *out)
{
	autofree char *small = small_program(program);
	const char *path = small ? small : program, *word = small ? "" : " guard";
	if (!strpbrk(path, " \t\n'") && strlen("#!") + strlen(path) + strlen(word) <= SHEBANG_MAX) {
		strbuf_addf(out, "#!%s%s\n", path, word);
		return;
	}
	strbuf_addstr(out, "#!/bin/sh\nexec ");
	text_quote(path, out);
	strbuf_addf(out, "%s \"$0\" \"$@\"\n", word);
}

static bool file_is(const char *path, const struct strbuf *wanted)
{
	autostrbuf text = STRBUF_INIT(DISPATCH_MAX);
	struct stat st;
	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0500 &&
	       file_read(path, &text, NULL) == 0 && text.len == wanted->len &&
	       memcmp(strbuf_str(&text), strbuf_str(wanted), text.len) == 0;
}

static bool link_is(const char *path, const char *wanted)
{
	char to[64];
	ssize_t n = readlink(path, to, sizeof(to));
	return n > 0 && (size_t)n == strlen(wanted) && memcmp(to, wanted, (size_t)n) == 0;
}

static int link_hook(const char *folder, const char *name, const char *to, struct error *err)
{
	autofree char *path = path_join(folder, name);
	if (link_is(path, to))
		return 0;
	if ((unlink(path) < 0 && errno != ENOENT) || symlink(to, path) < 0)
		return error_errno(err, errno, "%s", path);
	return 0;
}

int guard_hooks_write(const char *home, const char *program, struct error *err)
{
	static const char dispatch[] = "../dispatch";
	autofree char *folder = guard_hooks_path(home);
	autofree char *path = path_join(home, "guard/dispatch");
	autostrbuf text = STRBUF_INIT(DISPATCH_MAX);
	dispatch_text(program, &text);
	int code = dir_make_private(folder, err);
	if (!code && !file_is(path, &text))
		code = file_replace(path, strbuf_str(&text), text.len, 0500, err);
	for (size_t i = 0; !code && i < ARRAY_SIZE(hooks); i++)
		code = link_hook(folder, hooks[i], dispatch, err);
	return code;
}

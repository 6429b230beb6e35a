/* See guard_find.h.
 *
 * Every git command of a peer comes through here, several times, and most of them for a hook that does not
 * exist. So git is asked for its configuration only where one of the files that it reads has the word
 * `hooksPath`, or may include others; else the hooks are in the repository's own folder. */
#include "repo/guard_find.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "os/file.h"
#include "os/gitenv.h"
#include "os/spawn.h"

enum { LINE_MAX_ = 8 << 10, CONFIG_MAX = 1 << 20 };

void guard_dirs_release(struct guard_dirs *dirs)
{
	free(dirs->git_dir);
	free(dirs->common_dir);
	*dirs = (struct guard_dirs){0};
}

/* --- folders --- */

/* The first line of a small file, from `skip` on; caller frees. NULL if it is none, or begins otherwise. */
static char *line_of(const char *folder, const char *name, const char *skip)
{
	autofree char *path = path_join(folder, name);
	autostrbuf text = STRBUF_INIT(LINE_MAX_);
	size_t len = strlen(skip);
	if (file_read(path, &text, NULL) || strncmp(strbuf_str(&text), skip, len) != 0)
		return NULL;
	return xstrndup(strbuf_str(&text) + len, strcspn(strbuf_str(&text) + len, "\r\n"));
}

/* `path`, which is relative to `folder`; caller frees. */
static char *from(const char *folder, const char *path)
{
	return path[0] == '/' || strcmp(folder, ".") == 0 ? xstrdup(path) : path_join(folder, path);
}

static bool has(const char *folder, const char *name)
{
	autofree char *path = path_join(folder, name);
	return access(path, F_OK) == 0;
}

static bool is_git_dir(const char *folder)
{
	return has(folder, "HEAD") &&
	       (has(folder, "commondir") || (has(folder, "objects") && has(folder, "refs")));
}

/* The git folder of a worktree, or the folder itself if it is one; caller frees. NULL if it is neither. */
static char *git_dir_at(const char *folder)
{
	autofree char *dot = from(folder, ".git");
	if (is_git_dir(dot))
		return TAKE_PTR(dot);
	autofree char *link = line_of(folder, ".git", "gitdir: ");
	if (link)
		return from(folder, link);
	return is_git_dir(folder) ? xstrdup(folder) : NULL;
}

/* Takes `git_dir`, which may be NULL. */
static int take_git_dir(char *git_dir, const char *where, struct guard_dirs *ret, struct error *err)
{
	autofree char *dir = git_dir;
	const char *given = getenv("GIT_COMMON_DIR");
	autofree char *common = dir ? line_of(dir, "commondir", "") : NULL;
	if (!dir)
		return error_set(err, ERR_NOT_FOUND, "%s is no repository", where);
	autofree char *path = given && *given && where[0] == '.' && !where[1] ? xstrdup(given)
			      : common					      ? from(dir, common)
									      : xstrdup(dir);
	char *resolved = NULL;
	int code = path_resolve(path, &resolved, err);
	if (code)
		return code;
	*ret = (struct guard_dirs){.git_dir = TAKE_PTR(dir), .common_dir = resolved};
	return 0;
}

int guard_dirs_here(struct guard_dirs *ret, struct error *err)
{
	const char *given = getenv("GIT_DIR");
	return take_git_dir(given && *given ? xstrdup(given) : git_dir_at("."), ".", ret, err);
}

int guard_dirs_of_url(const char *url, struct guard_dirs *ret, struct error *err)
{
	static const char scheme[] = "file://", *const suffixes[] = {"", ".git"};
	const char *path = strncmp(url, scheme, strlen(scheme)) == 0 ? url + strlen(scheme) : url;
	const char *colon = strchr(path, ':'), *slash = strchr(path, '/');
	if (path == url && colon && (!slash || colon < slash))
		return error_set(err, ERR_NOT_FOUND, "%s is elsewhere", url);
	char *found = NULL;
	for (size_t i = 0; !found && i < ARRAY_SIZE(suffixes); i++) {
		autofree char *folder = xasprintf("%s%s", path, suffixes[i]);
		found = git_dir_at(folder);
	}
	return take_git_dir(found, url, ret, err);
}

/* --- configuration --- */

/* Whether the text may set core.hooksPath, or lead to files that do. */
static bool mentions(const char *text, size_t len)
{
	static const char *const words[] = {"hookspath", "include"};
	for (size_t i = 0; i < len; i++)
		for (size_t k = 0; k < ARRAY_SIZE(words); k++)
			if (tolower((unsigned char)text[i]) == words[k][0] && len - i >= strlen(words[k]) &&
			    strncasecmp(text + i, words[k], strlen(words[k])) == 0)
				return true;
	return false;
}

/* A file that is not there says nothing; one that cannot be read may say anything. */
static bool file_mentions(const char *path)
{
	autostrbuf text = STRBUF_INIT(CONFIG_MAX);
	int code = strcmp(path, "/dev/null") == 0 ? ERR_NOT_FOUND : file_read(path, &text, NULL);
	return code ? code != ERR_NOT_FOUND : mentions(strbuf_str(&text), text.len);
}

static bool file_in_mentions(const char *folder, const char *name)
{
	autofree char *path = folder && *folder ? path_join(folder, name) : NULL;
	return path && file_mentions(path);
}

/* Where the system's file is was fixed when git was built; it shows in where its programs are, which is what
 * a hook's PATH begins with. */
static bool system_mentions(void)
{
	const char *no = getenv("GIT_CONFIG_NOSYSTEM"), *given = getenv("GIT_CONFIG_SYSTEM"),
		   *path = getenv("PATH");
	if (no && (strcmp(no, "1") == 0 || strcmp(no, "true") == 0))
		return false;
	if (given)
		return file_mentions(given);
	if (!path || (strncmp(path, "/usr/lib/", 9) != 0 && strncmp(path, "/usr/libexec/", 13) != 0))
		return true;
	return file_mentions("/etc/gitconfig");
}

static bool users_mention(void)
{
	const char *given = getenv("GIT_CONFIG_GLOBAL"), *home = getenv("HOME"),
		   *xdg = getenv("XDG_CONFIG_HOME");
	if (given)
		return *given && file_mentions(given);
	return file_in_mentions(home, ".gitconfig") ||
	       (xdg && *xdg ? file_in_mentions(xdg, "git/config")
			    : file_in_mentions(home, ".config/git/config"));
}

static bool setting_mentions(const char *key, const char *value, void *data)
{
	return strcmp(value, data) != 0 && mentions(key, strlen(key));
}

static bool environment_mentions(const char *ours)
{
	const char *given = getenv("GIT_CONFIG_PARAMETERS");
	union {
		const char *in;
		char *out;
	} data = {ours};
	return (given && mentions(given, strlen(given))) || gitenv_each(NULL, setting_mentions, data.out);
}

/* --- hooks --- */

/* Git itself, without our setting. */
static int ask_git(const char *ours, char **ret, struct error *err)
{
	static const char *const argv[] = {"git", "rev-parse", "--git-path", "hooks", NULL};
	autostrbuf out = STRBUF_INIT(LINE_MAX_);
	char **env = gitenv_without(NULL, "core.hooksPath", ours);
	union {
		char **in;
		const char *const *out;
	} own = {env};
	struct spawn s = {.argv = argv, .env = own.out, .out = &out};
	int status = 0;
	int code = spawn_run(&s, &status, err);
	env_free(env);
	if (!code && (status || out.overflow))
		code = error_set(err, ERR_GIT, "git does not say where its hooks are");
	if (code)
		return code;
	*ret = xstrndup(strbuf_str(&out), strcspn(strbuf_str(&out), "\n"));
	return 0;
}

static int hooks_folder(const char *ours, char **ret, struct error *err)
{
	autoguarddirs dirs = {0};
	if (environment_mentions(ours) || system_mentions() || users_mention() ||
	    guard_dirs_here(&dirs, NULL) || file_in_mentions(dirs.common_dir, "config") ||
	    file_in_mentions(dirs.git_dir, "config.worktree"))
		return ask_git(ours, ret, err);
	/* As git itself names it there. */
	bool linked = has(dirs.git_dir, "commondir");
	*ret = from(linked ? dirs.common_dir : dirs.git_dir, "hooks");
	return 0;
}

int guard_hook_find(const char *name, const char *ours, char **ret, struct error *err)
{
	autofree char *folder = NULL;
	int code = hooks_folder(ours, &folder, err);
	if (code)
		return code;
	autofree char *path = path_join(folder, name);
	bool usable = *folder && strcmp(folder, ours) != 0 && access(path, X_OK) == 0;
	*ret = usable ? TAKE_PTR(path) : NULL;
	return 0;
}

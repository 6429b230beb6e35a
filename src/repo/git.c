/* Running git; see git.h. The parsers of its porcelain are in git_porcelain.c.
 *
 * Every child gets an environment built here: of our own GIT_* variables only those survive that say
 * who the user is and where the user's configuration lies. The rest (GIT_DIR, GIT_INDEX_FILE,
 * GIT_CONFIG_PARAMETERS, …) would lead git elsewhere, and is set from `struct git` instead. Without
 * GIT_HOOKS the hooks folder is /dev/null and the locale is C, so that messages can be matched; with it
 * the user's own language and hooks hold, for then programs of the user's run. */
#include "repo/git.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "os/file.h"
#include "os/spawn.h"

enum {
	STDERR_MAX = 64 << 10, /* of a failing git */
	STDERR_SHOWN = 600,    /* in a message */
	LINE_MAX_BYTES = 64 << 10,
	OLDEST_MAJOR = 2,
	OLDEST_MINOR = 38,
};

/* What survives of our own environment. */
static const char *const kept[] = {
	"GIT_AUTHOR_*",	     "GIT_COMMITTER_*", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM",
	"GIT_CONFIG_SYSTEM", "GIT_SSH*",	"GIT_ASKPASS",	     NULL};

void git_release(struct git *g)
{
	free(g->common_dir);
	free(g->git_dir);
	free(g->work_tree);
	*g = GIT_INIT;
}

void git_at(const char *common_dir, const char *git_dir, const char *work_tree, struct git *ret)
{
	*ret = GIT_INIT;
	ret->common_dir = xstrdup(common_dir);
	ret->git_dir = xstrdup(git_dir);
	ret->work_tree = work_tree ? xstrdup(work_tree) : NULL;
}

/* A growing argument or environment list whose strings are owned when `owned`. */
struct words {
	const char **at;
	size_t n, cap;
};

static void words_release(struct words *w)
{
	free(w->at);
}

static void words_add(struct words *w, const char *word)
{
	ARRAY_GROW(w->at, w->n, w->cap);
	w->at[w->n++] = word;
}

static bool is_kept(const char *entry)
{
	for (const char *const *name = kept; *name; name++) {
		size_t n = strcspn(*name, "*");
		if (strncmp(entry, *name, n) == 0 && ((*name)[n] == '*' || entry[n] == '='))
			return true;
	}
	return false;
}

char **git_environment(const struct git *g, unsigned flags, const char *const *set)
{
	static const char *const drop[] = {"GIT_*", NULL};
	static const char *const drop_locale[] = {"GIT_*", "LC_*", "LANG", "LANGUAGE", NULL};
	_cleanup_(words_release) struct words words = {0};
	autofree char *git_dir = g ? xasprintf("GIT_DIR=%s", g->git_dir) : NULL;
	autofree char *common = g ? xasprintf("GIT_COMMON_DIR=%s", g->common_dir) : NULL;
	autofree char *tree = g && g->work_tree ? xasprintf("GIT_WORK_TREE=%s", g->work_tree) : NULL;
	for (char **e = environ; e && *e; e++)
		if (is_kept(*e))
			words_add(&words, *e);
	words_add(&words, "GIT_TERMINAL_PROMPT=0");
	if (!(flags & GIT_HOOKS)) {
		words_add(&words, "GIT_OPTIONAL_LOCKS=0");
		words_add(&words, "LC_ALL=C");
	}
	if (g) {
		words_add(&words, git_dir);
		words_add(&words, common);
		/* Without a work tree the current folder must not be taken for one. */
		words_add(&words, tree ? tree : "GIT_IMPLICIT_WORK_TREE=0");
	}
	for (; set && *set; set++)
		words_add(&words, *set);
	words_add(&words, NULL);
	return env_edit(NULL, flags & GIT_HOOKS ? drop : drop_locale, words.at);
}

/* git's stderr, escaped, with its "fatal: " and hints cut to what fits one message. */
static int git_failed(const char *command, const struct strbuf *errout, int status, struct error *err)
{
	const char *text = strbuf_str(errout);
	size_t len = errout->len;
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	json_t *details = json_object();
	json_object_set_new(details, "stderr", json_lossy_string(text, len));
	json_object_set_new(details, "exit", json_integer(status));
	autostrbuf shown = STRBUF_INIT(8 * STDERR_SHOWN);
	text_escape(text, len > STDERR_SHOWN ? STDERR_SHOWN : len, true, &shown);
	int code = strstr(text, "No space left on device") ? ERR_DISK_FULL : ERR_GIT;
	if (shown.len)
		code = error_set(err, (enum error_code)code, "git %s failed: %s", command,
				 strbuf_str(&shown));
	else
		code = error_set(err, (enum error_code)code, "git %s failed with exit code %d", command,
				 status);
	return error_details(err, code, details);
}

static int git_missing(int code, struct error *err)
{
	if (code != ERR_MISSING)
		return code;
	return error_hint(err, code, "install git %d.%d or newer", OLDEST_MAJOR, OLDEST_MINOR);
}

/* Starts git with `args` and `env` in `cwd` and collects what it says. */
static int spawn_git(const char *const *args, unsigned flags, char **env, const char *cwd, struct spawn *s,
		     int *ret_status, struct error *err)
{
	_cleanup_(words_release) struct words argv = {0};
	words_add(&argv, "git");
	words_add(&argv, "-c");
	words_add(&argv, "core.fsmonitor=false");
	if (!(flags & GIT_HOOKS)) {
		words_add(&argv, "-c");
		words_add(&argv, "core.hooksPath=/dev/null");
	}
	for (; *args; args++)
		words_add(&argv, *args);
	words_add(&argv, NULL);
	union {
		char **in;
		const char *const *out;
	} environment = {env};
	s->argv = argv.at;
	s->env = environment.out;
	s->cwd = cwd;
	s->null_output = !s->out;
	return git_missing(spawn_run(s, ret_status, err), err);
}

int git_run_with(const struct git *g, unsigned flags, const char *const *args, const char *input,
		 size_t input_len, const char *const *set, struct strbuf *out, int *ret_status,
		 struct error *err)
{
	autostrbuf errout = STRBUF_INIT(STDERR_MAX);
	int keep[] = {g->lock_fd, -1};
	struct spawn s = {.input = input, .input_len = input_len, .out = out, .errout = &errout};
	if (g->lock_fd >= 0)
		s.keep_fds = keep;
	int status = 0;
	char **env = git_environment(g, flags, set);
	int r = spawn_git(args, flags, env, g->work_tree ? g->work_tree : g->common_dir, &s, &status, err);
	env_free(env);
	if (r)
		return r;
	if (status && !(flags & GIT_QUIET))
		return git_failed(args[0], &errout, status, err);
	if (out && out->overflow)
		return error_set(err, ERR_TOO_LARGE, "git %s printed more than %zu bytes", args[0], out->max);
	if (flags & GIT_QUIET && ret_status)
		*ret_status = status;
	return 0;
}

int git_run(const struct git *g, unsigned flags, const char *const *args, struct strbuf *out, int *ret_status,
	    struct error *err)
{
	return git_run_with(g, flags, args, NULL, 0, NULL, out, ret_status, err);
}

static char *first_line(const struct strbuf *text)
{
	return xstrndup(strbuf_str(text), strcspn(strbuf_str(text), "\n"));
}

int git_line(const struct git *g, const char *const *args, char **ret, struct error *err)
{
	autostrbuf out = STRBUF_INIT(LINE_MAX_BYTES);
	int r = git_run(g, 0, args, &out, NULL, err);
	if (r)
		return r;
	*ret = first_line(&out);
	return 0;
}

static bool is_object_id(const char *text)
{
	size_t n = strspn(text, "0123456789abcdef");
	return (n == 40 || n == 64) && !text[n];
}

int git_commit_of(const struct git *g, const char *rev, char **ret, struct error *err)
{
	autostrbuf out = STRBUF_INIT(LINE_MAX_BYTES);
	autofree char *commit = xasprintf("%s^{commit}", rev);
	const char *const args[] = {"rev-parse", "--verify", "--quiet", "--end-of-options", commit, NULL};
	int status = 0;
	int r = git_run(g, GIT_QUIET, args, &out, &status, err);
	if (r)
		return r;
	autofree char *line = first_line(&out);
	if (status || !is_object_id(line)) {
		autostrbuf shown = STRBUF_INIT(1024);
		text_escape(rev, strlen(rev) > 200 ? 200 : strlen(rev), false, &shown);
		return error_hint(
			err, error_set(err, ERR_NOT_FOUND, "there is no commit '%s'", strbuf_str(&shown)),
			"name a branch, tag or commit that 'git log' shows; fetch it first if it is remote");
	}
	*ret = TAKE_PTR(line);
	return 0;
}

int git_branch_tip(const struct git *g, const char *branch, char **ret, struct error *err)
{
	/* for-each-ref takes exact names, or folders of names: the name that it prints tells which. */
	autofree char *ref = xasprintf("refs/heads/%s", branch);
	const char *const args[] = {"for-each-ref", "--count=1", "--format=%(objectname) %(refname)", ref,
				    NULL};
	autofree char *line = NULL;
	int r = git_line(g, args, &line, err);
	if (r)
		return r;
	size_t n = strcspn(line, " ");
	bool found = line[n] && strcmp(line + n + 1, ref) == 0;
	if (ret)
		*ret = found ? xstrndup(line, n) : NULL;
	return 0;
}

static int check_version(struct error *err)
{
	static bool good; /* one process, one git */
	if (good)
		return 0;
	autostrbuf out = STRBUF_INIT(1024), errout = STRBUF_INIT(1024);
	struct spawn s = {
		.argv = (const char *const[]){"git", "--version", NULL}, .out = &out, .errout = &errout};
	int status = 0;
	int r = git_missing(spawn_run(&s, &status, err), err);
	if (r)
		return r;
	int major = 0, minor = 0;
	if (status || sscanf(strbuf_str(&out), "git version %4d.%4d", &major, &minor) != 2 ||
	    major < OLDEST_MAJOR || (major == OLDEST_MAJOR && minor < OLDEST_MINOR))
		return git_missing(
			error_set(err, ERR_MISSING, "this git is too old: version %d.%d", major, minor), err);
	good = true;
	return 0;
}

/* Why git found no repository. The hint for a repository of another user is git's own command. */
static int discovery_failed(const char *dir, const struct strbuf *errout, int status, struct error *err)
{
	const char *text = strbuf_str(errout);
	if (strstr(text, "not a git repository"))
		return error_hint(err, error_set(err, ERR_NOT_FOUND, "%s is not in a git repository", dir),
				  "go to one, or name it with -C");
	if (!strstr(text, "safe.directory"))
		return git_failed("rev-parse", errout, status, err);
	const char *cure = strstr(text, "git config --global");
	autostrbuf shown = STRBUF_INIT(4096);
	if (cure)
		text_escape(cure, strcspn(cure, "\n"), false, &shown);
	return error_hint(err,
			  error_set(err, ERR_UNSUPPORTED, "git does not trust %s: another user owns it", dir),
			  "if you do: %s", cure ? strbuf_str(&shown) : "set safe.directory");
}

/* "<inside work tree>\n<common dir>\n<git dir>\n[<top level>\n]" */
static int read_discovery(const char *text, struct git *ret, struct error *err)
{
	char *fields[4] = {NULL};
	size_t n = 0;
	autofree char *copy = xstrdup(text);
	for (char *p = copy; *p; n++) {
		size_t len = strcspn(p, "\n");
		if (n < ARRAY_SIZE(fields))
			fields[n] = p;
		p += len + (p[len] == '\n');
		p[-1] = '\0';
	}
	bool inside = fields[0] && strcmp(fields[0], "true") == 0;
	if (n != (inside ? 4 : 3) || fields[1][0] != '/' || fields[2][0] != '/')
		return error_set(err, ERR_UNSUPPORTED,
				 "the repository's path has a line break, or git is strange");
	git_at(fields[1], fields[2], inside ? fields[3] : NULL, ret);
	return 0;
}

int git_open(const char *dir, struct git *ret, struct error *err)
{
	struct stat st;
	if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
		return error_set(err, ERR_NOT_FOUND, "there is no folder %s", dir);
	int r = check_version(err);
	if (r)
		return r;
	/* --show-toplevel fails without a work tree, after the rest was printed. */
	static const char *const args[] = {"rev-parse",
					   "--path-format=absolute",
					   "--is-inside-work-tree",
					   "--git-common-dir",
					   "--git-dir",
					   "--show-toplevel",
					   NULL};
	autostrbuf out = STRBUF_INIT(LINE_MAX_BYTES), errout = STRBUF_INIT(STDERR_MAX);
	struct spawn s = {.out = &out, .errout = &errout};
	char **env = git_environment(NULL, 0, NULL);
	int status = 0;
	r = spawn_git(args, 0, env, dir, &s, &status, err);
	env_free(env);
	if (r)
		return r;
	if (status && strncmp(strbuf_str(&out), "false\n", 6) != 0)
		return discovery_failed(dir, &errout, status, err);
	return read_discovery(strbuf_str(&out), ret, err);
}

/* Looking at a worktree whose agent is not trusted (W3); see git.h.
 *
 * Explicit GIT_DIR, GIT_COMMON_DIR and GIT_WORK_TREE stop a rewritten .git file or commondir. Two ways
 * are left by which a worktree could have git run a program:
 *
 *  - A filter, which .gitattributes (the agent's) applies and the configuration defines. Git cannot
 *    turn filters off, only override them by name. So the configuration is read once, and each filter
 *    key of the repository's own file is overridden: by the user's global value of it, or by nothing. A
 *    file that only such a filter would find unchanged then counts as changed, which keeps it.
 *
 *  - The worktree's own configuration, <git dir>/config.worktree, which git reads when the repository
 *    has extensions.worktreeConfig (git sparse-checkout turns it on), and which a confined agent may
 *    write at any instant: checking it first would be a race. Git has no switch for it either, but it
 *    looks for it in GIT_DIR only. So then git gets another GIT_DIR: a temporary folder with a copy of
 *    HEAD, links to what looking needs besides, and no configuration. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "os/file.h"
#include "os/spawn.h"
#include "repo/git.h"

enum {
	CONFIG_MAX = 4 << 20, /* bytes of `git config --list` */
	FILTERS_MAX = 512,    /* overridden keys */
	HEAD_MAX = 4096,
	SHARED_INDEXES_MAX = 64,
};

/* One filter key, and whose value it has had so far. */
struct filter_key {
	const char *name;  /* points into the listing */
	const char *users; /* its last global or system value, NULL without one */
	bool repository;   /* the repository's configuration has it */
};

struct filter_keys {
	struct filter_key *at;
	size_t n, cap;
};

static void filter_keys_release(struct filter_keys *keys)
{
	free(keys->at);
}

static struct filter_key *find_key(struct filter_keys *keys, const char *name)
{
	for (size_t i = 0; i < keys->n; i++)
		if (strcmp(keys->at[i].name, name) == 0)
			return &keys->at[i];
	ARRAY_GROW(keys->at, keys->n, keys->cap);
	keys->at[keys->n] = (struct filter_key){.name = name};
	return &keys->at[keys->n++];
}

static bool is_true(const char *value)
{
	return !value || strcasecmp(value, "true") == 0 || strcasecmp(value, "yes") == 0 ||
	       strcasecmp(value, "on") == 0 || strcmp(value, "1") == 0;
}

/* Reads "scope NUL key LF value NUL" (no LF for a key without a value), and cuts it up in place. */
static bool read_listing(struct strbuf *text, struct filter_keys *keys, bool *ret_worktree_config)
{
	for (char *p = text->buf, *end = p ? p + text->len : NULL; p < end;) {
		char *scope = p, *key = scope + strlen(scope) + 1;
		if (key >= end)
			return false;
		p = key + strlen(key) + 1;
		char *value = strchr(key, '\n');
		if (value)
			*value++ = '\0';
		bool repository = strcmp(scope, "local") == 0 || strcmp(scope, "worktree") == 0;
		if (strncmp(key, "filter.", 7) == 0) {
			struct filter_key *k = find_key(keys, key);
			if (repository)
				k->repository = true;
			else
				k->users = value ? value : "true";
		} else if (repository && strcmp(key, "extensions.worktreeconfig") == 0) {
			*ret_worktree_config = is_true(value);
		}
	}
	return true;
}

static const char *harmless(const char *key)
{
	size_t n = strlen(key), suffix = strlen(".required");
	return n > suffix && strcmp(key + n - suffix, ".required") == 0 ? "false" : "";
}

static void add_override(char **set, size_t *n, const char *key, const char *value)
{
	set[2 * *n] = xasprintf("GIT_CONFIG_KEY_%zu=%s", *n, key);
	set[2 * *n + 1] = xasprintf("GIT_CONFIG_VALUE_%zu=%s", *n, value);
	++*n;
}

/* The environment that overrides those keys. `aside`: for a look without the worktree's own file, in
 * which git must still notice files outside of the sparse patterns, as it does in the user's status. */
static char **overrides(const struct filter_keys *keys, bool aside)
{
	char **set = xcalloc(2 * (keys->n + 1) + 2, sizeof(*set));
	size_t n = 0;
	for (size_t i = 0; i < keys->n; i++) {
		const struct filter_key *k = &keys->at[i];
		if (k->repository)
			add_override(set, &n, k->name, k->users ? k->users : harmless(k->name));
	}
	if (aside)
		add_override(set, &n, "core.sparseCheckout", "true");
	set[2 * n] = xasprintf("GIT_CONFIG_COUNT=%zu", n);
	return set;
}

void git_guard_release(struct git_guard *guard)
{
	env_free(guard->set);
	env_free(guard->set_aside);
	*guard = (struct git_guard){0};
}

int git_guard_take(const struct git *g, struct git_guard *ret, struct error *err)
{
	static const char *const args[] = {"config", "--list", "--show-scope", "--includes", "-z", NULL};
	/* The repository's own folder, not the worktree's: what that one adds is never read. */
	struct git common = {.common_dir = g->common_dir, .git_dir = g->common_dir, .lock_fd = -1};
	autostrbuf out = STRBUF_INIT(CONFIG_MAX);
	int r = git_run(&common, 0, args, &out, NULL, err);
	if (r)
		return r;
	_cleanup_(filter_keys_release) struct filter_keys keys = {0};
	bool worktree_config = false;
	if (!read_listing(&out, &keys, &worktree_config))
		return error_set(err, ERR_GIT, "cannot read what git config printed");
	if (keys.n > FILTERS_MAX)
		return error_set(err, ERR_TOO_LARGE, "the configuration has more than %d filter keys",
				 FILTERS_MAX);
	ret->set = overrides(&keys, false);
	ret->set_aside = worktree_config ? overrides(&keys, true) : NULL;
	return 0;
}

/* A folder that stands in for a worktree's admin folder. */
struct shadow {
	char *dir;	 /* owned; NULL when there is none */
	const char *of;	 /* the admin folder */
	unsigned shared; /* shared indexes that were linked */
};

static void shadow_release(struct shadow *s)
{
	/* On failure a few links stay in the folder for temporary files. */
	int ignored = s->dir ? tree_remove(s->dir, NULL) : 0;
	(void)ignored;
	free(s->dir);
}

static int link_into(const struct shadow *s, const char *name, struct error *err)
{
	autofree char *from = path_join(s->of, name), *to = path_join(s->dir, name);
	struct stat st;
	if (lstat(from, &st) < 0)
		return 0;
	return symlink(from, to) < 0 ? error_errno(err, errno, "cannot link %s", to) : 0;
}

/* The other half of a split index. */
static int link_shared_index(const char *name, int type, void *data, struct error *err)
{
	struct shadow *s = data;
	if (type != DT_REG || strncmp(name, "sharedindex.", 12) != 0 || s->shared >= SHARED_INDEXES_MAX)
		return 0;
	s->shared++;
	return link_into(s, name, err);
}

static int write_into(const struct shadow *s, const char *name, const char *text, struct error *err)
{
	autofree char *path = path_join(s->dir, name);
	FILE *f = fopen(path, "we");
	if (!f)
		return error_errno(err, errno, "cannot write %s", path);
	bool written = fputs(text, f) >= 0;
	return fclose(f) == 0 && written ? 0 : error_set(err, ERR_SYSTEM, "cannot write %s", path);
}

static int copy_head(const struct shadow *s, struct error *err)
{
	autofree char *from = path_join(s->of, "HEAD");
	autostrbuf head = STRBUF_INIT(HEAD_MAX);
	int r = file_read(from, &head, err);
	return r ? r : write_into(s, "HEAD", strbuf_str(&head), err);
}

static int shadow_make(const struct git *g, struct shadow *s, struct error *err)
{
	/* info holds the sparse patterns; the attributes are the repository's in any case. */
	static const char *const needed[] = {"index", "info", "refs", "reftable"};
	const char *tmp = getenv("TMPDIR");
	autofree char *dir = path_join(tmp && *tmp == '/' ? tmp : "/tmp", "coppice-look-XXXXXX");
	if (!mkdtemp(dir))
		return error_errno(err, errno, "cannot make the temporary folder %s", dir);
	*s = (struct shadow){.dir = TAKE_PTR(dir), .of = g->git_dir};
	int r = copy_head(s, err);
	if (r == 0) /* for the refs git looks here, whatever GIT_COMMON_DIR says */
		r = write_into(s, "commondir", g->common_dir, err);
	for (size_t i = 0; i < ARRAY_SIZE(needed) && r == 0; i++)
		r = link_into(s, needed[i], err);
	return r ? r : dir_each(g->git_dir, link_shared_index, s, err);
}

static int look(const struct git *g, char **set, const char *const *args, struct strbuf *out,
		struct error *err)
{
	union {
		char **in;
		const char *const *out;
	} with = {set};
	return git_run_with(g, 0, args, NULL, 0, with.out, out, NULL, err);
}

int git_look(const struct git *g, const struct git_guard *guard, const char *const *args, struct strbuf *out,
	     struct error *err)
{
	autogitguard own = {0};
	int r = guard ? 0 : git_guard_take(g, &own, err);
	if (r)
		return r;
	if (!guard)
		guard = &own;
	if (!guard->set_aside || strcmp(g->git_dir, g->common_dir) == 0)
		return look(g, guard->set, args, out, err);
	_cleanup_(shadow_release) struct shadow s = {0};
	r = shadow_make(g, &s, err);
	if (r)
		return r;
	struct git aside = *g;
	aside.git_dir = s.dir;
	return look(&aside, guard->set_aside, args, out, err);
}

/* git's porcelain with -z: worktrees and status; see git.h.
 *
 * Both formats are NUL-separated, so paths need no quoting. `git worktree list --porcelain -z` gives one
 * "attribute value" a field and an empty field after each worktree; attributes that we do not know are
 * skipped, for newer versions may add some. `git status --porcelain=v2 -z` gives one entry a field, with
 * a fixed number of space-separated columns before the path; a rename is followed by one more field, its
 * old path. */
#include "repo/git.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "os/file.h"

enum {
	WORKTREE_TRIES = 40,
	LINK_MAX_BYTES = 8192, /* of a gitdir or .git file */
};

/* A growing list of worktrees. */
struct listing {
	struct git_worktree *at;
	size_t n, cap;
};

static void worktree_clear(struct git_worktree *w)
{
	free(w->path);
	free(w->git_dir);
	free(w->head);
	free(w->branch);
	free(w->locked);
}

void git_worktrees_release(struct git_worktrees *list)
{
	for (size_t i = 0; i < list->n; i++)
		worktree_clear(&list->at[i]);
	free(list->at);
	*list = (struct git_worktrees){0};
}

/* The value of `field` if its attribute is `name`: "" without one, NULL for another attribute. */
static const char *value_of(const char *field, const char *name)
{
	size_t n = strlen(name);
	if (strncmp(field, name, n) != 0 || (field[n] && field[n] != ' '))
		return NULL;
	return field[n] ? field + n + 1 : field + n;
}

static void set_once(char **slot, const char *value)
{
	if (!*slot)
		*slot = xstrdup(value);
}

static void worktree_attribute(struct git_worktree *w, const char *field)
{
	const char *value;
	if ((value = value_of(field, "HEAD")) != NULL) {
		if (strspn(value, "0") != strlen(value))
			set_once(&w->head, value);
	} else if ((value = value_of(field, "branch")) != NULL) {
		static const char heads[] = "refs/heads/";
		bool is_branch = strncmp(value, heads, strlen(heads)) == 0;
		set_once(&w->branch, is_branch ? value + strlen(heads) : value);
	} else if ((value = value_of(field, "locked")) != NULL) {
		set_once(&w->locked, value);
	} else if (value_of(field, "prunable")) {
		w->prunable = true;
	} else if (value_of(field, "bare")) {
		w->bare = true;
	}
}

bool git_worktrees_parse(const char *text, size_t len, struct git_worktrees *ret)
{
	struct listing list = {0};
	struct git_worktree *open = NULL;
	bool good = true;
	for (size_t i = 0; good && i < len;) {
		const char *field = text + i;
		const char *end = memchr(field, '\0', len - i);
		good = end != NULL;
		if (!good)
			break;
		i += (size_t)(end - field) + 1;
		const char *path = value_of(field, "worktree");
		if (!*field) {
			good = open != NULL;
			open = NULL;
		} else if (open) {
			worktree_attribute(open, field);
		} else if (path && *path == '/') {
			ARRAY_GROW(list.at, list.n, list.cap);
			open = &list.at[list.n++];
			*open = (struct git_worktree){.path = xstrdup(path), .main = list.n == 1};
		} else {
			good = false;
		}
	}
	struct git_worktrees done = {.at = list.at, .n = list.n};
	if (!good || open) {
		git_worktrees_release(&done);
		return false;
	}
	*ret = done;
	return true;
}

/* What git wrote into a file that holds one path, NULL if it cannot be read; caller frees. A path may
 * hold line breaks; git takes off the white space at its end. */
static char *read_link(const char *path)
{
	autostrbuf text = STRBUF_INIT(LINK_MAX_BYTES);
	if (file_read(path, &text, NULL) != 0)
		return NULL;
	while (text.len > 0 && isspace((unsigned char)text.buf[text.len - 1]))
		strbuf_setlen(&text, text.len - 1);
	return strbuf_detach(&text);
}

int git_link_read(const char *worktree, char **ret, struct error *err)
{
	static const char prefix[] = "gitdir: ";
	autofree char *link = path_join(worktree, ".git");
	autofree char *line = read_link(link);
	if (!line || strncmp(line, prefix, strlen(prefix)) != 0)
		return error_set(err, ERR_NOT_FOUND, "%s names no repository", link);
	const char *to = line + strlen(prefix);
	autofree char *joined = *to == '/' ? xstrdup(to) : path_join(worktree, to);
	return path_resolve(joined, ret, err);
}

/* Whether the worktree's .git file names `git_dir`. */
static bool link_names(const char *worktree, const char *git_dir)
{
	autofree char *named = NULL;
	return git_link_read(worktree, &named, NULL) == 0 && strcmp(named, git_dir) == 0;
}

/* The worktree that an admin folder is registered for, NULL if that cannot be read; caller frees. */
static char *registered_path(const char *git_dir)
{
	autofree char *file = path_join(git_dir, "gitdir");
	autofree char *line = read_link(file);
	if (!line)
		return NULL;
	size_t n = strlen(line), suffix = strlen("/.git");
	if (n > suffix && strcmp(line + n - suffix, "/.git") == 0)
		line[n - suffix] = '\0';
	if (*line == '/')
		return TAKE_PTR(line);
	autofree char *joined = path_join(git_dir, line);
	char *real = NULL;
	return path_resolve(joined, &real, NULL) == 0 ? real : NULL;
}

/* What dir_each gives to claim(). */
struct claims {
	const char *admin; /* <common_dir>/worktrees */
	struct git_worktrees *list;
};

/* Gives the admin folder to the worktree that it names. Of two that name the same one, the one that
 * the worktree itself names wins; if it names neither, nobody can tell. */
static int claim(const char *name, int type, void *data, struct error *err)
{
	(void)err;
	struct claims *c = data;
	if (type != DT_DIR)
		return 0;
	autofree char *git_dir = path_join(c->admin, name);
	autofree char *path = registered_path(git_dir);
	for (size_t i = 0; path && i < c->list->n; i++) {
		struct git_worktree *w = &c->list->at[i];
		if (w->main || strcmp(w->path, path) != 0)
			continue;
		bool other = w->git_dir && link_names(path, w->git_dir);
		if (w->git_dir && !other) {
			free(w->git_dir);
			w->git_dir = link_names(path, git_dir) ? TAKE_PTR(git_dir) : NULL;
		} else if (!w->git_dir) {
			w->git_dir = TAKE_PTR(git_dir);
		}
		return 0;
	}
	return 0;
}

/* Porcelain does not tell the admin folders; they name their worktrees. */
static int find_git_dirs(const struct git *g, struct git_worktrees *list, struct error *err)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->at[i].main)
			list->at[i].git_dir = xstrdup(g->common_dir);
	autofree char *admin = path_join(g->common_dir, "worktrees");
	struct claims claims = {.admin = admin, .list = list};
	autoerror why = {0};
	int r = dir_each(admin, claim, &claims, &why);
	if (r == 0 || r == ERR_NOT_FOUND) /* not there: no linked worktrees */
		return 0;
	return error_set(err, (enum error_code)r, "%s", why.message);
}

/* "failed to read …/commondir: Success" and "Invalid path '…/worktrees/x': No such file or directory". */
static bool met_another(const struct error *why)
{
	return strstr(why->message, "failed to read") ||
	       (strstr(why->message, "Invalid path") && strstr(why->message, "/worktrees/"));
}

int git_run_worktree(const struct git *g, const char *const *args, struct strbuf *out, struct error *err)
{
	for (int tries = 0;; tries++) {
		autoerror why = {0};
		if (out)
			strbuf_reset(out);
		int r = git_run(g, 0, args, out, NULL, &why);
		if (r == ERR_GIT && tries < WORKTREE_TRIES && met_another(&why))
			continue;
		if (r && err) {
			error_release(err);
			*err = why;
			why = (struct error){0};
		}
		return r;
	}
}

int git_worktrees(const struct git *g, struct git_worktrees *ret, struct error *err)
{
	autostrbuf out = STRBUF_INIT(GIT_OUTPUT_MAX);
	static const char *const args[] = {"worktree", "list", "--porcelain", "-z", NULL};
	int r = git_run_worktree(g, args, &out, err);
	if (r)
		return r;
	struct git_worktrees list = {0};
	if (!git_worktrees_parse(strbuf_str(&out), out.len, &list))
		return error_set(err, ERR_GIT, "cannot read what git worktree list printed");
	r = find_git_dirs(g, &list, err);
	if (r)
		git_worktrees_release(&list);
	else
		*ret = list;
	return r;
}

void git_status_release(struct git_status *s)
{
	strbuf_release(&s->text);
	free(s->at);
	*s = (struct git_status){0};
}

/* An entry's kind, the columns before its path, and where it is counted. */
static const struct status_kind {
	char kind;
	unsigned char columns;
	bool old_path; /* one more field follows */
	size_t count;  /* offset of the counter in struct git_status */
} status_kinds[] = {
	{'1', 8, false, offsetof(struct git_status, changed)},
	{'2', 9, true, offsetof(struct git_status, changed)},
	{'u', 10, false, offsetof(struct git_status, unmerged)},
	{'?', 1, false, offsetof(struct git_status, untracked)},
	{'!', 1, false, offsetof(struct git_status, ignored)},
};

static const struct status_kind *kind_of(char c)
{
	for (size_t i = 0; i < ARRAY_SIZE(status_kinds); i++)
		if (status_kinds[i].kind == c)
			return &status_kinds[i];
	return NULL;
}

/* The path after `columns` columns, NULL if there are fewer or the path is empty. */
static const char *after_columns(const char *field, unsigned columns)
{
	while (columns-- > 0) {
		size_t n = strcspn(field, " ");
		if (n == 0 || !field[n])
			return NULL;
		field += n + 1;
	}
	return *field ? field : NULL;
}

bool git_status_parse(struct git_status *ret)
{
	const char *p = strbuf_str(&ret->text), *end = p + ret->text.len;
	size_t cap = 0;
	if (p < end && end[-1] != '\0')
		return false; /* cut off */
	while (p < end) {
		const char *field = p;
		p += strlen(p) + 1;
		if (*field == '#')
			continue;
		const struct status_kind *kind = kind_of(*field);
		const char *path = kind ? after_columns(field, kind->columns) : NULL;
		if (!path || field[1] != ' ')
			return false;
		if (kind->old_path) {
			if (p >= end || !*p)
				return false;
			p += strlen(p) + 1;
		}
		ARRAY_GROW(ret->at, ret->n, cap);
		ret->at[ret->n++] = (struct git_status_entry){.kind = *field, .path = path};
		++*(size_t *)((char *)ret + kind->count);
	}
	return true;
}

int git_status(const struct git *g, const struct git_guard *guard, unsigned flags, struct git_status *ret,
	       struct error *err)
{
	const char *const args[] = {"status",
				    "--porcelain=v2",
				    "-z",
				    "--no-renames",
				    "--ignore-submodules=dirty",
				    flags & GIT_STATUS_UNTRACKED_ALL ? "--untracked-files=all"
								     : "--untracked-files=normal",
				    flags & GIT_STATUS_IGNORED ? "--ignored=traditional" : "--ignored=no",
				    NULL};
	struct git_status s = {.text = STRBUF_INIT(GIT_OUTPUT_MAX)};
	int r = git_look(g, guard, args, &s.text, err);
	if (r == 0 && !git_status_parse(&s))
		r = error_set(err, ERR_GIT, "cannot read what git status printed");
	if (r) {
		git_status_release(&s);
		return r;
	}
	*ret = s;
	return 0;
}

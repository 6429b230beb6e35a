/* Where a new worktree goes; see creation.h.
 *
 * The path is resolved as far as it exists, so that what is compared with other worktrees, and what git
 * registers, is free of symlinks. A path is taken when something is there (an empty folder is fine, as
 * it is for git), or when a worktree is registered for it, even one whose folder is gone. It is refused
 * inside git's own folder and inside another linked worktree, which would take it along when it is
 * removed. Inside the main worktree is the user's decision. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "os/file.h"
#include "repo/creation.h"

struct place {
	char *path;	   /* resolved */
	char *existing;	   /* its nearest folder that is there, resolved */
	char *made_parent; /* as in struct creation */
	bool empty_before;
};

static void place_release(struct place *p)
{
	free(p->path);
	free(p->existing);
	free(p->made_parent);
	*p = (struct place){0};
}

/* Adds what is not there yet, component by component, each a plain name. */
static int add_missing(struct place *p, const char *rest, struct error *err)
{
	p->path = xstrdup(p->existing);
	for (const char *s = rest + strspn(rest, "/"); *s; s += strspn(s, "/")) {
		size_t n = strcspn(s, "/");
		autofree char *name = xstrndup(s, n), *parent = TAKE_PTR(p->path);
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || n > NAME_MAX)
			return error_set(err, ERR_INVALID, "'%s' below %s is no place for a worktree", rest,
					 p->existing);
		p->path = path_join(parent, name);
		if (!p->made_parent && strcmp(parent, p->existing) != 0)
			p->made_parent = TAKE_PTR(parent);
		s += n;
	}
	return 0;
}

/* Finds the nearest folder above the path that is there, and what is to come below it. */
static int resolve(const char *path, struct place *p, struct error *err)
{
	autofree char *head = xstrdup(path);
	struct stat st;
	size_t n = strlen(head);
	while (n > 1 && path[n - 1] == '/')
		n--;
	if (n <= 1)
		return error_set(err, ERR_INVALID, "'%s' is no place for a worktree", path);
	do {
		while (n > 0 && path[n - 1] != '/')
			n--;
		while (n > 1 && path[n - 1] == '/')
			n--;
		head[n] = '\0';
	} while (n > 1 && lstat(head, &st) < 0 && errno == ENOENT);
	if (stat(head, &st) < 0 || !S_ISDIR(st.st_mode))
		return error_set(err, ERR_EXISTS, "%s is not a folder", head);
	int r = path_resolve(head, &p->existing, err);
	return r ? r : add_missing(p, path + n, err);
}

static int note_entry(const char *name, int type, void *data, struct error *err)
{
	(void)name;
	(void)type;
	(void)err;
	*(bool *)data = false;
	return 0;
}

/* ERR_EXISTS when the path is taken. */
static int check_free(struct place *p, const struct git_worktrees *list, struct error *err)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->at[i].path, p->path) == 0)
			return error_set(err, ERR_EXISTS, "%s is registered as the worktree of %s", p->path,
					 list->at[i].branch ? list->at[i].branch : "a detached HEAD");
	struct stat st;
	if (lstat(p->path, &st) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot look at %s", p->path);
	bool empty = S_ISDIR(st.st_mode);
	int r = empty ? dir_each(p->path, note_entry, &empty, err) : 0;
	if (r)
		return r;
	if (!empty)
		return error_set(err, ERR_EXISTS, "%s exists and is not an empty folder", p->path);
	p->empty_before = true;
	return 0;
}

static int check_surroundings(const struct creation *c, const struct place *p,
			      const struct git_worktrees *list, struct error *err)
{
	if (path_inside(p->path, c->repo.common_dir))
		return error_set(err, ERR_REFUSED, "%s is inside the repository's own folder %s", p->path,
				 c->repo.common_dir);
	for (size_t i = 0; i < list->n; i++) {
		const struct git_worktree *w = &list->at[i];
		if (!w->main && strcmp(w->path, p->path) != 0 && path_inside(p->path, w->path))
			return error_hint(
				err,
				error_set(err, ERR_REFUSED, "%s is inside the worktree %s", p->path, w->path),
				"choose a path beside it: removing that worktree would take it along");
	}
	return path_check_local(p->existing, err);
}

static int check_room(const struct creation *c, const struct place *p, struct error *err)
{
	uint64_t room = 0;
	int r = c->min_free ? path_free_space(p->existing, &room, err) : 0;
	if (r || room >= c->min_free)
		return r;
	r = error_set(err, ERR_DISK_FULL,
		      "only %" PRIu64 " MiB are free at %s, less than the %" PRIu64 " MiB to be kept",
		      room >> 20, p->existing, c->min_free >> 20);
	return error_hint(err, r, "make room, or lower worktrees.min_free");
}

static int try_path(const struct creation *c, const char *path, const struct git_worktrees *list,
		    struct place *p, struct error *err)
{
	int r = resolve(path, p, err);
	if (r == 0)
		r = check_surroundings(c, p, list, err);
	if (r == 0)
		r = check_free(p, list, err);
	return r ? r : check_room(c, p, err);
}

int creation_choose_path(struct creation *c, const struct git_worktrees *list, struct error *err)
{
	_cleanup_(place_release) struct place p = {0};
	autoerror taken = {0};
	int r = try_path(c, c->asked_path, list, &p, &taken);
	if (r == ERR_EXISTS && !c->path_fixed) {
		autofree char *other = xasprintf("%s-%s", c->asked_path, c->hash);
		place_release(&p);
		error_release(&taken);
		r = try_path(c, other, list, &p, &taken);
	}
	if (r) {
		r = error_set(err, (enum error_code)r, "%s", taken.message);
		const char *hint = taken.hint	     ? taken.hint
				   : r == ERR_EXISTS ? "choose another one with --path"
						     : NULL;
		return hint ? error_hint(err, r, "%s", hint) : r;
	}
	c->path = TAKE_PTR(p.path);
	c->made_parent = TAKE_PTR(p.made_parent);
	c->empty_before = p.empty_before;
	return 0;
}

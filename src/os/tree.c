/* Walking whole trees: tree_remove and tree_size of file.h.
 *
 * The walk holds one descriptor, of the folder it is in, and goes down with openat(2) and up with
 * "..", so neither depth nor path length is limited. Each folder is opened with O_NOFOLLOW and must
 * be on the mount where the walk began; on the way up, the folder that ".." leads to must be the one
 * that was left, or the tree was moved under the walk, which then stops. So nothing outside of the tree
 * is ever touched, whatever others rename meanwhile.
 *
 * Per folder: `file` for each entry that is no folder, then the same for each subfolder, then `leave`. */
#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Which mount something is on. `id` is 0 where the kernel cannot tell; then the device decides. */
struct mount {
	uint64_t id;
	dev_t dev;
};

struct level {
	char *name; /* in its parent, owned */
	dev_t dev;
	ino_t ino;
	char **subs; /* folders in it that are still to be walked, owned */
	size_t n, cap;
};

struct walk {
	bool make_writable; /* give the owner all rights on each folder */
	/* Both get the folder that holds `name`; an entry that vanished is no error. */
	int (*file)(struct walk *w, int dir_fd, const char *name, struct error *err);
	int (*leave)(struct walk *w, int dir_fd, const char *name, struct error *err);
	const char *path; /* of the root, for messages */
	void *data;
	struct mount mount;
	int root_fd; /* the folder that holds the root */
	int fd;	     /* the folder of the last level */
	struct level *levels;
	size_t depth, cap;
};

static bool same_mount(const struct mount *a, const struct mount *b)
{
	return a->id && b->id ? a->id == b->id : a->dev == b->dev;
}

static int mount_of(int fd, struct mount *ret, struct stat *ret_st)
{
	struct statx stx;
	if (fstat(fd, ret_st) < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0)
		return -1;
	*ret = (struct mount){.id = stx.stx_mask & STATX_MNT_ID ? stx.stx_mnt_id : 0, .dev = ret_st->st_dev};
	return 0;
}

static void level_release(struct level *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->subs[i]);
	free(l->subs);
	free(l->name);
}

static void walk_release(struct walk *w)
{
	while (w->depth > 0)
		level_release(&w->levels[--w->depth]);
	free(w->levels);
	if (w->fd >= 0)
		(void)close(w->fd); /* only read through it */
	if (w->root_fd >= 0)
		(void)close(w->root_fd); /* only read through it */
}

static int walk_errno(const struct walk *w, int errnum, const char *what, const char *name, struct error *err)
{
	return error_errno(err, errnum, "cannot %s %s in %s", what, name, w->path);
}

/* Opens the folder `name` for reading. 0 with *ret_fd -1: it vanished or is no folder any more. */
static int open_folder(struct walk *w, int dir_fd, const char *name, int *ret_fd, struct stat *ret_st,
		       struct error *err)
{
	*ret_fd = -1;
	autoclose int handle = openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (handle < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return 0;
	struct mount mount;
	if (handle < 0 || mount_of(handle, &mount, ret_st) < 0)
		return walk_errno(w, errno, "open", name, err);
	if (!same_mount(&mount, &w->mount))
		return error_hint(err,
				  error_set(err, ERR_REFUSED, "%s in %s is a mount point", name, w->path),
				  "unmount it first");
	if (w->make_writable && (ret_st->st_mode & S_IRWXU) != S_IRWXU) {
		/* By the open handle, for chmod by name would follow a symlink put there meanwhile. */
		char self[64];
		(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", handle);
		if (chmod(self, (ret_st->st_mode & 07777) | S_IRWXU) < 0)
			return walk_errno(w, errno, "make writable", name, err);
	}
	*ret_fd = openat(handle, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret_fd < 0 ? walk_errno(w, errno, "open", name, err) : 0;
}

static int visit_entry(struct walk *w, struct level *l, const struct dirent *e, struct error *err)
{
	struct stat st;
	int type = e->d_type;
	if (type == DT_UNKNOWN) {
		if (fstatat(w->fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return errno == ENOENT ? 0 : walk_errno(w, errno, "look at", e->d_name, err);
		type = IFTODT(st.st_mode);
	}
	if (type != DT_DIR)
		return w->file(w, w->fd, e->d_name, err);
	ARRAY_GROW(l->subs, l->n, l->cap);
	l->subs[l->n++] = xstrdup(e->d_name);
	return 0;
}

/* Visits what is in the folder of the last level. */
static int scan(struct walk *w, struct error *err)
{
	struct level *l = &w->levels[w->depth - 1];
	autoclose int fd = openat(w->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return walk_errno(w, errno, "read", l->name, err);
	(void)TAKE_FD(fd); /* the stream's now */
	int r = 0;
	while (r == 0) {
		errno = 0;
		const struct dirent *e = readdir(dir);
		if (!e) {
			r = errno ? walk_errno(w, errno, "read", l->name, err) : 0;
			break;
		}
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = visit_entry(w, l, e, err);
	}
	(void)closedir(dir); /* was only read */
	return r;
}

/* Goes down into `name`, which is in `dir_fd`. */
static int enter(struct walk *w, int dir_fd, const char *name, struct error *err)
{
	int fd;
	struct stat st;
	int r = open_folder(w, dir_fd, name, &fd, &st, err);
	if (r || fd < 0)
		return r;
	if (w->fd >= 0)
		(void)close(w->fd); /* only read through it */
	w->fd = fd;
	ARRAY_GROW(w->levels, w->depth, w->cap);
	w->levels[w->depth++] = (struct level){.name = xstrdup(name), .dev = st.st_dev, .ino = st.st_ino};
	return scan(w, err);
}

/* Goes up from the last level, whose folder is done with. */
static int leave(struct walk *w, struct error *err)
{
	struct level done = w->levels[--w->depth];
	const struct level *up = w->depth > 0 ? &w->levels[w->depth - 1] : NULL;
	int fd = -1, r;
	struct stat st;
	if (up && ((fd = openat(w->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 || fstat(fd, &st) < 0))
		r = walk_errno(w, errno, "leave", done.name, err);
	else if (up && (st.st_dev != up->dev || st.st_ino != up->ino))
		r = error_set(err, ERR_CONFLICT, "%s was moved meanwhile", w->path);
	else
		r = w->leave(w, up ? fd : w->root_fd, done.name, err);
	level_release(&done);
	(void)close(w->fd); /* only read through it */
	w->fd = fd;
	return r;
}

/* Opens the folder that holds `path`, through no symlink, and splits off the name. 0 with
 * *ret_name NULL: there is no such folder. */
static int open_parent(const char *path, int *ret_fd, char **ret_name, struct error *err)
{
	autofree char *copy = xstrdup(path);
	for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
		copy[n - 1] = '\0';
	const char *name = path_base(copy);
	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return error_set(err, ERR_INVALID, "'%s' does not name a tree", path);
	autofree char *dir = xstrndup(copy, (size_t)(name - copy));
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, *dir ? dir : ".", &how, sizeof(how));
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 && errno == ELOOP)
		return error_set(err, ERR_REFUSED, "%s leads through a symlink", path);
	if (fd < 0)
		return error_errno(err, errno, "cannot open the folder of %s", path);
	*ret_fd = fd;
	*ret_name = xstrdup(name);
	return 0;
}

static int walk_levels(struct walk *w, struct error *err)
{
	int r = 0;
	while (r == 0 && w->depth > 0) {
		struct level *l = &w->levels[w->depth - 1];
		if (l->n == 0) {
			r = leave(w, err);
		} else {
			autofree char *sub = l->subs[--l->n];
			r = enter(w, w->fd, sub, err);
		}
	}
	return r;
}

static int walk_tree(struct walk *w, const char *path, struct error *err)
{
	autofree char *name = NULL;
	w->path = path;
	w->root_fd = w->fd = -1;
	int r = open_parent(path, &w->root_fd, &name, err);
	struct stat st;
	if (r == 0 && name) {
		if (mount_of(w->root_fd, &w->mount, &st) < 0)
			r = walk_errno(w, errno, "look at", name, err);
		else if (fstatat(w->root_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			r = errno == ENOENT ? 0 : walk_errno(w, errno, "look at", name, err);
		else if (S_ISDIR(st.st_mode))
			r = enter(w, w->root_fd, name, err);
		else
			r = w->file(w, w->root_fd, name, err);
	}
	if (r == 0)
		r = walk_levels(w, err);
	walk_release(w);
	return r;
}

static int remove_entry(struct walk *w, int dir_fd, const char *name, int flags, struct error *err)
{
	if (unlinkat(dir_fd, name, flags) == 0 || errno == ENOENT)
		return 0;
	/* Something was created in the folder, or a folder took a file's place. */
	if (errno == ENOTEMPTY || errno == EEXIST || errno == EISDIR || errno == ENOTDIR)
		return error_set(err, ERR_CONFLICT, "%s in %s was changed while it was removed", name,
				 w->path);
	return walk_errno(w, errno, "remove", name, err);
}

static int remove_file(struct walk *w, int dir_fd, const char *name, struct error *err)
{
	return remove_entry(w, dir_fd, name, 0, err);
}

static int remove_folder(struct walk *w, int dir_fd, const char *name, struct error *err)
{
	return remove_entry(w, dir_fd, name, AT_REMOVEDIR, err);
}

int tree_remove(const char *path, struct error *err)
{
	enum { TRIES = 3 }; /* a process that still writes there is let win after that */
	for (int i = 1;; i++) {
		autoerror failure = {0};
		struct walk w = {.make_writable = true, .file = remove_file, .leave = remove_folder};
		int r = walk_tree(&w, path, &failure);
		if (r == ERR_CONFLICT && i < TRIES)
			continue;
		if (r && err) {
			error_release(err);
			*err = failure;
			failure = (struct error){0};
		}
		return r;
	}
}

struct linked {
	dev_t dev;
	ino_t ino;
	uint64_t bytes;
};

struct sizes {
	uint64_t bytes;
	struct linked *linked; /* entries with several names, one for each that was met; owned */
	size_t n, cap;
};

static int add_size(struct walk *w, int dir_fd, const char *name, struct error *err)
{
	struct sizes *s = w->data;
	struct stat st;
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : walk_errno(w, errno, "look at", name, err);
	uint64_t bytes = (uint64_t)st.st_blocks * 512; /* the unit of st_blocks, whatever the file system */
	if (S_ISDIR(st.st_mode) || st.st_nlink == 1) {
		s->bytes += bytes;
		return 0;
	}
	ARRAY_GROW(s->linked, s->n, s->cap);
	s->linked[s->n++] = (struct linked){.dev = st.st_dev, .ino = st.st_ino, .bytes = bytes};
	return 0;
}

static int by_inode(const void *a, const void *b)
{
	const struct linked *x = a, *y = b;
	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

int tree_size(const char *path, uint64_t *ret, struct error *err)
{
	struct sizes s = {0};
	struct walk w = {.file = add_size, .leave = add_size, .data = &s};
	int r = walk_tree(&w, path, err);
	if (s.n > 0)
		qsort(s.linked, s.n, sizeof(*s.linked), by_inode);
	for (size_t i = 0; i < s.n; i++)
		if (i == 0 || by_inode(&s.linked[i - 1], &s.linked[i]) != 0)
			s.bytes += s.linked[i].bytes;
	free(s.linked);
	if (r == 0)
		*ret = s.bytes;
	return r;
}

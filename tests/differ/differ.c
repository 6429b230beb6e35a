/* Tree differ; see differ.h.
 *
 * A recording is an array of entries sorted by relative path, so that a comparison is one merge of two
 * sorted arrays. Paths are sorted bytewise, a folder thus before what it holds. Contents are kept, not
 * hashed: equal means equal. Hard links are told by inode while recording and kept as the first path
 * of their group, since inode numbers may rightly differ between two trees. */
#include "differ.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/text.h"

struct xattr {
	char *name;
	struct strbuf value;
};

struct entry {
	char *path; /* relative to the root, "" for the root itself */
	struct stat st;
	struct strbuf content; /* a file's bytes or a symlink's target */
	const char *link;      /* path of the first entry that is the same file, its own if it is alone */
	struct xattr *xattrs;  /* sorted by name */
	size_t n_xattrs;
};

struct differ {
	struct entry *at;
	size_t n, cap;
	size_t content; /* bytes kept */
};

static void entry_release(struct entry *e)
{
	for (size_t i = 0; i < e->n_xattrs; i++) {
		free(e->xattrs[i].name);
		strbuf_release(&e->xattrs[i].value);
	}
	free(e->xattrs);
	strbuf_release(&e->content);
	free(e->path);
}

void differ_free(struct differ *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->n; i++)
		entry_release(&d->at[i]);
	free(d->at);
	free(d);
}

void differ_freep(struct differ **d)
{
	differ_free(*d);
}

size_t differ_count(const struct differ *d)
{
	return d->n;
}

static int read_content(const char *full, struct differ *d, struct entry *e, struct error *err)
{
	autoclose int fd = open(full, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOATIME);
	if (fd < 0 && errno == EPERM)
		fd = open(full, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "cannot open %s", full);
	strbuf_init(&e->content, DIFFER_CONTENT_MAX);
	for (;;) {
		char *to = strbuf_reserve(&e->content, 64 << 10);
		if (!to)
			return error_set(err, ERR_TOO_LARGE, "%s is too large to record", full);
		ssize_t n = read(fd, to, 64 << 10);
		if (n < 0)
			return error_errno(err, errno, "cannot read %s", full);
		if (n == 0)
			break;
		strbuf_setlen(&e->content, e->content.len + (size_t)n);
	}
	d->content += e->content.len;
	if (d->content > DIFFER_CONTENT_MAX)
		return error_set(err, ERR_TOO_LARGE, "the tree is too large to record");
	return 0;
}

static int read_target(const char *full, struct entry *e, struct error *err)
{
	strbuf_init(&e->content, 64 << 10);
	char *to = strbuf_reserve(&e->content, 32 << 10);
	ssize_t n = readlink(full, to, 32 << 10);
	if (n < 0)
		return error_errno(err, errno, "cannot read the symlink %s", full);
	strbuf_setlen(&e->content, (size_t)n);
	return 0;
}

static int compare_xattrs(const void *a, const void *b)
{
	const struct xattr *x = a, *y = b;
	return strcmp(x->name, y->name);
}

static int read_xattrs(const char *full, struct entry *e, struct error *err)
{
	autofree char *names = xmalloc(XATTR_LIST_MAX), *value = xmalloc(XATTR_LIST_MAX);
	ssize_t len = llistxattr(full, names, XATTR_LIST_MAX);
	if (len < 0)
		return errno == ENOTSUP ? 0 : error_errno(err, errno, "cannot list attributes of %s", full);
	size_t cap = 0;
	for (const char *name = names; name < names + len; name += strlen(name) + 1) {
		ssize_t n = lgetxattr(full, name, value, XATTR_LIST_MAX);
		if (n < 0)
			return error_errno(err, errno, "cannot read the attribute %s of %s", name, full);
		ARRAY_GROW(e->xattrs, e->n_xattrs, cap);
		struct xattr *x = &e->xattrs[e->n_xattrs++];
		*x = (struct xattr){.name = xstrdup(name), .value = STRBUF_INIT(XATTR_LIST_MAX)};
		strbuf_add(&x->value, value, (size_t)n);
	}
	if (e->n_xattrs)
		qsort(e->xattrs, e->n_xattrs, sizeof(*e->xattrs), compare_xattrs);
	return 0;
}

static int record(struct differ *d, const char *root, const char *path, struct error *err);

static int record_children(struct differ *d, const char *root, const char *path, const char *full,
			   struct error *err)
{
	DIR *dir = opendir(full);
	if (!dir)
		return error_errno(err, errno, "cannot open the folder %s", full);
	int code = 0;
	for (;;) {
		errno = 0;
		const struct dirent *de = readdir(dir);
		if (!de) {
			if (errno)
				code = error_errno(err, errno, "cannot read the folder %s", full);
			break;
		}
		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		autofree char *child = *path ? xasprintf("%s/%s", path, de->d_name) : xstrdup(de->d_name);
		code = record(d, root, child, err);
		if (code)
			break;
	}
	closedir(dir);
	return code;
}

static int record(struct differ *d, const char *root, const char *path, struct error *err)
{
	autofree char *full = *path ? xasprintf("%s/%s", root, path) : xstrdup(root);
	struct stat st;
	if (lstat(full, &st)) {
		if (!*path && errno == ENOENT)
			return 0;
		return error_errno(err, errno, "cannot look at %s", full);
	}
	ARRAY_GROW(d->at, d->n, d->cap);
	struct entry *e = &d->at[d->n++];
	*e = (struct entry){.path = xstrdup(path), .st = st};
	int code = read_xattrs(full, e, err);
	if (!code && S_ISREG(st.st_mode))
		code = read_content(full, d, e, err);
	if (!code && S_ISLNK(st.st_mode))
		code = read_target(full, e, err);
	if (!code && S_ISDIR(st.st_mode))
		code = record_children(d, root, path, full, err);
	return code;
}

static int compare_paths(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	return strcmp(x->path, y->path);
}

/* By inode, and by path within one: so that a group of hard links is a run that starts with its first. */
static int compare_inodes(const void *a, const void *b)
{
	const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;
	if (x->st.st_dev != y->st.st_dev)
		return x->st.st_dev < y->st.st_dev ? -1 : 1;
	if (x->st.st_ino != y->st.st_ino)
		return x->st.st_ino < y->st.st_ino ? -1 : 1;
	return strcmp(x->path, y->path);
}

static void group_links(struct differ *d)
{
	autofree struct entry **by = xcalloc(d->n + 1, sizeof(struct entry *));
	for (size_t i = 0; i < d->n; i++)
		by[i] = &d->at[i];
	qsort(by, d->n, sizeof(*by), compare_inodes);
	for (size_t i = 0; i < d->n; i++) {
		bool same = i > 0 && by[i]->st.st_dev == by[i - 1]->st.st_dev &&
			    by[i]->st.st_ino == by[i - 1]->st.st_ino;
		by[i]->link = same ? by[i - 1]->link : by[i]->path;
	}
}

int differ_record(const char *root, struct differ **ret, struct error *err)
{
	autodiffer *d = xcalloc(1, sizeof(*d));
	int code = record(d, root, "", err);
	if (code)
		return code;
	if (d->n)
		qsort(d->at, d->n, sizeof(*d->at), compare_paths);
	group_links(d);
	*ret = TAKE_PTR(d);
	return 0;
}

static const char *type_name(mode_t mode)
{
	static const struct {
		mode_t type;
		const char *name;
	} types[] = {{S_IFREG, "file"},
		     {S_IFDIR, "folder"},
		     {S_IFLNK, "symlink"},
		     {S_IFIFO, "fifo"},
		     {S_IFSOCK, "socket"},
		     {S_IFBLK, "block device"},
		     {S_IFCHR, "character device"}};
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if ((mode & S_IFMT) == types[i].type)
			return types[i].name;
	return "unknown";
}

struct report {
	struct strbuf *out;
	size_t n;
};

static void report(struct report *r, const struct entry *e, const char *fmt, ...) _printf_(3, 4);
static void report(struct report *r, const struct entry *e, const char *fmt, ...)
{
	r->n++;
	if (!r->out)
		return;
	text_escape(*e->path ? e->path : ".", *e->path ? strlen(e->path) : 1, false, r->out);
	strbuf_addstr(r->out, ": ");
	va_list ap;
	va_start(ap, fmt);
	strbuf_vaddf(r->out, fmt, ap);
	va_end(ap);
	strbuf_addch(r->out, '\n');
}

static bool same_bytes(const struct strbuf *a, const struct strbuf *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->buf, b->buf, a->len) == 0);
}

static void compare_content(struct report *r, const struct entry *a, const struct entry *b)
{
	if (same_bytes(&a->content, &b->content))
		return;
	size_t at = 0;
	while (at < a->content.len && at < b->content.len && a->content.buf[at] == b->content.buf[at])
		at++;
	if (S_ISLNK(a->st.st_mode))
		report(r, a, "symlink target, was %s, is %s", strbuf_str(&a->content),
		       strbuf_str(&b->content));
	else
		report(r, a, "content, was %zu bytes, is %zu bytes, first difference at byte %zu",
		       a->content.len, b->content.len, at);
}

static void compare_attributes(struct report *r, const struct entry *a, const struct entry *b)
{
	size_t i = 0, j = 0;
	while (i < a->n_xattrs || j < b->n_xattrs) {
		int order = i == a->n_xattrs   ? 1
			    : j == b->n_xattrs ? -1
					       : strcmp(a->xattrs[i].name, b->xattrs[j].name);
		if (order < 0)
			report(r, a, "attribute %s is gone", a->xattrs[i].name);
		else if (order > 0)
			report(r, a, "attribute %s is new", b->xattrs[j].name);
		else if (!same_bytes(&a->xattrs[i].value, &b->xattrs[j].value))
			report(r, a, "attribute %s changed", a->xattrs[i].name);
		i += order <= 0;
		j += order >= 0;
	}
}

static void compare_mtime(struct report *r, const struct entry *a, const struct entry *b, unsigned flags)
{
	if ((flags & DIFFER_NO_MTIME) || (S_ISDIR(a->st.st_mode) && !(flags & DIFFER_DIR_MTIME)))
		return;
	const struct timespec *x = &a->st.st_mtim, *y = &b->st.st_mtim;
	if (x->tv_sec != y->tv_sec || x->tv_nsec != y->tv_nsec)
		report(r, a, "modification time, was %lld.%09ld, is %lld.%09ld", (long long)x->tv_sec,
		       x->tv_nsec, (long long)y->tv_sec, y->tv_nsec);
}

static void compare_entries(struct report *r, const struct entry *a, const struct entry *b, unsigned flags)
{
	mode_t m = a->st.st_mode, n = b->st.st_mode;
	if ((m & S_IFMT) != (n & S_IFMT)) {
		report(r, a, "type, was %s, is %s", type_name(m), type_name(n));
		return;
	}
	if (m != n)
		report(r, a, "mode, was %04o, is %04o", m & 07777u, n & 07777u);
	if (a->st.st_uid != b->st.st_uid || a->st.st_gid != b->st.st_gid)
		report(r, a, "owner, was %u:%u, is %u:%u", a->st.st_uid, a->st.st_gid, b->st.st_uid,
		       b->st.st_gid);
	if (a->st.st_rdev != b->st.st_rdev)
		report(r, a, "device, was %u:%u, is %u:%u", major(a->st.st_rdev), minor(a->st.st_rdev),
		       major(b->st.st_rdev), minor(b->st.st_rdev));
	if (strcmp(a->link, b->link) != 0)
		report(r, a, "hard link, was one with %s, is one with %s", a->link, b->link);
	/* Links from outside of the tree; a folder's count is its subfolders, which are entries. */
	if (!S_ISDIR(m) && a->st.st_nlink != b->st.st_nlink)
		report(r, a, "number of links, was %lu, is %lu", (unsigned long)a->st.st_nlink,
		       (unsigned long)b->st.st_nlink);
	compare_content(r, a, b);
	compare_attributes(r, a, b);
	compare_mtime(r, a, b, flags);
}

size_t differ_compare(const struct differ *was, const struct differ *is, unsigned flags, struct strbuf *out)
{
	struct report r = {.out = out};
	size_t i = 0, j = 0;
	while (i < was->n || j < is->n) {
		int order = i == was->n ? 1 : j == is->n ? -1 : strcmp(was->at[i].path, is->at[j].path);
		if (order < 0)
			report(&r, &was->at[i], "%s is gone", type_name(was->at[i].st.st_mode));
		else if (order > 0)
			report(&r, &is->at[j], "%s is new", type_name(is->at[j].st.st_mode));
		else
			compare_entries(&r, &was->at[i], &is->at[j], flags);
		i += order <= 0;
		j += order >= 0;
	}
	return r.n;
}

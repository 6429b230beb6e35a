/* Files, folders and paths; see file.h. What walks trees is in tree.c.
 *
 * file_replace: a new file beside the old one, created 0600 so that it is never wider than asked for,
 * given its mode, written, synced, renamed over the old name; then the folder is synced. Everything
 * happens relative to one descriptor of the folder, so a folder moved meanwhile changes nothing. A
 * crash can leave the temporary file (".tmp-" and 16 hex digits), never a half-written target. */
#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "os/env.h"

static int fail(struct error *err, int errnum, const char *what, const char *path)
{
	if (errnum == ENOENT || errnum == ENOTDIR)
		return error_set(err, ERR_NOT_FOUND, "%s %s: %s", what, path, strerror(errnum));
	return error_errno(err, errnum, "%s %s", what, path);
}

char *path_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (!slash)
		return xstrdup(".");
	return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

static int read_all(int fd, const char *path, struct strbuf *ret, struct error *err)
{
	enum { CHUNK = 1 << 16 };
	for (;;) {
		char past_the_end;
		size_t room = ret->max - ret->len;
		size_t want = room > CHUNK ? CHUNK : room;
		char *to = want ? strbuf_reserve(ret, want) : &past_the_end;
		ssize_t n = read(fd, to, want ? want : 1);
		if (n == 0)
			return 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, errno, "cannot read %s", path);
		if (!want)
			return error_set(err, ERR_TOO_LARGE, "%s is larger than %zu bytes", path, ret->max);
		strbuf_setlen(ret, ret->len + (size_t)n);
	}
}

int file_read(const char *path, struct strbuf *ret, struct error *err)
{
	/* Non-blocking, so that opening a FIFO that somebody put there does not wait for a writer. */
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(err, errno, "cannot open", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_INVALID, "%s is not a regular file", path);
	size_t before = ret->len;
	int r = read_all(fd, path, ret, err);
	if (r)
		strbuf_setlen(ret, before);
	return r;
}

int file_write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_temporary(int dir_fd, const char *name, const void *data, size_t len, mode_t mode)
{
	autoclose int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || fchmod(fd, mode) < 0 || file_write_all(fd, data, len) < 0 || fsync(fd) < 0)
		return -1;
	return close(TAKE_FD(fd)); /* some file systems report a write error only here */
}

static int sync_fd(int dir_fd, const char *path, struct error *err)
{
	/* EINVAL: this file system has nothing to sync for a folder. */
	if (fsync(dir_fd) < 0 && errno != EINVAL)
		return error_errno(err, errno, "cannot sync the folder %s", path);
	return 0;
}

int file_replace(const char *path, const void *data, size_t len, mode_t mode, struct error *err)
{
	autofree char *dir = path_folder(path);
	autoclose int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return fail(err, errno, "cannot open the folder", dir);
	autofree char *name = xasprintf(".tmp-%016" PRIx64, os_random(os_env_real()));
	if (write_temporary(dir_fd, name, data, len, mode) < 0 ||
	    renameat(dir_fd, name, dir_fd, path_base(path)) < 0) {
		int saved = errno;
		(void)unlinkat(dir_fd, name, 0); /* not there when its creation failed */
		return error_errno(err, saved, "cannot write %s", path);
	}
	return sync_fd(dir_fd, dir, err);
}

int dir_sync(const char *path, struct error *err)
{
	autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(err, errno, "cannot open the folder", path);
	return sync_fd(fd, path, err);
}

/* Gives a folder that was just made exactly `mode`. The umask may have left it without any rights, so it is
 * not opened for reading, and it is changed by its handle, since chmod by name would follow a symlink. */
static int set_folder_mode(const char *path, mode_t mode, struct error *err)
{
	autoclose int handle = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	if (handle < 0 || fstat(handle, &st) < 0)
		return error_errno(err, errno, "cannot open the new folder %s", path);
	/* A set-group-id bit comes from the parent and means something to its owner. */
	mode_t wanted = (st.st_mode & S_ISGID) | mode;
	autofree char *self = xasprintf("/proc/self/fd/%d", handle);
	if ((st.st_mode & 07777) != wanted && chmod(self, wanted) < 0)
		return error_errno(err, errno, "cannot set the mode of %s", path);
	return 0;
}

/* Makes one folder and its entry durable. It starts with the owner's rights only, so it is never open to
 * more than `mode` in between. */
static int make_one(const char *path, mode_t mode, struct error *err)
{
	if (mkdir(path, mode & S_IRWXU) < 0)
		return errno == EEXIST ? 0 : fail(err, errno, "cannot create the folder", path);
	autofree char *parent = path_folder(path);
	int r = set_folder_mode(path, mode, err);
	return r ? r : dir_sync(parent, err);
}

int dir_make(const char *path, mode_t mode, struct error *err)
{
	struct stat st;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	autofree char *partial = xstrdup(path);
	for (char *p = partial + (*partial == '/'); *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		int r = p[-1] == '/' || p == partial ? 0 : make_one(partial, mode, err);
		*p = '/';
		if (r)
			return r;
	}
	size_t len = strlen(partial);
	int r = len && partial[len - 1] != '/' ? make_one(partial, mode, err) : 0;
	if (r)
		return r;
	if (stat(path, &st) < 0)
		return fail(err, errno, "cannot create the folder", path);
	return S_ISDIR(st.st_mode) ? 0 : error_set(err, ERR_EXISTS, "%s is not a folder", path);
}

int dir_make_private(const char *path, struct error *err)
{
	int r = dir_make(path, S_IRWXU, err);
	if (r)
		return r;
	struct stat link, st;
	autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || lstat(path, &link) < 0)
		return error_errno(err, errno, "cannot open the folder %s", path);
	uid_t me = geteuid();
	/* In a shared folder such as /tmp a foreign link could lead to another private folder of ours. */
	if (st.st_uid != me || link.st_uid != me)
		return error_hint(err, error_set(err, ERR_REFUSED, "%s belongs to another user", path),
				  "remove it, or choose another folder");
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return error_hint(err,
				  error_set(err, ERR_REFUSED, "%s is open to other users (mode %04o)", path,
					    st.st_mode & 07777),
				  "chmod 700 it after looking who could have used it");
	return 0;
}

/* DT_* of an entry; DT_UNKNOWN only when it vanished. */
static int entry_type(int dir_fd, const struct dirent *e)
{
	struct stat st;
	if (e->d_type != DT_UNKNOWN)
		return e->d_type;
	return fstatat(dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? DT_UNKNOWN : IFTODT(st.st_mode);
}

static void close_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir); /* was only read */
}

int dir_each(const char *path, int (*each)(const char *name, int type, void *data, struct error *err),
	     void *data, struct error *err)
{
	_cleanup_(close_dir) DIR *dir = opendir(path);
	if (!dir)
		return fail(err, errno, "cannot open the folder", path);
	for (;;) {
		errno = 0;
		const struct dirent *e = readdir(dir);
		if (!e)
			return errno ? error_errno(err, errno, "cannot read the folder %s", path) : 0;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		int type = entry_type(dirfd(dir), e);
		int r = type == DT_UNKNOWN ? 0 : each(e->d_name, type, data, err);
		if (r)
			return r;
	}
}

/* The path of a missing last component below its resolved folder. */
static int resolve_missing(const char *path, char **ret, struct error *err)
{
	autofree char *trimmed = xstrdup(path);
	for (size_t n = strlen(trimmed); n > 1 && trimmed[n - 1] == '/'; n--)
		trimmed[n - 1] = '\0';
	const char *name = path_base(trimmed);
	struct stat st;
	if (lstat(trimmed, &st) == 0)
		return error_set(err, ERR_NOT_FOUND, "%s is a symlink to something that does not exist",
				 path);
	autofree char *dir = path_folder(trimmed);
	autofree char *real = realpath(dir, NULL);
	if (!real || strcmp(name, "..") == 0 || strcmp(name, ".") == 0)
		return error_set(err, ERR_NOT_FOUND, "there is no folder %s", dir);
	*ret = path_join(real, name);
	return 0;
}

int path_resolve(const char *path, char **ret, struct error *err)
{
	if (!*path)
		return error_set(err, ERR_INVALID, "the path is empty");
	char *real = realpath(path, NULL);
	if (!real && errno == ENOENT)
		return resolve_missing(path, ret, err);
	if (!real)
		return fail(err, errno, "cannot resolve", path);
	*ret = real;
	return 0;
}

char *path_join(const char *dir, const char *name)
{
	size_t n = strlen(dir);
	return xasprintf("%s%s%s", dir, n > 0 && dir[n - 1] != '/' ? "/" : "", name);
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

bool path_inside(const char *path, const char *dir)
{
	size_t n = strlen(dir);
	while (n > 0 && dir[n - 1] == '/')
		n--;
	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

int path_check_local(const char *path, struct error *err)
{
	static const struct {
		uint32_t magic;
		const char *name;
	} remote[] = {
		{NFS_SUPER_MAGIC, "NFS"},   {V9FS_MAGIC, "9p"},		{SMB_SUPER_MAGIC, "SMB"},
		{CIFS_SUPER_MAGIC, "CIFS"}, {SMB2_SUPER_MAGIC, "SMB"},	{AFS_SUPER_MAGIC, "AFS"},
		{AFS_FS_MAGIC, "AFS"},	    {CODA_SUPER_MAGIC, "Coda"}, {CEPH_SUPER_MAGIC, "Ceph"},
		{FUSE_SUPER_MAGIC, "FUSE"},
	};
	struct statfs fs;
	if (statfs(path, &fs) < 0)
		return fail(err, errno, "cannot look at the file system of", path);
	for (size_t i = 0; i < ARRAY_SIZE(remote); i++)
		if ((uint32_t)fs.f_type == remote[i].magic)
			return error_hint(
				err,
				error_set(err, ERR_UNSUPPORTED,
					  "%s is on %s, where locks and the database cannot be trusted", path,
					  remote[i].name),
				"choose a folder on a local disk");
	return 0;
}

int path_free_space(const char *path, uint64_t *ret, struct error *err)
{
	struct statvfs fs;
	if (statvfs(path, &fs) < 0)
		return fail(err, errno, "cannot look at the free space of", path);
	*ret = (uint64_t)fs.f_bavail * fs.f_frsize;
	return 0;
}

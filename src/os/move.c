/* Moving folders; see move.h.
 *
 * Both parents are opened first, with RESOLVE_NO_SYMLINKS, and everything else happens relative to
 * them: what others rename meanwhile cannot lead the move elsewhere. The name could still come to mean
 * another folder between the look at its inode and the rename; so the inode is looked at again after
 * the rename, and a wrong one is put back. */
#include "os/move.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "os/file.h"

enum { MOUNTINFO_MAX = 16 << 20 };

/* Opens the folder that holds the last component of `path`. */
static int open_parent(const char *path, int *ret_fd, struct error *err)
{
	const char *name = path_base(path);
	if (path[0] != '/' || !*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return error_set(err, ERR_INVALID, "'%s' is not an absolute path of a folder", path);
	autofree char *dir = xstrndup(path, (size_t)(name - path));
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, dir, &how, sizeof(how));
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return error_set(err, ERR_NOT_FOUND, "there is no folder %s", dir);
	if (fd < 0 && errno == ELOOP)
		return error_set(err, ERR_REFUSED, "%s leads through a symlink", path);
	if (fd < 0)
		return error_errno(err, errno, "cannot open the folder %s", dir);
	*ret_fd = fd;
	return 0;
}

static int check_source(int fd, const char *path, ino_t *ino, struct error *err)
{
	struct statx stx;
	if (statx(fd, path_base(path), AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_INO, &stx) < 0) {
		if (errno == ENOENT)
			return error_set(err, ERR_NOT_FOUND, "there is nothing at %s", path);
		return error_errno(err, errno, "cannot look at %s", path);
	}
	if (!S_ISDIR(stx.stx_mode))
		return error_set(err, ERR_REFUSED, "%s is not a folder", path);
	if (stx.stx_attributes & stx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT)
		return error_set(err, ERR_REFUSED, "%s is a mount point", path);
	if (*ino && *ino != stx.stx_ino)
		return error_set(err, ERR_CONFLICT, "%s is another folder than before", path);
	*ino = stx.stx_ino;
	return 0;
}

static int move_error(const char *from, const char *to, struct error *err)
{
	switch (errno) {
	case EEXIST:
	case ENOTEMPTY:
		return error_set(err, ERR_EXISTS, "%s is taken", to);
	case ENOENT:
		return error_set(err, ERR_NOT_FOUND, "there is nothing at %s", from);
	case EBUSY:
		return error_set(err, ERR_REFUSED, "%s is a mount point", from);
	case EXDEV:
	case EINVAL: /* the file system cannot rename without replacing, or `to` is inside of `from` */
		return error_set(err, ERR_UNSUPPORTED, "%s cannot be renamed to %s: %s", from, to,
				 strerror(errno));
	default:
		return error_errno(err, errno, "cannot rename %s to %s", from, to);
	}
}

static int sync_parent(int fd, const char *path, struct error *err)
{
	/* EINVAL: this file system has nothing to sync for a folder. */
	if (fsync(fd) < 0 && errno != EINVAL)
		return error_errno(err, errno, "cannot sync the folder of %s", path);
	return 0;
}

int tree_move(const char *from, const char *to, ino_t ino, struct error *err)
{
	autoclose int from_fd = -1, to_fd = -1;
	int r = open_parent(from, &from_fd, err);
	if (r == 0)
		r = open_parent(to, &to_fd, err);
	if (r == 0)
		r = check_source(from_fd, from, &ino, err);
	if (r)
		return r;
	if (renameat2(from_fd, path_base(from), to_fd, path_base(to), RENAME_NOREPLACE) < 0)
		return move_error(from, to, err);
	struct stat st;
	if (fstatat(to_fd, path_base(to), &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != ino) {
		(void)renameat2(to_fd, path_base(to), from_fd, path_base(from),
				RENAME_NOREPLACE); /* taken by now: both names are told below */
		return error_set(err, ERR_CONFLICT, "%s was replaced while it was moved to %s", from, to);
	}
	r = sync_parent(to_fd, to, err);
	return r ? r : sync_parent(from_fd, from, err);
}

/* Undoes the \ooo by which mountinfo writes blanks, newlines and backslashes; in place. */
static void unescape(char *s)
{
	char *to = s;
	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
		    s[3] <= '7') {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

int mount_find(const char *dir, char **ret, struct error *err)
{
	autostrbuf text = STRBUF_INIT(MOUNTINFO_MAX);
	int r = file_read("/proc/self/mountinfo", &text, err);
	if (r)
		return r;
	char *rest = text.buf;
	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
		/* id, parent id, device, root, mount point, … */
		char *field = NULL;
		for (int i = 0; i < 5; i++)
			field = strsep(&line, " ");
		if (!field)
			continue;
		unescape(field);
		if (path_inside(field, dir)) {
			*ret = xstrdup(field);
			return 0;
		}
	}
	*ret = NULL;
	return 0;
}

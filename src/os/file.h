/* Files and folders, with the guarantees that state needs: modes set at creation, replacement by
 * rename after a sync, sizes capped (S3, S6). Paths are NUL-terminated bytes. */
#ifndef OS_FILE_H
#define OS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strbuf.h"

/* Appends the whole file to `ret`; ERR_TOO_LARGE beyond ret->max, ERR_NOT_FOUND if it is not there,
 * ERR_INVALID for anything but a regular file. On failure `ret` has what it had. */
int file_read(const char *path, struct strbuf *ret, struct error *err) _warn_unused_;
/* Writes all of it to a descriptor, however often that takes; -1 with errno. */
int file_write_all(int fd, const char *data, size_t len) _warn_unused_;
/* Replaces `path` by `len` bytes with exactly `mode`, whatever the umask: a temporary file beside it,
 * sync, rename, sync of the folder. On any failure the old file is as it was and no temporary file is
 * left; only when the very last sync fails is the new one there already. A symlink at `path` is
 * itself replaced: give the resolved path to keep it. */
int file_replace(const char *path, const void *data, size_t len, mode_t mode,
		 struct error *err) _warn_unused_;
/* Syncs a folder, so that renames and creations in it are durable. */
int dir_sync(const char *path, struct error *err) _warn_unused_;
/* Creates the folder and its missing parents with exactly `mode`, whatever the umask, and syncs what
 * it created; an existing folder is fine and stays as it is. */
int dir_make(const char *path, mode_t mode, struct error *err) _warn_unused_;
/* Creates a private state folder (0700), parents too, and refuses (ERR_REFUSED) one of another user, a
 * symlink of another user, and one with wider permissions. */
int dir_make_private(const char *path, struct error *err) _warn_unused_;
/* Calls `each` for every entry but . and .. in no order; stops at its first non-zero result, which it
 * returns. `type` is a DT_* value, never DT_UNKNOWN. ERR_NOT_FOUND when there is no such folder. */
int dir_each(const char *path, int (*each)(const char *name, int type, void *data, struct error *err),
	     void *data, struct error *err) _warn_unused_;
/* Removes a tree that Coppice itself made, never following a symlink and never crossing a mount (W6):
 * a symlink in the tree, or at `path` itself, is removed as such; one in the folders above `path` is
 * refused, as is a mount point (ERR_REFUSED; what was removed before it was met is gone). `path` is
 * therefore resolved by the caller. Folders without the owner's rights get them first. A path that is
 * not there is fine; ERR_CONFLICT when somebody keeps writing into the tree. */
int tree_remove(const char *path, struct error *err) _warn_unused_;
/* Bytes that a tree occupies on disk, hard links once; 0 for a missing one. Like tree_remove it wants
 * a resolved path and refuses mount points. */
int tree_size(const char *path, uint64_t *ret, struct error *err) _warn_unused_;
/* Absolute path without symlinks, "." or ".."; caller frees. The last component may be missing (a
 * symlink to nowhere is ERR_NOT_FOUND, for it could lead anywhere later). */
int path_resolve(const char *path, char **ret, struct error *err) _warn_unused_;
/* "dir/name", or `name` when `dir` is empty; caller frees. */
char *path_join(const char *dir, const char *name);
/* The folder that holds the last component, "." and "/" where there is no other; caller frees. */
char *path_folder(const char *path);
/* The part after the last slash; points into `path`. */
const char *path_base(const char *path);
/* Whether `path` is `dir` or below it; both absolute and resolved. */
bool path_inside(const char *path, const char *dir);
/* Refuses (ERR_UNSUPPORTED) file systems on which locks and WAL cannot be trusted: NFS, 9p, SMB, AFS,
 * Ceph, FUSE. The rest passes. */
int path_check_local(const char *path, struct error *err) _warn_unused_;
/* Free bytes for an unprivileged user at `path`. */
int path_free_space(const char *path, uint64_t *ret, struct error *err) _warn_unused_;

#endif

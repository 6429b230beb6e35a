/* Moving folders whole: by rename only, never through a symlink, never over something that exists,
 * never a mount point (W6). Linux ≥ 5.6 (openat2). Paths are absolute. */
#ifndef OS_MOVE_H
#define OS_MOVE_H

#include <sys/types.h>

#include "base/error.h"

/* Renames the folder `from` to `to` and makes both its old and its new parent durable. `ino` is the
 * inode that `from` must have, 0 for any. Nothing has moved on any error but that of the last sync:
 * ERR_NOT_FOUND (no `from`, or no parent of `to`), ERR_EXISTS (`to` is taken), ERR_CONFLICT (`from` is
 * another folder by now), ERR_REFUSED (a symlink or mount point on the way, or no folder),
 * ERR_UNSUPPORTED (another file system). */
int tree_move(const char *from, const char *to, ino_t ino, struct error *err) _warn_unused_;
/* The first mount point at or below `dir` (resolved), caller frees; NULL if there is none. */
int mount_find(const char *dir, char **ret, struct error *err) _warn_unused_;

#endif

/* Throwaway files: copies of git's index, on which landing tries things out before anything real
 * changes, and folders that nobody misses. */
#ifndef REPO_LAND_FILE_H
#define REPO_LAND_FILE_H

#include "base/error.h"

/* Copies the regular file `from` to `to`, replacing what is there, with the same mode and times: what an index
 * says of a file that was changed as late as the index is for git to look at again (racy-git(7) of git's
 * technical documentation), which a later copy would hide. ERR_NOT_FOUND when there is no `from`. On failure
 * `to` may be missing or incomplete. */
int land_file_copy(const char *from, const char *to, struct error *err) _warn_unused_;
/* Removes a throwaway folder, if that can be done now: whoever makes one of the same kind tries again. */
void land_file_discard(const char *path);

#endif

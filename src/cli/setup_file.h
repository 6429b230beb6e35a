/* Files that are the user's, not Coppice's: read with care, and replaced as a group or not at all.
 *
 * A file is edited where its name leads (a symlink stays one), and only if it is the user's own, a regular
 * file of one name, and writable, as its folder. New texts are first written beside the old ones and synced;
 * then each file is compared with what was read, and renamed over. Whatever fails before the first rename has
 * changed nothing; whatever fails behind it takes back the files before. Mode and group stay. */
#ifndef CLI_SETUP_FILE_H
#define CLI_SETUP_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/sha256.h"
#include "base/strbuf.h"

enum { SETUP_FILE_MAX = 8 << 20 };

struct setup_disk {
	char *path;   /* as it is named */
	char *target; /* where that leads; the folder may be missing */
	char *made;   /* the topmost folder that is missing; NULL if none is */
	bool exists;
	struct strbuf text;
	char hash[SHA256_HEX_SIZE]; /* of the text; "" if there is none */
	mode_t mode;
	gid_t group;
};

/* Reads a file that may not be there; released by the caller, on failure too. ERR_REFUSED, with a cure in the
 * hint, for one that is not to be touched, ERR_TOO_LARGE beyond the cap. Whether it can be written is for
 * setup_disk_writable. */
int setup_disk_read(const char *path, struct setup_disk *ret, struct error *err) _warn_unused_;
int setup_disk_writable(const struct setup_disk *disk, struct error *err) _warn_unused_;
void setup_disk_release(struct setup_disk *disk);

/* One change; all but `temp` and `done` are the caller's. */
struct setup_write {
	const struct setup_disk *disk; /* as it was read */
	const char *text;	       /* NULL: remove it */
	size_t len;
	bool folder_lock; /* hold the folder PATH.lock meanwhile, as the agent itself does */
	char *temp;
	bool done;
};

/* ERR_CONFLICT when a file is not any more as it was read: read it anew. `between` (may be NULL) is called
 * after each rename, for tests. */
int setup_files_write(struct setup_write *writes, size_t n, void (*between)(size_t done),
		      struct error *err) _warn_unused_;
/* Removes the text that a crash may have left beside a file. */
void setup_temp_remove(const char *target);
/* Removes the folders of a file up to `made`, as far as they are empty. */
void setup_folders_remove(const char *target, const char *made);

#endif

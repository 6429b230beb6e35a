/* What Coppice has written into files of the user, so that all of it can be taken back (X7):
 * <state folder>/setup.json, and copies of the files as they were in <state folder>/backup/, 0600.
 *
 *	{"version": 1, "files": [{"backend", "kind", "path", "target", "program", "created", "made", "before",
 *	 "after", "restore", "backup", "changes", "at"}]}
 * `before` is the hash of what `uninstall` puts back, kept as the copy `restore` (null if there was no file:
 * `created`); `after` is the hash of what was written; `made` is the topmost folder that was made for it.
 * `backup` is the exact copy of the file as it was found at the last change: it differs from `restore` when
 * entries of ours were in it already. */
#ifndef CLI_SETUP_MANIFEST_H
#define CLI_SETUP_MANIFEST_H

#include <jansson.h>

#include "base/error.h"
#include "base/strbuf.h"

/* The manifest in the state folder `home`; an empty one if there is none. ERR_INVALID, with a cure, for one
 * that cannot be read. A new reference. */
int setup_manifest_read(const char *home, json_t **ret, struct error *err) _warn_unused_;
/* Makes the state folder if need be. A manifest without files is removed. */
int setup_manifest_write(const char *home, const json_t *manifest, struct error *err) _warn_unused_;
/* The entry of a file by where it leads; borrowed, NULL if there is none. */
json_t *setup_manifest_find(const json_t *manifest, const char *target);
/* Puts an entry in the place of that of the same target; takes it. */
void setup_manifest_put(json_t *manifest, json_t *entry);
void setup_manifest_drop(json_t *manifest, const char *target);

/* Keeps a copy of a text under its hash; `ret` is its name for setup_backup_read, caller frees. */
int setup_backup_keep(const char *home, const char *file, const struct strbuf *text, char **ret,
		      struct error *err) _warn_unused_;
/* Appends the copy; ERR_INVALID when it is not the text with that hash any more. */
int setup_backup_read(const char *home, const char *name, const char *hash, struct strbuf *ret,
		      struct error *err) _warn_unused_;

#endif

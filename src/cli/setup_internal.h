/* What setup.c and setup_undo.c share. */
#ifndef CLI_SETUP_INTERNAL_H
#define CLI_SETUP_INTERNAL_H

#include "agent/setup_backend.h"
#include "cli/setup_file.h"

/* One file of the user, and what it is to become. */
struct setup_part {
	const struct setup_backend *backend;
	const struct setup_file *file;
	char *path;
	struct setup_disk disk;
	struct strbuf text; /* what it is to become */
	struct setup_said said;
	json_t *entry; /* the manifest's; or NULL */
};

struct setup_parts {
	struct setup_part at[SETUP_FILES_MAX];
	size_t n;
};

void setup_parts_release(struct setup_parts *parts);
/* Reads one; it is to be released on failure too. */
int setup_part_read(const struct setup_backend *backend, const struct setup_file *file, const char *path,
		    struct setup_part *ret, struct error *err) _warn_unused_;
/* The text as it is now. */
struct setup_text setup_part_text(const struct setup_part *part);
/* Whether `text` is another one than what is there. */
bool setup_part_changes(const struct setup_part *part);
/* The text as it was before Coppice came, by an entry of the manifest, into `text`; not 0 when that is not
 * known. */
int setup_before(const char *home, const json_t *entry, struct strbuf *text, struct setup_text *ret);
/* One command at a time. */
int setup_lock(const char *home, int *ret_fd, struct error *err) _warn_unused_;

#endif

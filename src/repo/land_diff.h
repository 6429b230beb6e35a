/* What differs between two commits, path by path: what a move of the target changes in a checkout. */
#ifndef REPO_LAND_DIFF_H
#define REPO_LAND_DIFF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "repo/git.h"

struct land_diff_entry {
	const char *path;     /* bytes, relative to the worktree's top */
	const char *new_mode; /* octal, "000000" when the new commit lacks it */
	const char *new_oid;
	bool in_old, in_new;
	bool submodule; /* in the new commit, or in the old one if the new lacks it */
};

struct land_diff {
	struct strbuf text;	    /* what the entries point into */
	struct land_diff_entry *at; /* sorted by path */
	size_t n;
};

#define LAND_DIFF_INIT ((struct land_diff){.text = STRBUF_INIT(GIT_OUTPUT_MAX)})
#define autolanddiff _cleanup_(land_diff_release) struct land_diff

/* `ret` is LAND_DIFF_INIT. */
int land_diff_read(const struct git *g, const char *from, const char *to, struct land_diff *ret,
		   struct error *err) _warn_unused_;
void land_diff_release(struct land_diff *d);
/* Parses d->text; false when malformed. Apart for its fuzzer. */
bool land_diff_parse(struct land_diff *d);
/* The entry of a path, or NULL. */
struct land_diff_entry *land_diff_find(const struct land_diff *d, const char *path);

#endif

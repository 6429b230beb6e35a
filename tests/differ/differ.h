/* Tree differ: a test's witness that a tree came back exactly as it was (W5).
 *
 * differ_record() reads a whole tree into memory; differ_compare() prints what two recordings do not
 * share. Recorded for every entry, the root included: type, permission bits, owner, and extended
 * attributes (ACLs are such); for regular files size, content, modification time and which other
 * recorded paths are the same file (hard links); for symlinks target and modification time; for devices
 * their number. FIFOs, sockets, empty folders and nested repositories are entries like any other.
 * Nothing is followed, opened for writing, or skipped. */
#ifndef TESTS_DIFFER_H
#define TESTS_DIFFER_H

#include <stddef.h>

#include "base/error.h"
#include "base/strbuf.h"

enum differ_flags {
	DIFFER_DIR_MTIME = 1 << 0, /* folders' modification times too; off, for most changes touch them */
	DIFFER_NO_MTIME = 1 << 1,  /* no modification times at all: for copies */
};

/* Contents beyond this in one tree are ERR_TOO_LARGE: a recording is for test trees. */
enum { DIFFER_CONTENT_MAX = 256 << 20 };

struct differ; /* a recorded tree */

/* Records the tree at `root`, which need not exist: an absent tree differs from any other. The caller
 * frees `ret` with differ_free(). */
int differ_record(const char *root, struct differ **ret, struct error *err) _warn_unused_;
void differ_free(struct differ *d);
void differ_freep(struct differ **d);
#define autodiffer _cleanup_(differ_freep) struct differ

/* Number of entries recorded, the root included. */
size_t differ_count(const struct differ *d);
/* The number of differences; each is appended to `out` (may be NULL) as a line: "PATH: what, was, is",
 * paths escaped and in bytewise order. 0 means exactly equal. */
size_t differ_compare(const struct differ *was, const struct differ *is, unsigned flags, struct strbuf *out);

#endif

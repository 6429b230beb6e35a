/* What references are at, read from git's own files: for the guard, which runs at each of git's hooks, and
 * for the daemon, which starts no process to look. Other stores than files (reftable) are unknown. */
#ifndef REPO_REF_VALUE_H
#define REPO_REF_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "os/proc.h"

enum { REF_VALUE_SIZE = 65 };

/* One look at a repository; packed-refs is read once, when it is needed first. */
struct ref_look {
	const char *common_dir; /* borrowed */
	struct strbuf packed;
	enum truth has_packed;
	bool is_read;
};

enum { REF_PACKED_MAX = 256 << 20 }; /* beyond it, what is packed is unknown */

#define REF_LOOK_INIT(common_dir_)                                                                           \
	((struct ref_look){.common_dir = (common_dir_), .packed = STRBUF_INIT(REF_PACKED_MAX)})
#define autoreflook _cleanup_(ref_look_release) struct ref_look

void ref_look_release(struct ref_look *look);
/* Whether the reference ("refs/heads/…") is there, and then its id; one that has no id of its own (a symbolic
 * one) is unknown. */
enum truth ref_value(struct ref_look *look, const char *ref, char ret[REF_VALUE_SIZE]);
/* The same in packed-refs alone. */
enum truth ref_value_packed(struct ref_look *look, const char *ref, char ret[REF_VALUE_SIZE]);

/* What the last entry of a log says that its reference came to. No: the log is empty or in another form;
 * unknown: it cannot be read. */
enum truth ref_log_last(const char *path, char ret[REF_VALUE_SIZE]);

/* Whether one of the log's entries ("OLD NEW NAME <MAIL> TIME ZONE\tTEXT" a line) came to `value`; NULL:
 * whether there is one at all. What the last one came to is in `ret`. Apart for its fuzzer. */
bool ref_log_find(const char *text, const char *value, char ret[REF_VALUE_SIZE]);

/* A worktree's HEAD by its log, which has whatever was moved within that worktree. */
struct ref_head {
	bool on; /* it is on the reference now */
	/* "" as the value: it was renamed there. */
	bool came_to;		   /* to that value, since the log had `since` bytes, or last of all */
	char last[REF_VALUE_SIZE]; /* what it came to last */
	int64_t size;		   /* of the log now */
};

/* Unknown without a log. */
enum truth ref_head_look(const char *git_dir, const char *ref, const char *value, int64_t since,
			 struct ref_head *ret);

#endif

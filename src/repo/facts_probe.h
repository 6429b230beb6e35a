/* Inside of the facts: what the files facts*.c share. */
#ifndef REPO_FACTS_PROBE_H
#define REPO_FACTS_PROBE_H

#include "repo/facts.h"

struct probe {
	const struct facts_query *q;
	struct facts_place at;
	unsigned flags;
	struct git git;		/* the worktree, where it is now */
	struct git common;	/* the repository, no worktree */
	struct git_guard guard; /* by which this look is made; see facts_status */
	struct facts *f;
};

/* Records a fact; the detail is escaped, and may be NULL. */
void fact_set(struct facts *f, enum fact fact, enum truth value, const char *fmt, ...) _printf_(4, 5);
/* Unknown, because of `err`. */
void fact_unknown(struct facts *f, enum fact fact, const char *what, const struct error *err);

void facts_ours(struct probe *p);
/* Sets clean, untracked and ignored, and what HEAD is. */
void facts_status(struct probe *p);
void facts_ignored(struct probe *p, const struct git_status *status);
void facts_reachable(struct probe *p);
void facts_landed(struct probe *p);
void facts_stash(struct probe *p);

/* Reads the first line of a file of at most 64 KiB, without its end of line; caller frees. */
int facts_read_line(const char *path, char **ret, struct error *err) _warn_unused_;

#endif

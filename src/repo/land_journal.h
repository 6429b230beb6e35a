/* The journal of moving a target: one per repository, which is also the lock that lets only one landing
 * move at a time (L3, W11).
 *
 * It is the file <common dir>/coppice-land. Whoever holds its flock may write what it is about to do, and
 * empties it when all is done; so what a new holder finds in it was left by a killed one. Git children
 * inherit the flock: a holder knows that the children of a killed one have ended too.
 *
 * Format: one line each, the last one ending in a newline: "coppice-land 1", id, target, old commit, new
 * commit. */
#ifndef REPO_LAND_JOURNAL_H
#define REPO_LAND_JOURNAL_H

#include <stdbool.h>
#include <time.h>

#include "base/error.h"

struct land_journal {
	char *path;
	int fd;			       /* the lock; give it to git as lock_fd */
	char *id, *target, *from, *to; /* NULL when nothing is under way */
	struct timespec since;	       /* when that began */
	bool idle;		       /* the file says that nothing is under way */
};

#define LAND_JOURNAL_INIT ((struct land_journal){.fd = -1})
#define autolandjournal _cleanup_(land_journal_release) struct land_journal

/* Waits for the lock and reads what a killed landing left. */
int land_journal_open(const char *common_dir, struct land_journal *ret, struct error *err) _warn_unused_;
/* Unlocks. What is under way stays written; an idle journal is removed. */
void land_journal_release(struct land_journal *j);
/* Writes what is about to happen, durably. */
int land_journal_begin(struct land_journal *j, const char *id, const char *target, const char *from,
		       const char *to, struct error *err) _warn_unused_;
/* Nothing is under way any more. */
int land_journal_end(struct land_journal *j, struct error *err) _warn_unused_;

#endif

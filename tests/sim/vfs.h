/* A disk in memory for SQLite: the VFS "sim". Each file has two images: what was written, and what is
 * durable.
 *
 * xSync makes what was written durable. A killed process loses nothing that it wrote; a power loss leaves
 * the durable image and, of the writes since, a random subset, some of them torn. Deletions and creations are
 * durable at once. There is one disk in a process. */
#ifndef SIM_VFS_H
#define SIM_VFS_H

#include <stdbool.h>

#include "random.h"

enum disk_fault {
	DISK_OK = 0,
	DISK_FULL,	/* writes that make a file longer: SQLITE_FULL */
	DISK_WRITE,	/* writes fail */
	DISK_SYNC,	/* syncs fail: what was written may or may not be there after a power loss */
	DISK_READ,	/* reads fail */
	DISK_STATEMENT, /* statements end in the middle of their work, as when a page cannot be read */
	DISK_FAULTS_,	/* how many there are */
};

/* Registers the VFS as the default one (so that SQLite's own randomness is seeded too) at the first call, and
 * empties the disk. `r` is used until the next call. */
void disk_init(struct rng *r);
/* The kind of operation fails, from the `after`th on; DISK_OK ends it. */
void disk_fail(enum disk_fault fault, int after);
/* The process dies at the `n`th write, sync, truncation or deletion from now: it and all after it do nothing
 * and fail. Negative: never. */
void disk_die_after(int n);
bool disk_is_dead(void);
/* After the process has gone (and its handles were closed while the disk was dead). */
void disk_killed(void);
void disk_power_lost(void);
/* Faults that were met since disk_fail(). */
int disk_faults_met(void);
/* Frees all of it. */
void disk_free(void);

#endif

/* Effects carried out: worker processes and terminals. What ends goes to daemon.finished and is recorded in
 * the next turn. */
#ifndef DAEMON_RUNNER_H
#define DAEMON_RUNNER_H

#include "daemon/daemon.h"
#include "store/outbox.h"

struct call;

/* An effect whose action has ended. */
struct finished {
	struct list link;
	struct effect effect;
	bool ok;
	json_t *result;
};

enum { WORKERS_MAX = 8 };

/* Starts the action of an effect that was committed as started; takes the effect. */
void runner_start(struct daemon *d, struct effect *effect);
/* Starts the read-only work that a parked call asked for. */
void runner_work(struct daemon *d, struct call *call);
/* An effect's end is on record, so nobody will wait for its lock any more: it goes. */
void runner_ended(struct daemon *d, int64_t effect);
/* At the start: the locks that effects left which had ended when the daemon was killed. */
void runner_sweep(struct daemon *d);
/* Lets go of all terminal servers. */
void runner_close_tmux(struct daemon *d);
/* A worker has ended: starts work that waited for its place. */
void runner_next(struct daemon *d);
void finished_free(struct finished *f);

#endif

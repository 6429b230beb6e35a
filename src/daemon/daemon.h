/* The running daemon: one loop, one thread, one store. Its files:
 *
 *	daemon.c   start, single instance, recovery, listening, end
 *	conn.c     connections: credentials, HTTP, streams of events
 *	turn.c     the turn: requests and ends of effects in one transaction, then answers and new effects
 *	runner.c   effects carried out: worker processes and terminals
 *	links.c    links to processes that host agents' sessions
 *	records.c  the runtimes' own records of their sessions
 *	guard.c    the files by which git refuses peers what is not theirs
 *	branches.c owned branches that are moved past that
 *	gather.c   the first moment, in which sessions older than this daemon come
 *	watch.c    processes whose end must be noticed
 *	identify.c the evidence of who calls
 *	worker.c   the other side: what `coppice worker KIND` does */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include <stdbool.h>
#include <uv.h>

#include "base/list.h"
#include "base/strbuf.h"
#include "flow/core.h"
#include "os/loop.h"
#include "os/paths.h"
#include "term/tmux.h"

struct daemon {
	uv_loop_t loop;
	struct core core;
	struct paths paths;
	struct store *store;
	struct config *config;
	struct config_source config_source; /* its text is config_text */
	struct strbuf config_text;
	struct tmux *tmux;	/* made at its first need */
	struct list other_tmux; /* servers of panes that sessions named (runner.c) */
	char *program;
	char *token; /* what a human without a terminal presents (I2) */

	uv_pipe_t listener;
	uv_check_t after_io; /* runs the turn when something is ready */
	uv_idle_t more;	     /* active while work is left over, so that the loop does not block */
	uv_signal_t signals[2];
	struct loop_timer *timer; /* the next durable timer */
	usec_t timer_due;
	struct loop_timer *idle_checkpoint;
	struct loop_timer *gathering; /* NULL once it is over (gather.c) */
	usec_t gather_until;	      /* monotonic: it takes no longer */

	struct list conns;
	size_t conn_count;
	struct list ready;     /* struct call: to be run in the next turn */
	struct list parked;    /* struct call: waiting for a topic, a time or a worker */
	struct list finished;  /* struct finished: ends of effects, to be recorded in the next turn */
	struct list watches;   /* struct watch */
	struct list lost_ways; /* ways into sessions whose connections have gone */
	struct list records;   /* struct records: folders in which runtimes keep their sessions' records */
	struct list links;     /* struct link: to processes that host sessions */
	size_t workers;	       /* child processes under way */
	struct list work;      /* struct job_work: read-only work that waits for a worker */
	uint64_t generation;   /* grows when it may have changed who a process is */
	usec_t commit_took;    /* the last commit that had requests */
	struct list branch_folders;	 /* struct folder: where owned branches are, watched */
	struct loop_timer *branch_timer; /* something happened there */
	json_t *branch_values;		 /* what owned branches are at, as far as it is known; owned */
	json_t *branches_seen;		 /* the same, as this turn has seen them; owned */
	bool branches_due;
	json_t *owners;	   /* whose which branch is, as it was written last; owned */
	bool owners_stale; /* it could not be written */
	bool timers_due;
	bool stopping;
};

/* `coppice daemon`: runs until it is told to stop; returns the exit code. `ready_fd` (-1 for none) gets one
 * newline once it listens, or the error's text. */
int daemon_main(int ready_fd);

/* conn.c */
void conn_listen(struct daemon *d, int fd);
void conn_close_all(struct daemon *d);
/* Streams get what was committed. */
void conn_pump_streams(struct daemon *d);

/* turn.c */
void turn_init(struct daemon *d);
/* Something is ready: a turn will run before the loop blocks again. */
void turn_wanted(struct daemon *d);
/* Arms the loop's timer for the next durable one. */
void turn_arm_timer(struct daemon *d);

/* links.c: what links told is recorded in the turn and what waits for their sessions is taken; after the
 * commit it is sent. */
void links_open(struct daemon *d, const json_t *host);
/* core.linked */
bool links_reach(const struct core *core, int64_t pid, int64_t start_time);
bool links_any_news(const struct daemon *d);
void links_record(struct daemon *d);
void links_take(struct daemon *d);
void links_committed(struct daemon *d);
/* The turn was dropped: what was taken in it was not. */
void links_dropped(struct daemon *d);
void links_close_all(struct daemon *d);

/* records.c: watches the folders that are there by now. */
void records_watch(struct daemon *d);
bool records_any_news(const struct daemon *d);
void records_record(struct daemon *d);
void records_committed(struct daemon *d);
void records_close_all(struct daemon *d);

/* guard.c: before anything runs, and after each commit. */
void guard_start(struct daemon *d);
void guard_committed(struct daemon *d);
/* Before a peer is started: a tool that another one ran may have put its own hooks there. */
void guard_mend_hooks(struct daemon *d);
void guard_stop(struct daemon *d);

/* branches.c: after the owners have changed; what moved is recorded in the turn and known after its commit.
 */
void branches_watch(struct daemon *d);
bool branches_any_news(const struct daemon *d);
void branches_record(struct daemon *d);
void branches_committed(struct daemon *d);
void branches_stop(struct daemon *d);

/* gather.c: the first moment begins; a session has come. */
void gather_begin(struct daemon *d);
void gather_came(struct daemon *d);

/* watch.c */
void watch_process(struct daemon *d, int64_t pid, int64_t start_time);
void watch_all(struct daemon *d);
void watch_stop_all(struct daemon *d);
/* Processes have ended: record it in the turn, then, after its commit, forget the watches. */
bool watch_any_ended(const struct daemon *d);
void watch_record_ended(struct daemon *d);
void watch_drop_ended(struct daemon *d);

#endif

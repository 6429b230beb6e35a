/* Spawns: a peer's process in a terminal, from the order to its end.
 *
 *	ordered → started → ended        (rows of table spawn; states: starting, running, ended, failed)
 *
 * The order is durable before the terminal is made; the pane carries the spawn's id, so that after a crash it
 * is found again instead of started twice. A `script` process ends its job by its exit status. */
#ifndef FLOW_SPAWN_H
#define FLOW_SPAWN_H

#include "flow/core.h"
#include "base/id.h"
#include "mesh/identity.h"

struct spawn_order {
	const char *peer_id; /* minted, not running */
	const char *backend;
	const char *path;	   /* folder to start in */
	const char *profile;	   /* launch settings, or NULL */
	const json_t *argv;	   /* for script */
	const char *prompt;	   /* for agents: the first prompt, or NULL */
	const struct caller *from; /* whose words the prompt is; NULL is Coppice's own */
	const char *job_id;	   /* the job that it is to do, or NULL */
	int64_t fence;		   /* of the job's attempt */
	const char *sandbox;	   /* "worktree" or "none"; NULL: as the profile says */
	const json_t *env;	   /* {"NAME": value}; added to what every spawn gets; or NULL */
};

/* Orders the start; the effect's id goes to `ret_effect`. */
int spawn_order(struct core *core, const struct spawn_order *order, char ret_id[ID_SIZE], int64_t *ret_effect,
		struct error *err) _warn_unused_;
/* Orders the end of a peer's terminal, which must be one that Coppice started (I10). */
int spawn_kill(struct core *core, const char *peer_id, int64_t *ret_effect, struct error *err);

/* Whether a terminal of the peer's runs. */
bool spawn_running(struct store *s, const char *peer_id);
/* Whether a terminal that was ordered for the peer may run and does not prove it: its start is not on record
 * yet, or was called off meanwhile, so that it is about to be ended. What runs in it is nobody else. */
bool spawn_unproven(struct store *s, const char *peer_id);

/* Ends of the effects spawn and kill; the subject is the spawn. */
void spawn_started(struct core *core, const char *subject, bool ok, const json_t *result);
void spawn_killed(struct core *core, const char *subject, bool ok, const json_t *result);

/* The process is gone, whoever noticed it: its peer goes offline when that was its last proof of life, its
 * job's attempt ends. */
void process_gone(struct core *core, int64_t pid, int64_t start_time, const char *boot_id);
/* Calls `each` for the process of every running start of this boot: its end settles its job, even where its
 * peer was taken offline before. */
void spawn_watch_each(struct store *s, void (*each)(int64_t pid, int64_t start_time, void *data), void *data);
/* After a reboot: what ran under another boot is over (X6). What had ended before and left its exit behind
 * counts as that. */
void processes_of_old_boots(struct core *core);

#endif

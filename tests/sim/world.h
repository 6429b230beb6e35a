/* The world that the core acts on: processes, terminals, repositories with worktrees, branches and a target.
 * Its actions keep the contracts of the real runners (flow/effects.h, src/repo/): each may be repeated with
 * the same arguments after a crash, and then finds what is done already. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/id.h"
#include "base/json.h"
#include "random.h"

enum proc_kind {
	PROC_AGENT,   /* started by a person, registers itself */
	PROC_WORKER,  /* started in a terminal by a spawn */
	PROC_RUNTIME, /* has sessions of an agent (session.c) */
};

struct proc {
	enum proc_kind kind;
	int64_t pid, start_time;
	int tty;
	bool alive;
	bool ended_itself; /* it said on its own how its job ended */
	int parent;	   /* the launcher of a runtime that was spawned, else -1 */
	bool launches;	   /* a worker that launches a runtime: how that ends is not how its job ends */
	/* of a worker */
	char spawn_id[ID_SIZE];
	char job_id[ID_SIZE]; /* "" if none */
	int64_t fence;
	char branch[64]; /* "" if none */
	char path[128];
	json_t *exit; /* what its launcher left behind, durable; NULL while it runs, and if it was killed hard
		       */
};

struct commit {
	int n; /* its name is "c<n>" */
	int parent;
	int repo;
	char change_id[ID_SIZE]; /* "" for somebody else's */
	char branch[64];
	int work; /* of the branch, that it holds */
	bool gated, passed;
};

struct branch {
	int repo;
	char name[64];
	bool exists;
	int work, landed; /* how much was committed on it, and how much of that the target has */
};

struct worktree_dir {
	int repo;
	char id[ID_SIZE]; /* who made it */
	char branch[64], path[128];
	bool there;
	char trash_id[ID_SIZE]; /* "" until it was removed */
};

struct repo {
	int n;	      /* its folder is "/sim/r<n>", its main worktree "/sim/w<n>" */
	int *history; /* commits of the target, oldest first */
	size_t n_history, cap_history;
};

enum { REPOS = 2 };

struct world {
	struct rng *rng;
	bool faults; /* things may fail */
	struct proc *procs;
	size_t n_procs, cap_procs;
	struct commit *commits;
	size_t n_commits, cap_commits;
	struct branch *branches;
	size_t n_branches, cap_branches;
	struct worktree_dir *dirs;
	size_t n_dirs, cap_dirs;
	struct repo repos[REPOS];
	int64_t *hooks; /* the effects whose command was run */
	size_t n_hooks, cap_hooks;
	int64_t next_start;
};

struct sim;
struct action;

void world_init(struct world *w, struct rng *rng);
void world_release(struct world *w);
/* A new process; its index. */
size_t world_start(struct world *w, enum proc_kind kind);
const struct proc *world_proc(const struct world *w, int64_t pid, int64_t start_time);
struct proc *world_spawned(struct world *w, const char *spawn_id);
/* A worker ends by itself; `exit` < 0: killed hard, without a word. */
void world_end(struct sim *m, struct proc *p, int exit);
/* Somebody else commits to a target. */
void world_outsider(struct world *w);
/* A worker commits to its branch. */
void world_work(struct world *w, const struct proc *p);
/* All processes end. */
void world_reboot(struct world *w);
/* A random living process of the kind, -1 if there is none. */
int world_living(const struct world *w, enum proc_kind kind);
/* Does the action of an effect, or the look of a parked call: fills a->ok and a->result. */
void world_act(struct sim *m, struct action *a);
/* How an action ended; takes `result`. */
void action_fail(struct action *a, enum error_code code, const char *text);
void action_succeed(struct action *a, json_t *result);
/* core.spawn_exit */
json_t *world_spawn_exit(const struct world *w, const char *spawn_id);

#endif

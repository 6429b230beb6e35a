/* The simulator of the core: one run of one seed. Its files:
 *
 *	sim.c     the driver: which step comes next, and the program
 *	node.c    what stands in for the daemon: the turn, the effects, crash and recovery
 *	client.c  who calls: requests, repeated ones, what was answered
 *	ops.c     the operations that they choose from
 *	world.c   what the daemon acts on: processes, terminals, repositories
 *	check.c   the rules, asked after each step
 *	session.c agents' sessions: their hooks, their ways in, and the model that reads what comes by them
 *	link.c    the daemon's ends of the ways into sessions
 *	read.c    the rules of what models read, and of how it came to them
 *	vfs.c     the disk
 *
 * Everything random comes from the seed, so that a run repeats exactly. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "base/list.h"
#include "flow/core.h"
#include "ops/op.h"
#include "random.h"
#include "store/outbox.h"
#include "world.h"

/* The rules that are asked, in the order of the report. */
enum rule {
	RULE_A2,
	RULE_A3,
	RULE_A6,
	RULE_D1,
	RULE_D2,
	RULE_D2_ONCE,
	RULE_D2_REPEAT,
	RULE_D3,
	RULE_D4,
	RULE_D8,
	RULE_I3,
	RULE_I5,
	RULE_I6,
	RULE_I9,
	RULE_J1,
	RULE_J2,
	RULE_J3,
	RULE_J4,
	RULE_J5,
	RULE_L1,
	RULE_L2,
	RULE_L3,
	RULE_L4,
	RULE_W11,
	RULE_X4,
	RULE_X6,
	RULE_ONCE, /* no id of its own: a task's worker runs to success at most once */
	RULE_ENDS, /* no id of its own: left in peace, everything ends */
	RULE_MAX_,
};

/* Who calls: an index into the world's processes, or one of these. */
enum { WHO_HUMAN = -1, WHO_SERVICE = -2, WHO_UNKNOWN = -3 };

enum { TOKEN_SIZE = 16 };

/* What a client wants, until it gives up: it keeps the key, so that it may ask again. */
struct request {
	const struct op *op;
	json_t *params; /* owned */
	int who;
	int session; /* whose hook, MCP server or shell asks: an index into the sessions; -1: none's */
	char key[TOKEN_SIZE];
	char token[TOKEN_SIZE]; /* unique text in the request, "" if it has none */
	usec_t first_sent;	/* monotonic */
	int sent;		/* how often */
	int waiting;		/* calls under way for it */
	int crashes;		/* of the daemon, when it was last sent */
	int status;		/* that was heard, 0 if none */
	bool fence_was_current; /* job_update: as of the run that was answered */
	json_t *answer;		/* that was heard with status 200; owned */
};

/* The daemon's struct call. */
struct call {
	struct list link; /* in ready, parked or a turn's list */
	size_t request;
	struct op_call op;
	struct caller caller;
	struct proc_chain chain;
	json_t *params; /* owned */
	int64_t fingerprint;
	bool begun, working;
	bool unheard;	   /* the client has gone */
	usec_t wait_until; /* monotonic, 0 for ever */
	int status;
	json_t *answer;
};

/* The daemon's struct action, and once it has ended its struct finished. */
struct action {
	struct list link; /* in running or finished */
	struct effect effect;
	struct call *call; /* read-only work, effect.id is 0 */
	bool acted;	   /* the world was changed, or looked at */
	bool ok;
	json_t *result;
};

/* A process whose end is noticed. */
struct watch {
	int64_t pid, start_time;
};

struct model;	/* check.c */
struct session; /* session.h */
struct link;	/* link.c */

struct sim {
	uint64_t seed;
	struct rng rng;
	bool trace;
	int step;
	int64_t operations; /* run so far in this seed */
	bool delivered;	    /* in peace, all that was to be read was read */
	bool peace;	    /* no more faults: everything is to end */
	bool broken;

	struct os_env env;
	usec_t now, mono;
	char boot_id[16];
	unsigned boots;
	int crashes;

	struct config *config;
	struct core core;
	struct store *store;
	struct world world;
	struct model *model;

	/* the daemon's memory: gone after a crash */
	struct list ready, parked, running, finished;
	struct watch *watches;
	size_t n_watches, cap_watches;
	struct link *links;
	size_t n_links, cap_links;
	json_t *holds;	   /* ways that connections hold open: [{"session","peer","transport"}] */
	json_t *lost_ways; /* such, whose connections have gone */
	json_t *records;   /* sessions whose records have changed: numbers */
	bool timers_due;
	bool failed_turn; /* the last commit failed */

	struct session *sessions;
	size_t n_sessions, cap_sessions;
	json_t *seen; /* message → how often a model read it */

	struct request *requests;
	size_t n_requests, cap_requests;
};

/* Prints a step when --trace. */
void sim_say(struct sim *m, const char *fmt, ...) _printf_(2, 3);
/* The rule is broken: prints it with the command that replays it, and ends this seed. */
void sim_break(struct sim *m, enum rule rule, const char *fmt, ...) _printf_(3, 4);

/* node.c */
enum crash { CRASH_KILLED, CRASH_POWER_LOST };

/* Opens the database and recovers, as daemon_main() does. Aborts when that fails on a good disk. */
void node_start(struct sim *m);
/* The process ends without a word; power loss also ends all processes and brings another boot. */
void node_crash(struct sim *m, enum crash how);
/* Ends it as `stop` does. */
void node_stop(struct sim *m);
/* One turn; `die_at` says where in it the process dies. False when it died. */
enum death { DEATH_NONE, DEATH_BEFORE_COMMIT, DEATH_AFTER_COMMIT, DEATH_MAX_ };
bool node_turn(struct sim *m, enum death die_at);
/* Whether a turn has something to do. */
bool node_has_work(const struct sim *m);
/* Lets an action take its next step: act on the world, or report. */
void node_act(struct sim *m, struct action *a);
/* The peer that the environment of a process names; caller frees, NULL for none. */
char *node_mark(struct sim *m, size_t proc);
void node_watch(struct sim *m, int64_t pid, int64_t start_time);
/* Takes calls whose wait is over back to ready. */
void node_wait_over(struct sim *m);
/* Forgets memory, without a word. */
void node_forget(struct sim *m);
void node_add_call(struct sim *m, size_t request);
/* The client's connection is closed: what has not been answered is forgotten. */
void node_close(struct sim *m, size_t request);
void call_free(struct call *c);

/* client.c */
/* Somebody asks for something. False if there was nothing to ask for. */
bool client_request(struct sim *m, int who);
/* An earlier request is sent again, with its key. */
void client_repeat(struct sim *m);
/* A client hangs up. */
void client_hang_up(struct sim *m);
/* The answer goes out; it may be lost on its way. */
void client_answer(struct sim *m, struct call *c);
/* The daemon has crashed: all that waited have heard nothing. */
void client_cut_off(struct sim *m);
/* Who calls, as daemon/identify.c finds it: by the process's chain. In a turn. */
void client_identify(struct sim *m, const struct request *r, struct proc_chain *ret_chain,
		     bool *ret_has_chain, struct caller *ret);
/* Sends a request of a session's; takes `params`. Its index. */
size_t client_send(struct sim *m, int session, const char *op, json_t *params);
/* Sends it again, with its key. */
void client_resend(struct sim *m, size_t request);
void client_free(struct sim *m);

/* ops.c: fills op, params and token of a request of this caller. False if there is nothing to ask for now. */
bool ops_choose(struct sim *m, int who, struct request *r);
/* A value of the first column of a random row; caller frees, NULL without a row. `sql` is a literal. */
char *sim_pick(struct sim *m, const char *sql);

/* check.c */
struct model *model_new(void);
void model_free(struct model *model);
/* After a committed turn. */
void check_turn(struct sim *m);
/* After a recovery, and now and then: all that was ever acknowledged. */
void check_all(struct sim *m, bool recovered, bool rebooted);
/* Everything has been left in peace, and nothing moves any more. */
void check_peace(struct sim *m);
/* An answer was heard by its client. */
void check_answer(struct sim *m, struct request *r, int status, const json_t *answer);
/* An effect is about to act. */
void check_action(struct sim *m, const struct action *a);
/* The target was moved to `commit`. */
void check_move(struct sim *m, const struct repo *repo, const struct commit *commit);
/* A worker ended with 0. */
void check_success(struct sim *m, const struct proc *p);

#endif

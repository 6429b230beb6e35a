/* The operation table: every operation once. The HTTP route, the CLI's help, the OpenAPI description and the
 * MCP tools follow from the entry.
 *
 * A handler runs inside a turn, within a savepoint of its own: whatever it returns but an error is kept. It
 * never blocks. To wait it parks the call, by returning op_wait(…) or op_work(…), and is run again from
 * the start, in a later turn, with call->state as it left it:
 *
 *	if (!call->state) {
 *		… add rows and an effect …
 *		call->state = {"effect":12};
 *		return op_wait_effect(call, 12);
 *	}
 *	… look at the effect's row, make the answer …
 *
 * The state of a parked change is kept under its idempotency key, so that a caller who asks again after
 * a crash of the daemon is joined to what is under way. */
#ifndef OPS_OP_H
#define OPS_OP_H

#include <stdbool.h>

#include "base/error.h"
#include "base/json.h"
#include "flow/core.h"
#include "mesh/identity.h"
#include "os/proc.h"

enum op_type {
	OP_TEXT,   /* a string */
	OP_NUMBER, /* a whole number */
	OP_FLAG,   /* a boolean */
	OP_TEXTS,  /* a list of strings */
	OP_OBJECT, /* an object */
	OP_ANY,
};

enum op_param_flags {
	OP_REQUIRED = 1 << 0,
	OP_MULTILINE = 1 << 1, /* text that may hold newlines */
	OP_UNLISTED = 1 << 2,  /* agents may give it, but their tool list does not spend tokens on it */
};

enum { OP_TEXT_MAX = 4096, OP_LIST_MAX = 200 }; /* where a parameter sets no limit of its own */
#define OP_NUMBER_MAX (1LL << 53)

struct op_param {
	const char *name;
	enum op_type type;
	unsigned flags;
	const char *doc;
	int64_t max; /* bytes of a text, entries of a list, the greatest number; 0: 4,096 bytes, 200, 2^53 */
	int64_t min; /* the least number */
};

/* Who may call (S8); a bit per kind and role of caller. */
enum op_who {
	BY_UNKNOWN = 1 << 0,
	BY_AGENT = 1 << 1,
	BY_REVIEWER = 1 << 2,
	BY_ORCHESTRATOR = 1 << 3,
	BY_SERVICE = 1 << 4,
	BY_HUMAN = 1 << 5,
	BY_ANYONE = (1 << 6) - 1,
	BY_KNOWN = BY_ANYONE & ~BY_UNKNOWN,
	BY_LEADERS = BY_ORCHESTRATOR | BY_SERVICE | BY_HUMAN,
};

enum op_flags {
	OP_READS = 0,
	OP_CHANGES = 1 << 0, /* takes an Idempotency-Key */
	OP_WAITS = 1 << 1,   /* may park for long: slices of at most 25 s */
	OP_LOCAL = 1 << 2,   /* the command line's only: no MCP tool */
	OP_TAKES = 1 << 6, /* its connection holds a way into the caller's session open (mesh/transport.h) */
	OP_IDENTIFIES = 1 << 3,	 /* changes who its caller is: asked again, it comes from somebody else */
	OP_ABOUT_PEERS = 1 << 7, /* right after the daemon's start it waits for sessions that are older */
	OP_DESTROYS = 1 << 4,	 /* takes something away, if only into the trash */
	OP_SETTLES = 1 << 5,	 /* asked again with the same parameters it changes nothing more */
};

/* The tool lists of agents (MCP) that name it. What is in neither is a tool outside of peers only. */
enum op_tools {
	TOOL_WORKER = 1 << 0,	    /* of every peer */
	TOOL_ORCHESTRATOR = 1 << 1, /* of orchestrators, besides the workers' */
};

struct op_call;

struct op {
	const char *name;	       /* POST /v1/<name> */
	const char *summary;	       /* one line */
	const struct op_param *params; /* ends with a NULL name */
	const char *result;	       /* the answer's shape, as in surface.md */
	unsigned who;
	unsigned flags;
	unsigned tools;
	int (*handle)(struct op_call *call, json_t **ret, struct error *err);
};

enum { OP_PARKED = -1 };

struct op_call {
	struct core *core;
	struct store *store; /* core->store */
	const struct op *op;
	const struct caller *caller;
	const struct proc_chain *chain; /* the caller's processes; NULL when they are not known */
	json_t *params;	    /* checked against op->params; nulls are left out; owned by the caller */
	json_t *state;	    /* the handler's own between its runs; NULL at first; owned by the call */
	bool timed_out;	    /* the wait ended by time */
	usec_t started_utc; /* when the call first ran */

	/* What a parked call waits for; filled by op_wait and op_work. */
	char topic[64];
	usec_t wait; /* at most so long; 0 is for ever */
	const char *work_kind;
	json_t *work_args; /* owned */

	/* The worker's answer, at the run after op_work: {"ok":…} or {"error":…}; owned by the call. */
	json_t *work_result;
};

/* All operations, ordered by name; ends with NULL. */
extern const struct op *const op_table[];

const struct op *op_find(const char *name);
/* Checks `params` (an object) against the table: unknown names, types, sizes, required ones. A null means
 * that it was left out, and is removed. */
int op_check_params(const struct op *op, json_t *params, struct error *err) _warn_unused_;
/* Whether this caller may call it; ERR_FORBIDDEN says who may. */
int op_check_caller(const struct op *op, const struct caller *caller, struct error *err) _warn_unused_;
/* Checks and runs the handler and the reactions to what it did. 0, OP_PARKED, or an error. */
int op_run(struct op_call *call, json_t **ret, struct error *err) _warn_unused_;
/* Frees what the call owns. */
void op_call_release(struct op_call *call);

/* For handlers. */
int op_wait(struct op_call *call, const char *topic, usec_t at_most);
int op_wait_effect(struct op_call *call, int64_t effect_id);
/* Has a worker look at git or the disk without changing anything; takes `args`. */
int op_work(struct op_call *call, const char *kind, json_t *args);
/* The answer of op_work: 0 and the object (borrowed), or the worker's error. */
int op_work_answer(const struct op_call *call, const json_t **ret, struct error *err) _warn_unused_;
/* The end of an effect: OP_PARKED while it runs, 0 with its result (new reference), or its error. */
int op_effect_answer(struct op_call *call, int64_t effect_id, json_t **ret, struct error *err) _warn_unused_;
/* The text parameter, or NULL. */
const char *op_text(const struct op_call *call, const char *name);
/* A list parameter as a NULL-terminated array, caller frees the array only; NULL when absent. */
const char **op_texts(const struct op_call *call, const char *name);

#endif

/* The link to the daemon: calls over its Unix socket, any number at a time, on a loop.
 *
 *   struct mcp_link *link = mcp_link_new(&loop, &options);
 *   call = mcp_link_call(link, &(struct mcp_request){.op = "ask", .args = args, .change = true}, answered,
 * data); mcp_link_free(link);   then run the loop until its handles have closed
 *
 * Each call under way has a connection of its own, kept for the next one. A connection that ends before the
 * answer is there is made anew and the request repeated, a change under the same Idempotency-Key: so it
 * happens once, however often its answer is lost (D2), and a daemon may be restarted or replaced under
 * calls that are under way.
 *
 * Where no daemon listens, a call may start it (MCP_MAY_START, never within a peer: X1), or waits until one
 * does: the socket's folder is watched, nothing is polled, and an idle link makes no system call (X2).
 *
 * A daemon that has come up is greeted before anything else is asked of it: `greet` registers the session
 * there, and ends with mcp_link_greeted.
 *
 * The process ignores SIGPIPE. */
#ifndef MCP_LINK_H
#define MCP_LINK_H

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "base/error.h"
#include "base/timeval.h"
#include "os/paths.h"

struct mcp_link;
struct mcp_call;

struct mcp_link_options {
	const struct paths *paths; /* copied: socket, runtime, home */
	/* Brings the daemon up, and returns when it listens; blocks. NULL: it is never started. */
	int (*start)(void *data, struct error *err);
	/* A daemon has been found, for the first time or after the last one was lost. From within it calls
	 * with MCP_GREETS go out at once, all others when mcp_link_greeted is called. NULL: no greeting. */
	void (*greet)(void *data);
	void *data;
};

enum mcp_request_flags {
	MCP_CHANGES = 1 << 0,	/* takes an Idempotency-Key */
	MCP_MAY_START = 1 << 1, /* starts the daemon if none listens when the call is made */
	MCP_GREETS = 1 << 2,	/* part of the greeting */
};

/* Connections of a lane carry nothing else: the daemon takes the end of one as the end of what it is for. */
enum mcp_lane { MCP_LANE_CALLS, MCP_LANE_DELIVERY, MCP_LANE_REPORTS };

#define MCP_FOREVER ((usec_t)-1)

struct mcp_request {
	const char *op;
	const json_t *args;  /* NULL is {}; copied */
	const char *session; /* header Coppice-Session, or NULL; copied */
	unsigned flags;
	enum mcp_lane lane;
	usec_t patience; /* how long it waits for a daemon to come up; 0: not at all */
};

/* The answer (borrowed), or why there is none. Called from the loop, never from within mcp_link_call; at most
 * once. Errors are the daemon's own, ERR_NO_DAEMON, or ERR_PROTOCOL when what answers is not it. */
typedef void (*mcp_answer_fn)(void *data, json_t *answer, const struct error *err);

struct mcp_link *mcp_link_new(uv_loop_t *loop, const struct mcp_link_options *o);
/* Drops all calls without a callback. NULL is fine. */
void mcp_link_free(struct mcp_link *link);

/* The call is valid until its callback has returned or it was cancelled. */
struct mcp_call *mcp_link_call(struct mcp_link *link, const struct mcp_request *request,
			       mcp_answer_fn answered, void *data);
/* Ends a call without a callback, and with it its connection: the daemon forgets what waits. NULL is fine. */
void mcp_link_cancel(struct mcp_call *call);

enum mcp_link_state {
	MCP_LINK_AWAY,	   /* no daemon is known to listen */
	MCP_LINK_GREETING, /* one does, and is being greeted */
	MCP_LINK_UP,
};

enum mcp_link_state mcp_link_state(const struct mcp_link *link);
/* Greets the daemon that listens, or the next one that will; from now on also after each loss of it. */
void mcp_link_wake(struct mcp_link *link);
/* The greeting is over, whatever came of it. A daemon that is lost meanwhile is greeted anew, once another is
 * there; the calls of the old greeting fail. */
void mcp_link_greeted(struct mcp_link *link);
/* Closes what is kept of a lane's connections; one with a call under way stays. */
void mcp_link_close_lane(struct mcp_link *link, enum mcp_lane lane);

#endif

/* A request on its way through the turns, from the connection that brought it to its answer. */
#ifndef DAEMON_CALL_H
#define DAEMON_CALL_H

#include "daemon/daemon.h"
#include "api/route.h"
#include "ops/op.h"

struct conn;

struct call {
	struct list link;  /* in daemon.ready or daemon.parked */
	struct conn *conn; /* NULL once the client has gone */
	struct op_call op;
	struct caller caller;
	json_t *params; /* owned */
	char *key;	/* idempotency key, or NULL */
	int64_t fingerprint;
	bool begun;		  /* its first run is behind it */
	bool working;		  /* a worker is under way for it */
	struct loop_timer *timer; /* the end of its wait */

	/* What its turn came to; sent after the commit. */
	int status; /* HTTP status, 0 while it is parked */
	json_t *answer;
};

/* Queues an operation for the next turn; takes what the route owns. */
struct call *call_begin(struct daemon *d, struct conn *conn, const struct api_route *route);
/* A parked call runs again in the next turn. */
void call_wake(struct daemon *d, struct call *call);
/* The connection has gone: what the call began goes on, only nobody hears of it. */
void call_forget(struct daemon *d, struct call *call);
void call_free(struct call *call);

/* gather.c: whether the call waits for the sessions that are older than this daemon; it is parked then. */
bool gather_holds(struct daemon *d, struct call *call);

/* conn.c: sends the answer of the connection's request. */
void conn_answer(struct conn *conn, int status, const json_t *body);
/* conn.c: its connection holds that way into the peer's session open. */
void conn_holds(struct conn *conn, const char *peer_id, const char *transport);
/* conn.c: the id of a peer that is just being started and that the caller may be part of; NULL otherwise. */
const char *conn_expected_peer(struct daemon *d, const struct conn *conn);
/* conn.c: who calls; fills call->caller and call->op.chain. In a turn. */
void conn_identify(struct daemon *d, struct conn *conn, struct caller *ret,
		   const struct proc_chain **ret_chain);

#endif

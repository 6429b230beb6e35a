/* A client's connection. */
#ifndef DAEMON_CONN_H
#define DAEMON_CONN_H

#include "daemon/call.h"
#include "mesh/transport.h"
#include "net/http_request.h"
#include "os/proc.h"

struct conn {
	struct list link; /* in daemon.conns */
	struct daemon *daemon;
	uv_pipe_t pipe;
	pid_t pid; /* by the kernel's credentials */
	int pidfd; /* of that very process, for its number is handed out again; -1 if it has gone already */
	struct http_requests requests;
	struct call *call;	 /* the request that is being answered, or NULL */
	struct loop_timer *slow; /* ends a request that does not get on */
	bool closing;
	bool reading;
	size_t writing; /* bytes handed to the loop and not yet written */

	/* Who it is, as of `generation`. */
	struct proc_chain chain;
	bool has_chain;
	bool token;
	char *session; /* the runtime's session that it names (I3), owned; or NULL */
	struct caller caller;
	char mark[ID_SIZE]; /* what its environment calls it (COPPICE_PEER): never a proof, "" if nothing */
	uint64_t generation;

	/* The way into a session that it holds open (OP_TAKES); NULL if none. */
	const struct transport_kind *holds;
	char holds_for[ID_SIZE];

	/* A stream of events, once it has asked for one. */
	bool stream;
	int64_t last_event;
	char *plan; /* only of this plan, or NULL */
};

/* Ways whose connections have gone: closed in the turn, then, after its commit, forgotten. */
void conn_record_lost_ways(struct daemon *d);
void conn_drop_lost_ways(struct daemon *d);

/* identify.c: the evidence of a connection, compared with the peers. In a turn. */
void identify(struct daemon *d, struct conn *conn);

#endif

/* The client of every command: blocking calls to the daemon over its Unix socket, and its event stream.
 *
 *   struct client *c = NULL;
 *   int r = client_open_default(CLIENT_START, &c, err);
 *   if (!r)
 *           r = client_call(c, "ask", args, key, &answer, err);
 *   client_free(c);
 *
 * A connection is made when it is first needed, and kept. One that is lost before the answer is there
 * is made anew, the daemon being started if nobody listens, and the request is repeated with the same
 * Idempotency-Key: so a change happens once, however often its answer is lost (D2). Nothing is polled:
 * a daemon that is being started reports when it is up.
 *
 * Errors: what the daemon answered, as it answered it; ERR_NO_DAEMON when none can be reached;
 * ERR_PROTOCOL when what answers is not it; ERR_TIMED_OUT over the limit. */
#ifndef OPS_CLIENT_H
#define OPS_CLIENT_H

#include <jansson.h>

#include "base/error.h"
#include "base/id.h"
#include "base/timeval.h"
#include "net/sse.h"
#include "os/paths.h"

enum { CLIENT_ANSWER_MAX = 16 * 1024 * 1024 };

#define CLIENT_PROTOCOL "1"

struct client;

struct client_options {
	const struct paths *paths; /* `socket`, and `home` for the note of another one */
	const char *token;	   /* sent as bearer token; or NULL */
	const char *session;	   /* the runtime's session that this runs in (I3), or NULL */
	/* Brings the daemon up, and returns when it listens; NULL: only what runs is used. */
	int (*start)(void *data, struct error *err);
	void *data;
	usec_t limit; /* for each answer; 0 is none */
};

/* Everything in `o` is copied, but `data`. Connects nowhere yet. */
struct client *client_new(const struct client_options *o);
/* NULL is fine. */
void client_free(struct client *c);
void client_cleanup(struct client **c);
#define autoclient _cleanup_(client_cleanup) struct client

enum client_flags {
	CLIENT_START = 1 << 0, /* start the daemon if none runs (ops/start.h) */
};

/* The client of the paths and variables of this environment: COPPICE_HOME and the XDG folders (os/paths.h),
 * COPPICE_TOKEN_FILE. The token's file must be the user's alone (S4). */
int client_open_default(unsigned flags, struct client **ret, struct error *err) _warn_unused_;
void client_set_limit(struct client *c, usec_t limit);
/* The runtime's id of the session that the calls are of, where its process hosts several (I3); what cannot be
 * one is passed over. */
void client_set_session(struct client *c, const char *session);

/* POST /v1/<op> with `args` (NULL is {}); the answer is a new reference. `key` is the Idempotency-Key of a
 * change; NULL for what changes nothing and may therefore be repeated. */
int client_call(struct client *c, const char *op, const json_t *args, const char *key, json_t **ret,
		struct error *err) _warn_unused_;
/* A key for one change. */
void client_new_key(char ret[ID_SIZE]);

/* Opens GET /v1/events?<query> (NULL: no query) after the event `last_id` (NULL: from now on). The client
 * can make no calls until client_stream_close. */
int client_stream_open(struct client *c, const char *query, const char *last_id,
		       struct error *err) _warn_unused_;
/* The descriptor to poll for reading; another one after each client_stream_read. */
int client_stream_fd(const struct client *c);
/* Waits until something comes, if nothing is there, and gives out the events that are complete. When the
 * connection was lost it is made anew, resuming after the last event that was given out; only when
 * that fails time after time without anything having come is it an error. */
int client_stream_read(struct client *c, sse_event_fn on_event, void *data, struct error *err) _warn_unused_;
void client_stream_close(struct client *c);
/* All of it: opens, reads until `on_event` returns non-zero or nothing more can be had, closes. */
int client_stream(struct client *c, const char *query, const char *last_id, sse_event_fn on_event, void *data,
		  struct error *err) _warn_unused_;

/* --- for clients that have a loop of their own (mcp/link.h) --- */

/* Connects to where a daemon listens; ERR_NOT_FOUND if none does. */
int client_reach(const struct paths *paths, usec_t limit, int *ret_fd, struct error *err) _warn_unused_;
/* The answer of that status and body: JSON, a new reference, or the error that the daemon answered. */
int client_read_answer(int status, const char *body, size_t len, json_t **ret,
		       struct error *err) _warn_unused_;

#endif

/* Asks: tracked questions, open until they end exactly once (A1, A2, A4, A5).
 *
 *	        ┌ ack ────────────────────────────── acked
 *	        ├ ack with a reply, answer, follow-up  replied
 *	open ───┼ decline ────────────────────────── declined
 *	        ├ expiry ─────────────────────────── expired
 *	        └ recipient gone, message dead ───── undeliverable
 *
 * The asker always learns which: a message of kind reply (about = the ask) is stored for it, unless it waits
 * and takes the outcome there (A5). Replies follow the ask, whatever the circles (R2).
 *
 * All functions run inside a turn. Events, subject the ask's id (so that it is woken as a topic):
 *	ask.opened {correlation_id,from,to,reply_to}
 *	ask.closed {correlation_id,from,to,outcome,by,reason} */
#ifndef MESH_ASK_H
#define MESH_ASK_H

#include <stdbool.h>

#include "base/error.h"
#include "base/json.h"
#include "mesh/identity.h"
#include "mesh/limits.h"
#include "mesh/peer.h"
#include "store/store.h"

enum {
	ASK_OPEN_MAX = 1000, /* open asks of one asker */
	ASK_LIST_MAX = 200,  /* asks in one listing */
};

/* How an ask ends; the table in ask.c says to which state, and who may. */
enum ask_end {
	ASK_ACK = 0, /* by its recipient or the human */
	ASK_REPLY,   /* an ack with text */
	ASK_ANSWER,
	ASK_FOLLOW_UP, /* a new ask whose reply_to names it */
	ASK_DECLINE,
	ASK_EXPIRE,	   /* its time is over */
	ASK_UNDELIVERABLE, /* its recipient is gone, or its message is a dead letter */
	ASK_END_MAX_,
};

struct ask_new {
	const char *to; /* peer_id: ask_route or route_resolve found it */
	const char *text;
	const char *reply_to; /* an ask that this one follows up, or NULL */
	const char *parent;   /* the question to many that it is part of (mesh/ask_many.h), or NULL */
	usec_t expires_in;    /* 0: never */
};

/* Finds whom an ask is for: with `reply_to` naming an ask addressed to the caller, its asker is found by name
 * or id in whatever circle (R2); `name` may then be NULL. Otherwise as route_resolve. */
int ask_route(struct store *s, const struct mesh_limits *limits, const struct caller *from, const char *name,
	      const char *circle, const char *reply_to, struct peer_ref *ret,
	      struct error *err) _warn_unused_;

/* Opens an ask and stores its message. `ret`: {"correlation_id","to","step"}, with "held" and "reason" when
 * the governor holds it; a new reference. A `reply_to` that names an open ask addressed to the caller ends
 * that one as replied; one of the caller's own asks is only recorded. ERR_INVALID (text, oneself),
 * ERR_TOO_LARGE (text, queue, ASK_OPEN_MAX), ERR_REFUSED (R4), ERR_NOT_FOUND (reply_to), ERR_CONFLICT
 * (reply_to has ended), ERR_FORBIDDEN (reply_to is between others). */
int ask_open(struct store *s, const struct mesh_limits *limits, const struct caller *from,
	     const struct ask_new *ask, json_t **ret, struct error *err) _warn_unused_;

/* The recipient's (or the human's) closeout; `text` NULL is a bare ack. `ret`: {"correlation_id","outcome"}.
 * A bare ack of an ask that has ended is fine, and says how it ended; a reply is ERR_CONFLICT (A4).
 * ERR_NOT_FOUND, ERR_FORBIDDEN. */
int ask_ack(struct store *s, const struct mesh_limits *limits, const struct caller *by, const char *id,
	    const char *text, json_t **ret, struct error *err) _warn_unused_;
/* Like an ack with text. */
int ask_answer(struct store *s, const struct mesh_limits *limits, const struct caller *by, const char *id,
	       const char *text, json_t **ret, struct error *err) _warn_unused_;
/* `text` says why. */
int ask_decline(struct store *s, const struct mesh_limits *limits, const struct caller *by, const char *id,
		const char *text, json_t **ret, struct error *err) _warn_unused_;

/* Ends that nobody gave: false if the ask had ended before. `reason` may be NULL for expiry. */
bool ask_expire(struct store *s, const struct mesh_limits *limits, const char *id);
bool ask_undeliverable(struct store *s, const struct mesh_limits *limits, const char *id, const char *reason);
/* Ends every open ask to a peer that is gone; returns how many. Called by mesh_react on peer.offline. */
int ask_peer_gone(struct store *s, const struct mesh_limits *limits, const char *peer_id,
		  enum peer_cause cause);

/* For `wait`: `ret` is {"correlation_id","to","step","held","state","outcome","reply","reason"}, `ret_ended`
 * whether it has ended (outcome is null before). While open it records nothing; once ended it takes the reply
 * in place of the injected one (A5). Topic to wait on: the ask's id. ERR_NOT_FOUND; ERR_FORBIDDEN (not the
 * asker). */
int ask_wait_check(struct store *s, const struct caller *by, const char *id, bool *ret_ended, json_t **ret,
		   struct error *err) _warn_unused_;

/* {"asks":[{"correlation_id","from","to","text","state","opened_at"}]}: open asks from and to the peer (NULL:
 * all), oldest first, at most ASK_LIST_MAX; also "from_name", "from_kind" and "reply_to". A new reference. */
json_t *ask_list(struct store *s, const char *peer_id);
/* Only those that the peer has to answer (A3). */
json_t *ask_list_to(struct store *s, const char *peer_id);
/* One ask in that shape with "outcome", "reply", "reason" and "closed_at"; NULL if there is none. */
json_t *ask_to_json(struct store *s, const char *id);
int64_t ask_count_open(struct store *s);

#endif

/* Messages and the ladder that each climbs (D1):
 *
 *	stored → offered → submitted → consumed → acked | answered
 *
 * Each step is a stored, timestamped fact with transport and reason (the trace, D12). A message only climbs,
 * but for two ways back: message_return, when the transport knows that it did not arrive, and message_lost,
 * when nobody can tell any more. `delivered` is said of `consumed` only. Order is kept per sender and
 * recipient (D3): nothing is offered or submitted before what came earlier. A message of kind ask has the
 * ask's id, the others a "msg-…"; a prompt is what a spawned peer begins with.
 *
 * All functions run inside a turn. Events:
 *	message.stored    subject: the recipient's peer_id, so that it is woken; {id,kind,from,to,about}
 *	message.waits     subject: the recipient's peer_id, so that it is woken; {id}: it did not come,
 *	                  or nobody knows
 *	message.submitted subject: the message; {id,kind,to,transport}: by a way that pushes
 *	message.consumed  subject: the message; {id,kind,to,transport}
 *	message.dead      subject: the message; {id,kind,from,to,reason} */
#ifndef MESH_MESSAGE_H
#define MESH_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/json.h"
#include "mesh/governor.h"
#include "mesh/identity.h"
#include "mesh/limits.h"
#include "mesh/peer.h"
#include "store/store.h"

enum { MESSAGE_TEXT_MAX = 64 * 1024 }; /* bytes */

enum message_kind {
	MESSAGE_ASK = 0,
	MESSAGE_NOTIFY,
	MESSAGE_REPLY,
	MESSAGE_SYSTEM,
	MESSAGE_PROMPT,
	MESSAGE_KIND_MAX_
};

enum message_step {
	STEP_STORED = 0,
	STEP_OFFERED,	/* handed to a transport */
	STEP_SUBMITTED, /* the runtime took it */
	STEP_CONSUMED,	/* seen entering the model's turn */
	STEP_ACKED,
	STEP_ANSWERED,
	STEP_MAX_,
};

const char *message_kind_name(enum message_kind kind);
const char *message_step_name(enum message_step step);

/* Text from outside: valid UTF-8 without NUL, 1 to MESSAGE_TEXT_MAX bytes; ERR_INVALID, ERR_TOO_LARGE. */
int message_text_check(const char *text, size_t len, struct error *err) _warn_unused_;

/* What is to be stored. `from` NULL is Coppice itself (kind system, or the end of an ask that nobody gave).
 */
struct message_new {
	enum message_kind kind;
	const char *id; /* NULL: a fresh one */
	const struct caller *from;
	const char *to;		       /* peer_id */
	const char *text;	       /* checked by the caller */
	const char *about;	       /* the ask or message that it is about, or NULL */
	const struct verdict *verdict; /* the governor's, or NULL: it is not governed */
	unsigned flags;		       /* message_flags */
	const char *why;	       /* of its step in the trace: why it waits, or NULL */
};

enum message_flags {
	MESSAGE_RECEIPT = 1 << 0, /* opens no turn: it comes along with the next one (D10) */
	MESSAGE_FYI = 1 << 1,	  /* the same, while its recipient is marked do-not-disturb */
};

/* Stores a message, within the recipient's limits (D7: see queue.h), and wakes the recipient. Who may be
 * written to is settled before (route_resolve, peer_takes_input). One that the verdict holds is stored and
 * wakes nobody. ERR_TOO_LARGE: the queue is full of asks. */
int message_store(struct store *s, const struct mesh_limits *limits, const struct message_new *m,
		  char ret_id[ID_SIZE], struct error *err) _warn_unused_;

/* Fire and forget. `ret` is a new reference: {"message_id","to","step"}, with "held" and "reason" when the
 * governor holds it. ERR_INVALID, ERR_TOO_LARGE, ERR_REFUSED (R4), ERR_NOT_FOUND. */
int message_notify(struct store *s, const struct mesh_limits *limits, const struct caller *from,
		   const char *to, const char *text, json_t **ret, struct error *err) _warn_unused_;
/* To all live peers of the circle (NULL: the sender's) but the sender and the surfaces. One recipient's full
 * queue does not stop the others. `ret`:
 * {"messages":[{"message_id","to","step"}],"refused":[{"to","code","message"}]}. ERR_FORBIDDEN (R5). */
int message_broadcast(struct store *s, const struct mesh_limits *limits, const struct caller *from,
		      const char *circle, const char *text, json_t **ret, struct error *err) _warn_unused_;

/* The steps of a delivery. `transport` names the way ("inbox", "claude-inbox", "terminal"), `reason` may be
 * NULL. Repeating the step that was reached records another try; a step that the ladder does not allow is
 * ERR_CONFLICT; so is overtaking an earlier message of the same sender (D3). ERR_NOT_FOUND. */
int message_offer(struct store *s, const char *id, const char *transport, const char *reason,
		  struct error *err) _warn_unused_;
int message_submit(struct store *s, const char *id, const char *transport, const char *reason,
		   struct error *err) _warn_unused_;
/* Proof that it entered the model's turn; a second proof changes nothing. */
int message_consume(struct store *s, const char *id, const char *transport, const char *reason,
		    struct error *err) _warn_unused_;
/* The transport knows that it did not arrive: the message waits again, for any transport. */
int message_return(struct store *s, const char *id, const char *transport, const char *reason,
		   struct error *err) _warn_unused_;
/* Nobody can say any more whether it arrived: the message waits again, and its next showing says that it is
 * a repeat (D2). */
int message_lost(struct store *s, const char *id, const char *transport, const char *reason,
		 struct error *err) _warn_unused_;
/* The ask that this message carried ended: `step` is STEP_ACKED or STEP_ANSWERED. When its recipient ended
 * it (`seen`), that proves that the message was consumed. */
void message_close(struct store *s, const char *id, enum message_step step, bool seen, const char *reason);

/* How many messages wait for it (stored, offered or submitted). NULL: for anybody. */
int64_t message_waiting(struct store *s, const char *peer_id);

/* {"id","kind","from","to","text","at","step","repeat"} and "from_kind", "from_name", "about", "outcome" (of
 * a reply's ask); a new reference, NULL if there is none. */
json_t *message_to_json(struct store *s, const char *id);
/* The recipient was marked do-not-disturb: the traces of the notifies that wait untaken for it say so. */
void message_note_quiet(struct store *s, const char *peer_id);
/* Records in the traces of all that waits untaken for the peer that its terminal was used to wake it. */
void message_note_wake(struct store *s, const char *peer_id, const char *outcome);
/* {"id","kind","from","to","steps":[{"step","at","transport","reason"}]}; besides the ladder's, a step
 * may be "returned", "woken" or "dead". ERR_NOT_FOUND. */
int message_trace(struct store *s, const char *id, json_t **ret, struct error *err) _warn_unused_;

#endif

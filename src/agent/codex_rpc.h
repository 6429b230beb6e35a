/* The conversation with a Codex app server: JSON-RPC without its version member, one message a frame, as a
 * state machine over texts. No socket, no clock.
 *
 *   codex_rpc_new(&options, &rpc)	says hello
 *   each text frame: codex_rpc_feed(rpc, text, len, err)
 *   codex_rpc_send(rpc, session, id, text, err)
 *
 * Sessions are the server's threads. Those that only Codex itself speaks to are left out: ephemeral ones (it
 * has its titles written in such), and subagents. A thread stays loaded for half an hour after its last
 * client has gone; it is a session, and takes messages, until the server closes it.
 *
 * A message becomes a `turn/start`, which starts a turn in an idle thread and steers a busy one. That it is
 * read shows in an item of the thread, and items are told to subscribers only. So a busy thread is subscribed
 * to while one of our messages is under way, and no longer: a subscriber keeps a thread loaded. To an idle
 * one that would be a detour for the message (tried: 10 ms more on 60), and one that never had a turn refuses
 * it; there the message is looked for in the list of turns once its turn is over, if no hook has shown it
 * before. Of one thread only one message at a time waits for the server's word, so that order is kept (D3).
 *
 * A message that was steered into a turn which the user then interrupts is dropped by Codex: it is told by a
 * second `sent`, with an error.
 *
 * Requests of the server (approvals, questions) are the user's and never answered. What is not known is
 * ignored, and so is a frame that is no JSON of ours; only a row of such frames ends the conversation. */
#ifndef AGENT_CODEX_RPC_H
#define AGENT_CODEX_RPC_H

#include "agent/agent.h"

struct codex_rpc;

enum {
	CODEX_ID_MAX = 64,	    /* bytes of a thread's or turn's id */
	CODEX_TEXT_MAX = 1 << 20,   /* bytes of one message */
	CODEX_THREADS_MAX = 1024,   /* loaded at a time; what is beyond is not seen */
	CODEX_UNDER_WAY_MAX = 64,   /* messages of one thread that are not yet read */
	CODEX_BAD_FRAMES_MAX = 100, /* in a row */
};

struct codex_rpc_options {
	/* Queues one frame for the server. */
	int (*write)(void *owner, const char *text, size_t len, struct error *err);
	/* Whether an answer is owed to us, said anew at each request and answer: so that the owner can limit
	 * the wait. May be NULL. */
	void (*owed)(void *owner, bool owed);
	void *owner;
	/* All but `lost`. They may call codex_rpc_send and codex_rpc_stop. */
	const struct agent_link_events *events;
	void *data;
};

/* ERR_TOO_LARGE and the like, when even the first frame cannot be written. */
int codex_rpc_new(const struct codex_rpc_options *options, struct codex_rpc **ret,
		  struct error *err) _warn_unused_;
/* Not from within an event. NULL is fine. */
void codex_rpc_free(struct codex_rpc *rpc);
/* No event comes after it. */
void codex_rpc_stop(struct codex_rpc *rpc);
/* An error ends the conversation: ERR_PROTOCOL, or that of `write`. */
int codex_rpc_feed(struct codex_rpc *rpc, const char *text, size_t len, struct error *err) _warn_unused_;
/* ERR_NOT_FOUND for a session that is not known, ERR_TOO_LARGE beyond a cap, ERR_EXISTS for a message that is
 * under way already. */
int codex_rpc_send(struct codex_rpc *rpc, const char *session, const char *id, const char *text,
		   struct error *err) _warn_unused_;

#endif

/* What the files of codex_rpc share: codex_rpc.c speaks the protocol, codex_thread.c keeps a thread's
 * messages in order. */
#ifndef AGENT_CODEX_RPC_INTERNAL_H
#define AGENT_CODEX_RPC_INTERNAL_H

#include "agent/codex_rpc.h"
#include "base/list.h"

/* A message under way. */
enum send_state {
	SEND_WAITS, /* for its turn */
	SEND_ASKED, /* turn/start is out */
	SEND_TAKEN, /* and was answered well */
};

struct send {
	struct list link; /* in thread.sends, in their order */
	enum send_state state;
	char id[CODEX_ID_MAX + 1];
	char turn[CODEX_ID_MAX + 1]; /* that it was taken into; "" until then */
	bool turn_over;		     /* that turn has ended */
	bool blind;		     /* sent while no item was told: that it was not seen means nothing */
	char *text;		     /* owned; NULL once it was sent */
};

enum thread_kind {
	THREAD_ASKED, /* known by its id only: thread/read is out */
	THREAD_HIDDEN,
	THREAD_SESSION,
};

enum subscription {
	SUB_NONE,
	SUB_ASKED,   /* thread/resume is out */
	SUB_YES,     /* its items are told */
	SUB_REFUSED, /* it had no turn yet */
	SUB_LEAVING, /* thread/unsubscribe is out: to ask again before its answer could cross it */
};

struct thread {
	struct list link; /* in codex_rpc.threads, the oldest first */
	enum thread_kind kind;
	enum agent_turn turn;
	enum subscription sub;
	bool looking; /* thread/turns/list is out */
	bool fresh;   /* no message of a user has been seen in it yet */
	bool awake;   /* it has been seen at work */
	struct list sends;
	size_t n_sends;
	char id[CODEX_ID_MAX + 1];
};

enum request_kind {
	REQUEST_INITIALIZE,
	REQUEST_LOADED_LIST,
	REQUEST_READ,
	REQUEST_RESUME,
	REQUEST_UNSUBSCRIBE,
	REQUEST_TURN_START,
	REQUEST_TURNS_LIST,
};

/* One that is not answered yet. */
struct request {
	struct list link; /* in codex_rpc.requests */
	enum request_kind kind;
	json_int_t id;
	char thread[CODEX_ID_MAX + 1];
	char send[CODEX_ID_MAX + 1];
};

struct codex_rpc {
	struct codex_rpc_options o;
	struct list threads, requests;
	size_t n_threads, n_requests;
	json_int_t last_id;
	unsigned pages;	     /* of the list of threads that were asked for */
	unsigned bad_frames; /* in a row */
	bool stopped;
	int failed; /* what `write` returned */
};

/* 1 to CODEX_ID_MAX letters, digits, dashes and underlines; NULL is none. */
bool rpc_is_id(const char *id);
/* Sends a request; `params` is taken. A failure is kept in rpc->failed. */
void rpc_request(struct codex_rpc *rpc, enum request_kind kind, const struct thread *t, const char *send,
		 json_t *params);

void thread_free(struct codex_rpc *rpc, struct thread *t);
/* NULL if it is not under way. */
struct send *thread_find_send(struct thread *t, const char *id);
int thread_add_send(struct codex_rpc *rpc, struct thread *t, const char *id, const char *text,
		    struct error *err) _warn_unused_;
/* Does what is next for its messages. */
void thread_advance(struct codex_rpc *rpc, struct thread *t);
/* Its status has changed. */
void thread_turn(struct codex_rpc *rpc, struct thread *t, enum agent_turn turn);
/* A turn of it has ended. */
void thread_turn_over(struct codex_rpc *rpc, struct thread *t, const char *turn);
/* A user's message stands in it: an item of a turn. */
void thread_said(struct codex_rpc *rpc, struct thread *t, const json_t *item);
/* Our elements in a text that a user said: messages that came by another way than this one. */
void thread_shows(struct codex_rpc *rpc, struct thread *t, const char *text, size_t len);
/* Answers. `error` is the server's, NULL if there is none. */
void thread_resumed(struct codex_rpc *rpc, struct thread *t, bool ok);
void thread_left(struct codex_rpc *rpc, struct thread *t);
void thread_started(struct codex_rpc *rpc, struct thread *t, const char *id, const json_t *result,
		    const struct error *failure);
void thread_listed(struct codex_rpc *rpc, struct thread *t, const json_t *result);
/* It is gone: what was not sent is known not to have arrived. */
void thread_gone(struct codex_rpc *rpc, struct thread *t);

#endif

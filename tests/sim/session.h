/* Agents' sessions without their runtimes: each has hooks that call, a simulated `coppice mcp` or a link or
 * the runtime's queue by which messages come, and a model that reads them. What comes is read in the order in
 * which the runtime got it; whatever can be lost on the way is lost now and then. */
#ifndef SIM_SESSION_H
#define SIM_SESSION_H

#include "agent/agent.h"
#include "sim.h"
#include "store/event.h"

struct session {
	const char *backend;
	size_t proc;
	char key[24];
	char path[32];
	char peer[ID_SIZE]; /* whose it is, "" until it was told */
	bool there;	    /* the runtime has it */
	bool hosts;	    /* its process has a control socket, and perhaps other sessions */
	bool queued;	    /* the runtime's queue reaches it */
	bool started;	    /* its first hook was called */
	bool linked;	    /* its link was told of it */
	bool working, awaits, continued;
	bool typed;	    /* a wake line stands in its prompt */
	bool broken_off;    /* a wake was refused: only its user's next prompt helps */
	const char *screen; /* what hinders its start, or NULL */
	json_t *first;	    /* ids in the first message of its thread; NULL while it has none; owned */
	json_t *next;	    /* texts that the runtime has and the model has not read yet; owned, like all */

	size_t hook; /* request + 1 of the hook under way, 0 for none */
	enum agent_event event;
	json_t *recalled;  /* open asks that it had read when the hook of its prompt was called */
	const char *began; /* how, or NULL */
	char next_key[24]; /* after a session_end: the session that begins in its place */

	bool mcp;
	size_t take, report;   /* request + 1 */
	json_t *handed, *held; /* messages: {"id","text"} */
	json_t *reports;       /* {"id","step","reason"} */
	usec_t rest;	       /* monotonic: nothing is taken before */
};

/* Anything that a session may do next. */
void session_step(struct sim *m);
/* Everything that sessions can do in peace; false when nothing is left. */
bool sessions_peace(struct sim *m);
void sessions_free(struct sim *m);
/* The process of a session that may ask for something; WHO_HUMAN when there is none. */
int session_asker(struct sim *m);
/* The peer of a session that lives, NULL for none. */
const char *session_any_peer(struct sim *m);
/* One of the living sessions of the process, -1 for none. */
int session_of(struct sim *m, int who);
/* By the runtime's id, or by the peer; NULL for none that is there. */
struct session *session_by_key(struct sim *m, int64_t pid, const char *key);
struct session *session_by_peer(struct sim *m, const char *peer);
bool session_lives(const struct sim *m, const struct session *s);
/* A process has ended: its runtime's child or its launcher too, and the ways into its sessions. */
void session_process_ended(struct sim *m, const struct proc *p);
bool session_is_runtime(const json_t *spawn_args);
void session_spawned(struct sim *m, size_t launcher, const json_t *spawn_args);
void session_act_look(struct sim *m, struct world *w, struct action *a);
void session_act_wake(struct sim *m, struct world *w, struct action *a);
void session_act_handover(struct sim *m, struct world *w, struct action *a);

/* link.c, as in daemon/links.c, conn.c and records.c. */
void links_init(struct sim *m);
void links_free(struct sim *m);
void links_forget(struct sim *m);
void link_open(struct sim *m, const json_t *host);
/* core.linked */
bool link_reaches(const struct core *core, int64_t pid, int64_t start_time);
bool link_is_open(const struct sim *m, const struct session *s);
void link_hold(struct sim *m, const struct call *c);
/* The connection of a take, or all that a session's `coppice mcp` holds, has gone. */
void link_cut(struct sim *m, const struct request *r);
void link_cut_session(struct sim *m, int session);
/* What a link hears. `id` and `why` may be NULL. */
void link_tell(struct sim *m, const struct session *s, const char *kind, const char *id, const char *why);
void link_note_record(struct sim *m, int session);
/* A daemon that starts reads all records. */
void links_started(struct sim *m);
/* The host hands on what a link sent, or the connection ends. */
bool link_step(struct sim *m);
bool links_any_news(const struct sim *m);
void links_record(struct sim *m);
void links_take(struct sim *m);
void links_committed(struct sim *m);
void links_dropped(struct sim *m);

/* read.c */
/* The model reads a text. */
void read_text(struct sim *m, const struct session *s, const char *text);
/* A way got a message to hand over. */
void read_handed(struct sim *m, const char *peer, const char *id);
/* The hook of a prompt is called. */
void read_asked(struct sim *m, struct session *s);
/* A hook of the session was answered. */
void read_hook(struct sim *m, struct session *s, const json_t *answer);
void read_consumed(struct sim *m, const struct event *e);
void read_submitted(struct sim *m, const struct event *e);
void read_asked_many(struct sim *m, const struct request *r, const json_t *answer);
void read_many_result(struct sim *m, const json_t *answer);
void read_check(struct sim *m);
void read_peace(struct sim *m);

#endif

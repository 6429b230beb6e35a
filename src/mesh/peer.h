/* Peers: who takes part, and which processes prove it (I1 to I9).
 *
 * A peer is one row that is never reused. Its life:
 *
 *	peer_mint       expected: offline, live (it holds its name), pending_first_turn
 *	peer_register   a process is bound: online (or, for the bare terminal of an agent, still expected)
 *	peer_offline    gone: not live, with a cause; its row and its messages stay
 *	peer_expect     expected again (a restart, a resumed job)
 *
 * A session row is a process (pid, start time, boot id) that proves the peer: the agent's own, or the
 * terminal that Coppice started for it. A peer goes offline when its last open session ended (I9).
 *
 * All functions run inside a turn (store_begin), keep nothing in memory, and do no I/O of their own.
 * Events, with the peer's id as subject (so that it is woken as a topic) and its plan:
 *	peer.minted      {peer_id,name,circle,backend}
 *	peer.registered  {peer_id,name,epoch,kind,pid,start_time}   watch that process
 *	peer.online      {peer_id,name,circle}
 *	peer.expected    {peer_id,name,circle}
 *	peer.turn        {peer_id,from,to}
 *	peer.quiet       {peer_id,quiet}
 *	peer.assigned    {peer_id,name,circle,role}                 by the word of a human or a service
 *	peer.session_ended {peer_id,kind,pid,cause}                 one of its processes, perhaps not the last
 *	peer.offline     {peer_id,name,circle,cause,final} */
#ifndef MESH_PEER_H
#define MESH_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/id.h"
#include "base/json.h"
#include "mesh/role.h"
#include "os/proc.h"
#include "store/store.h"

enum {
	PEER_NAME_MAX = 200,		     /* bytes of a name before its suffix */
	PEER_NAME_SIZE = PEER_NAME_MAX + 24, /* with suffix and NUL */
	PEER_CIRCLE_SIZE = 65,		     /* circle_name_check: at most 64 */
	PEER_DESCRIPTION_MAX = 1024,	     /* bytes */
	PEER_LIST_MAX = 1000,		     /* peers in one listing */
};

/* Why a peer went offline (I9). Each is recorded in its row and in the event. */
enum peer_cause {
	CAUSE_NONE = 0,
	CAUSE_SESSION_END,  /* the runtime said that its session ended */
	CAUSE_PROCESS_GONE, /* its last process is gone */
	CAUSE_KILLED,	    /* Coppice ended it on request */
	CAUSE_RETIRED,	    /* unregistered by the user */
	CAUSE_REBOOT,	    /* its processes were of another boot */
	CAUSE_FINISHED,	    /* it did what it was started for */
	CAUSE_MAX_,
};

const char *peer_cause_name(enum peer_cause cause);
enum peer_cause peer_cause_of(const char *name); /* CAUSE_NONE if unknown or NULL */
/* Gone for good: nothing may be queued for it (R4). The others may come back, so messages wait (D7). */
bool peer_cause_final(enum peer_cause cause);

enum turn_state {
	TURN_NONE = 0,
	TURN_IDLE,
	TURN_WORKING,
	TURN_AWAITING_INPUT,
	TURN_PENDING_FIRST,
	TURN_MAX_
};

/* "idle", "working", "awaiting_input", "pending_first_turn"; NULL for TURN_NONE. */
const char *turn_state_name(enum turn_state state);
bool turn_state_parse(const char *name, enum turn_state *ret);

/* What others need to know of a peer; a value without pointers. */
struct peer_ref {
	char peer_id[ID_SIZE];
	char name[PEER_NAME_SIZE];
	char circle[PEER_CIRCLE_SIZE];
	enum role role;
	bool live; /* holds its name: online, or expected to come */
	bool online;
	bool quiet; /* marked do-not-disturb (D10) */
	int64_t epoch;
	enum peer_cause cause; /* of its last going offline */
	usec_t offline_at;     /* UTC, 0 while it was never offline */
};

/* What is said of a peer when it is minted or registers. NULL (or false) means "left out", which keeps
 * what there is (I7). Strings are copied. */
struct peer_spec {
	const char *name;   /* wish; default: branch, else the folder of `path` (I6) */
	const char *circle; /* default "default" */
	const char *role;   /* default "agent"; never human or service */
	const char *backend;
	const char *profile;
	const char *path;
	const char *branch;
	const char *repo_id;
	const char *description;
	const char *transport;
	const char *spawn_id;
	const char *parent_peer;
	const char *plan_id;
	/* The words come from the human, a plan or the spawner, not from the agent itself: only then may
	 * role, circle and name be changed or a role other than agent be given (I7). */
	bool trusted;
};

enum session_kind {
	SESSION_AGENT = 0, /* the agent's own process */
	SESSION_TERMINAL,  /* the process of a terminal that Coppice started */
};

/* A process that proves a peer. */
struct peer_process {
	enum session_kind kind;
	pid_t pid;
	uint64_t start_time;
	const char *boot_id; /* NULL: this boot */
	const char *pane_id; /* terminals only */
	const char *key;     /* the runtime's id of the session, or NULL */
	bool hosted;	     /* its process hosts several sessions, so the key says which one this is (I3) */
	int tty;	     /* its controlling terminal's device number, 0 if none */
	/* Terminals only: its process is the peer itself (backend script), so that the peer is online now. */
	bool is_peer;
	/* The peer whose process encloses this one (identity_enclosing), or NULL. */
	const char *inside;
};

/* Creates a peer before its process exists, so that messages can queue for it. ERR_INVALID for a bad
 * name, circle, role or text. */
int peer_mint(struct store *s, const struct peer_spec *spec, char ret_peer_id[ID_SIZE],
	      struct error *err) _warn_unused_;

/* ERR_REFUSED when the process's session was taken out of the mesh by its user: it stays out, though it lives
 * on and calls. */
int peer_check_retired(struct store *s, const struct peer_process *process, struct error *err) _warn_unused_;
/* Binds a process to its peer, bumps the peer's epoch (I5), and says which peer it is. In this order:
 *  1. the same process as before (and, where it hosts several sessions, the same key) is the same peer, also
 *     after it went offline (I3, I7);
 *  2. spec->spawn_id names a live peer that has no agent process yet: that peer;
 *  3. process->inside names a live peer that so far has only its terminal, of the same backend: that peer;
 *  4. a runtime resumes the session of a peer that is offline (not for good), by its key: that peer, also
 * when its process was registered, and nothing more, before the key was known;
 *  5. a new peer, with `inside` or the spawn's peer as its parent (I4).
 * ERR_FORBIDDEN when an untrusted caller names another role or circle (I7); ERR_REFUSED when its user has
 * taken this very session out of the mesh. */
int peer_register(struct store *s, const struct peer_process *process, const struct peer_spec *spec,
		  struct peer_ref *ret, struct error *err) _warn_unused_;

/* A live peer waits for a new process: ends its open sessions (cause "restart"), keeps id, role, circle,
 * name and messages. The name gets a suffix if another live peer took it meanwhile. `spawn_id` is the
 * start that will bind to it, or NULL. ERR_NOT_FOUND, ERR_REFUSED (a surface), which whoever knows the peer
 * may ignore. */
int peer_expect(struct store *s, const char *peer_id, const char *spawn_id, struct error *err);

/* Takes a peer offline: ends its sessions and records the cause; the first cause stays. ERR_NOT_FOUND,
 * ERR_REFUSED (a surface is always online), which whoever knows the peer may ignore. */
int peer_offline(struct store *s, const char *peer_id, enum peer_cause cause, struct error *err);

/* What is known of a process: only TRUTH_NO ends its sessions, and takes offline each peer that has no
 * other (I8, I9). `boot_id` NULL is this boot. Returns the number of sessions that ended. */
int peer_process_seen(struct store *s, pid_t pid, uint64_t start_time, const char *boot_id, enum truth alive);
/* The same with TRUTH_NO: its pidfd became readable. */
int peer_process_gone(struct store *s, pid_t pid, uint64_t start_time, const char *boot_id);
/* One session of a process that hosts several has ended; false if it is not known. */
bool peer_session_gone(struct store *s, pid_t pid, uint64_t start_time, const char *key);
/* The open session of that process and key: its peer; false if there is none. */
bool peer_of_session(struct store *s, pid_t pid, uint64_t start_time, const char *key, struct peer_ref *ret);
/* Ends all sessions of another boot than this one; returns how many peers went offline. */
int peer_reboot(struct store *s);

/* Records where the runtime stands in its turn; also counts as being seen. ERR_NOT_FOUND, ERR_CONFLICT (it
 * is not live). */
int peer_set_turn_state(struct store *s, const char *peer_id, enum turn_state state,
			struct error *err) _warn_unused_;
/* Replaces the description; ERR_TOO_LARGE, ERR_INVALID, ERR_NOT_FOUND. */
int peer_describe(struct store *s, const char *peer_id, const char *text, struct error *err) _warn_unused_;
/* Marks it do-not-disturb, or takes that back: what is marked no notify wakes (D10). ERR_NOT_FOUND,
 * ERR_REFUSED (a surface: nothing wakes it). */
int peer_set_quiet(struct store *s, const char *peer_id, bool quiet, struct error *err) _warn_unused_;
/* Replaces role or circle by the human's or spawner's word (NULL keeps); a new circle may suffix the name. */
int peer_assign(struct store *s, const char *peer_id, const char *role, const char *circle,
		struct error *err) _warn_unused_;
/* Something of ours runs in its session and has called: it was not opened before `coppice setup`. */
void peer_set_served(struct store *s, const char *peer_id);
/* Why its last turn failed, in a word; NULL once another begins. */
void peer_set_turn_failed(struct store *s, const char *peer_id, const char *reason);
/* Its hooks call us: what waits for it is carried by them, at the latest. Whether this was the first time. */
bool peer_set_hooked(struct store *s, const char *peer_id);
void peer_seen(struct store *s, const char *peer_id);
/* ERR_STALE_FENCE unless `epoch` is the peer's current one (I5). */
int peer_check_epoch(struct store *s, const char *peer_id, int64_t epoch, struct error *err) _warn_unused_;

/* False if there is no such peer. */
bool peer_find(struct store *s, const char *peer_id, struct peer_ref *ret);
/* The live peer that a spawn was minted or bound for; false if there is none. */
bool peer_of_spawn(struct store *s, const char *spawn_id, struct peer_ref *ret);
/* R4: whether something may be stored for it at `now`: it is live, or went within `queue_age` with a cause
 * that is not final, and its role takes input. ERR_REFUSED says why not. */
int peer_takes_input(struct store *s, const struct peer_ref *peer, usec_t queue_age,
		     struct error *err) _warn_unused_;

/* The one row of a surface, ROLE_HUMAN or ROLE_SERVICE, made at first use: circle default, always online,
 * no process. */
void peer_surface(struct store *s, enum role role, struct peer_ref *ret);

/* One peer in the shape of `ps --json` (surface.md); a new reference, NULL if there is none. `status` is
 * "busy" while an online peer works or awaits input within a turn. */
json_t *peer_to_json(struct store *s, const char *peer_id);
/* {"peers":[…]}, online ones only; `all` adds expected, offline and surface peers. `circle` NULL is every
 * circle. Online first, then the most recently gone; at most PEER_LIST_MAX. A new reference. */
json_t *peer_list(struct store *s, const char *circle, bool all);

/* Calls `each` for every process of this boot that proves a live peer: those whose end must be noticed. */
void peer_watch_each(struct store *s,
		     void (*each)(const char *peer_id, pid_t pid, uint64_t start_time, void *data),
		     void *data);

#endif

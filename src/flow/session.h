/* Agents' sessions: what their hooks and links tell, and what is answered.
 *
 * A hook's event (agent.h) moves the peer's turn state, proves what was read, and fetches what waits where no
 * native way will carry it. What is answered is for the model: the brief at the start of a session and after
 * a compaction, messages, and at the turn's boundaries the asks that are still open (A3). */
#ifndef FLOW_SESSION_H
#define FLOW_SESSION_H

#include "agent/agent.h"
#include "flow/core.h"
#include "mesh/peer.h"

/* --- where a session works --- */

/* The repository and branch of the worktree whose folder `path` is, by the books; NULL when it is none of
 * ours (or `path` is NULL). Caller frees both. */
void session_place(struct store *s, const char *path, char **ret_repo, char **ret_branch);
/* Takes a linked worktree that git describes (repo/describe.h) into the books, if it is not there yet. */
void session_take_note(struct store *s, const json_t *there);

/* --- hooks --- */

struct session_event {
	enum agent_event event;
	const char *source;  /* agent_hook.source, or NULL */
	const json_t *shown; /* ids of our messages in the prompt: an array of strings, or NULL */
	const char *denied;  /* agent_hook.denied, or NULL */
	bool continued;	     /* a hook has kept this turn going already */
};

/* Handles an event of a peer's session. `ret`: {"context","carry_on"}, each a text or null; a new reference.
 */
void session_event(struct core *core, const struct peer_ref *peer, const struct session_event *event,
		   json_t **ret);

/* --- sessions that others tell of: a link to the process that hosts them, or the runtime's own records ---
 */

struct session_found {
	const char *backend, *key, *path;
	int64_t pid, start_time; /* of its process */
	const char *inside;	 /* the peer whose process encloses that one, or NULL */
	const char *mark;	 /* the peer that its environment names, or NULL: a hint, no evidence */
	/* What its process was started with, by whoever is outside of all peers; NULL when it was not said.
	 * Of a process inside a peer they count for nothing (I7). */
	const char *circle, *role;
	enum agent_turn turn;
	bool hosted; /* by a link: its process may host others too, and the link is a way into it */
};

/* A session is there: git is asked where it works, then it becomes a peer. One that is a peer already stands
 * where its record says. One in a terminal that does not prove its peer yet (spawn_unproven) is passed over:
 * its own hook tells of it. */
void session_found(struct core *core, const struct session_found *found);
/* The end of the effect that asks git; the subject is the session's key. */
void session_located(struct core *core, const char *subject, bool ok, const json_t *result);
/* Whether the sessions of a hosting process are told apart: not in a terminal of ours, which runs one agent,
 * so that whatever sessions its own app server opens are that peer's. `inside`: the peer that encloses the
 * process, or NULL. */
bool session_is_one_of_many(struct store *s, const char *inside, const char *backend);
/* Its turn as its runtime tells it; nothing happens for a session that is not known. */
void session_turn(struct core *core, int64_t pid, int64_t start_time, const char *key, enum agent_turn turn);

#endif

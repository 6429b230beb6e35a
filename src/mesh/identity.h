/* Who is calling (I2, I3, I4): a peer, the human, a service, or unknown.
 *
 * Evidence is the caller's process chain (SO_PEERCRED pid, walked by os/proc.h) and what the daemon read
 * beside it; it is compared with the open sessions. In this order, the first that holds:
 *
 *  peer     the nearest process of the chain that is a registered agent, or the process of a terminal
 *           that Coppice started; so an inner agent beats an outer one (I4). Else: the caller's
 *           session leader is such a terminal process (a double fork keeps its session).
 *  human    not confined, and a token; or a controlling terminal that is not one of Coppice's, with the
 *           whole chain seen, no mark of a peer in the environment, and no process in the chain that was an
 *           agent before it was taken offline (it is no user because it is no peer any more).
 *  service  no terminal, the whole chain seen, its environment read and unmarked, not confined, no terminal
 *           server in the chain, and the session's leader a living proper ancestor (or, for a leader
 *           itself, a parent outside of this pid namespace): CI, cron, a script.
 *  unknown  everything else. It may read, and send as "unknown"; it never counts as the user.
 *
 * This guards against accidents and confusion. A hostile process of the same user can allocate a terminal
 * or read the token's file; only the sandbox stops that one (S5), in which the token is not to be seen. */
#ifndef MESH_IDENTITY_H
#define MESH_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "mesh/peer.h"
#include "os/proc.h"
#include "store/store.h"

enum caller_kind { CALLER_UNKNOWN = 0, CALLER_PEER, CALLER_HUMAN, CALLER_SERVICE };

/* "unknown", "peer", "human", "service": also message.from_kind. */
const char *caller_kind_name(enum caller_kind kind);

/* Who calls; a value without pointers. For human and service, the ids are those of their surface's peer. */
struct caller {
	enum caller_kind kind;
	char peer_id[ID_SIZE]; /* "" for unknown */
	char name[PEER_NAME_SIZE];
	char circle[PEER_CIRCLE_SIZE];
	enum role role;
	int64_t epoch;
};

/* What the daemon knows besides the chain. All zero is the least that can be said, except that `marked`
 * and `confined` must be filled in: TRUTH_NO claims that it was looked at. */
struct identity_evidence {
	bool token;	       /* it presented a valid token */
	enum truth marked;     /* its environment has COPPICE_PEER */
	enum truth confined;   /* a sandbox is around it (S5) */
	uint64_t leader_start; /* start time of the process whose pid is the caller's session id; 0 if gone */
	bool terminal_server;  /* a tmux server is in the chain (tmux run-shell): the pane cannot be told */
	/* The runtime's session that the caller names; it selects among those that a process proven to
	 * enclose the caller hosts, and proves nothing by itself (I3). NULL: none. */
	const char *session;
};

/* `chain` may be NULL or empty: the caller is gone, or came over TCP. Creates the surface's row at its first
 * use; inside a turn. */
void identity_resolve(struct store *s, const struct proc_chain *chain,
		      const struct identity_evidence *evidence, struct caller *ret);
/* The caller for a peer that is known by other means (a job's executor, a test). */
void identity_of_peer(const struct peer_ref *peer, struct caller *ret);
/* The nearest peer whose process is chain->at[from] or an ancestor of it; false if there is none. With the
 * index of a process's parent: the peer that encloses it, for peer_process.inside. `session` selects among
 * the sessions of a process that hosts several; one that names none of them is nobody there. */
bool identity_enclosing(struct store *s, const struct proc_chain *chain, size_t from, const char *session,
			char ret_peer_id[ID_SIZE]);

#endif

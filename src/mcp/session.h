/* The session on whose behalf this process runs: which agent it is, its registration as a peer, and the tools
 * that its role is offered.
 *
 * The agent is the nearest ancestor whose name the backend knows, the backend being told by the name of the
 * MCP client. That is a hint; the daemon checks that it is an ancestor (I1, I2). Registration is repeated
 * with each daemon that is found, and bumps nothing but the epoch (I5, I7).
 *
 * A peer's role may change while its session runs: the daemon is asked to say so (await_role), and the tools
 * follow. One that does not know that operation, being of a version before, is left alone until the next. */
#ifndef MCP_SESSION_H
#define MCP_SESSION_H

#include "agent/agent.h"
#include "mcp/link.h"
#include "mcp/tools.h"

/* What the process finds around it. Owned, released by mcp_place_release. */
struct mcp_place {
	char *folder;  /* where the session works */
	char *session; /* the runtime's id of it, or NULL */
	char *circle;  /* or NULL */
	char *role;    /* that whoever started the session gives it, or NULL */
	bool in_peer;  /* Coppice started what we run in: no daemon is started from here (X1) */
	bool kept_out; /* COPPICE=0: it stays out of the mesh */
	const struct agent_backend *(*backend_of)(const char *client_name);
};

/* `dir` was named as its folder, if it is another one than the current; or NULL. */
void mcp_place_find(const char *dir, struct mcp_place *ret);
void mcp_place_release(struct mcp_place *place);
struct mcp_session;

/* Everything borrowed. `settled` is called whenever a greeting is over, and when the role has changed: the
 * set of tools may be another. */
struct mcp_session *mcp_session_new(uv_loop_t *loop, struct mcp_link *link, const struct mcp_place *place,
				    enum mcp_set chosen, void (*settled)(void *data), void *data);
/* NULL is fine. */
void mcp_session_free(struct mcp_session *s);

/* The client has said its name (or not: NULL). The first one counts; from then on the session registers
 * with the daemon that runs, and with the next ones. */
void mcp_session_begin(struct mcp_session *s, const char *client_name);
/* For the link: registers, then lets the other calls go. */
void mcp_session_greet(struct mcp_session *s);

/* The tools as far as is known: of the role, or as the backend and the place let suppose. */
enum mcp_set mcp_session_set(const struct mcp_session *s);
/* They are known, or chosen. */
bool mcp_session_is_settled(const struct mcp_session *s);
/* It is a peer with a process of its own. */
bool mcp_session_is_registered(const struct mcp_session *s);
/* NULL while unknown. */
const struct agent_backend *mcp_session_backend(const struct mcp_session *s);

#endif

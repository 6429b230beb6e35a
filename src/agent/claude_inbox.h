/* The inbox of a running Claude Code session, written from a process that the session itself started: what
 * comes from elsewhere is held for the user's consent where permissions are bypassed. agent.h has the
 * contract; this is what it is made of, for tests.
 *
 * One connection a message, one after another, for connections side by side would not keep the order: the
 * line is written, our side of the connection shut, and the session's end of it is its word that it has read
 * the line. */
#ifndef AGENT_CLAUDE_INBOX_H
#define AGENT_CLAUDE_INBOX_H

#include "agent/agent.h"
#include "agent/claude_pace.h"
#include "base/timeval.h"

struct claude_inbox_options {
	const char *socket; /* of the session */
	const char *token;  /* or NULL */
	pid_t session;	    /* the process that listens, 0 if unknown */
	struct claude_pace pace;
	usec_t limit; /* how long a session that reads nothing is waited for; then the next message's turn */
};

/* Never fails for want of a socket for receipts: then there are none. */
struct agent_inbox *claude_inbox_new(uv_loop_t *loop, const struct claude_inbox_options *options,
				     const struct agent_inbox_events *events, void *data);

extern const struct agent_inbox_kind claude_inbox;

#endif

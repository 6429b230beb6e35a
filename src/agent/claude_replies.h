/* The socket on which Claude Code tells what became of a message: one connection and one line each, to a
 * socket in the folder of the session's own, and only if the process that listens is the one that sent. So it
 * is named after this process, and belongs to the loop of it. */
#ifndef AGENT_CLAUDE_REPLIES_H
#define AGENT_CLAUDE_REPLIES_H

#include <sys/types.h>
#include <uv.h>

#include "agent/claude_frame.h"
#include "base/timeval.h"

struct claude_replies;

struct claude_replies_options {
	const char *dir; /* of the session's socket */
	pid_t session;	 /* whose receipts count; 0: any process of this user */
	usec_t limit;	 /* of one connection, from its first byte to its last */
	void (*receipt)(void *data, const struct claude_receipt *receipt);
	void *data;
};

/* Listens; `receipt` is called from the loop. What is malformed, or another's, is passed over. Sockets that
 * killed processes of ours left in the folder are removed. ERR_UNSUPPORTED when the path is too long. */
int claude_replies_open(uv_loop_t *loop, const struct claude_replies_options *options,
			struct claude_replies **ret, struct error *err) _warn_unused_;
/* Where it listens. */
const char *claude_replies_path(const struct claude_replies *replies);
/* Ends it and removes the socket; no callback comes after it, not even for the rest of what is being read.
 * NULL is fine. */
void claude_replies_close(struct claude_replies *replies);

#endif

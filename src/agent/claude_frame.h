/* Lines of Claude Code's session inbox: JSON, one a line, at most 1 MiB of it. Not documented by its vendor;
 * seen with 2.1.224 to 2.1.330.
 *
 *	to the session
 *		{"type":"auth","token":…}
 *		{"type":"user","msgV":1,"msg_id":UUID,"from":"uds:OUR-SOCKET","priority":"next",
 *		 "message":{"role":"user","content":
 *		            "<cross-session-message from-name=\"NAME\">…"}}
 *	to the socket `from`
 *		{"type":"control","action":"peer_message_status","status":…,"orig_msg_id":UUID,…}
 *
 * The envelope could carry our socket as `from` too. It does not: models are told to answer to it with a
 * tool of Claude Code's own, and such an answer would close no ask. */
#ifndef AGENT_CLAUDE_FRAME_H
#define AGENT_CLAUDE_FRAME_H

#include <stddef.h>

#include "base/error.h"
#include "base/strbuf.h"

enum {
	CLAUDE_LINE_MAX = 1048000, /* bytes; over 1,048,576 characters the session closes without a word */
	CLAUDE_UUID_SIZE = 37,
	CLAUDE_RECEIPT_MAX = 64 << 10,
	CLAUDE_RECEIPT_IDS_MAX = 128,
	CLAUDE_REASON_MAX = 400,
};

/* A random UUID (version 4). */
void claude_uuid_make(char ret[CLAUDE_UUID_SIZE]);

/* Appends the line that authenticates; `token` may be NULL, then it appends nothing. */
void claude_frame_auth(const char *token, struct strbuf *out);
/* Appends the line of one message. `reply`: path of our socket for receipts, or NULL; `from`: who the user
 * is told that it is from. `text` may not hold the envelope's tags (the mesh escapes it: D9), which is
 * checked: ERR_INVALID. ERR_TOO_LARGE for what the session would not take; nothing is appended then. */
int claude_frame_message(const char *uuid, const char *reply, const char *from, const char *text,
			 struct strbuf *out, struct error *err) _warn_unused_;

enum claude_receipt_status {
	CLAUDE_RECEIPT_HELD,	 /* waits for the user's consent */
	CLAUDE_RECEIPT_RELEASED, /* the user gave it */
	CLAUDE_RECEIPT_DROPPED,	 /* will not reach the model */
};

/* Owned; released by claude_receipt_release. */
struct claude_receipt {
	enum claude_receipt_status status;
	size_t n; /* at least 1 */
	char uuid[CLAUDE_RECEIPT_IDS_MAX][CLAUDE_UUID_SIZE];
	char *reason; /* control bytes escaped, or NULL */
};

/* Parses one line, without its newline. ERR_INVALID for what is malformed, ERR_UNSUPPORTED for another kind
 * of line, such as a message. */
int claude_receipt_parse(const char *line, size_t len, struct claude_receipt *ret,
			 struct error *err) _warn_unused_;
void claude_receipt_release(struct claude_receipt *receipt);

#endif

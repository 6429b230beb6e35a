/* How fast a session's inbox may be written to: a token bucket. Claude Code drops what comes faster than 30
 * at once and then one every 2 s, from one sender. Time is the caller's. */
#ifndef AGENT_CLAUDE_PACE_H
#define AGENT_CLAUDE_PACE_H

#include "base/timeval.h"

struct claude_pace {
	int burst;	/* tokens that a full bucket holds, at least 1 */
	usec_t refill;	/* time of one token, more than 0 */
	usec_t full_at; /* when the bucket will be full again */
};

/* Safely below what the session takes. */
#define CLAUDE_PACE_DEFAULT ((struct claude_pace){.burst = 25, .refill = 2100 * USEC_PER_MSEC})

/* Takes a token and returns 0; or takes none, and returns how long to wait for the next. `now` is monotonic.
 */
usec_t claude_pace_take(struct claude_pace *pace, usec_t now);

#endif

/* A token bucket; see claude_pace.h. It is kept as the time at which it will be full: what is missing is the
 * time until then, so nothing has to be added as time goes by. */
#include "agent/claude_pace.h"

usec_t claude_pace_take(struct claude_pace *pace, usec_t now)
{
	usec_t missing = pace->full_at > now ? pace->full_at - now : 0;
	usec_t wait = missing - (pace->burst - 1) * pace->refill;
	if (wait > 0)
		return wait;
	pace->full_at = now + missing + pace->refill;
	return 0;
}

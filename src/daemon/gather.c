/* A daemon's first moment. Sessions that are older than it tell of themselves as soon as somebody listens:
 * their MCP servers connect, their records are read, the processes that host them are asked. Calls about
 * peers (OP_ABOUT_PEERS) wait for that, so that the first command of all does not say that nobody is there.
 * It is over when nobody new has come for a while. */
#include <string.h>

#include "daemon/call.h"
#include "daemon/daemon.h"
#include "os/env.h"

#define QUIET_FOR (150 * USEC_PER_MSEC)
#define AT_MOST USEC_PER_SEC

static const char topic[] = "gathering";

static void over(void *data)
{
	struct daemon *d = data;
	d->gathering = NULL;
	list_for_each_safe (pos, &d->parked) {
		struct call *call = list_entry(pos, struct call, link);
		if (strcmp(call->op.topic, topic) == 0)
			call_wake(d, call);
	}
}

void gather_begin(struct daemon *d)
{
	d->gather_until = os_monotonic() + AT_MOST;
	d->gathering = loop_timer_start(&d->loop, QUIET_FOR, over, d);
}

void gather_came(struct daemon *d)
{
	usec_t now = os_monotonic();
	if (!d->gathering || now + QUIET_FOR > d->gather_until)
		return;
	loop_timer_stop(d->gathering);
	d->gathering = loop_timer_start(&d->loop, QUIET_FOR, over, d);
}

bool gather_holds(struct daemon *d, struct call *call)
{
	if (!d->gathering || call->begun || !(call->op.op->flags & OP_ABOUT_PEERS))
		return false;
	(void)op_wait(&call->op, topic, 0);
	return true;
}

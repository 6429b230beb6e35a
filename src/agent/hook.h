/* What the hooks of those runtimes have in common that tell of an event in one JSON object on stdin, and take
 * an answer in another: Claude Code's form, which Codex has taken over. agent.h has the contracts. */
#ifndef AGENT_HOOK_H
#define AGENT_HOOK_H

#include <stdbool.h>

#include "agent/agent.h"

enum { HOOK_SESSION_MAX = 128 }; /* bytes of a session's id */

enum {
	HOOK_ANSWERS = 1, /* takes context for the model */
	HOOK_FAILED = 2,  /* of a tool's end: it has failed */
};

struct hook_kind {
	const char *name; /* as the runtime calls it; the last one has none */
	enum agent_event event;
	unsigned flags;
};

/* The kind of that name; the last one, which has none and AGENT_EVENT_NONE, for another name or NULL. */
const struct hook_kind *hook_kind_of(const struct hook_kind *kinds, const char *name);
/* Takes what is of use for `event` from a payload. ERR_INVALID when it names no session. */
int hook_take(const json_t *payload, enum agent_event event, struct agent_hook *ret,
	      struct error *err) _warn_unused_;
/* Writes the answer, if there is one that the event takes. */
void hook_answer(const struct hook_kind *kinds, const struct agent_hook *hook,
		 const struct agent_hook_answer *answer, struct strbuf *out);

#endif

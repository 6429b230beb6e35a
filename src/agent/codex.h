/* The parts of the backend `codex`, put together in codex.c; agent.h has their contracts. */
#ifndef AGENT_CODEX_H
#define AGENT_CODEX_H

#include "agent/agent.h"

/* --- codex_link.c: the control socket of an app server --- */

extern const struct agent_link_kind codex_link;

#endif

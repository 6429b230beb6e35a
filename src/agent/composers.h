/* The prompts of the backends, for their table entries (agent.h); see term/composer.h. */
#ifndef AGENT_COMPOSERS_H
#define AGENT_COMPOSERS_H

#include "term/composer.h"

extern const struct term_composer claude_composer;
extern const struct term_composer codex_composer;

#endif

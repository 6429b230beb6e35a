/* What the backend `codex` needs in its hooks.json. */
#ifndef AGENT_CODEX_HOOK_H
#define AGENT_CODEX_HOOK_H

#include <jansson.h>

/* The hooks that this version knows: an array of {"event", "matcher"?, "command", "timeout"}. A new
 * reference. */
json_t *codex_hooks(const char *program, const char *version);

#endif

/* The user's own commands at points of a worktree's and a change's life: hooks.post-create, post-land and
 * post-remove. What a repository's .coppice.yaml names needs trust (W10), which is not there yet: only the
 * user's own are run. */
#ifndef FLOW_HOOKS_H
#define FLOW_HOOKS_H

#include "flow/core.h"
#include "store/event.h"

/* Reaction to worktree.live, change.landed and worktree.removed: orders the commands, each once. */
void hooks_on_event(struct core *core, const struct event *e);
/* End of one; it gates nothing, its failure is an event. */
void hooks_done(struct core *core, const char *subject, bool ok, const json_t *result);

#endif

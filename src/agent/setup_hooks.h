/* Hooks in the JSON form that Claude Code and Codex share: {"hooks": {EVENT: [{"matcher"?, "hooks": [{"type",
 * "command", …}]}]}}. Foreign hooks are never touched, nor moved: Codex trusts a hook by its place. */
#ifndef AGENT_SETUP_HOOKS_H
#define AGENT_SETUP_HOOKS_H

#include <jansson.h>

#include "agent/edit_json.h"
#include "base/error.h"

/* What is wanted: the value of "hooks" as above. */
struct setup_hooks {
	json_t *wanted;	     /* borrowed */
	const char *program; /* ours, besides any called coppice; or NULL */
};

/* Makes the hooks that are ours just those wanted: what is missing is added in groups of its own at the end
 * of its event, what differs is set in place, what is not wanted any more goes. Adds what was done to
 * `changes`: {"kind":"hooks","change":"added|updated|removed","what":"hooks for Stop, …"}. */
int setup_hooks_apply(struct edit_json *doc, const struct setup_hooks *hooks, json_t *changes,
		      struct error *err) _warn_unused_;
/* Takes all of ours out; `before` as in edit_json_drop. */
int setup_hooks_drop(struct edit_json *doc, const struct edit_json *before, const char *program,
		     json_t *changes, struct error *err) _warn_unused_;

/* One of our hooks, as it stands in a file. */
struct setup_hook_place {
	uint32_t event, group, hook; /* nodes: the event's member, the group, the hook */
	size_t group_index, hook_index;
};

/* The `n`th of ours; false if there are not so many. */
bool setup_hooks_find(const struct edit_json *doc, const char *program, size_t n,
		      struct setup_hook_place *ret);

#endif

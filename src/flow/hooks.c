/* See hooks.h. */
#include "flow/hooks.h"

#include <string.h>

#include "base/alloc.h"
#include "flow/effects.h"

static const struct {
	const char *event;
	const char *key;
} points[] = {
	{"worktree.live", "hooks.post-create"},
	{"change.landed", "hooks.post-land"},
	{"worktree.removed", "hooks.post-remove"},
};

/* Where a hook runs: the worktree that was made, else the repository's main folder. */
static char *folder_of(struct core *core, const struct event *e)
{
	if (strcmp(e->kind, "worktree.live") == 0)
		return db_text(core->store, "SELECT path FROM worktree WHERE worktree_id = ?", "s",
			       e->subject);
	return db_text(core->store,
		       "SELECT main FROM repo WHERE repo_id = coalesce((SELECT repo_id FROM change WHERE "
		       "change_id = ?1),"
		       " (SELECT repo_id FROM worktree WHERE worktree_id = ?1))",
		       "s", e->subject);
}

void hooks_on_event(struct core *core, const struct event *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		enum config_layer layer;
		if (strcmp(points[i].event, e->kind) != 0)
			continue;
		config_origin(core->config, points[i].key, &layer, NULL);
		const json_t *commands =
			layer == CONFIG_REPO ? NULL : config_list(core->config, points[i].key);
		autofree char *folder = json_array_size(commands) ? folder_of(core, e) : NULL;
		size_t k;
		json_t *command;
		json_array_foreach(commands, k, command)
		{
			json_t *args = json_pack("{s:O}", "command", command);
			json_set_str(args, "cwd", folder);
			(void)flow_effect_add(core, EFFECT_HOOK, e->subject, e->subject, args);
		}
	}
}

void hooks_done(struct core *core, const char *subject, bool ok, const json_t *result)
{
	event_emit(core->store, ok ? "hook.done" : "hook.failed", subject, NULL, json_deep_copy(result));
}

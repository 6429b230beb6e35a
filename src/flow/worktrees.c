/* Creation, removal and return of worktrees; see worktrees.h. */
#include "flow/worktrees.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "flow/effects.h"
#include "flow/repo_config.h"
#include "repo/template.h"
#include "store/event.h"

static char *lane_of(const char *worktree_id)
{
	return xasprintf("worktree:%s", worktree_id);
}

/* A short text to tell a taken path apart, the same at each try. */
static char *path_hash(const char *worktree_id)
{
	return xasprintf("%06llx",
			 (unsigned long long)(text_hash(worktree_id, strlen(worktree_id)) & 0xffffff));
}

static json_t *creation_args(struct core *core, const struct config *config,
			     const struct worktree_order *order, const char *id, const char *path)
{
	json_t *args = json_object();
	json_object_set_new(args, "repo", repo_args(core->store, order->repo_id));
	json_set_str(args, "id", id);
	json_set_str(args, "branch", order->branch);
	json_set_str(args, "base", order->base);
	json_set_str(args, "path", path);
	json_object_set_new(args, "path_fixed", json_boolean(order->path));
	if (order->sparse)
		json_object_set_new(args, "sparse", json_deep_copy(order->sparse));
	autofree char *hash = path_hash(id);
	json_set_str(args, "hash", hash);
	json_object_set_new(args, "min_free",
			    json_integer((json_int_t)config_size(config, "worktrees.min_free")));
	return args;
}

int worktrees_create(struct core *core, const struct worktree_order *order, char ret_id[ID_SIZE],
		     int64_t *ret_effect, struct error *err)
{
	autofree char *path = NULL;
	autoconfig *owned = NULL;
	const struct config *config = NULL;
	int code = repo_config(core, order->repo_id, &owned, &config, err);
	if (!code && !order->path)
		code = worktree_path(config_str(config, "worktrees.path"), order->repo_main, order->repo_name,
				     order->branch, &path, err);
	if (!code)
		code = worktree_announce(core->store, order->repo_id, order->branch,
					 order->path ? order->path : path, order->peer_id, order->plan_id,
					 ret_id, err);
	if (code)
		return code;
	autofree char *lane = lane_of(ret_id);
	*ret_effect =
		flow_effect_add(core, EFFECT_WORKTREE_CREATE, ret_id, lane,
				creation_args(core, config, order, ret_id, order->path ? order->path : path));
	return 0;
}

void worktrees_created(struct core *core, const char *subject, bool ok, const json_t *result)
{
	if (ok)
		worktree_created(core->store, subject, result);
	else
		worktree_failed(core->store, subject, result);
}

int64_t worktrees_remove(struct core *core, const struct removal_order *order)
{
	autoworktree w = {0};
	if (!worktree_get(core->store, order->worktree_id, &w)) {
		if (!store_failed(core->store))
			abort();
		return 0; /* the disk failed since its row was seen: the turn is dropped */
	}
	char trash_id[ID_SIZE];
	autoconfig *owned = NULL;
	const struct config *config = core->config;
	(void)!repo_config(core, w.repo_id, &owned, &config, NULL); /* a bad file counts as absent here */
	store_new_id(core->store, "trash", trash_id);
	json_t *args = json_object();
	json_object_set_new(args, "repo", repo_args(core->store, w.repo_id));
	json_set_str(args, "id", trash_id);
	json_set_str(args, "path", w.path);
	json_set_str(args, "git_dir", w.git_dir);
	json_set_str(args, "branch", w.branch);
	json_set_str(args, "target", order->target);
	json_object_set_new(args, "waive", order->waive ? json_deep_copy(order->waive) : json_array());
	json_object_set_new(args, "delete_branch", json_boolean(order->delete_branch));
	json_object_set_new(args, "leaving", json_boolean(order->leaving));
	json_object_set_new(args, "disposable", json_deep_copy(config_list(config, "worktrees.disposable")));
	worktree_set_state(core->store, w.id, "removing");
	autofree char *lane = lane_of(w.id);
	return flow_effect_add(core, EFFECT_WORKTREE_REMOVE, w.id, lane, args);
}

void worktrees_removed(struct core *core, const char *subject, bool ok, const json_t *result)
{
	if (ok && json_bool(result, "removed", false)) {
		worktree_removed(core->store, subject, json_str(result, "id"),
				 json_object_get(result, "trash"));
		return;
	}
	worktree_set_state(core->store, subject, "live");
	autofree char *plan =
		db_text(core->store, "SELECT plan_id FROM worktree WHERE worktree_id = ?", "s", subject);
	event_emit(core->store, "worktree.kept", subject, plan, json_deep_copy(result));
}

int64_t worktrees_restore(struct core *core, const char *repo_id, const char *trash_id, const json_t *trash)
{
	json_t *args = json_object();
	json_object_set_new(args, "repo", repo_args(core->store, repo_id));
	json_object_set_new(args, "trash", json_deep_copy(trash));
	json_set_str(args, "id", trash_id);
	trash_set_state(core->store, trash_id, "restoring");
	return flow_effect_add(core, EFFECT_WORKTREE_RESTORE, trash_id, trash_id, args);
}

void worktrees_restored(struct core *core, const char *subject, bool ok, const json_t *result)
{
	trash_set_state(core->store, subject, ok ? "restored" : "kept");
	if (!ok)
		return;
	autofree char *repo =
		db_text(core->store, "SELECT repo_id FROM trash WHERE trash_id = ?", "s", subject);
	autoworktree taken = {0};
	char id[ID_SIZE];
	if (repo && !worktree_of_branch(core->store, repo, json_str(result, "branch"), &taken))
		worktree_adopt(core->store, repo, result, id);
	event_emit(core->store, "worktree.restored", subject, NULL, json_deep_copy(result));
}

void worktrees_on_peer(struct core *core, const struct event *e)
{
	autoquery q = db_query(
		core->store,
		"SELECT w.worktree_id, p.pid, p.start_time, p.boot_id FROM peer AS p JOIN worktree AS w"
		" ON w.path = p.path AND w.state = 'live' WHERE p.peer_id = ?",
		"s", e->subject);
	autoworktree w = {0};
	if (!query_next(&q) || !worktree_get(core->store, query_text(&q, 0), &w) || !w.git_dir)
		return;
	json_t *owner = json_null();
	if (strcmp(e->kind, "peer.registered") == 0)
		owner = json_pack("{s:s, s:I, s:I}", "boot_id", query_text(&q, 3), "pid",
				  (json_int_t)query_int(&q, 1), "start_time", (json_int_t)query_int(&q, 2));
	json_t *args = json_pack("{s:s, s:o}", "git_dir", w.git_dir, "owner", owner);
	autofree char *lane = lane_of(w.id);
	(void)flow_effect_add(core, EFFECT_WORKTREE_IN_USE, w.id, lane, args);
}

void worktrees_in_use_done(struct core *core, const char *subject, bool ok, const json_t *result)
{
	/* The lock keeps accidents away; without it everything still works, so a failure is only told. */
	if (!ok)
		event_emit(core->store, "worktree.not_locked", subject, NULL, json_deep_copy(result));
}

/* Operations on worktrees. */
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "flow/spawn.h"
#include "flow/worktrees.h"
#include "mesh/peer.h"
#include "ops/place.h"
#include "ops/spawning.h"
#include "ops/table.h"
#include "ops/worktrees.h"

static json_t *one_branch(const struct op_call *call)
{
	return json_pack("[s]", op_text(call, "branch"));
}

static void set_peer_name(struct store *s, json_t *answer, const char *peer_id)
{
	struct peer_ref peer;
	json_set_str(answer, "peer_name", peer_id && peer_find(s, peer_id, &peer) ? peer.name : NULL);
}

/* The answer of `new`: what was made, and who works in it. */
static int created(struct op_call *call, json_t **ret, struct error *err)
{
	const char *peer = json_str(call->state, "peer");
	json_auto_t *made = NULL;
	json_auto_t *started = NULL;
	int code = 0;
	if (json_object_get(call->state, "effect"))
		code = op_effect_answer(call, json_int(call->state, "effect", 0), &made, err);
	if (!code && peer)
		code = spawning_answer(call, &started, err);
	if (code)
		return code;
	autoworktree w = {0};
	if (!worktree_get(call->store, json_str(call->state, "worktree"), &w))
		return error_set(err, ERR_INTERNAL, "the worktree's row is gone");
	json_t *answer = json_object();
	json_set_str(answer, "branch", w.branch);
	json_set_str(answer, "path", w.path);
	json_set_str(answer, "base", w.base);
	json_set_str(answer, "base_commit", w.base_commit);
	json_set_str(answer, "peer", peer);
	set_peer_name(call->store, answer, peer);
	json_object_set_new(answer, "created", json_boolean(json_bool(made, "created_branch", false)));
	*ret = answer;
	return 0;
}

/* Once the worktree is there, an agent is started in it if one was asked for. */
static int start_agent(struct op_call *call, const char *worktree_id, struct error *err)
{
	autoworktree w = {0};
	if (!worktree_get(call->store, worktree_id, &w) || !w.path)
		return error_set(err, ERR_INTERNAL, "the worktree's row is gone");
	struct spawning spawning = {.path = w.path, .branch = w.branch, .repo_id = w.repo_id};
	int code = spawning_begin(call, &spawning, err);
	if (!code)
		worktree_set_peer(call->store, worktree_id, json_str(call->state, "peer"));
	return code;
}

static int order_worktree(struct op_call *call, const struct place *place, char ret_id[ID_SIZE],
			  int64_t *ret_effect, struct error *err)
{
	struct worktree_order order = {.repo_id = place->repo_id,
				       .repo_main = place->main,
				       .repo_name = place->name,
				       .branch = op_text(call, "branch"),
				       .base = op_text(call, "base"),
				       .path = op_text(call, "path"),
				       .sparse = json_object_get(call->params, "sparse")};
	return worktrees_create(call->core, &order, ret_id, ret_effect, err);
}

static int check_new(struct op_call *call, struct error *err)
{
	int code = branch_name_check(op_text(call, "branch"), err);
	const char *path = op_text(call, "path");
	if (!code && path && path[0] != '/')
		code = error_set(err, ERR_INVALID, "'path' must be absolute");
	if (!code && spawning_wanted(call))
		code = spawning_check(call, path ? path : op_text(call, "dir"), err);
	return code;
}

static int begin_new(struct op_call *call, struct error *err)
{
	int code = check_new(call, err);
	if (code)
		return code;
	json_auto_t *branches = one_branch(call);
	autoplace place = {0};
	code = place_find(call, branches, &place, err);
	if (code)
		return code;
	char id[ID_SIZE];
	int64_t effect;
	code = place_check_gone(call, &place, op_text(call, "branch"), err);
	if (!code)
		code = order_worktree(call, &place, id, &effect, err);
	if (!code)
		call->state = json_pack("{s:s, s:I}", "worktree", id, "effect", (json_int_t)effect);
	return code;
}

int worktree_make(struct op_call *call, json_t **ret, struct error *err)
{
	int code = call->state ? 0 : begin_new(call, err);
	if (code)
		return code;
	if (spawning_wanted(call) && !json_object_get(call->state, "peer")) {
		json_auto_t *made = NULL;
		code = op_effect_answer(call, json_int(call->state, "effect", 0), &made, err);
		if (!code)
			code = start_agent(call, json_str(call->state, "worktree"), err);
		if (code)
			return code;
	}
	return created(call, ret, err);
}

const struct op op_worktree_create = {
	.name = "worktree_create",
	.summary = "Make a worktree and branch, and start an agent in it if one is named.",
	.params =
		(const struct op_param[]){
			PLACE_DIR_PARAM,
			{"branch", OP_TEXT, OP_REQUIRED, "the branch; an existing one is taken over", 200, 0},
			{"base", OP_TEXT, 0, "what a new branch is cut from", 200, 0},
			{"path", OP_TEXT, 0, "where; by default as worktrees.path says", 4096, 0},
			{"sparse", OP_TEXTS, 0, "check out only these patterns", 100, 0},
			SPAWNING_PARAMS,
			{0}},
	.result = "{\"branch\",\"path\",\"base\",\"base_commit\",\"peer\",\"peer_name\"}",
	.who = BY_LEADERS,
	.flags = OP_CHANGES,
	.tools = TOOL_ORCHESTRATOR,
	.handle = worktree_make,
};

static json_t *list_args(struct op_call *call, const struct place *place, const char *target)
{
	json_t *known = json_object();
	autoquery q =
		db_query(call->store,
			 "SELECT path, base, base_commit FROM worktree WHERE repo_id = ? AND state = 'live'",
			 "s", place->repo_id);
	while (query_next(&q)) {
		json_t *w = json_object();
		json_set_str(w, "base", query_text(&q, 1));
		json_set_str(w, "base_commit", query_text(&q, 2));
		json_object_set_new(known, query_text(&q, 0), w);
	}
	json_t *cache = json_object();
	autoquery c = db_query(call->store, "SELECT pair, landed FROM landed_cache WHERE repo_id = ?", "s",
			       place->repo_id);
	while (query_next(&c))
		json_object_set_new(cache, query_text(&c, 0), json_string(query_text(&c, 1)));
	json_t *args = json_pack("{s:o, s:o, s:o}", "repo", repo_args(call->store, place->repo_id), "known",
				 known, "cache", cache);
	json_set_str(args, "target", target);
	return args;
}

/* Adds to each listed worktree who works in it and what it was cut from, as the database knows. */
static void add_rows(struct op_call *call, const char *repo_id, json_t *listed)
{
	size_t i;
	json_t *w;
	json_array_foreach(listed, i, w)
	{
		const char *branch = json_str(w, "branch");
		autoworktree row = {0};
		json_set_str(w, "peer", NULL);
		json_set_str(w, "peer_name", NULL);
		json_object_set_new(w, "conflicts", json_array());
		if (branch && worktree_of_branch(call->store, repo_id, branch, &row)) {
			json_set_str(w, "base", row.base);
			json_set_str(w, "base_commit", row.base_commit);
			autofree char *live = db_text(
				call->store,
				"SELECT peer_id FROM peer WHERE repo_id = ? AND branch = ? AND live = 1"
				" ORDER BY status = 'online' DESC, created_at LIMIT 1",
				"ss", repo_id, branch);
			json_set_str(w, "peer", live);
			set_peer_name(call->store, w, live);
		}
	}
}

static int handle_list(struct op_call *call, json_t **ret, struct error *err)
{
	if (!call->state) {
		autoplace place = {0};
		int code = place_find(call, NULL, &place, err);
		if (code)
			return code;
		call->state = json_pack("{s:s}", "repo", place.repo_id);
		return op_work(call, "repo.list",
			       list_args(call, &place, place_target(call, &place, "target")));
	}
	const json_t *answer = NULL;
	int code = op_work_answer(call, &answer, err);
	if (code)
		return code;
	const char *repo_id = json_str(call->state, "repo"), *target = op_text(call, "target");
	if (target && !json_str(answer, "target_commit"))
		return error_hint(err, error_set(err, ERR_NOT_FOUND, "there is no commit '%s'", target),
				  "name a branch, tag or commit that 'git log' shows");
	const char *pair;
	json_t *landed;
	json_object_foreach(json_object_get(answer, "cache_add"), pair, landed)(void) db_run(
		call->store, "INSERT OR REPLACE INTO landed_cache (repo_id, pair, landed) VALUES (?,?,?)",
		"sss", repo_id, pair, json_string_value(landed));
	*ret = json_pack("{s:O, s:O?}", "worktrees", json_object_get(answer, "worktrees"), "target",
			 json_object_get(answer, "target"));
	add_rows(call, repo_id, json_object_get(*ret, "worktrees"));
	return 0;
}

const struct op op_worktree_list = {
	.name = "worktree_list",
	.summary = "All worktrees of a repository: dirty, ahead and behind, landed, and who works there.",
	.params = (const struct op_param[]){PLACE_DIR_PARAM,
					    {"target", OP_TEXT, 0,
					     "what ahead, behind and landed are measured against", 200, 0},
					    {0}},
	.result = "{\"worktrees\":[{\"branch\",\"path\",\"base\",\"base_commit\",\"head\",\"dirty\","
		  "\"untracked\",\"ahead\","
		  "\"behind\",\"landed\",\"peer\",\"peer_name\",\"locked\",\"conflicts\"}]}",
	.who = BY_ANYONE,
	.tools = TOOL_ORCHESTRATOR,
	.handle = handle_list,
};

static int handle_path(struct op_call *call, json_t **ret, struct error *err)
{
	json_auto_t *branches = one_branch(call);
	autoplace place = {0};
	int code = place_find(call, branches, &place, err);
	if (code)
		return code;
	const char *branch = op_text(call, "branch");
	const json_t *found = json_object_get(json_object_get(place.described, "found"), branch);
	if (!found)
		return error_hint(
			err, error_set(err, ERR_NOT_FOUND, "%s has no worktree in %s", branch, place.name),
			"make one: coppice new %s", branch);
	*ret = json_object();
	json_set_str(*ret, "branch", branch);
	json_set_str(*ret, "path", json_str(found, "path"));
	return 0;
}

const struct op op_worktree_path = {
	.name = "worktree_path",
	.summary = "Where the worktree of a branch is.",
	.params = (const struct op_param[]){PLACE_DIR_PARAM,
					    {"branch", OP_TEXT, OP_REQUIRED, "the branch", 200, 0},
					    {0}},
	.result = "{\"branch\",\"path\"}",
	.who = BY_ANYONE,
	.flags = OP_LOCAL,
	.handle = handle_path,
};

/* Facts that only a person may waive, and those that nobody may (W4). */
static int check_waive(const struct op_call *call, struct error *err)
{
	static const char *const known[] = {"clean",	 "untracked", "ignored", "reachable", "landed",
					    "operation", "stash",     "process", "lock"};
	const json_t *waive = json_object_get(call->params, "force");
	if (json_array_size(waive) &&
	    !(call->caller->kind == CALLER_HUMAN || call->caller->kind == CALLER_SERVICE))
		return error_set(err, ERR_FORBIDDEN, "only the human may force a removal");
	size_t i;
	json_t *fact;
	json_array_foreach(waive, i, fact)
	{
		bool ok = false;
		for (size_t k = 0; k < ARRAY_SIZE(known); k++)
			ok = ok || strcmp(known[k], json_string_value(fact)) == 0;
		if (!ok)
			return error_hint(err,
					  error_set(err, ERR_INVALID, "'%s' is not a fact that can be waived",
						    json_string_value(fact)),
					  "facts: clean untracked ignored reachable landed operation stash "
					  "process lock");
	}
	return 0;
}

static bool named_before(const json_t *names, size_t at)
{
	bool found = false;
	for (size_t i = 0; i < at; i++)
		found = found || json_equal(json_array_get(names, i), json_array_get(names, at));
	return found;
}

static int begin_remove(struct op_call *call, struct error *err)
{
	const json_t *branches = json_object_get(call->params, "branches");
	autoplace place = {0};
	int code = check_waive(call, err);
	if (!code)
		code = place_find(call, branches, &place, err);
	if (code)
		return code;
	json_auto_t *effects = json_array();
	size_t i;
	json_t *branch;
	json_array_foreach(branches, i, branch)
	{
		autoworktree w = {0};
		if (named_before(branches, i))
			continue;
		code = place_worktree(call, &place, json_string_value(branch), &w, err);
		if (!code && strcmp(w.state, "live") != 0)
			code = error_hint(err,
					  error_set(err, ERR_CONFLICT, "the worktree of %s is being %s",
						    w.branch,
						    strcmp(w.state, "creating") == 0 ? "created" : "removed"),
					  "wait for that, then try again");
		if (code)
			return code;
		struct removal_order order = {.worktree_id = w.id,
					      .target = place_target(call, &place, "target"),
					      .waive = json_object_get(call->params, "force"),
					      .delete_branch =
						      json_bool(call->params, "delete_branch", false)};
		json_t *e = json_pack("{s:s, s:s, s:I}", "branch", w.branch, "path", w.path, "effect",
				      (json_int_t)worktrees_remove(call->core, &order));
		json_array_append_new(effects, e);
	}
	call->state = json_pack("{s:O}", "effects", effects);
	return 0;
}

static int handle_remove(struct op_call *call, json_t **ret, struct error *err)
{
	int code = call->state ? 0 : begin_remove(call, err);
	if (code)
		return code;
	json_auto_t *removed = json_array();
	json_auto_t *kept = json_array();
	size_t i;
	json_t *e;
	json_array_foreach(json_object_get(call->state, "effects"), i, e)
	{
		json_auto_t *result = NULL;
		autoerror failed = {0};
		code = op_effect_answer(call, json_int(e, "effect", 0), &result, &failed);
		if (code == OP_PARKED)
			return code;
		json_t *entry = json_object();
		json_set_str(entry, "branch", json_str(e, "branch"));
		json_set_str(entry, "path", json_str(e, "path"));
		if (!code && json_bool(result, "removed", false)) {
			json_set_str(entry, "trash", json_str(result, "id"));
			json_object_set(entry, "branch_deleted", json_object_get(result, "branch_deleted"));
			json_array_append_new(removed, entry);
			continue;
		}
		json_object_set_new(entry, "facts",
				    code ? json_object() : json_incref(json_object_get(result, "facts")));
		json_set_str(entry, "reason", code ? failed.message : json_str(result, "reason"));
		json_array_append_new(kept, entry);
	}
	*ret = json_pack("{s:O, s:O}", "removed", removed, "kept", kept);
	return 0;
}

const struct op op_worktree_remove = {
	.name = "worktree_remove",
	.summary = "Remove worktrees by facts, into the trash; whatever a fact speaks against is kept.",
	.params = (const struct op_param[]){PLACE_DIR_PARAM,
					    {"branches", OP_TEXTS, OP_REQUIRED, "the branches", 100, 0},
					    {"target", OP_TEXT, 0, "what landed is measured against", 200, 0},
					    {"force", OP_TEXTS, 0, "facts to waive", 16, 0},
					    {"delete_branch", OP_FLAG, 0,
					     "delete the branch too, if it has landed", 0, 0},
					    {0}},
	.result = "{\"removed\":[{\"branch\",\"path\",\"trash\",\"branch_deleted\"}],"
		  "\"kept\":[{\"branch\",\"facts\",\"reason\"}]}",
	.who = BY_LEADERS,
	.flags = OP_CHANGES | OP_DESTROYS | OP_SETTLES,
	.tools = TOOL_ORCHESTRATOR,
	.handle = handle_remove,
};

static int begin_restore(struct op_call *call, struct error *err)
{
	json_auto_t *branches = one_branch(call);
	autoplace place = {0};
	int code = place_find(call, branches, &place, err);
	if (code)
		return code;
	const char *branch = op_text(call, "branch");
	code = place_check_gone(call, &place, branch, err);
	if (code)
		return code;
	autoworktree there = {0};
	if (worktree_of_branch(call->store, place.repo_id, branch, &there))
		return error_set(err, ERR_EXISTS, "%s has a worktree already: %s (%s)", branch, there.path,
				 there.state);
	char trash_id[ID_SIZE];
	json_auto_t *trash = trash_find(call->store, place.repo_id, branch, trash_id);
	if (!trash)
		return error_hint(err, error_set(err, ERR_NOT_FOUND, "the trash holds nothing of %s", branch),
				  "see: coppice trash list");
	int64_t effect = worktrees_restore(call->core, place.repo_id, trash_id, trash);
	call->state = json_pack("{s:I}", "effect", (json_int_t)effect);
	return 0;
}

static int handle_restore(struct op_call *call, json_t **ret, struct error *err)
{
	int code = call->state ? 0 : begin_restore(call, err);
	return code ? code : op_effect_answer(call, json_int(call->state, "effect", 0), ret, err);
}

const struct op op_worktree_restore = {
	.name = "worktree_restore",
	.summary = "Bring a removed worktree back from the trash, exactly as it was.",
	.params = (const struct op_param[]){PLACE_DIR_PARAM,
					    {"branch", OP_TEXT, OP_REQUIRED, "the branch", 200, 0},
					    {0}},
	.result = "{\"branch\",\"path\",\"restored_from\"}",
	.who = BY_LEADERS,
	.flags = OP_CHANGES | OP_LOCAL,
	.handle = handle_restore,
};

static int handle_trash(struct op_call *call, json_t **ret, struct error *err)
{
	(void)err;
	json_t *list = json_array();
	autoquery q = db_query(
		call->store,
		"SELECT trash.trash_id, trash.branch, trash.path, repo.main, trash.removed_at FROM trash"
		" JOIN repo ON repo.repo_id = trash.repo_id WHERE trash.state IN ('kept','held') ORDER BY "
		"trash.removed_at DESC"
		" LIMIT 200",
		"");
	while (query_next(&q)) {
		json_t *t = json_object();
		json_set_str(t, "trash", query_text(&q, 0));
		json_set_str(t, "branch", query_text(&q, 1));
		json_set_str(t, "path", query_text(&q, 2));
		json_set_str(t, "repo", query_text(&q, 3));
		json_set_time(t, "removed_at", query_int(&q, 4));
		json_array_append_new(list, t);
	}
	*ret = json_pack("{s:o}", "trash", list);
	return 0;
}

const struct op op_trash_list = {
	.name = "trash_list",
	.summary = "What the trash keeps, newest first.",
	.params = (const struct op_param[]){{0}},
	.result = "{\"trash\":[{\"trash\",\"branch\",\"path\",\"repo\",\"removed_at\"}]}",
	.who = BY_ANYONE,
	.flags = OP_LOCAL,
	.handle = handle_trash,
};

/* See place.h. */
#include "ops/place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "flow/repo_config.h"
#include "os/file.h"

void place_release(struct place *place)
{
	config_free(place->own_config);
	place->own_config = NULL;
}

int place_open(struct op_call *call, struct place *ret, struct error *err)
{
	int code = op_work_answer(call, &ret->described, err);
	if (code)
		return code;
	repo_register(call->store, ret->described, ret->repo_id);
	ret->main = json_str(ret->described, "main");
	ret->name = json_str(ret->described, "name");
	ret->head_branch = json_str(ret->described, "head_branch");
	return repo_config(call->core, ret->repo_id, &ret->own_config, &ret->config, err);
}

int place_find(struct op_call *call, const json_t *branches, struct place *ret, struct error *err)
{
	if (!call->work_result) {
		json_t *args = json_object();
		json_set_str(args, "dir", op_text(call, "dir"));
		if (branches)
			json_object_set_new(args, "branches", json_deep_copy(branches));
		return op_work(call, "repo.find", args);
	}
	return place_open(call, ret, err);
}

/* A place that cannot be looked at is no proof. */
static bool nothing_at(const char *path)
{
	struct stat st;
	return lstat(path, &st) < 0 && errno == ENOENT;
}

int place_check_gone(struct op_call *call, const struct place *place, const char *branch, struct error *err)
{
	autoworktree w = {0};
	const char *common = json_str(place->described, "common_dir");
	if (!worktree_of_branch(call->store, place->repo_id, branch, &w) || strcmp(w.state, "live") != 0 ||
	    !w.git_dir || !nothing_at(w.path))
		return 0;
	/* A repository that cannot be seen proves nothing of what was in it. */
	if (!common || nothing_at(common))
		return 0;
	if (nothing_at(w.git_dir)) {
		worktree_gone(call->store, w.id);
		return 0;
	}
	int code = error_set(err, ERR_CONFLICT, "the worktree of %s is gone: there is nothing at %s", branch,
			     w.path);
	return error_hint(err, code, "let git forget it: git worktree prune");
}

int place_worktree(struct op_call *call, const struct place *place, const char *branch, struct worktree *ret,
		   struct error *err)
{
	const json_t *found = json_object_get(json_object_get(place->described, "found"), branch);
	if (found && json_bool(found, "main", false)) {
		int code = error_set(err, ERR_REFUSED, "%s is checked out in the main worktree, %s", branch,
				     place->main);
		return error_hint(err, code, "the main worktree is yours; coppice leaves it alone");
	}
	(void)!place_check_gone(call, place, branch, NULL); /* what git still holds, its facts tell of */
	if (worktree_of_branch(call->store, place->repo_id, branch, ret))
		return 0;
	if (!found)
		return error_hint(
			err, error_set(err, ERR_NOT_FOUND, "%s has no worktree in %s", branch, place->name),
			"see: coppice list");
	char id[ID_SIZE];
	worktree_adopt(call->store, place->repo_id, found, id);
	return worktree_get(call->store, id, ret)
		       ? 0
		       : error_set(err, ERR_INTERNAL, "%s could not be recorded", branch);
}

const char *place_target(const struct op_call *call, const struct place *place, const char *param)
{
	const char *given = op_text(call, param);
	const char *configured = config_str(place->config, "worktrees.target");
	return given ? given : configured ? configured : place->head_branch;
}

static bool path_allowed(const struct core *core, const char *path)
{
	autofree char *real = NULL;
	if (path_resolve(path, &real, NULL))
		return false;
	size_t i;
	json_t *entry;
	json_array_foreach(config_list(core->config, "spawn.allowed_paths"), i, entry)
	{
		const char *home = getenv("HOME");
		autofree char *expanded = config_expand_home(json_string_value(entry), home ? home : "/");
		autofree char *dir = NULL;
		if (path_resolve(expanded, &dir, NULL) == 0 && path_inside(real, dir))
			return true;
	}
	return false;
}

int place_check_spawn(const struct op_call *call, const char *backend, const char *path, struct error *err)
{
	if (call->caller->kind != CALLER_PEER)
		return 0;
	bool configured =
		strcmp(backend, "script") == 0 || config_backend_command(call->core->config, backend);
	if (configured && path_allowed(call->core, path))
		return 0;
	int code =
		error_set(err, ERR_REFUSED,
			  "an agent may start %s in %s only when the configuration allows it", backend, path);
	return error_hint(err, code,
			  "a person can add to config.yaml:  spawn: { allowed_paths: [\"%s\"] }%s%s%s", path,
			  configured ? "" : "  and  spawn: { backends: { ", configured ? "" : backend,
			  configured ? "" : ": { command: [...] } } }");
}

/* See spawning.h. */
#include "ops/spawning.h"

#include <string.h>

#include "agent/agent.h"
#include "base/text.h"
#include "flow/spawn_agent.h"
#include "mesh/peer.h"
#include "ops/place.h"

static const char *backend_of(const struct op_call *call)
{
	const char *backend = op_text(call, "backend");
	return backend ? backend : "script";
}

bool spawning_wanted(const struct op_call *call)
{
	return op_text(call, "backend") || json_array_size(json_object_get(call->params, "run")) > 0;
}

static int check_script(const struct op_call *call, struct error *err)
{
	if (json_array_size(json_object_get(call->params, "run")) == 0)
		return error_hint(err,
				  error_set(err, ERR_INVALID, "the backend script needs a command to run"),
				  "give it after --: coppice new BRANCH --backend script -- make test");
	if (op_text(call, "message") || op_text(call, "profile"))
		return error_set(err, ERR_INVALID,
				 "the backend script takes a command, neither message nor profile");
	return 0;
}

int spawning_check_agent(const struct core *core, const struct agent_backend *backend, const char *profile,
			 struct error *err)
{
	const json_t *settings = profile ? config_profile(core->config, backend->name, profile) : NULL;
	if (profile && !settings)
		return error_hint(
			err,
			error_set(err, ERR_NOT_FOUND, "%s has no profile '%.64s'", backend->name, profile),
			"add it to config.yaml: spawn: { profiles: { %s: { %.64s: { args: [] } } } }",
			backend->name, profile);
	return 0;
}

static int check_backend(const struct op_call *call, const char *name, struct error *err)
{
	const struct agent_backend *backend = agent_backend_find(name);
	if (!backend) {
		int code =
			error_set(err, ERR_UNSUPPORTED, "there is no backend '%.32s' in this version", name);
		return error_hint(err, code, "use claude-code, codex or script");
	}
	if (!backend->start)
		return check_script(call, err);
	if (json_array_size(json_object_get(call->params, "run")) > 0)
		return error_set(err, ERR_INVALID, "the backend %s takes a message, not a command", name);
	return spawning_check_agent(call->core, backend, op_text(call, "profile"), err);
}

int spawning_check(const struct op_call *call, const char *path, struct error *err)
{
	const char *backend = backend_of(call);
	const char *circle = op_text(call, "circle");
	int code = check_backend(call, backend, err);
	if (!code && circle)
		code = circle_name_check(circle, err);
	return code ? code : place_check_spawn(call, backend, path, err);
}

int spawning_begin(struct op_call *call, const struct spawning *spawning, struct error *err)
{
	const char *circle = op_text(call, "circle");
	struct peer_spec spec = {.circle = circle ? circle : call->caller->circle,
				 .backend = backend_of(call),
				 .profile = op_text(call, "profile"),
				 .role = op_text(call, "role"),
				 .path = spawning->path,
				 .branch = spawning->branch,
				 .repo_id = spawning->repo_id,
				 .parent_peer = call->caller->peer_id[0] ? call->caller->peer_id : NULL,
				 .trusted = true};
	char peer_id[ID_SIZE], spawn_id[ID_SIZE];
	int64_t effect;
	int code = peer_mint(call->store, &spec, peer_id, err);
	if (code)
		return code;
	struct spawn_order order = {.peer_id = peer_id,
				    .backend = spec.backend,
				    .path = spawning->path,
				    .profile = op_text(call, "profile"),
				    .prompt = op_text(call, "message"),
				    .from = call->caller,
				    .argv = json_object_get(call->params, "run")};
	code = spawn_order(call->core, &order, spawn_id, &effect, err);
	if (code)
		return code;
	if (!call->state)
		call->state = json_object();
	json_set_str(call->state, "peer", peer_id);
	json_object_set_new(call->state, "spawn", json_integer(effect));
	return 0;
}

int spawning_answer(struct op_call *call, json_t **ret, struct error *err)
{
	const char *peer_id = json_str(call->state, "peer");
	json_auto_t *pane = NULL;
	int code = op_effect_answer(call, json_int(call->state, "spawn", 0), &pane, err);
	if (code)
		return code;
	if (spawn_registers(call->store, peer_id)) {
		enum spawn_outcome outcome = spawn_outcome(call->store, peer_id, err);
		if (outcome == SPAWN_OPEN)
			return op_wait(call, peer_id, 0);
		if (outcome == SPAWN_FAILED)
			return (int)err->code;
	}
	*ret = peer_to_json(call->store, peer_id);
	return 0;
}

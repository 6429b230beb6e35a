/* Operations on peers. */
#include <string.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "flow/confine.h"
#include "flow/session.h"
#include "flow/spawn.h"
#include "mesh/peer.h"
#include "mesh/route.h"
#include "ops/place.h"
#include "ops/registering.h"
#include "ops/spawning.h"
#include "ops/table.h"
#include "ops/worktrees.h"
#include "repo/registry.h"

#define PEER_SHAPE                                                                                           \
	"{\"peer_id\",\"name\",\"circle\",\"role\",\"status\",\"turn_state\",\"backend\",\"path\","          \
	"\"branch\","                                                                                        \
	"\"description\",\"last_seen\",\"pid\",\"transport\",\"quiet\",\"sandbox\"}"

static int handle_list(struct op_call *call, json_t **ret, struct error *err)
{
	(void)err;
	*ret = peer_list(call->store, op_text(call, "circle"),
			 json_bool(call->params, "show_offline", false));
	return 0;
}

const struct op op_list_peers = {
	.name = "list_peers",
	.summary = "Who is there: the peers, online ones unless all are asked for.",
	.params =
		(const struct op_param[]){{"show_offline", OP_FLAG, 0, "offline and expected ones too", 0, 0},
					  {"circle", OP_TEXT, 0, "only this circle", 64, 0},
					  {0}},
	.result = "{\"peers\":[" PEER_SHAPE "]}",
	.who = BY_ANYONE,
	.flags = OP_READS | OP_ABOUT_PEERS,
	.tools = TOOL_WORKER,
	.handle = handle_list,
};

static int find(struct op_call *call, const char *param, struct peer_ref *ret, struct error *err)
{
	return route_find(call->store, call->caller, op_text(call, param), op_text(call, "circle"), ret, err);
}

/* One peer in full: a confined one with "writable", the places that it may write. */
static json_t *peer_in_full(struct store *s, const char *peer_id)
{
	json_t *peer = peer_to_json(s, peer_id);
	json_t *writable = confine_writable(s, peer_id);
	if (writable)
		json_object_set_new(peer, "writable", writable);
	return peer;
}

static int handle_show(struct op_call *call, json_t **ret, struct error *err)
{
	struct peer_ref peer;
	int code = find(call, "peer_name", &peer, err);
	if (!code)
		*ret = peer_in_full(call->store, peer.peer_id);
	return code;
}

const struct op op_show_peer = {
	.name = "show_peer",
	.summary = "One peer.",
	.params = (const struct op_param[]){{"peer_name", OP_TEXT, OP_REQUIRED, "its name, circle:name or id",
					     300, 0},
					    {"circle", OP_TEXT, 0, "the circle of that name", 64, 0},
					    {0}},
	.result = PEER_SHAPE,
	.who = BY_ANYONE,
	.flags = OP_LOCAL | OP_ABOUT_PEERS,
	.handle = handle_show,
};

static int handle_whoami(struct op_call *call, json_t **ret, struct error *err)
{
	(void)err;
	if (call->caller->kind != CALLER_UNKNOWN) {
		*ret = peer_in_full(call->store, call->caller->peer_id);
		return 0;
	}
	static const char *const fields[] = {"peer_id",	  "status",    "turn_state",  "backend",
					     "path",	  "branch",    "circle",      "pid",
					     "transport", "last_seen", "description", "sandbox"};
	*ret = json_pack("{s:s, s:s}", "name", "unknown", "role", "unknown");
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		json_object_set_new(*ret, fields[i], json_null());
	json_object_set_new(*ret, "quiet", json_false());
	return 0;
}

const struct op op_whoami = {
	.name = "whoami",
	.summary = "Who you are here: your name, branch, circle and role.",
	.params = (const struct op_param[]){{0}},
	.result = PEER_SHAPE,
	.who = BY_ANYONE,
	.tools = TOOL_WORKER,
	.handle = handle_whoami,
};

static int handle_describe(struct op_call *call, json_t **ret, struct error *err)
{
	int code = peer_describe(call->store, call->caller->peer_id, op_text(call, "description"), err);
	if (!code)
		*ret = peer_to_json(call->store, call->caller->peer_id);
	return code;
}

const struct op op_set_description = {
	.name = "set_description",
	.summary = "Say in a line what you work on, for others to see.",
	.params =
		(const struct op_param[]){
			{"description", OP_TEXT, OP_REQUIRED, "one line", PEER_DESCRIPTION_MAX, 0}, {0}},
	.result = PEER_SHAPE,
	.who = BY_KNOWN,
	.flags = OP_CHANGES | OP_SETTLES,
	.tools = TOOL_WORKER,
	.handle = handle_describe,
};

/* An agent speaks for itself only, unless it leads. */
static int handle_quiet(struct op_call *call, json_t **ret, struct error *err)
{
	const struct caller *caller = call->caller;
	struct peer_ref peer;
	const char *name = op_text(call, "peer_name");
	int code = name ? find(call, "peer_name", &peer, err) : 0;
	if (!code && !name && !peer_find(call->store, caller->peer_id, &peer))
		code = error_set(err, ERR_NOT_FOUND, "you are no peer");
	if (!code && caller->kind == CALLER_PEER && caller->role != ROLE_ORCHESTRATOR &&
	    strcmp(peer.peer_id, caller->peer_id) != 0)
		code = error_set(err, ERR_FORBIDDEN, "only an orchestrator or a person marks another peer");
	if (!code)
		code = peer_set_quiet(call->store, peer.peer_id, json_bool(call->params, "quiet", true), err);
	if (!code)
		*ret = peer_to_json(call->store, peer.peer_id);
	return code;
}

const struct op op_set_quiet = {
	.name = "set_quiet",
	.summary = "Mark a peer do-not-disturb, or take that back: no notify wakes what is marked.",
	.params = (const struct op_param[]){{"peer_name", OP_TEXT, 0, "its name, circle:name or id; you", 300,
					     0},
					    {"circle", OP_TEXT, 0, "the circle of that name", 64, 0},
					    {"quiet", OP_FLAG, OP_REQUIRED, "whether it is", 0, 0},
					    {0}},
	.result = PEER_SHAPE,
	.who = BY_KNOWN,
	.flags = OP_CHANGES | OP_LOCAL | OP_SETTLES,
	.handle = handle_quiet,
};

static int handle_register(struct op_call *call, json_t **ret, struct error *err)
{
	struct peer_ref peer;
	int code = registering_run(call, &peer, err);
	if (!code)
		*ret = peer_to_json(call->store, peer.peer_id);
	return code;
}

const struct op op_register_peer = {
	.name = "register_peer",
	.summary = "Make the calling process, or the one that started it, a peer.",
	.params =
		(const struct op_param[]){
			REGISTERING_PARAMS,
			{"name", OP_TEXT, 0, "its name; by default the branch or the folder", 200, 0},
			{"description", OP_TEXT, 0, "what it works on", PEER_DESCRIPTION_MAX, 0},
			{"self", OP_FLAG, 0, "the caller itself, not its parent", 0, 0},
			{0}},
	.result = PEER_SHAPE,
	.who = BY_ANYONE,
	.flags = OP_CHANGES | OP_LOCAL | OP_IDENTIFIES,
	.handle = handle_register,
};

static int handle_session_end(struct op_call *call, json_t **ret, struct error *err)
{
	int code = call->caller->kind == CALLER_PEER
			   ? peer_offline(call->store, call->caller->peer_id, CAUSE_SESSION_END, err)
			   : error_set(err, ERR_FORBIDDEN, "only a peer ends its own session");
	if (!code)
		*ret = json_object();
	return code;
}

const struct op op_end_session = {
	.name = "end_session",
	.summary = "The calling peer's session has ended.",
	.params = (const struct op_param[]){{0}},
	.result = "{}",
	.who = BY_KNOWN,
	.flags = OP_CHANGES | OP_LOCAL | OP_IDENTIFIES,
	.handle = handle_session_end,
};

/* Where to start: a folder that exists; its branch and repository where git knows them. */
static int spawn_here(struct op_call *call, json_t **ret, struct error *err)
{
	if (call->state)
		return spawning_answer(call, ret, err);
	const char *path = op_text(call, "path");
	struct stat st;
	int code = 0;
	if (path[0] != '/' || stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		code = error_set(err, ERR_INVALID, "'%.200s' is not a folder (give its absolute path)", path);
	if (!code)
		code = spawning_check(call, path, err);
	if (code)
		return code;
	autofree char *repo = NULL;
	autofree char *branch = NULL;
	session_place(call->store, path, &repo, &branch);
	if (!branch && !call->work_result)
		return op_work(call, "repo.describe", json_pack("{s:s}", "dir", path));
	const json_t *there = NULL;
	if (!branch && !op_work_answer(call, &there, NULL) && json_str(there, "path")) {
		session_take_note(call->store, there);
		session_place(call->store, json_str(there, "path"), &repo, &branch);
	}
	struct spawning spawning = {.path = path, .repo_id = repo, .branch = branch};
	code = spawning_begin(call, &spawning, err);
	if (!code && repo && branch)
		branch_own(call->store, repo, branch, json_str(call->state, "peer"));
	return code ? code : spawning_answer(call, ret, err);
}

/* With a branch the worktree is made first: the path is then a folder of the repository. */
static int spawn_on_branch(struct op_call *call, json_t **ret, struct error *err)
{
	json_auto_t *made = NULL;
	if (!json_object_get(call->params, "dir")) {
		json_object_set(call->params, "dir", json_object_get(call->params, "path"));
		json_object_del(call->params, "path");
	}
	int code = worktree_make(call, &made, err);
	if (!code)
		*ret = peer_to_json(call->store, json_str(made, "peer"));
	return code;
}

static int handle_spawn(struct op_call *call, json_t **ret, struct error *err)
{
	return op_text(call, "branch") ? spawn_on_branch(call, ret, err) : spawn_here(call, ret, err);
}

const struct op op_spawn_peer = {
	.name = "spawn_peer",
	.summary = "Start an agent in a folder, or on a branch whose worktree is made first: a confirmed "
		   "peer, or why not.",
	.params =
		(const struct op_param[]){
			{"path", OP_TEXT, OP_REQUIRED,
			 "the folder; with branch, any folder of the repository", 4096, 0},
			{"branch", OP_TEXT, 0, "make or take over this branch's worktree first", 200, 0},
			{"base", OP_TEXT, 0, "what a new branch is cut from", 200, 0},
			SPAWNING_PARAMS,
			{0}},
	.result = PEER_SHAPE,
	.who = BY_LEADERS,
	.flags = OP_CHANGES,
	.tools = TOOL_ORCHESTRATOR,
	.handle = handle_spawn,
};

static int handle_assign(struct op_call *call, json_t **ret, struct error *err)
{
	struct peer_ref peer;
	int code = find(call, "peer_name", &peer, err);
	if (!code)
		code = peer_assign(call->store, peer.peer_id, op_text(call, "role"),
				   op_text(call, "to_circle"), err);
	if (!code)
		*ret = peer_to_json(call->store, peer.peer_id);
	return code;
}

const struct op op_assign_peer = {
	.name = "assign_peer",
	.summary = "Give a peer another role or circle.",
	.params = (const struct op_param[]){{"peer_name", OP_TEXT, OP_REQUIRED, "its name, circle:name or id",
					     300, 0},
					    {"circle", OP_TEXT, 0, "the circle of that name", 64, 0},
					    {"role", OP_TEXT, 0, "agent, reviewer or orchestrator", 32, 0},
					    {"to_circle", OP_TEXT, 0, "the circle that it moves to", 64, 0},
					    {0}},
	.result = PEER_SHAPE,
	.who = BY_HUMAN | BY_SERVICE,
	.flags = OP_CHANGES | OP_LOCAL | OP_ABOUT_PEERS,
	.handle = handle_assign,
};

/* S8: an agent ends only what it started itself. */
static int check_kill(struct op_call *call, const struct peer_ref *peer, struct error *err)
{
	if (peer->role == ROLE_HUMAN || peer->role == ROLE_SERVICE)
		return error_set(err, ERR_REFUSED, "%s is not a process", peer->name);
	if (call->caller->kind != CALLER_PEER)
		return 0;
	autofree char *parent =
		db_text(call->store, "SELECT parent_peer FROM peer WHERE peer_id = ?", "s", peer->peer_id);
	if (parent && strcmp(parent, call->caller->peer_id) == 0)
		return 0;
	return error_set(err, ERR_FORBIDDEN, "%s was not started by you", peer->name);
}

static int handle_kill(struct op_call *call, json_t **ret, struct error *err)
{
	if (!call->state) {
		struct peer_ref peer;
		int64_t effect = 0;
		int code = find(call, "peer_identifier", &peer, err);
		if (!code)
			code = check_kill(call, &peer, err);
		if (!code)
			code = spawn_kill(call->core, peer.peer_id, &effect, err);
		if (code)
			return code;
		call->state = json_pack("{s:s, s:I, s:b}", "peer", peer.peer_id, "effect", (json_int_t)effect,
					"online", peer.online);
	}
	json_int_t effect = json_int(call->state, "effect", 0);
	bool was_online = json_bool(call->state, "online", false);
	json_auto_t *done = NULL;
	autoerror why = {0};
	int code = effect ? op_effect_answer(call, effect, &done, &why) : 0;
	if (code == OP_PARKED)
		return code;
	bool killed = effect && (!code || code == ERR_NOT_FOUND);
	*ret = json_pack("{s:O, s:b}", "peer_id", json_object_get(call->state, "peer"), "terminal_closed",
			 killed);
	json_set_str(*ret, "note",
		     killed   ? NULL
		     : effect ? why.message
		     : !was_online
			     ? "unregistered; it was offline already"
			     : "unregistered; its terminal was not started by coppice and is left alone. It "
			       "comes back when its session is started anew");
	(void)err;
	return 0;
}

const struct op op_kill_peer = {
	.name = "kill_peer",
	.summary = "End a peer: close its terminal if that is proven to be its own, else only unregister it.",
	.params = (const struct op_param[]){{"peer_identifier", OP_TEXT, OP_REQUIRED,
					     "its name, circle:name or id", 300, 0},
					    {"circle", OP_TEXT, 0, "the circle of that name", 64, 0},
					    {0}},
	.result = "{\"peer_id\",\"terminal_closed\",\"note\"}",
	.who = BY_KNOWN,
	.flags = OP_CHANGES | OP_DESTROYS | OP_SETTLES | OP_ABOUT_PEERS,
	.tools = TOOL_ORCHESTRATOR,
	.handle = handle_kill,
};

static int handle_terminal(struct op_call *call, json_t **ret, struct error *err)
{
	struct peer_ref peer;
	int code = find(call, "peer_name", &peer, err);
	if (code)
		return code;
	autoquery q = db_query(call->store,
			       "SELECT result FROM spawn WHERE peer_id = ? AND state = 'running' ORDER BY "
			       "created_at DESC LIMIT 1",
			       "s", peer.peer_id);
	if (!query_next(&q))
		return error_hint(
			err,
			error_set(err, ERR_NOT_FOUND, "%s has no terminal that coppice started", peer.name),
			"see: coppice show %s", peer.name);
	*ret = query_json(&q, 0);
	return 0;
}

const struct op op_peer_terminal = {
	.name = "peer_terminal",
	.summary = "Which terminal a peer runs in.",
	.params = (const struct op_param[]){{"peer_name", OP_TEXT, OP_REQUIRED, "its name, circle:name or id",
					     300, 0},
					    {"circle", OP_TEXT, 0, "the circle of that name", 64, 0},
					    {0}},
	.result = "{\"pane_id\",\"window\",\"session\",\"session_id\",\"socket\",\"server\",\"pane_pid\","
		  "\"start_time\"}",
	.who = BY_KNOWN,
	.flags = OP_LOCAL | OP_ABOUT_PEERS,
	.handle = handle_terminal,
};

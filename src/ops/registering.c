/* See registering.h. */
#include "ops/registering.h"

#include <string.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "flow/session.h"
#include "os/sandbox.h"
#include "repo/registry.h"

int registering_process(const struct op_call *call, size_t *ret_index, struct error *err)
{
	json_int_t pid = json_int(call->params, "pid", 0);
	size_t index = json_bool(call->params, "self", false) ? 0 : 1;
	for (size_t i = 0; pid && call->chain && i < call->chain->n; i++)
		if (call->chain->at[i].pid == pid)
			index = i, pid = 0;
	if (!call->chain || index >= call->chain->n || pid)
		return error_set(err, ERR_FORBIDDEN,
				 "a process registers itself or an ancestor; this one is neither");
	*ret_index = index;
	return 0;
}

bool registering_known(const struct op_call *call, size_t index, struct peer_ref *ret)
{
	const struct proc_stat *p = &call->chain->at[index];
	autofree char *id =
		db_text(call->store,
			"SELECT peer_id FROM session WHERE pid = ? AND start_time = ? AND boot_id = ?"
			" AND kind = 'agent' AND ended_at IS NULL AND (hosted = 0 OR key = ?) LIMIT 1",
			"iiss", (int64_t)p->pid, (int64_t)p->start_time, store_boot_id(call->store),
			op_text(call, "session"));
	return id && peer_find(call->store, id, ret);
}

/* Finds out where the session works: `path` becomes the worktree's own folder. OP_PARKED while git is asked.
 */
static int locate(struct op_call *call, const char **path, char **ret_repo, char **ret_branch)
{
	session_place(call->store, *path, ret_repo, ret_branch);
	if (*ret_repo || !*path)
		return 0;
	if (!call->work_result)
		return op_work(call, "repo.describe", json_pack("{s:s}", "dir", *path));
	const json_t *there = NULL;
	if (op_work_answer(call, &there, NULL) || !json_str(there, "path"))
		return 0; /* in no repository, then */
	session_take_note(call->store, there);
	*path = json_str(there, "path");
	session_place(call->store, *path, ret_repo, ret_branch);
	return 0;
}

/* The circle and the role that a process outside of all peers was started with: the word of whoever started
 * it, not its own, so it holds however the process tells of itself, and counts once, when it is new. Many
 * runtimes run their hooks in sessions of their own, which are nobody's. A process that hosts others'
 * sessions was started for one of them only. */
static void given_at_start(const struct op_call *call, size_t index, char **ret_circle, char **ret_role)
{
	const struct proc_stat *p = &call->chain->at[index];
	char inside[ID_SIZE];
	struct peer_ref peer;
	if (json_bool(call->params, "hosted", false) || registering_known(call, index, &peer) ||
	    identity_enclosing(call->store, call->chain, index, NULL, inside))
		return;
	autofree char *marked = proc_given(p->pid, p->start_time, "COPPICE_PEER");
	if (marked)
		return;
	*ret_circle = proc_given(p->pid, p->start_time, "COPPICE_CIRCLE");
	*ret_role = proc_given(p->pid, p->start_time, "COPPICE_ROLE");
}

/* A sandbox is around a peer that Coppice started; what of it left that peer's processes is nobody, and shall
 * not come back as somebody that is free (S7). */
static int check_free(const struct op_call *call, size_t index, struct error *err)
{
	char id[ID_SIZE];
	if (identity_enclosing(call->store, call->chain, index, NULL, id) ||
	    sandbox_holds(call->chain->at[index].pid) != TRUTH_YES)
		return 0;
	return error_hint(err, error_set(err, ERR_FORBIDDEN, "a process in a sandbox is no peer of its own"),
			  "it is its peer's while it stays in the process tree of that");
}

int registering_run(struct op_call *call, struct peer_ref *ret, struct error *err)
{
	size_t index = 0;
	int code = registering_process(call, &index, err);
	if (!code)
		code = check_free(call, index, err);
	if (code)
		return code;
	/* A person names circle and name of what they start; an agent cannot give them to itself (I7). */
	bool person = call->caller->kind == CALLER_HUMAN || call->caller->kind == CALLER_SERVICE;
	autofree char *circle = NULL;
	autofree char *role = NULL;
	if (!person)
		given_at_start(call, index, &circle, &role);
	struct peer_spec spec = {.backend = op_text(call, "backend"),
				 .path = op_text(call, "path"),
				 .name = op_text(call, "name"),
				 .circle = circle ? circle : op_text(call, "circle"),
				 .role = person ? op_text(call, "role") : role,
				 .description = op_text(call, "description"),
				 .trusted = person || circle || role};
	if (!agent_backend_find(spec.backend))
		return error_set(err, ERR_UNSUPPORTED, "there is no backend '%s' in this version",
				 spec.backend);
	const struct proc_stat *p = &call->chain->at[index];
	struct peer_process process = {.kind = SESSION_AGENT,
				       .pid = p->pid,
				       .start_time = p->start_time,
				       .tty = p->tty,
				       .key = op_text(call, "session")};
	autofree char *repo = NULL;
	autofree char *branch = NULL;
	code = peer_check_retired(call->store, &process, err);
	if (!code)
		code = locate(call, &spec.path, &repo, &branch);
	if (code)
		return code;
	spec.repo_id = repo;
	spec.branch = branch;
	char inside[ID_SIZE] = "";
	bool enclosed = identity_enclosing(call->store, call->chain, index + 1, NULL, inside);
	process.inside = enclosed ? inside : NULL;
	process.hosted = json_bool(call->params, "hosted", false) &&
			 session_is_one_of_many(call->store, process.inside, spec.backend);
	code = peer_register(call->store, &process, &spec, ret, err);
	if (!code)
		peer_set_served(call->store, ret->peer_id);
	if (!code && repo && branch)
		branch_own(call->store, repo, branch, ret->peer_id);
	return code;
}

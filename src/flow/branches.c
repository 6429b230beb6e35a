/* See branches.h. */
#include "flow/branches.h"

#include <string.h>

#include "base/alloc.h"
#include "mesh/message.h"
#include "repo/registry.h"
#include "store/event.h"

static const char none[] = "0000000000000000000000000000000000000000";

/* What restores it: compare-and-swap, so that it undoes this move and nothing else. Caller frees. */
static char *restoring(const struct branch_move *move)
{
	if (!move->old[0])
		return xasprintf("git update-ref -d refs/heads/%s %s", move->branch, move->now);
	return xasprintf("git update-ref refs/heads/%s %s %s", move->branch, move->old,
			 move->now[0] ? move->now : none);
}

static void tell(struct core *core, const char *peer_id, const char *text)
{
	char id[ID_SIZE];
	autoerror err = {0};
	struct peer_ref peer;
	struct message_new m = {.kind = MESSAGE_SYSTEM, .to = peer_id, .text = text};
	if (!peer_find(core->store, peer_id, &peer) ||
	    peer_takes_input(core->store, &peer, core->limits.queue_age, &err))
		return; /* nobody is there to be told; the event is there for who looks */
	(void)!message_store(core->store, &core->limits, &m, id, &err);
}

static void tell_all(struct core *core, const struct branch_move *move, const struct peer_ref *owner,
		     const char *path)
{
	static const char why[] =
		"Who did it is not known: the user, say, or a session past what guards branches. If "
		"it was not meant, this restores it";
	autofree char *command = restoring(move);
	autofree char *what = !move->now[0] ? xasprintf("was deleted; it was at %.12s", move->old)
			      : !move->old[0]
				      ? xasprintf("was made anew at %.12s", move->now)
				      : xasprintf("was moved from %.12s to %.12s, and not in its worktree",
						  move->old, move->now);
	autofree char *own = xasprintf("refs/heads/%s, your branch, %s. %s, in %s: %s", move->branch, what,
				       why, path, command);
	autofree char *lead =
		xasprintf("refs/heads/%s, the branch of %s:%s, %s. Its owner is told. %s, in %s: %s",
			  move->branch, owner->circle, owner->name, what, why, path, command);
	tell(core, owner->peer_id, own);
	autoquery q =
		db_query(core->store,
			 "SELECT peer_id FROM peer WHERE role = 'orchestrator' AND live = 1 AND peer_id <> ?",
			 "s", owner->peer_id);
	while (query_next(&q))
		tell(core, query_text(&q, 0), lead);
}

/* Landing on a branch that somebody owns was asked for. */
static bool is_landing(struct store *s, const char *repo_id, const struct branch_move *move)
{
	return db_int(s, 0,
		      "SELECT 1 FROM change WHERE repo_id = ?1 AND target = ?2 AND (landed_as = ?3 OR built "
		      "= ?3)"
		      " LIMIT 1",
		      "sss", repo_id, move->branch, move->now) != 0;
}

void branch_moved(struct core *core, const struct branch_move *move)
{
	struct store *s = core->store;
	struct peer_ref owner;
	autoworktree w = {0};
	autoquery q =
		db_query(s,
			 "SELECT repo.repo_id, o.peer_id FROM repo JOIN branch_owner AS o ON o.repo_id ="
			 " repo.repo_id WHERE repo.common_dir = ? AND o.branch = ?",
			 "ss", move->common_dir, move->branch);
	if (!query_next(&q) || !peer_find(s, query_text(&q, 1), &owner) ||
	    !worktree_of_branch(s, query_text(&q, 0), move->branch, &w) || strcmp(w.state, "live") != 0 ||
	    is_landing(s, w.repo_id, move))
		return;
	json_t *data = json_object();
	json_set_str(data, "branch", move->branch);
	json_set_str(data, "peer", owner.peer_id);
	json_set_str(data, "old", move->old[0] ? move->old : NULL);
	json_set_str(data, "now", move->now[0] ? move->now : NULL);
	event_emit(s, "branch.moved", w.repo_id, w.plan_id[0] ? w.plan_id : NULL, data);
	tell_all(core, move, &owner, w.path);
}

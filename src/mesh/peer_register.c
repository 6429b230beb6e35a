/* Registration: which peer a process is (I1, I3 to I7); the order is in peer.h.
 *
 * What is never asked: name, folder, recency. Two agents in one folder are two peers, and a new agent in the
 * folder of a dead one is a new peer. A spawn id is inherited by whatever the agent starts, so it binds only
 * until the spawn's own agent is there; after that, who carries it is a child (I4). */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "mesh/name.h"
#include "mesh/peer.h"
#include "mesh/peer_internal.h"
#include "store/event.h"

static const char *session_kind_name(enum session_kind kind)
{
	return kind == SESSION_AGENT ? "agent" : "terminal";
}

/* The peer whose process this is or was (I3): a runtime may end its session and begin another. Among the
 * sessions that one process hosts, the key decides. */
static bool by_process(struct store *s, const struct peer_process *p, const char *boot, struct peer_ref *ret)
{
	autofree char *known =
		db_text(s,
			"SELECT peer_id FROM session WHERE pid = ?1 AND start_time = ?2 AND boot_id = ?3"
			" AND (hosted = 0 OR key = ?4) ORDER BY ended_at IS NULL DESC,"
			" CASE WHEN ended_at IS NULL THEN kind END, session_id DESC LIMIT 1",
			"iiss", (int64_t)p->pid, (int64_t)p->start_time, boot, p->key);
	return known && peer_find(s, known, ret);
}

/* The peer that a runtime resumes in a new process: the session's id is one that only its runtime knows, and
 * its peer is not there any more. */
static bool by_resumed_session(struct store *s, const struct peer_process *p, const struct peer_spec *spec,
			       struct peer_ref *ret)
{
	if (p->kind != SESSION_AGENT || !p->key || !spec->backend)
		return false;
	autofree char *known =
		db_text(s,
			"SELECT peer.peer_id FROM session JOIN peer ON peer.peer_id = session.peer_id"
			" WHERE session.key = ? AND peer.live = 0 AND peer.backend = ?"
			" ORDER BY session.session_id DESC LIMIT 1",
			"ss", p->key, spec->backend);
	return known && peer_find(s, known, ret) && !peer_cause_final(ret->cause);
}

/* Whether a process that is new to us is the one that `peer` was waiting for. */
static bool waits_for(struct store *s, const struct peer_ref *peer, const struct peer_process *p,
		      const struct peer_spec *spec)
{
	if (!peer->live || role_kind(peer->role)->surface)
		return false;
	if (p->kind == SESSION_TERMINAL)
		return !db_int(s, 0,
			       "SELECT 1 FROM session WHERE peer_id = ? AND ended_at IS NULL"
			       " AND kind = 'terminal' LIMIT 1",
			       "s", peer->peer_id);
	if (db_int(s, 0,
		   "SELECT 1 FROM session WHERE peer_id = ? AND ended_at IS NULL AND kind = 'agent' LIMIT 1",
		   "s", peer->peer_id))
		return false;
	return !spec->backend || db_int(s, 0, "SELECT 1 FROM peer WHERE peer_id = ? AND backend = ?", "ss",
					peer->peer_id, spec->backend);
}

/* The existing peer of this process; false for a new peer, whose parent is then in `ret_parent` (or ""). */
static bool find_binding(struct store *s, const struct peer_process *p, const char *boot,
			 const struct peer_spec *spec, struct peer_ref *ret, char ret_parent[ID_SIZE])
{
	struct peer_ref peer;
	ret_parent[0] = '\0';
	if (by_process(s, p, boot, ret))
		return true;
	if (spec->spawn_id && peer_of_spawn(s, spec->spawn_id, &peer)) {
		if (waits_for(s, &peer, p, spec)) {
			*ret = peer;
			return true;
		}
		memcpy(ret_parent, peer.peer_id, ID_SIZE);
	}
	if (p->inside && peer_find(s, p->inside, &peer)) {
		if (p->kind == SESSION_AGENT && waits_for(s, &peer, p, spec)) {
			*ret = peer;
			return true;
		}
		memcpy(ret_parent, peer.peer_id, ID_SIZE);
	}
	return by_resumed_session(s, p, spec, ret);
}

/* I7: an agent cannot give itself a role or another circle. `before` is NULL for a new peer, whose circle
 * comes from its environment. */
static int may_say(const struct peer_spec *spec, const struct peer_ref *before, struct error *err)
{
	if (spec->trusted)
		return 0;
	if (spec->role && strcmp(spec->role, before ? role_name(before->role) : "agent") != 0)
		return error_hint(
			err,
			error_set(err, ERR_FORBIDDEN, "an agent cannot give itself the role %s", spec->role),
			"a role is given by the human, the plan or the spawner");
	if (before && spec->circle && strcmp(spec->circle, before->circle) != 0)
		return error_hint(err,
				  error_set(err, ERR_FORBIDDEN, "an agent cannot move itself to circle %s",
					    spec->circle),
				  "it stays in circle %s until the human moves it", before->circle);
	return 0;
}

static int check_not_retired(const struct peer_ref *peer, struct error *err)
{
	if (peer->live || peer->cause != CAUSE_RETIRED)
		return 0;
	return error_hint(
		err, error_set(err, ERR_REFUSED, "%s was taken out of the mesh by coppice kill", peer->name),
		"it comes back when its session is started anew");
}

int peer_check_retired(struct store *s, const struct peer_process *process, struct error *err)
{
	struct peer_ref peer;
	const char *boot = process->boot_id ? process->boot_id : store_boot_id(s);
	return by_process(s, process, boot, &peer) ? check_not_retired(&peer, err) : 0;
}

static void record_session(struct store *s, const struct peer_process *p, const char *boot,
			   const struct peer_ref *peer)
{
	const char *kind = session_kind_name(p->kind);
	int changed = db_run(s,
			     "UPDATE session SET epoch = ?1, pane_id = coalesce(?2, pane_id), tty = ?3,"
			     " key = coalesce(?9, key) WHERE pid = ?4 AND start_time = ?5 AND boot_id = ?6"
			     " AND peer_id = ?7 AND kind = ?8 AND ended_at IS NULL",
			     "isiiissss", peer->epoch, p->pane_id, (int64_t)p->tty, (int64_t)p->pid,
			     (int64_t)p->start_time, boot, peer->peer_id, kind, p->key);
	if (changed)
		return;
	(void)db_run(
		s,
		"INSERT INTO session (peer_id, kind, pid, start_time, boot_id, epoch, spawn_id, pane_id,"
		" tty, started_at, key, hosted) SELECT ?1,?2,?3,?4,?5,?6,spawn_id,?7,?8,?9,?10,?11 FROM peer"
		" WHERE peer_id = ?1",
		"ssiisisiisi", peer->peer_id, kind, (int64_t)p->pid, (int64_t)p->start_time, boot,
		peer->epoch, p->pane_id, (int64_t)p->tty, store_now(s), p->key, (int64_t)p->hosted);
}

/* The name is fixed (I6) unless a trusted word changes it, the circle changes, or another took it while the
 * peer was not live. */
static void settle_name(struct store *s, const struct peer_spec *spec, const struct peer_ref *before,
			char ret[PEER_NAME_SIZE])
{
	const char *circle = spec->circle ? spec->circle : before->circle;
	const char *wish = spec->trusted && spec->name ? spec->name : before->name;
	bool kept = before->live && wish == before->name && strcmp(circle, before->circle) == 0;
	if (kept)
		memcpy(ret, before->name, PEER_NAME_SIZE);
	else
		peer_name_allocate(s, circle, wish, before->peer_id, ret);
}

/* What left-out fields do is coalesce's business (I7). A confined peer stays where its sandbox is (S5). */
static void update_row(struct store *s, const struct peer_spec *spec, const struct peer_ref *before)
{
	char name[PEER_NAME_SIZE];
	settle_name(s, spec, before, name);
	(void)db_run(s,
		     "UPDATE peer SET epoch = epoch + 1, live = 1, name = ?1, circle = coalesce(?2, circle),"
		     " role = coalesce(?3, role), backend = coalesce(?4, backend),"
		     " profile = coalesce(?5, profile),"
		     " path = iif(sandbox IS NULL, coalesce(?6, path), path),"
		     " branch = iif(sandbox IS NULL, coalesce(?7, branch), branch),"
		     " repo_id = iif(sandbox IS NULL, coalesce(?8, repo_id), repo_id),"
		     " description = coalesce(?9, description), transport = coalesce(?10, transport),"
		     " plan_id = coalesce(?11, plan_id), last_seen = ?12 WHERE peer_id = ?13",
		     "sssssssssssis", name, spec->circle, spec->role, spec->backend, spec->profile,
		     spec->path, spec->branch, spec->repo_id, spec->description, spec->transport,
		     spec->plan_id, store_now(s), before->peer_id);
}

/* An agent's process brings its peer online, and so does a terminal that is the peer itself. An expected
 * agent keeps pending_first_turn until its first turn; a plain command has no turns. */
static void bring_online(struct store *s, const struct peer_process *p, const struct peer_ref *peer)
{
	(void)db_run(s,
		     "UPDATE peer SET status = 'online', turn_state = CASE WHEN ?1 AND status <> 'online' "
		     "THEN NULL"
		     " WHEN status = 'online' OR turn_state IS NOT NULL THEN turn_state ELSE 'idle' END"
		     " WHERE peer_id = ?2",
		     "is", (int64_t)(p->kind == SESSION_TERMINAL), peer->peer_id);
	if (!peer->online)
		peer_event(s, "peer.online", peer, NULL);
}

/* A process that was registered before its session's id was known, by its MCP server or its runtime's record,
 * may turn out, with its first hook, to go on with the session of a peer that is offline: then it is that
 * peer, and the one that was made for it, to which nobody has written yet, is retired. Later, the process
 * keeps its peer (I3). */
static void find_the_one_before(struct store *s, const struct peer_process *p, const struct peer_spec *spec,
				struct peer_ref *peer)
{
	struct peer_ref before;
	bool fresh = p->key &&
		     db_int(s, 0,
			    "SELECT 1 FROM peer WHERE peer_id = ?1 AND hooked = 0"
			    " AND NOT EXISTS (SELECT 1 FROM message WHERE to_peer = ?1 OR from_peer = ?1)"
			    " AND NOT EXISTS (SELECT 1 FROM job WHERE peer_id = ?1)"
			    " AND NOT EXISTS (SELECT 1 FROM spawn WHERE peer_id = ?1) LIMIT 1",
			    "s", peer->peer_id);
	if (!fresh || !by_resumed_session(s, p, spec, &before) ||
	    peer_offline(s, peer->peer_id, CAUSE_RETIRED, NULL))
		return;
	*peer = before;
}

int peer_register(struct store *s, const struct peer_process *process, const struct peer_spec *spec,
		  struct peer_ref *ret, struct error *err)
{
	struct peer_ref peer;
	char parent[ID_SIZE];
	const char *boot = process->boot_id ? process->boot_id : store_boot_id(s);
	int r = peer_spec_check(spec, err);
	if (r)
		return r;
	if (process->pid <= 1)
		return error_set(err, ERR_INVALID, "process %d cannot be a peer's", (int)process->pid);
	bool known = find_binding(s, process, boot, spec, &peer, parent);
	r = known ? check_not_retired(&peer, err) : 0;
	if (r)
		return r;
	if (known)
		find_the_one_before(s, process, spec, &peer);
	r = may_say(spec, known ? &peer : NULL, err);
	if (r)
		return r;
	if (!known) {
		struct peer_spec new = *spec;
		if (parent[0])
			new.spawn_id = NULL; /* inherited from the parent, whose it stays */
		r = peer_insert(s, &new, parent[0] ? parent : spec->parent_peer, &peer, err);
		if (r)
			return r;
	}
	update_row(s, spec, &peer);
	if (!peer_find(s, peer.peer_id, &peer))
		return error_set(err, ERR_NOT_STORED, "the registration could not be stored");
	record_session(s, process, boot, &peer);
	peer_refresh_process(s, peer.peer_id);
	if (process->kind == SESSION_AGENT || process->is_peer)
		bring_online(s, process, &peer);
	json_t *data = json_pack("{s:I, s:s, s:I, s:I}", "epoch", (json_int_t)peer.epoch, "kind",
				 session_kind_name(process->kind), "pid", (json_int_t)process->pid,
				 "start_time", (json_int_t)process->start_time);
	peer_event(s, "peer.registered", &peer, data);
	peer.online = peer.online || process->kind == SESSION_AGENT || process->is_peer;
	*ret = peer;
	return 0;
}

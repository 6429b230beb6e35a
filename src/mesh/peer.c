/* Peers: their rows, states and ends; see peer.h. How a process finds its peer is peer_register.c, how peers
 * are shown peer_view.c.
 *
 * Two columns say how present a peer is. `live` is about the name: a live peer holds it, whether its process
 * has come yet or not. `status` is about the process. A peer that is neither live nor online has a cause
 * (I9). */
#include "mesh/peer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "mesh/name.h"
#include "mesh/peer_internal.h"
#include "store/event.h"

enum { FIELD_MAX = 4096 }; /* bytes of a path and the like */

struct cause_kind {
	const char *name;
	bool final;
};

static const struct cause_kind causes[CAUSE_MAX_] = {
	[CAUSE_NONE] = {NULL, false},
	[CAUSE_SESSION_END] = {"session_end", false},
	[CAUSE_PROCESS_GONE] = {"process_gone", false},
	[CAUSE_KILLED] = {"killed", true},
	[CAUSE_RETIRED] = {"retired", true},
	[CAUSE_REBOOT] = {"reboot", false},
	[CAUSE_FINISHED] = {"finished", true},
};

static const char *const turn_states[TURN_MAX_] = {
	[TURN_IDLE] = "idle",
	[TURN_WORKING] = "working",
	[TURN_AWAITING_INPUT] = "awaiting_input",
	[TURN_PENDING_FIRST] = "pending_first_turn",
};

const char *peer_cause_name(enum peer_cause cause)
{
	assert(cause >= 0 && cause < CAUSE_MAX_);
	return causes[cause].name;
}

enum peer_cause peer_cause_of(const char *name)
{
	for (int i = 1; name && i < CAUSE_MAX_; i++)
		if (strcmp(causes[i].name, name) == 0)
			return (enum peer_cause)i;
	return CAUSE_NONE;
}

bool peer_cause_final(enum peer_cause cause)
{
	assert(cause >= 0 && cause < CAUSE_MAX_);
	return causes[cause].final;
}

const char *turn_state_name(enum turn_state state)
{
	assert(state >= 0 && state < TURN_MAX_);
	return turn_states[state];
}

bool turn_state_parse(const char *name, enum turn_state *ret)
{
	for (int i = 1; i < TURN_MAX_; i++) {
		if (strcmp(turn_states[i], name) == 0) {
			*ret = (enum turn_state)i;
			return true;
		}
	}
	return false;
}

int peer_not_found(const char *peer_id, struct error *err)
{
	autostrbuf shown = STRBUF_INIT(256);
	text_escape(peer_id, strnlen(peer_id, 60), false, &shown);
	return error_hint(err, error_set(err, ERR_NOT_FOUND, "there is no peer %s", strbuf_str(&shown)),
			  "`coppice ps --all` lists all of them");
}

void peer_event(struct store *s, const char *kind, const struct peer_ref *peer, json_t *data)
{
	autofree char *plan = db_text(s, "SELECT plan_id FROM peer WHERE peer_id = ?", "s", peer->peer_id);
	json_t *all = data ? data : json_object();
	json_set_str(all, "peer_id", peer->peer_id);
	json_set_str(all, "name", peer->name);
	json_set_str(all, "circle", peer->circle);
	event_emit(s, kind, peer->peer_id, plan, all);
}

static int description_check(const char *text, struct error *err)
{
	size_t len = strlen(text);
	if (len > PEER_DESCRIPTION_MAX)
		return error_set(err, ERR_TOO_LARGE, "the description has %zu bytes; at most %d are kept",
				 len, PEER_DESCRIPTION_MAX);
	if (!utf8_valid(text, len))
		return error_set(err, ERR_INVALID, "the description is not valid UTF-8");
	return 0;
}

static int role_check(const char *name, struct error *err)
{
	enum role role;
	if (!role_parse(name, &role))
		return error_hint(err, error_set(err, ERR_INVALID, "there is no such role"),
				  "use agent, orchestrator or reviewer");
	if (role_kind(role)->surface)
		return error_hint(err, error_set(err, ERR_FORBIDDEN, "a peer cannot be %s", name),
				  "use agent, orchestrator or reviewer");
	return 0;
}

int peer_spec_check(const struct peer_spec *spec, struct error *err)
{
	const char *const fields[] = {spec->backend,  spec->profile,	 spec->path,
				      spec->branch,   spec->repo_id,	 spec->transport,
				      spec->spawn_id, spec->parent_peer, spec->plan_id};
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i] && strlen(fields[i]) > FIELD_MAX)
			return error_set(err, ERR_TOO_LARGE, "a field of the peer is longer than %d bytes",
					 FIELD_MAX);
	int r = spec->name ? peer_name_check(spec->name, err) : 0;
	if (!r && spec->circle)
		r = circle_name_check(spec->circle, err);
	if (!r && spec->role)
		r = role_check(spec->role, err);
	if (!r && spec->description)
		r = description_check(spec->description, err);
	return r;
}

bool peer_find(struct store *s, const char *peer_id, struct peer_ref *ret)
{
	autoquery q = db_query(s,
			       "SELECT peer_id, name, circle, role, live, status, epoch, offline_cause,"
			       " offline_at, do_not_disturb FROM peer WHERE peer_id = ?",
			       "s", peer_id);
	if (!query_next(&q))
		return false;
	struct peer_ref peer = {0};
	(void)snprintf(peer.peer_id, sizeof(peer.peer_id), "%s", query_text(&q, 0));
	(void)snprintf(peer.name, sizeof(peer.name), "%s", query_text(&q, 1));
	(void)snprintf(peer.circle, sizeof(peer.circle), "%s", query_text(&q, 2));
	if (!role_parse(query_text(&q, 3), &peer.role))
		peer.role = ROLE_AGENT;
	peer.live = query_int(&q, 4);
	peer.online = strcmp(query_text(&q, 5), "online") == 0;
	peer.epoch = query_int(&q, 6);
	peer.cause = peer_cause_of(query_text(&q, 7));
	peer.offline_at = query_int(&q, 8);
	peer.quiet = query_int(&q, 9) != 0;
	*ret = peer;
	return true;
}

bool peer_of_spawn(struct store *s, const char *spawn_id, struct peer_ref *ret)
{
	autofree char *id =
		db_text(s, "SELECT peer_id FROM peer WHERE live = 1 AND spawn_id = ?", "s", spawn_id);
	return id && peer_find(s, id, ret);
}

int peer_insert(struct store *s, const struct peer_spec *spec, const char *parent, struct peer_ref *ret,
		struct error *err)
{
	if (!spec->backend)
		return error_set(err, ERR_INVALID, "a new peer needs a backend");
	char id[ID_SIZE], wish[PEER_NAME_SIZE], name[PEER_NAME_SIZE];
	const char *circle = spec->circle ? spec->circle : "default";
	if (spec->name)
		(void)snprintf(wish, sizeof(wish), "%s", spec->name);
	else
		peer_name_default(spec->branch, spec->path, spec->backend, wish);
	peer_name_allocate(s, circle, wish, NULL, name);
	store_new_id(s, "peer", id);
	(void)db_run(
		s,
		"INSERT INTO peer (peer_id, name, circle, role, backend, profile, path, branch, repo_id,"
		" description, status, live, transport, spawn_id, parent_peer, plan_id, created_at,"
		" last_seen) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,'offline',1,?11,?12,?13,?14,?15,?15)",
		"ssssssssssssssi", id, name, circle, spec->role ? spec->role : "agent", spec->backend,
		spec->profile, spec->path, spec->branch, spec->repo_id, spec->description, spec->transport,
		spec->spawn_id, parent, spec->plan_id, store_now(s));
	if (!peer_find(s, id, ret))
		return error_set(err, ERR_NOT_STORED, "the peer could not be stored");
	return 0;
}

int peer_mint(struct store *s, const struct peer_spec *spec, char ret_peer_id[ID_SIZE], struct error *err)
{
	struct peer_ref peer;
	int r = peer_spec_check(spec, err);
	if (!r)
		r = peer_insert(s, spec, spec->parent_peer, &peer, err);
	if (r)
		return r;
	(void)db_run(s, "UPDATE peer SET turn_state = 'pending_first_turn' WHERE peer_id = ?", "s",
		     peer.peer_id);
	json_t *data = json_object();
	json_set_str(data, "backend", spec->backend);
	peer_event(s, "peer.minted", &peer, data);
	memcpy(ret_peer_id, peer.peer_id, ID_SIZE);
	return 0;
}

void peer_refresh_process(struct store *s, const char *peer_id)
{
	/* 'agent' sorts before 'terminal'. */
	(void)db_run(s,
		     "UPDATE peer SET (pid, start_time, boot_id) ="
		     " (SELECT pid, start_time, boot_id FROM session WHERE peer_id = ?1 AND ended_at IS NULL"
		     "  ORDER BY kind, session_id DESC LIMIT 1) WHERE peer_id = ?1",
		     "s", peer_id);
}

static void end_sessions(struct store *s, const char *peer_id, const char *cause)
{
	(void)db_run(s, "UPDATE session SET ended_at = ?, cause = ? WHERE peer_id = ? AND ended_at IS NULL",
		     "iss", store_now(s), cause, peer_id);
}

/* A peer that can come and go: not a surface. */
static int find_mortal(struct store *s, const char *peer_id, struct peer_ref *ret, struct error *err)
{
	if (!peer_find(s, peer_id, ret))
		return peer_not_found(peer_id, err);
	if (role_kind(ret->role)->surface)
		return error_set(err, ERR_REFUSED, "%s is a surface, which is always there", ret->name);
	return 0;
}

int peer_offline(struct store *s, const char *peer_id, enum peer_cause cause, struct error *err)
{
	assert(cause > CAUSE_NONE && cause < CAUSE_MAX_);
	struct peer_ref peer;
	int r = find_mortal(s, peer_id, &peer, err);
	if (r || !peer.live)
		return r;
	const char *name = peer_cause_name(cause);
	end_sessions(s, peer_id, name);
	(void)db_run(s,
		     "UPDATE peer SET status = 'offline', live = 0, turn_state = NULL, offline_cause = ?1,"
		     " offline_at = ?2, last_seen = CASE WHEN status = 'online' THEN ?2 ELSE last_seen END,"
		     " pid = NULL, start_time = NULL, boot_id = NULL WHERE peer_id = ?3",
		     "sis", name, store_now(s), peer_id);
	json_t *data = json_object();
	json_set_str(data, "cause", name);
	json_object_set_new(data, "final", json_boolean(peer_cause_final(cause)));
	peer_event(s, "peer.offline", &peer, data);
	return 0;
}

int peer_expect(struct store *s, const char *peer_id, const char *spawn_id, struct error *err)
{
	struct peer_ref peer;
	int r = find_mortal(s, peer_id, &peer, err);
	if (r)
		return r;
	char name[PEER_NAME_SIZE];
	peer_name_allocate(s, peer.circle, peer.name, peer.peer_id, name);
	end_sessions(s, peer_id, "restart");
	(void)db_run(
		s,
		"UPDATE peer SET status = 'offline', live = 1, turn_state = 'pending_first_turn', name = ?,"
		" spawn_id = ?, pid = NULL, start_time = NULL, boot_id = NULL WHERE peer_id = ?",
		"sss", name, spawn_id, peer_id);
	memcpy(peer.name, name, sizeof(name));
	peer_event(s, "peer.expected", &peer, NULL);
	return 0;
}

struct ended {
	int64_t session_id;
	char peer_id[ID_SIZE];
	char kind[16];
};

/* One process of a peer ended. The peer follows when it was the last one that proved it (I9). */
static void session_end(struct store *s, const struct ended *e, pid_t pid, enum peer_cause cause)
{
	struct peer_ref peer;
	(void)db_run(s, "UPDATE session SET ended_at = ?, cause = ? WHERE session_id = ?", "isi",
		     store_now(s), peer_cause_name(cause), e->session_id);
	if (!peer_find(s, e->peer_id, &peer))
		return;
	json_t *data = json_pack("{s:s, s:I, s:s}", "kind", e->kind, "pid", (json_int_t)pid, "cause",
				 peer_cause_name(cause));
	peer_event(s, "peer.session_ended", &peer, data);
	if (db_int(s, 0, "SELECT 1 FROM session WHERE peer_id = ? AND ended_at IS NULL LIMIT 1", "s",
		   e->peer_id)) {
		peer_refresh_process(s, e->peer_id);
		if (strcmp(e->kind, "agent") == 0)
			(void)db_run(s, "UPDATE peer SET turn_state = NULL WHERE peer_id = ?", "s",
				     e->peer_id);
		return;
	}
	(void)peer_offline(s, e->peer_id, cause, NULL); /* a surface has no sessions, so it succeeds */
}

static void take_ended(const struct query *q, struct ended *ret)
{
	ret->session_id = query_int(q, 0);
	(void)snprintf(ret->peer_id, sizeof(ret->peer_id), "%s", query_text(q, 1));
	(void)snprintf(ret->kind, sizeof(ret->kind), "%s", query_text(q, 2));
}

int peer_process_seen(struct store *s, pid_t pid, uint64_t start_time, const char *boot_id, enum truth alive)
{
	if (alive != TRUTH_NO)
		return 0;
	struct ended e;
	for (int n = 0;; n++) {
		autoquery q = db_query(s,
				       "SELECT session_id, peer_id, kind FROM session WHERE pid = ?"
				       " AND start_time = ? AND boot_id = ? AND ended_at IS NULL LIMIT 1",
				       "iis", (int64_t)pid, (int64_t)start_time,
				       boot_id ? boot_id : store_boot_id(s));
		if (!query_next(&q))
			return n;
		take_ended(&q, &e);
		query_release(&q);
		session_end(s, &e, pid, CAUSE_PROCESS_GONE);
	}
}

int peer_process_gone(struct store *s, pid_t pid, uint64_t start_time, const char *boot_id)
{
	return peer_process_seen(s, pid, start_time, boot_id, TRUTH_NO);
}

/* A session that Coppice knows by its process and its key. */
static bool session_find(struct store *s, pid_t pid, uint64_t start_time, const char *key, struct ended *ret)
{
	autoquery q =
		db_query(s,
			 "SELECT session_id, peer_id, kind FROM session WHERE pid = ? AND start_time = ?"
			 " AND boot_id = ? AND key = ? AND ended_at IS NULL LIMIT 1",
			 "iiss", (int64_t)pid, (int64_t)start_time, store_boot_id(s), key);
	if (!query_next(&q))
		return false;
	take_ended(&q, ret);
	return true;
}

bool peer_session_gone(struct store *s, pid_t pid, uint64_t start_time, const char *key)
{
	struct ended e;
	if (!session_find(s, pid, start_time, key, &e))
		return false;
	session_end(s, &e, pid, CAUSE_SESSION_END);
	return true;
}

bool peer_of_session(struct store *s, pid_t pid, uint64_t start_time, const char *key, struct peer_ref *ret)
{
	struct ended e;
	return session_find(s, pid, start_time, key, &e) && peer_find(s, e.peer_id, ret);
}

int peer_reboot(struct store *s)
{
	int gone = 0;
	for (;;) {
		struct ended e;
		pid_t pid;
		autoquery q = db_query(s,
				       "SELECT session_id, peer_id, kind, pid FROM session"
				       " WHERE ended_at IS NULL AND boot_id <> ? LIMIT 1",
				       "s", store_boot_id(s));
		if (!query_next(&q))
			return gone;
		take_ended(&q, &e);
		pid = (pid_t)query_int(&q, 3);
		query_release(&q);
		session_end(s, &e, pid, CAUSE_REBOOT);
		struct peer_ref peer;
		gone += peer_find(s, e.peer_id, &peer) && !peer.live;
	}
}

int peer_set_turn_state(struct store *s, const char *peer_id, enum turn_state state, struct error *err)
{
	struct peer_ref peer;
	if (!peer_find(s, peer_id, &peer))
		return peer_not_found(peer_id, err);
	if (!peer.live)
		return error_set(err, ERR_CONFLICT, "%s has gone offline (%s)", peer.name,
				 peer_cause_name(peer.cause));
	autofree char *before =
		db_text(s, "SELECT turn_state FROM peer WHERE peer_id = ?", "s", peer.peer_id);
	const char *after = turn_state_name(state);
	(void)db_run(s,
		     "UPDATE peer SET turn_state = ?1, last_seen = ?2, hops = CASE WHEN ?1 IS 'idle' THEN 0 "
		     "ELSE hops"
		     " END WHERE peer_id = ?3",
		     "sis", after, store_now(s), peer_id);
	if (before == after || (before && after && strcmp(before, after) == 0))
		return 0;
	json_t *data = json_object();
	json_set_str(data, "from", before);
	json_set_str(data, "to", after);
	peer_event(s, "peer.turn", &peer, data);
	return 0;
}

int peer_describe(struct store *s, const char *peer_id, const char *text, struct error *err)
{
	int r = description_check(text, err);
	if (r)
		return r;
	if (db_run(s, "UPDATE peer SET description = ? WHERE peer_id = ?", "ss", text, peer_id) < 1)
		return peer_not_found(peer_id, err);
	return 0;
}

int peer_assign(struct store *s, const char *peer_id, const char *role, const char *circle, struct error *err)
{
	struct peer_ref peer;
	int r = find_mortal(s, peer_id, &peer, err);
	if (!r && role)
		r = role_check(role, err);
	if (!r && circle)
		r = circle_name_check(circle, err);
	if (r)
		return r;
	char name[PEER_NAME_SIZE];
	memcpy(name, peer.name, sizeof(name));
	if (circle && strcmp(circle, peer.circle) != 0)
		peer_name_allocate(s, circle, peer.name, peer_id, name);
	(void)db_run(s,
		     "UPDATE peer SET role = coalesce(?, role), circle = coalesce(?, circle), name = ?"
		     " WHERE peer_id = ?",
		     "ssss", role, circle, name, peer_id);
	if (!peer_find(s, peer_id, &peer))
		return peer_not_found(peer_id, err);
	json_t *data = json_object();
	json_set_str(data, "role", role_name(peer.role));
	peer_event(s, "peer.assigned", &peer, data);
	return 0;
}

int peer_set_quiet(struct store *s, const char *peer_id, bool quiet, struct error *err)
{
	struct peer_ref peer;
	int r = find_mortal(s, peer_id, &peer, err);
	if (r)
		return r;
	if (db_run(s, "UPDATE peer SET do_not_disturb = ?1 WHERE peer_id = ?2 AND do_not_disturb <> ?1", "is",
		   (int64_t)quiet, peer_id) > 0)
		peer_event(s, "peer.quiet", &peer, json_pack("{s:b}", "quiet", (int)quiet));
	return 0;
}

void peer_set_served(struct store *s, const char *peer_id)
{
	(void)db_run(s, "UPDATE peer SET served = 1 WHERE peer_id = ? AND served = 0", "s", peer_id);
}

void peer_set_turn_failed(struct store *s, const char *peer_id, const char *reason)
{
	(void)db_run(s, "UPDATE peer SET turn_failed = ?1 WHERE peer_id = ?2 AND turn_failed IS NOT ?1", "ss",
		     reason, peer_id);
}

bool peer_set_hooked(struct store *s, const char *peer_id)
{
	return db_run(s,
		      "UPDATE peer SET hooked = 1, transport = CASE WHEN EXISTS (SELECT 1 FROM transport AS t"
		      " WHERE t.peer_id = peer.peer_id) THEN transport ELSE 'hook' END"
		      " WHERE peer_id = ? AND hooked = 0",
		      "s", peer_id) > 0;
}

void peer_seen(struct store *s, const char *peer_id)
{
	(void)db_run(s, "UPDATE peer SET last_seen = ? WHERE peer_id = ?", "is", store_now(s), peer_id);
}

int peer_check_epoch(struct store *s, const char *peer_id, int64_t epoch, struct error *err)
{
	struct peer_ref peer;
	if (!peer_find(s, peer_id, &peer))
		return peer_not_found(peer_id, err);
	if (peer.epoch == epoch)
		return 0;
	return error_hint(err,
			  error_set(err, ERR_STALE_FENCE,
				    "%s has registered again since (epoch %lld, now %lld)", peer.name,
				    (long long)epoch, (long long)peer.epoch),
			  "register again and repeat the request");
}

int peer_takes_input(struct store *s, const struct peer_ref *peer, usec_t queue_age, struct error *err)
{
	if (!role_kind(peer->role)->takes_input)
		return error_hint(err,
				  error_set(err, ERR_REFUSED, "%s takes no messages: it only asks and waits",
					    peer->name),
				  "answer its asks with `coppice ack`");
	if (peer->live)
		return 0;
	const char *cause = peer_cause_name(peer->cause);
	if (peer_cause_final(peer->cause))
		return error_hint(err,
				  error_set(err, ERR_REFUSED, "%s is gone for good (%s)", peer->name, cause),
				  "`coppice ps` lists who is there");
	if (peer->offline_at + queue_age < store_now(s))
		return error_hint(err,
				  error_set(err, ERR_REFUSED,
					    "%s went offline (%s) longer ago than messages are kept",
					    peer->name, cause ? cause : "unknown"),
				  "`coppice ps` lists who is there");
	return 0;
}

void peer_surface(struct store *s, enum role role, struct peer_ref *ret)
{
	assert(role_kind(role)->surface);
	const char *name = role_name(role);
	autofree char *id =
		db_text(s, "SELECT peer_id FROM peer WHERE name = ? AND live = 1 AND role = ? LIMIT 1", "ss",
			name, name);
	if (id && peer_find(s, id, ret))
		return;
	*ret = (struct peer_ref){.role = role, .live = true, .online = true};
	store_new_id(s, "peer", ret->peer_id);
	(void)snprintf(ret->name, sizeof(ret->name), "%s", name);
	(void)snprintf(ret->circle, sizeof(ret->circle), "default");
	(void)db_run(s,
		     "INSERT INTO peer (peer_id, name, circle, role, backend, status, live, created_at,"
		     " last_seen) VALUES (?1,?2,'default',?2,'surface','online',1,?3,?3)",
		     "ssi", ret->peer_id, name, store_now(s));
}

/* Who is calling; see identity.h for the rules and what they cannot do.
 *
 * Only sessions of this boot count, and a pid counts only together with its start time, so that a reused pid
 * is nobody. Everything is decided from rows and from what was handed in: the simulator calls the same. */
#include "mesh/identity.h"

#include <stdio.h>
#include <string.h>

static const char *const kind_names[] = {
	[CALLER_UNKNOWN] = "unknown",
	[CALLER_PEER] = "peer",
	[CALLER_HUMAN] = "human",
	[CALLER_SERVICE] = "service",
};

const char *caller_kind_name(enum caller_kind kind)
{
	return kind_names[kind];
}

void identity_of_peer(const struct peer_ref *peer, struct caller *ret)
{
	*ret = (struct caller){.kind = CALLER_PEER, .role = peer->role, .epoch = peer->epoch};
	if (peer->role == ROLE_HUMAN)
		ret->kind = CALLER_HUMAN;
	else if (peer->role == ROLE_SERVICE)
		ret->kind = CALLER_SERVICE;
	memcpy(ret->peer_id, peer->peer_id, sizeof(ret->peer_id));
	memcpy(ret->name, peer->name, sizeof(ret->name));
	memcpy(ret->circle, peer->circle, sizeof(ret->circle));
}

static void identity_of_surface(struct store *s, enum role role, struct caller *ret)
{
	struct peer_ref peer;
	peer_surface(s, role, &peer);
	identity_of_peer(&peer, ret);
}

static void identity_unknown(struct caller *ret)
{
	*ret = (struct caller){.kind = CALLER_UNKNOWN, .role = ROLE_UNKNOWN};
	(void)snprintf(ret->name, sizeof(ret->name), "unknown");
	(void)snprintf(ret->circle, sizeof(ret->circle), "default");
}

bool identity_enclosing(struct store *s, const struct proc_chain *chain, size_t from, const char *session,
			char ret_peer_id[ID_SIZE])
{
	for (size_t i = from; i < chain->n; i++) {
		/* One process may be an agent and a terminal's: 'agent' sorts first. */
		autoquery q = db_query(s,
				       "SELECT peer_id FROM session WHERE pid = ? AND start_time = ?"
				       " AND boot_id = ? AND ended_at IS NULL AND (hosted = 0 OR key = ?)"
				       " ORDER BY kind LIMIT 1",
				       "iiss", (int64_t)chain->at[i].pid, (int64_t)chain->at[i].start_time,
				       store_boot_id(s), session);
		if (!query_next(&q))
			continue;
		(void)snprintf(ret_peer_id, ID_SIZE, "%s", query_text(&q, 0));
		return true;
	}
	return false;
}

/* Start time of the caller's session leader: the chain's word if it is there, else the daemon's; 0 if gone.
 */
static uint64_t leader_start(const struct proc_chain *chain, const struct identity_evidence *evidence)
{
	for (size_t i = 0; i < chain->n; i++)
		if (chain->at[i].pid == chain->at[0].sid)
			return chain->at[i].start_time;
	return evidence->leader_start;
}

/* A process that left its parent but not its session still belongs to the terminal. While a session has
 * members the kernel does not hand out its leader's pid again, so a leader that is gone is the one we knew.
 */
static bool session_peer(struct store *s, const struct proc_chain *chain,
			 const struct identity_evidence *evidence, char ret_peer_id[ID_SIZE])
{
	uint64_t start = leader_start(chain, evidence);
	autoquery q = db_query(s,
			       "SELECT peer_id FROM session WHERE pid = ?1 AND (?2 = 0 OR start_time = ?2)"
			       " AND boot_id = ?3 AND kind = 'terminal' AND ended_at IS NULL LIMIT 1",
			       "iis", (int64_t)chain->at[0].sid, (int64_t)start, store_boot_id(s));
	if (!query_next(&q))
		return false;
	(void)snprintf(ret_peer_id, ID_SIZE, "%s", query_text(&q, 0));
	return true;
}

/* A parent of 0 is outside of this pid namespace, where none of our agents is. */
static bool all_seen(const struct proc_chain *chain)
{
	return chain->complete || chain->at[chain->n - 1].ppid == 0;
}

static bool was_agent(struct store *s, const struct proc_chain *chain)
{
	for (size_t i = 0; i < chain->n; i++)
		if (db_int(s, 0,
			   "SELECT 1 FROM session WHERE pid = ? AND start_time = ? AND boot_id = ? LIMIT 1",
			   "iis", (int64_t)chain->at[i].pid, (int64_t)chain->at[i].start_time,
			   store_boot_id(s)))
			return true;
	return false;
}

static bool is_human(struct store *s, const struct proc_chain *chain,
		     const struct identity_evidence *evidence)
{
	return chain->at[0].tty != 0 && all_seen(chain) && evidence->marked != TRUTH_YES &&
	       evidence->confined == TRUTH_NO &&
	       !db_int(s, 0,
		       "SELECT 1 FROM session WHERE ended_at IS NULL AND kind = 'terminal' AND tty = ?"
		       " AND boot_id = ? LIMIT 1",
		       "is", (int64_t)chain->at[0].tty, store_boot_id(s)) &&
	       !was_agent(s, chain);
}

/* Whether somebody who still lives began this session and waits for it: an orphan has nobody. */
static bool has_living_leader(const struct proc_chain *chain)
{
	pid_t sid = chain->at[0].sid;
	if (sid == chain->at[0].pid)
		return chain->at[0].ppid == 0;
	if (sid == 1)
		return all_seen(chain);
	for (size_t i = 1; i < chain->n; i++)
		if (chain->at[i].pid == sid)
			return chain->at[i].state != 'Z' && chain->at[i].state != 'X';
	return false;
}

static bool is_service(struct store *s, const struct proc_chain *chain,
		       const struct identity_evidence *evidence)
{
	return chain->at[0].tty == 0 && all_seen(chain) && evidence->marked == TRUTH_NO &&
	       evidence->confined == TRUTH_NO && !evidence->terminal_server && has_living_leader(chain) &&
	       !was_agent(s, chain);
}

void identity_resolve(struct store *s, const struct proc_chain *chain,
		      const struct identity_evidence *evidence, struct caller *ret)
{
	char id[ID_SIZE];
	struct peer_ref peer;
	bool seen = chain && chain->n > 0;
	if (seen &&
	    (identity_enclosing(s, chain, 0, evidence->session, id) ||
	     session_peer(s, chain, evidence, id)) &&
	    peer_find(s, id, &peer))
		identity_of_peer(&peer, ret);
	else if ((evidence->token && evidence->confined == TRUTH_NO) ||
		 (seen && is_human(s, chain, evidence)))
		identity_of_surface(s, ROLE_HUMAN, ret);
	else if (seen && is_service(s, chain, evidence))
		identity_of_surface(s, ROLE_SERVICE, ret);
	else
		identity_unknown(ret);
}

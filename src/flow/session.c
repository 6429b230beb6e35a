/* Agents' sessions; see session.h. */
#include "flow/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "flow/brief.h"
#include "flow/confine.h"
#include "flow/effects.h"
#include "flow/spawn.h"
#include "flow/spawn_agent.h"
#include "flow/wake.h"
#include "mesh/deliver.h"
#include "repo/registry.h"
#include "store/event.h"

enum { PULL_MAX = 10, TEXT_MAX = 256 << 10 };

static const char turn_over[] = "the turn ended, and it was not seen to be read";

/* --- where a session works --- */

void session_place(struct store *s, const char *path, char **ret_repo, char **ret_branch)
{
	*ret_repo = *ret_branch = NULL;
	if (!path)
		return;
	autoquery q = db_query(s, "SELECT repo_id, branch FROM worktree WHERE path = ? AND state = 'live'",
			       "s", path);
	if (!query_next(&q))
		return;
	*ret_repo = query_dup(&q, 0);
	*ret_branch = query_dup(&q, 1);
}

void session_take_note(struct store *s, const json_t *there)
{
	const char *branch = json_str(there, "branch");
	char repo_id[ID_SIZE], id[ID_SIZE];
	autoworktree w = {0};
	if (!json_bool(there, "linked", false) || !branch)
		return;
	repo_register(s, there, repo_id);
	if (!worktree_of_branch(s, repo_id, branch, &w))
		worktree_adopt(s, repo_id, there, id);
}

/* --- hooks --- */

static void add_messages(struct strbuf *out, const json_t *messages)
{
	size_t i;
	const json_t *m;
	json_array_foreach(messages, i, m) strbuf_addstr(out, json_str(m, "text"));
}

/* Bytes that the runtime shows its model of what a hook says; of more it shows the begin. */
static size_t room_of(struct core *core, const struct peer_ref *peer)
{
	autofree char *name =
		db_text(core->store, "SELECT backend FROM peer WHERE peer_id = ?", "s", peer->peer_id);
	const struct agent_backend *backend = name ? agent_backend_find(name) : NULL;
	return backend && backend->context_max ? backend->context_max : TEXT_MAX;
}

/* What hooks have to carry, as there is no native way: as much as has room, and one message at least. The
 * rest comes at the next boundary. */
static void add_pulled(struct core *core, const struct peer_ref *peer, enum deliver_moment moment,
		       struct strbuf *out)
{
	size_t room = room_of(core, peer), longest = 0;
	for (int n = 0; n < PULL_MAX && (n == 0 || out->len + longest < room); n++) {
		size_t before = out->len;
		json_auto_t *messages = deliver_pull(core->store, peer->peer_id, 1, moment);
		if (json_array_size(messages) == 0)
			return;
		add_messages(out, messages);
		longest = out->len - before > longest ? out->len - before : longest;
	}
}

/* The process goes on with another session: the same peer (I3). */
static bool begins_anew(const char *source)
{
	return source && (strcmp(source, "clear") == 0 || strcmp(source, "resume") == 0);
}

static void on_start(struct core *core, const struct peer_ref *peer, const struct session_event *e,
		     struct strbuf *context, struct strbuf *carry_on)
{
	(void)carry_on;
	if (begins_anew(e->source))
		deliver_begun_anew(core->store, peer->peer_id);
	brief(core->store, peer->peer_id, context);
	wake_if_it_waits(core, peer->peer_id);
}

static void on_prompt(struct core *core, const struct peer_ref *peer, const struct session_event *e,
		      struct strbuf *context, struct strbuf *carry_on)
{
	(void)carry_on;
	/* Those that were read before: what comes with this very prompt need not be recalled. */
	if (!context->len) /* the brief names them */
		brief_open_asks(core->store, peer->peer_id, 0, context);
	peer_set_turn_failed(core->store, peer->peer_id, NULL);
	deliver_shown(core->store, peer->peer_id, e->shown, "hook");
	add_pulled(core, peer, DELIVER_IN_TURN, context);
}

static void on_tool_end(struct core *core, const struct peer_ref *peer, const struct session_event *e,
			struct strbuf *context, struct strbuf *carry_on)
{
	(void)carry_on;
	spawn_agent_works(core, peer->peer_id);
	autofree char *denied = e->denied ? confine_denied(core->store, peer->peer_id, e->denied) : NULL;
	if (denied)
		strbuf_addf(context, "[coppice] %s. That is your user's to decide.\n", denied);
	add_pulled(core, peer, DELIVER_IN_TURN, context);
}

/* A turn is over: what is to be made of what was handed over into it, and was not seen to be read. */
static void settle_turn(struct core *core, const struct peer_ref *peer, const char *reason)
{
	deliver_settle(core->store, peer->peer_id, reason);
	deliver_doubt(core->store, peer->peer_id);
}

/* The turn's end. What waits is read in the same turn; else each open ask, and a job that nobody has ended,
 * is recalled, once in a turn so that it ends (A3, J4). */
static void on_turn_end(struct core *core, const struct peer_ref *peer, const struct session_event *e,
			struct strbuf *context, struct strbuf *carry_on)
{
	(void)context;
	settle_turn(core, peer, turn_over);
	add_pulled(core, peer, DELIVER_TURN_ENDS, carry_on);
	if (carry_on->len || e->continued)
		return;
	brief_open_asks(core->store, peer->peer_id, BRIEF_ONCE, carry_on);
	brief_open_job(core->store, peer->peer_id, carry_on);
}

/* Nothing is said to a model that just could not be asked. */
static void on_turn_failed(struct core *core, const struct peer_ref *peer, const struct session_event *e,
			   struct strbuf *context, struct strbuf *carry_on)
{
	(void)context;
	(void)carry_on;
	json_t *data = json_object();
	json_set_str(data, "reason", e->source);
	event_emit(core->store, "peer.turn_failed", peer->peer_id, NULL, data);
	peer_set_turn_failed(core->store, peer->peer_id, e->source ? e->source : "unknown");
	settle_turn(core, peer, "the turn failed, and it was not seen to be read");
}

static void on_session_end(struct core *core, const struct peer_ref *peer, const struct session_event *e,
			   struct strbuf *context, struct strbuf *carry_on)
{
	(void)context;
	(void)carry_on;
	if (begins_anew(e->source))
		return;
	(void)peer_offline(core->store, peer->peer_id, CAUSE_SESSION_END, NULL); /* or it is already */
}

static const struct {
	void (*run)(struct core *core, const struct peer_ref *peer, const struct session_event *e,
		    struct strbuf *context, struct strbuf *carry_on);
	enum turn_state turn; /* TURN_NONE: as it is */
} handlers[AGENT_EVENT_MAX_] = {
	[AGENT_SESSION_START] = {on_start, TURN_NONE},	   [AGENT_PROMPT] = {on_prompt, TURN_WORKING},
	[AGENT_TOOL_END] = {on_tool_end, TURN_WORKING},	   [AGENT_TURN_END] = {on_turn_end, TURN_IDLE},
	[AGENT_AWAITS] = {NULL, TURN_AWAITING_INPUT},	   [AGENT_COMPACTS] = {NULL, TURN_WORKING},
	[AGENT_SESSION_END] = {on_session_end, TURN_NONE}, [AGENT_TURN_FAILED] = {on_turn_failed, TURN_IDLE},
};

void session_event(struct core *core, const struct peer_ref *peer, const struct session_event *event,
		   json_t **ret)
{
	autostrbuf context = STRBUF_INIT(TEXT_MAX), carry_on = STRBUF_INIT(TEXT_MAX);
	bool first = event->event != AGENT_SESSION_END && peer_set_hooked(core->store, peer->peer_id);
	if (first && event->event == AGENT_PROMPT) /* its start came when no daemon ran */
		brief(core->store, peer->peer_id, &context);
	deliver_confirm_pulled(core->store, peer->peer_id);
	/* Tools may end side by side, and so may their hooks run. */
	if (event->event != AGENT_TOOL_END)
		deliver_unheard(core->store, peer->peer_id);
	if (handlers[event->event].run)
		handlers[event->event].run(core, peer, event, &context, &carry_on);
	enum turn_state turn = carry_on.len ? TURN_WORKING : handlers[event->event].turn;
	if (turn)
		(void)!peer_set_turn_state(core->store, peer->peer_id, turn,
					   NULL); /* it may have gone meanwhile */
	*ret = json_object();
	json_set_str(*ret, "context", context.len ? strbuf_str(&context) : NULL);
	json_set_str(*ret, "carry_on", carry_on.len ? strbuf_str(&carry_on) : NULL);
}

/* --- sessions that others tell of --- */

static enum turn_state turn_of(enum agent_turn turn)
{
	static const enum turn_state turns[] = {[AGENT_TURN_IDLE] = TURN_IDLE,
						[AGENT_TURN_WORKING] = TURN_WORKING,
						[AGENT_TURN_AWAITS] = TURN_AWAITING_INPUT};
	return turns[turn];
}

static bool in_turn(struct store *s, const char *peer_id)
{
	return db_int(s, 0,
		      "SELECT 1 FROM peer WHERE peer_id = ? AND turn_state IN ('working','awaiting_input')",
		      "s", peer_id) != 0;
}

/* By a runtime's own word, which tells also of a turn that no hook ended. */
static void note_turn(struct core *core, const struct peer_ref *peer, enum agent_turn turn)
{
	struct store *s = core->store;
	if (turn == AGENT_TURN_IDLE) {
		deliver_confirm_pulled(s, peer->peer_id);
		if (in_turn(s, peer->peer_id))
			deliver_idle(s, peer->peer_id, turn_over);
		deliver_doubt(s, peer->peer_id);
	}
	(void)!peer_set_turn_state(s, peer->peer_id, turn_of(turn), NULL); /* or it has gone */
}

static bool is_peer_already(struct core *core, const struct peer_process *process, bool hosted,
			    struct peer_ref *ret)
{
	struct store *s = core->store;
	if (hosted)
		return peer_of_session(s, process->pid, process->start_time, process->key, ret);
	autofree char *id =
		db_text(s,
			"SELECT peer_id FROM session WHERE pid = ? AND start_time = ? AND boot_id = ?"
			" AND kind = 'agent' AND ended_at IS NULL LIMIT 1",
			"iis", (int64_t)process->pid, (int64_t)process->start_time, store_boot_id(s));
	return id && peer_find(s, id, ret);
}

void session_found(struct core *core, const struct session_found *found)
{
	struct peer_ref peer;
	struct peer_process process = {
		.pid = (pid_t)found->pid, .start_time = (uint64_t)found->start_time, .key = found->key};
	if (!found->key || !found->path || peer_check_retired(core->store, &process, NULL))
		return;
	if (is_peer_already(core, &process, found->hosted, &peer)) {
		/* What no hook tells: that a turn was broken off, that a dialog is open. */
		note_turn(core, &peer, found->turn);
		if (!found->hosted)
			return;
	}
	if (!found->inside && found->mark && spawn_unproven(core->store, found->mark))
		return;
	json_t *args = json_pack("{s:s, s:s, s:s, s:I, s:I, s:i}", "backend", found->backend, "key",
				 found->key, "dir", found->path, "pid", (json_int_t)found->pid, "start_time",
				 (json_int_t)found->start_time, "turn", (int)found->turn);
	json_set_str(args, "inside", found->inside);
	json_set_str(args, "circle", found->circle);
	json_set_str(args, "role", found->role);
	json_object_set_new(args, "hosted", json_boolean(found->hosted));
	(void)flow_effect_add(core, EFFECT_SESSION_LOCATE, found->key, found->key, args);
}

bool session_is_one_of_many(struct store *s, const char *inside, const char *backend)
{
	return !inside ||
	       !db_int(s, 0, "SELECT 1 FROM peer WHERE peer_id = ? AND backend = ?", "ss", inside, backend);
}

/* Whether the session has ended since git was asked, at `asked`. */
static bool ended_since(struct store *s, const struct peer_process *process, usec_t asked)
{
	return db_int(s, 0,
		      "SELECT 1 FROM session WHERE pid = ? AND start_time = ? AND boot_id = ? AND key = ?"
		      " AND ended_at >= ? LIMIT 1",
		      "iissi", (int64_t)process->pid, (int64_t)process->start_time, store_boot_id(s),
		      process->key, asked) != 0;
}

static void register_found(struct core *core, const json_t *args, usec_t asked)
{
	struct store *s = core->store;
	const char *path = json_str(args, "dir"), *inside = json_str(args, "inside");
	const char *backend = json_str(args, "backend");
	bool hosted = json_bool(args, "hosted", false);
	autofree char *repo = NULL;
	autofree char *branch = NULL;
	struct peer_ref peer;
	autoerror err = {0};
	session_place(s, path, &repo, &branch);
	struct peer_spec spec = {.backend = backend,
				 .path = path,
				 .branch = branch,
				 .repo_id = repo,
				 .circle = inside ? NULL : json_str(args, "circle"),
				 .role = inside ? NULL : json_str(args, "role"),
				 .trusted = !inside};
	struct peer_process process = {.kind = SESSION_AGENT,
				       .pid = (pid_t)json_int(args, "pid", 0),
				       .start_time = (uint64_t)json_int(args, "start_time", 0),
				       .key = json_str(args, "key"),
				       .hosted = hosted && session_is_one_of_many(s, inside, backend),
				       .inside = inside};
	if (ended_since(s, &process, asked))
		return;
	bool told = is_peer_already(core, &process, hosted, &peer); /* and its turn, later than this one */
	if (peer_register(s, &process, &spec, &peer, &err))
		return; /* a session that cannot be a peer stays out of the mesh */
	if (repo && branch)
		branch_own(s, repo, branch, peer.peer_id);
	const struct agent_backend *table = agent_backend_find(backend);
	/* The link that told of it may be lost by now, or may have been another daemon's. */
	bool linked = !core->linked || core->linked(core, process.pid, (int64_t)process.start_time);
	if (hosted && linked && table && table->link)
		transport_attach(s, peer.peer_id, transport_find(table->link->transport));
	if (!told)
		note_turn(core, &peer, (enum agent_turn)json_int(args, "turn", AGENT_TURN_IDLE));
}

void session_located(struct core *core, const char *subject, bool ok, const json_t *result)
{
	autoquery q = db_query(
		core->store,
		"SELECT args, created_at FROM outbox WHERE kind = ? AND subject = ? ORDER BY id DESC LIMIT 1",
		"ss", flow_effects[EFFECT_SESSION_LOCATE].kind.name, subject);
	json_auto_t *args = query_next(&q) ? query_json(&q, 0) : NULL;
	usec_t asked = args ? query_int(&q, 1) : 0;
	query_release(&q);
	if (!args)
		return;
	if (ok && json_str(result, "path")) {
		session_take_note(core->store, result);
		json_set_str(args, "dir", json_str(result, "path"));
	}
	register_found(core, args, asked);
}

void session_turn(struct core *core, int64_t pid, int64_t start_time, const char *key, enum agent_turn turn)
{
	struct peer_ref peer;
	if (!peer_of_session(core->store, (pid_t)pid, (uint64_t)start_time, key, &peer))
		return;
	note_turn(core, &peer, turn);
}

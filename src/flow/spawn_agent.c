/* Starting agents; see spawn_agent.h. */
#include "flow/spawn_agent.h"

#include <string.h>

#include "agent/agent.h"
#include "agent/setup_backend.h"
#include "base/alloc.h"
#include "flow/confine.h"
#include "flow/effects.h"
#include "mesh/message.h"
#include "mesh/render.h"
#include "store/timer.h"
#include "work/job.h"

static const char late_timer[] = "spawn.late", look_timer[] = "spawn.look";

#define LOOK_AGAIN (USEC_PER_SEC / 2)
/* A first turn that lasts longer got an answer: one for which a login is missing has failed by then. */
#define FIRST_ANSWER (5 * USEC_PER_SEC)

static int store_prompt(struct core *core, const struct spawn_order *order, const char *spawn_id,
			struct strbuf *text, struct error *err)
{
	struct store *s = core->store;
	char id[ID_SIZE];
	struct message_new m = {.kind = MESSAGE_PROMPT,
				.from = order->from,
				.to = order->peer_id,
				.text = order->prompt,
				.about = order->job_id};
	int code = message_text_check(order->prompt, strlen(order->prompt), err);
	if (!code)
		code = message_store(s, &core->limits, &m, id, err);
	if (code)
		return code;
	json_auto_t *message = message_to_json(s, id);
	if (!message)
		return error_set(err, ERR_NOT_STORED, "the first prompt could not be read back");
	message_render(message, text);
	(void)db_run(s, "UPDATE spawn SET message_id = ? WHERE spawn_id = ?", "ss", id, spawn_id);
	return message_offer(s, id, "launch", NULL, err);
}

/* Git's folders of the worktree at `path`, by the books; NULL where it is none of ours. Caller frees both. */
static void git_folders(struct store *s, const char *path, char **ret_git_dir, char **ret_common_dir)
{
	autoquery q = db_query(s,
			       "SELECT git_dir, common_dir FROM worktree JOIN repo ON repo.repo_id ="
			       " worktree.repo_id WHERE path = ? AND state = 'live'",
			       "s", path);
	bool known = query_next(&q) && !query_null(&q, 0);
	*ret_git_dir = known ? query_dup(&q, 0) : NULL;
	*ret_common_dir = known ? query_dup(&q, 1) : NULL;
}

int spawn_agent_command(struct core *core, const struct spawn_order *order, const char *spawn_id,
			json_t *confine, json_t **ret, struct error *err)
{
	const struct agent_backend *backend = agent_backend_find(order->backend);
	if (!backend->start) {
		*ret = json_pack("{s:O}", "argv", order->argv);
		return 0;
	}
	autostrbuf prompt = STRBUF_INIT(RENDER_MAX);
	int code = order->prompt ? store_prompt(core, order, spawn_id, &prompt, err) : 0;
	if (code)
		return code;
	autofree char *git_dir = NULL;
	autofree char *common_dir = NULL;
	git_folders(core->store, order->path, &git_dir, &common_dir);
	struct agent_start start = {
		.program = core->program,
		.home = core->home,
		.spawn_id = spawn_id,
		.path = order->path,
		.command = config_backend_command(core->config, backend->name),
		.profile =
			order->profile ? config_profile(core->config, backend->name, order->profile) : NULL,
		.prompt = order->prompt ? strbuf_str(&prompt) : NULL,
		.git_dir = git_dir,
		.common_dir = common_dir,
		.confined = confine != NULL,
		.tmp = confine ? json_str(confine, "tmp") : NULL};
	start.settled = setup_settled(backend->name, core->program, json_object_get(start.profile, "env"));
	_cleanup_(agent_command_release) struct agent_command command = {0};
	code = backend->start(&start, &command, err);
	if (!code)
		*ret = json_pack("{s:O, s:O?, s:O?, s:O?, s:O?}", "argv", command.argv, "env", command.env,
				 "files", command.files, "folders", command.folders, "server",
				 command.server);
	if (!code && confine)
		confine_add(confine, command.places);
	return code;
}

bool spawn_registers(struct store *s, const char *peer_id)
{
	autofree char *name = db_text(s, "SELECT backend FROM peer WHERE peer_id = ?", "s", peer_id);
	const struct agent_backend *backend = name ? agent_backend_find(name) : NULL;
	return backend && backend->start;
}

void spawn_agent_expect(struct core *core, const char *spawn_id)
{
	timer_set(core->store, late_timer, spawn_id,
		  store_now(core->store) + config_duration(core->config, "delivery.first_prompt"));
}

/* The peer of a start that is open; "" when it is settled or unknown. */
static void peer_of_open(struct store *s, const char *spawn_id, char ret[ID_SIZE])
{
	autofree char *id =
		db_text(s, "SELECT peer_id FROM spawn WHERE spawn_id = ? AND confirmed = 0", "s", spawn_id);
	(void)snprintf(ret, ID_SIZE, "%s", id ? id : "");
}

void spawn_agent_failed(struct core *core, const char *spawn_id, enum error_code code, const char *why)
{
	struct store *s = core->store;
	char peer_id[ID_SIZE];
	struct peer_ref peer;
	autoerror err = {0};
	timer_clear(s, late_timer, spawn_id);
	timer_clear(s, look_timer, spawn_id);
	peer_of_open(s, spawn_id, peer_id);
	if (!peer_id[0] || !peer_find(s, peer_id, &peer))
		return;
	(void)error_set(&err, code, "%s %s", peer.name, why);
	if (code != ERR_EXITED)
		(void)error_hint(&err, code, "look at it and help: coppice attach %s:%s", peer.circle,
				 peer.name);
	json_auto_t *failure = error_to_json(&err);
	(void)db_run(s, "UPDATE spawn SET failure = ? WHERE spawn_id = ?", "js", failure, spawn_id);
	autofree char *plan = db_text(s, "SELECT plan_id FROM peer WHERE peer_id = ?", "s", peer_id);
	event_emit(s, "spawn.stuck", spawn_id, plan, json_incref(failure));
	store_wake(s, peer_id);
}

/* The terminal of a start that is not settled is looked at. */
static void order_look(struct core *core, const char *spawn_id)
{
	autoquery q = db_query(
		core->store,
		"SELECT spawn.result, peer.backend, peer.peer_id FROM spawn JOIN peer ON peer.peer_id ="
		" spawn.peer_id WHERE spawn.spawn_id = ? AND spawn.state = 'running' AND confirmed = 0",
		"s", spawn_id);
	if (!query_next(&q))
		return;
	json_t *args = query_json(&q, 0);
	json_set_str(args, "backend", query_text(&q, 1));
	(void)flow_effect_add(core, EFFECT_LOOK, spawn_id, query_text(&q, 2), args);
}

void spawn_on_late(struct core *core, const struct event *e)
{
	order_look(core, e->subject);
}

void spawn_on_look(struct core *core, const struct event *e)
{
	order_look(core, e->subject);
}

static void confirm(struct core *core, const char *spawn_id, const char *peer_id)
{
	struct store *s = core->store;
	timer_clear(s, late_timer, spawn_id);
	timer_clear(s, look_timer, spawn_id);
	(void)db_run(s, "UPDATE spawn SET confirmed = 1, failure = NULL WHERE spawn_id = ?", "s", spawn_id);
	event_emit(s, "spawn.confirmed", spawn_id, NULL, json_pack("{s:s}", "peer", peer_id));
	store_wake(s, peer_id);
}

/* What stands in the way, by its screen; false when nothing of the kind is seen. */
static bool stands_in_the_way(const char *screen, enum error_code *ret_code, const char **ret_why)
{
	static const struct {
		const char *screen;
		enum error_code code;
		const char *why;
	} kinds[] = {
		{"login", ERR_LOGIN, "wants a login"},
		{"trust_dialog", ERR_TRUST_DIALOG, "asks whether this folder is trusted"},
		{"permission_dialog", ERR_PERMISSION_DIALOG, "asks for a permission"},
	};
	for (size_t i = 0; screen && i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].screen, screen) == 0) {
			*ret_code = kinds[i].code;
			*ret_why = kinds[i].why;
			return true;
		}
	return false;
}

/* Where its first prompt is, by the hooks. */
enum first_turn {
	FIRST_TURN_TO_COME,
	FIRST_TURN_OPEN,
	FIRST_TURN_ANSWERED, /* open for so long that it must be */
	FIRST_TURN_OVER,     /* or it was given none */
};

static enum first_turn first_turn(struct store *s, const char *spawn_id)
{
	autoquery q =
		db_query(s,
			 "SELECT turn_state = 'working', (SELECT max(at) FROM delivery d WHERE d.message_id ="
			 " message.id AND d.step = 'consumed') FROM spawn JOIN peer ON peer.peer_id ="
			 " spawn.peer_id JOIN message ON message.id = spawn.message_id"
			 " WHERE spawn.spawn_id = ? AND dead_at IS NULL",
			 "s", spawn_id);
	if (!query_next(&q))
		return FIRST_TURN_OVER;
	if (query_null(&q, 1))
		return FIRST_TURN_TO_COME;
	if (!query_int(&q, 0))
		return FIRST_TURN_OVER;
	return store_now(s) - query_int(&q, 1) >= FIRST_ANSWER ? FIRST_TURN_ANSWERED : FIRST_TURN_OPEN;
}

/* Whether the screen tells that the agent works, or that it has worked and waits for input. Before the first
 * turn, and in it until it is drawn, it waits for input too; and without a login it looks busy, for a moment. */
static bool is_at_work(const char *screen, enum first_turn turn)
{
	return (strcmp(screen, "busy") == 0 && turn >= FIRST_TURN_ANSWERED) ||
	       (strcmp(screen, "prompt") == 0 && turn == FIRST_TURN_OVER);
}

/* The screen of a start that is not settled. An agent that has registered is confirmed once its screen shows
 * that it works or waits for input: one without a login registers too. Until it has drawn that, it is looked
 * at again, within its time; what cannot be understood by then does not stand in its way. */
void spawn_looked(struct core *core, const char *subject, bool ok, const json_t *result)
{
	struct store *s = core->store;
	struct peer_ref peer;
	enum error_code code = ERR_NOT_REGISTERED;
	const char *why = "has not registered in time", *screen = ok ? json_str(result, "screen") : NULL;
	autoquery q =
		db_query(s, "SELECT peer_id, confirmed FROM spawn WHERE spawn_id = ? AND state = 'running'",
			 "s", subject);
	if (!query_next(&q) || query_int(&q, 1) || !peer_find(s, query_text(&q, 0), &peer))
		return;
	bool late = !db_int(s, 0, "SELECT 1 FROM timer WHERE kind = ? AND subject = ?", "ss", late_timer,
			    subject);
	bool hindered = stands_in_the_way(screen, &code, &why);
	enum first_turn turn = first_turn(s, subject);
	bool ready = peer.online && !hindered, read = turn != FIRST_TURN_TO_COME;
	if (ready && !read)
		why = "has not read its first prompt in time";
	if (ready && (!screen || is_at_work(screen, turn) || (late && read)))
		confirm(core, subject, peer.peer_id);
	else if (late || (hindered && peer.online))
		spawn_agent_failed(core, subject, code, why);
	else if (peer.online)
		timer_set(s, look_timer, subject, store_now(s) + LOOK_AGAIN);
}

/* A spawned agent has registered: its job runs, and its screen says whether it can. */
void spawn_on_online(struct core *core, const struct event *e)
{
	struct store *s = core->store;
	autoquery q = db_query(
		s,
		"SELECT spawn_id, coalesce(job_id, ''), fence FROM spawn WHERE peer_id = ? AND state ="
		" 'running' ORDER BY created_at DESC LIMIT 1",
		"s", e->subject);
	if (!query_next(&q) || !spawn_registers(s, e->subject))
		return;
	struct job_change running = {.state = JOB_RUNNING};
	if (query_text(&q, 1)[0])
		(void)job_update(s, query_text(&q, 1), query_int(&q, 2), &running,
				 NULL); /* or it spoke first */
	order_look(core, query_text(&q, 0));
}

/* A peer's start that runs and is not confirmed, NULL if there is none; caller frees. */
static char *open_start(struct store *s, const char *peer_id)
{
	return db_text(s,
		       "SELECT spawn_id FROM spawn WHERE peer_id = ? AND state = 'running' AND confirmed = 0",
		       "s", peer_id);
}

void spawn_agent_works(struct core *core, const char *peer_id)
{
	autofree char *spawn = open_start(core->store, peer_id);
	if (spawn && spawn_registers(core->store, peer_id))
		confirm(core, spawn, peer_id);
}

void spawn_on_turn_failed(struct core *core, const struct event *e)
{
	autofree char *spawn = open_start(core->store, e->subject);
	const char *reason = json_str(e->data, "reason");
	if (spawn && reason && strcmp(reason, AGENT_NO_LOGIN) == 0)
		spawn_agent_failed(core, spawn, ERR_LOGIN, "wants a login");
}

void spawn_on_read(struct core *core, const struct event *e)
{
	const char *kind = json_str(e->data, "kind");
	if (!kind || strcmp(kind, "prompt") != 0)
		return;
	autofree char *spawn = db_text(core->store,
				       "SELECT spawn_id FROM spawn WHERE peer_id = ? AND message_id = ?"
				       " AND failure IS NOT NULL",
				       "ss", json_str(e->data, "to"), e->subject);
	if (spawn)
		order_look(core, spawn);
}

enum spawn_outcome spawn_outcome(struct store *s, const char *peer_id, struct error *err)
{
	struct peer_ref peer;
	if (!peer_find(s, peer_id, &peer))
		return SPAWN_OPEN;
	autofree char *failure = NULL;
	autoquery q = db_query(
		s, "SELECT failure, confirmed FROM spawn WHERE peer_id = ? ORDER BY created_at DESC LIMIT 1",
		"s", peer_id);
	if (query_next(&q)) {
		if (query_int(&q, 1) && peer.online)
			return SPAWN_CONFIRMED;
		failure = query_null(&q, 0) ? NULL : query_dup(&q, 0);
	}
	json_auto_t *json = failure ? json_loads(failure, 0, NULL) : NULL;
	if (json)
		(void)error_from_json(json, err);
	else if (!peer.live)
		(void)error_set(err, ERR_EXITED, "%s has ended already (%s)", peer.name,
				peer.cause ? peer_cause_name(peer.cause) : "unknown");
	return json || !peer.live ? SPAWN_FAILED : SPAWN_OPEN;
}

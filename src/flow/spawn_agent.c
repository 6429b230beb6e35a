/* Starting agents; see spawn_agent.h. */
#include "flow/spawn_agent.h"

#include <string.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "flow/effects.h"
#include "mesh/message.h"
#include "mesh/render.h"
#include "store/timer.h"
#include "work/job.h"

static const char late_timer[] = "spawn.late";

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
			json_t **ret, struct error *err)
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
		.common_dir = common_dir};
	_cleanup_(agent_command_release) struct agent_command command = {0};
	code = backend->start(&start, &command, err);
	if (!code)
		*ret = json_pack("{s:O, s:O?, s:O?, s:O?}", "argv", command.argv, "env", command.env, "files",
				 command.files, "server", command.server);
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
		db_text(s,
			"SELECT spawn.peer_id FROM spawn JOIN peer ON peer.peer_id = spawn.peer_id"
			" WHERE spawn.spawn_id = ? AND peer.status <> 'online'",
			"s", spawn_id);
	(void)snprintf(ret, ID_SIZE, "%s", id ? id : "");
}

void spawn_agent_failed(struct core *core, const char *spawn_id, enum error_code code, const char *why)
{
	struct store *s = core->store;
	char peer_id[ID_SIZE];
	struct peer_ref peer;
	autoerror err = {0};
	timer_clear(s, late_timer, spawn_id);
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

void spawn_on_late(struct core *core, const struct event *e)
{
	char peer_id[ID_SIZE];
	peer_of_open(core->store, e->subject, peer_id);
	autofree char *pane =
		db_text(core->store, "SELECT result FROM spawn WHERE spawn_id = ? AND state = 'running'", "s",
			e->subject);
	json_auto_t *args = pane ? json_loads(pane, 0, NULL) : NULL;
	if (!peer_id[0] || !args)
		return;
	autofree char *backend =
		db_text(core->store, "SELECT backend FROM peer WHERE peer_id = ?", "s", peer_id);
	json_set_str(args, "backend", backend);
	(void)flow_effect_add(core, EFFECT_LOOK, e->subject, peer_id, json_incref(args));
}

/* What the screen says, as {"screen":NAME}; a screen that could not be looked at says nothing. */
void spawn_looked(struct core *core, const char *subject, bool ok, const json_t *result)
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
	const char *screen = ok ? json_str(result, "screen") : NULL;
	for (size_t i = 0; screen && i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].screen, screen) == 0) {
			spawn_agent_failed(core, subject, kinds[i].code, kinds[i].why);
			return;
		}
	spawn_agent_failed(core, subject, ERR_NOT_REGISTERED, "has not registered in time");
}

/* A spawned agent has registered: its start is confirmed, and its job runs. */
void spawn_on_online(struct core *core, const struct event *e)
{
	struct store *s = core->store;
	autoquery q = db_query(
		s,
		"SELECT spawn_id, coalesce(job_id, ''), fence FROM spawn WHERE peer_id = ? AND state ="
		" 'running' ORDER BY created_at DESC LIMIT 1",
		"s", e->subject);
	if (!query_next(&q))
		return;
	timer_clear(s, late_timer, query_text(&q, 0));
	(void)db_run(s, "UPDATE spawn SET failure = NULL WHERE spawn_id = ?", "s", query_text(&q, 0));
	struct job_change running = {.state = JOB_RUNNING};
	if (query_text(&q, 1)[0])
		(void)job_update(s, query_text(&q, 1), query_int(&q, 2), &running,
				 NULL); /* or it spoke first */
}

enum spawn_outcome spawn_outcome(struct store *s, const char *peer_id, struct error *err)
{
	struct peer_ref peer;
	if (!peer_find(s, peer_id, &peer))
		return SPAWN_OPEN;
	if (peer.online)
		return SPAWN_CONFIRMED;
	autofree char *failure =
		db_text(s, "SELECT failure FROM spawn WHERE peer_id = ? ORDER BY created_at DESC LIMIT 1",
			"s", peer_id);
	json_auto_t *json = failure ? json_loads(failure, 0, NULL) : NULL;
	if (json)
		(void)error_from_json(json, err);
	else if (!peer.live)
		(void)error_set(err, ERR_EXITED, "%s has ended already (%s)", peer.name,
				peer.cause ? peer_cause_name(peer.cause) : "unknown");
	return json || !peer.live ? SPAWN_FAILED : SPAWN_OPEN;
}

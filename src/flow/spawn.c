/* From the order of a process to its end; see spawn.h. */
#include "flow/spawn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "flow/confine.h"
#include "flow/effects.h"
#include "flow/spawn_agent.h"
#include "mesh/peer.h"
#include "repo/guard_hooks.h"
#include "store/event.h"
#include "work/job.h"

enum { REASON_MAX = 1024 };

/* PATH with this program's folder first, so that `coppice` inside the terminal is this one. */
static char *path_variable(const struct core *core)
{
	const char *path = getenv("PATH");
	const char *slash = strrchr(core->program, '/');
	return xasprintf("%.*s:%s", slash ? (int)(slash - core->program) : 0, core->program,
			 path ? path : "/usr/local/bin:/usr/bin:/bin");
}

/* The environment that tells a spawned process who it is; what is null is unset (S4). */
static json_t *spawn_env(struct core *core, const struct spawn_order *order, const struct peer_ref *peer)
{
	json_t *env = json_object();
	autofree char *path = path_variable(core);
	json_set_str(env, "PATH", path);
	json_set_str(env, "COPPICE_HOME", core->home);
	json_set_str(env, "COPPICE_PEER", peer->peer_id);
	json_set_str(env, "COPPICE_NAME", peer->name);
	json_set_str(env, "COPPICE_CIRCLE", peer->circle);
	json_set_str(env, "COPPICE_TOKEN_FILE", NULL);
	json_set_str(env, "COPPICE_GUARD", NULL); /* another session's */
	json_set_str(env, "COPPICE", NULL);
	json_set_str(env, "COPPICE_JOB", order->job_id);
	autofree char *fence = order->job_id ? xasprintf("%lld", (long long)order->fence) : NULL;
	json_set_str(env, "COPPICE_FENCE", fence);
	if (order->env)
		json_object_update_new(env, json_deep_copy(order->env));
	return env;
}

/* Records what the peer may write, and has it hold for the start; NULL: all that the user may. What git would
 * tidy up by itself is the whole repository's. */
static void confine_spawn(struct core *core, const char *peer_id, json_t *spec, const json_t *confine)
{
	json_t *git = json_object_get(spec, "git");
	(void)db_run(core->store, "UPDATE peer SET sandbox = ? WHERE peer_id = ?", "js", confine, peer_id);
	if (!confine)
		return;
	json_object_set_new(spec, "confine", json_deep_copy(confine));
	json_set_str(git, "gc.auto", "0");
	json_set_str(git, "maintenance.auto", "false");
}

int spawn_order(struct core *core, const struct spawn_order *order, char ret_id[ID_SIZE], int64_t *ret_effect,
		struct error *err)
{
	struct store *s = core->store;
	const struct agent_backend *backend = agent_backend_find(order->backend);
	if (!backend)
		return error_set(err, ERR_UNSUPPORTED, "there is no backend '%s'", order->backend);
	struct peer_ref peer;
	if (!peer_find(s, order->peer_id, &peer))
		return error_set(err, ERR_INTERNAL, "no peer %s to start", order->peer_id);
	store_new_id(s, "spawn", ret_id);
	int code = peer_expect(s, order->peer_id, ret_id, err);
	if (code)
		return code;
	(void)db_run(s,
		     "INSERT INTO spawn (spawn_id, peer_id, job_id, fence, state, circle, created_at)"
		     " VALUES (?,?,?,?,'starting',?,?)",
		     "sssisi", ret_id, order->peer_id, order->job_id, order->fence, peer.circle,
		     store_now(s));
	json_auto_t *confine = NULL;
	code = confine_make(core, order, ret_id, &confine, err);
	json_t *spec = NULL;
	if (!code)
		code = spawn_agent_command(core, order, ret_id, confine, &spec, err);
	if (code)
		return code;
	json_t *env = spawn_env(core, order, &peer);
	if (json_object_get(spec, "env"))
		json_object_update_missing(env, json_object_get(spec, "env"));
	json_object_set_new(spec, "env", env);
	autofree char *hooks = guard_hooks_path(core->home);
	json_object_set_new(spec, "git", json_pack("{s:s}", "core.hooksPath", hooks));
	confine_spawn(core, order->peer_id, spec, confine);
	json_set_str(spec, "cwd", order->path);
	json_set_str(spec, "kind", backend->launch == AGENT_LAUNCH_WATCH ? "watch" : "exec");
	json_t *args = json_pack("{s:s, s:s, s:s, s:s, s:o}", "spawn_id", ret_id, "circle", peer.circle,
				 "name", peer.name, "cwd", order->path, "spec", spec);
	*ret_effect = flow_effect_add(core, EFFECT_SPAWN, ret_id, order->peer_id, args);
	return 0;
}

struct spawn_row {
	char id[ID_SIZE], peer_id[ID_SIZE], job_id[ID_SIZE];
	int64_t fence;
};

static bool read_spawn(struct query *q, struct spawn_row *ret)
{
	if (!query_next(q))
		return false;
	(void)snprintf(ret->id, ID_SIZE, "%s", query_text(q, 0));
	(void)snprintf(ret->peer_id, ID_SIZE, "%s", query_text(q, 1));
	(void)snprintf(ret->job_id, ID_SIZE, "%s", query_null(q, 2) ? "" : query_text(q, 2));
	ret->fence = query_int(q, 3);
	return true;
}

static bool spawn_find(struct store *s, const char *spawn_id, struct spawn_row *ret)
{
	autoquery q = db_query(
		s,
		"SELECT spawn_id, peer_id, job_id, fence FROM spawn WHERE spawn_id = ? AND ended_at IS NULL",
		"s", spawn_id);
	return read_spawn(&q, ret);
}

static void end_row(struct store *s, const struct spawn_row *row, const char *state, const json_t *result)
{
	(void)db_run(s, "UPDATE spawn SET state = ?, result = ?, ended_at = ? WHERE spawn_id = ?", "sjis",
		     state, result, store_now(s), row->id);
}

/* The peer is expected again if its job has an attempt left; otherwise it is gone. A peer that was started
 * anew since is none of an older start's business. */
static void settle_peer(struct core *core, const struct spawn_row *row, enum peer_cause cause)
{
	struct job job;
	if (!db_int(core->store, 0, "SELECT 1 FROM peer WHERE peer_id = ? AND spawn_id = ?", "ss",
		    row->peer_id, row->id))
		return;
	bool again =
		row->job_id[0] && !job_get(core->store, row->job_id, &job, NULL) && job.state == JOB_READY;
	/* Either call refuses only what already is as it shall be: a peer that is offline. */
	if (again)
		(void)peer_expect(core->store, row->peer_id, NULL, NULL);
	else
		(void)peer_offline(core->store, row->peer_id, cause, NULL);
}

static void fail_spawn(struct core *core, const struct spawn_row *row, const char *reason,
		       enum peer_cause cause)
{
	if (row->job_id[0])
		job_attempt_lost(core->store, row->job_id, row->fence, false, reason);
	settle_peer(core, row, cause);
}

/* A crash of the daemon let two launchers start; the one that we watched has stepped back, the other one is
 * the peer. */
static void go_on_with(struct core *core, const struct spawn_row *row, const json_t *process)
{
	autofree char *text =
		db_text(core->store, "SELECT result FROM spawn WHERE spawn_id = ?", "s", row->id);
	json_auto_t *pane = text ? json_loads(text, 0, NULL) : NULL;
	if (!pane)
		pane = json_object();
	json_object_set(pane, "pane_pid", json_object_get(process, "pid"));
	json_object_set(pane, "start_time", json_object_get(process, "start_time"));
	spawn_started(core, row->id, true, pane);
}

/* How a process ended that did not end well; caller frees. */
static char *why_ended(const json_t *left)
{
	const char *summary = left ? json_str(left, "summary") : NULL;
	json_int_t signal = left ? json_int(left, "signal", 0) : 0;
	if (!left)
		return xstrdup("its process ended without a word");
	autofree char *how =
		signal ? xasprintf("killed by signal %lld (%s)", (long long)signal, strsignal((int)signal))
		       : xasprintf("exit %lld", (long long)json_int(left, "exit", -1));
	return summary && *summary ? xasprintf("%s: %.800s", how, summary) : TAKE_PTR(how);
}

/* What the pane's process left behind when it ended decides on its job. */
static void settle_end(struct core *core, const struct spawn_row *row)
{
	json_auto_t *left = core->spawn_exit(core, row->id);
	if (left && json_object_get(left, "running")) {
		go_on_with(core, row, json_object_get(left, "running"));
		return;
	}
	json_int_t status = left ? json_int(left, "exit", -1) : -1;
	const char *summary = left ? json_str(left, "summary") : NULL;
	if (spawn_registers(core->store, row->peer_id)) {
		autofree char *how = why_ended(left);
		autofree char *why = xasprintf("ended before it had registered: %s", how);
		spawn_agent_failed(core, row->id, ERR_EXITED, why);
	}
	end_row(core->store, row, "ended", left);
	json_t *data = json_pack("{s:s, s:O?}", "peer", row->peer_id, "exit",
				 left ? json_object_get(left, "exit") : NULL);
	event_emit(core->store, "spawn.ended", row->id, NULL, data);
	if (status != 0) {
		autofree char *how = why_ended(left);
		autofree char *denied =
			confine_denied(core->store, row->peer_id, left ? json_str(left, "tail") : NULL);
		autofree char *reason = denied ? xasprintf("%s; %s", how, denied) : TAKE_PTR(how);
		fail_spawn(core, row, reason, CAUSE_PROCESS_GONE);
		return;
	}
	if (spawn_registers(core->store, row->peer_id)) { /* only its own word completes an agent's job */
		fail_spawn(core, row, "its session ended before its job was done", CAUSE_PROCESS_GONE);
		return;
	}
	struct job_change done = {.state = JOB_COMPLETED, .summary = summary && *summary ? summary : NULL};
	/* A job that its worker has ended itself stays as it is. */
	if (row->job_id[0])
		(void)job_update(core->store, row->job_id, row->fence, &done, NULL);
	settle_peer(core, row, CAUSE_FINISHED);
}

static void record_pane(struct store *s, const char *spawn_id, const json_t *pane)
{
	(void)db_run(s,
		     "UPDATE spawn SET state = 'running', pane_id = ?, pane_pid = ?, start_time = ?, boot_id "
		     "= ?, result = ?"
		     " WHERE spawn_id = ?",
		     "siisjs", json_str(pane, "pane_id"), (int64_t)json_int(pane, "pane_pid", 0),
		     (int64_t)json_int(pane, "start_time", 0), store_boot_id(s), pane, spawn_id);
}

static int64_t order_kill(struct core *core, const struct spawn_row *row, const json_t *pane)
{
	json_t *args = json_deep_copy(pane);
	json_set_str(args, "spawn_id", row->id);
	return flow_effect_add(core, EFFECT_KILL, row->id, row->peer_id, args);
}

void spawn_started(struct core *core, const char *subject, bool ok, const json_t *result)
{
	struct store *s = core->store;
	struct spawn_row row;
	if (!spawn_find(s, subject, &row))
		return;
	if (!ok) {
		const char *why = json_str(json_object_get(result, "error"), "message");
		end_row(s, &row, "failed", result);
		event_emit(s, "spawn.failed", row.id, NULL, json_deep_copy(result));
		fail_spawn(core, &row, why ? why : "its terminal could not be started", CAUSE_PROCESS_GONE);
		return;
	}
	record_pane(s, row.id, result);
	struct peer_process process = {.kind = SESSION_TERMINAL,
				       .pid = (pid_t)json_int(result, "pane_pid", 0),
				       .start_time = (uint64_t)json_int(result, "start_time", 0),
				       .pane_id = json_str(result, "pane_id"),
				       .tty = (int)json_int(result, "tty", 0),
				       .is_peer = !spawn_registers(s, row.peer_id)};
	struct peer_spec spec = {.spawn_id = row.id, .transport = "inbox", .trusted = true};
	struct peer_ref peer;
	autoerror err = {0};
	if (process.start_time == 0) { /* it ended before anyone could look */
		settle_end(core, &row);
		return;
	}
	int64_t effect;
	if (!peer_of_spawn(s, row.id,
			   &peer)) { /* nobody waits for it any more: it was called off meanwhile */
		order_kill(core, &row, result);
		return;
	}
	if (peer_register(s, &process, &spec, &peer, &err)) {
		fail_spawn(core, &row, err.message, CAUSE_PROCESS_GONE);
		return;
	}
	struct job_change running = {.state = JOB_RUNNING};
	if (!process.is_peer)
		spawn_agent_expect(core, row.id);
	else if (row.job_id[0])
		(void)job_update(s, row.job_id, row.fence, &running,
				 NULL); /* its worker may have spoken first */
	event_emit(s, "spawn.started", row.id, NULL, json_pack("{s:s}", "peer", row.peer_id));
	struct job job;
	if (row.job_id[0] && !job_get(s, row.job_id, &job, NULL) && job.cancel_requested)
		(void)spawn_kill(core, row.peer_id, &effect,
				 NULL); /* asked to stop while it was being started */
}

int spawn_kill(struct core *core, const char *peer_id, int64_t *ret_effect, struct error *err)
{
	struct store *s = core->store;
	struct spawn_row row;
	autoquery q = db_query(s,
			       "SELECT spawn_id, peer_id, job_id, fence, result FROM spawn WHERE peer_id = ?"
			       " AND state = 'running' ORDER BY created_at DESC LIMIT 1",
			       "s", peer_id);
	if (!read_spawn(&q, &row)) {
		*ret_effect = 0;
		return peer_offline(s, peer_id, CAUSE_RETIRED, err);
	}
	json_auto_t *pane = query_json(&q, 4);
	query_release(&q);
	*ret_effect = order_kill(core, &row, pane);
	return 0;
}

bool spawn_running(struct store *s, const char *peer_id)
{
	return db_int(s, 0, "SELECT 1 FROM spawn WHERE peer_id = ? AND state = 'running' LIMIT 1", "s",
		      peer_id) != 0;
}

bool spawn_unproven(struct store *s, const char *peer_id)
{
	struct peer_ref peer;
	if (db_int(s, 0, "SELECT 1 FROM spawn WHERE peer_id = ? AND state = 'starting' LIMIT 1", "s",
		   peer_id))
		return true;
	return spawn_running(s, peer_id) && peer_find(s, peer_id, &peer) && !peer.live &&
	       peer_cause_final(peer.cause);
}

void spawn_killed(struct core *core, const char *subject, bool ok, const json_t *result)
{
	struct spawn_row row;
	if (!spawn_find(core->store, subject, &row))
		return;
	json_auto_t *left = core->spawn_exit(core, row.id);
	if (left && json_int(left, "exit", -1) == 0) { /* it had done its work before */
		settle_end(core, &row);
		return;
	}
	const char *code = json_str(json_object_get(result, "error"), "code");
	bool unproven = !ok && code && strcmp(code, error_kind(ERR_NOT_FOUND)->name) != 0;
	end_row(core->store, &row, "ended", result);
	event_emit(core->store, unproven ? "spawn.left_alone" : "spawn.killed", row.id, NULL,
		   json_deep_copy(result));
	struct job job;
	bool done =
		row.job_id[0] && !job_get(core->store, row.job_id, &job, NULL) && job.state == JOB_COMPLETED;
	fail_spawn(core, &row, "killed", unproven ? CAUSE_RETIRED : done ? CAUSE_FINISHED : CAUSE_KILLED);
}

void process_gone(struct core *core, int64_t pid, int64_t start_time, const char *boot_id)
{
	struct spawn_row row;
	autoquery q = db_query(core->store,
			       "SELECT spawn_id, peer_id, job_id, fence FROM spawn WHERE state = 'running'"
			       " AND pane_pid = ? AND start_time = ? AND boot_id = ?",
			       "iis", pid, start_time, boot_id);
	bool ours = read_spawn(&q, &row);
	query_release(&q);
	if (ours)
		settle_end(core, &row);
	(void)peer_process_gone(core->store, (pid_t)pid, (uint64_t)start_time, boot_id);
}

void spawn_watch_each(struct store *s, void (*each)(int64_t pid, int64_t start_time, void *data), void *data)
{
	autoquery q = db_query(s,
			       "SELECT pane_pid, start_time FROM spawn WHERE state = 'running' AND boot_id = "
			       "? ORDER BY created_at",
			       "s", store_boot_id(s));
	while (query_next(&q))
		each(query_int(&q, 0), query_int(&q, 1), data);
}

void processes_of_old_boots(struct core *core)
{
	struct store *s = core->store;
	autoquery q = db_query(
		s,
		"SELECT spawn_id, peer_id, job_id, fence FROM spawn WHERE state = 'running' AND boot_id <> ?",
		"s", store_boot_id(s));
	struct spawn_row row;
	while (read_spawn(&q, &row)) {
		json_auto_t *left = core->spawn_exit(core, row.id);
		if (left) { /* it ended before the reboot, and nobody had noticed */
			settle_end(core, &row);
			continue;
		}
		end_row(s, &row, "ended", NULL);
		if (row.job_id[0])
			job_attempt_lost(s, row.job_id, row.fence, true, "interrupted by a reboot");
		settle_peer(core, &row, CAUSE_REBOOT);
	}
	(void)peer_reboot(s);
}

/* Effects carried out; see runner.h. */
#include "daemon/runner.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "daemon/call.h"
#include "daemon/worker.h"
#include "flow/effects.h"
#include "os/file.h"
#include "os/paths.h"
#include "os/proc.h"
#include "term/composer.h"
#include "term/inject.h"
#include "term/launch.h"
#include "term/screen.h"
#include "term/term.h"

/* A terminal server that is not the configured one: a session that was opened by hand runs there. */
struct other_tmux {
	struct list link; /* in daemon.other_tmux */
	char *socket;	  /* owned */
	struct tmux *tmux;
};

enum {
	SOCKET_MAX = 108,
	SERVERS_MAX = 64,
	OUTPUT_MAX = 16 << 20,
	ERROR_MAX = 64 << 10,
	SPAWN_TRIES = 4,
	WORKER_TRIES = 4
};

/* One action under way, of an effect or for a parked call. */
struct action {
	struct list link; /* in daemon.work while it waits for a place */
	struct daemon *daemon;
	struct effect effect; /* id 0: for `call` */
	int tries;	      /* of a spawn that tmux has not answered, of a worker that was killed */
	struct call *call;    /* stays until the worker has ended, even if its client has gone */
};

void finished_free(struct finished *f)
{
	effect_release(&f->effect);
	json_decref(f->result);
	free(f);
}

static void finish(struct action *a, bool ok, json_t *result)
{
	struct finished *f = xcalloc(1, sizeof(*f));
	*f = (struct finished){.effect = a->effect, .ok = ok, .result = result};
	list_append(&a->daemon->finished, &f->link);
	turn_wanted(a->daemon);
	free(a);
}

static void finish_error(struct action *a, const struct error *err)
{
	finish(a, false, error_to_json(err));
}

/* What a worker printed: {"ok":…} or an error object. */
static json_t *worker_answer(int status, const struct strbuf *out, const struct strbuf *errout)
{
	json_t *answer = NULL;
	autoerror err = {0};
	if (!out->overflow && json_parse(strbuf_str(out), out->len, &answer, &err) == 0 &&
	    json_is_object(answer))
		return answer;
	json_decref(answer);
	autoerror died = {0};
	(void)error_set(&died, ERR_INTERNAL, "a worker ended with status %d: %.400s", status,
			strbuf_str(errout));
	return error_to_json(&died);
}

static void call_worked(struct daemon *d, struct call *call, json_t *answer)
{
	call->working = false;
	json_decref(call->op.work_result);
	call->op.work_result = answer;
	list_remove(&call->link);
	if (!call->conn) {
		call_free(call);
		return;
	}
	list_append(&d->ready, &call->link);
	turn_wanted(d);
}

static bool died_without_answer(const struct strbuf *out)
{
	return out->len == 0;
}

/* A worker that was killed may have done all of its work but the telling: it is repeated, as after a crash of
 * the daemon, unless its kind says that it must not be. */
static bool may_run_again(struct action *a)
{
	const struct flow_effect *kind = a->effect.id ? flow_effect_of(a->effect.kind) : NULL;
	return kind && kind->kind.repeat != EFFECT_ONCE && ++a->tries < WORKER_TRIES;
}

static void queue_worker(struct action *a);

static void worker_done(struct loop_child *child, int status, struct strbuf *out, struct strbuf *errout,
			void *data)
{
	(void)child;
	struct action *a = data;
	struct daemon *d = a->daemon;
	d->workers--;
	if (died_without_answer(out) && may_run_again(a)) {
		queue_worker(a);
		return;
	}
	json_t *answer = worker_answer(status, out, errout);
	if (a->effect.id) {
		json_t *ok = json_object_get(answer, "ok");
		finish(a, ok != NULL, ok ? json_incref(ok) : json_incref(answer));
		json_decref(answer);
	} else {
		call_worked(d, a->call, answer);
		free(a);
	}
	runner_next(d);
}

static void start_worker(struct action *a)
{
	struct daemon *d = a->daemon;
	bool effect = a->effect.id != 0;
	autofree char *id = effect ? xasprintf("%lld", (long long)a->effect.id) : NULL;
	json_t *args = effect ? a->effect.args : a->call->op.work_args;
	autofree char *input = json_text(args);
	const char *argv[] = {d->program, "worker", effect ? a->effect.kind : a->call->op.work_kind, id,
			      NULL};
	struct loop_child_options options = {.argv = argv,
					     .input = input,
					     .input_len = strlen(input),
					     .out_max = OUTPUT_MAX,
					     .err_max = ERROR_MAX};
	autoerror err = {0};
	d->workers++;
	if (!loop_child_start(&d->loop, &options, worker_done, a, NULL, &err))
		return;
	d->workers--;
	if (effect) {
		finish_error(a, &err);
	} else {
		call_worked(d, a->call, error_to_json(&err));
		free(a);
	}
}

void runner_next(struct daemon *d)
{
	while (!list_empty(&d->work) && d->workers < WORKERS_MAX) {
		struct action *a = list_entry(d->work.next, struct action, link);
		list_remove(&a->link);
		start_worker(a);
	}
}

static void queue_worker(struct action *a)
{
	list_append(&a->daemon->work, &a->link);
	runner_next(a->daemon);
}

void runner_work(struct daemon *d, struct call *call)
{
	struct action *a = xcalloc(1, sizeof(*a));
	*a = (struct action){.daemon = d, .call = call};
	call->working = true;
	queue_worker(a);
}

static struct tmux *tmux_of(struct daemon *d)
{
	if (!d->tmux) {
		struct tmux_settings settings = {.socket = config_str(d->config, "terminal.socket")};
		d->tmux = tmux_new(&d->loop, &settings);
	}
	return d->tmux;
}

/* The server of a pane that a session named: ours, or another one of the user's. NULL or odd: ours. */
static struct tmux *tmux_at(struct daemon *d, const char *socket)
{
	struct tmux *ours = tmux_of(d);
	int others = 0;
	if (!socket || socket[0] != '/' || strlen(socket) >= SOCKET_MAX)
		return ours;
	list_for_each (pos, &d->other_tmux) {
		struct other_tmux *o = list_entry(pos, struct other_tmux, link);
		if (strcmp(o->socket, socket) == 0)
			return o->tmux;
		others++;
	}
	if (others >= SERVERS_MAX)
		return ours;
	struct other_tmux *o = xcalloc(1, sizeof(*o));
	struct tmux_settings settings = {.socket = socket};
	o->socket = xstrdup(socket);
	o->tmux = tmux_new(&d->loop, &settings);
	list_append(&d->other_tmux, &o->link);
	return o->tmux;
}

void runner_close_tmux(struct daemon *d)
{
	tmux_free(d->tmux);
	list_for_each_safe (pos, &d->other_tmux) {
		struct other_tmux *o = list_entry(pos, struct other_tmux, link);
		list_remove(pos);
		tmux_free(o->tmux);
		free(o->socket);
		free(o);
	}
}

static json_t *pane_json(const struct term_pane *pane)
{
	struct proc_stat stat = {0};
	bool seen =
		pane->pid && proc_stat(pane->pid, &stat, NULL) == 0 && stat.start_time == pane->start_time;
	json_t *json = json_pack("{s:s, s:I, s:I, s:i}", "pane_id", pane->pane, "pane_pid",
				 (json_int_t)pane->pid, "start_time",
				 (json_int_t)(pane->dead ? 0 : pane->start_time), "tty", seen ? stat.tty : 0);
	json_set_str(json, "window", pane->window);
	json_set_str(json, "session_id", pane->session_id);
	json_set_str(json, "session", pane->session);
	json_set_str(json, "socket", pane->socket);
	json_object_set_new(json, "server", json_integer(pane->server));
	return json;
}

static void probe_then_spawn(struct action *a);

/* A server that ends with its last session may take a new window along ("server exited unexpectedly"):
 * whether the spawn was started is then unknown, and is looked up before the next try. Its id makes sure that
 * it runs once. */
static void spawned(void *data, const struct error *err, const struct term_pane *pane)
{
	struct action *a = data;
	if (!err)
		finish(a, true, pane_json(pane));
	else if (err->code == ERR_TERMINAL && ++a->tries < SPAWN_TRIES)
		probe_then_spawn(a);
	else
		finish_error(a, err);
}

static void spawn_now(struct action *a)
{
	struct daemon *d = a->daemon;
	const char *id = json_str(a->effect.args, "spawn_id");
	const char *launcher[] = {d->program, "launch", id, NULL};
	autofree char *home = xasprintf("COPPICE_HOME=%s", d->paths.home);
	const char *env[] = {home, NULL};
	struct term_spawn order = {.spawn_id = id,
				   .circle = json_str(a->effect.args, "circle"),
				   .name = json_str(a->effect.args, "name"),
				   .cwd = json_str(a->effect.args, "cwd"),
				   .launcher = launcher,
				   .env = env};
	autoerror err = {0};
	guard_mend_hooks(d);
	if (term_spawn(tmux_of(d), &order, spawned, a, &err))
		finish_error(a, &err);
}

static void probed(void *data, const struct error *err, enum truth found, const struct term_pane *pane)
{
	struct action *a = data;
	if (found == TRUTH_YES) {
		finish(a, true, pane_json(pane));
	} else if (found == TRUTH_UNKNOWN) {
		finish_error(a, err);
	} else {
		/* A pane that has come and gone left its end behind; launch never runs a spawn twice anyway.
		 */
		json_auto_t *left = NULL;
		if (launch_exit_read(a->daemon->paths.home, json_str(a->effect.args, "spawn_id"), &left,
				     NULL) == 0)
			finish(a, true, json_pack("{s:i}", "start_time", 0));
		else
			spawn_now(a);
	}
}

static void probe_then_spawn(struct action *a)
{
	autoerror err = {0};
	if (term_probe(tmux_of(a->daemon), json_str(a->effect.args, "spawn_id"), probed, a, &err))
		finish_error(a, &err);
}

/* The files that the start needs, below the state folder only. */
static int write_files(const struct action *a, struct error *err)
{
	json_t *files = json_object_get(json_object_get(a->effect.args, "spec"), "files");
	autofree char *dir = path_join(a->daemon->paths.home, "agents");
	int code = json_object_size(files) ? dir_make_private(dir, err) : 0;
	const char *path;
	json_t *text;
	json_object_foreach(files, path, text)
	{
		const char *content = json_string_value(text);
		if (!code && (!path_inside(path, dir) || !content))
			code = error_set(err, ERR_INTERNAL, "a file of the start lies elsewhere");
		if (!code)
			code = file_replace(path, content, strlen(content), 0600, err);
	}
	return code;
}

/* The folders that it needs, among those of agents only. */
static int make_folders(const struct action *a, struct error *err)
{
	autofree char *parent = paths_agents(a->daemon->paths.socket);
	int code = 0;
	size_t i;
	const json_t *item;
	json_array_foreach(json_object_get(json_object_get(a->effect.args, "spec"), "folders"), i, item)
	{
		const char *path = json_string_value(item);
		if (!code && (!path || !path_inside(path, parent)))
			code = error_set(err, ERR_INTERNAL, "a folder of the start lies elsewhere");
		if (!code)
			code = dir_make_private(path, err);
	}
	return code;
}

static void start_spawn(struct action *a)
{
	autoerror err = {0};
	const char *id = json_str(a->effect.args, "spawn_id");
	if (write_files(a, &err) || make_folders(a, &err) ||
	    launch_write(a->daemon->paths.home, id, json_object_get(a->effect.args, "spec"), &err))
		finish_error(a, &err);
	else if (a->effect.probe)
		probe_then_spawn(a);
	else
		spawn_now(a);
}

static void killed(void *data, const struct error *err)
{
	struct action *a = data;
	if (err)
		finish_error(a, err);
	else
		finish(a, true, json_object());
}

static void start_kill(struct action *a)
{
	const json_t *args = a->effect.args;
	struct term_proof proof = {.pane = json_str(args, "pane_id"),
				   .spawn_id = json_str(args, "spawn_id"),
				   .server = (pid_t)json_int(args, "server", 0),
				   .pid = (pid_t)json_int(args, "pane_pid", 0),
				   .start_time = (uint64_t)json_int(args, "start_time", 0)};
	autoerror err = {0};
	if (term_kill(tmux_of(a->daemon), &proof, killed, a, &err))
		finish_error(a, &err);
}

static void looked(void *data, const struct error *err, const struct screen *screen)
{
	struct action *a = data;
	const struct agent_backend *backend = agent_backend_find(json_str(a->effect.args, "backend"));
	if (err || !backend || !backend->composer) {
		finish(a, true, json_object()); /* nothing can be told */
		return;
	}
	finish(a, true,
	       json_pack("{s:s}", "screen", term_screen_name(screen_classify(backend->composer, screen))));
}

static void start_look(struct action *a)
{
	autoerror err = {0};
	const char *pane = json_str(a->effect.args, "pane_id");
	if (!pane || term_look(tmux_of(a->daemon), pane, looked, a, &err))
		finish(a, true, json_object());
}

static void injected(void *data, const struct term_injected *result)
{
	struct action *a = data;
	static const char *const outcomes[] = {
		[INJECT_DONE] = "typed", [INJECT_REFUSED] = "not typed", [INJECT_UNKNOWN] = "unknown"};
	autofree char *outcome =
		result->why == INJECT_WHY_NONE
			? xstrdup(outcomes[result->outcome])
			: xasprintf("%s: %s", outcomes[result->outcome], inject_why_name(result->why));
	finish(a, true, json_pack("{s:s}", "outcome", outcome));
}

/* The pane as it was seen just now is the proof that the injector holds on to. */
static void inject_into(struct action *a, pid_t pane_pid)
{
	const json_t *args = a->effect.args;
	const struct agent_backend *backend = agent_backend_find(json_str(args, "backend"));
	struct proc_stat stat;
	autoerror err = {0};
	int code = 0;
	if (!backend || !backend->composer)
		code = error_set(&err, ERR_UNSUPPORTED, "its prompt is not known");
	if (!code)
		code = proc_stat(pane_pid, &stat, &err);
	struct term_inject order = {.pane = {.pane = json_str(args, "pane_id"),
					     .spawn_id = json_str(args, "spawn_id"),
					     .server = (pid_t)json_int(args, "server", 0),
					     .pid = pane_pid,
					     .start_time = code ? 0 : stat.start_time},
				    .agent = (pid_t)json_int(args, "agent", 0),
				    .agent_start = (uint64_t)json_int(args, "agent_start", 0),
				    .composer = backend ? backend->composer : NULL,
				    .text = json_str(args, "text")};
	if (!code)
		code = term_inject(tmux_at(a->daemon, json_str(args, "socket")), &order, injected, a, &err);
	if (code)
		finish_error(a, &err);
}

static void seen_before_waking(void *data, const struct error *err, const struct screen *screen)
{
	struct action *a = data;
	if (err)
		finish_error(a, err);
	else
		inject_into(a, screen->pid);
}

static void start_wake(struct action *a)
{
	autoerror err = {0};
	const char *pane = json_str(a->effect.args, "pane_id");
	int code = pane && term_pane_id_ok(pane) ? 0 : error_set(&err, ERR_INVALID, "its pane is not known");
	if (!code)
		code = term_look(tmux_at(a->daemon, json_str(a->effect.args, "socket")), pane,
				 seen_before_waking, a, &err);
	if (code)
		finish_error(a, &err);
}

void runner_ended(struct daemon *d, int64_t effect)
{
	autofree char *id = xasprintf("%lld", (long long)effect);
	autofree char *path = worker_lock_path(d->paths.home, id);
	(void)unlink(path); /* effects on terminals have none */
}

static int sweep_lock(const char *name, int type, void *data, struct error *err)
{
	struct daemon *d = data;
	long long id = 0;
	(void)type;
	(void)err;
	if (sscanf(name, "effect-%lld.lock", &id) != 1)
		return 0;
	const char *state = effect_state(d->store, id, NULL);
	if (!state || (strcmp(state, "pending") != 0 && strcmp(state, "started") != 0))
		runner_ended(d, id);
	return 0;
}

void runner_sweep(struct daemon *d)
{
	autofree char *dir = worker_lock_dir(d->paths.home);
	if (dir_each(dir, sweep_lock, d, NULL)) {
		/* no effect ever ran, or a lock stays, which harms nobody */
	}
}

void runner_start(struct daemon *d, struct effect *effect)
{
	struct action *a = xcalloc(1, sizeof(*a));
	*a = (struct action){.daemon = d, .effect = *effect};
	*effect = (struct effect){0};
	const struct flow_effect *kind = flow_effect_of(a->effect.kind);
	if (!kind) {
		autoerror err = {0};
		(void)error_set(&err, ERR_UNSUPPORTED, "effect '%s' is of another version", a->effect.kind);
		finish_error(a, &err);
	} else if (kind->runner == RUN_SPAWN) {
		start_spawn(a);
	} else if (kind->runner == RUN_KILL) {
		start_kill(a);
	} else if (kind->runner == RUN_LOOK) {
		start_look(a);
	} else if (kind->runner == RUN_WAKE) {
		start_wake(a);
	} else {
		queue_worker(a);
	}
}

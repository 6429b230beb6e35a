/* Start and end of the daemon; see daemon.h for the rest.
 *
 * Single instance: a lock in the state folder, held for life. Recovery, in one turn: what ran under another
 * boot is over, processes that have gone meanwhile are noticed, and each effect that was in flight is put
 * back or marked unknown by its kind (W11). */
#include "daemon/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "base/id.h"
#include "daemon/runner.h"
#include "flow/react.h"
#include "flow/spawn.h"
#include "mesh/peer.h"
#include "mesh/transport.h"
#include "os/file.h"
#include "os/lock.h"
#include "store/event.h"
#include "store/outbox.h"
#include "store/timer.h"
#include "term/launch.h"

extern char **environ;

enum { CONFIG_MAX = 1 << 20, TOKEN_MAX = 256, LISTEN_BACKLOG = 256, DESCRIPTORS_MAX = 16384 };

/* The record of its end; or, if another launcher is the one that runs it (launch_running),
 * {"running":{"pid","start_time"}}. */
static json_t *read_spawn_exit(const struct core *core, const char *spawn_id)
{
	json_t *left = NULL;
	if (launch_exit_read(core->home, spawn_id, &left, NULL) == 0)
		return left;
	return launch_running(core->home, spawn_id, &left, NULL) == 0 ? json_pack("{s:o}", "running", left)
								      : NULL;
}

/* The text is kept: a repository's own file is merged with it later (flow/repo_config.h). */
static int load_config(struct daemon *d, struct error *err)
{
	strbuf_init(&d->config_text, CONFIG_MAX);
	int code = file_read(d->paths.config, &d->config_text, err);
	if (code && code != ERR_NOT_FOUND)
		return code;
	d->config_source = (struct config_source){.user_file = d->paths.config,
						  .user_text = code ? NULL : strbuf_str(&d->config_text),
						  .user_len = d->config_text.len,
						  .env = (const char *const *)environ};
	error_release(err);
	return config_parse(&d->config_source, &d->config, err);
}

/* A secret of this state folder, made once: what a human without a terminal presents (I2). */
static int load_token(struct daemon *d, struct error *err)
{
	autofree char *path = paths_token(d->paths.home);
	autostrbuf text = STRBUF_INIT(TOKEN_MAX);
	int code = file_read(path, &text, err);
	if (code == ERR_NOT_FOUND) {
		const struct os_env *env = os_env_real();
		for (int i = 0; i < 4; i++)
			strbuf_addf(&text, "%016llx", (unsigned long long)os_random(env));
		strbuf_addch(&text, '\n');
		error_release(err);
		code = file_replace(path, strbuf_str(&text), text.len, 0600, err);
	}
	if (code)
		return code;
	d->token = xstrndup(strbuf_str(&text), strcspn(strbuf_str(&text), "\n"));
	return 0;
}

static int program_path(char **ret, struct error *err)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (n <= 0)
		return error_errno(err, errno, "/proc/self/exe");
	path[n] = '\0';
	/* A binary that was replaced by an upgrade while we run is found by its name again. */
	static const char deleted[] = " (deleted)";
	size_t len = strlen(path);
	if (len > strlen(deleted) && strcmp(path + len - strlen(deleted), deleted) == 0)
		path[len - strlen(deleted)] = '\0';
	*ret = xstrdup(path);
	return 0;
}

/* Binds and listens beside the socket's place, and moves it there: so whoever sees the socket can connect. */
static int bind_socket(const struct daemon *d, int *ret_fd, struct error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int n = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s.new", d->paths.socket);
	if (n < 0 || (size_t)n >= sizeof(addr.sun_path))
		return error_set(err, ERR_UNSUPPORTED, "the socket's path is too long: %s", d->paths.socket);
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_errno(err, errno, "socket");
	/* The lock is ours, so what is there was left behind. */
	if (unlink(addr.sun_path) < 0 && errno != ENOENT)
		return error_errno(err, errno, "%s", addr.sun_path);
	mode_t mask = umask(0177);
	int failed = bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? errno : 0;
	(void)umask(mask);
	if (!failed && (listen(fd, LISTEN_BACKLOG) < 0 || rename(addr.sun_path, d->paths.socket) < 0))
		failed = errno;
	if (failed)
		return error_errno(err, failed, "%s", d->paths.socket);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* A client that found nobody listening has started us: then a holder of the lock is on its way out, and is
 * waited for. */
static int take_lock(const struct daemon *d, bool wait, int *ret_lock, struct error *err)
{
	autoerror why = {0};
	if (!lock_take(d->paths.lock, wait ? LOCK_WAIT : 0, ret_lock, &why))
		return 0;
	int code = error_set(err, ERR_EXISTS, "a daemon is running already for %s", d->paths.home);
	return error_hint(err, code, "see: coppice status");
}

static int open_all(struct daemon *d, bool wait, int *ret_lock, struct error *err)
{
	int code = paths_find(&d->paths, err);
	if (!code)
		code = paths_prepare(&d->paths, err);
	if (!code)
		code = path_check_local(d->paths.home, err);
	if (!code)
		code = take_lock(d, wait, ret_lock, err);
	if (!code)
		code = load_config(d, err);
	if (!code)
		code = load_token(d, err);
	if (!code)
		code = program_path(&d->program, err);
	if (!code)
		code = store_open(d->paths.database, os_env_real(), NULL, &d->store, err);
	return code;
}

static void init_core(struct daemon *d)
{
	d->core = (struct core){
		.store = d->store,
		.config = d->config,
		.config_source = &d->config_source,
		.limits = {.queue_age = config_duration(d->config, "delivery.queue_age"),
			   .queue_length = config_int(d->config, "delivery.queue_length"),
			   .enforce_circles = config_bool(d->config, "circles.enforce"),
			   .hops = config_int(d->config, "governor.hops"),
			   .pair_per_minute = config_int(d->config, "governor.pair_per_minute"),
			   .circle_per_hour = config_int(d->config, "governor.circle_per_hour")},
		.home = d->paths.home,
		.program = d->program,
		.spawn_exit = read_spawn_exit,
		.linked = links_reach,
		.data = d,
		.socket = d->paths.socket,
		.started_at = os_now(os_env_real())};
}

static int recover(struct daemon *d, struct error *err)
{
	int code = store_begin(d->store, err);
	if (code)
		return code;
	struct peer_ref surface; /* people and services can be written to before they first call */
	peer_surface(d->store, ROLE_HUMAN, &surface);
	peer_surface(d->store, ROLE_SERVICE, &surface);
	processes_of_old_boots(&d->core);
	effect_recover(d->store);
	transport_reset(d->store);
	event_emit(d->store, "daemon.started", "daemon", NULL, NULL);
	if (!db_int(d->store, 0, "SELECT count(*) FROM timer WHERE kind = 'housekeeping'", ""))
		timer_set(d->store, "housekeeping", "daemon", store_now(d->store) + USEC_PER_HOUR);
	flow_react(&d->core);
	return store_commit(d->store, err);
}

static void on_signal(uv_signal_t *handle, int signum)
{
	struct daemon *d = handle->data;
	(void)signum;
	d->stopping = true;
	turn_wanted(d);
}

/* A descriptor a connection and one a watched process: a thousand peers need more than the usual 1,024. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < DESCRIPTORS_MAX) {
		limit.rlim_cur = limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
		(void)setrlimit(RLIMIT_NOFILE, &limit); /* with fewer we serve fewer */
	}
}

static void init_loop(struct daemon *d)
{
	raise_descriptor_limit();
	static const int signums[] = {SIGTERM, SIGINT};
	uv_loop_init(&d->loop);
	list_init(&d->conns);
	list_init(&d->ready);
	list_init(&d->parked);
	list_init(&d->finished);
	list_init(&d->watches);
	list_init(&d->work);
	list_init(&d->other_tmux);
	list_init(&d->lost_ways);
	list_init(&d->links);
	list_init(&d->records);
	list_init(&d->branch_folders);
	d->generation = 1;
	turn_init(d);
	for (size_t i = 0; i < ARRAY_SIZE(signums); i++) {
		uv_signal_init(&d->loop, &d->signals[i]);
		d->signals[i].data = d;
		uv_signal_start(&d->signals[i], on_signal, signums[i]);
	}
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
}

static void say_ready(int fd, const struct error *err)
{
	if (fd < 0)
		return;
	json_auto_t *json = err ? error_to_json(err) : NULL;
	autofree char *text = json ? json_text(json) : xstrdup("\n");
	if (write(fd, text, strlen(text)) < 0) {
		/* the client that waited has gone; we run on for the next */
	}
	(void)close(fd);
}

static void shut_down(struct daemon *d)
{
	/* First of all, so that whoever comes now waits for the next daemon instead of queueing for this one.
	 */
	(void)unlink(d->paths.socket); /* a new daemon replaces it anyway */
	conn_close_all(d);
	watch_stop_all(d);
	links_close_all(d);
	records_close_all(d);
	guard_stop(d);
	branches_stop(d);
	runner_close_tmux(d);
	uv_close((uv_handle_t *)&d->listener, NULL);
	loop_timer_stop(d->timer);
	loop_timer_stop(d->idle_checkpoint);
	loop_timer_stop(d->gathering);
	/* What is still under way belongs to the next daemon; a few turns let the handles close. */
	for (int i = 0; i < 8; i++)
		(void)uv_run(&d->loop, UV_RUN_NOWAIT);
	store_checkpoint(d->store);
	store_close(d->store);
}

int daemon_main(int ready_fd)
{
	static struct daemon d; /* lives as long as the process */
	autoerror err = {0};
	int lock = -1, fd = -1;
	int code = open_all(&d, ready_fd >= 0, &lock, &err);
	if (!code) {
		init_loop(&d);
		init_core(&d);
		code = recover(&d, &err);
	}
	if (!code)
		code = paths_note_socket(&d.paths, &err);
	if (!code)
		code = bind_socket(&d, &fd, &err);
	if (code) {
		say_ready(ready_fd, &err);
		(void)fprintf(stderr, "coppice: %s%s%s\n", err.message, err.hint ? ": " : "",
			      err.hint ? err.hint : "");
		return error_kind((enum error_code)code)->exit_code;
	}
	guard_start(&d);
	runner_sweep(&d);
	conn_listen(&d, fd);
	watch_all(&d);
	records_watch(&d);
	gather_begin(&d);
	turn_arm_timer(&d);
	d.timers_due = true; /* overdue ones, and what recovery put back, start in the first turn */
	turn_wanted(&d);
	say_ready(ready_fd, NULL);
	(void)uv_run(&d.loop, UV_RUN_DEFAULT);
	shut_down(&d);
	(void)close(lock);
	return 0;
}

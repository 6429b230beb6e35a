/* The table of workers; see worker.h. */
#include "daemon/worker.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "base/json.h"
#include "os/file.h"
#include "os/lock.h"
#include "os/spawn.h"
#include "repo/create.h"
#include "repo/describe.h"
#include "repo/facts.h"
#include "repo/find.h"
#include "repo/in_use.h"
#include "repo/land_build.h"
#include "repo/land_move.h"
#include "repo/list.h"
#include "repo/remove.h"
#include "repo/restore.h"
#include "repo/trash.h"

enum { INPUT_MAX = 16 << 20, HOOK_OUTPUT_MAX = 4096, HOOK_MINUTES = 10 };

#define HANDOVER_LIMIT (30 * USEC_PER_SEC)

/* A command of the user's configuration: a string for /bin/sh, or an argument array. */
static int run_hook(const json_t *args, json_t **ret, struct error *err)
{
	const json_t *command = json_object_get(args, "command");
	const char *shell[] = {"/bin/sh", "-c", json_string_value(command), NULL};
	const char **argv = xcalloc(json_array_size(command) + 1, sizeof(*argv));
	for (size_t i = 0; i < json_array_size(command); i++)
		argv[i] = json_string_value(json_array_get(command, i));
	autostrbuf output = STRBUF_INIT(HOOK_OUTPUT_MAX);
	struct spawn s = {.argv = json_is_string(command) ? shell : argv,
			  .cwd = json_str(args, "cwd"),
			  .out = &output,
			  .errout = &output,
			  .timeout = HOOK_MINUTES * USEC_PER_MIN,
			  .new_session = true};
	int status = 0;
	int code = spawn_run(&s, &status, err);
	free(argv);
	if (code)
		return code;
	if (status)
		return error_set(err, ERR_SYSTEM, "the hook ended with %d: %.400s", status,
				 strbuf_str(&output));
	*ret = json_object();
	return 0;
}

/* Runs a runtime's own command in the home of the session that it is for. */
static int run_handover(const json_t *args, json_t **ret, struct error *err)
{
	const struct agent_backend *backend = agent_backend_find(json_str(args, "backend"));
	json_auto_t *command = NULL;
	if (!backend || !backend->queue)
		return error_set(err, ERR_UNSUPPORTED, "that backend has no queue");
	int code = backend->queue->command(json_object_get(args, "command"), json_str(args, "session"),
					   json_str(args, "text"), &command, err);
	if (code)
		return code;
	autofree char *home = NULL;
	enum truth known;
	if (backend->queue->home_variable)
		proc_environ((pid_t)json_int(args, "pid", 0), backend->queue->home_variable, &home, &known);
	autofree char *variable = home ? xasprintf("%s=%s", backend->queue->home_variable, home) : NULL;
	const char *set[] = {variable, NULL};
	char **env = env_edit(NULL, NULL, set);
	const char **argv = xcalloc(json_array_size(command) + 1, sizeof(*argv));
	for (size_t i = 0; i < json_array_size(command); i++)
		argv[i] = json_string_value(json_array_get(command, i));
	autostrbuf output = STRBUF_INIT(2 * HOOK_OUTPUT_MAX), errout = STRBUF_INIT(HOOK_OUTPUT_MAX);
	struct spawn s = {.argv = argv,
			  .env = (const char *const *)env,
			  .out = &output,
			  .errout = &errout,
			  .timeout = HANDOVER_LIMIT,
			  .new_session = true};
	int status = 0;
	code = spawn_run(&s, &status, err);
	free(argv);
	env_free(env);
	strbuf_addstr(&output, strbuf_str(&errout));
	if (!code)
		code = backend->queue->result(status, strbuf_str(&output), output.len, err);
	if (!code)
		*ret = json_object();
	return code;
}

static const struct {
	const char *kind;
	int (*work)(const json_t *args, json_t **ret, struct error *err);
} workers[] = {
	{"handover", run_handover},	  {"hook", run_hook},
	{"land.build", repo_land_build},  {"land.move", repo_land_move},
	{"repo.describe", repo_describe}, {"session.locate", repo_describe},
	{"repo.facts", repo_facts},	  {"repo.find", repo_find},
	{"repo.list", repo_list},	  {"trash.purge", repo_purge},
	{"worktree.create", repo_create}, {"worktree.in_use", repo_in_use},
	{"worktree.remove", repo_remove}, {"worktree.restore", repo_restore},
};

static int read_input(json_t **ret, struct error *err)
{
	autostrbuf text = STRBUF_INIT(INPUT_MAX);
	ssize_t n;
	do {
		char *to = strbuf_reserve(&text, 65536);
		if (!to)
			return error_set(err, ERR_TOO_LARGE, "the worker's input is too large");
		n = read(STDIN_FILENO, to, 65536);
		if (n > 0)
			strbuf_setlen(&text, text.len + (size_t)n);
	} while (n > 0);
	return json_parse(strbuf_str(&text), text.len, ret, err);
}

char *worker_lock_dir(const char *home)
{
	return path_join(home, "run");
}

char *worker_lock_path(const char *home, const char *effect)
{
	return xasprintf("%s/run/effect-%s.lock", home, effect);
}

/* Whether whoever started this worker is gone, and the answer's pipe with it. */
static bool nobody_listens(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
	return poll(&out, 1, 0) == 1 && (out.revents & POLLERR); /* a worker handles no signal */
}

/* Only under the lock is it sure that the effect is still to be carried out: a daemon that was started since
 * may have had it done, and gone on from there. Then nobody listens here any more, and whoever has to do it,
 * if it is still to be done, waits for this lock. */
static int lock_effect(const char *home, const char *effect, int *ret_fd, struct error *err)
{
	autofree char *dir = worker_lock_dir(home);
	autofree char *path = worker_lock_path(home, effect);
	int code = dir_make_private(dir, err);
	if (!code)
		code = lock_take(path, LOCK_WAIT | LOCK_INHERIT, ret_fd, err);
	if (!code && nobody_listens())
		code = error_set(err, ERR_CONFLICT, "the daemon that wanted effect %s is gone", effect);
	return code;
}

static int work(const char *home, const char *kind, const char *effect, json_t **ret, struct error *err)
{
	json_auto_t *args = NULL;
	autoclose int lock = -1;
	int code = read_input(&args, err);
	if (!code && effect)
		code = lock_effect(home, effect, &lock, err);
	for (size_t i = 0; !code && i < ARRAY_SIZE(workers); i++)
		if (strcmp(workers[i].kind, kind) == 0)
			return workers[i].work(args, ret, err);
	return code ? code : error_set(err, ERR_INTERNAL, "there is no worker '%s'", kind);
}

int worker_main(const char *home, const char *kind, const char *effect)
{
	autoerror err = {0};
	json_t *result = NULL;
	int code = work(home, kind, effect, &result, &err);
	json_auto_t *answer =
		code ? error_to_json(&err) : json_pack("{s:o}", "ok", result ? result : json_object());
	autofree char *text = json_text(answer);
	(void)puts(text); /* a daemon that no longer reads takes it from the next try */
	if (fflush(stdout) != 0)
		return 1;
	return code ? 1 : 0;
}

/* Running gates; see gate.h.
 *
 * What a gate runs is the agent's code. So nothing that it could have written decides what git does
 * afterwards: git looks at the worktree with the repository's own configuration (the GIT_DIR of the
 * worktree, with its config.worktree, is used before the first command only) and with a copy of the
 * index that was taken before the first command. */
#include "repo/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "os/file.h"
#include "os/lock.h"
#include "os/spawn.h"
#include "repo/git.h"
#include "repo/land_file.h"

enum { COMMAND_SHOWN = 200 }; /* bytes of a command in a reason */

struct gate {
	const struct gate_spec *spec;
	char *tree;	/* the worktree's folder */
	char *admin;	/* its entry in <common dir>/worktrees */
	char *index;	/* our copy of its index */
	char **env;	/* of the commands */
	struct git git; /* the worktree as the repository's own configuration sees it */
};

#define autogate _cleanup_(gate_release) struct gate

static void gate_release(struct gate *g)
{
	free(g->tree);
	free(g->admin);
	free(g->index);
	env_free(g->env);
	git_release(&g->git);
}

static int check_argv(const json_t *argv, struct error *err)
{
	size_t i;
	json_t *arg;
	json_array_foreach(argv, i, arg)
	{
		if (!json_is_string(arg) || json_string_length(arg) > GATE_COMMAND_MAX)
			return error_set(err, ERR_INVALID,
					 "a gate's argument list holds strings of at most %d bytes",
					 GATE_COMMAND_MAX);
	}
	return json_array_size(argv) > 0 ? 0 : error_set(err, ERR_INVALID, "a gate's argument list is empty");
}

int gate_check(const json_t *commands, struct error *err)
{
	size_t i;
	json_t *command;
	if (!json_is_array(commands) || json_array_size(commands) > GATE_COMMANDS_MAX)
		return error_set(err, ERR_INVALID, "a gate is a list of at most %d commands",
				 GATE_COMMANDS_MAX);
	json_array_foreach(commands, i, command)
	{
		if (json_is_string(command) && json_string_length(command) <= GATE_COMMAND_MAX)
			continue;
		if (!json_is_array(command))
			return error_set(
				err, ERR_INVALID,
				"a gate command is a string of at most %d bytes or a list of arguments",
				GATE_COMMAND_MAX);
		int r = check_argv(command, err);
		if (r)
			return r;
	}
	return 0;
}

/* ---- the worktree ---- */

/* The main worktree's sparse patterns are copied by `worktree add`; the gate gets the whole tree. */
#define WHOLE_TREE                                                                                           \
	"GIT_CONFIG_COUNT=2", "GIT_CONFIG_KEY_0=core.sparseCheckout", "GIT_CONFIG_VALUE_0=false",            \
		"GIT_CONFIG_KEY_1=submodule.recurse", "GIT_CONFIG_VALUE_1=false"

static int add_worktree(struct gate *g, struct error *err)
{
	const struct land_scratch *s = g->spec->scratch;
	autofree char *lock = path_join(s->common_dir, "coppice.lock");
	autoclose int lock_fd = -1;
	autogit common = GIT_INIT;
	int r = lock_take(lock, LOCK_WAIT, &lock_fd, err); /* W1: one registration at a time */
	if (r)
		return r;
	git_at(s->common_dir, s->common_dir, NULL, &common);
	common.lock_fd = lock_fd;
	/* Locked, so that nobody's `git worktree prune` takes it; the reason is for people. */
	const char *const args[] = {"worktree",
				    "add",
				    "--detach",
				    "--lock",
				    "--reason",
				    "coppice: the gate of a landing runs here",
				    "--no-checkout",
				    "--end-of-options",
				    g->tree,
				    g->spec->commit,
				    NULL};
	return git_run_worktree(&common, args, NULL, err);
}

static int check_out(struct gate *g, struct error *err)
{
	const char *common_dir = g->spec->scratch->common_dir;
	autogit own = GIT_INIT;
	git_at(common_dir, g->admin, g->tree, &own);
	static const char *const env[] = {WHOLE_TREE, NULL};
	const char *const args[] = {"read-tree", "--reset", "-u", g->spec->commit, NULL};
	int r = git_run_with(&own, 0, args, NULL, 0, env, NULL, NULL, err);
	autofree char *index = path_join(g->admin, "index");
	return r ? r : land_file_copy(index, g->index, err);
}

/* What a command inherits of our GIT_* variables; all others would tie it to some repository. */
static const char *const kept[] = {"GIT_AUTHOR_NAME",	  "GIT_AUTHOR_EMAIL",  "GIT_COMMITTER_NAME",
				   "GIT_COMMITTER_EMAIL", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM",
				   "GIT_CONFIG_SYSTEM",	  "GIT_SSH",	       "GIT_SSH_COMMAND",
				   "GIT_ASKPASS",	  "COPPICE_HOME"};

static char **gate_env(const char *tree)
{
	static const char *const drop[] = {"GIT_*", "COPPICE_*", "TMUX", "TMUX_PANE", "OLDPWD", NULL};
	char *owned[ARRAY_SIZE(kept) + 2];
	const char *set[ARRAY_SIZE(kept) + 3] = {NULL};
	size_t n = 0;
	owned[n++] = xasprintf("PWD=%s", tree);
	owned[n++] = xstrdup("GIT_TERMINAL_PROMPT=0");
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		const char *value = getenv(kept[i]);
		if (value)
			owned[n++] = xasprintf("%s=%s", kept[i], value);
	}
	for (size_t i = 0; i < n; i++)
		set[i] = owned[i];
	char **env = env_edit(NULL, drop, set);
	for (size_t i = 0; i < n; i++)
		free(owned[i]);
	return env;
}

static int gate_open(const struct gate_spec *spec, struct gate *g, struct error *err)
{
	const struct land_scratch *s = spec->scratch;
	autofree char *entries = path_join(s->common_dir, "worktrees");
	g->spec = spec;
	g->tree = path_join(s->path, s->name);
	g->admin = path_join(entries, s->name);
	g->index = path_join(s->path, "index");
	g->env = gate_env(g->tree);
	git_at(s->common_dir, s->common_dir, g->tree, &g->git);
	/* The worker's own locks are inherited by its children, and whoever has one can let it go. From Linux
	 * 5.11 on this cannot fail. */
	(void)close_range(STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC);
	int r = dir_make(spec->log_dir, 0700, err);
	if (r == 0)
		r = add_worktree(g, err);
	return r ? r : check_out(g, err);
}

/* ---- what a command left behind ---- */

static int run_on_copy(struct gate *g, unsigned flags, const char *const *args, struct strbuf *out,
		       struct error *err)
{
	autofree char *index = xasprintf("GIT_INDEX_FILE=%s", g->index);
	const char *const env[] = {WHOLE_TREE, index, NULL};
	int status;
	return git_run_with(&g->git, flags, args, NULL, 0, env, out, flags & GIT_QUIET ? &status : NULL, err);
}

/* Tracked files that differ from the tree, into `ret` (a list, empty if none). */
static int list_changed(struct gate *g, json_t **ret, struct error *err)
{
	const char *const refresh[] = {"update-index", "-q", "--refresh", NULL};
	const char *const diff[] = {"diff-files", "-z", "--name-only", "--ignore-submodules=all", NULL};
	autostrbuf out = STRBUF_INIT(GIT_OUTPUT_MAX);
	int r = run_on_copy(g, GIT_QUIET, refresh, NULL, err); /* says by its status that some differ */
	if (r == 0)
		r = run_on_copy(g, 0, diff, &out, err);
	if (r)
		return r;
	json_t *list = json_array();
	const char *p = strbuf_str(&out), *end = p + out.len;
	for (; p < end && json_array_size(list) < GATE_CHANGED_MAX; p += strlen(p) + 1)
		json_array_append_new(list, json_lossy_string(p, strlen(p)));
	*ret = list;
	return 0;
}

static bool head_moved(const struct gate *g)
{
	autofree char *path = path_join(g->admin, "HEAD");
	autostrbuf text = STRBUF_INIT(4096);
	if (file_read(path, &text, NULL))
		return true;
	size_t n = strlen(g->spec->commit);
	return strncmp(strbuf_str(&text), g->spec->commit, n) != 0 || strcmp(text.buf + n, "\n") != 0;
}

static int put_back(struct gate *g, struct error *err)
{
	const char *const args[] = {"checkout-index", "-q", "-f", "-u", "-a", NULL};
	autofree char *head = path_join(g->admin, "HEAD"), *index = path_join(g->admin, "index");
	autofree char *line = xasprintf("%s\n", g->spec->commit);
	int r = run_on_copy(g, 0, args, NULL, err);
	if (r == 0)
		r = file_replace(head, line, strlen(line), 0644, err);
	return r ? r : land_file_copy(g->index, index, err);
}

/* Notes what the command did to the worktree, and makes that undone. */
static int settle(struct gate *g, json_t *record, struct error *err)
{
	json_auto_t *changed = NULL;
	int r = list_changed(g, &changed, err);
	if (r)
		return r;
	bool moved = head_moved(g);
	if (json_array_size(changed) == 0 && !moved)
		return 0;
	if (json_array_size(changed) > 0)
		json_object_set(record, "changed", changed);
	json_object_set_new(record, "moved_head", json_boolean(moved));
	return put_back(g, err);
}

/* ---- one command ---- */

/* The arguments to run: what confines, then the command; `ret` ends in NULL and points into both. */
static const char **command_argv(const json_t *confine, const json_t *command)
{
	static const char *const shell[] = {"/bin/sh", "-c"};
	size_t n = 0, cap = json_array_size(confine) + json_array_size(command) + ARRAY_SIZE(shell) + 2;
	const char **argv = xcalloc(cap, sizeof(*argv));
	for (size_t i = 0; i < json_array_size(confine); i++)
		argv[n++] = json_string_value(json_array_get(confine, i));
	if (json_is_string(command)) {
		argv[n++] = shell[0];
		argv[n++] = shell[1];
		argv[n++] = json_string_value(command);
	}
	for (size_t i = 0; i < json_array_size(command); i++)
		argv[n++] = json_string_value(json_array_get(command, i));
	return argv;
}

/* The command as a line for people: arguments quoted as a shell would need them. */
static char *command_text(const json_t *command)
{
	if (json_is_string(command))
		return xstrdup(json_string_value(command));
	autostrbuf text = STRBUF_INIT((size_t)GATE_COMMAND_MAX * 8);
	size_t i;
	json_t *arg;
	json_array_foreach(command, i, arg)
	{
		const char *s = json_string_value(arg);
		strbuf_addstr(&text, i ? " " : "");
		if (*s && !strpbrk(s, " \t\n'\"\\$`&|;<>()*?[]{}#~!")) {
			strbuf_addstr(&text, s);
			continue;
		}
		strbuf_addch(&text, '\'');
		for (; *s; s++) {
			if (*s == '\'')
				strbuf_addstr(&text, "'\\'");
			strbuf_addch(&text, *s);
		}
		strbuf_addch(&text, '\'');
	}
	return strbuf_detach(&text);
}

/* Keeps the end of a log that grew beyond its limit. A log that cannot be shortened is still a log. */
static void trim_log(const char *path)
{
	enum { CHUNK = 1 << 16 };
	static const char note[] = "[the beginning of this log was dropped]\n";
	/* Not the descriptor that the command had: that one only ever appends. */
	autoclose int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= GATE_LOG_MAX)
		return;
	off_t from = st.st_size - GATE_LOG_MAX / 2, to = pwrite(fd, note, strlen(note), 0);
	autofree char *buf = xmalloc(CHUNK);
	for (ssize_t n; to > 0 && (n = pread(fd, buf, CHUNK, from)) > 0; from += n, to += n)
		if (pwrite(fd, buf, (size_t)n, to) != n)
			return;
	(void)(to > 0 && ftruncate(fd, to) < 0);
}

static int64_t seconds_since(const struct timespec *start)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for a clock that always exists */
	return now.tv_sec - start->tv_sec;
}

/* One try. `ret_status`: the exit status, -1 when it timed out, -2 when there is no such program. */
static int try_once(struct gate *g, const char *const *argv, int log_fd, int *ret_status, struct error *err)
{
	const struct spawn s = {
		.argv = argv,
		.env = (const char *const *)g->env,
		.cwd = g->tree,
		.log_fd = log_fd,
		.timeout = g->spec->timeout,
		.new_session = true,
	};
	autoerror why = {0};
	int r = spawn_run(&s, ret_status, &why);
	if (r == ERR_TIMED_OUT || r == ERR_MISSING) {
		dprintf(log_fd, "[%s]\n", why.message);
		*ret_status = r == ERR_TIMED_OUT ? -1 : -2;
		return 0;
	}
	return r ? error_set(err, (enum error_code)r, "%s", why.message) : 0;
}

static void note_run(json_t *record, int status, int64_t seconds)
{
	const char *result = status == 0 ? "passed" : status == -1 ? "timed_out" : "failed";
	json_t *run =
		json_pack("{s:s, s:o, s:I}", "result", result, "status",
			  status < 0 ? json_null() : json_integer(status), "seconds", (json_int_t)seconds);
	json_array_append_new(json_object_get(record, "runs"), run);
}

static char *failure_text(const struct gate *g, const json_t *record, int status)
{
	const char *command = json_str(record, "command"), *log = json_str(record, "log");
	autostrbuf shown = STRBUF_INIT(4 * COMMAND_SHOWN + 16);
	size_t len = strlen(command);
	text_escape(command, len > COMMAND_SHOWN ? COMMAND_SHOWN : len, false, &shown);
	strbuf_addstr(&shown, len > COMMAND_SHOWN ? "…" : "");
	json_int_t tries = json_int(record, "tries", 0);
	autofree char *how = status == -1   ? xasprintf("did not end within %lld s",
							(long long)(g->spec->timeout / USEC_PER_SEC))
			     : status == -2 ? xstrdup("could not be started: there is no such program")
			     : status > 128 ? xasprintf("was ended by signal %d", status - 128)
					    : xasprintf("failed with status %d", status);
	return xasprintf("the gate `%s` %s (%lld %s); see %s", strbuf_str(&shown), how, (long long)tries,
			 tries == 1 ? "try" : "tries", log);
}

static int open_log(const struct gate *g, size_t number, char **ret_path, int *ret_fd, struct error *err)
{
	autofree char *name = xasprintf("%s-%zu.log", g->spec->id, number);
	autofree char *path = path_join(g->spec->log_dir, name);
	/* A new file: an orphan of an earlier run may still write into the old one. */
	if (unlink(path) < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot replace the log %s", path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, errno, "cannot create the log %s", path);
	*ret_path = TAKE_PTR(path);
	*ret_fd = fd;
	return 0;
}

/* Runs one command to its last try; `ret_status` is that of the last one. */
static int run_command(struct gate *g, const json_t *command, size_t number, json_t *runs, int *ret_status,
		       struct error *err)
{
	autofree char *log = NULL, *text = command_text(command);
	autofree const char **argv = command_argv(g->spec->confine, command);
	autoclose int fd = -1;
	int status = -2, tries = 0, r = open_log(g, number, &log, &fd, err);
	if (r)
		return r;
	json_t *record =
		json_pack("{s:o, s:s, s:s, s:i, s:s, s:[]}", "command", json_lossy_string(text, strlen(text)),
			  "result", "failed", "tree", g->spec->tree, "tries", 0, "log", log, "runs");
	json_array_append_new(runs, record);
	do {
		struct timespec start;
		(void)clock_gettime(CLOCK_MONOTONIC, &start); /* cannot fail for a clock that always exists */
		dprintf(fd, "[try %d of %d on tree %s]\n$ %s\n", ++tries, g->spec->tries, g->spec->tree,
			text);
		r = try_once(g, argv, fd, &status, err);
		if (r == 0)
			r = settle(g, record, err);
		if (r)
			return r;
		note_run(record, status, seconds_since(&start));
		trim_log(log);
	} while (status != 0 && status != -2 && tries < g->spec->tries);
	json_object_set_new(record, "tries", json_integer(tries));
	json_object_set_new(record, "result", json_string(status == 0 ? "passed" : "failed"));
	*ret_status = status;
	return 0;
}

int gate_run(const struct gate_spec *spec, json_t **ret_runs, char **ret_failure, struct error *err)
{
	autogate g = {.git = GIT_INIT};
	json_auto_t *runs = json_array();
	autofree char *failure = NULL;
	int status = 0, r = gate_open(spec, &g, err);
	if (r)
		return r;
	for (size_t i = 0; i < json_array_size(spec->commands) && status == 0; i++) {
		r = run_command(&g, json_array_get(spec->commands, i), i + 1, runs, &status, err);
		if (r)
			return r;
	}
	if (status != 0)
		failure = failure_text(&g, json_array_get(runs, json_array_size(runs) - 1), status);
	*ret_runs = TAKE_PTR(runs);
	*ret_failure = TAKE_PTR(failure);
	return 0;
}

/* The checks of `coppice doctor`; see doctor.h. Each is a function that adds what it found. */
#include "cli/doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config.h"
#include "base/json.h"
#include "base/timeval.h"
#include "ops/client.h"
#include "cli/out.h"
#include "os/file.h"
#include "os/kernel.h"
#include "os/sandbox.h"
#include "os/lock.h"
#include "os/paths.h"
#include "os/spawn.h"
#include "term/tmux.h"

enum {
	OUTPUT_MAX = 64 * 1024,
	CONFIG_MAX = 1 << 20,
	LANDLOCK_WANTED = 1, /* Linux 5.13 */
	SCOPES_WANTED = 6,   /* Linux 6.12 */
	FREE_WANTED = 64 << 20,
};

#define LIMIT (5 * USEC_PER_SEC)

struct doctor {
	const char *dir;
	json_t *checks;
	struct paths paths;
	bool has_paths;
	bool has_git, has_tmux; /* without them, what they would tell is not asked */
	struct config *config;	/* the defaults where the user's is not valid */
};

enum result { OK, WARN, FAIL };

void doctor_add(json_t *checks, const char *name, const char *result, const char *cure, const char *detail)
{
	json_t *check = json_object();
	json_set_str(check, "name", name);
	json_set_str(check, "result", result);
	json_set_str(check, "detail", detail);
	json_set_str(check, "cure", cure);
	json_array_append_new(checks, check);
}

static void _printf_(5, 6)
	add(struct doctor *d, const char *name, enum result result, const char *cure, const char *fmt, ...)
{
	static const char *const results[] = {[OK] = "ok", [WARN] = "warn", [FAIL] = "fail"};
	autostrbuf detail = STRBUF_INIT(OUTPUT_MAX * 4);
	va_list ap;
	va_start(ap, fmt);
	strbuf_vaddf(&detail, fmt, ap);
	va_end(ap);
	doctor_add(d->checks, name, results[result], cure, strbuf_str(&detail));
}

static void add_error(struct doctor *d, const char *name, enum result result, const struct error *err,
		      const char *cure)
{
	add(d, name, result, err->hint ? err->hint : cure, "%s", err->message);
}

int doctor_run(const char *const *argv, struct strbuf *out, struct error *err)
{
	static const char *const drop[] = {"TMUX", "TMUX_PANE", NULL};
	static const char *const set[] = {"LC_ALL=C", NULL};
	char **env = env_edit(NULL, drop, set);
	union {
		char **in;
		const char *const *out;
	} given = {env};
	struct spawn s = {.argv = argv, .env = given.out, .out = out, .errout = out, .timeout = LIMIT};
	int status = -1;
	int code = spawn_run(&s, &status, err);
	env_free(env);
	return code ? -1 : status;
}

json_t *doctor_ask(const char *op, const json_t *args, struct error *err)
{
	autoclient *client = NULL;
	json_t *answer = NULL;
	if (client_open_default(0, &client, err))
		return NULL;
	client_set_limit(client, LIMIT);
	return client_call(client, op, args, NULL, &answer, err) ? NULL : answer;
}

/* --- programs --- */

/* The number at the first digit from `*text` on, 0 if there is none; `*text` goes behind it. */
static int64_t next_number(const char **text)
{
	int64_t value = 0;
	const char *p = *text + strcspn(*text, "0123456789");
	size_t len = strspn(p, "0123456789");
	autofree char *digits = xstrndup(p, len);
	*text = p + len;
	return number_parse(digits, 0, INT32_MAX, &value, NULL) == 0 ? value : 0;
}

/* Whether the version in "git version 2.39.5" is that or newer. */
static bool at_least(const char *text, int64_t major, int64_t minor)
{
	int64_t first = next_number(&text);
	int64_t second = *text == '.' ? next_number(&text) : 0;
	return first > major || (first == major && second >= minor);
}

static bool git_ok(const char *text)
{
	return at_least(text, 2, 38);
}

/* Whether the program is there at all. */
static bool check_program(struct doctor *d, const char *name, const char *flag, const char *wanted,
			  bool (*ok)(const char *text))
{
	const char *const argv[] = {name, flag, NULL};
	autostrbuf text = STRBUF_INIT(OUTPUT_MAX);
	autofree char *path = NULL, *cure = xasprintf("install %s %s or newer", name, wanted);
	autoerror err = {0};
	if (program_find(name, NULL, &path, &err)) {
		add_error(d, name, FAIL, &err, cure);
		return false;
	}
	int status = doctor_run(argv, &text, &err);
	autofree char *line = xstrndup(strbuf_str(&text), strcspn(strbuf_str(&text), "\n"));
	if (status != 0)
		add(d, name, FAIL, cure, "%s does not run: %s", path, err.message ? err.message : line);
	else if (!ok(line))
		add(d, name, FAIL, cure, "%s at %s is too old", line, path);
	else
		add(d, name, OK, NULL, "%s at %s", line, path);
	return true;
}

static void check_git(struct doctor *d)
{
	d->has_git = check_program(d, "git", "--version", "2.38", git_ok);
}

static void check_tmux(struct doctor *d)
{
	d->has_tmux = check_program(d, "tmux", "-V", "3.2", tmux_version_ok);
}

static void check_kernel(struct doctor *d)
{
	if (kernel_has_pidfd())
		add(d, "kernel", OK, NULL, "Linux %s, with pidfd", kernel_release());
	else
		add(d, "kernel", FAIL, "run Linux 5.13 or newer; in a container, allow pidfd_open",
		    "Linux %s has no pidfd: the end of processes cannot be noticed", kernel_release());
}

static void check_landlock(struct doctor *d)
{
	int abi = kernel_landlock_abi();
	if (abi >= LANDLOCK_WANTED)
		add(d, "landlock", OK, NULL, "version %d", abi);
	else
		add(d, "landlock", WARN,
		    "run Linux 5.13 or newer with landlock among its LSMs (lsm=landlock,…)",
		    "none: agents can be started without a sandbox only");
}

/* Tried, for whether a user may make namespaces is settled in many places. */
static void check_sandbox(struct doctor *d)
{
	int abi = kernel_landlock_abi();
	autoerror err = {0};
	if (abi < LANDLOCK_WANTED)
		return; /* said already */
	if (sandbox_check(&err))
		add(d, "sandbox", WARN, err.hint, "agents can be started without a sandbox only: %s",
		    err.message);
	else if (abi < SCOPES_WANTED)
		add(d, "sandbox", OK, NULL,
		    "works; signals and abstract sockets of others are in reach before Linux 6.12");
	else
		add(d, "sandbox", OK, NULL, "works");
}

/* --- folders --- */

/* Whether the folder is the user's alone; adds a failure if not. */
static bool check_private(struct doctor *d, const char *name, const char *path)
{
	struct stat st;
	autofree char *word = out_word(path), *cure = xasprintf("chmod 700 %s", word);
	if (lstat(path, &st) < 0) {
		add(d, name, FAIL, NULL, "cannot look at %s: %s", path, strerrordesc_np(errno));
		return false;
	}
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid()) {
		add(d, name, FAIL, "move it away", "%s is no folder of yours", path);
		return false;
	}
	if (st.st_mode & (S_IRWXG | S_IRWXO)) {
		add(d, name, FAIL, cure, "%s is open to other users", path);
		return false;
	}
	return true;
}

/* The first folder on the way up that is there. Caller frees. */
static char *existing_parent(const char *path)
{
	char *parent = xstrdup(path);
	while (access(parent, F_OK) < 0 && strrchr(parent, '/') > parent)
		*strrchr(parent, '/') = '\0';
	return parent;
}

static void check_folder(struct doctor *d, const char *name, const char *path, bool local)
{
	autofree char *parent = existing_parent(path);
	autoerror err = {0};
	bool there = strcmp(parent, path) == 0;
	if (there && !check_private(d, name, path))
		return;
	if (local && path_check_local(parent, &err))
		add_error(d, name, FAIL, &err, "set COPPICE_HOME to a folder on a local disk");
	else if (!there && access(parent, W_OK) < 0)
		add(d, name, FAIL, "make it writable, or choose another place",
		    "%s is not there, and %s cannot be written to", path, parent);
	else
		add(d, name, OK, NULL, "%s%s", path, there ? "" : " (made when it is first needed)");
}

static void check_state(struct doctor *d)
{
	autoerror err = {0};
	d->has_paths = paths_find(&d->paths, &err) == 0;
	if (d->has_paths)
		check_folder(d, "state", d->paths.home, true);
	else
		add_error(d, "state", FAIL, &err, "set COPPICE_HOME");
}

static void check_runtime(struct doctor *d)
{
	if (d->has_paths)
		check_folder(d, "runtime", d->paths.runtime, false);
}

static void check_disk(struct doctor *d)
{
	if (!d->has_paths)
		return;
	autofree char *parent = existing_parent(d->paths.home);
	autoerror err = {0};
	uint64_t bytes = 0, wanted = config_size(d->config, "worktrees.min_free");
	char text[32];
	if (path_free_space(parent, &bytes, &err))
		add_error(d, "disk", FAIL, &err, NULL);
	else if (bytes < FREE_WANTED)
		add(d, "disk", FAIL, "make room: coppice trash list", "%s free at %s",
		    out_size(bytes, text, sizeof(text)), parent);
	else if (bytes < wanted)
		add(d, "disk", WARN, "make room, or lower worktrees.min_free",
		    "%s free at %s: less than worktrees.min_free", out_size(bytes, text, sizeof(text)),
		    parent);
	else
		add(d, "disk", OK, NULL, "%s free at %s", out_size(bytes, text, sizeof(text)), parent);
}

/* --- the configuration --- */

/* The file's text into `text`; NULL when there is none. */
static const char *read_layer(struct doctor *d, const char *path, struct strbuf *text)
{
	autoerror err = {0};
	int code = file_read(path, text, &err);
	if (code && code != ERR_NOT_FOUND)
		add_error(d, "configuration", FAIL, &err, "make it a readable file");
	return code ? NULL : strbuf_str(text);
}

/* .coppice.yaml of the repository that `dir` is in; NULL outside of one. Caller frees. */
static char *repo_file(const char *dir)
{
	const char *const argv[] = {"git", "-C", dir, "rev-parse", "--show-toplevel", NULL};
	autostrbuf out = STRBUF_INIT(OUTPUT_MAX);
	if (doctor_run(argv, &out, NULL) != 0 || out.len < 2)
		return NULL;
	strbuf_setlen(&out, out.len - 1);
	return path_join(strbuf_str(&out), ".coppice.yaml");
}

static void check_configuration(struct doctor *d)
{
	autostrbuf user = STRBUF_INIT(CONFIG_MAX), repo = STRBUF_INIT(CONFIG_MAX);
	autofree char *own = repo_file(d->dir);
	union {
		char **in;
		const char *const *out;
	} env = {environ};
	struct config_source src = {
		.user_file = d->has_paths ? d->paths.config : NULL, .repo_file = own, .env = env.out};
	if (src.user_file)
		src.user_text = read_layer(d, src.user_file, &user);
	if (own)
		src.repo_text = read_layer(d, own, &repo);
	src.user_len = user.len;
	src.repo_len = repo.len;
	autoerror err = {0};
	if (config_parse(&src, &d->config, &err)) {
		add_error(d, "configuration", FAIL, &err,
			  "mend these; the keys and their values are in man coppice");
		if (config_parse(&(struct config_source){0}, &d->config, &err))
			abort(); /* the defaults are constants */
		return;
	}
	add(d, "configuration", OK, NULL, "%s%s%s%s", src.user_text ? src.user_file : "defaults only",
	    src.user_text || !src.user_file ? "" : "; there is no ",
	    src.user_text || !src.user_file ? "" : src.user_file,
	    src.repo_text ? ", and .coppice.yaml here" : "");
}

/* --- who lands --- */

/* A value of Git's configuration; NULL when it is not set. Caller frees. */
static char *git_value(const struct doctor *d, const char *key)
{
	const char *const argv[] = {"git", "-C", d->dir, "config", "--get", key, NULL};
	autostrbuf out = STRBUF_INIT(OUTPUT_MAX);
	if (doctor_run(argv, &out, NULL) != 0)
		return NULL;
	size_t len = strcspn(strbuf_str(&out), "\n");
	return len ? xstrndup(strbuf_str(&out), len) : NULL;
}

static void check_identity(struct doctor *d)
{
	if (!d->has_git)
		return;
	autofree char *name = git_value(d, "user.name"), *email = git_value(d, "user.email");
	if (name && email)
		add(d, "identity", OK, NULL, "%s <%s>", name, email);
	else
		add(d, "identity", FAIL,
		    name ? "git config --global user.email you@example.org"
			 : "git config --global user.name \"Your Name\"",
		    "git has no %s for your commits", name ? "user.email" : "user.name");
}

/* --- what runs --- */

/* Whether somebody holds the lock that a daemon holds while it lives. */
static bool daemon_lives(const struct doctor *d)
{
	autoclose int fd = -1;
	return d->has_paths && access(d->paths.lock, F_OK) == 0 &&
	       lock_take(d->paths.lock, 0, &fd, NULL) == ERR_CONFLICT;
}

static void check_no_daemon(struct doctor *d, const struct error *err)
{
	const char *out = getenv("COPPICE");
	autofree char *log = d->has_paths ? xasprintf("look at %s", d->paths.log) : NULL;
	if (daemon_lives(d))
		add(d, "daemon", FAIL, log, "one holds %s, but cannot be reached: %s", d->paths.lock,
		    err->message);
	else if (getenv("COPPICE_PEER") || (out && strcmp(out, "0") == 0))
		add(d, "daemon", WARN, "start it from a terminal outside: coppice status",
		    "none runs, and none is started from this session");
	else
		add(d, "daemon", OK, NULL, "none runs; the next command starts it");
}

static void check_daemon(struct doctor *d)
{
	autoerror err = {0};
	json_auto_t *status = doctor_ask("status", NULL, &err);
	const char *version = json_str(status, "version");
	if (!status && err.code == ERR_NO_DAEMON)
		check_no_daemon(d, &err);
	else if (!status)
		add_error(d, "daemon", FAIL, &err, "coppice stop; the next command starts it anew");
	else if (!version || strcmp(version, COPPICE_VERSION) != 0)
		add(d, "daemon", WARN, "coppice stop; the next command starts the new one, and agents go on",
		    "version %s runs, this is %s", version ? version : "?", COPPICE_VERSION);
	else
		add(d, "daemon", OK, NULL, "version %s, protocol %lld, pid %lld", version,
		    (long long)json_int(status, "protocol", 0), (long long)json_int(status, "pid", 0));
}

static void check_terminals(struct doctor *d)
{
	if (!d->has_tmux)
		return;
	const char *socket = config_str(d->config, "terminal.socket");
	const char *argv[8] = {"tmux"};
	size_t n = 1;
	if (socket) {
		argv[n++] = strchr(socket, '/') ? "-S" : "-L";
		argv[n++] = socket;
	}
	argv[n++] = "list-sessions";
	argv[n++] = "-F";
	argv[n] = "x";
	autostrbuf out = STRBUF_INIT(OUTPUT_MAX);
	autoerror err = {0};
	int status = doctor_run(argv, &out, &err);
	const char *text = strbuf_str(&out), *server = socket ? socket : "your server";
	size_t sessions = 0;
	for (const char *p = text; status == 0 && (p = strchr(p, '\n')); p++)
		sessions++;
	if (status < 0)
		add_error(d, "terminals", FAIL, &err, "end or repair that tmux server");
	else if (status == 0)
		add(d, "terminals", OK, NULL, "tmux (%s) answers, %zu session%s", server, sessions,
		    sessions == 1 ? "" : "s");
	else if (strstr(text, "no server running") || strstr(text, "No such file"))
		add(d, "terminals", OK, NULL, "no tmux server (%s) runs; the first agent starts it", server);
	else
		add(d, "terminals", FAIL, "end or repair that tmux server", "tmux (%s): %.*s", server,
		    (int)strcspn(text, "\n"), text);
}

static void check_agents(struct doctor *d)
{
	if (d->has_paths)
		doctor_check_agents(d->checks, d->paths.home, d->config);
}

json_t *doctor_checks(const char *dir)
{
	/* The configuration is known from check_configuration on. */
	static void (*const checks[])(struct doctor * d) = {
		check_git,    check_tmux,      check_kernel,	    check_landlock, check_sandbox,
		check_state,  check_runtime,   check_configuration, check_disk,	    check_identity,
		check_daemon, check_terminals, check_agents,
	};
	struct doctor d = {.dir = dir, .checks = json_array()};
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		checks[i](&d);
	paths_release(&d.paths);
	config_free(d.config);
	return d.checks;
}

/* Terminals on tmux; see term.h.
 *
 * Spawning. In one command line: make the window under the spawn's id as its name, set the option on its
 * pane, addressed by that name (for `new-window -d` tells no later command what it made), and give the
 * window its real name. So there is no moment between commands at which another client could come in, and
 * a crash leaves either nothing or a pane whose start command names the spawn.
 *   Whether the circle's session exists is not asked first: somebody could close it in between. Instead
 * new-window is tried, then new-session, then new-window again, for another spawn may have made the
 * session meanwhile.
 *   A user's hooks run between the commands and may rename the window; then the option is set in a second
 * line, by pane id.
 *
 * Killing. The process is looked at here (its start time is not known to tmux), pid and option by
 * tmux, in the same step as the kill. A pane's process is tmux's child, so as long as tmux shows it alive
 * its pid cannot have passed to another. */
#include "term/term.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/timeval.h"

enum {
	SPAWN_ID_MAX = 64,
	WINDOW_NAME_MAX = 256, /* bytes of a peer's name that are shown */
	LAUNCHER_MAX = 48,     /* arguments, variables counting twice */
	FIELDS = 10,	       /* of PANE_FORMAT */
	SPAWN_TRIES = 3,
	CREATING_TRY = 1, /* the second one */
};

/* In the order of parse_pane(). Tabs cannot occur in a session's name; the socket comes last. */
#define PANE_FORMAT                                                                                          \
	"#{pane_id}\t#{pane_pid}\t#{pid}\t#{session_id}\t#{window_id}\t#{pane_dead}\t"                       \
	"#{@coppice_spawn}\t#{pane_tty}\t#{session_name}\t#{socket_path}"

static int check_spawn_id(const char *id, struct error *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t n = strspn(id, allowed);
	if (n && n <= SPAWN_ID_MAX && !id[n])
		return 0;
	return error_set(err, ERR_INVALID, "not a spawn id");
}

static bool parse_number(const char *text, int64_t *ret)
{
	return number_parse(text, 0, INT32_MAX, ret, NULL) == 0;
}

#define COPY_FIELD(to, from) (snprintf((to), sizeof(to), "%s", (from)) < (int)sizeof(to))

/* One line of PANE_FORMAT, without its newline. */
static bool parse_pane(const char *line, size_t len, const char *spawn_id, struct term_pane *ret)
{
	autofree char *copy = xstrndup(line, len);
	const char *field[FIELDS];
	size_t n = 0;
	for (char *at = copy; at && n < FIELDS; n++) {
		field[n] = at;
		char *tab = n + 1 < FIELDS ? strchr(at, '\t') : NULL;
		if (tab)
			*tab++ = '\0';
		at = tab;
	}
	struct term_pane pane = {0};
	int64_t pid, server;
	if (n != FIELDS || !parse_number(field[1], &pid) || !parse_number(field[2], &server))
		return false;
	if (!COPY_FIELD(pane.pane, field[0]) || !COPY_FIELD(pane.session_id, field[3]) ||
	    !COPY_FIELD(pane.window, field[4]) || !COPY_FIELD(pane.tty, field[7]) ||
	    !COPY_FIELD(pane.session, field[8]) || !COPY_FIELD(pane.socket, field[9]))
		return false;
	pane.pid = (pid_t)pid;
	pane.server = (pid_t)server;
	pane.dead = strcmp(field[5], "1") == 0;
	pane.marked = strcmp(field[6], spawn_id) == 0;
	struct proc_stat stat;
	if (!pane.dead && proc_stat(pane.pid, &stat, NULL) == 0)
		pane.start_time = stat.start_time;
	*ret = pane;
	return true;
}

/* The first line that is one: a user's hooks may print others. */
static bool parse_first_pane(const struct tmux_reply *reply, const char *spawn_id, struct term_pane *ret)
{
	for (const char *at = reply->text; *at;) {
		size_t len = strcspn(at, "\n");
		if (parse_pane(at, len, spawn_id, ret))
			return true;
		at += len + (at[len] == '\n');
	}
	return false;
}

/* --- spawn --- */

struct spawn_request {
	struct tmux *tmux;
	char *id, *circle, *name, *cwd;
	char **launcher, **env;
	int tries;
	struct error create_error; /* why the session could not be created */
	struct term_pane pane;	   /* once it is made */
	void (*done)(void *data, const struct error *err, const struct term_pane *pane);
	void *data;
};

static char **copy_array(const char *const *from)
{
	size_t n = 0;
	while (from && from[n])
		n++;
	char **to = xcalloc(n + 1, sizeof(*to));
	for (size_t i = 0; i < n; i++)
		to[i] = xstrdup(from[i]);
	return to;
}

static void free_array(char **array)
{
	for (char **s = array; *s; s++)
		free(*s);
	free(array);
}

static void spawn_free(struct spawn_request *r)
{
	error_release(&r->create_error);
	free(r->id);
	free(r->circle);
	free(r->name);
	free(r->cwd);
	free_array(r->launcher);
	free_array(r->env);
	free(r);
}

static void spawn_finish(struct spawn_request *r, const struct error *err)
{
	r->done(r->data, err, err ? NULL : &r->pane);
	spawn_free(r);
}

static int spawn_check(const struct term_spawn *s, struct error *err)
{
	int code = check_spawn_id(s->spawn_id, err);
	if (code || (code = circle_name_check(s->circle, err)))
		return code;
	size_t n = 0, more = 0;
	bool named = false;
	for (; s->launcher[n]; n++)
		named |= strcmp(s->launcher[n], s->spawn_id) == 0;
	while (s->env && s->env[more])
		more++;
	if (n < 2 || !named || n + 2 * more > LAUNCHER_MAX)
		return error_set(err, ERR_INVALID, "not a launcher's command");
	if (s->cwd[0] != '/')
		return error_set(err, ERR_INVALID, "the working folder is not absolute");
	return 0;
}

/* The window's name: nothing in it steers a terminal or is expanded. */
static char *window_name(const char *name)
{
	autostrbuf shown = STRBUF_INIT(4 * WINDOW_NAME_MAX), literal = STRBUF_INIT(8 * WINDOW_NAME_MAX);
	text_escape(name, strnlen(name, WINDOW_NAME_MAX), false, &shown);
	tmux_format_literal(&literal, strbuf_str(&shown));
	return strbuf_detach(&literal);
}

/* new-window or new-session, with the window named by the spawn's id. */
static void add_window(const struct spawn_request *r, bool create, const char *session, struct strbuf *line)
{
	/* A folder with "#[" in its name cannot be said in a format; tmux then falls back to the home
	 * folder, and the launcher goes where it belongs by itself. */
	autostrbuf cwd = STRBUF_INIT(TMUX_LINE_MAX);
	tmux_format_literal(&cwd, r->cwd);
	const char *argv[LAUNCHER_MAX + 16] = {create ? "new-session" : "new-window",
					       "-d",
					       "-P",
					       "-F",
					       PANE_FORMAT,
					       create ? "-s" : "-t",
					       create ? r->circle : session,
					       "-n",
					       r->id,
					       "-c",
					       strbuf_str(&cwd)};
	size_t n = 11;
	for (char **e = r->env; *e; e++) {
		argv[n++] = "-e";
		argv[n++] = *e;
	}
	argv[n++] = "--";
	for (char **a = r->launcher; *a; a++)
		argv[n++] = *a;
	argv[n] = NULL;
	tmux_command(line, argv);
}

#define COMMAND(line, ...) tmux_command((line), (const char *const[]){__VA_ARGS__, NULL})

/* What makes the window Coppice's; `target` names it. */
static void add_marks(const struct spawn_request *r, const char *target, struct strbuf *line)
{
	COMMAND(line, "set-option", "-p", "-t", target, "@coppice_spawn", r->id);
	/* The window keeps the peer's name, whatever runs in it. */
	COMMAND(line, "set-option", "-w", "-t", target, "allow-rename", "off");
	COMMAND(line, "rename-window", "-t", target, "--", r->name);
	if (r->tries != CREATING_TRY)
		return;
	/* Nobody is attached to the new session yet, and the user may have set this for all. */
	COMMAND(line, "set-option", "-t", target, "destroy-unattached", "off");
	/* A server shows the errors of the user's configuration in its first pane; not in this one. */
	autofree char *cancel = xasprintf("send-keys -X -t %s cancel", target);
	COMMAND(line, "if-shell", "-F", "-t", target, "#{pane_in_mode}", cancel);
}

static void on_marked(void *data, const struct tmux_reply *reply)
{
	/* Without the mark there is still the start command; and a pane that has ended takes none. */
	struct spawn_request *r = data;
	r->pane.marked = !reply->err;
	spawn_finish(r, NULL);
}

static int spawn_try(struct spawn_request *r, struct error *err);

static void spawn_failed(struct spawn_request *r, const struct tmux_reply *reply)
{
	autoerror err = {0};
	if (!reply->err) {
		(void)error_set(&err, ERR_TERMINAL, "tmux printed no pane");
		spawn_finish(r, &err);
		return;
	}
	bool refused = reply->outcome == TMUX_REFUSED || reply->outcome == TMUX_NO_SERVER;
	if (!refused || r->tries == SPAWN_TRIES - 1) {
		spawn_finish(r, refused ? &r->create_error : reply->err);
		return;
	}
	if (r->tries == CREATING_TRY)
		(void)error_set(&r->create_error, ERR_TERMINAL, "%s", reply->err->message);
	r->tries++;
	if (spawn_try(r, &err))
		spawn_finish(r, &err);
}

static void on_spawned(void *data, const struct tmux_reply *reply)
{
	struct spawn_request *r = data;
	if (!parse_first_pane(reply, r->id, &r->pane)) {
		spawn_failed(r, reply);
		return;
	}
	r->pane.marked = !reply->err;
	autostrbuf line = STRBUF_INIT(TMUX_LINE_MAX);
	add_marks(r, r->pane.pane, &line);
	if (reply->outcome != TMUX_REFUSED || tmux_run(r->tmux, &line, on_marked, r, NULL))
		spawn_finish(r, NULL);
}

static int spawn_try(struct spawn_request *r, struct error *err)
{
	autofree char *session = xasprintf("=%s:", r->circle);
	autofree char *window = xasprintf("=%s:=%s", r->circle, r->id);
	bool create = r->tries == CREATING_TRY;
	autostrbuf line = STRBUF_INIT(TMUX_LINE_MAX);
	add_window(r, create, session, &line);
	add_marks(r, window, &line);
	return tmux_run(r->tmux, &line, on_spawned, r, err);
}

int term_spawn(struct tmux *t, const struct term_spawn *s,
	       void (*done)(void *data, const struct error *err, const struct term_pane *pane), void *data,
	       struct error *err)
{
	int code = spawn_check(s, err);
	if (code)
		return code;
	struct spawn_request *r = xcalloc(1, sizeof(*r));
	*r = (struct spawn_request){
		.tmux = t,
		.id = xstrdup(s->spawn_id),
		.circle = xstrdup(s->circle),
		.name = window_name(s->name),
		.cwd = xstrdup(s->cwd),
		.launcher = copy_array(s->launcher),
		.env = copy_array(s->env),
		.done = done,
		.data = data,
	};
	code = spawn_try(r, err);
	if (code)
		spawn_free(r);
	return code;
}

/* --- probe --- */

struct probe_request {
	char *id;
	void (*done)(void *data, const struct error *err, enum truth found, const struct term_pane *pane);
	void *data;
};

static void probe_free(struct probe_request *r)
{
	free(r->id);
	free(r);
}

static void on_probed(void *data, const struct tmux_reply *reply)
{
	struct probe_request *r = data;
	struct term_pane pane = {0}, best = {0};
	bool known = !reply->err || reply->outcome == TMUX_NO_SERVER;
	enum truth found = known ? TRUTH_NO : TRUTH_UNKNOWN;
	/* A window linked into several sessions is listed once for each. A marked pane is better than one
	 * that has the id in its start command: somebody may have typed the id. */
	for (const char *at = reply->text; found != TRUTH_UNKNOWN && *at;) {
		size_t len = strcspn(at, "\n");
		if (!parse_pane(at, len, r->id, &pane)) {
			found = TRUTH_UNKNOWN;
		} else if (found == TRUTH_NO || (pane.marked && !best.marked)) {
			best = pane;
			found = TRUTH_YES;
		}
		at += len + (at[len] == '\n');
	}
	autoerror odd = {0};
	if (found == TRUTH_UNKNOWN && known)
		(void)error_set(&odd, ERR_TERMINAL, "tmux lists its panes in an unknown form");
	const struct error *err = known ? &odd : reply->err;
	r->done(r->data, found == TRUTH_UNKNOWN ? err : NULL, found, found == TRUTH_YES ? &best : NULL);
	probe_free(r);
}

int term_probe(struct tmux *t, const char *spawn_id,
	       void (*done)(void *data, const struct error *err, enum truth found,
			    const struct term_pane *pane),
	       void *data, struct error *err)
{
	int code = check_spawn_id(spawn_id, err);
	if (code)
		return code;
	autofree char *filter = xasprintf("#{||:#{==:#{@coppice_spawn},%s},#{m:*%s*,#{pane_start_command}}}",
					  spawn_id, spawn_id);
	autostrbuf line = STRBUF_INIT(TMUX_LINE_MAX);
	COMMAND(&line, "list-panes", "-a", "-f", filter, "-F", PANE_FORMAT);
	struct probe_request *r = xcalloc(1, sizeof(*r));
	*r = (struct probe_request){.id = xstrdup(spawn_id), .done = done, .data = data};
	code = tmux_run(t, &line, on_probed, r, err);
	if (code)
		probe_free(r);
	return code;
}

/* --- kill --- */

struct kill_request {
	char *id;
	pid_t server;
	pid_t pid;
	void (*done)(void *data, const struct error *err);
	void *data;
};

/* Why tmux did not kill: `pane` is what it found instead. */
static int kill_refusal(const struct kill_request *r, const struct term_pane *pane, struct error *err)
{
	if (pane->server != r->server)
		return error_set(err, ERR_NOT_FOUND, "the pane's tmux server is gone");
	if (pane->pid != r->pid)
		return error_set(err, ERR_REFUSED, "another process (%d) is in the pane now", (int)pane->pid);
	if (!pane->marked)
		return error_set(err, ERR_REFUSED, "the pane is not marked as started by Coppice");
	return error_set(err, ERR_NOT_FOUND, "its process has ended");
}

static void kill_free(struct kill_request *r)
{
	free(r->id);
	free(r);
}

static void on_killed(void *data, const struct tmux_reply *reply)
{
	struct kill_request *r = data;
	autoerror err = {0};
	struct term_pane pane;
	/* With its last pane a server ends, perhaps before its client has left. */
	if (strncmp(reply->text, "proven\n", 7) == 0 && reply->outcome != TMUX_REFUSED) {
		r->done(r->data, NULL);
	} else if (reply->outcome == TMUX_UNKNOWN) {
		r->done(r->data, reply->err);
	} else {
		if (reply->err || !parse_first_pane(reply, r->id, &pane))
			(void)error_set(&err, ERR_NOT_FOUND, "the pane is gone");
		else if (kill_refusal(r, &pane, &err) == ERR_REFUSED)
			(void)error_hint(&err, ERR_REFUSED, "close the terminal yourself");
		r->done(r->data, &err);
	}
	kill_free(r);
}

static int kill_check(const struct term_proof *proof, enum truth alive, struct error *err)
{
	int code = check_spawn_id(proof->spawn_id, err);
	if (code)
		return code;
	const char *number = proof->pane + 1;
	if (proof->pane[0] != '%' || !*number || strspn(number, "0123456789") != strlen(number))
		return error_set(err, ERR_INVALID, "not a pane id");
	if (alive == TRUTH_UNKNOWN)
		return error_set(err, ERR_REFUSED, "cannot tell whether process %d is still the same",
				 (int)proof->pid);
	return 0;
}

int term_kill(struct tmux *t, const struct term_proof *proof,
	      void (*done)(void *data, const struct error *err), void *data, struct error *err)
{
	enum truth alive = proc_alive(proof->pid, proof->start_time);
	int code = kill_check(proof, alive, err);
	if (code)
		return code;
	/* Of a process that has ended, only its dead pane may be closed. */
	autofree char *proven = xasprintf(
		"#{&&:#{&&:#{==:#{pid},%d},#{==:#{pane_pid},%d}},#{&&:#{==:#{@coppice_spawn},%s},%s}}",
		(int)proof->server, (int)proof->pid, proof->spawn_id,
		alive == TRUTH_YES ? "1" : "#{==:#{pane_dead},1}");
	autofree char *yes = xasprintf("display-message -p proven ; kill-pane -t %s", proof->pane);
	autofree char *no = xasprintf("display-message -p -t %s '%s'", proof->pane, PANE_FORMAT);
	autostrbuf line = STRBUF_INIT(TMUX_LINE_MAX);
	COMMAND(&line, "if-shell", "-F", "-t", proof->pane, proven, yes, no);
	struct kill_request *r = xcalloc(1, sizeof(*r));
	*r = (struct kill_request){.id = xstrdup(proof->spawn_id),
				   .server = proof->server,
				   .pid = proof->pid,
				   .done = done,
				   .data = data};
	code = tmux_run(t, &line, on_killed, r, err);
	if (code)
		kill_free(r);
	return code;
}

/* --- attach --- */

/* Whether $TMUX ("socket,server pid,session number") is of that server. */
static bool inside_server(const char *tmux_env, pid_t server)
{
	const char *session = tmux_env ? strrchr(tmux_env, ',') : NULL;
	const char *at = session;
	while (at && at > tmux_env && at[-1] != ',')
		at--;
	if (!at || at == tmux_env)
		return false;
	autofree char *text = xstrndup(at, (size_t)(session - at));
	int64_t pid;
	return parse_number(text, &pid) && pid == server;
}

void term_attach_argv(const struct term_pane *pane, const char *tmux_env, char target[TERM_TARGET_SIZE],
		      const char *ret[TERM_ATTACH_ARGS])
{
	(void)snprintf(target, TERM_TARGET_SIZE, "%s:%s.%s", pane->session_id, pane->window, pane->pane);
	const char *const argv[TERM_ATTACH_ARGS] = {
		"tmux",	      "-S",
		pane->socket, inside_server(tmux_env, pane->server) ? "switch-client" : "attach-session",
		"-t",	      target,
		NULL,
	};
	memcpy(ret, argv, sizeof(argv));
}

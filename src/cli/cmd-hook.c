/* coppice hook EVENT: what an agent's own hooks call, the runtime's payload on stdin. Fast, and never in the
 * agent's way: whatever happens to Coppice, the agent goes on, and nothing is said that the runtime would
 * take for an answer. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "base/element.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "os/file.h"
#include "os/gitenv.h"
#include "os/spawn.h"

enum { PAYLOAD_MAX = 8 << 20, ANSWER_MAX = 1 << 20, WAIT_SECONDS = 7 * 86400 };

#define HOOK_LIMIT (5 * USEC_PER_SEC)

static const char rewake_transport[] = "claude-rewake";

/* Calls an operation of the running daemon; a hook never starts one: it runs inside of an agent (X1). */
static int hook_call(struct command_run *run, const char *op, const json_t *args, bool change, json_t **ret,
		     struct error *err)
{
	char key[ID_SIZE];
	int code = run->client ? 0 : client_open_default(0, &run->client, err);
	if (code)
		return code;
	client_new_key(key);
	return client_call(run->client, op, args, change ? key : NULL, ret, err);
}

/* Where and who the session is, for every operation by which it makes itself known. */
static json_t *session_args(const struct command_run *run, const struct agent_backend *backend,
			    const char *session, const char *cwd)
{
	json_t *args = json_pack("{s:s, s:i}", "backend", backend->name, "pid", (int)agent_process(backend));
	autofree char *socket = backend->link_socket ? backend->link_socket(agent_process(backend)) : NULL;
	if (socket)
		json_object_set_new(args, "hosted", json_true());
	json_set_str(args, "path", cwd ? cwd : run->dir);
	if (session)
		json_set_str(args, "session", session);
	static const struct {
		const char *variable, *key;
	} given[] = {{"COPPICE_CIRCLE", "circle"}, {"COPPICE_ROLE", "role"}};
	for (size_t i = 0; i < ARRAY_SIZE(given); i++) {
		const char *value = getenv(given[i].variable);
		if (value && *value)
			json_set_str(args, given[i].key, value);
	}
	return args;
}

/* --- a plain command as a peer --- */

static int script_event(struct command_run *run, const struct agent_backend *backend, struct error *err)
{
	json_auto_t *answer = NULL;
	if (strcmp(run->args[0], "session-end") == 0)
		return hook_call(run, "end_session", NULL, true, &answer, err);
	if (strcmp(run->args[0], "session-start") != 0)
		return 0;
	json_auto_t *args = session_args(run, backend, NULL, NULL);
	json_set_str(args, "description", option_get(run, "description"));
	return hook_call(run, "register_peer", args, true, &answer, err);
}

/* --- an agent's hook --- */

static int read_payload(json_t **ret, struct error *err)
{
	autostrbuf text = STRBUF_INIT(PAYLOAD_MAX);
	for (;;) {
		char *to = strbuf_reserve(&text, 64 << 10);
		ssize_t n = to ? read(STDIN_FILENO, to, 64 << 10) : 0;
		if (!to)
			return error_set(err, ERR_TOO_LARGE, "the payload has more than %d bytes",
					 PAYLOAD_MAX);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n <= 0)
			break;
		strbuf_setlen(&text, text.len + (size_t)n);
	}
	return json_parse(strbuf_str(&text), text.len, ret, err);
}

/* The tmux pane that this hook runs in; NULL for none. */
static json_t *pane_of(void)
{
	const char *tmux = getenv("TMUX"), *pane = getenv("TMUX_PANE");
	const char *comma = tmux ? strchr(tmux, ',') : NULL;
	if (!comma || !pane)
		return NULL;
	int64_t server = 0;
	autofree char *pid = xstrndup(comma + 1, strcspn(comma + 1, ","));
	if (number_parse(pid, 1, INT32_MAX, &server, NULL))
		return NULL;
	return json_pack("{s:s%, s:I, s:s}", "socket", tmux, (size_t)(comma - tmux), "server",
			 (json_int_t)server, "pane_id", pane);
}

/* The ways into the session that only its own process can tell of. In a process that hosts sessions the
 * environment is another session's. */
static void add_ways(json_t *args, const struct agent_backend *backend)
{
	pid_t pid = (pid_t)json_int(args, "pid", 0);
	bool hosted = json_bool(args, "hosted", false);
	json_t *pane = hosted ? NULL : pane_of();
	if (pane)
		json_object_set_new(args, "pane", pane);
	if (!hosted && backend->queue && backend->queue->reaches(pid))
		json_object_set_new(args, "queue", json_true());
}

static json_t *event_args(const struct command_run *run, const struct agent_backend *backend,
			  const struct agent_hook *hook)
{
	json_t *args = session_args(run, backend, hook->session, hook->cwd);
	json_set_str(args, "event", agent_event_name(hook->event));
	if (hook->source)
		json_set_str(args, "source", hook->source);
	if (hook->prompt)
		json_object_set_new(args, "shown", element_ids(hook->prompt, strlen(hook->prompt)));
	if (hook->denied)
		json_set_str(args, "denied", hook->denied);
	json_object_set_new(args, "continued", json_boolean(hook->continued));
	if (hook->event == AGENT_SESSION_START)
		add_ways(args, backend);
	return args;
}

static void print_answer(struct command_run *run, const struct agent_backend *backend,
			 const struct agent_hook *hook, const json_t *answer)
{
	struct agent_hook_answer a = {.context = json_str(answer, "context"),
				      .carry_on = json_str(answer, "carry_on")};
	autostrbuf out = STRBUF_INIT(ANSWER_MAX), errout = STRBUF_INIT(ANSWER_MAX);
	backend->hook_write(hook, &a, &out, &errout, &run->exit_code);
	(void)fputs(strbuf_str(&out), stdout);
	(void)fputs(strbuf_str(&errout), stderr);
}

/* Tells that the messages of the answer have been passed on: what a hook that was ended kept to itself was
 * not read. If that cannot be told, they are shown again. */
static void tell_passed_on(struct command_run *run, const json_t *answer)
{
	static const char *const keys[] = {"context", "carry_on"};
	if (fflush(stdout) || fflush(stderr))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *text = json_str(answer, keys[i]);
		json_auto_t *ids = text ? element_ids(text, strlen(text)) : NULL;
		size_t k;
		json_t *id;
		json_array_foreach(ids, k, id)
		{
			autoerror err = {0};
			json_auto_t *done = NULL;
			json_auto_t *args = json_pack("{s:O, s:s, s:s}", "id", id, "step", "submitted",
						      "transport", "hook");
			if (hook_call(run, "delivery_report", args, true, &done, &err))
				return;
		}
	}
}

static void add_export(struct strbuf *lines, const char *name, size_t len, const char *value)
{
	strbuf_addf(lines, "export %.*s=", (int)len, name);
	text_quote(value, lines);
	strbuf_addch(lines, '\n');
}

/* The session's own commands shall have git guard what is others' (W9), where its runtime lets a hook say
 * what their environment is. What Coppice started has it in its own. */
static void guard_session(const struct agent_backend *backend, const json_t *answer)
{
	const json_t *guard = json_object_get(answer, "guard");
	const char *path = backend->env_file_variable ? getenv(backend->env_file_variable) : NULL;
	const char *peer = json_str(guard, "peer"), *hooks = json_str(guard, "hooks");
	const char *given = getenv("COPPICE_GUARD"), *own = given && *given ? given : getenv("COPPICE_PEER");
	if (!path || !*path || !peer || !hooks)
		return;
	char **set = gitenv_add(NULL, "core.hooksPath", hooks);
	autostrbuf lines = STRBUF_INIT(ANSWER_MAX);
	for (char **p = set; p && *p; p++)
		add_export(&lines, *p, strcspn(*p, "="), strchr(*p, '=') + 1);
	if (set && (!own || strcmp(own, peer) != 0))
		add_export(&lines, "COPPICE_GUARD", strlen("COPPICE_GUARD"), peer);
	env_free(set);
	autoclose int fd = lines.len ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
	if (fd >= 0 && file_write_all(fd, strbuf_str(&lines), lines.len) < 0)
		(void)!ftruncate(fd, 0); /* half of a setting would keep git from running at all */
}

static int agent_hook_event(struct command_run *run, const struct agent_backend *backend, struct error *err)
{
	_cleanup_(agent_hook_release) struct agent_hook hook = {0};
	json_auto_t *payload = NULL, *answer = NULL;
	int code = read_payload(&payload, err);
	if (!code)
		code = backend->hook_read(run->args[0], payload, &hook, err);
	if (code || hook.event == AGENT_EVENT_NONE)
		return code;
	json_auto_t *args = event_args(run, backend, &hook);
	code = hook_call(run, "session_event", args, true, &answer, err);
	if (!code) {
		guard_session(backend, answer);
		print_answer(run, backend, &hook, answer);
		if (backend->hosts_sessions) /* its environment does not say which one speaks */
			client_set_session(run->client, hook.session);
		tell_passed_on(run, answer);
	}
	return code;
}

/* --- waiting to wake an idle session --- */

/* The end of each turn starts a hook that waits, and those of earlier turns still do; one is enough. The name
 * is taken for as long as this process lives, and is no file. */
static bool waits_alone(const struct agent_backend *backend)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int len = snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1, "coppice-wait-%s-%d-%d",
			   backend->name, (int)geteuid(), (int)agent_process(backend));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
	return fd < 0 || bind(fd, (const struct sockaddr *)&addr, size) == 0 || errno != EADDRINUSE;
}

/* Wakes the session with one message: what else waits comes with the turn that begins. */
static int wake_with(struct command_run *run, const struct agent_backend *backend,
		     const struct agent_hook *hook, const json_t *message, struct error *err)
{
	json_auto_t *report = json_pack("{s:O, s:s, s:s}", "id", json_object_get(message, "id"), "step",
					"submitted", "transport", rewake_transport);
	json_auto_t *done = NULL, *answer = json_pack("{s:O}", "context", json_object_get(message, "text"));
	int code = hook_call(run, "delivery_report", report, true, &done, err);
	if (!code)
		print_answer(run, backend, hook, answer);
	return code;
}

/* Runs in the background of a session until something waits for it that no better way carries. */
static int rewake(struct command_run *run, const struct agent_backend *backend, struct error *err)
{
	_cleanup_(agent_hook_release) struct agent_hook hook = {0};
	json_auto_t *payload = NULL;
	int code = read_payload(&payload, err);
	if (!code)
		code = backend->hook_read(run->args[0], payload, &hook, err);
	if (code || hook.event == AGENT_EVENT_NONE || !waits_alone(backend))
		return code;
	json_auto_t *args = json_pack("{s:s, s:i, s:i}", "transport", rewake_transport, "max", 1,
				      "wait_seconds", WAIT_SECONDS);
	client_set_limit(run->client, 0);
	for (;;) {
		json_auto_t *taken = NULL;
		code = hook_call(run, "delivery_take", args, true, &taken, err);
		const json_t *message = json_array_get(json_object_get(taken, "messages"), 0);
		if (code || message)
			return code ? code : wake_with(run, backend, &hook, message, err);
	}
}

static int run_event(struct command_run *run, struct error *err)
{
	const char *name = option_get(run, "backend");
	const struct agent_backend *backend = agent_backend_find(name ? name : "script");
	if (!backend)
		return error_set(err, ERR_UNSUPPORTED, "there is no backend '%s'", name);
	int code = client_open_default(0, &run->client, err);
	if (code)
		return code;
	client_set_limit(run->client, HOOK_LIMIT);
	if (!backend->hook_read)
		return script_event(run, backend, err);
	return strcmp(run->args[0], "wait") == 0 ? rewake(run, backend, err)
						 : agent_hook_event(run, backend, err);
}

static int run_hook(struct command_run *run, struct error *err)
{
	const char *out = getenv("COPPICE");
	if (out && strcmp(out, "0") == 0)
		return 0;
	autoerror why = {0};
	if (run_event(run, &why) && getenv("COPPICE_HOOK_DEBUG"))
		(void)fprintf(stderr, "coppice: hook %s: %s\n", run->args[0], why.message);
	(void)err; /* the agent goes on, whatever happens to its hooks */
	return 0;
}

const struct command command_hook = {
	.name = "hook",
	.summary = "For agents: report an event of the calling session",
	.usage = "EVENT [--backend BACKEND]",
	.text = "What `coppice setup` puts into an agent's settings: the runtime calls it with its own name "
		"of the "
		"event, and the payload on stdin. It never starts a daemon and always ends well, so that the "
		"agent goes "
		"on; COPPICE_HOOK_DEBUG=1 says on stderr what failed. A plain command becomes a peer by "
		"`coppice hook "
		"session-start`.",
	.examples = "coppice hook session-start --backend script\ncoppice hook SessionStart --backend "
		    "claude-code",
	.operands = "session-start|session-end",
	.options = (const struct option_entry[]){{"backend", 'b', OPTION_VALUE, "BACKEND",
						  "the session's runtime"},
						 {"description", 0, OPTION_VALUE, "TEXT", "what it works on"},
						 {0}},
	.min_args = 1,
	.max_args = 1,
	.run = run_hook,
};

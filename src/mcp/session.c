/* The session; see session.h. */
#include "mcp/session.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "os/loop.h"

enum { WATCH_SECONDS = 7 * 86400 /* in one piece: an idle session makes no system call (X2) */ };

/* Before the daemon is asked again: it may not wait, or has failed to look. */
#define REST USEC_PER_SEC

struct mcp_session {
	uv_loop_t *loop;
	struct mcp_link *link;
	const struct mcp_place *place;
	enum mcp_set chosen, known; /* MCP_SET_BY_ROLE: not */
	void (*settled)(void *data);
	void *data;
	bool begun, registered;
	const struct agent_backend *backend;
	struct mcp_call *call;	/* of the greeting */
	char *role;		/* owned; the peer's that we are, or NULL */
	struct mcp_call *watch; /* for another one */
	struct loop_timer *rest;
};

/* --- the place --- */

static char *variable(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? xstrdup(value) : NULL;
}

/* What was named, else what the runtime says, else where we are. */
static char *find_folder(const char *dir)
{
	char here[PATH_MAX];
	const char *current = getcwd(here, sizeof(here));
	autofree char *project = variable("CLAUDE_PROJECT_DIR");
	if (dir && (!current || strcmp(dir, current) != 0))
		return xstrdup(dir);
	if (project && *project == '/')
		return TAKE_PTR(project);
	return xstrdup(current ? current : "/");
}

void mcp_place_find(const char *dir, struct mcp_place *ret)
{
	const char *out = getenv("COPPICE");
	*ret = (struct mcp_place){
		.folder = find_folder(dir),
		.session = variable("CLAUDE_CODE_SESSION_ID"),
		.circle = variable("COPPICE_CIRCLE"),
		.role = variable("COPPICE_ROLE"),
		.in_peer = getenv("COPPICE_PEER") != NULL,
		.kept_out = out && strcmp(out, "0") == 0,
		.backend_of = agent_backend_of_client,
	};
}

void mcp_place_release(struct mcp_place *place)
{
	free(place->folder);
	free(place->session);
	free(place->circle);
	free(place->role);
	*place = (struct mcp_place){0};
}

/* --- the role --- */

/* Who is offered everything is no peer, and has a role that does not change. */
static void know_role(struct mcp_session *s, const json_t *self)
{
	const char *role = json_str(self, "role");
	bool named = role && strcmp(role, "unknown") != 0;
	/* What runs in an agent, or in what Coppice started, is a worker until it is known to be more. */
	s->known = named || (!s->backend && !s->place->in_peer) ? mcp_set_of_role(role) : MCP_SET_WORKER;
	free(s->role);
	s->role = named && s->known != MCP_SET_ALL ? xstrdup(role) : NULL;
}

static void watch_role(void *data);

static void on_role(void *data, json_t *answer, const struct error *err)
{
	struct mcp_session *s = data;
	const char *role = err ? s->role : json_str(answer, "role");
	s->watch = NULL;
	if (err && err->code != ERR_NOT_STORED)
		return; /* until the next greeting */
	if (!role || strcmp(role, s->role) == 0) {
		s->rest = loop_timer_start(s->loop, REST, watch_role, s);
		return;
	}
	know_role(s, answer);
	watch_role(s);
	s->settled(s->data);
}

static void stop_watching(struct mcp_session *s)
{
	mcp_link_cancel(TAKE_PTR(s->watch));
	loop_timer_stop(TAKE_PTR(s->rest));
}

static void watch_role(void *data)
{
	struct mcp_session *s = data;
	stop_watching(s);
	if (!s->role || s->chosen)
		return;
	json_auto_t *args = json_pack("{s:s, s:i}", "role", s->role, "wait_seconds", WATCH_SECONDS);
	struct mcp_request request = {.op = "await_role", .args = args, .patience = MCP_FOREVER};
	s->watch = mcp_link_call(s->link, &request, on_role, s);
}

/* --- the greeting --- */

static void ask(struct mcp_session *s, const char *op, unsigned flags, json_t *args, mcp_answer_fn answered)
{
	struct mcp_request request = {.op = op, .args = args, .flags = flags | MCP_GREETS};
	s->call = mcp_link_call(s->link, &request, answered, s);
	json_decref(args);
}

static void end_greeting(struct mcp_session *s)
{
	mcp_link_greeted(s->link);
	watch_role(s);
	s->settled(s->data);
}

static void on_whoami(void *data, json_t *answer, const struct error *err)
{
	struct mcp_session *s = data;
	s->call = NULL;
	if (!err)
		know_role(s, answer);
	end_greeting(s);
}

static void on_registered(void *data, json_t *answer, const struct error *err)
{
	struct mcp_session *s = data;
	s->call = NULL;
	s->registered = !err;
	if (err && err->code != ERR_NO_DAEMON) {
		ask(s, "whoami", 0, NULL, on_whoami);
		return;
	}
	if (!err)
		know_role(s, answer);
	end_greeting(s);
}

/* Which of the hosted sessions a call comes from is told by the call itself. Where Coppice has started the
 * host it has only one, whose role is known. */
static void on_hosted(void *data, json_t *answer, const struct error *err)
{
	struct mcp_session *s = data;
	(void)answer;
	s->call = NULL;
	if (!err && s->place->in_peer) {
		ask(s, "whoami", 0, NULL, on_whoami);
		return;
	}
	if (!err || err->code != ERR_NO_DAEMON)
		s->known = MCP_SET_WORKER;
	end_greeting(s);
}

static void register_peer(struct mcp_session *s, pid_t pid)
{
	json_t *args = json_pack("{s:s, s:i}", "backend", s->backend->name, "pid", (int)pid);
	json_set_str(args, "path", s->place->folder);
	if (s->place->session)
		json_set_str(args, "session", s->place->session);
	if (s->place->circle)
		json_set_str(args, "circle", s->place->circle);
	if (s->place->role)
		json_set_str(args, "role", s->place->role);
	ask(s, "register_peer", MCP_CHANGES, args, on_registered);
}

void mcp_session_greet(struct mcp_session *s)
{
	mcp_link_cancel(TAKE_PTR(s->call)); /* of a daemon that was lost meanwhile */
	stop_watching(s);
	if (!s->backend) {
		ask(s, "whoami", 0, NULL, on_whoami);
		return;
	}
	pid_t pid = agent_process(s->backend);
	autofree char *socket = s->backend->link_socket ? s->backend->link_socket(pid) : NULL;
	if (!socket) {
		register_peer(s, pid);
		return;
	}
	json_t *args = json_pack("{s:s, s:i}", "backend", s->backend->name, "pid", (int)pid);
	json_set_str(args, "socket", socket);
	ask(s, "link_host", MCP_CHANGES, args, on_hosted);
}

/* --- the session --- */

struct mcp_session *mcp_session_new(uv_loop_t *loop, struct mcp_link *link, const struct mcp_place *place,
				    enum mcp_set chosen, void (*settled)(void *data), void *data)
{
	struct mcp_session *s = xcalloc(1, sizeof(*s));
	*s = (struct mcp_session){.loop = loop,
				  .link = link,
				  .place = place,
				  .chosen = chosen,
				  .settled = settled,
				  .data = data};
	return s;
}

void mcp_session_free(struct mcp_session *s)
{
	if (!s)
		return;
	mcp_link_cancel(s->call);
	stop_watching(s);
	free(s->role);
	free(s);
}

void mcp_session_begin(struct mcp_session *s, const char *client_name)
{
	if (s->begun || s->place->kept_out)
		return;
	s->begun = true;
	s->backend = client_name ? s->place->backend_of(client_name) : NULL;
	mcp_link_wake(s->link);
}

enum mcp_set mcp_session_set(const struct mcp_session *s)
{
	if (s->chosen)
		return s->chosen;
	if (s->known)
		return s->known;
	return s->backend || s->place->in_peer ? MCP_SET_WORKER : MCP_SET_ALL;
}

bool mcp_session_is_settled(const struct mcp_session *s)
{
	return s->chosen || s->known || s->place->kept_out;
}

bool mcp_session_is_registered(const struct mcp_session *s)
{
	return s->registered;
}

const struct agent_backend *mcp_session_backend(const struct mcp_session *s)
{
	return s->backend;
}

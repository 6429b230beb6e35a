/* Agents' sessions; see session.h. */
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/element.h"

enum { SESSIONS_MAX = 4, HOSTED_MAX = 3 };

static const char *const elements[] = {"<coppice-message"};

static bool chance(struct sim *m, unsigned percent)
{
	return rng_chance(&m->rng, percent);
}

static int index_of(const struct sim *m, const struct session *s)
{
	return (int)(s - m->sessions);
}

bool session_lives(const struct sim *m, const struct session *s)
{
	return s->there && m->world.procs[s->proc].alive;
}

static struct session *session_new(struct sim *m, size_t proc, const char *backend)
{
	ARRAY_GROW(m->sessions, m->n_sessions, m->cap_sessions);
	struct session *s = &m->sessions[m->n_sessions];
	*s = (struct session){.backend = backend,
			      .proc = proc,
			      .there = true,
			      .next = json_array(),
			      .handed = json_array(),
			      .held = json_array(),
			      .reports = json_array()};
	(void)snprintf(s->key, sizeof(s->key), "key-%zu", m->n_sessions++);
	(void)snprintf(s->path, sizeof(s->path), "%s", chance(m, 50) ? "/sim/w0" : "/nowhere");
	return s;
}

void sessions_free(struct sim *m)
{
	for (size_t i = 0; i < m->n_sessions; i++) {
		json_decref(m->sessions[i].first);
		json_decref(m->sessions[i].next);
		json_decref(m->sessions[i].recalled);
		json_decref(m->sessions[i].handed);
		json_decref(m->sessions[i].held);
		json_decref(m->sessions[i].reports);
	}
	free(m->sessions);
}

struct session *session_by_key(struct sim *m, int64_t pid, const char *key)
{
	for (size_t i = 0; i < m->n_sessions; i++)
		if (session_lives(m, &m->sessions[i]) && strcmp(m->sessions[i].key, key) == 0 &&
		    (!pid || m->world.procs[m->sessions[i].proc].pid == pid))
			return &m->sessions[i];
	return NULL;
}

struct session *session_by_peer(struct sim *m, const char *peer)
{
	for (size_t i = m->n_sessions; i > 0; i--)
		if (session_lives(m, &m->sessions[i - 1]) && strcmp(m->sessions[i - 1].peer, peer) == 0)
			return &m->sessions[i - 1];
	return NULL;
}

int session_of(struct sim *m, int who)
{
	int found = -1;
	size_t n = 0;
	if (who < 0 || m->world.procs[who].kind != PROC_RUNTIME)
		return -1;
	for (size_t i = 0; i < m->n_sessions; i++)
		if (m->sessions[i].proc == (size_t)who && m->sessions[i].there && m->sessions[i].peer[0] &&
		    rng_below(&m->rng, ++n) == 0)
			found = (int)i;
	return found;
}

int session_asker(struct sim *m)
{
	int who = world_living(&m->world, PROC_RUNTIME);
	return session_of(m, who) >= 0 ? who : WHO_HUMAN;
}

const char *session_any_peer(struct sim *m)
{
	const char *found = NULL;
	size_t n = 0;
	for (size_t i = 0; i < m->n_sessions; i++)
		if (session_lives(m, &m->sessions[i]) && m->sessions[i].peer[0] &&
		    rng_below(&m->rng, ++n) == 0)
			found = m->sessions[i].peer;
	return found;
}

/* --- processes --- */

static void cut_off(struct sim *m, struct session *s)
{
	link_cut_session(m, index_of(m, s));
	if (s->take)
		node_close(m, s->take - 1);
	if (s->report)
		node_close(m, s->report - 1);
	s->mcp = false;
	s->take = s->report = 0;
	json_array_clear(s->handed);
	json_array_clear(s->held);
	json_array_clear(s->reports);
}

void session_process_ended(struct sim *m, const struct proc *p)
{
	size_t at = (size_t)(p - m->world.procs);
	for (size_t i = 0; i < m->n_sessions; i++)
		if (m->sessions[i].proc == at && m->sessions[i].there) {
			cut_off(m, &m->sessions[i]);
			m->sessions[i].there = false;
		}
	for (size_t i = 0; i < m->world.n_procs; i++)
		if (m->world.procs[i].parent == (int)at && m->world.procs[i].alive)
			world_end(m, &m->world.procs[i], -1);
}

/* A runtime ends by itself, and its launcher with it. */
static void end_runtime(struct sim *m, size_t proc, int exit)
{
	int parent = m->world.procs[proc].parent;
	sim_say(m, "runtime %zu ends with %d", proc, exit);
	world_end(m, &m->world.procs[proc], exit);
	if (parent >= 0 && m->world.procs[parent].alive)
		world_end(m, &m->world.procs[parent], exit);
}

static const char *runtime_of(const json_t *args)
{
	const char *first =
		json_string_value(json_array_get(json_object_get(json_object_get(args, "spec"), "argv"), 0));
	const char *slash = first ? strrchr(first, '/') : NULL;
	first = slash ? slash + 1 : first;
	if (first && strcmp(first, "claude") == 0)
		return "claude-code";
	return first && strcmp(first, "codex") == 0 ? "codex" : NULL;
}

bool session_is_runtime(const json_t *args)
{
	return runtime_of(args) != NULL;
}

void session_spawned(struct sim *m, size_t launcher, const json_t *args)
{
	static const char *const screens[] = {"login", "trust_dialog", "permission_dialog"};
	const json_t *argv = json_object_get(json_object_get(args, "spec"), "argv");
	size_t proc = world_start(&m->world, PROC_RUNTIME), i;
	json_t *word;
	m->world.procs[proc].parent = (int)launcher;
	m->world.procs[proc].tty = m->world.procs[launcher].tty;
	struct session *s = session_new(m, proc, runtime_of(args));
	(void)snprintf(s->path, sizeof(s->path), "%s", json_str(args, "cwd"));
	s->hosts = strcmp(s->backend, "codex") == 0;
	json_array_foreach(argv, i, word) if (strstr(json_string_value(word), elements[0]))
		json_array_append(s->next, word);
	if (!m->peace && chance(m, 20))
		s->screen = screens[rng_below(&m->rng, ARRAY_SIZE(screens))];
}

static void start_runtime(struct sim *m)
{
	size_t living = 0;
	for (size_t i = 0; i < m->n_sessions; i++)
		living += session_lives(m, &m->sessions[i]);
	int who = world_living(&m->world, PROC_RUNTIME);
	if (living >= SESSIONS_MAX)
		return;
	if (who >= 0 && chance(m, 40) && m->world.procs[who].parent < 0)
		for (size_t i = 0; i < m->n_sessions; i++)
			if (m->sessions[i].proc == (size_t)who && m->sessions[i].hosts) {
				struct session *s = session_new(m, (size_t)who, "codex");
				s->hosts = true;
				sim_say(m, "runtime %d begins another session %s", who, s->key);
				return;
			}
	size_t proc = world_start(&m->world, PROC_RUNTIME);
	struct session *s = session_new(m, proc, chance(m, 50) ? "claude-code" : "codex");
	s->hosts = strcmp(s->backend, "codex") == 0 && chance(m, 50);
	s->queued = strcmp(s->backend, "codex") == 0 && !s->hosts && chance(m, 70);
	if (chance(m, 15)) /* one that ended is resumed */
		for (size_t i = m->n_sessions - 1; i > 0; i--) {
			const struct session *old = &m->sessions[i - 1];
			if (session_lives(m, old) || strcmp(old->backend, s->backend) != 0 ||
			    old->hosts != s->hosts || session_by_key(m, 0, old->key))
				continue;
			memcpy(s->key, old->key, sizeof(s->key));
			break;
		}
	sim_say(m, "runtime %zu (%s%s) begins session %s", proc, s->backend, s->hosts ? ", a host" : "",
		s->key);
}

/* --- hooks --- */

static json_t *own_args(struct sim *m, const struct session *s)
{
	json_t *args = json_pack("{s:s, s:s, s:s, s:I}", "backend", s->backend, "path", s->path, "session",
				 s->key, "pid", (json_int_t)m->world.procs[s->proc].pid);
	if (s->hosts)
		json_object_set_new(args, "hosted", json_true());
	return args;
}

static void hook(struct sim *m, struct session *s, enum agent_event event, const char *source, json_t *shown)
{
	json_t *args = own_args(m, s);
	json_set_str(args, "event", agent_event_name(event));
	json_set_str(args, "source", source);
	if (shown)
		json_object_set_new(args, "shown", shown);
	if (event == AGENT_TURN_END)
		json_object_set_new(args, "continued", json_boolean(s->continued));
	if (event == AGENT_SESSION_START && !s->hosts && chance(m, 80))
		json_object_set_new(
			args, "pane",
			json_pack("{s:s, s:i, s:s}", "socket", "/sim/tmux", "server", 7, "pane_id", "%1"));
	if (event == AGENT_SESSION_START && s->queued)
		json_object_set_new(args, "queue", json_true());
	s->event = event;
	if (event == AGENT_PROMPT)
		read_asked(m, s);
	s->hook = client_send(m, index_of(m, s), "session_event", args) + 1;
}

static void set_turn(struct sim *m, struct session *s, bool working)
{
	s->working = working;
	s->awaits = false;
	if (!working)
		s->continued = false;
	link_tell(m, s, "turn", NULL, NULL);
	if (strcmp(s->backend, "claude-code") == 0)
		link_note_record(m, index_of(m, s));
}

static void read_all(struct sim *m, struct session *s, json_t *shown)
{
	size_t i;
	json_t *text;
	json_array_foreach(s->next, i, text)
	{
		json_auto_t *ids = element_ids(json_string_value(text), json_string_length(text));
		json_array_extend(shown, ids);
		read_text(m, s, json_string_value(text));
		if (s->hosts && json_array_size(ids))
			link_tell(m, s, "consumed", json_string_value(json_array_get(ids, 0)), NULL);
	}
	json_array_clear(s->next);
}

/* What the runtime has enters the model, and the user's words. Codex's own prompts call no hook. */
static void prompt(struct sim *m, struct session *s)
{
	json_t *shown = json_array();
	const json_t *first = json_array_get(s->next, 0);
	if (!s->first)
		s->first = element_ids(first ? json_string_value(first) : "",
				       first ? json_string_length(first) : 0);
	bool calls = !s->hosts || !json_array_size(s->next) || chance(m, 50);
	s->typed = s->broken_off = false;
	read_all(m, s, shown);
	set_turn(m, s, true);
	sim_say(m, "session %d is prompted", index_of(m, s));
	if (calls)
		hook(m, s, AGENT_PROMPT, NULL, shown);
	else
		json_decref(shown);
}

static void session_ends(struct sim *m, struct session *s)
{
	link_tell(m, s, "gone", NULL, NULL);
	s->working = s->awaits = s->continued = false;
	if (s->next_key[0]) { /* another one begins in its place */
		memcpy(s->key, s->next_key, sizeof(s->key));
		s->began = "clear";
		if (s->hosts) /* its id selects its peer (I3): another thread's is told anew */
			s->peer[0] = '\0';
		s->next_key[0] = '\0';
		s->started = s->linked = false;
		json_array_clear(s->next);
		json_decref(s->first);
		s->first = NULL;
		return;
	}
	size_t others = 0;
	for (size_t i = 0; i < m->n_sessions; i++)
		others += &m->sessions[i] != s && m->sessions[i].proc == s->proc && m->sessions[i].there;
	if (!others) {
		end_runtime(m, s->proc, chance(m, 70) ? 0 : 1);
		return;
	}
	cut_off(m, s);
	s->there = false;
}

/* The hook's own report, of all that it carried; it may be ended before. */
static void passed_on(struct sim *m, struct session *s, const json_t *answer)
{
	static const char *const keys[] = {"context", "carry_on"};
	for (size_t i = 0; answer && i < ARRAY_SIZE(keys); i++) {
		const char *text = json_str(answer, keys[i]);
		json_auto_t *ids = text ? element_ids(text, strlen(text)) : json_array();
		size_t k;
		json_t *id;
		json_array_foreach(ids, k, id) if (m->peace || chance(m, 95))(void) client_send(
			m, index_of(m, s), "delivery_report",
			json_pack("{s:O, s:s, s:s}", "id", id, "step", "submitted", "transport", "hook"));
	}
}

/* Its user has taken it out of the mesh: its hooks are refused for good. */
static bool is_out(struct sim *m, const struct session *s)
{
	const struct proc *p = &m->world.procs[s->proc];
	struct peer_process process = {
		.pid = (pid_t)p->pid, .start_time = (uint64_t)p->start_time, .key = s->key};
	return peer_check_retired(m->store, &process, NULL) != 0;
}

static void hook_over(struct sim *m, struct session *s, const json_t *answer)
{
	enum agent_event event = s->event;
	s->hook = 0;
	s->started = s->started || event == AGENT_SESSION_START;
	if (answer)
		read_hook(m, s, answer);
	const char *context = answer ? json_str(answer, "context") : NULL;
	const char *carry_on = answer ? json_str(answer, "carry_on") : NULL;
	if (context)
		read_text(m, s, context);
	s->broken_off = s->broken_off || (!answer && !is_out(m, s));
	passed_on(m, s, answer);
	if (event == AGENT_TURN_END && carry_on) {
		read_text(m, s, carry_on);
		s->continued = true;
	} else if (event == AGENT_TURN_END) {
		set_turn(m, s, false);
	} else if (event == AGENT_SESSION_END) {
		session_ends(m, s);
	}
}

/* A hook waits for its answer; one that hears nothing may give up. */
static void poll_hook(struct sim *m, struct session *s)
{
	const struct request *r = &m->requests[s->hook - 1];
	if (r->status) {
		json_auto_t *answer = json_incref(r->answer);
		hook_over(m, s, answer);
	} else if (!r->waiting && (m->peace || chance(m, 70))) {
		client_resend(m, s->hook - 1);
	} else if (!r->waiting || (!m->peace && chance(m, 1))) {
		sim_say(m, "session %d: its hook gives up", index_of(m, s));
		node_close(m, s->hook - 1);
		hook_over(m, s, NULL);
	}
}

static void idle(struct sim *m, struct session *s)
{
	size_t luck = rng_below(&m->rng, 100);
	if (json_array_size(s->next) || s->typed) {
		if (luck < 60)
			prompt(m, s);
	} else if (luck < 12) {
		prompt(m, s); /* its user's words */
	} else if (luck < 15) {
		static const char *const sources[] = {"clear", "resume"};
		(void)snprintf(s->next_key, sizeof(s->next_key), "key-%d-%d", index_of(m, s), m->step);
		hook(m, s, AGENT_SESSION_END, sources[rng_below(&m->rng, 2)], NULL);
	} else if (luck < 17) {
		hook(m, s, AGENT_SESSION_END, "prompt_input_exit", NULL);
	} else if (luck < 18) {
		end_runtime(m, s->proc, chance(m, 50) ? 1 : -1);
	} else if (luck < 19) {
		hook(m, s, AGENT_SESSION_START, "compact", NULL);
	}
}

static void at_work(struct sim *m, struct session *s)
{
	size_t luck = rng_below(&m->rng, 100);
	if (json_array_size(s->next) && luck < 25) {
		prompt(m, s); /* between two tool calls */
	} else if (luck < 45) {
		hook(m, s, AGENT_TOOL_END, NULL, NULL);
	} else if (luck < 80) {
		hook(m, s, AGENT_TURN_END, NULL, NULL);
	} else if (luck < 85) {
		s->awaits = true;
		hook(m, s, AGENT_AWAITS, NULL, NULL);
	} else if (luck < 87) {
		hook(m, s, AGENT_COMPACTS, NULL, NULL);
	} else if (luck < 90) { /* broken off by its user: no hook tells */
		set_turn(m, s, false);
		if (strcmp(s->backend, "codex") == 0 && !s->hosts)
			s->broken_off = true;
	} else if (luck < 91) {
		end_runtime(m, s->proc, -1);
	}
}

/* --- coppice mcp --- */

static void report(struct session *s, const char *id, const char *step)
{
	json_array_append_new(s->reports, json_pack("{s:s, s:s}", "id", id, "step", step));
}

static void poll_report(struct sim *m, struct session *s)
{
	const json_t *first = json_array_get(s->reports, 0);
	if (!s->report && first) {
		json_t *args = json_deep_copy(first);
		json_set_str(args, "transport", "claude-inbox");
		s->report = client_send(m, index_of(m, s), "delivery_report", args) + 1;
		return;
	}
	const struct request *r = s->report ? &m->requests[s->report - 1] : NULL;
	if (!r)
		return;
	if (r->status) {
		if (r->status < 500)
			json_array_remove(s->reports, 0);
		s->report = 0;
	} else if (!r->waiting) {
		client_resend(m, s->report - 1);
	}
}

static void hand_one(struct sim *m, struct session *s)
{
	json_auto_t *message = json_incref(json_array_get(s->handed, 0));
	const char *id = json_str(message, "id");
	size_t luck = m->peace ? 99 : rng_below(&m->rng, 100);
	json_array_remove(s->handed, 0);
	if (luck < 8) {
		report(s, id, "returned");
		return;
	}
	if (luck < 16) {
		json_array_append(s->held, message);
		report(s, id, "held");
		return;
	}
	bool dies = luck < 24;
	if (!dies || luck < 20) {
		sim_say(m, "session %d gets %s", index_of(m, s), id);
		json_array_append(s->next, json_object_get(message, "text"));
	}
	if (dies) {
		sim_say(m, "coppice mcp of session %d dies without a word", index_of(m, s));
		cut_off(m, s);
		return;
	}
	report(s, id, "submitted");
}

static void settle_held(struct sim *m, struct session *s)
{
	json_auto_t *message = json_incref(json_array_get(s->held, 0));
	json_array_remove(s->held, 0);
	bool released = m->peace || chance(m, 60);
	if (released)
		json_array_append(s->next, json_object_get(message, "text"));
	report(s, json_str(message, "id"), released ? "submitted" : "returned");
}

static void poll_take(struct sim *m, struct session *s)
{
	const struct request *r = s->take ? &m->requests[s->take - 1] : NULL;
	if (!r) {
		if (m->mono < s->rest || json_array_size(s->handed))
			return;
		json_t *args = json_pack("{s:s, s:i, s:i}", "transport", "claude-inbox", "max", 10,
					 "wait_seconds", 7 * 86400);
		s->take = client_send(m, index_of(m, s), "delivery_take", args) + 1;
		return;
	}
	if (r->status == 200) {
		size_t i;
		json_t *message;
		json_array_foreach(json_object_get(r->answer, "messages"), i, message)
		{
			read_handed(m, s->peer, json_str(message, "id"));
			json_array_append(s->handed, message);
		}
	}
	if (r->status) {
		s->take = 0;
		s->rest = r->status == 200 ? 0 : m->mono + USEC_PER_SEC;
	} else if (!r->waiting) {
		client_resend(m, s->take - 1);
	}
}

static void mcp_step(struct sim *m, struct session *s)
{
	if (!s->mcp) {
		s->mcp = s->peer[0] && (m->peace || chance(m, 30));
	} else if (!m->peace && chance(m, 2)) {
		sim_say(m, "coppice mcp of session %d dies", index_of(m, s));
		cut_off(m, s);
	} else if (json_array_size(s->held) && (m->peace || chance(m, 20))) {
		settle_held(m, s);
	} else if (json_array_size(s->handed)) {
		hand_one(m, s);
	} else {
		poll_take(m, s);
	}
	if (s->mcp)
		poll_report(m, s);
}

/* --- steps --- */

static void host_step(struct sim *m, struct session *s)
{
	if (!link_is_open(m, s)) {
		json_t *args = own_args(m, s);
		json_object_del(args, "path");
		json_set_str(args, "socket", "/sim/codex.sock");
		(void)client_send(m, index_of(m, s), "link_host", args);
	} else if (!s->linked) {
		size_t i;
		const json_t *id;
		s->linked = true;
		link_tell(m, s, "session", NULL, NULL);
		/* The host shows how each thread began. */
		json_array_foreach(s->first, i, id) link_tell(m, s, "consumed", json_string_value(id), NULL);
	}
}

static bool may_begin(struct sim *m, struct session *s)
{
	if (s->screen && (m->peace || chance(m, 10)))
		s->screen = NULL; /* somebody helped */
	return !s->screen;
}

static void step_one(struct sim *m, struct session *s)
{
	if (s->hosts && s->started && chance(m, 15)) {
		host_step(m, s);
	} else if (!s->hosts && strcmp(s->backend, "claude-code") == 0 && s->started && chance(m, 50)) {
		mcp_step(m, s);
	} else if (s->hook) {
		poll_hook(m, s);
	} else if (!s->started) {
		if (may_begin(m, s) && chance(m, 40))
			hook(m, s, AGENT_SESSION_START, s->began ? s->began : "startup", NULL);
		else if (chance(m, 2))
			end_runtime(m, s->proc, 1);
	} else if (s->working) {
		at_work(m, s);
	} else {
		idle(m, s);
	}
}

void session_step(struct sim *m)
{
	struct session *found = NULL;
	size_t n = 0;
	(void)link_step(m);
	for (size_t i = 0; i < m->n_sessions; i++)
		if (session_lives(m, &m->sessions[i]) && rng_below(&m->rng, ++n) == 0)
			found = &m->sessions[i];
	if (!found || chance(m, 4))
		start_runtime(m);
	else
		step_one(m, found);
}

/* --- peace --- */

static bool waits_in_peace(const struct sim *m, const struct session *s)
{
	return s->take && m->requests[s->take - 1].waiting && !json_array_size(s->handed) &&
	       !json_array_size(s->held) && !json_array_size(s->reports) && !s->report;
}

static bool waits(struct sim *m, const struct session *s)
{
	return db_int(m->store, 0,
		      "SELECT 1 FROM message WHERE to_peer = ?1 AND dead_at IS NULL AND step = 'stored' AND "
		      "NOT EXISTS"
		      " (SELECT 1 FROM transport WHERE peer_id = ?1) LIMIT 1",
		      "s", s->peer) != 0;
}

/* D10: what opens no turn comes along with its user's next prompt; a reply not before it has rested (A5). */
static bool waits_quietly(struct sim *m, const struct session *s)
{
	return db_int(m->store, 0,
		      "SELECT 1 FROM message JOIN peer ON peer_id = to_peer WHERE to_peer = ? AND dead_at IS "
		      "NULL AND"
		      " step = 'stored' AND (quiet = 1 OR (quiet = 2 AND do_not_disturb = 1)) AND at < ? "
		      "LIMIT "
		      "1",
		      "si", s->peer, m->now - 2 * USEC_PER_SEC) != 0;
}

/* A line is typed once for what waits; after that, and where no terminal is known, its user's next prompt
 * helps. */
static bool may_be_woken(struct sim *m, const struct session *s)
{
	bool terminal =
		m->world.procs[s->proc].parent >= 0 || db_int(m->store, 0,
							      "SELECT 1 FROM session WHERE peer_id = ? AND "
							      "ended_at IS NULL AND pane IS NOT NULL LIMIT 1",
							      "s", s->peer);
	return terminal &&
	       !db_int(m->store, 0,
		       "SELECT 1 FROM outbox WHERE kind = 'wake' AND subject = ?1 AND created_at >= (SELECT "
		       "max(at) FROM"
		       " message WHERE to_peer = ?1 AND dead_at IS NULL AND step = 'stored') LIMIT 1",
		       "s", s->peer);
}

static bool peace_of(struct sim *m, struct session *s)
{
	bool claude = strcmp(s->backend, "claude-code") == 0;
	if (s->hook) {
		bool waits = m->requests[s->hook - 1].waiting && !m->requests[s->hook - 1].status;
		poll_hook(m, s);
		return !waits;
	}
	if (!s->started) {
		if (may_begin(m, s))
			hook(m, s, AGENT_SESSION_START, s->began ? s->began : "startup", NULL);
		return true;
	}
	if (s->hosts && (!link_is_open(m, s) || !s->linked)) {
		host_step(m, s);
		return true;
	}
	if (s->working) {
		if (json_array_size(s->next))
			prompt(m, s);
		else
			hook(m, s, AGENT_TURN_END, NULL, NULL);
		return true;
	}
	if (s->mcp && json_array_size(s->handed)) { /* what its server has taken waits for no prompt */
		usec_t rest = s->rest;
		mcp_step(m, s);
		return m->mono >= rest;
	}
	if (json_array_size(s->next) || s->typed || s->broken_off || (waits(m, s) && !may_be_woken(m, s)) ||
	    waits_quietly(m, s)) {
		prompt(m, s);
		return true;
	}
	if (claude && s->peer[0] && !waits_in_peace(m, s)) {
		usec_t rest = s->rest;
		mcp_step(m, s);
		return m->mono >= rest;
	}
	return false;
}

bool sessions_peace(struct sim *m)
{
	bool moved = link_step(m);
	for (size_t i = 0; i < m->n_sessions && !m->broken; i++)
		if (session_lives(m, &m->sessions[i]) && peace_of(m, &m->sessions[i]))
			moved = true;
	return moved;
}

/* --- effects --- */

void session_act_look(struct sim *m, struct world *w, struct action *a)
{
	struct proc *launcher = world_spawned(w, a->effect.subject);
	const struct session *s = NULL;
	for (size_t i = 0; launcher && i < m->n_sessions; i++)
		if (session_lives(m, &m->sessions[i]) &&
		    w->procs[m->sessions[i].proc].parent == (int)(launcher - w->procs))
			s = &m->sessions[i];
	if (!s || (w->faults && chance(m, 10)))
		action_fail(a, ERR_TERMINAL, "there is no such terminal");
	else
		action_succeed(a, json_pack("{s:s}", "screen",
					    s->screen	    ? s->screen
					    : s->working    ? "busy"
					    : chance(m, 90) ? "prompt"
							    : "strange"));
}

void session_act_wake(struct sim *m, struct world *w, struct action *a)
{
	struct session *s = session_by_peer(m, a->effect.subject);
	if (!s) {
		action_fail(a, ERR_NOT_FOUND, "it is gone");
		return;
	}
	if (s->working || s->hook || (w->faults && chance(m, 30))) {
		s->broken_off = true;
		action_succeed(a, json_pack("{s:s}", "outcome", "refused"));
		return;
	}
	sim_say(m, "  session %d is woken", index_of(m, s));
	s->typed = true;
	action_succeed(a, json_pack("{s:s}", "outcome", "typed"));
}

void session_act_handover(struct sim *m, struct world *w, struct action *a)
{
	struct session *s = session_by_key(m, 0, json_str(a->effect.args, "session"));
	read_handed(m, a->effect.lane, a->effect.subject);
	if (!s || (w->faults && chance(m, 15))) {
		action_fail(a, ERR_REFUSED, "it would not");
		return;
	}
	sim_say(m, "  session %d gets %s", index_of(m, s), a->effect.subject);
	json_array_append(s->next, json_object_get(a->effect.args, "text"));
	action_succeed(a, json_object());
}

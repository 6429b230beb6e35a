/* See handover.h. */
#include "flow/handover.h"

#include "agent/agent.h"
#include "base/alloc.h"
#include "flow/effects.h"
#include "mesh/deliver.h"

enum { TAKE_MAX = 10 };

static const struct agent_backend *backend_of(struct store *s, const char *peer_id)
{
	autofree char *name = db_text(s, "SELECT backend FROM peer WHERE peer_id = ?", "s", peer_id);
	const struct agent_backend *backend = name ? agent_backend_find(name) : NULL;
	return backend && backend->queue ? backend : NULL;
}

void handover_open(struct core *core, const struct peer_ref *peer)
{
	const struct agent_backend *backend = backend_of(core->store, peer->peer_id);
	if (backend)
		transport_attach(core->store, peer->peer_id, transport_find(backend->queue->transport));
}

static void order(struct core *core, const struct agent_backend *backend, const char *peer_id,
		  const char *key, int64_t pid, const json_t *message)
{
	json_t *args = json_pack("{s:s, s:s, s:I, s:O}", "backend", backend->name, "session", key, "pid",
				 (json_int_t)pid, "text", json_object_get(message, "text"));
	const json_t *command = config_backend_command(core->config, backend->name);
	if (command)
		json_object_set_new(args, "command", json_deep_copy(command));
	(void)flow_effect_add(core, EFFECT_HANDOVER, json_str(message, "id"), peer_id, args);
}

void handover_on_event(struct core *core, const struct event *e)
{
	struct store *s = core->store;
	const struct agent_backend *backend = backend_of(s, e->subject);
	const struct transport_kind *kind = backend ? transport_find(backend->queue->transport) : NULL;
	if (!kind || !transport_attached(s, e->subject, kind))
		return;
	autoquery q = db_query(
		s,
		"SELECT key, pid FROM session WHERE peer_id = ? AND kind = 'agent' AND ended_at IS NULL"
		" AND key IS NOT NULL ORDER BY session_id DESC LIMIT 1",
		"s", e->subject);
	if (!query_next(&q))
		return;
	json_auto_t *messages = deliver_take(s, e->subject, kind, TAKE_MAX);
	size_t i;
	const json_t *message;
	json_array_foreach(messages, i, message)
		order(core, backend, e->subject, query_text(&q, 0), query_int(&q, 1), message);
}

void handover_on_dead(struct core *core, const struct event *e)
{
	int64_t effect = db_int(core->store, 0,
				"SELECT id FROM outbox WHERE kind = ? AND subject = ? AND state = 'pending'"
				" LIMIT 1",
				"ss", flow_effects[EFFECT_HANDOVER].kind.name, e->subject);
	if (effect)
		(void)effect_withdraw(core->store, effect); /* it was pending */
}

void handover_done(struct core *core, const char *subject, bool ok, const json_t *result)
{
	struct store *s = core->store;
	autofree char *peer = db_text(s, "SELECT to_peer FROM message WHERE id = ?", "s", subject);
	const struct agent_backend *backend = peer ? backend_of(s, peer) : NULL;
	if (!backend)
		return;
	(void)!deliver_report(s, &core->limits, peer, transport_find(backend->queue->transport), subject,
			      ok ? DELIVER_SUBMITTED : DELIVER_RETURNED,
			      ok ? NULL : json_str(json_object_get(result, "error"), "message"), NULL);
	/* A command that fails would fail again and again: hooks carry what waits from now on. */
	if (!ok)
		transport_detach(s, peer, transport_find(backend->queue->transport), "its command failed");
}

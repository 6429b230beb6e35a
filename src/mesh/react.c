/* The mesh's reactions; see react.h. */
#include "mesh/react.h"

#include <string.h>

#include "mesh/ask.h"
#include "mesh/deliver.h"
#include "mesh/governor.h"
#include "mesh/peer.h"
#include "mesh/queue.h"
#include "store/timer.h"

static const char come_back[] = "peer.gone";

/* Somebody else's reaction may have brought it back in the same turn. */
static bool is_gone(struct store *s, const char *peer_id, struct peer_ref *ret)
{
	return peer_find(s, peer_id, ret) && !ret->live;
}

static void on_peer_offline(struct store *s, const struct mesh_limits *limits, const struct event *e)
{
	struct peer_ref peer;
	if (!is_gone(s, e->subject, &peer))
		return;
	transport_forget(s, peer.peer_id);
	deliver_unheard(s, peer.peer_id);
	deliver_settle(s, peer.peer_id, "its session ended before it was seen to read this");
	if (peer.cause == CAUSE_REBOOT) {
		timer_set(s, come_back, peer.peer_id, store_now(s) + limits->queue_age);
		return;
	}
	(void)ask_peer_gone(s, limits, peer.peer_id, peer.cause);
	if (peer_cause_final(peer.cause))
		(void)queue_peer_gone(s, limits, peer.peer_id, peer_cause_name(peer.cause));
}

static void on_peer_gone(struct store *s, const struct mesh_limits *limits, const struct event *e)
{
	struct peer_ref peer;
	if (is_gone(s, e->subject, &peer))
		(void)ask_peer_gone(s, limits, peer.peer_id, peer.cause);
}

static void on_message_expire(struct store *s, const struct mesh_limits *limits, const struct event *e)
{
	(void)queue_expire(s, limits, e->subject);
}

/* A way was closed a while ago. Had the message that it was handing over arrived at an idle peer, its turn
 * would have begun; a peer at work settles at its turn's end (D4). */
static void on_transport_settle(struct store *s, const struct mesh_limits *limits, const struct event *e)
{
	(void)limits;
	deliver_unheard(s, e->subject);
	if (db_int(s, 0, "SELECT 1 FROM peer WHERE peer_id = ? AND turn_state = 'idle'", "s", e->subject))
		deliver_settle(s, e->subject, "the way closed before it was seen to be read");
}

static void on_delivery_doubt(struct store *s, const struct mesh_limits *limits, const struct event *e)
{
	(void)limits;
	deliver_doubted(s, e->subject);
}

static void on_message_dead(struct store *s, const struct mesh_limits *limits, const struct event *e)
{
	const char *kind = json_str(e->data, "kind");
	if (kind && strcmp(kind, "ask") == 0)
		(void)ask_undeliverable(s, limits, e->subject, json_str(e->data, "reason"));
}

static void on_ask_expire(struct store *s, const struct mesh_limits *limits, const struct event *e)
{
	(void)ask_expire(s, limits, e->subject);
}

static void on_governor_due(struct store *s, const struct mesh_limits *limits, const struct event *e)
{
	governor_due(s, limits, e->subject);
}

static void on_governor_expire(struct store *s, const struct mesh_limits *limits, const struct event *e)
{
	governor_expire(s, limits, e->subject);
}

static void on_peer_quiet(struct store *s, const struct mesh_limits *limits, const struct event *e)
{
	(void)limits;
	if (json_bool(e->data, "quiet", false))
		message_note_quiet(s, e->subject);
}

static const struct {
	const char *kind;
	void (*run)(struct store *s, const struct mesh_limits *limits, const struct event *e);
} reactions[] = {
	{"peer.offline", on_peer_offline},
	{"peer.gone", on_peer_gone},
	{"message.expire", on_message_expire},
	{"message.dead", on_message_dead},
	{"peer.quiet", on_peer_quiet},
	{"governor.due", on_governor_due},
	{"ask.expire", on_ask_expire},
	{"governor.expire", on_governor_expire},
	{"transport.settle", on_transport_settle},
	{"delivery.doubt", on_delivery_doubt},
};

bool mesh_react(struct store *s, const struct mesh_limits *limits, const struct event *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(reactions); i++) {
		if (strcmp(reactions[i].kind, e->kind) == 0) {
			reactions[i].run(s, limits, e);
			return true;
		}
	}
	return false;
}

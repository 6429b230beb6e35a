/* Links to processes that host agents' sessions (agent.h): one for each such process. What a link tells is
 * recorded in the next turn; what waits for a session of it is taken in the turn and sent after its commit,
 * so that nothing is handed over that is not on disk. */
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "daemon/daemon.h"
#include "flow/react.h"
#include "flow/session.h"
#include "mesh/deliver.h"
#include "mesh/identity.h"

enum { TAKE_MAX = 10 };

struct link {
	struct list link; /* in daemon.links */
	struct daemon *daemon;
	const struct agent_backend *backend;
	const struct transport_kind *transport;
	struct agent_link *handle; /* NULL once it is lost */
	struct proc_chain chain;   /* of the hosting process, itself first */
	struct list news;	   /* struct news: to be recorded */
	struct list out;	   /* struct letter: taken in this turn */
};

enum news_kind { NEWS_SESSION, NEWS_GONE, NEWS_TURN, NEWS_SENT, NEWS_CONSUMED, NEWS_LOST };

struct news {
	struct list link;
	enum news_kind kind;
	char *key, *path, *id, *why; /* owned; `why` of NEWS_SENT: it did not arrive */
	enum error_code code;	     /* for that */
	enum agent_turn turn;
};

struct letter {
	struct list link;
	char *key, *id, *text; /* owned */
};

static void news_free(struct news *n)
{
	free(n->key);
	free(n->path);
	free(n->id);
	free(n->why);
	free(n);
}

static struct news *add_news(struct link *l, enum news_kind kind, const char *key)
{
	struct news *n = xcalloc(1, sizeof(*n));
	n->kind = kind;
	n->key = key ? xstrdup(key) : NULL;
	list_append(&l->news, &n->link);
	turn_wanted(l->daemon);
	return n;
}

static void on_session(void *data, const char *session, const char *cwd, enum agent_turn turn)
{
	struct news *n = add_news(data, NEWS_SESSION, session);
	n->path = xstrdup(cwd);
	n->turn = turn;
}

static void on_session_gone(void *data, const char *session)
{
	(void)add_news(data, NEWS_GONE, session);
}

static void on_turn(void *data, const char *session, enum agent_turn turn)
{
	add_news(data, NEWS_TURN, session)->turn = turn;
}

static void on_sent(void *data, const char *session, const char *id, const struct error *err)
{
	struct news *n = add_news(data, NEWS_SENT, session);
	n->id = xstrdup(id);
	n->why = err ? xstrdup(err->message) : NULL;
	n->code = err ? err->code : ERR_OK;
}

static void on_consumed(void *data, const char *session, const char *id)
{
	add_news(data, NEWS_CONSUMED, session)->id = xstrdup(id);
}

static void on_lost(void *data, const struct error *err)
{
	struct link *l = data;
	l->handle = NULL;
	add_news(l, NEWS_LOST, NULL)->why =
		xstrdup(err && err->message ? err->message : "the connection ended");
}

static const struct agent_link_events events = {
	.session = on_session,
	.session_gone = on_session_gone,
	.turn = on_turn,
	.sent = on_sent,
	.consumed = on_consumed,
	.lost = on_lost,
};

static void link_free(struct link *l)
{
	if (l->handle)
		l->backend->link->close(l->handle);
	list_for_each_safe (pos, &l->news) {
		list_remove(pos);
		news_free(list_entry(pos, struct news, link));
	}
	list_remove(&l->link);
	free(l);
}

static bool is_linked(const struct daemon *d, pid_t pid, uint64_t start_time)
{
	list_for_each (pos, &d->links) {
		const struct link *l = list_entry(pos, struct link, link);
		if (l->handle && l->chain.at[0].pid == pid && l->chain.at[0].start_time == start_time)
			return true;
	}
	return false;
}

void links_open(struct daemon *d, const json_t *host)
{
	pid_t pid = (pid_t)json_int(host, "pid", 0);
	uint64_t start_time = (uint64_t)json_int(host, "start_time", 0);
	const struct agent_backend *backend = agent_backend_find(json_str(host, "backend"));
	struct proc_chain chain;
	if (!backend || !backend->link || is_linked(d, pid, start_time) || proc_chain(pid, &chain, NULL) ||
	    chain.at[0].start_time != start_time)
		return; /* it has gone meanwhile */
	struct link *l = xcalloc(1, sizeof(*l));
	*l = (struct link){.daemon = d,
			   .backend = backend,
			   .transport = transport_find(backend->link->transport),
			   .chain = chain};
	list_init(&l->news);
	list_init(&l->out);
	list_append(&d->links, &l->link);
	autoerror err = {0};
	if (backend->link->open(&d->loop, json_str(host, "socket"), pid, &events, l, &l->handle, &err))
		on_lost(l, &err);
}

bool links_reach(const struct core *core, int64_t pid, int64_t start_time)
{
	return is_linked(core->data, (pid_t)pid, (uint64_t)start_time);
}

bool links_any_news(const struct daemon *d)
{
	list_for_each (pos, &d->links)
		if (!list_empty(&list_entry(pos, struct link, link)->news))
			return true;
	return false;
}

static void record_session(struct link *l, const struct news *n)
{
	char inside[ID_SIZE];
	bool enclosed = identity_enclosing(l->daemon->store, &l->chain, 1, NULL, inside);
	struct session_found found = {.backend = l->backend->name,
				      .key = n->key,
				      .path = n->path,
				      .pid = l->chain.at[0].pid,
				      .start_time = (int64_t)l->chain.at[0].start_time,
				      .inside = enclosed ? inside : NULL,
				      .turn = n->turn,
				      .hosted = true};
	session_found(&l->daemon->core, &found);
}

static void record_sent(struct link *l, const struct news *n)
{
	struct store *s = l->daemon->store;
	struct peer_ref peer;
	if (!peer_of_session(s, l->chain.at[0].pid, l->chain.at[0].start_time, n->key, &peer))
		return;
	enum deliver_outcome outcome = n->kind == NEWS_CONSUMED ? DELIVER_CONSUMED
				       : n->why			? DELIVER_RETURNED
								: DELIVER_SUBMITTED;
	(void)!deliver_report(s, &l->daemon->core.limits, peer.peer_id, l->transport, n->id, outcome, n->why,
			      NULL); /* or it is none of ours */
	/* What was returned waits again, and would be refused again: other ways are to carry it. Only a turn
	 * that was broken off says nothing about the next try. */
	if (outcome == DELIVER_RETURNED && n->code != ERR_CONFLICT)
		transport_detach(s, peer.peer_id, l->transport, n->why);
	store_wake(s, peer.peer_id); /* there may be more */
}

/* A session that refused something may take it now. */
static void record_turn(struct link *l, const struct news *n)
{
	const struct proc_stat *p = &l->chain.at[0];
	struct store *s = l->daemon->store;
	struct peer_ref peer;
	session_turn(&l->daemon->core, p->pid, (int64_t)p->start_time, n->key, n->turn);
	if (l->handle && peer_of_session(s, p->pid, p->start_time, n->key, &peer))
		transport_attach(s, peer.peer_id, l->transport);
}

/* Its sessions are not gone with it: only their process's end is that (I9). */
static void record_lost(struct link *l, const struct news *n)
{
	struct store *s = l->daemon->store;
	autoquery q = db_query(
		s,
		"SELECT DISTINCT peer_id FROM session WHERE pid = ? AND start_time = ? AND boot_id = ?"
		" AND ended_at IS NULL",
		"iis", (int64_t)l->chain.at[0].pid, (int64_t)l->chain.at[0].start_time, store_boot_id(s));
	while (query_next(&q))
		transport_detach(s, query_text(&q, 0), l->transport, n->why);
}

static void record(struct link *l, const struct news *n)
{
	struct daemon *d = l->daemon;
	const struct proc_stat *p = &l->chain.at[0];
	switch (n->kind) {
	case NEWS_SESSION:
		record_session(l, n);
		break;
	case NEWS_GONE:
		(void)peer_session_gone(d->store, p->pid, p->start_time, n->key);
		break;
	case NEWS_TURN:
		record_turn(l, n);
		break;
	case NEWS_SENT:
	case NEWS_CONSUMED:
		record_sent(l, n);
		break;
	case NEWS_LOST:
		record_lost(l, n);
		break;
	}
}

void links_record(struct daemon *d)
{
	list_for_each (pos, &d->links) {
		struct link *l = list_entry(pos, struct link, link);
		list_for_each (at, &l->news)
			record(l, list_entry(at, struct news, link));
	}
	flow_react(&d->core);
}

static struct link *link_of(struct daemon *d, int64_t pid, int64_t start_time)
{
	list_for_each (pos, &d->links) {
		struct link *l = list_entry(pos, struct link, link);
		if (l->handle && l->chain.at[0].pid == pid &&
		    (int64_t)l->chain.at[0].start_time == start_time)
			return l;
	}
	return NULL;
}

/* Takes what waits for a peer whose session a link reaches. */
static void take_for(struct daemon *d, const char *peer_id)
{
	autoquery q =
		db_query(d->store,
			 "SELECT pid, start_time, key FROM session WHERE peer_id = ? AND ended_at IS NULL"
			 " AND key IS NOT NULL ORDER BY session_id DESC LIMIT 1",
			 "s", peer_id);
	struct link *l = query_next(&q) ? link_of(d, query_int(&q, 0), query_int(&q, 1)) : NULL;
	if (!l || !transport_attached(d->store, peer_id, l->transport))
		return;
	json_auto_t *messages = deliver_take(d->store, peer_id, l->transport, TAKE_MAX);
	size_t i;
	const json_t *m;
	json_array_foreach(messages, i, m)
	{
		struct letter *letter = xcalloc(1, sizeof(*letter));
		*letter = (struct letter){.key = query_dup(&q, 2),
					  .id = xstrdup(json_str(m, "id")),
					  .text = xstrdup(json_str(m, "text"))};
		list_append(&l->out, &letter->link);
	}
}

void links_take(struct daemon *d)
{
	size_t n = 0;
	if (list_empty(&d->links))
		return;
	const char *const *topics = store_wakes(d->store, &n);
	json_auto_t *peers = json_object(); /* each once; taking wakes nobody, but the list may move */
	for (size_t i = 0; i < n; i++)
		if (id_is(topics[i], "peer"))
			json_object_set_new(peers, topics[i], json_true());
	const char *peer_id;
	json_t *unused;
	json_object_foreach(peers, peer_id, unused) take_for(d, peer_id);
}

static void letter_free(struct letter *letter)
{
	list_remove(&letter->link);
	free(letter->key);
	free(letter->id);
	free(letter->text);
	free(letter);
}

static void hand_over(struct link *l, struct letter *letter)
{
	autoerror err = {0};
	int code = l->handle ? l->backend->link->send(l->handle, letter->key, letter->id, letter->text, &err)
			     : error_set(&err, ERR_NOT_FOUND, "the link is closed");
	if (code)
		on_sent(l, letter->key, letter->id, &err);
}

void links_committed(struct daemon *d)
{
	list_for_each_safe (pos, &d->links) {
		struct link *l = list_entry(pos, struct link, link);
		list_for_each_safe (at, &l->news) {
			list_remove(at);
			news_free(list_entry(at, struct news, link));
		}
		list_for_each_safe (at, &l->out) {
			struct letter *letter = list_entry(at, struct letter, link);
			hand_over(l, letter);
			letter_free(letter);
		}
		if (!l->handle && list_empty(&l->news))
			link_free(l);
	}
}

void links_dropped(struct daemon *d)
{
	list_for_each (pos, &d->links) {
		struct link *l = list_entry(pos, struct link, link);
		list_for_each_safe (at, &l->out)
			letter_free(list_entry(at, struct letter, link));
	}
}

void links_close_all(struct daemon *d)
{
	links_dropped(d);
	list_for_each_safe (pos, &d->links)
		link_free(list_entry(pos, struct link, link));
}

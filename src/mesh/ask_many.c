/* One question to many; see ask_many.h. */
#include "mesh/ask_many.h"

#include <string.h>

#include "mesh/message.h"
#include "mesh/route.h"

struct many {
	struct store *s;
	const struct mesh_limits *limits;
	const struct caller *from;
	const char *circle, *text, *parent;
};

static json_t *refused(const char *name, const struct error *err)
{
	return json_pack("{s:s, s:n, s:n, s:{s:s, s:s}}", "peer_name", name, "to", "correlation_id", "error",
			 "code", error_kind(err->code)->name, "message", err->message);
}

/* Asks one of them; NULL when it has been asked already under another name. */
static json_t *ask_one(const struct many *m, const char *name, json_t *asked)
{
	struct peer_ref to;
	autoerror err = {0};
	json_auto_t *answer = NULL;
	int r = route_resolve(m->s, m->limits, m->from, name, m->circle, &to, &err);
	if (!r && json_object_get(asked, to.peer_id))
		return NULL;
	struct ask_new ask = {.to = to.peer_id, .text = m->text, .parent = m->parent};
	if (!r)
		r = ask_open(m->s, m->limits, m->from, &ask, &answer, &err);
	if (r)
		return refused(name, &err);
	json_object_set_new(asked, to.peer_id, json_true());
	return json_pack("{s:s, s:s, s:O, s:n}", "peer_name", to.name, "to", to.peer_id, "correlation_id",
			 json_object_get(answer, "correlation_id"), "error");
}

int ask_many(struct store *s, const struct mesh_limits *limits, const struct caller *from,
	     const json_t *names, const char *circle, const char *text, json_t **ret, struct error *err)
{
	char parent[ID_SIZE];
	int r = message_text_check(text, strlen(text), err);
	if (!r && json_array_size(names) == 0)
		r = error_set(err, ERR_INVALID, "nobody is named");
	if (!r && json_array_size(names) > ASK_MANY_MAX)
		r = error_set(err, ERR_TOO_LARGE, "at most %d peers are asked at once", ASK_MANY_MAX);
	if (r)
		return r;
	store_new_id(s, "many", parent);
	struct many m = {s, limits, from, circle, text, parent};
	json_auto_t *asked = json_object(), *not_asked = json_array();
	json_t *asks = json_array();
	size_t i;
	const json_t *name;
	json_array_foreach(names, i, name)
	{
		json_t *one = ask_one(&m, json_string_value(name), asked);
		if (!one)
			continue;
		if (json_is_object(json_object_get(one, "error")))
			json_array_append(not_asked, one);
		json_array_append_new(asks, one);
	}
	(void)db_run(s,
		     "INSERT INTO question_parent (parent_id, from_peer, text, refused, opened_at) VALUES "
		     "(?,?,?,?,?)",
		     "sssji", parent, from->peer_id[0] ? from->peer_id : NULL, text, not_asked, store_now(s));
	*ret = json_pack("{s:s, s:o}", "parent_id", parent, "asks", asks);
	return 0;
}

/* The asks of a parent, with what became of each; the number of open ones goes to `ret_open`. */
static json_t *children(struct store *s, const struct caller *by, const char *parent_id, int *ret_open)
{
	json_t *asks = json_array();
	autoquery q =
		db_query(s,
			 "SELECT q.id, q.to_peer, p.name FROM question AS q JOIN peer AS p ON p.peer_id ="
			 " q.to_peer WHERE q.parent = ? ORDER BY q.rowid",
			 "s", parent_id);
	*ret_open = 0;
	while (query_next(&q)) {
		bool ended = false;
		json_t *state = NULL;
		/* Looking as the asker takes the replies; for anybody else it only looks. */
		if (ask_wait_check(s, by, query_text(&q, 0), &ended, &state, NULL))
			state = ask_to_json(s, query_text(&q, 0));
		const char *now = json_str(state, "state"); /* NULL when it could not be read */
		*ret_open += now && strcmp(now, "open") == 0;
		json_t *one = json_object();
		json_set_str(one, "peer_name", query_text(&q, 2));
		json_set_str(one, "to", query_text(&q, 1));
		json_set_str(one, "correlation_id", query_text(&q, 0));
		json_set_str(one, "state", json_str(state, "state"));
		json_set_str(one, "reply", json_str(state, "reply"));
		json_set_str(one, "reason", json_str(state, "reason"));
		json_decref(state);
		json_array_append_new(asks, one);
	}
	return asks;
}

int ask_many_result(struct store *s, const struct caller *by, const char *parent_id, json_t **ret,
		    struct error *err)
{
	autoquery q = db_query(
		s, "SELECT coalesce(from_peer, ''), text, refused FROM question_parent WHERE parent_id = ?",
		"s", parent_id);
	if (!query_next(&q))
		return error_hint(err, error_set(err, ERR_NOT_FOUND, "there is no such question to many"),
				  "its id was in the answer of ask_many");
	if (by->kind != CALLER_HUMAN && (!by->peer_id[0] || strcmp(query_text(&q, 0), by->peer_id) != 0))
		return error_set(err, ERR_FORBIDDEN, "only its asker may look at it");
	int open = 0;
	json_t *asks = children(s, by, parent_id, &open);
	json_auto_t *not_asked = query_json(&q, 2);
	size_t i;
	json_t *one;
	json_array_foreach(not_asked, i, one)
	{
		const char *why = json_str(json_object_get(one, "error"), "message");
		json_t *row =
			json_pack("{s:O, s:n, s:n, s:s, s:n}", "peer_name", json_object_get(one, "peer_name"),
				  "to", "correlation_id", "state", "refused", "reply");
		json_set_str(row, "reason", why);
		json_array_append_new(asks, row);
	}
	*ret = json_pack("{s:s, s:s, s:i, s:o}", "parent_id", parent_id, "text", query_text(&q, 1), "open",
			 open, "asks", asks);
	return 0;
}

/* Routing; see route.h.
 *
 * A lookup has a scope (which peers the name may mean) and yields every match in it; one is the answer, more
 * are refused with all of them listed, none with what is near. Authorization comes after: with enforced
 * circles the one match must be in reach. Roles that bypass circles are data, in role.c; SQL gets them as a
 * list. */
#include "mesh/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum {
	NEAR_MAX = 5,	     /* suggestions in an error */
	CANDIDATES_MAX = 20, /* matches listed in an error */
	NEAR_SCAN_MAX = 500, /* peers compared for suggestions, the newest first */
	NAME_MAX_SHOWN = 80,
};

/* What a lookup means. */
struct scope {
	const char *name;
	const char *circle;	/* only this one, NULL: see `everywhere` */
	const char *own_circle; /* the sender's */
	bool everywhere;
	bool all_offline; /* any offline peer may be meant, not only those that may come back */
	usec_t gone_since;
};

static bool bypassing(enum role role)
{
	return role_kind(role)->bypasses_circles;
}

/* Whether a peer is in the scope. */
static bool in_scope(const struct scope *scope, const struct peer_ref *peer)
{
	if (scope->circle)
		return strcmp(peer->circle, scope->circle) == 0;
	return scope->everywhere || bypassing(peer->role) || strcmp(peer->circle, scope->own_circle) == 0;
}

/* The matches among live peers (or, with `live` false, among those that went): a JSON array of peer_ids. */
static json_t *matches(struct store *s, const struct scope *scope, bool live)
{
	json_t *ids = json_array();
	autoquery q = live ? db_query(s,
				      "SELECT peer_id FROM peer WHERE name = ? AND live = 1 ORDER BY "
				      "created_at, rowid",
				      "s", scope->name)
			   : db_query(s,
				      "SELECT peer_id FROM peer WHERE name = ?1 AND live = 0 AND (?2 OR "
				      "(offline_at >= ?3"
				      " AND offline_cause NOT IN ('killed', 'retired', 'finished')))"
				      " ORDER BY offline_at DESC, rowid DESC",
				      "sii", scope->name, (int64_t)scope->all_offline, scope->gone_since);
	while (query_next(&q)) {
		struct peer_ref peer;
		if (peer_find(s, query_text(&q, 0), &peer) && in_scope(scope, &peer))
			json_array_append_new(ids, json_string(peer.peer_id));
	}
	return ids;
}

/* One peer as errors show it. */
static json_t *shown(struct store *s, const char *peer_id, bool place)
{
	autoquery q = db_query(s,
			       "SELECT p.name, p.circle, p.peer_id, p.status, r.name, p.path FROM peer p"
			       " LEFT JOIN repo r ON r.repo_id = p.repo_id WHERE p.peer_id = ?",
			       "s", peer_id);
	json_t *json = json_object();
	if (!query_next(&q))
		return json;
	static const char *const keys[] = {"name", "circle", "peer_id", "status", "repo", "path"};
	for (int i = 0; i < (place ? 6 : 4); i++)
		json_set_str(json, keys[i], query_text(&q, i));
	return json;
}

static int refuse_ambiguous(struct store *s, const char *name, const json_t *ids, struct error *err)
{
	json_t *list = json_array();
	size_t n = json_array_size(ids);
	bool one_circle = true;
	for (size_t i = 0; i < n && i < CANDIDATES_MAX; i++) {
		json_array_append_new(list, shown(s, json_string_value(json_array_get(ids, i)), true));
		if (store_failed(s)) {
			json_decref(list);
			return error_set(err, ERR_NOT_STORED, "the database cannot be read");
		}
		one_circle = one_circle && strcmp(json_str(json_array_get(list, i), "circle"),
						  json_str(json_array_get(list, 0), "circle")) == 0;
	}
	int code = error_set(err, ERR_AMBIGUOUS, "%zu peers are called %s", n, name);
	if (one_circle)
		(void)error_hint(err, code, "use a peer_id: %s",
				 json_str(json_array_get(list, 0), "peer_id"));
	else
		(void)error_hint(err, code, "say which circle, for example %s:%s, or use a peer_id",
				 json_str(json_array_get(list, 0), "circle"), name);
	return error_details(err, code, json_pack("{s:o}", "candidates", list));
}

struct near {
	unsigned distance;
	char peer_id[ID_SIZE];
};

static int near_compare(const void *a, const void *b)
{
	const struct near *x = a, *y = b;
	return x->distance < y->distance ? -1 : x->distance > y->distance;
}

/* How far a name is from what was asked for; beyond `ret`'s maximum it is not worth a suggestion. The last
 * part of a branch ("a" for "feat/a") is near. */
static unsigned nearness(const char *wanted, const char *name)
{
	const char *slash = strrchr(name, '/');
	if (strcmp(wanted, name) == 0)
		return 0;
	if (slash && strcmp(wanted, slash + 1) == 0)
		return 1;
	unsigned distance = text_distance(wanted, name);
	size_t len = strlen(wanted);
	return distance <= (len < 6 ? 2 : len / 3) ? distance + 1 : UINT32_MAX;
}

/* Near names among all peers, the offline ones too: the nearest first, each name and circle once. */
static json_t *near_matches(struct store *s, const char *wanted)
{
	struct near *found = NULL;
	size_t n = 0, cap = 0;
	autoquery q = db_query(s,
			       "SELECT name, peer_id, max(live * 10000000000000000 + created_at) AS rank"
			       " FROM peer GROUP BY name, circle ORDER BY rank DESC LIMIT ?",
			       "i", (int64_t)NEAR_SCAN_MAX);
	while (query_next(&q)) {
		unsigned distance = nearness(wanted, query_text(&q, 0));
		if (distance == UINT32_MAX)
			continue;
		ARRAY_GROW(found, n, cap);
		found[n].distance = distance;
		(void)snprintf(found[n++].peer_id, ID_SIZE, "%s", query_text(&q, 1));
	}
	if (n)
		qsort(found, n, sizeof(*found), near_compare);
	json_t *list = json_array();
	for (size_t i = 0; i < n && i < NEAR_MAX; i++)
		json_array_append_new(list, shown(s, found[i].peer_id, false));
	free(found);
	return list;
}

static int refuse_unknown(struct store *s, const struct scope *scope, struct error *err)
{
	autostrbuf name = STRBUF_INIT(1024);
	text_escape(scope->name, strnlen(scope->name, NAME_MAX_SHOWN), false, &name);
	int code = scope->everywhere && !scope->circle
			   ? error_set(err, ERR_NO_PEER, "there is no peer %s", strbuf_str(&name))
			   : error_set(err, ERR_NO_PEER, "there is no peer %s in circle %s",
				       strbuf_str(&name), scope->circle ? scope->circle : scope->own_circle);
	json_t *near = near_matches(s, scope->name);
	const json_t *first = json_array_get(near, 0);
	if (!first || store_failed(s)) /* a failed disk leaves rows out */
		(void)error_hint(err, code, "`coppice ps` lists who is there");
	else if (strcmp(json_str(first, "name"), scope->name) != 0)
		(void)error_hint(err, code, "did you mean %s?", json_str(first, "name"));
	else if (strcmp(json_str(first, "status"), "online") == 0)
		(void)error_hint(err, code, "use %s:%s for the one in circle %s", json_str(first, "circle"),
				 json_str(first, "name"), json_str(first, "circle"));
	else
		(void)error_hint(err, code, "%s has gone offline; `coppice ps` lists who is there",
				 json_str(first, "name"));
	return error_details(err, code, json_pack("{s:o}", "near", near));
}

/* Splits "circle:name" and makes the scope. `qualified` (PEER_CIRCLE_SIZE) keeps the circle. */
static int scope_of(const struct caller *from, const char *name, const char *circle, char *qualified,
		    struct scope *ret, struct error *err)
{
	const char *colon = name ? strchr(name, ':') : NULL;
	if (!name || !*name || strlen(name) >= PEER_NAME_SIZE + PEER_CIRCLE_SIZE)
		return error_hint(err, error_set(err, ERR_INVALID, "no usable peer name was given"),
				  "`coppice ps` lists who is there");
	if (colon) {
		(void)snprintf(qualified, PEER_CIRCLE_SIZE, "%.*s",
			       (int)(colon - name < PEER_CIRCLE_SIZE ? colon - name : PEER_CIRCLE_SIZE),
			       name);
		if (circle && strcmp(circle, qualified) != 0)
			return error_set(err, ERR_INVALID, "circle %s was asked for, but the name says %s",
					 circle, qualified);
		circle = qualified;
		name = colon + 1;
	}
	int r = circle ? circle_name_check(circle, err) : 0;
	if (r)
		return r;
	*ret = (struct scope){.name = name,
			      .circle = circle,
			      .own_circle = from->circle,
			      .everywhere = role_kind(from->role)->bypasses_circles};
	return 0;
}

/* The one live match; without any, the one that went. */
static int find_one(struct store *s, const struct scope *scope, struct peer_ref *ret, struct error *err)
{
	json_auto_t *ids = matches(s, scope, true);
	if (json_array_size(ids) == 0) {
		json_decref(ids);
		ids = matches(s, scope, false);
	}
	if (json_array_size(ids) > 1)
		return refuse_ambiguous(s, scope->name, ids, err);
	if (json_array_size(ids) == 0 || !peer_find(s, json_string_value(json_array_get(ids, 0)), ret))
		return refuse_unknown(s, scope, err);
	return 0;
}

int route_may_cross(const struct mesh_limits *limits, const struct caller *from, const char *circle,
		    struct error *err)
{
	if (!limits->enforce_circles || bypassing(from->role) || strcmp(from->circle, circle) == 0)
		return 0;
	return error_hint(err,
			  error_set(err, ERR_FORBIDDEN, "circle %s is closed to circle %s (circles.enforce)",
				    circle, from->circle),
			  "ask an orchestrator, or the human");
}

int route_resolve(struct store *s, const struct mesh_limits *limits, const struct caller *from,
		  const char *name, const char *circle, struct peer_ref *ret, struct error *err)
{
	char qualified[PEER_CIRCLE_SIZE];
	struct scope scope;
	struct peer_ref peer;
	int r = 0;
	if (!(name && id_is(name, "peer") && peer_find(s, name, &peer))) {
		r = scope_of(from, name, circle, qualified, &scope, err);
		if (r)
			return r;
		scope.gone_since = store_now(s) - limits->queue_age;
		r = find_one(s, &scope, &peer, err);
	}
	if (!r && !bypassing(peer.role))
		r = route_may_cross(limits, from, peer.circle, err);
	if (!r)
		r = peer_takes_input(s, &peer, limits->queue_age, err);
	if (!r)
		*ret = peer;
	return r;
}

int route_find(struct store *s, const struct caller *from, const char *name, const char *circle,
	       struct peer_ref *ret, struct error *err)
{
	char qualified[PEER_CIRCLE_SIZE];
	struct scope scope;
	if (name && id_is(name, "peer") && peer_find(s, name, ret))
		return 0;
	int r = scope_of(from, name, circle, qualified, &scope, err);
	if (r)
		return r;
	scope.all_offline = true;
	return find_one(s, &scope, ret, err);
}

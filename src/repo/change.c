/* Rows of changes, their order and their end; see change.h. */
#include "repo/change.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/event.h"

static void copy_id(char to[ID_SIZE], const char *from)
{
	(void)snprintf(to, ID_SIZE, "%s", from ? from : "");
}

void change_release(struct change *c)
{
	free(c->branch);
	free(c->target);
	free(c->how);
	free(c->state);
	free(c->base_commit);
	free(c->reason);
	json_decref(c->gate);
	json_decref(c->built);
	*c = (struct change){0};
}

bool change_get(struct store *s, const char *change_id, struct change *ret)
{
	autoquery q = db_query(
		s,
		"SELECT change_id, repo_id, plan_id, branch, target, how, state, base_commit, reason, gate,"
		" gate_tries, built FROM change WHERE change_id = ?",
		"s", change_id);
	if (!query_next(&q))
		return false;
	change_release(ret);
	copy_id(ret->id, query_text(&q, 0));
	copy_id(ret->repo_id, query_text(&q, 1));
	copy_id(ret->plan_id, query_text(&q, 2));
	ret->branch = query_dup(&q, 3);
	ret->target = query_dup(&q, 4);
	ret->how = query_dup(&q, 5);
	ret->state = query_dup(&q, 6);
	ret->base_commit = query_dup(&q, 7);
	ret->reason = query_dup(&q, 8);
	ret->gate = query_json(&q, 9);
	ret->gate_tries = (int)query_int(&q, 10);
	ret->built = query_json(&q, 11);
	return true;
}

static void emit(struct store *s, const char *change_id, const char *state, const char *reason)
{
	autoquery q = db_query(s, "SELECT plan_id, branch, target, landed_as FROM change WHERE change_id = ?",
			       "s", change_id);
	if (!query_next(&q))
		return;
	json_t *data = json_object();
	json_set_str(data, "branch", query_text(&q, 1));
	json_set_str(data, "target", query_text(&q, 2));
	json_set_str(data, "landed_as", query_text(&q, 3));
	json_set_str(data, "reason", reason);
	autofree char *plan = query_dup(&q, 0);
	query_release(&q);
	autofree char *kind = xasprintf("change.%s", state);
	event_emit(s, kind, change_id, plan, data);
}

void change_set_state(struct store *s, const char *change_id, const char *state, const char *reason)
{
	if (db_run(s, "UPDATE change SET state = ?, reason = ? WHERE change_id = ? AND ended_at IS NULL",
		   "sss", state, reason, change_id) > 0)
		emit(s, change_id, state, reason);
}

/* Why a change may not land by itself, NULL if it may (L4). */
static const char *unvouched(const struct change_spec *spec)
{
	return spec->gate || spec->approved ? NULL : "no gate is configured and nobody has reviewed it";
}

static void add_needs(struct store *s, const char *id, const struct change_spec *spec)
{
	for (const char *const *need = spec->needs; need && *need; need++)
		(void)db_run(s, "INSERT OR IGNORE INTO change_dep (change_id, needs) VALUES (?,?)", "ss", id,
			     *need);
}

static bool take_up(struct store *s, const char *id, const struct change_spec *spec)
{
	return db_run(s,
		      "UPDATE change SET gate = ?, gate_tries = ?, approved = ?, how = ?, state = 'queued', "
		      "reason = NULL"
		      " WHERE change_id = ? AND state IN ('ready','blocked')",
		      "jiiss", spec->gate, (int64_t)spec->gate_tries, (int64_t)spec->approved, spec->how,
		      id) > 0;
}

/* What an earlier plan left waiting for a person ends when a plan offers the branch anew: it would otherwise
 * be two plans' change, and those that need it there would wait for what lands here. */
static bool supersede(struct store *s, const char *id)
{
	if (!db_int(s, 0, "SELECT 1 FROM change WHERE change_id = ? AND state IN ('ready','blocked')", "s",
		    id))
		return false;
	change_eject(s, id, "a later plan offers the branch again");
	return true;
}

int change_add(struct store *s, const struct change_spec *spec, char ret_id[ID_SIZE], struct error *err)
{
	autofree char *old =
		db_text(s,
			"SELECT change_id FROM change WHERE repo_id = ? AND branch = ? AND target = ?"
			" AND ended_at IS NULL",
			"sss", spec->repo_id, spec->branch, spec->target);
	if (old && !(spec->plan_id && supersede(s, old))) {
		if (!take_up(s, old, spec))
			return error_set(err, ERR_EXISTS, "%s is in the train of %s already", spec->branch,
					 spec->target);
		copy_id(ret_id, old);
	} else {
		store_new_id(s, "chg", ret_id);
		(void)db_run(
			s,
			"INSERT INTO change (change_id, seq, repo_id, plan_id, branch, target, how, gate, "
			"gate_tries, state,"
			" base_commit, approved, created_at)"
			" SELECT ?, coalesce(max(seq), 0) + 1, ?,?,?,?,?,?,?, 'queued', ?,?,? FROM change",
			"ssssssjisii", ret_id, spec->repo_id, spec->plan_id, spec->branch, spec->target,
			spec->how, spec->gate, (int64_t)(spec->gate_tries ? spec->gate_tries : 1),
			spec->base_commit, (int64_t)spec->approved, store_now(s));
		add_needs(s, ret_id, spec);
	}
	const char *why = unvouched(spec);
	change_set_state(s, ret_id, why ? "ready" : "queued", why);
	return 0;
}

bool change_next(struct store *s, const char *repo_id, const char *target, struct change *ret)
{
	if (db_int(s, 0,
		   "SELECT count(*) FROM change WHERE repo_id = ? AND target = ? AND ended_at IS NULL"
		   " AND state IN ('building','testing')",
		   "ss", repo_id, target) > 0)
		return false;
	/* A need is met by a change of its branch that landed for the same plan: an older plan's may be of
	 * the same name, and a later one of that branch takes nothing back. */
	autofree char *id = db_text(
		s,
		"SELECT change_id FROM change AS c WHERE repo_id = ?1 AND target = ?2 AND ended_at IS NULL"
		" AND state = 'queued' AND NOT EXISTS (SELECT 1 FROM change_dep AS d WHERE"
		"  d.change_id = c.change_id AND NOT EXISTS (SELECT 1 FROM change AS n WHERE n.repo_id = ?1"
		"   AND n.target = ?2 AND n.branch = d.needs AND n.plan_id IS c.plan_id AND n.state = "
		"'landed'))"
		" ORDER BY seq LIMIT 1",
		"ss", repo_id, target);
	return id && change_get(s, id, ret);
}

void change_built(struct store *s, const char *change_id, const json_t *built)
{
	(void)db_run(s, "UPDATE change SET built = ?, head = ?, builds = builds + 1 WHERE change_id = ?",
		     "jss", built, json_str(built, "head"), change_id);
	int64_t n = db_int(s, 0, "SELECT count(*) FROM gate_run WHERE change_id = ?", "s", change_id);
	size_t i;
	json_t *g;
	json_array_foreach(json_object_get(built, "gate"), i, g)
	{
		json_t *command = json_object_get(g, "command");
		autofree char *text =
			json_is_string(command) ? xstrdup(json_string_value(command)) : json_text(command);
		(void)db_run(s,
			     "INSERT INTO gate_run (change_id, n, tree, command, result, tries, log, at) "
			     "VALUES (?,?,?,?,?,?,?,?)",
			     "sisssisi", change_id, n + (int64_t)i, json_str(g, "tree"), text,
			     json_str(g, "result"), (int64_t)json_int(g, "tries", 1), json_str(g, "log"),
			     store_now(s));
	}
}

/* False when it had ended before: the first end stays. */
static bool end(struct store *s, const char *change_id, const char *state, const char *commit,
		const char *reason)
{
	if (db_run(s,
		   "UPDATE change SET state = ?, landed_as = ?, reason = ?, ended_at = ? WHERE change_id = ?"
		   " AND ended_at IS NULL",
		   "sssis", state, commit, reason, store_now(s), change_id) <= 0)
		return false;
	emit(s, change_id, state, reason);
	return true;
}

void change_landed(struct store *s, const char *change_id, const char *commit, const char *reason)
{
	(void)end(s, change_id, "landed", commit, reason); /* or it has ended already */
}

void change_eject(struct store *s, const char *change_id, const char *reason)
{
	autochange c = {0};
	if (!change_get(s, change_id, &c) || !end(s, change_id, "ejected", NULL, reason))
		return;
	change_eject_dependants(s, c.repo_id, c.plan_id[0] ? c.plan_id : NULL, c.branch, c.target, reason);
}

void change_eject_dependants(struct store *s, const char *repo_id, const char *plan_id, const char *branch,
			     const char *target, const char *reason)
{
	autofree char *why = xasprintf("needs %s, which did not land: %.400s", branch, reason);
	autoquery q = db_query(
		s,
		"SELECT c.change_id FROM change AS c JOIN change_dep AS d ON d.change_id = c.change_id"
		" WHERE d.needs = ? AND c.repo_id = ? AND c.target = ? AND c.plan_id IS ?"
		" AND c.ended_at IS NULL AND c.state NOT IN ('building','testing') ORDER BY c.seq",
		"ssss", branch, repo_id, target, plan_id);
	while (query_next(&q))
		change_eject(s, query_text(&q, 0), why);
}

static json_t *needs_json(struct store *s, const char *change_id)
{
	json_t *list = json_array();
	autoquery q = db_query(s, "SELECT needs FROM change_dep WHERE change_id = ? ORDER BY needs", "s",
			       change_id);
	while (query_next(&q))
		json_array_append_new(list, json_string(query_text(&q, 0)));
	return list;
}

static json_t *gate_json(struct store *s, const char *change_id)
{
	json_t *list = json_array();
	autoquery q = db_query(
		s, "SELECT command, result, tree, tries, log FROM gate_run WHERE change_id = ? ORDER BY n",
		"s", change_id);
	while (query_next(&q)) {
		json_t *g = json_object();
		json_set_str(g, "command", query_text(&q, 0));
		json_set_str(g, "result", query_text(&q, 1));
		json_set_str(g, "tree", query_text(&q, 2));
		json_object_set_new(g, "tries", json_integer(query_int(&q, 3)));
		json_set_str(g, "log", query_text(&q, 4));
		json_array_append_new(list, g);
	}
	return list;
}

json_t *change_to_json(struct store *s, const char *change_id)
{
	autoquery q =
		db_query(s, "SELECT branch, state, head, landed_as, reason FROM change WHERE change_id = ?",
			 "s", change_id);
	if (!query_next(&q))
		return NULL;
	json_t *c = json_object();
	json_set_str(c, "branch", query_text(&q, 0));
	json_set_str(c, "state", query_text(&q, 1));
	json_object_set_new(c, "needs", needs_json(s, change_id));
	json_set_str(c, "head", query_text(&q, 2));
	json_set_str(c, "landed_as", query_text(&q, 3));
	json_object_set_new(c, "gate", gate_json(s, change_id));
	json_set_str(c, "reason", query_text(&q, 4));
	return c;
}

json_t *change_train_json(struct store *s, const char *repo_id, const char *target, const char *plan_id)
{
	json_t *list = json_array();
	autoquery q = db_query(s,
			       "SELECT change_id FROM (SELECT change_id, seq, ended_at FROM change WHERE "
			       "repo_id = ?1 AND target = ?2"
			       " AND (?3 IS NULL OR plan_id = ?3) ORDER BY ended_at IS NULL DESC, seq DESC "
			       "LIMIT 50) ORDER BY seq",
			       "sss", repo_id, target, plan_id);
	while (query_next(&q))
		json_array_append_new(list, change_to_json(s, query_text(&q, 0)));
	return json_pack("{s:s, s:o}", "target", target, "changes", list);
}

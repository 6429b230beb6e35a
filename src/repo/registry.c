/* Rows of repositories, worktrees, trash and owners; see registry.h. */
#include "repo/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/event.h"

static void copy_id(char to[ID_SIZE], const char *from)
{
	(void)snprintf(to, ID_SIZE, "%s", from ? from : "");
}

void repo_register(struct store *s, const json_t *described, char ret_id[ID_SIZE])
{
	const char *common = json_str(described, "common_dir"), *main = json_str(described, "main"),
		   *config = json_str(described, "config");
	autofree char *known = db_text(s, "SELECT repo_id FROM repo WHERE common_dir = ?", "s", common);
	if (known) {
		copy_id(ret_id, known);
		(void)db_run(s,
			     "UPDATE repo SET main = ?1, config = ?2 WHERE repo_id = ?3 AND (main IS NOT ?1 "
			     "OR config IS NOT ?2)",
			     "sss", main, config, known);
		return;
	}
	store_new_id(s, "repo", ret_id);
	(void)db_run(
		s,
		"INSERT INTO repo (repo_id, common_dir, main, name, config, created_at) VALUES (?,?,?,?,?,?)",
		"sssssi", ret_id, common, main, json_str(described, "name"), config, store_now(s));
}

json_t *repo_args(struct store *s, const char *repo_id)
{
	autoquery q = db_query(s, "SELECT common_dir, main FROM repo WHERE repo_id = ?", "s", repo_id);
	if (!query_next(&q))
		return NULL;
	json_t *repo = json_object();
	json_set_str(repo, "common_dir", query_text(&q, 0));
	json_set_str(repo, "main", query_text(&q, 1));
	return repo;
}

void worktree_release(struct worktree *w)
{
	free(w->branch);
	free(w->path);
	free(w->git_dir);
	free(w->base);
	free(w->base_commit);
	free(w->state);
	*w = (struct worktree){0};
}

static bool read_row(struct query *q, struct worktree *ret)
{
	if (!query_next(q))
		return false;
	worktree_release(ret);
	copy_id(ret->id, query_text(q, 0));
	copy_id(ret->repo_id, query_text(q, 1));
	copy_id(ret->peer_id, query_text(q, 2));
	copy_id(ret->plan_id, query_text(q, 3));
	ret->branch = query_dup(q, 4);
	ret->path = query_dup(q, 5);
	ret->git_dir = query_dup(q, 6);
	ret->base = query_dup(q, 7);
	ret->base_commit = query_dup(q, 8);
	ret->state = query_dup(q, 9);
	return true;
}

#define COLUMNS "worktree_id, repo_id, peer_id, plan_id, branch, path, git_dir, base, base_commit, state"

bool worktree_of_branch(struct store *s, const char *repo_id, const char *branch, struct worktree *ret)
{
	autoquery q = db_query(s,
			       "SELECT " COLUMNS " FROM worktree WHERE repo_id = ? AND branch = ?"
			       " AND state IN ('creating','live','removing')",
			       "ss", repo_id, branch);
	return read_row(&q, ret);
}

bool worktree_get(struct store *s, const char *worktree_id, struct worktree *ret)
{
	autoquery q = db_query(s, "SELECT " COLUMNS " FROM worktree WHERE worktree_id = ?", "s", worktree_id);
	return read_row(&q, ret);
}

int worktree_announce(struct store *s, const char *repo_id, const char *branch, const char *path,
		      const char *peer_id, const char *plan_id, char ret_id[ID_SIZE], struct error *err)
{
	autoworktree old = {0};
	if (worktree_of_branch(s, repo_id, branch, &old)) {
		int code = error_set(err, ERR_EXISTS, "%s has a worktree already: %s (%s)", branch, old.path,
				     old.state);
		return error_hint(err, code, "work in it, or remove it first: coppice rm %s", branch);
	}
	store_new_id(s, "wt", ret_id);
	(void)db_run(s,
		     "INSERT INTO worktree (worktree_id, repo_id, branch, path, peer_id, plan_id, state, "
		     "created_at)"
		     " VALUES (?,?,?,?,?,?,'creating',?)",
		     "ssssssi", ret_id, repo_id, branch, path, peer_id, plan_id, store_now(s));
	return 0;
}

static void emit(struct store *s, const char *kind, const char *worktree_id, json_t *data)
{
	autofree char *plan =
		db_text(s, "SELECT plan_id FROM worktree WHERE worktree_id = ?", "s", worktree_id);
	event_emit(s, kind, worktree_id, plan, data);
}

static void record_location(struct store *s, const char *worktree_id, const json_t *found)
{
	(void)db_run(s,
		     "UPDATE worktree SET state = 'live', path = ?, git_dir = ?, base = ?, base_commit = ?,"
		     " created_branch = ?, adopted = ? WHERE worktree_id = ?",
		     "ssssiis", json_str(found, "path"), json_str(found, "git_dir"), json_str(found, "base"),
		     json_str(found, "base_commit"), (int64_t)json_bool(found, "created_branch", false),
		     (int64_t)json_bool(found, "adopted", false), worktree_id);
}

void worktree_created(struct store *s, const char *worktree_id, const json_t *result)
{
	record_location(s, worktree_id, result);
	json_t *data = json_object();
	json_set_str(data, "branch", json_str(result, "branch"));
	json_set_str(data, "path", json_str(result, "path"));
	emit(s, "worktree.live", worktree_id, data);
}

void worktree_failed(struct store *s, const char *worktree_id, const json_t *error)
{
	(void)db_run(s, "UPDATE worktree SET state = 'removed', removed_at = ? WHERE worktree_id = ?", "is",
		     store_now(s), worktree_id);
	emit(s, "worktree.failed", worktree_id, json_deep_copy(error));
}

void worktree_set_state(struct store *s, const char *worktree_id, const char *state)
{
	(void)db_run(s, "UPDATE worktree SET state = ? WHERE worktree_id = ?", "ss", state, worktree_id);
}

void worktree_set_peer(struct store *s, const char *worktree_id, const char *peer_id)
{
	(void)db_run(s, "UPDATE worktree SET peer_id = ? WHERE worktree_id = ?", "ss", peer_id, worktree_id);
}

void worktree_adopt(struct store *s, const char *repo_id, const json_t *listed, char ret_id[ID_SIZE])
{
	store_new_id(s, "wt", ret_id);
	(void)db_run(s,
		     "INSERT INTO worktree (worktree_id, repo_id, branch, path, state, created_at) VALUES "
		     "(?,?,?,?,'live',?)",
		     "ssssi", ret_id, repo_id, json_str(listed, "branch"), json_str(listed, "path"),
		     store_now(s));
	record_location(s, ret_id, listed);
	(void)db_run(s, "UPDATE worktree SET adopted = 1 WHERE worktree_id = ?", "s", ret_id);
}

static void close_row(struct store *s, const struct worktree *w)
{
	(void)db_run(
		s,
		"UPDATE worktree SET state = 'removed', removed_at = ?, peer_id = NULL WHERE worktree_id = ?",
		"is", store_now(s), w->id);
	branch_disown(s, w->repo_id, w->branch);
}

void worktree_gone(struct store *s, const char *worktree_id)
{
	autoworktree w = {0};
	if (!worktree_get(s, worktree_id, &w))
		return;
	close_row(s, &w);
	emit(s, "worktree.gone", worktree_id, json_pack("{s:s, s:s}", "branch", w.branch, "path", w.path));
}

void worktree_removed(struct store *s, const char *worktree_id, const char *trash_id, const json_t *trash)
{
	autoworktree w = {0};
	if (!worktree_get(s, worktree_id, &w))
		return;
	close_row(s, &w);
	(void)db_run(s,
		     "INSERT OR IGNORE INTO trash (trash_id, repo_id, branch, path, info, state, removed_at)"
		     " VALUES (?,?,?,?,?,'kept',?)",
		     "ssssji", trash_id, w.repo_id, w.branch, w.path, trash, store_now(s));
	json_t *data = json_object();
	json_set_str(data, "branch", w.branch);
	json_set_str(data, "path", w.path);
	json_set_str(data, "trash", trash_id);
	emit(s, "worktree.removed", worktree_id, data);
}

json_t *trash_find(struct store *s, const char *repo_id, const char *branch, char ret_id[ID_SIZE])
{
	autoquery q = db_query(s,
			       "SELECT trash_id, info FROM trash WHERE repo_id = ? AND branch = ? AND state "
			       "IN ('kept','restoring')"
			       " ORDER BY removed_at DESC LIMIT 1",
			       "ss", repo_id, branch);
	if (!query_next(&q))
		return NULL;
	copy_id(ret_id, query_text(&q, 0));
	return query_json(&q, 1);
}

void trash_set_state(struct store *s, const char *trash_id, const char *state)
{
	(void)db_run(s, "UPDATE trash SET state = ?, ended_at = ? WHERE trash_id = ?", "sis", state,
		     store_now(s), trash_id);
}

static void owners_changed(struct store *s, int rows)
{
	if (rows > 0)
		store_wake(s, BRANCH_OWNERS);
}

void branch_own(struct store *s, const char *repo_id, const char *branch, const char *peer_id)
{
	owners_changed(
		s,
		db_run(s,
		       "INSERT INTO branch_owner (repo_id, branch, peer_id, since) VALUES (?,?,?,?)"
		       " ON CONFLICT DO UPDATE SET peer_id = excluded.peer_id, since = excluded.since"
		       " WHERE NOT EXISTS (SELECT 1 FROM peer WHERE peer.peer_id = branch_owner.peer_id AND "
		       "live = 1)",
		       "sssi", repo_id, branch, peer_id, store_now(s)));
}

void branch_disown(struct store *s, const char *repo_id, const char *branch)
{
	owners_changed(s, db_run(s, "DELETE FROM branch_owner WHERE repo_id = ? AND branch = ?", "ss",
				 repo_id, branch));
}

void branch_owner_gone(struct store *s, const char *peer_id)
{
	owners_changed(
		s, db_run(s,
			  "UPDATE branch_owner SET since = ?2, peer_id = coalesce((SELECT peer.peer_id FROM "
			  "peer JOIN"
			  " worktree AS w ON w.path = peer.path WHERE w.repo_id = branch_owner.repo_id AND"
			  " w.branch = branch_owner.branch AND w.state = 'live' AND peer.live = 1 ORDER BY"
			  " peer.created_at, peer.peer_id LIMIT 1), peer_id) WHERE peer_id = ?1",
			  "si", peer_id, store_now(s)));
}

/* See guard_rows.h. */
#include "repo/guard_rows.h"

#include "base/json.h"
#include "repo/guard_file.h"

static json_t *branches_of(struct store *s, const char *repo_id)
{
	autoquery q = db_query(
		s,
		"SELECT o.branch, peer.peer_id, peer.name, peer.circle, (SELECT git_dir FROM worktree AS w"
		" WHERE w.repo_id = o.repo_id AND w.branch = o.branch AND w.state = 'live')"
		" FROM branch_owner AS o JOIN peer ON peer.peer_id = o.peer_id WHERE o.repo_id = ?"
		" ORDER BY 1",
		"s", repo_id);
	json_t *branches = json_object();
	while (query_next(&q)) {
		json_t *owner = json_object();
		json_set_str(owner, "peer", query_text(&q, 1));
		json_set_str(owner, "name", query_text(&q, 2));
		json_set_str(owner, "circle", query_text(&q, 3));
		json_set_str(owner, "git_dir", query_text(&q, 4));
		(void)json_object_set_new(branches, query_text(&q, 0),
					  owner); /* what is no UTF-8 is in no row */
	}
	return branches;
}

/* The first column of each row. Takes the query. */
static json_t *column_of(struct query rows)
{
	autoquery q = rows;
	json_t *list = json_array();
	while (query_next(&q))
		json_array_append_new(list, json_string(query_text(&q, 0)));
	return list;
}

static json_t *repo_of(struct store *s, const char *repo_id, const char *main)
{
	json_t *targets = column_of(
		db_query(s,
			 "SELECT target FROM change WHERE repo_id = ?1 AND ended_at IS NULL UNION"
			 " SELECT target FROM plan WHERE repo_id = ?1 AND ended_at IS NULL ORDER BY 1",
			 "s", repo_id));
	/* A worktree may lie within the main one. */
	json_t *at_main = column_of(db_query(s,
					     "SELECT peer_id FROM peer WHERE live = 1 AND (path = ?1 OR "
					     "substr(path, 1, length(?1) + 1) = ?1 || '/')"
					     " AND NOT EXISTS (SELECT 1 FROM worktree AS w WHERE w.repo_id = "
					     "?2 AND w.state <> 'removed' AND"
					     " (peer.path = w.path OR substr(peer.path, 1, length(w.path) + "
					     "1) = w.path || '/')) ORDER BY peer_id",
					     "ss", main, repo_id));
	json_t *repo = json_pack("{s:o, s:o, s:o}", "branches", branches_of(s, repo_id), "targets", targets,
				 "at_main", at_main);
	json_set_str(repo, "main", main);
	return repo;
}

json_t *guard_rows_owners(struct store *s)
{
	json_t *repos = json_object();
	autoquery q = db_query(s, "SELECT repo_id, common_dir, main FROM repo ORDER BY common_dir", "");
	while (query_next(&q))
		(void)json_object_set_new(repos, query_text(&q, 1),
					  repo_of(s, query_text(&q, 0), query_text(&q, 2)));
	return json_pack("{s:i, s:o}", "version", GUARD_FILE_VERSION, "repos", repos);
}

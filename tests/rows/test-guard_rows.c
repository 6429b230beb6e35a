/* Tests of guard_rows.h over the rows: what the guard's file says of owners, targets and main worktrees. */
#include "mesh/testing.h"

#include "base/alloc.h"
#include "base/json.h"
#include "repo/guard_file.h"
#include "repo/guard_rows.h"
#include "repo/registry.h"

static struct peer_ref peer_at(struct world *w, const char *path)
{
	struct peer_ref peer = world_agent(w, NULL, NULL, NULL);
	(void)db_run(w->s, "UPDATE peer SET path = ? WHERE peer_id = ?", "ss", path, peer.peer_id);
	return peer;
}

static void a_worktree(struct world *w, const char *repo, const char *branch, const char *path)
{
	char id[ID_SIZE];
	json_auto_t *listed = json_pack("{s:s, s:s, s:s}", "branch", branch, "path", path, "git_dir", path);
	worktree_adopt(w->s, repo, listed, id);
}

/* What the file says of the repository; a new reference. */
static json_t *said(struct world *w)
{
	json_auto_t *owners = guard_rows_owners(w->s);
	autofree char *text = json_text(owners);
	json_auto_t *parsed = NULL;
	assert_int_equal(guard_file_parse(text, strlen(text), &parsed, NULL), 0);
	return json_incref(json_object_get(json_object_get(parsed, "repos"), "/src/app/.git"));
}

static void a_repo(struct world *w, char ret[ID_SIZE])
{
	json_auto_t *repo = json_pack("{s:s, s:s, s:s}", "common_dir", "/src/app/.git", "main", "/src/app",
				      "name", "app");
	repo_register(w->s, repo, ret);
}

static const char *owner_of(const json_t *repo, const char *branch)
{
	return json_str(json_object_get(json_object_get(repo, "branches"), branch), "peer");
}

static void test_W9_the_file_names_owners_and_who_works_in_the_main_worktree(void **state)
{
	struct world *w = *state;
	char repo[ID_SIZE];
	a_repo(w, repo);
	a_worktree(w, repo, "feat/a", "/src/app-feat-a");
	a_worktree(w, repo, "feat/in", "/src/app/.worktrees/in");
	struct peer_ref a = peer_at(w, "/src/app-feat-a"), in = peer_at(w, "/src/app/.worktrees/in/sub");
	struct peer_ref main = peer_at(w, "/src/app"), below = peer_at(w, "/src/app/lib");
	struct peer_ref gone = peer_at(w, "/src/app");
	assert_int_equal(peer_offline(w->s, gone.peer_id, CAUSE_SESSION_END, NULL), 0);
	branch_own(w->s, repo, "feat/a", a.peer_id);
	branch_own(w->s, repo, "feat/in", in.peer_id);
	json_auto_t *r = said(w);
	assert_string_equal(owner_of(r, "feat/a"), a.peer_id);
	assert_string_equal(owner_of(r, "feat/in"), in.peer_id);
	assert_string_equal(json_str(r, "main"), "/src/app");
	const json_t *at_main = json_object_get(r, "at_main");
	assert_int_equal(json_array_size(at_main), 2);
	for (size_t i = 0; i < 2; i++) {
		const char *id = json_string_value(json_array_get(at_main, i));
		assert_true(strcmp(id, main.peer_id) == 0 || strcmp(id, below.peer_id) == 0);
	}
	branch_disown(w->s, repo, "feat/a");
	json_auto_t *after = said(w);
	assert_null(owner_of(after, "feat/a"));
}

static void test_W9_targets_are_those_of_open_changes_and_running_plans(void **state)
{
	struct world *w = *state;
	char repo[ID_SIZE];
	a_repo(w, repo);
	static const char *const targets[] = {"main", "release"};
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
		(void)db_run(
			w->s,
			"INSERT INTO change (change_id, seq, repo_id, branch, target, how, state, created_at)"
			" VALUES (?,1,?,'feat/a',?,'squash','ready',1)",
			"sss", targets[i], repo, targets[i]);
	(void)db_run(w->s,
		     "INSERT INTO plan (plan_id, file, dir, repo_id, target, circle, spec, state, created_at)"
		     " VALUES ('p','','',?,'next','c','','running',1)",
		     "s", repo);
	(void)db_run(w->s, "UPDATE change SET ended_at = 2 WHERE target = 'main'", "");
	json_auto_t *r = said(w);
	autofree char *text = json_text(json_object_get(r, "targets"));
	assert_string_equal(text, "[\"next\",\"release\"]");
}

static void test_W9_who_comes_next_in_a_worktree_owns_its_branch_when_the_owner_has_gone(void **state)
{
	struct world *w = *state;
	char repo[ID_SIZE];
	a_repo(w, repo);
	a_worktree(w, repo, "feat/a", "/src/app-feat-a");
	struct peer_ref first = peer_at(w, "/src/app-feat-a"), second = peer_at(w, "/src/app-feat-a");
	struct peer_ref elsewhere = peer_at(w, "/src/app");
	branch_own(w->s, repo, "feat/a", first.peer_id);
	branch_owner_gone(w->s, elsewhere.peer_id);
	assert_int_equal(peer_offline(w->s, first.peer_id, CAUSE_SESSION_END, NULL), 0);
	branch_owner_gone(w->s, first.peer_id);
	json_auto_t *next = said(w);
	assert_string_equal(owner_of(next, "feat/a"), second.peer_id);
	/* Nobody is left in the worktree: it stays whose it was, and guarded. */
	assert_int_equal(peer_offline(w->s, second.peer_id, CAUSE_SESSION_END, NULL), 0);
	branch_owner_gone(w->s, second.peer_id);
	json_auto_t *last = said(w);
	assert_string_equal(owner_of(last, "feat/a"), second.peer_id);
	branch_own(w->s, repo, "feat/a", elsewhere.peer_id); /* until another one registers there */
	json_auto_t *taken = said(w);
	assert_string_equal(owner_of(taken, "feat/a"), elsewhere.peer_id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_W9_the_file_names_owners_and_who_works_in_the_main_worktree),
		world_test(test_W9_targets_are_those_of_open_changes_and_running_plans),
		world_test(test_W9_who_comes_next_in_a_worktree_owns_its_branch_when_the_owner_has_gone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of the rows of repositories, worktrees, trash and owners. */
#include "mesh/testing.h"

#include "base/alloc.h"
#include "repo/registry.h"

static void some_repo(struct world *w, const char *common, char ret[ID_SIZE])
{
	json_auto_t *repo =
		json_pack("{s:s, s:s, s:s}", "common_dir", common, "main", "/src/app", "name", "app");
	repo_register(w->s, repo, ret);
}

static void announce(struct world *w, const char *repo, const char *branch, char ret[ID_SIZE])
{
	autoerror err = {0};
	world_check(worktree_announce(w->s, repo, branch, "/src/wanted", "peer-x", "plan-x", ret, &err),
		    &err);
}

static json_t *made(const char *branch)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b}", "branch", branch, "path", "/src/given",
			 "git_dir", "/src/app/.git/worktrees/given", "base", "main", "base_commit", "c0ffee",
			 "created_branch", 1, "adopted", 0);
}

static void assert_state(struct world *w, const char *id, const char *state)
{
	autoworktree row = {0};
	assert_true(worktree_get(w->s, id, &row));
	assert_string_equal(row.state, state);
}

static void test_a_repository_is_one_row_by_its_common_folder(void **state)
{
	struct world *w = *state;
	char a[ID_SIZE], again[ID_SIZE], b[ID_SIZE];
	some_repo(w, "/src/app/.git", a);
	some_repo(w, "/src/app/.git", again);
	some_repo(w, "/src/copy/app/.git", b); /* the same name elsewhere is another one */
	assert_string_equal(a, again);
	assert_string_not_equal(a, b);
	json_auto_t *args = repo_args(w->s, a);
	json_auto_t *want = json_pack("{s:s, s:s}", "common_dir", "/src/app/.git", "main", "/src/app");
	assert_true(json_equal(args, want));
	assert_null(repo_args(w->s, "repo-nothing"));
}

static void test_a_moved_main_worktree_is_followed(void **state)
{
	struct world *w = *state;
	char id[ID_SIZE], again[ID_SIZE];
	some_repo(w, "/src/app.git", id);
	json_auto_t *bare = json_pack("{s:s, s:n, s:s}", "common_dir", "/src/app.git", "main", "name", "app");
	repo_register(w->s, bare, again);
	assert_string_equal(id, again);
	json_auto_t *args = repo_args(w->s, id);
	assert_true(json_is_null(json_object_get(args, "main")));
}

static void test_W2_the_base_commit_is_recorded_at_creation(void **state)
{
	struct world *w = *state;
	char repo[ID_SIZE], id[ID_SIZE];
	some_repo(w, "/src/app/.git", repo);
	announce(w, repo, "feat/a", id);
	assert_state(w, id, "creating");
	json_auto_t *result = made("feat/a");
	worktree_created(w->s, id, result);
	autoworktree row = {0};
	assert_true(worktree_of_branch(w->s, repo, "feat/a", &row));
	assert_string_equal(row.id, id);
	assert_string_equal(row.state, "live");
	assert_string_equal(row.path, "/src/given"); /* where it came to be, not where it was wanted */
	assert_string_equal(row.git_dir, "/src/app/.git/worktrees/given");
	assert_string_equal(row.base, "main");
	assert_string_equal(row.base_commit, "c0ffee");
	assert_string_equal(row.peer_id, "peer-x");
	assert_string_equal(row.plan_id, "plan-x");
	assert_int_equal(world_events(w, "worktree.live", id), 1);
}

static void test_W1_a_branch_has_one_worktree(void **state)
{
	struct world *w = *state;
	static const char *const holding[] = {"creating", "live", "removing"};
	char repo[ID_SIZE], other[ID_SIZE], id[ID_SIZE], second[ID_SIZE] = "untouched";
	some_repo(w, "/src/app/.git", repo);
	some_repo(w, "/src/lib/.git", other);
	announce(w, repo, "feat/a", id);
	for (size_t i = 0; i < ARRAY_SIZE(holding); i++) {
		autoerror err = {0};
		worktree_set_state(w->s, id, holding[i]);
		assert_int_equal(worktree_announce(w->s, repo, "feat/a", "/x", NULL, NULL, second, &err),
				 ERR_EXISTS);
		assert_non_null(strstr(err.message, "/src/wanted"));
		assert_string_equal(second, "untouched");
	}
	announce(w, other, "feat/a", second);
	worktree_set_state(w->s, id, "removed");
	announce(w, repo, "feat/a", second);
}

static void test_a_creation_that_failed_frees_its_branch(void **state)
{
	struct world *w = *state;
	char repo[ID_SIZE], id[ID_SIZE], again[ID_SIZE];
	some_repo(w, "/src/app/.git", repo);
	announce(w, repo, "feat/a", id);
	json_auto_t *error = json_pack("{s:{s:s, s:s}}", "error", "code", "git", "message", "no");
	worktree_failed(w->s, id, error);
	autoworktree row = {0};
	assert_false(worktree_of_branch(w->s, repo, "feat/a", &row));
	assert_int_equal(world_events(w, "worktree.failed", id), 1);
	announce(w, repo, "feat/a", again);
	assert_string_not_equal(again, id);
}

static void test_a_worktree_made_by_hand_is_taken_over(void **state)
{
	struct world *w = *state;
	char repo[ID_SIZE], id[ID_SIZE];
	some_repo(w, "/src/app/.git", repo);
	json_auto_t *listed = json_pack("{s:s, s:s, s:s, s:n, s:n}", "branch", "by-hand", "path", "/src/hand",
					"git_dir", "/src/app/.git/worktrees/hand", "base", "base_commit");
	worktree_adopt(w->s, repo, listed, id);
	autoworktree row = {0};
	assert_true(worktree_of_branch(w->s, repo, "by-hand", &row));
	assert_string_equal(row.state, "live");
	assert_string_equal(row.path, "/src/hand");
	assert_null(row.base_commit);
	assert_int_equal(db_int(w->s, 0, "SELECT adopted FROM worktree WHERE worktree_id = ?", "s", id), 1);
	assert_int_equal(
		db_int(w->s, 1, "SELECT created_branch FROM worktree WHERE worktree_id = ?", "s", id),
		0); /* W8: that branch is not ours to delete */
}

static void test_W5_a_removal_is_a_trash_entry_that_is_found_again(void **state)
{
	struct world *w = *state;
	char repo[ID_SIZE], id[ID_SIZE], found[ID_SIZE];
	struct peer_ref peer = world_agent(w, "a", NULL, NULL);
	some_repo(w, "/src/app/.git", repo);
	announce(w, repo, "feat/a", id);
	json_auto_t *result = made("feat/a");
	worktree_created(w->s, id, result);
	branch_own(w->s, repo, "feat/a", peer.peer_id);
	json_auto_t *trash = json_pack("{s:s}", "path", "/trash/1");
	worktree_removed(w->s, id, "trash-000000000001", trash);
	assert_state(w, id, "removed");
	json_auto_t *info = trash_find(w->s, repo, "feat/a", found);
	assert_true(json_equal(info, trash));
	assert_string_equal(found, "trash-000000000001");
	assert_int_equal(db_int(w->s, 9, "SELECT count(*) FROM branch_owner", ""), 0);
	assert_int_equal(world_events(w, "worktree.removed", id), 1);
	worktree_removed(w->s, "wt-nothing", "trash-000000000002", trash);
	assert_int_equal(db_int(w->s, 0, "SELECT count(*) FROM trash", ""), 1);
}

static void test_W5_the_newest_kept_entry_of_a_branch_is_restored(void **state)
{
	struct world *w = *state;
	static const char *const ids[] = {"trash-000000000001", "trash-000000000002"};
	char repo[ID_SIZE], id[ID_SIZE], found[ID_SIZE];
	some_repo(w, "/src/app/.git", repo);
	for (size_t i = 0; i < 2; i++) {
		announce(w, repo, "feat/a", id);
		json_auto_t *trash = json_pack("{s:i}", "n", (int)i);
		worktree_removed(w->s, id, ids[i], trash);
		world_pass(w, USEC_PER_SEC);
	}
	json_auto_t *newest = trash_find(w->s, repo, "feat/a", found);
	assert_string_equal(found, ids[1]);
	trash_set_state(w->s, ids[1], "purged");
	json_auto_t *older = trash_find(w->s, repo, "feat/a", found);
	assert_string_equal(found, ids[0]);
	trash_set_state(w->s, ids[0], "restored");
	assert_null(trash_find(w->s, repo, "feat/a", found));
	assert_null(trash_find(w->s, repo, "feat/b", found));
	assert_non_null(newest);
	assert_non_null(older);
}

static void test_W9_the_first_owner_of_a_branch_stays_its_owner(void **state)
{
	struct world *w = *state;
	char repo[ID_SIZE];
	struct peer_ref a = world_agent(w, "a", NULL, NULL);
	struct peer_ref b = world_agent(w, "b", NULL, NULL);
	some_repo(w, "/src/app/.git", repo);
	branch_own(w->s, repo, "feat/a", a.peer_id);
	branch_own(w->s, repo, "feat/a", b.peer_id);
	autofree char *owner = db_text(w->s, "SELECT peer_id FROM branch_owner WHERE branch = 'feat/a'", "");
	assert_string_equal(owner, a.peer_id);
	branch_disown(w->s, repo, "feat/a");
	branch_own(w->s, repo, "feat/a", b.peer_id);
	autofree char *next = db_text(w->s, "SELECT peer_id FROM branch_owner WHERE branch = 'feat/a'", "");
	assert_string_equal(next, b.peer_id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_a_repository_is_one_row_by_its_common_folder),
		world_test(test_a_moved_main_worktree_is_followed),
		world_test(test_W2_the_base_commit_is_recorded_at_creation),
		world_test(test_W1_a_branch_has_one_worktree),
		world_test(test_a_creation_that_failed_frees_its_branch),
		world_test(test_a_worktree_made_by_hand_is_taken_over),
		world_test(test_W5_a_removal_is_a_trash_entry_that_is_found_again),
		world_test(test_W5_the_newest_kept_entry_of_a_branch_is_restored),
		world_test(test_W9_the_first_owner_of_a_branch_stays_its_owner),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

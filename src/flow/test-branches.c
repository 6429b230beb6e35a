/* Tests of branches.h: who is told of a move that was not made in the owner's worktree, and of what. */
#include "flow/testing.h"

#include "flow/branches.h"

#define OLD "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NOW "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct peer_ref an_owner(struct rig *r)
{
	char id[ID_SIZE];
	struct peer_ref owner = world_agent(r->w, "feat/a", NULL, NULL);
	json_auto_t *listed = json_pack("{s:s, s:s, s:s}", "branch", "feat/a", "path", "/src/app-feat-a",
					"git_dir", "/src/app/.git/worktrees/app-feat-a");
	worktree_adopt(r->s, r->repo, listed, id);
	branch_own(r->s, r->repo, "feat/a", owner.peer_id);
	return owner;
}

static void move(struct rig *r, const char *old, const char *now)
{
	branch_moved(&r->core, &(struct branch_move){"/src/app/.git", "feat/a", old, now});
}

/* The last thing that the peer was told; caller frees. */
static char *told(struct rig *r, const struct peer_ref *peer)
{
	return db_text(
		r->s,
		"SELECT text FROM message WHERE to_peer = ? AND kind = 'system' ORDER BY seq DESC LIMIT 1",
		"s", peer->peer_id);
}

static int64_t messages(struct rig *r)
{
	return db_int(r->s, -1, "SELECT count(*) FROM message", "");
}

static void test_W9_owner_and_orchestrator_are_told_with_the_command_that_restores(void **state)
{
	struct rig *r = *state;
	struct peer_ref owner = an_owner(r), other = world_agent(r->w, "feat/b", NULL, NULL);
	struct peer_ref lead = world_agent(r->w, "lead", "elsewhere", "orchestrator");
	move(r, OLD, NOW);
	autofree char *own = told(r, &owner), *leads = told(r, &lead), *others = told(r, &other);
	assert_non_null(
		strstr(own, "refs/heads/feat/a, your branch, was moved from aaaaaaaaaaaa to bbbbbbbbbbbb"));
	assert_non_null(strstr(own, "in /src/app-feat-a: git update-ref refs/heads/feat/a " OLD " " NOW));
	assert_non_null(strstr(leads, "the branch of default:feat/a"));
	assert_non_null(strstr(leads, "git update-ref refs/heads/feat/a " OLD " " NOW));
	assert_null(others);
	assert_int_equal(world_events(r->w, "branch.moved", r->repo), 1);
	move(r, OLD, "");
	autofree char *deleted = told(r, &owner);
	assert_non_null(strstr(deleted, "was deleted"));
	assert_non_null(strstr(deleted, OLD " 0000000000000000000000000000000000000000"));
	move(r, "", NOW);
	autofree char *made = told(r, &owner);
	assert_non_null(strstr(made, "git update-ref -d refs/heads/feat/a " NOW));
}

static void test_W9_what_coppice_does_itself_is_no_move_past_the_guard(void **state)
{
	struct rig *r = *state;
	(void)an_owner(r);
	(void)db_run(
		r->s,
		"INSERT INTO change (change_id, seq, repo_id, branch, target, how, state, built, created_at)"
		" VALUES ('c',1,?,'feat/b','feat/a','squash','testing',?,1)",
		"ss", r->repo, NOW);
	move(r, OLD, NOW);
	assert_int_equal(messages(r), 0);
	(void)db_run(r->s, "UPDATE worktree SET state = 'removing'", "");
	move(r, OLD, "");
	assert_int_equal(messages(r), 0);
	branch_disown(r->s, r->repo, "feat/a");
	move(r, OLD, OLD);
	branch_moved(&r->core, &(struct branch_move){"/src/other/.git", "feat/a", OLD, NOW});
	assert_int_equal(messages(r), 0);
}

static void test_W9_an_owner_who_is_gone_for_good_is_not_written_to(void **state)
{
	struct rig *r = *state;
	struct peer_ref owner = an_owner(r);
	assert_int_equal(peer_offline(r->s, owner.peer_id, CAUSE_RETIRED, NULL), 0);
	move(r, OLD, NOW);
	assert_int_equal(messages(r), 0);
	assert_int_equal(world_events(r->w, "branch.moved", r->repo), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_W9_owner_and_orchestrator_are_told_with_the_command_that_restores, rig_setup,
			rig_teardown),
		cmocka_unit_test_setup_teardown(test_W9_what_coppice_does_itself_is_no_move_past_the_guard,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_W9_an_owner_who_is_gone_for_good_is_not_written_to,
						rig_setup, rig_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

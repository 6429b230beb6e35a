/* Tests of confine.h: who is confined, to which places, and what is made of a denial. */
#include "flow/testing.h"

#include "flow/confine.h"
#include "mesh/peer.h"
#include "os/kernel.h"

static void begin(struct rig *r)
{
	if (kernel_landlock_abi() < 1)
		skip();
	json_auto_t *there =
		json_pack("{s:s, s:s, s:s, s:s, s:b}", "path", "/src/app-a", "git_dir",
			  "/src/app/.git/worktrees/app-a", "branch", "feat/a", "base", "main", "linked", 1);
	char id[ID_SIZE];
	worktree_adopt(r->s, r->repo, there, id);
}

static void mint(struct rig *r, const char *parent, char ret[ID_SIZE])
{
	struct peer_spec spec = {
		.backend = "script", .path = "/src/app-a", .parent_peer = parent, .trusted = true};
	world_check(peer_mint(r->s, &spec, ret, NULL), NULL);
}

static bool has(const json_t *spec, const char *key, const char *path)
{
	size_t i;
	const json_t *item;
	json_array_foreach(json_object_get(spec, key), i,
			   item) if (strcmp(json_string_value(item), path) == 0) return true;
	return false;
}

static void test_S5_the_places_of_a_worktree(void **state)
{
	struct rig *r = *state;
	char peer[ID_SIZE];
	begin(r);
	mint(r, NULL, peer);
	struct spawn_order order = {
		.peer_id = peer, .backend = "script", .path = "/src/app-a", .sandbox = "worktree"};
	json_auto_t *spec = NULL;
	assert_int_equal(confine_make(&r->core, &order, "spawn-1", &spec, NULL), 0);
	assert_true(has(spec, "write", "/src/app-a") && has(spec, "plain", "/src/app/.git/worktrees/app-a"));
	assert_true(has(spec, "plain", "/src/app/.git/refs") && has(spec, "plain", "/src/app/.git/lfs"));
	assert_true(has(spec, "protect", "/src/app-a/.git"));
	assert_true(has(spec, "blank", "/src/app/.git/worktrees/app-a/config.worktree"));
	assert_false(has(spec, "write", "/src/app/.git"));
	assert_true(has(spec, "protect", "/src/app/.git") && has(spec, "protect", "/src/app"));
	assert_true(has(spec, "protect", "/src/app/.git/worktrees/app-a/commondir"));
	assert_true(has(spec, "protect", r->core.home) && has(spec, "keep", "/run"));
	assert_true(has(spec, "hide", "/run-agents"));
	/* Without a word for it nobody is, and elsewhere than in a worktree nobody can be. */
	json_auto_t *none = NULL;
	order.sandbox = "none";
	assert_int_equal(confine_make(&r->core, &order, "spawn-1", &none, NULL), 0);
	assert_null(none);
	order.sandbox = "worktree";
	order.path = "/src/app";
	assert_int_equal(confine_make(&r->core, &order, "spawn-1", &none, NULL), ERR_REFUSED);
}

static void test_S7_a_confined_peers_children_are_confined(void **state)
{
	struct rig *r = *state;
	char parent[ID_SIZE], child[ID_SIZE], grandchild[ID_SIZE];
	begin(r);
	mint(r, NULL, parent);
	mint(r, parent, child);
	mint(r, child, grandchild);
	(void)db_run(r->s, "UPDATE peer SET sandbox = '{}' WHERE peer_id = ?", "s", parent);
	struct spawn_order order = {
		.peer_id = grandchild, .backend = "script", .path = "/src/app-a", .sandbox = "none"};
	json_auto_t *spec = NULL;
	assert_int_equal(confine_make(&r->core, &order, "spawn-1", &spec, NULL), 0);
	assert_non_null(spec);
}

static void test_S5_a_denial_names_the_path_and_the_key(void **state)
{
	struct rig *r = *state;
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"touch: cannot touch '/opt/x': Read-only file system",
		 "the sandbox keeps /opt/x from being written: add it to sandbox.write"},
		{"one\ntouch: cannot touch '../app/x': Permission denied\ntwo",
		 "the sandbox keeps /src/app/x from being written: no setting opens it"},
		{"mkdir: cannot create directory ‘/opt/d’: Read-only file system",
		 "the sandbox keeps /opt/d from being written: add it to sandbox.write"},
		{"sh: 1: cannot create /opt/x: Read-only file system",
		 "the sandbox keeps /opt/x from being written: add it to sandbox.write"},
		{"fatal: Unable to create '/src/app/.git/packed-refs.lock': Read-only file system",
		 "the sandbox keeps /src/app/.git/packed-refs.lock from being written: no setting opens it"},
		{"touch: cannot touch '/root/.cargo/bin/x': Read-only file system",
		 "the sandbox keeps /root/.cargo/bin/x from being written: no setting opens it"},
		{"open '/opt/\x1b[31m': Permission denied",
		 "the sandbox keeps /opt/\\x1B[31m from being written: add it to sandbox.write"},
		/* What it may write is refused for another reason. */
		{"touch: cannot touch '/src/app-a/x': Permission denied", NULL},
		{"touch: cannot touch 'x': Permission denied", NULL},
		{"cat: /root/.cache/x: Permission denied", NULL},
		{"all is well", NULL},
		{"Permission denied", NULL},
		{": Read-only file system", NULL},
		{"''''Read-only file system", NULL},
		{"", NULL},
	};
	char peer[ID_SIZE];
	(void)setenv("HOME", "/root", 1);
	begin(r);
	mint(r, NULL, peer);
	struct spawn_order order = {
		.peer_id = peer, .backend = "script", .path = "/src/app-a", .sandbox = "worktree"};
	json_auto_t *spec = NULL;
	assert_int_equal(confine_make(&r->core, &order, "spawn-1", &spec, NULL), 0);
	assert_null(confine_denied(r->s, peer, cases[0].text));
	assert_null(confine_writable(r->s, peer));
	(void)db_run(r->s, "UPDATE peer SET sandbox = ? WHERE peer_id = ?", "js", spec, peer);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *got = confine_denied(r->s, peer, cases[i].text);
		if (cases[i].want && !got)
			fail_msg("nothing for: %s", cases[i].text);
		if (cases[i].want)
			assert_string_equal(got, cases[i].want);
		else
			assert_null(got);
	}
	json_auto_t *writable = confine_writable(r->s, peer);
	assert_string_equal(json_string_value(json_array_get(writable, 0)), "/src/app-a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_S5_the_places_of_a_worktree, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_S7_a_confined_peers_children_are_confined, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_S5_a_denial_names_the_path_and_the_key, rig_setup,
						rig_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

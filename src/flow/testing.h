/* What the tests of flow/ and ops/ share: a core on a real database, and an end for its effects that the test
 * plays: what the daemon would start is taken from the outbox and kept until the test says how it ended.
 * Included by test programs only. */
#ifndef FLOW_TESTING_H
#define FLOW_TESTING_H

#include "mesh/testing.h"

#include "base/alloc.h"
#include "flow/core.h"
#include "flow/effects.h"
#include "flow/plan_run.h"
#include "flow/react.h"
#include "flow/spawn.h"
#include "repo/registry.h"
#include "work/plan_file.h"

enum { RIG_EFFECTS_MAX = 64 };

struct rig {
	struct world *w;
	struct store *s;
	struct core core;
	struct config *config;
	json_t *exits; /* {spawn_id: what its process left behind} */
	char repo[ID_SIZE];
	struct effect started[RIG_EFFECTS_MAX]; /* as the daemon has them under way */
	size_t n_started;
	int next_pid;
};

static inline json_t *rig_spawn_exit(const struct core *core, const char *spawn_id)
{
	const struct rig *r = core->data;
	return json_incref(json_object_get(r->exits, spawn_id));
}

static inline void rig_configure(struct rig *r, const char *user_text)
{
	autoerror err = {0};
	struct config_source src = {.user_file = "config.yaml",
				    .user_text = user_text,
				    .user_len = user_text ? strlen(user_text) : 0};
	config_free(r->config);
	world_check(config_parse(&src, &r->config, &err), &err);
	r->core.config = r->config;
}

static inline int rig_setup(void **state)
{
	struct rig *r = xcalloc(1, sizeof(*r));
	void *world = NULL;
	(void)world_setup(&world);
	r->w = world;
	r->s = r->w->s;
	r->exits = json_object();
	r->next_pid = 5000;
	r->core = (struct core){.store = r->s,
				.limits = MESH_LIMITS_DEFAULT,
				.home = r->w->dir,
				.program = "/usr/bin/coppice",
				.spawn_exit = rig_spawn_exit,
				.data = r,
				.socket = "/run/coppice.sock",
				.started_at = r->w->now};
	rig_configure(r, NULL);
	json_auto_t *repo = json_pack("{s:s, s:s, s:s}", "common_dir", "/src/app/.git", "main", "/src/app",
				      "name", "app");
	repo_register(r->s, repo, r->repo);
	*state = r;
	return 0;
}

static inline int rig_teardown(void **state)
{
	struct rig *r = *state;
	for (size_t i = 0; i < r->n_started; i++)
		effect_release(&r->started[i]);
	void *world = r->w;
	(void)world_teardown(&world);
	config_free(r->config);
	json_decref(r->exits);
	free(r);
	return 0;
}

#define rig_test(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

/* Ends the turn as the daemon does: reactions, starts of effects, commit; and begins the next one. */
static inline void rig_turn(struct rig *r)
{
	autoerror err = {0};
	flow_react(&r->core);
	while (r->n_started < RIG_EFFECTS_MAX && effect_start_next(r->s, &r->started[r->n_started]))
		r->n_started++;
	world_check(store_commit(r->s, &err), &err);
	world_begin(r->w);
}

/* Dies and starts again: what was under way is forgotten. NULL: the same boot. */
static inline void rig_crash(struct rig *r, const char *boot_id)
{
	for (size_t i = 0; i < r->n_started; i++)
		effect_release(&r->started[i]);
	r->n_started = 0;
	world_restart(r->w, boot_id);
	r->s = r->core.store = r->w->s;
	effect_recover(r->s);
	processes_of_old_boots(&r->core);
	rig_turn(r);
}

static inline char *rig_branch_of(struct rig *r, const struct effect *e)
{
	const char *branch = json_str(e->args, "branch");
	if (branch)
		return xstrdup(branch);
	char *found = db_text(r->s, "SELECT branch FROM change WHERE change_id = ?", "s", e->subject);
	return found ? found
		     : db_text(r->s,
			       "SELECT peer.branch FROM spawn JOIN peer ON peer.peer_id = spawn.peer_id"
			       " WHERE spawn.spawn_id = ?",
			       "s", e->subject);
}

/* The effect under way of that kind, for that branch (NULL: any); NULL if there is none. */
static inline struct effect *rig_find(struct rig *r, const char *kind, const char *branch)
{
	for (size_t i = 0; i < r->n_started; i++) {
		autofree char *of = rig_branch_of(r, &r->started[i]);
		if (strcmp(r->started[i].kind, kind) == 0 && (!branch || (of && strcmp(of, branch) == 0)))
			return &r->started[i];
	}
	return NULL;
}

static inline struct effect *rig_effect(struct rig *r, const char *kind, const char *branch)
{
	struct effect *e = rig_find(r, kind, branch);
	if (!e)
		fail_msg("no effect %s of %s is under way", kind, branch ? branch : "anything");
	return e;
}

/* Ends an effect in a turn of its own; takes `result`. */
static inline void rig_finish(struct rig *r, struct effect *e, bool ok, json_t *result)
{
	struct effect ended = *e;
	*e = r->started[--r->n_started];
	flow_effect_finished(&r->core, &ended, ok, result);
	effect_release(&ended);
	rig_turn(r);
}

static inline void rig_fail(struct rig *r, const char *kind, const char *branch, const char *code,
			    const char *message)
{
	rig_finish(r, rig_effect(r, kind, branch), false,
		   json_pack("{s:{s:s, s:s}}", "error", "code", code, "message", message));
}

/* Locks of worktrees in use gate nothing; their ends are played at once. */
static inline void rig_settle_locks(struct rig *r)
{
	for (size_t i = 0; i < r->n_started; i++) {
		if (strcmp(r->started[i].kind, "worktree.in_use") == 0) {
			rig_finish(r, &r->started[i], true, json_object());
			i = (size_t)-1;
		}
	}
}

/* The usual good ends. */

static inline void rig_created(struct rig *r, const char *branch)
{
	struct effect *e = rig_effect(r, "worktree.create", branch);
	const char *path = json_str(e->args, "path");
	const char *base = json_str(e->args, "base");
	autofree char *git_dir = xasprintf("/src/app/.git/worktrees/%.20s", e->subject);
	rig_finish(r, e, true,
		   json_pack("{s:s, s:s, s:s, s:s?, s:s, s:b, s:b}", "branch", branch, "path", path,
			     "git_dir", git_dir, "base", base, "base_commit",
			     "1111111111111111111111111111111111111111", "created_branch", 1, "adopted", 0));
}

static inline void rig_spawned(struct rig *r, const char *branch)
{
	int pid = r->next_pid++;
	rig_finish(r, rig_effect(r, "spawn", branch), true,
		   json_pack("{s:s, s:i, s:i, s:i, s:s}", "pane_id", "%1", "pane_pid", pid, "start_time", 77,
			     "tty", 0, "socket", "/tmp/none"));
	rig_settle_locks(r);
}

/* The process of a branch's running spawn, 0 if there is none. */
static inline int64_t rig_pid(struct rig *r, const char *branch)
{
	return db_int(r->s, 0,
		      "SELECT pane_pid FROM spawn JOIN peer ON peer.peer_id = spawn.peer_id"
		      " WHERE peer.branch = ? AND spawn.state = 'running'",
		      "s", branch);
}

/* It ends: with `status` and `summary` on record, or without a word (`status` < 0). */
static inline void rig_exit(struct rig *r, const char *branch, int status, const char *summary)
{
	int64_t pid = rig_pid(r, branch);
	assert_int_not_equal(pid, 0);
	autofree char *spawn = db_text(
		r->s, "SELECT spawn_id FROM spawn WHERE pane_pid = ? AND state = 'running'", "i", pid);
	if (status >= 0)
		json_object_set_new(r->exits, spawn,
				    json_pack("{s:i, s:s}", "exit", status, "summary", summary));
	process_gone(&r->core, pid, 77, store_boot_id(r->s));
	rig_turn(r);
	rig_settle_locks(r);
}

static inline json_t *rig_build_answer(const char *result, const char *commit)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s?, s:[]}", "result", result, "target_commit",
			 "2222222222222222222222222222222222222222", "head",
			 "3333333333333333333333333333333333333333", "tree",
			 "4444444444444444444444444444444444444444", "commit", commit, "gate");
}

static inline void rig_built(struct rig *r, const char *branch)
{
	autofree char *commit = xasprintf("landed %s", branch);
	rig_finish(r, rig_effect(r, "land.build", branch), true, rig_build_answer("passed", commit));
}

static inline void rig_moved(struct rig *r, const char *branch)
{
	rig_finish(r, rig_effect(r, "land.move", branch), true,
		   json_pack("{s:b, s:[]}", "moved", 1, "checkouts"));
}

static inline void rig_removed(struct rig *r, const char *branch)
{
	struct effect *e = rig_effect(r, "worktree.remove", branch);
	rig_finish(r, e, true,
		   json_pack("{s:b, s:s, s:{s:s}, s:b}", "removed", 1, "id", json_str(e->args, "id"), "trash",
			     "path", "/trash", "branch_deleted", 0));
}

/* What the rows say. */

static inline void rig_plan(struct rig *r, const char *yaml, char ret_id[ID_SIZE])
{
	autoerror err = {0};
	autoplan *plan = NULL;
	struct plan_source src = {.file = "plan.yaml",
				  .text = yaml,
				  .len = strlen(yaml),
				  .cwd = "/src/app",
				  .repo_root = "/src/app",
				  .target = "main",
				  .default_backend = "script"};
	world_check(plan_file_parse(&src, &plan, &err), &err);
	struct plan_order order = {.plan = plan,
				   .file = "plan.yaml",
				   .dir = "/src/app",
				   .repo_id = r->repo,
				   .target = plan->into,
				   .circle = "default"};
	world_check(plan_begin(&r->core, &order, ret_id, &err), &err);
	rig_turn(r);
}

static inline void rig_assert_task(struct rig *r, const char *plan_id, const char *branch, const char *state,
				   const char *reason_part)
{
	autofree char *now = db_text(r->s, "SELECT state FROM task WHERE plan_id = ? AND branch = ?", "ss",
				     plan_id, branch);
	autofree char *reason = db_text(r->s, "SELECT reason FROM task WHERE plan_id = ? AND branch = ?",
					"ss", plan_id, branch);
	if (!now || strcmp(now, state) != 0)
		fail_msg("the task %s is %s (%s), not %s", branch, now ? now : "nowhere",
			 reason ? reason : "", state);
	if (reason_part && (!reason || !strstr(reason, reason_part)))
		fail_msg("the reason of %s is '%s', not '…%s…'", branch, reason ? reason : "", reason_part);
}

static inline void rig_assert_plan(struct rig *r, const char *plan_id, const char *state)
{
	autofree char *now = db_text(r->s, "SELECT state FROM plan WHERE plan_id = ?", "s", plan_id);
	assert_string_equal(now, state);
	assert_int_equal(
		db_int(r->s, 0, "SELECT ended_at IS NOT NULL FROM plan WHERE plan_id = ?", "s", plan_id),
		strcmp(state, "done") == 0 || strcmp(state, "cancelled") == 0);
}

static inline void rig_assert_change(struct rig *r, const char *branch, const char *state,
				     const char *reason_part)
{
	autofree char *now = db_text(
		r->s, "SELECT state FROM change WHERE branch = ? ORDER BY seq DESC LIMIT 1", "s", branch);
	autofree char *reason = db_text(
		r->s, "SELECT reason FROM change WHERE branch = ? ORDER BY seq DESC LIMIT 1", "s", branch);
	if (!now || strcmp(now, state) != 0)
		fail_msg("the change of %s is %s (%s), not %s", branch, now ? now : "nowhere",
			 reason ? reason : "", state);
	if (reason_part && (!reason || !strstr(reason, reason_part)))
		fail_msg("the reason of %s is '%s', not '…%s…'", branch, reason ? reason : "", reason_part);
}

#endif

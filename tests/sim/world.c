/* The world; see world.h. A commit is a number, a branch an amount of work, and the target a list of commits:
 * as much of git as the train's rules are about. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "session.h"
#include "sim.h"

enum { PIDS = 300, FIRST_PID = 100 };

void world_init(struct world *w, struct rng *rng)
{
	*w = (struct world){.rng = rng, .faults = true, .next_start = 1000};
	for (int i = 0; i < REPOS; i++) {
		struct repo *r = &w->repos[i];
		r->n = i;
		ARRAY_GROW(w->commits, w->n_commits, w->cap_commits);
		w->commits[w->n_commits] = (struct commit){.n = (int)w->n_commits, .parent = -1, .repo = i};
		ARRAY_GROW(r->history, r->n_history, r->cap_history);
		r->history[r->n_history++] = (int)w->n_commits++;
	}
}

void world_release(struct world *w)
{
	for (size_t i = 0; i < w->n_procs; i++)
		json_decref(w->procs[i].exit);
	for (int i = 0; i < REPOS; i++)
		free(w->repos[i].history);
	free(w->procs);
	free(w->commits);
	free(w->branches);
	free(w->dirs);
	free(w->hooks);
	*w = (struct world){0};
}

static bool pid_is_free(const struct world *w, int64_t pid)
{
	for (size_t i = 0; i < w->n_procs; i++)
		if (w->procs[i].alive && w->procs[i].pid == pid)
			return false;
	return true;
}

size_t world_start(struct world *w, enum proc_kind kind)
{
	/* Few pids, so that they are reused. */
	int64_t pid;
	do
		pid = FIRST_PID + (int64_t)rng_below(w->rng, PIDS);
	while (!pid_is_free(w, pid));
	ARRAY_GROW(w->procs, w->n_procs, w->cap_procs);
	w->procs[w->n_procs] = (struct proc){.kind = kind,
					     .pid = pid,
					     .start_time = w->next_start++,
					     .tty = 1000 + (int)w->n_procs,
					     .parent = -1,
					     .alive = true};
	return w->n_procs++;
}

const struct proc *world_proc(const struct world *w, int64_t pid, int64_t start_time)
{
	for (size_t i = 0; i < w->n_procs; i++)
		if (w->procs[i].pid == pid && w->procs[i].start_time == start_time)
			return &w->procs[i];
	return NULL;
}

struct proc *world_spawned(struct world *w, const char *spawn_id)
{
	for (size_t i = w->n_procs; i > 0; i--)
		if (strcmp(w->procs[i - 1].spawn_id, spawn_id) == 0)
			return &w->procs[i - 1];
	return NULL;
}

int world_living(const struct world *w, enum proc_kind kind)
{
	int found = -1, n = 0;
	for (size_t i = 0; i < w->n_procs; i++)
		if (w->procs[i].alive && w->procs[i].kind == kind && rng_below(w->rng, (size_t)++n) == 0)
			found = (int)i;
	return found;
}

void world_end(struct sim *m, struct proc *p, int exit)
{
	p->alive = false;
	session_process_ended(m, p);
	if (exit < 0 || p->kind != PROC_WORKER)
		return;
	p->exit = json_pack("{s:i, s:s, s:s}", "exit", exit, "summary", exit ? "it failed" : "done", "tail",
			    "");
	if (exit == 0 && !p->launches)
		check_success(m, p);
}

void world_reboot(struct world *w)
{
	for (size_t i = 0; i < w->n_procs; i++)
		w->procs[i].alive = false;
}

json_t *world_spawn_exit(const struct world *w, const char *spawn_id)
{
	for (size_t i = 0; i < w->n_procs; i++)
		if (w->procs[i].exit && strcmp(w->procs[i].spawn_id, spawn_id) == 0)
			return json_incref(w->procs[i].exit);
	return NULL;
}

static int repo_of(const json_t *args)
{
	const char *dir = json_str(json_object_get(args, "repo"), "common_dir");
	return dir ? dir[strlen(dir) - 1] - '0' : 0;
}

static struct branch *branch_of(struct world *w, int repo, const char *name)
{
	for (size_t i = 0; i < w->n_branches; i++)
		if (w->branches[i].repo == repo && strcmp(w->branches[i].name, name) == 0)
			return &w->branches[i];
	ARRAY_GROW(w->branches, w->n_branches, w->cap_branches);
	struct branch *b = &w->branches[w->n_branches++];
	*b = (struct branch){.repo = repo};
	(void)snprintf(b->name, sizeof(b->name), "%s", name);
	return b;
}

void world_work(struct world *w, const struct proc *p)
{
	for (size_t i = 0; i < w->n_branches; i++)
		if (p->branch[0] && w->branches[i].exists && strcmp(w->branches[i].name, p->branch) == 0 &&
		    p->path[strlen(p->path) - 1] == '0' + w->branches[i].repo)
			w->branches[i].work++;
}

static int commit_new(struct world *w, int repo, int parent)
{
	ARRAY_GROW(w->commits, w->n_commits, w->cap_commits);
	w->commits[w->n_commits] = (struct commit){.n = (int)w->n_commits, .parent = parent, .repo = repo};
	return (int)w->n_commits++;
}

static int tip_of(const struct repo *r)
{
	return r->history[r->n_history - 1];
}

static void move_target(struct repo *r, int commit)
{
	ARRAY_GROW(r->history, r->n_history, r->cap_history);
	r->history[r->n_history++] = commit;
}

void world_outsider(struct world *w)
{
	int n = (int)rng_below(w->rng, REPOS);
	move_target(&w->repos[n], commit_new(w, n, tip_of(&w->repos[n])));
}

static json_t *commit_name(int n)
{
	return json_sprintf("c%d", n);
}

static int commit_number(const json_t *args, const char *key)
{
	const char *name = json_str(args, key);
	int64_t n = -1;
	return name && name[0] == 'c' && number_parse(name + 1, 0, INT32_MAX, &n, NULL) == 0 ? (int)n : -1;
}

void action_fail(struct action *a, enum error_code code, const char *text)
{
	autoerror err = {0};
	(void)error_set(&err, code, "%s", text);
	a->ok = false;
	a->result = error_to_json(&err);
}

void action_succeed(struct action *a, json_t *result)
{
	a->ok = true;
	a->result = result;
}

static struct worktree_dir *dir_of_branch(struct world *w, int repo, const char *branch)
{
	for (size_t i = 0; i < w->n_dirs; i++)
		if (w->dirs[i].there && w->dirs[i].repo == repo && strcmp(w->dirs[i].branch, branch) == 0)
			return &w->dirs[i];
	return NULL;
}

static struct worktree_dir *dir_of_trash(struct world *w, const char *trash_id)
{
	for (size_t i = 0; i < w->n_dirs; i++)
		if (w->dirs[i].trash_id[0] && strcmp(w->dirs[i].trash_id, trash_id) == 0)
			return &w->dirs[i];
	return NULL;
}

static void worktree_answer(struct action *a, const struct worktree_dir *d, bool created, bool adopted)
{
	json_t *r = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:b}", "branch", d->branch, "path",
			      d->path, "git_dir", d->path, "base", "main", "base_commit", "c0", "head", "c0",
			      "created_branch", created, "adopted", adopted);
	action_succeed(a, r);
}

static void act_worktree_create(struct world *w, struct action *a)
{
	const json_t *args = a->effect.args;
	int repo = repo_of(args);
	const char *branch = json_str(args, "branch"), *id = json_str(args, "id");
	struct worktree_dir *d = dir_of_branch(w, repo, branch);
	if (d) {
		worktree_answer(a, d, strcmp(d->id, id) == 0, strcmp(d->id, id) != 0);
		return;
	}
	if (w->faults && rng_chance(w->rng, 8)) {
		action_fail(a, ERR_GIT, "git could not make it");
		return;
	}
	ARRAY_GROW(w->dirs, w->n_dirs, w->cap_dirs);
	d = &w->dirs[w->n_dirs];
	*d = (struct worktree_dir){.repo = repo, .there = true};
	(void)snprintf(d->id, sizeof(d->id), "%s", id);
	(void)snprintf(d->branch, sizeof(d->branch), "%s", branch);
	(void)snprintf(d->path, sizeof(d->path), "/sim/t/%zu-%d", w->n_dirs++, repo);
	struct branch *b = branch_of(w, repo, branch);
	bool created = !b->exists;
	b->exists = true;
	if (created)
		b->work = b->landed = 0;
	worktree_answer(a, d, created, false);
}

static bool somebody_in(const struct world *w, const char *path)
{
	for (size_t i = 0; i < w->n_procs; i++)
		if (w->procs[i].alive && strcmp(w->procs[i].path, path) == 0)
			return true;
	return false;
}

static bool waived(const json_t *args, const char *fact)
{
	size_t i;
	json_t *f;
	json_array_foreach(json_object_get(args, "waive"), i,
			   f) if (strcmp(json_string_value(f), fact) == 0) return true;
	return false;
}

static void removal_answer(struct action *a, const struct worktree_dir *d)
{
	action_succeed(a, json_pack("{s:b, s:s, s:{s:s, s:s, s:s}, s:b}", "removed", true, "id", d->trash_id,
				    "trash", "id", d->trash_id, "path", d->path, "branch", d->branch,
				    "branch_deleted", false));
}

static void act_worktree_remove(struct world *w, struct action *a)
{
	const json_t *args = a->effect.args;
	int repo = repo_of(args);
	struct worktree_dir *d = dir_of_trash(w, json_str(args, "id"));
	if (d) {
		removal_answer(a, d);
		return;
	}
	d = dir_of_branch(w, repo, json_str(args, "branch"));
	if (!d || strcmp(d->path, json_str(args, "path")) != 0) {
		action_fail(a, ERR_NOT_FOUND, "git knows no worktree there");
		return;
	}
	if ((somebody_in(w, d->path) && !waived(args, "process")) || (w->faults && rng_chance(w->rng, 10))) {
		action_succeed(a, json_pack("{s:b, s:{s:s}, s:s}", "removed", false, "facts", "process", "no",
					    "reason", "a process works in it"));
		return;
	}
	d->there = false;
	(void)snprintf(d->trash_id, sizeof(d->trash_id), "%s", json_str(args, "id"));
	if (json_bool(args, "delete_branch", false))
		branch_of(w, repo, d->branch)->exists = false;
	removal_answer(a, d);
}

static void act_worktree_restore(struct world *w, struct action *a)
{
	const json_t *args = a->effect.args;
	struct worktree_dir *d = dir_of_trash(w, json_str(json_object_get(args, "trash"), "id"));
	if (!d || (!d->there && dir_of_branch(w, d->repo, d->branch))) {
		action_fail(a, ERR_EXISTS, "something else is there by now");
		return;
	}
	d->there = true;
	branch_of(w, d->repo, d->branch)->exists = true;
	json_t *r = json_pack("{s:s, s:s, s:s, s:s}", "branch", d->branch, "path", d->path, "git_dir",
			      d->path, "restored_from", d->trash_id);
	action_succeed(a, r);
}

static json_t *gate_runs(const json_t *gate, const char *verdict, int commit)
{
	json_t *runs = json_array();
	size_t i;
	json_t *command;
	json_array_foreach(gate, i, command)
	{
		json_t *run = json_pack("{s:O, s:s, s:i}", "command", command, "result", verdict, "tries", 1);
		json_object_set_new(run, "tree", commit_name(commit));
		json_array_append_new(runs, run);
	}
	return runs;
}

static void act_land_build(struct world *w, struct action *a)
{
	const json_t *args = a->effect.args, *gate = json_object_get(args, "gate");
	struct repo *r = &w->repos[repo_of(args)];
	const char *id = json_str(args, "id"), *branch = json_str(args, "branch");
	const struct branch *b = branch_of(w, r->n, branch);
	if (!b->exists || (w->faults && rng_chance(w->rng, 4))) {
		action_fail(a, ERR_NOT_FOUND, "there is no such branch");
		return;
	}
	json_t *result = json_object();
	json_object_set_new(result, "target_commit", commit_name(tip_of(r)));
	json_object_set_new(result, "head", json_sprintf("h%d", b->work));
	const char *outcome = "passed";
	if (b->work == b->landed)
		outcome = "empty";
	else if (rng_chance(w->rng, 8))
		outcome = "conflict";
	else if (json_array_size(gate) > 0 && rng_chance(w->rng, 12))
		outcome = "failed";
	if (strcmp(outcome, "passed") == 0 || strcmp(outcome, "failed") == 0) {
		int n = commit_new(w, r->n, tip_of(r));
		struct commit *c = &w->commits[n];
		(void)snprintf(c->change_id, sizeof(c->change_id), "%s", id);
		(void)snprintf(c->branch, sizeof(c->branch), "%s", branch);
		c->work = b->work;
		c->gated = json_array_size(gate) > 0;
		c->passed = strcmp(outcome, "passed") == 0;
		json_object_set_new(result, "commit", commit_name(n));
		json_object_set_new(result, "tree", commit_name(n));
		json_object_set_new(result, "gate", gate_runs(gate, outcome, n));
	}
	json_object_set_new(result, "result", json_string(outcome));
	action_succeed(a, result);
}

static bool has_landed(const struct repo *r, int commit)
{
	for (size_t i = 0; i < r->n_history; i++)
		if (r->history[i] == commit)
			return true;
	return false;
}

static void act_land_move(struct sim *m, struct world *w, struct action *a)
{
	const json_t *args = a->effect.args;
	struct repo *r = &w->repos[repo_of(args)];
	int old = commit_number(args, "old"), new = commit_number(args, "new");
	if (new < 0 || (size_t) new >= w->n_commits) {
		action_fail(a, ERR_NOT_FOUND, "there is no such commit");
		return;
	}
	if (!has_landed(r, new)) {
		if (tip_of(r) != old) {
			action_succeed(a, json_pack("{s:b, s:s, s:o}", "moved", false, "reason", "stale",
						    "now", commit_name(tip_of(r))));
			return;
		}
		if (w->faults && rng_chance(w->rng, 6)) {
			action_succeed(a, json_pack("{s:b, s:s, s:[{s:s, s:s}]}", "moved", false, "reason",
						    "local_changes", "files", "checkout", "/sim", "file",
						    "a.c"));
			return;
		}
		move_target(r, new);
		struct branch *b = branch_of(w, r->n, w->commits[new].branch);
		if (b->landed < w->commits[new].work)
			b->landed = w->commits[new].work;
		check_move(m, r, &w->commits[new]);
	}
	action_succeed(a, json_pack("{s:b, s:[]}", "moved", true, "checkouts"));
}

static void spawn_answer(struct action *a, const struct proc *p)
{
	json_t *r = json_pack("{s:o, s:I, s:I, s:i, s:s, s:s}", "pane_id",
			      json_sprintf("%%%lld", (long long)p->start_time), "pane_pid",
			      (json_int_t)p->pid, "start_time", (json_int_t)p->start_time, "tty", p->tty,
			      "window", "@1", "session", "sim");
	json_object_set_new(r, "server", json_integer(7));
	action_succeed(a, r);
}

static void copy_env(const json_t *env, const char *key, char *to, size_t size)
{
	const char *value = json_str(env, key);
	(void)snprintf(to, size, "%s", value ? value : "");
}

/* A launcher that finds the traces of an earlier start ends at once and leaves nothing (term/launch.h). */
static void act_spawn(struct sim *m, struct world *w, struct action *a)
{
	const json_t *args = a->effect.args;
	const char *id = json_str(args, "spawn_id");
	struct proc *before = world_spawned(w, id);
	if (before && a->effect.probe && before->alive) {
		spawn_answer(a, before);
		return;
	}
	if (before && a->effect.probe && before->exit) {
		action_succeed(a, json_pack("{s:i}", "start_time", 0));
		return;
	}
	if (w->faults && rng_chance(w->rng, 6)) {
		action_fail(a, ERR_TERMINAL, "tmux would not");
		return;
	}
	bool again = before != NULL;
	size_t started = world_start(w, PROC_WORKER); /* moves the others */
	struct proc *p = &w->procs[started];
	const json_t *env = json_object_get(json_object_get(args, "spec"), "env");
	char fence[32];
	copy_env(env, "COPPICE_JOB", p->job_id, sizeof(p->job_id));
	copy_env(env, "COPPICE_BRANCH", p->branch, sizeof(p->branch));
	copy_env(env, "COPPICE_FENCE", fence, sizeof(fence));
	if (fence[0] && number_parse(fence, 0, INT64_MAX, &p->fence, NULL))
		abort(); /* it was made from a number */
	(void)snprintf(p->path, sizeof(p->path), "%s", json_str(args, "cwd"));
	(void)snprintf(p->spawn_id, sizeof(p->spawn_id), "%s", id);
	spawn_answer(a, p);
	p->launches = session_is_runtime(args);
	if (again)
		world_end(m, p, -1);
	else if (p->launches)
		session_spawned(m, started, args); /* moves the others */
}

static void act_kill(struct sim *m, struct world *w, struct action *a)
{
	const json_t *args = a->effect.args;
	struct proc *p = world_spawned(w, json_str(args, "spawn_id"));
	if (!p || !p->alive || p->pid != json_int(args, "pane_pid", 0) ||
	    p->start_time != json_int(args, "start_time", 0)) {
		action_fail(a, ERR_NOT_FOUND, "there is no such terminal");
		return;
	}
	if (w->faults && rng_chance(w->rng, 6)) {
		action_fail(a, ERR_TERMINAL, "the pane holds another process");
		return;
	}
	/* SIGHUP reaches the launcher, which still writes how it ended, or does not come to it. */
	world_end(m, p, rng_chance(w->rng, 50) ? 129 : -1);
	action_succeed(a, json_object());
}

/* Where a folder belongs; none that a session works in is a linked worktree that was made by hand. */
static void act_describe(struct action *a)
{
	const char *dir = json_str(a->call ? a->call->op.work_args : a->effect.args, "dir");
	if (strncmp(dir, "/sim/w", 6) != 0) {
		action_fail(a, ERR_NOT_FOUND, "there is no repository");
		return;
	}
	json_t *r = json_pack("{s:o, s:s, s:s, s:s, s:b}", "common_dir", json_sprintf("/sim/r%c", dir[6]),
			      "main", dir, "path", dir, "git_dir", dir, "linked", false);
	action_succeed(a, a->call ? json_pack("{s:o}", "ok", r) : r);
}

static void act_find(struct world *w, struct action *a)
{
	if (strcmp(a->call->op.work_kind, "repo.describe") == 0) {
		act_describe(a);
		return;
	}
	const json_t *args = a->call->op.work_args;
	const char *dir = json_str(args, "dir");
	int repo = dir && strncmp(dir, "/sim/w", 6) == 0 ? dir[6] - '0' : -1;
	if (repo < 0 || repo >= REPOS) {
		action_fail(a, ERR_NOT_FOUND, "there is no repository");
		return;
	}
	json_t *found = json_object();
	for (size_t i = 0; i < w->n_dirs; i++)
		if (w->dirs[i].there && w->dirs[i].repo == repo)
			json_object_set_new(found, w->dirs[i].branch,
					    json_pack("{s:s, s:s, s:b, s:s, s:s}", "path", w->dirs[i].path,
						      "git_dir", w->dirs[i].path, "main", false, "head", "c0",
						      "branch", w->dirs[i].branch));
	json_t *ok =
		json_pack("{s:o, s:o, s:o, s:s, s:b, s:b, s:o}", "common_dir", json_sprintf("/sim/r%d", repo),
			  "main", json_sprintf("/sim/w%d", repo), "name", json_sprintf("r%d", repo),
			  "head_branch", "main", "bare", false, "unborn", false, "found", found);
	action_succeed(a, json_pack("{s:o}", "ok", ok));
}

static void act_locate(struct world *w, struct action *a)
{
	if (w->faults && rng_chance(w->rng, 10))
		action_fail(a, ERR_GIT, "git would not");
	else
		act_describe(a);
}

static void act_in_use(struct world *w, struct action *a)
{
	if (w->faults && rng_chance(w->rng, 10))
		action_fail(a, ERR_GIT, "git would not lock it");
	else
		action_succeed(a, json_object());
}

static void act_purge(struct world *w, struct action *a)
{
	if (w->faults && rng_chance(w->rng, 20))
		action_fail(a, ERR_REFUSED, "a fact is unknown");
	else
		action_succeed(a, json_object());
}

/* The user's own command: whatever it does, it does it once. */
static void act_hook(struct sim *m, struct world *w, struct action *a)
{
	for (size_t i = 0; i < w->n_hooks; i++)
		if (w->hooks[i] == a->effect.id)
			sim_break(m, RULE_W11, "hook %lld of %s ran twice", (long long)a->effect.id,
				  a->effect.subject);
	ARRAY_GROW(w->hooks, w->n_hooks, w->cap_hooks);
	w->hooks[w->n_hooks++] = a->effect.id;
	if (rng_chance(w->rng, 20))
		action_fail(a, ERR_SYSTEM, "the hook ended with 1");
	else
		action_succeed(a, json_object());
}

void world_act(struct sim *m, struct action *a)
{
	static const struct {
		const char *kind;
		void (*act)(struct world *w, struct action *a);
		void (*act_seen)(struct sim *m, struct world *w, struct action *a);
	} kinds[] = {
		{"worktree.create", act_worktree_create, NULL},
		{"worktree.remove", act_worktree_remove, NULL},
		{"worktree.restore", act_worktree_restore, NULL},
		{"worktree.in_use", act_in_use, NULL},
		{"trash.purge", act_purge, NULL},
		{"hook", NULL, act_hook},
		{"land.build", act_land_build, NULL},
		{"land.move", NULL, act_land_move},
		{"spawn", NULL, act_spawn},
		{"kill", NULL, act_kill},
		{"session.locate", act_locate, NULL},
		{"look", NULL, session_act_look},
		{"wake", NULL, session_act_wake},
		{"handover", NULL, session_act_handover},
	};
	a->acted = true;
	if (a->call) {
		act_find(&m->world, a);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i].kind, a->effect.kind) != 0)
			continue;
		if (kinds[i].act)
			kinds[i].act(&m->world, a);
		else
			kinds[i].act_seen(m, &m->world, a);
		return;
	}
	action_fail(a, ERR_UNSUPPORTED, "there is no such effect");
}

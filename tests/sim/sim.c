/* The simulator's driver and program: see sim.h.
 *
 *	sim [--operations N] [--seeds FROM-TO] [--seed N] [--trace]
 *
 * Without --seed it runs N operations in all (20,000), shared out over the seeds, and prints TAP: a line for
 * each rule. A broken rule ends its seed and is printed with the command that replays it. */
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "mesh/peer.h"
#include "session.h"
#include "sim.h"
#include "vfs.h"

enum { OPERATIONS = 20000, SEEDS = 50, AGENTS_MAX = 5, PEACE_ROUNDS = 400, BREAKS_SHOWN = 20 };

static const struct {
	const char *id, *test;
} rules[RULE_MAX_] = {
	[RULE_A2] = {"A2", "sim_A2_an_ask_ends_once_and_its_asker_learns_how"},
	[RULE_A3] = {"A3", "sim_A3_open_asks_are_recalled_and_turns_end"},
	[RULE_A6] = {"A6", "sim_A6_one_question_to_many_fails_and_survives_child_by_child"},
	[RULE_D1] = {"D1", "sim_D1_steps_are_what_happened"},
	[RULE_D2] = {"D2", "sim_D2_no_crash_loses_what_was_acknowledged"},
	[RULE_D2_ONCE] = {"D2", "sim_D2_a_repeated_request_stores_nothing_twice"},
	[RULE_D2_REPEAT] = {"D2", "sim_D2_what_may_have_been_read_is_shown_as_a_repeat_and_nothing_else"},
	[RULE_D3] = {"D3", "sim_D3_order_is_kept_per_sender_and_recipient"},
	[RULE_D4] = {"D4", "sim_D4_one_way_at_a_time_has_a_message"},
	[RULE_D8] = {"D8", "sim_D8_the_first_prompt_settles_before_anything_else"},
	[RULE_I3] = {"I3", "sim_I3_one_session_is_one_peer"},
	[RULE_I5] = {"I5", "sim_I5_epochs_grow"},
	[RULE_I6] = {"I6", "sim_I6_no_two_live_peers_of_a_circle_share_a_name"},
	[RULE_I9] = {"I9", "sim_I9_offline_is_what_has_ended"},
	[RULE_J1] = {"J1", "sim_J1_jobs_move_by_the_table_and_ready_follows"},
	[RULE_J2] = {"J2", "sim_J2_fences_grow_and_old_ones_change_nothing"},
	[RULE_J3] = {"J3", "sim_J3_needs_form_no_cycle_and_failure_blocks"},
	[RULE_J4] = {"J4", "sim_J4_an_attempt_ends_with_its_executor"},
	[RULE_J5] = {"J5", "sim_J5_final_states_stay_and_requests_are_kept"},
	[RULE_L1] = {"L1", "sim_L1_nothing_lands_before_what_it_needs"},
	[RULE_L2] = {"L2", "sim_L2_what_was_tested_is_what_lands"},
	[RULE_L3] = {"L3", "sim_L3_the_target_moves_once_for_each_landed_change"},
	[RULE_L4] = {"L4", "sim_L4_nothing_lands_that_nobody_vouched_for"},
	[RULE_W11] = {"W11", "sim_W11_every_effect_is_finished_after_crashes"},
	[RULE_X4] = {"X4", "sim_X4_a_failing_disk_stops_nothing_for_good"},
	[RULE_X6] = {"X6", "sim_X6_after_a_reboot_nothing_of_the_old_boot_runs"},
	[RULE_ONCE] = {"-", "sim_a_worker_runs_to_success_at_most_once"},
	[RULE_ENDS] = {"-", "sim_in_peace_everything_ends"},
};

static bool rule_broken[RULE_MAX_];
static int breaks;
static const char *program;
static int64_t operations_each; /* of a seed */
static sigjmp_buf aborted;

void sim_say(struct sim *m, const char *fmt, ...)
{
	if (!m->trace)
		return;
	va_list ap;
	va_start(ap, fmt);
	(void)printf("# %d: ", m->step);
	(void)vprintf(fmt, ap);
	(void)printf("\n");
	va_end(ap);
}

void sim_break(struct sim *m, enum rule rule, const char *fmt, ...)
{
	rule_broken[rule] = true;
	if (m->broken)
		return; /* what follows may follow from it */
	m->broken = true;
	if (breaks++ >= BREAKS_SHOWN)
		return;
	va_list ap;
	va_start(ap, fmt);
	(void)printf("# sim: seed %" PRIu64 " step %d: %s: ", m->seed, m->step, rules[rule].id);
	(void)vprintf(fmt, ap);
	(void)printf("\n#   replay: %s --seed %" PRIu64, program, m->seed);
	if (operations_each != OPERATIONS / SEEDS)
		(void)printf(" --operations %" PRId64, operations_each);
	(void)printf(" --trace\n");
	va_end(ap);
	(void)fflush(stdout);
}

/* A bug that aborts the core is found by its seed too. What it held is lost: the run fails anyway. */
static void on_abort(int signum)
{
	(void)signum;
	siglongjmp(aborted, 1);
}

static usec_t sim_elapsed(void *data)
{
	return ((struct sim *)data)->mono;
}

static usec_t sim_now(void *data)
{
	struct sim *m = data;
	return m->now;
}

static uint64_t sim_random(void *data)
{
	return rng_next(&((struct sim *)data)->rng);
}

static json_t *spawn_exit(const struct core *core, const char *spawn_id)
{
	const struct sim *m = core->data;
	return world_spawn_exit(&m->world, spawn_id);
}

static void pass_time(struct sim *m, usec_t time)
{
	m->now += time;
	m->mono += time;
	node_wait_over(m);
}

static void step_time(struct sim *m)
{
	static const usec_t spans[] = {USEC_PER_SEC, 30 * USEC_PER_SEC, 10 * USEC_PER_MIN, 3 * USEC_PER_HOUR,
				       25 * USEC_PER_HOUR};
	static const unsigned weights[] = {50, 25, 15, 7, 3};
	size_t at = rng_below(&m->rng, 100), i = 0;
	while (at >= weights[i])
		at -= weights[i++];
	if (i > 1 && !list_empty(&m->ready))
		i = 1; /* a request does not wait for hours to be run */
	usec_t span = (usec_t)rng_below(&m->rng, (size_t)spans[i]) + 1;
	if (rng_chance(&m->rng, 10)) {
		sim_say(m, "the wall clock goes back %lld s", (long long)(span / USEC_PER_SEC));
		m->now -= span; /* time goes on all the same */
		return;
	}
	sim_say(m, "%lld s pass", (long long)(span / USEC_PER_SEC));
	pass_time(m, span);
}

static void crash(struct sim *m)
{
	/* In every second run reboots are rare, so that processes live to see many starts of the daemon. */
	bool power = rng_chance(&m->rng, m->seed % 2 ? 40 : 5);
	sim_say(m, power ? "power loss" : "kill -9");
	disk_fail(DISK_OK, 0);
	node_crash(m, power ? CRASH_POWER_LOST : CRASH_KILLED);
	check_all(m, true, power);
}

static void step_turn(struct sim *m)
{
	enum death die = DEATH_NONE;
	unsigned luck = (unsigned)rng_below(&m->rng, 200);
	if (luck < 2) {
		die = luck == 0 ? DEATH_BEFORE_COMMIT : DEATH_AFTER_COMMIT;
	} else if (luck < 5) {
		disk_die_after((int)rng_below(&m->rng, 12));
	} else if (luck < 12) {
		enum disk_fault fault = (enum disk_fault)(1 + rng_below(&m->rng, DISK_FAULTS_ - 1));
		disk_fail(fault, (int)rng_below(&m->rng, fault == DISK_STATEMENT ? 200 : 6));
	}
	if (!node_turn(m, die))
		crash(m);
	disk_die_after(-1);
}

static struct action *random_action(struct sim *m)
{
	struct action *found = NULL;
	size_t n = 0;
	list_for_each (pos, &m->running)
		if (rng_below(&m->rng, ++n) == 0)
			found = list_entry(pos, struct action, link);
	return found;
}

static void step_act(struct sim *m)
{
	struct action *a = random_action(m);
	if (a)
		node_act(m, a);
}

static int worker_asker(struct sim *m)
{
	int who = world_living(&m->world, PROC_WORKER);
	return who >= 0 && m->world.procs[who].launches ? -1 : who;
}

static void step_request(struct sim *m)
{
	int who = WHO_HUMAN;
	size_t luck = rng_below(&m->rng, 100);
	if (luck < 15)
		who = session_asker(m);
	else if (luck < 45)
		who = world_living(&m->world, PROC_AGENT);
	else if (luck < 65)
		who = worker_asker(m);
	else if (luck < 75)
		who = WHO_SERVICE;
	else if (luck < 77)
		who = WHO_UNKNOWN;
	(void)client_request(m, who);
}

static void step_agent(struct sim *m)
{
	size_t living = 0;
	for (size_t i = 0; i < m->world.n_procs; i++)
		living += m->world.procs[i].alive && m->world.procs[i].kind == PROC_AGENT;
	int who = world_living(&m->world, PROC_AGENT);
	if (living < AGENTS_MAX && (who < 0 || rng_chance(&m->rng, 60))) {
		size_t p = world_start(&m->world, PROC_AGENT);
		sim_say(m, "agent %zu starts", p);
		(void)client_request(m, (int)p);
	} else if (who >= 0 && rng_chance(&m->rng, 30)) {
		sim_say(m, "agent %d dies", who);
		world_end(m, &m->world.procs[who], -1);
	}
}

static void step_worker(struct sim *m)
{
	int who = world_living(&m->world, PROC_WORKER);
	if (who < 0)
		return;
	struct proc *p = &m->world.procs[who];
	if (p->launches)
		return; /* it ends with its runtime */
	size_t luck = rng_below(&m->rng, 100);
	if (luck < 45) {
		world_work(&m->world, p);
		return;
	}
	int exit = luck < 80 ? 0 : luck < 92 ? 1 + (int)rng_below(&m->rng, 3) : -1;
	sim_say(m, "worker %d of %s ends with %d", who, p->job_id, exit);
	world_end(m, p, exit);
}

static void step_idle(struct sim *m)
{
	size_t luck = rng_below(&m->rng, 100);
	if (luck < 40) {
		if (rng_chance(&m->rng, 5))
			disk_die_after((int)rng_below(&m->rng, 40));
		store_checkpoint(m->store);
		if (disk_is_dead())
			crash(m);
		disk_die_after(-1);
	} else if (luck < 70) {
		client_hang_up(m);
	} else if (luck < 90) {
		world_outsider(&m->world);
	} else {
		sim_say(m, "stop and start");
		node_stop(m);
		check_all(m, true, false);
	}
}

static void step_crash(struct sim *m)
{
	crash(m);
}

static const struct {
	void (*step)(struct sim *m);
	unsigned weight;
} steps[] = {
	{step_turn, 40},    {step_request, 24}, {step_act, 22}, {step_worker, 6}, {client_repeat, 5},
	{session_step, 70}, {step_agent, 3},	{step_time, 3}, {step_idle, 3},	  {step_crash, 1},
};

static void one_step(struct sim *m)
{
	size_t sum = 0, i = 0;
	for (size_t k = 0; k < ARRAY_SIZE(steps); k++)
		sum += steps[k].weight;
	size_t at = rng_below(&m->rng, sum);
	while (at >= steps[i].weight)
		at -= steps[i++].weight;
	m->step++;
	m->now += 1 + (usec_t)rng_below(&m->rng, 20000);
	m->mono += 1;
	steps[i].step(m);
}

/* Everything that can move, moves; nothing new is asked for, and nothing fails. */
static bool peace_round(struct sim *m)
{
	bool moved = false;
	m->step++;
	struct action *a;
	while ((a = random_action(m)) && !m->broken) {
		node_act(m, a);
		moved = true;
	}
	while (node_has_work(m) && !m->broken) {
		if (!node_turn(m, DEATH_NONE))
			abort();
		if (m->failed_turn)
			sim_break(m, RULE_X4, "a good disk, and still the turn is not stored");
		moved = true;
	}
	if (sessions_peace(m) || moved)
		return true;
	for (size_t i = 0; m->delivered && i < m->world.n_procs; i++) {
		struct proc *p = &m->world.procs[i];
		if (p->kind != PROC_WORKER || !p->alive)
			continue;
		world_work(&m->world, p);
		sim_say(m, "worker %zu of %s ends in peace", i, p->job_id);
		world_end(m, p, rng_chance(&m->rng, 80) ? 0 : 1);
		moved = true;
	}
	return moved;
}

static void make_peace(struct sim *m)
{
	sim_say(m, "peace");
	m->peace = true;
	m->world.faults = false;
	disk_fail(DISK_OK, 0);
	disk_die_after(-1);
	/* First, all comes to whom it is for: in minutes, not in what is left when all has expired. */
	for (int i = 0, rests = 0; i < PEACE_ROUNDS && rests < 12 && !m->broken; i++)
		if (!peace_round(m)) {
			pass_time(m, 11 * USEC_PER_SEC);
			rests++;
		}
	if (!m->broken)
		read_peace(m);
	m->delivered = true;
	/* Then only time is left, and more of it than anything is kept for. */
	for (int i = 0, days = 0; i < 4 * PEACE_ROUNDS && days < 10 && !m->broken; i++)
		if (!peace_round(m)) {
			pass_time(m, USEC_PER_DAY);
			days++;
		}
	if (!m->broken)
		check_peace(m);
}

/* The agents that are there from the start, one of them an orchestrator. */
static void add_orchestrator(struct sim *m)
{
	autoerror err = {0};
	struct peer_ref peer;
	size_t started = world_start(&m->world, PROC_AGENT);
	const struct proc *p = &m->world.procs[started];
	struct peer_process process = {.kind = SESSION_AGENT,
				       .pid = (pid_t)p->pid,
				       .start_time = (uint64_t)p->start_time,
				       .tty = p->tty};
	struct peer_spec spec = {
		.name = "lead", .role = "orchestrator", .backend = "script", .trusted = true};
	if (store_begin(m->store, &err) || peer_register(m->store, &process, &spec, &peer, &err) ||
	    store_commit(m->store, &err))
		abort();
	node_watch(m, p->pid, p->start_time);
	check_turn(m);
}

/* Every third seed has a governor that holds much, the others one that holds next to nothing. */
static void govern(struct sim *m, uint64_t seed)
{
	struct mesh_limits *limits = &m->core.limits;
	bool tight = seed % 3 == 0;
	limits->hops = tight ? (int64_t)(1 + seed % 5) : 1000;
	limits->pair_per_minute = tight ? (int64_t)(1 + seed % 4) : 1000;
	limits->circle_per_hour = tight && seed % 2 ? (int64_t)(10 + seed % 40) : 0;
}

static void sim_init(struct sim *m, uint64_t seed, bool trace)
{
	static const char text[] = "hooks: { post-land: [tell], post-remove: [tell] }\n";
	static const struct config_source config = {
		.user_file = "config.yaml", .user_text = text, .user_len = sizeof(text) - 1};
	autoerror err = {0};
	*m = (struct sim){.seed = seed, .rng = {seed}, .trace = trace, .now = 1767323045000000, .boots = 1};
	if (config_parse(&config, &m->config, &err))
		abort();
	m->env = (struct os_env){.now = sim_now,
				 .elapsed = sim_elapsed,
				 .random = sim_random,
				 .boot_id = m->boot_id,
				 .data = m};
	(void)snprintf(m->boot_id, sizeof(m->boot_id), "boot-1");
	m->core = (struct core){.config = m->config,
				.limits = MESH_LIMITS_DEFAULT,
				.home = "/sim/home",
				.program = "/sim/coppice",
				.spawn_exit = spawn_exit,
				.linked = link_reaches,
				.data = m,
				.socket = "/sim/socket"};
	m->core.limits.queue_length = 12; /* so that queues overflow */
	govern(m, seed);
	m->model = model_new();
	list_init(&m->ready);
	list_init(&m->parked);
	list_init(&m->running);
	list_init(&m->finished);
	links_init(m);
	m->seen = json_object();
	world_init(&m->world, &m->rng);
	disk_init(&m->rng);
	node_start(m);
	add_orchestrator(m);
}

static void sim_release(struct sim *m)
{
	node_forget(m);
	store_close(m->store);
	sessions_free(m);
	links_free(m);
	json_decref(m->seen);
	world_release(&m->world);
	client_free(m);
	model_free(m->model);
	config_free(m->config);
	free(m->watches);
}

static int64_t run_seed(uint64_t seed, int64_t operations, bool trace)
{
	static struct sim m;
	if (sigsetjmp(aborted, 1)) {
		sim_break(&m, RULE_X4, "the core aborted");
		return m.operations;
	}
	sim_init(&m, seed, trace);
	while (!m.broken && m.operations < operations)
		one_step(&m);
	if (!m.broken)
		make_peace(&m);
	int64_t run = m.operations;
	sim_release(&m);
	return run;
}

struct options {
	int64_t operations, from, to;
	bool trace;
};

static int read_options(int argc, char **argv, struct options *o)
{
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";
		const char *dash = strchr(value, '-');
		autofree char *from = dash ? xstrndup(value, (size_t)(dash - value)) : NULL;
		bool ok;
		if (strcmp(argv[i], "--trace") == 0) {
			o->trace = true;
			continue;
		}
		if (strcmp(argv[i], "--operations") == 0)
			ok = !number_parse(value, 1, INT64_MAX, &o->operations, NULL);
		else if (strcmp(argv[i], "--seeds") == 0)
			ok = from && !number_parse(from, 0, INT64_MAX, &o->from, NULL) &&
			     !number_parse(dash + 1, o->from, INT64_MAX, &o->to, NULL);
		else
			ok = strcmp(argv[i], "--seed") == 0 &&
			     !number_parse(value, 0, INT64_MAX, &o->from, NULL) && (o->to = o->from, true);
		if (!ok)
			return -1;
		i++;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = {.from = 1, .to = SEEDS};
	program = argv[0];
	if (read_options(argc, argv, &o)) {
		(void)fprintf(stderr, "usage: %s [--operations N] [--seeds FROM-TO] [--seed N] [--trace]\n",
			      argv[0]);
		return 2;
	}
	/* What the core reads from the environment is the same everywhere. */
	if (setenv("PATH", "/usr/bin:/bin", 1) || setenv("HOME", "/sim", 1))
		return 2;
	(void)signal(SIGABRT, on_abort);
	(void)signal(SIGSEGV, on_abort);
	bool one = o.from == o.to;
	int64_t seeds = o.to - o.from + 1, run = 0;
	operations_each = o.operations ? (o.operations + seeds - 1) / seeds : OPERATIONS / SEEDS;
	if (!one)
		(void)printf("1..%d\n", RULE_MAX_);
	for (int64_t seed = o.from; seed <= o.to; seed++)
		run += run_seed((uint64_t)seed, operations_each, o.trace);
	disk_free();
	for (int i = 0; !one && i < RULE_MAX_; i++)
		(void)printf("%s %d - %s\n", rule_broken[i] ? "not ok" : "ok", i + 1, rules[i].test);
	(void)printf("# %" PRId64 " operations, %d seeds with a broken rule\n", run, breaks);
	return breaks ? 1 : 0;
}

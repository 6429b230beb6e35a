/* Tests of who is calling. The processes of the table:
 *
 *	100 tmux server ── 200 pane (terminal session of `worker`, tty 7, its own session)
 *	                     └ 210 claude (agent session of `worker`)
 *	                         └ 220 shell ── 230 coppice
 *	                         └ 240 codex exec (agent session of `child`) ── 250 coppice
 *	300 login shell of the human (tty 9) ── 310 claude started by hand (agent session of `byhand`) ── 320
 *	                                     └ 330 coppice
 *	400 CI runner (no tty, session leader) ── 410 script ── 420 coppice */
#include "mesh/testing.h"

enum { TTY_PANE = 7, TTY_HUMAN = 9, START = 50 };

struct process {
	pid_t pid, ppid, sid;
	int tty;
	uint64_t start; /* 0: START */
	char state;	/* 0: sleeping */
};

static struct proc_chain chain_of(const struct process *p, size_t n, bool complete)
{
	struct proc_chain chain = {.n = n, .complete = complete};
	for (size_t i = 0; i < n; i++)
		chain.at[i] = (struct proc_stat){.pid = p[i].pid,
						 .ppid = p[i].ppid,
						 .sid = p[i].sid,
						 .tty = p[i].tty,
						 .start_time = p[i].start ? p[i].start : START,
						 .state = p[i].state ? p[i].state : 'S'};
	return chain;
}

static void session(struct world *w, enum session_kind kind, pid_t pid, const char *name, const char *inside,
		    struct peer_ref *ret)
{
	autoerror err = {0};
	struct peer_process process = {
		.kind = kind, .pid = pid, .start_time = START, .tty = TTY_PANE, .inside = inside};
	struct peer_spec spec = {.name = name, .backend = "claude-code", .trusted = true};
	if (kind == SESSION_TERMINAL)
		spec.spawn_id = "spawn-1";
	world_check(peer_register(w->s, &process, &spec, ret, &err), &err);
}

struct cast {
	struct peer_ref worker, child, byhand;
};

static struct cast cast(struct world *w)
{
	struct cast c;
	session(w, SESSION_TERMINAL, 200, "worker", NULL, &c.worker);
	session(w, SESSION_AGENT, 210, NULL, c.worker.peer_id, &c.worker);
	session(w, SESSION_AGENT, 240, "child", c.worker.peer_id, &c.child);
	session(w, SESSION_AGENT, 310, "byhand", NULL, &c.byhand);
	assert_string_equal(c.worker.name, "worker");
	return c;
}

#define WORKER_UP                                                                                            \
	{210, 200, 200, TTY_PANE, 0, 0}, {200, 100, 200, TTY_PANE, 0, 0},                                    \
	{                                                                                                    \
		100, 1, 100, 0, 0, 0                                                                         \
	}
#define CI_UP                                                                                                \
	{410, 400, 400, 0, 0, 0},                                                                            \
	{                                                                                                    \
		400, 1, 400, 0, 0, 0                                                                         \
	}

struct who {
	const char *what;
	struct process chain[8]; /* ends with pid 0 */
	bool incomplete;
	struct identity_evidence evidence;
	enum caller_kind kind;
	const char *name; /* of a peer */
};

static const struct who table[] = {
	{"direct child", {{230, 210, 200, TTY_PANE, 0, 0}, WORKER_UP}, false, {0}, CALLER_PEER, "worker"},
	{"the agent itself", {WORKER_UP}, false, {0}, CALLER_PEER, "worker"},
	{"grandchild",
	 {{230, 220, 200, TTY_PANE, 0, 0}, {220, 210, 200, TTY_PANE, 0, 0}, WORKER_UP},
	 false,
	 {.marked = TRUTH_YES},
	 CALLER_PEER,
	 "worker"},
	{"beside the agent in its terminal",
	 {{205, 200, 200, TTY_PANE, 0, 0}, {200, 100, 200, TTY_PANE, 0, 0}, {100, 1, 100, 0, 0, 0}},
	 false,
	 {0},
	 CALLER_PEER,
	 "worker"},
	{"setsid child, its parent alive",
	 {{230, 220, 230, 0, 0, 0}, {220, 210, 200, TTY_PANE, 0, 0}, WORKER_UP},
	 false,
	 {.marked = TRUTH_YES},
	 CALLER_PEER,
	 "worker"},
	{"setsid orphan with a terminal of its own",
	 {{230, 1, 230, TTY_HUMAN, 0, 0}},
	 false,
	 {.confined = TRUTH_NO},
	 CALLER_HUMAN,
	 NULL},
	{"the same in a sandbox",
	 {{230, 1, 230, TTY_HUMAN, 0, 0}},
	 false,
	 {.confined = TRUTH_YES},
	 CALLER_UNKNOWN,
	 NULL},
	{"the same, and it keeps itself from being looked at",
	 {{230, 1, 230, TTY_HUMAN, 0, 0}},
	 false,
	 {.confined = TRUTH_UNKNOWN},
	 CALLER_UNKNOWN,
	 NULL},
	{"a job of CI in a sandbox",
	 {CI_UP},
	 false,
	 {.marked = TRUTH_NO, .confined = TRUTH_YES},
	 CALLER_UNKNOWN,
	 NULL},
	{"setsid orphan", {{230, 1, 230, 0, 0, 0}}, false, {.marked = TRUTH_NO}, CALLER_UNKNOWN, NULL},
	{"child of a setsid orphan",
	 {{231, 230, 230, 0, 0, 0}, {230, 1, 230, 0, 0, 0}},
	 false,
	 {.marked = TRUTH_YES},
	 CALLER_UNKNOWN,
	 NULL},
	{"double fork",
	 {{230, 1, 200, TTY_PANE, 0, 0}},
	 false,
	 {.leader_start = START},
	 CALLER_PEER,
	 "worker"},
	{"double fork, its terminal's process just gone",
	 {{230, 1, 200, TTY_PANE, 0, 0}},
	 false,
	 {.leader_start = 0},
	 CALLER_PEER,
	 "worker"},
	{"double fork of another's session with a reused pid",
	 {{230, 1, 200, 0, 0, 0}},
	 false,
	 {.leader_start = START + 1, .marked = TRUTH_NO},
	 CALLER_UNKNOWN,
	 NULL},
	{"tmux run-shell",
	 {{230, 229, 100, 0, 0, 0}, {229, 100, 100, 0, 0, 0}, {100, 1, 100, 0, 0, 0}},
	 false,
	 {.terminal_server = true},
	 CALLER_UNKNOWN,
	 NULL},
	{"tmux run-shell of a marked server",
	 {{230, 229, 100, 0, 0, 0}, {229, 100, 100, 0, 0, 0}, {100, 1, 100, 0, 0, 0}},
	 false,
	 {.marked = TRUTH_YES},
	 CALLER_UNKNOWN,
	 NULL},
	{"a client that is gone already", {{0}}, false, {.marked = TRUTH_UNKNOWN}, CALLER_UNKNOWN, NULL},
	{"pid reuse: the agent's pid, started later",
	 {{230, 210, 210, 0, 0, 0}, {210, 1, 210, 0, START + 9, 0}},
	 false,
	 {.marked = TRUTH_UNKNOWN},
	 CALLER_UNKNOWN,
	 NULL},
	{"on a Coppice terminal, but of nobody there",
	 {{500, 499, 499, TTY_PANE, 0, 0}, {499, 1, 499, TTY_PANE, 0, 0}},
	 false,
	 {0},
	 CALLER_UNKNOWN,
	 NULL},
	{"human",
	 {{330, 300, 300, TTY_HUMAN, 0, 0}, {300, 1, 300, TTY_HUMAN, 0, 0}},
	 false,
	 {0},
	 CALLER_HUMAN,
	 NULL},
	{"human in a container's shell",
	 {{330, 300, 300, TTY_HUMAN, 0, 0}, {300, 0, 300, TTY_HUMAN, 0, 0}},
	 true,
	 {0},
	 CALLER_HUMAN,
	 NULL},
	{"terminal, but ancestors unseen",
	 {{330, 300, 300, TTY_HUMAN, 0, 0}},
	 true,
	 {0},
	 CALLER_UNKNOWN,
	 NULL},
	{"marked stray on the human's terminal",
	 {{330, 1, 300, TTY_HUMAN, 0, 0}},
	 false,
	 {.marked = TRUTH_YES},
	 CALLER_UNKNOWN,
	 NULL},
	{"an agent on the human's terminal",
	 {{320, 310, 300, TTY_HUMAN, 0, 0}, {310, 300, 300, TTY_HUMAN, 0, 0}, {300, 1, 300, TTY_HUMAN, 0, 0}},
	 false,
	 {0},
	 CALLER_PEER,
	 "byhand"},
	{"token without a process", {{0}}, false, {.token = true}, CALLER_HUMAN, NULL},
	{"token of an orphan", {{230, 1, 230, 0, 0, 0}}, false, {.token = true}, CALLER_HUMAN, NULL},
	{"token inside of a peer",
	 {{230, 210, 200, TTY_PANE, 0, 0}, WORKER_UP},
	 false,
	 {.token = true},
	 CALLER_PEER,
	 "worker"},
	{"CI script", {{420, 410, 400, 0, 0, 0}, CI_UP}, false, {.marked = TRUTH_NO}, CALLER_SERVICE, NULL},
	{"CI script whose environment cannot be read",
	 {{420, 410, 400, 0, 0, 0}, CI_UP},
	 false,
	 {.marked = TRUTH_UNKNOWN},
	 CALLER_UNKNOWN,
	 NULL},
	{"CI script with ancestors unseen",
	 {{420, 410, 400, 0, 0, 0}, {410, 400, 400, 0, 0, 0}, {400, 399, 400, 0, 0, 0}},
	 true,
	 {.marked = TRUTH_NO},
	 CALLER_UNKNOWN,
	 NULL},
	{"CI script whose leader is a zombie",
	 {{420, 410, 400, 0, 0, 0}, {410, 400, 400, 0, 0, 0}, {400, 1, 400, 0, 0, 'Z'}},
	 false,
	 {.marked = TRUTH_NO},
	 CALLER_UNKNOWN,
	 NULL},
	{"CI script whose leader is gone",
	 {{420, 410, 400, 0, 0, 0}, {410, 1, 400, 0, 0, 0}},
	 false,
	 {.marked = TRUTH_NO},
	 CALLER_UNKNOWN,
	 NULL},
	{"marked stray under cron",
	 {{420, 410, 400, 0, 0, 0}, CI_UP},
	 false,
	 {.marked = TRUTH_YES},
	 CALLER_UNKNOWN,
	 NULL},
	{"below a container's first process",
	 {{420, 1, 1, 0, 0, 0}},
	 false,
	 {.marked = TRUTH_NO},
	 CALLER_SERVICE,
	 NULL},
	{"put into a container from outside",
	 {{420, 0, 420, 0, 0, 0}},
	 true,
	 {.marked = TRUTH_NO},
	 CALLER_SERVICE,
	 NULL},
};

static void resolve(struct world *w, const struct who *who, struct caller *ret)
{
	size_t n = 0;
	while (n < ARRAY_SIZE(who->chain) && who->chain[n].pid)
		n++;
	struct proc_chain chain = chain_of(who->chain, n, !who->incomplete);
	identity_resolve(w->s, n ? &chain : NULL, &who->evidence, ret);
}

static void test_I2_who_calls(void **state)
{
	struct world *w = *state;
	(void)cast(w);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct caller caller;
		resolve(w, &table[i], &caller);
		if (caller.kind != table[i].kind)
			print_error("%s: %s\n", table[i].what, caller_kind_name(caller.kind));
		assert_int_equal(caller.kind, table[i].kind);
		if (table[i].name)
			assert_string_equal(caller.name, table[i].name);
		if (caller.kind == CALLER_UNKNOWN) {
			assert_string_equal(caller.peer_id, "");
			assert_int_equal(caller.role, ROLE_UNKNOWN);
		}
	}
}

static const struct who agents_child = {
	"direct child", {{230, 210, 200, TTY_PANE, 0, 0}, WORKER_UP}, false, {0}, CALLER_PEER, "worker"};

static void test_I2_another_boot_proves_nothing(void **state)
{
	struct world *w = *state;
	struct caller caller;
	(void)cast(w);
	world_turn(w);
	world_restart(w, "boot-2");
	/* The same numbers, but other processes, on a terminal that is nobody's. */
	resolve(w, &agents_child, &caller);
	assert_int_equal(caller.kind, CALLER_HUMAN);
	static const struct who orphan = {"double fork",	   {{230, 1, 200, 0, 0, 0}}, false,
					  {.leader_start = START}, CALLER_UNKNOWN,	     NULL};
	resolve(w, &orphan, &caller);
	assert_int_equal(caller.kind, CALLER_UNKNOWN);
}

static void test_I2_a_peer_taken_offline_does_not_become_the_user(void **state)
{
	struct world *w = *state;
	struct caller caller;
	struct cast c = cast(w);
	assert_int_equal(peer_offline(w->s, c.byhand.peer_id, CAUSE_RETIRED, NULL), 0);
	static const struct who retired = {"shell of a retired agent",
					   {{320, 310, 300, TTY_HUMAN, 0, 0},
					    {310, 300, 300, TTY_HUMAN, 0, 0},
					    {300, 1, 300, TTY_HUMAN, 0, 0}},
					   false,
					   {0},
					   CALLER_UNKNOWN,
					   NULL};
	resolve(w, &retired, &caller);
	assert_int_equal(caller.kind, CALLER_UNKNOWN);
}

static void test_I4_the_inner_agent_speaks_for_itself(void **state)
{
	struct world *w = *state;
	struct caller caller;
	struct cast c = cast(w);
	static const struct who inner = {
		"shell of the inner agent",
		{{250, 240, 200, TTY_PANE, 0, 0}, {240, 210, 200, TTY_PANE, 0, 0}, WORKER_UP},
		false,
		{0},
		CALLER_PEER,
		"child"};
	resolve(w, &inner, &caller);
	assert_string_equal(caller.peer_id, c.child.peer_id);
	resolve(w, &agents_child, &caller);
	assert_string_equal(caller.peer_id, c.worker.peer_id);
	/* From the inner agent's parent on, the outer one encloses it. */
	char id[ID_SIZE];
	struct proc_chain chain = chain_of(inner.chain, 5, true);
	assert_true(identity_enclosing(w->s, &chain, 2, NULL, id));
	assert_string_equal(id, c.worker.peer_id);
	assert_false(identity_enclosing(w->s, &chain, 4, NULL, id));
}

static void test_I5_a_caller_carries_the_current_epoch(void **state)
{
	struct world *w = *state;
	struct caller caller;
	struct cast c = cast(w);
	session(w, SESSION_AGENT, 210, NULL, NULL, &c.worker);
	resolve(w, &agents_child, &caller);
	assert_int_equal(caller.epoch, c.worker.epoch);
	assert_int_equal(peer_check_epoch(w->s, caller.peer_id, caller.epoch, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_I2_who_calls),
		world_test(test_I2_another_boot_proves_nothing),
		world_test(test_I2_a_peer_taken_offline_does_not_become_the_user),
		world_test(test_I4_the_inner_agent_speaks_for_itself),
		world_test(test_I5_a_caller_carries_the_current_epoch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

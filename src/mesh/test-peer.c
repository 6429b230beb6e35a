/* Tests of peers: whose process is whose, names, epochs, ends, and how they are shown. */
#include "mesh/testing.h"
#include "mesh/transport.h"

static struct peer_ref registered(struct world *w, const struct peer_process *process,
				  const struct peer_spec *spec)
{
	struct peer_ref peer = {0};
	autoerror err = {0};
	world_check(peer_register(w->s, process, spec, &peer, &err), &err);
	return peer;
}

static struct peer_process agent_process(struct world *w)
{
	return (struct peer_process){.kind = SESSION_AGENT, .pid = w->next_pid++, .start_time = 5};
}

static struct peer_ref again(struct world *w, const struct peer_ref *peer)
{
	struct peer_ref now = {0};
	assert_true(peer_find(w->s, peer->peer_id, &now));
	return now;
}

static void test_I1_names_paths_and_recency_are_no_proof(void **state)
{
	struct world *w = *state;
	struct peer_spec spec = {
		.backend = "codex", .path = "/src/app-a", .branch = "feat/a", .name = "feat/a"};
	struct peer_process first = agent_process(w), second = agent_process(w), third = agent_process(w);
	struct peer_ref a = registered(w, &first, &spec), b = registered(w, &second, &spec);
	assert_string_not_equal(a.peer_id, b.peer_id);
	/* Nor does a dead peer's place pass on its id. */
	assert_int_equal(peer_process_gone(w->s, second.pid, second.start_time, NULL), 1);
	struct peer_ref c = registered(w, &third, &spec);
	assert_string_not_equal(c.peer_id, a.peer_id);
	assert_string_not_equal(c.peer_id, b.peer_id);
	assert_true(id_is(c.peer_id, "peer"));
}

static void test_I3_one_process_is_one_peer(void **state)
{
	struct world *w = *state;
	struct peer_spec spec = {.backend = "claude-code", .branch = "feat/a"};
	struct peer_process p = agent_process(w);
	struct peer_ref a = registered(w, &p, &spec);
	/* Another folder, another branch, and even after the runtime ended its session. */
	spec.branch = "feat/b";
	spec.path = "/elsewhere";
	assert_string_equal(registered(w, &p, &spec).peer_id, a.peer_id);
	assert_int_equal(peer_offline(w->s, a.peer_id, CAUSE_SESSION_END, NULL), 0);
	struct peer_ref back = registered(w, &p, &spec);
	assert_string_equal(back.peer_id, a.peer_id);
	assert_string_equal(back.name, "feat/a");
	assert_true(back.online);
	/* The same pid with another start time is another process. */
	p.start_time++;
	assert_string_not_equal(registered(w, &p, &spec).peer_id, a.peer_id);
}

static void test_a_spawn_is_one_peer_from_mint_to_agent(void **state)
{
	struct world *w = *state;
	char id[ID_SIZE];
	autoerror err = {0};
	struct peer_spec planned = {.backend = "claude-code",
				    .branch = "feat/a",
				    .circle = "features",
				    .spawn_id = "spawn-1",
				    .plan_id = "plan-1"};
	world_check(peer_mint(w->s, &planned, id, &err), &err);
	struct peer_ref minted;
	assert_true(peer_find(w->s, id, &minted));
	assert_true(minted.live);
	assert_false(minted.online);
	/* The terminal alone proves whose processes these are, but no agent has spoken yet. */
	struct peer_process terminal = {.kind = SESSION_TERMINAL,
					.pid = w->next_pid++,
					.start_time = 4,
					.pane_id = "%1",
					.tty = 34817};
	struct peer_spec launch = {.spawn_id = "spawn-1", .trusted = true};
	struct peer_ref in_terminal = registered(w, &terminal, &launch);
	assert_string_equal(in_terminal.peer_id, id);
	assert_false(in_terminal.online);
	struct peer_process agent = agent_process(w);
	agent.inside = id;
	struct peer_spec hook = {.backend = "claude-code", .path = "/src/app-feat-a"};
	struct peer_ref peer = registered(w, &agent, &hook);
	assert_string_equal(peer.peer_id, id);
	assert_true(peer.online);
	json_auto_t *json = peer_to_json(w->s, id);
	assert_string_equal(json_str(json, "turn_state"), "pending_first_turn");
	assert_string_equal(json_str(json, "circle"), "features");
	assert_int_equal(json_int(json, "pid", 0), agent.pid);
}

static void test_a_terminal_that_is_the_peer(void **state)
{
	struct world *w = *state;
	char id[ID_SIZE];
	autoerror err = {0};
	struct peer_spec planned = {.backend = "script", .name = "job", .spawn_id = "spawn-1"};
	struct peer_process terminal = {
		.kind = SESSION_TERMINAL, .pid = w->next_pid++, .start_time = 4, .is_peer = true};
	world_check(peer_mint(w->s, &planned, id, &err), &err);
	assert_true(registered(w, &terminal, &planned).online);
	json_auto_t *script = peer_to_json(w->s, id);
	assert_string_equal(json_str(script, "status"), "online");
	assert_null(json_str(script, "turn_state"));
	/* Said after the agent in it has registered, it takes nothing back. */
	struct peer_ref agent = world_agent(w, "feat/a", NULL, NULL);
	struct peer_process late = {
		.kind = SESSION_TERMINAL, .pid = w->next_pid - 1, .start_time = 77, .is_peer = true};
	struct peer_spec launch = {.trusted = true};
	assert_string_equal(registered(w, &late, &launch).peer_id, agent.peer_id);
	json_auto_t *json = peer_to_json(w->s, agent.peer_id);
	assert_string_equal(json_str(json, "turn_state"), "idle");
}

static void test_I4_a_child_agent_never_takes_over(void **state)
{
	struct world *w = *state;
	char id[ID_SIZE];
	autoerror err = {0};
	struct peer_spec planned = {.backend = "claude-code", .branch = "feat/a", .spawn_id = "spawn-1"};
	world_check(peer_mint(w->s, &planned, id, &err), &err);
	struct peer_process terminal = {.kind = SESSION_TERMINAL, .pid = w->next_pid++, .start_time = 4};
	struct peer_spec launch = {.spawn_id = "spawn-1", .trusted = true};
	(void)registered(w, &terminal, &launch);
	/* `codex exec` in a pane whose Claude has not registered yet: another backend. */
	struct peer_process early = agent_process(w), parent = agent_process(w), child = agent_process(w);
	struct peer_spec codex = {.backend = "codex", .branch = "feat/a", .spawn_id = "spawn-1"};
	early.inside = id;
	assert_string_not_equal(registered(w, &early, &codex).peer_id, id);
	struct peer_spec claude = {.backend = "claude-code", .branch = "feat/a", .spawn_id = "spawn-1"};
	parent.inside = id;
	struct peer_ref outer = registered(w, &parent, &claude);
	assert_string_equal(outer.peer_id, id);
	/* The environment, and so the spawn id, is inherited; the backend may even be the same. */
	child.inside = id;
	struct peer_ref inner = registered(w, &child, &claude);
	assert_string_not_equal(inner.peer_id, id);
	autofree char *recorded =
		db_text(w->s, "SELECT parent_peer FROM peer WHERE peer_id = ?", "s", inner.peer_id);
	assert_string_equal(recorded, id);
	/* The parent kept name, process and state, and the child's end is not its own. */
	struct peer_ref after = again(w, &outer);
	assert_string_equal(after.name, "feat/a");
	assert_int_equal(after.epoch, outer.epoch);
	json_auto_t *json = peer_to_json(w->s, id);
	assert_int_equal(json_int(json, "pid", 0), parent.pid);
	assert_int_equal(peer_process_gone(w->s, child.pid, child.start_time, NULL), 1);
	assert_true(again(w, &outer).online);
	assert_false(again(w, &inner).live);
	/* The spawn's peer is still found by its spawn. */
	struct peer_ref spawned;
	assert_true(peer_of_spawn(w->s, "spawn-1", &spawned));
	assert_string_equal(spawned.peer_id, id);
}

static void test_I5_each_registration_has_its_epoch(void **state)
{
	struct world *w = *state;
	struct peer_spec spec = {.backend = "pi", .branch = "feat/a"};
	struct peer_process p = agent_process(w);
	int64_t first = registered(w, &p, &spec).epoch;
	struct peer_ref peer = registered(w, &p, &spec);
	assert_int_equal(peer.epoch, first + 1);
	assert_int_equal(peer_check_epoch(w->s, peer.peer_id, first, NULL), ERR_STALE_FENCE);
	assert_int_equal(peer_check_epoch(w->s, peer.peer_id, peer.epoch, NULL), 0);
	assert_int_equal(peer_check_epoch(w->s, peer.peer_id, peer.epoch + 1, NULL), ERR_STALE_FENCE);
}

static void name_is(struct world *w, const char *branch, const char *path, const char *circle,
		    const char *expected)
{
	struct peer_process p = agent_process(w);
	struct peer_spec spec = {.backend = "codex", .branch = branch, .path = path, .circle = circle};
	assert_string_equal(registered(w, &p, &spec).name, expected);
}

static void test_I6_names(void **state)
{
	struct world *w = *state;
	name_is(w, "feat/a", "/src/app-feat-a", NULL, "feat/a");
	name_is(w, NULL, "/src/app", NULL, "app");
	name_is(w, NULL, "/other/app", NULL, "app~2");
	name_is(w, "feat/a", "/src/copy", NULL, "feat/a~2");
	name_is(w, "feat/a", "/src/third", NULL, "feat/a~3");
	/* A live holder elsewhere does not count. */
	name_is(w, "feat/a", "/src/app-feat-a", "features", "feat/a");
	/* Nor does one that is gone. */
	struct peer_ref second;
	autofree char *id = db_text(w->s, "SELECT peer_id FROM peer WHERE name = 'feat/a~2'", "");
	assert_true(peer_find(w->s, id, &second));
	assert_int_equal(peer_offline(w->s, id, CAUSE_FINISHED, NULL), 0);
	name_is(w, "feat/a", "/src/again", NULL, "feat/a~2");
	/* What a name cannot hold is replaced, so that circle:name stays readable. */
	name_is(w, NULL, "/src/a:b~c d\n", NULL, "a-b-c-d-");
	name_is(w, NULL, "/src/\xff", NULL, "\xEF\xBF\xBD");
	name_is(w, NULL, "/src/-x", NULL, "_x");
	name_is(w, NULL, NULL, NULL, "codex");
}

static void test_I6_same_folder_name_shares_nothing(void **state)
{
	struct world *w = *state;
	struct peer_process p = agent_process(w), q = agent_process(w);
	struct peer_spec one = {.backend = "codex",
				.path = "/a/app",
				.role = "reviewer",
				.trusted = true,
				.description = "reads"};
	struct peer_spec two = {.backend = "codex", .path = "/b/app"};
	struct peer_ref a = registered(w, &p, &one);
	assert_int_equal(peer_offline(w->s, a.peer_id, CAUSE_PROCESS_GONE, NULL), 0);
	struct peer_ref b = registered(w, &q, &two);
	assert_string_not_equal(a.peer_id, b.peer_id);
	assert_int_equal(b.role, ROLE_AGENT);
	json_auto_t *json = peer_to_json(w->s, b.peer_id);
	assert_null(json_str(json, "description"));
}

static void test_I6_the_name_is_fixed_at_registration(void **state)
{
	struct world *w = *state;
	struct peer_process p = agent_process(w);
	struct peer_spec spec = {.backend = "codex", .branch = "feat/a", .name = NULL};
	(void)registered(w, &p, &spec);
	spec.branch = "feat/b";
	spec.name = "feat/b"; /* an agent's own wish */
	assert_string_equal(registered(w, &p, &spec).name, "feat/a");
	/* It keeps the name while live, and loses it only to a live holder. */
	struct peer_ref peer = registered(w, &p, &spec);
	assert_int_equal(peer_offline(w->s, peer.peer_id, CAUSE_SESSION_END, NULL), 0);
	name_is(w, "feat/a", NULL, NULL, "feat/a");
	assert_string_equal(registered(w, &p, &spec).name, "feat/a~2");
}

static void test_I7_what_is_left_out_is_kept(void **state)
{
	struct world *w = *state;
	struct peer_process p = agent_process(w);
	struct peer_spec full = {.name = "lead",
				 .backend = "codex",
				 .circle = "features",
				 .role = "orchestrator",
				 .description = "plans",
				 .trusted = true};
	struct peer_ref first = registered(w, &p, &full);
	struct peer_spec bare = {.backend = "codex"};
	struct peer_ref peer = registered(w, &p, &bare);
	assert_string_equal(peer.peer_id, first.peer_id);
	assert_string_equal(peer.name, "lead");
	assert_string_equal(peer.circle, "features");
	assert_int_equal(peer.role, ROLE_ORCHESTRATOR);
	json_auto_t *json = peer_to_json(w->s, peer.peer_id);
	assert_string_equal(json_str(json, "description"), "plans");
}

static void test_I7_an_agent_gives_itself_nothing(void **state)
{
	struct world *w = *state;
	struct peer_process p = agent_process(w);
	struct peer_spec spec = {.backend = "codex", .branch = "feat/a", .role = "orchestrator"};
	struct peer_ref peer;
	assert_int_equal(peer_register(w->s, &p, &spec, &peer, NULL), ERR_FORBIDDEN);
	spec.role = NULL;
	spec.circle = "features"; /* from its environment, at first */
	assert_string_equal(registered(w, &p, &spec).circle, "features");
	spec.circle = "other";
	assert_int_equal(peer_register(w->s, &p, &spec, &peer, NULL), ERR_FORBIDDEN);
	spec.circle = NULL;
	spec.role = "reviewer";
	assert_int_equal(peer_register(w->s, &p, &spec, &peer, NULL), ERR_FORBIDDEN);
	spec.trusted = true;
	assert_int_equal(registered(w, &p, &spec).role, ROLE_REVIEWER);
	/* Nobody makes a peer of a surface's role. */
	spec.role = "human";
	assert_int_equal(peer_register(w->s, &p, &spec, &peer, NULL), ERR_FORBIDDEN);
}

static void test_I8_unknown_takes_nobody_offline(void **state)
{
	struct world *w = *state;
	struct peer_ref peer = world_agent(w, "feat/a", NULL, NULL);
	pid_t pid = w->next_pid - 1;
	assert_int_equal(peer_process_seen(w->s, pid, 77, NULL, TRUTH_UNKNOWN), 0);
	assert_int_equal(peer_process_seen(w->s, pid, 77, NULL, TRUTH_YES), 0);
	assert_true(again(w, &peer).online);
	/* Nor does what is known of another process with the same pid. */
	assert_int_equal(peer_process_seen(w->s, pid, 78, NULL, TRUTH_NO), 0);
	assert_int_equal(peer_process_seen(w->s, pid, 77, "boot-0", TRUTH_NO), 0);
	assert_true(again(w, &peer).online);
	assert_int_equal(peer_process_seen(w->s, pid, 77, NULL, TRUTH_NO), 1);
	assert_false(again(w, &peer).live);
}

static void test_I9_offline_has_a_cause(void **state)
{
	struct world *w = *state;
	static const enum peer_cause causes[] = {CAUSE_SESSION_END, CAUSE_PROCESS_GONE, CAUSE_KILLED,
						 CAUSE_RETIRED,	    CAUSE_REBOOT,	CAUSE_FINISHED};
	for (size_t i = 0; i < ARRAY_SIZE(causes); i++) {
		struct peer_ref peer = world_agent(w, NULL, NULL, NULL);
		assert_int_equal(peer_offline(w->s, peer.peer_id, causes[i], NULL), 0);
		/* What comes later does not rewrite it. */
		assert_int_equal(peer_offline(w->s, peer.peer_id, CAUSE_PROCESS_GONE, NULL), 0);
		assert_int_equal(again(w, &peer).cause, causes[i]);
		assert_int_equal(world_events(w, "peer.offline", peer.peer_id), 1);
		autofree char *cause =
			db_text(w->s, "SELECT cause FROM session WHERE peer_id = ?", "s", peer.peer_id);
		assert_string_equal(cause, peer_cause_name(causes[i]));
	}
	assert_int_equal(peer_offline(w->s, "peer-nobody", CAUSE_KILLED, NULL), ERR_NOT_FOUND);
}

static void test_I9_who_was_retired_by_the_user_stays_away_until_it_starts_anew(void **state)
{
	struct world *w = *state;
	struct peer_spec spec = {.backend = "codex", .branch = "feat/a"};
	struct peer_process p = agent_process(w), anew = agent_process(w);
	struct peer_ref peer = registered(w, &p, &spec), back;
	autoerror err = {0};
	assert_int_equal(peer_offline(w->s, peer.peer_id, CAUSE_RETIRED, NULL), 0);
	assert_int_equal(peer_register(w->s, &p, &spec, &back, &err), ERR_REFUSED);
	assert_false(again(w, &peer).live);
	assert_string_not_equal(registered(w, &anew, &spec).peer_id, peer.peer_id);
}

static void test_I9_a_transport_or_one_of_two_processes_is_not_the_peer(void **state)
{
	struct world *w = *state;
	char id[ID_SIZE];
	autoerror err = {0};
	struct peer_spec planned = {.backend = "claude-code", .spawn_id = "spawn-1"};
	world_check(peer_mint(w->s, &planned, id, &err), &err);
	struct peer_process terminal = {.kind = SESSION_TERMINAL, .pid = w->next_pid++, .start_time = 4};
	struct peer_process agent = agent_process(w);
	(void)registered(w, &terminal, &planned);
	struct peer_ref peer = registered(w, &agent, &planned);
	assert_string_equal(peer.peer_id, id);
	transport_attach(w->s, id, transport_find("claude-inbox"));
	transport_detach(w->s, id, transport_find("claude-inbox"), "closed");
	assert_true(again(w, &peer).online);
	assert_int_equal(peer_process_gone(w->s, agent.pid, agent.start_time, NULL), 1);
	assert_true(again(w, &peer).live);
	assert_int_equal(world_events(w, "peer.session_ended", id), 1);
	assert_int_equal(peer_process_gone(w->s, terminal.pid, terminal.start_time, NULL), 1);
	assert_false(again(w, &peer).live);
	assert_int_equal(again(w, &peer).cause, CAUSE_PROCESS_GONE);
}

static void test_I9_reboot(void **state)
{
	struct world *w = *state;
	char minted[ID_SIZE];
	autoerror err = {0};
	struct peer_ref old = world_agent(w, "old", NULL, NULL);
	struct peer_spec planned = {.backend = "codex", .name = "planned"};
	world_check(peer_mint(w->s, &planned, minted, &err), &err);
	world_turn(w);
	world_restart(w, NULL);
	assert_int_equal(peer_reboot(w->s), 0); /* the daemon alone was restarted */
	world_turn(w);
	world_restart(w, "boot-2");
	struct peer_ref new = world_agent(w, "new", NULL, NULL);
	assert_int_equal(peer_reboot(w->s), 1);
	assert_int_equal(again(w, &old).cause, CAUSE_REBOOT);
	assert_true(again(w, &new).online);
	struct peer_ref still;
	assert_true(peer_find(w->s, minted, &still));
	assert_true(still.live);
}

static void test_an_expected_peer_keeps_who_it_is(void **state)
{
	struct world *w = *state;
	autoerror err = {0};
	struct peer_ref peer = world_agent(w, "feat/a", NULL, "reviewer");
	world_check(peer_expect(w->s, peer.peer_id, "spawn-2", &err), &err);
	/* Its old process is nothing to it any more. */
	assert_int_equal(peer_process_gone(w->s, w->next_pid - 1, 77, NULL), 0);
	struct peer_ref now = again(w, &peer);
	assert_true(now.live);
	assert_false(now.online);
	struct peer_process p = agent_process(w);
	struct peer_spec spec = {.backend = "claude-code", .spawn_id = "spawn-2"};
	struct peer_ref back = registered(w, &p, &spec);
	assert_string_equal(back.peer_id, peer.peer_id);
	assert_int_equal(back.role, ROLE_REVIEWER);
	assert_true(back.online);
}

static void test_turns_and_how_peers_are_shown(void **state)
{
	struct world *w = *state;
	struct peer_ref peer = world_agent(w, "feat/a", "features", NULL);
	static const char *const fields[] = {"peer_id",	  "name",	 "circle",    "role",
					     "status",	  "turn_state",	 "backend",   "path",
					     "branch",	  "description", "last_seen", "pid",
					     "transport", "note",	 "quiet",     "sandbox"};
	static const struct {
		enum turn_state turn;
		const char *status;
	} turns[] = {{TURN_IDLE, "online"},
		     {TURN_WORKING, "busy"},
		     {TURN_AWAITING_INPUT, "busy"},
		     {TURN_PENDING_FIRST, "online"}};
	for (size_t i = 0; i < ARRAY_SIZE(turns); i++) {
		assert_int_equal(peer_set_turn_state(w->s, peer.peer_id, turns[i].turn, NULL), 0);
		json_auto_t *json = peer_to_json(w->s, peer.peer_id);
		assert_int_equal(json_object_size(json), ARRAY_SIZE(fields));
		for (size_t k = 0; k < ARRAY_SIZE(fields); k++)
			assert_non_null(json_object_get(json, fields[k]));
		assert_string_equal(json_str(json, "status"), turns[i].status);
		assert_string_equal(json_str(json, "turn_state"), turn_state_name(turns[i].turn));
	}
	assert_int_equal(world_events(w, "peer.turn", peer.peer_id), 3); /* it was idle at first */
	assert_int_equal(peer_describe(w->s, peer.peer_id, "does a", NULL), 0);
	assert_int_equal(peer_describe(w->s, peer.peer_id, "\xff", NULL), ERR_INVALID);
	autofree char *long_text = xcalloc(1, PEER_DESCRIPTION_MAX + 2);
	memset(long_text, 'x', PEER_DESCRIPTION_MAX + 1);
	assert_int_equal(peer_describe(w->s, peer.peer_id, long_text, NULL), ERR_TOO_LARGE);
	assert_int_equal(peer_offline(w->s, peer.peer_id, CAUSE_KILLED, NULL), 0);
	json_auto_t *json = peer_to_json(w->s, peer.peer_id);
	assert_string_equal(json_str(json, "status"), "offline");
	assert_string_equal(json_str(json, "description"), "does a");
	assert_true(json_is_null(json_object_get(json, "pid")));
	assert_int_equal(peer_set_turn_state(w->s, peer.peer_id, TURN_IDLE, NULL), ERR_CONFLICT);
}

static size_t listed(struct world *w, const char *circle, bool all)
{
	json_auto_t *json = peer_list(w->s, circle, all);
	return json_array_size(json_object_get(json, "peers"));
}

static void test_listing_and_surfaces(void **state)
{
	struct world *w = *state;
	struct peer_ref human, service, once_more;
	peer_surface(w->s, ROLE_HUMAN, &human);
	peer_surface(w->s, ROLE_SERVICE, &service);
	peer_surface(w->s, ROLE_HUMAN, &once_more);
	assert_string_equal(human.peer_id, once_more.peer_id);
	assert_string_equal(human.name, "human");
	assert_true(once_more.online);
	assert_int_equal(peer_offline(w->s, human.peer_id, CAUSE_RETIRED, NULL), ERR_REFUSED);
	(void)world_agent(w, "feat/a", "features", NULL);
	struct peer_ref gone = world_agent(w, "feat/b", "features", NULL);
	assert_int_equal(peer_offline(w->s, gone.peer_id, CAUSE_KILLED, NULL), 0);
	assert_int_equal(listed(w, NULL, false), 1);
	assert_int_equal(listed(w, NULL, true), 4);
	assert_int_equal(listed(w, "features", true), 2);
	assert_int_equal(listed(w, "default", false), 0);
	/* A branch of that name does not become the human. */
	assert_string_equal(world_agent(w, "human", NULL, NULL).name, "human~2");
}

static void count_watch(const char *peer_id, pid_t pid, uint64_t start_time, void *data)
{
	assert_non_null(peer_id);
	assert_true(pid > 1 && start_time > 0);
	(*(int *)data)++;
}

static void test_what_is_watched(void **state)
{
	struct world *w = *state;
	int n = 0;
	(void)world_agent(w, "a", NULL, NULL);
	struct peer_ref b = world_agent(w, "b", NULL, NULL);
	peer_watch_each(w->s, count_watch, &n);
	assert_int_equal(n, 2);
	assert_int_equal(peer_offline(w->s, b.peer_id, CAUSE_KILLED, NULL), 0);
	n = 0;
	peer_watch_each(w->s, count_watch, &n);
	assert_int_equal(n, 1);
}

static void test_what_the_human_assigns(void **state)
{
	struct world *w = *state;
	struct peer_ref peer = world_agent(w, "feat/a", "one", NULL);
	(void)world_agent(w, "feat/a", "two", NULL);
	assert_int_equal(peer_assign(w->s, peer.peer_id, "orchestrator", "two", NULL), 0);
	struct peer_ref now = again(w, &peer);
	assert_int_equal(now.role, ROLE_ORCHESTRATOR);
	assert_string_equal(now.circle, "two");
	assert_string_equal(now.name, "feat/a~2");
	assert_int_equal(world_events(w, "peer.assigned", peer.peer_id), 1);
	assert_int_equal(peer_assign(w->s, peer.peer_id, "king", NULL, NULL), ERR_INVALID);
	assert_int_equal(peer_assign(w->s, peer.peer_id, NULL, "a b", NULL), ERR_INVALID);
	assert_int_equal(peer_assign(w->s, peer.peer_id, "human", NULL, NULL), ERR_FORBIDDEN);
	assert_int_equal(world_events(w, "peer.assigned", NULL), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_I1_names_paths_and_recency_are_no_proof),
		world_test(test_I3_one_process_is_one_peer),
		world_test(test_a_spawn_is_one_peer_from_mint_to_agent),
		world_test(test_a_terminal_that_is_the_peer),
		world_test(test_I4_a_child_agent_never_takes_over),
		world_test(test_I5_each_registration_has_its_epoch),
		world_test(test_I6_names),
		world_test(test_I6_same_folder_name_shares_nothing),
		world_test(test_I6_the_name_is_fixed_at_registration),
		world_test(test_I7_what_is_left_out_is_kept),
		world_test(test_I7_an_agent_gives_itself_nothing),
		world_test(test_I8_unknown_takes_nobody_offline),
		world_test(test_I9_offline_has_a_cause),
		world_test(test_I9_who_was_retired_by_the_user_stays_away_until_it_starts_anew),
		world_test(test_I9_a_transport_or_one_of_two_processes_is_not_the_peer),
		world_test(test_I9_reboot),
		world_test(test_an_expected_peer_keeps_who_it_is),
		world_test(test_turns_and_how_peers_are_shown),
		world_test(test_listing_and_surfaces),
		world_test(test_what_is_watched),
		world_test(test_what_the_human_assigns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

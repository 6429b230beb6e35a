/* Tests of routing: names, circles, roles, and what is refused. */
#include "mesh/route.h"
#include "mesh/testing.h"

static int resolve(struct world *w, const struct caller *from, const char *name, const char *circle,
		   struct peer_ref *ret, struct error *err)
{
	return route_resolve(w->s, &w->limits, from, name, circle, ret, err);
}

static void finds(struct world *w, const struct caller *from, const char *name, const char *circle,
		  const struct peer_ref *expected)
{
	struct peer_ref found = {0};
	autoerror err = {0};
	world_check(resolve(w, from, name, circle, &found, &err), &err);
	assert_string_equal(found.peer_id, expected->peer_id);
}

static void test_R1_names_and_circles(void **state)
{
	struct world *w = *state;
	struct peer_ref a = world_agent(w, "feat/a", "one", NULL), a2 = world_agent(w, "feat/a", "two", NULL);
	struct peer_ref b = world_agent(w, "feat/b", "one", NULL),
			lead = world_agent(w, "lead", "two", "orchestrator");
	struct caller from_b = world_caller(&b), from_a2 = world_caller(&a2), from_lead = world_caller(&lead);
	struct peer_ref human;
	peer_surface(w->s, ROLE_HUMAN, &human);
	finds(w, &from_b, "feat/a", NULL, &a);
	finds(w, &from_a2, "two:feat/a", NULL, &a2);
	finds(w, &from_b, "two:feat/a", NULL, &a2);
	finds(w, &from_b, "feat/a", "two", &a2);
	finds(w, &from_b, a2.peer_id, NULL, &a2);
	finds(w, &from_b, "lead", NULL, &lead);
	finds(w, &from_b, "human", NULL, &human);
	finds(w, &from_lead, "feat/b", NULL, &b);
	struct peer_ref found;
	assert_int_equal(resolve(w, &from_a2, "feat/b", NULL, &found, NULL), ERR_NO_PEER);
	/* An explicit circle means that circle only, whatever the role. */
	assert_int_equal(resolve(w, &from_b, "one:lead", NULL, &found, NULL), ERR_NO_PEER);
	assert_int_equal(resolve(w, &from_b, "one:feat/a", "two", &found, NULL), ERR_INVALID);
	assert_int_equal(resolve(w, &from_b, "", NULL, &found, NULL), ERR_INVALID);
	assert_int_equal(resolve(w, &from_b, NULL, NULL, &found, NULL), ERR_INVALID);
	assert_int_equal(resolve(w, &from_b, "no such circle:x", NULL, &found, NULL), ERR_INVALID);
}

static void test_R1_several_are_refused_and_listed(void **state)
{
	struct world *w = *state;
	(void)db_run(w->s,
		     "INSERT INTO repo (repo_id, common_dir, main, name, created_at) VALUES ('repo-1', "
		     "'/src/app/.git', '/src/app', 'app', 1)",
		     "");
	struct peer_ref a = world_agent(w, "feat/a", "one", NULL);
	(void)world_agent(w, "feat/a", "two", NULL);
	(void)db_run(w->s, "UPDATE peer SET repo_id = 'repo-1', path = '/src/a' WHERE peer_id = ?", "s",
		     a.peer_id);
	struct caller human = world_surface(w, ROLE_HUMAN);
	struct peer_ref found;
	autoerror err = {0};
	assert_int_equal(resolve(w, &human, "feat/a", NULL, &found, &err), ERR_AMBIGUOUS);
	json_t *list = json_object_get(err.details, "candidates");
	assert_int_equal(json_array_size(list), 2);
	json_t *first = json_array_get(list, 0);
	assert_string_equal(json_str(first, "peer_id"), a.peer_id);
	assert_string_equal(json_str(first, "circle"), "one");
	assert_string_equal(json_str(first, "repo"), "app");
	assert_string_equal(json_str(first, "path"), "/src/a");
	assert_non_null(strstr(err.hint, "one:feat/a"));
	/* An orchestrator that bears an agent's name is no reason to guess either. */
	struct peer_ref b = world_agent(w, "feat/b", "one", NULL);
	(void)world_agent(w, "feat/b", "two", "orchestrator");
	struct caller from = world_caller(&b);
	struct peer_ref other = world_agent(w, "c", "one", NULL);
	from = world_caller(&other);
	assert_int_equal(resolve(w, &from, "feat/b", NULL, &found, NULL), ERR_AMBIGUOUS);
	finds(w, &from, "one:feat/b", NULL, &b);
}

static bool is_near(const struct error *err, const char *name, const char *circle, const char *status)
{
	size_t i;
	json_t *near;
	json_array_foreach(json_object_get(err->details, "near"), i, near)
	{
		if (strcmp(json_str(near, "name"), name) == 0 &&
		    strcmp(json_str(near, "circle"), circle) == 0)
			return strcmp(json_str(near, "status"), status) == 0;
	}
	return false;
}

static void test_R1_none_names_what_is_near(void **state)
{
	struct world *w = *state;
	struct peer_ref me = world_agent(w, "me", "one", NULL), found;
	(void)world_agent(w, "feat/login", "one", NULL);
	(void)world_agent(w, "feat/search", "two", NULL);
	struct peer_ref gone = world_agent(w, "feat/logout", "one", NULL);
	assert_int_equal(peer_offline(w->s, gone.peer_id, CAUSE_FINISHED, NULL), 0);
	struct caller from = world_caller(&me);
	autoerror err = {0};
	assert_int_equal(resolve(w, &from, "feat/logni", NULL, &found, &err), ERR_NO_PEER);
	assert_true(is_near(&err, "feat/login", "one", "online"));
	assert_true(is_near(&err, "feat/logout", "one", "offline"));
	assert_false(is_near(&err, "feat/search", "two", "online"));
	assert_non_null(strstr(err.hint, "feat/login"));
	assert_int_equal(resolve(w, &from, "feat/search", NULL, &found, &err), ERR_NO_PEER);
	assert_true(is_near(&err, "feat/search", "two", "online"));
	assert_non_null(strstr(err.hint, "two:feat/search"));
	assert_int_equal(resolve(w, &from, "login", NULL, &found, &err), ERR_NO_PEER);
	assert_true(is_near(&err, "feat/login", "one", "online"));
	assert_int_equal(resolve(w, &from, "x\x1b[31m", NULL, &found, &err), ERR_NO_PEER);
	assert_null(strchr(err.message, '\x1b'));
	assert_int_equal(json_array_size(json_object_get(err.details, "near")), 0);
}

enum { PLAIN, QUALIFIED, BY_ID, WAYS };
enum relation { SAME, OTHER };

/* What the rules say, spelled out: the name of the outcome for each sender role, target role, relation of
 * their circles and way of naming; then the same with enforced circles. '.' found, '0' no such peer, 'F'
 * forbidden, 'R' takes no input. Senders: agent, orchestrator, reviewer, human, service, unknown. */
struct matrix_row {
	enum role target;
	enum relation relation;
	const char *open[WAYS];	    /* a letter per sender */
	const char *enforced[WAYS]; /* likewise */
};

static const struct matrix_row matrix[] = {
	/* senders:                 AORHSU    AORHSU    AORHSU      AORHSU    AORHSU    AORHSU */
	{ROLE_AGENT, SAME, {"......", "......", "......"}, {"......", "......", "......"}},
	{ROLE_AGENT, OTHER, {"0....0", "......", "......"}, {"0....0", "F....F", "F....F"}},
	{ROLE_ORCHESTRATOR, SAME, {"......", "......", "......"}, {"......", "......", "......"}},
	{ROLE_ORCHESTRATOR, OTHER, {"......", "......", "......"}, {"......", "......", "......"}},
	{ROLE_REVIEWER, SAME, {"......", "......", "......"}, {"......", "......", "......"}},
	{ROLE_REVIEWER, OTHER, {"......", "......", "......"}, {"......", "......", "......"}},
	{ROLE_HUMAN, SAME, {"......", "......", "......"}, {"......", "......", "......"}},
	{ROLE_HUMAN, OTHER, {"......", "......", "......"}, {"......", "......", "......"}},
	{ROLE_SERVICE, SAME, {"RRRRRR", "RRRRRR", "RRRRRR"}, {"RRRRRR", "RRRRRR", "RRRRRR"}},
	{ROLE_SERVICE, OTHER, {"RRRRRR", "RRRRRR", "RRRRRR"}, {"RRRRRR", "RRRRRR", "RRRRRR"}},
};

static char letter(int r)
{
	return r == 0		    ? '.'
	       : r == ERR_NO_PEER   ? '0'
	       : r == ERR_FORBIDDEN ? 'F'
	       : r == ERR_REFUSED   ? 'R'
				    : '?';
}

static struct peer_ref target_of(struct world *w, enum role role)
{
	struct peer_ref target;
	if (!role_kind(role)->surface)
		return world_agent(w, "target", "home", role_name(role));
	peer_surface(w->s, role, &target);
	return target;
}

static void check_row(struct world *w, const struct matrix_row *row, bool enforce)
{
	struct peer_ref target = target_of(w, row->target);
	const char *there = target.circle;
	autofree char *qualified = xasprintf("%s:%s", there, target.name);
	const char *const names[WAYS] = {
		[PLAIN] = target.name, [QUALIFIED] = qualified, [BY_ID] = target.peer_id};
	w->limits.enforce_circles = enforce;
	for (enum role role = ROLE_AGENT; role <= ROLE_UNKNOWN; role++) {
		/* Surfaces and the unknown are in circle default by nature; here any sender may be anywhere.
		 */
		struct caller from = {.role = role, .kind = CALLER_PEER};
		(void)snprintf(from.circle, sizeof(from.circle), "%s",
			       row->relation == SAME ? there : "away");
		for (int way = 0; way < WAYS; way++) {
			struct peer_ref found;
			char got = letter(resolve(w, &from, names[way], NULL, &found, NULL));
			char expected = (enforce ? row->enforced : row->open)[way][role];
			if (got != expected)
				print_error("%s to %s, %s circle, way %d, enforced %d: %c\n", role_name(role),
					    role_name(row->target), row->relation == SAME ? "same" : "other",
					    way, enforce, got);
			assert_int_equal(got, expected);
		}
	}
	if (!role_kind(row->target)->surface)
		assert_int_equal(peer_offline(w->s, target.peer_id, CAUSE_FINISHED, NULL), 0);
}

static void test_R3_matrix(void **state)
{
	struct world *w = *state;
	for (size_t i = 0; i < ARRAY_SIZE(matrix); i++) {
		check_row(w, &matrix[i], false);
		check_row(w, &matrix[i], true);
	}
}

static void test_R5_an_enforced_circle_is_authorization(void **state)
{
	struct world *w = *state;
	struct peer_ref a = world_agent(w, "feat/a", "one", NULL), b = world_agent(w, "feat/b", "two", NULL),
			found;
	struct caller from = world_caller(&a);
	finds(w, &from, "two:feat/b", NULL, &b);
	w->limits.enforce_circles = true;
	assert_int_equal(resolve(w, &from, "two:feat/b", NULL, &found, NULL), ERR_FORBIDDEN);
	assert_int_equal(resolve(w, &from, b.peer_id, NULL, &found, NULL), ERR_FORBIDDEN);
	assert_int_equal(route_may_cross(&w->limits, &from, "two", NULL), ERR_FORBIDDEN);
	assert_int_equal(route_may_cross(&w->limits, &from, "one", NULL), 0);
	/* Looking is not writing. */
	assert_int_equal(route_find(w->s, &from, "two:feat/b", NULL, &found, NULL), 0);
	assert_int_equal(peer_assign(w->s, a.peer_id, "orchestrator", NULL, NULL), 0);
	assert_true(peer_find(w->s, a.peer_id, &a));
	from = world_caller(&a);
	finds(w, &from, "two:feat/b", NULL, &b);
}

static void test_R4_who_takes_input(void **state)
{
	struct world *w = *state;
	static const struct {
		enum peer_cause cause;
		int by_id, by_name;
	} cases[] = {
		{CAUSE_KILLED, ERR_REFUSED, ERR_NO_PEER},
		{CAUSE_RETIRED, ERR_REFUSED, ERR_NO_PEER},
		{CAUSE_FINISHED, ERR_REFUSED, ERR_NO_PEER},
		{CAUSE_SESSION_END, 0, 0},
		{CAUSE_PROCESS_GONE, 0, 0},
		{CAUSE_REBOOT, 0, 0},
	};
	struct caller human = world_surface(w, ROLE_HUMAN);
	struct peer_ref found;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *name = xasprintf("peer%zu", i);
		struct peer_ref peer = world_agent(w, name, NULL, NULL);
		assert_int_equal(peer_offline(w->s, peer.peer_id, cases[i].cause, NULL), 0);
		assert_int_equal(resolve(w, &human, peer.peer_id, NULL, &found, NULL), cases[i].by_id);
		assert_int_equal(resolve(w, &human, name, NULL, &found, NULL), cases[i].by_name);
		/* A live one of that name is meant before one that went. */
		struct peer_ref live = world_agent(w, name, NULL, NULL);
		finds(w, &human, name, NULL, &live);
		assert_int_equal(peer_offline(w->s, live.peer_id, CAUSE_KILLED, NULL), 0);
		/* And nothing is queued for longer than messages are kept. */
		w->now += w->limits.queue_age + 1;
		world_turn(w);
		assert_int_equal(resolve(w, &human, peer.peer_id, NULL, &found, NULL), ERR_REFUSED);
		assert_int_equal(resolve(w, &human, name, NULL, &found, NULL), ERR_NO_PEER);
	}
	char minted[ID_SIZE];
	struct peer_spec spec = {.backend = "codex", .name = "expected"};
	assert_int_equal(peer_mint(w->s, &spec, minted, NULL), 0);
	assert_int_equal(resolve(w, &human, "expected", NULL, &found, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_R1_names_and_circles),
		world_test(test_R1_several_are_refused_and_listed),
		world_test(test_R1_none_names_what_is_near),
		world_test(test_R3_matrix),
		world_test(test_R5_an_enforced_circle_is_authorization),
		world_test(test_R4_who_takes_input),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

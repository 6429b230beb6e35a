/* Tests of messages: the ladder, order, traces, caps, broadcast. */
#include "mesh/inbox.h"
#include "mesh/message.h"
#include "mesh/testing.h"

/* Notifies and returns the id, which the caller frees. */
static char *notify(struct world *w, const struct caller *from, const struct peer_ref *to, const char *text)
{
	json_auto_t *json = NULL;
	autoerror err = {0};
	world_check(message_notify(w->s, &w->limits, from, to->peer_id, text, &json, &err), &err);
	assert_string_equal(json_str(json, "to"), to->peer_id);
	assert_string_equal(json_str(json, "step"), "stored");
	return xstrdup(json_str(json, "message_id"));
}

static const char *step_of(struct world *w, const char *id, char out[16])
{
	autofree char *step = db_text(w->s, "SELECT step FROM message WHERE id = ?", "s", id);
	(void)snprintf(out, 16, "%s", step);
	return out;
}

struct pair {
	struct peer_ref a, b;
	struct caller from_a, from_b;
};

static struct pair pair(struct world *w)
{
	struct pair p = {.a = world_agent(w, "a", NULL, NULL), .b = world_agent(w, "b", NULL, NULL)};
	p.from_a = world_caller(&p.a);
	p.from_b = world_caller(&p.b);
	return p;
}

typedef int (*step_fn)(struct store *s, const char *id, const char *transport, const char *reason,
		       struct error *err);

/* Brings a fresh message to `step`, by one transport. */
static char *message_at(struct world *w, struct pair *p, enum message_step step)
{
	static const step_fn climb[] = {NULL, message_offer, message_submit, message_consume};
	char *id = notify(w, &p->from_a, &p->b, "x");
	for (int i = STEP_OFFERED; i <= (int)step && i <= STEP_CONSUMED; i++)
		assert_int_equal(climb[i](w->s, id, "plugin", NULL, NULL), 0);
	if (step > STEP_CONSUMED)
		message_close(w->s, id, step, false, NULL);
	return id;
}

static void test_D1_the_ladder(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	/* From each step: what offer, submit, consume and return lead to; NULL is refused. */
	static const struct {
		enum message_step from;
		const char *offer, *submit, *consume, *give_back;
	} rows[] = {
		{STEP_STORED, "offered", "submitted", "consumed", NULL},
		{STEP_OFFERED, "offered", "submitted", "consumed", "stored"},
		{STEP_SUBMITTED, NULL, "submitted", "consumed", "stored"},
		{STEP_CONSUMED, NULL, NULL, "consumed", NULL},
		{STEP_ACKED, NULL, NULL, "acked", NULL},
		{STEP_ANSWERED, NULL, NULL, "answered", NULL},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *const expected[] = {rows[i].offer, rows[i].submit, rows[i].consume,
						rows[i].give_back};
		static const step_fn moves[] = {message_offer, message_submit, message_consume,
						message_return};
		for (size_t k = 0; k < ARRAY_SIZE(moves); k++) {
			char before[16], after[16];
			autofree char *id = message_at(w, &p, rows[i].from);
			(void)step_of(w, id, before);
			assert_string_equal(before, message_step_name(rows[i].from));
			assert_int_equal(moves[k](w->s, id, "plugin", NULL, NULL),
					 expected[k] ? 0 : ERR_CONFLICT);
			assert_string_equal(step_of(w, id, after), expected[k] ? expected[k] : before);
			assert_int_equal(message_consume(w->s, id, "plugin", NULL, NULL), 0);
		}
	}
	assert_int_equal(message_offer(w->s, "msg-nothing", "plugin", NULL, NULL), ERR_NOT_FOUND);
}

static void test_D1_an_answer_says_the_step_truly_reached(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	autofree char *id = notify(w, &p.from_a, &p.b, "x");
	json_auto_t *message = message_to_json(w->s, id);
	assert_string_equal(json_str(message, "step"), "stored");
	json_auto_t *taken = inbox_take(w->s, p.b.peer_id, 10, "inbox");
	json_t *first = json_array_get(json_object_get(taken, "messages"), 0);
	assert_string_equal(json_str(first, "step"), "submitted");
	assert_int_equal(world_events(w, "message.consumed", id), 0);
	json_auto_t *ids = json_pack("[s]", id);
	assert_int_equal(inbox_confirm(w->s, p.b.peer_id, ids, "inbox", NULL), 0);
	assert_int_equal(inbox_confirm(w->s, p.b.peer_id, ids, "inbox", NULL), 0);
	assert_int_equal(world_events(w, "message.consumed", id), 1);
}

static void test_D3_nothing_overtakes(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	struct peer_ref c = world_agent(w, "c", NULL, NULL);
	struct caller from_c = world_caller(&c);
	autofree char *one = notify(w, &p.from_a, &p.b, "1");
	autofree char *two = notify(w, &p.from_a, &p.b, "2");
	autofree char *other = notify(w, &from_c, &p.b, "c1");
	assert_int_equal(message_offer(w->s, two, "plugin", NULL, NULL), ERR_CONFLICT);
	assert_int_equal(message_submit(w->s, two, "plugin", NULL, NULL), ERR_CONFLICT);
	assert_int_equal(message_offer(w->s, one, "plugin", NULL, NULL), 0);
	assert_int_equal(message_offer(w->s, two, "plugin", NULL, NULL), 0);
	assert_int_equal(message_submit(w->s, two, "plugin", NULL, NULL), ERR_CONFLICT);
	assert_int_equal(message_submit(w->s, other, "plugin", NULL, NULL), 0); /* another sender's */
	assert_int_equal(message_submit(w->s, one, "plugin", NULL, NULL), 0);
	assert_int_equal(message_submit(w->s, two, "plugin", NULL, NULL), 0);
}

static void test_D4_no_switch_before_the_outcome_is_known(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	autofree char *id = notify(w, &p.from_a, &p.b, "1");
	free(notify(w, &p.from_a, &p.b, "2"));
	assert_int_equal(message_offer(w->s, id, "plugin", NULL, NULL), 0);
	assert_int_equal(message_offer(w->s, id, "terminal", NULL, NULL), ERR_CONFLICT);
	assert_int_equal(message_submit(w->s, id, "inbox", NULL, NULL), ERR_CONFLICT);
	json_auto_t *none = inbox_take(w->s, p.b.peer_id, 10, "inbox");
	assert_int_equal(json_array_size(json_object_get(none, "messages")), 0); /* nor the one behind it */
	assert_int_equal(message_return(w->s, id, "plugin", "socket closed", NULL), 0);
	json_auto_t *both = inbox_take(w->s, p.b.peer_id, 10, "inbox");
	assert_int_equal(json_array_size(json_object_get(both, "messages")), 2);
	json_auto_t *pushed = inbox_offer(w->s, p.b.peer_id, 10, "plugin", INBOX_OPENS);
	assert_int_equal(json_array_size(pushed), 0);
}

static void test_D12_trace(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	autofree char *id = notify(w, &p.from_a, &p.b, "x");
	assert_int_equal(message_offer(w->s, id, "plugin", NULL, NULL), 0);
	w->now += 1000;
	world_turn(w);
	assert_int_equal(message_return(w->s, id, "plugin", "no session", NULL), 0);
	assert_int_equal(message_submit(w->s, id, "hook", NULL, NULL), 0);
	assert_int_equal(message_consume(w->s, id, "hook", NULL, NULL), 0);
	json_auto_t *trace = NULL;
	assert_int_equal(message_trace(w->s, id, &trace, NULL), 0);
	autofree char *text = json_text(trace);
	autofree char *expected =
		xasprintf("{\"id\":\"%s\",\"kind\":\"notify\",\"from\":\"%s\",\"to\":\"%s\",\"steps\":["
			  "{\"step\":\"stored\",\"at\":\"2026-01-02T03:04:05.000000Z\",\"transport\":null,"
			  "\"reason\":null},"
			  "{\"step\":\"offered\",\"at\":\"2026-01-02T03:04:05.000000Z\",\"transport\":"
			  "\"plugin\",\"reason\":null},"
			  "{\"step\":\"returned\",\"at\":\"2026-01-02T03:04:05.001000Z\",\"transport\":"
			  "\"plugin\",\"reason\":"
			  "\"no session\"},"
			  "{\"step\":\"submitted\",\"at\":\"2026-01-02T03:04:05.001000Z\",\"transport\":"
			  "\"hook\",\"reason\":null},"
			  "{\"step\":\"consumed\",\"at\":\"2026-01-02T03:04:05.001000Z\",\"transport\":"
			  "\"hook\",\"reason\":null}"
			  "]}",
			  id, p.a.peer_id, p.b.peer_id);
	assert_string_equal(text, expected);
	assert_int_equal(message_trace(w->s, "msg-nothing", &trace, NULL), ERR_NOT_FOUND);
}

static void test_text_is_checked_before_anything_is_stored(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	json_t *json = NULL;
	autofree char *big = xcalloc(1, MESSAGE_TEXT_MAX + 2);
	memset(big, 'x', MESSAGE_TEXT_MAX + 1);
	assert_int_equal(message_notify(w->s, &w->limits, &p.from_a, p.b.peer_id, big, &json, NULL),
			 ERR_TOO_LARGE);
	assert_int_equal(message_notify(w->s, &w->limits, &p.from_a, p.b.peer_id, "", &json, NULL),
			 ERR_INVALID);
	assert_int_equal(message_notify(w->s, &w->limits, &p.from_a, p.b.peer_id, "\xff", &json, NULL),
			 ERR_INVALID);
	assert_int_equal(message_text_check("a\0b", 3, NULL), ERR_INVALID);
	assert_int_equal(message_waiting(w->s, NULL), 0);
	big[MESSAGE_TEXT_MAX] = '\0';
	free(notify(w, &p.from_a, &p.b, big));
	assert_int_equal(message_waiting(w->s, p.b.peer_id), 1);
}

static void test_R4_nothing_is_stored_for_who_takes_no_input(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	struct peer_ref service;
	json_t *json = NULL;
	peer_surface(w->s, ROLE_SERVICE, &service);
	assert_int_equal(peer_offline(w->s, p.b.peer_id, CAUSE_KILLED, NULL), 0);
	assert_int_equal(message_notify(w->s, &w->limits, &p.from_a, service.peer_id, "x", &json, NULL),
			 ERR_REFUSED);
	assert_int_equal(message_notify(w->s, &w->limits, &p.from_a, p.b.peer_id, "x", &json, NULL),
			 ERR_REFUSED);
	assert_int_equal(message_waiting(w->s, NULL), 0);
	assert_int_equal(world_events(w, "message.stored", NULL), 0);
}

static void test_who_is_said_to_have_sent_it(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	struct caller callers[] = {p.from_a, world_surface(w, ROLE_HUMAN), world_surface(w, ROLE_SERVICE),
				   world_unknown(w)};
	static const char *const kinds[] = {"peer", "human", "service", "unknown"};
	for (size_t i = 0; i < ARRAY_SIZE(callers); i++) {
		autofree char *id = notify(w, &callers[i], &p.b, "x");
		json_auto_t *json = message_to_json(w->s, id);
		assert_string_equal(json_str(json, "from_kind"), kinds[i]);
		assert_string_equal(json_str(json, "from_name"), callers[i].name);
		const char *from = json_str(json, "from");
		assert_string_equal(from ? from : "", callers[i].peer_id);
	}
}

static void test_a_stored_message_wakes_its_recipient(void **state)
{
	struct world *w = *state;
	struct pair p = pair(w);
	world_turn(w);
	free(notify(w, &p.from_a, &p.b, "x"));
	assert_int_equal(world_events(w, "message.stored", p.b.peer_id), 1);
	assert_int_equal(store_commit(w->s, NULL), 0);
	size_t n = 0, found = 0;
	const char *const *wakes = store_wakes(w->s, &n);
	for (size_t i = 0; i < n; i++)
		found += strcmp(wakes[i], p.b.peer_id) == 0;
	assert_true(found > 0);
	world_begin(w);
}

static void test_broadcast(void **state)
{
	struct world *w = *state;
	struct peer_ref a = world_agent(w, "a", "one", NULL), b = world_agent(w, "b", "one", NULL);
	struct peer_ref c = world_agent(w, "c", "one", NULL), gone = world_agent(w, "gone", "one", NULL);
	struct peer_ref d = world_agent(w, "d", "two", NULL);
	struct caller from_a = world_caller(&a), from_d = world_caller(&d),
		      human = world_surface(w, ROLE_HUMAN);
	assert_int_equal(peer_offline(w->s, gone.peer_id, CAUSE_SESSION_END, NULL), 0);
	json_auto_t *sent = NULL;
	assert_int_equal(message_broadcast(w->s, &w->limits, &from_a, NULL, "hi", &sent, NULL), 0);
	json_t *list = json_object_get(sent, "messages");
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(json_str(json_array_get(list, 0), "to"), b.peer_id);
	assert_string_equal(json_str(json_array_get(list, 1), "to"), c.peer_id);
	assert_int_equal(message_waiting(w->s, NULL), 2);
	/* Surfaces hear nothing of it, and need a circle named to speak to one. */
	json_auto_t *nobody = NULL, *some = NULL;
	assert_int_equal(message_broadcast(w->s, &w->limits, &human, NULL, "hi", &nobody, NULL), 0);
	assert_int_equal(json_array_size(json_object_get(nobody, "messages")), 0);
	w->limits.enforce_circles = true;
	json_t *none = NULL;
	assert_int_equal(message_broadcast(w->s, &w->limits, &from_d, "one", "hi", &none, NULL),
			 ERR_FORBIDDEN);
	assert_int_equal(message_broadcast(w->s, &w->limits, &human, "one", "hi", &some, NULL), 0);
	assert_int_equal(json_array_size(json_object_get(some, "messages")), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_D1_the_ladder),
		world_test(test_D1_an_answer_says_the_step_truly_reached),
		world_test(test_D3_nothing_overtakes),
		world_test(test_D4_no_switch_before_the_outcome_is_known),
		world_test(test_D12_trace),
		world_test(test_text_is_checked_before_anything_is_stored),
		world_test(test_R4_nothing_is_stored_for_who_takes_no_input),
		world_test(test_who_is_said_to_have_sent_it),
		world_test(test_a_stored_message_wakes_its_recipient),
		world_test(test_broadcast),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

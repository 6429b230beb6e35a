/* Tests of the link to the daemon, against one that the test plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mcp/link.h"
#include "mcp/testing.h"

struct stage {
	char *folder;
	uv_loop_t loop;
	struct fake fake;
	struct mcp_link *link;
	int greets, starts;
	bool no_greeting, start_fails;
	struct mcp_call *greeting;
};

/* What became of a call. */
struct outcome {
	int times;
	enum error_code code;
	char text[256]; /* its answer, or the error's message */
};

static void answered(void *data, json_t *answer, const struct error *err)
{
	struct outcome *o = data;
	autofree char *text = answer ? json_text(answer) : NULL;
	o->times++;
	o->code = err ? err->code : ERR_OK;
	(void)snprintf(o->text, sizeof(o->text), "%s", err ? err->message : text);
}

static void greeting_over(void *data, json_t *answer, const struct error *err)
{
	struct stage *s = data;
	(void)answer;
	s->greeting = NULL;
	if (!err)
		mcp_link_greeted(s->link);
}

static void greet(void *data)
{
	struct stage *s = data;
	s->greets++;
	mcp_link_cancel(TAKE_PTR(s->greeting));
	s->greeting = mcp_link_call(s->link, &(struct mcp_request){.op = "hello", .flags = MCP_GREETS},
				    greeting_over, s);
}

static int start(void *data, struct error *err)
{
	struct stage *s = data;
	s->starts++;
	if (s->start_fails)
		return error_set(err, ERR_NO_DAEMON, "it does not start");
	fake_listen(&s->fake);
	return 0;
}

/* How a test begins. */
static struct setting {
	bool listening, greets, may_start;
} away, there = {.listening = true}, greeted = {.listening = true, .greets = true},
	startable = {.may_start = true};

static int open_stage(void **state)
{
	const struct setting *o = *state;
	struct stage *s = xcalloc(1, sizeof(*s));
	s->folder = test_folder_make();
	if (uv_loop_init(&s->loop))
		return -1;
	fake_init(&s->fake, &s->loop, s->folder);
	if (o->listening)
		fake_listen(&s->fake);
	s->link = mcp_link_new(&s->loop, &(struct mcp_link_options){.paths = &s->fake.paths,
								    .start = o->may_start ? start : NULL,
								    .greet = o->greets ? greet : NULL,
								    .data = s});
	*state = s;
	return 0;
}

static int close_stage(void **state)
{
	struct stage *s = *state;
	mcp_link_cancel(s->greeting);
	mcp_link_free(s->link);
	fake_release(&s->fake);
	test_folder_remove(s->folder);
	free(s);
	return 0;
}

static struct mcp_call *call(struct stage *s, const char *op, unsigned flags, usec_t patience,
			     struct outcome *o)
{
	*o = (struct outcome){0};
	return mcp_link_call(s->link, &(struct mcp_request){.op = op, .flags = flags, .patience = patience},
			     answered, o);
}

static void await_outcome(struct stage *s, const struct outcome *o)
{
	while (!o->times)
		(void)uv_run(&s->loop, UV_RUN_ONCE);
	assert_int_equal(o->times, 1);
}

/* The request of that number comes, and is answered by nothing much. */
static void serve(struct stage *s, int i, const char *op)
{
	fake_await(&s->fake, i + 1);
	assert_string_equal(s->fake.at[i].op, op);
	fake_answer(&s->fake, i, json_object());
}

/* It comes, and its connection ends. */
static void drop(struct stage *s, int i)
{
	fake_await(&s->fake, i + 1);
	fake_drop(&s->fake, i);
}

static void test_a_call_brings_its_answer_or_its_error(void **state)
{
	struct stage *s = *state;
	struct outcome one, two;
	json_auto_t *args = json_pack("{s:s}", "query", "hi");
	(void)mcp_link_call(
		s->link,
		&(struct mcp_request){.op = "ask", .args = args, .session = "thread-1", .flags = MCP_CHANGES},
		answered, &one);
	one = (struct outcome){0};
	fake_await(&s->fake, 1);
	const struct fake_request *r = &s->fake.at[0];
	assert_string_equal(r->op, "ask");
	assert_string_equal(r->session, "thread-1");
	assert_string_equal(r->protocol, "1");
	assert_true(strncmp(r->key, "key-", 4) == 0);
	assert_true(json_equal(r->args, args));
	fake_answer(&s->fake, 0, json_pack("{s:i}", "n", 1));
	await_outcome(s, &one);
	assert_string_equal(one.text, "{\"n\":1}");

	(void)call(s, "whoami", 0, 0, &two);
	fake_await(&s->fake, 2);
	assert_string_equal(s->fake.at[1].key, "-");
	assert_string_equal(s->fake.at[1].session, "-");
	fake_error(&s->fake, 1, ERR_AMBIGUOUS, "two of them");
	await_outcome(s, &two);
	assert_int_equal(two.code, ERR_AMBIGUOUS);
	assert_string_equal(two.text, "two of them");
	assert_int_equal(s->fake.n_conns, 1); /* the connection was kept */
}

static void test_calls_under_way_do_not_wait_for_each_other(void **state)
{
	struct stage *s = *state;
	struct outcome o[3];
	for (int i = 0; i < 3; i++)
		(void)call(s, "wait_on_ack", 0, 0, &o[i]);
	fake_await(&s->fake, 3);
	for (int i = 2; i >= 0; i--) {
		fake_answer(&s->fake, i, json_object());
		await_outcome(s, &o[i]);
	}
	assert_int_equal(s->fake.n_conns, 3);
	(void)call(s, "whoami", 0, 0, &o[0]);
	fake_await(&s->fake, 4);
	assert_int_equal(s->fake.n_conns, 3);
}

static void test_D2_a_change_whose_answer_was_lost_is_repeated_under_its_key(void **state)
{
	struct stage *s = *state;
	struct outcome o;
	(void)call(s, "ask", MCP_CHANGES, USEC_PER_MIN, &o);
	drop(s, 0);
	fake_await(&s->fake, 2);
	assert_string_equal(s->fake.at[0].key, s->fake.at[1].key);
	fake_answer(&s->fake, 1, json_object());
	await_outcome(s, &o);
	assert_int_equal(o.code, ERR_OK);
}

static void test_a_daemon_that_ends_each_connection_is_given_up(void **state)
{
	struct stage *s = *state;
	struct outcome o;
	(void)call(s, "ask", MCP_CHANGES, USEC_PER_MIN, &o);
	for (int i = 0; i < 3; i++)
		drop(s, i);
	await_outcome(s, &o);
	assert_int_equal(o.code, ERR_NO_DAEMON);
	assert_int_equal(s->fake.n, 3);
}

static void test_X4_what_is_no_daemon_is_said_to_be_none(void **state)
{
	struct stage *s = *state;
	struct outcome o;
	(void)call(s, "ask", MCP_CHANGES, USEC_PER_MIN, &o);
	fake_await(&s->fake, 1);
	fake_send(s->fake.at[0].conn, "SSH-2.0-OpenSSH\r\n", 17);
	await_outcome(s, &o);
	assert_int_equal(o.code, ERR_PROTOCOL);
}

static void test_X1_within_a_peer_nobody_starts_the_daemon_and_calls_wait_for_it(void **state)
{
	struct stage *s = *state;
	struct outcome hasty, patient;
	(void)call(s, "ask", MCP_MAY_START, 0, &hasty);
	await_outcome(s, &hasty);
	assert_int_equal(hasty.code, ERR_NO_DAEMON);
	assert_string_equal(hasty.text, "no daemon runs");
	(void)call(s, "ask", MCP_MAY_START, USEC_PER_MIN, &patient);
	fake_settle(&s->fake);
	assert_int_equal(patient.times, 0);
	fake_listen(&s->fake);
	fake_await(&s->fake, 1);
	fake_answer(&s->fake, 0, json_object());
	await_outcome(s, &patient);
	assert_int_equal(patient.code, ERR_OK);
}

static void test_patience_ends(void **state)
{
	struct stage *s = *state;
	struct outcome o;
	(void)call(s, "ask", 0, 20 * USEC_PER_MSEC, &o);
	await_outcome(s, &o);
	assert_int_equal(o.code, ERR_NO_DAEMON);
}

static void test_outside_of_peers_a_call_starts_the_daemon(void **state)
{
	struct stage *s = *state;
	struct outcome o;
	mcp_link_wake(s->link);
	(void)call(s, "whoami", 0, 0, &o); /* one that may not */
	await_outcome(s, &o);
	assert_int_equal(s->starts, 0);
	(void)call(s, "whoami", MCP_MAY_START, USEC_PER_MIN, &o);
	fake_await(&s->fake, 1);
	assert_int_equal(s->starts, 1);
	/* One that is stopped under a call is not started again: the call waits for whoever does. */
	fake_stop(&s->fake);
	fake_settle(&s->fake);
	assert_int_equal(s->starts, 1);
	assert_int_equal(o.times, 0);
	fake_listen(&s->fake);
	fake_await(&s->fake, 2);
	fake_answer(&s->fake, 1, json_object());
	await_outcome(s, &o);
}

static void test_a_start_that_fails_says_why(void **state)
{
	struct stage *s = *state;
	struct outcome o;
	s->start_fails = true;
	(void)call(s, "whoami", MCP_MAY_START, USEC_PER_MIN, &o);
	await_outcome(s, &o);
	assert_string_equal(o.text, "it does not start");
}

static void test_each_daemon_is_greeted_before_anything_else(void **state)
{
	struct stage *s = *state;
	struct outcome o, later;
	(void)call(s, "ask", 0, USEC_PER_MIN, &o);
	mcp_link_wake(s->link);
	fake_settle(&s->fake);
	assert_int_equal(s->fake.n, 1);
	assert_string_equal(s->fake.at[0].op, "hello");
	assert_int_equal(mcp_link_state(s->link), MCP_LINK_GREETING);
	fake_answer(&s->fake, 0, json_object());
	fake_await(&s->fake, 2);
	assert_string_equal(s->fake.at[1].op, "ask");
	assert_int_equal(mcp_link_state(s->link), MCP_LINK_UP);
	fake_answer(&s->fake, 1, json_object());
	await_outcome(s, &o);

	/* Another daemon: noticed although nothing is under way. */
	fake_stop(&s->fake);
	while (mcp_link_state(s->link) != MCP_LINK_AWAY)
		(void)uv_run(&s->loop, UV_RUN_ONCE);
	(void)call(s, "whoami", 0, USEC_PER_MIN, &later);
	fake_listen(&s->fake);
	fake_await(&s->fake, 3);
	assert_string_equal(s->fake.at[2].op, "hello");
	assert_int_equal(s->greets, 2);
	fake_answer(&s->fake, 2, json_object());
	serve(s, 3, "whoami");
	await_outcome(s, &later);
}

static void test_a_daemon_that_is_lost_while_it_is_greeted_is_greeted_anew(void **state)
{
	struct stage *s = *state;
	struct outcome o;
	(void)call(s, "ask", MCP_CHANGES, USEC_PER_MIN, &o);
	mcp_link_wake(s->link);
	drop(s, 0);
	serve(s, 1, "hello");
	serve(s, 2, "ask");
	await_outcome(s, &o);
	assert_int_equal(o.code, ERR_OK);
}

static void test_a_daemon_that_cannot_be_greeted_is_given_up(void **state)
{
	struct stage *s = *state;
	struct outcome o;
	(void)call(s, "ask", MCP_CHANGES, USEC_PER_MIN, &o);
	mcp_link_wake(s->link);
	for (int i = 0; i < 3; i++)
		drop(s, i);
	await_outcome(s, &o);
	assert_int_equal(o.code, ERR_NO_DAEMON);
	fake_settle(&s->fake);
	assert_int_equal(s->fake.n, 3);
}

static void test_a_cancelled_call_ends_its_connection_and_says_nothing(void **state)
{
	struct stage *s = *state;
	struct outcome gone, kept;
	struct mcp_call *one = call(s, "wait_on_ack", 0, USEC_PER_MIN, &gone);
	(void)call(s, "wait_on_ack", 0, USEC_PER_MIN, &kept);
	fake_await(&s->fake, 2);
	mcp_link_cancel(one);
	while (!s->fake.ended_conns)
		(void)uv_run(&s->loop, UV_RUN_ONCE);
	fake_answer(&s->fake, 1, json_object());
	await_outcome(s, &kept);
	assert_int_equal(gone.times, 0);
	assert_int_equal(kept.code, ERR_OK);
	assert_int_equal(mcp_link_state(s->link), MCP_LINK_UP);
	/* One that waits for a daemon can be cancelled as well. */
	fake_stop(&s->fake);
	struct mcp_call *waits = call(s, "ask", 0, USEC_PER_MIN, &gone);
	fake_settle(&s->fake);
	mcp_link_cancel(waits);
	fake_settle(&s->fake);
	assert_int_equal(gone.times, 0);
}

static void test_a_lane_has_a_connection_of_its_own(void **state)
{
	struct stage *s = *state;
	struct outcome o;
	struct mcp_request take = {.op = "delivery_take", .lane = MCP_LANE_DELIVERY};
	for (int i = 0; i < 4; i += 2) {
		o = (struct outcome){0};
		(void)mcp_link_call(s->link, &take, answered, &o);
		fake_await(&s->fake, i + 1);
		fake_answer(&s->fake, i, json_object());
		await_outcome(s, &o);
		(void)call(s, "whoami", 0, 0, &o);
		fake_await(&s->fake, i + 2);
		fake_answer(&s->fake, i + 1, json_object());
		await_outcome(s, &o);
	}
	assert_int_equal(s->fake.at[0].connection, s->fake.at[2].connection);
	assert_int_equal(s->fake.at[1].connection, s->fake.at[3].connection);
	assert_int_not_equal(s->fake.at[0].connection, s->fake.at[1].connection);
	mcp_link_close_lane(s->link, MCP_LANE_DELIVERY);
	while (!s->fake.ended_conns)
		(void)uv_run(&s->loop, UV_RUN_ONCE);
	assert_int_equal(mcp_link_state(s->link), MCP_LINK_UP);
}

static void test_S3_a_request_beyond_the_limits_is_refused_here(void **state)
{
	struct stage *s = *state;
	struct outcome o = {0};
	(void)mcp_link_call(s->link, &(struct mcp_request){.op = "whoami", .session = "a\r\nb: c"}, answered,
			    &o);
	await_outcome(s, &o);
	assert_int_equal(o.code, ERR_INVALID);
	assert_int_equal(s->fake.n, 0);
}

#define link_test(f, setting) cmocka_unit_test_prestate_setup_teardown(f, open_stage, close_stage, &(setting))

int main(void)
{
	const struct CMUnitTest tests[] = {
		link_test(test_a_call_brings_its_answer_or_its_error, there),
		link_test(test_calls_under_way_do_not_wait_for_each_other, there),
		link_test(test_D2_a_change_whose_answer_was_lost_is_repeated_under_its_key, there),
		link_test(test_a_daemon_that_ends_each_connection_is_given_up, there),
		link_test(test_X4_what_is_no_daemon_is_said_to_be_none, there),
		link_test(test_X1_within_a_peer_nobody_starts_the_daemon_and_calls_wait_for_it, away),
		link_test(test_patience_ends, away),
		link_test(test_outside_of_peers_a_call_starts_the_daemon, startable),
		link_test(test_a_start_that_fails_says_why, startable),
		link_test(test_each_daemon_is_greeted_before_anything_else, greeted),
		link_test(test_a_daemon_that_is_lost_while_it_is_greeted_is_greeted_anew, greeted),
		link_test(test_a_daemon_that_cannot_be_greeted_is_given_up, greeted),
		link_test(test_a_cancelled_call_ends_its_connection_and_says_nothing, there),
		link_test(test_a_lane_has_a_connection_of_its_own, there),
		link_test(test_S3_a_request_beyond_the_limits_is_refused_here, there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of delivery into a session's inbox: the daemon is the test's, and so is the inbox. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mcp/deliver.h"
#include "mcp/testing.h"

/* The inbox that agent_inbox_kind opens; there is one at a time. */
struct agent_inbox {
	const struct agent_inbox_events *events;
	void *data;
};

static struct {
	struct agent_inbox inbox;
	bool none, open;
	int opened, closed, n;
	int refuses; /* the sends that fail at once with this code */
	char ids[32][64], texts[32][256], froms[32][64];
} box;

static int box_open(uv_loop_t *loop, const struct agent_inbox_events *events, void *data,
		    struct agent_inbox **ret, struct error *err)
{
	(void)loop;
	if (box.none)
		return error_set(err, ERR_NOT_FOUND, "the session has no inbox");
	box.opened++;
	box.open = true;
	box.inbox = (struct agent_inbox){.events = events, .data = data};
	*ret = &box.inbox;
	return 0;
}

static int box_send(struct agent_inbox *inbox, const char *id, const char *from, const char *text,
		    struct error *err)
{
	assert_ptr_equal(inbox, &box.inbox);
	if (box.refuses)
		return error_set(err, (enum error_code)box.refuses, "the text cannot be sent");
	(void)snprintf(box.ids[box.n], sizeof(box.ids[0]), "%s", id);
	(void)snprintf(box.froms[box.n], sizeof(box.froms[0]), "%s", from);
	(void)snprintf(box.texts[box.n++], sizeof(box.texts[0]), "%s", text);
	return 0;
}

static void box_close(struct agent_inbox *inbox)
{
	box.closed += inbox && box.open;
	box.open = false;
}

static const struct agent_inbox_kind kind = {
	.transport = "claude-inbox", .open = box_open, .send = box_send, .close = box_close};

static void box_sent(const char *id, enum error_code code)
{
	autoerror err = {0};
	if (code)
		(void)error_set(&err, code, "it did not arrive");
	box.inbox.events->sent(box.inbox.data, id, code ? &err : NULL);
}

struct stage {
	char *folder;
	uv_loop_t loop;
	struct fake fake;
	struct mcp_link *link;
	struct mcp_deliver *deliver;
};

static int open_stage(void **state)
{
	struct stage *s = xcalloc(1, sizeof(*s));
	memset(&box, 0, sizeof(box));
	s->folder = test_folder_make();
	if (uv_loop_init(&s->loop))
		return -1;
	fake_start(&s->fake, &s->loop, s->folder);
	s->link = mcp_link_new(&s->loop, &(struct mcp_link_options){.paths = &s->fake.paths});
	s->deliver = mcp_deliver_new(&s->loop, s->link, &kind);
	mcp_deliver_start(s->deliver);
	*state = s;
	return 0;
}

static int close_stage(void **state)
{
	struct stage *s = *state;
	mcp_deliver_free(s->deliver);
	mcp_link_free(s->link);
	fake_release(&s->fake);
	test_folder_remove(s->folder);
	free(s);
	return box.opened == box.closed ? 0 : -1;
}

static json_t *messages(int from, int n)
{
	json_t *list = json_array();
	for (int i = from; i < from + n; i++) {
		char id[32];
		(void)snprintf(id, sizeof(id), "msg-%d", i);
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", id, "kind", "notify",
						      "from", "peer-1", "from_name", "feat/a", "text",
						      "<coppice-message>"));
	}
	return json_pack("{s:o}", "messages", list);
}

/* The first take brings `n` messages, and the inbox gets them. */
static void hand_over(struct stage *s, int n)
{
	fake_await(&s->fake, 1);
	fake_answer(&s->fake, 0, messages(0, n));
	while (box.n < n)
		(void)uv_run(&s->loop, UV_RUN_ONCE);
}

static void assert_report(struct stage *s, int i, const char *id, const char *step, const char *reason)
{
	fake_await(&s->fake, i + 1);
	const struct fake_request *r = &s->fake.at[i];
	assert_string_equal(r->op, "delivery_report");
	assert_string_equal(json_str(r->args, "id"), id);
	assert_string_equal(json_str(r->args, "step"), step);
	assert_string_equal(json_str(r->args, "transport"), "claude-inbox");
	assert_true(reason ? json_str(r->args, "reason") && strcmp(json_str(r->args, "reason"), reason) == 0
			   : !json_object_get(r->args, "reason"));
	fake_answer(&s->fake, i, json_object());
}

static void assert_take(struct stage *s, int i)
{
	fake_await(&s->fake, i + 1);
	json_auto_t *args =
		json_pack("{s:s, s:i, s:i}", "transport", "claude-inbox", "wait_seconds", 604800, "max", 10);
	assert_string_equal(s->fake.at[i].op, "delivery_take");
	assert_true(json_equal(s->fake.at[i].args, args));
}

static void test_D3_messages_are_handed_over_in_order_and_settled_before_more_are_taken(void **state)
{
	struct stage *s = *state;
	assert_take(s, 0);
	fake_answer(&s->fake, 0, messages(0, 3));
	while (box.n < 3)
		(void)uv_run(&s->loop, UV_RUN_ONCE);
	assert_string_equal(box.ids[0], "msg-0");
	assert_string_equal(box.ids[2], "msg-2");
	assert_string_equal(box.froms[1], "feat/a");
	assert_string_equal(box.texts[1], "<coppice-message>");
	fake_settle(&s->fake);
	assert_int_equal(s->fake.n, 1);
	box_sent("msg-0", ERR_OK);
	box_sent("msg-1", ERR_CONFLICT);
	assert_report(s, 1, "msg-0", "submitted", NULL);
	assert_report(s, 2, "msg-1", "returned", "it did not arrive");
	fake_settle(&s->fake);
	assert_int_equal(s->fake.n, 3);
	box_sent("msg-2", ERR_OK);
	fake_await(&s->fake, 5); /* the report and the next take, in either order */
	int take = strcmp(s->fake.at[3].op, "delivery_take") == 0 ? 3 : 4;
	assert_string_equal(s->fake.at[take].op, "delivery_take");
	assert_report(s, 7 - take, "msg-2", "submitted", NULL);
	/* the daemon's evidence that the inbox is attached is one connection, which takes only */
	assert_int_equal(s->fake.at[take].connection, s->fake.at[0].connection);
	assert_int_not_equal(s->fake.at[1].connection, s->fake.at[0].connection);
}

static void test_D1_what_becomes_of_a_held_message_is_reported(void **state)
{
	struct stage *s = *state;
	hand_over(s, 2);
	box.inbox.events->held(box.inbox.data, "msg-0", "consent");
	box.inbox.events->held(box.inbox.data, "msg-1", "consent");
	box.inbox.events->released(box.inbox.data, "msg-0");
	box.inbox.events->dropped(box.inbox.data, "msg-1", "denied");
	/* one after the other, in the order of what happened */
	assert_report(s, 1, "msg-0", "held", "consent");
	assert_report(s, 2, "msg-1", "held", "consent");
	assert_report(s, 3, "msg-0", "submitted", NULL);
	assert_report(s, 4, "msg-1", "returned", "denied");
}

static void test_D4_a_lost_inbox_lets_go_of_the_transport(void **state)
{
	struct stage *s = *state;
	hand_over(s, 2);
	box_sent("msg-0", ERR_NOT_FOUND);
	assert_report(s, 1, "msg-0", "returned", "it did not arrive");
	assert_report(s, 2, "msg-1", "returned", "the session's inbox is gone");
	while (!s->fake.ended_conns)
		(void)uv_run(&s->loop, UV_RUN_ONCE);
	assert_int_equal(box.closed, 1);
	assert_false(mcp_deliver_is_open(s->deliver));
	/* tried again when the session does something */
	mcp_deliver_start(s->deliver);
	assert_take(s, 3);
	assert_int_not_equal(s->fake.at[3].connection, s->fake.at[0].connection);
}

static void test_D4_an_inbox_that_comes_to_itself_is_opened_again(void **state)
{
	struct stage *s = *state;
	hand_over(s, 1);
	box_sent("msg-0", ERR_SYSTEM);
	assert_report(s, 1, "msg-0", "returned", "it did not arrive");
	assert_take(s, 2); /* a second later */
	assert_int_equal(box.opened, 2);
	assert_int_not_equal(s->fake.at[2].connection, s->fake.at[0].connection);
}

static void test_a_message_that_cannot_be_sent_is_returned_at_once(void **state)
{
	struct stage *s = *state;
	fake_await(&s->fake, 1);
	box.refuses = ERR_TOO_LARGE;
	fake_answer(&s->fake, 0, messages(0, 1));
	assert_report(s, 1, "msg-0", "returned", "the text cannot be sent");
	assert_true(mcp_deliver_is_open(s->deliver));
}

/* What is returned waits again: a message that is always refused is not offered without rest (X2). */
static void test_X2_a_message_that_the_session_refuses_is_not_taken_again_at_once(void **state)
{
	struct stage *s = *state;
	hand_over(s, 1);
	box_sent("msg-0", ERR_REFUSED);
	assert_report(s, 1, "msg-0", "returned", "it did not arrive");
	fake_settle(&s->fake);
	assert_int_equal(s->fake.n, 2);
	assert_true(mcp_deliver_is_open(s->deliver));
	assert_take(s, 2); /* a second later */
}

static void test_a_session_without_an_inbox_takes_nothing(void **state)
{
	struct stage *s = *state;
	fake_await(&s->fake, 1);
	mcp_deliver_free(s->deliver);
	box.none = true;
	s->deliver = mcp_deliver_new(&s->loop, s->link, &kind);
	mcp_deliver_start(s->deliver);
	fake_settle(&s->fake);
	assert_false(mcp_deliver_is_open(s->deliver));
	assert_int_equal(s->fake.n, 1);
}

static void test_D2_a_take_whose_answer_was_lost_is_repeated_under_its_key(void **state)
{
	struct stage *s = *state;
	fake_await(&s->fake, 1);
	fake_stop(&s->fake);
	fake_settle(&s->fake);
	fake_listen(&s->fake);
	assert_take(s, 1);
	assert_string_equal(s->fake.at[0].key, s->fake.at[1].key);
}

static void test_X4_a_daemon_that_does_not_deliver_is_left_alone(void **state)
{
	struct stage *s = *state;
	fake_await(&s->fake, 1);
	fake_error(&s->fake, 0, ERR_NOT_FOUND, "there is no such operation");
	while (mcp_deliver_is_open(s->deliver))
		(void)uv_run(&s->loop, UV_RUN_ONCE);
	fake_settle(&s->fake);
	assert_int_equal(s->fake.n, 1);
}

static void test_a_daemon_that_does_not_wait_is_not_asked_without_rest(void **state)
{
	struct stage *s = *state;
	fake_await(&s->fake, 1);
	fake_answer(&s->fake, 0, messages(0, 0));
	fake_settle(&s->fake);
	assert_int_equal(s->fake.n, 1);
	fake_await(&s->fake, 2); /* a second later */
}

#define deliver_test(f) cmocka_unit_test_setup_teardown(f, open_stage, close_stage)

int main(void)
{
	const struct CMUnitTest tests[] = {
		deliver_test(test_D3_messages_are_handed_over_in_order_and_settled_before_more_are_taken),
		deliver_test(test_D1_what_becomes_of_a_held_message_is_reported),
		deliver_test(test_D4_a_lost_inbox_lets_go_of_the_transport),
		deliver_test(test_D4_an_inbox_that_comes_to_itself_is_opened_again),
		deliver_test(test_a_message_that_cannot_be_sent_is_returned_at_once),
		deliver_test(test_X2_a_message_that_the_session_refuses_is_not_taken_again_at_once),
		deliver_test(test_a_session_without_an_inbox_takes_nothing),
		deliver_test(test_D2_a_take_whose_answer_was_lost_is_repeated_under_its_key),
		deliver_test(test_X4_a_daemon_that_does_not_deliver_is_left_alone),
		deliver_test(test_a_daemon_that_does_not_wait_is_not_asked_without_rest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

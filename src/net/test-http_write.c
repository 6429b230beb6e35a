/* Tests of the writers: what they write our own parsers read back, and nothing forges a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/json.h"
#include "net/http_request.h"
#include "net/http_response.h"
#include "net/http_write.h"

static void read_back(struct http_responses *rs, const struct strbuf *out, bool head)
{
	size_t used = 0;
	http_responses_init(rs, 10000, NULL, NULL);
	http_responses_expect(rs, head);
	assert_int_equal(http_responses_feed(rs, strbuf_str(out), out->len, &used), HTTP_STAGE_DONE);
	assert_int_equal(used, out->len);
}

static void test_replies_are_read_back(void **state)
{
	(void)state;
	autostrbuf out = STRBUF_INIT(1000);
	const struct http_header extra[] = {{"X-A", "b c"}};
	struct http_reply reply = {.status = 200,
				   .type = "text/plain",
				   .body = "hello",
				   .len = 5,
				   .headers = extra,
				   .n_headers = 1,
				   .keep_alive = true};
	struct http_responses rs;
	assert_int_equal(http_write_reply(&out, &reply, NULL), 0);
	read_back(&rs, &out, false);
	assert_string_equal(rs.res.body, "hello");
	assert_string_equal(http_response_header(&rs.res, "x-a"), "b c");
	assert_true(rs.res.keep_alive);
	http_responses_release(&rs);

	strbuf_reset(&out);
	reply.omit_body = true;
	reply.keep_alive = false;
	assert_int_equal(http_write_reply(&out, &reply, NULL), 0);
	read_back(&rs, &out, true);
	assert_string_equal(http_response_header(&rs.res, "content-length"), "5");
	assert_false(rs.res.keep_alive);
	http_responses_release(&rs);

	strbuf_reset(&out);
	assert_int_equal(http_write_reply(&out, &(struct http_reply){.status = 204}, NULL), 0);
	read_back(&rs, &out, false);
	assert_null(http_response_header(&rs.res, "content-length"));
	http_responses_release(&rs);
}

static void test_errors_and_refusals(void **state)
{
	(void)state;
	autostrbuf out = STRBUF_INIT(2000);
	autoerror failure = {0}, back = {0};
	struct http_responses rs;
	(void)error_hint(&failure, error_set(&failure, ERR_AMBIGUOUS, "two \"peers\"\n"), "say which");
	assert_int_equal(http_write_error(&out, &failure, HTTP_WRITE_KEEP_ALIVE, NULL), 0);
	read_back(&rs, &out, false);
	assert_int_equal(rs.res.status, 409);
	assert_true(rs.res.keep_alive);
	json_t *json = NULL;
	assert_int_equal(json_parse(rs.res.body, rs.res.body_len, &json, NULL), 0);
	assert_int_equal(error_from_json(json, &back), ERR_AMBIGUOUS);
	assert_string_equal(back.message, "two \"peers\"\n");
	json_decref(json);
	http_responses_release(&rs);

	static const int statuses[] = {400, 405, 408, 413, 414, 417, 431, 501, 505};
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		strbuf_reset(&out);
		assert_int_equal(http_write_refusal(&out, statuses[i], "no", NULL), 0);
		read_back(&rs, &out, false);
		assert_int_equal(rs.res.status, statuses[i]);
		assert_false(rs.res.keep_alive);
		assert_true((statuses[i] == 405) == (http_response_header(&rs.res, "allow") != NULL));
		assert_string_not_equal(http_reason(statuses[i]), "Unknown");
		http_responses_release(&rs);
	}
}

static void test_stream_and_continue(void **state)
{
	(void)state;
	autostrbuf out = STRBUF_INIT(1000);
	struct http_responses rs;
	size_t used = 0;
	assert_int_equal(http_write_continue(&out, NULL), 0);
	assert_int_equal(http_write_stream(&out, NULL), 0);
	http_responses_init(&rs, 0, NULL, NULL);
	http_responses_expect(&rs, false);
	assert_int_equal(http_responses_feed(&rs, out.buf, out.len, &used), HTTP_STAGE_BODY);
	assert_string_equal(http_response_header(&rs.res, "content-type"), "text/event-stream");
	assert_int_equal(http_responses_eof(&rs), HTTP_STAGE_DONE);
	http_responses_release(&rs);
}

static void test_calls_are_read_back(void **state)
{
	(void)state;
	autostrbuf out = STRBUF_INIT(1000);
	const struct http_header extra[] = {{"Coppice-Protocol", "1"}};
	struct http_call call = {.method = "POST",
				 .target = "/v1/ask?x=y",
				 .host = "coppice",
				 .headers = extra,
				 .n_headers = 1,
				 .type = "application/json",
				 .body = "{}",
				 .len = 2};
	assert_int_equal(http_write_call(&out, &call, NULL), 0);
	struct http_requests rs;
	http_requests_init(&rs, 100);
	assert_int_equal(http_requests_feed(&rs, out.buf, out.len, 1), HTTP_STAGE_DONE);
	assert_int_equal(rs.req.verb, HTTP_VERB_POST);
	assert_string_equal(rs.req.path, "/v1/ask");
	assert_string_equal(rs.req.query, "x=y");
	assert_string_equal(rs.req.body, "{}");
	assert_string_equal(http_request_header(&rs.req, "coppice-protocol"), "1");
	assert_true(rs.req.keep_alive);
	http_requests_release(&rs);
}

static void test_nothing_forges_a_line(void **state)
{
	(void)state;
	static const struct http_header bad[] = {
		{"X", "a\r\nSet-Cookie: b"},
		{"X", "a\nb"},
		{"X", "a\rb"},
		{"X", "\x01"},
		{"X Y", "a"},
		{"X:", "a"},
		{"", "a"},
		{"X\r\nY", "a"},
	};
	autostrbuf out = STRBUF_INIT(1000);
	strbuf_addstr(&out, "before");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct http_reply reply = {.status = 200, .headers = &bad[i], .n_headers = 1};
		assert_int_equal(http_write_reply(&out, &reply, NULL), ERR_INVALID);
		struct http_call call = {
			.method = "GET", .target = "/", .host = "x", .headers = &bad[i], .n_headers = 1};
		assert_int_equal(http_write_call(&out, &call, NULL), ERR_INVALID);
	}
	static const char *const targets[] = {"", "x", "/a b", "/a\r\nb", "http://x/"};
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		struct http_call call = {.method = "GET", .target = targets[i], .host = "x"};
		assert_int_equal(http_write_call(&out, &call, NULL), ERR_INVALID);
	}
	assert_int_equal(http_write_reply(&out, &(struct http_reply){.status = 200, .type = "a\nb"}, NULL),
			 ERR_INVALID);
	assert_string_equal(out.buf, "before");
}

static void test_S3_too_large_a_message_is_an_error_and_no_half_one(void **state)
{
	(void)state;
	autostrbuf out = STRBUF_INIT(120);
	strbuf_addstr(&out, "before");
	char body[100] = {0};
	struct http_reply reply = {.status = 200, .body = body, .len = sizeof(body)};
	assert_int_equal(http_write_reply(&out, &reply, NULL), ERR_TOO_LARGE);
	assert_string_equal(out.buf, "before");
	assert_false(out.overflow);
	reply.len = 1;
	assert_int_equal(http_write_reply(&out, &reply, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies_are_read_back),
		cmocka_unit_test(test_errors_and_refusals),
		cmocka_unit_test(test_stream_and_continue),
		cmocka_unit_test(test_calls_are_read_back),
		cmocka_unit_test(test_nothing_forges_a_line),
		cmocka_unit_test(test_S3_too_large_a_message_is_an_error_and_no_half_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

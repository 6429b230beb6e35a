/* Tests of routes: what a request means, and what is refused before anything runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "api/route.h"
#include "base/alloc.h"
#include "ops/protocol.h"

/* Parses a request as the connection does, and routes it; `route` points into what is kept until the next. */
struct fixture {
	struct http_requests rs;
	struct api_route route;
};

static void release(struct fixture *f)
{
	json_decref(f->route.params);
	json_decref(f->route.document);
	free(f->route.plan);
	http_requests_release(&f->rs);
	*f = (struct fixture){0};
}

#define autofixture _cleanup_(release) struct fixture

static int route(struct fixture *f, const char *line, const char *headers, const char *body,
		 struct error *err)
{
	release(f);
	http_requests_init(&f->rs, 1 << 20);
	autofree char *text = xasprintf("%s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n%s",
					line, headers, strlen(body), body);
	assert_int_equal(http_requests_feed(&f->rs, text, strlen(text), 1), HTTP_STAGE_DONE);
	return api_route(&f->rs.req, &f->route, err);
}

static void test_every_operation_has_its_route(void **state)
{
	(void)state;
	autofixture f = {0};
	for (size_t i = 0; op_table[i]; i++) {
		autofree char *line = xasprintf("POST /v1/%s", op_table[i]->name);
		assert_int_equal(route(&f, line, "", "{\"a\":1}", NULL), 0);
		assert_int_equal(f.route.kind, API_OPERATION);
		assert_ptr_equal(f.route.op, op_table[i]);
		assert_int_equal(json_int(f.route.params, "a", 0), 1);
		assert_null(f.route.key);
	}
}

static void test_what_is_at_no_path(void **state)
{
	(void)state;
	static const char *const lines[] = {
		"POST /v1/nothing", "POST /v1/",       "POST /v2/ask", "GET /",	      "POST /v1/ask/x",
		"GET /v1",	    "GET /index.html", "POST /v1/ASK", "GET /openapi"};
	autofixture f = {0};
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		autoerror err = {0};
		if (route(&f, lines[i], "", "", &err) != ERR_NOT_FOUND)
			fail_msg("%s was found", lines[i]);
		assert_non_null(err.hint);
	}
}

static void test_operations_are_called_by_post(void **state)
{
	(void)state;
	static const char *const verbs[] = {"GET", "HEAD", "DELETE"};
	autofixture f = {0};
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		autofree char *line = xasprintf("%s /v1/status", verbs[i]);
		assert_int_equal(route(&f, line, "", "", NULL), ERR_INVALID);
	}
}

static void test_a_body_is_one_json_document(void **state)
{
	(void)state;
	static const char *const bad[] = {"{",		"{} {}", "{\"a\":1,\"a\":2}",	"{'a':1}",
					  "nul",	"\xff",	 "{\"a\":\"\\u0000\"}", " ",
					  "{\"a\":1,}", "[1,2",	 "{\"a\":\"\xc3\"}"};
	autofixture f = {0};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (route(&f, "POST /v1/ask", "", bad[i], NULL) != ERR_INVALID)
			fail_msg("the body %zu was taken", i);
	assert_int_equal(route(&f, "POST /v1/ask", "", "", NULL), 0);
	assert_int_equal(json_object_size(f.route.params), 0); /* no body is no parameters */
	assert_true(json_is_object(f.route.params));
}

static void test_the_hash_tells_bodies_apart(void **state)
{
	(void)state;
	autofixture f = {0};
	assert_int_equal(route(&f, "POST /v1/ask", "", "{\"a\":1}", NULL), 0);
	uint64_t one = f.route.body_hash;
	assert_int_equal(route(&f, "POST /v1/ask", "", "{\"a\":2}", NULL), 0);
	assert_true(one != f.route.body_hash);
	assert_int_equal(route(&f, "POST /v1/ask", "", "{\"a\":1}", NULL), 0);
	assert_true(one == f.route.body_hash);
}

static char *header_of(const char *name, size_t len)
{
	autofree char *value = xcalloc(1, len + 1);
	memset(value, 'k', len);
	return xasprintf("%s: %s\r\n", name, value);
}

static void test_S3_an_idempotency_key_is_bounded(void **state)
{
	(void)state;
	autofixture f = {0};
	autofree char *fits = header_of("Idempotency-Key", 128);
	autofree char *over = header_of("Idempotency-Key", 129);
	assert_int_equal(route(&f, "POST /v1/ask", fits, "", NULL), 0);
	assert_int_equal(strlen(f.route.key), 128);
	assert_int_equal(route(&f, "POST /v1/ask", over, "", NULL), ERR_INVALID);
	assert_int_equal(route(&f, "POST /v1/ask", "Idempotency-Key:\r\n", "", NULL), ERR_INVALID);
}

static void test_a_client_names_a_protocol_that_is_served(void **state)
{
	(void)state;
	static const struct {
		int offset;
		int code;
	} versions[] = {{0, 0}, {-1, 0}, {1, ERR_PROTOCOL}, {999, ERR_PROTOCOL}};
	static const char *const bad[] = {"x", "1.0", "-1", "", "99999999999999999999"};
	autofixture f = {0};
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		autoerror err = {0};
		int version = PROTOCOL_VERSION + versions[i].offset;
		if (version < 1)
			continue; /* there is none before the first */
		autofree char *header = xasprintf("Coppice-Protocol: %d\r\n", version);
		assert_int_equal(route(&f, "POST /v1/status", header, "", &err), versions[i].code);
		if (versions[i].code)
			assert_non_null(err.hint);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		autofree char *header = xasprintf("Coppice-Protocol: %s\r\n", bad[i]);
		assert_int_equal(route(&f, "POST /v1/status", header, "", NULL), ERR_INVALID);
	}
}

static void test_the_stream_resumes_after_an_event(void **state)
{
	(void)state;
	autofixture f = {0};
	assert_int_equal(route(&f, "GET /v1/events", "", "", NULL), 0);
	assert_int_equal(f.route.kind, API_EVENTS);
	assert_int_equal(f.route.after, -1);
	assert_null(f.route.plan);
	assert_int_equal(route(&f, "GET /v1/events?after=7&plan=plan-x", "", "", NULL), 0);
	assert_int_equal(f.route.after, 7);
	assert_string_equal(f.route.plan, "plan-x");
	assert_int_equal(route(&f, "GET /v1/events?after=7", "Last-Event-ID: 12\r\n", "", NULL), 0);
	assert_int_equal(f.route.after, 12); /* a browser that comes back knows better */
	assert_int_equal(route(&f, "GET /v1/events", "Last-Event-ID: -3\r\n", "", NULL), ERR_INVALID);
	assert_int_equal(route(&f, "GET /v1/events?after=x", "", "", NULL), ERR_INVALID);
	assert_int_equal(route(&f, "POST /v1/events", "", "", NULL), 0);
	assert_int_equal(f.route.kind, API_OPERATION); /* the list of events */
}

static void test_documents(void **state)
{
	(void)state;
	autofixture f = {0};
	assert_int_equal(route(&f, "GET /health", "", "", NULL), 0);
	assert_int_equal(f.route.kind, API_DOCUMENT);
	assert_string_equal(json_str(f.route.document, "status"), "ok");
	assert_int_equal(json_int(f.route.document, "protocol", 0), PROTOCOL_VERSION);
	assert_int_equal(route(&f, "GET /openapi.json", "", "", NULL), 0);
	assert_string_equal(json_str(f.route.document, "openapi"), "3.1.0");
}

static void test_S4_a_token_is_taken_from_its_header_only(void **state)
{
	(void)state;
	autofixture f = {0};
	assert_int_equal(route(&f, "POST /v1/status", "Authorization: Bearer abc\r\n", "", NULL), 0);
	assert_string_equal(f.route.bearer, "abc");
	static const char *const none[] = {"", "Authorization: Basic abc\r\n", "Authorization: abc\r\n",
					   "X-Authorization: Bearer abc\r\n"};
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		assert_int_equal(route(&f, "POST /v1/status?token=abc", none[i], "", NULL), 0);
		assert_null(f.route.bearer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_operation_has_its_route),
		cmocka_unit_test(test_what_is_at_no_path),
		cmocka_unit_test(test_operations_are_called_by_post),
		cmocka_unit_test(test_a_body_is_one_json_document),
		cmocka_unit_test(test_the_hash_tells_bodies_apart),
		cmocka_unit_test(test_S3_an_idempotency_key_is_bounded),
		cmocka_unit_test(test_a_client_names_a_protocol_that_is_served),
		cmocka_unit_test(test_the_stream_resumes_after_an_event),
		cmocka_unit_test(test_documents),
		cmocka_unit_test(test_S4_a_token_is_taken_from_its_header_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

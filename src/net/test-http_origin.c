/* Tests of the Host and Origin checks: what a web page elsewhere can make a browser send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/http_origin.h"

#define JSON "Content-Type: application/json\r\n"

static void test_only_pages_of_the_listener_itself_may_call(void **state)
{
	(void)state;
	static const char *const allowed[] = {"127.0.0.1:7878", "localhost:7878", "[::1]:7878"};
	static const struct {
		const char *line, *headers;
		bool pass;
	} table[] = {
		{"GET /", "Host: 127.0.0.1:7878\r\n", true},
		{"GET /", "Host: LOCALHOST:7878\r\n", true},
		{"GET /", "Host: [::1]:7878\r\n", true},
		{"GET /", "Host: evil.example\r\n", false}, /* DNS rebinding */
		{"GET /", "Host: evil.example:7878\r\n", false},
		{"GET /", "Host: localhost\r\n", false},
		{"GET /", "Host: localhost:78789\r\n", false},
		{"GET /", "Host: localhost.evil.example:7878\r\n", false},
		{"GET /", "Host: localhost:7878\r\nOrigin: http://localhost:7878\r\n", true},
		{"GET /", "Host: localhost:7878\r\nOrigin: http://127.0.0.1:7878\r\n", true},
		{"GET /", "Host: localhost:7878\r\nOrigin: http://evil.example\r\n", false},
		{"GET /", "Host: localhost:7878\r\nOrigin: https://localhost:7878\r\n", false},
		{"GET /", "Host: localhost:7878\r\nOrigin: http://localhost:7878.evil.example\r\n", false},
		{"GET /", "Host: localhost:7878\r\nOrigin: http://localhost:3000\r\n", false},
		{"GET /", "Host: localhost:7878\r\nOrigin: null\r\n", false},
		{"GET /", "Host: localhost:7878\r\nOrigin:\r\n", false},
		{"GET /", "Host: localhost:7878\r\nSec-Fetch-Site: cross-site\r\n", false},
		{"GET /", "Host: localhost:7878\r\nSec-Fetch-Site: same-site\r\n", false},
		{"GET /", "Host: localhost:7878\r\nSec-Fetch-Site: same-origin\r\n", true},
		{"GET /", "Host: localhost:7878\r\nSec-Fetch-Site: none\r\n", true},
		{"POST /v1/stop", "Host: localhost:7878\r\n", false}, /* a form sends no JSON */
		{"POST /v1/stop", "Host: localhost:7878\r\nContent-Type: text/plain\r\n", false},
		{"POST /v1/stop", "Host: localhost:7878\r\nContent-Type: application/jsonp\r\n", false},
		{"POST /v1/stop", "Host: localhost:7878\r\n" JSON, true},
		{"POST /v1/stop", "Host: localhost:7878\r\nContent-Type: Application/JSON; charset=utf-8\r\n",
		 true},
		{"POST /v1/stop", "Host: localhost:7878\r\nOrigin: null\r\n" JSON, false},
		{"POST /v1/stop", "Host: evil.example\r\n" JSON, false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		autostrbuf text = STRBUF_INIT(1000);
		struct http_requests rs;
		http_requests_init(&rs, 100);
		strbuf_addf(&text, "%s HTTP/1.1\r\n%s\r\n", table[i].line, table[i].headers);
		assert_int_equal(http_requests_feed(&rs, text.buf, text.len, 1), HTTP_STAGE_DONE);
		int result = http_check_origin(&rs.req, allowed, ARRAY_SIZE(allowed), NULL);
		if (result != (table[i].pass ? 0 : ERR_FORBIDDEN))
			fail_msg("%s: %d", text.buf, result);
		http_requests_release(&rs);
	}
	struct http_requests rs;
	http_requests_init(&rs, 100);
	assert_int_equal(http_requests_feed(&rs, "GET / HTTP/1.0\r\n\r\n", 18, 1), HTTP_STAGE_DONE);
	assert_int_equal(http_check_origin(&rs.req, allowed, ARRAY_SIZE(allowed), NULL), ERR_FORBIDDEN);
	http_requests_release(&rs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_pages_of_the_listener_itself_may_call),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

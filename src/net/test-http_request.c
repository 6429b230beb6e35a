/* Tests of the server side's parser: a table of hostile and honest requests, each of which must come
 * out the same however its bytes are cut, and the limits, keep-alive and pipelining rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "net/http_request.h"

#define BYTES(text) text, sizeof(text) - 1
#define GET(target) "GET " target " HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST(headers, body) "POST /v1/ask HTTP/1.1\r\nHost: x\r\n" headers "\r\n" body

struct probe {
	const char *name;
	const char *text;
	size_t len;
	int status;	  /* 0: the request is fine */
	const char *want; /* then its body, or its path when it has none */
};

static const struct probe probes[] = {
	/* Smuggling: two readers must not find two ends. */
	{"CL.TE", BYTES(POST("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nG")), 400, 0},
	{"TE.CL", BYTES(POST("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "8\r\nSMUGGLED\r\n")),
	 400, 0},
	{"two lengths", BYTES(POST("Content-Length: 5\r\nContent-Length: 6\r\n", "hello")), 400, 0},
	{"the same length twice", BYTES(POST("Content-Length: 5\r\nContent-Length: 5\r\n", "hello")), 400, 0},
	{"length list", BYTES(POST("Content-Length: 5, 5\r\n", "hello")), 400, 0},
	{"length +5", BYTES(POST("Content-Length: +5\r\n", "hello")), 400, 0},
	{"length 0x5", BYTES(POST("Content-Length: 0x5\r\n", "hello")), 400, 0},
	{"length -5", BYTES(POST("Content-Length: -5\r\n", "hello")), 400, 0},
	{"length 5 0", BYTES(POST("Content-Length: 5 0\r\n", "hello")), 400, 0},
	{"length 5.0", BYTES(POST("Content-Length: 5.0\r\n", "hello")), 400, 0},
	{"no length", BYTES(POST("Content-Length:\r\n", "hello")), 400, 0},
	{"length beyond 64 bits", BYTES(POST("Content-Length: 99999999999999999999999\r\n", "")), 413, 0},
	{"length 2^64 + 5", BYTES(POST("Content-Length: 18446744073709551621\r\n", "hello")), 413, 0},
	{"length in blanks", BYTES(POST("Content-Length:   5  \r\n", "hello")), 0, "hello"},
	{"length with zeros", BYTES(POST("Content-Length: 005\r\n", "hello")), 0, "hello"},
	{"blank before colon", BYTES(POST("Transfer-Encoding : chunked\r\n", "0\r\n\r\n")), 400, 0},
	{"blank before the length's colon", BYTES(POST("Content-Length : 5\r\n", "hello")), 400, 0},
	{"chunked, identity", BYTES(POST("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n")), 400, 0},
	{"identity", BYTES(POST("Transfer-Encoding: identity\r\n", "")), 400, 0},
	{"xchunked", BYTES(POST("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")), 400, 0},
	{"chunked twice", BYTES(POST("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n")), 501, 0},
	{"gzip, chunked", BYTES(POST("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")), 501, 0},
	{"quoted chunked", BYTES(POST("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n")), 400, 0},
	{"chunked;q=1", BYTES(POST("Transfer-Encoding: chunked;q=1\r\n", "0\r\n\r\n")), 400, 0},
	{"two codings", BYTES(POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", "")), 400, 0},
	{"tab in coding", BYTES(POST("Transfer-Encoding:\tchunked\r\n", "0\r\n\r\n")), 0, ""},
	{"vertical tab in coding",
	 BYTES(POST("Transfer-Encoding: \x0b"
		    "chunked\r\n",
		    "0\r\n\r\n")),
	 400, 0},
	{"underscore", BYTES(POST("Transfer_Encoding: chunked\r\n", "")), 0, ""},
	{"coding in 1.0", BYTES("POST /v1/ask HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400,
	 0},
	{"folded coding", BYTES(POST("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n")), 400, 0},
	{"folded header", BYTES(POST("A: b\r\n\tc\r\n", "")), 400, 0},
	{"fold before the first header", BYTES("GET / HTTP/1.1\r\n Host: x\r\n\r\n"), 400, 0},
	/* Line ends. */
	{"LF only", BYTES("GET / HTTP/1.1\nHost: x\n\n"), 400, 0},
	{"LF in a header line", BYTES("GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n"), 400, 0},
	{"CR in a header line", BYTES("GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n"), 400, 0},
	{"CR CR LF", BYTES("GET / HTTP/1.1\r\nHost: x\r\r\n\r\n"), 400, 0},
	{"CR ends the headers", BYTES("GET / HTTP/1.1\r\nHost: x\r\n\rX: y\r\n\r\n"), 400, 0},
	{"LF ends the headers", BYTES("GET / HTTP/1.1\r\nHost: x\r\n\nX: y\r\n\r\n"), 400, 0},
	{"one empty line before", BYTES("\r\n" GET("/a")), 0, "/a"},
	{"two empty lines before", BYTES("\r\n\r\n" GET("/a")), 400, 0},
	{"an LF before", BYTES("\n" GET("/a")), 400, 0},
	/* Bytes that headers must not hold. */
	{"NUL in a value", BYTES("GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n"), 400, 0},
	{"NUL in a name", BYTES("GET / HTTP/1.1\r\nHost: x\r\nA\0: b\r\n\r\n"), 400, 0},
	{"escape in a value", BYTES("GET / HTTP/1.1\r\nHost: x\r\nA: \x1b[31m\r\n\r\n"), 400, 0},
	{"DEL in a value", BYTES("GET / HTTP/1.1\r\nHost: x\r\nA: \x7f\r\n\r\n"), 400, 0},
	{"no colon", BYTES("GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n"), 400, 0},
	{"no name", BYTES("GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n"), 400, 0},
	{"bracket in a name", BYTES("GET / HTTP/1.1\r\nHost: x\r\nA[: b\r\n\r\n"), 400, 0},
	{"8-bit name", BYTES("GET / HTTP/1.1\r\nHost: x\r\n\xc3\xa9: b\r\n\r\n"), 400, 0},
	{"8-bit value", BYTES("GET /a HTTP/1.1\r\nHost: x\r\nA: \xc3\xa9\r\n\r\n"), 0, "/a"},
	{"empty value", BYTES("GET /a HTTP/1.1\r\nHost: x\r\nA:\r\n\r\n"), 0, "/a"},
	/* Host. */
	{"no Host", BYTES("GET / HTTP/1.1\r\n\r\n"), 400, 0},
	{"two Hosts", BYTES("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400, 0},
	{"the same Host twice", BYTES("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"), 400, 0},
	{"empty Host", BYTES("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 400, 0},
	{"Host with a user", BYTES("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"), 400, 0},
	{"Host with a path", BYTES("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400, 0},
	{"Host list", BYTES("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"), 400, 0},
	{"1.0 without Host", BYTES("GET /a HTTP/1.0\r\n\r\n"), 0, "/a"},
	/* Request line and target. */
	{"absolute form", BYTES(GET("http://evil/a")), 400, 0},
	{"authority form", BYTES("CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n"), 405, 0},
	{"asterisk", BYTES("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"), 405, 0},
	{"asterisk GET", BYTES(GET("*")), 400, 0},
	{"two slashes", BYTES(GET("//path")), 400, 0},
	{"two slashes within", BYTES(GET("/a//b")), 400, 0},
	{"encoded NUL", BYTES(GET("/a%00b")), 400, 0},
	{"encoded newline", BYTES(GET("/a%0d%0ab")), 400, 0},
	{"encoded slash", BYTES(GET("/a%2Fb")), 400, 0},
	{"encoded backslash", BYTES(GET("/a%5cb")), 400, 0},
	{"encoded dots", BYTES(GET("/a/%2e%2E/b")), 400, 0},
	{"dots", BYTES(GET("/a/../b")), 400, 0},
	{"dot at the end", BYTES(GET("/a/.")), 400, 0},
	{"half an escape", BYTES(GET("/a%4")), 400, 0},
	{"bad escape", BYTES(GET("/a%zz")), 400, 0},
	{"not UTF-8", BYTES(GET("/a%ff")), 400, 0},
	{"8-bit target", BYTES(GET("/\xc3\xa9")), 400, 0},
	{"fragment", BYTES(GET("/a#b")), 400, 0},
	{"backslash", BYTES(GET("/a\\b")), 400, 0},
	{"encoded UTF-8", BYTES(GET("/%C3%A9%20.x/")), 0, "/\xc3\xa9 .x/"},
	{"query", BYTES(GET("/a?b=//..%00")), 0, "/a"},
	{"blank in the target", BYTES(GET("/a b")), 400, 0},
	{"two blanks", BYTES("GET  / HTTP/1.1\r\nHost: x\r\n\r\n"), 400, 0},
	{"tab for a blank", BYTES("GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n"), 400, 0},
	{"blank at the end", BYTES("GET / HTTP/1.1 \r\nHost: x\r\n\r\n"), 400, 0},
	{"blank at the start", BYTES(" GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 400, 0},
	{"HTTP/0.9", BYTES("GET /\r\n"), 400, 0},
	{"HTTP/1.2", BYTES("GET / HTTP/1.2\r\nHost: x\r\n\r\n"), 505, 0},
	{"HTTP/2.0", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505, 0},
	{"HTTP/1.10", BYTES("GET / HTTP/1.10\r\nHost: x\r\n\r\n"), 400, 0},
	{"http/1.1", BYTES("GET / http/1.1\r\nHost: x\r\n\r\n"), 400, 0},
	{"ICE/1.0", BYTES("SOURCE / ICE/1.0\r\nHost: x\r\n\r\n"), 400, 0},
	{"PUT", BYTES("PUT / HTTP/1.1\r\nHost: x\r\n\r\n"), 405, 0},
	{"unknown method", BYTES("BREW / HTTP/1.1\r\nHost: x\r\n\r\n"), 501, 0},
	{"lower-case method", BYTES("get / HTTP/1.1\r\nHost: x\r\n\r\n"), 501, 0},
	{"method that is no token", BYTES("G@T / HTTP/1.1\r\nHost: x\r\n\r\n"), 400, 0},
	{"TLS", BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n"), 400, 0},
	{"Upgrade", BYTES("GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
	 501, 0},
	{"Upgrade with a body", BYTES(POST("Upgrade: h2c\r\nContent-Length: 5\r\n", "hello")), 501, 0},
	{"Expect", BYTES(POST("Expect: 200-ok\r\nContent-Length: 5\r\n", "hello")), 417, 0},
	{"Expect twice", BYTES(POST("Expect: 100-continue\r\nExpect: 100-continue\r\n", "")), 400, 0},
	{"two keys", BYTES(POST("Idempotency-Key: a\r\nIdempotency-Key: b\r\n", "")), 400, 0},
	{"two tokens", BYTES(POST("Authorization: Bearer a\r\nAuthorization: Bearer b\r\n", "")), 400, 0},
	/* Chunks. */
	{"chunks", BYTES(POST("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n1;a=b\r\n!\r\n0\r\n\r\n")), 0,
	 "hello!"},
	{"upper-case coding", BYTES(POST("Transfer-Encoding: CHUNKED\r\n", "A\r\n0123456789\r\n0\r\n\r\n")),
	 0, "0123456789"},
	{"trailers",
	 BYTES(POST("Transfer-Encoding: chunked\r\n", "1\r\na\r\n0\r\nX: y\r\nHost: evil\r\n\r\n")), 0, "a"},
	{"framing in trailers",
	 BYTES(POST(
		 "Transfer-Encoding: chunked\r\n",
		 "1\r\na\r\n0\r\nContent-Length: 99\r\nTransfer-Encoding: x\r\nConnection: close\r\n\r\n")),
	 0, "a"},
	{"folded trailer", BYTES(POST("Transfer-Encoding: chunked\r\n", "0\r\nX: y\r\n z\r\n\r\n")), 400, 0},
	{"no trailer at all", BYTES(POST("Transfer-Encoding: chunked\r\n", "0\r\nGET / HTTP/1.1\r\n\r\n")),
	 400, 0},
	{"chunk size LF", BYTES(POST("Transfer-Encoding: chunked\r\n", "5\nhello\r\n0\r\n\r\n")), 400, 0},
	{"chunk data LF", BYTES(POST("Transfer-Encoding: chunked\r\n", "5\r\nhello\n0\r\n\r\n")), 400, 0},
	{"chunk longer than said", BYTES(POST("Transfer-Encoding: chunked\r\n", "5\r\nhello!\r\n0\r\n\r\n")),
	 400, 0},
	{"chunk size with a sign", BYTES(POST("Transfer-Encoding: chunked\r\n", "+5\r\nhello\r\n0\r\n\r\n")),
	 400, 0},
	{"chunk size 0x5", BYTES(POST("Transfer-Encoding: chunked\r\n", "0x5\r\nhello\r\n0\r\n\r\n")), 400,
	 0},
	{"chunk size in blanks", BYTES(POST("Transfer-Encoding: chunked\r\n", "5 \r\nhello\r\n0\r\n\r\n")),
	 400, 0},
	{"no chunk size", BYTES(POST("Transfer-Encoding: chunked\r\n", "\r\nhello\r\n0\r\n\r\n")), 400, 0},
	{"chunk size of 17 digits",
	 BYTES(POST("Transfer-Encoding: chunked\r\n", "10000000000000005\r\nhello\r\n0\r\n\r\n")), 400, 0},
	{"huge chunk", BYTES(POST("Transfer-Encoding: chunked\r\n", "fffffffffffffff\r\n")), 413, 0},
	{"LF in an extension", BYTES(POST("Transfer-Encoding: chunked\r\n", "5;a\nb\r\nhello\r\n0\r\n\r\n")),
	 400, 0},
	/* Bodies. */
	{"body", BYTES(POST("Content-Length: 5\r\n", "hello")), 0, "hello"},
	{"body with NUL", BYTES(POST("Content-Length: 1\r\n", "\0")), 0, ""},
	{"empty body", BYTES(POST("Content-Length: 0\r\n", "")), 0, ""},
	{"HEAD", BYTES("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n"), 0, "/a"},
	{"DELETE", BYTES("DELETE /a HTTP/1.1\r\nHost: x:80\r\n\r\n"), 0, "/a"},
	{"IPv6 host", BYTES("GET /a HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), 0, "/a"},
};

/* Feeds `text` in pieces of at most `step` bytes, the first one `first` bytes long. */
static void run(struct http_requests *rs, const char *text, size_t len, size_t first, size_t step)
{
	http_requests_init(rs, 1000);
	for (size_t i = 0, n = first; i < len; i += n, n = step) {
		if (n > len - i)
			n = len - i;
		char *exact = malloc(n ? n : 1); /* so that a sanitizer sees a read beyond it */
		memcpy(exact, text + i, n);
		(void)http_requests_feed(rs, exact, n, 1);
		free(exact);
	}
}

static void check_probe(const struct probe *p, const struct http_requests *rs, const char *how)
{
	if (p->status) {
		if (rs->frame.stage != HTTP_STAGE_BAD || rs->frame.status != p->status)
			fail_msg("%s (%s): stage %d, status %d, %s", p->name, how, rs->frame.stage,
				 rs->frame.status, rs->frame.reason ? rs->frame.reason : "no reason");
		assert_non_null(rs->frame.reason);
		return;
	}
	if (rs->frame.stage != HTTP_STAGE_DONE)
		fail_msg("%s (%s): stage %d, %s", p->name, how, rs->frame.stage, rs->frame.reason);
	if (p->want[0] == '/')
		assert_string_equal(rs->req.path, p->want);
	else
		assert_string_equal(rs->req.body, p->want);
}

static void test_probes_however_they_are_cut(void **state)
{
	(void)state;
	assert_true(ARRAY_SIZE(probes) >= 31);
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		const struct probe *p = &probes[i];
		struct http_requests whole, rs;
		run(&whole, p->text, p->len, p->len, p->len);
		check_probe(p, &whole, "whole");
		run(&rs, p->text, p->len, 1, 1);
		check_probe(p, &rs, "byte by byte");
		assert_ptr_equal(rs.frame.reason, whole.frame.reason);
		http_requests_release(&rs);
		for (size_t cut = 0; cut < p->len; cut++) {
			run(&rs, p->text, p->len, cut, p->len);
			check_probe(p, &rs, "cut in two");
			assert_ptr_equal(rs.frame.reason, whole.frame.reason);
			assert_int_equal(rs.req.body_len, whole.req.body_len);
			assert_int_equal(rs.req.n_headers, whole.req.n_headers);
			http_requests_release(&rs);
		}
		http_requests_release(&whole);
	}
}

/* A request that is cut short is never complete: every proper prefix of an honest one waits. */
static void test_prefixes_are_never_complete(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++)
		for (size_t cut = 0; !probes[i].status && cut < probes[i].len; cut++) {
			struct http_requests rs;
			run(&rs, probes[i].text, cut, cut, cut);
			assert_true(rs.frame.stage < HTTP_STAGE_DONE);
			http_frame_eof(&rs.frame);
			assert_true(rs.frame.stage == HTTP_STAGE_BAD || rs.frame.stage == HTTP_STAGE_IDLE);
			http_requests_release(&rs);
		}
}

/* Runs the text in `sb`, whole and byte by byte, and expects `status` (0: DONE). */
static void expect(const struct strbuf *sb, size_t body_max, int status)
{
	for (size_t step = 1; step <= sb->len; step += sb->len - 1) {
		struct http_requests rs;
		http_requests_init(&rs, body_max);
		for (size_t i = 0; i < sb->len; i += step)
			(void)http_requests_feed(&rs, sb->buf + i, step, 1);
		if (status)
			assert_int_equal(rs.frame.status, status);
		else
			assert_int_equal(rs.frame.stage, HTTP_STAGE_DONE);
		http_requests_release(&rs);
	}
}

static void add_fill(struct strbuf *sb, size_t n)
{
	for (size_t i = 0; i < n; i++)
		strbuf_addch(sb, 'a');
}

static void test_S3_request_line_is_capped(void **state)
{
	(void)state;
	for (int over = 0; over <= 1; over++) {
		autostrbuf sb = STRBUF_INIT(1 << 20);
		strbuf_addstr(&sb, "GET /");
		add_fill(&sb, HTTP_LINE_MAX - strlen("GET / HTTP/1.1") + (size_t)over);
		strbuf_addstr(&sb, " HTTP/1.1\r\nHost: x\r\n\r\n");
		expect(&sb, 100, over ? 414 : 0);
	}
	autostrbuf endless = STRBUF_INIT(1 << 20);
	add_fill(&endless, 3 * HTTP_LINE_MAX);
	expect(&endless, 100, 414);
}

static void test_S3_header_block_is_capped(void **state)
{
	(void)state;
	for (int over = 0; over <= 1; over++) {
		autostrbuf sb = STRBUF_INIT(1 << 20);
		strbuf_addstr(&sb, "GET / HTTP/1.1\r\n");
		size_t start = sb.len;
		strbuf_addstr(&sb, "Host: x\r\nA: ");
		add_fill(&sb, HTTP_HEAD_MAX - (sb.len - start) + (size_t)over);
		strbuf_addstr(&sb, "\r\n\r\n");
		expect(&sb, 100, over ? 431 : 0);
	}
}

static void test_S3_number_of_headers_is_capped(void **state)
{
	(void)state;
	for (int over = 0; over <= 1; over++) {
		autostrbuf sb = STRBUF_INIT(1 << 20);
		strbuf_addstr(&sb, "GET / HTTP/1.1\r\nHost: x\r\n");
		for (int i = 1; i < HTTP_HEADERS_MAX + over; i++)
			strbuf_addf(&sb, "A%d: b\r\n", i);
		strbuf_addstr(&sb, "\r\n");
		expect(&sb, 100, over ? 431 : 0);
	}
}

static void test_S3_body_is_capped_before_it_is_sent(void **state)
{
	(void)state;
	struct http_requests rs;
	http_requests_init(&rs, HTTP_BODY_MAX);
	static const char at_cap[] = POST("Content-Length: 4194304\r\n", "");
	assert_int_equal(http_requests_feed(&rs, BYTES(at_cap), 1), HTTP_STAGE_BODY);
	http_requests_release(&rs);
	http_requests_init(&rs, HTTP_BODY_MAX);
	static const char over_cap[] = POST("Expect: 100-continue\r\nContent-Length: 4194305\r\n", "");
	assert_int_equal(http_requests_feed(&rs, BYTES(over_cap), 1), HTTP_STAGE_BAD);
	assert_int_equal(rs.frame.status, 413);
	assert_false(http_requests_take_continue(&rs));
	http_requests_release(&rs);
}

static void test_S3_chunked_body_is_capped(void **state)
{
	(void)state;
	for (int over = 0; over <= 1; over++) {
		autostrbuf sb = STRBUF_INIT(1 << 20);
		strbuf_addstr(&sb, POST("Transfer-Encoding: chunked\r\n", ""));
		for (int i = 0; i < 10 + over; i++)
			strbuf_addstr(&sb, "a\r\n0123456789\r\n");
		strbuf_addstr(&sb, "0\r\n\r\n");
		expect(&sb, 100, over ? 413 : 0);
	}
}

static void test_S3_chunk_extensions_and_trailers_are_capped(void **state)
{
	(void)state;
	for (int over = 0; over <= 1; over++) {
		autostrbuf line = STRBUF_INIT(1 << 20), total = STRBUF_INIT(1 << 20);
		autostrbuf trailers = STRBUF_INIT(1 << 20);
		strbuf_addstr(&line, POST("Transfer-Encoding: chunked\r\n", "1;"));
		add_fill(&line, HTTP_CHUNK_LINE_MAX - 2 + (size_t)over);
		strbuf_addstr(&line, "\r\na\r\n0\r\n\r\n");
		expect(&line, 100, over ? 400 : 0);
		strbuf_addstr(&total, POST("Transfer-Encoding: chunked\r\n", ""));
		for (int i = 0; i < HTTP_CHUNK_EXT_MAX / 8 + over; i++)
			strbuf_addstr(&total, "1;1234567\r\na\r\n");
		strbuf_addstr(&total, "0\r\n\r\n");
		expect(&total, 10000, over ? 400 : 0);
		strbuf_addstr(&trailers, POST("Transfer-Encoding: chunked\r\n", "0\r\n"));
		for (int i = 0; i < HTTP_TRAILERS_MAX / 8 + over; i++)
			strbuf_addstr(&trailers, "A: bcd\r\n");
		strbuf_addstr(&trailers, "\r\n");
		expect(&trailers, 100, over ? 431 : 0);
	}
}

static void test_request_as_its_owner_sees_it(void **state)
{
	(void)state;
	struct http_requests rs;
	run(&rs, BYTES(POST("Idempotency-KEY:  k 1 \r\nContent-Length: 2\r\n", "{}")), 7, 7);
	assert_int_equal(rs.req.verb, HTTP_VERB_POST);
	assert_string_equal(http_verb_name(rs.req.verb), "POST");
	assert_string_equal(rs.req.path, "/v1/ask");
	assert_null(rs.req.query);
	assert_string_equal(http_request_header(&rs.req, "idempotency-key"), "k 1");
	assert_null(http_request_header(&rs.req, "origin"));
	assert_int_equal(rs.req.n_headers, 3);
	assert_true(rs.req.keep_alive);
	http_requests_release(&rs);
	run(&rs, BYTES(GET("/v1/events?topic=a%20b+c&x=%zz&empty=&last")), 1, 1);
	autostrbuf value = STRBUF_INIT(100);
	assert_true(http_query(rs.req.query, "topic", &value));
	assert_string_equal(value.buf, "a b c");
	assert_false(http_query(rs.req.query, "x", &value));
	assert_true(http_query(rs.req.query, "empty", &value));
	assert_false(http_query(rs.req.query, "last", &value));
	assert_false(http_query(rs.req.query, "top", &value));
	assert_false(http_query(NULL, "x", &value));
	http_requests_release(&rs);
}

static void test_keep_alive(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool keep;
	} table[] = {
		{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nHost: x\r\nConnection: a, Close\r\n\r\n", false},
		{"GET / HTTP/1.0\r\n\r\n", false},
		{"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
		{"GET / HTTP/1.0\r\nHost: x\r\n\r\n", false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct http_requests rs;
		run(&rs, table[i].text, strlen(table[i].text), 5, 5);
		assert_int_equal(rs.frame.stage, HTTP_STAGE_DONE);
		assert_int_equal(rs.req.keep_alive, table[i].keep);
		http_requests_release(&rs);
	}
}

static void test_expect_continue(void **state)
{
	(void)state;
	struct http_requests rs;
	http_requests_init(&rs, 100);
	static const char head[] = POST("Expect: 100-Continue\r\nContent-Length: 5\r\n", "");
	assert_int_equal(http_requests_feed(&rs, BYTES(head), 1), HTTP_STAGE_BODY);
	assert_true(http_requests_take_continue(&rs));
	assert_false(http_requests_take_continue(&rs));
	assert_int_equal(http_requests_feed(&rs, "hello", 5, 2), HTTP_STAGE_DONE);
	(void)http_requests_next(&rs, 3);
	/* A body that is already on its way needs no permission, and neither does HTTP/1.0. */
	(void)http_requests_feed(&rs, BYTES(POST("Expect: 100-continue\r\nContent-Length: 5\r\n", "h")), 4);
	assert_false(http_requests_take_continue(&rs));
	http_requests_release(&rs);
	run(&rs, BYTES("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"), 9, 9);
	assert_int_equal(rs.frame.stage, HTTP_STAGE_BODY);
	assert_false(http_requests_take_continue(&rs));
	http_requests_release(&rs);
}

static void test_pipelined_requests_come_one_by_one(void **state)
{
	(void)state;
	static const char text[] = GET("/1") POST("Content-Length: 2\r\n", "22") GET("/3")
		POST("Transfer-Encoding: chunked\r\n", "1\r\n4\r\n0\r\n\r\n") "GET /5";
	for (size_t step = 1; step < sizeof(text); step++) {
		struct http_requests rs;
		autostrbuf seen = STRBUF_INIT(100);
		http_requests_init(&rs, 100);
		for (size_t i = 0; i < sizeof(text) - 1; i += step) {
			size_t n = sizeof(text) - 1 - i;
			(void)http_requests_feed(&rs, text + i, n < step ? n : step, 1);
			/* Every second piece comes while a request is still being handled. */
			while ((i / step) % 2 == 0 && rs.frame.stage == HTTP_STAGE_DONE) {
				strbuf_addf(&seen, "%s%s ", rs.req.path, rs.req.body);
				(void)http_requests_next(&rs, 1);
			}
		}
		while (rs.frame.stage == HTTP_STAGE_DONE) {
			strbuf_addf(&seen, "%s%s ", rs.req.path, rs.req.body);
			(void)http_requests_next(&rs, 1);
		}
		assert_string_equal(strbuf_str(&seen), "/1 /v1/ask22 /3 /v1/ask4 ");
		assert_int_equal(rs.frame.stage, HTTP_STAGE_HEAD);
		http_requests_release(&rs);
	}
}

static void test_a_bad_pipelined_request_spoils_only_what_follows(void **state)
{
	(void)state;
	struct http_requests rs;
	run(&rs, BYTES(GET("/1") "GET /2 HTTP/1.1\r\n\r\n" GET("/3")), 1000, 1000);
	assert_int_equal(rs.frame.stage, HTTP_STAGE_DONE);
	assert_string_equal(rs.req.path, "/1");
	assert_int_equal(http_requests_next(&rs, 2), HTTP_STAGE_BAD);
	assert_int_equal(http_requests_feed(&rs, BYTES(GET("/4")), 3), HTTP_STAGE_BAD);
	http_requests_release(&rs);
}

static void test_S3_bytes_sent_ahead_are_capped(void **state)
{
	(void)state;
	struct http_requests rs;
	http_requests_init(&rs, 100);
	static const char one[] = GET("/");
	size_t n = HTTP_PIPELINE_MAX / (sizeof(one) - 1);
	for (size_t i = 0; i < n + 10; i++)
		assert_int_equal(http_requests_feed(&rs, BYTES(one), 1), HTTP_STAGE_DONE);
	size_t handled = 1;
	while (http_requests_next(&rs, 1) == HTTP_STAGE_DONE)
		handled++;
	assert_int_equal(handled, n + 1); /* nothing that was kept is lost */
	assert_int_equal(rs.frame.stage, HTTP_STAGE_BAD);
	assert_int_equal(rs.frame.status, 400);
	http_requests_release(&rs);
}

static void test_times_tell_a_slow_request(void **state)
{
	(void)state;
	struct http_requests rs;
	http_requests_init(&rs, 100);
	assert_int_equal(rs.started, 0);
	assert_int_equal(http_requests_feed(&rs, BYTES("POST / HT"), 10), HTTP_STAGE_HEAD);
	(void)http_requests_feed(&rs, BYTES("TP/1.1\r\nHost: x\r\n"), 20);
	assert_int_equal(rs.started, 10);
	assert_int_equal(rs.since, 10);
	(void)http_requests_feed(&rs, BYTES("Content-Length: 2\r\n\r\n{"), 30);
	assert_int_equal(rs.frame.stage, HTTP_STAGE_BODY);
	assert_int_equal(rs.started, 10);
	assert_int_equal(rs.since, 30);
	assert_int_equal(http_requests_feed(&rs, BYTES("}GET"), 40), HTTP_STAGE_DONE);
	assert_int_equal(http_requests_next(&rs, 50), HTTP_STAGE_HEAD);
	assert_int_equal(rs.started, 50);
	http_requests_release(&rs);
	http_requests_init(&rs, 100);
	assert_int_equal(http_requests_feed(&rs, "\r", 1, 10), HTTP_STAGE_HEAD);
	assert_int_equal(http_requests_feed(&rs, "\n", 1, 20), HTTP_STAGE_IDLE);
	assert_int_equal(rs.started, 0);
	http_requests_release(&rs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probes_however_they_are_cut),
		cmocka_unit_test(test_prefixes_are_never_complete),
		cmocka_unit_test(test_S3_request_line_is_capped),
		cmocka_unit_test(test_S3_header_block_is_capped),
		cmocka_unit_test(test_S3_number_of_headers_is_capped),
		cmocka_unit_test(test_S3_body_is_capped_before_it_is_sent),
		cmocka_unit_test(test_S3_chunked_body_is_capped),
		cmocka_unit_test(test_S3_chunk_extensions_and_trailers_are_capped),
		cmocka_unit_test(test_request_as_its_owner_sees_it),
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_expect_continue),
		cmocka_unit_test(test_pipelined_requests_come_one_by_one),
		cmocka_unit_test(test_a_bad_pipelined_request_spoils_only_what_follows),
		cmocka_unit_test(test_S3_bytes_sent_ahead_are_capped),
		cmocka_unit_test(test_times_tell_a_slow_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

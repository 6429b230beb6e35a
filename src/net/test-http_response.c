/* Tests of the client side's parser: framing of every kind, hostile answers, and streams; each must come
 * out the same however its bytes are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/http_response.h"

#define BYTES(text) text, sizeof(text) - 1

enum how { PLAIN = 0, ANSWERS_HEAD = 1 << 0, THEN_EOF = 1 << 1 };

struct probe {
	const char *name;
	const char *text;
	size_t len;
	unsigned how;
	enum http_stage stage;
	const char *body; /* when DONE */
	bool keep;
};

#define OK "HTTP/1.1 200 OK\r\n"
#define GOOD(body, keep) HTTP_STAGE_DONE, body, keep
#define REFUSED HTTP_STAGE_BAD, NULL, false

static const struct probe probes[] = {
	{"fixed length", BYTES(OK "Content-Length: 5\r\n\r\nhello"), PLAIN, GOOD("hello", true)},
	{"empty", BYTES(OK "Content-Length: 0\r\n\r\n"), PLAIN, GOOD("", true)},
	{"close", BYTES(OK "Connection: close\r\nContent-Length: 1\r\n\r\na"), PLAIN, GOOD("a", false)},
	{"chunks", BYTES(OK "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\nX: y\r\n\r\n"),
	 PLAIN, GOOD("hello", true)},
	{"until close", BYTES(OK "\r\nhello"), THEN_EOF, GOOD("hello", false)},
	{"nothing until close", BYTES(OK "\r\n"), THEN_EOF, GOOD("", false)},
	{"1.0 until close", BYTES("HTTP/1.0 200 OK\r\n\r\nhello"), THEN_EOF, GOOD("hello", false)},
	{"no reason", BYTES("HTTP/1.1 200\r\nContent-Length: 1\r\n\r\na"), PLAIN, GOOD("a", true)},
	{"204", BYTES("HTTP/1.1 204 No Content\r\n\r\n"), PLAIN, GOOD("", true)},
	{"304 with a length", BYTES("HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n"), PLAIN, GOOD("", true)},
	{"HEAD", BYTES(OK "Content-Length: 5\r\n\r\n"), ANSWERS_HEAD, GOOD("", true)},
	{"HEAD chunked", BYTES(OK "Transfer-Encoding: chunked\r\n\r\n"), ANSWERS_HEAD, GOOD("", true)},
	{"interim",
	 BYTES("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nA: b\r\n\r\n" OK "Content-Length: 1\r\n\r\na"),
	 PLAIN, GOOD("a", true)},
	{"cut body", BYTES(OK "Content-Length: 5\r\n\r\nhell"), THEN_EOF, REFUSED},
	{"cut chunk", BYTES(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhell"), THEN_EOF, REFUSED},
	{"no last chunk", BYTES(OK "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n"), THEN_EOF, REFUSED},
	{"cut head", BYTES(OK "Content-Len"), THEN_EOF, REFUSED},
	{"101", BYTES("HTTP/1.1 101 x\r\nUpgrade: y\r\nConnection: upgrade\r\n\r\n"), PLAIN, REFUSED},
	{"101 without an upgrade", BYTES("HTTP/1.1 101 x\r\n\r\n"), PLAIN, REFUSED},
	{"two lengths", BYTES(OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"), PLAIN, REFUSED},
	{"length and coding", BYTES(OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), PLAIN,
	 REFUSED},
	{"other coding", BYTES(OK "Transfer-Encoding: gzip\r\n\r\n"), PLAIN, REFUSED},
	{"folded", BYTES(OK "A: b\r\n c\r\n\r\n"), PLAIN, REFUSED},
	{"LF only", BYTES("HTTP/1.1 200 OK\nContent-Length: 0\n\n"), PLAIN, REFUSED},
	{"NUL", BYTES(OK "A: \0\r\n\r\n"), PLAIN, REFUSED},
	{"HTTP/2", BYTES("HTTP/2 200 OK\r\n\r\n"), PLAIN, REFUSED},
	{"two digits", BYTES("HTTP/1.1 20 OK\r\n\r\n"), PLAIN, REFUSED},
	{"four digits", BYTES("HTTP/1.1 2000 OK\r\n\r\n"), PLAIN, REFUSED},
	{"not HTTP", BYTES("SSH-2.0-OpenSSH_9.2\r\n"), PLAIN, REFUSED},
	{"too long", BYTES(OK "Content-Length: 101\r\n\r\n"), PLAIN, REFUSED},
	{"silence", BYTES(""), THEN_EOF, HTTP_STAGE_IDLE, NULL, false},
};

static void run(struct http_responses *rs, const struct probe *p, size_t first, size_t step)
{
	http_responses_init(rs, 100, NULL, NULL);
	http_responses_expect(rs, p->how & ANSWERS_HEAD);
	for (size_t i = 0, n = first; i < p->len; i += n, n = step) {
		size_t used;
		if (n > p->len - i)
			n = p->len - i;
		enum http_stage stage = http_responses_feed(rs, p->text + i, n, &used);
		assert_true(used == n || stage >= HTTP_STAGE_DONE);
	}
	if (p->how & THEN_EOF)
		(void)http_responses_eof(rs);
}

static void test_probes_however_they_are_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		const struct probe *p = &probes[i];
		for (size_t cut = 0; cut <= p->len; cut++) {
			struct http_responses rs;
			run(&rs, p, cut, cut == p->len ? 1 : p->len);
			if (cut == 0) {
				http_responses_release(&rs);
				run(&rs, p, 1, 1);
			}
			if (rs.frame.stage != p->stage)
				fail_msg("%s: stage %d, %s", p->name, rs.frame.stage, rs.frame.reason);
			if (p->stage == HTTP_STAGE_DONE) {
				assert_string_equal(rs.res.body, p->body);
				assert_int_equal(rs.res.body_len, strlen(p->body));
				if (rs.res.keep_alive != p->keep)
					fail_msg("%s: keep-alive", p->name);
			}
			http_responses_release(&rs);
		}
	}
}

static void test_bytes_after_the_answer_are_left(void **state)
{
	(void)state;
	struct http_responses rs;
	size_t used = 0;
	http_responses_init(&rs, 100, NULL, NULL);
	http_responses_expect(&rs, false);
	static const char text[] = OK "Content-Type: a/b\r\nContent-Length: 2\r\n\r\n{}HTTP";
	assert_int_equal(http_responses_feed(&rs, BYTES(text), &used), HTTP_STAGE_DONE);
	assert_int_equal(used, sizeof(text) - 1 - 4);
	assert_int_equal(rs.res.status, 200);
	assert_string_equal(http_response_header(&rs.res, "content-type"), "a/b");
	http_responses_expect(&rs, false);
	assert_int_equal(http_responses_feed(&rs, text + used, 4, &used), HTTP_STAGE_HEAD);
	http_responses_release(&rs);
}

struct pieces {
	struct strbuf text;
	unsigned n;
	unsigned stop_at;
};

static int take_piece(void *data, const char *bytes, size_t len)
{
	struct pieces *p = data;
	strbuf_add(&p->text, bytes, len);
	return ++p->n == p->stop_at;
}

static void test_stream_comes_piece_by_piece(void **state)
{
	(void)state;
	struct pieces pieces = {.text = STRBUF_INIT(1000)};
	struct http_responses rs;
	size_t used = 0;
	http_responses_init(&rs, 0, take_piece, &pieces);
	http_responses_expect(&rs, false);
	assert_int_equal(http_responses_feed(&rs, BYTES(OK "\r\nab"), &used), HTTP_STAGE_BODY);
	assert_int_equal(rs.res.status, 200);
	assert_string_equal(pieces.text.buf, "ab");
	assert_int_equal(http_responses_feed(&rs, BYTES("cd"), &used), HTTP_STAGE_BODY);
	assert_string_equal(pieces.text.buf, "abcd");
	assert_int_equal(pieces.n, 2);
	pieces.stop_at = 3;
	assert_int_equal(http_responses_feed(&rs, BYTES("ef"), &used), HTTP_STAGE_BAD);
	http_responses_release(&rs);
	strbuf_release(&pieces.text);
}

static void test_S3_endless_answers_are_capped(void **state)
{
	(void)state;
	struct http_responses rs;
	size_t used = 0;
	enum http_stage stage = HTTP_STAGE_IDLE;
	http_responses_init(&rs, 100, NULL, NULL);
	http_responses_expect(&rs, false);
	(void)http_responses_feed(&rs, BYTES(OK "\r\n"), &used);
	for (int i = 0; i < 100; i++)
		assert_int_equal(http_responses_feed(&rs, "a", 1, &used), HTTP_STAGE_BODY);
	assert_int_equal(http_responses_feed(&rs, "a", 1, &used), HTTP_STAGE_BAD);
	http_responses_expect(&rs, false);
	for (int i = 0; i < 100 && stage != HTTP_STAGE_BAD; i++)
		stage = http_responses_feed(&rs, BYTES("HTTP/1.1 100 x\r\n\r\n"), &used);
	assert_int_equal(stage, HTTP_STAGE_BAD);
	http_responses_release(&rs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probes_however_they_are_cut),
		cmocka_unit_test(test_bytes_after_the_answer_are_left),
		cmocka_unit_test(test_stream_comes_piece_by_piece),
		cmocka_unit_test(test_S3_endless_answers_are_capped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of the WebSocket client: the RFC's own examples, and a server made of bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "net/ws.h"
#include "net/ws_handshake.h"

/* --- SHA-1, base64, accept --- */

static void assert_sha1(const char *text, size_t len, const char *hex)
{
	uint8_t hash[WS_SHA1_SIZE];
	autostrbuf got = STRBUF_INIT(64);
	ws_sha1(text, len, hash);
	for (size_t i = 0; i < sizeof(hash); i++)
		strbuf_addf(&got, "%02x", hash[i]);
	assert_string_equal(strbuf_str(&got), hex);
}

static void test_sha1_of_the_standard(void **state)
{
	(void)state;
	assert_sha1("", 0, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
	assert_sha1("abc", 3, "a9993e364706816aba3e25717850c26c9cd0d89d");
	const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	assert_sha1(two, strlen(two), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
	autofree char *many = xmalloc(1000000);
	memset(many, 'a', 1000000);
	assert_sha1(many, 1000000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
	/* The lengths at which the padding takes another block. */
	assert_sha1(many, 55, "c1c8bbdc22796e28c0e15163d20899b65621d65a");
	assert_sha1(many, 56, "c2db330f6083854c99d4b5bfb6e8f29f201be699");
	assert_sha1(many, 64, "0098ba824b5c16427bd7a1122a5a442a25ec644d");
}

static void test_base64_of_the_rfc(void **state)
{
	(void)state;
	static const char *const table[][2] = {{"", ""},
					       {"f", "Zg=="},
					       {"fo", "Zm8="},
					       {"foo", "Zm9v"},
					       {"foob", "Zm9vYg=="},
					       {"fooba", "Zm9vYmE="},
					       {"foobar", "Zm9vYmFy"}};
	char text[16];
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		ws_base64((const uint8_t *)table[i][0], strlen(table[i][0]), text);
		assert_string_equal(text, table[i][1]);
	}
	static const uint8_t high[] = {0xff, 0xef, 0xbe};
	ws_base64(high, sizeof(high), text);
	assert_string_equal(text, "/+++");
}

static void test_accept_of_the_rfc(void **state)
{
	(void)state;
	char accept[WS_ACCEPT_SIZE];
	ws_accept("dGhlIHNhbXBsZSBub25jZQ==", accept);
	assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

/* --- the handshake's answer --- */

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"

static void test_answer_is_checked_strictly(void **state)
{
	(void)state;
	static const struct {
		const char *head;
		bool ok;
	} table[] = {
		{"HTTP/1.1 101 Switching Protocols\r\n" UPGRADE ACCEPT "\r\n", true},
		{"HTTP/1.1 101\r\nupgrade:WebSocket\r\nCONNECTION: keep-alive, upgrade \r\n"
		 "sec-websocket-accept:\ts3pPLMBiTxaQ9kYGzzhZRbK+xOo= \r\nX-More: 1\r\n\r\n",
		 true},
		{"HTTP/1.1 1010 x\r\n" UPGRADE ACCEPT "\r\n", false},
		{"HTTP/1.0 101 x\r\n" UPGRADE ACCEPT "\r\n", false},
		{"HTTP/1.1 200 OK\r\n" UPGRADE ACCEPT "\r\n", false},
		{"HTTP/1.1 404 \033[31m\r\n\r\n", false},
		{"HTTP/1.1 101 x\r\n" UPGRADE "\r\n", false},
		{"HTTP/1.1 101 x\r\n" UPGRADE "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOO=\r\n\r\n",
		 false},
		{"HTTP/1.1 101 x\r\nUpgrade: websocket\r\n" ACCEPT "\r\n", false},
		{"HTTP/1.1 101 x\r\nConnection: Upgrade\r\n" ACCEPT "\r\n", false},
		{"HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n" ACCEPT "\r\n", false},
		{"HTTP/1.1 101 x\r\n" UPGRADE ACCEPT ACCEPT "\r\n", false},
		{"HTTP/1.1 101 x\r\n" UPGRADE UPGRADE ACCEPT "\r\n", false},
		{"HTTP/1.1 101 x\r\n" UPGRADE ACCEPT "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
		 false},
		{"HTTP/1.1 101 x\r\n" UPGRADE ACCEPT "Sec-WebSocket-Protocol: chat\r\n\r\n", false},
		{"HTTP/1.1 101 x\r\n" UPGRADE ACCEPT "no colon\r\n\r\n", false},
		{"HTTP/1.1 101 x\r\n" UPGRADE ACCEPT ": no name\r\n\r\n", false},
		{"HTTP/1.1 101 x\r\n" UPGRADE ACCEPT "A: b\nC: d\r\n\r\n", false},
		{"HTTP/1.1 101 x\r\n" UPGRADE ACCEPT, false},
		{"\r\n\r\n", false},
		{"", false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		autoerror err = {0};
		int code = ws_handshake_check(table[i].head, strlen(table[i].head), KEY, &err);
		if ((code == 0) != table[i].ok)
			fail_msg("case %zu: %s", i, code ? err.message : "was taken");
		assert_true(!err.message || !strchr(err.message, '\033'));
	}
	static const char nul[] = "HTTP/1.1 101 x\r\n" UPGRADE ACCEPT "A: \0\r\n\r\n";
	assert_int_equal(ws_handshake_check(nul, sizeof(nul) - 1, KEY, NULL), ERR_PROTOCOL);
}

static void test_request_cannot_be_forged(void **state)
{
	(void)state;
	autostrbuf out = STRBUF_INIT(4096);
	assert_int_equal(ws_handshake_write(&out, "a\r\nX: y", "/", KEY, NULL), ERR_INVALID);
	assert_int_equal(ws_handshake_write(&out, "a", "/ HTTP/1.1", KEY, NULL), ERR_INVALID);
	assert_int_equal(ws_handshake_write(&out, "a", "x", KEY, NULL), ERR_INVALID);
	assert_int_equal(out.len, 0);
	assert_int_equal(ws_handshake_write(&out, "localhost", "/", KEY, NULL), 0);
	assert_string_equal(strbuf_str(&out), "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
					      "Connection: Upgrade\r\nSec-WebSocket-Key: " KEY
					      "\r\nSec-WebSocket-Version: 13\r\n\r\n");
}

/* --- a connection --- */

struct side {
	struct ws *ws;
	struct strbuf seen; /* "[message]" each, "open" first */
	int answer;	    /* of the callback for a message */
	bool echo, close;
};

static void sequence(void *data, void *buf, size_t len)
{
	(void)data;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)buf)[i] = (uint8_t)(i + 1);
}

static void opened(void *data)
{
	struct side *s = data;
	strbuf_addstr(&s->seen, "open");
	assert_true(ws_is_open(s->ws));
}

static int take_text(void *data, const char *text, size_t len, struct error *err)
{
	struct side *s = data;
	assert_true(text[len] == '\0');
	strbuf_addch(&s->seen, '[');
	strbuf_add(&s->seen, text, len);
	strbuf_addch(&s->seen, ']');
	if (s->echo)
		assert_int_equal(ws_send(s->ws, text, len, NULL), 0);
	if (s->close)
		ws_close(s->ws, WS_CLOSE_NORMAL);
	return s->answer ? error_set(err, (enum error_code)s->answer, "enough") : 0;
}

static void side_init(struct side *s)
{
	*s = (struct side){.seen = STRBUF_INIT(32 << 20)};
	struct ws_options o = {.host = "localhost",
			       .target = "/",
			       .random = sequence,
			       .opened = opened,
			       .text = take_text,
			       .data = s};
	assert_int_equal(ws_new(&o, &s->ws, NULL), 0);
}

static void side_release(struct side *s)
{
	ws_free(s->ws);
	strbuf_release(&s->seen);
}

/* A handshake that is done; what was sent for it is gone. */
static void side_open(struct side *s)
{
	static const char answer[] = "HTTP/1.1 101 x\r\n" UPGRADE "Sec-WebSocket-Accept: ";
	side_init(s);
	const char *key = strstr(strbuf_str(ws_out(s->ws)), "Sec-WebSocket-Key: ") + 19;
	char accept[WS_ACCEPT_SIZE];
	ws_accept(key, accept);
	autostrbuf head = STRBUF_INIT(4096);
	strbuf_addf(&head, "%s%s\r\n\r\n", answer, accept);
	strbuf_reset(ws_out(s->ws));
	assert_int_equal(ws_send(s->ws, "early", 5, NULL), ERR_CONFLICT);
	for (size_t i = 0; i < head.len; i++)
		assert_int_equal(ws_feed(s->ws, head.buf + i, 1, NULL), 0);
	assert_string_equal(strbuf_str(&s->seen), "open");
	strbuf_reset(&s->seen);
}

static void assert_out(struct side *s, const void *bytes, size_t len)
{
	assert_int_equal(ws_out(s->ws)->len, len);
	assert_memory_equal(ws_out(s->ws)->buf, bytes, len);
	strbuf_reset(ws_out(s->ws));
}

static void test_frames_that_are_sent_are_masked(void **state)
{
	(void)state;
	struct side s;
	side_open(&s);
	assert_int_equal(ws_send(s.ws, "Hi", 2, NULL), 0);
	static const uint8_t hi[] = {0x81, 0x82, 1, 2, 3, 4, 'H' ^ 1, 'i' ^ 2};
	assert_out(&s, hi, sizeof(hi));
	autofree char *long_text = xmalloc(70000);
	memset(long_text, 'x', 70000);
	assert_int_equal(ws_send(s.ws, long_text, 70000, NULL), 0);
	static const uint8_t head[] = {0x81, 0xff, 0, 0, 0, 0, 0, 1, 0x11, 0x70, 1, 2, 3, 4};
	assert_int_equal(ws_out(s.ws)->len, 70000 + sizeof(head));
	assert_memory_equal(ws_out(s.ws)->buf, head, sizeof(head));
	assert_int_equal(ws_send(s.ws, "\xff", 1, NULL), ERR_INVALID);
	side_release(&s);
}

static void test_S3_what_is_sent_is_capped(void **state)
{
	(void)state;
	struct side s;
	side_open(&s);
	autofree char *most = xmalloc(WS_MESSAGE_MAX + 1);
	memset(most, 'x', WS_MESSAGE_MAX + 1);
	assert_int_equal(ws_send(s.ws, most, WS_MESSAGE_MAX + 1, NULL), ERR_TOO_LARGE);
	assert_int_equal(ws_send(s.ws, most, WS_MESSAGE_MAX, NULL), 0);
	assert_int_equal(ws_send(s.ws, most, WS_MESSAGE_MAX, NULL), ERR_TOO_LARGE);
	/* It goes on once something was written. */
	strbuf_consume(ws_out(s.ws), ws_out(s.ws)->len);
	assert_int_equal(ws_send(s.ws, most, WS_MESSAGE_MAX, NULL), 0);
	side_release(&s);
}

/* A frame of a server. */
static void frame(struct strbuf *out, uint8_t first, const void *payload, size_t len)
{
	strbuf_addch(out, (char)first);
	if (len < 126) {
		strbuf_addch(out, (char)len);
	} else if (len < 65536) {
		strbuf_addch(out, 126);
		strbuf_addch(out, (char)(len >> 8));
		strbuf_addch(out, (char)len);
	} else {
		strbuf_addch(out, 127);
		for (int i = 7; i >= 0; i--)
			strbuf_addch(out, (char)((uint64_t)len >> 8 * i));
	}
	strbuf_add(out, payload, len);
}

static void text_frame(struct strbuf *out, uint8_t first, const char *text)
{
	frame(out, first, text, strlen(text));
}

static int feed(struct side *s, const struct strbuf *in, size_t step, struct error *err)
{
	int code = 0;
	for (size_t i = 0; i < in->len && !code; i += step)
		code = ws_feed(s->ws, in->buf + i, in->len - i < step ? in->len - i : step, err);
	return code;
}

static void test_messages_however_they_are_cut(void **state)
{
	(void)state;
	autostrbuf in = STRBUF_INIT(1 << 20);
	text_frame(&in, 0x81, "one");
	text_frame(&in, 0x01, "t\xC3"); /* a character across two frames */
	text_frame(&in, 0x89, "ping");
	text_frame(&in, 0x00, "\xA4");
	text_frame(&in, 0x80, "o");
	text_frame(&in, 0x8a, "pong that nobody asked for");
	text_frame(&in, 0x81, "");
	for (size_t step = 1; step <= in.len; step++) {
		struct side s;
		autoerror err = {0};
		side_open(&s);
		if (feed(&s, &in, step, &err))
			fail_msg("%s", err.message);
		assert_string_equal(strbuf_str(&s.seen), "[one][t\xC3\xA4o][]");
		static const uint8_t pong[] = {0x8a, 0x84, 1, 2, 3, 4, 'p' ^ 1, 'i' ^ 2, 'n' ^ 3, 'g' ^ 4};
		assert_out(&s, pong, sizeof(pong));
		side_release(&s);
	}
}

static void test_frames_may_follow_the_handshake_at_once(void **state)
{
	(void)state;
	struct side s;
	side_init(&s);
	const char *key = strstr(strbuf_str(ws_out(s.ws)), "Sec-WebSocket-Key: ") + 19;
	char accept[WS_ACCEPT_SIZE];
	ws_accept(key, accept);
	autostrbuf in = STRBUF_INIT(4096);
	strbuf_addf(&in, "HTTP/1.1 101 x\r\n" UPGRADE "Sec-WebSocket-Accept: %s\r\n\r\n", accept);
	text_frame(&in, 0x81, "first");
	assert_int_equal(ws_feed(s.ws, in.buf, in.len, NULL), 0);
	assert_string_equal(strbuf_str(&s.seen), "open[first]");
	side_release(&s);
}

static void test_what_breaks_the_protocol_ends_it(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t len;
		int code;	/* of ws_feed */
		uint16_t close; /* the code that is sent; 1005: a close frame without one */
	} table[] = {
		{"\x82\x01x", 3, ERR_PROTOCOL, 1003},		/* binary */
		{"\x83\x01x", 3, ERR_PROTOCOL, 1002},		/* reserved opcode */
		{"\xC1\x01x", 3, ERR_PROTOCOL, 1002},		/* reserved bit */
		{"\x80\x01x", 3, ERR_PROTOCOL, 1002},		/* continues nothing */
		{"\x01\x01x\x81\x01y", 6, ERR_PROTOCOL, 1002},	/* starts anew within a message */
		{"\x81\x81\1\2\3\4x", 7, ERR_PROTOCOL, 1002},	/* masked */
		{"\x81\x01\xff", 3, ERR_PROTOCOL, 1007},	/* no UTF-8 */
		{"\x09\x01x", 3, ERR_PROTOCOL, 1005},		/* fragmented ping */
		{"\x89\x7e\0\x7e", 4, ERR_PROTOCOL, 1005},	/* long ping */
		{"\x81\x7e\0\x05xxxxx", 9, ERR_PROTOCOL, 1005}, /* length not in its shortest form */
		{"\x88\x02\x03\xe8", 4, ERR_EXITED, 1000},	/* closed in order */
		{"\x88\x00", 2, ERR_EXITED, 1005},		/* closed without a word */
		{"\x88\x02\x03\xec", 4, ERR_PROTOCOL, 1002},	/* a code that may not be sent */
		{"\x81\x7f\0\0\0\0\x01\0\0\0x", 11, ERR_TOO_LARGE, 1009},
		{"\x81\x7f\x80\0\0\0\0\0\0\0", 10, ERR_PROTOCOL, 1005},
	};
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct side s;
		autoerror err = {0};
		side_open(&s);
		int code = ws_feed(s.ws, table[i].bytes, table[i].len, &err);
		if (code != table[i].code)
			fail_msg("case %zu: %d (%s)", i, code, err.message);
		const struct strbuf *out = ws_out(s.ws);
		uint8_t c = table[i].close == 1005 ? 0 : 2;
		if (out->len < 6u + c || (uint8_t)out->buf[0] != 0x88)
			fail_msg("case %zu: no close frame", i);
		if (c)
			assert_int_equal(((uint8_t)out->buf[6] ^ 1) << 8 | ((uint8_t)out->buf[7] ^ 2),
					 table[i].close);
		/* It stays closed. */
		assert_false(ws_is_open(s.ws));
		assert_int_equal(ws_feed(s.ws, "\x81\x01x", 3, NULL), ERR_PROTOCOL);
		assert_int_equal(ws_send(s.ws, "x", 1, NULL), ERR_CONFLICT);
		assert_string_equal(strbuf_str(&s.seen), "");
		side_release(&s);
	}
}

static void test_S3_messages_are_capped_over_all_their_frames(void **state)
{
	(void)state;
	struct side s;
	side_open(&s);
	size_t part = WS_MESSAGE_MAX / 4;
	autofree char *x = xmalloc(part);
	memset(x, 'x', part);
	autostrbuf in = STRBUF_INIT(32 << 20);
	for (int i = 0; i < 4; i++)
		frame(&in, i == 0 ? 0x01 : i == 3 ? 0x80 : 0x00, x, part);
	assert_int_equal(ws_feed(s.ws, in.buf, in.len, NULL), 0);
	assert_int_equal(s.seen.len, WS_MESSAGE_MAX + 2);
	strbuf_reset(&in);
	for (int i = 0; i < 4; i++)
		frame(&in, i == 0 ? 0x01 : 0x00, x, part);
	frame(&in, 0x80, "x", 1);
	assert_int_equal(ws_feed(s.ws, in.buf, in.len, NULL), ERR_TOO_LARGE);
	assert_int_equal(s.seen.len, WS_MESSAGE_MAX + 2);
	side_release(&s);
	/* And the head of the handshake's answer. */
	side_init(&s);
	assert_int_equal(ws_feed(s.ws, x, part, NULL), ERR_TOO_LARGE);
	side_release(&s);
}

static void test_a_reader_may_answer_close_and_refuse(void **state)
{
	(void)state;
	autostrbuf in = STRBUF_INIT(4096);
	text_frame(&in, 0x81, "a");
	text_frame(&in, 0x81, "b");
	struct side s;
	side_open(&s);
	s.echo = true;
	assert_int_equal(ws_feed(s.ws, in.buf, in.len, NULL), 0);
	static const uint8_t both[] = {0x81, 0x81, 1, 2, 3, 4, 'a' ^ 1, 0x81, 0x81, 1, 2, 3, 4, 'b' ^ 1};
	assert_out(&s, both, sizeof(both));
	s.echo = false;
	s.close = true;
	assert_int_equal(ws_feed(s.ws, in.buf, in.len, NULL), ERR_EXITED);
	assert_string_equal(strbuf_str(&s.seen), "[a][b][a]");
	side_release(&s);
	side_open(&s);
	s.answer = ERR_REFUSED;
	autoerror err = {0};
	assert_int_equal(ws_feed(s.ws, in.buf, in.len, &err), ERR_REFUSED);
	assert_string_equal(err.message, "enough");
	assert_string_equal(strbuf_str(&s.seen), "[a]");
	side_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha1_of_the_standard),
		cmocka_unit_test(test_base64_of_the_rfc),
		cmocka_unit_test(test_accept_of_the_rfc),
		cmocka_unit_test(test_answer_is_checked_strictly),
		cmocka_unit_test(test_request_cannot_be_forged),
		cmocka_unit_test(test_frames_that_are_sent_are_masked),
		cmocka_unit_test(test_S3_what_is_sent_is_capped),
		cmocka_unit_test(test_messages_however_they_are_cut),
		cmocka_unit_test(test_frames_may_follow_the_handshake_at_once),
		cmocka_unit_test(test_what_breaks_the_protocol_ends_it),
		cmocka_unit_test(test_S3_messages_are_capped_over_all_their_frames),
		cmocka_unit_test(test_a_reader_may_answer_close_and_refuse),
	};
	return cmocka_run_group_tests_name("net-ws", tests, NULL, NULL);
}

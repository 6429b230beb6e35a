/* Tests of the JSON-RPC codec. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "net/jsonrpc.h"

/* Everything that a reader gives out of `text`, cut into pieces of `step` bytes: a line each, "!" for one
 * that was too long. */
static char *read_all(const char *text, size_t len, size_t step, bool at_end)
{
	struct jsonrpc_reader r;
	struct strbuf seen = STRBUF_INIT(64 << 20);
	jsonrpc_reader_init(&r);
	const char *line;
	size_t n;
	enum jsonrpc_kind kind;
	for (size_t i = 0; i < len; i += step) {
		size_t left = len - i < step ? len - i : step;
		char *piece = xmalloc(left);
		memcpy(piece, text + i, left);
		const char *data = piece;
		while ((kind = jsonrpc_read(&r, &data, &left, &line, &n)) != JSONRPC_MORE) {
			if (kind == JSONRPC_LINE)
				strbuf_add(&seen, line, n);
			strbuf_addstr(&seen, kind == JSONRPC_LINE ? "\n" : "!\n");
		}
		assert_int_equal(left, 0);
		free(piece);
	}
	if (at_end && jsonrpc_read_end(&r, &line, &n) == JSONRPC_LINE) {
		strbuf_add(&seen, line, n);
		strbuf_addch(&seen, '.');
	}
	jsonrpc_reader_release(&r);
	return strbuf_detach(&seen);
}

static void test_lines_come_out_the_same_however_they_are_cut(void **state)
{
	(void)state;
	static const char text[] = "{\"a\":1}\n\r\n  \n\t{\"b\":2}\t\r\n{\"c\":3}\n\n{\"half\":";
	for (size_t step = 1; step <= sizeof(text); step++) {
		autofree char *seen = read_all(text, strlen(text), step, false);
		assert_string_equal(seen, "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n");
		autofree char *whole = read_all(text, strlen(text), step, true);
		assert_string_equal(whole, "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n{\"half\":.");
	}
}

static void test_S3_a_line_that_is_too_long_is_refused_once_and_the_next_is_read(void **state)
{
	(void)state;
	size_t len = JSONRPC_LINE_MAX + 1;
	autofree char *text = xmalloc(2 * len + 64);
	static const size_t steps[] = {1 << 30, 64 << 10, 1000003};
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		memset(text, 'x', 2 * len);
		memcpy(text + 2 * len, "\n{}\n", 4);
		autofree char *seen = read_all(text, 2 * len + 4, steps[i], false);
		assert_string_equal(seen, "!\n{}\n");
		memcpy(text + len, "\n{}\n", 4);
		autofree char *again = read_all(text, len + 4, steps[i], false);
		assert_string_equal(again, "!\n{}\n");
		/* the greatest one, with a CR that does not count */
		memcpy(text + JSONRPC_LINE_MAX, "\r\n{}\n", 5);
		autofree char *greatest = read_all(text, JSONRPC_LINE_MAX + 5, steps[i], false);
		assert_int_equal(strlen(greatest), JSONRPC_LINE_MAX + 4);
		assert_string_equal(greatest + JSONRPC_LINE_MAX, "\n{}\n");
	}
	memset(text, 'x', 2 * len);
	autofree char *endless = read_all(text, 2 * len, 4096, true);
	assert_string_equal(endless, "!\n");
}

static void test_messages_are_told_apart(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum jsonrpc_type type;
	} rows[] = {
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":{\"a\":1}}", JSONRPC_REQUEST},
		{"{\"jsonrpc\":\"2.0\",\"id\":\"x-1\",\"method\":\"m\"}", JSONRPC_REQUEST},
		{"{\"jsonrpc\":\"2.0\",\"id\":-5,\"method\":\"m\"}", JSONRPC_REQUEST},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"m\"}", JSONRPC_NOTIFICATION},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", JSONRPC_RESPONSE},
		{"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{}}", JSONRPC_RESPONSE},
		{"{\"jsonrpc\":\"2.0\",\"error\":{}}", JSONRPC_RESPONSE},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autojsonrpc m = {0};
		autoerror err = {0};
		assert_int_equal(jsonrpc_parse(rows[i].text, strlen(rows[i].text), &m, &err), 0);
		assert_int_equal(m.type, rows[i].type);
		assert_true(m.type == JSONRPC_RESPONSE || strcmp(m.method, "m") == 0);
		assert_true((m.type == JSONRPC_REQUEST) <= (m.id != NULL));
	}
}

static void test_what_is_no_message_is_refused_with_its_code(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int code;
		const char *id; /* to whom it is answered; NULL: to nobody */
	} rows[] = {
		{"{", JSONRPC_PARSE_ERROR, NULL},
		{"nonsense", JSONRPC_PARSE_ERROR, NULL},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"m\"}", JSONRPC_PARSE_ERROR, NULL},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\"} {}", JSONRPC_PARSE_ERROR, NULL},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}", JSONRPC_PARSE_ERROR, NULL},
		{"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\"}]", JSONRPC_INVALID_REQUEST, NULL},
		{"[]", JSONRPC_INVALID_REQUEST, NULL},
		{"{}", JSONRPC_INVALID_REQUEST, NULL},
		{"{\"id\":7,\"method\":\"m\"}", JSONRPC_INVALID_REQUEST, "7"},
		{"{\"jsonrpc\":\"1.0\",\"id\":7,\"method\":\"m\"}", JSONRPC_INVALID_REQUEST, "7"},
		{"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"m\"}", JSONRPC_INVALID_REQUEST, NULL},
		{"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"m\"}", JSONRPC_INVALID_REQUEST, NULL},
		{"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"m\"}", JSONRPC_INVALID_REQUEST, NULL},
		{"{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":5}", JSONRPC_INVALID_REQUEST, "\"a\""},
		{"{\"jsonrpc\":\"2.0\",\"id\":\"a\"}", JSONRPC_INVALID_REQUEST, "\"a\""},
		{"{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"m\",\"result\":{}}", JSONRPC_INVALID_REQUEST,
		 "8"},
		{"{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"m\",\"params\":[]}", JSONRPC_INVALID_REQUEST,
		 "8"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autojsonrpc m = {0};
		autoerror err = {0};
		assert_int_equal(jsonrpc_parse(rows[i].text, strlen(rows[i].text), &m, &err), rows[i].code);
		assert_non_null(err.message);
		autofree char *id = m.id ? json_text(m.id) : NULL;
		assert_true(rows[i].id ? id && strcmp(id, rows[i].id) == 0 : !id);
	}
}

static void test_S3_ids_and_nesting_are_capped(void **state)
{
	(void)state;
	autojsonrpc m = {0};
	autoerror err = {0};
	autostrbuf text = STRBUF_INIT(8192);
	autofree char *id = xmalloc(JSONRPC_ID_MAX + 2);
	memset(id, 'i', JSONRPC_ID_MAX + 1);
	id[JSONRPC_ID_MAX + 1] = '\0';
	strbuf_addf(&text, "{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"method\":\"m\"}", id);
	assert_int_equal(jsonrpc_parse(text.buf, text.len, &m, &err), JSONRPC_INVALID_REQUEST);
	assert_null(m.id);
	jsonrpc_message_release(&m);
	strbuf_reset(&text);
	for (int i = 0; i < 5000; i++)
		strbuf_addch(&text, '[');
	assert_int_equal(jsonrpc_parse(text.buf, text.len, &m, &err), JSONRPC_PARSE_ERROR);
}

static void test_writers_make_one_line_each(void **state)
{
	(void)state;
	autostrbuf out = STRBUF_INIT(4096);
	json_auto_t *id = json_string("a\nb"), *number = json_integer(9);
	jsonrpc_write_result(&out, id, json_pack("{s:s}", "text", "one\ntwo"));
	jsonrpc_write_error(&out, number, JSONRPC_METHOD_NOT_FOUND, "no 'x'", json_pack("{s:i}", "n", 1));
	jsonrpc_write_error(&out, NULL, JSONRPC_PARSE_ERROR, "bad \xff byte", NULL);
	jsonrpc_write_notification(&out, "notifications/x", NULL);
	jsonrpc_write_notification(&out, "notifications/y", json_object());
	assert_string_equal(
		strbuf_str(&out),
		"{\"jsonrpc\":\"2.0\",\"id\":\"a\\nb\",\"result\":{\"text\":\"one\\ntwo\"}}\n"
		"{\"jsonrpc\":\"2.0\",\"id\":9,\"error\":{\"code\":-32601,\"message\":\"no "
		"'x'\",\"data\":{\"n\":1}}}\n"
		"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,\"message\":\"bad \xef\xbf\xbd byte\"}}\n"
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\n"
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/y\",\"params\":{}}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_come_out_the_same_however_they_are_cut),
		cmocka_unit_test(test_S3_a_line_that_is_too_long_is_refused_once_and_the_next_is_read),
		cmocka_unit_test(test_messages_are_told_apart),
		cmocka_unit_test(test_what_is_no_message_is_refused_with_its_code),
		cmocka_unit_test(test_S3_ids_and_nesting_are_capped),
		cmocka_unit_test(test_writers_make_one_line_each),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

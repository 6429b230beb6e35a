/* Tests of Server-Sent Events: the decoder against the specification's cases, and the encoder through
 * the decoder; however the bytes are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "net/sse.h"

/* Writes each event as "[id|type|data]". */
static int note(void *data, const struct sse_event *event, struct error *err)
{
	(void)err;
	strbuf_addf(data, "[%s|%s|%.*s]", event->id, event->event, (int)event->len, event->data);
	assert_int_equal(strlen(event->data), event->len);
	return 0;
}

static void decode(const char *text, size_t len, size_t first, size_t step, struct strbuf *seen)
{
	struct sse_reader r;
	sse_reader_init(&r);
	for (size_t i = 0, n = first; i < len; i += n, n = step) {
		if (n > len - i)
			n = len - i;
		assert_int_equal(sse_reader_feed(&r, text + i, n, note, seen, NULL), 0);
	}
	sse_reader_release(&r);
}

static void test_decoder_however_it_is_cut(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want;
	} table[] = {
		{"data: a\n\n", "[|message|a]"},
		{"data:a\r\n\r\n", "[|message|a]"},
		{"data: a\r\rdata: b\r\r", "[|message|a][|message|b]"},
		{"data: a\r\n\ndata:b\n\r\n", "[|message|a][|message|b]"},
		{"data:  a \n\n", "[|message| a ]"},
		{"data: a\ndata\ndata:b\n\n", "[|message|a\n\nb]"},
		{"data\n\n", "[|message|]"},
		{"data\ndata\n\n", "[|message|\n]"},
		{"data: a\r\ndata: b\r\n\r\n", "[|message|a\nb]"},
		{"event: x\ndata: a\n\ndata: b\n\n", "[|x|a][|message|b]"},
		{"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", "[1|message|a][1|message|b][|message|c]"},
		{"event: x\nid: 7\n\ndata: a\n\n", "[7|message|a]"},
		{": comment\n:\n\ndata: a\n:x\n\n", "[|message|a]"},
		{"retry: 5\nnonsense: x\nDATA: y\ndata : z\n\n", ""},
		{"data: cut", ""},
		{"data: cut\n", ""},
		{"\xEF\xBB\xBF"
		 "data: a\n\n",
		 "[|message|a]"},
		{"\xEF\xBB"
		 "data: a\n\ndata: b\n\n",
		 "[|message|b]"},
		{"\xEF\xBB\xBF\xEF\xBB\xBF"
		 "data: a\n\n",
		 ""},
		{"\n\n\n", ""},
	};
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		size_t len = strlen(table[i].text);
		for (size_t cut = 0; cut <= len; cut++) {
			autostrbuf seen = STRBUF_INIT(1000);
			decode(table[i].text, len, cut, cut == len ? 1 : len, &seen);
			assert_string_equal(strbuf_str(&seen), table[i].want);
			strbuf_reset(&seen);
			decode(table[i].text, len, 1, 1, &seen);
			assert_string_equal(strbuf_str(&seen), table[i].want);
		}
	}
}

static void test_encoder_is_read_back(void **state)
{
	(void)state;
	autostrbuf out = STRBUF_INIT(1000), seen = STRBUF_INIT(1000);
	assert_int_equal(sse_write(&out, "41", "ask", "{\"a\":1}", 7, NULL), 0);
	sse_write_comment(&out);
	assert_int_equal(sse_write(&out, "42", NULL, "one\ntwo\r\nthree\rfour\n", 20, NULL), 0);
	assert_int_equal(sse_write(&out, NULL, NULL, "", 0, NULL), 0);
	assert_int_equal(sse_write(&out, NULL, NULL, "id: 9\n\ndata: forged", 19, NULL), 0);
	decode(out.buf, out.len, 3, 3, &seen);
	assert_string_equal(seen.buf, "[41|ask|{\"a\":1}][42|message|one\ntwo\nthree\nfour\n][42|message|]"
				      "[42|message|id: 9\n\ndata: forged]");
	size_t len = out.len;
	assert_int_equal(sse_write(&out, "4\n2", NULL, "", 0, NULL), ERR_INVALID);
	assert_int_equal(sse_write(&out, NULL, "a\rb", "", 0, NULL), ERR_INVALID);
	autofree char *large = calloc(1, 1000);
	assert_int_equal(sse_write(&out, NULL, NULL, large, 1000, NULL), ERR_TOO_LARGE);
	assert_int_equal(out.len, len);
	assert_false(out.overflow);
}

/* A stream cut within an event resumes before that event. */
static void test_resume_after_a_cut(void **state)
{
	(void)state;
	struct sse_reader r;
	autostrbuf seen = STRBUF_INIT(1000);
	sse_reader_init(&r);
	static const char cut[] = "id: 1\ndata: a\n\nid: 2\nevent: x\ndata: b\n";
	assert_int_equal(sse_reader_feed(&r, cut, sizeof(cut) - 1, note, &seen, NULL), 0);
	assert_string_equal(sse_reader_last_id(&r), "1");
	sse_reader_restart(&r);
	static const char rest[] = "\ndata: c\n\nid: 2\ndata: b\n\n";
	assert_int_equal(sse_reader_feed(&r, rest, sizeof(rest) - 1, note, &seen, NULL), 0);
	assert_string_equal(seen.buf, "[1|message|a][1|message|c][2|message|b]");
	assert_string_equal(sse_reader_last_id(&r), "2");
	sse_reader_release(&r);
}

static int refuse(void *data, const struct sse_event *event, struct error *err)
{
	(void)event;
	++*(int *)data;
	return error_set(err, ERR_CONFLICT, "enough");
}

static void test_reader_can_stop(void **state)
{
	(void)state;
	struct sse_reader r;
	int n = 0;
	sse_reader_init(&r);
	assert_int_equal(sse_reader_feed(&r, "data:a\n\ndata:b\n\n", 16, refuse, &n, NULL), ERR_CONFLICT);
	assert_int_equal(n, 1);
	sse_reader_release(&r);
}

static void test_S3_events_are_capped(void **state)
{
	(void)state;
	static const char *const endless[] = {"a", "data: 0123456789\n",
					      "id: 0123456789012345678901234567890"};
	autofree char *block = xmalloc(64 * 1024);
	for (size_t i = 0; i < ARRAY_SIZE(endless); i++) {
		struct sse_reader r;
		sse_reader_init(&r);
		size_t len = strlen(endless[i]), fed = 0;
		int result = 0;
		for (size_t at = 0; at < 64 * 1024; at++)
			block[at] = endless[i][at % len];
		for (; !result && fed < 4 * SSE_EVENT_MAX; fed += 64 * 1024 / len * len)
			result = sse_reader_feed(&r, block, 64 * 1024 / len * len, note, NULL, NULL);
		assert_int_equal(result, ERR_TOO_LARGE);
		sse_reader_release(&r);
	}
	/* The largest event that may be written can be read. */
	autostrbuf out = STRBUF_INIT(2 * SSE_EVENT_MAX), seen = STRBUF_INIT(2 * SSE_EVENT_MAX);
	autofree char *data = xmalloc(SSE_EVENT_MAX + 1);
	for (size_t i = 0; i <= SSE_EVENT_MAX; i++)
		data[i] = 'a';
	assert_int_equal(sse_write(&out, NULL, NULL, data, SSE_EVENT_MAX + 1, NULL), ERR_TOO_LARGE);
	assert_int_equal(sse_write(&out, NULL, NULL, data, SSE_EVENT_MAX, NULL), 0);
	decode(out.buf, out.len, 1000, 100000, &seen);
	assert_int_equal(seen.len, SSE_EVENT_MAX + strlen("[|message|]"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decoder_however_it_is_cut), cmocka_unit_test(test_encoder_is_read_back),
		cmocka_unit_test(test_resume_after_a_cut),	  cmocka_unit_test(test_reader_can_stop),
		cmocka_unit_test(test_S3_events_are_capped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

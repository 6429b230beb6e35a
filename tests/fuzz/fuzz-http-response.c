/* Fuzzes the response parser. The first byte says whether a HEAD request is answered and whether the
 * connection ends; the rest are the bytes of one response, which must come out the same however they are
 * cut. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "net/http_response.h"

enum { BODY_MAX = 512 };

struct seen {
	struct strbuf body;
	struct strbuf result;
};

static int take(void *data, const char *bytes, size_t len)
{
	struct seen *seen = data;
	assert(len > 0);
	strbuf_add(&seen->body, bytes, len);
	return 0;
}

static void write_down(const struct http_responses *rs, struct seen *seen)
{
	strbuf_addf(&seen->result, "stage %d, %s\n", rs->frame.stage,
		    rs->frame.reason ? rs->frame.reason : "-");
	if (rs->frame.stage != HTTP_STAGE_DONE)
		return;
	assert(rs->res.status >= 200 && rs->res.status <= 999 && seen->body.len <= BODY_MAX);
	strbuf_addf(&seen->result, "%d, %d\n", rs->res.status, rs->res.keep_alive);
	for (size_t i = 0; i < rs->res.n_headers; i++) {
		const struct http_header *h = &rs->res.headers[i];
		assert(http_is_token(h->name, strlen(h->name)) && http_is_value(h->value));
		strbuf_addf(&seen->result, "%s: %s\n", h->name, h->value);
	}
}

static void run(uint8_t how, const uint8_t *data, size_t size, size_t step, struct seen *seen)
{
	struct http_responses rs;
	http_responses_init(&rs, BODY_MAX, take, seen);
	http_responses_expect(&rs, how & 1);
	size_t total = 0;
	for (size_t i = 0; i < size; i += step) {
		size_t n = size - i < step ? size - i : step, used = 0;
		char *piece = xmalloc(n);
		memcpy(piece, data + i, n);
		enum http_stage stage = http_responses_feed(&rs, piece, n, &used);
		free(piece);
		total += used;
		assert(used <= n);
		if (stage >= HTTP_STAGE_DONE)
			break;
		assert(used == n);
	}
	if (how & 2 && rs.frame.stage < HTTP_STAGE_DONE)
		(void)http_responses_eof(&rs);
	write_down(&rs, seen);
	if (rs.frame.stage == HTTP_STAGE_DONE)
		strbuf_addf(&seen->result, "%zu used", total);
	http_responses_release(&rs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	const size_t steps[] = {size, 1, size % 7 + 2};
	struct seen first = {STRBUF_INIT(1 << 20), STRBUF_INIT(1 << 20)};
	run(data[0], data + 1, size - 1, steps[0], &first);
	for (size_t i = 1; i < ARRAY_SIZE(steps); i++) {
		struct seen seen = {STRBUF_INIT(1 << 20), STRBUF_INIT(1 << 20)};
		run(data[0], data + 1, size - 1, steps[i], &seen);
		assert(strcmp(strbuf_str(&first.result), strbuf_str(&seen.result)) == 0);
		assert(first.body.len == seen.body.len);
		assert(memcmp(strbuf_str(&first.body), strbuf_str(&seen.body), seen.body.len) == 0);
		strbuf_release(&seen.body);
		strbuf_release(&seen.result);
	}
	strbuf_release(&first.body);
	strbuf_release(&first.result);
	return 0;
}

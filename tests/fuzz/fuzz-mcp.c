/* Fuzzes the frames of MCP: lines come out the same however they are cut, every line is either a message or
 * refused with a code, and what is written back is one line that is read again as what it was. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "fuzz.h"
#include "net/jsonrpc.h"

static void check_answer(const struct jsonrpc_message *m)
{
	autostrbuf out = STRBUF_INIT(JSONRPC_LINE_MAX);
	autojsonrpc again = {0};
	jsonrpc_write_error(&out, m->id, JSONRPC_INTERNAL_ERROR, m->method ? m->method : "none", NULL);
	assert(!out.overflow && memchr(out.buf, '\n', out.len) == out.buf + out.len - 1);
	assert(jsonrpc_parse(out.buf, out.len - 1, &again, NULL) == 0);
	assert(again.type == JSONRPC_RESPONSE && !again.id == !m->id);
	assert(!m->id || json_equal(again.id, m->id));
}

static void take_line(const char *line, size_t len, struct strbuf *seen)
{
	autojsonrpc m = {0};
	autoerror err = {0};
	assert(len > 0 && len <= JSONRPC_LINE_MAX && !memchr(line, '\n', len));
	int code = jsonrpc_parse(line, len, &m, &err);
	assert(!code == !err.message);
	assert(code == 0 || code == JSONRPC_PARSE_ERROR || code == JSONRPC_INVALID_REQUEST);
	assert(code || m.type != JSONRPC_REQUEST || (m.id && m.method));
	assert(code || m.type != JSONRPC_NOTIFICATION || (!m.id && m.method));
	if (code != JSONRPC_PARSE_ERROR)
		check_answer(&m);
	strbuf_add(seen, line, len);
	strbuf_addf(seen, "\n%d\n", code);
}

static void run(const uint8_t *data, size_t size, size_t step, struct strbuf *seen)
{
	struct jsonrpc_reader r;
	const char *line;
	size_t n;
	enum jsonrpc_kind kind;
	jsonrpc_reader_init(&r);
	for (size_t i = 0; i < size; i += step) {
		size_t left = size - i < step ? size - i : step;
		char *piece = xmalloc(left);
		memcpy(piece, data + i, left);
		const char *at = piece;
		while ((kind = jsonrpc_read(&r, &at, &left, &line, &n)) != JSONRPC_MORE)
			if (kind == JSONRPC_LINE)
				take_line(line, n, seen);
		assert(left == 0);
		free(piece);
	}
	if (jsonrpc_read_end(&r, &line, &n) == JSONRPC_LINE)
		take_line(line, n, seen);
	jsonrpc_reader_release(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t steps[] = {size ? size : 1, 1, size % 7 + 2};
	autostrbuf first = STRBUF_INIT(16 << 20);
	run(data, size, steps[0], &first);
	for (size_t i = 1; i < ARRAY_SIZE(steps); i++) {
		autostrbuf seen = STRBUF_INIT(16 << 20);
		run(data, size, steps[i], &seen);
		assert(seen.len == first.len && (!seen.len || memcmp(seen.buf, first.buf, seen.len) == 0));
	}
	return 0;
}

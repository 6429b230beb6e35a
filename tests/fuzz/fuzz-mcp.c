/* Fuzzes the frames of MCP: lines come out the same however they are cut, every line is either a message or
 * refused with a code, what is written back is one line that is read again as what it was, and a subscription
 * is refused, or acknowledged and ended under the very id that it came with. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "fuzz.h"
#include "mcp/listen.h"
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

/* All lines of `out` name that subscription. */
static size_t check_lines(const struct strbuf *out, const json_t *id)
{
	size_t n = 0;
	for (const char *at = strbuf_str(out), *end; (end = strchr(at, '\n')); at = end + 1, n++) {
		autojsonrpc m = {0};
		assert(jsonrpc_parse(at, (size_t)(end - at), &m, NULL) == 0);
		const json_t *said = m.params ? m.params : json_object_get(m.root, "result");
		const json_t *meta = json_object_get(said, "_meta");
		assert(json_equal(json_object_get(meta, "io.modelcontextprotocol/subscriptionId"), id));
		assert(m.type != JSONRPC_RESPONSE || json_equal(m.id, id));
	}
	return n;
}

static void check_listen(const struct jsonrpc_message *m)
{
	struct mcp_listens *listens = mcp_listens_new();
	autostrbuf out = STRBUF_INIT(JSONRPC_LINE_MAX);
	json_auto_t *server = json_object();
	int code = mcp_listens_open(listens, m->id, m->params, &out, NULL);
	assert(code == 0 || code == ERR_INVALID);
	bool tools = mcp_listens_for_tools(listens);
	mcp_listens_tell_tools(listens, &out);
	if (!code)
		assert(mcp_listens_open(listens, m->id, m->params, &out, NULL) == ERR_EXISTS);
	mcp_listens_end(listens, server, &out);
	assert(check_lines(&out, m->id) == (code ? 0 : 2U + tools));
	mcp_listens_free(listens);
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
	if (code == 0 && m.type == JSONRPC_REQUEST)
		check_listen(&m);
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

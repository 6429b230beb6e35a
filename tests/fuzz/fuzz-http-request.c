/* Fuzzes the request parser. The input is a connection's bytes, requests one after the other; it must
 * come out the same in one piece, byte by byte, and in pieces of some other length, and what is accepted
 * must keep the promises of net/http_request.h. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "fuzz.h"
#include "net/http_request.h"
#include "net/http_write.h"

enum { BODY_MAX = 512 };

static void check_request(const struct http_request *req)
{
	assert(req->path[0] == '/' && utf8_valid(req->path, strlen(req->path)));
	assert(!strstr(req->path, "//") && !strstr(req->path, "/../"));
	assert(req->body_len <= BODY_MAX && req->body[req->body_len] == '\0');
	assert(req->n_headers <= HTTP_HEADERS_MAX);
	size_t hosts = 0, lengths = 0, codings = 0;
	for (size_t i = 0; i < req->n_headers; i++) {
		const struct http_header *h = &req->headers[i];
		assert(http_is_token(h->name, strlen(h->name)) && http_is_value(h->value));
		hosts += strcmp(h->name, "host") == 0;
		lengths += strcmp(h->name, "content-length") == 0;
		codings += strcmp(h->name, "transfer-encoding") == 0;
	}
	assert(hosts <= 1 && lengths + codings <= 1);
}

static void write_down(struct http_requests *rs, struct strbuf *out)
{
	check_request(&rs->req);
	strbuf_addf(out, "%s %s ? %s, %d\n", http_verb_name(rs->req.verb), rs->req.path,
		    rs->req.query ? rs->req.query : "-", rs->req.keep_alive);
	for (size_t i = 0; i < rs->req.n_headers; i++)
		strbuf_addf(out, "%s: %s\n", rs->req.headers[i].name, rs->req.headers[i].value);
	strbuf_add(out, rs->req.body, rs->req.body_len);
	strbuf_addch(out, '\n');
}

/* Runs the connection in pieces of `step` bytes and writes down what came of it. */
static void run(const uint8_t *data, size_t size, size_t step, struct strbuf *out)
{
	struct http_requests rs;
	http_requests_init(&rs, BODY_MAX);
	for (size_t i = 0; i < size; i += step) {
		size_t n = size - i < step ? size - i : step;
		char *piece = xmalloc(n);
		memcpy(piece, data + i, n);
		enum http_stage stage = http_requests_feed(&rs, piece, n, 1);
		free(piece);
		for (; stage == HTTP_STAGE_DONE; stage = http_requests_next(&rs, 1))
			write_down(&rs, out);
	}
	strbuf_addf(out, "stage %d, %d %s", rs.frame.stage, rs.frame.status,
		    rs.frame.reason ? rs.frame.reason : "-");
	if (rs.frame.stage == HTTP_STAGE_BAD) {
		autostrbuf answer = STRBUF_INIT(4096);
		int r = http_write_refusal(&answer, rs.frame.status, rs.frame.reason, NULL);
		assert(r == 0 && strcmp(http_reason(rs.frame.status), "Unknown") != 0);
	}
	http_requests_release(&rs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > HTTP_PIPELINE_MAX)
		return 0; /* whole or in pieces would differ in what was sent ahead */
	autostrbuf whole = STRBUF_INIT(1 << 24), pieces = STRBUF_INIT(1 << 24), bytes = STRBUF_INIT(1 << 24);
	run(data, size, size ? size : 1, &whole);
	run(data, size, size % 7 + 2, &pieces);
	run(data, size, 1, &bytes);
	assert(strcmp(strbuf_str(&whole), strbuf_str(&pieces)) == 0 && whole.len == pieces.len);
	assert(strcmp(strbuf_str(&whole), strbuf_str(&bytes)) == 0 && whole.len == bytes.len);
	return 0;
}

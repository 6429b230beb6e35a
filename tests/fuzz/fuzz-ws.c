/* Fuzzes the WebSocket client. The first byte says whether the handshake has been answered well already and
 * whether the reader answers, closes or refuses; the rest are the server's bytes, which must come out the
 * same however they are cut. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "fuzz.h"
#include "net/ws.h"
#include "net/ws_key.h"

enum how { OPEN_FIRST = 1, ECHO = 2, CLOSE = 4, REFUSE = 8 };

struct reader {
	struct ws *ws;
	struct strbuf seen;
	uint8_t how;
};

static void sequence(void *data, void *buf, size_t len)
{
	(void)data;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)buf)[i] = (uint8_t)i;
}

static int take(void *data, const char *text, size_t len, struct error *err)
{
	struct reader *r = data;
	assert(len <= WS_MESSAGE_MAX && text[len] == '\0' && utf8_valid(text, len));
	strbuf_addf(&r->seen, "%zu:", len);
	strbuf_add(&r->seen, text, len);
	if (r->how & ECHO) {
		int code = ws_send(r->ws, text, len, NULL);
		assert(code == 0 || code == ERR_TOO_LARGE || code == ERR_CONFLICT);
	}
	if (r->how & CLOSE && len % 4 == 1)
		ws_close(r->ws, WS_CLOSE_NORMAL);
	return r->how & REFUSE && len % 4 == 3 ? error_set(err, ERR_REFUSED, "enough") : 0;
}

static void answer_well(struct ws *ws)
{
	uint8_t nonce[WS_NONCE_SIZE];
	char key[WS_KEY_SIZE], accept[WS_ACCEPT_SIZE];
	sequence(NULL, nonce, sizeof(nonce));
	ws_base64(nonce, sizeof(nonce), key);
	ws_accept(key, accept);
	autofree char *head = xasprintf("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
					"Sec-WebSocket-Accept: %s\r\n\r\n",
					accept);
	int code = ws_feed(ws, head, strlen(head), NULL);
	assert(code == 0 && ws_is_open(ws));
}

static void run(uint8_t how, const uint8_t *data, size_t size, size_t step, struct strbuf *seen)
{
	struct reader r = {.seen = STRBUF_INIT(1 << 26), .how = how};
	struct ws_options options = {
		.host = "localhost", .target = "/", .random = sequence, .text = take, .data = &r};
	int code = ws_new(&options, &r.ws, NULL);
	assert(code == 0);
	if (how & OPEN_FIRST)
		answer_well(r.ws);
	for (size_t i = 0; i < size && !code; i += step) {
		size_t n = size - i < step ? size - i : step;
		char *piece = xmalloc(n);
		memcpy(piece, data + i, n);
		code = ws_feed(r.ws, piece, n, NULL);
		free(piece);
	}
	assert(code == 0 || !ws_is_open(r.ws));
	strbuf_add(seen, strbuf_str(&r.seen), r.seen.len);
	/* How it ended otherwise depends on the pieces: a close frame's reason may be found to be no UTF-8
	 * early, late or never. */
	strbuf_addf(seen, "|%d", code == ERR_REFUSED || code == ERR_TOO_LARGE ? code : 0);
	ws_free(r.ws);
	strbuf_release(&r.seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size || size > 1 << 18)
		return 0;
	const size_t steps[] = {size, 1, size % 7 + 2};
	autostrbuf first = STRBUF_INIT(1 << 26);
	run(data[0], data + 1, size - 1, steps[0], &first);
	for (size_t i = 1; i < ARRAY_SIZE(steps); i++) {
		autostrbuf seen = STRBUF_INIT(1 << 26);
		run(data[0], data + 1, size - 1, steps[i], &seen);
		assert(seen.len == first.len && memcmp(strbuf_str(&seen), strbuf_str(&first), seen.len) == 0);
	}
	return 0;
}

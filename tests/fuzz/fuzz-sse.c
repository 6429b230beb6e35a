/* Fuzzes Server-Sent Events both ways: the input as a stream must decode to the same events however it
 * is cut; the input as an event's data must come back from its encoding, line ends as newlines. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "net/sse.h"

static int note(void *data, const struct sse_event *event, struct error *err)
{
	struct strbuf *seen = data;
	assert(strlen(event->id) <= 256 && strlen(event->event) <= 256 && event->len <= SSE_EVENT_MAX);
	assert(event->data[event->len] == '\0');
	strbuf_addf(seen, "[%s|%s|%zu|", event->id, event->event, event->len);
	strbuf_add(seen, event->data, event->len);
	/* Some events end the reading, so that this path is taken too. */
	return event->len % 64 == 63 ? error_set(err, ERR_CONFLICT, "enough") : 0;
}

static void decode(const char *data, size_t size, size_t step, struct strbuf *seen)
{
	struct sse_reader r;
	int result = 0;
	sse_reader_init(&r);
	for (size_t i = 0; i < size && !result; i += step) {
		size_t n = size - i < step ? size - i : step;
		char *piece = xmalloc(n);
		memcpy(piece, data + i, n);
		result = sse_reader_feed(&r, piece, n, note, seen, NULL);
		free(piece);
	}
	strbuf_addf(seen, "%d, %s", result, result ? "" : sse_reader_last_id(&r));
	sse_reader_restart(&r);
	sse_reader_release(&r);
}

static int compare(void *data, const struct sse_event *event, struct error *err)
{
	(void)err;
	const struct strbuf *want = data;
	assert(strcmp(event->id, "7") == 0 && strcmp(event->event, "e") == 0);
	assert(event->len == want->len && memcmp(event->data, strbuf_str(want), want->len) == 0);
	return ERR_CONFLICT; /* seen */
}

static void encode_and_decode(const char *data, size_t size)
{
	autostrbuf want = STRBUF_INIT(1 << 20), out = STRBUF_INIT(1 << 24);
	for (size_t i = 0; i < size; i++)
		if (data[i] != '\n' || i == 0 || data[i - 1] != '\r')
			strbuf_addch(&want, data[i] == '\r' ? '\n' : data[i]);
	int r = sse_write(&out, "7", "e", data, size, NULL);
	assert(r == 0);
	struct sse_reader reader;
	sse_reader_init(&reader);
	r = sse_reader_feed(&reader, out.buf, out.len, compare, &want, NULL);
	assert(r == ERR_CONFLICT);
	sse_reader_release(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 1 << 19)
		return 0;
	char *text = xmalloc(size + 1);
	memcpy(text, data, size);
	autostrbuf whole = STRBUF_INIT(1 << 24), pieces = STRBUF_INIT(1 << 24), bytes = STRBUF_INIT(1 << 24);
	decode(text, size, size ? size : 1, &whole);
	decode(text, size, size % 5 + 2, &pieces);
	decode(text, size, 1, &bytes);
	assert(whole.len == pieces.len && memcmp(strbuf_str(&whole), strbuf_str(&pieces), whole.len) == 0);
	assert(whole.len == bytes.len && memcmp(strbuf_str(&whole), strbuf_str(&bytes), whole.len) == 0);
	encode_and_decode(text, size);
	free(text);
	return 0;
}

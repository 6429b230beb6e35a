/* Server-Sent Events; see sse.h. The decoder works line by line: fields gather until an empty line gives
 * the event out. An id counts as reached only then, so that a stream cut within an event resumes before
 * it. */
#include "net/sse.h"

#include <string.h>

enum { SSE_FIELD_MAX = 256 /* bytes of an id or a type */ };

static bool is_field(const char *text)
{
	return strlen(text) <= SSE_FIELD_MAX && !strpbrk(text, "\r\n");
}

int sse_write(struct strbuf *out, const char *id, const char *event, const char *data, size_t len,
	      struct error *err)
{
	if ((id && !is_field(id)) || (event && !is_field(event)))
		return error_set(err, ERR_INVALID, "an event's id or type is not one short line");
	if (len > SSE_EVENT_MAX)
		return error_set(err, ERR_TOO_LARGE, "the event has %zu bytes, more than %d", len,
				 SSE_EVENT_MAX);
	size_t start = out->len;
	if (id)
		strbuf_addf(out, "id: %s\n", id);
	if (event)
		strbuf_addf(out, "event: %s\n", event);
	for (size_t i = 0;;) {
		size_t from = i;
		while (i < len && data[i] != '\n' && data[i] != '\r')
			i++;
		strbuf_addstr(out, "data: ");
		strbuf_add(out, data + from, i - from);
		strbuf_addch(out, '\n');
		if (i == len)
			break;
		i += i + 1 < len && data[i] == '\r' && data[i + 1] == '\n' ? 2 : 1;
	}
	strbuf_addch(out, '\n');
	if (!out->overflow)
		return 0;
	out->overflow = false;
	strbuf_setlen(out, start);
	return error_set(err, ERR_TOO_LARGE, "the event passes the %zu bytes that are kept for it", out->max);
}

void sse_write_comment(struct strbuf *out)
{
	strbuf_addstr(out, ":\n\n");
}

void sse_reader_init(struct sse_reader *r)
{
	*r = (struct sse_reader){
		.line = STRBUF_INIT(SSE_EVENT_MAX + SSE_FIELD_MAX),
		.data = STRBUF_INIT(SSE_EVENT_MAX),
		.event = STRBUF_INIT(SSE_FIELD_MAX),
		.id = STRBUF_INIT(SSE_FIELD_MAX),
		.last_id = STRBUF_INIT(SSE_FIELD_MAX),
	};
}

void sse_reader_release(struct sse_reader *r)
{
	strbuf_release(&r->line);
	strbuf_release(&r->data);
	strbuf_release(&r->event);
	strbuf_release(&r->id);
	strbuf_release(&r->last_id);
}

static void replace(struct strbuf *to, const char *text, size_t len)
{
	strbuf_reset(to);
	strbuf_add(to, text, len);
}

void sse_reader_restart(struct sse_reader *r)
{
	strbuf_reset(&r->line);
	strbuf_reset(&r->data);
	strbuf_reset(&r->event);
	replace(&r->id, strbuf_str(&r->last_id), r->last_id.len);
	r->has_data = r->skip_lf = false;
	r->bom = 0;
}

const char *sse_reader_last_id(const struct sse_reader *r)
{
	return strbuf_str(&r->last_id);
}

/* An empty line: gives the event out, unless it has no data. */
static int dispatch(struct sse_reader *r, sse_event_fn on_event, void *data, struct error *err)
{
	replace(&r->last_id, strbuf_str(&r->id), r->id.len);
	int result = 0;
	if (r->has_data) {
		struct sse_event event = {
			.id = strbuf_str(&r->last_id),
			.event = r->event.len ? r->event.buf : "message",
			.data = strbuf_str(&r->data),
			.len = r->data.len,
		};
		result = on_event(data, &event, err);
	}
	strbuf_reset(&r->data);
	strbuf_reset(&r->event);
	r->has_data = false;
	return result;
}

static int take_field(struct sse_reader *r, struct error *err)
{
	const char *line = strbuf_str(&r->line);
	const char *end = line + r->line.len;
	const char *colon = memchr(line, ':', r->line.len);
	size_t name_len = (size_t)((colon ? colon : end) - line);
	const char *value = colon ? colon + 1 : end;
	if (value < end && *value == ' ')
		value++;
	size_t len = (size_t)(end - value);
	if (name_len == 4 && memcmp(line, "data", 4) == 0) {
		if (r->has_data)
			strbuf_addch(&r->data, '\n');
		strbuf_add(&r->data, value, len);
		r->has_data = true;
	} else if (name_len == 5 && memcmp(line, "event", 5) == 0) {
		replace(&r->event, value, len);
	} else if (name_len == 2 && memcmp(line, "id", 2) == 0 && !memchr(value, '\0', len)) {
		replace(&r->id, value, len);
	}
	if (r->data.overflow || r->event.overflow || r->id.overflow)
		return error_set(err, ERR_TOO_LARGE, "an event of the stream is too large");
	return 0;
}

static int end_line(struct sse_reader *r, sse_event_fn on_event, void *data, struct error *err)
{
	int result = r->line.len ? take_field(r, err) : dispatch(r, on_event, data, err);
	strbuf_reset(&r->line);
	return result;
}

/* Drops a byte order mark at the start of the stream; returns how many bytes it took. Bytes that began
 * like one and were none go to the line. */
static size_t skip_mark(struct sse_reader *r, const char *bytes, size_t len)
{
	static const char mark[] = "\xEF\xBB\xBF";
	size_t used = 0;
	while (used < len && r->bom < 3 && bytes[used] == mark[r->bom]) {
		r->bom++;
		used++;
	}
	if (used < len && r->bom < 3) {
		strbuf_add(&r->line, mark, r->bom);
		r->bom = 3;
	}
	return used;
}

int sse_reader_feed(struct sse_reader *r, const char *bytes, size_t len, sse_event_fn on_event, void *data,
		    struct error *err)
{
	size_t i = skip_mark(r, bytes, len);
	while (i < len) {
		if (r->skip_lf && bytes[i] == '\n') {
			r->skip_lf = false;
			i++;
			continue;
		}
		size_t from = i;
		while (i < len && bytes[i] != '\r' && bytes[i] != '\n')
			i++;
		r->skip_lf = false;
		strbuf_add(&r->line, bytes + from, i - from);
		if (r->line.overflow)
			return error_set(err, ERR_TOO_LARGE, "a line of the stream is too long");
		if (i == len)
			break;
		r->skip_lf = bytes[i++] == '\r';
		int result = end_line(r, on_event, data, err);
		if (result)
			return result;
	}
	return 0;
}

/* Server-Sent Events (WHATWG HTML, 9.2): the encoder of the daemon and the decoder of its clients. */
#ifndef NET_SSE_H
#define NET_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strbuf.h"

enum { SSE_EVENT_MAX = 1024 * 1024 /* bytes of one event's data */ };

struct sse_event {
	const char *id;	   /* the last id sent so far; "" if there was none */
	const char *event; /* its type; "message" if it has none */
	const char *data;  /* NUL-terminated, lines joined by \n */
	size_t len;
};

/* Appends one event; `id` and `event` may be NULL. Each line of `data` (any line end) becomes a data
 * field. ERR_INVALID when `id` or `event` could not be one field, ERR_TOO_LARGE beyond SSE_EVENT_MAX or
 * the buffer's maximum; then nothing is added. */
int sse_write(struct strbuf *out, const char *id, const char *event, const char *data, size_t len,
	      struct error *err) _warn_unused_;
/* Appends a comment, which keeps a silent connection in use and which readers drop. */
void sse_write_comment(struct strbuf *out);

/* Takes one event, whose memory is the reader's; non-zero stops and is returned by sse_reader_feed. */
typedef int (*sse_event_fn)(void *data, const struct sse_event *event, struct error *err);

struct sse_reader {
	/* Private, but for sse_reader_last_id. */
	struct strbuf line;
	struct strbuf data;
	struct strbuf event;
	struct strbuf id;      /* of the event being read */
	struct strbuf last_id; /* of the last event given out */
	size_t bom;	       /* bytes of a byte order mark seen at the start, 3 when past it */
	bool has_data;
	bool skip_lf; /* the last line ended with CR: an LF belongs to it */
};

void sse_reader_init(struct sse_reader *r);
void sse_reader_release(struct sse_reader *r);
/* A new connection: an event that was cut is dropped, the last id stays. */
void sse_reader_restart(struct sse_reader *r);
/* Decodes `len` bytes. ERR_TOO_LARGE when an event passes SSE_EVENT_MAX: the stream cannot go on. */
int sse_reader_feed(struct sse_reader *r, const char *bytes, size_t len, sse_event_fn on_event, void *data,
		    struct error *err) _warn_unused_;
/* The id to resume from (Last-Event-ID), "" if there is none; owned by the reader. */
const char *sse_reader_last_id(const struct sse_reader *r);

#endif

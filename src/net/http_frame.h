/* The framing of one HTTP/1.1 message, for the request and the response parser alone: lines, headers,
 * where the body ends. Use net/http_request.h and net/http_response.h.
 *
 * Two parsers have to agree. This one holds the line discipline (CR LF only, no control bytes, no
 * folded lines, caps) and finds where each element ends; llhttp is given the same bytes and does the
 * parsing. What either refuses is refused, and so is a message whose framing they see differently. */
#ifndef NET_HTTP_FRAME_H
#define NET_HTTP_FRAME_H

#include <llhttp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "net/http.h"

enum http_stage {
	HTTP_STAGE_IDLE, /* no byte of a message yet */
	HTTP_STAGE_HEAD, /* within the first line or the headers */
	HTTP_STAGE_BODY, /* the head is complete, the body is not */
	HTTP_STAGE_DONE, /* the message is complete */
	HTTP_STAGE_BAD,	 /* refused: `status` and `reason` say why; stays so */
};

/* The element that the next byte belongs to. */
enum http_step {
	HTTP_STEP_FIRST,
	HTTP_STEP_HEADER,
	HTTP_STEP_DATA,
	HTTP_STEP_CHUNK_SIZE,
	HTTP_STEP_CHUNK_DATA,
	HTTP_STEP_CHUNK_END,
	HTTP_STEP_TRAILER,
	HTTP_STEP_OVER,
};

struct http_frame;

/* What requests and responses do differently. Each may call http_frame_refuse and then returns -1. */
struct http_frame_ops {
	llhttp_type_t type;
	/* The first line, complete, without its line end; not NUL-terminated. */
	int (*first_line)(struct http_frame *f, const char *line, size_t len);
	/* All headers are there and the framing is known. */
	int (*head)(struct http_frame *f);
	/* A piece of the body, len > 0. */
	int (*body)(struct http_frame *f, const char *data, size_t len);
	/* Statuses for a first line, a header block and a body over their caps. */
	int line_status, head_status, body_status;
};

struct http_frame {
	const struct http_frame_ops *ops;
	llhttp_t ll;
	enum http_stage stage;
	enum http_step step;
	int status;	    /* when BAD: what a server answers with */
	const char *reason; /* when BAD: static text, no byte of the message in it */
	size_t body_max;    /* 0 is no limit */
	bool no_body;	    /* no body follows, whatever the headers say; by the owner (HEAD) or the status */
	bool until_close;   /* the body ends with the connection */
	bool chunked;
	bool has_length;
	bool keep_alive; /* valid when DONE */
	int minor;	 /* 0 or 1, set by ops->first_line */
	struct http_header headers[HTTP_HEADERS_MAX];
	size_t n_headers;
	uint64_t body_len; /* bytes of body so far */

	/* Private from here on. */
	struct strbuf head; /* first line and headers as they came; the headers point into it */
	struct strbuf line; /* one line of chunk framing or trailer */
	size_t line_at;	    /* where in `head` the current line starts */
	size_t first_len;   /* bytes of the first line with its line end */
	size_t side;	    /* bytes of chunk extensions and trailers so far */
	uint64_t left;	    /* bytes that the body or the chunk still lacks */
	bool saw_cr;
	bool saw_blank; /* the one empty line that may precede a message has been */
	/* What llhttp says of the same message. */
	bool ll_head, ll_done;
	bool ll_chunked, ll_has_length;
	uint64_t ll_length;
};

void http_frame_init(struct http_frame *f, const struct http_frame_ops *ops, size_t body_max);
void http_frame_release(struct http_frame *f);
/* Ready for the next message; what pointed into the frame is void. */
void http_frame_reset(struct http_frame *f);
/* Takes bytes until the message is DONE or BAD and returns how many it took. */
size_t http_frame_feed(struct http_frame *f, const char *data, size_t len);
/* The connection has ended: completes a body that ends so, refuses one that was cut. */
void http_frame_eof(struct http_frame *f);
/* Makes the frame BAD and returns -1. `reason` is static text. */
int http_frame_refuse(struct http_frame *f, int status, const char *reason);

#endif

/* Framing of HTTP/1.1 messages; see http_frame.h.
 *
 * The bytes of a message run through two machines. Ours cuts them into elements:
 *
 *   FIRST -> HEADER* -> DATA | (CHUNK_SIZE -> CHUNK_DATA -> CHUNK_END)* -> TRAILER* -> OVER
 *
 * A line element is collected whole before anything looks at it, byte rules and caps being checked as
 * each byte comes in; so the answer never depends on how the bytes were cut on their way here. The
 * head is given to llhttp in one piece when its empty line has come, chunk lines one by one, data as
 * it comes. Trailers are checked like headers and then dropped: llhttp gets only their empty line, so
 * that nothing in them can change a message whose head was already judged. */
#include "net/http_frame.h"

#include <string.h>
#include <strings.h>

#include "base/alloc.h"

int http_frame_refuse(struct http_frame *f, int status, const char *reason)
{
	f->stage = HTTP_STAGE_BAD;
	f->status = status;
	f->reason = reason;
	return -1;
}

static struct http_frame *frame_of(llhttp_t *ll)
{
	return ll->data;
}

static int on_headers_complete(llhttp_t *ll)
{
	struct http_frame *f = frame_of(ll);
	f->ll_head = true;
	f->ll_chunked = ll->flags & F_CHUNKED;
	f->ll_has_length = ll->flags & F_CONTENT_LENGTH;
	f->ll_length = f->ll_has_length ? ll->content_length : 0;
	f->keep_alive = llhttp_should_keep_alive(ll);
	int code = ll->status_code; /* 0 for a request */
	f->no_body |= code / 100 == 1 || code == 204 || code == 304;
	return f->no_body ? 1 : 0;
}

static int on_body(llhttp_t *ll, const char *at, size_t len)
{
	struct http_frame *f = frame_of(ll);
	f->body_len += len;
	return len && f->ops->body(f, at, len) != 0 ? -1 : 0;
}

static int on_message_complete(llhttp_t *ll)
{
	struct http_frame *f = frame_of(ll);
	if (f->ll_done)
		return -1; /* it sees a second message where we see one */
	f->ll_done = true;
	return 0;
}

static const llhttp_settings_t settings = {
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

void http_frame_init(struct http_frame *f, const struct http_frame_ops *ops, size_t body_max)
{
	*f = (struct http_frame){
		.ops = ops,
		.body_max = body_max,
		.head = STRBUF_INIT(HTTP_LINE_MAX + HTTP_HEAD_MAX + 6),
		.line = STRBUF_INIT(HTTP_TRAILERS_MAX + 2),
	};
	llhttp_init(&f->ll, ops->type, &settings);
	f->ll.data = f;
}

void http_frame_release(struct http_frame *f)
{
	strbuf_release(&f->head);
	strbuf_release(&f->line);
}

void http_frame_reset(struct http_frame *f)
{
	struct strbuf head = f->head, line = f->line;
	http_frame_init(f, f->ops, f->body_max);
	strbuf_reset(&head);
	strbuf_reset(&line);
	f->head = head;
	f->line = line;
}

/* Gives bytes to llhttp; its refusals become ours, unless a callback has given a better reason. */
static int frame_execute(struct http_frame *f, const char *data, size_t len)
{
	if (llhttp_execute(&f->ll, data, len) == HPE_OK)
		return f->stage == HTTP_STAGE_BAD ? -1 : 0;
	return f->stage == HTTP_STAGE_BAD ? -1 : http_frame_refuse(f, 400, "malformed message");
}

/* The message has ended for us; it must have ended for llhttp too. */
static int frame_over(struct http_frame *f)
{
	if (!f->ll_done)
		return http_frame_refuse(f, 400, "ambiguous framing");
	f->step = HTTP_STEP_OVER;
	f->stage = HTTP_STAGE_DONE;
	return 0;
}

/* A header or trailer line: token, colon, anything. `line` is not empty. */
static int check_header_line(struct http_frame *f, const char *line, size_t len)
{
	if (line[0] == ' ' || line[0] == '\t')
		return http_frame_refuse(f, 400, "folded header line");
	const char *colon = memchr(line, ':', len);
	if (!colon)
		return http_frame_refuse(f, 400, "header line without a colon");
	if (colon > line && (colon[-1] == ' ' || colon[-1] == '\t'))
		return http_frame_refuse(f, 400, "blank before the colon of a header");
	if (!http_is_token(line, (size_t)(colon - line)))
		return http_frame_refuse(f, 400, "bad header name");
	return 0;
}

/* Cuts the header lines in `head` into C strings, names lower-cased. Only after llhttp has read them. */
static void split_headers(struct http_frame *f)
{
	char *p = f->head.buf + f->first_len;
	char *end = f->head.buf + f->head.len - 2; /* the empty line */
	for (size_t i = 0; i < f->n_headers; i++) {
		char *stop = memchr(p, '\r', (size_t)(end - p));
		char *next = stop + 2;
		char *colon = memchr(p, ':', (size_t)(stop - p));
		for (char *c = p; c < colon; c++)
			if (*c >= 'A' && *c <= 'Z')
				*c = (char)(*c - 'A' + 'a');
		char *value = colon + 1;
		while (value < stop && (*value == ' ' || *value == '\t'))
			value++;
		while (stop > value && (stop[-1] == ' ' || stop[-1] == '\t'))
			stop--;
		*colon = *stop = '\0';
		f->headers[i] = (struct http_header){.name = p, .value = value};
		p = next;
	}
}

/* Headers that mean one thing only: a second one could be read differently by the next reader. */
static const char *const singletons[] = {
	"authorization", "content-length", "content-type",	"coppice-protocol",
	"expect",	 "host",	   "idempotency-key",	"last-event-id",
	"origin",	 "sec-fetch-site", "transfer-encoding", "upgrade",
};

static int check_singletons(struct http_frame *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(singletons); i++) {
		size_t n = 0;
		for (size_t k = 0; k < f->n_headers; k++)
			n += strcmp(f->headers[k].name, singletons[i]) == 0;
		if (n > 1)
			return http_frame_refuse(f, 400, "repeated header that may occur once only");
	}
	return 0;
}

/* Reads Transfer-Encoding: `chunked` alone is understood. */
static int read_coding(struct http_frame *f, const char *coding)
{
	if (f->has_length)
		return http_frame_refuse(f, 400, "Content-Length together with Transfer-Encoding");
	if (f->minor == 0)
		return http_frame_refuse(f, 400, "Transfer-Encoding in HTTP/1.0");
	f->chunked = strcasecmp(coding, "chunked") == 0;
	if (f->chunked)
		return 0;
	const char *last = strrchr(coding, ',');
	bool ends_chunked = last && http_has_token(last + 1, "chunked");
	return http_frame_refuse(f, ends_chunked ? 501 : 400, "unknown transfer coding");
}

static int read_length(struct http_frame *f, const char *text)
{
	size_t len = strlen(text);
	uint64_t value = 0;
	if (!len || strspn(text, "0123456789") != len)
		return http_frame_refuse(f, 400, "bad Content-Length");
	for (size_t i = 0; i < len; i++) {
		if (value > UINT64_MAX / 100)
			return http_frame_refuse(f, f->ops->body_status, "body too large");
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	f->left = value;
	return 0;
}

/* Finds from the headers how the body is framed, and lets the owner judge the head. */
static int read_framing(struct http_frame *f)
{
	if (check_singletons(f) != 0)
		return -1;
	const char *length = http_find(f->headers, f->n_headers, "content-length");
	const char *coding = http_find(f->headers, f->n_headers, "transfer-encoding");
	f->has_length = length;
	if (coding && read_coding(f, coding) != 0)
		return -1;
	if (length && read_length(f, length) != 0)
		return -1;
	f->until_close = f->ops->type == HTTP_RESPONSE && !length && !coding;
	if (f->ops->head(f) != 0)
		return -1;
	if (!f->no_body && f->body_max && f->left > f->body_max)
		return http_frame_refuse(f, f->ops->body_status, "body too large");
	return 0;
}

/* The empty line after the headers has come. */
static int head_end(struct http_frame *f)
{
	llhttp_errno_t verdict = llhttp_execute(&f->ll, f->head.buf, f->head.len);
	split_headers(f);
	if (read_framing(f) != 0)
		return -1;
	if (verdict != HPE_OK || !f->ll_head)
		return http_frame_refuse(f, 400, "malformed message");
	if (f->ll_chunked != f->chunked || f->ll_has_length != f->has_length ||
	    (f->has_length && f->ll_length != f->left))
		return http_frame_refuse(f, 400, "ambiguous framing");
	f->stage = HTTP_STAGE_BODY;
	if (f->no_body || (!f->chunked && !f->until_close && f->left == 0)) {
		f->until_close = false;
		return frame_over(f);
	}
	f->step = f->chunked ? HTTP_STEP_CHUNK_SIZE : HTTP_STEP_DATA;
	return f->ll_done ? http_frame_refuse(f, 400, "ambiguous framing") : 0;
}

static int first_end(struct http_frame *f, const char *line, size_t len)
{
	if (len == 0) {
		if (f->saw_blank)
			return http_frame_refuse(f, 400, "empty lines before the message");
		f->saw_blank = true;
		strbuf_reset(&f->head);
		f->line_at = 0;
		f->stage = HTTP_STAGE_IDLE;
		return 0;
	}
	f->first_len = len + 2;
	f->step = HTTP_STEP_HEADER;
	return f->ops->first_line(f, line, len);
}

static int header_end(struct http_frame *f, const char *line, size_t len)
{
	if (len == 0)
		return head_end(f);
	if (f->n_headers == HTTP_HEADERS_MAX)
		return http_frame_refuse(f, f->ops->head_status, "too many headers");
	f->n_headers++;
	return check_header_line(f, line, len);
}

static int hex_value(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
	return at ? (int)(at - digits) : -1;
}

static int chunk_size_end(struct http_frame *f, const char *line, size_t len)
{
	uint64_t size = 0;
	size_t i = 0;
	for (int digit; i < len && (digit = hex_value(line[i])) >= 0; i++) {
		if (i == 15)
			return http_frame_refuse(f, 400, "bad chunk size");
		size = size * 16 + (uint64_t)digit;
	}
	if (i == 0 || (i < len && line[i] != ';'))
		return http_frame_refuse(f, 400, "bad chunk size");
	f->side += len - i;
	if (f->side > HTTP_CHUNK_EXT_MAX)
		return http_frame_refuse(f, 400, "too much chunk extension");
	if (f->body_max && (size > f->body_max || f->body_len > f->body_max - size))
		return http_frame_refuse(f, f->ops->body_status, "body too large");
	if (frame_execute(f, f->line.buf, f->line.len) != 0)
		return -1;
	f->left = size;
	f->step = size ? HTTP_STEP_CHUNK_DATA : HTTP_STEP_TRAILER;
	if (!size)
		f->side = 0;
	return 0;
}

static int chunk_end(struct http_frame *f, const char *line, size_t len)
{
	(void)line;
	if (len)
		return http_frame_refuse(f, 400, "chunk data longer than its size");
	f->step = HTTP_STEP_CHUNK_SIZE;
	return frame_execute(f, "\r\n", 2);
}

static int trailer_end(struct http_frame *f, const char *line, size_t len)
{
	if (len == 0)
		return frame_execute(f, "\r\n", 2) != 0 ? -1 : frame_over(f);
	f->side += len + 2;
	if (f->side > HTTP_TRAILERS_MAX)
		return http_frame_refuse(f, f->ops->head_status, "trailers too large");
	return check_header_line(f, line, len);
}

static int (*const line_ends[])(struct http_frame *f, const char *line, size_t len) = {
	[HTTP_STEP_FIRST] = first_end,		 [HTTP_STEP_HEADER] = header_end,
	[HTTP_STEP_CHUNK_SIZE] = chunk_size_end, [HTTP_STEP_CHUNK_END] = chunk_end,
	[HTTP_STEP_TRAILER] = trailer_end,
};

/* Refuses the line when one more byte would pass the cap of its kind. Line ends count for the header
 * block, where they are part of what is kept, and not for single lines. */
static int check_room(struct http_frame *f, size_t len)
{
	if (f->step == HTTP_STEP_FIRST && len >= HTTP_LINE_MAX)
		return http_frame_refuse(f, f->ops->line_status, "first line too long");
	if (f->step == HTTP_STEP_HEADER && f->head.len - f->first_len >= HTTP_HEAD_MAX)
		return http_frame_refuse(f, f->ops->head_status, "headers too large");
	if (f->step == HTTP_STEP_CHUNK_SIZE && len >= HTTP_CHUNK_LINE_MAX)
		return http_frame_refuse(f, 400, "chunk line too long");
	if (f->step == HTTP_STEP_CHUNK_END && len >= 1)
		return http_frame_refuse(f, 400, "chunk data longer than its size");
	if (f->step == HTTP_STEP_TRAILER && len >= HTTP_TRAILERS_MAX)
		return http_frame_refuse(f, f->ops->head_status, "trailers too large");
	return 0;
}

/* The rules that hold for every byte of a line. `len` is how many the line has already. */
static int check_byte(struct http_frame *f, char c, size_t len)
{
	if (f->saw_cr && c != '\n')
		return http_frame_refuse(f, 400, "CR without LF");
	if (!f->saw_cr && c == '\n')
		return http_frame_refuse(f, 400, "LF without CR");
	if (c == '\n' || c == '\r')
		return 0;
	if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7f)
		return http_frame_refuse(f, 400, "control byte");
	return check_room(f, len);
}

static size_t take_line(struct http_frame *f, const char *data, size_t len)
{
	enum http_step step = f->step;
	bool in_head = step == HTTP_STEP_FIRST || step == HTTP_STEP_HEADER;
	struct strbuf *to = in_head ? &f->head : &f->line;
	size_t start = in_head ? f->line_at : 0;
	if (f->stage == HTTP_STAGE_IDLE)
		f->stage = HTTP_STAGE_HEAD;
	size_t used = 0;
	while (used < len) {
		char c = data[used++];
		if (check_byte(f, c, to->len - start) != 0)
			return used;
		strbuf_addch(to, c);
		f->saw_cr = c == '\r';
		if (c == '\n')
			break;
	}
	if (!used || data[used - 1] != '\n')
		return used;
	if (to->overflow) {
		(void)http_frame_refuse(f, f->ops->head_status, "headers too large");
		return used;
	}
	f->line_at = in_head ? to->len : 0;
	if (line_ends[step](f, to->buf + start, to->len - start - 2) == 0 && !in_head)
		strbuf_reset(&f->line);
	return used;
}

static size_t take_data(struct http_frame *f, const char *data, size_t len)
{
	if (!f->until_close && len > f->left)
		len = (size_t)f->left;
	if (f->until_close && f->body_max && len > f->body_max - f->body_len)
		len = (size_t)(f->body_max - f->body_len);
	if (!len) { /* the cap is reached, and more has come */
		(void)http_frame_refuse(f, f->ops->body_status, "body too large");
		return 0;
	}
	if (frame_execute(f, data, len) != 0 || f->until_close)
		return len;
	f->left -= len;
	if (f->left == 0 && f->step == HTTP_STEP_CHUNK_DATA)
		f->step = HTTP_STEP_CHUNK_END;
	else if (f->left == 0)
		(void)frame_over(f);
	return len;
}

size_t http_frame_feed(struct http_frame *f, const char *data, size_t len)
{
	size_t used = 0;
	while (used < len && f->stage != HTTP_STAGE_DONE && f->stage != HTTP_STAGE_BAD) {
		bool is_data = f->step == HTTP_STEP_DATA || f->step == HTTP_STEP_CHUNK_DATA;
		used += (is_data ? take_data : take_line)(f, data + used, len - used);
	}
	return used;
}

void http_frame_eof(struct http_frame *f)
{
	if (f->stage == HTTP_STAGE_BODY && f->until_close) {
		if (llhttp_finish(&f->ll) != HPE_OK)
			(void)http_frame_refuse(f, 400, "malformed message");
		else if (frame_over(f) == 0)
			f->keep_alive = false;
	} else if (f->stage == HTTP_STAGE_HEAD || f->stage == HTTP_STAGE_BODY) {
		(void)http_frame_refuse(f, 400, "the connection ended within a message");
	}
}

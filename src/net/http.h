/* What both sides of HTTP/1.1 share: limits, headers, status texts, and the decoding of targets.
 *
 * The codecs of net/ work on buffers: they open no socket and read no clock. Every size that the
 * other side decides has a limit here (S3). */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"

enum {
	HTTP_LINE_MAX = 8 * 1024,	 /* request or status line */
	HTTP_HEAD_MAX = 16 * 1024,	 /* all header lines together */
	HTTP_HEADERS_MAX = 64,		 /* header lines */
	HTTP_BODY_MAX = 4 * 1024 * 1024, /* default body cap */
	HTTP_CHUNK_LINE_MAX = 256,	 /* one chunk-size line, extension included */
	HTTP_CHUNK_EXT_MAX = 4 * 1024,	 /* all chunk extensions of one message */
	HTTP_TRAILERS_MAX = 4 * 1024,	 /* all trailer lines of one message */
	HTTP_PIPELINE_MAX = 256 * 1024,	 /* bytes kept of requests that were sent ahead */
};

/* One header. As the parsers give it: `name` is lower-case, `value` has no surrounding blanks, both
 * point into the parser. As the writers take it: any case. */
struct http_header {
	const char *name;
	const char *value;
};

/* The value of the first header called `name` (lower-case), or NULL. */
const char *http_find(const struct http_header *headers, size_t n, const char *name);
/* Whether a comma-separated value holds `token`, in any case. */
bool http_has_token(const char *value, const char *token);
/* Whether `len` (> 0) bytes form a token (RFC 9110, 5.6.2). */
bool http_is_token(const char *text, size_t len);
/* Whether a header value is safe to send: no control byte but tab, so no CR, LF or NUL. */
bool http_is_value(const char *value);
/* The standard text of a status, "Unknown" if there is none. */
const char *http_reason(int status);
/* Decodes %XX in `len` bytes at `text` in place and returns the new length, or -1 when a % is not
 * followed by two hex digits. */
long http_percent_decode(char *text, size_t len);
/* Finds `name` in a query string ("a=1&b=x%20y"; NULL is empty) and appends its decoded value ('+' is a
 * blank); false, with nothing added, when it is absent or malformed. */
bool http_query(const char *query, const char *name, struct strbuf *ret);

#endif

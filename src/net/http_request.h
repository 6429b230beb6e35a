/* Server side: the requests of one connection, parsed as their bytes come in.
 *
 *   http_requests_init(&rs, HTTP_BODY_MAX);
 *   on bytes:   switch (http_requests_feed(&rs, data, len, now)) {
 *               DONE: handle rs.req; after its answer was written, if rs.req.keep_alive:
 *                     http_requests_next(&rs, now), which may be DONE again (pipelining)
 *               BAD:  http_write_refusal(out, rs.frame.status, rs.frame.reason), then close
 *               BODY: if (http_requests_take_continue(&rs)) http_write_continue(out)
 *
 * Refused, each with a status: a request line over 8 KiB (414), headers over 16 KiB or 64 lines (431), a
 * body over the cap, at its Content-Length already (413), not exactly one Host, repeated or conflicting
 * framing headers, folded lines, bare CR or LF, control bytes, targets that are not one plain absolute
 * path, Upgrade (501), methods nobody serves (405) or knows (501), other versions (505), expectations
 * but 100-continue (417). Chunked bodies are taken; their trailers are checked and dropped.
 *
 * There is no clock in here: the owner ends slow requests by `started` and `since`. */
#ifndef NET_HTTP_REQUEST_H
#define NET_HTTP_REQUEST_H

#include "base/timeval.h"
#include "net/http_frame.h"

enum http_verb { HTTP_VERB_GET, HTTP_VERB_HEAD, HTTP_VERB_POST, HTTP_VERB_DELETE };

/* All memory is the parser's, and valid until http_requests_next or _release. */
struct http_request {
	enum http_verb verb;
	const char *path;  /* decoded; absolute, UTF-8, no empty, "." or ".." segment, no control byte */
	const char *query; /* as sent, without the '?'; NULL if there is none; see http_query */
	const struct http_header *headers;
	size_t n_headers;
	const char *body; /* never NULL, NUL-terminated */
	size_t body_len;
	bool keep_alive; /* the connection may be used again */
};

struct http_requests {
	struct http_frame frame; /* stage, status and reason may be read */
	struct http_request req; /* valid when DONE */
	usec_t started;		 /* when the first byte of this request came; 0 while IDLE */
	usec_t since;		 /* when the present stage began */

	/* Private from here on. */
	struct strbuf body;
	struct strbuf ahead; /* bytes of the next requests; not empty only while DONE or BAD */
	size_t ahead_at;     /* how many of them are used up */
	bool flooded;	     /* more was sent ahead than is kept: the connection ends there */
	bool expects;	     /* the client waits for 100 Continue */
	size_t target_at, target_len;
};

void http_requests_init(struct http_requests *rs, size_t body_max);
void http_requests_release(struct http_requests *rs);
/* Takes all `len` bytes that came at monotonic time `now` and returns the stage of the current request.
 * While it is DONE, bytes are kept for the next ones, at most HTTP_PIPELINE_MAX: so the owner stops
 * reading then, or the connection is BAD once the kept ones are used up. */
enum http_stage http_requests_feed(struct http_requests *rs, const char *data, size_t len, usec_t now);
/* Forgets the request, which is DONE, and goes on with what was kept. */
enum http_stage http_requests_next(struct http_requests *rs, usec_t now);
/* Whether the client waits for "100 Continue" before it sends its body; true once per request. */
bool http_requests_take_continue(struct http_requests *rs);
/* The value of a header of the current request (lower-case name), or NULL. */
const char *http_request_header(const struct http_request *req, const char *name);
/* "GET", "POST", … */
const char *http_verb_name(enum http_verb verb);

#endif

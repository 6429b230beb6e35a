/* Client side: the responses of one connection, parsed as their bytes come in.
 *
 *   http_responses_init(&rs, HTTP_BODY_MAX, NULL, NULL);
 *   http_responses_expect(&rs, false);       before each response
 *   on bytes:  http_responses_feed(&rs, data, len, &used)
 *   at EOF:    http_responses_eof(&rs)
 *
 * As strict as the server side: the same limits, byte rules and framing rules. Interim responses (100,
 * 103) are passed over; 101 is refused, for nobody here asks for an upgrade. A body is fixed in length,
 * chunked, or ends with the connection. */
#ifndef NET_HTTP_RESPONSE_H
#define NET_HTTP_RESPONSE_H

#include "net/http_frame.h"

/* A piece of the body (len > 0); the status and headers are already in `res`. Non-zero ends the
 * response: it becomes BAD. */
typedef int (*http_body_fn)(void *data, const char *bytes, size_t len);

/* All memory is the parser's, and valid until http_responses_expect or _release. */
struct http_response {
	int status;
	const struct http_header *headers;
	size_t n_headers;
	const char *body; /* when collected: never NULL, NUL-terminated; valid when DONE */
	size_t body_len;
	bool keep_alive; /* the connection may be used again; valid when DONE */
};

struct http_responses {
	struct http_frame frame;  /* stage and reason may be read */
	struct http_response res; /* status and headers valid from stage BODY on */

	/* Private from here on. */
	http_body_fn on_body;
	void *data;
	struct strbuf body;
	bool answers_head;
	unsigned interim; /* responses passed over before this one */
};

/* `on_body` takes the body piece by piece; NULL collects it. `body_max` (bytes) holds for both; 0 is no
 * limit, for streams, and needs `on_body`. */
void http_responses_init(struct http_responses *rs, size_t body_max, http_body_fn on_body, void *data);
void http_responses_release(struct http_responses *rs);
/* Ready for the next response; `head` says that it answers a HEAD request and so has no body. */
void http_responses_expect(struct http_responses *rs, bool head);
/* Takes bytes until the response is DONE or BAD; `ret_used` says how many. Bytes left over after DONE
 * were not asked for: the connection cannot be used again. */
enum http_stage http_responses_feed(struct http_responses *rs, const char *data, size_t len,
				    size_t *ret_used);
/* The connection has ended: DONE if that is how this body ends, BAD if it was cut, IDLE if nothing came. */
enum http_stage http_responses_eof(struct http_responses *rs);
/* The value of a header (lower-case name), or NULL. */
const char *http_response_header(const struct http_response *res, const char *name);

#endif

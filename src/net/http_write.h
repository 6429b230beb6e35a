/* Writers of HTTP/1.1 messages into a strbuf. On failure nothing is added. */
#ifndef NET_HTTP_WRITE_H
#define NET_HTTP_WRITE_H

#include <jansson.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "net/http.h"

struct http_reply {
	int status;
	const char *type; /* Content-Type; NULL for none */
	const void *body;
	size_t len;
	const struct http_header *headers; /* more headers, or NULL */
	size_t n_headers;
	bool keep_alive;
	bool omit_body; /* answers HEAD: Content-Length as if, but no body */
};

/* One whole response, with Content-Length. A header whose name or value could forge a line is refused
 * (ERR_INVALID), a response beyond the buffer's maximum is ERR_TOO_LARGE. 204 and 304 carry no body. */
int http_write_reply(struct strbuf *out, const struct http_reply *reply, struct error *err) _warn_unused_;
enum http_write_flags {
	HTTP_WRITE_KEEP_ALIVE = 1 << 0, /* the connection may be used again; otherwise it is to be closed */
	HTTP_WRITE_OMIT_BODY = 1 << 1,	/* answers HEAD */
};

/* A response with a JSON body, not to be cached. `flags` are of enum http_write_flags. */
int http_write_json(struct strbuf *out, int status, const json_t *json, unsigned flags,
		    struct error *err) _warn_unused_;
/* The error object of `failure` with its code's status. */
int http_write_error(struct strbuf *out, const struct error *failure, unsigned flags,
		     struct error *err) _warn_unused_;
/* The answer to a request that the parser refused: an error object; the connection is to be closed. */
int http_write_refusal(struct strbuf *out, int status, const char *reason, struct error *err) _warn_unused_;
/* The head of an event stream (net/sse.h), which ends with the connection. */
int http_write_stream(struct strbuf *out, struct error *err) _warn_unused_;
/* "100 Continue". */
int http_write_continue(struct strbuf *out, struct error *err) _warn_unused_;

struct http_call {
	const char *method;
	const char *target; /* path and query, already encoded */
	const char *host;
	const struct http_header *headers;
	size_t n_headers;
	const char *type; /* of the body; NULL: there is no body */
	const void *body;
	size_t len;
};

/* One whole request, which asks to keep the connection. */
int http_write_call(struct strbuf *out, const struct http_call *call, struct error *err) _warn_unused_;

#endif

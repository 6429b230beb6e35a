/* HTTP requests to what they mean: an operation of the table, the stream of events, or a document. */
#ifndef API_ROUTE_H
#define API_ROUTE_H

#include "net/http_request.h"
#include "ops/op.h"

enum api_kind { API_OPERATION, API_EVENTS, API_DOCUMENT };

struct api_route {
	enum api_kind kind;
	const struct op *op; /* API_OPERATION */
	json_t *params;	     /* API_OPERATION: an object, owned */
	const char *key;     /* its Idempotency-Key, or NULL; the request's */
	uint64_t body_hash;
	json_t *document;    /* API_DOCUMENT, owned */
	int64_t after;	     /* API_EVENTS: the last id seen, -1: from now on */
	char *plan;	     /* API_EVENTS: only of this plan, owned; or NULL */
	const char *session; /* the runtime's session that the caller names, or NULL; the request's */
	const char *bearer;  /* the token that it presents, or NULL; the request's */
};

/* ERR_NOT_FOUND, ERR_INVALID (method, body, header), ERR_PROTOCOL. On success the caller owns what `ret`
 * owns. */
int api_route(const struct http_request *req, struct api_route *ret, struct error *err) _warn_unused_;
/* OpenAPI 3.1 of all operations, generated from the table; a new reference. */
json_t *api_openapi(void);

#endif

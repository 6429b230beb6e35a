/* Routes; see route.h. POST /v1/<operation>, GET /v1/events, /openapi.json, /health. */
#include "api/route.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "base/timeval.h"
#include "ops/protocol.h"

enum { KEY_MAX = 128, SESSION_MAX = 128, PLAN_MAX = 64 };

/* A client names its protocol; the current one and the one before are served. */
static int check_protocol(const struct http_request *req, struct error *err)
{
	const char *text = http_request_header(req, "coppice-protocol");
	int64_t version = PROTOCOL_VERSION;
	int code = text ? number_parse(text, 1, 1000000, &version, err) : 0;
	if (code)
		return code;
	if (version == PROTOCOL_VERSION || version == PROTOCOL_VERSION - 1)
		return 0;
	code = error_set(err, ERR_PROTOCOL, "the client speaks protocol %lld, the daemon %d",
			 (long long)version, PROTOCOL_VERSION);
	return error_hint(err, code, "restart the older of the two: coppice stop");
}

static int operation(const struct http_request *req, const char *name, struct api_route *ret,
		     struct error *err)
{
	ret->kind = API_OPERATION;
	ret->op = op_find(name);
	if (!ret->op)
		return error_hint(err, error_set(err, ERR_NOT_FOUND, "there is no such operation"),
				  "see /openapi.json");
	if (req->verb != HTTP_VERB_POST)
		return error_set(err, ERR_INVALID, "%s is called by POST", name);
	ret->key = http_request_header(req, "idempotency-key");
	if (ret->key && (!*ret->key || strlen(ret->key) > KEY_MAX))
		return error_set(err, ERR_INVALID, "an Idempotency-Key has 1 to %d bytes", KEY_MAX);
	ret->body_hash = text_hash(req->body, req->body_len);
	if (req->body_len == 0) {
		ret->params = json_object();
		return 0;
	}
	return json_parse(req->body, req->body_len, &ret->params, err);
}

static int events(const struct http_request *req, struct api_route *ret, struct error *err)
{
	ret->kind = API_EVENTS;
	ret->after = -1;
	autostrbuf plan = STRBUF_INIT(PLAN_MAX);
	autostrbuf after = STRBUF_INIT(32);
	const char *last = http_request_header(req, "last-event-id");
	if (!last && http_query(req->query, "after", &after))
		last = strbuf_str(&after);
	int code = last && *last ? number_parse(last, 0, INT64_MAX, &ret->after, err) : 0;
	if (code)
		return code;
	if (http_query(req->query, "plan", &plan))
		ret->plan = strbuf_detach(&plan);
	return 0;
}

int api_route(const struct http_request *req, struct api_route *ret, struct error *err)
{
	static const char bearer[] = "Bearer ";
	static const char prefix[] = "/v1/";
	*ret = (struct api_route){0};
	const char *authorization = http_request_header(req, "authorization");
	if (authorization && strncmp(authorization, bearer, strlen(bearer)) == 0)
		ret->bearer = authorization + strlen(bearer);
	ret->session = http_request_header(req, "coppice-session");
	if (ret->session && (!*ret->session || strlen(ret->session) > SESSION_MAX))
		return error_set(err, ERR_INVALID, "a Coppice-Session has 1 to %d bytes", SESSION_MAX);
	int code = check_protocol(req, err);
	if (code)
		return code;
	if (strcmp(req->path, "/v1/events") == 0 && req->verb == HTTP_VERB_GET)
		return events(req, ret, err);
	if (strncmp(req->path, prefix, strlen(prefix)) == 0)
		return operation(req, req->path + strlen(prefix), ret, err);
	ret->kind = API_DOCUMENT;
	if (strcmp(req->path, "/health") == 0)
		ret->document = json_pack("{s:s, s:s, s:i}", "status", "ok", "version", COPPICE_VERSION,
					  "protocol", PROTOCOL_VERSION);
	else if (strcmp(req->path, "/openapi.json") == 0)
		ret->document = api_openapi();
	else
		return error_hint(err, error_set(err, ERR_NOT_FOUND, "there is nothing at this path"),
				  "see /openapi.json");
	return 0;
}

/* Host and Origin checks; see http_origin.h. */
#include "net/http_origin.h"

#include <string.h>
#include <strings.h>

static bool is_allowed(const char *host, const char *const *allowed, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(host, allowed[i]) == 0)
			return true;
	return false;
}

static bool is_json(const char *type)
{
	static const char json[] = "application/json";
	size_t len = sizeof(json) - 1;
	return type && strncasecmp(type, json, len) == 0 && (!type[len] || strchr("; \t", type[len]));
}

int http_check_origin(const struct http_request *req, const char *const *allowed, size_t n, struct error *err)
{
	static const char scheme[] = "http://";
	const char *host = http_request_header(req, "host");
	const char *origin = http_request_header(req, "origin");
	const char *site = http_request_header(req, "sec-fetch-site");
	if (!host || !is_allowed(host, allowed, n))
		return error_set(err, ERR_FORBIDDEN, "the request names another host");
	if (origin && (strncasecmp(origin, scheme, sizeof(scheme) - 1) != 0 ||
		       !is_allowed(origin + sizeof(scheme) - 1, allowed, n)))
		return error_set(err, ERR_FORBIDDEN, "the request comes from a page of another origin");
	if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
		return error_set(err, ERR_FORBIDDEN, "the request comes from a page of another site");
	if (req->verb == HTTP_VERB_POST && !is_json(http_request_header(req, "content-type")))
		return error_set(err, ERR_FORBIDDEN, "the body is not application/json");
	return 0;
}

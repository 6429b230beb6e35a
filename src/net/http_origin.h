/* Who may call a loopback TCP listener (S1): the request must name the listener itself, and must not come
 * from a web page of another origin. This stops DNS rebinding (a foreign name that resolves to
 * 127.0.0.1 arrives in Host) and cross-site requests (a browser says so in Origin or Sec-Fetch-Site, and
 * cannot send JSON without asking first). */
#ifndef NET_HTTP_ORIGIN_H
#define NET_HTTP_ORIGIN_H

#include "base/error.h"
#include "net/http_request.h"

/* `allowed` are the listener's names with port ("127.0.0.1:7878", "localhost:7878", "[::1]:7878").
 * ERR_FORBIDDEN when
 *  - Host is none of them;
 *  - Origin is there and is not http:// and one of them;
 *  - Sec-Fetch-Site is there and is neither same-origin nor none;
 *  - it is a POST whose Content-Type is not application/json. */
int http_check_origin(const struct http_request *req, const char *const *allowed, size_t n,
		      struct error *err) _warn_unused_;

#endif

/* The HTTP part of WebSocket: the client's request and the check of the answer (RFC 6455, 4.1 and 4.2.2). */
#ifndef NET_WS_HANDSHAKE_H
#define NET_WS_HANDSHAKE_H

#include "base/error.h"
#include "base/strbuf.h"
#include "net/ws_key.h"

/* Appends the request. ERR_INVALID when `host` or `target` could forge a line. */
int ws_handshake_write(struct strbuf *out, const char *host, const char *target, const char *key,
		       struct error *err) _warn_unused_;
/* Checks the head of an answer, `len` bytes from the status line to the empty line. ERR_PROTOCOL. */
int ws_handshake_check(const char *head, size_t len, const char *key, struct error *err) _warn_unused_;

#endif

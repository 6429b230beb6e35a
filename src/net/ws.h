/* WebSocket (RFC 6455), the client's side, as a codec over buffers: no socket, no clock, no randomness of its
 * own.
 *
 *   ws_new(&options, &ws, err)            the request of the handshake is in ws_out
 *   write what is in ws_out, strbuf_consume what was written, whenever something is there
 *   on bytes: ws_feed(ws, data, len, err) calls options.opened once, and options.text for each message
 *   ws_send(ws, text, len, err)
 *
 * The answer to the handshake is checked strictly: status 101, exactly the upgrade that was asked for, the
 * key's own proof, and no extension or subprotocol, for none is offered. Then only text messages are taken,
 * in any number of fragments, each valid UTF-8 and within the limit. Pings are answered. Whatever breaks the
 * protocol ends the connection: ws_feed fails, and ws_out holds a close frame with the fitting code. */
#ifndef NET_WS_H
#define NET_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

enum {
	WS_MESSAGE_MAX = 8 << 20, /* bytes of one text message, either way */
	WS_OUT_MAX = 16 << 20,	  /* bytes that may wait in ws_out */
	WS_CLOSE_NORMAL = 1000,
};

struct ws;

struct ws_options {
	const char *host;   /* of the Host header */
	const char *target; /* the path */
	/* Fills `buf` with what nobody can guess: the key and the masks of the frames. */
	void (*random)(void *data, void *buf, size_t len);
	/* The handshake is done; may be NULL. */
	void (*opened)(void *data);
	/* One whole message, followed by a NUL that is not part of it. Non-zero ends the connection and is
	 * what ws_feed returns. It may call ws_send, but not ws_free. */
	int (*text)(void *data, const char *text, size_t len, struct error *err);
	void *data;
};

/* ERR_MISSING without libwslay, ERR_INVALID when host or target could forge a line. */
int ws_new(const struct ws_options *options, struct ws **ret, struct error *err) _warn_unused_;
void ws_free(struct ws *ws); /* NULL is fine */

/* What is to be written to the other side, now. Owned by `ws`. */
struct strbuf *ws_out(struct ws *ws);
/* Takes bytes from the other side. ERR_PROTOCOL when they break the protocol or refuse the handshake,
 * ERR_TOO_LARGE beyond a limit, ERR_EXITED when the other side has closed in order. After any of them the
 * connection is over and what is fed is an error again. */
int ws_feed(struct ws *ws, const char *data, size_t len, struct error *err) _warn_unused_;
/* Queues one text message of valid UTF-8. ERR_CONFLICT before the handshake is done and after the end,
 * ERR_TOO_LARGE beyond a limit (then nothing was queued), ERR_INVALID when it is no UTF-8. */
int ws_send(struct ws *ws, const char *text, size_t len, struct error *err) _warn_unused_;
/* Queues a close frame, if the handshake is done and none was sent; nothing can be sent after it. */
void ws_close(struct ws *ws, uint16_t code);
bool ws_is_open(const struct ws *ws);

#endif

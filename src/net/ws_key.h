/* The key of a WebSocket handshake (RFC 6455, 4.1) and the two encodings that it takes. SHA-1 serves here to
 * recognise an answer, as the protocol says; it protects nothing. */
#ifndef NET_WS_KEY_H
#define NET_WS_KEY_H

#include <stddef.h>
#include <stdint.h>

enum {
	WS_SHA1_SIZE = 20,
	WS_NONCE_SIZE = 16,
	WS_KEY_SIZE = 25,    /* base64 of a nonce, and its NUL */
	WS_ACCEPT_SIZE = 29, /* base64 of a hash, and its NUL */
};

void ws_sha1(const void *data, size_t len, uint8_t ret[WS_SHA1_SIZE]);
/* Base64 with padding; `ret` has room for (len + 2) / 3 * 4 + 1 bytes. */
void ws_base64(const uint8_t *data, size_t len, char *ret);
/* What a server answers to the key `key` of WS_KEY_SIZE - 1 characters. */
void ws_accept(const char *key, char ret[WS_ACCEPT_SIZE]);

#endif

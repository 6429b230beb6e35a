/* SHA-1 (FIPS 180-4) and base64 (RFC 4648); see ws_key.h. */
#include "net/ws_key.h"

#include <string.h>

enum { BLOCK = 64 };

static uint32_t rotate(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

static void sha1_block(uint32_t h[5], const uint8_t *block)
{
	uint32_t w[80];
	for (size_t i = 0; i < 16; i++, block += 4)
		w[i] = (uint32_t)block[0] << 24 | (uint32_t)block[1] << 16 | (uint32_t)block[2] << 8 |
		       block[3];
	for (size_t i = 16; i < 80; i++)
		w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
	for (size_t i = 0; i < 80; i++) {
		uint32_t f, k;
		if (i < 20) {
			f = (b & c) | (~b & d);
			k = 0x5A827999;
		} else if (i < 40 || i >= 60) {
			f = b ^ c ^ d;
			k = i < 40 ? 0x6ED9EBA1 : 0xCA62C1D6;
		} else {
			f = (b & c) | (b & d) | (c & d);
			k = 0x8F1BBCDC;
		}
		uint32_t next = rotate(a, 5) + f + e + k + w[i];
		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = next;
	}
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
	h[4] += e;
}

void ws_sha1(const void *data, size_t len, uint8_t ret[WS_SHA1_SIZE])
{
	uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
	const uint8_t *bytes = data;
	size_t left = len;
	for (; left >= BLOCK; left -= BLOCK, bytes += BLOCK)
		sha1_block(h, bytes);
	/* The end: the rest, a 1 bit, zeros, and the length in bits; one block or two. */
	uint8_t last[2 * BLOCK] = {0};
	if (left)
		memcpy(last, bytes, left);
	last[left] = 0x80;
	size_t total = left < BLOCK - 8 ? BLOCK : 2 * BLOCK;
	for (size_t i = 0; i < 8; i++)
		last[total - 1 - i] = (uint8_t)((uint64_t)len * 8 >> 8 * i);
	sha1_block(h, last);
	if (total > BLOCK)
		sha1_block(h, last + BLOCK);
	for (size_t i = 0; i < WS_SHA1_SIZE; i++)
		ret[i] = (uint8_t)(h[i / 4] >> 8 * (3 - i % 4));
}

void ws_base64(const uint8_t *data, size_t len, char *ret)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t three = (uint32_t)data[i] << 16 | (n > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
				 (n > 2 ? (uint32_t)data[i + 2] : 0);
		for (size_t k = 0; k < 4; k++)
			*ret++ = k <= n ? digits[three >> (18 - 6 * k) & 63] : '=';
	}
	*ret = '\0';
}

void ws_accept(const char *key, char ret[WS_ACCEPT_SIZE])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char text[WS_KEY_SIZE - 1 + sizeof(guid)];
	uint8_t hash[WS_SHA1_SIZE];
	memcpy(text, key, WS_KEY_SIZE - 1);
	memcpy(text + WS_KEY_SIZE - 1, guid, sizeof(guid));
	ws_sha1(text, sizeof(text) - 1, hash);
	ws_base64(hash, sizeof(hash), ret);
}

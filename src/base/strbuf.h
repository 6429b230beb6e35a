/* A growable string with a fixed maximum.
 *
 * Invariants: `buf` is NUL-terminated whenever it is not NULL; `len` <= `max`. An addition that
 * would pass `max` adds nothing and sets `overflow`, which stays set until strbuf_reset(): so a
 * writer checks once, at the end. Start with STRBUF_INIT(max) and _cleanup_(strbuf_release). */
#ifndef BASE_STRBUF_H
#define BASE_STRBUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/alloc.h"

struct strbuf {
	char *buf; /* owned; NULL until the first addition */
	size_t len;
	size_t cap;
	size_t max; /* bytes, without the NUL */
	bool overflow;
};

#define STRBUF_INIT(max_) ((struct strbuf){.max = (max_)})
#define autostrbuf _cleanup_(strbuf_release) struct strbuf

void strbuf_init(struct strbuf *sb, size_t max);
void strbuf_release(struct strbuf *sb);
/* Empties the buffer and keeps its memory. */
void strbuf_reset(struct strbuf *sb);
void strbuf_add(struct strbuf *sb, const void *data, size_t len);
void strbuf_addstr(struct strbuf *sb, const char *s);
void strbuf_addch(struct strbuf *sb, char c);
void strbuf_addf(struct strbuf *sb, const char *fmt, ...) _printf_(2, 3);
void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list ap) _printf_(2, 0);
/* Makes room for `extra` more bytes and returns where to write them, or NULL beyond `max`.
 * strbuf_setlen() then says how many were written. */
char *strbuf_reserve(struct strbuf *sb, size_t extra);
void strbuf_setlen(struct strbuf *sb, size_t len);
/* Removes the first `len` bytes. */
void strbuf_consume(struct strbuf *sb, size_t len);
/* Gives the string away (never NULL, caller frees) and leaves the buffer empty. */
char *strbuf_detach(struct strbuf *sb);
/* The content as a C string, "" when empty; owned by the buffer. */
const char *strbuf_str(const struct strbuf *sb);

#endif

/* The one growable string; see strbuf.h. */
#include "base/strbuf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void strbuf_init(struct strbuf *sb, size_t max)
{
	*sb = STRBUF_INIT(max);
}

void strbuf_release(struct strbuf *sb)
{
	free(sb->buf);
	*sb = STRBUF_INIT(sb->max);
}

void strbuf_reset(struct strbuf *sb)
{
	sb->len = 0;
	sb->overflow = false;
	if (sb->buf)
		sb->buf[0] = '\0';
}

char *strbuf_reserve(struct strbuf *sb, size_t extra)
{
	if (extra > sb->max || sb->len > sb->max - extra) {
		sb->overflow = true;
		return NULL;
	}
	size_t need = sb->len + extra + 1;
	if (need > sb->cap) {
		size_t cap = sb->cap ? sb->cap : 64;
		while (cap < need)
			cap *= 2;
		sb->buf = xreallocarray(sb->buf, cap, 1);
		sb->cap = cap;
	}
	sb->buf[sb->len] = '\0';
	return sb->buf + sb->len;
}

void strbuf_setlen(struct strbuf *sb, size_t len)
{
	assert(len < sb->cap || (len == 0 && !sb->buf));
	sb->len = len;
	if (sb->buf)
		sb->buf[len] = '\0';
}

void strbuf_add(struct strbuf *sb, const void *data, size_t len)
{
	char *to = strbuf_reserve(sb, len);
	if (!to)
		return;
	if (len)
		memcpy(to, data, len);
	strbuf_setlen(sb, sb->len + len);
}

void strbuf_addstr(struct strbuf *sb, const char *s)
{
	strbuf_add(sb, s, strlen(s));
}

void strbuf_addch(struct strbuf *sb, char c)
{
	strbuf_add(sb, &c, 1);
}

void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list ap)
{
	char *s = NULL;
	int n = vasprintf(&s, fmt, ap);
	if (n < 0)
		alloc_abort();
	strbuf_add(sb, s, (size_t)n);
	free(s);
}

void strbuf_addf(struct strbuf *sb, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	strbuf_vaddf(sb, fmt, ap);
	va_end(ap);
}

void strbuf_consume(struct strbuf *sb, size_t len)
{
	assert(len <= sb->len);
	if (!len)
		return;
	memmove(sb->buf, sb->buf + len, sb->len - len + 1);
	sb->len -= len;
}

char *strbuf_detach(struct strbuf *sb)
{
	char *s = sb->buf ? sb->buf : xstrdup("");
	*sb = STRBUF_INIT(sb->max);
	return s;
}

const char *strbuf_str(const struct strbuf *sb)
{
	return sb->buf ? sb->buf : "";
}

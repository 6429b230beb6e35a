/* Text from outside; see text.h. */
#include "base/text.h"

#include <string.h>

/* Length of the valid UTF-8 sequence at `p`, 0 if it is not one (RFC 3629: no surrogates, no
 * overlong forms, nothing above U+10FFFF). */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
	if (p[0] < 0x80)
		return 1;
	size_t n = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
	if (p[0] < 0xC2 || p[0] > 0xF4 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF0 && p[1] < 0x90) ||
	    (p[0] == 0xF4 && p[1] > 0x8F))
		return 0;
	return n;
}

void utf8_make_valid(const char *text, size_t len, struct strbuf *out)
{
	for (size_t i = 0; i < len;) {
		size_t n = utf8_sequence((const unsigned char *)text + i, len - i);
		if (n)
			strbuf_add(out, text + i, n);
		else
			strbuf_addstr(out, "\xEF\xBF\xBD");
		i += n ? n : 1;
	}
}

bool utf8_valid(const char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = utf8_sequence((const unsigned char *)text + i, len - i);
		if (!n)
			return false;
		i += n;
	}
	return true;
}

void text_escape(const char *text, size_t len, bool keep_lines, struct strbuf *out)
{
	for (size_t i = 0; i < len;) {
		unsigned char c = (unsigned char)text[i];
		size_t n = utf8_sequence((const unsigned char *)text + i, len - i);
		bool c1 = n == 2 && c == 0xC2 && (unsigned char)text[i + 1] < 0xA0;
		bool plain = n && c != 0x7F && !c1 && (c >= 0x20 || (keep_lines && (c == '\n' || c == '\t')));
		if (plain)
			strbuf_add(out, text + i, n);
		else
			strbuf_addf(out, "\\x%02X", c);
		i += plain ? n : 1;
	}
}

void text_quote(const char *text, struct strbuf *out)
{
	strbuf_addch(out, '\'');
	for (; *text; text++)
		if (*text == '\'')
			strbuf_addstr(out, "'\\''");
		else
			strbuf_addch(out, *text);
	strbuf_addch(out, '\'');
}

static bool name_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
	       c == '-';
}

int circle_name_check(const char *name, struct error *err)
{
	size_t len = strlen(name);
	bool ok = len >= 1 && len <= 64 && name[0] != '-';
	for (size_t i = 0; ok && i < len; i++)
		ok = name_char(name[i]);
	if (ok)
		return 0;
	return error_hint(err, error_set(err, ERR_INVALID, "not a circle name"),
			  "use 1 to 64 of A-Z a-z 0-9 _ and -, not starting with -");
}

/* Rules of git-check-ref-format(1) for one path component. */
static bool ref_component_ok(const char *s, size_t len)
{
	return len > 0 && s[0] != '.' && s[len - 1] != '.' &&
	       !(len >= 5 && memcmp(s + len - 5, ".lock", 5) == 0);
}

static bool ref_ok(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];
		if (c < 0x20 || c == 0x7F || strchr(" ~^:?*[\\", c))
			return false;
		if ((c == '.' && name[i + 1] == '.') || (c == '@' && name[i + 1] == '{'))
			return false;
	}
	const char *start = name;
	for (const char *p = name;; p++) {
		if (*p && *p != '/')
			continue;
		if (!ref_component_ok(start, (size_t)(p - start)))
			return false;
		if (!*p)
			return true;
		start = p + 1;
	}
}

int branch_name_check(const char *name, struct error *err)
{
	size_t len = strlen(name);
	if (len >= 1 && len <= 200 && name[0] != '-' && strcmp(name, "@") != 0 && strcmp(name, "HEAD") != 0 &&
	    utf8_valid(name, len) && ref_ok(name, len))
		return 0;
	autostrbuf shown = STRBUF_INIT(1024);
	text_escape(name, len > 200 ? 200 : len, false, &shown);
	int code = error_set(err, ERR_INVALID, "'%s' is not a branch name", strbuf_str(&shown));
	return error_hint(err, code,
			  "use a name such as feat/login: no spaces, no ~ ^ : ? * [ \\, no leading -");
}

unsigned text_distance(const char *a, const char *b)
{
	enum { MAX = 64 };
	size_t la = strlen(a), lb = strlen(b);
	if (la > MAX || lb > MAX)
		return MAX;
	unsigned row[MAX + 1];
	for (size_t j = 0; j <= lb; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[lb];
}

uint64_t text_hash(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t h = 0xcbf29ce484222325ULL;
	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3ULL;
	return h;
}

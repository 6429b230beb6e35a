/* The element around messages; see element.h. */
#include "base/element.h"

#include <stdint.h>
#include <string.h>

#include "base/id.h"
#include "base/text.h"

static const char opening[] = "<coppice-message id=\"";

/* Marks that hide or turn what follows: bidirectional controls, zero-width characters, line separators, the
 * byte order mark, and tag characters. */
static bool is_hidden(uint32_t c)
{
	static const struct {
		uint32_t from, to;
	} ranges[] = {{0x80, 0x9f},	{0xad, 0xad},	  {0x200b, 0x200f},  {0x2028, 0x202e},
		      {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xe0000, 0xe007f}};
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i].from && c <= ranges[i].to)
			return true;
	return false;
}

/* Decodes one character of valid UTF-8. */
static size_t decode(const unsigned char *p, uint32_t *ret)
{
	static const struct {
		unsigned char lead;
		size_t len;
	} forms[] = {{0xf0, 4}, {0xe0, 3}, {0xc0, 2}};
	*ret = *p;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (*p < forms[i].lead)
			continue;
		*ret = *p & (0xffU >> (forms[i].len + 1));
		for (size_t k = 1; k < forms[i].len; k++)
			*ret = *ret << 6 | (p[k] & 0x3f);
		return forms[i].len;
	}
	return 1;
}

static void add_char(const unsigned char *p, size_t len, uint32_t c, struct strbuf *out)
{
	if (c == '&')
		strbuf_addstr(out, "&amp;");
	else if (c == '<')
		strbuf_addstr(out, "&lt;");
	else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
		strbuf_addf(out, "\\x%02x", c);
	else if (is_hidden(c))
		strbuf_addf(out, "\\u{%04x}", c);
	else
		strbuf_add(out, p, len);
}

void element_text(const char *text, struct strbuf *out)
{
	autostrbuf valid = STRBUF_INIT(ELEMENT_TEXT_MAX);
	utf8_make_valid(text, strlen(text), &valid);
	const unsigned char *p = (const unsigned char *)strbuf_str(&valid);
	while (*p) {
		uint32_t c;
		size_t len = decode(p, &c);
		if (p[0] != '\r' || p[1] != '\n')
			add_char(p, len, c, out);
		p += len;
	}
}

void element_begin(const char *id, struct strbuf *out)
{
	strbuf_addf(out, "%s%s\"", opening, id);
}

void element_attribute(const char *name, const char *value, struct strbuf *out)
{
	if (!value)
		return;
	strbuf_addf(out, " %s=\"", name);
	autostrbuf text = STRBUF_INIT(ELEMENT_TEXT_MAX);
	element_text(value, &text);
	for (const char *p = strbuf_str(&text); *p; p++) {
		if (*p == '"')
			strbuf_addstr(out, "&quot;");
		else
			strbuf_addch(out, *p == '\n' || *p == '\t' ? ' ' : *p);
	}
	strbuf_addch(out, '"');
}

void element_body(const char *text, struct strbuf *out)
{
	strbuf_addstr(out, ">\n");
	element_text(text, out);
	strbuf_addstr(out, "\n</coppice-message>\n");
}

json_t *element_ids(const char *prompt, size_t len)
{
	json_t *ids = json_array();
	const size_t mark = sizeof(opening) - 1;
	const char *p = prompt, *end = prompt + len;
	while (json_array_size(ids) < ELEMENT_IDS_MAX && (p = memmem(p, (size_t)(end - p), opening, mark))) {
		p += mark;
		const char *quote = memchr(p, '"', (size_t)(end - p));
		size_t n = quote ? (size_t)(quote - p) : 0;
		char id[ID_SIZE];
		if (!n || n >= sizeof(id))
			continue;
		memcpy(id, p, n);
		id[n] = '\0';
		if (id_is(id, "ask") || id_is(id, "msg"))
			json_array_append_new(ids, json_string(id));
	}
	return ids;
}

/* Fuzzes the element around messages (D9): whatever a text holds, the escaped text neither ends the element
 * nor begins one, is valid UTF-8 without control bytes, and a prompt made of it yields the ids of its
 * elements only. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/element.h"
#include "base/text.h"
#include "fuzz.h"

static void check_text(const char *text)
{
	autostrbuf out = STRBUF_INIT(ELEMENT_TEXT_MAX);
	element_text(text, &out);
	const char *p = strbuf_str(&out);
	assert(utf8_valid(p, out.len));
	assert(!memchr(p, '<', out.len));
	for (size_t i = 0; i < out.len; i++)
		assert((unsigned char)p[i] >= 0x20 || p[i] == '\n' || p[i] == '\t');
}

static void check_element(const char *text)
{
	autostrbuf prompt = STRBUF_INIT(2 * ELEMENT_TEXT_MAX);
	element_begin("ask-0123456789ab", &prompt);
	element_attribute("from", text, &prompt);
	element_body(text, &prompt);
	if (prompt.overflow)
		return;
	const char *p = strbuf_str(&prompt), *end = strstr(p, "</coppice-message>");
	assert(end && strcmp(end, "</coppice-message>\n") == 0);
	json_auto_t *ids = element_ids(p, prompt.len);
	assert(json_array_size(ids) == 1);
	/* the attribute ends where its quotes do: the first '>' is the element's own only if the name had
	 * none */
	assert(strchr(strchr(p, '"') + 1, '"'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 64 << 10)
		return 0;
	autofree char *text = xstrndup((const char *)data, size);
	check_text(text);
	check_element(text);
	json_auto_t *ids = element_ids((const char *)data, size);
	assert(json_array_size(ids) <= ELEMENT_IDS_MAX);
	return 0;
}

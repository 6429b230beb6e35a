/* Fuzzes the lines around Claude Code's inbox: a receipt that is taken names messages by UUIDs, and a message
 * of any text is refused or one line that reads back the same, in an envelope that nothing in it can end. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/claude_frame.h"
#include "base/json.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define UUID "11111111-2222-4333-8444-555555555555"

static void check_receipt(const char *text, size_t size)
{
	struct claude_receipt r = {0};
	if (claude_receipt_parse(text, size, &r, NULL) == 0) {
		assert(r.n >= 1 && r.n <= CLAUDE_RECEIPT_IDS_MAX && r.reason);
		assert(strlen(r.reason) <= CLAUDE_REASON_MAX);
		for (size_t i = 0; i < r.n; i++)
			assert(strlen(r.uuid[i]) == CLAUDE_UUID_SIZE - 1);
	} else {
		assert(!r.reason);
	}
	claude_receipt_release(&r);
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;
	for (const char *at = text; (at = strcasestr(at, what)) != NULL; at++)
		n++;
	return n;
}

static void check_message(const char *from, const char *text)
{
	autostrbuf out = STRBUF_INIT(4 << 20);
	if (claude_frame_message(UUID, "/run/x.sock", from, text, &out, NULL)) {
		assert(out.len == 0);
		return;
	}
	assert(memchr(out.buf, '\n', out.len) == out.buf + out.len - 1);
	json_auto_t *json = NULL;
	int parsed = json_parse(out.buf, out.len, &json, NULL);
	assert(parsed == 0);
	const char *content = json_str(json_object_get(json, "message"), "content");
	assert(count(content, "<cross-session-message") == 1 &&
	       count(content, "</cross-session-message") == 1);
	const char *end = strstr(content, "\">\n");
	assert(end && strchr(content, '"') + 1 <= end);
	if (utf8_valid(text, strlen(text)))
		assert(strncmp(end + 3, text, strlen(text)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 1 << 20)
		return 0;
	char *text = malloc(size + 1);
	memcpy(text, data, size);
	text[size] = '\0';
	check_receipt(text, size);
	char *rest = strchr(text, '\n');
	if (rest)
		*rest++ = '\0';
	check_message(text, rest ? rest : "");
	free(text);
	return 0;
}

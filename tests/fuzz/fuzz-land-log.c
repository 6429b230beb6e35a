/* Fuzzes the reader of the commits that a branch brings, and the message made of them: whatever agents
 * wrote into their commits, the message is one text that ends in one newline, and the author has a name. */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "repo/land_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autolandlog log = LAND_LOG_INIT;
	if (size > 1 << 16)
		return 0;
	strbuf_add(&log.text, data, size);
	if (!land_log_parse(&log))
		return 0;
	for (int merge = 0; merge <= 1; merge++) {
		const struct land_words words = {.branch = "feat/a",
						 .target = "main",
						 .user_name = "Uma",
						 .user_email = "uma@example.org",
						 .merge = merge};
		autostrbuf message = STRBUF_INIT(GIT_OUTPUT_MAX);
		_cleanup_(land_author_release) struct land_author author = {0};
		land_compose(&log, &words, &message, &author);
		assert(message.len > 0 && message.buf[message.len - 1] == '\n' && !message.overflow);
		assert(strlen(message.buf) == message.len && *author.name);
	}
	return 0;
}

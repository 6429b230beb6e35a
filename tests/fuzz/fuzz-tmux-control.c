/* Fuzzes tmux's control mode both ways: the input as tmux's output must give the same answers however it
 * is cut; the input as arguments must come back from a command line as tmux reads it. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "fuzz.h"
#include "term/control.h"

enum { SEEN_MAX = 1 << 24, ARGS_MAX = 64 };

static void note_block(void *data, const struct control_block *b)
{
	assert(b->len <= CONTROL_BLOCK_MAX && b->text[b->len] == '\0');
	assert(b->len == 0 || b->truncated || b->text[b->len - 1] == '\n');
	strbuf_addf(data, "[%d%d%d:%zu:", b->ours, b->failed, b->truncated, b->len);
	strbuf_add(data, b->text, b->len);
}

static void note_notify(void *data, const char *name, const char *rest)
{
	assert(!strchr(name, ' ') && strlen(name) + strlen(rest) <= CONTROL_LINE_MAX);
	strbuf_addf(data, "<%s|%s>", name, rest);
}

static const struct control_handler handler = {.block = note_block, .notify = note_notify};

static void parse(const char *data, size_t size, size_t step, struct strbuf *seen)
{
	struct control_parser p;
	control_init(&p, &handler, seen);
	for (size_t i = 0; i < size; i += step) {
		size_t n = size - i < step ? size - i : step;
		char *piece = xmalloc(n);
		memcpy(piece, data + i, n);
		control_feed(&p, piece, n);
		free(piece);
	}
	control_release(&p);
}

/* Reads one argument in double quotes as tmux's lexer does, and returns what follows it. */
static const char *unquote(const char *at, struct strbuf *arg)
{
	assert(*at == '"');
	for (at++; *at != '"'; at++) {
		assert(*at >= 0x20 && *at < 0x7F && *at != '$' && *at != '~');
		if (*at != '\\') {
			strbuf_addch(arg, *at);
		} else if (at[1] >= '0' && at[1] <= '3') {
			strbuf_addch(arg, (char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0')));
			at += 3;
		} else {
			assert(strchr("\"\\$~", at[1]));
			strbuf_addch(arg, *++at);
		}
	}
	return at + 1;
}

/* The input's strings, separated by NUL, as the arguments of two commands. */
static void quote_and_read(const char *data, size_t size)
{
	const char *argv[ARGS_MAX + 1];
	size_t n = 0;
	for (size_t i = 0; i < size && n < ARGS_MAX; i += strlen(data + i) + 1)
		argv[n++] = data + i;
	argv[n] = NULL;
	if (!n)
		return;
	autostrbuf line = STRBUF_INIT(SEEN_MAX);
	control_command(&line, argv);
	control_command(&line, argv);
	assert(!line.overflow);
	const char *at = strbuf_str(&line);
	for (size_t i = 0; i < 2 * n; i++) {
		autostrbuf arg = STRBUF_INIT(SEEN_MAX);
		if (i == n) {
			assert(strncmp(at, " ; ", 3) == 0);
			at += 3;
		} else if (i) {
			assert(*at++ == ' ');
		}
		at = unquote(at, &arg);
		assert(strcmp(strbuf_str(&arg), argv[i % n]) == 0);
	}
	assert(*at == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 1 << 19)
		return 0;
	char *text = xcalloc(size + 1, 1);
	memcpy(text, data, size);
	autostrbuf whole = STRBUF_INIT(SEEN_MAX), pieces = STRBUF_INIT(SEEN_MAX),
		   bytes = STRBUF_INIT(SEEN_MAX);
	parse(text, size, size ? size : 1, &whole);
	parse(text, size, size % 7 + 2, &pieces);
	parse(text, size, 1, &bytes);
	assert(whole.len == pieces.len && memcmp(strbuf_str(&whole), strbuf_str(&pieces), whole.len) == 0);
	assert(whole.len == bytes.len && memcmp(strbuf_str(&whole), strbuf_str(&bytes), whole.len) == 0);
	quote_and_read(text, size);
	free(text);
	return 0;
}

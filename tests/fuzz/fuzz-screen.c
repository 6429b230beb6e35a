/* Fuzzes the reader of screens, and each runtime's prompt on what it read: rows hold no control bytes, the
 * cursor is on one of them, and a prompt that is ready to be typed into is at the cursor. */
#include <assert.h>
#include <string.h>

#include "agent/composers.h"
#include "fuzz.h"

static void check_rows(const struct screen *s)
{
	assert(s->n == s->height && s->cursor_y < s->n && s->cursor_x <= s->width);
	assert(strlen(s->command) < SCREEN_COMMAND_SIZE);
	for (size_t i = 0; i < s->n; i++) {
		const struct screen_row *row = &s->rows[i];
		assert(strlen(row->text) == row->len);
		assert(!row->len || row->text[row->len - 1] != ' ');
		for (size_t k = 0; k < row->len; k++)
			assert((unsigned char)row->text[k] >= 0x20 && row->text[k] != 0x7f &&
			       row->attr[k] < 8);
	}
}

static void check_prompt(const struct term_composer *c, const struct screen *s)
{
	struct composer_view v;
	composer_read(c, s, &v);
	assert(v.first <= v.last && v.last < s->n);
	assert(v.found || !v.empty);
	if (v.state == PROMPT_EMPTY) {
		assert(v.found && v.empty && !v.busy && s->cursor_y == v.first && s->cursor_x == c->indent);
		assert(screen_classify(c, s) == SCREEN_PROMPT);
		assert(screen_row_begins(&s->rows[v.first], c->prompt));
		assert(s->cursor_shown || !c->cursor_shown);
	}
	static const char wake[] = "Coppice: 2 messages wait for you";
	if (composer_shows(c, s, &v, wake))
		assert(v.found && !v.empty);
	(void)composer_has_room(c, s, wake);
	assert(screen_classify(c, s) < SCREEN_MAX_);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct screen s = {0};
	if (size > 1 << 18 || screen_parse((const char *)data, size, &s, NULL))
		return 0;
	check_rows(&s);
	check_prompt(&claude_composer, &s);
	check_prompt(&codex_composer, &s);
	screen_release(&s);
	return 0;
}

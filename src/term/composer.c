/* Prompts on screens; see composer.h. */
#include "term/composer.h"

#include <string.h>

#include "base/alloc.h"

static const char *const screen_names[SCREEN_MAX_] = {
	[SCREEN_OTHER] = "other", [SCREEN_PROMPT] = "prompt",	   [SCREEN_BUSY] = "busy",
	[SCREEN_LOGIN] = "login", [SCREEN_TRUST] = "trust_dialog", [SCREEN_PERMISSION] = "permission_dialog",
};

const char *term_screen_name(enum term_screen screen)
{
	return screen_names[screen];
}

/* --- rows --- */

static bool blank(const struct screen_row *row)
{
	return row->len == 0;
}

static bool indented(const struct screen_row *row, unsigned indent)
{
	return strspn(row->text, " ") >= indent;
}

/* A line across the pane, perhaps with a label in it. */
static bool is_rule(const struct screen_row *row)
{
	static const char line[] = "─";
	const size_t n = sizeof(line) - 1;
	return row->len >= 3 * n && screen_row_begins(row, line) &&
	       memcmp(row->text + row->len - n, line, n) == 0;
}

/* A prompt that has grown beyond its share scrolls, and its upper rule says so. */
static bool is_scrolled_rule(const struct screen_row *row)
{
	return is_rule(row) && screen_row_has(row, "↑");
}

static bool has_prompt(const struct term_composer *c, const struct screen_row *row)
{
	size_t n = strlen(c->prompt);
	return screen_row_begins(row, c->prompt) && (row->len == n || strspn(row->text + n, " ") >= c->gap) &&
	       (row->attr[0] & c->prompt_attr) == c->prompt_attr && !(row->attr[0] & c->prompt_attr_not);
}

/* The part of a row of the prompt that is text; `ret_attr` may be NULL. */
static const char *row_text(const struct term_composer *c, const struct screen *s,
			    const struct composer_view *v, size_t at, size_t *ret_len,
			    const uint8_t **ret_attr)
{
	const struct screen_row *row = &s->rows[at];
	size_t skip = at == v->first ? strlen(c->prompt) + c->gap : c->indent;
	if (skip > row->len)
		skip = row->len;
	*ret_len = row->len - skip;
	if (ret_attr)
		*ret_attr = row->attr + skip;
	return row->text + skip;
}

/* --- the prompt --- */

enum found { FOUND_NONE, FOUND_PROMPT, FOUND_MODE };

/* From the cursor's row upwards to the prompt's first one. */
static enum found find_first(const struct term_composer *c, const struct screen *s, size_t *ret)
{
	for (size_t at = s->cursor_y + 1; at-- > 0;) {
		const struct screen_row *row = &s->rows[at];
		bool framed = !c->ruled || (at > 0 && is_rule(&s->rows[at - 1]));
		if (c->mode_prompt && framed && screen_row_begins(row, c->mode_prompt))
			return FOUND_MODE;
		if (has_prompt(c, row) && framed) {
			*ret = at;
			return FOUND_PROMPT;
		}
		if (c->ruled && is_scrolled_rule(row))
			return FOUND_MODE;
		if (!blank(row) && !indented(row, c->indent))
			return FOUND_NONE;
	}
	return FOUND_NONE;
}

/* From the first row down to the last one; false if there is no end to it. */
static bool find_last(const struct term_composer *c, const struct screen *s, size_t first, size_t *ret)
{
	size_t at = first + 1;
	if (c->ruled) {
		while (at < s->n && !is_rule(&s->rows[at]))
			at++;
		*ret = at - 1;
		return at < s->n;
	}
	while (at < s->n && !blank(&s->rows[at]) && indented(&s->rows[at], c->indent))
		at++;
	*ret = at - 1;
	return true;
}

/* The bytes of the first character. */
static size_t char_len(const char *text, size_t len)
{
	size_t n = 1;
	while (n < len && ((unsigned char)text[n] & 0xc0) == 0x80)
		n++;
	return n;
}

/* Whether a row of the prompt is dim throughout, as nothing is that was typed. A runtime that draws its
 * cursor itself shows the character under it inverse instead; if that is the only one, nobody can tell. */
static bool is_ghost(const char *text, size_t len, const uint8_t *attr, bool at_cursor)
{
	size_t i = at_cursor && (attr[0] & SCREEN_INVERSE) ? char_len(text, len) : 0;
	if (i == len)
		return false;
	for (; i < len; i++)
		if (text[i] != ' ' && !(attr[i] & SCREEN_DIM))
			return false;
	return true;
}

static bool is_listed(const char *const *list, const char *text, size_t len)
{
	for (; *list; list++)
		if (strlen(*list) == len && memcmp(*list, text, len) == 0)
			return true;
	return false;
}

static bool prompt_empty(const struct term_composer *c, const struct screen *s, const struct composer_view *v)
{
	if (s->cursor_y != v->first || s->cursor_x != c->indent)
		return false;
	for (size_t at = v->first; at <= v->last; at++) {
		size_t len;
		const uint8_t *attr;
		const char *text = row_text(c, s, v, at, &len, &attr);
		if (len && !is_ghost(text, len, attr, at == v->first))
			return false;
		if (c->placeholders && !is_listed(c->placeholders, text, len))
			return false;
	}
	return true;
}

/* What takes the keys when it is no prompt. */
static enum composer_state other_state(const struct term_composer *c, const struct screen *s)
{
	const struct screen_row *row = &s->rows[s->cursor_y];
	if (screen_classify(c, s) != SCREEN_OTHER || (c->cursor_shown && !s->cursor_shown))
		return PROMPT_DIALOG;
	const char *text = row->text + strspn(row->text, " ");
	if (c->choice && strncmp(text, c->choice, strlen(c->choice)) == 0)
		return PROMPT_DIALOG;
	return PROMPT_UNKNOWN;
}

/* Whether the cursor stands in the rows of the prompt. Behind a row that is exactly full it stands in the
 * next one, which is still blank. */
static bool cursor_inside(const struct term_composer *c, const struct screen *s,
			  const struct composer_view *v)
{
	if (s->cursor_y <= v->last)
		return true;
	return !c->ruled && s->cursor_y == v->last + 1 && blank(&s->rows[s->cursor_y]) &&
	       s->cursor_x == c->indent;
}

/* The prompt's place and content, without a judgement of what else there may be. */
static enum found read_prompt(const struct term_composer *c, const struct screen *s,
			      struct composer_view *ret)
{
	struct composer_view v = {0};
	*ret = v;
	if (c->cursor_shown && !s->cursor_shown)
		return FOUND_NONE;
	enum found found = find_first(c, s, &v.first);
	if (found != FOUND_PROMPT)
		return found;
	if (!find_last(c, s, v.first, &v.last) || !cursor_inside(c, s, &v))
		return FOUND_NONE;
	v.found = true;
	v.empty = prompt_empty(c, s, &v);
	v.busy = c->busy(s, &v);
	*ret = v;
	return FOUND_PROMPT;
}

void composer_read(const struct term_composer *c, const struct screen *s, struct composer_view *ret)
{
	enum found found = read_prompt(c, s, ret);
	if (found == FOUND_NONE)
		ret->state = other_state(c, s);
	else if (found == FOUND_MODE || !ret->empty)
		ret->state = PROMPT_TEXT;
	else if (screen_classify(c, s) == SCREEN_LOGIN)
		ret->state = PROMPT_DIALOG; /* whatever is typed here is only answered by "log in" */
	else
		ret->state = ret->busy ? PROMPT_BUSY : PROMPT_EMPTY;
}

/* --- our text --- */

static unsigned text_width(const struct term_composer *c, const struct screen *s)
{
	unsigned taken = c->indent + c->margin;
	return s->width > taken ? s->width - taken : 0;
}

bool composer_shows(const struct term_composer *c, const struct screen *s, const struct composer_view *v,
		    const char *text)
{
	const char *at = text;
	size_t y = v->first, x = c->indent;
	if (!v->found)
		return false;
	/* Runtimes break the line at a space, which is not drawn then, or within a long word. */
	for (size_t row = v->first; row <= v->last; row++) {
		size_t len;
		const char *shown = row_text(c, s, v, row, &len, NULL);
		if (row > v->first)
			at += *at == ' ';
		if (!len || strncmp(at, shown, len) != 0)
			return false;
		at += len;
		y = row;
		x = c->indent + len;
	}
	if (*at)
		return false;
	if (s->cursor_y == y && s->cursor_x == x)
		return true;
	return x - c->indent == text_width(c, s) && s->cursor_y == y + 1 && s->cursor_x == c->indent;
}

/* Rows that the text takes at most, when it is broken at its spaces. */
static size_t rows_needed(const char *text, size_t width)
{
	size_t rows = 1, used = 0;
	while (*text) {
		size_t word = strcspn(text, " ");
		if (used && used + 1 + word > width) {
			rows++;
			used = 0;
		}
		used += (used > 0) + word;
		for (; used > width; used -= width)
			rows++;
		text += word + (text[word] == ' ');
	}
	return rows + (used == width);
}

bool composer_has_room(const struct term_composer *c, const struct screen *s, const char *text)
{
	unsigned width = text_width(c, s);
	return width > 0 && rows_needed(text, width) <= c->rows(s->height);
}

/* --- the screen as a whole --- */

static const struct screen_row *last_row(const struct screen *s)
{
	size_t n = s->n;
	while (n > 1 && blank(&s->rows[n - 1]))
		n--;
	return &s->rows[n - 1];
}

/* Where a dialog begins: at the last rule above the cursor, else anywhere. */
static size_t dialog_begin(const struct term_composer *c, const struct screen *s)
{
	if (!c->ruled)
		return 0;
	for (size_t at = s->cursor_y + 1; at-- > 0;)
		if (is_rule(&s->rows[at]))
			return at;
	return 0;
}

static bool mark_fits(const struct term_mark *mark, const struct screen *s, size_t from)
{
	if (mark->last && !screen_row_has(last_row(s), mark->last))
		return false;
	for (size_t at = from; at < s->n; at++)
		if (screen_row_has(&s->rows[at], mark->any))
			return true;
	return false;
}

enum term_screen screen_classify(const struct term_composer *c, const struct screen *s)
{
	struct composer_view v;
	enum found found = read_prompt(c, s, &v);
	if (found == FOUND_MODE)
		return SCREEN_PROMPT;
	if (found == FOUND_PROMPT) {
		for (size_t at = v.last + 1; c->login_note && at < s->n; at++)
			if (screen_row_has(&s->rows[at], c->login_note))
				return SCREEN_LOGIN;
		for (size_t at = 0; c->login_answer && !v.busy && at < v.first; at++)
			if (strcmp(s->rows[at].text, c->login_answer) == 0)
				return SCREEN_LOGIN;
		return v.busy ? SCREEN_BUSY : SCREEN_PROMPT;
	}
	size_t from = dialog_begin(c, s);
	for (const struct term_mark *mark = c->marks; mark->any; mark++)
		if (mark_fits(mark, s, from))
			return mark->screen;
	return SCREEN_OTHER;
}

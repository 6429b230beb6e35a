/* The prompt of Claude Code, as 2.1.330 draws it, in both of its renderers (the alternate screen, and the
 * older one in the normal screen):
 *
 *	✻ Pondering… (5s · ↓ 8 tokens)          while a turn runs
 *	──────────────────────────── name ─     the name only if the session has one
 *	❯ text, broken at spaces                ❯ and a no-break space
 *	  further rows
 *	───────────────────────────────────
 *	  ⏸ manual mode on · esc to interrupt   the second half only while a turn runs and the prompt
 *	                                        is empty
 *
 * The cursor is hidden (Claude draws one itself) but placed. An empty prompt may show a suggestion or a
 * hint, dim, its first character inverse. Shell mode has "! " in place of the mark. A prompt of many rows
 * scrolls, with "↑ 3 more" in its upper rule.
 *   Every dialog takes the prompt's place, with "❯ " and an ordinary space in its chosen row. The list of
 * background agents has a prompt of its own that would start one: it has the ordinary space too. */
#include "agent/composers.h"

#include <string.h>

#include "base/alloc.h"

enum { SPINNER_ROWS = 16 }; /* between the spinner and the prompt: a task list, a tip, queued messages */

/* "✻ Pondering…" or "✻ Pondering… (5s)", but not "✻ Pondered for 5s". */
static bool is_spinner(const struct screen_row *row)
{
	static const char *const glyphs[] = {"· ", "✢ ", "* ", "✳ ", "✶ ", "✻ ", "✽ "};
	static const char dots[] = "…";
	const size_t n = sizeof(dots) - 1;
	for (size_t i = 0; i < ARRAY_SIZE(glyphs); i++)
		if (screen_row_begins(row, glyphs[i]))
			return screen_row_has(row, "… (") ||
			       (row->len >= n && memcmp(row->text + row->len - n, dots, n) == 0);
	return false;
}

static bool busy(const struct screen *s, const struct composer_view *prompt)
{
	for (size_t at = prompt->last + 1; at < s->n; at++)
		if (screen_row_has(&s->rows[at], "esc to interrupt"))
			return true;
	for (size_t at = prompt->first, n = 0; at-- > 0 && n < SPINNER_ROWS; n++)
		if (is_spinner(&s->rows[at]))
			return true;
	return false;
}

static unsigned rows(unsigned height)
{
	return height >= 16 ? height / 2 - 5 : 3;
}

static const struct term_mark marks[] = {
	{SCREEN_TRUST, "Is this a project you created or one you trust?", NULL},
	{SCREEN_TRUST, "Yes, I trust this folder", NULL},
	{SCREEN_LOGIN, "Do you want to use this API key?", NULL},
	{SCREEN_LOGIN, "Select login method", NULL},
	{SCREEN_LOGIN, "Paste code here if prompted", NULL},
	{SCREEN_PERMISSION, "Do you want to ", NULL},
	{SCREEN_PERMISSION, "Would you like to proceed?", NULL},
	{0},
};

const struct term_composer claude_composer = {
	.prompt = "❯\u00a0",
	.mode_prompt = "!\u00a0",
	.indent = 2,
	.margin = 2,
	.ruled = true,
	.choice = "❯",
	.login_note = "Not logged in",
	.login_answer = "  ⎿ \u00a0Not logged in · Please run /login",
	.marks = marks,
	.busy = busy,
	.rows = rows,
};

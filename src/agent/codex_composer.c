/* The prompt of Codex, as 0.169.0 draws it, on the alternate screen:
 *
 *	• Working (5s • esc to interrupt)       while a turn runs
 *
 *	› text, broken at spaces                › bold, and not dim as in the history
 *	  further rows
 *
 *	  gpt-5.4 default · ~/project
 *
 * There is no frame, so it is told from other things with a "› " by what cannot be otherwise: the cursor is
 * shown and at the text's begin, the mark is bold, and the empty prompt shows its placeholder, dim. A form
 * that asks for a name has a plain mark and another placeholder; a side conversation ("Ask a follow-up
 * question") looks the same but for the placeholder, and is not where messages go. Shell mode has "!" as
 * its mark. Every dialog hides the cursor; so does browsing the transcript, and a search has it elsewhere. */
#include "agent/composers.h"

#include "base/alloc.h"

enum { STATUS_ROWS = 16 }; /* between the status line and the prompt: what is queued */

static bool busy(const struct screen *s, const struct composer_view *prompt)
{
	for (size_t at = prompt->first, n = 0; at-- > 0 && n < STATUS_ROWS; n++) {
		const struct screen_row *row = &s->rows[at];
		if ((screen_row_begins(row, "• ") || screen_row_begins(row, "◦ ")) &&
		    screen_row_has(row, "s • esc"))
			return true;
	}
	for (size_t at = prompt->last + 1; at < s->n; at++)
		if (screen_row_has(&s->rows[at], "tab to queue message"))
			return true;
	return false;
}

static unsigned rows(unsigned height)
{
	return height > 4 ? height - 4 : 1;
}

static const char *const placeholders[] = {"Ask Codex to do anything", NULL};

static const struct term_mark marks[] = {
	{SCREEN_TRUST, "Trust this folder?", "enter continue"},
	{SCREEN_TRUST, "Hooks need review", "enter confirm"},
	{SCREEN_LOGIN, "Sign in with ChatGPT", "enter to continue"},
	{SCREEN_LOGIN, "Finish signing in via your browser", "esc to cancel"},
	{SCREEN_PERMISSION, "Would you like to ", "esc to cancel"},
	{SCREEN_PERMISSION, "Do you want to approve ", "esc to cancel"},
	{0},
};

const struct term_composer codex_composer = {
	.prompt = "›",
	.gap = 1,
	.prompt_attr = SCREEN_BOLD,
	.prompt_attr_not = SCREEN_DIM,
	.mode_prompt = "!",
	.indent = 2,
	.margin = 1,
	.cursor_shown = true,
	.placeholders = placeholders,
	.marks = marks,
	.busy = busy,
	.rows = rows,
};

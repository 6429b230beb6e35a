/* Where a runtime's prompt is on its screen, and what is in it: const data of each backend (agent/), and the
 * pure functions that read a screen by it.
 *
 * The anchor is the cursor. Text on a screen proves little, for an agent prints what it likes: a message may
 * hold a perfect picture of an empty prompt. But the runtime puts the terminal's cursor where its input goes,
 * and in a dialog that is elsewhere. So a prompt is only ever what stands around the cursor, and whatever is
 * not understood counts as no prompt. */
#ifndef TERM_COMPOSER_H
#define TERM_COMPOSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/timeval.h"
#include "term/screen.h"

/* What a screen tells of its runtime; the typed failures of D8 come from here. */
enum term_screen {
	SCREEN_OTHER,	   /* not understood, or a view or dialog of no particular kind */
	SCREEN_PROMPT,	   /* waits for input */
	SCREEN_BUSY,	   /* a turn runs */
	SCREEN_LOGIN,	   /* wants a login, or a decision about credentials */
	SCREEN_TRUST,	   /* asks whether a folder or its hooks may be trusted */
	SCREEN_PERMISSION, /* asks whether a tool may run */
	SCREEN_MAX_,
};

/* "other", "prompt", "busy", "login", "trust_dialog", "permission_dialog". */
const char *term_screen_name(enum term_screen screen);

enum composer_state {
	PROMPT_UNKNOWN, /* the screen is not understood */
	PROMPT_EMPTY,	/* ready to be typed into */
	PROMPT_TEXT,	/* holds a draft, or is in a mode of its own (shell, …) */
	PROMPT_BUSY,	/* empty, but a turn runs */
	PROMPT_DIALOG,	/* something else takes the keys */
};

struct composer_view {
	enum composer_state state;
	bool found;	    /* the prompt, and the cursor in it: */
	bool empty;	    /* nothing in it but what the runtime shows by itself */
	bool busy;	    /* a turn runs */
	size_t first, last; /* its rows */
};

/* A dialog: a screen without a prompt that has `any` anywhere, `last` (or NULL) in its last row that is not
 * blank. */
struct term_mark {
	enum term_screen screen;
	const char *any;
	const char *last;
};

struct term_composer {
	const char *prompt;	 /* begins the prompt's first row, at column 0 */
	unsigned gap;		 /* spaces that follow it */
	uint8_t prompt_attr;	 /* attributes that it has, and … */
	uint8_t prompt_attr_not; /* … has not */
	const char *mode_prompt; /* what stands there in another mode, or NULL */
	unsigned indent;	 /* columns before the text, in each of its rows */
	unsigned margin;	 /* columns behind it that stay free */
	bool ruled;		 /* it stands between two rules ("────") */
	bool cursor_shown;	 /* the cursor is seen in it; hidden, it belongs to something else */
	/* One of these is in the empty prompt, dim. NULL: any dim text, or none. */
	const char *const *placeholders;
	const char *choice;	       /* begins a dialog's chosen row, under the cursor; or NULL */
	const char *login_note;	       /* stands below the prompt of a session without login; or NULL */
	const char *login_answer;      /* the row by which it answers a prompt then; or NULL */
	const struct term_mark *marks; /* ends with one without `any`; the first that fits counts */
	/* Whether a turn runs, by what stands around the prompt. */
	bool (*busy)(const struct screen *s, const struct composer_view *prompt);
	unsigned (*rows)(unsigned height); /* that the prompt grows to in a pane of so many, at least */
	usec_t settle;			   /* pause between text that is shown and Enter */
};

/* Reads the prompt. */
void composer_read(const struct term_composer *c, const struct screen *s, struct composer_view *ret);
/* Whether the prompt holds exactly `text` (one line, single spaces), with the cursor behind it. */
bool composer_shows(const struct term_composer *c, const struct screen *s, const struct composer_view *view,
		    const char *text);
/* Whether the pane has room to show the whole `text` in the prompt. */
bool composer_has_room(const struct term_composer *c, const struct screen *s, const char *text);
/* What the screen tells of the runtime. */
enum term_screen screen_classify(const struct term_composer *c, const struct screen *s);

#endif

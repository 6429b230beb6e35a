/* The terminal transport: types one short wake line into the prompt of an agent's pane (D5). The message
 * itself never comes this way; the agent fetches it by hook or MCP.
 *
 * What happens, each step only if the one before it left no doubt:
 *   1. look	the pane is the expected one (server, pane, process with its start time), it shows its program
 *		and not a mode of tmux, the agent is in its foreground, nobody pressed a key in it for two
 *		seconds, and the composer finds an empty prompt with room for the text, and no turn running
 *   2. type	tmux pastes the text (bracketed) if, in the same step, all that it can tell of the pane is
 *		still as it was: ids, mode, size, the foreground command, where the cursor stands
 *   3. verify	looks until the prompt shows exactly the text, with the cursor behind it
 *   4. enter	tmux sends Enter, apart, if in the same step the cursor still stands there and the text is
 *		on the screen
 *   5. verify	looks until the prompt is empty again
 * Neither Escape nor Ctrl-C is ever sent (D6). If a turn has begun between 2 and 3, the text is taken back
 * by one backspace a character, under the conditions of step 4. Nothing else is ever removed: what is left in
 * the prompt after an unknown outcome is a draft to all later orders, until a person removes it.
 *
 * What cannot be known. A terminal has one queue of input, and what is in it cannot be seen: a person may
 * press a key at any moment, and between that moment and the program's drawing it, no look and no format
 * of tmux tells of it. So there is always an interval, of about the time in which the program draws
 * (some 10 to 40 ms), in which a key of theirs and the text meet. What this design makes of it:
 *   - before step 2: their key and the text stand in the prompt together. Step 3 sees that it is not the
 *     text alone, and Enter is not pressed. Nothing is removed, for which of the characters are theirs
 *     is not provable; the outcome is unknown. Two seconds without a key make that rare
 *   - between 3 and 4: a key that was drawn has moved the cursor, and step 4 does not happen. A key that
 *     was not drawn yet is submitted at the end of the wake line: a character too many in a line of ours, or,
 *     if the key was Enter, an empty line besides
 *   - their Enter between 2 and 4 submits the text itself: the prompt is then not as expected; unknown
 *   - a dialog that opens after step 2, before the program has read the paste: those of Claude Code and Codex
 *     ignore a bracketed paste, or take it as the text of an answer (tried); only keys choose. Step 3 does
 *     not find the prompt, so Enter is not pressed
 *   - that a process is in the foreground is asked of the kernel just before steps 2 and 4, and of tmux (by
 *     the name of its command) within them. One of the same name that took its place between is told apart
 *     by its screen only
 *   - two daemons with different state folders do not know of each other's typing; they see it as a person's
 *
 * An order is carried out once: after a crash its outcome is unknown, and it is never typed again (see
 * architecture.md, "Effects"). Whether the message arrived is proven by the agent's fetching it, not by this.
 *
 * Bounds: at most INJECT_LOOKS looks follow each of steps 2 and 4, in intervals that grow from 20 ms to
 * half a second, together 3.7 s; a look or a step is one short-lived tmux child. */
#ifndef TERM_INJECT_H
#define TERM_INJECT_H

#include "base/error.h"
#include "term/composer.h"
#include "term/term.h"
#include "term/tmux.h"

enum {
	INJECT_TEXT_MAX = 200,
	INJECT_LOOKS = 12,
	INJECT_QUIET = 2, /* seconds since the last key of a person */
};

struct term_inject {
	struct term_proof pane; /* spawn_id may be NULL: a pane that Coppice did not start */
	pid_t agent;		/* the expected agent, and … */
	uint64_t agent_start;	/* … its start time (proc.h) */
	const struct term_composer *composer;
	const char *text; /* wake_text_check() */
};

enum inject_outcome {
	INJECT_DONE,	/* typed, submitted, and the prompt is empty again */
	INJECT_REFUSED, /* nothing was submitted, and what was typed (if anything) was taken back */
	INJECT_UNKNOWN, /* something was typed, or may have been */
};

enum inject_why {
	INJECT_WHY_NONE,
	/* refused; the first two and `strange` also unknown, once something was typed: */
	INJECT_GONE,	 /* the pane, its server or the agent has ended */
	INJECT_REPLACED, /* another server, process or spawn is in that pane now */
	INJECT_FOREIGN,	 /* the agent is not in the foreground, or it cannot be told */
	INJECT_MODE,	 /* copy-mode, or input is off or shared with other panes */
	INJECT_PERSON,	 /* somebody is typing in that pane */
	INJECT_DIALOG,	 /* a dialog or another view takes the keys; `screen` says which */
	INJECT_DRAFT,	 /* the prompt holds text */
	INJECT_BUSY,	 /* a turn runs */
	INJECT_STRANGE,	 /* the screen is not understood */
	INJECT_ROOM,	 /* the pane is too small to show the text */
	INJECT_CHANGED,	 /* the pane changed between the look and the typing */
	/* refused or unknown: */
	INJECT_TMUX, /* tmux did not answer */
	/* unknown: */
	INJECT_MIXED,	  /* the prompt never showed exactly the text; Enter was not pressed */
	INJECT_UNSENT,	  /* the text stands in the prompt; Enter could not be pressed any more */
	INJECT_UNCLEARED, /* Enter was pressed, but the prompt is not empty */
	INJECT_WHY_MAX_,
};

/* For traces: "gone", "replaced", …; "none". */
const char *inject_why_name(enum inject_why why);

/* Valid during the call only. */
struct term_injected {
	enum inject_outcome outcome;
	enum inject_why why;
	enum term_screen screen; /* when it was last looked at; SCREEN_OTHER before */
	/* NULL when done. ERR_NOT_FOUND (gone), ERR_TERMINAL, ERR_TIMED_OUT or ERR_MISSING (tmux), else
	 * ERR_REFUSED. */
	const struct error *err;
};

/* Whether `text` may be typed: 1 to INJECT_TEXT_MAX characters, single spaces between its words, the first
 * one a letter or digit, all of them letters, digits and a few marks. Others open a menu in some runtime
 * ('@', '$', '#', '!', and '/' or ':' at the begin of a word), where Enter would choose an entry. */
int wake_text_check(const char *text, struct error *err) _warn_unused_;
/* Makes such a text of any other: control bytes and what is not allowed are stripped, and it is cut. Its
 * length; 0 if nothing is left. */
size_t wake_text_make(const char *from, char ret[INJECT_TEXT_MAX + 1]);

/* Carries out the order; nothing of it is kept but the composer. `done` is called exactly once, from the
 * loop and never from inside term_inject(); by tmux_free() at the latest. Returns at once, and never calls
 * it: ERR_INVALID for what is no order, ERR_CONFLICT while another order for the pane is under way. */
int term_inject(struct tmux *t, const struct term_inject *order,
		void (*done)(void *data, const struct term_injected *result), void *data,
		struct error *err) _warn_unused_;

#endif

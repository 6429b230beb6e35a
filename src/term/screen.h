/* What a pane shows, as tmux tells it: the rows of its screen with the few attributes that tell a
 * placeholder from typed text, where the cursor is, and the facts of the pane that decide whether it may be
 * typed into.
 *
 * Everything in it comes from whatever runs in the pane, which may print anything: a screen is evidence of
 * what a program drew, never more. Rows are the screen's own; wrapped lines are not joined, for only so does
 * the cursor's row name one of them. */
#ifndef TERM_SCREEN_H
#define TERM_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "term/tmux.h"

enum { SCREEN_ROWS_MAX = 1000, SCREEN_COLUMNS_MAX = 10000, SCREEN_COMMAND_SIZE = 64 };

/* Attributes of a byte. */
enum { SCREEN_BOLD = 1, SCREEN_DIM = 2, SCREEN_INVERSE = 4 };

struct screen_row {
	const char *text; /* UTF-8 as it came, no control bytes, no spaces at its end; NUL-terminated */
	size_t len;
	const uint8_t *attr; /* one of each byte of `text` */
};

struct screen {
	unsigned width, height;
	unsigned cursor_x, cursor_y; /* x is `width` when the cursor waits behind the last column */
	bool cursor_shown;
	bool alternate; /* the alternate screen */
	bool in_mode;	/* copy-mode or another: keys go to tmux; the rows are the program's all the same */
	bool dead;	/* the pane outlives its process */
	bool input_off;
	bool synchronized; /* keys go to other panes too */
	pid_t server, pid; /* of tmux, and the pane's process */
	/* Seconds since somebody pressed a key at a client that shows this very pane; -1 if none does. */
	int64_t key_age;
	char command[SCREEN_COMMAND_SIZE]; /* argv[0] of the foreground group's leader, perhaps cut */
	size_t n;			   /* rows: `height` of them */
	struct screen_row *rows;	   /* owned */
	char *text;			   /* owned: what the rows point into */
	uint8_t *attr;			   /* owned */
};

void screen_release(struct screen *s);

/* Whether a row begins with `text`, or has it. */
bool screen_row_begins(const struct screen_row *row, const char *text);
bool screen_row_has(const struct screen_row *row, const char *text);

/* Appends the commands that print a pane's screen in the form that screen_parse() reads. */
void screen_commands(const char *pane, struct strbuf *line);
/* Reads that. ERR_TERMINAL when it has another form, as it has when hooks of the user print between. */
int screen_parse(const char *text, size_t len, struct screen *ret, struct error *err) _warn_unused_;

/* Whether `pane` is a pane's id ("%7"). */
bool term_pane_id_ok(const char *pane);

/* Looks at a pane. `done` gets the screen, which is valid during the call only, or an error as of struct
 * tmux_reply (ERR_NOT_FOUND when there is no such pane). ERR_INVALID at once for what is no pane id. */
int term_look(struct tmux *t, const char *pane,
	      void (*done)(void *data, const struct error *err, const struct screen *screen), void *data,
	      struct error *err) _warn_unused_;

#endif

/* What commands print: tables and colour on a terminal, plain columns else, JSON when asked for. Text from
 * others is escaped before it reaches a terminal: all text goes through these functions, and no escape
 * sequence but their own colours is ever written, and those only to a terminal that takes them. */
#ifndef CLI_OUT_H
#define CLI_OUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"

enum colour { PLAIN, BOLD, DIM, RED, GREEN, YELLOW, BLUE, CYAN };

enum { OUT_WIDTH = 80 }; /* columns that texts are wrapped to */

/* Whether `f` is a terminal that takes colour (NO_COLOR, TERM=dumb). */
bool out_colour(FILE *f);
/* Prints to stdout, escaping everything but newlines and tabs. */
void out_say(const char *fmt, ...) _printf_(1, 2);
/* The same in a colour, if stdout takes any. */
void out_in(enum colour colour, const char *fmt, ...) _printf_(2, 3);
/* `text` as one word of a shell, quoted if it has to be; caller frees. */
char *out_word(const char *text);
/* One JSON document and a newline. */
void out_json(const json_t *json);
/* Prints text from others, escaped; newlines are kept when `lines`. */
void out_text(FILE *f, const char *text, bool lines);
/* Words of `text` on lines of at most OUT_WIDTH columns, where no single word is longer. The first line
 * goes on at column `at`, the others start at `indent`. A newline in the text begins a new line. */
void out_wrapped(const char *text, int at, int indent);
/* Writes out what is still buffered: 0, or an error when not all of it could be written to stdout. */
int out_end(struct error *err) _warn_unused_;
/* "coppice: what happened: what to do", or the error object with --json. */
void out_error(const struct error *err, bool json);

struct out_column {
	const char *title;
	const char *key; /* of the row's object */
	const char *(*show)(const json_t *row, char *buf,
			    size_t size);	 /* instead of the value as it is; or NULL */
	enum colour (*paint)(const json_t *row); /* or NULL */
	bool right;
	int max; /* columns of the widest text shown; 0: no limit */
};

/* Rows (an array of objects) as aligned columns under their titles; `none` is printed when there is no row.
 */
void out_table(const struct out_column *columns, size_t n, const json_t *rows, const char *none);
/* For columns: the row's "path", with "~" for the home folder. */
const char *out_path(const json_t *row, char *buf, size_t size);
/* The age of an RFC 3339 time, as "5s", "3m", "2h", "4d"; "" for NULL. */
const char *out_age(const char *time, char *buf, size_t size);
/* "512 bytes", "1.5 GiB" */
const char *out_size(uint64_t bytes, char *buf, size_t size);

/* The bytes of the character at `text`, which is not at its end, and its number; a byte that begins none is
 * taken for itself. */
size_t out_character(const char *text, uint32_t *ret);
/* Columns that a UTF-8 text takes on a terminal; a byte that is none counts as one. */
int out_width(const char *text);
/* Shortens a text of valid UTF-8 to `max` columns, the last one being an ellipsis; `size` is the room at
 * `text`, which the ellipsis may need up to two bytes more of. */
void out_clip(char *text, size_t size, int max);

#endif

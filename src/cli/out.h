/* What commands print: tables and colour on a terminal, plain columns else, JSON when asked for. Text from
 * others is escaped before it reaches a terminal. */
#ifndef CLI_OUT_H
#define CLI_OUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

enum colour { PLAIN, BOLD, DIM, RED, GREEN, YELLOW, BLUE, CYAN };

/* Whether `f` is a terminal that takes colour (NO_COLOR, TERM=dumb). */
bool out_colour(FILE *f);
/* Escape sequence that begins a colour on stdout, or "" without colour; out_colour_code(PLAIN) ends it. */
const char *out_colour_code(enum colour colour);
/* One JSON document and a newline. */
void out_json(const json_t *json);
/* Prints text from others, escaped; newlines are kept when `lines`. */
void out_text(FILE *f, const char *text, bool lines);
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
/* The age of an RFC 3339 time, as "5s", "3m", "2h", "4d"; "" for NULL. */
const char *out_age(const char *time, char *buf, size_t size);

#endif

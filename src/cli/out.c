/* See out.h. */
#include "cli/out.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/text.h"

enum { SHOWN_MAX = 4096 };

bool out_colour(FILE *f)
{
	const char *no = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	return isatty(fileno(f)) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

const char *out_colour_code(enum colour colour)
{
	static const char *const codes[] = {
		[PLAIN] = "\x1b[0m",  [BOLD] = "\x1b[1m",    [DIM] = "\x1b[2m",	  [RED] = "\x1b[31m",
		[GREEN] = "\x1b[32m", [YELLOW] = "\x1b[33m", [BLUE] = "\x1b[34m", [CYAN] = "\x1b[36m"};
	static int on = -1;
	if (on < 0)
		on = out_colour(stdout);
	return on ? codes[colour] : "";
}

void out_json(const json_t *json)
{
	(void)json_dumpf(json, stdout,
			 JSON_COMPACT); /* a stdout that takes nothing shows at the final flush */
	(void)putchar('\n');
}

void out_text(FILE *f, const char *text, bool lines)
{
	size_t len = strlen(text);
	autostrbuf shown = STRBUF_INIT(len * 4 + 1);
	text_escape(text, len, lines, &shown);
	(void)fputs(strbuf_str(&shown), f);
}

void out_error(const struct error *err, bool json)
{
	(void)fflush(stdout);
	if (json) {
		json_auto_t *object = error_to_json(err);
		(void)json_dumpf(object, stderr, JSON_COMPACT);
		(void)fputc('\n', stderr);
		return;
	}
	bool colour = out_colour(stderr);
	(void)fputs(colour ? "\x1b[31mcoppice:\x1b[0m " : "coppice: ", stderr);
	out_text(stderr, err->message ? err->message : "failed", true);
	if (err->hint) {
		(void)fputs(": ", stderr);
		out_text(stderr, err->hint, true);
	}
	(void)fputc('\n', stderr);
}

/* Columns that a UTF-8 text takes; a byte that is none counts as one. */
static int text_width(const char *text)
{
	int width = 0;
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		width += (*p & 0xC0) != 0x80;
	return width;
}

/* Shortens a text to `max` columns, with an ellipsis. */
static void clip(char *text, int max)
{
	static const char ellipsis[] = "…";
	if (max <= 0 || text_width(text) <= max)
		return;
	char *p = text;
	for (int width = 0; *p; p++) {
		if ((*p & 0xC0) != 0x80 && ++width == max)
			break;
	}
	if ((size_t)(p - text) + sizeof(ellipsis) <= SHOWN_MAX)
		memcpy(p, ellipsis, sizeof(ellipsis));
}

static char *cell(const struct out_column *column, const json_t *row)
{
	char buf[SHOWN_MAX];
	const char *text = NULL;
	const json_t *value = json_object_get(row, column->key);
	if (column->show) {
		text = column->show(row, buf, sizeof(buf));
	} else if (json_is_integer(value)) {
		(void)snprintf(buf, sizeof(buf), "%lld", (long long)json_integer_value(value));
		text = buf;
	} else {
		text = json_string_value(value);
	}
	autostrbuf shown = STRBUF_INIT(SHOWN_MAX - 8);
	text_escape(text ? text : "-", text ? strnlen(text, 1000) : 1, false, &shown);
	char *copy = xcalloc(1, SHOWN_MAX);
	memcpy(copy, strbuf_str(&shown), shown.len);
	clip(copy, column->max);
	return copy;
}

static void print_cell(const struct out_column *column, const char *text, int width, bool last,
		       enum colour colour)
{
	int pad = width - text_width(text);
	if (column->right)
		(void)printf("%*s", pad, "");
	(void)printf("%s%s%s", colour == PLAIN ? "" : out_colour_code(colour), text,
		     colour == PLAIN ? "" : out_colour_code(PLAIN));
	if (!last)
		(void)printf("%*s", (column->right ? 0 : pad) + 2, "");
}

void out_table(const struct out_column *columns, size_t n, const json_t *rows, const char *none)
{
	size_t count = json_array_size(rows);
	if (!count) {
		(void)puts(none);
		return;
	}
	char **cells = xcalloc(count * n, sizeof(*cells));
	int *widths = xcalloc(n, sizeof(*widths));
	for (size_t c = 0; c < n; c++) {
		widths[c] = text_width(columns[c].title);
		for (size_t r = 0; r < count; r++) {
			cells[r * n + c] = cell(&columns[c], json_array_get(rows, r));
			int width = text_width(cells[r * n + c]);
			widths[c] = width > widths[c] ? width : widths[c];
		}
	}
	for (size_t c = 0; c < n; c++)
		print_cell(&columns[c], columns[c].title, widths[c], c + 1 == n, BOLD);
	(void)putchar('\n');
	for (size_t r = 0; r < count; r++) {
		for (size_t c = 0; c < n; c++) {
			enum colour colour =
				columns[c].paint ? columns[c].paint(json_array_get(rows, r)) : PLAIN;
			print_cell(&columns[c], cells[r * n + c], widths[c], c + 1 == n, colour);
			free(cells[r * n + c]);
		}
		(void)putchar('\n');
	}
	free(cells);
	free(widths);
}

const char *out_age(const char *time_text, char *buf, size_t size)
{
	struct tm tm = {0};
	if (!time_text || !strptime(time_text, "%Y-%m-%dT%H:%M:%S", &tm))
		return "";
	long long age = (long long)(time(NULL) - timegm(&tm));
	age = age < 0 ? 0 : age;
	if (age < 60)
		(void)snprintf(buf, size, "%llds", age);
	else if (age < 3600)
		(void)snprintf(buf, size, "%lldm", age / 60);
	else if (age < 86400)
		(void)snprintf(buf, size, "%lldh", age / 3600);
	else
		(void)snprintf(buf, size, "%lldd", age / 86400);
	return buf;
}

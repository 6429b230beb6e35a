/* See out.h. */
#include "cli/out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/text.h"

enum { SHOWN_MAX = 4096, SAID_MAX = 1 << 20 };

bool out_colour(FILE *f)
{
	const char *no = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	return isatty(fileno(f)) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

static const char *colour_code(enum colour colour)
{
	static const char *const codes[] = {
		[PLAIN] = "\x1b[0m",  [BOLD] = "\x1b[1m",    [DIM] = "\x1b[2m",	  [RED] = "\x1b[31m",
		[GREEN] = "\x1b[32m", [YELLOW] = "\x1b[33m", [BLUE] = "\x1b[34m", [CYAN] = "\x1b[36m"};
	static int on = -1;
	if (on < 0)
		on = out_colour(stdout);
	return on ? codes[colour] : "";
}

static void _printf_(2, 0) say(enum colour colour, const char *fmt, va_list ap)
{
	autostrbuf text = STRBUF_INIT(SAID_MAX), shown = STRBUF_INIT(4 * SAID_MAX);
	strbuf_vaddf(&text, fmt, ap);
	text_escape(strbuf_str(&text), text.len, true, &shown);
	if (colour != PLAIN)
		(void)fputs(colour_code(colour), stdout);
	(void)fputs(strbuf_str(&shown), stdout);
	if (colour != PLAIN)
		(void)fputs(colour_code(PLAIN), stdout);
}

void out_say(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say(PLAIN, fmt, ap);
	va_end(ap);
}

void out_in(enum colour colour, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say(colour, fmt, ap);
	va_end(ap);
}

char *out_word(const char *text)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./@%+=:,-";
	if (*text && strspn(text, safe) == strlen(text))
		return xstrdup(text);
	autostrbuf word = STRBUF_INIT(4 * strlen(text) + 2);
	text_quote(text, &word);
	return strbuf_detach(&word);
}

/* JSON itself escapes the controls of ASCII but DEL, and none of those beyond (C1), all of which can only
 * stand within its strings. */
static void put_json(FILE *f, const json_t *json)
{
	autofree char *text = json_text(json);
	for (const char *p = text; *p;) {
		size_t plain = strcspn(p, "\x7f\xc2");
		(void)fwrite(p, 1, plain, f); /* what cannot be written shows at the final flush */
		p += plain;
		if (*p == '\x7f') {
			(void)fputs("\\u007f", f);
			p++;
		} else if (*p && (unsigned char)p[1] < 0xA0) {
			(void)fprintf(f, "\\u00%02x", (unsigned char)p[1]);
			p += 2;
		} else if (*p) {
			(void)fputc(*p++, f);
		}
	}
	(void)fputc('\n', f);
}

void out_json(const json_t *json)
{
	put_json(stdout, json);
}

void out_text(FILE *f, const char *text, bool lines)
{
	size_t len = strlen(text);
	autostrbuf shown = STRBUF_INIT(len * 4 + 1);
	text_escape(text, len, lines, &shown);
	(void)fputs(strbuf_str(&shown), f);
}

/* Where the next word of a wrapped text ends; what is in brackets stays together: "[--base REF]". */
static size_t word_len(const char *text)
{
	size_t n = 0;
	for (int depth = 0; text[n] && text[n] != '\n' && (text[n] != ' ' || depth > 0); n++)
		depth += text[n] == '[' ? 1 : text[n] == ']' ? -1 : 0;
	return n;
}

static void wrap_to(const char *text, int at, int indent, FILE *f)
{
	bool first = true; /* on its line */
	for (const char *p = text; *p;) {
		size_t n = word_len(p);
		autofree char *word = xstrndup(p, n);
		int width = out_width(word);
		if (n && !first && at + 1 + width > OUT_WIDTH) {
			(void)fprintf(f, "\n%*s", indent, "");
			at = indent;
			first = true;
		}
		if (n) {
			(void)fputs(first ? "" : " ", f);
			out_text(f, word, false);
			at += width + !first;
			first = false;
		}
		p += n;
		if (*p == '\n') {
			(void)fprintf(f, "\n%*s", p[1] == '\n' || !p[1] ? 0 : indent, "");
			at = indent;
			first = true;
		}
		p += *p != '\0';
	}
}

void out_wrapped(const char *text, int at, int indent)
{
	wrap_to(text, at, indent, stdout);
}

int out_end(struct error *err)
{
	bool failed = ferror(stdout); /* an earlier write: its reason is lost */
	if (fflush(stdout) != 0)
		return error_errno(err, errno, "stdout takes no more");
	return failed ? error_set(err, ERR_SYSTEM, "stdout takes no more") : 0;
}

/* The peers that a name could mean (R1). */
static void print_candidates(const json_t *list)
{
	size_t i;
	json_t *peer;
	json_array_foreach(list, i, peer)
	{
		static const char *const keys[] = {"peer_id", "status", "repo", "path"};
		const char *circle = json_str(peer, "circle"), *name = json_str(peer, "name");
		(void)fputs("\n  ", stderr);
		out_text(stderr, circle ? circle : "-", false);
		(void)fputc(':', stderr);
		out_text(stderr, name ? name : "-", false);
		for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
			const char *value = json_str(peer, keys[k]);
			(void)fputs(value ? "  " : "", stderr);
			out_text(stderr, value ? value : "", false);
		}
	}
}

/* Lines below the first one are indented. The problems of a file, each beginning with where it is, all stand
 * below a line of ours. */
static void print_lines(const char *message, bool problems)
{
	const char *between = problems ? "these problems were found:\n  " : "";
	for (const char *p = message; *p;) {
		size_t len = strcspn(p, "\n");
		autofree char *line = xstrndup(p, len);
		(void)fputs(between, stderr);
		out_text(stderr, line, false);
		between = "\n  ";
		p += len + (p[len] == '\n');
	}
}

static void print_message(const struct error *err)
{
	const char *message = err->message ? err->message : "failed";
	bool several = strchr(message, '\n') != NULL;
	print_lines(message, several && json_is_array(json_object_get(err->details, "problems")));
	print_candidates(json_object_get(err->details, "candidates"));
	if (!err->hint)
		return;
	bool apart = several || json_object_get(err->details, "candidates");
	(void)fputs(apart ? "\n" : ": ", stderr);
	out_text(stderr, err->hint, true);
}

void out_error(const struct error *err, bool json)
{
	(void)fflush(stdout);
	if (json) {
		json_auto_t *object = error_to_json(err);
		put_json(stderr, object);
		return;
	}
	(void)fputs(out_colour(stderr) ? "\x1b[31mcoppice:\x1b[0m " : "coppice: ", stderr);
	print_message(err);
	(void)fputc('\n', stderr);
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
	size_t room = shown.len + sizeof("…");
	char *copy = xcalloc(1, room);
	memcpy(copy, strbuf_str(&shown), shown.len);
	out_clip(copy, room, column->max);
	return copy;
}

static void print_cell(const struct out_column *column, const char *text, int width, bool last,
		       enum colour colour)
{
	int pad = width - out_width(text);
	if (column->right)
		(void)printf("%*s", pad, "");
	(void)printf("%s%s%s", colour == PLAIN ? "" : colour_code(colour), text,
		     colour == PLAIN ? "" : colour_code(PLAIN));
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
		widths[c] = out_width(columns[c].title);
		for (size_t r = 0; r < count; r++) {
			cells[r * n + c] = cell(&columns[c], json_array_get(rows, r));
			int width = out_width(cells[r * n + c]);
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

const char *out_path(const json_t *row, char *buf, size_t size)
{
	const char *path = json_str(row, "path"), *home = getenv("HOME");
	size_t len = home ? strlen(home) : 0;
	bool below = path && len > 1 && strncmp(path, home, len) == 0 && (path[len] == '/' || !path[len]);
	(void)snprintf(buf, size, "%s%s", below ? "~" : "", path ? path + (below ? len : 0) : "");
	return buf;
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

const char *out_size(uint64_t bytes, char *buf, size_t size)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	size_t unit = 0;
	double value = (double)bytes;
	while (value >= 1024 && unit + 1 < ARRAY_SIZE(units)) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(buf, size, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return buf;
}

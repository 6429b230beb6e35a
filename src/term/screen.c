/* Screens; see screen.h.
 *
 * The form: a line of facts, its fields separated by tabs and the first of them SCREEN_TOKEN, then one line
 * for each row, with SGR sequences for the attributes (`capture-pane -e`). tmux lets attributes run on
 * from one row to the next. Both commands are in one line, so that nothing happens between them.
 *   "%s" in the first one is the server's time, by strftime(3). */
#include "term/screen.h"

#include <stdlib.h>
#include <string.h>

#include "base/timeval.h"

#define SCREEN_TOKEN "coppice-screen"

/* In the order of parse_facts(). The command's name comes last, for it may hold anything. */
#define FACTS                                                                                                \
	SCREEN_TOKEN "\t#{pane_width}\t#{pane_height}\t#{cursor_x}\t#{cursor_y}\t#{cursor_flag}\t"           \
		     "#{alternate_on}\t#{pane_in_mode}\t#{pane_dead}\t#{pane_input_off}\t"                   \
		     "#{pane_synchronized}\t#{pid}\t#{pane_pid}\t"                                           \
		     "#{&&:#{session_attached},#{&&:#{window_active},#{pane_active}}}\t"                     \
		     "#{session_activity}\t%s\t#{pane_current_command}"

enum { FACT_NUMBERS = 15 };

void screen_release(struct screen *s)
{
	free(s->rows);
	free(s->text);
	free(s->attr);
	*s = (struct screen){0};
}

bool screen_row_begins(const struct screen_row *row, const char *text)
{
	size_t n = strlen(text);
	return row->len >= n && memcmp(row->text, text, n) == 0;
}

bool screen_row_has(const struct screen_row *row, const char *text)
{
	return strstr(row->text, text) != NULL;
}

void screen_commands(const char *pane, struct strbuf *line)
{
	tmux_command(line, (const char *const[]){"display-message", "-p", "-t", pane, FACTS, NULL});
	tmux_command(line, (const char *const[]){"capture-pane", "-p", "-e", "-t", pane, NULL});
}

/* --- the facts --- */

/* The next field of a line, which ends at `end`; the separator is replaced by NUL. */
static bool next_number(char **at, int64_t *ret)
{
	char *tab = strchr(*at, '\t');
	if (!tab)
		return false;
	*tab = '\0';
	if (number_parse(*at, 0, INT64_MAX, ret, NULL))
		return false;
	*at = tab + 1;
	return true;
}

static bool parse_facts(const char *line, size_t len, struct screen *s)
{
	autofree char *copy = xstrndup(line, len);
	char *at = copy + strlen(SCREEN_TOKEN "\t");
	int64_t f[FACT_NUMBERS];
	for (size_t i = 0; i < FACT_NUMBERS; i++)
		if (!next_number(&at, &f[i]))
			return false;
	if (f[0] < 1 || f[0] > SCREEN_COLUMNS_MAX || f[1] < 1 || f[1] > SCREEN_ROWS_MAX)
		return false;
	if (f[2] > f[0] || f[3] >= f[1] || f[10] > INT32_MAX || f[11] > INT32_MAX)
		return false;
	s->width = (unsigned)f[0];
	s->height = (unsigned)f[1];
	s->cursor_x = (unsigned)f[2];
	s->cursor_y = (unsigned)f[3];
	s->cursor_shown = f[4];
	s->alternate = f[5];
	s->in_mode = f[6];
	s->dead = f[7];
	s->input_off = f[8];
	s->synchronized = f[9];
	s->server = (pid_t)f[10];
	s->pid = (pid_t)f[11];
	/* A clock that was set back makes it "just now". */
	s->key_age = !f[12] ? -1 : f[14] > f[13] ? f[14] - f[13] : 0;
	size_t n = strnlen(at, SCREEN_COMMAND_SIZE - 1);
	memcpy(s->command, at, n);
	s->command[n] = '\0';
	return true;
}

/* --- the rows --- */

/* Skips the parameters of an extended colour (38, 48, 58), which are no attributes. */
static const char *skip_colour(const char *at, const char *end)
{
	size_t skip = 0;
	if (at < end && *at == '5')
		skip = 2;
	else if (at < end && *at == '2')
		skip = 4;
	for (; skip && at < end; at++)
		skip -= *at == ';';
	return at;
}

/* Applies the parameters of one SGR sequence. */
static uint8_t apply_sgr(const char *at, const char *end, uint8_t attr)
{
	while (at <= end) {
		unsigned n = 0;
		const char *start = at;
		for (; at < end && *at >= '0' && *at <= '9'; at++)
			n = n < 1000 ? n * 10 + (unsigned)(*at - '0') : n;
		bool plain = at == end || *at == ';';
		while (at < end && *at != ';')
			at++;
		at++;
		if (!plain) /* "4:3": a kind of underline */
			continue;
		if (n == 0 || start == end)
			attr = 0;
		else if (n == 1)
			attr |= SCREEN_BOLD;
		else if (n == 2)
			attr |= SCREEN_DIM;
		else if (n == 7)
			attr |= SCREEN_INVERSE;
		else if (n == 22)
			attr &= (uint8_t) ~(SCREEN_BOLD | SCREEN_DIM);
		else if (n == 27)
			attr &= (uint8_t)~SCREEN_INVERSE;
		else if (n == 38 || n == 48 || n == 58)
			at = skip_colour(at, end);
	}
	return attr;
}

/* One escape sequence, from behind its ESC; returns what comes after it. Never goes past the line. */
static const char *read_escape(const char *at, const char *end, uint8_t *attr)
{
	if (at == end)
		return at;
	char kind = *at++;
	if (kind == '[') {
		const char *from = at;
		while (at < end && (*at < 0x40 || *at > 0x7e))
			at++;
		if (at < end && *at == 'm')
			*attr = apply_sgr(from, at, *attr);
		return at < end ? at + 1 : at;
	}
	if (kind == ']' || kind == 'P' || kind == '_' || kind == '^' || kind == 'X') { /* up to ST or BEL */
		while (at < end && *at != '\a' && *at != '\033')
			at++;
		if (at < end && *at == '\033' && at + 1 < end)
			at++;
		return at < end ? at + 1 : at;
	}
	return (kind == '(' || kind == ')') && at < end ? at + 1 : at;
}

/* One row into the buffers at `*used`; its end is NUL. */
static void read_row(struct screen *s, const char *line, const char *end, size_t *used, uint8_t *attr)
{
	char *text = s->text + *used;
	uint8_t *attrs = s->attr + *used;
	size_t n = 0;
	for (const char *at = line; at < end;) {
		unsigned char c = (unsigned char)*at++;
		if (c == '\033') {
			at = read_escape(at, end, attr);
		} else if (c >= 0x20 && c != 0x7f) {
			text[n] = (char)c;
			attrs[n++] = *attr;
		}
	}
	while (n && text[n - 1] == ' ')
		n--;
	text[n] = '\0';
	attrs[n] = 0;
	s->rows[s->n++] = (struct screen_row){.text = text, .len = n, .attr = attrs};
	*used += n + 1;
}

static bool read_rows(struct screen *s, const char *at, const char *end)
{
	size_t used = 0;
	uint8_t attr = 0;
	/* A row is never longer than its line, and its NUL takes the place of the newline. */
	s->text = xmalloc((size_t)(end - at) + 1);
	s->attr = xmalloc((size_t)(end - at) + 1);
	s->rows = xcalloc(s->height, sizeof(*s->rows));
	while (at < end) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		if (!line_end || s->n == s->height)
			return false;
		read_row(s, at, line_end, &used, &attr);
		at = line_end + 1;
	}
	return s->n == s->height;
}

int screen_parse(const char *text, size_t len, struct screen *ret, struct error *err)
{
	struct screen s = {0};
	const char *end = text + len;
	static const char token[] = SCREEN_TOKEN "\t";
	bool ok = false;
	for (const char *at = text; at < end && !ok;) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		if (!line_end)
			break;
		size_t n = (size_t)(line_end - at);
		if (n >= sizeof(token) - 1 && memcmp(at, token, sizeof(token) - 1) == 0) {
			ok = parse_facts(at, n, &s) && read_rows(&s, line_end + 1, end);
			break;
		}
		at = line_end + 1;
	}
	if (!ok) {
		screen_release(&s);
		return error_set(err, ERR_TERMINAL, "tmux shows the pane in an unknown form");
	}
	*ret = s;
	return 0;
}

/* --- looking --- */

bool term_pane_id_ok(const char *pane)
{
	size_t n = strlen(pane);
	return n >= 2 && n < 16 && pane[0] == '%' && strspn(pane + 1, "0123456789") == n - 1;
}

struct look_request {
	void (*done)(void *data, const struct error *err, const struct screen *screen);
	void *data;
};

static void on_looked(void *data, const struct tmux_reply *reply)
{
	struct look_request *r = data;
	struct screen screen = {0};
	autoerror err = {0};
	if (reply->outcome == TMUX_REFUSED || reply->outcome == TMUX_NO_SERVER)
		(void)error_set(&err, ERR_NOT_FOUND, "the pane is gone");
	else if (reply->err)
		(void)error_set(&err, reply->err->code, "%s", reply->err->message);
	else if (screen_parse(reply->text, reply->len, &screen, &err) == 0)
		err.code = 0;
	r->done(r->data, err.code ? &err : NULL, err.code ? NULL : &screen);
	screen_release(&screen);
	free(r);
}

int term_look(struct tmux *t, const char *pane,
	      void (*done)(void *data, const struct error *err, const struct screen *screen), void *data,
	      struct error *err)
{
	if (!term_pane_id_ok(pane))
		return error_set(err, ERR_INVALID, "not a pane id");
	autostrbuf line = STRBUF_INIT(TMUX_LINE_MAX);
	screen_commands(pane, &line);
	struct look_request *r = xcalloc(1, sizeof(*r));
	*r = (struct look_request){.done = done, .data = data};
	int code = tmux_run(t, &line, on_looked, r, err);
	if (code)
		free(r);
	return code;
}

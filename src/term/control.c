/* tmux's control mode, as text; see control.h.
 *
 * The parser keeps one incomplete line and one open block. It trusts nothing in a block: content that
 * imitates a guard does not end it unless time, number and flags are those of its own %begin. It never
 * fails: what is over a cap is cut and marked, an unknown line is dropped.
 *
 * Quoting: each argument in double quotes, in which tmux knows \", \\, \$, \~ and \ooo (three octal
 * digits, the first at most 3) since 3.0. All but printable ASCII goes as octal: a newline would end the
 * line, and a raw 0xFF is taken for the end of the input (tmux reads through a signed char). */
#include "term/control.h"

#include <assert.h>
#include <string.h>

void control_init(struct control_parser *p, const struct control_handler *handler, void *data)
{
	*p = (struct control_parser){
		.line = STRBUF_INIT(CONTROL_LINE_MAX),
		.block = STRBUF_INIT(CONTROL_BLOCK_MAX),
		.handler = handler,
		.data = data,
	};
}

void control_release(struct control_parser *p)
{
	strbuf_release(&p->line);
	strbuf_release(&p->block);
}

/* What follows "%NAME " in a guard line, or NULL if it is another line. */
static const char *guard_of(const char *line, const char *name)
{
	size_t n = strlen(name);
	if (strncmp(line, name, n) != 0 || line[n] != ' ')
		return NULL;
	const char *guard = line + n + 1;
	return strspn(guard, "0123456789 ") == strlen(guard) ? guard : NULL;
}

static void close_block(struct control_parser *p, bool failed)
{
	const char *flags = strrchr(p->guard, ' ');
	struct control_block block = {
		.text = strbuf_str(&p->block),
		.len = p->block.len,
		.ours = flags && strcmp(flags, " 1") == 0,
		.failed = failed,
		.truncated = p->block.overflow,
	};
	p->guard[0] = '\0';
	p->handler->block(p->data, &block);
	strbuf_reset(&p->block);
}

static void line_in_block(struct control_parser *p, const char *line, size_t len, bool cut)
{
	const char *end = guard_of(line, "%end"), *error = guard_of(line, "%error");
	if ((end && strcmp(end, p->guard) == 0) || (error && strcmp(error, p->guard) == 0)) {
		close_block(p, error != NULL);
		return;
	}
	if (p->block.overflow)
		return;
	strbuf_add(&p->block, line, len);
	strbuf_addch(&p->block, '\n');
	if (cut)
		p->block.overflow = true;
}

static void line_outside(struct control_parser *p, char *line)
{
	const char *guard = guard_of(line, "%begin");
	if (guard && strlen(guard) < sizeof(p->guard)) {
		memcpy(p->guard, guard, strlen(guard) + 1);
		return;
	}
	if (line[0] != '%')
		return;
	char *rest = line + strcspn(line, " ");
	if (*rest)
		*rest++ = '\0';
	p->handler->notify(p->data, line + 1, rest);
}

static void take_line(struct control_parser *p)
{
	strbuf_add(&p->line, "", 0); /* so that an empty line has a buffer too */
	if (p->guard[0])
		line_in_block(p, p->line.buf, p->line.len, p->line.overflow);
	else
		line_outside(p, p->line.buf);
	strbuf_reset(&p->line);
}

/* Adds to the incomplete line what its cap has room for. */
static void extend_line(struct control_parser *p, const char *bytes, size_t len)
{
	size_t room = p->line.max - p->line.len;
	strbuf_add(&p->line, bytes, len < room ? len : room);
	if (len > room)
		p->line.overflow = true;
}

void control_feed(struct control_parser *p, const char *bytes, size_t len)
{
	while (len) {
		const char *newline = memchr(bytes, '\n', len);
		size_t n = newline ? (size_t)(newline - bytes) : len;
		extend_line(p, bytes, n);
		if (!newline)
			return;
		take_line(p);
		bytes += n + 1;
		len -= n + 1;
	}
}

static void quote(struct strbuf *line, const char *arg)
{
	strbuf_addch(line, '"');
	for (const char *c = arg; *c; c++) {
		unsigned char byte = (unsigned char)*c;
		if (byte < 0x20 || byte >= 0x7F)
			strbuf_addf(line, "\\%03o", byte);
		else if (strchr("\"\\$~", byte))
			strbuf_addf(line, "\\%c", byte);
		else
			strbuf_addch(line, *c);
	}
	strbuf_addch(line, '"');
}

void control_command(struct strbuf *line, const char *const *argv)
{
	assert(argv[0]);
	if (line->len)
		strbuf_addstr(line, " ;");
	for (const char *const *arg = argv; *arg; arg++) {
		if (line->len)
			strbuf_addch(line, ' ');
		quote(line, *arg);
	}
}

void control_format_literal(struct strbuf *out, const char *text)
{
	for (const char *c = text; *c; c++) {
		if (*c == '#')
			strbuf_addch(out, '#');
		strbuf_addch(out, *c);
	}
}

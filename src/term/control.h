/* tmux's control mode, as text: what comes out of `tmux -C`, and how a command goes in.
 *
 * Out: lines. A command's answer stands between "%begin TIME NUMBER FLAGS" and "%end" or "%error" with
 * the same three numbers; a line in between is content, whatever it looks like. FLAGS is 1 for commands
 * from our own input, 0 for what tmux ran by itself (the first command, the user's hooks). Any other line
 * that starts with '%' is a notification, and "%exit" ends it all.
 *
 * In: one line, parsed by tmux's own command parser. Every argument is quoted here, so no byte of it
 * means anything to that parser.
 *
 * Pure: no descriptors, no processes, no memory beyond the caps. */
#ifndef TERM_CONTROL_H
#define TERM_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"

enum {
	CONTROL_LINE_MAX = 1 << 20,  /* bytes of one line; what is longer is cut */
	CONTROL_BLOCK_MAX = 4 << 20, /* bytes of one answer; what is longer is cut */
};

/* One whole answer; valid during the call only. */
struct control_block {
	const char *text; /* its lines, each ended by a newline; NUL-terminated besides */
	size_t len;
	bool ours;	/* it answers a command of our own input */
	bool failed;	/* ended by %error: `text` is tmux's message */
	bool truncated; /* a line or the whole was over its cap */
};

/* What the parser found. Any may be called several times in one control_feed(). */
struct control_handler {
	void (*block)(void *data, const struct control_block *block);
	/* `name` without the '%', `rest` without the space; "exit" is one of them. */
	void (*notify)(void *data, const char *name, const char *rest);
};

struct control_parser {
	struct strbuf line; /* the line that is not complete yet */
	struct strbuf block;
	char guard[64]; /* "TIME NUMBER FLAGS" of the open block, "" outside of one */
	const struct control_handler *handler;
	void *data;
};

/* `handler` must outlive the parser. */
void control_init(struct control_parser *p, const struct control_handler *handler, void *data);
void control_release(struct control_parser *p);
/* Takes the next bytes, in pieces of any size. A handler must not release the parser. */
void control_feed(struct control_parser *p, const char *bytes, size_t len);

/* Appends one command to an input line, after " ; " when the line holds one already. When a command
 * fails, tmux drops the rest of its line. A line over line->max is broken, and line->overflow says so.
 * `argv` is NULL-terminated and has a command at least. The newline that sends the line is the caller's. */
void control_command(struct strbuf *line, const char *const *argv);
/* Appends `text` so that a tmux format expands to it: '#' is doubled. */
void control_format_literal(struct strbuf *out, const char *text);

#endif

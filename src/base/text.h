/* Text from outside: validity, escaping for a log or a terminal, and the names people type. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

/* Appends `text` with each invalid UTF-8 byte replaced by U+FFFD (3 bytes). */
void utf8_make_valid(const char *text, size_t len, struct strbuf *out);
bool utf8_valid(const char *text, size_t len);
/* Appends `text` with control bytes, ESC and DEL as \xHH, so that it cannot steer a terminal or
 * forge a log line; newline and tab are kept when `keep_lines`. Invalid UTF-8 is escaped too. */
void text_escape(const char *text, size_t len, bool keep_lines, struct strbuf *out);
/* Appends a word of /bin/sh that stands for exactly `text`: in single quotes, where nothing means anything.
 */
void text_quote(const char *text, struct strbuf *out);
/* A circle's name: 1 to 64 of [A-Za-z0-9._-], not starting with '-' or '.'. It becomes a tmux
 * session's name, in which tmux would turn '.' and ':' into '_': '.' is therefore not allowed. */
int circle_name_check(const char *name, struct error *err) _warn_unused_;
/* A git branch name, by git-check-ref-format's rules, at most 200 bytes, with no leading '-'. */
int branch_name_check(const char *name, struct error *err) _warn_unused_;
/* Edits (insert, delete, replace) between two names of at most 64 bytes; longer ones count as far. */
unsigned text_distance(const char *a, const char *b);
/* FNV-1a, 64 bit: for hash tables and fingerprints, never for security. */
uint64_t text_hash(const void *data, size_t len);

#endif

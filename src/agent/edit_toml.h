/* The user's own TOML files (Codex's config.toml), edited as text: a table of ours is put at the end, its
 * values are set, it is taken out, and every other byte stays as it is.
 *
 * The file is read statement by statement: table headers, and keys with the place of their values. What is
 * not understood (a syntax error, a key or table that stands twice) is refused with the file and the line. A
 * change is checked: the new text must have the statements of the old one but for the change.
 *
 * Dates, floats and the like are kept, but not told apart. */
#ifndef AGENT_EDIT_TOML_H
#define AGENT_EDIT_TOML_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/strbuf.h"

enum {
	EDIT_TOML_SIZE_MAX = 8 << 20,
	EDIT_TOML_DEPTH_MAX = 32,
	EDIT_TOML_ITEMS_MAX = 1 << 18,
};

enum edit_toml_kind {
	EDIT_TOML_TABLE,  /* [a.b] */
	EDIT_TOML_TABLES, /* [[a.b]] */
	EDIT_TOML_VALUE,  /* a.b = 1 */
};

/* A statement. */
struct edit_toml_item {
	enum edit_toml_kind kind;
	char *path;   /* all keys from the root, each quoted, joined by dots */
	size_t table; /* the header that it stands under, itself for a header; EDIT_TOML_NONE at the top */
	size_t start, end; /* its lines, with the last one's end */
	size_t value_start, value_end;
	int line;
};

#define EDIT_TOML_NONE ((size_t)-1)

struct edit_toml {
	char *file; /* its name in messages */
	struct strbuf text;
	struct edit_toml_item *items;
	size_t n, cap;
	json_t *seen; /* {path: what it is}; the parser's */
};

#define autoedittoml _cleanup_(edit_toml_release) struct edit_toml

/* ERR_INVALID names the line; ERR_TOO_LARGE beyond a cap. The caller frees it. */
int edit_toml_parse(const char *file, const char *text, size_t len, struct edit_toml **ret,
		    struct error *err) _warn_unused_;
void edit_toml_free(struct edit_toml *doc);
void edit_toml_release(struct edit_toml **doc);

/* Keys, NULL-terminated, as a path; caller frees. */
char *edit_toml_path(const char *const *keys);
/* The statement of that path; EDIT_TOML_NONE if there is none. */
size_t edit_toml_find(const struct edit_toml *doc, const char *const *keys);
/* The first statement of that path or below it, EDIT_TOML_NONE if there is none. */
size_t edit_toml_find_below(const struct edit_toml *doc, const char *const *keys);
/* The value `key` that stands under the header `table`. */
size_t edit_toml_member(const struct edit_toml *doc, size_t table, const char *key);
/* Strings, integers, booleans and arrays of them; null for any other value. A new reference. */
json_t *edit_toml_value(const struct edit_toml *doc, size_t item);

/* Puts a table of `members` ({"key": string, integer, boolean or array of strings}) at the end. */
int edit_toml_append(struct edit_toml *doc, const char *const *keys, json_t *members,
		     struct error *err) _warn_unused_;
/* Sets a member of a table, or puts it behind its last one. */
int edit_toml_set(struct edit_toml *doc, size_t table, const char *key, json_t *value,
		  struct error *err) _warn_unused_;
/* Takes out the table and the tables below it. Of the table itself go the header and the `members` named;
 * other keys under it, and comments, stay. `before` is the file as it was before the table was put in, or
 * NULL: it tells whether the last line had an end. */
int edit_toml_drop(struct edit_toml *doc, const char *const *keys, const char *const *members,
		   const struct edit_toml *before, struct error *err) _warn_unused_;

#endif

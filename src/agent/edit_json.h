/* The user's own JSON files (settings of the agents), edited as text: one member or element is put in, set
 * or taken out, and every other byte stays as it is: comments, odd indentation, line ends, a BOM.
 *
 * Comments and commas before a closing bracket are understood; whatever else JSON does not allow is refused,
 * as is a key that stands twice, with the file and the line. A change is made in the style of the file (its
 * indentation, its line ends, all on one line or not), and is checked: the new text is parsed and must hold
 * what the old one held but for the change. So a change either does what it says or does not happen.
 *
 * What was put in at the end of an object or array and is taken out again leaves the bytes of before (X7). */
#ifndef AGENT_EDIT_JSON_H
#define AGENT_EDIT_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/strbuf.h"

enum {
	EDIT_JSON_SIZE_MAX = 8 << 20,
	EDIT_JSON_DEPTH_MAX = 100,
	EDIT_JSON_NODES_MAX = 1 << 20, /* values */
};

enum edit_json_kind { EDIT_JSON_ATOM, EDIT_JSON_STRING, EDIT_JSON_OBJECT, EDIT_JSON_ARRAY };

/* A value, and the member's key if it is one. Offsets are into the text; the other numbers are nodes. */
struct edit_json_node {
	enum edit_json_kind kind;
	uint32_t start, end;	     /* the value */
	uint32_t key_start, key_end; /* with its quotes; equal in what is no member */
	uint32_t parent, prev, next, first, last, n;
};

/* One file. A node is named by its number, 0 being none; a change makes new numbers. */
struct edit_json {
	char *file; /* its name in messages */
	struct strbuf text;
	struct edit_json_node *nodes; /* in the order of the text; 1 is the root, 0 is unused */
	uint32_t n, cap;
	size_t loose; /* where the first comment or comma too many is; EDIT_JSON_STRICT if there is none */
};

#define EDIT_JSON_STRICT ((size_t)-1)
#define autoeditjson _cleanup_(edit_json_release) struct edit_json

/* Parses a file, of which nothing but space is one without a root. ERR_INVALID names its line; ERR_TOO_LARGE
 * beyond a cap. The caller frees it. */
int edit_json_parse(const char *file, const char *text, size_t len, struct edit_json **ret,
		    struct error *err) _warn_unused_;
void edit_json_free(struct edit_json *doc);
void edit_json_release(struct edit_json **doc);

/* --- looking; node 0 is fine everywhere, and leads to 0 --- */

/* 0 when the file is empty. */
uint32_t edit_json_root(const struct edit_json *doc);
/* The value at `key` of an object; 0 if there is none, or `node` is no object. */
uint32_t edit_json_get(const struct edit_json *doc, uint32_t node, const char *key);
uint32_t edit_json_first(const struct edit_json *doc, uint32_t node);
uint32_t edit_json_next(const struct edit_json *doc, uint32_t node);
bool edit_json_is(const struct edit_json *doc, uint32_t node, enum edit_json_kind kind);
/* The value as jansson has it; NULL for node 0. A new reference. */
json_t *edit_json_value(const struct edit_json *doc, uint32_t node);
/* The member's key; "" for what is none. Caller frees. */
char *edit_json_key(const struct edit_json *doc, uint32_t node);
/* The line that it begins on; 1 for node 0. */
int edit_json_line(const struct edit_json *doc, uint32_t node);
/* The line of the first thing that JSON itself does not allow (a comment, a comma before a bracket); 0 if
 * there is none. */
int edit_json_loose_line(const struct edit_json *doc);

/* --- changing; on failure nothing has changed --- */

/* Puts a member (or, with `key` NULL, an element) at the end of `container`; 0 is the root of a file
 * without one, which then becomes an object. */
int edit_json_add(struct edit_json *doc, uint32_t container, const char *key, json_t *value,
		  struct error *err) _warn_unused_;
int edit_json_set(struct edit_json *doc, uint32_t node, json_t *value, struct error *err) _warn_unused_;
/* Makes a value the very bytes that another has in the file as it was before. */
int edit_json_set_back(struct edit_json *doc, uint32_t node, const struct edit_json *before, uint32_t there,
		       struct error *err) _warn_unused_;
/* Takes a member or an element out, and with it the objects and arrays around it that are empty then and
 * were not there in `before`: the file as it was before anything was put in, or NULL when that is not known
 * (all of them go but the root). What stays empty is written as it was there. A root that was not there goes
 * too: the file is then empty. */
int edit_json_drop(struct edit_json *doc, uint32_t node, const struct edit_json *before,
		   struct error *err) _warn_unused_;

#endif

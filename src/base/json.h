/* JSON on jansson, with the strictness that outside data needs: duplicate keys, trailing bytes,
 * NUL in strings and nesting deeper than `JSON_MAX_DEPTH` are refused. json_auto_t (jansson's own)
 * is the owning local. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strbuf.h"

#define JSON_MAX_DEPTH 32

/* Parses one whole document; `len` is capped by the caller. */
int json_parse(const char *text, size_t len, json_t **ret, struct error *err) _warn_unused_;
/* Compact text of `json`, in insertion order; caller frees. */
char *json_text(const json_t *json);
/* The string at `key`, or NULL when absent, null or of another type; owned by `object`. */
const char *json_str(const json_t *object, const char *key);
/* The integer at `key`, or `fallback`. */
json_int_t json_int(const json_t *object, const char *key, json_int_t fallback);
bool json_bool(const json_t *object, const char *key, bool fallback);
/* Sets `key` to a string, or to null when `value` is NULL. Invalid UTF-8 becomes U+FFFD. */
void json_set_str(json_t *object, const char *key, const char *value);
/* Sets `key` to an RFC 3339 time, or to null when `utc` is 0. */
void json_set_time(json_t *object, const char *key, int64_t utc);
/* A JSON string of `len` bytes in which invalid UTF-8 became U+FFFD; a new reference. */
json_t *json_lossy_string(const char *text, size_t len);
/* Adds the text (lossy) to the list of that key, which is made when there is none. */
void json_list_add(json_t *object, const char *key, const char *text);

#endif

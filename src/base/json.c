/* Strict JSON; see json.h. */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/timeval.h"

/* jansson parses by recursion up to 2,048 levels; the cap is checked before it sees the text. */
static bool too_deep(const char *text, size_t len)
{
	int depth = 0;
	bool in_string = false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > JSON_MAX_DEPTH)
				return true;
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	return false;
}

int json_parse(const char *text, size_t len, json_t **ret, struct error *err)
{
	if (too_deep(text, len))
		return error_set(err, ERR_INVALID, "JSON nested deeper than %d levels", JSON_MAX_DEPTH);
	json_error_t where;
	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
	if (!json)
		return error_set(err, ERR_INVALID, "not valid JSON: line %d, column %d: %s", where.line,
				 where.column, where.text);
	*ret = json;
	return 0;
}

char *json_text(const json_t *json)
{
	char *s = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
	if (!s)
		alloc_abort();
	return s;
}

const char *json_str(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

json_int_t json_int(const json_t *object, const char *key, json_int_t fallback)
{
	const json_t *v = json_object_get(object, key);
	return json_is_integer(v) ? json_integer_value(v) : fallback;
}

bool json_bool(const json_t *object, const char *key, bool fallback)
{
	const json_t *v = json_object_get(object, key);
	return json_is_boolean(v) ? json_is_true(v) : fallback;
}

json_t *json_lossy_string(const char *text, size_t len)
{
	json_t *s = json_stringn(text, len);
	if (s)
		return s;
	autostrbuf valid = STRBUF_INIT(len * 3);
	utf8_make_valid(text, len, &valid);
	s = json_stringn(strbuf_str(&valid), valid.len);
	if (!s)
		alloc_abort();
	return s;
}

void json_set_str(json_t *object, const char *key, const char *value)
{
	json_object_set_new(object, key, value ? json_lossy_string(value, strlen(value)) : json_null());
}

void json_set_time(json_t *object, const char *key, int64_t utc)
{
	char text[TIME_TEXT_SIZE];
	json_object_set_new(object, key, utc ? json_string(time_format(utc, text)) : json_null());
}

void json_list_add(json_t *object, const char *key, const char *text)
{
	json_t *list = json_object_get(object, key);
	if (!list) {
		list = json_array();
		json_object_set_new(object, key, list);
	}
	json_array_append_new(list, json_lossy_string(text, strlen(text)));
}

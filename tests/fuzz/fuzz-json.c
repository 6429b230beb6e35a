/* Fuzzes strict JSON: what is accepted comes out of json_text() the same, and the readers that take
 * anything (lossy strings, errors from a peer, the YAML tree of a request) take anything. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "base/yaml.h"
#include "fuzz.h"

static int depth_of(const json_t *json)
{
	int deepest = 0;
	const char *key;
	json_t *value, *object = NULL;
	memcpy(&object, &json,
	       sizeof(object)); /* jansson iterates over what it does not change as non-const */
	json_object_foreach(object, key, value)
	{
		int depth = depth_of(value);
		deepest = depth > deepest ? depth : deepest;
	}
	for (size_t i = 0; i < json_array_size(json); i++) {
		int depth = depth_of(json_array_get(json, i));
		deepest = depth > deepest ? depth : deepest;
	}
	return deepest + (json_is_array(json) || json_is_object(json));
}

static void check_lossy(const char *text, size_t len)
{
	json_auto_t *string = json_lossy_string(text, len);
	assert(json_is_string(string));
	assert(utf8_valid(json_string_value(string), json_string_length(string)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	autoerror err = {0}, from = {0};
	json_auto_t *json = NULL, *again = NULL;
	check_lossy(text, size);
	if (json_parse(text, size, &json, &err)) {
		assert(!json && err.code == ERR_INVALID && err.message);
		return 0;
	}
	assert(depth_of(json) <= JSON_MAX_DEPTH);
	autofree char *once = json_text(json);
	int r = json_parse(once, strlen(once), &again, NULL);
	assert(!r && json_equal(json, again));
	autofree char *twice = json_text(again);
	assert(strcmp(once, twice) == 0);
	assert(error_from_json(json, &from) == (int)from.code && from.message);
	autoyaml *tree = yaml_from_json(json);
	assert(tree->line == 0);
	return 0;
}

/* Fuzzes the editing of JSON as text: what is put in at the end of any object or array that keys lead to, and
 * is taken out again in some order, leaves the bytes of before. The first two bytes choose where, and in
 * which order. */
#include <assert.h>
#include <string.h>

#include "agent/edit_json.h"
#include "fuzz.h"

enum { PIECES = 3 };

static const char *const keys[PIECES] = {"fuzz-a", "fuzz-b", "fuzz-c"};

/* Whether only keys lead to it. */
static bool has_place(const struct edit_json *doc, uint32_t node)
{
	for (; doc->nodes[node].parent; node = doc->nodes[node].parent)
		if (doc->nodes[node].key_start == doc->nodes[node].key_end)
			return false;
	return true;
}

/* The first container from `from` on that keys lead to; 0 if there is none. */
static uint32_t choose(const struct edit_json *doc, uint32_t from)
{
	for (uint32_t i = 0; i + 1 < doc->n; i++) {
		uint32_t node = 1 + (from + i) % (doc->n - 1);
		if (doc->nodes[node].kind >= EDIT_JSON_OBJECT && has_place(doc, node))
			return node;
	}
	return 0;
}

static uint32_t find_piece(const struct edit_json *doc, uint32_t container, const char *key)
{
	if (doc->nodes[container].kind == EDIT_JSON_OBJECT)
		return edit_json_get(doc, container, key);
	for (uint32_t c = edit_json_first(doc, container); c; c = edit_json_next(doc, c)) {
		json_auto_t *value = edit_json_value(doc, c);
		const char *name = json_string_value(json_object_get(value, "name"));
		if (name && strcmp(name, key) == 0)
			return c;
	}
	return 0;
}

static bool add_pieces(struct edit_json *doc, uint32_t container, bool object)
{
	for (size_t i = 0; i < PIECES; i++) {
		json_auto_t *value = json_pack("{s:s, s:[i,s]}", "name", keys[i], "more", 1, "x");
		if (edit_json_add(doc, container, object ? keys[i] : NULL, value, NULL))
			return false;
		container = container ? container : edit_json_root(doc);
		assert(container && find_piece(doc, container, keys[i]));
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t orders[][PIECES] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
						 {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	autoeditjson *doc = NULL, *before = NULL;
	autoerror err = {0};
	if (size < 2)
		return 0;
	const char *text = (const char *)data + 2;
	size -= 2;
	int r = edit_json_parse("f", text, size, &doc, &err);
	if (r) {
		assert(!doc && err.message && (r == ERR_INVALID || r == ERR_TOO_LARGE));
		return 0;
	}
	r = edit_json_parse("f", text, size, &before, NULL);
	assert(!r);
	json_decref(edit_json_value(doc, edit_json_root(doc)));
	uint32_t container = choose(doc, data[0]);
	bool object = !container || doc->nodes[container].kind == EDIT_JSON_OBJECT;
	for (size_t i = 0; i < PIECES; i++)
		if (find_piece(doc, container, keys[i]))
			return 0;
	if ((!container && edit_json_root(doc)) || !add_pieces(doc, container, object))
		return 0;
	container = container ? container : edit_json_root(doc);
	for (size_t i = 0; i < PIECES; i++) {
		uint32_t node = find_piece(doc, container, keys[orders[data[1] % ARRAY_SIZE(orders)][i]]);
		r = edit_json_drop(doc, node, before, NULL);
		assert(!r);
	}
	assert(doc->text.len == size && (size == 0 || memcmp(doc->text.buf, text, size) == 0));
	return 0;
}

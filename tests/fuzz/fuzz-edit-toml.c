/* Fuzzes the editing of TOML as text: whatever is accepted has its statements in order within the text, and a
 * table that is put at the end and taken out again leaves the bytes of before. */
#include <assert.h>
#include <string.h>

#include "agent/edit_toml.h"
#include "fuzz.h"

static const char *const ours[] = {"fuzz", "table", NULL};
static const char *const members[] = {"command", "args", "limit", NULL};

static void check_items(const struct edit_toml *doc)
{
	size_t at = 0;
	for (size_t i = 0; i < doc->n; i++) {
		const struct edit_toml_item *item = &doc->items[i];
		assert(item->start >= at && item->end > item->start && item->end <= doc->text.len);
		assert(*item->path == '"' && (item->table <= i || item->table == EDIT_TOML_NONE));
		if (item->kind == EDIT_TOML_VALUE)
			assert(item->value_start > item->start && item->value_end > item->value_start &&
			       item->value_end <= item->end);
		json_t *value = edit_toml_value(doc, i);
		assert(value);
		json_decref(value);
		at = item->end;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	autoedittoml *doc = NULL, *before = NULL;
	autoerror err = {0};
	int r = edit_toml_parse("f", text, size, &doc, &err);
	if (r) {
		assert(!doc && err.message && (r == ERR_INVALID || r == ERR_TOO_LARGE));
		return 0;
	}
	check_items(doc);
	r = edit_toml_parse("f", text, size, &before, NULL);
	assert(!r);
	if (edit_toml_find_below(doc, ours) != EDIT_TOML_NONE)
		return 0;
	json_auto_t *values = json_pack("{s:s, s:[s]}", "command", "/x", "args", "mcp");
	json_auto_t *limit = json_integer(60);
	if (edit_toml_append(doc, ours, values, NULL))
		return 0;
	r = edit_toml_set(doc, edit_toml_find(doc, ours), "limit", limit, NULL);
	assert(!r);
	check_items(doc);
	r = edit_toml_drop(doc, ours, members, before, NULL);
	assert(!r);
	assert(doc->text.len == size && (size == 0 || memcmp(doc->text.buf, text, size) == 0));
	return 0;
}

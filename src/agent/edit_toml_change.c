/* Changing; see edit_toml.h.
 *
 * A table is put in as the text after the last byte: a line end if the last line has none, an empty line if
 * there is anything before it, then the table. Taking out cuts just these, so that nothing else is left. */
#include "agent/edit_toml.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum { GROWTH_MAX = 1 << 20 };

static const char *newline_of(const struct edit_toml *doc)
{
	const char *text = strbuf_str(&doc->text), *end = memchr(text, '\n', doc->text.len);
	return end && end > text && end[-1] == '\r' ? "\r\n" : "\n";
}

/* --- writing --- */

static void write_string(const char *text, struct strbuf *out)
{
	strbuf_addch(out, '"');
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (*p == '"' || *p == '\\')
			strbuf_addf(out, "\\%c", *p);
		else if (*p < 0x20 || *p == 0x7F)
			strbuf_addf(out, "\\u%04x", *p);
		else
			strbuf_addch(out, (char)*p);
	strbuf_addch(out, '"');
}

static void write_value(json_t *value, struct strbuf *out)
{
	size_t i;
	json_t *item;
	if (json_is_string(value)) {
		write_string(json_string_value(value), out);
	} else if (json_is_array(value)) {
		strbuf_addch(out, '[');
		json_array_foreach(value, i, item)
		{
			strbuf_addstr(out, i ? ", " : "");
			write_value(item, out);
		}
		strbuf_addch(out, ']');
	} else {
		autofree char *text = json_text(value);
		strbuf_addstr(out, text);
	}
}

static void write_key(const char *key, struct strbuf *out)
{
	static const char bare[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	if (*key && strspn(key, bare) == strlen(key))
		strbuf_addstr(out, key);
	else
		write_string(key, out);
}

static void write_member(const char *key, json_t *value, struct strbuf *out)
{
	write_key(key, out);
	strbuf_addstr(out, " = ");
	write_value(value, out);
}

/* --- checking --- */

/* Whether the path of `item` is `path` or below it. */
static bool is_below(const struct edit_toml_item *item, const char *path)
{
	size_t len = strlen(path);
	return strncmp(item->path, path, len) == 0 && (item->path[len] == '.' || item->path[len] == '\0');
}

static bool same_item(const struct edit_toml *a, const struct edit_toml_item *x, const struct edit_toml *b,
		      const struct edit_toml_item *y)
{
	size_t len = x->value_end - x->value_start;
	return x->kind == y->kind && strcmp(x->path, y->path) == 0 && len == y->value_end - y->value_start &&
	       memcmp(a->text.buf + x->value_start, b->text.buf + y->value_start, len) == 0;
}

/* Whether both have the same statements, but for those at `path` or below it. */
static bool same_but(const struct edit_toml *a, const struct edit_toml *b, const char *path)
{
	size_t i = 0, j = 0;
	for (;; i++, j++) {
		while (i < a->n && is_below(&a->items[i], path))
			i++;
		while (j < b->n && is_below(&b->items[j], path))
			j++;
		if (i == a->n || j == b->n)
			return i == a->n && j == b->n;
		if (!same_item(a, &a->items[i], b, &b->items[j]))
			return false;
	}
}

/* `doc` becomes the changed one, which gets the old one to free. */
static void take(struct edit_toml *doc, struct edit_toml *changed)
{
	struct edit_toml old = *doc;
	*doc = *changed;
	*changed = old;
}

/* Makes `text` the document, if it has all that the old one had but for `path`. */
static int become(struct edit_toml *doc, const struct strbuf *text, const char *path, struct error *err)
{
	autoedittoml *changed = NULL;
	int r = edit_toml_parse(doc->file, strbuf_str(text), text->len, &changed, err);
	if (r)
		return r;
	if (text->overflow || !same_but(doc, changed, path))
		return error_set(err, ERR_INVALID,
				 "%s: this cannot be changed without touching what is around it", doc->file);
	take(doc, changed);
	return 0;
}

/* --- putting in --- */

int edit_toml_append(struct edit_toml *doc, const char *const *keys, json_t *members, struct error *err)
{
	autostrbuf text = STRBUF_INIT(EDIT_TOML_SIZE_MAX + GROWTH_MAX);
	autofree char *path = edit_toml_path(keys);
	const char *newline = newline_of(doc), *key;
	json_t *value;
	strbuf_add(&text, strbuf_str(&doc->text), doc->text.len);
	if (text.len) {
		strbuf_addstr(&text, text.buf[text.len - 1] == '\n' ? "" : newline);
		strbuf_addstr(&text, newline);
	}
	strbuf_addch(&text, '[');
	for (size_t i = 0; keys[i]; i++) {
		strbuf_addstr(&text, i ? "." : "");
		write_key(keys[i], &text);
	}
	strbuf_addf(&text, "]%s", newline);
	json_object_foreach(members, key, value)
	{
		write_member(key, value, &text);
		strbuf_addstr(&text, newline);
	}
	return become(doc, &text, path, err);
}

static int set_value(struct edit_toml *doc, const struct edit_toml_item *item, json_t *value,
		     struct error *err)
{
	autostrbuf text = STRBUF_INIT(EDIT_TOML_SIZE_MAX + GROWTH_MAX);
	autofree char *path = xstrdup(item->path);
	strbuf_add(&text, doc->text.buf, item->value_start);
	write_value(value, &text);
	strbuf_add(&text, doc->text.buf + item->value_end, doc->text.len - item->value_end);
	return become(doc, &text, path, err);
}

/* Behind the last statement of the table. */
static int add_member(struct edit_toml *doc, size_t table, const char *key, json_t *value, struct error *err)
{
	autostrbuf text = STRBUF_INIT(EDIT_TOML_SIZE_MAX + GROWTH_MAX);
	const char *const last_key[] = {key, NULL};
	autofree char *name = edit_toml_path(last_key);
	autofree char *path = xasprintf("%s.%s", doc->items[table].path, name);
	const char *newline = newline_of(doc);
	size_t last = table;
	while (last + 1 < doc->n && doc->items[last + 1].table == table)
		last++;
	const struct edit_toml_item *item = &doc->items[last];
	size_t blanks = strspn(doc->text.buf + item->start, " \t");
	bool ends = doc->text.buf[item->end - 1] == '\n';
	strbuf_add(&text, doc->text.buf, item->end);
	strbuf_addstr(&text, ends ? "" : newline);
	strbuf_add(&text, doc->text.buf + item->start, blanks);
	write_member(key, value, &text);
	strbuf_addstr(&text, ends ? newline : "");
	strbuf_add(&text, doc->text.buf + item->end, doc->text.len - item->end);
	return become(doc, &text, path, err);
}

int edit_toml_set(struct edit_toml *doc, size_t table, const char *key, json_t *value, struct error *err)
{
	size_t item = edit_toml_member(doc, table, key);
	if (item == EDIT_TOML_NONE)
		return add_member(doc, table, key, value, err);
	return set_value(doc, &doc->items[item], value, err);
}

/* --- taking out --- */

static bool is_named(const struct edit_toml *doc, size_t table, size_t item, const char *const *members)
{
	for (; *members; members++)
		if (edit_toml_member(doc, table, *members) == item)
			return true;
	return false;
}

/* Where the empty line before `offset` begins; `offset` if there is none. */
static size_t empty_line_before(const struct edit_toml *doc, size_t offset)
{
	const char *text = doc->text.buf;
	size_t start = offset;
	if (start == 0 || text[start - 1] != '\n')
		return offset;
	start -= start > 1 && text[start - 2] == '\r' ? 2 : 1;
	return start == 0 || text[start - 1] == '\n' ? start : offset;
}

/* The start of the last line of a text without a line end at its end. */
static size_t last_line(const char *text, size_t len)
{
	while (len > 0 && text[len - 1] != '\n')
		len--;
	return len;
}

/* Takes off the line end that the last line did not have before. */
static void mend_end(struct strbuf *text, const struct edit_toml *before)
{
	size_t len = text->len;
	if (!before || !before->text.len || before->text.buf[before->text.len - 1] == '\n' || !len ||
	    text->buf[len - 1] != '\n')
		return;
	len -= len > 1 && text->buf[len - 2] == '\r' ? 2 : 1;
	size_t start = last_line(text->buf, len), old = last_line(before->text.buf, before->text.len);
	if (len - start == before->text.len - old &&
	    memcmp(text->buf + start, before->text.buf + old, len - start) == 0)
		strbuf_setlen(text, len);
}

/* Which statements go. */
static bool *marked(const struct edit_toml *doc, const char *const *keys, const char *const *members)
{
	autofree char *path = edit_toml_path(keys);
	size_t table = edit_toml_find(doc, keys);
	bool *gone = xcalloc(doc->n + 1, sizeof(*gone));
	for (size_t i = 0; i < doc->n; i++) {
		const struct edit_toml_item *item = &doc->items[i];
		bool own = item->kind == EDIT_TOML_VALUE && item->table == table;
		gone[i] = is_below(item, path) && (!own || is_named(doc, table, i, members));
	}
	return gone;
}

/* Whether the statements that stay are all there, with their values. A key that stayed behind a header that
 * went now has another path. */
static bool all_stayed(const struct edit_toml *doc, const bool *gone, const struct edit_toml *changed)
{
	size_t j = 0;
	for (size_t i = 0; i < doc->n; i++) {
		if (gone[i])
			continue;
		const struct edit_toml_item *x = &doc->items[i], *y = &changed->items[j];
		bool moved = x->table != EDIT_TOML_NONE && gone[x->table];
		if (j == changed->n || x->value_end - x->value_start != y->value_end - y->value_start ||
		    (!moved && !same_item(doc, x, changed, y)))
			return false;
		j++;
	}
	return j == changed->n;
}

int edit_toml_drop(struct edit_toml *doc, const char *const *keys, const char *const *members,
		   const struct edit_toml *before, struct error *err)
{
	autostrbuf text = STRBUF_INIT(EDIT_TOML_SIZE_MAX);
	autofree bool *gone = marked(doc, keys, members);
	size_t from = 0;
	for (size_t i = 0; i < doc->n; i++) {
		const struct edit_toml_item *item = &doc->items[i];
		if (!gone[i])
			continue;
		size_t start =
			item->kind == EDIT_TOML_VALUE ? item->start : empty_line_before(doc, item->start);
		strbuf_add(&text, doc->text.buf + from, start > from ? start - from : 0);
		from = item->end;
	}
	strbuf_add(&text, strbuf_str(&doc->text) + from, doc->text.len - from);
	if (from == doc->text.len)
		mend_end(&text, before);
	autoedittoml *changed = NULL;
	int r = edit_toml_parse(doc->file, strbuf_str(&text), text.len, &changed, err);
	if (!r && !all_stayed(doc, gone, changed))
		r = error_set(err, ERR_INVALID,
			      "%s: %s cannot be taken out without touching what is around it", doc->file,
			      keys[0]);
	if (r)
		return r;
	take(doc, changed);
	return 0;
}

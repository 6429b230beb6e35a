/* YAML into a tree; see yaml.h.
 *
 * This stands on libyaml's events rather than on libcyaml: a value here may be one of several shapes
 * (a text, a list, a list of lists), and all problems of a file are wanted at once, each with its line
 * and key, where a schema-driven loader stops at the first. yaml_read.c is that reader.
 *
 * The tree is built with an explicit stack of YAML_DEPTH_MAX entries, so that neither building nor
 * the recursions over a finished tree can grow with the input. libyaml hands out one event at a time
 * and is asked for no more after the first violation, which keeps its own lookahead bounded too. */
#include "base/yaml.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/json.h"
#include "base/strbuf.h"
#include "base/text.h"

struct builder {
	yaml_parser_t parser;
	const char *file;
	const char *text;
	size_t len;
	struct yaml_node *root;
	struct yaml_node *open[YAML_DEPTH_MAX]; /* lists and mappings not yet ended, outermost first */
	struct yaml_node *key[YAML_DEPTH_MAX];	/* owned: the key in open[i] that waits for its value */
	size_t depth;
	size_t nodes;
	size_t documents;
};

static void free_nodes(struct yaml_node **nodes, size_t n)
{
	for (size_t i = 0; nodes && i < n; i++)
		yaml_node_free(nodes[i]);
	free(nodes);
}

void yaml_node_free(struct yaml_node *node)
{
	if (!node)
		return;
	free_nodes(node->keys, node->n);
	free_nodes(node->items, node->n);
	free(node->text);
	free(node);
}

void yaml_node_release(struct yaml_node **node)
{
	yaml_node_free(*node);
}

static void builder_release(struct builder *b)
{
	for (size_t i = 0; i < b->depth; i++)
		yaml_node_free(b->key[i]);
	yaml_node_free(b->root);
	yaml_parser_delete(&b->parser);
}

static int _printf_(5, 6) fail_at(const struct builder *b, const yaml_mark_t *mark, enum error_code code,
				  struct error *err, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *what = NULL;
	if (vasprintf(&what, fmt, ap) < 0)
		alloc_abort();
	va_end(ap);
	autostrbuf line = STRBUF_INIT(8192);
	text_escape(b->file, strnlen(b->file, 1024), false, &line);
	strbuf_addf(&line, ":%zu:%zu: ", mark->line + 1, mark->column + 1);
	text_escape(what, strnlen(what, 1024), false, &line);
	free(what);
	return error_set(err, code, "%s", strbuf_str(&line));
}

/* The reader knows only the offset of a byte that it refuses; lines are counted here. */
static yaml_mark_t mark_of_offset(const struct builder *b, size_t offset)
{
	yaml_mark_t mark = {0};
	for (size_t i = 0; i < offset && i < b->len; i++) {
		bool continues = ((unsigned char)b->text[i] & 0xC0) == 0x80;
		mark.column = b->text[i] == '\n' ? 0 : mark.column + !continues;
		mark.line += b->text[i] == '\n';
	}
	return mark;
}

static int syntax_error(const struct builder *b, struct error *err)
{
	const yaml_parser_t *p = &b->parser;
	if (p->error == YAML_MEMORY_ERROR)
		alloc_abort();
	const char *problem = p->problem ? p->problem : "not YAML";
	if (p->error == YAML_READER_ERROR) {
		yaml_mark_t mark = mark_of_offset(b, p->problem_offset);
		return fail_at(b, &mark, ERR_INVALID, err, "%s", problem);
	}
	return fail_at(b, &p->problem_mark, ERR_INVALID, err, "%s%s%s", problem, p->context ? " " : "",
		       p->context ? p->context : "");
}

static struct yaml_node *node_new(enum yaml_kind kind, const yaml_mark_t *mark)
{
	struct yaml_node *node = xcalloc(1, sizeof(*node));
	node->kind = kind;
	if (mark) {
		node->line = (int)mark->line + 1;
		node->column = (int)mark->column + 1;
	}
	return node;
}

/* Appends a value (and, to a mapping, its key) to `parent`. The arrays grow by doubling at powers of
 * two, so that nodes need not carry their capacity. */
static void node_add(struct yaml_node *parent, struct yaml_node *key, struct yaml_node *item)
{
	size_t n = parent->n;
	if ((n & (n - 1)) == 0) {
		size_t cap = n ? n * 2 : 1;
		parent->items = xreallocarray(parent->items, cap, sizeof(*parent->items));
		if (parent->kind == YAML_MAPPING)
			parent->keys = xreallocarray(parent->keys, cap, sizeof(*parent->keys));
	}
	item->parent = parent;
	item->index = n;
	parent->items[n] = item;
	if (parent->kind == YAML_MAPPING) {
		key->parent = parent;
		key->index = n;
		parent->keys[n] = key;
	}
	parent->n++;
}

/* Puts a new node where the document has it; the tree owns it from here on. */
static int place(struct builder *b, struct yaml_node *node, const yaml_mark_t *mark, struct error *err)
{
	if (!b->depth) {
		assert(!b->root);
		b->root = node;
		return 0;
	}
	struct yaml_node *parent = b->open[b->depth - 1];
	struct yaml_node **key = &b->key[b->depth - 1];
	if (parent->kind == YAML_SEQUENCE || *key) {
		node_add(parent, *key, node);
		*key = NULL;
		return 0;
	}
	if (node->kind == YAML_SCALAR) {
		*key = node;
		return 0;
	}
	yaml_node_free(node);
	return fail_at(b, mark, ERR_INVALID, err, "a key has to be a text");
}

static int add_node(struct builder *b, enum yaml_kind kind, const yaml_event_t *event, struct error *err)
{
	const yaml_mark_t *mark = &event->start_mark;
	if (++b->nodes > YAML_NODES_MAX)
		return fail_at(b, mark, ERR_TOO_LARGE, err, "more than %d values", YAML_NODES_MAX);
	if (kind != YAML_SCALAR && b->depth == YAML_DEPTH_MAX)
		return fail_at(b, mark, ERR_TOO_LARGE, err, "nested deeper than %d levels", YAML_DEPTH_MAX);
	struct yaml_node *node = node_new(kind, mark);
	if (kind == YAML_SCALAR) {
		node->text = xstrndup((const char *)event->data.scalar.value, event->data.scalar.length);
		node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	}
	int r = place(b, node, mark, err);
	if (!r && kind != YAML_SCALAR) {
		b->key[b->depth] = NULL;
		b->open[b->depth++] = node;
	}
	return r;
}

static int by_text_then_index(const void *a, const void *b)
{
	const struct yaml_node *x = *(struct yaml_node *const *)a, *y = *(struct yaml_node *const *)b;
	int order = strcmp(x->text, y->text);
	return order ? order : (x->index > y->index) - (x->index < y->index);
}

static int check_duplicates(const struct builder *b, const struct yaml_node *mapping, struct error *err)
{
	if (mapping->n < 2)
		return 0;
	autofree struct yaml_node **sorted = xreallocarray(NULL, mapping->n, sizeof(struct yaml_node *));
	memcpy(sorted, mapping->keys, mapping->n * sizeof(*sorted));
	qsort(sorted, mapping->n, sizeof(*sorted), by_text_then_index);
	for (size_t i = 1; i < mapping->n; i++) {
		const struct yaml_node *first = sorted[i - 1], *again = sorted[i];
		if (strcmp(first->text, again->text) != 0)
			continue;
		yaml_mark_t mark = {.line = (size_t)again->line - 1, .column = (size_t)again->column - 1};
		return fail_at(b, &mark, ERR_INVALID, err, "key '%.100s' is there twice, first in line %d",
			       again->text, first->line);
	}
	return 0;
}

static int end_node(struct builder *b, struct error *err)
{
	const struct yaml_node *node = b->open[--b->depth];
	return node->kind == YAML_MAPPING ? check_duplicates(b, node, err) : 0;
}

/* What the subset leaves out. */
static int check_plain(const struct builder *b, const yaml_event_t *e, struct error *err)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;
	if (e->type == YAML_SCALAR_EVENT) {
		anchor = e->data.scalar.anchor;
		tag = e->data.scalar.tag;
		if (memchr(e->data.scalar.value, 0, e->data.scalar.length))
			return fail_at(b, &e->start_mark, ERR_INVALID, err, "a text with a NUL byte");
	} else if (e->type == YAML_SEQUENCE_START_EVENT) {
		anchor = e->data.sequence_start.anchor;
		tag = e->data.sequence_start.tag;
	} else if (e->type == YAML_MAPPING_START_EVENT) {
		anchor = e->data.mapping_start.anchor;
		tag = e->data.mapping_start.tag;
	}
	if (anchor || e->type == YAML_ALIAS_EVENT)
		return fail_at(
			b, &e->start_mark, ERR_INVALID, err,
			"anchors and aliases (&, *) are not taken here: quote the text, or write it out");
	if (tag)
		return fail_at(b, &e->start_mark, ERR_INVALID, err,
			       "tags (!) are not taken here: quote the text");
	return 0;
}

static int start_document(struct builder *b, const yaml_event_t *e, struct error *err)
{
	if (e->data.document_start.tag_directives.start != e->data.document_start.tag_directives.end)
		return fail_at(b, &e->start_mark, ERR_INVALID, err, "tags (%%TAG) are not taken here");
	if (++b->documents > 1)
		return fail_at(b, &e->start_mark, ERR_INVALID, err, "a second document (---) in one file");
	return 0;
}

static int take_event(struct builder *b, const yaml_event_t *e, struct error *err)
{
	int r = check_plain(b, e, err);
	if (r)
		return r;
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		return start_document(b, e, err);
	case YAML_SCALAR_EVENT:
		return add_node(b, YAML_SCALAR, e, err);
	case YAML_SEQUENCE_START_EVENT:
		return add_node(b, YAML_SEQUENCE, e, err);
	case YAML_MAPPING_START_EVENT:
		return add_node(b, YAML_MAPPING, e, err);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return end_node(b, err);
	default:
		return 0;
	}
}

static int build(struct builder *b, struct error *err)
{
	for (;;) {
		yaml_event_t event;
		if (!yaml_parser_parse(&b->parser, &event))
			return syntax_error(b, err);
		bool end = event.type == YAML_STREAM_END_EVENT;
		int r = take_event(b, &event, err);
		yaml_event_delete(&event);
		if (r || end)
			return r;
	}
}

int yaml_parse(const char *file, const char *text, size_t len, struct yaml_node **ret, struct error *err)
{
	if (len > YAML_SIZE_MAX)
		return error_set(err, ERR_TOO_LARGE, "%s: larger than %d bytes", file, YAML_SIZE_MAX);
	_cleanup_(builder_release) struct builder b = {.file = file, .text = text, .len = len};
	if (!yaml_parser_initialize(&b.parser))
		alloc_abort();
	/* Set, not guessed: a document in UTF-16 would otherwise be taken, with other columns. */
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, len);
	int r = build(&b, err);
	if (r)
		return r;
	if (!b.root) {
		const yaml_mark_t start = {0};
		b.root = node_new(YAML_SCALAR, &start);
		b.root->text = xstrdup("");
		b.root->plain = true;
	}
	*ret = TAKE_PTR(b.root);
	return 0;
}

static struct yaml_node *scalar_from_json(const json_t *json)
{
	struct yaml_node *node = node_new(YAML_SCALAR, NULL);
	node->plain = !json_is_string(json);
	node->text = json_is_string(json) ? xstrdup(json_string_value(json)) : json_text(json);
	return node;
}

struct yaml_node *yaml_from_json(const json_t *json)
{
	if (json_is_array(json)) {
		struct yaml_node *list = node_new(YAML_SEQUENCE, NULL);
		for (size_t i = 0; i < json_array_size(json); i++)
			node_add(list, NULL, yaml_from_json(json_array_get(json, i)));
		return list;
	}
	if (!json_is_object(json))
		return scalar_from_json(json);
	struct yaml_node *mapping = node_new(YAML_MAPPING, NULL);
	/* jansson's iterators take a pointer to non-const and change nothing. */
	json_t *object = NULL;
	memcpy(&object, &json, sizeof(object));
	const char *name;
	json_t *value;
	json_object_foreach(object, name, value)
	{
		struct yaml_node *key = node_new(YAML_SCALAR, NULL);
		key->text = xstrdup(name);
		node_add(mapping, key, yaml_from_json(value));
	}
	return mapping;
}

const struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key)
{
	if (!mapping || mapping->kind != YAML_MAPPING)
		return NULL;
	for (size_t i = 0; i < mapping->n; i++)
		if (strcmp(mapping->keys[i]->text, key) == 0)
			return mapping->items[i];
	return NULL;
}

bool yaml_is_null(const struct yaml_node *node)
{
	static const char *const names[] = {"", "~", "null", "Null", "NULL"};
	if (!node)
		return true;
	for (size_t i = 0; node->kind == YAML_SCALAR && node->plain && i < ARRAY_SIZE(names); i++)
		if (strcmp(node->text, names[i]) == 0)
			return true;
	return false;
}

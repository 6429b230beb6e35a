/* Reading; see edit_json.h. The changes are in edit_json_change.c.
 *
 * The grammar is RFC 8259's, and besides: // and block comments where space may be, a comma behind the last
 * member or element, a BOM at the start. */
#include "agent/edit_json.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

static const char bom[] = "\xEF\xBB\xBF";

struct parser {
	struct edit_json *doc;
	const char *text;
	size_t len, at;
	int depth;
	struct error *err;
};

static int line_at(const struct edit_json *doc, size_t offset)
{
	int line = 1;
	for (size_t i = 0; i < offset && i < doc->text.len; i++)
		line += doc->text.buf[i] == '\n';
	return line;
}

static int fail(struct parser *p, const char *what)
{
	return error_set(p->err, ERR_INVALID, "%s:%d: %s", p->doc->file, line_at(p->doc, p->at), what);
}

static char peek(const struct parser *p)
{
	return p->at < p->len ? p->text[p->at] : '\0';
}

static bool at_text(const struct parser *p, const char *text)
{
	size_t n = strlen(text);
	return p->len - p->at >= n && memcmp(p->text + p->at, text, n) == 0;
}

/* Some readers end a line there, and others do not. */
static bool lone_return(const struct parser *p)
{
	return peek(p) == '\r' && !at_text(p, "\r\n");
}

static void note_loose(struct parser *p, size_t at)
{
	if (p->doc->loose == EDIT_JSON_STRICT)
		p->doc->loose = at;
}

/* Space and comments. */
static int skip(struct parser *p)
{
	for (;;) {
		char c = peek(p);
		if (at_text(p, "//") || at_text(p, "/*"))
			note_loose(p, p->at);
		if (p->at < p->len && (c == ' ' || c == '\t' || c == '\n' || c == '\r')) {
			p->at++;
		} else if (at_text(p, "//")) {
			while (p->at < p->len && peek(p) != '\n' && !lone_return(p))
				p->at++;
			if (lone_return(p))
				return fail(p, "a carriage return within a comment");
		} else if (at_text(p, "/*")) {
			const char *end = memmem(p->text + p->at + 2, p->len - p->at - 2, "*/", 2);
			if (!end)
				return fail(p, "a comment without its end");
			p->at = (size_t)(end - p->text) + 2;
		} else {
			return 0;
		}
	}
}

static int add_node(struct parser *p, uint32_t parent, uint32_t *ret)
{
	struct edit_json *doc = p->doc;
	if (doc->n > EDIT_JSON_NODES_MAX)
		return error_set(p->err, ERR_TOO_LARGE, "%s holds more than %d values", doc->file,
				 EDIT_JSON_NODES_MAX);
	ARRAY_GROW(doc->nodes, doc->n, doc->cap);
	uint32_t id = doc->n++;
	doc->nodes[id] = (struct edit_json_node){.parent = parent};
	if (parent) {
		struct edit_json_node *up = &doc->nodes[parent];
		doc->nodes[id].prev = up->last;
		if (up->last)
			doc->nodes[up->last].next = id;
		else
			up->first = id;
		up->last = id;
		up->n++;
	}
	*ret = id;
	return 0;
}

static int parse_escape(struct parser *p)
{
	char c = peek(p);
	size_t hex = c == 'u' ? 4 : 0;
	if (!c || !strchr("\"\\/bfnrtu", c))
		return fail(p, "an escape that JSON does not have");
	p->at++;
	for (size_t i = 0; i < hex; i++, p->at++)
		if (!peek(p) || !strchr("0123456789abcdefABCDEF", peek(p)))
			return fail(p, "an escape that JSON does not have");
	return 0;
}

static int parse_string(struct parser *p)
{
	for (p->at++; p->at < p->len; p->at++) {
		unsigned char c = (unsigned char)p->text[p->at];
		if (c == '"') {
			p->at++;
			return 0;
		}
		if (c < 0x20)
			return fail(p, "a string without its end");
		if (c != '\\')
			continue;
		p->at++;
		int r = parse_escape(p);
		if (r)
			return r;
		p->at--;
	}
	return fail(p, "a string without its end");
}

static size_t digits(struct parser *p)
{
	size_t before = p->at;
	while (peek(p) >= '0' && peek(p) <= '9')
		p->at++;
	return p->at - before;
}

static int parse_number(struct parser *p)
{
	p->at += peek(p) == '-';
	bool zero = peek(p) == '0';
	size_t n = digits(p);
	bool ok = n && (n == 1 || !zero);
	if (ok && peek(p) == '.') {
		p->at++;
		ok = digits(p) > 0;
	}
	if (ok && (peek(p) == 'e' || peek(p) == 'E')) {
		p->at++;
		p->at += peek(p) == '+' || peek(p) == '-';
		ok = digits(p) > 0;
	}
	return ok ? 0 : fail(p, "not a value of JSON");
}

static int parse_atom(struct parser *p)
{
	static const char *const words[] = {"true", "false", "null"};
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (at_text(p, words[i])) {
			p->at += strlen(words[i]);
			return 0;
		}
	return parse_number(p);
}

static int parse_value(struct parser *p, uint32_t id);

static int parse_key(struct parser *p, uint32_t id)
{
	struct edit_json *doc = p->doc;
	if (peek(p) != '"')
		return fail(p, "a key in quotes is missing");
	doc->nodes[id].key_start = (uint32_t)p->at;
	int r = parse_string(p);
	doc->nodes[id].key_end = (uint32_t)p->at;
	if (!r)
		r = skip(p);
	if (!r && peek(p) != ':')
		return fail(p, "a colon is missing behind the key");
	p->at++;
	return r ? r : skip(p);
}

/* `at` is behind the opening bracket. */
static int parse_items(struct parser *p, uint32_t id, char close)
{
	int r = skip(p);
	while (!r && peek(p) != close) {
		uint32_t child = 0;
		r = add_node(p, id, &child);
		if (!r && close == '}')
			r = parse_key(p, child);
		if (!r)
			r = parse_value(p, child);
		if (!r)
			r = skip(p);
		if (r || peek(p) == close)
			break;
		if (peek(p) != ',')
			return fail(p, close == '}' ? "a comma or } is missing" : "a comma or ] is missing");
		size_t comma = p->at++;
		r = skip(p);
		if (peek(p) == close)
			note_loose(p, comma);
	}
	p->at++;
	return r;
}

/* A string's text: escapes undone, what is no UTF-8 replaced; a NUL in it stays. A new reference. */
static json_t *string_value(const struct edit_json *doc, size_t start, size_t end)
{
	const char *text = doc->text.buf + start;
	size_t len = end - start;
	if (!memchr(text, '\\', len))
		return json_lossy_string(text + 1, len - 2);
	json_t *value = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	return value ? value : json_lossy_string(text + 1, len - 2); /* half a surrogate pair, bad UTF-8 */
}

struct key {
	json_t *text;
	uint32_t node;
};

static int by_text(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	size_t n = json_string_length(x->text), m = json_string_length(y->text);
	int order = memcmp(json_string_value(x->text), json_string_value(y->text), n < m ? n : m);
	return order ? order : (n > m) - (n < m);
}

static int check_keys(struct parser *p, uint32_t id)
{
	struct edit_json *doc = p->doc;
	uint32_t n = 0, twice = 0;
	autofree struct key *keys = xcalloc(doc->nodes[id].n + 1, sizeof(*keys));
	for (uint32_t c = doc->nodes[id].first; c; c = doc->nodes[c].next)
		keys[n++] =
			(struct key){string_value(doc, doc->nodes[c].key_start, doc->nodes[c].key_end), c};
	qsort(keys, n, sizeof(*keys), by_text);
	for (uint32_t i = 1; i < n && !twice; i++)
		if (by_text(&keys[i - 1], &keys[i]) == 0)
			twice = keys[i - 1].node > keys[i].node ? keys[i - 1].node : keys[i].node;
	for (uint32_t i = 0; i < n; i++)
		json_decref(keys[i].text);
	if (!twice)
		return 0;
	p->at = doc->nodes[twice].key_start;
	return fail(p, "this key stands twice");
}

static int parse_container(struct parser *p, uint32_t id, char close)
{
	if (++p->depth > EDIT_JSON_DEPTH_MAX)
		return fail(p, "nested too deeply");
	p->at++;
	int r = parse_items(p, id, close);
	p->depth--;
	return r || close == ']' ? r : check_keys(p, id);
}

static int parse_value(struct parser *p, uint32_t id)
{
	struct edit_json *doc = p->doc;
	doc->nodes[id].start = (uint32_t)p->at;
	int r;
	switch (peek(p)) {
	case '{':
		doc->nodes[id].kind = EDIT_JSON_OBJECT;
		r = parse_container(p, id, '}');
		break;
	case '[':
		doc->nodes[id].kind = EDIT_JSON_ARRAY;
		r = parse_container(p, id, ']');
		break;
	case '"':
		doc->nodes[id].kind = EDIT_JSON_STRING;
		r = parse_string(p);
		break;
	default:
		r = p->at < p->len ? parse_atom(p) : fail(p, "the end comes too early");
	}
	doc->nodes[id].end = (uint32_t)p->at;
	return r;
}

static int parse_document(struct parser *p)
{
	uint32_t root = 0;
	size_t start = at_text(p, bom) ? strlen(bom) : 0;
	p->at = start;
	size_t space = strspn(strbuf_str(&p->doc->text) + start, " \t\r\n");
	if (start + space == p->len)
		return 0;
	int r = skip(p);
	if (!r)
		r = add_node(p, 0, &root);
	if (!r)
		r = parse_value(p, root);
	if (!r)
		r = skip(p);
	return !r && p->at < p->len ? fail(p, "something follows behind the end") : r;
}

int edit_json_parse(const char *file, const char *text, size_t len, struct edit_json **ret, struct error *err)
{
	if (len > EDIT_JSON_SIZE_MAX)
		return error_set(err, ERR_TOO_LARGE, "%s is larger than %d bytes", file, EDIT_JSON_SIZE_MAX);
	autoeditjson *doc = xcalloc(1, sizeof(*doc));
	doc->file = xstrdup(file);
	doc->loose = EDIT_JSON_STRICT;
	strbuf_init(&doc->text, EDIT_JSON_SIZE_MAX);
	strbuf_add(&doc->text, text, len);
	ARRAY_GROW(doc->nodes, doc->n, doc->cap);
	doc->nodes[doc->n++] = (struct edit_json_node){0};
	struct parser p = {.doc = doc, .text = strbuf_str(&doc->text), .len = len, .err = err};
	int r = parse_document(&p);
	if (r)
		return r;
	*ret = TAKE_PTR(doc);
	return 0;
}

void edit_json_free(struct edit_json *doc)
{
	if (!doc)
		return;
	free(doc->file);
	free(doc->nodes);
	strbuf_release(&doc->text);
	free(doc);
}

void edit_json_release(struct edit_json **doc)
{
	edit_json_free(*doc);
}

uint32_t edit_json_root(const struct edit_json *doc)
{
	return doc->n > 1;
}

uint32_t edit_json_get(const struct edit_json *doc, uint32_t node, const char *key)
{
	if (!edit_json_is(doc, node, EDIT_JSON_OBJECT))
		return 0;
	for (uint32_t c = doc->nodes[node].first; c; c = doc->nodes[c].next) {
		json_auto_t *name = string_value(doc, doc->nodes[c].key_start, doc->nodes[c].key_end);
		if (json_string_length(name) == strlen(key) && strcmp(json_string_value(name), key) == 0)
			return c;
	}
	return 0;
}

uint32_t edit_json_first(const struct edit_json *doc, uint32_t node)
{
	return doc->nodes[node].first;
}

uint32_t edit_json_next(const struct edit_json *doc, uint32_t node)
{
	return doc->nodes[node].next;
}

bool edit_json_is(const struct edit_json *doc, uint32_t node, enum edit_json_kind kind)
{
	return node && doc->nodes[node].kind == kind;
}

static json_t *atom_value(const struct edit_json *doc, const struct edit_json_node *node)
{
	json_t *value =
		json_loadb(doc->text.buf + node->start, node->end - node->start, JSON_DECODE_ANY, NULL);
	/* A number that does not fit: nothing that Coppice writes or asks for equals it. */
	return value ? value : json_null();
}

json_t *edit_json_value(const struct edit_json *doc, uint32_t node)
{
	const struct edit_json_node *at = &doc->nodes[node];
	json_t *all = NULL;
	if (!node)
		return NULL;
	switch (at->kind) {
	case EDIT_JSON_STRING:
		return string_value(doc, at->start, at->end);
	case EDIT_JSON_OBJECT:
		all = json_object();
		for (uint32_t c = at->first; c; c = doc->nodes[c].next) {
			autofree char *key = edit_json_key(doc, c);
			json_object_set_new(all, key, edit_json_value(doc, c));
		}
		return all;
	case EDIT_JSON_ARRAY:
		all = json_array();
		for (uint32_t c = at->first; c; c = doc->nodes[c].next)
			json_array_append_new(all, edit_json_value(doc, c));
		return all;
	default:
		return atom_value(doc, at);
	}
}

char *edit_json_key(const struct edit_json *doc, uint32_t node)
{
	const struct edit_json_node *at = &doc->nodes[node];
	if (at->key_start == at->key_end)
		return xstrdup("");
	json_auto_t *key = string_value(doc, at->key_start, at->key_end);
	return xstrdup(json_string_value(key)); /* a NUL ends it: such a key is nobody's */
}

int edit_json_line(const struct edit_json *doc, uint32_t node)
{
	const struct edit_json_node *at = &doc->nodes[node];
	return line_at(doc, at->key_start < at->key_end ? at->key_start : at->start);
}

int edit_json_loose_line(const struct edit_json *doc)
{
	return doc->loose == EDIT_JSON_STRICT ? 0 : line_at(doc, doc->loose);
}

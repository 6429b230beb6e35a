/* Reading; see edit_toml.h. The changes are in edit_toml_change.c.
 *
 * The grammar is TOML 1.0's, with the line ends and comments in inline tables that 1.1 allows. Values that
 * are no strings, arrays or inline tables are taken by their characters. Paths that were seen are kept with
 * what they are, to find what stands twice:
 *	header	named by a header		value	has a value
 *	tables	an array of tables, and how many	parent	only above a header
 *	dotted	only above a dotted key
 * A key below an array of tables has the number of its table in the path that is looked up. */
#include "agent/edit_toml.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

enum { PATH_SIZE_MAX = 64 << 10 };

struct parser {
	struct edit_toml *doc;
	const char *text;
	size_t len, at;
	int line, depth;
	struct error *err;
	struct strbuf table; /* looked-up path of the header that is open */
};

/* A key as it was read: the path for people, and the one that is looked up. */
struct path {
	struct strbuf name, lookup;
};

static int fail(struct parser *p, const char *what)
{
	return error_set(p->err, ERR_INVALID, "%s:%d: %s", p->doc->file, p->line, what);
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

static bool at_line_end(const struct parser *p)
{
	return at_text(p, "\n") || at_text(p, "\r\n");
}

static bool is_control(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7F;
}

static void skip_blanks(struct parser *p)
{
	while (peek(p) == ' ' || peek(p) == '\t')
		p->at++;
}

static int skip_comment(struct parser *p)
{
	if (peek(p) != '#')
		return 0;
	for (; p->at < p->len && !at_line_end(p); p->at++)
		if (is_control(p->text[p->at]))
			return fail(p, "a control character within a comment");
	return 0;
}

/* Blanks, comments and line ends. */
static int skip_lines(struct parser *p)
{
	for (;;) {
		skip_blanks(p);
		int r = skip_comment(p);
		if (r)
			return r;
		if (!at_line_end(p))
			return 0;
		p->at += peek(p) == '\r' ? 2 : 1;
		p->line++;
	}
}

/* The rest of a statement's line. */
static int end_line(struct parser *p)
{
	skip_blanks(p);
	int r = skip_comment(p);
	if (r || p->at == p->len)
		return r;
	if (!at_line_end(p))
		return fail(p, "something follows behind the end of the value");
	p->at += peek(p) == '\r' ? 2 : 1;
	p->line++;
	return 0;
}

/* --- strings --- */

static int hex_digits(struct parser *p, size_t n, struct strbuf *out)
{
	uint32_t code = 0;
	for (size_t i = 0; i < n; i++, p->at++) {
		const char *hex = "0123456789abcdef", *found = NULL;
		char c = peek(p);
		if (c)
			found = strchr(hex, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
		if (!found)
			return fail(p, "an escape that TOML does not have");
		code = code << 4 | (uint32_t)(found - hex);
	}
	if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
		return fail(p, "an escape that is no character");
	if (code >= 0x10000) {
		strbuf_addch(out, (char)(0xF0 | code >> 18));
		strbuf_addch(out, (char)(0x80 | (code >> 12 & 0x3F)));
	} else if (code >= 0x800) {
		strbuf_addch(out, (char)(0xE0 | code >> 12));
	}
	if (code >= 0x800)
		strbuf_addch(out, (char)(0x80 | (code >> 6 & 0x3F)));
	else if (code >= 0x80)
		strbuf_addch(out, (char)(0xC0 | code >> 6));
	strbuf_addch(out, (char)(code >= 0x80 ? 0x80 | (code & 0x3F) : code));
	return 0;
}

/* A backslash at the end of a line of a multi-line string: it and all space behind it go. */
static bool skip_continuation(struct parser *p)
{
	size_t from = p->at;
	skip_blanks(p);
	if (!at_line_end(p)) {
		p->at = from;
		return false;
	}
	while (peek(p) == ' ' || peek(p) == '\t' || at_line_end(p)) {
		p->line += peek(p) == '\n';
		p->at++;
	}
	return true;
}

/* `at` is behind the backslash. */
static int parse_escape(struct parser *p, bool lines, struct strbuf *out)
{
	static const char names[] = "btnfre\"\\", values[] = "\b\t\n\f\r\x1b\"\\";
	if (lines && skip_continuation(p))
		return 0;
	char c = peek(p);
	const char *found = c ? strchr(names, c) : NULL;
	size_t hex = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
	if (!found && !hex)
		return fail(p, "an escape that TOML does not have");
	p->at++;
	if (hex)
		return hex_digits(p, hex, out);
	strbuf_addch(out, values[found - names]);
	return 0;
}

/* How many quotes stand at `at`, at most five. */
static size_t quotes(const struct parser *p, char quote)
{
	size_t n = 0;
	while (n < 5 && p->at + n < p->len && p->text[p->at + n] == quote)
		n++;
	return n;
}

static int parse_lines_string(struct parser *p, char quote, struct strbuf *out)
{
	p->at += 3;
	if (at_line_end(p)) {
		p->at += peek(p) == '\r' ? 2 : 1;
		p->line++;
	}
	while (p->at < p->len) {
		size_t n = quotes(p, quote);
		char c = peek(p);
		if (n >= 3) {
			for (p->at += n; n > 3; n--)
				strbuf_addch(out, quote);
			return 0;
		}
		if (is_control(c) && !at_line_end(p))
			return fail(p, "a control character within a string");
		p->line += c == '\n';
		p->at++;
		if (c != '\\' || quote == '\'') {
			strbuf_addch(out, c);
			continue;
		}
		int r = parse_escape(p, true, out);
		if (r)
			return r;
	}
	return fail(p, "a string without its end");
}

static int parse_string(struct parser *p, bool lines, struct strbuf *out)
{
	char quote = peek(p);
	if (quotes(p, quote) >= 3) {
		if (!lines)
			return fail(p, "a key of several lines");
		return parse_lines_string(p, quote, out);
	}
	for (p->at++; p->at < p->len;) {
		char c = p->text[p->at++];
		if (c == quote)
			return 0;
		if (is_control(c))
			break;
		if (c == '\\' && quote == '"') {
			int r = parse_escape(p, false, out);
			if (r)
				return r;
		} else {
			strbuf_addch(out, c);
		}
	}
	return fail(p, "a string without its end");
}

/* --- keys --- */

/* Appends a key to a path: quoted, so that dots and quotes within it are told apart. */
static void path_add(struct strbuf *path, const char *key, size_t len)
{
	strbuf_addstr(path, path->len ? ".\"" : "\"");
	for (size_t i = 0; i < len; i++)
		if (key[i] == '"' || key[i] == '\\')
			strbuf_addf(path, "\\%c", key[i]);
		else if (is_control(key[i]))
			strbuf_addf(path, "\\x%02X", (unsigned char)key[i]);
		else
			strbuf_addch(path, key[i]);
	strbuf_addch(path, '"');
}

char *edit_toml_path(const char *const *keys)
{
	autostrbuf path = STRBUF_INIT(PATH_SIZE_MAX);
	for (; *keys; keys++)
		path_add(&path, *keys, strlen(*keys));
	return strbuf_detach(&path);
}

static int parse_key(struct parser *p, struct strbuf *key)
{
	static const char bare[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	if (peek(p) == '"' || peek(p) == '\'')
		return parse_string(p, false, key);
	size_t n = strspn(p->text + p->at, bare);
	if (!n)
		return fail(p, "a key is missing");
	strbuf_add(key, p->text + p->at, n);
	p->at += n;
	return 0;
}

static const char *seen_as(const struct parser *p, const struct strbuf *lookup)
{
	const json_t *seen = json_object_get(p->doc->seen, strbuf_str(lookup));
	return json_is_integer(seen) ? "tables" : json_string_value(seen);
}

static void see(struct parser *p, const struct strbuf *lookup, const char *what)
{
	json_object_set_new(p->doc->seen, strbuf_str(lookup), json_string(what));
}

/* Below an array of tables, its last one is meant. */
static void enter_tables(struct parser *p, struct strbuf *lookup)
{
	const json_t *seen = json_object_get(p->doc->seen, strbuf_str(lookup));
	if (json_is_integer(seen))
		strbuf_addf(lookup, "#%lld", (long long)json_integer_value(seen));
}

/* Notes what stands above a key; `header`: of a header, else of a key with a value. */
static int see_parent(struct parser *p, struct path *path, bool header)
{
	const char *seen = seen_as(p, &path->lookup);
	if (!seen)
		see(p, &path->lookup, header ? "parent" : "dotted");
	else if (strcmp(seen, "value") == 0 || (!header && strcmp(seen, "dotted") != 0))
		return fail(p, "a key is used as a table, and is none");
	if (header)
		enter_tables(p, &path->lookup);
	return 0;
}

/* A dotted key behind what `path` holds. */
static int parse_path(struct parser *p, struct path *path, bool header)
{
	for (;;) {
		autostrbuf key = STRBUF_INIT(PATH_SIZE_MAX);
		skip_blanks(p);
		int r = parse_key(p, &key);
		if (r)
			return r;
		path_add(&path->name, strbuf_str(&key), key.len);
		path_add(&path->lookup, strbuf_str(&key), key.len);
		if (key.overflow || path->name.overflow || path->lookup.overflow)
			return error_set(p->err, ERR_TOO_LARGE, "%s:%d: a key is too long", p->doc->file,
					 p->line);
		skip_blanks(p);
		if (peek(p) != '.')
			return 0;
		p->at++;
		r = see_parent(p, path, header);
		if (r)
			return r;
	}
}

static void path_release(struct path *path)
{
	strbuf_release(&path->name);
	strbuf_release(&path->lookup);
}

#define autopath _cleanup_(path_release) struct path

static void path_begin(struct path *path, const struct strbuf *name, const struct strbuf *lookup)
{
	strbuf_init(&path->name, PATH_SIZE_MAX);
	strbuf_init(&path->lookup, PATH_SIZE_MAX);
	strbuf_add(&path->name, strbuf_str(name), name->len);
	strbuf_add(&path->lookup, strbuf_str(lookup), lookup->len);
}

/* --- values --- */

static int parse_value(struct parser *p, const struct path *path);

/* `key = value`; the path is that of the table. */
static int parse_member(struct parser *p, struct path *path, size_t *ret_value)
{
	int r = parse_path(p, path, false);
	if (r)
		return r;
	if (peek(p) != '=')
		return fail(p, "an = is missing behind the key");
	p->at++;
	if (seen_as(p, &path->lookup))
		return fail(p, "this key stands twice");
	see(p, &path->lookup, "value");
	skip_blanks(p);
	*ret_value = p->at;
	return parse_value(p, path);
}

static int parse_items(struct parser *p, const struct path *path, char close)
{
	size_t i = 0, start;
	p->at++;
	int r = skip_lines(p);
	while (!r && peek(p) != close) {
		autopath item = {0};
		path_begin(&item, &path->name, &path->lookup);
		if (close == ']')
			strbuf_addf(&item.lookup, "[%zu]", i++);
		r = close == ']' ? parse_value(p, &item) : parse_member(p, &item, &start);
		if (!r)
			r = skip_lines(p);
		if (r || peek(p) == close)
			break;
		if (peek(p) != ',')
			return fail(p, close == ']' ? "a comma or ] is missing" : "a comma or } is missing");
		p->at++;
		r = skip_lines(p);
	}
	p->at++;
	return r;
}

/* Whether a word is a boolean, or begins as numbers and dates do. */
static bool is_plain(const char *word, size_t len)
{
	static const char *const words[] = {"true", "false", "inf", "nan"};
	size_t sign = *word == '+' || *word == '-';
	for (size_t i = sign ? 2 : 0; i < ARRAY_SIZE(words); i++)
		if (len - sign == strlen(words[i]) && memcmp(word + sign, words[i], len - sign) == 0)
			return true;
	return len > sign && word[sign] >= '0' && word[sign] <= '9';
}

/* Numbers, booleans, dates: not told apart. */
static int parse_plain(struct parser *p)
{
	static const char chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-.:";
	size_t n = strspn(p->text + p->at, chars);
	/* The time behind a date may stand apart. */
	if (n == 10 && p->text[p->at + 4] == '-' && p->text[p->at + n] == ' ' &&
	    strchr("0123456789", p->text[p->at + n + 1]) && p->text[p->at + n + 1])
		n += 1 + strspn(p->text + p->at + n + 1, chars);
	if (!n)
		return fail(p, "a value is missing");
	if (!is_plain(p->text + p->at, n))
		return fail(p, "not a value of TOML");
	p->at += n;
	return 0;
}

static int parse_value(struct parser *p, const struct path *path)
{
	autostrbuf ignored = STRBUF_INIT(0);
	char c = peek(p);
	if (c == '"' || c == '\'')
		return parse_string(p, true, &ignored);
	if (c != '[' && c != '{')
		return parse_plain(p);
	if (++p->depth > EDIT_TOML_DEPTH_MAX)
		return fail(p, "nested too deeply");
	int r = parse_items(p, path, c == '[' ? ']' : '}');
	p->depth--;
	return r;
}

/* --- statements --- */

static int add_item(struct parser *p, struct edit_toml_item item, const struct path *path)
{
	struct edit_toml *doc = p->doc;
	if (doc->n >= EDIT_TOML_ITEMS_MAX)
		return error_set(p->err, ERR_TOO_LARGE, "%s holds more than %d keys", doc->file,
				 EDIT_TOML_ITEMS_MAX);
	ARRAY_GROW(doc->items, doc->n, doc->cap);
	if (item.kind != EDIT_TOML_VALUE)
		item.table = doc->n;
	item.path = xstrdup(strbuf_str(&path->name));
	doc->items[doc->n++] = item;
	return 0;
}

static int see_header(struct parser *p, struct path *path, bool tables)
{
	const char *seen = seen_as(p, &path->lookup);
	if (tables && seen && strcmp(seen, "tables") == 0) {
		const json_t *count = json_object_get(p->doc->seen, strbuf_str(&path->lookup));
		json_object_set_new(p->doc->seen, strbuf_str(&path->lookup),
				    json_integer(json_integer_value(count) + 1));
	} else if (seen && (tables || strcmp(seen, "parent") != 0)) {
		return fail(p, "this table stands twice");
	} else if (tables) {
		json_object_set_new(p->doc->seen, strbuf_str(&path->lookup), json_integer(1));
	} else {
		see(p, &path->lookup, "header");
	}
	enter_tables(p, &path->lookup);
	return 0;
}

static int parse_header(struct parser *p, struct edit_toml_item *item)
{
	autopath path = {0};
	const struct strbuf none = STRBUF_INIT(0);
	path_begin(&path, &none, &none);
	bool tables = at_text(p, "[[");
	item->kind = tables ? EDIT_TOML_TABLES : EDIT_TOML_TABLE;
	p->at += tables ? 2 : 1;
	int r = parse_path(p, &path, true);
	if (r)
		return r;
	if (!at_text(p, tables ? "]]" : "]"))
		return fail(p, "a ] is missing behind the table's name");
	p->at += tables ? 2 : 1;
	r = see_header(p, &path, tables);
	if (!r)
		r = end_line(p);
	item->end = p->at;
	strbuf_reset(&p->table);
	strbuf_add(&p->table, strbuf_str(&path.lookup), path.lookup.len);
	return r ? r : add_item(p, *item, &path);
}

static int parse_statement(struct parser *p, size_t *table)
{
	struct edit_toml *doc = p->doc;
	struct edit_toml_item item = {.start = p->at, .line = p->line, .table = *table};
	autopath path = {0};
	skip_blanks(p);
	if (peek(p) == '[') {
		*table = doc->n;
		return parse_header(p, &item);
	}
	const struct strbuf none = STRBUF_INIT(0);
	autostrbuf name = STRBUF_INIT(PATH_SIZE_MAX);
	if (*table != EDIT_TOML_NONE)
		strbuf_addstr(&name, doc->items[*table].path);
	path_begin(&path, *table != EDIT_TOML_NONE ? &name : &none, &p->table);
	item.kind = EDIT_TOML_VALUE;
	int r = parse_member(p, &path, &item.value_start);
	item.value_end = p->at;
	if (!r)
		r = end_line(p);
	item.end = p->at;
	return r ? r : add_item(p, item, &path);
}

static int parse_document(struct parser *p)
{
	size_t table = EDIT_TOML_NONE;
	p->at = at_text(p, "\xEF\xBB\xBF") ? 3 : 0;
	for (;;) {
		int r = skip_lines(p);
		if (r || p->at == p->len)
			return r;
		/* A statement's lines begin with its indentation. */
		while (p->at > 0 && (p->text[p->at - 1] == ' ' || p->text[p->at - 1] == '\t'))
			p->at--;
		r = parse_statement(p, &table);
		if (r)
			return r;
	}
}

int edit_toml_parse(const char *file, const char *text, size_t len, struct edit_toml **ret, struct error *err)
{
	if (len > EDIT_TOML_SIZE_MAX)
		return error_set(err, ERR_TOO_LARGE, "%s is larger than %d bytes", file, EDIT_TOML_SIZE_MAX);
	autoedittoml *doc = xcalloc(1, sizeof(*doc));
	doc->file = xstrdup(file);
	doc->seen = json_object();
	strbuf_init(&doc->text, EDIT_TOML_SIZE_MAX);
	strbuf_add(&doc->text, text, len);
	struct parser p = {.doc = doc, .text = strbuf_str(&doc->text), .len = len, .line = 1, .err = err};
	strbuf_init(&p.table, PATH_SIZE_MAX);
	int r = utf8_valid(text, len) ? parse_document(&p) : fail(&p, "the file is not UTF-8");
	strbuf_release(&p.table);
	if (r)
		return r;
	*ret = TAKE_PTR(doc);
	return 0;
}

void edit_toml_free(struct edit_toml *doc)
{
	if (!doc)
		return;
	for (size_t i = 0; i < doc->n; i++)
		free(doc->items[i].path);
	free(doc->items);
	free(doc->file);
	json_decref(doc->seen);
	strbuf_release(&doc->text);
	free(doc);
}

void edit_toml_release(struct edit_toml **doc)
{
	edit_toml_free(*doc);
}

/* --- looking --- */

size_t edit_toml_find(const struct edit_toml *doc, const char *const *keys)
{
	autofree char *path = edit_toml_path(keys);
	for (size_t i = 0; i < doc->n; i++)
		if (strcmp(doc->items[i].path, path) == 0)
			return i;
	return EDIT_TOML_NONE;
}

size_t edit_toml_find_below(const struct edit_toml *doc, const char *const *keys)
{
	autofree char *path = edit_toml_path(keys);
	size_t len = strlen(path);
	for (size_t i = 0; i < doc->n; i++)
		if (strncmp(doc->items[i].path, path, len) == 0 &&
		    (doc->items[i].path[len] == '.' || doc->items[i].path[len] == '\0'))
			return i;
	return EDIT_TOML_NONE;
}

size_t edit_toml_member(const struct edit_toml *doc, size_t table, const char *key)
{
	if (table == EDIT_TOML_NONE)
		return EDIT_TOML_NONE;
	const char *const last[] = {key, NULL};
	autofree char *name = edit_toml_path(last);
	autofree char *path = xasprintf("%s.%s", doc->items[table].path, name);
	for (size_t i = table + 1; i < doc->n && doc->items[i].table == table; i++)
		if (strcmp(doc->items[i].path, path) == 0)
			return i;
	return EDIT_TOML_NONE;
}

static json_t *plain_value(const char *text, size_t len)
{
	autofree char *word = xstrndup(text, len);
	json_t *value = json_loads(word, JSON_DECODE_ANY, NULL);
	if (value && !json_is_real(value))
		return value;
	json_decref(value);
	return json_null();
}

static json_t *read_value(struct parser *p)
{
	autostrbuf text = STRBUF_INIT(EDIT_TOML_SIZE_MAX);
	const struct strbuf none = STRBUF_INIT(0);
	size_t start = p->at;
	char c = peek(p);
	if (c == '"' || c == '\'') {
		if (parse_string(p, true, &text))
			return json_null();
		return json_lossy_string(strbuf_str(&text), text.len);
	}
	if (c != '[') {
		autopath path = {0};
		path_begin(&path, &none, &none);
		bool plain = c != '{' && parse_value(p, &path) == 0;
		return plain ? plain_value(p->text + start, p->at - start) : json_null();
	}
	json_t *list = json_array();
	p->at++;
	while (skip_lines(p) == 0 && p->at < p->len && peek(p) != ']') {
		json_t *item = read_value(p);
		json_array_append_new(list, item);
		/* What has inline tables in it is not taken apart. */
		if (json_is_null(item) || skip_lines(p) != 0 || peek(p) != ',')
			break;
		p->at++;
	}
	p->at += peek(p) == ']';
	return list;
}

json_t *edit_toml_value(const struct edit_toml *doc, size_t item)
{
	if (item == EDIT_TOML_NONE || doc->items[item].kind != EDIT_TOML_VALUE)
		return json_null();
	struct parser p = {
		.text = doc->text.buf, .at = doc->items[item].value_start, .len = doc->items[item].value_end};
	struct edit_toml scratch = {.file = doc->file};
	p.doc = &scratch; /* it has been read before: nothing is said about it */
	return read_value(&p);
}

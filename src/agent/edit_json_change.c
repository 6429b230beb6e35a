/* Changing; see edit_json.h.
 *
 * A change is at most two cuts and two pieces of text. An addition goes behind the last member, its comma and
 * the comments on their line, so that a comment stays beside what it is about:
 *	"a": 1 // one		"a": 1, // one
 *				"b": 2
 * Taking out cuts the same pieces: the white space before the member back to the line end that belongs to it,
 * the member, and one comma. Where that would draw what follows into a comment, the space is left. */
#include "agent/edit_json.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum { CUTS_MAX = 3, GROWTH_MAX = 1 << 20, UNIT_MAX = 16, UNIT_TRIES = 100 };

/* Bytes [start, end) become `put`. */
struct cut {
	size_t start, end;
	const char *put;
};

/* How the file is written. */
struct style {
	const char *newline;
	char unit[UNIT_MAX + 1]; /* of indentation */
	const char *colon;
	bool lines; /* on several lines */
};

static const struct edit_json_node *at(const struct edit_json *doc, uint32_t node)
{
	return &doc->nodes[node];
}

/* Where a member begins, its key included. */
static size_t head_of(const struct edit_json_node *node)
{
	return node->key_start < node->key_end ? node->key_start : node->start;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_space(char c)
{
	return is_blank(c) || c == '\n' || c == '\r';
}

/* --- style --- */

/* Where the line of `offset` begins, a BOM left out. */
static size_t line_start(const struct edit_json *doc, size_t offset)
{
	while (offset > 0 && doc->text.buf[offset - 1] != '\n')
		offset--;
	return offset == 0 && doc->text.len >= 3 && memcmp(doc->text.buf, "\xEF\xBB\xBF", 3) == 0 ? 3
												  : offset;
}

/* The bytes of indentation of the line of `offset`. */
static size_t indent_len(const struct edit_json *doc, size_t offset)
{
	size_t start = line_start(doc, offset), n = 0;
	while (start + n < offset && is_blank(doc->text.buf[start + n]))
		n++;
	return n;
}

/* Whether nothing but indentation stands before `offset` on its line. */
static bool starts_line(const struct edit_json *doc, size_t offset)
{
	while (offset > 0 && is_blank(doc->text.buf[offset - 1]))
		offset--;
	return offset > 0 && doc->text.buf[offset - 1] == '\n';
}

static void find_unit(const struct edit_json *doc, struct style *style)
{
	(void)snprintf(style->unit, sizeof(style->unit), "  ");
	for (uint32_t i = 2, tries = 0; i < doc->n && tries < UNIT_TRIES; i++) {
		size_t head = head_of(at(doc, i));
		if (!starts_line(doc, head))
			continue;
		tries++;
		size_t own = indent_len(doc, head),
		       outer = indent_len(doc, at(doc, at(doc, i)->parent)->start);
		if (own <= outer || own - outer > UNIT_MAX)
			continue;
		memcpy(style->unit, doc->text.buf + head - (own - outer), own - outer);
		style->unit[own - outer] = '\0';
		return;
	}
}

static struct style find_style(const struct edit_json *doc)
{
	struct style style = {.newline = "\n", .colon = ": "};
	const char *text = strbuf_str(&doc->text);
	const char *end = memchr(text, '\n', doc->text.len);
	if (end && end > text && end[-1] == '\r')
		style.newline = "\r\n";
	uint32_t root = edit_json_root(doc), member = root;
	style.lines = !root || !at(doc, root)->n ||
		      memchr(text + at(doc, root)->start, '\n', at(doc, root)->end - at(doc, root)->start);
	while (member && member < doc->n && at(doc, member)->key_start == at(doc, member)->key_end)
		member++;
	if (member && member < doc->n && at(doc, member)->key_end + 1 == at(doc, member)->start)
		style.colon = ":";
	find_unit(doc, &style);
	return style;
}

/* --- writing a value --- */

struct writer {
	const struct style *style;
	struct strbuf *out;
	const char *base; /* indentation of the line that the value begins on */
	size_t base_len;
	bool lines;
};

static void write_break(const struct writer *w, int depth)
{
	if (!w->lines)
		return;
	strbuf_addstr(w->out, w->style->newline);
	strbuf_add(w->out, w->base, w->base_len);
	for (; depth > 0; depth--)
		strbuf_addstr(w->out, w->style->unit);
}

static void write_text(const struct writer *w, json_t *value)
{
	char *text = json_text(value);
	strbuf_addstr(w->out, text);
	free(text);
}

static void write_key(const struct writer *w, const char *key)
{
	json_auto_t *name = json_lossy_string(key, strlen(key));
	write_text(w, name);
	strbuf_addstr(w->out, w->style->colon);
}

/* Values of ours are a few levels deep. */
static void write_value(const struct writer *w, json_t *value, int depth)
{
	size_t n = 0, size = json_is_object(value) ? json_object_size(value) : json_array_size(value);
	const char *key, *gap = w->lines || !strchr(w->style->colon, ' ') ? "," : ", ";
	json_t *item;
	if (!size) {
		write_text(w, value);
		return;
	}
	strbuf_addch(w->out, json_is_object(value) ? '{' : '[');
	json_object_foreach(value, key, item)
	{
		strbuf_addstr(w->out, n++ ? gap : "");
		write_break(w, depth + 1);
		write_key(w, key);
		write_value(w, item, depth + 1);
	}
	json_array_foreach(value, n, item)
	{
		strbuf_addstr(w->out, n ? gap : "");
		write_break(w, depth + 1);
		write_value(w, item, depth + 1);
	}
	write_break(w, depth);
	strbuf_addch(w->out, json_is_object(value) ? '}' : ']');
}

/* --- checking --- */

static bool same_bytes(const struct edit_json *a, size_t a_start, size_t a_end, const struct edit_json *b,
		       size_t b_start, size_t b_end)
{
	return a_end - a_start == b_end - b_start &&
	       memcmp(a->text.buf + a_start, b->text.buf + b_start, a_end - a_start) == 0;
}

/* Whether two values are the same, with what is `skip_a` in the one and `skip_b` in the other left out, each
 * 0 for nothing. A node that is both is compared by its key only. */
static bool same_value(const struct edit_json *a, uint32_t i, const struct edit_json *b, uint32_t j,
		       uint32_t skip_a, uint32_t skip_b)
{
	const struct edit_json_node *x = at(a, i), *y = at(b, j);
	if (!same_bytes(a, x->key_start, x->key_end, b, y->key_start, y->key_end))
		return false;
	if (i == skip_a && j == skip_b)
		return true;
	if (x->kind != y->kind)
		return false;
	if (x->kind == EDIT_JSON_ATOM || x->kind == EDIT_JSON_STRING)
		return same_bytes(a, x->start, x->end, b, y->start, y->end);
	i = x->first;
	j = y->first;
	for (;;) {
		if (i && i == skip_a && !(j && j == skip_b))
			i = at(a, i)->next;
		else if (j && j == skip_b && !(i && i == skip_a))
			j = at(b, j)->next;
		if (!i || !j)
			return i == j;
		if (!same_value(a, i, b, j, skip_a, skip_b))
			return false;
		i = at(a, i)->next;
		j = at(b, j)->next;
	}
}

/* --- applying --- */

/* The text with the cuts made, which are in the order of the text. */
static int build(const struct edit_json *doc, const struct cut *cuts, size_t n, struct edit_json **ret,
		 struct error *err)
{
	autostrbuf text = STRBUF_INIT(EDIT_JSON_SIZE_MAX + GROWTH_MAX);
	const char *old = strbuf_str(&doc->text);
	size_t from = 0;
	for (size_t i = 0; i < n; i++) {
		strbuf_add(&text, old + from, cuts[i].start - from);
		strbuf_addstr(&text, cuts[i].put ? cuts[i].put : "");
		from = cuts[i].end;
	}
	strbuf_add(&text, old + from, doc->text.len - from);
	return edit_json_parse(doc->file, strbuf_str(&text), text.len, ret, err);
}

static void become(struct edit_json *doc, struct edit_json *changed)
{
	struct edit_json old = *doc;
	*doc = *changed;
	*changed = old;
}

static int not_understood(const struct edit_json *doc, uint32_t node, struct error *err)
{
	return error_set(err, ERR_INVALID, "%s:%d: this cannot be changed without touching what is around it",
			 doc->file, edit_json_line(doc, node));
}

/* --- adding --- */

/* The end of the comments that follow `offset` on its line. */
static size_t comments_end(const struct edit_json *doc, size_t offset, bool *ret_line_comment)
{
	const char *text = doc->text.buf;
	size_t len = doc->text.len, end = offset;
	*ret_line_comment = false;
	for (size_t i = offset; i + 1 < len;) {
		const char *close = NULL;
		if (is_blank(text[i])) {
			i++;
			continue;
		}
		if (text[i] == '/' && text[i + 1] == '/') {
			for (end = i; end < len && text[end] != '\n';)
				end++;
			end -= text[end - 1] == '\r';
			*ret_line_comment = true;
			return end;
		}
		if (text[i] == '/' && text[i + 1] == '*')
			close = memmem(text + i + 2, len - i - 2, "*/", 2);
		if (!close || memchr(text + i, '\n', (size_t)(close - text) - i))
			return end;
		i = end = (size_t)(close - text) + 2;
	}
	return end;
}

/* The comma that follows a value, past space and comments; 0 if there is none. */
static size_t comma_behind(const struct edit_json *doc, size_t offset)
{
	const char *text = doc->text.buf;
	for (size_t i = offset; i < doc->text.len;) {
		if (text[i] == ',')
			return i;
		if (is_space(text[i])) {
			i++;
		} else if (text[i] == '/' && text[i + 1] == '/') {
			while (i < doc->text.len && text[i] != '\n')
				i++;
		} else if (text[i] == '/') {
			i = (size_t)((const char *)memmem(text + i + 2, doc->text.len - i - 2, "*/", 2) -
				     text) +
			    2;
		} else {
			return 0;
		}
	}
	return 0;
}

struct addition {
	const struct edit_json *doc;
	struct style style;
	const char *key;
	json_t *value;
};

/* The member's text, on a line that is indented like this. */
static void write_item(const struct addition *a, const char *indent, size_t indent_len, bool lines,
		       struct strbuf *out)
{
	struct writer w = {
		.style = &a->style, .out = out, .base = indent, .base_len = indent_len, .lines = lines};
	if (a->key)
		write_key(&w, a->key);
	write_value(&w, a->value, 0);
}

/* A line end and `indent`, then one unit more. */
static void write_line(const struct style *style, const char *indent, size_t indent_len, bool deeper,
		       struct strbuf *out)
{
	strbuf_addstr(out, style->newline);
	strbuf_add(out, indent, indent_len);
	strbuf_addstr(out, deeper ? style->unit : "");
}

/* What stands between the elements of a container on one line. */
static const char *gap_of(const struct edit_json *doc, uint32_t container, const struct style *style)
{
	const struct edit_json_node *last = at(doc, at(doc, container)->last);
	if (!last->prev)
		return strchr(style->colon, ' ') ? " " : "";
	return is_space(doc->text.buf[head_of(last) - 1]) ? " " : "";
}

/* Behind the last member. */
static int add_behind(const struct addition *a, uint32_t container, struct edit_json **ret, struct error *err)
{
	const struct edit_json *doc = a->doc;
	const struct edit_json_node *last = at(doc, at(doc, container)->last);
	size_t comma = comma_behind(doc, last->end), head = head_of(last);
	bool line_comment = false, lines = starts_line(doc, head);
	size_t place = comments_end(doc, comma ? comma + 1 : last->end, &line_comment);
	autostrbuf item = STRBUF_INIT(GROWTH_MAX), indent = STRBUF_INIT(GROWTH_MAX);
	size_t from = lines ? head : at(doc, container)->start;
	strbuf_add(&indent, doc->text.buf + line_start(doc, from), indent_len(doc, from));
	if (!lines && line_comment)
		strbuf_addstr(&indent, a->style.unit);
	if (lines || line_comment)
		write_line(&a->style, strbuf_str(&indent), indent.len, false, &item);
	else
		strbuf_addstr(&item, gap_of(doc, container, &a->style));
	write_item(a, strbuf_str(&indent), indent.len, lines || line_comment, &item);
	strbuf_addstr(&item, comma ? "," : "");
	struct cut cuts[] = {{last->end, last->end, comma ? "" : ","}, {place, place, strbuf_str(&item)}};
	return build(doc, cuts, ARRAY_SIZE(cuts), ret, err);
}

/* The end of the last comment between the brackets of an empty container; 0 if there is none. */
static size_t comment_within(const struct edit_json *doc, const struct edit_json_node *node)
{
	size_t end = node->end - 1;
	while (end > node->start + 1 && is_space(doc->text.buf[end - 1]))
		end--;
	return end > node->start + 1 ? end : 0;
}

/* Between the brackets of an empty container. */
static int add_within(const struct addition *a, uint32_t container, struct edit_json **ret, struct error *err)
{
	const struct edit_json *doc = a->doc;
	const struct edit_json_node *node = at(doc, container);
	size_t comment = comment_within(doc, node), start = comment ? comment : node->start + 1;
	size_t end = comment ? comment : node->end - 1;
	bool lines = a->style.lines &&
		     !(comment && !memchr(doc->text.buf + node->start, '\n', node->end - node->start));
	autostrbuf item = STRBUF_INIT(GROWTH_MAX), inner = STRBUF_INIT(GROWTH_MAX);
	const char *base = doc->text.buf + line_start(doc, node->start);
	size_t base_len = indent_len(doc, node->start);
	strbuf_add(&inner, base, base_len);
	strbuf_addstr(&inner, a->style.unit);
	if (lines)
		write_line(&a->style, base, base_len, true, &item);
	else if (comment)
		strbuf_addch(&item, ' ');
	write_item(a, strbuf_str(&inner), inner.len, lines, &item);
	if (lines && !comment)
		write_line(&a->style, base, base_len, false, &item);
	struct cut cut = {start, end, strbuf_str(&item)};
	return build(doc, &cut, 1, ret, err);
}

/* A file of space only. */
static int add_root(const struct addition *a, struct edit_json **ret, struct error *err)
{
	autostrbuf item = STRBUF_INIT(GROWTH_MAX);
	strbuf_addch(&item, '{');
	write_line(&a->style, "", 0, true, &item);
	write_item(a, a->style.unit, strlen(a->style.unit), true, &item);
	write_line(&a->style, "", 0, false, &item);
	strbuf_addch(&item, '}');
	strbuf_addstr(&item, a->style.newline);
	struct cut cut = {a->doc->text.len, a->doc->text.len, strbuf_str(&item)};
	return build(a->doc, &cut, 1, ret, err);
}

int edit_json_add(struct edit_json *doc, uint32_t container, const char *key, json_t *value,
		  struct error *err)
{
	struct addition a = {.doc = doc, .style = find_style(doc), .key = key, .value = value};
	autoeditjson *changed = NULL;
	int r;
	if (!container && edit_json_root(doc))
		return error_set(err, ERR_INTERNAL, "%s has a root already", doc->file);
	if (container && at(doc, container)->kind != (key ? EDIT_JSON_OBJECT : EDIT_JSON_ARRAY))
		return error_set(err, ERR_INVALID, "%s:%d: this is no %s", doc->file,
				 edit_json_line(doc, container), key ? "object" : "list");
	if (!container)
		r = add_root(&a, &changed, err);
	else if (at(doc, container)->n)
		r = add_behind(&a, container, &changed, err);
	else
		r = add_within(&a, container, &changed, err);
	if (r)
		return r;
	/* What was added is behind all that has a number below its container's end: those stay. */
	uint32_t added = container ? at(changed, container)->last : 0;
	if (container && !same_value(doc, 1, changed, 1, 0, added))
		return not_understood(doc, container, err);
	become(doc, changed);
	return 0;
}

static int set_text(struct edit_json *doc, uint32_t node, const char *text, struct error *err)
{
	autoeditjson *changed = NULL;
	struct cut cut = {at(doc, node)->start, at(doc, node)->end, text};
	int r = build(doc, &cut, 1, &changed, err);
	if (r)
		return r;
	if (!same_value(doc, 1, changed, 1, node, node))
		return not_understood(doc, node, err);
	become(doc, changed);
	return 0;
}

int edit_json_set(struct edit_json *doc, uint32_t node, json_t *value, struct error *err)
{
	struct style style = find_style(doc);
	const struct edit_json_node *old = at(doc, node);
	autostrbuf text = STRBUF_INIT(GROWTH_MAX);
	bool nested = old->kind == EDIT_JSON_OBJECT || old->kind == EDIT_JSON_ARRAY;
	size_t head = head_of(old);
	struct writer w = {.style = &style,
			   .out = &text,
			   .base = strbuf_str(&doc->text) + line_start(doc, head),
			   .base_len = indent_len(doc, head),
			   .lines = style.lines};
	if (nested && old->n)
		w.lines = memchr(doc->text.buf + old->start, '\n', old->end - old->start) != NULL;
	write_value(&w, value, 0);
	return set_text(doc, node, strbuf_str(&text), err);
}

int edit_json_set_back(struct edit_json *doc, uint32_t node, const struct edit_json *before, uint32_t there,
		       struct error *err)
{
	const struct edit_json_node *old = at(before, there);
	autofree char *text = xstrndup(before->text.buf + old->start, old->end - old->start);
	return set_text(doc, node, text, err);
}

/* --- taking out --- */

/* The space before `offset` that belongs to what begins there: its indentation and one line end, or on one
 * line the blanks. */
static size_t space_before(const struct edit_json *doc, size_t offset)
{
	const char *text = doc->text.buf;
	while (offset > 0 && is_blank(text[offset - 1]))
		offset--;
	if (offset > 0 && text[offset - 1] == '\n')
		offset -= offset > 1 && text[offset - 2] == '\r' ? 2 : 1;
	return offset;
}

static bool only_space(const struct edit_json *doc, size_t start, size_t end)
{
	while (start < end && is_space(doc->text.buf[start]))
		start++;
	return start == end;
}

/* The node of `before` at the place of `node`, by keys; 0 when there is none. */
static uint32_t same_place(const struct edit_json *doc, uint32_t node, const struct edit_json *before)
{
	const struct edit_json_node *here = at(doc, node);
	if (!before || !edit_json_root(before))
		return 0;
	if (!here->parent)
		return edit_json_root(before);
	if (here->key_start == here->key_end)
		return 0; /* an element: which one it was cannot be known */
	autofree char *key = edit_json_key(doc, node);
	return edit_json_get(before, same_place(doc, here->parent, before), key);
}

/* What stood between the brackets of the container that is emptied now; caller frees. */
static char *inner_before(const struct edit_json *doc, uint32_t container, const struct edit_json *before)
{
	uint32_t there = same_place(doc, container, before);
	if (!there || at(before, there)->n || at(before, there)->kind != at(doc, container)->kind)
		return xstrdup("");
	const struct edit_json_node *node = at(before, there);
	if (!only_space(before, node->start + 1, node->end - 1))
		return xstrdup("");
	return xstrndup(before->text.buf + node->start + 1, node->end - node->start - 2);
}

/* The cuts that take a node out; `keep_space` leaves the white space before it. How many. */
static size_t cuts_of(const struct edit_json *doc, uint32_t node, const char *inner, bool keep_space,
		      struct cut *cuts)
{
	const struct edit_json_node *it = at(doc, node), *up = at(doc, it->parent);
	size_t head = head_of(it), comma = comma_behind(doc, it->end), n = 0;
	size_t start = keep_space ? head : space_before(doc, head);
	size_t tail = comma ? comma + 1 : it->end;
	bool alone = up->n == 1 && only_space(doc, up->start + 1, head) &&
		     only_space(doc, tail, up->end - 1) && (!comma || only_space(doc, it->end, comma));
	if (alone) {
		cuts[n++] = (struct cut){up->start + 1, up->end - 1, inner};
		return n;
	}
	if (comma && !it->prev && it->next && only_space(doc, tail, head_of(at(doc, it->next)))) {
		cuts[n++] = (struct cut){head, it->end, ""};
		cuts[n++] = (struct cut){comma, head_of(at(doc, it->next)), ""};
		return n;
	}
	if (!comma && it->prev) {
		size_t before = comma_behind(doc, at(doc, it->prev)->end);
		cuts[n++] = (struct cut){before, before + 1, ""};
		start = start < before + 1 ? before + 1 : start;
	}
	cuts[n++] = (struct cut){start, it->end, ""};
	if (comma)
		cuts[n++] = (struct cut){comma, comma + 1, ""};
	return n;
}

/* Takes out one node that is not the root. */
static int drop_one(struct edit_json *doc, uint32_t node, const struct edit_json *before, struct error *err)
{
	autofree char *inner = inner_before(doc, at(doc, node)->parent, before);
	for (int keep_space = 0; keep_space <= 1; keep_space++) {
		struct cut cuts[CUTS_MAX];
		autoeditjson *changed = NULL;
		size_t n = cuts_of(doc, node, inner, keep_space, cuts);
		if (build(doc, cuts, n, &changed, NULL) != 0 || !edit_json_root(changed) ||
		    !same_value(doc, 1, changed, 1, node, 0))
			continue;
		become(doc, changed);
		return 0;
	}
	return not_understood(doc, node, err);
}

/* The empty root that was not there, with the line end behind it. */
static int drop_root(struct edit_json *doc, struct error *err)
{
	const struct edit_json_node *root = at(doc, 1);
	autoeditjson *changed = NULL;
	size_t end = root->end;
	end += doc->text.len - end > 1 && doc->text.buf[end] == '\r' && doc->text.buf[end + 1] == '\n' ? 2
	       : doc->text.len > end && doc->text.buf[end] == '\n'				       ? 1
												       : 0;
	if (!only_space(doc, line_start(doc, 0), root->start) || !only_space(doc, end, doc->text.len))
		return 0; /* comments of the user's: the empty object stays with them */
	struct cut cut = {root->start, end, ""};
	int r = build(doc, &cut, 1, &changed, err);
	if (r)
		return r;
	become(doc, changed);
	return 0;
}

static bool is_empty(const struct edit_json *doc, uint32_t container)
{
	const struct edit_json_node *node = at(doc, container);
	return !node->n && only_space(doc, node->start + 1, node->end - 1);
}

int edit_json_drop(struct edit_json *doc, uint32_t node, const struct edit_json *before, struct error *err)
{
	while (at(doc, node)->parent) {
		uint32_t up = at(doc, node)->parent; /* what comes earlier in the text keeps its number */
		int r = drop_one(doc, node, before, err);
		if (r)
			return r;
		if (!is_empty(doc, up) || same_place(doc, up, before))
			return 0;
		node = up;
	}
	return before ? drop_root(doc, err) : 0;
}

/* The typed reader of a YAML tree; see yaml_read.h.
 *
 * A table of fields is walked, not the document: each key's type has one function, and what a mapping
 * holds beyond the table is found by one comparison of its keys. Whatever is wrong becomes a problem in
 * the report and reading goes on; the caller looks once, at the end. */
#include "base/yaml_read.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "base/timeval.h"

static void problem_release(struct yaml_problem *p)
{
	free(p->file);
	free(p->key);
	free(p->what);
}

void yaml_report_release(struct yaml_report *r)
{
	for (size_t i = 0; i < r->n; i++)
		problem_release(&r->at[i]);
	r->n = r->total = 0;
}

/* Appends the node's path from the root: tasks[1].needs */
static void add_path(const struct yaml_node *node, struct strbuf *out)
{
	if (!node || !node->parent)
		return;
	const struct yaml_node *parent = node->parent;
	add_path(parent, out);
	if (parent->kind == YAML_SEQUENCE) {
		strbuf_addf(out, "[%zu]", node->index);
		return;
	}
	if (out->len)
		strbuf_addch(out, '.');
	const char *name = parent->keys[node->index]->text;
	text_escape(name, strnlen(name, 100), false, out);
}

/* `below` is a key that `node` should have and has not, or NULL. */
static void note(struct yaml_report *r, const struct yaml_node *node, const char *below, const char *what)
{
	if (r->total++ >= YAML_PROBLEMS_MAX)
		return;
	autostrbuf file = STRBUF_INIT(8192), key = STRBUF_INIT(16384), text = STRBUF_INIT(32768);
	text_escape(r->file, strnlen(r->file, 1024), false, &file);
	add_path(node, &key);
	if (below)
		strbuf_addf(&key, "%s%s", key.len ? "." : "", below);
	enum { SHOWN = 4000 };
	text_escape(what, strnlen(what, SHOWN), false, &text);
	if (strnlen(what, SHOWN + 1) > SHOWN)
		strbuf_addstr(&text, "…");
	r->at[r->n++] = (struct yaml_problem){
		.file = strbuf_detach(&file),
		.line = node ? node->line : 0,
		.key = strbuf_detach(&key),
		.what = strbuf_detach(&text),
	};
}

void yaml_problem(struct yaml_report *r, const struct yaml_node *node, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *what = NULL;
	if (vasprintf(&what, fmt, ap) < 0)
		alloc_abort();
	va_end(ap);
	note(r, node, NULL, what);
	free(what);
}

void yaml_problem_at(struct yaml_report *r, const struct yaml_node *mapping, const char *key, const char *fmt,
		     ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *what = NULL;
	if (vasprintf(&what, fmt, ap) < 0)
		alloc_abort();
	va_end(ap);
	const struct yaml_node *value = yaml_get(mapping, key);
	if (value)
		note(r, value, NULL, what);
	else
		note(r, mapping, key, what);
	free(what);
}

/* Stable, by line within each run of problems of one file; there are at most 20. */
static void sort_problems(struct yaml_report *r)
{
	for (size_t i = 1; i < r->n; i++) {
		struct yaml_problem p = r->at[i];
		size_t j = i;
		for (; j > 0 && strcmp(r->at[j - 1].file, p.file) == 0 && r->at[j - 1].line > p.line; j--)
			r->at[j] = r->at[j - 1];
		r->at[j] = p;
	}
}

int yaml_report_end(struct yaml_report *r, struct error *err)
{
	if (!r->total)
		return 0;
	sort_problems(r);
	autostrbuf all = STRBUF_INIT(1 << 20);
	json_t *list = json_array();
	for (size_t i = 0; i < r->n; i++) {
		const struct yaml_problem *p = &r->at[i];
		strbuf_addf(&all, "%s%s:", i ? "\n" : "", p->file);
		if (p->line)
			strbuf_addf(&all, "%d:", p->line);
		if (*p->key)
			strbuf_addf(&all, " %s:", p->key);
		strbuf_addf(&all, " %s", p->what);
		json_array_append_new(list, json_pack("{s:s, s:i, s:s, s:s}", "file", p->file, "line",
						      p->line, "key", p->key, "message", p->what));
	}
	if (r->total > r->n)
		strbuf_addf(&all, "\nand %zu more", r->total - r->n);
	int code = error_set(err, ERR_INVALID, "%s", strbuf_str(&all));
	return error_details(err, code, json_pack("{s:o}", "problems", list));
}

/* Typed values */

static const char *kind_of(const struct yaml_node *node)
{
	if (yaml_is_null(node))
		return "nothing";
	static const char *const names[] = {"a text", "a list", "a mapping"};
	return names[node->kind];
}

static bool wrong(const struct yaml_node *node, const char *expected, struct yaml_report *r)
{
	yaml_problem(r, node, "expected %s, not %s", expected, kind_of(node));
	return false;
}

bool yaml_text(const struct yaml_node *node, const char **ret, struct yaml_report *r)
{
	if (yaml_is_null(node) || node->kind != YAML_SCALAR)
		return wrong(node, "a text", r);
	*ret = node->text;
	return true;
}

bool yaml_bool(const struct yaml_node *node, bool *ret, struct yaml_report *r)
{
	static const char *const names[] = {"false", "False", "FALSE", "true", "True", "TRUE"};
	for (size_t i = 0; node->kind == YAML_SCALAR && node->plain && i < ARRAY_SIZE(names); i++)
		if (strcmp(node->text, names[i]) == 0) {
			*ret = i >= ARRAY_SIZE(names) / 2;
			return true;
		}
	if (node->kind != YAML_SCALAR || yaml_is_null(node))
		return wrong(node, "true or false", r);
	yaml_problem(r, node, "expected true or false, not '%.100s'", node->text);
	return false;
}

bool yaml_int(const struct yaml_node *node, int64_t min, int64_t max, int64_t *ret, struct yaml_report *r)
{
	if (node->kind != YAML_SCALAR || yaml_is_null(node))
		return wrong(node, "a whole number", r);
	if (!node->plain) {
		yaml_problem(r, node, "expected a whole number, without quotes");
		return false;
	}
	autoerror why = {0};
	if (number_parse(node->text, min, max, ret, &why)) {
		yaml_problem(r, node, "%s", why.message);
		return false;
	}
	return true;
}

const char *yaml_near(const char *name, const char *const *known, size_t n)
{
	const char *best = NULL;
	unsigned best_distance = 0;
	for (size_t i = 0; i < n; i++) {
		size_t third = (strlen(known[i]) + 2) / 3; /* two letters swapped count as two edits */
		unsigned limit = third < 1 ? 1 : third > 3 ? 3 : (unsigned)third;
		unsigned distance = text_distance(name, known[i]);
		if (distance > limit || (best && distance >= best_distance))
			continue;
		best = known[i];
		best_distance = distance;
	}
	return best;
}

/* " (did you mean 'x'?)", or else " (one of a, b, c)" when that is short. */
static void add_known(const char *name, const char *const *known, size_t n, struct strbuf *out)
{
	const char *near = yaml_near(name, known, n);
	if (near) {
		strbuf_addf(out, " (did you mean '%s'?)", near);
	} else if (n && n <= 16) {
		for (size_t i = 0; i < n; i++)
			strbuf_addf(out, "%s%s", i ? ", " : " (one of ", known[i]);
		strbuf_addch(out, ')');
	}
}

bool yaml_choice(const struct yaml_node *node, const char *const *choices, int *ret, struct yaml_report *r)
{
	const char *text;
	if (!yaml_text(node, &text, r))
		return false;
	size_t n = 0;
	for (; choices[n]; n++)
		if (strcmp(choices[n], text) == 0) {
			*ret = (int)n;
			return true;
		}
	autostrbuf what = STRBUF_INIT(4096);
	strbuf_addf(&what, "unknown value '%.100s'", text);
	add_known(text, choices, n, &what);
	yaml_problem(r, node, "%s", strbuf_str(&what));
	return false;
}

void yaml_texts_free(char **texts)
{
	for (size_t i = 0; texts && texts[i]; i++)
		free(texts[i]);
	free(texts);
}

bool yaml_texts(const struct yaml_node *node, char ***ret, struct yaml_report *r)
{
	bool list = node->kind == YAML_SEQUENCE;
	if (!list && (node->kind != YAML_SCALAR || yaml_is_null(node)))
		return wrong(node, "a list of texts", r);
	size_t n = list ? node->n : 1;
	char **texts = xcalloc(n + 1, sizeof(*texts));
	bool ok = true;
	for (size_t i = 0; i < n; i++) {
		const char *text = "";
		ok = yaml_text(list ? node->items[i] : node, &text, r) && ok;
		texts[i] = xstrdup(text);
	}
	if (ok)
		*ret = texts;
	else
		yaml_texts_free(texts);
	return ok;
}

bool yaml_argv(const struct yaml_node *node, char ***ret, struct yaml_report *r)
{
	char **argv = NULL;
	if (node->kind != YAML_SEQUENCE)
		return wrong(node, "a list of arguments, such as [make, test]", r);
	if (!yaml_texts(node, &argv, r))
		return false;
	if (argv[0] && *argv[0]) {
		*ret = argv;
		return true;
	}
	yaml_texts_free(argv);
	yaml_problem(r, node, "an argument list has to start with the program's name");
	return false;
}

bool yaml_command(const struct yaml_node *node, json_t **ret, struct yaml_report *r)
{
	char **argv = NULL;
	const char *text = NULL;
	if (node->kind == YAML_MAPPING || yaml_is_null(node))
		return wrong(node, "a command: a text for /bin/sh, or a list of arguments", r);
	if (node->kind == YAML_SEQUENCE) {
		if (!yaml_argv(node, &argv, r))
			return false;
		json_t *list = json_array();
		for (size_t i = 0; argv[i]; i++)
			json_array_append_new(list, json_lossy_string(argv[i], strlen(argv[i])));
		yaml_texts_free(argv);
		*ret = list;
		return true;
	}
	if (!yaml_text(node, &text, r))
		return false;
	if (!text[strspn(text, " \t\r\n")]) {
		yaml_problem(r, node, "an empty command");
		return false;
	}
	*ret = json_lossy_string(text, strlen(text));
	return true;
}

bool yaml_commands(const struct yaml_node *node, json_t **ret, struct yaml_report *r)
{
	bool list = node->kind == YAML_SEQUENCE, ok = true;
	json_auto_t *commands = json_array();
	for (size_t i = 0; i < (list ? node->n : 1); i++) {
		json_t *command = NULL;
		if (yaml_command(list ? node->items[i] : node, &command, r))
			json_array_append_new(commands, command);
		else
			ok = false;
	}
	if (ok)
		*ret = TAKE_PTR(commands);
	return ok;
}

void yaml_check_keys(const struct yaml_node *mapping, const char *const *known, size_t n,
		     struct yaml_report *r)
{
	for (size_t i = 0; i < mapping->n; i++) {
		const struct yaml_node *key = mapping->keys[i];
		bool found = false;
		for (size_t k = 0; k < n && !found; k++)
			found = strcmp(known[k], key->text) == 0;
		if (found)
			continue;
		autostrbuf what = STRBUF_INIT(4096);
		strbuf_addf(&what, "unknown key '%.100s'", key->text);
		add_known(key->text, known, n, &what);
		yaml_problem(r, key, "%s", strbuf_str(&what));
	}
}

/* The table */

static void read_text(const struct yaml_node *node, const struct yaml_field *f, void *member,
		      struct yaml_report *r)
{
	(void)f;
	const char *text;
	if (!yaml_text(node, &text, r))
		return;
	char **to = member;
	free(*to);
	*to = xstrdup(text);
}

static void read_bool(const struct yaml_node *node, const struct yaml_field *f, void *member,
		      struct yaml_report *r)
{
	(void)f;
	(void)yaml_bool(node, member, r); /* a wrong one keeps the member and is noted: so below, too */
}

static void read_int(const struct yaml_node *node, const struct yaml_field *f, void *member,
		     struct yaml_report *r)
{
	(void)yaml_int(node, f->min, f->max, member, r);
}

static void read_choice(const struct yaml_node *node, const struct yaml_field *f, void *member,
			struct yaml_report *r)
{
	(void)yaml_choice(node, f->choices, member, r);
}

static void read_texts(const struct yaml_node *node, const struct yaml_field *f, void *member,
		       struct yaml_report *r)
{
	(void)f;
	(void)yaml_texts(node, member, r);
}

static void read_argv(const struct yaml_node *node, const struct yaml_field *f, void *member,
		      struct yaml_report *r)
{
	(void)f;
	(void)yaml_argv(node, member, r);
}

static void read_commands(const struct yaml_node *node, const struct yaml_field *f, void *member,
			  struct yaml_report *r)
{
	(void)f;
	(void)yaml_commands(node, member, r);
}

static void read_custom(const struct yaml_node *node, const struct yaml_field *f, void *member,
			struct yaml_report *r)
{
	f->read(node, member, r);
}

static void (*const readers[])(const struct yaml_node *, const struct yaml_field *, void *,
			       struct yaml_report *) = {
	[YAML_TYPE_TEXT] = read_text,	      [YAML_TYPE_BOOL] = read_bool,	[YAML_TYPE_INT] = read_int,
	[YAML_TYPE_CHOICE] = read_choice,     [YAML_TYPE_TEXTS] = read_texts,	[YAML_TYPE_ARGV] = read_argv,
	[YAML_TYPE_COMMANDS] = read_commands, [YAML_TYPE_CUSTOM] = read_custom,
};

void yaml_read(const struct yaml_node *mapping, const struct yaml_field *fields, void *out,
	       struct yaml_report *r)
{
	if (mapping->kind != YAML_MAPPING) {
		(void)wrong(mapping, "a mapping (key: value)", r);
		return;
	}
	enum { KEYS_MAX = 32 };
	const char *known[KEYS_MAX] = {NULL};
	size_t n = 0;
	for (; fields[n].key; n++) {
		assert(n < KEYS_MAX);
		known[n] = fields[n].key;
	}
	yaml_check_keys(mapping, known, n, r);
	for (size_t i = 0; i < n; i++) {
		const struct yaml_field *f = &fields[i];
		const struct yaml_node *node = yaml_get(mapping, f->key);
		if (!node && f->required)
			note(r, mapping, f->key, "missing");
		if (node && !(f->nullable && yaml_is_null(node)))
			readers[f->type](node, f, (char *)out + f->offset, r);
	}
}

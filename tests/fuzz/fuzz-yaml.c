/* Fuzzes the YAML tree and its typed reader: whatever is accepted keeps the promises of base/yaml.h, and
 * whatever is refused is refused with its place, in text that can go to a terminal. */
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/text.h"
#include "base/yaml_read.h"
#include "fuzz.h"

static void check_printable(const char *text)
{
	assert(text && *text && utf8_valid(text, strlen(text)));
	for (const char *p = text; *p; p++)
		assert(*p == '\n' || (unsigned char)*p >= 0x20);
}

static size_t check_node(const struct yaml_node *node, int depth, int lines)
{
	size_t nodes = 1;
	assert(node->line >= 1 && node->line <= lines && node->column >= 1);
	assert(depth <= YAML_DEPTH_MAX || node->kind == YAML_SCALAR);
	if (node->kind == YAML_SCALAR) {
		assert(node->text && utf8_valid(node->text, strlen(node->text)) && !node->n);
		return nodes;
	}
	assert(!node->text);
	for (size_t i = 0; i < node->n; i++) {
		assert(node->items[i]->parent == node && node->items[i]->index == i);
		nodes += check_node(node->items[i], depth + 1, lines);
		if (node->kind == YAML_SEQUENCE)
			continue;
		assert(node->keys[i]->parent == node && node->keys[i]->index == i);
		assert(yaml_get(node, node->keys[i]->text) == node->items[i]); /* so each key is there once */
		nodes += check_node(node->keys[i], depth + 1, lines);
	}
	return nodes;
}

/* Asks each node for each type, wrong ones included. */
static void read_all(const struct yaml_node *node, struct yaml_report *r)
{
	static const char *const known[] = {"tasks", "branch", "prompt", NULL};
	const char *text;
	bool flag;
	int64_t number;
	int choice;
	char **texts = NULL, **argv = NULL;
	json_auto_t *commands = NULL;
	(void)yaml_text(node, &text, r);
	(void)yaml_bool(node, &flag, r);
	(void)yaml_choice(node, known, &choice, r);
	assert(!yaml_int(node, -5, 5, &number, r) || (number >= -5 && number <= 5));
	(void)yaml_texts(node, &texts, r);
	assert(!yaml_argv(node, &argv, r) || (argv[0] && *argv[0]));
	(void)yaml_commands(node, &commands, r);
	yaml_texts_free(texts);
	yaml_texts_free(argv);
	if (node->kind == YAML_MAPPING)
		yaml_check_keys(node, known, 3, r);
	for (size_t i = 0; i < node->n; i++)
		read_all(node->items[i], r);
}

/* The line after the last counts too: there stands the null of a key without a value, at the end of a file
 * without a newline. libyaml also counts a carriage return, NEL, LS and PS as the end of a line. */
static int count_lines(const uint8_t *data, size_t size)
{
	int lines = 2;
	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n' || data[i] == '\r' || data[i] == 0x85 || data[i] == 0xA8 ||
			 data[i] == 0xA9;
	return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoerror err = {0};
	autoyaml *root = NULL;
	int r = yaml_parse("f\x1b.yaml", (const char *)data, size, &root, &err);
	if (r) {
		assert(!root && (r == ERR_INVALID || r == ERR_TOO_LARGE));
		check_printable(err.message);
		assert(!strchr(err.message, '\n') && strncmp(err.message, "f\\x1B.yaml:", 11) == 0);
		return 0;
	}
	assert(check_node(root, 1, count_lines(data, size)) <= YAML_NODES_MAX);
	autoreport report = {.file = "f.yaml"};
	read_all(root, &report);
	assert(report.n <= YAML_PROBLEMS_MAX && report.n <= report.total);
	r = yaml_report_end(&report, &err);
	assert(!r == !report.total);
	if (r)
		check_printable(err.message);
	return 0;
}

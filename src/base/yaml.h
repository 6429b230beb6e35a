/* YAML as people write it in configuration and plan files: a small tree in which each node knows
 * where it stands. yaml_read.h turns it into typed values.
 *
 * A plain subset only, for these files are also written by agents: one document, no anchors and
 * aliases, no tags, text keys, no key twice, no NUL, and the caps below (S3). */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/error.h"

enum {
	YAML_SIZE_MAX = 1 << 20, /* bytes of a document */
	YAML_DEPTH_MAX = 16,	 /* nested lists and mappings */
	YAML_NODES_MAX = 10000,	 /* scalars, lists and mappings, keys included */
};

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

/* A node owns everything below it; only roots are freed. */
struct yaml_node {
	enum yaml_kind kind;
	bool plain;		  /* a scalar without quotes: null, true and 3 then mean themselves */
	int line, column;	  /* 1-based, column in characters; 0 in a tree made from JSON */
	char *text;		  /* of a scalar: valid UTF-8 without NUL; NULL in the other kinds */
	struct yaml_node **keys;  /* of a mapping: n scalars, in the file's order */
	struct yaml_node **items; /* of a mapping: its n values; of a sequence: its n elements */
	size_t n;
	const struct yaml_node *parent; /* NULL in a root */
	size_t index;			/* where it, or the value of it as key, is among parent->items */
};

#define autoyaml _cleanup_(yaml_node_release) struct yaml_node

/* Parses one document; an empty one is a plain null. A syntax error names `file`, line and column;
 * beyond a cap it is ERR_TOO_LARGE. The caller frees the tree. */
int yaml_parse(const char *file, const char *text, size_t len, struct yaml_node **ret,
	       struct error *err) _warn_unused_;
/* The same tree from JSON (an API's request, a stored plan), so that one reader serves both. `json`
 * is as json_parse() leaves it. The caller frees the tree. */
struct yaml_node *yaml_from_json(const json_t *json);
void yaml_node_free(struct yaml_node *node);
void yaml_node_release(struct yaml_node **node);

/* The value at `key`, or NULL; of a node that is no mapping also NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key);
/* Whether the node is absent or a plain null (nothing, ~, null). */
bool yaml_is_null(const struct yaml_node *node);

#endif

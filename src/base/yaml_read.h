/* Typed values from a YAML tree, with every problem reported as "file:line: key: what".
 *
 *   autoyaml *root = NULL;
 *   int r = yaml_parse("plan.yaml", text, len, &root, err);
 *   autoreport report = {.file = "plan.yaml"};
 *   yaml_read(root, fields, &plan, &report);     problems are collected, reading goes on
 *   r = yaml_report_end(&report, err);           0, or ERR_INVALID with all of them */
#ifndef BASE_YAML_READ_H
#define BASE_YAML_READ_H

#include "base/yaml.h"

enum { YAML_PROBLEMS_MAX = 20 }; /* reported at once; the rest is counted */

struct yaml_problem {
	char *file; /* owned, as are the others; escaped for a terminal */
	int line;   /* 0 when there is none to name */
	char *key;  /* "tasks[1].needs", "" for the whole document */
	char *what;
};

/* The problems found so far. Start with {.file = name}; `file` may be changed between files. */
struct yaml_report {
	const char *file; /* not owned; what problems are reported against */
	void *data;	  /* for the reader's own callbacks */
	struct yaml_problem at[YAML_PROBLEMS_MAX];
	size_t n;     /* kept in `at` */
	size_t total; /* found, also beyond the cap */
};

#define autoreport _cleanup_(yaml_report_release) struct yaml_report

void yaml_report_release(struct yaml_report *r);
/* Notes a problem with `node` (its line and its key's path); NULL stands for the whole document. */
void yaml_problem(struct yaml_report *r, const struct yaml_node *node, const char *fmt, ...) _printf_(3, 4);
/* The same with the value at `key` of `mapping`, which may be missing there. */
void yaml_problem_at(struct yaml_report *r, const struct yaml_node *mapping, const char *key, const char *fmt,
		     ...) _printf_(4, 5);
/* 0 without a problem; otherwise ERR_INVALID with one line per problem in the order of the lines of
 * each file, and details {"problems":[{"file","line","key","message"}]}. */
int yaml_report_end(struct yaml_report *r, struct error *err) _warn_unused_;

/* Typed values of one node. On another type they note the problem and return false, writing nothing. */
bool yaml_text(const struct yaml_node *node, const char **ret, struct yaml_report *r);
bool yaml_bool(const struct yaml_node *node, bool *ret, struct yaml_report *r);
bool yaml_int(const struct yaml_node *node, int64_t min, int64_t max, int64_t *ret, struct yaml_report *r);
/* One of `choices` (NULL-terminated): its index. */
bool yaml_choice(const struct yaml_node *node, const char *const *choices, int *ret, struct yaml_report *r);
/* A list of texts, or one text, which counts as a list of one; NULL-terminated, yaml_texts_free(). */
bool yaml_texts(const struct yaml_node *node, char ***ret, struct yaml_report *r);
/* An argument list: at least one text, the first not empty; never a single text. */
bool yaml_argv(const struct yaml_node *node, char ***ret, struct yaml_report *r);
/* Commands: one, or a list of them, each a text (run by /bin/sh -c) or a list (an argument array);
 * `ret` is a JSON array of strings and arrays of strings, a new reference. */
bool yaml_commands(const struct yaml_node *node, json_t **ret, struct yaml_report *r);
/* One such command: a JSON string or array. */
bool yaml_command(const struct yaml_node *node, json_t **ret, struct yaml_report *r);
void yaml_texts_free(char **texts);

/* The one of the n `known` that `name` is most likely a slip of, or NULL. */
const char *yaml_near(const char *name, const char *const *known, size_t n);
/* Notes each key of `mapping` that is not among the n `known`, with the nearest of them. */
void yaml_check_keys(const struct yaml_node *mapping, const char *const *known, size_t n,
		     struct yaml_report *r);

enum yaml_type {
	YAML_TYPE_TEXT,	    /* char *, owned */
	YAML_TYPE_BOOL,	    /* bool */
	YAML_TYPE_INT,	    /* int64_t within min and max */
	YAML_TYPE_CHOICE,   /* int: index into `choices` */
	YAML_TYPE_TEXTS,    /* char **, as of yaml_texts() */
	YAML_TYPE_ARGV,	    /* char **, as of yaml_argv() */
	YAML_TYPE_COMMANDS, /* json_t *, as of yaml_commands() */
	YAML_TYPE_CUSTOM,   /* whatever `read` makes of it */
};

/* One key of a mapping and the struct member that it fills. Owned members start as NULL. */
struct yaml_field {
	const char *key; /* NULL ends a table */
	enum yaml_type type;
	size_t offset;
	bool required;
	bool nullable; /* a null leaves the member as it is; otherwise null is a wrong type */
	int64_t min, max;
	const char *const *choices;
	void (*read)(const struct yaml_node *node, void *member, struct yaml_report *r);
};

/* YAML_FIELD("name", YAML_TYPE_TEXT, struct foo, name, .required = true) */
#define YAML_FIELD(key_, type_, struct_, member_, ...)                                                       \
	{                                                                                                    \
		.key = (key_), .type = (type_), .offset = offsetof(struct_, member_), __VA_ARGS__            \
	}

/* Reads `mapping` into the struct at `out`. Unknown and missing keys and wrong types are noted; members
 * of absent or wrong keys keep their value. */
void yaml_read(const struct yaml_node *mapping, const struct yaml_field *fields, void *out,
	       struct yaml_report *r);

#endif

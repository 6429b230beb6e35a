/* The kinds of values that configuration keys have, each with its reader and checks. Only config.c
 * uses this. */
#ifndef BASE_CONFIG_VALUE_H
#define BASE_CONFIG_VALUE_H

#include "base/yaml_read.h"

/* Which getter a value is for. */
enum config_kind {
	CONFIG_TEXT,
	CONFIG_BOOL,
	CONFIG_INT,
	CONFIG_DURATION,
	CONFIG_SIZE,
	CONFIG_LIST,
	CONFIG_OBJECT, /* config_json() only */
};

struct config_key;

struct config_type {
	enum config_kind kind;
	/* The value as JSON (a new reference), or NULL with its problems noted. A null that the key allows
	 * never gets here. report->data: the known backends, NULL-terminated, or NULL. */
	json_t *(*read)(const struct yaml_node *node, const struct config_key *key, struct yaml_report *r);
};

struct config_key {
	const char *name; /* "section.key" */
	const struct config_type *type;
	const char *fallback; /* the default, as YAML; "null" makes the key nullable */
	const char *doc;      /* one line */
	const char *const *choices;
	int64_t min, max; /* of an int */
};

extern const struct config_type config_bool_type, config_int_type, config_choice, config_duration_type,
	config_size_type, config_path, config_paths, config_patterns, config_commands, config_command,
	config_address, config_template, config_branch, config_socket, config_ports, config_backends,
	config_profiles;

#endif

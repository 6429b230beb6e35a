/* The configuration: one table of keys, layered from texts that the caller has read. Nothing here
 * opens a file or looks at the environment by itself.
 *
 * Layers, a later one winning per key and as a whole (lists and mappings are not merged):
 *   default < user's config.yaml < the repository's .coppice.yaml < environment.
 * The repository's file may hold the sections worktrees, hooks, commit and trash only; what it makes
 * run needs trust (W10), so ask config_origin() before running a command. COPPICE_<SECTION>__<KEY>
 * ('-' becomes '_') overrides a key, its value being YAML ("24h", "[a, b]", "null"); an empty variable
 * counts as unset. All problems of all layers are reported together, each with file, line and key.
 *
 * Getters take "section.key". An unknown key or the getter of another type is a bug and aborts. */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/timeval.h"

struct config; /* immutable once parsed; owns all that its getters return */

enum config_layer { CONFIG_DEFAULT, CONFIG_USER, CONFIG_REPO, CONFIG_ENV };

/* What to read; nothing in it is kept. An absent layer is NULL. */
struct config_source {
	const char *user_file; /* its name in messages */
	const char *user_text;
	size_t user_len;
	const char *repo_file;
	const char *repo_text;
	size_t repo_len;
	const char *const *env;	     /* "NAME=value", NULL-terminated: environ will do */
	const char *const *backends; /* names of all backends, NULL-terminated; NULL: any name will do */
};

int config_parse(const struct config_source *src, struct config **ret, struct error *err) _warn_unused_;
void config_free(struct config *cfg);
void config_release(struct config **cfg);
#define autoconfig _cleanup_(config_release) struct config

/* A text, path or choice; NULL when it is null. */
const char *config_str(const struct config *cfg, const char *key);
bool config_bool(const struct config *cfg, const char *key);
int64_t config_int(const struct config *cfg, const char *key);
usec_t config_duration(const struct config *cfg, const char *key);
uint64_t config_size(const struct config *cfg, const char *key);
/* A JSON array of strings; of commands: of strings (/bin/sh -c) and arrays of strings (argv). */
const json_t *config_list(const struct config *cfg, const char *key);
/* The value of any key: objects (worktrees.ports, spawn.backends, spawn.profiles), or a command
 * (commit.message_command: null, a string or an argument array). Durations and sizes are their text. */
const json_t *config_json(const struct config *cfg, const char *key);
/* Which layer the value comes from, and as text: "default", "FILE:LINE" or "environment NAME".
 * Either may be NULL. */
void config_origin(const struct config *cfg, const char *key, enum config_layer *ret_layer,
		   const char **ret_text);

/* The argument array of spawn.backends.<backend>.command, NULL when that backend is not configured. */
const json_t *config_backend_command(const struct config *cfg, const char *backend);
/* A profile of a backend, NULL if there is none. All members are there: "args" [], "model" null,
 * "env" {}, "permissions" "ask"|"edits"|"auto", "sandbox" "none"|"worktree", "description" null.
 * With permissions auto the sandbox is never none. */
const json_t *config_profile(const struct config *cfg, const char *backend, const char *profile);

/* {"keys":[{"key","value","origin","default","doc"}]}: of every key, or of `key`, or of a section;
 * ERR_NOT_FOUND with near matches in the hint. A new reference. */
int config_to_json(const struct config *cfg, const char *key, json_t **ret, struct error *err) _warn_unused_;

/* "~" and "~/x" under `home`; any other text as it is. Caller frees. */
char *config_expand_home(const char *path, const char *home);

#endif

/* The configuration's table, layers and getters; see config.h.
 *
 * Every value, the defaults included, goes through the same reader as a YAML node, so a default that
 * its own type refuses fails the first test that loads a configuration. Values stay as JSON, in the
 * form in which they are printed; durations and sizes keep their text and are parsed by their getter,
 * which cannot fail then. */
#include "base/config.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/config_value.h"
#include "base/json.h"
#include "base/strbuf.h"

static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};

/* clang-format off */
#define KEY(name_, type_, fallback_, doc_, ...)                                                              \
	{.name = (name_), .type = &(type_), .fallback = (fallback_), .doc = (doc_), __VA_ARGS__}
static const struct config_key keys[] = {
	KEY("daemon.tcp", config_address, "null",
	 "loopback port or address to listen on besides the Unix socket"),
	KEY("daemon.token_file", config_path, "null", "file with the token that TCP clients send"),
	KEY("daemon.log_level", config_choice, "info", "what the daemon logs", .choices = log_levels),
	KEY("worktrees.path", config_template, "'../{repo}-{branch}'",
	 "where worktrees go, relative to the main one; / in a branch becomes -"),
	KEY("worktrees.target", config_branch, "null", "the branch to land on; null: the main worktree's"),
	KEY("worktrees.copy", config_patterns, "[]", "ignored files to copy into a new worktree"),
	KEY("worktrees.disposable", config_patterns, "[node_modules, target, .venv]",
	 "ignored files that may go with a worktree"),
	KEY("worktrees.setup", config_commands, "[]", "commands run in a new worktree"),
	KEY("worktrees.ports", config_ports, "{from: 20000, to: 29999}", "ports leased to worktrees"),
	KEY("worktrees.min_free", config_size_type, "2GiB", "no new worktree with less free disk space"),
	KEY("trash.keep", config_duration_type, "30d", "how long a removed worktree can be restored"),
	KEY("trash.max", config_size_type, "20GiB", "size of the trash; the oldest goes first"),
	KEY("spawn.allowed_paths", config_paths, "[]", "below which agents may spawn agents"),
	KEY("spawn.backends", config_backends, "{}", "backends that agents may spawn, with their command"),
	KEY("spawn.profiles", config_profiles, "{}", "launch settings by backend and name"),
	KEY("sandbox.write", config_paths, "['~/.cache', '~/.npm', '~/.cargo', '~/go']",
	 "where a sandboxed agent may write besides its worktree"),
	KEY("delivery.queue_age", config_duration_type, "24h", "how long messages wait for an offline peer"),
	KEY("delivery.queue_length", config_int_type, "100", "how many wait for one peer", .min = 1, .max = 100000),
	KEY("delivery.first_prompt", config_duration_type, "25s", "how long a spawned peer has to register"),
	KEY("governor.hops", config_int_type, "8", "how far a message may be from a person's or an orchestrator's word", .min = 1, .max = 1000),
	KEY("governor.pair_per_minute", config_int_type, "12", "messages a minute from one peer to another",
	 .min = 1, .max = 10000),
	KEY("governor.circle_per_hour", config_int_type, "600", "messages an hour from all peers of a circle; 0: any number",
	 .min = 0, .max = 100000),
	KEY("circles.enforce", config_bool_type, "false", "whether crossing circles needs a role or a grant"),
	KEY("hooks.post-create", config_commands, "[]", "commands after a worktree was created"),
	KEY("hooks.pre-commit", config_commands, "[]", "commands before `coppice commit` commits"),
	KEY("hooks.pre-land", config_commands, "[]", "commands before a change lands"),
	KEY("hooks.post-land", config_commands, "[]", "commands after a change has landed"),
	KEY("hooks.pre-remove", config_commands, "[]", "commands before a worktree is removed"),
	KEY("hooks.post-remove", config_commands, "[]", "commands after a worktree was removed"),
	KEY("commit.message_command", config_command, "null", "reads a diff on stdin, prints a commit message"),
	KEY("terminal.socket", config_socket, "null", "name of a tmux server of its own; null: the user's"),
};
/* clang-format on */

enum { KEYS = ARRAY_SIZE(keys), SECTIONS_MAX = 16 };

struct value {
	json_t *json;
	enum config_layer layer;
	char *origin;
};

struct config {
	struct value at[KEYS];
	json_t *fallback[KEYS];
};

/* What one pass over a layer needs. */
struct reader {
	struct config *cfg;
	enum config_layer layer;
	struct yaml_report report;
};

static size_t section_len(const struct config_key *key)
{
	return (size_t)(strchr(key->name, '.') - key->name);
}

static bool in_section(const struct config_key *key, const char *section)
{
	return strlen(section) == section_len(key) && memcmp(key->name, section, section_len(key)) == 0;
}

/* Reads a node as the value of keys[i]; a wrong one is noted and leaves the lower layer's. */
static void set_value(struct reader *rd, size_t i, const struct yaml_node *node, const char *origin)
{
	const struct config_key *key = &keys[i];
	bool null = yaml_is_null(node) && strcmp(key->fallback, "null") == 0;
	json_t *json = null ? json_null() : key->type->read(node, key, &rd->report);
	if (!json)
		return;
	struct value *v = &rd->cfg->at[i];
	json_decref(v->json);
	free(v->origin);
	*v = (struct value){.json = json, .layer = rd->layer, .origin = xstrdup(origin)};
}

static void read_section(struct reader *rd, const char *section, const struct yaml_node *node)
{
	const char *known[KEYS];
	size_t n = 0;
	if (yaml_is_null(node))
		return;
	if (node->kind != YAML_MAPPING) {
		yaml_problem(&rd->report, node, "expected a mapping (key: value)");
		return;
	}
	for (size_t i = 0; i < KEYS; i++) {
		if (!in_section(&keys[i], section))
			continue;
		const char *name = keys[i].name + section_len(&keys[i]) + 1;
		known[n++] = name;
		const struct yaml_node *value = yaml_get(node, name);
		if (!value)
			continue;
		autofree char *origin = xasprintf("%s:%d", rd->report.file, value->line);
		set_value(rd, i, value, origin);
	}
	yaml_check_keys(node, known, n, &rd->report);
}

/* A committed file speaks for its repository only: not for what may be spawned, or who may talk. */
static bool repo_section(const char *section)
{
	static const char *const allowed[] = {"worktrees", "hooks", "commit", "trash"};
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		if (strcmp(allowed[i], section) == 0)
			return true;
	return false;
}

static size_t sections(char names[SECTIONS_MAX][32], const char *pointers[SECTIONS_MAX])
{
	size_t n = 0;
	for (size_t i = 0; i < KEYS; i++) {
		if (n && in_section(&keys[i], names[n - 1]))
			continue;
		assert(n < SECTIONS_MAX && section_len(&keys[i]) < 32);
		memcpy(names[n], keys[i].name, section_len(&keys[i]));
		names[n][section_len(&keys[i])] = '\0';
		pointers[n] = names[n];
		n++;
	}
	return n;
}

static void read_root(struct reader *rd, const struct yaml_node *root)
{
	char names[SECTIONS_MAX][32];
	const char *known[SECTIONS_MAX];
	size_t n = sections(names, known);
	if (yaml_is_null(root))
		return;
	if (root->kind != YAML_MAPPING) {
		yaml_problem(&rd->report, root, "expected sections (name: {key: value})");
		return;
	}
	yaml_check_keys(root, known, n, &rd->report);
	for (size_t i = 0; i < n; i++) {
		const struct yaml_node *node = yaml_get(root, known[i]);
		if (!node)
			continue;
		if (rd->layer == CONFIG_REPO && !repo_section(known[i]))
			yaml_problem(&rd->report, node,
				     "not in a repository's file, only in your own config.yaml: here are "
				     "worktrees, hooks, commit and trash");
		else
			read_section(rd, known[i], node);
	}
}

static int read_file(struct reader *rd, enum config_layer layer, const char *file, const char *text,
		     size_t len, struct error *err)
{
	if (!text)
		return 0;
	autoyaml *root = NULL;
	int r = yaml_parse(file, text, len, &root, err);
	if (r)
		return r;
	rd->layer = layer;
	rd->report.file = file;
	read_root(rd, root);
	return 0;
}

/* COPPICE_<SECTION>__<KEY> */
static char *variable_name(const struct config_key *key)
{
	autostrbuf name = STRBUF_INIT(128);
	strbuf_addstr(&name, "COPPICE_");
	for (const char *p = key->name; *p; p++) {
		if (*p == '.')
			strbuf_addstr(&name, "__");
		else
			strbuf_addch(&name, *p == '-' ? '_' : (char)toupper((unsigned char)*p));
	}
	return strbuf_detach(&name);
}

/* A variable has no lines to name. */
static void forget_lines(struct yaml_node *node)
{
	node->line = 0;
	for (size_t i = 0; i < node->n && node->kind != YAML_SCALAR; i++) {
		if (node->kind == YAML_MAPPING)
			node->keys[i]->line = 0;
		forget_lines(node->items[i]);
	}
}

static int read_variable(struct reader *rd, char *const names[KEYS], const char *name, const char *value,
			 struct error *err)
{
	autofree char *origin = xasprintf("environment %s", name);
	rd->report.file = origin;
	size_t i = 0;
	while (i < KEYS && strcmp(names[i], name) != 0)
		i++;
	if (i == KEYS) {
		const char *near = yaml_near(name, (const char *const *)names, KEYS);
		yaml_problem(&rd->report, NULL, "no such key%s%s", near ? ": did you mean " : "",
			     near ? near : "");
		return 0;
	}
	autoyaml *root = NULL;
	int r = yaml_parse(origin, value, strlen(value), &root, err);
	if (r)
		return error_hint(err, r, "quote it as YAML, such as %s=\"'…'\"", name);
	forget_lines(root);
	set_value(rd, i, root, origin);
	return 0;
}

static int read_env(struct reader *rd, const char *const *env, struct error *err)
{
	static const char prefix[] = "COPPICE_";
	char *names[KEYS];
	for (size_t i = 0; i < KEYS; i++)
		names[i] = variable_name(&keys[i]);
	rd->layer = CONFIG_ENV;
	int r = 0;
	for (; env && *env && !r; env++) {
		const char *equals = strchr(*env, '=');
		if (strncmp(*env, prefix, strlen(prefix)) != 0 || !equals || !equals[1])
			continue;
		autofree char *name = xstrndup(*env, (size_t)(equals - *env));
		if (strstr(name, "__"))
			r = read_variable(rd, names, name, equals + 1, err);
	}
	for (size_t i = 0; i < KEYS; i++)
		free(names[i]);
	rd->report.file = "environment";
	return r;
}

/* All defaults as one list, for a parser's start costs more than what it reads here. */
static void read_defaults(struct reader *rd)
{
	autostrbuf text = STRBUF_INIT(YAML_SIZE_MAX);
	autoyaml *root = NULL;
	for (size_t i = 0; i < KEYS; i++)
		strbuf_addf(&text, "- %s\n", keys[i].fallback);
	if (yaml_parse("default", strbuf_str(&text), text.len, &root, NULL) || root->n != KEYS)
		abort(); /* a table entry that is not YAML */
	rd->layer = CONFIG_DEFAULT;
	rd->report.file = "default";
	for (size_t i = 0; i < KEYS; i++) {
		set_value(rd, i, root->items[i], "default");
		assert(rd->cfg->at[i].json);
		rd->cfg->fallback[i] = json_incref(rd->cfg->at[i].json);
	}
}

static void reader_release(struct reader *rd)
{
	yaml_report_release(&rd->report);
	config_free(rd->cfg);
}

int config_parse(const struct config_source *src, struct config **ret, struct error *err)
{
	_cleanup_(reader_release) struct reader rd = {.cfg = xcalloc(1, sizeof(struct config))};
	read_defaults(&rd);
	/* The report's data is not const for other readers' sake; these only read it. */
	memcpy(&rd.report.data, &src->backends, sizeof(rd.report.data));
	int r = read_file(&rd, CONFIG_USER, src->user_file, src->user_text, src->user_len, err);
	if (!r)
		r = read_file(&rd, CONFIG_REPO, src->repo_file, src->repo_text, src->repo_len, err);
	if (!r)
		r = read_env(&rd, src->env, err);
	if (!r)
		r = yaml_report_end(&rd.report, err);
	if (!r)
		*ret = TAKE_PTR(rd.cfg);
	return r;
}

void config_free(struct config *cfg)
{
	if (!cfg)
		return;
	for (size_t i = 0; i < KEYS; i++) {
		json_decref(cfg->at[i].json);
		json_decref(cfg->fallback[i]);
		free(cfg->at[i].origin);
	}
	free(cfg);
}

void config_release(struct config **cfg)
{
	config_free(*cfg);
}

static size_t index_of(const char *name)
{
	size_t i = 0;
	while (i < KEYS && strcmp(keys[i].name, name) != 0)
		i++;
	assert(i < KEYS);
	return i;
}

static const json_t *get(const struct config *cfg, const char *key, enum config_kind kind)
{
	size_t i = index_of(key);
	assert(keys[i].type->kind == kind);
	return cfg->at[i].json;
}

const char *config_str(const struct config *cfg, const char *key)
{
	return json_string_value(get(cfg, key, CONFIG_TEXT));
}

bool config_bool(const struct config *cfg, const char *key)
{
	return json_is_true(get(cfg, key, CONFIG_BOOL));
}

int64_t config_int(const struct config *cfg, const char *key)
{
	return json_integer_value(get(cfg, key, CONFIG_INT));
}

usec_t config_duration(const struct config *cfg, const char *key)
{
	usec_t value = 0;
	int r = duration_parse(json_string_value(get(cfg, key, CONFIG_DURATION)), &value, NULL);
	assert(!r);
	(void)r; /* it was parsed when it was read */
	return value;
}

uint64_t config_size(const struct config *cfg, const char *key)
{
	uint64_t value = 0;
	int r = size_parse(json_string_value(get(cfg, key, CONFIG_SIZE)), &value, NULL);
	assert(!r);
	(void)r; /* it was parsed when it was read */
	return value;
}

const json_t *config_list(const struct config *cfg, const char *key)
{
	return get(cfg, key, CONFIG_LIST);
}

const json_t *config_json(const struct config *cfg, const char *key)
{
	return cfg->at[index_of(key)].json;
}

void config_origin(const struct config *cfg, const char *key, enum config_layer *ret_layer,
		   const char **ret_text)
{
	const struct value *v = &cfg->at[index_of(key)];
	if (ret_layer)
		*ret_layer = v->layer;
	if (ret_text)
		*ret_text = v->origin;
}

const json_t *config_backend_command(const struct config *cfg, const char *backend)
{
	return json_object_get(json_object_get(config_json(cfg, "spawn.backends"), backend), "command");
}

const json_t *config_profile(const struct config *cfg, const char *backend, const char *profile)
{
	return json_object_get(json_object_get(config_json(cfg, "spawn.profiles"), backend), profile);
}

static int no_such_key(const char *key, struct error *err)
{
	const char *known[KEYS];
	for (size_t i = 0; i < KEYS; i++)
		known[i] = keys[i].name;
	const char *near = yaml_near(key, known, KEYS);
	int code = error_set(err, ERR_NOT_FOUND, "no configuration key '%.100s'", key);
	return near ? error_hint(err, code, "did you mean %s?", near)
		    : error_hint(err, code, "`coppice config` lists them all");
}

int config_to_json(const struct config *cfg, const char *key, json_t **ret, struct error *err)
{
	json_auto_t *list = json_array();
	for (size_t i = 0; i < KEYS; i++) {
		const struct value *v = &cfg->at[i];
		if (key && strcmp(keys[i].name, key) != 0 && !in_section(&keys[i], key))
			continue;
		json_t *origin = json_lossy_string(v->origin, strlen(v->origin));
		json_array_append_new(list, json_pack("{s:s, s:O, s:o, s:O, s:s}", "key", keys[i].name,
						      "value", v->json, "origin", origin, "default",
						      cfg->fallback[i], "doc", keys[i].doc));
	}
	if (!json_array_size(list))
		return no_such_key(key, err);
	*ret = json_pack("{s:O}", "keys", list);
	return 0;
}

char *config_expand_home(const char *path, const char *home)
{
	bool under_home = path[0] == '~' && (path[1] == '/' || !path[1]);
	return under_home ? xasprintf("%s%s", home, path + 1) : xstrdup(path);
}

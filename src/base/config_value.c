/* Readers of configuration values; see config_value.h. Each checks all that can be known from the text
 * alone, so that a bad value is reported with its line when it is read and not when it is first used. */
#include "base/config_value.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "base/timeval.h"

static json_t *text_json(const char *text)
{
	return json_lossy_string(text, strlen(text));
}

/* An array of the texts, which are freed. */
static json_t *take_texts(char **texts)
{
	json_t *list = json_array();
	for (size_t i = 0; texts[i]; i++)
		json_array_append_new(list, text_json(texts[i]));
	yaml_texts_free(texts);
	return list;
}

/* A text for which `check` finds no fault; the fault is what it returns. */
static json_t *checked_text(const struct yaml_node *node, const char *(*check)(const char *text),
			    struct yaml_report *r)
{
	const char *text;
	if (!yaml_text(node, &text, r))
		return NULL;
	const char *fault = check(text);
	if (!fault)
		return text_json(text);
	yaml_problem(r, node, "'%.200s': %s", text, fault);
	return NULL;
}

/* The same of each text of a list. */
static json_t *checked_texts(const struct yaml_node *node, const char *(*check)(const char *text),
			     struct yaml_report *r)
{
	char **texts = NULL;
	if (!yaml_texts(node, &texts, r))
		return NULL;
	bool ok = true;
	for (size_t i = 0; texts[i]; i++) {
		const char *fault = check(texts[i]);
		if (!fault)
			continue;
		yaml_problem(r, node->kind == YAML_SEQUENCE ? node->items[i] : node, "'%.200s': %s", texts[i],
			     fault);
		ok = false;
	}
	json_auto_t *list = take_texts(texts);
	return ok ? TAKE_PTR(list) : NULL;
}

static json_t *read_bool(const struct yaml_node *node, const struct config_key *key, struct yaml_report *r)
{
	(void)key;
	bool value;
	return yaml_bool(node, &value, r) ? json_boolean(value) : NULL;
}

static json_t *read_int(const struct yaml_node *node, const struct config_key *key, struct yaml_report *r)
{
	int64_t value;
	return yaml_int(node, key->min, key->max, &value, r) ? json_integer(value) : NULL;
}

static json_t *read_choice(const struct yaml_node *node, const struct config_key *key, struct yaml_report *r)
{
	int i;
	return yaml_choice(node, key->choices, &i, r) ? json_string(key->choices[i]) : NULL;
}

static json_t *read_duration(const struct yaml_node *node, const struct config_key *key,
			     struct yaml_report *r)
{
	(void)key;
	const char *text;
	autoerror why = {0};
	usec_t value;
	if (!yaml_text(node, &text, r))
		return NULL;
	if (!duration_parse(text, &value, &why))
		return text_json(text);
	yaml_problem(r, node, "%s", why.message);
	return NULL;
}

static json_t *read_size(const struct yaml_node *node, const struct config_key *key, struct yaml_report *r)
{
	(void)key;
	const char *text;
	autoerror why = {0};
	uint64_t value;
	if (!yaml_text(node, &text, r))
		return NULL;
	if (!size_parse(text, &value, &why))
		return text_json(text);
	yaml_problem(r, node, "%s", why.message);
	return NULL;
}

/* Nothing here knows the folder that a relative path would start from. */
static const char *path_fault(const char *text)
{
	if (text[0] == '/' || strcmp(text, "~") == 0 || strncmp(text, "~/", 2) == 0)
		return NULL;
	return "a path has to start with / or ~/";
}

static json_t *read_path(const struct yaml_node *node, const struct config_key *key, struct yaml_report *r)
{
	(void)key;
	return checked_text(node, path_fault, r);
}

static json_t *read_paths(const struct yaml_node *node, const struct config_key *key, struct yaml_report *r)
{
	(void)key;
	return checked_texts(node, path_fault, r);
}

static const char *pattern_fault(const char *text)
{
	if (!*text || *text == '/' || *text == '~')
		return "a pattern is relative to the worktree";
	for (const char *p = text; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || !p[2]))
			return "a pattern cannot leave the worktree";
	}
	return NULL;
}

static json_t *read_patterns(const struct yaml_node *node, const struct config_key *key,
			     struct yaml_report *r)
{
	(void)key;
	return checked_texts(node, pattern_fault, r);
}

static json_t *read_commands(const struct yaml_node *node, const struct config_key *key,
			     struct yaml_report *r)
{
	(void)key;
	json_t *commands;
	return yaml_commands(node, &commands, r) ? commands : NULL;
}

static json_t *read_command(const struct yaml_node *node, const struct config_key *key, struct yaml_report *r)
{
	(void)key;
	json_t *command;
	return yaml_command(node, &command, r) ? command : NULL;
}

/* "PORT" or "HOST:PORT" as "HOST:PORT"; HOST is loopback, for what listens here starts programs (S1). */
static json_t *read_address(const struct yaml_node *node, const struct config_key *key, struct yaml_report *r)
{
	(void)key;
	static const char *const hosts[] = {"127.0.0.1", "localhost", "[::1]"};
	const char *text;
	if (!yaml_text(node, &text, r))
		return NULL;
	const char *colon = strrchr(text, ':');
	size_t host_len = colon ? (size_t)(colon - text) : 0;
	const char *host = colon ? NULL : hosts[0];
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
		if (strlen(hosts[i]) == host_len && memcmp(hosts[i], text, host_len) == 0)
			host = hosts[i];
	int64_t port;
	if (host && !number_parse(colon ? colon + 1 : text, 0, 65535, &port, NULL))
		return json_sprintf("%s:%d", host, (int)port);
	yaml_problem(r, node, "'%.100s': expected a port, or 127.0.0.1:PORT (loopback only)", text);
	return NULL;
}

static const char *template_fault(const char *text)
{
	bool branch = false;
	for (const char *p = strpbrk(text, "{}"); p; p = strpbrk(p, "{}")) {
		bool is_branch = strncmp(p, "{branch}", 8) == 0;
		if (!is_branch && strncmp(p, "{repo}", 6) != 0)
			return "only {repo} and {branch} can stand in braces";
		branch = branch || is_branch;
		p = strchr(p, '}') + 1;
	}
	return branch ? NULL : "without {branch}, all worktrees would have one path";
}

static json_t *read_template(const struct yaml_node *node, const struct config_key *key,
			     struct yaml_report *r)
{
	(void)key;
	return checked_text(node, template_fault, r);
}

static json_t *read_branch(const struct yaml_node *node, const struct config_key *key, struct yaml_report *r)
{
	(void)key;
	const char *text;
	autoerror why = {0};
	if (!yaml_text(node, &text, r))
		return NULL;
	if (!branch_name_check(text, &why))
		return text_json(text);
	yaml_problem(r, node, "%s", why.message);
	return NULL;
}

/* A name of 1 to 64 of [A-Za-z0-9._-] that starts with a letter or digit. */
static const char *name_fault(const char *text)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strlen(text);
	if (len >= 1 && len <= 64 && strspn(text, set) == len && !strchr("._-", text[0]))
		return NULL;
	return "use 1 to 64 of A-Z a-z 0-9 . _ and -, starting with a letter or digit";
}

static json_t *read_socket(const struct yaml_node *node, const struct config_key *key, struct yaml_report *r)
{
	(void)key;
	return checked_text(node, name_fault, r);
}

static json_t *read_ports(const struct yaml_node *node, const struct config_key *key, struct yaml_report *r)
{
	(void)key;
	struct range {
		int64_t from, to;
	} range = {0};
	static const struct yaml_field fields[] = {
		YAML_FIELD("from", YAML_TYPE_INT, struct range, from, .required = true, .min = 1,
			   .max = 65535),
		YAML_FIELD("to", YAML_TYPE_INT, struct range, to, .required = true, .min = 1, .max = 65535),
		{0},
	};
	size_t before = r->total;
	yaml_read(node, fields, &range, r);
	if (r->total == before && range.from > range.to)
		yaml_problem(r, node, "from is above to");
	if (r->total != before)
		return NULL;
	return json_pack("{s:I, s:I}", "from", range.from, "to", range.to);
}

/* Reads a mapping of names, each checked, to whatever `each` makes of the value: an object, or NULL
 * with problems noted. `known` (NULL-terminated) are all names there can be; NULL: any. */
static json_t *read_named(const struct yaml_node *node, const char *const *known,
			  json_t *(*each)(const struct yaml_node *value, struct yaml_report *r),
			  struct yaml_report *r)
{
	size_t before = r->total, n_known = 0;
	if (node->kind != YAML_MAPPING) {
		yaml_problem(r, node, "expected a mapping (name: value)");
		return NULL;
	}
	while (known && known[n_known])
		n_known++;
	if (known)
		yaml_check_keys(node, known, n_known, r);
	json_auto_t *object = json_object();
	for (size_t i = 0; i < node->n; i++) {
		const char *name = node->keys[i]->text;
		const char *fault = known ? NULL : name_fault(name);
		if (fault)
			yaml_problem(r, node->keys[i], "'%.100s': %s", name, fault);
		json_t *value = each(node->items[i], r);
		if (value)
			json_object_set_new(object, name, value);
	}
	return r->total == before ? TAKE_PTR(object) : NULL;
}

static json_t *read_backend(const struct yaml_node *node, struct yaml_report *r)
{
	char **command = NULL;
	static const struct yaml_field fields[] = {
		{.key = "command", .type = YAML_TYPE_ARGV, .required = true},
		{0},
	};
	yaml_read(node, fields, &command, r);
	return command ? json_pack("{s:o}", "command", take_texts(command)) : NULL;
}

static json_t *read_backends(const struct yaml_node *node, const struct config_key *key,
			     struct yaml_report *r)
{
	(void)key;
	return read_named(node, r->data, read_backend, r);
}

static const char *variable_fault(const char *name)
{
	bool ok = *name && !isdigit((unsigned char)*name);
	for (const char *p = name; *p; p++)
		ok = ok && (isalnum((unsigned char)*p) || *p == '_');
	return ok ? NULL : "not the name of an environment variable";
}

static void read_variables(const struct yaml_node *node, void *member, struct yaml_report *r)
{
	json_t **env = member;
	*env = json_object();
	if (node->kind != YAML_MAPPING)
		yaml_problem(r, node, "expected a mapping (NAME: value)");
	for (size_t i = 0; node->kind == YAML_MAPPING && i < node->n; i++) {
		const char *name = node->keys[i]->text, *value, *fault = variable_fault(name);
		if (fault)
			yaml_problem(r, node->keys[i], "'%.100s': %s", name, fault);
		else if (yaml_text(node->items[i], &value, r))
			json_object_set_new(*env, name, text_json(value));
	}
}

static const char *const permissions[] = {"ask", "edits", "auto", NULL};
static const char *const sandboxes[] = {"none", "worktree", NULL};

struct profile {
	char **args;
	json_t *env;
	char *model;
	char *description;
	int permissions; /* index into permissions */
	int sandbox;	 /* index into sandboxes */
};

static void profile_release(struct profile *p)
{
	yaml_texts_free(p->args);
	json_decref(p->env);
	free(p->model);
	free(p->description);
}

static json_t *read_profile(const struct yaml_node *node, struct yaml_report *r)
{
	static const struct yaml_field fields[] = {
		YAML_FIELD("args", YAML_TYPE_TEXTS, struct profile, args),
		YAML_FIELD("model", YAML_TYPE_TEXT, struct profile, model, .nullable = true),
		YAML_FIELD("env", YAML_TYPE_CUSTOM, struct profile, env, .read = read_variables),
		YAML_FIELD("permissions", YAML_TYPE_CHOICE, struct profile, permissions,
			   .choices = permissions),
		YAML_FIELD("sandbox", YAML_TYPE_CHOICE, struct profile, sandbox, .choices = sandboxes),
		YAML_FIELD("description", YAML_TYPE_TEXT, struct profile, description, .nullable = true),
		{0},
	};
	_cleanup_(profile_release) struct profile p = {0};
	size_t before = r->total;
	yaml_read(node, fields, &p, r);
	if (r->total != before)
		return NULL;
	if (strcmp(permissions[p.permissions], "auto") == 0 && strcmp(sandboxes[p.sandbox], "none") == 0) {
		yaml_problem(r, yaml_get(node, "permissions"),
			     "auto requires a sandbox: add 'sandbox: worktree'");
		return NULL;
	}
	json_t *args = p.args ? take_texts(TAKE_PTR(p.args)) : json_array();
	json_t *env = p.env ? TAKE_PTR(p.env) : json_object();
	return json_pack("{s:o, s:s?, s:o, s:s, s:s, s:s?}", "args", args, "model", p.model, "env", env,
			 "permissions", permissions[p.permissions], "sandbox", sandboxes[p.sandbox],
			 "description", p.description);
}

static json_t *read_profiles_of_backend(const struct yaml_node *node, struct yaml_report *r)
{
	return read_named(node, NULL, read_profile, r);
}

static json_t *read_profiles(const struct yaml_node *node, const struct config_key *key,
			     struct yaml_report *r)
{
	(void)key;
	return read_named(node, r->data, read_profiles_of_backend, r);
}

const struct config_type config_bool_type = {CONFIG_BOOL, read_bool};
const struct config_type config_int_type = {CONFIG_INT, read_int};
const struct config_type config_choice = {CONFIG_TEXT, read_choice};
const struct config_type config_duration_type = {CONFIG_DURATION, read_duration};
const struct config_type config_size_type = {CONFIG_SIZE, read_size};
const struct config_type config_path = {CONFIG_TEXT, read_path};
const struct config_type config_paths = {CONFIG_LIST, read_paths};
const struct config_type config_patterns = {CONFIG_LIST, read_patterns};
const struct config_type config_commands = {CONFIG_LIST, read_commands};
const struct config_type config_command = {CONFIG_OBJECT, read_command};
const struct config_type config_address = {CONFIG_TEXT, read_address};
const struct config_type config_template = {CONFIG_TEXT, read_template};
const struct config_type config_branch = {CONFIG_TEXT, read_branch};
const struct config_type config_socket = {CONFIG_TEXT, read_socket};
const struct config_type config_ports = {CONFIG_OBJECT, read_ports};
const struct config_type config_backends = {CONFIG_OBJECT, read_backends};
const struct config_type config_profiles = {CONFIG_OBJECT, read_profiles};

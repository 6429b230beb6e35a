/* Schemas of operations; see schema.h. */
#include "mcp/schema.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"

/* --- parameters --- */

static json_t *param_schema(const struct op_param *p)
{
	static const char *const types[] = {
		[OP_TEXT] = "string", [OP_NUMBER] = "integer", [OP_FLAG] = "boolean",
		[OP_TEXTS] = "array", [OP_OBJECT] = "object",  [OP_ANY] = NULL,
	};
	json_t *schema = json_object();
	if (types[p->type])
		json_object_set_new(schema, "type", json_string(types[p->type]));
	if (p->type == OP_TEXTS)
		json_object_set_new(schema, "items", json_pack("{s:s}", "type", "string"));
	if (p->type == OP_NUMBER && p->min)
		json_object_set_new(schema, "minimum", json_integer(p->min));
	if (p->type == OP_NUMBER && p->max)
		json_object_set_new(schema, "maximum", json_integer(p->max));
	json_object_set_new(schema, "description", json_string(p->doc));
	return schema;
}

json_t *mcp_input_schema(const struct op *op)
{
	json_t *properties = json_object(), *required = json_array();
	for (const struct op_param *p = op->params; p && p->name; p++) {
		if (p->flags & OP_UNLISTED)
			continue;
		json_object_set_new(properties, p->name, param_schema(p));
		if ((p->flags & OP_REQUIRED) && strcmp(p->name, "dir") != 0)
			json_array_append_new(required, json_string(p->name));
	}
	json_t *schema = json_pack("{s:s, s:o}", "type", "object", "properties", properties);
	if (json_array_size(required) > 0)
		json_object_set(schema, "required", required);
	json_decref(required);
	return schema;
}

/* --- answers --- */

/* What a field is wherever it stands without a shape of its own, and is not left out for being null. One that
 * is not here may be anything. */
static const struct {
	const char *name;
	const char *type;
} fields[] = {
	{"ahead", "integer"},
	{"artifacts", "array"},
	{"attempt", "integer"},
	{"backend", "string"},
	{"base", "string"},
	{"base_commit", "string"},
	{"behind", "integer"},
	{"branch", "string"},
	{"circle", "string"},
	{"command", "string"},
	{"conflicts", "array"},
	{"correlation_id", "string"},
	{"description", "string"},
	{"dirty", "integer"},
	{"facts", "object"},
	{"fence", "integer"},
	{"file", "string"},
	{"head", "string"},
	{"job", "string"},
	{"job_id", "string"},
	{"last_seen", "string"},
	{"message_id", "string"},
	{"name", "string"},
	{"needs", "array"},
	{"note", "string"},
	{"outcome", "string"},
	{"path", "string"},
	{"peer", "string"},
	{"peer_id", "string"},
	{"pid", "integer"},
	{"plan", "string"},
	{"reason", "string"},
	{"reply", "string"},
	{"role", "string"},
	{"state", "string"},
	{"status", "string"},
	{"step", "string"},
	{"summary", "string"},
	{"target", "string"},
	{"task", "string"},
	{"terminal_closed", "boolean"},
	{"title", "string"},
	{"to", "string"},
	{"transport", "string"},
	{"tries", "integer"},
	{"turn_state", "string"},
	{"untracked", "integer"},
};

static json_t *field_schema(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (strlen(fields[i].name) == len && memcmp(fields[i].name, name, len) == 0)
			return json_pack("{s:s}", "type", fields[i].type);
	return json_object();
}

static bool take(const char **at, const char *text)
{
	size_t n = strlen(text);
	bool there = strncmp(*at, text, n) == 0;
	*at += there ? n : 0;
	return there;
}

static json_t *shape(const char **at, int depth);

/* "name" or "name":shape; NULL when it is neither. */
static bool take_field(const char **at, json_t *properties, int depth)
{
	if (take(at, "…"))
		return true;
	const char *name = *at + 1, *end = **at == '"' ? strchr(name, '"') : NULL;
	if (!end)
		return false;
	*at = end + 1;
	json_t *schema = take(at, ":") ? shape(at, depth + 1) : field_schema(name, (size_t)(end - name));
	if (schema)
		json_object_setn_new(properties, name, (size_t)(end - name), schema);
	return schema != NULL;
}

/* {…}, […] or "…"; NULL when it is none of them. */
static json_t *shape(const char **at, int depth)
{
	enum { DEPTH_MAX = 8 };
	if (depth > DEPTH_MAX)
		return NULL;
	if (take(at, "[")) {
		json_t *items = take(at, "…") ? NULL : shape(at, depth + 1);
		json_t *list = json_pack("{s:s, s:o*}", "type", "array", "items", items);
		if (take(at, "]"))
			return list;
		json_decref(list);
		return NULL;
	}
	if (!take(at, "{"))
		return NULL;
	json_t *properties = json_object();
	bool more = **at != '}';
	while (more && take_field(at, properties, depth))
		more = take(at, ",");
	if (more || !take(at, "}")) {
		json_decref(properties);
		return NULL;
	}
	return json_pack("{s:s, s:o}", "type", "object", "properties", properties);
}

json_t *mcp_output_schema(const struct op *op)
{
	const char *at = op->result;
	json_t *schema = shape(&at, 0);
	if (schema && !*at)
		return schema;
	json_decref(schema);
	return json_pack("{s:s}", "type", "object");
}

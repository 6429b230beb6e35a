/* The OpenAPI description, generated from the operation table. */
#include "api/route.h"
#include "base/alloc.h"

static json_t *param_schema(const struct op_param *p)
{
	static const char *const types[] = {
		[OP_TEXT] = "string", [OP_NUMBER] = "integer", [OP_FLAG] = "boolean",
		[OP_TEXTS] = "array", [OP_OBJECT] = "object",  [OP_ANY] = NULL};
	json_t *schema = json_object();
	if (types[p->type])
		json_object_set_new(schema, "type", json_string(types[p->type]));
	if (p->type == OP_TEXT)
		json_object_set_new(schema, "maxLength", json_integer(p->max ? p->max : OP_TEXT_MAX));
	if (p->type == OP_TEXTS) {
		json_object_set_new(schema, "items",
				    json_pack("{s:s, s:i}", "type", "string", "maxLength", OP_TEXT_MAX));
		json_object_set_new(schema, "maxItems", json_integer(p->max ? p->max : OP_LIST_MAX));
	}
	if (p->type == OP_NUMBER) {
		json_object_set_new(schema, "minimum", json_integer(p->min));
		json_object_set_new(schema, "maximum", json_integer(p->max ? p->max : OP_NUMBER_MAX));
	}
	json_object_set_new(schema, "description", json_string(p->doc));
	return schema;
}

static json_t *body_schema(const struct op *op)
{
	json_t *properties = json_object();
	json_t *required = json_array();
	for (const struct op_param *p = op->params; p && p->name; p++) {
		json_object_set_new(properties, p->name, param_schema(p));
		if (p->flags & OP_REQUIRED)
			json_array_append_new(required, json_string(p->name));
	}
	return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required",
			 required, "additionalProperties", 0);
}

static json_t *error_response(void)
{
	return json_pack("{s:s, s:{s:{s:{s:s}}}}", "description", "what happened, and what to do", "content",
			 "application/json", "schema", "$ref", "#/components/schemas/error");
}

static json_t *operation(const struct op *op)
{
	json_t *ok = json_pack("{s:s, s:{s:{s:{s:s}}}}", "description", op->result, "content",
			       "application/json", "schema", "type", "object");
	json_t *body = body_schema(op);
	int needed = json_array_size(json_object_get(body, "required")) > 0;
	json_t *post = json_pack("{s:s, s:s, s:{s:b, s:{s:{s:o}}}, s:{s:o, s:o}}", "operationId", op->name,
				 "summary", op->summary, "requestBody", "required", needed, "content",
				 "application/json", "schema", body, "responses", "200", ok, "default",
				 error_response());
	if (op->flags & OP_CHANGES)
		json_object_set_new(
			post, "parameters",
			json_pack("[{s:s, s:s, s:{s:s, s:i}, s:s}]", "name", "Idempotency-Key", "in",
				  "header", "schema", "type", "string", "maxLength", 128, "description",
				  "a repeated request with the same key gets the first one's answer"));
	return json_pack("{s:o}", "post", post);
}

json_t *api_openapi(void)
{
	json_t *paths = json_object();
	for (size_t i = 0; op_table[i]; i++) {
		autofree char *path = xasprintf("/v1/%s", op_table[i]->name);
		json_object_set_new(paths, path, operation(op_table[i]));
	}
	json_t *stream =
		json_pack("{s:s, s:{s:{s:s, s:{s:{}}}}}", "summary",
			  "Events as they are committed (Server-Sent Events); resumes after Last-Event-ID.",
			  "responses", "200", "description", "a stream", "content", "text/event-stream");
	/* the operation of that name is there already */
	json_object_set_new(json_object_get(paths, "/v1/events"), "get", stream);
	json_t *error =
		json_pack("{s:s, s:{s:{s:s, s:{s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}}}}}", "type", "object",
			  "properties", "error", "type", "object", "properties", "code", "type", "string",
			  "message", "type", "string", "hint", "type", "string", "details", "type", "object");
	return json_pack("{s:s, s:{s:s, s:s}, s:o, s:{s:{s:o}}}", "openapi", "3.1.0", "info", "title",
			 "Coppice", "version", COPPICE_VERSION, "paths", paths, "components", "schemas",
			 "error", error);
}

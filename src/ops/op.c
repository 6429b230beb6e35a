/* The operation table's machinery: finding, checking, running, parking; see op.h. */
#include "ops/op.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "flow/react.h"
#include "mesh/role.h"
#include "ops/table.h"
#include "store/outbox.h"

const struct op *op_find(const char *name)
{
	for (size_t i = 0; op_table[i]; i++)
		if (strcmp(op_table[i]->name, name) == 0)
			return op_table[i];
	return NULL;
}

static const struct op_param *find_param(const struct op *op, const char *name)
{
	for (const struct op_param *p = op->params; p && p->name; p++)
		if (strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

static int check_text(const struct op_param *p, const json_t *value, struct error *err)
{
	if (!json_is_string(value))
		return error_set(err, ERR_INVALID, "'%s' must be a text", p->name);
	size_t max = p->max ? (size_t)p->max : OP_TEXT_MAX;
	size_t len = json_string_length(value);
	if (len > max)
		return error_set(err, ERR_TOO_LARGE, "'%s' has %zu bytes; at most %zu are allowed", p->name,
				 len, max);
	const char *text = json_string_value(value);
	for (size_t i = 0; !(p->flags & OP_MULTILINE) && i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return error_set(err, ERR_INVALID, "'%s' holds a control character", p->name);
	return 0;
}

static int check_number(const struct op_param *p, const json_t *value, struct error *err)
{
	json_int_t max = p->max ? p->max : OP_NUMBER_MAX;
	if (!json_is_integer(value) || json_integer_value(value) < p->min || json_integer_value(value) > max)
		return error_set(err, ERR_INVALID, "'%s' must be a whole number from %lld to %lld", p->name,
				 (long long)p->min, (long long)max);
	return 0;
}

static int check_texts(const struct op_param *p, const json_t *value, struct error *err)
{
	if (!json_is_array(value))
		return error_set(err, ERR_INVALID, "'%s' must be a list of texts", p->name);
	size_t max = p->max ? (size_t)p->max : OP_LIST_MAX;
	if (json_array_size(value) > max)
		return error_set(err, ERR_TOO_LARGE, "'%s' has more than %zu entries", p->name, max);
	struct op_param entry = {.name = p->name, .flags = p->flags};
	size_t i;
	json_t *text;
	json_array_foreach(value, i, text)
	{
		int code = check_text(&entry, text, err);
		if (code)
			return code;
	}
	return 0;
}

static int check_param(const struct op_param *p, const json_t *value, struct error *err)
{
	switch (p->type) {
	case OP_TEXT:
		return check_text(p, value, err);
	case OP_NUMBER:
		return check_number(p, value, err);
	case OP_FLAG:
		return json_is_boolean(value)
			       ? 0
			       : error_set(err, ERR_INVALID, "'%s' must be true or false", p->name);
	case OP_TEXTS:
		return check_texts(p, value, err);
	case OP_OBJECT:
		return json_is_object(value) ? 0
					     : error_set(err, ERR_INVALID, "'%s' must be an object", p->name);
	case OP_ANY:
		return 0;
	}
	return error_set(err, ERR_INTERNAL, "parameter '%s' has no type", p->name);
}

int op_check_params(const struct op *op, json_t *params, struct error *err)
{
	if (!json_is_object(params))
		return error_set(err, ERR_INVALID, "the parameters of %s must be a JSON object", op->name);
	const char *key;
	json_t *value;
	void *next;
	json_object_foreach_safe(params, next, key, value)
	{
		const struct op_param *p = find_param(op, key);
		autostrbuf shown = STRBUF_INIT(512);
		text_escape(key, strnlen(key, 60), false, &shown);
		if (!p) {
			autostrbuf known = STRBUF_INIT(1024);
			for (p = op->params; p && p->name; p++)
				strbuf_addf(&known, "%s%s", known.len ? ", " : "it takes ", p->name);
			return error_hint(err,
					  error_set(err, ERR_INVALID, "%s has no parameter '%s'", op->name,
						    strbuf_str(&shown)),
					  "%s", known.len ? strbuf_str(&known) : "it takes none");
		}
		int code = json_is_null(value) ? 0 : check_param(p, value, err);
		if (code)
			return code;
		if (json_is_null(value))
			json_object_del(params, key);
	}
	for (const struct op_param *p = op->params; p && p->name; p++) {
		value = json_object_get(params, p->name);
		if ((p->flags & OP_REQUIRED) && !value)
			return error_set(err, ERR_INVALID, "%s needs '%s': %s", op->name, p->name, p->doc);
	}
	return 0;
}

/* The bit of a caller in op->who. */
static unsigned who_is(const struct caller *caller)
{
	switch (caller->kind) {
	case CALLER_HUMAN:
		return BY_HUMAN;
	case CALLER_SERVICE:
		return BY_SERVICE;
	case CALLER_UNKNOWN:
		return BY_UNKNOWN;
	case CALLER_PEER:
		return caller->role == ROLE_ORCHESTRATOR ? BY_ORCHESTRATOR
		       : caller->role == ROLE_REVIEWER	 ? BY_REVIEWER
							 : BY_AGENT;
	}
	return 0;
}

int op_check_caller(const struct op *op, const struct caller *caller, struct error *err)
{
	unsigned who = who_is(caller);
	if (op->who & who)
		return 0;
	if (who == BY_UNKNOWN) {
		int code = error_set(err, ERR_FORBIDDEN, "%s needs to know who calls, and nothing proves it",
				     op->name);
		return error_hint(err, code,
				  "run it from a terminal, or set COPPICE_TOKEN_FILE to the token file of "
				  "the state folder");
	}
	int code = error_set(err, ERR_FORBIDDEN, "%s may not call %s", caller->name, op->name);
	return error_hint(err, code, "%s",
			  op->who & BY_ORCHESTRATOR ? "ask the orchestrator or the human to do it"
						    : "only the human may do it");
}

int op_run(struct op_call *call, json_t **ret, struct error *err)
{
	*ret = NULL;
	call->topic[0] = '\0';
	call->wait = 0;
	call->work_kind = NULL;
	json_t *result = NULL;
	int code = call->op->handle(call, &result, err);
	if (code > 0) {
		json_decref(result);
		return code;
	}
	flow_react(call->core);
	*ret = result;
	return code;
}

void op_call_release(struct op_call *call)
{
	json_decref(call->state);
	json_decref(call->work_args);
	json_decref(call->work_result);
	call->state = call->work_args = call->work_result = NULL;
}

int op_wait(struct op_call *call, const char *topic, usec_t at_most)
{
	(void)snprintf(call->topic, sizeof(call->topic), "%s", topic);
	call->wait = at_most;
	return OP_PARKED;
}

int op_wait_effect(struct op_call *call, int64_t effect_id)
{
	char topic[ID_SIZE];
	effect_topic(effect_id, topic);
	return op_wait(call, topic, 0);
}

int op_work(struct op_call *call, const char *kind, json_t *args)
{
	call->work_kind = kind;
	json_decref(call->work_args);
	call->work_args = args;
	return OP_PARKED;
}

int op_work_answer(const struct op_call *call, const json_t **ret, struct error *err)
{
	const json_t *ok = json_object_get(call->work_result, "ok");
	if (!ok)
		return error_from_json(call->work_result, err);
	*ret = ok;
	return 0;
}

int op_effect_answer(struct op_call *call, int64_t effect_id, json_t **ret, struct error *err)
{
	json_t *result = NULL;
	const char *state = effect_state(call->store, effect_id, &result);
	if (!state)
		return error_set(err, ERR_INTERNAL, "effect %lld is gone", (long long)effect_id);
	int code = 0;
	if (strcmp(state, "done") == 0) {
		*ret = result;
		return 0;
	}
	if (strcmp(state, "failed") == 0)
		code = error_from_json(result, err);
	else if (strcmp(state, "unknown") == 0)
		code = error_set(err, ERR_SYSTEM, "a crash hides whether it was done; it is not repeated");
	else
		code = op_wait_effect(call, effect_id);
	json_decref(result);
	return code;
}

const char *op_text(const struct op_call *call, const char *name)
{
	return json_str(call->params, name);
}

const char **op_texts(const struct op_call *call, const char *name)
{
	const json_t *list = json_object_get(call->params, name);
	if (!json_is_array(list))
		return NULL;
	const char **texts = xcalloc(json_array_size(list) + 1, sizeof(*texts));
	for (size_t i = 0; i < json_array_size(list); i++)
		texts[i] = json_string_value(json_array_get(list, i));
	return texts;
}

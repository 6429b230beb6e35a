/* JSON-RPC over lines; see jsonrpc.h. */
#include "net/jsonrpc.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

void jsonrpc_reader_init(struct jsonrpc_reader *r)
{
	*r = (struct jsonrpc_reader){.line = STRBUF_INIT(JSONRPC_LINE_MAX + 1)}; /* a CR may follow */
}

void jsonrpc_reader_release(struct jsonrpc_reader *r)
{
	strbuf_release(&r->line);
}

/* Leaves out the blanks around a message, and with them the CR of its line end. */
static void trim(const char **line, size_t *len)
{
	while (*len && ((*line)[*len - 1] == '\r' || (*line)[*len - 1] == ' ' || (*line)[*len - 1] == '\t'))
		--*len;
	while (*len && (**line == ' ' || **line == '\t'))
		++*line, --*len;
}

static enum jsonrpc_kind too_long(struct jsonrpc_reader *r)
{
	strbuf_reset(&r->line);
	return JSONRPC_TOO_LONG;
}

/* `data` is what completes a line. */
static enum jsonrpc_kind finish(struct jsonrpc_reader *r, const char *data, size_t len, const char **ret_line,
				size_t *ret_len)
{
	if (r->line.len) {
		strbuf_add(&r->line, data, len);
		if (r->line.overflow)
			return too_long(r);
		data = r->line.buf;
		len = r->line.len;
		r->given = true;
	}
	trim(&data, &len);
	if (len > JSONRPC_LINE_MAX)
		return too_long(r);
	*ret_line = data;
	*ret_len = len;
	return len ? JSONRPC_LINE : JSONRPC_MORE;
}

static void forget_given(struct jsonrpc_reader *r)
{
	if (r->given)
		strbuf_reset(&r->line);
	r->given = false;
}

enum jsonrpc_kind jsonrpc_read(struct jsonrpc_reader *r, const char **data, size_t *len,
			       const char **ret_line, size_t *ret_len)
{
	const char *end;
	while (*len && (end = memchr(*data, '\n', *len))) {
		forget_given(r);
		const char *line = *data;
		size_t n = (size_t)(end - line);
		*data = end + 1;
		*len -= n + 1;
		bool skipped = r->skips; /* it was told already */
		r->skips = false;
		enum jsonrpc_kind kind = skipped ? JSONRPC_MORE : finish(r, line, n, ret_line, ret_len);
		if (kind != JSONRPC_MORE)
			return kind;
	}
	forget_given(r);
	strbuf_add(&r->line, *data, r->skips ? 0 : *len);
	*data += *len;
	*len = 0;
	if (!r->line.overflow)
		return JSONRPC_MORE;
	r->skips = true;
	return too_long(r);
}

enum jsonrpc_kind jsonrpc_read_end(struct jsonrpc_reader *r, const char **ret_line, size_t *ret_len)
{
	forget_given(r);
	return r->skips ? JSONRPC_MORE : finish(r, NULL, 0, ret_line, ret_len);
}

/* --- messages --- */

void jsonrpc_message_release(struct jsonrpc_message *m)
{
	json_decref(m->root);
	*m = (struct jsonrpc_message){0};
}

static bool is_id(const json_t *id)
{
	return json_is_integer(id) || (json_is_string(id) && json_string_length(id) <= JSONRPC_ID_MAX);
}

static int check_message(struct jsonrpc_message *m, struct error *err)
{
	const json_t *version = json_object_get(m->root, "jsonrpc");
	const json_t *id = json_object_get(m->root, "id"), *method = json_object_get(m->root, "method");
	const json_t *params = json_object_get(m->root, "params");
	bool answers = json_object_get(m->root, "result") || json_object_get(m->root, "error");
	m->id = is_id(id) ? id : NULL;
	m->method = json_string_value(method);
	m->params = json_is_object(params) ? params : NULL;
	m->type = answers ? JSONRPC_RESPONSE : id ? JSONRPC_REQUEST : JSONRPC_NOTIFICATION;
	if (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0)
		(void)error_set(err, ERR_INVALID, "it is not JSON-RPC 2.0");
	else if (id && !m->id && !(answers && json_is_null(id)))
		(void)error_set(err, ERR_INVALID, "an id is a text of at most %d bytes or a whole number",
				JSONRPC_ID_MAX);
	else if (answers ? method != NULL : !m->method)
		(void)error_set(err, ERR_INVALID, "a message has a method, or answers one");
	else if (params && !m->params)
		(void)error_set(err, ERR_INVALID, "params must be an object");
	else
		return 0;
	return JSONRPC_INVALID_REQUEST;
}

int jsonrpc_parse(const char *line, size_t len, struct jsonrpc_message *ret, struct error *err)
{
	*ret = (struct jsonrpc_message){0};
	if (json_parse(line, len, &ret->root, err) != 0)
		return JSONRPC_PARSE_ERROR;
	if (json_is_object(ret->root))
		return check_message(ret, err);
	(void)error_set(err, ERR_INVALID, "a message is one object; there are no batches");
	return JSONRPC_INVALID_REQUEST;
}

/* --- writers --- */

static void write_line(struct strbuf *out, json_t *message)
{
	autofree char *text = json_text(message);
	strbuf_addstr(out, text);
	strbuf_addch(out, '\n');
	json_decref(message);
}

static json_t *answer_to(const json_t *id)
{
	json_t *message = json_pack("{s:s}", "jsonrpc", "2.0");
	if (json_is_integer(id))
		json_object_set_new(message, "id", json_integer(json_integer_value(id)));
	else if (id)
		json_object_set_new(message, "id",
				    json_stringn(json_string_value(id), json_string_length(id)));
	return message;
}

void jsonrpc_write_result(struct strbuf *out, const json_t *id, json_t *result)
{
	json_t *message = answer_to(id);
	json_object_set_new(message, "result", result);
	write_line(out, message);
}

void jsonrpc_write_error(struct strbuf *out, const json_t *id, int code, const char *message, json_t *data)
{
	json_t *error = json_pack("{s:i}", "code", code);
	json_t *answer = answer_to(id);
	json_set_str(error, "message", message);
	if (data)
		json_object_set_new(error, "data", data);
	json_object_set_new(answer, "error", error);
	write_line(out, answer);
}

void jsonrpc_write_notification(struct strbuf *out, const char *method, json_t *params)
{
	json_t *message = json_pack("{s:s, s:s}", "jsonrpc", "2.0", "method", method);
	if (params)
		json_object_set_new(message, "params", params);
	write_line(out, message);
}

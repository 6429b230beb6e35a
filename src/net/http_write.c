/* Writers of HTTP/1.1 messages; see http_write.h. Each writes at the end of the buffer and cuts it back
 * when anything was wrong, so that no half message is ever sent. */
#include "net/http_write.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

/* Ends a writer that began when `out` held `start` bytes. */
static int conclude(struct strbuf *out, size_t start, int result, struct error *err)
{
	if (!result && out->overflow)
		result = error_set(err, ERR_TOO_LARGE,
				   "the message passes the %zu bytes that are kept for it", out->max);
	if (result) {
		out->overflow = false;
		strbuf_setlen(out, start);
	}
	return result;
}

static int write_header(struct strbuf *out, const struct http_header *h, struct error *err)
{
	if (!http_is_token(h->name, strlen(h->name)) || !http_is_value(h->value))
		return error_set(err, ERR_INVALID, "a header with a bad name or value");
	strbuf_addf(out, "%s: %s\r\n", h->name, h->value);
	return 0;
}

static int write_headers(struct strbuf *out, const struct http_header *headers, size_t n, struct error *err)
{
	int r = 0;
	for (size_t i = 0; i < n && !r; i++)
		r = write_header(out, &headers[i], err);
	return r;
}

static void write_status(struct strbuf *out, int status)
{
	strbuf_addf(out, "HTTP/1.1 %d %s\r\n", status, http_reason(status));
}

int http_write_reply(struct strbuf *out, const struct http_reply *reply, struct error *err)
{
	size_t start = out->len;
	bool bodiless = reply->status == 204 || reply->status == 304;
	write_status(out, reply->status);
	int r = 0;
	if (reply->type)
		r = write_header(out, &(struct http_header){"Content-Type", reply->type}, err);
	if (!bodiless)
		strbuf_addf(out, "Content-Length: %zu\r\n", reply->len);
	strbuf_addf(out, "Connection: %s\r\n", reply->keep_alive ? "keep-alive" : "close");
	if (!r)
		r = write_headers(out, reply->headers, reply->n_headers, err);
	strbuf_addstr(out, "\r\n");
	if (!bodiless && !reply->omit_body)
		strbuf_add(out, reply->body, reply->len);
	return conclude(out, start, r, err);
}

/* Headers of everything that is not a page: browsers neither store it nor guess at its type. */
static const struct http_header data_headers[] = {
	{"Cache-Control", "no-store"},
	{"X-Content-Type-Options", "nosniff"},
};

int http_write_json(struct strbuf *out, int status, const json_t *json, unsigned flags, struct error *err)
{
	autofree char *text = json_text(json);
	struct http_reply reply = {
		.status = status,
		.type = "application/json",
		.body = text,
		.len = strlen(text),
		.headers = data_headers,
		.n_headers = ARRAY_SIZE(data_headers),
		.keep_alive = flags & HTTP_WRITE_KEEP_ALIVE,
		.omit_body = flags & HTTP_WRITE_OMIT_BODY,
	};
	return http_write_reply(out, &reply, err);
}

int http_write_error(struct strbuf *out, const struct error *failure, unsigned flags, struct error *err)
{
	json_auto_t *json = error_to_json(failure);
	return http_write_json(out, error_kind(failure->code)->http_status, json, flags, err);
}

/* The error code that is nearest to what a parser refuses with. */
static enum error_code code_of_status(int status)
{
	static const struct {
		int status;
		enum error_code code;
	} table[] = {
		{403, ERR_FORBIDDEN}, {404, ERR_NOT_FOUND}, {408, ERR_TIMED_OUT},  {413, ERR_TOO_LARGE},
		{414, ERR_TOO_LARGE}, {431, ERR_TOO_LARGE}, {503, ERR_NOT_STORED},
	};
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].status == status)
			return table[i].code;
	return ERR_INVALID;
}

int http_write_refusal(struct strbuf *out, int status, const char *reason, struct error *err)
{
	static const struct http_header with_allow[] = {
		{"Cache-Control", "no-store"},
		{"X-Content-Type-Options", "nosniff"},
		{"Allow", "GET, HEAD, POST, DELETE"},
	};
	autoerror failure = {0};
	(void)error_set(&failure, code_of_status(status), "%s", reason);
	json_auto_t *json = error_to_json(&failure);
	autofree char *text = json_text(json);
	struct http_reply reply = {
		.status = status,
		.type = "application/json",
		.body = text,
		.len = strlen(text),
		.headers = with_allow,
		.n_headers = ARRAY_SIZE(with_allow) - (status == 405 ? 0 : 1),
	};
	return http_write_reply(out, &reply, err);
}

int http_write_stream(struct strbuf *out, struct error *err)
{
	size_t start = out->len;
	write_status(out, 200);
	strbuf_addstr(out, "Content-Type: text/event-stream\r\nConnection: close\r\n");
	int r = write_headers(out, data_headers, ARRAY_SIZE(data_headers), err);
	strbuf_addstr(out, "\r\n");
	return conclude(out, start, r, err);
}

int http_write_continue(struct strbuf *out, struct error *err)
{
	size_t start = out->len;
	write_status(out, 100);
	strbuf_addstr(out, "\r\n");
	return conclude(out, start, 0, err);
}

int http_write_call(struct strbuf *out, const struct http_call *call, struct error *err)
{
	size_t start = out->len;
	int r = 0;
	if (!http_is_token(call->method, strlen(call->method)) || call->target[0] != '/' ||
	    !http_is_value(call->target) || strpbrk(call->target, " \t"))
		r = error_set(err, ERR_INVALID, "a request with a bad method or target");
	strbuf_addf(out, "%s %s HTTP/1.1\r\n", call->method, call->target);
	if (!r)
		r = write_header(out, &(struct http_header){"Host", call->host}, err);
	if (!r && call->type)
		r = write_header(out, &(struct http_header){"Content-Type", call->type}, err);
	if (call->type)
		strbuf_addf(out, "Content-Length: %zu\r\n", call->len);
	if (!r)
		r = write_headers(out, call->headers, call->n_headers, err);
	strbuf_addstr(out, "\r\n");
	if (call->type)
		strbuf_add(out, call->body, call->len);
	return conclude(out, start, r, err);
}

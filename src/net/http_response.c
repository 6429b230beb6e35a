/* The client side of HTTP/1.1; see http_response.h. Framing is http_frame's; here is what only responses
 * have: the status line, statuses without a body, and interim responses. */
#include "net/http_response.h"

#include <string.h>

#include "base/list.h"

enum { INTERIM_MAX = 8 /* interim responses before one real one */ };

static struct http_responses *responses_of(struct http_frame *f)
{
	return container_of(f, struct http_responses, frame);
}

const char *http_response_header(const struct http_response *res, const char *name)
{
	return http_find(res->headers, res->n_headers, name);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "HTTP/1.x SP 3DIGIT SP reason"; the reason may be empty and means nothing. */
static int status_line(struct http_frame *f, const char *line, size_t len)
{
	bool is_http1 = len >= 12 && memcmp(line, "HTTP/1.", 7) == 0 && line[8] == ' ';
	if (!is_http1 || (line[7] != '0' && line[7] != '1'))
		return http_frame_refuse(f, 502, "malformed status line");
	if (!is_digit(line[9]) || !is_digit(line[10]) || !is_digit(line[11]) || line[9] == '0' ||
	    (len > 12 && line[12] != ' '))
		return http_frame_refuse(f, 502, "malformed status line");
	f->minor = line[7] - '0';
	responses_of(f)->res.status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
	return 0;
}

static int response_head(struct http_frame *f)
{
	struct http_responses *rs = responses_of(f);
	if (rs->res.status == 101)
		return http_frame_refuse(f, 502, "an upgrade that nobody asked for");
	rs->res.headers = f->headers;
	rs->res.n_headers = f->n_headers;
	return 0;
}

static int response_body(struct http_frame *f, const char *data, size_t len)
{
	struct http_responses *rs = responses_of(f);
	if (rs->on_body)
		return rs->on_body(rs->data, data, len) ? http_frame_refuse(f, 502, "ended by its reader")
							: 0;
	strbuf_add(&rs->body, data, len);
	return rs->body.overflow ? http_frame_refuse(f, 502, "body too large") : 0;
}

static const struct http_frame_ops response_ops = {
	.type = HTTP_RESPONSE,
	.first_line = status_line,
	.head = response_head,
	.body = response_body,
	.line_status = 502,
	.head_status = 502,
	.body_status = 502,
};

void http_responses_init(struct http_responses *rs, size_t body_max, http_body_fn on_body, void *data)
{
	*rs = (struct http_responses){.on_body = on_body, .data = data, .body = STRBUF_INIT(body_max)};
	http_frame_init(&rs->frame, &response_ops, body_max);
}

void http_responses_release(struct http_responses *rs)
{
	http_frame_release(&rs->frame);
	strbuf_release(&rs->body);
}

void http_responses_expect(struct http_responses *rs, bool head)
{
	http_frame_reset(&rs->frame);
	rs->frame.no_body = rs->answers_head = head;
	rs->interim = 0;
	strbuf_reset(&rs->body);
	rs->res = (struct http_response){0};
}

/* An interim response is over: the real one follows. */
static void pass_over(struct http_responses *rs)
{
	if (++rs->interim > INTERIM_MAX) {
		(void)http_frame_refuse(&rs->frame, 502, "too many interim responses");
		return;
	}
	http_frame_reset(&rs->frame);
	rs->frame.no_body = rs->answers_head;
	rs->res = (struct http_response){0};
}

static void complete(struct http_responses *rs)
{
	rs->res.body = strbuf_str(&rs->body);
	rs->res.body_len = rs->body.len;
	rs->res.keep_alive = rs->frame.keep_alive;
}

enum http_stage http_responses_feed(struct http_responses *rs, const char *data, size_t len, size_t *ret_used)
{
	size_t used = 0;
	for (;;) {
		used += http_frame_feed(&rs->frame, data + used, len - used);
		if (rs->frame.stage != HTTP_STAGE_DONE || rs->res.status / 100 != 1)
			break;
		pass_over(rs);
	}
	if (rs->frame.stage == HTTP_STAGE_DONE)
		complete(rs);
	*ret_used = used;
	return rs->frame.stage;
}

enum http_stage http_responses_eof(struct http_responses *rs)
{
	http_frame_eof(&rs->frame);
	if (rs->frame.stage == HTTP_STAGE_DONE)
		complete(rs);
	return rs->frame.stage;
}

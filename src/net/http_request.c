/* The server side of HTTP/1.1; see http_request.h. Framing is http_frame's; here is what only requests
 * have: the request line and its target, Host, Expect, Upgrade, and bytes sent ahead. */
#include "net/http_request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/list.h"
#include "base/text.h"

enum { KEEP_CAP = 64 * 1024 /* a buffer that grew beyond this is given back between requests */ };

static const char *const verb_names[] = {
	[HTTP_VERB_GET] = "GET",
	[HTTP_VERB_HEAD] = "HEAD",
	[HTTP_VERB_POST] = "POST",
	[HTTP_VERB_DELETE] = "DELETE",
};

/* Known to everybody, served by nobody here. */
static const char *const unserved[] = {"PUT", "PATCH", "OPTIONS", "TRACE", "CONNECT"};

static struct http_requests *requests_of(struct http_frame *f)
{
	return container_of(f, struct http_requests, frame);
}

const char *http_verb_name(enum http_verb verb)
{
	return verb_names[verb];
}

const char *http_request_header(const struct http_request *req, const char *name)
{
	return http_find(req->headers, req->n_headers, name);
}

static bool same(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(text, word, len) == 0;
}

static int read_verb(struct http_frame *f, const char *word, size_t len)
{
	if (!http_is_token(word, len))
		return http_frame_refuse(f, 400, "malformed request line");
	for (size_t i = 0; i < ARRAY_SIZE(verb_names); i++)
		if (same(word, len, verb_names[i])) {
			requests_of(f)->req.verb = (enum http_verb)i;
			return 0;
		}
	for (size_t i = 0; i < ARRAY_SIZE(unserved); i++)
		if (same(word, len, unserved[i]))
			return http_frame_refuse(f, 405, "this method is not served");
	return http_frame_refuse(f, 501, "unknown method");
}

static int read_version(struct http_frame *f, const char *word, size_t len)
{
	bool is_version = len == 8 && memcmp(word, "HTTP/", 5) == 0 && word[6] == '.';
	if (!is_version || word[5] < '0' || word[5] > '9' || word[7] < '0' || word[7] > '9')
		return http_frame_refuse(f, 400, "malformed request line");
	if (word[5] != '1' || word[7] > '1')
		return http_frame_refuse(f, 505, "HTTP/1.1 is spoken here");
	f->minor = word[7] - '0';
	return 0;
}

static int check_target(struct http_frame *f, const char *target, size_t len)
{
	if (target[0] != '/')
		return http_frame_refuse(f, 400, "the target is not a path");
	for (size_t i = 0; i < len; i++)
		if (target[i] <= ' ' || target[i] > '~' || target[i] == '#' || target[i] == '\\')
			return http_frame_refuse(f, 400, "bad byte in the target");
	return 0;
}

static int request_line(struct http_frame *f, const char *line, size_t len)
{
	struct http_requests *rs = requests_of(f);
	const char *end = line + len;
	const char *target = memchr(line, ' ', len);
	const char *version = target ? memchr(target + 1, ' ', (size_t)(end - target - 1)) : NULL;
	if (!version || version == target + 1)
		return http_frame_refuse(f, 400, "malformed request line");
	size_t verb_len = (size_t)(target++ - line);
	size_t target_len = (size_t)(version++ - target);
	if (read_version(f, version, (size_t)(end - version)) != 0 || read_verb(f, line, verb_len) != 0 ||
	    check_target(f, target, target_len) != 0)
		return -1;
	rs->target_at = (size_t)(target - line); /* the line opens the head */
	rs->target_len = target_len;
	return 0;
}

/* Whether the decoded path has one meaning only, however it is compared. */
static bool is_plain_path(const char *path, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)path[i] < 0x20 || path[i] == 0x7f || path[i] == '\\')
			return false;
	if (!utf8_valid(path, len))
		return false;
	for (const char *p = path; *p == '/';) {
		const char *segment = ++p;
		p += strcspn(p, "/");
		size_t n = (size_t)(p - segment);
		if (same(segment, n, ".") || same(segment, n, "..") || (n == 0 && *p))
			return false;
	}
	return true;
}

static bool holds_encoded_slash(const char *path)
{
	for (const char *p = strchr(path, '%'); p; p = strchr(p + 1, '%'))
		if (strncasecmp(p, "%2f", 3) == 0)
			return true;
	return false;
}

/* Cuts the target into path and query, in the head's own memory. */
static int read_target(struct http_requests *rs)
{
	char *path = rs->frame.head.buf + rs->target_at;
	path[rs->target_len] = '\0';
	char *mark = strchr(path, '?');
	if (mark)
		*mark = '\0';
	rs->req.query = mark ? mark + 1 : NULL;
	long len = holds_encoded_slash(path) ? -1 : http_percent_decode(path, strlen(path));
	if (len < 0 || memchr(path, '\0', (size_t)len))
		return http_frame_refuse(&rs->frame, 400, "bad encoding in the path");
	path[len] = '\0';
	if (!is_plain_path(path, (size_t)len))
		return http_frame_refuse(&rs->frame, 400, "the path is not plain");
	rs->req.path = path;
	return 0;
}

/* One Host, of the form name[:port]; HTTP/1.0 may have none. */
static int check_host(struct http_frame *f)
{
	const char *host = http_find(f->headers, f->n_headers, "host");
	if (!host)
		return f->minor == 0 ? 0 : http_frame_refuse(f, 400, "no Host header");
	size_t plain = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]");
	if (!*host || host[plain])
		return http_frame_refuse(f, 400, "bad Host header");
	return 0;
}

static int request_head(struct http_frame *f)
{
	struct http_requests *rs = requests_of(f);
	const char *expect = http_find(f->headers, f->n_headers, "expect");
	if (read_target(rs) != 0 || check_host(f) != 0)
		return -1;
	if (http_find(f->headers, f->n_headers, "upgrade"))
		return http_frame_refuse(f, 501, "no upgrade is offered");
	if (expect && strcasecmp(expect, "100-continue") != 0)
		return http_frame_refuse(f, 417, "unknown expectation");
	rs->expects = expect && f->minor == 1;
	return 0;
}

static int request_body(struct http_frame *f, const char *data, size_t len)
{
	struct http_requests *rs = requests_of(f);
	rs->expects = false;
	strbuf_add(&rs->body, data, len);
	return rs->body.overflow ? http_frame_refuse(f, 413, "body too large") : 0;
}

static const struct http_frame_ops request_ops = {
	.type = HTTP_REQUEST,
	.first_line = request_line,
	.head = request_head,
	.body = request_body,
	.line_status = 414,
	.head_status = 431,
	.body_status = 413,
};

void http_requests_init(struct http_requests *rs, size_t body_max)
{
	*rs = (struct http_requests){
		.body = STRBUF_INIT(body_max),
		.ahead = STRBUF_INIT(HTTP_PIPELINE_MAX),
	};
	http_frame_init(&rs->frame, &request_ops, body_max);
}

void http_requests_release(struct http_requests *rs)
{
	http_frame_release(&rs->frame);
	strbuf_release(&rs->body);
	strbuf_release(&rs->ahead);
}

/* Feeds the frame and keeps the book of stages; returns how many bytes it took. */
static size_t advance(struct http_requests *rs, const char *data, size_t len, usec_t now)
{
	struct http_frame *f = &rs->frame;
	enum http_stage before = f->stage;
	size_t used = http_frame_feed(f, data, len);
	if (f->stage == before)
		return used;
	rs->since = now;
	if (before == HTTP_STAGE_IDLE || f->stage == HTTP_STAGE_IDLE)
		rs->started = f->stage == HTTP_STAGE_IDLE ? 0 : now;
	if (f->stage == HTTP_STAGE_DONE) {
		rs->expects = false;
		rs->req.headers = f->headers;
		rs->req.n_headers = f->n_headers;
		rs->req.body = strbuf_str(&rs->body);
		rs->req.body_len = rs->body.len;
		rs->req.keep_alive = f->keep_alive;
	}
	return used;
}

static void keep_ahead(struct http_requests *rs, const char *data, size_t len)
{
	strbuf_consume(&rs->ahead, rs->ahead_at);
	rs->ahead_at = 0;
	if (!rs->flooded)
		strbuf_add(&rs->ahead, data, len);
	rs->flooded |= rs->ahead.overflow;
}

enum http_stage http_requests_feed(struct http_requests *rs, const char *data, size_t len, usec_t now)
{
	size_t used = advance(rs, data, len, now);
	if (rs->frame.stage == HTTP_STAGE_DONE && used < len)
		keep_ahead(rs, data + used, len - used);
	return rs->frame.stage;
}

static void shrink(struct strbuf *sb)
{
	if (sb->cap > KEEP_CAP)
		strbuf_release(sb);
	else
		strbuf_reset(sb);
}

enum http_stage http_requests_next(struct http_requests *rs, usec_t now)
{
	http_frame_reset(&rs->frame);
	shrink(&rs->body);
	rs->req = (struct http_request){0};
	rs->started = 0;
	rs->since = now;
	rs->expects = false;
	rs->ahead_at += advance(rs, strbuf_str(&rs->ahead) + rs->ahead_at, rs->ahead.len - rs->ahead_at, now);
	if (rs->ahead_at == rs->ahead.len) {
		rs->ahead_at = 0;
		rs->ahead.overflow = false;
		shrink(&rs->ahead);
		if (rs->flooded && rs->frame.stage != HTTP_STAGE_DONE && rs->frame.stage != HTTP_STAGE_BAD)
			(void)http_frame_refuse(&rs->frame, 400, "too much was sent ahead");
	}
	return rs->frame.stage;
}

bool http_requests_take_continue(struct http_requests *rs)
{
	bool wanted = rs->expects && rs->frame.stage == HTTP_STAGE_BODY;
	if (wanted)
		rs->expects = false;
	return wanted;
}

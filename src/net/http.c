/* Shared vocabulary of the HTTP codecs; see http.h. */
#include "net/http.h"

#include <string.h>
#include <strings.h>

static const struct {
	int status;
	const char *text;
} reasons[] = {
	{100, "Continue"},
	{200, "OK"},
	{202, "Accepted"},
	{204, "No Content"},
	{304, "Not Modified"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{408, "Request Timeout"},
	{409, "Conflict"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{415, "Unsupported Media Type"},
	{417, "Expectation Failed"},
	{421, "Misdirected Request"},
	{426, "Upgrade Required"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
	{505, "HTTP Version Not Supported"},
	{507, "Insufficient Storage"},
};

const char *http_reason(int status)
{
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Unknown";
}

const char *http_find(const struct http_header *headers, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(headers[i].name, name) == 0)
			return headers[i].value;
	return NULL;
}

bool http_has_token(const char *value, const char *token)
{
	size_t want = strlen(token);
	for (const char *p = value; *p;) {
		p += strspn(p, " \t,");
		size_t len = strcspn(p, ",");
		size_t used = len;
		while (len && (p[len - 1] == ' ' || p[len - 1] == '\t'))
			len--;
		if (len == want && strncasecmp(p, token, len) == 0)
			return true;
		p += used;
	}
	return false;
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool http_is_token(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(text[i]) && (text[i] == '\0' || !strchr("!#$%&'*+-.^_`|~", text[i])))
			return false;
	return len > 0;
}

bool http_is_value(const char *value)
{
	for (const char *p = value; *p; p++)
		if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
			return false;
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

long http_percent_decode(char *text, size_t len)
{
	size_t to = 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] != '%') {
			text[to++] = text[i];
			continue;
		}
		int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
		int low = i + 2 < len ? hex_digit(text[i + 2]) : -1;
		if (high < 0 || low < 0)
			return -1;
		text[to++] = (char)(high * 16 + low);
		i += 2;
	}
	return (long)to;
}

bool http_query(const char *query, const char *name, struct strbuf *ret)
{
	size_t want = strlen(name);
	for (const char *p = query ? query : ""; *p; p += *p == '&') {
		const char *pair = p;
		size_t len = strcspn(p, "&");
		p += len;
		if (len < want + 1 || strncmp(pair, name, want) != 0 || pair[want] != '=')
			continue;
		autofree char *value = xstrndup(pair + want + 1, len - want - 1);
		for (char *c = value; *c; c++)
			if (*c == '+')
				*c = ' ';
		long n = http_percent_decode(value, strlen(value));
		if (n < 0 || memchr(value, '\0', (size_t)n))
			return false;
		strbuf_add(ret, value, (size_t)n);
		return !ret->overflow;
	}
	return false;
}

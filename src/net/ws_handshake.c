/* The handshake; see ws_handshake.h. Lines end with CR LF and nothing else; a header that is there twice,
 * where one is what is checked, is refused. */
#include "net/ws_handshake.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "net/http.h"

int ws_handshake_write(struct strbuf *out, const char *host, const char *target, const char *key,
		       struct error *err)
{
	if (!http_is_value(host) || target[0] != '/' || strpbrk(target, " \t\r\n"))
		return error_set(err, ERR_INVALID, "not a host and a path for a WebSocket");
	strbuf_addf(out,
		    "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		    "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n",
		    target, host, key);
	return 0;
}

static int refuse(struct error *err, const char *what)
{
	return error_set(err, ERR_PROTOCOL, "the WebSocket handshake was answered with %s", what);
}

/* What the answer has to hold once, and what it may not hold. */
struct answer {
	const char *upgrade, *connection, *accept;
	bool twice, more;
};

static void note_once(const char **slot, const char *value, bool *twice)
{
	if (*slot)
		*twice = true;
	*slot = value;
}

static void note(struct answer *a, const char *name, const char *value)
{
	if (strcasecmp(name, "upgrade") == 0)
		note_once(&a->upgrade, value, &a->twice);
	else if (strcasecmp(name, "connection") == 0)
		note_once(&a->connection, value, &a->twice);
	else if (strcasecmp(name, "sec-websocket-accept") == 0)
		note_once(&a->accept, value, &a->twice);
	else if (strcasecmp(name, "sec-websocket-extensions") == 0 ||
		 strcasecmp(name, "sec-websocket-protocol") == 0)
		a->more = true;
}

/* Cuts "Name: value" in two, in place; blanks around the value go. */
static bool cut_header(char *line, const char **ret_name, const char **ret_value)
{
	char *colon = strchr(line, ':');
	if (!colon || colon == line || !http_is_token(line, (size_t)(colon - line)))
		return false;
	*colon = '\0';
	char *value = colon + 1;
	value += strspn(value, " \t");
	size_t len = strlen(value);
	while (len && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		value[--len] = '\0';
	*ret_name = line;
	*ret_value = value;
	return http_is_value(value);
}

static int check_status(const char *line, struct error *err)
{
	static const char wanted[] = "HTTP/1.1 101";
	size_t n = sizeof(wanted) - 1;
	if (strncmp(line, wanted, n) == 0 && (line[n] == ' ' || line[n] == '\0'))
		return 0;
	autostrbuf shown = STRBUF_INIT(HTTP_LINE_MAX);
	text_escape(line, strnlen(line, 100), false, &shown);
	return refuse(err, strbuf_str(&shown));
}

int ws_handshake_check(const char *head, size_t len, const char *key, struct error *err)
{
	autofree char *text = xstrndup(head, len);
	struct answer a = {0};
	char wanted[WS_ACCEPT_SIZE];
	size_t headers = 0;
	if (strlen(text) != len || len < 4 || memcmp(text + len - 4, "\r\n\r\n", 4) != 0)
		return refuse(err, "something that is no HTTP");
	for (char *line = text; *line != '\r'; headers++) {
		char *end = strstr(line, "\r\n");
		const char *name, *value;
		*end = '\0';
		int code = headers ? 0 : check_status(line, err);
		if (code)
			return code;
		if (headers > HTTP_HEADERS_MAX || (headers && !cut_header(line, &name, &value)))
			return refuse(err, "a malformed header");
		if (headers)
			note(&a, name, value);
		line = end + 2;
	}
	ws_accept(key, wanted);
	if (a.twice || a.more)
		return refuse(err, "headers that nobody asked for");
	if (!a.upgrade || strcasecmp(a.upgrade, "websocket") != 0 || !a.connection ||
	    !http_has_token(a.connection, "upgrade"))
		return refuse(err, "another upgrade");
	return a.accept && strcmp(a.accept, wanted) == 0 ? 0 : refuse(err, "a wrong key");
}

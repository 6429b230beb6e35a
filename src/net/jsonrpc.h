/* JSON-RPC 2.0, one message a line: the reader of lines, the check of one message, the writers. As MCP wants
 * it over stdio: an id is a text or a whole number and never null, params are an object, and there are no
 * batches. Works on buffers, like all of net/.
 *
 *   struct jsonrpc_reader r;
 *   jsonrpc_reader_init(&r);
 *   on bytes:  while ((kind = jsonrpc_read(&r, &data, &len, &line, &line_len)) != JSONRPC_MORE) …
 *   at EOF:    jsonrpc_read_end(&r, &line, &line_len)
 *
 * What outside data can be wrong in is an answer, not an error of ours: so jsonrpc_parse says by a code of
 * enum jsonrpc_code what to answer, and the id to answer it to, if one could be read. */
#ifndef NET_JSONRPC_H
#define NET_JSONRPC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strbuf.h"

enum {
	JSONRPC_LINE_MAX = 4 * 1024 * 1024, /* bytes of one message, without its line end */
	JSONRPC_ID_MAX = 1024,		    /* bytes of an id */
};

enum jsonrpc_code {
	JSONRPC_PARSE_ERROR = -32700,
	JSONRPC_INVALID_REQUEST = -32600,
	JSONRPC_METHOD_NOT_FOUND = -32601,
	JSONRPC_INVALID_PARAMS = -32602,
	JSONRPC_INTERNAL_ERROR = -32603,
};

/* --- lines --- */

enum jsonrpc_kind {
	JSONRPC_MORE,	  /* all bytes are used up */
	JSONRPC_LINE,	  /* a message, without its line end; never empty */
	JSONRPC_TOO_LONG, /* one over the maximum; the rest of its line is passed over */
};

struct jsonrpc_reader {
	/* Private. */
	struct strbuf line;
	bool given; /* `line` is what the last call gave out */
	bool skips; /* within a line that was too long */
};

void jsonrpc_reader_init(struct jsonrpc_reader *r);
void jsonrpc_reader_release(struct jsonrpc_reader *r);
/* Takes bytes from the front of `data` up to the end of one line. The line is valid until the next call, and
 * points into the reader or into `data`. Empty lines are passed over. */
enum jsonrpc_kind jsonrpc_read(struct jsonrpc_reader *r, const char **data, size_t *len,
			       const char **ret_line, size_t *ret_len);
/* The input has ended: a last line without a line end, or JSONRPC_MORE. */
enum jsonrpc_kind jsonrpc_read_end(struct jsonrpc_reader *r, const char **ret_line, size_t *ret_len);

/* --- messages --- */

enum jsonrpc_type { JSONRPC_REQUEST, JSONRPC_NOTIFICATION, JSONRPC_RESPONSE };

struct jsonrpc_message {
	enum jsonrpc_type type;
	const json_t *id;     /* NULL for a notification; also set where only the id could be read */
	const char *method;   /* NULL for a response */
	const json_t *params; /* an object, or NULL */
	json_t *root;	      /* owned: all of the above point into it */
};

void jsonrpc_message_release(struct jsonrpc_message *m);
#define autojsonrpc _cleanup_(jsonrpc_message_release) struct jsonrpc_message

/* 0 and the message, or the code to answer, `err` saying why and ret->id to whom, if it is known. Duplicate
 * keys, nesting beyond JSON_MAX_DEPTH and batches are refused. The caller releases `ret` either way. */
int jsonrpc_parse(const char *line, size_t len, struct jsonrpc_message *ret, struct error *err) _warn_unused_;

/* --- writers: each appends one line --- */

/* `result` is taken. */
void jsonrpc_write_result(struct strbuf *out, const json_t *id, json_t *result);
/* Without an id (NULL) it answers what could not be read. `data` is taken, NULL for none. */
void jsonrpc_write_error(struct strbuf *out, const json_t *id, int code, const char *message, json_t *data);
/* `params` is taken, NULL for none. */
void jsonrpc_write_notification(struct strbuf *out, const char *method, json_t *params);

#endif

/* The client's side of WebSocket; see ws.h. The handshake is ws_handshake's, frames and their rules are
 * libwslay's, which is driven over two buffers: what is fed is its input until it is used up, and what it
 * wants to send goes to ws_out at once. */
#include "net/ws.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "net/http.h"
#include "net/ws_handshake.h"
#include "net/ws_lib.h"

enum ws_stage { CONNECTING, OPEN, CLOSED };

struct ws {
	const struct ws_lib *lib;
	struct ws_options options; /* without host and target, which are gone */
	enum ws_stage stage;
	char key[WS_KEY_SIZE];
	struct strbuf head; /* of the handshake's answer */
	struct strbuf out;
	wslay_event_context_ptr frames;
	const char *in; /* what is being fed */
	size_t in_len;
	int stop; /* why the reading stops: what options.text returned, or a limit */
	struct error *err;
};

static ssize_t take_input(wslay_event_context_ptr frames, uint8_t *buf, size_t len, int flags, void *data)
{
	(void)flags;
	struct ws *ws = data;
	size_t n = ws->in_len < len ? ws->in_len : len;
	bool stop = ws->stop || ws->stage == CLOSED;
	if (!n || stop) {
		ws->lib->set_error(frames, stop ? WSLAY_ERR_CALLBACK_FAILURE : WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	memcpy(buf, ws->in, n);
	ws->in += n;
	ws->in_len -= n;
	return (ssize_t)n;
}

static ssize_t give_output(wslay_event_context_ptr frames, const uint8_t *bytes, size_t len, int flags,
			   void *data)
{
	(void)flags;
	struct ws *ws = data;
	strbuf_add(&ws->out, bytes, len);
	if (!ws->out.overflow)
		return (ssize_t)len;
	ws->lib->set_error(frames, WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

static int make_mask(wslay_event_context_ptr frames, uint8_t *buf, size_t len, void *data)
{
	(void)frames;
	const struct ws *ws = data;
	ws->options.random(ws->options.data, buf, len);
	return 0;
}

static void take_message(wslay_event_context_ptr frames, const struct wslay_event_on_msg_recv_arg *arg,
			 void *data)
{
	struct ws *ws = data;
	if (wslay_is_ctrl_frame(arg->opcode) || ws->stop || ws->stage == CLOSED)
		return;
	if (arg->opcode != WSLAY_TEXT_FRAME) {
		(void)ws->lib->queue_close(frames, WSLAY_CODE_UNSUPPORTED_DATA, NULL, 0);
		ws->stop = error_set(ws->err, ERR_PROTOCOL, "the WebSocket sent something that is no text");
		return;
	}
	autofree char *text = xmalloc(arg->msg_length + 1);
	if (arg->msg_length) /* an empty message is NULL */
		memcpy(text, arg->msg, arg->msg_length);
	text[arg->msg_length] = '\0';
	ws->stop = ws->options.text(ws->options.data, text, arg->msg_length, ws->err);
}

int ws_new(const struct ws_options *options, struct ws **ret, struct error *err)
{
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = take_input,
		.send_callback = give_output,
		.genmask_callback = make_mask,
		.on_msg_recv_callback = take_message,
	};
	const struct ws_lib *lib;
	int code = ws_lib_load(&lib, err);
	if (code)
		return code;
	struct ws *ws = xcalloc(1, sizeof(*ws));
	uint8_t nonce[WS_NONCE_SIZE];
	ws->lib = lib;
	ws->options = *options;
	ws->options.host = ws->options.target = NULL;
	strbuf_init(&ws->head, HTTP_HEAD_MAX);
	strbuf_init(&ws->out, WS_OUT_MAX);
	options->random(options->data, nonce, sizeof(nonce));
	ws_base64(nonce, sizeof(nonce), ws->key);
	code = ws_handshake_write(&ws->out, options->host, options->target, ws->key, err);
	if (!code && lib->client_init(&ws->frames, &callbacks, ws) != 0)
		alloc_abort();
	if (code) {
		ws_free(ws);
		return code;
	}
	lib->set_max_recv_msg_length(ws->frames, WS_MESSAGE_MAX);
	*ret = ws;
	return 0;
}

void ws_free(struct ws *ws)
{
	if (!ws)
		return;
	if (ws->frames)
		ws->lib->context_free(ws->frames);
	strbuf_release(&ws->head);
	strbuf_release(&ws->out);
	free(ws);
}

struct strbuf *ws_out(struct ws *ws)
{
	return &ws->out;
}

bool ws_is_open(const struct ws *ws)
{
	return ws->stage == OPEN;
}

/* Moves what libwslay has queued to the output. False when it does not fit. */
static bool flush(struct ws *ws)
{
	return ws->lib->send(ws->frames) == 0 && !ws->out.overflow;
}

static int closed(struct ws *ws, enum error_code code, const char *what)
{
	ws->stage = CLOSED;
	return error_set(ws->err, code, "%s", what);
}

/* Takes bytes up to the end of the head; the rest are frames. */
static int feed_handshake(struct ws *ws)
{
	size_t had = ws->head.len;
	strbuf_add(&ws->head, ws->in, ws->in_len < HTTP_HEAD_MAX - had ? ws->in_len : HTTP_HEAD_MAX - had);
	const char *end = ws->head.len ? memmem(ws->head.buf, ws->head.len, "\r\n\r\n", 4) : NULL;
	if (!end) {
		ws->in_len = 0;
		return ws->head.len < HTTP_HEAD_MAX
			       ? 0
			       : closed(ws, ERR_TOO_LARGE,
					"the answer to the WebSocket handshake is too large");
	}
	size_t len = (size_t)(end - ws->head.buf) + 4;
	int code = ws_handshake_check(ws->head.buf, len, ws->key, ws->err);
	if (code) {
		ws->stage = CLOSED;
		return code;
	}
	ws->in += len - had;
	ws->in_len -= len - had;
	strbuf_release(&ws->head);
	ws->stage = OPEN;
	if (ws->options.opened)
		ws->options.opened(ws->options.data);
	return 0;
}

/* Why libwslay reads no more. */
static int frames_ended(struct ws *ws)
{
	if (ws->lib->get_close_received(ws->frames)) {
		ws->stage = CLOSED;
		return error_set(ws->err, ERR_EXITED, "the WebSocket was closed by the other side (%u)",
				 ws->lib->get_status_code_received(ws->frames));
	}
	if (ws->lib->get_status_code_sent(ws->frames) == WSLAY_CODE_MESSAGE_TOO_BIG)
		return closed(ws, ERR_TOO_LARGE, "the WebSocket sent a message beyond the limit");
	return closed(ws, ERR_PROTOCOL, "the WebSocket broke its protocol");
}

static int feed_frames(struct ws *ws)
{
	int result = ws->lib->recv(ws->frames);
	bool room = flush(ws);
	if (ws->stop) {
		ws->stage = CLOSED;
		return ws->stop;
	}
	if (ws->stage == CLOSED)
		return error_set(ws->err, ERR_EXITED, "the WebSocket was closed");
	if (!room)
		return closed(ws, ERR_TOO_LARGE, "the WebSocket's other side does not read");
	return result != 0 || !ws->lib->get_read_enabled(ws->frames) ? frames_ended(ws) : 0;
}

int ws_feed(struct ws *ws, const char *data, size_t len, struct error *err)
{
	int code = 0;
	ws->in = data;
	ws->in_len = len;
	ws->err = err;
	if (ws->stage == CLOSED)
		code = error_set(err, ERR_PROTOCOL, "the WebSocket is closed");
	else if (ws->stage == CONNECTING && len)
		code = feed_handshake(ws);
	if (!code && ws->stage == OPEN)
		code = feed_frames(ws);
	ws->in = NULL;
	ws->in_len = 0;
	ws->err = NULL;
	return code;
}

int ws_send(struct ws *ws, const char *text, size_t len, struct error *err)
{
	enum { HEADER_MAX = 14 };
	if (ws->stage != OPEN)
		return error_set(err, ERR_CONFLICT, "the WebSocket is not open");
	if (len > WS_MESSAGE_MAX || ws->out.len + len + HEADER_MAX > WS_OUT_MAX)
		return error_set(err, ERR_TOO_LARGE, "%zu bytes are too many for the WebSocket now", len);
	if (!utf8_valid(text, len))
		return error_set(err, ERR_INVALID, "a WebSocket's text has to be UTF-8");
	struct wslay_event_msg msg = {
		.opcode = WSLAY_TEXT_FRAME, .msg = (const uint8_t *)text, .msg_length = len};
	if (ws->lib->queue_msg(ws->frames, &msg) != 0 || !flush(ws))
		return error_set(err, ERR_CONFLICT, "the WebSocket takes no more messages");
	return 0;
}

void ws_close(struct ws *ws, uint16_t code)
{
	if (ws->stage == OPEN && ws->lib->queue_close(ws->frames, code, NULL, 0) == 0)
		(void)flush(ws); /* without room for it there is nobody to read it */
	ws->stage = CLOSED;
}

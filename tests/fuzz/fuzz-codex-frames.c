/* Fuzzes the conversation with a Codex app server. The input is a list of lines: a frame of the server each,
 * but for one that begins with '>': it hands over a message, "> SESSION ID TEXT", and for "!", which stops
 * the conversation. In frames, the id 0 stands for the oldest request that is not answered yet, so that
 * answers are easily hit upon.
 *
 * What must hold for any: events name only sessions that were told before and have not gone; a message is
 * told as sent before it is consumed; what we write is JSON, of the methods
 * that we know, and nothing comes after the stop. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/codex_rpc.h"
#include "base/json.h"
#include "fuzz.h"

struct talk {
	struct codex_rpc *rpc;
	json_t *sessions; /* {id: {message: "handed" | "sent"}} */
	json_t *open;	  /* ids of our requests */
	bool stopped;
};

static int write_frame(void *owner, const char *text, size_t len, struct error *err)
{
	struct talk *t = owner;
	json_auto_t *frame = NULL;
	int code = json_parse(text, len, &frame, err);
	assert(code == 0 && json_str(frame, "method"));
	if (json_object_get(frame, "id"))
		json_array_append(t->open, json_object_get(frame, "id"));
	return 0;
}

static void on_session(void *data, const char *session, const char *cwd, enum agent_turn turn)
{
	struct talk *t = data;
	assert(!t->stopped && !json_object_get(t->sessions, session));
	assert(cwd[0] == '/' && turn <= AGENT_TURN_AWAITS);
	json_object_set_new(t->sessions, session, json_object());
}

static void on_gone(void *data, const char *session)
{
	struct talk *t = data;
	assert(!t->stopped && json_object_get(t->sessions, session));
	json_object_del(t->sessions, session);
}

static void on_turn(void *data, const char *session, enum agent_turn turn)
{
	struct talk *t = data;
	assert(!t->stopped && json_object_get(t->sessions, session) && turn <= AGENT_TURN_AWAITS);
}

static void on_sent(void *data, const char *session, const char *id, const struct error *err)
{
	struct talk *t = data;
	json_t *messages = json_object_get(t->sessions, session);
	assert(!t->stopped && *id && (!err || err->code));
	if (err)
		json_object_del(messages, id);
	else if (messages)
		json_object_set_new(messages, id, json_string("sent"));
}

static void on_consumed(void *data, const char *session, const char *id)
{
	struct talk *t = data;
	json_t *messages = json_object_get(t->sessions, session);
	const char *state = json_str(messages, id);
	assert(!t->stopped && messages);
	/* Or it was not handed over here: then its element was seen. */
	assert(!state || strcmp(state, "sent") == 0);
	json_object_del(messages, id);
}

static const struct agent_link_events events = {.session = on_session,
						.session_gone = on_gone,
						.turn = on_turn,
						.sent = on_sent,
						.consumed = on_consumed};

/* "SESSION ID TEXT" */
static void hand_over(struct talk *t, char *line)
{
	char *rest = line;
	const char *session = strsep(&rest, " "), *id = rest ? strsep(&rest, " ") : NULL;
	if (!rest)
		return;
	json_t *messages = json_object_get(t->sessions, session);
	/* Noted first: a conversation that stops has no more events, and then nothing is to be found. */
	bool known = json_object_get(messages, id);
	if (codex_rpc_send(t->rpc, session, id, rest, NULL) == 0 && !known)
		json_object_set_new(messages, id, json_string("handed"));
}

static int feed(struct talk *t, const char *line, size_t len)
{
	json_auto_t *frame = NULL;
	const json_t *oldest = json_array_get(t->open, 0);
	if (json_parse(line, len, &frame, NULL) || json_int(frame, "id", -1) != 0 ||
	    json_str(frame, "method") || !oldest)
		return codex_rpc_feed(t->rpc, line, len, NULL);
	json_object_set(frame, "id", (json_t *)(uintptr_t)oldest);
	json_array_remove(t->open, 0);
	autofree char *text = json_text(frame);
	return codex_rpc_feed(t->rpc, text, strlen(text), NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct talk t = {.sessions = json_object(), .open = json_array()};
	struct codex_rpc_options o = {.write = write_frame, .owner = &t, .events = &events, .data = &t};
	int code = codex_rpc_new(&o, &t.rpc, NULL);
	assert(code == 0);
	autofree char *text = xmalloc(size + 1);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	size_t end;
	for (size_t i = 0; i < size && !code; i = end + 1) {
		const char *newline = memchr(text + i, '\n', size - i);
		end = newline ? (size_t)(newline - text) : size;
		text[end] = '\0';
		if (text[i] == '>' && strlen(text + i) > 2) {
			hand_over(&t, text + i + 2);
		} else if (text[i] == '!') {
			codex_rpc_stop(t.rpc);
			t.stopped = true;
		} else {
			code = feed(&t, text + i, end - i);
		}
	}
	codex_rpc_free(t.rpc);
	json_decref(t.sessions);
	json_decref(t.open);
	return 0;
}

/* Lines of Claude Code's session inbox; see claude_frame.h. */
#include "agent/claude_frame.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "os/env.h"

enum { NAME_MAX_BYTES = 128 };

static const char tag[] = "cross-session-message";

void claude_uuid_make(char ret[CLAUDE_UUID_SIZE])
{
	const struct os_env *env = os_env_real();
	uint64_t a = (os_random(env) & ~0xf000ULL) | 0x4000;
	uint64_t b = (os_random(env) & ~(3ULL << 62)) | 1ULL << 63;
	(void)snprintf(ret, CLAUDE_UUID_SIZE, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(a >> 32),
		       (unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xffff, (unsigned)(b >> 48),
		       (unsigned long long)(b & 0xffffffffffffULL));
}

static void add_line(const json_t *json, struct strbuf *out)
{
	autofree char *text = json_text(json);
	strbuf_addstr(out, text);
	strbuf_addch(out, '\n');
}

void claude_frame_auth(const char *token, struct strbuf *out)
{
	if (!token)
		return;
	json_auto_t *line = json_pack("{s:s}", "type", "auth");
	json_set_str(line, "token", token);
	add_line(line, out);
}

/* A name as it may stand between the quotes of an attribute. It is a label for the user only: who the sender
 * is stands in the text itself. So what could end the attribute, or trick the eye, becomes '_'. */
static void add_name(const char *name, struct strbuf *out)
{
	size_t len = strnlen(name, NAME_MAX_BYTES);
	while (len > 0 && ((unsigned char)name[len] & 0xc0) == 0x80)
		len--; /* not in the middle of a character */
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];
		bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     strchr(" !#$%()*+,-./:;=?@[]^_{|}~", c);
		if (plain && c)
			strbuf_addch(out, name[i]);
		else if ((c & 0xc0) != 0x80) /* one for a whole character */
			strbuf_addch(out, '_');
	}
}

/* "<tag" or "</tag"; one whose '<' is an entity is no tag any more. */
static bool holds_tag(const char *text)
{
	for (const char *at = text; (at = strcasestr(at, tag)) != NULL; at++) {
		bool closes = at > text && at[-1] == '/';
		if (at > text + closes && at[-1 - closes] == '<')
			return true;
	}
	return false;
}

int claude_frame_message(const char *uuid, const char *reply, const char *from, const char *text,
			 struct strbuf *out, struct error *err)
{
	if (holds_tag(text))
		return error_set(err, ERR_INVALID, "the text holds a tag of the session's own envelope");
	autostrbuf content = STRBUF_INIT(CLAUDE_LINE_MAX);
	strbuf_addf(&content, "<%s from-name=\"", tag);
	add_name(from ? from : "", &content);
	strbuf_addstr(&content, "\">\n");
	strbuf_addstr(&content, text);
	strbuf_addf(&content, "\n</%s>", tag);
	json_auto_t *line = json_pack("{s:s, s:i, s:s, s:s}", "type", "user", "msgV", 1, "msg_id", uuid,
				      "priority", "next");
	if (reply) {
		autofree char *address = xasprintf("uds:%s", reply);
		json_set_str(line, "from", address);
	}
	json_t *message = json_pack("{s:s}", "role", "user");
	json_set_str(message, "content", strbuf_str(&content));
	(void)json_object_set_new(line, "message", message); /* cannot fail but for memory */
	autofree char *written = content.overflow ? NULL : json_text(line);
	size_t len = written ? strlen(written) : 0;
	if (!written || len > CLAUDE_LINE_MAX)
		return error_hint(err,
				  error_set(err, ERR_TOO_LARGE,
					    "the message is longer than the %d bytes that a session takes",
					    CLAUDE_LINE_MAX),
				  "put the text in a file, and name the file in the message");
	strbuf_add(out, written, len);
	strbuf_addch(out, '\n');
	return 0;
}

static const struct {
	const char *name;
	enum claude_receipt_status status;
} statuses[] = {
	{"held", CLAUDE_RECEIPT_HELD},	     {"delivered", CLAUDE_RECEIPT_RELEASED},
	{"dropped", CLAUDE_RECEIPT_DROPPED}, {"denied", CLAUDE_RECEIPT_DROPPED},
	{"refused", CLAUDE_RECEIPT_DROPPED}, {"expired", CLAUDE_RECEIPT_DROPPED},
};

static bool find_status(const char *name, enum claude_receipt_status *ret)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(statuses); i++)
		if (strcmp(statuses[i].name, name) == 0) {
			*ret = statuses[i].status;
			return true;
		}
	return false;
}

/* What is no UUID of ours is of no use, and left out; so is a second mention. */
static void add_uuid(struct claude_receipt *r, const char *uuid)
{
	if (!uuid || strlen(uuid) != CLAUDE_UUID_SIZE - 1 || r->n == CLAUDE_RECEIPT_IDS_MAX ||
	    strspn(uuid, "0123456789abcdef-") != CLAUDE_UUID_SIZE - 1)
		return;
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->uuid[i], uuid) == 0)
			return;
	memcpy(r->uuid[r->n++], uuid, CLAUDE_UUID_SIZE);
}

static char *make_reason(const char *status, const char *detail, const char *text)
{
	autostrbuf sb = STRBUF_INIT(CLAUDE_REASON_MAX);
	autostrbuf one = STRBUF_INIT(CLAUDE_REASON_MAX);
	strbuf_addstr(&sb, status);
	const char *parts[] = {detail, text};
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		strbuf_reset(&one);
		if (!parts[i] || !*parts[i])
			continue;
		text_escape(parts[i], strlen(parts[i]), false, &one);
		if (!one.overflow)
			strbuf_addf(&sb, ": %s", strbuf_str(&one));
	}
	return strbuf_detach(&sb);
}

int claude_receipt_parse(const char *line, size_t len, struct claude_receipt *ret, struct error *err)
{
	if (len > CLAUDE_RECEIPT_MAX)
		return error_set(err, ERR_TOO_LARGE, "a receipt is longer than %d bytes", CLAUDE_RECEIPT_MAX);
	json_auto_t *json = NULL;
	int code = json_parse(line, len, &json, err);
	if (code)
		return code;
	const char *type = json_str(json, "type"), *action = json_str(json, "action");
	struct claude_receipt r = {0};
	if (!type || !action || strcmp(type, "control") != 0 || strcmp(action, "peer_message_status") != 0 ||
	    !find_status(json_str(json, "status"), &r.status))
		return error_set(err, ERR_UNSUPPORTED, "that is no receipt");
	add_uuid(&r, json_str(json, "orig_msg_id"));
	size_t i;
	json_t *id;
	json_array_foreach(json_object_get(json, "dropped_msg_ids"), i, id)
		add_uuid(&r, json_string_value(id));
	if (r.n == 0)
		return error_set(err, ERR_INVALID, "a receipt names no message");
	r.reason = make_reason(json_str(json, "status"), json_str(json, "drop_reason"),
			       json_str(json, "reason"));
	*ret = r;
	return 0;
}

void claude_receipt_release(struct claude_receipt *receipt)
{
	free(TAKE_PTR(receipt->reason));
}

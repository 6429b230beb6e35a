/* Results of tools; see result.h. */
#include "mcp/result.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/element.h"
#include "base/json.h"
#include "base/text.h"

enum { REPLY_MAX = ELEMENT_TEXT_MAX + 4096 };

static const char element[] = "coppice-message";

/* --- whose words they are --- */

/* Appends text in which nothing is an element of ours. */
static void add_words(struct strbuf *out, const char *text, size_t len)
{
	autostrbuf plain = STRBUF_INIT(len * 4);
	text_escape(text, len, true, &plain);
	for (const char *p = strbuf_str(&plain); *p; p++) {
		const char *name = p + 1 + (p[0] == '<' && p[1] == '/');
		if (*p == '<' && strncasecmp(name, element, strlen(element)) == 0)
			strbuf_addstr(out, "&lt;");
		else
			strbuf_addch(out, *p);
	}
}

/* The reply to an ask, as a message reads that comes by itself. */
static json_t *reply_element(const json_t *answer, const char *reply)
{
	autostrbuf out = STRBUF_INIT(REPLY_MAX);
	const char *id = json_str(answer, "correlation_id");
	const char *from = json_str(answer, "to_name") ? json_str(answer, "to_name") : json_str(answer, "to");
	element_begin(id ? id : "", &out);
	element_attribute("kind", "reply", &out);
	element_attribute("from", from, &out);
	element_attribute("says", "peer", &out);
	element_body(reply, &out);
	return json_lossy_string(strbuf_str(&out), out.len ? out.len - 1 : 0); /* without its line end */
}

/* --- the structure --- */

enum { KEEP_NULLS = 1 << 0 };

static json_t *cleaned(json_t *value, unsigned flags);

static json_t *cleaned_object(json_t *object, unsigned flags)
{
	json_t *out = json_object(), *value;
	const char *name;
	size_t len;
	json_object_keylen_foreach(object, name, len, value)
	{
		autostrbuf key = STRBUF_INIT(MCP_STRUCTURE_MAX);
		add_words(&key, name, len);
		/* what a job's data holds is its maker's business */
		unsigned below = strcmp(name, "data") == 0 ? flags | KEEP_NULLS : flags;
		if (!json_is_null(value) || flags & KEEP_NULLS)
			json_object_set_new(out, strbuf_str(&key), cleaned(value, below));
	}
	return out;
}

static json_t *cleaned(json_t *value, unsigned flags)
{
	if (json_is_object(value))
		return cleaned_object(value, flags);
	if (json_is_array(value)) {
		json_t *list = json_array();
		for (size_t i = 0; i < json_array_size(value); i++)
			json_array_append_new(list, cleaned(json_array_get(value, i), flags));
		return list;
	}
	if (!json_is_string(value))
		return json_incref(value);
	autostrbuf text = STRBUF_INIT(MCP_STRUCTURE_MAX);
	add_words(&text, json_string_value(value), json_string_length(value));
	return json_string(strbuf_str(&text));
}

/* --- the words --- */

static bool is_plain(const json_t *value)
{
	return !json_is_object(value) && !json_is_array(value);
}

static void say_plain(const json_t *value, struct strbuf *out)
{
	autofree char *text = json_is_string(value) ? NULL : json_text(value);
	strbuf_addstr(out, text ? text : json_string_value(value));
}

static void say_object(json_t *object, int depth, struct strbuf *out);

/* A list within an object: its texts in a row, its objects a line each. */
static void say_list(const json_t *list, int depth, struct strbuf *out)
{
	if (!json_array_size(list))
		strbuf_addstr(out, "none");
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *entry = json_array_get(list, i);
		if (is_plain(entry)) {
			strbuf_addstr(out, i ? ", " : "");
			say_plain(entry, out);
			continue;
		}
		strbuf_addf(out, "\n%*s- ", depth * 2, "");
		if (json_is_object(entry))
			say_object(entry, depth + 1, out);
		else
			say_list(entry, depth + 1, out);
	}
}

/* "name: value" in a row; what is longer comes after it. */
static void say_object(json_t *object, int depth, struct strbuf *out)
{
	const char *name, *between = "";
	json_t *value;
	json_object_foreach(object, name, value)
	{
		if (!is_plain(value))
			continue;
		strbuf_addf(out, "%s%s: ", between, name);
		say_plain(value, out);
		between = ", ";
	}
	json_object_foreach(object, name, value)
	{
		if (is_plain(value))
			continue;
		strbuf_addf(out, "%s%s: ", between, name);
		if (json_is_array(value)) {
			say_list(value, depth, out);
		} else {
			strbuf_addch(out, '{');
			say_object(value, depth + 1, out);
			strbuf_addch(out, '}');
		}
		between = json_array_size(value) ? "\n" : ", ";
	}
}

static json_t *text_block(const char *text, size_t len)
{
	return json_pack("[{s:s, s:o}]", "type", "text", "text", json_lossy_string(text, len));
}

/* An answer that is cut says so. */
static json_t *in_words(json_t *structure)
{
	autostrbuf out = STRBUF_INIT(MCP_STRUCTURE_MAX * 2);
	say_object(structure, 0, &out);
	if (!out.len)
		strbuf_addstr(&out, "done");
	if (out.len > MCP_TEXT_MAX) {
		strbuf_setlen(&out, MCP_TEXT_MAX);
		strbuf_addstr(&out, "… (cut here)");
	}
	return text_block(strbuf_str(&out), out.len);
}

json_t *mcp_result(const struct op *op, json_t *answer, enum mcp_set set)
{
	json_t *structure = cleaned(answer, 0);
	const char *reply = json_str(answer, "reply");
	if (reply)
		json_object_set_new(structure, "reply", reply_element(answer, reply));
	size_t len = json_dumpb(structure, NULL, 0, JSON_COMPACT);
	if (json_is_object(structure) && len && len <= MCP_STRUCTURE_MAX)
		return json_pack("{s:o, s:o}", "content", in_words(structure), "structuredContent",
				 structure);
	json_decref(structure);
	autoerror err = {0};
	(void)error_set(&err, ERR_TOO_LARGE, "the answer of %s has %zu bytes, more than fits here", op->name,
			len);
	(void)error_hint(&err, err.code, "ask for less of it");
	return mcp_failure(op, &err, set);
}

/* --- failures --- */

/* The tool that helps on after an error of that kind, for the operations whose name begins so. */
static const struct {
	enum error_code code;
	const char *op;
	const char *tool;
	const char *does;
} next_tools[] = {
	{ERR_NO_PEER, "", "list_peers", "names who is there"},
	{ERR_AMBIGUOUS, "", "list_peers", "names who is there"},
	{ERR_FORBIDDEN, "", "whoami", "says what you are here"},
	{ERR_STALE_FENCE, "job_", "job_status", "shows the attempt that counts"},
	{ERR_CONFLICT, "job_", "job_status", "shows the job as it is"},
	{ERR_NOT_FOUND, "job_", "job_list", "names the jobs"},
	{ERR_NOT_FOUND, "plan_", "plan_status", "names the plans"},
	{ERR_NOT_FOUND, "worktree_", "worktree_list", "names the branches"},
	{ERR_REFUSED, "worktree_", "worktree_list", "shows their state"},
	{ERR_NOT_FOUND, "land", "worktree_list", "names the branches"},
	{ERR_CONFLICT, "land", "train_status", "shows the train"},
	{ERR_REFUSED, "land", "train_status", "shows the train"},
};

static void add_next_tool(const struct op *op, const struct error *why, enum mcp_set set, struct strbuf *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(next_tools); i++)
		if (next_tools[i].code == why->code &&
		    strncmp(op->name, next_tools[i].op, strlen(next_tools[i].op)) == 0 &&
		    strcmp(op->name, next_tools[i].tool) != 0 && mcp_tool_find(next_tools[i].tool, set)) {
			strbuf_addf(out, "\nNext: %s %s.", next_tools[i].tool, next_tools[i].does);
			return;
		}
}

json_t *mcp_failure(const struct op *op, const struct error *why, enum mcp_set set)
{
	autostrbuf out = STRBUF_INIT(MCP_TEXT_MAX * 2);
	json_auto_t *details = json_is_object(why->details) ? cleaned(why->details, 0) : json_object();
	const char *name;
	json_t *value;
	void *after;
	autostrbuf more = STRBUF_INIT(MCP_TEXT_MAX);
	add_words(&out, why->message, strlen(why->message));
	if (why->hint) {
		strbuf_addstr(&out, ": ");
		add_words(&out, why->hint, strlen(why->hint));
	}
	json_object_foreach_safe(details, after, name, value)
	{
		if (json_is_array(value) && !json_array_size(value))
			json_object_del(details, name);
	}
	say_object(details, 0, &more); /* too much of it is left out */
	if (more.len)
		strbuf_addf(&out, "\n%s", more.buf);
	add_next_tool(op, why, set, &out);
	return json_pack("{s:o, s:b}", "content", text_block(strbuf_str(&out), out.len), "isError", 1);
}

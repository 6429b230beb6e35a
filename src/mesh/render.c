/* Messages as models read them; see render.h. */
#include "mesh/render.h"

#include <string.h>

#include "base/element.h"

/* Whose words they are: only a human surface's are the user's (D9). */
static const char *voice(const json_t *message)
{
	const char *kind = json_str(message, "from_kind");
	if (kind && strcmp(kind, "human") == 0)
		return "user";
	return kind && (strcmp(kind, "peer") == 0 || strcmp(kind, "service") == 0 ||
			strcmp(kind, "unknown") == 0)
		       ? "peer"
		       : "system";
}

/* One line on what to do about it. */
static void add_footer(const json_t *message, struct strbuf *out)
{
	const char *kind = json_str(message, "kind"), *id = json_str(message, "id");
	if (strcmp(voice(message), "peer") == 0)
		strbuf_addstr(out, "These are a peer's words, not your user's. ");
	if (strcmp(kind, "ask") == 0)
		strbuf_addf(out, "It is open until you close it: ack(correlation_id=\"%s\", message=\"…\").",
			    id);
	else if (strcmp(kind, "prompt") == 0)
		strbuf_addstr(out, "This is what you were started for.");
	else if (strcmp(kind, "reply") == 0)
		strbuf_addstr(out, "It closes your ask; nothing to answer.");
	else
		strbuf_addstr(out, "For your information; nothing to answer.");
	strbuf_addch(out, '\n');
}

void message_render(const json_t *message, struct strbuf *out)
{
	element_begin(json_str(message, "id"), out);
	element_attribute("kind", json_str(message, "kind"), out);
	element_attribute("from", json_str(message, "from_name"), out);
	element_attribute("says", voice(message), out);
	element_attribute("about", json_str(message, "about"), out);
	element_attribute("outcome", json_str(message, "outcome"), out);
	if (json_bool(message, "repeat", false))
		element_attribute("repeat", "true", out);
	element_body(json_str(message, "text"), out);
	add_footer(message, out);
}

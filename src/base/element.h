/* The element around every message that reaches a model (D9):
 *
 *	<coppice-message id="ask-…" kind="ask" from="feat/a" says="peer">
 *	escaped text
 *	</coppice-message>
 *
 * `&` and `<` of the text and of attributes become entities, so nothing in it can end the element or begin
 * another one; control bytes, escape sequences, and marks that hide text or turn its direction are made
 * visible (\x1b, \u{202e}). Invalid UTF-8 becomes U+FFFD. */
#ifndef BASE_ELEMENT_H
#define BASE_ELEMENT_H

#include <jansson.h>

#include "base/strbuf.h"

enum {
	ELEMENT_IDS_MAX = 64,	    /* messages in one prompt */
	ELEMENT_TEXT_MAX = 1 << 20, /* bytes of a text, escaped */
};

/* Appends text as it may stand in the element. */
void element_text(const char *text, struct strbuf *out);
/* Opens the element of the message `id`; attributes follow, then element_body(). */
void element_begin(const char *id, struct strbuf *out);
/* ` name="value"`, nothing for a NULL value. */
void element_attribute(const char *name, const char *value, struct strbuf *out);
/* Ends the attributes, appends the text and closes the element; a newline follows. */
void element_body(const char *text, struct strbuf *out);
/* The ids of the elements that stand in a prompt, at most ELEMENT_IDS_MAX: an array of strings. That a text
 * holds an id proves nothing but that; whose message it is and whether it was handed over is checked against
 * the books. A new reference. */
json_t *element_ids(const char *prompt, size_t len);

#endif

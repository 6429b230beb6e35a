/* A message as a model reads it (D9): inside an element that names its sender and says whose words they are
 * (base/element.h), with a line on what to do about it. */
#ifndef MESH_RENDER_H
#define MESH_RENDER_H

#include "base/json.h"
#include "base/strbuf.h"

enum { RENDER_MAX = 1 << 20 }; /* bytes of a rendered message */

/* Appends the message (in the shape of message_to_json). */
void message_render(const json_t *message, struct strbuf *out);

#endif

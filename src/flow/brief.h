/* What a model is told of its place in the mesh: in the brief at the start of a session and after a
 * compaction (under 400 tokens), and at the turn's boundaries what is still open (A3). Names, texts and
 * folders of others are escaped as in messages (base/element.h). */
#ifndef FLOW_BRIEF_H
#define FLOW_BRIEF_H

#include "base/strbuf.h"
#include "store/store.h"

enum { BRIEF_MAX = 1500 }; /* bytes */

enum brief_flags {
	BRIEF_ONCE = 1 << 0, /* only asks that were not recalled yet; they are marked */
};

/* Appends the whole brief: who it is, its branch, its jobs, open asks, who is next door, which tool for what.
 */
void brief(struct store *s, const char *peer_id, struct strbuf *out);
/* Appends the open asks to the peer that it has read, compactly; nothing if there are none. */
void brief_open_asks(struct store *s, const char *peer_id, unsigned flags, struct strbuf *out);
/* Appends that its job is still running; nothing if there is none. */
void brief_open_job(struct store *s, const char *peer_id, struct strbuf *out);

#endif

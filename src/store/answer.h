/* Answers kept for 24 hours by idempotency key: a repeated request is told the same again (D2). */
#ifndef STORE_ANSWER_H
#define STORE_ANSWER_H

#include "store/store.h"

enum answer_state {
	ANSWER_NONE,	/* a new key */
	ANSWER_PENDING, /* asked before and still at work: `ret_state` restores where it stood */
	ANSWER_DONE,	/* answered before */
	ANSWER_MISUSED, /* the same key with another request */
};

/* Looks a key up. `fingerprint` is a hash of caller, operation and body. `ret` (new reference or NULL)
 * is the kept answer, or the handler's saved state while pending. */
enum answer_state answer_find(struct store *s, const char *key, int64_t fingerprint, int *ret_status,
			      json_t **ret);
/* Keeps an answer (status is an HTTP status) or, with status 0, a handler's state; replaces. */
void answer_keep(struct store *s, const char *key, int64_t fingerprint, int status, json_t *body);
/* Removes answers older than 24 h, a bounded number at a time. */
void answer_expire(struct store *s);

#endif

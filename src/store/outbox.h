/* The outbox: every effect on the world outside the database is a row before it is an action.
 *
 * states:  pending → started → done | failed
 *                      └ crash → pending again (repeatable; probe, with `probe` set), or
 *                                unknown (once: never repeated, and said so)
 * Effects of one lane run one after the other, in the order of their rows; others side by side. */
#ifndef STORE_OUTBOX_H
#define STORE_OUTBOX_H

#include "store/store.h"

enum effect_repeat {
	EFFECT_REPEATABLE, /* doing it twice is the same as once */
	EFFECT_PROBE,	   /* look at what is already done, then do the rest */
	EFFECT_ONCE,	   /* may not be repeated: after a crash its outcome is unknown */
};

/* One row of the effect table; flow/ holds the table (kind → how it repeats and who is told). */
struct effect_kind {
	const char *name;
	enum effect_repeat repeat;
};

struct effect {
	int64_t id;
	char *kind; /* owned, like all of it */
	char *subject;
	char *lane;
	json_t *args;
	bool probe; /* an earlier try may have done part of it */
	int tries;
};

/* Adds a pending effect; takes ownership of `args`. `lane` may be NULL. Returns its id. */
int64_t effect_add(struct store *s, const struct effect_kind *kind, const char *subject, const char *lane,
		   json_t *args);
/* Reads the oldest pending effect whose lane is free and which is not in flight, and marks it started. False
 * if there is none. The caller commits before it acts. effect_release frees it. */
bool effect_start_next(struct store *s, struct effect *ret);
void effect_release(struct effect *e);
/* Records the end: result (ownership taken) of the action, or its error. Wakes "effect:<id>". */
void effect_finish(struct store *s, int64_t id, bool ok, json_t *result);
/* After a start: puts what was in flight back, or marks it unknown, by its kind. Emits effect.unknown. */
void effect_recover(struct store *s);
/* State of an effect: NULL if there is none; else "pending", "started", "done", "failed", "unknown" (static
 * text), and its result (new reference, JSON null until it ended). */
const char *effect_state(struct store *s, int64_t id, json_t **ret_result);
/* Withdraws a pending effect; false if it has started or ended. */
bool effect_withdraw(struct store *s, int64_t id);
/* "effect:<id>" */
void effect_topic(int64_t id, char ret[ID_SIZE]);

#endif

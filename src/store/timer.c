/* Durable timers; see timer.h. */
#include "store/timer.h"

#include "base/alloc.h"
#include "store/event.h"
#include "store/internal.h"

enum { FIRE_MAX = 256 };

#define JUMP USEC_PER_SEC /* what is less is drift, which is corrected little by little */

void timer_follow_clock(struct store *s)
{
	if (!s->env->elapsed)
		return;
	s->offset = s->now - s->env->elapsed(s->env->data);
	usec_t jump = s->offset - s->saved_offset;
	if (s->saved_offset && (jump > JUMP || jump < -JUMP))
		(void)db_run(s, "UPDATE timer SET due_at = due_at + ?", "i", jump);
}

void timer_set(struct store *s, const char *kind, const char *subject, usec_t due_utc)
{
	(void)db_run(s,
		     "INSERT INTO timer (kind, subject, due_at) VALUES (?,?,?)"
		     " ON CONFLICT (kind, subject) DO UPDATE SET due_at = excluded.due_at",
		     "ssi", kind, subject, due_utc);
}

void timer_clear(struct store *s, const char *kind, const char *subject)
{
	(void)db_run(s, "DELETE FROM timer WHERE kind = ? AND subject = ?", "ss", kind, subject);
}

usec_t timer_next(struct store *s)
{
	return db_int(s, 0, "SELECT min(due_at) FROM timer", "");
}

int timer_fire(struct store *s)
{
	int n = 0;
	for (; n < FIRE_MAX; n++) {
		autoquery q = db_query(
			s, "SELECT kind, subject FROM timer WHERE due_at <= ? ORDER BY due_at LIMIT 1", "i",
			store_now(s));
		if (!query_next(&q))
			break;
		autofree char *kind = query_dup(&q, 0);
		autofree char *subject = query_dup(&q, 1);
		query_release(&q);
		timer_clear(s, kind, subject);
		event_emit(s, kind, subject, NULL, NULL);
	}
	return n;
}

/* Kept answers; see answer.h. */
#include "store/answer.h"

enum { EXPIRE_MAX = 512 };

enum answer_state answer_find(struct store *s, const char *key, int64_t fingerprint, int *ret_status,
			      json_t **ret)
{
	autoquery q = db_query(s, "SELECT fingerprint, status, body FROM answer WHERE key = ?", "s", key);
	if (!query_next(&q))
		return ANSWER_NONE;
	if (query_int(&q, 0) != fingerprint)
		return ANSWER_MISUSED;
	*ret_status = (int)query_int(&q, 1);
	*ret = query_json(&q, 2);
	return *ret_status ? ANSWER_DONE : ANSWER_PENDING;
}

void answer_keep(struct store *s, const char *key, int64_t fingerprint, int status, json_t *body)
{
	(void)db_run(s,
		     "INSERT INTO answer (key, fingerprint, status, body, at) VALUES (?,?,?,?,?)"
		     " ON CONFLICT (key) DO UPDATE SET status = excluded.status, body = excluded.body",
		     "siiji", key, fingerprint, (int64_t)status, body, store_now(s));
}

void answer_expire(struct store *s)
{
	(void)db_run(s, "DELETE FROM answer WHERE key IN (SELECT key FROM answer WHERE at < ? LIMIT ?)", "ii",
		     store_now(s) - USEC_PER_DAY, (int64_t)EXPIRE_MAX);
}

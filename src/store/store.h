/* The one database, and the turn: how a change becomes durable before anyone hears of it.
 *
 *	store_begin()                  one transaction a turn
 *	  store_save()                 a savepoint a request
 *	    handler: db_run(), query_*, event_emit(), effect_add(), timer_set() …
 *	  store_keep() | store_undo()  keep it, or take this request back alone
 *	store_commit()                 one sync; only then are answers sent and effects started
 *
 * Failure of the disk is sticky: after it, queries return no rows, db_run() does nothing, and
 * store_commit() fails, so that the whole turn is dropped (503 not_stored). Handlers therefore check
 * the facts that they read, not each statement. A statement that is wrong is a bug and aborts.
 *
 * What a handler changes in memory must wait for the commit; events, wakes and new effects
 * collected here are handed over only then. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/id.h"
#include "base/json.h"
#include "base/timeval.h"
#include "os/env.h"

struct sqlite3_stmt;
struct store;

/* Opens (creating, 0600) the database at `path`; `vfs` names an SQLite VFS, NULL for the default. A
 * database of a newer version is refused; older ones are migrated in one transaction, after a backup
 * beside it (X3). `env` must outlive the store. */
int store_open(const char *path, const struct os_env *env, const char *vfs, struct store **ret,
	       struct error *err) _warn_unused_;
void store_close(struct store *s);

/* The turn. store_begin fixes store_now() for all of it. */
int store_begin(struct store *s, struct error *err) _warn_unused_;
int store_commit(struct store *s, struct error *err) _warn_unused_;
/* Drops the turn, and with it all collected events and wakes. */
void store_rollback(struct store *s);
void store_save(struct store *s);
void store_keep(struct store *s);
void store_undo(struct store *s);
/* Whether the disk failed in this turn; the text is SQLite's. */
bool store_failed(const struct store *s);
bool store_in_turn(const struct store *s);
/* Moves WAL content into the database file; for idle moments. */
void store_checkpoint(struct store *s);
/* A consistent copy of the whole database into `path` by SQLite's backup interface. */
int store_backup(struct store *s, const char *path, struct error *err) _warn_unused_;

usec_t store_now(const struct store *s);
uint64_t store_random(struct store *s);
const char *store_boot_id(const struct store *s);
/* A fresh id with that prefix. */
void store_new_id(struct store *s, const char *prefix, char ret[ID_SIZE]);

/* Statements. `sql` must be a string literal (it is the cache key). `types` has a letter per parameter:
 * s text (const char *, NULL is null), i int64_t, j json_t * stored as its text (NULL is null).
 * db_run returns the number of rows changed; constraint failures return -1. */
int db_run(struct store *s, const char *sql, const char *types, ...);
int64_t db_last_rowid(const struct store *s);

struct query {
	struct store *store;
	struct sqlite3_stmt *stmt;
	bool done;
	bool own; /* a second use of a statement that is already open: finalized on release */
};

#define autoquery _cleanup_(query_release) struct query

/* A SELECT (or INSERT … RETURNING). Use as: autoquery q = db_query(s, "SELECT …", "s", id);
 * while (query_next(&q)) … */
struct query db_query(struct store *s, const char *sql, const char *types, ...);
bool query_next(struct query *q);
void query_release(struct query *q);
/* Columns of the current row, from 0. Text is owned by the query until the next step; NULL for null. */
const char *query_text(const struct query *q, int column);
int64_t query_int(const struct query *q, int column);
bool query_null(const struct query *q, int column);
/* Text parsed as JSON, a new reference; JSON null when null. */
json_t *query_json(const struct query *q, int column);
/* A copy of the text; caller frees; NULL for null. */
char *query_dup(const struct query *q, int column);
/* The first column of the first row as a number, or `fallback` without a row. */
int64_t db_int(struct store *s, int64_t fallback, const char *sql, const char *types, ...);
/* The same as text; caller frees; NULL without a row or when null. */
char *db_text(struct store *s, const char *sql, const char *types, ...);

/* Wakes whoever waits on `topic` after the commit (see ops/op.h). */
void store_wake(struct store *s, const char *topic);
/* Topics collected in the turn just committed: the array stays valid until the next store_begin. */
const char *const *store_wakes(const struct store *s, size_t *ret_n);

#endif

/* Statements: prepared once, found again by the address of their literal; see store.h. */
#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/internal.h"
#include "store/store.h"

static size_t slot_of(const struct statement *table, size_t cap, const char *sql)
{
	size_t i = ((uintptr_t)sql * 0x9E3779B97F4A7C15u >> 20) & (cap - 1);
	while (table[i].sql && table[i].sql != sql)
		i = (i + 1) & (cap - 1);
	return i;
}

static void grow(struct store *s)
{
	size_t cap = s->statement_cap ? s->statement_cap * 2 : 128;
	struct statement *table = xcalloc(cap, sizeof(*table));
	for (size_t i = 0; i < s->statement_cap; i++)
		if (s->statements[i].sql)
			table[slot_of(table, cap, s->statements[i].sql)] = s->statements[i];
	free(s->statements);
	s->statements = table;
	s->statement_cap = cap;
}

static sqlite3_stmt *prepare(struct store *s, const char *sql, unsigned flags)
{
	sqlite3_stmt *stmt = NULL;
	int code = sqlite3_prepare_v3(s->db, sql, -1, flags, &stmt, NULL);
	if (code != SQLITE_OK)
		store_note_failure(s, code, sql);
	return stmt;
}

/* The cached statement, or NULL when the disk failed. */
static sqlite3_stmt *cached(struct store *s, const char *sql)
{
	if (s->statement_count * 2 >= s->statement_cap)
		grow(s);
	struct statement *found = &s->statements[slot_of(s->statements, s->statement_cap, sql)];
	if (!found->sql) {
		sqlite3_stmt *stmt = prepare(s, sql, SQLITE_PREPARE_PERSISTENT);
		if (!stmt)
			return NULL;
		*found = (struct statement){sql, stmt};
		s->statement_count++;
	}
	return found->stmt;
}

static void bind(sqlite3_stmt *stmt, const char *types, va_list ap)
{
	assert(sqlite3_bind_parameter_count(stmt) == (int)strlen(types));
	for (int i = 0; types[i]; i++) {
		switch (types[i]) {
		case 's': {
			const char *text = va_arg(ap, const char *);
			(void)sqlite3_bind_text(stmt, i + 1, text, -1, SQLITE_TRANSIENT);
			break;
		}
		case 'i':
			(void)sqlite3_bind_int64(stmt, i + 1, va_arg(ap, int64_t));
			break;
		case 'j': {
			const json_t *json = va_arg(ap, const json_t *);
			char *text = json ? json_text(json) : NULL;
			(void)sqlite3_bind_text(stmt, i + 1, text, -1, text ? free : SQLITE_STATIC);
			break;
		}
		default:
			abort();
		}
	}
}

int db_run(struct store *s, const char *sql, const char *types, ...)
{
	sqlite3_stmt *stmt = s->failed ? NULL : cached(s, sql);
	if (!stmt)
		return 0;
	va_list ap;
	va_start(ap, types);
	bind(stmt, types, ap);
	va_end(ap);
	int code = sqlite3_step(stmt);
	int changed = sqlite3_changes(s->db);
	(void)sqlite3_reset(stmt); /* repeats the step's code */
	(void)sqlite3_clear_bindings(stmt);
	if ((code & 0xff) == SQLITE_CONSTRAINT)
		return -1;
	if (code != SQLITE_DONE && code != SQLITE_ROW) {
		store_note_failure(s, code, sql);
		return 0;
	}
	return changed;
}

int64_t db_last_rowid(const struct store *s)
{
	return sqlite3_last_insert_rowid(s->db);
}

static struct query open_query(struct store *s, const char *sql, const char *types, va_list ap)
{
	struct query q = {.store = s, .done = true};
	sqlite3_stmt *stmt = s->failed ? NULL : cached(s, sql);
	if (stmt && sqlite3_stmt_busy(stmt)) {
		stmt = prepare(s, sql, 0);
		q.own = true;
	}
	if (!stmt)
		return q;
	bind(stmt, types, ap);
	q.stmt = stmt;
	q.done = false;
	return q;
}

struct query db_query(struct store *s, const char *sql, const char *types, ...)
{
	va_list ap;
	va_start(ap, types);
	struct query q = open_query(s, sql, types, ap);
	va_end(ap);
	return q;
}

bool query_next(struct query *q)
{
	if (q->done)
		return false;
	int code = sqlite3_step(q->stmt);
	if (code == SQLITE_ROW)
		return true;
	q->done = true;
	if (code != SQLITE_DONE)
		store_note_failure(q->store, code, sqlite3_sql(q->stmt));
	return false;
}

void query_release(struct query *q)
{
	if (q->stmt && q->own) {
		(void)sqlite3_finalize(q->stmt); /* repeats the step's code */
	} else if (q->stmt) {
		(void)sqlite3_reset(q->stmt);
		(void)sqlite3_clear_bindings(q->stmt);
	}
	q->stmt = NULL;
	q->done = true;
}

const char *query_text(const struct query *q, int column)
{
	return (const char *)sqlite3_column_text(q->stmt, column);
}

int64_t query_int(const struct query *q, int column)
{
	return sqlite3_column_int64(q->stmt, column);
}

bool query_null(const struct query *q, int column)
{
	return sqlite3_column_type(q->stmt, column) == SQLITE_NULL;
}

json_t *query_json(const struct query *q, int column)
{
	const char *text = query_text(q, column);
	json_t *json = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
	return json ? json : json_null();
}

char *query_dup(const struct query *q, int column)
{
	const char *text = query_text(q, column);
	return text ? xstrdup(text) : NULL;
}

int64_t db_int(struct store *s, int64_t fallback, const char *sql, const char *types, ...)
{
	va_list ap;
	va_start(ap, types);
	autoquery q = open_query(s, sql, types, ap);
	va_end(ap);
	return query_next(&q) ? query_int(&q, 0) : fallback;
}

char *db_text(struct store *s, const char *sql, const char *types, ...)
{
	va_list ap;
	va_start(ap, types);
	autoquery q = open_query(s, sql, types, ap);
	va_end(ap);
	return query_next(&q) ? query_dup(&q, 0) : NULL;
}

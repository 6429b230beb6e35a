/* The database and the turn; see store.h.
 *
 * SQLite in WAL mode with synchronous=FULL: a commit is one sync of the log. The daemon is the only
 * process that opens the file (exclusive locking, so no shared-memory file either), and checkpoints are
 * run when it is idle or the log has grown, never inside somebody's request. */
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "store/internal.h"
#include "store/schema.h"

enum { CACHE_KIB = 2048 };

static int sqlite_error(struct store *s, struct error *err, const char *what)
{
	int code = sqlite3_errcode(s->db) & 0xff;
	return error_set(err, code == SQLITE_FULL ? ERR_DISK_FULL : ERR_NOT_STORED, "%s: %s", what,
			 sqlite3_errmsg(s->db));
}

static int exec(struct store *s, const char *sql, struct error *err)
{
	if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	return sqlite_error(s, err, "database");
}

static int latest_version(void)
{
	int n = 0;
	while (schema_migrations[n])
		n++;
	return n;
}

int store_backup(struct store *s, const char *path, struct error *err)
{
	sqlite3 *to = NULL;
	int code = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
	if (code == SQLITE_OK) {
		sqlite3_backup *copy = sqlite3_backup_init(to, "main", s->db, "main");
		if (copy)
			(void)sqlite3_backup_step(copy, -1); /* its result comes back from finish */
		code = copy ? sqlite3_backup_finish(copy) : sqlite3_errcode(to);
	}
	int result = code == SQLITE_OK ? 0
				       : error_set(err, code == SQLITE_FULL ? ERR_DISK_FULL : ERR_SYSTEM,
						   "backup to %s: %s", path, sqlite3_errstr(code));
	(void)sqlite3_close(to); /* a copy that finished is on disk already */
	return result;
}

static int run_migrations(struct store *s, int from, struct error *err)
{
	int code = exec(s, "BEGIN EXCLUSIVE", err);
	for (int i = from; !code && schema_migrations[i]; i++)
		code = exec(s, schema_migrations[i], err);
	char version[64];
	(void)snprintf(version, sizeof(version), "PRAGMA user_version=%d", latest_version());
	if (!code)
		code = exec(s, version, err);
	if (!code)
		code = exec(s, "COMMIT", err);
	if (code)
		(void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL); /* the failure is already told */
	return code;
}

static int migrate(struct store *s, const char *path, struct error *err)
{
	int version = 0;
	sqlite3_stmt *stmt = NULL;
	if (sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &stmt, NULL) != SQLITE_OK)
		return sqlite_error(s, err, path);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		version = sqlite3_column_int(stmt, 0);
	if (sqlite3_finalize(stmt) != SQLITE_OK)
		return sqlite_error(s, err, path);
	if (version == latest_version())
		return 0;
	if (version > latest_version()) {
		int code = error_set(err, ERR_UNSUPPORTED, "%s is of version %d, this program knows %d", path,
				     version, latest_version());
		return error_hint(err, code, "install the newer coppice that wrote it");
	}
	if (version > 0) {
		autofree char *backup = xasprintf("%s.v%d.bak", path, version);
		int code = store_backup(s, backup, err);
		if (code)
			return code;
	}
	return run_migrations(s, version, err);
}

/* SQLite creates its files with the umask's mode; the database is made private before it opens it (S6). */
static int create_private(const char *path, struct error *err)
{
	autoclose int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || fchmod(fd, 0600) < 0)
		return error_errno(err, errno, "%s", path);
	return 0;
}

int store_open(const char *path, const struct os_env *env, const char *vfs, struct store **ret,
	       struct error *err)
{
	static const char pragmas[] = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
				      "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
				      "PRAGMA wal_autocheckpoint=0; PRAGMA temp_store=MEMORY;";
	int code = vfs ? 0 : create_private(path, err);
	if (code)
		return code;
	struct store *s = xcalloc(1, sizeof(*s));
	s->env = env;
	if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			    vfs) != SQLITE_OK)
		code = sqlite_error(s, err, path);
	if (!code) {
		(void)sqlite3_extended_result_codes(s->db, 0);
		code = exec(s, pragmas, err);
	}
	if (code && (sqlite3_errcode(s->db) == SQLITE_NOTADB || sqlite3_errcode(s->db) == SQLITE_CORRUPT))
		(void)error_hint(
			err, sqlite_error(s, err, path),
			"put a copy of it back, or move it away: worktrees and branches stay as they are");
	char cache[64];
	(void)snprintf(cache, sizeof(cache), "PRAGMA cache_size=-%d", CACHE_KIB);
	if (!code)
		code = exec(s, cache, err);
	if (!code)
		code = migrate(s, path, err);
	if (code) {
		store_close(s);
		return code;
	}
	*ret = s;
	return 0;
}

static void drop_collected(struct store *s, size_t events, size_t wakes)
{
	while (s->event_count > events) {
		struct event *e = &s->events[--s->event_count];
		free(e->kind);
		free(e->subject);
		free(e->plan_id);
		json_decref(e->data);
	}
	while (s->wake_count > wakes)
		free(s->wakes[--s->wake_count]);
}

void store_close(struct store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->statement_cap; i++)
		(void)sqlite3_finalize(s->statements[i].stmt); /* repeats the error of its last step */
	drop_collected(s, 0, 0);
	free(s->statements);
	free(s->events);
	free(s->wakes);
	(void)sqlite3_close(s->db); /* everything is finalized; a last checkpoint's failure loses nothing */
	free(s);
}

int store_begin(struct store *s, struct error *err)
{
	assert(!s->in_turn);
	drop_collected(s, 0, 0);
	s->event_seen = 0;
	s->failed = false;
	s->now = os_now(s->env);
	int code = exec(s, "BEGIN IMMEDIATE", err);
	s->in_turn = code == 0;
	if (!code)
		timer_follow_clock(s);
	return code;
}

int store_commit(struct store *s, struct error *err)
{
	assert(s->in_turn);
	int code = 0;
	if (s->failed)
		code = error_set(err, ERR_NOT_STORED, "the turn was not stored: %s", sqlite3_errmsg(s->db));
	else
		code = exec(s, "COMMIT", err);
	if (!code) {
		s->in_turn = false;
		s->saved_offset = s->offset;
		return 0;
	}
	store_rollback(s);
	return code == ERR_DISK_FULL ? ERR_NOT_STORED : code;
}

void store_rollback(struct store *s)
{
	if (!sqlite3_get_autocommit(s->db))
		(void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL,
				   NULL); /* only fails when already rolled back */
	drop_collected(s, 0, 0);
	s->in_turn = false;
	s->failed = false;
}

void store_note_failure(struct store *s, int code, const char *sql)
{
	switch (code & 0xff) {
	case SQLITE_FULL:
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_NOMEM:
	case SQLITE_BUSY:
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_INTERRUPT:
	case SQLITE_ABORT:
		s->failed = true;
		return;
	default:
		(void)fprintf(stderr, "coppice: bug: %s: %s\n", sqlite3_errmsg(s->db), sql);
		abort();
	}
}

void store_save(struct store *s)
{
	s->saved_events = s->event_count;
	s->saved_seen = s->event_seen;
	s->saved_wakes = s->wake_count;
	(void)db_run(s, "SAVEPOINT request", "");
}

void store_keep(struct store *s)
{
	(void)db_run(s, "RELEASE request", "");
}

void store_undo(struct store *s)
{
	(void)db_run(s, "ROLLBACK TO request", "");
	(void)db_run(s, "RELEASE request", "");
	drop_collected(s, s->saved_events, s->saved_wakes);
	s->event_seen = s->saved_seen;
}

bool store_failed(const struct store *s)
{
	return s->failed;
}

bool store_in_turn(const struct store *s)
{
	return s->in_turn;
}

void store_checkpoint(struct store *s)
{
	/* A checkpoint that could not finish is tried again at the next idle moment. */
	(void)sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

usec_t store_now(const struct store *s)
{
	return s->now;
}

uint64_t store_random(struct store *s)
{
	return os_random(s->env);
}

const char *store_boot_id(const struct store *s)
{
	return s->env->boot_id;
}

void store_new_id(struct store *s, const char *prefix, char ret[ID_SIZE])
{
	id_format(prefix, store_random(s), ret);
}

void store_wake(struct store *s, const char *topic)
{
	ARRAY_GROW(s->wakes, s->wake_count, s->wake_cap);
	s->wakes[s->wake_count++] = xstrdup(topic);
}

const char *const *store_wakes(const struct store *s, size_t *ret_n)
{
	*ret_n = s->wake_count;
	return (const char *const *)s->wakes;
}

/* Tests of the store: the turn, savepoints, effects, timers, kept answers, versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/answer.h"
#include "store/event.h"
#include "store/outbox.h"
#include "store/schema.h"
#include "store/store.h"
#include "store/timer.h"

struct fixture {
	char dir[32];
	char *path;
	struct store *s;
};

static struct store *open_at(const char *path)
{
	struct store *s = NULL;
	autoerror err = {0};
	if (store_open(path, os_env_real(), NULL, &s, &err))
		print_error("%s\n", err.message);
	return s;
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/coppice-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->path = xasprintf("%s/db", f->dir);
	f->s = open_at(f->path);
	assert_non_null(f->s);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	store_close(f->s);
	static const char *const suffixes[] = {"", "-wal", "-journal", "-shm"};
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		autofree char *path = xasprintf("%s%s", f->path, suffixes[i]);
		(void)unlink(path);
	}
	(void)rmdir(f->dir);
	free(f->path);
	free(f);
	return 0;
}

static void begin(struct store *s)
{
	autoerror err = {0};
	assert_int_equal(store_begin(s, &err), 0);
}

static void commit(struct store *s)
{
	autoerror err = {0};
	assert_int_equal(store_commit(s, &err), 0);
}

static void test_one_failing_request_rolls_back_alone(void **state)
{
	struct store *s = ((struct fixture *)*state)->s;
	begin(s);
	store_save(s);
	event_emit(s, "kept", "x", NULL, NULL);
	store_keep(s);
	store_save(s);
	event_emit(s, "undone", "y", NULL, NULL);
	store_undo(s);
	commit(s);
	size_t n = 0;
	const struct event *events = store_events(s, &n);
	assert_int_equal(n, 1);
	assert_string_equal(events[0].kind, "kept");
	begin(s);
	assert_int_equal(db_int(s, -1, "SELECT count(*) FROM event", ""), 1);
	commit(s);
}

static void test_committed_survives_reopening_uncommitted_does_not(void **state)
{
	struct fixture *f = *state;
	begin(f->s);
	event_emit(f->s, "a", "x", NULL, NULL);
	commit(f->s);
	begin(f->s);
	event_emit(f->s, "b", "x", NULL, NULL);
	store_close(f->s);
	f->s = open_at(f->path);
	begin(f->s);
	assert_int_equal(db_int(f->s, -1, "SELECT count(*) FROM event", ""), 1);
	commit(f->s);
}

static const struct effect_kind repeatable = {"a", EFFECT_REPEATABLE};
static const struct effect_kind probe = {"b", EFFECT_PROBE};
static const struct effect_kind once = {"c", EFFECT_ONCE};

static void test_W11_effects_recover_by_their_kind(void **state)
{
	struct fixture *f = *state;
	begin(f->s);
	int64_t ids[3] = {effect_add(f->s, &repeatable, "s", NULL, json_object()),
			  effect_add(f->s, &probe, "s", NULL, json_object()),
			  effect_add(f->s, &once, "s", NULL, json_object())};
	for (int i = 0; i < 3; i++) {
		struct effect e;
		assert_true(effect_start_next(f->s, &e));
		assert_int_equal(e.id, ids[i]);
		assert_false(e.probe);
		effect_release(&e);
	}
	commit(f->s);
	store_close(f->s);
	f->s = open_at(f->path);
	begin(f->s);
	effect_recover(f->s);
	assert_string_equal(effect_state(f->s, ids[2], NULL), "unknown");
	struct effect e;
	assert_true(effect_start_next(f->s, &e));
	assert_string_equal(e.kind, "a");
	assert_false(e.probe);
	effect_release(&e);
	assert_true(effect_start_next(f->s, &e));
	assert_string_equal(e.kind, "b");
	assert_true(e.probe);
	assert_int_equal(e.tries, 2);
	effect_release(&e);
	assert_false(effect_start_next(f->s, &e));
	commit(f->s);
}

static void test_effects_of_a_lane_keep_their_order(void **state)
{
	struct store *s = ((struct fixture *)*state)->s;
	begin(s);
	int64_t first = effect_add(s, &repeatable, NULL, "lane", json_object());
	int64_t second = effect_add(s, &repeatable, NULL, "lane", json_object());
	struct effect e;
	assert_true(effect_start_next(s, &e));
	assert_int_equal(e.id, first);
	effect_release(&e);
	assert_false(effect_start_next(s, &e));
	effect_finish(s, first, true, json_object());
	assert_true(effect_start_next(s, &e));
	assert_int_equal(e.id, second);
	effect_release(&e);
	commit(s);
}

static void test_timers_fire_once_in_order(void **state)
{
	struct store *s = ((struct fixture *)*state)->s;
	begin(s);
	timer_set(s, "t.late", "x", store_now(s) + USEC_PER_HOUR);
	timer_set(s, "t.b", "x", store_now(s) - 1);
	timer_set(s, "t.a", "x", store_now(s) - 2);
	timer_set(s, "t.gone", "x", store_now(s) - 3);
	timer_clear(s, "t.gone", "x");
	assert_int_equal(timer_fire(s), 2);
	struct event e;
	assert_true(event_take(s, &e));
	assert_string_equal(e.kind, "t.a");
	assert_true(event_take(s, &e));
	assert_string_equal(e.kind, "t.b");
	assert_false(event_take(s, &e));
	assert_int_equal(timer_next(s), store_now(s) + USEC_PER_HOUR);
	commit(s);
}

static usec_t clock_now, clock_elapsed;

static usec_t set_now(void *data)
{
	(void)data;
	return clock_now;
}

static usec_t set_elapsed(void *data)
{
	(void)data;
	return clock_elapsed;
}

/* What fires now, `wait` later, when the clock was set by `jump` meanwhile. */
static int fired_after(struct store *s, usec_t wait, usec_t jump)
{
	clock_elapsed += wait;
	clock_now += wait + jump;
	begin(s);
	int n = timer_fire(s);
	commit(s);
	return n;
}

static void test_timers_run_down_whatever_the_clock_is_set_to(void **state)
{
	struct fixture *f = *state;
	struct os_env env = *os_env_real();
	autoerror err = {0};
	env.now = set_now;
	env.elapsed = set_elapsed;
	clock_now = 50 * 365 * USEC_PER_DAY;
	clock_elapsed = USEC_PER_HOUR;
	store_close(TAKE_PTR(f->s));
	assert_int_equal(store_open(f->path, &env, NULL, &f->s, &err), 0);
	static const usec_t jumps[] = {0, 3 * USEC_PER_HOUR, -3 * USEC_PER_HOUR, -USEC_PER_SEC / 2};
	for (size_t i = 0; i < ARRAY_SIZE(jumps); i++) {
		begin(f->s);
		timer_set(f->s, "t.soon", "x", store_now(f->s) + 10 * USEC_PER_SEC);
		commit(f->s);
		assert_int_equal(fired_after(f->s, 5 * USEC_PER_SEC, jumps[i]), 0);
		/* A turn that is not stored has corrected nothing. */
		begin(f->s);
		store_rollback(f->s);
		assert_int_equal(fired_after(f->s, 6 * USEC_PER_SEC, 0), 1);
	}
	store_close(TAKE_PTR(f->s));
	f->s = open_at(f->path);
}

static void test_D2_a_kept_answer_is_given_again(void **state)
{
	struct store *s = ((struct fixture *)*state)->s;
	int status = 0;
	json_t *body = NULL;
	begin(s);
	assert_int_equal(answer_find(s, "k", 1, &status, &body), ANSWER_NONE);
	json_auto_t *answer = json_pack("{s:s}", "id", "ask-1");
	answer_keep(s, "k", 1, 200, answer);
	assert_int_equal(answer_find(s, "k", 1, &status, &body), ANSWER_DONE);
	assert_true(json_equal(answer, body));
	json_decref(body);
	assert_int_equal(answer_find(s, "k", 2, &status, &body), ANSWER_MISUSED);
	commit(s);
}

static void test_X3_newer_database_is_refused(void **state)
{
	struct fixture *f = *state;
	store_close(f->s);
	f->s = NULL;
	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=9999", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	autoerror err = {0};
	assert_int_equal(store_open(f->path, os_env_real(), NULL, &f->s, &err), ERR_UNSUPPORTED);
	assert_non_null(err.hint);
}

/* What a database of any version may hold. */
static const char old_rows[] =
	"INSERT INTO peer (peer_id, name, circle, role, backend, status, live, created_at, last_seen) VALUES"
	" ('peer-1', 'b', 'default', 'agent', 'script', 'online', 1, 1, 1);"
	"INSERT INTO message (id, kind, from_kind, from_name, to_peer, text, step, at) VALUES"
	" ('msg-1', 'notify', 'human', 'human', 'peer-1', 'kept', 'stored', 1);";

static void make_old(const char *path, int version)
{
	sqlite3 *db = NULL;
	char pragma[64];
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	for (int i = 0; i < version; i++)
		assert_int_equal(sqlite3_exec(db, schema_migrations[i], NULL, NULL, NULL), SQLITE_OK);
	(void)snprintf(pragma, sizeof(pragma), "PRAGMA user_version=%d", version);
	assert_int_equal(sqlite3_exec(db, pragma, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, old_rows, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void test_X3_every_older_database_is_migrated_after_a_backup(void **state)
{
	struct fixture *f = *state;
	for (int version = 1; schema_migrations[version]; version++) {
		autofree char *path = xasprintf("%s-%d", f->path, version);
		autofree char *backup = xasprintf("%s.v%d.bak", path, version);
		make_old(path, version);
		struct store *s = open_at(path);
		assert_non_null(s);
		assert_int_equal(access(backup, F_OK), 0);
		begin(s);
		assert_int_equal(
			db_int(s, -1,
			       "SELECT count(*) FROM message WHERE text = 'kept' AND hops = 0 AND held IS"
			       " NULL AND circle IS NULL AND quiet = 0",
			       ""),
			1);
		commit(s);
		store_close(s);
		static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
		for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
			autofree char *file = xasprintf("%s%s", path, suffixes[i]);
			(void)unlink(file);
		}
		(void)unlink(backup);
	}
}

static void test_S6_database_is_private(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_failing_request_rolls_back_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_committed_survives_reopening_uncommitted_does_not, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_W11_effects_recover_by_their_kind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_effects_of_a_lane_keep_their_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timers_fire_once_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timers_run_down_whatever_the_clock_is_set_to, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_D2_a_kept_answer_is_given_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_X3_newer_database_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_X3_every_older_database_is_migrated_after_a_backup,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_S6_database_is_private, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

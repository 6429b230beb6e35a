/* What the tests of mesh/ share: a real database in a temporary folder, with a clock, a generator and a boot
 * id that the test sets; and short ways to make peers. Included by test programs only. */
#ifndef MESH_TESTING_H
#define MESH_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mesh/identity.h"
#include "mesh/limits.h"
#include "mesh/peer.h"
#include "mesh/react.h"
#include "store/event.h"
#include "store/store.h"
#include "store/timer.h"

struct world {
	struct os_env env;
	usec_t now;
	uint64_t random;
	char dir[32];
	char path[64];
	struct store *s;
	struct mesh_limits limits;
	pid_t next_pid;
};

static inline usec_t world_now(void *data)
{
	return ((struct world *)data)->now;
}

static inline uint64_t world_random(void *data)
{
	struct world *w = data;
	w->random = w->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return w->random ^ w->random >> 33;
}

static inline void world_check(int r, const struct error *err)
{
	if (r)
		print_error("%s: %s\n", error_kind((enum error_code)r)->name, err->message);
	assert_int_equal(r, 0);
}

static inline void world_begin(struct world *w)
{
	autoerror err = {0};
	world_check(store_begin(w->s, &err), &err);
}

static inline void world_open(struct world *w)
{
	autoerror err = {0};
	world_check(store_open(w->path, &w->env, NULL, &w->s, &err), &err);
	world_begin(w);
}

/* Lets the mesh react to what happened so far in this turn. */
static inline void world_react(struct world *w)
{
	struct event e;
	while (event_take(w->s, &e))
		(void)mesh_react(w->s, &w->limits, &e);
}

/* Ends the turn and begins the next one. */
static inline void world_turn(struct world *w)
{
	autoerror err = {0};
	world_react(w);
	world_check(store_commit(w->s, &err), &err);
	world_begin(w);
}

/* The same after some time, with the timers that are due by then. */
static inline void world_pass(struct world *w, usec_t time)
{
	w->now += time;
	world_turn(w);
	(void)timer_fire(w->s);
	world_turn(w);
}

/* Ends the process and starts it again; `boot_id` not NULL: after a reboot. What was not committed is lost.
 */
static inline void world_restart(struct world *w, const char *boot_id)
{
	store_close(w->s);
	if (boot_id)
		w->env.boot_id = boot_id;
	world_open(w);
}

static inline int world_setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	*w = (struct world){.env = {.now = world_now, .random = world_random, .boot_id = "boot-1", .data = w},
			    .now = 1767323045000000,
			    .random = 7,
			    .limits = MESH_LIMITS_DEFAULT,
			    .next_pid = 1000};
	/* The governor has tests of its own. */
	w->limits.hops = w->limits.pair_per_minute = w->limits.circle_per_hour = 100000;
	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/coppice-test-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	(void)snprintf(w->path, sizeof(w->path), "%s/db", w->dir);
	world_open(w);
	*state = w;
	return 0;
}

static inline int world_teardown(void **state)
{
	struct world *w = *state;
	store_close(w->s);
	static const char *const suffixes[] = {"", "-wal", "-journal", "-shm"};
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		autofree char *path = xasprintf("%s%s", w->path, suffixes[i]);
		(void)unlink(path);
	}
	(void)rmdir(w->dir);
	free(w);
	return 0;
}

/* A new agent process of that name, circle and role (NULL: the defaults) that has registered. */
static inline struct peer_ref world_agent(struct world *w, const char *name, const char *circle,
					  const char *role)
{
	struct peer_ref peer = {0};
	autoerror err = {0};
	struct peer_process process = {.kind = SESSION_AGENT, .pid = w->next_pid++, .start_time = 77};
	struct peer_spec spec = {
		.name = name, .circle = circle, .role = role, .backend = "claude-code", .trusted = true};
	world_check(peer_register(w->s, &process, &spec, &peer, &err), &err);
	return peer;
}

static inline struct caller world_caller(const struct peer_ref *peer)
{
	struct caller caller;
	identity_of_peer(peer, &caller);
	return caller;
}

static inline struct caller world_surface(struct world *w, enum role role)
{
	struct peer_ref peer;
	peer_surface(w->s, role, &peer);
	return world_caller(&peer);
}

static inline struct caller world_unknown(struct world *w)
{
	struct caller caller;
	struct identity_evidence nothing = {.marked = TRUTH_UNKNOWN};
	identity_resolve(w->s, NULL, &nothing, &caller);
	return caller;
}

/* How many events of that kind were recorded about `subject` (NULL: anybody). */
static inline int64_t world_events(struct world *w, const char *kind, const char *subject)
{
	return db_int(w->s, 0, "SELECT count(*) FROM event WHERE kind = ?1 AND (?2 IS NULL OR subject = ?2)",
		      "ss", kind, subject);
}

#define world_test(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

#endif

/* What the core takes from the machine besides files: time and randomness, behind one interface, so
 * that the simulator can put a seeded clock and generator in their place. */
#ifndef OS_ENV_H
#define OS_ENV_H

#include <stdint.h>

#include "base/timeval.h"

struct os_env {
	/* UTC now, in microseconds. */
	usec_t (*now)(void *data);
	/* Time since boot, sleep included, which nobody sets; NULL where nobody sets the other clock either.
	 */
	usec_t (*elapsed)(void *data);
	/* 64 bits that nobody can guess. */
	uint64_t (*random)(void *data);
	/* This boot's id (/proc/sys/kernel/random/boot_id); owned by the environment. */
	const char *boot_id;
	void *data;
};

/* The real clock, getrandom(2) and boot id; one static object. */
const struct os_env *os_env_real(void);
/* Monotonic now, for time limits of what blocks; nothing of the core uses it. */
usec_t os_monotonic(void);

static inline usec_t os_now(const struct os_env *env)
{
	return env->now(env->data);
}

static inline uint64_t os_random(const struct os_env *env)
{
	return env->random(env->data);
}

#endif

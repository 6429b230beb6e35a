/* The machine's own clock and randomness; see env.h. */
#include "os/env.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

static usec_t real_now(void *data)
{
	(void)data;
	struct timespec ts;
	(void)clock_gettime(CLOCK_REALTIME, &ts); /* cannot fail for a clock that always exists */
	return (usec_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

static usec_t real_elapsed(void *data)
{
	(void)data;
	struct timespec ts;
	(void)clock_gettime(CLOCK_BOOTTIME, &ts); /* as above */
	return (usec_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

usec_t os_monotonic(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* as above */
	return (usec_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

static uint64_t real_random(void *data)
{
	(void)data;
	uint64_t value;
	if (getrandom(&value, sizeof(value), 0) != sizeof(value))
		abort(); /* 8 bytes never fail once the kernel's pool is ready, and ids need them */
	return value;
}

static const char *read_boot_id(void)
{
	static char id[40] = "unknown";
	autoclose int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	char text[sizeof(id)];
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	if (n > 0) {
		text[n] = '\0';
		text[strcspn(text, "\n")] = '\0';
		memcpy(id, text, sizeof(id));
	}
	return id;
}

const struct os_env *os_env_real(void)
{
	static struct os_env env = {.now = real_now, .elapsed = real_elapsed, .random = real_random};
	if (!env.boot_id)
		env.boot_id = read_boot_id();
	return &env;
}

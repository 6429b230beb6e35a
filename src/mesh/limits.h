/* What the configuration says about the mesh, handed to every function that needs it: pure functions
 * keep no configuration of their own. */
#ifndef MESH_LIMITS_H
#define MESH_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/timeval.h"

struct mesh_limits {
	usec_t queue_age;     /* delivery.queue_age: older waiting messages become dead letters (D7) */
	int64_t queue_length; /* delivery.queue_length: waiting messages of one recipient (D7) */
	bool enforce_circles; /* circles.enforce (R5) */
	/* governor.hops, .pair_per_minute, .circle_per_hour (0: none) (D11) */
	int64_t hops, pair_per_minute, circle_per_hour;
};

/* The defaults of surface.md. */
#define MESH_LIMITS_DEFAULT                                                                                  \
	((struct mesh_limits){.queue_age = USEC_PER_DAY,                                                     \
			      .queue_length = 100,                                                           \
			      .enforce_circles = false,                                                      \
			      .hops = 8,                                                                     \
			      .pair_per_minute = 12,                                                         \
			      .circle_per_hour = 600})

#endif

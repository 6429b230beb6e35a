/* The core: what every reaction and operation works on. The daemon and the simulator each make one. */
#ifndef FLOW_CORE_H
#define FLOW_CORE_H

#include "base/config.h"
#include "mesh/limits.h"
#include "store/store.h"

struct core {
	struct store *store;
	const struct config *config;		   /* the user's; immutable */
	const struct config_source *config_source; /* what it was read from, for repo_config(); or NULL */
	struct mesh_limits limits;		   /* from the configuration */
	const char *home;			   /* the state folder, absolute */
	const char *program; /* absolute path of this program, for terminals and workers */
	/* What the pane's process wrote at its end ({"exit","summary","tail"}), a new reference; NULL if it
	 * wrote nothing; {"running":{"pid","start_time"}} if it was not the one that runs the spawn. A file
	 * of the state folder; the simulator has its own. */
	json_t *(*spawn_exit)(const struct core *core, const char *spawn_id);
	/* Whether a link to the process that hosts sessions is open now; NULL: to each that is told of. */
	bool (*linked)(const struct core *core, int64_t pid, int64_t start_time);
	void *data; /* the owner's */
	/* what `status` tells of the daemon */
	const char *socket;
	usec_t started_at;
};

#endif

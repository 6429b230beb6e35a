/* The core: what every reaction and operation works on. The daemon and the simulator each make one. */
#ifndef FLOW_CORE_H
#define FLOW_CORE_H

#include "base/config.h"
#include "store/store.h"

struct core {
	struct store *store;
	const struct config *config; /* the user's; immutable */
	const char *home;	     /* the state folder, absolute */
	const char *program;	     /* absolute path of this program, for terminals and workers */
};

#endif

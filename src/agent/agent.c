/* The table of backends; see agent.h. */
#include "agent/agent.h"

#include <stddef.h>
#include <string.h>

#include "base/alloc.h"

static const struct agent_backend *const backends[] = {&agent_script};

const struct agent_backend *agent_backend_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(backends); i++)
		if (strcmp(backends[i]->name, name) == 0)
			return backends[i];
	return NULL;
}

const char *const *agent_backend_names(void)
{
	static const char *names[ARRAY_SIZE(backends) + 1];
	for (size_t i = 0; i < ARRAY_SIZE(backends); i++)
		names[i] = backends[i]->name;
	return names;
}

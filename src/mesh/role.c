/* The table of roles; see role.h.
 *
 * An orchestrator sees every circle because it hands out work across them, a reviewer because it reads what
 * all of them wrote, the surfaces because a person or a script stands outside of circles. A service is a
 * script that nobody can hand a message to: it asks and waits, so it can be answered but not written to. */
#include "mesh/role.h"

#include <assert.h>
#include <string.h>

static const struct role_kind kinds[ROLE_MAX_] = {
	/*                     name            bypasses takes_input surface mail_ages */
	[ROLE_AGENT] = {"agent", false, true, false, true},
	[ROLE_ORCHESTRATOR] = {"orchestrator", true, true, false, true},
	[ROLE_REVIEWER] = {"reviewer", true, true, false, true},
	[ROLE_HUMAN] = {"human", true, true, true, false},
	[ROLE_SERVICE] = {"service", true, false, true, true},
	[ROLE_UNKNOWN] = {"unknown", false, false, false, true},
};

const struct role_kind *role_kind(enum role role)
{
	assert(role >= 0 && role < ROLE_MAX_);
	return &kinds[role];
}

const char *role_name(enum role role)
{
	return role_kind(role)->name;
}

bool role_parse(const char *name, enum role *ret)
{
	for (int i = 0; i < ROLE_UNKNOWN; i++) {
		if (strcmp(kinds[i].name, name) == 0) {
			*ret = (enum role)i;
			return true;
		}
	}
	return false;
}
